//! Two queues in the kernel instead of one, so that a flood cannot fill the place of renewals.
//!
//! The buffer of a socket is a queue, and a flood fills it: whoever comes then is lost before this process could choose.
//! So there are two sockets of each kind, told apart by what begins the options: option 53 with REQUEST, DECLINE or
//! RELEASE makes a message urgent, and all else, garbage too, is not. Real clients put option 53 first. A message with
//! another option in front waits in the other queue, and nothing else comes of it.
//!
//! Each has a filter that says which messages it takes. The two UDP sockets share their port by SO_REUSEPORT and a program
//! that chooses for unicast, since the kernel offers that to one of them only (and a broadcast to both). The first one is
//! bound without that option, so that the port is still refused where another server has it.

use crate::{
    filter::{
        IS_AT_LEAST, JUMP_EQUAL, LOAD_BYTE, LOAD_BYTE_INDEXED, LOAD_HALF, LOAD_HALF_INDEXED, LOAD_LEN, LOAD_WORD,
        LOAD_WORD_INDEXED, LOAD_X, RETURN, SUBTRACT_X, jump, op,
    },
    sys,
};
use libc::sock_filter;
use nix::errno::Errno;
use std::os::fd::OwnedFd;

/// Offsets in a DHCP message: the magic cookie, the first option, its value (RFC 2131 §3).
const COOKIE: u32 = 236;
const OPTION: u32 = 240;
const VALUE: u32 = 242;
const MAGIC: u32 = 0x6382_5363;
/// Option 53 with a value of one byte.
const MESSAGE_TYPE: u32 = 0x3501;
/// Length of a UDP header.
const UDP: u32 = 8;

/// The filter of a packet socket for what is urgent of the packets that `base` takes, or for what is not. `base` ends with
/// the returns of nothing and of all.
pub(crate) fn packet(base: &[sock_filter], urgent: bool) -> Vec<sock_filter> {
    let (yes, no) = if urgent { (u32::MAX, 0) } else { (0, u32::MAX) };
    let mut program = base.to_vec();
    // In place of the return of all.
    program.pop();
    program.extend([
        // A load behind the end would drop the packet: what is too short to be urgent is told by its length.
        op(LOAD_LEN, 0),
        op(SUBTRACT_X, 0),
        jump(IS_AT_LEAST, UDP + VALUE + 1, 0, 8),
        op(LOAD_WORD_INDEXED, UDP + COOKIE),
        jump(JUMP_EQUAL, MAGIC, 0, 6),
        op(LOAD_HALF_INDEXED, UDP + OPTION),
        jump(JUMP_EQUAL, MESSAGE_TYPE, 0, 4),
        op(LOAD_BYTE_INDEXED, UDP + VALUE),
        jump(JUMP_EQUAL, 3, 3, 0),
        jump(JUMP_EQUAL, 4, 2, 0),
        jump(JUMP_EQUAL, 7, 1, 0),
        op(RETURN, no),
        op(RETURN, yes),
    ]);
    program
}

/// The same for a UDP socket, whose packets start at the UDP header.
pub(crate) fn datagram(base: &[sock_filter], urgent: bool) -> Vec<sock_filter> {
    let mut base = base.to_vec();
    if let Some(all) = base.last_mut() {
        *all = op(LOAD_X, 0);
    }
    base.push(op(RETURN, u32::MAX));
    packet(&base, urgent)
}

/// Chooses among UDP sockets that share a port: 0, which was bound first, for what is not urgent, 1 for what is. It sees the
/// payload; a load behind its end chooses 0.
fn choose() -> [sock_filter; 10] {
    [
        op(LOAD_WORD, COOKIE),
        jump(JUMP_EQUAL, MAGIC, 0, 6),
        op(LOAD_HALF, OPTION),
        jump(JUMP_EQUAL, MESSAGE_TYPE, 0, 4),
        op(LOAD_BYTE, VALUE),
        jump(JUMP_EQUAL, 3, 3, 0),
        jump(JUMP_EQUAL, 4, 2, 0),
        jump(JUMP_EQUAL, 7, 1, 0),
        op(RETURN, 0),
        op(RETURN, 1),
    ]
}

/// Lets `first`, which is bound, share its port with the sockets that are bound after this.
pub(crate) fn share_port(first: &OwnedFd) -> Result<(), Errno> {
    sys::set_option(first, libc::SOL_SOCKET, libc::SO_REUSEPORT, 1)
}

/// Sorts the datagrams of a port that two sockets share.
pub(crate) fn sort_port(first: &OwnedFd) -> Result<(), Errno> {
    sys::attach_port_program(first, &mut choose())
}
