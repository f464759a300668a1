//! What a dynamic request asks for: which session, and what of it.

use super::{ErrorCause, Kind, Request};
use crate::config::NasConfig;
use crate::packet::{Attribute, AttributeList, Type};
use bindery_types::MacAddr;
use std::net::Ipv4Addr;

/// Which session is meant: it must match all that is given (RFC 5176 §3).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Selector {
    /// Acct-Session-Id.
    pub session_id: Option<Box<str>>,
    /// Acct-Multi-Session-Id.
    pub multi_session_id: Option<Box<str>>,
    /// User-Name.
    pub username: Option<Box<str>>,
    /// Framed-IP-Address.
    pub address: Option<Ipv4Addr>,
    /// Calling-Station-Id, as a MAC address.
    pub mac: Option<MacAddr>,
    /// NAS-Port-Id: the interface.
    pub interface: Option<Box<str>>,
}

impl Selector {
    /// Whether nothing is given.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What a CoA-Request changes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Change {
    /// Session-Timeout, seconds from now.
    pub session_timeout: Option<u32>,
    /// Framed-Pool: the client gets an address of this pool.
    pub pool: Option<Box<str>>,
    /// Framed-IP-Address beside another name of the session: the client gets this address, when it has another one.
    pub address: Option<Ipv4Addr>,
}

/// What is asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Order {
    /// Which session.
    pub selector: Selector,
    /// What of it; `None`: its end.
    pub change: Option<Change>,
}

/// Reads a request.
///
/// In a CoA-Request, Framed-IP-Address names the session when nothing else does; beside Acct-Session-Id,
/// Acct-Multi-Session-Id, User-Name, Calling-Station-Id or NAS-Port-Id it is the address that the session shall have.
/// Vendor-Specific attributes, Reply-Message and Class are left to plugins and change nothing here.
///
/// # Errors
/// The Error-Cause of the NAK (RFC 5176 §3.5).
pub fn interpret(request: &Request, nas: &NasConfig) -> Result<Order, ErrorCause> {
    if authorize_only(&request.attributes) || request.attributes.first(Type::SERVICE_TYPE).is_some() {
        return Err(match request.kind {
            Kind::Disconnect => ErrorCause::UnsupportedAttribute,
            Kind::Coa => ErrorCause::UnsupportedService,
        });
    }
    let mut selector = Selector::default();
    let mut change = Change::default();
    for attribute in &request.attributes {
        match attribute.kind {
            Type::NAS_IP_ADDRESS | Type::NAS_IDENTIFIER => check_nas(attribute, nas)?,
            // This router names itself by IPv4.
            Type::NAS_IPV6_ADDRESS => return Err(ErrorCause::NasIdentificationMismatch),
            Type::USER_NAME => selector.username = Some(text(attribute)?),
            Type::FRAMED_IP_ADDRESS => {
                selector.address = Some(attribute.address().ok_or(ErrorCause::InvalidAttributeValue)?);
            }
            Type::CALLING_STATION_ID => {
                let mac = attribute.text().and_then(mac);
                selector.mac = Some(mac.ok_or(ErrorCause::InvalidAttributeValue)?);
            }
            Type::ACCT_SESSION_ID => selector.session_id = Some(text(attribute)?),
            Type::ACCT_MULTI_SESSION_ID => selector.multi_session_id = Some(text(attribute)?),
            Type::NAS_PORT_ID => selector.interface = Some(text(attribute)?),
            Type::SESSION_TIMEOUT if request.kind == Kind::Coa => {
                change.session_timeout = Some(attribute.number().ok_or(ErrorCause::InvalidAttributeValue)?);
            }
            Type::FRAMED_POOL if request.kind == Kind::Coa => change.pool = Some(text(attribute)?),
            Type::STATE if request.kind == Kind::Coa => {}
            Type::VENDOR_SPECIFIC
            | Type::PROXY_STATE
            | Type::EVENT_TIMESTAMP
            | Type::MESSAGE_AUTHENTICATOR
            | Type::REPLY_MESSAGE
            | Type::CLASS => {}
            Type::ACCT_TERMINATE_CAUSE if request.kind == Kind::Disconnect => {}
            _ => return Err(ErrorCause::UnsupportedAttribute),
        }
    }
    if selector.is_empty() {
        return Err(ErrorCause::MissingAttribute);
    }
    if request.kind == Kind::Disconnect {
        return Ok(Order { selector, change: None });
    }
    let others = Selector { address: None, ..selector.clone() };
    if !others.is_empty() {
        change.address = selector.address.take();
    }
    Ok(Order { selector, change: Some(change) })
}

/// Service-Type Authorize-Only (RFC 5176 §3.2), which is not spoken here.
fn authorize_only(list: &AttributeList) -> bool {
    list.first(Type::SERVICE_TYPE) == Some(&[0, 0, 0, 17])
}

fn check_nas(attribute: Attribute<'_>, nas: &NasConfig) -> Result<(), ErrorCause> {
    let ours = match attribute.kind {
        Type::NAS_IP_ADDRESS => nas.address.is_some() && attribute.address() == nas.address,
        _ => attribute.value == nas.identifier.as_bytes(),
    };
    if ours { Ok(()) } else { Err(ErrorCause::NasIdentificationMismatch) }
}

fn text(attribute: Attribute<'_>) -> Result<Box<str>, ErrorCause> {
    attribute.text().filter(|text| !text.is_empty()).map(Into::into).ok_or(ErrorCause::InvalidAttributeValue)
}

/// A MAC address with `:`, `-`, `.` or nothing between its digits, as servers write it.
fn mac(text: &str) -> Option<MacAddr> {
    let mut digits = Vec::with_capacity(12);
    for character in text.chars().filter(|c| !matches!(c, ':' | '-' | '.')) {
        digits.push(character.to_digit(16)? as u8);
    }
    let pairs: &[[u8; 2]; 6] = digits.as_chunks::<2>().0.try_into().ok().filter(|_| digits.len() == 12)?;
    Some(MacAddr(pairs.map(|[high, low]| high << 4 | low)))
}
