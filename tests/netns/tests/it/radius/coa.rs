//! CoA-Requests: what is granted changes while the session lives.

use super::{OTHERS, REAL, Scene, Setup, in_gold, lease_secs, renew, station, user};
use crate::access::SERVER;
use crate::reconfigure::{QUICK, Subscriber, after};
use anyhow::{Context, Result, ensure};
use bindery_netns::client::Options;
use bindery_netns::freeradius::{SECRET, radclient};
use bindery_netns::packet::kind;
use bindery_netns::simclient::{SimClients, mac};
use bindery_netns::{Client, ClientKind, Namespace};
use std::fmt::Write;
use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

/// The lease time that a client is told when it renews now.
fn renewed_secs(clients: &SimClients, number: u32, xid: u32, address: Ipv4Addr) -> Result<u32> {
    let answer = renew(clients, mac(number), xid, address)?;
    ensure!(answer.message.kind() == kind::ACK && answer.message.yiaddr == address, "{answer:?}");
    lease_secs(&answer)
}

/// A shorter service cuts the next renewal; what cannot be obeyed is refused; who does not know the secret hears nothing.
#[test]
fn a_session_gets_another_end() -> Result<()> {
    let mut setup = Setup::new(&[OTHERS.into()]);
    setup.profile = "accounting { coa-immediate-update }".into();
    let Some(scene) = Scene::new(&[], &setup)? else { return Ok(()) };
    let clients = scene.clients()?;
    let address = clients.lease(mac(1), 0x100)?.address;
    let start = scene.record("Start", address)?;
    let name = format!("User-Name = \"{}\"", user(mac(1)));
    ensure!(renewed_secs(&clients, 1, 0x110, address)? == 600, "nothing has changed yet");

    scene.refused("coa", &[&name, "Idle-Timeout = 60"], "Unsupported-Attribute")?;
    scene.refused("coa", &[&name, "Session-Timeout = 50", "Idle-Timeout = 60"], "Unsupported-Attribute")?;
    scene.refused("coa", &["Session-Timeout = 50"], "Missing-Attribute")?;
    scene.refused("coa", &[&station(mac(2)), "Session-Timeout = 50"], "Session-Context-Not-Found")?;
    // Without `reconfigure` nobody can be moved.
    scene.refused("coa", &[&name, "Framed-Pool = \"gold\""], "Unsupported-Service")?;
    scene.refused("coa", &[&name, "Framed-IP-Address = 10.0.8.77"], "Unsupported-Service")?;
    let text = scene.radclient_as("coa", &[&name, "Session-Timeout = 50"], "wrong")?;
    ensure!(text.contains("No reply from server"), "{text}");
    ensure!(renewed_secs(&clients, 1, 0x111, address)? == 600, "what was refused was carried out");

    scene.acknowledged("coa", &[&name, "Session-Timeout = 50"])?;
    let secs = renewed_secs(&clients, 1, 0x112, address)?;
    ensure!((1..=50).contains(&secs), "{secs}");
    scene.access.agree(address, mac(1))?;
    let interim = scene.record("Interim-Update", address)?;
    ensure!(interim.value("Acct-Session-Id") == start.value("Acct-Session-Id"), "{start} {interim}");
    scene.acknowledged("coa", &[&name, "Session-Timeout = 5000"])?;
    ensure!(renewed_secs(&clients, 1, 0x113, address)? == 600, "the service goes on longer than the pool's lease");
    crate::reconfigure::judge(&scene.access.capture, "udp.srcport == 67")
}

/// A request that comes twice gets the same answer, and is carried out once.
#[test]
fn a_replayed_request_changes_nothing() -> Result<()> {
    let Some(scene) = Scene::new(&[], &Setup::new(&[OTHERS.into()]))? else { return Ok(()) };
    let clients = scene.clients()?;
    let address = clients.lease(mac(1), 0x100)?.address;
    let station = station(mac(1));
    scene.acknowledged("coa", &[&station, "Session-Timeout = 50"])?;
    let secs = renewed_secs(&clients, 1, 0x110, address)?;
    ensure!((1..=50).contains(&secs), "{secs}");
    scene.acknowledged("coa", &[&station, "Session-Timeout = 500"])?;
    let secs = renewed_secs(&clients, 1, 0x111, address)?;
    ensure!((51..=500).contains(&secs), "{secs}");
    let request = scene.wire.wait(2, "radius.code == 43")?.swap_remove(0);
    let answer = scene.wire.wait(2, "radius.code == 44")?.swap_remove(0);
    let again = resend(&scene.access.server, request)?;
    ensure!(again == answer, "{again:02x?} and {answer:02x?}");
    let secs = renewed_secs(&clients, 1, 0x112, address)?;
    ensure!((51..=500).contains(&secs), "the replay was carried out: {secs}");
    scene.judge()
}

/// Sends a packet as it is and returns the answer.
fn resend(namespace: &Namespace, packet: Vec<u8>) -> Result<Vec<u8>> {
    namespace.enter(move || {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_read_timeout(Some(Duration::from_secs(20)))?;
        socket.send_to(&packet, (Ipv4Addr::LOCALHOST, 3799))?;
        let mut answer = vec![0; 4096];
        let (length, _) = socket.recv_from(&mut answer).context("no answer to the replay")?;
        answer.truncate(length);
        Ok(answer)
    })?
}

/// More requests at once than an identifier has values: each is answered, and each session has what it was told.
#[test]
fn a_flood_is_answered() -> Result<()> {
    const FLOOD: u32 = 300;
    let Some(scene) = Scene::new(&[], &Setup::new(&[OTHERS.into()]))? else { return Ok(()) };
    let clients = scene.clients()?;
    let mut packets = String::new();
    let mut addresses = Vec::new();
    for number in 1..=FLOOD {
        addresses.push(clients.lease(mac(number), number << 8)?.address);
        writeln!(packets, "{}\nSession-Timeout = 50\n", station(mac(number)))?;
    }
    let at_once = FLOOD.to_string();
    let words = ["-t", "20", "-r", "3", "-p", &at_once];
    let text = radclient(&scene.access.lab, &scene.access.server, &words, ("coa", &packets), SECRET)?;
    let acks = text.matches("Received CoA-ACK").count();
    ensure!(acks == FLOOD as usize, "{acks} ACKs, {} NAKs", text.matches("Received CoA-NAK").count());
    for number in [1, 150, FLOOD] {
        let address = addresses[number as usize - 1];
        let secs = renewed_secs(&clients, number, number << 8 | 0x80, address)?;
        ensure!((1..=50).contains(&secs), "{secs}");
        scene.access.agree(address, mac(number))?;
    }
    scene.judge()
}

/// A real client is moved by a CoA-Request with `wish`; the address that it has at the end.
fn moved(wish: &str) -> Result<Option<Ipv4Addr>> {
    let mut setup = Setup::new(&[OTHERS.into()]);
    setup.group = format!("reconfigure {{ {QUICK} }}");
    let Some(scene) = Scene::new(ClientKind::Dhcpcd.programs(), &setup)? else { return Ok(None) };
    let access = &scene.access;
    let mut client = Client::start(&access.lab, ClientKind::Dhcpcd, &access.client, "c0", Options::default())?;
    let old = client.wait_address(&access.client)?;
    ensure!(!in_gold(old), "{old}");
    access.agree(old, REAL)?;
    let start = scene.record("Start", old)?;
    let id = format!("Acct-Session-Id = \"{}\"", start.value("Acct-Session-Id"));
    scene.refused("coa", &[&id, "Framed-Pool = \"nowhere\""], "Invalid-Attribute-Value")?;
    let ack = access.capture.wait("the ACK", 0, |sent| sent.message.kind() == kind::ACK)?;

    scene.acknowledged("coa", &[&id, wish])?;
    let force = after(&access.capture, "a FORCERENEW", &ack, |sent| sent.message.kind() == kind::FORCERENEW)?;
    ensure!(force.envelope.to == old && force.envelope.from == SERVER, "{force:?}");
    let one = Subscriber::direct(access, old)?;
    let new = one.moves(&one.renewal(&force)?)?;
    access.gone(old)?;
    access.agree(new, REAL)?;

    let (stop, next) = (scene.record("Stop", old)?, scene.record("Start", new)?);
    ensure!(stop.value("Acct-Session-Id") == start.value("Acct-Session-Id"), "{start} {stop}");
    ensure!(next.value("Acct-Session-Id") != start.value("Acct-Session-Id"), "{start} {next}");
    let multi = start.value("Acct-Multi-Session-Id");
    ensure!(!multi.is_empty(), "{start}");
    for packet in [&stop, &next] {
        ensure!(packet.value("Acct-Multi-Session-Id") == multi, "{start} {packet}");
    }
    // The names of both sessions still lead to what lives.
    scene.refused("coa", &[&id, "Session-Timeout = 50"], "Session-Context-Not-Found")?;
    scene.acknowledged("coa", &[&format!("Acct-Multi-Session-Id = \"{multi}\""), "Session-Timeout = 500"])?;
    client.stop();
    scene.judge()?;
    Ok(Some(new))
}

#[test]
fn a_client_is_moved_to_a_pool() -> Result<()> {
    let Some(address) = moved("Framed-Pool = \"gold\"")? else { return Ok(()) };
    ensure!(in_gold(address), "{address}");
    Ok(())
}

#[test]
fn a_client_is_moved_to_an_address() -> Result<()> {
    let Some(address) = moved("Framed-IP-Address = 10.0.8.77")? else { return Ok(()) };
    ensure!(address == Ipv4Addr::new(10, 0, 8, 77), "{address}");
    Ok(())
}
