//! A backend in memory that fails on command: for simulations and for tests of whoever uses a [`Storage`].

use crate::{Storage, StoreError};
use bindery_engine::{
    output::StoreOp,
    record::{BindingKey, IdentityRecord, LeaseRecord, MetaRecord, StoredSession},
};
use bindery_types::SessionId;
use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The faults of a [`MemoryStore`]; every clone steers the same store.
#[derive(Clone, Default, Debug)]
pub struct Faults(Arc<Mutex<Plan>>);

#[derive(Default, Debug)]
struct Plan {
    /// Commits that still succeed before one fails; `None`: all succeed.
    fail_after: Option<u64>,
    /// Whether a commit that fails is there after the reopening all the same.
    keep_failed: bool,
    /// Reopenings that still fail.
    reopen_failures: u64,
    commits: u64,
    reopenings: u64,
}

impl Faults {
    /// Lets `commits` more commits succeed and the one after them fail. With `keep`, what failed is there after the
    /// reopening: both outcomes of a failed sync are lawful.
    pub fn fail_after(&self, commits: u64, keep: bool) {
        let mut plan = self.plan();
        plan.fail_after = Some(commits);
        plan.keep_failed = keep;
    }

    /// Lets the next `times` reopenings fail.
    pub fn fail_reopen(&self, times: u64) {
        self.plan().reopen_failures = times;
    }

    /// Commits that succeeded so far.
    pub fn commits(&self) -> u64 {
        self.plan().commits
    }

    /// Reopenings that were tried so far.
    pub fn reopenings(&self) -> u64 {
        self.plan().reopenings
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session database in memory.
#[derive(Default, Debug, Clone)]
pub struct MemoryStore {
    leases: BTreeMap<BindingKey, LeaseRecord>,
    identities: BTreeMap<SessionId, IdentityRecord>,
    meta: Option<MetaRecord>,
    closed: bool,
    faults: Faults,
}

impl MemoryStore {
    /// An empty database that obeys `faults`.
    pub fn new(faults: Faults) -> Self {
        Self { faults, ..Self::default() }
    }

    fn check(&self, batch: &[StoreOp]) -> Result<(), StoreError> {
        let mut after = Self { faults: Faults::default(), ..self.clone_keys(batch) };
        after.apply(batch);
        for op in batch {
            let StoreOp::Put { lease, .. } = op else {
                continue;
            };
            let session = lease.key.session;
            if after.leases.contains_key(&lease.key) && !after.identities.contains_key(&session) {
                return Err(StoreError::NoIdentity(session));
            }
        }
        Ok(())
    }

    /// Only what `batch` touches.
    fn clone_keys(&self, batch: &[StoreOp]) -> Self {
        let mut part = Self::default();
        for op in batch {
            if let StoreOp::Put { lease, .. } = op
                && let Some(identity) = self.identities.get(&lease.key.session)
            {
                part.identities.insert(lease.key.session, identity.clone());
            }
        }
        part
    }

    fn apply(&mut self, batch: &[StoreOp]) {
        for op in batch {
            match op {
                StoreOp::Put { lease, identity } => {
                    self.leases.insert(lease.key, *lease);
                    if let Some(identity) = identity {
                        self.identities.insert(lease.key.session, (**identity).clone());
                    }
                }
                StoreOp::Delete { key, session } => {
                    self.leases.remove(key);
                    if let Some(session) = session {
                        self.identities.remove(session);
                    }
                }
                StoreOp::Meta(meta) => self.meta = Some(*meta),
            }
        }
    }
}

/// Stands where a real backend names its directory.
fn nowhere() -> PathBuf {
    PathBuf::from("(in memory)")
}

impl Storage for MemoryStore {
    fn commit(&mut self, batch: &[StoreOp]) -> Result<(), StoreError> {
        if self.closed {
            return Err(StoreError::Closed);
        }
        if let Err(error) = self.check(batch) {
            self.closed = true;
            return Err(error);
        }
        let mut plan = self.faults.plan();
        let fails = plan.fail_after == Some(0);
        plan.fail_after = if fails { None } else { plan.fail_after.map(|left| left - 1) };
        if !fails {
            plan.commits += 1;
        }
        let lands = !fails || plan.keep_failed;
        drop(plan);
        if lands {
            self.apply(batch);
        }
        if fails {
            self.closed = true;
            return Err(StoreError::Full { path: nowhere() });
        }
        Ok(())
    }

    fn facts(&mut self) -> Result<Option<MetaRecord>, StoreError> {
        if self.closed { Err(StoreError::Closed) } else { Ok(self.meta) }
    }

    fn load(&mut self, each: &mut dyn FnMut(StoredSession)) -> Result<Option<MetaRecord>, StoreError> {
        if self.closed {
            return Err(StoreError::Closed);
        }
        for (key, lease) in &self.leases {
            let identity = self.identities.get(&key.session).ok_or(StoreError::NoIdentity(key.session))?;
            each(StoredSession { lease: *lease, identity: identity.clone() });
        }
        Ok(self.meta)
    }

    fn reopen(&mut self) -> Result<(), StoreError> {
        let mut plan = self.faults.plan();
        plan.reopenings += 1;
        if plan.reopen_failures > 0 {
            plan.reopen_failures -= 1;
            return Err(StoreError::Full { path: nowhere() });
        }
        drop(plan);
        self.closed = false;
        Ok(())
    }
}
