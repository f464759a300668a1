//! The packet thread: the engine with its sockets, and the writers behind it.
//!
//! poll -> up to 64 packets and all messages of other threads -> engine -> flush. No lock, no runtime, nothing that
//! blocks but the poll.

use crate::{
    access::{Access, Asked, Said},
    clock,
    deferred::{Shaped, Told},
    instances::Instances,
    log::Log,
    neighbours::{Heard, Neighbours},
    notices::Notices,
    policy::{Plugins, Seen},
    radius::Aaa,
    snooped::Snooped,
    trace::Traces,
};
use bindery_engine::{
    Engine, Input,
    command::{Cursor, Filter, Reply, Verb},
    config::Config,
    event::DropReason,
    history::Actor,
    input::{CommandId, RxMeta},
    route::{Counters, Destination},
    subscriber::Authorization,
};
use bindery_net::{Sockets, Waker};
use bindery_netlink::{RouteEvent, RouteHandle};
use bindery_radius::client::Answer;
use bindery_store::{Refused, StoreEvent, Writer};
use bindery_trace::Tracer;
use bindery_types::{Now, SessionId};
use crossbeam_channel::{Receiver, Sender};
use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Duration};
use tokio::sync::oneshot;

/// Most messages of other threads taken in one turn, so that packets never wait long.
const MESSAGES_MAX: usize = 256;

/// Messages that may wait for the packet thread. When it is full the sender waits: the store and route threads have
/// at most one message under way each, and operators can wait.
pub(crate) const INBOX: usize = 4_096;

/// Longest sleep of the packet thread.
const POLL_MAX: Duration = Duration::from_secs(10);

/// How long the end of the process waits for room in the store's queue.
const REST_MAX: Duration = Duration::from_secs(10);

/// What other threads tell the packet thread.
pub(crate) enum Message {
    /// From the store thread.
    Store(StoreEvent),
    /// From the route thread.
    Route(RouteEvent),
    /// A command, and who gave it.
    Command(Verb, Actor, oneshot::Sender<Reply>),
    /// The revision of the configuration that comes next, and other trace files, where they change.
    Revision(u64, Option<Option<Tracer>>),
    /// A commit: configuration and plugins change together, between two packets.
    Configure(Arc<Config>, Plugins, Arc<Aaa>, oneshot::Sender<()>),
    /// The route thread is about to be replaced: nothing more for it.
    DetachRoutes(oneshot::Sender<()>),
    /// The new route thread; it is seeded with the routes that the sessions want.
    AttachRoutes(RouteHandle, oneshot::Sender<()>),
    /// The configuration in force, with the numbers of routing instances that sessions have.
    Config(oneshot::Sender<Arc<Config>>),
    /// Counters of the plugins, in configuration order.
    PluginStats(oneshot::Sender<Vec<Seen>>),
    /// A deferred plugin has answered.
    Shaped(Box<Shaped>),
    /// A plugin on a thread of its own has asked for reconfigurations: each turn takes what was asked.
    PluginAsked,
    /// What RADIUS was asked and has answered.
    Asked(oneshot::Sender<Asked>),
    /// What the forwarding plane has counted for each; `None` where it cannot be read now.
    Counters(Vec<Destination>, oneshot::Sender<Option<Vec<Option<Counters>>>>),
    /// The end of a request to RADIUS about a newcomer.
    Access {
        /// Of the question.
        tag: u64,
        /// What came of it.
        answer: Answer,
        /// Who answered.
        server: Option<SocketAddr>,
    },
    /// The first packet of a VLAN whose device was made for it.
    Datagram(RxMeta, Vec<u8>),
    /// What happened beside changes of bindings, behind a position; `None` for the position alone.
    Notices(Option<u64>, oneshot::Sender<bindery_control::Notices>),
    /// How many live sessions are on each interface.
    LiveOn(Vec<Box<str>>, std::sync::mpsc::SyncSender<Vec<u32>>),
    /// What was heard on subscribers' segments beside DHCP requests, and where the list goes back when it is done with.
    Heard(Vec<Heard>, std::sync::mpsc::SyncSender<Vec<Heard>>),
    /// The process ends.
    Stop,
}

/// Sends messages to the packet thread and wakes it.
#[derive(Clone)]
pub(crate) struct Inbox {
    pub(crate) sender: Sender<Message>,
    pub(crate) waker: Waker,
}

impl Inbox {
    /// The plugins, which may be deferred from now on: their late answers come here.
    pub(crate) fn take_answers_of(&self, plugins: Plugins) -> Plugins {
        let inbox = self.clone();
        plugins.reporting(move |told| {
            inbox.send(match told {
                Told::Shaped(shaped) => Message::Shaped(shaped),
                Told::Asked => Message::PluginAsked,
            });
        })
    }

    /// Sends one where there is room; whether there was.
    pub(crate) fn try_send(&self, message: Message) -> bool {
        let sent = self.sender.try_send(message).is_ok();
        // A full inbox is not asleep either.
        self.waker.wake();
        sent
    }

    /// Sends one; waits while the inbox is full. A thread that has ended takes nothing more.
    pub(crate) fn send(&self, message: Message) {
        if self.sender.send(message).is_ok() {
            self.waker.wake();
        }
    }
}

/// Everything the packet thread owns.
pub(crate) struct PacketThread {
    pub(crate) engine: Engine,
    pub(crate) sockets: Sockets,
    pub(crate) instances: Instances,
    pub(crate) snooped: Snooped,
    pub(crate) plugins: Plugins,
    pub(crate) access: Access,
    pub(crate) neighbours: Neighbours,
    pub(crate) store: Writer,
    /// `None` while a commit replaces the route thread: operations wait in the outbox, bounded by the engine.
    pub(crate) routes: Option<RouteHandle>,
    pub(crate) inbox: Receiver<Message>,
    pub(crate) log: Log,
    pub(crate) notices: Notices,
    pub(crate) traces: Traces,
}

impl PacketThread {
    /// Runs until [`Message::Stop`]; then gives the store back, to be ended in order.
    pub(crate) fn run(mut self) -> Writer {
        let mut commands = Commands::default();
        let mut drops = SocketDrops::default();
        loop {
            let now = clock::now();
            let mut timeout = self.engine.next_timeout().since(now.mono).min(POLL_MAX);
            timeout = self.instances.retry().map_or(timeout, |due| timeout.min(due.since(now.mono)));
            if !self.inbox.is_empty() {
                // What the last turn left: its wake was taken with it.
                timeout = Duration::ZERO;
            }
            let ready = match self.sockets.poll(Some(timeout)) {
                Ok(ready) => ready,
                Err(errno) => {
                    tracing::error!(%errno, "poll failed");
                    bindery_net::Ready::default()
                }
            };
            let now = clock::now();
            let (engine, plugins, traces) = (&mut self.engine, &mut self.plugins, &self.traces);
            self.sockets.receive(ready, |meta, bytes| {
                if traces.is_on() {
                    traces.received(engine, &meta, bytes);
                }
                engine.handle(now, Input::Datagram4 { meta, bytes }, plugins);
            });
            for _ in 0..MESSAGES_MAX {
                let Ok(message) = self.inbox.try_recv() else { break };
                if matches!(message, Message::Stop) {
                    self.flush(now, &mut commands);
                    self.write_rest();
                    return self.store;
                }
                self.message(now, message, &mut commands);
            }
            if now.mono >= self.engine.next_timeout() {
                self.engine.handle(now, Input::Tick, &mut self.plugins);
                drops.count_overflows(&mut self.engine, self.sockets.kernel_drops());
            }
            self.reconfigure_as_asked(now, &mut commands);
            self.flush(now, &mut commands);
            let dropped = drops.count(&mut self.engine, self.sockets.counters());
            if self.traces.is_on() {
                self.traces.turn_ended(now, clock::now(), &self.engine, &dropped);
            }
        }
    }

    /// Hands the store what was answered and not written yet; its end waits for that. A store that takes nothing for so
    /// long has failed, and keeps the leases all the same.
    fn write_rest(&mut self) {
        let until = std::time::Instant::now() + REST_MAX;
        loop {
            let more = self.engine.write_rest();
            let mutations = &mut self.engine.outbox().mutations;
            while self.store.submit(mutations) == Err(Refused::Full) && std::time::Instant::now() < until {
                std::thread::sleep(Duration::from_millis(1));
            }
            if !more || std::time::Instant::now() >= until {
                return;
            }
        }
    }

    fn message(&mut self, now: Now, message: Message, commands: &mut Commands) {
        let input = match message {
            Message::Store(event) => self.stored(event),
            Message::Route(event) => match self.routed(now, event) {
                Some(input) => input,
                None => return,
            },
            Message::Command(verb, actor, reply) => {
                self.engine.set_actor(actor);
                Input::Command { id: commands.open(reply), verb }
            }
            Message::Shaped(shaped) => match self.plugins.resume(now, *shaped) {
                Some(answer) => Input::PolicyDone(answer),
                None => return,
            },
            Message::Heard(mut heard, done) => {
                for heard in heard.drain(..) {
                    self.engine.handle(now, heard.input(), &mut self.plugins);
                }
                let _ = done.send(heard);
                return;
            }
            Message::Access { tag, answer, server } => return self.accessed(now, tag, (answer, server)),
            Message::Datagram(meta, bytes) => {
                self.engine.handle(now, Input::Datagram4 { meta, bytes: &bytes }, &mut self.plugins);
                return;
            }
            other => return self.surroundings(now, other, commands),
        };
        self.engine.handle(now, input, &mut self.plugins);
    }

    /// What the store thread says.
    fn stored(&self, event: StoreEvent) -> Input<'static> {
        self.traces.store(&event);
        match event {
            StoreEvent::Durable { up_to } => Input::Durable { up_to },
            StoreEvent::Failed(error) => {
                tracing::error!(%error, "the session database cannot be written: silent until it can");
                Input::StoreFailed
            }
            StoreEvent::Ready => Input::StoreReady,
        }
    }

    /// What the route thread says; `None` where it is only for the log.
    fn routed(&mut self, now: Now, event: RouteEvent) -> Option<Input<'static>> {
        self.traces.route(&event);
        Some(match event {
            RouteEvent::Routed { up_to, failed } => Input::Routed { up_to, failed },
            RouteEvent::RoutesLost(index) => Input::RoutesLost(index),
            RouteEvent::LinkSet(link) => Input::LinkSet(link),
            RouteEvent::LinkGone(index) => Input::LinkGone(index),
            RouteEvent::RouteChanged { at, error: Some(_) } => {
                self.log.route_event(now, &event);
                Input::RouteLost(at)
            }
            RouteEvent::Swept(report) if report.failing == 0 && report.missing == 0 => {
                self.log.route_event(now, &event);
                Input::RoutesReconciled
            }
            other => {
                self.log.route_event(now, &other);
                return None;
            }
        })
    }

    /// What changes around the engine, and questions that it answers at once. Whoever asked may have gone; what was done
    /// stands.
    fn surroundings(&mut self, now: Now, message: Message, commands: &mut Commands) {
        match message {
            Message::Revision(revision, tracer) => {
                self.engine.set_revision(revision);
                if let Some(tracer) = tracer {
                    self.traces.set(&mut self.engine, tracer);
                }
            }
            Message::Configure(config, plugins, aaa, done) => {
                self.reconfigure_as_asked(now, commands);
                self.plugins = plugins;
                self.access.configure(aaa);
                self.neighbours.configure(&config);
                self.engine.handle(now, Input::Configure(config), &mut self.plugins);
                let _ = done.send(());
            }
            Message::DetachRoutes(done) => {
                self.routes = None;
                let _ = done.send(());
            }
            Message::AttachRoutes(routes, done) => {
                self.instances.tell(&routes);
                routes.seed(self.engine.desired_routes());
                self.routes = Some(routes);
                let _ = done.send(());
            }
            Message::Config(reply) => _ = reply.send(Arc::clone(self.engine.config())),
            Message::PluginStats(reply) => _ = reply.send(self.plugins.seen()),
            Message::Asked(reply) => _ = reply.send(self.access.counted()),
            Message::Notices(after, reply) => _ = reply.send(self.notices.since(after)),
            Message::LiveOn(names, reply) => {
                _ = reply.send(names.iter().map(|name| self.engine.live_on(name)).collect());
            }
            Message::Counters(of, reply) => {
                if let Some(routes) = &self.routes {
                    routes.read_counters(of, move |counted| _ = reply.send(counted));
                }
            }
            // The others are inputs of the engine; what plugins have asked for is done in each turn.
            _ => {}
        }
    }

    /// RADIUS has answered about a newcomer.
    fn accessed(&mut self, now: Now, tag: u64, answer: (Answer, Option<SocketAddr>)) {
        self.traces.authorized(tag, || {
            let what = match &answer.0 {
                Answer::Accept(_) => "accepted",
                Answer::Reject(_) => "rejected",
                Answer::Recorded(_) => "recorded",
                Answer::Failed(_) => "no answer",
            };
            answer.1.map_or_else(|| what.to_owned(), |server| format!("{what} by {server}"))
        });
        let Self { engine, plugins, access, .. } = self;
        match access.answered(now, engine, plugins, tag, answer) {
            Some(Said::Answer(answer, in_vain)) => {
                let dropped = engine.dropped();
                engine.handle(now, Input::Access { tag, answer }, plugins);
                if let Some(denied) = in_vain.filter(|_| engine.dropped() != dropped) {
                    access.in_vain(now, *denied);
                }
            }
            Some(Said::Again(question)) => {
                engine.handle(now, Input::Access { tag, answer: Authorization::Unavailable }, plugins);
                let again = Input::Datagram4 { meta: question.meta, bytes: &question.request };
                engine.handle(now, again, plugins);
            }
            None => {}
        }
    }

    /// Asks about newcomers; what needs nobody's answer is answered at once.
    fn ask(&mut self, now: Now) {
        let mut questions = std::mem::take(&mut self.engine.outbox().questions);
        for question in questions.drain(..) {
            let tag = question.tag;
            if let Some(answer) = self.access.ask(now, &self.engine, &mut self.plugins, question) {
                self.engine.handle(now, Input::Access { tag, answer }, &mut self.plugins);
            }
        }
        // An answer asks nothing, so nothing is lost.
        self.engine.outbox().questions = questions;
    }

    /// Begins the reconfigurations that plugins have asked for.
    fn reconfigure_as_asked(&mut self, now: Now, commands: &mut Commands) {
        let requests: Vec<_> = self.plugins.take_reconfigure_requests().collect();
        for (session, purpose) in requests {
            let verb = Verb::Reconfigure { filter: Filter::Session(session), cursor: Cursor::START, purpose, most: 1 };
            let id = commands.of_a_plugin(session);
            self.engine.set_actor(Actor::Plugin);
            self.engine.handle(now, Input::Command { id, verb }, &mut self.plugins);
        }
    }

    /// Hands the outbox on: packets first, so that a route goes only after the last packet of its client.
    fn flush(&mut self, now: Now, commands: &mut Commands) {
        if self.traces.is_on() {
            self.traces.handed_on(self.engine.outbox());
        }
        self.ask(now);
        self.traces.noted(&mut self.engine);
        self.traces.sent(&mut self.engine);
        let mut transmits = std::mem::take(&mut self.engine.outbox().transmits);
        if !transmits.is_empty() {
            let engine = &mut self.engine;
            self.sockets.transmit(&mut transmits, |buffer| engine.recycle(buffer));
        }
        self.engine.outbox().transmits = transmits;
        if let Some(tables) = self.engine.outbox().tables.take() {
            self.instances.set(tables);
            self.routes.iter().for_each(|routes| self.instances.tell(routes));
            self.instances.serve(now.mono, self.engine.config(), &mut self.sockets);
        } else if self.instances.retry().is_some_and(|due| due <= now.mono) {
            self.instances.serve(now.mono, self.engine.config(), &mut self.sockets);
        }
        let outbox = self.engine.outbox();
        self.snooped.tell(&mut outbox.snooped);
        self.neighbours.ask(&mut outbox.probes);
        // The queues hold more than the engine lets wait, so a refusal means that the thread has ended: the batch
        // stays, and the watchdog of the main thread ends the process.
        if let Err(refused) = self.store.submit(&mut outbox.mutations) {
            tracing::error!(%refused, "session database");
        }
        for news in outbox.sessions.drain(..) {
            if !news.observers.is_empty() {
                self.plugins.observe(&Arc::new(news.clone()));
            }
            if news.account {
                self.access.happened(now, news, self.routes.as_ref());
            }
        }
        if let Some(routes) = &self.routes {
            routes.submit(&mut outbox.routes);
        }
        let events = std::mem::take(&mut outbox.events);
        for event in &events {
            self.log.event(now, event, &self.engine);
            self.notices.event(now, &self.engine, event);
        }
        for (id, reply) in self.engine.outbox().replies.drain(..) {
            commands.answer(id, reply);
        }
    }
}

/// What the sockets dropped, as far as the engine's counters have it.
#[derive(Default)]
struct SocketDrops {
    sockets: bindery_net::Counters,
    kernel: bindery_net::KernelDrops,
}

impl SocketDrops {
    /// What was dropped since the last time.
    fn count(&mut self, engine: &mut Engine, now: &bindery_net::Counters) -> [(DropReason, u64); 5] {
        let before = std::mem::replace(&mut self.sockets, *now);
        const NONE: [(DropReason, u64); 5] = [(DropReason::SendError, 0); 5];
        if before == *now {
            return NONE;
        }
        let header = |c: &bindery_net::Counters| {
            c.bad_ip_length + c.bad_ip_checksum + c.bad_udp_length + c.too_long + c.no_control_data
        };
        let dropped = [
            (DropReason::TooShort, now.too_short - before.too_short),
            (DropReason::BadIpHeader, header(now) - header(&before)),
            (DropReason::BadUdpChecksum, now.bad_udp_checksum - before.bad_udp_checksum),
            (DropReason::ReadError, now.receive_errors - before.receive_errors),
            (DropReason::SendError, now.send_errors_total() - before.send_errors_total()),
        ];
        for (reason, packets) in dropped {
            engine.count_dropped(reason, packets);
        }
        dropped
    }

    fn count_overflows(&mut self, engine: &mut Engine, now: bindery_net::KernelDrops) {
        let before = std::mem::replace(&mut self.kernel, now);
        let total = |d: bindery_net::KernelDrops| d.packet + d.udp;
        engine.count_dropped(DropReason::ReceiveOverflow, total(now).saturating_sub(total(before)));
    }
}

/// Commands whose answer is outstanding.
#[derive(Default)]
struct Commands {
    next: u64,
    open: HashMap<u64, oneshot::Sender<Reply>>,
    /// Those of plugins, which wait for no answer.
    of_plugins: HashMap<u64, SessionId>,
}

impl Commands {
    fn open(&mut self, reply: oneshot::Sender<Reply>) -> CommandId {
        self.next += 1;
        self.open.insert(self.next, reply);
        CommandId(self.next)
    }

    /// A command for which a plugin has asked.
    fn of_a_plugin(&mut self, session: SessionId) -> CommandId {
        self.next += 1;
        self.of_plugins.insert(self.next, session);
        CommandId(self.next)
    }

    fn answer(&mut self, id: CommandId, reply: Reply) {
        if let Some(session) = self.of_plugins.remove(&id.0) {
            tracing::debug!(session = session.0, ?reply, "a plugin asked for a reconfiguration");
        } else if let Some(sender) = self.open.remove(&id.0) {
            // The asker may have gone.
            let _ = sender.send(reply);
        }
    }
}
