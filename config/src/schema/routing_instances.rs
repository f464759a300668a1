//! `routing-instances`: a local server, pools and routes of their own for some interfaces.

use super::later::any;
use super::{Apply, Statement, Type, Word, access, authentication, dhcp_local_server, dhcp_relay, later};

/// The section.
pub(super) const ROUTING_INSTANCES: Statement = Statement::named(
    "routing-instances",
    Type::Name(128),
    INSTANCE,
    "A routing instance: its local server, pools, sessions and routes are its own, and so are the names of its groups \
     and pools. The same address in two instances is two bindings.",
)
.apply(Apply::AffectsSessions);

const INSTANCE: &[Statement] = &[
    Statement::container(
        "system",
        &[Statement::container(
            "services",
            &[dhcp_local_server::DHCP_LOCAL_SERVER],
            "What the router offers to its neighbours in the instance.",
        )],
        "The router as it is in the instance.",
    ),
    access::INSTANCE_ACCESS,
    dhcp_relay::FORWARDING_OPTIONS.later(),
    any("routing-options"),
    Statement::leaf(
        "instance-type",
        Type::Word(&[Word { name: "vrf", built: true }, Word { name: "virtual-router", built: true }]),
        "virtual-router",
        "What the instance is to routing protocols; the DHCP server does the same in both.",
    )
    .apply(Apply::Hot),
    Statement::named(
        "interface",
        Type::Interface,
        &[],
        "An interface of the instance, or with a trailing * all interfaces whose names begin so. Interfaces of the \
         instance's VRF device are its own without it; with `routing-table` it is what makes one.",
    )
    .apply(Apply::AffectsSessions),
    authentication::ACCESS_PROFILE,
    Statement::leaf(
        "vrf-device",
        Type::Interface,
        "vrf-red",
        "The VRF device of the kernel that the instance is. Without it and without `routing-table` it is the one of \
         the instance's name.",
    )
    .apply(Apply::AffectsSessions),
    Statement::leaf(
        "routing-table",
        Type::Integer(1, 4_294_967_295),
        "100",
        "The kernel's routing table for subscribers of an instance without a VRF device; rules that lead to it are the \
         operator's.",
    )
    .apply(Apply::AffectsSessions),
    later::any("route-distinguisher"),
    later::any("vrf-target"),
    later::any("vrf-import"),
    later::any("vrf-export"),
];
