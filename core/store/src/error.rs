//! What can go wrong with the session database.

use bindery_types::SessionId;
use std::{
    io,
    path::{Path, PathBuf},
};

/// An error of the session database: the environment's doing, never a client's.
///
/// The text names the file or directory and says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system is full. A running writer opens the database again by itself once there is space.
    #[error("{}: no space left: free some space on this file system", path.display())]
    Full {
        /// Directory of the database.
        path: PathBuf,
    },
    /// The file system is mounted read-only.
    #[error("{}: the file system is read-only: remount it, or choose another state directory", path.display())]
    ReadOnly {
        /// What could not be written.
        path: PathBuf,
    },
    /// Access was refused.
    #[error("{}: permission denied: the daemon must own this and be able to write it", path.display())]
    Permission {
        /// What could not be accessed.
        path: PathBuf,
    },
    /// Another process has the database open.
    #[error(
        "{}: another daemon uses this session database: stop it, or give each daemon a state directory of its own",
        path.display()
    )]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// The directory holds something else.
    #[error(
        "{}: holds '{found}', which is no part of a session database: move it away, or choose another state directory; \
         nothing was changed",
        path.display()
    )]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// A name found in it.
        found: String,
    },
    /// The database was written by a newer release.
    #[error(
        "{}: written by a newer release ({what}): start that release, or restore a backup; nothing was changed",
        path.display()
    )]
    Newer {
        /// The file or directory.
        path: PathBuf,
        /// Which version was found.
        what: String,
    },
    /// The database does not hold what was committed to it.
    #[error(
        "{}: damaged: {what}: restore the session database from a backup, or move it away to start without sessions",
        path.display()
    )]
    Damaged {
        /// The file or directory.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// Any other error of the operating system.
    #[error("{}: {source}", path.display())]
    Io {
        /// What was being accessed.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The storage engine failed in a way of its own.
    #[error("{}: the storage engine failed: {what}", path.display())]
    Engine {
        /// Directory of the database.
        path: PathBuf,
        /// Its words.
        what: String,
    },
    /// An earlier commit failed; nothing is taken until the database is opened again.
    #[error("the session database is closed after a failed write")]
    Closed,
    /// A lease was to be written whose session has no identity. A fault of the caller; nothing was written.
    #[error("session {0} has no identity record")]
    NoIdentity(SessionId),
}

impl StoreError {
    /// Sorts an error of the operating system about `path`.
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        let path = path.to_path_buf();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path },
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { path },
            io::ErrorKind::PermissionDenied => Self::Permission { path },
            _ => Self::Io { path, source },
        }
    }

    /// Damage at `path`.
    pub(crate) fn damaged(path: &Path, what: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_path_buf(), what: what.into() }
    }
}

/// Adds the path to an error of the operating system.
pub(crate) trait AtPath<T> {
    /// The same result, with the path in its error.
    fn at(self, path: &Path) -> Result<T, StoreError>;
}

impl<T> AtPath<T> for io::Result<T> {
    fn at(self, path: &Path) -> Result<T, StoreError> {
        self.map_err(|source| StoreError::io(path, source))
    }
}
