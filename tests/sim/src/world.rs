//! The world: one queue of events in true time, the engine in the middle, the auditor beside it.

use crate::{
    audit::{Abort, Auditor, Finding, Granted, News, Told, Towards},
    authority::Authority,
    chaos::Rates,
    client::{Client, Kind, Place},
    clock::{Clocks, Instant, MS, SEC},
    hooks::Hooks,
    kernel::{Happened, Kernel},
    plan::Plan,
    random::Random,
    reader::Reader,
    rules::Rules,
    segment::Segments,
    store::{Store, StoreReport},
    trace::Trace,
};
use bindery_engine::{
    Engine, Input,
    command::{Reply, Verb},
    event::{DropReason, Event as EngineEvent, SessionChange, SessionNews},
    input::{CommandId, Link, RxMeta, StoreSeq},
    neighbour::Arp,
    output::{Destination, Transmit},
    policy::{ExhaustedVerdict, PolicyAnswer},
    record::{DurableState, StoredSession},
    route::{Destination as RouteTo, RouteFailure, RouteSeq},
    subscriber::Authorization,
};
use bindery_types::{EngineId, IfIndex, Ipv4Addr};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// What other threads and the operator tell the engine.
#[derive(Clone, Debug)]
pub(crate) enum Message {
    Durable(StoreSeq),
    StoreFailed,
    StoreReady,
    Routed(RouteSeq, Vec<RouteFailure>),
    RoutesLost(IfIndex),
    RouteLost(RouteTo),
    LinkSet(usize, Link),
    LinkGone(usize, IfIndex),
    Policy(PolicyAnswer),
    Access(u64, Authorization),
    Command(Verb),
    Configure(Box<Plan>),
}

/// What happens at some moment. `boot` numbers the engine's lives: what was meant for an earlier one is lost.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    ToServer {
        port: usize,
        meta: RxMeta,
        bytes: Vec<u8>,
    },
    ToClient {
        client: usize,
        bytes: Vec<u8>,
    },
    Wake {
        client: usize,
        generation: u32,
    },
    StoreDone {
        boot: u32,
    },
    StoreOpen {
        boot: u32,
    },
    RouteWork {
        boot: u32,
    },
    Reconcile {
        boot: u32,
    },
    Inbox {
        boot: u32,
        message: Message,
    },
    Flush {
        boot: u32,
    },
    Tick {
        boot: u32,
        generation: u32,
    },
    /// An ARP packet for the server.
    Arp {
        port: usize,
        arp: Arp,
    },
    /// A message of another server.
    ServerMessage {
        port: usize,
        meta: RxMeta,
        server: Ipv4Addr,
        bytes: Vec<u8>,
    },
    Mischief,
    Chaos,
    /// The process ends; with `power` the whole machine.
    End {
        boot: u32,
        power: bool,
    },
    Boot,
    LinkUp {
        port: usize,
    },
}

/// Most ticks in a second: more is a loop that burns the processor.
const TICKS_MAX: u64 = 100;

/// Everything there is.
pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) random: Random,
    events: BTreeMap<(Instant, u64), Event>,
    event_count: u64,
    pub(crate) plan: Plan,
    /// The plan as far as the engine was told.
    pub(crate) active: Plan,
    pub(crate) engine: Option<Engine>,
    pub(crate) boot: u32,
    pub(crate) clocks: Clocks,
    pub(crate) store: Store,
    pub(crate) kernel: Kernel,
    pub(crate) hooks: Hooks,
    pub(crate) authority: Authority,
    pub(crate) clients: Vec<Client>,
    pub(crate) places: Vec<Place>,
    pub(crate) auditor: Auditor,
    pub(crate) rates: Rates,
    pub(crate) trace: Trace,
    pub(crate) calm: bool,
    pub(crate) calm_since: Instant,
    /// When the store was last back from an outage.
    pub(crate) store_back: Instant,
    /// Clients say nothing more.
    pub(crate) frozen: bool,
    store_lane: Instant,
    route_lane: Instant,
    tick: Option<(Instant, u32)>,
    flush_due: bool,
    /// The machine is off; whether its clock has a battery.
    power_off: Option<bool>,
    /// Ticks in the current second.
    ticks: u64,
    tick_second: u64,
    /// The process dies in the middle of the next flush.
    pub(crate) die_in_flush: bool,
    commands: u64,
    open_commands: BTreeSet<u64>,
    pub(crate) replies: Vec<(u64, Reply)>,
    pub(crate) steps: u64,
    pub(crate) reader: Reader,
    pub(crate) segments: Segments,
}

impl World {
    pub(crate) fn new(seed: u64, trace: Trace) -> Self {
        let mut random = Random::new(seed);
        let count = if random.chance(100) { random.range(20, 45) } else { random.range(2, 14) };
        let mut plan = Plan::new(&mut random, count);
        // Not drawn, so that the other seeds stay what they were.
        plan.routes = seed % 8 == 7;
        plan.remote_ids = seed % 16 == 5;
        plan.rules = Rules::new(seed, plan.authenticate);
        let places = places(&mut random);
        let mut clients: Vec<Client> = (0..count)
            .map(|n| {
                let kind = match random.below(20) {
                    0 | 1 => Kind::Vanisher,
                    2..=4 => Kind::Liar,
                    _ => Kind::Honest,
                };
                Client::new(n, &mut random, &places, kind)
            })
            .collect();
        clients.iter_mut().enumerate().for_each(|(n, client)| client.follow(n, &plan.rules));
        let rates = Rates::new(&mut random);
        let clocks = Clocks::new(random.chance(850));
        let hooks = Hooks::new(random.fork());
        let authority = Authority::new(random.fork());
        let mut world = Self {
            now: 0,
            events: BTreeMap::new(),
            event_count: 0,
            active: plan.clone(),
            plan,
            engine: None,
            boot: 0,
            clocks,
            store: Store::new(rates.store_fail, rates.store_slow_ms),
            kernel: Kernel::new(rates.route_refuse, rates.route_slow_ms),
            hooks,
            authority,
            clients,
            places,
            auditor: Auditor::default(),
            rates,
            trace,
            calm: false,
            calm_since: 0,
            store_back: 0,
            frozen: false,
            store_lane: 0,
            route_lane: 0,
            tick: None,
            flush_due: false,
            power_off: None,
            ticks: 0,
            tick_second: 0,
            die_in_flush: false,
            commands: 0,
            open_commands: BTreeSet::new(),
            replies: Vec::new(),
            steps: 0,
            reader: Reader::default(),
            segments: Segments::new(seed),
            random,
        };
        world.push(0, Event::Boot);
        world.push(5 * SEC, Event::Chaos);
        if world.plan.rules.mischief || world.plan.rules.suppresses {
            world.push(7 * SEC, Event::Mischief);
        }
        for client in 0..world.clients.len() {
            world.arm(client);
        }
        world
    }

    pub(crate) fn push(&mut self, after: Instant, event: Event) {
        self.event_count += 1;
        self.events.insert((self.now.saturating_add(after), self.event_count), event);
    }

    /// Packets on their way are lost: a late one could undo what a client was given last.
    pub(crate) fn lose_packets(&mut self) {
        self.events.retain(|_, event| !matches!(event, Event::ToServer { .. } | Event::ToClient { .. }));
    }

    /// Runs until true time `until`.
    pub(crate) fn run(&mut self, until: Instant) -> Result<(), Finding> {
        while let Some((&(at, _), _)) = self.events.first_key_value()
            && at <= until
        {
            let Some((_, event)) = self.events.pop_first() else { break };
            self.now = self.now.max(at);
            self.auditor.at(self.now);
            self.happen(event)?;
        }
        self.now = self.now.max(until);
        self.auditor.at(self.now);
        Ok(())
    }

    fn happen(&mut self, event: Event) -> Result<(), Finding> {
        match event {
            Event::ToServer { port, meta, bytes } => self.server_hears(port, meta, &bytes),
            Event::ToClient { client, bytes } => {
                self.client_hears(client, &bytes);
                Ok(())
            }
            Event::Wake { client, generation } => {
                self.wake(client, generation);
                Ok(())
            }
            Event::StoreDone { boot } if boot == self.boot => self.store_done(),
            Event::StoreOpen { boot } if boot == self.boot => {
                self.store.down = false;
                self.tell_store(Message::StoreReady);
                self.start_store();
                Ok(())
            }
            Event::RouteWork { boot } if boot == self.boot => {
                if let Some((up_to, failed, happened)) = self.kernel.carry_out(&mut self.random) {
                    self.note(&happened);
                    self.tell_route(Message::Routed(up_to, failed));
                }
                self.start_routes();
                Ok(())
            }
            Event::Reconcile { boot } if boot == self.boot => {
                let happened = self.kernel.reconcile(&mut self.random);
                self.note(&happened);
                let wait = self.random.range(20, 90) * SEC;
                self.push(wait, Event::Reconcile { boot });
                Ok(())
            }
            Event::Inbox { boot, message } if boot == self.boot => self.inbox(message),
            Event::Flush { boot } if boot == self.boot => self.flush(),
            Event::Tick { boot, generation } if boot == self.boot => self.tick(generation),
            Event::Chaos => self.chaos(),
            Event::Mischief => {
                self.mischief();
                Ok(())
            }
            Event::Arp { port, arp } => self.arp_comes(port, arp),
            Event::ServerMessage { port, meta, server, bytes } => self.server_comes(port, meta, server, &bytes),
            Event::End { boot, power } if boot == self.boot && !self.calm => {
                // Not drawn, so that the other seeds stay what they were.
                if !power && self.boot.is_multiple_of(3) {
                    self.flush()?;
                    self.stop()?;
                }
                self.end(power)
            }
            Event::Boot => self.start(),
            Event::LinkUp { port } => {
                self.link_up(port);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    // The engine.

    /// One input to the engine, its invariants, and mostly a flush right after.
    pub(crate) fn step(&mut self, input: Input<'_>) -> Result<(), Finding> {
        let now = self.clocks.now(self.now);
        let Some(engine) = &mut self.engine else {
            return Ok(());
        };
        self.steps += 1;
        engine.handle(now, input, &mut self.hooks);
        engine.check_invariants();
        self.read_feed_at_times()?;
        for (session, said) in std::mem::take(&mut self.hooks.aborted) {
            let said = match said {
                ExhaustedVerdict::Restore => Abort::Restore,
                ExhaustedVerdict::Clear => Abort::Clear,
                ExhaustedVerdict::Defer => Abort::Defer,
            };
            self.trace.note(self.now, || format!("session {session} answered nothing: {said:?}"));
            self.auditor.exhausted(session, said);
        }
        let boot = self.boot;
        for (delay, answer) in std::mem::take(&mut self.hooks.later) {
            self.push(delay, Event::Inbox { boot, message: Message::Policy(answer) });
        }
        if self.calm || self.random.chance(800) {
            self.flush()?;
        } else if !self.flush_due {
            // The shell takes more inputs before it flushes.
            self.flush_due = true;
            let wait = self.random.range(1, 400) * MS / 1_000;
            self.push(wait, Event::Flush { boot });
        }
        self.schedule_tick();
        Ok(())
    }

    /// Hands the outbox on, in the order that the engine asks for.
    fn flush(&mut self) -> Result<(), Finding> {
        self.flush_due = false;
        let dies_at = if std::mem::take(&mut self.die_in_flush) { Some(self.random.below(4)) } else { None };
        let Some(engine) = &mut self.engine else {
            return Ok(());
        };
        let outbox = engine.outbox();
        let mut transmits = std::mem::take(&mut outbox.transmits);
        let mut mutations = std::mem::take(&mut outbox.mutations);
        let mut routes = std::mem::take(&mut outbox.routes);
        let events = std::mem::take(&mut outbox.events);
        let replies = std::mem::take(&mut outbox.replies);
        let questions = std::mem::take(&mut outbox.questions);
        let news = std::mem::take(&mut outbox.sessions);
        let probes = std::mem::take(&mut outbox.probes);
        if dies_at == Some(0) {
            transmits.truncate(transmits.len() / 2);
        }
        for probe in probes {
            self.arp_asks(&probe)?;
        }
        for transmit in transmits {
            self.transmit(&transmit)?;
            if let Some(engine) = &mut self.engine {
                engine.recycle(transmit.payload);
            }
        }
        if dies_at.is_none_or(|at| at > 1) {
            self.store.submit(self.now, &mut mutations);
        }
        self.routes_leave(&routes)?;
        if dies_at.is_none_or(|at| at > 2) {
            self.kernel.submit(&mut routes);
        }
        for event in events {
            self.trace.note(self.now, || format!("event {event:?}"));
            self.told_of(&event)?;
            if let EngineEvent::RestoreConflict { session, address } = event {
                return Err(format!("session {session} with {address} was left out at start"));
            }
        }
        for news in news {
            self.trace.note(self.now, || format!("told {:?} of session {}", news.change, news.session.session));
            self.auditor.told(&told(&news))?;
        }
        for question in questions {
            self.trace.note(self.now, || format!("question {}", question.tag));
            self.auditor.question(question.tag, question.meta.link, &question.request)?;
            let boot = self.boot;
            for (after, tag, answer) in self.authority.ask(self.now, &question, &self.plan) {
                self.push(after, Event::Inbox { boot, message: Message::Access(tag, answer) });
            }
        }
        for (CommandId(id), reply) in replies {
            if !self.open_commands.remove(&id) {
                return Err(format!("command {id} is answered twice, or was never asked"));
            }
            self.replies.push((id, reply));
        }
        if dies_at.is_some() {
            let power = self.random.chance(500);
            return self.end(power);
        }
        self.start_store();
        self.start_routes();
        Ok(())
    }

    fn tick(&mut self, generation: u32) -> Result<(), Finding> {
        if self.tick.is_none_or(|(_, current)| current != generation) {
            return Ok(());
        }
        self.tick = None;
        let now = self.clocks.now(self.now);
        let due = self.engine.as_ref().is_some_and(|e| now.mono >= e.next_timeout());
        if self.now / SEC != self.tick_second {
            (self.tick_second, self.ticks) = (self.now / SEC, 0);
        }
        self.ticks += u64::from(due);
        if self.ticks > TICKS_MAX {
            return Err("the engine asks for ticks and does nothing with them".into());
        }
        if due {
            return self.step(Input::Tick);
        }
        self.schedule_tick();
        Ok(())
    }

    /// The shell sleeps until the engine's next timeout, at most ten seconds.
    fn schedule_tick(&mut self) {
        let Some(engine) = &self.engine else { return };
        let next = self.clocks.true_of(engine.next_timeout()).clamp(self.now + MS / 10, self.now + 10 * SEC);
        if self.tick.is_none_or(|(at, _)| next < at || at < self.now) {
            let generation = self.tick.map_or(0, |(_, g)| g).max(self.event_count as u32).wrapping_add(1);
            self.tick = Some((next, generation));
            let boot = self.boot;
            self.push(next - self.now, Event::Tick { boot, generation });
        }
    }

    /// The process starts on the disk as it is.
    pub(crate) fn start(&mut self) -> Result<(), Finding> {
        if self.engine.is_some() {
            return Ok(());
        }
        if let Some(battery) = self.power_off.take() {
            self.clocks.power_on(self.now, battery);
        }
        let now = self.clocks.now(self.now);
        self.auditor.started(&self.clocks);
        self.active = self.plan.clone();
        let site = self.active.site();
        self.auditor.site_changed(site);
        self.trace.note(self.now, || format!("start at {now:?}, {:?}, {}", self.active.overrides, self.active.rules()));
        let config = Arc::new(self.active.config());
        let mut engine = Engine::new(EngineId(0), self.random.next(), now, config);
        let stored: Vec<StoredSession> = self
            .auditor
            .disk()
            .map(|(lease, identity)| StoredSession { lease: *lease, identity: identity.clone() })
            .collect();
        engine.restore(now, self.auditor.meta(), stored);
        engine.check_invariants();
        for port in self.active.ports.iter().filter(|p| !p.gone) {
            engine.handle(now, Input::LinkSet(port.link()), &mut self.hooks);
        }
        let routes = engine.desired_routes();
        self.kernel.seed(&routes);
        self.engine = Some(engine);
        let (boot, wait) = (self.boot, self.random.range(0, 3_000) * MS);
        self.push(wait, Event::Reconcile { boot });
        self.flush()?;
        self.schedule_tick();
        Ok(())
    }

    /// The process writes what it has answered and not written yet, as it does when it is told to end.
    fn stop(&mut self) -> Result<(), Finding> {
        let Some(engine) = &mut self.engine else { return Ok(()) };
        while engine.write_rest() {}
        let mut mutations = std::mem::take(&mut engine.outbox().mutations);
        self.store.submit(self.now, &mut mutations);
        let Some(written) = self.store.stop() else { return Ok(()) };
        self.auditor.wrote(written, true)?;
        self.auditor.all_is_written()
    }

    /// The process ends at once; with `power` the whole machine.
    pub(crate) fn end(&mut self, power: bool) -> Result<(), Finding> {
        if self.engine.take().is_none() {
            return Ok(());
        }
        self.trace.note(self.now, || format!("the process ends, power cut: {power}"));
        self.boot += 1;
        let left = self.store.cut(&mut self.random);
        self.auditor.wrote(left, false)?;
        self.auditor.ended()?;
        self.kernel.forget();
        self.hooks.later.clear();
        self.tick = None;
        self.flush_due = false;
        self.open_commands.clear();
        let down = if self.random.chance(200) { self.random.range(60, 1_500) } else { self.random.range(0, 20) };
        if power {
            self.kernel.routes.clear();
            self.power_off = Some(self.random.chance(700));
        }
        self.push(down * SEC + 50 * MS, Event::Boot);
        Ok(())
    }

    // The threads beside it.

    fn start_store(&mut self) {
        if let Some(done) = self.store.start(self.now, &mut self.random) {
            let boot = self.boot;
            self.push(done - self.now, Event::StoreDone { boot });
        }
    }

    fn store_done(&mut self) -> Result<(), Finding> {
        let Some(finished) = self.store.finish(&mut self.random) else {
            return Ok(());
        };
        let acknowledged = finished.report != StoreReport::Failed;
        for (write, _) in &finished.written {
            self.trace.note(self.now, || format!("disk (acknowledged: {acknowledged}) {write:?}"));
        }
        self.auditor.wrote(finished.written, acknowledged)?;
        match finished.report {
            StoreReport::Durable(up_to) => self.tell_store(Message::Durable(up_to)),
            StoreReport::Failed => {
                self.tell_store(Message::StoreFailed);
                let outage = Store::outage(&mut self.random);
                let boot = self.boot;
                self.push(outage, Event::StoreOpen { boot });
            }
        }
        self.start_store();
        Ok(())
    }

    fn start_routes(&mut self) {
        if let Some(done) = self.kernel.start(self.now, &mut self.random) {
            let boot = self.boot;
            self.push(done - self.now, Event::RouteWork { boot });
        }
    }

    fn note(&mut self, happened: &[Happened]) {
        for happened in happened {
            self.trace.note(self.now, || format!("kernel {happened:?}"));
            match *happened {
                Happened::Set(at, route, before) => {
                    self.auditor.route_came(at, route);
                    self.auditor.prefix_set(at, route, before);
                }
                Happened::Foreign(at) => self.auditor.foreign_met(at),
                Happened::Lost(at) => self.tell_route(Message::RouteLost(at)),
            }
        }
    }

    fn tell_store(&mut self, message: Message) {
        let wait = self.inbox_wait();
        self.store_lane = self.store_lane.max(self.now + wait);
        let (boot, after) = (self.boot, self.store_lane - self.now);
        self.push(after, Event::Inbox { boot, message });
    }

    pub(crate) fn tell_route(&mut self, message: Message) {
        let wait = self.inbox_wait();
        self.route_lane = self.route_lane.max(self.now + wait);
        let (boot, after) = (self.boot, self.route_lane - self.now);
        self.push(after, Event::Inbox { boot, message });
    }

    fn inbox_wait(&mut self) -> Instant {
        if self.random.chance(20) { self.random.below(2_000) * MS } else { self.random.below(1_000) * MS / 1_000 }
    }

    fn inbox(&mut self, message: Message) -> Result<(), Finding> {
        self.trace.note(self.now, || match &message {
            Message::Configure(plan) => format!("inbox: configure, {}", plan.rules()),
            other => format!("inbox: {other:?}"),
        });
        match message {
            Message::Durable(up_to) => {
                self.auditor.batch_told();
                self.step(Input::Durable { up_to })
            }
            Message::StoreFailed => {
                self.auditor.store_told(true);
                self.step(Input::StoreFailed)
            }
            Message::StoreReady => {
                self.store_back = self.now;
                self.auditor.store_told(false);
                self.step(Input::StoreReady)
            }
            Message::Routed(up_to, failed) => self.step(Input::Routed { up_to, failed }),
            Message::RoutesLost(link) => {
                self.auditor.flush_told(link);
                self.step(Input::RoutesLost(link))
            }
            Message::RouteLost(at) => {
                self.auditor.loss_told((at.instance, at.dst));
                self.step(Input::RouteLost(at))
            }
            Message::LinkSet(port, link) => {
                self.active.ports[port] = self.plan.ports[port].clone();
                self.active.ports[port].index = link.index;
                self.active.ports[port].gone = false;
                self.auditor.site_changed(self.active.site());
                self.step(Input::LinkSet(link))
            }
            Message::LinkGone(port, index) => {
                self.auditor.tally_lost();
                self.active.ports[port].gone = true;
                self.auditor.site_changed(self.active.site());
                self.step(Input::LinkGone(index))
            }
            Message::Policy(answer) => self.step(Input::PolicyDone(answer)),
            Message::Access(tag, answer) => {
                self.auditor.answered(tag, granted(&answer));
                self.step(Input::Access { tag, answer })
            }
            Message::Command(verb) => self.command(verb).map(|_| ()),
            Message::Configure(plan) => {
                if plan.rules.suppression != self.active.rules.suppression {
                    // What leaves from now on goes by the new one.
                    self.flush()?;
                }
                let ports = std::mem::take(&mut self.active.ports);
                self.active = Plan { ports, ..*plan };
                self.auditor.site_changed(self.active.site());
                let config = Arc::new(self.active.config());
                self.step(Input::Configure(config))
            }
        }
    }

    /// Gives a command; its number.
    pub(crate) fn command(&mut self, verb: Verb) -> Result<u64, Finding> {
        self.commands += 1;
        let id = self.commands;
        if self.engine.is_some() {
            self.open_commands.insert(id);
            self.step(Input::Command { id: CommandId(id), verb })?;
        }
        Ok(id)
    }

    /// Commands without an answer.
    pub(crate) fn open_commands(&self) -> usize {
        self.open_commands.len()
    }

    // Packets.

    fn server_hears(&mut self, port: usize, meta: RxMeta, bytes: &[u8]) -> Result<(), Finding> {
        let there = self.plan.ports.get(port).is_some_and(|p| p.up && !p.gone && p.index == meta.link);
        if !there || self.engine.is_none() {
            return Ok(());
        }
        self.trace.note(self.now, || format!("-> {} {}", meta.dst, crate::trace::describe(bytes)));
        self.auditor.received(meta.link, meta.dst, bytes);
        let before = self.drops();
        self.step(Input::Datagram4 { meta, bytes })?;
        self.trace.note_if(self.now, || {
            let after = self.drops();
            let grown = DropReason::ALL.into_iter().zip(after.into_iter().zip(before));
            let reasons: Vec<_> = grown.filter(|(_, (after, before))| after > before).map(|(r, _)| r.name()).collect();
            (!reasons.is_empty()).then(|| format!("   dropped: {}", reasons.join(", ")))
        });
        Ok(())
    }

    fn drops(&self) -> Vec<u64> {
        let counted = self.engine.as_ref().filter(|_| self.trace.is_on());
        counted.map_or_else(Vec::new, |engine| engine.counters().dropped.to_vec())
    }

    fn transmit(&mut self, transmit: &Transmit) -> Result<(), Finding> {
        let to = match transmit.to {
            Destination::Frame { link, mac, dst, .. } => Towards::Frame { link, mac, dst },
            Destination::Udp { dst, port, .. } => Towards::Udp { dst, port },
        };
        self.trace.note(self.now, || format!("<- {to:?} {}", crate::trace::describe(&transmit.payload)));
        self.auditor.sent(to, &transmit.payload, &self.kernel.routes)?;
        self.carry_to_clients(to, &transmit.payload);
        Ok(())
    }
}

/// An answer as the auditor knows it.
fn granted(answer: &Authorization) -> Option<Granted> {
    let Authorization::Accepted(grant) = answer else { return None };
    Some(Granted {
        pool: grant.steer.pool.as_deref().map(str::to_owned),
        address: grant.steer.address,
        lease_secs: grant.steer.lease_secs,
        session_secs: grant.session_secs,
        username: grant.subscriber.username.to_string(),
        classes: grant.subscriber.classes.iter().map(|class| class.to_vec()).collect(),
        interim_secs: grant.subscriber.interim_secs,
    })
}

/// What is told of a session as the auditor knows it.
fn told(news: &SessionNews) -> News {
    let session = &news.session;
    News {
        told: match news.change {
            SessionChange::Bound => Told::Began,
            SessionChange::Renewed | SessionChange::Reauthorized => Told::WentOn,
            SessionChange::Released => Told::Ended(DurableState::Released),
            SessionChange::Expired => Told::Ended(DurableState::Expired),
            SessionChange::Declined => Told::Ended(DurableState::Declined),
            SessionChange::Cleared => Told::Ended(DurableState::Cleared),
        },
        session: session.session,
        start: session.start,
        address: session.address,
        xid: session.xid.0,
        multi_session: session.multi_session,
        username: session.subscriber.username.to_string(),
    }
}

/// Where clients can be.
fn places(random: &mut Random) -> Vec<Place> {
    let direct = |port| Place { port, relay: None, access_node: None };
    let behind = |relay| Place { port: 2, relay: Some(relay), access_node: None };
    let all = [direct(1), direct(2), behind(0), behind(1), behind(2), direct(3), direct(4), direct(5)];
    let mut places: Vec<Place> = all.into_iter().filter(|_| random.chance(500)).collect();
    places.push(Place { port: 1, relay: None, access_node: random.chance(500).then(|| b"\x01\x03abc".to_vec()) });
    places
}
