//! The route thread: what is wanted stands, whatever others do.

use crate::lab::{Lab, Routes, subscriber, until};
use bindery_engine::route::{Destination, Route, RouteChange, RouteError, RouteFailure, RouteOp, RouteSeq};
use bindery_netlink::{PlaneSettings, RouteEvent, RouteThreadSettings, SweepReport};
use bindery_types::{InstanceId, Ipv4Addr};
use std::{num::NonZeroU32, time::Duration};

fn set(seq: u64, route: Route) -> RouteOp {
    RouteOp { seq: RouteSeq(seq), urgent: true, change: RouteChange::Set(route) }
}

fn unset(seq: u64, number: u32) -> RouteOp {
    let change = RouteChange::Unset(Destination::host(InstanceId(0), subscriber(number)));
    RouteOp { seq: RouteSeq(seq), urgent: false, change }
}

impl Routes {
    fn submit(&self, ops: &[RouteOp]) {
        self.thread.handle().submit(&mut ops.to_vec());
    }

    /// The failures up to `seq`.
    fn routed(&self, seq: u64) -> Vec<RouteFailure> {
        let mut all = Vec::new();
        self.wait("operations to be tried", |event| match event {
            RouteEvent::Routed { up_to, failed } => {
                all.extend(failed);
                (up_to >= RouteSeq(seq)).then_some(())
            }
            _ => None,
        });
        all
    }

    fn swept(&self) -> SweepReport {
        self.wait("a sweep", |event| match event {
            RouteEvent::Swept(report) => Some(report),
            _ => None,
        })
    }

    fn changed(&self) -> (u32, Option<RouteError>) {
        self.wait("a change", |event| match event {
            RouteEvent::RouteChanged { at, error } => Some((at.dst.to_bits() - subscriber(0).to_bits(), error)),
            _ => None,
        })
    }

    fn lost(&self) -> bindery_types::IfIndex {
        self.wait("lost routes", |event| match event {
            RouteEvent::RoutesLost(link) => Some(link),
            _ => None,
        })
    }
}

#[test]
fn operations_are_answered_in_order() {
    let Some(lab) = Lab::new("operations_are_answered_in_order") else { return };
    let routes = lab.start();
    lab.sh("ip route add 10.1.0.1/32 dev s1 proto static");
    routes.submit(&[set(1, lab.route(0)), set(2, lab.route(1)), set(3, lab.route(2)), unset(4, 2)]);
    assert_eq!(routes.routed(4), [RouteFailure { seq: RouteSeq(2), error: RouteError::Foreign }]);
    assert_eq!(lab.observe(subscriber(0)), Some(lab.route(0)));
    assert_eq!(lab.count(), 1);
}

/// The first reconciliation keeps what is wanted, changes what is wrong, removes what is left over; foreign routes and
/// neighbours are not touched. Before the seed nothing is.
#[test]
fn the_seed_sweeps_what_is_ours_only() {
    let Some(lab) = Lab::new("the_seed_sweeps_what_is_ours_only") else { return };
    lab.sh("ip route add 10.1.0.0/32 dev s0 scope link src 10.0.0.1 proto 201
            ip neigh add 10.1.0.0 lladdr 02:00:00:00:00:01 dev s0 nud permanent protocol 201
            ip route add 10.1.0.1/32 dev s1 scope link proto 201
            ip route add 10.1.0.3/32 dev s0 scope link proto 201
            ip neigh add 10.1.0.3 lladdr 02:00:00:00:00:01 dev s0 nud permanent protocol 201
            ip route add 10.1.0.4/32 dev s0 scope link proto static
            ip neigh add 10.1.0.4 lladdr 02:00:00:00:00:01 dev s0 nud permanent
            ip route add 10.9.0.0/24 dev s0 scope link proto 201
            ip route add 10.1.0.0/32 dev s1 scope link proto 201 metric 9
            ip route add table 77 10.1.0.0/32 dev s1 scope link proto 201");
    let routes = lab.start();
    routes.submit(&[set(1, lab.route(5))]);
    assert_eq!(routes.routed(1), []);
    assert_eq!(lab.count(), 7);
    routes.thread.handle().seed((0..3).map(|number| lab.route(number)).collect());
    let report = routes.swept();
    assert_eq!((report.wanted, report.found, report.removed), (4, 7, 5));
    assert!(report.missing >= 2);
    until("repairs", || lab.count() == 4);
    for number in [0, 1, 2, 5] {
        until("the neighbour", || lab.observe(subscriber(number)) == Some(lab.route(number)));
    }
    assert_eq!(lab.show(4), "10.1.0.4 dev s0 proto static scope link");
    assert!(lab.sh("ip neigh get 10.1.0.4 dev s0").contains("PERMANENT"));
    // A dump may miss neighbours while another test makes the kernel's table grow; see `Lab::until_standing`.
    until("nothing to do", || {
        routes.thread.handle().sweep();
        routes.swept() == SweepReport { wanted: 4, found: 4, ..SweepReport::default() }
    });
    until("the end of the left-over neighbour", || lab.sh("ip neigh show 10.1.0.3").is_empty());
}

#[test]
fn a_route_removed_by_hand_comes_back_at_once() {
    let Some(lab) = Lab::new("a_route_removed_by_hand_comes_back_at_once") else { return };
    let routes = lab.start();
    routes.submit(&[set(1, lab.route(0))]);
    assert_eq!(routes.routed(1), []);
    lab.sh("ip route del 10.1.0.0/32");
    until("the route", || lab.observe(subscriber(0)) == Some(lab.route(0)));
    // One that is not wanted any more does not.
    routes.submit(&[unset(2, 0)]);
    assert_eq!(routes.routed(2), []);
    lab.sh("ip route add 10.1.0.0/32 dev s0 proto 201; ip route del 10.1.0.0/32");
    routes.submit(&[set(3, lab.route(1))]);
    assert_eq!(routes.routed(3), []);
    assert_eq!(lab.show(0), "");
}

/// A foreign route that takes the place of ours is told once, stays, and when it goes ours is back.
#[test]
fn a_foreign_route_in_the_way_is_told_on_change() {
    let Some(lab) = Lab::new("a_foreign_route_in_the_way_is_told_on_change") else { return };
    let routes = lab.start();
    routes.thread.handle().seed(vec![]);
    assert_eq!(routes.swept(), SweepReport::default());
    routes.submit(&[set(1, lab.route(0))]);
    assert_eq!(routes.routed(1), []);
    lab.sh("ip route replace 10.1.0.0/32 dev s1 proto static");
    assert_eq!(routes.changed(), (0, Some(RouteError::Foreign)));
    for _ in 0..2 {
        routes.thread.handle().sweep();
        assert_eq!(routes.swept().missing, 1);
    }
    assert_eq!(lab.show(0), "10.1.0.0 dev s1 proto static scope link");
    lab.sh("ip route del 10.1.0.0/32 proto static");
    // The next change is the recovery: the sweeps in between were not told.
    assert_eq!(routes.changed(), (0, None));
    until("the route", || lab.observe(subscriber(0)) == Some(lab.route(0)));
}

/// With a receive buffer that holds next to nothing, errors and notifications are lost; the thread notices, and what
/// it tells and what stands is the same.
#[test]
fn lost_answers_and_notifications_lose_nothing() {
    let Some(lab) = Lab::new("lost_answers_and_notifications_lose_nothing") else { return };
    lab.sh("for n in $(seq 0 255); do echo route add 10.1.0.$n/32 dev s1 proto static; done | ip -batch -");
    let plane = PlaneSettings { receive_buffer: 1, ..PlaneSettings::default() };
    let settings = RouteThreadSettings { plane, sweep_interval: Duration::from_secs(3600) };
    let routes = lab.start_with(settings);
    let template = lab.route(0);
    let ops: Vec<_> = (0..512).map(|number| set(u64::from(number), nth(template, number))).collect();
    routes.submit(&ops);
    routes.wait("a fault", |event| matches!(event, RouteEvent::Faulted(_)).then_some(()));
    routes.wait("its end", |event| matches!(event, RouteEvent::Recovered).then_some(()));
    let foreign = (0..256).map(|seq| RouteFailure { seq: RouteSeq(seq), error: RouteError::Foreign });
    assert_eq!(routes.routed(511), foreign.collect::<Vec<_>>());
    lab.until_standing(256, 256);
    routes.thread.handle().seed(vec![]);
    routes.swept();
    lab.sh("ip route flush proto 201");
    lab.until_standing(256, 256);
    lab.sh("for n in $(seq 1 100); do echo addr add 10.3.0.$n/32 dev s0; done | ip -batch -");
    let mut addresses = 0;
    routes.wait("every address", |event| {
        if let RouteEvent::LinkSet(link) = event
            && link.index == template.link
        {
            addresses = link.addresses.len();
        }
        (addresses == 100).then_some(())
    });
}

#[test]
fn a_link_flap_costs_no_route() {
    let Some(lab) = Lab::new("a_link_flap_costs_no_route") else { return };
    let routes = lab.start();
    let link = lab.index("s0");
    let template = lab.route(0);
    routes.submit(&(0..1000).map(|number| set(u64::from(number), nth(template, number))).collect::<Vec<_>>());
    assert_eq!(routes.routed(999), []);
    lab.sh("ip link set s0 down");
    assert_eq!(routes.lost(), link);
    assert_eq!(lab.count(), 0);
    // One that is wanted while the link is down fails, and comes with the others.
    routes.submit(&[set(1000, nth(template, 1000))]);
    assert_eq!(routes.routed(1000), [RouteFailure { seq: RouteSeq(1000), error: RouteError::LinkDown }]);
    lab.sh("ip link set s0 up");
    lab.until_standing(1001, 1001);
    // So short that the link may look as before when it is read.
    lab.sh("ip link set s0 down; ip link set s0 up");
    assert_eq!(routes.lost(), link);
    lab.until_standing(1001, 1001);
}

/// The same route to another subscriber.
fn nth(route: Route, number: u32) -> Route {
    Route { dst: subscriber(number), ..route }
}

/// The kernel flushes every route whose source address is removed, on whatever interface.
#[test]
fn routes_come_back_with_their_source_address() {
    let Some(lab) = Lab::new("routes_come_back_with_their_source_address") else { return };
    let routes = lab.start();
    let other = Route { link: lab.index("s1"), ..lab.route(1) };
    let sourceless = Route { src: None, ..lab.route(2) };
    routes.submit(&[set(1, lab.route(0)), set(2, other), set(3, sourceless)]);
    assert_eq!(routes.routed(3), []);
    lab.sh("ip addr del 10.0.0.1/32 dev lo");
    let mut lost = [routes.lost(), routes.lost()];
    lost.sort();
    let mut links = [lab.index("s0"), lab.index("s1")];
    links.sort();
    assert_eq!(lost, links);
    assert_eq!(lab.count(), 1);
    lab.sh("ip addr add 10.0.0.1/32 dev lo");
    until("the routes", || lab.count() == 3);
    until("the neighbours", || lab.observe(subscriber(1)) == Some(other));
}

/// The last address of an interface takes all its routes with it.
#[test]
fn routes_come_back_after_the_last_address_went() {
    let Some(lab) = Lab::new("routes_come_back_after_the_last_address_went") else { return };
    let routes = lab.start();
    lab.sh("ip addr add 10.0.0.2/32 dev s0");
    routes.submit(&[set(1, lab.route(0))]);
    assert_eq!(routes.routed(1), []);
    lab.sh("ip addr del 10.0.0.2/32 dev s0");
    assert_eq!(routes.lost(), lab.index("s0"));
    until("the route", || lab.observe(subscriber(0)) == Some(lab.route(0)));
}

/// The timer alone finds what no notification tells: a neighbour removed by hand. It fires while operations come.
#[test]
fn the_timer_repairs_under_constant_change() {
    let Some(lab) = Lab::new("the_timer_repairs_under_constant_change") else { return };
    let settings = RouteThreadSettings { sweep_interval: Duration::from_secs(1), ..Default::default() };
    let routes = lab.start_with(settings);
    routes.thread.handle().seed(vec![lab.route(0)]);
    until("the route", || lab.observe(subscriber(0)) == Some(lab.route(0)));
    lab.sh("ip neigh del 10.1.0.0 dev s0");
    let mut seq = 0;
    let template = lab.route(0);
    until("the neighbour", || {
        let mut ops = Vec::new();
        for number in 1..500 {
            seq += 2;
            ops.extend([set(seq - 1, nth(template, number)), unset(seq, number)]);
        }
        routes.submit(&ops);
        lab.observe(subscriber(0)) == Some(lab.route(0))
    });
}

#[test]
fn the_end_of_the_thread_leaves_the_routes_and_withdraw_does_not() {
    let Some(lab) = Lab::new("the_end_of_the_thread_leaves_the_routes_and_withdraw_does_not") else { return };
    let routes = lab.start();
    let template = lab.route(0);
    let ops: Vec<_> = (0..2000).map(|number| set(u64::from(number), nth(template, number))).collect();
    routes.submit(&ops);
    // What waits is carried out first.
    routes.thread.stop();
    lab.until_standing(2000, 2000);

    lab.sh("ip route add 10.2.0.0/32 dev s0 proto static");
    let routes = lab.start();
    routes.thread.handle().seed((0..3000).map(|number| nth(template, number)).collect());
    assert!(routes.swept().missing >= 1000);
    until("repairs", || lab.count() == 3000);
    assert_eq!(routes.thread.handle().withdraw(), Some(3000));
    until("the end of the neighbours", || {
        routes.thread.handle().sweep();
        routes.swept() == SweepReport::default() && lab.count_neighbours() == 0
    });
    assert_eq!(lab.sh("ip route show proto static").lines().count(), 1);
}

/// Routes to prefixes, of other metrics and in other tables: kept by a new process as they stand, repaired at once where
/// somebody removes them, and what is left over of them goes.
#[test]
fn prefixes_metrics_and_tables_are_reconciled() {
    let Some(lab) = Lab::new("prefixes_metrics_and_tables_are_reconciled") else { return };
    let marked = Route { metric: Some(7), table: NonZeroU32::new(77), ..lab.route(0) };
    let via = Route { via: Some(subscriber(0)), on_link: true, neighbour: None, ..marked };
    let behind = |number: u32| Route { dst: subscriber(number), len: 24, ..via };
    let default = Route { dst: Ipv4Addr::UNSPECIFIED, len: 0, ..behind(0) };
    let wanted = [marked, behind(256), Route { table: None, metric: None, ..behind(512) }, default];
    let first = lab.start();
    let ops: Vec<_> = (1..).zip(wanted).map(|(seq, route)| set(seq, route)).collect();
    first.submit(&ops);
    assert_eq!(first.routed(4), []);
    let stand = || wanted.iter().all(|route| lab.observe_at(route.destination()) == Some(*route));
    assert!(stand());
    first.thread.stop();

    lab.sh("ip route add 10.1.1.0/24 dev s1 scope link proto 201
            ip route add table 78 10.1.1.0/24 dev s1 scope link proto 201
            ip route add table 77 10.1.1.0/24 dev s1 scope link proto 201 metric 9
            ip route add table 77 10.1.1.0/24 dev s1 scope link proto static metric 11");
    let routes = lab.start();
    routes.thread.handle().seed(wanted.to_vec());
    let report = routes.swept();
    assert_eq!((report.wanted, report.found, report.removed, report.neighbours_removed), (4, 7, 3, 0));
    assert!(stand());
    // No metric takes the place of the one that a process before set.
    let other = Route { metric: None, ..wanted[1] };
    routes.submit(&[set(5, other)]);
    assert_eq!(routes.routed(5), []);
    assert_eq!(lab.observe_at(other.destination()), Some(other));
    routes.submit(&[set(6, wanted[1])]);
    assert_eq!(routes.routed(6), []);
    for at in ["table 77 10.1.1.0/24", "10.1.2.0/24", "table 77 default"] {
        lab.sh(&format!("ip route del {at} proto 201"));
        until("the route", stand);
    }
    assert_eq!(lab.sh("ip route show table 77 proto static").lines().count(), 1);
    assert_eq!(routes.thread.handle().withdraw(), Some(4));
    assert_eq!(lab.count(), 0);
}
