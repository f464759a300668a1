//! The engine's hook stages, answered by the plugin host.

use crate::deferred::{self, Change, Job, NEWS, Owned, PATIENCE, QUEUE, Shaped, Told, Worker};
use bindery_engine::{
    config::PluginId,
    event::SessionNews,
    policy::{
        Admit, Authorize, Disconnect, DisconnectVerdict, EditRefused as EngineRefused, Exhausted, ExhaustedVerdict,
        Hook, Leasequery, LeasequeryVerdict, Lookup, Policy, PolicyAnswer, RouteChoice, RouteQuestion, SelectAddress,
        ShapeReply, Token, Verdict, edit_refusal,
    },
};
use bindery_plugin_host::{
    Edit, EditRefused, Edits, Failure, OnFailure, Outcome, Plugin, PluginStats, Request, Requests, ShapeExchange,
    ShapeMeta, Slow, client_state, raw_options,
};
use bindery_types::Now;
use bindery_wire::v4::OptionCode;
use std::{
    borrow::Cow,
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// The plugins of one configuration, by [`PluginId`]; owned by the packet thread.
#[derive(Default)]
pub(crate) struct Plugins {
    slots: Vec<Slot>,
    /// Tells this configuration's chains from those of others.
    epoch: u64,
    /// Takes the answers of deferred plugins; without it none is deferred.
    report: Option<Report>,
    /// Plugins of stage `session-events`: each has a thread of its own from the start.
    observers: Vec<PluginId>,
    /// Name of the plugin that dropped a packet last.
    decider: Option<PluginId>,
    /// What plugins ask for, wherever they run.
    requests: Vec<Arc<Requests>>,
}

/// Hands the answer of a deferred plugin to the packet thread.
type Report = Arc<dyn Fn(Told) + Send + Sync>;

/// Where a plugin runs.
enum Slot {
    /// On the packet thread.
    Inline(Box<Plugin>),
    /// On a thread of its own, since it was too slow.
    Deferred(Worker),
}

/// A plugin's counters and whether it is deferred.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) stats: PluginStats,
    pub(crate) deferred: bool,
}

/// Numbers the configurations of this process.
static EPOCHS: AtomicU64 = AtomicU64::new(1);

impl Plugins {
    /// Plugins in configuration order.
    pub(crate) fn new(plugins: Vec<Plugin>) -> Self {
        let requests = plugins.iter().filter_map(Plugin::requests).cloned().collect();
        let slots = plugins.into_iter().map(|plugin| Slot::Inline(Box::new(plugin))).collect();
        Self {
            slots,
            epoch: EPOCHS.fetch_add(1, Ordering::Relaxed),
            report: None,
            observers: Vec::new(),
            decider: None,
            requests,
        }
    }

    /// The same plugins, of which these observe sessions.
    pub(crate) fn observing(self, observers: Vec<PluginId>) -> Self {
        Self { observers, ..self }
    }

    /// The same plugins, which may be deferred from now on: `report` takes their answers.
    pub(crate) fn reporting(self, report: impl Fn(Told) + Send + Sync + 'static) -> Self {
        let mut plugins = Self { report: Some(Arc::new(report)), ..self };
        for id in std::mem::take(&mut plugins.observers) {
            plugins.give_thread(id, NEWS, |name, started| match started {
                Ok(()) => tracing::debug!(plugin = name, "plugin observes sessions on a thread of its own"),
                Err(error) => tracing::error!(plugin = name, %error, "no thread for a plugin: it observes nothing"),
            });
        }
        plugins
    }

    /// Tells those who observe a session what happened to it.
    pub(crate) fn observe(&mut self, news: &Arc<SessionNews>) {
        for id in &news.observers {
            match self.slots.get_mut(usize::from(id.0)) {
                Some(Slot::Deferred(worker)) => worker.observe(Arc::clone(news)),
                Some(Slot::Inline(plugin)) => deferred::observe(plugin, news),
                None => {}
            }
        }
    }

    /// Takes the reconfigurations that plugins have asked for, at most [`REQUESTS_MAX`] of each: for the engine, once it
    /// has ended its turn.
    ///
    /// [`REQUESTS_MAX`]: bindery_plugin_host::REQUESTS_MAX
    pub(crate) fn take_reconfigure_requests(&self) -> impl Iterator<Item = Request> + use<'_> {
        self.requests.iter().flat_map(|requests| requests.take())
    }

    /// Counters of each, in configuration order.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        let seen = |slot: &Slot| match slot {
            Slot::Inline(plugin) => Seen { stats: plugin.stats(), deferred: false },
            Slot::Deferred(worker) => Seen { stats: worker.stats(), deferred: true },
        };
        self.slots.iter().map(seen).collect()
    }

    /// Goes on with an exchange whose deferred plugin has answered; `None` if it waits for a further one.
    pub(crate) fn resume(&mut self, now: Now, shaped: Shaped) -> Option<PolicyAnswer> {
        let Shaped { job: Job { epoch, token, mut exchange, rest }, outcome } = shaped;
        let answer = |verdict, changes: Vec<Change>| {
            let edit = |(code, value): Change| Some((OptionCode(u8::try_from(code).ok()?), value));
            Some(PolicyAnswer { token, verdict, edits: changes.into_iter().filter_map(edit).collect() })
        };
        self.decider = None;
        if drops(outcome) {
            return answer(Verdict::Drop, Vec::new());
        }
        // A commit came in between: the rest of the chain belongs to plugins that are no more.
        let rest = if epoch == self.epoch { rest } else { Vec::new() };
        // The engine lends its sessions only while it asks.
        match self.shape(now, &rest, &mut exchange, token, Lookup::NONE) {
            Hook::Done(Verdict::Drop) => answer(Verdict::Drop, Vec::new()),
            Hook::Done(Verdict::Continue) => answer(Verdict::Continue, exchange.changes),
            Hook::Pending { .. } => None,
        }
    }

    /// Lets a chain shape a reply, until one drops it or has to be waited for.
    fn shape(
        &mut self,
        now: Now,
        chain: &[PluginId],
        exchange: &mut impl Lent,
        token: Token,
        sessions: Lookup<'_>,
    ) -> Hook {
        for (at, id) in chain.iter().enumerate() {
            // The configuration binds only plugins that it has.
            let outcome = match self.slots.get_mut(usize::from(id.0)) {
                Some(Slot::Inline(plugin)) => {
                    let outcome = plugin.shape_reply_among(exchange, sessions);
                    self.judge(*id);
                    outcome
                }
                Some(Slot::Deferred(worker)) => {
                    let rest = chain.get(at + 1..).unwrap_or_default().to_vec();
                    let job = Job { epoch: self.epoch, token, exchange: exchange.copied(), rest };
                    match worker.submit(job) {
                        Ok(()) => return Hook::Pending { deadline: now.mono.plus(PATIENCE) },
                        Err(refused) => {
                            if worker.first_refusal() {
                                tracing::warn!(plugin = id.0, "too many exchanges wait for a deferred plugin");
                            }
                            exchange.put_back(refused.job.exchange);
                            refused.outcome
                        }
                    }
                }
                None => continue,
            };
            if drops(outcome) {
                self.decider = Some(*id);
                return Hook::Done(Verdict::Drop);
            }
        }
        Hook::Done(Verdict::Continue)
    }

    /// Asks each plugin of a chain on the packet's way that cannot wait, in order, until one drops.
    fn ask(&mut self, chain: &[PluginId], mut call: impl FnMut(&mut Plugin) -> Outcome) -> Hook {
        for id in chain {
            let outcome = match self.slots.get_mut(usize::from(id.0)) {
                Some(Slot::Inline(plugin)) => call(plugin),
                Some(Slot::Deferred(worker)) => worker.not_called(),
                None => continue,
            };
            self.judge(*id);
            if drops(outcome) {
                self.decider = Some(*id);
                return Hook::Done(Verdict::Drop);
            }
        }
        Hook::Done(Verdict::Continue)
    }

    /// What the first plugin of a chain says that says anything; `failed` is what one says that failed.
    fn first<T>(
        &mut self,
        chain: &[PluginId],
        failed: Option<T>,
        mut call: impl FnMut(&mut Plugin) -> Result<Option<T>, Failure>,
    ) -> Option<T> {
        for id in chain {
            let answer = match self.slots.get_mut(usize::from(id.0)) {
                Some(Slot::Inline(plugin)) => call(plugin),
                Some(Slot::Deferred(worker)) => {
                    worker.not_called();
                    Err(Failure::Deferred)
                }
                None => continue,
            };
            self.judge(*id);
            match answer {
                Ok(None) => {}
                Ok(said) => return said,
                Err(_) if failed.is_some() => return failed,
                Err(_) => {}
            }
        }
        None
    }

    /// Gives a plugin that was too slow a thread of its own.
    fn judge(&mut self, id: PluginId) {
        let Some(Slot::Inline(plugin)) = self.slots.get(usize::from(id.0)) else { return };
        let Some(slow) = plugin.slow() else { return };
        let why = match slow {
            Slow::Deadline => "it ran past its deadline",
            Slow::Budget => "it took more than 5 ms of 100 ms",
        };
        self.give_thread(id, QUEUE, |name, started| match started {
            Ok(()) => {
                tracing::warn!(plugin = name, why, "plugin deferred to a thread of its own until the next commit");
            }
            Err(error) => tracing::error!(plugin = name, why, %error, "no thread for a slow plugin: it is off"),
        });
    }

    /// Moves a plugin to a thread of its own, if there is anybody to take its answers; `tell` logs how it went.
    fn give_thread(&mut self, id: PluginId, room: usize, tell: impl FnOnce(&str, io::Result<()>)) {
        let at = usize::from(id.0);
        let Some(report) = self.report.clone().filter(|_| at < self.slots.len()) else { return };
        let slot = match self.slots.remove(at) {
            Slot::Inline(plugin) => {
                let name = plugin.name().to_owned();
                let (worker, started) = Worker::start(*plugin, room, move |told| report(told));
                tell(&name, started);
                Slot::Deferred(worker)
            }
            other => other,
        };
        self.slots.insert(at, slot);
    }
}

fn drops(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Drop | Outcome::Failed(_, OnFailure::Drop))
}

/// An exchange that can wait for a deferred plugin.
trait Lent: ShapeExchange {
    /// A copy to hand over, with the changes made so far.
    fn copied(&mut self) -> Owned;

    /// The copy was not taken.
    fn put_back(&mut self, copy: Owned);
}

impl Lent for Owned {
    fn copied(&mut self) -> Owned {
        self.clone()
    }

    fn put_back(&mut self, _: Owned) {}
}

impl Policy for Plugins {
    fn decider(&self) -> &str {
        let slot = self.decider.and_then(|id| self.slots.get(usize::from(id.0)));
        match slot {
            Some(Slot::Inline(plugin)) => plugin.name(),
            Some(Slot::Deferred(worker)) => worker.name(),
            None => "",
        }
    }

    fn shape_reply(&mut self, now: Now, chain: &[PluginId], stage: &mut ShapeReply<'_>) -> Hook {
        let (token, sessions) = (stage.token, stage.sessions);
        // What goes before a deferred plugin must be told to the engine again, with its answer.
        let deferred = |id: &PluginId| matches!(self.slots.get(usize::from(id.0)), Some(Slot::Deferred(_)));
        let changes = chain.iter().any(deferred).then(Vec::new);
        self.shape(now, chain, &mut Exchange { stage, changes }, token, sessions)
    }

    fn admit(&mut self, _: Now, chain: &[PluginId], question: &mut Admit<'_>) -> Hook {
        self.ask(chain, |plugin| plugin.admit(question))
    }

    fn authorize(&mut self, _: Now, chain: &[PluginId], question: &mut Authorize<'_>) -> Hook {
        self.ask(chain, |plugin| plugin.authorize(question))
    }

    fn select_address(&mut self, _: Now, chain: &[PluginId], question: &mut SelectAddress<'_>) -> Hook {
        self.ask(chain, |plugin| plugin.select_address(question))
    }

    fn disconnect(&mut self, _: Now, chain: &[PluginId], question: &Disconnect<'_>) -> Option<DisconnectVerdict> {
        // A failure passes to the next.
        self.first(chain, None, |plugin| plugin.disconnect(question))
    }

    fn reconfigure_exhausted(&mut self, _: Now, chain: &[PluginId], question: &Exhausted<'_>) -> ExhaustedVerdict {
        let failed = Some(ExhaustedVerdict::Restore);
        let decided = self.first(chain, failed, |plugin| plugin.reconfigure_exhausted(question));
        decided.unwrap_or(ExhaustedVerdict::Restore)
    }

    fn leasequery(&mut self, _: Now, chain: &[PluginId], question: &Leasequery<'_>) -> LeasequeryVerdict {
        let refused = self.first(chain, Some(LeasequeryVerdict::Refuse), |plugin| {
            let verdict = plugin.leasequery(question)?;
            Ok((verdict == LeasequeryVerdict::Refuse).then_some(verdict))
        });
        refused.unwrap_or(LeasequeryVerdict::Answer)
    }

    fn route(&mut self, _: Now, chain: &[PluginId], question: &RouteQuestion<'_>, choice: &mut RouteChoice) {
        // One that failed has chosen nothing, and its counters tell.
        self.first::<()>(chain, None, |plugin| plugin.route(question, choice).map(|()| None));
    }
}

/// An exchange of the engine.
struct Exchange<'s, 'a> {
    stage: &'s mut ShapeReply<'a>,
    /// The changes made so far, where a plugin of the chain is deferred.
    changes: Option<Vec<Change>>,
}

impl Lent for Exchange<'_, '_> {
    fn copied(&mut self) -> Owned {
        let changes = self.changes.take().unwrap_or_default();
        Owned::copy(self, changes)
    }

    fn put_back(&mut self, copy: Owned) {
        self.changes = Some(copy.changes);
    }
}

impl ShapeExchange for Exchange<'_, '_> {
    fn meta(&self) -> ShapeMeta {
        let request = self.stage.request;
        let giaddr = request.giaddr();
        ShapeMeta {
            address: self.stage.address,
            relay: (!giaddr.is_unspecified()).then_some(giaddr),
            request_type: request.message_type().map_or(0, |m| m as u8),
            reply_type: self.stage.message as u8,
            state: client_state(request, self.stage.unicast),
            mac: request.hw_addr().mac().unwrap_or_default().0,
            xid: request.xid().0,
            session: self.stage.session.map_or(0, |id| id.0),
            lease_seconds: self.stage.lease_secs,
        }
    }

    fn group(&self) -> &str {
        self.stage.group
    }

    fn interface_name(&self) -> &str {
        self.stage.interface
    }

    fn raw_request_options(&self) -> Cow<'_, [u8]> {
        raw_options(self.stage.request)
    }

    fn visit_request_options(&self, visit: &mut dyn FnMut(u16, &[u8])) {
        for (code, value) in self.stage.request.options() {
            visit(u16::from(code.0), &value);
        }
    }

    fn visit_reply_options(&self, visit: &mut dyn FnMut(u16, &[u8])) {
        for (code, value) in self.stage.reply_options() {
            visit(u16::from(code.0), value);
        }
    }

    fn check(&self, edits: &Edits) -> Result<(), EditRefused> {
        for edit in edits.iter() {
            let (Edit::Set(code, _) | Edit::Remove(code)) = edit;
            let code = u8::try_from(code).map_err(|_| EditRefused(Cow::Borrowed("no such DHCPv4 option")))?;
            edit_refusal(self.stage.request, OptionCode(code)).map_err(|why| {
                EditRefused(Cow::Borrowed(match why {
                    EngineRefused::Forbidden => "the protocol owns this option",
                    EngineRefused::NotRequested => "the client did not ask for this option",
                    EngineRefused::TooLarge => "the options no longer fit",
                }))
            })?;
        }
        Ok(())
    }

    fn set_option(&mut self, code: u16, value: &[u8]) {
        if let Ok(code) = u8::try_from(code) {
            if let Some(changes) = &mut self.changes {
                changes.push((u16::from(code), Some(value.to_vec())));
            }
            // `check` has judged the code; a reply that is full keeps what it has.
            let _ = self.stage.set_option(OptionCode(code), value);
        }
    }

    fn remove_option(&mut self, code: u16) {
        if let Ok(code) = u8::try_from(code) {
            if let Some(changes) = &mut self.changes {
                changes.push((u16::from(code), None));
            }
            let _ = self.stage.remove_option(OptionCode(code));
        }
    }
}

#[cfg(test)]
mod tests;
