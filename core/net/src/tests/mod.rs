//! The sockets against a real kernel, in network namespaces. They are unit tests because they send and capture by
//! this crate's own system calls.

mod arp;
mod lab;
mod open;
mod receive;
mod transmit;
mod urgent;
mod vrf;

use crate::{
    Settings, Sockets,
    sys::{self, Arena, Target},
};
use bindery_engine::input::RxMeta;
use bindery_types::{IfIndex, Ipv4Addr, MacAddr};
use bindery_wire::frame::write_udp;
use lab::Namespace;
use std::{
    net::UdpSocket,
    time::{Duration, Instant},
};

pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
pub(crate) const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

/// No test waits longer than this for what must come.
const PATIENCE: Duration = Duration::from_secs(30);

/// Opens the sockets. A child of another test holds what it inherited until its exec: a port that was just given back is
/// free when that is over.
fn open_patiently() -> Result<Sockets, crate::OpenError> {
    let until = Instant::now() + PATIENCE;
    loop {
        match Sockets::open(&Settings::default()) {
            Err(crate::OpenError::PortInUse { .. }) if Instant::now() < until => std::thread::yield_now(),
            opened => return opened,
        }
    }
}

/// A server's and a client's namespace, with a cable and an address at each end.
struct Pair {
    server: Namespace,
    client: Namespace,
}

impl Pair {
    fn new(test: &str) -> Option<Self> {
        let (server, client) = (Namespace::new(test)?, Namespace::new(test)?);
        server.connect("s0", &client, "c0");
        server.sh("ip addr add 10.0.0.1/24 brd + dev s0");
        client.sh("ip addr add 10.0.0.2/24 brd + dev c0");
        Some(Self { server, client })
    }

    fn open(&self) -> Sockets {
        self.server.run(open_patiently).expect("the sockets open")
    }

    /// Sends IP packets in frames to these MAC addresses from the client's end.
    fn send(&self, frames: Vec<(MacAddr, Vec<u8>)>) {
        let link = self.client.index("c0");
        self.client.run(move || {
            let socket = sys::packet_socket().unwrap();
            let deadline = Instant::now() + PATIENCE;
            let mut rest = frames.as_slice();
            while !rest.is_empty() {
                assert!(Instant::now() < deadline, "{} frames left", rest.len());
                let packets = rest.iter().map(|(mac, bytes)| (Target::Link { link, mac: *mac }, bytes.as_slice()));
                match sys::send(&socket, packets) {
                    Ok(sent) => rest = &rest[sent..],
                    Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::ENOBUFS) => std::thread::yield_now(),
                    Err(errno) => panic!("{errno}"),
                }
            }
        });
    }

    /// Has the client's kernel send `payload` from a UDP socket.
    fn send_udp(&self, dst: Ipv4Addr, payload: &'static [u8]) {
        self.client.run(move || {
            let socket = UdpSocket::bind((CLIENT, 0)).unwrap();
            socket.set_broadcast(true).unwrap();
            socket.send_to(payload, (dst, 67)).unwrap();
        });
    }

    /// Takes all that stands before the ends that this sends to both sockets.
    fn take(&self, sockets: &mut Sockets) -> Vec<(RxMeta, Vec<u8>)> {
        self.send_udp(Ipv4Addr::BROADCAST, b"END");
        self.send_udp(SERVER, b"END");
        let mut taken = Vec::new();
        let mut ends = 0;
        receive_until(sockets, |meta, payload| {
            if payload == b"END" {
                ends += 1;
            } else {
                taken.push((meta, payload.to_vec()));
            }
            ends == 2
        });
        taken
    }
}

/// Takes packets until `done` says so of one.
fn receive_until(sockets: &mut Sockets, mut done: impl FnMut(RxMeta, &[u8]) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    let mut ended = false;
    while !ended {
        assert!(Instant::now() < deadline, "what was waited for did not come");
        let ready = sockets.poll(Some(Duration::from_millis(100))).unwrap();
        sockets.receive(ready, |meta, payload| ended |= done(meta, payload));
    }
}

/// An IPv4 packet with a UDP datagram from port 68 to port 67.
fn packet(src: Ipv4Addr, dst: Ipv4Addr, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_udp(src, dst, 68, 67, 64, payload, &mut bytes).unwrap();
    bytes
}

/// Captures IPv4 packets that the client's end receives until `done` says so of one.
struct Capture {
    socket: std::os::fd::OwnedFd,
    arena: Arena,
}

impl Capture {
    fn open(namespace: &Namespace) -> Self {
        let socket = namespace.run(|| {
            let socket = sys::packet_socket().unwrap();
            sys::set_option(&socket, libc::SOL_PACKET, libc::PACKET_AUXDATA, 1).unwrap();
            sys::set_option(&socket, libc::SOL_PACKET, libc::PACKET_IGNORE_OUTGOING, 1).unwrap();
            sys::bind_packet(&socket).unwrap();
            socket
        });
        Self { socket, arena: Arena::new() }
    }

    fn until(&mut self, mut done: impl FnMut(&sys::Received, &[u8]) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < deadline, "what was waited for did not come");
            let Ok(count) = self.arena.receive(&self.socket) else {
                std::thread::yield_now();
                continue;
            };
            for (received, bytes) in self.arena.packets(count) {
                if done(received, bytes) {
                    return;
                }
            }
        }
    }
}

const NO_LINK: IfIndex = IfIndex(0);
