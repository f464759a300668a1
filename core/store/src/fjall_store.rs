//! The embedded backend.

use crate::{
    Storage, StoreError,
    codec::{
        HEAD_KEY, META_KEY, RecordError, decode_binding_key, decode_head, decode_identity, decode_lease, decode_meta,
        decode_session_key, encode_binding_key, encode_head, encode_identity, encode_lease, encode_meta,
        encode_session_key,
    },
    directory::{Directory, Found, sync_directory},
    engine::{self, Engine, Row, Tuning},
    journal::{self, Expect},
    ledger::Ledger,
    mark::Mark,
};
use bindery_engine::{
    output::StoreOp,
    record::{BindingKey, IdentityRecord, MetaRecord, StoredSession},
};
use bindery_types::SessionId;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use std::path::Path;

/// The session database in a directory of its own, kept by fjall.
///
/// What it promises beyond [`Storage`]: it starts only on exactly the records that were acknowledged (the last batch
/// may be one more), and says so otherwise. Before the engine may touch a file, the store reads its journals and
/// manifests; after it has opened, [`Storage::load`] counts and digests every record against the head record.
pub struct FjallStore {
    directory: Directory,
    database: u64,
    open: Option<Open>,
    /// Number of the last commit that is known to be on stable storage.
    acknowledged: u64,
    created: bool,
    torn: u64,
    staged: Staged,
    tuning: Tuning,
}

/// What exists only while the engine is open.
struct Open {
    engine: Engine,
    mark: Mark,
    /// Made by the first load.
    ledger: Option<Ledger>,
}

/// The last operation of a batch on each key, by its place in the batch. The engine gives all of a batch one sequence
/// number, so no key may come up twice.
#[derive(Default)]
struct Staged {
    leases: HashMap<BindingKey, (usize, bool), FixedState>,
    identities: HashMap<SessionId, (usize, bool), FixedState>,
    meta: Option<usize>,
    value: Vec<u8>,
}

impl FjallStore {
    /// Opens the database in `state_dir`, or makes one where there is none, and holds it locked until it is dropped.
    ///
    /// # Errors
    /// Every [`StoreError`] but `Closed` and `NoIdentity`. Nothing is repaired; all that is ever cut off is a torn
    /// last batch that nobody was told about ([`FjallStore::torn_bytes`]).
    pub fn open(state_dir: &Path) -> Result<Self, StoreError> {
        Self::open_with(state_dir, Tuning::default())
    }

    /// [`FjallStore::open`] with other settings.
    ///
    /// # Errors
    /// As [`FjallStore::open`].
    pub fn open_with(state_dir: &Path, tuning: Tuning) -> Result<Self, StoreError> {
        let directory = Directory::lock(state_dir)?;
        let (database, created) = match directory.look()? {
            Found::Database(database) => (database, false),
            Found::Nothing => (directory.create(&mut |path, database| fill(path, database, tuning))?, true),
        };
        let mut store = Self {
            directory,
            database,
            open: None,
            acknowledged: 0,
            created,
            torn: 0,
            staged: Staged::default(),
            tuning,
        };
        store.open_engine(None)?;
        Ok(store)
    }

    /// Whether [`FjallStore::open`] made the database.
    pub fn created(&self) -> bool {
        self.created
    }

    /// How many sessions the database says it holds: known before they are read, and not checked yet.
    ///
    /// # Errors
    /// The record is damaged or cannot be read.
    pub fn sessions(&self) -> Result<u64, StoreError> {
        Ok(self.open.as_ref().ok_or(StoreError::Closed)?.engine.head()?.identities)
    }

    /// Bytes of a torn batch that the last opening cut off the journal; 0 after a clean stop.
    pub fn torn_bytes(&self) -> u64 {
        self.torn
    }

    /// Number of the last commit that is known to be on stable storage: grows by one with each.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// Opens the engine on files that hold every acknowledged commit. `keep`: cut off any commit above this one.
    fn open_engine(&mut self, keep: Option<u64>) -> Result<(), StoreError> {
        let db = self.directory.db();
        engine::check(&db)?;
        let (mark, marked) = Mark::open(&self.directory.mark(), self.database)?;
        let acknowledged = marked.max(keep.unwrap_or(0));
        let expect = Expect { database: self.database, acknowledged, keep: keep.unwrap_or(u64::MAX) };
        let journals = journal::read(&db, expect)?;
        self.torn = 0;
        if let Some(cut) = &journals.cut {
            cut.apply()?;
            self.torn = cut.bytes;
        }
        let engine = Engine::open(&db, self.tuning)?;
        let checked = check_head(&engine, expect, journals.last);
        match checked {
            Ok(commit) => {
                self.acknowledged = commit;
                self.open = Some(Open { engine, mark, ledger: None });
                Ok(())
            }
            Err(what) => {
                engine.close();
                Err(what.unwrap_or_else(|what| StoreError::damaged(&db, what)))
            }
        }
    }

    /// Makes the ledger, if there is none, by reading everything.
    fn ensure_ledger(&mut self) -> Result<(), StoreError> {
        match &self.open {
            None => Err(StoreError::Closed),
            Some(open) if open.ledger.is_some() => Ok(()),
            Some(_) => self.load(&mut |_| {}).map(drop),
        }
    }

    fn write(&mut self, batch: &[StoreOp]) -> Result<(), StoreError> {
        self.ensure_ledger()?;
        self.staged.stage(batch);
        let Some(open) = &mut self.open else {
            return Err(StoreError::Closed);
        };
        let Some(ledger) = &mut open.ledger else {
            return Err(StoreError::Closed);
        };
        self.staged.check(batch, ledger)?;
        let commit = self.acknowledged + 1;
        let count = self.staged.leases.len() + self.staged.identities.len() + 2;
        let mut out = open.engine.batch(count);
        self.staged.fill(batch, &open.engine, &mut out, ledger);
        let value = &mut self.staged.value;
        value.clear();
        encode_head(&ledger.head(self.database, commit), value);
        open.engine.put_head(&mut out, value);
        open.engine.commit(out)?;
        open.mark.set(commit)?;
        self.acknowledged = commit;
        Ok(())
    }

    fn close_engine(&mut self) {
        if let Some(open) = self.open.take() {
            open.engine.close();
        }
    }
}

/// Makes the engine's files and writes commit 0: so every finished database has a head.
fn fill(path: &Path, database: u64, tuning: Tuning) -> Result<(), StoreError> {
    let engine = Engine::create(&path.join("db"), tuning)?;
    let mut batch = engine.batch(1);
    let mut value = Vec::new();
    encode_head(&Ledger::default().head(database, 0), &mut value);
    engine.put_head(&mut batch, &value);
    let result = engine.commit(batch);
    engine.close();
    result
}

/// Checks which commit the engine came up with; returns it. The inner error is damage in words.
fn check_head(engine: &Engine, expect: Expect, last: Option<u64>) -> Result<u64, Result<StoreError, String>> {
    let head = engine.head().map_err(Ok)?;
    if head.database != expect.database {
        return Err(Err("its records belong to another database".into()));
    }
    let at_least = expect.acknowledged.max(last.unwrap_or(0));
    if head.commit < at_least || head.commit > expect.keep {
        return Err(Err(format!("it came up with commit {}, but {at_least} was acknowledged", head.commit)));
    }
    Ok(head.commit)
}

impl Storage for FjallStore {
    fn commit(&mut self, batch: &[StoreOp]) -> Result<(), StoreError> {
        if batch.is_empty() {
            return if self.open.is_some() { Ok(()) } else { Err(StoreError::Closed) };
        }
        let result = self.write(batch);
        if result.is_err() {
            // The ledger may be ahead of the disk, and a failed sync must not be retried into a success.
            self.close_engine();
        }
        result
    }

    fn facts(&mut self) -> Result<Option<MetaRecord>, StoreError> {
        self.open.as_ref().ok_or(StoreError::Closed)?.engine.facts()
    }

    fn load(&mut self, each: &mut dyn FnMut(StoredSession)) -> Result<Option<MetaRecord>, StoreError> {
        let Some(open) = &mut self.open else {
            return Err(StoreError::Closed);
        };
        open.ledger = None;
        let db = self.directory.db();
        let mut scan = Scan { db: &db, ledger: Ledger::default(), meta: None, head: None };
        scan.run(&open.engine, each)?;
        let expected = scan.head.ok_or_else(|| StoreError::damaged(&db, "the head record is missing"))?;
        let found = scan.ledger.head(self.database, self.acknowledged);
        if found != expected {
            let what = format!(
                "records were lost or fell back: {} leases and {} identities were found, {} and {} were written, \
                 digests {:016x} and {:016x}",
                found.leases, found.identities, expected.leases, expected.identities, found.digest, expected.digest
            );
            return Err(StoreError::damaged(&db, what));
        }
        let meta = scan.meta;
        open.ledger = Some(scan.ledger);
        Ok(meta)
    }

    fn reopen(&mut self) -> Result<(), StoreError> {
        self.close_engine();
        // What stands behind the last acknowledged commit may be in the page cache and not on the disk: the kernel
        // reports a failed write-back once and then takes the page for clean. Cut off, its place is written anew; so
        // are the manifests.
        engine::renew(&self.directory.db())?;
        self.open_engine(Some(self.acknowledged))?;
        let result = self.ensure_ledger();
        if result.is_err() {
            self.close_engine();
        }
        result
    }
}

impl Drop for FjallStore {
    fn drop(&mut self) {
        if let Some(open) = &mut self.open {
            // Only tightens what a damaged journal can hide later; the commits themselves are synced.
            let _ = open.mark.sync();
        }
        self.close_engine();
        let _ = sync_directory(&self.directory.path());
    }
}

impl Staged {
    /// Finds the last operation on each key.
    fn stage(&mut self, batch: &[StoreOp]) {
        self.leases.clear();
        self.identities.clear();
        self.meta = None;
        for (place, op) in batch.iter().enumerate() {
            match op {
                StoreOp::Put { lease, identity } => {
                    self.leases.insert(lease.key, (place, true));
                    if identity.is_some() {
                        self.identities.insert(lease.key.session, (place, true));
                    }
                }
                StoreOp::Delete { key, session } => {
                    self.leases.insert(*key, (place, false));
                    if let Some(session) = session {
                        self.identities.insert(*session, (place, false));
                    }
                }
                StoreOp::Meta(_) => self.meta = Some(place),
            }
        }
    }

    /// Checks that no lease will stand without its identity.
    fn check(&self, batch: &[StoreOp], ledger: &Ledger) -> Result<(), StoreError> {
        for op in batch {
            let StoreOp::Put { lease, identity: None } = op else {
                continue;
            };
            let session = lease.key.session;
            if !self.leases.get(&lease.key).is_some_and(|&(_, put)| put) {
                continue;
            }
            let has = self.identities.get(&session).map_or_else(|| ledger.has_identity(session), |&(_, put)| put);
            if !has {
                return Err(StoreError::NoIdentity(session));
            }
        }
        Ok(())
    }

    /// Encodes what was staged.
    fn fill(&mut self, batch: &[StoreOp], engine: &Engine, out: &mut engine::Batch, ledger: &mut Ledger) {
        let value = &mut self.value;
        for (&key, &(place, put)) in &self.leases {
            match batch.get(place) {
                Some(StoreOp::Put { lease, .. }) if put => {
                    value.clear();
                    ledger.lease(key, Some(encode_lease(lease, value)));
                    engine.put_lease(out, encode_binding_key(key), value);
                }
                _ => {
                    ledger.lease(key, None);
                    engine.remove_lease(out, encode_binding_key(key));
                }
            }
        }
        for (&session, &(place, put)) in &self.identities {
            match batch.get(place) {
                Some(StoreOp::Put { identity: Some(identity), .. }) if put => {
                    value.clear();
                    ledger.identity(session, Some(encode_identity(session, identity, value)));
                    engine.put_identity(out, encode_session_key(session), value);
                }
                _ => {
                    ledger.identity(session, None);
                    engine.remove_identity(out, encode_session_key(session));
                }
            }
        }
        if let Some(StoreOp::Meta(meta)) = self.meta.and_then(|place| batch.get(place)) {
            value.clear();
            ledger.meta = encode_meta(meta, value);
            engine.put_meta(out, value);
        }
    }
}

/// A full reading of the database.
struct Scan<'a> {
    db: &'a Path,
    ledger: Ledger,
    meta: Option<MetaRecord>,
    head: Option<crate::codec::Head>,
}

impl Scan<'_> {
    fn run(&mut self, engine: &Engine, each: &mut dyn FnMut(StoredSession)) -> Result<(), StoreError> {
        let mut identities = engine.identities();
        let mut identity: Option<(SessionId, IdentityRecord)> = None;
        for row in engine.leases() {
            let (key, value) = row?;
            if key.len() == 1 {
                self.fact(&key, &value)?;
                continue;
            }
            let key = decode_binding_key(&key).map_err(|error| self.bad("a lease", error))?;
            let (lease, crc) = decode_lease(key, &value)
                .map_err(|error| self.bad(&format!("the lease of session {}", key.session), error))?;
            self.ledger.lease(key, Some(crc));
            while identity.as_ref().is_none_or(|(session, _)| *session < key.session) {
                let Some(row) = identities.next() else { break };
                identity = Some(self.identity(row?)?);
            }
            match &identity {
                Some((session, identity)) if *session == key.session => {
                    each(StoredSession { lease, identity: identity.clone() });
                }
                _ => {
                    let what = format!("session {} lost its identity record", key.session);
                    return Err(StoreError::damaged(self.db, what));
                }
            }
        }
        for row in identities {
            self.identity(row?)?;
        }
        Ok(())
    }

    fn identity(&mut self, (key, value): Row) -> Result<(SessionId, IdentityRecord), StoreError> {
        let session = decode_session_key(&key).map_err(|error| self.bad("an identity", error))?;
        let (identity, crc) = decode_identity(session, &value)
            .map_err(|error| self.bad(&format!("the identity of session {session}"), error))?;
        self.ledger.identity(session, Some(crc));
        Ok((session, identity))
    }

    fn fact(&mut self, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        if key == HEAD_KEY {
            self.head = Some(decode_head(value).map_err(|error| self.bad("the head record", error))?);
        } else if key == META_KEY {
            let (meta, crc) = decode_meta(value).map_err(|error| self.bad("the meta record", error))?;
            self.meta = Some(meta);
            self.ledger.meta = crc;
        } else {
            return Err(self.bad("a record", RecordError::Key));
        }
        Ok(())
    }

    fn bad(&self, what: &str, error: RecordError) -> StoreError {
        match error {
            RecordError::Newer(_) => {
                StoreError::Newer { path: self.db.to_path_buf(), what: format!("{what}: {error}") }
            }
            _ => StoreError::damaged(self.db, format!("{what}: {error}")),
        }
    }
}
