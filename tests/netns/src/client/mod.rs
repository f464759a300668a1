//! DHCP clients that we did not write, each in mount and process namespaces of its own, so that the host never notices.

mod dhclient;
mod dhcpcd;
mod network_manager;
mod networkd;
mod udhcpc;

use crate::process::{Process, capture};
use crate::{Lab, Namespace, wait};
use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The clients of the tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientKind {
    /// ISC dhclient.
    Dhclient,
    /// dhcpcd.
    Dhcpcd,
    /// busybox's udhcpc.
    Udhcpc,
    /// systemd-networkd.
    Networkd,
    /// NetworkManager with its internal client.
    NetworkManager,
}

/// How a client can be told to do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ability {
    /// It was told and does it now.
    Done,
    /// It cannot be told; it does it at the time that the lease says, or never.
    Cannot,
}

/// What a test wants from the client.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Look for another user of the offered address (ARP), and decline if there is one.
    pub probe: bool,
    /// Lines for the configuration of dhcpcd; the other clients do not look at them.
    pub lines: &'static str,
}

/// What a runner is told.
struct Place<'a> {
    /// A folder of this client alone, which lives on when the client is started again.
    folder: &'a Path,
    interface: &'a str,
    options: Options,
}

/// The command and what the mount namespace needs.
struct Recipe {
    /// Shell lines that run inside of the namespaces before the client.
    prepare: String,
    /// The client's program and arguments.
    command: Vec<String>,
    environment: Vec<(&'static str, String)>,
}

impl ClientKind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Dhclient, Self::Dhcpcd, Self::Udhcpc, Self::Networkd, Self::NetworkManager];

    /// The programs that it needs.
    #[must_use]
    pub fn programs(self) -> &'static [&'static str] {
        match self {
            Self::Dhclient => &["dhclient", "busybox"],
            Self::Dhcpcd => &["dhcpcd"],
            Self::Udhcpc => &["busybox"],
            Self::Networkd => &["systemd-networkd", "networkctl", "dbus-daemon"],
            Self::NetworkManager => &["NetworkManager", "nmcli", "dbus-daemon"],
        }
    }

    fn recipe(self, place: &Place<'_>) -> Result<Recipe> {
        match self {
            Self::Dhclient => dhclient::recipe(place),
            Self::Dhcpcd => dhcpcd::recipe(place),
            Self::Udhcpc => udhcpc::recipe(place),
            Self::Networkd => networkd::recipe(place),
            Self::NetworkManager => network_manager::recipe(place),
        }
    }
}

/// A running client.
#[derive(Debug)]
pub struct Client {
    kind: ClientKind,
    namespace: String,
    interface: String,
    folder: PathBuf,
    process: Process,
}

/// Hides everything that a client might write: only the test's folder is shared with the host.
const ISOLATE: &str = "set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /run
for d in /var/lib/dhcp /var/lib/dhcpcd /var/lib/NetworkManager /var/lib/systemd /etc/NetworkManager /etc/systemd/network; do
  if [ -d $d ]; then mount -t tmpfs -o mode=0777 tmpfs $d; fi
done
: >/run/resolv.conf
if [ -e /etc/resolv.conf ]; then mount --bind /run/resolv.conf /etc/resolv.conf; fi
";

/// The bus, inside of the client's own /run.
const START_BUS: &str = "mkdir -p /run/dbus
dbus-uuidgen >/run/machine-id
[ -e /etc/machine-id ] && mount --bind /run/machine-id /etc/machine-id
dbus-daemon --system --fork --nopidfile
";

impl Client {
    /// Starts a client on `interface` of `namespace`. What it remembers (lease files) is in a folder of the lab that
    /// belongs to the namespace, so that a second start finds it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(
        lab: &Lab,
        kind: ClientKind,
        namespace: &Namespace,
        interface: &str,
        options: Options,
    ) -> Result<Self> {
        let folder = lab.folder().join(format!("client-{}", namespace.name()));
        std::fs::create_dir_all(&folder)?;
        let recipe = kind.recipe(&Place { folder: &folder, interface, options })?;
        let script = format!("{ISOLATE}{}exec \"$@\"\n", recipe.prepare);
        let mut command = namespace.command("unshare");
        command.args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", &script, "sh"]);
        command.args(&recipe.command).envs(recipe.environment);
        let process = Process::spawn(&format!("{kind:?}"), &mut command)?;
        Ok(Self { kind, namespace: namespace.name().to_string(), interface: interface.to_string(), folder, process })
    }

    /// Which client this is.
    #[must_use]
    pub fn kind(&self) -> ClientKind {
        self.kind
    }

    /// Its process, for its output.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Waits until the client's interface has an address, and returns it.
    ///
    /// # Errors
    /// When none comes in time.
    pub fn wait_address(&mut self, namespace: &Namespace) -> Result<Ipv4Addr> {
        let what = format!("an address from {:?}", self.kind);
        wait::until(&what, || namespace.addresses(&self.interface).ok()?.first().copied())
    }

    /// Makes the client renew now, where it can be told.
    ///
    /// # Errors
    /// When it should be able to, and is not.
    pub fn renew(&self) -> Result<Ability> {
        match self.kind {
            ClientKind::Udhcpc => self.signal(Signal::SIGUSR1),
            ClientKind::Dhcpcd => self.signal_until_heard(Signal::SIGUSR1, "received SIGUSR1"),
            ClientKind::Networkd => self.inside(&["networkctl", "renew", &self.interface]),
            ClientKind::Dhclient | ClientKind::NetworkManager => Ok(Ability::Cannot),
        }
    }

    /// Makes the client give its lease back, where it can.
    ///
    /// # Errors
    /// When it should be able to, and is not.
    pub fn release(&self) -> Result<Ability> {
        match self.kind {
            ClientKind::Dhclient => {
                let words = dhclient::release(&self.folder, &self.interface);
                self.inside(&words.iter().map(String::as_str).collect::<Vec<_>>())
            }
            ClientKind::Udhcpc => self.signal(Signal::SIGUSR2),
            // What `dhcpcd --release` sends; that command itself would die with the namespace of the client that it ends.
            ClientKind::Dhcpcd => self.signal_until_heard(Signal::SIGALRM, "received SIGALRM"),
            ClientKind::Networkd => self.signal(Signal::SIGTERM),
            ClientKind::NetworkManager => Ok(Ability::Cannot),
        }
    }

    /// Ends the client as a power cut would: nothing is released.
    pub fn stop(&mut self) {
        self.process.kill();
    }

    /// The client's process inside of its namespaces, by its id on the host: the only child of `unshare`.
    fn pid(&self) -> Result<i32> {
        let outer = self.process.pid();
        let path = PathBuf::from(format!("/proc/{outer}/task/{outer}/children"));
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        text.split_whitespace().next().and_then(|pid| pid.parse().ok()).context("the client has ended")
    }

    fn signal(&self, signal: Signal) -> Result<Ability> {
        kill(Pid::from_raw(self.pid()?), signal)?;
        Ok(Ability::Done)
    }

    /// dhcpcd loses a signal that comes while it runs a hook script, so it is told until its log says that it heard.
    fn signal_until_heard(&self, signal: Signal, answer: &str) -> Result<Ability> {
        let mark = self.process.mark();
        wait::until(&format!("dhcpcd's '{answer}'"), || {
            let heard = self.process.lines().iter().skip(mark).any(|line| line.contains(answer));
            if !heard {
                // When it has ended meanwhile, its log is complete the next time.
                let _ = self.signal(signal);
            }
            heard.then_some(Ability::Done)
        })
    }

    /// Runs a command beside the client, in all of its namespaces.
    ///
    /// # Errors
    /// When it fails.
    pub fn inside(&self, words: &[&str]) -> Result<Ability> {
        let pid = self.pid()?.to_string();
        let mut command = Command::new("nsenter");
        command.args(["--target", &pid, "--mount", "--pid", "--net"]).args(words);
        match capture(&mut command) {
            Ok(_) => Ok(Ability::Done),
            Err(error) => bail!("{:?} in {}: {error:#}", self.kind, self.namespace),
        }
    }
}

/// Lets networkd 252 send a DECLINE: it does so from a UDP socket with the offered address as source, after it has given up
/// that address and its routes, and the kernel refuses. With the address on `lo` and a route for broadcasts it does not.
///
/// # Errors
/// When the kernel refuses.
pub fn networkd_may_decline(namespace: &Namespace, interface: &str, address: &str) -> Result<()> {
    namespace.address("lo", &format!("{address}/32"))?;
    namespace.ip(&["route", "add", "255.255.255.255/32", "dev", interface, "proto", "kernel"]).map(drop)
}
