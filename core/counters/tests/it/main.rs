//! Counting in a real kernel, in network namespaces.

mod lab;
mod plane;
mod scale;
mod snooped;
mod thread;
