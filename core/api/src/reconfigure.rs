//! Dynamic reconfiguration.

use crate::Selector;
use serde::{Deserialize, Serialize};

/// Sessions a second that `Reconfigure` begins with where the query names no pace.
pub const PACE_DEFAULT: u32 = 1_000;

/// The query of `Reconfigure`: a [`Selector`] and how it is done.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ReconfigureQuery {
    /// As in [`Selector`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// As in [`Selector`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// As in [`Selector`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<u64>,
    /// As in [`Selector`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// As in [`Selector`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// As in [`Selector`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
    /// As in [`Selector`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routing_instance: Option<String>,
    /// The client keeps its address and gets new options; else it gets another address.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refresh: bool,
    /// Most sessions begun a second, 1 to 1000000; [`PACE_DEFAULT`] where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pace: Option<u32>,
}

impl ReconfigureQuery {
    /// Which sessions.
    pub fn selector(&self) -> Selector {
        let Self { address, mac, session, interface, pool, all, routing_instance, .. } = self.clone();
        Selector { address, mac, session, interface, pool, lease_time_violation: false, all, routing_instance }
    }
}

/// Reply of `Reconfigure`, once every first attempt is on storage.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct Reconfigured {
    /// Clients whose reconfiguration has begun.
    pub started: u64,
    /// Clients that were reconfiguring already, or whose binding had ended.
    pub ignored: u64,
    /// Clients that had only an offer: it was taken back.
    pub cleared: u64,
    /// Clients whose group has no `reconfigure`: nothing was done.
    pub not_configured: u64,
}

/// Bound clients of one vendor class, by how they were seen to answer a FORCERENEW.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct Capability {
    /// Option 60 as text; absent for clients without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor_class: Option<String>,
    /// Bound clients.
    pub clients: u64,
    /// Of those: that take the Forcerenew nonce (RFC 6704).
    pub offer_nonce: u64,
    /// Of those: that renewed at a FORCERENEW with their nonce.
    pub nonce: u64,
    /// With the configuration token (RFC 3118 section 4).
    pub token: u64,
    /// Without authentication.
    pub plain: u64,
    /// That answered no attempt.
    pub nothing: u64,
    /// That were never asked.
    pub unknown: u64,
}

/// Reply of `ReconfigureCapability`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct CapabilityList {
    /// A row a vendor class, most clients first.
    pub capabilities: Vec<Capability>,
}
