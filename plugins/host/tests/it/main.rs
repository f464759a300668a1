//! The host against guests: text ones written here, and the real ones where they have been built.

mod breaker;
mod cache;
mod contract;
mod exchange;
mod guests;
mod load;
mod text;
mod wit;
