//! Bindings of the local server.

use serde::{Deserialize, Serialize};

/// One binding.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct Binding {
    /// Session id: unique for ever.
    pub session_id: u64,
    /// Leased address.
    pub allocated_address: String,
    /// Client hardware address.
    pub mac_address: String,
    /// Public state: BOUND, RENEWING, RELEASE, ...
    pub lease_state: String,
    /// Seconds left; absent for an infinite lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_expires: Option<u64>,
    /// End of the lease, seconds since 1970 UTC by the wall clock of now; absent for an infinite lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_end_time: Option<u64>,
    /// Start of the session, seconds since 1970 UTC.
    pub lease_start_time: u64,
    /// Last packet of the client, seconds since 1970 UTC.
    pub last_packet_received_time: u64,
    /// Interface the client logged in on.
    pub interface_name: String,
    /// Option 54 of the last reply.
    pub server_identifier: String,
    /// Relay; absent for a direct client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bootp_relay_address: Option<String>,
    /// Pool.
    pub pool_name: String,
    /// Group.
    pub group_name: String,
    /// Option 61 in hexadecimal; absent when the client sent none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Option 82 in hexadecimal; absent when there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub option_82: Option<String>,
    /// Option 60 as text; absent when the client sent none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor_class: Option<String>,
    /// Option 12 as text; absent when the client sent none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_name: Option<String>,
    /// User-Name of an authority, as text; absent for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    /// Seconds until the service ends (Session-Timeout); absent where it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_timeout: Option<u64>,
    /// Acct-Session-Id of its accounting records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accounting_session_id: Option<String>,
    /// Acct-Multi-Session-Id: the session that it goes on from; absent for its own id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub multi_accounting_session_id: Option<String>,
    /// `none`, `reconfiguring` (for another address), `refreshing` (for new options), or `deferred-nack`: the next
    /// renewal gets a NAK.
    pub reconfigure_status: String,
    /// FORCERENEWs sent; absent while none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reconfigure_attempts: Option<u8>,
    /// Seconds until the next one, or until the client is given up; absent while none is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reconfigure_next: Option<u64>,
    /// How the client was seen to answer: `unknown`, `nonce`, `token`, `plain`, `nothing`.
    pub reconfigure_capability: String,
    /// Access-internal route: `installed`, `pending`, or `relay-not-on-link`.
    pub route_state: String,
}

/// Reply of `Bindings`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BindingList {
    /// The bindings, in no order that means anything.
    pub bindings: Vec<Binding>,
}

/// Reply of `BindingSummary`: clients by public state.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BindingSummary {
    /// All of the below.
    pub clients: u64,
    /// Nothing allocated yet.
    pub init: u64,
    /// Bound.
    pub bound: u64,
    /// OFFER sent.
    pub selecting: u64,
    /// First lease being made durable.
    pub requesting: u64,
    /// Renewal being made durable.
    pub renewing: u64,
    /// Being ended.
    pub releasing: u64,
    /// FORCERENEWs are being sent; they count as bound too.
    pub reconfiguring: u64,
}

/// Reply of `ClearBindings`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Cleared {
    /// Bindings that were ended.
    pub cleared: u64,
}
