//! What stands before every verb: may the peer, is the body there and not too large, does the answer come.

use super::{Refused, Server, bad};
use crate::{BODY_MAX, BODY_TIME, CONFIGURATION_MAX, IMPORT_BODY_MAX, REQUEST_MAX, backend::Requestor, peer::Peer};
use axum::{
    body::{Body, Bytes, HttpBody},
    extract::Request,
    http::StatusCode,
    middleware::{Next, from_fn},
    response::Response,
    routing::MethodRouter,
};
use bindery_api::{Method, Verb};
use http_body_util::LengthLimitError;
use std::error::Error;

/// `handler` behind the gate of `verb`.
pub(super) fn gate(handler: MethodRouter<Server>, verb: Verb, server: &Server) -> MethodRouter<Server> {
    let server = server.clone();
    handler.route_layer(from_fn(move |request: Request, next: Next| admit(server.clone(), verb, request, next)))
}

async fn admit(server: Server, verb: Verb, request: Request, next: Next) -> Result<Response, Refused> {
    let Peer(requestor) = request.extensions().get().copied().unwrap_or(Peer(Requestor::default()));
    // Who may not is told so, whatever the request holds.
    patiently(allow(&server, requestor, verb)).await??;
    let (head, body) = request.into_parts();
    let body = match verb.method() {
        // A view has no body: one that is there is not read.
        Method::Get => Bytes::new(),
        Method::Post => read(body, body_max(verb)).await?,
    };
    let answer = next.run(Request::from_parts(head, Body::from(body)));
    // What goes through all bindings takes as long as it takes, and waits for each page so long.
    if matches!(verb, Verb::ClearBindings | Verb::Reconfigure) { Ok(answer.await) } else { patiently(answer).await }
}

/// Whether the peer may use the verb.
async fn allow(server: &Server, requestor: Requestor, verb: Verb) -> Result<(), Refused> {
    let wanted = verb.permission();
    if server.backend.permission(requestor).await.is_some_and(|permission| permission >= wanted) {
        return Ok(());
    }
    let text = format!("permission denied: this needs permission {}, which `system login` gives", wanted.name());
    Err(Refused(StatusCode::FORBIDDEN, text))
}

async fn patiently<T>(answer: impl Future<Output = T>) -> Result<T, Refused> {
    tokio::time::timeout(REQUEST_MAX, answer).await.map_err(|_| {
        let text = format!("no answer within {} s; what was asked for may still happen", REQUEST_MAX.as_secs());
        Refused(StatusCode::SERVICE_UNAVAILABLE, text)
    })
}

/// Most bytes of the verb's body.
const fn body_max(verb: Verb) -> usize {
    match verb {
        Verb::ImportBindings => IMPORT_BODY_MAX,
        Verb::ConfigurationOpen
        | Verb::ConfigurationClose
        | Verb::ConfigurationEdit
        | Verb::ConfigurationLoad
        | Verb::ConfigurationRollback
        | Verb::ConfigurationUpdate
        | Verb::ConfigurationCommit
        | Verb::CommitClear
        | Verb::CommitStop
        | Verb::Rescue => CONFIGURATION_MAX,
        _ => BODY_MAX,
    }
}

/// The whole body.
async fn read(body: Body, most: usize) -> Result<Bytes, Refused> {
    let large = || Refused(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is too large: at most {most} bytes"));
    // Nothing is read of a body that says so itself.
    if usize::try_from(body.size_hint().lower()).map_or(true, |bytes| bytes > most) {
        return Err(large());
    }
    match tokio::time::timeout(BODY_TIME, axum::body::to_bytes(body, most)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) if error.source().is_some_and(|source| source.is::<LengthLimitError>()) => Err(large()),
        Ok(Err(error)) => Err(bad(format!("the body cannot be read: {error}"))),
        Err(_) => {
            let text = format!("the body was not there within {} s", BODY_TIME.as_secs());
            Err(Refused(StatusCode::REQUEST_TIMEOUT, text))
        }
    }
}
