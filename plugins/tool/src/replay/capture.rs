//! Exchanges out of a capture.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use anyhow::{Context, Result, bail};
use bindery_wire::frame::UdpDatagram;
use bindery_wire::v4::{Op, Packet, ParseRules};
use pcap_parser::data::{ETHERTYPE_IPV4, PacketData, get_packetdata};
use pcap_parser::{Linktype, PcapBlockOwned, PcapError, create_reader};

use super::{Case, Reply, options};

/// Ports of DHCPv4 (RFC 2131 §4.1).
const PORTS: [u16; 2] = [67, 68];
/// What is said of a capture that was cut off.
const CUT: &str = "the capture ends amid a packet; what stands before it is replayed";
/// Room for one block beside the file itself.
const ROOM: usize = 1 << 16;
/// Address that a request goes to unless it is sent to a server.
const BROADCAST: bindery_types::Ipv4Addr = bindery_types::Ipv4Addr::BROADCAST;

/// The requests of a capture, each with the first reply of its transaction that follows.
pub(super) fn cases(path: &Path) -> Result<Vec<Case>> {
    let bytes = fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let datagrams = datagrams(bytes).with_context(|| format!("{} is no pcap or pcapng file", path.display()))?;
    let mut cases: Vec<Case> = Vec::new();
    let mut unread = 0;
    for (unicast, payload) in datagrams {
        let Ok(packet) = Packet::parse(&payload, ParseRules { allow_no_end_option: true }) else {
            unread += 1;
            continue;
        };
        match packet.op() {
            Op::BootRequest => cases.push(Case {
                name: String::new(),
                request: payload,
                reply: None,
                group: String::new(),
                interface: "captured".to_owned(),
                unicast,
                expect: Vec::new(),
            }),
            Op::BootReply => answer(&mut cases, &packet),
        }
    }
    if unread > 0 {
        println!("passed over: {unread} datagrams on the ports of DHCP that are no DHCPv4 messages");
    }
    Ok(cases)
}

/// Put a reply to the oldest request of its transaction that has none.
fn answer(cases: &mut [Case], packet: &Packet<'_>) {
    let Some(message) = packet.message_type() else { return };
    let waiting = cases.iter_mut().filter(|case| case.reply.is_none());
    let mut matching = waiting.filter(|case| {
        Packet::parse(&case.request, ParseRules { allow_no_end_option: true })
            .is_ok_and(|request| request.xid() == packet.xid() && request.hw_addr() == packet.hw_addr())
    });
    if let Some(case) = matching.next() {
        case.reply = Some(Reply {
            message,
            address: packet.yiaddr(),
            lease_seconds: packet.u32_option(bindery_wire::v4::OptionCode::IP_ADDRESS_LEASE_TIME).unwrap_or_default(),
            session: 0,
            options: options(packet),
        });
    }
}

/// Payloads on the ports of DHCP, in order, and whether each went to one host only.
fn datagrams(bytes: Vec<u8>) -> Result<Vec<(bool, Vec<u8>)>> {
    let mut found = Vec::new();
    let mut links: Vec<Linktype> = Vec::new();
    let room = bytes.len() + ROOM;
    let mut reader = create_reader(room, Cursor::new(bytes)).map_err(|error| anyhow::anyhow!("{error:?}"))?;
    loop {
        let exhausted = reader.reader_exhausted();
        let used = match reader.next() {
            Ok((used, block)) => {
                match &block {
                    PcapBlockOwned::LegacyHeader(header) => links = vec![header.network],
                    PcapBlockOwned::Legacy(block) => {
                        let length = usize::try_from(block.caplen).unwrap_or(usize::MAX);
                        found.extend(datagram(links.first().copied(), block.data, length));
                    }
                    PcapBlockOwned::NG(block) => next_generation(block, &mut links, &mut found),
                }
                used
            }
            Err(PcapError::Eof) => break,
            Err(PcapError::UnexpectedEof) => {
                println!("{CUT}");
                break;
            }
            Err(PcapError::Incomplete(_)) if exhausted => {
                println!("{CUT}");
                break;
            }
            Err(PcapError::Incomplete(_)) => 0,
            Err(_) => bail!("it is damaged after {} datagrams", found.len()),
        };
        if used > 0 {
            reader.consume(used);
        } else {
            reader.refill().map_err(|error| anyhow::anyhow!("{error:?}"))?;
        }
    }
    Ok(found)
}

fn next_generation(block: &pcap_parser::Block<'_>, links: &mut Vec<Linktype>, found: &mut Vec<(bool, Vec<u8>)>) {
    use pcap_parser::Block;
    match block {
        Block::SectionHeader(_) => links.clear(),
        Block::InterfaceDescription(interface) => links.push(interface.linktype),
        Block::EnhancedPacket(packet) => {
            let link = usize::try_from(packet.if_id).ok().and_then(|index| links.get(index)).copied();
            let length = usize::try_from(packet.caplen).unwrap_or(usize::MAX);
            found.extend(datagram(link, packet.data, length));
        }
        Block::SimplePacket(packet) => {
            let length = usize::try_from(packet.origlen).unwrap_or(usize::MAX).min(packet.data.len());
            found.extend(datagram(links.first().copied(), packet.data, length));
        }
        _ => {}
    }
}

fn datagram(link: Option<Linktype>, data: &[u8], length: usize) -> Option<(bool, Vec<u8>)> {
    let packet = match get_packetdata(data, link?, length.min(data.len()))? {
        PacketData::L2(frame) => ethernet(frame)?,
        PacketData::L3(ETHERTYPE_IPV4, packet) => packet,
        _ => return None,
    };
    // A capture on the sender's side has no checksum yet.
    let datagram = UdpDatagram::parse(packet, true).ok()?;
    if !PORTS.contains(&datagram.src_port) && !PORTS.contains(&datagram.dst_port) {
        return None;
    }
    Some((datagram.dst != BROADCAST, datagram.payload.to_vec()))
}

/// The IPv4 packet in an Ethernet frame, behind any number of VLAN tags (IEEE 802.1Q, 802.1ad).
fn ethernet(frame: &[u8]) -> Option<&[u8]> {
    let mut rest = frame.get(12..)?;
    loop {
        let (kind, behind) = rest.split_first_chunk::<2>()?;
        match u16::from_be_bytes(*kind) {
            ETHERTYPE_IPV4 => return Some(behind),
            0x8100 | 0x88a8 | 0x9100 => rest = behind.get(2..)?,
            _ => return None,
        }
    }
}
