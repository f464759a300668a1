//! `access profile` and `access radius-*`.

use super::later::{self, any, container, flag, leaf, list, named, word};
use super::{Apply, Statement, Type, Word};

const ORDER: Type = Type::Word(&[word("radius"), word("password"), word("none"), word("nasreq"), word("jsrc")]);

const AUTHENTICATION_ORDER: Type = Type::Word(&[
    Word { name: "radius", built: true },
    Word { name: "none", built: true },
    word("password"),
    word("nasreq"),
    word("jsrc"),
]);

const ACCOUNTING_ORDER: Type = Type::Word(&[Word { name: "radius", built: true }]);

const ADDRESSES: Type = Type::Address;

pub(super) const PROFILE: Statement = Statement::named(
    "profile",
    Type::Name(63),
    &[
        Statement::list(
            "authentication-order",
            AUTHENTICATION_ORDER,
            "radius",
            "How a newcomer is judged: by RADIUS, or not at all (none). The next method counts where the one before it \
             has no answer.",
        )
        .default("radius"),
        Statement::container(
            "radius",
            &[
                Statement::list(
                    "authentication-server",
                    ADDRESSES,
                    "\"192.0.2.1\" \"192.0.2.2\"",
                    "Servers that are asked about newcomers, in this order.",
                ),
                Statement::list(
                    "accounting-server",
                    ADDRESSES,
                    "\"192.0.2.1\"",
                    "Servers that are told of sessions, in this order. Without any there is no accounting.",
                ),
                list("preauthentication-server", ADDRESSES),
                any("options"),
                any("attributes"),
            ],
            "The servers of this profile; `access radius-server` says how they are reached.",
        ),
        Statement::container(
            "session-options",
            &[
                Statement::leaf(
                    "client-session-timeout",
                    Type::Integer(1, 527_040),
                    "1440",
                    "Minutes after which a session ends, where the Access-Accept has no Session-Timeout.",
                ),
                leaf("client-idle-timeout", later::MINUTES_OF_A_WEEK),
                flag("client-idle-timeout-ingress-only"),
                any("strip-user-name"),
            ],
            "When sessions end by themselves.",
        ),
        ACCOUNTING,
        list("accounting-order", ORDER),
        list("preauthentication-order", ORDER),
        leaf("authorization-order", ORDER),
        leaf("provisioning-order", Type::Word(&[word("jsrc"), word("gx-plus"), word("pcrf")])),
        named("radius-server", Type::Address, SERVER),
        list("domain-name-server", Type::Address),
        list("domain-name-server-inet", Type::Address4),
        list("domain-name-server-inet6", Type::Address6),
        list("wins-server", Type::Address4),
        leaf("session-limit-per-username", Type::Integer(1, 16)),
        container("address-assignment", &[leaf("pool", Type::Name(63)), leaf("inet6-pool", Type::Name(63))]),
        named(
            "subscriber",
            Type::Name(64),
            &[
                leaf("password", Type::Secret(1, 64)),
                leaf("framed-ip-address", Type::Address4),
                leaf("framed-pool", Type::Name(63)),
                leaf("framed-ipv6-pool", Type::Name(63)),
                leaf("delegated-pool", Type::Name(63)),
                leaf("target-routing-instance", Type::Name(128)),
                leaf("target-logical-system", Type::Name(63)),
            ],
        ),
    ],
    "How clients are authenticated and accounted; `access-profile` of a group or server names it.",
);

const ACCOUNTING: Statement = Statement::container(
    "accounting",
    &[
        Statement::list("order", ACCOUNTING_ORDER, "radius", "Who is told of sessions.").default("radius"),
        Statement::leaf(
            "update-interval",
            later::MINUTES_OF_A_WEEK,
            "30",
            "Minutes between Interim-Updates; without it there are none. An Acct-Interim-Interval of the \
             Access-Accept wins.",
        )
        .source("RFC 2869 §2.1"),
        Statement::leaf(
            "statistics",
            Type::Word(&[Word { name: "time", built: true }, Word { name: "volume-time", built: true }]),
            "volume-time",
            "What is counted: time alone, or bytes and packets too.",
        )
        .default("time"),
        Statement::flag("immediate-update", "An Interim-Update follows the Start at once."),
        Statement::flag("coa-immediate-update", "A CoA-Request that was obeyed makes an Interim-Update.")
            .source("RFC 5176 §2.2")
            .apply(Apply::Hot),
        Statement::flag("address-change-immediate-update", "Another address makes an Interim-Update.")
            .apply(Apply::Hot),
        Statement::flag(
            "accounting-stop-on-failure",
            "A Stop also for a client that RADIUS accepted and that then could not be served.",
        )
        .apply(Apply::Hot),
        Statement::flag("accounting-stop-on-access-deny", "A Stop also for a client that RADIUS rejected.")
            .apply(Apply::Hot),
        flag("wait-for-acct-on-ack"),
        flag("duplication"),
    ],
    "Which accounting records are made beside Start and Stop. It needs `radius accounting-server`.",
);

const PORT: Type = Type::Integer(1, 65_535);

const SERVER: &[Statement] = &[
    Statement::leaf("secret", Type::Secret(1, 128), "\"s3cret\"", "Secret that the server shares with us.")
        .source("RFC 2865 §3")
        .apply(Apply::Hot)
        .mandatory(),
    Statement::leaf("port", PORT, "1812", "UDP port for Access-Requests.").default("1812").apply(Apply::Hot),
    Statement::leaf("accounting-port", PORT, "1813", "UDP port for Accounting-Requests.")
        .default("1813")
        .apply(Apply::Hot),
    Statement::leaf(
        "timeout",
        Type::Seconds(1, 1000),
        "3",
        "How long an answer is waited for before the next attempt.",
    )
    .default("3")
    .apply(Apply::Hot),
    Statement::leaf(
        "retry",
        Type::Integer(1, 100),
        "3",
        "How often a request is sent to this server, the first time included; then the next server is asked.",
    )
    .default("3")
    .apply(Apply::Hot),
    Statement::leaf(
        "accounting-timeout",
        Type::Seconds(0, 1000),
        "5",
        "As `timeout`, for Accounting-Requests; 0: the same.",
    )
    .default("0")
    .apply(Apply::Hot),
    Statement::leaf(
        "accounting-retry",
        Type::Integer(0, 100),
        "10",
        "As `retry`, for Accounting-Requests; 0: the same.",
    )
    .default("0")
    .apply(Apply::Hot),
    Statement::leaf(
        "max-outstanding-requests",
        Type::Integer(0, 2000),
        "1000",
        "Requests that may wait for an answer of this server at once, authentication and accounting counted apart; 0 \
         takes the server out of use.",
    )
    .default("1000")
    .apply(Apply::Hot),
    Statement::leaf(
        "source-address",
        Type::Address,
        "\"192.0.2.254\"",
        "Address that requests come from; without it the kernel chooses.",
    )
    .apply(Apply::Hot),
    Statement::flag(
        "no-message-authenticator",
        "Takes answers to Access-Requests without a Message-Authenticator too, which can be forged.",
    )
    .source("RFC 3579 §3.2")
    .apply(Apply::Hot),
    Statement::leaf(
        "dynamic-request-port",
        PORT,
        "3799",
        "The server may send Disconnect- and CoA-Requests to this UDP port of ours; without it, it may not.",
    )
    .source("RFC 5176 §2.3")
    .apply(Apply::Hot),
    leaf("preauthentication-port", PORT),
    leaf("preauthentication-secret", Type::Secret(1, 128)),
    leaf("routing-instance", Type::Name(128)),
    leaf("radsec-destination", Type::Integer(1, 65_535)),
];

pub(super) const RADIUS_SERVER: Statement = Statement::named(
    "radius-server",
    Type::Address,
    SERVER,
    "A RADIUS server, and how it is reached; profiles name it by its address.",
)
.apply(Apply::Hot);

pub(super) const RADIUS_OPTIONS: Statement = Statement::container(
    "radius-options",
    &[
        Statement::leaf(
            "revert-interval",
            Type::Seconds(0, 604_800),
            "60",
            "How long a dead server is left alone; 0: no server is ever dead.",
        )
        .default("60")
        .apply(Apply::Hot),
        Statement::leaf(
            "timeout-grace",
            Type::Seconds(0, 30),
            "10",
            "A server that let a request time out is dead when it lets another one time out this much later and has \
             not answered in between; 0: the first one is enough.",
        )
        .default("10")
        .apply(Apply::Hot),
        Statement::leaf(
            "request-rate",
            Type::Integer(100, 4000),
            "500",
            "Most packets a second to all servers together.",
        )
        .default("500")
        .apply(Apply::Hot),
        Statement::leaf("interim-rate", Type::Integer(50, 4000), "500", "Most Interim-Updates a second among them.")
            .default("500")
            .apply(Apply::Hot),
        Statement::leaf(
            "interim-update-tolerance",
            Type::Seconds(1, 600),
            "60",
            "How far an Interim-Update may be moved from its time, so that they spread.",
        )
        .default("60")
        .apply(Apply::Hot),
        container(
            "unique-nas-port",
            &[leaf("chassis-id", Type::Integer(0, 127)), leaf("chassis-id-width", Type::Integer(1, 7))],
        ),
    ],
    "What holds for all RADIUS servers.",
)
.apply(Apply::Hot);

pub(super) const RADIUS_DISCONNECT: Statement = Statement::named(
    "radius-disconnect",
    Type::Address,
    &[Statement::leaf("secret", Type::Secret(1, 128), "\"s3cret\"", "Secret that this client shares with us.")
        .apply(Apply::Hot)
        .mandatory()],
    "A client that may send Disconnect- and CoA-Requests (RFC 5176). Without any, and without a server that has \
     `dynamic-request-port`, no port is open.",
)
.apply(Apply::Hot);

pub(super) const RADIUS_DISCONNECT_PORT: Statement = Statement::leaf(
    "radius-disconnect-port",
    PORT,
    "3799",
    "UDP port on which the requests of `radius-disconnect` clients are taken.",
)
.default("3799")
.apply(Apply::Hot);
