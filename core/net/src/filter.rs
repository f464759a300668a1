//! The kernel filters: the rule of the crate's front page, as classic BPF programs.

use libc::sock_filter;

// Operations of classic BPF, as far as they are used here.
pub(crate) const LOAD_WORD: u16 = 0x20;
pub(crate) const LOAD_HALF: u16 = 0x28;
pub(crate) const LOAD_BYTE: u16 = 0x30;
pub(crate) const LOAD_HALF_INDEXED: u16 = 0x48;
const LOAD_X_HEADER_LEN: u16 = 0xb1;
pub(crate) const LOAD_WORD_INDEXED: u16 = 0x40;
pub(crate) const LOAD_BYTE_INDEXED: u16 = 0x50;
pub(crate) const LOAD_X: u16 = 0x01;
pub(crate) const LOAD_LEN: u16 = 0x80;
pub(crate) const SUBTRACT_X: u16 = 0x1c;
pub(crate) const IS_AT_LEAST: u16 = 0x35;
pub(crate) const JUMP_EQUAL: u16 = 0x15;
const JUMP_GREATER: u16 = 0x25;
const JUMP_ANY_BIT: u16 = 0x45;
const JUMP_ALWAYS: u16 = 0x05;
pub(crate) const RETURN: u16 = 0x06;

/// Offset of the kernel's own facts about a packet, and of its type among them (`SKF_AD_OFF`, `SKF_AD_PKTTYPE`).
const PACKET_TYPE: u32 = (-0x1000i32 + 4) as u32;
/// The EtherType, and whether the kernel took out a tag (`SKF_AD_PROTOCOL`, `SKF_AD_VLAN_TAG_PRESENT`).
const PROTOCOL: u32 = -0x1000i32 as u32;
const TAG_PRESENT: u32 = (-0x1000i32 + 48) as u32;
/// Offset at which the IP header is reached from a UDP socket's filter (`SKF_NET_OFF`).
const IP_HEADER: u32 = -0x10_0000i32 as u32;
/// The packet types up to this one are for us: host, broadcast, multicast. Above are other hosts and our own.
const PACKET_MULTICAST: u32 = 2;

const UDP: u32 = 17;
const BROADCAST: u32 = u32::MAX;

pub(crate) const fn op(code: u16, k: u32) -> sock_filter {
    sock_filter { code, jt: 0, jf: 0, k }
}

pub(crate) const fn jump(code: u16, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code, jt, jf, k }
}

/// For the packet socket (its packets start at the IP header): a whole UDP datagram to `port` that is from 0.0.0.0 or
/// to 255.255.255.255, and for this machine.
pub(crate) fn packet(port: u16) -> [sock_filter; 15] {
    [
        op(LOAD_BYTE, PACKET_TYPE),
        jump(JUMP_GREATER, PACKET_MULTICAST, 11, 0),
        op(LOAD_BYTE, 9),
        jump(JUMP_EQUAL, UDP, 0, 9),
        // More-fragments, or a fragment offset.
        op(LOAD_HALF, 6),
        jump(JUMP_ANY_BIT, 0x3fff, 7, 0),
        op(LOAD_WORD, 12),
        jump(JUMP_EQUAL, 0, 2, 0),
        op(LOAD_WORD, 16),
        jump(JUMP_EQUAL, BROADCAST, 0, 3),
        op(LOAD_X_HEADER_LEN, 0),
        op(LOAD_HALF_INDEXED, 2),
        jump(JUMP_EQUAL, port as u32, 1, 0),
        op(RETURN, 0),
        op(RETURN, u32::MAX),
    ]
}

/// For the ARP socket (its packets start at the ARP header): a request or an answer about IPv4 on Ethernet (RFC 826), for
/// this machine or for everybody.
pub(crate) fn arp() -> [sock_filter; 13] {
    [
        op(LOAD_BYTE, PACKET_TYPE),
        jump(JUMP_GREATER, PACKET_MULTICAST, 9, 0),
        op(LOAD_HALF, 0),
        jump(JUMP_EQUAL, libc::ARPHRD_ETHER as u32, 0, 7),
        op(LOAD_HALF, 2),
        jump(JUMP_EQUAL, libc::ETH_P_IP as u32, 0, 5),
        op(LOAD_HALF, 4),
        jump(JUMP_EQUAL, 0x0604, 0, 3),
        op(LOAD_HALF, 6),
        jump(JUMP_EQUAL, 1, 2, 0),
        jump(JUMP_EQUAL, 2, 1, 0),
        op(RETURN, 0),
        op(RETURN, u32::MAX),
    ]
}

/// For the socket that looks for foreign servers: a whole UDP datagram from `server` to `client`, for this machine or for
/// everybody.
pub(crate) fn server_messages(server: u16, client: u16) -> [sock_filter; 13] {
    [
        op(LOAD_BYTE, PACKET_TYPE),
        jump(JUMP_GREATER, PACKET_MULTICAST, 9, 0),
        op(LOAD_BYTE, 9),
        jump(JUMP_EQUAL, UDP, 0, 7),
        op(LOAD_HALF, 6),
        jump(JUMP_ANY_BIT, 0x3fff, 5, 0),
        op(LOAD_X_HEADER_LEN, 0),
        op(LOAD_HALF_INDEXED, 0),
        jump(JUMP_EQUAL, server as u32, 0, 2),
        op(LOAD_HALF_INDEXED, 2),
        jump(JUMP_EQUAL, client as u32, 1, 0),
        op(RETURN, 0),
        op(RETURN, u32::MAX),
    ]
}

/// For the tap of an interface (its packets start behind the tag that the kernel took out): a whole UDP datagram to `port`,
/// for this machine, that has a tag, or two of which the inner one is 802.1Q.
pub(crate) fn tagged(port: u16) -> [sock_filter; 25] {
    const INNER: u32 = 4;
    [
        op(LOAD_BYTE, TAG_PRESENT),
        jump(JUMP_EQUAL, 0, 21, 0),
        op(LOAD_BYTE, PACKET_TYPE),
        jump(JUMP_GREATER, PACKET_MULTICAST, 19, 0),
        op(LOAD_HALF, PROTOCOL),
        jump(JUMP_EQUAL, libc::ETH_P_IP as u32, 10, 0),
        jump(JUMP_EQUAL, libc::ETH_P_8021Q as u32, 0, 16),
        // Behind the inner tag.
        op(LOAD_HALF, 2),
        jump(JUMP_EQUAL, libc::ETH_P_IP as u32, 0, 14),
        op(LOAD_BYTE, INNER + 9),
        jump(JUMP_EQUAL, UDP, 0, 12),
        op(LOAD_HALF, INNER + 6),
        jump(JUMP_ANY_BIT, 0x3fff, 10, 0),
        op(LOAD_X_HEADER_LEN, INNER),
        op(LOAD_HALF_INDEXED, INNER + 2),
        op(JUMP_ALWAYS, 6),
        // Behind the only one.
        op(LOAD_BYTE, 9),
        jump(JUMP_EQUAL, UDP, 0, 5),
        op(LOAD_HALF, 6),
        jump(JUMP_ANY_BIT, 0x3fff, 3, 0),
        op(LOAD_X_HEADER_LEN, 0),
        op(LOAD_HALF_INDEXED, 2),
        jump(JUMP_EQUAL, port as u32, 1, 0),
        op(RETURN, 0),
        op(RETURN, u32::MAX),
    ]
}

/// For the UDP socket: what [`packet`] leaves.
pub(crate) fn udp() -> [sock_filter; 6] {
    [
        op(LOAD_WORD, IP_HEADER + 12),
        jump(JUMP_EQUAL, 0, 2, 0),
        op(LOAD_WORD, IP_HEADER + 16),
        jump(JUMP_EQUAL, BROADCAST, 0, 1),
        op(RETURN, 0),
        op(RETURN, u32::MAX),
    ]
}
