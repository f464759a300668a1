//! How long a call may run, measured as processor time of its thread.
//!
//! A guest cannot wait for anything, so on an idle machine its processor time is the time that passes. On a
//! busy one the thread also stands in the kernel's run queue, often for longer than a deadline: counting
//! that would make plugins fail, and the breaker open, just when the load is highest.
//!
//! Ticks of the epoch are cheap but measure time that passes. So they only raise the question, and the
//! thread's processor clock answers it.

use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};
use wasmtime::UpdateDeadline;

/// How old a reading of the processor clock may be. Reading it is a system call, of which a busy thread should
/// not make one for each packet.
const READING_AGE_MAX: Duration = Duration::from_millis(1);

/// Ticks that are certain to be at least `time`: the first one may come at once.
pub(crate) fn ticks(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).saturating_add(1)
}

/// Processor time of this thread; none if the kernel does not tell.
fn processor_time() -> Option<Duration> {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).ok().map(Duration::from)
}

/// A reading of the processor clock.
#[derive(Debug, Clone, Copy)]
struct Reading {
    thread: ThreadId,
    at: Instant,
    processor: Option<Duration>,
}

/// The latest reading, for all calls of a plugin.
#[derive(Debug, Default)]
pub(crate) struct Meter(Option<Reading>);

impl Meter {
    /// What of the time `took` since the latest deadline was made this thread had the processor. For a short time all
    /// of it: asking costs a system call.
    pub(crate) fn processor_part(&self, took: Duration) -> Duration {
        let then = self.0.filter(|reading| took >= READING_AGE_MAX && reading.thread == thread::current().id());
        let used = then.and_then(|reading| processor_time()?.checked_sub(reading.processor?));
        used.map_or(took, |used| used.min(took))
    }

    /// The deadline of a call that starts at `now` and may take `limit`.
    pub(crate) fn deadline(&mut self, now: Instant, limit: Duration) -> Deadline {
        let thread = thread::current().id();
        let age = |reading: &Reading| now.saturating_duration_since(reading.at);
        let reading = match self.0 {
            Some(reading) if reading.thread == thread && age(&reading) < READING_AGE_MAX => reading,
            _ => *self.0.insert(Reading { thread, at: now, processor: processor_time() }),
        };
        Deadline {
            processor: reading.processor,
            // What the thread did since the reading is not the guest's.
            limit: limit + age(&reading),
        }
    }
}

/// When a call has had its time.
#[derive(Debug, Default)]
pub(crate) struct Deadline {
    processor: Option<Duration>,
    limit: Duration,
}

impl Deadline {
    /// What to do with a call whose ticks are up.
    pub(crate) fn decide(&self) -> UpdateDeadline {
        match self.remaining(processor_time()) {
            Some(remaining) => UpdateDeadline::Continue(ticks(remaining)),
            None => UpdateDeadline::Interrupt,
        }
    }

    fn remaining(&self, now: Option<Duration>) -> Option<Duration> {
        let used = now?.saturating_sub(self.processor?);
        self.limit.checked_sub(used).filter(|remaining| !remaining.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn only_processor_time_counts() {
        let deadline = Deadline { processor: Some(70 * MS), limit: 5 * MS };
        assert_eq!(deadline.remaining(Some(70 * MS)), Some(5 * MS));
        assert_eq!(deadline.remaining(Some(74 * MS)), Some(MS));
        assert_eq!(deadline.remaining(Some(75 * MS)), None);
        assert_eq!(deadline.remaining(Some(90 * MS)), None);
        assert_eq!(deadline.remaining(None), None, "without a clock, ticks decide");
    }

    #[test]
    fn readings_are_used_again_for_a_tick_and_on_one_thread() {
        let mut meter = Meter::default();
        let start = Instant::now();
        let first = meter.deadline(start, 5 * MS);
        assert_eq!(first.limit, 5 * MS);
        let second = meter.deadline(start + MS / 2, 5 * MS);
        assert_eq!((second.processor, second.limit), (first.processor, 5 * MS + MS / 2));
        let third = meter.deadline(start + MS, 5 * MS);
        assert_eq!(third.limit, 5 * MS);
        assert!(third.processor >= second.processor);
        let reading = meter.0.unwrap();
        let elsewhere = thread::spawn(move || {
            let deadline = meter.deadline(start + MS, 5 * MS);
            (deadline, meter.0.unwrap().thread)
        });
        let (deadline, thread) = elsewhere.join().unwrap();
        assert_ne!(thread, reading.thread);
        assert_eq!(deadline.limit, 5 * MS);
    }

    #[test]
    fn ticks_round_up() {
        assert_eq!([Duration::ZERO, MS / 2, MS, 5 * MS].map(ticks), [1, 1, 2, 6]);
    }
}
