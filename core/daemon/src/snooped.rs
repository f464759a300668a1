//! Requests of clients to other servers, which the kernel forwards where `forward-snooped-clients` lets it: the engine says
//! on which interfaces they are dropped, a thread of its own tells nftables.

use bindery_counters::SnoopedFilter;
use bindery_types::IfIndex;
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TrySendError},
    thread::{self, JoinHandle},
    time::Duration,
};

/// Lists of changes that may wait for the thread; what comes meanwhile is merged by interface.
const QUEUE: usize = 16;

/// How often the thread looks whether the table still stands, and tries again what failed.
const LOOK: Duration = Duration::from_secs(60);

type Changes = BTreeMap<IfIndex, bool>;

/// The packet thread's half. Dropping it ends the thread, and the table with it.
pub(crate) struct Snooped {
    /// What the thread's queue had no room for.
    waiting: Changes,
    changes: Option<SyncSender<Changes>>,
    thread: Option<JoinHandle<()>>,
}

impl Snooped {
    /// Starts the thread in the calling thread's network namespace with the first changes. The table that an earlier run
    /// has left is replaced.
    ///
    /// # Errors
    /// No thread.
    pub(crate) fn start(first: &mut Vec<(IfIndex, bool)>) -> io::Result<Self> {
        let (changes, inbox) = mpsc::sync_channel(QUEUE);
        let mut worker = Worker::default();
        worker.take(first.drain(..));
        let thread = thread::Builder::new().name("snooped".to_owned()).spawn(move || worker.run(&inbox))?;
        Ok(Self { waiting: Changes::new(), changes: Some(changes), thread: Some(thread) })
    }

    /// Hands on what has changed, and what waits for room since the last turn. It does not block.
    pub(crate) fn tell(&mut self, changed: &mut Vec<(IfIndex, bool)>) {
        self.waiting.extend(changed.drain(..));
        if self.waiting.is_empty() {
            return;
        }
        let Some(changes) = &self.changes else { return };
        match changes.try_send(std::mem::take(&mut self.waiting)) {
            Err(TrySendError::Full(waiting)) => self.waiting = waiting,
            // A thread that has ended takes nothing more.
            Ok(()) | Err(TrySendError::Disconnected(_)) => {}
        }
    }
}

impl Drop for Snooped {
    fn drop(&mut self) {
        self.changes = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The thread's half.
#[derive(Default)]
struct Worker {
    filter: SnoopedFilter,
    wanted: BTreeSet<IfIndex>,
    /// The fault as it was told: a lasting one is told once.
    fault: String,
}

impl Worker {
    fn run(mut self, inbox: &Receiver<Changes>) {
        self.set();
        loop {
            match inbox.recv_timeout(LOOK) {
                Ok(changes) => self.take(changes),
                Err(RecvTimeoutError::Timeout) => self.look(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.set();
        }
        self.wanted.clear();
        self.set();
    }

    fn take(&mut self, changes: impl IntoIterator<Item = (IfIndex, bool)>) {
        for (interface, drops) in changes {
            if drops {
                self.wanted.insert(interface);
            } else {
                self.wanted.remove(&interface);
            }
        }
    }

    fn look(&mut self) {
        // An error is told when it is set again.
        if self.fault.is_empty() && self.filter.dropped() == Ok(None) {
            tracing::warn!("alarm: the nftables table of forward-snooped-clients was changed by somebody else");
        }
    }

    fn set(&mut self) {
        let fault = match self.filter.set(&self.wanted) {
            Ok(()) => String::new(),
            // Nothing is to be dropped: only what an earlier run may have left is looked for.
            Err(error) if self.wanted.is_empty() => return tracing::debug!(%error, "forward-snooped-clients"),
            Err(error) => error.to_string(),
        };
        if fault.is_empty() && !self.fault.is_empty() {
            tracing::info!("forward-snooped-clients: requests to other servers are dropped as configured");
        } else if fault != self.fault {
            tracing::error!("alarm: forward-snooped-clients: the kernel forwards what it should drop: {fault}");
        }
        self.fault = fault;
    }
}
