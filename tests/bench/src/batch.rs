//! Batches of packets: up to [`BATCH`] a system call, in buffers that live as long as the run.

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, SockaddrStorage, recvmmsg, sendmmsg};
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::RawFd;

/// Packets handed to the kernel, or taken from it, in one call.
pub const BATCH: usize = 64;
/// Bytes of one outgoing buffer: an Ethernet, IPv4 and UDP header and a DHCP message of 548 octets fit.
pub const SLOT: usize = 640;
/// Bytes of one incoming buffer: one Ethernet frame.
pub const FRAME: usize = 1600;

/// Outgoing packets that wait for one `sendmmsg`.
pub struct SendBatch {
    headers: MultiHeaders<SockaddrIn>,
    bytes: Box<[[u8; SLOT]; BATCH]>,
    lens: [usize; BATCH],
    to: [Option<SockaddrIn>; BATCH],
    count: usize,
}

impl Default for SendBatch {
    fn default() -> SendBatch {
        SendBatch::new()
    }
}

impl SendBatch {
    /// An empty batch.
    #[must_use]
    pub fn new() -> SendBatch {
        SendBatch {
            headers: MultiHeaders::preallocate(BATCH, None),
            bytes: Box::new([[0; SLOT]; BATCH]),
            lens: [0; BATCH],
            to: [None; BATCH],
            count: 0,
        }
    }

    /// True when a further [`SendBatch::push`] would be refused.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.count == BATCH
    }

    /// Adds one packet: `fill` writes it and returns its length. `to` is its destination, or `None` on a connected
    /// or bound socket. False, and nothing is called, when the batch is full.
    pub fn push(&mut self, to: Option<SockaddrIn>, fill: impl FnOnce(&mut [u8; SLOT]) -> usize) -> bool {
        let at = self.count;
        let (Some(slot), Some(len), Some(address)) =
            (self.bytes.get_mut(at), self.lens.get_mut(at), self.to.get_mut(at))
        else {
            return false;
        };
        *len = fill(slot).min(SLOT);
        *address = to;
        self.count += 1;
        true
    }

    /// Sends what waits. Returns how many packets the kernel took; the rest of the batch is lost, as on a wire.
    ///
    /// # Errors
    /// Any error of the socket but those that mean "the network lost it": a full queue that stays full for a second
    /// and a refused port are losses.
    pub fn flush(&mut self, fd: RawFd) -> io::Result<usize> {
        let mut sent = 0;
        let mut refusals = 0;
        while sent < self.count {
            let slices: [[IoSlice<'_>; 1]; BATCH] = std::array::from_fn(|i| {
                let bytes = self
                    .bytes
                    .get(i)
                    .map_or(&[][..], |slot| slot.get(..self.lens.get(i).copied().unwrap_or(0)).unwrap_or(&[]));
                [IoSlice::new(bytes)]
            });
            let (Some(waiting), Some(to)) = (slices.get(sent..self.count), self.to.get(sent..self.count)) else {
                break;
            };
            match sendmmsg(fd, &mut self.headers, waiting.iter(), to, [], MsgFlags::empty()) {
                Ok(results) => sent += results.count().max(1),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN | Errno::ENOBUFS | Errno::ECONNREFUSED) if refusals < 1000 => {
                    refusals += 1;
                    std::thread::yield_now();
                }
                Err(Errno::EAGAIN | Errno::ENOBUFS | Errno::ECONNREFUSED) => break,
                Err(error) => {
                    self.count = 0;
                    return Err(error.into());
                }
            }
        }
        self.count = 0;
        Ok(sent)
    }
}

/// Incoming packets of one `recvmmsg`.
pub struct RecvBatch {
    // Room for any address: the kernel writes back the length it would have liked, and the next call takes that as
    // the room there is, so a type that only fits IPv4 would be overrun on a packet socket.
    headers: MultiHeaders<SockaddrStorage>,
    bytes: Box<[[u8; FRAME]; BATCH]>,
    lens: [usize; BATCH],
    from: [Option<SockaddrIn>; BATCH],
    count: usize,
}

impl Default for RecvBatch {
    fn default() -> RecvBatch {
        RecvBatch::new()
    }
}

impl RecvBatch {
    /// An empty batch.
    #[must_use]
    pub fn new() -> RecvBatch {
        RecvBatch {
            headers: MultiHeaders::preallocate(BATCH, None),
            bytes: Box::new([[0; FRAME]; BATCH]),
            lens: [0; BATCH],
            from: [None; BATCH],
            count: 0,
        }
    }

    /// Takes what the socket holds, at most [`BATCH`] packets; 0 when it holds nothing. With `wait` the call sleeps
    /// until there is at least one packet or the socket's own timeout has passed.
    ///
    /// # Errors
    /// Any error of the socket but "nothing there", an interrupted call and a refused port (a server that is down).
    pub fn take(&mut self, fd: RawFd, wait: bool) -> io::Result<usize> {
        self.count = 0;
        let flags = if wait { MsgFlags::MSG_WAITFORONE } else { MsgFlags::MSG_DONTWAIT };
        let mut slices = self.bytes.each_mut().map(|slot| [IoSliceMut::new(slot)]);
        match recvmmsg(fd, &mut self.headers, slices.iter_mut(), flags, None) {
            Ok(results) => {
                let notes = self.lens.iter_mut().zip(self.from.iter_mut());
                for (result, (len, from)) in results.zip(notes) {
                    *len = result.bytes;
                    *from = result.address.and_then(|address| address.as_sockaddr_in().copied());
                    self.count += 1;
                }
                Ok(self.count)
            }
            Err(Errno::EAGAIN | Errno::EINTR | Errno::ECONNREFUSED) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }

    /// The packet at `at` of the last [`RecvBatch::take`], empty past its end.
    #[must_use]
    pub fn packet(&self, at: usize) -> &[u8] {
        if at >= self.count {
            return &[];
        }
        let len = self.lens.get(at).copied().unwrap_or(0);
        self.bytes.get(at).and_then(|slot| slot.get(..len.min(FRAME))).unwrap_or(&[])
    }

    /// Who sent the packet at `at`; `None` where the socket does not say it as an IPv4 address.
    #[must_use]
    pub fn sender(&self, at: usize) -> Option<SockaddrIn> {
        if at >= self.count {
            return None;
        }
        self.from.get(at).copied().flatten()
    }
}
