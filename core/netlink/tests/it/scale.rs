//! Many routes: reconciliation, and who goes first.

use crate::lab::{Lab, subscriber, until};
use bindery_engine::route::{Route, RouteChange, RouteOp, RouteSeq};
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

/// An operation of the engine does not wait for repairs: it is answered while most of them are to come.
#[test]
fn what_is_urgent_goes_before_repairs() {
    let Some(lab) = Lab::new("what_is_urgent_goes_before_repairs") else { return };
    const COUNT: u32 = 200_000;
    let template = lab.route(0);
    let seed = (0..COUNT).map(|number| Route { dst: subscriber(number), ..template }).collect();
    let routes = lab.start();
    let handle = routes.thread.handle();
    handle.seed(seed);
    let urgent = Route { dst: subscriber(COUNT), ..template };
    let mut ops = vec![RouteOp { seq: RouteSeq(1), urgent: true, change: RouteChange::Set(urgent) }];
    // The repairs start with the end of the first sweep.
    routes.wait("the sweep", |event| matches!(event, RouteEvent::Swept(_)).then_some(()));
    handle.submit(&mut ops);
    routes.wait("the answer", |event| matches!(event, RouteEvent::Routed { .. }).then_some(()));
    let standing = lab.count();
    assert!(standing < COUNT as usize, "all {standing} stood already");
    assert_eq!(lab.observe(urgent.dst), Some(urgent));
    until("the rest", || lab.count() == COUNT as usize + 1);
}
