//! Waking the packet thread from others.

use nix::{
    errno::Errno,
    sys::eventfd::{EfdFlags, EventFd},
};
use std::{
    os::fd::{AsFd, BorrowedFd},
    sync::Arc,
};

/// Ends a [`crate::Sockets::poll`] of another thread. Cheap to clone.
///
/// A wake is never lost: one that comes before the poll ends the next poll at once. Many wakes before a poll are one.
#[derive(Clone, Debug)]
pub struct Waker {
    event: Arc<EventFd>,
}

impl Waker {
    pub(crate) fn new() -> Result<Self, Errno> {
        let event = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        Ok(Self { event: Arc::new(event) })
    }

    /// Wakes the packet thread.
    pub fn wake(&self) {
        // The only failure is a counter at its end: then the thread is being woken already.
        let _ = self.event.write(1);
    }

    /// Takes all wakes; whether there were any.
    pub(crate) fn drain(&self) -> bool {
        self.event.read().is_ok()
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}
