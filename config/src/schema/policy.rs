//! `policy`: which plugins run at which stage; at the top level, in a group or at an interface.

use super::{Apply, Statement, Type};

/// The section. The most specific level that names plugins for a stage wins; the order of names is chain order.
pub(super) const POLICY: Statement = Statement::container(
    "policy",
    &[
        Statement::list(
            "shape-reply",
            Type::Name(64),
            "option-insert",
            "Plugins that change the options of a reply before it is sent, in this order.",
        )
        .apply(Apply::Hot),
        Statement::list(
            "admit",
            Type::Name(64),
            "my-policy",
            "Plugins that see each request first, and may drop it or choose group or pool.",
        )
        .apply(Apply::Hot),
        Statement::list(
            "authorize",
            Type::Name(64),
            "my-policy",
            "Plugins that see a newcomer before RADIUS is asked and after it has answered, and may drop it, or choose user \
             name, attributes, group, pool, address or lease time.",
        )
        .apply(Apply::Hot),
        Statement::list(
            "select-address",
            Type::Name(64),
            "my-policy",
            "Plugins that choose pool or address of a newcomer.",
        )
        .apply(Apply::Hot),
        Statement::list(
            "disconnect",
            Type::Name(64),
            "my-policy",
            "Plugins that say what a RADIUS Disconnect-Request does; the first that does not pass decides.",
        )
        .apply(Apply::Hot),
        Statement::list(
            "reconfigure-exhausted",
            Type::Name(64),
            "my-policy",
            "Plugins that say what becomes of a client that answered no FORCERENEW; the first that does not pass decides.",
        )
        .apply(Apply::Hot),
        Statement::list(
            "leasequery",
            Type::Name(64),
            "my-policy",
            "Plugins that say which requestor may be told of a binding; one that refuses is enough.",
        )
        .apply(Apply::Hot),
        Statement::list(
            "route",
            Type::Name(64),
            "my-policy",
            "Plugins that say what the routes of a new binding are; a later one overrides an earlier one.",
        )
        .apply(Apply::Hot),
        Statement::list(
            "session-events",
            Type::Name(64),
            "my-policy",
            "Plugins that are told what happens to sessions; they delay nobody.",
        )
        .apply(Apply::Hot),
    ],
    "Plugins by stage. For each stage the most specific level that names plugins wins: interface, group, top level.",
)
.apply(Apply::Hot);
