//! What values there are.

use crate::edit::find::block;
use crate::edit::path::{Path, Step};
use crate::schema::{Kind, Statement, Type};
use crate::tree::{Span, Tree, Value};
use bindery_engine::policy::Stage;

/// What stands for any value of the type, like `<1..10>`.
pub(super) fn hints(ty: &Type) -> Vec<String> {
    let one = |text: &str| vec![text.to_owned()];
    match ty {
        Type::Integer(min, max) => vec![format!("<{min}..{max}>")],
        Type::Seconds(min, max) => vec![format!("<{min}..{max} seconds>")],
        Type::Lease => one("<1..4294967294 seconds>"),
        Type::Size(min, max) => vec![format!("<{min}..{max} bytes>")],
        Type::Text(..) => one("<text>"),
        Type::Name(_) => one("<name>"),
        Type::Secret(..) => vec!["<secret>".to_owned(), "file:<path>".to_owned(), "credential:<name>".to_owned()],
        Type::Delimiter => one("<character>"),
        Type::Hex(..) => one("<hexadecimal digits>"),
        Type::Address4 => one("<IPv4 address>"),
        Type::Address6 => one("<IPv6 address>"),
        Type::Address => one("<IP address>"),
        Type::Prefix4 => one("<IPv4 network>"),
        Type::Prefix6 => one("<IPv6 prefix>"),
        Type::Mac => one("<MAC address>"),
        Type::Interface => one("<interface>"),
        Type::Path => one("<file>"),
        Type::Boolean | Type::Word(_) => Vec::new(),
    }
}

/// Whether there are no other values than those that are told.
pub(super) fn is_closed(ty: &Type) -> bool {
    matches!(ty, Type::Word(_) | Type::Boolean)
}

/// The value that holds where the leaf is not written.
pub(super) fn default_of(statement: &Statement) -> Option<Value> {
    let text = statement.default?;
    let value = text.parse().map_or_else(|_| Value::Text(text.to_owned()), Value::Integer);
    // Some defaults are told in words.
    let (Kind::Leaf(ty) | Kind::LeafList(ty)) = &statement.kind else { return None };
    crate::value::typed(ty, &value).is_ok().then_some(value)
}

/// The names of the instances that a leaf may refer to.
pub(super) fn referred<'t>(tree: &'t Tree, statement: &Statement) -> impl Iterator<Item = &'t Value> {
    let (path, name): (&[&str], &str) = match statement.name {
        "link" | "pool" => (&["access", "address-assignment"], "pool"),
        "access-profile" => (&["access"], "profile"),
        "authentication-server" | "accounting-server" => (&["access"], "radius-server"),
        "apply-groups" | "apply-groups-except" => (&[], "groups"),
        name if Stage::ALL.iter().any(|stage| stage.name() == name) => (&["plugins"], "plugin"),
        _ => (&[], ""),
    };
    let steps = path.iter().map(|name| Step { name: (*name).to_owned(), key: None, span: Span::default() });
    let nodes = block(tree, &Path { steps: steps.collect() }).map(|(nodes, _)| nodes).unwrap_or_default();
    let named = nodes.iter().filter(move |node| node.name == name);
    named.filter_map(|node| node.arguments.first()).map(|argument| &argument.value)
}
