//! The identity record.

use super::{Fields, RecordError, encode_session_key, seal, unseal};
use bindery_engine::record::IdentityRecord;
use bindery_types::{HwAddr, SessionId};

/// The newest version of an identity record.
const VERSION: u8 = 3;

/// Lengths from here on take five bytes.
const LONG: u8 = 255;

/// Appends the value of `identity` to `out`, which must be empty, and returns its CRC.
pub fn encode_identity(session: SessionId, identity: &IdentityRecord, out: &mut Vec<u8>) -> u32 {
    debug_assert!(out.is_empty());
    let hw = identity.hw.as_bytes();
    // At most 16 bytes, as chaddr (RFC 2131 §2).
    out.extend_from_slice(&[VERSION, identity.hw.htype, hw.len() as u8]);
    out.extend_from_slice(hw);
    put(out, &identity.client_id);
    put(out, &identity.relay_info);
    put(out, &identity.vendor_class);
    put(out, &identity.host_name);
    put(out, identity.interface.as_bytes());
    put(out, identity.group.as_bytes());
    put(out, identity.pool.as_bytes());
    put(out, &identity.subscriber);
    put(out, identity.instance.as_bytes());
    seal(&encode_session_key(session), out)
}

/// Decodes the value that stands under `session`, and returns its CRC too.
///
/// # Errors
/// As [`RecordError`] tells; never panics.
pub fn decode_identity(session: SessionId, value: &[u8]) -> Result<(IdentityRecord, u32), RecordError> {
    let (body, crc) = unseal(&encode_session_key(session), value)?;
    let (mut fields, version) = Fields::open(body, VERSION)?;
    let htype = fields.u8()?;
    let len = fields.u8()?;
    let hw = HwAddr::new(htype, fields.bytes(usize::from(len))?).ok_or(RecordError::Field("hardware address"))?;
    let identity = IdentityRecord {
        hw,
        client_id: take(&mut fields)?.into(),
        relay_info: take(&mut fields)?.into(),
        vendor_class: take(&mut fields)?.into(),
        host_name: take(&mut fields)?.into(),
        interface: text(&mut fields, "interface")?,
        group: text(&mut fields, "group")?,
        pool: text(&mut fields, "pool")?,
        // Version 2 brought it.
        subscriber: if version < 2 { Box::default() } else { take(&mut fields)?.into() },
        // Version 3 brought it: before there was one routing instance.
        instance: if version < 3 { Box::default() } else { text(&mut fields, "routing instance")? },
    };
    fields.close()?;
    Ok((identity, crc))
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    match u8::try_from(bytes.len()) {
        Ok(len) if len < LONG => out.push(len),
        _ => {
            // What comes off the wire or out of a configuration is far below 4 GiB; a longer one is cut.
            let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            out.push(LONG);
            out.extend_from_slice(&len.to_le_bytes());
        }
    }
    out.extend_from_slice(&bytes[..bytes.len().min(u32::MAX as usize)]);
}

fn take<'a>(fields: &mut Fields<'a>) -> Result<&'a [u8], RecordError> {
    let len = match fields.u8()? {
        LONG => fields.u32()? as usize,
        len => usize::from(len),
    };
    fields.bytes(len)
}

fn text(fields: &mut Fields<'_>, what: &'static str) -> Result<Box<str>, RecordError> {
    core::str::from_utf8(take(fields)?).map(Box::from).map_err(|_| RecordError::Field(what))
}
