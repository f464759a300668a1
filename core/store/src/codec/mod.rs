//! The bytes of a record. Nothing else in the workspace knows them.
//!
//! Every value starts with its own version byte and ends with a CRC-32 (IEEE) over its key and all the bytes before
//! it: a value that was damaged, cut, or put under another key does not decode. Keys are big-endian, so that the
//! database's order is the order of the numbers; values are little-endian. Versions only go up, a reader knows all
//! older ones, and a newer one is [`RecordError::Newer`].
//!
//! **Keyspace `leases`** (and, with keys of one byte, the facts):
//!
//! | key | value |
//! |---|---|
//! | session u64, binding index u8 | [`LeaseRecord`], at most [`LEASE_MAX`] bytes |
//! | `h` | head: what the last commit left behind, [`Head`] |
//! | `m` | [`MetaRecord`] |
//!
//! **Keyspace `identities`**: key session u64, value [`IdentityRecord`].
//!
//! Lease, version 2:
//!
//! | bytes | what |
//! |---|---|
//! | 1 | version |
//! | 1 | role (low 4 bits), state (high 4 bits) |
//! | 1 | shape: bit 0 bound is IPv6, bit 1 scope is IPv6, bits 2-3 route (0 none, 1 link, 2 via), bit 4 neighbour, bit 5 nonce, bit 6 reconfiguration, bit 7 ahead |
//! | 2 | flags |
//! | 2 | number of the routing instance in the run that wrote it; the identity has its name |
//! | 4 | xid |
//! | 8 | change |
//! | 4 x 6 | start, end, cltt, changed: seconds in 48 bits, all ones for never |
//! | 4, 4 | server id, giaddr |
//! | 4 or 17 | bound: IPv4 address, or IPv6 address and length |
//! | 4 or 16 | scope |
//! | 0 or 4 | source address of the route |
//! | 0 or 24 | nonce, replay |
//! | 0 or 4 | when the next FORCERENEW is due, seconds after the start |
//! | 0 or 4 | by how much the end is ahead of the promised one, seconds |
//! | 4 | CRC |
//!
//! Version 1 has no bit 7.
//!
//! Identity, version 1: version, htype, hardware length and bytes, then client-id, relay info, vendor class, host
//! name, interface, group, pool, each as its length (one byte below 255, else 255 and a u32) and bytes; CRC. Version 2
//! adds the subscriber, version 3 the name of the routing instance (empty for the default one), each likewise.
//!
//! Meta, version 2: version, lease clock u64, wall u64, sessions made u64, change u64, 1 where the run ended in order or
//! 0, promises from u64, CRC. Version 1 has neither of these two.
//!
//! Head, version 1: version, database id u64, commit u64, leases u64, identities u64, digest u64, CRC of meta u32
//! (0 for none), CRC.

mod facts;
mod identity;
mod lease;

pub use facts::{Head, decode_head, decode_meta, encode_head, encode_meta};
pub use identity::{decode_identity, encode_identity};
pub use lease::{LEASE_MAX, decode_lease, encode_lease};

use bindery_engine::record::BindingKey;
#[cfg(doc)]
use bindery_engine::record::{IdentityRecord, LeaseRecord, MetaRecord};
use bindery_types::SessionId;

/// Version of the database as a whole, in its format file.
pub const FORMAT: u32 = 1;

/// Key of the head record.
pub const HEAD_KEY: [u8; 1] = *b"h";
/// Key of the meta record.
pub const META_KEY: [u8; 1] = *b"m";

/// Why a record does not decode.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RecordError {
    /// The CRC is wrong, or the value is too short to have one.
    #[error("its checksum is wrong")]
    Checksum,
    /// Written by a newer release.
    #[error("record version {0} is newer than this release")]
    Newer(u8),
    /// The CRC is right and yet the bytes mean nothing: a fault of the writer.
    #[error("its {0} makes no sense")]
    Field(&'static str),
    /// The key has a length that no key has.
    #[error("its key has a wrong length")]
    Key,
}

/// Encodes the key of a lease record.
pub fn encode_binding_key(key: BindingKey) -> [u8; 9] {
    let mut bytes = [0; 9];
    bytes[..8].copy_from_slice(&key.session.0.to_be_bytes());
    bytes[8] = key.index;
    bytes
}

/// Decodes the key of a lease record.
///
/// # Errors
/// [`RecordError::Key`] unless it has nine bytes.
pub fn decode_binding_key(bytes: &[u8]) -> Result<BindingKey, RecordError> {
    let (session, index) = bytes.split_last_chunk::<1>().ok_or(RecordError::Key)?;
    Ok(BindingKey { session: decode_session_key(session)?, index: index[0] })
}

/// Encodes the key of an identity record.
pub fn encode_session_key(session: SessionId) -> [u8; 8] {
    session.0.to_be_bytes()
}

/// Decodes the key of an identity record.
///
/// # Errors
/// [`RecordError::Key`] unless it has eight bytes.
pub fn decode_session_key(bytes: &[u8]) -> Result<SessionId, RecordError> {
    let bytes: [u8; 8] = bytes.try_into().map_err(|_| RecordError::Key)?;
    Ok(SessionId(u64::from_be_bytes(bytes)))
}

/// Seals `out`, which holds a value without its CRC, and returns the CRC.
fn seal(key: &[u8], out: &mut Vec<u8>) -> u32 {
    let crc = checksum(key, out);
    out.extend_from_slice(&crc.to_le_bytes());
    crc
}

/// Checks the seal and returns the value without it, and the CRC.
fn unseal<'a>(key: &[u8], value: &'a [u8]) -> Result<(&'a [u8], u32), RecordError> {
    let (body, crc) = value.split_last_chunk::<4>().ok_or(RecordError::Checksum)?;
    let crc = u32::from_le_bytes(*crc);
    if checksum(key, body) == crc { Ok((body, crc)) } else { Err(RecordError::Checksum) }
}

fn checksum(key: &[u8], body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key);
    hasher.update(body);
    hasher.finalize()
}

/// Reads fields off the front of a value whose CRC is right.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// Checks the version byte: `newest` is the newest that is known.
    fn open(body: &'a [u8], newest: u8) -> Result<(Self, u8), RecordError> {
        let mut fields = Self(body);
        let version = fields.u8()?;
        match version {
            0 => Err(RecordError::Field("version")),
            v if v > newest => Err(RecordError::Newer(v)),
            v => Ok((fields, v)),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], RecordError> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(RecordError::Field("length"))?;
        self.0 = rest;
        Ok(*head)
    }

    fn bytes(&mut self, len: usize) -> Result<&'a [u8], RecordError> {
        let (head, rest) = self.0.split_at_checked(len).ok_or(RecordError::Field("length"))?;
        self.0 = rest;
        Ok(head)
    }

    fn u8(&mut self) -> Result<u8, RecordError> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    fn u16(&mut self) -> Result<u16, RecordError> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    fn u32(&mut self) -> Result<u32, RecordError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64, RecordError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// Ends the value: nothing may be left.
    fn close(self) -> Result<(), RecordError> {
        if self.0.is_empty() { Ok(()) } else { Err(RecordError::Field("length")) }
    }
}
