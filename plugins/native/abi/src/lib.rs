//! The binary interface of forwarding-plane drivers, version 1.0.
//!
//! A driver is a shared library that exports one symbol, [`SYMBOL`]: a constant [`Driver`]. The host checks its head
//! before it calls anything. The C header `plugins/native/include/bindery_plane.h` is made from these definitions by
//! [`header()`]; the comments of both are the same text, and bind drivers and hosts alike.
//!
//! Rules of growth: a new minor version appends members to the structs that carry their size, takes reserved members
//! into use where 0 means what was before, and adds constants. Whatever else changes is a new major version, with
//! another symbol. Structs that come in arrays never change their size within a major version.
//!
//! What this crate never does: it has no dependency and calls nothing. Driver authors in Rust depend on it alone.

#[macro_use]
mod describe;
mod header;
mod types;

pub use header::header;
pub use types::*;
