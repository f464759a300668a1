//! Plugins.

use crate::Counter;
use serde::{Deserialize, Serialize};

/// A plugin with its counters since the commit that loaded it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct Plugin {
    /// Name in the configuration.
    pub name: String,
    /// File of the component.
    pub path: String,
    /// SHA-256 of the component, hexadecimal.
    pub sha256: String,
    /// `running` on the packet thread; `deferred` to a thread of its own, since it was too slow; `open` while its
    /// circuit breaker keeps it from being called.
    pub state: String,
    /// Calls.
    pub calls: u64,
    /// Verdicts that dropped a reply.
    pub drops: u64,
    /// Failures in all.
    pub failed: u64,
    /// Failures by kind.
    pub failures: Vec<Counter>,
    /// Its own counters, if it was granted any.
    #[serde(default)]
    pub counters: Vec<Counter>,
    /// Times that its instance was made anew.
    pub restarts: u64,
    /// The last failure in words; empty for none.
    pub last_failure: String,
    /// Median time of a call, nanoseconds.
    pub p50_ns: u64,
    /// 99th percentile of the time of a call, nanoseconds.
    pub p99_ns: u64,
    /// Linear memory of its instance, bytes.
    pub memory_bytes: u64,
}

/// Reply of `Plugins`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PluginList {
    /// The plugins, in configuration order.
    pub plugins: Vec<Plugin>,
}
