//! From settings to a verdict.

use std::net::Ipv4Addr;

use crate::{Attribute, Setting, SettingError, Verdict};

/// Attributes that a request may well carry, by their words.
const ATTRIBUTES: [(&str, u8); 14] = [
    ("user-name", 1),
    ("nas-ip-address", 4),
    ("nas-port", 5),
    ("service-type", 6),
    ("filter-id", 11),
    ("reply-message", 18),
    ("state", 24),
    ("class", 25),
    ("session-timeout", 27),
    ("called-station-id", 30),
    ("calling-station-id", 31),
    ("nas-identifier", 32),
    ("acct-session-id", 44),
    ("nas-port-id", 87),
];

/// One attribute that a request must have.
struct Wanted {
    vendor: u32,
    code: u8,
    value: Vec<u8>,
    /// The same value as a number in network order, where it reads as one.
    number: Option<[u8; 4]>,
}

/// Every setting, ready for use.
pub struct Rules {
    action: Verdict,
    when: Vec<(Verdict, Vec<Wanted>)>,
}

impl Rules {
    pub const fn new() -> Rules {
        Rules { action: Verdict::Clear, when: Vec::new() }
    }

    pub fn parse(settings: &[Setting]) -> Result<Rules, SettingError> {
        let mut rules = Rules::new();
        let mut given = false;
        for (index, setting) in settings.iter().enumerate() {
            let refuse = |message| SettingError { setting: u32::try_from(index).ok(), message };
            let verdict = verdict(setting).map_err(refuse)?;
            if setting.name == "when" {
                let wanted: Result<Vec<_>, _> =
                    setting.properties.iter().map(|(name, value)| wanted(name, value)).collect();
                let wanted = wanted.map_err(refuse)?;
                if wanted.is_empty() {
                    return Err(refuse("when needs an attribute, as in: when \"ignore\" class=\"gold\"".to_owned()));
                }
                rules.when.push((verdict, wanted));
            } else if given {
                return Err(refuse("action stands here twice: keep one".to_owned()));
            } else if let Some((name, _)) = setting.properties.first() {
                return Err(refuse(format!("action takes no property \"{name}\": put it to a `when`")));
            } else {
                given = true;
                rules.action = verdict;
            }
        }
        Ok(rules)
    }

    pub fn decide(&self, attributes: &[Attribute]) -> Verdict {
        let matches = |wanted: &[Wanted]| wanted.iter().all(|wanted| attributes.iter().any(|found| wanted.is(found)));
        let rule = self.when.iter().find(|(_, wanted)| matches(wanted));
        rule.map_or(self.action, |(verdict, _)| *verdict)
    }
}

impl Wanted {
    fn is(&self, found: &Attribute) -> bool {
        let number = self.number.is_some_and(|number| found.value == number);
        found.vendor == self.vendor && found.code == self.code && (found.value == self.value || number)
    }
}

/// The verdict that a statement names.
fn verdict(setting: &Setting) -> Result<Verdict, String> {
    if !matches!(setting.name.as_str(), "action" | "when") || setting.parent.is_some() {
        return Err(format!("unknown statement \"{}\": it must be action or when", setting.name));
    }
    match setting.arguments.as_slice() {
        [word] if word == "clear" => Ok(Verdict::Clear),
        [word] if word == "reconfigure" => Ok(Verdict::Reconfigure),
        [word] if word == "ignore" => Ok(Verdict::Ignore),
        _ => Err(format!("{} must have one of: clear, reconfigure, ignore", setting.name)),
    }
}

fn wanted(name: &str, value: &str) -> Result<Wanted, String> {
    let unknown = || {
        let words: Vec<&str> = ATTRIBUTES.iter().map(|(word, _)| *word).collect();
        format!("unknown attribute \"{name}\": it must be a number, VENDOR:NUMBER, or one of {}", words.join(", "))
    };
    let (vendor, code) = match (ATTRIBUTES.iter().find(|(word, _)| *word == name), name.split_once(':')) {
        (Some((_, code)), _) => (0, *code),
        (None, Some((vendor, code))) => (vendor.parse().map_err(|_| unknown())?, code.parse().map_err(|_| unknown())?),
        (None, None) => (0, name.parse().map_err(|_| unknown())?),
    };
    let number = value.parse::<u32>().ok().map(u32::to_be_bytes);
    let number = number.or_else(|| value.parse::<Ipv4Addr>().ok().map(|address| address.octets()));
    let value = match value.strip_prefix("0x") {
        Some(digits) => hex(digits).ok_or_else(|| format!("{name}: 0x must have an even number of hex digits"))?,
        None => value.as_bytes().to_vec(),
    };
    Ok(Wanted { vendor, code, value, number })
}

fn hex(digits: &str) -> Option<Vec<u8>> {
    let digit = |character: u8| char::from(character).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pair = |pair: &[u8]| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    };
    digits.as_bytes().chunks(2).map(pair).collect()
}
