//! When REQUESTs left and ACKs came, by the kernel's clock on the clients' interface.
//!
//! What the generator measures has its own scheduling in it: how late it got to send, and how long a reply lay until it
//! looked. These stamps are set where a frame crosses the interface, so what is between two of them is the server's and its
//! kernel's alone, whatever shares a processor with the generator.

use crate::batch::BATCH;
use crate::frame::{HEADING, SERVER_PORT};
use crate::link::{link_address, room};
use crate::report::Latency;
use anyhow::{Context, Result};
use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, MsgFlags, MultiHeaders, SockFlag, SockProtocol, SockType, SockaddrStorage,
    bind, recvmmsg, setsockopt, socket, sockopt,
};
use nix::sys::time::TimeSpec;
use socket2::{SockFilter, Socket};
use std::io::IoSliceMut;
use std::os::fd::{AsRawFd, OwnedFd};

/// Bytes of each frame that are looked at: through the transaction number.
const SEEN: usize = HEADING + 8;
/// Where `op` and the transaction number stand in a frame.
const OP: usize = HEADING;
const XID: usize = HEADING + 4;
/// A BOOTREQUEST (RFC 2131 §2).
const REQUEST: u8 = 1;

/// A packet socket that sees REQUESTs of clients and replies of servers, both with the time at which they crossed the
/// interface.
pub struct Stamps {
    fd: OwnedFd,
    headers: MultiHeaders<SockaddrStorage>,
    bytes: Box<[[u8; SEEN]; BATCH]>,
    times: Times,
}

/// From the first REQUEST of a client to the reply.
struct Times {
    /// Number of the first client.
    first: u32,
    /// When a client's REQUEST left, in nanoseconds of the kernel's clock; 0 for none under way.
    left: Vec<u64>,
    taken: Latency,
}

/// What the filter lets through: IPv4 without IP options, UDP, and in it a BOOTREQUEST that begins its options with
/// message type REQUEST, or a BOOTREPLY from the servers' port. So of a flood nothing comes.
fn filter() -> [(u16, u8, u8, u32); 17] {
    const MESSAGE: u32 = HEADING as u32;
    let (load_word, load_half, load_byte, jump_equal, give) = (0x20, 0x28, 0x30, 0x15, 0x06);
    [
        (load_half, 0, 0, 12),
        (jump_equal, 0, 13, 0x0800),
        (load_byte, 0, 0, 23),
        (jump_equal, 0, 11, 17),
        (load_byte, 0, 0, MESSAGE),
        (jump_equal, 7, 0, 2),
        (jump_equal, 0, 8, 1),
        // A BOOTREQUEST: cookie, the first option and its value.
        (load_word, 0, 0, MESSAGE + 236),
        (jump_equal, 0, 6, 0x6382_5363),
        (load_half, 0, 0, MESSAGE + 240),
        (jump_equal, 0, 4, 0x3501),
        (load_byte, 0, 0, MESSAGE + 242),
        (jump_equal, 3, 2, 3),
        // A BOOTREPLY: the port that it comes from.
        (load_half, 0, 0, 34),
        (jump_equal, 1, 0, SERVER_PORT as u32),
        (give, 0, 0, 0),
        (give, 0, 0, SEEN as u32),
    ]
}

impl Stamps {
    /// Watches an interface for clients `first` to `first + clients`.
    ///
    /// # Errors
    /// No such interface, no privilege.
    pub fn open(interface: &str, first: u32, clients: u32) -> Result<Stamps> {
        let at = link_address(interface)?;
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let fd = socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll)
            .context("open a packet socket (needs CAP_NET_RAW)")?;
        let raw = Socket::from(fd);
        raw.attach_filter(&filter().map(|(code, yes, no, k)| SockFilter::new(code, yes, no, k)))
            .context("attach the packet filter")?;
        let fd = OwnedFd::from(raw);
        setsockopt(&fd, sockopt::ReceiveTimestampns, &true).context("set SO_TIMESTAMPNS")?;
        room(&fd);
        bind(fd.as_raw_fd(), &at).with_context(|| format!("bind to {interface}"))?;
        let mut stamps = Stamps {
            fd,
            headers: MultiHeaders::preallocate(BATCH, Some(cmsg_space!(TimeSpec))),
            bytes: Box::new([[0; SEEN]; BATCH]),
            times: Times { first, left: vec![0; clients as usize], taken: Latency::new()? },
        };
        // What came before the filter and the bind stood is of other interfaces and kinds.
        while stamps.take()? == BATCH {}
        stamps.times.left.fill(0);
        stamps.times.taken = Latency::new()?;
        Ok(stamps)
    }

    /// Takes what was seen, at most [`BATCH`] frames; how many.
    ///
    /// # Errors
    /// Any error of the socket but "nothing there" and an interrupted call.
    pub fn take(&mut self) -> Result<usize> {
        let mut slices = self.bytes.each_mut().map(|slot| [IoSliceMut::new(slot)]);
        let mut notes = [(0u64, 0usize); BATCH];
        let mut count = 0;
        match recvmmsg(self.fd.as_raw_fd(), &mut self.headers, slices.iter_mut(), MsgFlags::MSG_DONTWAIT, None) {
            Ok(results) => {
                for (result, note) in results.zip(&mut notes) {
                    *note = (stamp(result.cmsgs().into_iter().flatten()), result.bytes);
                    count += 1;
                }
            }
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(0),
            Err(error) => return Err(error).context("read what crossed the interface"),
        }
        for ((at, len), frame) in notes.iter().zip(self.bytes.iter()).take(count) {
            self.times.note(*at, frame.get(..*len).unwrap_or_default());
        }
        Ok(count)
    }

    /// From a client's REQUEST on the interface to the reply on it; of a repeated REQUEST from the first one.
    #[must_use]
    pub fn taken(&self) -> &Latency {
        &self.times.taken
    }
}

/// The kernel's time of a frame in nanoseconds, 0 without one.
fn stamp(messages: impl Iterator<Item = ControlMessageOwned>) -> u64 {
    for message in messages {
        if let ControlMessageOwned::ScmTimestampns(time) = message {
            let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
            return seconds.saturating_mul(1_000_000_000) + u64::try_from(time.tv_nsec()).unwrap_or(0);
        }
    }
    0
}

impl Times {
    fn note(&mut self, at: u64, frame: &[u8]) {
        let (Some(op), Some(xid)) = (frame.get(OP), frame.get(XID..).and_then(|rest| rest.first_chunk::<4>())) else {
            return;
        };
        let index = u32::from_be_bytes(*xid).wrapping_sub(self.first);
        let Some(left) = self.left.get_mut(index as usize) else {
            return;
        };
        match (*op, *left) {
            (REQUEST, 0) => *left = at,
            (REQUEST, _) | (_, 0) => {}
            (_, began) => {
                self.taken.add(began, at);
                *left = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(op: u8, xid: u32) -> [u8; SEEN] {
        let mut frame = [0; SEEN];
        frame[OP] = op;
        frame[XID..].copy_from_slice(&xid.to_be_bytes());
        frame
    }

    #[test]
    fn a_reply_is_measured_from_the_first_request() {
        let mut times = Times { first: 7, left: vec![0; 2], taken: Latency::new().expect("bounds") };
        // An OFFER before any REQUEST, then a REQUEST, the same again, the ACK and a late one.
        times.note(1_000, &frame(2, 8));
        times.note(10_000, &frame(1, 8));
        times.note(15_000, &frame(1, 8));
        times.note(110_000, &frame(2, 8));
        times.note(120_000, &frame(2, 8));
        // Of no client of this run, and cut short.
        times.note(1, &frame(1, 9));
        times.note(1, &frame(1, 6));
        times.note(1, &[1; XID]);
        assert_eq!(times.taken.count(), 1);
        assert!((times.taken.us(0.5) - 100.0).abs() < 0.2, "{}", times.taken.us(0.5));
    }

    /// Runs the filter over a frame, as far as it has operations.
    fn passes(frame: &[u8]) -> bool {
        let (mut at, mut value) = (0usize, 0u32);
        let program = filter();
        loop {
            let (code, yes, no, k) = program[at];
            at += 1;
            let load = |len: usize| {
                let bytes = frame.get(k as usize..k as usize + len)?;
                Some(bytes.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte)))
            };
            let loaded = match code {
                0x20 => load(4),
                0x28 => load(2),
                0x30 => load(1),
                0x15 => {
                    at += usize::from(if value == k { yes } else { no });
                    Some(value)
                }
                _ => return k > 0,
            };
            // A load behind the end drops the frame.
            let Some(loaded) = loaded else { return false };
            value = loaded;
        }
    }

    #[test]
    fn the_filter_takes_requests_and_replies_and_nothing_of_a_flood() {
        use crate::flood::Flood;
        use crate::frame::{Ends, write_heading};
        use crate::message::{Fields, Kind, Style, Template};
        let ends = Ends { to_mac: [2; 6], from_mac: [4; 6], from: 0x0a00_0002, to: 0x0a00_0001 };
        let kinds = [(Kind::Discover, false, false), (Kind::Request, true, true), (Kind::Request, false, true)];
        for (kind, selecting, pass) in kinds {
            let template = Template::new(kind, selecting, Style::default(), true);
            let mut bytes = [0; crate::batch::SLOT];
            let fields = Fields { xid: 0x0102_0304, ..Fields::default() };
            let mut message = [0; crate::batch::SLOT];
            let len = template.write(&mut message, &fields);
            bytes[HEADING..HEADING + len].copy_from_slice(&message[..len]);
            let len = write_heading(&mut bytes, len, &ends);
            assert_eq!(passes(&bytes[..len]), pass, "{kind:?}");
            // As a reply of a server, whatever its options.
            bytes[OP] = 2;
            bytes[HEADING + 240] = 1;
            assert!(!passes(&bytes[..len]), "a reply is from the servers' port");
            bytes[34..36].copy_from_slice(&SERVER_PORT.to_be_bytes());
            assert!(passes(&bytes[..len]));
        }
        let flood = Flood {
            interface: "vc".into(),
            server_mac: [2, 0, 0, 0, 0, 1],
            server: std::net::Ipv4Addr::new(10, 0, 0, 1),
            limit: std::time::Duration::ZERO,
        };
        for number in 0..1024u64 {
            let mut bytes = [0; crate::batch::SLOT];
            let len = crate::flood::frame(&mut bytes, number, number << 2, &flood);
            assert!(!passes(&bytes[..len]), "{number}");
        }
    }
}
