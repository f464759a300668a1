//! A tree as JSON.
//!
//! A container is an object; a flag is `true`; a list is an array. Named instances are an object by name, or where they
//! stand in the operator's order an array whose objects have a `"name"`. `family inet` is `"family": {"inet": ...}`.
//! What is not a statement itself stands under `"@"` in the object of its statement, for leaves, lists and flags under
//! `"@NAME"` beside them: `"inactive"`, `"protect"` and `"replace"` are true where they are tags, `"annotation"` is an
//! array of lines. A plugin's settings are `{"statements": [...]}`, each statement an object with `"name"` and where it
//! has them `"arguments"`, `"properties"` and `"statements"`. A number that JSON has not is `{"float": "inf"}`.

mod read;
mod text;

pub use read::{from_json, from_json_below};

use crate::edit::{Path, canonical, inside_node};
use crate::schema::{Kind, Statement};
use crate::tree::{Node, Tag, Tree, Value};
use text::{Json, Member, Shape};

/// The tree as JSON text. Secrets are in it: [`redact`](crate::schema::redact) the tree before it is shown. What is not
/// in the table is left out.
///
/// ```
/// let tree = bindery_config::tree::parse("f.kdl", "policy { admit a b }")?;
/// assert_eq!(bindery_config::form::json(&tree), "{\n    \"policy\": {\n        \"admit\": [\"a\", \"b\"]\n    }\n}\n");
/// assert_eq!(bindery_config::form::from_json("f", "{\"policy\": {\"admit\": [\"a\", \"b\"]}}")?, tree);
/// # Ok::<(), bindery_config::Errors>(())
/// ```
pub fn json(tree: &Tree) -> String {
    json_below(tree, &Path::default())
}

/// As [`json`], of what is in the block at `base`; an empty object where there is none.
pub fn json_below(tree: &Tree, base: &Path) -> String {
    let mut tree = tree.clone();
    canonical(&mut tree);
    let members = crate::edit::block(&tree, base).map(|(nodes, within)| members(nodes, within));
    let mut out = String::new();
    text::write(&mut out, &Shape::Object(members.unwrap_or_default()).into(), 0);
    out.push('\n');
    out
}

/// The statements in a block; those of one name stand together.
fn members(nodes: &[Node], within: &'static Statement) -> Vec<Member> {
    let mut out = Vec::new();
    for group in nodes.chunk_by(|a, b| a.name == b.name) {
        let Some(first) = group.first() else { continue };
        let Some(statement) = within.child(&first.name) else { continue };
        let shape = match &statement.kind {
            Kind::Container(_) => Shape::Object(object(first, within)),
            Kind::Named(..) if statement.ordered => {
                let instance = |node: &Node| {
                    let key = node.arguments.first().map(|argument| value(&argument.value)).unwrap_or_default();
                    let mut members = vec![Member { name: "name".to_owned(), span: key.span, value: key }];
                    members.extend(object(node, within));
                    Shape::Object(members).into()
                };
                Shape::Array(group.iter().map(instance).collect())
            }
            Kind::Named(..) | Kind::Select(_) => {
                let instance =
                    |node: &Node| Member::new(node.key_text().unwrap_or_default(), Shape::Object(object(node, within)));
                Shape::Object(group.iter().map(instance).collect())
            }
            Kind::Leaf(_) => first.arguments.first().map(|argument| value(&argument.value)).unwrap_or_default().shape,
            Kind::LeafList(_) => Shape::Array(first.arguments.iter().map(|argument| value(&argument.value)).collect()),
            Kind::Flag => Shape::Bool(true),
            Kind::Free => Shape::Object(free(first)),
        };
        out.push(Member::new(statement.name, shape));
        let meta = meta(first);
        if matches!(statement.kind, Kind::Leaf(_) | Kind::LeafList(_) | Kind::Flag) && !meta.is_empty() {
            out.push(Member::new(format!("@{}", statement.name), Shape::Object(meta)));
        }
    }
    out
}

fn object(node: &Node, within: &'static Statement) -> Vec<Member> {
    let mut out = with_meta(node);
    if let Some(inside) = inside_node(node, Some(within)) {
        out.extend(members(&node.children, inside));
    }
    out
}

fn with_meta(node: &Node) -> Vec<Member> {
    let meta = meta(node);
    if meta.is_empty() { Vec::new() } else { vec![Member::new("@", Shape::Object(meta))] }
}

fn meta(node: &Node) -> Vec<Member> {
    let tags = [
        ("inactive", node.is_inactive()),
        ("protect", node.is_protected()),
        ("replace", node.tag == Some(Tag::Replace)),
    ];
    let mut out: Vec<Member> =
        tags.into_iter().filter(|(_, has)| *has).map(|(name, _)| Member::new(name, Shape::Bool(true))).collect();
    if !node.annotation.is_empty() {
        let lines = node.annotation.iter().map(|line| Shape::Text(line.clone()).into()).collect();
        out.push(Member::new("annotation", Shape::Array(lines)));
    }
    out
}

/// A statement that is not in the table, but for its name.
fn free(node: &Node) -> Vec<Member> {
    let mut out = with_meta(node);
    if !node.arguments.is_empty() {
        let values = node.arguments.iter().map(|argument| value(&argument.value)).collect();
        out.push(Member::new("arguments", Shape::Array(values)));
    }
    if !node.properties.is_empty() {
        let member =
            |property: &crate::tree::Property| Member::new(property.name.clone(), value(&property.value).shape);
        out.push(Member::new("properties", Shape::Object(node.properties.iter().map(member).collect())));
    }
    if !node.children.is_empty() {
        let child = |child: &Node| {
            let mut members = vec![Member::new("name", Shape::Text(child.name.clone()))];
            members.extend(free(child));
            Shape::Object(members).into()
        };
        out.push(Member::new("statements", Shape::Array(node.children.iter().map(child).collect())));
    }
    out
}

fn value(value: &Value) -> Json {
    let shape = match value {
        Value::Text(text) => Shape::Text(text.clone()),
        Value::Integer(number) => Shape::Number(number.to_string()),
        Value::Float(number) if number.is_finite() => Shape::Number(format!("{number:?}")),
        Value::Float(number) => Shape::Object(vec![Member::new("float", Shape::Text(number.to_string()))]),
        Value::Bool(truth) => Shape::Bool(*truth),
        Value::Null => Shape::Null,
    };
    shape.into()
}
