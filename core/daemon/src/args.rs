//! The command line (design §7).

use std::path::PathBuf;

/// What `binderyd --help` prints.
pub(crate) const HELP: &str = "\
binderyd: the DHCP subscriber control plane

usage: binderyd [--config FILE] [--state-dir DIR] [--control SOCKET]
       binderyd --check [--config FILE]

  --config FILE      configuration (default /etc/bindery/bindery.kdl)
  --state-dir DIR    session database and revisions (default /var/lib/bindery)
  --control SOCKET   socket of the API (default /run/bindery/control.sock)
  --check            checks the configuration and its plugins, then exits
  --version          prints the version
  --help             prints this

Environment: BINDERY_LOG, a filter for the log on stderr, like `info` or `bindery_net=debug`.
Signals: SIGHUP loads the changed configuration file, SIGTERM ends the daemon and leaves routes and bindings.
Exit status: 0, 1 (failed), 2 (usage or configuration).
";

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Serve.
    Run(Args),
    /// Check the configuration and exit.
    Check(Args),
    /// Print the help.
    Help,
    /// Print the version.
    Version,
}

/// Where things are.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Args {
    pub(crate) config: PathBuf,
    pub(crate) state_dir: PathBuf,
    pub(crate) control: PathBuf,
}

/// Reads the command line.
///
/// # Errors
/// The user's mistake, in words.
pub(crate) fn parse(parser: &mut lexopt::Parser) -> Result<Task, lexopt::Error> {
    use lexopt::prelude::{Long, Short};
    let mut args = Args {
        config: "/etc/bindery/bindery.kdl".into(),
        state_dir: "/var/lib/bindery".into(),
        control: "/run/bindery/control.sock".into(),
    };
    let mut check = false;
    while let Some(arg) = parser.next()? {
        match arg {
            Long("config") => args.config = parser.value()?.into(),
            Long("state-dir") => args.state_dir = parser.value()?.into(),
            Long("control") => args.control = parser.value()?.into(),
            Long("check") => check = true,
            Long("help") | Short('h') => return Ok(Task::Help),
            Long("version") | Short('V') => return Ok(Task::Version),
            other => return Err(other.unexpected()),
        }
    }
    Ok(if check { Task::Check(args) } else { Task::Run(args) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Result<Task, lexopt::Error> {
        parse(&mut lexopt::Parser::from_args(words))
    }

    #[test]
    fn words() {
        let Ok(Task::Run(args)) = read(&[]) else { panic!("defaults run") };
        assert_eq!(args.control, PathBuf::from("/run/bindery/control.sock"));
        let Ok(Task::Check(args)) = read(&["--check", "--config", "x.kdl"]) else { panic!("check") };
        assert_eq!(args.config, PathBuf::from("x.kdl"));
        assert!(read(&["--config"]).is_err());
        assert!(read(&["--frobnicate"]).is_err());
        assert!(read(&["word"]).is_err());
    }
}
