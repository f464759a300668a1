//! Reads the journals of the storage engine (fjall 3.1), before the engine does.
//!
//! At opening the engine replays its journals, and cuts the newest one off at the first byte that it cannot read,
//! without a word. That is right for a batch which a crash tore, since it was never acknowledged. It is a silent loss
//! when the byte lies in the middle, or when the last acknowledged batch is hit. So the store reads them first and
//! decides; it changes nothing unless every acknowledged batch is there.
//!
//! The format, all numbers little-endian. A batch is
//! `1, item count u32, sequence u64`, then the items, then `3, XXH3-64 of the items u64, "FJL" 3`.
//! An item is `2, kind u8, compression u8, keyspace u64, key length u16, value length u32, stored length u32, key,
//! value`. A new journal is a hole of 64 MiB: zeroes end it.
//!
//! Batches are synced one by one, so a crash can tear only the last one. Every batch carries our head record with the
//! commit's number, one more than in the batch before it.

use crate::{
    StoreError,
    codec::{HEAD_KEY, Head, decode_head},
    error::AtPath,
};
use nix::{
    errno::Errno,
    unistd::{Whence, lseek64},
};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};
use xxhash_rust::xxh3::xxh3_64;

const START: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
const TRAILER: [u8; 4] = *b"FJL\x03";
/// Length of an item's header, tag included.
const ITEM_HEADER: usize = 21;

/// What the journals hold.
#[derive(Debug, Default)]
pub(crate) struct Journals {
    /// Number of the last whole commit, when there is one.
    pub(crate) last: Option<u64>,
    /// Where the rest has to be cut off: file, offset, bytes beyond it.
    pub(crate) cut: Option<Cut>,
}

/// A tail that no acknowledged commit is in.
#[derive(Debug)]
pub(crate) struct Cut {
    /// The journal.
    pub(crate) path: PathBuf,
    /// End of its last batch to keep.
    pub(crate) offset: u64,
    /// Bytes behind that which are not zero, at least.
    pub(crate) bytes: u64,
}

impl Cut {
    /// Cuts the journal and syncs it.
    pub(crate) fn apply(&self) -> Result<(), StoreError> {
        let file = OpenOptions::new().write(true).open(&self.path).at(&self.path)?;
        file.set_len(self.offset).at(&self.path)?;
        file.sync_all().at(&self.path)
    }
}

/// Which commits must be there, and which may.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expect {
    /// Id of the database.
    pub(crate) database: u64,
    /// Every commit up to this one was acknowledged.
    pub(crate) acknowledged: u64,
    /// Commits above this one are to be cut off, whole as they may be: the sync of one failed, and what the page cache
    /// shows of it may not be on the disk.
    pub(crate) keep: u64,
}

/// One batch as read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Batch {
    sequence: u64,
    head: Head,
}

/// How reading a batch ended.
#[derive(Debug)]
enum Step {
    Batch(Batch),
    /// Not a batch. The file's last one was torn, or the file is damaged, or it is the end.
    Bad(&'static str),
}

/// Reads all journals in `db`, oldest first. Changes nothing.
pub(crate) fn read(db: &Path, expect: Expect) -> Result<Journals, StoreError> {
    let mut found = Journals::default();
    let mut previous: Option<Batch> = None;
    let paths = paths(db)?;
    if paths.is_empty() {
        return Err(StoreError::damaged(db, "its journal is missing"));
    }
    for path in paths {
        let mut reader = Reader::open(&path)?;
        loop {
            let start = reader.offset;
            let why = match reader.batch(expect.database)? {
                Step::Batch(batch) => {
                    follows(previous, batch).map_err(|what| damaged(&path, start, what))?;
                    if let Some(cut) = &found.cut {
                        return Err(damaged(&cut.path, cut.offset, "a batch is broken and whole ones follow it"));
                    }
                    if batch.head.commit > expect.keep {
                        found.cut = Some(Cut { path: path.clone(), offset: start, bytes: reader.offset - start });
                        break;
                    }
                    previous = Some(batch);
                    found.last = Some(batch.head.commit);
                    continue;
                }
                Step::Bad(why) => why,
            };
            let tail = reader.tail(start)?;
            if tail.is_empty() {
                break;
            }
            if later_batch(&tail, expect.database) {
                return Err(damaged(&path, start, format!("{why}, and whole batches follow it")));
            }
            if found.last.is_some_and(|last| last < expect.acknowledged) {
                return Err(damaged(&path, start, format!("{why}, in a batch that was acknowledged")));
            }
            if found.cut.is_some() {
                return Err(damaged(&path, start, why));
            }
            found.cut = Some(Cut { path: path.clone(), offset: start, bytes: tail.len() as u64 });
            break;
        }
    }
    if let Some(last) = found.last.filter(|&last| last < expect.acknowledged) {
        let what = format!("its journal ends at commit {last}, but {} was acknowledged", expect.acknowledged);
        return Err(StoreError::damaged(db, what));
    }
    Ok(found)
}

fn damaged(path: &Path, offset: u64, what: impl std::fmt::Display) -> StoreError {
    StoreError::damaged(path, format!("at byte {offset}: {what}; nothing was changed"))
}

/// Journals by number.
fn paths(db: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let mut journals = Vec::new();
    for entry in fs::read_dir(db).at(db)? {
        let entry = entry.at(db)?;
        let name = entry.file_name();
        if let Some(number) = name.to_str().and_then(|name| name.strip_suffix(".jnl")) {
            let number: u64 =
                number.parse().map_err(|_| StoreError::damaged(&entry.path(), "a journal is named by a number"))?;
            journals.push((number, entry.path()));
        }
    }
    journals.sort();
    Ok(journals.into_iter().map(|(_, path)| path).collect())
}

/// Whether `batch` may come after `previous`.
fn follows(previous: Option<Batch>, batch: Batch) -> Result<(), &'static str> {
    match previous {
        Some(previous) if batch.head.commit != previous.head.commit + 1 => Err("a commit is missing before this one"),
        Some(previous) if batch.sequence <= previous.sequence => Err("its sequence number runs backwards"),
        _ => Ok(()),
    }
}

struct Reader<'a> {
    path: &'a Path,
    file: BufReader<File>,
    offset: u64,
    len: u64,
    items: Vec<u8>,
}

impl<'a> Reader<'a> {
    fn open(path: &'a Path) -> Result<Self, StoreError> {
        let file = File::open(path).at(path)?;
        let len = file.metadata().at(path)?.len();
        Ok(Self { path, file: BufReader::with_capacity(1 << 16, file), offset: 0, len, items: Vec::new() })
    }

    /// Reads one batch. After [`Step::Bad`] the position is anywhere.
    fn batch(&mut self, database: u64) -> Result<Step, StoreError> {
        let left = self.len - self.offset;
        match Self::parse(&mut self.file, &mut self.items, left, database) {
            Ok((batch, len)) => {
                self.offset += len;
                Ok(Step::Batch(batch))
            }
            Err(Stop::Bad(why)) => Ok(Step::Bad(why)),
            Err(Stop::Io(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Ok(Step::Bad("a batch is cut short"))
            }
            Err(Stop::Io(error)) => Err(StoreError::io(self.path, error)),
        }
    }

    /// Parses a batch off `input`, which has `left` bytes; returns it and its length.
    fn parse(input: &mut dyn Read, items: &mut Vec<u8>, left: u64, database: u64) -> Result<(Batch, u64), Stop> {
        let mut start = [0u8; 13];
        input.read_exact(&mut start)?;
        let [tag, c0, c1, c2, c3, sequence @ ..] = start;
        if tag != START {
            return Err(Stop::Bad("no batch starts here"));
        }
        let count = u32::from_le_bytes([c0, c1, c2, c3]);
        items.clear();
        let mut head = None;
        for _ in 0..count {
            let from = items.len();
            items.resize(from + ITEM_HEADER, 0);
            let header = items.get_mut(from..).ok_or(Stop::Bad("a batch is cut short"))?;
            input.read_exact(header)?;
            let item = Item::parse(header).ok_or(Stop::Bad("an item of a batch is broken"))?;
            let len = item.key + item.value;
            if items.len() as u64 + len as u64 > left {
                return Err(Stop::Bad("an item is longer than the journal"));
            }
            let at = items.len();
            items.resize(at + len, 0);
            let body = items.get_mut(at..).ok_or(Stop::Bad("a batch is cut short"))?;
            input.read_exact(body)?;
            let (key, value) = body.split_at(item.key);
            if *key == HEAD_KEY {
                head = decode_head(value).ok();
            }
        }
        let mut end = [0u8; 13];
        input.read_exact(&mut end)?;
        let [tag, sum @ .., t0, t1, t2, t3] = end;
        if tag != END || [t0, t1, t2, t3] != TRAILER {
            return Err(Stop::Bad("a batch has no end"));
        }
        if u64::from_le_bytes(sum) != xxh3_64(items) {
            return Err(Stop::Bad("the checksum of a batch is wrong"));
        }
        match head {
            Some(head) if head.database == database => {
                let batch = Batch { sequence: u64::from_le_bytes(sequence), head };
                Ok((batch, items.len() as u64 + 26))
            }
            _ => Err(Stop::Bad("a batch is not of this database")),
        }
    }

    /// What is left from `start` up to the last byte that is not zero.
    fn tail(&mut self, start: u64) -> Result<Vec<u8>, StoreError> {
        let mut tail = Vec::new();
        let (mut at, mut zeroes) = (start, 0);
        loop {
            // A new journal is a hole of 64 MiB: skipped where the file system knows of holes.
            let data = match i64::try_from(at).map(|at| lseek64(self.file.get_ref(), at, Whence::SeekData)) {
                Ok(Err(Errno::ENXIO)) => return Ok(tail),
                Ok(Ok(data)) => u64::try_from(data).unwrap_or(at).max(at),
                _ => at,
            };
            self.file.seek(SeekFrom::Start(data)).at(self.path)?;
            let chunk = self.file.fill_buf().at(self.path)?;
            if chunk.is_empty() {
                return Ok(tail);
            }
            zeroes += (data - at) as usize;
            match chunk.iter().rposition(|&byte| byte != 0) {
                None => zeroes += chunk.len(),
                Some(used) => {
                    tail.resize(tail.len() + zeroes, 0);
                    tail.extend(chunk.iter().take(used + 1));
                    zeroes = chunk.len() - used - 1;
                }
            }
            at = data + chunk.len() as u64;
        }
    }
}

/// Why a batch could not be parsed.
enum Stop {
    Bad(&'static str),
    Io(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Lengths of an item's two parts.
struct Item {
    key: usize,
    value: usize,
}

impl Item {
    fn parse(header: &[u8]) -> Option<Self> {
        let header: &[u8; ITEM_HEADER] = header.try_into().ok()?;
        let [tag, kind, compression, _, _, _, _, _, _, _, _, k0, k1, v0, v1, v2, v3, s0, s1, s2, s3] = *header;
        let value = u32::from_le_bytes([v0, v1, v2, v3]);
        // Kinds: 0 is a value, 1 a deletion. The store asks for no compression.
        let known = tag == ITEM && kind <= 1 && compression == 0 && value == u32::from_le_bytes([s0, s1, s2, s3]);
        known.then_some(Self { key: usize::from(u16::from_le_bytes([k0, k1])), value: value as usize })
    }
}

/// Whether a whole batch of this database lies anywhere behind the first byte of `tail`.
///
/// The database id in the head keeps a client from sending bytes that look like one.
fn later_batch(tail: &[u8], database: u64) -> bool {
    let mut items = Vec::new();
    (1..tail.len()).any(|from| {
        let Some(rest) = tail.get(from..) else {
            return false;
        };
        // Start tag, and the tag of the first item: what the search trips over first.
        if rest.first() != Some(&START) || rest.get(13) != Some(&ITEM) {
            return false;
        }
        let mut input = rest;
        Reader::parse(&mut input, &mut items, rest.len() as u64, database).is_ok()
    })
}
