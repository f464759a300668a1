//! The power is cut at every write and every sync of a run of commits.

use anyhow::{Context, Result, bail};
use bindery_crash::{
    audit::{Batch, goes_on},
    run::{Judge, Tally, record},
    trace::Event,
    workload::{Batches, FILLERS, State},
};
use std::path::Path;

/// The traced program.
pub(crate) fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_crash_workload"))
}

/// Whether everything is wanted, however long it takes.
pub(crate) fn long() -> bool {
    std::env::var_os("BINDERY_CRASH_LONG").is_some()
}

struct Commits {
    /// Batches before the first state.
    first: u64,
    states: Vec<State>,
    known: Batch,
}

impl Commits {
    fn new(mut batches: Batches, first: u64, count: u64) -> Self {
        (0..first).for_each(|_| drop(batches.next_batch()));
        let mut states = vec![batches.state.clone()];
        for _ in 0..count {
            batches.next_batch();
            states.push(batches.state.clone());
        }
        Self { first, states, known: Batch { acknowledged: first, begun: first } }
    }
}

impl Judge for Commits {
    fn note(&mut self, note: &str) -> Result<()> {
        let (word, number) = note.split_once(' ').context("no number")?;
        match word {
            "B" => self.known.begun = number.parse()?,
            "A" => self.known.acknowledged = number.parse()?,
            _ => bail!("unknown"),
        }
        Ok(())
    }

    fn mark(&self) -> u64 {
        self.known.acknowledged + self.known.begun
    }

    fn judge(&mut self, path: &Path, further: bool) -> Result<()> {
        let (store, state) = self.known.check(path, self.first, &self.states)?;
        if further { goes_on(path, store, state) } else { Ok(()) }
    }
}

#[test]
fn every_acknowledged_batch_survives_every_cut() {
    let (seeds, count, stride) = if long() { (20, 400, 1) } else { (2, 150, 4) };
    let mut sum = Tally::default();
    for seed in 1..=seeds {
        let recording = record(program(), "", "batches", seed, count, "").unwrap();
        let tally =
            recording.cut(seed, stride, 0..usize::MAX, &mut Commits::new(Batches::new(seed), 0, count)).unwrap();
        println!("seed {seed}: {} events, {tally:?}", recording.events.len());
        sum.cuts += tally.cuts;
        sum.images += tally.images;
    }
    println!("in all {sum:?}");
    assert!(sum.images > sum.cuts / 2);
}

/// The moment when the engine seals its journal, begins another, and removes the first once its tables are written.
#[test]
fn a_new_journal_loses_nothing() {
    let (seed, count) = (11, 60);
    let recording = record(program(), "fill", "filled", seed, count, "").unwrap();
    let journal = |path: &Path| path.extension().is_some_and(|extension| extension == "jnl");
    let made = |event: &Event| matches!(event, Event::Open { path, created: true, .. } if journal(path));
    let gone = |event: &Event| matches!(event, Event::Unlink { path } if journal(path));
    let made = recording.events.iter().position(made).expect("no journal was begun");
    let gone = recording.events.iter().position(gone).expect("no journal was removed");
    let mut judge = Commits::new(Batches::with_fillers(seed), FILLERS, count);
    // Around both, and sparsely between: each image has 64 MB.
    let stride = if long() { 1 } else { 15 };
    let window = made - 4..(made + 30).max(gone + 6);
    let tally = recording.cut(seed, stride, window.clone(), &mut judge).unwrap();
    println!("{} events, made at {made}, gone at {gone}: {tally:?} in {window:?}", recording.events.len());
    assert!(tally.images > 0);
}

/// The judge must be able to say no: a disk whose syncs do nothing loses batches, and it must see that.
#[test]
fn a_disk_that_lies_is_found_out() {
    let mut recording = record(program(), "", "batches", 7, 30, "").unwrap();
    let journal =
        |event: &Event| matches!(event, Event::Open { path, .. } if path.extension().is_some_and(|e| e == "jnl"));
    let fds: Vec<_> = recording
        .events
        .iter()
        .filter(|event| journal(event))
        .map(|event| if let Event::Open { fd, .. } = event { *fd } else { -1 })
        .collect();
    let last = recording.events.len() - 1;
    let mut kept = 0;
    recording.events.retain(|event| {
        kept += 1;
        kept > last || !matches!(event, Event::Sync { fd, .. } if fds.contains(fd))
    });
    let error = recording.cut(7, 5, 0..usize::MAX, &mut Commits::new(Batches::new(7), 0, 30)).unwrap_err();
    let text = format!("{error:#}");
    assert!(text.contains("is lost") || text.contains("does not open"), "{text}");
}
