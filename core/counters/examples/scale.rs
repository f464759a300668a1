//! What counting costs: additions, reads and removals of many subscribers, in the network namespace that it is run in.
//!
//! `cargo build --release -p bindery-counters --example scale && unshare -n target/release/examples/scale`

use anyhow::{Context, Result};
use bindery_counters::{Plane, PlaneSettings};
use bindery_types::Ipv4Addr;
use std::{
    env,
    time::{Duration, Instant},
};

/// So many singly.
const SINGLY: usize = 1_000;

fn main() -> Result<()> {
    let count: u32 = env::args().nth(1).map_or(Ok(10_000), |count| count.parse()).context("how many subscribers")?;
    let settings = PlaneSettings { table: "bindery-scale".into() };
    let mut plane = Plane::open(settings)?;
    let all: Vec<Ipv4Addr> = (0..count).map(|number| Ipv4Addr::from_bits(0x0a00_0000 + number)).collect();
    timed("added, all at once", all.len(), || plane.add(&all))?;
    timed("read, all at once", all.len(), || plane.read(&all).map(drop))?;
    let some: Vec<Ipv4Addr> = all.iter().copied().step_by((all.len() / SINGLY).max(1)).collect();
    timed("read, one a call", some.len(), || some.iter().try_for_each(|one| plane.read(&[*one]).map(drop)))?;
    timed("read, 256 a call", all.len(), || all.chunks(256).try_for_each(|part| plane.read(part).map(drop)))?;
    timed("removed, one a call", some.len(), || some.iter().try_for_each(|one| plane.remove(&[*one]).map(drop)))?;
    timed("added, one a call", some.len(), || some.iter().try_for_each(|one| plane.add(&[*one])))?;
    timed("removed, all at once", all.len(), || plane.remove(&all).map(drop))?;
    Ok(plane.close(true)?)
}

fn timed<E>(what: &str, count: usize, work: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
    let start = Instant::now();
    work()?;
    let taken = start.elapsed();
    let each = taken / u32::try_from(count).unwrap_or(u32::MAX).max(1);
    let rate = Duration::from_secs(1).as_nanos() / each.as_nanos().max(1);
    println!("{what:22} {count:>8}: {taken:>12.3?}, {each:>10.3?} each, {rate:>9} a second");
    Ok(())
}
