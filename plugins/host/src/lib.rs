//! The host of Bindery's WASM plugins: loads a component, calls its hooks, and contains what goes wrong.
//!
//! A component reaches nothing but the interfaces in `wit/`: no WASI, no clock, no file, no socket. The host
//! bounds its time (in steps of 1 ms), its memory and its output, throws an instance away when it
//! fails, and opens a circuit breaker when failures repeat. What a plugin says is checked like any input from
//! outside: the changes of a failed call have no effect.
//!
//! Questions and answers of the stages are those of the engine's policy; a reply is lent as a [`ShapeExchange`].
//! The crate is synchronous. [`Host::load`] compiles and may take seconds; the calls of a [`Plugin`], one for each
//! stage, are for the packet thread.

mod breaker;
mod budget;
mod cache;
mod deadline;
mod edits;
mod error;
mod grants;
mod hooks;
mod host;
mod kv;
mod limits;
mod lookup;
mod plugin;
mod request;
mod requests;
mod session;
mod shape;
mod spec;
mod stats;
mod steer;
mod ticker;
pub mod v4;
mod view;
mod wit;

pub use bindery_engine::policy::Stage;
pub use breaker::{BREAKER_FAILURES, BREAKER_OPEN, BREAKER_WINDOW, BreakerState};
pub use budget::{BUDGET, CALL_MIN, Slow, WINDOW};
pub use edits::{EDITS_MAX, Edit, Edits};
pub use error::{Failure, HostError, LoadError, LoadReason};
pub use grants::{COUNTERS_MAX, Grants, Level, LogSink};
pub use host::{Host, HostConfig, Origin, sha256};
pub use kv::{Kv, Stores};
pub use plugin::Plugin;
pub use request::{client_state, raw_options};
pub use requests::{Purpose, REQUESTS_MAX, Request, Requests};
pub use session::Event;
pub use shape::{ClientState, EditRefused, ShapeExchange, ShapeMeta};
pub use spec::{OnFailure, Outcome, PluginSpec, Setting, Source, Stages};
pub use stats::PluginStats;
pub use steer::{ATTRIBUTE_MAX, ATTRIBUTES_MAX, NAME_MAX};
