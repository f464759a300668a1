//! The stages that steer a request before an address is chosen: `admit`, `authorize`, `select-address`.

use super::{Attribute, Lookup, Token};
use alloc::{boxed::Box, vec::Vec};
use bindery_types::Ipv4Addr;
use bindery_wire::v4::Packet;

/// What a chain has chosen for a request. The engine checks every choice as if it were its own: a group, pool or
/// address that the configuration does not have, or that is taken, is passed over.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Steer {
    /// Group to serve the client in place of the interface's.
    pub group: Option<Box<str>>,
    /// Pool to take the address from in place of the matching one.
    pub pool: Option<Box<str>>,
    /// The address to give, when it is free.
    pub address: Option<Ipv4Addr>,
    /// Lease time, seconds, no longer than the pool's. Not looked at yet.
    pub lease_secs: Option<u32>,
    /// A name for the later stages: opaque to the engine.
    pub class: Option<Box<str>>,
}

/// What an `admit` plugin sees and may choose: group, pool and class.
#[derive(Debug)]
pub struct Admit<'a> {
    /// The request as received.
    pub request: &'a Packet<'a>,
    /// Whether the request came to our unicast address.
    pub unicast: bool,
    /// The group of the ingress interface.
    pub group: &'a str,
    /// The ingress interface.
    pub interface: &'a str,
    /// Name this exchange by it when answering `Pending`.
    pub token: Token,
    /// The sessions that there are.
    pub sessions: Lookup<'a>,
    /// The choices so far in the chain.
    pub steer: Steer,
}

/// When `authorize` is called.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Phase {
    /// Before the Access-Request leaves: plugins may change user name and attributes.
    Before,
    /// After the Access-Accept, or instead of RADIUS where none is configured.
    After,
}

/// What an `authorize` plugin sees and may change.
#[derive(Debug)]
pub struct Authorize<'a> {
    /// The request as received.
    pub request: &'a Packet<'a>,
    /// The group that serves the client.
    pub group: &'a str,
    /// The client's interface.
    pub interface: &'a str,
    /// When it is called.
    pub phase: Phase,
    /// User name of the subscriber; empty where none is configured.
    pub username: Box<str>,
    /// Attributes of the Access-Request to come, or of the Access-Accept.
    pub attributes: Vec<Attribute>,
    /// Name this exchange by it when answering `Pending`.
    pub token: Token,
    /// The sessions that there are.
    pub sessions: Lookup<'a>,
    /// The choices so far in the chain.
    pub steer: Steer,
}

/// What a `select-address` plugin sees and may choose: pool, address and lease time.
#[derive(Debug)]
pub struct SelectAddress<'a> {
    /// The request as received.
    pub request: &'a Packet<'a>,
    /// The group that serves the client.
    pub group: &'a str,
    /// The client's interface.
    pub interface: &'a str,
    /// The pool that would be taken.
    pub pool: &'a str,
    /// The address that the client had last, or asks for, when it is free; none: the next free one.
    pub proposed: Option<Ipv4Addr>,
    /// Name this exchange by it when answering `Pending`.
    pub token: Token,
    /// The sessions that there are.
    pub sessions: Lookup<'a>,
    /// The choices so far in the chain.
    pub steer: Steer,
}
