//! Reading a checked tree by the names in the table.
//!
//! Whatever does not fit reads as if it were not there: the check has told of it already, and what follows is still
//! worth checking.

use super::Secret;
use crate::schema::{Kind, ROOT, Statement};
use crate::sources::Secrets;
use crate::tree::{Argument, Node, Span, Tree, Value};
use crate::value::{Typed, typed};

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Its place in the text.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// Another value at the same place.
    pub(crate) fn map<U>(self, with: impl FnOnce(T) -> Option<U>) -> Option<Spanned<U>> {
        Some(Spanned { value: with(self.value)?, span: self.span })
    }
}

/// A place in the tree together with its statement in the table.
#[derive(Clone, Copy)]
pub(crate) struct At<'a> {
    nodes: &'a [Node],
    node: Option<&'a Node>,
    statement: &'static Statement,
    secrets: &'a Secrets,
}

impl<'a> At<'a> {
    pub(crate) fn top(tree: &'a Tree, secrets: &'a Secrets) -> Self {
        Self { nodes: &tree.nodes, node: None, statement: &ROOT, secrets }
    }

    /// The place of the statement's name and values.
    pub(crate) fn span(self) -> Span {
        self.node.map(Node::head_span).unwrap_or_default()
    }

    /// The nodes in its block, for a plugin's settings.
    pub(crate) fn block(self) -> &'a [Node] {
        self.nodes
    }

    /// Where the statement `name` is written in it, whether this release acts on it or not.
    pub(crate) fn written(self, name: &str) -> Option<Span> {
        self.nodes.iter().find(|node| node.name == name && !node.is_inactive()).map(Node::head_span)
    }

    /// Whether this release acts on the statement `name`.
    pub(crate) fn knows(self, name: &str) -> bool {
        self.statement.child(name).is_some_and(|statement| statement.built)
    }

    /// The active, built statements in it that have this name.
    pub(crate) fn all(self, name: &'static str) -> impl Iterator<Item = At<'a>> {
        let statement = self.statement.child(name).filter(|statement| statement.built);
        debug_assert!(statement.is_some(), "{name} is not in the table below {}", self.statement.name);
        let nodes = self.nodes.iter().filter(move |node| node.name == name && !node.is_inactive());
        nodes
            .filter_map(move |node| Some(At { nodes: &node.children, node: Some(node), statement: statement?, ..self }))
    }

    pub(crate) fn child(self, name: &'static str) -> Option<At<'a>> {
        self.all(name).next()
    }

    pub(crate) fn has(self, name: &'static str) -> bool {
        self.child(name).is_some()
    }

    /// `NAME WORD { ... }` of a [`Kind::Select`].
    pub(crate) fn select(self, name: &'static str, word: &'static str) -> Option<At<'a>> {
        let found = self.all(name).find(|at| at.node.and_then(Node::key) == Some(word))?;
        let statement = found.statement.child(word).filter(|statement| statement.built)?;
        Some(At { statement, ..found })
    }

    /// The only active statement in a block of which exactly one must be written.
    pub(crate) fn only(self) -> Option<At<'a>> {
        let node = self.nodes.iter().find(|node| !node.is_inactive())?;
        Some(At { nodes: &node.children, node: Some(node), statement: self.statement.child(&node.name)?, ..self })
    }

    pub(crate) fn name(self) -> &'static str {
        self.statement.name
    }

    /// The values behind the name, those that fit.
    pub(crate) fn values(self) -> Vec<Spanned<Typed>> {
        let (Kind::Leaf(ty) | Kind::LeafList(ty) | Kind::Named(ty, _)) = &self.statement.kind else {
            return Vec::new();
        };
        let arguments = self.node.map(|node| node.arguments.as_slice()).unwrap_or_default();
        let read = |argument: &Argument| Some(Spanned { value: typed(ty, &argument.value).ok()?, span: argument.span });
        arguments.iter().filter_map(read).collect()
    }

    /// The name that a statement was given.
    pub(crate) fn key(self) -> Option<Spanned<Typed>> {
        self.values().into_iter().next()
    }

    /// The value of a leaf in it.
    pub(crate) fn leaf(self, name: &'static str) -> Option<Spanned<Typed>> {
        self.child(name)?.values().into_iter().next()
    }

    /// The secret that a leaf in it has or refers to.
    pub(crate) fn secret(self, name: &'static str) -> Option<Secret> {
        self.secrets.secret(self.leaf(name)?.value.text()?)
    }

    /// The value of a leaf in it, or the one that holds without it.
    pub(crate) fn leaf_or_default(self, name: &'static str) -> Option<Typed> {
        if let Some(written) = self.leaf(name) {
            return Some(written.value);
        }
        default_of(self.statement.child(name)?)
    }

    /// The values of a list in it.
    pub(crate) fn list(self, name: &'static str) -> Vec<Spanned<Typed>> {
        self.child(name).map(Self::values).unwrap_or_default()
    }
}

/// What the table says that holds where a leaf is not written.
pub(crate) fn default_of(statement: &Statement) -> Option<Typed> {
    let (Kind::Leaf(ty) | Kind::LeafList(ty)) = &statement.kind else {
        return None;
    };
    let default = statement.default?;
    let value = default.parse().map_or_else(|_| Value::Text(default.to_owned()), Value::Integer);
    typed(ty, &value).ok()
}

impl Typed {
    pub(crate) fn text(self) -> Option<String> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    pub(crate) fn integer<T: TryFrom<i64>>(self) -> Option<T> {
        if let Self::Integer(number) = self { T::try_from(number).ok() } else { None }
    }

    pub(crate) fn address4(self) -> Option<bindery_types::Ipv4Addr> {
        if let Self::Address4(address) = self { Some(address) } else { None }
    }

    pub(crate) fn address(self) -> Option<bindery_types::IpAddr> {
        match self {
            Self::Address4(address) => Some(address.into()),
            Self::Address6(address) => Some(address.into()),
            _ => None,
        }
    }

    pub(crate) fn seconds(self) -> Option<u32> {
        if let Self::Seconds(seconds) = self { Some(seconds) } else { None }
    }

    pub(crate) fn size(self) -> Option<u64> {
        if let Self::Size(bytes) = self { Some(bytes) } else { None }
    }

    pub(crate) fn word(self) -> Option<&'static str> {
        if let Self::Word(word) = self { Some(word) } else { None }
    }

    pub(crate) fn mac(self) -> Option<bindery_types::MacAddr> {
        if let Self::Mac(mac) = self { Some(mac) } else { None }
    }

    pub(crate) fn prefix4(self) -> Option<bindery_types::Prefix4> {
        if let Self::Prefix4(prefix) = self { Some(prefix) } else { None }
    }
}
