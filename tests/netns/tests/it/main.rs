//! Real clients, relays and the real daemon, in network namespaces.
//!
//! Every test makes its own lab and touches no other, so they run side by side. Without root each prints a `SKIP` line.
//! What a test looks at, it looks at three times: the packets, the session database and the kernel.

mod access;
mod bad_input;
mod clients;
mod clock;
mod commit;
mod commit_crash;
mod crash;
mod direct;
mod disconnect;
mod driver;
mod import;
mod kit;
mod leasequery;
mod observe;
mod order;
mod plugins;
mod radius;
mod reconfigure;
mod reconfigure_deaf;
mod relayed;
mod reload;
mod routes;
mod shell;
mod stage_route;
mod vlan;
