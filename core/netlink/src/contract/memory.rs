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
    routes: BTreeMap<Destination, Route>,
    looks: u64,
}

impl Memory {
    /// An empty one that has these interfaces.
    pub fn new(links: impl IntoIterator<Item = IfIndex>) -> Self {
        Self { links: links.into_iter().collect(), ..Self::default() }
    }

    /// What stands at a destination.
    pub fn route(&self, at: Destination) -> Option<Route> {
        self.routes.get(&at).copied()
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
        self.routes.remove(&at);
    }

    fn work(&mut self) -> Result<(), String> {
        let Some(left) = self.faults.checked_sub(1) else { return Ok(()) };
        self.faults = left;
        Err("the memory is out of order".into())
    }

    fn try_one(&mut self, change: &RouteChange) -> Result<(), RouteError> {
        let at = match change {
            RouteChange::Set(route) => Destination { instance: route.instance, dst: route.dst },
            RouteChange::Unset { instance, dst } => Destination { instance: *instance, dst: *dst },
        };
        self.routes.remove(&at);
        let RouteChange::Set(route) = change else { return Ok(()) };
        if self.foreign.contains(&at) {
            return Err(RouteError::Foreign);
        }
        if !self.links.contains(&route.link) {
            return Err(RouteError::LinkDown);
        }
        self.routes.insert(at, *route);
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
        }
        self.work()
    }

    fn dump(&mut self, cursor: &mut u64, found: &mut Vec<Route>) -> Result<bool, String> {
        self.work()?;
        // One more than the last destination told, as a number; so 0 is the start.
        let number = |at: &Destination| (u64::from(at.instance.0) << 32 | u64::from(at.dst.to_bits())) + 1;
        let from = cursor.checked_sub(1).map_or(Bound::Unbounded, |last| {
            let instance = bindery_types::InstanceId((last >> 32) as u16);
            Bound::Excluded(Destination { instance, dst: bindery_types::Ipv4Addr::from_bits(last as u32) })
        });
        let mut rest = self.routes.range((from, Bound::Unbounded)).peekable();
        *cursor = 0;
        for (at, route) in rest.by_ref().take(PIECE) {
            found.push(*route);
            *cursor = number(at);
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
