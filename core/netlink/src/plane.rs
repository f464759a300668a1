//! Routes and neighbours in the kernel: the forwarding plane that every Linux has.

use crate::{
    Fault, OpenError, PROTOCOL_DEFAULT, TABLE_MAIN,
    desired::Key,
    message::{self, FoundRoute},
    socket::{Answer, RouteSocket},
};
use bindery_engine::route::{ForwardingPlane, Route, RouteChange, RouteError, RouteFailure, RouteOp};
use bindery_types::{IfIndex, InstanceId, Ipv4Addr};
use foldhash::fast::RandomState;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use nix::errno::Errno;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    num::NonZeroU32,
};

/// The kernel's table of the machine's own addresses: no subscriber is one of them.
const TABLE_LOCAL: u32 = 255;

/// Operations per system call. The rate is flat from 64 to 4,096; a smaller batch lets what is urgent in sooner.
pub(crate) const BATCH: usize = 256;

/// How to program routes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlaneSettings {
    /// Protocol number of our routes and neighbours, 5 to 255 and used by nobody else in the network namespace.
    pub protocol: u8,
    /// Kernel table of each routing instance. Operations for an instance that is not here fail with
    /// [`RouteError::Refused`] and ENOENT.
    pub tables: BTreeMap<InstanceId, u32>,
    /// Bytes of each netlink socket's receive buffer; 8 MiB by default. It should hold an error for each operation of a
    /// batch, about 1 KiB each with the kernel's overhead, and a burst of notifications. Where it does not, batches
    /// become smaller and reconciliations more.
    pub receive_buffer: usize,
}

impl Default for PlaneSettings {
    /// Protocol 201, and the main table for the default instance.
    fn default() -> Self {
        Self {
            protocol: PROTOCOL_DEFAULT,
            tables: BTreeMap::from([(InstanceId(0), TABLE_MAIN)]),
            receive_buffer: 8 << 20,
        }
    }
}

/// Programs the kernel's routes. Use it from the thread that opened it or any other, one at a time.
pub struct Plane {
    pub(crate) socket: RouteSocket,
    pub(crate) settings: PlaneSettings,
    /// The neighbour entries that are known to be ours.
    pub(crate) neighbours: HashMap<Key, IfIndex, RandomState>,
    /// Metrics, other than 0, of the routes that are known to be ours: the kernel takes another metric for another
    /// route, so the old one must be removed by us.
    metrics: HashMap<Key, u32, RandomState>,
    /// Operations per batch; fewer than [`BATCH`] after acknowledgements were lost.
    batch: usize,
    tasks: Vec<Task>,
    keys: HashSet<Key, RandomState>,
    /// Faults still to come, where a test wants them.
    #[cfg(test)]
    pub(crate) faults: TestFaults,
}

/// How many of the next tries fault.
#[cfg(test)]
#[derive(Default)]
pub(crate) struct TestFaults {
    pub(crate) applying: u32,
    pub(crate) sweeping: u32,
}

#[cfg(test)]
impl TestFaults {
    pub(crate) fn next(left: &mut u32) -> Result<(), Fault> {
        let Some(fewer) = left.checked_sub(1) else { return Ok(()) };
        *left = fewer;
        Err(Fault::Silent)
    }
}

/// An operation of the batch at hand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Task {
    op: usize,
    pub(crate) key: Key,
    /// The kernel's table; `None` where the instance has none, and nothing is tried.
    pub(crate) table: Option<u32>,
    /// What is to stand; `None` to remove.
    pub(crate) wanted: Option<Route>,
    /// How it goes so far.
    pub(crate) result: Result<(), RouteError>,
    /// The route was refused because one stands there.
    pub(crate) route_exists: bool,
    /// The neighbour was refused because one stands there.
    pub(crate) neighbour_exists: bool,
    /// The neighbour was ours before.
    pub(crate) neighbour_ours: bool,
}

/// What a tag says beside the number of its task.
pub(crate) const PART_ROUTE: u32 = 0;
pub(crate) const PART_NEIGHBOUR: u32 = 1;
/// A removal of something that may be gone already.
pub(crate) const PART_OLD: u32 = 2;

pub(crate) const fn tag(task: usize, part: u32) -> u32 {
    (task as u32) << 2 | part
}

impl Plane {
    /// Opens a plane for the calling thread's network namespace.
    ///
    /// # Errors
    /// [`OpenError`]: no privilege, or a kernel older than 4.20.
    pub fn open(settings: PlaneSettings) -> Result<Self, OpenError> {
        let mut plane = Self {
            socket: RouteSocket::open(0, settings.receive_buffer)?,
            batch: BATCH,
            settings,
            neighbours: HashMap::default(),
            metrics: HashMap::default(),
            tasks: Vec::with_capacity(BATCH),
            keys: HashSet::default(),
            #[cfg(test)]
            faults: TestFaults::default(),
        };
        // A removal of nothing tells whether the kernel lets us.
        let nothing = message::del_route((Ipv4Addr::UNSPECIFIED, 32), TABLE_MAIN, plane.settings.protocol);
        plane.socket.push(nothing, 0, 0);
        let mut refused = false;
        let asked = plane.socket.flush(|answer| {
            refused |= matches!(answer, Answer::Error(_, Errno::EPERM | Errno::EACCES));
        });
        match asked {
            Ok(()) if refused => Err(OpenError::Privilege),
            Ok(()) => Ok(plane),
            Err(fault) => Err(OpenError::System {
                what: "asking on a netlink socket",
                errno: match fault {
                    Fault::AcksLost => Errno::ENOBUFS,
                    Fault::Silent => Errno::ETIMEDOUT,
                    Fault::System(errno) => errno,
                },
            }),
        }
    }

    /// Opens a new socket after a fault.
    pub(crate) fn reopen(&mut self) -> Result<(), OpenError> {
        self.socket = RouteSocket::open(0, self.settings.receive_buffer)?;
        Ok(())
    }

    /// Where answers were lost, makes batches smaller; whether that was possible.
    pub(crate) fn shrink_batches(&mut self, fault: Fault) -> bool {
        let shrinks = fault == Fault::AcksLost && self.batch > 1;
        if shrinks {
            self.batch /= 2;
        }
        shrinks
    }

    /// The kernel's name of the socket that changes routes.
    pub(crate) fn port(&self) -> u32 {
        self.socket.port()
    }

    /// Takes the tables of routing instances; those whose table is another one now.
    pub(crate) fn set_tables(&mut self, tables: BTreeMap<InstanceId, u32>) -> BTreeSet<InstanceId> {
        let old = std::mem::replace(&mut self.settings.tables, tables);
        let now = &self.settings.tables;
        let all: BTreeSet<InstanceId> = old.keys().chain(now.keys()).copied().collect();
        all.into_iter().filter(|instance| old.get(instance) != now.get(instance)).collect()
    }

    /// The keys that a route of the kernel may have: by its table as an instance's, or as one chosen for the route.
    pub(crate) fn keys_of(&self, table: u32, dst: Ipv4Addr, len: u8) -> Vec<Key> {
        let keys = self.settings.tables.iter().flat_map(|(instance, number)| {
            let key = |table| Key { instance: *instance, table, dst, len };
            [(*number == table).then_some(key(None)), NonZeroU32::new(table).map(|table| key(Some(table)))]
        });
        keys.flatten().collect()
    }

    /// Notes the metric with which a route of ours stands; the one before.
    pub(crate) fn note_metric(&mut self, key: Key, metric: Option<u32>) -> u32 {
        let before = match metric.unwrap_or(0) {
            0 if self.metrics.is_empty() => None,
            0 => self.metrics.remove(&key),
            metric => self.metrics.insert(key, metric),
        };
        before.unwrap_or(0)
    }

    /// Removes exactly these routes; those that are gone already are fine.
    pub(crate) fn remove_routes(&mut self, routes: &[FoundRoute]) -> Result<(), Fault> {
        for chunk in routes.chunks(self.batch) {
            for route in chunk {
                self.socket.push(message::del_exactly(route), 0, 0);
            }
            self.socket.flush(|_| {})?;
        }
        Ok(())
    }

    /// Removes these neighbour entries of ours.
    pub(crate) fn remove_neighbours(&mut self, neighbours: &[(Ipv4Addr, IfIndex)]) -> Result<(), Fault> {
        for chunk in neighbours.chunks(self.batch) {
            for (dst, link) in chunk {
                self.socket.push(message::del_neighbour(*dst, *link), 0, 0);
            }
            self.socket.flush(|_| {})?;
        }
        Ok(())
    }

    /// How many of `ops` make one batch: no destination twice, so that a conflict can be settled when the rest of the
    /// batch is done without undoing a later operation.
    fn batch_len(&mut self, ops: &[RouteOp]) -> usize {
        self.keys.clear();
        ops.iter().take(self.batch).take_while(|op| self.keys.insert(op.change.destination())).count()
    }

    fn apply_batch(&mut self, ops: &[RouteOp], failed: &mut Vec<RouteFailure>) -> Result<(), Fault> {
        let mut tasks = std::mem::take(&mut self.tasks);
        tasks.clear();
        tasks.extend(ops.iter().enumerate().map(|(op, request)| self.task(op, request)));
        let done = self
            .try_all(&mut tasks)
            .and_then(|()| self.settle_routes(&mut tasks))
            .and_then(|()| self.settle_neighbours(&mut tasks))
            .and_then(|()| self.clean_up(&tasks));
        for task in &tasks {
            if let (Err(error), Some(op)) = (task.result, ops.get(task.op))
                && done.is_ok()
            {
                failed.push(RouteFailure { seq: op.seq, error });
            }
        }
        self.tasks = tasks;
        done
    }

    fn task(&self, op: usize, request: &RouteOp) -> Task {
        let key = request.change.destination();
        let of_instance = self.settings.tables.get(&key.instance).copied();
        let chosen = key.table.map(NonZeroU32::get);
        let table = of_instance.map(|table| chosen.unwrap_or(table)).filter(|table| *table != TABLE_LOCAL);
        // What the instance has no table for is refused as unknown, what would be put among our own addresses as wrong.
        let refusal = if of_instance.is_none() { Errno::ENOENT } else { Errno::EINVAL };
        let wanted = match request.change {
            RouteChange::Set(route) => Some(route),
            RouteChange::Unset(_) => None,
        };
        Task {
            op,
            key,
            table,
            wanted,
            result: table.map(drop).ok_or(RouteError::Refused(refusal as i32)),
            route_exists: false,
            neighbour_exists: false,
            neighbour_ours: false,
        }
    }

    /// Asks for everything once, in one system call.
    fn try_all(&mut self, tasks: &mut [Task]) -> Result<(), Fault> {
        let protocol = self.settings.protocol;
        for (at, task) in tasks.iter_mut().enumerate() {
            let Some(table) = task.table else { continue };
            // The client may have moved: its entry on another interface goes.
            let old = self.neighbours.get(&task.key).copied();
            let new = task.wanted.and_then(|route| route.neighbour.map(|mac| (route.link, mac)));
            if let Some(old) = old.filter(|old| new.is_none_or(|(link, _)| link != *old)) {
                self.socket.push(message::del_neighbour(task.key.dst, old), 0, tag(at, PART_OLD));
                self.neighbours.remove(&task.key);
            }
            let removal = message::del_route((task.key.dst, task.key.len), table, protocol);
            let Some(route) = task.wanted else {
                self.note_metric(task.key, None);
                self.socket.push(removal, 0, tag(at, PART_ROUTE));
                continue;
            };
            if self.note_metric(task.key, route.metric) != route.metric.unwrap_or(0) {
                self.socket.push(removal, 0, tag(at, PART_OLD));
            }
            let request = message::new_route(&route, table, protocol);
            self.socket.push(request, NLM_F_CREATE | NLM_F_EXCL, tag(at, PART_ROUTE));
            if let Some((link, mac)) = new {
                let request = message::new_neighbour(route.dst, link, mac, protocol);
                self.socket.push(request, NLM_F_CREATE | NLM_F_EXCL, tag(at, PART_NEIGHBOUR));
                task.neighbour_ours = self.neighbours.insert(task.key, link).is_some();
            }
        }
        self.socket.flush(|answer| {
            let Answer::Error(tag, errno) = answer else { return };
            let Some(task) = tasks.get_mut((tag >> 2) as usize) else { return };
            match (tag & 3, errno) {
                (PART_ROUTE, Errno::EEXIST) => task.route_exists = true,
                (PART_NEIGHBOUR, Errno::EEXIST) => task.neighbour_exists = true,
                // Nothing of ours there to remove, which is what was asked for.
                (PART_ROUTE, Errno::ESRCH) if task.wanted.is_none() => {}
                (PART_OLD, _) => {}
                (_, errno) => task.fail(errno),
            }
        })
    }
}

impl Task {
    /// The first failure of a task is the one to tell.
    pub(crate) fn fail(&mut self, errno: Errno) {
        let error = match errno {
            Errno::ENETDOWN | Errno::ENODEV => RouteError::LinkDown,
            errno => RouteError::Refused(errno as i32),
        };
        self.result = self.result.and(Err(error));
    }
}

impl ForwardingPlane for Plane {
    type Fault = Fault;

    fn apply(&mut self, ops: &[RouteOp], failed: &mut Vec<RouteFailure>) -> Result<(), Fault> {
        #[cfg(test)]
        TestFaults::next(&mut self.faults.applying)?;
        let mut rest = ops;
        while !rest.is_empty() {
            let (batch, later) = rest.split_at(self.batch_len(rest).clamp(1, rest.len()));
            self.apply_batch(batch, failed)?;
            rest = later;
        }
        Ok(())
    }
}
