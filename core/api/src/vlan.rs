//! VLAN devices that were made for clients.

use serde::{Deserialize, Serialize};

/// A VLAN device that `interfaces NAME auto-configure` made.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct VlanDevice {
    /// Its name, with its tags.
    pub interface_name: String,
    /// The device under it.
    pub underlying_interface: String,
    /// `802.1Q` or `802.1ad`.
    pub protocol: String,
    /// Its tag.
    pub vlan_id: u16,
    /// `present`; `missing` where it went away without our doing: it is made anew where sessions are on it.
    pub state: String,
    /// Live sessions on it.
    pub sessions: u32,
}

/// Reply of `VlanDevices`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct VlanDeviceList {
    /// The devices, by name.
    pub vlan_devices: Vec<VlanDevice>,
}
