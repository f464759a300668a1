//! What enters the engine.

use crate::{
    command::Verb,
    config::Config,
    policy::PolicyAnswer,
    route::{Destination, RouteFailure, RouteSeq},
    subscriber::Authorization,
};
use alloc::{boxed::Box, sync::Arc, vec::Vec};
use bindery_types::{IfIndex, Ipv4Addr, MacAddr};
use core::num::NonZeroU32;

/// Position of a store mutation; grows by one with each.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct StoreSeq(pub u64);

/// One input. Every one comes with a `Now`.
#[derive(Debug)]
pub enum Input<'a> {
    /// A DHCPv4 datagram to port 67, from either socket.
    Datagram4 {
        /// Where it came from.
        meta: RxMeta,
        /// The UDP payload.
        bytes: &'a [u8],
    },
    /// A message from port 67 to port 68 that another host sent on a served interface.
    ServerMessage4 {
        /// Where it came from.
        meta: RxMeta,
        /// The UDP payload.
        bytes: &'a [u8],
    },
    /// Another host has sent an ARP packet.
    Arp(crate::neighbour::Arp),
    /// An interface appeared or changed; the whole state of it.
    LinkSet(Link),
    /// An interface is gone.
    LinkGone(IfIndex),
    /// Every mutation up to `up_to` is on stable storage.
    Durable {
        /// The highest durable position.
        up_to: StoreSeq,
    },
    /// A write or sync failed. No mutation past the last `Durable` is known to be on storage; the store drops all
    /// of the current epoch that still reach it. The engine undoes them in memory and starts a new epoch.
    StoreFailed,
    /// The store is open again; the engine writes what the failed window left uncertain.
    StoreReady,
    /// Every route operation up to `up_to` was tried; those in `failed` do not stand.
    Routed {
        /// The highest tried position.
        up_to: RouteSeq,
        /// The failures among them, in order.
        failed: Vec<RouteFailure>,
    },
    /// The kernel flushed the routes of this interface (link down, address change): a renewal there has its route
    /// put back before it is answered.
    RoutesLost(IfIndex),
    /// A wanted route was found not to stand, and cannot be set: a foreign one took its place, say.
    RouteLost(Destination),
    /// A reconciliation found every wanted route standing: what `show route` says of routes that this engine did not
    /// set itself since start or a flush.
    RoutesReconciled,
    /// A plugin that answered `Pending` is done. A late answer is counted and dropped.
    PolicyDone(PolicyAnswer),
    /// The answer to an [`crate::access::AccessQuestion`]. A late one is counted and dropped.
    Access {
        /// Of the question.
        tag: u64,
        /// What the authority says.
        answer: Authorization,
    },
    /// An operator's command.
    Command {
        /// Comes back with the reply.
        id: CommandId,
        /// What to do.
        verb: Verb,
    },
    /// A commit: the new configuration. Cannot be refused.
    Configure(Arc<Config>),
    /// Time has passed: do what is due.
    Tick,
}

/// Ties a command to its reply; chosen by the shell.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct CommandId(pub u64);

/// Where a datagram came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RxMeta {
    /// Ingress interface (the VLAN device where the frame was tagged).
    pub link: IfIndex,
    /// Source address.
    pub src: Ipv4Addr,
    /// Source port: a relay is answered there (RFC 8357).
    pub src_port: u16,
    /// Destination address: ours, or 255.255.255.255.
    pub dst: Ipv4Addr,
    /// Source MAC address of the frame, where the frame was seen.
    pub src_mac: Option<MacAddr>,
}

/// An interface (IFL).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Link {
    /// Kernel index.
    pub index: IfIndex,
    /// Name, unique in the namespace.
    pub name: Box<str>,
    /// Administratively up and with carrier.
    pub up: bool,
    /// Whether it is a loopback: its addresses serve unnumbered interfaces.
    pub loopback: bool,
    /// Its MAC address, when it has one.
    pub mac: Option<MacAddr>,
    /// Its IPv4 addresses in the kernel's order, the primary first.
    pub addresses: Vec<LinkAddress>,
    /// Name of the VRF device that it is enslaved to.
    pub vrf: Option<Box<str>>,
    /// Routing table, of a VRF device.
    pub table: Option<NonZeroU32>,
}

impl Link {
    /// An interface without anything.
    pub fn new(index: IfIndex) -> Self {
        Self {
            index,
            name: Box::default(),
            up: true,
            loopback: false,
            mac: None,
            addresses: Vec::new(),
            vrf: None,
            table: None,
        }
    }
}

/// An address of an interface.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LinkAddress {
    /// The address.
    pub address: Ipv4Addr,
    /// Prefix length, 0 to 32.
    pub len: u8,
}
