//! A network namespace: links, addresses, commands and sockets inside of it.

use crate::process::{Process, capture};
use anyhow::{Context, Result, anyhow};
use nix::sched::{CloneFlags, setns};
use std::fs::File;
use std::process::Command;

/// A namespace that goes, with every process in it, when this is dropped.
#[derive(Debug)]
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes the namespace with its loopback up and IPv6 quiet.
    pub(crate) fn new(name: &str) -> Result<Self> {
        capture(Command::new("ip").args(["netns", "add", name]))?;
        let namespace = Self { name: name.to_string() };
        namespace.ip(&["link", "set", "lo", "up"])?;
        // Router solicitations and duplicate address detection would only add packets that no test is about.
        namespace.sysctl("net/ipv6/conf/all/disable_ipv6", "1")?;
        namespace.sysctl("net/ipv6/conf/default/disable_ipv6", "1")?;
        Ok(namespace)
    }

    /// The name for `ip -n`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs `ip` in the namespace.
    ///
    /// # Errors
    /// When `ip` says no.
    pub fn ip(&self, arguments: &[&str]) -> Result<String> {
        capture(Command::new("ip").args(["-n", &self.name]).args(arguments))
    }

    /// Adds an address (`10.0.0.1/24`) to an interface.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn address(&self, interface: &str, address: &str) -> Result<()> {
        self.ip(&["address", "add", address, "dev", interface]).map(drop)
    }

    /// Gives an interface a hardware address; it must be done before anything learned the old one.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn hardware_address(&self, interface: &str, address: &str) -> Result<()> {
        self.ip(&["link", "set", interface, "address", address]).map(drop)
    }

    /// The hardware address of an interface.
    ///
    /// # Errors
    /// When there is no such interface.
    pub fn mac(&self, interface: &str) -> Result<[u8; 6]> {
        let path = format!("/sys/class/net/{interface}/address");
        // `ip netns exec` shows the namespace's own /sys.
        let text = capture(self.command("cat").arg(path))?;
        crate::packet::parse_mac(text.trim()).ok_or_else(|| anyhow!("{interface} has the odd address {text}"))
    }

    /// Sets a kernel variable of the namespace, by its path below `/proc/sys`.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn sysctl(&self, path: &str, value: &str) -> Result<()> {
        let (path, value) = (format!("/proc/sys/{path}"), value.to_string());
        self.enter(move || std::fs::write(&path, value).with_context(|| format!("cannot write {path}")))?
    }

    /// A command that will run in the namespace.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]);
        command
    }

    /// Starts a program in the namespace.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(&self, program: &str, arguments: &[&str]) -> Result<Process> {
        Process::spawn(program, self.command(program).args(arguments))
    }

    /// Runs `work` on a thread that is in the namespace: sockets opened there stay there.
    ///
    /// # Errors
    /// When the thread cannot enter, or `work` panicked.
    pub fn enter<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let path = format!("/run/netns/{}", self.name);
        let thread = std::thread::spawn(move || -> Result<T> {
            let file = File::open(&path).with_context(|| format!("cannot open {path}"))?;
            setns(file, CloneFlags::CLONE_NEWNET).context("setns")?;
            Ok(work())
        });
        thread.join().map_err(|_| anyhow!("a thread in {} panicked", self.name))?
    }

    /// Loads nftables rules.
    ///
    /// # Errors
    /// When `nft` says no.
    pub fn nft(&self, rules: &str) -> Result<()> {
        let mut command = self.command("nft");
        capture(command.arg(rules)).map(drop)
    }

    /// Loses `percent` of what arrives on `interface`, below every socket (AF_PACKET too).
    ///
    /// # Errors
    /// When `nft` says no.
    pub fn lose(&self, interface: &str, percent: u32) -> Result<()> {
        self.nft(&format!(
            "table netdev loss {{ chain {interface} {{ type filter hook ingress device {interface} priority 0; \
             numgen random mod 100 < {percent} counter drop; }}; }}"
        ))
    }

    /// Loses every DHCP message of type `kind` to a client's port that arrives on `interface`, below every socket. It
    /// knows those that have the type as their first option, as the daemon's do.
    ///
    /// # Errors
    /// When `nft` says no.
    pub fn lose_kind(&self, interface: &str, kind: u8) -> Result<()> {
        // Behind 8 octets of UDP, 236 of the fixed part and 4 of the cookie: option 53 of length 1.
        self.nft(&format!(
            "table netdev loss {{ chain {interface} {{ type filter hook ingress device {interface} priority 0; \
             ip protocol udp udp dport 68 @th,1984,24 0x3501{kind:02x} counter drop; }}; }}"
        ))
    }

    /// Ends [`Namespace::lose`] and [`Namespace::lose_kind`].
    ///
    /// # Errors
    /// When nothing was being lost.
    pub fn lose_nothing(&self) -> Result<()> {
        self.nft("delete table netdev loss")
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        remove(&self.name);
    }
}

/// The names of all namespaces.
pub(crate) fn list() -> Result<Vec<String>> {
    let text = capture(Command::new("ip").args(["netns", "list"]))?;
    Ok(text.lines().filter_map(|line| line.split_whitespace().next()).map(String::from).collect())
}

/// Kills what runs in a namespace of ours and deletes it.
pub(crate) fn remove(name: &str) {
    if let Ok(pids) = capture(Command::new("ip").args(["netns", "pids", name])) {
        for pid in pids.split_whitespace().filter_map(|pid| pid.parse().ok()) {
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
        }
    }
    let _ = capture(Command::new("ip").args(["netns", "delete", name]));
}
