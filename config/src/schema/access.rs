//! `access address-assignment`: pools of addresses and what their clients are told.

use super::later::{any, container, flag, leaf, list, named};
use super::{Apply, Statement, Type, Word, access_profile, client_attributes};

/// The section, and what of `access` is not built yet.
pub(super) const ACCESS: Statement = Statement::container(
    "access",
    &[
        ADDRESS_ASSIGNMENT,
        access_profile::PROFILE,
        access_profile::RADIUS_SERVER,
        access_profile::RADIUS_OPTIONS,
        access_profile::RADIUS_DISCONNECT,
        access_profile::RADIUS_DISCONNECT_PORT,
        ADDRESS_PROTECTION,
        LINKED_POOL_AGGREGATION,
        PROTOCOL_ATTRIBUTES,
        any("terminate-code"),
    ],
    "Addresses, and who may have them.",
);

/// The section in a routing instance: pools are its own, profiles and RADIUS servers are those of the whole router.
pub(super) const INSTANCE_ACCESS: Statement = Statement::container(
    "access",
    &[
        ADDRESS_ASSIGNMENT,
        access_profile::PROFILE.later(),
        access_profile::RADIUS_SERVER.later(),
        access_profile::RADIUS_OPTIONS.later(),
        access_profile::RADIUS_DISCONNECT.later(),
        access_profile::RADIUS_DISCONNECT_PORT.later(),
        ADDRESS_PROTECTION,
        LINKED_POOL_AGGREGATION,
        PROTOCOL_ATTRIBUTES,
        any("terminate-code"),
    ],
    "Addresses of the instance.",
);

const ADDRESS_ASSIGNMENT: Statement = Statement::container(
    "address-assignment",
    &[
        Statement::named("pool", Type::Name(63), POOL, "A pool of addresses.").apply(Apply::AffectsSessions),
        Statement::leaf(
            "high-utilization",
            Type::Integer(2, 99),
            "90",
            "When more than this share of a pool's addresses is in use, in percent, an alarm tells it.",
        ),
        Statement::leaf(
            "abated-utilization",
            Type::Integer(1, 98),
            "80",
            "When less than this share is in use after the alarm, in percent, its end is told; it is below \
             high-utilization, and the same where this is not written.",
        ),
        leaf("high-utilization-v6", Type::Integer(2, 99)),
        leaf("abated-utilization-v6", Type::Integer(1, 98)),
        leaf("neighbor-discovery-router-advertisement", Type::Name(63)),
        named("dynamic-pool", Type::Name(63), DYNAMIC_POOL),
        any("domain-profile"),
        any("address-pools"),
        any("subscriber-group-default-tags"),
    ],
    "Where addresses come from.",
);

const ADDRESS_PROTECTION: Statement = container("address-protection", &[flag("reassign-on-match")]);
const LINKED_POOL_AGGREGATION: Statement = Statement::flag(
    "linked-pool-aggregation",
    "Searches linked pools range by range from the matched pool on, then the pools that it leads to, then from the first \
     pool of the chain; without it, the matched pool, then the chain from its first pool on.",
);
const PROTOCOL_ATTRIBUTES: Statement = Statement::named(
    "protocol-attributes",
    Type::Name(64),
    &[
        Statement::container("dhcp", DHCP_ATTRIBUTES, "What DHCPv4 clients are told."),
        container("dhcpv6", DHCP_ATTRIBUTES),
    ],
    "A set of attributes that stands over those of the pools, for groups whose `overrides protocol-attributes` names it.",
);

const POOL: &[Statement] = &[
    Statement::flag("hold-down", "Makes no new bindings; existing ones may renew until they end."),
    Statement::leaf(
        "link",
        Type::Name(63),
        "res-v4-more",
        "The pool to look in when this one has no free address. A chain is searched from its first pool on.",
    ),
    Statement::flag(
        "active-drain",
        "Makes no new bindings and refuses the renewals of existing ones, so that the clients move to another pool.",
    )
    .apply(Apply::AffectsSessions),
    Statement::new(
        "family",
        super::Kind::Select(&[
            Statement::container("inet", INET, "IPv4 addresses.").apply(Apply::AffectsSessions).mandatory(),
            container("inet6", INET6),
        ]),
        "The addresses of one family.",
    )
    .apply(Apply::AffectsSessions)
    .mandatory(),
];

const INET: &[Statement] = &[
    Statement::leaf(
        "network",
        Type::Prefix4,
        "\"10.0.0.0/16\"",
        "All addresses of the pool lie in it; it gives the subnet mask, and is matched against giaddr or the \
         interface's address.",
    )
    .source("RFC 2132 §3.3")
    .apply(Apply::AffectsSessions)
    .mandatory(),
    Statement::named(
        "range",
        Type::Name(63),
        LOW_HIGH,
        "Addresses that are leased, range by range in this order. A pool without a range leases to its hosts only.",
    )
    .ordered()
    .apply(Apply::AffectsSessions),
    Statement::named(
        "host",
        Type::Name(256),
        HOST,
        "An address kept for one client. One of hardware-address, client-identifier and user-name is needed.",
    )
    .source("RFC 2131 §1")
    .apply(Apply::AffectsSessions),
    Statement::leaf(
        "host-table",
        Type::Path,
        "\"hosts.csv\"",
        "A file of addresses kept for hardware addresses, by the million: CSV whose first line is \
         `hardware-address,ip-address` (and `,name`), or a line `{\"hardware-address\": ..., \"ip-address\": ...}` for \
         each. It is read at a commit; a relative path starts at the folder of the configuration file.",
    )
    .apply(Apply::AffectsSessions),
    Statement::list("excluded-address", Type::Address4, "\"10.0.0.1\"", "Addresses that are never leased.")
        .apply(Apply::AffectsSessions),
    Statement::named("excluded-range", Type::Name(63), LOW_HIGH, "A range of addresses that are never leased.")
        .apply(Apply::AffectsSessions),
    Statement::container("dhcp-attributes", DHCP_ATTRIBUTES, "What the pool's clients are told."),
    container(
        "xauth-attributes",
        &[
            leaf("primary-dns", Type::Address4),
            leaf("secondary-dns", Type::Address4),
            leaf("primary-wins", Type::Address4),
            leaf("secondary-wins", Type::Address4),
        ],
    ),
];

const LOW_HIGH: &[Statement] = &[
    Statement::leaf("low", Type::Address4, "\"10.0.0.10\"", "The first address.")
        .apply(Apply::AffectsSessions)
        .mandatory(),
    Statement::leaf("high", Type::Address4, "\"10.0.0.250\"", "The last address; it belongs to the range.")
        .apply(Apply::AffectsSessions)
        .mandatory(),
];

const HOST: &[Statement] = &[
    Statement::leaf(
        "hardware-address",
        Type::Mac,
        "\"02:00:00:00:00:01\"",
        "Whose address it is, by hardware address. Where several keys are written, any of them is enough.",
    )
    .apply(Apply::AffectsSessions),
    Statement::leaf(
        "client-identifier",
        CLIENT_VALUE,
        "\"0x0102000000000a\"",
        "Whose address it is, by option 61: all its bytes, the type byte too, as text or in hexadecimal digits after 0x.",
    )
    .source("RFC 2132 §9.14")
    .apply(Apply::AffectsSessions),
    Statement::leaf(
        "user-name",
        Type::Text(1, 256),
        "\"alice@isp.example\"",
        "Whose address it is, by the name of the subscriber: as RADIUS or a plugin of stage authorize granted it, else as \
         username-include makes it. It matches only in groups with an access-profile, also one that asks no RADIUS.",
    )
    .apply(Apply::AffectsSessions),
    Statement::leaf("ip-address", Type::Address4, "\"10.0.0.5\"", "The address, in the pool's network.")
        .apply(Apply::AffectsSessions)
        .mandatory(),
];

/// Bytes that a client sends, as text or `0x` and hexadecimal digits.
const CLIENT_VALUE: Type = Type::Text(1, 512);

const OPTION_82_RANGE: &[Statement] =
    &[Statement::leaf("range", Type::Name(63), "r1", "The range of the pool that such clients get an address of.")
        .mandatory()];

const PERCENT: Type = Type::Integer(0, 100);

const DHCP_ATTRIBUTES: &[Statement] = &[
    Statement::leaf(
        "maximum-lease-time",
        Type::Lease,
        "\"24h\"",
        "The lease time; a client that asks for less gets what it asks for. Excludes valid-lifetime.",
    )
    .default("86400")
    .source("RFC 2132 §9.2"),
    Statement::leaf("t1-percentage", PERCENT, "50", "When a client renews, in percent of its lease.")
        .default("50")
        .source("RFC 2131 §4.4.5"),
    Statement::leaf(
        "t2-percentage",
        PERCENT,
        "87",
        "When a client turns to other servers, in percent of its lease; seven eighths of it where this is not written.",
    )
    .source("RFC 2131 §4.4.5"),
    Statement::leaf(
        "t1-renewal-time",
        Type::Seconds(1, 4_294_967_294),
        "1800",
        "When a client renews, in place of the percentage.",
    )
    .source("RFC 2132 §9.11"),
    Statement::leaf(
        "t2-rebinding-time",
        Type::Seconds(1, 4_294_967_294),
        "3000",
        "When a client turns to other servers, in place of the percentage.",
    )
    .source("RFC 2132 §9.12"),
    Statement::leaf(
        "server-identifier",
        Type::Address4,
        "\"192.0.2.1\"",
        "Option 54 in place of the address at which the client can reach us.",
    )
    .source("RFC 2132 §9.7"),
    Statement::leaf("next-server", Type::Address4, "\"192.0.2.9\"", "The field siaddr: the server to boot from.")
        .source("RFC 2131 §2"),
    Statement::leaf("tftp-server", Type::Address4, "\"192.0.2.9\"", "Option 150: the server with the client's files.")
        .source("RFC 5859 §3"),
    Statement::leaf(
        "boot-file",
        Type::Text(1, 127),
        "\"pxelinux.0\"",
        "The field file: what to boot. Also option 67, to who asks for it.",
    )
    .source("RFC 2131 §2"),
    Statement::leaf(
        "boot-server",
        Type::Text(1, 63),
        "\"boot.isp.example\"",
        "The field sname: the boot server's name. Also option 66, to who asks for it.",
    )
    .source("RFC 2131 §2"),
    Statement::leaf("domain-name", Type::Text(1, 255), "\"isp.example\"", "Option 15: the client's domain.")
        .source("RFC 2132 §3.17"),
    Statement::list("name-server", Type::Address4, "\"10.0.0.53\"", "Option 6: DNS servers, the preferred one first.")
        .source("RFC 2132 §3.8"),
    Statement::list("wins-server", Type::Address4, "\"10.0.0.44\"", "Option 44: NetBIOS name servers.")
        .source("RFC 2132 §8.5"),
    Statement::list("router", Type::Address4, "\"10.0.0.1\"", "Option 3: default gateways, the preferred one first.")
        .source("RFC 2132 §3.5"),
    Statement::leaf("netbios-node-type", NODE_TYPE, "h-node", "Option 46: how the client finds NetBIOS names.")
        .source("RFC 2132 §8.7"),
    Statement::container(
        "sip-server",
        &[
            Statement::list("name", Type::Text(1, 253), "\"sip.isp.example\"", "SIP servers by name.")
                .source("RFC 3361 §3.1"),
            Statement::list("ip-address", Type::Address4, "\"10.0.0.60\"", "SIP servers by address.")
                .source("RFC 3361 §3.2"),
        ],
        "Option 120: SIP servers, all by name or all by address.",
    )
    .source("RFC 3361 §3")
    .one_of(),
    client_attributes::STATIC_ROUTE,
    client_attributes::CAPTIVE_PORTAL,
    client_attributes::IPV6_ONLY_PREFERRED,
    Statement::named(
        "option",
        Type::Integer(0, 255),
        OPTION_VALUE,
        "Any other option by its code. Options that the server makes itself cannot be set.",
    )
    .one_of(),
    Statement::leaf(
        "grace-period",
        Type::Seconds(0, u32::MAX),
        "900",
        "How long an address stays kept for its client when the lease has run out; nobody else gets it meanwhile.",
    )
    .default("0"),
    Statement::leaf(
        "valid-lifetime",
        Type::Lease,
        "\"24h\"",
        "The lease time, in place of maximum-lease-time: a lease of IPv4 has one lifetime.",
    )
    .source("RFC 2132 §9.2"),
    Statement::leaf(
        "preferred-lifetime",
        Type::Lease,
        "\"12h\"",
        "Clients of IPv4 have no such time: where neither T1 nor T2 is written, they renew at half of it and turn to other \
         servers at seven eighths of it. Not longer than the lease, and not with maximum-lease-time.",
    ),
    Statement::container(
        "option-match",
        &[Statement::container(
            "option-82",
            &[
                Statement::named(
                    "circuit-id",
                    CLIENT_VALUE,
                    OPTION_82_RANGE,
                    "Clients with this circuit id, byte for byte, as text or in hexadecimal digits after 0x. It goes \
                     before the remote id.",
                )
                .source("RFC 3046 §3.1"),
                Statement::named(
                    "remote-id",
                    CLIENT_VALUE,
                    OPTION_82_RANGE,
                    "Clients with this remote id, byte for byte, as text or in hexadecimal digits after 0x.",
                )
                .source("RFC 3046 §3.2"),
            ],
            "By the relay agent's option 82; pool-match-order says when.",
        )
        .source("RFC 3046 §2.0")],
        "Gives clients addresses of one range.",
    ),
    list("dns-server", Type::Address6),
    list("sip-server-address", Type::Address6),
    leaf("sip-server-domain-name", Type::Text(1, 253)),
    leaf("exclude-prefix-len", Type::Integer(1, 128)),
    leaf("propagate-settings", Type::Interface),
    list("propagate-ppp-settings", Type::Interface),
];

const fn built(name: &'static str) -> Word {
    Word { name, built: true }
}

const NODE_TYPE: Type = Type::Word(&[built("b-node"), built("p-node"), built("m-node"), built("h-node")]);

const BYTE: Type = Type::Integer(0, 0xff);
const SHORT: Type = Type::Integer(-0x8000, 0x7fff);
const UNSIGNED_SHORT: Type = Type::Integer(0, 0xffff);
const INTEGER: Type = Type::Integer(-0x8000_0000, 0x7fff_ffff);
const UNSIGNED_INTEGER: Type = Type::Integer(0, 0xffff_ffff);
const HEX: Type = Type::Hex(2, 510);
const STRING: Type = Type::Text(1, 254);

/// The forms of an option's value; on the wire numbers go most significant byte first (RFC 2132 §2).
const OPTION_VALUE: &[Statement] = &[
    Statement::leaf("flag", Type::Boolean, "#true", "One byte, 1 or 0."),
    Statement::leaf("byte", BYTE, "64", "One byte."),
    Statement::leaf("short", SHORT, "-1", "Two bytes, signed."),
    Statement::leaf("unsigned-short", UNSIGNED_SHORT, "1400", "Two bytes."),
    Statement::leaf("integer", INTEGER, "-3600", "Four bytes, signed."),
    Statement::leaf("unsigned-integer", UNSIGNED_INTEGER, "3600", "Four bytes."),
    Statement::leaf("hex-string", HEX, "\"0104c0000201\"", "The bytes as they are."),
    Statement::leaf("string", STRING, "\"isp.example\"", "Text, without a byte 0 behind it."),
    Statement::leaf("ip-address", Type::Address4, "\"10.0.0.42\"", "Four bytes."),
    Statement::leaf("ipv6-address", Type::Address6, "\"2001:db8::1\"", "Sixteen bytes."),
    Statement::container("array", OPTION_ARRAY, "Several values of one kind, one behind the other.").one_of(),
];

const OPTION_ARRAY: &[Statement] = &[
    Statement::list("flag", Type::Boolean, "#true #false", "One byte each, 1 or 0."),
    Statement::list("byte", BYTE, "1 2", "One byte each."),
    Statement::list("short", SHORT, "-1 1", "Two bytes each, signed."),
    Statement::list("unsigned-short", UNSIGNED_SHORT, "1400 1500", "Two bytes each."),
    Statement::list("integer", INTEGER, "-1 1", "Four bytes each, signed."),
    Statement::list("unsigned-integer", UNSIGNED_INTEGER, "1 2", "Four bytes each."),
    Statement::list("hex-string", HEX, "\"0104\" \"0204\"", "The bytes as they are."),
    Statement::list("string", STRING, "\"a\" \"b\"", "Texts, with nothing between them."),
    Statement::list("ip-address", Type::Address4, "\"10.0.0.42\" \"10.0.0.43\"", "Four bytes each."),
    Statement::list("ipv6-address", Type::Address6, "\"2001:db8::1\" \"2001:db8::2\"", "Sixteen bytes each."),
];

const LOW_HIGH_V6: &[Statement] =
    &[leaf("low", Type::Prefix6), leaf("high", Type::Prefix6), leaf("prefix-length", Type::Integer(1, 128))];

const INET6: &[Statement] = &[
    leaf("prefix", Type::Prefix6),
    named("range", Type::Name(63), LOW_HIGH_V6),
    named(
        "host",
        Type::Name(256),
        &[
            leaf("hardware-address", Type::Mac),
            leaf("ip-address", Type::Address6),
            leaf("user-name", Type::Text(1, 256)),
        ],
    ),
    list("excluded-address", Type::Address6),
    named("excluded-range", Type::Name(63), &[leaf("low", Type::Address6), leaf("high", Type::Address6)]),
    container("dhcp-attributes", DHCP_ATTRIBUTES),
];

const DYNAMIC_POOL: &[Statement] = &[Statement::new(
    "family",
    super::Kind::Select(&[container(
        "inet6",
        &[
            leaf("delegated-prefix-length", Type::Integer(1, 64)),
            leaf("prefix-identifier", Type::Prefix6),
            leaf("from-interface", Type::Interface),
            named(
                "range",
                Type::Name(63),
                &[
                    leaf("masked-low", Type::Address6),
                    leaf("masked-high", Type::Address6),
                    leaf("prefix-length", Type::Integer(1, 128)),
                ],
            ),
            container("dhcp-attributes", DHCP_ATTRIBUTES),
        ],
    )]),
    "",
)
.later()];
