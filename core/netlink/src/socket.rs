//! A route netlink socket: batches out, answers in.

use crate::{Fault, OpenError};
use netlink_packet_core::{NLM_F_ACK, NLM_F_REQUEST, NetlinkBuffer, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::socket::{
        MsgFlags, recv, send, setsockopt,
        sockopt::{RcvBuf, RcvBufForce},
    },
};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

/// Longest datagram of the kernel: it cuts its dumps to the reader's buffer, up to 32 KiB.
const DATAGRAM_MAX: usize = 64 << 10;

/// How long the kernel may take to answer. It answers within the send call; this only ends a wait that is lost.
const ANSWER_MILLIS: u16 = 10_000;

/// Message types of every netlink family.
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;

/// A route netlink socket with a batch under construction.
pub(crate) struct RouteSocket {
    socket: Socket,
    /// The kernel's name of the socket: messages that our requests cause carry it.
    port: u32,
    seq: u32,
    /// The batch, as bytes.
    batch: Vec<u8>,
    /// What its messages are to their sender.
    tags: Vec<u32>,
    /// Where its last message starts.
    last_start: usize,
    /// Sequence number of its first message.
    first_seq: u32,
    buffer: Vec<u8>,
}

/// An answer of the kernel.
pub(crate) enum Answer<'a> {
    /// The request with this tag failed.
    Error(u32, Errno),
    /// A message of the answer to the request with this tag.
    Message(u32, &'a [u8]),
}

impl RouteSocket {
    /// Opens a socket that hears the multicast groups of the mask `groups`, with a receive buffer of `buffer` bytes.
    pub(crate) fn open(groups: u32, buffer: usize) -> Result<Self, OpenError> {
        let mut socket = Socket::new(NETLINK_ROUTE).map_err(OpenError::system("opening a netlink socket"))?;
        // Requests come back truncated in errors: less to copy.
        socket.set_cap_ack(true).map_err(OpenError::system("setting NETLINK_CAP_ACK"))?;
        // Dumps are filtered in the kernel. Linux 4.20 or newer.
        socket
            .set_netlink_get_strict_chk(true)
            .map_err(OpenError::system("setting NETLINK_GET_STRICT_CHK (Linux 4.20 or newer)"))?;
        if setsockopt(&socket, RcvBufForce, &buffer).is_err() {
            let _ = setsockopt(&socket, RcvBuf, &buffer);
        }
        socket.bind(&SocketAddr::new(0, groups)).map_err(OpenError::system("binding a netlink socket"))?;
        let mut address = SocketAddr::new(0, 0);
        socket.get_address(&mut address).map_err(OpenError::system("naming a netlink socket"))?;
        Ok(Self {
            socket,
            port: address.port_number(),
            seq: 0,
            batch: Vec::new(),
            tags: Vec::new(),
            last_start: 0,
            first_seq: 1,
            buffer: vec![0; DATAGRAM_MAX],
        })
    }

    /// The kernel's name of this socket.
    pub(crate) fn port(&self) -> u32 {
        self.port
    }

    /// Adds a request to the batch; answers to it carry `tag`.
    pub(crate) fn push(&mut self, message: RouteNetlinkMessage, flags: u16, tag: u32) {
        self.seq = self.seq.wrapping_add(1);
        if self.batch.is_empty() {
            self.first_seq = self.seq;
            self.tags.clear();
        }
        self.tags.push(tag);
        let mut message = NetlinkMessage::from(message);
        message.header.flags = flags | NLM_F_REQUEST;
        message.header.sequence_number = self.seq;
        message.finalize();
        self.last_start = self.batch.len();
        // Messages start at multiples of four bytes.
        let len = message.buffer_len();
        self.batch.resize(self.last_start + len.next_multiple_of(4), 0);
        if let Some(space) = self.batch.get_mut(self.last_start..self.last_start + len) {
            message.serialize(space);
        }
    }

    /// Sends the batch and gives the kernel's answers to `on_answer` until all of it is done.
    ///
    /// Only the last message asks for an acknowledgement: the kernel handles the messages in order within the send
    /// call, goes on behind one that fails, and reports each failure. So a message with no error before the last
    /// acknowledgement has succeeded.
    pub(crate) fn flush(&mut self, mut on_answer: impl FnMut(Answer<'_>)) -> Result<(), Fault> {
        if self.batch.is_empty() {
            return Ok(());
        }
        if let Some(flags) = self.batch.get_mut(self.last_start + 6..self.last_start + 8) {
            let with_ack = u16::from_ne_bytes([flags[0], flags[1]]) | NLM_F_ACK;
            flags.copy_from_slice(&with_ack.to_ne_bytes());
        }
        let (first, last) = (self.first_seq, self.seq);
        let sent = self.send_batch();
        self.batch.clear();
        sent?;
        let tags = std::mem::take(&mut self.tags);
        let mut done = Ok(false);
        while done == Ok(false) {
            let read = self.receive(true, |seq, kind, payload| {
                // Answers without a tag belong to an earlier batch, which ended in a fault.
                let Some(tag) = tags.get(seq.wrapping_sub(first) as usize) else { return };
                match kind {
                    NLMSG_ERROR => {
                        if let Some(errno) = error_code(payload) {
                            on_answer(Answer::Error(*tag, errno));
                        }
                    }
                    NLMSG_DONE => {}
                    _ => {
                        on_answer(Answer::Message(*tag, payload));
                        return;
                    }
                }
                if seq == last {
                    done = Ok(true);
                }
            });
            done = read.and(done);
        }
        self.tags = tags;
        done.map(drop)
    }

    /// Sends the batch, which is one dump request, without reading the answer.
    pub(crate) fn start_dump(&mut self) -> Result<(), Fault> {
        let sent = self.send_batch();
        self.batch.clear();
        Ok(sent?)
    }

    /// Reads one datagram of a dump's answer; whether that was the last.
    pub(crate) fn read_dump(&mut self, mut on_message: impl FnMut(&[u8])) -> Result<bool, Fault> {
        let mut done = Ok(false);
        let current = self.seq;
        self.receive(true, |seq, kind, payload| match kind {
            _ if seq != current => {}
            NLMSG_DONE => done = Ok(true),
            NLMSG_ERROR => done = Err(Fault::System(error_code(payload).unwrap_or(Errno::EPROTO))),
            _ => on_message(payload),
        })?;
        done
    }

    /// Reads a notification datagram without waiting; whether there was one.
    pub(crate) fn read_notification(&mut self, mut on_message: impl FnMut(&[u8])) -> Result<bool, Fault> {
        match self.receive(false, |_, _, message| on_message(message)) {
            Ok(()) => Ok(true),
            Err(Fault::System(Errno::EAGAIN)) => Ok(false),
            Err(fault) => Err(fault),
        }
    }

    fn send_batch(&self) -> Result<(), Errno> {
        loop {
            match send(self.socket.as_raw_fd(), &self.batch, MsgFlags::empty()) {
                Ok(_) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno),
            }
        }
    }

    /// Reads one datagram and gives its messages (sequence number, type, whole message) to `on_message`; for errors
    /// the payload only.
    fn receive(&mut self, wait: bool, mut on_message: impl FnMut(u32, u16, &[u8])) -> Result<(), Fault> {
        let len = loop {
            match recv(self.socket.as_raw_fd(), &mut self.buffer, MsgFlags::MSG_DONTWAIT) {
                Ok(len) => break len,
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) if wait => self.wait()?,
                Err(errno) => return Err(errno.into()),
            }
        };
        let mut rest = self.buffer.get(..len).unwrap_or_default();
        while let Ok(message) = NetlinkBuffer::new_checked(rest) {
            let len = message.length() as usize;
            let Some(whole) = rest.get(..len) else { break };
            let kind = message.message_type();
            let given = if kind == NLMSG_ERROR { whole.get(16..).unwrap_or_default() } else { whole };
            on_message(message.sequence_number(), kind, given);
            rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
        }
        Ok(())
    }

    fn wait(&self) -> Result<(), Fault> {
        let mut fds = [PollFd::new(self.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, PollTimeout::from(ANSWER_MILLIS)) {
            Ok(0) => Err(Fault::Silent),
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }
}

impl AsFd for RouteSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The error in the payload of an error message; `None` for an acknowledgement.
fn error_code(payload: &[u8]) -> Option<Errno> {
    let code = i32::from_ne_bytes(*payload.first_chunk()?);
    (code != 0).then(|| Errno::from_raw(code.saturating_neg()))
}

/// Parses a whole message; `None` for what the library cannot read.
pub(crate) fn parse(message: &[u8]) -> Option<RouteNetlinkMessage> {
    match NetlinkMessage::<RouteNetlinkMessage>::deserialize(message).ok()?.payload {
        NetlinkPayload::InnerMessage(message) => Some(message),
        _ => None,
    }
}
