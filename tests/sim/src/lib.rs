//! The simulator: one seed makes clients, network, disk, kernel, plugins, operators and all their faults, and an
//! auditor holds the engine to its promises (design §2) while they play.
//!
//! What it never does: no real clock, socket, file or randomness; a seed is the same run on every machine. Read
//! [`run`] first, then `world` for the events and [`audit`] for the promises.

pub mod audit;
mod authority;
mod chaos;
mod client;
mod clock;
mod hooks;
mod kernel;
mod network;
mod observer;
mod plan;
mod random;
mod reader;
mod rules;
mod segment;
mod settle;
mod store;
mod trace;
mod world;

use clock::SEC;
use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
};
use trace::Trace;
use world::World;

/// Lines of the trace that a failure carries.
const LAST: usize = 60;

/// What a run that kept all promises did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Inputs to the engine.
    pub steps: u64,
    /// ACKs that left.
    pub acks: u64,
    /// NAKs that left.
    pub naks: u64,
    /// FORCERENEWs that left.
    pub forcerenews: u64,
    /// Of those: that a client obeyed.
    pub obeyed: u64,
    /// Bindings that ended because their client was moved.
    pub moved: u64,
    /// Questions to the authority.
    pub questions: u64,
    /// What was told of sessions.
    pub news: u64,
    /// Starts of the engine.
    pub boots: u64,
}

/// A run that broke a promise.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// Inputs that the engine had taken.
    pub step: u64,
    /// What is wrong.
    pub finding: String,
    /// What happened last, oldest first.
    pub last: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.last {
            writeln!(f, "{line}")?;
        }
        writeln!(f, "seed {} failed at step {}: {}", self.seed, self.step, self.finding)?;
        write!(f, "replay: cargo run -p bindery-sim -- --seed {} --trace", self.seed)
    }
}

/// Runs a seed. A failing one is run again, to tell what happened last.
///
/// # Errors
/// A broken promise, or a panic of the engine.
pub fn run(seed: u64) -> Result<Report, Box<Failure>> {
    play(seed, Trace::default()).or_else(|_| play(seed, Trace::on(false)))
}

/// Runs a seed and prints everything that happens.
///
/// # Errors
/// See [`run`].
pub fn replay(seed: u64) -> Result<Report, Box<Failure>> {
    play(seed, Trace::on(true))
}

/// Keeps the messages of panics, which [`run`] catches and tells in [`Failure::finding`], off stderr.
pub fn quiet_panics() {
    std::panic::set_hook(Box::new(|_| {}));
}

fn play(seed: u64, trace: Trace) -> Result<Report, Box<Failure>> {
    let mut steps = 0;
    let ran = catch_unwind(AssertUnwindSafe(|| {
        let mut world = World::new(seed, trace.clone());
        let until = world.rates.secs * SEC;
        let done = world.run(until).and_then(|()| world.settle());
        steps = world.steps;
        let report = Report {
            steps,
            acks: world.auditor.acks,
            naks: world.auditor.naks,
            forcerenews: world.auditor.forcerenews,
            obeyed: world.clients.iter().map(|client| client.obeyed).sum(),
            moved: world.auditor.moved_clients,
            questions: world.auditor.questions,
            news: world.auditor.news,
            boots: u64::from(world.boot) + 1,
        };
        done.map(|()| report)
    }));
    let finding = match ran {
        Ok(Ok(report)) => return Ok(report),
        Ok(Err(finding)) => finding,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned())).unwrap_or_default()
        }
    };
    Err(Box::new(Failure { seed, step: steps, finding, last: trace.last(LAST) }))
}
