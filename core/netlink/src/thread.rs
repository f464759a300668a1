//! The route thread as others see it.

use crate::{
    OpenError, Plane, PlaneSettings, SweepReport,
    beside::Beside,
    driver::Driven,
    fib::Fib,
    inbox::{Inbox, Request},
    links::Links,
    worker::Worker,
};
use bindery_engine::{
    input::Link,
    route::{Counters, Destination, Driver, Route, RouteError, RouteFailure, RouteOp, RouteSeq},
};
use bindery_types::{IfIndex, InstanceId};
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

/// Shortest time from one reconciliation to the next.
const INTERVAL_MIN: Duration = Duration::from_secs(1);

/// How the route thread works.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RouteThreadSettings {
    /// How it programs routes.
    pub plane: PlaneSettings,
    /// Time from the end of one reconciliation to the next, whatever else goes on. At least 1 s; 30 s by default.
    pub sweep_interval: Duration,
}

impl Default for RouteThreadSettings {
    fn default() -> Self {
        Self { plane: PlaneSettings::default(), sweep_interval: Duration::from_secs(30) }
    }
}

/// What the route thread tells. The callback runs on the route thread; it should hand on and return.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RouteEvent {
    /// Every operation up to `up_to` was tried; goes to the engine as `Input::Routed`.
    Routed {
        /// The highest tried position.
        up_to: RouteSeq,
        /// The failures among them, in order.
        failed: Vec<RouteFailure>,
    },
    /// The kernel flushed routes of this interface, or would have where a driver keeps them; goes to the engine as `Input::RoutesLost`. They come back without
    /// being asked for when that is possible, but later than an operation of the engine.
    RoutesLost(IfIndex),
    /// An interface appeared or changed; goes to the engine as `Input::LinkSet`. The interfaces of the start come
    /// first.
    LinkSet(Link),
    /// An interface is gone; goes to the engine as `Input::LinkGone`.
    LinkGone(IfIndex),
    /// Reconciliation found that a wanted route can, or can again, not stand (`error`), or that it stands at last.
    /// Told only on change, and not for a link that is down. For the log and alarms.
    RouteChanged {
        /// Destination.
        at: Destination,
        /// Why it does not stand; `None` when it does.
        error: Option<RouteError>,
    },
    /// A reconciliation ended.
    Swept(SweepReport),
    /// Netlink or the driver is out of order; the thread goes on trying. Operations wait.
    Faulted(String),
    /// Everything that [`RouteEvent::Faulted`] was told of has been done again with success.
    Recovered,
}

/// Talks to the route thread. Cheap to clone.
#[derive(Clone)]
pub struct RouteHandle {
    inbox: Arc<Inbox>,
}

impl RouteHandle {
    /// Takes over the operations of a flush; `ops` keeps its capacity. Never blocks, never drops: where more than
    /// 65,536 wait, those to one destination are merged.
    pub fn submit(&self, ops: &mut Vec<RouteOp>) {
        self.inbox.submit(ops);
    }

    /// Says which routes the session database wants, and starts reconciliation with them. Call it once, after start
    /// and before the first [`RouteHandle::submit`]; until then nothing of ours in the kernel is removed or repaired.
    /// A route that was submitted before stays as submitted.
    pub fn seed(&self, routes: Vec<Route>) {
        self.inbox.request(Request::Seed(routes));
    }

    /// Reconciles now; [`RouteEvent::Swept`] tells when it is done.
    pub fn sweep(&self) {
        self.inbox.request(Request::Sweep);
    }

    /// Says in which table each routing instance has its routes from here on, the default one too. Routes whose table is
    /// another one now are set there, and the next reconciliation, which begins at once, removes the old ones.
    pub fn set_tables(&self, tables: BTreeMap<InstanceId, u32>) {
        self.inbox.request(Request::Tables(tables));
    }

    /// Reconciles so often from here on, at least a second apart; one that is due sooner than that stays due.
    pub fn sweep_every(&self, interval: Duration) {
        self.inbox.request(Request::SweepEvery(interval.max(INTERVAL_MIN)));
    }

    /// Reads what the plane has counted for each of `of`, in order, and hands it to `done` on the route thread: `None`
    /// when the plane is out of order. The kernel counts nothing. When the thread ends first, `done` is dropped. Ask
    /// for some hundreds at a time, and for more when they are there: operations of the engine wait meanwhile.
    pub fn read_counters(
        &self,
        of: Vec<Destination>,
        done: impl FnOnce(Option<Vec<Option<Counters>>>) + Send + 'static,
    ) {
        self.inbox.request(Request::ReadCounters(of, Box::new(done)));
    }

    /// Says that a driver has reported a fault on its own: it is recovered and reconciled. Never blocks; of many
    /// reports the first one is told.
    pub fn report_fault(&self, why: String) {
        self.inbox.report_fault(why);
    }

    /// Carries out what waits, then removes every route and neighbour of ours and wants none any more; how many routes
    /// were removed. Later operations are answered as failed with [`RouteError::Refused`] and ECANCELED, and later
    /// seeds want nothing. Blocks until it is done; `None` when the thread has ended or could not do it.
    pub fn withdraw(&self) -> Option<usize> {
        let (done, result) = mpsc::channel();
        self.inbox.request(Request::Withdraw(done));
        result.recv().ok()
    }
}

/// The route thread. Dropping it ends the thread; the routes stay.
pub struct RouteThread {
    handle: RouteHandle,
    thread: Option<JoinHandle<()>>,
}

impl RouteThread {
    /// Starts the thread in the calling thread's network namespace.
    ///
    /// # Errors
    /// [`OpenError`]: no privilege, or a kernel older than 4.20.
    pub fn start(
        settings: RouteThreadSettings,
        on_event: impl FnMut(RouteEvent) + Send + 'static,
    ) -> Result<Self, OpenError> {
        let plane = Plane::open(settings.plane)?;
        Self::spawn(plane, settings.sweep_interval, on_event)
    }

    /// Starts the thread with a driver in the place of the kernel's routes. Links are still the kernel's, those of the
    /// calling thread's network namespace. A driver whose call hangs keeps this thread and nobody else, but who drops
    /// the thread waits for it.
    ///
    /// # Errors
    /// [`OpenError`]: no netlink socket or thread.
    pub fn start_driver<D>(
        driver: D,
        sweep_interval: Duration,
        on_event: impl FnMut(RouteEvent) + Send + 'static,
    ) -> Result<Self, OpenError>
    where
        D: Driver + Send + 'static,
        D::Fault: fmt::Display,
    {
        Self::spawn(Driven::new(driver), sweep_interval, on_event)
    }

    /// Starts the thread with the kernel's routes and, beside them, a driver: each route stands in both or in neither.
    /// Where the kernel itself must reach subscribers. What [`RouteThread::start_driver`] says of hanging holds here too.
    ///
    /// # Errors
    /// [`OpenError`], as [`RouteThread::start`].
    pub fn start_beside<D>(
        settings: RouteThreadSettings,
        driver: D,
        on_event: impl FnMut(RouteEvent) + Send + 'static,
    ) -> Result<Self, OpenError>
    where
        D: Driver + Send + 'static,
        D::Fault: fmt::Display,
    {
        let plane = Plane::open(settings.plane)?;
        Self::spawn(Beside::new(plane, driver), settings.sweep_interval, on_event)
    }

    fn spawn<F>(
        plane: F,
        sweep_interval: Duration,
        on_event: impl FnMut(RouteEvent) + Send + 'static,
    ) -> Result<Self, OpenError>
    where
        F: Fib + Send + 'static,
        F::Sweep: Send,
    {
        let links = Links::open(&plane)?;
        let inbox =
            Inbox::new().map_err(|errno| OpenError::System { what: "making an eventfd", errno }).map(Arc::new)?;
        let interval = sweep_interval.max(INTERVAL_MIN);
        let worker = Worker::new(plane, links, Arc::clone(&inbox), interval, Box::new(on_event));
        let thread = thread::Builder::new()
            .name("routes".into())
            .spawn(move || worker.run())
            .map_err(OpenError::system("starting the route thread"))?;
        Ok(Self { handle: RouteHandle { inbox }, thread: Some(thread) })
    }

    /// A handle for other threads.
    pub fn handle(&self) -> RouteHandle {
        self.handle.clone()
    }

    /// Carries out what waits, then ends the thread. The routes stay. Where netlink is out of order, what waits is
    /// answered as failed with [`RouteError::Refused`] and ECANCELED instead.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for RouteThread {
    fn drop(&mut self) {
        self.handle.inbox.request(Request::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
