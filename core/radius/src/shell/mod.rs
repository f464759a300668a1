//! The task that owns the sockets: it runs the client, the accounting queue and the dynamic server.
//!
//! | queue | bound | when full |
//! |---|---|---|
//! | commands | 4,096 | [`Handle`] gives the command back; the caller is silent, or keeps its record |
//! | requests | `queue_limit` | [`Failure::Full`](crate::client::Failure::Full) |
//! | accounting records | `accounting_limit` | the oldest Interim-Update goes, else the oldest record; counted |
//! | events | the receiver's | an answer is lost and counted: the exchange ends at its deadline; a dynamic request is forgotten, so that its retransmission counts |
//! | sockets | kernel buffer, 1 MiB each | the kernel drops; retransmissions heal it |

mod sockets;
mod task;
mod writer;

use crate::accounting::{QueueCounters, Record};
use crate::client::{Answer, Request, ServerStatus};
use crate::config::{Config, ConfigError};
use crate::dynamic::{self, ErrorCause, Order, Reply};
use sockets::Sockets;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use task::Task;
use tokio::runtime;
use tokio::sync::{mpsc, oneshot};
use writer::Writer;

/// Commands that wait for the task.
const COMMANDS: usize = 4096;

/// What the task starts with.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Servers, profiles, clients, options.
    pub config: Config,
    /// File of the accounting queue; without one, records do not survive a restart.
    pub accounting_file: Option<PathBuf>,
}

/// What the task tells.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// The end of an Access-Request.
    Access {
        /// The caller's name of it.
        tag: u64,
        /// What came of it.
        answer: Answer,
        /// Who answered.
        server: Option<SocketAddr>,
    },
    /// An authentic Disconnect- or CoA-Request. Answer it by [`Handle::answer`] when the change is durable.
    Dynamic {
        /// The request; [`dynamic::Request::reply`] names it.
        request: dynamic::Request,
        /// What it asks for.
        order: Order,
    },
    /// The accounting file cannot be written: records go on without it and would not survive a restart.
    AccountingFault(String),
    /// The accounting file is written again.
    AccountingRestored,
    /// What was found in the accounting file: records to deliver, bytes torn, bytes damaged.
    AccountingRecovered {
        /// Records that no server has.
        records: usize,
        /// Bytes of an unfinished last write, cut off.
        torn: u64,
        /// Bytes of damage; the damaged file is kept beside.
        damaged: u64,
    },
}

/// State of everything, for people.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Status {
    /// Servers, authentication and accounting ports.
    pub servers: Vec<ServerStatus>,
    /// Dynamic requests.
    pub dynamic: dynamic::Counters,
    /// Accounting records.
    pub accounting: QueueCounters,
    /// Records that no server has yet.
    pub waiting_records: usize,
    /// Requests under way, waiting ones included.
    pub requests: usize,
    /// Whether the accounting file cannot be written.
    pub accounting_fault: bool,
    /// Events that the receiver had no room for.
    pub lost_events: u64,
    /// Datagrams that could not be sent.
    pub send_failures: u64,
    /// Datagrams to our sockets that do not come from a server.
    pub strangers: u64,
}

/// Why the task cannot start, or does not take a configuration.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// The configuration has a fault.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A socket cannot be bound.
    #[error("cannot bind {address}: {error}")]
    Bind {
        /// Its address.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// The accounting file cannot be opened or made.
    #[error("cannot open the accounting file {path}: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The task has ended.
    #[error("the RADIUS task has ended")]
    Ended,
}

/// The queue of commands is full, or the task has ended; what was given comes back.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the RADIUS task takes no more")]
pub struct Busy<T>(pub T);

pub(crate) enum Command {
    Access { tag: u64, request: Request },
    Cancel { tag: u64 },
    Account(Record),
    Answer { reply: Box<Reply>, result: Result<(), ErrorCause> },
    Reconfigure(Box<Config>, oneshot::Sender<Result<(), SpawnError>>),
    Status(oneshot::Sender<Status>),
    Stop(oneshot::Sender<()>),
}

/// Talks to the task. No call waits, but those that are `async`.
#[derive(Clone, Debug)]
pub struct Handle {
    commands: mpsc::Sender<Command>,
    listening: Vec<SocketAddr>,
}

/// Starts the task on a runtime. It ends at [`Handle::stop`], or when all handles are gone.
///
/// `events` is called on the task and must not wait; it returns false when there is no room. The runtime must have I/O
/// and time enabled.
///
/// # Errors
/// The configuration has a fault, a socket cannot be bound, or the accounting file cannot be opened.
pub fn spawn(
    runtime: &runtime::Handle,
    settings: Settings,
    events: impl FnMut(Event) -> bool + Send + 'static,
) -> Result<Handle, SpawnError> {
    settings.config.check()?;
    let _inside = runtime.enter();
    let (writer, recovered) = Writer::start(settings.accounting_file)?;
    let task = Task::new(&settings.config, Sockets::default(), writer, recovered, Box::new(events))?;
    let listening = task.listening();
    let (commands, inbox) = mpsc::channel(COMMANDS);
    runtime.spawn(task.run(inbox));
    Ok(Handle { commands, listening })
}

impl Handle {
    /// Asks the servers of a profile about a subscriber; [`Event::Access`] brings the answer under this tag. A tag must
    /// not be used twice at a time.
    ///
    /// # Errors
    /// The request was not taken.
    pub fn access(&self, tag: u64, request: Request) -> Result<(), Busy<Request>> {
        self.send(Command::Access { tag, request }, |command| match command {
            Command::Access { request, .. } => Some(request),
            _ => None,
        })
    }

    /// Nobody waits for the answer any more. When the queue is full, the answer comes all the same.
    pub fn cancel(&self, tag: u64) {
        // Nothing is lost when this is: the receiver passes over answers that it does not know.
        let _ = self.commands.try_send(Command::Cancel { tag });
    }

    /// Brings an accounting record to a server, sooner or later.
    ///
    /// # Errors
    /// The record was not taken; keep it.
    pub fn account(&self, record: Record) -> Result<(), Busy<Record>> {
        self.send(Command::Account(record), |command| match command {
            Command::Account(record) => Some(record),
            _ => None,
        })
    }

    /// As [`Handle::account`], and waits while there is no room.
    ///
    /// # Errors
    /// The task has ended.
    pub async fn deliver(&self, record: Record) -> Result<(), SpawnError> {
        self.commands.send(Command::Account(record)).await.map_err(|_| SpawnError::Ended)
    }

    /// Answers a dynamic request: an ACK, or a NAK with a cause.
    ///
    /// # Errors
    /// The answer was not taken; the client's retransmissions get no answer either, until it is.
    pub fn answer(&self, reply: Reply, result: Result<(), ErrorCause>) -> Result<(), Busy<Box<Reply>>> {
        self.send(Command::Answer { reply: Box::new(reply), result }, |command| match command {
            Command::Answer { reply, .. } => Some(reply),
            _ => None,
        })
    }

    fn send<T>(&self, command: Command, back: impl Fn(Command) -> Option<T>) -> Result<(), Busy<T>> {
        match self.commands.try_send(command) {
            Ok(()) => Ok(()),
            Err(error) => match back(error.into_inner()) {
                Some(given) => Err(Busy(given)),
                // The channel gives back what it was given.
                None => Ok(()),
            },
        }
    }

    /// Takes another configuration. Requests under way start anew; records stay.
    ///
    /// # Errors
    /// The configuration has a fault or a socket cannot be bound: everything is as before.
    pub async fn reconfigure(&self, config: Config) -> Result<(), SpawnError> {
        let (answer, done) = oneshot::channel();
        let command = Command::Reconfigure(Box::new(config), answer);
        self.commands.send(command).await.map_err(|_| SpawnError::Ended)?;
        done.await.map_err(|_| SpawnError::Ended)?
    }

    /// State of everything; `None` where the task has ended.
    pub async fn status(&self) -> Option<Status> {
        let (answer, done) = oneshot::channel();
        self.commands.send(Command::Status(answer)).await.ok()?;
        done.await.ok()
    }

    /// Ends the task when the accounting file has all records that were given before.
    pub async fn stop(&self) {
        let (answer, done) = oneshot::channel();
        if self.commands.send(Command::Stop(answer)).await.is_ok() {
            // An error says that the task has ended, which is what is wanted.
            let _ = done.await;
        }
    }

    /// Where dynamic requests were listened for at the start, with the ports that the kernel chose for port 0.
    pub fn listening(&self) -> &[SocketAddr] {
        &self.listening
    }
}
