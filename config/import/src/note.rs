//! What is told about an import.

use std::collections::HashSet;
use std::fmt;

/// Most notes of one import; the rest is counted in a last one.
pub const NOTES_MAX: usize = 20_000;

/// A configuration that was taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// How the text it came from is called: the file's name.
    pub name: String,
    /// The configuration, in KDL. [`bindery_config::load`] takes it.
    pub kdl: String,
    /// What was not taken over, or not as it stood, in the order of the lines.
    pub notes: Vec<Note>,
    /// Files that the configuration names, by their paths, and what is to be written into them.
    pub files: Vec<(String, String)>,
}

/// Something that was not taken over, or not as it stood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Line of the source, from 1.
    pub line: u32,
    /// The statement of the source; empty for the text as a whole.
    pub path: String,
    /// What became of it, one line without control characters. Secrets are not in it.
    pub text: String,
}

impl fmt::Display for Note {
    /// `LINE: path: text`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            write!(f, "{}: {}", self.line, self.text)
        } else {
            write!(f, "{}: {}: {}", self.line, self.path, self.text)
        }
    }
}

impl fmt::Display for Imported {
    /// The notes, a line each: `FILE:LINE: path: text`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = clean(&self.name);
        self.notes.iter().try_for_each(|note| writeln!(f, "{name}:{note}"))
    }
}

/// A text of which nothing can be taken over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}:{line}: {message}")]
pub struct Refused {
    /// How the text is called.
    pub name: String,
    /// Line of the text, from 1.
    pub line: u32,
    /// What is wrong.
    pub message: String,
}

impl Refused {
    pub(crate) fn new(name: &str, line: u32, message: impl AsRef<str>) -> Self {
        Self { name: clean(name), line, message: clean(message.as_ref()) }
    }
}

/// Notes as they are made.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    list: Vec<Note>,
    more: usize,
    told: HashSet<String>,
}

impl Notes {
    pub(crate) fn add(&mut self, line: u32, path: impl AsRef<str>, text: impl AsRef<str>) {
        if self.list.len() >= NOTES_MAX {
            self.more += 1;
        } else {
            self.list.push(Note { line, path: clean(path.as_ref()), text: clean(text.as_ref()) });
        }
    }

    /// As [`add`](Self::add), but tells the same of one statement only once: the first line stands for all.
    pub(crate) fn once(&mut self, line: u32, path: &str, text: &str) {
        let key = format!("{path}\0{text}");
        if self.told.len() <= NOTES_MAX && self.told.insert(key) {
            self.add(line, path, text);
        }
    }

    /// Takes back what was told of the statement `path` and of all in it.
    pub(crate) fn forget(&mut self, path: &str) {
        let path = clean(path);
        self.list
            .retain(|note| !note.path.strip_prefix(&path).is_some_and(|rest| rest.is_empty() || rest.starts_with(' ')));
    }

    /// Takes back one note; tells whether there was one.
    pub(crate) fn withdraw(&mut self, path: &str, text: &str) -> bool {
        let path = clean(path);
        let at = self.list.iter().position(|note| note.path == path && note.text == text);
        at.map(|at| self.list.remove(at)).is_some()
    }

    /// All notes in the order of their lines.
    pub(crate) fn finish(mut self) -> Vec<Note> {
        self.list.sort_by_key(|note| note.line);
        if self.more > 0 {
            let line = self.list.last().map_or(1, |note| note.line);
            let text = format!("{} more notes are not shown", self.more);
            self.list.push(Note { line, path: String::new(), text });
        }
        self.list
    }
}

/// The text without what could write to the operator's terminal, and not longer than anybody reads.
pub(crate) fn clean(text: &str) -> String {
    const LEN_MAX: usize = 400;
    let unsafe_char = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    let mut out: String = text.chars().take(LEN_MAX).map(|c| if unsafe_char(c) { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(LEN_MAX).is_some() {
        out.push_str("...");
    }
    out
}
