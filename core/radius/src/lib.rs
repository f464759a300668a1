//! RADIUS (RFC 2865, 2866, 2869, 5176): packets, a client, accounting that survives restarts, and dynamic authorization.
//!
//! - [`packet`] takes packets apart without copying, makes them, and knows every authenticator.
//! - [`client`] is a sans-I/O client: server lists, retransmission, dead servers, rate.
//! - [`access`] makes Access-Requests of what is known about a subscriber, and reads Access-Accepts.
//! - [`accounting`] makes accounting records and keeps them in a bounded queue on disk until a server has them.
//! - [`dynamic`] judges Disconnect-Requests and CoA-Requests, and answers them.
//! - [`username`] builds the user name of a subscriber.
//! - [`shell`] is the task that owns the sockets and runs all of it; the daemon talks to [`shell::Handle`].
//! - [`config`] is what all of these are told.
//!
//! What this crate never does: it knows no session, chooses no address, and says nothing to a DHCP client. A server that
//! does not answer is a [`client::Failure`], never a refusal. Read [`client::Client`] first.

pub mod access;
pub mod accounting;
pub mod client;
pub mod config;
pub mod dynamic;
pub mod packet;
pub mod shell;
pub mod username;
