//! Reading a comparison back.

use super::command::path;
use super::diff::{Block, Change, Diff};
use super::path::Path;
use crate::error::Fault;
use crate::form::Reader;
use crate::schema::{Statement, has_hidden};
use crate::tree::{Node, Span};

/// Reads what a [`Diff`] shows.
pub(crate) fn read_diff(text: &str) -> Result<Diff, Fault> {
    // Without the first column, every byte else where it is.
    let plain: String = text
        .split_inclusive('\n')
        .flat_map(|line| {
            let first = line.chars().next().filter(|c| matches!(c, '+' | '-' | '!' | ' '));
            let (blank, rest) = if first.is_some() { (" ", line.get(1..).unwrap_or_default()) } else { ("", line) };
            [blank, rest]
        })
        .collect();
    let mut diff = Diff::default();
    let mut patch: Option<Patch<'_>> = None;
    let mut start = 0;
    let mut lines = text.split_inclusive('\n').peekable();
    while let Some(line) = lines.next() {
        let sign = line.chars().next().unwrap_or(' ');
        let mut end = start + line.len();
        if let Some(words) = line.trim_end().strip_prefix("[edit").and_then(|line| line.strip_suffix(']')) {
            diff.blocks.extend(patch.take().map(Patch::done).transpose()?);
            let path = path(words, &Path::default()).map_err(|fault| at(fault, start + "[edit".len()))?;
            let fault = || Fault::new("there are no statements here", Span { start, end }, path.to_string());
            let within = path.statement().ok_or_else(fault)?;
            let block = Block { path, changes: Vec::new() };
            patch = Some(Patch { text: &plain, block, within, old: Vec::new(), new: Vec::new() });
        } else if !line.trim().is_empty() {
            let span = Span { start, end: start + line.trim_end().len() };
            let Some(patch) = patch.as_mut() else {
                return Err(Fault::new("a line `[edit PATH]` is missing before this", span, ""));
            };
            while matches!(sign, '+' | '-') && lines.peek().is_some_and(|line| line.starts_with(sign)) {
                end += lines.next().map_or(0, str::len);
            }
            patch.lines(sign, Span { start, end })?;
        }
        start = end;
    }
    diff.blocks.extend(patch.map(Patch::done).transpose()?);
    Ok(diff)
}

fn at(mut fault: Fault, start: usize) -> Fault {
    fault.span = Span { start: fault.span.start + start, end: fault.span.end + start };
    fault
}

/// The changes of one block.
struct Patch<'a> {
    text: &'a str,
    block: Block,
    within: &'static Statement,
    /// Comments that are gone, of the statement to come.
    old: Vec<String>,
    /// Comments that are new.
    new: Vec<String>,
}

impl Patch<'_> {
    /// Lines that begin with the same sign.
    fn lines(&mut self, sign: char, span: Span) -> Result<(), Fault> {
        let mut reader = Reader::new(self.text, span, &self.block.path);
        match sign {
            '+' | '-' => {
                let nodes = reader.block(self.within, false)?;
                if nodes.iter().any(|node| has_hidden(node, self.within)) {
                    let fault = Fault::new("a secret is hidden here", span, self.block.path.to_string());
                    return Err(fault.help("write the secrets themselves, the old and the new one"));
                }
                let change = if sign == '+' { Change::Add } else { Change::Remove };
                self.block.changes.extend(nodes.into_iter().map(change));
                *(if sign == '+' { &mut self.new } else { &mut self.old }) = reader.comments;
                Ok(())
            }
            '!' => self.moved(&mut reader),
            ' ' => {
                let (node, _) = reader.head(self.within)?;
                let (old, new) = (std::mem::take(&mut self.old), std::mem::take(&mut self.new));
                self.block.changes.push(Change::Annotate { old, new: Node { annotation: new, ..node } });
                Ok(())
            }
            other => {
                let message = format!("a line begins with +, -, ! or a blank, not with `{other}`");
                Err(Fault::new(message, span, self.block.path.to_string()))
            }
        }
    }

    /// Another effect or place.
    fn moved(&mut self, reader: &mut Reader<'_>) -> Result<(), Fault> {
        let word = reader.peek()?;
        let mark = match word.as_ref().map(|word| &*word.text) {
            Some("inactive:") => Some((Some(true), None)),
            Some("active:") => Some((Some(false), None)),
            Some("protect:") => Some((None, Some(true))),
            Some("unprotect:") => Some((None, Some(false))),
            _ => None,
        };
        if let Some((inactive, protect)) = mark {
            reader.skip()?;
            let (node, _) = reader.head(self.within)?;
            self.block.changes.push(Change::Mark { node, inactive, protect });
            return Ok(());
        }
        let (node, _) = reader.head(self.within)?;
        let place = word.map(|word| word.span).unwrap_or_default();
        while reader.peek()?.is_some_and(|word| matches!(&*word.text, "{" | "..." | "}" | ";" | "/*")) {
            reader.skip()?;
        }
        let missing = || {
            let fault = Fault::new("where it goes is missing", place, self.block.path.to_string());
            fault.help("like `/* first */` or `/* after NAME KEY */`")
        };
        let word = reader.peek()?.ok_or_else(missing)?;
        let after = match &*word.text {
            "first" => None,
            "after" => {
                reader.skip()?;
                Some(reader.head(self.within)?.0)
            }
            _ => return Err(missing()),
        };
        self.block.changes.push(Change::Move { node, after });
        Ok(())
    }

    fn done(self) -> Result<Block, Fault> {
        if self.old.is_empty() && self.new.is_empty() {
            return Ok(self.block);
        }
        Err(Fault::new("a comment has no statement behind it", Span::default(), self.block.path.to_string()))
    }
}
