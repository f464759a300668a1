//! The options that Kea knows by name, and what stands in them.

use super::json::Json;
use crate::note::Notes;

/// What an option's data are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Definition {
    pub(super) code: u8,
    pub(super) name: String,
    pub(super) fields: Vec<Field>,
    /// The last field may stand several times.
    pub(super) array: bool,
}

/// One field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Empty,
    Binary,
    Boolean,
    /// Its width in bytes, and whether it has a sign.
    Integer(usize, bool),
    Address,
    Address6,
    Text,
    /// A domain name in the form of RFC 1035 §3.1.
    Domain,
}

impl Field {
    /// By the word of an `option-def`.
    fn named(word: &str) -> Option<Self> {
        Some(match word {
            "empty" => Self::Empty,
            "binary" => Self::Binary,
            "boolean" => Self::Boolean,
            "int8" => Self::Integer(1, true),
            "int16" => Self::Integer(2, true),
            "int32" => Self::Integer(4, true),
            "uint8" => Self::Integer(1, false),
            "uint16" => Self::Integer(2, false),
            "uint32" => Self::Integer(4, false),
            "ipv4-address" => Self::Address,
            "ipv6-address" => Self::Address6,
            "string" => Self::Text,
            "fqdn" => Self::Domain,
            _ => return None,
        })
    }
}

const U8: Field = Field::Integer(1, false);
const U16: Field = Field::Integer(2, false);
const U32: Field = Field::Integer(4, false);

/// Code, name, field, and whether it may stand several times (RFC 2132 and the registry of IANA).
const KNOWN: &[(u8, &str, Field, bool)] = &[
    (1, "subnet-mask", Field::Address, false),
    (2, "time-offset", Field::Integer(4, true), false),
    (3, "routers", Field::Address, true),
    (4, "time-servers", Field::Address, true),
    (5, "name-servers", Field::Address, true),
    (6, "domain-name-servers", Field::Address, true),
    (7, "log-servers", Field::Address, true),
    (8, "cookie-servers", Field::Address, true),
    (9, "lpr-servers", Field::Address, true),
    (10, "impress-servers", Field::Address, true),
    (11, "resource-location-servers", Field::Address, true),
    (12, "host-name", Field::Text, false),
    (13, "boot-size", U16, false),
    (14, "merit-dump", Field::Text, false),
    (15, "domain-name", Field::Text, false),
    (16, "swap-server", Field::Address, false),
    (17, "root-path", Field::Text, false),
    (18, "extensions-path", Field::Text, false),
    (19, "ip-forwarding", Field::Boolean, false),
    (20, "non-local-source-routing", Field::Boolean, false),
    (21, "policy-filter", Field::Address, true),
    (22, "max-dgram-reassembly", U16, false),
    (23, "default-ip-ttl", U8, false),
    (24, "path-mtu-aging-timeout", U32, false),
    (25, "path-mtu-plateau-table", U16, true),
    (26, "interface-mtu", U16, false),
    (27, "all-subnets-local", Field::Boolean, false),
    (28, "broadcast-address", Field::Address, false),
    (29, "perform-mask-discovery", Field::Boolean, false),
    (30, "mask-supplier", Field::Boolean, false),
    (31, "router-discovery", Field::Boolean, false),
    (32, "router-solicitation-address", Field::Address, false),
    (33, "static-routes", Field::Address, true),
    (34, "trailer-encapsulation", Field::Boolean, false),
    (35, "arp-cache-timeout", U32, false),
    (36, "ieee802-3-encapsulation", Field::Boolean, false),
    (37, "default-tcp-ttl", U8, false),
    (38, "tcp-keepalive-interval", U32, false),
    (39, "tcp-keepalive-garbage", Field::Boolean, false),
    (40, "nis-domain", Field::Text, false),
    (41, "nis-servers", Field::Address, true),
    (42, "ntp-servers", Field::Address, true),
    (43, "vendor-encapsulated-options", Field::Binary, false),
    (44, "netbios-name-servers", Field::Address, true),
    (45, "netbios-dd-server", Field::Address, true),
    (46, "netbios-node-type", U8, false),
    (47, "netbios-scope", Field::Text, false),
    (48, "font-servers", Field::Address, true),
    (49, "x-display-manager", Field::Address, true),
    (51, "dhcp-lease-time", U32, false),
    (54, "dhcp-server-identifier", Field::Address, false),
    (58, "dhcp-renewal-time", U32, false),
    (59, "dhcp-rebinding-time", U32, false),
    (60, "vendor-class-identifier", Field::Text, false),
    (62, "nwip-domain-name", Field::Text, false),
    (63, "nwip-suboptions", Field::Binary, false),
    (64, "nisplus-domain-name", Field::Text, false),
    (65, "nisplus-servers", Field::Address, true),
    (66, "tftp-server-name", Field::Text, false),
    (67, "boot-file-name", Field::Text, false),
    (68, "mobile-ip-home-agent", Field::Address, true),
    (69, "smtp-server", Field::Address, true),
    (70, "pop-server", Field::Address, true),
    (71, "nntp-server", Field::Address, true),
    (72, "www-server", Field::Address, true),
    (73, "finger-server", Field::Address, true),
    (74, "irc-server", Field::Address, true),
    (75, "streettalk-server", Field::Address, true),
    (76, "streettalk-directory-assistance-server", Field::Address, true),
    (77, "user-class", Field::Binary, false),
    (85, "nds-servers", Field::Address, true),
    (86, "nds-tree-name", Field::Text, false),
    (87, "nds-context", Field::Text, false),
    (88, "bcms-controller-names", Field::Domain, true),
    (89, "bcms-controller-address", Field::Address, true),
    (98, "uap-servers", Field::Text, false),
    (99, "geoconf-civic", Field::Binary, false),
    (100, "pcode", Field::Text, false),
    (101, "tcode", Field::Text, false),
    (108, "v6-only-preferred", U32, false),
    (112, "netinfo-server-address", Field::Address, true),
    (113, "netinfo-server-tag", Field::Text, false),
    (114, "v4-captive-portal", Field::Text, false),
    (116, "auto-config", U8, false),
    (117, "name-service-search", U16, true),
    (118, "subnet-selection", Field::Address, false),
    (119, "domain-search", Field::Domain, true),
    (136, "pana-agent", Field::Address, true),
    (137, "v4-lost", Field::Domain, false),
    (138, "capwap-ac-v4", Field::Address, true),
    (141, "sip-ua-cs-domains", Field::Domain, true),
    (213, "v4-access-domain", Field::Domain, false),
];

/// All definitions of a configuration.
#[derive(Debug, Default)]
pub(super) struct Definitions {
    own: Vec<Definition>,
}

impl Definitions {
    /// Reads `option-def`, and tells of those that are not of the options of DHCPv4 itself.
    pub(super) fn of(list: Option<&Json>, path: &str, notes: &mut Notes) -> Self {
        let mut own = Vec::new();
        for json in list.map(Json::list).unwrap_or_default() {
            let name = json.text_of("name").unwrap_or_default();
            let path = format!("{path} option-def {name}");
            if json.text_of("space").is_some_and(|space| space != "dhcp4") {
                notes.add(json.line, path, "options in options are not made here: left out");
                continue;
            }
            let kind = json.text_of("type").unwrap_or_default();
            let words: Vec<&str> = match json.text_of("record-types") {
                Some(types) if kind == "record" => types.split(',').map(str::trim).collect(),
                _ => vec![kind],
            };
            let fields: Option<Vec<Field>> = words.into_iter().map(Field::named).collect();
            let code = json.member("code").and_then(Json::integer).and_then(|code| u8::try_from(code).ok());
            let (Some(code), Some(fields)) = (code, fields) else {
                notes.add(json.line, path, "its code or type is unknown here: left out");
                continue;
            };
            if json.text_of("encapsulate").is_some() {
                notes.add(json.line, &path, "the options in it are left out");
            }
            let array = json.member("array").and_then(Json::boolean).unwrap_or(false);
            own.push(Definition { code, name: name.to_owned(), fields, array });
        }
        Self { own }
    }

    pub(super) fn by_name(&self, name: &str) -> Option<Definition> {
        let own = self.own.iter().find(|definition| definition.name == name).cloned();
        own.or_else(|| KNOWN.iter().find(|known| known.1 == name).map(known))
    }

    pub(super) fn by_code(&self, code: u8) -> Option<Definition> {
        let own = self.own.iter().find(|definition| definition.code == code).cloned();
        own.or_else(|| KNOWN.iter().find(|known| known.0 == code).map(known))
    }
}

fn known((code, name, field, array): &(u8, &str, Field, bool)) -> Definition {
    Definition { code: *code, name: (*name).to_owned(), fields: vec![*field], array: *array }
}
