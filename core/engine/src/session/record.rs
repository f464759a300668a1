//! The record of one session.

use super::{cells::Cell, names::NameId};
use crate::pool::Hold;
use crate::record::{BindingKey, Bound, DurableState, LeaseRecord, Nonce, Role, RouteRecord};
use bindery_types::{InstanceId, IpAddr, Ipv4Addr, LeaseTime, SessionId, Xid};

/// Where a session is in the table. It names another session once the first was removed; keep a [`SlotRef`] for
/// longer than one turn.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Slot(pub u32);

impl Slot {
    /// No slot.
    pub(super) const NONE: Self = Self(u32::MAX);
}

/// A slot and which use of it: a stale one is told from a good one (`SessionTable::resolve`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SlotRef {
    /// The slot.
    pub slot: Slot,
    /// Grows by one each time that the slot is emptied.
    pub generation: u32,
}

/// State of a session's binding.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum State {
    /// An OFFER was sent; memory only.
    Offered = 0,
    /// The client holds the lease.
    Bound = 1,
    /// Tombstone: given back.
    Released = 2,
    /// Tombstone: ran out.
    Expired = 3,
    /// Tombstone: ended by us.
    Cleared = 4,
    /// In quarantine: the address is held, and no longer by the client that declined it.
    Declined = 5,
}

impl State {
    /// All of them, by number.
    pub const ALL: [Self; 6] =
        [Self::Offered, Self::Bound, Self::Released, Self::Expired, Self::Cleared, Self::Declined];

    /// Whether the record's address is taken by it.
    pub const fn holds_address(self) -> bool {
        matches!(self, Self::Offered | Self::Bound | Self::Declined)
    }

    /// What holds the address; `None` where nothing does.
    pub const fn hold(self) -> Option<Hold> {
        match self {
            Self::Offered => Some(Hold::Offered),
            Self::Bound => Some(Hold::Bound),
            Self::Declined => Some(Hold::Quarantine),
            Self::Released | Self::Expired | Self::Cleared => None,
        }
    }

    /// Whether the record is what its client key finds: a client that declined an address starts anew.
    pub const fn is_the_clients(self) -> bool {
        !matches!(self, Self::Declined)
    }

    /// Offered or bound: counted for `interface-client-limit`.
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Offered | Self::Bound)
    }

    /// The state as the session database knows it; `None` for what is memory only.
    pub const fn durable(self) -> Option<DurableState> {
        Some(match self {
            Self::Offered => return None,
            Self::Bound => DurableState::Bound,
            Self::Released => DurableState::Released,
            Self::Expired => DurableState::Expired,
            Self::Cleared => DurableState::Cleared,
            Self::Declined => DurableState::Declined,
        })
    }
}

impl From<DurableState> for State {
    fn from(state: DurableState) -> Self {
        match state {
            DurableState::Bound => Self::Bound,
            DurableState::Released => Self::Released,
            DurableState::Expired => Self::Expired,
            DurableState::Cleared => Self::Cleared,
            DurableState::Declined => Self::Declined,
        }
    }
}

/// One session with its binding. What the indexes depend on is read by methods and changed by the table alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(align(64))]
pub struct Record {
    /// Start of the session.
    pub start: LeaseTime,
    /// End of the lease as promised to the client, of the offer, or of the quarantine.
    pub end: LeaseTime,
    /// Client-last-transaction time (RFC 4388 §6.1).
    pub cltt: LeaseTime,
    /// Last change of the state.
    pub changed: LeaseTime,
    /// Position in the change order.
    pub change: u64,
    /// Option 54 as given to the client.
    pub server_id: Ipv4Addr,
    /// Relay the client came through; 0.0.0.0 for a direct client.
    pub giaddr: Ipv4Addr,
    /// Xid of the last exchange.
    pub xid: Xid,
    /// In which epoch of its interface the route was last known to stand (the engine's counter).
    pub route_epoch: u32,
    /// The route that was decided.
    pub route: RouteRecord,
    /// Group that serves it.
    pub group: NameId,
    /// Pool the address came from.
    pub pool: NameId,
    /// Writes of it that are not durable yet.
    pub pending: u8,
    /// Bits of reconfiguration and of later features; all are kept.
    pub flags: u16,
    /// How far the expiry that storage has of a bound session is ahead of `end`, seconds.
    pub ahead: u32,
    /// What of it is still to be written behind (the engine's marks).
    pub behind: u8,
    /// Which binding of the session; 0 for DHCPv4.
    pub index: u8,
    /// Role that made the session.
    pub role: Role,
    pub(super) id: SessionId,
    pub(super) instance: InstanceId,
    pub(super) scope: Ipv4Addr,
    pub(super) address: Ipv4Addr,
    pub(super) state: State,
    pub(super) link: NameId,
    pub(super) has_nonce: bool,
    /// Where the identity is, with the nonce; [`Cell::NOWHERE`] in a free slot.
    pub(super) cell: Cell,
    pub(super) generation: u32,
    pub(super) client_hash: u32,
    pub(super) hw_hash: u32,
    /// Neighbours among the records of one hardware address; `hw_next` links the free slots.
    pub(super) hw_prev: Slot,
    pub(super) hw_next: Slot,
}

/// Design §4: a million sessions of at most 400 bytes.
const _: () = assert!(size_of::<Record>() <= 128);

impl Record {
    /// A record with these keys; all else is zero, empty or none, and for the caller to fill in.
    pub const fn new(id: SessionId, instance: InstanceId, scope: Ipv4Addr, state: State, address: Ipv4Addr) -> Self {
        Self {
            start: LeaseTime(0),
            end: LeaseTime(0),
            cltt: LeaseTime(0),
            changed: LeaseTime(0),
            change: 0,
            server_id: Ipv4Addr::UNSPECIFIED,
            giaddr: Ipv4Addr::UNSPECIFIED,
            xid: Xid(0),
            route_epoch: 0,
            route: RouteRecord::None,
            group: NameId::EMPTY,
            pool: NameId::EMPTY,
            pending: 0,
            flags: 0,
            ahead: 0,
            behind: 0,
            index: 0,
            role: Role::Server,
            id,
            instance,
            scope,
            address,
            state,
            link: NameId::EMPTY,
            has_nonce: false,
            cell: Cell::NOWHERE,
            generation: 0,
            client_hash: 0,
            hw_hash: 0,
            hw_prev: Slot::NONE,
            hw_next: Slot::NONE,
        }
    }

    /// The same on the interface the client logged in on. The three methods of this kind make a copy, for
    /// `SessionTable::insert` and `SessionTable::apply`.
    #[must_use]
    pub const fn on_link(mut self, link: NameId) -> Self {
        self.link = link;
        self
    }

    /// The same in another state.
    #[must_use]
    pub const fn in_state(mut self, state: State) -> Self {
        self.state = state;
        self
    }

    /// The same with another address.
    #[must_use]
    pub const fn with_address(mut self, address: Ipv4Addr) -> Self {
        self.address = address;
        self
    }

    /// Session id.
    pub const fn id(&self) -> SessionId {
        self.id
    }

    /// Routing instance.
    pub const fn instance(&self) -> InstanceId {
        self.instance
    }

    /// Network address of the pool's network: part of the client key.
    pub const fn scope(&self) -> Ipv4Addr {
        self.scope
    }

    /// The address it holds, or held last; 0.0.0.0 for none.
    pub const fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// State of the binding.
    pub const fn state(&self) -> State {
        self.state
    }

    /// Interface the client logged in on.
    pub const fn link(&self) -> NameId {
        self.link
    }

    /// The lease part as the session database keeps it; `None` for an offer, which is memory only. The nonce is
    /// kept beside the record (`SessionTable::nonce`), and so is the time of the next FORCERENEW.
    pub fn lease_record(&self, nonce: Option<Nonce>, reconfigure_due: Option<LeaseTime>) -> Option<LeaseRecord> {
        Some(LeaseRecord {
            key: BindingKey { session: self.id, index: self.index },
            instance: self.instance,
            role: self.role,
            state: self.state.durable()?,
            flags: self.flags,
            bound: Bound::V4Address(self.address),
            scope: IpAddr::V4(self.scope),
            server_id: self.server_id,
            giaddr: self.giaddr,
            start: self.start,
            end: self.kept(),
            ahead: if self.end == LeaseTime::NEVER { 0 } else { self.ahead },
            cltt: self.cltt,
            changed: self.changed,
            change: self.change,
            xid: self.xid,
            route: self.route,
            nonce,
            reconfigure_due,
        })
    }

    /// Whether there is a session: a free slot has no identity.
    pub(super) fn is_occupied(&self) -> bool {
        self.cell != Cell::NOWHERE
    }

    /// The address, when it is held: what the address index says.
    pub(super) const fn held(&self) -> Option<Ipv4Addr> {
        if self.state.holds_address() && !self.address.is_unspecified() { Some(self.address) } else { None }
    }
}
