//! The sockets that listen beside DHCP: ARP, and messages of other DHCP servers to their clients.
//!
//! They are apart from [`crate::Sockets`] with buffers of their own, and a thread of the shell's waits for them: a flood
//! of ARP or of forged offers cannot push a client's request out of a queue.

use crate::{
    BATCH, CLIENT_PORT, OpenError, SERVER_PORT, Waker, filter,
    sockets::grow_buffers,
    sys::{self, Arena, Received, Target},
};
use bindery_engine::{
    input::RxMeta,
    neighbour::{Arp, Probe},
};
use bindery_types::{Ipv4Addr, MacAddr};
use bindery_wire::frame::UdpDatagram;
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};
use std::{
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
};

/// Bytes of each buffer: some thousand ARP packets, what comes back within a second from a million clients that are asked
/// within five minutes.
const BUFFER: usize = 4 << 20;

/// Bytes of an ARP packet about IPv4 on Ethernet (RFC 826).
const ARP_LEN: usize = 28;

/// What to listen to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Wanted {
    /// ARP packets; a [`Prober`] can send some.
    pub arp: bool,
    /// Messages of DHCP servers to clients.
    pub servers: bool,
}

impl Wanted {
    /// Whether there is anything to listen to.
    pub const fn any(self) -> bool {
        self.arp || self.servers
    }
}

/// What was heard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Seen<'a> {
    /// An ARP packet.
    Arp(Arp),
    /// A datagram from port 67 to port 68.
    ServerMessage {
        /// Where it came from.
        meta: RxMeta,
        /// The UDP payload.
        bytes: &'a [u8],
    },
}

/// The listening half.
pub struct Neighbours {
    arp: Option<Arc<OwnedFd>>,
    servers: Option<OwnedFd>,
    waker: Waker,
    arena: Arena,
}

/// The half that sends ARP requests.
pub struct Prober {
    arp: Arc<OwnedFd>,
    frames: Vec<[u8; ARP_LEN]>,
    /// Requests that the kernel did not take.
    refused: u64,
}

impl Neighbours {
    /// Opens what is wanted in the calling thread's network namespace, for every interface there, now and later. The
    /// second half is there where ARP is wanted.
    ///
    /// # Errors
    /// [`OpenError`]: missing privileges.
    pub fn open(wanted: Wanted) -> Result<(Self, Option<Prober>), OpenError> {
        let arp = if wanted.arp { Some(Arc::new(open(&mut filter::arp(), libc::ETH_P_ARP)?)) } else { None };
        let mut program = filter::server_messages(SERVER_PORT, CLIENT_PORT);
        let servers = if wanted.servers { Some(open(&mut program, libc::ETH_P_IP)?) } else { None };
        let waker = Waker::new().map_err(OpenError::system("making an eventfd"))?;
        let prober = arp.clone().map(|arp| Prober { arp, frames: Vec::new(), refused: 0 });
        Ok((Self { arp, servers, waker, arena: Arena::new() }, prober))
    }

    /// A handle that ends [`Neighbours::wait`] from other threads.
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Waits until something was heard or a [`Waker`] is used, and gives on what there is, at most [`BATCH`] packets of
    /// each kind. Malformed packets are passed over. Returns whether a waker was used.
    ///
    /// # Errors
    /// The poll itself failed, which only a lack of memory explains.
    pub fn wait(&mut self, mut take: impl FnMut(Seen<'_>)) -> Result<bool, Errno> {
        let Self { arp, servers, waker, arena } = self;
        let listened = [arp.as_ref().map(|fd| fd.as_fd()), servers.as_ref().map(|fd| fd.as_fd())];
        let idle = || PollFd::new(waker.as_fd(), PollFlags::empty());
        let [arp, servers] = listened.map(|fd| fd.map_or_else(idle, |fd| PollFd::new(fd, PollFlags::POLLIN)));
        let mut fds = [arp, servers, PollFd::new(waker.as_fd(), PollFlags::POLLIN)];
        let timeout = if waker.sleeps() { PollTimeout::NONE } else { PollTimeout::ZERO };
        match poll(&mut fds, timeout) {
            Ok(_) => {}
            Err(Errno::EINTR) => return Ok(waker.drain(false)),
            Err(errno) => {
                waker.drain(false);
                return Err(errno);
            }
        }
        let [arp, servers, woken] = fds.map(|fd| fd.any().unwrap_or(false));
        if let Some(fd) = listened[0].filter(|_| arp) {
            // Another process of the machine may have taken the socket's turn; the next poll tells.
            let count = arena.receive(fd).unwrap_or(0);
            let seen = arena.packets(count).filter_map(|(received, bytes)| read_arp(received, bytes));
            seen.for_each(|arp| take(Seen::Arp(arp)));
        }
        if let Some(fd) = listened[1].filter(|_| servers) {
            let count = arena.receive(fd).unwrap_or(0);
            for (received, bytes) in arena.packets(count) {
                if let Some((meta, bytes)) = read_server_message(received, bytes) {
                    take(Seen::ServerMessage { meta, bytes });
                }
            }
        }
        Ok(waker.drain(woken))
    }
}

impl Prober {
    /// Sends `probes` in order and empties it. What the kernel does not take at once is lost and counted: it is asked for
    /// again, or the absence of an answer is what a full queue looks like to anybody.
    pub fn send(&mut self, probes: &mut Vec<Probe>) {
        for chunk in probes.chunks(BATCH) {
            self.frames.clear();
            self.frames.extend(chunk.iter().map(request));
            let mut from = 0;
            while from < chunk.len() {
                let rest = chunk.iter().zip(&self.frames).skip(from);
                let packets = rest.map(|(probe, frame)| (Target::Arp { link: probe.link, mac: probe.to }, &frame[..]));
                match sys::send(&*self.arp, packets) {
                    Ok(0) => break,
                    Ok(sent) => from += sent,
                    Err(Errno::EINTR) => {}
                    Err(_) => {
                        self.refused += 1;
                        from += 1;
                    }
                }
            }
        }
        probes.clear();
    }

    /// Requests that the kernel did not take.
    pub fn refused(&self) -> u64 {
        self.refused
    }
}

/// A packet socket behind a filter.
fn open(program: &mut [libc::sock_filter], protocol: i32) -> Result<OwnedFd, OpenError> {
    let fd = sys::packet_socket().map_err(OpenError::privileged("opening a packet socket", "CAP_NET_RAW"))?;
    sys::attach_filter(&fd, program).map_err(OpenError::system("setting the filter of a packet socket"))?;
    for (name, what) in [
        (libc::PACKET_AUXDATA, "setting PACKET_AUXDATA"),
        (libc::PACKET_IGNORE_OUTGOING, "setting PACKET_IGNORE_OUTGOING (Linux 4.20 or newer)"),
    ] {
        sys::set_option(&fd, libc::SOL_PACKET, name, 1).map_err(OpenError::system(what))?;
    }
    grow_buffers(&fd, BUFFER);
    sys::bind_packet_to(&fd, protocol).map_err(OpenError::system("binding a packet socket"))?;
    Ok(fd)
}

/// An ARP request (RFC 826) for IPv4 on Ethernet.
fn request(probe: &Probe) -> [u8; ARP_LEN] {
    let mut bytes = [0; ARP_LEN];
    let (head, rest) = bytes.split_at_mut(8);
    head.copy_from_slice(&[0, 1, 8, 0, 6, 4, 0, 1]);
    let (sender, target) = rest.split_at_mut(10);
    let (mac, ip) = sender.split_at_mut(6);
    mac.copy_from_slice(&probe.sender_mac.0);
    ip.copy_from_slice(&probe.sender_ip.octets());
    target[6..].copy_from_slice(&probe.target.octets());
    bytes
}

/// Reads an ARP packet; the filter has seen to kind and lengths.
fn read_arp(received: &Received, bytes: &[u8]) -> Option<Arp> {
    if received.auxdata.unwrap_or_default().foreign_vlan() {
        return None;
    }
    let (link, _) = received.link?;
    let rest = bytes.get(8..ARP_LEN)?;
    let (sender_mac, rest) = rest.split_first_chunk::<6>()?;
    let (sender_ip, rest) = rest.split_first_chunk::<4>()?;
    let target_ip = rest.last_chunk::<4>()?;
    Some(Arp {
        link,
        sender_ip: Ipv4Addr::from(*sender_ip),
        sender_mac: MacAddr(*sender_mac),
        target_ip: Ipv4Addr::from(*target_ip),
    })
}

/// Reads a datagram of a server: an IPv4 packet without its Ethernet header.
fn read_server_message<'a>(received: &Received, bytes: &'a [u8]) -> Option<(RxMeta, &'a [u8])> {
    let auxdata = received.auxdata.unwrap_or_default();
    if auxdata.foreign_vlan() || received.truncated {
        return None;
    }
    let (link, src_mac) = received.link?;
    let datagram = UdpDatagram::parse(bytes, auxdata.checksum_pending).ok()?;
    let meta = RxMeta { link, src: datagram.src, src_port: datagram.src_port, dst: datagram.dst, src_mac };
    Some((meta, datagram.payload))
}
