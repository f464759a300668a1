//! `forwarding-options`: `dhcp-relay` and the external-server monitor; none of it is built yet.

use super::later::{self, any, container, flag, leaf, list, named, word};
use super::{Statement, Type};

pub(super) const FORWARDING_OPTIONS: Statement = container(
    "forwarding-options",
    &[
        container("dhcp-relay", RELAY),
        container(
            "dhcp-external",
            &[named(
                "group",
                later::NAME,
                &[
                    list("server-address", Type::Address),
                    named("interface", Type::Interface, &[]),
                    flag("server-sync"),
                    flag("recreate-subscriber-interface"),
                    container("duplicate-clients", &[flag("incoming-interface"), flag("option-82")]),
                    leaf("delete-policy", Type::Word(&[word("keep"), word("expire")])),
                    container("auto-configure", &[flag("agent-circuit-identifier")]),
                ],
            )],
        ),
        any("helpers"),
    ],
);

const ACTIVE_SERVER_GROUP: Statement = named("active-server-group", later::NAME, &[flag("allow-server-change")]);
const SERVER_GROUP: Statement = any("server-group");
const FORWARD_ONLY: Statement =
    container("forward-only", &[leaf("logical-system", later::NAME), leaf("routing-instance", later::NAME)]);

const RELAY: &[Statement] = &[
    later::TRACEOPTIONS,
    later::INTERFACE_TRACEOPTIONS,
    later::PERSISTENT_STORAGE,
    flag("duplicate-clients-on-interface"),
    later::DUPLICATE_CLIENTS_IN_SUBNET,
    flag("arp-inspection"),
    later::FORWARD_SNOOPED_CLIENTS,
    later::AUTHENTICATION_V4,
    later::LIVENESS_DETECTION,
    later::DYNAMIC_PROFILE,
    later::SERVICE_PROFILE,
    later::ACCESS_PROFILE,
    later::SHORT_CYCLE_PROTECTION,
    SERVER_GROUP,
    ACTIVE_SERVER_GROUP,
    OVERRIDES,
    RELAY_OPTION,
    RELAY_OPTION_60,
    RELAY_OPTION_82,
    SERVER_MATCH,
    FORWARD_ONLY,
    flag("forward-only-replies"),
    leaf("description", Type::Text(1, 255)),
    leaf("maximum-hop-count", Type::Integer(1, 16)),
    leaf("minimum-wait-time", Type::Seconds(0, 30_000)),
    leaf("client-response-ttl", Type::Integer(1, 255)),
    flag("source-ip-change"),
    later::ROUTE_SUPPRESSION,
    named("group", later::NAME, GROUP),
    named("dual-stack-group", later::NAME, DUAL_STACK_GROUP),
    flag("no-snoop"),
    leaf("server-response-time", Type::Seconds(0, u32::MAX)),
    later::LEASE_TIME_VALIDATION,
    container("leasequery", LEASEQUERY),
    container("bulk-leasequery", &[leaf("attempts", Type::Integer(1, 720)), leaf("timeout", Type::Seconds(1, 10))]),
    later::ACTIVE_LEASEQUERY,
    later::REMOTE_ID_MISMATCH,
    container("dhcpv6", RELAY_V6),
];

const LEASEQUERY: &[Statement] = &[leaf("attempts", Type::Integer(1, 10)), leaf("timeout", Type::Seconds(1, 10))];

const OVERRIDES: Statement = container(
    "overrides",
    &[
        flag("allow-snooped-clients"),
        flag("no-allow-snooped-clients"),
        flag("allow-no-end-option"),
        flag("always-write-giaddr"),
        flag("always-write-option-82"),
        leaf("user-defined-option-82", Type::Text(1, 252)),
        flag("include-option-82-in-vsa"),
        flag("trust-option-82"),
        flag("layer2-unicast-replies"),
        flag("no-unicast-replies"),
        later::ASYMMETRIC_LEASE_TIME,
        flag("bootp-support"),
        later::CLIENT_DISCOVER_MATCH,
        flag("delay-authentication"),
        flag("delete-binding-on-renegotiation"),
        flag("disable-relay"),
        leaf("dual-stack", later::NAME),
        leaf("interface-client-limit", Type::Integer(1, 500_000)),
        flag("no-arp"),
        flag("no-bind-on-request"),
        flag("proxy-mode"),
        leaf("relay-source", Type::Interface),
        container("replace-ip-source-with", &[flag("giaddr")]),
        flag("send-release-on-delete"),
    ],
);

const PREFIX: Statement =
    container("prefix", &[flag("host-name"), flag("logical-system-name"), flag("routing-instance-name")]);
const USER_DEFINED: Statement =
    container("user-defined", &[leaf("string", Type::Text(1, 252)), leaf("hex-string", Type::Hex(2, 510))]);
const INTERFACE_DESCRIPTION: Statement =
    leaf("use-interface-description", Type::Word(&[word("logical"), word("device")]));

const RELAY_OPTION_82: Statement = container(
    "relay-option-82",
    &[
        container(
            "circuit-id",
            &[
                PREFIX,
                INTERFACE_DESCRIPTION,
                flag("use-vlan-id"),
                flag("vlan-id-only"),
                flag("no-vlan-interface-name"),
                flag("include-irb-and-l2"),
                flag("keep-incoming-circuit-id"),
                USER_DEFINED,
            ],
        ),
        container(
            "remote-id",
            &[
                PREFIX,
                INTERFACE_DESCRIPTION,
                flag("use-vlan-id"),
                flag("no-vlan-interface-name"),
                flag("include-irb-and-l2"),
                flag("hostname-only"),
                flag("keep-incoming-remote-id"),
                leaf("use-string", Type::Text(1, 252)),
                USER_DEFINED,
            ],
        ),
        flag("server-id-override"),
        flag("link-selection"),
        flag("exclude-relay-agent-identifier"),
        VENDOR_SPECIFIC,
    ],
);

const VENDOR_SPECIFIC: Statement = container("vendor-specific", &[flag("host-name"), flag("location")]);

const INTERFACE: &[Statement] = &[
    leaf("upto", Type::Interface),
    flag("exclude"),
    flag("trace"),
    OVERRIDES,
    later::DYNAMIC_PROFILE,
    later::SERVICE_PROFILE,
    later::ACCESS_PROFILE,
    later::SHORT_CYCLE_PROTECTION,
];

const GROUP: &[Statement] = &[
    ACTIVE_SERVER_GROUP,
    later::AUTHENTICATION_V4,
    later::LIVENESS_DETECTION,
    later::DYNAMIC_PROFILE,
    later::SERVICE_PROFILE,
    later::ACCESS_PROFILE,
    OVERRIDES,
    later::SHORT_CYCLE_PROTECTION,
    SERVER_MATCH,
    RELAY_OPTION,
    RELAY_OPTION_60,
    RELAY_OPTION_82,
    FORWARD_ONLY,
    later::ROUTE_SUPPRESSION,
    leaf("description", Type::Text(1, 255)),
    leaf("maximum-hop-count", Type::Integer(1, 16)),
    leaf("minimum-wait-time", Type::Seconds(0, 30_000)),
    leaf("client-response-ttl", Type::Integer(1, 255)),
    flag("source-ip-change"),
    later::REMOTE_ID_MISMATCH,
    later::LEASE_TIME_VALIDATION,
    named("interface", Type::Interface, INTERFACE),
    named("interface-tag", later::NAME, INTERFACE),
];

const DUAL_STACK_GROUP: &[Statement] = &[
    later::AUTHENTICATION_V6,
    later::SERVICE_PROFILE,
    later::ACCESS_PROFILE,
    later::DYNAMIC_PROFILE,
    later::LIVENESS_DETECTION,
    RELAY_AGENT_INTERFACE_ID,
    RELAY_AGENT_REMOTE_ID,
    later::CLASSIFICATION_KEY,
    leaf("dual-stack-interface-client-limit", Type::Integer(1, 500_000)),
    later::PROTOCOL_MASTER,
    later::SHORT_CYCLE_PROTECTION,
];

const USE_OPTION_82: Statement = container("use-option-82", &[flag("strict")]);

const RELAY_AGENT_INTERFACE_ID: Statement = container(
    "relay-agent-interface-id",
    &[
        PREFIX,
        INTERFACE_DESCRIPTION,
        flag("use-vlan-id"),
        flag("no-vlan-interface-name"),
        flag("include-irb-and-l2"),
        USER_DEFINED,
        USE_OPTION_82,
        container("keep-incoming-interface-id", &[flag("strict")]),
    ],
);

const RELAY_AGENT_REMOTE_ID: Statement = container(
    "relay-agent-remote-id",
    &[
        PREFIX,
        INTERFACE_DESCRIPTION,
        flag("use-vlan-id"),
        flag("no-vlan-interface-name"),
        flag("include-irb-and-l2"),
        USER_DEFINED,
        USE_OPTION_82,
        flag("keep-incoming-remote-id"),
    ],
);

const OVERRIDES_V6: Statement = container(
    "overrides",
    &[
        flag("allow-snooped-clients"),
        flag("no-allow-snooped-clients"),
        flag("always-process-option-request-option"),
        later::ASYMMETRIC_LEASE_TIME,
        later::ASYMMETRIC_PREFIX_LEASE_TIME,
        later::CLIENT_NEGOTIATION_MATCH,
        flag("delay-authentication"),
        flag("delete-binding-on-renegotiation"),
        leaf("dual-stack", later::NAME),
        leaf("interface-client-limit", Type::Integer(1, 500_000)),
        flag("no-bind-on-request"),
        leaf("relay-source", Type::Interface),
        flag("send-release-on-delete"),
    ],
);

const INTERFACE_V6: &[Statement] = &[
    leaf("upto", Type::Interface),
    flag("exclude"),
    flag("trace"),
    OVERRIDES_V6,
    later::DYNAMIC_PROFILE,
    later::SERVICE_PROFILE,
    later::ACCESS_PROFILE,
    later::SHORT_CYCLE_PROTECTION,
];

const RELAY_V6: &[Statement] = &[
    OVERRIDES_V6,
    RELAY_OPTION_V6,
    SERVER_MATCH_V6,
    RELAY_AGENT_INTERFACE_ID,
    RELAY_AGENT_REMOTE_ID,
    flag("relay-agent-option-79"),
    container("vendor-specific-information", &[flag("host-name"), flag("location")]),
    flag("exclude-relay-agent-identifier"),
    FORWARD_ONLY,
    flag("forward-only-replies"),
    later::FORWARD_SNOOPED_CLIENTS,
    later::ROUTE_SUPPRESSION_V6,
    SERVER_GROUP,
    ACTIVE_SERVER_GROUP,
    leaf("server-response-time", Type::Seconds(0, u32::MAX)),
    later::LEASE_TIME_VALIDATION,
    flag("no-snoop"),
    container("leasequery", LEASEQUERY),
    container(
        "bulk-leasequery",
        &[
            leaf("attempts", Type::Integer(1, 10)),
            leaf("timeout", Type::Seconds(1, 10)),
            container("trigger", &[flag("automatic")]),
        ],
    ),
    later::ACTIVE_LEASEQUERY,
    container("duplicate-clients", &[flag("incoming-interface")]),
    later::REMOTE_ID_MISMATCH,
    later::AUTHENTICATION_V6,
    later::LIVENESS_DETECTION,
    later::DYNAMIC_PROFILE,
    later::SERVICE_PROFILE,
    later::ACCESS_PROFILE,
    later::SHORT_CYCLE_PROTECTION,
    later::PERSISTENT_STORAGE,
    named("dual-stack-group", later::NAME, DUAL_STACK_GROUP),
    named(
        "group",
        later::NAME,
        &[
            ACTIVE_SERVER_GROUP,
            later::AUTHENTICATION_V6,
            later::LIVENESS_DETECTION,
            later::DYNAMIC_PROFILE,
            later::SERVICE_PROFILE,
            later::ACCESS_PROFILE,
            OVERRIDES_V6,
            later::SHORT_CYCLE_PROTECTION,
            SERVER_MATCH_V6,
            RELAY_OPTION_V6,
            RELAY_AGENT_INTERFACE_ID,
            RELAY_AGENT_REMOTE_ID,
            FORWARD_ONLY,
            later::ROUTE_SUPPRESSION_V6,
            later::REMOTE_ID_MISMATCH,
            later::LEASE_TIME_VALIDATION,
            named("dual-stack-group", later::NAME, DUAL_STACK_GROUP),
            named("interface", Type::Interface, INTERFACE_V6),
            named("interface-tag", later::NAME, INTERFACE_V6),
        ],
    ),
];

/// What becomes of a packet whose option has a given value.
const ACTION: &[Statement] = &[
    leaf("relay-server-group", later::NAME),
    leaf("local-server-group", later::NAME),
    flag("drop"),
    flag("forward-only"),
];

const MATCH: &[Statement] =
    &[named("ascii", Type::Text(1, 256), ACTION), named("hexadecimal", Type::Hex(2, 512), ACTION)];

const MATCHES: &[Statement] =
    &[container("equals", MATCH), container("starts-with", MATCH), container("default-action", ACTION)];

const RELAY_OPTION: Statement = container(
    "relay-option",
    &[
        leaf("option-number", Type::Integer(60, 77)),
        container("equals", MATCH),
        container("starts-with", MATCH),
        container("default-action", ACTION),
        container("option-60", MATCHES),
        container("option-77", MATCHES),
        list("option-order", Type::Integer(60, 77)),
    ],
);

const RELAY_OPTION_V6: Statement = container(
    "relay-option",
    &[
        leaf("option-number", Type::Integer(15, 16)),
        container("equals", MATCH),
        container("starts-with", MATCH),
        container("default-action", ACTION),
        container("option-15", MATCHES),
        container("option-16", MATCHES),
        list("option-order", Type::Integer(15, 16)),
    ],
);

const RELAY_OPTION_60: Statement = container(
    "relay-option-60",
    &[container(
        "vendor-option",
        &[
            container("equals", MATCH),
            container("not-equals", MATCH),
            container("starts-with", MATCH),
            leaf("default-relay-server-group", later::NAME),
            leaf("default-local-server-group", later::NAME),
            flag("drop"),
            flag("forward-only"),
        ],
    )],
);

const TRACK: &[Statement] = &[flag("forward-only"), flag("create-relay-entry")];
const TRACK_MATCH: &[Statement] =
    &[named("ascii", Type::Text(1, 256), TRACK), named("hexadecimal", Type::Hex(2, 512), TRACK)];

const SERVER_MATCH: Statement =
    container("server-match", &[container("default-action", TRACK), named("address", Type::Prefix4, TRACK)]);

const SERVER_MATCH_V6: Statement = container(
    "server-match",
    &[
        container("default-action", TRACK),
        container("duid", &[container("equals", TRACK_MATCH), container("starts-with", TRACK_MATCH)]),
        named("address", Type::Prefix6, TRACK),
    ],
);
