//! `routing-options access-internal`: the host routes of subscribers in the kernel.

use super::later::{any, leaf, named};
use super::{Apply, Kind, Statement, Type};

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
                Statement::container(
                    "driver",
                    &[
                        Statement::leaf(
                            "path",
                            Type::Path,
                            "\"vendor-plane.so\"",
                            "The driver's shared library; a relative path starts at the folder of the configuration \
                             file. It is native code: root's alone to write. A new version needs another file name.",
                        )
                        .apply(Apply::AffectsSessions)
                        .mandatory(),
                        Statement::flag(
                            "alone",
                            "The driver takes the place of the kernel's table. Without it each route stands in both or \
                             in neither, and the router itself can reach its subscribers.",
                        )
                        .apply(Apply::AffectsSessions),
                        Statement::new("settings", Kind::Free, "Keys and values for the driver.")
                            .example("{ link \"asic0\" }")
                            .apply(Apply::AffectsSessions),
                    ],
                    "A vendor's forwarding plane (plugins/native/README.md).",
                )
                .apply(Apply::AffectsSessions),
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
