//! The two preloaded libraries.

use std::path::Path;

/// Records and injects; see `interposer/trace.c`.
pub fn trace() -> &'static Path {
    Path::new(concat!(env!("OUT_DIR"), "/libtrace.so"))
}

/// Shifts the wall clock of a process by `BINDERY_CLOCK_OFFSET` seconds; see `interposer/clock.c`.
pub fn clock() -> &'static Path {
    Path::new(concat!(env!("OUT_DIR"), "/libclock.so"))
}
