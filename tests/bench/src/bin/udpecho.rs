//! `udpecho serve ADDRESS`: a bare UDP echo, until SIGTERM.
//! `udpecho load ADDRESS [SECONDS [WINDOW [SIZE]]]`: round trips against it, as one JSON line.

use anyhow::{Context, Result, bail};
use bindery_bench::args::parse_seconds;
use bindery_bench::echo::{self, EchoLoad};
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("udpecho: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let word = |at: usize| args.get(at).map(String::as_str);
    let usage = "usage: udpecho serve ADDRESS | udpecho load ADDRESS [SECONDS [WINDOW [SIZE]]]";
    let address: Ipv4Addr = word(1).context(usage)?.parse().context(usage)?;
    match word(0) {
        Some("serve") => {
            let stop = Arc::new(AtomicBool::new(false));
            for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
                signal_hook::flag::register(signal, Arc::clone(&stop)).context("catch signals")?;
            }
            echo::serve(address, &stop)
        }
        Some("load") => {
            let load = EchoLoad {
                server: address,
                limit: parse_seconds(word(2).unwrap_or("3"))?,
                window: word(3).unwrap_or("256").parse().context(usage)?,
                size: word(4).unwrap_or("300").parse().context(usage)?,
            };
            println!("{}", serde_json::to_string(&load.run()?)?);
            Ok(())
        }
        _ => bail!(usage),
    }
}
