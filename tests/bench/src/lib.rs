//! The load generator and the measuring harness: many DHCPv4 clients in one process, the bare limits of the
//! machine beside them, and one run that compares Bindery with its peers.
//!
//! The generator has its own encoder and decoder. It shares no code with the daemon, so that a mistake in the
//! daemon's codec cannot hide itself here.

pub mod args;
pub mod batch;
pub mod clock;
pub mod echo;
pub mod expect;
pub mod flood;
pub mod frame;
pub mod harness;
pub mod ledger;
pub mod link;
pub mod load;
pub mod message;
pub mod plan;
pub mod report;
pub mod responder;
pub mod routes;
pub mod stamps;
