//! The resolved configuration the engine runs on: units are fixed, inheritance is applied, names are checked.
//!
//! The `config` crate makes it from the operator's text; the engine knows nothing of that text.

use crate::{policy::Stage, pool::HostTable};
use alloc::{boxed::Box, sync::Arc, vec::Vec};
use bindery_types::{GroupId, InstanceId, Ipv4Addr, MacAddr, PoolId, Prefix4};
use bindery_wire::v4::OptionCode;

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
}

impl Config {
    /// The group `id` names, if this configuration has it.
    pub fn group(&self, id: GroupId) -> Option<&Group> {
        self.groups.get(usize::from(id.0))
    }

    /// The pool `id` names, if this configuration has it.
    pub fn pool(&self, id: PoolId) -> Option<&Pool> {
        self.pools.get(usize::from(id.0))
    }
}

/// `group NAME` of a local server: what holds for the clients of its interfaces.
#[derive(Clone, Debug, PartialEq, Eq)]
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// The interface's name, or a prefix of names with a trailing `*`.
    pub pattern: Box<str>,
    /// The group it belongs to.
    pub group: GroupId,
    /// Overrides of this interface, inheritance applied: in place of the group's.
    pub overrides: Option<Overrides>,
    /// Plugins of this interface, stage by stage in place of the group's.
    pub chains: Chains,
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
    /// `include-option-82 nak`: echo option 82 in the DHCPNAK of a direct client too; a relayed one always has it.
    pub option_82_in_nak: bool,
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
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// `dhcp-attributes`.
    pub attributes: Attributes,
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

/// `host NAME`: an address kept for one hardware address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// The reservation's name.
    pub name: Box<str>,
    /// `hardware-address`; unique in the pool.
    pub hardware_address: MacAddr,
    /// `ip-address`; unique in the pool, inside its network.
    pub ip_address: Ipv4Addr,
}

/// `dhcp-attributes` of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// `maximum-lease-time`: granted to everyone; shorter when the client asks for less (option 51).
    pub lease: Lease,
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
