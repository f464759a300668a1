//! Packets of other projects, where a folder of them is at hand: `BINDERY_VECTORS` names it.
//!
//! The packets are under their owners' licences and no part of this repository. Each must be read without a panic;
//! what its project calls an error must be refused, unless it is a server's judgement and not a codec's.

use crate::sound;
use bindery_types::Ipv4Addr;
use bindery_wire::frame::UdpDatagram;
use bindery_wire::v4::{DecodeError, Op, OptionCode, Packet, ParseRules};
use std::path::{Path, PathBuf};

/// The folder; says that the test is skipped where there is none.
fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("BINDERY_VECTORS").map(PathBuf::from).filter(|path| path.is_dir());
    if folder.is_none() {
        println!("SKIP vectors: BINDERY_VECTORS names no folder of other projects' packets");
    }
    folder
}

fn cases(file: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

fn hex(case: &serde_json::Value) -> Vec<u8> {
    let text = case["hex"].as_str().unwrap_or_default();
    let digits: Vec<u32> = text.chars().filter_map(|digit| digit.to_digit(16)).collect();
    digits.chunks_exact(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect()
}

/// Reads by both rules and asks for every option.
fn read(bytes: &[u8]) -> Result<(), DecodeError> {
    let lenient = Packet::parse(bytes, ParseRules { allow_no_end_option: true });
    let strict = Packet::parse(bytes, ParseRules::default());
    assert!(lenient.is_ok() || strict.is_err(), "the lenient rule refuses what the strict one takes");
    for packet in [&lenient, &strict].into_iter().flatten() {
        for (code, value) in packet.options() {
            assert_eq!(packet.option(code), Some(value));
        }
    }
    strict.map(|_| ())
}

/// Compares what FreeRADIUS says of a message with what we read; the number of values compared.
fn compare(packet: &Packet<'_>, expect: &str, name: &str) -> usize {
    let address = |address: Ipv4Addr| Some(address.to_string());
    let number = |value: Option<u32>| value.map(|value| value.to_string());
    let identifier = packet
        .option(OptionCode::CLIENT_IDENTIFIER)
        .map(|value| value.iter().fold(String::from("0x"), |text, byte| format!("{text}{byte:02x}")));
    let mut compared = 0;
    for (attribute, value) in expect.split(", ").filter_map(|pair| pair.split_once(" = ")) {
        let ours = match attribute {
            "Hop-Count" => number(Some(packet.hops().into())),
            "Transaction-Id" => number(Some(packet.xid().0)),
            "Number-of-Seconds" => number(Some(packet.secs().into())),
            "Client-IP-Address" => address(packet.ciaddr()),
            "Your-IP-Address" => address(packet.yiaddr()),
            "Server-IP-Address" => address(packet.siaddr()),
            "Gateway-IP-Address" => address(packet.giaddr()),
            "Client-Hardware-Address" => Some(packet.hw_addr().to_string()),
            "Message-Type" => packet.message_type().map(|kind| kind.name().to_lowercase().replacen("dhcp", "::", 1)),
            "Requested-IP-Address" => packet.address_option(OptionCode::REQUESTED_IP_ADDRESS).and_then(address),
            "Server-Identifier" => packet.address_option(OptionCode::SERVER_IDENTIFIER).and_then(address),
            "IP-Address-Lease-Time" => number(packet.u32_option(OptionCode::IP_ADDRESS_LEASE_TIME)),
            "Renewal-Time" => number(packet.u32_option(OptionCode::RENEWAL_TIME)),
            "Client-Identifier" => identifier.clone(),
            _ => continue,
        };
        let value = value.trim_matches('\'').to_lowercase();
        let value = if attribute == "Message-Type" { format!("::{}", value.trim_start_matches(':')) } else { value };
        assert_eq!(ours, Some(value), "{name}: {attribute}");
        compared += 1;
    }
    compared
}

#[test]
fn whole_packets_of_other_projects_are_read() {
    let Some(folder) = folder() else {
        return;
    };
    let (mut messages, mut refused, mut compared) = (0, 0, 0);
    for file in ["freeradius-dhcpv4.jsonl", "dhcproto-dora.jsonl", "insomniacslk.jsonl"] {
        for case in cases(&folder.join(file)) {
            let bytes = hex(&case);
            let name = format!("{file} {} {}", case["path"], case["line"]);
            let result = read(&bytes);
            if bytes.get(236..240) != Some(&[99, 130, 83, 99]) {
                assert!(result.is_err(), "{name}: no message, but taken for one");
                continue;
            }
            let faulty = case["error"] == true;
            let packet = match Packet::parse(&bytes, ParseRules { allow_no_end_option: true }) {
                Ok(packet) => packet,
                Err(error) => {
                    assert!(faulty, "{name}: {error}");
                    refused += 1;
                    continue;
                }
            };
            messages += 1;
            if faulty {
                // That program serves Ethernet and DHCP only, and stops at DHCPBULKLEASEQUERY: judgements of a server.
                let judged = match packet.message_type() {
                    None => true,
                    Some(kind) => kind as u8 > 15 || packet.hw_addr().htype != 1,
                };
                assert!(judged, "{name}: {}", case["expect"]);
            } else {
                compared += compare(&packet, case["expect"].as_str().unwrap_or_default(), &name);
            }
        }
    }
    println!("{messages} read, {refused} refused, {compared} values compared");
    assert!(messages >= 20 && refused >= 3 && compared >= 100, "{messages} {refused} {compared}");
}

/// IPv4 packets of a capture: pcap of Ethernet frames or of raw IP, in either byte order.
fn ip_packets(capture: &[u8]) -> Vec<Vec<u8>> {
    let Some((head, mut rest)) = capture.split_first_chunk::<24>() else {
        return Vec::new();
    };
    let little = matches!(head[..4], [0xd4, 0xc3, 0xb2, 0xa1] | [0x4d, 0x3c, 0xb2, 0xa1]);
    let big = matches!(head[..4], [0xa1, 0xb2, 0xc3, 0xd4] | [0xa1, 0xb2, 0x3c, 0x4d]);
    if !little && !big {
        return Vec::new();
    }
    let word = |bytes: &[u8], at: usize| {
        let bytes: [u8; 4] = bytes[at..at + 4].try_into().expect("four bytes");
        (if little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) }) as usize
    };
    let link = word(head, 20);
    let mut packets = Vec::new();
    while let Some((record, tail)) = rest.split_first_chunk::<16>() {
        let Some((frame, tail)) = tail.split_at_checked(word(record, 8)) else {
            break;
        };
        rest = tail;
        match link {
            1 if frame.get(12..14) == Some(&[8, 0]) => packets.push(frame[14..].to_vec()),
            1 if frame.get(12..14) == Some(&[0x81, 0]) && frame.get(16..18) == Some(&[8, 0]) => {
                packets.push(frame[18..].to_vec());
            }
            12 | 101 => packets.push(frame.to_vec()),
            _ => {}
        }
    }
    packets
}

#[test]
fn captured_datagrams_are_read() {
    let Some(folder) = folder() else {
        return;
    };
    let mut messages = 0;
    for entry in std::fs::read_dir(folder.join("pcap/tcpdump")).expect("a folder of captures") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        if !name.ends_with(".pcap") {
            continue;
        }
        for packet in ip_packets(&std::fs::read(&path).expect("a capture")) {
            let datagram = match UdpDatagram::parse(&packet, false) {
                Ok(datagram) => datagram,
                Err(error) => {
                    println!("{name}: {error}");
                    continue;
                }
            };
            if ![67, 68].contains(&datagram.src_port) && ![67, 68].contains(&datagram.dst_port) {
                continue;
            }
            match read(datagram.payload) {
                Ok(()) => {
                    messages += 1;
                    let message = sound(datagram.payload);
                    let from_client = message.op() == Op::BootRequest;
                    assert!(
                        datagram.dst_port == if from_client { 67 } else { 68 } || datagram.src_port == 67,
                        "{name}"
                    );
                    let kind = message.message_type().map_or("BOOTP", |kind| kind.name());
                    println!("{name}: {kind}, {} options", message.codes().len());
                    assert_eq!(message.has(OptionCode::DHCP_MESSAGE_TYPE), message.message_type().is_some());
                }
                Err(error) => println!("{name}: {error}"),
            }
        }
    }
    assert!(messages >= 5, "only {messages} messages in the captures");
}
