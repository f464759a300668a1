//! The route thread: started with the daemon, and anew by a commit that changes how routes are programmed.

use crate::packet::{Inbox, Message};
use bindery_config::System;
use bindery_netlink::{OpenError, PlaneSettings, RouteThread, RouteThreadSettings};
use std::time::Duration;
use tokio::sync::oneshot;

/// Starts a route thread. Until it is seeded it changes nothing in the kernel.
///
/// # Errors
/// [`OpenError`]: no privilege, or an old kernel.
pub(crate) fn start(system: &System, inbox: &Inbox) -> Result<RouteThread, OpenError> {
    let plane = PlaneSettings { protocol: system.route_protocol, ..PlaneSettings::default() };
    let sweep_interval = Duration::from_secs(u64::from(system.reconcile_interval_secs));
    let inbox = inbox.clone();
    let settings = RouteThreadSettings { plane, sweep_interval };
    RouteThread::start(settings, move |event| inbox.send(Message::Route(event)))
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
