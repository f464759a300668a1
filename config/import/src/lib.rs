//! Configurations and leases of other DHCP servers, taken over: text in, text and notes out.
//!
//! [`junos()`] reads a Junos configuration, [`kea()`] one of Kea's DHCPv4 server, [`kea_leases()`] the leases of the
//! latter. What comes out loads, and whatever could not be taken over is told with its line: nothing is left out in
//! silence. What this crate never does: no file is read or written here.
//!
//! In doubt it serves fewer clients, not more: a pool that was for some clients only, or a group whose access profile
//! cannot be taken over, is kept as `(inactive)`.

mod build;
mod junos;
mod kea;
mod leases;
mod note;
mod settle;
mod value;

pub use junos::junos;
pub use kea::kea;
pub use leases::{Lease, LeaseFault, LeaseLine, LeaseReader, LeaseState, LeaseTable, kea_leases};
pub use note::{Imported, NOTES_MAX, Note, Refused};
