//! Statements of Junos that this release does not act on: their names and values, without help.
//!
//! Here stands what several sections share; the rest stands in the sections' own files.

use super::{Kind, Statement, Type, Word, access, dhcp_local_server, dhcp_relay};

pub(super) const fn container(name: &'static str, children: &'static [Statement]) -> Statement {
    Statement::container(name, children, "").later()
}

pub(super) const fn named(name: &'static str, key: Type, children: &'static [Statement]) -> Statement {
    Statement::named(name, key, children, "").later()
}

pub(super) const fn leaf(name: &'static str, ty: Type) -> Statement {
    Statement::leaf(name, ty, "", "").later()
}

pub(super) const fn list(name: &'static str, ty: Type) -> Statement {
    Statement::list(name, ty, "", "").later()
}

pub(super) const fn flag(name: &'static str) -> Statement {
    Statement::flag(name, "").later()
}

pub(super) const fn any(name: &'static str) -> Statement {
    Statement::new(name, Kind::Free, "").later()
}

pub(super) const fn word(name: &'static str) -> Word {
    Word { name, built: false }
}

pub(super) const NAME: Type = Type::Name(64);
pub(super) const MINUTES_OF_A_WEEK: Type = Type::Integer(10, 1440);

/// `logical-systems NAME`.
pub(super) const INSTANCE: &[Statement] = &[
    container("system", &[container("services", &[dhcp_local_server::DHCP_LOCAL_SERVER])]),
    access::ACCESS,
    dhcp_relay::FORWARDING_OPTIONS,
    any("routing-options"),
    leaf("instance-type", NAME),
    named("interface", Type::Interface, &[]),
    leaf("access-profile", Type::Name(128)),
];

const ON_OFF_AUTOMATIC: Type = Type::Word(&[word("0"), word("1"), word("automatic")]);

/// Name of a dynamic profile, and how several clients share it.
pub(super) const DYNAMIC_PROFILE: Statement = named(
    "dynamic-profile",
    Type::Name(80),
    &[leaf("use-primary", Type::Name(80)), leaf("aggregate-clients", Type::Word(&[word("merge"), word("replace")]))],
);
pub(super) const SERVICE_PROFILE: Statement = leaf("service-profile", Type::Name(128));
pub(super) const ACCESS_PROFILE: Statement = leaf("access-profile", Type::Name(128));
pub(super) const SHORT_CYCLE_PROTECTION: Statement = container(
    "short-cycle-protection",
    &[leaf("lockout-min-time", Type::Seconds(1, 86_400)), leaf("lockout-max-time", Type::Seconds(1, 86_400))],
);
pub(super) const REMOTE_ID_MISMATCH: Statement = container("remote-id-mismatch", &[flag("disconnect")]);
pub(super) const PERSISTENT_STORAGE: Statement = container("persistent-storage", &[flag("automatic")]);
pub(super) const CLASSIFICATION_KEY: Statement =
    container("classification-key", &[flag("mac-address"), flag("circuit-id"), flag("remote-id")]);
pub(super) const PROTOCOL_MASTER: Statement = container("protocol-master", &[flag("inet"), flag("inet6")]);
pub(super) const DUPLICATE_CLIENTS_IN_SUBNET: Statement =
    container("duplicate-clients-in-subnet", &[flag("incoming-interface"), flag("option-82")]);
pub(super) const FORWARD_SNOOPED_CLIENTS: Statement = leaf(
    "forward-snooped-clients",
    Type::Word(&[word("configured-interfaces"), word("non-configured-interfaces"), word("all-interfaces")]),
);
pub(super) const CLIENT_DISCOVER_MATCH: Statement =
    container("client-discover-match", &[flag("option60-and-option82"), flag("incoming-interface")]);
pub(super) const CLIENT_NEGOTIATION_MATCH: Statement =
    container("client-negotiation-match", &[flag("incoming-interface")]);
pub(super) const ROUTE_SUPPRESSION: Statement =
    container("route-suppression", &[flag("access-internal"), flag("destination")]);
pub(super) const ROUTE_SUPPRESSION_V6: Statement =
    container("route-suppression", &[flag("access"), flag("access-internal")]);
pub(super) const ASYMMETRIC_LEASE_TIME: Statement = leaf("asymmetric-lease-time", Type::Seconds(600, 86_400));
pub(super) const ASYMMETRIC_PREFIX_LEASE_TIME: Statement =
    leaf("asymmetric-prefix-lease-time", Type::Seconds(600, 86_400));

/// `active-leasequery` of servers and relays.
pub(super) const ACTIVE_LEASEQUERY: Statement = container(
    "active-leasequery",
    &[
        flag("topology-discover"),
        list("peer-address", Type::Address),
        list("exclude-interface", Type::Interface),
        leaf("timeout", Type::Seconds(10, 3600)),
        leaf("idle-timeout", Type::Seconds(10, 3600)),
    ],
);

const CLIENT_ID: Statement =
    container("client-id", &[flag("exclude-headers"), flag("use-automatic-ascii-hex-encoding")]);
const INTERFACE_DESCRIPTION: Statement = leaf("interface-description", Type::Word(&[word("device"), word("logical")]));
const AGENT_REMOTE_ID: Statement = container("relay-agent-remote-id", &[flag("enterprise-id"), flag("remote-id")]);

/// What a user name is made of.
const USERNAME_V4: &[Statement] = &[
    flag("circuit-type"),
    CLIENT_ID,
    leaf("delimiter", Type::Delimiter),
    leaf("domain-name", Type::Text(1, 64)),
    INTERFACE_DESCRIPTION,
    flag("interface-name"),
    flag("logical-system-name"),
    flag("mac-address"),
    flag("option-60"),
    container("option-82", &[flag("circuit-id"), flag("remote-id")]),
    flag("routing-instance-name"),
    leaf("user-prefix", Type::Text(1, 64)),
    flag("vlan-tags"),
];

const USERNAME_V6: &[Statement] = &[
    flag("circuit-type"),
    CLIENT_ID,
    leaf("delimiter", Type::Delimiter),
    leaf("domain-name", Type::Text(1, 64)),
    INTERFACE_DESCRIPTION,
    flag("interface-name"),
    flag("logical-system-name"),
    flag("mac-address"),
    flag("relay-agent-interface-id"),
    AGENT_REMOTE_ID,
    flag("relay-agent-subscriber-id"),
    flag("routing-instance-name"),
    leaf("user-prefix", Type::Text(1, 64)),
    flag("vlan-tags"),
];

pub(super) const AUTHENTICATION_V4: Statement =
    container("authentication", &[leaf("password", Type::Secret(1, 64)), container("username-include", USERNAME_V4)]);
pub(super) const AUTHENTICATION_V6: Statement =
    container("authentication", &[leaf("password", Type::Secret(1, 64)), container("username-include", USERNAME_V6)]);

const MILLISECONDS: Type = Type::Integer(30_000, 255_000);

/// `bfd` of `liveness-detection`.
pub(super) const BFD: Statement = container(
    "bfd",
    &[
        leaf("version", ON_OFF_AUTOMATIC),
        leaf("minimum-interval", MILLISECONDS),
        leaf("minimum-transmit-interval", MILLISECONDS),
        leaf("minimum-receive-interval", MILLISECONDS),
        leaf("multiplier", Type::Integer(1, 255)),
        flag("inline-disable"),
        leaf("pdu-size", Type::Integer(24, 16_000)),
        flag("no-adaptation"),
        container(
            "transmit-interval",
            &[leaf("minimum-interval", MILLISECONDS), leaf("threshold", Type::Integer(0, 4_294_967_295))],
        ),
        container("detection-time", &[leaf("threshold", Type::Integer(0, 4_294_967_295))]),
        leaf("session-mode", Type::Word(&[word("automatic"), word("single-hop"), word("multihop")])),
        leaf("holddown-interval", Type::Integer(0, 255_000)),
    ],
);

/// `liveness-detection` of DHCPv6, and of what has both families.
pub(super) const LIVENESS_DETECTION: Statement = container(
    "liveness-detection",
    &[
        leaf(
            "failure-action",
            Type::Word(&[word("clear-binding"), word("clear-binding-if-interface-up"), word("log-only")]),
        ),
        container(
            "method",
            &[
                BFD,
                container(
                    "layer2-liveness-detection",
                    &[
                        leaf("transmit-interval", Type::Seconds(300, 1800)),
                        leaf("max-consecutive-retries", Type::Integer(3, 6)),
                    ],
                ),
            ],
        ),
    ],
);

const FILTER_VALUES: &[Statement] = &[list("ascii", Type::Text(1, 256)), list("hexadecimal", Type::Hex(2, 512))];

/// Which values of an option are meant.
pub(super) const OPTION_FILTER: &[Statement] = &[
    container("equals", FILTER_VALUES),
    container("not-equals", FILTER_VALUES),
    container("starts-with", FILTER_VALUES),
];

const RATE: &[Statement] = &[leaf("threshold", Type::Integer(0, 4_294_967_295))];

pub(super) const REAUTHENTICATE: Statement = container(
    "reauthenticate",
    &[
        flag("lease-renewal"),
        flag("remote-id-mismatch"),
        container(
            "actual-data-rate-change",
            &[container("actual-data-rate-upstream", RATE), container("actual-data-rate-downstream", RATE)],
        ),
    ],
);
pub(super) const REAUTHENTICATE_V6: Statement =
    container("reauthenticate", &[flag("lease-renewal"), flag("remote-id-mismatch")]);

pub(super) const LEASE_TIME_VALIDATION: Statement = container(
    "lease-time-validation",
    &[
        leaf("lease-time-threshold", Type::Seconds(60, 2_147_483_647)),
        leaf("violation-action", Type::Word(&[word("strict"), word("override-lease"), word("drop")])),
    ],
);

const LOG_FILE: &[Statement] = &[
    leaf("size", Type::Size(10_240, 1_073_741_824)),
    leaf("files", Type::Integer(2, 1000)),
    flag("world-readable"),
    flag("no-world-readable"),
    leaf("match", Type::Text(1, 1024)),
];
const TRACE_LEVEL: Type =
    Type::Word(&[word("error"), word("warning"), word("notice"), word("info"), word("verbose"), word("all")]);

pub(super) const TRACEOPTIONS: Statement = container(
    "traceoptions",
    &[
        flag("no-remote-trace"),
        named("file", Type::Path, LOG_FILE),
        leaf("level", TRACE_LEVEL),
        list("flag", Type::Name(64)),
    ],
);
pub(super) const INTERFACE_TRACEOPTIONS: Statement = container(
    "interface-traceoptions",
    &[
        flag("no-remote-trace"),
        named("file", Type::Path, LOG_FILE),
        leaf("level", TRACE_LEVEL),
        list("flag", Type::Name(64)),
    ],
);
