//! The route thread: started with the daemon, and anew by a commit that changes how routes are programmed.

use crate::{
    clock,
    packet::{Inbox, Message},
};
use bindery_config::System;
use bindery_netlink::{OpenError, PlaneSettings, RouteHandle, RouteThread, RouteThreadSettings};
use bindery_plugin_native::{Level, Library, Report};
use bindery_types::Mono;
use std::{
    path::Path,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};
use tokio::sync::oneshot;

/// Why no route thread starts.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RoutesError {
    /// No privilege, or an old kernel.
    #[error(transparent)]
    Netlink(#[from] OpenError),
    /// The driver is refused.
    #[error("routing-options access-internal driver: {0}")]
    Driver(#[from] bindery_plugin_native::LoadError),
}

/// How often routes are reconciled.
pub(crate) fn interval(system: &System) -> Duration {
    Duration::from_secs(u64::from(system.reconcile_interval_secs))
}

/// Whether a route thread of the one goes on for the other.
pub(crate) fn are_same(one: &System, other: &System) -> bool {
    one.route_protocol == other.route_protocol && one.driver == other.driver
}

/// Starts a route thread. Until it is seeded it changes nothing in the kernel. `base` is where a driver's relative path
/// starts.
///
/// # Errors
/// [`RoutesError`].
pub(crate) fn start(system: &System, base: &Path, inbox: &Inbox) -> Result<RouteThread, RoutesError> {
    let plane = PlaneSettings { protocol: system.route_protocol, ..PlaneSettings::default() };
    let sweep_interval = interval(system);
    let inbox = inbox.clone();
    let settings = RouteThreadSettings { plane, sweep_interval };
    let on_event = move |event| inbox.send(Message::Route(event));
    let Some(driver) = &system.driver else {
        return Ok(RouteThread::start(settings, on_event)?);
    };
    let library = Library::load(&base.join(&driver.path))?;
    tracing::info!(driver = library.name(), version = library.version(), "forwarding-plane driver");
    // It may report from inside `open`, before there is a thread to tell: the first reconciliation follows anyway.
    let handle: Arc<OnceLock<RouteHandle>> = Arc::default();
    let (told, name, lines) = (Arc::clone(&handle), library.name().to_owned(), Lines::default());
    let plane = library.open(&driver.settings, move |report| match report {
        Report::Fault(why) => {
            if lines.take() {
                tracing::error!(driver = name, "{why}");
            }
            if let Some(handle) = told.get() {
                handle.report_fault(why);
            }
        }
        Report::Log { level, text } if lines.take() => match level {
            Level::Error => tracing::error!(driver = name, "{text}"),
            Level::Warn => tracing::warn!(driver = name, "{text}"),
            Level::Info => tracing::info!(driver = name, "{text}"),
            Level::Debug => tracing::debug!(driver = name, "{text}"),
        },
        Report::Log { .. } => {}
    })?;
    let thread = match driver.alone {
        true => RouteThread::start_driver(plane, settings.sweep_interval, on_event),
        false => RouteThread::start_beside(settings, plane, on_event),
    }?;
    // It is empty until here.
    let _ = handle.set(thread.handle());
    Ok(thread)
}

/// At most so many lines a second of a driver in the log; the rest is dropped.
#[derive(Default)]
struct Lines(Mutex<(u64, u32)>);

impl Lines {
    const A_SECOND: u32 = 20;

    fn take(&self) -> bool {
        let second = clock::now().mono.since(Mono::from_secs(0)).as_secs();
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counted.0 != second {
            *counted = (second, 0);
        }
        counted.1 = counted.1.saturating_add(1);
        counted.1 <= Self::A_SECOND
    }
}

/// Puts `next` in the place of `old`, whose routes go first when their protocol number changes. Operations of the
/// engine wait meanwhile. `None` when the daemon is ending.
pub(crate) async fn replace(old: RouteThread, next: &RouteThread, withdraw: bool, inbox: &Inbox) -> Option<()> {
    let (sender, detached) = oneshot::channel();
    inbox.send(Message::DetachRoutes(sender));
    detached.await.ok()?;
    // It waits for the thread, which may be waiting to hand the packet thread its last answers.
    let ended = tokio::task::spawn_blocking(move || {
        if withdraw {
            old.handle().withdraw();
        }
        old.stop();
    });
    ended.await.ok()?;
    let (sender, attached) = oneshot::channel();
    inbox.send(Message::AttachRoutes(next.handle(), sender));
    attached.await.ok()
}
