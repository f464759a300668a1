//! What a plugin may look up of other sessions, and ask for them.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use bindery_engine::policy::{Admit, Exhausted, ExhaustedVerdict, Lookup, Steer};
use bindery_engine::session::{Identity, IdentityBuf, Names, Record, SessionTable, State};
use bindery_plugin_host::{
    BreakerState, Failure, Grants, LoadReason, LogSink, OnFailure, Outcome, Plugin, PluginSpec, Purpose, REQUESTS_MAX,
    Request, Stage, Stages,
};
use bindery_types::{HwAddr, InstanceId, MacAddr, SessionId};
use bindery_wire::v4::{Packet, ParseRules};
use nix::time::{ClockId, clock_gettime};

use crate::exchange::Exchange;
use crate::guests::{Guest, guest};
use crate::stages::{TOKEN, packet, subject};

fn granted() -> Grants {
    let log: LogSink = Arc::new(|_, _, _| {});
    Grants { log: Some(log), session_lookup: true, request_reconfigure: true, ..Grants::default() }
}

fn load(guest: &Guest, grants: Grants) -> Result<Plugin, LoadReason> {
    let stages = [Stage::Admit, Stage::ShapeReply, Stage::ReconfigureExhausted];
    let stages = stages.into_iter().fold(Stages::NONE, Stages::with);
    guest.host.load(&PluginSpec { stages, grants, ..guest.spec.clone() }).map_err(|error| error.reason)
}

/// Sessions of the client that [`packet`] and [`Exchange`] are of: one bound by a relay, one that was.
fn table(names: &mut Names) -> SessionTable {
    let mut table = SessionTable::new(7);
    let link = names.intern("eth0");
    let (group, pool) = (names.intern("g"), names.intern("p"));
    for (id, state, last, giaddr, client_id) in [
        (1, State::Expired, 9, Ipv4Addr::UNSPECIFIED, &[][..]),
        (2, State::Bound, 10, Ipv4Addr::new(192, 0, 2, 1), &[1, 2]),
    ] {
        let address = Ipv4Addr::new(192, 0, 2, last);
        let scope = Ipv4Addr::new(192, 0, 2, 0);
        let mut record = Record::new(SessionId(id), InstanceId(0), scope, state, address).on_link(link);
        (record.group, record.pool, record.giaddr) = (group, pool, giaddr);
        let hw = HwAddr::from(MacAddr([2, 0, 0, 0, 0, 7]));
        let mut identity = IdentityBuf::new();
        identity.set(&Identity { hw, client_id, ..Identity::default() }).unwrap();
        table.insert(record, &identity).unwrap();
    }
    table
}

/// What the guest puts into the class of a request.
fn class(plugin: &mut Plugin, sessions: Lookup<'_>) -> String {
    let bytes = packet(1);
    let request = Packet::parse(&bytes, ParseRules::default()).unwrap();
    let (group, interface, steer) = ("g", "eth0", Steer::default());
    let mut question = Admit { request: &request, unicast: false, group, interface, token: TOKEN, sessions, steer };
    assert_eq!(plugin.admit(&mut question), Outcome::Continue, "{}", plugin.stats().last_failure);
    question.steer.class.unwrap().into()
}

/// What the guest puts into option 43 of a reply.
fn option(plugin: &mut Plugin, exchange: &mut Exchange, sessions: Lookup<'_>) -> String {
    let outcome = plugin.shape_reply_among(exchange, sessions);
    assert_eq!(outcome, Outcome::Continue, "{}", plugin.stats().last_failure);
    String::from_utf8(exchange.reply_option(43).unwrap().to_vec()).unwrap()
}

#[test]
fn sessions_are_found_while_they_are_lent() {
    let Some(guest) = guest("fixture-sessions") else { return };
    let mut plugin = load(&guest, granted()).unwrap();
    let mut names = Names::new(7);
    let table = table(&mut names);
    let lookup = Lookup::new(&table, &names, InstanceId(0));
    let bound = "2 State::Bound c000020a (2, 0, 0, 0, 0, 7) g eth0 p Some(\"c0000201\") Some([1, 2])";
    assert_eq!(class(&mut plugin, lookup), "2 State::Bound, 1 State::Expired");
    assert_eq!(class(&mut plugin, Lookup::new(&table, &names, InstanceId(1))), "none", "of another routing instance");
    assert_eq!(class(&mut plugin, Lookup::NONE), "unavailable");
    let mut exchange = Exchange::new();
    assert_eq!(option(&mut plugin, &mut exchange, lookup), bound);
    exchange.meta.address = Ipv4Addr::new(192, 0, 2, 9);
    assert_eq!(option(&mut plugin, &mut exchange, lookup), "none", "no longer held");
    assert_eq!(option(&mut plugin, &mut exchange, Lookup::NONE), "unavailable");
    let elsewhere = std::thread::spawn(move || class(&mut plugin, Lookup::NONE));
    assert_eq!(elsewhere.join().unwrap(), "unavailable");
}

fn exhausted(plugin: &mut Plugin, attempts: u8) -> Result<Option<ExhaustedVerdict>, Failure> {
    plugin.reconfigure_exhausted(&Exhausted { subject: subject(), attempts, has_nonce: false })
}

fn from_seven(count: u64) -> Vec<Request> {
    (7..7 + count).map(|id| (SessionId(id), Purpose::Refresh)).collect()
}

#[test]
fn reconfigurations_wait_for_the_end_of_the_turn() {
    let Some(guest) = guest("fixture-sessions") else { return };
    let mut plugin = load(&guest, granted()).unwrap();
    let requests = Arc::clone(plugin.requests().unwrap());
    assert_eq!(exhausted(&mut plugin, 2), Ok(None), "{}", plugin.stats().last_failure);
    assert_eq!(exhausted(&mut plugin, 3), Ok(None), "two of them wait already");
    assert_eq!(requests.take(), from_seven(3));
    assert_eq!(exhausted(&mut plugin, 11), Err(Failure::Trap));
    assert_eq!(requests.take(), [], "a call that fails asks for nothing");
    assert_eq!(exhausted(&mut plugin, 1), Ok(None), "the next instance may still ask");
    assert_eq!(requests.take(), from_seven(1));
    assert_eq!(exhausted(&mut plugin, 10), Ok(Some(ExhaustedVerdict::Defer)), "44 of 300 were refused");
    assert_eq!(requests.take(), from_seven(REQUESTS_MAX as u64));
}

#[test]
fn what_is_not_granted_is_no_import() {
    let Some(guest) = guest("fixture-sessions") else { return };
    for (without, grants) in [
        ("session-lookup", Grants { session_lookup: false, ..granted() }),
        ("request-reconfigure", Grants { request_reconfigure: false, ..granted() }),
    ] {
        match load(&guest, grants).map(|_| ()).unwrap_err() {
            LoadReason::NotGranted(what) => assert_eq!(what, without),
            other => panic!("{other}"),
        }
    }
}

/// Takes this much processor time of the thread, however long that takes.
fn burn(time: Duration) {
    let used = || Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap());
    let end = used() + time;
    while used() < end {}
}

/// The guest bound to `shape-reply`, whose every call takes `part` tenths of its deadline: in the log that it writes to.
fn taking(guest: &Guest, part: u32) -> Plugin {
    let deadline = Duration::from_millis(200);
    let log: LogSink = Arc::new(move |_, _, _| burn(deadline * part / 10));
    let grants = Grants { log: Some(log), ..granted() };
    let stages = Stages::NONE.with(Stage::ShapeReply);
    guest.host.load(&PluginSpec { stages, grants, deadline, ..guest.spec.clone() }).unwrap()
}

/// The deadline is processor time, and so is what the guest takes: a busy machine makes this slow and not wrong.
#[test]
fn a_plugin_that_always_takes_nine_tenths_of_its_deadline_never_fails() {
    let Some(guest) = guest("fixture-sessions") else { return };
    let mut plugin = taking(&guest, 9);
    for _ in 0..6 {
        let outcome = plugin.shape_reply(&mut Exchange::new());
        assert_eq!(outcome, Outcome::Continue, "{}", plugin.stats().last_failure);
    }
    let stats = plugin.stats();
    assert_eq!((stats.calls, stats.restarts, stats.breaker), (6, 0, BreakerState::Closed));
    assert_eq!(stats.failures.iter().sum::<u64>(), 0);
    // Its latency tells the operator; and it is no longer for the packet thread.
    assert!(stats.time_p50 >= Duration::from_millis(100), "{:?}", stats.time_p50);
    assert_eq!(plugin.slow(), Some(bindery_plugin_host::Slow::Budget));

    // More is too much; a ticker that is late on a busy machine lets a little more pass.
    let too_long = Outcome::Failed(Failure::Deadline, OnFailure::Continue);
    let stopped = [11, 20, 40, 80].into_iter().any(|part| {
        let mut plugin = taking(&guest, part);
        plugin.shape_reply(&mut Exchange::new()) == too_long
    });
    assert!(stopped, "eight deadlines long");
}
