//! What the sockets take, and that they take it once.

use crate::lab::Namespace;
use bindery_engine::input::RxMeta;
use bindery_net::{OpenError, Settings, Sockets};
use bindery_types::{Ipv4Addr, MacAddr};
use bindery_wire::frame::write_udp;
use std::{
    net::UdpSocket,
    time::{Duration, Instant},
};

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

/// Two namespaces, a cable, an address at each end.
pub(crate) fn pair() -> Option<(Namespace, Namespace)> {
    let (server, client) = (Namespace::new()?, Namespace::new()?);
    server.connect("s0", &client, "c0");
    server.sh("ip addr add 10.0.0.1/24 brd + dev s0");
    client.sh("ip addr add 10.0.0.2/24 brd + dev c0");
    Some((server, client))
}

pub(crate) fn open(server: &Namespace) -> Sockets {
    server.run(|| Sockets::open(&Settings::default())).expect("the sockets open")
}

/// Takes packets until one carries `END`; the others, with their sources.
fn take_until_end(sockets: &mut Sockets) -> Vec<(RxMeta, Vec<u8>)> {
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut taken = Vec::new();
    let mut ended = false;
    while !ended {
        assert!(Instant::now() < deadline, "no end in sight after {} packets", taken.len());
        let ready = sockets.poll(Some(Duration::from_millis(100))).unwrap();
        sockets.receive(ready, |meta, payload| {
            if payload == b"END" {
                ended = true;
            } else {
                taken.push((meta, payload.to_vec()));
            }
        });
    }
    taken
}

/// Sends raw IP packets to a MAC address from the client's end, then an `END` to each socket.
fn send_frames(client: &Namespace, frames: Vec<(MacAddr, Vec<u8>)>) {
    client.run(move || {
        let mut script = Vec::new();
        for (mac, bytes) in frames {
            script.push((mac, bytes));
        }
        crate::transmit::raw_send("c0", &script);
    });
}

fn end(client: &Namespace, by_packet: bool) {
    let dst = if by_packet { Ipv4Addr::BROADCAST } else { SERVER };
    client.run(move || {
        let socket = UdpSocket::bind((CLIENT, 0)).unwrap();
        socket.set_broadcast(true).unwrap();
        socket.send_to(b"END", (dst, 67)).unwrap();
    });
}

fn packet(src: Ipv4Addr, dst: Ipv4Addr, dst_port: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_udp(src, dst, 68, dst_port, 64, payload, &mut bytes).unwrap();
    bytes
}

fn server_mac(server: &Namespace) -> MacAddr {
    server.sh("cat /sys/class/net/s0/address").trim().parse().unwrap_or_else(|_| {
        let text = server.sh("ip -o link show s0");
        let (_, rest) = text.split_once("link/ether ").unwrap();
        rest[..17].parse().unwrap()
    })
}

/// Every kind of packet that a client or relay sends is taken once, whichever socket takes it.
#[test]
fn each_packet_is_taken_once() {
    let Some((server, client)) = pair() else { return };
    let mac = {
        let text = server.sh("ip -o link show s0");
        let (_, rest) = text.split_once("link/ether ").unwrap();
        rest[..17].parse::<MacAddr>().unwrap()
    };
    let any = Ipv4Addr::UNSPECIFIED;
    let everyone = Ipv4Addr::BROADCAST;
    let subnet = Ipv4Addr::new(10, 0, 0, 255);
    let cases = [
        ("a DISCOVER", MacAddr::BROADCAST, any, everyone, true),
        ("to our MAC from 0.0.0.0", mac, any, SERVER, true),
        ("broadcast frame from 0.0.0.0 to our address", MacAddr::BROADCAST, any, SERVER, true),
        ("rebinding", MacAddr::BROADCAST, CLIENT, everyone, true),
        ("to our MAC, to 255.255.255.255", mac, CLIENT, everyone, true),
        ("renewing", mac, CLIENT, SERVER, false),
        ("broadcast frame to our address", MacAddr::BROADCAST, CLIENT, SERVER, false),
        ("subnet broadcast", MacAddr::BROADCAST, CLIENT, subnet, false),
    ];
    for (what, mac, src, dst, by_packet) in cases {
        let mut sockets = open(&server);
        send_frames(&client, vec![(mac, packet(src, dst, 67, what.as_bytes()))]);
        // The other socket's end first: whatever it took of the packet stands before it.
        end(&client, !by_packet);
        let mut taken = take_until_end(&mut sockets);
        end(&client, by_packet);
        taken.extend(take_until_end(&mut sockets));
        let payloads: Vec<_> = taken.iter().map(|(_, payload)| String::from_utf8_lossy(payload)).collect();
        assert_eq!(payloads, [what]);
        let (meta, _) = taken[0];
        assert_eq!((meta.src, meta.dst, meta.src_port), (src, dst, 68), "{what}");
        assert_eq!(meta.src_mac.is_some(), by_packet, "{what}");
        let counters = *sockets.counters();
        assert_eq!((counters.received_packet, counters.received_udp), if by_packet { (2, 1) } else { (1, 2) });
    }
}
