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
}

/// Usage of a pool.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct Pool {
    /// Name.
    pub pool_name: String,
    /// Addresses that can be leased.
    pub total: u64,
    /// In a live binding or offered.
    pub used: u64,
    /// In quarantine after DHCPDECLINE.
    pub quarantined: u64,
}

/// Reply of `Pools`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PoolList {
    /// The pools, in configuration order.
    pub pools: Vec<Pool>,
}
