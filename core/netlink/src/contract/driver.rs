//! What a driver must do beyond a plane: tell what stands, come back, count.

use super::{Bench, Place, Violation, check, hold};
use bindery_engine::route::{
    Counters, Destination, Driver, ForwardingPlane, Route, RouteChange, RouteFailure, RouteOp, RouteSeq,
};
use bindery_types::{InstanceId, Ipv4Addr};
use std::{cell::RefCell, collections::BTreeMap, fmt};

/// Checks every rule of planes and of drivers. `place` need not exist where the driver does not ask.
///
/// # Errors
/// The first rule that is broken.
pub fn check_driver<Fault: fmt::Debug>(driver: &mut dyn Driver<Fault = Fault>, place: Place) -> Result<(), Violation> {
    let shared = RefCell::new(driver);
    let mut observe = |at: Destination| {
        let stands = whole_dump(&mut **shared.borrow_mut()).unwrap_or_default();
        stands.into_iter().find(|route| route.destination() == at)
    };
    check(&mut Bench { plane: &mut Shared(&shared), observe: &mut observe, place })?;
    let mut bench = DriverBench { driver: shared.into_inner(), place };
    bench.a_dump_tells_each_route_once()?;
    bench.a_dump_goes_on_after_changes()?;
    bench.instances_are_apart()?;
    bench.it_counts_in_order()?;
    bench.it_works_after_recovery()
}

/// One driver for who applies and who looks.
struct Shared<'a, 'b, Fault>(&'a RefCell<&'b mut dyn Driver<Fault = Fault>>);

impl<Fault> ForwardingPlane for Shared<'_, '_, Fault> {
    type Fault = Fault;

    fn apply(&mut self, ops: &[RouteOp], failed: &mut Vec<RouteFailure>) -> Result<(), Fault> {
        self.0.borrow_mut().apply(ops, failed)
    }
}

fn whole_dump<Fault: fmt::Debug>(driver: &mut dyn Driver<Fault = Fault>) -> Result<Vec<Route>, Violation> {
    let mut found = Vec::new();
    let mut cursor = 0;
    while dump(driver, &mut cursor, &mut found)? {}
    Ok(found)
}

fn dump<Fault: fmt::Debug>(
    driver: &mut dyn Driver<Fault = Fault>,
    cursor: &mut u64,
    found: &mut Vec<Route>,
) -> Result<bool, Violation> {
    let rule = "a dump of a healthy driver does not fail";
    driver.dump(cursor, found).map_err(|fault| Violation { rule, seen: format!("{fault:?}") })
}

struct DriverBench<'a, Fault> {
    driver: &'a mut dyn Driver<Fault = Fault>,
    place: Place,
}

/// More than any driver tells at once.
const COUNT: u32 = 4_000;

impl<Fault: fmt::Debug> DriverBench<'_, Fault> {
    fn apply(&mut self, changes: impl Iterator<Item = RouteChange>) -> Result<(), Violation> {
        let rule = "a healthy driver does what is possible";
        let ops: Vec<_> =
            (1..).zip(changes).map(|(seq, change)| RouteOp { seq: RouteSeq(seq), urgent: false, change }).collect();
        let mut failed = Vec::new();
        let done = self.driver.apply(&ops, &mut failed);
        hold(rule, done.is_ok() && failed.is_empty(), || format!("{done:?}, {failed:?}"))
    }

    fn set(&mut self, numbers: impl Iterator<Item = u32>) -> Result<(), Violation> {
        let place = self.place;
        self.apply(numbers.map(|number| RouteChange::Set(place.direct(number))))
    }

    fn unset(&mut self, numbers: impl Iterator<Item = u32>) -> Result<(), Violation> {
        let place = self.place;
        self.apply(numbers.map(|number| place.unset(number)))
    }

    fn a_dump_tells_each_route_once(&mut self) -> Result<(), Violation> {
        const RULE: &str = "a dump tells each route that stands once, with its attributes, and no other";
        let empty = whole_dump(self.driver)?;
        hold(RULE, empty.is_empty(), || format!("{} where none stands", empty.len()))?;
        self.set(0..COUNT)?;
        let mut found = whole_dump(self.driver)?;
        found.sort_unstable_by_key(|route| route.dst);
        let expected: Vec<_> = (0..COUNT).map(|number| self.place.direct(number)).collect();
        hold(RULE, found == expected, || format!("{} for {COUNT}", found.len()))
    }

    /// Between two pieces, routes behind and before the cursor go, come back and come anew.
    fn a_dump_goes_on_after_changes(&mut self) -> Result<(), Violation> {
        const RULE: &str = "a route that stands unchanged from start to end of a dump is told exactly once";
        let mut found = Vec::new();
        let mut cursor = 0;
        let mut more = dump(self.driver, &mut cursor, &mut found)?;
        let changing = |number: u32| number % 5 < 2;
        for _ in 0..2 {
            self.unset((0..COUNT).filter(|number| changing(*number)))?;
            more = more && dump(self.driver, &mut cursor, &mut found)?;
            self.set((0..COUNT).filter(|number| number % 5 == 0))?;
            more = more && dump(self.driver, &mut cursor, &mut found)?;
        }
        while more {
            more = dump(self.driver, &mut cursor, &mut found)?;
        }
        let mut times: BTreeMap<Ipv4Addr, u32> = BTreeMap::new();
        for route in found {
            *times.entry(route.dst).or_default() += 1;
        }
        for number in (0..COUNT).filter(|number| !changing(*number)) {
            let told = times.get(&self.place.subscriber(number)).copied().unwrap_or(0);
            hold(RULE, told == 1, || format!("number {number} {told} times"))?;
        }
        self.unset(0..COUNT)
    }

    fn instances_are_apart(&mut self) -> Result<(), Violation> {
        const RULE: &str = "the same destination in two routing instances is two routes";
        let other = Route { instance: InstanceId(7), ..self.place.direct(0) };
        self.apply([self.place.direct(0), other].map(RouteChange::Set).into_iter())?;
        let both = whole_dump(self.driver)?.len();
        self.unset(0..1)?;
        let found = whole_dump(self.driver)?;
        hold(RULE, both == 2 && found == [other], || format!("{both}, then {found:?}"))?;
        self.apply([RouteChange::Unset(other.destination())].into_iter())
    }

    fn read_counters(&mut self, numbers: &[u32]) -> Result<Vec<Option<Counters>>, Violation> {
        let of: Vec<_> =
            numbers.iter().map(|number| Destination::host(InstanceId(0), self.place.subscriber(*number))).collect();
        let mut counted = Vec::new();
        let rule = "a healthy driver tells counters";
        let done = self.driver.read_counters(&of, &mut counted);
        hold(rule, done.is_ok(), || format!("{done:?}"))?;
        Ok(counted)
    }

    fn it_counts_in_order(&mut self) -> Result<(), Violation> {
        const RULE: &str = "one answer for each destination, in order, none where no route stands; figures only grow";
        self.set([0, 2].into_iter())?;
        let first = self.read_counters(&[0, 1, 2])?;
        let again = self.read_counters(&[0, 1, 2])?;
        let grows = |(before, after): (&Option<Counters>, &Option<Counters>)| match (before, after) {
            (Some(before), Some(after)) => {
                before.packets_in <= after.packets_in
                    && before.octets_in <= after.octets_in
                    && before.packets_out <= after.packets_out
                    && before.octets_out <= after.octets_out
            }
            (before, after) => before.is_none() && after.is_none(),
        };
        let holds = first.len() == 3
            && again.len() == 3
            && first.iter().zip(&again).all(grows)
            && first.get(1) == Some(&None)
            && self.read_counters(&[])?.is_empty();
        hold(RULE, holds, || format!("{first:?}, then {again:?}"))?;
        self.unset([0, 2].into_iter())
    }

    fn it_works_after_recovery(&mut self) -> Result<(), Violation> {
        const RULE: &str = "a recovered driver works";
        let done = self.driver.recover();
        hold(RULE, done.is_ok(), || format!("{done:?}"))?;
        self.set(0..1)?;
        let found = whole_dump(self.driver)?;
        hold(RULE, found == [self.place.direct(0)], || format!("{found:?}"))?;
        self.unset(0..1)
    }
}
