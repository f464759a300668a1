//! Stage `session-events`: a plugin is told what becomes of a real client's session.

use crate::{
    access::{Access, Config},
    plugins::{built, component},
};
use anyhow::{Context, Result, ensure};
use bindery_netns::{
    Client, ClientKind,
    client::Options,
    packet::kind,
    simclient::{SimClients, mac},
    wait,
};
use serde_json::Value;

/// A counter of the plugin, as `show plugins` has it; 0 as long as there is none.
fn counted(access: &Access, name: &str) -> Result<u64> {
    let shown = access.daemon.cli(&["show", "plugins"])?;
    let plugin = shown.pointer("/plugins/0").context("no plugin")?;
    let counters = plugin.get("counters").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let found = counters.iter().find(|counter| counter.get("name").and_then(Value::as_str) == Some(name));
    Ok(found.and_then(|counter| counter.get("count")).and_then(Value::as_u64).unwrap_or(0))
}

fn wait_for(access: &Access, name: &str, wanted: u64) -> Result<()> {
    wait::until(&format!("{wanted} of {name}"), || (counted(access, name).ok()? == wanted).then_some(()))
}

#[test]
fn a_plugin_observes_a_real_clients_session() -> Result<()> {
    if !built() {
        return Ok(());
    }
    let rest = format!(
        "plugins {{ plugin watch {{ path \"{}\"; grants log counters }} }}\npolicy {{ session-events watch }}",
        component("fixture-observer.wasm")?.display()
    );
    let config = Config { rest, ..Config::default() };
    let Some(access) = Access::new(ClientKind::Dhclient.programs(), &config)? else { return Ok(()) };
    let mut client = Client::start(&access.lab, ClientKind::Dhclient, &access.client, "c0", Options::default())?;
    let address = client.wait_address(&access.client)?;
    wait_for(&access, "bound", 1)?;
    access.agree(address, access.client.mac("c0")?)?;
    client.release()?;
    wait_for(&access, "released", 1)?;
    let again = SimClients::open(&access.client, "c0")?;
    again.lease(mac(9), 0x900)?;
    wait_for(&access, "bound", 2)?;
    access.daemon.cli(&["clear", "dhcp", "server", "binding", "all"])?;
    wait_for(&access, "cleared", 1)?;
    ensure!(counted(&access, "expired")? == 0);
    access.capture.judge("udp.srcport == 67")
}

/// Grant `request-reconfigure`: what a plugin asks for on its own thread is done, though no packet comes.
#[test]
fn a_plugin_moves_a_client() -> Result<()> {
    if !built() {
        return Ok(());
    }
    let rest = format!(
        "plugins {{ plugin mover {{ path \"{}\"; grants log session-lookup request-reconfigure }} }}\n\
         policy {{ session-events mover }}",
        component("fixture-sessions.wasm")?.display()
    );
    let group = "interface s0; reconfigure { attempts 2; timeout 1 }".into();
    let config = Config { rest, group, ..Config::default() };
    let Some(access) = Access::new(&[], &config)? else { return Ok(()) };
    let clients = SimClients::open(&access.client, "c0")?;
    let lease = clients.lease(mac(1), 0x10)?;
    let force = access.capture.wait("a FORCERENEW", 0, |sent| sent.message.kind() == kind::FORCERENEW)?;
    ensure!(force.message.xid == lease.ack.message.xid, "{force:?}");
    access.agree(lease.address, mac(1))?;
    access.capture.judge("udp.srcport == 67")
}
