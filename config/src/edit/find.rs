//! Finding statements by their paths.

use super::identity::{Identity, identity, inside, key};
use super::path::{Path, Step};
use crate::schema::{ROOT, Statement};
use crate::tree::{Node, Tree};
use std::collections::HashMap;

/// Blocks of fewer statements are searched one by one, and kept in order all the time.
pub(crate) const SMALL: usize = 32;

/// From so many searches on, it is worth it to remember where all statements of a block are.
const WORTH: usize = 4;

/// Where the statements of long blocks are, by the words that lead to the block. It is made as it is needed, and never
/// trusted: what is found is looked at again.
#[derive(Debug, Default)]
pub(crate) struct Index {
    blocks: HashMap<String, Block>,
    /// How often each long block was searched without its places being known.
    tries: HashMap<String, usize>,
    /// How often a block was read through; a test looks at it.
    pub(crate) scans: usize,
}

#[derive(Debug)]
struct Block {
    places: HashMap<Identity<'static>, usize>,
    len: usize,
}

impl Index {
    /// Where the statement `wanted` of `nodes` is; `path` are the words that lead to the block.
    pub(crate) fn find(
        &mut self,
        nodes: &[Node],
        within: &'static Statement,
        path: &str,
        wanted: &Identity<'_>,
    ) -> Option<usize> {
        let is = |node: &Node| node.name == wanted.name && identity(node, Some(within)) == *wanted;
        if nodes.len() < SMALL {
            return nodes.iter().position(is);
        }
        if let Some(block) = self.blocks.get(path)
            && block.len == nodes.len()
        {
            match block.places.get(wanted) {
                None => return None,
                Some(at) if nodes.get(*at).is_some_and(is) => return Some(*at),
                Some(_) => {}
            }
        }
        self.scans += 1;
        let tries = self.tries.entry(path.to_owned()).or_default();
        *tries += 1;
        if *tries < WORTH {
            return nodes.iter().position(is);
        }
        let mut places = HashMap::with_capacity(nodes.len());
        for (at, node) in nodes.iter().enumerate() {
            places.entry(identity(node, Some(within)).owned()).or_insert(at);
        }
        let found = places.get(wanted).copied();
        self.blocks.insert(path.to_owned(), Block { places, len: nodes.len() });
        found
    }

    /// That `node` was put behind the others of a block.
    pub(crate) fn pushed(&mut self, node: &Node, within: &'static Statement, path: &str, at: usize) {
        if let Some(block) = self.blocks.get_mut(path)
            && block.len == at
        {
            block.places.entry(identity(node, Some(within)).owned()).or_insert(at);
            block.len += 1;
        }
    }

    /// That the last statement of a block took the place `at` of the one `gone`.
    pub(crate) fn swapped(
        &mut self,
        nodes: &[Node],
        within: &'static Statement,
        path: &str,
        at: usize,
        gone: &Identity<'_>,
    ) {
        if let Some(block) = self.blocks.get_mut(path) {
            block.places.remove(&gone.clone().owned());
            block.len = nodes.len();
            if let Some(moved) = nodes.get(at) {
                block.places.insert(identity(moved, Some(within)).owned(), at);
            }
        }
    }

    /// That the statement at `at` has another name now.
    pub(crate) fn renamed(
        &mut self,
        node: &Node,
        within: &'static Statement,
        path: &str,
        at: usize,
        old: &Identity<'_>,
    ) {
        if let Some(block) = self.blocks.get_mut(path) {
            block.places.remove(&old.clone().owned());
            block.places.insert(identity(node, Some(within)).owned(), at);
        }
    }

    /// That the block changed in some other way.
    pub(crate) fn forget(&mut self, path: &str) {
        self.blocks.remove(path);
    }

    /// That a statement is gone or another, with all in it.
    pub(crate) fn forget_below(&mut self, path: &str) {
        self.blocks.retain(|known, _| !known.starts_with(path));
    }
}

/// What tells the statement from its siblings that `step` leads to.
pub(crate) fn wanted<'a>(step: &'a Step, within: &'static Statement) -> Identity<'a> {
    let statement = within.child(&step.name);
    let key = statement.and_then(|statement| key(statement, step.key.as_ref()?));
    Identity { name: step.name.as_str().into(), key }
}

/// The statements in the block that `path` leads to, and whose they are.
pub(crate) fn block<'t>(tree: &'t Tree, path: &Path) -> Option<(&'t [Node], &'static Statement)> {
    let mut nodes = tree.nodes.as_slice();
    let mut within = &ROOT;
    for step in &path.steps {
        let statement = within.child(&step.name)?;
        nodes = &nodes.iter().find(|node| step.is(node, statement))?.children;
        within = inside(statement, step.key.as_ref())?;
    }
    Some((nodes, within))
}

/// What is in the block that `path` leads to, as a tree; empty where there is none.
pub fn below(tree: &Tree, path: &Path) -> Tree {
    Tree { nodes: block(tree, path).map(|(nodes, _)| nodes.to_vec()).unwrap_or_default() }
}

/// The tree with nothing but what `path` leads to; empty where there is none.
pub fn only(tree: &Tree, path: &Path) -> Tree {
    fn narrowed(nodes: &[Node], steps: &[Step], within: &'static Statement) -> Option<Vec<Node>> {
        let Some((step, steps)) = steps.split_first() else { return Some(nodes.to_vec()) };
        let statement = within.child(&step.name)?;
        let node = nodes.iter().find(|node| step.is(node, statement))?;
        let children = narrowed(&node.children, steps, inside(statement, step.key.as_ref())?)?;
        let Node { name, tag, arguments, properties, annotation, span, .. } = node;
        let (name, tag, arguments) = (name.clone(), tag.clone(), arguments.clone());
        let (properties, annotation) = (properties.clone(), annotation.clone());
        Some(vec![Node { name, tag, arguments, properties, children, annotation, span: *span }])
    }
    Tree { nodes: narrowed(&tree.nodes, &path.steps, &ROOT).unwrap_or_default() }
}

#[cfg(test)]
mod tests {
    use crate::edit::apply::Editor;
    use crate::edit::{Path, command};
    use crate::tree::Tree;

    #[test]
    fn a_long_block_is_read_through_a_few_times_however_many_commands() {
        let mut tree = Tree::default();
        let mut editor = Editor::new(&mut tree).unwrap();
        let host = "access address-assignment pool p family inet host";
        let mut run = |line: String| editor.apply(&command(&line, &Path::default()).unwrap()).unwrap();
        for at in 0..2000 {
            run(format!("set {host} h{} ip-address 192.0.2.1", at * 7 % 2000));
            run(format!("set {host} h{} hardware-address 02:00:00:00:00:01", at * 7 % 2000));
        }
        for at in 0..2000 {
            run(format!("rename {host} h{at} to g{at}"));
        }
        for at in 0..1900 {
            run(format!("delete {host} g{at}"));
        }
        assert!(editor.index.scans < 20, "{}", editor.index.scans);
        editor.finish();
        assert_eq!(crate::form::set(&tree).lines().count(), 200);
    }

    #[test]
    fn another_block_under_the_same_path_is_looked_at_anew() {
        let mut tree = Tree::default();
        let mut editor = Editor::new(&mut tree).unwrap();
        let mut run = |line: String| editor.apply(&command(&line, &Path::default()).unwrap()).unwrap();
        let pool = "access address-assignment pool";
        for at in 0..40 {
            for pool_and_host in [format!("p family inet host h{at}"), format!("q family inet host g{at}")] {
                run(format!("set {pool} {pool_and_host} ip-address 192.0.2.1"));
            }
        }
        run(format!("delete {pool} p"));
        run(format!("copy {pool} q to p"));
        run(format!("set {pool} p family inet host g7 ip-address 192.0.2.7"));
        run(format!("rename {pool} p to r"));
        run(format!("rename {pool} q to p"));
        run(format!("set {pool} p family inet host g7 ip-address 192.0.2.8"));
        editor.finish();
        assert_eq!(crate::form::set(&tree).lines().count(), 80);
    }
}
