//! The route thread with a driver in the place of the kernel's routes.

use crate::lab::{GATEWAY, Lab, PATIENCE, subscriber, until};
use bindery_engine::route::{
    Counters, Destination, Driver, ForwardingPlane, Route, RouteChange, RouteError, RouteFailure, RouteOp, RouteSeq,
};
use bindery_netlink::{OpenError, RouteEvent, RouteThread, RouteThreadSettings, SweepReport, contract};
use bindery_types::{IfIndex, InstanceId, Ipv4Addr};
use std::{
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

#[test]
fn the_reference_keeps_the_contract() {
    let mut memory = contract::Memory::new([IfIndex(2), IfIndex(3)]);
    let place = contract::Place {
        links: [IfIndex(2), IfIndex(3)],
        no_link: IfIndex(9),
        source: GATEWAY,
        gateway: Ipv4Addr::new(192, 0, 2, 2),
        subscribers: subscriber(0),
    };
    contract::check_driver(&mut memory, place).unwrap();
    assert!(memory.is_empty());
}

/// A driver that the test can look into.
#[derive(Clone)]
struct Seen(Arc<Mutex<contract::Memory>>);

impl Seen {
    fn with<T>(&self, look: impl FnOnce(&mut contract::Memory) -> T) -> T {
        look(&mut self.0.lock().unwrap())
    }

    fn holds(&self, wanted: &[Route]) -> bool {
        self.with(|memory| {
            memory.len() == wanted.len() && wanted.iter().all(|route| memory.route(at(route)) == Some(*route))
        })
    }
}

impl ForwardingPlane for Seen {
    type Fault = String;

    fn apply(&mut self, ops: &[RouteOp], failed: &mut Vec<RouteFailure>) -> Result<(), String> {
        self.with(|memory| memory.apply(ops, failed))
    }
}

impl Driver for Seen {
    fn recover(&mut self) -> Result<(), String> {
        self.with(contract::Memory::recover)
    }

    fn dump(&mut self, cursor: &mut u64, found: &mut Vec<Route>) -> Result<bool, String> {
        self.with(|memory| memory.dump(cursor, found))
    }

    fn read_counters(&mut self, of: &[Destination], into: &mut Vec<Option<Counters>>) -> Result<(), String> {
        self.with(|memory| memory.read_counters(of, into))
    }
}

fn at(route: &Route) -> Destination {
    route.destination()
}

fn set(seq: u64, route: Route) -> RouteOp {
    RouteOp { seq: RouteSeq(seq), urgent: true, change: RouteChange::Set(route) }
}

type Tell = Box<dyn FnMut(RouteEvent) + Send>;

/// A sweep interval that is longer than any test.
const NEVER: Duration = Duration::from_secs(3600);

struct Rig {
    lab: Lab,
    driver: Seen,
    thread: RouteThread,
    events: mpsc::Receiver<RouteEvent>,
}

impl Rig {
    fn new(test: &str) -> Option<Self> {
        Self::start(test, |driver, tell| RouteThread::start_driver(driver, NEVER, tell))
    }

    /// With the kernel's routes too.
    fn beside(test: &str) -> Option<Self> {
        let settings = RouteThreadSettings { sweep_interval: NEVER, ..RouteThreadSettings::default() };
        Self::start(test, |driver, tell| RouteThread::start_beside(settings, driver, tell))
    }

    fn start(
        test: &str,
        start: impl FnOnce(Seen, Tell) -> Result<RouteThread, OpenError> + Send + 'static,
    ) -> Option<Self> {
        let lab = Lab::new(test)?;
        let links = [lab.index("s0"), lab.index("s1")];
        let driver = Seen(Arc::new(Mutex::new(contract::Memory::new(links))));
        let (sender, events) = mpsc::channel();
        let plane = driver.clone();
        let thread = lab.run(move || start(plane, Box::new(move |event| drop(sender.send(event))))).unwrap();
        Some(Self { lab, driver, thread, events })
    }

    fn wait<T>(&self, mut choose: impl FnMut(RouteEvent) -> Option<T>) -> T {
        loop {
            if let Some(chosen) = choose(self.events.recv_timeout(PATIENCE).expect("an event in time")) {
                return chosen;
            }
        }
    }

    fn swept(&self) -> SweepReport {
        self.wait(|event| match event {
            RouteEvent::Swept(report) => Some(report),
            _ => None,
        })
    }

    /// Reconciles until nothing is left to repair but what cannot stand.
    fn settle(&self) {
        loop {
            self.thread.handle().sweep();
            let report = self.swept();
            if report.found + report.failing == report.wanted {
                return;
            }
        }
    }

    fn routed(&self, seq: u64) -> Vec<RouteFailure> {
        let mut all = Vec::new();
        self.wait(|event| match event {
            RouteEvent::Routed { up_to, failed } => {
                all.extend(failed);
                (up_to >= RouteSeq(seq)).then_some(())
            }
            _ => None,
        });
        all
    }

    fn faulted(&self) -> String {
        self.wait(|event| match event {
            RouteEvent::Faulted(why) => Some(why),
            _ => None,
        })
    }
}

/// What the driver had before is reconciled with the seed: kept, replaced, removed; nothing goes to the kernel.
#[test]
fn a_driver_stands_in_the_place_of_netlink() {
    let Some(rig) = Rig::new("a_driver_stands_in_the_place_of_netlink") else { return };
    let route = |number| rig.lab.route(number);
    let wrong = Route { src: None, ..route(1) };
    let left_over: Vec<_> = (1000..1500).map(route).collect();
    let before: Vec<_> = [route(0), wrong].into_iter().chain(left_over).map(|route| set(0, route)).collect();
    rig.driver.with(|memory| memory.apply(&before, &mut Vec::new())).unwrap();
    rig.thread.handle().seed(vec![route(0), route(1), route(2)]);
    let report = rig.swept();
    assert_eq!((report.found, report.removed, report.missing, report.wanted), (502, 500, 2, 3));
    let impossible = Route { link: IfIndex(9999), ..route(4) };
    rig.thread.handle().submit(&mut vec![set(1, route(3)), set(2, impossible)]);
    assert_eq!(rig.routed(2), [RouteFailure { seq: RouteSeq(2), error: RouteError::LinkDown }]);
    rig.settle();
    assert!(rig.driver.holds(&[route(0), route(1), route(2), route(3)]));
    assert_eq!(rig.lab.count(), 0);
    assert_eq!(rig.thread.handle().withdraw(), Some(4));
    assert!(rig.driver.holds(&[]));
}

/// Operations wait until the driver works again, and a driver that forgot everything gets everything again.
#[test]
fn a_driver_that_fails_is_recovered_and_reconciled() {
    let Some(rig) = Rig::new("a_driver_that_fails_is_recovered_and_reconciled") else { return };
    let route = |number| rig.lab.route(number);
    let wanted: Vec<_> = (0..300).map(route).collect();
    rig.thread.handle().seed(wanted.clone());
    rig.settle();
    rig.driver.with(|memory| (memory.faults, memory.forgetful) = (3, true));
    rig.thread.handle().submit(&mut vec![set(1, route(0))]);
    assert_eq!(rig.faulted(), "the memory is out of order");
    assert_eq!(rig.routed(1), []);
    rig.settle();
    assert!(rig.driver.holds(&wanted));
}

/// What the driver says of its own is told as a fault, and what it lost is set again without being asked for.
#[test]
fn a_reported_fault_brings_back_what_was_lost() {
    let Some(rig) = Rig::new("a_reported_fault_brings_back_what_was_lost") else { return };
    let wanted = [rig.lab.route(0), rig.lab.route(1)];
    rig.thread.handle().seed(wanted.to_vec());
    rig.settle();
    rig.driver.with(|memory| memory.lose(at(&wanted[1])));
    for _ in 0..1000 {
        rig.thread.handle().report_fault("the card was pulled".into());
    }
    assert_eq!(rig.faulted(), "the card was pulled");
    rig.wait(|event| (event == RouteEvent::Recovered).then_some(()));
    assert_eq!(rig.swept().missing, 1);
    rig.settle();
    assert!(rig.driver.holds(&wanted));
}

#[test]
fn counters_come_from_the_driver() {
    let Some(rig) = Rig::new("counters_come_from_the_driver") else { return };
    rig.thread.handle().submit(&mut vec![set(1, rig.lab.route(0))]);
    rig.routed(1);
    let ask = |handle: &bindery_netlink::RouteHandle| {
        let (sender, counted) = mpsc::channel();
        let of = [0, 1].map(|number| Destination::host(InstanceId(0), subscriber(number)));
        handle.read_counters(of.to_vec(), move |counters| drop(sender.send(counters)));
        counted.recv_timeout(PATIENCE)
    };
    let one = Counters { packets_in: 1, octets_in: 100, packets_out: 1, octets_out: 100 };
    assert_eq!(ask(&rig.thread.handle()), Ok(Some(vec![Some(one), None])));
    rig.driver.with(|memory| memory.faults = 1);
    assert_eq!(ask(&rig.thread.handle()), Ok(None));
    assert_eq!(rig.faulted(), "the memory is out of order");
    // The kernel counts nothing; a thread that has ended answers nobody, and nobody waits for it.
    let kernel = rig.lab.start();
    assert_eq!(ask(&kernel.thread.handle()), Ok(Some(vec![None, None])));
    let handle = rig.thread.handle();
    rig.thread.stop();
    assert_eq!(ask(&handle), Err(mpsc::RecvTimeoutError::Disconnected));
    assert_eq!(handle.withdraw(), None);
}

/// A route stands in the kernel and in the driver, or in neither, whichever of them refuses it or loses it.
#[test]
fn a_driver_stands_beside_netlink() {
    let Some(rig) = Rig::beside("a_driver_stands_beside_netlink") else { return };
    let route = |number| rig.lab.route(number);
    let both_hold = |wanted: &[Route]| {
        wanted.iter().all(|route| rig.lab.observe(route.dst) == Some(*route))
            && rig.lab.count() == wanted.len()
            && rig.driver.holds(wanted)
    };
    rig.driver.with(|memory| memory.foreign.insert(at(&route(2))));
    rig.lab.sh("ip route add 10.1.0.3/32 dev s1 proto static");
    rig.thread.handle().seed(vec![route(0), route(1)]);
    rig.swept();
    let moved = Route { link: rig.lab.index("s1"), ..route(4) };
    let ops = [route(2), route(3), route(4), Route { link: IfIndex(9999), ..route(4) }, moved];
    rig.thread.handle().submit(&mut (1..).zip(ops).map(|(seq, route)| set(seq, route)).collect());
    let failure = |seq, error| RouteFailure { seq: RouteSeq(seq), error };
    let expected = [failure(1, RouteError::Foreign), failure(2, RouteError::Foreign), failure(4, RouteError::LinkDown)];
    assert_eq!(rig.routed(5), expected);
    let wanted = [route(0), route(1), moved];
    until("both to hold what can stand", || both_hold(&wanted));
    rig.driver.with(|memory| memory.lose(at(&route(0))));
    rig.lab.sh("ip route del 10.1.0.1/32 proto 201");
    rig.thread.handle().sweep();
    rig.swept();
    until("both to hold it again", || both_hold(&wanted));
    assert_eq!(rig.thread.handle().withdraw(), Some(6));
    assert!(both_hold(&[]));
}
