//! What a call into a native driver costs: `cargo run --release -p bindery-plugin-native --example cost [DRIVER.so]`.
//!
//! Without a driver it builds one that does nothing, so that what is left is the way there and back: the engine's
//! operations made into those of the interface, the call, the results looked at.

use bindery_engine::route::{Destination, Driver, ForwardingPlane, Route, RouteChange, RouteOp, RouteSeq};
use bindery_plugin_native::Library;
use bindery_types::{IfIndex, InstanceId, Ipv4Addr, MacAddr};
use std::{
    env,
    error::Error,
    hint::black_box,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

const ROUNDS: usize = 21;
const OPS_PER_ROUND: usize = 1 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let path = match env::args_os().nth(1) {
        Some(path) => PathBuf::from(path),
        None => idle_driver(folder.path())?,
    };
    let library = Library::load(&path)?;
    let mut plane = library.open(&[], |_| {})?;
    println!("{} {}", library.name(), library.version());
    println!("| call | ns a call | ns an operation |\n|---|---|---|");
    for batch in [1, 16, 64, 256] {
        let ops: Vec<_> = (0..batch).map(op).collect();
        let mut failed = Vec::new();
        let ns = median(batch, || plane.apply(black_box(&ops), &mut failed).map_err(Into::into))?;
        println!("| apply of {batch} | {ns:.1} | {:.1} |", ns / batch as f64);
    }
    for batch in [1, 256] {
        let of: Vec<_> = (0..batch).map(|number| Destination::host(InstanceId(0), dst(number))).collect();
        let mut counted = Vec::new();
        let ns = median(batch, || {
            counted.clear();
            plane.read_counters(black_box(&of), &mut counted).map_err(Into::into)
        })?;
        println!("| read_counters of {batch} | {ns:.1} | {:.1} |", ns / batch as f64);
    }
    Ok(())
}

fn idle_driver(folder: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = folder.join("idle.so");
    let done = Command::new("cc")
        .args(["-std=c11", "-O2", "-fPIC", "-shared", "-pthread", "-D_GNU_SOURCE", "-I"])
        .arg(here.join("include"))
        .arg("-o")
        .arg(&path)
        .arg(here.join("tests/fixtures/odd.c"))
        .status()?;
    if done.success() { Ok(path) } else { Err("the driver does not compile".into()) }
}

fn dst(number: usize) -> Ipv4Addr {
    Ipv4Addr::from_bits(Ipv4Addr::new(10, 0, 0, 0).to_bits() + number as u32)
}

fn op(number: usize) -> RouteOp {
    let route = Route {
        src: Some(Ipv4Addr::new(10, 0, 0, 1)),
        neighbour: Some(MacAddr([2, 0, 0, 0, 0, 1])),
        ..Route::host(InstanceId(0), dst(number), IfIndex(2))
    };
    RouteOp { seq: RouteSeq(number as u64), urgent: true, change: RouteChange::Set(route) }
}

/// Nanoseconds a call, the median of the rounds.
fn median(batch: usize, mut call: impl FnMut() -> Result<(), Box<dyn Error>>) -> Result<f64, Box<dyn Error>> {
    let calls = OPS_PER_ROUND / batch;
    let mut rounds = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for _ in 0..calls {
            call()?;
        }
        rounds.push(start.elapsed().as_nanos() as f64 / calls as f64);
    }
    rounds.sort_by(f64::total_cmp);
    Ok(rounds[ROUNDS / 2])
}
