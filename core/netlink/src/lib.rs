//! Kernel routes, neighbours, links and addresses of IPv4, by netlink.
//!
//! - [`Plane`] makes routes stand: batches of requests on one socket, one acknowledgement each.
//! - [`contract`] is the suite that every [`bindery_engine::route::ForwardingPlane`] passes.
//! - [`RouteThread`] owns a plane, or a [`bindery_engine::route::Driver`] in its place or beside it, and the set of routes that the engine wants. It carries out the engine's operations
//!   in order, repairs what others break, and tells the engine about links and addresses.
//!
//! Our routes and neighbours carry a protocol number of their own. Whatever carries another is foreign and is never
//! changed or removed.
//!
//! What this crate never does: it decides no route, reads no packet, and makes no link but VLAN devices that it is told to make. No async runtime,
//! no unsafe code. Read [`Plane`] first.

mod backoff;
mod beside;
mod conflict;
pub mod contract;
mod desired;
mod driver;
mod error;
mod fib;
mod inbox;
mod links;
mod message;
mod plane;
mod socket;
mod sweep;
mod table;
mod thread;
mod touched;
mod vlan;
mod worker;

pub use error::{Fault, OpenError};
pub use links::links;
pub use plane::{Plane, PlaneSettings};
pub use sweep::SweepReport;
pub use thread::{RouteEvent, RouteHandle, RouteThread, RouteThreadSettings};
pub use vlan::{VlanDevice, VlanDevices};

/// The protocol number of our routes and neighbours when the configuration names none. Free in iproute2's list.
pub const PROTOCOL_DEFAULT: u8 = 201;

/// The kernel's main routing table.
pub const TABLE_MAIN: u32 = 254;
