//! Pools end to end: a reservation by client identifier, an address that is kept over the end of its lease, and a drain
//! that moves a client to the linked pool. Packets, database and routes say the same.

use anyhow::{Context, Result, ensure};
use bindery_netns::client::Options;
use bindery_netns::packet::{kind, mac_text, option};
use bindery_netns::simclient::{SimClients, mac};
use bindery_netns::{Capture, Client, ClientKind, Daemon, Lab, Namespace, until};
use serde_json::Value;
use std::net::Ipv4Addr;

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const RESERVED: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 77);
const ONLY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 10);

/// A pool with one address besides a reservation, linked to another one; leases of `SECS` seconds.
fn config(drain: &str) -> String {
    let attributes = "maximum-lease-time 8; t1-renewal-time 3; t2-rebinding-time 6; router \"10.0.0.1\"";
    format!(
        r#"
system {{ services {{ dhcp-local-server {{ group access {{ interface s0 }} }} }} }}
access {{ address-assignment {{
    high-utilization 90
    abated-utilization 50
    pool first {{
        {drain}
        link second
        family inet {{
            network "10.0.0.0/24"
            range r {{ low "10.0.0.10"; high "10.0.0.10" }}
            host home {{ client-identifier "0x00686f6d652d37"; ip-address "10.0.0.77" }}
            dhcp-attributes {{ {attributes}; grace-period 3600 }}
        }}
    }}
    pool second {{ family inet {{
        network "10.9.0.0/24"
        range r {{ low "10.9.0.10"; high "10.9.0.99" }}
        dhcp-attributes {{ {attributes} }}
    }} }}
}} }}
"#
    )
}

struct Scene {
    daemon: Daemon,
    capture: Capture,
    server: Namespace,
    client: Namespace,
    lab: Lab,
}

impl Scene {
    fn new(programs: &[&str]) -> Result<Option<Self>> {
        let Some(lab) = Lab::new(programs) else {
            return Ok(None);
        };
        let (server, client) = (lab.namespace("psrv")?, lab.namespace("pcli")?);
        lab.veth((&server, "s0"), (&client, "c0"))?;
        server.address("s0", &format!("{SERVER}/24"))?;
        let capture = Capture::start(&lab, &server, "s0")?;
        let daemon = Daemon::start(&lab, &server, &config(""))?;
        Ok(Some(Self { daemon, capture, server, client, lab }))
    }

    /// A number of a pool's display.
    fn pool(&self, name: &str, key: &str) -> Result<u64> {
        let list = self.daemon.cli(&["show", "network-access", "address-assignment", "pool"])?;
        let pools = list.get("pools").and_then(Value::as_array).context("no list of pools")?;
        let pool = pools.iter().find(|pool| pool.get("pool-name").and_then(Value::as_str) == Some(name));
        let pool = pool.with_context(|| format!("no pool {name}"))?;
        let count = |key| pool.get(key).and_then(Value::as_u64).with_context(|| format!("no {key} in {pool}"));
        let sum: u64 = ["free", "offered", "bound", "quarantined", "held"].map(count).into_iter().sum::<Result<_>>()?;
        ensure!(sum == count("total")?, "the numbers do not add up: {pool}");
        count(key)
    }

    /// Packets, database and kernel say that the client has the address.
    fn holds(&self, address: Ipv4Addr, mac: [u8; 6]) -> Result<()> {
        self.capture.wait("an ACK", 0, |sent| {
            sent.message.kind() == kind::ACK && sent.message.yiaddr == address && sent.message.chaddr == mac
        })?;
        let binding = self.daemon.wait_bound(address)?;
        ensure!(binding.mac == mac_text(mac), "{binding:?}");
        let route = until("the route", || self.server.route(address).ok()?)?;
        ensure!(route.interface == "s0" && route.scope == "link", "{route:?}");
        Ok(())
    }

    /// Neither database nor kernel has anything of the address.
    fn is_gone(&self, address: Ipv4Addr) -> Result<()> {
        self.daemon.wait_unbound(address)?;
        until("the route's end", || self.server.route(address).ok()?.is_none().then_some(()))
    }
}

/// junos.md §5.1, `grace-period`: the address waits for its client, across a restart too.
#[test]
fn grace_period_keeps_an_address_over_the_end_of_its_lease() -> Result<()> {
    let Some(mut scene) = Scene::new(&[])? else {
        return Ok(());
    };
    let clients = SimClients::open(&scene.client, "c0")?;
    let first = clients.lease(mac(1), 0x100)?;
    ensure!(first.address == ONLY, "{}", first.address);
    scene.holds(ONLY, mac(1))?;
    scene.is_gone(ONLY)?;
    ensure!(scene.pool("first", "held")? == 1 && scene.pool("first", "bound")? == 0);
    // It is the only address of the pool, and another client even asks for it.
    let other = clients.lease_with(mac(2), 0x200, |message| {
        let asks = message.kind() == kind::DISCOVER;
        if asks { message.with(option::REQUESTED, &ONLY.octets()) } else { message }
    })?;
    ensure!(other.address.octets()[1] == 9, "not of the linked pool: {}", other.address);
    scene.holds(other.address, mac(2))?;
    scene.daemon.restart(&scene.server)?;
    ensure!(scene.pool("first", "held")? == 1, "kept over a restart");
    let third = clients.lease(mac(3), 0x300)?;
    ensure!(third.address.octets()[1] == 9, "not of the linked pool: {}", third.address);
    let again = clients.lease(mac(1), 0x400)?;
    ensure!(again.address == ONLY, "{}", again.address);
    scene.holds(ONLY, mac(1))?;
    ensure!(scene.pool("first", "held")? == 0 && scene.pool("first", "bound")? == 1);
    scene.capture.judge("udp.srcport == 67")
}

/// junos.md §5.1, `host` and `active-drain`: dhcpcd gets what is reserved for its client identifier; when the pool is
/// drained its renewal is refused, and it goes on in the linked pool.
#[test]
fn active_drain_moves_a_reserved_client_to_the_linked_pool() -> Result<()> {
    let Some(mut scene) = Scene::new(ClientKind::Dhcpcd.programs())? else {
        return Ok(());
    };
    let hw = scene.client.mac("c0")?;
    let options = Options { lines: "clientid 00:68:6f:6d:65:2d:37", ..Options::default() };
    let mut client = Client::start(&scene.lab, ClientKind::Dhcpcd, &scene.client, "c0", options)?;
    ensure!(client.wait_address(&scene.client)? == RESERVED);
    scene.holds(RESERVED, hw)?;
    let kdl = scene.daemon.folder().join("bindery.kdl");
    let refused = scene.daemon.refused("configure; set access address-assignment pool first active-drain; commit")?;
    ensure!(refused.contains("1 live session") && refused.contains("force"), "{refused}");
    ensure!(std::fs::read_to_string(kdl)?.contains("link second"));
    let mark = scene.capture.mark()?;
    scene.daemon.reload(&config("active-drain"))?;
    let nak = scene.capture.wait("the NAK of its renewal", mark, |sent| sent.message.kind() == kind::NAK)?;
    ensure!(nak.message.chaddr == hw, "{nak:?}");
    let ack = scene.capture.wait("an ACK of the linked pool", mark, |sent| {
        sent.message.kind() == kind::ACK && sent.message.yiaddr.octets()[1] == 9
    })?;
    scene.holds(ack.message.yiaddr, hw)?;
    scene.is_gone(RESERVED)?;
    until("the client's new address", || {
        scene.client.addresses("c0").ok()?.contains(&ack.message.yiaddr).then_some(())
    })?;
    ensure!(scene.pool("first", "bound")? == 0 && scene.pool("second", "bound")? == 1);
    client.stop();
    scene.capture.judge("udp.srcport == 67")
}
