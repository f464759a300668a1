//! Routing instances: a local server and pools each, whose names need be unique inside of the instance only.

use super::{
    AllowLeasequery, Authentication, Choosing, Group, Model, Overrides, Pool, ProtocolAttributes, Reconfigure, Rules,
    Spanned, Traces,
};
use bindery_engine::config::{Liveness, Overload, RouteSuppression};
use bindery_types::InstanceId;
use std::fmt;

/// A routing instance, or what stands outside of all of them.
#[derive(Clone, Debug, Default)]
pub struct RoutingInstance {
    /// Its name; none for the default one.
    pub name: Option<Spanned<String>>,
    /// `system services dhcp-local-server`.
    pub server: Server,
    /// `access address-assignment pool` that have a `family inet`, in order.
    pub pools: Vec<Pool>,
    /// `access address-assignment high-utilization`, percent.
    pub high_utilization: Option<Spanned<u8>>,
    /// `access address-assignment abated-utilization`, percent.
    pub abated_utilization: Option<Spanned<u8>>,
    /// `access linked-pool-aggregation`.
    pub linked_pool_aggregation: bool,
    /// Names of all pools, also of those that are at fault.
    pub pool_names: Vec<Spanned<String>>,
    /// `access protocol-attributes` that have a `dhcp`, in order.
    pub protocol_attributes: Vec<ProtocolAttributes>,
    /// `access-profile`: holds for its local server where that names none.
    pub access_profile: Option<Spanned<String>>,
    /// `instance-type`.
    pub instance_type: InstanceType,
    /// `interface`s: names, or beginnings of names with a trailing `*`.
    pub interfaces: Vec<Spanned<String>>,
    /// `vrf-device`.
    pub vrf_device: Option<Spanned<String>>,
    /// `routing-table`.
    pub routing_table: Option<Spanned<u32>>,
}

/// `instance-type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InstanceType {
    /// `virtual-router`.
    #[default]
    VirtualRouter,
    /// `vrf`.
    Vrf,
}

impl fmt::Display for InstanceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::VirtualRouter => "virtual-router",
            Self::Vrf => "vrf",
        })
    }
}

/// What a routing instance is in the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelInstance {
    /// Its name.
    pub name: String,
    /// `instance-type`.
    pub instance_type: InstanceType,
    /// Where its routes are.
    pub table: KernelTable,
    /// Names of its interfaces, or beginnings of names with a trailing `*`; those of a VRF device are its own without it.
    pub interfaces: Vec<String>,
}

/// Where the routes of an instance are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KernelTable {
    /// In the table of the VRF device of this name.
    Vrf(String),
    /// In this table, which rules lead to.
    Table(u32),
}

/// `dhcp-local-server` of a routing instance.
#[derive(Clone, Debug, Default)]
pub struct Server {
    /// How a client's pool is chosen, and who is a client.
    pub choosing: Choosing,
    /// Its rules, which groups inherit.
    pub rules: Rules,
    /// `overload`.
    pub overload: Overload,
    /// `overrides`.
    pub overrides: Option<Overrides>,
    /// `reconfigure`.
    pub reconfigure: Option<Reconfigure>,
    /// `allow-leasequery`.
    pub allow_leasequery: Option<AllowLeasequery>,
    /// `authentication`.
    pub authentication: Option<Authentication>,
    /// `access-profile`.
    pub access_profile: Option<Spanned<String>>,
    /// `liveness-detection`.
    pub liveness: Option<Spanned<Liveness>>,
    /// `no-rogue-server-detection`.
    pub no_rogue_server_detection: bool,
    /// `route-suppression`.
    pub route_suppression: Option<Spanned<RouteSuppression>>,
    /// `traceoptions` and `interface-traceoptions`.
    pub traces: Traces,
    /// `group`, in order.
    pub groups: Vec<Group>,
}

impl RoutingInstance {
    /// Its name as operators know it: `default` for what stands outside of `routing-instances`.
    pub fn name(&self) -> &str {
        self.name.as_ref().map_or("default", |name| &name.value)
    }

    /// What it is in the kernel; `None` for the default one.
    pub fn kernel(&self) -> Option<KernelInstance> {
        let name = &self.name.as_ref()?.value;
        let device = self.vrf_device.as_ref().map_or(name, |device| &device.value);
        let table = self.routing_table.as_ref().map(|table| KernelTable::Table(table.value));
        Some(KernelInstance {
            name: name.clone(),
            instance_type: self.instance_type,
            table: table.unwrap_or_else(|| KernelTable::Vrf(device.clone())),
            interfaces: self.interfaces.iter().map(|interface| interface.value.clone()).collect(),
        })
    }

    /// The path of `statement` in it, as the set form has it.
    pub fn path(&self, statement: &str) -> String {
        match &self.name {
            Some(name) => format!("routing-instances {} {statement}", name.value),
            None => statement.to_owned(),
        }
    }

    /// The path of its local server.
    pub(crate) fn server_path(&self) -> String {
        self.path("system services dhcp-local-server")
    }

    /// The path of one of its groups.
    pub(crate) fn group_path(&self, group: &str) -> String {
        format!("{} group {group}", self.server_path())
    }

    /// The path of what its addresses come from.
    pub(crate) fn assignment_path(&self) -> String {
        self.path("access address-assignment")
    }

    /// The path of one of its pools.
    pub(crate) fn pool_path(&self, pool: &Pool) -> String {
        format!("{} pool {}", self.assignment_path(), pool.name.value)
    }
}

impl Model {
    /// All routing instances: the default one, then the others in order.
    pub fn instances(&self) -> impl Iterator<Item = &RoutingInstance> + Clone {
        std::iter::once(&self.default_instance).chain(&self.routing_instances)
    }

    /// As [`Model::instances`], to change them.
    pub(crate) fn instances_mut(&mut self) -> impl Iterator<Item = &mut RoutingInstance> {
        std::iter::once(&mut self.default_instance).chain(&mut self.routing_instances)
    }

    /// All routing instances with the numbers that the engine's configuration gives them.
    pub(crate) fn numbered_instances(&self) -> impl Iterator<Item = (InstanceId, &RoutingInstance)> + Clone {
        (0u16..).map(InstanceId).zip(self.instances())
    }

    /// The groups of all instances; [`GroupId`](bindery_types::GroupId) is an index in them.
    pub fn groups(&self) -> impl Iterator<Item = (&RoutingInstance, &Group)> + Clone {
        self.instances().flat_map(|instance| instance.server.groups.iter().map(move |group| (instance, group)))
    }

    /// The pools of all instances; [`PoolId`](bindery_types::PoolId) is an index in those that have a network.
    pub fn pools(&self) -> impl Iterator<Item = (&RoutingInstance, &Pool)> + Clone {
        self.instances().flat_map(|instance| instance.pools.iter().map(move |pool| (instance, pool)))
    }
}
