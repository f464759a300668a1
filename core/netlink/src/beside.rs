//! A driver beside the kernel's routes: each route stands in both or in neither.

use crate::{
    Fault, Plane, SweepReport,
    desired::{Desired, Key},
    driver::{Driven, DriverSweep},
    fib::{Fib, SweepFault},
    sweep::Sweep,
};
use bindery_engine::route::{
    Counters, Destination, Driver, ForwardingPlane, RouteChange, RouteError, RouteFailure, RouteOp, RouteSeq,
};
use bindery_types::{InstanceId, Ipv4Addr};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
};

/// The kernel's routes and a driver's.
pub(crate) struct Beside<D> {
    kernel: Plane,
    driver: Driven<D>,
}

impl<D> Beside<D> {
    pub(crate) fn new(kernel: Plane, driver: D) -> Self {
        Self { kernel, driver: Driven::new(driver) }
    }
}

/// Which of the two is out of order.
#[derive(Debug)]
pub(crate) enum EitherFault<DriverFault> {
    Kernel(Fault),
    Driver(DriverFault),
}

impl<DriverFault: fmt::Display> fmt::Display for EitherFault<DriverFault> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kernel(fault) => fault.fmt(f),
            Self::Driver(fault) => fault.fmt(f),
        }
    }
}

/// First the kernel is compared, then the driver. What is missing in one is set in both, which changes nothing in the
/// other.
pub(crate) enum BesideSweep {
    Kernel(Sweep),
    Driver(DriverSweep, SweepReport),
}

impl<D> Fib for Beside<D>
where
    D: Driver,
    D::Fault: fmt::Display,
{
    type Fault = EitherFault<D::Fault>;
    type Sweep = BesideSweep;

    fn apply(&mut self, ops: &[RouteOp], failed: &mut Vec<RouteFailure>) -> Result<(), Self::Fault> {
        let (mut in_driver, mut in_kernel) = (Vec::new(), Vec::new());
        Fib::apply(&mut self.driver, ops, &mut in_driver).map_err(EitherFault::Driver)?;
        ForwardingPlane::apply(&mut self.kernel, ops, &mut in_kernel).map_err(EitherFault::Kernel)?;
        if in_driver.is_empty() && in_kernel.is_empty() {
            return Ok(());
        }
        // The kernel's word goes first: it knows best whether a link is down.
        let errors: BTreeMap<RouteSeq, RouteError> =
            in_driver.iter().chain(&in_kernel).map(|failure| (failure.seq, failure.error)).collect();
        let undo = undo(ops, &errors);
        // Whether one that failed can be removed does not matter: a sweep finds what is left.
        Fib::apply(&mut self.driver, &undo, &mut Vec::new()).map_err(EitherFault::Driver)?;
        ForwardingPlane::apply(&mut self.kernel, &undo, &mut Vec::new()).map_err(EitherFault::Kernel)?;
        failed.extend(errors.into_iter().map(|(seq, error)| RouteFailure { seq, error }));
        Ok(())
    }

    fn reopen(&mut self) -> Result<(), String> {
        Fib::reopen(&mut self.kernel)?;
        self.driver.reopen()
    }

    fn remedy(&mut self, fault: &Self::Fault) -> bool {
        match fault {
            EitherFault::Kernel(fault) => self.kernel.remedy(fault),
            EitherFault::Driver(fault) => self.driver.remedy(fault),
        }
    }

    fn set_tables(&mut self, tables: BTreeMap<InstanceId, u32>) -> BTreeSet<InstanceId> {
        self.kernel.set_tables(tables)
    }

    fn keys_of(&self, table: u32, dst: Ipv4Addr, len: u8) -> Vec<Key> {
        Fib::keys_of(&self.kernel, table, dst, len)
    }

    fn port(&self) -> Option<(u32, u8)> {
        Fib::port(&self.kernel)
    }

    fn receive_buffer(&self) -> usize {
        self.kernel.receive_buffer()
    }

    fn start_sweep(&self, desired: &mut Desired) -> Result<BesideSweep, SweepFault<Self::Fault>> {
        match self.kernel.start_sweep(desired) {
            Ok(sweep) => Ok(BesideSweep::Kernel(sweep)),
            Err(SweepFault::Open(error)) => Err(SweepFault::Open(error)),
            Err(SweepFault::Fault(fault)) => Err(SweepFault::Fault(EitherFault::Kernel(fault))),
        }
    }

    fn step_sweep(
        &mut self,
        sweep: &mut BesideSweep,
        desired: &mut Desired,
    ) -> Result<Option<SweepReport>, Self::Fault> {
        match sweep {
            BesideSweep::Kernel(kernel) => {
                if let Some(report) = self.kernel.step_sweep(kernel, desired).map_err(EitherFault::Kernel)? {
                    *sweep = BesideSweep::Driver(DriverSweep::start(desired), report);
                }
                Ok(None)
            }
            BesideSweep::Driver(driver, before) => {
                let report = self.driver.step_sweep(driver, desired).map_err(EitherFault::Driver)?;
                Ok(report.map(|report| SweepReport {
                    found: before.found + report.found,
                    removed: before.removed + report.removed,
                    neighbours_removed: before.neighbours_removed,
                    missing: before.missing + report.missing,
                    ..report
                }))
            }
        }
    }

    fn read_counters(&mut self, of: &[Destination]) -> Result<Vec<Option<Counters>>, Self::Fault> {
        self.driver.read_counters(of).map_err(EitherFault::Driver)
    }
}

/// What to remove from both where the last operation to a destination failed in one.
fn undo(ops: &[RouteOp], errors: &BTreeMap<RouteSeq, RouteError>) -> Vec<RouteOp> {
    let last: HashMap<Key, RouteSeq> = ops.iter().map(|op| (op.change.destination(), op.seq)).collect();
    last.into_iter()
        .filter(|(_, seq)| errors.contains_key(seq))
        .map(|(at, seq)| RouteOp { seq, urgent: false, change: RouteChange::Unset(at) })
        .collect()
}
