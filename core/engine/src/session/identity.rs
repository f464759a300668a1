//! Who a client is: the bytes that it and its relay said, kept as one string of bytes a session.
//!
//! Layout: htype, then hardware address, client-id, relay information, vendor class, host name and subscriber, each
//! behind its length: one byte, or 255 and two bytes, little-endian. So the bytes say themselves where they end, and zeros
//! may follow. A nonce, when there is one, is 24 bytes before it all; the record says whether.

use crate::record::Nonce;
use alloc::vec::Vec;
use bindery_types::HwAddr;
use core::fmt;

/// Bytes of a nonce before the rest.
const NONCE_LEN: usize = 24;
/// Length byte that says: two more bytes have the length.
const LONG: u8 = 255;

/// What makes two packets come from the same client (RFC 2131 §4.2): option 61 where it is sent, else the hardware
/// type and address. An IAID with a DUID is such an option like any other: the whole of it counts (RFC 4361 §6.1), and comes
/// before the hardware address (RFC 4361 §6.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClientKey<'a> {
    /// Option 61, not empty.
    ClientId(&'a [u8]),
    /// `htype` and `chaddr`.
    Hw(HwAddr),
}

impl<'a> ClientKey<'a> {
    /// The key of a client that sent `client_id` (empty for none) from `hw`.
    pub const fn new(client_id: &'a [u8], hw: HwAddr) -> Self {
        if client_id.is_empty() { Self::Hw(hw) } else { Self::ClientId(client_id) }
    }
}

/// The parts of an identity. Empty means that the client did not send it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Identity<'a> {
    /// Client hardware address.
    pub hw: HwAddr,
    /// Option 61.
    pub client_id: &'a [u8],
    /// Option 82 as last received.
    pub relay_info: &'a [u8],
    /// Option 60.
    pub vendor_class: &'a [u8],
    /// Option 12.
    pub host_name: &'a [u8],
    /// What an authority granted ([`crate::subscriber::Subscriber::encode`]); empty for nothing.
    pub subscriber: &'a [u8],
}

impl<'a> Identity<'a> {
    /// The client key.
    pub const fn key(&self) -> ClientKey<'a> {
        ClientKey::new(self.client_id, self.hw)
    }

    /// Reads bytes of an [`IdentityBuf`]. What is not there is empty.
    pub fn read(bytes: &'a [u8]) -> Self {
        let mut rest = Reader(bytes);
        let htype = rest.byte();
        let hw = HwAddr::new(htype, rest.part()).unwrap_or_default();
        let (client_id, relay_info, vendor_class) = (rest.part(), rest.part(), rest.part());
        let (host_name, subscriber) = (rest.part(), rest.part());
        Self { hw, client_id, relay_info, vendor_class, host_name, subscriber }
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((&byte, rest)) => {
                self.0 = rest;
                byte
            }
            None => 0,
        }
    }

    fn part(&mut self) -> &'a [u8] {
        // What a client did not send is the usual case, and an identity is read a dozen times a packet.
        if let [0, rest @ ..] = self.0 {
            self.0 = rest;
            return &[];
        }
        let len = match self.byte() {
            LONG => usize::from(u16::from_le_bytes([self.byte(), self.byte()])),
            len => usize::from(len),
        };
        let (part, rest) = self.0.split_at_checked(len).unwrap_or((self.0, &[]));
        self.0 = rest;
        part
    }
}

/// A part of an identity is longer than 65535 bytes: no packet has that.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooLong;

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a part of the client's identity is longer than 65535 bytes")
    }
}

impl core::error::Error for TooLong {}

/// An identity in its stored layout, built in a buffer that is used again: comparing it with what is stored
/// allocates nothing.
#[derive(Clone, Debug)]
pub struct IdentityBuf(Vec<u8>);

impl Default for IdentityBuf {
    fn default() -> Self {
        Self::new()
    }
}

impl IdentityBuf {
    /// The empty identity.
    pub fn new() -> Self {
        let mut bytes = Vec::with_capacity(128);
        bytes.resize(EMPTY_LEN, 0);
        Self(bytes)
    }

    /// Overwrites the buffer with `identity`.
    ///
    /// # Errors
    /// A part is too long; the buffer then holds the empty identity.
    pub fn set(&mut self, identity: &Identity<'_>) -> Result<(), TooLong> {
        self.0.clear();
        self.0.push(identity.hw.htype);
        let parts = [
            identity.hw.as_bytes(),
            identity.client_id,
            identity.relay_info,
            identity.vendor_class,
            identity.host_name,
            identity.subscriber,
        ];
        for part in parts {
            let Ok(len) = u16::try_from(part.len()) else {
                *self = Self::new();
                return Err(TooLong);
            };
            match u8::try_from(len) {
                Ok(len) if len != LONG => self.0.push(len),
                _ => {
                    self.0.push(LONG);
                    self.0.extend_from_slice(&len.to_le_bytes());
                }
            }
            self.0.extend_from_slice(part);
        }
        Ok(())
    }

    /// The identity in its stored layout: to put in a box while a write is under way.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The identity in the buffer.
    pub fn view(&self) -> Identity<'_> {
        Identity::read(&self.0)
    }
}

/// htype and six lengths of zero.
const EMPTY_LEN: usize = 7;

/// What the table keeps of a client: its nonce, where it has one, and its identity.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept<'a> {
    nonce: &'a [u8],
    /// Zeros may follow the identity.
    identity: &'a [u8],
}

impl<'a> Kept<'a> {
    pub(super) fn new(bytes: &'a [u8], has_nonce: bool) -> Self {
        let len = if has_nonce { NONCE_LEN } else { 0 };
        let (nonce, identity) = bytes.split_at_checked(len).unwrap_or((&[], bytes));
        Self { nonce, identity }
    }

    pub(super) fn identity(self) -> Identity<'a> {
        Identity::read(self.identity)
    }

    /// Whether `identity` is kept here. No identity begins with all of another one.
    pub(super) fn is(self, identity: &IdentityBuf) -> bool {
        self.identity.starts_with(&identity.0)
    }

    pub(super) fn nonce(self) -> Option<Nonce> {
        let (value, replay) = self.nonce.split_first_chunk::<16>()?;
        Some(Nonce { value: *value, replay: u64::from_le_bytes(replay.try_into().ok()?) })
    }
}

/// The bytes of a nonce and an identity that is in its stored layout.
pub(super) fn with_nonce(nonce: Nonce, identity: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(NONCE_LEN + identity.len());
    bytes.extend_from_slice(&nonce_bytes(nonce));
    bytes.extend_from_slice(identity);
    bytes
}

pub(super) fn nonce_bytes(nonce: Nonce) -> [u8; NONCE_LEN] {
    let mut bytes = [0; NONCE_LEN];
    bytes[..16].copy_from_slice(&nonce.value);
    bytes[16..].copy_from_slice(&nonce.replay.to_le_bytes());
    bytes
}
