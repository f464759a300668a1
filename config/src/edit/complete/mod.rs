//! How the line of an operator may go on: completion and help.

mod emit;
mod value;
mod walk;

use super::path::Path;
use super::words::{Word, WordKind, Words};
use crate::tree::{Span, Tree};
use emit::Emitter;
use walk::{Next, Say, Spot, Walker};

/// Most candidates that are told of one line.
pub const CANDIDATES_MAX: usize = 1000;

/// How a line may go on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completions {
    /// The byte of the line where the word begins in whose place the candidates stand.
    pub start: usize,
    /// What may stand there; at most [`CANDIDATES_MAX`].
    pub candidates: Vec<Candidate>,
    /// Whether there were more.
    pub cut: bool,
    /// Whether the line may end where it does, behind a whole word and a blank.
    pub complete: bool,
    /// What else may stand there that is not in the tree.
    pub wants: Option<Live>,
}

/// One way to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The word as it is typed, in quotes where it needs them; or a hint like `<1..10>`.
    pub text: String,
    /// What it is; may be empty.
    pub help: String,
    /// What kind of word it is.
    pub kind: CandidateKind,
    /// Whether it may be typed as it stands: a hint may not.
    pub literal: bool,
}

/// What kind of word a candidate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CandidateKind {
    /// The verb of a command.
    Verb,
    /// A word of the command's own, like `to`.
    Keyword,
    /// A statement with statements in it.
    Container,
    /// A statement with a name of its own behind it.
    Named,
    /// A statement with one value or several.
    Leaf,
    /// A statement without a value.
    Flag,
    /// A statement with a plugin's own statements in it.
    Settings,
    /// The name of an instance.
    Instance,
    /// A value.
    Value,
}

/// What only the running system knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Live {
    /// Names of network interfaces.
    Interfaces,
    /// Paths of files.
    Files,
    /// Numbers of earlier revisions.
    Revisions,
}

const VERBS: [(&str, &str); 18] = [
    ("set", "Puts statements in"),
    ("delete", "Takes a statement out, or one value of it"),
    ("edit", "Goes to a statement: commands begin there"),
    ("show", "Shows the candidate"),
    ("activate", "Takes the mark `inactive` away"),
    ("deactivate", "Keeps a statement without effect"),
    ("annotate", "Puts lines of comment before a statement"),
    ("copy", "Makes another instance of the same statements"),
    ("rename", "Gives an instance another name"),
    ("insert", "Gives an instance or a value another place"),
    ("protect", "Keeps a statement from being changed"),
    ("unprotect", "Takes the mark `protect` away"),
    ("replace", "Puts one text in the place of another"),
    ("wildcard", "Acts on all that match"),
    ("load", "Reads statements or commands from a file"),
    ("rollback", "Takes an earlier revision as candidate"),
    ("top", "Goes to the top, or begins a command there"),
    ("up", "Goes one level up, or several"),
];

/// How a line of statements, as it stands behind `set`, may go on; it begins at `base`.
///
/// ```
/// use bindery_config::{edit::{Path, complete}, tree::Tree};
/// let found = complete(&Tree::default(), &Path::default(), "policy shape-");
/// assert_eq!((found.start, &*found.candidates[0].text), (7, "shape-reply"));
/// ```
pub fn complete(tree: &Tree, base: &Path, line: &str) -> Completions {
    Line::new(tree, base, line).map_or_else(Completions::default, |mut line| {
        line.set();
        line.finish()
    })
}

/// How a command may go on; its paths begin at `base`.
pub fn complete_command(tree: &Tree, base: &Path, line: &str) -> Completions {
    let Some(mut line) = Line::new(tree, base, line) else { return Completions::default() };
    line.command();
    line.finish()
}

/// A line that is read: its whole words, and what shall come behind them.
struct Line<'t, 'l> {
    tree: &'t Tree,
    base: Path,
    words: Vec<Word<'l>>,
    at: usize,
    out: Emitter,
}

impl<'t, 'l> Line<'t, 'l> {
    /// None if the line cannot go on at its end.
    fn new(tree: &'t Tree, base: &Path, text: &'l str) -> Option<Self> {
        let mut reader = Words::new(text, Span { start: 0, end: text.len() });
        let mut words = Vec::new();
        let out = loop {
            let (left, span) = reader.rest();
            match reader.next() {
                Ok(Some(word)) if word.span.end == text.len() && word.kind == WordKind::Bare => {
                    break Emitter::new(word.text.into_owned(), span.start, false);
                }
                Ok(Some(word)) if word.span.end == text.len() && word.kind == WordKind::Quoted => return None,
                Ok(Some(word)) => words.push(word),
                Ok(None) => break Emitter::new(String::new(), text.len(), false),
                Err(_) => break Emitter::new(left.strip_prefix('"')?.to_owned(), span.start, true),
            }
        };
        Some(Self { tree, base: base.clone(), words, at: 0, out })
    }

    fn finish(self) -> Completions {
        self.out.finish()
    }

    fn word(&mut self) -> Option<&Word<'l>> {
        self.at += 1;
        self.words.get(self.at - 1)
    }

    fn has_more(&self) -> bool {
        self.at < self.words.len()
    }

    fn command(&mut self) {
        let Some(word) = self.word() else {
            VERBS.iter().for_each(|(name, help)| self.out.word(name, help, CandidateKind::Verb));
            return;
        };
        let begun: Vec<&str> =
            VERBS.iter().map(|(name, _)| *name).filter(|name| name.starts_with(&*word.text)).collect();
        let exact = begun.iter().find(|name| **name == word.text).copied();
        let only = if let [only] = begun.as_slice() { Some(*only) } else { None };
        match exact.or(only).unwrap_or_default() {
            "set" => self.set(),
            "edit" => self.edit(),
            "show" => self.existing(Say { values: false, ..Say::default() }, true),
            "delete" => self.existing(Say { values: true, ..Say::default() }, true),
            "activate" | "deactivate" | "protect" | "unprotect" => self.existing(Say::default(), false),
            "annotate" => self.annotate(),
            "copy" | "rename" => self.pair(&["to"], false),
            "insert" => self.pair(&["before", "after"], true),
            "replace" => self.replace(),
            "wildcard" => self.wildcard(),
            "load" => self.load(),
            "rollback" => self.rollback(),
            "up" => self.only("<1..32>", "levels"),
            "top" => {
                self.base = Path::default();
                self.out.may_end();
                self.command();
            }
            _ => {}
        }
    }

    fn walker(&mut self, say: Say) -> Option<(Walker<'t, '_>, Spot<'t>)> {
        let spot = Spot::at(self.tree, &self.base)?;
        Some((Walker::new(&self.words, self.at, say), spot))
    }

    fn set(&mut self) {
        let tree = self.tree;
        let at = self.at;
        let Some((mut walker, spot)) = self.walker(Say { set: true, values: true, ..Say::default() }) else { return };
        let next = walker.walk(spot);
        let begun = walker.at > at;
        match next {
            Some(Next::Statement(spot)) => {
                spot.allowed().for_each(|statement| self.out.statement(statement));
                if begun {
                    self.out.may_end();
                }
            }
            Some(Next::Key(spot, statement)) => {
                self.out.instances(&spot, statement);
                self.out.key_hint(statement);
            }
            Some(Next::Value { statement, node, open }) => self.out.values(tree, statement, node, open.as_deref()),
            Some(Next::Ended) => self.out.may_end(),
            None => {}
        }
    }

    fn edit(&mut self) {
        let at = self.at;
        let Some((mut walker, spot)) = self.walker(Say::default()) else { return };
        let next = walker.walk(spot);
        let begun = walker.at > at;
        match next {
            Some(Next::Statement(spot)) => {
                let blocks = spot.allowed().filter(|statement| super::is_block(statement));
                blocks.for_each(|statement| self.out.statement(statement));
                if begun {
                    self.out.may_end();
                }
            }
            Some(Next::Key(spot, statement)) => {
                self.out.instances(&spot, statement);
                self.out.key_hint(statement);
            }
            _ => {}
        }
    }

    /// A statement that is there. `bare`: the command may have none.
    fn existing(&mut self, say: Say, bare: bool) {
        let (at, patterns) = (self.at, say.patterns);
        let Some((mut walker, spot)) = self.walker(say) else { return };
        let next = walker.walk(spot);
        let begun = bare || walker.at > at;
        match next {
            Some(Next::Statement(spot)) => {
                self.out.there(&spot);
                if begun {
                    self.out.may_end();
                }
            }
            Some(Next::Key(spot, statement)) => {
                self.out.instances(&spot, statement);
                if patterns {
                    self.out.hint("<pattern>", "* is any text, ? any character, [a-c] one of these");
                }
            }
            Some(Next::Value { statement, node, .. }) => {
                self.out.present(statement, node);
                self.out.may_end();
            }
            Some(Next::Ended) => self.out.may_end(),
            None => {}
        }
    }

    fn annotate(&mut self) {
        let at = self.at;
        let Some((mut walker, spot)) = self.walker(Say::default()) else { return };
        let next = walker.walk(spot);
        let begun = walker.at > at;
        match next {
            Some(Next::Statement(spot)) => self.out.there(&spot),
            Some(Next::Key(spot, statement)) => return self.out.instances(&spot, statement),
            Some(Next::Ended) => {}
            _ => return,
        }
        if begun {
            self.out.hint("\"text\"", "lines of comment in quotes; \"\" takes them away");
        }
    }

    /// Two statements with a word of `between` between them.
    fn pair(&mut self, between: &'static [&'static str], values: bool) {
        let at = self.at;
        let Some((mut walker, spot)) = self.walker(Say { values, stops: between, ..Say::default() }) else { return };
        let next = walker.walk(spot);
        let (last, stop) = (walker.last, walker.at);
        let stopped = self.words.get(stop).is_some();
        match next {
            Some(Next::Statement(spot)) if !stopped => self.out.there(&spot),
            Some(Next::Key(spot, statement)) => return self.out.instances(&spot, statement),
            Some(Next::Value { statement, node, .. }) if !stopped => self.out.present(statement, node),
            Some(_) => {}
            None => return,
        }
        if !stopped {
            let words = between.iter().filter(|_| stop > at);
            return words.for_each(|word| self.out.word(word, "", CandidateKind::Keyword));
        }
        let Some((spot, statement)) = last else { return };
        self.at = stop + 1;
        match self.words.get(self.at..).unwrap_or_default() {
            [] => {}
            [name] if *name.text == *statement.name => {}
            _ => return,
        }
        if !self.has_more() && matches!(statement.kind, crate::schema::Kind::Named(..)) {
            self.out.statement(statement);
        }
        if !values {
            return self.out.key_hint(statement);
        }
        // Nothing stands before or behind itself.
        if let Some(own) = stop.checked_sub(1).and_then(|at| self.words.get(at)) {
            self.out.leave_out(&own.text);
        }
        match statement.kind {
            crate::schema::Kind::LeafList(_) => self.out.present(statement, spot.node(statement, None)),
            _ => self.out.instances(&spot, statement),
        }
    }

    fn replace(&mut self) {
        match self.words.len() - self.at {
            0 => self.out.word("pattern", "The text to look for", CandidateKind::Keyword),
            1 => self.out.hint("<text>", "the text to look for"),
            2 => self.out.word("with", "What takes its place", CandidateKind::Keyword),
            3 => self.out.hint("<text>", "what takes its place"),
            4 => {
                self.out.word("upto", "Most values that change", CandidateKind::Keyword);
                self.out.may_end();
            }
            5 => self.out.hint("<1..>", "most values that change, from the top on"),
            6 => self.out.may_end(),
            _ => {}
        }
    }

    fn wildcard(&mut self) {
        match self.word().map(|word| word.text.clone().into_owned()).as_deref() {
            None => {
                self.out.word("delete", "Takes out all that match", CandidateKind::Keyword);
                self.out.word("range", "Sets many: [0-3,7,!2] in a word is each of these", CandidateKind::Keyword);
            }
            Some("range") => match self.word().map(|word| word.text == "set") {
                None => self.out.word("set", "Puts statements in", CandidateKind::Keyword),
                Some(true) => self.set(),
                Some(false) => {}
            },
            Some("delete") => self.existing(Say { patterns: true, ..Say::default() }, false),
            Some(_) => {}
        }
    }

    fn load(&mut self) {
        const HOW: [(&str, &str); 6] = [
            ("merge", "Both hold; where they differ, what is loaded"),
            ("override", "What is loaded takes the place of all"),
            ("patch", "The text is a comparison"),
            ("replace", "What has the tag replace takes the place of what is there"),
            ("set", "The text has commands"),
            ("update", "As override; what is the same counts as unchanged"),
        ];
        let Some(how) = self.word().map(|word| word.text.clone().into_owned()) else {
            return HOW.iter().for_each(|(word, help)| self.out.word(word, help, CandidateKind::Keyword));
        };
        if !HOW.iter().any(|(word, _)| *word == how) {
            return;
        }
        let relative = self.words.get(self.at).is_some_and(|word| word.text == "relative");
        self.at += usize::from(relative);
        if self.has_more() {
            if self.words.len() == self.at + 1 {
                self.out.may_end();
            }
            return;
        }
        self.out.word("terminal", "The text is typed, and ends with ^D", CandidateKind::Keyword);
        if !relative {
            self.out.word("relative", "Statements begin where the operator is", CandidateKind::Keyword);
        }
        self.out.hint("<file>", "the path of a file");
        self.out.wants(Live::Files);
    }

    fn rollback(&mut self) {
        self.only("<0..49>", "how many commits ago");
        if self.words.len() == self.at {
            self.out.word("rescue", "The rescue configuration", CandidateKind::Keyword);
            self.out.wants(Live::Revisions);
        }
    }

    /// A command with one word behind it that need not be there.
    fn only(&mut self, hint: &str, help: &str) {
        match self.words.len() - self.at {
            0 => self.out.hint(hint, help),
            1 => {}
            _ => return,
        }
        self.out.may_end();
    }
}
