//! What can be wrong with a message, by whose doing.

use super::OptionCode;
use core::fmt;

/// Why a datagram is no DHCPv4 message. The sender's doing: counted, never answered.
///
/// Each variant is one row of Junos's `show dhcp server statistics`, named at the variant.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DecodeError {
    /// Shorter than the fixed header of 236 bytes (RFC 2131 §2). Counts as `too-short`.
    TooShort,
    /// `op` is neither 1 nor 2 (RFC 2131 §2, table 1). Counts as `bad-bootp-opcode`.
    BadOpcode(u8),
    /// `hlen` is over 16 (RFC 2131 §2), or `htype` is Ethernet and `hlen` is not 6. Counts as `bad-hardware`.
    BadHardware {
        /// `htype` of the message.
        htype: u8,
        /// `hlen` of the message.
        hlen: u8,
    },
    /// No magic cookie behind the header (RFC 2131 §3): a BOOTP message without vendor extensions of RFC 2132, or
    /// no BOOTP at all. Counts as `no-options`.
    NoOptions,
    /// The options do not follow RFC 2132. Counts as `bad-options`.
    BadOptions(OptionFault),
    /// Option 53 has a value that is no message type (RFC 2132 §9.6). Counts as `bad-dhcp-opcode`.
    BadMessageType(u8),
}

/// What is wrong with the options of a message.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum OptionFault {
    /// An option ends behind the end of its field (RFC 2131 §4.1: "entirely contained in that field").
    Truncated(OptionCode),
    /// A field in use ends without an end option (RFC 2131 §4.1) and [`super::ParseRules`] demands one.
    NoEnd,
    /// A fixed-length option that the server relies on has another length, counted over all its instances
    /// (RFC 3396 §7).
    BadLength {
        /// The option.
        code: OptionCode,
        /// Its length in bytes.
        len: usize,
    },
    /// Option 52 has a value other than 1, 2 and 3 (RFC 2132 §9.3).
    BadOverload(u8),
    /// More option instances than [`super::Packet::OPTION_INSTANCES_MAX`], or a datagram over 65,535 bytes.
    TooMany,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort => f.write_str("the message is shorter than its fixed header"),
            Self::BadOpcode(op) => write!(f, "op {op} is neither BOOTREQUEST nor BOOTREPLY"),
            Self::BadHardware { htype, hlen } => {
                write!(f, "a hardware address of type {htype} cannot have {hlen} bytes")
            }
            Self::NoOptions => f.write_str("the magic cookie is missing"),
            Self::BadOptions(fault) => fault.fmt(f),
            Self::BadMessageType(value) => write!(f, "{value} is no DHCP message type"),
        }
    }
}

impl fmt::Display for OptionFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated(code) => write!(f, "{code} ends behind its field"),
            Self::NoEnd => f.write_str("the end option is missing"),
            Self::BadLength { code, len } => write!(f, "{code} cannot have {len} bytes"),
            Self::BadOverload(value) => write!(f, "{value} is no value of option-overload (52)"),
            Self::TooMany => f.write_str("the message has too many options"),
        }
    }
}

impl core::error::Error for DecodeError {}
impl core::error::Error for OptionFault {}

/// Why an option cannot be set.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum OptionError {
    /// 0 and 255 are pad and end, and 52 belongs to the encoder.
    Reserved(OptionCode),
    /// The list would grow over [`super::OptionList::BYTES_MAX`].
    Full(OptionCode),
}

impl fmt::Display for OptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reserved(code) => write!(f, "{code} cannot be set"),
            Self::Full(code) => write!(f, "no room for {code}"),
        }
    }
}

impl core::error::Error for OptionError {}

/// Why a reply cannot be encoded.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum EncodeError {
    /// The options that may not be left out do not fit; the first that found no room.
    NoRoom(OptionCode),
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRoom(code) => write!(f, "{code} does not fit into the message and may not be left out"),
        }
    }
}

impl core::error::Error for EncodeError {}
