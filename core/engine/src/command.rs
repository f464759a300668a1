//! What operators ask of the engine. Long lists go by pages: a cursor, at most [`PAGE_MAX`] rows a turn.

use crate::{
    event::Counters,
    history::{HistoryCursor, HistoryKey, HistoryView},
    impact::{Impact, ImpactCounts, ImpactView, Prospect},
    lockout::Cause,
    policy::Attribute,
    reconfigure::{Capability, Phase, Purpose},
    record::DurableState,
    subscriber::Subscriber,
};
use alloc::{boxed::Box, sync::Arc, vec::Vec};
use bindery_types::{HwAddr, InstanceId, Ipv4Addr, LeaseTime, MacAddr, Prefix4, SessionId, Xid};
use core::time::Duration;

/// Most rows that one command may touch: it bounds the time for which packets wait.
pub const PAGE_MAX: usize = 256;

/// A command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verb {
    /// Sessions that match, from `cursor` on.
    Bindings {
        /// Which.
        filter: Filter,
        /// Where to go on; start with [`Cursor::START`].
        cursor: Cursor,
    },
    /// Numbers by state.
    Summary,
    /// Counters.
    Statistics,
    /// Sets the counters to zero, those of interfaces too.
    ClearStatistics,
    /// Counters by interface, from `cursor` on. Interfaces on which nothing was counted are left out.
    LinkStatistics {
        /// Only this one; a trailing `*` matches any rest.
        interface: Option<Box<str>>,
        /// Where to go on.
        cursor: Cursor,
    },
    /// Sets the counters of one interface to zero; the totals stay.
    ClearLinkStatistics {
        /// The interface.
        interface: Box<str>,
    },
    /// What happened to somebody, from `cursor` on; entries come in no order.
    History {
        /// Whom it is about.
        key: HistoryKey,
        /// Where to go on.
        cursor: HistoryCursor,
    },
    /// Numbers for monitoring, which cost nothing by session.
    Gauges,
    /// Ends sessions that match, from `cursor` on: a durable tombstone each (design §2.2), then the route.
    ClearBindings {
        /// Which.
        filter: Filter,
        /// Where to go on.
        cursor: Cursor,
    },
    /// The routes that should stand, from `cursor` on.
    Routes {
        /// Where to go on.
        cursor: Cursor,
    },
    /// Usage by pool.
    Pools,
    /// Foreign DHCP servers seen on served interfaces.
    RogueServers,
    /// Forgets the foreign DHCP servers seen so far.
    ClearRogueServers,
    /// Moves sessions that match, from `cursor` on (junos.md §8.1).
    Reconfigure {
        /// Which.
        filter: Filter,
        /// Where to go on.
        cursor: Cursor,
        /// What for.
        purpose: Purpose,
        /// Most clients that are begun with; a page may begin with fewer.
        most: u32,
    },
    /// A RADIUS Disconnect-Request (RFC 5176 §3.1) for the one bound session that matches.
    Disconnect {
        /// What the session must match.
        keys: DisconnectKeys,
        /// All attributes of the request, for the plugins.
        attributes: Vec<Attribute>,
    },
    /// A RADIUS CoA-Request (RFC 5176 §3.2) for the one bound session that matches. Answered by
    /// [`Reply::Disconnected`].
    ChangeAuthorization {
        /// What the session must match.
        keys: DisconnectKeys,
        /// What shall become of it.
        change: AuthorizationChange,
        /// All attributes of the request, for the plugins.
        attributes: Vec<Attribute>,
    },
    /// What a configuration would do to bound sessions, from `cursor` on.
    Impact {
        /// The configuration.
        prospect: Arc<Prospect>,
        /// Where to go on.
        cursor: Cursor,
        /// Rows of the sessions that it does at least this to, never of those that it keeps; `None` for counts alone.
        rows: Option<Impact>,
    },
    /// What bound clients were seen to answer, by vendor class, from `cursor` on. Classes come up once a page.
    Capability {
        /// Where to go on.
        cursor: Cursor,
    },
    /// Sessions that match and changed behind a position of the change order, each once, with its last durable state.
    Changes {
        /// Where the reader is: `next` of the answer before, or [`CHANGES_NOW`].
        after: u64,
        /// Which.
        filter: Filter,
    },
    /// Entries of `short-cycle-protection`: one, or all from `cursor` on.
    Lockouts {
        /// Which one; `None` for all.
        index: Option<u32>,
        /// Where to go on.
        cursor: Cursor,
    },
    /// Forgets an entry of `short-cycle-protection`, or all.
    ClearLockouts {
        /// Which one; `None` for all.
        index: Option<u32>,
    },
    /// Takes over bindings of another server.
    Import {
        /// At most [`PAGE_MAX`]; what is more is refused.
        rows: Vec<ImportedBinding>,
    },
}

/// A position that no change has: the answer is `lost`, and its `next` is where the full state begins to be followed.
pub const CHANGES_NOW: u64 = u64::MAX;

/// Which sessions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Filter {
    /// All live ones.
    All,
    /// The one with this address.
    Address(Ipv4Addr),
    /// Those of this hardware address.
    Mac(MacAddr),
    /// The one with this id.
    Session(SessionId),
    /// Those of the routing instance of this name that the other filter selects.
    Instance(Box<str>, Box<Filter>),
    /// Those whose login came in on this interface; a trailing `*` matches any rest.
    Interface(Box<str>),
    /// Those with an address of this pool.
    Pool(Box<str>),
    /// Bound ones whose lease was too short for `lease-time-validation` at the last request.
    LeaseTimeViolation,
    /// Bound ones that the configuration in force has no place for: the next renewal is refused, or nobody answers it
    /// ([`crate::impact`]).
    Displaced,
}

impl Filter {
    /// What it selects by, of whatever routing instance.
    pub fn innermost(&self) -> &Self {
        match self {
            Self::Instance(_, inner) => inner.innermost(),
            _ => self,
        }
    }
}

/// Where a paged command goes on. Opaque; sessions that come and go between pages may be missed or seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cursor(pub u32);

impl Cursor {
    /// The beginning.
    pub const START: Self = Self(0);
}

/// An answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reply {
    /// To `Bindings`.
    Bindings {
        /// One page.
        rows: Vec<BindingView>,
        /// Where to go on; `None` at the end.
        next: Option<Cursor>,
    },
    /// To `Summary`.
    Summary(Summary),
    /// To `Statistics`.
    Statistics(Box<Counters>),
    /// To `ClearStatistics` and `ClearLinkStatistics`.
    Cleared,
    /// To `ClearLinkStatistics`: there is no such interface.
    NoInterface,
    /// To `LinkStatistics`.
    LinkStatistics {
        /// One page.
        rows: Vec<LinkStatistics>,
        /// Where to go on; `None` at the end.
        next: Option<Cursor>,
    },
    /// To `History`.
    History {
        /// One page.
        rows: Vec<HistoryView>,
        /// Where to go on; `None` at the end.
        next: Option<HistoryCursor>,
    },
    /// To `Gauges`.
    Gauges(Box<Gauges>),
    /// To `ClearBindings`: answered when the tombstones of this page are durable, or with `failed`.
    ClearedBindings {
        /// How many were ended.
        count: u32,
        /// Whether the store failed: nothing of this page was ended.
        failed: bool,
        /// Where to go on; `None` at the end.
        next: Option<Cursor>,
    },
    /// To `Routes`.
    Routes {
        /// One page.
        rows: Vec<RouteView>,
        /// Where to go on; `None` at the end.
        next: Option<Cursor>,
    },
    /// To `Pools`.
    Pools(Vec<PoolView>),
    /// To `RogueServers`: the one that was seen last first.
    RogueServers(Vec<crate::neighbour::rogue::RogueView>),
    /// To `Reconfigure`: answered when the first attempts of this page are durable.
    Reconfigured(Reconfigured),
    /// To `Disconnect`: a success is answered when it is on storage.
    Disconnected(Disconnected),
    /// To `Impact`.
    Impact {
        /// Of one page; all of them add up.
        counts: ImpactCounts,
        /// Of one page.
        rows: Vec<ImpactView>,
        /// Where to go on; `None` at the end.
        next: Option<Cursor>,
    },
    /// To `Capability`.
    Capability {
        /// One page's classes.
        rows: Vec<CapabilityRow>,
        /// Where to go on; `None` at the end.
        next: Option<Cursor>,
    },
    /// To `Changes`.
    Changes {
        /// One page, in the order of the changes.
        rows: Vec<ChangeView>,
        /// Where to go on.
        next: u64,
        /// Changes behind `after` were forgotten, or it is of another life of the engine: the reader must take the full
        /// state again, and follow it from `next`.
        lost: bool,
        /// Whether more is there already.
        more: bool,
    },
    /// To `Lockouts`.
    Lockouts {
        /// One page.
        rows: Vec<LockoutView>,
        /// Where to go on; `None` at the end.
        next: Option<Cursor>,
    },
    /// To `ClearLockouts`.
    ClearedLockouts {
        /// How many there were.
        count: u32,
    },
    /// To `Import`: answered when all is durable, or with `failed`.
    Imported {
        /// How many are bound now.
        imported: u32,
        /// Which were refused, by their index, and why.
        refused: Vec<(u32, ImportRefusal)>,
        /// Whether the store failed: not all of `imported` are on storage.
        failed: bool,
    },
}

/// Counters of an interface.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LinkStatistics {
    /// Its name.
    pub interface: Box<str>,
    /// Its counters.
    pub counters: Box<Counters>,
}

/// Numbers for monitoring: all are kept, none is counted by a walk.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Gauges {
    /// The counters.
    pub counters: Counters,
    /// Records by [`State`](crate::session::State), with its name.
    pub sessions: Vec<(&'static str, u64)>,
    /// Sessions that are being reconfigured; they count as bound too.
    pub reconfiguring: u64,
    /// Usage by pool.
    pub pools: Vec<PoolView>,
    /// Writes that wait for storage.
    pub storing: u64,
    /// Exchanges that wait for a route.
    pub routing: u64,
    /// Exchanges that wait for a plugin.
    pub parked: u64,
    /// Newcomers that wait for an authority.
    pub asking: u64,
    /// Whether the session database can be written.
    pub store_up: bool,
}

/// A binding that another server gave. The times are the client's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ImportedBinding {
    /// Its address.
    pub address: Ipv4Addr,
    /// Hardware address of the client.
    pub hw: HwAddr,
    /// Option 61, empty for none: with the hardware address it must be what the client sends, or it is another client.
    pub client_id: Box<[u8]>,
    /// Seconds left; `None` for an infinite lease.
    pub expires_in: Option<u32>,
    /// Interface of the client or its relay; `None` where it is not known. It need not be there now.
    pub interface: Option<Box<str>>,
    /// Relay; 0.0.0.0 for a direct client, or where it is not known.
    pub giaddr: Ipv4Addr,
    /// Option 12, empty for none.
    pub host_name: Box<[u8]>,
}

/// Why a binding is not imported. Nothing of it has changed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ImportRefusal {
    /// No pool has the address in a range or a `host`, or it is our own.
    NotInPool,
    /// A `host` keeps it for another client.
    Reserved,
    /// Another client has it, or it is in quarantine.
    Taken,
    /// Its pool takes no new bindings.
    HoldDown,
    /// The client has a binding of another address of the network.
    HasAnother,
    /// An exchange with the client is under way: to be tried again.
    Busy,
    /// No group serves the interface.
    NoGroup,
    /// The lease is over.
    Over,
    /// A part of the client's identity is too long.
    TooLong,
    /// More than [`PAGE_MAX`] at once.
    TooMany,
}

impl core::fmt::Display for ImportRefusal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::NotInPool => "the address is in no pool",
            Self::Reserved => "the address is reserved for another client",
            Self::Taken => "the address is in use or in quarantine",
            Self::HoldDown => "the pool takes no new bindings",
            Self::HasAnother => "the client has another address of this network",
            Self::Busy => "an exchange with the client is under way",
            Self::NoGroup => "no group serves the interface",
            Self::Over => "the lease is over",
            Self::TooLong => "the client identifier or host name is too long",
            Self::TooMany => "too many bindings at once",
        })
    }
}

/// A change of a session that is on storage.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChangeView {
    /// Its position in the change order.
    pub sequence: u64,
    /// What became of the session.
    pub what: ChangeKind,
    /// The session since then.
    pub binding: BindingView,
}

/// What became of a session. Changes that nobody has read yet are one: the last.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ChangeKind {
    /// It holds a new lease.
    Bound,
    /// Its lease goes on, or what was granted to it has changed.
    Renewed,
    /// It is being reconfigured.
    Reconfiguring,
    /// The client gave the lease back.
    Released,
    /// The lease ran out.
    Expired,
    /// We ended it.
    Cleared,
    /// The client found its address in use.
    Declined,
    /// It may have matched the filter before, and does not any more.
    Left,
}

impl ChangeKind {
    /// Whether a reader that keeps the sessions it was told of forgets this one.
    pub const fn ends(self) -> bool {
        !matches!(self, Self::Bound | Self::Renewed | Self::Reconfiguring)
    }
}

/// What identifies a session in a request of RFC 5176 §3: it must match all that is given. An interface alone
/// identifies none.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DisconnectKeys {
    /// Acct-Session-Id.
    pub session: Option<SessionId>,
    /// When the session began, where the Acct-Session-Id says so: a session that ended and began anew keeps its id.
    pub start: Option<LeaseTime>,
    /// Acct-Multi-Session-Id.
    pub multi_session: Option<SessionId>,
    /// User-Name.
    pub username: Option<Box<str>>,
    /// Framed-IP-Address.
    pub address: Option<Ipv4Addr>,
    /// Calling-Station-Id.
    pub mac: Option<MacAddr>,
    /// NAS-Port-Id.
    pub interface: Option<Box<str>>,
}

/// What a CoA-Request changes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AuthorizationChange {
    /// Session-Timeout, seconds from now.
    pub session_secs: Option<u32>,
    /// Framed-Pool: the client is moved to an address of this pool.
    pub pool: Option<Box<str>>,
    /// Framed-IP-Address: the client is moved to this address.
    pub address: Option<Ipv4Addr>,
}

/// What became of a Disconnect- or CoA-Request.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Disconnected {
    /// The session has ended.
    Cleared,
    /// Its reconfiguration has begun, or was running.
    Reconfiguring,
    /// The change is on storage.
    Changed,
    /// The group of the session has no `reconfigure`, or asks no authority: the client cannot be moved.
    Unsupported,
    /// The configuration has no such pool, or the address is in none.
    BadValue,
    /// A plugin keeps the session.
    Ignored,
    /// No bound session matches.
    NotFound,
    /// More than one matches: nothing was done.
    Several,
    /// The session database cannot be written.
    Failed,
}

/// What one page of `Reconfigure` did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Reconfigured {
    /// Clients whose first attempt is on storage.
    pub started: u32,
    /// Clients that were reconfiguring already, or whose binding had ended.
    pub ignored: u32,
    /// Clients that had only an offer: it was taken back.
    pub cleared: u32,
    /// Clients whose group has no `reconfigure`.
    pub not_configured: u32,
    /// Whether the store failed: not all of `started` are on storage.
    pub failed: bool,
    /// Where to go on; `None` at the end.
    pub next: Option<Cursor>,
}

/// Bound clients of one vendor class, by what they were seen to answer.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CapabilityRow {
    /// Option 60, empty for none.
    pub vendor_class: Box<[u8]>,
    /// Bound clients.
    pub clients: u64,
    /// Of those: that have a nonce of us.
    pub offer_nonce: u64,
    /// Of those: that renewed at a FORCERENEW with their nonce.
    pub nonce: u64,
    /// With the token.
    pub token: u64,
    /// Without authentication.
    pub plain: u64,
    /// That answered no attempt.
    pub deaf: u64,
    /// That were never asked.
    pub unknown: u64,
}

/// How far the reconfiguration of a client is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReconfigureView {
    /// Whether it runs, or the next renewal gets a NAK.
    pub phase: Phase,
    /// FORCERENEWs sent.
    pub attempts: u8,
    /// Seconds until the next one, or until the client is given up.
    pub next_in: Option<u64>,
    /// What it was seen to answer.
    pub capability: Capability,
    /// Whether it has a nonce of us (RFC 6704).
    pub has_nonce: bool,
}

/// Numbers by public state (junos.md §11.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Summary {
    /// Nothing allocated yet.
    pub init: u64,
    /// Bound.
    pub bound: u64,
    /// OFFER sent.
    pub selecting: u64,
    /// A first REQUEST waits for storage or route.
    pub requesting: u64,
    /// A renewal waits for storage or route.
    pub renewing: u64,
    /// A release waits for storage.
    pub releasing: u64,
    /// Being reconfigured; they count as bound too.
    pub reconfiguring: u64,
    /// Read at start, their interface has not appeared.
    pub restoring: u64,
}

/// Public state of a session (junos.md §12.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PublicState {
    /// OFFER sent, memory only.
    Selecting,
    /// First REQUEST being made durable.
    Requesting,
    /// Holds the lease.
    Bound,
    /// Renewal being made durable.
    Renewing,
    /// FORCERENEWs are being sent.
    Reconfiguring,
    /// Being ended.
    Releasing,
    /// Ended; only shown by session id.
    Ended(DurableState),
}

/// A session as an operator sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BindingView {
    /// Session id.
    pub session: SessionId,
    /// Address.
    pub address: Ipv4Addr,
    /// Hardware address.
    pub hw: HwAddr,
    /// State.
    pub state: PublicState,
    /// Seconds left; `None` for an infinite lease.
    pub expires_in: Option<u64>,
    /// Age of the session in seconds.
    pub started_ago: u64,
    /// Seconds since the last packet of the client (CLTT).
    pub last_packet_ago: u64,
    /// Interface the client logged in on.
    pub interface: Box<str>,
    /// Routing instance; `default` for the default one.
    pub instance: Box<str>,
    /// Its number in this run.
    pub instance_id: InstanceId,
    /// Option 54 of the last reply.
    pub server_id: Ipv4Addr,
    /// Relay; 0.0.0.0 for none.
    pub giaddr: Ipv4Addr,
    /// Pool.
    pub pool: Box<str>,
    /// Group.
    pub group: Box<str>,
    /// Option 61, empty for none.
    pub client_id: Box<[u8]>,
    /// Option 82, empty for none.
    pub relay_info: Box<[u8]>,
    /// Option 60, empty for none.
    pub vendor_class: Box<[u8]>,
    /// Option 12, empty for none.
    pub host_name: Box<[u8]>,
    /// When the session began.
    pub start: LeaseTime,
    /// The session that it goes on from after a renumbering, else its own id.
    pub multi_session: SessionId,
    /// What an authority has granted.
    pub subscriber: Subscriber,
    /// Xid of the last exchange.
    pub xid: Xid,
    /// Seconds until the client renews (T1) and rebinds (T2), as its pool says now; 0 where that is over, `None` for an
    /// infinite lease or where there is no pool.
    pub timers: [Option<u64>; 2],
    /// Whether the client speaks BOOTP, not DHCP.
    pub bootp: bool,
    /// Whether its lease was too short for `lease-time-validation` at the last request.
    pub lease_time_violated: bool,
    /// Its reconfiguration.
    pub reconfigure: ReconfigureView,
    /// What liveness detection knows; `None` where it does not concern the session.
    pub liveness: Option<crate::neighbour::liveness::LivenessState>,
    /// Whether a route belongs to it, and whether it is known to stand.
    pub route: RouteState,
}

/// A client of `short-cycle-protection` as an operator sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LockoutView {
    /// Its number, from 1; of a client that was forgotten the number is used again.
    pub index: u32,
    /// Hardware address.
    pub hw: HwAddr,
    /// Option 61, empty for none.
    pub client_id: Box<[u8]>,
    /// Interface.
    pub interface: Box<str>,
    /// Circuit-id of its relay, empty for none.
    pub circuit_id: Box<[u8]>,
    /// For how long it is still locked out; zero while it is watched.
    pub locked_for: Duration,
    /// Since its last cycle.
    pub elapsed: Duration,
    /// When it will be forgotten.
    pub forgotten_in: Duration,
    /// Cycles.
    pub count: u32,
    /// What the last cycle was.
    pub cause: Cause,
    /// The lockout that the next cycle will bring, seconds.
    pub next_secs: u64,
    /// `lockout-min-time`, seconds.
    pub min_secs: u32,
    /// `lockout-max-time`, seconds.
    pub max_secs: u32,
}

/// Whether a session's route stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RouteState {
    /// None: relay not on-link at the ingress interface.
    NotOnLink,
    /// None: `route-suppression` of its group.
    Suppressed,
    /// Asked for.
    Pending,
    /// In the forwarding plane.
    Installed,
}

/// A route as an operator sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RouteView {
    /// Destination.
    pub dst: Ipv4Addr,
    /// Its length: 32 for an access-internal route.
    pub len: u8,
    /// Routing instance; `default` for the default one.
    pub instance: Box<str>,
    /// Whether it is the access-internal route; else one via the client, beside it.
    pub access_internal: bool,
    /// Interface.
    pub interface: Box<str>,
    /// Gateway.
    pub via: Option<Ipv4Addr>,
    /// Preferred source.
    pub src: Option<Ipv4Addr>,
    /// Metric.
    pub metric: Option<u32>,
    /// Table in place of the instance's.
    pub table: Option<u32>,
    /// Tag.
    pub tag: Option<u32>,
    /// The session it belongs to.
    pub session: SessionId,
    /// Seconds since the session began.
    pub age_secs: u64,
    /// Whether it is known to stand.
    pub installed: bool,
}

/// A pool's usage: `total` is the sum of what is free, offered, bound, quarantined and held.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PoolView {
    /// Name.
    pub name: Box<str>,
    /// Routing instance; two of them may have pools of one name.
    pub instance: InstanceId,
    /// Name of the routing instance.
    pub instance_name: Box<str>,
    /// Its network.
    pub network: Prefix4,
    /// The pool that it is linked to.
    pub link: Option<Box<str>>,
    /// Addresses that can be leased, and those of our own that somebody holds.
    pub total: u64,
    /// Held by nobody.
    pub free: u64,
    /// Offered.
    pub offered: u64,
    /// In a live binding.
    pub bound: u64,
    /// In quarantine after DHCPDECLINE.
    pub quarantined: u64,
    /// Kept for the last client (`grace-period`).
    pub held: u64,
    /// What is not free, percent of `total`, rounded down.
    pub percent: u8,
    /// It rose above `high-utilization` and has not fallen under `abated-utilization` since.
    pub high: bool,
    /// `high-utilization` and `abated-utilization`, percent.
    pub thresholds: Option<(u8, u8)>,
    /// `hold-down`: no new bindings.
    pub hold_down: bool,
    /// `active-drain`: no new bindings, and who has one is sent away.
    pub active_drain: bool,
}

impl PoolView {
    /// Addresses that clients have: offered or bound.
    pub const fn used(&self) -> u64 {
        self.offered + self.bound
    }
}
