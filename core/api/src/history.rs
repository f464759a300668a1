//! What happened to subscribers.

use serde::{Deserialize, Serialize};

/// Whose history; the query of `History`. Exactly one field is set.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct HistoryQuery {
    /// IPv4 address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// MAC address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// Session id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<u64>,
    /// Option 61 in hexadecimal digits, its type with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
}

impl HistoryQuery {
    /// The fields as query parameters, values not yet escaped.
    pub fn query(&self) -> Vec<(&'static str, String)> {
        let fields = [("address", &self.address), ("mac", &self.mac), ("client-id", &self.client_id)];
        let mut query: Vec<_> = fields.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect();
        query.extend(self.session.map(|id| ("session", id.to_string())));
        query
    }
}

/// Something that happened to a subscriber.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct HistoryEntry {
    /// When, seconds since 1970 UTC; the last time, where it happened several times in a row.
    pub time: u64,
    /// Number of the exchange since the daemon's start: traces and the log name it too.
    pub exchange: u64,
    /// What: `offered`, `lapsed`, `bound`, `renewed`, `refused`, `informed`, `reconfigured`, `released`, `expired`, `cleared`,
    /// `declined`, `unquarantined`, `imported` or `dropped`.
    pub what: String,
    /// Why, as a word; absent where nothing more is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Why a packet was dropped: the name of its counter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropped: Option<String>,
    /// The packet that was the cause; absent for a deadline or a command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// How often in a row.
    pub times: u16,
    /// Session id; absent for a client without a session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<u64>,
    /// Client hardware address; absent where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac_address: Option<String>,
    /// The address that it was about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The packet's interface, or the session's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface_name: Option<String>,
    /// The packet's xid in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xid: Option<String>,
    /// Pool of the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool_name: Option<String>,
    /// The plugin that decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<String>,
    /// User id of the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<u32>,
    /// Configuration revision then.
    pub revision: u64,
    /// What happened and why, in words.
    pub text: String,
}

/// Reply of `History`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct HistoryList {
    /// The newest 1,000 at most, the oldest first.
    pub entries: Vec<HistoryEntry>,
    /// Older ones that were left out.
    pub left_out: u64,
}
