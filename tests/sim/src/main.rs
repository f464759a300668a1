//! Replays one seed: `cargo run -p bindery-sim -- --seed N [--trace]`, or runs many: `--seeds N [--from M]
//! [--stop]`, with `--stop` until the first that fails.

use std::process::ExitCode;

const USAGE: &str = "usage: bindery-sim --seed N [--trace] | --seeds N [--from M] [--stop]";

fn main() -> ExitCode {
    let (mut seed, mut seeds, mut from, mut trace, mut stop) = (None, None, 0, false, false);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || words.next().and_then(|n| n.parse::<u64>().ok());
        match word.as_str() {
            "--seed" => seed = number(),
            "--seeds" => seeds = number(),
            "--from" => from = number().unwrap_or(0),
            "--trace" => trace = true,
            "--stop" => stop = true,
            _ => return usage(),
        }
    }
    match (seed, seeds) {
        (Some(seed), None) => one(seed, trace),
        (None, Some(seeds)) => many(from, seeds, stop),
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::from(2)
}

fn one(seed: u64, trace: bool) -> ExitCode {
    let ran = if trace { bindery_sim::replay(seed) } else { bindery_sim::run(seed) };
    match ran {
        Ok(report) => {
            println!("seed {seed}: {report:?}");
            ExitCode::SUCCESS
        }
        Err(failure) if trace => {
            println!("{}", failure.finding);
            ExitCode::FAILURE
        }
        Err(failure) => {
            println!("{failure}");
            ExitCode::FAILURE
        }
    }
}

fn many(from: u64, seeds: u64, stop: bool) -> ExitCode {
    bindery_sim::quiet_panics();
    let (mut failed, mut acks) = (0, 0);
    for seed in from..from + seeds {
        match bindery_sim::run(seed) {
            Ok(report) => acks += report.acks,
            Err(failure) => {
                failed += 1;
                println!("seed {seed}, step {}: {}", failure.step, failure.finding);
                if stop {
                    break;
                }
            }
        }
    }
    println!("{seeds} seeds from {from}: {failed} failed, {acks} ACKs");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
