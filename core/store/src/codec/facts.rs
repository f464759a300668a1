//! The two records that speak of the database as a whole.

use super::{Fields, HEAD_KEY, META_KEY, RecordError, seal, unseal};
use bindery_engine::record::MetaRecord;
use bindery_types::{LeaseTime, Wall};

/// The newest version of a meta record.
const META_VERSION: u8 = 2;
/// The newest version of a head record.
const HEAD_VERSION: u8 = 1;

/// Written in every commit: what the whole database must look like after it.
///
/// At start the records are counted and digested again. So a record that is lost, doubled or fallen back to an older
/// value is seen, though each record by itself is sound.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Head {
    /// Names the database: random, fixed at its making. Nobody outside knows it.
    pub database: u64,
    /// Running number of the commit, from 0 at its making.
    pub commit: u64,
    /// Number of lease records.
    pub leases: u64,
    /// Number of identity records.
    pub identities: u64,
    /// Digest of all lease and identity records.
    pub digest: u64,
    /// CRC of the meta record, 0 when there is none.
    pub meta: u32,
}

/// Appends the value of `meta` to `out`, which must be empty, and returns its CRC.
pub fn encode_meta(meta: &MetaRecord, out: &mut Vec<u8>) -> u32 {
    debug_assert!(out.is_empty());
    out.push(META_VERSION);
    for number in [meta.lease_clock.0, meta.wall.0, meta.sessions_made, meta.change] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    out.push(u8::from(meta.in_order));
    out.extend_from_slice(&meta.promises_from.to_le_bytes());
    seal(&META_KEY, out)
}

/// Decodes a meta record, and returns its CRC too.
///
/// # Errors
/// As [`RecordError`] tells; never panics.
pub fn decode_meta(value: &[u8]) -> Result<(MetaRecord, u32), RecordError> {
    let (body, crc) = unseal(&META_KEY, value)?;
    let (mut fields, version) = Fields::open(body, META_VERSION)?;
    let meta = MetaRecord {
        lease_clock: LeaseTime(fields.u64()?),
        wall: Wall(fields.u64()?),
        sessions_made: fields.u64()?,
        change: fields.u64()?,
        in_order: match version {
            1 => false,
            _ => match fields.u8()? {
                0 => false,
                1 => true,
                _ => return Err(RecordError::Field("order")),
            },
        },
        promises_from: if version == 1 { 0 } else { fields.u64()? },
    };
    fields.close()?;
    Ok((meta, crc))
}

/// Appends the value of `head` to `out`, which must be empty.
pub fn encode_head(head: &Head, out: &mut Vec<u8>) {
    debug_assert!(out.is_empty());
    out.push(HEAD_VERSION);
    for number in [head.database, head.commit, head.leases, head.identities, head.digest] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    out.extend_from_slice(&head.meta.to_le_bytes());
    seal(&HEAD_KEY, out);
}

/// Decodes a head record.
///
/// # Errors
/// As [`RecordError`] tells; never panics.
pub fn decode_head(value: &[u8]) -> Result<Head, RecordError> {
    let (body, _) = unseal(&HEAD_KEY, value)?;
    let (mut fields, _) = Fields::open(body, HEAD_VERSION)?;
    let head = Head {
        database: fields.u64()?,
        commit: fields.u64()?,
        leases: fields.u64()?,
        identities: fields.u64()?,
        digest: fields.u64()?,
        meta: fields.u32()?,
    };
    fields.close()?;
    Ok(head)
}
