//! `policy`: which plugins run at which stage; at the top level, in a group or at an interface.

use super::later::list;
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
        list("admit", Type::Name(64)),
        list("authorize", Type::Name(64)),
        list("select-address", Type::Name(64)),
        list("disconnect", Type::Name(64)),
        list("reconfigure-exhausted", Type::Name(64)),
        list("leasequery", Type::Name(64)),
        list("route", Type::Name(64)),
        list("session-events", Type::Name(64)),
    ],
    "Plugins by stage. For each stage the most specific level that names plugins wins: interface, group, top level.",
)
.apply(Apply::Hot);
