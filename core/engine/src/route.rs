//! Routes as the engine wants them, and the trait of whoever programs them.
//!
//! The engine says what should stand; a [`ForwardingPlane`] (netlink, a vendor's FIB) makes it so.

use alloc::vec::Vec;
use bindery_types::{IfIndex, InstanceId, Ipv4Addr, MacAddr};

/// Position of a route operation; grows by one with each.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct RouteSeq(pub u64);

/// An access-internal route: the /32 of one bound subscriber.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Route {
    /// Routing instance; the plane maps it to a table.
    pub instance: InstanceId,
    /// Destination, a host route.
    pub dst: Ipv4Addr,
    /// Outgoing interface.
    pub link: IfIndex,
    /// Gateway (giaddr) for relayed clients; none: scope link.
    pub via: Option<Ipv4Addr>,
    /// Preferred source address.
    pub src: Option<Ipv4Addr>,
    /// Permanent neighbour entry to keep beside it.
    pub neighbour: Option<MacAddr>,
}

/// What to do about one destination.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RouteChange {
    /// Make exactly this route stand. A route of ours with other attributes is replaced, a foreign one is left
    /// and the operation fails with [`RouteError::Foreign`].
    Set(Route),
    /// Remove our route to this destination, with its neighbour entry. No route there is a success.
    Unset {
        /// Routing instance.
        instance: InstanceId,
        /// Destination.
        dst: Ipv4Addr,
    },
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
