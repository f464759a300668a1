//! How a line may go on: fixed words from the tables, live data and statements from the daemon.

mod live;

pub(crate) use live::{Daemon, Schema};

use crate::{
    grammar::{self, Argument, Entry, Kind, Mode, Tail, Value},
    pipe::{Behind, DISPLAYS, PIPES},
    words::{self, Word},
};
use bindery_api::CompletionList;
use std::fmt::Write as _;

/// Where the operator is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Place {
    /// Which commands there are.
    pub(crate) mode: Mode,
    /// The editing session.
    pub(crate) session: Option<u64>,
    /// The statement that is edited, as words.
    pub(crate) path: String,
}

/// One way to go on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Item {
    /// The word as it is typed, or what stands for a value.
    pub(crate) word: String,
    /// What it is.
    pub(crate) help: String,
    /// Whether it may be typed as it stands.
    pub(crate) literal: bool,
}

impl Item {
    fn literal(word: impl AsRef<str>, help: impl Into<String>) -> Self {
        Self { word: words::quote(word.as_ref()), help: help.into(), literal: true }
    }

    /// Whether it begins as what was typed.
    fn begins(&self, begun: &str) -> bool {
        self.word.starts_with(begun) || self.word.strip_prefix('"').is_some_and(|word| word.starts_with(begun))
    }

    fn hint(word: impl Into<String>, help: impl Into<String>) -> Self {
        Self { word: word.into(), help: help.into(), literal: false }
    }
}

/// All ways to go on.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Completions {
    /// Byte of the line where the word begins that they take the place of.
    pub(crate) start: usize,
    /// What may stand there.
    pub(crate) items: Vec<Item>,
    /// Whether there were more.
    pub(crate) cut: bool,
    /// Whether the command may end here.
    pub(crate) enter: bool,
}

impl Completions {
    /// What a key that completes does: the text that takes the place of the line from `start` on; none where there is
    /// nothing to add.
    pub(crate) fn extension(&self, line: &str) -> Option<String> {
        let begun = line.get(self.start..)?;
        if begun.is_empty() && self.enter {
            // The command may end here: nobody asked for more words.
            return None;
        }
        let literals: Vec<&str> =
            self.items.iter().filter(|item| item.literal).map(|item| item.word.as_str()).collect();
        let hints = self.items.iter().any(|item| !item.literal);
        if let ([only], false, false) = (literals.as_slice(), hints, self.cut) {
            let folder = only.trim_end_matches('"').ends_with('/');
            return Some(if folder { (*only).to_owned() } else { format!("{only} ") });
        }
        let first = *literals.first()?;
        let common = literals.iter().fold(first.len(), |len, other| {
            let same = first.char_indices().zip(other.chars()).take_while(|((_, a), b)| a == b);
            same.last().map_or(0, |((at, c), _)| at + c.len_utf8()).min(len)
        });
        let common = first.get(..common)?;
        (common.len() > begun.len() && common.starts_with(begun)).then(|| common.to_owned())
    }

    /// The list that `?` shows, a line each of `columns`.
    pub(crate) fn help(&self, columns: usize) -> String {
        if self.items.is_empty() && !self.enter {
            return "No valid completions\n".to_owned();
        }
        let mut rows: Vec<(&str, &str)> = Vec::new();
        if self.enter {
            rows.push(("<[Enter]>", "Execute this command"));
        }
        rows.extend(self.items.iter().map(|item| (item.word.as_str(), item.help.as_str())));
        if self.enter {
            rows.push(("|", "Pipe through a command"));
        }
        let width = rows.iter().map(|(word, _)| word.chars().count()).max().unwrap_or_default().clamp(20, 44);
        let mut text = String::from("Possible completions:\n");
        for (word, help) in rows {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{}", shortened(format!("  {word:<width$} {help}").trim_end(), columns));
        }
        if self.cut {
            text.push_str("  ...\n");
        }
        text
    }
}

/// A line that fits: its first sentence, or what of it fits.
fn shortened(line: &str, columns: usize) -> String {
    let fits = |line: &str| line.chars().count() <= columns;
    let sentence = line.split_once(". ").map_or(line, |(first, _)| first);
    match (fits(line), fits(sentence)) {
        (true, _) => line.to_owned(),
        (_, true) => format!("{sentence}."),
        _ => line.chars().take(columns.saturating_sub(3)).chain("...".chars()).collect(),
    }
}

/// What only the daemon knows. It answers soon or not at all.
pub(crate) trait Live {
    /// Values that there are, which begin with `begun`.
    fn values(&self, value: Value, begun: &str) -> Vec<Item>;

    /// How a command on configuration statements may go on.
    fn statements(&self, place: &Place, line: &str) -> Option<CompletionList>;
}

/// How `line`, typed up to the cursor, may go on.
pub(crate) fn complete(line: &str, place: &Place, live: &dyn Live) -> Completions {
    let parts = words::parts(line);
    let (Some((begin, part)), first) = (parts.last().copied(), parts.len() == 1) else { return Completions::default() };
    let mut typed = words::words(part);
    let begun = match typed.last() {
        Some(word) if word.end == part.len() && (!word.quoted || words::is_quoted(part)) => typed.pop(),
        _ => None,
    };
    let start = begin + begun.as_ref().map_or(part.len(), |word| word.start);
    let begun = begun.map(|word| word.text).unwrap_or_default();
    let asked = Asked { line, begin, typed: &typed, begun: &begun, start, live };
    match first {
        true => asked.command(place),
        false => asked.pipe(),
    }
}

/// One question, taken apart.
struct Asked<'a> {
    line: &'a str,
    /// Where the part with the cursor begins.
    begin: usize,
    /// Whole words of the part before the cursor.
    typed: &'a [Word],
    /// The word at the cursor.
    begun: &'a str,
    /// Where that begins.
    start: usize,
    live: &'a dyn Live,
}

impl Asked<'_> {
    fn found(&self, items: Vec<Item>, enter: bool) -> Completions {
        let mut items: Vec<Item> = items.into_iter().filter(|item| !item.literal || item.begins(self.begun)).collect();
        items.dedup_by(|a, b| a.word == b.word);
        Completions { start: self.start, items, cut: false, enter }
    }

    fn command(&self, place: &Place) -> Completions {
        let Ok(step) = grammar::walk(place.mode, self.typed) else { return Completions::default() };
        let mut items = Vec::new();
        if step.read == self.typed.len() {
            for word in &step.next {
                let whole = if step.before.is_empty() { (*word).to_owned() } else { format!("{} {word}", step.before) };
                let entry = place.mode.table().iter().find(|entry| entry.words == whole);
                let help = entry.map(|entry| entry.help).or_else(|| grammar::words_help(&whole)).unwrap_or_default();
                items.push(Item::literal(word, help));
            }
            items.sort_by(|a, b| a.word.cmp(&b.word));
        }
        let Some(entry) = step.entry else { return self.found(items, false) };
        self.behind(entry, self.typed.get(step.read..).unwrap_or_default(), items, place)
    }

    /// Behind the words of a command.
    fn behind(&self, entry: &'static Entry, rest: &[Word], mut items: Vec<Item>, place: &Place) -> Completions {
        let Ok(given) = grammar::arguments(entry, rest) else { return Completions::default() };
        if let Some(argument) = given.wants {
            items.extend(self.values(argument));
            return self.found(items, false);
        }
        let tail = rest.get(given.read).map_or(self.start, |word| self.begin + word.start);
        let needed = entry.needs == 0
            || entry.arguments.iter().any(|a| a.class == entry.needs && given.given.contains_key(a.name));
        let enter = needed && self.begun.is_empty();
        if given.read == rest.len() {
            items.extend(given.may.into_iter().flat_map(|argument| self.values(argument)));
            for argument in grammar::open(entry, &given.given) {
                match argument.kind {
                    Kind::Bare(_) => items.extend(self.values(argument)),
                    _ => items.push(Item::literal(argument.name, argument.help)),
                }
            }
        }
        let inner = match entry.tail {
            Tail::None => return self.found(items, enter),
            Tail::Statement => return self.statement(entry, tail, items, place),
            Tail::Operational => Place::default(),
            Tail::Configure if entry.words == "top" => Place { path: String::new(), ..place.clone() },
            Tail::Configure => place.clone(),
        };
        let Some(inside) = self.line.get(tail..) else { return Completions::default() };
        let mut found = complete(inside, &inner, self.live);
        found.start += tail;
        found.enter |= enter && entry.tail == Tail::Configure && inside.is_empty();
        if inside.is_empty() || given.read == rest.len() {
            let own = self.found(items, false).items;
            found.items.splice(0..0, own);
        }
        found
    }

    fn statement(&self, entry: &'static Entry, tail: usize, items: Vec<Item>, place: &Place) -> Completions {
        let verb = if entry.words == "show configuration" { "show" } else { entry.words };
        let typed = self.line.get(tail..).unwrap_or_default();
        let own = self.found(items, false);
        let Some(list) = self.live.statements(place, &format!("{verb} {typed}")) else { return own };
        let before = verb.len() + 1;
        let start = usize::try_from(list.start).ok().and_then(|start| start.checked_sub(before));
        let Some(start) = start.map(|start| start + tail).filter(|start| *start <= self.line.len()) else {
            return own;
        };
        let told = list.completions.into_iter();
        let told: Vec<Item> =
            told.map(|found| Item { word: found.word, help: found.help, literal: found.literal }).collect();
        // The schema tells what kind of value may stand there; which there are, only the running system knows.
        let live: Vec<Item> = told
            .iter()
            .filter(|item| !item.literal)
            .flat_map(|hint| match hint.word.as_str() {
                "<interface>" => self.live.values(Value::Interface, self.begun),
                "<MAC address>" => self.live.values(Value::Mac, self.begun),
                "<file>" => live::files(self.begun),
                _ => Vec::new(),
            })
            .filter(|item| told.iter().all(|known| known.word != item.word))
            .collect();
        let items = own.items.into_iter().chain(told).chain(live).collect();
        Completions { start, items, cut: list.cut, enter: list.complete }
    }

    fn values(&self, argument: &Argument) -> Vec<Item> {
        let (Kind::Named(value) | Kind::Optional(value) | Kind::Bare(value)) = argument.kind else { return Vec::new() };
        let mut items: Vec<Item> = match value {
            Value::File | Value::Source => live::files(self.begun),
            _ => self.live.values(value, self.begun),
        };
        match value {
            Value::Source => items.push(Item::literal("terminal", "What is typed, up to Ctrl-D")),
            Value::RollbackOrRescue => items.push(Item::literal("rescue", "The rescue configuration")),
            _ => {}
        }
        if self.begun.is_empty() || value.accepts(self.begun) {
            items.insert(0, Item::hint(value.hint(), argument.help));
        }
        items
    }

    /// Behind a `|`.
    fn pipe(&self) -> Completions {
        let Some(word) = self.typed.first() else {
            let items = PIPES.iter().map(|(name, _, help)| Item::literal(name, *help)).collect();
            return self.found(items, false);
        };
        let begun: Vec<_> = PIPES.iter().filter(|(name, ..)| name.starts_with(&word.text)).collect();
        let behind = match begun.as_slice() {
            [(_, behind, _)] => *behind,
            _ => return Completions::default(),
        };
        let hint = |word: &str, help: &str| vec![Item::hint(word, help)];
        let (items, enter) = match (behind, self.typed.len()) {
            (Behind::Nothing, 1) => (Vec::new(), true),
            (Behind::Pattern, 1) => (hint("<pattern>", "Regular expression, in quotes if it has blanks"), false),
            (Behind::File, 1) => (live::files(self.begun), false),
            (Behind::Lines, 1) => (hint("<number>", "Lines; a page if not given"), true),
            (Behind::Columns, 1) => (hint("<number>", "Columns"), false),
            (Behind::Display, 1) => (DISPLAYS.iter().map(|(name, help)| Item::literal(name, *help)).collect(), false),
            (Behind::Compare, 1) => (vec![Item::literal("rollback", "With a configuration from before")], true),
            (Behind::Compare, 2) => (self.live.values(Value::Rollback, self.begun), false),
            _ => (Vec::new(), true),
        };
        self.found(items, enter && self.begun.is_empty())
    }
}

#[cfg(test)]
mod tests;
