//! Reads words by the tables.

use super::Mode;
use super::table::{Argument, Entry, Kind, Tail};
use crate::words::{Word, words};
use std::collections::BTreeMap;

/// A command that the tables know.
#[derive(Clone, Debug)]
pub(crate) struct Parsed {
    /// Which.
    pub(crate) entry: &'static Entry,
    /// The arguments that were given, with their values.
    values: BTreeMap<&'static str, Option<String>>,
    /// The words of the tail as they were typed.
    pub(crate) tail: String,
}

impl Parsed {
    /// Whether the argument was given.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// Its value.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.values.get(name)?.as_deref()
    }

    /// Its value as a number.
    ///
    /// # Errors
    /// It is too large.
    pub(crate) fn number<T: std::str::FromStr>(&self, name: &'static str) -> Result<Option<T>, Mistake> {
        let read = |text: &str| text.parse().map_err(|_| Mistake::Number { name, text: text.to_owned() });
        self.value(name).map(read).transpose()
    }
}

/// The user's mistake, with what would be right.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Mistake {
    /// No words.
    #[error("say a command; `bindery --help` lists them")]
    Empty,
    /// A word that fits nowhere.
    #[error("`{word}` is no word after `{before}`: expected {expected}")]
    Unknown { word: String, before: String, expected: String },
    /// A word that begins no command.
    #[error("unknown command `{word}`: expected {expected}")]
    NoCommand { word: String, expected: String },
    /// A command of configuration mode where there is none.
    #[error("`{0}` is a command of configuration mode: `configure` goes there")]
    NotConfiguring(String),
    /// An operational command in configuration mode.
    #[error("`{0}` is an operational command: say `run {0}`")]
    Operational(String),
    /// A beginning of several words.
    #[error("`{word}` is short for several words: {candidates}")]
    Ambiguous { word: String, candidates: String },
    /// The command goes on.
    #[error("`{before}` goes on with {expected}")]
    Incomplete { before: String, expected: String },
    /// An argument without the one that it goes with.
    #[error("`{word}` goes with `{with}` only: say `{before} {with} {word}`")]
    Alone { word: String, with: String, before: String },
    /// Two arguments that exclude each other.
    #[error("`{before}` takes only one of {expected}")]
    Several { before: String, expected: String },
    /// A number that is too large.
    #[error("`{name}`: {text} is out of range")]
    Number { name: &'static str, text: String },
    /// A pipe that does not fit.
    #[error("{0}")]
    Pipe(String),
}

/// How far words lead into a table.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// A command whose words are complete: its arguments may follow.
    pub(crate) entry: Option<&'static Entry>,
    /// Words of longer commands that may follow.
    pub(crate) next: Vec<&'static str>,
    /// Words that were read, in full.
    pub(crate) before: String,
    /// How many words were read.
    pub(crate) read: usize,
}

/// Follows `words` into the table as far as they are words of commands.
///
/// # Errors
/// [`Mistake::Ambiguous`], [`Mistake::NoCommand`], [`Mistake::Unknown`].
pub(crate) fn walk(mode: Mode, words: &[Word]) -> Result<Step, Mistake> {
    let mut live: Vec<(&'static Entry, Vec<&'static str>)> =
        mode.table().iter().map(|entry| (entry, entry.words.split(' ').collect())).collect();
    let mut before: Vec<&'static str> = Vec::new();
    loop {
        let at = before.len();
        let entry = live.iter().find(|(_, words)| words.len() == at).map(|(entry, _)| *entry);
        let mut next: Vec<&'static str> = live.iter().filter_map(|(_, words)| words.get(at).copied()).collect();
        next.dedup();
        let step = Step { entry, next: next.clone(), before: before.join(" "), read: at };
        let Some(word) = words.get(at).filter(|_| !next.is_empty()) else { return Ok(step) };
        let chosen = match choose(word, &next) {
            Ok(chosen) => chosen,
            // What follows may be an argument.
            Err(_) if entry.is_some() => return Ok(step),
            Err(Mistake::Unknown { word, expected, .. }) if at == 0 => {
                return Err(Mistake::NoCommand { word, expected });
            }
            Err(Mistake::Unknown { word, expected, .. }) => {
                return Err(Mistake::Unknown { word, expected, before: step.before });
            }
            Err(other) => return Err(other),
        };
        live.retain(|(_, words)| words.get(at) == Some(&chosen));
        before.push(chosen);
    }
}

/// Words that give way: `conf` means `configure` to every operator, and `se` means `set`.
const YIELDING: [&str; 2] = ["config", "sessions"];

/// The word of `next` that `word` is, or is the unique beginning of.
fn choose(word: &Word, next: &[&'static str]) -> Result<&'static str, Mistake> {
    let text = word.text.as_str();
    if let Some(same) = next.iter().find(|candidate| **candidate == text) {
        return Ok(same);
    }
    let mut begun: Vec<&'static str> = next.iter().copied().filter(|c| c.starts_with(text)).collect();
    begun.sort_unstable();
    begun.dedup();
    if begun.iter().any(|candidate| !YIELDING.contains(candidate)) {
        begun.retain(|candidate| !YIELDING.contains(candidate));
    }
    match begun.as_slice() {
        _ if word.quoted => {}
        [one] => return Ok(one),
        [] => {}
        several => return Err(Mistake::Ambiguous { word: word.text.clone(), candidates: list(several) }),
    }
    Err(Mistake::Unknown { word: word.text.clone(), before: String::new(), expected: list(next) })
}

fn list(words: &[&str]) -> String {
    let mut words = words.to_vec();
    words.sort_unstable();
    words.dedup();
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// Arguments that may still be given, after those in `given`.
pub(crate) fn open(entry: &'static Entry, given: &BTreeMap<&'static str, Option<String>>) -> Vec<&'static Argument> {
    let taken =
        |class: u8| class != 0 && entry.arguments.iter().any(|a| a.class == class && given.contains_key(a.name));
    let fits = |argument: &&Argument| {
        !given.contains_key(argument.name)
            && !taken(argument.class)
            && (argument.after.is_empty() || given.contains_key(argument.after))
    };
    entry.arguments.iter().filter(fits).collect()
}

/// What the words behind a command's own are.
#[derive(Clone, Debug)]
pub(crate) struct Arguments {
    /// Those given.
    pub(crate) given: BTreeMap<&'static str, Option<String>>,
    /// The one whose value must follow.
    pub(crate) wants: Option<&'static Argument>,
    /// The one whose value may follow.
    pub(crate) may: Option<&'static Argument>,
    /// Words read.
    pub(crate) read: usize,
}

/// Reads the arguments of `entry`.
///
/// # Errors
/// A word that is none, unless the entry has a tail that it may belong to.
pub(crate) fn arguments(entry: &'static Entry, words: &[Word]) -> Result<Arguments, Mistake> {
    let mut found = Arguments { given: BTreeMap::new(), wants: None, may: None, read: 0 };
    while let Some(word) = words.get(found.read) {
        let expecting = found
            .wants
            .take()
            .or(found.may.take_if(|may| matches!(may.kind, Kind::Optional(v) if v.accepts(&word.text))));
        found.may = None;
        if let Some(argument) = expecting {
            found.given.insert(argument.name, Some(word.text.clone()));
            found.read += 1;
            continue;
        }
        let open = open(entry, &found.given);
        let argument = match argument(&open, word) {
            Ok(argument) => argument,
            Err(_) if entry.tail != Tail::None => return Ok(found),
            Err(mistake) => return Err(refused(entry, &found, word, mistake)),
        };
        found.given.insert(argument.name, None);
        match argument.kind {
            Kind::Flag => {}
            Kind::Named(_) => found.wants = Some(argument),
            Kind::Optional(_) => found.may = Some(argument),
            Kind::Bare(_) => drop(found.given.insert(argument.name, Some(word.text.clone()))),
        }
        found.read += 1;
    }
    Ok(found)
}

/// The argument that a word is or begins: its keyword first, then a value that may stand alone, then a beginning.
fn argument(open: &[&'static Argument], word: &Word) -> Result<&'static Argument, Mistake> {
    let keywords = || open.iter().copied().filter(|argument| !matches!(argument.kind, Kind::Bare(_)));
    if !word.quoted
        && let Some(same) = keywords().find(|argument| argument.name == word.text)
    {
        return Ok(same);
    }
    let bare = |argument: &&Argument| matches!(argument.kind, Kind::Bare(value) if value.accepts(&word.text));
    if let Some(found) = open.iter().copied().find(bare) {
        return Ok(found);
    }
    let names: Vec<&'static str> = keywords().map(|argument| argument.name).collect();
    let name = choose(word, &names)?;
    keywords().find(|argument| argument.name == name).ok_or(Mistake::Empty)
}

fn refused(entry: &Entry, found: &Arguments, word: &Word, mistake: Mistake) -> Mistake {
    if matches!(mistake, Mistake::Ambiguous { .. }) {
        return mistake;
    }
    let alone = |argument: &&Argument| {
        argument.name == word.text && !argument.after.is_empty() && !found.given.contains_key(argument.after)
    };
    if let Some(alone) = entry.arguments.iter().find(alone) {
        let (with, before) = (alone.after.to_owned(), entry.words.to_owned());
        return Mistake::Alone { word: word.text.clone(), with, before };
    }
    // A second one of a class tells more than the word itself.
    let known = entry.arguments.iter().find(|argument| match argument.kind {
        Kind::Bare(value) => value.accepts(&word.text),
        _ => argument.name == word.text,
    });
    if let Some(known) = known.filter(|known| known.class != 0 && found.read > 0) {
        let same: Vec<String> = entry.arguments.iter().filter(|a| a.class == known.class).map(Argument::form).collect();
        return Mistake::Several { before: entry.words.to_owned(), expected: same.join(", ") };
    }
    let expected = match entry.form() {
        form if form.is_empty() => "nothing more".to_owned(),
        form => form,
    };
    Mistake::Unknown { word: word.text.clone(), before: entry.words.to_owned(), expected }
}

/// What is wrong with words that the other mode may know: then they stand in the wrong one.
fn of_other_mode(mode: Mode, words: &[Word], mistake: Mistake) -> Mistake {
    let set = |before: &str| mode == Mode::Operational && before == "set";
    let unknown = match &mistake {
        Mistake::NoCommand { .. } => true,
        Mistake::Unknown { before, .. } => set(before),
        _ => false,
    };
    let (Some(word), true) = (words.first(), unknown) else { return mistake };
    let other = match mode {
        Mode::Operational => Mode::Configure,
        Mode::Configure => Mode::Operational,
    };
    let firsts: Vec<&'static str> = other.table().iter().filter_map(|entry| entry.words.split(' ').next()).collect();
    match (mode, choose(word, &firsts)) {
        (Mode::Operational, Ok(known)) => Mistake::NotConfiguring(known.to_owned()),
        (Mode::Configure, Ok(known)) if known != "configure" => Mistake::Operational(known.to_owned()),
        _ => mistake,
    }
}

/// Reads a command; pipes are no part of it.
///
/// # Errors
/// [`Mistake`].
pub(crate) fn parse(mode: Mode, line: &str) -> Result<Parsed, Mistake> {
    let words = words(line);
    if words.is_empty() {
        return Err(Mistake::Empty);
    }
    let step = walk(mode, &words).map_err(|mistake| of_other_mode(mode, &words, mistake))?;
    let Some(entry) = step.entry else {
        return Err(match words.get(step.read) {
            None => Mistake::Incomplete { before: step.before, expected: list(&step.next) },
            Some(word) => Mistake::Unknown { word: word.text.clone(), before: step.before, expected: list(&step.next) },
        });
    };
    let rest = words.get(step.read..).unwrap_or_default();
    let found = arguments(entry, rest)?;
    let incomplete = |expected: String| Mistake::Incomplete { before: entry.words.to_owned(), expected };
    if let Some(Argument { name, kind: Kind::Named(value), .. }) = found.wants {
        let before = format!("{} {name}", entry.words);
        return Err(Mistake::Incomplete { before, expected: value.hint().to_owned() });
    }
    let required = |argument: &&Argument| argument.class == entry.needs;
    if entry.needs != 0 && !entry.arguments.iter().filter(required).any(|a| found.given.contains_key(a.name)) {
        return Err(incomplete(entry.form()));
    }
    let tail = rest.get(found.read).and_then(|word| line.get(word.start..)).unwrap_or_default().trim_end().to_owned();
    Ok(Parsed { entry, values: found.given, tail })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grammar::Action;
    use bindery_api::Verb;

    fn show(line: &str) -> String {
        let mode = if line.starts_with('#') { Mode::Configure } else { Mode::Operational };
        match parse(mode, line.trim_start_matches('#')) {
            Ok(parsed) => {
                let values: Vec<String> = parsed
                    .values
                    .iter()
                    .map(|(name, value)| match value {
                        Some(value) => format!(" {name}={value}"),
                        None => format!(" {name}"),
                    })
                    .collect();
                let tail = if parsed.tail.is_empty() { String::new() } else { format!(" ...{}", parsed.tail) };
                format!("{}:{}{tail}", parsed.entry.words, values.concat())
            }
            Err(mistake) => format!("! {mistake}"),
        }
    }

    #[test]
    fn words_may_be_short_while_unique() {
        let verb = |line: &str| parse(Mode::Operational, line).unwrap().entry.action;
        assert_eq!(verb("sh d se b"), Action::Ask(Verb::Bindings));
        assert_eq!(verb("show system commit"), Action::Ask(Verb::CommitHistory));
        assert_eq!(verb("show system commit p"), Action::Ask(Verb::CommitProgress));
    }

    #[test]
    fn lines_and_what_they_are() {
        let lines = "
            sh d s b det
            sh d s b 192.0.2.10 detail
            show dhcp server binding 02:00:00:00:00:01
            show dhcp server binding interface eth*
            show dhcp server binding nonsense
            show dhcp server binding 1.2.3.4 interface eth0
            clear dhcp server binding
            clear dhcp server binding all interface eth1
            clear dhcp server binding 7
            request dhcp server reconfigure all refresh pace 5
            request dhcp server reconfigure all pace
            show route protocol access
            show route access
            show configuration system services
            show system rollback 3 compare 1
            show system rollback
            monitor dhcp server pool \"a b\"
            monitor dhcp server interface
            show version extra
            re
            sho
            s
            nope
            show nope
            set cli screen-length 40
            conf
            se c sc 0
            config
            sess import kea x.csv
            conf import kea x
            #set system services
            #commit confirmed 5 comment \"a b\" and-quit
            #commit confirmed and-quit
            #commit renumber pace 100 sessions
            #commit pace 100
            #commit comment
            set system services
            commit
            del system
            #clear dhcp server statistics
            #conf private
            #commit force renumber
            #commit c
            #load merge terminal relative json
            #load merge
            #load
            #rollback rescue
            #rollback x
            #rollback
            #top set policy x
            #up 2
            #up 2 show
            #run show version
            #wild delete interface *
            #wild r s group g[1-3] interface eth[1-3]
            #exit conf
        ";
        let shown: Vec<String> = lines.lines().map(str::trim).filter(|l| !l.is_empty()).map(show).collect();
        expect_test::expect_file!["../../tests/grammar.txt"].assert_eq(&(shown.join("\n") + "\n"));
    }
}
