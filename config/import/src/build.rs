//! The configuration as it grows, each statement with the line it came from.

use bindery_config::schema::{Kind, ROOT, Statement};
use bindery_config::tree::{Argument, Node, Span, Tag, Tree, Value};
use std::collections::HashMap;

/// A statement that is being made.
#[derive(Debug, Default)]
pub(crate) struct Built {
    pub(crate) name: String,
    pub(crate) values: Vec<(Value, u32)>,
    pub(crate) inactive: bool,
    pub(crate) protected: bool,
    pub(crate) annotation: Vec<String>,
    pub(crate) children: Vec<Built>,
    pub(crate) line: u32,
    /// Values of a list that this release does not act on.
    pub(crate) later: Vec<(Value, u32)>,
    /// Where in `children` the statement with this name and key stands.
    index: HashMap<(String, String), usize>,
}

impl Built {
    pub(crate) fn new(name: &str, line: u32) -> Self {
        Self { name: name.to_owned(), line, ..Self::default() }
    }

    /// The statement in this one with that name and key; it is made if there is none. Also tells if it was made.
    pub(crate) fn child(&mut self, name: &str, key: Option<&Value>, line: u32) -> (&mut Self, bool) {
        let identity = (name.to_owned(), key.map(plain).unwrap_or_default());
        let next = self.children.len();
        let at = *self.index.entry(identity).or_insert(next);
        let new = at == next;
        if new {
            let mut made = Self::new(name, line);
            made.values.extend(key.map(|key| (key.clone(), line)));
            self.children.push(made);
        }
        (&mut self.children[at], new)
    }

    /// The statement with that name and key, if there is one.
    pub(crate) fn find(&mut self, name: &str, key: Option<&Value>) -> Option<&mut Self> {
        let at = *self.index.get(&(name.to_owned(), key.map(plain).unwrap_or_default()))?;
        self.children.get_mut(at)
    }

    /// Adds a block without values.
    pub(crate) fn block(&mut self, name: &str, line: u32) -> &mut Self {
        self.child(name, None, line).0
    }

    /// Adds a block with a name of its own.
    pub(crate) fn named(&mut self, name: &str, key: &Value, line: u32) -> &mut Self {
        self.child(name, Some(key), line).0
    }

    /// Adds a statement with values; of two the later one holds.
    pub(crate) fn leaf(&mut self, name: &str, values: impl IntoIterator<Item = Value>, line: u32) {
        let leaf = self.block(name, line);
        leaf.line = line;
        leaf.values = values.into_iter().map(|value| (value, line)).collect();
    }

    /// Adds a statement without value.
    pub(crate) fn flag(&mut self, name: &str, line: u32) {
        self.block(name, line);
    }

    /// Keeps only the statements for which `keep` holds.
    pub(crate) fn retain(&mut self, keep: impl FnMut(&Self) -> bool) {
        self.children.retain(keep);
        self.index.clear();
        for (at, child) in self.children.iter().enumerate() {
            let key = child.values.first().map(|(value, _)| plain(value)).unwrap_or_default();
            self.index.entry((child.name.clone(), key)).or_insert(at);
        }
    }

    /// The first value as text.
    pub(crate) fn key(&self) -> String {
        self.values.first().map(|(value, _)| plain(value)).unwrap_or_default()
    }

    /// The tree of the statements in this one. The spans in it are lines of the source, not places in a text.
    pub(crate) fn into_tree(self) -> Tree {
        Tree { nodes: self.children.into_iter().map(node).collect() }
    }
}

fn node(built: Built) -> Node {
    let span = |line: u32| Span { start: line as usize, end: line as usize };
    let tag = match (built.inactive, built.protected) {
        (false, false) => None,
        (true, false) => Some(Tag::Inactive),
        (false, true) => Some(Tag::Protect),
        (true, true) => Some(Tag::ProtectInactive),
    };
    Node {
        name: built.name,
        tag,
        arguments: built
            .values
            .into_iter()
            .map(|(value, line)| Argument { value, annotation: None, span: span(line) })
            .collect(),
        properties: Vec::new(),
        children: built.children.into_iter().map(node).collect(),
        annotation: built.annotation,
        span: span(built.line),
    }
}

/// A value as it stands in a path.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        Value::Null => "null".to_owned(),
    }
}

/// The statements that may stand in `node`, which stands in `within`.
pub(crate) fn inside(within: Option<&'static Statement>, node: &Node) -> Option<&'static Statement> {
    let statement = within.unwrap_or(&ROOT).child(&node.name)?;
    match statement.kind {
        Kind::Select(words) => words.iter().find(|word| Some(word.name) == node.key()),
        _ => Some(statement),
    }
}

/// Whether the schema has a statement at `path`.
pub(crate) fn has_statement(path: &[&str]) -> bool {
    let mut at: &'static Statement = &ROOT;
    for name in path {
        match at.child(name) {
            Some(next) => at = next,
            None => return false,
        }
    }
    at.built
}
