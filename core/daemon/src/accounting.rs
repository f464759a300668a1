//! Accounting records: made of what happens to sessions, and of the time that passes.
//!
//! The packet thread feeds a task through a bounded queue and waits for nothing. The task asks the engine about a
//! session when its Interim-Update is due, so it keeps no more of one than its id and that time.

mod record;
mod schedule;
mod tally;

use crate::{
    clock,
    packet::{Inbox, Message},
    radius::Aaa,
};
use bindery_engine::{
    command::{BindingView, Cursor, Filter, PublicState, Reply, Verb},
    event::{SessionChange, SessionNews},
    history::Actor,
    route::{Counters, Destination},
};
use bindery_netlink::RouteHandle;
use bindery_radius::{
    accounting::{Record, TerminateCause, Volume},
    packet::TooLong,
    shell::Handle,
};
use bindery_types::{MacAddr, Mono, Now, SessionId, Wall};
use record::Change;
use schedule::Schedule;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tally::Tally;
use tokio::sync::{mpsc, oneshot, watch};

/// What may wait for the task. What finds no room is lost and counted: the packet thread waits for nobody.
const FEED_MAX: usize = 65_536;

/// Facts and Interim-Updates taken at once.
const BATCH: usize = 64;

/// How often losses are told.
const TELL: Duration = Duration::from_secs(60);

/// Longest sleep: the timer stands still while the machine is suspended, and leases do not.
const SLEEP_MAX: Duration = Duration::from_secs(60);

/// What becomes a record.
#[derive(Debug)]
pub(crate) enum Fact {
    /// Something happened to a session.
    Session(Box<Happened>),
    /// A client got nothing.
    Denied(Box<Denied>),
}

/// Something that happened to a session, under the configuration of that time.
pub(crate) struct Happened {
    aaa: Arc<Aaa>,
    news: SessionNews,
    at: Wall,
    volume: Option<Volume>,
}

/// A client that got nothing: rejected (`accounting-stop-on-access-deny`), or accepted and not served
/// (`accounting-stop-on-failure`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Denied {
    pub(crate) profile: Arc<str>,
    pub(crate) username: Box<str>,
    pub(crate) mac: Option<MacAddr>,
    pub(crate) interface: Box<str>,
    /// Class of the Access-Accept.
    pub(crate) classes: Vec<Box<[u8]>>,
    pub(crate) cause: TerminateCause,
    /// Tells this one from others.
    pub(crate) tag: u64,
    pub(crate) at: Wall,
}

impl std::fmt::Debug for Happened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Happened").field("news", &self.news).field("at", &self.at).finish_non_exhaustive()
    }
}

/// The packet thread's end of the queue.
pub(crate) struct Feed {
    sender: mpsc::Sender<Fact>,
    lost: Arc<AtomicU64>,
    told: Mono,
}

impl Feed {
    /// Both ends.
    pub(crate) fn new() -> (Self, mpsc::Receiver<Fact>) {
        let (sender, receiver) = mpsc::channel(FEED_MAX);
        (Self { sender, lost: Arc::default(), told: Mono::default() }, receiver)
    }

    /// Something happened to a session of a group that accounts. Counters of one that ends are read before its route
    /// goes: call this before the operations are submitted.
    pub(crate) fn session(&mut self, now: Now, aaa: &Arc<Aaa>, news: SessionNews, routes: Option<&RouteHandle>) {
        let counted = aaa.volume && is_end(news.change) && counts(aaa, &news.session);
        let destination = Destination::host(news.session.instance_id, news.session.address);
        let happened = Happened { aaa: Arc::clone(aaa), news, at: now.wall, volume: None };
        let mut parcel =
            Parcel { sender: self.sender.clone(), lost: Arc::clone(&self.lost), happened: Some(Box::new(happened)) };
        match routes.filter(|_| counted) {
            Some(routes) => routes.read_counters(vec![destination], move |counters| {
                let counters = counters.and_then(|counters| counters.into_iter().next()).flatten();
                if let Some(happened) = &mut parcel.happened {
                    happened.volume = counters.map(volume);
                }
            }),
            None => drop(parcel),
        }
        self.tell(now);
    }

    /// A client got nothing.
    pub(crate) fn denied(&mut self, now: Now, denied: Denied) {
        if self.sender.try_send(Fact::Denied(Box::new(denied))).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        self.tell(now);
    }

    fn tell(&mut self, now: Now) {
        if self.lost.load(Ordering::Relaxed) > 0 && now.mono.since(self.told) >= TELL {
            let lost = self.lost.swap(0, Ordering::Relaxed);
            self.told = now.mono;
            tracing::error!(lost, "alarm: accounting records were lost: more happens than the task can take");
        }
    }
}

/// What is on its way to the task. It arrives when this is dropped, so also when nobody reads the counters.
struct Parcel {
    sender: mpsc::Sender<Fact>,
    lost: Arc<AtomicU64>,
    happened: Option<Box<Happened>>,
}

impl Drop for Parcel {
    fn drop(&mut self) {
        if let Some(happened) = self.happened.take()
            && self.sender.try_send(Fact::Session(happened)).is_err()
        {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Whether the session's group accounts packets and octets, too.
fn counts(aaa: &Aaa, view: &BindingView) -> bool {
    aaa.group(&view.instance, &view.group).is_some_and(crate::radius::GroupAccess::counts)
}

const fn is_end(change: SessionChange) -> bool {
    use SessionChange::{Cleared, Declined, Expired, Released};
    matches!(change, Released | Expired | Cleared | Declined)
}

fn volume(counters: Counters) -> Volume {
    Volume {
        input_octets: counters.octets_in,
        output_octets: counters.octets_out,
        input_packets: counters.packets_in,
        output_packets: counters.packets_out,
    }
}

/// The task.
pub(crate) struct Accountant {
    radius: Handle,
    inbox: Inbox,
    aaa: Arc<Aaa>,
    schedule: Schedule,
    tally: Tally,
    /// Where the search for sessions that are to be scheduled goes on.
    cursor: Option<Cursor>,
}

impl Accountant {
    pub(crate) fn new(radius: Handle, inbox: Inbox, aaa: Arc<Aaa>) -> Self {
        Self { radius, inbox, aaa, schedule: Schedule::default(), tally: Tally::default(), cursor: None }
    }

    /// Makes records until the packet thread has ended and all that it told is with the RADIUS task.
    pub(crate) async fn run(mut self, mut facts: mpsc::Receiver<Fact>, mut active: watch::Receiver<Arc<Aaa>>) {
        let mut batch = Vec::with_capacity(BATCH);
        self.look_around().await;
        loop {
            let now = clock::now().mono.secs();
            let wait = match self.cursor {
                Some(_) => Duration::ZERO,
                None => self.schedule.next().map_or(SLEEP_MAX, |due| Duration::from_secs(due.saturating_sub(now))),
            };
            tokio::select! {
                biased;
                count = facts.recv_many(&mut batch, BATCH) => {
                    if count == 0 {
                        return;
                    }
                    for fact in batch.drain(..) {
                        self.take(fact).await;
                    }
                }
                Ok(()) = active.changed() => {
                    self.aaa = Arc::clone(&active.borrow_and_update());
                    self.look_around().await;
                    continue;
                }
                () = self.tally.retry() => {
                    self.look_around().await;
                    continue;
                }
                () = tokio::time::sleep(wait.min(SLEEP_MAX)) => {}
            }
            self.look_on().await;
            self.interims().await;
        }
    }

    /// All sessions are looked at anew: after a start none is scheduled, and after a commit perhaps otherwise.
    async fn look_around(&mut self) {
        self.schedule = Schedule::default();
        self.tally.configure(self.aaa.counts()).await;
        self.cursor = self.aaa.accounts().then_some(Cursor::START);
    }

    /// One page of sessions. Their records go on where they were: there is no new Start.
    async fn look_on(&mut self) {
        let Some(cursor) = self.cursor.take() else { return };
        let asked = ask(&self.inbox, Filter::All, cursor);
        let Ok(Reply::Bindings { rows, next }) = asked.await else { return };
        for view in rows.iter().filter(|view| is_bound(view)) {
            self.schedule_first(view);
            if counts(&self.aaa, view) {
                self.tally.gather(view.address);
            }
        }
        self.cursor = next;
        if self.cursor.is_none() {
            self.tally.settle().await;
        }
    }

    async fn take(&mut self, fact: Fact) {
        match fact {
            Fact::Denied(denied) => {
                let nas = &self.aaa.radius.nas;
                let made = record::denied(nas, &denied);
                self.deliver(made).await;
            }
            Fact::Session(happened) => self.happened(&happened).await,
        }
    }

    async fn happened(&mut self, happened: &Happened) {
        let Happened { aaa, news, at, volume } = happened;
        let mut volume = *volume;
        let view = &*news.session;
        // Also where this session is not counted: the table must not keep what has ended.
        if is_end(news.change) && self.tally.is_on() {
            volume = self.tally.end(view.address).await.filter(|_| counts(aaa, view)).map(self::volume);
        }
        let Some(group) = aaa.group(&view.instance, &view.group).filter(|group| group.accounts) else { return };
        let make = |change| record::session(&aaa.radius.nas, group, view, change, *at);
        match news.change {
            SessionChange::Bound => {
                if self.tally.is_on() && counts(aaa, view) {
                    self.tally.begin(view.address).await;
                }
                self.deliver(make(Change::Start)).await;
                if group.records.immediate_update {
                    self.deliver(make(Change::Interim(None))).await;
                }
                self.schedule_first(view);
            }
            SessionChange::Reauthorized if group.records.coa_immediate_update => {
                self.deliver(make(Change::Interim(None))).await;
            }
            SessionChange::Renewed | SessionChange::Reauthorized => {}
            SessionChange::Released | SessionChange::Expired | SessionChange::Cleared | SessionChange::Declined => {
                self.schedule.remove(view.session);
                self.deliver(make(Change::Stop(volume, record::cause(news)))).await;
            }
        }
    }

    /// Interim-Updates whose time has come.
    async fn interims(&mut self) {
        let now = clock::now().mono.secs();
        let due: Vec<SessionId> = std::iter::from_fn(|| self.schedule.take_due(now)).take(BATCH).collect();
        let asked: Vec<_> =
            due.iter().map(|session| ask(&self.inbox, Filter::Session(*session), Cursor::START)).collect();
        let mut views = Vec::with_capacity(due.len());
        for (session, asked) in due.into_iter().zip(asked) {
            // What has ended meanwhile has its Stop.
            let Ok(Reply::Bindings { rows, .. }) = asked.await else { continue };
            views.extend(rows.into_iter().find(|view| view.session == session && is_bound(view)));
        }
        let volumes = self.volumes(&views).await;
        let (aaa, at) = (Arc::clone(&self.aaa), clock::now().wall);
        for (at_index, view) in views.iter().enumerate() {
            let Some(group) = aaa.group(&view.instance, &view.group).filter(|group| group.accounts) else { continue };
            let volume = volumes.get(at_index).copied().flatten();
            self.deliver(record::session(&aaa.radius.nas, group, view, Change::Interim(volume), at)).await;
            self.schedule_next(view);
        }
    }

    /// What the forwarding plane has counted for each, where it is asked.
    async fn volumes(&mut self, views: &[BindingView]) -> Vec<Option<Volume>> {
        let aaa = Arc::clone(&self.aaa);
        let wanted = |view: &BindingView| counts(&aaa, view);
        if !views.iter().any(wanted) {
            return Vec::new();
        }
        if self.tally.is_on() {
            let counted = self.tally.read(views.iter().map(|view| view.address).collect()).await;
            return views
                .iter()
                .zip(counted)
                .map(|(view, counters)| counters.filter(|_| wanted(view)).map(volume))
                .collect();
        }
        if !aaa.volume {
            return Vec::new();
        }
        let of = views.iter().map(|view| Destination::host(view.instance_id, view.address)).collect();
        let (sender, counted) = oneshot::channel();
        self.inbox.send(Message::Counters(of, sender));
        let counted = counted.await.ok().flatten().unwrap_or_default();
        views.iter().zip(counted).map(|(view, counters)| counters.filter(|_| wanted(view)).map(volume)).collect()
    }

    fn schedule_first(&mut self, view: &BindingView) {
        if let Some(interval) = self.interval(view) {
            let due = schedule::due_in(view.session, interval, self.tolerance(), view.started_ago);
            self.schedule.set(view.session, clock::now().mono.secs() + due);
        }
    }

    /// The one after that of now: the age of a session and this clock may differ by a second.
    fn schedule_next(&mut self, view: &BindingView) {
        if let Some(interval) = self.interval(view) {
            let past = interval / 4;
            let due = schedule::due_in(view.session, interval, self.tolerance(), view.started_ago + past) + past;
            self.schedule.set(view.session, clock::now().mono.secs() + due);
        }
    }

    fn interval(&self, view: &BindingView) -> Option<u64> {
        let group = self.aaa.group(&view.instance, &view.group).filter(|group| group.accounts)?;
        schedule::interval(view.subscriber.interim_secs, group.records.update_interval)
    }

    fn tolerance(&self) -> u64 {
        self.aaa.radius.options.interim_update_tolerance.into()
    }

    async fn deliver(&self, record: Result<Record, TooLong>) {
        match record {
            Ok(record) => {
                tracing::debug!(status = ?record.status, session = %record.session().escape_ascii(), "accounting record");
                // The task ends after this one.
                let _ = self.radius.deliver(record).await;
            }
            Err(error) => tracing::warn!("an accounting record cannot be made: {error}"),
        }
    }
}

fn is_bound(view: &BindingView) -> bool {
    matches!(view.state, PublicState::Bound | PublicState::Renewing | PublicState::Reconfiguring)
}

fn ask(inbox: &Inbox, filter: Filter, cursor: Cursor) -> oneshot::Receiver<Reply> {
    let (sender, answer) = oneshot::channel();
    inbox.send(Message::Command(Verb::Bindings { filter, cursor }, Actor::Unknown, sender));
    answer
}

#[cfg(test)]
mod tests;
