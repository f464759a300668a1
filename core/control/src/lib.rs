//! The control socket: the verbs of the API, answered by the engine and the daemon.
//!
//! HTTP/JSON on any [`Listener`], which is a UNIX socket; the peer's credentials decide what it may do. What this crate
//! never does: decide about packets, touch the session table (it asks by paged commands), link the plugin runtime.
//!
//! Read [`Backend`] first, then [`serve()`].

mod backend;
mod handlers;
mod limit;
mod listener;
mod peer;
mod present;
mod serve;
mod socket;

pub use backend::{Answer, Backend, ConfigurationError, Notices, ReloadError, Requestor};
pub use listener::Listener;
pub use serve::serve;
pub use socket::{ControlError, Socket};

use std::time::Duration;

/// Most bytes of a request's body that has nothing large in it.
pub(crate) const BODY_MAX: usize = 4_096;

/// Most bytes of a request's body that has bindings to import in it: 256 of them.
pub(crate) const IMPORT_BODY_MAX: usize = 256 << 10;

/// Most bytes of a request's body that has a configuration in it.
pub(crate) const CONFIGURATION_MAX: usize = 16 << 20;

/// Most connections at once; further ones wait, those on a UNIX socket in the kernel's backlog.
pub(crate) const CONNECTIONS_MAX: usize = 64;

/// Longest time until a request's head is there, from when the connection is made or the last answer is sent.
pub(crate) const HEAD_TIME: Duration = Duration::from_secs(10);

/// Longest time until a request's body is there.
pub(crate) const BODY_TIME: Duration = Duration::from_secs(30);

/// Longest time until the daemon has answered, and for one request of a paged list, so that neither a handler that hangs
/// nor a stalled reader holds anything for ever.
pub(crate) const REQUEST_MAX: Duration = Duration::from_secs(300);
