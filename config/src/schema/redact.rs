//! What may be shown to anyone: trees and texts without their secrets.

use super::{Kind, ROOT, Statement, Type};
use crate::tree::{Argument, Node, Span, Tree, Value};

/// What stands in the place of a secret.
pub const HIDDEN: &str = "<hidden>";

/// The same tree with [`HIDDEN`] in the place of each secret. A plugin's settings are shown as they are.
pub fn redact(tree: &Tree) -> Tree {
    let mut tree = tree.clone();
    each_secret(&mut tree.nodes, &ROOT, &mut |argument| argument.value = Value::Text(HIDDEN.to_owned()));
    tree
}

/// The text with asterisks in the place of each secret, every other byte where it was.
pub(crate) fn mask(tree: &Tree, text: &str) -> String {
    let mut spans: Vec<Span> = Vec::new();
    each_secret(&mut tree.nodes.clone(), &ROOT, &mut |argument| spans.push(argument.span));
    let mut text = text.to_owned();
    for Span { start, end } in spans {
        if text.get(start..end).is_some() {
            text.replace_range(start..end, &"*".repeat(end - start));
        }
    }
    text
}

fn each_secret(nodes: &mut [Node], within: &'static Statement, with: &mut dyn FnMut(&mut Argument)) {
    for node in nodes {
        let Some(mut statement) = within.child(&node.name) else { continue };
        if matches!(statement.kind, Kind::Select(_)) {
            let Some(chosen) = node.key().and_then(|word| statement.child(word)) else { continue };
            statement = chosen;
        }
        if let Kind::Leaf(Type::Secret(..)) = statement.kind {
            node.arguments.iter_mut().for_each(&mut *with);
        }
        each_secret(&mut node.children, statement, with);
    }
}

#[cfg(test)]
mod tests {
    use super::{HIDDEN, mask, redact};
    use crate::tree::{parse, print};

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
