//! Routes in a real kernel, in network namespaces.

mod driver;
mod lab;
mod links;
mod plane;
mod scale;
mod thread;
mod vlan;
