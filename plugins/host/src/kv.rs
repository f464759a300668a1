//! Stores of plugins' own: bounded, in memory, written to files behind the calls.
//!
//! A file holds the whole store of a plugin with a digest, and is replaced as a whole. Writing is left to a thread of
//! its own, since a call on the packet thread cannot wait for storage.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::cache::hex;

/// Longest key, in bytes.
pub(crate) const KEY_MAX: usize = 128;
/// Longest value, in bytes.
pub(crate) const VALUE_MAX: usize = 4096;
/// Most keys of one plugin.
pub(crate) const KEYS_MAX: usize = 1024;
/// Most bytes of keys and values of one plugin.
pub(crate) const TOTAL_MAX: usize = 256 << 10;

/// Pause between two looks for what has to be written.
const PAUSE: Duration = Duration::from_secs(1);
/// How a file starts.
const MAGIC: &[u8] = b"bindery-kv 1\n";
const DIGEST_BYTES: usize = 32;

/// Why a value is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    TooLarge,
    Full,
}

/// A change; `None` removes the key.
pub(crate) type Change = (Vec<u8>, Option<Vec<u8>>);

#[derive(Debug, Default)]
struct Entries {
    values: BTreeMap<Vec<u8>, Vec<u8>>,
    bytes: usize,
}

impl Entries {
    fn put(&mut self, (key, value): Change) {
        let length = key.len();
        let old = match value {
            Some(value) => {
                self.bytes += length + value.len();
                self.values.insert(key, value)
            }
            None => self.values.remove(&key),
        };
        if let Some(old) = old {
            self.bytes -= length + old.len();
        }
    }
}

/// The store of one plugin.
#[derive(Debug)]
pub struct Kv {
    path: PathBuf,
    entries: Mutex<Entries>,
    dirty: AtomicBool,
}

impl Kv {
    /// A store that is never written, to try a plugin with.
    #[must_use]
    pub fn volatile() -> Arc<Kv> {
        Arc::new(Kv { path: PathBuf::new(), entries: Mutex::default(), dirty: AtomicBool::new(false) })
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.entries().values.get(key).cloned()
    }

    /// Whether `value` can be kept under `key`, together with the changes of this call so far.
    pub(crate) fn judge(&self, pending: &[Change], key: &[u8], value: &[u8]) -> Result<(), Refusal> {
        if key.is_empty() || key.len() > KEY_MAX || value.len() > VALUE_MAX {
            return Err(Refusal::TooLarge);
        }
        // What is pending may replace or remove; that it adds is the safe side.
        let added: usize = pending.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, Vec::len)).sum();
        let entries = self.entries();
        let keys = entries.values.len() + pending.len();
        let new = !entries.values.contains_key(key);
        if (new && keys >= KEYS_MAX) || pending.len() >= KEYS_MAX {
            return Err(Refusal::Full);
        }
        let old = entries.values.get(key).map_or(0, |old| key.len() + old.len());
        let total = entries.bytes - old + added + key.len() + value.len();
        if total > TOTAL_MAX { Err(Refusal::Full) } else { Ok(()) }
    }

    /// Makes the changes of a good call.
    pub(crate) fn keep(&self, changes: impl Iterator<Item = Change>) {
        let mut entries = self.entries();
        changes.for_each(|change| entries.put(change));
        self.dirty.store(true, Ordering::Release);
    }

    /// Writes the file if something changed since.
    fn write(&self) -> io::Result<()> {
        if !self.dirty.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        let written = self.replace(&self.serialized());
        if written.is_err() {
            self.dirty.store(true, Ordering::Release);
        }
        written
    }

    fn serialized(&self) -> Vec<u8> {
        let entries = self.entries();
        let mut bytes = MAGIC.to_vec();
        for (key, value) in &entries.values {
            for part in [key, value] {
                bytes.extend(u32::try_from(part.len()).unwrap_or(0).to_be_bytes());
                bytes.extend_from_slice(part);
            }
        }
        drop(entries);
        let digest = Sha256::digest(&bytes);
        bytes.extend_from_slice(&digest);
        bytes
    }

    fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        let temporary = self.path.with_extension("new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, &self.path)?;
        File::open(self.path.parent().unwrap_or(Path::new(".")))?.sync_all()
    }
}

/// The entries of a file; none if it is damaged.
fn parse(bytes: &[u8]) -> Option<Entries> {
    let (body, digest) = bytes.split_at_checked(bytes.len().checked_sub(DIGEST_BYTES)?)?;
    if Sha256::digest(body).as_slice() != digest {
        return None;
    }
    let mut rest = body.strip_prefix(MAGIC)?;
    let mut entries = Entries::default();
    while !rest.is_empty() {
        let mut part = || {
            let (length, tail) = rest.split_first_chunk::<4>()?;
            let (part, tail) = tail.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
            rest = tail;
            Some(part.to_vec())
        };
        let (key, value) = (part()?, part()?);
        entries.put((key, Some(value)));
    }
    Some(entries)
}

/// The stores of all plugins, by name, with the thread that writes them.
pub struct Stores {
    dir: PathBuf,
    open: Arc<Mutex<HashMap<String, Arc<Kv>>>>,
    stop: Arc<AtomicBool>,
    writer: Option<JoinHandle<()>>,
}

impl Stores {
    /// Stores with their files in `dir`, made if absent. `fault` is told of files that cannot be written; they are
    /// tried again.
    ///
    /// # Errors
    /// The directory, or the thread.
    pub fn open(dir: &Path, fault: impl Fn(&Path, &io::Error) + Send + 'static) -> io::Result<Stores> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let open: Arc<Mutex<HashMap<String, Arc<Kv>>>> = Arc::default();
        let stop = Arc::new(AtomicBool::new(false));
        let (all, stopped) = (Arc::clone(&open), Arc::clone(&stop));
        let write = move || {
            loop {
                let last = stopped.load(Ordering::Acquire);
                let stores: Vec<Arc<Kv>> =
                    all.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
                for store in stores {
                    if let Err(error) = store.write() {
                        fault(&store.path, &error);
                    }
                }
                if last {
                    return;
                }
                thread::park_timeout(PAUSE);
            }
        };
        let writer = thread::Builder::new().name("plugin-kv".into()).spawn(write)?;
        Ok(Stores { dir: dir.to_owned(), open, stop, writer: Some(writer) })
    }

    /// The store of the plugin `name`: the same one as long as the process lives.
    ///
    /// # Errors
    /// Its file cannot be read, or is damaged.
    pub fn of(&self, name: &str) -> io::Result<Arc<Kv>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = open.get(name) {
            return Ok(Arc::clone(store));
        }
        let path = self.dir.join(hex(name.as_bytes())).with_extension("kv");
        let entries = match fs::read(&path) {
            Ok(bytes) => parse(&bytes).ok_or_else(|| {
                let what = format!("the store of plugin {name} in {} is damaged: remove it", path.display());
                io::Error::new(io::ErrorKind::InvalidData, what)
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Entries::default(),
            Err(error) => return Err(error),
        };
        let store = Arc::new(Kv { path, entries: Mutex::new(entries), dirty: AtomicBool::new(false) });
        open.insert(name.to_owned(), Arc::clone(&store));
        Ok(store)
    }
}

impl Drop for Stores {
    /// Writes what is left.
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(writer) = self.writer.take() {
            writer.thread().unpark();
            // It cannot panic; if it did, there is nothing left to write.
            let _ = writer.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stores(dir: &Path) -> Stores {
        Stores::open(dir, |path, error| panic!("{}: {error}", path.display())).unwrap()
    }

    #[test]
    fn what_was_kept_is_there_again() {
        let dir = tempfile::tempdir().unwrap();
        let open = stores(dir.path());
        let store = open.of("one").unwrap();
        store.keep([(b"a".to_vec(), Some(b"1".to_vec())), (b"b".to_vec(), Some(b"2".to_vec()))].into_iter());
        store.keep([(b"a".to_vec(), None), (b"b".to_vec(), Some(b"3".to_vec()))].into_iter());
        drop(open);
        let open = stores(dir.path());
        let again = open.of("one").unwrap();
        assert_eq!((again.get(b"a"), again.get(b"b")), (None, Some(b"3".to_vec())));
        assert_eq!(again.entries().bytes, 2);
        assert_eq!(open.of("two").unwrap().get(b"b"), None, "each has its own");
        assert!(Arc::ptr_eq(&again, &open.of("one").unwrap()));
    }

    #[test]
    fn damage_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let open = stores(dir.path());
        let store = open.of("one").unwrap();
        store.keep([(b"a".to_vec(), Some(b"1".to_vec()))].into_iter());
        drop(open);
        let mut bytes = fs::read(&store.path).unwrap();
        bytes[MAGIC.len() + 4] ^= 1;
        fs::write(&store.path, bytes).unwrap();
        let error = stores(dir.path()).of("one").unwrap_err().to_string();
        assert!(error.contains("damaged: remove it"), "{error}");
    }

    #[test]
    fn a_store_is_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let open = stores(dir.path());
        let store = open.of("one").unwrap();
        assert_eq!(store.judge(&[], b"", b""), Err(Refusal::TooLarge));
        assert_eq!(store.judge(&[], &[0; KEY_MAX + 1], b""), Err(Refusal::TooLarge));
        assert_eq!(store.judge(&[], &[0; KEY_MAX], &[0; VALUE_MAX]), Ok(()));
        assert_eq!(store.judge(&[], b"a", &[0; VALUE_MAX + 1]), Err(Refusal::TooLarge));
        store.keep((0..KEYS_MAX as u32).map(|key| (key.to_be_bytes().to_vec(), Some(vec![0; 8]))));
        assert_eq!(store.judge(&[], b"new", b""), Err(Refusal::Full));
        assert_eq!(store.judge(&[], &[0; 4], &[0; 9]), Ok(()), "a key that is there may change");
        let other = open.of("two").unwrap();
        let large = TOTAL_MAX / VALUE_MAX;
        other.keep((0..large as u32 - 1).map(|key| (key.to_be_bytes().to_vec(), Some(vec![0; VALUE_MAX]))));
        assert_eq!(other.judge(&[], b"new", &[0; VALUE_MAX]), Err(Refusal::Full));
        let pending = [(b"k".to_vec(), Some(vec![0; VALUE_MAX]))];
        assert_eq!(other.judge(&[], b"new", &[0; 3000]), Ok(()));
        assert_eq!(other.judge(&pending, b"new", &[0; 3000]), Err(Refusal::Full));
    }
}
