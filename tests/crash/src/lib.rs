//! Power cuts for the session database, without the power cut.
//!
//! A shim loaded by `LD_PRELOAD` ([`shim`]) records what a process does to a directory ([`trace`]); [`disk`] knows from
//! that which bytes and names a disk must hold at each moment, and which it may; [`workload`] is what the process did
//! and what it was told is durable; [`audit`] opens a directory as it may lie on the disk with the shipped store and
//! compares.
//!
//! The rules of the disk: what was written before a successful `fsync` or `fdatasync` of the same file is there. A name
//! that was made, moved or removed is so for good after an `fsync` of its directory: not after one of the file, though
//! most file systems are kinder. Names change in order. A write that was not synced is there, absent, cut in the
//! middle, or there in some of its sectors of 512 bytes; and so is one that was pending when a sync *failed*, for ever,
//! whatever is synced later: the kernel reports such a loss once.

pub mod audit;
pub mod disk;
pub mod random;
pub mod run;
pub mod shim;
pub mod trace;
pub mod workload;
