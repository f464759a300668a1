//! Routes as the engine wants them, and the trait of whoever programs them.
//!
//! The engine says what should stand; a [`ForwardingPlane`] (netlink, a vendor's FIB) makes it so.

use alloc::vec::Vec;
use bindery_types::{IfIndex, InstanceId, Ipv4Addr, MacAddr};
use core::{fmt, num::NonZeroU32};

/// Position of a route operation; grows by one with each.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct RouteSeq(pub u64);

/// A route of one bound subscriber: the access-internal one to its address, or one beside it via the client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Route {
    /// Routing instance; the plane maps it to a table.
    pub instance: InstanceId,
    /// Destination; host bits zero.
    pub dst: Ipv4Addr,
    /// Its length in bits, 0 to 32: 32 for an access-internal route.
    pub len: u8,
    /// Outgoing interface.
    pub link: IfIndex,
    /// Gateway: giaddr for relayed clients, the client itself for a route beside its own; none: scope link.
    pub via: Option<Ipv4Addr>,
    /// The gateway is a neighbour on the link, whatever other routes say of its address.
    pub on_link: bool,
    /// Preferred source address.
    pub src: Option<Ipv4Addr>,
    /// Permanent neighbour entry to keep beside it.
    pub neighbour: Option<MacAddr>,
    /// Metric; none: the plane's default.
    pub metric: Option<u32>,
    /// Table in place of the instance's.
    pub table: Option<NonZeroU32>,
    /// Tag (a realm in the kernel), where the plane has one.
    pub tag: Option<u32>,
}

impl Route {
    /// A host route out of an interface, and nothing more.
    pub const fn host(instance: InstanceId, dst: Ipv4Addr, link: IfIndex) -> Self {
        Self {
            instance,
            dst,
            len: 32,
            link,
            via: None,
            on_link: false,
            src: None,
            neighbour: None,
            metric: None,
            table: None,
            tag: None,
        }
    }

    /// What names it.
    pub const fn destination(&self) -> Destination {
        Destination { instance: self.instance, table: self.table, dst: self.dst, len: self.len }
    }
}

/// What to do about one destination.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RouteChange {
    /// Make exactly this route stand. A route of ours with other attributes is replaced, a foreign one is left
    /// and the operation fails with [`RouteError::Foreign`].
    Set(Route),
    /// Remove our route to this destination, with its neighbour entry. No route there is a success.
    Unset(Destination),
}

impl RouteChange {
    /// The destination that it is about.
    pub const fn destination(&self) -> Destination {
        match self {
            Self::Set(route) => route.destination(),
            Self::Unset(at) => *at,
        }
    }
}

/// One numbered operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RouteOp {
    /// Position; answered by watermark.
    pub seq: RouteSeq,
    /// Whether an exchange waits for it: goes before reconciliation.
    pub urgent: bool,
    /// The change.
    pub change: RouteChange,
}

/// Why a route does not stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RouteError {
    /// A route that is not ours stands there and stays.
    Foreign,
    /// The interface is gone or down.
    LinkDown,
    /// The kernel refused: the errno, positive.
    Refused(i32),
}

/// A failed operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RouteFailure {
    /// Its position.
    pub seq: RouteSeq,
    /// Why.
    pub error: RouteError,
}

/// Programs routes. Implemented by `netlink` and the native-plugin host.
pub trait ForwardingPlane {
    /// The plane itself is out of order (socket gone, driver dead); nothing of the batch is known to stand.
    type Fault;

    /// Applies `ops` in order and appends those that failed to `failed`.
    ///
    /// # Errors
    /// The plane's fault. The caller keeps the operations and tries again after a reconciliation.
    fn apply(&mut self, ops: &[RouteOp], failed: &mut Vec<RouteFailure>) -> Result<(), Self::Fault>;
}

/// What names a route in a plane: we have one route at most to each.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Destination {
    /// Routing instance.
    pub instance: InstanceId,
    /// Table in place of the instance's.
    pub table: Option<NonZeroU32>,
    /// Address; host bits zero.
    pub dst: Ipv4Addr,
    /// Length in bits, 0 to 32.
    pub len: u8,
}

impl Destination {
    /// A host address in the instance's own table.
    pub const fn host(instance: InstanceId, dst: Ipv4Addr) -> Self {
        Self { instance, table: None, dst, len: 32 }
    }
}

impl fmt::Display for Destination {
    /// `192.0.2.7`, `10.9.0.0/24`, `10.9.0.0/24 in table 7`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.dst)?;
        if self.len != 32 {
            write!(f, "/{}", self.len)?;
        }
        self.table.map_or(Ok(()), |table| write!(f, " in table {table}"))
    }
}

/// What a plane has counted for one destination, in the sense of RFC 2866 §5.3, §5.4, §5.8 and §5.9: in is what the
/// subscriber sent. The figures only grow while the route stands.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Counters {
    /// Packets from the subscriber.
    pub packets_in: u64,
    /// Octets from the subscriber.
    pub octets_in: u64,
    /// Packets to the subscriber.
    pub packets_out: u64,
    /// Octets to the subscriber.
    pub octets_out: u64,
}

/// A plane that another one may take the place of: it tells what stands and can be brought back after a fault, so that
/// its owner reconciles it. Implemented by the native-plugin host.
pub trait Driver: ForwardingPlane {
    /// Brings the plane back after a fault. What stood before may be gone; the caller reconciles.
    ///
    /// # Errors
    /// It is still out of order.
    fn recover(&mut self) -> Result<(), Self::Fault>;

    /// Appends some of what stands, from `cursor` on, and moves the cursor; whether there is more. A dump starts with
    /// the cursor 0. A route that stands unchanged from the start of a dump to its end is told exactly once, one that
    /// changes meanwhile may be told or not.
    ///
    /// # Errors
    /// The plane's fault; the dump is over.
    fn dump(&mut self, cursor: &mut u64, found: &mut Vec<Route>) -> Result<bool, Self::Fault>;

    /// Appends one entry for each of `of`, in order: `None` where nothing is counted.
    ///
    /// # Errors
    /// The plane's fault.
    fn read_counters(&mut self, of: &[Destination], into: &mut Vec<Option<Counters>>) -> Result<(), Self::Fault>;
}
