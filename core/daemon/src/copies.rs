//! Copies of components and tables of reservations by their hash, so that a deleted file cannot break a restart
//! (design §5).
//!
//! `STATE_DIR/plugins/SHA256.wasm` and `STATE_DIR/host-tables/SHA256.hosts` are there, on stable storage, before a revision
//! that names the hash is recorded.

use bindery_commit::Database;
use bindery_plugin_host::{Stores, sha256};
use std::{
    fmt::Write as _,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// How the name of a component's copy ends.
const COMPONENT: &str = "wasm";

/// How the name of the copy of a table of reservations ends.
const TABLE: &str = "hosts";

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The copies of a state directory.
#[derive(Clone, Debug)]
pub(crate) struct Copies {
    dir: PathBuf,
    ending: &'static str,
}

impl Copies {
    /// Copies of components in `dir`, which the plugin host has made.
    pub(crate) fn new(dir: PathBuf) -> Self {
        Self { dir, ending: COMPONENT }
    }

    /// Copies of tables of reservations in a state directory.
    ///
    /// # Errors
    /// The file system's.
    pub(crate) fn of_tables(state_dir: &Path) -> io::Result<Self> {
        let dir = state_dir.join("host-tables");
        fs::create_dir_all(&dir)?;
        Ok(Self { dir, ending: TABLE })
    }

    fn file(&self, hash: &[u8; 32]) -> PathBuf {
        self.dir.join(hex(hash)).with_extension(self.ending)
    }

    /// The component of this hash.
    ///
    /// # Errors
    /// There is none, or it is damaged.
    pub(crate) fn read(&self, hash: &[u8; 32]) -> io::Result<Vec<u8>> {
        let component = fs::read(self.file(hash))?;
        if sha256(&component) != *hash {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the copy is damaged"));
        }
        Ok(component)
    }

    /// Keeps `component`; it is on stable storage when this returns.
    ///
    /// # Errors
    /// The file system's.
    pub(crate) fn keep(&self, hash: &[u8; 32], component: &[u8]) -> io::Result<()> {
        let path = self.file(hash);
        if self.read(hash).is_err() {
            let temporary = path.with_extension("new");
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
            file.write_all(component)?;
            file.sync_all()?;
            fs::rename(&temporary, &path)?;
        }
        File::open(&self.dir)?.sync_all()
    }

    /// Removes the copies that no hash of `kept` names. What cannot be removed stays.
    pub(crate) fn prune(&self, kept: &[[u8; 32]]) {
        let kept: Vec<PathBuf> = kept.iter().map(|hash| self.file(hash)).collect();
        for entry in fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|ending| ending == self.ending) && !kept.contains(&path) {
                let _ = fs::remove_file(path);
            }
        }
    }
}

/// What the state directory has of plugins: copies of their components, their stores, and what the revisions say of
/// them.
#[derive(Clone, Copy)]
pub(crate) struct Kept<'a> {
    pub(crate) copies: &'a Copies,
    pub(crate) stores: &'a Stores,
    pub(crate) database: &'a Database,
    /// The revision that comes back: with the components that it had, whatever their files hold by now.
    pub(crate) revision: Option<u64>,
}

impl Kept<'_> {
    /// The component that the plugin `name` had when this very text was recorded, or in the revision that comes back.
    pub(crate) fn component(&self, text: bindery_config::Hash, name: &str) -> Option<Vec<u8>> {
        let hash = match self.revision {
            Some(revision) => self.database.hash_in(revision, "plugin", name),
            None => self.database.kept_hash("plugin", text, name),
        }?;
        self.copies.read(&hash).inspect_err(|error| tracing::warn!(name, %error, "no copy of the component")).ok()
    }
}

/// Where the copies of a state directory are.
pub(crate) fn dir(state_dir: &Path) -> PathBuf {
    state_dir.join("plugins")
}

/// The stores of plugins in a state directory.
///
/// # Errors
/// The directory or a thread.
pub(crate) fn stores(state_dir: &Path) -> io::Result<Stores> {
    Stores::open(&dir(state_dir).join("kv"), |path, error| {
        tracing::error!(path = %path.display(), %error, "a plugin's store cannot be written: it is tried again");
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_found_again_unless_it_is_damaged() {
        let dir = tempfile::tempdir().unwrap();
        let copies = Copies::new(dir.path().into());
        let hash = sha256(b"component");
        assert!(copies.read(&hash).is_err());
        copies.keep(&hash, b"component").unwrap();
        assert_eq!(copies.read(&hash).unwrap(), b"component");
        fs::write(copies.file(&hash), b"damaged").unwrap();
        assert_eq!(copies.read(&hash).unwrap_err().kind(), io::ErrorKind::InvalidData);
        copies.keep(&hash, b"component").unwrap();
        assert_eq!(copies.read(&hash).unwrap(), b"component");
    }

    #[test]
    fn only_copies_that_nobody_names_go() {
        let dir = tempfile::tempdir().unwrap();
        let copies = Copies::new(dir.path().into());
        let (one, two) = (sha256(b"one"), sha256(b"two"));
        copies.keep(&one, b"one").unwrap();
        copies.keep(&two, b"two").unwrap();
        fs::write(dir.path().join("cached.cwasm"), b"").unwrap();
        copies.prune(&[one]);
        assert!(copies.read(&one).is_ok() && copies.read(&two).is_err());
        assert!(dir.path().join("cached.cwasm").is_file());
    }
}
