//! Texts of others with what must come of them.

mod expectations;
mod junos;
mod kea;
mod leases;
mod properties;
