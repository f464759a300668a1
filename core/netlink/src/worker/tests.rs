//! The loop, stepped by hand on a real plane in a network namespace.

use super::*;
use crate::{Plane, PlaneSettings, backoff::BACKOFF_MIN, plane::TestFaults};
use bindery_engine::{input::Link, route::Route};
use bindery_types::{IfIndex, InstanceId, Ipv4Addr};
use nix::sched::{CloneFlags, unshare};
use std::{
    process::Command,
    sync::mpsc::{self, Receiver},
    thread,
};

const LO: IfIndex = IfIndex(1);
const CANCELED: RouteError = RouteError::Refused(Errno::ECANCELED as i32);

/// Runs `test` in a namespace of its own; says so where that cannot be.
fn in_namespace(name: &str, test: impl FnOnce() + Send + 'static) {
    let name = name.to_owned();
    let done = thread::spawn(move || match unshare(CloneFlags::CLONE_NEWNET) {
        Ok(()) => {
            sh("ip link set lo up; ip addr add 10.0.0.1/32 dev lo");
            test();
        }
        Err(errno) => println!("SKIP {name}: no network namespace ({errno}); run as root"),
    });
    done.join().unwrap();
}

fn sh(lines: &str) -> String {
    let output = Command::new("sh").arg("-ec").arg(lines).output().unwrap();
    assert!(output.status.success(), "{lines}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn count() -> usize {
    sh("ip route show table all proto 201").lines().count()
}

/// A worker that knows its links, and what it tells. `on_event` hears it too.
fn worker(mut on_event: impl FnMut(&Inbox, &RouteEvent) + Send + 'static) -> (Worker<Plane>, Receiver<RouteEvent>) {
    let plane = Plane::open(PlaneSettings::default()).unwrap();
    let links = Links::open(&plane).unwrap();
    let inbox = Arc::new(Inbox::new().unwrap());
    let (sender, events) = mpsc::channel();
    let for_events = Arc::clone(&inbox);
    let tell = move |event: RouteEvent| {
        on_event(&for_events, &event);
        let _ = sender.send(event);
    };
    let mut worker = Worker::new(plane, links, inbox, Duration::from_secs(3600), Box::new(tell));
    worker.links.read_again(&mut Vec::new()).unwrap();
    (worker, events)
}

fn route(number: u32) -> Route {
    let dst = Ipv4Addr::from_bits(Ipv4Addr::new(10, 1, 0, 0).to_bits() + number);
    Route::host(InstanceId(0), dst, LO)
}

fn set(number: u32) -> RouteOp {
    RouteOp { seq: RouteSeq(u64::from(number)), urgent: true, change: RouteChange::Set(route(number)) }
}

fn cancelled(numbers: std::ops::Range<u64>) -> Vec<RouteFailure> {
    numbers.map(|seq| RouteFailure { seq: RouteSeq(seq), error: CANCELED }).collect()
}

/// The last answered position and all failures among what was told.
fn answers(events: &[RouteEvent]) -> (Option<RouteSeq>, Vec<RouteFailure>) {
    let mut all = (None, Vec::new());
    for event in events {
        if let RouteEvent::Routed { up_to, failed } = event {
            all.0 = Some(*up_to);
            all.1.extend_from_slice(failed);
        }
    }
    all
}

/// `F` for a fault, `R` for the recovery, `a` for an answer.
fn story(events: &[RouteEvent]) -> String {
    let letter = |event: &RouteEvent| match event {
        RouteEvent::Faulted(_) => Some('F'),
        RouteEvent::Recovered => Some('R'),
        RouteEvent::Routed { .. } => Some('a'),
        _ => None,
    };
    events.iter().filter_map(letter).collect()
}

#[test]
fn a_withdrawal_takes_what_waited_and_nothing_is_set_after_it() {
    in_namespace("a_withdrawal_takes_what_waited_and_nothing_is_set_after_it", || {
        let (mut worker, events) = worker(|_, _| {});
        worker.inbox.submit(&mut (0..600).map(set).collect());
        let (done, removed) = mpsc::channel();
        worker.handle_request(Request::Withdraw(done));
        assert_eq!(removed.try_recv(), Ok(600));
        worker.inbox.submit(&mut (600..1000).map(set).collect());
        worker.inbox.request(Request::Seed(vec![route(2000)]));
        worker.inbox.request(Request::Stop);
        worker.run();
        assert_eq!(count(), 0);
        let told: Vec<_> = events.try_iter().collect();
        assert_eq!(answers(&told), (Some(RouteSeq(999)), cancelled(600..1000)));
    });
}

/// The thread ends while netlink does not work; whoever waits for an operation hears that it was not carried out.
#[test]
fn the_end_answers_what_could_not_be_carried_out() {
    in_namespace("the_end_answers_what_could_not_be_carried_out", || {
        let mut faults = 0;
        let (mut worker, events) = worker(move |inbox, event| {
            if matches!(event, RouteEvent::Faulted(_)) {
                faults += 1;
                assert!(faults < 10, "it does not end");
                if faults == 2 {
                    inbox.request(Request::Stop);
                }
            }
        });
        worker.plane.faults = TestFaults { applying: u32::MAX, sweeping: 0 };
        worker.inbox.submit(&mut (0..600).map(set).collect());
        worker.run();
        let told: Vec<_> = events.try_iter().collect();
        assert_eq!(answers(&told), (Some(RouteSeq(599)), cancelled(0..600)));
        assert_eq!(story(&told), "FFaaa");
    });
}

#[test]
fn faults_of_operations_back_off_until_a_batch_succeeds() {
    in_namespace("faults_of_operations_back_off_until_a_batch_succeeds", || {
        let (mut worker, events) = worker(|_, _| {});
        for faults in [4, 1] {
            worker.plane.faults = TestFaults { applying: faults, sweeping: 0 };
            worker.inbox.submit(&mut vec![set(1)]);
            let start = Instant::now();
            worker.carry_out(BATCH);
            let waits: Duration = (0..faults).map(|n| BACKOFF_MIN * (1 << n)).sum();
            assert!(start.elapsed() >= waits);
        }
        let told: Vec<_> = events.try_iter().collect();
        assert_eq!(story(&told), "FFFFRaFRa");
        assert_eq!(answers(&told), (Some(RouteSeq(1)), vec![]));
        assert_eq!(count(), 1);
    });
}

/// A sweep that faults is put off, longer each time, and operations do not wait for it.
#[test]
fn faults_of_a_sweep_put_it_off() {
    in_namespace("faults_of_a_sweep_put_it_off", || {
        let (mut worker, events) = worker(|_, _| {});
        worker.handle_request(Request::Seed(vec![route(0)]));
        worker.plane.faults = TestFaults { applying: 0, sweeping: 3 };
        for nth in 0..3 {
            let start = Instant::now();
            worker.next_sweep = Some(start);
            worker.advance_sweep();
            worker.inbox.submit(&mut vec![set(1)]);
            worker.carry_out(BATCH);
            assert!(worker.next_sweep.unwrap() >= start + BACKOFF_MIN * (1 << nth));
        }
        assert_eq!(story(&events.try_iter().collect::<Vec<_>>()), "FaFaFa");
        worker.next_sweep = Some(Instant::now());
        let mut told = Vec::new();
        while !told.iter().any(|event| matches!(event, RouteEvent::Swept(_))) {
            worker.advance_sweep();
            told.extend(events.try_iter());
        }
        assert_eq!(story(&told), "R");
    });
}

/// Another interval brings the next sweep forward, never puts it off, and starts none before the seed.
#[test]
fn another_interval_needs_no_other_thread() {
    in_namespace("another_interval_needs_no_other_thread", || {
        let (mut worker, events) = worker(|_, _| {});
        worker.handle_request(Request::SweepEvery(Duration::from_secs(1)));
        assert_eq!(worker.next_sweep, None);
        worker.handle_request(Request::Seed(vec![]));
        while !events.try_iter().any(|event| matches!(event, RouteEvent::Swept(_))) {
            worker.advance_sweep();
        }
        let due = worker.next_sweep.unwrap();
        worker.handle_request(Request::SweepEvery(Duration::from_secs(3600)));
        assert_eq!(worker.next_sweep, Some(due));
        worker.next_sweep = Some(due + Duration::from_secs(3600));
        worker.handle_request(Request::SweepEvery(Duration::from_secs(2)));
        assert!(worker.next_sweep.unwrap() <= Instant::now() + Duration::from_secs(2));
    });
}

/// However many links and addresses a run of notifications is about, the wanted routes are looked through once.
#[test]
fn many_link_events_cost_one_scan() {
    in_namespace("many_link_events_cost_one_scan", || {
        let (mut worker, events) = worker(|_, _| {});
        let on = |number: u32, link| Route { link: IfIndex(link), src: Some(source(link)), ..route(number) };
        let wanted = [on(0, 10), on(1, 11), on(2, 12), on(3, 13), on(4, 14), on(5, 500)];
        wanted.iter().for_each(|route| worker.desired.set(route));
        worker.desired.note(wanted[4].destination(), Some(RouteError::LinkDown));
        let link = |index| Link {
            index: IfIndex(index),
            name: "x".into(),
            up: true,
            loopback: false,
            mac: None,
            addresses: Vec::new(),
            vrf: None,
            table: None,
        };
        let mut told = vec![
            LinkEvent::WasDown(IfIndex(10)),
            LinkEvent::Set(link(11), true),
            LinkEvent::Set(link(500), false),
            LinkEvent::AddressLost(LO, source(12)),
            LinkEvent::AddressAdded(LO, source(13)),
            LinkEvent::AddressAdded(IfIndex(14), Ipv4Addr::new(10, 9, 9, 9)),
            LinkEvent::AddressAdded(IfIndex(500), Ipv4Addr::new(10, 9, 9, 8)),
        ];
        told.extend((20..400).map(|index| LinkEvent::Gone(IfIndex(index))));
        worker.handle_link_events(&mut told);
        assert_eq!(worker.desired.scans, 1);
        let mut dirty: Vec<_> = std::iter::from_fn(|| worker.desired.pop_dirty()).collect();
        dirty.sort_by_key(|route| route.dst);
        assert_eq!(dirty, wanted[..5]);
        let lost: Vec<_> = events.try_iter().filter(|event| matches!(event, RouteEvent::RoutesLost(_))).collect();
        assert_eq!(lost, [RouteEvent::RoutesLost(IfIndex(10)), RouteEvent::RoutesLost(IfIndex(12))]);
        // Nothing that concerns routes costs none.
        worker.handle_link_events(&mut vec![LinkEvent::Set(link(10), false), LinkEvent::Overrun]);
        assert_eq!(worker.desired.scans, 1);
    });
}

fn source(link: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(Ipv4Addr::new(10, 5, 0, 0).to_bits() + link)
}
