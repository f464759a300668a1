//! `cargo xtask`: everything a contributor or the CI runs, as one program with no heavy dependency.
//!
//! It starts other programs and reads what they print; it links none of Bindery's crates, so that it builds in seconds
//! on a fresh checkout and still answers when one of them does not compile.

mod bench;
mod demo;
mod setup;
mod shell;
mod test;

use anyhow::{Result, bail};
use lexopt::prelude::*;
use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask COMMAND

  setup [demo|test]         install what the demo or the tests need (default: test, which is all of it)
  demo  [--client NAME]     watch a real DHCP client (dhclient, dhcpcd or udhcpc) get an address from binderyd
  test  [OPTIONS]           every check of the CI, in its order
          --list            name the steps
          --only STEP       run this step alone (may be given more than once); what it needs must be built
          --long            more seeds, longer fuzzing, full benches
  bench [ARGUMENTS]         the bench harness (arguments go to it)

Environment: CI=true makes a skip fail the run unless tests/SKIPS lists it with a reason.
";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            let usage = error.downcast_ref::<Usage>().is_some();
            ExitCode::from(if usage { 2 } else { 1 })
        }
    }
}

/// A command line that cannot be understood: exit status 2.
#[derive(Debug)]
struct Usage(String);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}\n\n{USAGE}", self.0)
    }
}

impl std::error::Error for Usage {}

fn run() -> Result<()> {
    std::env::set_current_dir(shell::workspace_root()?)?;
    let mut arguments = lexopt::Parser::from_env();
    let command = match arguments.next()? {
        Some(Value(word)) => word.string()?,
        Some(Short('h') | Long("help")) | None => {
            print!("{USAGE}");
            return Ok(());
        }
        Some(other) => bail!(Usage(other.unexpected().to_string())),
    };
    match command.as_str() {
        "setup" => setup_command(&mut arguments),
        "demo" => demo_command(&mut arguments),
        "test" => test_command(&mut arguments),
        "bench" => bench::run(arguments.raw_args()?),
        other => bail!(Usage(format!("there is no command '{other}'"))),
    }
}

fn setup_command(arguments: &mut lexopt::Parser) -> Result<()> {
    let mut purpose = setup::Purpose::Test;
    while let Some(argument) = arguments.next()? {
        purpose = match argument {
            Value(word) if word == "demo" => setup::Purpose::Demo,
            Value(word) if word == "test" => setup::Purpose::Test,
            other => bail!(Usage(other.unexpected().to_string())),
        };
    }
    setup::run(purpose)
}

fn demo_command(arguments: &mut lexopt::Parser) -> Result<()> {
    let mut client = None;
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("client") => client = Some(arguments.value()?.string()?),
            other => bail!(Usage(other.unexpected().to_string())),
        }
    }
    demo::run(client.as_deref())
}

fn test_command(arguments: &mut lexopt::Parser) -> Result<()> {
    let mut plan = test::Plan::default();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("list") => plan.list = true,
            Long("only") => plan.only.push(arguments.value()?.string()?),
            Long("long") => plan.long = true,
            other => bail!(Usage(other.unexpected().to_string())),
        }
    }
    test::run(&plan)
}
