//! `cargo xtask demo`: a DHCP client that we did not write gets an address from `binderyd`, and the daemon's death does not
//! take it away.
//!
//! Everything happens in two network namespaces and a temporary folder. They go at the end, when interrupted, and what an
//! earlier demo left behind (it was killed) goes at the start.

mod client;
mod lab;

use crate::setup::{self, Purpose};
use crate::shell;
use anyhow::{Context, Result, bail};
use client::Client;
use lab::{Lab, Program};
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What the demo shows to a reader, beside the tests.
const EXAMPLE: &str = "examples/quickstart";
const CLIENT_INTERFACE: &str = "eth0";
const PATIENCE: Duration = Duration::from_secs(60);

/// Set by SIGINT and SIGTERM; every wait looks at it.
#[derive(Clone, Debug)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    fn armed() -> Result<Self> {
        let flag = Arc::new(AtomicBool::new(false));
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP] {
            signal_hook::flag::register(signal, Arc::clone(&flag)).context("cannot watch for an interrupt")?;
        }
        Ok(Self(flag))
    }

    /// Asks `probe` until it has an answer.
    ///
    /// # Errors
    /// When interrupted, when `probe` fails, or after a minute; the text then says `what` and `advice`.
    pub(crate) fn until<T>(&self, what: &str, advice: &str, mut probe: impl FnMut() -> Result<Option<T>>) -> Result<T> {
        let end = Instant::now() + PATIENCE;
        loop {
            self.check()?;
            if let Some(found) = probe()? {
                return Ok(found);
            }
            if Instant::now() > end {
                bail!("waited {} s for {what}. {advice}", PATIENCE.as_secs());
            }
            std::thread::park_timeout(Duration::from_millis(50));
        }
    }

    fn check(&self) -> Result<()> {
        if self.0.load(Ordering::Relaxed) {
            bail!("interrupted; everything that the demo made is removed");
        }
        Ok(())
    }
}

/// Runs the demo with the client of this name, or with the first one that is installed.
///
/// # Errors
/// What went wrong and what to do next.
pub(crate) fn run(client: Option<&str>) -> Result<()> {
    let interrupt = Interrupt::armed()?;
    step(1, "what is needed beside Rust");
    setup::run(Purpose::Demo)?;
    if !shell::is_root() {
        bail!("network namespaces need root. Run: sudo env PATH=\"$PATH\" cargo xtask demo");
    }
    let client = Client::choose(client)?;
    step(2, "building the daemon, the CLI and the plugin");
    let built = build(&interrupt)?;
    step(3, "two namespaces, connected by a pair of links");
    let lab = Lab::new()?;
    play(&lab, client, &built, &interrupt)?;
    drop(lab);
    println!("\n==> done; namespaces, processes and files are removed");
    Ok(())
}

fn step(number: u32, what: &str) {
    println!("\n==> {number}/8 {what}");
}

/// The programs and the plugin.
struct Built {
    daemon: PathBuf,
    cli: PathBuf,
    plugins: PathBuf,
}

fn build(interrupt: &Interrupt) -> Result<Built> {
    let compile = || {
        let packages = ["--package=bindery-daemon", "--package=bindery-cli", "--package=bindery-plugin-tool"];
        shell::run(Command::new("cargo").args(["build", "--bins"]).args(packages))
            .context("the build failed; the compiler's text above says why")
    };
    compile()?;
    interrupt.check()?;
    let folder = shell::build_dir();
    let plugins = shell::target_dir().join("plugins");
    shell::build_plugins(&folder.join("bindery-plugin"), &plugins).context(
        "the plugins were not built; `cargo xtask setup` installs their compiler (rustc-web, rust-web-src, lld-19)",
    )?;
    // The daemon embeds those that ship; nothing is compiled if it did so before.
    compile()?;
    Ok(Built { daemon: folder.join("binderyd"), cli: folder.join("bindery"), plugins })
}

fn play(lab: &Lab, client: Client, built: &Built, interrupt: &Interrupt) -> Result<()> {
    let config = lay_out(lab, built)?;

    step(4, "binderyd starts");
    let mut daemon = start_daemon(lab, built, &config, interrupt)?;

    step(5, &format!("{} asks for an address", client.name()));
    let running = client.start(lab, CLIENT_INTERFACE)?;
    let advice = "Its last lines and the daemon's are above.";
    let address =
        interrupt.until("the client's address", advice, || lab.client_address(CLIENT_INTERFACE)).inspect_err(|_| {
            daemon.print_last(15);
            running.print_last(15);
        })?;
    println!("    the client's interface has {address}\n");
    println!("    the lease, as {} has it:", client.name());
    client.print_lease(lab)?;
    println!("\n    of these, the plugin inserted what {EXAMPLE}/bindery.kdl tells it:");
    println!("{}", indented(&settings(&fs::read_to_string(&config)?)));
    show(lab, built, address)?;

    step(6, "kill -9 for the daemon, then a new one on the same files");
    daemon.kill();
    println!("    killed; the route stays while no daemon runs:");
    print_route(lab, address)?;
    let daemon = start_daemon(lab, built, &config, interrupt)?;

    step(7, "after the restart");
    show(lab, built, address)?;

    step(8, "a change says whom it touches before it is made");
    change(lab, built, address)?;
    drop((running, daemon));
    Ok(())
}

/// Puts the example and the built plugins side by side, since plugin paths are relative to the configuration.
fn lay_out(lab: &Lab, built: &Built) -> Result<PathBuf> {
    let folder = lab.folder().join("config");
    fs::create_dir_all(&folder)?;
    copy_files(Path::new(EXAMPLE), &folder, "kdl")?;
    copy_files(&built.plugins, &folder, "wasm")?;
    let config = folder.join("bindery.kdl");
    let text = fs::read_to_string(&config).with_context(|| format!("{EXAMPLE}/bindery.kdl is missing"))?;
    let interface = leaf(&text, "interface").context("the example serves no interface")?;
    lab.connect(interface, CLIENT_INTERFACE)?;
    lab.address_server(interface, &gateway(&text))?;
    println!("    configuration: {EXAMPLE}/bindery.kdl; server address {} on {interface}", gateway(&text));
    Ok(config)
}

fn copy_files(from: &Path, to: &Path, extension: &str) -> Result<()> {
    for file in shell::files(from, extension)? {
        if let Some(name) = file.file_name() {
            fs::copy(&file, to.join(name)).with_context(|| format!("cannot copy {}", file.display()))?;
        }
    }
    Ok(())
}

/// The server's own address: the example's `router`, with the length of its `network`.
fn gateway(config: &str) -> String {
    let router = leaf(config, "router").unwrap_or("10.0.0.1");
    let bits = leaf(config, "network").and_then(|network| network.split_once('/')).map_or("24", |(_, bits)| bits);
    format!("{router}/{bits}")
}

/// The value of the first leaf of this name. The example is ours and plain, so this is no KDL reader.
fn leaf<'c>(config: &'c str, name: &str) -> Option<&'c str> {
    config
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| line.split([';', '{', '}']))
        .find_map(|part| part.trim().strip_prefix(name)?.strip_prefix(' ')?.split_whitespace().next())
        .map(|value| value.trim_matches('"'))
}

/// The plugin's settings, without remarks.
fn settings(config: &str) -> String {
    let lines = config.lines().map(str::trim).skip_while(|line| !line.starts_with("settings {")).skip(1);
    let lines = lines.take_while(|line| *line != "}").filter(|line| !line.starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

fn start_daemon(lab: &Lab, built: &Built, config: &Path, interrupt: &Interrupt) -> Result<Program> {
    let mut command = lab.server_command(&built.daemon);
    command.arg("--config").arg(config).arg("--state-dir").arg(lab.folder().join("state"));
    command.arg("--control").arg(control(lab));
    println!("    $ binderyd --config bindery.kdl --state-dir state --control control.sock");
    let mut daemon = Program::start(&mut command)?;
    let ready = interrupt.until("binderyd to be ready", "Its log is above.", || daemon.said("ready"));
    ready.inspect_err(|_| daemon.print_last(30))?;
    println!("    ready");
    Ok(daemon)
}

fn control(lab: &Lab) -> PathBuf {
    lab.folder().join("control.sock")
}

/// The two other views beside the client's: the session database and the kernel.
fn show(lab: &Lab, built: &Built, address: Ipv4Addr) -> Result<()> {
    for words in [&["show", "dhcp", "server", "binding"][..], &["show", "route"]] {
        println!("\n    $ bindery {}", words.join(" "));
        let text = shell::capture(Command::new(&built.cli).arg("--control").arg(control(lab)).args(words))?;
        println!("{}", indented(&text));
        if !text.contains(&address.to_string()) {
            bail!("`bindery {}` does not know {address}", words.join(" "));
        }
    }
    println!("\n    $ ip route show {address}");
    print_route(lab, address)
}

/// A change that would take the client's address, which is only checked, and one that harms nobody, which is committed.
fn change(lab: &Lab, built: &Built, address: Ipv4Addr) -> Result<()> {
    let pool = "access address-assignment pool demo-v4 family inet";
    let bindery = |commands: &str| {
        println!("\n    $ bindery -c '{commands}'");
        let text = shell::capture(Command::new(&built.cli).arg("--control").arg(control(lab)).args(["-c", commands]))?;
        println!("{}", indented(&text));
        Ok::<_, anyhow::Error>(text)
    };
    let moved = bindery(&format!(
        "configure; set {pool} range clients low 192.0.2.100; commit check sessions; rollback 0; exit"
    ))?;
    if !moved.contains(&address.to_string()) {
        bail!("the check does not know that {address} would move");
    }
    bindery(&format!(
        "configure; set {pool} dhcp-attributes maximum-lease-time 2h; show | compare; commit comment demo and-quit"
    ))?;
    bindery("show system commit")?;
    Ok(())
}

fn print_route(lab: &Lab, address: Ipv4Addr) -> Result<()> {
    let route = lab.server_route(address)?;
    println!("{}", indented(&route));
    if route.trim().is_empty() {
        bail!("the kernel has no route to {address}");
    }
    Ok(())
}

fn indented(text: &str) -> String {
    text.trim_end().lines().map(|line| format!("    | {line}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gateway_comes_from_the_example() {
        let config = "// router \"1.1.1.1\"\ngroup g { interface eth7; }\nnetwork \"10.9.0.0/16\"\nrange r1 { low \"10.9.0.10\" }\ndhcp-attributes { maximum-lease-time 60; router \"10.9.0.1\" }";
        assert_eq!(gateway(config), "10.9.0.1/16");
        assert_eq!(leaf(config, "interface"), Some("eth7"));
        assert_eq!(gateway(""), "10.0.0.1/24");
    }
}
