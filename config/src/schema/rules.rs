//! Rules of `dhcp-local-server` against clients that misbehave and against too many packets.

use super::{Apply, Statement, Type, Word};

/// `short-cycle-protection` of a server, group or interface.
pub(super) const SHORT_CYCLE_PROTECTION: Statement = Statement::container(
    "short-cycle-protection",
    &[
        Statement::leaf(
            "lockout-min-time",
            Type::Seconds(1, 86_400),
            "5",
            "How long the first short cycle locks a client out.",
        )
        .default("1")
        .apply(Apply::Hot),
        Statement::leaf(
            "lockout-max-time",
            Type::Seconds(1, 86_400),
            "300",
            "The longest lockout: the time doubles with each cycle up to it.",
        )
        .default("300")
        .apply(Apply::Hot),
    ],
    "Locks a client out that logs in and out in short cycles: whose lease ends within 150 seconds of its beginning, who is \
     refused by DHCPNAK or rejected by RADIUS, or who declines its address. Its DISCOVERs are dropped meanwhile. After 15 \
     minutes without another cycle, or lockout-max-time where that is longer, it begins anew. The block of an interface \
     takes the place of its group's, that of a group the place of the server's.",
)
.apply(Apply::Hot);

/// `remote-id-mismatch` of a server or group.
pub(super) const REMOTE_ID_MISMATCH: Statement = Statement::container(
    "remote-id-mismatch",
    &[Statement::flag(
        "disconnect",
        "Ends the session: a REQUEST over another line gets a DHCPNAK, so that the client begins anew at once; a DISCOVER is \
         dropped, and the next one begins a new session.",
    )
    .source("RFC 3046 §2")
    .mandatory()
    .apply(Apply::Hot)],
    "What follows when a client's option 82 has another remote-id than its session's. A renewal by unicast brings none and \
     is not concerned.",
)
.apply(Apply::Hot);

/// `lease-time-validation` of a server or group.
pub(super) const LEASE_TIME_VALIDATION: Statement = Statement::container(
    "lease-time-validation",
    &[
        Statement::leaf(
            "lease-time-threshold",
            Type::Seconds(60, 2_147_483_647),
            "600",
            "A shorter lease is a violation: by maximum-lease-time of the pool, or by option 51 of the client.",
        )
        .mandatory()
        .apply(Apply::AffectsSessions),
        Statement::leaf(
            "violation-action",
            Type::Word(&[Word { name: "strict", built: true }, Word { name: "override-lease", built: true }]),
            "override-lease",
            "strict drops the DISCOVER or REQUEST; override-lease grants the threshold.",
        )
        .default("strict")
        .apply(Apply::AffectsSessions),
    ],
    "Judges how long leases are. What is left of a Session-Timeout is never a violation, and no lease is made longer than \
     it. The block of a group takes the place of the server's.",
)
.apply(Apply::AffectsSessions);

const RATE: &[Statement] = &[
    Statement::leaf("rate", Type::Integer(1, 1_000_000), "100", "Packets a second.").mandatory().apply(Apply::Hot),
    Statement::leaf("burst", Type::Integer(1, 1_000_000), "200", "Packets at once.").mandatory().apply(Apply::Hot),
];

/// `overload` of a server; no statement of Junos, which has its own policers.
pub(super) const OVERLOAD: Statement = Statement::container(
    "overload",
    &[
        Statement::container(
            "per-interface",
            RATE,
            "Limits the packets of each interface. The last quarter of the burst is for REQUEST, DECLINE and RELEASE, so that \
             renewals come before DISCOVERs. Without it there is no limit.",
        )
        .apply(Apply::Hot),
        Statement::container(
            "per-client",
            RATE,
            "Limits the packets of each hardware address on an interface or behind a relay. Without it there is no limit.",
        )
        .apply(Apply::Hot),
        Statement::container(
            "per-circuit",
            RATE,
            "Limits the packets of each circuit-id of option 82, or of a relay that sets none. Without it there is no limit.",
        )
        .source("RFC 3046 §3.1")
        .apply(Apply::Hot),
        Statement::leaf(
            "half-open-limit",
            Type::Integer(1, 100_000),
            "1000",
            "Offers of one interface that wait for their REQUEST at most: the oldest one lapses for a new one, and from half \
             of the limit on only 500 DISCOVERs a second are taken.",
        )
        .default("16384")
        .apply(Apply::Hot),
    ],
    "Sheds packets before they are parsed. Each kind has its counter in `show dhcp server statistics`.",
)
.apply(Apply::Hot);

/// `ltv-syslog-interval` of `dhcp-service`.
pub(super) const LTV_SYSLOG_INTERVAL: Statement = Statement::container(
    "ltv-syslog-interval",
    &[Statement::leaf(
        "syslog-interval",
        Type::Seconds(600, 86_400),
        "3600",
        "Pause between two log lines about leases that are too short.",
    )
    .default("600")
    .apply(Apply::Hot)],
    "How often the log tells of violations of lease-time-validation.",
)
.apply(Apply::Hot);
