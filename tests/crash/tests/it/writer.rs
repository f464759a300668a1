//! Faults while the writer runs, and the power cut around them.

use crate::batches::{long, program};
use anyhow::Result;
use bindery_crash::{
    audit::{Stream, goes_on},
    run::{Judge, record},
    trace::Event,
};
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

struct Mutations {
    stream: Stream,
    failed: bool,
    notes: u64,
}

impl Mutations {
    fn new(seed: u64) -> Self {
        Self { stream: Stream { seed, ..Stream::default() }, failed: false, notes: 0 }
    }
}

impl Judge for Mutations {
    fn note(&mut self, note: &str) -> Result<()> {
        self.notes += 1;
        self.stream.note(note, &mut self.failed)
    }

    fn mark(&self) -> u64 {
        self.notes
    }

    fn judge(&mut self, path: &Path, further: bool) -> Result<()> {
        let (store, state) = self.stream.check(path)?;
        if further { goes_on(path, store, state) } else { Ok(()) }
    }
}

const EIO: i32 = 5;
const ENOSPC: i32 = 28;

/// The files whose syncs failed.
fn failed_syncs(events: &[Event]) -> Vec<PathBuf> {
    let (mut open, mut failed) = (HashMap::new(), Vec::new());
    for event in events {
        match event {
            Event::Open { fd, path, .. } => drop(open.insert(*fd, path.clone())),
            Event::Sync { fd, failed: true } => failed.extend(open.get(fd).cloned()),
            _ => {}
        }
    }
    failed
}

/// What a run met.
struct Met {
    /// Times that the writer reported a failure.
    failures: usize,
    /// Files whose syncs failed.
    syncs: Vec<PathBuf>,
}

/// Runs the writer through `faults`; checks its protocol, every image, and what is there at the end.
fn run(seed: u64, faults: &str, error: &str) -> Met {
    let recording = record(program(), "", "writer", seed, 1000, faults).unwrap();
    let failures = recording.events.iter().filter(|event| **event == Event::Note("F".into())).count();
    assert!(failures == 0 || !faults.is_empty(), "{failures} failures without a fault");
    let told = |line: &str| line.contains(error) || line.contains("a write in the background failed");
    assert!(recording.output.lines().all(told), "{faults}: {}", recording.output);
    let mut judge = Mutations::new(seed);
    let tally = recording.cut(seed, if long() { 1 } else { 9 }, 0..usize::MAX, &mut judge).unwrap();
    assert!(!judge.failed);
    println!("seed {seed} faults '{faults}': {} events, {failures} failures, {tally:?}", recording.events.len());
    // At the end all that was reported is there, exactly.
    judge.judge(&recording.state(), true).unwrap();
    Met { failures, syncs: failed_syncs(&recording.events) }
}

/// One after the other; at least one must have struck where the writer feels it.
fn run_all(seed: u64, faults: impl IntoIterator<Item = String>, error: &str) {
    let failures: usize = faults.into_iter().map(|faults| run(seed, &faults, error).failures).sum();
    assert!(failures > 0, "no fault was felt");
}

#[test]
fn no_fault() {
    run(1, "", "");
}

/// Syncs that every run has at least, behind its first ones. A prime, so that steps of another length reach each.
const SYNCS: u64 = 61;

#[test]
fn a_sync_that_fails() {
    // Until it has been the journal's, several times: what its page cache then shows is not on the disk.
    let mut journals = 0;
    // Which sync is the journal's hangs on the threads, so each of these numbers is tried, far ones after near ones; behind
    // the last sync of a run nothing would ever fail.
    for from in (0..SYNCS).map(|at| 15 + 17 * at % SYNCS) {
        let failed = run(from, &format!("s:{from}:1:{EIO}"), "Input/output error");
        journals += failed.syncs.iter().filter(|path| path.extension().is_some_and(|e| e == "jnl")).count();
        if journals >= 3 {
            return;
        }
    }
    panic!("the journal's sync failed in {journals} of {SYNCS} runs");
}

#[test]
fn syncs_that_fail_for_a_while() {
    run_all(2, [format!("s:60:9:{EIO}")], "Input/output error");
}

#[test]
fn a_write_that_fails() {
    run_all(60, [60, 131].map(|from| format!("w:{from}:1:{EIO}")), "Input/output error");
}

#[test]
fn a_write_that_falls_short_of_a_full_disk() {
    run_all(3, [format!("w:80:1:0,wc:90:6:{ENOSPC}")], "no space left");
}

#[test]
fn a_full_disk_that_empties() {
    run_all(4, [format!("wc:120:8:{ENOSPC}")], "no space left");
}

#[test]
fn names_that_cannot_be_made() {
    run_all(5, [0, 5, 9, 14].map(|from| format!("c:{from}:2:{EIO}")), "Input/output error");
}
