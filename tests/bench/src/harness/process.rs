//! Processes that the harness started, and what the kernel says about them.

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::fs;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How long a process may take to end after SIGTERM before it is killed.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a process or a server is looked at while waiting.
pub(crate) const LOOK: Duration = Duration::from_millis(5);

/// A process that ends with this value.
#[derive(Debug)]
pub struct Process {
    child: Child,
    name: String,
}

impl Process {
    /// Starts a command.
    ///
    /// # Errors
    /// The program cannot be run.
    pub fn start(mut command: Command) -> Result<Process> {
        let name = format!("{command:?}");
        let child = command.stdin(Stdio::null()).spawn().with_context(|| format!("start {name}"))?;
        Ok(Process { child, name })
    }

    /// The process id. `ip netns exec` and `taskset` replace themselves, so it is the program's own.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The end of the process, if it has ended.
    ///
    /// # Errors
    /// As waitpid(2).
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().with_context(|| format!("wait for {}", self.name))
    }

    /// Its standard error, once.
    pub fn stderr(&mut self) -> Option<std::process::ChildStderr> {
        self.child.stderr.take()
    }

    /// Its standard output, once.
    pub fn stdout(&mut self) -> Option<std::process::ChildStdout> {
        self.child.stdout.take()
    }

    /// Sends a signal; a process that has ended already is no error.
    pub fn signal(&self, signal: Signal) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            // The child is not reaped before this value waits for it, so the number cannot be another process's.
            let _gone = kill(Pid::from_raw(pid), signal);
        }
    }

    /// Ends it by `signal` and waits; after half a minute it is killed.
    ///
    /// # Errors
    /// As waitpid(2).
    pub fn stop(&mut self, signal: Signal) -> Result<()> {
        if self.ended()?.is_some() {
            return Ok(());
        }
        self.signal(signal);
        let began = Instant::now();
        while self.ended()?.is_none() {
            if began.elapsed() > PATIENCE {
                eprintln!("bindery-bench: {} did not end on {signal} and is killed", self.name);
                self.signal(Signal::SIGKILL);
                self.child.wait()?;
                break;
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Err(error) = self.stop(Signal::SIGTERM) {
            eprintln!("bindery-bench: {error:#}");
        }
    }
}

/// Processor time of a process in seconds, all its threads, ended ones too; the grain is 10 ms.
///
/// # Errors
/// The process has ended.
pub fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> = stat.rsplit_once(')').context("no name in stat")?.1.split_whitespace().collect();
    let ticks = |at: usize| -> Result<f64> { Ok(fields.get(at).context("short stat")?.parse()?) };
    // USER_HZ is 100 in the ABI of every architecture that this runs on.
    Ok((ticks(11)? + ticks(12)?) / 100.0)
}

/// Processor time of each living thread in microseconds, summed by thread name.
///
/// # Errors
/// The process has ended.
pub fn thread_us(pid: u32) -> Result<BTreeMap<String, f64>> {
    let mut threads = BTreeMap::new();
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let path = task?.path();
        // A thread may end while it is looked at.
        let (Ok(name), Ok(schedstat)) =
            (fs::read_to_string(path.join("comm")), fs::read_to_string(path.join("schedstat")))
        else {
            continue;
        };
        let nanos: f64 = schedstat.split_whitespace().next().unwrap_or("0").parse().unwrap_or(0.0);
        *threads.entry(name.trim().to_owned()).or_insert(0.0) += nanos / 1000.0;
    }
    Ok(threads)
}

/// Resident memory in MiB.
///
/// # Errors
/// The process has ended.
pub fn rss_mib(pid: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kib: f64 = line.split_whitespace().next().unwrap_or("0").parse()?;
    Ok(kib / 1024.0)
}

/// Runs a command to its end and returns what it printed.
///
/// # Errors
/// It cannot be run, or its exit status is not 0 (the message has its standard error).
pub fn output(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("run {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_figures_are_readable() {
        let pid = std::process::id();
        assert!(cpu_seconds(pid).expect("stat") >= 0.0);
        assert!(rss_mib(pid).expect("status") > 0.5);
        assert!(!thread_us(pid).expect("tasks").is_empty());
    }

    #[test]
    fn a_process_ends_with_its_value() {
        let mut command = Command::new("sleep");
        command.arg("1000");
        let process = Process::start(command).expect("sleep exists");
        let pid = process.pid();
        drop(process);
        assert!(cpu_seconds(pid).is_err(), "reaped");
    }

    #[test]
    fn a_failed_command_says_why() {
        let error = output(Command::new("ls").arg("/nonexistent-bench-path")).expect_err("no such path");
        assert!(error.to_string().contains("nonexistent-bench-path"), "{error}");
    }
}
