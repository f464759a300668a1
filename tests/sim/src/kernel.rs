//! The fake kernel and the route thread in front of it.

use crate::{
    audit::{At, KernelRoute, KernelRoutes},
    clock::{Instant, MS},
    random::Random,
};
use bindery_engine::route::{Destination, Route, RouteChange, RouteError, RouteFailure, RouteOp, RouteSeq};
use bindery_types::IfIndex;
use std::collections::{BTreeMap, BTreeSet};

/// Something that happened to a route, for the auditor.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Happened {
    Set(At, KernelRoute, Option<KernelRoute>),
    Foreign(At),
    /// A wanted route was found not to stand and could not be set.
    Lost(Destination),
}

/// The routing tables, and what the route thread wants in them.
#[derive(Debug, Default)]
pub(crate) struct Kernel {
    pub(crate) routes: KernelRoutes,
    pub(crate) down: BTreeSet<IfIndex>,
    queue: Vec<RouteOp>,
    desired: BTreeMap<At, Route>,
    /// Wanted routes that are known not to stand.
    failing: BTreeSet<At>,
    busy: bool,
    /// Refusals per thousand operations.
    pub(crate) refuse_permille: u64,
    /// Longest batch, milliseconds.
    pub(crate) slow_ms: u64,
}

impl Kernel {
    pub(crate) fn new(refuse_permille: u64, slow_ms: u64) -> Self {
        Self { refuse_permille, slow_ms, ..Self::default() }
    }

    pub(crate) fn submit(&mut self, ops: &mut Vec<RouteOp>) {
        self.queue.append(ops);
    }

    /// Begins a batch when none is under way; when it will be carried out.
    pub(crate) fn start(&mut self, now: Instant, random: &mut Random) -> Option<Instant> {
        if self.busy || self.queue.is_empty() {
            return None;
        }
        self.busy = true;
        Some(now + random.range(0, self.slow_ms) * MS)
    }

    /// Carries out a batch.
    pub(crate) fn carry_out(&mut self, random: &mut Random) -> Option<(RouteSeq, Vec<RouteFailure>, Vec<Happened>)> {
        self.busy = false;
        let size = if random.chance(300) { random.range(1, self.queue.len().max(1) as u64) } else { u64::MAX };
        let size = (size as usize).min(self.queue.len());
        let ops: Vec<RouteOp> = self.queue.drain(..size).collect();
        let up_to = ops.last()?.seq;
        let (mut failed, mut happened) = (Vec::new(), Vec::new());
        for op in ops {
            match op.change {
                RouteChange::Set(route) => {
                    self.desired.insert((route.instance, route.dst), route);
                    let before = self.routes.get(&(route.instance, route.dst)).copied();
                    let result = self.set(&route, random);
                    if let Err(error) = result {
                        self.failing.insert((route.instance, route.dst));
                        failed.push(RouteFailure { seq: op.seq, error });
                    }
                    happened.extend(tell(&route, before, result));
                }
                RouteChange::Unset(Destination { instance, dst, .. }) => {
                    self.desired.remove(&(instance, dst));
                    self.failing.remove(&(instance, dst));
                    if self.routes.get(&(instance, dst)).is_some_and(|r| r.ours) {
                        self.routes.remove(&(instance, dst));
                    }
                }
            }
        }
        Some((up_to, failed, happened))
    }

    fn set(&mut self, route: &Route, random: &mut Random) -> Result<(), RouteError> {
        let at = (route.instance, route.dst);
        if self.routes.get(&at).is_some_and(|r| !r.ours) {
            return Err(RouteError::Foreign);
        }
        if self.down.contains(&route.link) {
            return Err(RouteError::LinkDown);
        }
        if random.chance(self.refuse_permille) {
            return Err(RouteError::Refused(12));
        }
        self.routes.insert(at, kernel_route(route));
        self.failing.remove(&at);
        Ok(())
    }

    /// What the engine says should stand, at start.
    pub(crate) fn seed(&mut self, routes: &[Route]) {
        for route in routes {
            self.desired.entry((route.instance, route.dst)).or_insert(*route);
        }
    }

    /// Makes the kernel what is wanted: missing routes come, those of ours that nobody wants go.
    pub(crate) fn reconcile(&mut self, random: &mut Random) -> Vec<Happened> {
        let desired = &self.desired;
        self.routes.retain(|at, route| !route.ours || desired.contains_key(at));
        let wanted: Vec<Route> = self.desired.values().copied().collect();
        let mut happened = Vec::new();
        for route in wanted {
            let before = self.routes.get(&(route.instance, route.dst)).copied();
            if before != Some(kernel_route(&route)) {
                let result = self.set(&route, random);
                happened.extend(tell(&route, before, result));
                let at = (route.instance, route.dst);
                let told = matches!(result, Err(RouteError::Foreign | RouteError::Refused(_)));
                if told && self.failing.insert(at) {
                    happened.push(Happened::Lost(route.destination()));
                }
            }
        }
        happened
    }

    /// The kernel drops every route of an interface; those of ours that went.
    pub(crate) fn flush(&mut self, link: IfIndex) -> Vec<At> {
        let gone: Vec<At> = self.routes.iter().filter(|(_, r)| r.link == link && r.ours).map(|(at, _)| *at).collect();
        self.routes.retain(|_, route| route.link != link || !route.ours);
        gone
    }

    /// The process ends: what the route thread wanted is forgotten.
    pub(crate) fn forget(&mut self) {
        self.queue.clear();
        self.desired.clear();
        self.failing.clear();
        self.busy = false;
    }

    /// Somebody deletes one of our routes by hand.
    pub(crate) fn remove_one(&mut self, random: &mut Random) -> Option<At> {
        let ours: Vec<At> = self.routes.iter().filter(|(_, r)| r.ours).map(|(at, _)| *at).collect();
        if ours.is_empty() {
            return None;
        }
        let at = random.pick(&ours);
        self.routes.remove(&at);
        Some(at)
    }

    /// Somebody adds a route that is not ours.
    pub(crate) fn add_foreign(&mut self, at: At) -> bool {
        let free = !self.routes.contains_key(&at);
        if free {
            let route = KernelRoute { ours: false, ..kernel_route(&Route::host(at.0, at.1, IfIndex(99))) };
            self.routes.insert(at, route);
        }
        free
    }

    /// All foreign routes go.
    pub(crate) fn remove_foreign(&mut self) {
        self.routes.retain(|_, route| route.ours);
    }

    /// Operations that wait.
    pub(crate) fn depth(&self) -> usize {
        self.queue.len()
    }
}

fn kernel_route(route: &Route) -> KernelRoute {
    let Route { len, link, via, neighbour, metric, .. } = *route;
    KernelRoute { ours: true, len, link, via, neighbour, metric }
}

fn tell(route: &Route, before: Option<KernelRoute>, result: Result<(), RouteError>) -> Option<Happened> {
    let at = (route.instance, route.dst);
    match result {
        Ok(()) => Some(Happened::Set(at, kernel_route(route), before.filter(|before| before.ours))),
        Err(RouteError::Foreign) => Some(Happened::Foreign(at)),
        Err(_) => None,
    }
}
