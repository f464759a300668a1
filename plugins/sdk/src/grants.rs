//! What a plugin may call beside its stage, one module for each word of `grants` in its configuration. `wit/host@0.1.0`
//! says what each function means.

macro_rules! grant {
    ($(#[$about:meta])* $feature:literal, $module:ident, $inline:tt, $world:tt, $with:tt) => {
        $(#[$about])*
        #[cfg(feature = $feature)]
        pub mod $module {
            #[allow(unused_imports, reason = "an interface may have functions only")]
            pub use generated::bindery::host::$module::*;

            #[doc(hidden)]
            pub mod generated {
                #![allow(missing_docs, reason = "generated")]
                wit_bindgen::generate!({
                    path: ["../../wit/types@1.0.0", "../../wit/host@0.1.0"],
                    inline: $inline,
                    world: $world,
                    with: $with,
                    generate_all,
                });
            }
        }
    };
}

grant!(
    /// Lines in the daemon's log.
    "log",
    log,
    "package bindery:sdk-log; world sdk-log { import bindery:host/log@0.1.0; }",
    "bindery:sdk-log/sdk-log",
    {}
);

grant!(
    /// Counters that operators see.
    "counters",
    counters,
    "package bindery:sdk-counters; world sdk-counters { import bindery:host/counters@0.1.0; }",
    "bindery:sdk-counters/sdk-counters",
    {}
);

grant!(
    /// A small store of the plugin's own that survives restarts.
    "kv",
    kv,
    "package bindery:sdk-kv; world sdk-kv { import bindery:host/kv@0.1.0; }",
    "bindery:sdk-kv/sdk-kv",
    {}
);

grant!(
    /// The sessions that there are.
    "session-lookup",
    session_lookup,
    "package bindery:sdk-session-lookup; world sdk-session-lookup { import bindery:host/session-lookup@0.1.0; }",
    "bindery:sdk-session-lookup/sdk-session-lookup",
    { "bindery:types/types@1.0.0": crate::types }
);

grant!(
    /// Asking that a client be reconfigured.
    "request-reconfigure",
    request_reconfigure,
    "package bindery:sdk-request-reconfigure;
     world sdk-request-reconfigure { import bindery:host/request-reconfigure@0.1.0; }",
    "bindery:sdk-request-reconfigure/sdk-request-reconfigure",
    {}
);
