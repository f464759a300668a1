//! Three clocks, three types, so that no line of code can mix them.
//!
//! [`Mono`] ages leases and runs timers; [`Wall`] is for people and log lines; [`LeaseTime`] is what the
//! session database stores. The lease clock is the engine's own: it runs with the monotonic clock, counts the
//! time that the daemon was down where the wall clock is credible, and never steps.

use core::time::Duration;

/// A reading of the monotonic clock: nanoseconds since an arbitrary origin, fixed while the process lives.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Mono(pub u64);

impl Mono {
    /// A reading `secs` seconds after the origin.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1_000_000_000))
    }

    /// Whole seconds since the origin.
    pub const fn secs(self) -> u64 {
        self.0 / 1_000_000_000
    }

    /// Time from `earlier` to `self`; zero when `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The instant `after` later, at most the end of the clock's range.
    pub const fn plus(self, after: Duration) -> Self {
        let nanos = after.as_nanos();
        let nanos = if nanos > u64::MAX as u128 { u64::MAX } else { nanos as u64 };
        Self(self.0.saturating_add(nanos))
    }
}

/// Wall-clock time: whole seconds since 1970-01-01 UTC. May step in either direction.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Wall(pub u64);

/// The time that enters the engine with every input.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Now {
    /// Monotonic reading: timers and lease ages.
    pub mono: Mono,
    /// Wall reading: shown to people, and compared with the last persisted one at start.
    pub wall: Wall,
}

/// Seconds on the lease clock, the only clock in the session database.
///
/// It starts at the wall time at which the database was made, runs with the monotonic clock, and is carried over a
/// restart. So a wall clock that steps, or stands in 1970 at boot, changes no lease.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct LeaseTime(pub u64);

impl LeaseTime {
    /// Later than any lease: an infinite lease (RFC 2131 §3.3) ends here.
    pub const NEVER: Self = Self(u64::MAX);

    /// `secs` seconds later; [`LeaseTime::NEVER`] stays what it is.
    pub const fn plus_secs(self, secs: u64) -> Self {
        Self(self.0.saturating_add(secs))
    }

    /// Seconds from `self` until `later`; zero when that is past.
    pub const fn secs_until(self, later: Self) -> u64 {
        later.0.saturating_sub(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        assert_eq!(Mono(5).since(Mono(9)), Duration::ZERO);
        assert_eq!(Mono(5).plus(Duration::MAX), Mono(u64::MAX));
        assert_eq!(LeaseTime::NEVER.plus_secs(1), LeaseTime::NEVER);
        assert_eq!(LeaseTime(9).secs_until(LeaseTime(5)), 0);
        assert_eq!(Mono::from_secs(3).secs(), 3);
    }
}
