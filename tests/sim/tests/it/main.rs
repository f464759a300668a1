//! The seeds of the CI, on two threads. `BINDERY_SIM_SEEDS` and `BINDERY_SIM_FROM` choose others.

use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

/// Seeds in every run of the tests.
const SEEDS: u64 = 5_000;
const THREADS: usize = 2;
/// Failures that are told in full.
const TOLD: usize = 3;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text}")))
}

#[test]
fn every_seed_keeps_the_promises() {
    let (from, seeds) = (number("BINDERY_SIM_FROM", 0), number("BINDERY_SIM_SEEDS", SEEDS));
    bindery_sim::quiet_panics();
    let next = AtomicU64::new(from);
    let work = || {
        let (mut failures, mut sums) = (Vec::new(), [0; 8]);
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= from + seeds || failures.len() >= TOLD {
                return (failures, sums);
            }
            match bindery_sim::run(seed) {
                Ok(r) => {
                    let of = [r.acks, r.naks, r.boots, r.forcerenews, r.obeyed, r.moved, r.questions, r.news];
                    sums.iter_mut().zip(of).for_each(|(sum, of)| *sum += of);
                }
                Err(failure) => failures.push(failure),
            }
        }
    };
    let results: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|t| t.join().expect("a simulation thread ended")).collect()
    });
    let _ = std::panic::take_hook();
    let (mut failed, mut total) = (Vec::new(), [0; 8]);
    for (failures, sums) in results {
        failed.extend(failures);
        total.iter_mut().zip(sums).for_each(|(total, sum)| *total += sum);
    }
    let [acks, naks, boots, forcerenews, obeyed, moved, questions, news] = total;
    println!("{seeds} seeds from {from}: {acks} ACKs, {naks} NAKs, {boots} starts");
    println!("{forcerenews} FORCERENEWs, {obeyed} obeyed, {moved} clients moved");
    println!("{questions} questions to authorities, {news} events of sessions");
    for failure in &failed {
        println!("{failure}\n");
    }
    assert!(failed.is_empty(), "{} seeds failed", failed.len());
    // A simulator in which nothing happens would find nothing.
    assert!(acks > 10 * seeds && naks > seeds / 10 && boots > seeds, "too little happened");
    assert!(forcerenews > seeds && obeyed > seeds / 5 && moved > seeds / 5, "too few reconfigurations");
    assert!(questions > seeds && news > seeds, "too little asked and told");
}

#[test]
fn a_seed_is_the_same_run_each_time() {
    for seed in 0..20 {
        assert_eq!(bindery_sim::run(seed).ok(), bindery_sim::run(seed).ok(), "seed {seed}");
    }
}

#[test]
fn the_auditor_knows_nothing_of_the_engine_but_its_records() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/audit");
    let mut files = 0;
    for entry in fs::read_dir(folder).expect("the auditor's folder") {
        let path = entry.expect("an entry").path();
        let text = fs::read_to_string(&path).expect("a source file");
        files += 1;
        for (at, line) in text.lines().enumerate() {
            for (found, name) in line.match_indices("bindery_engine") {
                let rest = &line[found + name.len()..];
                assert!(rest.starts_with("::record::"), "{}:{}: {line}", path.display(), at + 1);
            }
            for module in ["plan", "client", "store", "kernel", "hooks", "world"] {
                assert!(!line.contains(&format!("crate::{module}")), "{}:{}: {line}", path.display(), at + 1);
            }
        }
    }
    assert!(files > 4);
}
