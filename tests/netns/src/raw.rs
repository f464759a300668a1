//! Frames sent and received as they are, on an AF_PACKET socket.

use crate::Namespace;
use crate::packet::Sent;
use anyhow::{Context, Result, anyhow, bail};
use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, bind, recv, send, setsockopt, socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

/// A socket that sees every frame of one interface and sends any frame.
#[derive(Debug)]
pub struct RawSocket {
    socket: OwnedFd,
}

impl RawSocket {
    /// Opens it on `interface` of `namespace`.
    ///
    /// # Errors
    /// When there is no such interface or the kernel refuses.
    pub fn open(namespace: &Namespace, interface: &str) -> Result<Self> {
        let interface = interface.to_string();
        let socket = namespace.enter(move || open(&interface))??;
        Ok(Self { socket })
    }

    /// Sends a frame.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn send(&self, frame: &[u8]) -> Result<()> {
        loop {
            match send(self.socket.as_raw_fd(), frame, MsgFlags::empty()) {
                Ok(_) => return Ok(()),
                // The device's queue is full: a moment later it is not.
                Err(Errno::ENOBUFS | Errno::EINTR) => std::thread::yield_now(),
                Err(error) => bail!("cannot send a frame: {error}"),
            }
        }
    }

    /// The next frame, or `None` if none comes within `patience` (whole milliseconds, at least one).
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn receive(&self, patience: Duration) -> Result<Option<Vec<u8>>> {
        let millis = i64::try_from(patience.as_millis()).unwrap_or(i64::MAX).max(1);
        setsockopt(&self.socket, sockopt::ReceiveTimeout, &TimeVal::milliseconds(millis))?;
        let mut buffer = vec![0; 2048];
        match recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
            Ok(length) => {
                buffer.truncate(length);
                Ok(Some(buffer))
            }
            Err(Errno::EAGAIN | Errno::EINTR | Errno::ENETDOWN) => Ok(None),
            Err(error) => bail!("cannot receive a frame: {error}"),
        }
    }

    /// The first DHCP message that `wanted` likes, or `None` when `patience` is over.
    ///
    /// # Errors
    /// As [`RawSocket::receive`].
    pub fn wait(&self, patience: Duration, wanted: impl Fn(&Sent) -> bool) -> Result<Option<Sent>> {
        let end = Instant::now() + patience;
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            let Some(frame) = self.receive(left)? else {
                continue;
            };
            if let Some(sent) = Sent::read(&frame, 0).filter(&wanted) {
                return Ok(Some(sent));
            }
        }
        Ok(None)
    }
}

fn open(interface: &str) -> Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC;
    let socket = socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll).context("AF_PACKET")?;
    setsockopt(&socket, sockopt::RcvBufForce, &(8 << 20)).context("the receive buffer")?;
    // The system lists its links with their link-layer addresses; one of these is what bind wants.
    let link = getifaddrs()?
        .filter(|entry| entry.interface_name == interface)
        .find_map(|entry| entry.address.and_then(|address| address.as_link_addr().copied()))
        .ok_or_else(|| anyhow!("there is no interface {interface}"))?;
    bind(socket.as_raw_fd(), &link).with_context(|| format!("bind to {interface}"))?;
    Ok(socket)
}
