//! A real client's life as an operator is told of it: the history, the trace file of its interface, the numbers for
//! Prometheus.

#[allow(unreachable_pub)]
#[path = "../../../api/src/metrics.rs"]
mod metrics;

use crate::access::{Access, Config};
use anyhow::{Context, Result, ensure};
use bindery_netns::{
    Client, ClientKind,
    client::Options,
    packet::mac_text,
    simclient::{SimClients, mac},
    wait,
};
use metrics::Exposition;
use serde_json::Value;

/// One entry of the history: what happened, why a packet was dropped, and the rest.
fn history(access: &Access, key: &str) -> Result<Vec<Value>> {
    let shown = access.daemon.cli(&["show", "dhcp", "server", "history", key])?;
    Ok(shown.get("entries").and_then(Value::as_array).context("no entries")?.clone())
}

fn text<'a>(entry: &'a Value, field: &str) -> &'a str {
    entry.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// Waits until one of the entries is this.
fn wait_for(access: &Access, key: &str, what: &str, dropped: &str) -> Result<()> {
    let is_it = |entry: &Value| text(entry, "what") == what && text(entry, "dropped") == dropped;
    wait::until(&format!("{what} {dropped} of {key}"), || history(access, key).ok()?.iter().any(is_it).then_some(()))
}

#[test]
fn the_life_of_a_client_is_told() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let [trace, own] = ["trace", "own"].map(|name| folder.path().join(name));
    let traces = |file: &std::path::Path| {
        let file = file.display();
        format!("file \"{file}\" {{ size \"10MiB\" }}; level all; flag packet-option state flow")
    };
    // The braces close the group, and then what is around it.
    let group = format!(
        "interface s0 {{ trace }} }}; traceoptions {{ {} }} }} }}; processes {{ dhcp-service {{ interface-traceoptions {{ {}",
        traces(&own),
        traces(&trace)
    );
    let config = Config { group, ..Config::quick().range("10.0.0.10", "10.0.0.10") };
    let Some(access) = Access::new(ClientKind::Dhclient.programs(), &config)? else { return Ok(()) };
    let key = mac_text(access.client.mac("c0")?);
    let mut client = Client::start(&access.lab, ClientKind::Dhclient, &access.client, "c0", Options::default())?;
    let address = client.wait_address(&access.client)?;
    access.agree(address, access.client.mac("c0")?)?;
    wait_for(&access, &key, "renewed", "")?;
    client.release()?;
    wait_for(&access, &key, "released", "")?;
    client.stop();
    // Somebody else has the only address when it comes again.
    let other = SimClients::open(&access.client, "c0")?;
    other.lease(mac(9), 0x900)?;
    let _again = Client::start(&access.lab, ClientKind::Dhclient, &access.client, "c0", Options::default())?;
    wait_for(&access, &key, "dropped", "no-addresses")?;

    let entries = history(&access, &key)?;
    let mut steps: Vec<&str> = entries.iter().map(|entry| text(entry, "what")).collect();
    steps.dedup();
    ensure!(steps == ["offered", "bound", "renewed", "released", "dropped"], "{entries:#?}");
    let bound = entries.iter().find(|entry| text(entry, "what") == "bound").context("bound")?;
    ensure!(
        text(bound, "address") == "10.0.0.10"
            && text(bound, "interface-name") == "s0"
            && text(bound, "message") == "DHCPREQUEST"
            && text(bound, "pool-name") == "p1"
            && bound.get("revision").and_then(Value::as_u64) == Some(1),
        "{bound:#}"
    );
    let said = access.daemon.script(&format!("show dhcp server history {key}"))?;
    ensure!(said.contains("released 10.0.0.10, by the client; DHCPRELEASE on s0"), "{said}");
    // The address has another story too.
    ensure!(history(&access, "10.0.0.10")?.iter().any(|entry| text(entry, "mac-address") == mac_text(mac(9))));

    traced(&trace, &key, bound)?;
    traced(&own, &key, bound)?;
    counted(&access)?;
    access.capture.judge("udp.srcport == 67")
}

/// The trace files of the interface and of the local server tell the same.
fn traced(trace: &std::path::Path, key: &str, bound: &Value) -> Result<()> {
    let (xid, session) = (text(bound, "xid"), bound.get("session-id").and_then(Value::as_u64).unwrap_or(0));
    let exchange = bound.get("exchange").and_then(Value::as_u64).unwrap_or(0);
    let wanted = [
        format!("packet-option: received on s0: DHCPREQUEST xid {xid} hw {key}"),
        "\n    option 50 requested-ip-address: 10.0.0.10\n".to_owned(),
        format!("packet-option: sent on s0: DHCPACK xid {xid} hw {key} yiaddr 10.0.0.10"),
        format!("state: [xid={xid} session={session} exchange={exchange}] hw {key} bound 10.0.0.10"),
        "dropped: No available addresses; DHCPDISCOVER".to_owned(),
    ];
    wait::until("the trace", || {
        let text = std::fs::read_to_string(trace).ok()?;
        wanted.iter().all(|wanted| text.contains(wanted)).then_some(())
    })
    .with_context(|| format!("{wanted:#?} in {}", std::fs::read_to_string(trace).unwrap_or_default()))
}

/// The numbers for Prometheus, and the counters of the interface.
fn counted(access: &Access) -> Result<()> {
    let text = access.daemon.script("show metrics")?;
    let read = Exposition::read(&text).map_err(anyhow::Error::msg)?;
    ensure!(read.get("bindery_sessions{state=\"bound\"}") == Some(1.0), "{text}");
    let dropped = "bindery_interface_packets_dropped_total{interface=\"s0\",reason=\"no-addresses\"}";
    ensure!(read.get(dropped).is_some_and(|count| count >= 1.0), "{text}");
    ensure!(read.names().count() > 50, "{text}");
    let shown = access.daemon.script("show dhcp statistics interface s0")?;
    ensure!(shown.contains("No available addresses") && shown.contains("DHCPRELEASE"), "{shown}");
    access.daemon.script("clear dhcp statistics interface s0")?;
    // Packets may have come since: but none of this kind.
    let release = |text: &str| text.lines().any(|line| line.contains("DHCPRELEASE") && line.ends_with(" 0"));
    let shown = access.daemon.script("show dhcp statistics interface s0")?;
    ensure!(release(&shown), "{shown}");
    ensure!(!release(&access.daemon.script("show dhcp statistics")?), "the totals stay");
    Ok(())
}
