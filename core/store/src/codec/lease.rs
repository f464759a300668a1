//! The lease record.

use super::{Fields, RecordError, encode_binding_key, seal, unseal};
use bindery_engine::record::{BindingKey, Bound, DurableState, LeaseRecord, Nonce, Role, RouteRecord};
use bindery_types::{InstanceId, IpAddr, Ipv4Addr, Ipv6Addr, LeaseTime, Xid};

/// The newest version of a lease record.
const VERSION: u8 = 2;

/// The longest lease value: an IPv6 prefix with a route and a nonce, being reconfigured.
pub const LEASE_MAX: usize = 3 + 2 + 2 + 4 + 8 + 4 * 6 + 4 + 4 + 17 + 16 + 4 + 24 + 4 + 4;

const _: () = assert!(LEASE_MAX <= 120, "design section 4: a lease value has at most 120 bytes");

const BOUND_V6: u8 = 1 << 0;
const SCOPE_V6: u8 = 1 << 1;
const ROUTE_SHIFT: u8 = 2;
const NEIGHBOUR: u8 = 1 << 4;
const NONCE: u8 = 1 << 5;
const RECONFIGURE: u8 = 1 << 6;
/// From version 2.
const AHEAD: u8 = 1 << 7;

/// All ones in 48 bits: [`LeaseTime::NEVER`].
const NEVER: u64 = 0xffff_ffff_ffff;

/// Appends the value of `lease` to `out`, which must be empty, and returns its CRC.
///
/// A time of 2^48 - 1 seconds (8.9 million years) or later is kept as [`LeaseTime::NEVER`].
pub fn encode_lease(lease: &LeaseRecord, out: &mut Vec<u8>) -> u32 {
    debug_assert!(out.is_empty());
    let (route, src, neighbour) = match lease.route {
        RouteRecord::None => (0, None, false),
        RouteRecord::Link { src, neighbour } => (1, Some(src), neighbour),
        RouteRecord::Via { src } => (2, Some(src), false),
    };
    let mut shape = route << ROUTE_SHIFT;
    if matches!(lease.bound, Bound::V6 { .. }) {
        shape |= BOUND_V6;
    }
    if lease.scope.is_ipv6() {
        shape |= SCOPE_V6;
    }
    if neighbour {
        shape |= NEIGHBOUR;
    }
    if lease.nonce.is_some() {
        shape |= NONCE;
    }
    if lease.reconfigure_due.is_some() {
        shape |= RECONFIGURE;
    }
    if ahead_of(lease) != 0 {
        shape |= AHEAD;
    }
    out.extend_from_slice(&[VERSION, lease.role as u8 | (lease.state as u8) << 4, shape]);
    out.extend_from_slice(&lease.flags.to_le_bytes());
    out.extend_from_slice(&lease.instance.0.to_le_bytes());
    out.extend_from_slice(&lease.xid.0.to_le_bytes());
    out.extend_from_slice(&lease.change.to_le_bytes());
    for time in [lease.start, lease.end, lease.cltt, lease.changed] {
        out.extend_from_slice(&time.0.min(NEVER).to_le_bytes()[..6]);
    }
    out.extend_from_slice(&lease.server_id.octets());
    out.extend_from_slice(&lease.giaddr.octets());
    match lease.bound {
        Bound::V4Address(address) => out.extend_from_slice(&address.octets()),
        Bound::V6 { address, len } => {
            out.extend_from_slice(&address.octets());
            out.push(len);
        }
    }
    match lease.scope {
        IpAddr::V4(address) => out.extend_from_slice(&address.octets()),
        IpAddr::V6(address) => out.extend_from_slice(&address.octets()),
    }
    if let Some(src) = src {
        out.extend_from_slice(&src.octets());
    }
    if let Some(nonce) = &lease.nonce {
        out.extend_from_slice(&nonce.value);
        out.extend_from_slice(&nonce.replay.to_le_bytes());
    }
    if let Some(due) = lease.reconfigure_due {
        // Seconds since the session began: 136 years fit, and an earlier time is simply overdue.
        let after = u32::try_from(due.0.saturating_sub(lease.start.0)).unwrap_or(u32::MAX);
        out.extend_from_slice(&after.to_le_bytes());
    }
    if ahead_of(lease) != 0 {
        out.extend_from_slice(&ahead_of(lease).to_le_bytes());
    }
    seal(&encode_binding_key(lease.key), out)
}

/// How far the end is ahead of the promised one. Only an IPv4 address has that: the longest value has no room.
fn ahead_of(lease: &LeaseRecord) -> u32 {
    if matches!(lease.bound, Bound::V4Address(_)) { lease.ahead } else { 0 }
}

/// Decodes the value that stands under `key`, and returns its CRC too.
///
/// # Errors
/// As [`RecordError`] tells; never panics.
pub fn decode_lease(key: BindingKey, value: &[u8]) -> Result<(LeaseRecord, u32), RecordError> {
    let (body, crc) = unseal(&encode_binding_key(key), value)?;
    let (mut fields, version) = Fields::open(body, VERSION)?;
    let kind = fields.u8()?;
    let shape = fields.u8()?;
    if version == 1 && shape & AHEAD != 0 {
        return Err(RecordError::Field("shape"));
    }
    let flags = fields.u16()?;
    let instance = InstanceId(fields.u16()?);
    let xid = Xid(fields.u32()?);
    let change = fields.u64()?;
    let [start, end, cltt, changed] = [time(&mut fields)?, time(&mut fields)?, time(&mut fields)?, time(&mut fields)?];
    let server_id = v4(&mut fields)?;
    let giaddr = v4(&mut fields)?;
    let bound = if shape & BOUND_V6 == 0 {
        Bound::V4Address(v4(&mut fields)?)
    } else {
        let address = v6(&mut fields)?;
        Bound::V6 { address, len: fields.u8()? }
    };
    let scope = if shape & SCOPE_V6 == 0 { IpAddr::V4(v4(&mut fields)?) } else { IpAddr::V6(v6(&mut fields)?) };
    let neighbour = shape & NEIGHBOUR != 0;
    let route = match ((shape >> ROUTE_SHIFT) & 3, neighbour) {
        (0, false) => RouteRecord::None,
        (1, neighbour) => RouteRecord::Link { src: v4(&mut fields)?, neighbour },
        (2, false) => RouteRecord::Via { src: v4(&mut fields)? },
        _ => return Err(RecordError::Field("route")),
    };
    let nonce = if shape & NONCE == 0 {
        None
    } else {
        let value = fields.array()?;
        Some(Nonce { value, replay: fields.u64()? })
    };
    let reconfigure_due = match shape & RECONFIGURE {
        0 => None,
        _ => {
            let after = u64::from(fields.u32()?);
            if start == LeaseTime::NEVER && after != 0 {
                return Err(RecordError::Field("reconfigure"));
            }
            Some(start.plus_secs(after))
        }
    };
    let ahead = if shape & AHEAD == 0 { 0 } else { ahead(&mut fields, shape)? };
    fields.close()?;
    let lease = LeaseRecord {
        key,
        instance,
        role: role(kind & 0x0f)?,
        state: state(kind >> 4)?,
        flags,
        bound,
        scope,
        server_id,
        giaddr,
        start,
        end,
        ahead,
        cltt,
        changed,
        change,
        xid,
        route,
        nonce,
        reconfigure_due,
    };
    Ok((lease, crc))
}

/// What is ahead by nothing, or of an IPv6 address, was never written.
fn ahead(fields: &mut Fields<'_>, shape: u8) -> Result<u32, RecordError> {
    match fields.u32()? {
        secs if secs != 0 && shape & BOUND_V6 == 0 => Ok(secs),
        _ => Err(RecordError::Field("ahead")),
    }
}

fn role(byte: u8) -> Result<Role, RecordError> {
    match byte {
        0 => Ok(Role::Server),
        1 => Ok(Role::Relay),
        2 => Ok(Role::Monitor),
        _ => Err(RecordError::Field("role")),
    }
}

fn state(byte: u8) -> Result<DurableState, RecordError> {
    match byte {
        1 => Ok(DurableState::Bound),
        2 => Ok(DurableState::Released),
        3 => Ok(DurableState::Expired),
        4 => Ok(DurableState::Cleared),
        5 => Ok(DurableState::Declined),
        _ => Err(RecordError::Field("state")),
    }
}

fn time(fields: &mut Fields<'_>) -> Result<LeaseTime, RecordError> {
    let [a, b, c, d, e, f] = fields.array()?;
    match u64::from_le_bytes([a, b, c, d, e, f, 0, 0]) {
        NEVER => Ok(LeaseTime::NEVER),
        secs => Ok(LeaseTime(secs)),
    }
}

fn v4(fields: &mut Fields<'_>) -> Result<Ipv4Addr, RecordError> {
    Ok(Ipv4Addr::from(fields.array::<4>()?))
}

fn v6(fields: &mut Fields<'_>) -> Result<Ipv6Addr, RecordError> {
    Ok(Ipv6Addr::from(fields.array::<16>()?))
}
