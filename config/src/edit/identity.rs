//! What tells a statement from its siblings, and which of two stands first.

use crate::schema::{Kind, Statement, Type};
use crate::tree::{Node, Value, print_values};
use crate::value::{Typed, typed};
use std::borrow::Cow;
use std::cmp::Ordering;

/// A statement among its siblings: its name, and its key where it has one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Identity<'a> {
    pub(crate) name: Cow<'a, str>,
    pub(crate) key: Option<Cow<'a, str>>,
}

impl Identity<'_> {
    /// The same, holding nothing of the tree.
    pub(crate) fn owned(self) -> Identity<'static> {
        Identity { name: self.name.into_owned().into(), key: self.key.map(|key| key.into_owned().into()) }
    }
}

/// What tells `node` from its siblings in `within`. A statement that the table does not know is its whole head.
pub(crate) fn identity<'a>(node: &'a Node, within: Option<&'static Statement>) -> Identity<'a> {
    let name = Cow::Borrowed(node.name.as_str());
    let key = match within.and_then(|within| within.child(&node.name)) {
        Some(statement) => node.arguments.first().and_then(|argument| key(statement, &argument.value)),
        None => {
            let mut head = String::new();
            print_values(&mut head, node);
            Some(head.into())
        }
    };
    Identity { name, key }
}

/// The key of an instance of `statement` that is called `value`; none where the statement has no instances.
pub(crate) fn key<'a>(statement: &Statement, value: &'a Value) -> Option<Cow<'a, str>> {
    match statement.kind {
        Kind::Named(ty, _) => Some(key_text(&ty, value)),
        Kind::Select(_) => Some(plain(value)),
        _ => None,
    }
}

/// An address has more than one spelling.
fn key_text<'a>(ty: &Type, value: &'a Value) -> Cow<'a, str> {
    if matches!(ty, Type::Address | Type::Address4 | Type::Address6) {
        match typed(ty, value) {
            Ok(Typed::Address4(address)) => return address.to_string().into(),
            Ok(Typed::Address6(address)) => return address.to_string().into(),
            _ => {}
        }
    }
    plain(value)
}

/// A value as it stands in a path.
pub(crate) fn plain(value: &Value) -> Cow<'_, str> {
    match value.as_text() {
        Some(text) => text.into(),
        None => {
            let mut text = String::new();
            crate::tree::print_value(&mut text, value);
            text.into()
        }
    }
}

/// The statement whose children stand in the block of `node`: for `family inet` that of `inet`.
pub(crate) fn inside(statement: &'static Statement, key: Option<&Value>) -> Option<&'static Statement> {
    match statement.kind {
        Kind::Select(_) => statement.child(key?.as_text()?),
        _ => Some(statement),
    }
}

/// As [`inside`], for a node that may be unknown to the table.
pub(crate) fn inside_node(node: &Node, within: Option<&'static Statement>) -> Option<&'static Statement> {
    let statement = within?.child(&node.name)?;
    inside(statement, node.arguments.first().map(|argument| &argument.value))
}

/// Whether the statement stands in braces of statements that the table knows.
pub(crate) fn is_block(statement: &Statement) -> bool {
    matches!(statement.kind, Kind::Container(_) | Kind::Named(..) | Kind::Select(_))
}

/// The order of siblings in `within`: as in the table, instances sorted by key where they have no order of their own.
///
/// Statements that the table does not know come last. Two that compare equal keep the order they have.
pub(crate) fn order(a: &Node, b: &Node, within: &'static Statement) -> Ordering {
    let rank_a = rank(&a.name, within);
    let rank_b = if a.name == b.name { rank_a } else { rank(&b.name, within) };
    let by_rank = rank_a.map_or(usize::MAX, |(at, _)| at).cmp(&rank_b.map_or(usize::MAX, |(at, _)| at));
    let (Ordering::Equal, Some((_, statement))) = (by_rank, rank_a) else { return by_rank };
    let (Some(x), Some(y)) = (a.arguments.first(), b.arguments.first()) else { return Ordering::Equal };
    match statement.kind {
        Kind::Named(ty, _) if !statement.ordered => keys(&ty, &x.value, &y.value),
        Kind::Select(words) => {
            let at = |value: &Value| words.iter().position(|word| Some(word.name) == value.as_text());
            at(&x.value).cmp(&at(&y.value))
        }
        _ => Ordering::Equal,
    }
}

fn rank(name: &str, within: &'static Statement) -> Option<(usize, &'static Statement)> {
    within.statements().enumerate().find(|(_, statement)| statement.name == name)
}

/// Numbers and addresses by value, text so that `ge-2` stands before `ge-10`.
fn keys(ty: &Type, a: &Value, b: &Value) -> Ordering {
    if let (Value::Integer(a), Value::Integer(b)) = (a, b) {
        return a.cmp(b);
    }
    if matches!(ty, Type::Address | Type::Address4 | Type::Address6) {
        let rank = |value: &Value| match typed(ty, value) {
            Ok(Typed::Address4(address)) => (0, u128::from(address.to_bits())),
            Ok(Typed::Address6(address)) => (1, address.to_bits()),
            _ => (2, 0),
        };
        let by_value = rank(a).cmp(&rank(b));
        if by_value != Ordering::Equal {
            return by_value;
        }
    }
    natural(&plain(a), &plain(b))
}

/// Text order in which runs of digits count as numbers; equal only for equal texts.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut x, mut y) = (a.as_bytes(), b.as_bytes());
    loop {
        let by_number = number(x).0.cmp(number(y).0);
        match (x, y) {
            ([], []) => return a.cmp(b),
            ([c, ..], [d, ..]) if c.is_ascii_digit() && d.is_ascii_digit() => {
                let ((n, rest), (m, other)) = (number(x), number(y));
                let by_value = n.len().cmp(&m.len()).then(by_number);
                if by_value != Ordering::Equal {
                    return by_value;
                }
                (x, y) = (rest, other);
            }
            ([c, rest @ ..], [d, other @ ..]) if c == d => (x, y) = (rest, other),
            _ => return x.first().cmp(&y.first()),
        }
    }
}

/// The digits at the beginning without leading zeros, and what follows them.
fn number(text: &[u8]) -> (&[u8], &[u8]) {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = text.split_at(digits);
    let zeros = number.iter().take_while(|byte| **byte == b'0').count();
    (number.split_at(zeros).1, rest)
}

#[cfg(test)]
mod tests {
    use super::natural;
    use std::cmp::Ordering;

    #[test]
    fn runs_of_digits_are_numbers() {
        let sorted = ["", "a", "a2", "a10", "a10b", "a010b", "b", "ge-0/0/2", "ge-0/0/10", "ge-1", "h00"];
        for (at, a) in sorted.iter().enumerate() {
            for (other, b) in sorted.iter().enumerate() {
                if (a, b) == (&"a10b", &"a010b") || (a, b) == (&"a010b", &"a10b") {
                    assert_ne!(natural(a, b), Ordering::Equal);
                } else {
                    assert_eq!(natural(a, b), at.cmp(&other), "{a} {b}");
                }
            }
        }
    }
}
