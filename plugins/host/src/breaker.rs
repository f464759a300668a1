//! The circuit breaker: a plugin that fails again and again is not called for a while.

use std::time::{Duration, Instant};

/// Failures within [`BREAKER_WINDOW`] that open the breaker.
pub const BREAKER_FAILURES: usize = 3;
/// Time over which failures are counted.
pub const BREAKER_WINDOW: Duration = Duration::from_secs(10);
/// Time for which the breaker stays open.
pub const BREAKER_OPEN: Duration = Duration::from_secs(10);

/// Whether a plugin is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// It is called.
    Closed,
    /// It is not called.
    Open,
    /// The time has passed; the next call decides.
    HalfOpen,
}

/// One plugin's breaker. Time comes in as an argument.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    /// When the latest failures were, oldest first.
    recent: [Option<Instant>; BREAKER_FAILURES],
    open_until: Option<Instant>,
}

impl Breaker {
    pub(crate) fn state(&self, now: Instant) -> BreakerState {
        match self.open_until {
            None => BreakerState::Closed,
            Some(until) if now < until => BreakerState::Open,
            Some(_) => BreakerState::HalfOpen,
        }
    }

    /// A call ended well.
    pub(crate) fn succeeded(&mut self) {
        if self.open_until.is_some() {
            *self = Breaker::default();
        }
    }

    /// A call failed at `now`.
    pub(crate) fn failed(&mut self, now: Instant) {
        self.recent.rotate_left(1);
        self.recent[BREAKER_FAILURES - 1] = Some(now);
        let crowded = self.recent[0].is_some_and(|oldest| now.saturating_duration_since(oldest) <= BREAKER_WINDOW);
        // A trial call that fails opens it again at once.
        if crowded || self.open_until.is_some() {
            self.open_until = Some(now + BREAKER_OPEN);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_only_when_failures_crowd() {
        let start = Instant::now();
        let mut breaker = Breaker::default();
        breaker.failed(start);
        breaker.failed(start + BREAKER_WINDOW / 2);
        breaker.failed(start + BREAKER_WINDOW + Duration::from_millis(1));
        let now = start + BREAKER_WINDOW + Duration::from_millis(2);
        assert_eq!(breaker.state(now), BreakerState::Closed);
        breaker.failed(now);
        assert_eq!(breaker.state(now), BreakerState::Open);
    }

    #[test]
    fn a_trial_decides() {
        let start = Instant::now();
        let mut breaker = Breaker::default();
        for _ in 0..BREAKER_FAILURES {
            breaker.failed(start);
        }
        let later = start + BREAKER_OPEN;
        assert_eq!(breaker.state(later - Duration::from_nanos(1)), BreakerState::Open);
        assert_eq!(breaker.state(later), BreakerState::HalfOpen);
        breaker.failed(later);
        assert_eq!(breaker.state(later), BreakerState::Open);
        let last = later + BREAKER_OPEN;
        assert_eq!(breaker.state(last), BreakerState::HalfOpen);
        breaker.succeeded();
        assert_eq!(breaker.state(last), BreakerState::Closed);
        breaker.failed(last);
        assert_eq!(breaker.state(last), BreakerState::Closed, "old failures are forgotten");
    }
}
