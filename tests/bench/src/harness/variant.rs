//! The servers that are compared, how each is configured and started, and what can be asked of it.

use crate::harness::generator::{Asks, Way};
use crate::harness::hosts;
use crate::harness::process::{LOOK, Process, output};
use crate::harness::world::{SECOND_SERVER_IFL, SERVER, SERVER_IFL, World};
use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::Ipv4Addr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Routes that Bindery owns carry this protocol number (the default of the configuration).
const PROTOCOL: &str = "201";
/// What the daemon's log says when the kernel's routes are what they should be, or are known not to be.
const RECONCILED: &str = "routes reconciled";
/// Number of the first client that asks whether a server is up; each start has its own.
const PROBE: u32 = 0x4000_0000;

/// A server under test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    /// `binderyd`: durable commit, kernel routes, the option-insert plugin.
    Bindery,
    /// The same without a plugin.
    BinderyNoPlugin,
    /// [`Variant::Bindery`] of an older build.
    Before,
    /// [`Variant::BinderyNoPlugin`] of an older build.
    BeforeNoPlugin,
    /// [`Variant::BinderyNoPlugin`] with a second group, on the second link.
    BinderyTwo,
    /// `binderyd` without a plugin, with `reconfigure` and a RADIUS client that may disconnect.
    BinderyMoving,
    /// Kea with a memfile database that is written (not synced), one thread, log level WARN.
    Kea,
    /// ISC dhcpd: one fsync per ACK; a pool of 16,384, as its free list is linear.
    Isc,
    /// The responder without state of this crate.
    Responder,
}

impl Variant {
    /// Its name in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Variant::Bindery => "bindery",
            Variant::BinderyNoPlugin => "bindery-no-plugin",
            Variant::Before => "bindery-before",
            Variant::BeforeNoPlugin => "bindery-before-no-plugin",
            Variant::BinderyTwo => "bindery-two-groups",
            Variant::BinderyMoving => "bindery-reconfigure",
            Variant::Kea => "kea-memfile",
            Variant::Isc => "isc-dhcpd",
            Variant::Responder => "responder",
        }
    }

    /// True for the daemon of this repository.
    #[must_use]
    pub fn is_bindery(self) -> bool {
        !matches!(self, Variant::Kea | Variant::Isc | Variant::Responder)
    }

    /// True for a daemon with the plugin.
    fn has_plugin(self) -> bool {
        matches!(self, Variant::Bindery | Variant::Before)
    }

    /// Clients that its pool has room for.
    #[must_use]
    pub fn room(self) -> u32 {
        match self {
            Variant::Isc => 16_000,
            _ => 1_040_000,
        }
    }

    /// The program, or `None` where it is not installed.
    #[must_use]
    pub fn program(self, places: &Places) -> Option<PathBuf> {
        let path = match self {
            Variant::Before | Variant::BeforeNoPlugin => places.before.as_ref()?.binderyd.clone(),
            Variant::Bindery | Variant::BinderyNoPlugin | Variant::BinderyTwo | Variant::BinderyMoving => {
                places.binderyd.clone()
            }
            Variant::Kea => PathBuf::from("/usr/sbin/kea-dhcp4"),
            Variant::Isc => PathBuf::from("/usr/sbin/dhcpd"),
            Variant::Responder => places.responder.clone(),
        };
        path.exists().then_some(path)
    }
}

/// Where our own programs are.
#[derive(Debug, Clone)]
pub struct Places {
    /// The daemon.
    pub binderyd: PathBuf,
    /// The operator's CLI.
    pub bindery: PathBuf,
    /// The plugin component.
    pub plugin: PathBuf,
    /// `dhcpresp`.
    pub responder: PathBuf,
    /// An older build to compare with.
    pub before: Option<Box<Places>>,
}

impl Places {
    /// The programs of a build's release directory.
    #[must_use]
    pub fn in_release(directory: &Path) -> Places {
        Places {
            binderyd: directory.join("binderyd"),
            bindery: directory.join("bindery"),
            plugin: directory.join("../plugins/option-insert.wasm"),
            responder: directory.join("dhcpresp"),
            before: None,
        }
    }

    /// The programs of the build that a variant is of.
    fn of(&self, variant: Variant) -> &Places {
        match variant {
            Variant::Before | Variant::BeforeNoPlugin => self.before.as_deref().unwrap_or(self),
            _ => self,
        }
    }
}

/// Secret of the RADIUS client of [`Variant::BinderyMoving`].
const SECRET: &str = "bench";

/// A configuration of the daemon for the veth, with or without the plugin.
#[must_use]
pub fn bindery_configuration(plugin: Option<&Path>, moving: bool) -> String {
    let reconfigure = if moving { "; reconfigure" } else { "" };
    let disconnect =
        if moving { format!("radius-disconnect \"127.0.0.1\" {{ secret {SECRET} }}") } else { String::new() };
    let mut text = format!(
        r#"system {{
  services {{
    dhcp-local-server {{
      group bench {{ interface {SERVER_IFL}{reconfigure} }}
    }}
  }}
}}
access {{
  {disconnect}
  address-assignment {{
    pool bench {{
      family inet {{
        network "10.0.0.0/8"
        range r1 {{ low "10.16.0.0"; high "10.31.255.255" }}
        dhcp-attributes {{ maximum-lease-time 7200; router "10.0.0.1"; name-server "10.0.0.53" }}
      }}
    }}
  }}
}}
"#
    );
    if let Some(path) = plugin {
        text += &format!(
            r#"plugins {{
  plugin option-insert {{
    path "{}"
    deadline-ms 5
    on-failure continue
    settings {{ option 43 hex="0104c0000201" }}
  }}
}}
policy {{ shape-reply option-insert }}
"#,
            path.display()
        );
    }
    text
}

/// The daemon's configuration with reservations in `hosts.csv`.
fn with_host_table(lease_secs: u32) -> String {
    bindery_configuration(None, false)
        .replace("network \"10.0.0.0/8\"", "network \"10.0.0.0/8\"\n        host-table \"hosts.csv\"")
        .replace("maximum-lease-time 7200", &format!("maximum-lease-time {lease_secs}"))
}

/// The daemon's configuration with a second group, on the second link, and a pool for it.
fn two_groups() -> String {
    let groups =
        format!("group bench {{ interface {SERVER_IFL} }}\n      group second {{ interface {SECOND_SERVER_IFL} }}");
    bindery_configuration(None, false)
        .replace(&format!("group bench {{ interface {SERVER_IFL} }}"), &groups)
        .replace("address-assignment {", SECOND_POOL)
}

/// The beginning of the pools, with one for the second link.
const SECOND_POOL: &str = r#"address-assignment {
    pool second {
      family inet {
        network "172.16.0.0/12"
        range r1 { low "172.20.0.0"; high "172.23.255.255" }
        dhcp-attributes { maximum-lease-time 7200; router "172.16.0.1" }
      }
    }"#;

/// `own` with a second group, on the second link, whose replies go through the plugin `misbehaving`.
#[must_use]
pub fn second_group(own: &str, component: &Path, settings: &str) -> String {
    let group = format!(
        "group bench {{ interface {SERVER_IFL} }}
      group second {{ interface {SECOND_SERVER_IFL}; policy {{ shape-reply misbehaving }} }}"
    );
    let plugin = format!(
        r#"plugins {{
  plugin misbehaving {{
    path "{}"
    deadline-ms 5
    on-failure continue
    settings {{ {settings} }}
  }}"#,
        component.display()
    );
    own.replace(&format!("group bench {{ interface {SERVER_IFL} }}"), &group)
        .replace("address-assignment {", SECOND_POOL)
        .replace("plugins {", &plugin)
}

/// Kea's control socket, in the server's directory.
const KEA_SOCKET: &str = "kea.sock";

fn kea_configuration(directory: &Path, way: Way, reservations: Vec<serde_json::Value>) -> serde_json::Value {
    let sockets = match way {
        Way::Relayed | Way::RelayedSecond => "udp",
        Way::Direct => "raw",
    };
    let at = |name: &str| directory.join(name).display().to_string();
    serde_json::json!({"Dhcp4": {
        "interfaces-config": {"interfaces": [SERVER_IFL], "dhcp-socket-type": sockets},
        "lease-database": {"type": "memfile", "persist": true, "name": at("leases.csv"), "lfc-interval": 0},
        "control-socket": {"socket-type": "unix", "socket-name": at(KEA_SOCKET)},
        "valid-lifetime": 7200,
        "multi-threading": {"enable-multi-threading": false},
        "loggers": [{"name": "kea-dhcp4", "severity": "WARN", "output_options": [{"output": at("kea.log")}]}],
        "subnet4": [{
            "subnet": "10.0.0.0/8",
            "pools": [{"pool": "10.16.0.0 - 10.31.255.255"}],
            "reservations": reservations,
        }],
    }})
}

const ISC_CONFIGURATION: &str = "\
ping-check false;
authoritative;
dhcp-cache-threshold 0;
default-lease-time 7200;
max-lease-time 7200;
subnet 10.0.0.0 netmask 255.0.0.0 { range 10.16.0.0 10.16.63.255; }
";

/// A server that runs, with its directory.
#[derive(Debug)]
pub struct Server<'w> {
    world: &'w World,
    places: &'w Places,
    variant: Variant,
    way: Way,
    directory: tempfile::TempDir,
    process: Process,
    /// What the main table has without the server; `None` where the kernel does not count.
    prefixes: Option<u64>,
    /// When the process was started.
    started: Instant,
    /// ACKs that went to probes.
    probes: u32,
    /// From the start of the process to the first ACK.
    first_ack: Duration,
}

impl<'w> Server<'w> {
    /// Starts a server with an empty database for clients that come this way, and waits for its first ACK.
    ///
    /// # Errors
    /// It ends, or gives no ACK in two minutes; the message has the end of its log.
    pub fn start(
        world: &'w World,
        places: &'w Places,
        variant: Variant,
        way: Way,
        stop: &AtomicBool,
    ) -> Result<Server<'w>> {
        let directory = tempfile::TempDir::with_prefix_in("server.", world.scratch())?;
        let prefixes = count_prefixes(world).ok();
        let started = Instant::now();
        let process = spawn(world, places, variant, way, directory.path())?;
        let mut server = Server {
            world,
            places,
            variant,
            way,
            directory,
            process,
            prefixes,
            started,
            probes: 0,
            first_ack: Duration::ZERO,
        };
        server.await_ack(stop, |_| Ok(()))?;
        Ok(server)
    }

    /// Ends the process by `signal` and starts it again on the same directory.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn restart(&mut self, signal: Signal, stop: &AtomicBool) -> Result<()> {
        self.process.stop(signal)?;
        self.start_again(stop, |_| Ok(()))
    }

    /// Kills the process; the directory and the kernel's routes stay.
    ///
    /// # Errors
    /// As waitpid(2).
    pub fn kill(&mut self) -> Result<()> {
        self.process.stop(Signal::SIGKILL)
    }

    /// Starts a process that has ended again on the same directory, and looks again and again while it waits for the
    /// first ACK.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn start_again(&mut self, stop: &AtomicBool, look: impl FnMut(&Self) -> Result<()>) -> Result<()> {
        self.started = Instant::now();
        self.process = spawn(self.world, self.places, self.variant, self.way, self.directory.path())?;
        self.await_ack(stop, look)
    }

    /// One new client asks every 20 ms until it has its ACK.
    fn await_ack(&mut self, stop: &AtomicBool, mut look: impl FnMut(&Self) -> Result<()>) -> Result<()> {
        let mut asks = Asks::of(self.world);
        asks.by(self.way);
        asks.first = PROBE + self.probes;
        asks.words("--clients 1 --count 1 --seconds 120 --timeout-ms 20 --tolerate-silence");
        let mut probe = asks.start()?;
        let report = loop {
            if let Some(report) = probe.finished(stop)? {
                break report;
            }
            if let Some(status) = self.process.ended()? {
                bail!("{} ended with {status}: {}", self.variant.name(), self.log_end());
            }
            look(self)?;
            std::thread::sleep(LOOK);
        };
        self.first_ack = self.started.elapsed();
        if report.tally.acked != 1 {
            bail!("{} gave no ACK in two minutes: {}", self.variant.name(), self.log_end());
        }
        self.probes += 1;
        Ok(())
    }

    /// Which one it is.
    #[must_use]
    pub fn variant(&self) -> Variant {
        self.variant
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Clients that got an address while the harness waited for the server.
    #[must_use]
    pub fn probes(&self) -> u32 {
        self.probes
    }

    /// From the last start to the first ACK.
    #[must_use]
    pub fn first_ack(&self) -> Duration {
        self.first_ack
    }

    /// What it wrote to its directory, in MiB of allocated blocks.
    ///
    /// # Errors
    /// du(1) fails.
    pub fn disk_mib(&self) -> Result<f64> {
        let text = output(Command::new("du").arg("-sk").arg(self.directory.path()))?;
        let kib: f64 = text.split_whitespace().next().context("du is silent")?.parse()?;
        Ok(kib / 1024.0)
    }

    /// Bindings as the daemon's API counts them.
    ///
    /// # Errors
    /// The CLI fails, or its answer has no count.
    pub fn bindings(&self) -> Result<u64> {
        let reply = self.cli(&["show", "dhcp", "server", "binding", "summary"])?;
        find_count(&reply, "bound").with_context(|| format!("no count of bound clients in {reply}"))
    }

    /// What the daemon answers to a command of the CLI.
    fn cli(&self, words: &[&str]) -> Result<serde_json::Value> {
        let mut command = Command::new(&self.places.of(self.variant).bindery);
        command.arg("--control").arg(self.control()).arg("--json").args(words);
        Ok(serde_json::from_str(&output(&mut command)?)?)
    }

    /// Takes over another configuration while it runs.
    ///
    /// # Errors
    /// It is refused.
    pub fn commit(&self, text: &str) -> Result<()> {
        fs::write(self.directory.path().join("bindery.kdl"), text)?;
        self.cli(&["request", "system", "reload"]).map(drop)
    }

    /// Takes over `count` reservations while it runs, as the server is made for: a `host-table` and a reload, or
    /// `config-set` of Kea. Returns how long that took, with the reading of the file or of the command.
    ///
    /// # Errors
    /// They are refused.
    pub fn reserve(&self, count: u32) -> Result<Duration> {
        if self.variant == Variant::Kea {
            return self.kea("config-set", count);
        }
        fs::write(self.directory.path().join("hosts.csv"), hosts::csv(count))?;
        let began = Instant::now();
        self.commit(&with_host_table(7200))?;
        Ok(began.elapsed())
    }

    /// Sends Kea its configuration with `count` reservations by its control socket, to take it over or to test it;
    /// returns how long that took.
    ///
    /// # Errors
    /// It is refused.
    pub fn kea(&self, command: &str, count: u32) -> Result<Duration> {
        let arguments = kea_configuration(self.directory.path(), self.way, hosts::kea(count));
        let command = serde_json::json!({"command": command, "arguments": arguments}).to_string();
        let began = Instant::now();
        let mut socket = UnixStream::connect(self.directory.path().join(KEA_SOCKET)).context("Kea's socket")?;
        socket.write_all(command.as_bytes())?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer)?;
        let took = began.elapsed();
        let answer: serde_json::Value = serde_json::from_str(&answer)?;
        let done = answer.get("result").and_then(serde_json::Value::as_i64) == Some(0);
        if done { Ok(took) } else { bail!("Kea: {answer}") }
    }

    /// Commits another lease time beside the same `host-table`; returns how long that took.
    ///
    /// # Errors
    /// It is refused.
    pub fn change_lease_time(&self) -> Result<Duration> {
        let began = Instant::now();
        self.commit(&with_host_table(3600))?;
        Ok(began.elapsed())
    }

    /// What the daemon says of a plugin.
    ///
    /// # Errors
    /// The CLI fails, or there is no such plugin.
    pub fn plugin(&self, name: &str) -> Result<serde_json::Value> {
        let mut reply = self.cli(&["show", "plugins"])?;
        let plugins =
            reply.get_mut("plugins").and_then(serde_json::Value::as_array_mut).context("no list of plugins")?;
        let found = plugins.iter_mut().find(|plugin| plugin.get("name").and_then(|n| n.as_str()) == Some(name));
        Ok(found.with_context(|| format!("no plugin {name}"))?.take())
    }

    /// Where it keeps its files.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The socket of the daemon's API.
    #[must_use]
    pub fn control(&self) -> PathBuf {
        self.directory.path().join("control.sock")
    }

    /// The addresses of all bindings, as the daemon's API lists them.
    ///
    /// # Errors
    /// The CLI fails, or its answer has no list.
    pub fn addresses(&self) -> Result<BTreeSet<Ipv4Addr>> {
        let reply = self.cli(&["show", "dhcp", "server", "binding"])?;
        let bindings = reply.get("bindings").and_then(serde_json::Value::as_array).context("no list of bindings")?;
        let address = |row: &serde_json::Value| row.get("allocated-address")?.as_str()?.parse().ok();
        bindings.iter().map(|row| address(row).with_context(|| format!("no address in {row}"))).collect()
    }

    /// The addresses that the daemon's routes in the kernel lead to.
    ///
    /// # Errors
    /// ip(8) fails.
    pub fn routed(&self) -> Result<BTreeSet<Ipv4Addr>> {
        let text = output(&mut self.world.ip_server(&["-4", "route", "show", "proto", PROTOCOL]))?;
        let address = |line: &str| line.split_whitespace().next()?.parse().ok();
        text.lines().map(|line| address(line).with_context(|| format!("no host route: {line}"))).collect()
    }

    /// Begins to reconfigure every client, as fast as it goes; returns how many, once each first attempt is durable.
    ///
    /// # Errors
    /// The CLI fails, or its answer has no count.
    pub fn reconfigure_all(&self) -> Result<u64> {
        let reply = self.cli(&["request", "dhcp", "server", "reconfigure", "all", "pace", "1000000"])?;
        find_count(&reply, "started").with_context(|| format!("no count of clients in {reply}"))
    }

    /// Ends `count` clients by Disconnect-Requests of radclient(1), 64 in flight; returns how many it had an ACK for,
    /// and the seconds that it took. `None` where it is not installed.
    ///
    /// # Errors
    /// The CLI or radclient cannot be run.
    pub fn disconnect(&self, count: usize) -> Result<Option<(u64, f64)>> {
        let reply = self.cli(&["show", "dhcp", "server", "binding"])?;
        let bindings = reply.get("bindings").and_then(serde_json::Value::as_array).context("no list of bindings")?;
        let address = |row: &serde_json::Value| row.get("allocated-address")?.as_str().map(str::to_owned);
        let requests: Vec<String> = bindings
            .iter()
            .take(count)
            .filter_map(address)
            .map(|address| format!("Framed-IP-Address = {address}\n"))
            .collect();
        let file = self.directory.path().join("disconnect");
        fs::write(&file, requests.join("\n"))?;
        let mut command = self.world.in_server("radclient");
        command.args(["-q", "-s", "-p", "64", "-f"]).arg(file).args(["127.0.0.1:3799", "disconnect", SECRET]);
        let began = Instant::now();
        let Ok(output) = command.output() else { return Ok(None) };
        let seconds = began.elapsed().as_secs_f64();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let accepted = text.lines().find_map(|line| line.trim().strip_prefix("Accepted")?.split(':').nth(1));
        match accepted.and_then(|number| number.trim().parse().ok()) {
            Some(accepted) => Ok(Some((accepted, seconds))),
            None => Ok(None),
        }
    }

    /// Routes in the main table of the server's namespace beside those that were there when the server was made, as the
    /// kernel counts them: cheaper than to list a million.
    ///
    /// # Errors
    /// The kernel has no such count.
    pub fn count_routes(&self) -> Result<u64> {
        Ok(count_prefixes(self.world)?.saturating_sub(self.prefixes.context("the kernel counts no routes")?))
    }

    /// Removes every route of the daemon from the kernel.
    pub fn flush_routes(&self) {
        // Nothing to flush is an error to ip(8).
        let _empty = output(&mut self.world.ip_server(&["-4", "route", "flush", "proto", PROTOCOL]));
    }

    /// Ends every session on an interface.
    ///
    /// # Errors
    /// The CLI fails.
    pub fn clear_interface(&self, interface: &str) -> Result<()> {
        self.cli(&["clear", "dhcp", "server", "binding", "interface", interface]).map(drop)
    }

    /// How long its log is by now.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn log_length(&self) -> Result<usize> {
        Ok(fs::read(self.directory.path().join("out"))?.len())
    }

    /// Waits until the daemon has told of its first reconciliation, in its log from `from` on; the time from its last
    /// start.
    ///
    /// # Errors
    /// It tells of none so long.
    pub fn await_reconciled(&self, from: usize, patience: Duration, stop: &AtomicBool) -> Result<Duration> {
        loop {
            let log = fs::read(self.directory.path().join("out"))?;
            if String::from_utf8_lossy(log.get(from..).unwrap_or_default()).contains(RECONCILED) {
                return Ok(self.started.elapsed());
            }
            if self.started.elapsed() > patience || stop.load(Ordering::Relaxed) {
                bail!("{} has not reconciled its routes: {}", self.variant.name(), self.log_end());
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Routes of the daemon in the kernel.
    ///
    /// # Errors
    /// ip(8) fails.
    pub fn routes(&self) -> Result<u64> {
        let text = output(&mut self.world.ip_server(&["-4", "route", "show", "proto", PROTOCOL]))?;
        Ok(u64::try_from(text.lines().count())?)
    }

    /// Why a round with so many bound clients does not count; `None` when packets, database and kernel agree.
    ///
    /// # Errors
    /// As [`Server::bindings`] and [`Server::routes`].
    pub fn disagreement(&self, bound: u64) -> Result<Option<String>> {
        if !self.variant.is_bindery() {
            return Ok(None);
        }
        let expected = bound + u64::from(self.probes);
        let (bindings, routes) = (self.bindings()?, self.routes()?);
        let agree = expected == bindings && expected == routes;
        Ok((!agree).then(|| format!("{expected} ACKs, {bindings} bindings, {routes} routes")))
    }

    /// Ends the server and removes what it left in the kernel.
    ///
    /// # Errors
    /// As waitpid(2).
    pub fn stop(mut self) -> Result<()> {
        self.process.stop(Signal::SIGTERM)?;
        if self.variant.is_bindery() {
            self.flush_routes();
        }
        Ok(())
    }

    fn log_end(&self) -> String {
        let text = fs::read_to_string(self.directory.path().join("out")).unwrap_or_default();
        let from = text.char_indices().rev().nth(800).map_or(0, |(at, _)| at);
        text.get(from..).unwrap_or("").trim().to_owned()
    }
}

/// Prefixes of the main table of the server's namespace.
fn count_prefixes(world: &World) -> Result<u64> {
    let mut command = world.beside_server("cat");
    prefixes(&output(command.arg("/proc/net/fib_triestat"))?).context("no count of routes")
}

/// Prefixes of the main table in the kernel's statistics of its routes.
fn prefixes(statistics: &str) -> Option<u64> {
    let (_, main) = statistics.split_once("Main:")?;
    let line = main.lines().find_map(|line| line.trim().strip_prefix("Prefixes:"))?;
    line.trim().parse().ok()
}

/// The first number under `name` anywhere in a JSON value.
fn find_count(value: &serde_json::Value, name: &str) -> Option<u64> {
    match value {
        serde_json::Value::Object(fields) => fields
            .get(name)
            .and_then(serde_json::Value::as_u64)
            .or_else(|| fields.values().find_map(|value| find_count(value, name))),
        serde_json::Value::Array(values) => values.iter().find_map(|value| find_count(value, name)),
        _ => None,
    }
}

fn spawn(world: &World, places: &Places, variant: Variant, way: Way, directory: &Path) -> Result<Process> {
    let program = variant.program(places).with_context(|| format!("{} is not installed", variant.name()))?;
    let mut command = world.in_server(&program.display().to_string());
    let at = |name: &str| directory.join(name);
    match variant {
        Variant::Kea => {
            fs::write(at("kea.json"), kea_configuration(directory, way, Vec::new()).to_string())?;
            command.arg("-c").arg(at("kea.json"));
            command.env("KEA_PIDFILE_DIR", directory).env("KEA_LOCKFILE_DIR", directory);
            command.env("KEA_LOGGER_DESTINATION", "stdout");
            // A PID file of a killed Kea would keep the next one from starting.
            let _absent = fs::remove_file(at("kea.kea-dhcp4.pid"));
        }
        Variant::Isc => {
            fs::write(at("dhcpd.conf"), ISC_CONFIGURATION)?;
            File::options().create(true).append(true).open(at("dhcpd.leases"))?;
            command.args(["-4", "-f", "-q", "-cf"]).arg(at("dhcpd.conf"));
            command.arg("-lf").arg(at("dhcpd.leases")).arg("-pf").arg(at("pid")).arg(SERVER_IFL);
        }
        Variant::Responder => {
            command.arg(SERVER.to_string());
        }
        _ => {
            let plugin = variant.has_plugin().then_some(places.of(variant).plugin.as_path());
            let text = match variant {
                Variant::BinderyTwo => two_groups(),
                _ => bindery_configuration(plugin, variant == Variant::BinderyMoving),
            };
            fs::write(at("bindery.kdl"), text)?;
            command.arg("--config").arg(at("bindery.kdl"));
            command.arg("--state-dir").arg(at("state")).arg("--control").arg(at("control.sock"));
        }
    }
    let log = File::options().create(true).append(true).open(at("out"))?;
    command.stdout(Stdio::from(log.try_clone()?)).stderr(Stdio::from(log));
    Process::start(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_found_at_any_depth() {
        let reply = serde_json::json!({"summary": [{"state": {"bound": 7}}]});
        assert_eq!(find_count(&reply, "bound"), Some(7));
        assert_eq!(find_count(&reply, "selecting"), None);
    }

    #[test]
    fn routes_are_counted_in_the_main_table() {
        let text = "Basic info\nLocal:\n\tPrefixes:       9\nMain:\n\tLeaves:  3\n\tPrefixes:       4\n";
        assert_eq!(prefixes(text), Some(4));
        assert_eq!(prefixes("Local:\n\tPrefixes: 9\n"), None);
    }

    #[test]
    fn two_groups_have_two_pools() {
        let text = two_groups();
        assert!(text.contains("group second { interface ws }") && text.contains("pool second {"), "{text}");
    }

    #[test]
    fn a_table_is_named_and_the_lease_time_differs() {
        let text = with_host_table(3600);
        assert!(text.contains("host-table \"hosts.csv\"") && text.contains("maximum-lease-time 3600"), "{text}");
    }

    #[test]
    fn plugin_is_bound_only_when_given() {
        assert!(!bindery_configuration(None, false).contains("policy"));
        let with = bindery_configuration(Some(Path::new("/x/y.wasm")), false);
        assert!(with.contains("path \"/x/y.wasm\"") && with.contains("shape-reply option-insert"));
    }
}
