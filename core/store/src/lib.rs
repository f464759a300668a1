//! The session database: what was promised to clients, on stable storage before they are told.
//!
//! [`Storage`] is what a backend does; [`FjallStore`] is the embedded one, [`MemoryStore`] the one for simulations,
//! which fails on command. [`Writer`] is the store thread of the daemon: it takes mutations from the engine, commits
//! them in groups, and answers by watermark. The bytes of a record are in [`codec`] and nowhere else.
//!
//! What this crate never does: decide anything about a lease, keep sessions in memory, retry a failed sync, repair or
//! overwrite a database that is not sound.

pub mod codec;
pub mod contract;
mod directory;
mod engine;
mod error;
mod fjall_store;
mod journal;
mod ledger;
mod manifest;
mod mark;
mod memory;
mod storage;
mod writer;

pub use engine::Tuning;
pub use error::StoreError;
pub use fjall_store::FjallStore;
pub use memory::{Faults, MemoryStore};
pub use storage::{Storage, load_all};
pub use writer::{Refused, StoreEvent, Writer, WriterStats};
