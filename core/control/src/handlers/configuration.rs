//! The verbs of the configuration: each hands its query or body to the backend.

use super::{Peered, Refused, Server, allow, bad};
use crate::{CONFIGURATION_MAX, backend::ConfigurationError, peer::Peer};
use axum::{
    Json,
    body::Bytes,
    extract::{ConnectInfo, DefaultBodyLimit, Query, State, rejection::BytesRejection},
    http::{StatusCode, Uri},
    routing::{MethodRouter, get, post},
};
use bindery_api::{ConfigurationReply, ConfigurationRequest as Request, Method, Verb};
use serde::de::DeserializeOwned;

/// The way of `verb`, which must be one of the configuration's.
pub(super) fn handler(verb: Verb) -> MethodRouter<Server> {
    match verb.method() {
        Method::Get => get(async move |State(server), peer: Peered, uri: Uri| {
            let request = read_query(verb, &uri)?;
            answer(server, peer, verb, request).await
        }),
        Method::Post => post(async move |State(server), peer: Peered, body: Result<Bytes, BytesRejection>| {
            // Who may not is told so, whatever the body holds.
            allow(&server, peer.0, verb).await?;
            let body = body.map_err(|error| Refused(error.status(), error.body_text()))?;
            let request = read_body(verb, &body)?;
            answer(server, peer, verb, request).await
        })
        .layer(DefaultBodyLimit::max(CONFIGURATION_MAX)),
    }
}

async fn answer(
    server: Server,
    ConnectInfo(peer): Peered,
    verb: Verb,
    request: Request,
) -> Result<Json<ConfigurationReply>, Refused> {
    allow(&server, peer, verb).await?;
    let Peer(requestor) = peer;
    server.backend.configuration(requestor, request).await.map(Json).map_err(|error| {
        let status = match &error {
            ConfigurationError::Refused(_) => StatusCode::UNPROCESSABLE_ENTITY,
            ConfigurationError::Conflict(_) => StatusCode::CONFLICT,
            ConfigurationError::Unknown(_) => StatusCode::NOT_FOUND,
            ConfigurationError::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        Refused(status, error.to_string())
    })
}

fn read_query(verb: Verb, uri: &Uri) -> Result<Request, Refused> {
    fn query<T: DeserializeOwned>(uri: &Uri) -> Result<T, Refused> {
        Query::try_from_uri(uri).map(|Query(query)| query).map_err(|error| bad(error.body_text()))
    }
    match verb {
        Verb::ConfigurationShow => query(uri).map(Request::Show),
        Verb::ConfigurationComplete => query(uri).map(Request::Complete),
        Verb::ConfigurationSessions => Ok(Request::Sessions),
        Verb::CommitHistory => Ok(Request::History),
        Verb::CommitProgress => Ok(Request::Progress),
        _ => Err(bad("no such verb")),
    }
}

fn read_body(verb: Verb, body: &[u8]) -> Result<Request, Refused> {
    fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refused> {
        serde_json::from_slice(body).map_err(|error| bad(format!("the body is not what this verb wants: {error}")))
    }
    match verb {
        Verb::ConfigurationOpen => json(body).map(Request::Open),
        Verb::ConfigurationClose => json(body).map(Request::Close),
        Verb::ConfigurationEdit => json(body).map(Request::Edit),
        Verb::ConfigurationLoad => json(body).map(Request::Load),
        Verb::ConfigurationRollback => json(body).map(Request::Rollback),
        Verb::ConfigurationUpdate => json(body).map(Request::Update),
        Verb::ConfigurationCommit => json(body).map(Request::Commit),
        Verb::Rescue => json(body).map(Request::Rescue),
        Verb::CommitClear => Ok(Request::ClearPending),
        Verb::CommitStop => Ok(Request::Stop),
        _ => Err(bad("no such verb")),
    }
}
