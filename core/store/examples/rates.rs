//! What a commit costs: records per second, CPU per record, and the size on disk, by batch size.
//!
//! `cargo run --release -p bindery-store --example rates [SESSIONS] [SECONDS]`

use bindery_store::{FjallStore, Storage, contract};
use std::{path::Path, time::Instant};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let sessions: u64 = arguments.next().map_or(Ok(100_000), |text| text.parse())?;
    let seconds: u64 = arguments.next().map_or(Ok(4), |text| text.parse())?;
    let directory = tempfile::tempdir()?;
    let mut store = FjallStore::open(directory.path())?;
    store.load(&mut |_| {})?;
    run("insert", 256, &mut store, directory.path(), |done| (done < sessions).then(|| contract::put(done + 1, done)))?;
    let mut change = sessions;
    for batch in [1, 32, 256, 1024] {
        let end = Instant::now() + std::time::Duration::from_secs(seconds);
        run("renew", batch, &mut store, directory.path(), |_| {
            change += 1;
            // A full-period walk over all sessions in an order that is not that of the keys.
            (Instant::now() < end).then(|| contract::renew(change.wrapping_mul(7_368_787) % sessions + 1, change))
        })?;
    }
    drop(store);
    let began = Instant::now();
    let mut store = FjallStore::open(directory.path())?;
    let opened = began.elapsed();
    let mut count = 0;
    store.load(&mut |_| count += 1)?;
    println!("reopen {:.3} s, load {count} in {:.3} s", opened.as_secs_f64(), (began.elapsed() - opened).as_secs_f64());
    Ok(())
}

fn run(
    what: &str,
    size: usize,
    store: &mut FjallStore,
    directory: &Path,
    mut next: impl FnMut(u64) -> Option<bindery_engine::output::StoreOp>,
) -> Result<(), Box<dyn std::error::Error>> {
    let (mut done, mut worst) = (0, 0.0f64);
    let (began, cpu) = (Instant::now(), cpu_seconds()?);
    loop {
        let mut batch = Vec::with_capacity(size);
        while batch.len() < size {
            let Some(op) = next(done + batch.len() as u64) else {
                break;
            };
            batch.push(op);
        }
        if batch.is_empty() {
            break;
        }
        let commit = Instant::now();
        store.commit(&batch)?;
        worst = worst.max(commit.elapsed().as_secs_f64());
        done += batch.len() as u64;
    }
    let (wall, cpu) = (began.elapsed().as_secs_f64(), cpu_seconds()? - cpu);
    println!(
        "{what:6} batch {size:4}: {:8.0} records/s, {:5.2} us CPU a record, worst commit {:6.1} ms, disk {:4} MiB",
        done as f64 / wall,
        cpu * 1e6 / done as f64,
        worst * 1e3,
        disk(directory)? >> 20,
    );
    Ok(())
}

/// CPU of all threads, user and system, in seconds; the clock tick of Linux is 10 ms everywhere that we run.
fn cpu_seconds() -> Result<f64, Box<dyn std::error::Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |n: usize| fields.get(n).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    Ok((ticks(11) + ticks(12)) / 100.0)
}

/// Allocated bytes below a directory.
fn disk(path: &Path) -> std::io::Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let mut sum = 0;
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        let meta = entry.metadata()?;
        sum += if meta.is_dir() { disk(&entry.path())? } else { meta.blocks() * 512 };
    }
    Ok(sum)
}
