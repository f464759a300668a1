//! Defaults and inheritance: from what was written to what the engine runs on.

use super::{AccessProfile, Attributes, Model, Overrides, Policies, Pool, Range, Reconfigure, Spanned};
use crate::schema::{ROOT, Statement};
use crate::value::Typed;
use bindery_engine::config::{self, Chains, Config, PluginId};
use bindery_types::{GroupId, InstanceId, PoolId};
use std::{collections::HashMap, sync::Arc};

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
}

impl Model {
    /// The engine's configuration. A reference to something that does not exist is left out:
    /// [`load`](crate::load) refuses it.
    pub fn resolve(&self) -> Config {
        let pools: HashMap<&str, PoolId> = numbered(self.pools.iter().map(|pool| pool.name.value.as_str()), PoolId);
        let plugins: HashMap<&str, PluginId> =
            numbered(self.plugins.iter().map(|plugin| plugin.name.as_str()), PluginId);
        let chain = |names: &[Spanned<String>]| -> Vec<PluginId> {
            names.iter().filter_map(|name| plugins.get(name.value.as_str()).copied()).collect()
        };
        let server = self.overrides.as_ref();
        let chains = |policies: &Policies| {
            let mut chains = Chains::default();
            policies.iter().for_each(|(stage, names)| chains.set(*stage, chain(names)));
            chains
        };
        let profile = |id: u16| self.access_of_group(GroupId(id)).map(|access| access.profile);
        let groups = self.groups.iter().zip(0u16..).map(|(group, id)| config::Group {
            name: group.name.value.as_str().into(),
            instance: InstanceId::default(),
            overrides: group
                .overrides
                .as_ref()
                .or(server)
                .map(|overrides| of_overrides(overrides, &pools))
                .unwrap_or_default(),
            chains: {
                let mut policy = self.policy.clone();
                policy.extend(group.policy.clone());
                chains(&policy)
            },
            reconfigure: group.reconfigure.as_ref().or(self.reconfigure.as_ref()).map(of_reconfigure),
            allow_leasequery: self.allow_leasequery.is_some(),
            authenticate: profile(id).is_some_and(AccessProfile::asks_radius),
            account: profile(id).is_some_and(AccessProfile::accounts),
        });
        let interfaces = self
            .groups
            .iter()
            .zip(0u16..)
            .flat_map(|(group, id)| group.interfaces.iter().map(move |interface| (interface, GroupId(id))));
        let interfaces = interfaces.map(|(interface, group)| config::Interface {
            pattern: interface.pattern.value.as_str().into(),
            group,
            overrides: interface.overrides.as_ref().map(|overrides| of_overrides(overrides, &pools)),
            chains: chains(&interface.policy),
        });
        Config {
            groups: groups.collect(),
            interfaces: interfaces.collect(),
            pools: self.pools.iter().filter_map(|pool| of_pool(pool, &pools)).collect(),
            reconfigure: self.reconfigure.as_ref().map(of_reconfigure),
        }
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
        }
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

fn numbered<'a, I>(names: impl Iterator<Item = &'a str>, id: impl Fn(u16) -> I) -> HashMap<&'a str, I> {
    names.zip(0u16..).map(|(name, number)| (name, id(number))).collect()
}

fn of_overrides(overrides: &Overrides, pools: &HashMap<&str, PoolId>) -> config::Overrides {
    config::Overrides {
        interface_client_limit: overrides.interface_client_limit,
        no_arp: overrides.no_arp,
        process_inform: overrides.process_inform.as_ref().map(|pool| config::ProcessInform {
            pool: pool.as_ref().and_then(|pool| pools.get(pool.value.as_str()).copied()),
        }),
        allow_no_end_option: overrides.allow_no_end_option,
        delete_binding_on_renegotiation: overrides.delete_binding_on_renegotiation,
        nak_unknown_renew: overrides.nak_unknown_renew,
        nak_unknown_rebind: overrides.nak_unknown_rebind,
        option_82_in_nak: overrides.option_82_in_nak,
    }
}

fn of_pool(pool: &Pool, pools: &HashMap<&str, PoolId>) -> Option<config::Pool> {
    let single = |address: &Spanned<bindery_types::Ipv4Addr>| config::Range {
        name: address.value.to_string().into(),
        low: address.value,
        high: address.value,
    };
    let excluded = pool.excluded_addresses.iter().map(single).chain(pool.excluded_ranges.iter().map(of_range));
    Some(config::Pool {
        name: pool.name.value.as_str().into(),
        instance: InstanceId::default(),
        network: pool.network.as_ref()?.value,
        ranges: pool.ranges.iter().map(of_range).collect(),
        hosts: pool
            .hosts
            .iter()
            .map(|host| config::Host {
                name: host.name.value.as_str().into(),
                hardware_address: host.hardware_address.value,
                ip_address: host.ip_address.value,
            })
            .collect(),
        host_table: pool.host_table.as_ref().and_then(|it| Some(Arc::clone(it.table.as_ref()?.reservations()))),
        excluded: excluded.collect(),
        link: pool.link.as_ref().and_then(|link| pools.get(link.value.as_str()).copied()),
        hold_down: pool.hold_down,
        attributes: of_attributes(&pool.attributes),
    })
}

fn of_range(range: &Range) -> config::Range {
    config::Range { name: range.name.value.as_str().into(), low: range.low.value, high: range.high.value }
}

fn of_attributes(attributes: &Attributes) -> config::Attributes {
    let default = config::Attributes::default();
    let mut options: Vec<_> = attributes
        .options
        .iter()
        .filter_map(|option| Some((option.code, option.value.as_ref().ok()?.as_slice().into())))
        .collect();
    options.sort_by_key(|(code, _)| *code);
    let bytes = |text: &Option<String>| text.as_ref().map(|text| text.as_bytes().into());
    config::Attributes {
        lease: attributes.lease.as_ref().map_or(default.lease, |lease| lease.value),
        t1: attributes.t1.first().map_or(default.t1, |timer| timer.value),
        t2: attributes.t2.first().map_or(default.t2, |timer| timer.value),
        server_identifier: attributes.server_identifier,
        next_server: attributes.next_server,
        boot_file: bytes(&attributes.boot_file),
        boot_server: bytes(&attributes.boot_server),
        options,
    }
}
