//! The one order in which a tree is kept.

use super::identity::{inside_node, order};
use crate::schema::{Kind, ROOT, Statement};
use crate::tree::{Node, Tree};
use std::cmp::Ordering;

/// Puts the statements in order: siblings as they stand in the table, named instances by name, unless the operator
/// orders them (a pool's `range`). The values of a list keep their order, and so does all in a plugin's settings.
///
/// Trees that say the same are equal behind it.
///
/// ```
/// use bindery_config::{edit::canonical, tree::{parse, print}};
/// let mut tree = parse("f.kdl", "access { address-assignment { pool p10; pool p9 } }; system")?;
/// canonical(&mut tree);
/// let printed = print(&tree);
/// assert!(printed.find("system") < printed.find("p9") && printed.find("p9") < printed.find("p10"));
/// # Ok::<(), bindery_config::Errors>(())
/// ```
pub fn canonical(tree: &mut Tree) {
    sort_all(&mut tree.nodes, &ROOT);
}

/// Sorts the statements and all below them.
pub(crate) fn sort_all(nodes: &mut [Node], within: &'static Statement) {
    sort(nodes, within);
    for node in nodes {
        if let Some(inside) = inside_node(node, Some(within))
            && !matches!(inside.kind, Kind::Free)
        {
            sort_all(&mut node.children, inside);
        }
    }
}

/// Sorts the statements, not what is in them.
pub(crate) fn sort(nodes: &mut [Node], within: &'static Statement) {
    let compare = |a: &Node, b: &Node| order(a, b, within);
    if !nodes.is_sorted_by(|a, b| compare(a, b) != Ordering::Greater) {
        nodes.sort_by(compare);
    }
}
