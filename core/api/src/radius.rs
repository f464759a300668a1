//! RADIUS servers and what was asked of them.

use crate::Counter;
use serde::{Deserialize, Serialize};

/// One port of a RADIUS server.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct RadiusServer {
    /// Address of the server.
    pub address: String,
    /// UDP port.
    pub port: u16,
    /// `authentication` or `accounting`.
    pub service: String,
    /// `up`, or `dead`: it did not answer and is left alone for the revert-interval.
    pub state: String,
    /// Requests that wait for its answer.
    pub outstanding: u16,
    /// Requests sent, each once.
    pub requests: u64,
    /// Requests that it let time out.
    pub timeouts: u64,
    /// All that was counted of it.
    pub counters: Vec<Counter>,
}

/// Reply of `RadiusServers`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct RadiusServerList {
    /// In the order of the configuration, the authentication port of each first.
    pub servers: Vec<RadiusServer>,
}

/// Reply of `AaaStatistics`. Counters that are zero are there too.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct AaaStatistics {
    /// Newcomers that RADIUS was asked about.
    pub authentication: Vec<Counter>,
    /// Accounting records.
    pub accounting: Vec<Counter>,
    /// Disconnect- and CoA-Requests.
    pub dynamic_requests: Vec<Counter>,
    /// Whether the file of accounting records cannot be written: they would not survive a restart.
    pub accounting_fault: bool,
}
