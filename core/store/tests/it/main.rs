//! Tests of the session database as its users see it.

mod codec;
mod contract;
mod damage;
mod directory;
mod writer;
