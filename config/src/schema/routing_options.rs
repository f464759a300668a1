//! `routing-options access-internal`: the host routes of subscribers in the kernel.

use super::later::{any, leaf, named};
use super::{Apply, Statement, Type};

/// The section.
pub(super) const ROUTING_OPTIONS: Statement = Statement::container(
    "routing-options",
    &[
        Statement::container(
            "access-internal",
            &[
                Statement::leaf(
                    "protocol",
                    Type::Integer(5, 255),
                    "201",
                    "Protocol number that marks our routes in the kernel; routes with another number are never \
                     touched. No two daemons in one network namespace may share it, nor share one with a routing \
                     daemon.",
                )
                .default("201")
                .apply(Apply::AffectsSessions),
                Statement::leaf(
                    "reconcile-interval",
                    Type::Seconds(1, 86_400),
                    "30",
                    "How often the kernel's routes are compared with the sessions and put right.",
                )
                .default("30")
                .apply(Apply::Hot),
                named("route", Type::Prefix4, &[leaf("next-hop", Type::Address4), any("qualified-next-hop")]),
            ],
            "The host routes of subscribers.",
        )
        .apply(Apply::Hot),
        any("access"),
    ],
    "Routes that the daemon keeps in the kernel.",
)
.apply(Apply::Hot);
