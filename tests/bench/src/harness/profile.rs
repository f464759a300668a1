//! Where a server's time goes: perf(1) on its threads while it serves.

use crate::harness::process::{LOOK, Process, output};
use crate::harness::world::World;
use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Functions listed for each thread.
const LINES: usize = 30;

/// Longer lines are cut: names of generic functions fill pages.
const WIDTH: usize = 130;

/// A recording that runs.
#[derive(Debug)]
pub struct Profile {
    perf: Process,
    data: PathBuf,
}

impl Profile {
    /// Starts to record all threads of `pid` by the CPU clock, which a virtual machine without counters has too. The
    /// data is left at `kept`, or goes with the scratch directory.
    ///
    /// # Errors
    /// perf(1) cannot be run (Debian: `linux-perf`).
    pub fn record(world: &World, pid: u32, kept: Option<PathBuf>) -> Result<Profile> {
        let data = kept.unwrap_or_else(|| world.scratch().join("perf.data"));
        // What an earlier run left would look like a recording that has begun.
        let _absent = std::fs::remove_file(&data);
        let mut command = Command::new("perf");
        command.args(["record", "-q", "-e", "cpu-clock", "-F", "2999", "-g", "-p", &pid.to_string(), "-o"]);
        command.arg(&data).stdout(Stdio::null()).stderr(Stdio::null());
        let mut perf = Process::start(command).context("perf is needed (Debian: linux-perf)")?;
        while std::fs::metadata(&data).map_or(0, |file| file.len()) == 0 {
            if let Some(status) = perf.ended()? {
                bail!("perf ended with {status}");
            }
            std::thread::sleep(LOOK);
        }
        Ok(Profile { perf, data })
    }

    /// Ends the recording and returns the share of each thread, then the dearest functions of all threads.
    ///
    /// # Errors
    /// perf(1) fails, or it recorded nothing.
    pub fn finish(mut self) -> Result<String> {
        self.perf.stop(Signal::SIGINT)?;
        let mut text = String::new();
        for (title, sort) in [("threads", "comm"), ("objects", "comm,dso"), ("functions", "comm,symbol")] {
            let mut command = Command::new("perf");
            command.args(["report", "--stdio", "--no-children", "-g", "none", "-q", "--percent-limit", "0.3"]);
            command.args(["--sort", sort, "-i"]).arg(&self.data);
            let report = output(&mut command)?;
            text += &format!("profile by {title}:\n");
            let lines = report.lines().filter(|line| !line.trim().is_empty()).take(LINES);
            text.extend(lines.map(|line| {
                // perf pads the name and ends the line with two empty columns.
                line.trim_end_matches(['-', ' ']).chars().take(WIDTH).chain(['\n']).collect::<String>()
            }));
        }
        Ok(text)
    }
}
