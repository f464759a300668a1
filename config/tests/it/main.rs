//! Tests of the crate as the daemon uses it.

mod access;
mod examples;
mod expectations;
mod properties;
mod table;
mod vectors;
