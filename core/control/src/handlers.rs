//! One handler a verb.

mod admit;
mod configuration;
mod events;
mod history;
mod import;
mod lockout;
mod metrics;
mod reconfigure;

use crate::{
    REQUEST_MAX,
    backend::{Backend, Requestor},
    peer::Peer,
    present,
};
use axum::{
    Extension, Json, Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, Query, State, rejection::QueryRejection},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get, post},
};
use bindery_api::{
    AaaStatistics, ApiError, BindingSummary, Cleared, Empty, PluginList, PoolList, RadiusServerList, Reload, Reloaded,
    RogueServerList, RouteQuery, Selector, Shutdown, Statistics, Verb, Version, VlanDeviceList,
};
use bindery_engine::command::{Cursor, Filter, Reply, Verb as Ask};
use bindery_engine::instances::DEFAULT;
use bindery_engine::neighbour::liveness::LivenessState;
use bindery_types::SessionId;
use futures_util::{StreamExt, stream};
use std::{sync::Arc, time::Instant};
use tokio::sync::watch;

type Back = Arc<dyn Backend>;

#[derive(Clone)]
struct Server {
    backend: Back,
    started: Instant,
    events: events::Events,
}

/// An error reply.
struct Refused(StatusCode, String);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, Json(ApiError { error: self.1 })).into_response()
    }
}

fn bad(text: impl Into<String>) -> Refused {
    Refused(StatusCode::BAD_REQUEST, text.into())
}

fn ending() -> Refused {
    Refused(StatusCode::SERVICE_UNAVAILABLE, "the daemon is ending".to_owned())
}

/// The routes of all verbs: requests have their [`Peer`] with them. Streams of events end when `ending`
/// is closed.
pub(crate) fn router(backend: Back, ending: watch::Receiver<()>) -> Router {
    let server = Server { backend, started: Instant::now(), events: events::Events::new(ending) };
    let router = Verb::ALL
        .into_iter()
        .fold(Router::new(), |router, verb| router.route(verb.path(), admit::gate(handler(verb), verb, &server)));
    let unknown = async || Refused(StatusCode::NOT_FOUND, "no such verb".to_owned());
    let method = async || Refused(StatusCode::METHOD_NOT_ALLOWED, "this verb has another method".to_owned());
    // Bodies are bounded at the gate.
    let router = router.layer(DefaultBodyLimit::disable());
    router.fallback(unknown).method_not_allowed_fallback(method).with_state(server)
}

fn handler(verb: Verb) -> MethodRouter<Server> {
    match verb {
        Verb::Version => get(version),
        Verb::Bindings => get(bindings),
        Verb::BindingSummary => get(summary),
        Verb::ClearBindings => post(clear_bindings),
        Verb::ImportBindings => post(import::import),
        Verb::Events => get(events::events),
        Verb::Statistics => get(statistics),
        Verb::ClearStatistics => post(clear_statistics),
        Verb::DhcpStatistics => get(history::statistics),
        Verb::ClearDhcpStatistics => post(history::clear),
        Verb::History => get(history::history),
        Verb::Metrics => get(metrics::metrics),
        Verb::Reconfigure => post(reconfigure::reconfigure),
        Verb::ReconfigureCapability => get(reconfigure::capability),
        Verb::Routes => get(routes),
        Verb::Plugins => get(plugins),
        Verb::Pools => get(pools),
        Verb::Lockouts => get(lockout::list),
        Verb::ClearLockouts => post(lockout::clear),
        Verb::RogueServers => get(rogue_servers),
        Verb::ClearRogueServers => post(clear_rogue_servers),
        Verb::Liveness => get(liveness),
        Verb::VlanDevices => get(vlan_devices),
        Verb::RadiusServers => get(radius_servers),
        Verb::AaaStatistics => get(aaa_statistics),
        Verb::ConfigurationShow
        | Verb::ConfigurationOpen
        | Verb::ConfigurationClose
        | Verb::ConfigurationSessions
        | Verb::ConfigurationEdit
        | Verb::ConfigurationLoad
        | Verb::ConfigurationRollback
        | Verb::ConfigurationUpdate
        | Verb::ConfigurationComplete
        | Verb::ConfigurationCommit
        | Verb::CommitHistory
        | Verb::CommitClear
        | Verb::CommitProgress
        | Verb::CommitStop
        | Verb::Rescue => configuration::handler(verb),
        Verb::Reload => post(reload),
        Verb::Shutdown => post(shutdown),
    }
}

impl Server {
    /// Asks the engine; who cannot wait any longer is told that the daemon is ending.
    async fn ask(&self, verb: Ask) -> Result<Reply, Refused> {
        self.ask_for(Peer(Requestor::default()), verb).await
    }

    /// The same for a requestor, whom the history names.
    async fn ask_for(&self, Peer(requestor): Peer, verb: Ask) -> Result<Reply, Refused> {
        let answer = self.backend.engine_for(requestor, verb);
        tokio::time::timeout(REQUEST_MAX, answer).await.ok().flatten().ok_or_else(ending)
    }
}

/// What a selector selects: of the default routing instance, unless it names another one, or all.
fn filter(selector: &Selector) -> Result<Filter, Refused> {
    let inner = filter_in_any(selector)?;
    Ok(match selector.routing_instance.as_deref() {
        Some("all") => inner,
        None if selector.session.is_some() => inner,
        name => Filter::Instance(name.unwrap_or(DEFAULT).into(), Box::new(inner)),
    })
}

/// What a selector selects in whatever routing instance.
fn filter_in_any(selector: &Selector) -> Result<Filter, Refused> {
    let given = [
        selector.address.is_some(),
        selector.mac.is_some(),
        selector.session.is_some(),
        selector.interface.is_some(),
        selector.pool.is_some(),
        selector.lease_time_violation,
        selector.all,
    ];
    if given.into_iter().filter(|given| *given).count() > 1 {
        return Err(bad("give one of address, mac, session, interface, pool, lease-time-violation, all"));
    }
    if let Some(address) = &selector.address {
        let parsed = address.parse().map_err(|_| bad(format!("`{address}` is no IPv4 address")))?;
        return Ok(Filter::Address(parsed));
    }
    if let Some(mac) = &selector.mac {
        return Ok(Filter::Mac(mac.parse().map_err(|error| bad(format!("`{mac}`: {error}")))?));
    }
    if let Some(id) = selector.session {
        return Ok(Filter::Session(SessionId(id)));
    }
    if selector.lease_time_violation {
        return Ok(Filter::LeaseTimeViolation);
    }
    if let Some(pool) = &selector.pool {
        return Ok(Filter::Pool(pool.as_str().into()));
    }
    Ok(selector.interface.as_deref().map_or(Filter::All, |name| Filter::Interface(name.into())))
}

async fn version(State(server): State<Server>) -> Json<Version> {
    Json(Version {
        name: "binderyd".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        api: 1,
        revision: server.backend.revision().await,
        uptime: server.started.elapsed().as_secs(),
    })
}

async fn bindings(
    State(server): State<Server>,
    selector: Result<Query<Selector>, QueryRejection>,
) -> Result<Response, Refused> {
    let Query(selector) = selector.map_err(|error| bad(error.body_text()))?;
    let filter = filter(&selector)?;
    let ask = move |cursor| Ask::Bindings { filter: filter.clone(), cursor };
    Ok(stream_list("bindings", server.backend, ask, |reply| match reply {
        Reply::Bindings { rows, next } => {
            let wall = present::wall();
            Some(Page { rows: rows.iter().map(|row| json(&present::binding(row, wall))).collect(), next })
        }
        _ => None,
    }))
}

async fn routes(
    State(server): State<Server>,
    query: Result<Query<RouteQuery>, QueryRejection>,
) -> Result<Response, Refused> {
    let Query(query) = query.map_err(|error| bad(error.body_text()))?;
    let ask = |cursor| Ask::Routes { cursor };
    Ok(stream_list("routes", server.backend, ask, move |reply| match reply {
        Reply::Routes { rows, next } => {
            let wanted = rows.iter().filter(|row| query.protocol.is_none_or(|of| of == present::protocol(row)));
            Some(Page { rows: wanted.map(|row| json(&present::route(row))).collect(), next })
        }
        _ => None,
    }))
}

/// Those that liveness detection asks again, or has given up and left bound.
async fn liveness(State(server): State<Server>) -> Response {
    let ask = |cursor| Ask::Bindings { filter: Filter::All, cursor };
    stream_list("bindings", server.backend, ask, |reply| match reply {
        Reply::Bindings { rows, next } => {
            let wall = present::wall();
            let silent = rows.iter().filter(|row| !matches!(row.liveness, None | Some(LivenessState::Up)));
            Some(Page { rows: silent.map(|row| json(&present::binding(row, wall))).collect(), next })
        }
        _ => None,
    })
}

async fn vlan_devices(State(server): State<Server>) -> Result<Json<VlanDeviceList>, Refused> {
    Ok(Json(VlanDeviceList { vlan_devices: server.backend.vlan_devices().await.ok_or_else(ending)? }))
}

async fn summary(State(server): State<Server>) -> Result<Json<BindingSummary>, Refused> {
    match server.ask(Ask::Summary).await? {
        Reply::Summary(summary) => Ok(Json(present::summary(&summary))),
        _ => Err(ending()),
    }
}

async fn statistics(State(server): State<Server>) -> Result<Json<Statistics>, Refused> {
    match server.ask(Ask::Statistics).await? {
        Reply::Statistics(counters) => Ok(Json(present::statistics(&counters))),
        _ => Err(ending()),
    }
}

async fn clear_statistics(State(server): State<Server>) -> Result<Json<Empty>, Refused> {
    server.ask(Ask::ClearStatistics).await?;
    Ok(Json(Empty {}))
}

/// Clears page by page; the answer comes when every tombstone is durable.
async fn clear_bindings(
    State(server): State<Server>,
    Extension(peer): Extension<Peer>,
    selector: Result<Query<Selector>, QueryRejection>,
) -> Result<Json<Cleared>, Refused> {
    let Query(selector) = selector.map_err(|error| bad(error.body_text()))?;
    if selector == Selector::default() {
        return Err(bad("say which bindings to clear: an address, mac, session or interface, or all"));
    }
    let filter = filter(&selector)?;
    let (mut cleared, mut cursor) = (0, Some(Cursor::START));
    while let Some(at) = cursor {
        let verb = Ask::ClearBindings { filter: filter.clone(), cursor: at };
        match server.ask_for(peer, verb).await? {
            Reply::ClearedBindings { count, failed: false, next } => {
                cleared += u64::from(count);
                cursor = next;
            }
            Reply::ClearedBindings { .. } => {
                let text = format!("the session database cannot be written; {cleared} bindings were cleared before");
                return Err(Refused(StatusCode::SERVICE_UNAVAILABLE, text));
            }
            _ => return Err(ending()),
        }
    }
    Ok(Json(Cleared { cleared }))
}

async fn plugins(State(server): State<Server>) -> Result<Json<PluginList>, Refused> {
    Ok(Json(PluginList { plugins: server.backend.plugins().await.ok_or_else(ending)? }))
}

async fn radius_servers(State(server): State<Server>) -> Result<Json<RadiusServerList>, Refused> {
    Ok(Json(server.backend.radius_servers().await.ok_or_else(ending)?))
}

async fn aaa_statistics(State(server): State<Server>) -> Result<Json<AaaStatistics>, Refused> {
    Ok(Json(server.backend.aaa_statistics().await.ok_or_else(ending)?))
}

async fn pools(State(server): State<Server>) -> Result<Json<PoolList>, Refused> {
    match server.ask(Ask::Pools).await? {
        Reply::Pools(pools) => Ok(Json(present::pools(pools))),
        _ => Err(ending()),
    }
}

async fn rogue_servers(State(server): State<Server>) -> Result<Json<RogueServerList>, Refused> {
    let Reply::RogueServers(views) = server.ask(Ask::RogueServers).await? else { return Err(ending()) };
    let wall = present::wall();
    Ok(Json(RogueServerList { rogue_servers: views.iter().map(|view| present::rogue_server(view, wall)).collect() }))
}

async fn clear_rogue_servers(State(server): State<Server>) -> Result<Json<Empty>, Refused> {
    server.ask(Ask::ClearRogueServers).await?;
    Ok(Json(Empty {}))
}

async fn reload(
    State(server): State<Server>,
    query: Result<Query<Reload>, QueryRejection>,
) -> Result<Json<Reloaded>, Refused> {
    let Query(Reload { force }) = query.map_err(|error| bad(error.body_text()))?;
    match server.backend.reload(force).await {
        Ok(reloaded) => Ok(Json(reloaded)),
        Err(error) => Err(Refused(StatusCode::UNPROCESSABLE_ENTITY, error.to_string())),
    }
}

async fn shutdown(
    State(server): State<Server>,
    query: Result<Query<Shutdown>, QueryRejection>,
) -> Result<Json<Empty>, Refused> {
    let Query(Shutdown { withdraw_routes }) = query.map_err(|error| bad(error.body_text()))?;
    server.backend.shutdown(withdraw_routes).await;
    Ok(Json(Empty {}))
}

/// What a body says, which is an object: a list of its values would be taken too, in an order that nobody promises.
fn json_body<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, Refused> {
    let refused = |why: &dyn std::fmt::Display| bad(format!("the body is not what this verb wants: {why}"));
    if body.trim_ascii_start().first().is_some_and(|byte| *byte == b'[') {
        return Err(refused(&"a list, not an object"));
    }
    serde_json::from_slice(body).map_err(|error| refused(&error))
}

fn json(row: &impl serde::Serialize) -> String {
    // Strings and numbers always have a JSON form.
    serde_json::to_string(row).unwrap_or_default()
}

/// A page of a list, its rows in JSON.
struct Page {
    rows: Vec<String>,
    next: Option<Cursor>,
}

/// A list of any length: the engine is asked for a page at a time, as the reader takes it, so that neither memory nor
/// the packet thread feels its length. A list that cannot be finished breaks the connection off.
fn stream_list(
    name: &'static str,
    backend: Back,
    ask: impl Fn(Cursor) -> Ask + Send + 'static,
    read: impl Fn(Reply) -> Option<Page> + Send + 'static,
) -> Response {
    let head = stream::once(async move { Ok(Bytes::from(format!("{{\"{name}\":["))) });
    let deadline = tokio::time::Instant::now() + REQUEST_MAX;
    let state = (Some(Cursor::START), true, backend, ask, read);
    let pages = stream::try_unfold(state, move |(cursor, first, backend, ask, read)| async move {
        let Some(at) = cursor else { return Ok(None) };
        let cut_off = || std::io::Error::other("the list was cut off");
        let reply = tokio::time::timeout_at(deadline, backend.engine(ask(at))).await.map_err(|_| cut_off())?;
        let page = reply.and_then(&read).ok_or_else(cut_off)?;
        let comma = if first || page.rows.is_empty() { "" } else { "," };
        let text = format!("{comma}{}", page.rows.join(","));
        let first = first && page.rows.is_empty();
        Ok(Some((Bytes::from(text), (page.next, first, backend, ask, read))))
    });
    let tail = stream::once(async { Ok::<_, std::io::Error>(Bytes::from_static(b"]}\n")) });
    let body = head.chain(pages).chain(tail);
    ([(header::CONTENT_TYPE, "application/json")], Body::from_stream(body)).into_response()
}
