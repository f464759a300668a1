//! The storage engine: fjall, opened the way we need it.

use crate::{
    StoreError,
    codec::{HEAD_KEY, Head, META_KEY, RecordError, decode_head, decode_meta},
    error::AtPath,
    manifest,
};
use bindery_engine::record::MetaRecord;
use fjall::{
    AbstractTree, CompressionType, Database, Keyspace, KeyspaceCreateOptions, LsmError, OwnedWriteBatch, PersistMode,
    config::{CompressionPolicy, FilterPolicy},
};
use rustix::process::{Pid, getpriority_process, setpriority_process};
use std::{
    fs, io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

/// Bytes of journals before the engine writes out what keeps the oldest one alive: bounds the disk and the replay.
const JOURNALS: u64 = 128 << 20;
/// Block cache. Records are read only at start and by compaction, in order: it serves neither.
const CACHE: u64 = 4 << 20;
/// One thread writes tables and compacts. A worker ends at its first failed sync; a second one would go on, and write
/// over the manifest whose name the first had already made current: a power cut in that moment leaves neither.
const WORKERS: usize = 1;
/// What the kernel calls the engine's worker, and how far it stands behind the threads that answer clients: a table is
/// written and merged in what these leave, a quarter of a processor at least, where they all share one. At the same
/// priority one table held up every answer for a tenth of a second.
const WORKER: &str = "fjall:worker";
/// See [`WORKER`]: by so much its nice value is above the process's.
const WORKER_NICE: i32 = 5;
/// Sealed memtables above which no further one is sealed. At four the engine makes the committing thread wait for a
/// worker, for ever if that worker has died of a full disk: so it must not come to four.
const SEALED: usize = 2;
/// Runs of tables that wait for compaction above which a memtable may grow up to [`STRETCH`] times its size first: at
/// thirty runs the engine halts commits in the same way.
const RUNS: usize = 16;
/// See [`RUNS`].
const STRETCH: u64 = 4;

/// Settings of the storage engine; the defaults are the measured ones.
#[derive(Clone, Copy, Debug)]
pub struct Tuning {
    /// Bytes of records in memory before they are written to a table, for each of the two kinds. In memory they are about
    /// twice that. Measured with a million sessions: 64, 32 and 16 MiB leave 300, 214 and 103 bytes a session behind, and
    /// a record costs about the same (writing tables takes more, finding the place among fewer takes less). Tests take
    /// less, so that tables come and go.
    pub memtable: u64,
}

impl Default for Tuning {
    fn default() -> Self {
        Self { memtable: 16 << 20 }
    }
}

/// The open database.
pub(crate) struct Engine {
    path: PathBuf,
    memtable: u64,
    db: Database,
    leases: Keyspace,
    identities: Keyspace,
}

/// A batch being filled.
pub(crate) struct Batch(OwnedWriteBatch);

/// A record as it comes out of a scan: key and value.
pub(crate) type Row = (fjall::UserKey, fjall::UserValue);

impl Engine {
    /// Makes an empty database with its two keyspaces in `path`.
    pub(crate) fn create(path: &Path, tuning: Tuning) -> Result<Self, StoreError> {
        guard(path, || {
            let db = configure(path).open().map_err(|error| sort(path, error))?;
            let leases = db.keyspace("leases", options).map_err(|error| sort(path, error))?;
            let identities = db.keyspace("identities", options).map_err(|error| sort(path, error))?;
            Ok(Self { path: path.to_path_buf(), memtable: tuning.memtable, db, leases, identities })
        })
    }

    /// Opens a database that [`manifest::check`] found whole.
    pub(crate) fn open(path: &Path, tuning: Tuning) -> Result<Self, StoreError> {
        guard(path, || {
            let db = configure(path).open().map_err(|error| sort(path, error))?;
            let keyspace = |name: &str| {
                // Asked for first, since opening a missing one makes an empty one.
                if !db.keyspace_exists(name) {
                    return Err(StoreError::damaged(path, format!("keyspace '{name}' is missing")));
                }
                db.keyspace(name, options).map_err(|error| sort(path, error))
            };
            let (leases, identities) = (keyspace("leases")?, keyspace("identities")?);
            Ok(Self { path: path.to_path_buf(), memtable: tuning.memtable, leases, identities, db })
        })
    }

    pub(crate) fn batch(&self, capacity: usize) -> Batch {
        Batch(OwnedWriteBatch::with_capacity(self.db.clone(), capacity).durability(Some(PersistMode::SyncData)))
    }

    pub(crate) fn put_lease(&self, batch: &mut Batch, key: [u8; 9], value: &[u8]) {
        batch.0.insert(&self.leases, key, value);
    }

    pub(crate) fn remove_lease(&self, batch: &mut Batch, key: [u8; 9]) {
        batch.0.remove(&self.leases, key);
    }

    pub(crate) fn put_identity(&self, batch: &mut Batch, key: [u8; 8], value: &[u8]) {
        batch.0.insert(&self.identities, key, value);
    }

    pub(crate) fn remove_identity(&self, batch: &mut Batch, key: [u8; 8]) {
        batch.0.remove(&self.identities, key);
    }

    pub(crate) fn put_meta(&self, batch: &mut Batch, value: &[u8]) {
        batch.0.insert(&self.leases, META_KEY, value);
    }

    pub(crate) fn put_head(&self, batch: &mut Batch, value: &[u8]) {
        batch.0.insert(&self.leases, HEAD_KEY, value);
    }

    /// Writes and syncs the batch. After an error the database takes nothing more.
    pub(crate) fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        guard(&self.path, || {
            batch.0.commit().map_err(|error| sort(&self.path, error))?;
            for keyspace in [&self.leases, &self.identities] {
                if self.may_seal(keyspace) {
                    step_back();
                    keyspace.rotate_memtable().map_err(|error| sort(&self.path, error))?;
                }
            }
            Ok(())
        })
    }

    /// Whether the memtable is to be written to a table now.
    fn may_seal(&self, keyspace: &Keyspace) -> bool {
        let limit = if keyspace.tree.l0_run_count() < RUNS { self.memtable } else { self.memtable * STRETCH };
        keyspace.tree.active_memtable().size() >= limit && keyspace.tree.sealed_memtable_count() < SEALED
    }

    /// All rows of the leases keyspace, in order: leases and facts.
    pub(crate) fn leases(&self) -> impl Iterator<Item = Result<Row, StoreError>> {
        rows(&self.path, &self.leases)
    }

    /// All rows of the identities keyspace, in order.
    pub(crate) fn identities(&self) -> impl Iterator<Item = Result<Row, StoreError>> {
        rows(&self.path, &self.identities)
    }

    /// The head record.
    pub(crate) fn head(&self) -> Result<Head, StoreError> {
        let value = self.leases.get(HEAD_KEY).map_err(|error| sort(&self.path, error))?;
        let value = value.ok_or_else(|| StoreError::damaged(&self.path, "the head record is missing"))?;
        decode_head(&value).map_err(|error| StoreError::damaged(&self.path, format!("head record: {error}")))
    }

    /// The facts, when there are any.
    pub(crate) fn facts(&self) -> Result<Option<MetaRecord>, StoreError> {
        let value = self.leases.get(META_KEY).map_err(|error| sort(&self.path, error))?;
        let Some(value) = value else { return Ok(None) };
        let facts = decode_meta(&value);
        facts.map(|(meta, _)| Some(meta)).map_err(|error| match error {
            RecordError::Newer(_) => StoreError::Newer { path: self.path.clone(), what: format!("facts: {error}") },
            _ => StoreError::damaged(&self.path, format!("facts: {error}")),
        })
    }

    /// Closes the database: its threads have ended when this returns.
    pub(crate) fn close(self) {
        let Self { path, db, leases, identities, .. } = self;
        let _ = guard(&path, || {
            drop((leases, identities));
            drop(db);
            Ok(())
        });
    }
}

fn rows<'a>(path: &'a Path, keyspace: &Keyspace) -> impl Iterator<Item = Result<Row, StoreError>> + 'a {
    keyspace.iter().map(move |row| row.into_inner().map_err(|error| sort(path, error)))
}

fn configure(path: &Path) -> fjall::DatabaseBuilder<Database> {
    Database::builder(path)
        .cache_size(CACHE)
        .worker_threads(WORKERS)
        .max_journaling_size(JOURNALS)
        .journal_compression(CompressionType::None)
}

/// Lowers the priority of the worker, before it has a table to write. Not when the database is opened: a thread takes its
/// name by itself, some time after it was started.
fn step_back() {
    for worker in workers() {
        // Where the system refuses, it keeps its priority.
        let _ = setpriority_process(Some(worker), behind());
    }
}

/// The worker's nice value.
fn behind() -> i32 {
    getpriority_process(None).unwrap_or(0) + WORKER_NICE
}

/// The engine's threads in this process; none where the system does not list threads.
fn workers() -> impl Iterator<Item = Pid> {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let named = |name: String| name.trim_end() == WORKER;
    let tasks = tasks.filter(move |task| fs::read_to_string(task.path().join("comm")).is_ok_and(named));
    tasks.filter_map(|task| Pid::from_raw(task.file_name().to_str()?.parse().ok()?))
}

fn options() -> KeyspaceCreateOptions {
    KeyspaceCreateOptions::default()
        // `Engine::commit` seals memtables by itself, see SEALED.
        .max_memtable_size(u64::MAX)
        // Nothing is looked up by key but the head, once.
        .filter_policy(FilterPolicy::disabled())
        .data_block_compression_policy(CompressionPolicy::disabled())
}

/// Turns a panic of the engine into an error: it asserts what it expects of its files, and those may be damaged.
fn guard<T>(path: &Path, run: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let what = panic
            .downcast_ref::<&str>()
            .map(|text| (*text).to_string())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "a panic without a text".into());
        Err(StoreError::Engine { path: path.to_path_buf(), what })
    })
}

/// Sorts an error of the engine.
fn sort(path: &Path, error: fjall::Error) -> StoreError {
    let damaged = |what: String| StoreError::damaged(path, what);
    match error {
        fjall::Error::Io(error) => io_or_short(path, error),
        fjall::Error::Storage(LsmError::Io(error)) => io_or_short(path, error),
        fjall::Error::Locked => StoreError::Locked { path: path.join("lock") },
        fjall::Error::InvalidVersion(version) => {
            StoreError::Newer { path: path.to_path_buf(), what: format!("storage engine format {version:?}") }
        }
        fjall::Error::Poisoned => StoreError::Engine {
            path: path.to_path_buf(),
            what: "a write in the background failed: the disk is full or failing".into(),
        },
        fjall::Error::Storage(error) => damaged(format!("a table or manifest is unreadable: {error:?}")),
        other => damaged(format!("{other:?}")),
    }
}

/// A file that ends too early (before its first byte, seen from its end) is damage, not an error of the system.
fn io_or_short(path: &Path, error: io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::InvalidData
        | io::ErrorKind::InvalidInput
        | io::ErrorKind::NotFound => {
            StoreError::damaged(path, format!("one of its files is missing or cut short: {error}"))
        }
        _ => StoreError::io(path, error),
    }
}

/// Checks the files before [`Engine::open`].
pub(crate) fn check(path: &Path) -> Result<(), StoreError> {
    if !path.is_dir() {
        return Err(StoreError::damaged(path, "it is no directory"));
    }
    path.read_dir().at(path)?;
    manifest::check(path)
}

/// Makes the engine's small files certain again after a failed sync; see [`manifest::renew`].
pub(crate) fn renew(path: &Path) -> Result<(), StoreError> {
    manifest::renew(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn the_worker_stands_behind_who_answers() {
        let directory = tempfile::tempdir().expect("a directory");
        let tuning = Tuning { memtable: 1 };
        let engine = Engine::create(&directory.path().join("db"), tuning).expect("a database");
        let nice = |worker| getpriority_process(Some(worker)).ok();
        let end = Instant::now() + Duration::from_mins(1);
        // The worker may not have taken its name at the first table.
        while !workers().any(|worker| nice(worker) == Some(behind().min(19))) {
            assert!(Instant::now() < end, "no worker stands behind");
            let mut batch = engine.batch(1);
            engine.put_lease(&mut batch, [1; 9], b"lease");
            engine.commit(batch).expect("a commit");
        }
    }
}
