//! Choosing a pool, and who a client is: RFC 3527 by a relay that we did not write, RFC 5107 and RFC 3011 by what goes
//! over the wire, and a subscriber who changes the device.

use crate::access::{Access, Config};
use anyhow::{Context, Result, ensure};
use bindery_netns::client::Options;
use bindery_netns::packet::{Message, kind, mac_text, option};
use bindery_netns::{Capture, Client, ClientKind, DEADLINE, Daemon, Lab, Namespace, relay, until};
use serde_json::Value;
use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

/// The server, and the relay on the same link.
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 1);
const GIADDR: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 2);
/// The relay's address towards its clients.
const CLIENT_SIDE: Ipv4Addr = Ipv4Addr::new(10, 2, 0, 1);

/// Option 118 (RFC 3011 §2).
const SUBNET_SELECTION: u8 = 118;

/// The clients' network with a range for one line, a network that they may choose, and one that they may not. None
/// holds giaddr.
const CONFIG: &str = r#"
system { services { dhcp-local-server {
    pool-match-order ip-address-first option-82
    group access { interface s0; overrides { subnet-selection "10.3.0.0/24" } }
} } }
access { address-assignment {
    pool clients { family inet {
        network "10.2.0.0/24"
        range all { low "10.2.0.10"; high "10.2.0.99" }
        range line { low "10.2.0.200"; high "10.2.0.220" }
        dhcp-attributes {
            maximum-lease-time 60; t1-renewal-time 4; t2-rebinding-time 50; router "10.2.0.1"
            option-match { option-82 { circuit-id r0 { range line } } }
        }
    } }
    pool chosen { family inet { network "10.3.0.0/24"; range r { low "10.3.0.10"; high "10.3.0.99" } } }
    pool others { family inet { network "10.4.0.0/24"; range r { low "10.4.0.10"; high "10.4.0.99" } } }
} }
"#;

/// Server `s0` to relay `r1`, relay `r0` to client `c0`.
struct Scene {
    daemon: Daemon,
    capture: Capture,
    server: Namespace,
    relay: Namespace,
    client: Namespace,
    lab: Lab,
}

impl Scene {
    fn new(programs: &[&str]) -> Result<Option<Self>> {
        let Some(lab) = Lab::new(programs) else {
            return Ok(None);
        };
        let (server, relay, client) = (lab.namespace("srv")?, lab.namespace("rel")?, lab.namespace("cli")?);
        lab.veth((&server, "s0"), (&relay, "r1"))?;
        lab.veth((&relay, "r0"), (&client, "c0"))?;
        relay.sysctl("net/ipv4/ip_forward", "1")?;
        server.address("s0", &format!("{SERVER}/24"))?;
        relay.address("r1", &format!("{GIADDR}/24"))?;
        relay.address("r0", &format!("{CLIENT_SIDE}/24"))?;
        let capture = Capture::start(&lab, &server, "s0")?;
        let daemon = Daemon::start(&lab, &server, CONFIG)?;
        Ok(Some(Self { daemon, capture, server, relay, client, lab }))
    }

    fn dropped(&self, name: &str) -> Result<u64> {
        let statistics = self.daemon.cli(&["show", "dhcp", "server", "statistics"])?;
        let rows = statistics.get("packets-dropped").and_then(Value::as_array).context("no drop counters")?;
        let row = rows.iter().find(|row| row.get("name").and_then(Value::as_str) == Some(name));
        Ok(row.and_then(|row| row.get("count")).and_then(Value::as_u64).unwrap_or(0))
    }

    /// What packets, database and kernel say of a relayed client is one thing.
    fn check(&self, address: Ipv4Addr, mac: &str) -> Result<Value> {
        let binding = self.daemon.wait_bound(address)?;
        ensure!(binding.mac == mac, "{binding:?}");
        ensure!(text(&binding.all, "bootp-relay-address") == Some(&GIADDR.to_string()), "{}", binding.all);
        let route = until("the route", || self.server.route(address).ok()?)?;
        ensure!(route.via == Some(GIADDR.to_string()) && route.interface == "s0", "{route:?}");
        Ok(binding.all)
    }
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str)
}

fn sub_option(info: &[u8], code: u8) -> Option<&[u8]> {
    let mut rest = info;
    while let [found, len, tail @ ..] = rest {
        let (value, next) = tail.split_at_checked(usize::from(*len))?;
        if *found == code {
            return Some(value);
        }
        rest = next;
    }
    None
}

/// `dhcrelay -U` gives its address on our link as giaddr and the client's network as link selection.
#[test]
fn rfc3527_dhcrelay_selects_the_link_and_its_circuit_the_range() -> Result<()> {
    let Some(mut scene) = Scene::new(&["dhclient", "dhcrelay"])? else {
        return Ok(());
    };
    let _relay = relay::dhcrelay_link_selection(&scene.relay, "r0", "r1", SERVER)?;
    let mac = scene.client.mac("c0")?;
    let mut client = Client::start(&scene.lab, ClientKind::Dhclient, &scene.client, "c0", Options::default())?;
    let address = client.wait_address(&scene.client)?;
    ensure!(
        (200..=220).contains(&address.octets()[3]) && address.octets()[..3] == [10, 2, 0],
        "not of the line's range: {address}"
    );
    let ack = scene.capture.wait("an ACK to the relay", 0, |sent| sent.message.kind() == kind::ACK)?;
    ensure!(ack.envelope.to == GIADDR && ack.envelope.to_port == 67, "RFC 3527 §3: the reply goes to giaddr: {ack:?}");
    let info = ack.message.option(option::RELAY).context("option 82 comes back")?;
    ensure!(sub_option(info, 5) == Some(&CLIENT_SIDE.octets()), "link selection comes back: {ack:?}");
    ensure!(sub_option(info, 1) == Some(b"r0"), "{ack:?}");
    let before = scene.check(address, &mac_text(mac))?;
    ensure!(text(&before, "circuit-id") == Some("r0"), "{before}");
    // A renewal past the relay has neither, and changes nothing.
    let mark = scene.capture.mark()?;
    let renewed = scene.capture.wait("a renewal past the relay", mark, |sent| {
        sent.message.kind() == kind::ACK && sent.message.giaddr.is_unspecified()
    })?;
    ensure!(renewed.envelope.to == address, "{renewed:?}");
    scene.daemon.kill();
    scene.daemon.restart(&scene.server)?;
    let after = scene.check(address, &mac_text(mac))?;
    ensure!(after.get("option-82") == before.get("option-82"), "{before} became {after}");
    scene.capture.judge("udp.srcport == 67 && ip.src == 10.1.0.1")
}

/// A relay by hand.
struct Hand {
    socket: UdpSocket,
    xid: u32,
}

impl Hand {
    fn open(namespace: &Namespace) -> Result<Self> {
        let socket = namespace.enter(|| UdpSocket::bind((GIADDR, 67)))??;
        socket.set_read_timeout(Some(Duration::from_secs(1)))?;
        Ok(Self { socket, xid: 1 })
    }

    fn send(&mut self, mut message: Message) -> Result<()> {
        self.xid += 1;
        (message.xid, message.giaddr, message.hops) = (self.xid, GIADDR, 1);
        self.socket.send_to(&message.encode(), (SERVER, 67))?;
        Ok(())
    }

    /// Sends, again each second, until the answer comes.
    fn ask(&mut self, message: &Message) -> Result<Message> {
        let end = Instant::now() + DEADLINE;
        while Instant::now() < end {
            self.send(message.clone())?;
            let mut buffer = [0; 2048];
            while let Ok(length) = self.socket.recv(&mut buffer) {
                let answer = Message::decode(buffer.get(..length).unwrap_or_default()).context("no DHCP message")?;
                if answer.xid == self.xid {
                    return Ok(answer);
                }
            }
        }
        anyhow::bail!("no answer to {message:?}")
    }
}

const MAC: [u8; 6] = [2, 0, 0, 0, 0, 0x51];

/// RFC 4361 §6.1: type 255, an IAID, and a DUID by link-layer address.
const NODE: &[u8] = &[255, 0, 0, 0, 7, 0, 3, 0, 1, 2, 0, 0, 0, 0, 0x51];

/// Circuit, link selection, server identifier override.
fn overriding(message: Message) -> Message {
    let mut info = vec![1, 2, b'r', b'9', 5, 4];
    info.extend(CLIENT_SIDE.octets());
    info.extend([11, 4]);
    info.extend(CLIENT_SIDE.octets());
    message.with(option::RELAY, &info)
}

#[test]
fn rfc5107_the_relay_is_the_server_that_clients_know() -> Result<()> {
    let Some(mut scene) = Scene::new(&[])? else {
        return Ok(());
    };
    let mut hand = Hand::open(&scene.relay)?;
    let request = |kind: u8| Message::request(kind, MAC, 0).with(option::CLIENT_ID, NODE);
    let offer = hand.ask(&overriding(request(kind::DISCOVER)))?;
    ensure!(offer.kind() == kind::OFFER && offer.address_option(option::SERVER) == Some(CLIENT_SIDE), "{offer:?}");
    ensure!(offer.yiaddr.octets()[..3] == [10, 2, 0] && offer.yiaddr.octets()[3] < 100, "the whole pool: {offer:?}");
    let address = offer.yiaddr;
    let select = request(kind::REQUEST).with(option::SERVER, &CLIENT_SIDE.octets());
    let ack = hand.ask(&overriding(select.with(option::REQUESTED, &address.octets())))?;
    ensure!(ack.kind() == kind::ACK && ack.address_option(option::SERVER) == Some(CLIENT_SIDE), "{ack:?}");
    let bound = scene.check(address, &mac_text(MAC))?;
    ensure!(text(&bound, "server-identifier") == Some(&CLIENT_SIDE.to_string()), "{bound}");
    ensure!(text(&bound, "client-duid") == Some("LL0x1-02:00:00:00:00:51"), "RFC 4361 §6.1: {bound}");
    ensure!(bound.get("client-iaid").and_then(Value::as_u64) == Some(7), "{bound}");
    // A client renews at the server that it knows: the relay hands it on, also to a server that began anew.
    scene.daemon.kill();
    scene.daemon.restart(&scene.server)?;
    let mut renew = request(kind::REQUEST);
    renew.ciaddr = address;
    let renewed = hand.ask(&overriding(renew))?;
    ensure!(renewed.kind() == kind::ACK && renewed.address_option(option::SERVER) == Some(CLIENT_SIDE), "{renewed:?}");
    scene.check(address, &mac_text(MAC))?;
    let mut release = request(kind::RELEASE).with(option::SERVER, &CLIENT_SIDE.octets());
    release.ciaddr = address;
    hand.send(overriding(release))?;
    scene.daemon.wait_unbound(address)?;
    until("the end of the route", || scene.server.route(address).ok()?.is_none().then_some(()))
}

#[test]
fn rfc3011_a_client_chooses_a_subnet_that_it_may_choose() -> Result<()> {
    let Some(scene) = Scene::new(&[])? else {
        return Ok(());
    };
    let mut hand = Hand::open(&scene.relay)?;
    let on = |kind: u8, third: u8| Message::request(kind, MAC, 0).with(SUBNET_SELECTION, &[10, third, 0, 0]);
    // Another pool's subnet, which is not for clients here; giaddr itself is in none.
    hand.send(on(kind::DISCOVER, 4))?;
    until("the drop", || (scene.dropped("invalid-subnet").ok()? == 1).then_some(()))?;
    let offer = hand.ask(&on(kind::DISCOVER, 3))?;
    ensure!(offer.yiaddr.octets()[..3] == [10, 3, 0], "{offer:?}");
    ensure!(offer.option(SUBNET_SELECTION) == Some(&[10, 3, 0, 0]), "RFC 3011 §2: an identical copy: {offer:?}");
    let select = on(kind::REQUEST, 3).with(option::SERVER, &SERVER.octets());
    let ack = hand.ask(&select.with(option::REQUESTED, &offer.yiaddr.octets()))?;
    ensure!(ack.kind() == kind::ACK && ack.option(SUBNET_SELECTION) == Some(&[10, 3, 0, 0]), "{ack:?}");
    let bound = scene.check(offer.yiaddr, &mac_text(MAC))?;
    ensure!(text(&bound, "pool-name") == Some("chosen"), "{bound}");
    scene.capture.judge("udp.srcport == 67 && ip.src == 10.1.0.1")
}

/// A subscriber puts another device on the line: what the first one had ends at once, in the database and the kernel.
#[test]
fn client_discover_match_leaves_nothing_of_the_device_before() -> Result<()> {
    let group = "interface s0; overrides { client-discover-match { incoming-interface } }";
    let config = Config { group: group.into(), ..Config::default() };
    let Some(access) = Access::new(&["dhclient"], &config)? else {
        return Ok(());
    };
    let mut first = Client::start(&access.lab, ClientKind::Dhclient, &access.client, "c0", Options::default())?;
    let old = first.wait_address(&access.client)?;
    access.daemon.wait_bound(old)?;
    until("the route", || access.server.route(old).ok()?)?;
    first.stop();
    drop(first);
    access.client.ip(&["address", "flush", "dev", "c0"])?;
    access.client.hardware_address("c0", "02:00:00:00:00:77")?;
    let mut second = Client::start(&access.lab, ClientKind::Dhclient, &access.client, "c0", Options::default())?;
    let new = second.wait_address(&access.client)?;
    ensure!(new != old, "{new}");
    let bound = access.daemon.wait_bound(new)?;
    ensure!(bound.mac == "02:00:00:00:00:77", "{bound:?}");
    access.daemon.wait_unbound(old)?;
    until("the end of the old route", || access.server.route(old).ok()?.is_none().then_some(()))?;
    let live = access.daemon.bindings()?.into_iter().filter(|binding| binding.is_bound()).count();
    ensure!(live == 1, "{live} bindings");
    access.capture.judge("udp.srcport == 67 && ip.src == 10.0.0.1")
}
