//! Following the whole words of a line.

use crate::edit::find::block;
use crate::edit::path::Path;
use crate::edit::resolve::named;
use crate::edit::words::{Word, WordKind};
use crate::edit::{inside, is_block, key};
use crate::schema::{Kind, Statement};
use crate::tree::{Node, Tree};
use std::collections::HashSet;

/// How the words are read.
#[derive(Clone, Copy, Default)]
pub(super) struct Say {
    /// Statements stand one behind the other, as behind `set`.
    pub(super) set: bool,
    /// A value may stand behind a leaf.
    pub(super) values: bool,
    /// Names may be patterns.
    pub(super) patterns: bool,
    /// These words end the statement.
    pub(super) stops: &'static [&'static str],
}

/// A block: what may stand in it, and what does.
#[derive(Clone, Copy)]
pub(super) struct Spot<'t> {
    pub(super) within: &'static Statement,
    pub(super) nodes: &'t [Node],
}

impl<'t> Spot<'t> {
    /// The block that `path` leads to; it need not be there.
    pub(super) fn at(tree: &'t Tree, path: &Path) -> Option<Self> {
        Some(Self { within: path.statement()?, nodes: block(tree, path).map(|(nodes, _)| nodes).unwrap_or_default() })
    }

    /// The statements of this release that may stand in it.
    pub(super) fn allowed(&self) -> impl Iterator<Item = &'static Statement> + use<> {
        let within = self.within;
        let own = within.children().iter().filter(|statement| statement.built);
        own.chain(within.statements().filter(|it| !within.children().iter().any(|child| child.name == it.name)))
    }

    /// The statements that stand in it, each name once.
    pub(super) fn present(&self) -> Vec<&'static Statement> {
        let names: HashSet<&str> = self.nodes.iter().map(|node| node.name.as_str()).collect();
        self.within.statements().filter(|statement| names.contains(statement.name)).collect()
    }

    /// The statement that stands in it, of several the one that is called `name`.
    pub(super) fn node(&self, statement: &Statement, name: Option<&Word<'_>>) -> Option<&'t Node> {
        let value = match (&statement.kind, name) {
            (Kind::Named(ty, _), Some(word)) => Some(word.value(ty)),
            (Kind::Select(_), Some(word)) => Some(crate::tree::Value::Text(word.text.clone().into_owned())),
            _ => None,
        };
        let wanted = value.as_ref().and_then(|value| key(statement, value));
        let is = |node: &&Node| {
            node.name == statement.name
                && (wanted.is_none()
                    || node.arguments.first().and_then(|argument| key(statement, &argument.value)) == wanted)
        };
        self.nodes.iter().find(is)
    }

    fn enter(&self, statement: &'static Statement, name: Option<&Word<'_>>) -> Option<Self> {
        let value = name.map(|word| crate::tree::Value::Text(word.text.clone().into_owned()));
        let within = match statement.kind {
            Kind::Select(_) => named(statement, name?, &Path::default()).ok()?,
            _ => inside(statement, value.as_ref())?,
        };
        let nodes = self.node(statement, name).map(|node| node.children.as_slice()).unwrap_or_default();
        Some(Self { within, nodes })
    }
}

/// What comes behind the words.
pub(super) enum Next<'t> {
    /// A statement in the block, or a stop.
    Statement(Spot<'t>),
    /// The name of an instance.
    Key(Spot<'t>, &'static Statement),
    /// A value of a leaf; `open` are those that stand behind the bracket of a list.
    Value { statement: &'static Statement, node: Option<&'t Node>, open: Option<Vec<String>> },
    /// Nothing, or a stop, or what only a plugin knows.
    Ended,
}

/// Follows words.
pub(super) struct Walker<'t, 'w> {
    words: &'w [Word<'w>],
    /// The word that comes next.
    pub(super) at: usize,
    say: Say,
    /// The last statement, and the block it is in.
    pub(super) last: Option<(Spot<'t>, &'static Statement)>,
}

impl<'t, 'w> Walker<'t, 'w> {
    pub(super) fn new(words: &'w [Word<'w>], at: usize, say: Say) -> Self {
        Self { words, at, say, last: None }
    }

    fn peek(&self) -> Option<&'w Word<'w>> {
        self.words.get(self.at)
    }

    fn stops(&self) -> bool {
        self.peek().is_some_and(|word| word.kind == WordKind::Bare && self.say.stops.contains(&&*word.text))
    }

    /// None if the words lead nowhere.
    pub(super) fn walk(&mut self, mut spot: Spot<'t>) -> Option<Next<'t>> {
        while let Some(word) = self.peek().filter(|_| !self.stops()) {
            let statement = named(spot.within, word, &Path::default()).ok()?;
            self.at += 1;
            self.last = Some((spot, statement));
            if is_block(statement) {
                let keyed = matches!(statement.kind, Kind::Named(..) | Kind::Select(_));
                let name = self.peek().filter(|_| keyed);
                if keyed && name.is_none() {
                    return Some(Next::Key(spot, statement));
                }
                self.at += usize::from(keyed);
                spot = spot.enter(statement, name)?;
                continue;
            }
            match statement.kind {
                Kind::Leaf(_) | Kind::LeafList(_) if self.say.values => {
                    if let Some(next) = self.value(&spot, statement) {
                        return Some(next);
                    }
                }
                Kind::Free => {
                    self.at = self.words.len();
                    return Some(Next::Ended);
                }
                _ => {}
            }
            if !self.say.set {
                return (self.peek().is_none() || self.stops()).then_some(Next::Ended);
            }
        }
        Some(Next::Statement(spot))
    }

    /// Passes over the values of a leaf; what comes next, if the words end there.
    fn value(&mut self, spot: &Spot<'t>, statement: &'static Statement) -> Option<Next<'t>> {
        let node = spot.node(statement, None);
        if self.stops() {
            return None;
        }
        let open = self.peek().is_some_and(|word| word.is_mark("["));
        self.at += usize::from(open);
        let mut listed = Vec::new();
        loop {
            match self.peek() {
                None => return Some(Next::Value { statement, node, open: open.then_some(listed) }),
                Some(word) => {
                    self.at += 1;
                    if !open || word.is_mark("]") {
                        return None;
                    }
                    listed.push(word.text.clone().into_owned());
                }
            }
        }
    }
}
