//! What the sockets take, and that they take it once.

use super::{CLIENT, Pair, SERVER, packet, receive_until};
use bindery_types::{Ipv4Addr, MacAddr};
use std::collections::HashSet;

const ANY: Ipv4Addr = Ipv4Addr::UNSPECIFIED;
const EVERYONE: Ipv4Addr = Ipv4Addr::BROADCAST;

/// Every kind of packet that a client or relay sends is taken once, whichever socket takes it.
#[test]
fn each_packet_is_taken_once() {
    let Some(pair) = Pair::new("each_packet_is_taken_once") else { return };
    let mac = pair.server.mac("s0");
    let client_mac = pair.client.mac("c0");
    let link = pair.server.index("s0");
    let subnet = Ipv4Addr::new(10, 0, 0, 255);
    let cases = [
        ("a DISCOVER", MacAddr::BROADCAST, ANY, EVERYONE, true),
        ("to our MAC from 0.0.0.0", mac, ANY, SERVER, true),
        ("broadcast frame from 0.0.0.0 to our address", MacAddr::BROADCAST, ANY, SERVER, true),
        ("rebinding", MacAddr::BROADCAST, CLIENT, EVERYONE, true),
        ("to our MAC, to 255.255.255.255", mac, CLIENT, EVERYONE, true),
        ("renewing", mac, CLIENT, SERVER, false),
        ("broadcast frame to our address", MacAddr::BROADCAST, CLIENT, SERVER, false),
        ("subnet broadcast", MacAddr::BROADCAST, CLIENT, subnet, false),
    ];
    for (what, mac, src, dst, by_packet) in cases {
        let mut sockets = pair.open();
        pair.send(vec![(mac, packet(src, dst, what.as_bytes()))]);
        let taken = pair.take(&mut sockets);
        let payloads: Vec<_> = taken.iter().map(|(_, payload)| String::from_utf8_lossy(payload)).collect();
        assert_eq!(payloads, [what]);
        let meta = taken[0].0;
        assert_eq!((meta.link, meta.src, meta.dst, meta.src_port), (link, src, dst, 68), "{what}");
        assert_eq!(meta.src_mac, by_packet.then_some(client_mac), "{what}");
        let counters = sockets.counters();
        let expected = if by_packet { (2, 1) } else { (1, 2) };
        assert_eq!((counters.received_packet, counters.received_udp), expected, "{what}");
    }
}

/// What is not for a DHCP server does not reach user space.
#[test]
fn what_does_not_concern_us_is_not_seen() {
    let Some(pair) = Pair::new("what_does_not_concern_us_is_not_seen") else { return };
    let mut sockets = pair.open();
    let mut fragment = packet(ANY, EVERYONE, b"a fragment");
    fragment[6] = 0x20;
    let mut later_fragment = packet(ANY, EVERYONE, b"a later fragment");
    later_fragment[7] = 1;
    let mut tcp = packet(ANY, EVERYONE, b"not UDP");
    tcp[9] = 6;
    let mut other_port = packet(ANY, EVERYONE, b"another port");
    other_port[23] = 68;
    let not_our_mac = MacAddr([2, 0, 0, 0, 0, 0x77]);
    let broadcast = [fragment, later_fragment, tcp, other_port].map(|bytes| (MacAddr::BROADCAST, bytes));
    pair.send(broadcast.into());
    pair.server.sh("ip link set s0 promisc on");
    pair.send(vec![(not_our_mac, packet(ANY, EVERYONE, b"to another host"))]);
    // Our own broadcast is not ours to serve.
    pair.server.run(|| {
        let socket = std::net::UdpSocket::bind((SERVER, 0)).unwrap();
        socket.set_broadcast(true).unwrap();
        socket.send_to(b"our own", (EVERYONE, 67)).unwrap();
    });
    assert_eq!(pair.take(&mut sockets), []);
    let counters = sockets.counters();
    assert_eq!((counters.received_packet, counters.received_udp), (1, 1));
    assert_eq!(counters.bad_ip_checksum + counters.too_short + counters.bad_udp_checksum, 0);
}

/// IP options move the UDP header; the filter follows.
#[test]
fn ip_options_are_followed() {
    let Some(pair) = Pair::new("ip_options_are_followed") else { return };
    let mut sockets = pair.open();
    let plain = packet(ANY, EVERYONE, b"with options");
    let mut bytes = plain[..20].to_vec();
    bytes[0] = 0x46;
    bytes[3] += 4;
    bytes.extend([1, 1, 1, 0]);
    bytes[10] = 0;
    bytes[11] = 0;
    let sum: u32 = bytes.chunks(2).map(|word| u32::from(u16::from_be_bytes([word[0], word[1]]))).sum();
    let sum = !(((sum & 0xffff) + (sum >> 16)) as u16);
    bytes[10..12].copy_from_slice(&sum.to_be_bytes());
    bytes.extend(&plain[20..]);
    pair.send(vec![(MacAddr::BROADCAST, bytes)]);
    let taken = pair.take(&mut sockets);
    assert_eq!(taken.len(), 1);
    assert_eq!(taken[0].1, b"with options");
}

/// Between namespaces nobody fills in the UDP checksum; the kernel says so, and the packet is good.
#[test]
fn an_offloaded_checksum_is_not_verified() {
    let Some(pair) = Pair::new("an_offloaded_checksum_is_not_verified") else { return };
    let mut sockets = pair.open();
    let mut capture = super::Capture::open(&pair.server);
    pair.send_udp(EVERYONE, b"from a socket");
    let mut pending = false;
    capture.until(|received, bytes| {
        pending = received.auxdata.is_some_and(|auxdata| auxdata.checksum_pending);
        bytes.ends_with(b"from a socket")
    });
    assert!(pending, "the kernel filled the checksum in: this test shows nothing");
    let taken = pair.take(&mut sockets);
    assert_eq!(taken.iter().map(|(_, payload)| payload.as_slice()).collect::<Vec<_>>(), [b"from a socket"]);
    assert_eq!(sockets.counters().bad_udp_checksum, 0);
}

/// Each kind of damage moves its counter by one, and none is given on.
#[test]
fn malformed_packets_are_counted_by_reason() {
    let Some(pair) = Pair::new("malformed_packets_are_counted_by_reason") else { return };
    let mut sockets = pair.open();
    let good = packet(ANY, EVERYONE, b"0123456789");
    let damaged = |damage: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        damage(&mut bytes);
        (MacAddr::BROADCAST, bytes)
    };
    // The checksum of the IP header stays right where that is not the damage: 2 bytes move by opposite amounts.
    pair.send(vec![
        damaged(&|bytes| bytes[11] ^= 1),
        damaged(&|bytes| bytes[27] ^= 1),
        damaged(&|bytes| bytes[25] = 7),
        damaged(&|bytes| bytes[25] = 200),
        damaged(&|bytes| bytes.truncate(30)),
        damaged(&|bytes| {
            bytes[3] = 24;
            bytes[5] = 14;
        }),
    ]);
    assert_eq!(pair.take(&mut sockets), []);
    let counters = sockets.counters();
    assert_eq!(counters.bad_ip_checksum, 1);
    assert_eq!(counters.bad_udp_checksum, 1);
    assert_eq!(counters.bad_udp_length, 2);
    assert_eq!(counters.bad_ip_length, 1);
    assert_eq!(counters.too_short, 1);
    assert_eq!(counters.too_long, 0);
}

/// A packet longer than a slot is counted, not cut.
#[test]
fn a_packet_longer_than_a_slot_is_counted() {
    let Some(pair) = Pair::new("a_packet_longer_than_a_slot_is_counted") else { return };
    pair.server.sh("ip link set s0 mtu 12000");
    pair.client.sh("ip link set c0 mtu 12000");
    let mut sockets = pair.open();
    pair.send(vec![(MacAddr::BROADCAST, packet(ANY, EVERYONE, &[7; 10_000]))]);
    pair.send(vec![(pair.server.mac("s0"), packet(CLIENT, SERVER, &[7; 10_000]))]);
    assert_eq!(pair.take(&mut sockets), []);
    assert_eq!(sockets.counters().too_long, 2);
}

/// 10,000 frames that come while the thread does not look are all there when it does.
#[test]
fn a_burst_is_not_lost() {
    let Some(pair) = Pair::new("a_burst_is_not_lost") else { return };
    let mut sockets = pair.open();
    const COUNT: usize = 10_000;
    let frames = (0..COUNT).map(|n| {
        let mut payload = vec![0; 300];
        payload[..8].copy_from_slice(&n.to_be_bytes());
        (MacAddr::BROADCAST, packet(ANY, EVERYONE, &payload))
    });
    pair.send(frames.collect());
    let mut seen = HashSet::new();
    receive_until(&mut sockets, |_, payload| {
        assert!(seen.insert(payload[..8].to_vec()), "twice");
        seen.len() == COUNT
    });
    let drops = sockets.kernel_drops();
    assert_eq!((drops.packet, drops.udp), (0, 0));
}

/// What the kernel must drop, it counts.
#[test]
fn an_overrun_is_told() {
    let Some(pair) = Pair::new("an_overrun_is_told") else { return };
    let settings = crate::Settings { buffer: 4096, ..crate::Settings::default() };
    let mut sockets = pair.server.run(move || crate::Sockets::open(&settings)).unwrap();
    let frames = (0..100).map(|_| (MacAddr::BROADCAST, packet(ANY, EVERYONE, &[7; 1000])));
    pair.send(frames.collect());
    let mac = pair.server.mac("s0");
    pair.send((0..100).map(|_| (mac, packet(CLIENT, SERVER, &[7; 1000]))).collect());
    let mut taken = 0;
    // The last is sent until it is taken.
    while taken == 0 || !sockets.poll(Some(std::time::Duration::ZERO)).unwrap().eq(&crate::Ready::default()) {
        let ready = sockets.poll(None).unwrap();
        taken += sockets.receive(ready, |_, _| {});
    }
    let drops = sockets.kernel_drops();
    assert!(drops.packet > 0 && drops.udp > 0, "{drops:?}");
    assert_eq!(taken as u64 + drops.packet + drops.udp, 200);
    assert_eq!(sockets.kernel_drops(), drops);
}
