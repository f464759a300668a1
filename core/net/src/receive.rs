//! Taking packets in.

use crate::{Counters, Ready, Sockets, sys::Received};
use bindery_engine::input::RxMeta;
use bindery_wire::frame::UdpDatagram;
use nix::errno::Errno;

impl Sockets {
    /// Takes at most [`crate::BATCH`] packets from each socket that `ready` names, gives each to `take` with its
    /// source, and returns how many were given. Malformed packets are dropped and counted.
    ///
    /// Call it after [`Sockets::poll`]; what is left ends the next poll at once.
    pub fn receive(&mut self, ready: Ready, mut take: impl FnMut(RxMeta, &[u8])) -> usize {
        let mut given = 0;
        if ready.packet {
            let count = count_or_zero(self.arena.receive(&self.packet), &mut self.counters);
            for (received, bytes) in self.arena.packets(count) {
                if let Some((meta, payload)) = read_frame(received, bytes, self.port, &mut self.counters) {
                    self.counters.received_packet += 1;
                    given += 1;
                    take(meta, payload);
                }
            }
        }
        if ready.udp {
            let count = count_or_zero(self.arena.receive(&self.udp), &mut self.counters);
            for (received, bytes) in self.arena.packets(count) {
                if let Some(meta) = read_datagram(received, &mut self.counters) {
                    self.counters.received_udp += 1;
                    given += 1;
                    take(meta, bytes);
                }
            }
        }
        given
    }
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
