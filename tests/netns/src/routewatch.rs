//! The kernel's own announcements of routes.
//!
//! The kernel puts an announcement into the listener's queue while it sets the route, before the call that set it returns.
//! So whoever sees a packet that was sent afterwards finds the announcement waiting: no clock is compared.

use crate::Namespace;
use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, setsockopt, socket, sockopt,
};
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};

/// `RTMGRP_IPV4_ROUTE` of rtnetlink(7).
const ROUTES: u32 = 0x40;
/// `RTM_NEWROUTE`.
const NEW_ROUTE: u16 = 24;
/// `RTA_DST`.
const DESTINATION: u16 = 1;
/// Lengths of `struct nlmsghdr` and `struct rtmsg`.
const HEADER: usize = 16;
const ROUTE: usize = 12;

/// A listener for new routes.
#[derive(Debug)]
pub struct RouteWatch {
    socket: OwnedFd,
}

impl RouteWatch {
    /// Starts to listen.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn open(namespace: &Namespace) -> Result<Self> {
        let socket = namespace.enter(|| -> Result<OwnedFd> {
            let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
            let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute)?;
            setsockopt(&socket, sockopt::RcvBufForce, &(16 << 20)).context("the receive buffer")?;
            bind(socket.as_raw_fd(), &NetlinkAddr::new(0, ROUTES)).context("the route announcements")?;
            Ok(socket)
        })??;
        Ok(Self { socket })
    }

    /// The destinations of the host routes that were set since the last call, without waiting.
    ///
    /// # Errors
    /// When the kernel had to drop announcements.
    pub fn new_routes(&self) -> Result<Vec<Ipv4Addr>> {
        let mut found = Vec::new();
        let mut buffer = vec![0; 1 << 16];
        loop {
            match recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                Ok(length) => found.extend(destinations(buffer.get(..length).unwrap_or_default())),
                Err(Errno::EAGAIN) => return Ok(found),
                Err(error) => bail!("route announcements: {error}"),
            }
        }
    }
}

/// Reads netlink messages.
fn destinations(mut bytes: &[u8]) -> Vec<Ipv4Addr> {
    let mut found = Vec::new();
    while let Some(length) = bytes.get(..4).and_then(|word| word.try_into().ok()).map(u32::from_ne_bytes) {
        let length = (length as usize).max(HEADER);
        let Some(message) = bytes.get(..length) else { break };
        if message.get(4..6) == Some(&NEW_ROUTE.to_ne_bytes()) {
            found.extend(destination(message));
        }
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    found
}

fn destination(message: &[u8]) -> Option<Ipv4Addr> {
    // The second byte of rtmsg is the destination's length.
    if message.get(HEADER + 1) != Some(&32) {
        return None;
    }
    let mut attributes = message.get(HEADER + ROUTE..)?;
    loop {
        let length = usize::from(u16::from_ne_bytes(attributes.get(..2)?.try_into().ok()?)).max(4);
        let code = u16::from_ne_bytes(attributes.get(2..4)?.try_into().ok()?);
        if code == DESTINATION {
            return Some(Ipv4Addr::from(<[u8; 4]>::try_from(attributes.get(4..8)?).ok()?));
        }
        attributes = attributes.get(length.next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Lab;

    #[test]
    fn an_announcement_is_there_as_soon_as_the_route() -> Result<()> {
        let Some(lab) = Lab::new(&[]) else { return Ok(()) };
        let namespace = lab.namespace("one")?;
        let watch = RouteWatch::open(&namespace)?;
        namespace.ip(&["route", "add", "10.9.9.9/32", "dev", "lo"])?;
        namespace.ip(&["route", "add", "10.9.8.0/24", "dev", "lo"])?;
        assert_eq!(watch.new_routes()?, [Ipv4Addr::new(10, 9, 9, 9)]);
        assert!(watch.new_routes()?.is_empty());
        Ok(())
    }
}
