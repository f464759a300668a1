//! Start and end of the daemon, in order: what may fail comes before anything that others can see.

use crate::{
    access::Access,
    accounting::{Accountant, Feed},
    api::Daemon,
    args::Args,
    clock,
    commit::{self, Booted, Configuration, Recorded, Surroundings},
    copies::{self, Copies},
    dynamic::{self, Dynamic, PortError, Told},
    file::ConfigFile,
    instances::Instances,
    log::Log,
    neighbours::Neighbours,
    notices::Notices,
    packet::{INBOX, Inbox, Message, PacketThread},
    policy::Plugins,
    prepare::{self, Prepared, Refusal},
    radius::Radius,
    renumber,
    routes::{self, RoutesError},
    snooped::Snooped,
    sources::FileSources,
    trace::{self, Traces},
    vlan::{self, VlanError, Vlans},
};
use bindery_commit::{Boot, Database, Directory, EditError, OpenError};
use bindery_control::{ControlError, Socket};
use bindery_engine::{Engine, Input, policy::NoPolicy, record::StoredSession};
use bindery_net::Sockets;
use bindery_netlink::RouteHandle;
use bindery_plugin_host::{Host, HostConfig};
use bindery_store::{FjallStore, Storage, StoreError, Writer};
use bindery_types::EngineId;
use crossbeam_channel::{Receiver, bounded};
use std::{
    hash::{BuildHasher, RandomState},
    io::{self, Read as _},
    path::PathBuf,
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{Mutex, mpsc, oneshot},
};

/// Mutations that may wait for the store thread: more than the engine lets be in flight, so it is never full.
const STORE_QUEUE: usize = 65_536;

/// Sessions that are handed over at once while the database is read, and how many such pages may wait.
const PAGE: usize = 1_024;
const PAGES: usize = 8;

/// How long open requests of the API may go on once the end is asked for.
const DRAIN: Duration = Duration::from_secs(2);

/// Why the daemon does not start. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// The configuration.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The recorded revisions.
    #[error(transparent)]
    Revisions(#[from] OpenError),
    /// A revision that is to be gone back to.
    #[error(transparent)]
    Fallback(#[from] EditError),
    /// The plugin host.
    #[error(transparent)]
    Host(#[from] bindery_plugin_host::HostError),
    /// The session database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The sockets.
    #[error(transparent)]
    Sockets(#[from] bindery_net::OpenError),
    /// The control socket.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// Netlink.
    #[error(transparent)]
    Netlink(#[from] bindery_netlink::OpenError),
    /// The forwarding plane.
    #[error(transparent)]
    Routes(#[from] RoutesError),
    /// The port of Disconnect-Requests.
    #[error(transparent)]
    Dynamic(#[from] PortError),
    /// RADIUS.
    #[error("RADIUS: {0}")]
    Radius(#[from] bindery_radius::shell::SpawnError),
    /// VLAN devices.
    #[error(transparent)]
    Vlans(#[from] VlanError),
    /// The state directory.
    #[error("{}: {source}: give a state directory that the daemon can write by --state-dir", path.display())]
    StateDir {
        /// The directory.
        path: PathBuf,
        /// How it failed.
        source: io::Error,
    },
    /// Threads or runtime.
    #[error("the system has no thread or descriptor to give: {0}")]
    System(io::Error),
}

/// Serves until SIGTERM or SIGINT.
pub(crate) fn run(args: &Args) -> Result<(), StartError> {
    let state_dir = |source| StartError::StateDir { path: args.state_dir.clone(), source };
    // Without a state directory there is no cache yet: the first prepare compiles, the cache serves the next start.
    let cache = HostConfig { cache_dir: Some(copies::dir(&args.state_dir)), ..HostConfig::default() };
    std::fs::create_dir_all(&args.state_dir).map_err(state_dir)?;
    let file = ConfigFile::new(args.config.clone());
    let directory = Directory::open(&args.state_dir.join("config")).map_err(state_dir)?;
    let recorded = Recorded {
        host: Host::new(cache)?,
        sources: FileSources::new(file.base(), Some(Copies::of_tables(&args.state_dir).map_err(state_dir)?)),
        file,
        database: Database::open(Box::new(directory))?,
        copies: Copies::new(copies::dir(&args.state_dir)),
        stores: copies::stores(&args.state_dir).map_err(state_dir)?,
    };
    let (prepared, booted) = boot(&recorded)?;
    let mut store = FjallStore::open(&args.state_dir)?;
    let sockets = Sockets::open(&bindery_net::Settings::default())?;
    let control = Socket::open(&args.control)?;
    let engine = restore(&prepared, &mut store)?;
    let (sender, messages) = bounded(INBOX);
    let inbox = Inbox { sender, waker: sockets.waker() };
    let routes = routes::start(&prepared.loaded.system, recorded.file.base(), &inbox)?;
    let (mut dynamic, updates) = Dynamic::new();
    dynamic.apply(dynamic.prepare(&prepared.loaded.model, &prepared.aaa.radius.nas)?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(StartError::System)?;
    let radius = Radius::start(runtime.handle(), Arc::clone(&prepared.aaa), &args.state_dir, inbox.clone())?;
    let radius_handle = radius.handle();
    let (feed, facts) = Feed::new();
    let access = Access::new(radius.handle(), Arc::clone(&prepared.aaa), feed);
    let accountant = Accountant::new(radius.handle(), inbox.clone(), Arc::clone(&prepared.aaa));
    let accountant = runtime.spawn(accountant.run(facts, radius.active()));
    let vlans = Vlans::start(vlan::Settings::of(&prepared.loaded), &args.state_dir, &inbox)?;
    let surroundings = Surroundings { routes, dynamic, radius, vlans };
    let configuration = Configuration::start(recorded, &prepared, booted, surroundings).map_err(state_dir)?;
    let mut engine = engine;
    engine.set_revision(configuration.revision());
    let traces = Traces::new(trace::start(configuration.active()));
    traces.arm(&mut engine);
    let owned = Owned { engine, traces, sockets, plugins: inbox.take_answers_of(prepared.plugins), access };
    let packets = start_packets(owned, store, configuration.routes(), &inbox, messages)?;
    let (end, ended) = mpsc::channel(1);
    let (active, configuration) = (configuration.watch(), Arc::new(Mutex::new(configuration)));
    let daemon = Arc::new_cyclic(|own| {
        let (inbox, state_dir) = (inbox.clone(), args.state_dir.clone());
        Daemon { inbox, configuration, active, state_dir, own: own.clone(), end }
    });
    let served = runtime.block_on(serve(control, Arc::clone(&daemon), updates, ended));
    inbox.send(Message::Stop);
    if let Ok(store) = packets.join() {
        store.shutdown();
    }
    runtime.block_on(async {
        // It has ended when it has taken all that the packet thread has told.
        let _ = tokio::time::timeout(DRAIN, accountant).await;
        radius_handle.stop().await;
    });
    // Requests that still hold the daemon end with the runtime.
    drop(runtime);
    if let Some(daemon) = Arc::into_inner(daemon)
        && let Some(configuration) = Arc::into_inner(daemon.configuration)
    {
        configuration.into_inner().end();
    }
    served.map_err(StartError::System)?;
    tracing::info!("ended; bindings stay, and so do routes that were not withdrawn");
    Ok(())
}

/// The configuration that boots (design §6): the newest revision, unless the file was edited since. A router must not
/// stay dark for a slip in an edit that nobody has loaded yet: then the newest revision boots, and the fault is told.
fn boot(recorded: &Recorded) -> Result<(Prepared, Booted), StartError> {
    let Recorded { file, database, .. } = recorded;
    let wall = clock::now().wall.0;
    let read = file.read();
    if let (Err(error), true) = (&read, database.revision() > 0) {
        tracing::warn!("{}: {error}: what is recorded boots", file.path().display());
    }
    let refused = match database.boot(read.as_deref().ok(), wall)? {
        Boot::Nothing => {
            let source = read.err().unwrap_or_else(|| io::ErrorKind::NotFound.into());
            return Err(Refusal::Read { path: file.path().into(), source }.into());
        }
        chosen => match prepare_boot(recorded, chosen) {
            Ok((prepared, booted)) => return Ok((prepared, booted)),
            Err((Booted::Newest | Booted::FileRefused, refused)) => return Err(refused.into()),
            Err(refused) => refused,
        },
    };
    let (chosen, refused) = refused;
    let newest = database.boot_newest()?;
    if matches!(newest, Boot::Nothing) {
        return Err(refused.into());
    }
    let (what, booted) = match chosen {
        // Its time is over: it is tried again as soon as the daemon runs.
        Booted::Expired => ("the revision that comes back is refused", Booted::Newest),
        _ => ("the file was edited and is refused", Booted::FileRefused),
    };
    tracing::error!("{refused}\n{what}; the newest revision boots");
    let (prepared, _) = prepare_boot(recorded, newest).map_err(|(_, refused)| refused)?;
    Ok((prepared, booted))
}

/// Prepares what was chosen to boot.
fn prepare_boot(recorded: &Recorded, chosen: Boot) -> Result<(Prepared, Booted), (Booted, Refusal)> {
    let Recorded { host, file, sources, database, .. } = recorded;
    let name = file.path().display().to_string();
    let comes_back = if let Boot::Expired { to, .. } = &chosen { Some(*to) } else { None };
    let (booted, name, text, warnings) = match chosen {
        Boot::Revision { text, warnings, .. } => (Booted::Newest, name, text, warnings),
        Boot::File { text, warnings } => (Booted::File, name, text, warnings),
        Boot::Expired { to, text, warnings, .. } => (Booted::Expired, format!("revision {to}"), text, warnings),
        Boot::Nothing => (Booted::File, name, String::new(), Vec::new()),
    };
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    let loaded = match booted {
        Booted::File => bindery_config::load_with(&name, &text, sources),
        _ => bindery_config::load_with(&name, &text, &sources.recorded(database, &text, comes_back)),
    };
    let refuse = |refused: Refusal| (booted, refused);
    let loaded = loaded.map_err(|errors| refuse(errors.into()))?;
    let prepared = prepare::prepare(host, loaded, file.base(), Some(recorded.kept(comes_back))).map_err(refuse)?;
    Ok((prepared, booted))
}

/// The engine with what the database holds and the interfaces that are there.
fn restore(prepared: &Prepared, store: &mut FjallStore) -> Result<Engine, StartError> {
    let now = clock::now();
    let seed = RandomState::new().hash_one(now.mono.0);
    let mut engine = Engine::new(EngineId(0), seed, now, Arc::clone(&prepared.loaded.engine));
    engine.set_nonce_key(nonce_key().map_err(StartError::System)?);
    for link in bindery_netlink::links()? {
        engine.handle(now, Input::LinkSet(link), &mut NoPolicy);
    }
    let meta = store.facts()?;
    engine.reserve_sessions(store.sessions()?);
    let count = load(store, |sessions| engine.restore(now, meta.as_ref(), sessions))?;
    tracing::info!(sessions = count, created = store.created(), "session database open");
    Ok(engine)
}

/// Reads the sessions of the database on a thread of its own while `take` takes them in: reading and checking a record
/// costs about what taking it in does. How many there are; after an error what was taken must not be used.
fn load(
    store: &mut FjallStore,
    take: impl FnOnce(&mut dyn Iterator<Item = StoredSession>),
) -> Result<usize, StartError> {
    let (sender, pages) = bounded::<Vec<StoredSession>>(PAGES);
    std::thread::scope(|scope| {
        let read = move || -> Result<usize, StartError> {
            let (mut page, mut count) = (Vec::with_capacity(PAGE), 0);
            store.load(&mut |session| {
                count += 1;
                page.push(session);
                if page.len() == PAGE {
                    // Whoever takes them takes all.
                    let _ = sender.send(std::mem::replace(&mut page, Vec::with_capacity(PAGE)));
                }
            })?;
            let _ = sender.send(page);
            Ok(count)
        };
        let builder = std::thread::Builder::new().name("load".into());
        let reader = builder.spawn_scoped(scope, read).map_err(StartError::System)?;
        take(&mut pages.into_iter().flatten());
        reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// A key that nobody can guess, new at each start: nonces given before are in the session database.
fn nonce_key() -> io::Result<[u8; 32]> {
    let mut key = [0; 32];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut key)?;
    Ok(key)
}

/// What becomes the packet thread's.
struct Owned {
    engine: Engine,
    traces: Traces,
    sockets: Sockets,
    plugins: Plugins,
    access: Access,
}

fn start_packets(
    Owned { mut engine, traces, sockets, plugins, access }: Owned,
    store: FjallStore,
    routes: RouteHandle,
    inbox: &Inbox,
    messages: Receiver<Message>,
) -> Result<JoinHandle<Writer>, StartError> {
    let mut instances = Instances::default();
    let tables = engine.outbox().tables.clone();
    instances.set(tables.unwrap_or_default());
    // Before the seed: what stands in a table that is not known is nobody's.
    instances.tell(&routes);
    let snooped = Snooped::start(&mut engine.outbox().snooped).map_err(StartError::System)?;
    // The kernel's routes are reconciled with exactly what the database holds.
    routes.seed(engine.desired_routes());
    let report = inbox.clone();
    let store = Writer::start(Box::new(store), STORE_QUEUE, Box::new(move |event| report.send(Message::Store(event))))
        .map_err(StartError::System)?;
    let (routes, log) = (Some(routes), Log::default());
    let mut neighbours = Neighbours::new(inbox.clone());
    neighbours.configure(engine.config());
    let thread = PacketThread {
        engine,
        sockets,
        instances,
        snooped,
        plugins,
        access,
        neighbours,
        store,
        routes,
        inbox: messages,
        log,
        notices: Notices::default(),
        traces,
    };
    let name = "packets".to_owned();
    std::thread::Builder::new().name(name).spawn(move || thread.run()).map_err(StartError::System)
}

/// The API and signals, until the end is asked for.
async fn serve(
    control: Socket,
    daemon: Arc<Daemon>,
    updates: mpsc::UnboundedReceiver<Told>,
    mut end: mpsc::Receiver<()>,
) -> io::Result<()> {
    let (mut terminate, mut interrupt, mut hangup) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?, signal(SignalKind::hangup())?);
    let revision = bindery_control::Backend::revision(&*daemon).await;
    let (stop, stopped) = oneshot::channel::<()>();
    let backend: Arc<dyn bindery_control::Backend> = Arc::clone(&daemon) as _;
    let api = tokio::spawn(bindery_control::serve(control, backend, async {
        // Either the end is asked for, or the asker is gone.
        let _ = stopped.await;
    }));
    tokio::spawn(dynamic::run(updates, daemon.inbox.clone()));
    tokio::spawn(commit::watch(Arc::clone(&daemon)));
    renumber::go_on(&daemon).await;
    tracing::info!(revision, "configuration active");
    // Scripts wait for this very line.
    tracing::info!("ready");
    // Started without a service manager there is nobody to notify.
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = end.recv() => break,
            _ = hangup.recv() => {
                let daemon = Arc::clone(&daemon);
                // The outcome is in the log. The end does not wait for it.
                tokio::spawn(async move { daemon.reload(false).await });
            }
        }
    }
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    let _ = stop.send(());
    // Open requests get a moment; one that streams to a slow reader is cut off.
    if let Ok(Ok(served)) = tokio::time::timeout(DRAIN, api).await {
        served?;
    }
    Ok(())
}
