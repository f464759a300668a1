//! From the checked tree to the model.

use super::read::{At, Spanned};
use super::{
    AllowLeasequery, Driver, Group, InstanceType, Interface, Model, Overrides, Policies, Reconfigure, RoutingInstance,
    Server, authentication, choosing, login, neighbour, overrides, plugins, pools, radius, rules, shipped, trace, vlan,
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
        let access = top.child("access");
        let routes = top.child("routing-options").and_then(|at| at.child("access-internal"));
        let mut model = Self {
            login: system.and_then(login::login).unwrap_or_default(),
            traces: system.and_then(trace::of_daemon).unwrap_or_default(),
            default_instance: instance(top),
            routing_instances: top.all("routing-instances").filter_map(routing_instance).collect(),
            auto_configure: top.all("interfaces").filter_map(vlan::auto_configure).collect(),
            ltv_log_secs: rules::ltv_log_secs(system),
            plugins: top
                .child("plugins")
                .map(|at| at.all("plugin").filter_map(plugins::plugin).collect())
                .unwrap_or_default(),
            plugin_names: top
                .child("plugins")
                .map(|at| at.all("plugin").filter_map(name).collect())
                .unwrap_or_default(),
            policy: policies(top),
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

/// What `at`, the top or a routing instance, says of its local server and its pools.
fn instance(at: At<'_>) -> RoutingInstance {
    let services = at.child("system").and_then(|at| at.child("services"));
    let access = at.child("access");
    let assignment = access.and_then(|at| at.child("address-assignment"));
    let percent = |name| assignment.and_then(|at| at.leaf(name)).and_then(|leaf| leaf.map(Typed::integer));
    RoutingInstance {
        name: None,
        server: services.and_then(|at| at.child("dhcp-local-server")).map(server).unwrap_or_default(),
        pools: assignment.map(|at| at.all("pool").filter_map(pools::pool).collect()).unwrap_or_default(),
        protocol_attributes: access
            .map(|at| at.all("protocol-attributes").filter_map(overrides::protocol_attributes).collect())
            .unwrap_or_default(),
        high_utilization: percent("high-utilization"),
        abated_utilization: percent("abated-utilization"),
        linked_pool_aggregation: access.is_some_and(|at| at.has("linked-pool-aggregation")),
        pool_names: assignment.map(|at| at.all("pool").filter_map(name).collect()).unwrap_or_default(),
        ..RoutingInstance::default()
    }
}

/// `routing-instances NAME`.
fn routing_instance(at: At<'_>) -> Option<RoutingInstance> {
    let of_type = at.leaf("instance-type").and_then(|leaf| leaf.value.word());
    let profile = access_profile(at);
    let mut instance = RoutingInstance {
        name: Some(name(at)?),
        access_profile: profile.clone(),
        instance_type: if of_type == Some("vrf") { InstanceType::Vrf } else { InstanceType::VirtualRouter },
        interfaces: at.all("interface").filter_map(name).collect(),
        vrf_device: at.leaf("vrf-device").and_then(|leaf| leaf.map(Typed::text)),
        routing_table: at.leaf("routing-table").and_then(|leaf| leaf.map(Typed::integer)),
        ..instance(at)
    };
    let server = &mut instance.server;
    server.access_profile = server.access_profile.take().or(profile);
    Some(instance)
}

/// `dhcp-local-server`.
fn server(at: At<'_>) -> Server {
    Server {
        choosing: choosing::choosing(at),
        overrides: overrides(at),
        reconfigure: reconfigure(at),
        allow_leasequery: at
            .child("allow-leasequery")
            .map(|at| AllowLeasequery { restricted_requestor: at.has("restricted-requestor") }),
        authentication: authentication::authentication(at),
        access_profile: access_profile(at),
        liveness: neighbour::liveness(at),
        no_rogue_server_detection: at.has("no-rogue-server-detection"),
        route_suppression: overrides::route_suppression(at),
        rules: rules::rules(at),
        overload: rules::overload(at),
        traces: trace::traces(at),
        groups: at.all("group").filter_map(group).collect(),
    }
}

fn group(at: At<'_>) -> Option<Group> {
    Some(Group {
        name: name(at)?,
        overrides: overrides(at),
        policy: policies(at),
        reconfigure: reconfigure(at),
        authentication: authentication::authentication(at),
        access_profile: access_profile(at),
        liveness: neighbour::liveness(at),
        route_suppression: overrides::route_suppression(at),
        rules: rules::rules(at),
        interfaces: at.all("interface").filter_map(interface).collect(),
    })
}

/// `access-profile` in `at`.
fn access_profile(at: At<'_>) -> Option<Spanned<String>> {
    at.leaf("access-profile")?.map(Typed::text)
}

fn interface(at: At<'_>) -> Option<Interface> {
    Some(Interface {
        trace: at.has("trace"),
        pattern: name(at)?,
        upto: at.leaf("upto").and_then(|leaf| leaf.map(Typed::text)),
        exclude: overrides::exclude(at),
        beside_exclude: overrides::beside_exclude(at),
        overrides: overrides(at),
        policy: policies(at),
        rules: rules::of_interface(at),
    })
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
        address_probe: neighbour::address_probe(at),
        no_arp: at.has("no-arp"),
        no_arp_at: at.child("no-arp").map(At::span),
        process_inform: at
            .child("process-inform")
            .map(|inform| inform.leaf("pool").and_then(|pool| pool.map(Typed::text))),
        allow_no_end_option: at.has("allow-no-end-option"),
        delete_binding_on_renegotiation: at.has("delete-binding-on-renegotiation"),
        nak_unknown_renew: at.has("nak-unknown-renew"),
        nak_unknown_rebind: at.has("nak-unknown-rebind"),
        answering: overrides::answering(at),
        option_82_in_nak: at.child("include-option-82").is_some_and(|include| include.has("nak")),
        client_discover_match: choosing::discover_match(at),
        subnet_selection: choosing::subnet_selection(at),
    })
}
