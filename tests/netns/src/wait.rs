//! Waiting for events with a deadline.

use anyhow::{Result, bail};
use std::cell::Cell;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How long a test waits for something that must happen. Generous: the machine may be busy, and a test that passes does not
/// wait for it.
pub const DEADLINE: Duration = Duration::from_secs(60);

thread_local! {
    /// Whether a wait of this test was in vain: its processes then print their last lines when they go.
    static GAVE_UP: Cell<bool> = const { Cell::new(false) };
}

/// Whether the test on this thread has failed, as far as one can tell before its end.
pub(crate) fn failing() -> bool {
    GAVE_UP.get() || std::thread::panicking()
}

/// A wait of another kind was in vain.
pub(crate) fn gave_up() {
    GAVE_UP.set(true);
}

/// How often a state of the outside world that sends no event is looked at.
const PERIOD: Duration = Duration::from_millis(40);

/// Asks again and again until `probe` has an answer.
///
/// # Errors
/// After `deadline`; the text says `what` was waited for.
pub fn until_within<T>(what: &str, deadline: Duration, mut probe: impl FnMut() -> Option<T>) -> Result<T> {
    let end = Instant::now() + deadline;
    loop {
        if let Some(found) = probe() {
            return Ok(found);
        }
        if Instant::now() > end {
            GAVE_UP.set(true);
            bail!("waited {} s for: {what}", deadline.as_secs());
        }
        pause();
    }
}

/// As [`until_within`], with [`DEADLINE`].
///
/// # Errors
/// As [`until_within`].
pub fn until<T>(what: &str, probe: impl FnMut() -> Option<T>) -> Result<T> {
    until_within(what, DEADLINE, probe)
}

/// Checks that something stays true while `event` has not happened yet.
///
/// # Errors
/// When `holds` says no, or the event does not come within [`DEADLINE`].
pub fn while_waiting<T>(
    what: &str,
    mut event: impl FnMut() -> Option<T>,
    mut holds: impl FnMut() -> Result<()>,
) -> Result<T> {
    let mut broken = None;
    let found = until(what, || {
        if let Err(error) = holds() {
            broken = Some(error);
            return Some(None);
        }
        event().map(Some)
    })?;
    match (found, broken) {
        (Some(found), _) => Ok(found),
        (None, Some(error)) => Err(error),
        (None, None) => bail!("nothing found while waiting for: {what}"),
    }
}

/// Gives the processor away between two looks.
fn pause() {
    let (_keep, never) = mpsc::channel::<()>();
    let _ = never.recv_timeout(PERIOD);
}
