//! What the route thread owns: the kernel's routes, or a driver's.

use crate::{
    Fault, OpenError, Plane, SweepReport,
    desired::{Desired, Key},
    sweep::Sweep,
};
use bindery_engine::route::{Counters, Destination, ForwardingPlane, RouteFailure, RouteOp};
use bindery_types::{InstanceId, Ipv4Addr};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// A forwarding plane with what the route thread needs to keep it as wanted.
pub(crate) trait Fib {
    /// How it fails.
    type Fault: fmt::Display;
    /// A reconciliation in progress.
    type Sweep;

    /// As [`ForwardingPlane::apply`].
    fn apply(&mut self, ops: &[RouteOp], failed: &mut Vec<RouteFailure>) -> Result<(), Self::Fault>;

    /// Brings it back after a fault; why that does not work.
    fn reopen(&mut self) -> Result<(), String>;

    /// Changes something against a fault, so that another try at once makes sense; whether that was possible.
    fn remedy(&mut self, fault: &Self::Fault) -> bool;

    /// Takes the tables of routing instances; those whose table is another one now. One without kernel routes has none.
    fn set_tables(&mut self, tables: BTreeMap<InstanceId, u32>) -> BTreeSet<InstanceId> {
        drop(tables);
        BTreeSet::new()
    }

    /// The keys that a kernel route may have as one that is kept.
    fn keys_of(&self, table: u32, dst: Ipv4Addr, len: u8) -> Vec<Key>;

    /// The netlink socket whose changes of kernel routes are our own, and the protocol number of our routes.
    fn port(&self) -> Option<(u32, u8)>;

    /// Bytes of each netlink socket's receive buffer.
    fn receive_buffer(&self) -> usize;

    /// Starts to compare what stands with what is wanted.
    fn start_sweep(&self, desired: &mut Desired) -> Result<Self::Sweep, SweepFault<Self::Fault>>;

    /// Does a piece of it; the report when it is done.
    fn step_sweep(
        &mut self,
        sweep: &mut Self::Sweep,
        desired: &mut Desired,
    ) -> Result<Option<SweepReport>, Self::Fault>;

    /// What was counted for each destination.
    fn read_counters(&mut self, of: &[Destination]) -> Result<Vec<Option<Counters>>, Self::Fault>;
}

/// A sweep cannot start.
#[derive(Debug)]
pub(crate) enum SweepFault<Fault> {
    /// There is no socket for it.
    Open(OpenError),
    /// The plane is out of order.
    Fault(Fault),
}

impl<Fault> From<OpenError> for SweepFault<Fault> {
    fn from(error: OpenError) -> Self {
        Self::Open(error)
    }
}

impl From<Fault> for SweepFault<Fault> {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl Fib for Plane {
    type Fault = Fault;
    type Sweep = Sweep;

    fn apply(&mut self, ops: &[RouteOp], failed: &mut Vec<RouteFailure>) -> Result<(), Fault> {
        ForwardingPlane::apply(self, ops, failed)
    }

    fn reopen(&mut self) -> Result<(), String> {
        Plane::reopen(self).map_err(|error| error.to_string())
    }

    fn remedy(&mut self, fault: &Fault) -> bool {
        self.shrink_batches(*fault)
    }

    fn set_tables(&mut self, tables: BTreeMap<InstanceId, u32>) -> BTreeSet<InstanceId> {
        Plane::set_tables(self, tables)
    }

    fn keys_of(&self, table: u32, dst: Ipv4Addr, len: u8) -> Vec<Key> {
        Plane::keys_of(self, table, dst, len)
    }

    fn port(&self) -> Option<(u32, u8)> {
        Some((Plane::port(self), self.settings.protocol))
    }

    fn receive_buffer(&self) -> usize {
        self.settings.receive_buffer
    }

    fn start_sweep(&self, desired: &mut Desired) -> Result<Sweep, SweepFault<Fault>> {
        Sweep::start(self, desired)
    }

    fn step_sweep(&mut self, sweep: &mut Sweep, desired: &mut Desired) -> Result<Option<SweepReport>, Fault> {
        sweep.step(self, desired)
    }

    /// The kernel counts nothing for a route.
    fn read_counters(&mut self, of: &[Destination]) -> Result<Vec<Option<Counters>>, Fault> {
        Ok(vec![None; of.len()])
    }
}
