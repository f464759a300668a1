//! The file of the accounting queue: frames, each with a checksum, appended and synced in batches.
//!
//! A frame is a mark of four bytes, the length of the payload, a CRC-32 over all that follows, the record's number, a
//! tag (0: a record, 1: it is done) and the payload, numbers big-endian. The file is written anew when most of it is
//! about records that are done. A torn tail is what an unfinished write leaves and is cut. Damage before sound frames
//! is something else: those frames are found by their mark, and the damaged file is kept beside.

use super::queue::{Operation, Sequence};
use super::record::Record;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const FILE_MARK: &[u8; 8] = b"BNDRACC1";
const FRAME_MARK: [u8; 4] = [0xac, 0xc7, 0x5a, 0x17];
const FRAME_LEN: usize = 21;
/// A record is smaller than two packets.
const PAYLOAD_MAX: usize = 8192;
/// Less than this is never worth a new file.
const REWRITE_FROM: u64 = 64 * 1024;

const RECORD: u8 = 0;
const DONE: u8 = 1;

/// What was in the file.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Recovered {
    /// Records that no server has, in order.
    pub records: Vec<(Sequence, Record)>,
    /// Bytes of an unfinished last write, cut off.
    pub torn: u64,
    /// Bytes of damage before sound frames, or of another file format. The damaged file is kept beside, with `.damaged`
    /// at the end of its name.
    pub damaged: u64,
}

/// The open file. A failed write or sync makes it useless; only [`Journal::rewrite`] mends it.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: Option<File>,
    /// Records in the file that are not done: number and bytes.
    live: BTreeMap<Sequence, u64>,
    live_bytes: u64,
    bytes: u64,
}

impl Journal {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn open(path: &Path) -> io::Result<(Self, Recovered)> {
        let mut bytes = Vec::new();
        match File::open(path) {
            Ok(mut file) => _ = file.read_to_end(&mut bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let recovered = recover(&bytes);
        if recovered.damaged > 0 {
            let mut name = path.as_os_str().to_owned();
            name.push(".damaged");
            fs::copy(path, &name)?;
        }
        let mut journal = Self { path: path.into(), file: None, live: BTreeMap::new(), live_bytes: 0, bytes: 0 };
        let records: Vec<_> = recovered.records.iter().map(|(number, r)| (*number, Arc::new(r.clone()))).collect();
        journal.rewrite(&records)?;
        Ok((journal, recovered))
    }

    /// Writes a batch and waits until storage has it.
    ///
    /// # Errors
    /// Nothing is known about the batch; the journal takes no more until it is rewritten.
    pub fn apply(&mut self, operations: &[Operation]) -> io::Result<()> {
        let mut file = self.file.take().ok_or_else(|| io::Error::other("the file failed before"))?;
        let mut buffer = Vec::new();
        for operation in operations {
            let before = buffer.len();
            match operation {
                Operation::Append(sequence, record) => {
                    frame(&mut buffer, *sequence, RECORD, |to| record.encode(to));
                    self.count(*sequence, (buffer.len() - before) as u64);
                }
                Operation::Done(sequence) => {
                    frame(&mut buffer, *sequence, DONE, |_| {});
                    self.live_bytes -= self.live.remove(sequence).unwrap_or(0);
                }
            }
        }
        file.write_all(&buffer)?;
        file.sync_data()?;
        self.bytes += buffer.len() as u64;
        self.file = Some(file);
        Ok(())
    }

    /// Whether most of the file is about records that are done.
    pub fn wants_rewrite(&self) -> bool {
        self.bytes - self.live_bytes.min(self.bytes) > REWRITE_FROM.max(self.live_bytes)
    }

    /// Writes the file anew with these records and puts it in the place of the old one.
    ///
    /// # Errors
    /// The old file is still in place; the journal takes no more until this succeeds.
    pub fn rewrite(&mut self, records: &[(Sequence, Arc<Record>)]) -> io::Result<()> {
        self.file = None;
        self.live.clear();
        (self.live_bytes, self.bytes) = (0, 0);
        let mut buffer = FILE_MARK.to_vec();
        for (sequence, record) in records {
            let before = buffer.len();
            frame(&mut buffer, *sequence, RECORD, |to| record.encode(to));
            self.count(*sequence, (buffer.len() - before) as u64);
        }
        let mut name = self.path.as_os_str().to_owned();
        name.push(".new");
        let mut file = OpenOptions::new().create(true).write(true).truncate(true).open(&name)?;
        file.write_all(&buffer)?;
        file.sync_all()?;
        fs::rename(&name, &self.path)?;
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()?;
        self.bytes = buffer.len() as u64;
        self.file = Some(file);
        Ok(())
    }

    fn count(&mut self, sequence: Sequence, bytes: u64) {
        self.live_bytes += bytes;
        self.live_bytes -= self.live.insert(sequence, bytes).unwrap_or(0);
    }

    /// Bytes of the file.
    pub fn len(&self) -> u64 {
        self.bytes
    }

    /// Whether nothing was ever written.
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }
}

fn frame(to: &mut Vec<u8>, sequence: Sequence, tag: u8, payload: impl FnOnce(&mut Vec<u8>)) {
    let start = to.len();
    to.extend_from_slice(&FRAME_MARK);
    to.extend_from_slice(&[0; 8]);
    to.extend_from_slice(&sequence.to_be_bytes());
    to.push(tag);
    payload(to);
    let length = (to.len() - start - FRAME_LEN) as u32;
    to[start + 4..start + 8].copy_from_slice(&length.to_be_bytes());
    let crc = crc32fast::hash(&to[start + 12..]);
    to[start + 8..start + 12].copy_from_slice(&crc.to_be_bytes());
}

/// A sound frame at the start of the bytes: number, tag, payload, length of the whole.
fn read_frame(bytes: &[u8]) -> Option<(Sequence, u8, &[u8], usize)> {
    let (head, rest) = bytes.split_first_chunk::<FRAME_LEN>()?;
    let length = u32::from_be_bytes(head[4..8].try_into().ok()?) as usize;
    let crc = u32::from_be_bytes(head[8..12].try_into().ok()?);
    if head[..4] != FRAME_MARK || length > PAYLOAD_MAX {
        return None;
    }
    let payload = rest.get(..length)?;
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&head[12..]);
    hasher.update(payload);
    let sequence = u64::from_be_bytes(head[12..20].try_into().ok()?);
    (hasher.finalize() == crc).then_some((sequence, head[20], payload, FRAME_LEN + length))
}

fn recover(bytes: &[u8]) -> Recovered {
    let mut recovered = Recovered::default();
    let mut live = BTreeMap::new();
    let mut bad = 0;
    let mut rest = match bytes.strip_prefix(FILE_MARK) {
        Some(rest) => rest,
        None => {
            // Frames may be there all the same. A file shorter than its mark is an unfinished one.
            bad = bytes.len().min(FILE_MARK.len());
            &bytes[bad..]
        }
    };
    while !rest.is_empty() {
        let Some((sequence, tag, payload, length)) = read_frame(rest) else {
            bad += 1;
            rest = &rest[1..];
            continue;
        };
        // What was passed over was not the end: it is damage.
        recovered.damaged += std::mem::take(&mut bad) as u64;
        rest = &rest[length..];
        match (tag, Record::decode(payload)) {
            (RECORD, Some(record)) => _ = live.insert(sequence, record),
            (DONE, _) => _ = live.remove(&sequence),
            _ => recovered.damaged += length as u64,
        }
    }
    recovered.torn = bad as u64;
    recovered.records = live.into_iter().collect();
    recovered
}
