//! An nf_netlink socket: batches out, answers in.

use crate::{error::Error, message::Batch};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::socket::{MsgFlags, recv, send, setsockopt, sockopt::RcvBufForce},
};
use std::{
    io,
    os::fd::{AsFd, AsRawFd},
};

/// Longest datagram of the kernel: it cuts its dumps to the reader's buffer, up to 32 KiB.
const DATAGRAM_MAX: usize = 64 << 10;

/// Wanted receive buffer. Every batch is made so that its answers fit into the kernel's default of 208 KiB, too; this
/// is only for a kernel with less.
const RECEIVE_BUFFER: usize = 1 << 20;

/// How long the kernel may take to answer. It answers within the send call; this only ends a wait that is lost.
const ANSWER_MILLIS: u16 = 10_000;

const HEADER: usize = 16;
const ERROR: u16 = libc::NLMSG_ERROR as u16;
const DONE: u16 = libc::NLMSG_DONE as u16;
const DUMP_INTERRUPTED: u16 = libc::NLM_F_DUMP_INTR as u16;

/// The socket.
pub(crate) struct NftSocket {
    socket: Socket,
    seq: u32,
    buffer: Vec<u8>,
}

/// A message of the kernel, to whom it answers.
struct Received<'a> {
    /// Place in the batch of what it answers; none: the kernel tells of a change, and gives no number with it.
    place: Option<usize>,
    kind: u16,
    flags: u16,
    whole: &'a [u8],
}

impl Received<'_> {
    /// The result that an error message tells.
    fn result(&self) -> Result<(), Errno> {
        let code =
            self.whole.get(HEADER..).and_then(|payload| payload.first_chunk()).map(|code| i32::from_ne_bytes(*code));
        match code {
            Some(0) => Ok(()),
            Some(code) => Err(Errno::from_raw(code.saturating_neg())),
            None => Err(Errno::EPROTO),
        }
    }
}

impl NftSocket {
    /// Opens a socket in the calling thread's network namespace.
    pub(crate) fn open() -> Result<Self, Error> {
        let mut socket = Socket::new(NETLINK_NETFILTER).map_err(system)?;
        // Requests come back truncated in errors: less to copy.
        socket.set_cap_ack(true).map_err(system)?;
        let _ = setsockopt(&socket, RcvBufForce, &RECEIVE_BUFFER);
        socket.bind(&SocketAddr::new(0, 0)).map_err(system)?;
        Ok(Self { socket, seq: 0, buffer: vec![0; DATAGRAM_MAX] })
    }

    /// Carries out a transaction and gives what the kernel tells of it to `on_message`. Nothing of it stands when it
    /// fails, but for faults of the socket, after which that is not known.
    ///
    /// # Errors
    /// The outer one: a fault. The inner one: why the kernel refused the first change that it did not like.
    pub(crate) fn transact(
        &mut self,
        batch: Batch,
        mut on_message: impl FnMut(&[u8]),
    ) -> Result<Result<(), Errno>, Error> {
        let last = batch.len().saturating_sub(1);
        let mut result = Ok(());
        self.exchange(batch, |received| {
            if received.kind != ERROR {
                on_message(received.whole);
                return false;
            }
            result = result.and(received.result());
            // The last change is acknowledged whatever became of those before it. An error of the opening message is
            // one of the whole, and the only one then.
            received.place == Some(last) || (received.place == Some(0) && result.is_err())
        })?;
        Ok(result)
    }

    /// Asks questions of one answer each, and gives what is there to `on_message`.
    pub(crate) fn ask(&mut self, batch: Batch, mut on_message: impl FnMut(&[u8])) -> Result<(), Error> {
        let mut left = batch.len();
        let mut result = Ok(());
        self.exchange(batch, |received| {
            left = left.saturating_sub(1);
            match (received.kind, received.result()) {
                // Not there; or acknowledged without being asked to.
                (ERROR, Err(Errno::ENOENT) | Ok(())) => {}
                (ERROR, Err(errno)) => result = Err(Error::from(errno)),
                _ => on_message(received.whole),
            }
            // Without the privilege the first question is answered for all.
            left == 0 || result.is_err()
        })?;
        result
    }

    /// Asks one question of many answers, and gives them to `on_message`.
    pub(crate) fn dump(&mut self, batch: Batch, mut on_message: impl FnMut(&[u8])) -> Result<Dumped, Error> {
        let mut result = Ok(Dumped::Whole);
        self.exchange(batch, |received| {
            if received.flags & DUMP_INTERRUPTED != 0 {
                result = result.map(|_| Dumped::Interrupted);
            }
            match received.kind {
                ERROR => match received.result() {
                    Err(Errno::ENOENT) => result = Ok(Dumped::Nothing),
                    Err(errno) => result = Err(errno.into()),
                    Ok(()) => {}
                },
                // The end of a dump carries an error as an error message does.
                DONE => match received.result() {
                    Err(Errno::EINTR) => result = Ok(Dumped::Interrupted),
                    Err(errno) if errno != Errno::EPROTO => result = Err(errno.into()),
                    _ => {}
                },
                _ => {
                    on_message(received.whole);
                    return false;
                }
            }
            true
        })?;
        result
    }

    /// Sends a batch, and gives what answers it to `on_received` until that says that it was the last.
    fn exchange(&mut self, mut batch: Batch, mut on_received: impl FnMut(Received<'_>) -> bool) -> Result<(), Error> {
        let first = self.seq.wrapping_add(1);
        let bytes = batch.finish(first);
        send_all(&self.socket, bytes)?;
        let count = batch.len();
        self.seq = self.seq.wrapping_add(count as u32);
        let mut done = false;
        while !done {
            let len = self.receive()?;
            let mut rest = self.buffer.get(..len).unwrap_or_default();
            while let Some((seq, kind, flags, whole)) = message(rest) {
                let place = Some(seq.wrapping_sub(first) as usize).filter(|place| *place < count);
                // The rest answers an earlier batch that failed as a whole.
                if (place.is_some() || seq == 0) && !done {
                    done = on_received(Received { place, kind, flags, whole });
                }
                rest = rest.get(whole.len().next_multiple_of(4)..).unwrap_or_default();
            }
        }
        Ok(())
    }

    fn receive(&mut self) -> Result<usize, Error> {
        loop {
            match recv(self.socket.as_raw_fd(), &mut self.buffer, MsgFlags::MSG_DONTWAIT) {
                Ok(len) => return Ok(len),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => self.wait()?,
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    fn wait(&self) -> Result<(), Error> {
        let mut fds = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, PollTimeout::from(ANSWER_MILLIS)) {
            Ok(0) => Err(Error::Silent),
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }
}

/// How a dump ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Dumped {
    /// All was told.
    Whole,
    /// The rule set changed meanwhile: some may be missing.
    Interrupted,
    /// There is no such set.
    Nothing,
}

fn send_all(socket: &Socket, bytes: &[u8]) -> Result<(), Error> {
    loop {
        match send(socket.as_raw_fd(), bytes, MsgFlags::empty()) {
            Ok(_) => return Ok(()),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// Sequence number, type, flags and bytes of the first message.
fn message(bytes: &[u8]) -> Option<(u32, u16, u16, &[u8])> {
    let header: [u8; HEADER] = *bytes.first_chunk()?;
    let [a, b, c, d, kind0, kind1, flags0, flags1, seq0, seq1, seq2, seq3, ..] = header;
    let len = u32::from_ne_bytes([a, b, c, d]) as usize;
    let whole = bytes.get(..len).filter(|_| len >= HEADER)?;
    Some((
        u32::from_ne_bytes([seq0, seq1, seq2, seq3]),
        u16::from_ne_bytes([kind0, kind1]),
        u16::from_ne_bytes([flags0, flags1]),
        whole,
    ))
}

fn system(error: io::Error) -> Error {
    Error::from(Errno::from_raw(error.raw_os_error().unwrap_or(libc::EPROTO)))
}
