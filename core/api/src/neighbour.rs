//! What is heard on subscribers' segments beside DHCP requests.

use serde::{Deserialize, Serialize};

/// A foreign DHCP server.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct RogueServer {
    /// Interface.
    pub interface_name: String,
    /// Option 54, or the source address of a reply without it.
    pub server_address: String,
    /// Hardware address of its frames; absent where only clients named it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac_address: Option<String>,
    /// How it was found: `reply` (its own DHCPOFFER, DHCPACK or DHCPNAK), `request` (a client's DHCPREQUEST names it).
    pub evidence: String,
    /// When it was first seen, seconds since 1970 UTC.
    pub first_seen_time: u64,
    /// When it was last seen, seconds since 1970 UTC.
    pub last_seen_time: u64,
    /// Messages.
    pub count: u64,
    /// The last address that it offered, or that a client took from it; absent for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offered_address: Option<String>,
}

/// Reply of `RogueServers`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct RogueServerList {
    /// The servers, the one that was seen last first.
    pub rogue_servers: Vec<RogueServer>,
}
