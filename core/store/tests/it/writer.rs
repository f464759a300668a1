//! The store thread: watermarks, failures, and its end.

use bindery_engine::{input::StoreSeq, output::Mutation};
use bindery_engine::{
    output::StoreOp,
    record::{MetaRecord, StoredSession},
};
use bindery_store::{Faults, MemoryStore, Refused, Storage, StoreError, StoreEvent, Writer, contract, load_all};
use std::{
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    time::Duration,
};

/// Longest wait for an event: far above anything that happens on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A store that its test can still look at, and that waits for leave before each commit.
struct Shared {
    store: Arc<Mutex<MemoryStore>>,
    leave: Option<Receiver<()>>,
    /// Sizes of the groups.
    groups: Arc<Mutex<Vec<usize>>>,
}

impl Storage for Shared {
    fn commit(&mut self, batch: &[StoreOp]) -> Result<(), StoreError> {
        if let Some(leave) = &self.leave {
            // An error: the test has no more to say, so everything may go on.
            let _ = leave.recv();
        }
        self.groups.lock().unwrap().push(batch.len());
        self.store.lock().unwrap().commit(batch)
    }

    fn facts(&mut self) -> Result<Option<MetaRecord>, StoreError> {
        self.store.lock().unwrap().facts()
    }

    fn load(&mut self, each: &mut dyn FnMut(StoredSession)) -> Result<Option<MetaRecord>, StoreError> {
        self.store.lock().unwrap().load(each)
    }

    fn reopen(&mut self) -> Result<(), StoreError> {
        self.store.lock().unwrap().reopen()
    }
}

struct Rig {
    writer: Writer,
    events: Receiver<StoreEvent>,
    faults: Faults,
    store: Arc<Mutex<MemoryStore>>,
    leave: Sender<()>,
    groups: Arc<Mutex<Vec<usize>>>,
}

/// `gated`: each commit waits for a word on `leave`.
fn rig(capacity: usize, gated: bool) -> Rig {
    let faults = Faults::default();
    let store = Arc::new(Mutex::new(MemoryStore::new(faults.clone())));
    let groups = Arc::default();
    let (leave, gate) = channel();
    let shared = Shared { store: Arc::clone(&store), leave: gated.then_some(gate), groups: Arc::clone(&groups) };
    let (report, events) = channel();
    let report = Box::new(move |event| report.send(event).unwrap());
    let writer = Writer::start(Box::new(shared), capacity, report).unwrap();
    Rig { writer, events, faults, store, leave, groups }
}

impl Rig {
    fn submit(&self, epoch: u32, seqs: impl IntoIterator<Item = u64>) -> Result<(), Refused> {
        let mutation = |seq| Mutation { seq: StoreSeq(seq), epoch, op: contract::put(seq, seq) };
        let mut batch: Vec<_> = seqs.into_iter().map(mutation).collect();
        let before = batch.clone();
        let result = self.writer.submit(&mut batch);
        assert_eq!(batch, if result.is_ok() { Vec::new() } else { before });
        result
    }

    /// Waits until position `seq` is durable; any other event is an error.
    fn durable(&self, seq: u64) {
        loop {
            match self.event() {
                StoreEvent::Durable { up_to } if up_to.0 < seq => {}
                StoreEvent::Durable { up_to } => return assert_eq!(up_to.0, seq),
                other => panic!("{other:?}"),
            }
        }
    }

    fn event(&self) -> StoreEvent {
        self.events.recv_timeout(PATIENCE).unwrap()
    }

    fn sessions(&self) -> Vec<u64> {
        let (sessions, _) = load_all(&mut *self.store.lock().unwrap()).unwrap();
        sessions.iter().map(|session| session.lease.key.session.count()).collect()
    }
}

#[test]
fn what_is_queued_becomes_one_commit() {
    let rig = rig(1000, true);
    rig.submit(0, 1..=1).unwrap();
    // The thread waits in the first commit or is about to; what comes meanwhile is one group, or two.
    for seq in 2..=100 {
        rig.submit(0, [seq]).unwrap();
    }
    for _ in 0..3 {
        rig.leave.send(()).unwrap();
    }
    rig.durable(100);
    let groups = rig.groups.lock().unwrap().clone();
    assert!(groups.len() <= 3, "{groups:?}");
    assert_eq!(rig.sessions(), (1..=100).collect::<Vec<_>>());
    let stats = rig.writer.stats();
    assert_eq!((stats.records, stats.commits, stats.depth), (100, groups.len() as u64, 0));
}

#[test]
fn a_group_is_bounded() {
    let rig = rig(10_000, true);
    rig.submit(0, 1..=5000).unwrap();
    drop(rig.leave);
    let mut last = 0;
    while last < 5000 {
        let StoreEvent::Durable { up_to } = rig.events.recv_timeout(PATIENCE).unwrap() else { panic!() };
        assert!(up_to.0 > last && up_to.0 - last <= 1024);
        last = up_to.0;
    }
}

#[test]
fn a_full_queue_leaves_the_batch_with_the_caller() {
    let rig = rig(10, true);
    // More than the queue holds, but nothing waits: taken.
    rig.submit(0, 1..=11).unwrap();
    assert_eq!(rig.writer.depth(), 11);
    assert_eq!(rig.submit(0, [12]), Err(Refused::Full));
    rig.leave.send(()).unwrap();
    rig.durable(11);
    assert_eq!(rig.writer.depth(), 0);
    rig.submit(0, 12..=21).unwrap();
    assert_eq!(rig.submit(0, [22]), Err(Refused::Full));
    rig.leave.send(()).unwrap();
    rig.durable(21);
}

#[test]
fn a_failed_epoch_is_dropped_and_the_next_one_taken() {
    for keep in [false, true] {
        let rig = rig(1000, true);
        rig.faults.fail_after(1, keep);
        rig.faults.fail_reopen(2);
        rig.submit(4, 1..=2).unwrap();
        rig.leave.send(()).unwrap();
        rig.durable(2);
        rig.submit(4, 3..=4).unwrap();
        rig.leave.send(()).unwrap();
        let StoreEvent::Failed(error) = rig.event() else { panic!("no failure") };
        assert!(matches!(error, StoreError::Full { .. }));
        // Still of the failed epoch, before and after the storage is open again.
        rig.submit(4, 5..=6).unwrap();
        assert!(matches!(rig.event(), StoreEvent::Ready));
        assert_eq!(rig.faults.reopenings(), 3);
        assert_eq!(rig.writer.stats().error, None);
        rig.submit(4, 7..=8).unwrap();
        rig.submit(5, 9..=10).unwrap();
        rig.leave.send(()).unwrap();
        rig.leave.send(()).unwrap();
        rig.durable(10);
        assert_eq!(rig.sessions(), if keep { vec![1, 2, 3, 4, 9, 10] } else { vec![1, 2, 9, 10] });
        let stats = rig.writer.stats();
        assert_eq!((stats.failures, stats.reopen_failures, stats.dropped, stats.depth), (1, 2, 6, 0));
    }
}

#[test]
fn what_waits_behind_a_failed_commit_is_dropped() {
    let rig = rig(5000, true);
    rig.faults.fail_after(0, false);
    rig.submit(1, 1..=3000).unwrap();
    rig.leave.send(()).unwrap();
    assert!(matches!(rig.event(), StoreEvent::Failed(_)));
    assert!(matches!(rig.event(), StoreEvent::Ready));
    rig.submit(2, [3001]).unwrap();
    rig.leave.send(()).unwrap();
    rig.durable(3001);
    assert_eq!(rig.sessions(), [3001]);
}

#[test]
fn every_failure_is_told_once() {
    let rig = rig(1000, false);
    for epoch in 0..3 {
        rig.faults.fail_after(0, false);
        rig.submit(epoch, [u64::from(epoch) + 1]).unwrap();
        assert!(matches!(rig.event(), StoreEvent::Failed(_)));
        assert!(matches!(rig.event(), StoreEvent::Ready));
    }
    assert_eq!(rig.writer.shutdown().failures, 3);
    assert!(rig.events.recv_timeout(PATIENCE).is_err(), "one more event");
}

#[test]
fn shutdown_commits_what_is_queued() {
    let rig = rig(1000, true);
    rig.submit(0, 1..=500).unwrap();
    drop(rig.leave);
    let stats = rig.writer.shutdown();
    assert_eq!((stats.records, stats.dropped, stats.depth), (500, 0, 0));
    let mut last = 0;
    while let Ok(StoreEvent::Durable { up_to }) = rig.events.recv_timeout(PATIENCE) {
        last = up_to.0;
    }
    assert_eq!(last, 500);
}

#[test]
fn shutdown_of_a_failed_store_ends() {
    let rig = rig(1000, false);
    rig.faults.fail_after(0, false);
    rig.faults.fail_reopen(u64::MAX);
    rig.submit(0, 1..=5).unwrap();
    assert!(matches!(rig.event(), StoreEvent::Failed(_)));
    rig.submit(1, 6..=9).unwrap();
    let stats = rig.writer.shutdown();
    assert_eq!((stats.records, stats.dropped, stats.depth), (0, 9, 0));
}
