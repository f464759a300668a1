//! Clients that `short-cycle-protection` locks out or watches (junos.md §11.5).

use serde::{Deserialize, Serialize};

/// A client that logged in and out in short cycles, or was refused.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct Lockout {
    /// Its number, from 1; used again when the client is forgotten.
    pub index: u32,
    /// Who: client id in hexadecimal or hardware address, `on` its interface, and `circuit` where its relay names one.
    pub key: String,
    /// Hardware address.
    pub mac_address: String,
    /// Interface.
    pub interface_name: String,
    /// `lockout`: its DISCOVERs are dropped; `grace`: it is watched, and its next cycle locks it out for longer.
    pub state: String,
    /// When the state ends, seconds since 1970 UTC.
    pub expiry_time: u64,
    /// Seconds until then.
    pub expiry_relative_time: u64,
    /// Seconds since its last cycle.
    pub elapsed_time: u64,
    /// Cycles.
    pub count: u32,
    /// Lockout that the next cycle will bring, seconds.
    pub next_time: u64,
    /// `lockout-min-time`, seconds.
    pub min_time: u32,
    /// `lockout-max-time`, seconds.
    pub max_time: u32,
    /// What the last cycle was: `released`, `expired`, `declined`, `rejected` (by RADIUS or a plugin), `refused` (DHCPNAK).
    pub err_code: String,
}

/// Reply of `Lockouts`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct LockoutList {
    /// The clients.
    pub lockout_entries: Vec<Lockout>,
}

/// Which clients: the query of `Lockouts` and `ClearLockouts`. Exactly one of both.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LockoutQuery {
    /// The one with this number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// All of them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
}
