//! What is different in another tree.

use super::canonical::sort;
use super::identity::{Identity, identity, inside_node, is_block, order};
use super::path::{Path, Step};
use crate::error::Fault;
use crate::form::{Braces, short};
use crate::schema::{ROOT, Statement};
use crate::tree::{Node, Tree};
use std::collections::{HashMap, HashSet};
use std::fmt;

/// What makes one tree of another. `Display` shows it as Junos compares: changes stand in blocks `[edit PATH]`, `+` is
/// new, `-` is gone, `!` is another place or effect. Secrets are hidden.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Diff {
    pub(crate) blocks: Vec<Block>,
}

/// The changes among the statements of one block.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Block {
    pub(crate) path: Path,
    pub(crate) changes: Vec<Change>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Change {
    Remove(Node),
    Add(Node),
    /// Whether it is inactive or protected from now on, where that was not so before.
    Mark {
        node: Node,
        inactive: Option<bool>,
        protect: Option<bool>,
    },
    /// The lines of its annotation before, and the statement with those from now on.
    Annotate {
        old: Vec<String>,
        new: Node,
    },
    /// Behind another instance, or before all.
    Move {
        node: Node,
        after: Option<Node>,
    },
}

impl Change {
    fn node(&self) -> &Node {
        match self {
            Self::Remove(node) | Self::Add(node) | Self::Mark { node, .. } | Self::Move { node, .. } => node,
            Self::Annotate { new, .. } => new,
        }
    }
}

/// What makes `new` of `old`. Statements that are sorted have no order that could differ.
///
/// ```
/// use bindery_config::{edit::diff, tree::parse};
/// let (old, new) = (parse("a", "policy { admit a }")?, parse("b", "policy { admit a b; route c }")?);
/// let shown = "[edit policy]\n-    admit a;\n+    admit [ a b ];\n+    route c;\n";
/// assert_eq!(diff(&old, &new).to_string(), shown);
/// # Ok::<(), bindery_config::Errors>(())
/// ```
pub fn diff(old: &Tree, new: &Tree) -> Diff {
    let mut diff = Diff::default();
    diff.compare(&old.nodes, &new.nodes, &ROOT, &mut Path::default());
    diff
}

impl Diff {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// The paths of all statements that are new, gone or different, as the words of a command.
    pub fn paths(&self) -> impl Iterator<Item = String> {
        self.blocks.iter().flat_map(|block| {
            let within = block.path.statement();
            block.changes.iter().map(move |change| block.path.and(&Step::to(change.node(), within)))
        })
    }

    /// Of all changes those that take protection away.
    pub(crate) fn only_unprotect(&self) -> Self {
        let unprotects = |change: &&Change| matches!(change, Change::Mark { protect: Some(false), .. });
        let blocks = self.blocks.iter().map(|block| Block {
            path: block.path.clone(),
            changes: block.changes.iter().filter(unprotects).cloned().collect(),
        });
        Self { blocks: blocks.filter(|block| !block.changes.is_empty()).collect() }
    }

    fn compare(&mut self, old: &[Node], new: &[Node], within: &'static Statement, path: &mut Path) {
        let key = |node| identity(node, Some(within));
        let olds: HashMap<Identity<'_>, &Node> = old.iter().map(|node| (key(node), node)).collect();
        let news: HashSet<Identity<'_>> = new.iter().map(key).collect();
        let gone = old.iter().filter(|node| !news.contains(&key(node)));
        let mut changes: Vec<Change> = gone.cloned().map(Change::Remove).collect();
        let mut inner = Vec::new();
        for node in new {
            match olds.get(&key(node)) {
                None => changes.push(Change::Add(node.clone())),
                Some(before) if *before == node => {}
                Some(before) => {
                    if one(before, node, within, &mut changes) {
                        inner.push((*before, node));
                    }
                }
            }
        }
        changes.sort_by(|a, b| order(a.node(), b.node(), within));
        for statement in within.statements().filter(|statement| statement.ordered) {
            moves(old, new, statement.name, within, &mut changes);
        }
        if !changes.is_empty() {
            self.blocks.push(Block { path: path.clone(), changes });
        }
        for (before, node) in inner {
            let Some(inside) = inside_node(node, Some(within)) else { continue };
            path.push(Step::to(node, Some(within)));
            self.compare(&before.children, &node.children, inside, path);
            path.steps.pop();
        }
    }

    /// Makes the same changes in another tree.
    ///
    /// # Errors
    /// What is to be changed is not as it was: a fault for each change that cannot be made.
    pub fn apply(&self, tree: &Tree) -> Result<Tree, Vec<Fault>> {
        let mut tree = tree.clone();
        let mut faults = Vec::new();
        for block in &self.blocks {
            let span = block.changes.first().map(|change| change.node().head_span()).unwrap_or_default();
            let missing = || Fault::new(format!("there is no `{}`", block.path), span, block.path.to_string());
            match (block_mut(&mut tree, &block.path), block.path.statement()) {
                (Some(nodes), Some(within)) => block.apply(nodes, within, &mut faults),
                _ => faults.push(missing()),
            }
        }
        if faults.is_empty() { Ok(tree) } else { Err(faults) }
    }
}

/// What is different in a statement that both trees have; whether there may be more in its block.
fn one(old: &Node, new: &Node, within: &'static Statement, changes: &mut Vec<Change>) -> bool {
    let block = within.child(&new.name).is_some_and(is_block);
    let head = old.arguments == new.arguments && old.properties == new.properties;
    let same = block || (head && old.children == new.children);
    if !same {
        changes.push(Change::Remove(old.clone()));
        changes.push(Change::Add(new.clone()));
        return false;
    }
    let flip = |was: bool, is: bool| (was != is).then_some(is);
    let inactive = flip(old.is_inactive(), new.is_inactive());
    let protect = flip(old.is_protected(), new.is_protected());
    if inactive.is_some() || protect.is_some() {
        changes.push(Change::Mark { node: new.clone(), inactive, protect });
    }
    if old.annotation != new.annotation {
        changes.push(Change::Annotate { old: old.annotation.clone(), new: new.clone() });
    }
    block
}

/// The instances of an ordered list that do not stand where they would: those of `old` in their order, then what is new.
fn moves(old: &[Node], new: &[Node], name: &str, within: &'static Statement, changes: &mut Vec<Change>) {
    let named = |node: &&Node| node.name == name;
    let key = |node| identity(node, Some(within));
    let target: Vec<&Node> = new.iter().filter(named).collect();
    let places: HashMap<Identity<'_>, usize> = target.iter().enumerate().map(|(at, node)| (key(node), at)).collect();
    let mut sequence: Vec<usize> =
        old.iter().filter(named).filter_map(|node| places.get(&key(node)).copied()).collect();
    let kept: HashSet<usize> = sequence.iter().copied().collect();
    sequence.extend((0..target.len()).filter(|at| !kept.contains(at)));
    let stable = rising(&sequence);
    for (at, node) in target.iter().enumerate().filter(|(at, _)| !stable.contains(at)) {
        let after = at.checked_sub(1).and_then(|before| target.get(before)).map(|node| (*node).clone());
        changes.push(Change::Move { node: (*node).clone(), after });
    }
}

/// A longest rising part of the sequence.
fn rising(sequence: &[usize]) -> HashSet<usize> {
    let mut ends: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(sequence.len());
    for (at, value) in sequence.iter().enumerate() {
        let len = ends.partition_point(|end| sequence.get(*end).is_some_and(|end| end < value));
        before.push(len.checked_sub(1).and_then(|len| ends.get(len)).copied());
        match ends.get_mut(len) {
            Some(end) => *end = at,
            None => ends.push(at),
        }
    }
    let mut found = HashSet::new();
    let mut last = ends.last().copied();
    while let Some(at) = last {
        found.extend(sequence.get(at));
        last = before.get(at).copied().flatten();
    }
    found
}

fn block_mut<'t>(tree: &'t mut Tree, path: &Path) -> Option<&'t mut Vec<Node>> {
    let mut nodes = &mut tree.nodes;
    let mut within = Some(&ROOT);
    for step in &path.steps {
        let statement = within?.child(&step.name)?;
        let node = nodes.iter_mut().find(|node| step.is(node, statement))?;
        within = inside_node(node, within);
        nodes = &mut node.children;
    }
    Some(nodes)
}

impl Block {
    fn apply(&self, nodes: &mut Vec<Node>, within: &'static Statement, faults: &mut Vec<Fault>) {
        let mut places: HashMap<Identity<'static>, usize> = HashMap::new();
        for (at, node) in nodes.iter().enumerate() {
            places.insert(identity(node, Some(within)).owned(), at);
        }
        // Statements are taken out at the end, so that the others stay where they are.
        let mut gone = HashSet::new();
        for change in &self.changes {
            let wanted = identity(change.node(), Some(within)).owned();
            let path = self.path.and(&Step::to(change.node(), Some(within)));
            let at = places.get(&wanted).copied();
            let mut fail = |why: &str| {
                faults.push(Fault::new(format!("`{path}` {why}"), change.node().head_span(), path.clone()));
            };
            match (change, at.and_then(|at| Some((at, nodes.get_mut(at)?)))) {
                (Change::Remove(node), Some((at, known))) if known == node => {
                    gone.insert(at);
                    places.remove(&wanted);
                }
                (Change::Add(node), None) => {
                    places.insert(wanted, nodes.len());
                    nodes.push(node.clone());
                }
                (Change::Add(_), Some(_)) => fail("exists already"),
                (Change::Mark { inactive, protect, .. }, Some((_, known)))
                    if *inactive != Some(known.is_inactive()) && *protect != Some(known.is_protected()) =>
                {
                    known.mark(inactive.unwrap_or(known.is_inactive()), protect.unwrap_or(known.is_protected()));
                }
                (Change::Annotate { old, new }, Some((_, known))) if known.annotation == *old => {
                    known.annotation.clone_from(&new.annotation);
                }
                (Change::Move { .. }, Some(_)) => {}
                (_, Some(_)) => fail("is not as it was"),
                (_, None) => fail("is not there"),
            }
        }
        let mut at = 0;
        nodes.retain(|_| {
            at += 1;
            !gone.contains(&(at - 1))
        });
        sort(nodes, within);
        for change in &self.changes {
            if let Change::Move { node, after } = change {
                put_behind(nodes, node, after.as_ref(), within);
            }
        }
    }
}

/// Puts an instance of an ordered list behind another, or before all.
fn put_behind(nodes: &mut Vec<Node>, node: &Node, after: Option<&Node>, within: &'static Statement) {
    let place = |nodes: &[Node], wanted: &Node| {
        let wanted = identity(wanted, Some(within));
        nodes.iter().position(|node| identity(node, Some(within)) == wanted)
    };
    let Some(from) = place(nodes, node) else { return };
    let moved = nodes.remove(from);
    let to = match after {
        Some(after) => place(nodes, after).map(|at| at + 1),
        None => nodes.iter().position(|other| other.name == node.name),
    };
    nodes.insert(to.unwrap_or(from.min(nodes.len())), moved);
}

impl fmt::Display for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Block { path, changes } in &self.blocks {
            if path.is_top() {
                writeln!(f, "[edit]")?
            } else {
                writeln!(f, "[edit {path}]")?
            };
            let within = path.statement();
            changes.iter().try_for_each(|change| f.write_str(&shown(change, within)))?;
        }
        Ok(())
    }
}

fn shown(change: &Change, within: Option<&'static Statement>) -> String {
    let mut out = String::new();
    match change {
        Change::Remove(node) => Braces::new(&mut out, "-    ").node(node, within, 0),
        Change::Add(node) => Braces::new(&mut out, "+    ").node(node, within, 0),
        Change::Mark { node, inactive, protect } => {
            for (is, on, off) in [(inactive, "inactive", "active"), (protect, "protect", "unprotect")] {
                if let Some(is) = is {
                    let word = if *is { on } else { off };
                    Braces::new(&mut out, "!    ").line(0, &format!("{word}: {}", short(node, within)));
                }
            }
        }
        Change::Annotate { old, new } => {
            Braces::new(&mut out, "-    ").comment(0, old);
            Braces::new(&mut out, "+    ").comment(0, &new.annotation);
            Braces::new(&mut out, "     ").line(0, &short(new, within));
        }
        Change::Move { node, after } => {
            let place = after.as_ref().map_or("first".to_owned(), |after| format!("after {}", head_of(after, within)));
            Braces::new(&mut out, "!    ").line(0, &format!("{} /* {place} */", short(node, within)));
        }
    }
    out
}

fn head_of(node: &Node, within: Option<&'static Statement>) -> String {
    Step::to(node, within).to_string()
}
