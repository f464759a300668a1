//! The API without a router: a daemon that answers from memory, and connections that are memory or loopback TCP.
//!
//! The tests of `bindery-control`, the fuzzer of the API and the check against the OpenAPI document use it.

mod configuration;
mod daemon;
mod metrics;
mod transport;

pub use daemon::Daemon;
pub use metrics::Exposition;
pub use transport::{Connector, Loopback, Memory, memory};
