//! Taps: DHCP requests with VLAN tags, as they come in on the interface under the VLAN devices.
//!
//! A frame of a VLAN without a device reaches no other socket with its tags. A tap sees those of VLANs with a device too;
//! its owner tells them apart.

use crate::{
    OpenError, SERVER_PORT, VlanTag, Waker, filter,
    sys::{self, Arena, Received},
};
use bindery_engine::input::RxMeta;
use bindery_types::IfIndex;
use bindery_wire::frame::UdpDatagram;
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};
use std::{
    os::fd::{AsFd, OwnedFd},
    time::Duration,
};

/// A request with tags.
#[derive(Clone, Copy, Debug)]
pub struct Tagged<'a> {
    /// The outer tag.
    pub outer: VlanTag,
    /// The inner one, of 802.1Q.
    pub inner: Option<VlanTag>,
    /// Where it came from; the interface is the one under the VLAN devices.
    pub meta: RxMeta,
    /// The UDP payload.
    pub payload: &'a [u8],
}

/// Sockets that listen to interfaces, one each, and their waker.
pub struct Taps {
    taps: Vec<(IfIndex, OwnedFd)>,
    waker: Waker,
    arena: Arena,
}

impl Taps {
    /// None yet.
    ///
    /// # Errors
    /// The kernel has no eventfd left.
    pub fn new() -> Result<Self, OpenError> {
        let waker = Waker::new().map_err(OpenError::system("making an eventfd"))?;
        Ok(Self { taps: Vec::new(), waker, arena: Arena::new() })
    }

    /// A handle that ends [`Taps::wait`] from other threads.
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Listens to these interfaces of the calling thread's network namespace and to no other; those listened to already
    /// lose nothing.
    ///
    /// # Errors
    /// The first that cannot be listened to, and why; the others are.
    pub fn listen(&mut self, links: &[IfIndex]) -> Result<(), (IfIndex, OpenError)> {
        self.taps.retain(|(link, _)| links.contains(link));
        let mut result = Ok(());
        for link in links {
            if self.taps.iter().any(|(open, _)| open == link) {
                continue;
            }
            match open(*link) {
                Ok(fd) => self.taps.push((*link, fd)),
                Err(error) => result = result.and(Err((*link, error))),
            }
        }
        result
    }

    /// Waits until something was heard, a [`Waker`] is used or the time is over, and gives on what there is. Malformed
    /// packets are passed over. Returns whether a waker was used.
    ///
    /// # Errors
    /// The poll itself failed, which only a lack of memory explains.
    pub fn wait(&mut self, timeout: Duration, mut take: impl FnMut(Tagged<'_>)) -> Result<bool, Errno> {
        let mut fds = vec![PollFd::new(self.waker.as_fd(), PollFlags::POLLIN)];
        fds.extend(self.taps.iter().map(|(_, fd)| PollFd::new(fd.as_fd(), PollFlags::POLLIN)));
        let timeout = PollTimeout::try_from(timeout.as_nanos().div_ceil(1_000_000)).unwrap_or(PollTimeout::MAX);
        let timeout = if self.waker.sleeps() { timeout } else { PollTimeout::ZERO };
        match poll(&mut fds, timeout) {
            Ok(_) => {}
            Err(Errno::EINTR) => return Ok(self.waker.drain(false)),
            Err(errno) => {
                self.waker.drain(false);
                return Err(errno);
            }
        }
        // The tap of an interface that went away has an error until its owner has been told.
        let ready: Vec<bool> = fds.iter().map(|fd| fd.any().unwrap_or(false)).collect();
        for ((_, fd), _) in self.taps.iter().zip(ready.iter().skip(1)).filter(|(_, ready)| **ready) {
            // Nothing there, or an interface that is down: the next poll tells.
            let count = self.arena.receive(fd).unwrap_or(0);
            self.arena.packets(count).filter_map(|(received, bytes)| read(received, bytes)).for_each(&mut take);
        }
        let woken = ready.first().copied().unwrap_or(false);
        Ok(self.waker.drain(woken))
    }
}

fn open(link: IfIndex) -> Result<OwnedFd, OpenError> {
    let fd = sys::packet_socket().map_err(OpenError::privileged("opening a packet socket", "CAP_NET_RAW"))?;
    // Until it is bound the socket receives nothing, so nothing unfiltered can be queued.
    sys::attach_filter(&fd, &mut filter::tagged(SERVER_PORT))
        .map_err(OpenError::system("setting the filter of tagged frames"))?;
    for name in [libc::PACKET_AUXDATA, libc::PACKET_IGNORE_OUTGOING] {
        sys::set_option(&fd, libc::SOL_PACKET, name, 1).map_err(OpenError::system("setting up a tap"))?;
    }
    sys::bind_packet_on(&fd, link, libc::ETH_P_ALL).map_err(OpenError::system("binding a tap"))?;
    Ok(fd)
}

fn read<'a>(received: &Received, bytes: &'a [u8]) -> Option<Tagged<'a>> {
    let auxdata = received.auxdata?;
    let (link, src_mac) = received.link?;
    if received.truncated {
        return None;
    }
    let (inner, datagram) = match behind_inner_tag(bytes, auxdata.checksum_pending) {
        Some((tag, datagram)) => (Some(tag), datagram),
        None => (None, UdpDatagram::parse(bytes, auxdata.checksum_pending).ok()?),
    };
    let meta = RxMeta { link, src: datagram.src, src_port: datagram.src_port, dst: datagram.dst, src_mac };
    Some(Tagged { outer: auxdata.tag?, inner, meta, payload: datagram.payload })
}

/// The inner tag and what is behind it, if there is one. The EtherType that the kernel tells is the innermost one since
/// Linux 6.10, and in older series that took it over; so the bytes say it, by the checksum of the IP header.
fn behind_inner_tag(bytes: &[u8], checksum_pending: bool) -> Option<(VlanTag, UdpDatagram<'_>)> {
    let ([high, low, kind @ ..], packet) = bytes.split_first_chunk::<4>()?;
    let is_ip = u16::from_be_bytes(*kind) == libc::ETH_P_IP as u16;
    let datagram = is_ip.then(|| UdpDatagram::parse(packet, checksum_pending).ok()).flatten()?;
    Some((VlanTag { tpid: libc::ETH_P_8021Q as u16, tci: u16::from_be_bytes([*high, *low]) }, datagram))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bindery_types::Ipv4Addr;

    #[test]
    fn an_inner_tag_is_told_from_an_ip_header() {
        let mut packet = Vec::new();
        let (src, dst) = (Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST);
        // 2,048 bytes long: where an inner tag has its EtherType this has 0x0800.
        bindery_wire::frame::write_udp(src, dst, 68, 67, 64, &[0x45; 2020], &mut packet).unwrap();
        assert!(behind_inner_tag(&packet, false).is_none());
        for tci in [7, 0x4500 | 7, 0xe000 | 4094] {
            let [high, low] = u16::to_be_bytes(tci);
            let bytes = [&[high, low, 8, 0], packet.as_slice()].concat();
            let (tag, datagram) = behind_inner_tag(&bytes, false).unwrap();
            assert_eq!((tag.tci, tag.tpid, datagram.dst_port), (tci, 0x8100, 67));
        }
        assert!(behind_inner_tag(&packet[..3], false).is_none());
    }
}
