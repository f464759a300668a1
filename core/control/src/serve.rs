//! Connections: as many at once as there is room, each with bounds on the time of what its peer sends and takes.

use crate::{
    CONNECTIONS_MAX, HEAD_TIME,
    backend::{Backend, Requestor},
    handlers,
    limit::Held,
    listener::Listener,
    peer::Peer,
};
use axum::Router;
use hyper::{Request, body::Incoming, server::conn::http1, service::Service as _};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use std::{future::Future, io, sync::Arc, time::Duration};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
};

/// Most bytes of a request's head.
const HEAD_MAX: usize = 16 << 10;

/// How long a listener is left alone that has no file descriptors or memory left.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// Serves the API until `end` is ready; then requests under way are answered, and streams of events end.
///
/// # Errors
/// When the listener cannot start.
pub async fn serve(
    mut listener: impl Listener,
    backend: Arc<dyn Backend>,
    end: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    listener.start()?;
    let (open, ending) = watch::channel(());
    let router = handlers::router(backend, ending.clone());
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    let mut end = std::pin::pin!(end);
    loop {
        let (connection, requestor, permit) = tokio::select! {
            biased;
            () = &mut end => break,
            // They are counted by the semaphore; what they returned is nothing.
            Some(_) = connections.join_next() => continue,
            accepted = accept(&mut listener, &room) => accepted,
        };
        let connection = Held::new(connection, permit);
        connections.spawn(converse(connection, Peer(requestor), router.clone(), ending.clone()));
    }
    drop(listener);
    drop(open);
    while connections.join_next().await.is_some() {}
    Ok(())
}

/// The next connection, once there is room for it.
async fn accept<L: Listener>(
    listener: &mut L,
    room: &Arc<Semaphore>,
) -> (L::Connection, Requestor, Option<OwnedSemaphorePermit>) {
    // The semaphore is never closed.
    let permit = Arc::clone(room).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((connection, requestor)) => return (connection, requestor, permit),
            Err(error) if is_of_connection(&error) => {}
            Err(error) => {
                tracing::error!("the API cannot accept a connection: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Whether the fault is that of one peer, which is gone.
fn is_of_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionRefused | ConnectionAborted | ConnectionReset)
}

/// Answers the requests of one connection until either side ends it.
async fn converse(
    connection: Held<impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static>,
    peer: Peer,
    router: Router,
    mut ending: watch::Receiver<()>,
) {
    let router = TowerToHyperService::new(router);
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        router.call(request)
    });
    let mut builder = http1::Builder::new();
    // The time also ends a connection on which nothing is asked.
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).max_buf_size(HEAD_MAX);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(connection), service));
    let ended = tokio::select! {
        ended = &mut connection => ended,
        _ = ending.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!("a connection of the API ended: {error}");
    }
}
