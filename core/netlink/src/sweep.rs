//! Mark and sweep: what the kernel has against what is wanted.

use crate::{
    Fault, Plane,
    desired::{Desired, Match},
    fib::SweepFault,
    message::{self, FoundNeighbour, FoundRoute},
    socket::{RouteSocket, parse},
};
use bindery_types::{IfIndex, InstanceId, Ipv4Addr};
use netlink_packet_core::NLM_F_DUMP;
use netlink_packet_route::RouteNetlinkMessage;

/// What a sweep found. With a driver in the place of the kernel's routes the figures are the driver's, with one beside
/// them both are counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SweepReport {
    /// Routes that are wanted.
    pub wanted: usize,
    /// Wanted routes that could not be set when last tried.
    pub failing: usize,
    /// Routes of our protocol in the kernel.
    pub found: usize,
    /// Routes of ours that nobody wants, or that are wrong: removed.
    pub removed: usize,
    /// Neighbour entries of ours that nobody wants: removed.
    pub neighbours_removed: usize,
    /// Wanted routes, or their neighbours, that did not stand: queued for repair.
    pub missing: usize,
}

/// A sweep in progress. It reads a dump piece by piece, so that urgent operations go in between; what they change
/// meanwhile is marked in [`Desired`] and is not judged by what the dump said before.
pub(crate) struct Sweep {
    /// A socket of its own: a dump in progress keeps its socket from other use.
    socket: RouteSocket,
    phase: Phase,
    report: SweepReport,
}

enum Phase {
    Routes,
    Neighbours,
}

impl Sweep {
    pub(crate) fn start(plane: &Plane, desired: &mut Desired) -> Result<Self, SweepFault<Fault>> {
        let mut socket = RouteSocket::open(0, plane.settings.receive_buffer)?;
        desired.start_sweep();
        socket.push(message::dump_routes(plane.settings.protocol), NLM_F_DUMP, 0);
        socket.start_dump()?;
        Ok(Self { socket, phase: Phase::Routes, report: SweepReport::default() })
    }

    /// Does a piece of it; the report when it is done.
    pub(crate) fn step(&mut self, plane: &mut Plane, desired: &mut Desired) -> Result<Option<SweepReport>, Fault> {
        #[cfg(test)]
        crate::plane::TestFaults::next(&mut plane.faults.sweeping)?;
        match self.phase {
            Phase::Routes => {
                if self.read_routes(plane, desired)? {
                    self.phase = Phase::Neighbours;
                    self.socket.push(message::dump_neighbours(), NLM_F_DUMP, 0);
                    self.socket.start_dump()?;
                }
                Ok(None)
            }
            Phase::Neighbours => {
                if !self.read_neighbours(plane, desired)? {
                    return Ok(None);
                }
                self.report.wanted = desired.len();
                self.report.failing = desired.failures();
                self.report.missing = desired.finish_sweep();
                Ok(Some(self.report))
            }
        }
    }

    fn read_routes(&mut self, plane: &mut Plane, desired: &mut Desired) -> Result<bool, Fault> {
        let mut unwanted = Vec::new();
        let report = &mut self.report;
        let done = self.socket.read_dump(|bytes| {
            let Some(RouteNetlinkMessage::NewRoute(route)) = parse(bytes) else { return };
            let Some(found) = FoundRoute::read(route) else { return };
            // The kernel's filter says the same; a kernel that has none must not cost foreign routes.
            if found.protocol != plane.settings.protocol {
                return;
            }
            report.found += 1;
            if !claim_route(&found, plane, desired) {
                unwanted.push(found);
            }
        })?;
        self.report.removed += unwanted.len();
        plane.remove_routes(&unwanted)?;
        Ok(done)
    }

    fn read_neighbours(&mut self, plane: &mut Plane, desired: &mut Desired) -> Result<bool, Fault> {
        let mut unwanted: Vec<(Ipv4Addr, IfIndex)> = Vec::new();
        let done = self.socket.read_dump(|bytes| {
            let Some(RouteNetlinkMessage::NewNeighbour(entry)) = parse(bytes) else { return };
            let Some(found) = FoundNeighbour::read(&entry) else { return };
            if found.protocol != plane.settings.protocol {
                return;
            }
            if !claim_neighbour(&found, plane, desired) {
                unwanted.push((found.dst, found.link));
            }
        })?;
        self.report.neighbours_removed += unwanted.len();
        plane.remove_neighbours(&unwanted)?;
        Ok(done)
    }
}

/// Finds the wanted route that this one of ours is; false when there is none.
fn claim_route(found: &FoundRoute, plane: &mut Plane, desired: &mut Desired) -> bool {
    let keys: Vec<_> = plane.keys_of(found.table, found.dst, found.len);
    let mut claimed = false;
    for key in keys {
        match desired.route_found(key) {
            Match::Wanted(route) if found.is(&route) => {
                desired.mark_route(key);
                plane.note_metric(key, found.metric);
                claimed = true;
            }
            // One of another metric is another route. A removal cannot name metric 0, so that one waits for the next
            // sweep.
            Match::Fresh(route) if !found.is_odd() && (found.metric.is_none() || found.metric == route.metric) => {
                claimed = true;
            }
            Match::Wanted(_) | Match::Fresh(_) | Match::Unwanted => {}
        }
    }
    claimed
}

/// Finds the wanted route that this entry of ours belongs to; false when there is none.
fn claim_neighbour(found: &FoundNeighbour, plane: &mut Plane, desired: &mut Desired) -> bool {
    let mut claimed = false;
    let of = |instance: &InstanceId| desired.neighbour_keys(*instance, found.dst);
    let keys: Vec<_> = plane.settings.tables.keys().flat_map(of).collect();
    for key in keys {
        match desired.neighbour_found(key) {
            Match::Unwanted => {}
            Match::Fresh(_) => claimed = true,
            Match::Wanted(route) if route.link == found.link && route.neighbour.is_some() => {
                claimed = true;
                plane.neighbours.insert(key, found.link);
                // One that the kernel may age, or with another MAC address, is set again.
                if found.configured && found.mac == route.neighbour {
                    desired.mark_neighbour(key);
                }
            }
            Match::Wanted(_) => {}
        }
    }
    claimed
}
