//! The power is cut at every write and every sync of a run of commits.

use anyhow::{Context, Result, bail};
use bindery_crash::{
    audit::{Batch, goes_on},
    run::{Judge, Tally, record},
    trace::Event,
    workload::{Batches, State},
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
    states: Vec<State>,
    known: Batch,
}

impl Commits {
    fn new(seed: u64, count: u64) -> Self {
        let mut batches = Batches::new(seed);
        let mut states = vec![State::default()];
        for _ in 0..count {
            batches.next_batch();
            states.push(batches.state.clone());
        }
        Self { states, known: Batch::default() }
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
        let (store, state) = self.known.check(path, &self.states)?;
        if further { goes_on(path, store, state) } else { Ok(()) }
    }
}

#[test]
fn every_acknowledged_batch_survives_every_cut() {
    let (seeds, count, stride) = if long() { (20, 400, 1) } else { (2, 150, 3) };
    let mut sum = Tally::default();
    for seed in 1..=seeds {
        let recording = record(program(), "batches", seed, count, "").unwrap();
        let tally = recording.cut(seed, stride, &mut Commits::new(seed, count)).unwrap();
        println!("seed {seed}: {} events, {tally:?}", recording.events.len());
        sum.cuts += tally.cuts;
        sum.images += tally.images;
    }
    println!("in all {sum:?}");
    assert!(sum.images > sum.cuts / 2);
}

/// The judge must be able to say no: a disk whose syncs do nothing loses batches, and it must see that.
#[test]
fn a_disk_that_lies_is_found_out() {
    let mut recording = record(program(), "batches", 7, 30, "").unwrap();
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
    let error = recording.cut(7, 5, &mut Commits::new(7, 30)).unwrap_err();
    let text = format!("{error:#}");
    assert!(text.contains("is lost") || text.contains("does not open"), "{text}");
}
