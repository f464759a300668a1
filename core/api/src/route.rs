//! Routes of subscribers.

use serde::{Deserialize, Serialize};

/// A route that belongs to a session.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Route {
    /// Destination prefix.
    pub destination: String,
    /// `Access-internal`.
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
    /// The session.
    pub session_id: u64,
    /// Whether it is known to stand in the forwarding plane.
    pub installed: bool,
}

/// Reply of `Routes`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct RouteList {
    /// The routes.
    pub routes: Vec<Route>,
}
