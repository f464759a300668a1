//! A tree that may be shown to anyone: without its secrets.

use super::{Kind, ROOT, Statement, Type};
use crate::tree::{Node, Tree, Value};

/// What stands in the place of a secret.
pub const HIDDEN: &str = "<hidden>";

/// The same tree with [`HIDDEN`] in the place of each secret. A plugin's settings are shown as they are.
pub fn redact(tree: &Tree) -> Tree {
    let mut tree = tree.clone();
    hide(&mut tree.nodes, &ROOT);
    tree
}

fn hide(nodes: &mut [Node], within: &'static Statement) {
    for node in nodes {
        let Some(mut statement) = within.child(&node.name) else { continue };
        if matches!(statement.kind, Kind::Select(_)) {
            let Some(chosen) = node.key().and_then(|word| statement.child(word)) else { continue };
            statement = chosen;
        }
        if let Kind::Leaf(Type::Secret(..)) = statement.kind {
            for argument in &mut node.arguments {
                argument.value = Value::Text(HIDDEN.to_owned());
            }
        }
        hide(&mut node.children, statement);
    }
}

#[cfg(test)]
mod tests {
    use super::{HIDDEN, redact};
    use crate::tree::{parse, print};

    #[test]
    fn secrets_are_hidden_and_nothing_else() {
        let text = "system { services { dhcp-local-server { (inactive)reconfigure { token s3cret; attempts 4 } } } }";
        let shown = print(&redact(&parse("f.kdl", text).unwrap()));
        assert!(!shown.contains("s3cret") && shown.contains(HIDDEN) && shown.contains("attempts 4"), "{shown}");
    }
}
