//! The engine's hook stages, answered by the plugin host.

use crate::deferred::{Change, Job, Owned, PATIENCE, Shaped, Worker};
use bindery_engine::{
    config::PluginId,
    policy::{
        Admit, Authorize, Disconnect, DisconnectVerdict, EditRefused as EngineRefused, Exhausted, ExhaustedVerdict,
        Hook, Leasequery, LeasequeryVerdict, Policy, PolicyAnswer, RouteChoice, RouteQuestion, SelectAddress,
        ShapeReply, Token, Verdict, edit_refusal,
    },
};
use bindery_plugin_host::{
    Edit, EditRefused, Edits, Failure, OnFailure, Outcome, Plugin, PluginStats, ShapeExchange, ShapeMeta, Slow,
    client_state, raw_options,
};
use bindery_types::Now;
use bindery_wire::v4::OptionCode;
use std::{
    borrow::Cow,
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
}

/// Hands the answer of a deferred plugin to the packet thread.
type Report = Arc<dyn Fn(Shaped) + Send + Sync>;

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
        let slots = plugins.into_iter().map(|plugin| Slot::Inline(Box::new(plugin))).collect();
        Self { slots, epoch: EPOCHS.fetch_add(1, Ordering::Relaxed), report: None }
    }

    /// The same plugins, which may be deferred from now on: `report` takes their answers.
    pub(crate) fn reporting(self, report: impl Fn(Shaped) + Send + Sync + 'static) -> Self {
        Self { report: Some(Arc::new(report)), ..self }
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
        if drops(outcome) {
            return answer(Verdict::Drop, Vec::new());
        }
        // A commit came in between: the rest of the chain belongs to plugins that are no more.
        let rest = if epoch == self.epoch { rest } else { Vec::new() };
        match self.shape(now, &rest, &mut exchange, token) {
            Hook::Done(Verdict::Drop) => answer(Verdict::Drop, Vec::new()),
            Hook::Done(Verdict::Continue) => answer(Verdict::Continue, exchange.changes),
            Hook::Pending { .. } => None,
        }
    }

    /// Lets a chain shape a reply, until one drops it or has to be waited for.
    fn shape(&mut self, now: Now, chain: &[PluginId], exchange: &mut impl Lent, token: Token) -> Hook {
        for (at, id) in chain.iter().enumerate() {
            // The configuration binds only plugins that it has.
            let outcome = match self.slots.get_mut(usize::from(id.0)) {
                Some(Slot::Inline(plugin)) => {
                    let outcome = plugin.shape_reply(exchange);
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
        let at = usize::from(id.0);
        let Some(Slot::Inline(plugin)) = self.slots.get(at) else { return };
        let (Some(slow), Some(report)) = (plugin.slow(), &self.report) else { return };
        let report = Arc::clone(report);
        let slot = match self.slots.remove(at) {
            Slot::Inline(plugin) => {
                let name = plugin.name().to_owned();
                let (worker, started) = Worker::start(*plugin, move |shaped| report(shaped));
                let why = match slow {
                    Slow::Deadline => "it ran past its deadline",
                    Slow::Budget => "it took more than 5 ms of 100 ms",
                };
                match started {
                    Ok(()) => {
                        tracing::warn!(
                            plugin = name,
                            why,
                            "plugin deferred to a thread of its own until the next commit"
                        );
                    }
                    Err(error) => tracing::error!(plugin = name, why, %error, "no thread for a slow plugin: it is off"),
                }
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
    fn shape_reply(&mut self, now: Now, chain: &[PluginId], stage: &mut ShapeReply<'_>) -> Hook {
        let token = stage.token;
        // What goes before a deferred plugin must be told to the engine again, with its answer.
        let deferred = |id: &PluginId| matches!(self.slots.get(usize::from(id.0)), Some(Slot::Deferred(_)));
        let changes = chain.iter().any(deferred).then(Vec::new);
        self.shape(now, chain, &mut Exchange { stage, changes }, token)
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
mod tests {
    use super::*;
    use bindery_engine::policy::{DisconnectCause, ExtraRoute, QueryKey, Stage, Steer, Subject};
    use bindery_plugin_host::{Host, HostConfig, PluginSpec, Setting, Source, Stages};
    use bindery_types::{HwAddr, Ipv4Addr, MacAddr, SessionId};
    use bindery_wire::v4::{MessageBuilder, MessageType, Packet, ParseRules};
    use crossbeam_channel::Receiver;

    fn now() -> Now {
        crate::clock::now()
    }

    /// Plugins of the fixture of all stages, one for each word; none if guests have not been built.
    fn plugins(words: &[&str]) -> Option<Plugins> {
        let Some(dir) = std::env::var_os("BINDERY_GUESTS") else {
            println!("SKIP policy chains: BINDERY_GUESTS names no directory of built guests");
            return None;
        };
        let file = std::path::PathBuf::from(dir).join("fixture-stages.wasm");
        let host = Host::new(HostConfig::default()).unwrap();
        let load = |word: &&str| {
            let (word, on_failure) = match word.strip_suffix("-or-drop") {
                Some(word) => (word, OnFailure::Drop),
                None => (*word, OnFailure::Continue),
            };
            let mut spec = PluginSpec::new(word, Source::File(file.clone()));
            spec.stages =
                Stage::ALL.into_iter().filter(|stage| *stage != Stage::ShapeReply).fold(Stages::NONE, Stages::with);
            spec.on_failure = on_failure;
            spec.settings = vec![Setting { name: "answer".into(), arguments: vec![word.into()], ..Setting::default() }];
            host.load(&spec).unwrap()
        };
        Some(Plugins::new(words.iter().map(load).collect()))
    }

    /// The whole chain in configuration order.
    fn chain(plugins: &Plugins) -> Vec<PluginId> {
        (0_u16..).take(plugins.slots.len()).map(PluginId).collect()
    }

    fn subject() -> Subject<'static> {
        Subject {
            session: SessionId(7),
            address: Ipv4Addr::new(192, 0, 2, 10),
            hw: HwAddr::from(MacAddr([2, 0, 0, 0, 0, 7])),
            group: "g",
            interface: "eth0",
            pool: "p",
            giaddr: Ipv4Addr::UNSPECIFIED,
            client_id: &[],
            relay_info: &[],
            vendor_class: &[],
        }
    }

    /// The verdict of a chain of stage `admit`, with what it chose.
    fn admit(words: &[&str]) -> Option<(Hook, Steer)> {
        let mut plugins = plugins(words)?;
        let chain = chain(&plugins);
        let bytes = MessageBuilder::new(MessageType::Discover, MacAddr([2, 0, 0, 0, 0, 7])).build();
        let request = Packet::parse(&bytes, ParseRules::default()).unwrap();
        let mut question = Admit {
            request: &request,
            unicast: false,
            group: "g",
            interface: "eth0",
            token: Token { engine: 0, slot: 0, generation: 0 },
            steer: Steer::default(),
        };
        let hook = plugins.admit(now(), &chain, &mut question);
        Some((hook, question.steer))
    }

    #[test]
    fn a_chain_on_the_packets_way_goes_on_until_one_drops() {
        let Some((hook, steer)) = admit(&["first", "trap", "second", "nothing"]) else { return };
        assert_eq!(hook, Hook::Done(Verdict::Continue));
        assert_eq!((steer.group.as_deref(), steer.class.as_deref()), (Some("second"), Some("gold")));
        for words in [&["first", "drop", "second"], &["first", "trap-or-drop", "second"]] {
            let (hook, steer) = admit(words).unwrap();
            assert_eq!((hook, steer.group.as_deref()), (Hook::Done(Verdict::Drop), Some("first")), "{words:?}");
        }
    }

    #[test]
    fn the_first_that_does_not_pass_decides() {
        let cause = DisconnectCause::Disconnect;
        let disconnect = Disconnect { subject: subject(), cause, can_reconfigure: true, attributes: &[] };
        let exhausted = Exhausted { subject: subject(), attempts: 8, has_nonce: false };
        for (words, ended, becomes) in [
            (&["nothing", "nothing"][..], None, ExhaustedVerdict::Restore),
            (&["nothing", "second", "first"], Some(DisconnectVerdict::Ignore), ExhaustedVerdict::Defer),
            (&["first", "second"], Some(DisconnectVerdict::Clear), ExhaustedVerdict::Clear),
            // A failure passes a RADIUS request on, but leaves a client as it was.
            (&["trap", "second"], Some(DisconnectVerdict::Ignore), ExhaustedVerdict::Restore),
        ] {
            let Some(mut plugins) = plugins(words) else { return };
            let chain = chain(&plugins);
            assert_eq!(plugins.disconnect(now(), &chain, &disconnect), ended, "{words:?}");
            assert_eq!(plugins.reconfigure_exhausted(now(), &chain, &exhausted), becomes, "{words:?}");
        }
    }

    #[test]
    fn one_that_refuses_or_fails_keeps_a_binding_secret() {
        let relay = Ipv4Addr::new(192, 0, 2, 1);
        let question = Leasequery { subject: subject(), requestor: relay, source: relay, key: QueryKey::Address };
        for (words, verdict) in [
            (&["nothing", "first"][..], LeasequeryVerdict::Answer),
            (&["nothing", "second", "first"], LeasequeryVerdict::Refuse),
            (&["nothing", "trap"], LeasequeryVerdict::Refuse),
        ] {
            let Some(mut plugins) = plugins(words) else { return };
            let chain = chain(&plugins);
            assert_eq!(plugins.leasequery(now(), &chain, &question), verdict, "{words:?}");
        }
    }

    #[test]
    fn a_later_route_choice_overrides_and_a_failed_one_is_none() {
        let Some(mut plugins) = plugins(&["first", "second", "bad", "trap"]) else { return };
        let chain = chain(&plugins);
        let mut choice = RouteChoice::default();
        plugins.route(now(), &chain, &RouteQuestion { subject: subject() }, &mut choice);
        let extra = |third| ExtraRoute { network: Ipv4Addr::new(10, 0, third, 0), len: 24 };
        let wanted = RouteChoice { metric: Some(2), table: Some(100), tag: None, extra: vec![extra(0), extra(1)] };
        assert_eq!(choice, wanted);
    }

    const TOKEN: Token = Token { engine: 0, slot: 3, generation: 1 };

    /// Plugins of the fixture that behaves as told, the answers of deferred ones, and a reply to shape.
    fn shapers(behaviours: &[&str], on_failure: OnFailure) -> Option<(Plugins, Receiver<Shaped>)> {
        let Some(dir) = std::env::var_os("BINDERY_GUESTS") else {
            println!("SKIP deferred plugins: BINDERY_GUESTS names no directory of built guests");
            return None;
        };
        let file = std::path::PathBuf::from(dir).join("fixture-behave.wasm");
        let host = Host::new(HostConfig::default()).unwrap();
        let load = |behaviour: &&str| {
            let mut spec = PluginSpec::new(*behaviour, Source::File(file.clone()));
            spec.stages = Stages::NONE.with(Stage::ShapeReply);
            spec.on_failure = on_failure;
            let mut words = behaviour.split(' ');
            let arguments = words.next().map(str::to_owned).into_iter().collect();
            let properties = words.map(|number| ("number".to_owned(), number.to_owned())).collect();
            spec.settings = vec![Setting { name: "behave".into(), arguments, properties, ..Setting::default() }];
            host.load(&spec).unwrap()
        };
        let (sender, answers) = crossbeam_channel::unbounded();
        let plugins = Plugins::new(behaviours.iter().map(load).collect());
        Some((plugins.reporting(move |shaped| drop(sender.send(shaped))), answers))
    }

    fn reply() -> Owned {
        let meta = ShapeMeta {
            address: Ipv4Addr::new(192, 0, 2, 10),
            relay: None,
            request_type: 1,
            reply_type: 2,
            state: bindery_plugin_host::ClientState::Init,
            mac: [2, 0, 0, 0, 0, 7],
            xid: 1,
            session: 0,
            lease_seconds: 60,
        };
        let (group, interface) = ("g".to_owned(), "eth0".to_owned());
        Owned { meta, group, interface, raw_request: vec![], request: vec![], reply: vec![], changes: vec![] }
    }

    const LONG: std::time::Duration = std::time::Duration::from_secs(60);

    /// Makes the plugin at `at` slow, as one call past its deadline does.
    fn defer(plugins: &mut Plugins, at: u16) {
        // The guest spins for ever; nothing is sent to the client meanwhile.
        let hook = plugins.shape(now(), &[PluginId(at)], &mut reply(), TOKEN);
        assert_eq!(hook, Hook::Done(Verdict::Continue), "on-failure continue");
        assert!(plugins.seen()[usize::from(at)].deferred);
    }

    #[test]
    fn one_missed_deadline_defers_a_plugin_and_the_engine_hears_later() {
        let Some((mut plugins, answers)) = shapers(&["good", "spin", "cost"], OnFailure::Continue) else { return };
        defer(&mut plugins, 1);
        let chain = [PluginId(0), PluginId(1), PluginId(2)];
        let hook = plugins.shape(now(), &chain, &mut reply(), TOKEN);
        assert!(matches!(hook, Hook::Pending { .. }), "{hook:?}");
        // It fails again on its own thread; the chain goes on behind it.
        let shaped = answers.recv_timeout(LONG).unwrap();
        assert_eq!(shaped.outcome, Outcome::Failed(Failure::Deadline, OnFailure::Continue));
        let answer = plugins.resume(now(), shaped).unwrap();
        assert_eq!((answer.token, answer.verdict), (TOKEN, Verdict::Continue));
        let codes: Vec<u8> = answer.edits.iter().map(|(code, _)| code.0).collect();
        assert_eq!(codes, [43, 15, 26, 42, 43], "before and behind the deferred plugin");
        let seen = plugins.seen();
        assert_eq!(seen.iter().map(|seen| seen.deferred).collect::<Vec<_>>(), [false, true, false]);
        assert_eq!(seen[1].stats.failed(Failure::Deadline), 2);
    }

    #[test]
    fn a_deferred_plugin_that_may_drop_drops() {
        let Some((mut plugins, answers)) = shapers(&["spin", "good"], OnFailure::Drop) else { return };
        let chain = [PluginId(0), PluginId(1)];
        assert_eq!(plugins.shape(now(), &chain, &mut reply(), TOKEN), Hook::Done(Verdict::Drop));
        assert!(matches!(plugins.shape(now(), &chain, &mut reply(), TOKEN), Hook::Pending { .. }));
        let answer = plugins.resume(now(), answers.recv_timeout(LONG).unwrap()).unwrap();
        assert_eq!((answer.verdict, answer.edits.len()), (Verdict::Drop, 0));
    }

    #[test]
    fn a_full_queue_is_a_failure() {
        let Some((mut plugins, answers)) = shapers(&["spin", "good"], OnFailure::Continue) else { return };
        defer(&mut plugins, 0);
        let chain = [PluginId(0), PluginId(1)];
        // The worker takes some meanwhile, but none is done within its deadline of 5 ms; the breaker opens at the third.
        let mut pending = 0;
        let mut full = 0;
        for _ in 0..100_000 {
            let mut exchange = reply();
            match plugins.shape(now(), &chain, &mut exchange, TOKEN) {
                Hook::Pending { .. } => pending += 1,
                Hook::Done(verdict) => {
                    assert_eq!((verdict, exchange.changes.len()), (Verdict::Continue, 1));
                    full += 1;
                    break;
                }
            }
        }
        assert_eq!(full, 1, "{pending} were taken");
        assert_eq!(plugins.seen()[0].stats.failed(Failure::QueueFull), 1);
        for _ in 0..pending {
            assert!(plugins.resume(now(), answers.recv_timeout(LONG).unwrap()).is_some());
        }
    }

    #[test]
    fn a_commit_in_between_loses_no_exchange() {
        let Some((mut plugins, answers)) = shapers(&["good", "spin", "cost"], OnFailure::Continue) else { return };
        defer(&mut plugins, 1);
        let chain = [PluginId(0), PluginId(1), PluginId(2)];
        assert!(matches!(plugins.shape(now(), &chain, &mut reply(), TOKEN), Hook::Pending { .. }));
        // The old plugins go; the answer of the deferred one still comes, to plugins that know nothing of its chain.
        drop(std::mem::replace(&mut plugins, Plugins::new(Vec::new())));
        let answer = plugins.resume(now(), answers.recv_timeout(LONG).unwrap()).unwrap();
        let codes: Vec<u8> = answer.edits.iter().map(|(code, _)| code.0).collect();
        assert_eq!((answer.verdict, codes), (Verdict::Continue, vec![43]));
    }
}
