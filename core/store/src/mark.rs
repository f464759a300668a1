//! The mark: the number of the last acknowledged commit, beside the storage engine.
//!
//! The engine cuts off whatever it cannot read at the end of its journal. For a batch that a crash tore that is right,
//! for one that was acknowledged it is a loss, and only somebody outside can tell them apart. The mark is written after
//! each commit and synced now and then, so it is never ahead of the database, exact after the process was killed, and
//! at most [`SYNC_EVERY`] behind after a power cut.
//!
//! Two slots in sectors of their own are written in turn, so that a torn write leaves the other.

use crate::{StoreError, error::AtPath};
use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Longest time between two syncs of the mark while commits go on.
const SYNC_EVERY: Duration = Duration::from_secs(5);
/// Distance of the two slots: disks write sectors of this size whole.
const SECTOR: usize = 512;
/// First bytes of a slot.
const MAGIC: [u8; 4] = *b"BMK1";
/// Bytes of a slot: magic, database id, commit, CRC.
const SLOT: usize = 24;

/// The open mark file.
#[derive(Debug)]
pub(crate) struct Mark {
    path: PathBuf,
    file: File,
    database: u64,
    synced: Instant,
}

impl Mark {
    /// Makes the file, with commit 0 in both slots, and syncs it.
    pub(crate) fn create(path: &Path, database: u64) -> Result<(), StoreError> {
        let mut bytes = [0u8; 2 * SECTOR];
        for slot in bytes.chunks_exact_mut(SECTOR) {
            slot[..SLOT].copy_from_slice(&encode(database, 0));
        }
        let file = File::create_new(path).at(path)?;
        file.write_all_at(&bytes, 0).at(path)?;
        file.sync_all().at(path)
    }

    /// Opens the file and returns the highest commit in it.
    pub(crate) fn open(path: &Path, database: u64) -> Result<(Self, u64), StoreError> {
        let file = OpenOptions::new().read(true).write(true).open(path).at(path)?;
        let mut bytes = [0u8; 2 * SECTOR];
        match file.read_exact_at(&mut bytes, 0) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(StoreError::damaged(path, "the file is too short"));
            }
            Err(error) => return Err(StoreError::io(path, error)),
        }
        let commit = bytes
            .chunks_exact(SECTOR)
            .filter_map(|slot| decode(slot, database))
            .max()
            .ok_or_else(|| StoreError::damaged(path, "neither of its two slots is sound"))?;
        Ok((Self { path: path.to_path_buf(), file, database, synced: Instant::now() }, commit))
    }

    /// Notes that `commit` is on stable storage.
    pub(crate) fn set(&mut self, commit: u64) -> Result<(), StoreError> {
        let offset = (commit & 1) * SECTOR as u64;
        self.file.write_all_at(&encode(self.database, commit), offset).at(&self.path)?;
        if self.synced.elapsed() >= SYNC_EVERY {
            self.sync()?;
        }
        Ok(())
    }

    /// Syncs what was set.
    pub(crate) fn sync(&mut self) -> Result<(), StoreError> {
        self.file.sync_data().at(&self.path)?;
        self.synced = Instant::now();
        Ok(())
    }
}

fn encode(database: u64, commit: u64) -> [u8; SLOT] {
    let mut bytes = [0; SLOT];
    bytes[..4].copy_from_slice(&MAGIC);
    bytes[4..12].copy_from_slice(&database.to_le_bytes());
    bytes[12..20].copy_from_slice(&commit.to_le_bytes());
    let crc = crc32fast::hash(&bytes[..20]);
    bytes[20..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// The commit in a slot that is sound and belongs to this database.
fn decode(slot: &[u8], database: u64) -> Option<u64> {
    let commit = u64::from_le_bytes(slot.get(12..20)?.try_into().ok()?);
    (slot.get(..SLOT)? == encode(database, commit)).then_some(commit)
}
