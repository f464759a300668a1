//! A flood: frames of made-up clients and garbage, as fast as one processor can send them.

use crate::batch::SendBatch;
use crate::frame::{EVERYBODY, Ends, HEADING, Mac, write_heading};
use crate::link::link_address;
use anyhow::{Context, Result};
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, bind, socket};
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Bytes of a DISCOVER in front of its options, cookie included.
const FIXED: usize = 240;
/// Bytes of garbage in a frame.
const GARBAGE: usize = 300;

/// What a flood found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct FloodReport {
    /// Frames that the kernel took.
    pub frames: u64,
    /// Frames in a second.
    pub rate: f64,
}

/// Where a flood goes.
#[derive(Debug, Clone)]
pub struct Flood {
    /// Interface that it leaves by.
    pub interface: String,
    /// Hardware address of the server there.
    pub server_mac: Mac,
    /// Address of the server.
    pub server: Ipv4Addr,
    /// How long it goes on.
    pub limit: Duration,
}

/// Numbers that look random (xorshift).
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// One frame; its length. Of four, two are DISCOVERs of a client that nobody has seen, one is garbage to everybody, one
/// garbage to the server's address.
pub fn frame(bytes: &mut [u8], number: u64, random: u64, flood: &Flood) -> usize {
    let [a, b, c, d, e, f, g, h] = random.to_be_bytes();
    let from_mac = [0x06, a, b, c, d, e];
    let server = flood.server.to_bits();
    let everybody = Ends { to_mac: EVERYBODY, from_mac, from: 0, to: u32::MAX };
    let put = |bytes: &mut [u8], at: usize, value: &[u8]| {
        if let Some(room) = bytes.get_mut(HEADING + at..HEADING + at + value.len()) {
            room.copy_from_slice(value);
        }
    };
    match number % 4 {
        0 | 1 => {
            if let Some(room) = bytes.get_mut(HEADING..HEADING + GARBAGE) {
                room.fill(0);
            }
            put(bytes, 0, &[1, 1, 6, 0, e, f, g, h]);
            put(bytes, 28, &from_mac);
            put(bytes, FIXED - 4, &[0x63, 0x82, 0x53, 0x63]);
            put(bytes, FIXED, &[53, 1, 1, 55, 4, 1, 3, 6, 51, 255]);
            write_heading(bytes, GARBAGE, &everybody)
        }
        kind => {
            if let Some(room) = bytes.get_mut(HEADING..HEADING + GARBAGE) {
                room.fill(h);
            }
            // An address of the link, so that the kernel takes it for possible.
            let from = (server & 0xff00_0000) | (u32::from_be_bytes([0, f, g, h]).max(3));
            let ends = Ends { to_mac: flood.server_mac, from_mac, from, to: server };
            write_heading(bytes, GARBAGE, if kind == 2 { &everybody } else { &ends })
        }
    }
}

impl Flood {
    /// Sends until the time is over or `stop` is set.
    ///
    /// # Errors
    /// No such interface, no privilege, an error of the socket.
    pub fn run(&self, stop: &AtomicBool) -> Result<FloodReport> {
        let at = link_address(&self.interface)?;
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        // No protocol: it receives nothing.
        let fd = socket(AddressFamily::Packet, SockType::Raw, flags, None::<SockProtocol>)
            .context("open a packet socket (needs CAP_NET_RAW)")?;
        bind(fd.as_raw_fd(), &at).with_context(|| format!("bind to {}", self.interface))?;
        let (mut batch, mut report, mut state, mut number) = (SendBatch::new(), FloodReport::default(), 0x9e37_79b9, 0);
        let began = Instant::now();
        while began.elapsed() < self.limit && !stop.load(Ordering::Relaxed) {
            while !batch.is_full() {
                number += 1;
                let random = next(&mut state);
                batch.push(None, |slot| frame(slot, number, random, self));
            }
            report.frames += u64::try_from(batch.flush(fd.as_raw_fd()).context("send")?).unwrap_or(0);
        }
        report.rate = crate::report::float(report.frames) / began.elapsed().as_secs_f64().max(0.001);
        Ok(report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_of_four_kinds_and_their_clients_are_new() {
        let flood = Flood {
            interface: "vc".into(),
            server_mac: [2, 0, 0, 0, 0, 1],
            server: Ipv4Addr::new(10, 0, 0, 1),
            limit: Duration::ZERO,
        };
        let (mut state, mut macs) = (7, std::collections::BTreeSet::new());
        for number in 0..400 {
            let mut bytes = [0; crate::batch::SLOT];
            let len = frame(&mut bytes, number, next(&mut state), &flood);
            assert_eq!(len, HEADING + GARBAGE);
            let discover = bytes[HEADING + FIXED..].starts_with(&[53, 1, 1]);
            assert_eq!(discover, number % 4 < 2, "{number}");
            assert_eq!(bytes[..6] == EVERYBODY, number % 4 < 3, "{number}");
            macs.insert(bytes[6..12].to_vec());
        }
        assert_eq!(macs.len(), 400);
    }
}
