//! `dhcpflood INTERFACE SERVER-MAC SERVER [SECONDS]`: DISCOVERs of made-up clients and garbage, as fast as it goes, until
//! SIGTERM or for SECONDS (10); prints one JSON line.

use anyhow::{Context, Result};
use bindery_bench::args::{parse_mac, parse_seconds};
use bindery_bench::flood::Flood;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("dhcpflood: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let usage = "usage: dhcpflood INTERFACE SERVER-MAC SERVER [SECONDS]";
    let word = |at: usize| args.get(at).map(String::as_str);
    let flood = Flood {
        interface: word(0).context(usage)?.to_owned(),
        server_mac: parse_mac(word(1).context(usage)?)?,
        server: word(2).context(usage)?.parse().context(usage)?,
        limit: parse_seconds(word(3).unwrap_or("10"))?,
    };
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).context("catch signals")?;
    }
    println!("{}", serde_json::to_string(&flood.run(&stop)?)?);
    Ok(())
}
