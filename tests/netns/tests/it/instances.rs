//! Two routing instances with the same networks: each has a client on the wire and one behind a relay, and the same address
//! in both is two bindings. With policy tables in namespaces, and with VRF devices in a guest, since many kernels lack
//! those.

use anyhow::{Context, Result, ensure};
use bindery_netns::client::Options;
use bindery_netns::packet::{kind, mac_text};
use bindery_netns::{Capture, Client, ClientKind, Daemon, Lab, Namespace, Process, Sent, relay, uml, until};
use std::net::Ipv4Addr;

/// Our addresses, and the only ones of the two pools: on the wire, and behind the relay.
const ON_WIRE: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 10)];
const RELAYED: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 1, 0, 1), Ipv4Addr::new(10, 1, 0, 130)];
const GIADDR: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 3);

/// How an instance is kept apart in the kernel.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Apart {
    Tables,
    Vrfs,
}

/// A routing instance with its customers.
struct Side {
    name: &'static str,
    table: u32,
    /// Interfaces of the server.
    wire: String,
    towards_relay: String,
    capture: Capture,
    direct: Client,
    relayed: Client,
    macs: [[u8; 6]; 2],
    _relay: Process,
}

fn config(apart: Apart, names: [&str; 2]) -> String {
    names
        .map(|name| {
            let (table, first) = (table_of(name), &name[..1]);
            let kernel = match apart {
                Apart::Tables => format!("routing-table {table}; interface \"{first}*\""),
                Apart::Vrfs => format!("instance-type vrf; vrf-device vrf-{name}"),
            };
            format!(
                "routing-instances {name} {{ {kernel}\n\
                 system {{ services {{ dhcp-local-server {{ group access {{ interface {first}0; interface {first}1 }} }} }} }}\n\
                 access {{ address-assignment {{\n\
                 pool wire {{ family inet {{ network \"10.0.0.0/24\"; range r {{ low \"10.0.0.10\"; high \"10.0.0.10\" }}\n\
                 dhcp-attributes {{ maximum-lease-time 600; router \"10.0.0.1\" }} }} }}\n\
                 pool far {{ family inet {{ network \"10.1.0.0/24\"; range r {{ low \"10.1.0.130\"; high \"10.1.0.130\" }}\n\
                 dhcp-attributes {{ maximum-lease-time 600; router \"{GIADDR}\" }} }} }}\n\
                 }} }} }}\n"
            )
        })
        .concat()
}

fn table_of(name: &str) -> u32 {
    if name == "red" { 101 } else { 102 }
}

/// The server's end of one instance.
fn kernel(apart: Apart, server: &Namespace, name: &str, wire: &str, far: &str) -> Result<()> {
    let (table, device) = (table_of(name).to_string(), format!("vrf-{name}"));
    if apart == Apart::Vrfs {
        server.ip(&["link", "add", &device, "type", "vrf", "table", &table])?;
        server.ip(&["link", "set", &device, "up"])?;
    }
    for link in [wire, far] {
        match apart {
            Apart::Vrfs => drop(server.ip(&["link", "set", link, "master", &device])?),
            Apart::Tables => {
                server.sysctl(&format!("net/ipv4/conf/{link}/rp_filter"), "0")?;
                for direction in ["iif", "oif"] {
                    server.ip(&["rule", "add", direction, link, "lookup", &table])?;
                }
            }
        }
    }
    server.address(wire, &format!("{}/24", ON_WIRE[0]))?;
    server.address(far, &format!("{}/24", RELAYED[0]))?;
    if apart == Apart::Tables {
        // The kernel puts the networks of interfaces into the main table alone.
        for (link, network) in [(wire, "10.0.0.0/24"), (far, "10.1.0.0/24")] {
            server.ip(&["route", "add", network, "dev", link, "table", &table])?;
        }
    }
    Ok(())
}

impl Side {
    fn new(lab: &Lab, server: &Namespace, apart: Apart, name: &'static str) -> Result<(Self, [Namespace; 3])> {
        let first = &name[..1];
        let (wire, far) = (format!("{first}0"), format!("{first}1"));
        let [customer, between, beyond] = [
            lab.namespace(&format!("{first}c"))?,
            lab.namespace(&format!("{first}r"))?,
            lab.namespace(&format!("{first}d"))?,
        ];
        lab.veth((server, &wire), (&customer, "c0"))?;
        lab.veth((server, &far), (&between, "r1"))?;
        lab.veth((&between, "r0"), (&beyond, "c0"))?;
        kernel(apart, server, name, &wire, &far)?;
        between.sysctl("net/ipv4/ip_forward", "1")?;
        between.address("r1", "10.1.0.2/24")?;
        between.address("r0", &format!("{GIADDR}/32"))?;
        between.ip(&["route", "add", "10.1.0.128/25", "dev", "r0"])?;
        let capture = Capture::start(lab, &customer, "c0")?;
        let macs = [customer.mac("c0")?, beyond.mac("c0")?];
        let relay = relay::dhcrelay(&between, "r0", "r1", RELAYED[0])?;
        let start = |namespace| Client::start(lab, ClientKind::Udhcpc, namespace, "c0", Options::default());
        let (direct, relayed) = (start(&customer)?, start(&beyond)?);
        let table = table_of(name);
        let side = Self { name, table, wire, towards_relay: far, capture, direct, relayed, macs, _relay: relay };
        Ok((side, [customer, between, beyond]))
    }

    /// Database and kernel agree on the two leases of this instance.
    fn agree(&self, daemon: &Daemon, server: &Namespace) -> Result<[String; 2]> {
        let wanted = [(ON_WIRE[1], &self.wire, self.macs[0]), (RELAYED[1], &self.towards_relay, self.macs[1])];
        let mut sessions = Vec::new();
        for (address, interface, mac) in wanted {
            let binding = until(&format!("{address} in {}", self.name), || {
                daemon.bindings_in(self.name).ok()?.into_iter().find(|binding| binding.address == address)
            })?;
            ensure!(binding.interface == *interface && binding.mac == mac_text(mac), "{binding:?}");
            ensure!(
                binding.all.get("routing-instance").and_then(|name| name.as_str()) == Some(self.name),
                "{binding:?}"
            );
            sessions.push(binding.session);
        }
        let lines = [
            format!("{} dev {} ", ON_WIRE[1], self.wire),
            format!("{} via {GIADDR} dev {} ", RELAYED[1], self.towards_relay),
        ];
        let mut last = String::new();
        until(&format!("the routes of {}", self.name), || {
            last = server.ip(&["route", "show", "table", &self.table.to_string(), "proto", "201"]).ok()?;
            (last.lines().count() == 2 && lines.iter().all(|line| last.contains(line))).then_some(())
        })
        .with_context(|| last.clone())?;
        let main = server.ip(&["route", "show", "table", "main", "proto", "201"])?;
        ensure!(main.is_empty(), "routes of instances in the main table: {main}");
        let neighbours = server.neighbours(&self.wire)?;
        let entry = neighbours.iter().find(|entry| entry.address == ON_WIRE[1].to_string());
        ensure!(entry.is_some_and(|entry| entry.mac == mac_text(self.macs[0])), "{neighbours:?}");
        sessions.try_into().ok().context("two sessions")
    }

    /// A renewal by unicast, which the socket of the instance takes, answered by its routes.
    fn renew(&self) -> Result<()> {
        let mark = self.capture.mark()?;
        // udhcpc loses a signal that comes while it runs its script, so it is told until it renews.
        let request = until("a renewal", || {
            let is_it = |sent: &Sent| sent.message.kind() == kind::REQUEST && sent.message.ciaddr == ON_WIRE[1];
            let found = self.capture.messages().ok()?.into_iter().skip(mark).find(is_it);
            if found.is_none() {
                self.direct.renew().ok()?;
            }
            found
        })?;
        ensure!(request.envelope.to == ON_WIRE[0], "{request:?}");
        let ack = self.capture.wait("its ACK", mark, |sent| {
            sent.message.kind() == kind::ACK && sent.message.xid == request.message.xid
        })?;
        ensure!(ack.envelope.from == ON_WIRE[0] && ack.envelope.to == ON_WIRE[1], "{ack:?}");
        // Past the relay, and back by the route via it.
        self.relayed.renew().map(drop)
    }
}

fn the_same_addresses_in_two(apart: Apart) -> Result<()> {
    let Some(lab) = Lab::new(&["busybox", "dhcrelay"]) else { return Ok(()) };
    let server = lab.namespace("srv")?;
    server.sysctl("net/ipv4/conf/all/rp_filter", "0")?;
    let mut daemon = Daemon::start(&lab, &server, &config(apart, ["red", "blue"]))?;
    let (mut red, red_ends) = Side::new(&lab, &server, apart, "red")?;
    let (mut blue, blue_ends) = Side::new(&lab, &server, apart, "blue")?;
    for (side, [customer, _, beyond]) in [(&mut red, &red_ends), (&mut blue, &blue_ends)] {
        ensure!(side.direct.wait_address(customer)? == ON_WIRE[1], "{} has one address on the wire", side.name);
        ensure!(side.relayed.wait_address(beyond)? == RELAYED[1], "{} has one address behind the relay", side.name);
    }
    let before = [red.agree(&daemon, &server)?, blue.agree(&daemon, &server)?];
    ensure!(daemon.bindings()?.is_empty(), "the default instance has no binding");
    ensure!(daemon.bindings_in("all")?.len() == 4, "{:?}", daemon.bindings_in("all")?);
    for side in [&red, &blue] {
        side.renew()?;
    }
    // The other way round in the configuration: every session is where it was.
    daemon.kill();
    std::fs::write(daemon.folder().join("bindery.kdl"), config(apart, ["blue", "red"]))?;
    daemon.restart(&server)?;
    ensure!([red.agree(&daemon, &server)?, blue.agree(&daemon, &server)?] == before, "another session");
    for side in [&red, &blue] {
        side.renew()?;
    }
    daemon.cli(&["clear", "dhcp", "server", "binding", &ON_WIRE[1].to_string(), "routing-instance", "red"])?;
    until("the end of one of two", || (daemon.bindings_in("red").ok()?.len() == 1).then_some(()))?;
    blue.agree(&daemon, &server)?;
    blue.capture.judge("udp.srcport == 67")
}

#[test]
fn the_same_addresses_in_two_policy_tables() -> Result<()> {
    the_same_addresses_in_two(Apart::Tables)
}

#[test]
fn the_same_addresses_in_two_vrfs() -> Result<()> {
    let name = "instances::the_same_addresses_in_two_vrfs";
    uml::run(name, &["ipv6", "veth", "vrf"], || the_same_addresses_in_two(Apart::Vrfs))
}
