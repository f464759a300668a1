//! Limits on the text, checked before it is parsed.
//!
//! The KDL parser recurses for each level, and tries a commented-out block (`/-{`) several times at each level: its
//! time doubles with each. It grows with the square of the number of `/-` right behind one another. A reader of our
//! own would need no such check.

use super::{Node, Span, Value, print};

/// Longest configuration text, bytes: a megabyte takes the parser half a second and 90 MB.
pub const TEXT_MAX: usize = 4 << 20;

/// Most levels of braces.
pub const DEPTH_MAX: usize = 32;

/// Most levels of commented-out blocks, `/-{`, inside one another.
const DISCARDED_MAX: usize = 3;

/// Most `/-` with nothing but blanks and comments between them.
const DISCARDS_MAX: usize = 3;

/// Most levels of block comments inside one another.
const COMMENT_MAX: usize = 16;

/// Most opening braces in one string.
const BRACES_MAX: usize = 8 * DEPTH_MAX;

/// How large statements are, printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Size {
    /// Bytes of text.
    pub(crate) bytes: usize,
    /// Levels of braces, those around the statements counted too.
    pub(crate) depth: usize,
}

/// How large the statements are as text, `level` levels deep.
///
/// # Errors
/// One of them cannot stand in a text at all: the reader would refuse it.
pub(crate) fn size(nodes: &[Node], level: usize) -> Result<Size, String> {
    measured(nodes, level, print::length(nodes, level))
}

/// That the statements are a text of `bytes` that would be read.
///
/// # Errors
/// As [`size`].
pub(crate) fn fits(nodes: &[Node], bytes: usize) -> Result<(), String> {
    measured(nodes, 0, bytes).map(|_| ())
}

fn measured(nodes: &[Node], level: usize, bytes: usize) -> Result<Size, String> {
    fn deepest(nodes: &[Node], level: usize) -> Result<usize, String> {
        let mut depth = level;
        for node in nodes {
            let values = node.arguments.iter().map(|argument| &argument.value);
            for value in values.chain(node.properties.iter().map(|property| &property.value)) {
                if let Value::Text(text) = value
                    && text.matches('{').count() > BRACES_MAX
                {
                    return Err(format!("more than {BRACES_MAX} opening braces in one string"));
                }
            }
            if !node.children.is_empty() {
                depth = depth.max(deepest(&node.children, level + 1)?);
            }
        }
        Ok(depth)
    }
    let size = Size { bytes, depth: deepest(nodes, level)? };
    if size.depth > DEPTH_MAX {
        return Err(format!("more than {DEPTH_MAX} levels of braces"));
    }
    if size.bytes > TEXT_MAX {
        return Err(format!("the text would be longer than {TEXT_MAX} bytes"));
    }
    Ok(size)
}

/// Why a text is not parsed, and where.
pub(super) fn check(text: &str) -> Result<(), (String, Span)> {
    if text.len() > TEXT_MAX {
        return Err((format!("the text is longer than {TEXT_MAX} bytes"), Span { start: 0, end: 0 }));
    }
    Scanner { text, bytes: text.as_bytes(), at: 0, open: Vec::new(), discards: 0 }.run()
}

/// Walks over the text, knowing only braces, strings and comments.
struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    /// Open braces: whether each belongs to a commented-out block.
    open: Vec<bool>,
    /// How many `/-` were the last tokens.
    discards: usize,
}

impl Scanner<'_> {
    fn run(mut self) -> Result<(), (String, Span)> {
        while let Some(byte) = self.bytes.get(self.at).copied() {
            match byte {
                b'/' => {
                    self.slash()?;
                    continue;
                }
                b'"' => {
                    let hashes = self.hashes_before();
                    self.string(hashes)?;
                    self.discards = 0;
                    continue;
                }
                b'{' => self.brace()?,
                b'}' => {
                    self.open.pop();
                    self.discards = 0;
                }
                b'\\' => {}
                _ => {
                    let c = self.text.get(self.at..).and_then(|rest| rest.chars().next());
                    if c.is_some_and(|c| !c.is_whitespace() && c != '\u{feff}') {
                        self.discards = 0;
                    }
                }
            }
            self.at += 1;
        }
        Ok(())
    }

    fn fail<T>(&self, message: String) -> Result<T, (String, Span)> {
        Err((message, Span { start: self.at, end: self.at + 1 }))
    }

    fn brace(&mut self) -> Result<(), (String, Span)> {
        self.open.push(self.discards > 0);
        self.discards = 0;
        if self.open.len() > DEPTH_MAX {
            return self.fail(format!("more than {DEPTH_MAX} levels of braces"));
        }
        if self.open.iter().filter(|discarded| **discarded).count() > DISCARDED_MAX {
            return self.fail(format!("more than {DISCARDED_MAX} levels of commented-out blocks"));
        }
        Ok(())
    }

    fn starts(&self, with: &[u8]) -> bool {
        self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(with))
    }

    fn slash(&mut self) -> Result<(), (String, Span)> {
        if self.starts(b"//") {
            while self.bytes.get(self.at).is_some_and(|byte| *byte != b'\n') {
                self.at += 1;
            }
        } else if self.starts(b"/*") {
            let mut depth = 0usize;
            while self.at < self.bytes.len() {
                if self.starts(b"/*") {
                    depth += 1;
                    self.at += 2;
                } else if self.starts(b"*/") {
                    depth -= 1;
                    self.at += 2;
                } else {
                    self.at += 1;
                }
                if depth > COMMENT_MAX {
                    return self.fail(format!("more than {COMMENT_MAX} levels of comments"));
                }
                if depth == 0 {
                    break;
                }
            }
        } else if self.starts(b"/-") {
            self.discards += 1;
            if self.discards > DISCARDS_MAX {
                return self.fail(format!("more than {DISCARDS_MAX} `/-` behind one another"));
            }
            self.at += 2;
        } else {
            self.discards = 0;
            self.at += 1;
        }
        Ok(())
    }

    fn hashes_before(&self) -> usize {
        self.bytes.get(..self.at).map_or(0, |before| before.iter().rev().take_while(|byte| **byte == b'#').count())
    }

    /// Skips a string. A parser that has lost its way may read braces in it as braces, so they count there too;
    /// behind it they are forgotten.
    fn string(&mut self, hashes: usize) -> Result<(), (String, Span)> {
        let lines = self.starts(b"\"\"\"");
        let quote: &[u8] = if lines { b"\"\"\"" } else { b"\"" };
        self.at += quote.len();
        let mut braces = 0;
        while let Some(byte) = self.bytes.get(self.at).copied() {
            if self.starts(quote) {
                let end = self.at + quote.len();
                let closing = self.bytes.get(end..end + hashes);
                if closing.is_some_and(|closing| closing.iter().all(|byte| *byte == b'#')) {
                    self.at = end + hashes;
                    return Ok(());
                }
            }
            if byte == b'\n' && !lines {
                return Ok(());
            }
            braces += usize::from(byte == b'{');
            if braces > BRACES_MAX {
                return self.fail(format!("more than {BRACES_MAX} opening braces in one string"));
            }
            self.at += if byte == b'\\' && hashes == 0 { 2 } else { 1 };
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn levels_are_counted_outside_strings_and_comments() {
        assert!(check(&"a {".repeat(32)).is_ok());
        assert!(check(&"a {".repeat(33)).is_err());
        assert!(check(&"a { b \"}\" // }\n /* } */ c #\"}\"#;".repeat(33)).is_err());
        assert!(check(&"a \"{\" // {\n /* { */;".repeat(100)).is_ok());
        assert!(check(&"a /- {".repeat(4)).is_err());
        assert!(check(&"a /- {}\n".repeat(100)).is_ok());
        assert!(check(&"/- // x\n".repeat(4)).is_err());
        assert!(check(&"/-\u{a0}\u{3000}".repeat(4)).is_err());
        assert!(check(&"/-a /-\u{e9}".repeat(100)).is_ok());
        assert!(check(&"/*".repeat(100)).is_err());
        assert!(check(&" ".repeat(super::TEXT_MAX + 1)).is_err());
    }
}
