//! Stage `route`: networks behind a subscriber, metrics and tables, as the kernel has them and as packets find them.

use crate::access::{Access, Config, SERVER};
use crate::plugins::{built, component};
use anyhow::{Context, Result, ensure};
use bindery_netns::client::Options;
use bindery_netns::simclient::{SimClients, mac};
use bindery_netns::{Client, ClientKind, DEADLINE, Namespace, until};
use std::net::{Ipv4Addr, UdpSocket};

/// Behind the client, in what `second` of the fixture chooses.
const BEHIND: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 5);

/// The scene's configuration with these answers of the fixture as a chain.
fn chain(answers: &[&str]) -> Result<Config> {
    let path = component("fixture-stages.wasm")?;
    let plugin =
        |answer| format!("plugin {answer} {{ path \"{}\"; settings {{ answer {answer} }} }}\n", path.display());
    let plugins: String = answers.iter().map(plugin).collect();
    let rest = format!("plugins {{ {plugins} }}\npolicy {{ route {} }}", answers.join(" "));
    Ok(Config { rest, ..Config::default() })
}

/// Our routes in a table, as `ip` prints them, one a line.
fn table(server: &Namespace, table: &str) -> Result<Vec<String>> {
    let text = server.ip(&["route", "show", "table", table, "proto", "201"])?;
    Ok(text.lines().map(|line| line.trim().to_owned()).collect())
}

/// Waits until our routes in a table are these.
fn stand(server: &Namespace, name: &str, wanted: &[String]) -> Result<()> {
    let mut last = Vec::new();
    until("the routes", || {
        last = table(server, name).ok()?;
        (last == wanted).then_some(())
    })
    .with_context(|| format!("{last:?} instead of {wanted:?}"))
}

/// A line of `show route`: destination, protocol, metric, table, whether it stands.
type Row = (String, String, u64, u64, bool);

/// What `show route` tells.
fn shown(access: &Access, protocol: &[&str]) -> Result<Vec<Row>> {
    let list = access.daemon.cli(&[&["show", "route"], protocol].concat())?;
    let rows = list.get("routes").and_then(|routes| routes.as_array()).context("no list")?;
    let text = |row: &serde_json::Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
    let number = |row: &serde_json::Value, key: &str| row[key].as_u64().unwrap_or_default();
    Ok(rows
        .iter()
        .map(|row| {
            let standing = row["installed"].as_bool().unwrap_or_default();
            (text(row, "destination"), text(row, "protocol"), number(row, "metric"), number(row, "table"), standing)
        })
        .collect())
}

fn row(destination: &str, protocol: &str, metric: u64, table: u64) -> Row {
    (destination.into(), protocol.into(), metric, table, true)
}

/// The client answers for an address behind it: the network is reached by the route that the plugin chose.
fn is_reached(access: &Access) -> Result<()> {
    let open = |address: &'static str| move || UdpSocket::bind(address);
    let behind = access.client.enter(open("10.0.1.5:7000"))??;
    let server = access.server.enter(open("0.0.0.0:0"))??;
    let mut buffer = [0; 16];
    for socket in [&behind, &server] {
        socket.set_read_timeout(Some(DEADLINE))?;
    }
    server.send_to(b"there", (BEHIND, 7000))?;
    let (_, from) = behind.recv_from(&mut buffer)?;
    ensure!(from.ip() == SERVER, "{from}");
    behind.send_to(b"and back", from)?;
    let (_, from) = server.recv_from(&mut buffer)?;
    ensure!(from.ip() == BEHIND, "{from}");
    Ok(())
}

#[test]
fn a_network_behind_a_client_is_reached() -> Result<()> {
    if !built() {
        return Ok(());
    }
    let Some(mut access) = Access::new(ClientKind::Dhclient.programs(), &chain(&["second"])?)? else { return Ok(()) };
    access.client.address("lo", &format!("{BEHIND}/32"))?;
    let mut client = Client::start(&access.lab, ClientKind::Dhclient, &access.client, "c0", Options::default())?;
    let address = client.wait_address(&access.client)?;
    let wanted = [
        format!("{address} dev s0 scope link src {SERVER} metric 2"),
        format!("10.0.1.0/24 via {address} dev s0 src {SERVER} metric 2 onlink"),
    ];
    // The ACK left after both.
    ensure!(table(&access.server, "main")? == wanted, "{:?}", table(&access.server, "main")?);
    access.agree(address, access.client.mac("c0")?)?;
    is_reached(&access)?;
    let own = row(&format!("{address}/32"), "Access-internal", 2, 0);
    let beside = row("10.0.1.0/24", "Access", 2, 0);
    ensure!(shown(&access, &[])? == [own.clone(), beside.clone()], "{:?}", shown(&access, &[])?);
    ensure!(shown(&access, &["protocol", "access"])? == [beside]);
    ensure!(shown(&access, &["protocol", "access-internal"])? == [own]);

    // Another client wants the same network: it is served without.
    let clients = SimClients::open(&access.client, "c0")?;
    let other = clients.lease(mac(7), 0x70)?;
    access.daemon.process().wait_line_where("the refusal", 0, |line| line.contains("another one has the prefix"))?;
    access.agree(other.address, mac(7))?;
    access.daemon.cli(&["clear", "dhcp", "server", "binding", &other.address.to_string()])?;
    access.gone(other.address)?;
    stand(&access.server, "main", &wanted)?;

    // What somebody removes, a link flap or a dead daemon's absence takes away, comes back without the client.
    access.server.ip(&["route", "del", "10.0.1.0/24", "proto", "201"])?;
    stand(&access.server, "main", &wanted)?;
    access.server.ip(&["link", "set", "s0", "down"])?;
    access.server.ip(&["link", "set", "s0", "up"])?;
    stand(&access.server, "main", &wanted)?;
    access.daemon.kill();
    access.server.ip(&["route", "del", "10.0.1.0/24", "proto", "201"])?;
    access.server.ip(&["route", "add", "10.0.9.0/24", "dev", "s0", "proto", "201", "metric", "4"])?;
    access.daemon.restart(&access.server)?;
    stand(&access.server, "main", &wanted)?;
    is_reached(&access)?;

    access.daemon.cli(&["clear", "dhcp", "server", "binding", &address.to_string()])?;
    access.gone(address)?;
    stand(&access.server, "main", &[])?;
    access.capture.judge("udp.srcport == 67")
}

/// A chain of two: the later one's metric, the earlier one's table, the networks of both.
#[test]
fn a_chain_moves_routes_to_another_table() -> Result<()> {
    if !built() {
        return Ok(());
    }
    let Some(mut access) = Access::new(&[], &chain(&["first", "second"])?)? else { return Ok(()) };
    let clients = SimClients::open(&access.client, "c0")?;
    let lease = clients.lease(mac(1), 0x10)?;
    let address: Ipv4Addr = lease.address;
    let wanted = [
        format!("10.0.0.0/24 via {address} dev s0 src {SERVER} metric 2 onlink"),
        format!("{address} dev s0 scope link src {SERVER} metric 2"),
        format!("10.0.1.0/24 via {address} dev s0 src {SERVER} metric 2 onlink"),
    ];
    ensure!(table(&access.server, "100")? == wanted, "{:?}", table(&access.server, "100")?);
    ensure!(table(&access.server, "main")?.is_empty());
    access.agree_also_after_a_restart(address, mac(1))?;
    let told = shown(&access, &["protocol", "access"])?;
    ensure!(told == ["10.0.0.0/24", "10.0.1.0/24"].map(|net| row(net, "Access", 2, 100)), "{told:?}");
    // A commit without the chain changes nothing for who is bound; the next one to come is routed plainly.
    access.daemon.reload(&Config::default().text())?;
    clients.lease(mac(1), 0x30)?;
    stand(&access.server, "100", &wanted)?;
    let plain = clients.lease(mac(2), 0x20)?;
    stand(&access.server, "main", &[format!("{} dev s0 scope link src {SERVER}", plain.address)])?;
    access.daemon.cli(&["clear", "dhcp", "server", "binding", "all"])?;
    for name in ["main", "100"] {
        stand(&access.server, name, &[])?;
    }
    access.gone(address)?;
    access.capture.judge("udp.srcport == 67")
}
