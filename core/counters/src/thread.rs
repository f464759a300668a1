//! The plane on a thread of its own.

use crate::{Error, Plane, PlaneSettings, Retained, ThreadError};
use bindery_engine::route::Counters;
use bindery_types::Ipv4Addr;
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, Receiver, SyncSender, TrySendError},
    },
    thread::{self, JoinHandle},
};

/// Requests that may wait.
const QUEUE: usize = 4_096;

/// What a request answers with.
type Done<T> = Box<dyn FnOnce(Result<T, ThreadError>) + Send>;

enum Request {
    Add(Vec<Ipv4Addr>, Done<()>),
    Remove(Vec<Ipv4Addr>, Done<Vec<Option<Counters>>>),
    Read(Vec<Ipv4Addr>, Done<Vec<Option<Counters>>>),
    Retain(Vec<Ipv4Addr>, Done<Retained>),
    Close { delete_table: bool, done: Done<()> },
}

/// Asks the thread. Cheap to clone. No call blocks; requests are carried out in the order in which they were made, and
/// the answer is given to `done` on the thread, which should hand it on (a oneshot channel, for one) and return. When
/// 4,096 requests wait, or the thread has ended, `done` is called at once, on the calling thread, with
/// [`ThreadError::Full`] or [`ThreadError::Ended`]: the subscriber is then counted by time alone.
#[derive(Clone)]
pub struct Handle {
    requests: SyncSender<Request>,
    repairs: Arc<AtomicU64>,
}

impl Handle {
    /// As [`Plane::add`].
    pub fn add(&self, addresses: Vec<Ipv4Addr>, done: impl FnOnce(Result<(), ThreadError>) + Send + 'static) {
        self.send(Request::Add(addresses, Box::new(done)));
    }

    /// As [`Plane::remove`].
    pub fn remove(
        &self,
        addresses: Vec<Ipv4Addr>,
        done: impl FnOnce(Result<Vec<Option<Counters>>, ThreadError>) + Send + 'static,
    ) {
        self.send(Request::Remove(addresses, Box::new(done)));
    }

    /// As [`Plane::read`].
    pub fn read(
        &self,
        addresses: Vec<Ipv4Addr>,
        done: impl FnOnce(Result<Vec<Option<Counters>>, ThreadError>) + Send + 'static,
    ) {
        self.send(Request::Read(addresses, Box::new(done)));
    }

    /// As [`Plane::retain`].
    pub fn retain(&self, live: Vec<Ipv4Addr>, done: impl FnOnce(Result<Retained, ThreadError>) + Send + 'static) {
        self.send(Request::Retain(live, Box::new(done)));
    }

    /// As [`Plane::repairs`].
    pub fn repairs(&self) -> u64 {
        self.repairs.load(Ordering::Relaxed)
    }

    fn send(&self, request: Request) {
        let (request, error) = match self.requests.try_send(request) {
            Ok(()) => return,
            Err(TrySendError::Full(request)) => (request, ThreadError::Full),
            Err(TrySendError::Disconnected(request)) => (request, ThreadError::Ended),
        };
        request.refuse(error);
    }
}

impl Request {
    fn refuse(self, error: ThreadError) {
        match self {
            Self::Add(_, done) | Self::Close { done, .. } => done(Err(error)),
            Self::Remove(_, done) | Self::Read(_, done) => done(Err(error)),
            Self::Retain(_, done) => done(Err(error)),
        }
    }
}

/// The thread. Dropping it carries out what waits and ends the thread; the table stays and goes on counting.
pub struct CounterThread {
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for CounterThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CounterThread").finish_non_exhaustive()
    }
}

impl CounterThread {
    /// Makes the table in the calling thread's network namespace and starts the thread with it. What stands in the
    /// table is read on the thread, before the first request.
    ///
    /// # Errors
    /// As [`Plane::open`], or no thread.
    pub fn start(settings: PlaneSettings) -> Result<Self, Error> {
        let plane = Plane::prepare(settings)?;
        let (requests, inbox) = mpsc::sync_channel(QUEUE);
        let repairs = Arc::new(AtomicU64::new(0));
        let worker = Worker { plane, repairs: Arc::clone(&repairs) };
        let thread = thread::Builder::new()
            .name("counters".into())
            .spawn(move || worker.run(&inbox))
            .map_err(|error| Error::System(nix::errno::Errno::from_raw(error.raw_os_error().unwrap_or(0))))?;
        Ok(Self { handle: Handle { requests, repairs }, thread: Some(thread) })
    }

    /// A handle for others.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Carries out what waits, removes the table with all that it counts, and ends the thread; blocks meanwhile.
    ///
    /// # Errors
    /// The table stands.
    pub fn delete(mut self) -> Result<(), ThreadError> {
        self.end(true)
    }

    fn end(&mut self, delete_table: bool) -> Result<(), ThreadError> {
        let Some(thread) = self.thread.take() else { return Ok(()) };
        let (done, result) = mpsc::sync_channel(1);
        let done = Box::new(move |answer| {
            let _ = done.send(answer);
        });
        // It waits for a place in the queue, where a handle would not.
        let _ = self.handle.requests.send(Request::Close { delete_table, done });
        let answer = result.recv().unwrap_or(Err(ThreadError::Ended));
        let _ = thread.join();
        answer
    }
}

impl Drop for CounterThread {
    fn drop(&mut self) {
        let _ = self.end(false);
    }
}

struct Worker {
    plane: Plane,
    repairs: Arc<AtomicU64>,
}

impl Worker {
    fn run(mut self, inbox: &Receiver<Request>) {
        // Where this fails the first request does, too, or finds out what stands by the repair before it.
        let _ = self.carry_out(Plane::learn);
        while let Ok(request) = inbox.recv() {
            match request {
                Request::Add(addresses, done) => done(self.carry_out(|plane| plane.add(&addresses))),
                Request::Remove(addresses, done) => done(self.carry_out(|plane| plane.remove(&addresses))),
                Request::Read(addresses, done) => done(self.carry_out(|plane| plane.read(&addresses))),
                Request::Retain(live, done) => done(self.carry_out(|plane| plane.retain(&live))),
                Request::Close { delete_table, done } => {
                    done(self.plane.close(delete_table).map_err(ThreadError::from));
                    return;
                }
            }
        }
    }

    /// Does `work`, and once more on a new socket when the old one is out of order.
    fn carry_out<T>(&mut self, mut work: impl FnMut(&mut Plane) -> Result<T, Error>) -> Result<T, ThreadError> {
        let mut answer = work(&mut self.plane);
        if answer.as_ref().is_err_and(|error| error.is_fault()) {
            answer = self.plane.reopen().and_then(|()| work(&mut self.plane));
        }
        self.repairs.store(self.plane.repairs(), Ordering::Relaxed);
        Ok(answer?)
    }
}
