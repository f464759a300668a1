//! A driver in the place of the kernel's routes. Links are still the kernel's.

use crate::{
    PlaneSettings, SweepReport,
    desired::{Desired, Key, Match},
    fib::{Fib, SweepFault},
};
use bindery_engine::route::{
    Counters, Destination, Driver, ForwardingPlane, Route, RouteChange, RouteFailure, RouteOp, RouteSeq,
};
use bindery_types::Ipv4Addr;
use std::fmt;

/// A driver that the route thread owns.
pub(crate) struct Driven<D> {
    driver: D,
    receive_buffer: usize,
}

impl<D> Driven<D> {
    pub(crate) fn new(driver: D) -> Self {
        Self { driver, receive_buffer: PlaneSettings::default().receive_buffer }
    }
}

/// A dump of the driver, read piece by piece, so that urgent operations go in between. Each piece is judged by what is
/// wanted when it is read, and the driver changes only by our operations, so no piece is old.
#[derive(Default)]
pub(crate) struct DriverSweep {
    cursor: u64,
    report: SweepReport,
}

impl DriverSweep {
    pub(crate) fn start(desired: &mut Desired) -> Self {
        desired.start_sweep();
        Self::default()
    }
}

impl<D> Fib for Driven<D>
where
    D: Driver,
    D::Fault: fmt::Display,
{
    type Fault = D::Fault;
    type Sweep = DriverSweep;

    fn apply(&mut self, ops: &[RouteOp], failed: &mut Vec<RouteFailure>) -> Result<(), D::Fault> {
        ForwardingPlane::apply(&mut self.driver, ops, failed)
    }

    fn reopen(&mut self) -> Result<(), String> {
        self.driver.recover().map_err(|fault| fault.to_string())
    }

    fn remedy(&mut self, _fault: &D::Fault) -> bool {
        false
    }

    /// What happens to the kernel's routes is none of the driver's concern.
    fn keys_of(&self, _table: u32, _dst: Ipv4Addr, _len: u8) -> Vec<Key> {
        Vec::new()
    }

    fn port(&self) -> Option<(u32, u8)> {
        None
    }

    fn receive_buffer(&self) -> usize {
        self.receive_buffer
    }

    fn start_sweep(&self, desired: &mut Desired) -> Result<DriverSweep, SweepFault<D::Fault>> {
        Ok(DriverSweep::start(desired))
    }

    fn step_sweep(&mut self, sweep: &mut DriverSweep, desired: &mut Desired) -> Result<Option<SweepReport>, D::Fault> {
        let mut found = Vec::new();
        let more = self.driver.dump(&mut sweep.cursor, &mut found)?;
        sweep.report.found += found.len();
        let unwanted: Vec<_> = found.iter().filter(|route| !claim(route, desired)).map(unset).collect();
        let mut failed = Vec::new();
        ForwardingPlane::apply(&mut self.driver, &unwanted, &mut failed)?;
        sweep.report.removed += unwanted.len() - failed.len();
        if more {
            return Ok(None);
        }
        sweep.report.wanted = desired.len();
        sweep.report.failing = desired.failures();
        sweep.report.missing = desired.finish_sweep();
        Ok(Some(sweep.report))
    }

    fn read_counters(&mut self, of: &[Destination]) -> Result<Vec<Option<Counters>>, D::Fault> {
        let mut counted = Vec::with_capacity(of.len());
        self.driver.read_counters(of, &mut counted)?;
        Ok(counted)
    }
}

/// Whether some route is wanted there. One that is wanted otherwise is not marked as seen, so it is set again, which
/// replaces it.
fn claim(found: &Route, desired: &mut Desired) -> bool {
    let key = found.destination();
    match desired.route_found(key) {
        Match::Unwanted => return false,
        Match::Wanted(wanted) if wanted == *found => {
            desired.mark_route(key);
            desired.mark_neighbour(key);
        }
        Match::Wanted(_) | Match::Fresh(_) => {}
    }
    true
}

fn unset(route: &Route) -> RouteOp {
    let change = RouteChange::Unset(route.destination());
    RouteOp { seq: RouteSeq(0), urgent: false, change }
}
