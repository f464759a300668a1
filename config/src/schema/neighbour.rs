//! Statements of `dhcp-local-server` about what is asked of subscribers' segments and heard there.

use super::{Apply, Statement, Type, Word, later};

/// `address-probe` in `overrides`; no statement of Junos.
pub(super) const ADDRESS_PROBE: Statement = Statement::container(
    "address-probe",
    &[
        Statement::leaf(
            "timeout",
            Type::Integer(50, 2_000),
            "500",
            "How long the answer to each request is waited for, milliseconds.",
        )
        .default("500")
        .source("RFC 2131 §4.4.1")
        .apply(Apply::Hot),
        Statement::leaf("attempts", Type::Integer(1, 3), "2", "How many requests are sent for an address.")
            .default("1")
            .source("RFC 5227 §2.1.1")
            .apply(Apply::Hot),
        Statement::flag(
            "include-returning-clients",
            "Probes the last address of a client that comes back too: a host that was given it by hand meanwhile is found.",
        )
        .apply(Apply::Hot),
    ],
    "Asks by ARP whether another host has an address before it is offered. A host that answers has its address quarantined, \
     as after a DHCPDECLINE, and the client is offered another one. Without it nothing is asked, since each newcomer waits \
     for the timeout, and the usual client probes for itself and declines. Renewals are never probed for, nor are clients \
     behind a relay, which ARP does not reach. At most 4096 offers wait at once; a further one leaves without a probe.",
)
.source("RFC 2131 §2.2")
.apply(Apply::Hot);

/// `no-rogue-server-detection` of a server; no statement of Junos.
pub(super) const NO_ROGUE_SERVER_DETECTION: Statement = Statement::flag(
    "no-rogue-server-detection",
    "Does not look for foreign DHCP servers. Without it a server whose replies are seen on an interface of a group, or that \
     a client there names in its REQUEST, is told by an event once an hour, counted, and listed by `show dhcp server \
     rogue-servers`.",
)
.apply(Apply::Hot);

/// `liveness-detection` of a server or group of DHCPv4.
pub(super) const LIVENESS_DETECTION: Statement = Statement::container(
    "liveness-detection",
    &[
        Statement::leaf(
            "failure-action",
            Type::Word(&[
                Word { name: "clear-binding", built: true },
                Word { name: "clear-binding-if-interface-up", built: true },
                Word { name: "log-only", built: true },
            ]),
            "log-only",
            "What becomes of a client that answers none of its requests: clear-binding ends its binding; \
             clear-binding-if-interface-up asks nobody while the interface is down, and so ends no binding then; log-only \
             tells it and leaves the binding.",
        )
        .default("clear-binding")
        .apply(Apply::AffectsSessions),
        Statement::container(
            "method",
            &[
                later::BFD,
                Statement::container(
                    "layer2-liveness-detection",
                    &[
                        Statement::leaf(
                            "transmit-interval",
                            Type::Seconds(300, 1_800),
                            "600",
                            "How often a client is asked. One that was heard within the interval by DHCP is not asked. What \
                             is sent is spread evenly over the interval, to a minute.",
                        )
                        .default("300")
                        .apply(Apply::AffectsSessions),
                        Statement::leaf(
                            "max-consecutive-retries",
                            Type::Integer(3, 6),
                            "4",
                            "How often a client is asked again, 10 seconds apart, before it is taken to be gone. The last \
                             request is broadcast.",
                        )
                        .default("3")
                        .apply(Apply::AffectsSessions),
                    ],
                    "Asks by ARP. Any ARP packet or DHCP message of the client is an answer.",
                )
                .apply(Apply::AffectsSessions),
            ],
            "How clients are asked.",
        )
        .one_of()
        .mandatory()
        .apply(Apply::AffectsSessions),
    ],
    "Asks bound clients in turn whether they are still there. Clients behind a relay are not asked: ARP does not reach them. \
     In a group it takes the place of the server's.",
)
.apply(Apply::AffectsSessions);
