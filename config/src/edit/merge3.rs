//! Two sets of changes of one tree, made into one.

use super::canonical::sort;
use super::identity::{Identity, identity, inside_node, is_block};
use super::path::{Path, Step};
use crate::schema::{ROOT, Statement};
use crate::tree::{Node, Span, Tree};
use std::collections::{HashMap, HashSet};

/// A statement that both sides changed, and not in the same way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The statement, as the words of a command.
    pub path: String,
}

/// The tree with what `mine` and what `theirs` changed of `base`.
///
/// What only one side changed is as that side has it. Both may change a block if they change different statements in
/// it; values of a leaf or list, a plugin's settings, a statement's annotation and effect are one thing each, and so is
/// the order of an ordered list.
///
/// # Errors
/// All statements that both changed differently, also those that one side took away and the other changed.
pub fn merge3(base: &Tree, mine: &Tree, theirs: &Tree) -> Result<Tree, Vec<Conflict>> {
    let mut merger = Merger { path: Path::default(), conflicts: Vec::new(), mine_wins: false };
    let nodes = merger.block([&base.nodes, &mine.nodes, &theirs.nodes], &ROOT);
    if merger.conflicts.is_empty() { Ok(Tree { nodes }) } else { Err(merger.conflicts) }
}

/// As [`merge3`], but where both sides changed a statement it is as `mine` has it.
pub fn rebase(base: &Tree, mine: &Tree, theirs: &Tree) -> Tree {
    let mut merger = Merger { path: Path::default(), conflicts: Vec::new(), mine_wins: true };
    Tree { nodes: merger.block([&base.nodes, &mine.nodes, &theirs.nodes], &ROOT) }
}

struct Merger {
    path: Path,
    conflicts: Vec<Conflict>,
    /// Nothing is a conflict.
    mine_wins: bool,
}

impl Merger {
    /// The statements of one block, in the order of `theirs` with what only `mine` has behind.
    fn block(&mut self, [base, mine, theirs]: [&[Node]; 3], within: &'static Statement) -> Vec<Node> {
        let known = |nodes: &'_ [Node]| -> HashMap<Identity<'static>, usize> {
            nodes.iter().enumerate().map(|(at, node)| (identity(node, Some(within)).owned(), at)).collect()
        };
        let (bases, mines, others) = (known(base), known(mine), known(theirs));
        let mut merged = Vec::new();
        let fresh = mine.iter().filter(|node| !others.contains_key(&identity(node, Some(within))));
        for node in theirs.iter().chain(fresh) {
            let key = identity(node, Some(within));
            let find = |nodes: &HashMap<Identity<'static>, usize>| nodes.get(&key).copied();
            let base = find(&bases).and_then(|at| base.get(at));
            let mine = find(&mines).and_then(|at| mine.get(at));
            let theirs = find(&others).and_then(|at| theirs.get(at));
            merged.extend(self.one(base, mine, theirs, within));
        }
        sort(&mut merged, within);
        for statement in within.statements().filter(|statement| statement.ordered) {
            self.order([base, mine, theirs], statement.name, within, &mut merged);
        }
        merged
    }

    /// One statement; at least one side has it.
    fn one(
        &mut self,
        base: Option<&Node>,
        mine: Option<&Node>,
        theirs: Option<&Node>,
        within: &'static Statement,
    ) -> Option<Node> {
        if mine == theirs || theirs == base {
            return mine.cloned();
        }
        if mine == base {
            return theirs.cloned();
        }
        let any = theirs.or(mine)?;
        let step = Step::to(any, Some(within));
        let block = within.child(&any.name).is_some_and(is_block);
        let (Some(mine), Some(theirs), true) = (mine, theirs, block) else {
            self.conflict(&step);
            return mine.filter(|_| self.mine_wins).cloned();
        };
        let mut merged = Node { children: Vec::new(), ..theirs.clone() };
        let tag = three(base.map(|base| &base.tag), &mine.tag, &theirs.tag);
        let annotation = three(base.map(|base| &base.annotation), &mine.annotation, &theirs.annotation);
        if tag.is_none() || annotation.is_none() {
            self.conflict(&step);
        }
        merged.tag.clone_from(tag.unwrap_or(&mine.tag));
        merged.annotation.clone_from(annotation.unwrap_or(&mine.annotation));
        if let Some(inside) = inside_node(theirs, Some(within)) {
            self.path.push(step);
            let before = base.map(|base| base.children.as_slice()).unwrap_or_default();
            merged.children = self.block([before, &mine.children, &theirs.children], inside);
            self.path.steps.pop();
        }
        Some(merged)
    }

    fn conflict(&mut self, step: &Step) {
        if !self.mine_wins {
            self.conflicts.push(Conflict { path: self.path.and(step) });
        }
    }

    /// Puts the instances of an ordered list in the order of the side that changed it; what only the other side has
    /// stands behind the one it stands behind there.
    fn order(&mut self, sides: [&[Node]; 3], name: &str, within: &'static Statement, merged: &mut [Node]) {
        let keys = |nodes: &[Node]| -> Vec<Identity<'static>> {
            let named = nodes.iter().filter(|node| node.name == name);
            named.map(|node| identity(node, Some(within)).owned()).collect()
        };
        let [base, mine, theirs] = sides.map(keys);
        let lead = match (reordered(&base, &mine), reordered(&base, &theirs)) {
            (true, true) if !self.mine_wins && reordered(&mine, &theirs) => {
                self.conflict(&Step { name: name.to_owned(), key: None, span: Span::default() });
                return;
            }
            (true, _) => [mine, theirs],
            (false, _) => [theirs, mine],
        };
        let [mut sequence, other] = lead;
        let known: HashSet<Identity<'_>> = sequence.iter().cloned().collect();
        let mut before: Option<&Identity<'_>> = None;
        for key in &other {
            if !known.contains(key) {
                let at = before.and_then(|before| sequence.iter().position(|known| known == before));
                sequence.insert(at.map_or(0, |at| at + 1), key.clone());
            }
            before = Some(key);
        }
        let places: HashMap<Identity<'_>, usize> =
            sequence.into_iter().enumerate().map(|(at, key)| (key, at)).collect();
        let first = merged.iter().position(|node| node.name == name).unwrap_or(0);
        let count = merged.iter().filter(|node| node.name == name).count();
        if let Some(list) = merged.get_mut(first..first + count) {
            list.sort_by_key(|node| places.get(&identity(node, Some(within))).copied());
        }
    }
}

/// Whether what both have stands in another order.
fn reordered(a: &[Identity<'static>], b: &[Identity<'static>]) -> bool {
    let (in_a, in_b): (HashSet<_>, HashSet<_>) = (a.iter().collect(), b.iter().collect());
    !a.iter().filter(|key| in_b.contains(key)).eq(b.iter().filter(|key| in_a.contains(key)))
}

/// What both sides have made of one thing; none if they differ.
fn three<'a, T: PartialEq>(base: Option<&T>, mine: &'a T, theirs: &'a T) -> Option<&'a T> {
    if mine == theirs || base == Some(theirs) {
        Some(mine)
    } else if base == Some(mine) {
        Some(theirs)
    } else {
        None
    }
}
