//! Many routes: reconciliation, and who goes first.

use crate::lab::{Lab, subscriber, until};
use bindery_engine::route::{Route, RouteChange, RouteError, RouteFailure, RouteOp, RouteSeq};
use bindery_netlink::{RouteEvent, SweepReport};

/// A hundred thousand wanted routes come to stand; a second look finds all of them; a third removes the half that is
/// not wanted any more by a new process.
#[test]
fn a_hundred_thousand_routes_are_reconciled() {
    let Some(lab) = Lab::new("a_hundred_thousand_routes_are_reconciled") else { return };
    const COUNT: u32 = 100_000;
    let template = Route { neighbour: None, ..lab.route(0) };
    let wanted = |count: u32| (0..count).map(|number| Route { dst: subscriber(number), ..template }).collect();
    let swept = |routes: &crate::lab::Routes| {
        routes.wait("a sweep", |event| match event {
            RouteEvent::Swept(report) => Some(report),
            _ => None,
        })
    };
    let count = COUNT as usize;
    let routes = lab.start();
    routes.thread.handle().seed(wanted(COUNT));
    assert_eq!(swept(&routes), SweepReport { wanted: count, missing: count, ..SweepReport::default() });
    until("the routes", || lab.count() == count);
    routes.thread.handle().sweep();
    assert_eq!(swept(&routes), SweepReport { wanted: count, found: count, ..SweepReport::default() });
    routes.thread.stop();

    let routes = lab.start();
    routes.thread.handle().seed(wanted(COUNT / 2));
    let half = count / 2;
    let expected = SweepReport { wanted: half, found: count, removed: half, ..SweepReport::default() };
    assert_eq!(swept(&routes), expected);
    assert_eq!(lab.count(), half);
}

/// An operation of the engine does not wait for repairs: it is carried out before the first of them.
#[test]
fn what_is_urgent_goes_before_repairs() {
    let Some(lab) = Lab::new("what_is_urgent_goes_before_repairs") else { return };
    const COUNT: u32 = 20_000;
    let template = lab.route(0);
    // The thread stands still at the end of the sweep, when every repair is queued, and at the answer.
    let (routes, go_on) = lab.start_stepwise(|event| matches!(event, RouteEvent::Swept(_) | RouteEvent::Routed { .. }));
    let handle = routes.thread.handle();
    handle.seed((0..COUNT).map(|number| Route { dst: subscriber(number), ..template }).collect());
    routes.wait("the sweep", |event| matches!(event, RouteEvent::Swept(_)).then_some(()));
    let urgent = Route { dst: subscriber(COUNT), ..template };
    handle.submit(&mut vec![RouteOp { seq: RouteSeq(1), urgent: true, change: RouteChange::Set(urgent) }]);
    go_on.send(()).unwrap();
    routes.wait("the answer", |event| matches!(event, RouteEvent::Routed { .. }).then_some(()));
    assert_eq!(lab.observe(urgent.dst), Some(urgent));
    assert_eq!(lab.count(), 1);
    go_on.send(()).unwrap();
    until("the rest", || lab.count() == COUNT as usize + 1);
}

/// Where operations pile up, those to one destination are merged, and the last one's failure is that of all.
#[test]
fn merged_operations_fail_together() {
    let Some(lab) = Lab::new("merged_operations_fail_together") else { return };
    lab.sh("ip route add 10.1.0.0/32 dev s1 proto static");
    let (blocked, free) = (lab.route(0), lab.route(1));
    let (routes, go_on) = lab.start_stepwise(|event| matches!(event, RouteEvent::Routed { .. }));
    let op = |seq, change| RouteOp { seq: RouteSeq(seq), urgent: true, change };
    let unset = RouteChange::Unset(free.destination());
    routes.thread.handle().submit(&mut vec![op(1, RouteChange::Set(free))]);
    routes.wait("the first", |event| matches!(event, RouteEvent::Routed { .. }).then_some(()));
    let mut ops = vec![op(2, RouteChange::Set(blocked))];
    ops.extend((3..70_000).map(|seq| op(seq, unset)));
    ops.push(op(70_000, RouteChange::Set(blocked)));
    routes.thread.handle().submit(&mut ops);
    go_on.send(()).unwrap();
    let (up_to, failed) = routes.wait("the others", |event| match event {
        RouteEvent::Routed { up_to, failed } => Some((up_to, failed)),
        _ => None,
    });
    assert_eq!(up_to, RouteSeq(70_000), "they were not merged");
    let failure = |seq| RouteFailure { seq: RouteSeq(seq), error: RouteError::Foreign };
    assert_eq!(failed, [failure(2), failure(70_000)]);
    go_on.send(()).unwrap();
}
