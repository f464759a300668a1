//! How the time between two lives of the server counts for leases (design §4).
//!
//! It is told by the wall clock: from what it showed when it was last written down to what it shows at the start. A
//! step forward that was not written down before the end makes leases run short, and nobody can help it; a clock that
//! stands before what was written counts for nothing, and holds all expiry until it has caught up.

use crate::clock::{Instant, SEC};

/// The wall clock as it was.
pub trait WallHistory {
    /// What it showed at `at`, and whether it showed `wall` or later at some moment from `since` to then.
    fn look_back(&self, since: Instant, at: Instant, wall: u64) -> (u64, bool);
}

impl WallHistory for crate::clock::Clocks {
    fn look_back(&self, since: Instant, at: Instant, wall: u64) -> (u64, bool) {
        Self::look_back(self, since, at, wall)
    }
}

/// The server looks at the wall clock this often at the least.
const LOOK: Instant = 11 * SEC;

/// The model.
#[derive(Debug, Default)]
pub(super) struct DownTime {
    /// Nanoseconds by which leases may run short.
    credit: u64,
    /// Each life of the server: its start, and the wall time that it waited for.
    lives: Vec<(Instant, Option<u64>)>,
}

impl DownTime {
    pub(super) fn credit(&self) -> u64 {
        self.credit
    }

    /// What the wall clock has to reach before anything expires.
    pub(super) fn held_until(&self) -> Option<u64> {
        self.lives.last().and_then(|(_, held)| *held)
    }

    /// The server starts at `now`. On disk is `written` for the wall clock, handed over at `emitted`.
    pub(super) fn restart(&mut self, now: Instant, emitted: Instant, written: u64, wall: &dyn WallHistory) {
        let (shown, _) = wall.look_back(now, now, 0);
        let life = self.lives.iter().rev().find(|(start, _)| *start <= emitted).copied();
        let (started, held) = life.unwrap_or((0, None));
        // What was handed over may be a look older.
        for look in [emitted, emitted.saturating_sub(LOOK).max(started)] {
            let (then, reached) = wall.look_back(started, look, held.unwrap_or(0));
            // While it waits, a life cannot tell how long it was down before, and the next one counts nothing.
            let counted = if held.is_none() || reached { shown.saturating_sub(then) * SEC } else { 0 };
            self.credit += counted.saturating_sub(now - look);
        }
        // Whole seconds on both sides.
        self.credit += 2 * SEC;
        self.lives.push((now, (shown < written).then_some(written)));
    }
}
