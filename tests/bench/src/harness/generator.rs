//! Runs of `dhcpload` in the clients' namespace.

use crate::harness::process::{LOOK, Process};
use crate::harness::world::{CLIENT_IFL, RELAY, SECOND_RELAY, SECOND_SERVER, SERVER, World};
use crate::plan::PREPARED;
use crate::report::Report;
use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};

/// How clients reach the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Through one relay, by UDP.
    Relayed,
    /// The same on the second link.
    RelayedSecond,
    /// As clients without an address, by frames.
    Direct,
}

/// What a generator is asked to do.
#[derive(Debug, Clone)]
pub struct Asks<'w> {
    world: &'w World,
    way: Way,
    /// Number of the first client.
    pub first: u32,
    words: Vec<String>,
}

impl<'w> Asks<'w> {
    /// A relayed run from client 0.
    #[must_use]
    pub fn of(world: &'w World) -> Asks<'w> {
        Asks { world, way: Way::Relayed, first: 0, words: Vec::new() }
    }

    /// Chooses the way to the server.
    pub fn by(&mut self, way: Way) {
        self.way = way;
    }

    /// Adds options, apart by blanks.
    pub fn words(&mut self, words: &str) {
        self.words.extend(words.split_whitespace().map(str::to_owned));
    }

    /// Starts the generator.
    ///
    /// # Errors
    /// It cannot be run.
    pub fn start(&self) -> Result<Generator> {
        let program = self.world.program("dhcpload");
        let mut command = self.world.in_client(&program.display().to_string());
        let (server, relay) = match self.way {
            Way::RelayedSecond => (SECOND_SERVER, SECOND_RELAY),
            Way::Relayed | Way::Direct => (SERVER, RELAY),
        };
        command.args(["--server", &server.to_string(), "--first", &self.first.to_string()]);
        match self.way {
            Way::Relayed | Way::RelayedSecond => {
                command.args(["--giaddr", &relay.to_string()]);
            }
            Way::Direct => {
                let [a, b, c, d, e, f] = self.world.server_mac()?;
                let mac = format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}");
                command.args(["--interface", CLIENT_IFL, "--server-mac", &mac]);
            }
        }
        command.args(&self.words).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = Process::start(command)?;
        let stderr = process.stderr().context("no standard error")?;
        let (lines, notes) = channel();
        // The channel holds a few lines; the thread ends with the generator.
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if lines.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Generator { process, notes, said: String::new(), prepared: false })
    }

    /// Runs the generator to its end; `measured` is called when it begins to count.
    ///
    /// # Errors
    /// It fails, a reply was wrong, or the harness was interrupted.
    pub fn run(&self, stop: &AtomicBool, mut measured: impl FnMut() -> Result<()>) -> Result<Report> {
        let mut generator = self.start()?;
        let mut told = false;
        loop {
            let end = generator.finished(stop)?;
            if generator.prepared && !told {
                told = true;
                measured()?;
            }
            if let Some(report) = end {
                return Ok(report);
            }
            std::thread::sleep(LOOK);
        }
    }
}

/// A generator that runs.
#[derive(Debug)]
pub struct Generator {
    process: Process,
    notes: Receiver<String>,
    said: String,
    prepared: bool,
}

impl Generator {
    /// Sends a signal to the generator.
    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Whether it has begun to count, as far as [`Generator::finished`] has seen.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.prepared
    }

    /// Its report when it has ended.
    ///
    /// # Errors
    /// It failed, a reply was wrong, or the harness was interrupted.
    pub fn finished(&mut self, stop: &AtomicBool) -> Result<Option<Report>> {
        if stop.load(Ordering::Relaxed) {
            bail!("interrupted");
        }
        let status = self.process.ended()?;
        while let Ok(line) =
            if status.is_some() { self.notes.recv().map_err(|_| ()) } else { self.notes.try_recv().map_err(|_| ()) }
        {
            if line == PREPARED {
                self.prepared = true;
            } else {
                self.said.push_str(&line);
                self.said.push('\n');
            }
        }
        let Some(status) = status else {
            return Ok(None);
        };
        let mut text = String::new();
        if let Some(mut stdout) = self.process.stdout() {
            stdout.read_to_string(&mut text)?;
        }
        if !status.success() {
            bail!("dhcpload: {status}: {}{}", self.said, text.trim());
        }
        let report = serde_json::from_str(text.trim()).with_context(|| format!("dhcpload printed {text:?}"))?;
        Ok(Some(report))
    }
}
