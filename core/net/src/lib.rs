//! The sockets of DHCPv4: one packet socket for clients without an address, one UDP socket for all else.
//!
//! One thread owns a [`Sockets`] and calls [`Sockets::poll`], [`Sockets::receive`] and [`Sockets::transmit`] in turn;
//! other threads wake it by a [`Waker`]. Nothing here blocks but `poll`.
//!
//! Each packet is taken once. The packet socket takes exactly what comes from 0.0.0.0 or goes to 255.255.255.255,
//! the UDP socket exactly the rest; both kernel filters are made from that one rule, so a packet that the kernel
//! offers to both sockets passes one. The rule looks only at the two IP addresses, because they are all that both
//! sockets see of a packet. So a broadcast to 10.0.255.255 comes by UDP, where the kernel has judged that it is meant
//! for us, and a frame that was broadcast on the wire but names our unicast address is not taken twice. (The kernel counts
//! what the UDP filter turns away as UDP input errors.)
//!
//! There are two sockets of each kind: one for REQUEST, DECLINE and RELEASE, so that a flood of anything else cannot fill
//! the queue that renewals wait in.
//!
//! Each VRF that is a routing instance has a UDP socket of its own ([`Sockets::serve_vrfs`]).
//!
//! What this crate never does: it reads no DHCP option but the one that the kernel sorts by, keeps no state about clients, knows no configuration. No
//! thread, no runtime. Unsafe code is in the `sys` module only.

mod arp;
mod auxdata;
mod counters;
mod error;
mod filter;
pub mod privileges;
mod receive;
mod sockets;
mod sys;
mod tagged;
#[cfg(test)]
mod tests;
mod transmit;
mod urgent;
mod vrf;
mod waker;

pub use arp::{Neighbours, Prober, Seen, Wanted};
pub use auxdata::{Auxdata, VlanTag};
pub use counters::{Counters, KernelDrops};
pub use error::OpenError;
pub use sockets::{Ready, Settings, Sockets};
pub use tagged::{Tagged, Taps};
pub use waker::Waker;

/// UDP port of servers and relays (RFC 2131 §4.1).
pub const SERVER_PORT: u16 = 67;

/// UDP port of clients (RFC 2131 §4.1).
pub const CLIENT_PORT: u16 = 68;

/// Packets per system call: with more, latency grows and the cost per packet falls no further.
pub const BATCH: usize = 64;
