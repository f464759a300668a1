//! A responder without state: the least that any DHCP server has to do, and so the ceiling for each of them.
//!
//! The address it gives follows from the client's hardware address. It keeps no lease, so it bounds a server; it is
//! none.

use crate::batch::{RecvBatch, SLOT, SendBatch};
use crate::frame::{CLIENT_PORT, SERVER_PORT};
use anyhow::{Context, Result};
use nix::sys::socket::{SockaddrIn, setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Length of each answer, the BOOTP length.
const ANSWER: usize = 300;

/// A UDP socket of a server in this crate, with large queues and a timeout of 100 ms, so that a stop is seen.
///
/// # Errors
/// An address that is not of this host or in use, missing privileges.
pub fn listen(address: Ipv4Addr, port: u16) -> Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.bind(&SocketAddrV4::new(address, port).into()).with_context(|| format!("bind UDP {address}:{port}"))?;
    socket.set_read_timeout(Some(Duration::from_millis(100)))?;
    // Without CAP_NET_ADMIN the queues stay as the system has them.
    let _refused = setsockopt(&socket, sockopt::RcvBufForce, &(16 << 20));
    let _refused = setsockopt(&socket, sockopt::SndBufForce, &(16 << 20));
    Ok(socket)
}

/// Where an answer goes and how long it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// Bytes written.
    pub len: usize,
    /// Address and port.
    pub to: (u32, u16),
}

fn option(message: &[u8], wanted: u8) -> Option<&[u8]> {
    let mut rest = message.get(240..)?;
    loop {
        match rest {
            [0, tail @ ..] => rest = tail,
            [code, len, tail @ ..] if *code != 255 => {
                let value = tail.get(..usize::from(*len))?;
                if *code == wanted {
                    return Some(value);
                }
                rest = tail.get(usize::from(*len)..)?;
            }
            _ => return None,
        }
    }
}

/// Addresses that the responder gives, from 10.16.0.0, unless it is asked for fewer.
pub const ROOM: u32 = 1 << 20;

/// Writes the OFFER or ACK for a relayed or renewing client's message; `None` for anything else. `room` is the number
/// of addresses it gives: with more clients than that some get the same one.
pub fn answer(me: Ipv4Addr, room: u32, message: &[u8], out: &mut [u8; SLOT]) -> Option<Answer> {
    let header = message.get(..240)?;
    if *header.first()? != 1 {
        return None;
    }
    let kind = match option(message, 53)? {
        [1] => 2,
        [3] => 5,
        _ => return None,
    };
    let ciaddr = u32::from_be_bytes(header.get(12..16)?.try_into().ok()?);
    let giaddr = u32::from_be_bytes(header.get(24..28)?.try_into().ok()?);
    let [_, _, a, b, c, d] = *header.get(28..34)? else {
        return None;
    };
    let number = u32::from_be_bytes([a, b, c, d]);
    let given = Ipv4Addr::new(10, 16, 0, 0).to_bits() + number.checked_rem(room).unwrap_or(0);
    let mut at = 240;
    let mut push = |bytes: &[u8]| {
        if let Some(place) = out.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
            at += bytes.len();
        }
    };
    push(&[53, 1, kind, 54, 4]);
    push(&me.octets());
    push(&[51, 4, 0, 0, 0x1c, 0x20, 1, 4, 255, 0, 0, 0]);
    if let Some(relay_information) = option(message, 82) {
        push(&[82, u8::try_from(relay_information.len()).ok()?]);
        push(relay_information);
    }
    push(&[255]);
    let len = at.max(ANSWER);
    out.get_mut(at..len)?.fill(0);
    out.get_mut(..240)?.copy_from_slice(header);
    *out.first_mut()? = 2;
    out.get_mut(16..20)?.copy_from_slice(&given.to_be_bytes());
    out.get_mut(20..24)?.copy_from_slice(&me.octets());
    let to = match (giaddr, ciaddr) {
        (0, 0) => return None,
        (0, client) => (client, CLIENT_PORT),
        (relay, _) => (relay, SERVER_PORT),
    };
    Some(Answer { len, to })
}

/// Answers until `stop` becomes true; `room` as in [`answer`].
///
/// # Errors
/// As [`listen`], and any error of the socket.
pub fn serve(me: Ipv4Addr, room: u32, stop: &AtomicBool) -> Result<()> {
    let socket = listen(me, SERVER_PORT)?;
    let mut inbound = RecvBatch::new();
    let mut out = SendBatch::new();
    while !stop.load(Ordering::Relaxed) {
        turn(me, room, socket.as_raw_fd(), &mut inbound, &mut out)?;
    }
    Ok(())
}

fn turn(me: Ipv4Addr, room: u32, fd: RawFd, inbound: &mut RecvBatch, out: &mut SendBatch) -> Result<()> {
    let taken = inbound.take(fd, true).context("receive")?;
    let mut reply = [0; SLOT];
    for at in 0..taken {
        if let Some(answer) = answer(me, room, inbound.packet(at), &mut reply) {
            let (address, port) = answer.to;
            let to = SockaddrIn::from(SocketAddrV4::new(Ipv4Addr::from_bits(address), port));
            out.push(Some(to), |slot| {
                if let (Some(place), Some(bytes)) = (slot.get_mut(..answer.len), reply.get(..answer.len)) {
                    place.copy_from_slice(bytes);
                }
                answer.len
            });
        }
    }
    out.flush(fd).context("send")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Fields, Kind, Reply, Style, Template, circuit, mac};

    #[test]
    fn answers_are_what_the_clients_accept() {
        let style = Style { option82: true, ..Style::default() };
        let me = Ipv4Addr::new(10, 0, 0, 1);
        for (kind, selecting, expected) in [(Kind::Discover, false, Kind::Offer), (Kind::Request, true, Kind::Ack)] {
            let template = Template::new(kind, selecting, style, true);
            let (mut request, mut reply) = ([0; SLOT], [0xaa; SLOT]);
            let fields = Fields { xid: 77, mac: mac(77), giaddr: 0x0a00_0002, ..Fields::default() };
            let len = template.write(&mut request, &fields);
            let answer = answer(me, ROOM, &request[..len], &mut reply).expect("an answer");
            assert_eq!(answer.to, (0x0a00_0002, 67));
            let read = Reply::read(&reply[..answer.len]).expect("a reply");
            assert_eq!((read.kind, read.mac, read.circuit), (expected, mac(77), Some(circuit(77))));
            assert_eq!(read.yiaddr, Ipv4Addr::new(10, 16, 0, 77).to_bits());
        }
    }

    #[test]
    fn junk_gets_no_answer() {
        let mut out = [0; SLOT];
        let me = Ipv4Addr::new(10, 0, 0, 1);
        for junk in [&[][..], &[1; 239], &[1; 300], &[2; 300]] {
            assert_eq!(answer(me, ROOM, junk, &mut out), None);
        }
    }
}
