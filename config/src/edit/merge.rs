//! Putting statements into a tree that may have them already.

use super::canonical::sort;
use super::find::{Index, SMALL};
use super::identity::{identity, inside_node, is_block};
use super::path::{Path, Step};
use crate::error::Fault;
use crate::schema::{Kind, Statement};
use crate::tree::{Node, Tag};
use std::collections::HashMap;

/// Merges statements into blocks.
pub(crate) struct Merger<'a> {
    pub(crate) index: &'a mut Index,
    /// Where the block is.
    pub(crate) path: Path,
    /// Long blocks to be sorted when all is done.
    pub(crate) unsorted: &'a mut HashMap<String, Path>,
    /// What could not be done.
    pub(crate) faults: Vec<Fault>,
    /// Whether a statement with the tag `(replace)` takes the place of what is there.
    pub(crate) replace: bool,
}

impl Merger<'_> {
    /// Puts `new` among `nodes`, the statements in `within`.
    pub(crate) fn merge(&mut self, nodes: &mut Vec<Node>, new: Vec<Node>, within: &'static Statement) {
        let path = self.path.to_string();
        let mut pushed = false;
        for mut node in new {
            if node.tag == Some(Tag::Delete) {
                self.delete(nodes, &node, within, &path);
                continue;
            }
            let statement = within.child(&node.name);
            let found = self.index.find(nodes, within, &path, &identity(&node, Some(within)));
            match (found.and_then(|at| nodes.get_mut(at)), statement) {
                (Some(known), Some(statement)) => self.one(known, node, statement, within),
                (Some(known), None) => *known = node,
                (None, _) => {
                    plain(&mut node);
                    self.index.pushed(&node, within, &path, nodes.len());
                    nodes.push(node);
                    pushed = true;
                }
            }
        }
        if !pushed {
        } else if nodes.len() < SMALL {
            sort(nodes, within);
        } else {
            self.unsorted.entry(path).or_insert_with(|| self.path.clone());
        }
    }

    /// Takes out what is there of a statement with the tag `(delete)`.
    fn delete(&mut self, nodes: &mut Vec<Node>, node: &Node, within: &'static Statement, path: &str) {
        let step = Step { span: node.head_span(), ..Step::to(node, Some(within)) };
        let (words, span) = (self.path.and(&step), step.span);
        let found = self.index.find(nodes, within, path, &identity(node, Some(within)));
        let Some((at, known)) = found.and_then(|at| Some((at, nodes.get(at)?))) else {
            self.faults.push(Fault::new(format!("there is no `{words}`"), span, path));
            return;
        };
        if let Some(inner) = protected_below(std::slice::from_ref(known), Some(within), &self.path) {
            self.faults.push(protected(&inner.to_string(), &words, span));
            return;
        }
        nodes.remove(at);
        self.index.forget_below(&words);
        self.index.forget(path);
    }

    fn one(&mut self, known: &mut Node, mut new: Node, statement: &'static Statement, within: &'static Statement) {
        let step = Step { span: new.head_span(), ..Step::to(known, Some(within)) };
        if known.is_protected() {
            let path = self.path.and(&step);
            self.faults.push(protected(&path, &path, step.span));
            return;
        }
        let swap = self.replace && new.tag == Some(Tag::Replace);
        let inactive = known.is_inactive() || new.is_inactive();
        if swap {
            if let Some(inner) = protected_below(std::slice::from_ref(known), Some(within), &self.path) {
                self.faults.push(protected(&inner.to_string(), &self.path.and(&step), step.span));
                return;
            }
            self.index.forget_below(&self.path.and(&step));
            plain(&mut new);
            *known = new;
            return;
        }
        known.mark(inactive, new.is_protected());
        if !new.annotation.is_empty() {
            known.annotation = std::mem::take(&mut new.annotation);
        }
        match &statement.kind {
            Kind::Leaf(_) => known.arguments = new.arguments,
            Kind::LeafList(_) => {
                for argument in new.arguments {
                    if !known.arguments.contains(&argument) {
                        known.arguments.push(argument);
                    }
                }
            }
            Kind::Free => free(known, new),
            _ if is_block(statement) => {
                if let Some(inside) = inside_node(known, Some(within)) {
                    self.path.push(step);
                    self.merge(&mut known.children, new.children, inside);
                    self.path.steps.pop();
                }
            }
            _ => {}
        }
    }
}

/// Settings that are there already are not added again.
fn free(known: &mut Node, new: Node) {
    if !new.arguments.is_empty() || !new.properties.is_empty() {
        known.arguments = new.arguments;
        known.properties = new.properties;
    }
    for child in new.children {
        if !known.children.contains(&child) {
            known.children.push(child);
        }
    }
}

/// Takes away the tags `(replace)` and what has the tag `(delete)`: they say how to load, not what holds.
pub(crate) fn plain(node: &mut Node) {
    node.children.retain(|child| child.tag != Some(Tag::Delete));
    if node.tag == Some(Tag::Replace) {
        node.tag = None;
    }
    node.children.iter_mut().for_each(plain);
}

/// The first protected statement at or below `node`.
pub(crate) fn protected_in(node: &Node) -> Option<&Node> {
    if node.is_protected() { Some(node) } else { node.children.iter().find_map(protected_in) }
}

/// The path of the first protected statement among `nodes`, which stand in the block at `path`, or below them.
pub(crate) fn protected_below(nodes: &[Node], within: Option<&'static Statement>, path: &Path) -> Option<Path> {
    let node = nodes.iter().find(|node| protected_in(node).is_some())?;
    let mut path = path.clone();
    path.push(Step::to(node, within));
    if node.is_protected() { Some(path) } else { protected_below(&node.children, inside_node(node, within), &path) }
}

/// That `what` is protected, so that `path` cannot change.
pub(crate) fn protected(what: &str, path: &str, span: crate::tree::Span) -> Fault {
    Fault::new(format!("`{what}` is protected"), span, path).help(format!("`unprotect {what}` allows changes"))
}
