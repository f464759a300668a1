//! The circuit breaker in front of real instances, with time from the test.

use std::time::{Duration, Instant};

use bindery_plugin_host::{BREAKER_FAILURES, BREAKER_OPEN, BreakerState, Failure, OnFailure, Outcome};

use crate::exchange::Exchange;
use crate::text;

const TRAPPED: Outcome = Outcome::Failed(Failure::Trap, OnFailure::Continue);
const HELD_BACK: Outcome = Outcome::Failed(Failure::BreakerOpen, OnFailure::Continue);

/// Traps if the client sent no option 43; else sets it.
const TRAP_FOR_SOME: &str = "
    (if (i32.eq (local.get 3) (i32.const 1)) (then (unreachable)))
    (call $set (local.get $exchange) (i32.const 43) (i32.const 0) (i32.const 1))
    (call $release (local.get $exchange))
    (i32.const 0)";

/// An exchange for which the guest traps, or not.
fn exchange(trap: bool) -> Exchange {
    let mut exchange = Exchange::new();
    exchange.meta.request_type = if trap { 1 } else { 3 };
    exchange
}

#[test]
fn opens_and_closes() {
    let mut plugin = text::plugin(TRAP_FOR_SOME);
    let start = Instant::now();
    for _ in 0..BREAKER_FAILURES {
        assert_eq!(plugin.shape_reply_at(&mut exchange(true), start), TRAPPED);
    }
    assert_eq!(plugin.stats_at(start).breaker, BreakerState::Open);
    let just_before = start + BREAKER_OPEN - Duration::from_nanos(1);
    let mut untouched = exchange(false);
    assert_eq!(plugin.shape_reply_at(&mut untouched, just_before), HELD_BACK);
    assert_eq!(untouched.reply, Exchange::new().reply);
    let restarts = plugin.stats().restarts;

    // The trial call fails: open again.
    let trial = start + BREAKER_OPEN;
    assert_eq!(plugin.stats_at(trial).breaker, BreakerState::HalfOpen);
    assert_eq!(plugin.shape_reply_at(&mut exchange(true), trial), TRAPPED);
    assert_eq!(plugin.stats().restarts, restarts + 1, "only the trial made an instance");
    assert_eq!(plugin.shape_reply_at(&mut exchange(false), trial), HELD_BACK);

    // The next trial is good: closed, and the past forgotten.
    let trial = trial + BREAKER_OPEN;
    assert_eq!(plugin.shape_reply_at(&mut exchange(false), trial), Outcome::Continue);
    assert_eq!(plugin.stats_at(trial).breaker, BreakerState::Closed);
    assert_eq!(plugin.shape_reply_at(&mut exchange(true), trial), TRAPPED);
    assert_eq!(plugin.shape_reply_at(&mut exchange(false), trial), Outcome::Continue);

    let stats = plugin.stats_at(trial);
    assert_eq!(stats.failed(Failure::BreakerOpen), 2);
    assert_eq!(stats.failed(Failure::Trap), BREAKER_FAILURES as u64 + 2);
    assert_eq!(stats.calls, BREAKER_FAILURES as u64 + 6);
}

#[test]
fn good_calls_between_do_not_hide_failures() {
    let mut plugin = text::plugin(TRAP_FOR_SOME);
    let start = Instant::now();
    for _ in 0..BREAKER_FAILURES {
        assert_eq!(plugin.shape_reply_at(&mut exchange(false), start), Outcome::Continue);
        assert_eq!(plugin.shape_reply_at(&mut exchange(true), start), TRAPPED);
    }
    assert_eq!(plugin.shape_reply_at(&mut exchange(false), start), HELD_BACK);
}
