//! The directory of the session database: who may use it, what must be in it, how it comes to be.
//!
//! ```text
//! STATE_DIR/sessions.lock     held with flock while the database is open
//! STATE_DIR/sessions/format   text: what this is, its version, the database id; never written again
//! STATE_DIR/sessions/mark     how far commits were acknowledged (see `mark`)
//! STATE_DIR/sessions/db/      the storage engine's files
//! STATE_DIR/sessions.new/     a database being made; it becomes `sessions` by one rename when it is whole
//! ```

use crate::{StoreError, codec::FORMAT, error::AtPath};
use std::{
    fs::{self, File, OpenOptions, TryLockError},
    hash::{BuildHasher, RandomState},
    io::{self, Write},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

/// First line of a format file.
const MAGIC: &str = "bindery session database";
/// All that may lie in the directory of a database.
const ENTRIES: [&str; 3] = ["format", "mark", "db"];

/// The locked directory of one database.
#[derive(Debug)]
pub(crate) struct Directory {
    state: PathBuf,
    lock: File,
}

/// What a directory turned out to be.
#[derive(Debug)]
pub(crate) enum Found {
    /// No database yet.
    Nothing,
    /// A database, by its id.
    Database(u64),
}

impl Drop for Directory {
    fn drop(&mut self) {
        // Not left to the closing of the file: a child that is between fork and exec holds it open, too.
        let _ = self.lock.unlock();
    }
}

impl Directory {
    /// Takes the lock in `state`, which is made when it is missing.
    pub(crate) fn lock(state: &Path) -> Result<Self, StoreError> {
        fs::create_dir_all(state).at(state)?;
        let path = state.join("sessions.lock");
        let lock = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path).at(&path)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { state: state.to_path_buf(), lock }),
            Err(TryLockError::WouldBlock) => Err(StoreError::Locked { path }),
            Err(TryLockError::Error(error)) => Err(StoreError::io(&path, error)),
        }
    }

    /// The directory of the finished database.
    pub(crate) fn path(&self) -> PathBuf {
        self.state.join("sessions")
    }

    /// The storage engine's directory.
    pub(crate) fn db(&self) -> PathBuf {
        self.path().join("db")
    }

    /// The mark file.
    pub(crate) fn mark(&self) -> PathBuf {
        self.path().join("mark")
    }

    /// Looks without touching anything.
    pub(crate) fn look(&self) -> Result<Found, StoreError> {
        let path = self.path();
        let Some(names) = names(&path)? else {
            return Ok(Found::Nothing);
        };
        if names.is_empty() {
            return Ok(Found::Nothing);
        }
        if !names.iter().any(|name| name == "format") {
            // A database that lost its format file still has its other entries and nothing else.
            return match names.iter().find(|name| !ENTRIES.contains(&name.as_str())) {
                Some(found) => Err(StoreError::Foreign { path, found: found.clone() }),
                None => Err(StoreError::damaged(&path.join("format"), "the file is missing")),
            };
        }
        let database = read_format(&path.join("format"))?;
        for entry in ["mark", "db"] {
            if !names.iter().any(|name| name == entry) {
                return Err(StoreError::damaged(&path.join(entry), "it is missing"));
            }
        }
        Ok(Found::Database(database))
    }

    /// Makes a database: `fill` makes the engine's files in the path it is given, under the id it is given.
    ///
    /// Until the rename there is no database, so a crash before it leaves nothing that could be taken for one.
    pub(crate) fn create(&self, fill: &mut dyn FnMut(&Path, u64) -> Result<(), StoreError>) -> Result<u64, StoreError> {
        let new = self.state.join("sessions.new");
        if let Some(names) = names(&new)? {
            if let Some(found) = names.iter().find(|name| !ENTRIES.contains(&name.as_str())) {
                return Err(StoreError::Foreign { path: new, found: found.clone() });
            }
            fs::remove_dir_all(&new).at(&new)?;
        }
        fs::create_dir(&new).at(&new)?;
        let database = random();
        let created = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let body = format!("{MAGIC}\nformat {FORMAT}\ndatabase {database:016x}\ncreated {created}\n");
        let format = new.join("format");
        let mut file = File::create_new(&format).at(&format)?;
        writeln!(file, "{body}crc {:08x}", crc32fast::hash(body.as_bytes())).at(&format)?;
        file.sync_all().at(&format)?;
        crate::mark::Mark::create(&new.join("mark"), database)?;
        fill(&new, database)?;
        sync_tree(&new)?;
        let path = self.path();
        fs::rename(&new, &path).at(&path)?;
        sync_directory(&self.state)?;
        Ok(database)
    }
}

/// The names in a directory; `None` when there is none.
fn names(path: &Path) -> Result<Option<Vec<String>>, StoreError> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(StoreError::Foreign { path: path.to_path_buf(), found: "a file".into() });
        }
        Err(error) => return Err(StoreError::io(path, error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry.at(path)?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(Some(names))
}

/// Reads and checks a format file; returns the database id.
fn read_format(path: &Path) -> Result<u64, StoreError> {
    let bytes = fs::read(path).at(path)?;
    let damaged = |what: &str| StoreError::damaged(path, what);
    let text = core::str::from_utf8(&bytes).map_err(|_| damaged("it is no text"))?;
    let (body, crc) = text.rsplit_once("crc ").ok_or_else(|| damaged("its last line is missing"))?;
    if crc != format!("{:08x}\n", crc32fast::hash(body.as_bytes())) {
        return Err(damaged("its checksum is wrong"));
    }
    let mut lines = body.lines();
    if lines.next() != Some(MAGIC) {
        return Err(damaged("its first line is another"));
    }
    let mut field = |name: &str| lines.next().and_then(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let format: u32 = field("format").and_then(|v| v.parse().ok()).ok_or_else(|| damaged("it has no format number"))?;
    if format > FORMAT {
        let what = format!("database format {format}, this release knows up to {FORMAT}");
        return Err(StoreError::Newer { path: path.to_path_buf(), what });
    }
    field("database").and_then(|v| u64::from_str_radix(v, 16).ok()).ok_or_else(|| damaged("it has no database id"))
}

/// 64 bits that nobody can guess: the keys that the standard library draws for its hash tables.
fn random() -> u64 {
    RandomState::new().hash_one(0u8)
}

/// Syncs a directory: the names in it are then on stable storage.
pub(crate) fn sync_directory(path: &Path) -> Result<(), StoreError> {
    File::open(path).and_then(|directory| directory.sync_all()).at(path)
}

/// Syncs every file and directory below `path`, and `path` itself.
fn sync_tree(path: &Path) -> Result<(), StoreError> {
    for entry in fs::read_dir(path).at(path)? {
        let entry = entry.at(path)?.path();
        if entry.is_dir() {
            sync_tree(&entry)?;
        } else {
            File::open(&entry).and_then(|file| file.sync_all()).at(&entry)?;
        }
    }
    sync_directory(path)
}
