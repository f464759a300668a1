//! From the checked tree to the model.

use super::read::{At, Spanned};
use super::{
    AllowLeasequery, Driver, Group, Interface, Model, Overrides, Policies, Reconfigure, authentication, login, plugins,
    pools, radius, shipped,
};
use crate::sources::Secrets;
use crate::tree::Tree;
use crate::value::Typed;
use bindery_engine::policy::Stage;

impl Model {
    /// Reads what `tree` says; what is at fault reads as absent.
    pub(crate) fn read(tree: &Tree, secrets: &Secrets) -> Self {
        let top = At::top(tree, secrets);
        let system = top.child("system");
        let server = system.and_then(|at| at.child("services")).and_then(|at| at.child("dhcp-local-server"));
        let access = top.child("access");
        let assignment = access.and_then(|at| at.child("address-assignment"));
        let routes = top.child("routing-options").and_then(|at| at.child("access-internal"));
        let mut model = Self {
            login: system.and_then(login::login).unwrap_or_default(),
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
            policy: policies(top),
            reconfigure: server.and_then(reconfigure),
            allow_leasequery: server
                .and_then(|at| at.child("allow-leasequery"))
                .map(|at| AllowLeasequery { restricted_requestor: at.has("restricted-requestor") }),
            authentication: server.and_then(authentication::authentication),
            access_profile: server.and_then(access_profile),
            radius_servers: access
                .map(|at| at.all("radius-server").filter_map(radius::server).collect())
                .unwrap_or_default(),
            radius_server_addresses: access
                .map(|at| at.all("radius-server").filter_map(radius::address_key).collect())
                .unwrap_or_default(),
            radius_options: access
                .and_then(|at| at.child("radius-options"))
                .and_then(radius::options)
                .unwrap_or_default(),
            access_profiles: access
                .map(|at| at.all("profile").filter_map(radius::profile).collect())
                .unwrap_or_default(),
            radius_disconnect: access
                .map(|at| at.all("radius-disconnect").filter_map(radius::disconnect_client).collect())
                .unwrap_or_default(),
            radius_disconnect_port: access
                .and_then(|at| at.leaf("radius-disconnect-port"))
                .and_then(|leaf| leaf.value.integer()),
            route_protocol: routes.and_then(|at| at.leaf("protocol")).and_then(|leaf| leaf.value.integer()),
            driver: routes.and_then(|at| at.child("driver")).and_then(driver),
            reconcile_interval_secs: routes
                .and_then(|at| at.leaf("reconcile-interval"))
                .and_then(|leaf| leaf.value.seconds()),
        };
        shipped::bind(&mut model);
        model
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
        policy: policies(at),
        reconfigure: reconfigure(at),
        authentication: authentication::authentication(at),
        access_profile: access_profile(at),
        interfaces: at.all("interface").filter_map(interface).collect(),
    })
}

/// `access-profile` in `at`.
fn access_profile(at: At<'_>) -> Option<Spanned<String>> {
    at.leaf("access-profile")?.map(Typed::text)
}

fn interface(at: At<'_>) -> Option<Interface> {
    Some(Interface { pattern: name(at)?, overrides: overrides(at), policy: policies(at) })
}

/// `policy` in `at`.
fn policies(at: At<'_>) -> Policies {
    let Some(policy) = at.child("policy") else { return Policies::new() };
    let chain = |stage: Stage| {
        let names = policy.child(stage.name())?.values();
        Some((stage, names.into_iter().filter_map(|name| name.map(Typed::text)).collect()))
    };
    Stage::ALL.into_iter().filter(|stage| policy.knows(stage.name())).filter_map(chain).collect()
}

/// `reconfigure` in `at`.
fn reconfigure(at: At<'_>) -> Option<Reconfigure> {
    let at = at.child("reconfigure")?;
    Some(Reconfigure {
        attempts: at.leaf("attempts").and_then(|leaf| leaf.value.integer()),
        timeout_secs: at.leaf("timeout").and_then(|leaf| leaf.value.seconds()).and_then(|secs| u8::try_from(secs).ok()),
        token: at.secret("token"),
        clear_on_abort: at.has("clear-on-abort"),
        defer_nack_on_abort: at.has("defer-nack-on-abort"),
        span: at.span(),
        on_radius_disconnect: at.child("trigger").is_some_and(|trigger| trigger.has("radius-disconnect")),
    })
}

fn driver(at: At<'_>) -> Option<Driver> {
    let mut settings = Vec::new();
    for setting in plugins::flatten(&plugins::settings_in(at)) {
        settings.extend(setting.arguments.iter().map(|value| (setting.name.clone(), value.clone())));
    }
    Some(Driver { path: at.leaf("path")?.value.text()?, alone: at.has("alone"), settings })
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
