//! The measurements, each one round of one variant at a time.

use crate::echo::EchoReport;
use crate::harness::engines;
use crate::harness::figures::{Figures, Row};
use crate::harness::generator::{Asks, Way};
use crate::harness::machine::{DiskReport, GroupCommitReport, load_average};
use crate::harness::plugins::BEHAVIOURS;
use crate::harness::process::{LOOK, Process, cpu_seconds, output, rss_mib, thread_us};
use crate::harness::profile::Profile;
use crate::harness::variant::{Places, Server, Variant};
use crate::harness::world::{CLIENT_IFL, SERVER, World};
use crate::report::{Report, float};
use anyhow::{Result, bail};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Sessions that `rss` and `restart` fill a server with.
pub const SESSIONS: u32 = 100_000;
/// Disconnect-Requests of `reconfigure`.
const DISCONNECTS: usize = 10_000;
/// Clients that `renew` renews.
const RENEWERS: u32 = 20_000;

/// A measurement by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// DORA/s in a closed loop, with the echo and the disk beside it.
    Dora,
    /// Renewals/s in a closed loop.
    Renew,
    /// Latency of a DORA at a fixed rate.
    Latency,
    /// Memory with [`SESSIONS`] sessions.
    Rss,
    /// Time from start to first ACK with [`SESSIONS`] sessions.
    Restart,
    /// What the plugin costs.
    Plugin,
    /// Reconfigurations and Disconnect-Requests with [`SESSIONS`] sessions.
    Reconfigure,
    /// Nanoseconds of a hook.
    Hooks,
    /// One engine and two, each with a CPU of its own.
    Engines,
    /// Renewals while commits replace the plugin.
    Replace,
    /// Renewals beside a group whose plugin misbehaves.
    Misbehave,
    /// Time and memory of reservations by the million.
    HostTable,
    /// Commits of every class while clients renew.
    Commits,
    /// A large configuration, and one line of it.
    Config,
    /// Renewals under a flood of made-up clients and garbage.
    Flood,
    /// What a packet costs among few sessions and among a million.
    Flat,
    /// A million sessions that are filled, renewed, ended, lost by a crash and found again.
    Soak,
    /// Where the daemon's time goes, by perf(1).
    Profile,
}

impl Step {
    /// All of them, in the order of a whole run.
    pub const ALL: [Step; 18] = [
        Step::Dora,
        Step::Renew,
        Step::Latency,
        Step::Rss,
        Step::Restart,
        Step::Plugin,
        Step::Reconfigure,
        Step::Hooks,
        Step::Engines,
        Step::Replace,
        Step::Misbehave,
        Step::HostTable,
        Step::Commits,
        Step::Config,
        Step::Flood,
        Step::Flat,
        Step::Soak,
        Step::Profile,
    ];

    /// The word on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Step::Dora => "dora",
            Step::Renew => "renew",
            Step::Latency => "latency",
            Step::Rss => "rss",
            Step::Restart => "restart",
            Step::Plugin => "plugin",
            Step::Reconfigure => "reconfigure",
            Step::Hooks => "hooks",
            Step::Engines => "engines",
            Step::Replace => "replace",
            Step::Misbehave => "misbehave",
            Step::HostTable => "host-table",
            Step::Commits => "commits",
            Step::Config => "config",
            Step::Flood => "flood",
            Step::Flat => "flat",
            Step::Soak => "soak",
            Step::Profile => "profile",
        }
    }

    /// Variants that it compares by default.
    #[must_use]
    pub fn variants(self) -> &'static [Variant] {
        match self {
            Step::Dora | Step::Renew | Step::Latency => &[Variant::Responder, Variant::Kea, Variant::Bindery],
            Step::Rss | Step::Restart => &[Variant::Kea, Variant::Bindery],
            Step::Plugin => &[Variant::BinderyNoPlugin, Variant::Bindery],
            Step::HostTable | Step::Config => &[Variant::Kea, Variant::BinderyNoPlugin],
            Step::Reconfigure => &[Variant::BinderyMoving],
            Step::Flood => &[Variant::Responder, Variant::Bindery],
            Step::Flat | Step::Soak => &[Variant::BinderyTwo],
            Step::Replace | Step::Commits | Step::Profile => &[Variant::Bindery],
            // Their rows are not of servers.
            Step::Hooks | Step::Engines | Step::Misbehave => &[],
        }
    }
}

/// How a run was asked for.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Rounds.
    pub rounds: u32,
    /// Seconds of load in one measurement.
    pub seconds: f64,
    /// Exchanges in flight in closed loops.
    pub window: u32,
    /// DORA/s of the open loop.
    pub rate: f64,
    /// Sessions of `rss` and `restart`.
    pub sessions: u32,
    /// Relayed or direct clients.
    pub way: Way,
    /// Reservations of `host-table`.
    pub reservations: u32,
    /// Commits of `commits`.
    pub commits: u32,
    /// `host` statements of `config`.
    pub hosts: u32,
    /// Variants; empty for those of each step.
    pub variants: Vec<Variant>,
    /// Where a profile is kept.
    pub perf: Option<PathBuf>,
}

/// A run: where, with what, and what came out.
pub struct Bench<'a> {
    /// The namespaces.
    pub world: &'a World,
    /// Our programs.
    pub places: &'a Places,
    /// How it was asked for.
    pub settings: &'a Settings,
    /// Becomes true when the harness shall end.
    pub stop: &'a AtomicBool,
    /// What came out.
    pub figures: Figures,
}

/// Processor time of a server between two moments.
struct Spent {
    seconds: f64,
    threads: BTreeMap<String, f64>,
}

fn spent(pid: u32) -> Result<Spent> {
    Ok(Spent { seconds: cpu_seconds(pid)?, threads: thread_us(pid)? })
}

impl Bench<'_> {
    /// All rounds of all steps. A variant that fails makes a void row and the run goes on.
    ///
    /// # Errors
    /// Interrupted.
    pub fn run(&mut self, steps: &[Step]) -> Result<()> {
        let mut skipped = Vec::new();
        for round in 0..self.settings.rounds {
            for step in steps {
                if *step == Step::Dora {
                    self.row("echo", "udp-echo", round, |bench, values| bench.echo(values))?;
                    self.row("disk", "4KiB+fdatasync", round, |bench, values| bench.disk(values))?;
                }
                if *step == Step::Latency {
                    self.row("disk", "4KiB+fdatasync", round, |bench, values| bench.disk(values))?;
                    self.row(step.name(), "group-commit", round, |bench, values| bench.group_commit(values))?;
                }
                match step {
                    Step::Hooks => self.hooks(round)?,
                    Step::Engines => self.engines(round)?,
                    Step::Misbehave if !self.fixture().is_file() => {
                        println!("SKIP bench-misbehave: {} is not built", self.fixture().display());
                    }
                    Step::Misbehave => {
                        for behaviour in BEHAVIOURS {
                            self.row(step.name(), behaviour, round, |bench, values| {
                                bench.misbehave(behaviour, values)
                            })?;
                        }
                    }
                    _ => {}
                }
                let own = match step {
                    Step::Dora
                    | Step::Renew
                    | Step::Latency
                    | Step::Rss
                    | Step::Restart
                    | Step::Profile
                    | Step::Flood => false,
                    Step::Plugin | Step::Reconfigure | Step::Hooks | Step::Replace | Step::Misbehave => true,
                    Step::HostTable | Step::Commits | Step::Config | Step::Engines | Step::Flat | Step::Soak => true,
                };
                let chosen = match self.settings.variants.is_empty() || own {
                    true => step.variants().to_vec(),
                    false => self.settings.variants.clone(),
                };
                for variant in chosen {
                    if let Some(why) = self.unfit(variant) {
                        let name = variant.name();
                        if !skipped.contains(&name) {
                            println!("SKIP bench-{name}: {why}");
                            skipped.push(name);
                        }
                        continue;
                    }
                    self.row(step.name(), variant.name(), round, |bench, values| {
                        bench.measure(*step, variant, values)
                    })?;
                }
            }
        }
        Ok(())
    }

    /// Why a variant cannot be measured; `None` when it can.
    fn unfit(&self, variant: Variant) -> Option<&'static str> {
        if variant.program(self.places).is_none() {
            return Some("not installed");
        }
        let direct = self.settings.way == Way::Direct;
        (variant == Variant::Responder && direct).then_some("it answers relays only")
    }

    pub(crate) fn row(
        &mut self,
        step: &str,
        variant: &str,
        round: u32,
        measure: impl FnOnce(&Self, &mut BTreeMap<String, f64>) -> Result<Option<String>>,
    ) -> Result<()> {
        let mut values = BTreeMap::new();
        let void = match measure(self, &mut values) {
            Ok(void) => void,
            Err(error) => Some(format!("{error:#}")),
        };
        if self.stop.load(Ordering::Relaxed) {
            bail!("interrupted");
        }
        self.figures.add(Row {
            step: step.to_owned(),
            variant: variant.to_owned(),
            round,
            values,
            void,
            load: load_average(),
        });
        Ok(())
    }

    fn measure(&self, step: Step, variant: Variant, values: &mut BTreeMap<String, f64>) -> Result<Option<String>> {
        let mut server = Server::start(self.world, self.places, variant, self.settings.way, self.stop)?;
        match step {
            Step::Dora | Step::Plugin | Step::Latency | Step::Renew | Step::Profile => {
                self.load(step, variant, server, values)
            }
            Step::Rss | Step::Restart | Step::Reconfigure => self.fill(step, variant, server, values),
            Step::Replace | Step::HostTable | Step::Commits | Step::Config | Step::Flood | Step::Flat | Step::Soak => {
                let void = match step {
                    Step::Flat => self.flat(variant, &server, values)?,
                    Step::Soak => self.soak(&mut server, values)?,
                    Step::HostTable => self.host_table(variant, &server, values)?,
                    Step::Flood => self.flood(variant, &server, values)?,
                    Step::Commits => self.commits(&server, values)?,
                    Step::Config => self.config(variant, &server, values)?,
                    _ => self.replace(&server, values)?,
                };
                server.stop()?;
                Ok(void)
            }
            Step::Hooks | Step::Engines | Step::Misbehave => bail!("{} has no server to start", step.name()),
        }
    }

    pub(crate) fn asks(&self) -> Asks<'_> {
        let mut asks = Asks::of(self.world);
        asks.by(self.settings.way);
        asks
    }

    /// One stretch of load, what it cost, and whether packets, database and kernel agree after it.
    fn load(
        &self,
        step: Step,
        variant: Variant,
        server: Server<'_>,
        values: &mut BTreeMap<String, f64>,
    ) -> Result<Option<String>> {
        let mut asks = self.asks();
        asks.words(&format!("--seconds {}", self.settings.seconds));
        match step {
            Step::Latency => asks.words(&format!("--rate {} --stamps {CLIENT_IFL}", self.settings.rate)),
            _ => asks.words(&format!("--window {}", self.settings.window)),
        }
        match step {
            Step::Renew => {
                asks.words(&format!("--renew --clients {}", RENEWERS.min(variant.room())));
            }
            _ => asks.words(&format!("--clients {}", variant.room())),
        }
        let before = Cell::new(None);
        let profile = match step {
            Step::Profile => Some(Profile::record(self.world, server.pid(), self.settings.perf.clone())?),
            _ => None,
        };
        let report = asks.run(self.stop, || {
            before.set(Some(spent(server.pid())?));
            Ok(())
        })?;
        let after = spent(server.pid())?;
        if let Some(profile) = profile {
            eprintln!("{}", profile.finish()?);
        }
        note_load(values, step, &report);
        if let Some(before) = before.take() {
            note_cost(values, &report, &before, &after, variant);
        }
        values.insert("rss_mib".into(), rss_mib(server.pid())?);
        let void = server.disagreement(report.bound)?.or_else(|| fault(&report));
        server.stop()?;
        Ok(void)
    }

    /// Fills a server, reads its memory, and for [`Step::Restart`] ends it and starts it again.
    fn fill(
        &self,
        step: Step,
        variant: Variant,
        mut server: Server<'_>,
        values: &mut BTreeMap<String, f64>,
    ) -> Result<Option<String>> {
        let sessions = self.settings.sessions.min(variant.room());
        let empty = rss_mib(server.pid())?;
        values.insert("start_empty_ms".into(), server.first_ack().as_secs_f64() * 1000.0);
        let mut asks = self.asks();
        asks.words(&format!("--clients {sessions} --count {sessions}"));
        let report = self.fill_telling(&mut asks, &server)?;
        let full = rss_mib(server.pid())?;
        values.insert("sessions".into(), float(report.bound));
        values.insert("fill_rate".into(), report.rate);
        values.insert("rss_empty_mib".into(), empty);
        values.insert("rss_mib".into(), full);
        values.insert("bytes_per_session".into(), (full - empty) * 1_048_576.0 / float(report.bound.max(1)));
        values.insert("disk_mib".into(), server.disk_mib()?);
        let mut void = server.disagreement(report.bound)?.or_else(|| fault(&report));
        if step == Step::Restart {
            void = void.or(self.restart(&mut server, report.bound, values)?);
        }
        if step == Step::Reconfigure {
            void = void.or(Self::reconfigure(&server, report.bound, values)?);
        }
        server.stop()?;
        Ok(void)
    }

    /// Starts to move every client, then ends some by RADIUS.
    fn reconfigure(server: &Server<'_>, bound: u64, values: &mut BTreeMap<String, f64>) -> Result<Option<String>> {
        let expected = server.bindings()?;
        let began = Instant::now();
        let started = server.reconfigure_all()?;
        values.insert("reconfigured/s".into(), float(started) / began.elapsed().as_secs_f64());
        if started != expected {
            return Ok(Some(format!("{started} of {expected} clients are being reconfigured")));
        }
        let count = usize::try_from(bound / 2).unwrap_or(usize::MAX).min(DISCONNECTS);
        let Some((accepted, seconds)) = server.disconnect(count)? else {
            println!("SKIP bench-disconnect: radclient is not installed");
            return Ok(None);
        };
        values.insert("disconnected/s".into(), float(accepted) / seconds);
        let left = (server.bindings()?, server.routes()?);
        let wanted = (expected - accepted, expected - accepted);
        let wrong = accepted != count as u64 || left != wanted;
        Ok(wrong.then(|| format!("{accepted} of {count} disconnected; bindings and routes {left:?}, not {wanted:?}")))
    }

    fn echo(&self, values: &mut BTreeMap<String, f64>) -> Result<Option<String>> {
        let program = self.world.program("udpecho").display().to_string();
        let address = SERVER.to_string();
        let mut command = self.world.in_server(&program);
        command.args(["serve", &address]);
        let server = Process::start(command)?;
        let mut load = self.world.in_client(&program);
        load.args(["load", &address]);
        // The first try waits until the echo listens.
        loop {
            let mut first = self.world.in_client(&program);
            let text = output(first.args(["load", &address, "0.05", "1"]))?;
            let report: EchoReport = serde_json::from_str(text.trim())?;
            if report.rate > 0.0 || self.stop.load(Ordering::Relaxed) {
                break;
            }
            std::thread::sleep(LOOK);
        }
        let before = cpu_seconds(server.pid())?;
        let text = output(load.arg(self.settings.seconds.to_string()))?;
        let spent = cpu_seconds(server.pid())? - before;
        let report: EchoReport = serde_json::from_str(text.trim())?;
        values.insert("rate".into(), report.rate);
        values.insert("p50_us".into(), report.p50_us);
        values.insert("p99_us".into(), report.p99_us);
        values.insert("load_cpu_%".into(), report.cpu_percent);
        values.insert("cpu_%".into(), spent / self.settings.seconds * 100.0);
        Ok(None)
    }

    fn disk(&self, values: &mut BTreeMap<String, f64>) -> Result<Option<String>> {
        let this = std::env::current_exe()?;
        let mut command = self.world.in_server(&this.display().to_string());
        let text = output(command.arg("disk").arg(self.world.scratch()))?;
        let report: DiskReport = serde_json::from_str(text.trim())?;
        values.insert("rate".into(), report.rate);
        values.insert("p50_us".into(), report.p50_us);
        values.insert("p99_us".into(), report.p99_us);
        Ok(None)
    }

    fn group_commit(&self, values: &mut BTreeMap<String, f64>) -> Result<Option<String>> {
        let this = std::env::current_exe()?;
        let mut command = self.world.in_server(&this.display().to_string());
        command.arg("group-commit").arg(self.world.scratch());
        let settings = &self.settings;
        let text = output(command.args([settings.rate.to_string(), settings.seconds.to_string()]))?;
        let report: GroupCommitReport = serde_json::from_str(text.trim())?;
        for (name, value) in [
            ("rate", report.rate),
            ("commits/s", report.commits),
            ("p50_us", report.p50_us),
            ("p99_us", report.p99_us),
            ("p999_us", report.p999_us),
        ] {
            values.insert(name.into(), value);
        }
        Ok(None)
    }
}

/// Why a run of the generator does not count. A lost exchange is no reason: a server may drop what is too much for it,
/// and the rate has only what was answered.
pub(crate) fn fault(report: &Report) -> Option<String> {
    let tally = &report.tally;
    (tally.nak + tally.wrong + tally.duplicates > 0).then(|| format!("{tally:?} {}", report.first_fault))
}

fn note_load(values: &mut BTreeMap<String, f64>, step: Step, report: &Report) {
    values.insert("rate".into(), report.rate);
    values.insert("p50_us".into(), report.p50_us);
    values.insert("p99_us".into(), report.p99_us);
    values.insert("load_cpu_%".into(), report.cpu_percent);
    values.insert("retransmitted".into(), float(report.tally.retransmitted));
    values.insert("lost".into(), float(report.tally.lost));
    if step == Step::Latency {
        values.insert("p999_us".into(), report.p999_us);
        values.insert("max_us".into(), report.max_us);
        values.insert("offer_p99_us".into(), report.offer_p99_us);
        values.insert("wire_ack_p50_us".into(), report.wire_p50_us);
        values.insert("wire_ack_p99_us".into(), report.wire_p99_us);
    }
}

/// Server's processor time per exchange, and for the daemon the share of each thread.
fn note_cost(values: &mut BTreeMap<String, f64>, report: &Report, before: &Spent, after: &Spent, variant: Variant) {
    let acked = float(report.tally.acked.max(1));
    let seconds = after.seconds - before.seconds;
    values.insert("cpu_us".into(), seconds * 1e6 / acked);
    values.insert("cpu_%".into(), seconds / report.seconds.max(0.001) * 100.0);
    if !variant.is_bindery() {
        return;
    }
    for (name, us) in &after.threads {
        let us = us - before.threads.get(name).copied().unwrap_or(0.0);
        let each = us / acked;
        if each >= 0.05 {
            values.insert(format!("cpu_us[{name}]"), each);
        }
    }
}

/// The ratios that the goals are written in, as a markdown table.
#[must_use]
pub fn ratios(figures: &Figures) -> String {
    let (dora, renew) = ("dora", "renew");
    let rate = |step, variant: Variant| (step, variant.name(), "rate");
    let cpu = |step, variant: Variant| (step, variant.name(), "cpu_us");
    let echo = ("echo", "udp-echo", "rate");
    let (kea, bindery, responder) = (Variant::Kea, Variant::Bindery, Variant::Responder);
    let (before, bare, bare_before) = (Variant::Before, Variant::BinderyNoPlugin, Variant::BeforeNoPlugin);
    let lines = [
        figures.ratio_line("DORA/s, bindery / kea-memfile", rate(dora, bindery), rate(dora, kea), 1.0),
        figures.ratio_line("CPU per DORA, bindery / kea-memfile", cpu(dora, bindery), cpu(dora, kea), 1.0),
        figures.ratio_line("2 x DORA/s of bindery / echo", rate(dora, bindery), echo, 2.0),
        figures.ratio_line("2 x DORA/s of kea-memfile / echo", rate(dora, kea), echo, 2.0),
        figures.ratio_line("2 x DORA/s of the responder / echo", rate(dora, responder), echo, 2.0),
        figures.ratio_line("DORA/s, bindery / before", rate(dora, bindery), rate(dora, before), 1.0),
        figures.ratio_line("CPU per DORA, bindery / before", cpu(dora, bindery), cpu(dora, before), 1.0),
        figures.ratio_line(
            "CPU per DORA without plugin, bindery / before",
            cpu(dora, bare),
            cpu(dora, bare_before),
            1.0,
        ),
        figures.ratio_line("CPU per renewal, bindery / before", cpu(renew, bindery), cpu(renew, before), 1.0),
        figures.ratio_line("renewals/s, bindery / kea-memfile", rate(renew, bindery), rate(renew, kea), 1.0),
        figures.ratio_line("CPU per renewal, bindery / kea-memfile", cpu(renew, bindery), cpu(renew, kea), 1.0),
        figures.ratio_line(
            "CPU per DORA, with plugin / without",
            cpu("plugin", bindery),
            cpu("plugin", Variant::BinderyNoPlugin),
            1.0,
        ),
    ];
    let lines = lines.concat() + &engines::ratio_lines(figures);
    if lines.is_empty() {
        return lines;
    }
    format!("\n### ratios, round by round\n\n| ratio | n | median (least..greatest) |\n|---|---|---|\n{lines}")
}

/// The versions of the peers that are installed, for the line above the tables.
#[must_use]
pub fn peer_versions() -> String {
    let version = |program: &str, flag: &str| {
        let output = Command::new(program).arg(flag).output().ok()?;
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        Some(text.lines().next().unwrap_or("").trim().to_owned())
    };
    let kea = version("/usr/sbin/kea-dhcp4", "-v").map(|v| format!("kea-dhcp4 {v}"));
    let isc = version("/usr/sbin/dhcpd", "--version");
    let found: Vec<String> = [kea, isc].into_iter().flatten().collect();
    found.join(", ")
}
