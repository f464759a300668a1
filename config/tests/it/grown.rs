//! Trees that the schema allows, grown from a row of numbers: what the numbers choose is written.

use bindery_config::schema::{Kind, ROOT, Statement, Type};
use bindery_config::tree::{Argument, Node, Property, Span, Tag, Tree, Value};
use proptest::prelude::*;
use std::collections::HashSet;

/// Gives one choice after the other; zeros when all are used up. The second is whether what grows is part of a group.
struct Choices<'a>(&'a [u16], bool);

impl Choices<'_> {
    fn below(&mut self, count: usize) -> usize {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        usize::from(*first) % count.max(1)
    }

    fn one_in(&mut self, count: usize) -> bool {
        !self.0.is_empty() && self.below(count) == 1
    }
}

/// Trees whose statements are all in the table, with values that fit, in any order and with any tags.
pub(crate) fn tree() -> impl Strategy<Value = Tree> {
    proptest::collection::vec(any::<u16>(), 0..400).prop_map(|choices| grow(&choices))
}

/// The tree that the numbers choose.
pub(crate) fn grow(choices: &[u16]) -> Tree {
    let mut choices = Choices(choices, false);
    let mut nodes = Vec::new();
    while !choices.0.is_empty() && nodes.len() < 4 {
        nodes.extend(block(&mut choices, &ROOT, 0));
    }
    let mut seen = HashSet::new();
    nodes.retain(|node| seen.insert(key(node, Some(&ROOT))));
    Tree { nodes }
}

/// What tells a node from its siblings in `within`; what the table does not know is all of itself.
pub(crate) fn key(node: &Node, within: Option<&'static Statement>) -> (String, Option<String>) {
    let keyed = match within.and_then(|within| within.child(&node.name)) {
        Some(statement) => matches!(statement.kind, Kind::Named(..) | Kind::Select(_)),
        None => true,
    };
    (node.name.clone(), node.arguments.first().filter(|_| keyed).map(|argument| format!("{:?}", argument.value)))
}

/// The statement whose children stand in the block of `node`.
pub(crate) fn inside(node: &Node, within: Option<&'static Statement>) -> Option<&'static Statement> {
    let statement = within?.child(&node.name)?;
    match statement.kind {
        Kind::Select(_) => statement.child(node.key()?),
        _ => Some(statement),
    }
}

/// Leads to the instances that have an order: they must come up.
const WAY: [&str; 5] = ["access", "address-assignment", "pool", "family", "range"];

fn block(choices: &mut Choices<'_>, within: &'static Statement, depth: usize) -> Vec<Node> {
    let children: Vec<&'static Statement> =
        if choices.1 { within.children().iter().collect() } else { within.statements().collect() };
    let mut nodes = Vec::new();
    let mut seen = HashSet::new();
    for _ in 0..choices.below(if depth < 3 { 6 } else { 4 }) {
        let on_the_way = children.iter().find(|child| WAY.contains(&child.name));
        let chosen = choices.below(children.len());
        let Some(statement) = on_the_way.filter(|_| choices.one_in(3)).or(children.get(chosen)) else { break };
        let node = node(choices, statement, depth);
        if seen.insert(key(&node, Some(within))) {
            nodes.push(node);
        }
    }
    nodes
}

fn node(choices: &mut Choices<'_>, statement: &'static Statement, depth: usize) -> Node {
    let mut node = Node { name: statement.name.to_owned(), ..Node::default() };
    match choices.below(16) {
        1 => node.tag = Some(Tag::Inactive),
        2 => node.tag = Some(Tag::Protect),
        3 => node.tag = Some(Tag::ProtectInactive),
        4 => node.annotation = vec!["a note".to_owned()],
        5 => node.annotation = vec!["".to_owned()],
        6 => node.annotation = vec!["  two".to_owned(), "\"lines\"".to_owned(), "".to_owned()],
        _ => {}
    }
    match &statement.kind {
        Kind::Container(_) => node.children = block(choices, statement, depth + 1),
        Kind::Named(ty, _) => {
            let wild = choices.1 && choices.one_in(3);
            node.arguments.push(argument(if wild { Value::Text("<*>".to_owned()) } else { value(choices, ty) }));
            choices.1 |= statement.partial;
            node.children = block(choices, statement, depth + 1);
            choices.1 &= !statement.partial;
        }
        Kind::Select(words) => {
            let chosen = &words[choices.below(words.len())];
            node.arguments.push(argument(Value::Text(chosen.name.to_owned())));
            node.children = block(choices, chosen, depth + 1);
        }
        Kind::Leaf(ty) => node.arguments.push(argument(value(choices, ty))),
        Kind::LeafList(ty) => {
            for _ in 0..=choices.below(3) {
                node.arguments.push(argument(value(choices, ty)));
            }
        }
        Kind::Flag => {}
        Kind::Free => {
            if !statement.built && choices.one_in(2) {
                node.arguments.push(argument(Value::Text("an argument".to_owned())));
            }
            for _ in 0..choices.below(3) {
                node.children.push(setting(choices, 0));
            }
        }
    }
    node
}

fn setting(choices: &mut Choices<'_>, depth: usize) -> Node {
    let mut node = Node { name: ["option", "a b", "x", "{"][choices.below(4)].to_owned(), ..Node::default() };
    if choices.one_in(8) {
        node.annotation = vec!["of a setting }".to_owned()];
    }
    if choices.one_in(8) {
        node.tag = Some(Tag::Inactive);
    }
    for _ in 0..choices.below(3) {
        node.arguments.push(argument(any_value(choices)));
    }
    if choices.one_in(3) {
        let value = any_value(choices);
        node.properties.push(Property { name: "p".to_owned(), value, annotation: None, span: Span::default() });
    }
    if depth < 2 {
        for _ in 0..choices.below(3) {
            node.children.push(setting(choices, depth + 1));
        }
    }
    node
}

fn argument(value: Value) -> Argument {
    Argument { value, annotation: None, span: Span::default() }
}

fn any_value(choices: &mut Choices<'_>) -> Value {
    match choices.below(8) {
        0 => Value::Integer(choices.below(1000) as i128),
        1 => Value::Bool(true),
        2 => Value::Null,
        3 => Value::Float(1.5),
        4 => Value::Float(3.0),
        5 => Value::Integer(i128::MAX),
        6 => Value::Float(f64::NEG_INFINITY),
        _ => text(choices, 1, 20),
    }
}

/// Texts that are hard to write down.
fn text(choices: &mut Choices<'_>, min: usize, max: usize) -> Value {
    let texts = [
        "a",
        "true",
        "15",
        "a b",
        "\"q\"",
        "b\\c",
        "{",
        "};",
        "[x]",
        "#c",
        "/* c */",
        "line\nbreak",
        "tab\t",
        "to",
        "\u{e9}\u{202e}",
        "// x",
        "inactive:",
        "##",
        "a;",
        "<*>",
    ];
    let mut text = texts[choices.below(texts.len())].to_owned();
    while text.len() < min {
        text.push('x');
    }
    while text.len() > max {
        text.pop();
    }
    Value::Text(text)
}

fn value(choices: &mut Choices<'_>, ty: &Type) -> Value {
    match ty {
        Type::Integer(min, max) => {
            let span = usize::try_from(max - min).unwrap_or(usize::MAX).min(40);
            Value::Integer(i128::from(*min) + choices.below(span + 1) as i128)
        }
        Type::Text(min, max) | Type::Secret(min, max) => text(choices, *min, *max),
        Type::Name(_) => {
            let names =
                ["a", "b", "a2", "a10", "to", "before", "{x}", "\"", "a\\b", "#1", "[1]", "n;", "\u{e9}", "true", "7"];
            Value::Text(names[choices.below(names.len())].to_owned())
        }
        Type::Path => Value::Text(["a.wasm", "a b", "/x;y"][choices.below(3)].to_owned()),
        Type::Interface => Value::Text(["eth0", "ge-10", "ge-2", "ge-*", "*", "e[1]"][choices.below(6)].to_owned()),
        Type::Delimiter => Value::Text(["#", "{", "\"", "a", "\\"][choices.below(5)].to_owned()),
        Type::Hex(min, _) => Value::Text("0a".repeat(min.div_ceil(2).max(1) + choices.below(3))),
        Type::Address4 => Value::Text(format!("192.0.2.{}", choices.below(20))),
        Type::Address6 => Value::Text(["2001:db8::1", "2001:DB8::0:2", "::"][choices.below(3)].to_owned()),
        Type::Address => Value::Text(["192.0.2.1", "192.0.2.10", "2001:db8::1"][choices.below(3)].to_owned()),
        Type::Prefix4 => Value::Text(format!("10.{}.0.0/16", choices.below(9))),
        Type::Prefix6 => Value::Text("2001:db8::/56".to_owned()),
        Type::Mac => Value::Text(format!("02:00:00:00:00:{:02x}", choices.below(9))),
        Type::Seconds(min, _) if choices.one_in(2) => Value::Integer(i128::from(*min)),
        Type::Seconds(min, _) => Value::Text(format!("{min}s")),
        Type::Lease if choices.one_in(2) => Value::Text("infinite".to_owned()),
        Type::Lease => Value::Integer(60),
        Type::Size(min, _) => Value::Integer(i128::from(*min)),
        Type::Boolean => {
            [Value::Bool(true), Value::Bool(false), Value::Text("true".to_owned()), Value::Text("off".to_owned())]
                [choices.below(4)]
            .clone()
        }
        Type::Word(words) => Value::Text(words[choices.below(words.len())].name.to_owned()),
    }
}
