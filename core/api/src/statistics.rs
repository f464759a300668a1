//! Counters.

use serde::{Deserialize, Serialize};

/// A counter with its name.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct Counter {
    /// Machine name.
    pub name: String,
    /// The words that `show` prints.
    pub label: String,
    /// The count.
    pub count: u64,
}

/// Reply of `Statistics`. Counters that are zero are there too.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct Statistics {
    /// Sum of `packets_dropped`.
    pub dropped_total: u64,
    /// Packets that ended without an answer, by reason.
    pub packets_dropped: Vec<Counter>,
    /// By message type.
    pub messages_received: Vec<Counter>,
    /// By message type.
    pub messages_sent: Vec<Counter>,
    /// `delay-offer`: DISCOVERs that were held back and answered, that are held back now, and all of them; empty where
    /// one interface is asked about.
    pub offer_delay: Vec<Counter>,
    /// Address probes, liveness detection, foreign servers.
    #[serde(default)]
    pub neighbours: Vec<Counter>,
}

/// Which interface; the query of `DhcpStatistics` and `ClearDhcpStatistics`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct OfInterface {
    /// The interface; absent for the totals, in which packets without a known interface are too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
}

/// Usage of a pool.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct Pool {
    /// Name.
    pub pool_name: String,
    /// Routing instance; `default` for the default one. Two of them may have pools of one name.
    #[serde(default)]
    pub routing_instance: String,
    /// Addresses that can be leased.
    pub total: u64,
    /// In a live binding or offered.
    pub used: u64,
    /// In quarantine after DHCPDECLINE.
    pub quarantined: u64,
    /// Held by nobody. `total` is the sum of `free`, `offered`, `bound`, `quarantined` and `held`.
    #[serde(default)]
    pub free: u64,
    /// Offered.
    #[serde(default)]
    pub offered: u64,
    /// In a live binding.
    #[serde(default)]
    pub bound: u64,
    /// Kept for the last client when its lease has run out (`grace-period`).
    #[serde(default)]
    pub held: u64,
    /// What is not free, percent of `total`, rounded down.
    #[serde(default)]
    pub percent: u8,
    /// `normal`, or `high`: it rose above `high-utilization` and has not fallen under `abated-utilization` since.
    #[serde(default)]
    pub utilization: String,
    /// `high-utilization`, percent, where it is configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high_utilization: Option<u8>,
    /// `abated-utilization`, percent, where it is configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub abated_utilization: Option<u8>,
    /// `none`, `hold-down` (no new bindings) or `active-drain` (and who has one is sent away).
    #[serde(default)]
    pub drain: String,
    /// Network.
    #[serde(default)]
    pub network: String,
    /// The pool that it is linked to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}

/// Reply of `Pools`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PoolList {
    /// The pools, in configuration order.
    pub pools: Vec<Pool>,
}
