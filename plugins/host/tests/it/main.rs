//! The host against guests: text ones written here, and the real ones where they have been built.

mod breaker;
mod cache;
mod contract;
mod exchange;
mod frozen;
mod grants;
mod guests;
mod load;
mod sessions;
mod stages;
mod text;
mod wit;
