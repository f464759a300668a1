//! The samples keep the contract that netlink and the reference keep.

use crate::build::{Built, rust_sample};
use bindery_engine::route::{
    Counters, Destination, Driver, ForwardingPlane, Route, RouteChange, RouteError, RouteFailure, RouteOp, RouteSeq,
};
use bindery_netlink::contract;
use bindery_plugin_native::{Level, Library, LoadError, NativePlane, Report};
use bindery_types::{IfIndex, InstanceId, Ipv4Addr};
use std::{path::Path, sync::mpsc};

/// Runs `test` with each sample.
fn with_each(test: impl Fn(&Path)) {
    test(
        Built::c(
            "../../examples/plugins/plane-c/plane.c",
            &["-Wpedantic", "-fsanitize=undefined", "-fsanitize-undefined-trap-on-error"],
        )
        .path()
        .as_path(),
    );
    test(&rust_sample());
}

fn open(path: &Path, settings: &[(&str, &str)]) -> Result<NativePlane, LoadError> {
    let settings: Vec<_> = settings.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    Library::load(path)?.open(&settings, |_| {})
}

fn destination(last: u8) -> Destination {
    Destination::host(InstanceId(0), Ipv4Addr::new(10, 9, 0, last))
}

fn set(seq: u64, at: Destination) -> RouteOp {
    let route = Route::host(at.instance, at.dst, IfIndex(2));
    RouteOp { seq: RouteSeq(seq), urgent: true, change: RouteChange::Set(route) }
}

#[test]
fn the_samples_keep_the_contract() {
    let place = contract::Place {
        links: [IfIndex(2), IfIndex(3)],
        no_link: IfIndex(9),
        source: Ipv4Addr::new(10, 0, 0, 1),
        gateway: Ipv4Addr::new(192, 0, 2, 2),
        subscribers: Ipv4Addr::new(10, 1, 0, 0),
    };
    with_each(|path| {
        for settings in [&[("link", "2"), ("link", "3")][..], &[("link", "2"), ("link", "3"), ("traffic", "7")]] {
            let mut plane = open(path, settings).unwrap();
            contract::check_driver(&mut plane, place).unwrap_or_else(|broken| panic!("{}: {broken}", path.display()));
        }
    });
}

#[test]
fn the_samples_tell_what_is_foreign_and_what_was_carried() {
    with_each(|path| {
        let mut plane = open(path, &[("foreign", "10.9.0.2"), ("traffic", "3")]).unwrap();
        let mut failed = Vec::new();
        plane.apply(&[set(1, destination(1)), set(2, destination(2))], &mut failed).unwrap();
        assert_eq!(failed, [RouteFailure { seq: RouteSeq(2), error: RouteError::Foreign }]);
        let carried = |packets: u64| Counters {
            packets_in: packets,
            octets_in: packets * 1000,
            packets_out: packets,
            octets_out: packets * 1000,
        };
        for looks in 1..3 {
            let mut counted = Vec::new();
            plane.read_counters(&[destination(2), destination(1)], &mut counted).unwrap();
            assert_eq!(counted, [None, Some(carried(looks * 3))]);
        }
    });
}

/// Two instances, as at a commit that changes the driver's settings, have nothing in common.
#[test]
fn two_instances_of_a_sample_are_apart() {
    with_each(|path| {
        let (mut old, mut new) = (open(path, &[]).unwrap(), open(path, &[]).unwrap());
        old.apply(&[set(1, destination(1))], &mut Vec::new()).unwrap();
        let mut found = Vec::new();
        assert_eq!(new.dump(&mut 0, &mut found), Ok(false));
        assert_eq!(found, []);
        drop(old);
        new.apply(&[set(1, destination(2))], &mut Vec::new()).unwrap();
        assert_eq!(new.dump(&mut 0, &mut found), Ok(false));
        assert_eq!(found.len(), 1);
    });
}

#[test]
fn a_sample_refuses_a_setting_and_says_which() {
    with_each(|path| {
        for (key, value) in [("colour", "blue"), ("link", "eth0"), ("traffic", "-1"), ("foreign", "10.0.0")] {
            let (sender, reports) = mpsc::channel();
            let sender = std::sync::Mutex::new(sender);
            let library = Library::load(path).unwrap();
            let refused = library
                .open(&[(key.into(), value.into())], move |report| drop(sender.lock().unwrap().send(report)))
                .err()
                .map(|error| error.to_string());
            let file = library.path().display().to_string();
            let name = library.name();
            let expected = format!("{file}: the driver {name} fails in create: Invalid argument (os error 22)");
            assert_eq!(refused, Some(expected));
            match reports.try_recv() {
                Ok(Report::Log { level: Level::Error, text }) => assert!(text.starts_with(key), "{text}"),
                other => panic!("{other:?}"),
            }
        }
    });
}
