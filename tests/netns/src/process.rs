//! Child processes whose output is collected by line, and that end with their owner.

use crate::wait::{self, DEADLINE};
use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

#[derive(Default)]
struct Output {
    lines: Mutex<Vec<String>>,
    grown: Condvar,
}

/// A running program. Dropping it kills it (SIGKILL) and waits for its end.
pub struct Process {
    name: String,
    child: Child,
    output: Arc<Output>,
}

impl std::fmt::Debug for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (pid {})", self.name, self.child.id())
    }
}

impl Process {
    /// Starts `command`; `name` is for messages.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(name: &str, command: &mut Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("could not start {name}"))?;
        let output = Arc::new(Output::default());
        if let Some(stream) = child.stdout.take() {
            collect(stream, &output);
        }
        if let Some(stream) = child.stderr.take() {
            collect(stream, &output);
        }
        Ok(Self { name: name.to_string(), child, output })
    }

    /// The process id in the host's namespace.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// What it printed so far, both streams, by line.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.output.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many lines it printed so far: the start for [`Process::wait_line_after`].
    #[must_use]
    pub fn mark(&self) -> usize {
        self.output.lines.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Waits for a line that contains `text` and returns it.
    ///
    /// # Errors
    /// When the program ends before, or the deadline passes; the text has all that it printed.
    pub fn wait_line(&mut self, text: &str) -> Result<String> {
        self.wait_line_after(0, text)
    }

    /// As [`Process::wait_line`], among the lines from index `mark` on.
    ///
    /// # Errors
    /// As [`Process::wait_line`].
    pub fn wait_line_after(&mut self, mark: usize, text: &str) -> Result<String> {
        self.wait_line_where(text, mark, |line| line.contains(text))
    }

    /// As [`Process::wait_line_after`] for the first line that `wanted` likes; `text` names it in errors.
    ///
    /// # Errors
    /// As [`Process::wait_line`].
    pub fn wait_line_where(&mut self, text: &str, mark: usize, wanted: impl Fn(&str) -> bool) -> Result<String> {
        let end = Instant::now() + DEADLINE;
        loop {
            let ended = self.child.try_wait()?;
            let lines = self.output.lines.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(line) = lines.iter().skip(mark).find(|line| wanted(line)) {
                return Ok(line.clone());
            }
            if let Some(status) = ended {
                bail!("{} ended ({status}) before '{text}'; it printed:\n{}", self.name, lines.join("\n"));
            }
            if Instant::now() > end {
                bail!("{}: no '{text}' in time; it printed:\n{}", self.name, lines.join("\n"));
            }
            let period = std::time::Duration::from_millis(200);
            drop(self.output.grown.wait_timeout(lines, period).unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// When it has ended already.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill(Pid::from_raw(self.pid()), signal).with_context(|| format!("signal to {}", self.name))
    }

    /// Whether it still runs.
    ///
    /// # Errors
    /// When the system cannot say.
    pub fn runs(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// After the deadline.
    pub fn wait_end(&mut self) -> Result<ExitStatus> {
        let what = format!("the end of {}", self.name);
        wait::until(&what, || self.child.try_wait().ok().flatten())
    }

    /// Ends it with SIGKILL, as a crash would, and waits for the end.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if wait::failing() {
            let lines = self.lines();
            let from = lines.len().saturating_sub(60);
            println!("---- {} (last {} lines)\n{}", self.name, lines.len() - from, lines[from..].join("\n"));
        }
    }
}

fn collect(stream: impl Read + Send + 'static, output: &Arc<Output>) {
    let output = Arc::clone(output);
    // The thread ends with the stream, that is with the last process that holds it.
    std::thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).into_owned();
            output.lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            output.grown.notify_all();
        }
    });
}

/// Runs a command to its end and returns its output.
///
/// # Errors
/// When it cannot be started or its exit status is not 0; the text has the command and its standard error.
pub fn capture(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("could not start {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Finds a program, also in the folders that a plain user's `PATH` leaves out.
#[must_use]
pub fn which(program: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin", "/lib/systemd"].map(Into::into))
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}
