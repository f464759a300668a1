//! Clients that `short-cycle-protection` locks out or watches.

use super::{Page, Refused, Server, bad, ending, json, stream_list};
use crate::{peer::Peer, present};
use axum::{
    Extension, Json,
    extract::{Query, State, rejection::QueryRejection},
    response::Response,
};
use bindery_api::{Cleared, LockoutQuery};
use bindery_engine::command::{Reply, Verb as Ask};

/// Which entry; `None` for all.
fn index(query: Result<Query<LockoutQuery>, QueryRejection>) -> Result<Option<u32>, Refused> {
    let Query(LockoutQuery { index, all }) = query.map_err(|error| bad(error.body_text()))?;
    if all == index.is_some() { Err(bad("say which entries: index, or all")) } else { Ok(index) }
}

pub(super) async fn list(
    State(server): State<Server>,
    query: Result<Query<LockoutQuery>, QueryRejection>,
) -> Result<Response, Refused> {
    let index = index(query)?;
    let ask = move |cursor| Ask::Lockouts { index, cursor };
    Ok(stream_list("lockout-entries", server.backend, ask, |reply| match reply {
        Reply::Lockouts { rows, next } => {
            let wall = present::wall();
            Some(Page { rows: rows.iter().map(|row| json(&present::lockout(row, wall))).collect(), next })
        }
        _ => None,
    }))
}

pub(super) async fn clear(
    State(server): State<Server>,
    Extension(peer): Extension<Peer>,
    query: Result<Query<LockoutQuery>, QueryRejection>,
) -> Result<Json<Cleared>, Refused> {
    match server.ask_for(peer, Ask::ClearLockouts { index: index(query)? }).await? {
        Reply::ClearedLockouts { count } => Ok(Json(Cleared { cleared: u64::from(count) })),
        _ => Err(ending()),
    }
}
