//! The reference: a driver in memory that does what the contract says and nothing else.

use bindery_engine::route::{
    Counters, Destination, Driver, ForwardingPlane, Route, RouteChange, RouteError, RouteFailure, RouteOp,
};
use bindery_types::IfIndex;
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

/// Routes that one piece of a dump tells.
const PIECE: usize = 100;

/// A forwarding plane in memory. For tests of what drives a plane.
#[derive(Clone, Default, Debug)]
pub struct Memory {
    /// The interfaces that exist.
    pub links: BTreeSet<IfIndex>,
    /// Destinations at which a route of somebody else stands.
    pub foreign: BTreeSet<Destination>,
    /// How many of the next calls fail.
    pub faults: u32,
    /// Whether recovery loses what stands, as a reset of the hardware would.
    pub forgetful: bool,
    /// With a number each that stays with its destination, so that a dump can go on after a change.
    routes: BTreeMap<Destination, (u64, Route)>,
    numbers: BTreeMap<u64, Destination>,
    last_number: u64,
    looks: u64,
}

impl Memory {
    /// An empty one that has these interfaces.
    pub fn new(links: impl IntoIterator<Item = IfIndex>) -> Self {
        Self { links: links.into_iter().collect(), ..Self::default() }
    }

    /// What stands at a destination.
    pub fn route(&self, at: Destination) -> Option<Route> {
        self.routes.get(&at).map(|(_, route)| *route)
    }

    /// How many routes stand.
    pub fn len(&self) -> usize {
        self.routes.len()
    }

    /// Whether none stands.
    pub fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    /// Loses a route behind its owner's back.
    pub fn lose(&mut self, at: Destination) {
        if let Some((number, _)) = self.routes.remove(&at) {
            self.numbers.remove(&number);
        }
    }

    fn work(&mut self) -> Result<(), String> {
        let Some(left) = self.faults.checked_sub(1) else { return Ok(()) };
        self.faults = left;
        Err("the memory is out of order".into())
    }

    fn try_one(&mut self, change: &RouteChange) -> Result<(), RouteError> {
        let at = change.destination();
        let RouteChange::Set(route) = change else {
            self.lose(at);
            return Ok(());
        };
        let refusal = match () {
            () if self.foreign.contains(&at) => Some(RouteError::Foreign),
            () if !self.links.contains(&route.link) => Some(RouteError::LinkDown),
            () => None,
        };
        if let Some(refusal) = refusal {
            self.lose(at);
            return Err(refusal);
        }
        let number = self.routes.get(&at).map_or(self.last_number + 1, |(number, _)| *number);
        self.last_number = self.last_number.max(number);
        self.routes.insert(at, (number, *route));
        self.numbers.insert(number, at);
        Ok(())
    }
}

impl ForwardingPlane for Memory {
    type Fault = String;

    fn apply(&mut self, ops: &[RouteOp], failed: &mut Vec<RouteFailure>) -> Result<(), String> {
        self.work()?;
        for op in ops {
            if let Err(error) = self.try_one(&op.change) {
                failed.push(RouteFailure { seq: op.seq, error });
            }
        }
        Ok(())
    }
}

impl Driver for Memory {
    fn recover(&mut self) -> Result<(), String> {
        if self.forgetful {
            self.routes.clear();
            self.numbers.clear();
        }
        self.work()
    }

    fn dump(&mut self, cursor: &mut u64, found: &mut Vec<Route>) -> Result<bool, String> {
        self.work()?;
        // The last number told; the first one is 1.
        let mut rest = self.numbers.range((Bound::Excluded(*cursor), Bound::Unbounded)).peekable();
        for (number, at) in rest.by_ref().take(PIECE) {
            found.extend(self.routes.get(at).map(|(_, route)| *route));
            *cursor = *number;
        }
        let more = rest.peek().is_some();
        if !more {
            *cursor = 0;
        }
        Ok(more)
    }

    /// Pretends that each route carries a packet of 100 octets each way between two looks.
    fn read_counters(&mut self, of: &[Destination], into: &mut Vec<Option<Counters>>) -> Result<(), String> {
        self.work()?;
        self.looks += 1;
        let (packets, octets) = (self.looks, self.looks * 100);
        let counted = Counters { packets_in: packets, octets_in: octets, packets_out: packets, octets_out: octets };
        into.extend(of.iter().map(|at| self.routes.contains_key(at).then_some(counted)));
        Ok(())
    }
}
