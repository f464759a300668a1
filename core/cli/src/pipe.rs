//! What stands behind `|`: the tables of words, and what each does to a text.

use crate::{grammar::Mistake, words};
use bindery_api::Format;
use regex::Regex;
use std::{
    collections::VecDeque,
    fs::{File, OpenOptions},
    io::{self, Write},
    path::PathBuf,
};

/// Words of pipes, with what follows and what they do.
pub(crate) const PIPES: &[(&str, Behind, &str)] = &[
    ("append", Behind::File, "Appends the output to a file"),
    ("compare", Behind::Compare, "Shows how it differs from the active configuration or from one before"),
    ("count", Behind::Nothing, "Counts lines"),
    ("display", Behind::Display, "Shows it in another form"),
    ("except", Behind::Pattern, "Lines that do not match"),
    ("find", Behind::Pattern, "From the first line that matches on"),
    ("last", Behind::Lines, "The last lines"),
    ("match", Behind::Pattern, "Lines that match"),
    ("no-more", Behind::Nothing, "Does not stop at the end of a page"),
    ("save", Behind::File, "Writes the output to a file"),
    ("trim", Behind::Columns, "Cuts columns off the beginning of lines"),
];

/// Words behind `display`.
pub(crate) const DISPLAYS: &[(&str, &str)] = &[
    ("inheritance", "With what is inherited from groups"),
    ("json", "JSON: exactly what the daemon answers"),
    ("kdl", "KDL, as in the configuration file"),
    ("set", "One command a line"),
];

/// What follows the word of a pipe.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Behind {
    /// Nothing.
    Nothing,
    /// A regular expression.
    Pattern,
    /// A file.
    File,
    /// How many lines; not needed.
    Lines,
    /// How many columns.
    Columns,
    /// `rollback N`; not needed.
    Compare,
    /// One of [`DISPLAYS`].
    Display,
}

/// What a pipe asks of the command before it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Form {
    /// `display`.
    pub(crate) format: Option<Format>,
    /// `compare`: with which configuration.
    pub(crate) compare: Option<String>,
}

/// What a pipe does to the text.
#[derive(Clone, Debug)]
pub(crate) enum Filter {
    Match(Regex),
    Except(Regex),
    Find(Regex),
    Count,
    Last(Option<usize>),
    NoMore,
    Trim(usize),
    Save(PathBuf),
    Append(PathBuf),
}

/// All pipes of a command.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pipes {
    /// What the command does differently.
    pub(crate) form: Form,
    /// What is done to its text, in this order.
    pub(crate) filters: Vec<Filter>,
}

impl Pipes {
    /// Reads the parts of a line behind its first.
    ///
    /// # Errors
    /// [`Mistake`].
    pub(crate) fn read<'a>(parts: impl IntoIterator<Item = &'a str>) -> Result<Self, Mistake> {
        let mut pipes = Self::default();
        for part in parts {
            pipes.part(part)?;
        }
        Ok(pipes)
    }

    fn part(&mut self, part: &str) -> Result<(), Mistake> {
        let words = words::words(part);
        let word = words.first().map_or("", |word| word.text.as_str());
        let names = PIPES.iter().map(|(name, ..)| *name);
        let name = choose(word, names, "|")?;
        let behind = PIPES.iter().find(|(other, ..)| *other == name).map_or(Behind::Nothing, |(_, behind, _)| *behind);
        let argument = words.get(1).map(|word| word.text.as_str());
        let need = |what: &str| {
            argument.ok_or_else(|| Mistake::Incomplete { before: format!("| {name}"), expected: what.to_owned() })
        };
        let mut most = 2;
        match behind {
            Behind::Nothing => {
                most = 1;
                self.filters.push(if name == "count" { Filter::Count } else { Filter::NoMore });
            }
            Behind::Pattern => {
                let pattern = need("a regular expression")?;
                let read = regex::RegexBuilder::new(pattern).case_insensitive(true).build();
                let read =
                    read.map_err(|error| Mistake::Pipe(format!("`{pattern}` is no regular expression: {error}")))?;
                self.filters.push(match name {
                    "match" => Filter::Match(read),
                    "except" => Filter::Except(read),
                    _ => Filter::Find(read),
                });
            }
            Behind::File => {
                let path = PathBuf::from(need("a file")?);
                self.filters.push(if name == "save" { Filter::Save(path) } else { Filter::Append(path) });
            }
            Behind::Lines => self.filters.push(Filter::Last(argument.map(number).transpose()?)),
            Behind::Columns => self.filters.push(Filter::Trim(number(need("a number of columns")?)?)),
            Behind::Compare => most = self.compare(&words)?,
            Behind::Display => self.display(need("json, set, kdl or inheritance")?)?,
        }
        match words.get(most) {
            None => Ok(()),
            Some(word) => Err(Mistake::Unknown {
                word: word.text.clone(),
                before: format!("| {name}"),
                expected: "nothing more".to_owned(),
            }),
        }
    }

    fn compare(&mut self, words: &[words::Word]) -> Result<usize, Mistake> {
        if !self.filters.is_empty() || self.form.compare.is_some() {
            return Err(Mistake::Pipe("`| compare` stands right behind the command".to_owned()));
        }
        let to = match words.get(1) {
            None => "0".to_owned(),
            Some(word) => {
                choose(&word.text, ["rollback"].into_iter(), "| compare")?;
                let expected = "a number of a configuration, or `rescue`".to_owned();
                let missing = || Mistake::Incomplete { before: "| compare rollback".to_owned(), expected };
                words.get(2).ok_or_else(missing)?.text.clone()
            }
        };
        self.form.compare = Some(to);
        Ok(3)
    }

    fn display(&mut self, word: &str) -> Result<(), Mistake> {
        if !self.filters.is_empty() || self.form.format.is_some() {
            return Err(Mistake::Pipe("`| display` stands right behind the command".to_owned()));
        }
        self.form.format = Some(match choose(word, DISPLAYS.iter().map(|(name, _)| *name), "| display")? {
            "json" => Format::Json,
            "kdl" => Format::Kdl,
            "set" => Format::Set,
            _ => Format::Inheritance,
        });
        Ok(())
    }

    /// Whether the output stops at the end of a page.
    pub(crate) fn is_paged(&self) -> bool {
        !self.filters.iter().any(|filter| matches!(filter, Filter::NoMore))
    }

    /// Does to a text what the filters say. What `save` took is not in the result.
    ///
    /// # Errors
    /// A file cannot be written.
    pub(crate) fn apply(&self, text: String, page: usize) -> io::Result<String> {
        self.filters.iter().try_fold(text, |text, filter| filter.apply(text, page))
    }
}

fn number(text: &str) -> Result<usize, Mistake> {
    text.parse().map_err(|_| Mistake::Pipe(format!("`{text}` is no number")))
}

fn choose(word: &str, names: impl Iterator<Item = &'static str>, before: &str) -> Result<&'static str, Mistake> {
    let names: Vec<&'static str> = names.collect();
    let begun: Vec<&'static str> = names.iter().copied().filter(|name| name.starts_with(word)).collect();
    let list = |names: &[&str]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    match begun.as_slice() {
        _ if names.contains(&word) => Ok(names.into_iter().find(|name| *name == word).unwrap_or_default()),
        _ if word.is_empty() => Err(Mistake::Incomplete { before: before.to_owned(), expected: list(&names) }),
        [one] => Ok(one),
        [] => Err(Mistake::Unknown { word: word.to_owned(), before: before.to_owned(), expected: list(&names) }),
        several => Err(Mistake::Ambiguous { word: word.to_owned(), candidates: list(several) }),
    }
}

impl Filter {
    fn apply(&self, text: String, page: usize) -> io::Result<String> {
        Ok(match self {
            Self::Match(pattern) => join(text.lines().filter(|line| pattern.is_match(line))),
            Self::Except(pattern) => join(text.lines().filter(|line| !pattern.is_match(line))),
            Self::Find(pattern) => join(text.lines().skip_while(|line| !pattern.is_match(line))),
            Self::Count => format!("Count: {} lines\n", text.lines().count()),
            Self::Last(most) => {
                let most = most.unwrap_or(page).max(1);
                let mut last: VecDeque<&str> = VecDeque::new();
                for line in text.lines() {
                    if last.len() == most {
                        last.pop_front();
                    }
                    last.push_back(line);
                }
                join(last)
            }
            Self::NoMore => text,
            Self::Trim(columns) => join(text.lines().map(|line| {
                let cut = line.char_indices().nth(*columns).map_or(line.len(), |(at, _)| at);
                line.get(cut..).unwrap_or_default()
            })),
            Self::Save(path) => write(&text, path, "Wrote", File::create(path))?,
            Self::Append(path) => {
                write(&text, path, "Appended", OpenOptions::new().append(true).create(true).open(path))?
            }
        })
    }
}

fn write(text: &str, path: &std::path::Path, verb: &str, opened: io::Result<File>) -> io::Result<String> {
    let told = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    opened.and_then(|mut file| file.write_all(text.as_bytes())).map_err(told)?;
    Ok(format!("{verb} {} lines of output to '{}'\n", text.lines().count(), path.display()))
}

fn join<'a>(lines: impl IntoIterator<Item = &'a str>) -> String {
    let mut text = String::new();
    for line in lines {
        text.push_str(line);
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "one\ntwo\nthree\nfour\n";

    fn through(pipes: &str) -> String {
        let parts = words::parts(pipes);
        let read = Pipes::read(parts.iter().skip(1).map(|(_, part)| *part));
        match read {
            Ok(pipes) => pipes.apply(TEXT.to_owned(), 2).unwrap(),
            Err(mistake) => format!("! {mistake}"),
        }
    }

    #[test]
    fn filters() {
        let table = [
            ("| match O", "one\ntwo\nfour\n"),
            ("| match \"^o|^f\"", "one\nfour\n"),
            ("| except o", "three\n"),
            ("| find tw", "two\nthree\nfour\n"),
            ("| match o | count", "Count: 3 lines\n"),
            ("| last 1", "four\n"),
            ("| last", "three\nfour\n"),
            ("| la 3 | m t", "two\nthree\n"),
            ("| trim 2 | last 2", "ree\nur\n"),
            ("| no-more", TEXT),
        ];
        for (pipes, expected) in table {
            assert_eq!(through(pipes), expected, "{pipes}");
        }
    }

    #[test]
    fn mistakes() {
        let table = [
            ("|", "! `|` goes on with "),
            ("| nope", "! `nope` is no word after `|`"),
            ("| match", "! `| match` goes on with a regular expression"),
            ("| match (", "! `(` is no regular expression"),
            ("| count 3", "! `3` is no word after `| count`"),
            ("| last x", "! `x` is no number"),
            ("| display xml", "! `xml` is no word after `| display`"),
            ("| count | display set", "! `| display` stands right behind"),
            ("| compare rollback", "! `| compare rollback` goes on"),
        ];
        for (pipes, expected) in table {
            assert!(through(pipes).starts_with(expected), "{pipes}: {}", through(pipes));
        }
    }

    #[test]
    fn forms() {
        let form = |text: &str| Pipes::read([text]).unwrap().form;
        assert_eq!(form("display set").format, Some(Format::Set));
        assert_eq!(form("dis inh").format, Some(Format::Inheritance));
        assert_eq!(form("compare").compare.as_deref(), Some("0"));
        assert_eq!(form("compare rollback 3").compare.as_deref(), Some("3"));
    }

    #[test]
    fn files() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        let quoted = words::quote(&path.display().to_string());
        assert!(through(&format!("| match t | save {quoted}")).starts_with("Wrote 2 lines of output to '"));
        assert!(through(&format!("| match four | append {quoted}")).starts_with("Appended 1 lines"));
        assert_eq!(std::fs::read_to_string(path).unwrap(), "two\nthree\nfour\n");
    }
}
