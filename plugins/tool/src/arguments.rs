//! The command line.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use lexopt::prelude::*;

use crate::language::Language;
use crate::{build, new, replay};

/// What `--help` prints.
pub(crate) const USAGE: &str = "\
usage: bindery plugin COMMAND

  new NAME [--lang rust|c|js|python] [--stage STAGE]
      makes a project in ./NAME; rust and shape-reply unless said otherwise
  build [DIR] [-o COMPONENT] [--install]
      builds the project in DIR (here unless given) as DIR/NAME.wasm;
      --install fetches a missing tool for JavaScript (npm) or Python (PyPI)
  inspect COMPONENT
      stages, imports, size, hash; says why it would be refused
  test COMPONENT --exchanges FILE | --pcap CAPTURE
       [--settings FILE] [--expect FILE] [--deadline-ms N] [--memory-mib N]
      replays requests and replies, prints each verdict and change;
      exit status 1 if an expectation does not hold or a call fails

  build --guest DIR... --out DIR       builds Cargo packages into one folder
  build --all [--languages] --out DIR  builds the plugins and samples of the repository
  encode CORE -o COMPONENT             makes a component of a core module

Stages: admit, authorize, select-address, shape-reply, disconnect,
reconfigure-exhausted, leasequery, route, session-events.
The guide is examples/plugins/README.md.";

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Help,
    New(new::Request),
    Build(build::Request),
    Encode { core: PathBuf, component: PathBuf },
    Inspect(PathBuf),
    Test(replay::Request),
}

/// Read the command line.
pub(crate) fn parse(mut parser: lexopt::Parser) -> Result<Command> {
    let Some(first) = parser.next()? else {
        return Ok(Command::Help);
    };
    match first {
        Long("help") | Short('h') => Ok(Command::Help),
        Value(verb) if verb == "new" => parse_new(parser),
        Value(verb) if verb == "build" => parse_build(parser),
        Value(verb) if verb == "encode" => parse_encode(parser),
        Value(verb) if verb == "inspect" => parse_inspect(parser),
        Value(verb) if verb == "test" => parse_test(parser),
        Value(verb) => bail!("unknown command {}: it must be new, build, inspect or test", verb.display()),
        other => Err(other.unexpected().into()),
    }
}

fn parse_new(mut parser: lexopt::Parser) -> Result<Command> {
    let (mut name, mut language, mut stage) = (None, Language::Rust, bindery_plugin_host::Stage::ShapeReply);
    while let Some(argument) = parser.next()? {
        match argument {
            Value(text) if name.is_none() => name = Some(text.string()?),
            Long("lang") => {
                let text = parser.value()?.string()?;
                language = Language::of(&text)
                    .with_context(|| format!("unknown language {text}: it must be rust, c, js or python"))?;
            }
            Long("stage") => {
                let text = parser.value()?.string()?;
                stage = new::stage(&text)?;
            }
            Long("help") | Short('h') => return Ok(Command::Help),
            other => return Err(other.unexpected().into()),
        }
    }
    let name = name.context("new needs a name, as in: bindery plugin new my-policy")?;
    Ok(Command::New(new::Request { name, language, stage }))
}

fn parse_build(mut parser: lexopt::Parser) -> Result<Command> {
    let (mut all, mut languages, mut install, mut guests) = (false, false, false, Vec::new());
    let (mut out, mut dir) = (None, None);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("all") => all = true,
            Long("languages") => languages = true,
            Long("install") => install = true,
            Long("guest") => guests.push(PathBuf::from(parser.value()?)),
            Long("out") | Short('o') => out = Some(PathBuf::from(parser.value()?)),
            Value(path) if dir.is_none() => dir = Some(PathBuf::from(path)),
            Long("help") | Short('h') => return Ok(Command::Help),
            other => return Err(other.unexpected().into()),
        }
    }
    if languages && !all {
        bail!("--languages goes with --all");
    }
    if !all && guests.is_empty() {
        let dir = dir.unwrap_or_else(|| ".".into());
        return Ok(Command::Build(build::Request::Project { dir, out, install }));
    }
    match (dir, out) {
        (Some(_), _) => bail!("DIR does not go with --all or --guest"),
        (None, None) => bail!("build --all and build --guest need --out DIR"),
        (None, Some(_)) if all && !guests.is_empty() => bail!("build takes either --all or --guest DIR"),
        (None, Some(out)) => Ok(Command::Build(build::Request::Guests { all, languages, guests, out, install })),
    }
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

fn parse_inspect(mut parser: lexopt::Parser) -> Result<Command> {
    let mut path = None;
    while let Some(argument) = parser.next()? {
        match argument {
            Value(text) if path.is_none() => path = Some(PathBuf::from(text)),
            Long("help") | Short('h') => return Ok(Command::Help),
            other => return Err(other.unexpected().into()),
        }
    }
    path.map(Command::Inspect).context("inspect needs a component")
}

fn parse_test(mut parser: lexopt::Parser) -> Result<Command> {
    let (mut component, mut capture, mut exchanges) = (None, None, None);
    let (mut settings, mut expect, mut deadline_ms, mut memory_mib) = (None, None, None, None);
    while let Some(argument) = parser.next()? {
        match argument {
            Value(path) if component.is_none() => component = Some(PathBuf::from(path)),
            Long("pcap") => capture = Some(PathBuf::from(parser.value()?)),
            Long("exchanges") => exchanges = Some(PathBuf::from(parser.value()?)),
            Long("settings") => settings = Some(PathBuf::from(parser.value()?)),
            Long("expect") => expect = Some(PathBuf::from(parser.value()?)),
            Long("deadline-ms") => deadline_ms = Some(parser.value()?.parse()?),
            Long("memory-mib") => memory_mib = Some(parser.value()?.parse()?),
            Long("help") | Short('h') => return Ok(Command::Help),
            other => return Err(other.unexpected().into()),
        }
    }
    let component = component.context("test needs a component")?;
    let from = match (capture, exchanges) {
        (Some(path), None) => replay::From::Capture(path),
        (None, Some(path)) => replay::From::Recorded(path),
        _ => bail!("test needs either --exchanges FILE or --pcap CAPTURE"),
    };
    Ok(Command::Test(replay::Request { component, from, settings, expect, deadline_ms, memory_mib }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Command> {
        // The first one stands for the program.
        parse(lexopt::Parser::from_args(arguments))
    }

    #[test]
    fn builds() {
        let guests = |all, languages, guests: &[&str]| {
            let guests = guests.iter().map(PathBuf::from).collect();
            Command::Build(build::Request::Guests { all, languages, guests, out: "o".into(), install: false })
        };
        assert_eq!(parsed(&["build", "--all", "--out", "o"]).unwrap(), guests(true, false, &[]));
        assert_eq!(parsed(&["build", "--all", "--languages", "-o", "o"]).unwrap(), guests(true, true, &[]));
        let arguments = ["build", "--guest", "a", "--guest=b", "-o", "o"];
        assert_eq!(parsed(&arguments).unwrap(), guests(false, false, &["a", "b"]));
        let project = build::Request::Project { dir: ".".into(), out: None, install: false };
        assert_eq!(parsed(&["build"]).unwrap(), Command::Build(project));
        let project = build::Request::Project { dir: "d".into(), out: Some("c".into()), install: true };
        assert_eq!(parsed(&["build", "d", "-o", "c", "--install"]).unwrap(), Command::Build(project));
    }

    #[test]
    fn others() {
        let encode = Command::Encode { core: "c".into(), component: "d".into() };
        assert_eq!(parsed(&["encode", "c", "-o", "d"]).unwrap(), encode);
        assert_eq!(parsed(&["inspect", "c"]).unwrap(), Command::Inspect("c".into()));
        assert_eq!(parsed(&[]).unwrap(), Command::Help);
        let new = new::Request { name: "n".into(), language: Language::C, stage: bindery_plugin_host::Stage::Admit };
        assert_eq!(parsed(&["new", "n", "--lang", "c", "--stage=admit"]).unwrap(), Command::New(new));
        let Command::Test(test) = parsed(&["test", "c", "--pcap", "p", "--deadline-ms=9"]).unwrap() else {
            panic!("no test")
        };
        assert_eq!((test.from, test.deadline_ms), (replay::From::Capture("p".into()), Some(9)));
    }

    #[test]
    fn wrong_command_lines() {
        for arguments in [
            &["make"][..],
            &["build", "--all"],
            &["build", "--languages"],
            &["build", "--all", "--guest", "a", "--out", "o"],
            &["build", "stray", "--all", "--out", "o"],
            &["encode", "c"],
            &["encode", "c", "d", "-o", "e"],
            &["inspect"],
            &["new"],
            &["new", "n", "--lang", "cobol"],
            &["new", "n", "--stage", "none"],
            &["test", "c"],
            &["test", "c", "--pcap", "p", "--exchanges", "e"],
            &["test", "--pcap", "p"],
        ] {
            assert!(parsed(arguments).is_err(), "{arguments:?}");
        }
    }
}
