//! The daemon under test, and what its CLI says.

use crate::process::{Process, capture};
use crate::{Lab, Namespace, wait};
use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A running `binderyd` with its files, which outlive it: it can be killed and started again.
#[derive(Debug)]
pub struct Daemon {
    namespace: String,
    folder: PathBuf,
    process: Process,
}

/// A program of the workspace: `$BINDERY_BIN_DIR/NAME`, else beside the test's own program.
///
/// # Errors
/// When it is not built.
pub fn program(name: &str) -> Result<PathBuf> {
    let folder = match std::env::var_os("BINDERY_BIN_DIR") {
        Some(folder) => PathBuf::from(folder),
        None => std::env::current_exe()?.ancestors().nth(2).map(Path::to_path_buf).unwrap_or_default(),
    };
    let path = folder.join(name);
    if !path.is_file() {
        bail!("{} is not built; run: cargo build --bins", path.display());
    }
    Ok(path)
}

/// The command line of a daemon with its files in `folder`.
///
/// # Errors
/// As [`program`].
pub fn command(namespace: &Namespace, folder: &Path) -> Result<Command> {
    let mut command = namespace.command(&program("binderyd")?.display().to_string());
    arguments(&mut command, folder);
    command.env("BINDERY_LOG", "debug");
    Ok(command)
}

/// Adds the daemon's three arguments to a command.
pub fn arguments(command: &mut Command, folder: &Path) {
    command.arg("--config").arg(folder.join("bindery.kdl"));
    command.arg("--state-dir").arg(folder.join("state"));
    command.arg("--control").arg(folder.join("control.sock"));
}

/// Makes the daemon's folder in the lab, with this configuration.
///
/// # Errors
/// When it cannot be written.
pub fn folder(lab: &Lab, role: &str, config: &str) -> Result<PathBuf> {
    let folder = lab.folder().join(role);
    std::fs::create_dir_all(folder.join("state"))?;
    std::fs::write(folder.join("bindery.kdl"), config)?;
    Ok(folder)
}

impl Daemon {
    /// Starts the daemon in `namespace` with the configuration text and waits until it is ready.
    ///
    /// # Errors
    /// When it does not become ready; the text has its log.
    pub fn start(lab: &Lab, namespace: &Namespace, config: &str) -> Result<Self> {
        let folder = folder(lab, &format!("daemon-{}", namespace.name()), config)?;
        Self::start_in(namespace, folder)
    }

    /// Starts a daemon on files that are there already.
    ///
    /// # Errors
    /// As [`Daemon::start`].
    pub fn start_in(namespace: &Namespace, folder: PathBuf) -> Result<Self> {
        let mut command = command(namespace, &folder)?;
        Self::start_as(namespace, folder, &mut command)
    }

    /// Starts a daemon by a command of the test's own (under strace, without privileges, with another clock).
    ///
    /// # Errors
    /// As [`Daemon::start`].
    pub fn start_as(namespace: &Namespace, folder: PathBuf, command: &mut Command) -> Result<Self> {
        let mut process = Process::spawn("binderyd", command)?;
        process.wait_line_where("ready", 0, |line| line.split_whitespace().any(|word| word == "ready"))?;
        Ok(Self { namespace: namespace.name().to_string(), folder, process })
    }

    /// Its process, for signals and its log.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// The folder with `bindery.kdl`, `state/` and `control.sock`.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Ends it by SIGKILL.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Ends it by SIGTERM and checks that it ends well.
    ///
    /// # Errors
    /// When it does not end, or its exit status is not 0.
    pub fn terminate(&mut self) -> Result<()> {
        self.process.signal(Signal::SIGTERM)?;
        let status = self.process.wait_end()?;
        if !status.success() {
            bail!("binderyd ended with {status}:\n{}", self.process.lines().join("\n"));
        }
        Ok(())
    }

    /// Starts it again after [`Daemon::kill`] or [`Daemon::terminate`].
    ///
    /// # Errors
    /// As [`Daemon::start`].
    pub fn restart(&mut self, namespace: &Namespace) -> Result<()> {
        self.process.kill();
        *self = Self::start_in(namespace, self.folder.clone())?;
        Ok(())
    }

    /// Writes a new configuration and has the daemon apply it, by the CLI.
    ///
    /// # Errors
    /// When the daemon refuses it; the text says why.
    pub fn reload(&mut self, config: &str) -> Result<()> {
        std::fs::write(self.folder.join("bindery.kdl"), config)?;
        // Whatever becomes of live sessions: what a test leaves out of a configuration, it wants gone.
        self.cli(&["request", "system", "reload", "force"]).map(drop)
    }

    /// Runs commands of the CLI, as `bindery -c` does; what it printed.
    ///
    /// # Errors
    /// When one is refused; the text says why.
    pub fn script(&self, commands: &str) -> Result<String> {
        let output = self.run_script(commands)?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            bail!("bindery -c '{commands}': {}\n{text}{}", output.status, String::from_utf8_lossy(&output.stderr));
        }
        Ok(text)
    }

    /// Runs commands of which one must be refused; what was said.
    ///
    /// # Errors
    /// When all are done, or the exit status is another one than 1.
    pub fn refused(&self, commands: &str) -> Result<String> {
        let output = self.run_script(commands)?;
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if output.status.code() != Some(1) {
            bail!("bindery -c '{commands}': {}\n{text}", output.status);
        }
        Ok(text)
    }

    fn run_script(&self, commands: &str) -> Result<Output> {
        let mut command = Command::new(program("bindery")?);
        command.arg("--control").arg(self.folder.join("control.sock")).args(["-c", commands]);
        command.output().with_context(|| format!("bindery -c '{commands}'"))
    }

    /// Runs the CLI with `--json` and returns what it printed.
    ///
    /// # Errors
    /// When the CLI fails.
    pub fn cli(&self, words: &[&str]) -> Result<Value> {
        let mut command = Command::new(program("bindery")?);
        command.arg("--control").arg(self.folder.join("control.sock")).arg("--json").args(words);
        let text = capture(&mut command).with_context(|| format!("bindery {}", words.join(" ")))?;
        if text.trim().is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).with_context(|| format!("bindery {} printed {text}", words.join(" ")))
    }

    /// The session database, as the CLI shows it.
    ///
    /// # Errors
    /// When the CLI fails or prints what this does not understand.
    pub fn bindings(&self) -> Result<Vec<Binding>> {
        let value = self.cli(&["show", "dhcp", "server", "binding", "detail"])?;
        Binding::read(&value).with_context(|| format!("{}: {value}", self.namespace))
    }

    /// The bindings of one routing instance.
    ///
    /// # Errors
    /// As [`Daemon::bindings`].
    pub fn bindings_in(&self, instance: &str) -> Result<Vec<Binding>> {
        let value = self.cli(&["show", "dhcp", "server", "binding", "routing-instance", instance, "detail"])?;
        Binding::read(&value).with_context(|| format!("{}: {value}", self.namespace))
    }

    /// The binding of one address.
    ///
    /// # Errors
    /// As [`Daemon::bindings`].
    pub fn binding(&self, address: Ipv4Addr) -> Result<Option<Binding>> {
        Ok(self.bindings()?.into_iter().find(|binding| binding.address == address))
    }

    /// Waits until an address is bound.
    ///
    /// # Errors
    /// When it is not in time.
    pub fn wait_bound(&self, address: Ipv4Addr) -> Result<Binding> {
        wait::until(&format!("a binding of {address}"), || self.binding(address).ok()?.filter(Binding::is_bound))
    }

    /// Waits until an address is not bound any more.
    ///
    /// # Errors
    /// When it still is after the deadline.
    pub fn wait_unbound(&self, address: Ipv4Addr) -> Result<()> {
        wait::until(&format!("the end of the binding of {address}"), || {
            self.binding(address).ok()?.is_none_or(|binding| !binding.is_bound()).then_some(())
        })
    }
}

/// One line of `show dhcp server binding`.
#[derive(Clone, Debug)]
pub struct Binding {
    /// The leased address.
    pub address: Ipv4Addr,
    /// The client's hardware address in lower case.
    pub mac: String,
    /// Junos's word: `BOUND` and so on.
    pub state: String,
    /// The session's number, as text.
    pub session: String,
    /// The interface.
    pub interface: String,
    /// Everything that the CLI said of it.
    pub all: Value,
}

impl Binding {
    /// Whether it is a live lease.
    #[must_use]
    pub fn is_bound(&self) -> bool {
        self.state.eq_ignore_ascii_case("bound")
    }

    fn read(value: &Value) -> Result<Vec<Self>> {
        let rows = value.as_array().or_else(|| value.get("bindings")?.as_array()).context("no list of bindings")?;
        rows.iter()
            .map(|row| {
                let text = |key: &str| match row.get(key) {
                    Some(Value::String(text)) => text.clone(),
                    Some(Value::Number(number)) => number.to_string(),
                    _ => String::new(),
                };
                let address = text("allocated-address").parse().with_context(|| format!("no address in {row}"))?;
                Ok(Self {
                    address,
                    mac: text("mac-address").to_lowercase(),
                    state: text("lease-state"),
                    session: text("session-id"),
                    interface: text("interface-name"),
                    all: row.clone(),
                })
            })
            .collect()
    }
}
