//! The words of a Junos text.

use crate::note::Refused;

/// A word, with its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) line: u32,
    pub(super) quoted: bool,
}

/// What a text is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Word(Word),
    Open,
    Close,
    ListOpen,
    ListClose,
    Semicolon,
    /// `/* ... */`, the lines of it.
    Comment(Vec<String>),
    /// The end of a line; only where lines count.
    Line,
}

/// Takes a text apart. Comments that begin with `#` are left out: on Junos, what they say is made anew for each reader.
pub(super) struct Lexer<'a> {
    name: &'a str,
    text: &'a str,
    at: usize,
    /// Line of the next token.
    pub(super) line: u32,
    /// Whether the ends of lines are tokens.
    lines: bool,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(name: &'a str, text: &'a str, lines: bool) -> Self {
        Self { name, text, at: 0, line: 1, lines }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Goes on behind the next `len` bytes.
    fn skip(&mut self, len: usize) -> &'a str {
        let skipped = self.rest().get(..len).unwrap_or_default();
        let lines = skipped.bytes().filter(|byte| *byte == b'\n').count();
        self.line = self.line.saturating_add(u32::try_from(lines).unwrap_or(u32::MAX));
        self.at += skipped.len();
        skipped
    }

    /// The next token, with its line; none at the end.
    ///
    /// # Errors
    /// A quote or a comment is not closed.
    pub(super) fn next(&mut self) -> Result<Option<(Token, u32)>, Refused> {
        loop {
            let rest = self.rest();
            let Some(first) = rest.chars().next() else { return Ok(None) };
            let line = self.line;
            let one = |token| Ok(Some((token, line)));
            match first {
                '\n' if self.lines => {
                    self.skip(1);
                    return one(Token::Line);
                }
                c if c.is_whitespace() || c == '\u{feff}' => {
                    self.skip(c.len_utf8());
                }
                '#' => {
                    self.skip(rest.find('\n').unwrap_or(rest.len()));
                }
                '{' => return one(self.mark(Token::Open)),
                '}' => return one(self.mark(Token::Close)),
                '[' => return one(self.mark(Token::ListOpen)),
                ']' => return one(self.mark(Token::ListClose)),
                ';' => return one(self.mark(Token::Semicolon)),
                '"' => return self.quoted().map(|word| Some((Token::Word(word), line))),
                '/' if rest.starts_with("/*") => return self.comment().map(|token| Some((token, line))),
                _ => {
                    let word = self.bare();
                    if !is_prompt(&word.text) {
                        return one(Token::Word(word));
                    }
                    let rest = self.rest();
                    self.skip(rest.find('\n').unwrap_or(rest.len()));
                }
            }
        }
    }

    fn mark(&mut self, token: Token) -> Token {
        self.skip(1);
        token
    }

    fn comment(&mut self) -> Result<Token, Refused> {
        let Some(len) = self.rest().find("*/") else {
            return Err(Refused::new(self.name, self.line, "the comment is not closed"));
        };
        let comment = self.skip(len + 2);
        let lines = comment.trim_start_matches("/*").trim_end_matches("*/").split('\n');
        let lines = lines.map(|line| line.trim().trim_start_matches('*').trim().to_owned());
        Ok(Token::Comment(lines.filter(|line| !line.is_empty()).collect()))
    }

    fn quoted(&mut self) -> Result<Word, Refused> {
        let line = self.line;
        let mut text = String::new();
        let mut chars = self.rest().char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.skip(at + 1);
                    return Ok(Word { text, line, quoted: true });
                }
                '\\' => match chars.next() {
                    Some((_, 'n')) => text.push('\n'),
                    Some((_, 'r')) => text.push('\r'),
                    Some((_, 't')) => text.push('\t'),
                    Some((_, c)) => text.push(c),
                    None => break,
                },
                c => text.push(c),
            }
        }
        Err(Refused::new(self.name, line, "the quote is not closed"))
    }

    /// A word up to a blank or a mark; a name in angle brackets may have lists of characters in it.
    fn bare(&mut self) -> Word {
        let line = self.line;
        let mut wildcard = 0usize;
        let mut len = 0;
        for c in self.rest().chars() {
            match c {
                '<' => wildcard += 1,
                '>' => wildcard = wildcard.saturating_sub(1),
                '[' | ']' if wildcard > 0 => {}
                '{' | '}' | '[' | ']' | ';' | '"' => break,
                c if c.is_whitespace() => break,
                _ => {}
            }
            len += c.len_utf8();
        }
        Word { text: self.skip(len).to_owned(), line, quoted: false }
    }
}

/// `USER@ROUTER>`, with the command behind it: part of what a terminal showed, not of a configuration.
fn is_prompt(word: &str) -> bool {
    word.ends_with(['>', '#', '%']) && !word.starts_with('<') && word.contains('@')
}
