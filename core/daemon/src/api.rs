//! The daemon behind the control socket.

use crate::{
    aaa_status,
    commit::{self, CommitError, Configuration, Order, What},
    configuration,
    copies::hex,
    packet::{Inbox, Message},
    policy::Seen,
    prepare::Component,
    vlan,
};
use bindery_api::{
    AaaStatistics, ConfigurationReply, ConfigurationRequest, Counter, Permission, Plugin, RadiusServerList, Reloaded,
    VlanDevice,
};
use bindery_config::{
    Loaded,
    model::{Permission as Configured, permission_of},
};
use bindery_control::{Answer, Backend, ConfigurationError, Notices, ReloadError, Requestor};
use bindery_engine::{
    command::{Reply, Verb},
    history::Actor,
};
use bindery_plugin_host::{BreakerState, Failure};
use nix::unistd::User;
use std::{
    path::PathBuf,
    sync::{Arc, Weak},
};
use tokio::sync::{Mutex, mpsc, oneshot, watch};

/// What the API's verbs are answered from.
pub(crate) struct Daemon {
    pub(crate) inbox: Inbox,
    /// Held for a whole commit: one at a time.
    pub(crate) configuration: Arc<Mutex<Configuration>>,
    /// The active revision and configuration: to be seen while that is held.
    pub(crate) active: watch::Receiver<(u64, Arc<Loaded>)>,
    /// Where it is kept which VLAN devices were made.
    pub(crate) state_dir: PathBuf,
    /// Itself, for tasks that outlive a request.
    pub(crate) own: Weak<Self>,
    pub(crate) end: mpsc::Sender<()>,
}

impl Daemon {
    /// Loads the configuration file again; with `force` whatever becomes of live sessions.
    pub(crate) async fn reload(&self, force: bool) -> Result<Reloaded, ReloadError> {
        let held = Arc::clone(&self.configuration).lock_owned().await;
        let order = Order { what: What::File, via: "reload", force, ..Order::default() };
        match commit::commit(held, &self.inbox, order).await {
            Ok((_held, outcome)) => {
                tracing::info!(revision = outcome.revision, changes = ?outcome.changes, "reloaded");
                self.told(&outcome.warnings);
                Ok(Reloaded { revision: outcome.revision, changes: outcome.changes })
            }
            Err(error) => {
                tracing::error!("reload refused, the active configuration stays: {error}");
                let hint = match &error {
                    CommitError::Sessions(_) => "; of the file: `request system reload force`",
                    _ => "",
                };
                Err(ReloadError(format!("{error}{hint}")))
            }
        }
    }

    /// What a commit had to say, for those who only read the log.
    pub(crate) fn told(&self, warnings: &[String]) {
        for warning in warnings {
            tracing::warn!("{warning}");
        }
    }

    async fn ask<T>(&self, message: impl FnOnce(oneshot::Sender<T>) -> Message) -> Option<T> {
        let (sender, answer) = oneshot::channel();
        self.inbox.send(message(sender));
        answer.await.ok()
    }
}

impl Backend for Daemon {
    fn engine(&self, verb: Verb) -> Answer<'_, Option<Reply>> {
        self.engine_for(Requestor::default(), verb)
    }

    fn engine_for(&self, requestor: Requestor, verb: Verb) -> Answer<'_, Option<Reply>> {
        let actor = requestor.uid.map_or(Actor::Unknown, Actor::Operator);
        Box::pin(self.ask(move |answer| Message::Command(verb, actor, answer)))
    }

    fn plugins(&self) -> Answer<'_, Option<Vec<Plugin>>> {
        Box::pin(async {
            let configuration = self.configuration.lock().await;
            let seen = self.ask(Message::PluginStats).await?;
            Some(configuration.components().iter().zip(seen).map(|(component, seen)| plugin(component, seen)).collect())
        })
    }

    fn radius_servers(&self) -> Answer<'_, Option<RadiusServerList>> {
        Box::pin(async {
            let radius = self.configuration.lock().await.radius();
            Some(aaa_status::servers(&radius.status().await?))
        })
    }

    fn aaa_statistics(&self) -> Answer<'_, Option<AaaStatistics>> {
        Box::pin(async {
            let configuration = self.configuration.lock().await;
            let (radius, dynamic) = (configuration.radius(), configuration.dynamic_counters());
            drop(configuration);
            let dynamic = dynamic.await;
            let asked = self.ask(Message::Asked).await?;
            Some(aaa_status::statistics(&radius.status().await?, asked, dynamic))
        })
    }

    fn notices(&self, after: Option<u64>) -> Answer<'_, Option<Notices>> {
        Box::pin(self.ask(move |answer| Message::Notices(after, answer)))
    }

    fn vlan_devices(&self) -> Answer<'_, Option<Vec<VlanDevice>>> {
        let (inbox, state_dir) = (self.inbox.clone(), self.state_dir.clone());
        Box::pin(async move { tokio::task::spawn_blocking(move || vlan::list(&state_dir, &inbox)).await.ok()? })
    }

    fn permission(&self, requestor: Requestor) -> Answer<'_, Option<Permission>> {
        let own = nix::unistd::geteuid().as_raw();
        Box::pin(async move {
            let uid = requestor.uid?;
            if uid == 0 || uid == own {
                return Some(Permission::Configure);
            }
            let active = Arc::clone(&self.active.borrow().1);
            let login = &active.model.login;
            if login.users.is_empty() {
                return Some(Permission::View);
            }
            // Names may come from a server on the network. Who cannot be named may be one who is kept out.
            let user = tokio::task::spawn_blocking(move || User::from_uid(uid.into())).await.ok()?.ok()?;
            let permission = user.map_or(Some(Configured::View), |user| permission_of(login, &user.name))?;
            Some(match permission {
                Configured::View => Permission::View,
                Configured::Clear => Permission::Clear,
                Configured::Configure => Permission::Configure,
            })
        })
    }

    fn configuration(
        &self,
        requestor: Requestor,
        request: ConfigurationRequest,
    ) -> Answer<'_, Result<ConfigurationReply, ConfigurationError>> {
        Box::pin(async move {
            let own = self.own.upgrade();
            let own = own.ok_or_else(|| ConfigurationError::Unavailable("the daemon is ending".to_owned()))?;
            let answer = async move { configuration::answer(&own, requestor, request).await };
            let ending = || Err(ConfigurationError::Unavailable("the daemon is ending".to_owned()));
            to_the_end(answer).await.unwrap_or_else(ending)
        })
    }

    fn reload(&self, force: bool) -> Answer<'_, Result<Reloaded, ReloadError>> {
        Box::pin(async move {
            let ending = || ReloadError("the daemon is ending".to_owned());
            let own = self.own.upgrade().ok_or_else(ending)?;
            to_the_end(async move { own.reload(force).await }).await.unwrap_or_else(|| Err(ending()))
        })
    }

    fn revision(&self) -> Answer<'_, u64> {
        Box::pin(async { self.active.borrow().0 })
    }

    fn shutdown(&self, withdraw: bool) -> Answer<'_, ()> {
        Box::pin(async move {
            if withdraw {
                let routes = self.configuration.lock().await.routes();
                // Nothing that is granted from here on is programmed, or its route would stay behind.
                let _ = self.ask(Message::DetachRoutes).await;
                // It waits for the route thread; the API goes on meanwhile.
                let removed = tokio::task::spawn_blocking(move || routes.withdraw()).await.ok().flatten();
                tracing::info!(?removed, "routes withdrawn");
            }
            // A second request while the first is under way changes nothing.
            let _ = self.end.try_send(());
        })
    }
}

/// Carries out what must not end between two of its steps, even if nobody waits for it any more: the server drops what
/// answers a peer that has gone. None when the daemon is ending.
async fn to_the_end<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Option<T> {
    tokio::spawn(work).await.ok()
}

fn plugin(component: &Component, Seen { stats, deferred }: Seen) -> Plugin {
    let failures = Failure::ALL.into_iter().map(|failure| Counter {
        name: failure.name().to_owned(),
        label: failure.to_string(),
        count: stats.failed(failure),
    });
    // The plugin's own names are all there is to show.
    let counters =
        stats.counters.iter().map(|(name, count)| Counter { name: name.clone(), label: name.clone(), count: *count });
    let nanos = |time: std::time::Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    Plugin {
        name: component.name.clone(),
        path: component.path.display().to_string(),
        sha256: hex(&component.hash),
        state: match stats.breaker {
            BreakerState::Closed if deferred => "deferred",
            BreakerState::Closed => "running",
            _ => "open",
        }
        .to_owned(),
        calls: stats.calls,
        drops: stats.drops,
        failed: stats.failed_total(),
        failures: failures.collect(),
        counters: counters.collect(),
        restarts: stats.restarts,
        p50_ns: nanos(stats.time_p50),
        p99_ns: nanos(stats.time_p99),
        memory_bytes: u64::try_from(stats.memory_bytes).unwrap_or(u64::MAX),
        last_failure: stats.last_failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_nobody_waits_for_goes_on() {
        let (go, gone) = oneshot::channel::<()>();
        let (done, ended) = oneshot::channel();
        let mut answer = Box::pin(to_the_end(async move {
            let _ = gone.await;
            let _ = done.send(());
        }));
        let waits = std::future::poll_fn(|context| std::task::Poll::Ready(answer.as_mut().poll(context).is_pending()));
        assert!(waits.await);
        drop(answer);
        go.send(()).unwrap();
        ended.await.unwrap();
    }
}
