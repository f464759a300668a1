//! What the daemon asks of a segment and hears there: hosts that have an address which nobody leased them, clients that
//! are gone, other servers.

use crate::access::{Access, Config, SERVER};
use anyhow::{Context, Result, ensure};
use bindery_netns::client::Options;
use bindery_netns::packet::{BROADCAST, Envelope, Message, kind, mac_text, option};
use bindery_netns::process::Process;
use bindery_netns::simclient::{SimClients, mac};
use bindery_netns::wallclock::WallClock;
use bindery_netns::{Client, ClientKind, Daemon, Namespace, until};
use serde_json::Value;
use std::net::Ipv4Addr;

const FIRST: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 10);
const SECOND: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 11);
const THIRD: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 12);

/// A number of the pool.
fn of_pool(daemon: &Daemon, field: &str) -> Result<u64> {
    let list = daemon.cli(&["show", "network-access", "address-assignment", "pool"])?;
    list["pools"][0][field].as_u64().with_context(|| format!("no {field} in {list}"))
}

/// A count of `show dhcp server statistics`.
fn counted(daemon: &Daemon, name: &str) -> Result<u64> {
    let list = daemon.cli(&["show", "dhcp", "server", "statistics"])?;
    let rows = list["neighbours"].as_array().context("no counts")?;
    let row = rows.iter().find(|row| row["name"] == name).with_context(|| format!("no {name} in {list}"))?;
    row["count"].as_u64().context("no number")
}

/// RFC 2131 §2.2, §4.4.1: somebody has set two of the pool's addresses by hand. A client is offered neither of them, both
/// are quarantined under the host's hardware address, and the operator ends that.
#[test]
fn addresses_that_a_foreign_host_has_are_not_offered() -> Result<()> {
    let programs = ClientKind::Dhclient.programs();
    let group = "interface s0; overrides { address-probe { timeout 300 } }".into();
    let config = Config { group, ..Config::default() }.range("10.0.0.10", "10.0.0.12");
    let Some((mut access, segment)) = Access::on_segment(programs, &config)? else { return Ok(()) };
    let foreign = access.lab.namespace("fix")?;
    access.lab.plug(&segment, "p-f", &foreign, "f0")?;
    foreign.address("f0", "10.0.0.10/24")?;
    foreign.address("f0", "10.0.0.11/24")?;

    let mut client = Client::start(&access.lab, ClientKind::Dhclient, &access.client, "c0", Options::default())?;
    ensure!(client.wait_address(&access.client)? == THIRD);
    access.agree(THIRD, access.client.mac("c0")?)?;
    access.database_is_kernel()?;
    for sent in access.seen()? {
        ensure!(sent.message.yiaddr != FIRST && sent.message.yiaddr != SECOND, "{sent:?}");
    }
    ensure!(of_pool(&access.daemon, "quarantined")? == 2 && of_pool(&access.daemon, "used")? == 1);
    ensure!(counted(&access.daemon, "addresses-in-use")? == 2);

    // All that outlives a restart, and shows whose it is.
    access.daemon.kill();
    access.daemon.restart(&access.server)?;
    ensure!(of_pool(&access.daemon, "quarantined")? == 2);
    let shown = access.daemon.cli(&["show", "dhcp", "server", "binding", "10.0.0.10"])?;
    let row = &shown["bindings"][0];
    ensure!(row["mac-address"] == mac_text(foreign.mac("f0")?).as_str(), "{shown}");
    ensure!(row["lease-state"] == "DECLINED", "{shown}");

    // The host gives one of them up, and the operator says so.
    foreign.ip(&["addr", "del", "10.0.0.10/24", "dev", "f0"])?;
    foreign.ip(&["addr", "replace", "10.0.0.11/24", "dev", "f0"])?;
    access.daemon.cli(&["clear", "dhcp", "server", "binding", "10.0.0.10"])?;
    ensure!(of_pool(&access.daemon, "quarantined")? == 1);
    let other = SimClients::open(&access.client, "c0")?.lease(mac(1), 0x100)?;
    ensure!(other.address == FIRST, "{other:?}");
    access.agree(FIRST, mac(1))?;
    access.database_is_kernel()
}

/// `liveness-detection`: a client whose machine is gone is cleared, one that answers ARP keeps its lease. The daemon's
/// clock goes on by leaps, since the shortest interval is five minutes.
#[test]
fn a_silent_client_is_cleared_and_one_that_answers_is_not() -> Result<()> {
    let programs = [ClientKind::Dhclient.programs(), &["cc"]].concat();
    let group = "interface s0; liveness-detection { method { layer2-liveness-detection { transmit-interval 300 } } }";
    let attributes = "maximum-lease-time 86400; router \"10.0.0.1\"".into();
    let config = Config { group: group.into(), attributes, ..Config::default() };
    let Some(mut access) = Access::new(&programs, &config)? else { return Ok(()) };
    let clock = WallClock::new(&access.lab)?;
    access.daemon.kill();
    let folder = access.daemon.folder().to_path_buf();
    let mut command = clock.command(&access.server, &folder)?;
    access.daemon = Daemon::start_as(&access.server, folder, &mut command)?;

    let mut client = Client::start(&access.lab, ClientKind::Dhclient, &access.client, "c0", Options::default())?;
    let answers = client.wait_address(&access.client)?;
    let answering = access.client.mac("c0")?;
    // Nobody answers for this one.
    let silent = SimClients::open(&access.client, "c0")?.lease(mac(1), 0x100)?.address;
    access.agree(answers, answering)?;
    access.agree(silent, mac(1))?;
    let state = |daemon: &Daemon, address| -> Result<Value> {
        let binding = daemon.binding(address)?.with_context(|| format!("no binding of {address}"))?;
        Ok(binding.all["liveness-detection-state"].clone())
    };
    ensure!(state(&access.daemon, answers)? == "up" && state(&access.daemon, silent)? == "up");

    let mut ahead = 0;
    until("the end of the silent client's binding", || {
        // Each question lets the daemon see its clock. A leap of half a lap is no stall to it.
        ahead += 11;
        clock.ahead(ahead).ok()?;
        access.daemon.binding(silent).ok()?.is_none().then_some(())
    })?;
    ensure!(ahead > 300, "it was cleared after {ahead} s");
    access.gone(silent)?;
    access.agree(answers, answering)?;
    access.database_is_kernel()?;
    let shown = access.daemon.script("show system subscriber-management dhcpv4-liveness-detection")?;
    ensure!(!shown.contains(&silent.to_string()), "it is gone: {shown}");
    ensure!(counted(&access.daemon, "liveness-cleared")? == 1 && counted(&access.daemon, "liveness-probes")? >= 5);
    // The one that answered was asked too, and its answer was heard.
    until("the answer of the client that is there", || {
        access.daemon.binding(answers).ok()?.filter(|binding| binding.all["liveness-detection-state"] == "up")
    })?;
    Ok(())
}

/// dnsmasq as a server that nobody wanted.
pub(crate) fn rogue(namespace: &Namespace) -> Result<Process> {
    let arguments = [
        "-k",
        "-d",
        "-p0",
        "-C",
        "/dev/null",
        "-u",
        "root",
        "--pid-file=",
        "--no-ping",
        "--leasefile-ro",
        "--dhcp-authoritative",
        "--dhcp-range=10.0.0.200,10.0.0.210,255.255.255.0,2m",
    ];
    let mut server = namespace.spawn("dnsmasq", &arguments)?;
    server.wait_line("DHCP, IP range 10.0.0.200")?;
    Ok(server)
}

fn rogues(daemon: &Daemon) -> Result<Vec<Value>> {
    let list = daemon.cli(&["show", "dhcp", "server", "rogue-servers"])?;
    list["rogue-servers"].as_array().cloned().with_context(|| format!("no list: {list}"))
}

/// A foreign server on a served interface is found by what it says, and by a client that takes its offer.
#[test]
fn a_foreign_server_is_listed() -> Result<()> {
    let Some((access, segment)) = Access::on_segment(&["dnsmasq"], &Config::default())? else { return Ok(()) };
    let clients = SimClients::open(&access.client, "c0")?;
    let lease = clients.lease(mac(1), 0x100)?;
    ensure!(lease.server == SERVER && rogues(&access.daemon)?.is_empty(), "we are not foreign to ourselves");

    let foreign = access.lab.namespace("rog")?;
    access.lab.plug(&segment, "p-r", &foreign, "r0")?;
    foreign.address("r0", "10.0.0.66/24")?;
    let _server = rogue(&foreign)?;
    let mut discover = Message::request(kind::DISCOVER, mac(2), 0x200);
    discover.flags = BROADCAST;
    let frame = Envelope::client_broadcast(mac(2)).frame(&discover.encode());
    let row = until("the foreign server", || {
        clients.socket().send(&frame).ok()?;
        rogues(&access.daemon).ok()?.into_iter().next()
    })?;
    ensure!(row["server-address"] == "10.0.0.66" && row["interface-name"] == "s0", "{row}");
    ensure!(row["mac-address"] == mac_text(foreign.mac("r0")?).as_str() && row["evidence"] == "reply", "{row}");
    let offered = row["offered-address"].as_str().with_context(|| format!("nothing offered: {row}"))?;
    ensure!(offered.starts_with("10.0.0.2"), "{row}");
    ensure!(counted(&access.daemon, "foreign-server-messages")? >= 1);
    let metrics = access.daemon.script("show metrics")?;
    let sample = "bindery_interface_neighbours_total{interface=\"s0\",kind=\"foreign-server-messages\"} ";
    ensure!(metrics.contains(sample), "{metrics}");

    // A client takes it: that is told to all servers.
    let take = Message::request(kind::REQUEST, mac(3), 0x300)
        .with(option::REQUESTED, &[10, 0, 0, 201])
        .with(option::SERVER, &[10, 0, 0, 66]);
    clients.socket().send(&Envelope::client_broadcast(mac(3)).frame(&take.encode()))?;
    until("the client's choice", || {
        let rows = rogues(&access.daemon).ok()?;
        rows.into_iter().find(|row| row["evidence"] == "request" && row["offered-address"] == "10.0.0.201")
    })?;
    access.daemon.cli(&["clear", "dhcp", "server", "rogue-servers"])?;
    ensure!(rogues(&access.daemon)?.iter().all(|row| row["evidence"] == "reply"), "the request was forgotten");
    access.agree(lease.address, mac(1))
}
