//! `dhcpresp ADDRESS [ADDRESSES]`: answers relayed DHCPv4 clients without keeping anything, until SIGTERM.
//! ADDRESSES is how many addresses it gives (1048576); more clients than that share them.

use anyhow::{Context, Result};
use bindery_bench::responder;
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("dhcpresp: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let address = std::env::args().nth(1).context("usage: dhcpresp ADDRESS [ADDRESSES]")?;
    let address: Ipv4Addr = address.parse().with_context(|| format!("{address:?} is no IPv4 address"))?;
    let room = match std::env::args().nth(2) {
        Some(room) => room.parse().with_context(|| format!("{room:?} is no number"))?,
        None => responder::ROOM,
    };
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).context("catch signals")?;
    }
    responder::serve(address, room, &stop)
}
