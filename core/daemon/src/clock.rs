//! The process's clocks: the only place that reads them for the engine.

use bindery_types::{Mono, Now, Wall};
use nix::time::{ClockId, clock_gettime};
use std::time::{SystemTime, UNIX_EPOCH};

/// Both clocks now. The monotonic one counts the time the machine was suspended: leases age then too.
pub(crate) fn now() -> Now {
    let mono = clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Mono(0), |t| {
        let secs = u64::try_from(t.tv_sec()).unwrap_or(0);
        let nanos = u64::try_from(t.tv_nsec()).unwrap_or(0);
        Mono(secs.saturating_mul(1_000_000_000).saturating_add(nanos))
    });
    // A clock before 1970 counts as 1970.
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |t| t.as_secs());
    Now { mono, wall: Wall(wall) }
}
