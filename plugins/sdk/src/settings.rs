//! The plugin's `settings` from the configuration file.
//!
//! ```ignore
//! impl settings::Configure for Plugin {
//!     fn configure(settings: Vec<Setting>) -> Result<(), SettingError> {
//!         for (index, setting) in settings.iter().enumerate() {
//!             match setting.name.as_str() {
//!                 "servers" => { /* keep setting.arguments */ }
//!                 _ => return Err(settings::unknown(index, setting, "servers")),
//!             }
//!         }
//!         Ok(())
//!     }
//! }
//!
//! settings::export!(Plugin);
//! ```

#[doc(hidden)]
pub mod generated {
    #![allow(missing_docs, reason = "generated")]
    wit_bindgen::generate!({
        path: "../../wit/types@1.0.0",
        inline: "
            package bindery:sdk-settings;
            world sdk-settings { include bindery:types/configurable@1.0.0; }
        ",
        world: "bindery:sdk-settings/sdk-settings",
        with: { "bindery:types/types@1.0.0": crate::types },
        pub_export_macro: true,
        default_bindings_module: "bindery_plugin_sdk::settings::generated",
    });
}

pub use crate::types::{Setting, SettingError};
pub use generated::export;
pub use generated::exports::bindery::types::configuration::Guest as Configure;

/// A refusal of the setting at `index`: the daemon shows the message at its line.
#[must_use]
pub fn refusal(index: usize, message: impl Into<String>) -> SettingError {
    SettingError { setting: u32::try_from(index).ok(), message: message.into() }
}

/// A refusal because something is missing, as no single setting is at fault.
#[must_use]
pub fn missing(message: impl Into<String>) -> SettingError {
    SettingError { setting: None, message: message.into() }
}

/// The refusal of a statement that the plugin does not have; `known` names those that it has.
#[must_use]
pub fn unknown(index: usize, setting: &Setting, known: &str) -> SettingError {
    refusal(index, format!("unknown statement \"{}\": it must be {known}", setting.name))
}
