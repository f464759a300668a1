//! Tests of the crate as the daemon uses it.

mod access;
mod completion;
mod edits;
mod examples;
mod expectations;
mod grown;
mod messages;
mod properties;
mod sessions;
mod table;
mod trees;
mod vectors;
