//! The user name of a subscriber, built of the parts that `authentication username-include` names.
//!
//! Order: user-prefix, MAC address, logical system, routing instance, option 60, option 82 (circuit id, remote id),
//! client id, interface name, interface description, circuit type, VLAN tags, joined by the delimiter; then `@` and the
//! domain name. A part that the client does not have is left out. Where no part is left there is no name.
//!
//! Bytes of the client become text as they are where all of them are printable ASCII, else as hexadecimal digits: two
//! clients never get one name because of bytes that a server would not show.

use crate::access::dotted;
use bindery_types::MacAddr;
use std::fmt::Write;

/// `username-include`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Include {
    /// `user-prefix`, 1 to 64 characters.
    pub user_prefix: Option<Box<str>>,
    /// `mac-address`, as `aabb.ccdd.eeff`.
    pub mac_address: bool,
    /// `logical-system-name`.
    pub logical_system_name: bool,
    /// `routing-instance-name`.
    pub routing_instance_name: bool,
    /// `option-60`.
    pub option_60: bool,
    /// `option-82`.
    pub option_82: Option<Option82>,
    /// `client-id`.
    pub client_id: Option<ClientId>,
    /// `interface-name`.
    pub interface_name: bool,
    /// `interface-description`.
    pub interface_description: bool,
    /// `circuit-type`.
    pub circuit_type: bool,
    /// `vlan-tags`, as `OUTER-INNER` or `VLAN`.
    pub vlan_tags: bool,
    /// `domain-name`, 1 to 64 characters.
    pub domain_name: Option<Box<str>>,
    /// `delimiter`, not a semicolon.
    pub delimiter: char,
}

impl Default for Include {
    fn default() -> Self {
        Self {
            user_prefix: None,
            mac_address: false,
            logical_system_name: false,
            routing_instance_name: false,
            option_60: false,
            option_82: None,
            client_id: None,
            interface_name: false,
            interface_description: false,
            circuit_type: false,
            vlan_tags: false,
            domain_name: None,
            delimiter: '.',
        }
    }
}

/// `option-82`: with neither statement the whole option, as hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Option82 {
    /// `circuit-id`.
    pub circuit_id: bool,
    /// `remote-id`.
    pub remote_id: bool,
}

/// `client-id`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ClientId {
    /// `exclude-headers`: without the type byte (RFC 2132 §9.14).
    pub exclude_headers: bool,
    /// `use-automatic-ascii-hex-encoding`: as text where it is printable; else always hexadecimal digits.
    pub automatic: bool,
}

/// What the circuit is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum CircuitType {
    /// Untagged Ethernet.
    #[default]
    Enet,
    /// One tag.
    Vlan,
    /// Two tags.
    Svlan,
}

/// What is known about a client.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts<'a> {
    /// Its hardware address.
    pub mac: Option<MacAddr>,
    /// Logical system that serves it.
    pub logical_system: &'a str,
    /// Routing instance that serves it.
    pub routing_instance: &'a str,
    /// Option 60, empty for none.
    pub option_60: &'a [u8],
    /// Option 82, empty for none.
    pub option_82: &'a [u8],
    /// Option 61, empty for none.
    pub client_id: &'a [u8],
    /// Its interface.
    pub interface_name: &'a str,
    /// Description of the interface.
    pub interface_description: &'a str,
    /// What the circuit is.
    pub circuit_type: CircuitType,
    /// The outer of two tags.
    pub outer_vlan: Option<u16>,
    /// The only tag, or the inner of two.
    pub vlan: Option<u16>,
}

/// The name is longer than User-Name can be (253 bytes). A cut one could be somebody else's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the user name has {0} bytes; 253 fit")]
pub struct TooLong(pub usize);

/// Builds the name; `None` where nothing is included or known. A domain name alone is no name.
///
/// # Errors
/// The name does not fit User-Name.
pub fn build(include: &Include, facts: &Facts<'_>) -> Result<Option<String>, TooLong> {
    let mut name = String::new();
    for part in parts(include, facts).into_iter().flatten().filter(|part| !part.is_empty()) {
        if !name.is_empty() {
            name.push(include.delimiter);
        }
        name.push_str(&part);
    }
    if name.is_empty() {
        return Ok(None);
    }
    if let Some(domain) = &include.domain_name {
        name.push('@');
        name.push_str(domain);
    }
    if name.len() > 253 { Err(TooLong(name.len())) } else { Ok(Some(name)) }
}

fn parts(include: &Include, facts: &Facts<'_>) -> [Option<String>; 12] {
    let when = |wanted: bool, text: &str| wanted.then(|| text.to_string());
    let (circuit, remote) = match include.option_82 {
        None => (None, None),
        Some(Option82 { circuit_id: false, remote_id: false }) => (Some(hex(facts.option_82)), None),
        Some(wanted) => (
            wanted.circuit_id.then(|| suboption(facts.option_82, 1).map(printable)).flatten(),
            wanted.remote_id.then(|| suboption(facts.option_82, 2).map(printable)).flatten(),
        ),
    };
    let circuit_type = match facts.circuit_type {
        CircuitType::Enet => "enet",
        CircuitType::Vlan => "vlan",
        CircuitType::Svlan => "svlan",
    };
    [
        include.user_prefix.as_deref().map(Into::into),
        facts.mac.filter(|_| include.mac_address).map(dotted),
        when(include.logical_system_name, facts.logical_system),
        when(include.routing_instance_name, facts.routing_instance),
        include.option_60.then(|| printable(facts.option_60)),
        circuit,
        remote,
        include.client_id.map(|format| client_id(format, facts.client_id)),
        when(include.interface_name, facts.interface_name),
        when(include.interface_description, facts.interface_description),
        when(include.circuit_type, circuit_type),
        include.vlan_tags.then(|| vlan_tags(facts)).flatten(),
    ]
}

fn client_id(format: ClientId, bytes: &[u8]) -> String {
    let bytes = if format.exclude_headers { bytes.get(1..).unwrap_or(&[]) } else { bytes };
    if format.automatic { printable(bytes) } else { hex(bytes) }
}

fn vlan_tags(facts: &Facts<'_>) -> Option<String> {
    match (facts.outer_vlan, facts.vlan) {
        (Some(outer), Some(inner)) => Some(format!("{outer}-{inner}")),
        (tag, None) | (None, tag) => tag.map(|tag| tag.to_string()),
    }
}

/// A sub-option of option 82 (RFC 3046 §2.0).
fn suboption(mut bytes: &[u8], wanted: u8) -> Option<&[u8]> {
    while let &[code, length, ref rest @ ..] = bytes {
        let value = rest.get(..usize::from(length))?;
        if code == wanted {
            return Some(value);
        }
        bytes = &rest[usize::from(length)..];
    }
    None
}

fn printable(bytes: &[u8]) -> String {
    if bytes.iter().all(|byte| (0x20..0x7f).contains(byte)) {
        String::from_utf8_lossy(bytes).into_owned()
    } else {
        hex(bytes)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts<'static> {
        Facts {
            mac: Some(MacAddr([0, 0x90, 0x1a, 1, 0x12, 0x34])),
            logical_system: "default",
            routing_instance: "red",
            option_60: b"MSFT 5.0",
            option_82: b"\x01\x07eth 1/2\x02\x03\x00\x01\xff",
            client_id: b"\x01\x02\x03",
            interface_name: "ge-1/0/0.100",
            interface_description: "to the east",
            circuit_type: CircuitType::Svlan,
            outer_vlan: Some(10),
            vlan: Some(20),
        }
    }

    #[test]
    fn each_statement_adds_its_part() {
        type Change = fn(&mut Include);
        let table: [(Change, Option<&str>); 18] = [
            (|_| {}, None),
            (|i| i.domain_name = Some("isp.net".into()), None),
            (|i| i.user_prefix = Some("wally".into()), Some("wally")),
            (|i| i.mac_address = true, Some("0090.1a01.1234")),
            (|i| i.logical_system_name = true, Some("default")),
            (|i| i.routing_instance_name = true, Some("red")),
            (|i| i.option_60 = true, Some("MSFT 5.0")),
            (|i| i.option_82 = Some(Option82 { circuit_id: true, remote_id: false }), Some("eth 1/2")),
            (|i| i.option_82 = Some(Option82 { circuit_id: false, remote_id: true }), Some("0001ff")),
            (|i| i.option_82 = Some(Option82 { circuit_id: true, remote_id: true }), Some("eth 1/2.0001ff")),
            (|i| i.option_82 = Some(Option82::default()), Some("010765746820312f3202030001ff")),
            (|i| i.client_id = Some(ClientId::default()), Some("010203")),
            (|i| i.client_id = Some(ClientId { exclude_headers: true, automatic: true }), Some("0203")),
            (|i| i.interface_name = true, Some("ge-1/0/0.100")),
            (|i| i.interface_description = true, Some("to the east")),
            (|i| i.circuit_type = true, Some("svlan")),
            (|i| i.vlan_tags = true, Some("10-20")),
            (
                |i| {
                    i.user_prefix = Some("wally".into());
                    i.mac_address = true;
                    i.routing_instance_name = true;
                    i.circuit_type = true;
                    i.delimiter = '#';
                    i.domain_name = Some("isp.net".into());
                },
                Some("wally#0090.1a01.1234#red#svlan@isp.net"),
            ),
        ];
        for (row, (change, wanted)) in table.into_iter().enumerate() {
            let mut include = Include::default();
            change(&mut include);
            assert_eq!(build(&include, &facts()).unwrap().as_deref(), wanted, "row {row}");
        }
    }

    #[test]
    fn what_a_client_does_not_have_is_left_out() {
        let include = Include {
            user_prefix: Some("p".into()),
            mac_address: true,
            option_60: true,
            option_82: Some(Option82 { circuit_id: true, remote_id: true }),
            client_id: Some(ClientId { exclude_headers: true, automatic: false }),
            vlan_tags: true,
            ..Include::default()
        };
        assert_eq!(build(&include, &Facts::default()), Ok(Some("p".into())));
        let torn = Facts { option_82: b"\x01\x09eth", vlan: Some(7), ..Facts::default() };
        assert_eq!(build(&include, &torn), Ok(Some("p.7".into())));
        let text = ClientId { exclude_headers: true, automatic: true };
        let include = Include { client_id: Some(text), ..Include::default() };
        let named = Facts { client_id: b"\x00box-1", ..Facts::default() };
        assert_eq!(build(&include, &named), Ok(Some("box-1".into())));
    }

    #[test]
    fn a_name_that_does_not_fit_is_refused_not_cut() {
        let include = Include { option_60: true, ..Include::default() };
        let facts = |length| Facts { option_60: &[b'x'; 255][..length], ..Facts::default() };
        assert!(build(&include, &facts(253)).is_ok());
        assert_eq!(build(&include, &facts(254)), Err(TooLong(254)));
    }
}
