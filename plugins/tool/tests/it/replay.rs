//! `test` with captures and with wrong files.

use std::net::Ipv4Addr;

use bindery_types::MacAddr;
use bindery_wire::frame::UdpDatagram;
use bindery_wire::v4::{MessageBuilder, MessageType, OptionCode};

use crate::{built, run};

const CLIENT: MacAddr = MacAddr([2, 0, 0, 0, 0, 7]);
const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const OFFERED: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);

/// An Ethernet frame with a datagram; `tagged`: behind a VLAN tag.
fn frame(payload: &[u8], ports: (u16, u16), tagged: bool) -> Vec<u8> {
    let mut frame = vec![0xff; 6];
    frame.extend(CLIENT.0);
    if tagged {
        frame.extend([0x81, 0, 0, 7]);
    }
    frame.extend([8, 0]);
    let datagram = UdpDatagram { src: SERVER, dst: Ipv4Addr::BROADCAST, src_port: ports.0, dst_port: ports.1, payload };
    let mut packet = Vec::new();
    datagram.write(64, &mut packet).unwrap();
    frame.extend(packet);
    frame
}

/// A capture in the format of libpcap: header, then a header before each frame.
fn pcap(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65535, 1] {
        bytes.extend(word.to_le_bytes());
    }
    for frame in frames {
        let length = u32::try_from(frame.len()).unwrap();
        for word in [0, 0, length, length] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(frame);
    }
    bytes
}

/// A capture in the format of pcapng: a section, an interface, a block for each frame.
fn pcapng(frames: &[Vec<u8>]) -> Vec<u8> {
    fn block(kind: u32, mut body: Vec<u8>, to: &mut Vec<u8>) {
        body.resize(body.len().next_multiple_of(4), 0);
        let length = u32::try_from(body.len() + 12).unwrap().to_le_bytes();
        to.extend(kind.to_le_bytes());
        to.extend(length);
        to.extend(body);
        to.extend(length);
    }
    let mut bytes = Vec::new();
    let section = [0x1a2b_3c4d_u32, 1, u32::MAX, u32::MAX];
    block(0x0a0d_0d0a, section.iter().flat_map(|word| word.to_le_bytes()).collect(), &mut bytes);
    block(1, [1_u32, 65535].iter().flat_map(|word| word.to_le_bytes()).collect(), &mut bytes);
    for frame in frames {
        let length = u32::try_from(frame.len()).unwrap();
        let mut body: Vec<u8> = [0, 0, 0, length, length].iter().flat_map(|word| word.to_le_bytes()).collect();
        body.extend(frame);
        block(6, body, &mut bytes);
    }
    bytes
}

/// A phone's DISCOVER with its OFFER, a stray datagram, a DISCOVER that nobody answered.
fn frames() -> Vec<Vec<u8>> {
    let discover = MessageBuilder::discover(CLIENT).xid(9).option(OptionCode(60), b"acme.phone").build();
    let offer = MessageBuilder::new(MessageType::Offer, CLIENT).xid(9).yiaddr(OFFERED).lease_time(3600).build();
    let other = MessageBuilder::discover(MacAddr([2, 0, 0, 0, 0, 8])).xid(10).build();
    vec![
        frame(&discover, (68, 67), true),
        frame(b"no DHCP", (68, 67), false),
        frame(b"elsewhere", (53, 53), false),
        frame(&offer, (67, 68), false),
        frame(&other, (68, 67), false),
    ]
}

const SETTINGS: &str = "vendor \"acme\" { suboption 1 hex=\"0a\"; }";

#[test]
fn captures_are_replayed() {
    let Some(component) = built("rust-vendor-options") else { return };
    let component = component.display().to_string();
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(dir.path().join(name), bytes).unwrap();
    write("settings.kdl", SETTINGS.as_bytes());
    write("expect.kdl", b"exchanges 2\nexchange 1 { shape-reply \"continue\"; option 43 hex=\"01010a\"; }");
    write("wrong.kdl", b"exchange 1 { option 43 hex=\"01\"; }");
    let (pcap, pcapng) = (pcap(&frames()), pcapng(&frames()));
    write("a.pcap", &pcap);
    write("a.pcapng", &pcapng);
    write("cut.pcap", &pcap[..pcap.len() - 5]);
    let test = |capture: &str, expect: &str| {
        let deadline = ["--deadline-ms", "10000"];
        let arguments = ["test", &component, "--pcap", capture, "--settings", "settings.kdl", "--expect", expect];
        run(dir.path(), &[&arguments[..], &deadline].concat())
    };
    for capture in ["a.pcap", "a.pcapng"] {
        let tested = test(capture, "expect.kdl");
        assert!(tested.good, "{capture}: {}", tested.text);
        assert!(tested.text.contains("exchange 1: DHCPDISCOVER from 02:00:00:00:00:07, DHCPOFFER of 192.0.2.10"));
        assert!(tested.text.contains("passed over: 1 datagrams"), "{}", tested.text);
        assert!(tested.text.contains("not called: the request has no reply here"), "{}", tested.text);
        let failed = test(capture, "wrong.kdl");
        assert!(!failed.good && failed.text.contains("expected 01\n        found    01010a"), "{}", failed.text);
    }
    let cut = test("cut.pcap", "wrong.kdl");
    assert!(!cut.good && cut.text.contains("ends amid a packet") && cut.text.contains("1 exchanges"), "{}", cut.text);
    let none = test("settings.kdl", "wrong.kdl");
    assert!(!none.good && none.text.contains("no pcap or pcapng file"), "{}", none.text);
}

#[test]
fn a_wrong_setting_is_named() {
    let Some(component) = built("rust-vendor-options") else { return };
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(
        dir.path().join("t.kdl"),
        "settings { vendor \"a\" { suboption 300 hex=\"\"; }; }\nexchange { request \"discover\"; }",
    )
    .unwrap();
    let tested = run(dir.path(), &["test", component.to_str().unwrap(), "--exchanges", "t.kdl"]);
    assert!(!tested.good && tested.text.contains("settings: suboption 300: suboption code \"300\""), "{}", tested.text);
}

#[test]
fn what_may_be_granted_is_there() {
    let Some(component) = built("fixture-sessions") else { return };
    let dir = tempfile::tempdir().unwrap();
    let exchanges = r#"
        exchange "of a plugin that looks up sessions" {
            request "discover" mac="02:00:00:00:00:07"
            reply "offer" address="192.0.2.10" lease=3600 session=7
            expect {
                admit "continue" class="unavailable"
                shape-reply "continue"
                option 43 string="unavailable"
            }
        }
    "#;
    std::fs::write(dir.path().join("test.kdl"), exchanges).unwrap();
    let tested = run(dir.path(), &["test", component.to_str().unwrap(), "--exchanges", "test.kdl"]);
    assert!(tested.good && tested.text.contains("log          info: a reply"), "{}", tested.text);
}
