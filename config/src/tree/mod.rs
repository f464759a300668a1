//! The configuration as a tree of statements, each with its place in the text.
//!
//! It is made from a KDL document, which is dropped at once: a document takes 90 bytes for each byte of text.

mod bounds;
mod parse;
mod print;

pub use bounds::{DEPTH_MAX, TEXT_MAX};
pub(crate) use bounds::{fits, size};
pub(crate) use parse::clean;
pub use parse::parse;
pub use print::print;
pub(crate) use print::print_placed;
pub(crate) use print::{is_unprintable, print_head, print_inline, print_node, print_quoted, print_value, print_values};

use std::fmt;

/// Bytes `start..end` of the configuration text.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, PartialOrd, Ord, Hash)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// Behind the last byte.
    pub end: usize,
}

/// The statements of a configuration text, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tree {
    /// Statements of the top level.
    pub nodes: Vec<Node>,
}

/// One statement. Comparing two of them compares what they say, not where it stands; `Debug` hides what may be a secret.
#[derive(Clone, Default)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// `(inactive)` and the like before the name.
    pub tag: Option<Tag>,
    /// Values behind the name, in order.
    pub arguments: Vec<Argument>,
    /// `NAME=VALUE` behind the name, each name once: of several the last counts, as KDL says.
    pub properties: Vec<Property>,
    /// Statements in braces.
    pub children: Vec<Node>,
    /// Lines of `//` comment right before it, without the slashes and one blank.
    pub annotation: Vec<String>,
    /// Place of the name.
    pub span: Span,
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hide = crate::schema::may_be_secret(&self.name);
        let mut shown = f.debug_struct("Node");
        shown.field("name", &self.name).field("tag", &self.tag);
        if hide && !self.arguments.iter().all(crate::schema::refers) {
            shown.field("arguments", &crate::schema::HIDDEN);
        } else {
            shown.field("arguments", &self.arguments);
        }
        let properties = self.properties.iter();
        let open = properties.filter(|property| !hide && !crate::schema::may_be_secret(&property.name));
        shown.field("properties", &open.collect::<Vec<_>>()).field("annotation", &self.annotation);
        shown.field("children", &self.children).field("span", &self.span).finish()
    }
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
            && self.tag == other.tag
            && self.arguments == other.arguments
            && self.properties == other.properties
            && self.annotation == other.annotation
            && self.children == other.children
    }
}

impl Node {
    /// Whether the statement is taken as if it were not there.
    pub fn is_inactive(&self) -> bool {
        matches!(self.tag, Some(Tag::Inactive | Tag::ProtectInactive))
    }

    /// Whether no edit may change the statement.
    pub fn is_protected(&self) -> bool {
        matches!(self.tag, Some(Tag::Protect | Tag::ProtectInactive))
    }

    /// Makes the statement (in)active and (un)protected; any other tag is dropped.
    pub fn mark(&mut self, inactive: bool, protected: bool) {
        self.tag = match (inactive, protected) {
            (false, false) => None,
            (true, false) => Some(Tag::Inactive),
            (false, true) => Some(Tag::Protect),
            (true, true) => Some(Tag::ProtectInactive),
        };
    }

    /// From the name to the end of the last value, children left out.
    pub fn head_span(&self) -> Span {
        let arguments = self.arguments.iter().map(|argument| argument.span.end);
        let properties = self.properties.iter().map(|property| property.span.end);
        let end = arguments.chain(properties).fold(self.span.end, usize::max);
        Span { start: self.span.start, end }
    }

    /// The active statements in it, in order.
    pub fn active(&self) -> impl Iterator<Item = &Node> {
        self.children.iter().filter(|child| !child.is_inactive())
    }

    /// The first active statement in it that has this name.
    pub fn child(&self, name: &str) -> Option<&Node> {
        self.active().find(|child| child.name == name)
    }

    /// The active statements in it that have this name.
    pub fn children_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Node> {
        self.active().filter(move |child| child.name == name)
    }

    /// The first value as it stands in a path; none if there is none.
    pub(crate) fn key_text(&self) -> Option<std::borrow::Cow<'_, str>> {
        self.arguments.first().map(|argument| crate::edit::plain(&argument.value))
    }

    /// The first value, as text; none if there is none or it is no text.
    pub fn key(&self) -> Option<&str> {
        self.arguments.first().and_then(|argument| argument.value.as_text())
    }
}

/// What stands in parentheses before a statement's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tag {
    /// `(inactive)`: kept, but of no effect.
    Inactive,
    /// `(protect)`: no edit may change it.
    Protect,
    /// `(protect-inactive)`: both.
    ProtectInactive,
    /// `(replace)`: `load replace` puts it in the place of what was there.
    Replace,
    /// `(delete)`: loading takes out what was there; an error in a configuration.
    Delete,
    /// Anything else; an error in a configuration.
    Other(String),
}

impl Tag {
    /// The word in parentheses.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Inactive => "inactive",
            Self::Protect => "protect",
            Self::ProtectInactive => "protect-inactive",
            Self::Replace => "replace",
            Self::Delete => "delete",
            Self::Other(text) => text,
        }
    }
}

impl From<&str> for Tag {
    fn from(text: &str) -> Self {
        match text {
            "inactive" => Self::Inactive,
            "protect" => Self::Protect,
            "protect-inactive" => Self::ProtectInactive,
            "replace" => Self::Replace,
            "delete" => Self::Delete,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// A value behind a statement's name.
#[derive(Clone, Debug)]
pub struct Argument {
    /// The value.
    pub value: Value,
    /// A KDL type annotation before it; an error in a configuration.
    pub annotation: Option<String>,
    /// Its place.
    pub span: Span,
}

impl PartialEq for Argument {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value && self.annotation == other.annotation
    }
}

/// `NAME=VALUE` behind a statement's name.
#[derive(Clone, Debug)]
pub struct Property {
    /// Its name.
    pub name: String,
    /// The value.
    pub value: Value,
    /// A KDL type annotation before the value; an error in a configuration.
    pub annotation: Option<String>,
    /// Place of name and value together.
    pub span: Span,
}

impl PartialEq for Property {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.value == other.value && self.annotation == other.annotation
    }
}

/// A KDL value.
#[derive(Clone, Debug)]
pub enum Value {
    /// Quoted or bare text.
    Text(String),
    /// A whole number.
    Integer(i128),
    /// Any other number.
    Float(f64),
    /// `#true` or `#false`.
    Bool(bool),
    /// `#null`.
    Null,
}

impl PartialEq for Value {
    /// A number that is no number equals itself here, so that a tree equals its copy.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::Integer(a), Self::Integer(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => a == b || (a.is_nan() && b.is_nan()),
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Null, Self::Null) => true,
            _ => false,
        }
    }
}

impl Value {
    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// What kind of value it is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Integer(_) => "a number",
            Self::Float(_) => "a number with a fraction",
            Self::Bool(_) => "a boolean",
            Self::Null => "null",
        }
    }
}
