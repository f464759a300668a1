//! The local server: leases addresses from pools. `v4` and, later, `v6` are siblings with the same file names.

pub(crate) mod v4;
