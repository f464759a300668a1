//! The operator's API: paths and JSON types of version 1, shared by the daemon and the CLI.
//!
//! HTTP/JSON on a UNIX socket. Field names are those of Junos's XML where it has one (junos.md §11). Fields are only
//! added. What this crate never does: no I/O, no runtime, nothing of the engine.
//!
//! Read [`Verb`] first: it lists what an operator can do, with its path and permission.

mod binding;
mod configuration;
mod event;
mod history;
mod import;
mod lockout;
mod neighbour;
#[cfg(feature = "schema")]
mod openapi;
mod plugin;
mod radius;
mod reconfigure;
mod route;
mod statistics;
mod system;
mod verb;
mod vlan;

pub use binding::{Binding, BindingList, BindingSummary, Cleared};
pub use configuration::{
    Commit, CommitEntry, CommitHistory, CommitProgress, Committed, CompleteQuery, Completion, CompletionList,
    ConfigurationReply, ConfigurationRequest, Edit, Edited, EditingSession, EditingSessionList, Format, Impact,
    ImpactedSession, Load, LoadVerb, Mode, OfSession, Open, PendingCommit, Rescue, RescueAction, Rollback, ShowQuery,
    Text,
};
pub use event::{BindingChange, Event, EventKind, EventQuery, Notice, Reset, ResetReason, Synced};
pub use history::{HistoryEntry, HistoryList, HistoryQuery};
pub use import::{IMPORT_MAX, Import, ImportRefused, Imported, ImportedBinding, LEASE_INFINITE};
pub use lockout::{Lockout, LockoutList, LockoutQuery};
pub use neighbour::{RogueServer, RogueServerList};
#[cfg(feature = "schema")]
pub use openapi::openapi;
pub use plugin::{Plugin, PluginList};
pub use radius::{AaaStatistics, RadiusServer, RadiusServerList};
pub use reconfigure::{Capability, CapabilityList, PACE_DEFAULT, ReconfigureQuery, Reconfigured};
pub use route::{Route, RouteList, RouteProtocol, RouteQuery};
pub use statistics::{Counter, OfInterface, Pool, PoolList, Statistics};
pub use system::{ApiError, Empty, Reload, Reloaded, Shutdown, Version};
pub use verb::{Method, Permission, Selector, Verb};
pub use vlan::{VlanDevice, VlanDeviceList};
