//! The DHCP protocol engine: one synchronous object that is fed inputs with the time and fills an outbox.
//!
//! What it never does: no socket, file, thread, clock, randomness or runtime; it cannot even name them
//! (`#![no_std]`). The same engine runs in the daemon and under the simulator.
//!
//! Read [`Engine`] first, then [`Input`] and [`Outbox`]; [`record`] is what the session database keeps.
#![no_std]

extern crate alloc;

pub mod access;
mod attributes;
mod behind;
pub mod binding;
mod choose;
mod classify;
mod clock;
pub mod command;
mod commit;
pub mod config;
mod delay;
mod disconnect;
mod durable;
mod engine;
pub mod event;
pub mod exchange;
mod feed;
mod grace;
pub mod history;
pub mod impact;
mod import;
pub mod input;
pub mod instances;
mod interfaces;
mod limit;
mod lines;
mod links;
pub mod lockout;
pub mod neighbour;
mod observe;
mod operator;
pub mod output;
pub mod overload;
mod parked;
pub mod policy;
pub mod pool;
pub mod reconfigure;
pub mod record;
mod regime;
mod restore;
pub mod route;
mod routes;
mod server;
pub mod session;
mod statistics;
pub mod subscriber;
mod suppression;
mod sweep;
mod tally;

pub use engine::{Engine, QUARANTINE_SECS, TOMBSTONE_SECS};
pub use feed::CHANGES_KEPT;
pub use input::Input;
pub use limit::LTV_LOG_SECS;
pub use output::Outbox;
pub use statistics::TracedInterface;
