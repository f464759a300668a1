//! Bindings taken over from another server.

use serde::{Deserialize, Serialize};

/// Most bindings of one [`Import`].
pub const IMPORT_MAX: usize = 256;

/// `lease-expires` of an infinite lease (RFC 2131 §3.3).
pub const LEASE_INFINITE: u32 = u32::MAX;

/// Body of `ImportBindings`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Import {
    /// At most [`IMPORT_MAX`].
    pub bindings: Vec<ImportedBinding>,
}

/// A binding that another server gave; the fields are named as in [`Binding`](crate::Binding).
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ImportedBinding {
    /// Leased address: a pool must have it in a range or a `host`.
    pub allocated_address: String,
    /// Client hardware address.
    pub mac_address: String,
    /// Seconds left, 1 or more; [`LEASE_INFINITE`] for an infinite lease.
    pub lease_expires: u32,
    /// Option 61 in hexadecimal; absent when the client sends none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Interface of the client or its relay, there now or not. Where it is absent, the one interface that has the network
    /// of the relay or of the address; where none or several have it, the client has no route until it is heard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface_name: Option<String>,
    /// Relay; absent for a direct client, or where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bootp_relay_address: Option<String>,
    /// Option 12; absent when the client sends none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_name: Option<String>,
}

/// Reply of `ImportBindings`, once all that is imported is on storage.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct Imported {
    /// Bindings that are live now; those that were so before for the same client are counted.
    pub imported: u64,
    /// Those that are not, in the order of the body.
    pub refused: Vec<ImportRefused>,
}

/// A binding that was not imported.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct ImportRefused {
    /// Its place in the body, from 0.
    pub index: u64,
    /// Why.
    pub reason: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_field_is_refused_and_the_end_of_the_lease_must_be_told() {
        let read = |text: &str| serde_json::from_str::<Import>(text);
        let whole =
            r#"{"bindings":[{"allocated-address":"192.0.2.9","mac-address":"02:00:00:00:00:01","lease-expires":60}]}"#;
        assert_eq!(read(whole).unwrap().bindings[0].lease_expires, 60);
        assert!(read(&whole.replace("lease-expires", "lease-expire")).is_err());
        assert!(read(&whole.replace(",\"lease-expires\":60", "")).is_err());
    }
}
