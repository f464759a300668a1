//! The store thread.
//!
//! It takes everything that is queued, up to a limit, commits it as one, and answers with the highest position that is
//! durable: so the size of a group follows the speed of the disk. After a failed commit it says so once, drops what
//! still comes of the failed epoch, and opens the storage again with growing pauses. It never repeats a commit.

use crate::{Storage, StoreError};
use bindery_engine::{
    input::StoreSeq,
    output::{Mutation, StoreOp},
    record::IdentityRecord,
};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};
use std::{
    collections::VecDeque,
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// Most records in one commit. Measured: from 256 on the cost per record hardly falls, the latency grows.
const GROUP_RECORDS: usize = 1024;
/// Most bytes of records in one commit, about.
const GROUP_BYTES: usize = 256 << 10;
/// Pause before the first attempt to open a failed storage again; doubled after each.
const BACKOFF_MIN: Duration = Duration::from_millis(100);
/// Longest pause between two attempts.
const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// Emptied vectors that are kept for the next batches.
const SPARES: usize = 16;

/// What the store thread reports, in order.
#[derive(Debug)]
pub enum StoreEvent {
    /// Every mutation up to this position, of an epoch that did not fail, is on stable storage.
    Durable {
        /// The highest durable position.
        up_to: StoreSeq,
    },
    /// A commit failed. Every mutation past the last `Durable` counts as not written, and those of the same epoch that
    /// are still queued or still come are dropped.
    Failed(StoreError),
    /// The storage is open again and holds everything up to the last `Durable`; mutations of the next epoch are taken.
    Ready,
}

/// Why a batch was not taken; the caller still has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refused {
    /// The queue is full: admit nothing new until [`Writer::depth`] has fallen.
    #[error("the queue of the session database is full")]
    Full,
    /// The store thread has ended, by a fault of its own: the process must end too.
    #[error("the store thread has ended")]
    Stopped,
}

/// The store thread, as its owner sees it. Dropping it is [`Writer::shutdown`].
pub struct Writer {
    queue: Option<Sender<Vec<Mutation>>>,
    spares: Receiver<Vec<Mutation>>,
    shared: Arc<Shared>,
    capacity: usize,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    depth: AtomicUsize,
    commits: AtomicU64,
    records: AtomicU64,
    dropped: AtomicU64,
    failures: AtomicU64,
    reopen_failures: AtomicU64,
    commit_nanos: AtomicU64,
    commit_nanos_max: AtomicU64,
    error: Mutex<Option<String>>,
}

/// Counters of the store thread since its start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriterStats {
    /// Mutations that wait, those of the commit under way included.
    pub depth: usize,
    /// Commits that succeeded.
    pub commits: u64,
    /// Mutations in them.
    pub records: u64,
    /// Mutations dropped because their epoch had failed.
    pub dropped: u64,
    /// Commits that failed.
    pub failures: u64,
    /// Attempts to open the storage again that failed.
    pub reopen_failures: u64,
    /// Time spent in commits.
    pub commit_time: Duration,
    /// The longest commit.
    pub commit_time_max: Duration,
    /// Why the storage is closed; `None` while it is open.
    pub error: Option<String>,
}

impl Writer {
    /// Starts the thread over a storage that was loaded. `capacity` is the most mutations that may wait; `report` is
    /// called on the store thread and must not block for long.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub fn start(
        storage: Box<dyn Storage>,
        capacity: usize,
        report: Box<dyn Fn(StoreEvent) + Send>,
    ) -> io::Result<Self> {
        // A batch holds at least one mutation, so the channel never fills before the count does.
        let (queue, batches) = bounded(capacity.max(1));
        let (spare, spares) = bounded(SPARES);
        let shared = Arc::new(Shared::default());
        let thread = Thread {
            storage,
            report,
            batches,
            spare,
            shared: Arc::clone(&shared),
            waiting: VecDeque::new(),
            group: Vec::new(),
            failed: None,
        };
        let thread = std::thread::Builder::new().name("store".into()).spawn(move || thread.run())?;
        Ok(Self { queue: Some(queue), spares, shared, capacity, thread: Some(thread) })
    }

    /// Hands over a batch and leaves an empty vector in its place. Never blocks.
    ///
    /// A batch larger than the whole queue is taken when nothing waits.
    ///
    /// # Errors
    /// `batch` is untouched.
    pub fn submit(&self, batch: &mut Vec<Mutation>) -> Result<(), Refused> {
        if batch.is_empty() {
            return Ok(());
        }
        let depth = self.depth();
        if depth > 0 && depth + batch.len() > self.capacity {
            return Err(Refused::Full);
        }
        let Some(queue) = &self.queue else {
            return Err(Refused::Stopped);
        };
        let len = batch.len();
        // Counted before it is sent, so that the thread never counts it down first.
        self.shared.depth.fetch_add(len, Relaxed);
        let full = std::mem::replace(batch, self.spares.try_recv().unwrap_or_default());
        let (back, why) = match queue.try_send(full) {
            Ok(()) => return Ok(()),
            Err(TrySendError::Full(back)) => (back, Refused::Full),
            Err(TrySendError::Disconnected(back)) => (back, Refused::Stopped),
        };
        self.shared.depth.fetch_sub(len, Relaxed);
        *batch = back;
        Err(why)
    }

    /// Mutations that wait: what admission control looks at.
    pub fn depth(&self) -> usize {
        self.shared.depth.load(Relaxed)
    }

    /// The counters.
    pub fn stats(&self) -> WriterStats {
        self.shared.stats()
    }

    /// Commits what is queued, closes the storage, ends the thread, and returns the last counters. A storage that is
    /// failed stays so: what is queued for it is dropped.
    pub fn shutdown(mut self) -> WriterStats {
        self.end();
        self.shared.stats()
    }

    fn end(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was reported by the panic hook; `submit` has been answering `Stopped` since.
            let _ = thread.join();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.end();
    }
}

impl Shared {
    fn stats(&self) -> WriterStats {
        WriterStats {
            depth: self.depth.load(Relaxed),
            commits: self.commits.load(Relaxed),
            records: self.records.load(Relaxed),
            dropped: self.dropped.load(Relaxed),
            failures: self.failures.load(Relaxed),
            reopen_failures: self.reopen_failures.load(Relaxed),
            commit_time: Duration::from_nanos(self.commit_nanos.load(Relaxed)),
            commit_time_max: Duration::from_nanos(self.commit_nanos_max.load(Relaxed)),
            error: self.error.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    fn set_error(&self, error: Option<&StoreError>) {
        *self.error.lock().unwrap_or_else(PoisonError::into_inner) = error.map(ToString::to_string);
    }
}

struct Thread {
    storage: Box<dyn Storage>,
    report: Box<dyn Fn(StoreEvent) + Send>,
    batches: Receiver<Vec<Mutation>>,
    spare: Sender<Vec<Mutation>>,
    shared: Arc<Shared>,
    /// Taken off the queue, not yet in a group.
    waiting: VecDeque<Mutation>,
    group: Vec<StoreOp>,
    /// The highest epoch that failed.
    failed: Option<u32>,
}

impl Thread {
    fn run(mut self) {
        loop {
            if self.waiting.is_empty() {
                match self.batches.recv() {
                    Ok(batch) => self.take(batch),
                    Err(_) => return,
                }
            }
            while self.waiting.len() < GROUP_RECORDS {
                match self.batches.try_recv() {
                    Ok(batch) => self.take(batch),
                    Err(_) => break,
                }
            }
            let Some((last, epoch)) = self.fill() else {
                continue;
            };
            if !self.commit(last, epoch) && !self.revive() {
                self.give_up();
                return;
            }
        }
    }

    /// Moves a batch to the waiting mutations; drops those of a failed epoch.
    fn take(&mut self, mut batch: Vec<Mutation>) {
        for mutation in batch.drain(..) {
            if self.failed.is_some_and(|failed| mutation.epoch <= failed) {
                self.drop_mutations(1);
            } else {
                self.waiting.push_back(mutation);
            }
        }
        // No room among the spares: it is freed.
        let _ = self.spare.try_send(batch);
    }

    /// Fills the group; `None` when nothing waits. Returns its last position and highest epoch.
    fn fill(&mut self) -> Option<(StoreSeq, u32)> {
        self.group.clear();
        let mut bytes = 0;
        let mut last = None;
        while self.group.len() < GROUP_RECORDS && bytes < GROUP_BYTES {
            let Some(Mutation { seq, epoch, op }) = self.waiting.pop_front() else {
                break;
            };
            bytes += size(&op);
            last = Some((seq, last.map_or(epoch, |(_, before): (StoreSeq, u32)| before.max(epoch))));
            self.group.push(op);
        }
        last
    }

    /// Commits the group and reports. Returns whether it succeeded.
    fn commit(&mut self, last: StoreSeq, epoch: u32) -> bool {
        let began = Instant::now();
        let result = self.storage.commit(&self.group);
        let nanos = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let count = self.group.len();
        match result {
            Ok(()) => {
                let shared = &self.shared;
                shared.commits.fetch_add(1, Relaxed);
                shared.records.fetch_add(count as u64, Relaxed);
                shared.commit_nanos.fetch_add(nanos, Relaxed);
                shared.commit_nanos_max.fetch_max(nanos, Relaxed);
                shared.depth.fetch_sub(count, Relaxed);
                (self.report)(StoreEvent::Durable { up_to: last });
                true
            }
            Err(error) => {
                self.failed = Some(self.failed.map_or(epoch, |failed| failed.max(epoch)));
                self.shared.failures.fetch_add(1, Relaxed);
                self.shared.set_error(Some(&error));
                self.drop_mutations(count);
                for mutation in std::mem::take(&mut self.waiting) {
                    if self.failed.is_some_and(|failed| mutation.epoch <= failed) {
                        self.drop_mutations(1);
                    } else {
                        self.waiting.push_back(mutation);
                    }
                }
                (self.report)(StoreEvent::Failed(error));
                false
            }
        }
    }

    /// Opens the storage again, however long it takes. `false`: the owner wants the thread to end.
    fn revive(&mut self) -> bool {
        let mut pause = BACKOFF_MIN;
        loop {
            let until = Instant::now() + pause;
            loop {
                match self.batches.recv_deadline(until) {
                    Ok(batch) => self.take(batch),
                    Err(RecvTimeoutError::Timeout) => break,
                    Err(RecvTimeoutError::Disconnected) => return false,
                }
            }
            match self.storage.reopen() {
                Ok(()) => {
                    self.shared.set_error(None);
                    (self.report)(StoreEvent::Ready);
                    return true;
                }
                Err(error) => {
                    self.shared.reopen_failures.fetch_add(1, Relaxed);
                    self.shared.set_error(Some(&error));
                    pause = (pause * 2).min(BACKOFF_MAX);
                }
            }
        }
    }

    fn give_up(&mut self) {
        let count = self.waiting.len();
        self.waiting.clear();
        self.drop_mutations(count);
    }

    fn drop_mutations(&self, count: usize) {
        self.shared.dropped.fetch_add(count as u64, Relaxed);
        self.shared.depth.fetch_sub(count, Relaxed);
    }
}

/// About how many bytes an operation writes.
fn size(op: &StoreOp) -> usize {
    match op {
        StoreOp::Put { identity, .. } => 80 + identity.as_deref().map_or(0, identity_size),
        StoreOp::Delete { .. } => 20,
        StoreOp::Meta(_) => 40,
    }
}

fn identity_size(identity: &IdentityRecord) -> usize {
    let IdentityRecord { client_id, relay_info, vendor_class, host_name, subscriber, .. } = identity;
    let IdentityRecord { interface, group, pool, instance, .. } = identity;
    40 + client_id.len()
        + relay_info.len()
        + vendor_class.len()
        + host_name.len()
        + subscriber.len()
        + interface.len()
        + group.len()
        + pool.len()
        + instance.len()
}
