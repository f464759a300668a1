//! A driver on the route thread, as the daemon has it. It listens to the links of this machine and changes nothing.

use crate::build::{Built, rust_sample};
use bindery_engine::route::{Destination, Route, RouteChange, RouteOp, RouteSeq};
use bindery_netlink::{RouteEvent, RouteHandle, RouteThread};
use bindery_plugin_native::{Library, Report};
use bindery_types::{IfIndex, InstanceId, Ipv4Addr};
use std::{
    path::Path,
    sync::{Arc, OnceLock, mpsc},
    time::Duration,
};

const PATIENCE: Duration = Duration::from_secs(60);
const NEVER: Duration = Duration::from_secs(3600);

/// Starts a thread whose driver's faults come back to it. The listener waits until it knows the thread, for the sake of
/// the test: a daemon must drop what comes earlier, since a driver may report from within `create`. That is no loss,
/// because the thread starts with a reconciliation anyway.
fn start(path: &Path, settings: &[(String, String)]) -> (RouteThread, mpsc::Receiver<RouteEvent>) {
    let handle: Arc<OnceLock<RouteHandle>> = Arc::default();
    let reports = Arc::clone(&handle);
    let plane = Library::load(path)
        .and_then(|library| {
            library.open(settings, move |report| {
                if let Report::Fault(why) = report {
                    reports.wait().report_fault(why);
                }
            })
        })
        .unwrap();
    let (sender, events) = mpsc::channel();
    let thread = RouteThread::start_driver(plane, NEVER, move |event| drop(sender.send(event))).unwrap();
    assert!(handle.set(thread.handle()).is_ok());
    (thread, events)
}

fn wait<T>(events: &mpsc::Receiver<RouteEvent>, mut choose: impl FnMut(RouteEvent) -> Option<T>) -> T {
    loop {
        if let Some(chosen) = choose(events.recv_timeout(PATIENCE).expect("an event in time")) {
            return chosen;
        }
    }
}

fn set(number: u32) -> RouteOp {
    let dst = Ipv4Addr::from_bits(Ipv4Addr::new(10, 1, 0, 0).to_bits() + number);
    let route = Route::host(InstanceId(0), dst, IfIndex(1));
    RouteOp { seq: RouteSeq(u64::from(number)), urgent: true, change: RouteChange::Set(route) }
}

#[test]
fn the_route_thread_drives_a_native_plane() {
    let (thread, events) = start(&rust_sample(), &[("traffic".into(), "2".into())]);
    let handle = thread.handle();
    handle.seed(Vec::new());
    handle.submit(&mut (1..=3000).map(set).collect());
    wait(&events, |event| match event {
        RouteEvent::Routed { up_to, failed } => {
            assert_eq!(failed, []);
            (up_to == RouteSeq(3000)).then_some(())
        }
        _ => None,
    });
    let (sender, counted) = mpsc::channel();
    let of = Destination::host(InstanceId(0), Ipv4Addr::new(10, 1, 0, 1));
    handle.read_counters(vec![of], move |counters| drop(sender.send(counters)));
    let counted = counted.recv_timeout(PATIENCE).unwrap().unwrap();
    assert_eq!(counted[0].map(|counters| counters.octets_in), Some(2000));
    assert_eq!(handle.withdraw(), Some(3000));
    thread.stop();
}

#[test]
fn a_fault_that_the_driver_reports_is_told_and_ends() {
    let (thread, events) = start(&Built::odd(&["-DODD_THREAD"]).path(), &[]);
    let why = wait(&events, |event| match event {
        RouteEvent::Faulted(why) => Some(why),
        _ => None,
    });
    assert_eq!(why, "the link to the card is lost");
    // Nothing was wanted yet, so nothing is compared before there is a seed.
    thread.handle().seed(Vec::new());
    wait(&events, |event| (event == RouteEvent::Recovered).then_some(()));
}
