//! `access profile` and `access radius-*`.

use super::later::{self, any, container, flag, leaf, list, named, word};
use super::{Apply, Statement, Type};

const ORDER: Type = Type::Word(&[word("radius"), word("password"), word("none"), word("nasreq"), word("jsrc")]);

const ADDRESSES: Type = Type::Address;

pub(super) const PROFILE: Statement = named(
    "profile",
    Type::Name(63),
    &[
        list("authentication-order", ORDER),
        list("accounting-order", ORDER),
        list("preauthentication-order", ORDER),
        leaf("authorization-order", ORDER),
        leaf("provisioning-order", Type::Word(&[word("jsrc"), word("gx-plus"), word("pcrf")])),
        container(
            "radius",
            &[
                list("authentication-server", ADDRESSES),
                list("accounting-server", ADDRESSES),
                list("preauthentication-server", ADDRESSES),
                any("options"),
                any("attributes"),
            ],
        ),
        named("radius-server", Type::Address, SERVER),
        container(
            "session-options",
            &[
                leaf("client-idle-timeout", later::MINUTES_OF_A_WEEK),
                leaf("client-session-timeout", Type::Integer(1, 527_040)),
                flag("client-idle-timeout-ingress-only"),
                any("strip-user-name"),
            ],
        ),
        container(
            "accounting",
            &[
                list("order", ORDER),
                flag("accounting-stop-on-failure"),
                flag("accounting-stop-on-access-deny"),
                flag("immediate-update"),
                flag("coa-immediate-update"),
                flag("address-change-immediate-update"),
                leaf("update-interval", later::MINUTES_OF_A_WEEK),
                leaf("statistics", Type::Word(&[word("volume-time"), word("time")])),
                flag("wait-for-acct-on-ack"),
                flag("duplication"),
            ],
        ),
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
);

const PORT: Type = Type::Integer(1, 65_535);

const SERVER: &[Statement] = &[
    leaf("port", PORT),
    leaf("accounting-port", PORT),
    leaf("preauthentication-port", PORT),
    leaf("dynamic-request-port", PORT),
    leaf("secret", Type::Secret(1, 128)),
    leaf("preauthentication-secret", Type::Secret(1, 128)),
    leaf("timeout", Type::Seconds(1, 1000)),
    leaf("retry", Type::Integer(1, 100)),
    leaf("accounting-timeout", Type::Seconds(0, 1000)),
    leaf("accounting-retry", Type::Integer(0, 100)),
    leaf("max-outstanding-requests", Type::Integer(0, 2000)),
    leaf("source-address", Type::Address),
    leaf("routing-instance", Type::Name(128)),
    flag("no-message-authenticator"),
    leaf("radsec-destination", Type::Integer(1, 65_535)),
];

pub(super) const RADIUS_SERVER: Statement = named("radius-server", Type::Address, SERVER);

pub(super) const RADIUS_OPTIONS: Statement = container(
    "radius-options",
    &[
        leaf("revert-interval", Type::Seconds(0, 604_800)),
        leaf("timeout-grace", Type::Seconds(0, 30)),
        leaf("request-rate", Type::Integer(100, 4000)),
        leaf("interim-rate", Type::Integer(50, 4000)),
        leaf("interim-update-tolerance", Type::Integer(1, 600)),
        container(
            "unique-nas-port",
            &[leaf("chassis-id", Type::Integer(0, 127)), leaf("chassis-id-width", Type::Integer(1, 7))],
        ),
    ],
);

pub(super) const RADIUS_DISCONNECT: Statement = Statement::named(
    "radius-disconnect",
    Type::Address,
    &[Statement::leaf("secret", Type::Secret(1, 128), "\"s3cret\"", "Secret that this client shares with us.")
        .apply(Apply::Hot)
        .mandatory()],
    "A client that may send Disconnect-Requests (RFC 5176). Without any the port is not open.",
)
.apply(Apply::Hot);

pub(super) const RADIUS_DISCONNECT_PORT: Statement =
    Statement::leaf("radius-disconnect-port", PORT, "3799", "UDP port on which Disconnect-Requests are taken.")
        .default("3799")
        .apply(Apply::Hot);
