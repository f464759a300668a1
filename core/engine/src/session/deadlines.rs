//! When something is to be done about a session: whole seconds of the lease clock, at most one entry a slot.
//!
//! Entries are lazy: a renewal, which only moves the end of a lease to later, leaves its entry where it is. When the
//! entry comes up, its owner looks at the record and queues it again. Only an earlier deadline moves an entry. Each
//! second that has entries has a ring of them through the nodes, in the order in which they came.

use super::{arena::Pages, record::Slot};
use alloc::collections::BTreeMap;
use bindery_types::LeaseTime;

/// 16 bytes a slot: this is all that a deadline costs beside its second's entry in the map.
#[derive(Clone, Copy, Debug)]
struct Node {
    /// [`LeaseTime::NEVER`] when not queued.
    at: LeaseTime,
    next: u32,
    prev: u32,
}

const IDLE: Node = Node { at: LeaseTime::NEVER, next: u32::MAX, prev: u32::MAX };

/// The deadlines of all slots.
#[derive(Debug)]
pub struct Deadlines {
    /// First slot of the ring of each second.
    seconds: BTreeMap<LeaseTime, u32>,
    nodes: Pages<Node>,
    queued: u32,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self::new()
    }
}

impl Deadlines {
    /// None.
    pub const fn new() -> Self {
        Self { seconds: BTreeMap::new(), nodes: Pages::new(), queued: 0 }
    }

    /// Sees to it that `slot` comes up at `at` or before. An earlier entry stays, a later one moves to `at`;
    /// [`LeaseTime::NEVER`] queues nothing.
    pub fn schedule(&mut self, slot: Slot, at: LeaseTime) {
        if at == LeaseTime::NEVER || slot.0 == u32::MAX {
            return;
        }
        while self.nodes.len() <= slot.0 {
            if self.nodes.push(IDLE).is_none() {
                return;
            }
        }
        if self.nodes.get(slot.0).is_some_and(|node| node.at > at) {
            self.cancel(slot);
            self.link(slot.0, at);
        }
    }

    /// Takes `slot` out, if it is queued.
    pub fn cancel(&mut self, slot: Slot) {
        let Some(&node) = self.nodes.get(slot.0) else {
            return;
        };
        if node.at == LeaseTime::NEVER {
            return;
        }
        if node.next == slot.0 {
            self.seconds.remove(&node.at);
        } else {
            self.edit(node.prev, |prev| prev.next = node.next);
            self.edit(node.next, |next| next.prev = node.prev);
            if let Some(head) = self.seconds.get_mut(&node.at)
                && *head == slot.0
            {
                *head = node.next;
            }
        }
        self.edit(slot.0, |node| *node = IDLE);
        self.queued -= 1;
    }

    /// Takes out and returns the slot that has been due longest at `now`, if one is due.
    pub fn pop_due(&mut self, now: LeaseTime) -> Option<Slot> {
        let (&at, &head) = self.seconds.first_key_value()?;
        if at > now {
            return None;
        }
        self.cancel(Slot(head));
        Some(Slot(head))
    }

    /// The earliest deadline.
    pub fn next_due(&self) -> Option<LeaseTime> {
        self.seconds.first_key_value().map(|(&at, _)| at)
    }

    /// When `slot` comes up, if it is queued.
    pub fn of(&self, slot: Slot) -> Option<LeaseTime> {
        self.nodes.get(slot.0).map(|node| node.at).filter(|&at| at != LeaseTime::NEVER)
    }

    /// How many slots are queued.
    pub const fn queued(&self) -> u32 {
        self.queued
    }

    /// Bytes in use; those of the map are an estimate (its nodes are at least half full).
    pub fn bytes(&self) -> usize {
        self.nodes.bytes() + self.seconds.len() * (size_of::<LeaseTime>() + size_of::<u32>()) * 3 / 2
    }

    /// # Panics
    /// When the rings and the map do not agree: for tests and the simulator.
    pub fn check_invariants(&self) {
        let mut seen = 0u32;
        for (&at, &head) in &self.seconds {
            assert_ne!(at, LeaseTime::NEVER, "an infinite deadline is queued");
            let mut slot = head;
            loop {
                let node = self.nodes.get(slot).expect("a ring runs through a slot without node");
                assert_eq!(node.at, at, "slot {slot} is in the ring of another second");
                let next = self.nodes.get(node.next).expect("a ring leaves the nodes");
                assert_eq!(next.prev, slot, "the ring of {at:?} does not close backwards");
                seen += 1;
                assert!(seen <= self.queued, "more entries than queued: a ring that does not close?");
                slot = node.next;
                if slot == head {
                    break;
                }
            }
        }
        assert_eq!(seen, self.queued, "entries in rings and their count");
        let marked = (0..self.nodes.len()).filter(|&slot| self.of(Slot(slot)).is_some()).count();
        assert_eq!(marked, seen as usize, "nodes that think they are queued");
    }

    /// Appends `slot`, which is in no ring, to the ring of `at`.
    fn link(&mut self, slot: u32, at: LeaseTime) {
        let head = *self.seconds.entry(at).or_insert(slot);
        let tail = if head == slot { slot } else { self.nodes.get(head).map_or(head, |node| node.prev) };
        self.edit(slot, |node| *node = Node { at, next: head, prev: tail });
        self.edit(tail, |node| node.next = slot);
        self.edit(head, |node| node.prev = slot);
        self.queued += 1;
    }

    fn edit(&mut self, slot: u32, change: impl FnOnce(&mut Node)) {
        if let Some(node) = self.nodes.get_mut(slot) {
            change(node);
        }
    }
}
