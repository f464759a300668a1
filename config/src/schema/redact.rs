//! What may be shown to anyone: trees and texts without their secrets.

use super::{Kind, ROOT, Statement, Type};
use crate::edit::{Path, Word, Words, identity, inside_node, named};
use crate::sources::SecretReference;
use crate::tree::{Argument, Node, Span, Tree, Value};
use std::collections::{BTreeSet, HashMap};
use std::sync::OnceLock;

/// What stands in the place of a secret.
pub const HIDDEN: &str = "<hidden>";

/// The same tree with [`HIDDEN`] in the place of each secret; where a secret is kept is none. A plugin's settings are shown as they are.
pub fn redact(tree: &Tree) -> Tree {
    let mut tree = tree.clone();
    each_secret(&mut tree.nodes, Some(&ROOT), &mut |argument| argument.value = Value::Text(HIDDEN.to_owned()));
    tree
}

/// Puts the secrets of `old` in the place of each [`HIDDEN`] in `new`: those of the same statement at the same path.
/// Gives the paths of those that `old` does not have.
pub fn keep_hidden(new: &mut Tree, old: &Tree) -> Vec<Path> {
    let mut missing = Vec::new();
    keep_in(&mut new.nodes, &old.nodes, &ROOT, &Path::default(), &mut missing);
    missing
}

fn keep_in(new: &mut [Node], old: &[Node], within: &'static Statement, path: &Path, missing: &mut Vec<Path>) {
    // Most blocks have no secret below them and need no look at the other tree.
    if !new.iter().any(|node| has_hidden(node, within)) {
        return;
    }
    let olds: HashMap<_, &Node> = old.iter().map(|node| (identity(node, Some(within)), node)).collect();
    for node in new.iter_mut().filter(|node| has_hidden(node, within)) {
        let before = olds.get(&identity(node, Some(within))).copied();
        let at = path.child(node);
        let Some(inside) = inside_node(node, Some(within)) else { continue };
        if matches!(inside.kind, Kind::Leaf(Type::Secret(..))) {
            let hidden = node.arguments.iter_mut().filter(|argument| is_hidden(argument));
            match before.and_then(|before| before.arguments.first()) {
                Some(kept) => hidden.for_each(|argument| argument.value = kept.value.clone()),
                None => missing.push(at),
            }
        } else {
            keep_in(
                &mut node.children,
                before.map(|before| &*before.children).unwrap_or_default(),
                inside,
                &at,
                missing,
            );
        }
    }
}

fn is_hidden(argument: &Argument) -> bool {
    argument.value.as_text() == Some(HIDDEN)
}

/// Whether the value is [`HIDDEN`] where a secret is wanted. Statements and commands may have it, which only change what
/// is there; in a whole configuration it is a fault.
pub(crate) fn stands_for_secret(ty: &Type, value: &Value) -> bool {
    matches!(ty, Type::Secret(..)) && value.as_text() == Some(HIDDEN)
}

/// Whether the statement is or has a secret that is not said.
pub(crate) fn has_hidden(node: &Node, within: &'static Statement) -> bool {
    let Some(inside) = inside_node(node, Some(within)) else { return false };
    match inside.kind {
        Kind::Leaf(Type::Secret(..)) => node.arguments.iter().any(is_hidden),
        Kind::Free => false,
        _ => node.children.iter().any(|child| has_hidden(child, inside)),
    }
}

/// The text with asterisks in the place of each secret, every other byte where it was.
pub(crate) fn mask(tree: &Tree, text: &str) -> String {
    mask_in(&tree.nodes, &ROOT, text)
}

/// As [`mask`], of statements that stand in `within`.
pub(crate) fn mask_in(nodes: &[Node], within: &'static Statement, text: &str) -> String {
    let mut spans: Vec<Span> = Vec::new();
    each_secret(&mut nodes.to_vec(), Some(within), &mut |argument| spans.push(argument.span));
    blank(text, spans)
}

fn blank(text: &str, spans: Vec<Span>) -> String {
    let mut text = text.to_owned();
    for Span { start, end } in spans {
        if text.get(start..end).is_some() {
            text.replace_range(start..end, &"*".repeat(end - start));
        }
    }
    text
}

/// A text that cannot be parsed with asterisks in the place of each word that may be a secret, every other byte where it
/// was: each behind the name of a secret in its line.
pub(crate) fn mask_lines(text: &str) -> String {
    let of_name = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    let mut masked = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let places = secrets().iter().flat_map(|name| line.match_indices(name));
        let words = places.map(|(at, name)| (at, at + name.len())).filter(|(at, end)| {
            let before = line.get(..*at).is_some_and(|before| before.ends_with(of_name));
            !before && !line.get(*end..).is_some_and(|behind| behind.starts_with(of_name))
        });
        let end = words.map(|(_, end)| end).min().unwrap_or(line.len());
        let (open, secret) = line.split_at(end);
        masked.push_str(open);
        for c in secret.chars() {
            match c.is_whitespace() {
                true => masked.push(c),
                false => masked.extend(std::iter::repeat_n('*', c.len_utf8())),
            }
        }
    }
    masked
}

/// The text of commands with asterisks in the place of each word that is or may be a secret; their paths begin at
/// `base`. The commands may be at fault: behind what is not in the table, every word behind the name of a secret counts,
/// or behind the beginning of such a name.
pub(crate) fn mask_commands(text: &str, base: &Path) -> String {
    let mut spans = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        secrets_in(Words::new(text, Span { start, end: start + line.len() }), base, &mut spans);
        start += line.len();
    }
    blank(text, spans)
}

/// The places of the secrets in one command.
fn secrets_in(mut words: Words<'_>, base: &Path, spans: &mut Vec<Span>) {
    let mut within = base.statement();
    // The verb comes first.
    let mut verb = true;
    loop {
        let first = std::mem::take(&mut verb);
        let Ok(Some(word)) = words.next() else { return };
        let exact = within.is_some_and(|within| within.child(&word.text).is_some());
        let between = matches!(&*word.text, "before" | "after")
            || (word.text == "to" && within.is_some() && !starts_secret(within, &word));
        if first || (!exact && between) {
            within = base.statement();
            continue;
        }
        let statement = within.and_then(|within| named(within, &word, base).ok());
        let hidden = match statement.map(|statement| &statement.kind) {
            Some(Kind::Leaf(Type::Secret(..))) => true,
            Some(Kind::Container(_)) => {
                within = statement;
                false
            }
            Some(Kind::Named(..)) => {
                within = statement;
                let _ = words.next();
                false
            }
            Some(Kind::Select(_)) => {
                let chosen = words.next().ok().flatten();
                within = statement.zip(chosen).and_then(|(statement, word)| named(statement, &word, base).ok());
                false
            }
            Some(Kind::Leaf(_) | Kind::LeafList(_)) => {
                let _ = words.next();
                false
            }
            Some(Kind::Flag | Kind::Free) => false,
            None => {
                let list = matches!(&*word.text, "[" | "]");
                within = within.filter(|_| list);
                !word.text.is_empty() && secrets().iter().any(|name| name.starts_with(&*word.text))
            }
        };
        if hidden {
            let (left, place) = words.rest();
            let end = match words.next() {
                Ok(Some(word)) if SecretReference::of(&word.text).is_some() => continue,
                Ok(Some(word)) => word.span.end,
                Ok(None) => return,
                Err(_) => place.start + left.trim_end().len(),
            };
            spans.push(Span { start: place.start, end });
        }
    }
}

/// Whether the word is short for the name of a secret.
fn starts_secret(within: Option<&'static Statement>, word: &Word<'_>) -> bool {
    let found = within.and_then(|within| named(within, word, &Path::default()).ok());
    found.is_some_and(|statement| matches!(statement.kind, Kind::Leaf(Type::Secret(..))))
}

/// The JSON text with asterisks in the place of each string behind the name of a secret, whatever else is wrong with it.
pub(crate) fn mask_json(text: &str) -> String {
    let names = secrets();
    let mut spans = Vec::new();
    let (mut start, mut secret) = (0, false);
    while let Some(open) = text.get(start..).and_then(|left| left.find('"')).map(|at| start + at) {
        let escaped =
            |at: usize| text.get(open + 1..at).map_or(0, |it| it.len() - it.trim_end_matches('\\').len()) % 2 == 1;
        let mut ends =
            text.get(open + 1..).into_iter().flat_map(|left| left.match_indices('"')).map(|(at, _)| open + 1 + at);
        let end = ends.find(|at| !escaped(*at)).unwrap_or(text.len());
        let refers = text.get(open + 1..end).is_some_and(|text| SecretReference::of(text).is_some());
        if secret && !refers {
            spans.push(Span { start: open, end: (end + 1).min(text.len()) });
        }
        secret = !secret && text.get(open + 1..end).is_some_and(|name| names.contains(name));
        start = end + 1;
    }
    blank(text, spans)
}

/// Whether the value says where a secret is kept.
pub(crate) fn refers(argument: &Argument) -> bool {
    argument.value.as_text().and_then(SecretReference::of).is_some()
}

/// Whether a statement of this name is a secret somewhere.
pub(crate) fn may_be_secret(name: &str) -> bool {
    secrets().contains(name)
}

/// The names of all secrets in the table.
fn secrets() -> &'static BTreeSet<&'static str> {
    static NAMES: OnceLock<BTreeSet<&'static str>> = OnceLock::new();
    fn walk(within: &'static Statement, names: &mut BTreeSet<&'static str>) {
        for child in within.children() {
            if let Kind::Leaf(Type::Secret(..)) = child.kind {
                names.insert(child.name);
            }
            walk(child, names);
        }
    }
    NAMES.get_or_init(|| {
        let mut names = BTreeSet::new();
        walk(&ROOT, &mut names);
        names
    })
}

/// Calls `with` for each secret. Behind what is not in the table, whatever has the name of a secret is one.
fn each_secret(nodes: &mut [Node], within: Option<&'static Statement>, with: &mut dyn FnMut(&mut Argument)) {
    for node in nodes {
        let statement = within.and_then(|within| within.child(&node.name));
        let secret = match statement.map(|statement| &statement.kind) {
            Some(Kind::Free) => continue,
            Some(Kind::Leaf(ty)) => matches!(ty, Type::Secret(..)),
            Some(_) => false,
            None => secrets().contains(node.name.as_str()),
        };
        if secret {
            node.arguments.iter_mut().filter(|argument| !refers(argument)).for_each(&mut *with);
        }
        let inside = inside_node(node, within);
        each_secret(&mut node.children, inside, with);
    }
}

#[cfg(test)]
mod tests {
    use super::{HIDDEN, keep_hidden, mask, redact};
    use crate::tree::{parse, print};

    #[test]
    fn a_hidden_secret_is_the_one_at_the_same_path() {
        let text = |token: &str, more: &str| {
            let group = format!("group g {{ reconfigure {{ token \"{token}\" }} }}");
            format!("system {{ services {{ dhcp-local-server {{ {group}{more} }} }} }}")
        };
        let old = parse("f.kdl", &text("s3cret", "")).unwrap();
        let mut new = redact(&old);
        assert!(keep_hidden(&mut new, &old).is_empty());
        assert_eq!(new, old);
        let elsewhere = "; group h { reconfigure { token \"<hidden>\" } }";
        let mut new = parse("f.kdl", &text("other", elsewhere)).unwrap();
        let missing: Vec<String> = keep_hidden(&mut new, &old).iter().map(ToString::to_string).collect();
        assert_eq!(missing, ["system services dhcp-local-server group h reconfigure token"]);
        assert!(print(&new).contains("other") && !print(&new).contains("s3cret"));
    }

    #[test]
    fn secrets_are_hidden_and_nothing_else() {
        let text = "system { services { dhcp-local-server { (inactive)reconfigure { token \"gr\u{f6}\u{df}e\"; attempts 4 } } } }";
        let tree = parse("f.kdl", text).unwrap();
        let shown = print(&redact(&tree));
        assert!(
            !shown.contains("gr\u{f6}\u{df}e") && shown.contains(HIDDEN) && shown.contains("attempts 4"),
            "{shown}"
        );
        let masked = mask(&tree, text);
        assert!(
            !masked.contains("gr") && masked.len() == text.len() && masked.ends_with("; attempts 4 } } } }"),
            "{masked}"
        );
    }
}
