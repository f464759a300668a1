//! Real clients, relays and the real daemon, in network namespaces.
//!
//! Every test makes its own lab and touches no other, so they run side by side. Without root each prints a `SKIP` line.
//! What a test looks at, it looks at three times: the packets, the session database and the kernel.

mod abuse;
mod access;
mod bad_input;
mod choosing;
mod clients;
mod clock;
mod commit;
mod commit_crash;
mod crash;
mod direct;
mod disconnect;
mod driver;
mod import;
mod instances;
mod kit;
mod leasequery;
mod neighbour;
mod observe;
mod order;
mod overrides;
mod plugins;
mod pools;
mod radius;
mod reconfigure;
mod reconfigure_deaf;
mod relayed;
mod reload;
mod routes;
mod shell;
mod snooped;
mod stage_route;
mod story;
mod vlan;
mod vlan_made;
