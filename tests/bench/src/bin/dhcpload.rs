//! Many DHCPv4 clients in one process: see `dhcpload --help`.

use anyhow::{Context, Result};
use bindery_bench::args::{self, HELP, Options};
use bindery_bench::link::Link;
use bindery_bench::load::Load;
use bindery_bench::message::mac;
use bindery_bench::plan::PREPARED;
use bindery_bench::stamps::Stamps;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

fn main() -> ExitCode {
    let options = match args::parse(std::env::args_os().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("dhcpload: {error:#}");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("dhcpload: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs and prints; true when no reply was wrong and no address was given twice.
fn run(options: &Options) -> Result<bool> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).context("catch signals")?;
    }
    bindery_bench::clock::sharpen_timers();
    let link = match &options.interface {
        Some(interface) => Link::direct(interface, options.server, options.server_mac)?,
        None => Link::relayed(options.server, &options.giaddrs)?,
    };
    let mut log = match &options.log {
        Some(path) => {
            let file = File::create(path).with_context(|| format!("create {}", path.display()))?;
            Some(BufWriter::new(file))
        }
        None => None,
    };
    let log = log.as_mut().map(|log| -> &mut dyn Write { log });
    let mut load = Load::new(options.plan.clone(), link, log, &stop)?;
    if let Some(path) = &options.leases {
        let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
        load.assume(text.lines().filter_map(args::parse_lease));
    }
    load.prepare()?;
    if let Some(interface) = &options.stamps {
        load.watch(Stamps::open(interface, options.plan.first, options.plan.clients)?);
    }
    // The harness reads the server's processor time here.
    eprintln!("{PREPARED}");
    let report = load.measure()?;
    if let Some(path) = &options.acked {
        let file = File::create(path).with_context(|| format!("create {}", path.display()))?;
        let mut file = BufWriter::new(file);
        for (address, number) in load.held() {
            let [a, b, c, d, e, f] = mac(number);
            writeln!(file, "{address} {a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")?;
        }
        file.flush()?;
    }
    println!("{}", serde_json::to_string(&report)?);
    Ok(report.tally.wrong == 0 && report.tally.duplicates == 0)
}
