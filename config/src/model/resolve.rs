//! Defaults and inheritance: from what was written to what the engine runs on.

use super::{
    AccessProfile, Attributes, Group, Host, KernelInstance, KernelTable, Model, Overrides, Policies, Pool, Range,
    Reconfigure, RoutingInstance, Server, Spanned, client_value,
};
use crate::schema::{ROOT, Statement};
use crate::value::Typed;
use bindery_engine::config::{self, Chains, Config, PluginId};
use bindery_engine::pool::{OptionMatch, RangeId};
use bindery_types::{GroupId, InstanceId, PoolId};
use bindery_wire::v4::OptionCode;
use std::{
    collections::{HashMap, HashSet},
    num::NonZeroU32,
    sync::Arc,
};

/// A vendor's forwarding plane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Driver {
    /// `path` as written; a relative one starts at the folder of the configuration file.
    pub path: String,
    /// `alone`: in place of the kernel's table, not beside it.
    pub alone: bool,
    /// Keys and values of `settings`, in order; a key may come again.
    pub settings: Vec<(String, String)>,
}

/// What concerns the daemon itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct System {
    /// Protocol number of our routes in the kernel (`rtm_protocol`), 5 to 255.
    pub route_protocol: u8,
    /// How often routes are reconciled, seconds, 1 to 86400.
    pub reconcile_interval_secs: u32,
    /// `driver`.
    pub driver: Option<Driver>,
    /// `routing-instances`, in order; the first is number 1 of the engine's configuration.
    pub instances: Vec<KernelInstance>,
}

impl Model {
    /// The engine's configuration. A reference to something that does not exist is left out:
    /// [`load`](crate::load) refuses it. Instances are numbered in order, the default one first.
    pub fn resolve(&self) -> Config {
        let plugins = numbered(self.plugins.iter().map(|plugin| plugin.name.as_str()), 0, PluginId);
        let names_hosts = self.numbered_instances().filter(|(_, instance)| {
            instance.pools.iter().flat_map(|pool| &pool.hosts).any(|host| host.user_name.is_some())
        });
        let names_hosts = names_hosts.map(|(id, _)| id).collect();
        let resolver = Resolver { model: self, names_hosts, plugins };
        let ltv_log_secs = Some(self.ltv_log_secs.unwrap_or(bindery_engine::LTV_LOG_SECS));
        let mut config = Config { ltv_log_secs, ..Config::default() };
        for (id, instance) in self.numbered_instances() {
            resolver.add(&mut config, id, instance);
        }
        config
    }

    /// The daemon's own settings.
    pub fn system(&self) -> System {
        let default = |name| {
            let path = ["routing-options", "access-internal", name];
            super::read::default_of(path.into_iter().try_fold(&ROOT, |at: &Statement, name| at.child(name))?)
        };
        System {
            route_protocol: self.route_protocol.or_else(|| default("protocol")?.integer()).unwrap_or_default(),
            reconcile_interval_secs: self
                .reconcile_interval_secs
                .or_else(|| default("reconcile-interval").and_then(Typed::seconds))
                .unwrap_or_default(),
            driver: self.driver.clone(),
            instances: self.routing_instances.iter().filter_map(RoutingInstance::kernel).collect(),
        }
    }
}

/// What the instances have in common.
struct Resolver<'a> {
    model: &'a Model,
    /// Routing instances with a `host` that is known by `user-name`.
    names_hosts: HashSet<InstanceId>,
    plugins: HashMap<&'a str, PluginId>,
}

impl Resolver<'_> {
    /// Adds `instance` with its groups, interfaces and pools to `config`.
    fn add(&self, config: &mut Config, id: InstanceId, instance: &RoutingInstance) {
        // Pools without a network are at fault, and none is numbered then.
        let pools = instance.pools.iter().map(|pool| pool.name.value.as_str());
        let pools = numbered(pools, config.pools.len(), PoolId);
        let sets = self.attribute_sets(instance);
        let first = u16::try_from(config.groups.len()).unwrap_or(u16::MAX);
        for (group, group_id) in instance.server.groups.iter().zip(first..) {
            config.groups.push(self.group((id, &instance.server), group, &pools, &sets));
            config.interfaces.extend(group.interfaces.iter().map(|interface| config::Interface {
                pattern: interface.pattern.value.as_str().into(),
                upto: interface.upto.as_ref().map(|upto| upto.value.as_str().into()),
                exclude: interface.exclude.is_some(),
                group: GroupId(group_id),
                overrides: interface.overrides.as_ref().map(|overrides| of_overrides(overrides, &pools, &sets)),
                chains: self.chains(&interface.policy),
                trace: interface.trace,
                short_cycle: interface.rules.short_cycle.as_ref().map(|rule| rule.value),
            }));
        }
        config.pools.extend(instance.pools.iter().filter_map(|pool| of_pool(id, pool, &pools)));
        if id == InstanceId::default() {
            config.reconfigure = instance.server.reconfigure.as_ref().map(of_reconfigure);
        }
        let kernel = instance.kernel();
        let (vrf, table) = match kernel.as_ref().map(|kernel| &kernel.table) {
            Some(KernelTable::Vrf(device)) => (Some(device.as_str().into()), None),
            Some(KernelTable::Table(table)) => (None, NonZeroU32::new(*table)),
            None => (None, None),
        };
        config.instances.push(config::Instance {
            name: instance.name().into(),
            server: of_server(&instance.server),
            linked_pool_aggregation: instance.linked_pool_aggregation,
            utilization: of_utilization(instance),
            vrf,
            table,
            interfaces: kernel.into_iter().flat_map(|kernel| kernel.interfaces).map(Into::into).collect(),
        });
    }

    /// The attribute sets that groups of `instance` may name: its own, else those of the whole router.
    fn attribute_sets<'a>(&'a self, instance: &'a RoutingInstance) -> AttributeSets<'a> {
        let all = self.model.default_instance.protocol_attributes.iter().chain(&instance.protocol_attributes);
        all.map(|set| (set.name.value.as_str(), Arc::new(of_protocol_attributes(&set.attributes)))).collect()
    }

    fn group(
        &self,
        (id, server): (InstanceId, &Server),
        group: &Group,
        pools: &PoolIds<'_>,
        sets: &AttributeSets<'_>,
    ) -> config::Group {
        let profile = self.model.access_binding(server, group).map(|access| access.profile);
        let overrides = group.overrides.as_ref().or(server.overrides.as_ref());
        let mut policy = self.model.policy.clone();
        policy.extend(group.policy.clone());
        let names_hosts = self.names_hosts.contains(&id);
        config::Group {
            name: group.name.value.as_str().into(),
            instance: id,
            overrides: overrides.map(|overrides| of_overrides(overrides, pools, sets)).unwrap_or_default(),
            chains: self.chains(&policy),
            reconfigure: group.reconfigure.as_ref().or(server.reconfigure.as_ref()).map(of_reconfigure),
            allow_leasequery: server.allow_leasequery.is_some(),
            // A name that hosts are known by is asked for even where it needs no RADIUS.
            authenticate: profile.is_some_and(|profile| profile.asks_radius() || names_hosts),
            account: profile.is_some_and(AccessProfile::accounts),
            short_cycle: group.rules.short_cycle.as_ref().or(server.rules.short_cycle.as_ref()).map(|rule| rule.value),
            lease_validation: group.rules.lease_validation.or(server.rules.lease_validation),
            remote_id_mismatch: group.rules.remote_id_mismatch || server.rules.remote_id_mismatch,
            route_suppression: group
                .route_suppression
                .as_ref()
                .or(server.route_suppression.as_ref())
                .map(|it| it.value),
            liveness: group.liveness.as_ref().or(server.liveness.as_ref()).map(|liveness| liveness.value),
        }
    }

    fn chains(&self, policies: &Policies) -> Chains {
        let mut chains = Chains::default();
        for (stage, names) in policies {
            let chain = names.iter().filter_map(|name| self.plugins.get(name.value.as_str()).copied());
            chains.set(*stage, chain.collect());
        }
        chains
    }
}

/// The sets of `protocol-attributes` that one routing instance knows.
type AttributeSets<'a> = HashMap<&'a str, Arc<config::ProtocolAttributes>>;

/// The pools of one routing instance.
type PoolIds<'a> = HashMap<&'a str, PoolId>;

/// What a local server says and no group inherits.
fn of_server(server: &Server) -> config::Server {
    let choosing = &server.choosing;
    config::Server {
        overload: server.overload,
        pool_match_order: choosing.order(),
        duplicate_clients: choosing.duplicate_clients(),
        requested_ip: Some(choosing.requested_ip()),
        forward_snooped: choosing.forward_snooped.as_ref().map(|rule| rule.value),
        no_rogue_server_detection: server.no_rogue_server_detection,
        reconfigure: server.reconfigure.as_ref().map(of_reconfigure),
    }
}

fn of_reconfigure(reconfigure: &Reconfigure) -> config::Reconfigure {
    let default = config::Reconfigure::default();
    config::Reconfigure {
        attempts: reconfigure.attempts.unwrap_or(default.attempts),
        timeout_secs: reconfigure.timeout_secs.unwrap_or(default.timeout_secs),
        token: reconfigure.token.as_ref().map(|token| token.as_bytes().into()),
        on_radius_disconnect: reconfigure.on_radius_disconnect,
    }
}

/// The names with numbers from `first` on.
fn numbered<'a, I>(names: impl Iterator<Item = &'a str>, first: usize, id: impl Fn(u16) -> I) -> HashMap<&'a str, I> {
    let first = u16::try_from(first).unwrap_or(u16::MAX);
    names.zip(first..).map(|(name, number)| (name, id(number))).collect()
}

fn of_overrides(overrides: &Overrides, pools: &PoolIds<'_>, sets: &AttributeSets<'_>) -> config::Overrides {
    let answering = &overrides.answering;
    let named = answering.protocol_attributes.as_ref();
    config::Overrides {
        bootp_support: answering.bootp_support,
        rapid_commit: answering.rapid_commit,
        minimum_wait_secs: answering.minimum_wait_secs,
        delay_offer: answering.delay_offer.clone().map(Arc::new),
        asymmetric_lease_secs: answering.asymmetric_lease_secs,
        attributes: named.and_then(|name| sets.get(name.value.as_str()).cloned()),
        option_82_in_forcerenew: answering.option_82_in_forcerenew,
        interface_client_limit: overrides.interface_client_limit,
        address_probe: overrides.address_probe,
        no_arp: overrides.no_arp,
        process_inform: overrides.process_inform.as_ref().map(|pool| config::ProcessInform {
            pool: pool.as_ref().and_then(|pool| pools.get(pool.value.as_str()).copied()),
        }),
        allow_no_end_option: overrides.allow_no_end_option,
        delete_binding_on_renegotiation: overrides.delete_binding_on_renegotiation,
        nak_unknown_renew: overrides.nak_unknown_renew,
        nak_unknown_rebind: overrides.nak_unknown_rebind,
        option_82_in_nak: overrides.option_82_in_nak,
        client_discover_match: overrides.client_discover_match,
        subnet_selection: overrides.subnet_selection.clone(),
    }
}

fn of_utilization(instance: &RoutingInstance) -> Option<config::Utilization> {
    let high = instance.high_utilization.as_ref()?.value;
    Some(config::Utilization { high, abated: instance.abated_utilization.as_ref().map_or(high, |it| it.value) })
}

fn of_host(host: &Host) -> config::Host {
    let client_identifier = host.client_identifier.as_ref().and_then(|id| client_value::bytes(&id.value).ok());
    config::Host {
        name: host.name.value.as_str().into(),
        hardware_address: host.hardware_address.as_ref().map(|mac| mac.value),
        client_identifier: client_identifier.unwrap_or_default().into(),
        user_name: host.user_name.as_ref().map(|name| name.value.as_str().into()).unwrap_or_default(),
        ip_address: host.ip_address.value,
    }
}

fn of_option_match(pool: &Pool) -> OptionMatch {
    let mut table = OptionMatch::default();
    for entry in &pool.attributes.option_match {
        let range = pool.ranges.iter().position(|range| range.name.value == entry.range.value);
        let range = range.and_then(|at| u16::try_from(at).ok()).map(RangeId);
        let (Some(range), Ok(value)) = (range, client_value::bytes(&entry.value.value)) else { continue };
        if entry.is_circuit {
            table.circuit(&value, range)
        } else {
            table.remote(&value, range)
        };
    }
    table
}

fn of_pool(instance: InstanceId, pool: &Pool, pools: &PoolIds<'_>) -> Option<config::Pool> {
    let single = |address: &Spanned<bindery_types::Ipv4Addr>| config::Range {
        name: address.value.to_string().into(),
        low: address.value,
        high: address.value,
    };
    let excluded = pool.excluded_addresses.iter().map(single).chain(pool.excluded_ranges.iter().map(of_range));
    Some(config::Pool {
        name: pool.name.value.as_str().into(),
        instance,
        network: pool.network.as_ref()?.value,
        ranges: pool.ranges.iter().map(of_range).collect(),
        hosts: pool.hosts.iter().map(of_host).collect(),
        host_table: pool.host_table.as_ref().and_then(|it| Some(Arc::clone(it.table.as_ref()?.reservations()))),
        excluded: excluded.collect(),
        link: pool.link.as_ref().and_then(|link| pools.get(link.value.as_str()).copied()),
        hold_down: pool.hold_down,
        active_drain: pool.active_drain,
        option_match: Arc::new(of_option_match(pool)),
        attributes: of_attributes(&pool.attributes),
    })
}

fn of_range(range: &Range) -> config::Range {
    config::Range { name: range.name.value.as_str().into(), low: range.low.value, high: range.high.value }
}

/// T1 and T2 as written, else as `preferred-lifetime` makes them.
fn of_timers(attributes: &Attributes) -> (Option<config::Timer>, Option<config::Timer>) {
    let written = |timers: &[Spanned<config::Timer>]| timers.first().map(|timer| timer.value);
    match attributes.preferred_timers() {
        Some((t1, t2)) => (Some(t1), Some(t2)),
        None => (written(&attributes.t1), written(&attributes.t2)),
    }
}

fn of_attributes(attributes: &Attributes) -> config::Attributes {
    let default = config::Attributes::default();
    let options = of_options(attributes);
    let (t1, t2) = of_timers(attributes);
    config::Attributes {
        lease: attributes.lease().map_or(default.lease, |lease| lease.value),
        grace_secs: attributes.grace_secs.unwrap_or_default(),
        t1: t1.unwrap_or(default.t1),
        t2: t2.unwrap_or(default.t2),
        server_identifier: attributes.server_identifier,
        next_server: attributes.next_server,
        boot_file: of_text(&attributes.boot_file),
        boot_server: of_text(&attributes.boot_server),
        options,
    }
}

/// A set of attributes that stands over those of pools.
fn of_protocol_attributes(attributes: &Attributes) -> config::ProtocolAttributes {
    let (t1, t2) = of_timers(attributes);
    config::ProtocolAttributes {
        lease: attributes.lease().map(|lease| lease.value),
        t1,
        t2,
        server_identifier: attributes.server_identifier,
        next_server: attributes.next_server,
        boot_file: of_text(&attributes.boot_file),
        boot_server: of_text(&attributes.boot_server),
        options: of_options(attributes),
    }
}

/// Encoded options, codes ascending.
fn of_options(attributes: &Attributes) -> Vec<(OptionCode, Box<[u8]>)> {
    let encoded = attributes.options.iter();
    let encoded = encoded.filter_map(|option| Some((option.code, option.value.as_ref().ok()?.as_slice().into())));
    let mut options: Vec<_> = encoded.collect();
    options.sort_by_key(|(code, _)| *code);
    options
}

fn of_text(text: &Option<String>) -> Option<Box<[u8]>> {
    text.as_ref().map(|text| text.as_bytes().into())
}
