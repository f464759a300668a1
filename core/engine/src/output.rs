//! What leaves the engine: batches that the shell flushes after each turn.

use crate::{
    access::AccessQuestion,
    command::Reply,
    event::{Event, SessionNews},
    history::HistoryView,
    input::{CommandId, StoreSeq},
    record::{BindingKey, IdentityRecord, LeaseRecord, MetaRecord},
    route::RouteOp,
};
use alloc::{boxed::Box, vec::Vec};
use bindery_types::{IfIndex, InstanceId, Ipv4Addr, MacAddr, SessionId};
use bindery_wire::v4::MessageType;
use core::num::NonZeroU32;

/// Effects of the inputs since the last flush.
///
/// The shell flushes `transmits` first, then `mutations`, then `routes`: so a route goes only after the last packet
/// to its client has left (design §2.6). It drains the vectors and keeps their capacity; sent buffers go back by
/// [`crate::Engine::recycle`].
#[derive(Debug, Default)]
pub struct Outbox {
    /// Packets to send now.
    pub transmits: Vec<Transmit>,
    /// Mutations for the store thread, in order.
    pub mutations: Vec<Mutation>,
    /// Operations for the route thread, in order.
    pub routes: Vec<RouteOp>,
    /// Things to log and to tell subscribers of the event stream.
    pub events: Vec<Event>,
    /// Newcomers about whom an authority is to be asked.
    pub questions: Vec<AccessQuestion>,
    /// What happened to sessions whose group is observed, in order; each is on stable storage.
    pub sessions: Vec<SessionNews>,
    /// What the history notes, where that is asked for ([`crate::Engine::set_traced`]).
    pub traces: Vec<HistoryView>,
    /// ARP requests to send now.
    pub probes: Vec<crate::neighbour::Probe>,
    /// Where the routes and packets of each routing instance go, when that has changed.
    pub tables: Option<Vec<InstanceTable>>,
    /// Interfaces on which requests to other servers are to be dropped from now on (`true`), or no longer, in order
    /// (`forward-snooped-clients`). None drops before it is told.
    pub snooped: Vec<(IfIndex, bool)>,
    /// The interface of the exchange of each of `transmits`, while that is asked for.
    pub traced_links: Vec<IfIndex>,
    /// Answers to commands.
    pub replies: Vec<(CommandId, Reply)>,
}

/// What a routing instance is in the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InstanceTable {
    /// The instance.
    pub instance: InstanceId,
    /// Routing table of its routes: that of its VRF device, or the configured one. `None` for the main one, which is the
    /// default instance's alone.
    pub table: Option<NonZeroU32>,
    /// Its VRF device, when that is there.
    pub device: Option<IfIndex>,
}

/// A packet to send.
#[derive(Debug)]
pub struct Transmit {
    /// To whom.
    pub to: Destination,
    /// Message type: for the statistics of failed sends. A reply to a BOOTP client counts as an ACK.
    pub message: MessageType,
    /// The DHCP message.
    pub payload: Vec<u8>,
}

/// How a packet reaches its receiver.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Destination {
    /// An Ethernet frame from port 67 to port 68, for a client that has no address yet (RFC 2131 §4.1).
    Frame {
        /// Outgoing interface.
        link: IfIndex,
        /// Receiver, the client or broadcast.
        mac: MacAddr,
        /// IP source: the server identifier.
        src: Ipv4Addr,
        /// IP destination: the client's address or 255.255.255.255.
        dst: Ipv4Addr,
    },
    /// A UDP datagram from port 67.
    Udp {
        /// Outgoing interface, or the VRF device in which the kernel routes; 0 to let it route among all.
        link: IfIndex,
        /// IP source; 0.0.0.0 to let the kernel choose.
        src: Ipv4Addr,
        /// IP destination.
        dst: Ipv4Addr,
        /// UDP destination port.
        port: u16,
    },
}

/// A numbered write to the session database.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mutation {
    /// Position; answered by watermark.
    pub seq: StoreSeq,
    /// Counts store failures. The store drops mutations of an epoch that failed.
    pub epoch: u32,
    /// The write.
    pub op: StoreOp,
}

/// What to write.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StoreOp {
    /// Insert or overwrite a binding, and its session's identity when it changed.
    Put {
        /// The lease part.
        lease: LeaseRecord,
        /// The identity part; `None` leaves what stands.
        identity: Option<Box<IdentityRecord>>,
    },
    /// Remove a binding; with `session`, also the session's identity.
    Delete {
        /// The binding.
        key: BindingKey,
        /// Its session, when this was the last binding.
        session: Option<SessionId>,
    },
    /// Overwrite the facts about the whole database.
    Meta(MetaRecord),
}
