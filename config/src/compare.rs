//! What changed between two configurations, section by section.

use crate::schema::{Kind, ROOT, Statement};
use crate::tree::{Node, Tree};
use std::fmt;

/// One section that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The section, as the words of a `set` command.
    pub path: String,
    /// What happened to it.
    pub kind: ChangeKind,
}

/// What happened to a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It was not there before.
    Added,
    /// It is no longer there.
    Removed,
    /// It says something else, or is no longer (in)active.
    Changed,
    /// The same sections are there in another order.
    Reordered,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            ChangeKind::Added => "added",
            ChangeKind::Removed => "removed",
            ChangeKind::Changed => "changed",
            ChangeKind::Reordered => "reordered",
        };
        write!(f, "{kind}: {}", self.path)
    }
}

/// The sections in which `new` differs from `old`, in the order of `new`, then those that are gone.
///
/// A section is a named instance (a group, a pool, a plugin) or a single statement outside of any; in a routing
/// instance there are sections as there are at the top.
pub fn changes(old: &Tree, new: &Tree) -> Vec<Change> {
    let mut found = Vec::new();
    compare(&old.nodes, &new.nodes, &ROOT, "", &mut found);
    found
}

/// Instances of one kind are many; so they are looked up by key.
fn compare(old: &[Node], new: &[Node], within: &Statement, path: &str, found: &mut Vec<Change>) {
    let olds: std::collections::HashMap<String, &Node> = old.iter().map(|node| (key(node, within), node)).collect();
    let news: std::collections::HashSet<String> = new.iter().map(|node| key(node, within)).collect();
    let mut push = |key: &str, kind| found.push(Change { path: format!("{path}{key}"), kind });
    let mut inner = Vec::new();
    for node in new {
        let key = key(node, within);
        match olds.get(&key) {
            None => push(&key, ChangeKind::Added),
            Some(before) if *before == node => {}
            Some(before) => match within.child(&node.name) {
                Some(statement)
                    if descends(statement) && before.tag == node.tag && before.arguments == node.arguments =>
                {
                    inner.push((key, *before, node, statement));
                }
                _ => push(&key, ChangeKind::Changed),
            },
        }
    }
    for node in old {
        let key = key(node, within);
        if !news.contains(&key) {
            push(&key, ChangeKind::Removed);
        }
    }
    if old.len() == new.len() && old != new {
        let (before, after): (Vec<_>, Vec<_>) =
            (old.iter().map(|node| key(node, within)).collect(), new.iter().map(|node| key(node, within)).collect());
        if before != after && before.iter().all(|key| news.contains(key)) {
            found.push(Change { path: path.trim_end().to_owned(), kind: ChangeKind::Reordered });
        }
    }
    for (key, before, after, statement) in inner {
        let at = found.len();
        compare(&before.children, &after.children, statement, &format!("{path}{key} "), found);
        if found.len() == at {
            found.push(Change { path: format!("{path}{key}"), kind: ChangeKind::Changed });
        }
    }
}

/// Whether the sections are those in `statement`: a routing instance has sections like the top.
fn descends(statement: &Statement) -> bool {
    matches!(statement.kind, Kind::Container(_)) || statement.name == "routing-instances"
}

/// The words that tell a statement from its siblings.
fn key(node: &Node, within: &Statement) -> String {
    let named =
        within.child(&node.name).is_some_and(|statement| matches!(statement.kind, Kind::Named(..) | Kind::Select(_)));
    match node.arguments.first().filter(|_| named) {
        Some(argument) => {
            let mut key = node.name.clone();
            key.push(' ');
            match argument.value.as_text() {
                Some(text) => key.push_str(text),
                None => crate::tree::print_value(&mut key, &argument.value),
            }
            key
        }
        None => node.name.clone(),
    }
}
