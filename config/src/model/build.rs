//! From the checked tree to the model.

use super::read::{At, Spanned};
use super::{Group, Interface, Model, Overrides, plugins, pools};
use crate::tree::Tree;
use crate::value::Typed;

impl Model {
    /// Reads what `tree` says; what is at fault reads as absent.
    pub fn of(tree: &Tree) -> Self {
        let top = At::top(tree);
        let server =
            top.child("system").and_then(|at| at.child("services")).and_then(|at| at.child("dhcp-local-server"));
        let assignment = top.child("access").and_then(|at| at.child("address-assignment"));
        let routes = top.child("routing-options").and_then(|at| at.child("access-internal"));
        Self {
            overrides: server.and_then(overrides),
            groups: server.map(|at| at.all("group").filter_map(group).collect()).unwrap_or_default(),
            pools: assignment.map(|at| at.all("pool").filter_map(pools::pool).collect()).unwrap_or_default(),
            plugins: top
                .child("plugins")
                .map(|at| at.all("plugin").filter_map(plugins::plugin).collect())
                .unwrap_or_default(),
            plugin_names: top
                .child("plugins")
                .map(|at| at.all("plugin").filter_map(name).collect())
                .unwrap_or_default(),
            pool_names: assignment.map(|at| at.all("pool").filter_map(name).collect()).unwrap_or_default(),
            shape_reply: shape_reply(top),
            route_protocol: routes.and_then(|at| at.leaf("protocol")).and_then(|leaf| leaf.value.integer()),
            reconcile_interval_secs: routes
                .and_then(|at| at.leaf("reconcile-interval"))
                .and_then(|leaf| leaf.value.seconds()),
        }
    }
}

/// The name that a statement was given, as text.
pub(super) fn name(at: At<'_>) -> Option<Spanned<String>> {
    at.key()?.map(Typed::text)
}

fn group(at: At<'_>) -> Option<Group> {
    Some(Group {
        name: name(at)?,
        overrides: overrides(at),
        shape_reply: shape_reply(at),
        interfaces: at.all("interface").filter_map(interface).collect(),
    })
}

fn interface(at: At<'_>) -> Option<Interface> {
    Some(Interface { pattern: name(at)?, overrides: overrides(at), shape_reply: shape_reply(at) })
}

/// `policy shape-reply` in `at`.
fn shape_reply(at: At<'_>) -> Option<Vec<Spanned<String>>> {
    let names = at.child("policy")?.child("shape-reply")?.values();
    Some(names.into_iter().filter_map(|name| name.map(Typed::text)).collect())
}

/// `overrides` in `at`.
fn overrides(at: At<'_>) -> Option<Overrides> {
    let at = at.child("overrides")?;
    Some(Overrides {
        interface_client_limit: at.leaf("interface-client-limit").and_then(|limit| limit.value.integer()),
        no_arp: at.has("no-arp"),
        process_inform: at
            .child("process-inform")
            .map(|inform| inform.leaf("pool").and_then(|pool| pool.map(Typed::text))),
        allow_no_end_option: at.has("allow-no-end-option"),
        delete_binding_on_renegotiation: at.has("delete-binding-on-renegotiation"),
        nak_unknown_renew: at.has("nak-unknown-renew"),
        nak_unknown_rebind: at.has("nak-unknown-rebind"),
        option_82_in_nak: at.child("include-option-82").is_some_and(|include| include.has("nak")),
    })
}
