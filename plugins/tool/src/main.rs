//! `bindery-plugin`: makes, builds, inspects and tests plugins. `bindery plugin` runs it.

mod arguments;
mod build;
mod encode;
mod grants;
mod inspect;
mod language;
mod new;
mod packages;
mod replay;

use std::process::ExitCode;

use anyhow::Result;

use arguments::{Command, USAGE};

/// Do what the command line asks for; whether it found everything as it should be.
fn run() -> Result<bool> {
    match arguments::parse(lexopt::Parser::from_env())? {
        Command::Help => println!("{USAGE}"),
        Command::New(request) => new::run(&request)?,
        Command::Build(request) => build::run(&request)?,
        Command::Encode { core, component } => {
            encode::file(&core, &component)?;
            println!("{}", component.display());
        }
        Command::Inspect(path) => {
            let report = inspect::run(&path)?;
            print!("{}", report.text);
            return Ok(report.accepted);
        }
        Command::Test(request) => return replay::run(&request),
    }
    Ok(true)
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bindery-plugin: {error:#}");
            ExitCode::FAILURE
        }
    }
}
