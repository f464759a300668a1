//! The DHCP protocol engine: one synchronous object that is fed inputs with the time and fills an outbox.
//!
//! What it never does: no socket, file, thread, clock, randomness or runtime; it cannot even name them
//! (`#![no_std]`). The same engine runs in the daemon and under the simulator.
//!
//! Read [`Engine`] first, then [`Input`] and [`Outbox`]; [`record`] is what the session database keeps.
#![no_std]

extern crate alloc;

pub mod command;
pub mod config;
pub mod event;
pub mod input;
pub mod output;
pub mod policy;
pub mod pool;
pub mod record;
pub mod route;
pub mod session;

pub use input::Input;
pub use output::Outbox;
