//! Time as the generator counts it: nanoseconds since the run began, and the processor time of this process.

use nix::time::{ClockId, clock_gettime};
use std::time::Instant;

/// A monotonic clock that starts at zero.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// Starts the clock.
    #[must_use]
    pub fn start() -> Clock {
        Clock { start: Instant::now() }
    }

    /// Nanoseconds since the start; saturates after 584 years.
    #[must_use]
    pub fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// Processor time of this process (user and system, all threads) in microseconds; 0 where the kernel has no such clock.
#[must_use]
pub fn cpu_us() -> u64 {
    let Ok(time) = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID) else {
        return 0;
    };
    let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec()).unwrap_or(0);
    seconds * 1_000_000 + nanos / 1000
}

/// Wall clock in microseconds since the UNIX epoch, for logs that are compared with those of other processes.
#[must_use]
pub fn unix_us() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .ok()
        .and_then(|since| u64::try_from(since.as_micros()).ok())
        .unwrap_or(0)
}

/// Asks the kernel to wake this thread within a microsecond of its timeouts (the default slack of 50 us would show up
/// as latency in an open loop). Without `/proc` nothing changes.
pub fn sharpen_timers() {
    // A kernel that refuses leaves the default slack: the figures get coarser, not wrong.
    let _refused = std::fs::write("/proc/self/timerslack_ns", "1000");
}
