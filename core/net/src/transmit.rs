//! Sending packets.

use crate::{
    BATCH, CLIENT_PORT, Counters, Sockets,
    sys::{self, Target},
};
use bindery_engine::output::{Destination, Transmit};
use bindery_wire::{frame::write_udp, v4::MessageType};
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, poll},
};
use std::os::fd::{AsFd, OwnedFd};

/// Time to live of the frames that are built here; what Linux gives its own.
const TTL: u8 = 64;

/// Waits of a millisecond that one [`Sockets::transmit`] may spend on full send queues. Clients repeat; the packet
/// thread must go on.
const WAITS_MAX: u32 = 4;

/// A packet of a batch, ready to go.
#[derive(Clone, Copy)]
struct Outgoing<'a> {
    target: Target,
    message: MessageType,
    bytes: &'a [u8],
}

impl Sockets {
    /// Sends `batch` in order per socket and empties it; each payload goes back by `recycle`.
    ///
    /// What cannot be sent is counted by message type and is not tried again: the client repeats its request. Where a
    /// send queue is full this waits, at most 4 ms a call.
    pub fn transmit(&mut self, batch: &mut Vec<Transmit>, mut recycle: impl FnMut(Vec<u8>)) {
        let mut waits = WAITS_MAX;
        for chunk in batch.chunks(BATCH) {
            self.send_frames(chunk, &mut waits);
            self.send_datagrams(chunk, &mut waits);
        }
        for transmit in batch.drain(..) {
            recycle(transmit.payload);
        }
    }

    fn send_frames(&mut self, chunk: &[Transmit], waits: &mut u32) {
        if !chunk.iter().any(|transmit| matches!(transmit.to, Destination::Frame { .. })) {
            return;
        }
        self.frames.resize_with(BATCH, Vec::new);
        let mut targets: [Option<(Target, MessageType)>; BATCH] = [None; BATCH];
        let mut buffers = self.frames.iter_mut().zip(&mut targets);
        for transmit in chunk {
            let Destination::Frame { link, mac, src, dst } = transmit.to else { continue };
            let Some((buffer, target)) = buffers.next() else { break };
            buffer.clear();
            match write_udp(src, dst, self.port, CLIENT_PORT, TTL, &transmit.payload, buffer) {
                Ok(()) => *target = Some((Target::Link { link, mac }, transmit.message)),
                Err(_) => self.counters.count_send_error(transmit.message),
            }
        }
        let packets = self
            .frames
            .iter()
            .zip(targets)
            .filter_map(|(bytes, target)| target.map(|(target, message)| Outgoing { target, message, bytes }));
        send_all(&self.packet, packets, waits, &mut self.counters);
    }

    fn send_datagrams(&mut self, chunk: &[Transmit], waits: &mut u32) {
        let packets = chunk.iter().filter_map(|transmit| match transmit.to {
            Destination::Udp { link, src, dst, port } => Some(Outgoing {
                target: Target::Inet { link, src, dst, port },
                message: transmit.message,
                bytes: &transmit.payload,
            }),
            Destination::Frame { .. } => None,
        });
        send_all(&self.udp, packets, waits, &mut self.counters);
    }
}

/// Gives all packets to the kernel, each tried until it is taken, refused, or the waits are used up.
fn send_all<'a>(
    fd: &OwnedFd,
    mut packets: impl Iterator<Item = Outgoing<'a>> + Clone,
    waits: &mut u32,
    counters: &mut Counters,
) {
    loop {
        match sys::send(fd, packets.clone().map(|packet| (packet.target, packet.bytes))) {
            Ok(0) => return,
            Ok(sent) => {
                counters.sent += sent as u64;
                let _ = packets.by_ref().take(sent).count();
            }
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN | Errno::ENOBUFS) if *waits > 0 => {
                *waits -= 1;
                wait_for_room(fd);
            }
            Err(_) => match packets.next() {
                Some(refused) => counters.count_send_error(refused.message),
                None => return,
            },
        }
    }
}

/// Waits a millisecond. The queue that is full may be the card's, of which the socket knows nothing; so this does not
/// end early when the socket itself has room.
fn wait_for_room(fd: &OwnedFd) {
    let mut fds = [PollFd::new(fd.as_fd(), PollFlags::empty())];
    let _ = poll(&mut fds, 1u8);
}
