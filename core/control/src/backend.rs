//! Who answers: the daemon behind the socket.

use bindery_api::{AaaStatistics, Plugin, RadiusServerList, Reloaded};
use bindery_engine::command::{Reply, Verb};
use std::{future::Future, pin::Pin};

/// An answer that comes later.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The daemon as the control socket sees it.
pub trait Backend: Send + Sync + 'static {
    /// Asks the engine; `None` when the daemon is ending.
    fn engine(&self, verb: Verb) -> Answer<'_, Option<Reply>>;

    /// The plugins with their counters; `None` when the daemon is ending.
    fn plugins(&self) -> Answer<'_, Option<Vec<Plugin>>>;

    /// The RADIUS servers; `None` when the daemon is ending.
    fn radius_servers(&self) -> Answer<'_, Option<RadiusServerList>>;

    /// What was asked of RADIUS and by it; `None` when the daemon is ending.
    fn aaa_statistics(&self) -> Answer<'_, Option<AaaStatistics>>;

    /// Loads the configuration file again.
    fn reload(&self) -> Answer<'_, Result<Reloaded, ReloadError>>;

    /// The active revision.
    fn revision(&self) -> Answer<'_, u64>;

    /// Ends the daemon after this answer; with `withdraw` its routes go first.
    fn shutdown(&self, withdraw: bool) -> Answer<'_, ()>;
}

/// Why a reload did not happen. The active configuration stays.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct ReloadError(pub String);
