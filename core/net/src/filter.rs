//! The kernel filters: the rule of the crate's front page, as classic BPF programs.

use libc::sock_filter;

// Operations of classic BPF, as far as they are used here.
const LOAD_WORD: u16 = 0x20;
const LOAD_HALF: u16 = 0x28;
const LOAD_BYTE: u16 = 0x30;
const LOAD_HALF_INDEXED: u16 = 0x48;
const LOAD_X_HEADER_LEN: u16 = 0xb1;
const JUMP_EQUAL: u16 = 0x15;
const JUMP_GREATER: u16 = 0x25;
const JUMP_ANY_BIT: u16 = 0x45;
const RETURN: u16 = 0x06;

/// Offset of the kernel's own facts about a packet, and of its type among them (`SKF_AD_OFF`, `SKF_AD_PKTTYPE`).
const PACKET_TYPE: u32 = (-0x1000i32 + 4) as u32;
/// Offset at which the IP header is reached from a UDP socket's filter (`SKF_NET_OFF`).
const IP_HEADER: u32 = -0x10_0000i32 as u32;
/// The packet types up to this one are for us: host, broadcast, multicast. Above are other hosts and our own.
const PACKET_MULTICAST: u32 = 2;

const UDP: u32 = 17;
const BROADCAST: u32 = u32::MAX;

const fn op(code: u16, k: u32) -> sock_filter {
    sock_filter { code, jt: 0, jf: 0, k }
}

const fn jump(code: u16, k: u32, jt: u8, jf: u8) -> sock_filter {
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
