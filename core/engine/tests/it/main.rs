//! Scenarios over the pure engine: packets in, packets, mutations and routes out. No runtime, no time but the test's.

mod access;
mod conformance;
mod endings;
mod faults;
mod feed;
mod forecast;
mod grants;
mod impact;
mod import;
mod lab;
mod lease;
mod leasequery;
mod policy;
mod promises;
mod reconfigure;
mod relay;
mod restart;
mod route;
mod sim_found;
mod steer;
