//! What the traced process does, and what must then be in the database. All of it follows from a seed.

use crate::random::Random;
use bindery_engine::{
    output::StoreOp,
    record::{IdentityRecord, MetaRecord, StoredSession},
};
use bindery_store::contract;
use bindery_types::{LeaseTime, Wall};
use std::collections::BTreeMap;

/// Sessions that come up: few, so that most writes overwrite.
const SESSIONS: u64 = 60;

/// The contents of a database.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct State {
    /// Sessions by their count.
    pub sessions: BTreeMap<u64, StoredSession>,
    /// The facts.
    pub meta: Option<MetaRecord>,
}

impl State {
    /// Carries out an operation of this module.
    pub fn apply(&mut self, op: &StoreOp) {
        match op {
            StoreOp::Put { lease, identity } => {
                let count = lease.key.session.count();
                let identity = match identity {
                    Some(identity) => Some((**identity).clone()),
                    None => self.sessions.get(&count).map(|session| session.identity.clone()),
                };
                if let Some(identity) = identity {
                    self.sessions.insert(count, StoredSession { lease: *lease, identity });
                }
            }
            StoreOp::Delete { key, .. } => {
                self.sessions.remove(&key.session.count());
            }
            StoreOp::Meta(meta) => self.meta = Some(*meta),
        }
    }
}

/// Batches of one long record each that bring the engine's journal to the 64 MB from which on it begins another.
pub const FILLERS: u64 = 1_070;
/// Bytes of such a record; less in all than the memtable of an untuned store holds.
const FILLER: usize = 60_000;

/// Batches for [`bindery_store::Storage::commit`], each with the state that it leaves behind.
pub struct Batches {
    random: Random,
    change: u64,
    fillers: u64,
    /// The state after all batches so far.
    pub state: State,
}

impl Batches {
    /// The batches of `seed`.
    pub fn new(seed: u64) -> Self {
        Self { random: Random::new(seed), change: 0, fillers: 0, state: State::default() }
    }

    /// The same, behind [`FILLERS`] others.
    pub fn with_fillers(seed: u64) -> Self {
        Self { fillers: FILLERS, ..Self::new(seed) }
    }

    /// The next batch: never empty.
    pub fn next_batch(&mut self) -> Vec<StoreOp> {
        if self.fillers > 0 {
            self.fillers -= 1;
            self.change += 1;
            let count = self.change % 8 + 1;
            let identity = IdentityRecord { relay_info: vec![1; FILLER].into(), ..contract::identity(count) };
            let op = StoreOp::Put { lease: contract::lease(count, self.change), identity: Some(Box::new(identity)) };
            self.state.apply(&op);
            return vec![op];
        }
        let len = 1 + self.random.below(if self.random.clone().chance(4) { 40 } else { 6 });
        (0..len)
            .map(|_| {
                let op = self.next_op();
                self.state.apply(&op);
                op
            })
            .collect()
    }

    fn next_op(&mut self) -> StoreOp {
        self.change += 1;
        let count = 1 + self.random.below(SESSIONS);
        let known = self.state.sessions.contains_key(&count);
        match self.random.below(10) {
            0 => contract::delete(count),
            1 => StoreOp::Meta(MetaRecord {
                lease_clock: LeaseTime(self.change),
                wall: Wall(self.random.below(1 << 32)),
                sessions_made: SESSIONS,
                change: self.change,
                in_order: false,
                promises_from: self.change / 2,
            }),
            2..=6 if known => contract::renew(count, self.change),
            _ => {
                let mut identity = contract::identity(count);
                // Now and then longer than a sector, than a page, and than the buffer of the engine's journal.
                let len = [0, 30, 250, 700, 5_000, 9_000][self.random.below(6) as usize];
                identity.relay_info = vec![self.change as u8; len].into();
                StoreOp::Put { lease: contract::lease(count, self.change), identity: Some(Box::new(identity)) }
            }
        }
    }
}

/// The mutation at position `seq` for a [`bindery_store::Writer`]: it depends on nothing that was before, so any of
/// them may be dropped.
pub fn mutation(seed: u64, seq: u64) -> StoreOp {
    let mut random = Random::new(seed ^ seq.wrapping_mul(0x2545_f491_4f6c_dd1d));
    let count = 1 + random.below(SESSIONS);
    if random.chance(8) {
        return contract::delete(count);
    }
    let mut identity = contract::identity(count);
    identity.host_name = seq.to_string().into_bytes().into();
    identity.vendor_class = vec![b'v'; random.below(900) as usize].into();
    StoreOp::Put { lease: contract::lease(count, seq), identity: Some(Box::new(identity)) }
}
