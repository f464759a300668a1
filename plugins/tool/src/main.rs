//! `bindery-plugin`: builds guests and makes components of them.

mod build;
mod encode;
mod toolchain;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use lexopt::prelude::*;

const USAGE: &str = "\
Usage:
  bindery-plugin build --all --out DIR           build the guests of this repository
  bindery-plugin build --guest DIR... --out DIR  build the guests in these Cargo packages
  bindery-plugin encode CORE -o COMPONENT        make a component of a core module

Components are written to DIR as NAME.wasm. Guests are compiled in target/guests.";

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
enum Command {
    Help,
    Build(build::Request),
    Encode { core: PathBuf, component: PathBuf },
}

fn parse(mut parser: lexopt::Parser) -> Result<Command> {
    let Some(first) = parser.next()? else {
        return Ok(Command::Help);
    };
    match first {
        Long("help") | Short('h') => Ok(Command::Help),
        Value(verb) if verb == "build" => parse_build(parser),
        Value(verb) if verb == "encode" => parse_encode(parser),
        other => Err(other.unexpected().into()),
    }
}

fn parse_build(mut parser: lexopt::Parser) -> Result<Command> {
    let (mut all, mut guests, mut out) = (false, Vec::new(), None);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("all") => all = true,
            Long("guest") => guests.push(PathBuf::from(parser.value()?)),
            Long("out") | Short('o') => out = Some(PathBuf::from(parser.value()?)),
            Long("help") | Short('h') => return Ok(Command::Help),
            other => return Err(other.unexpected().into()),
        }
    }
    let Some(out) = out else { bail!("build needs --out DIR") };
    if all == guests.is_empty() {
        return Ok(Command::Build(build::Request { all, guests, out }));
    }
    bail!("build needs either --all or --guest DIR")
}

fn parse_encode(mut parser: lexopt::Parser) -> Result<Command> {
    let (mut core, mut component) = (None, None);
    while let Some(argument) = parser.next()? {
        match argument {
            Value(path) if core.is_none() => core = Some(PathBuf::from(path)),
            Long("out") | Short('o') => component = Some(PathBuf::from(parser.value()?)),
            Long("help") | Short('h') => return Ok(Command::Help),
            other => return Err(other.unexpected().into()),
        }
    }
    match (core, component) {
        (Some(core), Some(component)) => Ok(Command::Encode { core, component }),
        _ => bail!("encode needs a core module and -o COMPONENT"),
    }
}

fn run() -> Result<()> {
    match parse(lexopt::Parser::from_env())? {
        Command::Help => println!("{USAGE}"),
        Command::Build(request) => build::run(&request)?,
        Command::Encode { core, component } => {
            encode::file(&core, &component)?;
            println!("{}", component.display());
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bindery-plugin: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Command> {
        parse(lexopt::Parser::from_args(arguments))
    }

    #[test]
    fn command_lines() {
        let request = build::Request { all: true, guests: vec![], out: "o".into() };
        assert_eq!(parsed(&["build", "--all", "--out", "o"]).unwrap(), Command::Build(request));
        let guests = vec![PathBuf::from("a"), PathBuf::from("b")];
        let request = build::Request { all: false, guests, out: "o".into() };
        let arguments = ["build", "--guest", "a", "--guest=b", "-o", "o"];
        assert_eq!(parsed(&arguments).unwrap(), Command::Build(request));
        let encode = Command::Encode { core: "c".into(), component: "d".into() };
        assert_eq!(parsed(&["encode", "c", "-o", "d"]).unwrap(), encode);
        assert_eq!(parsed(&[]).unwrap(), Command::Help);
    }

    #[test]
    fn wrong_command_lines() {
        for arguments in [
            &["make"][..],
            &["build", "--all"],
            &["build", "--out", "o"],
            &["build", "--all", "--guest", "a", "--out", "o"],
            &["build", "stray", "--all", "--out", "o"],
            &["encode", "c"],
            &["encode", "c", "d", "-o", "e"],
        ] {
            assert!(parsed(arguments).is_err(), "{arguments:?}");
        }
    }
}
