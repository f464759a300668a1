//! The configuration database: what the operator edits, what was committed, and what may come back.
//!
//! A commit is prepare, [`Database::record`], apply, [`Database::committed`]: this crate does the second step and the
//! fourth, the daemon the others. Nothing here knows a clock, a thread or a socket, and files only by [`Storage`]. Read
//! [`Database`] first.

mod boot;
mod candidate;
mod commit;
mod edit;
mod error;
mod format;
mod record;
mod ring;
mod scheduled;
mod session;
mod show;
mod storage;

pub use boot::Boot;
pub use error::{EditError, OpenError};
pub use record::{KeptFile, Plan, Window};
pub use ring::{EXPIRED, KEPT, Recording};
pub use scheduled::Scheduled;
pub use session::{IDLE_MAX, SESSIONS_MAX, Who};
pub use storage::{Directory, Storage};

use bindery_config::tree::Tree;
use bindery_config::{Hash, Loaded};
use candidate::Candidate;
use ring::Ring;
use session::Sessions;
use std::fmt;
use std::sync::Arc;

/// The configurations of a daemon: the active one, candidates, revisions.
///
/// It is opened, says what boots, and is told that it did ([`Database::started`]); only then it is edited. All times are
/// seconds since 1970 by the clock on the wall.
pub struct Database {
    ring: Ring,
    scheduled: Option<Scheduled>,
    /// Whether there is a rescue configuration.
    rescue: bool,
    active: Arc<Loaded>,
    /// Whether that has started.
    started: bool,
    /// The tree of the active one, in canonical order: what candidates are made of.
    tree: Arc<Tree>,
    /// The candidate of all sessions that have none of their own.
    shared: Candidate,
    sessions: Sessions,
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("revision", &self.revision()).finish_non_exhaustive()
    }
}

impl Database {
    /// Opens what is recorded. Half a revision, which a crash has left, is none.
    ///
    /// # Errors
    /// The storage's; a damaged record, or text that boot may need: the error says what to do.
    pub fn open(storage: Box<dyn Storage>) -> Result<Self, OpenError> {
        let ring = Ring::open(storage)?;
        let scheduled = Scheduled::open(&*ring.storage)?;
        let rescue = ring.storage.list()?.iter().any(|name| name == scheduled::RESCUE);
        let active = bindery_config::load("nothing", "").map_err(|errors| OpenError::Damaged {
            place: "the empty configuration".to_owned(),
            reason: errors.to_string(),
            help: "this is a fault of the program".to_owned(),
        })?;
        let tree = Arc::new(active.tree.clone());
        Ok(Self {
            ring,
            scheduled,
            rescue,
            active: Arc::new(active),
            started: false,
            shared: Candidate::new(Arc::clone(&tree)),
            tree,
            sessions: Sessions::default(),
        })
    }

    /// The active configuration; one without a statement before [`Database::started`].
    pub fn active(&self) -> &Arc<Loaded> {
        &self.active
    }

    /// The newest revision, which is the active one; 0 where there is none.
    pub fn revision(&self) -> u64 {
        self.ring.newest().map_or(0, |newest| newest.number)
    }

    /// The hashes of texts in the configuration file that are no edit by hand: the newest revision's text, and what the
    /// file held when that was recorded.
    pub fn file_hashes(&self) -> Vec<Hash> {
        self.ring.newest().map(|newest| newest.file.into_iter().chain([newest.text]).collect()).unwrap_or_default()
    }

    /// The hash that the file `name` of this kind had when `text` was recorded the last time; none if it never was.
    pub fn kept_hash(&self, kind: &str, text: Hash, name: &str) -> Option<[u8; 32]> {
        self.ring.kept_hash(kind, text, name)
    }

    /// The hash that the file `name` of this kind had when this revision was recorded; none if it has no such file.
    pub fn hash_in(&self, revision: u64, kind: &str, name: &str) -> Option<[u8; 32]> {
        self.ring.hash_in(revision, kind, name)
    }

    /// The hashes of all files of this kind that a revision needs.
    ///
    /// # Errors
    /// A record cannot be read: then nothing may be thrown away.
    pub fn kept_hashes(&self, kind: &str) -> std::io::Result<Vec<[u8; 32]>> {
        self.ring.kept_hashes(kind)
    }
}
