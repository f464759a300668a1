//! ARP and the messages of foreign servers, by real kernels.

use super::{CLIENT, PATIENCE, Pair, SERVER};
use crate::{Neighbours, Seen, Wanted};
use bindery_engine::neighbour::{Arp, Probe};
use bindery_types::{Ipv4Addr, MacAddr};
use bindery_wire::frame::write_udp;
use std::time::Instant;

const BOTH: Wanted = Wanted { arp: true, servers: true };

/// Waits until `done` says so of what is heard.
fn hear(neighbours: &mut Neighbours, mut done: impl FnMut(Seen<'_>) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    // The test ends by itself where nothing comes.
    let waker = neighbours.waker();
    let (ended, end) = std::sync::mpsc::channel::<()>();
    let guard = std::thread::spawn(move || {
        if end.recv_timeout(PATIENCE).is_err() {
            waker.wake();
        }
    });
    let mut heard = false;
    while !heard {
        assert!(Instant::now() < deadline, "what was waited for did not come");
        neighbours.wait(|seen| heard |= done(seen)).unwrap();
    }
    let _ = ended.send(());
    guard.join().unwrap();
}

/// RFC 5227 §2.1.1: a probe has no sender address, and whoever has the address answers it.
#[test]
fn a_probe_is_answered_by_who_has_the_address() {
    let Some(pair) = Pair::new("a_probe_is_answered_by_who_has_the_address") else { return };
    let (mut neighbours, prober) = pair.server.run(|| Neighbours::open(BOTH)).expect("the sockets open");
    let (link, sender_mac, client_mac) = (pair.server.index("s0"), pair.server.mac("s0"), pair.client.mac("c0"));
    let probe = |target| Probe { link, to: MacAddr::BROADCAST, sender_mac, sender_ip: Ipv4Addr::UNSPECIFIED, target };
    let mut prober = prober.expect("ARP was wanted");
    // Nobody has the first one; more than one batch goes out in order.
    let mut probes: Vec<Probe> = (100..200).map(|last| probe(Ipv4Addr::new(10, 0, 0, last))).collect();
    probes.push(probe(CLIENT));
    prober.send(&mut probes);
    assert!(probes.is_empty());
    let answer = Arp { link, sender_ip: CLIENT, sender_mac: client_mac, target_ip: Ipv4Addr::UNSPECIFIED };
    hear(&mut neighbours, |seen| match seen {
        Seen::Arp(arp) if arp.sender_ip == CLIENT => {
            assert_eq!(arp, answer);
            true
        }
        // Neighbour discovery of the kernel's own; our own probes are never heard.
        Seen::Arp(arp) => {
            assert_ne!(arp.sender_mac, sender_mac);
            false
        }
        Seen::ServerMessage { .. } => panic!("no server spoke"),
    });
    assert_eq!(prober.refused(), 0);
    // A probe enters nobody's cache.
    let cache = pair.client.sh("ip neigh show dev c0");
    assert!(!cache.contains("lladdr"), "{cache}");
}

/// A liveness request goes to the client alone and names us: the client learns nothing wrong, and answers.
#[test]
fn a_unicast_request_reaches_its_client() {
    let Some(pair) = Pair::new("a_unicast_request_reaches_its_client") else { return };
    let (mut neighbours, prober) = pair.server.run(|| Neighbours::open(BOTH)).expect("the sockets open");
    let (link, sender_mac, client_mac) = (pair.server.index("s0"), pair.server.mac("s0"), pair.client.mac("c0"));
    let probe = Probe { link, to: client_mac, sender_mac, sender_ip: SERVER, target: CLIENT };
    prober.expect("ARP was wanted").send(&mut vec![probe]);
    hear(
        &mut neighbours,
        |seen| matches!(seen, Seen::Arp(arp) if arp.sender_ip == CLIENT && arp.sender_mac == client_mac && arp.target_ip == SERVER),
    );
}

/// Of DHCP only what servers say to clients is heard: requests are not, nor is anything else.
#[test]
fn messages_of_foreign_servers_are_heard() {
    let Some(pair) = Pair::new("messages_of_foreign_servers_are_heard") else { return };
    let wanted = Wanted { servers: true, ..Wanted::default() };
    let (mut neighbours, prober) = pair.server.run(move || Neighbours::open(wanted)).expect("the sockets open");
    assert!(prober.is_none());
    let datagram = |from, to, payload: &[u8]| {
        let mut bytes = Vec::new();
        write_udp(CLIENT, Ipv4Addr::BROADCAST, from, to, 64, payload, &mut bytes).unwrap();
        (MacAddr::BROADCAST, bytes)
    };
    pair.send(vec![datagram(68, 67, b"REQUEST"), datagram(67, 69, b"TFTP"), datagram(67, 68, b"OFFER")]);
    let (link, mac) = (pair.server.index("s0"), pair.client.mac("c0"));
    hear(&mut neighbours, |seen| {
        let Seen::ServerMessage { meta, bytes } = seen else { panic!("{seen:?}") };
        assert_eq!(bytes, b"OFFER");
        assert_eq!((meta.link, meta.src, meta.src_mac), (link, CLIENT, Some(mac)));
        true
    });
}
