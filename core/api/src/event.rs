//! The stream of events: what happens to bindings, as server-sent events.
//!
//! Without a resume id: the full state as events `binding`, then `synced`, then changes as events `binding` and `ended`.
//! With one: the changes since, or `reset` and the full state where they are not known any more. A reader that keeps
//! bindings by `session-id`, puts in what `binding` tells, takes out what `ended` tells and empties its table at `reset`
//! has the server's table.
//!
//! Beside the changes, events `notice` tell what else an operator wants to know: a pool that runs full, a foreign server.
//! They change no binding.

use crate::{Binding, Selector};
use serde::{Deserialize, Serialize};

// The fields of a selector stand here once more, as in the query of a reconfiguration: serde can neither refuse unknown
// fields nor read numbers of a query in a struct that is flattened into another.
/// The query of `Events`: a [`Selector`] and where to go on.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct EventQuery {
    /// As in [`Selector`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// As in [`Selector`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// As in [`Selector`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<u64>,
    /// As in [`Selector`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// As in [`Selector`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// As in [`Selector`]; the same as none of the others.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
    /// Routing instance of the bindings, or `all` for any, which holds without it too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routing_instance: Option<String>,
    /// The last `id` that the reader has, as in the header `Last-Event-ID`, which comes before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<String>,
}

impl EventQuery {
    /// Which bindings.
    pub fn selector(&self) -> Selector {
        let Self { address, mac, session, interface, pool, all, routing_instance, .. } = self.clone();
        let routing_instance = Some(routing_instance.unwrap_or_else(|| "all".to_owned()));
        Selector { address, mac, session, interface, pool, lease_time_violation: false, all, routing_instance }
    }
}

/// Kind of an event: its field `event`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum EventKind {
    /// A live binding as it is now; data is an [`Event`].
    Binding,
    /// A binding ended, or left the selection; data is an [`Event`].
    Ended,
    /// The full state is told: what follows are changes; data is a [`Synced`].
    Synced,
    /// Changes were lost: the full state follows; data is a [`Reset`].
    Reset,
    /// Something else that happened; data is a [`Notice`].
    Notice,
}

impl EventKind {
    /// The value of the field `event`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Binding => "binding",
            Self::Ended => "ended",
            Self::Synced => "synced",
            Self::Reset => "reset",
            Self::Notice => "notice",
        }
    }
}

/// Data of the events `binding` and `ended`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct Event {
    /// Position in the order of all changes; absent in the full state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// What became of the binding. Of several changes since the reader's last look it is the last.
    pub change: BindingChange,
    /// The binding.
    pub binding: Binding,
}

/// What became of a binding.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum BindingChange {
    /// Nothing: it is part of the full state.
    Present,
    /// A new lease.
    Bound,
    /// The lease goes on, or what an authority granted has changed.
    Renewed,
    /// The client is being reconfigured.
    Reconfiguring,
    /// The client gave the lease back.
    Released,
    /// The lease ran out.
    Expired,
    /// We ended it.
    Cleared,
    /// The client found its address in use.
    Declined,
    /// The selection does not cover it any more; it may never have.
    Left,
}

/// Data of the event `synced`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct Synced {
    /// Position in the order of all changes.
    pub sequence: u64,
}

/// Data of the event `reset`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct Reset {
    /// Why.
    pub reason: ResetReason,
}

/// Why a stream begins anew.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ResetReason {
    /// The reader is so far behind that changes were forgotten.
    Lost,
    /// The resume id is of another run of the daemon.
    OtherRun,
}

/// Data of the event `notice`. What does not concern it is absent. A reader that selects bindings is told those that name
/// what it selects.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct Notice {
    /// Position in the order of all notices since the daemon's start.
    pub sequence: u64,
    /// When, seconds since 1970 UTC.
    pub time: u64,
    /// What: `pool-high-utilization`, `rogue-server`, ...
    pub name: String,
    /// `alarm`, `warning` or `info`.
    pub severity: String,
    /// The same in words, numbers included.
    pub message: String,
    /// Notices of this name before it that were too many to be told, since the last one that was.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left_out: u64,
    /// Interface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface_name: Option<String>,
    /// Routing instance of the interface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routing_instance: Option<String>,
    /// Address that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Hardware address of the client or of a foreign host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac_address: Option<String>,
    /// Session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<u64>,
    /// Pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool_name: Option<String>,
}

// The signature is serde's.
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_of_events() {
        let json = |value: &BindingChange| serde_json::to_string(value).unwrap();
        assert_eq!(json(&BindingChange::Reconfiguring), r#""reconfiguring""#);
        assert_eq!(
            serde_json::to_string(&Reset { reason: ResetReason::OtherRun }).unwrap(),
            r#"{"reason":"other-run"}"#
        );
        assert_eq!(serde_json::to_string(&Synced { sequence: 7 }).unwrap(), r#"{"sequence":7}"#);
        let query: EventQuery = serde_json::from_str(r#"{"pool":"p","resume":"1-2"}"#).unwrap();
        let routing_instance = Some("all".to_owned());
        assert_eq!(query.selector(), Selector { pool: Some("p".to_owned()), routing_instance, ..Selector::default() });
    }
}
