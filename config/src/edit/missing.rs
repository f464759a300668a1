//! What to say of a statement that is not there.

use super::find::wanted;
use super::identity::{identity, inside};
use super::path::{Path, Target};
use crate::error::Fault;
use crate::nearest::nearest;
use crate::schema::ROOT;
use crate::tree::Tree;

/// That the statement is not there: the first one on the way that is missing, and what it may have been meant to be.
pub(crate) fn missing(tree: &Tree, target: &Target) -> Fault {
    let mut nodes = tree.nodes.as_slice();
    let mut within = &ROOT;
    let mut path = Path::default();
    for step in &target.path.steps {
        let wanted = wanted(step, within);
        let Some(node) = nodes.iter().find(|node| identity(node, Some(within)) == wanted) else {
            let siblings = nodes.iter().filter(|node| node.name == step.name).filter_map(|node| node.key());
            let near = wanted.key.as_deref().and_then(|key| nearest(key, siblings));
            let help = near.map(|near| format!("there is `{} {near}`", step.name));
            let fault = Fault::new(format!("there is no `{}`", path.and(step)), step.span, path.to_string());
            return fault.maybe_help(help);
        };
        path.push(step.clone());
        nodes = &node.children;
        let inside = within.child(&step.name).and_then(|statement| inside(statement, step.key.as_ref()));
        let Some(inside) = inside else { break };
        within = inside;
    }
    Fault::new(format!("there is no `{target}`"), target.span(), path.to_string())
}
