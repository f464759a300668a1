//! The kit for tests with real DHCP clients, relays and the real daemon, in network namespaces of their own.
//!
//! A [`Lab`] owns everything that one test makes: namespaces, links, processes, a folder. It goes with the test, also when
//! the test panics, and what a killed test run left behind goes with the next run. Two labs never touch each other.
//!
//! Each test looks at three things: the packets ([`Capture`]), the session database ([`Daemon::bindings`]) and the kernel
//! ([`Namespace::routes`]). The kit has a DHCP codec of its own ([`packet`]): a judge that shared the daemon's codec would
//! share its mistakes.

pub mod capture;
pub mod client;
pub mod daemon;
pub mod freeradius;
pub mod kernel;
pub mod lab;
pub mod namespace;
pub mod packet;
pub mod process;
pub mod raw;
pub mod relay;
pub mod routewatch;
pub mod server;
pub mod simclient;
pub mod uml;
pub mod wait;
pub mod wallclock;

pub use capture::Capture;
pub use client::{Client, ClientKind};
pub use daemon::Daemon;
pub use freeradius::FreeRadius;
pub use kernel::{Neighbour, Route};
pub use lab::Lab;
pub use namespace::Namespace;
pub use packet::{Message, Sent};
pub use process::Process;
pub use wait::{DEADLINE, until};
