//! Waking the packet thread from others.

use nix::{
    errno::Errno,
    sys::eventfd::{EfdFlags, EventFd},
};
use std::{
    os::fd::{AsFd, BorrowedFd},
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering::SeqCst},
    },
};

/// Ends a [`crate::Sockets::poll`] of another thread. Cheap to clone.
///
/// A wake is never lost: one that comes before the poll ends the next poll at once. Many wakes before a poll are one.
#[derive(Clone, Debug)]
pub struct Waker {
    event: Arc<EventFd>,
    state: Arc<AtomicU8>,
}

/// The packet thread is at work and looks at what there is before it sleeps.
const AWAKE: u8 = 0;
/// It sleeps, or is about to.
const ASLEEP: u8 = 1;
/// It was woken since it last said so.
const WOKEN: u8 = 2;

impl Waker {
    pub(crate) fn new() -> Result<Self, Errno> {
        let event = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        Ok(Self { event: Arc::new(event), state: Arc::new(AtomicU8::new(AWAKE)) })
    }

    /// Wakes the packet thread: a system call only where it sleeps.
    pub fn wake(&self) {
        if self.state.swap(WOKEN, SeqCst) != ASLEEP {
            return;
        }
        // The only failure is a counter at its end: then the thread is being woken already.
        let _ = self.event.write(1);
    }

    /// The thread is going to sleep; `false`: it was woken since it last slept, and must not.
    pub(crate) fn sleeps(&self) -> bool {
        self.state.compare_exchange(AWAKE, ASLEEP, SeqCst, SeqCst).is_ok()
    }

    /// The thread is up again; whether somebody woke it. `ready`: the event can be read. A late one of a wake that was seen
    /// already costs an idle turn.
    pub(crate) fn drain(&self, ready: bool) -> bool {
        let woken = self.state.swap(AWAKE, SeqCst) == WOKEN;
        let read = ready && self.event.read().is_ok();
        woken || read
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}
