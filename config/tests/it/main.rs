//! Tests of the crate as the daemon uses it.

mod examples;
