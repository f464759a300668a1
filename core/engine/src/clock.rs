//! The lease clock: seconds that no step of the wall clock can move.

use crate::record::MetaRecord;
use bindery_types::{LeaseTime, Mono, Now, Wall};

/// A wall clock that differs by more than this from what the monotonic clock foretells has stepped, seconds.
const STEP_SECS: u64 = 2;

/// Persisted in place of the lease time while the wall clock is behind.
const UNTOLD: LeaseTime = LeaseTime(0);

/// Maps the monotonic clock to [`LeaseTime`], and watches the wall clock beside it.
#[derive(Debug)]
pub(crate) struct LeaseClock {
    base: LeaseTime,
    base_mono: Mono,
    /// The wall clock stood before this at start: no lease expires until it has caught up.
    held_until: Option<Wall>,
    seen: Now,
}

/// What the wall clock did since the last look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Observed {
    /// It ran with the monotonic clock.
    Steady,
    /// It stepped: the pair of clocks must be persisted anew.
    Stepped,
    /// It has reached the last persisted time again; expiry goes on.
    CaughtUp,
}

impl LeaseClock {
    /// Starts the clock where the database left it, and adds the time the daemon was down as far as the wall clock
    /// can tell it. `newest` is the latest lease time found in any record: the clock never stands before it, and goes
    /// on from it where the database was written while the wall clock was behind (see [`Self::lease_to_persist`]).
    pub(crate) fn start(now: Now, meta: Option<&MetaRecord>, newest: LeaseTime) -> Self {
        let (base, held_until) = match meta {
            None => (LeaseTime(now.wall.0), None),
            Some(meta) => {
                let down = now.wall.0.saturating_sub(meta.wall.0);
                let behind = now.wall < meta.wall;
                let base = if meta.lease_clock == UNTOLD { newest } else { meta.lease_clock.plus_secs(down) };
                (base, behind.then_some(meta.wall))
            }
        };
        Self { base: base.max(newest), base_mono: now.mono, held_until, seen: now }
    }

    /// The lease time at `mono`.
    pub(crate) fn at(&self, mono: Mono) -> LeaseTime {
        self.base.plus_secs(mono.since(self.base_mono).as_secs())
    }

    /// The monotonic instant at which the lease time `at` begins; the origin when it is past.
    pub(crate) fn mono_of(&self, at: LeaseTime) -> Mono {
        let secs = self.base.secs_until(at);
        Mono(self.base_mono.0.saturating_add(secs.saturating_mul(1_000_000_000)))
    }

    /// Seconds by which the wall clock is behind the last persisted time; zero when expiry is not held.
    pub(crate) fn behind_secs(&self) -> u64 {
        self.held_until.map_or(0, |until| until.0.saturating_sub(self.seen.wall.0))
    }

    /// Whether leases may expire.
    pub(crate) fn may_expire(&self) -> bool {
        self.held_until.is_none()
    }

    /// Whether the wall clock has stepped since the last look.
    pub(crate) fn has_stepped(&self, now: Now) -> bool {
        let expected = self.seen.wall.0.saturating_add(now.mono.since(self.seen.mono).as_secs());
        now.wall.0.abs_diff(expected) > STEP_SECS
    }

    /// Looks at both clocks.
    pub(crate) fn observe(&mut self, now: Now) -> Observed {
        let stepped = self.has_stepped(now);
        self.seen = now;
        if self.held_until.is_some_and(|until| now.wall >= until) {
            self.held_until = None;
            return Observed::CaughtUp;
        }
        if stepped { Observed::Stepped } else { Observed::Steady }
    }

    /// The wall time to persist: never before the last persisted one, or the next start would not see that the
    /// clock is still behind.
    pub(crate) fn wall_to_persist(&self) -> Wall {
        self.held_until.unwrap_or(self.seen.wall).max(self.seen.wall)
    }

    /// The lease time to persist beside it. While the wall clock is behind there is none: the two would not be of one
    /// moment, and the next start would count time twice for the leases granted meanwhile.
    pub(crate) fn lease_to_persist(&self) -> LeaseTime {
        if self.may_expire() { self.at(self.seen.mono) } else { UNTOLD }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now(mono: u64, wall: u64) -> Now {
        Now { mono: Mono::from_secs(mono), wall: Wall(wall) }
    }

    fn meta(lease_clock: u64, wall: u64) -> MetaRecord {
        MetaRecord {
            lease_clock: LeaseTime(lease_clock),
            wall: Wall(wall),
            sessions_made: 0,
            change: 0,
            in_order: false,
            promises_from: 0,
        }
    }

    #[test]
    fn down_time_counts() {
        let clock = LeaseClock::start(now(5, 1_000), Some(&meta(700, 900)), LeaseTime(0));
        assert_eq!(clock.at(Mono::from_secs(5)), LeaseTime(800));
        assert_eq!(clock.at(Mono::from_secs(15)), LeaseTime(810));
        assert!(clock.may_expire());
    }

    #[test]
    fn a_clock_in_1970_holds_expiry_until_it_has_caught_up() {
        let mut clock = LeaseClock::start(now(1, 10), Some(&meta(700, 900)), LeaseTime(0));
        assert_eq!(clock.at(Mono::from_secs(1)), LeaseTime(700));
        assert!(!clock.may_expire());
        assert_eq!(clock.behind_secs(), 890);
        assert_eq!(clock.observe(now(2, 11)), Observed::Steady);
        assert_eq!(clock.wall_to_persist(), Wall(900));
        assert_eq!(clock.lease_to_persist(), UNTOLD);
        assert_eq!(clock.observe(now(3, 5_000)), Observed::CaughtUp);
        assert!(clock.may_expire());
        // The step moved nothing: three seconds of process time are three seconds of lease.
        assert_eq!(clock.at(Mono::from_secs(4)), LeaseTime(703));
    }

    #[test]
    fn steps_are_seen_both_ways_and_move_nothing() {
        let mut clock = LeaseClock::start(now(0, 1_000), None, LeaseTime(0));
        assert_eq!(clock.observe(now(10, 1_010)), Observed::Steady);
        assert_eq!(clock.observe(now(11, 9_000)), Observed::Stepped);
        assert_eq!(clock.observe(now(12, 50)), Observed::Stepped);
        assert_eq!(clock.at(Mono::from_secs(12)), LeaseTime(1_012));
    }

    #[test]
    fn a_life_with_the_clock_behind_counts_no_time_twice() {
        // Down from 900 to 5000, then up for 50 s with the clock in 1970: the newest lease is of 740.
        let clock = LeaseClock::start(now(1, 10), Some(&meta(700, 900)), LeaseTime(690));
        let (lease, wall) = (clock.lease_to_persist(), clock.wall_to_persist());
        let clock = LeaseClock::start(now(60, 5_060), Some(&meta(lease.0, wall.0)), LeaseTime(740));
        assert_eq!(clock.at(Mono::from_secs(60)), LeaseTime(740));
        assert!(clock.may_expire());
    }

    #[test]
    fn never_before_the_newest_record() {
        let clock = LeaseClock::start(now(0, 900), Some(&meta(700, 900)), LeaseTime(750));
        assert_eq!(clock.at(Mono(0)), LeaseTime(750));
    }
}
