//! The fake session database: group commits of any size and delay, failures, and what a power cut leaves.

use crate::{
    audit::Write,
    clock::{Instant, MS, SEC},
    random::Random,
};
use bindery_engine::{
    input::StoreSeq,
    output::{Mutation, StoreOp},
};

/// What the store thread reports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum StoreReport {
    Durable(StoreSeq),
    Failed,
}

/// What a finished commit did.
pub(crate) struct Finished {
    pub(crate) report: StoreReport,
    /// What reached the disk, and whether it will be acknowledged.
    pub(crate) written: Vec<(Write, Instant)>,
}

/// The store thread with its disk. What is on the disk is the auditor's to keep.
#[derive(Debug, Default)]
pub(crate) struct Store {
    queue: Vec<(Mutation, Instant)>,
    group: Vec<(Mutation, Instant)>,
    failed_epoch: Option<u32>,
    /// Closed after a failure.
    pub(crate) down: bool,
    /// Failures per thousand commits.
    pub(crate) fail_permille: u64,
    /// Longest commit, milliseconds.
    pub(crate) slow_ms: u64,
}

impl Store {
    pub(crate) fn new(fail_permille: u64, slow_ms: u64) -> Self {
        Self { fail_permille, slow_ms, ..Self::default() }
    }

    pub(crate) fn submit(&mut self, now: Instant, mutations: &mut Vec<Mutation>) {
        for mutation in mutations.drain(..) {
            if self.failed_epoch.is_none_or(|failed| mutation.epoch > failed) {
                self.queue.push((mutation, now));
            }
        }
    }

    /// Begins a commit when none is under way; when it will be finished.
    pub(crate) fn start(&mut self, now: Instant, random: &mut Random) -> Option<Instant> {
        if self.down || self.queue.is_empty() || !self.group.is_empty() {
            return None;
        }
        let size = if random.chance(300) { random.range(1, self.queue.len() as u64) } else { self.queue.len() as u64 };
        self.group = self.queue.drain(..size as usize).collect();
        let ms = if self.slow_ms > 2 && random.chance(30) {
            random.range(100, 20_000)
        } else {
            random.range(1, self.slow_ms)
        };
        Some(now + ms * MS)
    }

    /// The commit under way ends.
    pub(crate) fn finish(&mut self, random: &mut Random) -> Option<Finished> {
        let last = self.group.last()?.0.seq;
        if !random.chance(self.fail_permille) {
            let written = writes(&mut self.group);
            return Some(Finished { report: StoreReport::Durable(last), written });
        }
        let epoch = self.group.iter().map(|(m, _)| m.epoch).max();
        self.failed_epoch = self.failed_epoch.max(epoch);
        self.queue.retain(|(m, _)| Some(m.epoch) > self.failed_epoch);
        self.down = true;
        // Wholly lost, or wholly there though the sync failed.
        let kept = random.chance(500);
        let written = if kept { writes(&mut self.group) } else { Vec::new() };
        self.group.clear();
        Some(Finished { report: StoreReport::Failed, written })
    }

    /// How long it stays closed.
    pub(crate) fn outage(random: &mut Random) -> Instant {
        if random.chance(200) { random.range(30, 200) * SEC } else { random.range(100, 8_000) * MS }
    }

    /// The process ends. The commit under way reaches the disk whole or not at all, and the queue is lost.
    pub(crate) fn cut(&mut self, random: &mut Random) -> Vec<(Write, Instant)> {
        let written = if random.chance(500) { writes(&mut self.group) } else { Vec::new() };
        *self = Self::new(self.fail_permille, self.slow_ms);
        written
    }

    /// The process ends in order: everything reaches the disk; `None` where the store is closed.
    pub(crate) fn stop(&mut self) -> Option<Vec<(Write, Instant)>> {
        if self.down {
            return None;
        }
        self.group.append(&mut self.queue);
        Some(writes(&mut self.group))
    }

    /// Mutations that wait.
    pub(crate) fn depth(&self) -> usize {
        self.queue.len() + self.group.len()
    }
}

fn writes(group: &mut Vec<(Mutation, Instant)>) -> Vec<(Write, Instant)> {
    let write = |op| match op {
        StoreOp::Put { lease, identity } => Write::Put(lease, identity),
        StoreOp::Delete { key, session } => Write::Delete(key, session),
        StoreOp::Meta(meta) => Write::Meta(meta),
    };
    group.drain(..).map(|(mutation, emitted)| (write(mutation.op), emitted)).collect()
}
