//! A commit: prepare, record, apply (design §6). Boot, reload, the operator's commit, a rollback and the end of a
//! confirmed commit's time go this one way.

mod blast;
mod order;
mod timers;

pub(crate) use blast::{Blast, blast_of};
pub(crate) use order::{Order, Outcome, What};
pub(crate) use timers::watch;

use crate::{
    clock,
    copies::{Copies, Kept},
    dynamic::{Dynamic, PortError, Update},
    file::ConfigFile,
    packet::{Inbox, Message},
    prepare::{self, Component, Prepared, Refusal},
    radius::Radius,
    renumber::Renumbering,
    routes::{self, RoutesError},
    sources::FileSources,
    trace,
    vlan::{self, Vlans},
};
use bindery_commit::{Database, EXPIRED, EditError, KeptFile, Recording};
use bindery_config::{Loaded, PluginConfig, schema};
use bindery_engine::{config::PluginId, impact::ImpactCounts};
use bindery_netlink::{RouteHandle, RouteThread};
use bindery_plugin_host::{Host, Stores};
use bindery_radius::{dynamic::Counters, shell::Handle as RadiusHandle};
use std::{io, sync::Arc};
use tokio::{
    sync::{OwnedMutexGuard, oneshot, watch},
    time::{Duration, Instant},
};

/// Why a commit did not happen; the active configuration stays.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommitError {
    /// Prepare refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The candidate cannot be committed.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// The route thread that the configuration wants cannot be started.
    #[error(transparent)]
    Routes(#[from] RoutesError),
    /// The port of Disconnect-Requests is taken.
    #[error(transparent)]
    Dynamic(#[from] PortError),
    /// Live sessions would lose their address.
    #[error(
        "{} would lose address or server ({}): `commit force` does it all the same, `commit renumber pace N` moves N of \
         them a second, `commit check sessions` lists them",
        sessions(.0.displaces()),
        counts(.0)
    )]
    Sessions(ImpactCounts),
    /// The configuration waits for a confirmation.
    #[error(
        "revision {0} waits to be confirmed: confirm it by `commit`, or let its time run out, before the file is loaded"
    )]
    Unconfirmed(u64),
    /// The revision could not be recorded.
    #[error("the revision cannot be recorded: {0}: the active configuration stays")]
    Record(#[from] io::Error),
    /// The packet thread has ended.
    #[error("the daemon is ending")]
    Ending,
}

/// A number of sessions in words.
fn sessions(count: u64) -> String {
    if count == 1 { "1 live session".to_owned() } else { format!("{count} live sessions") }
}

/// What becomes of the live sessions, in words.
fn counts(counts: &ImpactCounts) -> String {
    let ImpactCounts { kept, changed, moved, dropped, .. } = counts;
    format!("{kept} keep all they have, {changed} get other values, {moved} move, {dropped} are dropped")
}

/// The configuration of the running daemon.
pub(crate) struct Configuration {
    pub(crate) database: Database,
    pub(crate) renumbering: Renumbering,
    host: Host,
    file: ConfigFile,
    sources: FileSources,
    copies: Copies,
    stores: Stores,
    components: Vec<Component>,
    /// When the commit that waits for its confirmation is taken back, by the monotonic clock.
    window: Option<Instant>,
    routes: RouteThread,
    dynamic: Dynamic,
    radius: Radius,
    vlans: Vlans,
    told: watch::Sender<(u64, Arc<Loaded>)>,
}

/// The configuration, held for a whole commit.
pub(crate) type Held = OwnedMutexGuard<Configuration>;

/// What a commit changes beside the engine.
pub(crate) struct Surroundings {
    pub(crate) routes: RouteThread,
    pub(crate) dynamic: Dynamic,
    pub(crate) radius: Radius,
    pub(crate) vlans: Vlans,
}

/// What a daemon knows of configurations before it has one.
pub(crate) struct Recorded {
    pub(crate) host: Host,
    pub(crate) file: ConfigFile,
    pub(crate) sources: FileSources,
    pub(crate) database: Database,
    pub(crate) copies: Copies,
    pub(crate) stores: Stores,
}

impl Recorded {
    /// What the state directory has for a configuration that is being prepared.
    pub(crate) fn kept(&self, revision: Option<u64>) -> Kept<'_> {
        Kept { copies: &self.copies, stores: &self.stores, database: &self.database, revision }
    }
}

/// How the text that boots came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Booted {
    /// It is the newest revision.
    Newest,
    /// It is the file's.
    File,
    /// It is the newest revision, since the file was edited and is at fault: the file stays for its author.
    FileRefused,
    /// The time to confirm another one had run out.
    Expired,
}

impl Configuration {
    /// The configuration of a daemon that starts with `prepared`: recorded as a new revision where it is none yet.
    ///
    /// # Errors
    /// The revision cannot be recorded.
    pub(crate) fn start(
        recorded: Recorded,
        prepared: &Prepared,
        booted: Booted,
        Surroundings { routes, dynamic, radius, vlans }: Surroundings,
    ) -> io::Result<Self> {
        let Recorded { host, file, sources, database, copies, stores } = recorded;
        let components = prepared.components.clone();
        let (renumbering, window) = (Renumbering::default(), None);
        let (told, _) = watch::channel((0, Arc::clone(database.active())));
        let mut configuration = Self {
            database,
            renumbering,
            host,
            file,
            sources,
            copies,
            stores,
            components,
            window,
            routes,
            dynamic,
            radius,
            vlans,
            told,
        };
        let (by, via) = match booted {
            Booted::Newest | Booted::File | Booted::FileRefused => ("", "file"),
            Booted::Expired => ("", EXPIRED),
        };
        let overwrites = matches!(booted, Booted::Newest | Booted::Expired);
        let edit = if overwrites { configuration.keep_edit() } else { Ok(None) };
        // What is the newest revision already, text and plugins, is not recorded again.
        configuration.record(prepared, &Order { by: by.to_owned(), via, ..Order::default() })?;
        configuration.database.started(Arc::new(prepared.loaded.clone()));
        if overwrites {
            configuration.write_file(edit).iter().for_each(|warning| tracing::warn!("{warning}"));
        }
        configuration.follow_window();
        configuration.tell();
        Ok(configuration)
    }

    /// The active revision and configuration, for those who must not wait for a commit that is under way.
    pub(crate) fn watch(&self) -> watch::Receiver<(u64, Arc<Loaded>)> {
        self.told.subscribe()
    }

    /// Tells them.
    fn tell(&self) {
        self.told.send_replace((self.revision(), Arc::clone(self.active())));
    }

    /// Talks to the route thread.
    pub(crate) fn routes(&self) -> RouteHandle {
        self.routes.handle()
    }

    /// Talks to the RADIUS task.
    pub(crate) fn radius(&self) -> RadiusHandle {
        self.radius.handle()
    }

    /// What was counted of Disconnect- and CoA-Requests, when it comes.
    pub(crate) fn dynamic_counters(&self) -> impl Future<Output = Counters> + Send + use<> {
        self.dynamic.counters()
    }

    /// Ends the route thread; the routes stay.
    pub(crate) fn end(self) {
        self.routes.stop();
    }

    /// The active configuration.
    pub(crate) fn active(&self) -> &Arc<Loaded> {
        self.database.active()
    }

    /// The active revision.
    pub(crate) fn revision(&self) -> u64 {
        self.database.revision()
    }

    /// The plugins of the active configuration, in its order.
    pub(crate) fn components(&self) -> &[Component] {
        &self.components
    }

    /// Whether the time to confirm the newest commit has run out.
    pub(crate) fn window_is_over(&self) -> bool {
        self.window.is_some_and(|end| Instant::now() >= end)
    }

    /// The end of the window goes by the monotonic clock from here on.
    pub(crate) fn follow_window(&mut self) {
        let wall = clock::now().wall.0;
        let left = self.database.window().map(|window| Duration::from_secs(window.remaining(wall)));
        self.window = left.map(|left| Instant::now() + left);
    }

    /// The text of the file. One that has not changed since the newest revision stands for that revision.
    fn file_text(&self) -> Result<(String, String), Refusal> {
        let (path, read) = (self.file.path(), self.file.read());
        let text = read.map_err(|source| Refusal::Read { path: path.into(), source })?;
        let active = self.database.active();
        let unchanged = self.database.file_hashes().contains(&bindery_config::hash(&text));
        let text = if unchanged { active.text().to_owned() } else { text };
        Ok((path.display().to_string(), text))
    }

    /// The first step: everything that may refuse.
    fn prepare(&self, order: &Order) -> Result<Prepared, CommitError> {
        let loaded = match &order.what {
            What::Candidate(session) => {
                let tree = self.database.propose(*session)?;
                if !self.database.is_changed(*session)? {
                    // The active text as it is: how an editor has laid it out is no change.
                    let active = self.database.active().text();
                    return self.prepare_text(&self.file.path().display().to_string(), active);
                }
                let name = self.file.path().display().to_string();
                Loaded::from_tree(&name, tree, &self.sources).map_err(Refusal::from)?
            }
            What::Text { name, text, revision: None } => return self.prepare_text(name, text),
            What::Text { name, text, revision } => {
                let sources = self.sources.recorded(&self.database, text, *revision);
                let loaded = bindery_config::load_with(name, text, &sources).map_err(Refusal::from)?;
                return self.prepare_loaded(loaded, *revision);
            }
            What::File => {
                if let Some(window) = self.database.window() {
                    return Err(CommitError::Unconfirmed(window.revision));
                }
                let (name, text) = self.file_text()?;
                return self.prepare_text(&name, &text);
            }
        };
        self.prepare_loaded(loaded, None)
    }

    fn prepare_text(&self, name: &str, text: &str) -> Result<Prepared, CommitError> {
        self.prepare_loaded(bindery_config::load_with(name, text, &self.sources).map_err(Refusal::from)?, None)
    }

    fn prepare_loaded(&self, loaded: Loaded, revision: Option<u64>) -> Result<Prepared, CommitError> {
        let kept = Kept { copies: &self.copies, stores: &self.stores, database: &self.database, revision };
        Ok(prepare::prepare(&self.host, loaded, self.file.base(), Some(kept))?)
    }

    /// The end of the first step: what is started now, so that nothing refuses once the revision is recorded. A driver
    /// takes its time to start, and so it does to end where the record fails.
    fn ready(&self, prepared: Prepared, inbox: &Inbox) -> Result<Ready, CommitError> {
        let (system, before) = (&prepared.loaded.system, &self.active().system);
        let routes = match routes::are_same(system, before) {
            true => None,
            false => Some(routes::start(system, self.file.base(), inbox)?),
        };
        let dynamic = self.dynamic.prepare(&prepared.loaded.model, &prepared.aaa.radius.nas)?;
        let withdraw = system.route_protocol != before.route_protocol;
        Ok(Ready { prepared, routes, dynamic, withdraw })
    }

    /// The second step: the revision is on stable storage when this returns.
    fn record(&mut self, prepared: &Prepared, order: &Order) -> io::Result<u64> {
        let plugin = |component: &Component| KeptFile {
            kind: "plugin".to_owned(),
            name: component.name.clone(),
            hash: component.hash,
            path: component.path.display().to_string(),
        };
        let tables = prepared.loaded.host_tables().map(|(_, path, table)| KeptFile {
            kind: "host-table".to_owned(),
            name: path.to_owned(),
            hash: table.hash().0,
            path: path.to_owned(),
        });
        let recording = Recording {
            by: order.by.clone(),
            via: order.via.to_owned(),
            comment: order.comment.clone(),
            wall: clock::now().wall.0,
            confirmed: order.confirmed,
            renumber: order.renumber,
            files: prepared.components.iter().map(plugin).chain(tables).collect(),
            file_hash: self.file.hash(),
        };
        self.database.record(&prepared.loaded, recording)
    }

    /// Removes the copies that no revision needs any more.
    fn prune(&self) {
        if let Ok(hashes) = self.database.kept_hashes("plugin") {
            self.copies.prune(&hashes);
        }
        self.sources.prune(&self.database);
    }

    /// Keeps an edit of the file that nobody has loaded, before it is recorded that the file is to be written over; what
    /// the operator should know of it.
    ///
    /// # Errors
    /// It could not be kept, in words: then the file must not be written over.
    fn keep_edit(&self) -> Result<Option<String>, String> {
        let path = self.file.path().display();
        match self.file.keep_edit(&self.database.file_hashes()) {
            Ok(aside) => Ok(aside.map(|aside| {
                let aside = aside.display();
                format!("{path} was edited since the last commit and never loaded: that text is in {aside} now")
            })),
            Err(error) => Err(format!(
                "{path} was edited since the last commit and cannot be kept: {error}: it is not written, and the revision \
                 boots from the state directory"
            )),
        }
    }

    /// Writes the active text to the file, unless an edit of it could not be kept; what the operator should know.
    fn write_file(&self, edit: Result<Option<String>, String>) -> Vec<String> {
        let mut told = match edit {
            Ok(told) => Vec::from_iter(told),
            Err(told) => return vec![told],
        };
        let (path, active) = (self.file.path().display(), self.database.active());
        // Others must not read a secret that stands there.
        let secret = schema::redact(&active.tree) != active.tree;
        if let Err(error) = self.file.write(active.text(), secret) {
            told.push(format!("{path} cannot be written: {error}: the revision boots from the state directory"));
        }
        told
    }
}

/// What is ready beside the engine's part before a commit is recorded.
struct Ready {
    prepared: Prepared,
    routes: Option<RouteThread>,
    dynamic: Update,
    withdraw: bool,
}

/// Commits as `order` says: prepare, record, apply.
///
/// # Errors
/// [`CommitError`]; the active configuration stays.
pub(crate) async fn commit(held: Held, inbox: &Inbox, order: Order) -> Result<(Held, Outcome), CommitError> {
    let (held, prepared) = blocking(held, move |held| {
        let prepared = held.prepare(&order);
        prepared.map(|prepared| (prepared, order))
    })
    .await;
    let (prepared, mut order) = prepared?;
    let old = Arc::clone(held.active());
    let mut changes: Vec<String> = prepared.loaded.changes_since(&old).iter().map(ToString::to_string).collect();
    changes.extend(changed_components(&held.components, &prepared.components));
    changes.extend(prepared.loaded.changed_secrets(&old).map(|secret| format!("{secret}: another secret")));
    let mut outcome = Outcome { revision: held.revision(), changes, ..Outcome::default() };
    let same = outcome.changes.is_empty() && prepared.loaded.hash == old.hash;
    if same && (order.check || order.confirmed.is_none() || held.database.window().is_none()) {
        // Plugins keep their instances and counters.
        return unchanged(held, &order, outcome).await;
    }
    let former = former(&old, &held.components, &prepared);
    let blast = blast_of(inbox, &prepared.loaded.engine, Some(former), order.sessions).await;
    outcome.blast = blast.ok_or(CommitError::Ending)?;
    if order.check {
        // Nothing is left behind of what was only looked at.
        let (held, ()) = blocking(held, |held| held.prune()).await;
        return unchanged(held, &order, outcome).await;
    }
    if outcome.blast.counts.displaces() > 0 && !order.force && order.renumber.is_none() {
        return Err(CommitError::Sessions(outcome.blast.counts));
    }
    order.renumber = order.renumber.filter(|_| outcome.blast.hit() > 0);
    let events = inbox.clone();
    let (held, recorded) = blocking(held, move |held| {
        let ready = held.ready(prepared, &events)?;
        let edit = if matches!(order.what, What::File) { Ok(None) } else { held.keep_edit() };
        let revision = held.record(&ready.prepared, &order);
        held.prune();
        Ok::<_, CommitError>((revision?, edit, ready, order))
    })
    .await;
    let (revision, edit, ready, order) = recorded?;
    outcome.revision = revision;
    let held = apply(held, inbox, &order, ready).await?;
    let (mut held, written) = match order.what {
        // It says so already; what an editor puts there meanwhile is the next commit's.
        What::File => (held, Vec::new()),
        _ => blocking(held, |held| held.write_file(edit)).await,
    };
    outcome.warnings.extend(written);
    held.follow_window();
    held.renumbering.stop("another commit has taken its place");
    Ok((held, outcome))
}

/// The end of a commit that changes nothing: whoever says `commit` confirms what is there.
async fn unchanged(held: Held, order: &Order, mut outcome: Outcome) -> Result<(Held, Outcome), CommitError> {
    // Taken back to what is there already: nothing is left to be confirmed.
    if !order.confirms && order.via != EXPIRED {
        return Ok((held, outcome));
    }
    let (by, wall) = (order.by.clone(), clock::now().wall.0);
    let (mut held, confirmed) = blocking(held, move |held| held.database.confirm(&by, wall)).await;
    if let Some(revision) = confirmed? {
        outcome.warnings.push(format!("revision {revision} is confirmed"));
        held.follow_window();
    }
    Ok((held, outcome))
}

/// The third step, which cannot refuse.
async fn apply(mut held: Held, inbox: &Inbox, order: &Order, ready: Ready) -> Result<Held, CommitError> {
    let Ready { prepared, routes: next, dynamic, withdraw } = ready;
    let Prepared { loaded, plugins, aaa, components } = prepared;
    // First, so that it knows each profile that the packet thread asks for.
    held.radius.apply(Arc::clone(&aaa)).await;
    let (done, applied) = oneshot::channel();
    let plugins = inbox.take_answers_of(plugins);
    inbox.send(Message::Revision(held.revision(), trace::changed(&loaded, held.active())));
    inbox.send(Message::Configure(Arc::clone(&loaded.engine), plugins, aaa, done));
    applied.await.map_err(|_| CommitError::Ending)?;
    held.dynamic.apply(dynamic);
    held.vlans.set(vlan::Settings::of(&loaded));
    // Routes do not wait for another interval alone.
    held.routes.handle().sweep_every(routes::interval(&loaded.system));
    if let Some(next) = next {
        let old = std::mem::replace(&mut held.routes, next);
        routes::replace(old, &held.routes, withdraw, inbox).await.ok_or(CommitError::Ending)?;
    }
    held.components = components;
    let session = match order.what {
        What::Candidate(session) => Some(session),
        _ => None,
    };
    held.database.committed(session, Arc::new(loaded));
    held.tell();
    Ok(held)
}

/// Runs what takes long, or waits for the disk, where neither the API nor RADIUS waits for it.
pub(crate) async fn blocking<T: Send + 'static>(
    mut held: Held,
    work: impl FnOnce(&mut Configuration) -> T + Send + 'static,
) -> (Held, T) {
    let done = tokio::task::spawn_blocking(move || {
        let result = work(&mut held);
        (held, result)
    });
    match done.await {
        Ok(done) => done,
        // A panic has ended the process, and nobody cancels the work.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// The plugin of the active configuration that does the same as each of the new one.
fn former(old: &Loaded, components: &[Component], new: &Prepared) -> Vec<Option<PluginId>> {
    let olds: Vec<_> = old.plugins.iter().zip(components).collect();
    let same = |plugin: &PluginConfig, component: &Component| {
        let at = olds.iter().position(|(before, was)| {
            before.name == plugin.name && was.hash == component.hash && before.settings == plugin.settings
        });
        at.and_then(|at| u16::try_from(at).ok()).map(PluginId)
    };
    new.loaded.plugins.iter().zip(&new.components).map(|(plugin, component)| same(plugin, component)).collect()
}

/// Plugins whose component is another one under the same name.
fn changed_components<'a>(old: &'a [Component], new: &'a [Component]) -> impl Iterator<Item = String> + 'a {
    let changed = new.iter().filter(|new| old.iter().any(|old| old.name == new.name && old.hash != new.hash));
    changed.map(|component| format!("plugins plugin {}: another component", component.name))
}
