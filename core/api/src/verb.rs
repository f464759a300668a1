//! What an operator can do.

use serde::{Deserialize, Serialize};

/// Who may do it: decided by the peer's credentials on the socket.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Permission {
    /// Looks only.
    View,
    /// Ends sessions, resets counters.
    Clear,
    /// Changes the configuration or ends the daemon.
    Configure,
}

impl Permission {
    /// Its name in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Clear => "clear",
            Self::Configure => "configure",
        }
    }
}

/// HTTP method of a verb.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Method {
    /// Reads.
    Get,
    /// Changes something.
    Post,
}

/// The closed list of verbs. The CLI has a command for each and nothing else.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Verb {
    /// `show version`.
    Version,
    /// `show dhcp server binding`, with a [`Selector`] in the query.
    Bindings,
    /// `show dhcp server binding summary`.
    BindingSummary,
    /// `clear dhcp server binding`, with a [`Selector`] in the query.
    ClearBindings,
    /// `request dhcp server binding import`, with an [`Import`](crate::Import) in the body.
    ImportBindings,
    /// `monitor dhcp server binding`: server-sent events, with an [`EventQuery`](crate::EventQuery) in the query.
    Events,
    /// `show dhcp server statistics`.
    Statistics,
    /// `clear dhcp server statistics`.
    ClearStatistics,
    /// `show dhcp statistics`, with an [`OfInterface`](crate::OfInterface) in the query.
    DhcpStatistics,
    /// `clear dhcp statistics`, with an [`OfInterface`](crate::OfInterface) in the query.
    ClearDhcpStatistics,
    /// `show dhcp server history`, with a [`HistoryQuery`](crate::HistoryQuery) in the query.
    History,
    /// `show metrics`: text for Prometheus.
    Metrics,
    /// `request dhcp server reconfigure`, with a [`ReconfigureQuery`](crate::ReconfigureQuery) in the query.
    Reconfigure,
    /// `show dhcp server reconfigure capability`.
    ReconfigureCapability,
    /// `show route`.
    Routes,
    /// `show plugins`.
    Plugins,
    /// `show access address-assignment pool`.
    Pools,
    /// `show dhcp server lockout-entries`, with a [`LockoutQuery`](crate::LockoutQuery) in the query.
    Lockouts,
    /// `clear dhcp server lockout-entries`, with a [`LockoutQuery`](crate::LockoutQuery) in the query.
    ClearLockouts,
    /// `show dhcp server rogue-servers`.
    RogueServers,
    /// `clear dhcp server rogue-servers`.
    ClearRogueServers,
    /// `show system subscriber-management dhcpv4-liveness-detection`: bindings whose clients have not answered.
    Liveness,
    /// `show interfaces auto-configure`.
    VlanDevices,
    /// `show network-access aaa radius-servers`.
    RadiusServers,
    /// `show network-access aaa statistics`.
    AaaStatistics,
    /// `show configuration`, with a [`ShowQuery`](crate::ShowQuery) in the query.
    ConfigurationShow,
    /// `configure`, with an [`Open`](crate::Open) in the body.
    ConfigurationOpen,
    /// `exit` of configuration mode, with an [`OfSession`](crate::OfSession) in the body.
    ConfigurationClose,
    /// `status`.
    ConfigurationSessions,
    /// `set`, `delete` and the others, with an [`Edit`](crate::Edit) in the body.
    ConfigurationEdit,
    /// `load`, with a [`Load`](crate::Load) in the body.
    ConfigurationLoad,
    /// `rollback`, with a [`Rollback`](crate::Rollback) in the body.
    ConfigurationRollback,
    /// `update` of a private candidate, with an [`OfSession`](crate::OfSession) in the body.
    ConfigurationUpdate,
    /// Completion and help of editing commands, with a [`CompleteQuery`](crate::CompleteQuery) in the query.
    ConfigurationComplete,
    /// `commit`, with a [`Commit`](crate::Commit) in the body.
    ConfigurationCommit,
    /// `show system commit`.
    CommitHistory,
    /// `clear system commit`.
    CommitClear,
    /// `show system commit progress`.
    CommitProgress,
    /// `request system commit stop`: ends a paced renumbering.
    CommitStop,
    /// `request system configuration rescue`, with a [`Rescue`](crate::Rescue) in the body.
    Rescue,
    /// `request system reload`.
    Reload,
    /// `request system shutdown`; `withdraw-routes` in the query removes the routes.
    Shutdown,
}

impl Verb {
    /// All of them.
    pub const ALL: [Self; 42] = [
        Self::Version,
        Self::Bindings,
        Self::BindingSummary,
        Self::ClearBindings,
        Self::ImportBindings,
        Self::Events,
        Self::Statistics,
        Self::ClearStatistics,
        Self::DhcpStatistics,
        Self::ClearDhcpStatistics,
        Self::History,
        Self::Metrics,
        Self::Reconfigure,
        Self::ReconfigureCapability,
        Self::Routes,
        Self::Plugins,
        Self::Pools,
        Self::Lockouts,
        Self::ClearLockouts,
        Self::RogueServers,
        Self::ClearRogueServers,
        Self::Liveness,
        Self::VlanDevices,
        Self::RadiusServers,
        Self::AaaStatistics,
        Self::ConfigurationShow,
        Self::ConfigurationOpen,
        Self::ConfigurationClose,
        Self::ConfigurationSessions,
        Self::ConfigurationEdit,
        Self::ConfigurationLoad,
        Self::ConfigurationRollback,
        Self::ConfigurationUpdate,
        Self::ConfigurationComplete,
        Self::ConfigurationCommit,
        Self::CommitHistory,
        Self::CommitClear,
        Self::CommitProgress,
        Self::CommitStop,
        Self::Rescue,
        Self::Reload,
        Self::Shutdown,
    ];

    /// Its path.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Version => "/v1/version",
            Self::Bindings => "/v1/dhcp/server/bindings",
            Self::BindingSummary => "/v1/dhcp/server/bindings/summary",
            Self::ClearBindings => "/v1/dhcp/server/bindings/clear",
            Self::ImportBindings => "/v1/dhcp/server/bindings/import",
            Self::Events => "/v1/events",
            Self::Statistics => "/v1/dhcp/server/statistics",
            Self::ClearStatistics => "/v1/dhcp/server/statistics/clear",
            Self::DhcpStatistics => "/v1/dhcp/statistics",
            Self::ClearDhcpStatistics => "/v1/dhcp/statistics/clear",
            Self::History => "/v1/dhcp/server/history",
            Self::Metrics => "/metrics",
            Self::Reconfigure => "/v1/dhcp/server/reconfigure",
            Self::ReconfigureCapability => "/v1/dhcp/server/reconfigure/capability",
            Self::Routes => "/v1/routes",
            Self::Plugins => "/v1/plugins",
            Self::Pools => "/v1/access/address-assignment/pools",
            Self::Lockouts => "/v1/dhcp/server/lockout-entries",
            Self::ClearLockouts => "/v1/dhcp/server/lockout-entries/clear",
            Self::RogueServers => "/v1/dhcp/server/rogue-servers",
            Self::ClearRogueServers => "/v1/dhcp/server/rogue-servers/clear",
            Self::Liveness => "/v1/dhcp/server/liveness-detection",
            Self::VlanDevices => "/v1/vlan-devices",
            Self::RadiusServers => "/v1/access/radius-servers",
            Self::AaaStatistics => "/v1/access/statistics",
            Self::ConfigurationShow => "/v1/configuration",
            Self::ConfigurationOpen => "/v1/configuration/sessions/open",
            Self::ConfigurationClose => "/v1/configuration/sessions/close",
            Self::ConfigurationSessions => "/v1/configuration/sessions",
            Self::ConfigurationEdit => "/v1/configuration/edit",
            Self::ConfigurationLoad => "/v1/configuration/load",
            Self::ConfigurationRollback => "/v1/configuration/rollback",
            Self::ConfigurationUpdate => "/v1/configuration/update",
            Self::ConfigurationComplete => "/v1/configuration/complete",
            Self::ConfigurationCommit => "/v1/configuration/commit",
            Self::CommitHistory => "/v1/system/commit",
            Self::CommitClear => "/v1/system/commit/clear",
            Self::CommitProgress => "/v1/system/commit/progress",
            Self::CommitStop => "/v1/system/commit/stop",
            Self::Rescue => "/v1/system/configuration/rescue",
            Self::Reload => "/v1/system/reload",
            Self::Shutdown => "/v1/system/shutdown",
        }
    }

    /// Its method.
    pub const fn method(self) -> Method {
        match self.permission() {
            Permission::View => Method::Get,
            Permission::Clear | Permission::Configure => Method::Post,
        }
    }

    /// Who may use it.
    pub const fn permission(self) -> Permission {
        match self {
            Self::Version
            | Self::Bindings
            | Self::BindingSummary
            | Self::Events
            | Self::Statistics
            | Self::DhcpStatistics
            | Self::History
            | Self::Metrics
            | Self::ReconfigureCapability
            | Self::Routes
            | Self::Plugins
            | Self::Pools
            | Self::Lockouts
            | Self::RogueServers
            | Self::Liveness
            | Self::VlanDevices
            | Self::RadiusServers
            | Self::AaaStatistics
            | Self::ConfigurationShow
            | Self::ConfigurationSessions
            | Self::ConfigurationComplete
            | Self::CommitHistory
            | Self::CommitProgress => Permission::View,
            Self::ClearBindings
            | Self::ClearLockouts
            | Self::ClearRogueServers
            | Self::ClearStatistics
            | Self::ClearDhcpStatistics
            | Self::Reconfigure => Permission::Clear,
            Self::Reload
            | Self::Shutdown
            | Self::ImportBindings
            | Self::ConfigurationOpen
            | Self::ConfigurationClose
            | Self::ConfigurationEdit
            | Self::ConfigurationLoad
            | Self::ConfigurationRollback
            | Self::ConfigurationUpdate
            | Self::ConfigurationCommit
            | Self::CommitClear
            | Self::CommitStop
            | Self::Rescue => Permission::Configure,
        }
    }
}

/// Which bindings; the query of [`Verb::Bindings`] and [`Verb::ClearBindings`]. Beside `routing-instance` at most one field
/// is set; none means all for a view, and is refused for a clear, which wants `all`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Selector {
    /// IPv4 address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// MAC address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// Session id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<u64>,
    /// Interface, or the beginning of names with a trailing `*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// Pool of the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// Those whose lease was too short for `lease-time-validation`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lease_time_violation: bool,
    /// All bindings, said explicitly.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
    /// Routing instance they are in, or `all` for any; without it the default one, but for a session id, which is unique.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routing_instance: Option<String>,
}

impl Selector {
    /// The fields as query parameters, values not yet escaped.
    pub fn query(&self) -> Vec<(&'static str, String)> {
        let mut query = Vec::new();
        let fields =
            [("address", &self.address), ("mac", &self.mac), ("interface", &self.interface), ("pool", &self.pool)];
        query.extend(fields.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))));
        query.extend(self.session.map(|id| ("session", id.to_string())));
        if self.lease_time_violation {
            query.push(("lease-time-violation", "true".to_owned()));
        }
        if self.all {
            query.push(("all", "true".to_owned()));
        }
        query.extend(self.routing_instance.iter().map(|name| ("routing-instance", name.clone())));
        query
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_have_paths_of_their_own_and_only_views_are_read() {
        for (i, verb) in Verb::ALL.into_iter().enumerate() {
            assert!(Verb::ALL[..i].iter().all(|other| other.path() != verb.path()), "{verb:?}");
            assert_eq!(verb.method() == Method::Get, verb.permission() == Permission::View, "{verb:?}");
        }
    }
}
