//! `system services dhcp-local-server`.

use super::later::{self, container, flag, leaf, named};
use super::{Apply, Statement, Type, authentication, choosing, neighbour, overrides, policy, rules, trace};

/// The section.
pub(super) const DHCP_LOCAL_SERVER: Statement = Statement::container(
    "dhcp-local-server",
    &[
        choosing::POOL_MATCH_ORDER,
        OVERRIDES,
        Statement::named("group", Type::Name(64), GROUP, "What holds for the clients of some interfaces.")
            .apply(Apply::AffectsSessions),
        trace::SERVER_TRACEOPTIONS,
        trace::SERVER_INTERFACE_TRACEOPTIONS,
        choosing::DUPLICATE_CLIENTS_ON_INTERFACE,
        choosing::DUPLICATE_CLIENTS_IN_SUBNET,
        choosing::FORWARD_SNOOPED_CLIENTS,
        authentication::AUTHENTICATION,
        neighbour::LIVENESS_DETECTION,
        RECONFIGURE_V4,
        later::DYNAMIC_PROFILE,
        later::SERVICE_PROFILE,
        authentication::ACCESS_PROFILE,
        rules::SHORT_CYCLE_PROTECTION,
        overrides::ROUTE_SUPPRESSION,
        named("dual-stack-group", later::NAME, DUAL_STACK_GROUP),
        rules::LEASE_TIME_VALIDATION,
        choosing::REQUESTED_IP_NETWORK_MATCH,
        choosing::REQUESTED_IP_INTERFACE_MATCH,
        flag("no-snoop"),
        later::PERSISTENT_STORAGE,
        rules::REMOTE_ID_MISMATCH,
        rules::OVERLOAD,
        later::REAUTHENTICATE,
        neighbour::NO_ROGUE_SERVER_DETECTION,
        ALLOW_LEASEQUERY,
        ALLOW_BULK_LEASEQUERY,
        ALLOW_ACTIVE_LEASEQUERY,
        later::ACTIVE_LEASEQUERY,
        container("dhcpv6", DHCPV6),
    ],
    "The DHCP server of this router.",
);

const GROUP: &[Statement] = &[
    Statement::named(
        "interface",
        Type::Interface,
        INTERFACE,
        "An interface whose clients belong to the group, or with a trailing * all interfaces whose names begin so. \
         An exact name wins over a pattern, a longer pattern over a shorter one.",
    )
    .apply(Apply::AffectsSessions),
    OVERRIDES,
    policy::POLICY,
    authentication::AUTHENTICATION,
    neighbour::LIVENESS_DETECTION,
    RECONFIGURE_V4,
    later::DYNAMIC_PROFILE,
    later::SERVICE_PROFILE,
    authentication::ACCESS_PROFILE,
    rules::SHORT_CYCLE_PROTECTION,
    overrides::ROUTE_SUPPRESSION,
    rules::LEASE_TIME_VALIDATION,
    rules::REMOTE_ID_MISMATCH,
    later::REAUTHENTICATE,
    named(
        "interface-tag",
        later::NAME,
        &[
            OVERRIDES,
            later::DYNAMIC_PROFILE,
            later::SERVICE_PROFILE,
            later::ACCESS_PROFILE,
            later::SHORT_CYCLE_PROTECTION,
        ],
    ),
];

const INTERFACE: &[Statement] = &[
    OVERRIDES,
    policy::POLICY,
    overrides::UPTO,
    overrides::EXCLUDE,
    trace::TRACE,
    later::DYNAMIC_PROFILE,
    later::SERVICE_PROFILE,
    later::ACCESS_PROFILE,
    rules::SHORT_CYCLE_PROTECTION,
];

const OVERRIDES: Statement = Statement::container(
    "overrides",
    &[
        Statement::leaf(
            "interface-client-limit",
            Type::Integer(1, 500_000),
            "64",
            "Most bindings on one interface; DISCOVERs beyond it are dropped.",
        ),
        neighbour::ADDRESS_PROBE,
        Statement::flag("no-arp", "Makes no permanent neighbour entry for a bound client."),
        Statement::container(
            "process-inform",
            &[Statement::leaf(
                "pool",
                Type::Name(63),
                "res-v4",
                "The pool whose attributes answer, in place of the one that matches the client's network.",
            )
            .apply(Apply::Hot)],
            "Answers DHCPINFORM; without it they are dropped.",
        )
        .source("RFC 2131 §4.3.5")
        .apply(Apply::Hot),
        Statement::flag("allow-no-end-option", "Accepts packets whose options do not end with option 255.")
            .source("RFC 2132 §3.2")
            .apply(Apply::Hot),
        Statement::flag(
            "delete-binding-on-renegotiation",
            "A DISCOVER of a bound client ends its binding first, in place of offering the same address.",
        )
        .apply(Apply::Hot),
        Statement::flag("nak-unknown-renew", "Refuses a unicast renewal without a binding, in place of silence.")
            .source("RFC 2131 §4.3.2")
            .apply(Apply::Hot),
        Statement::flag("nak-unknown-rebind", "Refuses a broadcast rebinding without a binding, in place of silence.")
            .source("RFC 2131 §4.3.2")
            .apply(Apply::Hot),
        Statement::container(
            "include-option-82",
            &[
                Statement::flag(
                    "nak",
                    "Echoes option 82 in the DHCPNAK of a direct client too; a relayed one always has it.",
                )
                .source("RFC 3046 §2.2")
                .apply(Apply::Hot),
                overrides::FORCERENEW,
            ],
            "Replies beyond OFFER and ACK that echo the relay agent information.",
        )
        .apply(Apply::Hot),
        overrides::BOOTP_SUPPORT,
        overrides::RAPID_COMMIT,
        overrides::MINIMUM_WAIT_TIME,
        choosing::CLIENT_DISCOVER_MATCH,
        choosing::SUBNET_SELECTION,
        overrides::DELAY_OFFER,
        overrides::ASYMMETRIC_LEASE_TIME,
        overrides::PROTOCOL_ATTRIBUTES,
        leaf("dual-stack", later::NAME),
    ],
    "Behaviour that differs from the default. The block of an interface takes the place of its group's, that of a \
     group the place of the server's: they are not merged.",
);

/// `reconfigure` of DHCPv4 (junos.md §8).
const RECONFIGURE_V4: Statement = Statement::container(
    "reconfigure",
    &[
        Statement::leaf("attempts", Type::Integer(1, 10), "8", "How many FORCERENEWs a client is sent at most.")
            .default("8")
            .apply(Apply::Hot),
        Statement::leaf(
            "timeout",
            Type::Seconds(1, 10),
            "2",
            "Pause after the first attempt; it doubles with each, and once more before the client is given up.",
        )
        .default("2")
        .apply(Apply::Hot),
        Statement::leaf(
            "token",
            Type::Secret(1, 244),
            "\"s3cret\"",
            "Authenticates messages to clients that use a configuration token (RFC 3118 section 4).",
        )
        .apply(Apply::Hot),
        Statement::flag("clear-on-abort", "Ends a client that answered no attempt.").apply(Apply::Hot),
        Statement::flag(
            "defer-nack-on-abort",
            "Keeps a client that answered no attempt, and refuses its next renewal, so that it starts anew.",
        )
        .apply(Apply::Hot),
        Statement::container(
            "trigger",
            &[Statement::flag(
                "radius-disconnect",
                "A RADIUS Disconnect-Request starts a reconfiguration; without it, the session ends.",
            )
            .apply(Apply::Hot)],
            "What starts a reconfiguration beside the operator.",
        )
        .apply(Apply::Hot),
        flag("support-option-pd-exclude"),
    ],
    "Moves bound clients to new addresses or options by FORCERENEW (RFC 3203). In a group it takes the place of the \
     server's.",
)
.apply(Apply::Hot);

const RECONFIGURE: &[Statement] = &[
    leaf("attempts", Type::Integer(1, 10)),
    leaf("timeout", Type::Seconds(1, 10)),
    leaf("token", Type::Secret(1, 244)),
    flag("clear-on-abort"),
    flag("defer-nack-on-abort"),
    container("trigger", &[flag("radius-disconnect")]),
    flag("support-option-pd-exclude"),
    flag("strict"),
];

const DUAL_STACK_GROUP: &[Statement] = &[
    later::ACCESS_PROFILE,
    later::SERVICE_PROFILE,
    later::DYNAMIC_PROFILE,
    later::AUTHENTICATION_V6,
    later::LIVENESS_DETECTION,
    later::SHORT_CYCLE_PROTECTION,
    flag("on-demand-address-allocation"),
    later::CLASSIFICATION_KEY,
    leaf("dual-stack-interface-client-limit", Type::Integer(1, 500_000)),
    later::PROTOCOL_MASTER,
    later::REAUTHENTICATE_V6,
];

const ALLOW_LEASEQUERY: Statement = Statement::container(
    "allow-leasequery",
    &[Statement::flag(
        "restricted-requestor",
        "Tells a requestor only of bindings whose giaddr is the one in its query; to it the others do not exist.",
    )
    .apply(Apply::Hot)],
    "Answers DHCPLEASEQUERY (RFC 4388).",
)
.apply(Apply::Hot);
const ALLOW_BULK_LEASEQUERY: Statement = container(
    "allow-bulk-leasequery",
    &[
        leaf("max-connections", Type::Integer(1, 10)),
        leaf("timeout", Type::Seconds(1, 1000)),
        leaf("max-empty-replies", Type::Integer(1, 100)),
        flag("restricted-requestor"),
    ],
);
const ALLOW_ACTIVE_LEASEQUERY: Statement = container(
    "allow-active-leasequery",
    &[leaf("timeout", Type::Seconds(10, 3600)), leaf("idle-timeout", Type::Seconds(10, 3600))],
);

const DHCPV6: &[Statement] = &[
    later::AUTHENTICATION_V6,
    later::LIVENESS_DETECTION,
    later::DYNAMIC_PROFILE,
    later::SERVICE_PROFILE,
    later::ACCESS_PROFILE,
    later::SHORT_CYCLE_PROTECTION,
    later::FORWARD_SNOOPED_CLIENTS,
    later::PERSISTENT_STORAGE,
    flag("no-snoop"),
    container("reconfigure", RECONFIGURE),
    OVERRIDES_V6,
    later::ROUTE_SUPPRESSION_V6,
    named("group", later::NAME, GROUP_V6),
    later::LEASE_TIME_VALIDATION,
    leaf("requested-ip-network-match", Type::Integer(0, 127)),
    flag("requested-ip-interface-match"),
    container("server-duid-type", &[flag("duid_ll")]),
    later::REMOTE_ID_MISMATCH,
    later::REAUTHENTICATE_V6,
    container("allow-leasequery", &[flag("restricted-requestor")]),
    ALLOW_BULK_LEASEQUERY,
    ALLOW_ACTIVE_LEASEQUERY,
    later::ACTIVE_LEASEQUERY,
    container("duplicate-clients", &[flag("incoming-interface")]),
    container(
        "dynamic-server",
        &[
            OVERRIDES_DYNAMIC_SERVER,
            named(
                "group",
                later::NAME,
                &[
                    leaf("neighbor-discovery-router-advertisement", later::NAME),
                    OVERRIDES_DYNAMIC_SERVER,
                    named("interface", Type::Interface, &[OVERRIDES_DYNAMIC_SERVER]),
                ],
            ),
        ],
    ),
];

const OVERRIDES_DYNAMIC_SERVER: Statement = container(
    "overrides",
    &[
        leaf("interface-client-limit", Type::Integer(1, 500_000)),
        flag("rapid-commit"),
        container("process-inform", &[leaf("pool", later::NAME)]),
        leaf("delegated-pool", later::NAME),
        leaf("ia-na-pool", later::NAME),
    ],
);

const GROUP_V6: &[Statement] = &[
    named(
        "interface",
        Type::Interface,
        &[
            leaf("upto", Type::Interface),
            flag("exclude"),
            flag("trace"),
            OVERRIDES_V6,
            policy::POLICY,
            later::DYNAMIC_PROFILE,
            later::SERVICE_PROFILE,
            later::ACCESS_PROFILE,
            later::SHORT_CYCLE_PROTECTION,
        ],
    ),
    named(
        "interface-tag",
        later::NAME,
        &[
            OVERRIDES_V6,
            later::DYNAMIC_PROFILE,
            later::SERVICE_PROFILE,
            later::ACCESS_PROFILE,
            later::SHORT_CYCLE_PROTECTION,
        ],
    ),
    policy::POLICY,
    later::AUTHENTICATION_V6,
    later::LIVENESS_DETECTION,
    container("reconfigure", RECONFIGURE),
    OVERRIDES_V6,
    later::DYNAMIC_PROFILE,
    later::SERVICE_PROFILE,
    later::ACCESS_PROFILE,
    later::SHORT_CYCLE_PROTECTION,
    later::ROUTE_SUPPRESSION_V6,
    later::LEASE_TIME_VALIDATION,
    later::REMOTE_ID_MISMATCH,
    later::REAUTHENTICATE_V6,
];

const OVERRIDES_V6: Statement = container(
    "overrides",
    &[
        leaf("interface-client-limit", Type::Integer(1, 500_000)),
        flag("rapid-commit"),
        later::CLIENT_NEGOTIATION_MATCH,
        container("process-inform", &[leaf("pool", later::NAME)]),
        container(
            "delay-advertise",
            &[
                leaf("delay-time", Type::Seconds(1, 30)),
                container(
                    "based-on",
                    &[
                        container("option-18", later::OPTION_FILTER),
                        container("option-37", later::OPTION_FILTER),
                        container("option-15", later::OPTION_FILTER),
                        container("option-16", later::OPTION_FILTER),
                    ],
                ),
            ],
        ),
        leaf("delegated-pool", later::NAME),
        flag("multi-address-embedded-option-response"),
        flag("always-process-option-request-option"),
        flag("delete-binding-on-renegotiation"),
        flag("top-level-status-code"),
        flag("always-add-option-dns-server"),
        later::ASYMMETRIC_LEASE_TIME,
        later::ASYMMETRIC_PREFIX_LEASE_TIME,
        leaf("protocol-attributes", later::NAME),
        leaf("dual-stack", later::NAME),
    ],
);
