//! Routes in a real kernel, in network namespaces.

mod lab;
mod links;
mod plane;
mod scale;
mod thread;
