//! What a call may do, and what the host does with each kind of failure.

use std::num::NonZero;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bindery_plugin_host::{BreakerState, Failure, OnFailure, Outcome, Plugin, Slow};

use crate::exchange::Exchange;
use crate::text::{self, Guest};

/// Call once; the outcome and the reply afterwards.
fn call(plugin: &mut Plugin) -> (Outcome, Exchange) {
    let mut exchange = Exchange::new();
    let outcome = plugin.shape_reply(&mut exchange);
    (outcome, exchange)
}

#[test]
fn changes_take_effect_after_a_good_call() {
    let mut plugin = text::plugin(text::GOOD);
    for calls in 1..=3 {
        let (outcome, exchange) = call(&mut plugin);
        assert_eq!(outcome, Outcome::Continue);
        assert_eq!(exchange.reply_option(43), Some(&[calls][..]), "one instance serves every call");
        assert_eq!(exchange.reply_option(12), Some(&b"host"[..]));
    }
    let stats = plugin.stats();
    assert_eq!((stats.calls, stats.failed_total(), stats.restarts), (3, 0, 0));
    assert_eq!(stats.memory_bytes, 65536);
    assert!(stats.time_p99 >= stats.time_p50 && stats.time_p50 > Duration::ZERO);
    assert!(stats.time_total > Duration::ZERO);
}

#[test]
fn a_drop_changes_nothing() {
    let mut plugin = text::plugin(text::DROP);
    let (outcome, exchange) = call(&mut plugin);
    assert_eq!(outcome, Outcome::Drop);
    assert_eq!(exchange.reply, Exchange::new().reply);
    let stats = plugin.stats();
    assert_eq!((stats.drops, stats.failed_total()), (1, 0));
}

#[test]
fn each_failure_is_told_and_changes_nothing() {
    let cases = [
        (text::SPIN, Failure::Deadline, 1),
        (text::TRAP, Failure::Trap, 1),
        (text::GROW, Failure::Memory, 1),
        (text::FLOOD, Failure::Output, 1),
        (text::HUGE, Failure::Output, 1),
        (text::KEEP, Failure::Trap, 1),
        (text::NO_VERDICT, Failure::Trap, 1),
        // Its instance did nothing wrong as an instance, and lives on.
        (text::REMOVE_FORBIDDEN, Failure::BadVerdict, 0),
    ];
    let host = text::host();
    for (shape, failure, restarts) in cases {
        for on_failure in [OnFailure::Continue, OnFailure::Drop] {
            let mut spec = Guest::new(shape).spec();
            spec.on_failure = on_failure;
            spec.deadline = Duration::from_millis(20);
            let mut plugin = host.load(&spec).unwrap();
            for turn in 0..2 {
                let (outcome, exchange) = call(&mut plugin);
                assert_eq!(outcome, Outcome::Failed(failure, on_failure), "{shape} turn {turn}");
                assert_eq!(exchange.reply, Exchange::new().reply, "{shape}");
            }
            let stats = plugin.stats();
            assert_eq!((stats.failed(failure), stats.failed_total()), (2, 2), "{shape}");
            assert_eq!(stats.restarts, restarts, "{shape}");
            assert!(!stats.last_failure.is_empty() && !stats.last_failure.contains('\n'));
            assert_eq!(stats.memory_bytes == 0, restarts == 1, "a dead instance holds no memory: {shape}");
        }
    }
}

#[test]
fn growth_within_the_limit_is_counted() {
    let grow_once = "(drop (memory.grow (i32.const 16))) (call $release (local.get $exchange)) (i32.const 0)";
    let mut plugin = text::plugin(grow_once);
    assert_eq!(call(&mut plugin).0, Outcome::Continue);
    assert_eq!(plugin.stats().memory_bytes, 17 * 65536);
}

#[test]
fn a_guest_that_copes_with_the_limit_is_no_failure() {
    let grow_and_cope = "
        (loop (br_if 0 (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))
        (call $release (local.get $exchange)) (i32.const 0)";
    let mut plugin = text::plugin(grow_and_cope);
    assert_eq!(call(&mut plugin).0, Outcome::Continue);
    assert!(plugin.stats().memory_bytes <= 16 << 20);
}

/// About 40 ms of work, or several times that on a slow machine.
const BUSY: &str = "
    (local $i i32)
    (loop (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if 0 (i32.lt_u (local.get $i) (i32.const 40000000))))
    (call $release (local.get $exchange)) (i32.const 0)";

#[test]
fn a_slow_call_within_its_deadline_is_good() {
    let mut spec = Guest::new(BUSY).spec();
    spec.deadline = Duration::from_secs(60);
    let mut plugin = text::host().load(&spec).unwrap();
    assert_eq!(plugin.slow(), None);
    assert_eq!(call(&mut plugin).0, Outcome::Continue);
    assert_eq!(plugin.slow(), Some(Slow::Budget), "but it holds up the packet thread");
}

#[test]
fn one_missed_deadline_makes_a_plugin_slow() {
    let mut plugin = text::plugin(text::SPIN);
    call(&mut plugin);
    assert_eq!(plugin.slow(), Some(Slow::Deadline));
}

#[test]
fn no_other_failure_and_no_number_of_quick_calls_makes_a_plugin_slow() {
    let mut trapping = text::plugin(text::TRAP);
    call(&mut trapping);
    assert_eq!(trapping.slow(), None);
    let mut quick = text::plugin(text::GOOD);
    let mut exchange = Exchange::new();
    for _ in 0..20_000 {
        quick.shape_reply(&mut exchange);
    }
    // A call that the machine held up is charged; one in a window is not enough.
    println!("{:?} in all", quick.stats().time_total);
    assert_ne!(quick.slow(), Some(Slow::Deadline));
}

/// Time in which other threads have the processor is not held against a plugin.
#[test]
fn a_busy_machine_is_no_failure() {
    let hogs = 30 * thread::available_parallelism().map_or(1, NonZero::get);
    let (ready, done) = (Barrier::new(hogs + 1), AtomicBool::new(false));
    let hog = || {
        ready.wait();
        while !done.load(Ordering::Relaxed) {
            std::hint::spin_loop();
        }
    };
    let deadline = Duration::from_millis(400);
    let mut spec = Guest::new(BUSY).spec();
    spec.deadline = deadline;
    let mut plugin = text::host().load(&spec).unwrap();
    thread::scope(|scope| {
        (0..hogs).for_each(|_| drop(scope.spawn(hog)));
        ready.wait();
        let outcomes = [0; 2].map(|_| call(&mut plugin).0);
        done.store(true, Ordering::Relaxed);
        assert_eq!(outcomes, [Outcome::Continue; 2], "{}", plugin.stats().last_failure);
    });
    // Else the machine was not busy enough to show anything.
    println!("{:?} for 2 calls of {deadline:?} each", plugin.stats().time_total);
}

#[test]
fn deadlines_outlive_the_host() {
    let mut plugin = text::plugin(text::SPIN);
    // `text::plugin` has dropped its host; the ticks must go on.
    let (outcome, _) = call(&mut plugin);
    assert_eq!(outcome, Outcome::Failed(Failure::Deadline, OnFailure::Continue));
}

#[test]
fn the_deadline_is_for_each_call() {
    // Whatever passed between calls does not count.
    let mut spec = Guest::new(text::GOOD).spec();
    spec.deadline = Duration::from_millis(1);
    let mut plugin = text::host().load(&spec).unwrap();
    let start = Instant::now();
    let mut done = 0;
    while start.elapsed() < Duration::from_millis(20) {
        let (outcome, _) = call(&mut plugin);
        // A loaded machine may take the processor away amid a call of 1 ms.
        done += u32::from(outcome == Outcome::Continue);
    }
    assert!(done > 3, "{done}");
}

#[test]
fn a_new_instance_after_a_trap() {
    let mut plugin = text::plugin(text::TRAP_ONCE);
    for turn in 1..=2 {
        assert_eq!(call(&mut plugin).0, Outcome::Failed(Failure::Trap, OnFailure::Continue));
        assert_eq!(plugin.stats().restarts, turn - 1, "state of the dead instance is gone");
    }
}

#[test]
fn a_reply_without_room_refuses_all_changes() {
    let mut plugin = text::plugin(text::GOOD);
    let mut exchange = Exchange::new();
    exchange.room = 0;
    let outcome = plugin.shape_reply(&mut exchange);
    assert_eq!(outcome, Outcome::Failed(Failure::BadVerdict, OnFailure::Continue));
    assert_eq!(exchange.reply, Exchange::new().reply);
    assert_eq!(plugin.stats().last_failure, "the reply is full");
}

#[test]
fn option_108_goes_only_to_who_asked() {
    let mut plugin = text::plugin(text::IPV6_ONLY);
    let (outcome, exchange) = call(&mut plugin);
    assert_eq!(outcome, Outcome::Continue);
    assert_eq!(exchange.reply_option(108), None);
    assert!(exchange.reply_option(43).is_some(), "the rest goes on");

    let mut exchange = Exchange::new();
    exchange.request.push((55, vec![108]));
    assert_eq!(plugin.shape_reply(&mut exchange), Outcome::Continue);
    assert_eq!(exchange.reply_option(108).map(<[u8]>::len), Some(4));
}

#[test]
fn stats_begin_empty() {
    let stats = text::plugin(text::GOOD).stats();
    assert_eq!((stats.calls, stats.drops, stats.failed_total(), stats.restarts), (0, 0, 0, 0));
    assert_eq!(stats.breaker, BreakerState::Closed);
    assert_eq!((stats.time_p50, stats.time_p99), (Duration::ZERO, Duration::ZERO));
}
