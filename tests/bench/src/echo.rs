//! A bare UDP echo and its load: what one core can answer when it does nothing at all.

use crate::batch::{BATCH, RecvBatch, SLOT, SendBatch};
use crate::clock::{Clock, cpu_us};
use crate::report::{Latency, float};
use crate::responder::listen;
use anyhow::{Context, Result, bail};
use nix::sys::socket::SockaddrIn;
use serde::{Deserialize, Serialize};
use socket2::{Domain, Protocol, Socket, Type};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// UDP port of the echo.
pub const ECHO_PORT: u16 = 7777;

/// Sends every packet back until `stop` becomes true.
///
/// # Errors
/// As [`listen`], and any error of the socket.
pub fn serve(me: Ipv4Addr, stop: &AtomicBool) -> Result<()> {
    let socket = listen(me, ECHO_PORT)?;
    let mut inbound = RecvBatch::new();
    let mut out = SendBatch::new();
    while !stop.load(Ordering::Relaxed) {
        let taken = inbound.take(socket.as_raw_fd(), true).context("receive")?;
        for at in 0..taken {
            let bytes = inbound.packet(at);
            let from: Option<SockaddrIn> = inbound.sender(at);
            out.push(from, |slot| copy(slot, bytes));
        }
        out.flush(socket.as_raw_fd()).context("send")?;
    }
    Ok(())
}

fn copy(slot: &mut [u8; SLOT], bytes: &[u8]) -> usize {
    let len = bytes.len().min(SLOT);
    if let (Some(place), Some(bytes)) = (slot.get_mut(..len), bytes.get(..len)) {
        place.copy_from_slice(bytes);
    }
    len
}

/// What the load on an echo found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EchoReport {
    /// Round trips in a second.
    pub rate: f64,
    /// Median round trip in microseconds.
    pub p50_us: f64,
    /// 99 of 100 round trips took no longer.
    pub p99_us: f64,
    /// Packets without an echo.
    pub lost: u64,
    /// Processor time of the load as a share of one processor.
    pub cpu_percent: f64,
}

/// A load on an echo: so many packets of `size` octets in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EchoLoad {
    /// The echo's address.
    pub server: Ipv4Addr,
    /// Octets of payload, 16 to 640.
    pub size: usize,
    /// Packets in flight.
    pub window: u64,
    /// How long.
    pub limit: Duration,
}

impl EchoLoad {
    /// Runs the load.
    ///
    /// # Errors
    /// A size out of range, and any error of the socket.
    pub fn run(&self) -> Result<EchoReport> {
        if !(16..=SLOT).contains(&self.size) {
            bail!("--size must be 16 to {SLOT}");
        }
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
        socket.connect(&SocketAddrV4::new(self.server, ECHO_PORT).into())?;
        socket.set_read_timeout(Some(Duration::from_millis(20)))?;
        let mut flight = Flight {
            clock: Clock::start(),
            latency: Latency::new()?,
            inbound: RecvBatch::new(),
            out: SendBatch::new(),
            sent: 0,
            back: 0,
        };
        let cpu_before = cpu_us();
        let end = u64::try_from(self.limit.as_nanos()).unwrap_or(u64::MAX);
        let mut given_up = 0;
        while flight.clock.now() < end {
            flight.fill(socket.as_raw_fd(), self, given_up)?;
            // Silence for a whole timeout means that what was in flight is gone.
            if flight.take(socket.as_raw_fd())? == 0 {
                given_up = flight.sent - flight.back;
            }
        }
        let seconds = float(flight.clock.now()) / 1e9;
        let cpu = float(cpu_us() - cpu_before) / 1e6;
        Ok(EchoReport {
            rate: (float(flight.back) / seconds).round(),
            p50_us: flight.latency.us(0.5),
            p99_us: flight.latency.us(0.99),
            lost: given_up,
            cpu_percent: (cpu / seconds * 100.0).round(),
        })
    }
}

struct Flight {
    clock: Clock,
    latency: Latency,
    inbound: RecvBatch,
    out: SendBatch,
    sent: u64,
    back: u64,
}

impl Flight {
    fn fill(&mut self, fd: RawFd, load: &EchoLoad, given_up: u64) -> Result<()> {
        let stamp = self.clock.now().to_be_bytes();
        while self.sent - self.back - given_up.min(self.sent - self.back) < load.window && !self.out.is_full() {
            self.out.push(None, |slot| {
                if let Some(place) = slot.first_chunk_mut() {
                    *place = stamp;
                }
                load.size
            });
            self.sent += 1;
        }
        self.out.flush(fd).context("send")?;
        Ok(())
    }

    fn take(&mut self, fd: RawFd) -> Result<usize> {
        let taken = self.inbound.take(fd, true).context("receive")?;
        let now = self.clock.now();
        for at in 0..taken.min(BATCH) {
            if let Some(stamp) = self.inbound.packet(at).first_chunk() {
                self.latency.add(u64::from_be_bytes(*stamp), now);
                self.back += 1;
            }
        }
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_has_bounds() {
        let load = EchoLoad { server: Ipv4Addr::LOCALHOST, size: 8, window: 1, limit: Duration::ZERO };
        assert!(load.run().is_err());
    }
}
