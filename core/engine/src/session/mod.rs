//! The session table: every session of an engine in memory, found by client key, address, id and hardware address.
//!
//! A million sessions take at most 400 bytes each (design §4): a [`Record`] of at most 128 bytes in a paged arena,
//! the client's identity in a cell of its size, indexes of `u32` in 1,024 parts, and 16 bytes of
//! [`Deadlines`]. Nothing here grows by moving everything at once, so no packet waits for it.
//!
//! What this module never does: no protocol, no decision, no clock. Read [`SessionTable`] first.

mod arena;
mod cells;
mod clients;
mod deadlines;
mod identity;
mod index;
mod invariants;
mod names;
mod record;
mod stored;
mod table;

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

pub use clients::Whereabouts;
pub use deadlines::Deadlines;
pub use identity::{ClientKey, Identity, IdentityBuf, TooLong};
pub use names::{NameId, Names};
pub use record::{Record, Slot, SlotRef, State};
pub use stored::RestoreError;
pub use table::{Conflict, MemoryUse, SessionTable};
