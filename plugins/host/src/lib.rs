//! The host of Bindery's WASM plugins: loads a component, calls its hooks, and contains what goes wrong.
//!
//! A component reaches nothing but the interfaces in `wit/`: no WASI, no clock, no file, no socket. The host
//! bounds its time (in steps of 1 ms), its memory and its output, throws an instance away when it
//! fails, and opens a circuit breaker when failures repeat. What a plugin says is checked like any input from
//! outside: the changes of a failed call have no effect.
//!
//! The crate knows nothing of the engine; a caller lends each exchange as a [`ShapeExchange`]. It is
//! synchronous. [`Host::load`] compiles and may take seconds; [`Plugin::shape_reply`] is for the packet thread.

mod breaker;
mod cache;
mod deadline;
mod edits;
mod error;
mod host;
mod limits;
mod plugin;
mod shape;
mod spec;
mod stats;
mod ticker;
pub mod v4;
mod view;
mod wit;

pub use breaker::{BREAKER_FAILURES, BREAKER_OPEN, BREAKER_WINDOW, BreakerState};
pub use edits::{EDITS_MAX, Edit, Edits};
pub use error::{Failure, HostError, LoadError, LoadReason};
pub use host::{Host, HostConfig, Origin};
pub use plugin::Plugin;
pub use shape::{ClientState, EditRefused, ShapeExchange, ShapeMeta, ShapeOutcome};
pub use spec::{OnFailure, PluginSpec, Setting, Source, Stage, Stages};
pub use stats::PluginStats;
