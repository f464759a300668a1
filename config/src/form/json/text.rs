//! JSON text: reading with places, and writing (RFC 8259).

use crate::error::Fault;
use crate::tree::Span;
use std::fmt::Write;

/// Deepest nesting that is read: statements in braces take at most three levels each.
const DEPTH_MAX: usize = 100;

/// A JSON value and where it stands.
#[derive(Clone, Debug, Default)]
pub(super) struct Json {
    pub(super) shape: Shape,
    pub(super) span: Span,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Shape {
    Object(Vec<Member>),
    Array(Vec<Json>),
    Text(String),
    /// As it is written.
    Number(String),
    Bool(bool),
    #[default]
    Null,
}

/// One name of an object with its value.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) span: Span,
    pub(super) value: Json,
}

impl PartialEq for Member {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.value == other.value
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.shape == other.shape
    }
}

impl From<Shape> for Json {
    fn from(shape: Shape) -> Self {
        Self { shape, span: Span::default() }
    }
}

impl Member {
    pub(super) fn new(name: impl Into<String>, shape: Shape) -> Self {
        Self { name: name.into(), span: Span::default(), value: shape.into() }
    }
}

/// Writes the value, four blanks a level.
pub(super) fn write(out: &mut String, json: &Json, level: usize) {
    match &json.shape {
        Shape::Object(members) if members.is_empty() => out.push_str("{}"),
        Shape::Object(members) => {
            let list = members.iter().map(|member| (Some(member.name.as_str()), &member.value));
            block(out, level, ('{', '}'), list);
        }
        Shape::Array(list) if list.iter().all(|it| !matches!(it.shape, Shape::Object(_) | Shape::Array(_))) => {
            out.push('[');
            for (index, value) in list.iter().enumerate() {
                out.push_str(if index > 0 { ", " } else { "" });
                write(out, value, level);
            }
            out.push(']');
        }
        Shape::Array(list) => block(out, level, ('[', ']'), list.iter().map(|value| (None, value))),
        Shape::Text(text) => quote(out, text),
        Shape::Number(number) => out.push_str(number),
        Shape::Bool(truth) => out.push_str(if *truth { "true" } else { "false" }),
        Shape::Null => out.push_str("null"),
    }
}

fn block<'a>(
    out: &mut String,
    level: usize,
    (open, close): (char, char),
    list: impl Iterator<Item = (Option<&'a str>, &'a Json)>,
) {
    out.push(open);
    for (index, (name, value)) in list.enumerate() {
        out.push_str(if index > 0 { ",\n" } else { "\n" });
        out.extend(std::iter::repeat_n("    ", level + 1));
        if let Some(name) = name {
            quote(out, name);
            out.push_str(": ");
        }
        write(out, value, level + 1);
    }
    out.push('\n');
    out.extend(std::iter::repeat_n("    ", level));
    out.push(close);
}

fn quote(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if crate::tree::is_unprintable(c) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Reads one value that is the whole text.
pub(super) fn read(text: &str) -> Result<Json, Fault> {
    let mut reader = Reader { text, at: 0 };
    let json = reader.value(0)?;
    reader.blanks();
    match reader.peek() {
        None => Ok(json),
        Some(_) => Err(reader.fault("nothing may follow here")),
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn fault(&self, message: &str) -> Fault {
        let len = self.peek().map_or(0, char::len_utf8);
        Fault::new(message, Span { start: self.at, end: self.at + len }, "")
    }

    fn left(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.left().chars().next()
    }

    fn blanks(&mut self) {
        let left = self.left();
        self.at += left.len() - left.trim_start_matches([' ', '\t', '\n', '\r']).len();
    }

    /// Whether the character stands here; then it is read.
    fn take(&mut self, wanted: char) -> bool {
        self.blanks();
        let here = self.peek() == Some(wanted);
        self.at += if here { wanted.len_utf8() } else { 0 };
        here
    }

    fn value(&mut self, depth: usize) -> Result<Json, Fault> {
        self.blanks();
        let start = self.at;
        if depth > DEPTH_MAX {
            return Err(self.fault(&format!("more than {DEPTH_MAX} levels")));
        }
        let shape = match self.peek() {
            Some('{') => self.object(depth)?,
            Some('[') => self.array(depth)?,
            Some('"') => Shape::Text(self.string()?),
            Some(c) if c == '-' || c.is_ascii_digit() => self.number()?,
            _ => self.word()?,
        };
        Ok(Json { shape, span: Span { start, end: self.at } })
    }

    fn word(&mut self) -> Result<Shape, Fault> {
        for (word, shape) in [("true", Shape::Bool(true)), ("false", Shape::Bool(false)), ("null", Shape::Null)] {
            if self.left().starts_with(word) {
                self.at += word.len();
                return Ok(shape);
            }
        }
        Err(self.fault("a JSON value is missing here"))
    }

    fn object(&mut self, depth: usize) -> Result<Shape, Fault> {
        self.take('{');
        let mut members: Vec<Member> = Vec::new();
        let mut seen = std::collections::HashMap::new();
        if self.take('}') {
            return Ok(Shape::Object(members));
        }
        loop {
            self.blanks();
            let start = self.at;
            if self.peek() != Some('"') {
                return Err(self.fault("a name in quotes is missing here"));
            }
            let name = self.string()?;
            let span = Span { start, end: self.at };
            if let Some(first) = seen.insert(name.clone(), span) {
                return Err(Fault::new(format!("`{name}` is written twice"), span, "").other(first, "first here"));
            }
            if !self.take(':') {
                return Err(self.fault("a `:` is missing here"));
            }
            let value = self.value(depth + 1)?;
            members.push(Member { name, span, value });
            if self.take('}') {
                return Ok(Shape::Object(members));
            }
            if !self.take(',') {
                return Err(self.fault("a `,` or `}` is missing here"));
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Shape, Fault> {
        self.take('[');
        let mut list = Vec::new();
        if self.take(']') {
            return Ok(Shape::Array(list));
        }
        loop {
            list.push(self.value(depth + 1)?);
            if self.take(']') {
                return Ok(Shape::Array(list));
            }
            if !self.take(',') {
                return Err(self.fault("a `,` or `]` is missing here"));
            }
        }
    }

    fn number(&mut self) -> Result<Shape, Fault> {
        let left = self.left();
        let len = left.find(|c: char| !matches!(c, '0'..='9' | '-' | '+' | '.' | 'e' | 'E')).unwrap_or(left.len());
        let number = left.get(..len).unwrap_or_default().to_owned();
        let digits = number.strip_prefix('-').unwrap_or(&number);
        let led =
            digits.starts_with('0') && digits.get(1..2).is_some_and(|next| matches!(next.as_bytes(), [b'0'..=b'9']));
        if led || number.ends_with('.') || digits.starts_with('.') || number.parse::<f64>().is_err() {
            let span = Span { start: self.at, end: self.at + len };
            return Err(Fault::new(format!("`{number}` is no JSON number"), span, ""));
        }
        self.at += len;
        Ok(Shape::Number(number))
    }

    fn string(&mut self) -> Result<String, Fault> {
        let start = self.at;
        let mut text = String::new();
        self.at += 1;
        loop {
            let Some(c) = self.peek() else {
                return Err(Fault::new("the quote is not closed", Span { start, end: self.at }, ""));
            };
            match c {
                '"' => {
                    self.at += 1;
                    return Ok(text);
                }
                '\\' => {
                    let escape = self.escape().ok_or_else(|| self.fault("this is no escape"))?;
                    text.push(escape);
                }
                c if c < ' ' => return Err(self.fault("a control character stands in quotes only as an escape")),
                c => {
                    text.push(c);
                    self.at += c.len_utf8();
                }
            }
        }
    }

    fn escape(&mut self) -> Option<char> {
        let kind = self.left().chars().nth(1)?;
        let plain = match kind {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'b' => '\u{8}',
            'f' => '\u{c}',
            c @ ('"' | '\\' | '/') => c,
            'u' => return self.unicode(),
            _ => return None,
        };
        self.at += 1 + kind.len_utf8();
        Some(plain)
    }

    fn unicode(&mut self) -> Option<char> {
        let unit = |text: &str| {
            let digits = text.strip_prefix("\\u")?.get(..4)?;
            digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u16::from_str_radix(digits, 16).ok())?
        };
        let first = unit(self.left())?;
        let second = self.left().get(6..).and_then(unit);
        let mut units = vec![first];
        if (0xd800..0xdc00).contains(&first) {
            units.push(second?);
        }
        let c = char::decode_utf16(units.iter().copied()).next()?.ok()?;
        self.at += 6 * units.len();
        Some(c)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let text = "{\"a\":[1,-2.5e3,\"\\u00e9\\ud83d\\ude00\\n\\/\",true,null,{}],\"b\":{\"c\":[]}}";
        let json = read(text).unwrap();
        let mut out = String::new();
        write(&mut out, &json, 0);
        assert_eq!(read(&out).unwrap(), json, "{out}");
        assert!(out.contains("\u{1f600}\\n/"), "{out}");
    }

    #[test]
    fn what_is_no_json_is_refused_with_its_place() {
        for (text, at) in [
            ("", 0),
            ("{", 1),
            ("[1,]", 3),
            ("{\"a\":1,}", 7),
            ("{\"a\":1,\"a\":2}", 7),
            ("\"\\x\"", 1),
            ("\"\\ud800\"", 1),
            ("\"a", 0),
            ("01", 0),
            ("1.", 0),
            ("-", 0),
            ("tru", 0),
            ("1 2", 2),
            ("\"\n\"", 1),
        ] {
            assert_eq!(read(text).unwrap_err().span.start, at, "{text}");
        }
        assert!(read(&"[".repeat(5000)).is_err());
    }
}
