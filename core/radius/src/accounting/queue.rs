//! Records that no server has yet, in memory: order, bound, and what is to be written down.

use super::record::{Record, Status};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

/// Number of a record, growing.
pub type Sequence = u64;

/// What the file has to learn.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Operation {
    /// A record came.
    Append(Sequence, Arc<Record>),
    /// A record is done: a server has it, or it was dropped.
    Done(Sequence),
}

/// Counters.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct QueueCounters {
    /// Records taken.
    pub taken: u64,
    /// Records that a server has.
    pub delivered: u64,
    /// Interim-Updates dropped because the queue was full.
    pub dropped_interims: u64,
    /// Other records dropped because the queue was full of them.
    pub dropped_others: u64,
}

/// Records in order. Those of one session go out one after the other; sessions do not wait for each other. A record goes
/// out only when the file has it, so that a server never has what a restart forgets.
#[derive(Debug)]
pub struct Queue {
    limit: usize,
    records: BTreeMap<Sequence, Arc<Record>>,
    interims: BTreeSet<Sequence>,
    sessions: HashMap<Box<[u8]>, VecDeque<Sequence>>,
    /// First of their session, written down, not under way; by profile.
    ready: BTreeMap<Arc<str>, BTreeSet<Sequence>>,
    in_flight: BTreeSet<Sequence>,
    last: Sequence,
    durable: Sequence,
    operations: Vec<Operation>,
    counters: QueueCounters,
}

impl Queue {
    /// A queue of at most `limit` records, at least 1, with those that the file had.
    pub fn new(limit: usize, recovered: Vec<(Sequence, Record)>) -> Self {
        let mut queue = Self {
            limit: limit.max(1),
            records: BTreeMap::new(),
            interims: BTreeSet::new(),
            sessions: HashMap::new(),
            ready: BTreeMap::new(),
            in_flight: BTreeSet::new(),
            last: 0,
            durable: 0,
            operations: Vec::new(),
            counters: QueueCounters::default(),
        };
        for (sequence, record) in recovered {
            queue.last = queue.last.max(sequence);
            queue.insert(sequence, Arc::new(record));
        }
        queue.durable_up_to(queue.last);
        queue.shrink();
        queue
    }

    /// Takes another bound.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit.max(1);
        self.shrink();
    }

    /// Takes a record. When the queue is full the oldest Interim-Update goes, which may be this one; where there is
    /// none, the oldest record. What is under way to a server stays.
    pub fn push(&mut self, record: Record) -> Sequence {
        self.last += 1;
        self.counters.taken += 1;
        let record = Arc::new(record);
        self.operations.push(Operation::Append(self.last, Arc::clone(&record)));
        self.insert(self.last, record);
        self.shrink();
        self.last
    }

    fn insert(&mut self, sequence: Sequence, record: Arc<Record>) {
        if record.status == Status::Interim {
            self.interims.insert(sequence);
        }
        self.sessions.entry(record.session().into()).or_default().push_back(sequence);
        self.records.insert(sequence, record);
    }

    fn shrink(&mut self) {
        while self.records.len() > self.limit {
            let idle = |sequence: &&Sequence| !self.in_flight.contains(sequence);
            let interim = self.interims.iter().find(idle).copied();
            let Some(victim) = interim.or_else(|| self.records.keys().find(idle).copied()) else {
                return;
            };
            match interim {
                Some(_) => self.counters.dropped_interims += 1,
                None => self.counters.dropped_others += 1,
            }
            self.remove(victim);
        }
    }

    /// The file has all records up to this one.
    pub fn durable_up_to(&mut self, sequence: Sequence) {
        if sequence <= self.durable {
            return;
        }
        let new: Vec<Sequence> = self.records.range(self.durable + 1..=sequence).map(|(number, _)| *number).collect();
        self.durable = sequence;
        for sequence in new {
            self.make_ready(sequence);
        }
    }

    /// The file cannot be written: what is here goes out without it, since a record that a server has is better kept
    /// than one that waits for a disk.
    pub fn release(&mut self) {
        self.durable_up_to(self.last);
    }

    fn make_ready(&mut self, sequence: Sequence) {
        let Some(record) = self.records.get(&sequence) else { return };
        let is_first = self.sessions.get(record.session()).and_then(VecDeque::front) == Some(&sequence);
        if is_first && sequence <= self.durable && !self.in_flight.contains(&sequence) {
            self.ready.entry(Arc::clone(&record.profile)).or_default().insert(sequence);
        }
    }

    /// The oldest record to send of the profiles that may be asked; it is under way then.
    pub fn take_next(&mut self, may_ask: impl Fn(&str) -> bool) -> Option<(Sequence, Arc<Record>)> {
        let firsts = self.ready.iter().filter(|(profile, _)| may_ask(profile));
        let sequence = firsts.filter_map(|(_, ready)| ready.first()).min().copied()?;
        let record = Arc::clone(self.records.get(&sequence)?);
        self.unready(&record, sequence);
        self.in_flight.insert(sequence);
        Some((sequence, record))
    }

    fn unready(&mut self, record: &Record, sequence: Sequence) {
        if let Some(ready) = self.ready.get_mut(&record.profile) {
            ready.remove(&sequence);
            if ready.is_empty() {
                self.ready.remove(&record.profile);
            }
        }
    }

    /// A server has the record.
    pub fn delivered(&mut self, sequence: Sequence) {
        if self.in_flight.remove(&sequence) {
            self.counters.delivered += 1;
            self.remove(sequence);
        }
    }

    /// No server took the record: it is ready again.
    pub fn returned(&mut self, sequence: Sequence) {
        if self.in_flight.remove(&sequence) {
            self.make_ready(sequence);
            self.shrink();
        }
    }

    /// The record can never be sent: its packet cannot be made.
    pub fn discard(&mut self, sequence: Sequence) {
        self.in_flight.remove(&sequence);
        self.counters.dropped_others += 1;
        self.remove(sequence);
    }

    fn remove(&mut self, sequence: Sequence) {
        let Some(record) = self.records.remove(&sequence) else { return };
        self.interims.remove(&sequence);
        self.unready(&record, sequence);
        self.operations.push(Operation::Done(sequence));
        let session = record.session();
        if let Some(line) = self.sessions.get_mut(session) {
            line.retain(|other| *other != sequence);
            match line.front().copied() {
                Some(first) => self.make_ready(first),
                None => _ = self.sessions.remove(session),
            }
        }
    }

    /// What the file has to learn since the last call.
    pub fn take_operations(&mut self) -> Vec<Operation> {
        std::mem::take(&mut self.operations)
    }

    /// All records, for a file that is written anew. What was in [`Queue::take_operations`] is in it.
    pub fn snapshot(&mut self) -> Vec<(Sequence, Arc<Record>)> {
        self.operations.clear();
        self.records.iter().map(|(sequence, record)| (*sequence, Arc::clone(record))).collect()
    }

    /// There is no file that could learn anything, or it fails: a [`Queue::snapshot`] will say it all.
    pub fn clear_operations(&mut self) {
        self.operations.clear();
    }

    /// Number of the last record taken.
    pub fn last(&self) -> Sequence {
        self.last
    }

    /// Whether the file has nothing to learn.
    pub fn is_written(&self) -> bool {
        self.operations.is_empty()
    }

    /// Records that no server has.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Records under way to a server.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Counters.
    pub fn counters(&self) -> QueueCounters {
        self.counters
    }
}
