//! Plugins in the daemon: what they insert, and what they cannot break.

use crate::access::{Access, Config};
use anyhow::{Context, Result, bail, ensure};
use bindery_netns::client::Options;
use bindery_netns::packet::{Message, kind, option};
use bindery_netns::simclient::{SimClients, mac};
use bindery_netns::{Client, ClientKind, Lab, daemon, wait};
use std::path::PathBuf;

/// The folder with the components: `$BINDERY_PLUGINS`, else `plugins` in cargo's target folder.
pub(crate) fn component(name: &str) -> Result<PathBuf> {
    let folder = match std::env::var_os("BINDERY_PLUGINS") {
        Some(folder) => PathBuf::from(folder),
        None => daemon::program("binderyd")?.ancestors().nth(2).context("no target folder")?.join("plugins"),
    };
    let path = folder.join(name);
    if !path.is_file() {
        bail!("{} is not built; run: cargo xtask test --only guests", path.display());
    }
    Ok(path)
}

fn with_plugin(file: &str, limits: &str, settings: &str) -> Result<Config> {
    let path = component(file)?;
    let rest = format!(
        "plugins {{ plugin one {{ path \"{}\"; {limits}; settings {{ {settings} }} }} }}\npolicy {{ shape-reply one }}",
        path.display()
    );
    Ok(Config { rest, ..Config::default() })
}

/// Whether the machine can have built the components; prints the skip otherwise.
pub(crate) fn built() -> bool {
    // Without root nothing here runs, whether built or not; the lab says so.
    if Lab::new(&[]).is_none() {
        return false;
    }
    if component("option-insert.wasm").is_err() && bindery_netns::process::which("wasm-ld-19").is_none() {
        println!("SKIP netns-plugins: the components need rustc-web, rust-web-src and lld-19 (cargo xtask setup)");
        return false;
    }
    true
}

/// The shipped plugin inserts, replaces and removes options, and a real client has them.
#[test]
fn option_insert_reaches_a_real_client() -> Result<()> {
    if !built() {
        return Ok(());
    }
    let settings = "option 43 hex=\"0104c0000201\"";
    let config = with_plugin("option-insert.wasm", "on-failure drop", settings)?;
    let Some(mut access) = Access::new(ClientKind::Dhclient.programs(), &config)? else { return Ok(()) };
    let mut client = Client::start(&access.lab, ClientKind::Dhclient, &access.client, "c0", Options::default())?;
    let address = client.wait_address(&access.client)?;
    for wanted in [kind::OFFER, kind::ACK] {
        let reply = access.capture.wait("a reply", 0, |sent| sent.message.kind() == wanted)?;
        ensure!(reply.message.option(43) == Some(&[1, 4, 192, 0, 2, 1]), "{reply:?}");
    }
    let leases = access.lab.folder().join(format!("client-{}", access.client.name())).join("dhclient.leases");
    // dhclient writes the lease down after its script has set the address.
    wait::until("the option in dhclient's lease", || {
        let text = std::fs::read_to_string(&leases).ok()?;
        text.contains("vendor-encapsulated-options 1:4:c0:0:2:1").then_some(())
    })?;
    access.agree_also_after_a_restart(address, access.client.mac("c0")?)?;
    access.capture.judge("udp.srcport == 67")
}

/// A plugin that fails in this way, with `on-failure continue`: every client is served, without the plugin's option.
fn continues(behaviour: &str) -> Result<()> {
    if !built() {
        return Ok(());
    }
    let config = with_plugin("fixture-behave.wasm", "on-failure continue", behaviour)?;
    let Some(access) = Access::new(&[], &config)? else { return Ok(()) };
    let clients = SimClients::open(&access.client, "c0")?;
    for number in 1..=10 {
        let lease = clients.lease(mac(number), number * 16)?;
        ensure!(lease.ack.message.option(43).is_none(), "{:?}", lease.ack);
        access.agree(lease.address, mac(number))?;
    }
    let shown = access.daemon.cli(&["show", "plugins"])?;
    ensure!(shown.to_string().contains("one"), "{shown}");
    access.capture.judge("udp.srcport == 67")
}

#[test]
fn a_spinning_plugin_stops_nobody() -> Result<()> {
    continues("behave \"spin\"")
}

#[test]
fn a_trapping_plugin_stops_nobody() -> Result<()> {
    continues("behave \"trap\"")
}

#[test]
fn a_growing_plugin_stops_nobody() -> Result<()> {
    continues("behave \"grow\"")
}

#[test]
fn a_flooding_plugin_stops_nobody() -> Result<()> {
    continues("behave \"flood\"")
}

#[test]
fn a_plugin_may_not_touch_what_is_ours() -> Result<()> {
    continues("behave \"forbidden\" code=54")
}

/// `on-failure drop`: silence for the client, never a NAK, and no binding and no route for a reply that was dropped.
#[test]
fn a_failing_plugin_with_drop_is_silence() -> Result<()> {
    if !built() {
        return Ok(());
    }
    let config = with_plugin("fixture-behave.wasm", "on-failure drop", "behave \"trap\"")?;
    let Some(mut access) = Access::new(&[], &config)? else { return Ok(()) };
    let clients = SimClients::open(&access.client, "c0")?;
    let discover = Message::request(kind::DISCOVER, mac(1), 77);
    let envelope = bindery_netns::packet::Envelope::client_broadcast(mac(1));
    clients.socket().send(&envelope.frame(&discover.encode()))?;
    // Once the plugin is gone from the policy, the same client is served: the daemon lived all the time.
    access.daemon.reload(&Config::default().text())?;
    let lease = clients.lease(mac(1), 0x100)?;
    access.agree(lease.address, mac(1))?;
    let answered = access.seen()?.into_iter().any(|sent| sent.message.op == 2 && sent.message.xid == 77);
    ensure!(!answered, "{}", access.capture.summary()?);
    Ok(())
}

/// Settings that the plugin refuses, a component without the hook, one of another version: errors of the configuration,
/// with the plugin's name.
#[test]
fn a_plugin_that_cannot_be_used_is_a_configuration_error() -> Result<()> {
    if !built() {
        return Ok(());
    }
    let cases = [
        ("fixture-behave.wasm", "nonsense 1"),
        ("fixture-missing-export.wasm", "x 1"),
        ("fixture-wrong-version.wasm", "x 1"),
    ];
    let Some(lab) = Lab::new(&[]) else { return Ok(()) };
    let server = lab.namespace("srv")?;
    for (file, settings) in cases {
        let config = with_plugin(file, "on-failure continue", settings)?;
        let folder = daemon::folder(&lab, file, &config.text())?;
        let (status, text) = crate::bad_input::outcome(&mut daemon::command(&server, &folder)?)?;
        ensure!(status == Some(2), "{file}: exit status {status:?}\n{text}");
        ensure!(text.contains("one"), "{file}: the plugin's name is missing\n{text}");
    }
    Ok(())
}

/// The option that the plugin set before a restart is there after it: what it remembers is not what it decides.
#[test]
fn renewals_are_shaped_too() -> Result<()> {
    if !built() {
        return Ok(());
    }
    let config = with_plugin("option-insert.wasm", "on-failure continue", "option 224 string=\"by a plugin\"")?;
    let Some(access) = Access::new(&[], &config)? else { return Ok(()) };
    let clients = SimClients::open(&access.client, "c0")?;
    let lease = clients.lease(mac(1), 1)?;
    ensure!(lease.ack.message.option(224) == Some(b"by a plugin"), "{:?}", lease.ack);
    let mut rebinding = Message::request(kind::REQUEST, mac(1), 9);
    rebinding.ciaddr = lease.address;
    let envelope = bindery_netns::packet::Envelope {
        from: lease.address,
        ..bindery_netns::packet::Envelope::client_broadcast(mac(1))
    };
    clients.socket().send(&envelope.frame(&rebinding.encode()))?;
    let ack = access.capture.wait("an ACK", 0, |sent| sent.message.xid == 9 && sent.message.op == 2)?;
    ensure!(ack.message.kind() == kind::ACK && ack.message.option(224) == Some(b"by a plugin"), "{ack:?}");
    ensure!(ack.message.option(option::SERVER).is_some(), "{ack:?}");
    access.agree(lease.address, mac(1))
}
