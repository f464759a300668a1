//! DHCPv4: RFC 2131 messages, RFC 2132 options, long options by RFC 3396, option 82 by RFC 3046.

pub mod authentication;
mod builder;
mod client_identifier;
mod code;
mod error;
mod message;
mod options;
mod packet;
mod relay_agent;
mod reply;

pub use builder::{Fault, MessageBuilder};
pub use client_identifier::{Duid, NODE_TYPE, NodeIdentifier};
pub use code::{CodeSet, OptionCode};
pub use error::{DecodeError, EncodeError, OptionError, OptionFault};
pub use message::{MessageType, Op, UnknownMessageType};
pub use options::OptionList;
pub use packet::{Packet, ParseRules};
pub use relay_agent::{RelayAgentInformation, SubOption, SubOptions};
pub use reply::{EncodeLimits, Encoded, Reply};

/// The four bytes before the first option (RFC 2131 §3).
pub const MAGIC_COOKIE: [u8; 4] = [99, 130, 83, 99];

/// Bytes of the fixed header, `op` to `file` (RFC 2131 §2).
pub const HEADER_LEN: usize = 236;

/// Smallest message that we send: the size of a BOOTP message (RFC 951 §3, RFC 1542 §2.1).
pub const MESSAGE_LEN_MIN: usize = 300;

/// Bytes of the `sname` field (RFC 2131 §2).
pub const SNAME_LEN: usize = 64;

/// Bytes of the `file` field (RFC 2131 §2).
pub const FILE_LEN: usize = 128;

/// Where `chaddr` starts.
pub(crate) const CHADDR: usize = 28;
/// Where `sname` starts.
pub(crate) const SNAME: usize = 44;
/// Where `file` starts.
pub(crate) const FILE: usize = 108;
/// Where the first option starts, behind the cookie.
pub(crate) const OPTIONS: usize = HEADER_LEN + 4;

/// The broadcast bit of `flags` (RFC 2131 §2, figure 2).
pub(crate) const FLAG_BROADCAST: u16 = 0x8000;
