//! Routes of subscribers.

use serde::{Deserialize, Serialize};

/// A route that belongs to a session.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct Route {
    /// Destination prefix.
    pub destination: String,
    /// Routing instance; `default` for the default one.
    #[serde(default)]
    pub routing_instance: String,
    /// `Access-internal`; `Access` for a route via the client, beside its own.
    pub protocol: String,
    /// Preference as Junos shows it.
    pub preference: u8,
    /// Seconds since the session began.
    pub age: u64,
    /// Interface.
    pub interface_name: String,
    /// Gateway; absent where the client is on-link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
    /// Preferred source address; absent for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Metric; absent for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<u32>,
    /// Routing table in place of the instance's; absent for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<u32>,
    /// Tag; absent for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<u32>,
    /// The session.
    pub session_id: u64,
    /// Whether it is known to stand in the forwarding plane.
    pub installed: bool,
}

/// Which routes `Routes` lists.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RouteQuery {
    /// Those of one protocol; all where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<RouteProtocol>,
}

/// Where a subscriber's route comes from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum RouteProtocol {
    /// The route to the subscriber's address.
    AccessInternal,
    /// A route via the subscriber, beside that.
    Access,
}

/// Reply of `Routes`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RouteList {
    /// The routes.
    pub routes: Vec<Route>,
}
