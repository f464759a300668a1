//! RADIUS packets (RFC 2865 §3): a view on received bytes, attribute lists, and everything that is signed.

mod attribute;
mod auth;
mod list;
#[cfg(test)]
mod tests;

pub use attribute::{Attribute, Attributes, Flat, FlatAttribute, Type, vendor};
pub use auth::{
    EncodeError, Secret, VerifyError, access_request, hide_password, response, reveal_password, signed_request,
    verify_access_request, verify_response, verify_signed_request,
};
pub use list::{AttributeList, TooLong};

/// Bytes before the attributes: code, identifier, length, authenticator.
pub const HEADER_LEN: usize = 20;

/// The longest packet (RFC 2865 §3).
pub const MAX_LEN: usize = 4096;

/// The 16 bytes that authenticate a packet (RFC 2865 §3).
pub type Authenticator = [u8; 16];

/// Kind of a packet (RFC 2865 §3, RFC 2866 §3, RFC 5176 §2.3).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Code {
    /// May this subscriber come in?
    AccessRequest = 1,
    /// Yes.
    AccessAccept = 2,
    /// No.
    AccessReject = 3,
    /// A record of use.
    AccountingRequest = 4,
    /// The record is kept.
    AccountingResponse = 5,
    /// A question back.
    AccessChallenge = 11,
    /// End this session.
    DisconnectRequest = 40,
    /// It is ended.
    DisconnectAck = 41,
    /// It is not.
    DisconnectNak = 42,
    /// Change this session.
    CoaRequest = 43,
    /// It is changed.
    CoaAck = 44,
    /// It is not.
    CoaNak = 45,
}

impl Code {
    /// The code of this number; `None` for one that nobody here speaks.
    pub const fn new(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::AccessRequest,
            2 => Self::AccessAccept,
            3 => Self::AccessReject,
            4 => Self::AccountingRequest,
            5 => Self::AccountingResponse,
            11 => Self::AccessChallenge,
            40 => Self::DisconnectRequest,
            41 => Self::DisconnectAck,
            42 => Self::DisconnectNak,
            43 => Self::CoaRequest,
            44 => Self::CoaAck,
            45 => Self::CoaNak,
            _ => return None,
        })
    }
}

/// Why bytes are not a packet. RFC 2865 §3: such packets are discarded in silence.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
pub enum DecodeError {
    /// Shorter than a header, or than its own length field says.
    #[error("cut short")]
    Short,
    /// The length field is below 20 or above 4096.
    #[error("length field out of range")]
    Length,
    /// A code that nobody here speaks.
    #[error("unknown code {0}")]
    Code(u8),
    /// An attribute is shorter than its own header or longer than what is left.
    #[error("malformed attribute")]
    Attribute,
}

/// A received packet whose framing is sound. Nothing is authenticated yet: see [`verify_response`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Packet<'a> {
    code: Code,
    bytes: &'a [u8],
    authenticator: &'a Authenticator,
    attributes: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Takes a datagram apart. Bytes after the length that the header names are padding (RFC 2865 §3).
    ///
    /// # Errors
    /// The framing is not sound.
    pub fn decode(datagram: &'a [u8]) -> Result<Self, DecodeError> {
        let (head, _) = datagram.split_first_chunk::<4>().ok_or(DecodeError::Short)?;
        let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
        if !(HEADER_LEN..=MAX_LEN).contains(&length) {
            return Err(DecodeError::Length);
        }
        let bytes = datagram.get(..length).ok_or(DecodeError::Short)?;
        let code = Code::new(head[0]).ok_or(DecodeError::Code(head[0]))?;
        let (authenticator, attributes) = bytes[4..].split_first_chunk::<16>().ok_or(DecodeError::Short)?;
        if !Attributes::are_sound(attributes) {
            return Err(DecodeError::Attribute);
        }
        Ok(Self { code, bytes, authenticator, attributes })
    }

    /// Kind of the packet.
    pub fn code(&self) -> Code {
        self.code
    }

    /// Identifier: what an answer is matched by, together with the sockets.
    pub fn id(&self) -> u8 {
        self.bytes[1]
    }

    /// Authenticator as received.
    pub fn authenticator(&self) -> &'a Authenticator {
        self.authenticator
    }

    /// The packet without padding.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The attributes in order.
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes::new(self.attributes)
    }

    /// Value of the first attribute of a type.
    pub fn first(&self, kind: Type) -> Option<&'a [u8]> {
        self.attributes().first(kind)
    }

    /// The attributes as a list of their own.
    pub fn to_list(&self) -> AttributeList {
        AttributeList::from_sound(self.attributes)
    }
}
