//! Made-up clients on the link: frames that a real client sends seldom or never.

use crate::access::{Access, Config, SERVER};
use anyhow::{Result, ensure};
use bindery_netns::packet::{BROADCAST, Envelope, Message, kind, option};
use bindery_netns::simclient::{SimClients, mac};
use bindery_netns::{Capture, Client, ClientKind, Daemon, Lab, client::Options, until};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

fn scene(config: &Config) -> Result<Option<(Access, SimClients)>> {
    let Some(access) = Access::new(&[], config)? else {
        return Ok(None);
    };
    let clients = SimClients::open(&access.client, "c0")?;
    Ok(Some((access, clients)))
}

/// A switch between client and server adds option 82 and leaves giaddr alone: kept, and echoed byte for byte.
#[test]
fn option_82_with_giaddr_zero() -> Result<()> {
    let Some((mut access, clients)) = scene(&Config::default())? else {
        return Ok(());
    };
    // Circuit-id, remote-id, and a sub-option that nobody knows.
    let inserted = [1, 4, b'e', b't', b'h', b'7', 2, 2, 9, 9, 200, 1, 0];
    let lease = clients.lease_with(mac(1), 0x100, |message| message.with(option::RELAY, &inserted))?;
    ensure!(lease.ack.message.option(option::RELAY) == Some(&inserted), "{:?}", lease.ack);
    ensure!(
        lease.ack.message.options.last().map(|(code, _)| *code) == Some(option::RELAY),
        "82 stands last (RFC 3046)"
    );
    access.agree_also_after_a_restart(lease.address, mac(1))?;
    access.capture.judge("udp.srcport == 67")
}

/// RFC 2131 §4.1: unicast to the client's hardware address, or broadcast if it asks.
#[test]
fn replies_go_where_the_flag_says() -> Result<()> {
    let Some((access, clients)) = scene(&Config::default())? else {
        return Ok(());
    };
    let unicast = clients.lease(mac(1), 0x100)?;
    ensure!(unicast.ack.envelope.to_mac == mac(1) && unicast.ack.envelope.to == unicast.address, "{:?}", unicast.ack);
    let broadcast = clients.lease_with(mac(2), 0x200, |mut message| {
        message.flags = BROADCAST;
        message
    })?;
    ensure!(broadcast.ack.envelope.to_mac == [255; 6], "{:?}", broadcast.ack);
    ensure!(broadcast.ack.envelope.to == Ipv4Addr::BROADCAST, "{:?}", broadcast.ack);
    ensure!(broadcast.ack.message.flags == BROADCAST, "{:?}", broadcast.ack);
    access.agree(unicast.address, mac(1))?;
    access.agree(broadcast.address, mac(2))?;
    access.capture.judge("udp.srcport == 67")
}

/// RFC 2131 §4.3.2: after a reboot the client asks for its old address; a wrong network is refused.
#[test]
fn init_reboot() -> Result<()> {
    let Some((access, clients)) = scene(&Config::default())? else {
        return Ok(());
    };
    let lease = clients.lease(mac(1), 0x100)?;
    let again = Message::request(kind::REQUEST, mac(1), 0x300).with(option::REQUESTED, &lease.address.octets());
    let answer = clients.exchange(&again)?;
    ensure!(answer.message.kind() == kind::ACK && answer.message.yiaddr == lease.address, "{answer:?}");
    let wrong = Message::request(kind::REQUEST, mac(1), 0x400).with(option::REQUESTED, &[192, 168, 9, 9]);
    let answer = clients.exchange(&wrong)?;
    ensure!(answer.message.kind() == kind::NAK, "{answer:?}");
    ensure!(
        answer.message.yiaddr.is_unspecified() && answer.message.option(option::LEASE_TIME).is_none(),
        "{answer:?}"
    );
    access.agree(lease.address, mac(1))?;
    access.capture.judge("udp.srcport == 67")
}

/// Many clients, each of them at its first DISCOVER at once: no address twice, in packets, database and kernel.
#[test]
fn two_clients_never_get_one_address() -> Result<()> {
    const CLIENTS: u32 = 150;
    let Some((mut access, clients)) = scene(&Config::default())? else {
        return Ok(());
    };
    // All DISCOVERs first, so that the offers compete.
    for number in 0..CLIENTS {
        let discover = Message::request(kind::DISCOVER, mac(number), number);
        clients.socket().send(&Envelope::client_broadcast(mac(number)).frame(&discover.encode()))?;
    }
    let mut addresses = BTreeSet::new();
    for number in 0..CLIENTS {
        let lease = clients.lease(mac(number), 0x10_0000 + number * 2)?;
        ensure!(addresses.insert(lease.address), "{} was given twice", lease.address);
    }
    let offered: Vec<_> = access.seen()?.into_iter().filter(|sent| sent.message.kind() == kind::ACK).collect();
    for one in &offered {
        let thieves = offered
            .iter()
            .filter(|two| two.message.yiaddr == one.message.yiaddr && two.message.chaddr != one.message.chaddr);
        ensure!(thieves.count() == 0, "{} has two owners", one.message.yiaddr);
    }
    access.database_is_kernel()?;
    access.daemon.kill();
    access.daemon.restart(&access.server)?;
    access.database_is_kernel()?;
    ensure!(access.server.routes()?.len() == addresses.len(), "{} routes", access.server.routes()?.len());
    Ok(())
}

/// Two real clients on one segment, and a third that claims the address of the first.
#[test]
fn a_client_that_asks_for_anothers_address_is_refused() -> Result<()> {
    let programs = ClientKind::Dhclient.programs();
    let Some((access, segment)) = Access::on_segment(programs, &Config::default())? else {
        return Ok(());
    };
    let second = access.lab.namespace("cl2")?;
    access.lab.plug(&segment, "p-2", &second, "c0")?;
    let mut one = Client::start(&access.lab, ClientKind::Dhclient, &access.client, "c0", Options::default())?;
    let mut two = Client::start(&access.lab, ClientKind::Dhclient, &second, "c0", Options::default())?;
    let (first, other) = (one.wait_address(&access.client)?, two.wait_address(&second)?);
    ensure!(first != other, "both have {first}");
    access.agree(first, access.client.mac("c0")?)?;
    access.agree(other, second.mac("c0")?)?;

    let third = access.lab.namespace("cl3")?;
    access.lab.plug(&segment, "p-3", &third, "c0")?;
    let clients = SimClients::open(&third, "c0")?;
    let claim = Message::request(kind::REQUEST, mac(3), 0x900)
        .with(option::REQUESTED, &first.octets())
        .with(option::SERVER, &SERVER.octets());
    let answer = clients.exchange(&claim)?;
    ensure!(answer.message.kind() == kind::NAK, "{answer:?}");
    access.agree(first, access.client.mac("c0")?)?;
    access.database_is_kernel()
}

/// The shape of a real access router: unnumbered interfaces in one group, the gateway's address on `lo`.
#[test]
fn two_unnumbered_interfaces_with_the_gateway_on_lo() -> Result<()> {
    let Some(lab) = Lab::new(ClientKind::Dhclient.programs()) else {
        return Ok(());
    };
    let server = lab.namespace("srv")?;
    let (left, right) = (lab.namespace("lef")?, lab.namespace("rig")?);
    lab.veth((&server, "s0"), (&left, "c0"))?;
    lab.veth((&server, "s1"), (&right, "c0"))?;
    server.address("lo", &format!("{SERVER}/32"))?;
    let config = Config { group: "interface s0; interface s1".into(), ..Config::default() };
    let captures = [Capture::start(&lab, &server, "s0")?, Capture::start(&lab, &server, "s1")?];
    let mut daemon = Daemon::start(&lab, &server, &config.text())?;
    let mut addresses = Vec::new();
    for (namespace, interface) in [(&left, "s0"), (&right, "s1")] {
        let mut client = Client::start(&lab, ClientKind::Dhclient, namespace, "c0", Options::default())?;
        let address = client.wait_address(namespace)?;
        addresses.push((address, interface));
    }
    ensure!(addresses[0].0 != addresses[1].0, "{addresses:?}");
    daemon.kill();
    daemon.restart(&server)?;
    for (address, interface) in addresses {
        let binding = daemon.wait_bound(address)?;
        ensure!(binding.interface.starts_with(interface), "{binding:?}");
        let route = until("the route", || server.route(address).ok()?)?;
        ensure!(route.interface == interface && route.source == Some(SERVER.to_string()), "{route:?}");
        ensure!(route.scope == "link" && route.via.is_none(), "{route:?}");
    }
    for capture in captures {
        let ack = capture.wait("an ACK", 0, |sent| sent.message.kind() == kind::ACK)?;
        ensure!(ack.message.address_option(option::SERVER) == Some(SERVER), "{ack:?}");
        ensure!(ack.envelope.from == SERVER, "{ack:?}");
        capture.judge("udp.srcport == 67")?;
    }
    Ok(())
}

/// Sends a message from a kernel socket: its UDP checksum is left to the (virtual) hardware, so the frame on the link has
/// none that is right, and the packet socket is told so.
#[test]
fn a_checksum_left_to_the_hardware_is_no_bad_checksum() -> Result<()> {
    let Some((access, _clients)) = scene(&Config::default())? else { return Ok(()) };
    access.client.address("c0", "10.0.0.240/24")?;
    access.client.ip(&["route", "add", "255.255.255.255/32", "dev", "c0"])?;
    let payload = Message::request(kind::DISCOVER, mac(1), 0x77).encode();
    access.client.enter(move || -> Result<()> {
        let socket = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 68))?;
        socket.set_broadcast(true)?;
        socket.send_to(&payload, (Ipv4Addr::BROADCAST, 67))?;
        Ok(())
    })??;
    access.capture.wait("an OFFER", 0, |sent| sent.message.kind() == kind::OFFER && sent.message.xid == 0x77)?;
    access.capture.judge("udp.srcport == 67")
}

/// A frame whose checksum is wrong, one of another VLAN, one that is no IP: dropped, whatever they say.
#[test]
fn frames_that_are_not_for_the_server() -> Result<()> {
    let Some((access, clients)) = scene(&Config::default())? else { return Ok(()) };
    let envelope = Envelope::client_broadcast(mac(1));
    let discover = |xid| envelope.frame(&Message::request(kind::DISCOVER, mac(1), xid).encode());
    let mut bad_checksum = discover(0x51);
    // The checksum stands at 14 + 20 + 6.
    bad_checksum[40] ^= 0x55;
    let mut tagged = discover(0x52);
    tagged.splice(12..12, [0x81, 0, 0, 7]);
    let mut no_ip = discover(0x53);
    no_ip[13] = 6;
    let mut fragment = discover(0x54);
    fragment[20] = 0x20;
    for frame in [bad_checksum, tagged, no_ip, fragment] {
        clients.socket().send(&frame)?;
    }
    let lease = clients.lease(mac(2), 0x60)?;
    access.agree(lease.address, mac(2))?;
    let answered: Vec<u32> =
        access.seen()?.iter().filter(|sent| sent.message.op == 2).map(|sent| sent.message.xid).collect();
    ensure!(answered == [0x60, 0x61], "{answered:x?}");
    Ok(())
}

/// RFC 2131 §4.3.5: a host with an address of its own wants the options only; answered under `process-inform` and counted
/// otherwise.
#[test]
fn inform_is_answered_only_where_it_is_allowed() -> Result<()> {
    let allowed = Config { group: "overrides { process-inform }; interface s0".into(), ..Config::default() };
    for (config, answers) in [(Config::default(), 0), (allowed, 1)] {
        let Some((access, clients)) = scene(&config)? else { return Ok(()) };
        access.client.address("c0", "10.0.0.251/24")?;
        let own = Ipv4Addr::new(10, 0, 0, 251);
        let mut inform = Message::request(kind::INFORM, mac(1), 0x70).with(option::PARAMETERS, &[1, 3]);
        inform.ciaddr = own;
        let envelope = Envelope { from: own, ..Envelope::client_broadcast(mac(1)) };
        clients.socket().send(&envelope.frame(&inform.encode()))?;
        let lease = clients.lease(mac(2), 0x80)?;
        access.agree(lease.address, mac(2))?;
        let acks: Vec<_> = access.seen()?.into_iter().filter(|s| s.message.op == 2 && s.message.xid == 0x70).collect();
        ensure!(acks.len() == answers, "{acks:?}");
        for ack in acks {
            ensure!(ack.message.kind() == kind::ACK && ack.message.yiaddr.is_unspecified(), "{ack:?}");
            ensure!(ack.message.option(option::LEASE_TIME).is_none() && ack.message.option(3).is_some(), "{ack:?}");
        }
        ensure!(
            access.daemon.binding(own)?.is_none() && access.server.route(own)?.is_none(),
            "an INFORM binds nothing"
        );
    }
    Ok(())
}

/// A link that loses a fifth of everything, both ways: clients repeat themselves, and nobody gets two addresses.
#[test]
fn a_lossy_link() -> Result<()> {
    const CLIENTS: u32 = 8;
    let Some((mut access, clients)) = scene(&Config::default())? else { return Ok(()) };
    access.server.lose("s0", 20)?;
    access.client.lose("c0", 20)?;
    let mut addresses = BTreeSet::new();
    for number in 0..CLIENTS {
        let lease = clients.lease(mac(number), 0x1000 + number * 16)?;
        ensure!(addresses.insert(lease.address), "{} was given twice", lease.address);
    }
    access.server.lose_nothing()?;
    access.client.lose_nothing()?;
    access.database_is_kernel()?;
    access.daemon.kill();
    access.daemon.restart(&access.server)?;
    access.database_is_kernel()?;
    let bound = access.daemon.bindings()?.iter().filter(|binding| binding.is_bound()).count();
    ensure!(bound == CLIENTS as usize, "{bound} bindings for {CLIENTS} clients");
    Ok(())
}

/// RFC 6842 §3: a client that sends a client identifier gets it back, and is known by it, not by its hardware address.
#[test]
fn a_client_identifier_is_echoed_and_counts() -> Result<()> {
    let Some((access, clients)) = scene(&Config::default())? else { return Ok(()) };
    let id = [0xff, 1, 2, 3, 4, 0, 1, 9];
    let one = clients.lease_with(mac(1), 0x10, |message| message.with(option::CLIENT_ID, &id))?;
    ensure!(one.ack.message.option(option::CLIENT_ID) == Some(&id), "{:?}", one.ack);
    // The same client with another network card.
    let two = clients.lease_with(mac(2), 0x20, |message| message.with(option::CLIENT_ID, &id))?;
    ensure!(one.address == two.address, "{} and {}", one.address, two.address);
    let other = clients.lease(mac(1), 0x30)?;
    ensure!(other.address != one.address, "another client by its hardware address");
    access.agree(two.address, mac(2))?;
    access.agree(other.address, mac(1))?;
    access.database_is_kernel()
}
