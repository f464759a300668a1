//! What the session database keeps: plain values, no layout. The `store` crate encodes them with a version.
//!
//! A session has a lease record per binding, written at every change, and one identity record, written only when
//! the identity changes. All times are [`LeaseTime`].

use crate::config::RouteSuppression;
use alloc::boxed::Box;
use bindery_types::{HwAddr, InstanceId, IpAddr, Ipv4Addr, LeaseTime, SessionId, Wall, Xid};

/// Names one binding of one session: the key in the database. Ordered by session, then index.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct BindingKey {
    /// The session.
    pub session: SessionId,
    /// Which of its bindings, from 0. DHCPv4 sessions have one.
    pub index: u8,
}

/// What a binding binds: every index carries the family from the first day.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Bound {
    /// A DHCPv4 address.
    V4Address(Ipv4Addr),
    /// A DHCPv6 address (IA_NA) or delegated prefix (IA_PD) of `len` bits.
    V6 {
        /// Address, or first address of the prefix.
        address: core::net::Ipv6Addr,
        /// 128 for an address.
        len: u8,
    },
}

/// Which of our three roles made the session.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Role {
    /// Local server.
    Server = 0,
    /// Relay or relay proxy.
    Relay = 1,
    /// External-server monitor.
    Monitor = 2,
}

/// The durable states of a binding. (`Offered` is memory only and has no number here.)
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum DurableState {
    /// The client holds the lease until `end`.
    Bound = 1,
    /// Tombstone: the client gave the lease back (DHCPRELEASE).
    Released = 2,
    /// Tombstone: the lease ran out.
    Expired = 3,
    /// Tombstone: we ended it (clear, NAK, drain). Until `end` a REQUEST of this client for it is NAKed.
    Cleared = 4,
    /// The client found the address in use (DHCPDECLINE): nobody gets it until `end`.
    Declined = 5,
}

/// The part of a binding that changes with each lease.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LeaseRecord {
    /// The binding's name.
    pub key: BindingKey,
    /// Routing instance, as the run numbered it that wrote the record: the identity record has its name.
    pub instance: InstanceId,
    /// Role that made the session.
    pub role: Role,
    /// State.
    pub state: DurableState,
    /// Bits of reconfiguration and of later features; all are kept.
    pub flags: u16,
    /// Address or prefix.
    pub bound: Bound,
    /// Network address of the pool's network: with the client's identity it makes the client key
    /// (RFC 2131 §4.2: unique within the subnet).
    pub scope: IpAddr,
    /// Option 54 as given to the client.
    pub server_id: Ipv4Addr,
    /// Relay the client came through; 0.0.0.0 for a direct client.
    pub giaddr: Ipv4Addr,
    /// Start of the session.
    pub start: LeaseTime,
    /// Until when the lease is kept for the client: never before the end that it was promised, and of a bound one mostly
    /// later, so that a renewal needs no write first. End of the quarantine for `Declined`.
    pub end: LeaseTime,
    /// Seconds by which `end` is later than the end that the client was promised when this was written; 0 where they are
    /// the same. It tells the promise only where the last run ended in order ([`MetaRecord::in_order`]), and no run that
    /// did not came between ([`MetaRecord::promises_from`]).
    pub ahead: u32,
    /// Client-last-transaction time (RFC 4388 §6.1).
    pub cltt: LeaseTime,
    /// Last change of `state`.
    pub changed: LeaseTime,
    /// Position in the change order: grows with every write.
    pub change: u64,
    /// Xid of the last exchange.
    pub xid: Xid,
    /// The route that was decided, so that reconciliation calls no plugin.
    pub route: RouteRecord,
    /// Forcerenew nonce (RFC 6704) and replay base, when the client has one.
    pub nonce: Option<Nonce>,
    /// When the next FORCERENEW is due, or the client is given up, while it is being reconfigured.
    pub reconfigure_due: Option<LeaseTime>,
}

impl RouteRecord {
    /// What of a decided route stands where `suppression` holds: the route, and its neighbour entry.
    pub(crate) const fn shown(self, suppression: Option<RouteSuppression>) -> (bool, bool) {
        match (self, suppression) {
            (Self::None, _) | (_, Some(RouteSuppression::AccessInternal)) => (false, false),
            (Self::Link { neighbour, .. }, None) => (true, neighbour),
            (Self::Link { .. }, Some(RouteSuppression::Destination)) | (Self::Via { .. }, _) => (true, false),
        }
    }
}

/// The access-internal route that was decided for a binding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RouteRecord {
    /// None: the relay is not on-link at the ingress interface.
    None,
    /// `ADDR/32 dev IFL scope link`, and a permanent neighbour entry when `neighbour`.
    Link {
        /// Preferred source address; 0.0.0.0 for none.
        src: Ipv4Addr,
        /// Whether a neighbour entry belongs to it.
        neighbour: bool,
    },
    /// `ADDR/32 via giaddr dev IFL`.
    Via {
        /// Preferred source address; 0.0.0.0 for none.
        src: Ipv4Addr,
    },
}

/// Key for authenticated FORCERENEW (RFC 6704 §3.1.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Nonce {
    /// The 128-bit nonce.
    pub value: [u8; 16],
    /// Last replay value sent (RFC 3118 §2).
    pub replay: u64,
}

/// The part of a session that rarely changes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct IdentityRecord {
    /// Client hardware address (htype, chaddr).
    pub hw: HwAddr,
    /// Option 61 as sent, empty when absent.
    pub client_id: Box<[u8]>,
    /// Option 82 as last received, empty when absent. A renewal by unicast lacks it and never erases it.
    pub relay_info: Box<[u8]>,
    /// Option 60 as sent, empty when absent.
    pub vendor_class: Box<[u8]>,
    /// Option 12 as sent, empty when absent.
    pub host_name: Box<[u8]>,
    /// What an authority granted ([`crate::subscriber::Subscriber::encode`]), empty for nothing.
    pub subscriber: Box<[u8]>,
    /// Interface the client logged in on.
    pub interface: Box<str>,
    /// Group that served it.
    pub group: Box<str>,
    /// Pool the address came from.
    pub pool: Box<str>,
    /// Routing instance; empty for the default one, and where only the lease record has its number.
    pub instance: Box<str>,
}

/// Facts about the database as a whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MetaRecord {
    /// The lease clock when this was written; 0 where the wall clock was behind, so that the two tell no down time:
    /// the clock then goes on from the newest record.
    pub lease_clock: LeaseTime,
    /// The wall clock at the same moment: how long the daemon was down is told from it.
    pub wall: Wall,
    /// Highest session count handed out ([`SessionId::count`]): ids are never reused, also after deletes.
    pub sessions_made: u64,
    /// Highest change position written.
    pub change: u64,
    /// The run that wrote this has written all that it had answered, and has ended: what each record says of its promise
    /// ([`LeaseRecord::ahead`]) holds. The next run takes it back before it answers any renewal that it does not write.
    pub in_order: bool,
    /// Records whose change is before this one were left by a run that did not end in order: what they say of their
    /// promise holds no more, until they are written again.
    pub promises_from: u64,
}

/// One session as read back at start.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredSession {
    /// The lease part of one binding.
    pub lease: LeaseRecord,
    /// The identity part of its session.
    pub identity: IdentityRecord,
}
