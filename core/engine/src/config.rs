//! The resolved configuration the engine runs on: units are fixed, inheritance is applied, names are checked.
//!
//! The `config` crate makes it from the operator's text; the engine knows nothing of that text.

mod rules;

pub use rules::{LeaseValidation, Overload, Rate, ShortCycle, ViolationAction};

use crate::{
    policy::Stage,
    pool::{HostTable, OptionMatch},
};
use alloc::{boxed::Box, sync::Arc, vec::Vec};
use bindery_types::{GroupId, InstanceId, Ipv4Addr, MacAddr, PoolId, Prefix4};
use bindery_wire::v4::OptionCode;
use core::num::NonZeroU32;

pub use crate::neighbour::settings::{AddressProbe, FailureAction, Liveness};
pub use crate::{
    attributes::ProtocolAttributes,
    delay::{DelayOffer, FilterTest, OptionFilter},
    interfaces::{ServedNames, interface_range},
};

/// All that the engine needs to know. Immutable; a commit hands over a new one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Groups of `dhcp-local-server`, in configuration order; [`GroupId`] indexes them.
    pub groups: Vec<Group>,
    /// Interfaces of all groups, in configuration order. An exact name wins over a pattern, the longer pattern
    /// over the shorter.
    pub interfaces: Vec<Interface>,
    /// Pools of `access address-assignment`, in configuration order; [`PoolId`] indexes them.
    pub pools: Vec<Pool>,
    /// `reconfigure` of the server: it holds for sessions whose group and interface are gone. Groups have theirs.
    pub reconfigure: Option<Reconfigure>,
    /// `ltv-syslog-interval`: seconds between log lines about leases that are too short; `None` for
    /// [`crate::LTV_LOG_SECS`].
    pub ltv_log_secs: Option<u32>,
    /// Routing instances; [`InstanceId`] indexes them, the first is the default one. One that is not here behaves as
    /// [`Instance::default`].
    pub instances: Vec<Instance>,
}

impl Config {
    /// The group `id` names, if this configuration has it.
    pub fn group(&self, id: GroupId) -> Option<&Group> {
        self.groups.get(usize::from(id.0))
    }

    /// What the local server of routing instance `id` was told.
    pub fn server(&self, id: InstanceId) -> &Server {
        const DEFAULT: &Server = &Server {
            reconfigure: None,
            overload: Overload::DEFAULT,
            pool_match_order: Vec::new(),
            duplicate_clients: DuplicateClients::One,
            requested_ip: None,
            no_rogue_server_detection: false,
            forward_snooped: None,
        };
        self.instances.get(usize::from(id.0)).map_or(DEFAULT, |instance| &instance.server)
    }

    /// Every `server-identifier`: of pools and of protocol attributes.
    pub(crate) fn server_identifiers(&self) -> impl Iterator<Item = Ipv4Addr> + use<'_> {
        let own = self.interfaces.iter().filter_map(|interface| interface.overrides.as_ref());
        let overrides = self.groups.iter().map(|group| &group.overrides).chain(own);
        let protocol = overrides.filter_map(|overrides| overrides.attributes.as_ref()?.server_identifier);
        self.pools.iter().filter_map(|pool| pool.attributes.server_identifier).chain(protocol)
    }

    /// The pool `id` names, if this configuration has it.
    pub fn pool(&self, id: PoolId) -> Option<&Pool> {
        self.pools.get(usize::from(id.0))
    }
}

/// A routing instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Instance {
    /// Its name; `default` for the first one.
    pub name: Box<str>,
    /// Its `dhcp-local-server`, as far as groups do not inherit it.
    pub server: Server,
    /// `access linked-pool-aggregation`: a chain of linked pools is used range by range from the matched pool on, then
    /// the pools behind it, then from the first one (junos.md §5.1).
    pub linked_pool_aggregation: bool,
    /// `access address-assignment high-utilization` with `abated-utilization`.
    pub utilization: Option<Utilization>,
    /// Name of the VRF device that it is: interfaces of that device are its own.
    pub vrf: Option<Box<str>>,
    /// Routing table of its routes where it has no VRF device.
    pub table: Option<NonZeroU32>,
    /// Interfaces that it lists: names, or beginnings of names with a trailing `*`.
    pub interfaces: Vec<Box<str>>,
}

/// What holds for all groups of a local server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Server {
    /// `reconfigure`: as [`Config::reconfigure`], of a routing instance that is not the default one.
    pub reconfigure: Option<Reconfigure>,
    /// `overload`: what is shed before it is parsed.
    pub overload: Overload,
    /// `pool-match-order`; empty for [`PoolMatch::IpAddressFirst`] alone.
    pub pool_match_order: Vec<PoolMatch>,
    /// `duplicate-clients-in-subnet`, or the older `duplicate-clients-on-interface`.
    pub duplicate_clients: DuplicateClients,
    /// `requested-ip-network-match` or `requested-ip-interface-match`; `None`: every address counts.
    pub requested_ip: Option<RequestedIp>,
    /// `no-rogue-server-detection`: foreign DHCP servers are not looked for.
    pub no_rogue_server_detection: bool,
    /// `forward-snooped-clients`; `None`: what passes through to other servers is left alone.
    pub forward_snooped: Option<ForwardSnooped>,
}

/// On which interfaces of a routing instance requests of clients to other servers may come in to be forwarded
/// (junos.md §2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardSnooped {
    /// `configured-interfaces`: on those that a group serves.
    Configured,
    /// `non-configured-interfaces`: on those that no group serves.
    NonConfigured,
    /// `all-interfaces`.
    All,
}

impl ForwardSnooped {
    /// Whether they are dropped on an interface that a group serves, or that none does.
    pub const fn drops(self, served: bool) -> bool {
        match self {
            Self::Configured => !served,
            Self::NonConfigured => served,
            Self::All => false,
        }
    }
}

/// What tells clients of one subnet apart beside their identifiers (RFC 2131 §4.2, junos.md §2.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DuplicateClients {
    /// Nothing: one client, one session in its subnet.
    #[default]
    One,
    /// The interface that its packets come in on.
    IncomingInterface,
    /// Circuit id and remote id of option 82, and nothing else of it.
    Option82,
}

/// How many leading bits an address that a client remembers has to share with ours before the question is for us: with
/// our own address for a direct client, with giaddr for a relayed one (junos.md §2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestedIp {
    /// `requested-ip-network-match`: this many, 0 to 31.
    Network(u8),
    /// `requested-ip-interface-match`: as many as the network has.
    Interface,
}

/// `client-discover-match`: what makes the DISCOVER of a newcomer that of a client whose device, and so its identifier,
/// was changed. The session that it had ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiscoverMatch {
    /// `option60-and-option82`: the same vendor class, circuit id and remote id.
    Option60And82,
    /// `incoming-interface`: a direct client on the same interface.
    IncomingInterface,
}

/// A way to choose a client's pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolMatch {
    /// By giaddr or link selection, without a relay by an address of the receiving interface.
    IpAddressFirst,
    /// By the pools' `option-match option-82`; the whole pool where no entry matches.
    Option82,
    /// By the pools' `option-match option-82`; nothing where no entry matches.
    Option82Strict,
    /// The pool that AAA names.
    ExternalAuthority,
}

/// `group NAME` of a local server: what holds for the clients of its interfaces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// Unique among the groups; 1 to 64 characters.
    pub name: Box<str>,
    /// The routing instance whose pools and sessions it uses.
    pub instance: InstanceId,
    /// Behaviour of the group, inheritance applied.
    pub overrides: Overrides,
    /// Plugins bound to the stages.
    pub chains: Chains,
    /// `reconfigure`, when it is enabled: the group's own, else the server's.
    pub reconfigure: Option<Reconfigure>,
    /// `allow-leasequery` of the server: whether bindings of this group are told to requestors (RFC 4388).
    pub allow_leasequery: bool,
    /// Newcomers wait for an authority's word: the group has an `access-profile` that asks RADIUS.
    pub authenticate: bool,
    /// The `access-profile` has accounting servers: what happens to sessions is told.
    pub account: bool,
    /// `short-cycle-protection`: the group's own, else the server's.
    pub short_cycle: Option<ShortCycle>,
    /// `lease-time-validation`: the group's own, else the server's.
    pub lease_validation: Option<LeaseValidation>,
    /// `remote-id-mismatch disconnect` of the group or the server.
    pub remote_id_mismatch: bool,
    /// `liveness-detection`: the group's own, else the server's.
    pub liveness: Option<Liveness>,
    /// `route-suppression`: the group's own, else the server's.
    pub route_suppression: Option<RouteSuppression>,
}

/// `reconfigure` of a server or group (junos.md §8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reconfigure {
    /// `attempts`: FORCERENEWs that are sent at most, 1 to 10.
    pub attempts: u8,
    /// `timeout`: the pause after the first one, seconds, 1 to 10; it doubles each time.
    pub timeout_secs: u8,
    /// `token` (RFC 3118 §4), 1 to 244 bytes.
    pub token: Option<Box<[u8]>>,
    /// `trigger radius-disconnect`.
    pub on_radius_disconnect: bool,
}

impl Default for Reconfigure {
    fn default() -> Self {
        Self { attempts: 8, timeout_secs: 2, token: None, on_radius_disconnect: false }
    }
}

impl Reconfigure {
    /// Seconds after attempt `number` (from 1) until the next one, or until the client is given up: they double.
    pub fn pause_secs(&self, number: u8) -> u64 {
        u64::from(self.timeout_secs) << number.saturating_sub(1).min(16)
    }
}

/// Plugins by stage, each in chain order. A stage without an entry takes what the enclosing level has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chains([Option<Vec<PluginId>>; Stage::ALL.len()]);

impl Chains {
    /// The plugins that this level binds to `stage`; `None` where it says nothing of it.
    pub fn get(&self, stage: Stage) -> Option<&[PluginId]> {
        self.0.get(stage as usize)?.as_deref()
    }

    /// Binds `chain` to `stage` in place of what was bound.
    pub fn set(&mut self, stage: Stage, chain: Vec<PluginId>) {
        if let Some(entry) = self.0.get_mut(stage as usize) {
            *entry = Some(chain);
        }
    }

    /// All bindings.
    pub fn iter(&self) -> impl Iterator<Item = (Stage, &[PluginId])> {
        Stage::ALL.into_iter().filter_map(|stage| Some((stage, self.get(stage)?)))
    }
}

/// `interface IFL` in a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// The interface's name, or a prefix of names with a trailing `*`.
    pub pattern: Box<str>,
    /// `upto`: the entry is for all interfaces of the same device from `pattern` to this one ([`interface_range`]).
    pub upto: Option<Box<str>>,
    /// `exclude`: what the entry names is not of the group, though another entry of the group says so.
    pub exclude: bool,
    /// The group it belongs to.
    pub group: GroupId,
    /// Overrides of this interface, inheritance applied: in place of the group's.
    pub overrides: Option<Overrides>,
    /// `trace`: `interface-traceoptions` is about it.
    pub trace: bool,
    /// Plugins of this interface, stage by stage in place of the group's.
    pub chains: Chains,
    /// `short-cycle-protection` of this interface: in place of the group's.
    pub short_cycle: Option<ShortCycle>,
}

/// `overrides` of a server, group or interface, inheritance applied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `interface-client-limit`: most bindings on one interface (1 to 500000); further DISCOVERs are dropped.
    pub interface_client_limit: Option<u32>,
    /// `no-arp`: no permanent neighbour entry for bound clients.
    pub no_arp: bool,
    /// `process-inform`: answer DHCPINFORM (RFC 2131 §4.3.5).
    pub process_inform: Option<ProcessInform>,
    /// `allow-no-end-option`: accept packets without option 255.
    pub allow_no_end_option: bool,
    /// `delete-binding-on-renegotiation`: a DISCOVER of a bound client ends its binding first.
    pub delete_binding_on_renegotiation: bool,
    /// `nak-unknown-renew`: NAK a unicast renewal without a binding instead of staying silent.
    pub nak_unknown_renew: bool,
    /// `nak-unknown-rebind`: the same for a broadcast rebinding.
    pub nak_unknown_rebind: bool,
    /// `client-discover-match`.
    pub client_discover_match: Option<DiscoverMatch>,
    /// `subnet-selection`: the subnets that clients may name by option 118 (RFC 3011 §6); empty: the option is ignored.
    pub subnet_selection: Vec<Prefix4>,
    /// `address-probe`.
    pub address_probe: Option<AddressProbe>,
    /// `bootp-support`: answer BOOTP clients too (RFC 1534 §2).
    pub bootp_support: bool,
    /// `rapid-commit`: a DISCOVER with option 80 is answered by an ACK (RFC 4039).
    pub rapid_commit: bool,
    /// `delay-offer`.
    pub delay_offer: Option<Arc<DelayOffer>>,
    /// `minimum-wait-time`: DISCOVERs whose `secs` is smaller are dropped, seconds, 0 to 30000.
    pub minimum_wait_secs: u16,
    /// `asymmetric-lease-time`: clients are told no longer lease than this, seconds, 600 to 86400; what they have is the
    /// lease of the pool.
    pub asymmetric_lease_secs: Option<u32>,
    /// `protocol-attributes`: over the attributes of the pool. Shared by all that name the same set.
    pub attributes: Option<Arc<ProtocolAttributes>>,
    /// `include-option-82 forcerenew`: FORCERENEWs carry the option 82 that the session came with.
    pub option_82_in_forcerenew: bool,
    /// `include-option-82 nak`: echo option 82 in the DHCPNAK of a direct client too; a relayed one always has it.
    pub option_82_in_nak: bool,
}

/// `route-suppression`: what bound sessions go without (junos.md §2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteSuppression {
    /// `access-internal`: route and neighbour entry, and the routes via the client with them.
    AccessInternal,
    /// `destination`: the neighbour entry.
    Destination,
}

/// `process-inform`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcessInform {
    /// `pool`: whose attributes answer, in place of the pool that matches the client's network.
    pub pool: Option<PoolId>,
}

/// Index of a configured plugin, in configuration order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PluginId(pub u16);

/// `pool NAME family inet`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pool {
    /// Unique among the pools; 1 to 63 characters.
    pub name: Box<str>,
    /// The routing instance it belongs to.
    pub instance: InstanceId,
    /// `network`: all its addresses lie in it, and it is matched against giaddr or the interface's address.
    /// Networks of one instance do not overlap unless the pools are linked.
    pub network: Prefix4,
    /// `range`s, in configuration order, not overlapping.
    pub ranges: Vec<Range>,
    /// `host` reservations: one address each, outside or inside the ranges.
    pub hosts: Vec<Host>,
    /// `host-table`: reservations by the million, beside `hosts`. Shared by the configurations that name the same
    /// content, so that comparing two of them costs nothing.
    pub host_table: Option<Arc<HostTable>>,
    /// `excluded-address` and `excluded-range`: never leased.
    pub excluded: Vec<Range>,
    /// `link`: where to look when this pool has no free address.
    pub link: Option<PoolId>,
    /// `hold-down`: no new bindings; existing ones may renew.
    pub hold_down: bool,
    /// `active-drain`: no new bindings, and who holds an address is refused at its next REQUEST.
    pub active_drain: bool,
    /// `dhcp-attributes option-match option-82`. Shared by the configurations that say the same.
    pub option_match: Arc<OptionMatch>,
    /// `dhcp-attributes`.
    pub attributes: Attributes,
}

/// Shares of a pool's addresses at which its use is told (junos.md §5.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Utilization {
    /// `high-utilization`, percent, 2 to 99: told when more than this is in use.
    pub high: u8,
    /// `abated-utilization`, percent, 1 to 98, below `high`: told when less than this is in use afterwards.
    pub abated: u8,
}

/// Addresses from `low` to `high`, both included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    /// The range's name; the address itself for `excluded-address`.
    pub name: Box<str>,
    /// First address.
    pub low: Ipv4Addr,
    /// Last address, not below `low`.
    pub high: Ipv4Addr,
}

/// `host NAME`: an address kept for one client. Any of what it is known by is enough; one of them is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// The reservation's name.
    pub name: Box<str>,
    /// `hardware-address`; unique in the pool.
    pub hardware_address: Option<MacAddr>,
    /// `client-identifier`, the whole value of option 61 (RFC 2132 §9.14); empty for none. Unique in the pool.
    pub client_identifier: Box<[u8]>,
    /// `user-name`: what the session's authority calls the subscriber; empty for none. Unique in the pool.
    pub user_name: Box<str>,
    /// `ip-address`; unique in the pool, inside its network.
    pub ip_address: Ipv4Addr,
}

impl Default for Host {
    fn default() -> Self {
        Self {
            name: Box::default(),
            hardware_address: None,
            client_identifier: Box::default(),
            user_name: Box::default(),
            ip_address: Ipv4Addr::UNSPECIFIED,
        }
    }
}

/// `dhcp-attributes` of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// `maximum-lease-time`, or `valid-lifetime` in its place: granted to everyone; shorter when the client asks for
    /// less (option 51).
    pub lease: Lease,
    /// `grace-period`: seconds for which an address is kept for its client when the lease has run out.
    pub grace_secs: u32,
    /// Renewal time T1 (option 58): RFC 2131 §4.4.5.
    pub t1: Timer,
    /// Rebinding time T2 (option 59): RFC 2131 §4.4.5.
    pub t2: Timer,
    /// `server-identifier`: option 54 in place of the address the client can reach us at.
    pub server_identifier: Option<Ipv4Addr>,
    /// `next-server`: the `siaddr` field.
    pub next_server: Option<Ipv4Addr>,
    /// `boot-file`: the `file` field; at most 127 bytes.
    pub boot_file: Option<Box<[u8]>>,
    /// `boot-server`: the `sname` field; at most 63 bytes.
    pub boot_server: Option<Box<[u8]>>,
    /// Options in their encoded form, codes ascending, each once. Those asked for by option 55 are sent in its
    /// order; all are sent to a client without option 55. The subnet mask is not among them: it follows `network`.
    pub options: Vec<(OptionCode, Box<[u8]>)>,
}

impl Default for Attributes {
    fn default() -> Self {
        Self {
            lease: Lease::Secs(86_400),
            grace_secs: 0,
            t1: Timer::Percent(50),
            t2: Timer::Eighths(7),
            server_identifier: None,
            next_server: None,
            boot_file: None,
            boot_server: None,
            options: Vec::new(),
        }
    }
}

/// A lease time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lease {
    /// Seconds, 1 to 4294967294.
    Secs(u32),
    /// For ever: 0xffffffff on the wire (RFC 2131 §3.3).
    Infinite,
}

/// When T1 or T2 comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    /// Percent of the lease, 0 to 100.
    Percent(u8),
    /// Eighths of the lease, 0 to 8: T2 is 7 of them by default (RFC 2131 §4.4.5: 0.875).
    Eighths(u8),
    /// Seconds after the ACK; not used where it is not below the lease.
    Secs(u32),
}

impl Timer {
    /// Seconds after the ACK of a lease of `lease_secs` (not an infinite one); `None` where the timer would not come
    /// before the lease ends.
    pub fn secs_of(self, lease_secs: u32) -> Option<u32> {
        let share = |part: u8, of: u8| u32::try_from(u64::from(lease_secs) * u64::from(part) / u64::from(of)).ok();
        match self {
            Self::Percent(percent) => share(percent.min(100), 100),
            Self::Eighths(eighths) => share(eighths.min(8), 8),
            Self::Secs(secs) => (secs < lease_secs).then_some(secs),
        }
    }
}
