//! What holds for any text.

use bindery_import::{junos, kea, kea_leases};
use proptest::prelude::*;

/// Pieces of which texts are made that get far.
const JUNOS: &[&str] = &[
    "system",
    "services",
    "dhcp-local-server",
    "group",
    "g",
    "interface",
    "ge-0/0/0.0",
    "overrides",
    "no-arp",
    "access",
    "address-assignment",
    "pool",
    "p",
    "q",
    "family",
    "inet",
    "inet6",
    "network",
    "10.0.0.0/24",
    "10.0.0.1/24",
    "range",
    "low",
    "high",
    "10.0.0.5",
    "10.0.0.1",
    "host",
    "hardware-address",
    "02:00:00:00:00:01",
    "ip-address",
    "link",
    "dhcp-attributes",
    "option",
    "43",
    "string",
    "x",
    "name-server",
    "groups",
    "apply-groups",
    "<*>",
    "profile",
    "radius",
    "radius-server",
    "authentication-server",
    "authentication-order",
    "none",
    "password",
    "secret",
    "$9$LbHX-wg4Z",
    "access-profile",
    "routing-instances",
    "forwarding-options",
    "dhcp-relay",
    "dynamic-profiles",
    "{",
    "{",
    "{",
    "}",
    "}",
    "}",
    ";",
    ";",
    ";",
    ";",
    "[",
    "]",
    "\"",
    "/*",
    "*/",
    "#",
    "\n",
    "inactive:",
    "protect:",
    "delete:",
    "set",
    "deactivate",
    "\n set access",
    "exclude",
    "active-drain",
    "reconfigure",
    "\u{e9}",
    "\\",
];

const KEA: &[&str] = &[
    "{",
    "{",
    "{",
    "}",
    "}",
    "[",
    "[",
    "]",
    "]",
    ":",
    ":",
    ",",
    ",",
    "\"Dhcp4\":",
    "{ \"Dhcp4\": {",
    "\"subnet4\": [ {",
    "\"subnet\": \"10.0.0.0/24\",",
    "\"subnet\": \"10.0.0.9/31\",",
    "\"subnet\": \"0.0.0.0/0\",",
    "\"id\": 7,",
    "\"pools\": [",
    "{ \"pool\": \"10.0.0.0 - 10.0.0.255\" },",
    "{ \"pool\": \"10.0.0.0/25\" },",
    "\"option-data\": [",
    "{ \"name\": \"routers\", \"data\": \"10.0.0.1\" },",
    "{ \"code\": 15, \"data\": \"\" },",
    "\"valid-lifetime\": 4294967295,",
    "{ \"code\": 121, \"csv-format\": false, \"data\": \"0x18\" },",
    "\"renew-timer\": 900,",
    "\"rebind-timer\": 800,",
    "\"reservations\": [",
    "{ \"hw-address\": \"02:00:00:00:00:01\", \"ip-address\": \"10.0.0.7\", \"hostname\": \"h\" },",
    "\"shared-networks\": [ {",
    "\"name\": \"n\",",
    "\"client-class\": \"c\",",
    "\"interfaces-config\": { \"interfaces\": [ \"*\", \"a/b\" ] },",
    "true",
    "null",
    "1.5",
    "-1",
    "\"",
    "\"\\u00e9\"",
    "#",
    "//",
    "/*",
    "*/",
    "<?include \"x\"?>",
    "\n",
    "\u{e9}",
];

const LEASES: &[&str] = &[
    "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context\n",
    "\n",
    ",",
    ",",
    ",",
    "192.0.2.1",
    "02:00:00:00:00:01",
    "3600",
    "0",
    "1",
    "2",
    "99999999999999999999",
    "&#x2c",
    "&#x",
    "&#xe9",
    "\u{e9}",
];

fn pieces(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    proptest::collection::vec(proptest::sample::select(words), 0..80).prop_map(|words| words.join(" "))
}

fn holds(text: &str, imported: Result<bindery_import::Imported, bindery_import::Refused>) {
    match imported {
        Ok(imported) => {
            if let Err(errors) = bindery_config::load("f", &imported.kdl) {
                panic!("{text}\n---\n{}\n{errors}", imported.kdl);
            }
            assert!(imported.notes.iter().all(|note| note.line >= 1), "{text}\n{imported}");
        }
        Err(refused) => assert!(!refused.message.is_empty()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn junos_takes_any_text(text in "(?s).{0,200}") {
        holds(&text, junos("f", &text));
    }

    #[test]
    fn junos_takes_any_words(text in pieces(JUNOS)) {
        holds(&text, junos("f", &text));
    }

    #[test]
    fn kea_takes_any_text(text in "(?s).{0,200}") {
        holds(&text, kea("f", &text));
    }

    #[test]
    fn kea_takes_any_words(text in pieces(KEA)) {
        holds(&text, kea("f", &text));
    }

    #[test]
    fn kea_takes_any_members(text in members()) {
        holds(&text, kea("f", &text));
    }

    #[test]
    fn leases_are_read_from_any_text(text in "(?s).{0,200}", words in pieces(LEASES)) {
        let text = text + &words.replace(' ', "");
        let (leases, faults) = kea_leases(&text);
        assert!(leases.len() + faults.len() <= text.split('\n').count());
    }

    /// Braces that close, so that the statements in them are looked at.
    #[test]
    fn junos_takes_any_statements(text in statements()) {
        holds(&text, junos("f", &text));
    }
}

fn statements() -> impl Strategy<Value = String> {
    let words = || proptest::collection::vec(proptest::sample::select(&JUNOS[..52]), 1..5).prop_map(|it| it.join(" "));
    let leaf = words().prop_map(|words| format!("{words};\n"));
    let block = leaf.prop_recursive(6, 40, 5, move |inner| {
        (words(), proptest::collection::vec(inner, 0..5))
            .prop_map(|(head, inner)| format!("{head} {{ {} }}\n", inner.concat()))
    });
    let places = proptest::sample::select(
        &[
            "",
            "access address-assignment pool p family inet",
            "access address-assignment",
            "system services dhcp-local-server",
            "system services dhcp-local-server group g",
            "access",
            "groups g",
        ][..],
    );
    proptest::collection::vec((places, block), 1..6).prop_map(|blocks| {
        blocks
            .into_iter()
            .map(|(place, block)| if place.is_empty() { block } else { format!("{place} {{ {block} }}\n") })
            .collect()
    })
}

const MEMBERS: &[&str] = &[
    "subnet4",
    "shared-networks",
    "subnet",
    "id",
    "pools",
    "pool",
    "option-data",
    "name",
    "code",
    "data",
    "csv-format",
    "reservations",
    "hw-address",
    "ip-address",
    "hostname",
    "valid-lifetime",
    "renew-timer",
    "rebind-timer",
    "relay",
    "interface",
    "interfaces-config",
    "interfaces",
    "option-def",
    "type",
    "record-types",
    "array",
    "next-server",
    "client-class",
    "calculate-tee-times",
    "t1-percent",
    "authoritative",
    "comment",
    "space",
];
const VALUES: &[&str] = &[
    "1",
    "0",
    "-1",
    "256",
    "4294967296",
    "0.5",
    "true",
    "null",
    "\"\"",
    "\"10.0.0.0/24\"",
    "\"10.0.0.0/0\"",
    "\"10.0.0.1\"",
    "\"10.0.0.200 - 10.0.0.9\"",
    "\"routers\"",
    "\"domain-name\"",
    "\"a, b\"",
    "\"0x01\"",
    "\"02:00:00:00:00:01\"",
    "\"record\"",
    "\"uint8, string\"",
    "\"uint8\"",
    "\"eth0\"",
    "\"\\n\"",
];

/// Members of a configuration of Kea, each with a value of any kind.
fn members() -> impl Strategy<Value = String> {
    let value = proptest::sample::select(VALUES).prop_map(str::to_owned);
    let value = value.prop_recursive(6, 60, 5, |inner| {
        let members = proptest::collection::vec((proptest::sample::select(MEMBERS), inner.clone()), 0..6);
        let object = members.prop_map(|members| {
            let members = members.into_iter().map(|(name, value)| format!("\"{name}\": {value}"));
            format!("{{ {} }}\n", members.collect::<Vec<_>>().join(", "))
        });
        let list = proptest::collection::vec(inner, 0..4).prop_map(|values| format!("[ {} ]", values.join(", ")));
        prop_oneof![object, list]
    });
    proptest::collection::vec((proptest::sample::select(MEMBERS), value), 0..8).prop_map(|members| {
        let members = members.into_iter().map(|(name, value)| format!("\"{name}\": {value}"));
        let whole = "\"subnet4\": [ { \"subnet\": \"10.0.0.0/24\", ";
        let members: Vec<String> = members.collect();
        format!("{{ \"Dhcp4\": {{ {}, {whole} {} }} ] }} }}", members.join(", "), members.join(", "))
    })
}
