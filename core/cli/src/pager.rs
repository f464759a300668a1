//! Stops at the end of a page.

use crate::terminal::Keys;
use regex::Regex;
use std::io::{self, Write};

/// What the pager does next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    /// So many lines of the screen.
    Lines(usize),
    /// All that is left.
    Rest,
    /// Nothing more.
    Quit,
    /// A search forward, begun with `/`.
    Search,
    /// The same again.
    Again,
    /// No such key.
    Nothing,
}

fn step(key: Option<u8>, page: usize) -> Step {
    match key {
        Some(b' ' | b'f' | 0x06) => Step::Lines(page),
        Some(b'\r' | b'\n' | b'j') => Step::Lines(1),
        Some(b'd' | 0x04) => Step::Lines(page.div_ceil(2)),
        Some(b'G') => Step::Rest,
        Some(b'q' | b'Q' | 0x03) | None => Step::Quit,
        Some(b'/') => Step::Search,
        Some(b'n') => Step::Again,
        Some(_) => Step::Nothing,
    }
}

/// A text that is shown page by page.
#[derive(Debug)]
struct Page<'a> {
    lines: Vec<&'a str>,
    /// The next line.
    at: usize,
    columns: usize,
    pattern: Option<Regex>,
}

impl<'a> Page<'a> {
    fn new(text: &'a str, columns: usize) -> Self {
        Self { lines: text.lines().collect(), at: 0, columns: columns.max(1), pattern: None }
    }

    /// The lines that fill `rows` rows of the screen, at least one.
    fn take(&mut self, rows: usize) -> &[&'a str] {
        let begun = self.at;
        let mut left = rows;
        while let Some(line) = self.lines.get(self.at) {
            let rows = line.chars().count().div_ceil(self.columns).max(1);
            if rows > left && self.at > begun {
                break;
            }
            left = left.saturating_sub(rows);
            self.at += 1;
            if left == 0 {
                break;
            }
        }
        self.lines.get(begun..self.at).unwrap_or_default()
    }

    /// Goes to the next line that matches. False where none does.
    fn search(&mut self) -> bool {
        let Some(pattern) = &self.pattern else { return false };
        let found = self.lines.iter().skip(self.at).position(|line| pattern.is_match(line));
        self.at += found.unwrap_or_default();
        found.is_some()
    }

    fn is_done(&self) -> bool {
        self.at >= self.lines.len()
    }
}

/// Shows `text` on a terminal of `rows` and `columns`, stopping at the end of each page.
///
/// # Errors
/// The terminal is gone.
pub(crate) fn show(text: &str, (rows, columns): (usize, usize)) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let mut page = Page::new(text, columns);
    let most = rows.saturating_sub(1).max(1);
    write(&mut out, page.take(most))?;
    if page.is_done() {
        return out.flush();
    }
    let keys = Keys::take()?;
    while !page.is_done() {
        write!(out, "---(more {}%)---", page.at * 100 / page.lines.len().max(1))?;
        out.flush()?;
        let mut step = step(keys.next(), most);
        write!(out, "\r\x1b[K")?;
        if step == Step::Search {
            page.pattern = pattern(&keys, &mut out)?;
            step = Step::Again;
        }
        match step {
            Step::Lines(lines) => write(&mut out, page.take(lines))?,
            Step::Rest => {
                write(&mut out, page.lines.get(page.at..).unwrap_or_default())?;
                break;
            }
            Step::Quit => break,
            Step::Again if page.search() => write(&mut out, page.take(most))?,
            Step::Again => write!(out, "\x07")?,
            Step::Search | Step::Nothing => {}
        }
    }
    out.flush()
}

fn write(out: &mut impl Write, lines: &[&str]) -> io::Result<()> {
    lines.iter().try_for_each(|line| writeln!(out, "{line}"))
}

/// Reads what is looked for.
fn pattern(keys: &Keys, out: &mut impl Write) -> io::Result<Option<Regex>> {
    let mut bytes = Vec::new();
    loop {
        write!(out, "\r\x1b[K/{}", String::from_utf8_lossy(&bytes))?;
        out.flush()?;
        match keys.next() {
            None | Some(0x03 | 0x1b) => bytes.clear(),
            Some(b'\r' | b'\n') => {}
            Some(0x08 | 0x7f) => {
                while bytes.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
                continue;
            }
            Some(byte) => {
                bytes.push(byte);
                continue;
            }
        }
        break;
    }
    write!(out, "\r\x1b[K")?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(match bytes.is_empty() {
        true => None,
        false => regex::RegexBuilder::new(&text).case_insensitive(true).build().ok(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_count_rows_of_the_screen() {
        let text = "one\na line that is longer\nthree\nfour\n";
        let mut page = Page::new(text, 10);
        assert_eq!(page.take(3), ["one"], "the second line takes three rows");
        assert_eq!(page.take(4), ["a line that is longer", "three"]);
        assert_eq!(page.take(1), ["four"]);
        assert!(page.is_done());
        let mut page = Page::new(text, 3);
        page.take(1);
        assert_eq!(page.take(2), ["a line that is longer"], "a line longer than the screen is shown");
    }

    #[test]
    fn a_search_goes_forward_only() {
        let mut page = Page::new("x\na\nx\n", 80);
        page.pattern = Regex::new("x").ok();
        page.take(1);
        assert!(page.search());
        assert_eq!(page.take(1), ["x"]);
        assert!(!page.search());
    }

    #[test]
    fn keys() {
        assert_eq!(step(Some(b' '), 10), Step::Lines(10));
        assert_eq!(step(Some(b'\r'), 10), Step::Lines(1));
        assert_eq!(step(Some(0x03), 10), Step::Quit);
        assert_eq!(step(None, 10), Step::Quit);
    }
}
