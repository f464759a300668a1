//! The daemon itself.

use serde::{Deserialize, Serialize};

/// Reply of `Version`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct Version {
    /// Program.
    pub name: String,
    /// Release.
    pub version: String,
    /// Version of this API.
    pub api: u32,
    /// Active configuration revision.
    pub revision: u64,
    /// Seconds since start.
    pub uptime: u64,
}

/// Query of `Reload`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Reload {
    /// Also where live sessions lose their address or their server.
    #[serde(default)]
    pub force: bool,
}

/// Reply of `Reload`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct Reloaded {
    /// Active configuration revision.
    pub revision: u64,
    /// Sections that changed; empty when nothing did.
    pub changes: Vec<String>,
}

/// Query of `Shutdown`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Shutdown {
    /// Remove all routes and neighbours of ours first.
    #[serde(default)]
    pub withdraw_routes: bool,
}

/// Every reply whose status is not 200.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ApiError {
    /// What is wrong and what to do.
    pub error: String,
}

/// Reply of verbs that have nothing to tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Empty {}
