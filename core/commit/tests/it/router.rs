//! A daemon around the database, with all that has no part in it left out, and a disk that fails as it is told.

use bindery_api::{Edit, Load, LoadVerb, Mode, Open};
use bindery_commit::{Boot, Database, EXPIRED, EditError, Recording, Storage, Who};
use bindery_config::tree::print;
use bindery_config::{Loaded, hash};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

/// What goes wrong on a disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    #[default]
    None,
    /// This one change, counted from 0, is not done, and said so.
    Refused(usize),
    /// This one change is done and is said not to be.
    Doubtful(usize),
    /// This change and all behind it are not done: the machine has stopped.
    Stopped(usize),
    /// This change is done and is said not to be, and all behind it are not done.
    Stuck(usize),
}

#[derive(Debug, Default)]
struct Files {
    files: BTreeMap<String, Vec<u8>>,
    fault: Fault,
    changes: usize,
}

/// A disk; a copy is the same disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk(Arc<Mutex<Files>>);

impl Disk {
    fn with<T>(&self, work: impl FnOnce(&mut Files) -> T) -> T {
        work(&mut self.0.lock().unwrap())
    }

    /// Counts changes from here, and fails so.
    pub(crate) fn fail(&self, fault: Fault) {
        self.with(|files| (files.fault, files.changes) = (fault, 0));
    }

    /// Changes since [`Disk::fail`].
    pub(crate) fn changes(&self) -> usize {
        self.with(|files| files.changes)
    }

    pub(crate) fn put(&self, name: &str, bytes: impl AsRef<[u8]>) {
        self.with(|files| files.files.insert(name.to_owned(), bytes.as_ref().to_vec()));
    }

    pub(crate) fn get(&self, name: &str) -> Option<String> {
        self.with(|files| files.files.get(name).map(|bytes| String::from_utf8(bytes.clone()).unwrap()))
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.with(|files| files.files.keys().cloned().collect())
    }

    pub(crate) fn delete(&self, name: &str) {
        self.with(|files| files.files.remove(name));
    }

    /// Another disk with the same files.
    pub(crate) fn copy(&self) -> Self {
        let copy = Self::default();
        copy.with(|files| self.with(|own| files.files.clone_from(&own.files)));
        copy
    }

    pub(crate) fn database(&self) -> Result<Database, bindery_commit::OpenError> {
        Database::open(Box::new(self.clone()))
    }

    fn change(&self, work: impl FnOnce(&mut BTreeMap<String, Vec<u8>>)) -> io::Result<()> {
        self.with(|files| {
            let at = files.changes;
            files.changes += 1;
            let (done, told) = match files.fault {
                Fault::Refused(fault) if fault == at => (false, false),
                Fault::Doubtful(fault) if fault == at => (true, false),
                Fault::Stopped(fault) if fault <= at => (false, false),
                Fault::Stuck(fault) if fault <= at => (fault == at, false),
                _ => (true, true),
            };
            if done {
                work(&mut files.files);
            }
            if told { Ok(()) } else { Err(io::Error::other("the disk has failed")) }
        })
    }
}

impl Storage for Disk {
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        Ok(self.with(|files| files.files.get(name).cloned()))
    }

    fn write(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.change(|files| {
            files.insert(name.to_owned(), bytes.to_owned());
        })
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.change(|files| {
            files.remove(name);
        })
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.names())
    }
}

/// A machine with a daemon that runs.
pub(crate) struct Router {
    pub(crate) disk: Disk,
    /// What the configuration file holds.
    pub(crate) file: Option<String>,
    pub(crate) wall: u64,
    pub(crate) db: Database,
}

/// When the tests begin.
pub(crate) const NOON: u64 = 1_800_000_000;

pub(crate) fn loaded(text: &str) -> Loaded {
    bindery_config::load("t.kdl", text).unwrap_or_else(|errors| panic!("{errors}"))
}

impl Router {
    /// A router whose first configuration is `text`.
    pub(crate) fn new(text: &str) -> Self {
        let disk = Disk::default();
        let db = disk.database().unwrap();
        let mut router = Self { disk, file: Some(text.to_owned()), wall: NOON, db };
        router.start().unwrap();
        router
    }

    /// What boots.
    pub(crate) fn boot(&self) -> Boot {
        self.db.boot(self.file.as_deref(), self.wall).unwrap()
    }

    /// What a daemon does at its start, up to the first packet.
    pub(crate) fn start(&mut self) -> io::Result<()> {
        let (text, via, write) = match self.boot() {
            Boot::Revision { text, .. } => (text, "file", true),
            Boot::File { text, .. } => (text, "file", false),
            Boot::Expired { text, .. } => (text, EXPIRED, true),
            Boot::Nothing => panic!("nothing boots"),
        };
        let active = loaded(&text);
        self.db.record(&active, self.recording("", via))?;
        self.db.started(Arc::new(active));
        if write {
            self.file = Some(text);
        }
        Ok(())
    }

    /// Ends the daemon, whatever it does, and starts it on the same disk.
    pub(crate) fn restart(&mut self) {
        self.disk.fail(Fault::None);
        self.db = self.disk.database().unwrap_or_else(|error| panic!("{error}"));
        self.start().unwrap();
    }

    pub(crate) fn recording(&self, by: &str, via: &str) -> Recording {
        let file_hash = self.file.as_deref().map(hash);
        Recording { by: by.to_owned(), via: via.to_owned(), wall: self.wall, file_hash, ..Recording::default() }
    }

    /// Opens an editing session.
    pub(crate) fn open(&mut self, user: &str, mode: Mode) -> u64 {
        self.try_open(user, mode).unwrap()
    }

    pub(crate) fn try_open(&mut self, user: &str, mode: Mode) -> Result<u64, EditError> {
        let who = Who { user: user.to_owned(), uid: 1000, pid: 77, mark: 5 };
        self.db.open_session(who, &Open { mode, terminal: "pts/1".to_owned(), ..Open::default() }, self.wall)
    }

    pub(crate) fn edit(&mut self, session: u64, commands: &[&str]) -> Result<u64, EditError> {
        let commands = commands.iter().map(|&command| command.to_owned()).collect();
        self.db.edit(&Edit { session, path: String::new(), commands }, self.wall).map(|edited| edited.changed)
    }

    pub(crate) fn load(&mut self, session: u64, verb: LoadVerb, text: &str) -> Result<u64, EditError> {
        let load = Load { session, verb, text: text.to_owned(), ..Load::default() };
        self.db.load(&load, self.wall).map(|edited| edited.changed)
    }

    /// What the daemon does for `commit`; the revision that is active then.
    pub(crate) fn commit(&mut self, session: u64) -> Result<u64, EditError> {
        self.commit_for(session, None)
    }

    pub(crate) fn commit_for(&mut self, session: u64, confirmed: Option<u32>) -> Result<u64, EditError> {
        if confirmed.is_some() {
            self.db.may_confirm(session)?;
        }
        let tree = self.db.propose(session)?;
        if confirmed.is_none() && !self.db.is_changed(session)? {
            self.db.confirm("admin", self.wall)?;
            return Ok(self.db.revision());
        }
        let active = bindery_config::load("candidate", &print(&tree));
        let active = active.map_err(|errors| EditError::Refused(errors.to_string()))?;
        let recording = Recording { confirmed, ..self.recording("admin", "cli") };
        self.apply(Some(session), active, recording)
    }

    /// Records, applies and writes the file.
    pub(crate) fn apply(
        &mut self,
        session: Option<u64>,
        active: Loaded,
        recording: Recording,
    ) -> Result<u64, EditError> {
        let revision = self.db.record(&active, recording)?;
        self.file = Some(active.text().to_owned());
        self.db.committed(session, Arc::new(active));
        Ok(revision)
    }

    /// A text becomes active without a session: a reload, a scheduled commit.
    pub(crate) fn activate(&mut self, text: &str, via: &str) -> u64 {
        let recording = self.recording("", via);
        self.apply(None, loaded(text), recording).unwrap()
    }

    /// What the daemon does when the time to confirm is over.
    pub(crate) fn expire(&mut self) {
        let (_, text) = self.db.fallback().unwrap().unwrap();
        self.activate(&text, EXPIRED);
    }

    /// The active configuration as commands.
    pub(crate) fn active(&self) -> String {
        bindery_config::form::set(&self.db.tree_of("0").unwrap())
    }

    /// The candidate of a session as commands.
    pub(crate) fn candidate(&self, session: u64) -> String {
        bindery_config::form::set(self.db.candidate(session).unwrap())
    }
}

/// `set` of a pool.
pub(crate) fn pool(name: &str, third: u8) -> String {
    format!("set access address-assignment pool {name} family inet network 10.0.{third}.0/24")
}

/// The text of a configuration with these pools.
pub(crate) fn pools(named: &[(&str, u8)]) -> String {
    let pool =
        |(name, third): &(&str, u8)| format!("pool {name} {{ family inet {{ network \"10.0.{third}.0/24\" }} }}\n");
    format!("access {{ address-assignment {{\n{}}} }}\n", named.iter().map(pool).collect::<String>())
}
