//! Text layouts, as Junos prints them (junos.md §11).

mod binding;
mod radius;
mod system;

pub(crate) use binding::{bindings, bindings_detail, capability, cleared, reconfigured, summary};
pub(crate) use radius::{aaa_statistics, radius_servers, radius_servers_detail};
pub(crate) use system::{plugins, pools, reloaded, routes, statistics, version};

/// Appends a line; writing to a string cannot fail.
macro_rules! push_line {
    ($text:expr, $($form:tt)*) => {{
        use std::fmt::Write as _;
        let _ = writeln!($text, $($form)*);
    }};
}
pub(crate) use push_line;
