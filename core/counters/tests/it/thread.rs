//! The plane on its thread.

use crate::lab::{Lab, counted, subscriber};
use bindery_counters::{CounterThread, PlaneSettings, Retained, ThreadError};
use std::{sync::mpsc, time::Duration};

/// Asks by a handle and waits for the answer.
fn answer<T: Send + 'static>(ask: impl FnOnce(Box<dyn FnOnce(T) + Send>)) -> T {
    let (done, result) = mpsc::channel();
    ask(Box::new(move |answer| {
        let _ = done.send(answer);
    }));
    result.recv_timeout(Duration::from_secs(60)).expect("an answer")
}

#[test]
fn requests_are_carried_out_in_order_and_an_ended_thread_says_so() {
    let Some(lab) = Lab::new("counters-thread") else { return };
    let start = || CounterThread::start(PlaneSettings::default());
    let thread = lab.router.run(start).expect("started");
    let handle = thread.handle();
    let [one, two] = [1, 2].map(subscriber);
    // Nobody waits for these two; the third comes after them.
    handle.add(vec![one], |_| {});
    handle.add(vec![two], |_| {});
    assert_eq!(answer(|done| handle.read(vec![one, two], done)), Ok(vec![counted(0, 0, 0, 0); 2]));
    lab.send_up(one, 3, 100);
    assert_eq!(answer(|done| handle.read(vec![one], done)), Ok(vec![counted(3, 300, 0, 0)]));
    drop(thread);
    assert_eq!(answer(|done| handle.read(vec![one], done)), Err(ThreadError::Ended));
    assert_eq!(answer(|done| handle.add(vec![one], done)), Err(ThreadError::Ended));

    lab.send_up(one, 1, 100);
    let thread = lab.router.run(start).expect("started");
    let handle = thread.handle();
    let kept = Retained { kept: 1, removed: 1, added: 0 };
    assert_eq!(answer(|done| handle.retain(vec![one], done)), Ok(kept));
    lab.router.sh("nft flush ruleset");
    assert_eq!(answer(|done| handle.remove(vec![one, two], done)), Ok(vec![counted(4, 400, 0, 0), None]));
    assert_eq!(handle.repairs(), 1);
    thread.delete().expect("removed");
    assert_eq!(lab.router.sh("nft list tables"), "");
}
