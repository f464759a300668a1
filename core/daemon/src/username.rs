//! The user name of a client: what it says of itself, and what the kernel says of its interface.

use bindery_radius::username::{self, CircuitType, Facts, Include, TooLong};
use bindery_types::MacAddr;
use std::fs;

/// Name of the only logical system.
const DEFAULT: &str = "default";

/// What a client says of itself. Absent options are empty.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Client<'a> {
    pub(crate) mac: Option<MacAddr>,
    pub(crate) option_60: &'a [u8],
    pub(crate) option_82: &'a [u8],
    pub(crate) client_id: &'a [u8],
    pub(crate) interface: &'a str,
    /// Its routing instance.
    pub(crate) instance: &'a str,
}

/// The user name that `include` makes of `client`; `None` where nothing is included or known.
///
/// # Errors
/// It is longer than a User-Name can be.
pub(crate) fn build(include: &Include, client: &Client<'_>) -> Result<Option<String>, TooLong> {
    let wants_tags = include.vlan_tags || include.circuit_type;
    let tags = if wants_tags { tags(client.interface) } else { Vec::new() };
    let description = if include.interface_description { description(client.interface) } else { String::new() };
    let facts = Facts {
        mac: client.mac,
        logical_system: DEFAULT,
        routing_instance: client.instance,
        option_60: client.option_60,
        option_82: client.option_82,
        client_id: client.client_id,
        interface_name: client.interface,
        interface_description: &description,
        circuit_type: circuit_type(&tags),
        outer_vlan: tags.first().copied().filter(|_| tags.len() > 1),
        vlan: tags.last().copied(),
    };
    username::build(include, &facts)
}

/// Tags deeper than two are no circuit.
const TAGS_MAX: usize = 2;

/// VLAN tags of an interface, the outer one first.
fn tags(name: &str) -> Vec<u16> {
    read_tags(name, |name| fs::read_to_string(format!("/proc/net/vlan/{name}")).ok())
}

fn read_tags(name: &str, read: impl Fn(&str) -> Option<String>) -> Vec<u16> {
    let mut tags = Vec::new();
    let mut name = name.to_owned();
    while tags.len() < TAGS_MAX
        && let Some(text) = read(&name)
        && let Some((tag, below)) = vlan(&text)
    {
        tags.insert(0, tag);
        name = below.to_owned();
    }
    tags
}

/// Tag and device below of a file in `/proc/net/vlan`.
fn vlan(text: &str) -> Option<(u16, &str)> {
    let after = |word: &str| text.split_once(word).and_then(|(_, rest)| rest.split_whitespace().next());
    Some((after("VID:")?.parse().ok()?, after("Device:")?))
}

/// What the circuit is, by its number of tags.
fn circuit_type(tags: &[u16]) -> CircuitType {
    match tags {
        [] => CircuitType::Enet,
        [_] => CircuitType::Vlan,
        _ => CircuitType::Svlan,
    }
}

/// The alias that an operator gave the interface; empty for none.
fn description(name: &str) -> String {
    fs::read_to_string(format!("/sys/class/net/{name}/ifalias")).unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_found_down_to_the_device() {
        let read = |name: &str| {
            let (tag, below) = match name {
                "c" => (200, "s"),
                "s" => (100, "eth1"),
                _ => return None,
            };
            Some(format!("{name}  VID: {tag}\t REORDER_HDR: 1  dev->priv_flags: 1021\n\nDevice: {below}\nINGRESS"))
        };
        assert!(read_tags("eth1", read).is_empty());
        assert_eq!(read_tags("s", read), [100]);
        assert_eq!(read_tags("c", read), [100, 200]);
        assert_eq!(circuit_type(&read_tags("c", read)), CircuitType::Svlan);
    }
}
