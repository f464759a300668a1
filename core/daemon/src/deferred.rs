//! Plugins that do not run on the packet thread (design §5): each has a thread of its own and a bounded queue. They are
//! too slow for it, or observe sessions, which must delay nobody.
//!
//! The exchange waits in the engine; a copy of it goes to the thread and comes back by the inbox with what the plugin
//! made of it. Then the packet thread goes on with the rest of the chain.

use bindery_engine::{
    config::PluginId,
    event::{SessionChange, SessionNews},
    policy::{Lookup, Subject, Token},
};
use bindery_plugin_host::{
    BreakerState, Edit, EditRefused, Edits, Event, Failure, OnFailure, Outcome, Plugin, PluginStats, ShapeExchange,
    ShapeMeta,
};
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use std::{
    borrow::Cow,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// Exchanges that may wait for one plugin. When it is full, its `on-failure` holds for a further one.
pub(crate) const QUEUE: usize = 256;

/// News of sessions that may wait for one plugin. When it is full, a further one is lost to the plugin, and counted.
pub(crate) const NEWS: usize = 4_096;

/// How long an exchange waits for deferred plugins: less than a client's first retransmission (RFC 2131 §4.1).
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// A change of a reply; `None` removes the option.
pub(crate) type Change = (u16, Option<Vec<u8>>);

/// A copy of an exchange, with the changes that were made to its reply.
#[derive(Clone, Debug)]
pub(crate) struct Owned {
    pub(crate) meta: ShapeMeta,
    pub(crate) group: String,
    pub(crate) interface: String,
    pub(crate) raw_request: Vec<u8>,
    pub(crate) request: Vec<(u16, Vec<u8>)>,
    pub(crate) reply: Vec<(u16, Vec<u8>)>,
    pub(crate) changes: Vec<Change>,
}

impl Owned {
    /// A copy of `exchange`, in which `changes` were made already.
    pub(crate) fn copy(exchange: &dyn ShapeExchange, changes: Vec<Change>) -> Self {
        let (mut request, mut reply) = (Vec::new(), Vec::new());
        exchange.visit_request_options(&mut |code, value| request.push((code, value.to_vec())));
        exchange.visit_reply_options(&mut |code, value| reply.push((code, value.to_vec())));
        Self {
            meta: exchange.meta(),
            group: exchange.group().to_owned(),
            interface: exchange.interface_name().to_owned(),
            raw_request: exchange.raw_request_options().into_owned(),
            request,
            reply,
            changes,
        }
    }
}

impl ShapeExchange for Owned {
    fn meta(&self) -> ShapeMeta {
        self.meta
    }

    fn group(&self) -> &str {
        &self.group
    }

    fn interface_name(&self) -> &str {
        &self.interface
    }

    fn raw_request_options(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.raw_request)
    }

    fn visit_request_options(&self, visit: &mut dyn FnMut(u16, &[u8])) {
        self.request.iter().for_each(|(code, value)| visit(*code, value));
    }

    fn visit_reply_options(&self, visit: &mut dyn FnMut(u16, &[u8])) {
        self.reply.iter().for_each(|(code, value)| visit(*code, value));
    }

    /// The engine judges the changes again when the answer comes; here only what cannot even be told to it.
    fn check(&self, edits: &Edits) -> Result<(), EditRefused> {
        let codes = edits.iter().all(|edit| {
            let (Edit::Set(code, _) | Edit::Remove(code)) = edit;
            u8::try_from(code).is_ok()
        });
        if codes { Ok(()) } else { Err(EditRefused(Cow::Borrowed("no such DHCPv4 option"))) }
    }

    fn set_option(&mut self, code: u16, value: &[u8]) {
        self.reply.retain(|(found, _)| *found != code);
        self.reply.push((code, value.to_vec()));
        self.changes.push((code, Some(value.to_vec())));
    }

    fn remove_option(&mut self, code: u16) {
        self.reply.retain(|(found, _)| *found != code);
        self.changes.push((code, None));
    }
}

/// An exchange for a deferred plugin.
#[derive(Debug)]
pub(crate) struct Job {
    /// The configuration that the chain belongs to.
    pub(crate) epoch: u64,
    pub(crate) token: Token,
    pub(crate) exchange: Owned,
    /// The plugins behind this one.
    pub(crate) rest: Vec<PluginId>,
}

/// What a plugin's thread has to do.
#[derive(Debug)]
enum Work {
    Shape(Box<Job>),
    Observe(Arc<SessionNews>),
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Shaped {
    pub(crate) job: Job,
    pub(crate) outcome: Outcome,
}

/// What the thread of a plugin has to say to the packet thread.
#[derive(Debug)]
pub(crate) enum Told {
    /// This came of an exchange.
    Shaped(Box<Shaped>),
    /// The plugin has asked for reconfigurations, and nothing else would wake the packet thread.
    Asked,
}

/// A deferred plugin, seen from the packet thread. Dropping it ends the thread behind the last job.
#[derive(Debug)]
pub(crate) struct Worker {
    name: String,
    jobs: Sender<Work>,
    on_failure: OnFailure,
    stats: Arc<Mutex<PluginStats>>,
    /// Calls that did not reach the plugin, by kind.
    queue_full: u64,
    not_called: u64,
}

impl Worker {
    /// Gives the plugin a thread of its own with a queue of `room`; `report` is called there. Where the system has no
    /// thread to give, the plugin is gone and its queue always full.
    pub(crate) fn start(plugin: Plugin, room: usize, report: impl Fn(Told) + Send + 'static) -> (Self, io::Result<()>) {
        let (jobs, queue) = bounded(room);
        let stats = Arc::new(Mutex::new(plugin.stats()));
        let plugin_name = plugin.name().to_owned();
        let (on_failure, shared) = (plugin.on_failure(), Arc::clone(&stats));
        let name = "plugin".to_owned();
        let work = move || work(plugin, &queue, &shared, report);
        let started = std::thread::Builder::new().name(name).spawn(work).map(drop);
        (Self { name: plugin_name, jobs, on_failure, stats, queue_full: 0, not_called: 0 }, started)
    }

    /// The plugin's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Hands an exchange over; what it comes to if the queue is full.
    ///
    /// # Errors
    /// The job comes back with its outcome.
    pub(crate) fn submit(&mut self, job: Job) -> Result<(), Box<Shaped>> {
        match self.jobs.try_send(Work::Shape(Box::new(job))) {
            Err(TrySendError::Full(Work::Shape(job)) | TrySendError::Disconnected(Work::Shape(job))) => {
                self.queue_full += 1;
                Err(Box::new(Shaped { job: *job, outcome: Outcome::Failed(Failure::QueueFull, self.on_failure) }))
            }
            // What comes back is what went in.
            _ => Ok(()),
        }
    }

    /// Tells what happened to a session.
    pub(crate) fn observe(&mut self, news: Arc<SessionNews>) {
        if self.jobs.try_send(Work::Observe(news)).is_err() {
            self.queue_full += 1;
        }
    }

    /// Whether every refusal so far is the first: then somebody should be told.
    pub(crate) const fn first_refusal(&self) -> bool {
        self.queue_full == 1
    }

    /// A call at a stage that cannot wait.
    pub(crate) fn not_called(&mut self) -> Outcome {
        self.not_called += 1;
        Outcome::Failed(Failure::Deferred, self.on_failure)
    }

    /// The counters.
    pub(crate) fn stats(&self) -> PluginStats {
        let mut stats = self.stats.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (failure, count) in [(Failure::QueueFull, self.queue_full), (Failure::Deferred, self.not_called)] {
            stats.calls += count;
            if let Some(failures) = stats.failures.get_mut(failure.index()) {
                *failures += count;
            }
        }
        stats
    }
}

fn work(mut plugin: Plugin, queue: &Receiver<Work>, stats: &Mutex<PluginStats>, report: impl Fn(Told)) {
    let mut open = false;
    for work in queue {
        let told = match work {
            Work::Shape(mut job) => {
                let outcome = plugin.shape_reply(&mut job.exchange);
                Some(Told::Shaped(Box::new(Shaped { job: *job, outcome })))
            }
            Work::Observe(news) => {
                observe(&mut plugin, &news);
                plugin.requests().is_some_and(|requests| requests.is_waiting()).then_some(Told::Asked)
            }
        };
        let seen = plugin.stats();
        let opened = seen.breaker == BreakerState::Open;
        if opened && !open {
            tracing::warn!(plugin = plugin.name(), last = seen.last_failure, "failed too often: suspended for a while");
        }
        open = opened;
        *stats.lock().unwrap_or_else(PoisonError::into_inner) = seen;
        if let Some(told) = told {
            report(told);
        }
    }
}

/// Tells a plugin of stage `session-events` what happened. A failure is in its counters, and delays nobody.
pub(crate) fn observe(plugin: &mut Plugin, news: &SessionNews) {
    let event = match news.change {
        SessionChange::Bound => Event::Bound,
        // A change of what RADIUS grants has no event of its own in this version of the stage.
        SessionChange::Reauthorized => return,
        SessionChange::Renewed => Event::Renewed,
        SessionChange::Released => Event::Released,
        SessionChange::Expired => Event::Expired,
        SessionChange::Cleared | SessionChange::Declined => Event::Cleared,
    };
    let session = &news.session;
    let subject = Subject {
        session: session.session,
        address: session.address,
        hw: session.hw,
        group: &session.group,
        interface: &session.interface,
        pool: &session.pool,
        giaddr: session.giaddr,
        client_id: &session.client_id,
        relay_info: &session.relay_info,
        vendor_class: &session.vendor_class,
        sessions: Lookup::NONE,
    };
    let _ = plugin.observe(event, &subject);
}
