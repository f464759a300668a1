//! Chains of real guests, as far as they have been built.

use super::*;
use bindery_engine::policy::{DisconnectCause, ExtraRoute, Lookup, QueryKey, Stage, Steer, Subject};
use bindery_engine::session::{Names, SessionTable};
use bindery_engine::{
    command::{BindingView, PublicState, ReconfigureView, RouteState},
    event::SessionChange,
    reconfigure::{Capability, Phase},
    subscriber::Subscriber,
};
use bindery_plugin_host::{BreakerState, Grants, Host, HostConfig, LogSink, PluginSpec, Setting, Source, Stages};
use bindery_types::{HwAddr, InstanceId, Ipv4Addr, LeaseTime, MacAddr, SessionId, Xid};
use bindery_wire::v4::{MessageBuilder, MessageType, Packet, ParseRules};
use crossbeam_channel::Receiver;
use nix::time::{ClockId, clock_gettime};

fn now() -> Now {
    crate::clock::now()
}

/// Plugins of the fixture of all stages, one for each word; none if guests have not been built.
fn plugins(words: &[&str]) -> Option<Plugins> {
    plugins_within(words, None)
}

/// The same with another deadline.
fn plugins_within(words: &[&str], deadline: Option<std::time::Duration>) -> Option<Plugins> {
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
        spec.deadline = deadline.unwrap_or(spec.deadline);
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
        sessions: Lookup::NONE,
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
        sessions: Lookup::NONE,
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
    Some((plugins.reporting(answers_to(sender)), answers))
}

/// Passes on what comes of exchanges.
fn answers_to(sender: crossbeam_channel::Sender<Shaped>) -> impl Fn(Told) + Send + Sync {
    move |told| {
        if let Told::Shaped(shaped) = told {
            drop(sender.send(*shaped));
        }
    }
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
    let hook = plugins.shape(now(), &[PluginId(at)], &mut reply(), TOKEN, Lookup::NONE);
    assert_eq!(hook, Hook::Done(Verdict::Continue), "on-failure continue");
    assert!(plugins.seen()[usize::from(at)].deferred);
}

#[test]
fn one_missed_deadline_defers_a_plugin_and_the_engine_hears_later() {
    let Some((mut plugins, answers)) = shapers(&["good", "spin", "cost"], OnFailure::Continue) else { return };
    defer(&mut plugins, 1);
    let chain = [PluginId(0), PluginId(1), PluginId(2)];
    let hook = plugins.shape(now(), &chain, &mut reply(), TOKEN, Lookup::NONE);
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
    assert_eq!(plugins.shape(now(), &chain, &mut reply(), TOKEN, Lookup::NONE), Hook::Done(Verdict::Drop));
    assert!(matches!(plugins.shape(now(), &chain, &mut reply(), TOKEN, Lookup::NONE), Hook::Pending { .. }));
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
        match plugins.shape(now(), &chain, &mut exchange, TOKEN, Lookup::NONE) {
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
    assert!(matches!(plugins.shape(now(), &chain, &mut reply(), TOKEN, Lookup::NONE), Hook::Pending { .. }));
    // The old plugins go; the answer of the deferred one still comes, to plugins that know nothing of its chain.
    drop(std::mem::replace(&mut plugins, Plugins::new(Vec::new())));
    let answer = plugins.resume(now(), answers.recv_timeout(LONG).unwrap()).unwrap();
    let codes: Vec<u8> = answer.edits.iter().map(|(code, _)| code.0).collect();
    assert_eq!((answer.verdict, codes), (Verdict::Continue, vec![43]));
}

/// Takes this much processor time of the thread, however long that takes.
fn burn(time: std::time::Duration) {
    let used = || std::time::Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap());
    let end = used() + time;
    while used() < end {}
}

/// The fixture that looks up sessions and asks for reconfigurations; its lines in the log take 0.9 of its deadline.
fn looking() -> Option<(Plugins, Receiver<Shaped>)> {
    let Some(dir) = std::env::var_os("BINDERY_GUESTS") else {
        println!("SKIP sessions for plugins: BINDERY_GUESTS names no directory of built guests");
        return None;
    };
    let file = std::path::PathBuf::from(dir).join("fixture-sessions.wasm");
    let mut spec = PluginSpec::new("looking", Source::File(file));
    spec.stages = Stages::NONE.with(Stage::ShapeReply).with(Stage::ReconfigureExhausted).with(Stage::SessionEvents);
    spec.deadline = std::time::Duration::from_millis(200);
    let log: LogSink = Arc::new(|_, _, _| burn(std::time::Duration::from_millis(180)));
    spec.grants = Grants { log: Some(log), session_lookup: true, request_reconfigure: true, ..Grants::default() };
    let (sender, answers) = crossbeam_channel::unbounded();
    let plugins = Plugins::new(vec![Host::new(HostConfig::default()).unwrap().load(&spec).unwrap()]);
    Some((plugins.reporting(answers_to(sender)), answers))
}

fn told(changes: &[Change]) -> String {
    let value = changes.iter().find(|(code, _)| *code == 43).and_then(|(_, value)| value.clone());
    String::from_utf8(value.unwrap()).unwrap()
}

#[test]
fn nine_tenths_of_the_deadline_are_too_slow_for_the_packet_thread_and_no_failure() {
    let Some((mut plugins, answers)) = looking() else { return };
    let (table, names) = (SessionTable::new(1), Names::new(1));
    let sessions = Lookup::new(&table, &names, InstanceId(0));
    let chain = [PluginId(0)];
    let mut exchange = reply();
    let hook = plugins.shape(now(), &chain, &mut exchange, TOKEN, sessions);
    assert_eq!(hook, Hook::Done(Verdict::Continue));
    assert_eq!(told(&exchange.changes), "none", "the sessions of the engine");
    assert!(plugins.seen()[0].deferred, "180 ms of 100 ms");
    for _ in 0..4 {
        let hook = plugins.shape(now(), &chain, &mut reply(), TOKEN, sessions);
        assert!(matches!(hook, Hook::Pending { .. }), "{hook:?}");
        let shaped = answers.recv_timeout(LONG).unwrap();
        assert_eq!(shaped.outcome, Outcome::Continue);
        assert_eq!(told(&shaped.job.exchange.changes), "unavailable", "on a thread of its own");
        assert_eq!(plugins.resume(now(), shaped).unwrap().verdict, Verdict::Continue);
    }
    let seen = plugins.seen().remove(0).stats;
    assert_eq!((seen.calls, seen.failures.iter().sum::<u64>(), seen.restarts), (5, 0, 0));
    assert_eq!(seen.breaker, BreakerState::Closed);
    assert!(seen.time_p50 >= std::time::Duration::from_millis(100), "{:?}", seen.time_p50);
}

#[test]
fn requests_are_taken_once_wherever_the_plugin_runs() {
    let Some((mut plugins, answers)) = looking() else { return };
    let exhausted = |attempts| Exhausted { subject: subject(), attempts, has_nonce: false };
    let take = |plugins: &Plugins| plugins.take_reconfigure_requests().map(|(id, _)| id.0).collect::<Vec<_>>();
    assert_eq!(take(&plugins), [0; 0]);
    plugins.reconfigure_exhausted(now(), &[PluginId(0)], &exhausted(2));
    assert_eq!(take(&plugins), [7, 8]);
    assert_eq!(take(&plugins), [0; 0]);
    // Past its deadline: it is deferred, and what it asks for there would still be seen.
    plugins.reconfigure_exhausted(now(), &[PluginId(0)], &exhausted(12));
    assert!(plugins.seen()[0].deferred);
    assert!(matches!(plugins.shape(now(), &[PluginId(0)], &mut reply(), TOKEN, Lookup::NONE), Hook::Pending { .. }));
    answers.recv_timeout(LONG).unwrap();
    assert_eq!(take(&plugins), [0; 0], "a reply asks for nothing");
}

fn news(change: SessionChange) -> Arc<SessionNews> {
    let reconfigure = ReconfigureView {
        phase: Phase::Idle,
        attempts: 0,
        next_in: None,
        capability: Capability::Unknown,
        has_nonce: false,
    };
    let session = BindingView {
        liveness: None,
        timers: [None; 2],
        bootp: false,
        lease_time_violated: false,
        session: SessionId(7),
        address: Ipv4Addr::new(192, 0, 2, 10),
        hw: HwAddr::from(MacAddr([2, 0, 0, 0, 0, 7])),
        state: PublicState::Bound,
        expires_in: None,
        started_ago: 0,
        last_packet_ago: 0,
        interface: "eth0".into(),
        instance: "default".into(),
        instance_id: InstanceId(0),
        server_id: Ipv4Addr::UNSPECIFIED,
        giaddr: Ipv4Addr::UNSPECIFIED,
        pool: "p".into(),
        group: "g".into(),
        client_id: Box::default(),
        relay_info: Box::default(),
        vendor_class: Box::default(),
        host_name: Box::default(),
        start: LeaseTime(0),
        multi_session: SessionId(7),
        subscriber: Subscriber::default(),
        xid: Xid(0),
        reconfigure,
        route: RouteState::NotOnLink,
    };
    Arc::new(SessionNews {
        change,
        account: false,
        observers: [PluginId(0)].into(),
        moved: false,
        session: Box::new(session),
    })
}

/// A plugin that observes, on its own thread, with this word.
fn observer(word: &str, deadline: Option<std::time::Duration>) -> Option<Plugins> {
    let plugins = plugins_within(&[word], deadline)?.observing(vec![PluginId(0)]).reporting(|_| {});
    assert!(plugins.seen()[0].deferred, "no packet waits for it");
    Some(plugins)
}

fn wait_for(plugins: &Plugins, what: &str, done: impl Fn(&PluginStats) -> bool) {
    let deadline = std::time::Instant::now() + LONG;
    while !done(&plugins.seen()[0].stats) {
        assert!(std::time::Instant::now() < deadline, "{what}: {:?}", plugins.seen());
        std::thread::yield_now();
    }
}

#[test]
fn who_observes_is_told_on_a_thread_of_its_own() {
    let Some(mut plugins) = observer("pass", None) else { return };
    for change in [SessionChange::Bound, SessionChange::Renewed, SessionChange::Reauthorized, SessionChange::Declined] {
        plugins.observe(&news(change));
    }
    wait_for(&plugins, "three events", |stats| stats.calls == 3);
    assert_eq!(plugins.seen()[0].stats.failures.iter().sum::<u64>(), 0);
}

#[test]
fn an_observer_that_never_comes_back_delays_nobody() {
    let Some(mut plugins) = observer("spin", Some(std::time::Duration::from_secs(60))) else { return };
    let more = crate::deferred::NEWS + 10;
    (0..more).for_each(|_| plugins.observe(&news(SessionChange::Bound)));
    let full = |stats: &PluginStats| stats.failures[Failure::QueueFull.index()];
    let lost = full(&plugins.seen()[0].stats);
    // The first is with the plugin, if its thread has come to it.
    assert!((9..=10).contains(&lost), "what finds no room is counted: {lost}");
}

#[test]
fn an_observer_is_stopped_at_its_deadline() {
    let Some(mut plugins) = observer("spin", None) else { return };
    plugins.observe(&news(SessionChange::Bound));
    wait_for(&plugins, "a call that was stopped", |stats| stats.failures[Failure::Deadline.index()] > 0);
}

#[test]
fn what_an_observer_asks_for_wakes_the_packet_thread() {
    let Some((plugins, _)) = looking() else { return };
    let (sender, told) = crossbeam_channel::unbounded();
    let mut plugins = plugins.observing(vec![PluginId(0)]).reporting(move |told| drop(sender.send(told)));
    plugins.observe(&news(SessionChange::Bound));
    let woken = told.recv_timeout(LONG).unwrap();
    assert!(matches!(woken, Told::Asked), "{woken:?}");
    let asked: Vec<_> = plugins.take_reconfigure_requests().collect();
    assert_eq!(asked, [(SessionId(7), bindery_plugin_host::Purpose::Renumber)]);
}
