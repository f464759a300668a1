//! The system calls whose arguments are raw pointers. The only unsafe code of the crate.
//!
//! Nothing here keeps a pointer past its call: each call builds its headers on the stack, over buffers that the caller
//! owns, and turns what the kernel wrote into plain values before it returns.
#![allow(unsafe_code)]

use crate::{Auxdata, BATCH};
use bindery_types::{IfIndex, Ipv4Addr, MacAddr};
use libc::{c_int, c_void, iovec, mmsghdr, msghdr, sock_filter, sockaddr_in, sockaddr_ll, socklen_t};
use nix::errno::Errno;
use std::{
    mem::{MaybeUninit, size_of, size_of_val, zeroed},
    os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd},
};

/// Bytes of a receive slot: a jumbo frame. No power of two, so that slots do not share cache sets.
pub(crate) const SLOT_LEN: usize = 9_216;

/// Room for the control messages of one packet; 8-byte units for their alignment.
type Control = [u64; 16];

/// A cooked packet socket that receives nothing until it is bound.
pub(crate) fn packet_socket() -> Result<OwnedFd, Errno> {
    let kind = libc::SOCK_DGRAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: no pointers.
    let fd = Errno::result(unsafe { libc::socket(libc::AF_PACKET, kind, 0) })?;
    // SAFETY: the descriptor is fresh and owned by nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Starts reception of IPv4 on every interface.
pub(crate) fn bind_packet(fd: impl AsFd) -> Result<(), Errno> {
    bind_packet_to(fd, libc::ETH_P_IP)
}

/// Starts reception of an EtherType on every interface.
pub(crate) fn bind_packet_to(fd: impl AsFd, protocol: c_int) -> Result<(), Errno> {
    bind_packet_on(fd, IfIndex(0), protocol)
}

/// Starts reception of an EtherType, of every one by `ETH_P_ALL`, on one interface, or on every one by 0.
pub(crate) fn bind_packet_on(fd: impl AsFd, link: IfIndex, protocol: c_int) -> Result<(), Errno> {
    let address = link_address(link, MacAddr::default(), protocol);
    // SAFETY: `address` is a whole sockaddr_ll and its length is passed.
    let done = unsafe {
        libc::bind(fd.as_fd().as_raw_fd(), (&raw const address).cast(), size_of::<sockaddr_ll>() as socklen_t)
    };
    Errno::result(done).map(drop)
}

/// Sets an option that is an integer.
pub(crate) fn set_option(fd: impl AsFd, level: c_int, name: c_int, value: c_int) -> Result<(), Errno> {
    // SAFETY: the pointer is to an integer and its length is passed.
    let done = unsafe {
        libc::setsockopt(
            fd.as_fd().as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            size_of::<c_int>() as socklen_t,
        )
    };
    Errno::result(done).map(drop)
}

/// Puts a filter before the socket's receive queue.
pub(crate) fn attach_filter(fd: impl AsFd, program: &mut [sock_filter]) -> Result<(), Errno> {
    attach_program(fd, libc::SO_ATTACH_FILTER, program)
}

fn attach_program(fd: impl AsFd, option: c_int, program: &mut [sock_filter]) -> Result<(), Errno> {
    let len = u16::try_from(program.len()).map_err(|_| Errno::EINVAL)?;
    let program = libc::sock_fprog { len, filter: program.as_mut_ptr() };
    // SAFETY: the program lives through the call, which copies it.
    let done = unsafe {
        libc::setsockopt(
            fd.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            option,
            (&raw const program).cast(),
            size_of::<libc::sock_fprog>() as socklen_t,
        )
    };
    Errno::result(done).map(drop)
}

/// Puts a program before the sockets that share a port with this one: what it returns is the number of the socket.
pub(crate) fn attach_port_program(fd: impl AsFd, program: &mut [sock_filter]) -> Result<(), Errno> {
    attach_program(fd, libc::SO_ATTACH_REUSEPORT_CBPF, program)
}

/// Packets that the packet socket dropped since the last call.
pub(crate) fn packet_drops(fd: impl AsFd) -> Result<u32, Errno> {
    let mut words = [0u32; 2];
    option_words(fd, libc::SOL_PACKET, libc::PACKET_STATISTICS, &mut words)?;
    Ok(words[1])
}

fn option_words(fd: impl AsFd, level: c_int, name: c_int, words: &mut [u32]) -> Result<(), Errno> {
    let mut len = size_of_val(words) as socklen_t;
    // SAFETY: the kernel writes at most `len` bytes, which is what `words` has.
    let done =
        unsafe { libc::getsockopt(fd.as_fd().as_raw_fd(), level, name, words.as_mut_ptr().cast(), &raw mut len) };
    Errno::result(done).map(drop)
}

/// What the kernel said of a received packet.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Received {
    /// Bytes in the slot.
    pub(crate) len: usize,
    /// The packet was longer than the slot.
    pub(crate) truncated: bool,
    /// Sender by the packet socket: interface and MAC address.
    pub(crate) link: Option<(IfIndex, Option<MacAddr>)>,
    /// Sender by the UDP socket: address and port.
    pub(crate) inet: Option<(Ipv4Addr, u16)>,
    /// PACKET_AUXDATA.
    pub(crate) auxdata: Option<Auxdata>,
    /// IP_PKTINFO: interface and the destination in the IP header.
    pub(crate) info: Option<(IfIndex, Ipv4Addr)>,
}

/// Buffers for one receive call.
pub(crate) struct Arena {
    bytes: Box<[u8]>,
    received: [Received; BATCH],
}

impl Arena {
    pub(crate) fn new() -> Self {
        Self { bytes: vec![0; BATCH * SLOT_LEN].into_boxed_slice(), received: [Received::default(); BATCH] }
    }

    /// Receives what is there, at most [`BATCH`] packets, without waiting; how many.
    pub(crate) fn receive(&mut self, fd: impl AsFd) -> Result<usize, Errno> {
        self.receive_some(fd, BATCH)
    }

    /// The same, at most `most` packets.
    pub(crate) fn receive_some(&mut self, fd: impl AsFd, most: usize) -> Result<usize, Errno> {
        // Names and control data are the kernel's to write, and to clear 16 KiB costs more than to receive a packet.
        let mut names = [const { MaybeUninit::<libc::sockaddr_storage>::uninit() }; BATCH];
        let mut controls = [const { MaybeUninit::<Control>::uninit() }; BATCH];
        let mut slots = [iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }; BATCH];
        // SAFETY: plain data for which zero bytes are valid.
        let mut headers: [mmsghdr; BATCH] = unsafe { zeroed() };
        for ((slot, bytes), (header, (name, control))) in slots
            .iter_mut()
            .zip(self.bytes.chunks_exact_mut(SLOT_LEN))
            .zip(headers.iter_mut().zip(names.iter_mut().zip(controls.iter_mut())))
        {
            *slot = iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
            header.msg_hdr.msg_name = name.as_mut_ptr().cast();
            header.msg_hdr.msg_namelen = size_of::<libc::sockaddr_storage>() as socklen_t;
            header.msg_hdr.msg_iov = slot;
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_control = control.as_mut_ptr().cast();
            header.msg_hdr.msg_controllen = size_of::<Control>() as _;
        }
        // SAFETY: every header points to a name, a slot and a control buffer of the stated lengths, all alive and
        // not otherwise borrowed until the call returns.
        let count = Errno::result(unsafe {
            libc::recvmmsg(
                fd.as_fd().as_raw_fd(),
                headers.as_mut_ptr(),
                most.min(BATCH) as u32,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        })?;
        let count = usize::try_from(count).unwrap_or(0).min(BATCH);
        for (received, header) in self.received.iter_mut().zip(&headers).take(count) {
            // SAFETY: the kernel filled this header, and what it points to is alive.
            *received = unsafe { read_header(header) };
        }
        Ok(count)
    }

    /// The packets of the last call.
    pub(crate) fn packets(&self, count: usize) -> impl Iterator<Item = (&Received, &[u8])> {
        self.received
            .iter()
            .zip(self.bytes.chunks_exact(SLOT_LEN))
            .take(count)
            .map(|(received, slot)| (received, slot.get(..received.len).unwrap_or_default()))
    }
}

/// Turns what the kernel wrote into values.
///
/// # Safety
/// `header` was filled by recvmmsg; its name and its control buffer are alive and have room for what it says.
unsafe fn read_header(header: &mmsghdr) -> Received {
    let message: &msghdr = &header.msg_hdr;
    let named = message.msg_namelen as usize;
    let mut received = Received {
        len: header.msg_len as usize,
        truncated: message.msg_flags & (libc::MSG_TRUNC | libc::MSG_CTRUNC) != 0,
        ..Received::default()
    };
    let family = match named >= size_of::<libc::sa_family_t>() {
        // SAFETY: every name begins with its family, and the kernel wrote that much of it.
        true => c_int::from(unsafe { *message.msg_name.cast::<libc::sa_family_t>() }),
        false => libc::AF_UNSPEC,
    };
    match family {
        libc::AF_PACKET if named >= size_of::<sockaddr_ll>() => {
            // SAFETY: the family says which structure it is, and the kernel wrote all of it.
            let name = unsafe { &*message.msg_name.cast::<sockaddr_ll>() };
            let mac = (name.sll_halen == 6).then(|| name.sll_addr.first_chunk().copied().map(MacAddr)).flatten();
            received.link = Some((IfIndex(u32::try_from(name.sll_ifindex).unwrap_or(0)), mac));
        }
        libc::AF_INET if named >= size_of::<sockaddr_in>() => {
            // SAFETY: as above.
            let name = unsafe { &*message.msg_name.cast::<sockaddr_in>() };
            received.inet = Some((address(name.sin_addr), u16::from_be(name.sin_port)));
        }
        _ => {}
    }
    // SAFETY: the macros walk the control buffer within msg_controllen, which the kernel set.
    let mut control = unsafe { libc::CMSG_FIRSTHDR(message) };
    while !control.is_null() {
        // SAFETY: not null, so it is a whole cmsghdr in the control buffer.
        let (level, kind, len) = unsafe { ((*control).cmsg_level, (*control).cmsg_type, (*control).cmsg_len) };
        // SAFETY: the data follows the header within the control buffer; `len` covers both.
        let data = unsafe {
            let data = libc::CMSG_DATA(control);
            let head = data.addr().saturating_sub(control.addr());
            std::slice::from_raw_parts(data.cast_const(), len.saturating_sub(head))
        };
        match (level, kind) {
            (libc::SOL_PACKET, libc::PACKET_AUXDATA) => received.auxdata = Auxdata::parse(data),
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => received.info = packet_info(data),
            _ => {}
        }
        // SAFETY: as for CMSG_FIRSTHDR.
        control = unsafe { libc::CMSG_NXTHDR(message, control) };
    }
    received
}

/// Interface and header destination of `struct in_pktinfo`: index, local address, header destination.
fn packet_info(data: &[u8]) -> Option<(IfIndex, Ipv4Addr)> {
    let data: &[u8; 12] = data.first_chunk()?;
    let index = u32::from_ne_bytes([data[0], data[1], data[2], data[3]]);
    Some((IfIndex(index), Ipv4Addr::new(data[8], data[9], data[10], data[11])))
}

fn address(address: libc::in_addr) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::from_be(address.s_addr))
}

fn link_address(link: IfIndex, mac: MacAddr, protocol: c_int) -> sockaddr_ll {
    let mut address = [0u8; 8];
    address[..6].copy_from_slice(&mac.0);
    sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: (protocol as u16).to_be(),
        sll_ifindex: i32::try_from(link.0).unwrap_or(0),
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 6,
        sll_addr: address,
    }
}

/// Where a packet goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    /// By the packet socket.
    Link {
        /// Outgoing interface.
        link: IfIndex,
        /// Receiver.
        mac: MacAddr,
    },
    /// By the ARP socket.
    Arp {
        /// Outgoing interface.
        link: IfIndex,
        /// Receiver.
        mac: MacAddr,
    },
    /// By the UDP socket.
    Inet {
        /// Outgoing interface; 0 to let the kernel choose.
        link: IfIndex,
        /// Source address; 0.0.0.0 to let the kernel choose.
        src: Ipv4Addr,
        /// Destination.
        dst: Ipv4Addr,
        /// Destination port.
        port: u16,
    },
}

/// Name and control data of one packet to send.
#[repr(C)]
union Name {
    link: sockaddr_ll,
    inet: sockaddr_in,
}

/// Sends packets, at most [`BATCH`], without waiting; how many of them, from the first, the kernel took.
///
/// # Errors
/// The first packet was not taken.
pub(crate) fn send<'a>(fd: impl AsFd, packets: impl Iterator<Item = (Target, &'a [u8])>) -> Result<usize, Errno> {
    // Only what is sent is filled in: to clear all of it, 16 KiB, costs more than to send a packet.
    let mut headers = [const { MaybeUninit::<mmsghdr>::uninit() }; BATCH];
    let mut names = [const { MaybeUninit::<Name>::uninit() }; BATCH];
    let mut controls = [const { MaybeUninit::<Control>::uninit() }; BATCH];
    let mut slots = [const { MaybeUninit::<iovec>::uninit() }; BATCH];
    let mut count = 0u32;
    for ((target, bytes), ((header, slot), (name, control))) in
        packets.zip(headers.iter_mut().zip(&mut slots).zip(names.iter_mut().zip(&mut controls)))
    {
        // SAFETY: plain data for which zero bytes are valid.
        let message = &mut header.write(unsafe { zeroed() }).msg_hdr;
        // The kernel only reads from a slot that is sent.
        let bytes = iovec { iov_base: bytes.as_ptr().cast_mut().cast::<c_void>(), iov_len: bytes.len() };
        message.msg_iov = slot.write(bytes);
        message.msg_iovlen = 1;
        message.msg_name = name.as_mut_ptr().cast();
        match target {
            Target::Link { link, mac } => {
                name.write(Name { link: link_address(link, mac, libc::ETH_P_IP) });
                message.msg_namelen = size_of::<sockaddr_ll>() as socklen_t;
            }
            Target::Arp { link, mac } => {
                name.write(Name { link: link_address(link, mac, libc::ETH_P_ARP) });
                message.msg_namelen = size_of::<sockaddr_ll>() as socklen_t;
            }
            Target::Inet { link, src, dst, port } => {
                let inet = sockaddr_in {
                    sin_family: libc::AF_INET as u16,
                    sin_port: port.to_be(),
                    sin_addr: libc::in_addr { s_addr: dst.to_bits().to_be() },
                    sin_zero: [0; 8],
                };
                name.write(Name { inet });
                message.msg_namelen = size_of::<sockaddr_in>() as socklen_t;
                write_packet_info(message, control.write([0; 16]), link, src);
            }
        }
        count += 1;
    }
    if count == 0 {
        return Ok(0);
    }
    // SAFETY: the first `count` headers point to names, slots and control buffers that are alive.
    let sent = Errno::result(unsafe {
        libc::sendmmsg(fd.as_fd().as_raw_fd(), headers.as_mut_ptr().cast(), count, libc::MSG_DONTWAIT)
    })?;
    Ok(usize::try_from(sent).unwrap_or(0))
}

/// Says by which interface and from which address a UDP packet goes.
fn write_packet_info(message: &mut msghdr, control: &mut Control, link: IfIndex, src: Ipv4Addr) {
    let info = libc::in_pktinfo {
        ipi_ifindex: c_int::try_from(link.0).unwrap_or(0),
        ipi_spec_dst: libc::in_addr { s_addr: src.to_bits().to_be() },
        ipi_addr: libc::in_addr { s_addr: 0 },
    };
    message.msg_control = control.as_mut_ptr().cast();
    // SAFETY: CMSG_SPACE and CMSG_LEN only compute.
    let (space, len) = unsafe {
        (libc::CMSG_SPACE(size_of::<libc::in_pktinfo>() as u32), libc::CMSG_LEN(size_of::<libc::in_pktinfo>() as u32))
    };
    message.msg_controllen = space as _;
    // SAFETY: the control buffer is aligned and has room for a header and an in_pktinfo.
    unsafe {
        let header = libc::CMSG_FIRSTHDR(message);
        (*header).cmsg_level = libc::IPPROTO_IP;
        (*header).cmsg_type = libc::IP_PKTINFO;
        (*header).cmsg_len = len as _;
        libc::CMSG_DATA(header).cast::<libc::in_pktinfo>().write_unaligned(info);
    }
}
