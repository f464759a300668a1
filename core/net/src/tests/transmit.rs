//! What the sockets send.

use super::{CLIENT, Capture, NO_LINK, Pair, SERVER};
use bindery_engine::output::{Destination, Transmit};
use bindery_types::{IfIndex, Ipv4Addr, MacAddr};
use bindery_wire::{frame::UdpDatagram, v4::MessageType};

fn frame(link: IfIndex, mac: MacAddr, dst: Ipv4Addr, payload: &[u8]) -> Transmit {
    let to = Destination::Frame { link, mac, src: SERVER, dst };
    Transmit { to, message: MessageType::Ack, payload: payload.to_vec() }
}

fn datagram(link: IfIndex, src: Ipv4Addr, dst: Ipv4Addr, port: u16, payload: &[u8]) -> Transmit {
    let to = Destination::Udp { link, src, dst, port };
    Transmit { to, message: MessageType::Nak, payload: payload.to_vec() }
}

/// Frames to clients without an address, to their MAC and to everyone, with right checksums; UDP from the address and
/// to the port that were asked for; more than one system call's worth; every buffer back.
#[test]
fn packets_arrive_as_they_were_asked_for() {
    let Some(pair) = Pair::new("packets_arrive_as_they_were_asked_for") else { return };
    pair.server.sh("ip addr add 10.0.0.9/24 dev s0");
    let mut capture = Capture::open(&pair.client);
    let mut sockets = pair.open();
    let link = pair.server.index("s0");
    let mac = pair.client.mac("c0");
    let second = Ipv4Addr::new(10, 0, 0, 9);
    let offered = Ipv4Addr::new(10, 0, 0, 77);
    let mut batch = Vec::new();
    for n in 0..100u8 {
        batch.push(match n % 4 {
            0 => frame(link, MacAddr::BROADCAST, Ipv4Addr::BROADCAST, &[n; 301]),
            1 => frame(link, mac, offered, &[n; 300]),
            2 => datagram(link, second, CLIENT, 67, &[n; 300]),
            _ => datagram(NO_LINK, Ipv4Addr::UNSPECIFIED, CLIENT, 6767, &[n; 300]),
        });
    }
    let mut returned = 0;
    sockets.transmit(&mut batch, |payload| {
        assert!(payload.len() >= 300);
        returned += 1;
    });
    assert!(batch.is_empty());
    assert_eq!(returned, 100);
    assert_eq!(sockets.counters().sent, 100);
    assert_eq!(sockets.counters().send_errors_total(), 0);

    let mut seen = std::collections::BTreeMap::new();
    capture.until(|received, bytes| {
        let pending = received.auxdata.is_some_and(|auxdata| auxdata.checksum_pending);
        let Ok(datagram) = UdpDatagram::parse(bytes, pending) else { return false };
        let n = datagram.payload[0];
        let what = (datagram.src, datagram.dst, datagram.src_port, datagram.dst_port, datagram.payload.len());
        let expected = match n % 4 {
            0 => (SERVER, Ipv4Addr::BROADCAST, 67, 68, 301),
            1 => (SERVER, offered, 67, 68, 300),
            2 => (second, CLIENT, 67, 67, 300),
            _ => (SERVER, CLIENT, 67, 6767, 300),
        };
        assert_eq!(what, expected, "{n}");
        // A frame of ours has its checksums from the start.
        assert!(n % 4 > 1 || !pending);
        seen.insert(n, ());
        seen.len() == 100
    });
}

/// What cannot be sent is counted under its message type, and what stands behind it is sent.
#[test]
fn failures_are_counted_by_message_type_and_hold_nobody_up() {
    let Some(pair) = Pair::new("failures_are_counted_by_message_type_and_hold_nobody_up") else { return };
    let mut capture = Capture::open(&pair.client);
    let mut sockets = pair.open();
    let link = pair.server.index("s0");
    let nowhere = Ipv4Addr::new(203, 0, 113, 1);
    let mut batch = vec![
        frame(IfIndex(9999), MacAddr::BROADCAST, Ipv4Addr::BROADCAST, b"no such interface"),
        datagram(NO_LINK, Ipv4Addr::UNSPECIFIED, nowhere, 67, b"no route"),
        datagram(NO_LINK, nowhere, CLIENT, 67, b"not our address"),
        frame(link, MacAddr::BROADCAST, Ipv4Addr::BROADCAST, &[0; 65_508]),
        frame(link, MacAddr::BROADCAST, Ipv4Addr::BROADCAST, b"behind a failure"),
        datagram(NO_LINK, Ipv4Addr::UNSPECIFIED, CLIENT, 67, b"behind failures"),
    ];
    sockets.transmit(&mut batch, drop);
    let counters = sockets.counters();
    assert_eq!(counters.send_errors(MessageType::Ack), 2);
    assert_eq!(counters.send_errors(MessageType::Nak), 2);
    assert_eq!(counters.sent, 2);
    let mut frames = 0;
    capture.until(|_, bytes| {
        frames += usize::from(bytes.ends_with(b"behind a failure") || bytes.ends_with(b"behind failures"));
        frames == 2
    });
}

/// A link that takes nothing holds the thread up for milliseconds, not for ever.
#[test]
fn a_link_that_is_down_does_not_block() {
    let Some(pair) = Pair::new("a_link_that_is_down_does_not_block") else { return };
    let mut sockets = pair.open();
    let link = pair.server.index("s0");
    pair.server.sh("ip link set s0 down");
    let mut batch: Vec<_> = (0..200).map(|_| frame(link, MacAddr::BROADCAST, Ipv4Addr::BROADCAST, &[7; 300])).collect();
    sockets.transmit(&mut batch, drop);
    assert_eq!(sockets.counters().send_errors(MessageType::Ack), 200);
}
