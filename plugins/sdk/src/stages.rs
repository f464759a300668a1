//! One module for each stage, all made alike: the hook to implement as `Hook`, what it gets and answers, and `export!`.

#[cfg(any(feature = "admit", feature = "authorize", feature = "select-address"))]
mod requests {
    #![allow(missing_docs, reason = "generated")]
    wit_bindgen::generate!({
        path: ["../../wit/types@1.0.0", "../../wit/admit@1.0.0"],
        inline: "
            package bindery:sdk-requests;
            world sdk-requests { import bindery:admit/requests@1.0.0; }
        ",
        world: "bindery:sdk-requests/sdk-requests",
        generate_unused_types: true,
        with: { "bindery:types/types@1.0.0": crate::types },
        generate_all,
    });
}

#[cfg(any(
    feature = "disconnect",
    feature = "reconfigure-exhausted",
    feature = "leasequery",
    feature = "route",
    feature = "session-events"
))]
mod sessions {
    #![allow(missing_docs, reason = "generated")]
    wit_bindgen::generate!({
        path: ["../../wit/types@1.0.0", "../../wit/sessions@0.1.0"],
        inline: "
            package bindery:sdk-sessions;
            world sdk-sessions { import bindery:sessions/sessions@0.1.0; }
        ",
        world: "bindery:sdk-sessions/sdk-sessions",
        generate_unused_types: true,
        with: { "bindery:types/types@1.0.0": crate::types },
        generate_all,
    });
}

/// Stage `admit`: a request was seen: drop it, let it on, or choose who serves it. Export it by `admit::export!(Plugin)`.
#[cfg(feature = "admit")]
pub mod admit {
    pub use crate::stages::requests::bindery::admit::requests::{Choices, Request};
    pub use crate::types::{Address, ClientState};
    pub use generated::export;
    pub use generated::exports::bindery::admit::hook::{Choice, Guest as Hook, Meta, Verdict};

    #[doc(hidden)]
    pub mod generated {
        #![allow(missing_docs, reason = "generated")]
        wit_bindgen::generate!({
            path: ["../../wit/types@1.0.0", "../../wit/admit@1.0.0"],
            inline: "
                package bindery:sdk-admit;
                world sdk-admit { include bindery:admit/plugin@1.0.0; }
            ",
            world: "bindery:sdk-admit/sdk-admit",
            with: {
                "bindery:types/types@1.0.0": crate::types,
                "bindery:admit/requests@1.0.0": crate::stages::requests::bindery::admit::requests,
            },
            generate_all,
            pub_export_macro: true,
            default_bindings_module: "bindery_plugin_sdk::admit::generated",
        });
    }
}

/// Stage `authorize`: a newcomer, before RADIUS is asked and after it has answered. Export it by `authorize::export!(Plugin)`.
#[cfg(feature = "authorize")]
pub mod authorize {
    pub use crate::stages::requests::bindery::admit::requests::{Choices, Request};
    pub use crate::types::Address;
    pub use generated::export;
    pub use generated::exports::bindery::authorize::hook::{Attribute, Choice, Guest as Hook, Phase, Verdict};

    #[doc(hidden)]
    pub mod generated {
        #![allow(missing_docs, reason = "generated")]
        wit_bindgen::generate!({
            path: ["../../wit/types@1.0.0", "../../wit/admit@1.0.0", "../../wit/authorize@0.1.0"],
            inline: "
                package bindery:sdk-authorize;
                world sdk-authorize { include bindery:authorize/plugin@0.1.0; }
            ",
            world: "bindery:sdk-authorize/sdk-authorize",
            with: {
                "bindery:types/types@1.0.0": crate::types,
                "bindery:admit/requests@1.0.0": crate::stages::requests::bindery::admit::requests,
            },
            generate_all,
            pub_export_macro: true,
            default_bindings_module: "bindery_plugin_sdk::authorize::generated",
        });
    }
}

/// Stage `select-address`: a newcomer is about to get an address. Export it by `select_address::export!(Plugin)`.
#[cfg(feature = "select-address")]
pub mod select_address {
    pub use crate::stages::requests::bindery::admit::requests::{Choices, Request};
    pub use crate::types::Address;
    pub use generated::export;
    pub use generated::exports::bindery::select_address::hook::{Choice, Guest as Hook, Proposal, Verdict};

    #[doc(hidden)]
    pub mod generated {
        #![allow(missing_docs, reason = "generated")]
        wit_bindgen::generate!({
            path: ["../../wit/types@1.0.0", "../../wit/admit@1.0.0", "../../wit/select-address@0.1.0"],
            inline: "
                package bindery:sdk-select-address;
                world sdk-select-address { include bindery:select-address/plugin@0.1.0; }
            ",
            world: "bindery:sdk-select-address/sdk-select-address",
            with: {
                "bindery:types/types@1.0.0": crate::types,
                "bindery:admit/requests@1.0.0": crate::stages::requests::bindery::admit::requests,
            },
            generate_all,
            pub_export_macro: true,
            default_bindings_module: "bindery_plugin_sdk::select_address::generated",
        });
    }
}

/// Stage `shape-reply`: insert, replace and remove options of a reply that is about to be sent. Export it by `shape_reply::export!(Plugin)`.
#[cfg(feature = "shape-reply")]
pub mod shape_reply {
    pub use crate::types::{Address, ClientState};
    pub use generated::bindery::shape_reply::exchanges::Exchange;
    pub use generated::export;
    pub use generated::exports::bindery::shape_reply::hook::{Guest as Hook, Meta, Verdict};

    #[doc(hidden)]
    pub mod generated {
        #![allow(missing_docs, reason = "generated")]
        wit_bindgen::generate!({
            path: ["../../wit/types@1.0.0", "../../wit/shape-reply@1.0.0"],
            inline: "
                package bindery:sdk-shape-reply;
                world sdk-shape-reply { include bindery:shape-reply/plugin@1.0.0; }
            ",
            world: "bindery:sdk-shape-reply/sdk-shape-reply",
            with: {
                "bindery:types/types@1.0.0": crate::types,
            },
            generate_all,
            pub_export_macro: true,
            default_bindings_module: "bindery_plugin_sdk::shape_reply::generated",
        });
    }
}

/// Stage `disconnect`: RADIUS asks to end or change a session. Export it by `disconnect::export!(Plugin)`.
#[cfg(feature = "disconnect")]
pub mod disconnect {
    pub use crate::stages::sessions::bindery::sessions::sessions::{Facts, Session};
    pub use generated::export;
    pub use generated::exports::bindery::disconnect::hook::{Attribute, Cause, Guest as Hook, Request, Verdict};

    #[doc(hidden)]
    pub mod generated {
        #![allow(missing_docs, reason = "generated")]
        wit_bindgen::generate!({
            path: ["../../wit/types@1.0.0", "../../wit/sessions@0.1.0", "../../wit/disconnect@0.1.0"],
            inline: "
                package bindery:sdk-disconnect;
                world sdk-disconnect { include bindery:disconnect/plugin@0.1.0; }
            ",
            world: "bindery:sdk-disconnect/sdk-disconnect",
            with: {
                "bindery:types/types@1.0.0": crate::types,
                "bindery:sessions/sessions@0.1.0": crate::stages::sessions::bindery::sessions::sessions,
            },
            generate_all,
            pub_export_macro: true,
            default_bindings_module: "bindery_plugin_sdk::disconnect::generated",
        });
    }
}

/// Stage `reconfigure-exhausted`: a client has answered no attempt to reconfigure it. Export it by `reconfigure_exhausted::export!(Plugin)`.
#[cfg(feature = "reconfigure-exhausted")]
pub mod reconfigure_exhausted {
    pub use crate::stages::sessions::bindery::sessions::sessions::{Facts, Session};
    pub use generated::export;
    pub use generated::exports::bindery::reconfigure_exhausted::hook::{Guest as Hook, Verdict};

    #[doc(hidden)]
    pub mod generated {
        #![allow(missing_docs, reason = "generated")]
        wit_bindgen::generate!({
            path: ["../../wit/types@1.0.0", "../../wit/sessions@0.1.0", "../../wit/reconfigure-exhausted@0.1.0"],
            inline: "
                package bindery:sdk-reconfigure-exhausted;
                world sdk-reconfigure-exhausted { include bindery:reconfigure-exhausted/plugin@0.1.0; }
            ",
            world: "bindery:sdk-reconfigure-exhausted/sdk-reconfigure-exhausted",
            with: {
                "bindery:types/types@1.0.0": crate::types,
                "bindery:sessions/sessions@0.1.0": crate::stages::sessions::bindery::sessions::sessions,
            },
            generate_all,
            pub_export_macro: true,
            default_bindings_module: "bindery_plugin_sdk::reconfigure_exhausted::generated",
        });
    }
}

/// Stage `leasequery`: may this requestor be told of this binding? Export it by `leasequery::export!(Plugin)`.
#[cfg(feature = "leasequery")]
pub mod leasequery {
    pub use crate::stages::sessions::bindery::sessions::sessions::{Facts, Session};
    pub use crate::types::Address;
    pub use generated::export;
    pub use generated::exports::bindery::leasequery::hook::{Guest as Hook, Query, QueryKey, Verdict};

    #[doc(hidden)]
    pub mod generated {
        #![allow(missing_docs, reason = "generated")]
        wit_bindgen::generate!({
            path: ["../../wit/types@1.0.0", "../../wit/sessions@0.1.0", "../../wit/leasequery@0.1.0"],
            inline: "
                package bindery:sdk-leasequery;
                world sdk-leasequery { include bindery:leasequery/plugin@0.1.0; }
            ",
            world: "bindery:sdk-leasequery/sdk-leasequery",
            with: {
                "bindery:types/types@1.0.0": crate::types,
                "bindery:sessions/sessions@0.1.0": crate::stages::sessions::bindery::sessions::sessions,
            },
            generate_all,
            pub_export_macro: true,
            default_bindings_module: "bindery_plugin_sdk::leasequery::generated",
        });
    }
}

/// Stage `route`: metric, table, tag and extra routes of a new binding. Export it by `route::export!(Plugin)`.
#[cfg(feature = "route")]
pub mod route {
    pub use crate::stages::sessions::bindery::sessions::sessions::{Facts, Session};
    pub use crate::types::Address;
    pub use generated::export;
    pub use generated::exports::bindery::route::hook::{Choice, Guest as Hook, Prefix};

    #[doc(hidden)]
    pub mod generated {
        #![allow(missing_docs, reason = "generated")]
        wit_bindgen::generate!({
            path: ["../../wit/types@1.0.0", "../../wit/sessions@0.1.0", "../../wit/route@0.1.0"],
            inline: "
                package bindery:sdk-route;
                world sdk-route { include bindery:route/plugin@0.1.0; }
            ",
            world: "bindery:sdk-route/sdk-route",
            with: {
                "bindery:types/types@1.0.0": crate::types,
                "bindery:sessions/sessions@0.1.0": crate::stages::sessions::bindery::sessions::sessions,
            },
            generate_all,
            pub_export_macro: true,
            default_bindings_module: "bindery_plugin_sdk::route::generated",
        });
    }
}

/// Stage `session-events`: observes what happens to sessions. Export it by `session_events::export!(Plugin)`.
#[cfg(feature = "session-events")]
pub mod session_events {
    pub use crate::stages::sessions::bindery::sessions::sessions::{Facts, Session};
    pub use generated::export;
    pub use generated::exports::bindery::session_events::hook::{Event, Guest as Hook};

    #[doc(hidden)]
    pub mod generated {
        #![allow(missing_docs, reason = "generated")]
        wit_bindgen::generate!({
            path: ["../../wit/types@1.0.0", "../../wit/sessions@0.1.0", "../../wit/session-events@0.1.0"],
            inline: "
                package bindery:sdk-session-events;
                world sdk-session-events { include bindery:session-events/plugin@0.1.0; }
            ",
            world: "bindery:sdk-session-events/sdk-session-events",
            with: {
                "bindery:types/types@1.0.0": crate::types,
                "bindery:sessions/sessions@0.1.0": crate::stages::sessions::bindery::sessions::sessions,
            },
            generate_all,
            pub_export_macro: true,
            default_bindings_module: "bindery_plugin_sdk::session_events::generated",
        });
    }
}
