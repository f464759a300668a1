//! The process that is traced: `crash_workload batches|fill|filled|writer STATE_DIR NOTES SEED COUNT`.
//!
//! It writes what it was told is durable to NOTES, which the shim takes into its log.

use anyhow::{Context, Result, bail, ensure};
use bindery_crash::{
    audit::SMALL,
    random::Random,
    workload::{Batches, FILLERS, mutation},
};
use bindery_engine::{input::StoreSeq, output::Mutation};
use bindery_store::{FjallStore, Refused, Storage, StoreEvent, Writer};
use std::{
    collections::BTreeSet,
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [mode, state, notes, seed, count] = &arguments[..] else { bail!("five arguments, please") };
    let notes = File::options().create(true).append(true).open(notes)?;
    let (state, seed, count) = (Path::new(state), seed.parse()?, count.parse()?);
    match mode.as_str() {
        "batches" => batches(Batches::new(seed), state, &notes, seed, count).map(drop),
        "fill" => fill(state, seed),
        "filled" => {
            let mut batches_left = Batches::with_fillers(seed);
            (0..FILLERS).for_each(|_| drop(batches_left.next_batch()));
            let full = journals(state)?;
            ensure!(!full.is_empty(), "no journal is there");
            let store = batches(batches_left, state, &notes, seed, count)?;
            // The engine removes it when its tables are written, which may be after the last batch on a busy machine.
            let deadline = Instant::now() + Duration::from_secs(120);
            while journals(state)?.iter().any(|journal| full.contains(journal)) {
                ensure!(Instant::now() < deadline, "the full journal is never removed");
                std::thread::yield_now();
            }
            drop(store);
            Ok(())
        }
        "writer" => writer(state, notes, seed, count),
        other => bail!("unknown mode {other}"),
    }
}

/// Puts a line into the shim's log: by one write, which is one event there.
fn note(mut notes: &File, line: &str) -> Result<()> {
    Ok(notes.write_all(line.as_bytes())?)
}

/// The journals in a database's directory.
fn journals(state: &Path) -> Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    let mut open = vec![state.to_path_buf()];
    while let Some(directory) = open.pop() {
        for entry in directory.read_dir().with_context(|| directory.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "jnl") {
                found.insert(path);
            }
        }
    }
    Ok(found)
}

/// Commits batch after batch, and opens the database anew now and then.
fn batches(mut batches: Batches, state: &Path, notes: &File, seed: u64, count: u64) -> Result<FjallStore> {
    let mut random = Random::new(!seed);
    let mut store = FjallStore::open_with(state, SMALL)?;
    let before = store.acknowledged();
    for number in before + 1..=before + count {
        let batch = batches.next_batch();
        note(notes, &format!("B {number}"))?;
        store.commit(&batch)?;
        note(notes, &format!("A {number}"))?;
        if random.chance(40) {
            drop(store);
            store = FjallStore::open_with(state, SMALL)?;
        }
    }
    Ok(store)
}

/// Brings the journal to the length at which the engine begins another; nobody watches.
fn fill(state: &Path, seed: u64) -> Result<()> {
    let mut batches = Batches::with_fillers(seed);
    let mut store = FjallStore::open(state)?;
    for _ in 0..FILLERS {
        store.commit(&batches.next_batch())?;
    }
    Ok(())
}

/// How many times `count` mutations are sent at most: a fault may strike where nothing fails of it, as at the removal
/// of an old table.
const PATIENCE: u64 = 4;

/// Sends mutations to a writer as the daemon does, until `count` are durable and the faults, if any, have struck.
fn writer(state: &Path, notes: File, seed: u64, count: u64) -> Result<()> {
    let mut store = FjallStore::open_with(state, SMALL)?;
    store.load(&mut |_| {})?;
    let notes = Arc::new(notes);
    let (report, events) = mpsc::channel();
    let (log, errors) = (Arc::clone(&notes), Arc::new(std::sync::Mutex::new(Vec::new())));
    let failures = Arc::clone(&errors);
    let writer = Writer::start(
        Box::new(store),
        100,
        Box::new(move |event| {
            let line = match &event {
                StoreEvent::Durable { up_to } => format!("D {}", up_to.0),
                StoreEvent::Failed(error) => {
                    failures.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(error.to_string());
                    "F".to_string()
                }
                StoreEvent::Ready => "R".to_string(),
            };
            note(&log, &line).expect("the shim takes every note");
            let _ = report.send(event);
        }),
    )?;
    let mut random = Random::new(!seed);
    let faulty = std::env::var_os("BINDERY_TRACE_FAULT").is_some_and(|rules| !rules.is_empty());
    let (mut epoch, mut next, mut durable, mut open) = (0, 1, 0, true);
    note(&notes, "E 1")?;
    while durable < count || (faulty && epoch == 0 && durable < PATIENCE * count) {
        let mut batch: Vec<_> = (0..1 + random.below(30))
            .map(|n| Mutation { seq: StoreSeq(next + n), epoch, op: mutation(seed, next + n) })
            .collect();
        let len = batch.len() as u64;
        match writer.submit(&mut batch) {
            Ok(()) => next += len,
            Err(Refused::Full) => {}
            Err(Refused::Stopped) => bail!("the store thread ended"),
        }
        let full = !batch.is_empty();
        loop {
            let event = if full || !open {
                events.recv_timeout(Duration::from_secs(60)).context("no word of the writer")?
            } else {
                let Ok(event) = events.try_recv() else { break };
                event
            };
            match event {
                StoreEvent::Durable { up_to } => durable = up_to.0,
                StoreEvent::Failed(_) => open = false,
                StoreEvent::Ready => {
                    // A new epoch: what was not durable is as if it had never been, and its positions are not reused.
                    (epoch, open) = (epoch + 1, true);
                    note(&notes, &format!("E {next}"))?;
                }
            }
            if full && open {
                break;
            }
        }
    }
    let stats = writer.shutdown();
    ensure!(stats.depth == 0, "{} mutations are left", stats.depth);
    for error in errors.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).iter() {
        println!("{error}");
    }
    Ok(())
}
