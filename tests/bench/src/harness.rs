//! The comparison: every server in one network namespace, the load in another, one after the other, round by round.

pub mod api;
pub mod commits;
pub mod configuration;
pub mod engines;
pub mod figures;
pub mod flood;
pub mod generator;
pub mod hosts;
pub mod machine;
pub mod million;
pub mod plugins;
pub mod process;
pub mod profile;
pub mod steps;
pub mod variant;
pub mod world;
