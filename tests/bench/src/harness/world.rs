//! Two network namespaces joined by two veth pairs: the server's end `vs` at 10.0.0.1/8, the load's end `vc` at
//! 10.0.0.2/8, and for a second group of clients `ws` at 172.16.0.1/12 and `wc` at 172.16.0.2/12. Nothing is bound outside
//! of them.

use crate::args::parse_mac;
use crate::frame::Mac;
use crate::harness::process::output;
use anyhow::{Context, Result};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The server's address.
pub const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
/// The relay's address; on-link on the server's interface, so the route of its clients goes through it.
pub const RELAY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
/// The server's address on the second link.
pub const SECOND_SERVER: Ipv4Addr = Ipv4Addr::new(172, 16, 0, 1);
/// The relay on the second link.
pub const SECOND_RELAY: Ipv4Addr = Ipv4Addr::new(172, 16, 0, 2);
/// The server's interface of the second link.
pub const SECOND_SERVER_IFL: &str = "ws";
/// The server's interface.
pub const SERVER_IFL: &str = "vs";
/// The clients' interface.
pub const CLIENT_IFL: &str = "vc";

/// The namespaces and a scratch directory; all are gone when the value is.
#[derive(Debug)]
pub struct World {
    server: String,
    client: String,
    server_cpu: String,
    client_cpu: String,
    scratch: tempfile::TempDir,
    programs: PathBuf,
}

impl World {
    /// Makes the namespaces. `server_cpu` and `client_cpu` are CPU lists as taskset(1) takes them; `below` is where the
    /// scratch directory goes: it must be on the disk that durable writes are measured on.
    ///
    /// # Errors
    /// Not root, or no ip(8).
    pub fn new(server_cpu: &str, client_cpu: &str, below: Option<&Path>) -> Result<World> {
        let scratch = match below {
            Some(path) => tempfile::TempDir::with_prefix_in("bindery-bench.", path),
            None => tempfile::TempDir::with_prefix("bindery-bench."),
        }
        .context("make a scratch directory")?;
        let programs = std::env::current_exe()?;
        let mut programs = programs.parent().context("no directory of programs")?.to_owned();
        if programs.ends_with("deps") {
            programs.pop();
        }
        let tag = std::process::id();
        let world = World {
            server: format!("bbench{tag}-s"),
            client: format!("bbench{tag}-c"),
            server_cpu: server_cpu.to_owned(),
            client_cpu: client_cpu.to_owned(),
            scratch,
            programs,
        };
        world.build().context("make the namespaces (needs root and iproute2)")?;
        Ok(world)
    }

    fn build(&self) -> Result<()> {
        for name in [&self.server, &self.client] {
            output(Command::new("ip").args(["netns", "add", name]))?;
            output(Command::new("ip").args(["-n", name, "link", "set", "lo", "up"]))?;
        }
        self.join((SERVER_IFL, SERVER), (CLIENT_IFL, RELAY), 8)?;
        self.join((SECOND_SERVER_IFL, SECOND_SERVER), ("wc", SECOND_RELAY), 12)
    }

    /// Joins the namespaces by a veth pair.
    fn join(&self, server: (&str, Ipv4Addr), client: (&str, Ipv4Addr), prefix: u8) -> Result<()> {
        let (s, c) = (&self.server, &self.client);
        let pair = ["link", "add", server.0, "type", "veth", "peer", "name", client.0, "netns", c];
        output(Command::new("ip").args(["-n", s]).args(pair))?;
        for (name, (ifl, address)) in [(s, server), (c, client)] {
            let address = format!("{address}/{prefix}");
            output(Command::new("ip").args(["-n", name, "addr", "add", &address, "dev", ifl]))?;
            output(Command::new("ip").args(["-n", name, "link", "set", ifl, "up"]))?;
        }
        // Neighbours are fixed, so that no ARP packet is in a measurement.
        for (name, ifl, other, (from, address)) in [(s, server.0, c, client), (c, client.0, s, server)] {
            let mac = hardware_address(other, from)?;
            let address = address.to_string();
            let neighbour = ["neigh", "replace", &address, "lladdr", &mac, "dev", ifl];
            output(Command::new("ip").args(["-n", name]).args(neighbour))?;
        }
        Ok(())
    }

    /// A command in the server's namespace, on the server's CPUs.
    #[must_use]
    pub fn in_server(&self, program: &str) -> Command {
        pinned(&self.server, &self.server_cpu, FAVOURED, program)
    }

    /// A command in the clients' namespace, on the load's CPUs.
    #[must_use]
    pub fn in_client(&self, program: &str) -> Command {
        pinned(&self.client, &self.client_cpu, FAVOURED, program)
    }

    /// The same, with what the others leave of the processor.
    #[must_use]
    pub fn in_client_behind(&self, program: &str) -> Command {
        // Of the usual class even where the whole bench runs in a favoured one.
        let mut command = pinned(&self.client, &self.client_cpu, BEHIND, "chrt");
        command.args(["--other", "0", program]);
        command
    }

    /// `ip -n` of the server's namespace.
    #[must_use]
    pub fn ip_server(&self, words: &[&str]) -> Command {
        let mut command = Command::new("ip");
        command.args(["-n", &self.server]).args(words);
        command
    }

    /// The CPU lists of server and load.
    #[must_use]
    pub fn cpus(&self) -> [&str; 2] {
        [&self.server_cpu, &self.client_cpu]
    }

    /// A command in the server's namespace, on the load's CPUs: it looks at the server and costs it nothing.
    #[must_use]
    pub fn beside_server(&self, program: &str) -> Command {
        let mut command = Command::new("taskset");
        command.args(["-c", &self.client_cpu, "ip", "netns", "exec", &self.server, program]);
        command
    }

    /// The hardware address of the server's interface.
    ///
    /// # Errors
    /// ip(8) fails.
    pub fn server_mac(&self) -> Result<Mac> {
        parse_mac(&hardware_address(&self.server, SERVER_IFL)?)
    }

    /// A program that is built beside this one.
    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    /// The scratch directory.
    #[must_use]
    pub fn scratch(&self) -> &Path {
        self.scratch.path()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for name in [&self.server, &self.client] {
            if let Err(error) = output(Command::new("ip").args(["netns", "del", name])) {
                eprintln!("bindery-bench: {error:#}");
            }
        }
    }
}

/// Niceness of what is measured, and of what must not hinder it.
const FAVOURED: i8 = -15;
const BEHIND: i8 = -5;

/// Runs a program in a session of its own, whose niceness is that of the whole group (the kernel groups by session), so that
/// the scheduler favours it over other work on the machine or puts it behind; and which ends with the harness even when that is killed. Each step replaces itself by the
/// next, so the process id is the program's.
fn pinned(namespace: &str, cpus: &str, niceness: i8, program: &str) -> Command {
    let grouped = r#"{ echo "$0" > /proc/self/autogroup; } 2>/dev/null; exec "$@""#;
    let mut command = Command::new("setsid");
    command.args(["sh", "-c", grouped, &niceness.to_string(), "setpriv", "--pdeathsig", "KILL"]);
    command.args(["ip", "netns", "exec", namespace, "taskset", "-c", cpus, program]);
    command
}

fn hardware_address(namespace: &str, ifl: &str) -> Result<String> {
    let text = output(Command::new("ip").args(["-n", namespace, "-j", "link", "show", "dev", ifl]))?;
    let links: serde_json::Value = serde_json::from_str(&text)?;
    let address = links.get(0).and_then(|link| link.get("address")).and_then(|address| address.as_str());
    Ok(address.with_context(|| format!("{ifl} has no hardware address"))?.to_owned())
}
