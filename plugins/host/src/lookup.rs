//! The sessions that a guest may look up while it is called: `bindery:host/session-lookup`.
//!
//! A store owns its data and cannot hold the caller's references. So they stand beside it, in the thread that calls
//! the guest, and for as long as the call takes.

use bindery_engine::policy::Lookup;
use scoped_tls_hkt::scoped_thread_local;

scoped_thread_local!(static SESSIONS: for<'a> Lookup<'a>);

/// Makes `call`, in which guests find the sessions of `lookup`.
pub(crate) fn lend<R>(lookup: Lookup<'_>, call: impl FnOnce() -> R) -> R {
    SESSIONS.set(lookup, call)
}

/// What is found in the sessions that this thread lends; none where it lends none.
pub(crate) fn with<R>(find: impl FnOnce(Lookup<'_>) -> R) -> Option<R> {
    if !SESSIONS.is_set() {
        return None;
    }
    SESSIONS.with(|lookup| lookup.is_available().then(|| find(lookup)))
}
