//! What every forwarding plane must do, as a suite that runs against any of them.
//!
//! A test makes a [`Bench`] with a plane and a way to see from outside what stands, and calls [`check`]. For a
//! [`bindery_engine::route::Driver`], which tells what stands, [`check_driver`] does this and checks the rest of it.
//! [`Memory`] is the reference: a driver that is nothing but the contract.

mod driver;
mod memory;

pub use driver::check_driver;
pub use memory::Memory;

use bindery_engine::route::{
    Destination, ForwardingPlane, Route, RouteChange, RouteError, RouteFailure, RouteOp, RouteSeq,
};
use bindery_types::{IfIndex, InstanceId, Ipv4Addr, MacAddr};
use std::{fmt, num::NonZeroU32};

/// A plane on the bench.
pub struct Bench<'a, Fault> {
    /// The plane.
    pub plane: &'a mut dyn ForwardingPlane<Fault = Fault>,
    /// Sees from outside the plane which route of ours goes to a destination, with its neighbour entry. A metric of 0
    /// is none, and so is a tag where the plane has no tags.
    pub observe: &'a mut dyn FnMut(Destination) -> Option<Route>,
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
        let route = Route::host(InstanceId(0), self.subscriber(number), self.links[0]);
        Route { src: Some(self.source), neighbour: Some(MAC), ..route }
    }

    fn unset(&self, number: u32) -> RouteChange {
        RouteChange::Unset(Destination::host(InstanceId(0), self.subscriber(number)))
    }

    /// A route to the 16 addresses around one, via the subscriber of another number, who is on the link.
    fn behind(&self, client: u32, number: u32) -> Route {
        let dst = Ipv4Addr::from_bits(self.subscriber(number).to_bits() & !15);
        let own = self.direct(client);
        Route { dst, len: 28, via: Some(own.dst), on_link: true, neighbour: None, ..own }
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
    bench.a_prefix_stands_beside()?;
    bench.tables_are_apart()?;
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
        let seen = (self.observe)(route.destination());
        let tagless = Route { tag: None, ..route };
        hold(rule, seen == Some(route) || seen == Some(tagless), || format!("{seen:?} for {route:?}"))
    }

    fn is_gone(&mut self, rule: &'static str, number: u32) -> Result<(), Violation> {
        let dst = self.place.unset(number).destination();
        self.is_gone_at(rule, dst)
    }

    fn is_gone_at(&mut self, rule: &'static str, at: Destination) -> Result<(), Violation> {
        let seen = (self.observe)(at);
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
            Route { metric: Some(7), ..self.place.direct(0) },
            Route { metric: Some(3), tag: Some(9), ..self.place.direct(0) },
            Route { tag: Some(8), ..self.place.direct(0) },
            self.relayed(0),
            self.place.direct(0),
        ];
        for route in variants {
            self.succeed(RULE, &[RouteChange::Set(route)])?;
            self.stands(RULE, route)?;
        }
        Ok(())
    }

    fn a_prefix_stands_beside(&mut self) -> Result<(), Violation> {
        const RULE: &str = "a route to a prefix via a subscriber stands beside the subscriber's own, and goes alone";
        let behind = self.place.behind(0, 512);
        let routes = [
            behind,
            // A prefix and the host of the same address are two.
            Route { dst: behind.dst, ..self.place.direct(0) },
            Route { metric: Some(5), tag: Some(1), ..self.place.behind(0, 1024) },
        ];
        self.succeed(RULE, &routes.map(RouteChange::Set))?;
        self.succeed(RULE, &routes.map(RouteChange::Set))?;
        for route in routes {
            self.stands(RULE, route)?;
        }
        let moved = Route { via: Some(self.place.gateway), on_link: false, metric: Some(4), ..behind };
        self.succeed(RULE, &[RouteChange::Set(moved)])?;
        self.stands(RULE, moved)?;
        self.succeed(RULE, &[RouteChange::Unset(behind.destination())])?;
        self.is_gone_at(RULE, behind.destination())?;
        self.stands(RULE, routes[1])?;
        for route in routes {
            self.succeed(RULE, &[RouteChange::Unset(route.destination())])?;
            self.is_gone_at(RULE, route.destination())?;
        }
        Ok(())
    }

    fn tables_are_apart(&mut self) -> Result<(), Violation> {
        const RULE: &str = "the same destination in two tables is two routes";
        let here = Route { neighbour: None, ..self.place.direct(0) };
        let routes = [None, NonZeroU32::new(77), NonZeroU32::new(70_000)].map(|table| Route { table, ..here });
        self.succeed(RULE, &routes.map(RouteChange::Set))?;
        for (at, gone) in routes.iter().enumerate() {
            for route in &routes[at..] {
                self.stands(RULE, *route)?;
            }
            self.succeed(RULE, &[RouteChange::Unset(gone.destination())])?;
            self.is_gone_at(RULE, gone.destination())?;
        }
        Ok(())
    }

    fn what_is_unset_is_gone(&mut self) -> Result<(), Violation> {
        const RULE: &str = "a route that is unset is gone with its neighbour; none there is a success";
        for _ in ["first", "again"] {
            for number in 0..3 {
                let unset = self.place.unset(number);
                self.succeed(RULE, &[unset])?;
                self.is_gone(RULE, number)?;
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
        self.is_gone(RULE, 0)
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
        self.is_gone(RULE, 3)?;
        let unsets: Vec<_> = (0..COUNT).map(|number| self.place.unset(number)).collect();
        self.succeed(RULE, &unsets)?;
        for number in [0, 257, COUNT - 2] {
            self.is_gone(RULE, number)?;
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
        self.is_gone(RULE, 0)?;
        self.succeed(RULE, &[self.place.unset(0)])
    }
}

fn hold(rule: &'static str, holds: bool, seen: impl FnOnce() -> String) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(Violation { rule, seen: seen() }) }
}
