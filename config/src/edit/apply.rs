//! Carrying out operations.

use super::canonical::{sort, sort_all};
use super::command::{Fragment, Operation, Place, wrap};
use super::find::{Index, SMALL, wanted};
use super::identity::{identity, inside, inside_node};
use super::merge::{Merger, protected, protected_below, protected_in};
use super::missing::missing;
use super::path::{Path, Step, Target};
use super::replace::Replacer;
use crate::error::{Fault, Faults};
use crate::pattern::matches;
use crate::schema::{Kind, ROOT, Statement, fragment};
use crate::tree::{DEPTH_MAX, Node, Span, TEXT_MAX, Tree, Value, size};
use std::collections::HashMap;

/// Carries out one operation; gives how many statements or values it changed, added or removed.
///
/// # Errors
/// It cannot be carried out; `tree` is as it was.
pub fn apply(tree: &mut Tree, operation: &Operation) -> Result<usize, Fault> {
    let mut editor = Editor::new(tree)?;
    let done = editor.apply(operation);
    editor.finish();
    done
}

/// Carries out operations one after the other; gives how many statements or values they changed in all.
///
/// # Errors
/// One of them cannot be carried out: which, counted from 0, and why. Those before it are done.
#[expect(clippy::result_large_err, reason = "a fault is made once in a command")]
pub fn apply_all(tree: &mut Tree, operations: &[Operation]) -> Result<usize, (usize, Fault)> {
    let mut editor = Editor::new(tree).map_err(|fault| (0, fault))?;
    let mut changed = 0;
    for (at, operation) in operations.iter().enumerate() {
        match editor.apply(operation) {
            Ok(more) => changed += more,
            Err(fault) => {
                editor.finish();
                return Err((at, fault));
            }
        }
    }
    editor.finish();
    Ok(changed)
}

/// Carries out many operations on one tree.
pub(crate) struct Editor<'t> {
    tree: &'t mut Tree,
    pub(crate) index: Index,
    unsorted: HashMap<String, Path>,
    /// At most so many bytes are the tree's text.
    bytes: usize,
}

type Done = Result<usize, Fault>;

impl<'t> Editor<'t> {
    pub(crate) fn new(tree: &'t mut Tree) -> Result<Self, Fault> {
        let bytes = size(&tree.nodes, 0).map_err(|message| Fault::new(message, Span::default(), ""))?.bytes;
        Ok(Self { tree, index: Index::default(), unsorted: HashMap::new(), bytes })
    }

    /// Carries out one operation, or changes nothing.
    pub(crate) fn apply(&mut self, operation: &Operation) -> Done {
        match operation {
            Operation::Set(fragment) => self.set(&fragment.0),
            Operation::SetRange(fragments) => self.set_range(fragments),
            Operation::Delete(target) => self.delete(target),
            Operation::WildcardDelete(target) => self.wildcard_delete(target),
            Operation::Copy(from, to) => self.copy(from, to),
            Operation::Rename(from, to) => self.rename(from, to),
            Operation::Insert(from, place, to) => self.insert(from, *place, to),
            Operation::Activate(target) => self.change(target, |node| node.mark(false, node.is_protected())),
            Operation::Deactivate(target) => self.change(target, |node| node.mark(true, node.is_protected())),
            Operation::Annotate(target, lines) => {
                self.room(lines.iter().map(|line| line.len() + 4 * DEPTH_MAX).sum(), target.span())?;
                self.change(target, |node| node.annotation.clone_from(lines))
            }
            Operation::Protect(target) => self.mark_protected(target, true),
            Operation::Unprotect(target) => self.mark_protected(target, false),
            Operation::Replace { within, pattern, with, upto, span } => {
                self.replace(within, Replacer { pattern, with, upto: *upto, count: 0 }, *span)
            }
        }
    }

    /// Puts long blocks in order.
    pub(crate) fn finish(&mut self) {
        for (path, steps) in std::mem::take(&mut self.unsorted) {
            let places = self.locate(&steps);
            if let (Some(within), Some(nodes)) = (steps.statement(), places.and_then(|at| self.block_at(&at))) {
                sort(nodes, within);
            }
            self.index.forget(&path);
        }
    }

    /// That `more` bytes of text fit in.
    fn room(&mut self, more: usize, span: Span) -> Result<(), Fault> {
        let refuse = |message: String| Fault::new(message, span, "");
        if self.bytes.saturating_add(more) > TEXT_MAX {
            self.bytes = size(&self.tree.nodes, 0).map_err(refuse)?.bytes;
        }
        if self.bytes.saturating_add(more) > TEXT_MAX {
            return Err(refuse(format!("the text would be longer than {TEXT_MAX} bytes")));
        }
        self.bytes += more;
        Ok(())
    }

    /// The statement that `path` leads to: the place of each step in its block.
    fn locate(&mut self, path: &Path) -> Option<Vec<usize>> {
        let mut nodes = self.tree.nodes.as_slice();
        let mut within = &ROOT;
        let mut words = String::new();
        let mut places = Vec::with_capacity(path.steps.len());
        for step in &path.steps {
            let at = self.index.find(nodes, within, &words, &wanted(step, within))?;
            places.push(at);
            nodes = &nodes.get(at)?.children;
            within = inside(within.child(&step.name)?, step.key.as_ref())?;
            words = if words.is_empty() { step.to_string() } else { format!("{words} {step}") };
        }
        Some(places)
    }

    /// The statements in the block of the statement at `places`.
    fn block_at(&mut self, places: &[usize]) -> Option<&mut Vec<Node>> {
        places.iter().try_fold(&mut self.tree.nodes, |nodes, at| Some(&mut nodes.get_mut(*at)?.children))
    }

    fn node_at(&mut self, places: &[usize]) -> Option<&mut Node> {
        let (last, before) = places.split_last()?;
        self.block_at(before)?.get_mut(*last)
    }

    /// The place of the statement that is meant, which may be changed, with what is in it if `whole`.
    fn open(&mut self, target: &Target, whole: bool) -> Result<Vec<usize>, Fault> {
        let places = self.locate(&target.path).ok_or_else(|| missing(self.tree, target))?;
        let mut nodes = self.tree.nodes.as_slice();
        for (depth, at) in places.iter().enumerate() {
            let Some(node) = nodes.get(*at) else { break };
            if node.is_protected() {
                let what = target.path.up(places.len() - 1 - depth).to_string();
                return Err(protected(&what, &target.to_string(), target.span()));
            }
            nodes = &node.children;
        }
        if whole && let Some(inner) = protected_below(nodes, target.path.statement(), &target.path) {
            return Err(protected(&inner.to_string(), &target.to_string(), target.span()));
        }
        Ok(places)
    }

    fn change(&mut self, target: &Target, with: impl FnOnce(&mut Node)) -> Done {
        let places = self.open(target, false)?;
        Ok(self.node_at(&places).map(with).map_or(0, |()| 1))
    }

    fn mark_protected(&mut self, target: &Target, protected: bool) -> Done {
        let places = self.locate(&target.path).ok_or_else(|| missing(self.tree, target))?;
        Ok(self.node_at(&places).map_or(0, |node| {
            node.mark(node.is_inactive(), protected);
            1
        }))
    }

    fn set(&mut self, new: &[Node]) -> Done {
        let span = new.first().map(Node::head_span).unwrap_or_default();
        let added = size(new, 0).map_err(|message| Fault::new(message, span, ""))?;
        self.may_merge(new)?;
        self.room(added.bytes, span)?;
        let mut new = new.to_vec();
        sort_all(&mut new, &ROOT);
        self.merge(new, false).into_iter().next().map_or(Ok(1), Err)
    }

    fn set_range(&mut self, fragments: &[Fragment]) -> Done {
        let mut bytes = 0usize;
        for fragment in fragments {
            let added = size(&fragment.0, 0).map_err(|message| Fault::new(message, Span::default(), ""))?;
            bytes = bytes.saturating_add(added.bytes);
            self.may_merge(&fragment.0)?;
        }
        self.room(bytes, Span::default())?;
        fragments.iter().try_fold(0, |count, fragment| Ok(count + self.set(&fragment.0)?))
    }

    /// That no statement on the way to what is new is protected.
    fn may_merge(&mut self, new: &[Node]) -> Result<(), Fault> {
        let (mut nodes, mut new, mut within) = (self.tree.nodes.as_slice(), new, &ROOT);
        let mut path = Path::default();
        loop {
            let words = path.to_string();
            let mut next = None;
            for node in new {
                let at = self.index.find(nodes, within, &words, &identity(node, Some(within)));
                let Some(known) = at.and_then(|at| nodes.get(at)) else { continue };
                let step = Step { span: node.head_span(), ..Step::to(known, Some(within)) };
                if known.is_protected() {
                    let what = path.and(&step);
                    return Err(protected(&what, &what, step.span));
                }
                next = inside_node(known, Some(within)).map(|inside| (known, node, inside, step));
            }
            let Some((known, node, inside, step)) = next else { return Ok(()) };
            path.push(step);
            (nodes, new, within) = (&known.children, &node.children, inside);
        }
    }

    /// Merges statements from the top on; gives what could not be merged.
    pub(crate) fn merge(&mut self, new: Vec<Node>, replace: bool) -> Vec<Fault> {
        let Self { tree, index, unsorted, .. } = self;
        let mut merger = Merger { index, path: Path::default(), unsorted, faults: Vec::new(), replace };
        merger.merge(&mut tree.nodes, new, &ROOT);
        merger.faults
    }

    fn delete(&mut self, target: &Target) -> Done {
        if target.value.is_some() {
            return self.delete_value(target);
        }
        let places = self.open(target, true)?;
        self.index.forget_below(&target.path.to_string());
        let Some((at, before)) = places.split_last() else {
            return Ok(std::mem::take(&mut self.tree.nodes).len());
        };
        self.remove(&target.path, before, *at);
        Ok(1)
    }

    /// Takes the statement at `at` out of its block. In a long block of instances sorted by name the last one takes its
    /// place until all is done, so that thousands of them are not moved each time.
    fn remove(&mut self, path: &Path, before: &[usize], at: usize) {
        let (parent, words) = (path.up(1), path.up(1).to_string());
        let Some(within) = parent.statement() else { return };
        let mut index = std::mem::take(&mut self.index);
        if let Some(nodes) = self.block_at(before) {
            let last = nodes.last().and_then(|node| within.child(&node.name));
            let sorted = last.is_some_and(|last| matches!(last.kind, Kind::Named(..)) && !last.ordered);
            if sorted && nodes.len() >= SMALL && at < nodes.len() {
                let gone = nodes.swap_remove(at);
                index.swapped(nodes, within, &words, at, &identity(&gone, Some(within)));
                self.unsorted.entry(words).or_insert(parent);
            } else if at < nodes.len() {
                nodes.remove(at);
                index.forget(&words);
            }
        }
        self.index = index;
    }

    /// Takes one value out of a leaf or list, and the statement with the last one.
    fn delete_value(&mut self, target: &Target) -> Done {
        let places = self.open(target, false)?;
        let at = self.value_place(target)?;
        let left = self.node_at(&places).map_or(0, |node| {
            node.arguments.remove(at);
            node.arguments.len()
        });
        if left == 0 {
            return self.delete(&Target { path: target.path.clone(), value: None });
        }
        Ok(1)
    }

    /// Which value of a list is meant.
    fn value_place(&mut self, target: &Target) -> Result<usize, Fault> {
        let wanted = target.value.as_ref().map(|value| &value.value);
        let places = self.open(target, false)?;
        let found = self
            .node_at(&places)
            .and_then(|node| node.arguments.iter().position(|argument| Some(&argument.value) == wanted));
        found.ok_or_else(|| Fault::new(format!("there is no `{target}`"), target.span(), target.path.to_string()))
    }

    fn wildcard_delete(&mut self, target: &Target) -> Done {
        fn retain(nodes: &mut Vec<Node>, within: &'static Statement, steps: &[Step], remove: bool) -> usize {
            let Some((step, rest)) = steps.split_first() else { return 0 };
            let Some(statement) = within.child(&step.name) else { return 0 };
            let is = |node: &Node| {
                let key = step.key.as_ref().and_then(|key| key.as_text());
                let exact = step.is(node, statement);
                exact || (node.name == step.name && key.zip(node.key_text()).is_some_and(|(p, k)| matches(p, &k)))
            };
            let mut count = 0;
            if rest.is_empty() {
                let doomed = |node: &Node| is(node) && protected_in(node).is_none();
                count = nodes.iter().filter(|node| doomed(node)).count();
                if remove {
                    nodes.retain(|node| !doomed(node));
                }
                return count;
            }
            for node in nodes.iter_mut().filter(|node| is(node) && !node.is_protected()) {
                if let Some(inside) = inside_node(node, Some(within)) {
                    count += retain(&mut node.children, inside, rest, remove);
                }
            }
            count
        }
        if target.value.is_some() {
            return Err(Fault::new("`wildcard delete` takes statements, not values", target.span(), ""));
        }
        let count = retain(&mut self.tree.nodes, &ROOT, &target.path.steps, true);
        self.index = Index::default();
        if count == 0 {
            let help = "protected statements do not count";
            let path = target.path.up(1).to_string();
            return Err(Fault::new(format!("nothing is like `{target}`"), target.span(), path).help(help));
        }
        Ok(count)
    }

    fn copy(&mut self, from: &Target, to: &Target) -> Done {
        let places = self.locate(&from.path).ok_or_else(|| missing(self.tree, from))?;
        self.fresh(to)?;
        let (Some(mut node), Some(last)) = (self.node_at(&places).cloned(), to.path.steps.last()) else {
            return Ok(0);
        };
        if last.name != node.name {
            let message = format!("`{}` is copied to a `{}`, not to a `{}`", from, node.name, last.name);
            return Err(Fault::new(message, to.span(), to.path.up(1).to_string()));
        }
        if let (Some(first), Some(key)) = (node.arguments.first_mut(), &last.key) {
            first.value = key.clone();
        }
        node.mark(node.is_inactive(), false);
        set_spans(&mut node, to.span());
        self.sort_copy(&mut node, &from.path);
        let mut faults = Faults::default();
        fragment(std::slice::from_ref(&node), &to.path.up(1), &mut faults);
        if let Some(fault) = faults.into_first() {
            return Err(Fault { span: to.span(), other: None, ..fault });
        }
        self.set(&wrap(&to.path.up(1), vec![node]))
    }

    /// What is copied may be in the middle of many changes.
    fn sort_copy(&self, node: &mut Node, from: &Path) {
        if let Some(within) = from.statement().filter(|_| !self.unsorted.is_empty()) {
            sort_all(&mut node.children, within);
        }
    }

    /// That the statement is not there yet.
    fn fresh(&mut self, target: &Target) -> Result<(), Fault> {
        if self.locate(&target.path).is_none() {
            return Ok(());
        }
        Err(Fault::new(format!("`{target}` exists already"), target.span(), target.path.up(1).to_string()))
    }

    fn rename(&mut self, from: &Target, to: &Target) -> Done {
        let places = self.open(from, true)?;
        let (parent, kind) = (from.path.up(1), from.path.steps.last().zip(to.path.steps.last()));
        let statement = parent.statement().zip(kind).and_then(|(within, (last, _))| within.child(&last.name));
        if !statement.is_some_and(|statement| matches!(statement.kind, Kind::Named(..))) {
            let message = format!("`{from}` has no name of its own");
            return Err(Fault::new(message, from.span(), parent.to_string()));
        }
        if parent != to.path.up(1) || kind.is_some_and(|(a, b)| a.name != b.name) {
            let message = format!("`{from}` is renamed where it stands; `{to}` is somewhere else");
            return Err(Fault::new(message, to.span(), parent.to_string()).help("`copy` it there"));
        }
        if from.path != to.path {
            self.fresh(to)?;
        }
        let Some(key) = kind.and_then(|(_, last)| last.key.clone()) else { return Ok(0) };
        self.room(2 * key.as_text().map_or(0, str::len), to.span())?;
        let (old, words) = (from.path.to_string(), parent.to_string());
        if self.unsorted.keys().any(|path| path.starts_with(&old)) {
            self.finish();
        }
        self.index.forget_below(&old);
        self.give_name(&places, &parent, &words, key);
        Ok(1)
    }

    fn give_name(&mut self, places: &[usize], parent: &Path, words: &str, key: Value) {
        let (Some(within), Some((at, before))) = (parent.statement(), places.split_last()) else { return };
        let mut index = std::mem::take(&mut self.index);
        if let Some(nodes) = self.block_at(before)
            && let Some(node) = nodes.get_mut(*at)
        {
            let old = identity(node, Some(within)).owned();
            if let Some(argument) = node.arguments.first_mut() {
                argument.value = key;
            }
            index.renamed(node, within, words, *at, &old);
            if nodes.len() < SMALL {
                sort(nodes, within);
            } else {
                self.unsorted.insert(words.to_owned(), parent.clone());
            }
        }
        self.index = index;
    }

    fn insert(&mut self, from: &Target, place: Place, to: &Target) -> Done {
        let places = self.open(from, false)?;
        if from.value.is_some() {
            let (at, other) = (self.value_place(from)?, self.value_place(to)?);
            let Some(node) = self.node_at(&places) else { return Ok(0) };
            shift(&mut node.arguments, at, other, place);
            return Ok(1);
        }
        let parent = from.path.up(1);
        let ordered = parent.statement().zip(from.path.steps.last()).and_then(|(it, last)| it.child(&last.name));
        if !ordered.is_some_and(|statement| statement.ordered) {
            let name = ordered.map_or("", |statement| statement.name);
            let message = format!("`{name}` has no order of its own");
            return Err(Fault::new(message, from.span(), parent.to_string()));
        }
        let other = self.locate(&to.path).ok_or_else(|| missing(self.tree, to))?;
        let ((Some((at, before)), Some((other, _))), true) =
            ((places.split_last(), other.split_last()), parent == to.path.up(1))
        else {
            let message = format!("`{to}` does not stand beside `{from}`");
            return Err(Fault::new(message, to.span(), parent.to_string()));
        };
        if let Some(nodes) = self.block_at(before) {
            shift(nodes, *at, *other, place);
        }
        self.index.forget(&parent.to_string());
        Ok(1)
    }

    fn replace(&mut self, within: &Path, mut replacer: Replacer<'_>, span: Span) -> Done {
        let target = Target { path: within.clone(), value: None };
        let places = self.open(&target, true)?;
        let Some(statement) = within.statement() else { return Ok(0) };
        let Some(nodes) = self.block_at(&places) else { return Ok(0) };
        let mut new = nodes.clone();
        let old = std::mem::take(nodes);
        replacer.nodes(&mut new, statement);
        sort_all(&mut new, statement);
        let mut faults = Faults::default();
        fragment(&new, within, &mut faults);
        let fits = size(&new, places.len()).and_then(|it| {
            let rest = size(&self.tree.nodes, 0)?.bytes;
            if rest + it.bytes > TEXT_MAX { Err("the text would be too long".to_owned()) } else { Ok(rest + it.bytes) }
        });
        let fault =
            faults.into_first().or(fits.as_ref().err().map(|why| Fault::new(why.as_str(), Span::default(), "")));
        self.index = Index::default();
        if let Some(nodes) = self.block_at(&places) {
            *nodes = if fault.is_some() { old } else { new };
        }
        match fault {
            Some(fault) => Err(Fault { span, other: None, ..fault }),
            None => {
                self.bytes = fits.unwrap_or(self.bytes);
                Ok(replacer.count)
            }
        }
    }
}

/// Moves what is at `from` right before or behind what is at `to`.
fn shift<T>(list: &mut [T], from: usize, to: usize, place: Place) {
    let target = match place {
        Place::Before => to - usize::from(from < to),
        Place::After => (to + 1) - usize::from(from <= to),
    };
    let (low, high) = (from.min(target), from.max(target));
    let Some(between) = list.get_mut(low..=high) else { return };
    if from < target { between.rotate_left(1) } else { between.rotate_right(1) }
}

/// What is copied has no place in a text.
fn set_spans(node: &mut Node, span: Span) {
    node.span = span;
    node.arguments.iter_mut().for_each(|argument| argument.span = span);
    node.children.iter_mut().for_each(|child| set_spans(child, span));
}
