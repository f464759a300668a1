//! `system`: `login`, `services` and `processes dhcp-service`.

use super::later::{self, container, flag, leaf, named, word};
use super::{Apply, Statement, Type, Word, dhcp_local_server, rules, trace};

/// The section.
pub(super) const SYSTEM: Statement = Statement::container(
    "system",
    &[
        LOGIN,
        Statement::container(
            "services",
            &[dhcp_local_server::DHCP_LOCAL_SERVER, later::any("dhcp"), SUBSCRIBER_MANAGEMENT],
            "What the router offers to its neighbours.",
        ),
        Statement::container(
            "processes",
            &[Statement::container("dhcp-service", DHCP_SERVICE, "The daemon itself.").apply(Apply::Hot)],
            "The processes of the router.",
        )
        .apply(Apply::Hot),
    ],
    "The router as a whole.",
);

const LOGIN: Statement = Statement::container(
    "login",
    &[
        Statement::named(
            "class",
            Type::Name(64),
            &[Statement::list(
                "permissions",
                Type::Word(&[
                    Word { name: "view", built: true },
                    Word { name: "clear", built: true },
                    Word { name: "configure", built: true },
                ]),
                "view clear",
                "What its users may do: look; end sessions and reset counters; change the configuration and end the \
                 daemon. Each has what is before it.",
            )
            .apply(Apply::Hot)
            .mandatory()],
            "A class of users. The classes `super-user` (configure), `operator` (clear), `read-only` (view) and \
             `unauthorized` (nothing) are there without it.",
        )
        .apply(Apply::Hot),
        Statement::named(
            "user",
            Type::Name(64),
            &[Statement::leaf("class", Type::Name(64), "operator", "What the user may do, by class.")
                .apply(Apply::Hot)
                .mandatory()],
            "A user of the system, by name. Root and the user that the daemon runs as may do everything; whoever stands \
             not here may look.",
        )
        .apply(Apply::Hot),
    ],
    "Who may do what by way of the control socket.",
)
.apply(Apply::Hot);

const SUBSCRIBER_MANAGEMENT: Statement = container(
    "subscriber-management",
    &[
        container("maintain-subscriber", &[flag("interface-delete")]),
        container(
            "redundancy",
            &[
                named(
                    "interface",
                    Type::Interface,
                    &[
                        leaf("virtual-inet-address", Type::Address4),
                        leaf("virtual-inet6-address", Type::Address6),
                        leaf("local-inet-address", Type::Address4),
                        leaf("local-inet6-address", Type::Address6),
                        leaf("shared-key", Type::Secret(1, 63)),
                    ],
                ),
                container("protocol", &[flag("vrrp"), flag("pseudo-wire")]),
                flag("re-authenticate-on-failover"),
                flag("no-advertise-routes-on-backup"),
                leaf("route-operation-interval", Type::Integer(1, 100)),
                named(
                    "group",
                    later::NAME,
                    &[named(
                        "interface",
                        Type::Interface,
                        &[leaf(
                            "standby-mode",
                            Type::Word(&[word("hot-standby"), word("service-activation-on-failover")]),
                        )],
                    )],
                ),
            ],
        ),
    ],
);

const SNOOPING_FILE: &[Statement] = &[leaf("location", Type::Path), leaf("write-interval", Type::Seconds(60, 86_400))];

const DHCP_SERVICE: &[Statement] = &[
    flag("disable"),
    leaf("failover", Type::Word(&[word("other-routing-engine"), word("alternate-media")])),
    container(
        "persistent-storage",
        &[leaf("file-name", Type::Name(64)), leaf("backup-interval", Type::Integer(1, 48))],
    ),
    trace::TRACEOPTIONS,
    trace::INTERFACE_TRACEOPTIONS,
    container(
        "log",
        &[container(
            "session",
            &[
                flag("client"),
                flag("server"),
                flag("relay"),
                flag("all"),
                container(
                    "dhcpv6",
                    &[flag("client"), flag("server"), flag("relay"), flag("dynamic-server"), flag("all")],
                ),
            ],
        )],
    ),
    container("dhcp-snooping-file", SNOOPING_FILE),
    container("dhcpv6-snooping-file", SNOOPING_FILE),
    rules::LTV_SYSLOG_INTERVAL,
    leaf("accept-max-tcp-connections", Type::Integer(1, 100)),
    leaf("request-max-tcp-connections", Type::Integer(1, 100)),
    leaf("max-leasequery-reply-packet-retries", Type::Integer(0, 10_000)),
    leaf("leasequery-reply-packet-retry-timer", Type::Integer(0, 10_000)),
    leaf("max-leasequery-reply-packet-process", Type::Integer(0, 1_000_000)),
    flag("era-logging-disable"),
];
