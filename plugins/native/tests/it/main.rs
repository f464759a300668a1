//! Drivers against the host: the samples by the contract suite, odd ones by what they are odd in.

mod build;
mod odd;
mod refusal;
mod samples;
mod thread;
