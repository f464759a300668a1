//! A commit: prepare, record, apply. Boot, reload and SIGHUP go this one way (design §6).

use crate::{
    copies::{Copies, Kept},
    dynamic::{Dynamic, PortError},
    packet::{Inbox, Message},
    prepare::{self, Component, Prepared, Refusal},
    radius::Radius,
    revision::Revisions,
    routes::{self, RoutesError},
};
use bindery_config::Loaded;
use bindery_netlink::{RouteHandle, RouteThread};
use bindery_plugin_host::{Host, Stores};
use bindery_radius::{dynamic::Counters, shell::Handle as RadiusHandle};
use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::sync::oneshot;

/// What a commit did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    /// The revision that is active now.
    pub(crate) revision: u64,
    /// Sections that changed, in words; empty when nothing did.
    pub(crate) changes: Vec<String>,
}

/// Why a commit did not happen; the active configuration stays.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommitError {
    /// Prepare refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The route thread that the configuration wants cannot be started.
    #[error(transparent)]
    Routes(#[from] RoutesError),
    /// The port of Disconnect-Requests is taken.
    #[error(transparent)]
    Dynamic(#[from] PortError),
    /// The revision could not be recorded.
    #[error("the revision cannot be recorded: {0}: the active configuration stays")]
    Record(#[from] io::Error),
    /// The packet thread has ended.
    #[error("the daemon is ending")]
    Ending,
}

/// The configuration of the running daemon.
pub(crate) struct Configuration {
    host: Host,
    path: PathBuf,
    revisions: Revisions,
    copies: Copies,
    stores: Stores,
    active: Loaded,
    components: Vec<Component>,
    revision: u64,
    routes: RouteThread,
    dynamic: Dynamic,
    radius: Radius,
}

/// What a commit changes beside the engine.
pub(crate) struct Surroundings {
    pub(crate) routes: RouteThread,
    pub(crate) dynamic: Dynamic,
    pub(crate) radius: Radius,
}

impl Configuration {
    /// The configuration of a daemon that starts with `prepared`: recorded as a new revision "by file" when the
    /// file is not the newest revision.
    ///
    /// # Errors
    /// The revision cannot be recorded.
    pub(crate) fn start(
        host: Host,
        path: PathBuf,
        (mut revisions, copies, stores): (Revisions, Copies, Stores),
        prepared: &Prepared,
        Surroundings { routes, dynamic, radius }: Surroundings,
    ) -> io::Result<Self> {
        let active = prepared.loaded.clone();
        let revision = revisions.record(active.text(), active.hash, "file", &prepared.components)?;
        let components = prepared.components.clone();
        prune(&revisions, &copies);
        Ok(Self { host, path, revisions, copies, stores, active, components, revision, routes, dynamic, radius })
    }

    /// Talks to the route thread.
    pub(crate) fn routes(&self) -> RouteHandle {
        self.routes.handle()
    }

    /// Talks to the RADIUS task.
    pub(crate) fn radius(&self) -> RadiusHandle {
        self.radius.handle()
    }

    /// What was counted of Disconnect- and CoA-Requests.
    pub(crate) async fn dynamic_counters(&self) -> Counters {
        self.dynamic.counters().await
    }

    /// Ends the route thread; the routes stay.
    pub(crate) fn end(self) {
        self.routes.stop();
    }

    /// The active revision.
    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    /// The plugins of the active configuration, in its order.
    pub(crate) fn components(&self) -> &[Component] {
        &self.components
    }

    /// Loads the file again and makes it the active configuration. Sessions stay.
    ///
    /// # Errors
    /// [`CommitError`]; the active configuration stays.
    pub(crate) async fn reload(&mut self, inbox: &Inbox) -> Result<Report, CommitError> {
        let kept = Kept { copies: &self.copies, stores: &self.stores, newest: self.revisions.newest() };
        let prepared = prepare::prepare(&self.host, &self.path, Some(kept))?;
        let (system, old) = (&prepared.loaded.system, &self.active.system);
        // Started now, so that nothing refuses once the revision is recorded.
        let next = if system == old {
            None
        } else {
            Some(routes::start(system, self.path.parent().unwrap_or(Path::new(".")), inbox)?)
        };
        let dynamic = self.dynamic.prepare(&prepared.loaded.model, &prepared.aaa.radius.nas)?;
        let withdraw = system.route_protocol != old.route_protocol;
        let mut changes: Vec<String> =
            prepared.loaded.changes_since(&self.active).iter().map(ToString::to_string).collect();
        changes.extend(changed_components(&self.components, &prepared.components));
        if changes.is_empty() && prepared.loaded.hash == self.active.hash {
            // Plugins keep their instances and counters.
            return Ok(Report { revision: self.revision, changes });
        }
        let (text, hash) = (prepared.loaded.text(), prepared.loaded.hash);
        let revision = self.revisions.record(text, hash, "reload", &prepared.components)?;
        prune(&self.revisions, &self.copies);
        let Prepared { loaded, plugins, aaa, components } = prepared;
        // First, so that it knows each profile that the packet thread asks for.
        self.radius.apply(Arc::clone(&aaa)).await;
        let (done, applied) = oneshot::channel();
        let plugins = inbox.take_answers_of(plugins);
        inbox.send(Message::Configure(Arc::clone(&loaded.engine), plugins, aaa, done));
        applied.await.map_err(|_| CommitError::Ending)?;
        self.dynamic.apply(dynamic);
        if let Some(next) = next {
            let old = std::mem::replace(&mut self.routes, next);
            routes::replace(old, &self.routes, withdraw, inbox).await.ok_or(CommitError::Ending)?;
        }
        self.active = loaded;
        self.components = components;
        self.revision = revision;
        Ok(Report { revision, changes })
    }
}

/// Removes the copies of components that no revision needs any more.
fn prune(revisions: &Revisions, copies: &Copies) {
    if let Ok(hashes) = revisions.plugin_hashes() {
        copies.prune(&hashes);
    }
}

/// Plugins whose component is another one under the same name.
fn changed_components<'a>(old: &'a [Component], new: &'a [Component]) -> impl Iterator<Item = String> + 'a {
    let changed = new.iter().filter(|new| old.iter().any(|old| old.name == new.name && old.hash != new.hash));
    changed.map(|component| format!("plugins plugin {}: another component", component.name))
}
