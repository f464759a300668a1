//! Taking packets in.

use crate::{
    BATCH, Counters, Ready, Sockets,
    sys::{Arena, Received},
};
use bindery_engine::input::RxMeta;
use bindery_wire::frame::UdpDatagram;
use nix::errno::Errno;
use std::os::fd::OwnedFd;

/// Most packets taken at once from a socket that is flooded, so that what is urgent waits for few of them.
const FLOODED: usize = 16;

impl Sockets {
    /// Takes at most [`crate::BATCH`] packets from each socket that `ready` names, what is urgent first, gives each to
    /// `take` with its source, and returns how many were given. Malformed packets are dropped and counted.
    ///
    /// Call it after [`Sockets::poll`]; what is left ends the next poll at once.
    pub fn receive(&mut self, ready: Ready, mut take: impl FnMut(RxMeta, &[u8])) -> usize {
        let Self { arena, counters, port, .. } = self;
        let mut given = 0;
        if ready.urgent_udp {
            given += take_datagrams(arena, &self.urgent_udp, BATCH, counters, &mut take).0;
        }
        if ready.urgent_packet {
            given += take_frames(arena, &self.urgent_packet, BATCH, (*port, counters), &mut take).0;
        }
        if ready.vrf {
            for device in self.vrfs.ready() {
                let Some(socket) = self.vrfs.socket(device) else { continue };
                given += take_datagrams(arena, socket, self.most, counters, &mut take).0;
            }
        }
        let mut full = false;
        if ready.udp {
            let (some, taken) = take_datagrams(arena, &self.udp, self.most, counters, &mut take);
            (given, full) = (given + some, taken == self.most);
        }
        if ready.packet {
            let (some, taken) = take_frames(arena, &self.packet, self.most, (*port, counters), &mut take);
            (given, full) = (given + some, full || taken == self.most);
        }
        self.most = if full { FLOODED } else { BATCH };
        given
    }
}

/// Takes from a packet socket; how many packets were given on, and how many came.
fn take_frames(
    arena: &mut Arena,
    socket: &OwnedFd,
    most: usize,
    (port, counters): (u16, &mut Counters),
    take: &mut impl FnMut(RxMeta, &[u8]),
) -> (usize, usize) {
    let count = count_or_zero(arena.receive_some(socket, most), counters);
    let mut given = 0;
    for (received, bytes) in arena.packets(count) {
        if let Some((meta, payload)) = read_frame(received, bytes, port, counters) {
            counters.received_packet += 1;
            given += 1;
            take(meta, payload);
        }
    }
    (given, count)
}

/// Takes from a UDP socket; the same.
fn take_datagrams(
    arena: &mut Arena,
    socket: &OwnedFd,
    most: usize,
    counters: &mut Counters,
    take: &mut impl FnMut(RxMeta, &[u8]),
) -> (usize, usize) {
    let count = count_or_zero(arena.receive_some(socket, most), counters);
    let mut given = 0;
    for (received, bytes) in arena.packets(count) {
        if let Some(meta) = read_datagram(received, counters) {
            counters.received_udp += 1;
            given += 1;
            take(meta, bytes);
        }
    }
    (given, count)
}

fn count_or_zero(result: Result<usize, Errno>, counters: &mut Counters) -> usize {
    match result {
        Ok(count) => count,
        // Another process of the machine may have taken the socket's turn; the next poll tells.
        Err(Errno::EAGAIN | Errno::EINTR) => 0,
        Err(_) => {
            counters.receive_errors += 1;
            0
        }
    }
}

/// Reads what the packet socket gave: an IPv4 packet without its Ethernet header.
fn read_frame<'a>(
    received: &Received,
    bytes: &'a [u8],
    port: u16,
    counters: &mut Counters,
) -> Option<(RxMeta, &'a [u8])> {
    let auxdata = received.auxdata.unwrap_or_default();
    if auxdata.foreign_vlan() {
        return None;
    }
    if received.truncated {
        counters.too_long += 1;
        return None;
    }
    let Some((link, src_mac)) = received.link else {
        counters.no_control_data += 1;
        return None;
    };
    let datagram = match UdpDatagram::parse(bytes, auxdata.checksum_pending) {
        Ok(datagram) => datagram,
        Err(error) => {
            counters.count_malformed(error);
            return None;
        }
    };
    if datagram.dst_port != port {
        return None;
    }
    let meta = RxMeta { link, src: datagram.src, src_port: datagram.src_port, dst: datagram.dst, src_mac };
    Some((meta, datagram.payload))
}

/// Reads what the UDP socket gave; the kernel has checked lengths and checksums.
fn read_datagram(received: &Received, counters: &mut Counters) -> Option<RxMeta> {
    if received.truncated {
        counters.too_long += 1;
        return None;
    }
    let (Some((src, src_port)), Some((link, dst))) = (received.inet, received.info) else {
        counters.no_control_data += 1;
        return None;
    };
    // The kernel's filter says the same; it may be absent for packets that were queued while it was set.
    if src.is_unspecified() || dst.is_broadcast() {
        return None;
    }
    Some(RxMeta { link, src, src_port, dst, src_mac: None })
}
