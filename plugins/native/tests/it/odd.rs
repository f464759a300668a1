//! Drivers that load and then do not do what they should.

use crate::build::Built;
use bindery_engine::route::{
    Destination, Driver, ForwardingPlane, RouteChange, RouteError, RouteFailure, RouteOp, RouteSeq,
};
use bindery_plugin_native::{Fault, Level, Library, LoadReason, NativePlane, Report};
use bindery_types::{InstanceId, Ipv4Addr};
use std::{
    sync::{Mutex, mpsc},
    time::Duration,
};

const PATIENCE: Duration = Duration::from_secs(60);

fn open(flags: &[&str]) -> (NativePlane, mpsc::Receiver<Report>) {
    let (sender, reports) = mpsc::channel();
    let sender = Mutex::new(sender);
    let settings = [("a".into(), "1".into()), ("b".into(), "two words".into())];
    let plane = Library::load(&Built::odd(flags).path())
        .and_then(|library| library.open(&settings, move |report| drop(sender.lock().unwrap().send(report))))
        .unwrap();
    (plane, reports)
}

fn ops(count: u64) -> Vec<RouteOp> {
    let change = RouteChange::Unset(Destination::host(InstanceId(0), Ipv4Addr::new(10, 0, 0, 1)));
    (10..10 + count).map(|seq| RouteOp { seq: RouteSeq(seq), urgent: false, change }).collect()
}

fn apply(plane: &mut NativePlane, count: u64) -> Result<Vec<RouteFailure>, String> {
    let mut failed = Vec::new();
    let done = plane.apply(&ops(count), &mut failed);
    assert!(done.is_ok() || failed.is_empty(), "nothing is believed of a call that failed: {failed:?}");
    done.map(|()| failed).map_err(|fault| fault.to_string())
}

#[test]
fn results_become_failures() {
    let (mut plane, _reports) = open(&["-DODD_APPLY_RESULTS"]);
    let failure = |seq, error| RouteFailure { seq: RouteSeq(seq), error };
    let expected =
        [failure(10, RouteError::Foreign), failure(11, RouteError::LinkDown), failure(12, RouteError::Refused(28))];
    assert_eq!(apply(&mut plane, 5), Ok(expected.to_vec()));
    assert_eq!(apply(&mut plane, 0), Ok(vec![]));
}

/// A driver that answers what does not exist is not asked again; a new instance is.
#[test]
fn a_breach_ends_the_instance() {
    for flag in ["-DODD_APPLY_UNANSWERED", "-DODD_APPLY_UNKNOWN"] {
        let (mut plane, reports) = open(&[flag]);
        let why = "the driver odd breaks the contract in apply: an operation has no result, or one that does not exist";
        assert_eq!(apply(&mut plane, 3), Err(why.into()));
        assert_eq!(apply(&mut plane, 3), Err("the driver odd is not running".into()));
        assert_eq!(plane.recover(), Ok(()));
        assert_eq!(lines(&reports), ["a=1;b=two words;", "ended", "a=1;b=two words;"]);
        drop(plane);
        assert_eq!(lines(&reports), ["ended"]);
    }
}

fn lines(reports: &mpsc::Receiver<Report>) -> Vec<String> {
    let line = |report| match report {
        Report::Log { text, .. } => text,
        Report::Fault(text) => panic!("{text}"),
    };
    reports.try_iter().map(line).collect()
}

/// An errno leaves the instance, which says that it works; a panic that it caught does not.
#[test]
fn what_fails_is_kept_or_made_anew() {
    let (mut plane, reports) = open(&["-DODD_APPLY_ERRNO"]);
    assert_eq!(apply(&mut plane, 1), Err("the driver odd fails in apply: Input/output error (os error 5)".into()));
    assert_eq!(plane.recover(), Ok(()));
    assert_eq!(apply(&mut plane, 1), Ok(vec![]));
    assert_eq!(lines(&reports).len(), 1);

    let (mut plane, reports) = open(&["-DODD_APPLY_PANICS"]);
    assert_eq!(apply(&mut plane, 1), Err("the driver odd fails in apply: it caught a panic of its own".into()));
    assert_eq!(plane.health(), Err(Fault::Absent { driver: "odd".into() }), "it is not asked how it is");
    assert_eq!(plane.recover(), Ok(()));
    assert_eq!(apply(&mut plane, 1), Ok(vec![]));
    assert_eq!(lines(&reports).len(), 3);

    let (mut plane, reports) = open(&["-DODD_HEALTH"]);
    assert_eq!(plane.health(), Err(Fault::Failed { driver: "odd".into(), call: "health", status: 5 }));
    assert_eq!(plane.recover(), Ok(()));
    assert_eq!(plane.health(), Ok(()));
    assert_eq!(lines(&reports).len(), 3);
}

/// Where no new instance can be made, calls say so until one can.
#[test]
fn a_driver_that_cannot_be_made_anew_is_absent() {
    let (mut plane, _reports) = open(&["-DODD_HEALTH", "-DODD_CREATE_SECOND_FAILS"]);
    let gone = Fault::Failed { driver: "odd".into(), call: "create", status: 19 };
    assert_eq!(plane.recover(), Err(gone));
    let absent = Fault::Absent { driver: "odd".into() };
    assert_eq!(plane.dump(&mut 0, &mut Vec::new()), Err(absent.clone()));
    let of = [Destination::host(InstanceId(0), Ipv4Addr::UNSPECIFIED)];
    assert_eq!(plane.read_counters(&of, &mut Vec::new()), Err(absent));
    assert_eq!(plane.recover(), Ok(()));
    let mut counted = Vec::new();
    assert_eq!(plane.read_counters(&of, &mut counted), Ok(()));
    assert_eq!(counted, [None], "it has no counters");
}

#[test]
fn a_dump_is_not_believed_blindly() {
    for (flag, what) in [
        ("-DODD_DUMP_MORE", "it tells more than there is room for"),
        ("-DODD_DUMP_ENDLESS", "it tells nothing and has not ended"),
        ("-DODD_DUMP_BAD", "it tells an entry that nobody can have set"),
    ] {
        let (mut plane, _reports) = open(&[flag]);
        let mut found = Vec::new();
        let breach = Fault::Breach { driver: "odd".into(), call: "dump", what };
        assert_eq!(plane.dump(&mut 0, &mut found), Err(breach));
        assert_eq!(found, []);
    }
}

#[test]
fn an_instance_that_is_not_made_is_a_refusal() {
    for (flag, why) in [
        ("-DODD_CREATE_FAILS", "the driver odd fails in create: Permission denied (os error 13)"),
        ("-DODD_CREATE_NULL", "the driver odd breaks the contract in create: it made no instance"),
    ] {
        let library = Library::load(&Built::odd(&[flag]).path()).unwrap();
        let error = library.open(&[], |_| {}).err().unwrap();
        assert!(matches!(error.reason, LoadReason::Create(_)));
        assert_eq!(error.to_string(), format!("{}: {why}", library.path().display()));
    }
    let library = Library::load(&Built::odd(&[]).path()).unwrap();
    let error = library.open(&[("key".into(), "a\0b".into())], |_| {}).err().unwrap();
    assert!(matches!(error.reason, LoadReason::Setting(key) if key == "key"));
}

#[test]
fn a_thread_of_the_driver_reports_a_fault() {
    let (plane, reports) = open(&["-DODD_THREAD"]);
    let settings = Report::Log { level: Level::Info, text: "a=1;b=two words;".into() };
    assert_eq!(reports.recv_timeout(PATIENCE), Ok(settings));
    assert_eq!(reports.recv_timeout(PATIENCE), Ok(Report::Fault("the link to the card is lost".into())));
    drop(plane);
    assert_eq!(reports.recv_timeout(PATIENCE), Ok(Report::Log { level: Level::Debug, text: "ended".into() }));
    assert_eq!(reports.recv_timeout(PATIENCE), Err(mpsc::RecvTimeoutError::Disconnected));
}
