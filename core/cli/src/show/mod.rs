//! Text layouts, as Junos prints them (junos.md §11).

mod binding;
mod configuration;
mod event;
mod history;
mod lockout;
mod neighbour;
mod pools;
mod radius;
mod system;
mod vlan;

pub(crate) use binding::{bindings, bindings_detail, capability, cleared, reconfigured, summary, time};
pub(crate) use configuration::{commit_line, committed, history, progress, status};
pub(crate) use event::{event, notice};
pub(crate) use history::subscriber_history;
pub(crate) use lockout::{cleared_lockouts, lockouts, lockouts_detail};
pub(crate) use neighbour::{liveness, rogue_servers};
pub(crate) use pools::{pool, pools};
pub(crate) use radius::{aaa_statistics, radius_servers, radius_servers_detail};
pub(crate) use system::{plugins, reloaded, routes, statistics, statistics_summary, version};
pub(crate) use vlan::vlan_devices;

/// Appends a line; writing to a string cannot fail.
macro_rules! push_line {
    ($text:expr, $($form:tt)*) => {{
        use std::fmt::Write as _;
        let _ = writeln!($text, $($form)*);
    }};
}
pub(crate) use push_line;

#[cfg(test)]
pub(crate) mod tests {
    use bindery_api::Binding;

    /// A binding with what must be there.
    pub(crate) fn binding() -> Binding {
        let text = r#"{"session-id":7,"allocated-address":"192.0.2.10","mac-address":"02:00:00:00:00:01",
            "lease-state":"BOUND","lease-start-time":0,"last-packet-received-time":0,"interface-name":"eth1",
            "server-identifier":"192.0.2.1","pool-name":"res","group-name":"g","reconfigure-status":"none",
            "reconfigure-capability":"unknown","route-state":"installed"}"#;
        serde_json::from_str(text).unwrap()
    }
}
