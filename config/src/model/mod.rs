//! What the configuration says, typed: as it was written, nothing filled in.
//!
//! [`Model::resolve`] fills in defaults and inheritance and gives the engine's configuration.

mod authentication;
mod build;
mod choosing;
mod client_value;
mod constraints;
mod instance;
mod login;
mod neighbour;
mod options;
mod overrides;
mod plugins;
mod pools;
mod radius;
pub(crate) mod read;
mod resolve;
mod rules;
mod secret;
mod shipped;
mod trace;
mod vlan;

pub use authentication::{AccessBinding, Authentication, IncludeClientId, IncludeOption82, UsernameInclude};
pub use choosing::Choosing;
pub(crate) use constraints::{constraints, read_host_tables};
pub use instance::{InstanceType, KernelInstance, KernelTable, RoutingInstance, Server};
pub use login::{Login, LoginClass, LoginUser, PREDEFINED, Permission, permission_of};
pub use overrides::{Answering, ProtocolAttributes};
pub use plugins::{FlatSetting, Grants, OnFailure, PluginConfig, Setting, flatten};
pub use radius::{
    AccessProfile, Accounting, AccountingStatistics, AuthenticationMethod, DisconnectClient, RadiusOptions,
    RadiusServer,
};
pub use read::Spanned;
pub use resolve::{Driver, System};
pub use rules::Rules;
pub use secret::Secret;
pub use shipped::Shipped;
pub use trace::{Trace, Traces};
pub use vlan::AutoConfigure;

use crate::{host_table::HostTable, tree::Span};
use bindery_engine::{
    config::{AddressProbe, DiscoverMatch, Lease, Liveness, RouteSuppression, Timer},
    policy::Stage,
};
use bindery_types::{IpAddr, Ipv4Addr, MacAddr, Prefix4};
use bindery_wire::v4::OptionCode;
use std::{collections::BTreeMap, sync::Arc};

/// The whole configuration as it was written.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// `system login`.
    pub login: Login,
    /// `traceoptions` and `interface-traceoptions`.
    pub traces: Traces,
    /// What stands outside of `routing-instances`: the default routing instance.
    pub default_instance: RoutingInstance,
    /// `routing-instances NAME`, in order.
    pub routing_instances: Vec<RoutingInstance>,
    /// `interfaces NAME auto-configure`, in order.
    pub auto_configure: Vec<AutoConfigure>,
    /// `ltv-syslog-interval`, seconds.
    pub ltv_log_secs: Option<u32>,
    /// `plugins plugin`, in order.
    pub plugins: Vec<PluginConfig>,
    /// Names of all plugins, also of those that are at fault.
    pub plugin_names: Vec<Spanned<String>>,
    /// `policy` of the top level.
    pub policy: Policies,
    /// `access radius-server`, in order.
    pub radius_servers: Vec<RadiusServer>,
    /// Addresses of all `radius-server`s, also of those that are at fault.
    pub radius_server_addresses: Vec<Spanned<IpAddr>>,
    /// `access radius-options`.
    pub radius_options: RadiusOptions,
    /// `access profile`, in order.
    pub access_profiles: Vec<AccessProfile>,
    /// `access radius-disconnect`, in order.
    pub radius_disconnect: Vec<DisconnectClient>,
    /// `access radius-disconnect-port`.
    pub radius_disconnect_port: Option<u16>,
    /// `routing-options access-internal protocol`.
    pub route_protocol: Option<u8>,
    /// `routing-options access-internal driver`.
    pub driver: Option<Driver>,
    /// `routing-options access-internal reconcile-interval`, seconds.
    pub reconcile_interval_secs: Option<u32>,
}

/// Names of plugins by stage, in chain order.
pub type Policies = BTreeMap<Stage, Vec<Spanned<String>>>;

/// `reconfigure` of one level.
#[derive(Clone, Debug, Default)]
pub struct Reconfigure {
    /// `attempts`.
    pub attempts: Option<u8>,
    /// `timeout`, seconds.
    pub timeout_secs: Option<u8>,
    /// `token`.
    pub token: Option<Secret>,
    /// `clear-on-abort`.
    pub clear_on_abort: bool,
    /// `defer-nack-on-abort`.
    pub defer_nack_on_abort: bool,
    /// `trigger radius-disconnect`.
    pub on_radius_disconnect: bool,
    /// Its place.
    pub span: Span,
}

/// `allow-leasequery`.
#[derive(Clone, Copy, Debug, Default)]
pub struct AllowLeasequery {
    /// `restricted-requestor`.
    pub restricted_requestor: bool,
}

/// `group NAME`.
#[derive(Clone, Debug)]
pub struct Group {
    /// Its name.
    pub name: Spanned<String>,
    /// Its `overrides`, in place of the server's.
    pub overrides: Option<Overrides>,
    /// Its `policy`, stage by stage in place of the top level's.
    pub policy: Policies,
    /// Its `reconfigure`, in place of the server's.
    pub reconfigure: Option<Reconfigure>,
    /// Its `authentication`, in place of the server's.
    pub authentication: Option<Authentication>,
    /// Its `access-profile`, in place of the server's.
    pub access_profile: Option<Spanned<String>>,
    /// Its `liveness-detection`, in place of the server's.
    pub liveness: Option<Spanned<Liveness>>,
    /// Its `route-suppression`, in place of the server's.
    pub route_suppression: Option<Spanned<RouteSuppression>>,
    /// Its rules, each in place of the server's.
    pub rules: Rules,
    /// Its `interface`s, in order.
    pub interfaces: Vec<Interface>,
}

/// `interface IFL` of a group.
#[derive(Clone, Debug)]
pub struct Interface {
    /// A name, or the beginning of names with a trailing `*`.
    pub pattern: Spanned<String>,
    /// `upto`.
    pub upto: Option<Spanned<String>>,
    /// Where `exclude` stands.
    pub exclude: Option<Span>,
    /// What stands beside `exclude` and may not.
    pub beside_exclude: Vec<Spanned<&'static str>>,
    /// Its `overrides`, in place of the group's.
    pub overrides: Option<Overrides>,
    /// `trace`.
    pub trace: bool,
    /// Its `policy`, stage by stage in place of the group's.
    pub policy: Policies,
    /// Its `short-cycle-protection`, in place of the group's.
    pub rules: Rules,
}

/// `overrides` of one level.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `interface-client-limit`.
    pub interface_client_limit: Option<u32>,
    /// `address-probe`.
    pub address_probe: Option<AddressProbe>,
    /// `no-arp`.
    pub no_arp: bool,
    /// Where it stands.
    pub no_arp_at: Option<Span>,
    /// `process-inform`, and its `pool`.
    pub process_inform: Option<Option<Spanned<String>>>,
    /// `allow-no-end-option`.
    pub allow_no_end_option: bool,
    /// `delete-binding-on-renegotiation`.
    pub delete_binding_on_renegotiation: bool,
    /// `nak-unknown-renew`.
    pub nak_unknown_renew: bool,
    /// `nak-unknown-rebind`.
    pub nak_unknown_rebind: bool,
    /// When and how clients are answered.
    pub answering: Answering,
    /// `include-option-82 nak`.
    pub option_82_in_nak: bool,
    /// `client-discover-match`.
    pub client_discover_match: Option<DiscoverMatch>,
    /// `subnet-selection`.
    pub subnet_selection: Vec<Prefix4>,
}

/// `pool NAME`, with its `family inet`.
#[derive(Clone, Debug)]
pub struct Pool {
    /// Its name.
    pub name: Spanned<String>,
    /// `hold-down`.
    pub hold_down: bool,
    /// `active-drain`.
    pub active_drain: bool,
    /// `link`.
    pub link: Option<Spanned<String>>,
    /// `network`; absent only where the text is at fault.
    pub network: Option<Spanned<Prefix4>>,
    /// `range`s, in order.
    pub ranges: Vec<Range>,
    /// `excluded-range`s, in order.
    pub excluded_ranges: Vec<Range>,
    /// `excluded-address`.
    pub excluded_addresses: Vec<Spanned<Ipv4Addr>>,
    /// `host`s, in order.
    pub hosts: Vec<Host>,
    /// `host-table`.
    pub host_table: Option<PoolTable>,
    /// `dhcp-attributes`.
    pub attributes: Attributes,
}

/// `range NAME` or `excluded-range NAME`, both ends written.
#[derive(Clone, Debug)]
pub struct Range {
    /// Its name.
    pub name: Spanned<String>,
    /// `low`.
    pub low: Spanned<Ipv4Addr>,
    /// `high`.
    pub high: Spanned<Ipv4Addr>,
}

/// `host NAME`, its address written.
#[derive(Clone, Debug)]
pub struct Host {
    /// Its name.
    pub name: Spanned<String>,
    /// `hardware-address`.
    pub hardware_address: Option<Spanned<MacAddr>>,
    /// `client-identifier`, as it was written.
    pub client_identifier: Option<Spanned<String>>,
    /// `user-name`.
    pub user_name: Option<Spanned<String>>,
    /// Whether one of the three is written, faulty or not.
    pub is_known: bool,
    /// `ip-address`.
    pub ip_address: Spanned<Ipv4Addr>,
}

/// `host-table FILE`.
#[derive(Clone, Debug)]
pub struct PoolTable {
    /// The file, as it was written.
    pub path: Spanned<String>,
    /// What it has; none where it could not be read.
    pub table: Option<Arc<HostTable>>,
}

/// `dhcp-attributes`.
#[derive(Clone, Debug, Default)]
pub struct Attributes {
    /// `maximum-lease-time`.
    pub lease: Option<Spanned<Lease>>,
    /// `valid-lifetime`.
    pub valid_lifetime: Option<Spanned<Lease>>,
    /// `preferred-lifetime`.
    pub preferred_lifetime: Option<Spanned<Lease>>,
    /// `grace-period`, seconds.
    pub grace_secs: Option<u32>,
    /// `option-match option-82`, in order.
    pub option_match: Vec<OptionMatch>,
    /// `t1-percentage` or `t1-renewal-time`.
    pub t1: Vec<Spanned<Timer>>,
    /// `t2-percentage` or `t2-rebinding-time`.
    pub t2: Vec<Spanned<Timer>>,
    /// `server-identifier`.
    pub server_identifier: Option<Ipv4Addr>,
    /// `next-server`.
    pub next_server: Option<Ipv4Addr>,
    /// `boot-file`.
    pub boot_file: Option<String>,
    /// `boot-server`.
    pub boot_server: Option<String>,
    /// Every statement that makes an option, in order.
    pub options: Vec<PoolOption>,
}

impl Attributes {
    /// The lease time: `maximum-lease-time`, or `valid-lifetime` in its place.
    pub fn lease(&self) -> Option<&Spanned<Lease>> {
        self.lease.as_ref().or(self.valid_lifetime.as_ref())
    }

    /// T1 and T2 as `preferred-lifetime` makes them, where neither is written (as RFC 8415 §14.2 has them follow from
    /// it).
    pub fn preferred_timers(&self) -> Option<(Timer, Timer)> {
        match self.preferred_lifetime.as_ref()?.value {
            Lease::Secs(secs) if self.t1.is_empty() && self.t2.is_empty() => {
                Some((Timer::Secs(secs / 2), Timer::Secs(secs - secs.div_ceil(8))))
            }
            _ => None,
        }
    }
}

/// `circuit-id VALUE range RANGE` or `remote-id VALUE range RANGE` of `option-match option-82`.
#[derive(Clone, Debug)]
pub struct OptionMatch {
    /// Whether it is a `circuit-id`.
    pub is_circuit: bool,
    /// The value, as it was written.
    pub value: Spanned<String>,
    /// `range`.
    pub range: Spanned<String>,
}

/// A statement that makes an option.
#[derive(Clone, Debug)]
pub struct PoolOption {
    /// The option's code.
    pub code: OptionCode,
    /// The statement, for messages: `router`, or `option 3`.
    pub statement: String,
    /// Its place.
    pub span: Span,
    /// The encoded value; an error text where the text cannot be encoded.
    pub value: Result<Vec<u8>, String>,
}
