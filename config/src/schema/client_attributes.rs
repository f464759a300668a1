//! Statements of `dhcp-attributes` that make options with a form of their own.

use super::{Apply, Statement, Type};

/// `ipv6-only-preferred`; no statement of Junos.
pub(super) const IPV6_ONLY_PREFERRED: Statement = Statement::leaf(
    "ipv6-only-preferred",
    Type::Seconds(0, u32::MAX),
    "1800",
    "Option 108, to clients that ask for it: a client that can go without IPv4 does so for this time, at least 300 seconds; \
     with 0 it takes its own. Such a client is offered no address.",
)
.source("RFC 8925 §3.3");

/// `captive-portal`; no statement of Junos.
pub(super) const CAPTIVE_PORTAL: Statement = Statement::leaf(
    "captive-portal",
    Type::Text(1, 1024),
    "\"https://portal.isp.example/api\"",
    "Option 114: where the client finds the API of the captive portal.",
)
.source("RFC 8910 §2.1");

/// `static-route`; no statement of Junos.
pub(super) const STATIC_ROUTE: Statement = Statement::named(
    "static-route",
    Type::Prefix4,
    &[Statement::leaf(
        "next-hop",
        Type::Address4,
        "\"10.0.0.1\"",
        "The gateway; 0.0.0.0 where the network is on the client's link.",
    )
    .mandatory()],
    "Option 121: a route of the client. A client that asks for the option takes its default route from it alone, so one by \
     the first `router` is added where none is written here, and it is sent neither option 3 nor 33.",
)
.source("RFC 3442 §1")
.apply(Apply::NewSessionsOnly);
