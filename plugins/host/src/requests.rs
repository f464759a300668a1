//! Reconfigurations that a plugin has asked for: `bindery:host/request-reconfigure`.
//!
//! A plugin is asked amid a turn of the engine, which cannot be disturbed then. So its requests wait here, and the
//! daemon takes them after the turn.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

pub use bindery_engine::reconfigure::Purpose;
use bindery_types::SessionId;

/// Most requests of one plugin that wait. A further one is refused, and the guest is told.
pub const REQUESTS_MAX: usize = 256;

/// Which session is to be reconfigured, and what for.
pub type Request = (SessionId, Purpose);

/// The requests of one plugin that wait to be taken, in the order in which they were made.
#[derive(Debug, Default)]
pub struct Requests {
    waiting: Mutex<Vec<Request>>,
    /// Whether there is any: the packet thread asks at each turn, and should not take a lock for nothing.
    any: AtomicBool,
}

/// There are [`REQUESTS_MAX`] already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full;

impl Requests {
    /// Takes all that wait.
    #[must_use]
    pub fn take(&self) -> Vec<Request> {
        if !self.is_waiting() {
            return Vec::new();
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        self.any.store(false, Ordering::Release);
        std::mem::take(&mut *waiting)
    }

    /// Whether there is something to take.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }

    /// Adds a request to those of the call at hand. One that is there already is not added again.
    pub(crate) fn judge(&self, pending: &mut Vec<Request>, request: Request) -> Result<(), Full> {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if pending.contains(&request) || waiting.contains(&request) {
            return Ok(());
        }
        if pending.len() + waiting.len() >= REQUESTS_MAX {
            return Err(Full);
        }
        pending.push(request);
        Ok(())
    }

    /// Keeps the requests of a call that ended well.
    pub(crate) fn keep(&self, pending: &mut Vec<Request>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.append(pending);
        self.any.store(!waiting.is_empty(), Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queue_is_bounded_and_has_nothing_twice() {
        let (requests, mut pending) = (Requests::default(), Vec::new());
        let ask = |pending: &mut Vec<Request>, id| requests.judge(pending, (SessionId(id), Purpose::Refresh));
        assert!((0..200).all(|id| ask(&mut pending, id).is_ok()));
        requests.keep(&mut pending);
        assert!(pending.is_empty() && requests.is_waiting());
        assert!((100..256).all(|id| ask(&mut pending, id).is_ok()));
        assert_eq!(pending.len(), 56, "what waits is not asked for again");
        assert_eq!(ask(&mut pending, 256), Err(Full));
        assert_eq!(ask(&mut pending, 255), Ok(()));
        requests.keep(&mut pending);
        let ids: Vec<u64> = requests.take().iter().map(|(session, _)| session.0).collect();
        assert_eq!(ids, (0..256).collect::<Vec<_>>());
        assert!(!requests.is_waiting() && requests.take().is_empty());
        assert_eq!(ask(&mut pending, 256), Ok(()));
    }
}
