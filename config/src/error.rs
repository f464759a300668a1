//! What is wrong with a configuration: every fault with its place, told so that it can be mended.

use crate::tree::Span;
use std::{fmt, sync::Arc};

/// Most faults that are kept of one text; the rest is counted.
pub const FAULTS_MAX: usize = 200;

/// Columns of a source line that are shown around a fault.
const WINDOW: usize = 120;

/// One fault in a configuration text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong, one line.
    pub message: String,
    /// Where: bytes of the text.
    pub span: Span,
    /// The statement it is in, as the words of a `set` command; empty at the top level.
    pub path: String,
    /// What stands under the marked text; may be empty.
    pub label: String,
    /// Another place that has to do with it, and why.
    pub other: Option<Box<(Span, String)>>,
    /// How to mend it, if that is known.
    pub help: Option<String>,
}

impl Fault {
    /// A fault at `span`, in the statement `path`.
    pub fn new(message: impl Into<String>, span: Span, path: impl Into<String>) -> Self {
        Self { message: message.into(), span, path: path.into(), label: String::new(), other: None, help: None }
    }

    /// Adds what stands under the marked text.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Adds a second place.
    #[must_use]
    pub fn other(mut self, span: Span, label: impl Into<String>) -> Self {
        self.other = Some(Box::new((span, label.into())));
        self
    }

    /// Adds how to mend it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds how to mend it, if there is something to say.
    #[must_use]
    pub fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help = self.help.or(help);
        self
    }
}

/// Faults as they are found: beyond [`KEPT_MAX`] they are only counted, so that no text fills the memory.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    list: Vec<Fault>,
    more: usize,
}

/// More than are shown, since faults are not found in the order of their places.
const KEPT_MAX: usize = 5 * FAULTS_MAX;

/// Faults that get hints.
const HINTS_MAX: usize = FAULTS_MAX / 2;

impl Faults {
    pub(crate) fn push(&mut self, fault: Fault) {
        if self.is_full() {
            self.more += 1;
        } else {
            self.list.push(fault);
        }
    }

    fn is_full(&self) -> bool {
        self.list.len() >= KEPT_MAX
    }

    /// Whether to look for hints: that takes long, and nobody reads hundreds of them.
    pub(crate) fn wants_hints(&self) -> bool {
        self.list.len() < HINTS_MAX
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The first that was found.
    pub(crate) fn into_first(self) -> Option<Fault> {
        self.list.into_iter().next()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(&self.message))
    }
}

impl std::error::Error for Fault {}

impl From<Vec<Fault>> for Faults {
    fn from(list: Vec<Fault>) -> Self {
        Self { list, more: 0 }
    }
}

/// All faults of a configuration text, in the order of their places.
///
/// `Display` gives the text for an operator's terminal: plain, without colour.
#[derive(Clone, Debug)]
pub struct Errors {
    name: String,
    text: Arc<str>,
    faults: Vec<Fault>,
    more: usize,
    shown: usize,
}

/// A fault with its place counted in lines and columns, for machines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located<'a> {
    /// Line of the text, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The fault itself.
    pub fault: &'a Fault,
}

impl Errors {
    /// Errors in `text`, which is called `name`.
    pub(crate) fn new(name: &str, text: Arc<str>, faults: impl Into<Faults>) -> Self {
        let Faults { list: mut faults, mut more } = faults.into();
        faults.sort_by_key(|fault| (fault.span.start, fault.span.end));
        // What is inherited in many places is at fault in each of them.
        let mut told = std::collections::HashSet::new();
        faults.retain(|fault| told.insert((fault.span, fault.message.clone())));
        more += faults.len().saturating_sub(FAULTS_MAX);
        faults.truncate(FAULTS_MAX);
        Self { name: name.to_owned(), text, faults, more, shown: usize::MAX }
    }

    /// Shows only the first `shown` faults and counts the rest: later ones may follow from earlier ones.
    #[must_use]
    pub(crate) fn show_first(mut self, shown: usize) -> Self {
        self.shown = shown;
        self
    }

    /// The faults, in the order of their places; at most [`FAULTS_MAX`].
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// The faults with line and column.
    pub fn located(&self) -> impl Iterator<Item = Located<'_>> {
        let lines = Lines::new(&self.text);
        self.faults.iter().map(move |fault| {
            let (line, column) = lines.place(fault.span.start);
            Located { line, column, fault }
        })
    }

    /// How the text is called: the file's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many faults there are in all.
    pub fn count(&self) -> usize {
        self.faults.len() + self.more
    }
}

impl std::error::Error for Errors {}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = Lines::new(&self.text);
        for fault in self.faults.iter().take(self.shown) {
            render(f, &self.name, &lines, fault)?;
            writeln!(f)?;
        }
        let count = self.count();
        let hidden = count - self.faults.len().min(self.shown);
        if hidden > 0 {
            writeln!(f, "{hidden} more, not shown: they may follow from these")?;
        }
        write!(f, "{count} {} in {}", if count == 1 { "error" } else { "errors" }, printable(&self.name))
    }
}

fn render(f: &mut fmt::Formatter<'_>, name: &str, lines: &Lines<'_>, fault: &Fault) -> fmt::Result {
    let (line, column) = lines.place(fault.span.start);
    let other_line = fault.other.as_ref().map_or(0, |other| lines.place(other.0.start).0);
    let width = line.max(other_line).to_string().len();
    writeln!(f, "error: {}", printable(&fault.message))?;
    writeln!(f, "{:width$}--> {}:{line}:{column}", "", printable(name))?;
    writeln!(f, "{:width$} |", "")?;
    mark(f, lines, width, fault.span, '^', &fault.label)?;
    if let Some((span, label)) = fault.other.as_deref() {
        if other_line != line + 1 {
            writeln!(f, "{:width$} |", "")?;
        }
        mark(f, lines, width, *span, '-', label)?;
    }
    if !fault.path.is_empty() || fault.help.is_some() {
        writeln!(f, "{:width$} |", "")?;
    }
    if !fault.path.is_empty() {
        writeln!(f, "{:width$} = in: {}", "", printable(&fault.path))?;
    }
    if let Some(help) = &fault.help {
        writeln!(f, "{:width$} = help: {}", "", printable(help))?;
    }
    Ok(())
}

/// One source line with the text of `span` on it underlined.
fn mark(
    f: &mut fmt::Formatter<'_>,
    lines: &Lines<'_>,
    width: usize,
    span: Span,
    with: char,
    label: &str,
) -> fmt::Result {
    let (line, column) = lines.place(span.start);
    let source = lines.line(line);
    let marked = lines
        .text
        .get(span.start..span.end)
        .map_or(0, |text| text.split(['\n', '\r']).next().unwrap_or_default().chars().count());
    let skip = if column + marked.min(WINDOW) > WINDOW { column.saturating_sub(WINDOW / 2) } else { 0 };
    let shown: String = source.chars().skip(skip).take(WINDOW).map(one_column).collect();
    let (before, after) =
        (if skip > 0 { "..." } else { "" }, if source.chars().count() > skip + WINDOW { "..." } else { "" });
    writeln!(f, "{}", format!("{line:>width$} | {before}{shown}{after}").trim_end())?;
    let pad: String = source.chars().skip(skip).take((column - 1).saturating_sub(skip)).map(tab_or_space).collect();
    let room = (WINDOW + 1).saturating_sub(column.saturating_sub(skip)).max(1);
    let under: String = std::iter::repeat_n(with, marked.clamp(1, room)).collect();
    let gap = if before.is_empty() { "" } else { "   " };
    writeln!(f, "{}", format!("{:width$} | {gap}{pad}{under} {}", "", printable(label)).trim_end())
}

/// Control characters would let a file write to the operator's terminal.
fn one_column(c: char) -> char {
    if c == '\t' || !is_control(c) { c } else { '\u{fffd}' }
}

fn tab_or_space(c: char) -> char {
    if c == '\t' { c } else { ' ' }
}

fn is_control(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// The text on one line, without control characters.
fn printable(text: &str) -> String {
    text.chars().map(|c| if is_control(c) { '\u{fffd}' } else { c }).collect()
}

/// Where the lines of a text start.
struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { text, starts }
    }

    /// Line and column, both from 1, of a byte of the text.
    fn place(&self, at: usize) -> (usize, usize) {
        let at = at.min(self.text.len());
        let line = self.starts.partition_point(|start| *start <= at).max(1);
        let start = self.starts.get(line - 1).copied().unwrap_or(0);
        let before = self.text.get(start..at).unwrap_or_default();
        (line, before.chars().count() + 1)
    }

    /// The text of a line, counted from 1, without its end.
    fn line(&self, line: usize) -> &'a str {
        let start = self.starts.get(line - 1).copied().unwrap_or(0);
        let end = self.starts.get(line).copied().unwrap_or(self.text.len());
        self.text.get(start..end).unwrap_or_default().trim_end_matches(['\n', '\r'])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_shown_with_both_places() {
        let text: Arc<str> = "a 1\n\tb 2\n".into();
        let fault = Fault::new("twice", Span { start: 5, end: 6 }, "a")
            .label("here")
            .other(Span { start: 0, end: 1 }, "and here")
            .help("remove one");
        let shown = Errors::new("f.kdl", text, vec![fault]).to_string();
        let want = "error: twice\n --> f.kdl:2:2\n  |\n2 | \tb 2\n  | \t^ here\n  |\n1 | a 1\n  | - and here\n  |\n  \
                    = in: a\n  = help: remove one\n\n1 error in f.kdl";
        assert_eq!(shown, want);
    }

    #[test]
    fn a_long_line_is_cut_around_the_fault() {
        let text: Arc<str> = format!("{}X{}", "a".repeat(1000), "b".repeat(1000)).into();
        let shown = Errors::new("f", text, vec![Fault::new("m", Span { start: 1000, end: 1001 }, "")]).to_string();
        let lines: Vec<&str> = shown.lines().collect();
        assert!(lines[3].len() < 140 && lines[3].contains('X'), "{shown}");
        assert_eq!(lines[3].find('X'), lines[4].find('^'), "{shown}");
    }

    #[test]
    fn the_terminal_is_safe_from_the_file() {
        let text: Arc<str> = "a \u{1b}[31m\u{202e}".into();
        let shown =
            Errors::new("f", text, vec![Fault::new("\u{1b}]0;x\u{7}", Span { start: 0, end: 1 }, "")]).to_string();
        assert!(!shown.contains('\u{1b}') && !shown.contains('\u{202e}') && !shown.contains('\u{7}'));
    }
}
