//! Words of commands and of braced text: reading and writing them.

use crate::error::Fault;
use crate::schema::Type;
use crate::tree::{Span, Value, is_unprintable, print_quoted};
use std::borrow::Cow;

/// A word, a quoted text or a mark.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Word<'a> {
    pub(crate) text: Cow<'a, str>,
    pub(crate) kind: WordKind,
    pub(crate) span: Span,
}

/// How a word stands there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WordKind {
    /// As it is.
    Bare,
    /// In quotes: always text.
    Quoted,
    /// One of `{ } ; [ ]`.
    Mark,
}

impl Word<'_> {
    pub(crate) fn is_mark(&self, mark: &str) -> bool {
        self.kind == WordKind::Mark && self.text == mark
    }

    /// The value that it is, where a `ty` is wanted.
    pub(crate) fn value(&self, ty: &Type) -> Value {
        match self.kind {
            WordKind::Bare => bare_value(ty, &self.text),
            WordKind::Quoted | WordKind::Mark => Value::Text(self.text.clone().into_owned()),
        }
    }
}

/// Gives one word of a text after the other.
#[derive(Clone)]
pub(crate) struct Words<'a> {
    text: &'a str,
    at: usize,
    end: usize,
}

impl<'a> Words<'a> {
    /// The words of the bytes `span` of `text`.
    pub(crate) fn new(text: &'a str, span: Span) -> Self {
        Self { text, at: span.start, end: span.end.min(text.len()) }
    }

    /// The text from the next word on.
    pub(crate) fn rest(&mut self) -> (&'a str, Span) {
        self.skip_blanks();
        (self.text.get(self.at..self.end).unwrap_or_default(), Span { start: self.at, end: self.end })
    }

    /// The place behind the last word, for what is missing there.
    pub(crate) fn here(&self) -> Span {
        Span { start: self.at, end: self.at }
    }

    /// Goes on at the byte `at` of the text.
    pub(crate) fn jump(&mut self, at: usize) {
        self.at = at.min(self.end);
    }

    fn skip_blanks(&mut self) {
        let left = self.text.get(self.at..self.end).unwrap_or_default();
        self.at = self.end - left.trim_start().len();
    }

    /// The next word, which stays the next.
    pub(crate) fn peek(&self) -> Result<Option<Word<'a>>, Fault> {
        self.clone().next()
    }

    /// The next word; none at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Word<'a>>, Fault> {
        let (left, span) = self.rest();
        let Some(first) = left.chars().next() else {
            // Missing words are missed right behind the last one.
            self.at = self.text.get(..self.end).map_or(self.end, |text| text.trim_end().len());
            return Ok(None);
        };
        if first == '"' {
            return self.quoted(left).map(Some);
        }
        let (len, kind) = if is_mark(first) { (1, WordKind::Mark) } else { (bare_len(left), WordKind::Bare) };
        let text = left.get(..len).unwrap_or_default();
        self.at += len;
        if let Some(bad) = text.chars().find(|c| is_unprintable(*c)) {
            let span = Span { start: span.start, end: self.at };
            return Err(Fault::new(format!("{bad:?} stands only in quotes, as an escape"), span, ""));
        }
        Ok(Some(Word { text: text.into(), kind, span: Span { start: span.start, end: self.at } }))
    }

    fn quoted(&mut self, left: &'a str) -> Result<Word<'a>, Fault> {
        let start = self.at;
        let mut text = String::new();
        let mut chars = left.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.at = start + at + 1;
                    let span = Span { start, end: self.at };
                    return Ok(Word { text: text.into(), kind: WordKind::Quoted, span });
                }
                '\\' => {
                    let wrong = || {
                        let span = Span { start: start + at, end: start + at + 2 };
                        Fault::new("this is no escape", span, "").help("the escapes are \\\" \\\\ \\n \\r \\t \\u{HEX}")
                    };
                    text.push(escape(&mut chars).ok_or_else(wrong)?);
                }
                c => text.push(c),
            }
        }
        Err(Fault::new("the quote is not closed", Span { start, end: self.end }, ""))
    }
}

fn escape(chars: &mut impl Iterator<Item = (usize, char)>) -> Option<char> {
    Some(match chars.next()?.1 {
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        c @ ('"' | '\\') => c,
        'u' => {
            let mut digits = chars.map(|(_, c)| c).take_while(|c| *c != '}');
            (digits.next()? == '{').then_some(())?;
            let digits: String = digits.take(7).collect();
            char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?
        }
        _ => return None,
    })
}

fn is_mark(c: char) -> bool {
    matches!(c, '{' | '}' | ';' | '[' | ']')
}

/// Length of the bare word at the beginning; brackets belong to a pattern like `<ge-[0-3]>`.
fn bare_len(text: &str) -> usize {
    let mut inside = false;
    for (at, c) in text.char_indices() {
        match c {
            '<' if at == 0 => inside = true,
            '>' => inside = false,
            '[' | ']' if inside => {}
            c if is_mark(c) || c == '"' || c.is_whitespace() => return at,
            _ => {}
        }
    }
    text.len()
}

/// Whether the text may stand without quotes.
fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && bare_len(text) == text.len()
        && !text.starts_with('#')
        && !text.contains("/*")
        && !text.contains(|c: char| c == '\\' || is_unprintable(c))
}

/// A word without quotes as the value it means.
fn bare_value(ty: &Type, text: &str) -> Value {
    let number = || text.parse().ok().map(Value::Integer);
    let read = match ty {
        Type::Integer(..) | Type::Seconds(..) | Type::Lease | Type::Size(..) => number(),
        Type::Boolean if text == "true" => Some(Value::Bool(true)),
        Type::Boolean if text == "false" => Some(Value::Bool(false)),
        _ => None,
    };
    read.unwrap_or_else(|| Value::Text(text.to_owned()))
}

/// A value as a word, in quotes only where it needs them: where it would else be read as something else.
pub(crate) fn print_word(out: &mut String, value: &Value, ty: Option<&Type>) {
    match value {
        Value::Text(text) => {
            let same = ty.is_none_or(|ty| bare_value(ty, text) == *value);
            if same && is_plain(text) { out.push_str(text) } else { print_quoted(out, text) }
        }
        Value::Bool(truth) => out.push_str(if *truth { "true" } else { "false" }),
        other => crate::tree::print_value(out, other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<String> {
        let mut words = Words::new(text, Span { start: 0, end: text.len() });
        std::iter::from_fn(|| words.next().unwrap()).map(|word| format!("{:?} {}", word.kind, word.text)).collect()
    }

    #[test]
    fn words_and_marks_are_told_apart() {
        assert_eq!(all(" a [b c] ;"), ["Bare a", "Mark [", "Bare b", "Bare c", "Mark ]", "Mark ;"]);
        assert_eq!(all("<ge-[0-3]> x{"), ["Bare <ge-[0-3]>", "Bare x", "Mark {"]);
        assert_eq!(all(r#""a \"b\"\n\u{e9}"x"#), ["Quoted a \"b\"\n\u{e9}", "Bare x"]);
    }

    #[test]
    fn a_printed_word_reads_as_itself() {
        for text in
            ["", "a", "a b", "#a", "a;b", "\"", "\\", "<a[b", "a]", "\u{202e}", "/*", "\u{a0}", "\n", "10.0.0.1"]
        {
            let mut out = String::new();
            print_word(&mut out, &Value::Text(text.to_owned()), None);
            let mut words = Words::new(&out, Span { start: 0, end: out.len() });
            assert_eq!(words.next().unwrap().unwrap().text, text, "{out}");
            assert_eq!(words.next(), Ok(None), "{out}");
            // What Junos would read as something else stands in quotes too.
            assert_eq!(out.starts_with('"'), !matches!(text, "a" | "10.0.0.1" | "<a[b"), "{out}");
        }
    }

    #[test]
    fn what_is_no_word_is_refused() {
        for text in ["\"a", "\"\\x\"", "\"\\u{110000}\"", "a\u{1b}b", "\"\\"] {
            assert!(Words::new(text, Span { start: 0, end: text.len() }).next().is_err(), "{text}");
        }
    }
}
