//! `load`: many statements or commands at once.

use super::apply::Editor;
use super::canonical::sort_all;
use super::command::{command_at, wrap};
use super::find::block;
use super::identity::{Identity, identity, inside_node};
use super::merge::{plain, protected};
use super::patch::read_diff;
use super::path::{Path, Step};
use super::words::Words;
use crate::error::{Errors, Fault, Faults};
use crate::form;
use crate::schema::{ROOT, Statement, fragment, mask_commands, mask_in, mask_json};
use crate::tree::{Node, Span, TEXT_MAX, Tag, Tree, parse, size};
use std::collections::HashMap;

/// What becomes of what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Both hold; where they differ, what is loaded. What has the tag `(delete)` is taken out, here and by `Replace`.
    Merge,
    /// It is gone.
    Override,
    /// As `Merge`, but a statement with the tag `(replace)` takes the place of the one there.
    Replace,
    /// As `Override`. On Junos only what differs counts as changed; here that is always so.
    Update,
    /// The text has commands: `set`, `delete` and the others, one a line.
    Set,
    /// The text is a comparison, as [`Diff`](super::Diff) shows it; what it says was changed is changed. Its paths begin at
    /// the top, and hidden secrets in it cannot be read.
    Patch,
}

/// A text to load.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// How messages call it.
    pub name: &'a str,
    /// The text.
    pub text: &'a str,
    /// How the statements are written; commands are always commands.
    pub format: Format,
}

/// How statements are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// KDL, as in the configuration file.
    Kdl,
    /// JSON, as [`form::json`] writes it.
    Json,
    /// Braces and semicolons, as [`form::braced`] writes it.
    Braced,
}

/// Loads a text into a copy of the tree. Its statements and commands begin at `base`: at the top, or with `relative`
/// where the operator is.
///
/// Only the form is checked: what is missing, or not in this release, is found by the check of the whole.
///
/// # Errors
/// All faults at once, each with its place in the text.
pub fn load(tree: &Tree, verb: Verb, source: Source<'_>, base: &Path) -> Result<Tree, Errors> {
    match verb {
        Verb::Set => return commands(tree, source, base),
        Verb::Patch => return patched(tree, source),
        Verb::Merge | Verb::Override | Verb::Replace | Verb::Update => {}
    }
    let Source { name, text, format } = source;
    let Some(within) = base.statement() else {
        return Err(refuse(source, vec![Fault::new("nothing can be loaded here", Span::default(), base.to_string())]));
    };
    let mut new = match format {
        Format::Kdl => parse(name, text)?.nodes,
        Format::Json => form::from_json_below(name, text, base)?.nodes,
        Format::Braced => form::from_braced_below(name, text, base)?.nodes,
    };
    let shown = |nodes: &[Node]| match format {
        Format::Kdl | Format::Braced => mask_in(nodes, within, text),
        Format::Json => mask_json(text),
    };
    let mut faults = Faults::default();
    fragment(&new, base, &mut faults);
    if !faults.is_empty() {
        return Err(Errors::new(name, shown(&new).into(), faults));
    }
    let masked = shown(&new);
    sort_all(&mut new, within);
    let mut loaded = tree.clone();
    let mut faults = match verb {
        Verb::Merge | Verb::Replace | Verb::Set | Verb::Patch => {
            if verb == Verb::Merge {
                new.iter_mut().for_each(merged);
            }
            let mut editor = Editor::new(&mut loaded).map_err(|fault| refuse(source, vec![fault]))?;
            let faults = editor.merge(wrap(base, new), verb == Verb::Replace);
            editor.finish();
            faults
        }
        Verb::Override | Verb::Update => {
            new.retain(|node| node.tag != Some(Tag::Delete));
            new.iter_mut().for_each(plain);
            overridden(&mut loaded, new, base)
        }
    };
    if let Err(message) = size(&loaded.nodes, 0) {
        faults.push(Fault::new(message, Span::default(), base.to_string()));
    }
    if faults.is_empty() { Ok(loaded) } else { Err(Errors::new(name, masked.into(), faults)) }
}

/// What only replaces is merged.
fn merged(node: &mut Node) {
    if node.tag == Some(Tag::Replace) {
        node.tag = None;
    }
    node.children.iter_mut().for_each(merged);
}

fn refuse(source: Source<'_>, faults: Vec<Fault>) -> Errors {
    Errors::new(source.name, "".into(), faults)
}

/// Puts `new` in the place of the block at `base`.
fn overridden(tree: &mut Tree, new: Vec<Node>, base: &Path) -> Vec<Fault> {
    let mut faults = Vec::new();
    if let Some((old, within)) = block(tree, base) {
        guard(old, &new, within, &mut base.clone(), &mut faults);
    }
    let mut nodes = &mut tree.nodes;
    let mut statement = &ROOT;
    for (depth, step) in base.steps.iter().enumerate() {
        let Some(inner) = statement.child(&step.name) else { return faults };
        let Some(at) = nodes.iter().position(|node| step.is(node, inner)) else {
            let rest = Path { steps: base.steps.iter().skip(depth).cloned().collect() };
            nodes.extend(wrap(&rest, new));
            sort_all(&mut tree.nodes, &ROOT);
            return faults;
        };
        let Some(node) = nodes.get_mut(at) else { return faults };
        if node.is_protected() {
            let path = base.to_string();
            faults.push(protected(&path, &path, Span::default()));
        }
        let Some(inside) = inside_node(node, Some(statement)) else { return faults };
        statement = inside;
        nodes = &mut node.children;
    }
    *nodes = new;
    faults
}

/// That every protected statement of `old` is in `new` as it was.
fn guard(old: &[Node], new: &[Node], within: &'static Statement, path: &mut Path, faults: &mut Vec<Fault>) {
    let mut news: Option<HashMap<Identity<'_>, &Node>> = None;
    for node in old.iter().filter(|node| super::merge::protected_in(node).is_some()) {
        let news = news.get_or_insert_with(|| new.iter().map(|node| (identity(node, Some(within)), node)).collect());
        let same = news.get(&identity(node, Some(within)));
        path.push(Step::to(node, Some(within)));
        if node.is_protected() {
            if same.is_none_or(|same| *same != node) {
                let path = path.to_string();
                faults.push(protected(&path, &path, same.map(|same| same.head_span()).unwrap_or_default()));
            }
        } else if let Some(inside) = inside_node(node, Some(within)) {
            guard(&node.children, same.map(|same| same.children.as_slice()).unwrap_or_default(), inside, path, faults);
        }
        path.steps.pop();
    }
}

/// Makes the changes of a comparison in a copy.
fn patched(tree: &Tree, source: Source<'_>) -> Result<Tree, Errors> {
    let Source { name, text, .. } = source;
    let errors = |faults: Vec<Fault>| Errors::new(name, mask_commands(text, &Path::default()).into(), faults);
    if text.len() > TEXT_MAX {
        let message = format!("the text is longer than {TEXT_MAX} bytes");
        return Err(refuse(source, vec![Fault::new(message, Span::default(), "")]));
    }
    let difference = read_diff(text).map_err(|fault| errors(vec![fault]))?;
    let patched = difference.apply(tree).map_err(errors)?;
    // What it takes the protection from, it may change.
    let open = difference.only_unprotect().apply(tree).map_err(errors)?;
    let mut faults = Vec::new();
    guard(&open.nodes, &patched.nodes, &ROOT, &mut Path::default(), &mut faults);
    // Their places are those of another text.
    faults.iter_mut().for_each(|fault| fault.span = Span::default());
    if let Err(message) = size(&patched.nodes, 0) {
        faults.push(Fault::new(message, Span::default(), ""));
    }
    if faults.is_empty() { Ok(patched) } else { Err(errors(faults)) }
}

/// Carries out all commands of the text on a copy.
fn commands(tree: &Tree, source: Source<'_>, base: &Path) -> Result<Tree, Errors> {
    let Source { name, text, .. } = source;
    if text.len() > TEXT_MAX {
        let message = format!("the text is longer than {TEXT_MAX} bytes");
        return Err(refuse(source, vec![Fault::new(message, Span::default(), "")]));
    }
    let mut loaded = tree.clone();
    let mut editor = Editor::new(&mut loaded).map_err(|fault| refuse(source, vec![fault]))?;
    let mut faults = Faults::default();
    for span in lines(text) {
        match command_at(text, span, base).and_then(|operation| editor.apply(&operation)) {
            Ok(_) => {}
            Err(fault) => faults.push(fault),
        }
    }
    editor.finish();
    if faults.is_empty() { Ok(loaded) } else { Err(Errors::new(name, mask_commands(text, base).into(), faults)) }
}

/// Says what is wrong with one command, as faults of a text are said. `base` is where its paths begin.
pub fn refusal(line: &str, base: &Path, fault: Fault) -> Errors {
    Errors::new("command", mask_commands(line, base).into(), vec![fault])
}

/// The commands of a text: a line each, longer where braces are open. Empty lines and those that begin with `#` are
/// none.
fn lines(text: &str) -> Vec<Span> {
    let mut found = Vec::new();
    let mut start = 0;
    while start < text.len() {
        let left = text.get(start..).unwrap_or_default();
        let line = left.find('\n').unwrap_or(left.len());
        let shown = left.get(..line).unwrap_or_default().trim();
        let mut end = start + line;
        if shown.is_empty() || shown.starts_with('#') {
            start = end + 1;
            continue;
        }
        let mut words = Words::new(text, Span { start, end });
        while let Ok(Some(word)) = words.next() {
            if word.is_mark("{") {
                end = braces(text, word.span.start);
                let rest = text.get(end..).unwrap_or_default();
                end += rest.find('\n').unwrap_or(rest.len());
                break;
            }
        }
        found.push(Span { start, end });
        start = end + 1;
    }
    found
}

/// The place behind the `}` that closes the `{` at `start`, by the rules of KDL; the end where nothing closes it.
pub(crate) fn braces(text: &str, start: usize) -> usize {
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (start, 0usize);
    while let Some(byte) = bytes.get(at) {
        let rest = text.get(at..).unwrap_or_default();
        match byte {
            b'{' => depth += 1,
            b'}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            b'"' => {
                at += 1;
                while bytes.get(at).is_some_and(|byte| *byte != b'"') {
                    at += if bytes.get(at) == Some(&b'\\') { 2 } else { 1 };
                }
            }
            b'/' if rest.starts_with("//") => at += rest.find('\n').unwrap_or(rest.len()),
            _ => {}
        }
        at += 1;
    }
    text.len()
}
