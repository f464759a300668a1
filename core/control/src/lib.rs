//! The control socket: the verbs of the API, answered by the engine and the daemon.
//!
//! HTTP/JSON on a UNIX socket; the peer's credentials decide what it may do. What this crate never does: decide about
//! packets, touch the session table (it asks by paged commands), link the plugin runtime.
//!
//! Read [`Backend`] first, then [`serve`].

mod backend;
mod handlers;
mod limit;
mod peer;
mod present;
mod socket;

pub use backend::{Answer, Backend, ConfigurationError, ReloadError, Requestor};
pub use socket::{ControlError, Socket};

use std::{future::Future, sync::Arc, time::Duration};

/// Most bytes of a request's body. No verb has one.
pub(crate) const BODY_MAX: usize = 4_096;

/// Most bytes of a request's body that has bindings to import in it: 256 of them.
pub(crate) const IMPORT_BODY_MAX: usize = 256 << 10;

/// Most bytes of a request's body that has a configuration in it.
pub(crate) const CONFIGURATION_MAX: usize = 16 << 20;

/// Most connections at once; further ones wait.
const CONNECTIONS_MAX: usize = 64;

/// Longest time for one request of a paged list, so that a stalled reader holds nothing for ever.
pub(crate) const REQUEST_MAX: Duration = Duration::from_secs(300);

/// Serves the API until `end` is ready.
///
/// # Errors
/// The listener's.
pub async fn serve(
    socket: Socket,
    backend: Arc<dyn Backend>,
    end: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let (open, ending) = tokio::sync::watch::channel(());
    let end = async move {
        end.await;
        // Streams of events have no end of their own.
        drop(open);
    };
    let router = handlers::router(backend, ending);
    let service = router.into_make_service_with_connect_info::<peer::Peer>();
    let listener = limit::Limited::new(socket.into_listener()?, CONNECTIONS_MAX);
    axum::serve(listener, service).with_graceful_shutdown(end).await
}
