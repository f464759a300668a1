//! An engine on a bench: writers that answer at once or when told to, and a clock that stands until moved.

use bindery_engine::{
    Engine, Input,
    access::AccessQuestion,
    command::{Cursor, Filter, Reply, Verb},
    config::{Attributes, Chains, Config, Group, Interface, Lease, Overrides, Pool, Range},
    event::{DropReason, Event, SessionNews},
    input::{CommandId, Link, LinkAddress, RxMeta, StoreSeq},
    output::{Destination, Mutation, StoreOp, Transmit},
    policy::{NoPolicy, Policy},
    record::{BindingKey, DurableState, IdentityRecord, LeaseRecord, MetaRecord, StoredSession},
    route::{Destination as RouteTo, Route, RouteChange, RouteError, RouteFailure, RouteOp, RouteSeq},
};
use bindery_types::{EngineId, GroupId, IfIndex, InstanceId, Ipv4Addr, MacAddr, Mono, Now, SessionId, Wall};
use bindery_wire::v4::{MessageBuilder, MessageType, OptionCode, Packet, ParseRules};
use std::{collections::BTreeMap, sync::Arc};

pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
pub(crate) const LINK: IfIndex = IfIndex(7);
pub(crate) const LEASE_SECS: u32 = 3_600;

/// What a client would see of a reply.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) to: Destination,
    pub(crate) bytes: Vec<u8>,
}

impl Heard {
    pub(crate) fn packet(&self) -> Packet<'_> {
        Packet::parse(&self.bytes, ParseRules::default()).expect("our own replies parse")
    }

    pub(crate) fn message(&self) -> MessageType {
        self.packet().message_type().expect("our replies have a type")
    }

    pub(crate) fn option(&self, code: OptionCode) -> Option<Vec<u8>> {
        self.packet().option(code).map(|value| value.into_owned())
    }

    pub(crate) fn yiaddr(&self) -> Ipv4Addr {
        self.packet().yiaddr()
    }
}

/// The engine with its surroundings.
pub(crate) struct Lab {
    pub(crate) engine: Engine,
    pub(crate) policy: Box<dyn Policy>,
    pub(crate) now: Now,
    /// Mutations that were not answered yet.
    pub(crate) mutations: Vec<Mutation>,
    pub(crate) routes: Vec<RouteOp>,
    pub(crate) heard: Vec<Heard>,
    pub(crate) events: Vec<Event>,
    pub(crate) replies: Vec<(CommandId, Reply)>,
    /// What was asked of the segment.
    pub(crate) probes: Vec<bindery_engine::neighbour::Probe>,
    /// What an authority was asked and has not answered.
    pub(crate) questions: Vec<AccessQuestion>,
    /// What was told of sessions.
    pub(crate) news: Vec<SessionNews>,
    /// What is on stable storage.
    pub(crate) disk: BTreeMap<BindingKey, LeaseRecord>,
    pub(crate) identities: BTreeMap<SessionId, IdentityRecord>,
    pub(crate) meta: Option<MetaRecord>,
    /// What stands in the kernel.
    pub(crate) kernel: BTreeMap<Ipv4Addr, Route>,
    /// The same by whole destination, with those that are no host routes.
    pub(crate) fib: BTreeMap<RouteTo, Route>,
    /// Foreign routes.
    pub(crate) foreign: Vec<Ipv4Addr>,
    /// Whether the writers answer at once.
    pub(crate) prompt: bool,
    pub(crate) xid: u32,
}

pub(crate) fn mac(last: u8) -> MacAddr {
    MacAddr([2, 0, 0, 0, 0, last])
}

pub(crate) fn ip(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 0, 2, last)
}

/// One group on eth*, one pool of 192.0.2.10 to .13.
pub(crate) fn config() -> Config {
    Config {
        groups: vec![Group {
            name: "access".into(),
            instance: InstanceId(0),
            overrides: Overrides::default(),
            chains: Chains::default(),
            reconfigure: None,
            allow_leasequery: false,
            authenticate: false,
            account: false,
            ..Group::default()
        }],
        interfaces: vec![Interface {
            pattern: "eth*".into(),
            group: GroupId(0),
            overrides: None,
            chains: Chains::default(),
            ..Interface::default()
        }],
        pools: vec![Pool {
            name: "pool".into(),
            instance: InstanceId(0),
            network: "192.0.2.0/24".parse().unwrap(),
            ranges: vec![Range { name: "r".into(), low: ip(10), high: ip(13) }],
            hosts: Vec::new(),
            host_table: None,
            excluded: Vec::new(),
            link: None,
            hold_down: false,
            attributes: Attributes {
                lease: Lease::Secs(LEASE_SECS),
                options: vec![
                    (OptionCode::ROUTER, SERVER.octets().into()),
                    (OptionCode::DOMAIN_NAME_SERVER, [192, 0, 2, 53].into()),
                ],
                ..Attributes::default()
            },
            ..Pool::default()
        }],
        ..Config::default()
    }
}

pub(crate) fn link(index: IfIndex, name: &str, addresses: &[(Ipv4Addr, u8)]) -> Link {
    Link {
        index,
        name: name.into(),
        up: true,
        loopback: name == "lo",
        mac: Some(MacAddr([2, 0xff, 0, 0, 0, 1])),
        addresses: addresses.iter().map(|&(address, len)| LinkAddress { address, len }).collect(),
        vrf: None,
        table: None,
    }
}

impl Lab {
    pub(crate) fn new(config: Config) -> Self {
        let now = Now { mono: Mono::from_secs(100), wall: Wall(1_800_000_000) };
        let mut lab = Self::bare(config, now);
        lab.engine.restore(now, None, []);
        lab.input(Input::LinkSet(link(LINK, "eth1", &[(SERVER, 24)])));
        lab
    }

    pub(crate) fn bare(config: Config, now: Now) -> Self {
        Self {
            engine: Engine::new(EngineId(0), 7, now, Arc::new(config)),
            policy: Box::new(NoPolicy),
            now,
            mutations: Vec::new(),
            routes: Vec::new(),
            heard: Vec::new(),
            events: Vec::new(),
            replies: Vec::new(),
            probes: Vec::new(),
            questions: Vec::new(),
            news: Vec::new(),
            disk: BTreeMap::new(),
            identities: BTreeMap::new(),
            meta: None,
            kernel: BTreeMap::new(),
            fib: BTreeMap::new(),
            foreign: Vec::new(),
            prompt: true,
            xid: 0,
        }
    }

    /// Kills the engine and starts another on the same disk, `down` seconds later, with the kernel as it is.
    pub(crate) fn restart(self, config: Config, down: u64) -> Self {
        let wall = Wall(self.now.wall.0 + down);
        self.restart_at(config, Mono::from_secs(5), wall)
    }

    /// The same, with the clocks as they are then.
    pub(crate) fn restart_at(self, config: Config, mono: Mono, wall: Wall) -> Self {
        self.start_again(config, Now { mono, wall }, true)
    }

    /// The same, with storage that takes its time from the first moment.
    pub(crate) fn restart_on_slow_storage(self, config: Config, down: u64) -> Self {
        let wall = Wall(self.now.wall.0 + down);
        self.start_again(config, Now { mono: Mono::from_secs(5), wall }, false)
    }

    fn start_again(self, config: Config, now: Now, prompt: bool) -> Self {
        let mut lab = Self::bare(config, now);
        lab.prompt = prompt;
        let stored: Vec<StoredSession> = self
            .disk
            .iter()
            .map(|(key, lease)| StoredSession { lease: *lease, identity: self.identities[&key.session].clone() })
            .collect();
        lab.disk = self.disk;
        lab.identities = self.identities;
        lab.kernel = self.kernel;
        lab.fib = self.fib;
        lab.meta = self.meta;
        lab.engine.restore(now, lab.meta.as_ref(), stored);
        lab.input(Input::LinkSet(link(LINK, "eth1", &[(SERVER, 24)])));
        lab
    }

    pub(crate) fn input(&mut self, input: Input<'_>) {
        self.engine.handle(self.now, input, &mut *self.policy);
        self.flush();
        self.engine.check_invariants();
    }

    fn flush(&mut self) {
        loop {
            let outbox = self.engine.outbox();
            let sent = std::mem::take(&mut outbox.transmits);
            self.heard.extend(sent.into_iter().map(|Transmit { to, payload, .. }| Heard { to, bytes: payload }));
            self.events.append(&mut outbox.events);
            self.replies.append(&mut outbox.replies);
            self.probes.append(&mut outbox.probes);
            self.questions.append(&mut outbox.questions);
            self.news.append(&mut outbox.sessions);
            self.mutations.append(&mut outbox.mutations);
            self.routes.append(&mut outbox.routes);
            if !self.prompt || (self.mutations.is_empty() && self.routes.is_empty()) {
                return;
            }
            self.answer_store();
            self.answer_routes();
        }
    }

    /// The store answers for all it has.
    pub(crate) fn answer_store(&mut self) {
        let mut up_to = StoreSeq(0);
        for mutation in std::mem::take(&mut self.mutations) {
            up_to = mutation.seq;
            match mutation.op {
                StoreOp::Put { lease, identity } => {
                    self.disk.insert(lease.key, lease);
                    if let Some(identity) = identity {
                        self.identities.insert(lease.key.session, *identity);
                    }
                }
                StoreOp::Delete { key, session } => {
                    self.disk.remove(&key);
                    session.map(|session| self.identities.remove(&session));
                }
                StoreOp::Meta(meta) => self.meta = Some(meta),
            }
        }
        if up_to != StoreSeq(0) {
            self.engine.handle(self.now, Input::Durable { up_to }, &mut *self.policy);
            self.collect();
        }
    }

    /// The kernel answers for all it has.
    pub(crate) fn answer_routes(&mut self) {
        let (mut up_to, mut failed) = (RouteSeq(0), Vec::new());
        for op in std::mem::take(&mut self.routes) {
            up_to = op.seq;
            match op.change {
                RouteChange::Set(route) if self.foreign.contains(&route.dst) => {
                    failed.push(RouteFailure { seq: op.seq, error: RouteError::Foreign });
                }
                RouteChange::Set(route) => {
                    self.kernel.insert(route.dst, route);
                    self.fib.insert(route.destination(), route);
                }
                RouteChange::Unset(at) => {
                    self.kernel.remove(&at.dst);
                    self.fib.remove(&at);
                }
            }
        }
        if up_to != RouteSeq(0) {
            self.engine.handle(self.now, Input::Routed { up_to, failed }, &mut *self.policy);
            self.collect();
        }
    }

    fn collect(&mut self) {
        let prompt = std::mem::replace(&mut self.prompt, false);
        self.flush();
        self.prompt = prompt;
    }

    /// Moves both clocks, a second at a time, with a tick each.
    pub(crate) fn pass(&mut self, secs: u64) {
        for _ in 0..secs {
            self.now.mono = self.now.mono.plus(std::time::Duration::from_secs(1));
            self.now.wall.0 += 1;
            self.input(Input::Tick);
        }
    }

    /// Jumps ahead, then ticks until nothing is due.
    pub(crate) fn jump(&mut self, secs: u64) {
        self.now.mono = self.now.mono.plus(std::time::Duration::from_secs(secs));
        self.now.wall.0 += secs;
        for _ in 0..8 {
            self.input(Input::Tick);
        }
    }

    pub(crate) fn broadcast(&mut self, message: &MessageBuilder) -> Option<Heard> {
        self.packet(message, Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST)
    }

    pub(crate) fn unicast(&mut self, message: &MessageBuilder, src: Ipv4Addr) -> Option<Heard> {
        self.packet(message, src, SERVER)
    }

    pub(crate) fn packet(&mut self, message: &MessageBuilder, src: Ipv4Addr, dst: Ipv4Addr) -> Option<Heard> {
        self.packet_on(LINK, message, src, dst)
    }

    /// Sends a packet and returns the first reply to it, if one came at once.
    pub(crate) fn packet_on(
        &mut self,
        on: IfIndex,
        message: &MessageBuilder,
        src: Ipv4Addr,
        dst: Ipv4Addr,
    ) -> Option<Heard> {
        self.xid += 1;
        let bytes = message.clone().xid(self.xid).build();
        let before = self.heard.len();
        let src_mac = Packet::parse(&bytes, ParseRules::default()).ok().and_then(|p| p.hw_addr().mac());
        let meta = RxMeta { link: on, src, src_port: 68, dst, src_mac };
        self.input(Input::Datagram4 { meta, bytes: &bytes });
        (self.heard.len() > before).then(|| self.heard.remove(before))
    }

    pub(crate) fn discover(&mut self, last: u8) -> Option<Heard> {
        self.broadcast(&MessageBuilder::discover(mac(last)))
    }

    pub(crate) fn select(&mut self, last: u8, address: Ipv4Addr) -> Option<Heard> {
        self.broadcast(&MessageBuilder::request_selecting(mac(last), address, SERVER))
    }

    pub(crate) fn renew(&mut self, last: u8, address: Ipv4Addr) -> Option<Heard> {
        self.unicast(&MessageBuilder::request_renewing(mac(last), address), address)
    }

    /// A whole DORA; the leased address.
    pub(crate) fn lease(&mut self, last: u8) -> Ipv4Addr {
        let offer = self.discover(last).expect("an offer");
        assert_eq!(offer.message(), MessageType::Offer);
        let ack = self.select(last, offer.yiaddr()).expect("an ack");
        assert_eq!(ack.message(), MessageType::Ack);
        assert_eq!(ack.yiaddr(), offer.yiaddr());
        ack.yiaddr()
    }

    pub(crate) fn dropped(&self, reason: DropReason) -> u64 {
        self.engine.counters().dropped[reason as usize]
    }

    pub(crate) fn dropped_in_all(&self) -> u64 {
        self.engine.counters().dropped.iter().sum()
    }

    /// State on disk of the binding of an address.
    /// The newest record of an address on the disk.
    pub(crate) fn record(&self, address: Ipv4Addr) -> Option<LeaseRecord> {
        let is_it = |lease: &&LeaseRecord| lease.bound == bindery_engine::record::Bound::V4Address(address);
        self.disk.values().filter(is_it).max_by_key(|lease| lease.change).copied()
    }

    pub(crate) fn state(&self, address: Ipv4Addr) -> Option<DurableState> {
        self.record(address).map(|lease| lease.state)
    }

    pub(crate) fn command(&mut self, verb: Verb) -> Option<Reply> {
        self.xid += 1;
        let id = CommandId(u64::from(self.xid));
        self.input(Input::Command { id, verb });
        let at = self.replies.iter().position(|(of, _)| *of == id)?;
        Some(self.replies.remove(at).1)
    }

    pub(crate) fn clear(&mut self, filter: Filter) -> Option<Reply> {
        self.command(Verb::ClearBindings { filter, cursor: Cursor::START })
    }
}
