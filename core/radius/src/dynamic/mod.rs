//! Dynamic authorization (RFC 5176), the server's side: Disconnect-Requests and CoA-Requests are judged, remembered and
//! answered. Whose session is meant, and what becomes of it, is decided elsewhere; [`interpret`] reads what is asked.

mod order;
mod replay;
mod server;
#[cfg(test)]
mod tests;

pub use order::{Change, Order, Selector, interpret};
pub use server::{Counters, DropReason, DynamicServer, Reply, Request, RequestKey, Verdict};

use crate::packet::Code;

/// What is asked.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// Disconnect-Request: the session is to end.
    Disconnect,
    /// CoA-Request: the session is to change.
    Coa,
}

impl Kind {
    /// Code of the answer.
    pub const fn answer(self, ack: bool) -> Code {
        match (self, ack) {
            (Self::Disconnect, true) => Code::DisconnectAck,
            (Self::Disconnect, false) => Code::DisconnectNak,
            (Self::Coa, true) => Code::CoaAck,
            (Self::Coa, false) => Code::CoaNak,
        }
    }
}

/// Error-Cause (RFC 5176 §3.5).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u32)]
pub enum ErrorCause {
    /// The session's last traces are gone.
    ResidualContextRemoved = 201,
    /// An attribute that cannot be obeyed here.
    UnsupportedAttribute = 401,
    /// An attribute that is needed is not there.
    MissingAttribute = 402,
    /// The request means another router.
    NasIdentificationMismatch = 403,
    /// The request is malformed in another way.
    InvalidRequest = 404,
    /// A Service-Type that is not spoken here.
    UnsupportedService = 405,
    /// A value that cannot be obeyed.
    InvalidAttributeValue = 407,
    /// Policy says no.
    AdministrativelyProhibited = 501,
    /// No such session.
    SessionContextNotFound = 503,
    /// The session cannot be ended.
    SessionContextNotRemovable = 504,
    /// Not now: too much to do, or storage fails.
    ResourcesUnavailable = 506,
    /// Several sessions match.
    MultipleSessionSelectionUnsupported = 508,
}
