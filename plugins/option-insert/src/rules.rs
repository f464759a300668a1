//! From settings to what is done with each reply.

use std::collections::BTreeMap;

use crate::values;
use crate::{Setting, SettingError};

/// What is done with one option.
#[derive(Clone)]
pub enum Action {
    /// Set it, in the place of any with this code.
    Replace(Vec<u8>),
    /// Set it if the reply has none.
    Insert(Vec<u8>),
    /// Remove it.
    Remove,
}

/// Actions by option code.
type Actions = BTreeMap<u16, Action>;

/// Messages by the names of RFC 2132 §9.6 that a server sends to a client.
const MESSAGES: [(&str, u8); 3] = [("offer", 2), ("ack", 5), ("nak", 6)];

/// Every setting, ready for use.
pub struct Rules {
    /// Message types of the replies that are changed; empty means all.
    messages: Vec<u8>,
    common: Actions,
    /// For each group all its actions, the common ones among them.
    groups: BTreeMap<String, Actions>,
}

impl Rules {
    pub const fn new() -> Rules {
        Rules { messages: Vec::new(), common: BTreeMap::new(), groups: BTreeMap::new() }
    }

    /// Whether a reply of this type is changed.
    pub fn concern(&self, reply_type: u8) -> bool {
        self.messages.is_empty() || self.messages.contains(&reply_type)
    }

    pub fn has_groups(&self) -> bool {
        !self.groups.is_empty()
    }

    pub fn common(&self) -> &Actions {
        &self.common
    }

    pub fn of_group(&self, name: &str) -> &Actions {
        self.groups.get(name).unwrap_or(&self.common)
    }

    pub fn parse(settings: &[Setting]) -> Result<Rules, SettingError> {
        let mut rules = Rules::new();
        for (index, setting) in settings.iter().enumerate() {
            rules
                .take(settings, setting)
                .map_err(|message| SettingError { setting: u32::try_from(index).ok(), message })?;
        }
        for actions in rules.groups.values_mut() {
            for (code, action) in &rules.common {
                actions.entry(*code).or_insert_with(|| action.clone());
            }
        }
        Ok(rules)
    }

    fn take(&mut self, settings: &[Setting], setting: &Setting) -> Result<(), String> {
        let group = match setting.parent {
            None => None,
            Some(parent) => Some(group_name(settings, parent, &setting.name)?),
        };
        match (setting.name.as_str(), group) {
            ("option", _) => self.add(group, option(setting)?),
            ("remove", _) => {
                no_properties(setting)?;
                let [code] = arguments::<1>(setting, "an option code, as in: remove 12")?;
                self.add(group, (values::code(code)?, Action::Remove))
            }
            ("group", None) => {
                no_properties(setting)?;
                let [name] = arguments::<1>(setting, "a name, as in: group \"residential\" { ... }")?;
                if self.groups.insert(name.to_owned(), Actions::new()).is_some() {
                    return Err(format!("group \"{name}\" stands here twice: put its statements together"));
                }
                Ok(())
            }
            ("messages", None) => self.take_messages(setting),
            (name, None) => Err(format!("unknown statement \"{name}\": it must be option, remove, group or messages")),
            (name, Some(_)) => Err(format!("\"{name}\" cannot stand in a group: only option and remove can")),
        }
    }

    fn take_messages(&mut self, setting: &Setting) -> Result<(), String> {
        no_properties(setting)?;
        if !self.messages.is_empty() {
            return Err("messages stands here twice: put the names together".into());
        }
        if setting.arguments.is_empty() {
            return Err("messages needs at least one of: offer, ack, nak".into());
        }
        for name in &setting.arguments {
            let known = MESSAGES.iter().find(|(known, _)| known == name);
            let (_, code) = known.ok_or_else(|| format!("unknown message \"{name}\": it must be offer, ack or nak"))?;
            self.messages.push(*code);
        }
        Ok(())
    }

    fn add(&mut self, group: Option<&str>, (code, action): (u16, Action)) -> Result<(), String> {
        let actions = match group {
            None => &mut self.common,
            Some(group) => self.groups.entry(group.to_owned()).or_default(),
        };
        if actions.insert(code, action).is_some() {
            return Err(format!("option {code} stands here twice: keep one statement for it"));
        }
        Ok(())
    }
}

/// Name of the group that encloses a statement.
fn group_name<'a>(settings: &'a [Setting], parent: u32, child: &str) -> Result<&'a str, String> {
    let parent = usize::try_from(parent).ok().and_then(|index| settings.get(index));
    let name = parent
        .filter(|parent| parent.name == "group" && parent.parent.is_none())
        .and_then(|group| group.arguments.first());
    name.map(String::as_str).ok_or_else(|| format!("\"{child}\" can stand at the top or in a group only"))
}

/// `option CODE TYPE=VALUE` or `option CODE TYPE VALUE...`, each with `mode=MODE` at will.
fn option(setting: &Setting) -> Result<(u16, Action), String> {
    let Some((code, listed)) = setting.arguments.split_first() else {
        return Err("option needs a code, as in: option 15 string=\"isp.example\"".into());
    };
    let code = values::code(code)?;
    let mut insert = false;
    let mut value = Vec::new();
    let mut kind: Option<&str> = None;
    let mut put = |name: &'_ str, text: &str| values::append(name, text, &mut value);
    if let Some((name, texts)) = listed.split_first() {
        if texts.is_empty() {
            return Err(format!("option {code}: \"{name}\" needs a value behind it"));
        }
        kind = Some(name);
        for text in texts {
            put(name, text).map_err(|message| format!("option {code}: {message}"))?;
        }
    }
    for (name, text) in &setting.properties {
        match (name.as_str(), text.as_str()) {
            ("mode", "insert") => insert = true,
            ("mode", "replace") => insert = false,
            ("mode", other) => {
                return Err(format!("option {code}: unknown mode \"{other}\": it must be insert or replace"));
            }
            (name, text) => {
                // The same type again is one more value; another type would hide one of the two.
                if kind.is_some_and(|kind| kind != name) {
                    return Err(format!("option {code}: values of more than one type: keep one"));
                }
                kind = Some(name);
                put(name, text).map_err(|message| format!("option {code}: {message}"))?;
            }
        }
    }
    if kind.is_none() {
        return Err(format!("option {code} has no value: it must have one of {}", values::TYPES));
    }
    if value.len() > values::LENGTH_MAX {
        return Err(format!("option {code}: {} bytes are more than {}", value.len(), values::LENGTH_MAX));
    }
    Ok((code, if insert { Action::Insert(value) } else { Action::Replace(value) }))
}

fn no_properties(setting: &Setting) -> Result<(), String> {
    match setting.properties.first() {
        None => Ok(()),
        Some((name, _)) => Err(format!("{} takes no property \"{name}\": remove it", setting.name)),
    }
}

fn arguments<'a, const N: usize>(setting: &'a Setting, wanted: &str) -> Result<[&'a str; N], String> {
    let texts: Vec<&str> = setting.arguments.iter().map(String::as_str).collect();
    texts.try_into().map_err(|_| format!("{} takes {wanted}", setting.name))
}
