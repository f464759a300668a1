//! Who answers: the daemon behind the socket.

use bindery_api::{
    AaaStatistics, ConfigurationReply, ConfigurationRequest, Notice, Permission, Plugin, RadiusServerList, Reloaded,
    VlanDevice,
};
use bindery_engine::command::{Reply, Verb};
use std::{future::Future, pin::Pin};

/// An answer that comes later.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Who asks, as the kernel tells it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Requestor {
    /// User id; none where the kernel does not tell.
    pub uid: Option<u32>,
    /// Process id; none where the kernel does not tell.
    pub pid: Option<i32>,
}

/// Why a request about the configuration was refused. Nothing has changed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ConfigurationError {
    /// The request, the configuration or a constraint is at fault: the text says where.
    #[error("{0}")]
    Refused(String),
    /// Somebody else has it now: an exclusive session, a commit that waits for its time, a conflict.
    #[error("{0}")]
    Conflict(String),
    /// There is no such editing session or revision.
    #[error("{0}")]
    Unknown(String),
    /// The fault is the system's: storage that cannot be written, a daemon that is ending.
    #[error("{0}")]
    Unavailable(String),
}

/// What happened beside changes of bindings.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Notices {
    /// Oldest first.
    pub rows: Vec<Notice>,
    /// Where to go on.
    pub next: u64,
}

/// The daemon as the control socket sees it.
pub trait Backend: Send + Sync + 'static {
    /// Asks the engine; `None` when the daemon is ending.
    fn engine(&self, verb: Verb) -> Answer<'_, Option<Reply>>;

    /// The same for a requestor, whom the history names.
    fn engine_for(&self, _requestor: Requestor, verb: Verb) -> Answer<'_, Option<Reply>> {
        self.engine(verb)
    }

    /// The plugins with their counters; `None` when the daemon is ending.
    fn plugins(&self) -> Answer<'_, Option<Vec<Plugin>>>;

    /// The RADIUS servers; `None` when the daemon is ending.
    fn radius_servers(&self) -> Answer<'_, Option<RadiusServerList>>;

    /// What was asked of RADIUS and by it; `None` when the daemon is ending.
    fn aaa_statistics(&self) -> Answer<'_, Option<AaaStatistics>>;

    /// What happened beside changes of bindings, behind a position in the order of notices, or `None` for nothing but where
    /// that order is now; `None` when the daemon is ending.
    fn notices(&self, after: Option<u64>) -> Answer<'_, Option<Notices>>;

    /// The VLAN devices that were made for clients; `None` when the daemon is ending.
    fn vlan_devices(&self) -> Answer<'_, Option<Vec<VlanDevice>>>;

    /// The most that a requestor may do; none for nothing at all, not even look.
    fn permission(&self, requestor: Requestor) -> Answer<'_, Option<Permission>>;

    /// Looks at the configuration, edits a candidate, commits; see [`ConfigurationRequest`] for the answer to each.
    fn configuration(
        &self,
        requestor: Requestor,
        request: ConfigurationRequest,
    ) -> Answer<'_, Result<ConfigurationReply, ConfigurationError>>;

    /// Loads the configuration file again; with `force` whatever becomes of live sessions.
    fn reload(&self, force: bool) -> Answer<'_, Result<Reloaded, ReloadError>>;

    /// The active revision.
    fn revision(&self) -> Answer<'_, u64>;

    /// Ends the daemon after this answer; with `withdraw` its routes go first.
    fn shutdown(&self, withdraw: bool) -> Answer<'_, ()>;
}

/// Why a reload did not happen. The active configuration stays.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct ReloadError(pub String);
