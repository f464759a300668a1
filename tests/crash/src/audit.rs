//! Opens a directory after the cut and judges what is in it.

use crate::workload::{State, mutation};
use anyhow::{Context, Result, bail, ensure};
use bindery_store::{FjallStore, Storage, Tuning, contract};
use std::path::Path;

/// A memtable so small that tables are written and compacted all the time.
pub const SMALL: Tuning = Tuning { memtable: 24 << 10 };

/// Opens the database in `state` and reads it. Returns the number of its last commit, too.
///
/// # Errors
/// When it does not open: after a lawful crash it must.
pub fn read(state: &Path) -> Result<(State, FjallStore)> {
    let mut store = FjallStore::open_with(state, SMALL).context("it does not open")?;
    let mut found = State::default();
    found.meta = store
        .load(&mut |session| {
            found.sessions.insert(session.lease.key.session.count(), session);
        })
        .context("it does not load")?;
    Ok((found, store))
}

/// Commits to a database after the crash, and reads that back: a recovery that works only once is none.
///
/// # Errors
/// When anything of it fails.
pub fn goes_on(path: &Path, mut store: FjallStore, mut state: State) -> Result<()> {
    let batch = [contract::put(1, 1 << 40), contract::put(1_000, 1 << 40), contract::delete(2)];
    store.commit(&batch).context("a commit after the recovery")?;
    batch.iter().for_each(|op| state.apply(op));
    drop(store);
    ensure!(read(path).context("after one more commit")?.0 == state, "one more commit left another state");
    Ok(())
}

/// What is known at one moment of a run of numbered batches.
#[derive(Clone, Copy, Debug, Default)]
pub struct Batch {
    /// Batches that were acknowledged: each of them has to be there.
    pub acknowledged: u64,
    /// Batches that were begun: none above may be there.
    pub begun: u64,
}

impl Batch {
    /// Judges the database in `path`; `states` are those after `first` batches, and after each further one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(self, path: &Path, first: u64, states: &[State]) -> Result<(FjallStore, State)> {
        let (found, store) = read(path)?;
        let commit = store.acknowledged();
        ensure!(commit >= self.acknowledged, "commit {} was acknowledged and is lost: {commit}", self.acknowledged);
        ensure!(commit <= self.begun, "commit {commit} was never begun: {}", self.begun);
        let expected =
            commit.checked_sub(first).and_then(|place| states.get(place as usize)).context("no such state")?;
        ensure!(found == *expected, "commit {commit} left another state: {}", difference(&found, expected));
        Ok((store, found))
    }
}

/// What is known at one moment of a run of a writer.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    /// Seed of the mutations.
    pub seed: u64,
    /// The state of all mutations that were reported durable.
    pub durable: State,
    /// The first position that was not; mutations from here on may be there, in order, without a gap. `None`: none may.
    pub next: Option<u64>,
}

impl Stream {
    /// Mutations that may be under way at once, and more.
    const WINDOW: u64 = 4_000;

    /// Takes a report into account: `D seq` durable, `F` failed, `R` ready, `E seq` an epoch that begins there.
    ///
    /// # Errors
    /// When the writer breaks its protocol.
    pub fn note(&mut self, note: &str, failed: &mut bool) -> Result<()> {
        let (word, number) = note.split_once(' ').unwrap_or((note, "0"));
        let number: u64 = number.parse()?;
        match word {
            "D" => {
                ensure!(!*failed, "durable while it was failed");
                let next = self.next.context("durable before anything was sent")?;
                ensure!(number >= next, "durable runs backwards");
                (next..=number).for_each(|seq| self.durable.apply(&mutation(self.seed, seq)));
                self.next = Some(number + 1);
            }
            "F" => {
                ensure!(!*failed, "failed twice");
                *failed = true;
            }
            "R" => {
                ensure!(*failed, "ready without a failure");
                *failed = false;
                self.next = None;
            }
            "E" => self.next = Some(number),
            _ => bail!("unknown note {note}"),
        }
        Ok(())
    }

    /// Judges the database in `path`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self, path: &Path) -> Result<(FjallStore, State)> {
        let (found, store) = read(path)?;
        let mut state = self.durable.clone();
        if state == found {
            return Ok((store, found));
        }
        if let Some(next) = self.next {
            for seq in next..next + Self::WINDOW {
                state.apply(&mutation(self.seed, seq));
                if state == found {
                    return Ok((store, found));
                }
            }
        }
        bail!("something durable is lost, or a batch is there in part: {}", difference(&found, &self.durable))
    }
}

/// The first few sessions that differ.
fn difference(found: &State, expected: &State) -> String {
    let counts = found.sessions.keys().chain(expected.sessions.keys());
    let mut differing: Vec<_> =
        counts.filter(|count| found.sessions.get(count) != expected.sessions.get(count)).collect();
    differing.sort();
    differing.dedup();
    format!("sessions {differing:?} differ; facts {:?} and {:?}", found.meta, expected.meta)
}
