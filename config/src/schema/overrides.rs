//! Statements of `dhcp-local-server` about who is answered when and how, and who has a route.

use super::{Apply, Statement, Type};

/// `bootp-support` in `overrides`.
pub(super) const BOOTP_SUPPORT: Statement = Statement::flag(
    "bootp-support",
    "Serves BOOTP clients too: each is bound at once, to its reservation or else to an address of the ranges, with a lease \
     that never ends. Only an operator ends it, or the client that comes to speak DHCP.",
)
.source("RFC 1534 §2")
.apply(Apply::Hot);

/// `rapid-commit` in `overrides`; named as for DHCPv6.
pub(super) const RAPID_COMMIT: Statement = Statement::flag(
    "rapid-commit",
    "Answers a DISCOVER that carries option 80 with an ACK at once. Only where this server is the only one, or each server \
     has addresses for all clients.",
)
.source("RFC 4039 §3.2")
.apply(Apply::Hot);

/// `minimum-wait-time` in `overrides`; Junos has it for relays.
pub(super) const MINIMUM_WAIT_TIME: Statement = Statement::leaf(
    "minimum-wait-time",
    Type::Seconds(0, 30_000),
    "4",
    "Drops DISCOVERs and BOOTP requests whose field secs, by which a client says how long it has been asking, is smaller. A \
     client that always sends 0 is never served then, and one that writes the field with its bytes swapped counts as one \
     that has waited longer than it has.",
)
.default("0")
.source("RFC 2131 §2")
.apply(Apply::Hot);

/// `delay-offer` in `overrides`.
pub(super) const DELAY_OFFER: Statement = Statement::container(
    "delay-offer",
    &[
        Statement::leaf("delay-time", Type::Seconds(1, 30), "5", "How long an OFFER is held back.")
            .default("3")
            .apply(Apply::Hot),
        Statement::container(
            "based-on",
            &[
                Statement::container(
                    "option-82",
                    OPTION_FILTER,
                    "The relay agent information: as a whole, its circuit id, or its remote id.",
                )
                .source("RFC 3046 §2.0")
                .apply(Apply::Hot),
                Statement::container("option-60", OPTION_FILTER, "The vendor class.")
                    .source("RFC 2132 §9.13")
                    .apply(Apply::Hot),
                Statement::container(
                    "option-77",
                    OPTION_FILTER,
                    "The user class: as a whole, or one of the classes in it.",
                )
                .source("RFC 3004 §4")
                .apply(Apply::Hot),
            ],
            "Whose OFFERs are held back: clients whose DISCOVER matches one of these; a client without the option matches \
             nothing. All of them where nothing stands here.",
        )
        .apply(Apply::Hot),
    ],
    "Holds OFFERs back, so that another server can win. A REQUEST of the client meanwhile withdraws its OFFER; at most 4096 \
     are held back at once, and a further DISCOVER is dropped.",
)
.apply(Apply::Hot);

const OPTION_FILTER: &[Statement] = &[
    Statement::container("equals", FILTER_VALUES, "The value is one of these.").apply(Apply::Hot),
    Statement::container("not-equals", FILTER_VALUES, "There is a value, and it is none of these.").apply(Apply::Hot),
    Statement::container("starts-with", FILTER_VALUES, "The value begins with one of these.").apply(Apply::Hot),
];

const FILTER_VALUES: &[Statement] = &[
    Statement::list("ascii", Type::Text(1, 256), "docsis", "Values as text.").apply(Apply::Hot),
    Statement::list("hexadecimal", Type::Hex(2, 512), "\"0104\"", "Values as bytes.").apply(Apply::Hot),
];

/// `asymmetric-lease-time` in `overrides`.
pub(super) const ASYMMETRIC_LEASE_TIME: Statement = Statement::leaf(
    "asymmetric-lease-time",
    Type::Seconds(600, 86_400),
    "900",
    "Tells clients a lease of this length where that of their pool is longer. The pool's is the real one: it begins anew \
     when half of it is over, and a client that falls silent keeps its address until it ends.",
);

/// `protocol-attributes` in `overrides`.
pub(super) const PROTOCOL_ATTRIBUTES: Statement = Statement::leaf(
    "protocol-attributes",
    Type::Name(64),
    "business",
    "The set of `access protocol-attributes` that stands over the attributes of the pool: what is set in it wins.",
);

/// `forcerenew` in `include-option-82`.
pub(super) const FORCERENEW: Statement =
    Statement::flag("forcerenew", "Puts the option 82 that a session came with into its FORCERENEWs too.")
        .source("RFC 3046 §2.2")
        .apply(Apply::Hot);

/// `route-suppression` of a server or group of DHCPv4.
pub(super) const ROUTE_SUPPRESSION: Statement = Statement::container(
    "route-suppression",
    &[
        Statement::flag(
            "access-internal",
            "Bound sessions have no route and no neighbour entry, nor routes via their clients.",
        )
        .apply(Apply::AffectsSessions),
        Statement::flag("destination", "Bound sessions have their route, but no neighbour entry.")
            .apply(Apply::AffectsSessions),
    ],
    "What sessions go without in the forwarding plane. A commit of it holds for live sessions at once. In a group it takes the \
     place of the server's.",
)
.one_of()
.apply(Apply::AffectsSessions);

/// `upto` of an `interface`.
pub(super) const UPTO: Statement = Statement::leaf(
    "upto",
    Type::Interface,
    "eth1.199",
    "The last of a range of interfaces that begins with this one: of the same device, with a higher number at the end.",
)
.apply(Apply::AffectsSessions);

/// `exclude` of an `interface`.
pub(super) const EXCLUDE: Statement =
    Statement::flag("exclude", "Takes the interface, or the range, out of the ranges and patterns of this group.")
        .apply(Apply::AffectsSessions);
