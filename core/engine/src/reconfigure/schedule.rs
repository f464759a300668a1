//! When the next attempt of each client is due.

use crate::{
    engine::State64,
    session::{Slot, SlotRef},
};
use alloc::collections::BTreeSet;
use bindery_types::{LeaseTime, Mono};
use hashbrown::HashMap;

/// A client that is being moved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Entry {
    pub(crate) slot: SlotRef,
    /// When this process looks at it next.
    pub(crate) at: Mono,
    /// The same as the database has it.
    pub(crate) due: LeaseTime,
}

/// All of them. At most one entry a session, so it is bounded by the session table.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    entries: HashMap<Slot, Entry, State64>,
    queue: BTreeSet<(Mono, Slot)>,
}

impl Schedule {
    /// Puts a client in, or changes when it is due.
    pub(crate) fn set(&mut self, entry: Entry) {
        self.remove(entry.slot.slot);
        self.entries.insert(entry.slot.slot, entry);
        self.queue.insert((entry.at, entry.slot.slot));
    }

    /// Takes a client out, if it is in.
    pub(crate) fn remove(&mut self, slot: Slot) {
        if let Some(old) = self.entries.remove(&slot) {
            self.queue.remove(&(old.at, slot));
        }
    }

    /// When the database has the next attempt of `slot`.
    pub(crate) fn due(&self, slot: Slot) -> Option<LeaseTime> {
        self.entries.get(&slot).map(|entry| entry.due)
    }

    /// The client that has been due longest; it stays in.
    pub(crate) fn first_due(&self, now: Mono) -> Option<Entry> {
        let (at, slot) = self.queue.first()?;
        if *at > now { None } else { self.entries.get(slot).copied() }
    }

    /// The earliest time at which one is due.
    pub(crate) fn next(&self) -> Option<Mono> {
        self.queue.first().map(|(at, _)| *at)
    }

    /// How many clients are in.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// # Panics
    /// When the two tables differ: for tests and the simulator.
    pub(crate) fn check_invariants(&self) {
        assert_eq!(self.entries.len(), self.queue.len(), "clients and their places in the queue");
        for (slot, entry) in &self.entries {
            assert!(self.queue.contains(&(entry.at, *slot)), "a client that is never due");
        }
    }
}
