//! Newtypes that every crate of Bindery speaks: identities, addresses, the two clocks.
//!
//! What this crate never does: no parsing of packets, no I/O, no clock, no allocation, no dependencies.
//! Read [`Now`] first.
#![no_std]

mod hw;
mod ids;
mod prefix;
mod time;

pub use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
pub use hw::{HwAddr, MacAddr, ParseMacError};
pub use ids::{EngineId, GroupId, IfIndex, InstanceId, PoolId, SessionId, Xid};
pub use prefix::{ParsePrefixError, Prefix4};
pub use time::{LeaseTime, Mono, Now, Wall};
