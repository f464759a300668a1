//! What the configuration refers to: secrets in files and in systemd's credentials, tables of reservations.

use crate::copies::Copies;
use bindery_commit::Database;
use bindery_config::{Hash, HostTable, HostTableError, HostTables, SecretReference, Sources};
use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, Read as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, Weak},
};

/// Most bytes of a file with a secret: whoever names a disk by mistake is told.
const SECRET_MAX: u64 = 64 << 10;

/// Most bytes of a table of reservations: some ten million of them.
const TABLE_MAX: u64 = 1 << 30;

/// What tells that a file has not changed: device, inode, size, and time of its last change in nanoseconds.
type Stat = (u64, u64, u64, i128);

/// The files of this machine.
#[derive(Debug)]
pub(crate) struct FileSources {
    /// Where relative paths start.
    base: PathBuf,
    /// Where systemd keeps the unit's credentials.
    credentials: Option<PathBuf>,
    tables: HostTables,
    /// Tables as they were read last: a commit reads no file that has not changed.
    seen: Mutex<HashMap<PathBuf, (Stat, Weak<HostTable>)>>,
    /// Where tables are kept; a mere check keeps none.
    copies: Option<Copies>,
}

impl FileSources {
    /// Relative paths start at `base`, the folder of the configuration file.
    pub(crate) fn new(base: &Path, copies: Option<Copies>) -> Self {
        let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        Self { base: base.into(), credentials, tables: HostTables::default(), seen: Mutex::default(), copies }
    }

    /// These with the tables that `revision` had; without it those that the newest one with this very text had.
    pub(crate) fn recorded<'a>(
        &'a self,
        database: &'a Database,
        text: &str,
        revision: Option<u64>,
    ) -> RecordedSources<'a> {
        RecordedSources { sources: self, database, text: bindery_config::hash(text), revision }
    }

    /// Removes the copies of tables that no revision needs any more.
    pub(crate) fn prune(&self, database: &Database) {
        if let (Some(copies), Ok(hashes)) = (&self.copies, database.kept_hashes("host-table")) {
            copies.prune(&hashes);
        }
    }

    /// The table of `bytes`, of which there is a copy when this returns.
    fn table(&self, bytes: &[u8]) -> Result<Arc<HostTable>, HostTableError> {
        let table = self.tables.table(bytes).map_err(HostTableError::Faulty)?;
        if let Some(copies) = &self.copies {
            let kept = copies.keep(&table.hash().0, bytes);
            kept.map_err(|error| {
                HostTableError::Unreadable(format!("it cannot be copied to the state directory: {error}"))
            })?;
        }
        Ok(table)
    }

    fn same_as_before(&self, path: &Path, stat: Stat) -> Option<Arc<HostTable>> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (before, table) = seen.get(path)?;
        (*before == stat).then(|| table.upgrade()).flatten()
    }
}

impl Sources for FileSources {
    fn secret(&self, reference: &SecretReference) -> Result<Vec<u8>, String> {
        let path = match reference {
            SecretReference::File(path) => self.base.join(path),
            SecretReference::Credential(name) => {
                let none = "there are no credentials: systemd gives them by LoadCredential= of the unit";
                self.credentials.as_ref().ok_or(none)?.join(name)
            }
        };
        read(&path, SECRET_MAX).map_err(|error| format!("{}: {error}", path.display()))
    }

    fn host_table(&self, path: &str) -> Result<Arc<HostTable>, HostTableError> {
        let path = self.base.join(path);
        let unreadable = |error: io::Error| HostTableError::Unreadable(format!("{}: {error}", path.display()));
        // Taken before the file is read: a change meanwhile is seen by the next commit.
        let stat = stat(&path).map_err(unreadable)?;
        if let Some(table) = self.same_as_before(&path, stat) {
            return Ok(table);
        }
        let table = self.table(&read(&path, TABLE_MAX).map_err(unreadable)?)?;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|_, (_, table)| table.strong_count() > 0);
        seen.insert(path, (stat, Arc::downgrade(&table)));
        Ok(table)
    }
}

/// The files of this machine, and of tables what was recorded.
#[derive(Debug)]
pub(crate) struct RecordedSources<'a> {
    sources: &'a FileSources,
    database: &'a Database,
    text: Hash,
    revision: Option<u64>,
}

impl Sources for RecordedSources<'_> {
    fn secret(&self, reference: &SecretReference) -> Result<Vec<u8>, String> {
        self.sources.secret(reference)
    }

    fn host_table(&self, path: &str) -> Result<Arc<HostTable>, HostTableError> {
        let recorded = match self.revision {
            Some(revision) => self.database.hash_in(revision, "host-table", path),
            None => self.database.kept_hash("host-table", self.text, path),
        };
        let copies = self.sources.copies.as_ref();
        match recorded.zip(copies).map(|(hash, copies)| copies.read(&hash)) {
            Some(Ok(bytes)) => self.sources.table(&bytes),
            Some(Err(error)) => {
                tracing::warn!(path, %error, "no copy of the table of reservations");
                self.sources.host_table(path)
            }
            None => self.sources.host_table(path),
        }
    }
}

fn stat(path: &Path) -> io::Result<Stat> {
    let stat = fs::metadata(path)?;
    let changed = i128::from(stat.ctime()) * 1_000_000_000 + i128::from(stat.ctime_nsec());
    Ok((stat.dev(), stat.ino(), stat.size(), changed))
}

fn read(path: &Path, max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("larger than {max} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_read_again_only_when_it_has_changed() {
        let dir = tempfile::tempdir().unwrap();
        let copies = Copies::of_tables(dir.path()).unwrap();
        let sources = FileSources::new(dir.path(), Some(copies.clone()));
        let write = |address: &str| {
            let text = format!("hardware-address,ip-address\n02:00:00:00:00:01,{address}\n");
            fs::write(dir.path().join("hosts.csv"), text).unwrap();
        };
        assert!(matches!(sources.host_table("hosts.csv"), Err(HostTableError::Unreadable(_))));
        write("10.0.0.5");
        let first = sources.host_table("hosts.csv").unwrap();
        assert!(Arc::ptr_eq(&first, &sources.host_table("hosts.csv").unwrap()));
        assert!(copies.read(&first.hash().0).is_ok(), "its copy");
        write("10.0.0.6");
        let second = sources.host_table("hosts.csv").unwrap();
        assert_ne!(first.hash(), second.hash());
        fs::write(dir.path().join("hosts.csv"), "nonsense").unwrap();
        assert!(matches!(sources.host_table("hosts.csv"), Err(HostTableError::Faulty(_))));
    }

    #[test]
    fn a_secret_is_read_where_the_reference_says() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("s"), "s3cret\n").unwrap();
        let sources = FileSources::new(dir.path(), None);
        let file = |name: &str| SecretReference::File(name.to_owned());
        assert_eq!(sources.secret(&file("s")).unwrap(), b"s3cret\n");
        assert!(sources.secret(&file("t")).unwrap_err().contains("t: No such file"));
        assert!(sources.secret(&file("/dev/zero")).unwrap_err().contains("larger"));
        assert!(sources.secret(&SecretReference::Credential("c".to_owned())).is_err());
    }
}
