//! Bindings of the local server.

use serde::{Deserialize, Serialize};

/// One binding.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
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
    /// `DHCP` or `BOOTP`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol_used: Option<String>,
    /// End of the lease, seconds since 1970 UTC by the wall clock of now; absent for an infinite lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_end_time: Option<u64>,
    /// Start of the session, seconds since 1970 UTC.
    pub lease_start_time: u64,
    /// Last packet of the client, seconds since 1970 UTC.
    pub last_packet_received_time: u64,
    /// Interface the client logged in on.
    pub interface_name: String,
    /// Routing instance; `default` for the default one.
    #[serde(default)]
    pub routing_instance: String,
    /// Outer VLAN tag, as the interface's name has it; absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub svlan_id: Option<u16>,
    /// VLAN tag, the inner one of two, as the interface's name has it; absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vlan_id: Option<u16>,
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
    /// IAID of option 61 where it is of the form that DHCPv6 shares (RFC 4361 §6.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_iaid: Option<u32>,
    /// DUID of option 61 in that form: `LL0x1-02:00:00:00:00:01`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_duid: Option<String>,
    /// Option 82 in hexadecimal; absent when there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub option_82: Option<String>,
    /// Circuit id of option 82 (RFC 3046 §2.0), as text or, where it is none, in hexadecimal behind `0x`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub circuit_id: Option<String>,
    /// Remote id of option 82, in the same form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_id: Option<String>,
    /// Option 60 as text; absent when the client sent none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor_class: Option<String>,
    /// Option 12 as text; absent when the client sent none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_name: Option<String>,
    /// User-Name of an authority, as text; absent for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    /// Seconds until the client renews (T1); absent for an infinite lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub t1_renewal_time: Option<u64>,
    /// Seconds until the client rebinds (T2); absent for an infinite lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub t2_rebinding_time: Option<u64>,
    /// Hardware type of the client (RFC 1700); 1 is Ethernet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hardware_type: Option<u8>,
    /// Xid of its last exchange, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xid: Option<String>,
    /// Seconds until the service ends (Session-Timeout); absent where it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_timeout: Option<u64>,
    /// Acct-Session-Id of its accounting records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accounting_session_id: Option<String>,
    /// Acct-Multi-Session-Id: the session that it goes on from; absent for its own id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub multi_accounting_session_id: Option<String>,
    /// Whether its lease was too short for `lease-time-validation` at the last request.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lease_time_violated: bool,
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
    /// `up`, `probing` (it has not answered yet) or `down`; absent where liveness detection does not concern it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub liveness_detection_state: Option<String>,
    /// `layer2-liveness-detection`; absent with the state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub liveness_detection_method: Option<String>,
    /// Access-internal route: `installed`, `pending`, `suppressed`, `relay-not-on-link`, or `none` without a lease.
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
