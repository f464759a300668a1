//! The kernel's own rate: host routes added and removed in batches by netlink, by a program that does nothing else.
//!
//! The messages are those that the daemon's routes need: `ADDRESS/32 via GATEWAY dev IFL`, 256 to a system call, and an
//! acknowledgement of the last one.

use crate::clock::{Clock, cpu_us};
use crate::report::float;
use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::net::if_::if_nametoindex;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send, socket,
};
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};

/// Routes to a system call, as the daemon sends them.
const BATCH: u32 = 256;
/// Protocol number of these routes; the daemon's is another one.
const PROTOCOL: u8 = 202;
/// Length of the message of one route.
const LENGTH: usize = 16 + 12 + 3 * 8;

const RTM_NEWROUTE: u16 = 24;
const RTM_DELROUTE: u16 = 25;
const NLMSG_ERROR: u16 = 2;
const REQUEST: u16 = 0x1;
const ACK: u16 = 0x4;
const EXCL: u16 = 0x200;
const CREATE: u16 = 0x400;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const TABLE_MAIN: u8 = 254;
const UNICAST: u8 = 1;

/// What one run found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RoutesReport {
    /// Routes added.
    pub routes: u32,
    /// Routes added in a second.
    pub rate: f64,
    /// Processor time to add one, microseconds, the kernel's part in it.
    pub cpu_us: f64,
    /// Routes removed in a second.
    pub removal_rate: f64,
}

/// Adds `count` routes, from `first` upwards, through `gateway` on `ifl`, and removes them.
///
/// # Errors
/// No privilege, no such interface, or a route that the kernel refuses.
pub fn measure(ifl: &str, gateway: Ipv4Addr, first: Ipv4Addr, count: u32) -> Result<RoutesReport> {
    let mut link = Link { socket: open()?, ifindex: if_nametoindex(ifl).context("the interface")?, gateway, seq: 0 };
    let (clock, cpu) = (Clock::start(), cpu_us());
    link.all(first, count, RTM_NEWROUTE, CREATE | EXCL)?;
    let (added, cpu) = (float(clock.now()) / 1e9, cpu_us() - cpu);
    link.all(first, count, RTM_DELROUTE, 0)?;
    let removed = float(clock.now()) / 1e9 - added;
    let routes = f64::from(count);
    Ok(RoutesReport {
        routes: count,
        rate: (routes / added).round(),
        cpu_us: float(cpu) / routes,
        removal_rate: (routes / removed).round(),
    })
}

fn open() -> Result<OwnedFd> {
    let (family, protocol) = (AddressFamily::Netlink, SockProtocol::NetlinkRoute);
    let socket = socket(family, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol).context("a netlink socket")?;
    bind(socket.as_raw_fd(), &NetlinkAddr::new(0, 0)).context("bind a netlink socket")?;
    Ok(socket)
}

struct Link {
    socket: OwnedFd,
    ifindex: u32,
    gateway: Ipv4Addr,
    seq: u32,
}

impl Link {
    fn all(&mut self, first: Ipv4Addr, count: u32, kind: u16, flags: u16) -> Result<()> {
        let mut batch = Vec::with_capacity(BATCH as usize * LENGTH);
        for begun in (0..count).step_by(BATCH as usize) {
            batch.clear();
            let end = (begun + BATCH).min(count);
            for number in begun..end {
                self.seq = self.seq.wrapping_add(1);
                let ack = if number + 1 == end { ACK } else { 0 };
                let dst = Ipv4Addr::from_bits(first.to_bits().wrapping_add(number));
                message(&mut batch, (kind, REQUEST | flags | ack, self.seq), dst, (self.ifindex, self.gateway));
            }
            let sent = send(self.socket.as_raw_fd(), &batch, MsgFlags::empty()).context("send a batch")?;
            if sent != batch.len() {
                bail!("{sent} of {} octets were sent", batch.len());
            }
            self.acknowledged()?;
        }
        Ok(())
    }

    /// Waits for the answer to the last message of a batch; an error of another one comes before it.
    fn acknowledged(&self) -> Result<()> {
        let mut answer = [0; 4096];
        loop {
            let length = recv(self.socket.as_raw_fd(), &mut answer, MsgFlags::empty()).context("an answer")?;
            let (seq, code) = verdict(answer.get(..length).unwrap_or_default()).context("an answer that is none")?;
            if code != 0 {
                bail!("a route is refused: {}", Errno::from_raw(-code));
            }
            if seq == self.seq {
                return Ok(());
            }
        }
    }
}

/// Appends the message of one route.
fn message(
    batch: &mut Vec<u8>,
    (kind, flags, seq): (u16, u16, u32),
    dst: Ipv4Addr,
    (ifindex, gateway): (u32, Ipv4Addr),
) {
    let begin = batch.len();
    batch.extend_from_slice(&(LENGTH as u32).to_ne_bytes());
    batch.extend_from_slice(&kind.to_ne_bytes());
    batch.extend_from_slice(&flags.to_ne_bytes());
    batch.extend_from_slice(&seq.to_ne_bytes());
    batch.extend_from_slice(&0u32.to_ne_bytes());
    // Family (AF_INET), lengths of destination and source, TOS, table, protocol, scope (universe), type, flags.
    batch.extend_from_slice(&[2, 32, 0, 0, TABLE_MAIN, PROTOCOL, 0, UNICAST]);
    batch.extend_from_slice(&0u32.to_ne_bytes());
    for (attribute, value) in
        [(RTA_DST, dst.octets()), (RTA_OIF, ifindex.to_ne_bytes()), (RTA_GATEWAY, gateway.octets())]
    {
        batch.extend_from_slice(&8u16.to_ne_bytes());
        batch.extend_from_slice(&attribute.to_ne_bytes());
        batch.extend_from_slice(&value);
    }
    debug_assert_eq!(batch.len() - begin, LENGTH);
}

/// Sequence number and error code (0 for none) of an answer.
fn verdict(answer: &[u8]) -> Option<(u32, i32)> {
    let kind = u16::from_ne_bytes(answer.get(4..6)?.try_into().ok()?);
    let seq = u32::from_ne_bytes(answer.get(8..12)?.try_into().ok()?);
    let code = i32::from_ne_bytes(answer.get(16..20)?.try_into().ok()?);
    (kind == NLMSG_ERROR).then_some((seq, code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_its_length_and_the_destination_behind_both_heads() {
        let mut batch = Vec::new();
        let dst = Ipv4Addr::new(10, 16, 0, 7);
        message(&mut batch, (RTM_NEWROUTE, REQUEST | CREATE, 3), dst, (5, Ipv4Addr::new(10, 0, 0, 2)));
        assert_eq!(batch.len(), LENGTH);
        assert_eq!(batch[..4], (LENGTH as u32).to_ne_bytes());
        assert_eq!(batch[32..36], dst.octets());
        assert_eq!(batch[40..44], 5u32.to_ne_bytes());
    }

    #[test]
    fn a_verdict_is_read_and_anything_else_is_none() {
        let mut answer = vec![36, 0, 0, 0, 2, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0];
        answer.extend_from_slice(&(-17i32).to_ne_bytes());
        assert_eq!(verdict(&answer), Some((9, -17)));
        assert_eq!(verdict(&answer[..18]), None);
        answer[4] = 3;
        assert_eq!(verdict(&answer), None);
    }
}
