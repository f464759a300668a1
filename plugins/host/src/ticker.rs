//! The clock of deadlines: a thread that advances the engine's epoch every millisecond while guests run, and sleeps when
//! none does. An idle router has nothing to wake up for.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use wasmtime::Engine;

/// One tick.
const TICK: Duration = Duration::from_millis(1);

/// Ticks without a call after which the thread sleeps: to wake it is a system call, which only the first call after a
/// pause makes.
const IDLE_TICKS: u32 = 100;

/// What calls and the thread tell each other.
#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    /// Calls that run.
    running: AtomicU32,
    /// Calls that ever began.
    begun: AtomicU64,
    /// The thread sleeps until a call begins.
    asleep: AtomicBool,
}

/// Owns the thread; it ends with the last owner.
///
/// Every plugin holds one, not only the host: without ticks no deadline would ever pass.
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// A guest runs: the ticks go on until this is dropped.
pub(crate) struct Running<'a>(&'a Shared);

impl Ticker {
    pub(crate) fn start(engine: Engine) -> io::Result<Ticker> {
        Ticker::ticking(move || engine.increment_epoch())
    }

    fn ticking(tick: impl Fn() + Send + 'static) -> io::Result<Ticker> {
        let shared = Arc::new(Shared::default());
        let told = Arc::clone(&shared);
        let thread = thread::Builder::new().name("plugin-epoch".into()).spawn(move || run(&told, tick))?;
        Ok(Ticker { shared, thread: Some(thread) })
    }

    /// A guest is about to run. A deadline is set after this.
    pub(crate) fn running(&self) -> Running<'_> {
        let Shared { running, begun, asleep, .. } = &*self.shared;
        begun.fetch_add(1, Ordering::Relaxed);
        running.fetch_add(1, Ordering::SeqCst);
        if asleep.load(Ordering::SeqCst)
            && asleep.swap(false, Ordering::SeqCst)
            && let Some(thread) = &self.thread
        {
            thread.thread().unpark();
        }
        Running(&self.shared)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Ticks until the end.
fn run(shared: &Shared, tick: impl Fn()) {
    let (mut idle, mut seen) = (0, 0);
    while !shared.stop.load(Ordering::SeqCst) {
        // May wake early; an early tick shortens a deadline by less than the extra tick it has.
        thread::park_timeout(TICK);
        tick();
        let begun = shared.begun.load(Ordering::Relaxed);
        idle = if begun == seen { idle + 1 } else { 0 };
        seen = begun;
        if idle >= IDLE_TICKS {
            sleep(shared);
            idle = 0;
        }
    }
}

/// Sleeps until a call begins; not at all while one runs.
fn sleep(shared: &Shared) {
    // Either this sees a call that has begun, or that call sees this.
    shared.asleep.store(true, Ordering::SeqCst);
    if shared.running.load(Ordering::SeqCst) > 0 {
        shared.asleep.store(false, Ordering::SeqCst);
    }
    while shared.asleep.load(Ordering::SeqCst) && !shared.stop.load(Ordering::SeqCst) {
        thread::park();
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // The thread cannot panic; if it did, there is nothing left to stop.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn until(what: &str, holds: impl Fn() -> bool) {
        let end = Instant::now() + Duration::from_secs(60);
        while !holds() {
            assert!(Instant::now() < end, "{what}");
            thread::yield_now();
        }
    }

    #[test]
    fn it_ticks_while_a_guest_runs_and_sleeps_otherwise() {
        let ticks = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&ticks);
        let count = move || _ = counted.fetch_add(1, Ordering::SeqCst);
        let ticker = Ticker::ticking(count).unwrap();
        let sleeps = || ticker.shared.asleep.load(Ordering::SeqCst);
        for _ in 0..3 {
            until("it sleeps", sleeps);
            let running = ticker.running();
            assert!(!sleeps());
            // Longer than any pause: a guest that never ends must meet its deadline.
            let enough = ticks.load(Ordering::SeqCst) + 2 * u64::from(IDLE_TICKS);
            until("it ticks", || ticks.load(Ordering::SeqCst) >= enough);
            drop(running);
        }
        until("it sleeps again", sleeps);
        drop(ticker);
    }
}
