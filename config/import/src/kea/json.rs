//! JSON as Kea reads it, with the line of each value: comments of three kinds, and commas before what closes.

use crate::note::{Notes, Refused};

/// Most levels of braces and brackets.
const DEPTH_MAX: usize = 64;

/// A value, with its line.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Json {
    pub(super) line: u32,
    pub(super) value: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    List(Vec<Json>),
    /// Members in their order; of two with one name the later one counts.
    Object(Vec<(String, Json)>),
}

impl Json {
    pub(super) fn text(&self) -> Option<&str> {
        if let Value::Text(text) = &self.value { Some(text) } else { None }
    }

    pub(super) fn integer(&self) -> Option<i64> {
        if let Value::Integer(number) = self.value { Some(number) } else { None }
    }

    pub(super) fn number(&self) -> Option<f64> {
        match self.value {
            Value::Float(number) => Some(number),
            Value::Integer(number) => i32::try_from(number).ok().map(f64::from),
            _ => None,
        }
    }

    pub(super) fn boolean(&self) -> Option<bool> {
        if let Value::Bool(truth) = self.value { Some(truth) } else { None }
    }

    /// The values of a list; none if it is no list.
    pub(super) fn list(&self) -> &[Self] {
        if let Value::List(list) = &self.value { list } else { &[] }
    }

    /// The members of an object; none if it is none.
    pub(super) fn members(&self) -> &[(String, Self)] {
        if let Value::Object(members) = &self.value { members } else { &[] }
    }

    pub(super) fn member(&self, name: &str) -> Option<&Self> {
        self.members().iter().rev().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// The member's text, if it is there and not empty.
    pub(super) fn text_of(&self, name: &str) -> Option<&str> {
        self.member(name)?.text().filter(|text| !text.is_empty())
    }
}

/// Reads a text.
///
/// # Errors
/// It is no JSON.
pub(super) fn parse(name: &str, text: &str, notes: &mut Notes) -> Result<Json, Refused> {
    let mut reader = Reader { name, text, at: 0, line: 1, notes };
    let value = reader.value(0)?;
    match reader.peek()? {
        None => Ok(value),
        Some(c) => Err(reader.refuse(format!("`{c}` behind the end of the value"))),
    }
}

struct Reader<'a> {
    name: &'a str,
    text: &'a str,
    at: usize,
    line: u32,
    notes: &'a mut Notes,
}

impl<'a> Reader<'a> {
    fn refuse(&self, message: impl AsRef<str>) -> Refused {
        Refused::new(self.name, self.line, message)
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip(&mut self, len: usize) -> &'a str {
        let skipped = self.rest().get(..len).unwrap_or_default();
        let lines = skipped.bytes().filter(|byte| *byte == b'\n').count();
        self.line = self.line.saturating_add(u32::try_from(lines).unwrap_or(u32::MAX));
        self.at += skipped.len();
        skipped
    }

    /// The next character that is no blank and in no comment; it stays the next.
    fn peek(&mut self) -> Result<Option<char>, Refused> {
        loop {
            let rest = self.rest();
            let Some(first) = rest.chars().next() else { return Ok(None) };
            let line = rest.find('\n').unwrap_or(rest.len());
            if first.is_whitespace() || first == '\u{feff}' {
                self.skip(first.len_utf8());
            } else if first == '#' || rest.starts_with("//") {
                self.skip(line);
            } else if rest.starts_with("/*") {
                let Some(len) = rest.find("*/") else { return Err(self.refuse("the comment is not closed")) };
                self.skip(len + 2);
            } else if rest.starts_with("<?") {
                let Some(len) = rest.find("?>") else { return Err(self.refuse("`<?` is not closed by `?>`")) };
                self.notes.add(self.line, "", "files are not included: put the text of the file here");
                self.skip(len + 2);
            } else {
                return Ok(Some(first));
            }
        }
    }

    fn value(&mut self, depth: usize) -> Result<Json, Refused> {
        if depth > DEPTH_MAX {
            return Err(self.refuse(format!("more than {DEPTH_MAX} levels of braces")));
        }
        let first = self.peek()?;
        let line = self.line;
        let value = match first {
            None => return Err(self.refuse("the text ends where a value must stand")),
            Some('{') => Value::Object(self.object(depth)?),
            Some('[') => Value::List(self.list(depth)?),
            Some('"') => Value::Text(self.string()?),
            // Where a file would have been included there is nothing.
            Some(',' | '}' | ']') => Value::Null,
            Some(_) => self.word()?,
        };
        Ok(Json { line, value })
    }

    fn object(&mut self, depth: usize) -> Result<Vec<(String, Json)>, Refused> {
        self.skip(1);
        let mut members = Vec::new();
        loop {
            match self.peek()? {
                Some('}') => {
                    self.skip(1);
                    return Ok(members);
                }
                Some(',') => {
                    self.skip(1);
                }
                Some('"') => {
                    let name = self.string()?;
                    if self.peek()? != Some(':') {
                        return Err(self.refuse(format!("a `:` is missing behind \"{name}\"")));
                    }
                    self.skip(1);
                    members.push((name, self.value(depth + 1)?));
                    self.separated('}')?;
                }
                Some(c) => return Err(self.refuse(format!("`{c}` where a name in quotes must stand"))),
                None => return Err(self.refuse("a `}` is missing at the end")),
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Json>, Refused> {
        self.skip(1);
        let mut values = Vec::new();
        loop {
            match self.peek()? {
                Some(']') => {
                    self.skip(1);
                    return Ok(values);
                }
                Some(',') => {
                    self.skip(1);
                }
                Some('}') => return Err(self.refuse("a `]` is missing before `}`")),
                Some(_) => {
                    values.push(self.value(depth + 1)?);
                    self.separated(']')?;
                }
                None => return Err(self.refuse("a `]` is missing at the end")),
            }
        }
    }

    /// Behind a value stands a comma, or what closes.
    fn separated(&mut self, close: char) -> Result<(), Refused> {
        match self.peek()? {
            Some(c) if c == ',' || c == close => Ok(()),
            Some(c) => Err(self.refuse(format!("`{c}` where `,` or `{close}` must stand"))),
            None => Err(self.refuse(format!("a `{close}` is missing at the end"))),
        }
    }

    fn word(&mut self) -> Result<Value, Refused> {
        let rest = self.rest();
        let end = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
        let word = self.skip(rest.find(end).unwrap_or(rest.len()));
        match word {
            "null" => Ok(Value::Null),
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            _ => match (word.parse::<i64>(), word.parse::<f64>()) {
                (Ok(number), _) => Ok(Value::Integer(number)),
                (_, Ok(number)) if word.starts_with(|c: char| c == '-' || c.is_ascii_digit()) => {
                    Ok(Value::Float(number))
                }
                _ => Err(self.refuse("this is no value")),
            },
        }
    }

    fn string(&mut self) -> Result<String, Refused> {
        let mut text = String::new();
        let mut chars = self.rest().char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.skip(at + 1);
                    return Ok(text);
                }
                '\n' => break,
                '\\' => match chars.next() {
                    Some((_, 'n')) => text.push('\n'),
                    Some((_, 'r')) => text.push('\r'),
                    Some((_, 't')) => text.push('\t'),
                    Some((_, 'b')) => text.push('\u{8}'),
                    Some((_, 'f')) => text.push('\u{c}'),
                    Some((_, 'u')) => {
                        let digits: String = chars.by_ref().take(4).map(|(_, c)| c).collect();
                        let code = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
                        text.push(code.ok_or_else(|| self.refuse("`\\u` needs four hexadecimal digits"))?);
                    }
                    Some((_, c)) => text.push(c),
                    None => break,
                },
                c => text.push(c),
            }
        }
        Err(self.refuse("the quote is not closed on its line"))
    }
}
