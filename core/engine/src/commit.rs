//! What waits for storage and for routes: two FIFO rings answered by watermark (design §3).
//!
//! Memory changes when storage has the change. An entry of the first ring holds what the record will become; a
//! failed write drops the entry and so undoes nothing. One write per session is in flight at a time.

use crate::{
    exchange::ExchangeState,
    history::Origin,
    input::{CommandId, StoreSeq},
    output::Destination,
    record::{BindingKey, LeaseRecord, Nonce, RouteRecord},
    route::{RouteFailure, RouteSeq},
    session::{IdentityBuf, NameId, Record, SlotRef, State},
};
use alloc::{collections::VecDeque, vec::Vec};
use bindery_types::{Ipv4Addr, LeaseTime, Mono, Xid};
use bindery_wire::v4::MessageType;
use core::time::Duration;

/// Most writes in flight. When it is reached, REQUESTs are dropped as `overload`; the engine takes them up again
/// as the watermark moves.
pub(crate) const COMMITS_MAX: usize = 16_384;

/// With this many writes in flight DISCOVERs are shed, so that renewals find room.
pub(crate) const SHED_DISCOVER: usize = COMMITS_MAX * 3 / 4;

/// Most exchanges that wait for a route.
pub(crate) const ROUTING_MAX: usize = 16_384;

/// A reply that waited longer is not sent: the client has long begun anew.
pub(crate) const REPLY_AGE_MAX: Duration = Duration::from_secs(30);

/// A reply, encoded and waiting.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) to: Destination,
    /// A second form of the same message, for a NAK that a renewing client would not hear as broadcast.
    pub(crate) also_to: Option<Destination>,
    /// `None`: a BOOTREPLY to a BOOTP client.
    pub(crate) message: Option<MessageType>,
    pub(crate) payload: Vec<u8>,
}

/// What a record becomes when its mutation is durable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Change {
    pub(crate) state: State,
    pub(crate) start: LeaseTime,
    pub(crate) end: LeaseTime,
    /// The expiry that storage is to have: of a bound session it may be later than the promised end.
    pub(crate) kept: LeaseTime,
    pub(crate) cltt: LeaseTime,
    pub(crate) changed: LeaseTime,
    pub(crate) change: u64,
    pub(crate) server_id: Ipv4Addr,
    pub(crate) giaddr: Ipv4Addr,
    pub(crate) xid: Xid,
    pub(crate) route: RouteRecord,
    pub(crate) link: NameId,
    pub(crate) group: NameId,
    pub(crate) pool: NameId,
    pub(crate) flags: u16,
    /// A new nonce; `None` leaves the one that is.
    pub(crate) nonce: Option<Nonce>,
    /// When the next FORCERENEW is due.
    pub(crate) due: Option<LeaseTime>,
}

impl Change {
    /// A change that changes nothing yet.
    pub(crate) fn of(record: &Record) -> Self {
        Self {
            state: record.state(),
            start: record.start,
            end: record.end,
            kept: record.kept(),
            cltt: record.cltt,
            changed: record.changed,
            change: record.change,
            server_id: record.server_id,
            giaddr: record.giaddr,
            xid: record.xid,
            route: record.route,
            link: record.link(),
            group: record.group,
            pool: record.pool,
            flags: record.flags,
            nonce: None,
            due: None,
        }
    }

    /// The same with another state, at `now`.
    pub(crate) fn to_state(mut self, state: State, now: LeaseTime) -> Self {
        if self.state != state {
            self.changed = now;
        }
        self.state = state;
        self
    }

    /// The record after the change.
    pub(crate) fn on(&self, record: &Record) -> Record {
        let mut after = record.in_state(self.state).on_link(self.link);
        if record.route != self.route {
            // Another route is not known to stand.
            after.route_epoch = 0;
        }
        after.start = self.start;
        after.end = self.end;
        after.set_kept(self.kept);
        after.cltt = self.cltt;
        after.changed = self.changed;
        after.change = self.change;
        after.server_id = self.server_id;
        after.giaddr = self.giaddr;
        after.xid = self.xid;
        after.route = self.route;
        after.group = self.group;
        after.pool = self.pool;
        after.flags = self.flags;
        after
    }

    /// What the session database keeps of `record` after the change; `None` for an offer, which is memory only.
    pub(crate) fn lease(&self, record: &Record, nonce: Option<Nonce>) -> Option<LeaseRecord> {
        self.on(record).lease_record(self.nonce.or(nonce), self.due)
    }
}

/// Why a mutation was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Purpose {
    /// A lease: first or renewed.
    Bind,
    /// A lease that another server gave.
    Import,
    /// The end of one: the route goes when it is durable.
    End,
    /// An attempt of a reconfiguration, or its end.
    Reconfigure,
    /// What was granted anew; a reconfiguration that runs goes on.
    Reauthorize,
    /// A record leaves the database.
    Purge,
    /// What a failed write left uncertain is written again.
    Repair,
    /// A session that was renewed before it was written.
    Behind,
}

/// A mutation in flight.
#[derive(Debug)]
pub(crate) struct Committing {
    pub(crate) seq: StoreSeq,
    pub(crate) purpose: Purpose,
    pub(crate) slot: SlotRef,
    /// What the record becomes when it is durable; `None` when only the database changes.
    pub(crate) change: Option<Change>,
    /// The identity it then has, when that changes.
    pub(crate) identity: Option<IdentityBuf>,
    pub(crate) state: ExchangeState,
    pub(crate) answer: Option<Answer>,
    pub(crate) command: Option<CommandId>,
    pub(crate) since: Mono,
    /// What it comes from.
    pub(crate) origin: Origin,
}

/// An exchange whose binding is durable and whose routes are being programmed.
#[derive(Debug)]
pub(crate) struct Routing {
    /// The access-internal route; those beside it follow.
    pub(crate) first: RouteSeq,
    /// The last of them.
    pub(crate) seq: RouteSeq,
    /// The first failure among them so far.
    pub(crate) failure: Option<RouteFailure>,
    pub(crate) slot: SlotRef,
    /// The route epoch of the interface when the operation left.
    pub(crate) epoch: u32,
    /// Whether no ACK of this binding has left yet.
    pub(crate) fresh: bool,
    pub(crate) state: ExchangeState,
    pub(crate) answer: Option<Answer>,
    pub(crate) since: Mono,
    /// What it comes from.
    pub(crate) origin: Origin,
}

/// Both rings and their counters.
#[derive(Debug, Default)]
pub(crate) struct Rings {
    pub(crate) commits: VecDeque<Committing>,
    pub(crate) routings: VecDeque<Routing>,
    store_seq: u64,
    route_seq: u64,
    /// Store failures so far; mutations carry it.
    pub(crate) epoch: u32,
    /// A write failed and the store is not open again.
    pub(crate) store_down: bool,
    /// The last facts on their way to storage, and up to which change they count.
    pub(crate) facts: Option<(StoreSeq, u64)>,
    /// Bindings whose state on storage is unknown since a failure.
    pub(crate) uncertain: Vec<(SlotRef, BindingKey)>,
}

impl Rings {
    pub(crate) fn next_store_seq(&mut self) -> StoreSeq {
        self.store_seq += 1;
        StoreSeq(self.store_seq)
    }

    pub(crate) fn next_route_seq(&mut self) -> RouteSeq {
        self.route_seq += 1;
        RouteSeq(self.route_seq)
    }

    /// Whether another REQUEST may be taken.
    pub(crate) fn has_room(&self) -> bool {
        self.commits.len() < COMMITS_MAX && self.routings.len() < ROUTING_MAX
    }

    /// Whether another DISCOVER may be taken: they are shed first.
    pub(crate) fn has_room_for_discover(&self) -> bool {
        self.commits.len() < SHED_DISCOVER && self.routings.len() < ROUTING_MAX * 3 / 4
    }

    /// The first entry of the commit ring, when `up_to` covers it.
    pub(crate) fn pop_durable(&mut self, up_to: StoreSeq) -> Option<Committing> {
        if self.commits.front()?.seq <= up_to { self.commits.pop_front() } else { None }
    }

    /// The first entry of the route ring, when `up_to` covers it.
    pub(crate) fn pop_routed(&mut self, up_to: RouteSeq) -> Option<Routing> {
        if self.routings.front()?.seq <= up_to { self.routings.pop_front() } else { None }
    }
}
