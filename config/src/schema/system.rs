//! `system`: `services` and `processes dhcp-service`.

use super::later::{self, container, flag, leaf, named, word};
use super::{Statement, Type, dhcp_local_server};

/// The section.
pub(super) const SYSTEM: Statement = Statement::container(
    "system",
    &[
        Statement::container(
            "services",
            &[dhcp_local_server::DHCP_LOCAL_SERVER, later::any("dhcp"), SUBSCRIBER_MANAGEMENT],
            "What the router offers to its neighbours.",
        ),
        container("processes", &[container("dhcp-service", DHCP_SERVICE)]),
    ],
    "The router as a whole.",
);

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
    later::TRACEOPTIONS,
    later::INTERFACE_TRACEOPTIONS,
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
    container("ltv-syslog-interval", &[leaf("syslog-interval", Type::Seconds(600, 86_400))]),
    leaf("accept-max-tcp-connections", Type::Integer(1, 100)),
    leaf("request-max-tcp-connections", Type::Integer(1, 100)),
    leaf("max-leasequery-reply-packet-retries", Type::Integer(0, 10_000)),
    leaf("leasequery-reply-packet-retry-timer", Type::Integer(0, 10_000)),
    leaf("max-leasequery-reply-packet-process", Type::Integer(0, 1_000_000)),
    flag("era-logging-disable"),
];
