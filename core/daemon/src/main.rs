//! `binderyd`: wires engine, store, sockets, netlink, plugins and control socket together.
//!
//! What this crate never does: decide anything about a packet. It is the only one that sees everything.

mod aaa_status;
mod access;
mod accounting;
mod api;
mod args;
mod clock;
mod commit;
mod configuration;
mod copies;
mod deferred;
mod dynamic;
mod file;
mod instances;
mod log;
mod neighbours;
mod notices;
mod packet;
mod policy;
mod prepare;
mod process;
mod radius;
mod renumber;
mod routes;
mod schedule;
mod shipped;
mod snooped;
mod sources;
mod start;
mod trace;
mod username;
mod vlan;

use args::{Args, Task};
use bindery_plugin_host::{Host, HostConfig};
use file::ConfigFile;
use sources::FileSources;
use std::process::ExitCode;

/// Usage or configuration error.
const EXIT_CONFIGURATION: u8 = 2;

fn main() -> ExitCode {
    let task = match args::parse(&mut lexopt::Parser::from_env()) {
        Ok(task) => task,
        Err(error) => {
            eprintln!("binderyd: {error}\nTry `binderyd --help`.");
            return ExitCode::from(EXIT_CONFIGURATION);
        }
    };
    match task {
        Task::Help => {
            print!("{}", args::HELP);
            ExitCode::SUCCESS
        }
        Task::Version => {
            println!("binderyd {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        Task::Check(args) => check(&args),
        Task::Run(args) => run(&args),
    }
}

/// `--check`: everything that could refuse the configuration at start.
fn check(args: &Args) -> ExitCode {
    let host = match Host::new(HostConfig::default()) {
        Ok(host) => host,
        Err(error) => return fail(&error),
    };
    let file = ConfigFile::new(args.config.clone());
    let loaded = prepare::read(&file, &FileSources::new(file.base(), None));
    match loaded.and_then(|loaded| prepare::prepare(&host, loaded, file.base(), None)) {
        Ok(prepared) => {
            let config = &prepared.loaded.engine;
            println!(
                "{}: valid: {} groups, {} pools, {} plugins",
                args.config.display(),
                config.groups.len(),
                config.pools.len(),
                prepared.components.len()
            );
            ExitCode::SUCCESS
        }
        Err(refusal) => refuse(&refusal),
    }
}

fn run(args: &Args) -> ExitCode {
    log::start();
    crash_only();
    match start::run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(start::StartError::Refused(refusal)) => refuse(&refusal),
        Err(error) => fail(&error),
    }
}

/// A broken invariant of ours ends the process: what is on storage is whole, and the next start recovers from it.
fn crash_only() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        report(info);
        std::process::abort();
    }));
}

fn refuse(refusal: &prepare::Refusal) -> ExitCode {
    eprintln!("binderyd: {refusal}");
    ExitCode::from(EXIT_CONFIGURATION)
}

fn fail(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("binderyd: {error}");
    ExitCode::FAILURE
}
