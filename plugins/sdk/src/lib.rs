//! For authors of Bindery plugins in Rust.
//!
//! A plugin is a library of crate type `cdylib` that implements the hook of one stage or of several, and exports it:
//!
//! ```ignore
//! use bindery_plugin_sdk::shape_reply::{self, Exchange, Hook, Meta, Verdict};
//!
//! struct Plugin;
//!
//! impl Hook for Plugin {
//!     fn shape(_: Meta, exchange: &Exchange) -> Verdict {
//!         exchange.set_option(15, b"isp.example");
//!         Verdict::Continue
//!     }
//! }
//!
//! shape_reply::export!(Plugin);
//! ```
//!
//! Each stage is a module behind the feature of its name. Settings from the configuration file come by [`settings`].
//! What the configuration may grant beside stands behind features too: `log`, `counters`, `kv`, `session-lookup` and
//! `request-reconfigure`.
//! What a function means stands in `wit/`, from which all of this is generated.
//!
//! The guest has no clock, file, socket or thread; a panic counts as a failure and undoes the call. An instance lives
//! long: what a plugin remembers in a `thread_local!` is there in the next call, and lost when the host starts another
//! instance after a failure.

#[allow(missing_docs, reason = "generated")]
mod bindings {
    wit_bindgen::generate!({
        path: "../../wit/types@1.0.0",
        inline: "
            package bindery:sdk-types;
            world sdk-types { import bindery:types/types@1.0.0; }
        ",
        world: "bindery:sdk-types/sdk-types",
        generate_all,
        generate_unused_types: true,
    });
}

mod grants;
pub mod settings;
mod stages;
pub mod value;

pub use bindings::bindery::types::types;
#[allow(unused_imports, reason = "without the feature of any grant it is empty")]
pub use grants::*;
pub use stages::*;
