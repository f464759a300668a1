//! How long to leave alone what has faulted.

use std::time::{Duration, Instant};

/// The wait after the first fault.
pub(crate) const BACKOFF_MIN: Duration = Duration::from_millis(10);

/// Longest wait between tries.
pub(crate) const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// What the route thread does by netlink; each faults and succeeds on its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Work {
    /// Setting and removing routes, for the engine or as repairs.
    Routes,
    /// Hearing and reading links.
    Links,
    /// Reconciling with a dump.
    Sweep,
}

/// The waits between tries of one kind of work: each twice the one before, until a try succeeds.
#[derive(Default)]
pub(crate) struct Backoff {
    /// The last wait; zero after a success.
    wait: Duration,
    /// When to try again; `None` after a success.
    due: Option<Instant>,
}

impl Backoff {
    /// Notes a fault; when to try again.
    pub(crate) fn fault(&mut self, now: Instant) -> Instant {
        self.wait = (self.wait * 2).clamp(BACKOFF_MIN, BACKOFF_MAX);
        let due = now + self.wait;
        self.due = Some(due);
        due
    }

    /// Notes a fault that another try at once does not repeat.
    fn fault_once(&mut self, now: Instant) -> Instant {
        *self.due.insert(now)
    }
}

/// The waits of every kind of work.
#[derive(Default)]
pub(crate) struct Backoffs {
    routes: Backoff,
    links: Backoff,
    sweep: Backoff,
}

impl Backoffs {
    /// Notes a fault; when to try again. That is now where something was changed against the fault (`remedied`).
    pub(crate) fn fault(&mut self, work: Work, remedied: bool, now: Instant) -> Instant {
        let backoff = self.of(work);
        if remedied { backoff.fault_once(now) } else { backoff.fault(now) }
    }

    /// Notes a success; whether with it the last fault of all is over.
    pub(crate) fn succeed(&mut self, work: Work) -> bool {
        let backoff = self.of(work);
        backoff.wait = Duration::ZERO;
        let was_faulty = backoff.due.take().is_some();
        was_faulty && [&self.routes, &self.links, &self.sweep].iter().all(|backoff| backoff.due.is_none())
    }

    /// When the work is to be tried again, if that is still to come.
    pub(crate) fn due(&mut self, work: Work, now: Instant) -> Option<Instant> {
        self.of(work).due.filter(|due| *due > now)
    }

    fn of(&mut self, work: Work) -> &mut Backoff {
        match work {
            Work::Routes => &mut self.routes,
            Work::Links => &mut self.links,
            Work::Sweep => &mut self.sweep,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_to_the_longest_and_start_again_after_a_success() {
        let now = Instant::now();
        let mut backoffs = Backoffs::default();
        let mut waits: Vec<_> = (0..11).map(|_| (backoffs.fault(Work::Routes, false, now) - now).as_millis()).collect();
        assert_eq!(waits, [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 5000, 5000]);
        assert_eq!(backoffs.fault(Work::Sweep, false, now) - now, BACKOFF_MIN);
        assert!(!backoffs.succeed(Work::Links));
        assert!(!backoffs.succeed(Work::Routes), "the sweep is still out of order");
        assert!(backoffs.succeed(Work::Sweep));
        assert!(!backoffs.succeed(Work::Sweep), "told once");
        waits = (0..2).map(|_| (backoffs.fault(Work::Routes, false, now) - now).as_millis()).collect();
        assert_eq!(waits, [10, 20]);
    }

    #[test]
    fn a_remedied_fault_is_tried_again_at_once() {
        let now = Instant::now();
        let mut backoffs = Backoffs::default();
        assert_eq!(backoffs.fault(Work::Routes, true, now), now);
        assert_eq!(backoffs.due(Work::Routes, now), None);
        assert_eq!(backoffs.fault(Work::Routes, false, now), now + BACKOFF_MIN);
        assert!(backoffs.succeed(Work::Routes));
    }
}
