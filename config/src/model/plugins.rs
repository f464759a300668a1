//! `plugins plugin`.

use super::build::name;
use super::read::{At, Spanned};
use super::shipped::Shipped;
use crate::tree::{Node, Span, Value};
use crate::value::Typed;

/// A plugin to load, defaults filled in. [`PluginId`](bindery_engine::config::PluginId) is its index.
#[derive(Clone, Debug, PartialEq)]
pub struct PluginConfig {
    /// The name by which policy binds it; unique.
    pub name: String,
    /// The component's file as written; a relative path starts at the folder of the configuration file.
    pub path: String,
    /// Place of `path`, for messages about the file.
    pub path_span: Span,
    /// The component inside the daemon that is meant instead of a file.
    pub shipped: Option<Shipped>,
    /// Longest time of one call, milliseconds, 1 to 1000.
    pub deadline_ms: u32,
    /// Most memory of one instance, bytes.
    pub memory_max: u64,
    /// Most bytes of options that one call may set.
    pub output_max: u64,
    /// What becomes of a reply whose plugin has failed.
    pub on_failure: OnFailure,
    /// What it may call.
    pub grants: Grants,
    /// The plugin's own statements, in order.
    pub settings: Vec<Setting>,
}

/// `grants`: interfaces of `bindery:host`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Grants {
    /// Lines in the log.
    pub log: bool,
    /// Counters of its own.
    pub counters: bool,
    /// A persistent store of its own.
    pub kv: bool,
    /// Looking up sessions.
    pub session_lookup: bool,
    /// Asking that a client be reconfigured.
    pub request_reconfigure: bool,
}

/// `on-failure`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// The reply goes out without the plugin's changes.
    Continue,
    /// No reply goes out.
    Drop,
}

/// One statement of a plugin's `settings`.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Its name.
    pub name: String,
    /// Values without a name, in order.
    pub arguments: Vec<Value>,
    /// Values with a name, each name once.
    pub properties: Vec<(String, Value)>,
    /// Statements in braces.
    pub children: Vec<Setting>,
    /// Place of name and values.
    pub span: Span,
}

impl PartialEq for Setting {
    /// Compares what is said, not where it stands.
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
            && self.arguments == other.arguments
            && self.properties == other.properties
            && self.children == other.children
    }
}

/// A setting in a list, as `bindery:types` hands it to a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlatSetting {
    /// Index of the enclosing statement; none at the top level.
    pub parent: Option<u32>,
    /// Its name.
    pub name: String,
    /// Values without a name: text as it is, a number in decimal, `true`, `false`, `null`.
    pub arguments: Vec<String>,
    /// Values with a name, written as arguments are.
    pub properties: Vec<(String, String)>,
    /// Place of name and values, for a refusal that names the setting by its index.
    pub span: Span,
}

/// The tree of settings as a list in the text's order: each stands behind the one that encloses it.
pub fn flatten(settings: &[Setting]) -> Vec<FlatSetting> {
    fn add(out: &mut Vec<FlatSetting>, settings: &[Setting], parent: Option<u32>) {
        for setting in settings {
            let index = u32::try_from(out.len()).ok();
            out.push(FlatSetting {
                parent,
                name: setting.name.clone(),
                arguments: setting.arguments.iter().map(plain).collect(),
                properties: setting.properties.iter().map(|(name, value)| (name.clone(), plain(value))).collect(),
                span: setting.span,
            });
            add(out, &setting.children, index);
        }
    }
    let mut out = Vec::new();
    add(&mut out, settings, None);
    out
}

fn plain(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        Value::Null => "null".to_owned(),
    }
}

pub(super) fn plugin(at: At<'_>) -> Option<PluginConfig> {
    let Spanned { value: path, span: path_span } = at.leaf("path")?.map(Typed::text)?;
    Some(PluginConfig {
        name: name(at)?.value,
        path,
        path_span,
        shipped: None,
        deadline_ms: at.leaf_or_default("deadline-ms")?.integer()?,
        memory_max: at.leaf_or_default("memory-max")?.size()?,
        output_max: at.leaf_or_default("output-max")?.size()?,
        on_failure: match at.leaf_or_default("on-failure")?.word()? {
            "drop" => OnFailure::Drop,
            _ => OnFailure::Continue,
        },
        grants: grants(at),
        settings: settings_in(at),
    })
}

fn grants(at: At<'_>) -> Grants {
    let granted = at.child("grants").map(|at| at.values()).unwrap_or_default();
    let has = |wanted| granted.iter().any(|word| word.value.clone().word() == Some(wanted));
    Grants {
        log: has("log"),
        counters: has("counters"),
        kv: has("kv"),
        session_lookup: has("session-lookup"),
        request_reconfigure: has("request-reconfigure"),
    }
}

/// `settings` in `at`.
pub(super) fn settings_in(at: At<'_>) -> Vec<Setting> {
    at.child("settings").map(|at| settings(at.block())).unwrap_or_default()
}

fn settings(nodes: &[Node]) -> Vec<Setting> {
    nodes.iter().filter(|node| !node.is_inactive()).map(setting).collect()
}

fn setting(node: &Node) -> Setting {
    Setting {
        name: node.name.clone(),
        arguments: node.arguments.iter().map(|argument| argument.value.clone()).collect(),
        properties: node.properties.iter().map(|property| (property.name.clone(), property.value.clone())).collect(),
        children: settings(&node.children),
        span: node.head_span(),
    }
}
