//! What others ask of the route thread.

use crate::desired::Key;
use bindery_engine::route::{Counters, Destination, Route, RouteOp, RouteSeq};
use bindery_types::InstanceId;
use foldhash::fast::RandomState;
use nix::{
    errno::Errno,
    sys::eventfd::{EfdFlags, EventFd},
};
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    os::fd::{AsFd, BorrowedFd},
    sync::{Mutex, MutexGuard, PoisonError, mpsc::Sender},
    time::Duration,
};

/// Operations beyond which those to one destination are merged. At 250,000 routes a second they are a quarter of a
/// second's work.
const MERGE_AT: usize = 65_536;

/// An operation that waits, and those to the same destination that it replaced.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) op: RouteOp,
    /// Their positions: they end as this one does, in order before it.
    pub(crate) merged: Vec<RouteSeq>,
}

/// Takes what was counted for each destination asked for; `None` when the plane is out of order.
pub(crate) type CountersDone = Box<dyn FnOnce(Option<Vec<Option<Counters>>>) + Send>;

/// Something other than a route operation.
pub(crate) enum Request {
    /// Want these routes, found in the session database, and start to reconcile.
    Seed(Vec<Route>),
    /// Reconcile now.
    Sweep,
    /// These are the tables of the routing instances from here on.
    Tables(BTreeMap<InstanceId, u32>),
    /// Reconcile so often from here on.
    SweepEvery(Duration),
    /// Read what was counted.
    ReadCounters(Vec<Destination>, CountersDone),
    /// Carry out what waits, then remove every route and neighbour of ours and set none any more; how many routes were
    /// removed.
    Withdraw(Sender<usize>),
    /// Carry out what waits and end.
    Stop,
}

#[derive(Default)]
struct State {
    ops: VecDeque<Pending>,
    requests: VecDeque<Request>,
    /// The route thread has ended: requests are dropped, which tells who waits for them.
    closed: bool,
    /// What a driver has said to be out of order: the first of what was not taken yet, the others add nothing.
    fault: Option<String>,
    /// Where the next merge is tried.
    merge_at: usize,
}

/// The queue between the engine's thread and the route thread.
///
/// It never blocks its writers and never drops: where it grows over 65,536 operations, those to the same destination
/// are merged into the last of them, so that the number of destinations bounds it. What is wanted is a state per
/// destination, not a history.
pub(crate) struct Inbox {
    state: Mutex<State>,
    event: EventFd,
}

impl Inbox {
    pub(crate) fn new() -> Result<Self, Errno> {
        let event = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        let state = State { merge_at: MERGE_AT, ..State::default() };
        Ok(Self { state: Mutex::new(state), event })
    }

    /// Takes over all of `ops`, and wakes the route thread.
    pub(crate) fn submit(&self, ops: &mut Vec<RouteOp>) {
        if ops.is_empty() {
            return;
        }
        let mut state = self.lock();
        state.ops.extend(ops.drain(..).map(|op| Pending { op, merged: Vec::new() }));
        if state.ops.len() > state.merge_at {
            merge(&mut state.ops);
            // Where little could be merged, trying again for each operation would cost more than it gives.
            state.merge_at = MERGE_AT.max(state.ops.len() * 2);
        }
        drop(state);
        self.wake();
    }

    pub(crate) fn request(&self, request: Request) {
        let mut state = self.lock();
        if !state.closed {
            state.requests.push_back(request);
            drop(state);
            self.wake();
        }
    }

    /// Takes no request any more.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        // Dropped outside of the lock: their senders run code of others.
        let requests = std::mem::take(&mut state.requests);
        drop(state);
        drop(requests);
    }

    /// Notes that the driver is out of order.
    pub(crate) fn report_fault(&self, why: String) {
        let mut state = self.lock();
        if state.fault.is_none() {
            state.fault = Some(why);
            drop(state);
            self.wake();
        }
    }

    pub(crate) fn take_fault(&self) -> Option<String> {
        self.lock().fault.take()
    }

    /// Moves up to `count` operations to `into`; whether more are left.
    pub(crate) fn take(&self, count: usize, into: &mut Vec<Pending>) -> bool {
        let mut state = self.lock();
        let count = count.min(state.ops.len());
        into.extend(state.ops.drain(..count));
        if state.ops.is_empty() {
            state.merge_at = MERGE_AT;
        }
        !state.ops.is_empty()
    }

    /// How many operations wait.
    pub(crate) fn waiting(&self) -> usize {
        self.lock().ops.len()
    }

    pub(crate) fn take_request(&self) -> Option<Request> {
        self.lock().requests.pop_front()
    }

    /// Whether [`Request::Stop`] is among what waits.
    pub(crate) fn asks_to_stop(&self) -> bool {
        self.lock().requests.iter().any(|request| matches!(request, Request::Stop))
    }

    /// Forgets the wakes so far. Look into the inbox after this, not before.
    pub(crate) fn drain_wakes(&self) {
        let _ = self.event.read();
    }

    fn wake(&self) {
        // The only failure is a counter at its end: then the thread is being woken already.
        let _ = self.event.write(1);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock with the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsFd for Inbox {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}

/// Keeps the last operation of each destination, in its place, with the positions of the others.
///
/// Its place is behind all that came before it, so the positions of the merged ones count as tried when it is.
fn merge(ops: &mut VecDeque<Pending>) {
    let mut last: HashMap<Key, RouteOp, RandomState> = HashMap::default();
    for pending in ops.iter() {
        last.insert(pending.op.change.destination(), pending.op);
    }
    let mut merged: HashMap<Key, Vec<RouteSeq>, RandomState> = HashMap::default();
    ops.retain_mut(|pending| {
        let key = pending.op.change.destination();
        let is_last = last.get(&key).is_some_and(|last| last.seq == pending.op.seq);
        if is_last {
            if let Some(mut earlier) = merged.remove(&key) {
                earlier.append(&mut pending.merged);
                pending.merged = earlier;
            }
        } else {
            let earlier = merged.entry(key).or_default();
            earlier.append(&mut pending.merged);
            earlier.push(pending.op.seq);
        }
        is_last
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use bindery_engine::route::RouteChange;
    use bindery_types::Ipv4Addr;

    fn op(seq: u64, dst: u8) -> RouteOp {
        let change = RouteChange::Unset(Key::host(InstanceId(0), Ipv4Addr::new(10, 0, 0, dst)));
        RouteOp { seq: RouteSeq(seq), urgent: false, change }
    }

    #[test]
    fn merging_keeps_the_last_and_every_position() {
        let mut ops: VecDeque<_> = [op(1, 1), op(2, 2), op(3, 1), op(4, 1), op(5, 3)]
            .into_iter()
            .map(|op| Pending { op, merged: Vec::new() })
            .collect();
        merge(&mut ops);
        ops.push_back(Pending { op: op(6, 1), merged: Vec::new() });
        merge(&mut ops);
        let left: Vec<_> = ops.iter().map(|pending| (pending.op.seq.0, pending.merged.clone())).collect();
        assert_eq!(left, [(2, vec![]), (5, vec![]), (6, vec![RouteSeq(1), RouteSeq(3), RouteSeq(4)])]);
    }

    #[test]
    fn a_full_inbox_is_bounded_by_its_destinations() {
        let inbox = Inbox::new().unwrap();
        for round in 0..10u64 {
            let mut ops: Vec<_> = (0..20_000u64).map(|n| op(round * 20_000 + n, n as u8)).collect();
            inbox.submit(&mut ops);
        }
        let mut taken = Vec::new();
        assert!(!inbox.take(usize::MAX, &mut taken));
        assert!(taken.len() <= MERGE_AT, "{}", taken.len());
        let positions = taken.iter().map(|pending| 1 + pending.merged.len()).sum::<usize>();
        assert_eq!(positions, 200_000);
        assert!(taken.is_sorted_by_key(|pending| pending.op.seq));
    }
}
