//! Codecs: DHCPv4 messages, relay agent information, and the IPv4 and UDP headers around them.
//!
//! Decoding borrows from the datagram, reads it once and never panics; encoding appends to the caller's buffer.
//! What this crate never does: no sockets, no clock, no policy (it does not know which options a client should
//! get), no state between two packets. Read [`v4::Packet`] first, then [`v4::Reply`].
#![no_std]

extern crate alloc;

pub mod frame;
pub mod v4;
