//! The two ways to a server: UDP from relay addresses, and frames of clients that have no address.

use crate::batch::{BATCH, RecvBatch, SLOT, SendBatch};
use crate::frame::{CLIENT_PORT, EVERYBODY, Ends, Mac, SERVER_PORT, read_heading, write_heading};
use crate::message::{Fields, Template};
use anyhow::{Context, Result, bail};
use nix::ifaddrs::getifaddrs;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::socket::{AddressFamily, LinkAddr, SockFlag, SockProtocol, SockType, bind, setsockopt, socket, sockopt};
use nix::sys::time::TimeSpec;
use socket2::{Domain, Protocol, SockFilter, Socket, Type};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

/// Room asked for in each socket's queues, in bytes.
const QUEUE: usize = 16 << 20;

/// One socket with its two batches.
struct Port {
    fd: OwnedFd,
    out: SendBatch,
    inbound: RecvBatch,
    giaddr: u32,
}

/// What is special to clients without an address.
struct Direct {
    server: u32,
    server_mac: Option<Mac>,
}

/// A reply's bytes and, on a direct link, the hardware address that its frame went to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival<'a> {
    /// The DHCP message.
    pub message: &'a [u8],
    /// Destination of the frame; `None` on a relayed link.
    pub to_mac: Option<Mac>,
}

/// Where messages go out and replies come in.
pub struct Link {
    ports: Vec<Port>,
    direct: Option<Direct>,
}

/// Asks for large queues.
pub(crate) fn room(fd: &impl AsFd) {
    // Without CAP_NET_ADMIN the queues stay as the system has them; what they lose shows up as retransmissions.
    let _refused = setsockopt(fd, sockopt::RcvBufForce, &QUEUE);
    let _refused = setsockopt(fd, sockopt::SndBufForce, &QUEUE);
}

/// Lets through IPv4 frames without IP options whose UDP destination port is the clients' (classic BPF, offsets from
/// the start of the Ethernet header; [`read_heading`] looks again at each).
fn clients_only() -> [SockFilter; 8] {
    let (load_half, load_byte, jump_equal, give) = (0x28, 0x30, 0x15, 0x06);
    [
        SockFilter::new(load_half, 0, 0, 12),
        SockFilter::new(jump_equal, 0, 4, 0x0800),
        SockFilter::new(load_byte, 0, 0, 23),
        SockFilter::new(jump_equal, 0, 2, 17),
        SockFilter::new(load_half, 0, 0, 36),
        SockFilter::new(jump_equal, 1, 0, u32::from(CLIENT_PORT)),
        SockFilter::new(give, 0, 0, 0),
        SockFilter::new(give, 0, 0, 0xffff),
    ]
}

impl Link {
    /// A link of one or more relays, each with its own UDP socket at `giaddr:67` that is connected to the server.
    ///
    /// # Errors
    /// An address that is not of this host, a port in use, missing privileges.
    pub fn relayed(server: Ipv4Addr, giaddrs: &[Ipv4Addr]) -> Result<Link> {
        if giaddrs.is_empty() {
            bail!("a relayed run needs at least one --giaddr");
        }
        let mut ports = Vec::new();
        for giaddr in giaddrs {
            let udp = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
            udp.set_nonblocking(true)?;
            udp.bind(&SocketAddrV4::new(*giaddr, SERVER_PORT).into())
                .with_context(|| format!("bind UDP {giaddr}:{SERVER_PORT}"))?;
            udp.connect(&SocketAddrV4::new(server, SERVER_PORT).into())
                .with_context(|| format!("connect to {server}:{SERVER_PORT}"))?;
            room(&udp);
            ports.push(Port {
                fd: udp.into(),
                out: SendBatch::new(),
                inbound: RecvBatch::new(),
                giaddr: giaddr.to_bits(),
            });
        }
        Ok(Link { ports, direct: None })
    }

    /// A link of clients on the wire of `interface`: frames from each client's own hardware address, broadcast while
    /// the client has no address, and unicast to the server when it renews (that needs `server_mac`).
    ///
    /// Replies to any hardware address are taken. A veth delivers them all; another device must be promiscuous.
    ///
    /// # Errors
    /// An interface that does not exist, missing privileges.
    pub fn direct(interface: &str, server: Ipv4Addr, server_mac: Option<Mac>) -> Result<Link> {
        let at = link_address(interface)?;
        let fd = socket(
            AddressFamily::Packet,
            SockType::Raw,
            SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC,
            SockProtocol::EthIp,
        )
        .context("open a packet socket (needs CAP_NET_RAW)")?;
        let raw = Socket::from(fd);
        raw.attach_filter(&clients_only()).context("attach the packet filter")?;
        let fd = OwnedFd::from(raw);
        bind(fd.as_raw_fd(), &at).with_context(|| format!("bind to {interface}"))?;
        room(&fd);
        let port = Port { fd, out: SendBatch::new(), inbound: RecvBatch::new(), giaddr: 0 };
        Ok(Link { ports: vec![port], direct: Some(Direct { server: server.to_bits(), server_mac }) })
    }

    /// True when frames are written, not UDP payloads.
    #[must_use]
    pub fn is_direct(&self) -> bool {
        self.direct.is_some()
    }

    /// True when a client that has an address can reach the server.
    #[must_use]
    pub fn can_renew(&self) -> bool {
        self.direct.as_ref().is_none_or(|direct| direct.server_mac.is_some())
    }

    /// How many sockets there are.
    #[must_use]
    pub fn ports(&self) -> usize {
        self.ports.len()
    }

    /// The relay address of a socket, 0 on a direct link.
    #[must_use]
    pub fn giaddr(&self, port: usize) -> u32 {
        self.ports.get(port).map_or(0, |port| port.giaddr)
    }

    /// Queues one message on a socket; a full batch is sent first.
    ///
    /// # Errors
    /// As [`SendBatch::flush`].
    pub fn send(&mut self, port: usize, template: &Template, fields: &Fields) -> Result<()> {
        let Some(port) = self.ports.get_mut(port) else {
            return Ok(());
        };
        if port.out.is_full() {
            port.out.flush(port.fd.as_raw_fd()).context("send")?;
        }
        let giaddr = port.giaddr;
        let ends = self.direct.as_ref().map(|direct| direct.ends(fields));
        port.out.push(None, |slot: &mut [u8; SLOT]| {
            let len = template.write(slot, &Fields { giaddr, ..*fields });
            match &ends {
                Some(ends) => write_heading(slot, len, ends),
                None => len,
            }
        });
        Ok(())
    }

    /// Sends all that is queued.
    ///
    /// # Errors
    /// As [`SendBatch::flush`].
    pub fn flush(&mut self) -> Result<()> {
        for port in &mut self.ports {
            port.out.flush(port.fd.as_raw_fd()).context("send")?;
        }
        Ok(())
    }

    /// Takes what a socket holds, at most [`BATCH`] packets. True when there may be more.
    ///
    /// # Errors
    /// As [`RecvBatch::take`].
    pub fn take(&mut self, port: usize) -> Result<(usize, bool)> {
        let Some(port) = self.ports.get_mut(port) else {
            return Ok((0, false));
        };
        let taken = port.inbound.take(port.fd.as_raw_fd(), false).context("receive")?;
        Ok((taken, taken == BATCH))
    }

    /// The arrival at `at` of the last [`Link::take`]; `None` for a frame that is no UDP packet to a client.
    #[must_use]
    pub fn arrival(&self, port: usize, at: usize) -> Option<Arrival<'_>> {
        let bytes = self.ports.get(port)?.inbound.packet(at);
        if self.direct.is_none() {
            return Some(Arrival { message: bytes, to_mac: None });
        }
        let heading = read_heading(bytes)?;
        Some(Arrival { message: heading.payload, to_mac: Some(heading.to_mac) })
    }

    /// Sleeps until a socket holds something or `limit` has passed.
    ///
    /// # Errors
    /// Any error of ppoll(2) but an interrupted call.
    pub fn wait(&self, limit: Duration) -> Result<()> {
        let mut fds: Vec<PollFd<'_>> =
            self.ports.iter().map(|port| PollFd::new(port.fd.as_fd(), PollFlags::POLLIN)).collect();
        match ppoll(&mut fds, Some(TimeSpec::from_duration(limit)), None) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
            Err(error) => Err(error).context("wait for packets"),
        }
    }
}

impl Direct {
    fn ends(&self, fields: &Fields) -> Ends {
        match self.server_mac {
            Some(mac) if fields.ciaddr != 0 => {
                Ends { to_mac: mac, from_mac: fields.mac, from: fields.ciaddr, to: self.server }
            }
            _ => Ends { to_mac: EVERYBODY, from_mac: fields.mac, from: 0, to: u32::MAX },
        }
    }
}

/// The address of an interface for a packet socket.
pub(crate) fn link_address(interface: &str) -> Result<LinkAddr> {
    getifaddrs()
        .context("list interfaces")?
        .filter(|entry| entry.interface_name == interface)
        .find_map(|entry| entry.address?.as_link_addr().copied())
        .with_context(|| format!("no interface {interface} in this network namespace"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renewing_client_speaks_to_the_server_alone() {
        let direct = Direct { server: 0x0a00_0001, server_mac: Some([2, 0, 0, 0, 0, 9]) };
        let fields = Fields { ciaddr: 0x0a10_0001, mac: [2, 0, 0, 0, 0, 1], ..Fields::default() };
        let ends = direct.ends(&fields);
        assert_eq!((ends.to_mac, ends.from, ends.to), ([2, 0, 0, 0, 0, 9], 0x0a10_0001, 0x0a00_0001));
        let ends = direct.ends(&Fields { ciaddr: 0, ..fields });
        assert_eq!((ends.to_mac, ends.from, ends.to), (EVERYBODY, 0, u32::MAX));
    }

    #[test]
    fn a_relayed_link_needs_a_relay() {
        assert!(Link::relayed(Ipv4Addr::LOCALHOST, &[]).is_err());
    }

    #[test]
    fn style_and_link_agree_on_frames() {
        let framed = Template::new(
            crate::message::Kind::Discover,
            false,
            crate::message::Style { framed: true, ..crate::message::Style::default() },
            false,
        );
        assert!(framed.len() + crate::frame::HEADING <= SLOT);
    }
}
