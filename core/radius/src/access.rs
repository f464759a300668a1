//! What is known about a subscriber as attributes of requests, and what an Access-Accept says.

use crate::config::NasConfig;
use crate::packet::{Attribute, AttributeList, TooLong, Type, vendor};
use bindery_types::MacAddr;
use std::net::{Ipv4Addr, Ipv6Addr};

/// NAS-Port-Type of DHCP subscribers: Ethernet (RFC 2865 §5.41).
const ETHERNET: u32 = 15;

/// What requests about a subscriber say. Empty and absent parts are left out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Subscriber<'a> {
    /// User-Name, 1 to 253 bytes.
    pub username: &'a str,
    /// Acct-Session-Id: in Access-Requests too, so that a server can name the session (RFC 5176 §3).
    pub session_id: &'a str,
    /// Acct-Multi-Session-Id: what stays when a session gets another address.
    pub multi_session_id: &'a str,
    /// Calling-Station-Id, as `aa:bb:cc:dd:ee:ff`; for a vendor's attribute of the MAC address too.
    pub mac: Option<MacAddr>,
    /// NAS-Port-Id: the interface.
    pub interface: &'a str,
    /// Sub-option 1 of option 82, as it came.
    pub circuit_id: &'a [u8],
    /// Sub-option 2 of option 82, as it came.
    pub remote_id: &'a [u8],
    /// Sub-option 9 of option 82 (RFC 4243), as it came: what an access node says about the line.
    pub vendor_info: &'a [u8],
    /// DHCP options of the request, as they came, for servers that judge them.
    pub dhcp_options: &'a [u8],
    /// Relay that the request came through.
    pub giaddr: Option<Ipv4Addr>,
}

impl Subscriber<'_> {
    /// Attributes of an Access-Request. DHCP options that do not fit one attribute are cut (a server wants them to
    /// classify, not to decode); circuit and remote id that do not fit are left out.
    ///
    /// # Errors
    /// A name does not fit an attribute.
    pub fn access_attributes(&self, nas: &NasConfig) -> Result<AttributeList, TooLong> {
        let mut list = self.attributes(nas)?;
        for (code, value) in [(1, self.circuit_id), (2, self.remote_id)] {
            if (1..=247).contains(&value.len()) {
                list.push_vendor(vendor::DSL_FORUM, code, value)?;
            }
        }
        for (code, value) in line_characteristics(self.vendor_info) {
            list.push_vendor(vendor::DSL_FORUM, code, value)?;
        }
        if !self.dhcp_options.is_empty() {
            let cut = self.dhcp_options.get(..247).unwrap_or(self.dhcp_options);
            list.push_vendor(vendor::ERX, 55, cut)?;
        }
        if let Some(mac) = self.mac {
            list.push_vendor(vendor::ERX, 56, dotted(mac).as_bytes())?;
        }
        if let Some(giaddr) = self.giaddr.filter(|giaddr| !giaddr.is_unspecified()) {
            list.push_vendor(vendor::ERX, 57, &giaddr.octets())?;
        }
        Ok(list)
    }

    /// Attributes that Access- and Accounting-Requests share.
    ///
    /// # Errors
    /// A name does not fit an attribute.
    pub fn attributes(&self, nas: &NasConfig) -> Result<AttributeList, TooLong> {
        let mut list = AttributeList::new();
        push_text(&mut list, Type::USER_NAME, self.username)?;
        push_text(&mut list, Type::NAS_IDENTIFIER, &nas.identifier)?;
        if let Some(address) = nas.address {
            list.push_address(Type::NAS_IP_ADDRESS, address)?;
        }
        push_text(&mut list, Type::NAS_PORT_ID, self.interface)?;
        list.push_number(Type::NAS_PORT_TYPE, ETHERNET)?;
        if let Some(mac) = self.mac {
            push_text(&mut list, Type::CALLING_STATION_ID, &mac.to_string())?;
        }
        push_text(&mut list, Type::ACCT_SESSION_ID, self.session_id)?;
        push_text(&mut list, Type::ACCT_MULTI_SESSION_ID, self.multi_session_id)?;
        Ok(list)
    }
}

/// The DSL Forum's part of sub-option 9: line characteristics have the same codes there and in RADIUS (RFC 4679 §3.3).
/// What is torn ends the list; the ids of circuit and remote (1, 2) come from sub-options of their own.
fn line_characteristics(bytes: &[u8]) -> Vec<(u8, &[u8])> {
    let mut found = Vec::new();
    let mut rest = bytes;
    while let Some((&[a, b, c, d, length], after)) = rest.split_first_chunk::<5>() {
        let Some((mut data, next)) = after.split_at_checked(length.into()) else { break };
        rest = next;
        if u32::from_be_bytes([a, b, c, d]) != vendor::DSL_FORUM {
            continue;
        }
        while let Some((&[code, length], after)) = data.split_first_chunk::<2>() {
            let Some((value, next)) = after.split_at_checked(length.into()) else { break };
            data = next;
            if code > 2 && (1..=247).contains(&value.len()) {
                found.push((code, value));
            }
        }
    }
    found
}

/// Adds text where there is some: an empty attribute must not be sent (RFC 2865 §5).
pub(crate) fn push_text(list: &mut AttributeList, kind: Type, text: &str) -> Result<(), TooLong> {
    if text.is_empty() { Ok(()) } else { list.push(kind, text.as_bytes()) }
}

/// `aabb.ccdd.eeff`.
pub(crate) fn dotted(MacAddr([a, b, c, d, e, f]): MacAddr) -> String {
    format!("{a:02x}{b:02x}.{c:02x}{d:02x}.{e:02x}{f:02x}")
}

/// A prefix of IPv6.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Prefix6 {
    /// Network, host bits zero.
    pub network: Ipv6Addr,
    /// Length, 0 to 128.
    pub len: u8,
}

/// What an Access-Accept grants. An attribute whose value is malformed counts as absent and is named in `malformed`;
/// of an attribute that may be there once, the first holds.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Grant {
    /// Framed-IP-Address. `None` also where the server leaves the choice to us (255.255.255.254) or to the client
    /// (255.255.255.255), RFC 2865 §5.8.
    pub address: Option<Ipv4Addr>,
    /// Framed-IP-Netmask.
    pub netmask: Option<Ipv4Addr>,
    /// Framed-Pool.
    pub pool: Option<Box<str>>,
    /// Framed-Route, each as text (RFC 2865 §5.22).
    pub routes: Vec<Box<str>>,
    /// Session-Timeout, seconds.
    pub session_timeout: Option<u32>,
    /// Idle-Timeout, seconds.
    pub idle_timeout: Option<u32>,
    /// Acct-Interim-Interval, seconds.
    pub interim_interval: Option<u32>,
    /// Class, each goes into every accounting record unchanged (RFC 2865 §5.25).
    pub classes: Vec<Box<[u8]>>,
    /// User-Name: where given, it is what accounting uses (RFC 2865 §5.1).
    pub username: Option<Box<str>>,
    /// Delegated-IPv6-Prefix.
    pub delegated_prefix: Option<Prefix6>,
    /// Framed-IPv6-Prefix.
    pub framed_prefix: Option<Prefix6>,
    /// Framed-IPv6-Pool.
    pub framed_pool_v6: Option<Box<str>>,
    /// Delegated-IPv6-Prefix-Pool.
    pub delegated_pool: Option<Box<str>>,
    /// Attributes whose values are malformed.
    pub malformed: Vec<Type>,
}

impl Grant {
    /// Reads the attributes of an Access-Accept. Those that are not here (vendors', for plugins) are in the list.
    pub fn read(list: &AttributeList) -> Self {
        let mut grant = Self::default();
        for attribute in list {
            if grant.take(attribute).is_none() {
                grant.malformed.push(attribute.kind);
            }
        }
        grant
    }

    /// `None`: malformed.
    fn take(&mut self, attribute: Attribute<'_>) -> Option<()> {
        match attribute.kind {
            Type::FRAMED_IP_ADDRESS => {
                let address = attribute.address()?;
                if address.to_bits() < 0xffff_fffe {
                    self.address.get_or_insert(address);
                }
            }
            Type::FRAMED_IP_NETMASK => _ = self.netmask.get_or_insert(attribute.address()?),
            Type::FRAMED_POOL => first_text(&mut self.pool, attribute)?,
            Type::FRAMED_ROUTE => self.routes.push(text(attribute)?),
            Type::SESSION_TIMEOUT => _ = self.session_timeout.get_or_insert(attribute.number()?),
            Type::IDLE_TIMEOUT => _ = self.idle_timeout.get_or_insert(attribute.number()?),
            Type::ACCT_INTERIM_INTERVAL => _ = self.interim_interval.get_or_insert(attribute.number()?),
            Type::CLASS => self.classes.push(attribute.value.into()),
            Type::USER_NAME => first_text(&mut self.username, attribute)?,
            Type::DELEGATED_IPV6_PREFIX => _ = self.delegated_prefix.get_or_insert(prefix(attribute.value)?),
            Type::FRAMED_IPV6_PREFIX => _ = self.framed_prefix.get_or_insert(prefix(attribute.value)?),
            Type::FRAMED_IPV6_POOL => first_text(&mut self.framed_pool_v6, attribute)?,
            Type::DELEGATED_IPV6_PREFIX_POOL => first_text(&mut self.delegated_pool, attribute)?,
            _ => {}
        }
        Some(())
    }
}

fn text(attribute: Attribute<'_>) -> Option<Box<str>> {
    attribute.text().filter(|text| !text.is_empty()).map(Into::into)
}

fn first_text(place: &mut Option<Box<str>>, attribute: Attribute<'_>) -> Option<()> {
    place.get_or_insert(text(attribute)?);
    Some(())
}

/// Reads a prefix (RFC 3162 §2.3): a zero byte, the length, and as many bytes of the network as it needs.
fn prefix(value: &[u8]) -> Option<Prefix6> {
    let (&[0, len], bytes) = value.split_first_chunk::<2>()? else {
        return None;
    };
    let mut network = [0; 16];
    network.get_mut(..bytes.len())?.copy_from_slice(bytes);
    let network = u128::from_be_bytes(network);
    let host = u128::MAX.checked_shr(len.into()).unwrap_or(0);
    (len <= 128 && network & host == 0).then(|| Prefix6 { network: Ipv6Addr::from_bits(network), len })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_is_read_and_malformed_parts_are_named() {
        let mut list = AttributeList::new();
        list.push_address(Type::FRAMED_IP_ADDRESS, Ipv4Addr::new(255, 255, 255, 254)).unwrap();
        list.push_address(Type::FRAMED_IP_ADDRESS, Ipv4Addr::new(10, 0, 0, 9)).unwrap();
        list.push(Type::FRAMED_POOL, b"gold").unwrap();
        list.push(Type::FRAMED_POOL, b"silver").unwrap();
        list.push(Type::FRAMED_ROUTE, b"10.9.0.0/24 0.0.0.0 1").unwrap();
        list.push_number(Type::SESSION_TIMEOUT, 600).unwrap();
        list.push(Type::IDLE_TIMEOUT, b"abc").unwrap();
        list.push(Type::CLASS, b"c1").unwrap();
        list.push(Type::CLASS, b"c2").unwrap();
        list.push(Type::DELEGATED_IPV6_PREFIX, &[0, 56, 0x20, 1, 0x0d, 0xb8, 0, 1, 2]).unwrap();
        list.push(Type::FRAMED_IPV6_PREFIX, &[0, 32, 0x20, 1, 0x0d, 0xb8, 0, 1]).unwrap();
        let grant = Grant::read(&list);
        assert_eq!(grant.address, Some(Ipv4Addr::new(10, 0, 0, 9)));
        assert_eq!(grant.pool.as_deref(), Some("gold"));
        assert_eq!(grant.session_timeout, Some(600));
        assert_eq!(grant.classes.len(), 2);
        let delegated = grant.delegated_prefix.unwrap();
        assert_eq!((delegated.network, delegated.len), ("2001:db8:1:200::".parse().unwrap(), 56));
        assert_eq!(grant.malformed, [Type::IDLE_TIMEOUT, Type::FRAMED_IPV6_PREFIX], "host bits must be zero");
    }

    #[test]
    fn a_request_says_what_is_known_and_nothing_else() {
        let nas = NasConfig { identifier: "bng-1".into(), address: Some(Ipv4Addr::new(192, 0, 2, 7)) };
        let mac = MacAddr([0x02, 0, 0x1a, 1, 0x12, 0x34]);
        let subscriber = Subscriber {
            username: "alice",
            mac: Some(mac),
            interface: "eth1",
            circuit_id: b"eth 1/2",
            vendor_info: &[
                0, 0, 0, 9, 1, 7, 0, 0, 0x0d, 0xe9, 11, 1, 1, b'x', 0x81, 4, b'r', b'a', b't', b'e', 0x82, 9,
            ],
            giaddr: Some(Ipv4Addr::UNSPECIFIED),
            ..Subscriber::default()
        };
        let list = subscriber.access_attributes(&nas).unwrap();
        let flat: Vec<_> =
            list.flat().map(|a| (a.vendor, a.code, String::from_utf8_lossy(a.value).into_owned())).collect();
        let text = |vendor, code, value: &str| (vendor, code, value.to_string());
        assert_eq!(flat[0], text(0, 1, "alice"));
        assert_eq!(flat[1], text(0, 32, "bng-1"));
        assert!(flat.contains(&text(0, 31, "02:00:1a:01:12:34")));
        assert!(flat.contains(&text(3561, 1, "eth 1/2")));
        assert!(flat.contains(&text(3561, 0x81, "rate")));
        assert_eq!(
            flat.iter().filter(|(vendor, ..)| *vendor == 3561).count(),
            2,
            "a circuit id comes once, a torn rate not"
        );
        assert!(flat.contains(&text(4874, 56, "0200.1a01.1234")));
        assert!(flat.iter().all(|(vendor, code, _)| (*vendor, *code) != (4874, 57) && *code != 44 && *code != 2));
    }
}
