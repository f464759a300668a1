//! What is known of a revision beside its text: lines of `NNNNNNNN.record`.
//!
//! Records of before `format 2` have only `revision`, `by`, `at`, `sha256` and `plugin`, and no checksum.

use bindery_config::{Hash, hash};
use std::fmt::Write as _;

/// The first line of a record whose last one is its checksum.
const FORMAT: &str = "format 2";

/// A file beside the text that makes a revision what it is: a plugin's component, a table of hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptFile {
    /// What it is: `plugin`, `host-table`.
    pub kind: String,
    /// The name that the configuration has for it.
    pub name: String,
    /// SHA-256 of it.
    pub hash: [u8; 32],
    /// Where it was.
    pub path: String,
}

/// The time in which a commit must be confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The revision that waits to be confirmed.
    pub revision: u64,
    /// The one that comes back unless it is.
    pub fallback: u64,
    /// When: seconds since 1970.
    pub deadline_wall: u64,
    /// How long it was given, minutes.
    pub minutes: u32,
}

impl Window {
    /// Seconds left at `wall`, never more than were given: a clock that was set back makes it no longer.
    pub fn remaining(&self, wall: u64) -> u64 {
        self.deadline_wall.saturating_sub(wall).min(u64::from(self.minutes) * 60)
    }
}

/// A paced renumbering that is not at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The revision that asked for it.
    pub revision: u64,
    /// Sessions a second.
    pub pace: u32,
}

/// What the record of a revision says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// From 1, growing.
    pub(crate) number: u64,
    pub(crate) by: String,
    pub(crate) via: String,
    pub(crate) comment: String,
    /// When it was recorded, seconds since 1970.
    pub(crate) at: u64,
    /// Hash of its text.
    pub(crate) text: Hash,
    /// Hash that the configuration file had then.
    pub(crate) file: Option<Hash>,
    pub(crate) window: Option<Window>,
    /// Who confirmed it, and when.
    pub(crate) confirmed: Option<(u64, String)>,
    /// Pace of the renumbering that it asked for, and how that ended; empty while it runs.
    pub(crate) renumber: Option<(u32, String)>,
    pub(crate) files: Vec<KeptFile>,
}

impl Record {
    /// Whether both say the same of the configuration.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.text == other.text && self.files == other.files
    }

    /// The lines.
    pub(crate) fn print(&self) -> String {
        let mut out = format!("{FORMAT}\nrevision {}\nby {}\nat {}\n", self.number, line(&self.by), self.at);
        let mut add = |name: &str, value: &str| out.extend([name, " ", value, "\n"]);
        add("via", &line(&self.via));
        add("comment", &line(&self.comment));
        add("sha256", &self.text.to_string());
        if let Some(file) = self.file {
            add("file", &file.to_string());
        }
        if let Some(Window { fallback, deadline_wall, minutes, .. }) = self.window {
            add("confirm", &format!("{deadline_wall} {minutes} {fallback}"));
        }
        if let Some((at, by)) = &self.confirmed {
            add("confirmed", &format!("{at} {}", line(by)));
        }
        if let Some((pace, state)) = &self.renumber {
            add("renumber", &format!("{pace} {}", word(state)));
        }
        for KeptFile { kind, name, hash, path } in &self.files {
            let rest = format!("{} {} {}", word(name), Hash(*hash), line(path));
            match kind.as_str() {
                "plugin" => add("plugin", &rest),
                other => add("kept", &format!("{} {rest}", word(other))),
            }
        }
        // Writing to a string cannot fail.
        let _ = writeln!(out, "end {}", hash(&out.clone()));
        out
    }

    /// Reads the record of revision `number`.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(crate) fn parse(number: u64, text: &str) -> Result<Self, String> {
        if !text.starts_with("revision ") {
            let end = text.trim_end_matches('\n').rfind('\n').map_or(0, |at| at + 1);
            let (body, end) = text.split_at(end);
            if end.strip_prefix("end ").and_then(|end| end.strip_suffix('\n')) != Some(&hash(body).to_string()) {
                return Err("its checksum is another".to_owned());
            }
            if body.lines().next() != Some(FORMAT) {
                return Err("a later release wrote it".to_owned());
            }
        }
        let mut parsed = Parsed::default();
        for entry in text.lines() {
            let (name, value) = entry.split_once(' ').unwrap_or((entry, ""));
            parsed.line(name, value).ok_or_else(|| format!("the line `{name}` cannot be read"))?;
        }
        let found = parsed.revision.ok_or("it has no line `revision`")?;
        if found != number {
            return Err(format!("it is that of revision {found}"));
        }
        let window = parsed.window.map(|(deadline_wall, minutes, fallback)| Window {
            revision: number,
            fallback,
            deadline_wall,
            minutes,
        });
        let text = parsed.text.ok_or("it has no line `sha256`")?;
        Ok(Self {
            number,
            by: parsed.by,
            via: parsed.via,
            comment: parsed.comment,
            at: parsed.at,
            text,
            file: parsed.file,
            window,
            confirmed: parsed.confirmed,
            renumber: parsed.renumber,
            files: parsed.files,
        })
    }
}

/// The lines read so far.
#[derive(Default)]
struct Parsed {
    revision: Option<u64>,
    by: String,
    via: String,
    comment: String,
    at: u64,
    text: Option<Hash>,
    file: Option<Hash>,
    window: Option<(u64, u32, u64)>,
    confirmed: Option<(u64, String)>,
    renumber: Option<(u32, String)>,
    files: Vec<KeptFile>,
}

impl Parsed {
    /// Takes one line; none where its value cannot be read. Lines that a later release writes mean nothing here.
    fn line(&mut self, name: &str, value: &str) -> Option<()> {
        match name {
            "revision" => self.revision = Some(value.parse().ok()?),
            "by" => self.by = plain(value),
            "via" => self.via = plain(value),
            "comment" => self.comment = plain(value),
            "at" => self.at = value.parse().ok()?,
            "sha256" => self.text = Some(unhex(value)?),
            "file" => self.file = Some(unhex(value)?),
            "confirm" => {
                let mut words = value.split(' ').map(str::parse::<u64>);
                let mut number = || words.next()?.ok();
                self.window = Some((number()?, u32::try_from(number()?).ok()?, number()?));
            }
            "confirmed" => {
                let (at, by) = value.split_once(' ')?;
                self.confirmed = Some((at.parse().ok()?, plain(by)));
            }
            "renumber" => {
                let (pace, state) = value.split_once(' ')?;
                self.renumber = Some((pace.parse().ok()?, plain(state)));
            }
            "plugin" => self.files.push(kept("plugin", value)?),
            "kept" => {
                let (kind, rest) = value.split_once(' ')?;
                self.files.push(kept(&plain(kind), rest)?);
            }
            _ => {}
        }
        Some(())
    }
}

/// `NAME HASH PATH`.
fn kept(kind: &str, value: &str) -> Option<KeptFile> {
    let mut words = value.splitn(3, ' ');
    let name = plain(words.next()?);
    let hash = unhex(words.next()?)?.0;
    Some(KeptFile { kind: kind.to_owned(), name, hash, path: plain(words.next().unwrap_or_default()) })
}

fn unhex(text: &str) -> Option<Hash> {
    let mut bytes = [0; 32];
    if text.len() != 2 * bytes.len() || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(Hash(bytes))
}

/// `text` as the rest of a line: `%` and control characters as `%{HEX}`.
pub(crate) fn line(text: &str) -> String {
    escape(text, char::is_control)
}

/// `text` as one word of a line.
fn word(text: &str) -> String {
    escape(text, |c| c.is_control() || c.is_whitespace())
}

fn escape(text: &str, odd: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '%' || odd(c) {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{{{:x}}}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

/// What [`line()`] or [`word`] was made of. What cannot be an escape stands as it is.
pub(crate) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("%{") {
        out.push_str(before);
        let escaped = behind.split_once('}');
        let decoded = escaped.and_then(|(digits, rest)| Some((char_of(digits)?, rest)));
        match decoded {
            Some((c, left)) => {
                out.push(c);
                rest = left;
            }
            None => {
                out.push_str("%{");
                rest = behind;
            }
        }
    }
    out.push_str(rest);
    out
}

fn char_of(digits: &str) -> Option<char> {
    char::from_u32(u32::from_str_radix(digits, 16).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record() -> Record {
        let kept = |kind: &str, name: &str| KeptFile {
            kind: kind.to_owned(),
            name: name.to_owned(),
            hash: [7; 32],
            path: "/etc/a b.wasm".to_owned(),
        };
        Record {
            number: 7,
            by: "admin".to_owned(),
            via: "cli".to_owned(),
            comment: "two\nlines of 100 %{a}".to_owned(),
            at: 1_700_000_000,
            text: hash("a"),
            file: Some(hash("b")),
            window: Some(Window { revision: 7, fallback: 6, deadline_wall: 1_700_000_600, minutes: 10 }),
            confirmed: Some((1, "other one".to_owned())),
            renumber: Some((100, String::new())),
            files: vec![kept("plugin", "one"), kept("host-table", "big pool")],
        }
    }

    #[test]
    fn a_record_says_again_what_it_was_given() {
        let all = record();
        assert_eq!(Record::parse(7, &all.print()), Ok(all.clone()));
        let little =
            Record { file: None, window: None, confirmed: None, renumber: None, files: Vec::new(), ..all.clone() };
        assert_eq!(Record::parse(7, &little.print()), Ok(little));
        assert_eq!(Record::parse(8, &all.print()).unwrap_err(), "it is that of revision 7");
    }

    #[test]
    fn records_of_the_release_before_are_read() {
        let text = format!("revision 3\nby reload\nat 17\nsha256 {}\nplugin p {} /etc/p.wasm\n", hash("a"), hash("p"));
        let read = Record::parse(3, &text).unwrap();
        let files =
            [KeptFile { kind: "plugin".into(), name: "p".into(), hash: hash("p").0, path: "/etc/p.wasm".into() }];
        assert_eq!((read.at, &*read.by, &*read.via, read.text), (17, "reload", "", hash("a")));
        assert_eq!(read.files, files);
        assert_eq!(read.window, None);
    }

    #[test]
    fn no_bit_of_a_record_may_be_another() {
        let text = record().print();
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            let read = String::from_utf8(bytes).map_err(|error| error.to_string());
            assert!(read.and_then(|text| Record::parse(7, &text)).is_err(), "{at}");
            assert!(Record::parse(7, &text[..at]).is_err(), "{at}");
        }
    }

    #[test]
    fn a_window_is_never_longer_than_it_was_given() {
        let window = Window { revision: 2, fallback: 1, deadline_wall: 10_000, minutes: 2 };
        assert_eq!(window.remaining(9_990), 10);
        assert_eq!(window.remaining(10_000), 0);
        assert_eq!(window.remaining(20_000), 0);
        assert_eq!(window.remaining(0), 120, "the clock stands at 1970");
    }

    proptest! {
        #[test]
        fn any_text_survives(text in any::<String>()) {
            prop_assert_eq!(plain(&line(&text)), text.clone());
            prop_assert_eq!(plain(&word(&text)), text.clone());
            prop_assert!(!line(&text).contains(['\n', '\r']) && !word(&text).contains([' ', '\n']));
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in any::<String>(), head in "(format 2|revision 1|plugin |kept |confirm )?") {
            let _ = Record::parse(1, &format!("{head}{text}"));
            let _ = plain(&text);
        }
    }
}
