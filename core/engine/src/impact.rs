//! The blast radius of a commit: what a configuration to come does to live sessions.
//!
//! # What a commit does
//!
//! `Input::Configure` ends, renews and sends nothing by itself. Sessions keep address, group, route and
//! reconfiguration; what changed for a client shows at its next exchange (junos.md §14.7). When this is gone or
//! changed, a live session:
//!
//! - **its interface is in no group**: served on by its group's name; new clients there are not
//! - **its group, the interface in another one**: that one serves it from its next exchange on
//! - **its group, the interface in none**: bound until its lease ends: no REQUEST is answered, a RELEASE is taken
//! - **its pool, or its address of it: network, range**: NAK at its next REQUEST, then another address; a DISCOVER ends
//!   the binding and the one after it gets the new address
//! - **`active-drain` of its pool**: the same, from another pool of the chain
//! - **`excluded-address`, `excluded-range` over its address**: it is logged out at once (junos.md §5.1): the binding
//!   ends, the route goes, and its next REQUEST is refused
//! - **a `host` for another client has its address**: it keeps it; the other client gets it when it is free
//! - **`grace-period`**: for leases that run out from now on; what is kept already is kept as long as is said now
//! - **`hold-down` of its pool**: it renews; once its binding has ended the pool takes it no more
//! - **`link` of pools, pool names, order**: nothing: its address tells its pool
//! - **lease time, timers, options, boot fields, network length**: the new values at its next renewal; no renewal
//!   shortens what was promised before
//! - **`server-identifier`**: a renewal by unicast keeps the one that the client knows; a rebinding has the new one
//! - **`no-arp`**: its route and neighbour entry stand as they are until it rebinds, reboots or begins anew
//! - **`interface-client-limit` and other overrides**: from its next exchange on; a lower limit ends nobody
//! - **`route-suppression`**: routes and neighbour entries of its live sessions go or come at once
//! - **`asymmetric-lease-time`, `protocol-attributes`**: the new values at its next renewal
//! - **`bootp-support`**: who had an address by BOOTP keeps it, answered or not
//! - **`reconfigure` gone**: a reconfiguration that runs ends at its next attempt, and the client stays as it is
//! - **attempts, timeout, token of it**: from the next attempt on
//! - **plugins**: from the next exchange on; a reply that waits for one is finished by its own group, and not at all
//!   where its address is gone
//! - **`lease-time-validation`**: `override-lease` makes short leases longer at the next renewal; with `strict` a pool whose
//!   `maximum-lease-time` is below the threshold renews nobody
//! - **`short-cycle-protection`, `overload`**: newcomers only; a lockout that runs goes on
//! - **`remote-id-mismatch`**: nothing for who renews by unicast
//! - **access-profile**: live sessions are never asked about again
//!
//! # The forecast
//!
//! [`Verb::Impact`](crate::command::Verb::Impact) walks the bound sessions and asks for each what its next renewal by
//! unicast would get under the configuration in force and under the one to come, with the functions that answer packets
//! (`regime.rs`). In doubt it says more than happens: options count as changed although this client may not ask
//! for them. What it cannot know: what plugins of stage `admit` do, addresses and places below `interface-client-limit`
//! that run out while clients move, whether a client asks for a lease that `lease-time-validation strict` refuses, and what a session's authority would say to a client that begins anew. Who is
//! being renumbered is refused in any case: the forecast says what the configuration does to the session.
//!
//! The tables of the configuration to come are a [`Prospect`], built once and away from the packet path.

use crate::{
    Engine,
    attributes::Effective,
    command::{Cursor, PAGE_MAX, Reply},
    config::{Config, PluginId, Reconfigure},
    engine::Turn,
    interfaces::Interfaces,
    policy::Stage,
    pool::Pools,
    reconfigure::flag,
    regime::{Fate, Regime},
    server::v4::{longest_lease, told_secs},
    session::{Identity, Record, State},
    subscriber::Limits,
};
use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    vec::Vec,
};
use bindery_types::{GroupId, HwAddr, InstanceId, Ipv4Addr, LeaseTime, SessionId};

/// Most sessions that one page of [`Verb::Impact`](crate::command::Verb::Impact) looks at where it is asked for counts
/// alone: each takes about two microseconds. A page with rows looks at [`PAGE_MAX`].
pub const IMPACT_PAGE_MAX: usize = 512;

/// What a configuration does to a session, from harmless to worst.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Impact {
    /// Nothing that its client can see.
    Kept,
    /// Its next renewal gets other values with the same address.
    Changed,
    /// Its next renewal is refused, and it gets another address.
    Moved,
    /// Nobody serves it any more: its renewals get no answer until the lease has ended, or it is refused and there is
    /// no other address for it.
    Dropped,
}

/// Why: the first that holds, in this order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Reason {
    /// Neither its interface nor its group is configured.
    NoService,
    /// It is refused, and no pool has an address for it: none matches its network, or all take no new bindings.
    NoOtherAddress,
    /// Its pool's lease is shorter than `lease-time-threshold`, and the action is `strict`: no renewal is answered.
    LeaseTooShort,
    /// Its pool is gone, and no other has its address.
    PoolGone,
    /// Its pool does not have its address any more.
    AddressGone,
    /// Its address is excluded: it is logged out at once.
    Excluded,
    /// Its pool is drained (`active-drain`).
    Drained,
    /// The configuration in force has no place for it, this one has: what it is told will be new.
    PlaceAgain,
    /// Another lease time.
    LeaseTime,
    /// Another network length.
    SubnetMask,
    /// Other `options`, router and name servers among them.
    Options,
    /// Another T1 or T2.
    Timers,
    /// Another `next-server`, `boot-file` or `boot-server`.
    Boot,
    /// Another token of `reconfigure`, and it uses one.
    Token,
    /// Other plugins of stage `admit` or `shape-reply`.
    Plugins,
    /// Its route or neighbour entry comes or goes: `route-suppression`.
    Route,
}

impl Reason {
    /// In words.
    pub const fn text(self) -> &'static str {
        match self {
            Self::NoService => "neither its interface nor its group is configured",
            Self::NoOtherAddress => "its address is in no pool, and no pool has another one for it",
            Self::LeaseTooShort => "its lease is shorter than lease-time-threshold",
            Self::PoolGone => "its pool is gone",
            Self::AddressGone => "its pool does not have its address any more",
            Self::Excluded => "its address is excluded: it is logged out at once",
            Self::Drained => "its pool is drained",
            Self::PlaceAgain => "it has a place again",
            Self::LeaseTime => "other lease time",
            Self::SubnetMask => "other subnet mask",
            Self::Options => "other options",
            Self::Timers => "other renewal or rebinding time",
            Self::Boot => "other boot server or boot file",
            Self::Token => "other token",
            Self::Plugins => "other plugins",
            Self::Route => "its route or neighbour entry comes or goes",
        }
    }
}

/// Bound sessions by impact. The pages of one walk add up ([`ImpactCounts::add`]).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ImpactCounts {
    /// [`Impact::Kept`].
    pub kept: u64,
    /// [`Impact::Changed`].
    pub changed: u64,
    /// [`Impact::Moved`].
    pub moved: u64,
    /// [`Impact::Dropped`].
    pub dropped: u64,
    /// Of `moved` and `dropped`: those that the configuration in force treats no better.
    pub displaced: u64,
    /// Of all: those with a running reconfiguration that goes on by other rules, or ends.
    pub reconfiguring: u64,
}

impl ImpactCounts {
    /// Adds another page.
    pub fn add(&mut self, other: &Self) {
        self.kept += other.kept;
        self.changed += other.changed;
        self.moved += other.moved;
        self.dropped += other.dropped;
        self.displaced += other.displaced;
        self.reconfiguring += other.reconfiguring;
    }

    /// Sessions that it is this change that moves or drops.
    pub const fn displaces(&self) -> u64 {
        (self.moved + self.dropped).saturating_sub(self.displaced)
    }

    fn count(&mut self, forecast: &Forecast) {
        *match forecast.impact {
            Impact::Kept => &mut self.kept,
            Impact::Changed => &mut self.changed,
            Impact::Moved => &mut self.moved,
            Impact::Dropped => &mut self.dropped,
        } += 1;
        self.displaced += u64::from(forecast.displaced);
        self.reconfiguring += u64::from(forecast.reconfiguring);
    }
}

/// A session that is not kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ImpactView {
    /// Session.
    pub session: SessionId,
    /// Address.
    pub address: Ipv4Addr,
    /// Hardware address.
    pub hw: HwAddr,
    /// Pool, as it was called when the session was last written.
    pub pool: Box<str>,
    /// Group that served it last.
    pub group: Box<str>,
    /// Interface the client logged in on.
    pub interface: Box<str>,
    /// What becomes of it.
    pub impact: Impact,
    /// Why.
    pub reason: Reason,
    /// Whether the configuration in force treats it no better.
    pub displaced: bool,
}

/// A configuration that may come into force, with its tables. To build one takes time where pools are large: not a
/// thing for the thread of the packets.
#[derive(Debug)]
pub struct Prospect {
    pub(crate) config: Arc<Config>,
    pub(crate) pools: Pools,
    groups: BTreeMap<InstanceId, BTreeMap<Box<str>, GroupId>>,
    pool_names: BTreeMap<InstanceId, BTreeSet<Box<str>>>,
    pub(crate) interfaces: Interfaces,
    former: Option<Vec<Option<PluginId>>>,
}

impl Prospect {
    /// The tables of `config`, whose routing instances are numbered as those of the configuration in force
    /// ([`Config::following`]). Its plugins are taken to be those of the configuration in force, number by number: see
    /// [`Prospect::with_plugins`].
    pub fn new(config: Arc<Config>) -> Self {
        let mut groups: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        let mut pool_names: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for (id, group) in (0..=u16::MAX).map(GroupId).zip(&config.groups) {
            groups.entry(group.instance).or_default().entry(group.name.clone()).or_insert(id);
        }
        let interfaces = Interfaces::new(&config);
        for pool in &config.pools {
            pool_names.entry(pool.instance).or_default().insert(pool.name.clone());
        }
        Self { pools: Pools::new(&config), config, groups, pool_names, interfaces, former: None }
    }

    /// Says which plugin of the configuration in force does the same as each of this one, by number; `None` for one
    /// that is new, or has another module or other settings.
    #[must_use]
    pub fn with_plugins(mut self, former: Vec<Option<PluginId>>) -> Self {
        self.former = Some(former);
        self
    }

    /// The configuration.
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    pub(crate) fn group(&self, instance: InstanceId, name: &str) -> Option<GroupId> {
        self.groups.get(&instance)?.get(name).copied()
    }

    fn has_pool(&self, instance: InstanceId, name: &str) -> bool {
        self.pool_names.get(&instance).is_some_and(|names| names.contains(name))
    }

    /// Whether a chain does what `old` does under the configuration in force.
    fn is_same_chain(&self, old: &[PluginId], new: &[PluginId]) -> bool {
        let Some(former) = &self.former else { return old == new };
        let of_new = new.iter().map(|id| former.get(usize::from(id.0)).copied().flatten());
        old.iter().copied().map(Some).eq(of_new)
    }
}

/// Two are equal that stand for the same configuration.
impl PartialEq for Prospect {
    fn eq(&self, other: &Self) -> bool {
        self.config == other.config && self.former == other.former
    }
}

impl Eq for Prospect {}

/// What was found out of a session.
struct Forecast {
    impact: Impact,
    /// `None` for one that is kept.
    reason: Option<Reason>,
    displaced: bool,
    reconfiguring: bool,
}

/// Two configurations side by side.
struct Comparison<'a> {
    old: Regime<'a, 'a>,
    new: Regime<'a, 'a>,
    prospect: &'a Prospect,
    now: LeaseTime,
}

impl<'a> Comparison<'a> {
    fn forecast(&self, record: &Record, identity: &Identity<'_>) -> Forecast {
        let old = self.old.fate(record);
        let new = self.new.fate(record);
        let (impact, reason) = match (old, new) {
            (_, Fate::Silent | Fate::Refused | Fate::TooShort) => {
                let (impact, reason) = displacement(&self.new, &new, record, identity);
                let gone = reason == Reason::AddressGone
                    && !self.prospect.has_pool(record.instance(), self.new.name(record.pool));
                (impact, Some(if gone { Reason::PoolGone } else { reason }))
            }
            (Fate::Granted(..), Fate::Granted(..)) => match self.difference((&old, &new), record, identity) {
                Some(reason) => (Impact::Changed, Some(reason)),
                None => (Impact::Kept, None),
            },
            (_, Fate::Granted(..)) => (Impact::Changed, Some(Reason::PlaceAgain)),
        };
        let displaced =
            impact >= Impact::Moved && !old.is_granted() && displacement(&self.old, &old, record, identity).0 >= impact;
        Forecast { impact, reason, displaced, reconfiguring: self.disturbs_run(record) }
    }

    /// What of the next ACK would be another.
    fn difference(
        &self,
        (old, new): (&Fate<'_>, &Fate<'_>),
        record: &Record,
        identity: &Identity<'_>,
    ) -> Option<Reason> {
        let (Fate::Granted(old_served, old_pool), Fate::Granted(new_served, new_pool)) = (old, new) else {
            return None;
        };
        let was = Effective::of(self.old.config, *old_served, old_pool);
        let will = Effective::of(self.new.config, *new_served, new_pool);
        let limits = Limits::of(identity.subscriber);
        let valid = |regime: &Regime<'_, '_>, served, secs| regime.validated(served, secs).unwrap_or(secs);
        let old_valid = |secs| limits.cut(valid(&self.old, old_served, secs), self.now);
        let new_valid = |secs| limits.cut(valid(&self.new, new_served, secs), self.now);
        let (mut old_lease, mut new_lease) = (old_valid(longest_lease(&was)), new_valid(longest_lease(&will)));
        let old_told = |secs| told_secs(self.old.config, *old_served, secs);
        let new_told = |secs| told_secs(self.new.config, *new_served, secs);
        // Who was given less asked for less (option 51), and will again.
        let last = match record.end {
            LeaseTime::NEVER => u32::MAX,
            end => u32::try_from(record.cltt.secs_until(end)).unwrap_or(u32::MAX),
        };
        if record.flags & flag::BOOTP != 0 {
            // It was told of none.
            (old_lease, new_lease) = (u32::MAX, u32::MAX);
        } else if last < old_lease.min(new_lease) && old_told(old_lease) == old_lease {
            (old_lease, new_lease) = (last, new_valid(last));
        }
        let (old_lease, new_lease) = (old_told(old_lease), new_told(new_lease));
        let same_chain = |stage| {
            let (old, new) = (old_served.chain(self.old.config, stage), new_served.chain(self.new.config, stage));
            self.prospect.is_same_chain(old, new)
        };
        let token_of = |of: Option<&'a Reconfigure>| of.and_then(|reconfigure| reconfigure.token.as_ref());
        let same_token =
            token_of(old_served.reconfigure(self.old.config)) == token_of(new_served.reconfigure(self.new.config));
        let found = [
            (old_lease != new_lease, Reason::LeaseTime),
            (old_pool.network.mask() != new_pool.network.mask(), Reason::SubnetMask),
            (!was.same_options(&will), Reason::Options),
            (was.timers(old_lease) != will.timers(new_lease), Reason::Timers),
            (!was.same_boot(&will), Reason::Boot),
            (record.flags & flag::TOKEN != 0 && !same_token, Reason::Token),
            (!same_chain(Stage::Admit) || !same_chain(Stage::ShapeReply), Reason::Plugins),
            (
                record.route.shown(old_served.route_suppression(self.old.config))
                    != record.route.shown(new_served.route_suppression(self.new.config)),
                Reason::Route,
            ),
        ];
        found.into_iter().find(|(differs, _)| *differs).map(|(_, reason)| reason)
    }

    /// Whether a reconfiguration runs that goes on by other rules, or ends.
    fn disturbs_run(&self, record: &Record) -> bool {
        record.flags & flag::RECONFIGURING != 0 && self.old.reconfigure_of(record) != self.new.reconfigure_of(record)
    }
}

/// What becomes of a session that is not granted its address any more.
fn displacement(
    regime: &Regime<'_, '_>,
    fate: &Fate<'_>,
    record: &Record,
    identity: &Identity<'_>,
) -> (Impact, Reason) {
    match fate {
        Fate::Silent => (Impact::Dropped, Reason::NoService),
        Fate::TooShort => (Impact::Dropped, Reason::LeaseTooShort),
        _ if !regime.offers_another(record, identity) => (Impact::Dropped, Reason::NoOtherAddress),
        _ => (Impact::Moved, regime.refusal(record)),
    }
}

impl Engine {
    /// One page of a forecast.
    pub(crate) fn impact_page(&self, turn: Turn, prospect: &Prospect, cursor: Cursor, rows: Option<Impact>) -> Reply {
        let most = if rows.is_some() { PAGE_MAX } else { IMPACT_PAGE_MAX };
        let mut slots = Vec::new();
        let next = self.sessions.page(cursor.0, u32::try_from(most).unwrap_or(u32::MAX), &mut slots).map(Cursor);
        let (old, new) = (self.regime(&self.config), self.regime_to_come(prospect));
        let comparison = Comparison { old, new, prospect, now: turn.lease };
        let (mut counts, mut views) = (ImpactCounts::default(), Vec::new());
        for slot in slots {
            let Some(record) = self.sessions.get(slot).filter(|record| record.state() == State::Bound) else {
                continue;
            };
            let Some(identity) = self.sessions.identity(slot) else { continue };
            let forecast = comparison.forecast(record, &identity);
            counts.count(&forecast);
            if let Some(reason) = forecast.reason
                && rows.is_some_and(|least| forecast.impact >= least)
            {
                views.push(ImpactView {
                    session: record.id(),
                    address: record.address(),
                    hw: identity.hw,
                    pool: self.names.name(record.pool).into(),
                    group: self.names.name(record.group).into(),
                    interface: self.names.name(record.link()).into(),
                    impact: forecast.impact,
                    reason,
                    displaced: forecast.displaced,
                });
            }
        }
        Reply::Impact { counts, rows: views, next }
    }

    /// Whether the configuration in force has no place for a bound session: it is refused at its next renewal, or
    /// nobody answers it.
    pub(crate) fn is_displaced(&self, record: &Record) -> bool {
        record.state() == State::Bound && !self.regime(&self.config).fate(record).is_granted()
    }
}
