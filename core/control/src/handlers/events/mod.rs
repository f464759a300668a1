//! The stream of events: the engine's change feed as server-sent events.
//!
//! The body of the response asks the engine when the connection takes more, so nothing is asked while nobody reads; a
//! reader that takes nothing for long is cut off with its connection (`limit`).

#[cfg(test)]
mod tests;

use super::{Back, Refused, Server, bad, filter, json};
use crate::{backend::Notices, present};
use axum::{
    body::{Body, Bytes},
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use bindery_api::{BindingChange, Event, EventKind, EventQuery, Notice, Reset, ResetReason, Synced};
use bindery_engine::command::{BindingView, CHANGES_NOW, ChangeKind, ChangeView, Cursor, Filter, Reply, Verb as Ask};
use futures_util::stream;
use std::{
    convert::Infallible,
    fmt::Write as _,
    hash::{BuildHasher, Hasher, RandomState},
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::Instant,
};

/// Most readers of events at once.
const READERS_MAX: usize = 16;

/// How long a reader that has all waits until it looks again.
const PAUSE: Duration = Duration::from_millis(100);

/// A connection on which nothing else happens gets a comment this often.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// What the streams share.
#[derive(Clone)]
pub(super) struct Events {
    /// Names this run of the daemon: positions of another mean nothing.
    run: u64,
    readers: Arc<Semaphore>,
    /// Closed when the API ends: the streams end then.
    ending: watch::Receiver<()>,
}

impl Events {
    pub(super) fn new(ending: watch::Receiver<()>) -> Self {
        // Seeded by the system: no two runs have the same.
        let run = RandomState::new().build_hasher().finish();
        Self { run, readers: Arc::new(Semaphore::new(READERS_MAX)), ending }
    }

    /// The value of the field `id` at a position: in the order of changes, and behind a dot in that of notices, where there
    /// were any.
    fn id(&self, sequence: u64, notices: u64) -> String {
        match notices {
            0 => format!("{:016x}-{sequence}", self.run),
            _ => format!("{:016x}-{sequence}.{notices}", self.run),
        }
    }

    /// The position that an id of this run names.
    fn position(&self, id: &str) -> Option<(u64, u64)> {
        let (run, position) = id.split_once('-')?;
        (u64::from_str_radix(run, 16).ok()? == self.run).then_some(())?;
        let (sequence, notices) = position.split_once('.').unwrap_or((position, "0"));
        Some((sequence.parse().ok()?, notices.parse().ok()?))
    }
}

pub(super) async fn events(
    State(server): State<Server>,
    headers: HeaderMap,
    query: Result<Query<EventQuery>, QueryRejection>,
) -> Result<Response, Refused> {
    let Query(query) = query.map_err(|error| bad(error.body_text()))?;
    let filter = filter(&query.selector())?;
    let header = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    let resume = header.or(query.resume.as_deref());
    let reader = Reader::new(server.backend, server.events, filter, resume)?;
    let chunks = stream::unfold(reader, |mut reader| async {
        let chunk = reader.next().await?;
        Some((Ok::<_, Infallible>(Bytes::from(chunk)), reader))
    });
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-cache")];
    Ok((headers, Body::from_stream(chunks)).into_response())
}

/// How far a reader is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// It named an id of another run.
    OtherRun,
    /// It wants the full state.
    Begin,
    /// The page from here on is next.
    Full(Cursor),
    /// Between pages: the changes so far are told, so that none is forgotten before the last page.
    Between(Option<Cursor>),
    /// It has the full state as of its position.
    Live,
}

/// One reader of events.
struct Reader {
    backend: Back,
    events: Events,
    filter: Filter,
    stage: Stage,
    /// Position in the order of changes.
    at: u64,
    /// Position in the order of notices; `None` before the reader follows them.
    heard: Option<u64>,
    /// When it was last told something.
    told: Instant,
    _permit: OwnedSemaphorePermit,
}

/// A page of changes.
struct Changes {
    rows: Vec<ChangeView>,
    lost: bool,
    more: bool,
}

impl Reader {
    fn new(backend: Back, events: Events, filter: Filter, resume: Option<&str>) -> Result<Self, Refused> {
        let permit = Arc::clone(&events.readers).try_acquire_owned().map_err(|_| {
            let text = format!("{READERS_MAX} readers of events are connected already: end one of them first");
            Refused(StatusCode::SERVICE_UNAVAILABLE, text)
        })?;
        let (stage, at, heard) = match resume.map(|id| events.position(id)) {
            None => (Stage::Begin, 0, None),
            Some(Some((at, heard))) => (Stage::Live, at, Some(heard)),
            Some(None) => (Stage::OtherRun, 0, None),
        };
        Ok(Self { backend, events, filter, stage, at, heard, told: Instant::now(), _permit: permit })
    }

    /// What is sent next; `None` at the end of the daemon.
    async fn next(&mut self) -> Option<String> {
        let mut text = String::new();
        while text.is_empty() {
            if self.events.ending.has_changed().is_err() {
                return None;
            }
            match self.stage {
                Stage::OtherRun => self.reset(&mut text, ResetReason::OtherRun),
                Stage::Begin => {
                    // It is followed from before its first page.
                    self.changes(CHANGES_NOW).await?;
                    if self.heard.is_none() {
                        self.heard = Some(self.backend.notices(None).await?.next);
                    }
                    self.stage = Stage::Full(Cursor::START);
                }
                Stage::Full(cursor) => self.page(&mut text, cursor).await?,
                Stage::Between(next) => self.between(&mut text, next).await?,
                Stage::Live => self.live(&mut text).await?,
            }
        }
        self.told = Instant::now();
        Some(text)
    }

    async fn page(&mut self, text: &mut String, cursor: Cursor) -> Option<()> {
        let ask = Ask::Bindings { filter: self.filter.clone(), cursor };
        let Some(Reply::Bindings { rows, next }) = self.backend.engine(ask).await else { return None };
        let wall = present::wall();
        for row in &rows {
            write_event(text, None, EventKind::Binding, &event(None, BindingChange::Present, row, wall));
        }
        self.stage = Stage::Between(next);
        Some(())
    }

    async fn between(&mut self, text: &mut String, next: Option<Cursor>) -> Option<()> {
        let changes = self.changes(self.at).await?;
        if changes.lost {
            self.reset(text, ResetReason::Lost);
            return Some(());
        }
        // Without ids: who is cut off here has not the full state, and must begin anew.
        self.write_changes(text, &changes.rows, false);
        if changes.more {
            return Some(());
        }
        self.stage = next.map_or(Stage::Live, Stage::Full);
        if self.stage == Stage::Live {
            let id = self.id(self.at);
            write_event(text, Some(&id), EventKind::Synced, &Synced { sequence: self.at });
        }
        Some(())
    }

    async fn live(&mut self, text: &mut String) -> Option<()> {
        let changes = self.changes(self.at).await?;
        if changes.lost {
            self.reset(text, ResetReason::Lost);
            return Some(());
        }
        self.write_changes(text, &changes.rows, true);
        if !changes.more {
            self.notices(text).await?;
        }
        if !text.is_empty() || changes.more {
            return Some(());
        }
        let due = self.told + KEEP_ALIVE;
        if Instant::now() >= due {
            // The id alone is no event: it moves the place to go on from, also past changes that the filter hides.
            text.push_str(": keep-alive\nid: ");
            text.push_str(&self.id(self.at));
            text.push_str("\n\n");
            return Some(());
        }
        let pause = due.min(Instant::now() + PAUSE);
        tokio::select! {
            () = tokio::time::sleep_until(pause) => Some(()),
            _ = self.events.ending.changed() => None,
        }
    }

    fn reset(&mut self, text: &mut String, reason: ResetReason) {
        write_event(text, None, EventKind::Reset, &Reset { reason });
        self.stage = Stage::Begin;
    }

    fn write_changes(&self, text: &mut String, rows: &[ChangeView], with_ids: bool) {
        let wall = present::wall();
        for row in rows {
            let id = with_ids.then(|| self.id(row.sequence));
            let kind = if row.what.ends() { EventKind::Ended } else { EventKind::Binding };
            let event = event(Some(row.sequence), change(row.what), &row.binding, wall);
            write_event(text, id.as_deref(), kind, &event);
        }
    }

    /// Tells what happened beside the changes, all of which are told.
    async fn notices(&mut self, text: &mut String) -> Option<()> {
        let Notices { rows, next } = self.backend.notices(self.heard).await?;
        for notice in rows.iter().filter(|notice| concerns(&self.filter, notice)) {
            let id = self.events.id(self.at, notice.sequence);
            write_event(text, Some(&id), EventKind::Notice, notice);
        }
        self.heard = Some(next);
        Some(())
    }

    /// The id of what is told at a position in the order of changes.
    fn id(&self, sequence: u64) -> String {
        self.events.id(sequence, self.heard.unwrap_or(0))
    }

    /// Asks for the changes behind `after`, and goes on behind them.
    async fn changes(&mut self, after: u64) -> Option<Changes> {
        let ask = Ask::Changes { after, filter: self.filter.clone() };
        let Some(Reply::Changes { rows, next, lost, more }) = self.backend.engine(ask).await else { return None };
        self.at = next;
        Some(Changes { rows, lost, more })
    }
}

/// Whether a notice names what a filter selects.
fn concerns(filter: &Filter, notice: &Notice) -> bool {
    let is = |field: &Option<String>, wanted: &str| field.as_deref() == Some(wanted);
    match filter {
        Filter::All => true,
        Filter::Instance(name, inner) => is(&notice.routing_instance, name) && concerns(inner, notice),
        Filter::Address(address) => is(&notice.address, &address.to_string()),
        Filter::Mac(mac) => is(&notice.mac_address, &mac.to_string()),
        Filter::Session(id) => notice.session_id == Some(id.0),
        Filter::Pool(name) => is(&notice.pool_name, name),
        Filter::Interface(pattern) => match pattern.strip_suffix('*') {
            Some(start) => notice.interface_name.as_deref().is_some_and(|name| name.starts_with(start)),
            None => is(&notice.interface_name, pattern),
        },
        Filter::Displaced | Filter::LeaseTimeViolation => false,
    }
}

fn event(sequence: Option<u64>, change: BindingChange, view: &BindingView, wall: u64) -> Event {
    Event { sequence, change, binding: present::binding(view, wall) }
}

/// An event in the format of text/event-stream; JSON has no line breaks.
fn write_event(text: &mut String, id: Option<&str>, kind: EventKind, data: &impl serde::Serialize) {
    // Writing to a string cannot fail.
    if let Some(id) = id {
        let _ = writeln!(text, "id: {id}");
    }
    let _ = write!(text, "event: {}\ndata: {}\n\n", kind.name(), json(data));
}

const fn change(kind: ChangeKind) -> BindingChange {
    match kind {
        ChangeKind::Bound => BindingChange::Bound,
        ChangeKind::Renewed => BindingChange::Renewed,
        ChangeKind::Reconfiguring => BindingChange::Reconfiguring,
        ChangeKind::Released => BindingChange::Released,
        ChangeKind::Expired => BindingChange::Expired,
        ChangeKind::Cleared => BindingChange::Cleared,
        ChangeKind::Declined => BindingChange::Declined,
        ChangeKind::Left => BindingChange::Left,
    }
}
