//! What every forwarding plane must do, as a suite that runs against any of them.
//!
//! A test makes a [`Bench`] with a plane and a way to see from outside what stands, and calls [`check`]. For a
//! [`bindery_engine::route::Driver`], which tells what stands, [`check_driver`] does this and checks the rest of it.
//! [`Memory`] is the reference: a driver that is nothing but the contract.

mod driver;
mod memory;

pub use driver::check_driver;
pub use memory::Memory;

use bindery_engine::route::{ForwardingPlane, Route, RouteChange, RouteError, RouteFailure, RouteOp, RouteSeq};
use bindery_types::{IfIndex, InstanceId, Ipv4Addr, MacAddr};
use std::fmt;

/// A plane on the bench.
pub struct Bench<'a, Fault> {
    /// The plane.
    pub plane: &'a mut dyn ForwardingPlane<Fault = Fault>,
    /// Sees from outside the plane which route of ours goes to a destination, with its neighbour entry.
    pub observe: &'a mut dyn FnMut(Ipv4Addr) -> Option<Route>,
    /// Where it is.
    pub place: Place,
}

/// What there is around a plane on the bench.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// Two interfaces that are up.
    pub links: [IfIndex; 2],
    /// An interface that does not exist.
    pub no_link: IfIndex,
    /// An address of this machine.
    pub source: Ipv4Addr,
    /// A gateway that is on-link on the first interface.
    pub gateway: Ipv4Addr,
    /// The first of 4,096 addresses to which no route goes.
    pub subscribers: Ipv4Addr,
}

impl Place {
    fn subscriber(&self, number: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.subscribers.to_bits().wrapping_add(number))
    }

    fn direct(&self, number: u32) -> Route {
        Route {
            instance: InstanceId(0),
            dst: self.subscriber(number),
            link: self.links[0],
            via: None,
            src: Some(self.source),
            neighbour: Some(MAC),
        }
    }

    fn unset(&self, number: u32) -> RouteChange {
        RouteChange::Unset { instance: InstanceId(0), dst: self.subscriber(number) }
    }
}

/// A rule of the contract that a plane broke.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// The rule.
    pub rule: &'static str,
    /// What was seen instead.
    pub seen: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; seen: {}", self.rule, self.seen)
    }
}

impl std::error::Error for Violation {}

/// Checks every rule. Leaves no route behind where all hold.
///
/// # Errors
/// The first rule that is broken.
pub fn check<Fault: fmt::Debug>(bench: &mut Bench<'_, Fault>) -> Result<(), Violation> {
    bench.what_is_set_stands()?;
    bench.another_route_replaces()?;
    bench.what_is_unset_is_gone()?;
    bench.operations_act_in_order()?;
    bench.each_failure_is_told()?;
    bench.a_failure_leaves_nothing()
}

const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const OTHER_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);

impl<Fault: fmt::Debug> Bench<'_, Fault> {
    fn relayed(&self, number: u32) -> Route {
        Route { via: Some(self.place.gateway), neighbour: None, ..self.place.direct(number) }
    }

    fn apply(&mut self, changes: &[RouteChange]) -> Result<Vec<RouteFailure>, Violation> {
        let ops: Vec<_> = (1..)
            .zip(changes)
            .map(|(seq, change)| RouteOp { seq: RouteSeq(seq), urgent: seq % 2 == 0, change: *change })
            .collect();
        let mut failed = Vec::new();
        self.plane
            .apply(&ops, &mut failed)
            .map_err(|fault| Violation { rule: "a healthy plane has no fault", seen: format!("{fault:?}") })?;
        Ok(failed)
    }

    fn succeed(&mut self, rule: &'static str, changes: &[RouteChange]) -> Result<(), Violation> {
        let failed = self.apply(changes)?;
        hold(rule, failed.is_empty(), || format!("{failed:?}"))
    }

    fn stands(&mut self, rule: &'static str, route: Route) -> Result<(), Violation> {
        let seen = (self.observe)(route.dst);
        hold(rule, seen == Some(route), || format!("{seen:?} for {route:?}"))
    }

    fn is_gone(&mut self, rule: &'static str, dst: Ipv4Addr) -> Result<(), Violation> {
        let seen = (self.observe)(dst);
        hold(rule, seen.is_none(), || format!("{seen:?}"))
    }

    fn what_is_set_stands(&mut self) -> Result<(), Violation> {
        const RULE: &str = "a route that is set stands with exactly its attributes";
        let bare = Route { src: None, neighbour: None, ..self.place.direct(2) };
        let routes = [self.place.direct(0), self.relayed(1), bare];
        for _ in ["first", "again: a success that changes nothing"] {
            self.succeed(RULE, &routes.map(RouteChange::Set))?;
            for route in routes {
                self.stands(RULE, route)?;
            }
        }
        self.succeed(RULE, &[])
    }

    fn another_route_replaces(&mut self) -> Result<(), Violation> {
        const RULE: &str = "a route of ours with other attributes is replaced, with its neighbour";
        let variants = [
            Route { neighbour: Some(OTHER_MAC), ..self.place.direct(0) },
            Route { link: self.place.links[1], ..self.place.direct(0) },
            Route { src: None, ..self.place.direct(0) },
            Route { neighbour: None, ..self.place.direct(0) },
            self.relayed(0),
            self.place.direct(0),
        ];
        for route in variants {
            self.succeed(RULE, &[RouteChange::Set(route)])?;
            self.stands(RULE, route)?;
        }
        Ok(())
    }

    fn what_is_unset_is_gone(&mut self) -> Result<(), Violation> {
        const RULE: &str = "a route that is unset is gone with its neighbour; none there is a success";
        for _ in ["first", "again"] {
            for number in 0..3 {
                let unset = self.place.unset(number);
                self.succeed(RULE, &[unset])?;
                self.is_gone(RULE, self.place.subscriber(number))?;
            }
        }
        Ok(())
    }

    fn operations_act_in_order(&mut self) -> Result<(), Violation> {
        const RULE: &str = "the operations of a batch act in order";
        let moved = Route { link: self.place.links[1], ..self.place.direct(0) };
        let there = RouteChange::Set(self.place.direct(0));
        self.succeed(RULE, &[there, self.place.unset(0), there, RouteChange::Set(moved)])?;
        self.stands(RULE, moved)?;
        self.succeed(RULE, &[there, self.place.unset(0)])?;
        self.is_gone(RULE, self.place.subscriber(0))
    }

    fn each_failure_is_told(&mut self) -> Result<(), Violation> {
        const RULE: &str = "each failure of a batch is told, in order, and no other operation fails";
        const COUNT: u32 = 4_096;
        let bad = |number: u32| number % 7 == 3 || number == COUNT - 1;
        let changes: Vec<_> = (0..COUNT)
            .map(|number| {
                let link = if bad(number) { self.place.no_link } else { self.place.links[0] };
                RouteChange::Set(Route { link, ..self.place.direct(number) })
            })
            .collect();
        let failed = self.apply(&changes)?;
        let expected: Vec<_> = (0..COUNT)
            .filter(|number| bad(*number))
            .map(|number| RouteFailure { seq: RouteSeq(u64::from(number) + 1), error: RouteError::LinkDown })
            .collect();
        hold(RULE, failed == expected, || format!("{} failures of {}", failed.len(), expected.len()))?;
        for number in [0, 1, 2, 4, 254, 256, 257, COUNT - 2] {
            self.stands(RULE, self.place.direct(number))?;
        }
        self.is_gone(RULE, self.place.subscriber(3))?;
        let unsets: Vec<_> = (0..COUNT).map(|number| self.place.unset(number)).collect();
        self.succeed(RULE, &unsets)?;
        for number in [0, 257, COUNT - 2] {
            self.is_gone(RULE, self.place.subscriber(number))?;
        }
        Ok(())
    }

    fn a_failure_leaves_nothing(&mut self) -> Result<(), Violation> {
        const RULE: &str = "where a set fails, its predecessor and its neighbour do not stand either";
        self.succeed(RULE, &[RouteChange::Set(self.place.direct(0))])?;
        let impossible = Route { link: self.place.no_link, ..self.place.direct(0) };
        let failed = self.apply(&[RouteChange::Set(impossible)])?;
        let told = [RouteFailure { seq: RouteSeq(1), error: RouteError::LinkDown }];
        hold(RULE, failed == told, || format!("{failed:?}"))?;
        self.is_gone(RULE, self.place.subscriber(0))?;
        self.succeed(RULE, &[self.place.unset(0)])
    }
}

fn hold(rule: &'static str, holds: bool, seen: impl FnOnce() -> String) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(Violation { rule, seen: seen() }) }
}
