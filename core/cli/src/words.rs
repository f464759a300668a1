//! Words, pipes and commands of a line, told apart as the configuration's own reader does: a quote holds a word
//! together, braces hold statements together.

/// A word of a line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Word {
    /// Without its quotes, escapes read.
    pub(crate) text: String,
    /// Byte where it begins, its quote included.
    pub(crate) start: usize,
    /// Byte behind it.
    pub(crate) end: usize,
    /// Whether it has quotes: then it is never a keyword.
    pub(crate) quoted: bool,
}

/// Where a mark stands in a text: inside of quotes, of braces, of a comment, or free.
struct Scan<'a> {
    chars: std::iter::Peekable<std::str::CharIndices<'a>>,
    quoted: bool,
    depth: usize,
    /// The character before was a blank, or there was none.
    blank: bool,
}

/// A character with what it means there.
enum Mark {
    /// Neither in quotes nor in braces.
    Free(usize, char),
    /// The rest of the line is a comment; here it begins.
    Comment(usize),
    /// Part of a text or block.
    Inner,
}

impl<'a> Scan<'a> {
    fn new(text: &'a str) -> Self {
        Self { chars: text.char_indices().peekable(), quoted: false, depth: 0, blank: true }
    }

    fn next(&mut self) -> Option<Mark> {
        let (at, c) = self.chars.next()?;
        let blank = std::mem::replace(&mut self.blank, c.is_whitespace());
        if self.quoted {
            match c {
                '\\' => drop(self.chars.next()),
                '"' => self.quoted = false,
                _ => {}
            }
            return Some(Mark::Inner);
        }
        match c {
            '"' => self.quoted = true,
            '{' => self.depth += 1,
            '}' => self.depth = self.depth.saturating_sub(1),
            '#' if blank => {
                while self.chars.next_if(|(_, c)| *c != '\n').is_some() {}
                return Some(Mark::Comment(at));
            }
            c if self.depth == 0 => return Some(Mark::Free(at, c)),
            _ => {}
        }
        Some(Mark::Inner)
    }
}

/// The commands of a text with the line (from 1) that each begins in: they end at `;` and at the end of a line.
/// Comments begin with `#`. What is open, a quote or a brace, goes on in the next line.
pub(crate) fn commands(text: &str) -> Vec<(usize, String)> {
    let mut commands = Vec::new();
    let (mut command, mut begun) = (String::new(), 0);
    let mut scan = Scan::new(text);
    let mut push = |end: usize, begun: usize, command: &mut String| {
        command.push_str(text.get(begun..end).unwrap_or_default());
        let line = 1 + text.get(..begun).unwrap_or_default().matches('\n').count();
        let blank = command.len() - command.trim_start().len();
        let line = line + command.get(..blank).unwrap_or_default().matches('\n').count();
        let done = std::mem::take(command);
        if !done.trim().is_empty() {
            commands.push((line, done.trim().to_owned()));
        }
    };
    while let Some(mark) = scan.next() {
        match mark {
            Mark::Free(at, ';' | '\n') => {
                push(at, begun, &mut command);
                begun = at + 1;
            }
            Mark::Comment(at) => {
                push(at, begun, &mut command);
                begun = scan.chars.peek().map_or(text.len(), |(at, _)| *at);
            }
            _ => {}
        }
    }
    push(text.len(), begun, &mut command);
    commands
}

/// The byte where the last command of a line begins.
pub(crate) fn last_command(line: &str) -> usize {
    let mut begun = 0;
    let mut scan = Scan::new(line);
    while let Some(mark) = scan.next() {
        if let Mark::Free(at, ';' | '\n') = mark {
            begun = at + 1;
        }
    }
    begun
}

/// Whether a quote or a brace is open at the end of `text`.
pub(crate) fn is_open(text: &str) -> bool {
    let mut scan = Scan::new(text);
    while scan.next().is_some() {}
    scan.quoted || scan.depth > 0
}

/// Whether the end of `text` stands in quotes.
pub(crate) fn is_quoted(text: &str) -> bool {
    let mut scan = Scan::new(text);
    while scan.next().is_some() {}
    scan.quoted
}

/// The parts of a command between its pipes, with the byte that each begins at. The first is the command itself.
pub(crate) fn parts(line: &str) -> Vec<(usize, &str)> {
    let mut parts = Vec::new();
    let mut begun = 0;
    let mut scan = Scan::new(line);
    while let Some(mark) = scan.next() {
        if let Mark::Free(at, '|') = mark {
            parts.push((begun, line.get(begun..at).unwrap_or_default()));
            begun = at + 1;
        }
    }
    parts.push((begun, line.get(begun..).unwrap_or_default()));
    parts
}

/// The words of a part. An open quote is closed by the end.
pub(crate) fn words(part: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut chars = part.char_indices().peekable();
    while let Some((start, c)) = chars.next() {
        if c.is_whitespace() {
            continue;
        }
        let mut text = String::new();
        if c == '"' {
            while let Some((_, c)) = chars.next() {
                match c {
                    '"' => break,
                    '\\' => text.extend(chars.next().map(|(_, c)| match c {
                        'n' => '\n',
                        't' => '\t',
                        'r' => '\r',
                        c => c,
                    })),
                    c => text.push(c),
                }
            }
        } else {
            text.push(c);
            while let Some((_, c)) = chars.next_if(|(_, c)| !c.is_whitespace()) {
                text.push(c);
            }
        }
        let end = chars.peek().map_or(part.len(), |(at, _)| *at);
        words.push(Word { text, start, end, quoted: c == '"' });
    }
    words
}

/// A word as it must be typed: in quotes where it needs them.
pub(crate) fn quote(text: &str) -> String {
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, '"' | '\\' | '{' | '}' | ';' | '|');
    if !text.is_empty() && text.chars().all(plain) && !text.starts_with(['#', '[', ']']) {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<(usize, String)> {
        commands(text)
    }

    fn at(line: usize, text: &str) -> (usize, String) {
        (line, text.to_owned())
    }

    #[test]
    fn commands_end_at_semicolons_and_lines_outside_of_quotes_and_braces() {
        assert_eq!(split("a; b ;;\n\n c"), [at(1, "a"), at(1, "b"), at(3, "c")]);
        assert_eq!(split("set x \"a;b\"; y"), [at(1, "set x \"a;b\""), at(1, "y")]);
        assert_eq!(split("set x { a 1; b 2 }\ny"), [at(1, "set x { a 1; b 2 }"), at(2, "y")]);
        assert_eq!(split("# all\na # rest\nb#c"), [at(2, "a"), at(3, "b#c")]);
        assert_eq!(split("annotate x \"two\nlines\"\ny"), [at(1, "annotate x \"two\nlines\""), at(3, "y")]);
        assert_eq!(split(" \n ; # \n"), []);
    }

    #[test]
    fn what_is_open_is_told() {
        assert!(is_open("set x \"a") && is_open("x {") && !is_open("x \"a\" { }") && !is_open("# \""));
        assert!(is_quoted("x \"a?") && !is_quoted("x \"a\" ") && !is_quoted("x {"));
    }

    #[test]
    fn pipes_stand_outside_of_quotes() {
        assert_eq!(parts("show x | match \"a|b\"|count"), [(0, "show x "), (8, " match \"a|b\""), (21, "count")]);
    }

    #[test]
    fn words_have_places_and_quotes() {
        let found: Vec<_> = words(" a \"b \\\"c\" d").into_iter().map(|w| (w.text, w.start, w.end, w.quoted)).collect();
        assert_eq!(found, [("a".into(), 1, 2, false), ("b \"c".into(), 3, 10, true), ("d".to_owned(), 11, 12, false)]);
    }

    #[test]
    fn a_quoted_word_reads_as_itself() {
        for text in ["", "a", "a b", "\"", "\\", "a;b", "#x", "a|b", "x\ny", "10.0.0.0/8"] {
            let read = words(&quote(text));
            assert_eq!(read.first().map(|word| word.text.as_str()), Some(text));
            assert_eq!(read.len(), 1);
        }
    }
}
