//! True time, and the two clocks that the engine is shown of it.

use bindery_types::{Mono, Now, Wall};

/// True time: nanoseconds since the simulation began. It never steps and goes on through restarts.
pub(crate) type Instant = u64;

/// One second of true time.
pub(crate) const SEC: Instant = 1_000_000_000;
/// One millisecond of true time.
pub(crate) const MS: Instant = 1_000_000;

/// What the wall clock shows at true time 0 when it is right.
const WALL_AT_START: i64 = 1_800_000_000;

/// The machine's clocks. The wall clock runs with true time between steps.
#[derive(Debug)]
pub(crate) struct Clocks {
    /// True time at which the monotonic clock was zero.
    boot: Instant,
    /// Each step of the wall clock: from when on, and wall seconds minus true seconds.
    steps: Vec<(Instant, i64)>,
}

impl Clocks {
    /// Clocks at true time 0: the wall clock is right, or stands in 1970.
    pub(crate) fn new(right: bool) -> Self {
        Self { boot: 0, steps: vec![(0, if right { WALL_AT_START } else { 5 })] }
    }

    /// Both clocks at `at`.
    pub(crate) fn now(&self, at: Instant) -> Now {
        Now { mono: Mono(at.saturating_sub(self.boot) + SEC), wall: Wall(self.wall(at)) }
    }

    /// True time at which the monotonic clock shows `mono`.
    pub(crate) fn true_of(&self, mono: Mono) -> Instant {
        mono.0.saturating_sub(SEC).saturating_add(self.boot)
    }

    fn wall(&self, at: Instant) -> u64 {
        let offset = self.steps.last().map_or(0, |(_, offset)| *offset);
        u64::try_from((at / SEC) as i64 + offset).unwrap_or(0)
    }

    /// Steps the wall clock by `secs`; it does not go before 1970.
    pub(crate) fn step(&mut self, at: Instant, secs: i64) {
        let wall = (self.wall(at) as i64 + secs).max(1);
        self.steps.push((at, wall - (at / SEC) as i64));
    }

    /// Sets the wall clock right. Returns whether that was a step.
    pub(crate) fn set_right(&mut self, at: Instant) -> bool {
        let right = self.steps.last().is_some_and(|(_, offset)| *offset == WALL_AT_START);
        if !right {
            self.steps.push((at, WALL_AT_START));
        }
        !right
    }

    /// The machine boots: the monotonic clock begins anew; a machine without a battery wakes up in 1970.
    pub(crate) fn power_on(&mut self, at: Instant, battery: bool) {
        self.boot = at;
        if !battery {
            self.steps.push((at, 5 - (at / SEC) as i64));
        }
    }

    /// What the wall clock showed at `at`, and whether it showed `wall` or later at some moment from `since` to then.
    pub(crate) fn look_back(&self, since: Instant, at: Instant, wall: u64) -> (u64, bool) {
        let shown = |offset: i64, at: Instant| u64::try_from((at / SEC) as i64 + offset).unwrap_or(0);
        let (mut last, mut reached) = (0, false);
        for (n, &(start, offset)) in self.steps.iter().enumerate() {
            let end = self.steps.get(n + 1).map_or(at, |next| next.0.min(at));
            if start <= at {
                last = shown(offset, at);
            }
            if end >= since && start <= at {
                reached |= shown(offset, end) >= wall;
            }
        }
        (last, reached)
    }

    /// Steps forward to `wall` where the clock stands before it.
    pub(crate) fn catch_up(&mut self, at: Instant, wall: u64) {
        let behind = wall.saturating_sub(self.wall(at));
        self.step(at, behind as i64);
    }
}
