//! Attribute lists that are being made.

use super::attribute::{Attribute, Attributes, Flat, Type};
use super::{HEADER_LEN, MAX_LEN};
use std::net::Ipv4Addr;

/// An attribute does not fit: its value is longer than 253 bytes, or the packet would be longer than 4096.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
#[error("attribute {0:?} does not fit")]
pub struct TooLong(pub Type);

/// Attributes as they go on the wire. Never longer than a packet can carry.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct AttributeList {
    bytes: Vec<u8>,
}

impl AttributeList {
    /// Room for attributes: a packet without its header, and without the Message-Authenticator that is added later.
    pub const CAPACITY: usize = MAX_LEN - HEADER_LEN - 18;

    /// An empty list.
    pub const fn new() -> Self {
        Self { bytes: Vec::new() }
    }

    /// A list from bytes as they are on the wire; `None` where they are not sound or too long.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        (bytes.len() <= MAX_LEN - HEADER_LEN && Attributes::are_sound(bytes)).then(|| Self::from_sound(bytes))
    }

    pub(super) fn from_sound(bytes: &[u8]) -> Self {
        Self { bytes: bytes.to_vec() }
    }

    /// The bytes as they go on the wire.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether there is no attribute.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Adds an attribute at the end.
    ///
    /// # Errors
    /// It does not fit; the list is unchanged.
    pub fn push(&mut self, kind: Type, value: &[u8]) -> Result<(), TooLong> {
        let length = u8::try_from(value.len() + 2).map_err(|_| TooLong(kind))?;
        if self.bytes.len() + usize::from(length) > Self::CAPACITY {
            return Err(TooLong(kind));
        }
        self.bytes.extend_from_slice(&[kind.0, length]);
        self.bytes.extend_from_slice(value);
        Ok(())
    }

    /// Adds a number of four bytes.
    ///
    /// # Errors
    /// The packet is full.
    pub fn push_number(&mut self, kind: Type, value: u32) -> Result<(), TooLong> {
        self.push(kind, &value.to_be_bytes())
    }

    /// Adds an address.
    ///
    /// # Errors
    /// The packet is full.
    pub fn push_address(&mut self, kind: Type, value: Ipv4Addr) -> Result<(), TooLong> {
        self.push(kind, &value.octets())
    }

    /// Adds a vendor's attribute as a Vendor-Specific one of its own (RFC 2865 §5.26).
    ///
    /// # Errors
    /// The value is longer than 247 bytes, or the packet is full; the list is unchanged.
    pub fn push_vendor(&mut self, vendor: u32, code: u8, value: &[u8]) -> Result<(), TooLong> {
        const KIND: Type = Type::VENDOR_SPECIFIC;
        let length = u8::try_from(value.len() + 2).map_err(|_| TooLong(KIND))?;
        let mut whole = Vec::with_capacity(value.len() + 6);
        whole.extend_from_slice(&vendor.to_be_bytes());
        whole.extend_from_slice(&[code, length]);
        whole.extend_from_slice(value);
        self.push(KIND, &whole)
    }

    /// Adds what another list has.
    ///
    /// # Errors
    /// An attribute does not fit; those before it are added.
    pub fn extend(&mut self, attributes: Attributes<'_>) -> Result<(), TooLong> {
        for attribute in attributes {
            self.push(attribute.kind, attribute.value)?;
        }
        Ok(())
    }

    /// Removes all attributes of a type.
    pub fn remove(&mut self, kind: Type) {
        let mut kept = Vec::with_capacity(self.bytes.len());
        for Attribute { kind: other, value } in self.iter() {
            if other != kind {
                // At most 253 bytes: it was in a list.
                kept.extend_from_slice(&[other.0, value.len() as u8 + 2]);
                kept.extend_from_slice(value);
            }
        }
        self.bytes = kept;
    }

    /// The attributes in order.
    pub fn iter(&self) -> Attributes<'_> {
        Attributes::new(&self.bytes)
    }

    /// The attributes in order, Vendor-Specific ones taken apart.
    pub fn flat(&self) -> Flat<'_> {
        self.iter().flat()
    }

    /// Value of the first attribute of a type.
    pub fn first(&self, kind: Type) -> Option<&[u8]> {
        self.iter().first(kind)
    }
}

impl<'a> IntoIterator for &'a AttributeList {
    type Item = Attribute<'a>;
    type IntoIter = Attributes<'a>;

    fn into_iter(self) -> Attributes<'a> {
        self.iter()
    }
}
