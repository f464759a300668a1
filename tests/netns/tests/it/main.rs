//! Real clients, relays and the real daemon, in network namespaces.
//!
//! Every test makes its own lab and touches no other, so they run side by side. Without root each prints a `SKIP` line.

mod kit;
