//! Commands that change a tree: from their words to operations.

use super::path::{Path, Step, Target};
use super::range::ranges;
use super::resolve::{Resolver, named};
use super::words::{WordKind, Words};
use crate::error::Fault;
use crate::nearest::nearest;
use crate::schema::Kind;
use crate::tree::{Argument, Node, Span};

/// One change of a tree. Where it is shown, it is as a command.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// `set`: what is said is merged into the tree.
    Set(Fragment),
    /// `wildcard range set`: the same for many names, or for none if one of them cannot be.
    SetRange(Vec<Fragment>),
    /// `delete`: the statement and all in it, or one value of a list.
    Delete(Target),
    /// `wildcard delete`: all instances whose names match.
    WildcardDelete(Target),
    /// `copy A to B`: the same under another name.
    Copy(Target, Target),
    /// `rename A to B`: another name for an instance.
    Rename(Target, Target),
    /// `insert X before Y` and `insert X after Y`: another place among its siblings.
    Insert(Target, Place, Target),
    /// `activate`: takes `(inactive)` away.
    Activate(Target),
    /// `deactivate`: the statement stays, without effect.
    Deactivate(Target),
    /// `annotate X "text"`: lines of comment before a statement; none takes them away.
    Annotate(Target, Vec<String>),
    /// `protect`: no edit may change the statement or what is in it.
    Protect(Target),
    /// `unprotect`: takes that away.
    Unprotect(Target),
    /// `replace pattern A with B [upto N]`: in names and values at or below the path. The pattern is plain text, no
    /// expression. Secrets stay as they are.
    Replace {
        /// Where.
        within: Path,
        /// The text to look for.
        pattern: String,
        /// What takes its place.
        with: String,
        /// Most values that change, from the top on.
        upto: usize,
        /// Where both stand in the command.
        span: Span,
    },
}

/// Statements from the top of the tree down to what a `set` says.
#[derive(Clone, Debug, PartialEq)]
pub struct Fragment(pub(crate) Vec<Node>);

/// On which side of another instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Right before it.
    Before,
    /// Right behind it.
    After,
}

const VERBS: [&str; 12] = [
    "set",
    "delete",
    "wildcard",
    "copy",
    "rename",
    "insert",
    "activate",
    "deactivate",
    "annotate",
    "protect",
    "unprotect",
    "replace",
];

/// Reads one command; its paths begin at `base`.
///
/// ```
/// use bindery_config::edit::{Path, apply, command};
/// let mut tree = bindery_config::tree::Tree::default();
/// apply(&mut tree, &command("set policy admit [ a b ]", &Path::default())?)?;
/// assert_eq!(bindery_config::form::set(&tree), "set policy admit a\nset policy admit b\n");
/// assert!(command("set policy admitt x", &Path::default()).is_err());
/// # Ok::<(), bindery_config::Fault>(())
/// ```
///
/// # Errors
/// It is none; the fault's place is in `line`.
pub fn command(line: &str, base: &Path) -> Result<Operation, Fault> {
    command_at(line, Span { start: 0, end: line.len() }, base)
}

/// Reads the words of a path; it begins at `base`.
///
/// # Errors
/// There is no such statement, or it has no statements in it.
pub fn path(line: &str, base: &Path) -> Result<Path, Fault> {
    let mut resolver = resolver(line, Span { start: 0, end: line.len() }, base);
    let target = resolver.target(base, &[], false)?;
    match target.path.statement().map(|statement| &statement.kind) {
        Some(Kind::Container(_) | Kind::Named(..)) => {
            resolver.end()?;
            Ok(target.path)
        }
        // What follows is a value, and may be a secret: it is not told.
        _ => Err(resolver.fault(format!("`{target}` has no statements in it"), target.span())),
    }
}

fn resolver<'a>(text: &'a str, span: Span, base: &Path) -> Resolver<'a> {
    Resolver { words: Words::new(text, span), path: base.clone(), patterns: false }
}

/// As [`command()`], for the bytes `span` of a longer text.
pub(crate) fn command_at(text: &str, span: Span, base: &Path) -> Result<Operation, Fault> {
    let mut words = resolver(text, span, base);
    read(&mut words, base).map_err(|fault| match fault.path.is_empty() {
        true => Fault { path: words.path.to_string(), ..fault },
        false => fault,
    })
}

fn read(words: &mut Resolver<'_>, base: &Path) -> Result<Operation, Fault> {
    let verb = words.need("a command")?;
    let operation = match &*verb.text {
        "set" => Operation::Set(set(words, base)?),
        "delete" => Operation::Delete(words.target(base, &[], true)?),
        "wildcard" => {
            let verb = words.need("`delete` or `range set` behind `wildcard`")?;
            match &*verb.text {
                "delete" => {
                    words.patterns = true;
                    Operation::WildcardDelete(words.target(base, &[], true)?)
                }
                "range" => set_range(words, base)?,
                _ => return Err(words.fault("`wildcard` takes `delete` or `range set`", verb.span)),
            }
        }
        "copy" => {
            let (from, to) = pair(words, base, "to", false)?;
            Operation::Copy(from, to)
        }
        "rename" => {
            let (from, to) = pair(words, base, "to", false)?;
            Operation::Rename(from, to)
        }
        "insert" => insert(words, base)?,
        "activate" => Operation::Activate(some(words, base)?),
        "deactivate" => Operation::Deactivate(some(words, base)?),
        "annotate" => {
            let target = some(words, base)?;
            let text = words.need("the text in quotes")?;
            if text.kind != WordKind::Quoted {
                return Err(words.fault("the text of an annotation stands in quotes", text.span));
            }
            Operation::Annotate(target, lines(&text.text))
        }
        "protect" => Operation::Protect(some(words, base)?),
        "unprotect" => Operation::Unprotect(some(words, base)?),
        "replace" => replace(words, base)?,
        other => {
            let fault = words.fault(format!("unknown command `{other}`"), verb.span);
            return Err(fault.maybe_help(nearest(other, VERBS).map(|near| format!("did you mean `{near}`?"))));
        }
    };
    words.end()?;
    Ok(operation)
}

fn set(words: &mut Resolver<'_>, base: &Path) -> Result<Fragment, Fault> {
    words.path = base.clone();
    let Some(within) = base.statement() else {
        return Err(words.fault("nothing can be set here", words.words.here()));
    };
    if words.words.peek()?.is_none() {
        return Err(words.fault("a statement is missing", words.words.here()));
    }
    let nodes = words.statements(within)?;
    Ok(Fragment(wrap(base, nodes)))
}

fn set_range(words: &mut Resolver<'_>, base: &Path) -> Result<Operation, Fault> {
    let verb = words.need("`set`")?;
    if verb.text != "set" {
        return Err(words.fault("`wildcard range` takes `set`", verb.span));
    }
    let (text, place) = words.words.rest();
    words.words.jump(place.end);
    let lines = ranges(text).map_err(|message| words.fault(message, place))?;
    let one = |line: &String| {
        let mut inner = resolver(line, Span { start: 0, end: line.len() }, base);
        let fragment = set(&mut inner, base);
        // Where it stands in the line is not where it stands in the command.
        fragment.map_err(|fault| Fault { span: place, other: None, ..fault })
    };
    Ok(Operation::SetRange(lines.iter().map(one).collect::<Result<_, _>>()?))
}

/// `nodes` in the block that `path` leads to.
pub(crate) fn wrap(path: &Path, nodes: Vec<Node>) -> Vec<Node> {
    path.steps.iter().rev().fold(nodes, |children, step| {
        let key = step.key.clone().map(|value| Argument { value, annotation: None, span: step.span });
        vec![Node { name: step.name.clone(), arguments: key.into_iter().collect(), children, ..Node::default() }]
    })
}

/// A statement that must be named: not the one that the path begins at.
fn some(words: &mut Resolver<'_>, base: &Path) -> Result<Target, Fault> {
    let target = words.target(base, &[], false)?;
    if target.path == *base {
        return Err(words.fault("a statement is missing", words.words.here()));
    }
    Ok(target)
}

/// `A to B`.
fn pair(words: &mut Resolver<'_>, base: &Path, between: &str, values: bool) -> Result<(Target, Target), Fault> {
    let from = words.target(base, &[between], values)?;
    if from.path == *base {
        return Err(words.fault("a statement is missing", words.words.here()));
    }
    let word = words.need(&format!("`{between}`"))?;
    if word.text != between {
        return Err(words.fault(format!("`{between}` stands between the two"), word.span));
    }
    let to = other(words, base, &from)?;
    Ok((from, to))
}

fn insert(words: &mut Resolver<'_>, base: &Path) -> Result<Operation, Fault> {
    let from = words.target(base, &["before", "after"], true)?;
    let word = words.need("`before` or `after`")?;
    let place = match &*word.text {
        "before" => Place::Before,
        "after" => Place::After,
        _ => return Err(words.fault("`before` or `after` stands between the two", word.span)),
    };
    let to = other(words, base, &from)?;
    Ok(Operation::Insert(from, place, to))
}

/// The second statement of a command. It is said from where the first one stands, or by its name alone, or from
/// `base`.
fn other(words: &mut Resolver<'_>, base: &Path, first: &Target) -> Result<Target, Fault> {
    let parent = first.path.up(1);
    words.path = parent.clone();
    let (Some(within), Some(last)) = (parent.statement(), first.path.steps.last()) else {
        return words.target(base, &[], false);
    };
    let Some(statement) = within.child(&last.name) else { return words.target(base, &[], false) };
    if let (Some(_), Kind::LeafList(ty)) = (&first.value, &statement.kind) {
        let value = words.value(statement, ty)?;
        return Ok(Target { path: first.path.clone(), value: Some(value) });
    }
    let mut ahead = words.words.clone();
    let (one, two, three) = (ahead.next()?, ahead.next()?, ahead.next()?);
    let same = one.as_ref().is_some_and(|word| named(within, word, &parent).is_ok_and(|it| it.name == statement.name));
    let keyed = matches!(statement.kind, Kind::Named(..));
    if keyed && ((two.is_none() && one.is_some()) || (same && two.is_some() && three.is_none())) {
        if two.is_some() {
            words.words.next()?;
        }
        let key = words.key(statement)?;
        let span = key.as_ref().map(|key| key.span).unwrap_or_default();
        let mut path = parent;
        path.push(Step { name: statement.name.to_owned(), key: key.map(|key| key.value), span });
        return Ok(Target { path, value: None });
    }
    words.target(base, &[], false)
}

fn replace(words: &mut Resolver<'_>, base: &Path) -> Result<Operation, Fault> {
    let keyword = |words: &mut Resolver<'_>, wanted: &str| {
        let word = words.need(&format!("`{wanted}`"))?;
        if word.text == wanted {
            return Ok(());
        }
        Err(words.fault(format!("`{wanted}` stands here: `replace pattern A with B upto N`"), word.span))
    };
    keyword(words, "pattern")?;
    let pattern = words.need("the text to look for")?;
    if pattern.text.is_empty() {
        return Err(words.fault("the text to look for is empty", pattern.span));
    }
    keyword(words, "with")?;
    let with = words.need("what takes its place")?;
    let span = Span { start: pattern.span.start, end: with.span.end };
    let (pattern, with) = (pattern.text.into_owned(), with.text.into_owned());
    let mut upto = usize::MAX;
    if words.words.peek()?.is_some() {
        keyword(words, "upto")?;
        let count = words.need("how many values change")?;
        let number = count.text.parse().ok().filter(|number| *number > 0);
        upto = number.ok_or_else(|| words.fault("`upto` takes a number from 1 on", count.span))?;
    }
    Ok(Operation::Replace { within: base.clone(), pattern, with, upto, span })
}

/// The lines of an annotation; empty text has none. A line break at the end ends the last line.
pub(crate) fn lines(text: &str) -> Vec<String> {
    if text.is_empty() {
        return Vec::new();
    }
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.split('\n').map(|line| crate::tree::clean(&format!(" {}", line.trim_end()))).collect()
}

/// The text of which [`lines`] makes the same lines.
pub(crate) fn text(lines: &[String]) -> String {
    let mut text = lines.join("\n");
    if !lines.is_empty() && (text.is_empty() || text.ends_with('\n')) {
        text.push('\n');
    }
    text
}
