//! The statements of a Junos text, before anybody asks what they mean.

use super::lexer::{Lexer, Token, Word};
use crate::note::{Notes, Refused};

/// Most levels of braces: Junos itself has about twenty.
const DEPTH_MAX: usize = 28;

/// A statement: its words, and what stands in braces behind them.
#[derive(Clone, Debug, Default)]
pub(super) struct Raw {
    pub(super) words: Vec<Word>,
    pub(super) block: Option<Vec<Raw>>,
    pub(super) inactive: bool,
    pub(super) protected: bool,
    /// It is to be deleted: `delete:` before it.
    pub(super) deleted: bool,
    /// Comments right before it.
    pub(super) annotation: Vec<String>,
    pub(super) line: u32,
}

/// Reads statements in braces.
///
/// # Errors
/// Braces, quotes or comments that do not close, or braces too deep.
pub(super) fn braced(name: &str, text: &str, notes: &mut Notes) -> Result<Vec<Raw>, Refused> {
    let mut reader = Reader { name, lexer: Lexer::new(name, text, false), notes };
    reader.block(0)
}

struct Reader<'a> {
    name: &'a str,
    lexer: Lexer<'a>,
    notes: &'a mut Notes,
}

impl Reader<'_> {
    /// Statements up to the `}` of the block, or up to the end at the top.
    fn block(&mut self, depth: usize) -> Result<Vec<Raw>, Refused> {
        if depth > DEPTH_MAX {
            return Err(Refused::new(self.name, self.lexer.line, format!("more than {DEPTH_MAX} levels of braces")));
        }
        let opened = self.lexer.line;
        let mut statements = Vec::new();
        let mut raw = Raw::default();
        while let Some((token, line)) = self.lexer.next()? {
            match token {
                Token::Comment(lines) if raw.words.is_empty() => raw.annotation.extend(lines),
                Token::Comment(_) | Token::Line => {}
                Token::Word(word) => take(&mut raw, word),
                Token::ListOpen => self.list(&mut raw, line)?,
                Token::ListClose => self.notes.add(line, "", "a `]` that closes nothing is left out"),
                Token::Semicolon => push(&mut statements, &mut raw, None),
                Token::Open => {
                    raw.line = if raw.words.is_empty() { line } else { raw.line };
                    let block = self.block(depth + 1)?;
                    push(&mut statements, &mut raw, Some(block));
                }
                Token::Close if depth > 0 => {
                    push(&mut statements, &mut raw, None);
                    return Ok(statements);
                }
                Token::Close => return Err(Refused::new(self.name, line, "a `}` closes nothing")),
            }
        }
        if depth > 0 {
            return Err(Refused::new(self.name, opened, "the `}` of the block that begins here is missing"));
        }
        if let Some(word) = raw.words.first() {
            self.notes.add(word.line, "", "the text ends in a statement without `;`; it is left out");
        }
        Ok(statements)
    }

    /// `[ a b ]`, whose words are values of the statement.
    fn list(&mut self, raw: &mut Raw, opened: u32) -> Result<(), Refused> {
        let banner = raw.words.is_empty();
        while let Some((token, line)) = self.lexer.next()? {
            match token {
                Token::ListClose => {
                    if banner {
                        self.notes.add(opened, "", "a list that is no statement is left out; paths start at the top");
                    }
                    return Ok(());
                }
                Token::Word(_) if banner => {}
                Token::Word(word) => raw.words.push(word),
                Token::Comment(_) | Token::Line => {}
                _ => return Err(Refused::new(self.name, line, "this cannot stand in a list; a `]` is missing")),
            }
        }
        Err(Refused::new(self.name, opened, "the `]` of the list that begins here is missing"))
    }
}

/// A word of a statement, or a tag before it.
fn take(raw: &mut Raw, word: Word) {
    if raw.words.is_empty() {
        if raw.line == 0 {
            raw.line = word.line;
        }
        match word.text.as_str() {
            "inactive:" if !word.quoted => return raw.inactive = true,
            "protect:" if !word.quoted => return raw.protected = true,
            "delete:" if !word.quoted => return raw.deleted = true,
            "replace:" | "active:" | "unprotect:" if !word.quoted => return,
            _ => raw.line = word.line,
        }
    }
    raw.words.push(word);
}

/// Ends a statement. A block without a name, like the `{master}` of a prompt, is none.
fn push(statements: &mut Vec<Raw>, raw: &mut Raw, block: Option<Vec<Raw>>) {
    let done = std::mem::take(raw);
    if !done.words.is_empty() {
        statements.push(Raw { block, ..done });
    }
}

/// What a line of the `set` form does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Set,
    Deactivate,
    Protect,
}

/// Whether the text is in `set` form: its first word is a command.
pub(super) fn is_set(text: &str) -> bool {
    let mut lines = text.lines().map(|line| line.trim_start_matches('\u{feff}').trim());
    let first = lines.find(|line| !line.is_empty() && !line.starts_with('#'));
    let first = first.and_then(|line| line.split_whitespace().next());
    matches!(first, Some("set" | "deactivate" | "protect" | "delete" | "activate" | "unprotect"))
}

/// Reads lines of the `set` form; commands that are no part of what `show | display set` shows are told and left out.
///
/// # Errors
/// Quotes or comments that do not close.
pub(super) fn set(name: &str, text: &str, notes: &mut Notes) -> Result<Vec<(Verb, Raw)>, Refused> {
    let mut lexer = Lexer::new(name, text, true);
    let mut commands = Vec::new();
    let mut raw = Raw::default();
    loop {
        let token = lexer.next()?;
        match token {
            Some((Token::Word(word), _)) => raw.words.push(word),
            Some((Token::ListOpen | Token::ListClose | Token::Comment(_) | Token::Semicolon, _)) => {}
            Some((Token::Open | Token::Close, line)) => {
                notes.add(line, "", "a brace in a `set` command is left out");
            }
            Some((Token::Line, _)) | None => {
                let done = std::mem::take(&mut raw);
                if let Some(command) = command(done, notes) {
                    commands.push(command);
                }
                if token.is_none() {
                    return Ok(commands);
                }
            }
        }
    }
}

fn command(mut raw: Raw, notes: &mut Notes) -> Option<(Verb, Raw)> {
    let first = raw.words.first()?;
    raw.line = first.line;
    let verb = match first.text.as_str() {
        "set" => Verb::Set,
        "deactivate" => Verb::Deactivate,
        "protect" => Verb::Protect,
        other => {
            notes.once(raw.line, "", &format!("the command `{other}` is left out"));
            return None;
        }
    };
    raw.words.remove(0);
    Some((verb, raw))
}
