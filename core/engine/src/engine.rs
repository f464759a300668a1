//! The engine object: what it holds, and the dispatch of its inputs.

use crate::{
    access::Lobby,
    binding::BindingEvent,
    clock::{LeaseClock, Observed},
    commit::Rings,
    config::Config,
    event::{Counters, Event},
    grace::Grace,
    history::{Origin, What, Why},
    input::{CommandId, Input, Link},
    limit::Crossings,
    links::Links,
    lockout::Lockouts,
    output::Outbox,
    overload::Overload,
    parked::Parking,
    policy::{Policy, Stage},
    pool::{Hold, Pools},
    reconfigure,
    record::MetaRecord,
    session::{IdentityBuf, NameId, Names, Record, SessionTable, Slot, SlotRef, State},
    sweep::Sweep,
};
use alloc::{collections::VecDeque, sync::Arc, vec::Vec};
use bindery_types::{EngineId, GroupId, InstanceId, LeaseTime, Mono, Now, PoolId, SessionId};
use bindery_wire::v4::Reply;
use core::time::Duration;
use hashbrown::{HashMap, HashSet};

pub(crate) type State64 = foldhash::fast::FixedState;

/// How long an offered address is held for its client, seconds.
pub(crate) const OFFER_HOLD_SECS: u64 = 60;

/// While the wall clock is behind nothing ends but offers, which no restart outlives; how often that is looked at anew,
/// seconds.
const HELD_SECS: u64 = 60;

/// How long a declined address stays in quarantine, seconds.
pub const QUARANTINE_SECS: u64 = 3_600;

/// How long a tombstone is kept after the binding ended, seconds: the horizon of leasequery.
pub const TOMBSTONE_SECS: u64 = 86_400;

/// Tombstones kept at the least, however few addresses the pools have.
const TOMBSTONES_MIN: usize = 65_536;

/// Session ids are reserved on storage in blocks of this many, so that none is used twice.
const ID_BLOCK: u64 = 65_536;

/// How far changes may have been counted past the last one on storage when a process ends: those in flight, and those
/// of windows that failed. Replay values hang on them, and OFFERs and NAKs with one wait for no write.
const CHANGES_AHEAD: u64 = 1 << 20;

/// How often the two clocks are persisted.
const META_EVERY: Duration = Duration::from_secs(10);

/// Most deadlines handled in one turn; the next turn follows at once.
const DUE_MAX: usize = 256;

/// `Record::pending`: a write is in flight.
pub(crate) const BUSY_STORE: u8 = 1;
/// `Record::pending`: the exchange waits for its route.
pub(crate) const BUSY_ROUTE: u8 = 2;
/// `Record::pending`: the exchange waits for a plugin.
pub(crate) const BUSY_HOOK: u8 = 4;

/// A tombstone that an offer covers.
#[derive(Clone, Debug)]
pub(crate) struct Shadow {
    pub(crate) record: Record,
    /// Its identity, where the offer has another: what was granted, and what was wished for the client.
    pub(crate) identity: Option<alloc::boxed::Box<IdentityBuf>>,
}

/// The time of the input that is being handled, on all clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn {
    pub(crate) now: Now,
    pub(crate) lease: LeaseTime,
}

/// The DHCP engine. Synchronous and deterministic: the same inputs make the same outputs.
///
/// Life: [`Engine::new`], [`Engine::restore`] with what the session database holds, `Input::LinkSet` for each
/// interface, then `Input`s as they come. After each batch of inputs flush [`Engine::outbox`]. Before
/// [`Engine::next_timeout`] passes, hand it `Input::Tick`.
#[derive(Debug)]
pub struct Engine {
    pub(crate) id: EngineId,
    pub(crate) config: Arc<Config>,
    pub(crate) sessions: SessionTable,
    pub(crate) names: Names,
    pub(crate) pools: Pools,
    pub(crate) links: Links,
    /// What the shell was told of routing instances.
    tables_told: Vec<crate::output::InstanceTable>,
    pub(crate) clock: LeaseClock,
    pub(crate) rings: Rings,
    pub(crate) parking: Parking,
    /// Renewed sessions that are to be written.
    pub(crate) behind: crate::behind::Behind,
    /// What the configuration calls us in option 54.
    pub(crate) server_identifiers: alloc::collections::BTreeSet<bindery_types::Ipv4Addr>,
    /// The configuration suppresses routes of some group.
    pub(crate) suppresses: bool,
    /// Sessions whose routes are set or unset anew.
    pub(crate) suppression: crate::suppression::Rewrite,
    /// DISCOVERs that are held back.
    pub(crate) delays: crate::delay::Delays,
    /// Newcomers that wait for an authority.
    pub(crate) lobby: Lobby,
    /// Sessions by the line they are on.
    pub(crate) lines: crate::lines::Lines,
    /// What is shed before it is parsed, and the offers.
    pub(crate) overload: Overload,
    /// Clients that are locked out.
    pub(crate) lockouts: Lockouts,
    /// Interfaces at their `interface-client-limit`, and the log of lease times.
    pub(crate) crossings: Crossings,
    /// Address probes, liveness detection, foreign servers.
    pub(crate) neighbours: crate::neighbour::Neighbours,
    /// Tombstones that a running offer covers, by slot: put back when the offer lapses.
    pub(crate) shadows: HashMap<Slot, Shadow, State64>,
    /// Addresses that are kept for clients whose lease ran out, by the slot of their tombstone or what covers it.
    pub(crate) graces: HashMap<Slot, Grace, State64>,
    /// How far the search for sessions of excluded addresses has come.
    pub(crate) sweep: Option<Sweep>,
    /// Which session has each route beside the access-internal ones.
    pub(crate) extra_routes: HashMap<crate::route::Destination, SlotRef, State64>,
    /// Tombstones in the order in which they were made, with the change that made each: an entry whose record has
    /// changed since is stale.
    pub(crate) tombstones: VecDeque<(SlotRef, u64)>,
    /// Declined addresses in the order in which they came: the oldest is given up when a pool is exhausted.
    pub(crate) quarantines: VecDeque<SlotRef>,
    /// Sessions to end, or to reconfigure, as soon as their exchange is over, each with the command that wants it.
    pub(crate) wanted: Vec<(SlotRef, Option<reconfigure::Purpose>, CommandId)>,
    /// Pages of commands whose writes are not durable yet.
    pub(crate) pages: Vec<crate::operator::CommandPage>,
    /// Clients that are being reconfigured.
    pub(crate) schedule: reconfigure::Schedule,
    /// Makes nonces (RFC 6704 §3.1.3) that nobody can guess.
    pub(crate) nonce_key: [u8; 32],
    /// The change that replay values count from, and how many were used behind it.
    pub(crate) replays: (u64, u16),
    pub(crate) counters: Counters,
    /// What happened to subscribers.
    pub(crate) history: crate::history::History,
    /// What is worked on.
    pub(crate) origin: Origin,
    /// Who asks by the next command.
    pub(crate) actor: crate::history::Actor,
    pub(crate) outbox: Outbox,
    pub(crate) reply: Reply,
    pub(crate) identity: IdentityBuf,
    buffers: Vec<Vec<u8>>,
    /// Names of the configured groups, by `GroupId`.
    pub(crate) group_names: Vec<NameId>,
    /// Names of the configured pools, by `PoolId`.
    pool_names: Vec<NameId>,
    pub(crate) pool_ids: HashMap<(InstanceId, NameId), PoolId, State64>,
    pub(crate) group_ids: HashMap<(InstanceId, NameId), GroupId, State64>,
    pub(crate) sessions_made: u64,
    sessions_reserved: u64,
    /// [`MetaRecord::promises_from`] of this run.
    promises_from: u64,
    pub(crate) change: u64,
    /// The newest change that storage surely counts from.
    pub(crate) change_stored: u64,
    /// The newest durable changes.
    pub(crate) feed: crate::feed::Feed,
    meta_due: Mono,
    /// Most tombstones kept.
    tombstones_max: usize,
    /// Interfaces that appeared and whose sessions have no route there yet.
    pub(crate) unprojected: HashSet<NameId, State64>,
    /// How far their projection has come.
    pub(crate) projected: u32,
    /// Those that appeared since it began: the next one is theirs.
    pub(crate) unprojected_next: HashSet<NameId, State64>,
    /// Every wanted route was found standing, and none was flushed since.
    pub(crate) reconciled: bool,
    /// Whether anybody is told what happens to sessions.
    pub(crate) observed: bool,
    /// No further event about exhausted pools before this.
    pub(crate) exhausted_quiet_until: LeaseTime,
}

impl Engine {
    /// An engine without sessions and interfaces. `hash_seed` should be random: it keeps clients from choosing
    /// colliding keys.
    pub fn new(id: EngineId, hash_seed: u64, now: Now, config: Arc<Config>) -> Self {
        let mut engine = Self {
            id,
            config: Arc::default(),
            sessions: SessionTable::new(hash_seed),
            names: Names::new(hash_seed),
            pools: Pools::new(&Config::default()),
            links: Links::default(),
            tables_told: Vec::new(),
            clock: LeaseClock::start(now, None, LeaseTime(0)),
            rings: Rings::default(),
            parking: Parking::default(),
            behind: crate::behind::Behind::default(),
            server_identifiers: alloc::collections::BTreeSet::new(),
            suppresses: false,
            suppression: crate::suppression::Rewrite::default(),
            delays: crate::delay::Delays::default(),
            lobby: Lobby::new(hash_seed),
            lines: crate::lines::Lines::new(hash_seed),
            overload: Overload::new(hash_seed),
            lockouts: Lockouts::new(hash_seed),
            crossings: Crossings::default(),
            neighbours: crate::neighbour::Neighbours::default(),
            shadows: HashMap::with_hasher(State64::with_seed(hash_seed)),
            graces: HashMap::with_hasher(State64::with_seed(hash_seed)),
            sweep: None,
            extra_routes: HashMap::with_hasher(State64::with_seed(hash_seed)),
            tombstones: VecDeque::new(),
            quarantines: VecDeque::new(),
            wanted: Vec::new(),
            pages: Vec::new(),
            schedule: reconfigure::Schedule::default(),
            nonce_key: [0; 32],
            replays: (0, 0),
            counters: Counters::default(),
            history: crate::history::History::new(hash_seed),
            origin: Origin::default(),
            actor: crate::history::Actor::Unknown,
            outbox: Outbox::default(),
            reply: Reply::new(),
            identity: IdentityBuf::new(),
            buffers: Vec::new(),
            group_names: Vec::new(),
            pool_names: Vec::new(),
            pool_ids: HashMap::default(),
            group_ids: HashMap::default(),
            sessions_made: 0,
            sessions_reserved: 0,
            promises_from: 0,
            change: 0,
            change_stored: 0,
            feed: crate::feed::Feed::default(),
            meta_due: now.mono,
            tombstones_max: TOMBSTONES_MIN,
            unprojected: HashSet::with_hasher(State64::with_seed(hash_seed)),
            unprojected_next: HashSet::with_hasher(State64::with_seed(hash_seed)),
            projected: 0,
            reconciled: false,
            observed: false,
            exhausted_quiet_until: LeaseTime(0),
        };
        engine.configure(config);
        engine
    }

    /// Sets the key that nonces are made with (RFC 6704 §3.1.3): random, new at each start. Without it they follow from
    /// zeros, as a simulation wants.
    pub fn set_nonce_key(&mut self, key: [u8; 32]) {
        self.nonce_key = key;
    }

    /// Feeds one input. Never blocks, never fails; effects gather in [`Engine::outbox`].
    pub fn handle(&mut self, now: Now, input: Input<'_>, policy: &mut dyn Policy) {
        let turn = Turn { now, lease: self.clock.at(now.mono) };
        self.history.wall = now.wall.0;
        self.begin_event(Why::Unknown);
        if self.clock.has_stepped(now) {
            // Both clocks are persisted at the next tick, which is due at once.
            self.meta_due = now.mono;
        }
        if !matches!(input, Input::LinkSet(_) | Input::LinkGone(_)) {
            self.settle_links();
        }
        match input {
            Input::Datagram4 { meta, bytes } => self.datagram4(turn, meta, bytes, policy),
            Input::ServerMessage4 { meta, bytes } => self.server_message4(turn, meta, bytes),
            Input::Arp(arp) => self.arp(turn, arp, policy),
            Input::Durable { up_to } => self.durable(turn, up_to),
            Input::Routed { up_to, failed } => self.routed(turn, up_to, &failed),
            Input::StoreFailed => self.store_failed(),
            Input::StoreReady => self.store_ready(turn),
            Input::Access { tag, answer } => self.access_done(turn, tag, answer, policy),
            Input::PolicyDone(answer) => self.policy_done(turn, &answer, policy),
            Input::LinkSet(link) => self.link_set(turn, link),
            Input::LinkGone(index) => {
                self.links.remove(index);
                self.tell_tables();
            }
            Input::RoutesLost(index) => {
                self.reconciled = false;
                self.links.routes_lost(index);
            }
            Input::RouteLost(at) => self.route_lost(at),
            Input::RoutesReconciled => self.reconciled = true,
            Input::Command { id, verb } => self.command(turn, id, verb, policy),
            Input::Configure(config) => self.configure(config),
            Input::Tick => self.tick(turn, policy),
        }
        if self.pools.has_crossings() {
            self.tell_crossings();
        }
    }

    /// A tick has work at once.
    pub(crate) fn come_again(&mut self) {
        self.meta_due = Mono::from_secs(0);
    }

    /// The effects since the last flush. The shell drains the vectors.
    pub fn outbox(&mut self) -> &mut Outbox {
        &mut self.outbox
    }

    /// Gives a sent buffer back for the next reply.
    pub fn recycle(&mut self, mut buffer: Vec<u8>) {
        const POOLED_MAX: usize = 1_024;
        if self.buffers.len() < POOLED_MAX {
            buffer.clear();
            self.buffers.push(buffer);
        }
    }

    /// The configuration in force, with the numbers of routing instances that sessions have.
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// Counters since start or their last clearing.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Counts packets that the sockets dropped, before the engine saw them or after it made them: one table for all.
    pub fn count_dropped(&mut self, reason: crate::event::DropReason, packets: u64) {
        self.counters.drop_many(reason, packets);
    }

    /// Packets dropped so far, for whatever reason.
    pub fn dropped(&self) -> u64 {
        self.counters.dropped.iter().sum()
    }

    /// How many live sessions are on the interface called `name`.
    pub fn live_on(&self, name: &str) -> u32 {
        self.names.find(name).map_or(0, |link| self.sessions.live_on_link(link))
    }

    /// Bytes in use by part of the session table.
    pub fn memory(&self) -> crate::session::MemoryUse {
        self.sessions.memory()
    }

    /// Earliest instant at which `Input::Tick` has work. May move after any input.
    pub fn next_timeout(&self) -> Mono {
        let mut next = self.meta_due;
        if let Some(due) = self.sessions.next_due()
            && self.can_end_leases()
        {
            next = next.min(self.clock.mono_of(due.plus_secs(1)));
        }
        for deadline in
            [self.parking.next_deadline(), self.lobby.next_deadline(), self.delays.next_due()].into_iter().flatten()
        {
            next = next.min(deadline);
        }
        if let Some(due) = self.neighbours.next(self.rings.store_down) {
            next = next.min(due);
        }
        for due in [self.schedule.next(), self.behind.due()].into_iter().flatten() {
            if !self.rings.store_down {
                next = next.min(due);
            }
        }
        self.next_sweep().map_or(next, |due| next.min(due))
    }

    /// Panics where a rule between the tables is broken: for tests and simulation.
    pub fn check_invariants(&self) {
        self.sessions.check_invariants();
        self.links.check_invariants(&self.config, &self.pools);
        assert!(self.rings.commits.len() <= crate::commit::COMMITS_MAX + DUE_MAX + crate::command::PAGE_MAX + 64);
        assert!(self.parking.len() <= crate::parked::PARKED_MAX);
        self.lobby.check_invariants();
        self.delays.check_invariants();
        self.check_offers();
        self.lockouts.check_invariants();
        self.neighbours.check_invariants();
        self.schedule.check_invariants();
        self.feed.check_invariants();
        self.history.check_invariants();
        self.check_behind();
        assert!(self.schedule.len() <= self.sessions.len() as usize);
        for (at, handle) in &self.extra_routes {
            let holder = self.sessions.resolve(*handle).and_then(|slot| self.sessions.get(slot));
            assert_eq!(holder.map(Record::state), Some(State::Bound), "the route to {at} is nobody's");
        }
        self.check_pools();
        for slot in self.shadows.keys() {
            assert_eq!(self.sessions.get(*slot).map(Record::state), Some(State::Offered), "shadow without offer");
        }
    }

    /// Whether what is due can be written; else it waits for the store, and no tick could do anything about it.
    fn can_end_leases(&self) -> bool {
        !self.rings.store_down && self.rings.has_room()
    }

    pub(crate) fn buffer(&mut self) -> Vec<u8> {
        self.buffers.pop().unwrap_or_else(|| Vec::with_capacity(576))
    }

    pub(crate) fn pool_name(&self, pool: PoolId) -> NameId {
        self.pool_names.get(usize::from(pool.0)).copied().unwrap_or(NameId::EMPTY)
    }

    /// The next session id; reserves a block of them on storage first where the last one is used up.
    pub(crate) fn next_session_id(&mut self) -> SessionId {
        self.sessions_made += 1;
        if self.sessions_made > self.sessions_reserved {
            self.sessions_reserved = self.sessions_made + ID_BLOCK;
            self.write_meta();
        }
        SessionId::new(self.id, self.sessions_made)
    }

    /// Continues the running numbers where the database left them.
    pub(crate) fn resume_numbers(&mut self, meta: Option<&MetaRecord>, sessions_made: u64, change: u64) {
        let (made, changed) = meta.map_or((0, 0), |m| (m.sessions_made, m.change));
        self.sessions_made = made.max(sessions_made);
        self.sessions_reserved = self.sessions_made;
        self.change_stored = changed.max(change);
        self.change = self.change_stored + CHANGES_AHEAD;
        self.promises_from = match meta {
            Some(meta) if meta.in_order => meta.promises_from,
            // What has no facts has no records either.
            _ => self.change,
        };
    }

    /// Whether changes may be counted that storage will only hear of later: a restart must not use their numbers again.
    pub(crate) fn may_count_further(&self) -> bool {
        self.change - self.change_stored < CHANGES_AHEAD / 2
    }

    /// Counts a change that is answered before it is written.
    pub(crate) fn count_at_once(&mut self, turn: Turn) {
        self.change += 1;
        if self.change - self.change_stored > CHANGES_AHEAD / 4 && self.rings.facts.is_none() {
            self.meta_due = self.meta_due.min(turn.now.mono);
        }
    }

    pub(crate) fn meta(&self) -> MetaRecord {
        MetaRecord {
            lease_clock: self.clock.lease_to_persist(),
            wall: self.clock.wall_to_persist(),
            sessions_made: self.sessions_reserved,
            change: self.change,
            in_order: false,
            promises_from: self.promises_from,
        }
    }

    fn link_set(&mut self, turn: Turn, link: Link) {
        let index = link.index;
        let new = self.links.set(link, &mut self.names);
        if new && let Some(name) = self.links.get(index).map(|l| l.name) {
            self.unprojected_next.insert(name);
        }
        if self.links.is_dirty() {
            self.meta_due = self.meta_due.min(turn.now.mono);
        }
    }

    /// Works out what the configuration says of interfaces that came or changed.
    pub(crate) fn settle_links(&mut self) {
        if self.links.is_dirty() {
            let config = Arc::clone(&self.config);
            self.links.settle(&config, &mut self.pools);
            self.project_moved();
            self.tell_tables();
        }
    }

    /// Tells the shell where routes and packets of routing instances go, and what is to be dropped, when that has changed.
    fn tell_tables(&mut self) {
        self.outbox.snooped.append(&mut self.links.take_snooped());
        if self.tables_told != self.links.tables() {
            self.tables_told = self.links.tables().to_vec();
            self.outbox.tables = Some(self.tables_told.clone());
        }
    }

    /// Takes over a configuration: pools are rebuilt around the addresses in use, sessions stay what they are.
    pub(crate) fn configure(&mut self, config: Arc<Config>) {
        let config = config.following(&self.config);
        let suppressed = self.suppressions();
        let groups = config.groups.iter().map(|g| self.names.intern(&g.name)).collect();
        let former = core::mem::replace(&mut self.group_names, groups);
        self.pool_names = config.pools.iter().map(|p| self.names.intern(&p.name)).collect();
        self.pool_ids.clear();
        for (id, (name, pool)) in (0..=u16::MAX).map(PoolId).zip(self.pool_names.iter().zip(&config.pools)) {
            self.pool_ids.insert((pool.instance, *name), id);
        }
        self.group_ids.clear();
        for (id, (name, group)) in (0..=u16::MAX).map(GroupId).zip(self.group_names.iter().zip(&config.groups)) {
            self.group_ids.entry((group.instance, *name)).or_insert(id);
        }
        // A reply that waits for a plugin is finished by its own group, whatever that one's number is now.
        for draft in self.parking.drafts_mut() {
            let name = former.get(usize::from(draft.served.group.0));
            let id = name.and_then(|name| self.group_ids.get(&(draft.served.instance, *name)));
            draft.served.group = id.copied().unwrap_or(GroupId(u16::MAX));
            draft.served.interface = usize::MAX;
        }
        self.sessions.set_duplicate_clients(config.instances.iter().map(|instance| instance.server.duplicate_clients));
        self.change_pools(&config);
        let addresses = self.pools.total();
        self.tombstones_max = TOMBSTONES_MIN.max(usize::try_from(addresses).unwrap_or(usize::MAX));
        self.links.resolve(&config, &mut self.pools);
        self.project_moved();
        self.tell_tables();
        self.overload.configure(&config);
        let observes = |chains: &crate::config::Chains| chains.get(Stage::SessionEvents).is_some_and(|c| !c.is_empty());
        self.observed = config.groups.iter().any(|group| group.account || observes(&group.chains))
            || config.interfaces.iter().any(|interface| observes(&interface.chains));
        self.server_identifiers = config.server_identifiers().collect();
        self.suppresses = config.groups.iter().any(|group| group.route_suppression.is_some());
        let former = core::mem::replace(&mut self.config, config);
        self.begin_rewrite(&suppressed);
        self.retrace_lines(&former);
        self.configure_liveness();
    }

    fn tick(&mut self, turn: Turn, policy: &mut dyn Policy) {
        let observed = self.clock.observe(turn.now);
        if observed == Observed::CaughtUp {
            self.outbox.events.push(Event::ClockCaughtUp);
        }
        self.expire_parked(turn);
        self.expire_questions(turn);
        self.take_up_delayed(turn, policy);
        self.expire_probes(turn, policy);
        if self.rings.store_down {
            // Nothing can be made durable: no lease ends meanwhile, and the shell keeps asking for the store.
            self.meta_due = turn.now.mono.plus(Duration::from_secs(1));
            return;
        }
        if observed != Observed::Steady || turn.now.mono >= self.meta_due {
            self.write_meta();
            self.meta_due = turn.now.mono.plus(META_EVERY);
        }
        self.abate_limits();
        self.do_wanted(turn);
        self.write_behind(turn);
        self.expire_due(turn);
        self.reconfigure_due(turn, policy);
        self.liveness_due(turn);
        self.purge_tombstones(turn);
        self.sweep_excluded(turn);
        if self.project_links() | self.rewrite_routes() {
            self.meta_due = turn.now.mono;
        }
    }

    /// Does what is due: offers lapse, leases expire, tombstones and quarantines go.
    fn expire_due(&mut self, turn: Turn) {
        // A deadline in second n is due when n is over: a lease is never shorter than promised.
        let due = LeaseTime(turn.lease.0.saturating_sub(1));
        for _ in 0..DUE_MAX {
            if !self.rings.has_room() {
                return;
            }
            let Some(slot) = self.sessions.pop_due(due) else {
                return;
            };
            let Some(record) = self.sessions.get(slot).copied() else {
                continue;
            };
            let deadline = self.deadline(slot, &record);
            if deadline > due {
                self.sessions.schedule(slot, deadline);
            } else if record.pending != 0 {
                self.sessions.schedule(slot, turn.lease.plus_secs(1));
            } else if record.state() != State::Offered && !self.clock.may_expire() {
                self.sessions.schedule(slot, turn.lease.plus_secs(HELD_SECS));
            } else {
                self.expire(turn, slot, &record);
            }
        }
        // More may be due: come again at once.
        self.meta_due = self.meta_due.min(turn.now.mono);
    }

    fn expire(&mut self, turn: Turn, slot: Slot, record: &Record) {
        self.begin_event(Why::Time);
        match record.state() {
            State::Offered => self.lapse_offer(slot),
            State::Bound => {
                self.commit_end(turn, slot, BindingEvent::Expire, None, None);
            }
            State::Expired if self.graces.contains_key(&slot) => {
                self.forget_grace(slot);
                self.sessions.schedule(slot, deadline_of(record));
            }
            State::Released | State::Expired | State::Cleared | State::Declined => self.commit_purge(turn, slot),
        }
    }

    /// An offer ends without a lease: the address is free, a tombstone below it comes back.
    pub(crate) fn lapse_offer(&mut self, slot: Slot) {
        let Some(record) = self.sessions.get(slot).copied() else {
            return;
        };
        if record.state() != State::Offered || record.pending != 0 {
            return;
        }
        self.note_session(What::Lapsed, slot);
        self.pools.free(record.instance(), record.address(), Hold::Offered);
        match self.shadows.remove(&slot) {
            Some(Shadow { record: saved, identity }) => {
                if self.sessions.apply(slot, &saved).is_ok() {
                    self.keep_again(slot);
                    self.sessions.schedule(slot, self.deadline(slot, &saved));
                }
                if let Some(identity) = identity {
                    // Cannot fail: the client key is the one it was found by.
                    let kept = self.sessions.set_identity(slot, &identity);
                    debug_assert!(kept.is_ok(), "{kept:?}");
                }
            }
            None => {
                self.sessions.remove(slot);
            }
        }
    }

    /// Bounds the number of tombstones: the oldest go first, those that still carry a promise last.
    pub(crate) fn purge_tombstones(&mut self, turn: Turn) {
        let states = [State::Released, State::Expired, State::Cleared];
        for _ in 0..DUE_MAX {
            let count: usize = states.iter().map(|state| self.sessions.count_of(*state) as usize).sum();
            let stale = self.tombstones.len() > 2 * self.tombstones_max;
            if (count <= self.tombstones_max && !stale) || !self.rings.has_room() || self.rings.store_down {
                return;
            }
            let Some((oldest, change)) = self.tombstones.pop_front() else { return };
            let Some(slot) = self.sessions.resolve(oldest) else { continue };
            let Some(record) = self.sessions.get(slot).filter(|r| r.change == change) else { continue };
            match record.state() {
                // An offer covers it: it comes back when that lapses, with its own deadline.
                State::Offered | State::Bound | State::Declined => {}
                State::Released | State::Expired | State::Cleared => {
                    let promised = record.state() == State::Cleared && turn.lease < record.end;
                    let promised = promised || self.graces.contains_key(&slot);
                    if promised || record.pending != 0 || count <= self.tombstones_max {
                        self.tombstones.push_back((oldest, change));
                    } else {
                        self.commit_purge(turn, slot);
                    }
                }
            }
        }
    }

    /// Notes a declined address. Entries of quarantines that are over go before they are more than the others.
    pub(crate) fn remember_quarantine(&mut self, slot: SlotRef) {
        const SPARE: usize = 64;
        if self.quarantines.len() >= 2 * self.sessions.count_of(State::Declined) as usize + SPARE {
            let sessions = &self.sessions;
            let lives = |slot: Slot| sessions.get(slot).is_some_and(|r| r.state() == State::Declined);
            self.quarantines.retain(|handle| sessions.resolve(*handle).is_some_and(lives));
        }
        self.quarantines.push_back(slot);
    }

    /// Gives the oldest declined address of a pool up: the pool is exhausted, and whoever drained it by declining must
    /// not keep others from it. It is free when that is durable. Other pools keep their quarantines.
    pub(crate) fn give_up_quarantine(&mut self, turn: Turn, pool: PoolId) {
        if self.rings.store_down || !self.rings.has_room() {
            return;
        }
        let mut at = 0;
        for _ in 0..DUE_MAX {
            let Some(handle) = self.quarantines.get(at).copied() else { return };
            let slot = self.sessions.resolve(handle);
            let record = slot.and_then(|slot| self.sessions.get(slot)).filter(|r| r.state() == State::Declined);
            let (Some(slot), Some(record)) = (slot, record) else {
                self.quarantines.remove(at);
                continue;
            };
            let of = self.pools.pool_of(record.instance(), record.address());
            let helps = of.is_some_and(|of| !self.pools.is_held_down(of) && self.pools.in_chain(pool, of));
            if helps && record.pending == 0 {
                self.quarantines.remove(at);
                let asked =
                    core::mem::replace(&mut self.origin, Origin { why: Why::PoolExhausted, ..Origin::default() });
                self.commit_purge(turn, slot);
                self.origin = asked;
                return;
            }
            at += 1;
        }
    }
}

/// When a record is next looked at.
pub(crate) fn deadline_of(record: &Record) -> LeaseTime {
    match record.state() {
        State::Offered | State::Bound | State::Declined => record.end,
        State::Released | State::Expired => record.changed.plus_secs(TOMBSTONE_SECS),
        State::Cleared => record.end.max(record.changed.plus_secs(TOMBSTONE_SECS)),
    }
}
