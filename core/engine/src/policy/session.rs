//! The stages about a session: `disconnect`, `reconfigure-exhausted`, `leasequery`, `route`. Their calls are
//! synchronous and cannot be deferred.

use super::Lookup;
use alloc::{boxed::Box, vec::Vec};
use bindery_types::{HwAddr, Ipv4Addr, SessionId};

/// A RADIUS attribute (RFC 2865 §5; vendor-specific ones taken apart, §5.26).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attribute {
    /// The vendor's enterprise number; 0 for the standard attributes.
    pub vendor: u32,
    /// Type of the attribute.
    pub code: u8,
    /// Value.
    pub value: Box<[u8]>,
}

/// The session that a stage is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Subject<'a> {
    /// The session.
    pub session: SessionId,
    /// Its address.
    pub address: Ipv4Addr,
    /// Hardware address of the client.
    pub hw: HwAddr,
    /// Group that serves it.
    pub group: &'a str,
    /// Interface it logged in on.
    pub interface: &'a str,
    /// Pool its address came from.
    pub pool: &'a str,
    /// Relay it came through; 0.0.0.0 for a direct client.
    pub giaddr: Ipv4Addr,
    /// Option 61, empty for none.
    pub client_id: &'a [u8],
    /// Option 82, empty for none.
    pub relay_info: &'a [u8],
    /// Option 60, empty for none.
    pub vendor_class: &'a [u8],
    /// The other sessions.
    pub sessions: Lookup<'a>,
}

/// What RADIUS asked for (RFC 5176).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DisconnectCause {
    /// Disconnect-Request.
    Disconnect,
    /// CoA-Request.
    ChangeOfAuthorization,
}

/// The question of stage `disconnect`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Disconnect<'a> {
    /// The session.
    pub subject: Subject<'a>,
    /// What RADIUS asked for.
    pub cause: DisconnectCause,
    /// Whether the group has `reconfigure`, so that [`DisconnectVerdict::Reconfigure`] can be carried out.
    pub can_reconfigure: bool,
    /// All attributes of the request.
    pub attributes: &'a [Attribute],
}

/// What becomes of the session.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DisconnectVerdict {
    /// It ends now.
    Clear,
    /// It is reconfigured; where that cannot be, it ends.
    Reconfigure,
    /// It stays; RADIUS gets a NAK.
    Ignore,
}

/// The question of stage `reconfigure-exhausted`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Exhausted<'a> {
    /// The session.
    pub subject: Subject<'a>,
    /// Attempts made.
    pub attempts: u8,
    /// Whether the client offered the Forcerenew nonce (RFC 6704), so that it might have understood.
    pub has_nonce: bool,
}

/// What becomes of a client that answered no attempt.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ExhaustedVerdict {
    /// It stays as it was.
    Restore,
    /// It is ended.
    Clear,
    /// It stays, and its next renewal gets a NAK.
    Defer,
}

/// How a requestor asks (RFC 4388 §6.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum QueryKey {
    /// By address.
    Address,
    /// By hardware address.
    Mac,
    /// By client identifier.
    ClientId,
}

/// The question of stage `leasequery`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Leasequery<'a> {
    /// The binding.
    pub subject: Subject<'a>,
    /// giaddr of the query: where the answer goes.
    pub requestor: Ipv4Addr,
    /// Source address of the query.
    pub source: Ipv4Addr,
    /// How it asks.
    pub key: QueryKey,
}

/// Whether the requestor may know.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum LeasequeryVerdict {
    /// It is told.
    Answer,
    /// To it, the binding does not exist.
    Refuse,
}

/// The question of stage `route`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RouteQuestion<'a> {
    /// The session.
    pub subject: Subject<'a>,
}

/// Most extra routes of one session; the rest is left out.
pub const EXTRA_ROUTES_MAX: usize = 16;

/// What a `route` chain, or an authority, has chosen for all routes of a session.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RouteChoice {
    /// Metric; the plane's default where none.
    pub metric: Option<u32>,
    /// Routing table in place of the instance's; 0 counts as none.
    pub table: Option<u32>,
    /// Tag (realm) where the plane has one.
    pub tag: Option<u32>,
    /// Routes beside the access-internal one, via the client or its relay; host bits are cleared. Whoever came first
    /// has a prefix: another session that wants it too goes without.
    pub extra: Vec<ExtraRoute>,
}

/// A route beside the access-internal one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ExtraRoute {
    /// Destination.
    pub network: Ipv4Addr,
    /// Prefix length, 0 to 32.
    pub len: u8,
}
