//! The recorded revisions: `NNNNNNNN.kdl` is the text, `NNNNNNNN.record` what is known of it. A revision exists once
//! its record does, which is written last.

use crate::error::{EditError, OpenError};
use crate::record::{KeptFile, Plan, Record, Window};
use crate::storage::Storage;
use bindery_config::{Hash, Loaded, hash};
use std::io;

/// Revisions kept: the active one and 49 to roll back to (junos.md §14.6).
pub const KEPT: usize = 50;

/// What is recorded with a configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recording {
    /// Who; empty for the daemon itself.
    pub by: String,
    /// How: `cli`, `file`, `reload`, `rollback`, `at`, `confirm-expired`, `rescue`.
    pub via: String,
    /// Why.
    pub comment: String,
    /// Now, seconds since 1970.
    pub wall: u64,
    /// Minutes in which it must be confirmed.
    pub confirmed: Option<u32>,
    /// Sessions a second that are moved.
    pub renumber: Option<u32>,
    /// The files that it needs.
    pub files: Vec<KeptFile>,
    /// The hash of what the configuration file holds at this time; none where it cannot be read.
    pub file_hash: Option<Hash>,
}

/// The word in [`Recording::via`] for a configuration that comes back because nobody confirmed the one behind it.
pub const EXPIRED: &str = "confirm-expired";

/// The revisions on storage.
pub(crate) struct Ring {
    pub(crate) storage: Box<dyn Storage>,
    /// By number, ascending.
    records: Vec<Record>,
    /// The number of the next one: never one that may be half on storage.
    next: u64,
}

fn text_name(number: u64) -> String {
    format!("{number:08}.kdl")
}

fn record_name(number: u64) -> String {
    format!("{number:08}.record")
}

/// The number in a file's name.
fn number_of(name: &str, ending: &str) -> Option<u64> {
    let number = name.strip_suffix(ending)?.parse().ok()?;
    (name == format!("{number:08}{ending}")).then_some(number)
}

impl Ring {
    /// Reads all records, and checks the texts that boot may need.
    pub(crate) fn open(storage: Box<dyn Storage>) -> Result<Self, OpenError> {
        let mut numbers: Vec<u64> = storage.list()?.iter().filter_map(|name| number_of(name, ".record")).collect();
        numbers.sort_unstable();
        let mut ring = Self { storage, records: Vec::with_capacity(numbers.len()), next: 1 };
        for number in numbers {
            let name = record_name(number);
            let Some(bytes) = ring.storage.read(&name)? else { continue };
            let text = String::from_utf8(bytes).map_err(|_| "it is no text".to_owned());
            let record = text.and_then(|text| Record::parse(number, &text));
            let record = record.map_err(|reason| OpenError::Damaged {
                place: ring.storage.place(&name),
                reason,
                help: format!(
                    "put it back from a backup, or remove it: revision {number} is gone then, and if it was the newest \
                     one the configuration file boots as a new revision"
                ),
            })?;
            ring.records.push(record);
            ring.next = number.saturating_add(1);
        }
        ring.check_newest()?;
        Ok(ring)
    }

    /// That the text of the newest revision, and of the one it may go back to, can be read.
    fn check_newest(&self) -> Result<(), OpenError> {
        let Some(newest) = self.newest() else { return Ok(()) };
        let record = self.storage.place(&record_name(newest.number));
        let damaged =
            |number, reason, help| OpenError::Damaged { place: self.storage.place(&text_name(number)), reason, help };
        self.checked(newest.number, newest.text)?.map_err(|reason| {
            let help = format!(
                "put it back from a backup, or remove {record}: the configuration file boots as a new revision then"
            );
            damaged(newest.number, reason, help)
        })?;
        if let Some(window) = newest.window {
            let fallback = match self.record_of(window.fallback) {
                Some(fallback) => self.checked(fallback.number, fallback.text)?,
                None => Err("its record is gone".to_owned()),
            };
            fallback.map_err(|reason| {
                let help = format!(
                    "revision {} waits to be confirmed and would go back to it: put it back from a backup, or remove \
                     {record} and {}: the configuration file boots as a new revision then",
                    window.revision,
                    self.storage.place(&record_name(window.fallback)),
                );
                damaged(window.fallback, reason, help)
            })?;
        }
        Ok(())
    }

    /// The text of a revision, or what is wrong with it.
    fn checked(&self, number: u64, wanted: Hash) -> io::Result<Result<String, String>> {
        let Some(bytes) = self.storage.read(&text_name(number))? else { return Ok(Err("it is gone".to_owned())) };
        Ok(match String::from_utf8(bytes) {
            Ok(text) if hash(&text) == wanted => Ok(text),
            _ => Err("its SHA-256 is not the recorded one".to_owned()),
        })
    }

    /// The text of a revision.
    ///
    /// # Errors
    /// It is gone or damaged.
    pub(crate) fn text(&self, number: u64) -> Result<String, EditError> {
        let Some(record) = self.record_of(number) else {
            return Err(EditError::Unknown(format!("there is no revision {number} any more")));
        };
        self.checked(number, record.text)?.map_err(|reason| {
            let place = self.storage.place(&text_name(number));
            EditError::Refused(format!("{place} is damaged: {reason}: put it back from a backup"))
        })
    }

    pub(crate) fn newest(&self) -> Option<&Record> {
        self.records.last()
    }

    fn record_of(&self, number: u64) -> Option<&Record> {
        let at = self.records.binary_search_by_key(&number, |record| record.number).ok()?;
        self.records.get(at)
    }

    /// The revisions that can be rolled back to, newest first.
    pub(crate) fn newest_first(&self) -> impl Iterator<Item = &Record> {
        self.records.iter().rev().take(KEPT)
    }

    /// The window in which the newest revision waits.
    pub(crate) fn window(&self) -> Option<Window> {
        self.newest()?.window
    }

    /// Records a text as the newest revision; it is on stable storage when this returns. What the newest one says
    /// already is not recorded again, but may get another window. `carry`: an open window stays open.
    ///
    /// # Errors
    /// The storage's. The revision may be there after a restart, but is not before.
    pub(crate) fn record(&mut self, loaded: &Loaded, recording: Recording, carry: bool) -> io::Result<u64> {
        let Recording { by, via, comment, wall, confirmed, renumber, files, file_hash } = recording;
        let number = self.next;
        let mut record = Record {
            number,
            by,
            via,
            comment,
            at: wall,
            text: loaded.hash,
            file: file_hash,
            window: None,
            confirmed: None,
            renumber: renumber.map(|pace| (pace, String::new())),
            files,
        };
        record.window = match (self.window(), confirmed) {
            (Some(window), None) if carry => Some(Window { revision: number, ..window }),
            (open, Some(minutes)) => {
                let fallback = open.map(|window| window.fallback).or_else(|| Some(self.newest()?.number));
                let deadline_wall = wall.saturating_add(u64::from(minutes) * 60);
                fallback.map(|fallback| Window { revision: number, fallback, deadline_wall, minutes })
            }
            _ => None,
        };
        // Going back to what is there already is nothing to wait for.
        let goes_back_to = record.window.and_then(|window| self.record_of(window.fallback));
        if goes_back_to.is_some_and(|fallback| fallback.is_same(&record)) {
            record.window = None;
        }
        match self.newest().filter(|newest| newest.is_same(&record)).cloned() {
            Some(newest) => self.again(newest, &record, confirmed.is_some()),
            None => self.add(record, loaded.text()),
        }
    }

    /// What is recorded again only gets the window that it has now.
    fn again(&mut self, newest: Record, record: &Record, confirmed: bool) -> io::Result<u64> {
        let number = newest.number;
        let window = match newest.window {
            Some(open) if confirmed => {
                record.window.map(|window| Window { revision: number, fallback: open.fallback, ..window })
            }
            Some(_) if record.via == EXPIRED => None,
            same => same,
        };
        if window != newest.window {
            self.rewrite(Record { window, ..newest })?;
        }
        Ok(number)
    }

    fn add(&mut self, record: Record, text: &str) -> io::Result<u64> {
        let number = record.number;
        // Also where it fails: the record may be on storage all the same, and its text must stay what it is.
        self.next = number.saturating_add(1);
        let done = self.storage.write(&text_name(number), text.as_bytes());
        if let Err(error) = done.and_then(|()| self.storage.write(&record_name(number), record.print().as_bytes())) {
            // A revision that nobody applied should not boot. Where it cannot be removed, it does: whole, at least.
            let _ = self.storage.remove(&record_name(number));
            return Err(error);
        }
        self.records.push(record);
        self.prune();
        Ok(number)
    }

    /// Writes another record of the newest revision.
    fn rewrite(&mut self, record: Record) -> io::Result<()> {
        self.storage.write(&record_name(record.number), record.print().as_bytes())?;
        if let Some(newest) = self.records.last_mut() {
            *newest = record;
        }
        Ok(())
    }

    /// Takes the window away: whether there was one.
    pub(crate) fn confirm(&mut self, by: &str, wall: u64) -> io::Result<Option<u64>> {
        let Some(newest) = self.newest().filter(|newest| newest.window.is_some()).cloned() else { return Ok(None) };
        let number = newest.number;
        self.rewrite(Record { window: None, confirmed: Some((wall, by.to_owned())), ..newest })?;
        Ok(Some(number))
    }

    /// The renumbering that the newest revision asked for, while it is not at its end.
    pub(crate) fn plan(&self) -> Option<Plan> {
        let newest = self.newest()?;
        let (pace, _) = newest.renumber.as_ref().filter(|(_, state)| state.is_empty())?;
        Some(Plan { revision: newest.number, pace: *pace })
    }

    pub(crate) fn finish_plan(&mut self, revision: u64, state: &str) -> io::Result<()> {
        let Some(newest) = self.newest().filter(|newest| newest.number == revision).cloned() else { return Ok(()) };
        let Some((pace, _)) = newest.renumber else { return Ok(()) };
        self.rewrite(Record { renumber: Some((pace, state.to_owned())), ..newest })
    }

    /// The hash of a file when `text` was recorded the last time.
    pub(crate) fn kept_hash(&self, kind: &str, text: Hash, name: &str) -> Option<[u8; 32]> {
        let record = self.records.iter().rev().find(|record| record.text == text)?;
        record.files.iter().find(|file| file.kind == kind && file.name == name).map(|file| file.hash)
    }

    /// The hash that a file had when this revision was recorded.
    pub(crate) fn hash_in(&self, number: u64, kind: &str, name: &str) -> Option<[u8; 32]> {
        let mut files = self.record_of(number)?.files.iter();
        files.find(|file| file.kind == kind && file.name == name).map(|file| file.hash)
    }

    /// The hashes of the files of this kind that any record on storage names.
    pub(crate) fn kept_hashes(&self, kind: &str) -> io::Result<Vec<[u8; 32]>> {
        let mut hashes = Vec::new();
        for name in self.storage.list()? {
            let Some(number) = number_of(&name, ".record") else { continue };
            let bytes = self.storage.read(&name)?.unwrap_or_default();
            let Ok(record) = Record::parse(number, &String::from_utf8_lossy(&bytes)) else {
                return Err(io::Error::new(io::ErrorKind::InvalidData, format!("{name} is damaged")));
            };
            hashes.extend(record.files.iter().filter(|file| file.kind == kind).map(|file| file.hash));
        }
        Ok(hashes)
    }

    /// Removes revisions past those that can be rolled back to, but for the one that an open window goes back to. What
    /// cannot be removed stays.
    fn prune(&mut self) {
        let fallback = self.window().map(|window| window.fallback);
        let gone = self.records.len().saturating_sub(KEPT);
        let mut at = 0;
        self.records.retain(|record| {
            at += 1;
            at > gone || Some(record.number) == fallback
        });
        let Ok(names) = self.storage.list() else { return };
        // Records first: a text without one is no revision.
        for ending in [".record", ".kdl"] {
            for name in &names {
                if number_of(name, ending).is_some_and(|number| self.record_of(number).is_none()) {
                    let _ = self.storage.remove(name);
                }
            }
        }
    }
}
