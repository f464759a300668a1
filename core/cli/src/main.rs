//! `bindery`: the operator's commands, in a shell, in scripts and in one shot.
//!
//! A client of the API with no powers of its own. What this crate never does: open the session database or the
//! configuration file, link the plugin runtime. Read [`grammar`] first: it has the commands; then [`console`], which
//! runs them.

mod client;
mod complete;
mod configure;
mod console;
mod editor;
mod grammar;
mod history;
mod import;
mod monitor;
mod operate;
mod pager;
mod pipe;
mod script;
mod shell;
mod show;
mod terminal;
mod words;

use client::Client;
use console::Console;
use grammar::{Action, Mode};
use std::{
    io::{self, IsTerminal},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
};

/// What `bindery --help` prints before the commands.
const HELP: &str = "\
bindery: asks and commands a running binderyd

usage: bindery [--control SOCKET] [--json] [COMMAND WORDS... | -c COMMANDS]

  -c COMMANDS        runs commands, which end at `;` and at the end of a line
  --control SOCKET   the daemon's socket (default /run/bindery/control.sock)
  --json             prints exactly the API's replies
  --version          prints the version
  --help             prints this

Without words: a shell on a terminal, else commands from standard input.
Words may be shortened while they are unique: `bindery sh dhcp ser b`.
Output goes through pipes: `bindery show dhcp server binding '|' match eth1`.
Scripts stop at the first error. `#` begins a comment.
Exit status: 0, 1 (refused or failed), 2 (usage).

Commands:
";

/// What `bindery --help` prints between the commands of the two modes.
const HELP_CONFIGURE: &str = "
Commands of configuration mode (`configure`):
";

/// What `bindery --help` prints after the commands.
const HELP_PIPES: &str = "
Pipes:
";

/// The user's mistake.
const EXIT_USAGE: u8 = 2;

/// What the command line asks for.
struct Invocation {
    control: PathBuf,
    json: bool,
    commands: Option<String>,
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
            print!("{}", help());
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

fn help() -> String {
    let plugin = "  plugin new|build|test|inspect ...\n      runs bindery-plugin\n";
    let pipes: String = pipe::PIPES.iter().map(|(name, _, help)| format!("  | {name:<10} {help}\n")).collect();
    let (operational, configure) = (grammar::help(Mode::Operational), grammar::help(Mode::Configure));
    format!("{HELP}{operational}{plugin}{HELP_CONFIGURE}{configure}{HELP_PIPES}{pipes}")
}

fn parse(parser: &mut lexopt::Parser) -> Result<Task, lexopt::Error> {
    use lexopt::prelude::{Long, Short, Value, ValueExt};
    let control = "/run/bindery/control.sock".into();
    let mut invocation = Invocation { control, json: false, commands: None, words: Vec::new() };
    while let Some(arg) = parser.next()? {
        match arg {
            Long("control") => invocation.control = parser.value()?.into(),
            Long("json") => invocation.json = true,
            Long("help") | Short('h') => return Ok(Task::Help),
            Long("version") | Short('V') => return Ok(Task::Version),
            Short('c') => invocation.commands = Some(parser.value()?.string()?),
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
    let Invocation { control, json, commands, words } = invocation;
    if words.first().is_some_and(|word| word == "plugin") {
        return plugin(words.get(1..).unwrap_or_default());
    }
    let client = match Client::new(control) {
        Ok(client) => Arc::new(client),
        Err(error) => return failed(&error),
    };
    let shell = io::stdin().is_terminal() && io::stdout().is_terminal();
    // A shell tool quotes what the operator quoted; the pipe is no word.
    let line: Vec<String> =
        words.iter().map(|word| if word == "|" { word.clone() } else { words::quote(word) }).collect();
    let line = line.join(" ");
    match (commands, words.is_empty()) {
        (Some(_), false) => usage("give words or -c, not both"),
        (Some(commands), true) => script::text(&mut Console::new(client, *json, false), commands),
        (None, true) if shell => interactive(client, *json, None),
        (None, true) => script::stdin(&mut Console::new(client, *json, false)),
        (None, false) => {
            let enters =
                grammar::parse(Mode::Operational, &line).is_ok_and(|command| command.entry.action == Action::Configure);
            match (enters, shell) {
                (true, true) => interactive(client, *json, Some(&line)),
                (true, false) => {
                    usage("configuration mode is for the shell and for scripts: bindery -c \"configure; ...\"")
                }
                (false, _) => script::line(&mut Console::new(client, *json, false), &line),
            }
        }
    }
}

fn interactive(client: Arc<Client>, json: bool, first: Option<&str>) -> ExitCode {
    match shell::run(&mut Console::new(client, json, true), first) {
        Ok(code) => code,
        Err(error) => failed(&error),
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

fn failed(error: &io::Error) -> ExitCode {
    eprintln!("bindery: {error}");
    ExitCode::FAILURE
}

fn usage(text: &str) -> ExitCode {
    eprintln!("bindery: {text}");
    ExitCode::from(EXIT_USAGE)
}
