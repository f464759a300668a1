//! The UDP sockets: those of the client, and those that listen for dynamic requests.

use super::SpawnError;
use crate::client::SocketSpec;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;
use tokio::io::ReadBuf;
use tokio::net::UdpSocket;

/// Asked of the kernel for each socket; it gives what it may.
const BUFFER: usize = 1 << 20;

/// Whose socket a datagram came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// The client's, by [`crate::client::SocketId`].
    Client(u16),
    /// A listener.
    Listener(usize),
}

#[derive(Debug)]
struct Listener {
    /// As configured: port 0 stays 0.
    wanted: SocketAddr,
    /// As bound.
    local: SocketAddr,
    socket: Arc<UdpSocket>,
}

/// All sockets of the task.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    clients: Vec<UdpSocket>,
    listeners: Vec<Listener>,
    /// Where the search starts: no socket can starve the others.
    turn: usize,
}

impl Sockets {
    /// Binds what a configuration needs. Listeners of `self` that stay are kept.
    ///
    /// # Errors
    /// A socket cannot be bound.
    pub(super) fn rebind(&self, specs: &[SocketSpec], listen: &[SocketAddr]) -> Result<Self, SpawnError> {
        let clients = specs.iter().map(|spec| bind(SocketAddr::new(spec.source, 0)));
        let clients = clients.collect::<Result<_, _>>()?;
        let mut listeners: Vec<Listener> = Vec::new();
        for wanted in listen.iter().copied() {
            if listeners.iter().any(|listener| listener.wanted == wanted && wanted.port() != 0) {
                continue;
            }
            let kept = self.listeners.iter().find(|listener| listener.wanted == wanted);
            let socket = match kept {
                Some(listener) => Arc::clone(&listener.socket),
                None => Arc::new(bind(wanted)?),
            };
            let local = socket.local_addr().unwrap_or(wanted);
            listeners.push(Listener { wanted, local, socket });
        }
        Ok(Self { clients, listeners, turn: 0 })
    }

    /// Addresses of the listeners.
    pub(super) fn listening(&self) -> Vec<SocketAddr> {
        self.listeners.iter().map(|listener| listener.local).collect()
    }

    /// Address of a listener.
    pub(super) fn local(&self, at: usize) -> SocketAddr {
        self.listeners.get(at).map_or(SocketAddr::from(([0; 4], 0)), |listener| listener.local)
    }

    /// The listener of an address.
    pub(super) fn listener(&self, local: SocketAddr) -> Option<Place> {
        self.listeners.iter().position(|listener| listener.local == local).map(Place::Listener)
    }

    /// Sends without waiting.
    ///
    /// # Errors
    /// The kernel does not take the datagram now; it counts as lost.
    pub(super) fn send(&self, place: Place, bytes: &[u8], to: SocketAddr) -> io::Result<()> {
        let socket = self.socket(place).ok_or(io::ErrorKind::NotFound)?;
        // Past the runtime: it believes that a socket cannot be written to until it has waited for it once.
        SockRef::from(socket).send_to(bytes, &to.into()).map(|_| ())
    }

    fn socket(&self, place: Place) -> Option<&UdpSocket> {
        match place {
            Place::Client(at) => self.clients.get(usize::from(at)),
            Place::Listener(at) => self.listeners.get(at).map(|listener| &*listener.socket),
        }
    }

    fn place(&self, at: usize) -> Place {
        if at < self.clients.len() { Place::Client(at as u16) } else { Place::Listener(at - self.clients.len()) }
    }

    /// Waits for a datagram on any socket: where it came to, from whom, how long it is. An error of one socket is
    /// passed over: it is about a datagram that was sent before, and retransmission takes care of it.
    pub(super) async fn receive(&mut self, buffer: &mut [u8]) -> (Place, SocketAddr, usize) {
        let count = self.clients.len() + self.listeners.len();
        poll_fn(|context| {
            for offset in 0..count {
                let at = (self.turn + offset) % count;
                let place = self.place(at);
                let Some(socket) = self.socket(place) else { continue };
                // Errors that wait in the socket are as many as datagrams were sent.
                loop {
                    let mut read = ReadBuf::new(buffer);
                    match socket.poll_recv_from(context, &mut read) {
                        Poll::Ready(Ok(source)) => {
                            let length = read.filled().len();
                            self.turn = (at + 1) % count;
                            return Poll::Ready((place, source, length));
                        }
                        Poll::Ready(Err(_)) => {}
                        Poll::Pending => break,
                    }
                }
            }
            Poll::Pending
        })
        .await
    }
}

fn bind(address: SocketAddr) -> Result<UdpSocket, SpawnError> {
    let bound = || {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        // Where the kernel gives less, it drops more: that is all.
        let _ = socket.set_recv_buffer_size(BUFFER);
        socket.bind(&address.into())?;
        UdpSocket::from_std(socket.into())
    };
    bound().map_err(|error| SpawnError::Bind { address, error })
}
