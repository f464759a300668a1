//! `bindery`: the operator's commands, in one shot.
//!
//! A client of the API with no powers of its own. What this crate never does: open the session database or the
//! configuration file, link the plugin runtime. Read [`command`] first: it is the grammar.

mod client;
mod command;
mod run;
mod show;

use std::{path::PathBuf, process::ExitCode};

/// What `bindery --help` prints before the commands.
const HELP: &str = "\
bindery: asks and commands a running binderyd

usage: bindery [--control SOCKET] [--json] COMMAND WORDS...

  --control SOCKET   the daemon's socket (default /run/bindery/control.sock)
  --json             prints exactly the API's reply
  --version          prints the version
  --help             prints this

Words may be shortened while they are unique: `bindery sh dhcp s b`.
Exit status: 0, 1 (refused or failed), 2 (usage).

Commands:
";

/// The user's mistake.
const EXIT_USAGE: u8 = 2;

/// What the command line asks for.
struct Invocation {
    control: PathBuf,
    json: bool,
    words: Vec<String>,
}

enum Task {
    Run(Invocation),
    Help,
    Version,
}

fn main() -> ExitCode {
    match parse(&mut lexopt::Parser::from_env()) {
        Ok(Task::Help) => {
            print!("{HELP}{}", command::help());
            ExitCode::SUCCESS
        }
        Ok(Task::Version) => {
            println!("bindery {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        Ok(Task::Run(invocation)) => run(&invocation),
        Err(error) => usage(&error.to_string()),
    }
}

fn parse(parser: &mut lexopt::Parser) -> Result<Task, lexopt::Error> {
    use lexopt::prelude::{Long, Short, Value, ValueExt};
    let mut invocation = Invocation { control: "/run/bindery/control.sock".into(), json: false, words: Vec::new() };
    while let Some(arg) = parser.next()? {
        match arg {
            Long("control") => invocation.control = parser.value()?.into(),
            Long("json") => invocation.json = true,
            Long("help") | Short('h') => return Ok(Task::Help),
            Long("version") | Short('V') => return Ok(Task::Version),
            Value(word) if word == "plugin" && invocation.words.is_empty() => {
                // The rest belongs to the separate program.
                invocation.words.push("plugin".to_owned());
                for rest in parser.raw_args()? {
                    invocation.words.push(rest.string()?);
                }
            }
            Value(word) => invocation.words.push(word.string()?),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Task::Run(invocation))
}

fn run(invocation: &Invocation) -> ExitCode {
    if invocation.words.first().is_some_and(|word| word == "plugin") {
        return plugin(&invocation.words[1..]);
    }
    match command::parse(&invocation.words) {
        Ok(command) => match run::run(&invocation.control, invocation.json, &command) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("bindery: {error}");
                ExitCode::FAILURE
            }
        },
        Err(error) => usage(&error.to_string()),
    }
}

/// `bindery plugin ...` runs the separate program `bindery-plugin`, which links the plugin runtime.
fn plugin(words: &[String]) -> ExitCode {
    let beside = std::env::current_exe().ok().map(|own| own.with_file_name("bindery-plugin"));
    let program = beside.filter(|path| path.exists()).unwrap_or_else(|| "bindery-plugin".into());
    match std::process::Command::new(&program).args(words).status() {
        Ok(status) => ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)),
        Err(error) => {
            eprintln!("bindery: {}: {error}: install bindery-plugin beside bindery", program.display());
            ExitCode::FAILURE
        }
    }
}

fn usage(text: &str) -> ExitCode {
    eprintln!("bindery: {text}");
    ExitCode::from(EXIT_USAGE)
}
