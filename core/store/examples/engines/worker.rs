//! A process with one engine or more, each on a thread and CPUs of its own.

use crate::{
    Anything,
    clients::{Clients, Store, config},
};
use bindery_engine::{config::Config, record::DurableState};
use bindery_store::{FjallStore, Storage, Writer};
use nix::{
    sched::{CpuSet, sched_setaffinity},
    sys::resource::{Usage, UsageWho, getrusage},
    sys::time::TimeValLike,
    unistd::Pid,
};
use std::{
    io::BufRead,
    path::{Path, PathBuf},
    str::FromStr,
    sync::{Arc, Barrier},
    thread,
    time::{Duration, Instant},
};

/// DORAs before the measurement, so that tables and buffers are there.
const WARM: u64 = 4_096;
/// Mutations that may wait for a store thread: more than are ever open.
const QUEUE: usize = 65_536;

/// What a worker does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    /// CPUs of each engine, as taskset(1) takes them: `0`, `0,2-3`.
    pub(crate) cpus: Vec<String>,
    /// Routing instances of each engine.
    pub(crate) instances: u16,
    /// All engines hold one configuration object.
    pub(crate) one_config: bool,
    /// How long.
    pub(crate) seconds: Duration,
    /// Where session databases go; `None`: what is written is durable at once.
    pub(crate) directory: Option<PathBuf>,
}

impl Default for Order {
    fn default() -> Self {
        Self { cpus: Vec::new(), instances: 1, one_config: false, seconds: Duration::ZERO, directory: None }
    }
}

impl Order {
    /// As words of a command line.
    pub(crate) fn words(&self) -> Vec<String> {
        let directory = self.directory.as_ref().map(|path| path.display().to_string());
        let seconds = self.seconds.as_secs_f64().to_string();
        let mut words = vec![self.instances.to_string(), self.one_config.to_string(), seconds];
        words.push(directory.unwrap_or_default());
        words.extend(self.cpus.iter().cloned());
        words
    }

    /// Reads [`Order::words`].
    pub(crate) fn read(words: &[String]) -> Anything<Self> {
        let [instances, one_config, seconds, directory, cpus @ ..] = words else {
            return Err("worker INSTANCES ONE-CONFIG SECONDS DIRECTORY CPUS...".into());
        };
        Ok(Self {
            cpus: cpus.to_vec(),
            instances: instances.parse()?,
            one_config: one_config.parse()?,
            seconds: Duration::try_from_secs_f64(seconds.parse()?)?,
            directory: (!directory.is_empty()).then(|| directory.into()),
        })
    }
}

/// What engines did.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Outcome {
    /// DORA/s, of all together.
    pub(crate) rate: f64,
    /// DORAs that were measured.
    pub(crate) done: f64,
    /// Processor time of the engines' threads meanwhile, microseconds.
    pub(crate) cpu: f64,
    /// The same of the whole processes.
    pub(crate) process_cpu: f64,
    /// How often an engine's thread has given its CPU away by itself.
    pub(crate) waits: u64,
    /// How often it was taken.
    pub(crate) preempted: u64,
    /// Clients that were told an address, from the start to the end.
    pub(crate) told: u64,
    /// Bindings at the end: of the session databases, else of the engines.
    pub(crate) bound: u64,
}

impl Outcome {
    /// Of two that ran at the same time.
    pub(crate) fn beside(self, other: Self) -> Self {
        Self {
            rate: self.rate + other.rate,
            done: self.done + other.done,
            cpu: self.cpu + other.cpu,
            process_cpu: self.process_cpu + other.process_cpu,
            waits: self.waits + other.waits,
            preempted: self.preempted + other.preempted,
            told: self.told + other.told,
            bound: self.bound + other.bound,
        }
    }

    /// Of two that ran one after the other for the same time.
    pub(crate) fn in_turn([one, other]: [Self; 2]) -> Self {
        Self { rate: f64::midpoint(one.rate, other.rate), ..one.beside(other) }
    }

    /// Microseconds of an engine's thread for a DORA.
    pub(crate) fn cpu_us(&self) -> f64 {
        self.cpu / self.done.max(1.0)
    }

    /// Microseconds of the whole process for a DORA.
    pub(crate) fn process_cpu_us(&self) -> f64 {
        self.process_cpu / self.done.max(1.0)
    }
}

impl FromStr for Outcome {
    type Err = Box<dyn std::error::Error + Send + Sync>;

    fn from_str(line: &str) -> Anything<Self> {
        let words: Vec<&str> = line.split(' ').collect();
        let [rate, done, cpu, process_cpu, waits, preempted, told, bound] = words[..] else {
            return Err(format!("{line:?} is no outcome").into());
        };
        Ok(Self {
            rate: rate.parse()?,
            done: done.parse()?,
            cpu: cpu.parse()?,
            process_cpu: process_cpu.parse()?,
            waits: waits.parse()?,
            preempted: preempted.parse()?,
            told: told.parse()?,
            bound: bound.parse()?,
        })
    }
}

/// Does what is ordered; says a line when it is ready, begins at a line, and says what it did.
pub(crate) fn run(order: &Order) -> Anything<()> {
    // Engines, and this thread, which tells them to begin.
    let barrier = Barrier::new(order.cpus.len() + 1);
    let shared = order.one_config.then(|| config(0, order.instances));
    let outcome = thread::scope(|scope| {
        let lanes: Vec<_> = (0u8..)
            .zip(&order.cpus)
            .map(|(number, cpus)| Lane { order, number, cpus, config: shared.clone(), barrier: &barrier })
            .collect();
        let threads: Vec<_> = lanes.into_iter().map(|lane| scope.spawn(move || lane.run_or_exit())).collect();
        barrier.wait();
        println!("ready");
        std::io::stdin().lock().read_line(&mut String::new())?;
        let before = usage(UsageWho::RUSAGE_SELF)?;
        barrier.wait();
        // Engines stop at the same time; what they tidy up is not measured.
        barrier.wait();
        let process_cpu = spent(&usage(UsageWho::RUSAGE_SELF)?) - spent(&before);
        barrier.wait();
        let mut sum = Outcome { process_cpu, ..Outcome::default() };
        for thread in threads {
            sum = sum.beside(thread.join().map_err(|_| "an engine has panicked")?);
        }
        Anything::Ok(sum)
    })?;
    let Outcome { rate, done, cpu, process_cpu, waits, preempted, told, bound } = outcome;
    println!("{rate} {done} {cpu} {process_cpu} {waits} {preempted} {told} {bound}");
    Ok(())
}

/// One engine's thread.
struct Lane<'a> {
    order: &'a Order,
    number: u8,
    cpus: &'a str,
    /// `None`: one of its own.
    config: Option<Arc<Config>>,
    barrier: &'a Barrier,
}

impl Lane<'_> {
    /// An engine that fails ends the process: the others would wait for it.
    fn run_or_exit(self) -> Outcome {
        self.run().unwrap_or_else(|error| {
            eprintln!("engines: {error}");
            std::process::exit(1)
        })
    }

    fn run(self) -> Anything<Outcome> {
        // Threads that it starts stay there too.
        pin(self.cpus)?;
        let directory = self.order.directory.as_ref().map(tempfile::tempdir_in).transpose()?;
        let store = match &directory {
            Some(directory) => open(directory.path())?,
            None => Store::AtOnce,
        };
        let count = self.order.instances;
        let first = if self.config.is_some() { 0 } else { u16::from(self.number) * count };
        let config = self.config.clone().unwrap_or_else(|| config(first, count));
        let mut clients = Clients::new(self.number, config, (first, count), store)?;
        while clients.told() < WARM {
            clients.turn(false)?;
        }
        let mut outcome = self.measure(&mut clients)?;
        while clients.turn(true)? {}
        outcome.told = clients.told();
        let (live, store) = clients.end();
        outcome.bound = match (store, directory) {
            (Store::Thread(writer, _), Some(directory)) => {
                writer.shutdown();
                stored(directory.path())?
            }
            _ => live,
        };
        Ok(outcome)
    }

    /// Serves from one signal of the main thread on, for as long as is ordered.
    fn measure(&self, clients: &mut Clients) -> Anything<Outcome> {
        self.barrier.wait();
        self.barrier.wait();
        let (told, before, began) = (clients.told(), usage(UsageWho::RUSAGE_THREAD)?, Instant::now());
        while began.elapsed() < self.order.seconds {
            clients.turn(false)?;
        }
        let (elapsed, after) = (began.elapsed(), usage(UsageWho::RUSAGE_THREAD)?);
        self.barrier.wait();
        self.barrier.wait();
        let done = (clients.told() - told) as f64;
        let count = |now: i64, then: i64| u64::try_from(now - then).unwrap_or(0);
        Ok(Outcome {
            rate: done / elapsed.as_secs_f64(),
            done,
            cpu: spent(&after) - spent(&before),
            waits: count(after.voluntary_context_switches(), before.voluntary_context_switches()),
            preempted: count(after.involuntary_context_switches(), before.involuntary_context_switches()),
            ..Outcome::default()
        })
    }
}

fn usage(of: UsageWho) -> Anything<Usage> {
    Ok(getrusage(of)?)
}

/// Microseconds of processor time.
fn spent(usage: &Usage) -> f64 {
    (usage.user_time().num_microseconds() + usage.system_time().num_microseconds()) as f64
}

/// Keeps the calling thread on these CPUs.
fn pin(cpus: &str) -> Anything<()> {
    let mut set = CpuSet::new();
    for part in cpus.split(',') {
        let (low, high) = part.split_once('-').unwrap_or((part, part));
        for cpu in low.parse()?..=high.parse()? {
            set.set(cpu)?;
        }
    }
    Ok(sched_setaffinity(Pid::from_raw(0), &set)?)
}

/// A new session database with its thread.
fn open(directory: &Path) -> Anything<Store> {
    let mut store = FjallStore::open(directory)?;
    store.load(&mut |_| {})?;
    let (said, events) = crossbeam_channel::unbounded();
    // Whoever hears it ends after the thread.
    let writer = Writer::start(Box::new(store), QUEUE, Box::new(move |event| _ = said.send(event)))?;
    Ok(Store::Thread(writer, events))
}

/// Bindings that a database holds.
fn stored(directory: &Path) -> Anything<u64> {
    let mut bound = 0;
    let mut store = FjallStore::open(directory)?;
    store.load(&mut |session| bound += u64::from(matches!(session.lease.state, DurableState::Bound)))?;
    Ok(bound)
}
