//! What is urgent has queues of its own.

use super::{CLIENT, Pair, SERVER, packet, receive_until};
use bindery_types::{Ipv4Addr, MacAddr};
use bindery_wire::v4::MessageBuilder;
use std::net::UdpSocket;

const ANY: Ipv4Addr = Ipv4Addr::UNSPECIFIED;
const EVERYONE: Ipv4Addr = Ipv4Addr::BROADCAST;
const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 5]);

/// Behind a flood that fills the buffers of both kinds a REQUEST, a DECLINE and a RELEASE are taken, first of all.
#[test]
fn what_is_urgent_is_taken_first_whatever_stands_before_it() {
    let Some(pair) = Pair::new("what_is_urgent_is_taken_first_whatever_stands_before_it") else { return };
    let mut sockets = pair.open();
    let server = pair.server.mac("s0");
    let discover = MessageBuilder::discover(MAC).build();
    let kinds: [(MacAddr, Ipv4Addr, Ipv4Addr); 2] = [(MacAddr::BROADCAST, ANY, EVERYONE), (server, CLIENT, SERVER)];
    let mut frames = Vec::new();
    for (mac, src, dst) in kinds {
        for garbage in [&b"garbage"[..], &[0x63; 300], &discover[..]] {
            frames.extend((0..9_000).map(|_| (mac, packet(src, dst, garbage))));
        }
    }
    let urgent = [
        MessageBuilder::request_renewing(MAC, CLIENT).build(),
        MessageBuilder::decline(MAC, CLIENT, SERVER).build(),
        MessageBuilder::release(MAC, CLIENT, SERVER).build(),
    ];
    for (mac, src, dst) in kinds {
        frames.extend(urgent.iter().map(|message| (mac, packet(src, dst, message))));
    }
    pair.send(frames);
    let mut taken = Vec::new();
    receive_until(&mut sockets, |_, payload| {
        taken.push(payload.to_vec());
        taken.len() >= 6
    });
    assert_eq!(taken[..3], urgent, "by UDP");
    assert_eq!(taken[3..6], urgent, "by the packet socket");
    let drops = sockets.kernel_drops();
    assert!(drops.packet > 0 && drops.udp > 0, "the flood filled no buffer: this test shows nothing; {drops:?}");
}

/// A message that has option 53 not in front, or none at all, is taken like any other.
#[test]
fn what_is_not_urgent_is_taken_once() {
    let Some(pair) = Pair::new("what_is_not_urgent_is_taken_once") else { return };
    let mut sockets = pair.open();
    let server = pair.server.mac("s0");
    let mut late = MessageBuilder::request_renewing(MAC, CLIENT).build();
    // Padding in front of option 53.
    late.splice(240..240, [0, 0, 0]);
    let cases = [late, MessageBuilder::discover(MAC).build(), b"short".to_vec(), vec![0x63; 242], vec![0x35; 243]];
    for payload in cases {
        pair.send(vec![
            (MacAddr::BROADCAST, packet(ANY, EVERYONE, &payload)),
            (server, packet(CLIENT, SERVER, &payload)),
        ]);
        let taken: Vec<_> = pair.take(&mut sockets).into_iter().map(|(_, payload)| payload).collect();
        assert_eq!(taken, [payload.clone(), payload]);
    }
}

/// Two servers do not share the port by accident, though the two sockets of one do.
#[test]
fn the_port_stays_ours() {
    let Some(pair) = Pair::new("the_port_stays_ours") else { return };
    let _sockets = pair.open();
    let refused = pair.server.run(|| {
        let other = UdpSocket::bind(("0.0.0.0", 67)).map(drop);
        let second = crate::Sockets::open(&crate::Settings::default()).map(drop);
        (other.is_err(), matches!(second, Err(crate::OpenError::PortInUse { .. })))
    });
    assert_eq!(refused, (true, true));
}
