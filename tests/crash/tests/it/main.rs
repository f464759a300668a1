//! Crash tests of the shipped store, below the storage library.

mod batches;
mod clock;
mod writer;
