//! The verbs of the configuration: each hands its query or body to the backend.

use super::{Refused, Server, bad, json_body as json};
use crate::{backend::ConfigurationError, peer::Peer};
use axum::{
    Extension, Json,
    body::Bytes,
    extract::{Query, State},
    http::{StatusCode, Uri},
    routing::{MethodRouter, get, post},
};
use bindery_api::{ConfigurationReply, ConfigurationRequest as Request, Method, Verb};
use serde::de::DeserializeOwned;

/// The way of `verb`, which must be one of the configuration's.
pub(super) fn handler(verb: Verb) -> MethodRouter<Server> {
    match verb.method() {
        Method::Get => get(async move |State(server), Extension(peer), uri: Uri| {
            answer(server, peer, read_query(verb, &uri)?).await
        }),
        Method::Post => post(async move |State(server), Extension(peer), body: Bytes| {
            answer(server, peer, read_body(verb, &body)?).await
        }),
    }
}

async fn answer(server: Server, Peer(requestor): Peer, request: Request) -> Result<Json<ConfigurationReply>, Refused> {
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
