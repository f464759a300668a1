//! The route thread's loop.
//!
//! ```text
//!   engine -- ops, seed, withdraw --> inbox -+
//!                                            +-> worker -- batches --> kernel
//!   kernel -- links, addresses, routes ------+     |
//!                                                  +-- RouteEvent --> daemon
//! ```
//!
//! Engine operations go first, 256 at a time and in order. Repairs and the sweep go in slices of about the same length,
//! one whenever no operation waits and one after every eighth slice of operations; so neither starves the other.
//!
//! What faults is tried again after a wait that grows with each fault. Operations wait for it only where they or
//! opening netlink fault; links and the sweep are put off meanwhile.

use crate::{
    RouteEvent, SweepReport,
    backoff::{Backoff, Backoffs, Work},
    desired::Desired,
    fib::{Fib, SweepFault},
    inbox::{CountersDone, Inbox, Pending, Request},
    links::{LinkEvent, Links},
    plane::BATCH,
    touched::Touched,
};
use bindery_engine::route::{Destination, RouteChange, RouteError, RouteFailure, RouteOp, RouteSeq};
use bindery_types::InstanceId;
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};
use std::{
    collections::BTreeMap,
    fmt,
    os::fd::AsFd,
    sync::Arc,
    time::{Duration, Instant},
};

/// Slices of operations after which a slice of repairs gets its turn.
const SLICES_PER_REPAIR: u32 = 8;

pub(crate) struct Worker<F: Fib> {
    plane: F,
    links: Links,
    inbox: Arc<Inbox>,
    interval: Duration,
    on_event: Box<dyn FnMut(RouteEvent) + Send>,
    desired: Desired,
    sweep: Option<F::Sweep>,
    /// When the next sweep is due; `None` before the seed, which is when nothing may be removed.
    next_sweep: Option<Instant>,
    /// A sweep was asked for while one ran.
    sweep_again: bool,
    stopping: bool,
    /// Operations are answered as failed and not carried out: all routes were withdrawn, or the thread is to stop and
    /// netlink is out of order.
    cancelling: bool,
    backoffs: Backoffs,
    pending: Vec<Pending>,
    ops: Vec<RouteOp>,
    failed: Vec<RouteFailure>,
}

impl<F: Fib> Worker<F> {
    pub(crate) fn new(
        plane: F,
        links: Links,
        inbox: Arc<Inbox>,
        interval: Duration,
        on_event: Box<dyn FnMut(RouteEvent) + Send>,
    ) -> Self {
        Self {
            plane,
            links,
            inbox,
            interval,
            on_event,
            desired: Desired::default(),
            sweep: None,
            next_sweep: None,
            sweep_again: false,
            stopping: false,
            cancelling: false,
            backoffs: Backoffs::default(),
            pending: Vec::new(),
            ops: Vec::new(),
            failed: Vec::new(),
        }
    }

    pub(crate) fn run(mut self) {
        let mut events = Vec::new();
        if let Err(fault) = self.links.read_again(&mut events) {
            self.recover(Work::Links, &fault, false);
        }
        self.handle_link_events(&mut events);
        let mut slices = 0;
        loop {
            self.inbox.drain_wakes();
            while let Some(request) = self.inbox.take_request() {
                self.handle_request(request);
            }
            self.hear_driver();
            let more_ops = self.carry_out(BATCH);
            if self.stopping && !more_ops {
                return;
            }
            let more_changes = self.hear();
            slices += 1;
            if !more_ops || slices >= SLICES_PER_REPAIR {
                slices = 0;
                self.repair();
                self.advance_sweep();
            }
            let busy = more_ops || more_changes || self.sweep.is_some() || !self.desired.is_clean();
            if !busy {
                self.wait();
            }
        }
    }

    fn handle_request(&mut self, request: Request) {
        match request {
            Request::Seed(routes) => {
                // After a withdrawal none is wanted any more.
                for route in routes.iter().filter(|_| !self.cancelling) {
                    self.desired.seed(route);
                }
                self.sweep_now();
            }
            Request::Sweep => self.sweep_now(),
            Request::Tables(tables) => self.set_tables(tables),
            Request::SweepEvery(interval) => self.sweep_every(interval),
            Request::ReadCounters(of, done) => self.read_counters(&of, done),
            Request::Withdraw(done) => {
                self.carry_out_waiting();
                self.cancelling = true;
                self.sweep = None;
                self.desired.clear();
                // Where it faults the sender is dropped, which tells.
                if let Some(report) = self.sweep_through() {
                    let _ = done.send(report.removed);
                }
            }
            Request::Stop => self.stopping = true,
        }
    }

    /// Other tables of routing instances: their routes are set where they belong now, and what is left in the old tables
    /// is nobody's, which the sweep finds.
    fn set_tables(&mut self, tables: BTreeMap<InstanceId, u32>) {
        let moved = self.plane.set_tables(tables);
        if moved.is_empty() {
            return;
        }
        self.sweep = None;
        self.desired.mark_dirty_in(&moved);
        // Before the seed nothing may be removed.
        if self.next_sweep.is_some() {
            self.sweep_now();
        }
    }

    /// Another interval; a sweep that would be due later by the old one is due by this one.
    fn sweep_every(&mut self, interval: Duration) {
        self.interval = interval;
        self.next_sweep = self.next_sweep.map(|due| due.min(Instant::now() + interval));
    }

    fn read_counters(&mut self, of: &[Destination], done: CountersDone) {
        match self.plane.read_counters(of) {
            Ok(counted) => done(Some(counted)),
            Err(fault) => {
                done(None);
                self.distrust(&fault);
            }
        }
    }

    /// Recovers from what the driver said on its own. One that says so again and again is heard when the next sweep is
    /// due, which is later each time.
    fn hear_driver(&mut self) {
        if self.backoffs.due(Work::Sweep, Instant::now()).is_none()
            && let Some(why) = self.inbox.take_fault()
        {
            self.distrust(&why);
        }
    }

    /// After something that is no part of the engine's operations: recovers the plane and reconciles.
    fn distrust(&mut self, why: &dyn fmt::Display) {
        self.sweep = None;
        self.recover(Work::Sweep, why, false);
    }

    /// Carries out the operations that wait now, and of those that come meanwhile none.
    fn carry_out_waiting(&mut self) {
        let mut left = self.inbox.waiting();
        while left > 0 && self.carry_out(BATCH.min(left)) {
            left = left.saturating_sub(BATCH);
        }
    }

    /// Carries out a slice of at most `most` of the engine's operations; whether more wait.
    fn carry_out(&mut self, most: usize) -> bool {
        let mut pending = std::mem::take(&mut self.pending);
        let more = self.inbox.take(most, &mut pending);
        if let Some(last) = pending.last() {
            let up_to = last.op.seq;
            if self.try_slice(&pending) {
                self.note_results(&pending);
            } else {
                // Each is answered, so that no later watermark makes it look as if it had succeeded.
                let error = RouteError::Refused(Errno::ECANCELED as i32);
                self.failed.clear();
                self.failed.extend(pending.iter().map(|pending| RouteFailure { seq: pending.op.seq, error }));
            }
            self.report(up_to, &pending);
        }
        pending.clear();
        self.pending = pending;
        more
    }

    /// Wants and applies what a slice says; false when operations are not carried out any more.
    fn try_slice(&mut self, pending: &[Pending]) -> bool {
        if self.cancelling {
            return false;
        }
        self.ops.clear();
        self.ops.extend(pending.iter().map(|pending| pending.op));
        for op in &self.ops {
            match &op.change {
                RouteChange::Set(route) => self.desired.set(route),
                RouteChange::Unset(at) => self.desired.unset(*at),
            }
        }
        self.apply()
    }

    /// Applies `self.ops`, through faults; false when the thread is to stop instead.
    fn apply(&mut self) -> bool {
        loop {
            self.failed.clear();
            match self.plane.apply(&self.ops, &mut self.failed) {
                Ok(()) => {
                    self.succeed(Work::Routes);
                    return true;
                }
                Err(fault) => {
                    // Batches are halved a few times in a thread's life, so trying again at once comes to an end.
                    let remedied = self.plane.remedy(&fault);
                    if !self.recover(Work::Routes, &fault, remedied) {
                        self.cancelling = true;
                        return false;
                    }
                }
            }
        }
    }

    fn note_results(&mut self, pending: &[Pending]) {
        let mut failures = self.failed.iter().peekable();
        for pending in pending {
            let error = failures.next_if(|failure| failure.seq == pending.op.seq).map(|failure| failure.error);
            self.desired.note(pending.op.change.destination(), error);
        }
    }

    /// Tells the engine how the slice went. An operation that replaced others speaks for them.
    fn report(&mut self, up_to: RouteSeq, pending: &[Pending]) {
        let mut failed = std::mem::take(&mut self.failed);
        let direct = failed.len();
        for at in 0..direct {
            let Some(failure) = failed.get(at).copied() else { break };
            let merged = pending.iter().find(|pending| pending.op.seq == failure.seq).map(|pending| &pending.merged);
            failed.extend(merged.into_iter().flatten().map(|seq| RouteFailure { seq: *seq, error: failure.error }));
        }
        failed.sort_unstable_by_key(|failure| failure.seq);
        self.tell(RouteEvent::Routed { up_to, failed });
    }

    /// Hears what the kernel has to say; whether more may wait.
    fn hear(&mut self) -> bool {
        if self.backoffs.due(Work::Links, Instant::now()).is_some() {
            return false;
        }
        let mut events = Vec::new();
        let more = match self.links.read(&mut events) {
            Ok(more) => {
                self.succeed(Work::Links);
                more
            }
            Err(fault) => {
                self.recover(Work::Links, &fault, false);
                false
            }
        };
        self.handle_link_events(&mut events);
        more
    }

    fn handle_link_events(&mut self, events: &mut Vec<LinkEvent>) {
        let mut touched = Touched::default();
        for event in events.iter() {
            touched.note(event, |index| self.links.has_address(index));
        }
        // Routes that the kernel has flushed are to be repaired; the engine gets to know before it hears that a link
        // is up again.
        if !touched.is_empty() {
            for link in self.desired.mark_dirty_where(|route, failing| touched.suspicion(route, failing)) {
                self.tell(RouteEvent::RoutesLost(link));
            }
        }
        for event in events.drain(..) {
            match event {
                LinkEvent::Set(link, _) => self.tell(RouteEvent::LinkSet(link)),
                LinkEvent::Gone(index) => self.tell(RouteEvent::LinkGone(index)),
                LinkEvent::RouteTouched(table, dst, len) => {
                    for key in self.plane.keys_of(table, dst, len) {
                        self.desired.mark_dirty(key);
                    }
                }
                LinkEvent::Overrun => self.sweep_now(),
                LinkEvent::WasDown(_) | LinkEvent::AddressLost(..) | LinkEvent::AddressAdded(..) => {}
            }
        }
    }

    /// Repairs a slice of the routes that are known or suspected not to stand.
    fn repair(&mut self) {
        self.ops.clear();
        // Those of links that are down would be refused one by one; they come back with the link.
        for _ in 0..BATCH {
            let Some(route) = self.desired.pop_dirty() else { break };
            if self.links.is_up(route.link) {
                let seq = RouteSeq(self.ops.len() as u64);
                self.ops.push(RouteOp { seq, urgent: false, change: RouteChange::Set(route) });
            } else {
                self.desired.note(route.destination(), Some(RouteError::LinkDown));
            }
        }
        if self.ops.is_empty() || !self.apply() {
            return;
        }
        let mut failures = std::mem::take(&mut self.failed).into_iter().peekable();
        for op in std::mem::take(&mut self.ops) {
            let at = op.change.destination();
            let error = failures.next_if(|failure| failure.seq == op.seq).map(|failure| failure.error);
            let before = self.desired.note(at, error);
            let of_link = |error| matches!(error, None | Some(RouteError::LinkDown));
            if before != error && !(of_link(before) && of_link(error)) {
                self.tell(RouteEvent::RouteChanged { at, error });
            }
        }
    }

    fn sweep_now(&mut self) {
        if self.sweep.is_some() {
            self.sweep_again = true;
        }
        let now = Instant::now();
        self.next_sweep = Some(self.backoffs.due(Work::Sweep, now).unwrap_or(now));
    }

    /// Starts a sweep that is due, or does a piece of the one that runs.
    fn advance_sweep(&mut self) {
        if self.sweep.is_none() {
            if self.next_sweep.is_none_or(|due| due > Instant::now()) {
                return;
            }
            match self.plane.start_sweep(&mut self.desired) {
                Ok(sweep) => self.sweep = Some(sweep),
                Err(SweepFault::Fault(fault)) => self.give_up_sweep(&fault),
                Err(SweepFault::Open(error)) => {
                    self.tell(RouteEvent::Faulted(error.to_string()));
                    self.next_sweep = Some(Instant::now() + self.interval);
                }
            }
        }
        let Some(sweep) = &mut self.sweep else { return };
        match self.plane.step_sweep(sweep, &mut self.desired) {
            Ok(None) => {}
            Ok(Some(report)) => self.finish_sweep(report),
            Err(fault) => self.give_up_sweep(&fault),
        }
    }

    /// After a fault: another sweep is due when the wait is over.
    fn give_up_sweep(&mut self, fault: &F::Fault) {
        self.sweep = None;
        self.next_sweep = Some(Instant::now());
        let remedied = self.plane.remedy(fault);
        self.recover(Work::Sweep, fault, remedied);
    }

    fn finish_sweep(&mut self, report: SweepReport) {
        self.sweep = None;
        let again = std::mem::take(&mut self.sweep_again);
        self.next_sweep = Some(Instant::now() + if again { Duration::ZERO } else { self.interval });
        self.succeed(Work::Sweep);
        self.tell(RouteEvent::Swept(report));
    }

    /// A whole sweep at once; `None` when it faulted.
    fn sweep_through(&mut self) -> Option<SweepReport> {
        let mut sweep = self.plane.start_sweep(&mut self.desired).ok()?;
        loop {
            match self.plane.step_sweep(&mut sweep, &mut self.desired) {
                Ok(None) => {}
                Ok(Some(report)) => {
                    self.succeed(Work::Sweep);
                    return Some(report);
                }
                Err(fault) => {
                    self.give_up_sweep(&fault);
                    return None;
                }
            }
        }
    }

    /// Opens plane and links again after a fault, sees to it that what faulted is left alone for a while unless something
    /// was changed against it, and reconciles; false when the thread is to stop instead.
    fn recover(&mut self, work: Work, fault: &dyn fmt::Display, remedied: bool) -> bool {
        self.tell(RouteEvent::Faulted(fault.to_string()));
        let due = self.backoffs.fault(work, remedied, Instant::now());
        if work == Work::Routes && !remedied {
            self.wait_for_requests(due);
            if self.stopping {
                return false;
            }
        }
        let mut reopening = Backoff::default();
        while let Err(error) = self.reopen() {
            self.tell(RouteEvent::Faulted(error));
            self.wait_for_requests(reopening.fault(Instant::now()));
            if self.stopping {
                return false;
            }
        }
        if self.next_sweep.is_some() {
            self.sweep_now();
        }
        true
    }

    /// Notes that something worked; tells when with it everything does again.
    fn succeed(&mut self, work: Work) {
        if self.backoffs.succeed(work) {
            self.tell(RouteEvent::Recovered);
        }
    }

    fn reopen(&mut self) -> Result<(), String> {
        self.plane.reopen()?;
        self.links = self.links.reopen(&self.plane).map_err(|error| error.to_string())?;
        Ok(())
    }

    /// Waits until `deadline`, for what asks to stop only.
    fn wait_for_requests(&mut self, deadline: Instant) {
        while !self.stopping {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else { return };
            let mut fds = [PollFd::new(self.inbox.as_fd(), PollFlags::POLLIN)];
            let _ = poll(&mut fds, millis(left));
            self.inbox.drain_wakes();
            self.stopping |= self.inbox.asks_to_stop();
        }
    }

    /// Waits for something to do.
    fn wait(&mut self) {
        let now = Instant::now();
        let links_due = self.backoffs.due(Work::Links, now);
        let timeout = match self.next_sweep.into_iter().chain(links_due).min() {
            None => PollTimeout::NONE,
            Some(due) => millis(due.saturating_duration_since(now)),
        };
        let mut fds = vec![PollFd::new(self.inbox.as_fd(), PollFlags::POLLIN)];
        // While links are left alone, what they have to say must not end the wait.
        if links_due.is_none() {
            fds.push(PollFd::new(self.links.as_fd(), PollFlags::POLLIN));
        }
        // Whatever ends the wait, the loop looks at everything.
        let _ = poll(&mut fds, timeout);
    }

    fn tell(&mut self, event: RouteEvent) {
        (self.on_event)(event);
    }
}

impl<F: Fib> Drop for Worker<F> {
    fn drop(&mut self) {
        self.inbox.close();
    }
}

fn millis(duration: Duration) -> PollTimeout {
    PollTimeout::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(PollTimeout::MAX)
}

#[cfg(test)]
mod tests;
