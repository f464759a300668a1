//! How much of the caller's time a plugin takes, and whether that is too much for the packet thread.
//!
//! A call that takes a few microseconds holds nobody up, however many there are of them: at 100,000 packets a second
//! the best of plugins takes a tenth of the time. So only calls of [`CALL_MIN`] and more are charged.

use std::time::{Duration, Instant};

/// Most time that slow calls may take within [`WINDOW`].
pub const BUDGET: Duration = Duration::from_millis(5);
/// The time over which they are added up.
pub const WINDOW: Duration = Duration::from_millis(100);
/// Shortest call that is charged.
pub const CALL_MIN: Duration = Duration::from_micros(50);

/// Parts of the window.
const PARTS: u32 = 10;

/// Why a plugin is too slow for the packet thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slow {
    /// It ran past its deadline.
    Deadline,
    /// It took more than [`BUDGET`] within [`WINDOW`].
    Budget,
}

/// The charges of the last window, in parts.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    start: Option<Instant>,
    /// Number of the latest part, and what each of the last ones was charged.
    latest: u32,
    parts: [Duration; PARTS as usize],
}

impl Budget {
    /// Charges a call that ended at `now`; says whether the window has more than it may.
    pub(crate) fn charge(&mut self, now: Instant, used: Duration) -> bool {
        let start = *self.start.get_or_insert(now);
        let part = now.saturating_duration_since(start).as_nanos() / (WINDOW / PARTS).as_nanos();
        // A number that wraps after a year is only ever compared with its neighbours.
        let part = u32::try_from(part % u128::from(u32::MAX)).unwrap_or(0);
        for passed in 1..=part.saturating_sub(self.latest).min(PARTS) {
            self.of(self.latest.wrapping_add(passed), |spent| *spent = Duration::ZERO);
        }
        if part.saturating_sub(self.latest) > PARTS {
            self.parts = [Duration::ZERO; PARTS as usize];
        }
        self.latest = part;
        self.of(part, |spent| *spent += used);
        self.parts.iter().sum::<Duration>() > BUDGET
    }

    fn of(&mut self, part: u32, change: impl FnOnce(&mut Duration)) {
        let index = usize::try_from(part % PARTS).unwrap_or(0);
        if let Some(spent) = self.parts.get_mut(index) {
            change(spent);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn only_what_lies_in_the_window_counts() {
        let start = Instant::now();
        let mut budget = Budget::default();
        for turn in 0..200_u32 {
            // 1 ms every 25 ms: 4 ms to 5 ms in any window.
            assert!(!budget.charge(start + turn * 25 * MS, MS), "{turn}");
        }
        let now = start + 10_000 * MS;
        assert!(!budget.charge(now, 5 * MS), "the past is forgotten");
        assert!(budget.charge(now + 50 * MS, MS / 10));
        assert!(!budget.charge(now + 2 * WINDOW, 5 * MS));
    }

    #[test]
    fn many_calls_add_up() {
        let start = Instant::now();
        let mut budget = Budget::default();
        let over = (0..60_u32).filter(|turn| budget.charge(start + *turn * MS, CALL_MIN * 2)).count();
        assert_eq!(over, 60 - 50, "from the 51st on");
    }
}
