//! Opening the sockets and waiting for them.

use crate::{
    BATCH, Counters, KernelDrops, OpenError, SERVER_PORT, Waker, counters, filter, privileges,
    sys::{self, Arena},
    urgent,
    vrf::Vrfs,
};
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::socket::{
        AddressFamily, SockFlag, SockType, SockaddrIn, bind, setsockopt, socket,
        sockopt::{Broadcast, Ipv4PacketInfo, RcvBuf, RcvBufForce, SndBuf, SndBufForce},
    },
};
use std::{
    fs::File,
    io::{Read, Seek},
    os::fd::{AsFd, AsRawFd, OwnedFd},
    time::Duration,
};

/// How to open the sockets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    /// UDP port to serve; [`SERVER_PORT`] but in tests.
    pub port: u16,
    /// Bytes of each socket's receive and send buffer. 8 MiB hold about 10,000 requests, which is what arrives while
    /// the packet thread is held up for 30 ms at full rate.
    pub buffer: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { port: SERVER_PORT, buffer: 8 << 20 }
    }
}

/// What [`Sockets::poll`] saw.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Ready {
    /// The packet socket has something.
    pub packet: bool,
    /// The UDP socket has something.
    pub udp: bool,
    /// The packet socket of what is urgent has something.
    pub urgent_packet: bool,
    /// The UDP socket of what is urgent has something.
    pub urgent_udp: bool,
    /// A UDP socket of a VRF has something.
    pub vrf: bool,
    /// A [`Waker`] was used.
    pub woken: bool,
}

/// The packet thread's sockets.
pub struct Sockets {
    pub(crate) packet: OwnedFd,
    pub(crate) udp: OwnedFd,
    /// The same for what is urgent (`urgent.rs`).
    pub(crate) urgent_packet: OwnedFd,
    pub(crate) urgent_udp: OwnedFd,
    /// Those of VRFs.
    pub(crate) vrfs: Vrfs,
    /// Most packets taken from each of the first two at once: fewer while they are flooded.
    pub(crate) most: usize,
    waker: Waker,
    pub(crate) port: u16,
    pub(crate) arena: Arena,
    /// Frames to send are built here.
    pub(crate) frames: Vec<Vec<u8>>,
    pub(crate) counters: Counters,
    packet_drops: u64,
    /// /proc/net/snmp of the namespace in which the sockets were opened, and what it said then.
    udp_statistics: Option<File>,
    udp_drops_before: u64,
}

impl Sockets {
    /// Opens both sockets in the calling thread's network namespace, for every interface there, now and later.
    ///
    /// # Errors
    /// [`OpenError`]: missing privileges, or the port is taken (SO_REUSEADDR is not set, because two servers on one
    /// port would share the packets at random).
    pub fn open(settings: &Settings) -> Result<Self, OpenError> {
        let (udp, urgent_udp) = open_udp(settings)?;
        let [packet, urgent_packet] = [open_packet(settings, false)?, open_packet(settings, true)?];
        let waker = Waker::new().map_err(OpenError::system("making an eventfd"))?;
        let mut udp_statistics = File::open("/proc/thread-self/net/snmp").ok();
        let udp_drops_before = udp_statistics.as_mut().and_then(read_udp_drops).unwrap_or(0);
        Ok(Self {
            packet,
            udp,
            urgent_packet,
            urgent_udp,
            vrfs: Vrfs::new(settings).map_err(OpenError::system("making an epoll"))?,
            most: BATCH,
            waker,
            port: settings.port,
            arena: Arena::new(),
            frames: Vec::new(),
            counters: Counters::default(),
            packet_drops: 0,
            udp_statistics,
            udp_drops_before,
        })
    }

    /// A handle that ends [`Sockets::poll`] from other threads.
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Waits until a socket has something, a [`Waker`] is used, a signal comes, or `timeout` is over (`None`: for
    /// ever). Rounded up to whole milliseconds.
    ///
    /// # Errors
    /// The poll itself failed, which only a lack of memory explains.
    pub fn poll(&mut self, timeout: Option<Duration>) -> Result<Ready, Errno> {
        let timeout = match timeout {
            None => PollTimeout::NONE,
            Some(timeout) => {
                let millis = timeout.as_nanos().div_ceil(1_000_000);
                PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX)
            }
        };
        let mut fds = [
            PollFd::new(self.packet.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.udp.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.urgent_packet.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.urgent_udp.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.vrfs.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.waker.as_fd(), PollFlags::POLLIN),
        ];
        let timeout = if self.waker.sleeps() { timeout } else { PollTimeout::ZERO };
        match poll(&mut fds, timeout) {
            Ok(_) => {}
            Err(Errno::EINTR) => return Ok(Ready { woken: self.waker.drain(false), ..Ready::default() }),
            Err(errno) => {
                self.waker.drain(false);
                return Err(errno);
            }
        }
        let [packet, udp, urgent_packet, urgent_udp, vrf, woken] = fds.map(|fd| fd.any().unwrap_or(false));
        let woken = self.waker.drain(woken);
        Ok(Ready { packet, udp, urgent_packet, urgent_udp, vrf, woken })
    }

    /// What was counted since the sockets were opened.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What the kernel dropped because a receive buffer was full. A few system calls: not for every packet.
    pub fn kernel_drops(&mut self) -> KernelDrops {
        // The kernel restarts the packet socket's count at each reading.
        for socket in [&self.packet, &self.urgent_packet] {
            self.packet_drops += u64::from(sys::packet_drops(socket).unwrap_or(0));
        }
        let udp = self.udp_statistics.as_mut().and_then(read_udp_drops).unwrap_or(0);
        KernelDrops { packet: self.packet_drops, udp: udp.saturating_sub(self.udp_drops_before) }
    }
}

fn read_udp_drops(statistics: &mut File) -> Option<u64> {
    let mut text = String::new();
    statistics.rewind().ok()?;
    statistics.read_to_string(&mut text).ok()?;
    counters::udp_drops(&text)
}

/// The UDP socket, and the one for what is urgent.
fn open_udp(settings: &Settings) -> Result<(OwnedFd, OwnedFd), OpenError> {
    let first = unbound_udp(settings, false)?;
    bind_udp(&first, settings.port)?;
    urgent::share_port(&first).map_err(OpenError::system("sharing the UDP port"))?;
    let second = unbound_udp(settings, true)?;
    urgent::share_port(&second).map_err(OpenError::system("sharing the UDP port"))?;
    bind_udp(&second, settings.port)?;
    urgent::sort_port(&first).map_err(OpenError::system("sorting the UDP port"))?;
    Ok((first, second))
}

pub(crate) fn unbound_udp(settings: &Settings, urgent: bool) -> Result<OwnedFd, OpenError> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let fd = socket(AddressFamily::Inet, SockType::Datagram, flags, None)
        .map_err(OpenError::system("opening a UDP socket"))?;
    setsockopt(&fd, Ipv4PacketInfo, &true).map_err(OpenError::system("setting IP_PKTINFO"))?;
    setsockopt(&fd, Broadcast, &true).map_err(OpenError::system("setting SO_BROADCAST"))?;
    // Before the bind, so that nothing unfiltered can be queued.
    sys::attach_filter(&fd, &mut urgent::datagram(&filter::udp(), urgent))
        .map_err(OpenError::system("setting the UDP filter"))?;
    grow_buffers(&fd, settings.buffer);
    Ok(fd)
}

pub(crate) fn bind_udp(fd: &OwnedFd, port: u16) -> Result<(), OpenError> {
    bind(fd.as_raw_fd(), &SockaddrIn::new(0, 0, 0, 0, port)).map_err(|errno| match errno {
        Errno::EADDRINUSE => OpenError::PortInUse { port, owner: privileges::port_owner(port) },
        errno => OpenError::privileged("serving a UDP port under 1024", "CAP_NET_BIND_SERVICE")(errno),
    })
}

fn open_packet(settings: &Settings, urgent: bool) -> Result<OwnedFd, OpenError> {
    let fd = sys::packet_socket().map_err(OpenError::privileged("opening a packet socket", "CAP_NET_RAW"))?;
    // Until it is bound the socket receives nothing, so nothing unfiltered can be queued.
    sys::attach_filter(&fd, &mut urgent::packet(&filter::packet(settings.port), urgent))
        .map_err(OpenError::system("setting the packet filter"))?;
    for (name, what) in [
        (libc::PACKET_AUXDATA, "setting PACKET_AUXDATA"),
        (libc::PACKET_IGNORE_OUTGOING, "setting PACKET_IGNORE_OUTGOING (Linux 4.20 or newer)"),
    ] {
        sys::set_option(&fd, libc::SOL_PACKET, name, 1).map_err(OpenError::system(what))?;
    }
    grow_buffers(&fd, settings.buffer);
    sys::bind_packet(&fd).map_err(OpenError::system("binding the packet socket"))?;
    Ok(fd)
}

/// A full buffer drops packets, which is a matter of degree: so what can be had is taken, and nothing fails.
pub(crate) fn grow_buffers(fd: &OwnedFd, bytes: usize) {
    if setsockopt(fd, RcvBufForce, &bytes).is_err() {
        let _ = setsockopt(fd, RcvBuf, &bytes);
    }
    if setsockopt(fd, SndBufForce, &bytes).is_err() {
        let _ = setsockopt(fd, SndBuf, &bytes);
    }
}
