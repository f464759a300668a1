//! IPv4 and UDP headers: what stands behind the Ethernet header of a packet socket.
//!
//! A packet socket hands over what the kernel has not checked, so every length and checksum is checked here.

use alloc::vec::Vec;
use bindery_types::Ipv4Addr;
use core::fmt;

/// Bytes of an IPv4 header without options.
const IP_HEADER_LEN: usize = 20;
/// Bytes of a UDP header.
const UDP_HEADER_LEN: usize = 8;
/// IP protocol number of UDP.
const UDP: u8 = 17;

/// A UDP datagram in an IPv4 packet, its headers checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UdpDatagram<'a> {
    /// Source address.
    pub src: Ipv4Addr,
    /// Destination address.
    pub dst: Ipv4Addr,
    /// Source port.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
    /// What the datagram carries.
    pub payload: &'a [u8],
}

/// Why the bytes are no UDP datagram for us, or cannot be made one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FrameError {
    /// Shorter than its headers.
    TooShort,
    /// The version is not 4 (RFC 791 §3.1).
    NotIpv4,
    /// The header length is under 20 bytes, or the total length is under the header's or over the bytes at hand
    /// (RFC 791 §3.1).
    BadIpLength,
    /// The header checksum is wrong (RFC 791 §3.1).
    BadIpChecksum,
    /// A fragment (RFC 791 §3.2). The UDP socket gets the whole datagram from the kernel where one matters.
    Fragment,
    /// The protocol is not UDP.
    NotUdp,
    /// The UDP length is under 8 or over what the packet holds (RFC 768).
    BadUdpLength,
    /// The UDP checksum is wrong (RFC 768). Counts as Junos's `bad-udp-checksum`.
    BadUdpChecksum,
    /// The payload to send is over 65,507 bytes.
    TooLong,
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooShort => "the packet is shorter than its headers",
            Self::NotIpv4 => "the packet is not IPv4",
            Self::BadIpLength => "a length in the IP header is wrong",
            Self::BadIpChecksum => "the IP header checksum is wrong",
            Self::Fragment => "the packet is a fragment",
            Self::NotUdp => "the packet is not UDP",
            Self::BadUdpLength => "the UDP length is wrong",
            Self::BadUdpChecksum => "the UDP checksum is wrong",
            Self::TooLong => "the payload does not fit into a UDP datagram",
        })
    }
}

impl core::error::Error for FrameError {}

impl<'a> UdpDatagram<'a> {
    /// Reads an IPv4 packet that starts at its IP header; bytes behind its total length (Ethernet padding) are let be.
    ///
    /// `checksum_pending` is the kernel's word that the UDP checksum was left to an offload and is not there yet
    /// (TP_STATUS_CSUMNOTREADY, seen between namespaces of one host); it is not verified then.
    ///
    /// # Errors
    /// [`FrameError`], every variant but [`FrameError::TooLong`].
    pub fn parse(bytes: &'a [u8], checksum_pending: bool) -> Result<Self, FrameError> {
        let header: &[u8; IP_HEADER_LEN] = bytes.first_chunk().ok_or(FrameError::TooShort)?;
        if header[0] >> 4 != 4 {
            return Err(FrameError::NotIpv4);
        }
        let header_len = usize::from(header[0] & 0x0f) * 4;
        let total_len = usize::from(u16::from_be_bytes([header[2], header[3]]));
        if header_len < IP_HEADER_LEN || total_len < header_len {
            return Err(FrameError::BadIpLength);
        }
        let packet = bytes.get(..total_len).ok_or(FrameError::BadIpLength)?;
        let (ip_header, datagram) = packet.split_at_checked(header_len).ok_or(FrameError::BadIpLength)?;
        if !is_valid(sum(0, ip_header)) {
            return Err(FrameError::BadIpChecksum);
        }
        // More-fragments, or a fragment offset.
        if u16::from_be_bytes([header[6], header[7]]) & 0x3fff != 0 {
            return Err(FrameError::Fragment);
        }
        if header[9] != UDP {
            return Err(FrameError::NotUdp);
        }
        let src = Ipv4Addr::new(header[12], header[13], header[14], header[15]);
        let dst = Ipv4Addr::new(header[16], header[17], header[18], header[19]);
        Self::parse_udp(src, dst, datagram, checksum_pending)
    }

    fn parse_udp(src: Ipv4Addr, dst: Ipv4Addr, datagram: &'a [u8], checksum_pending: bool) -> Result<Self, FrameError> {
        let header: &[u8; UDP_HEADER_LEN] = datagram.first_chunk().ok_or(FrameError::TooShort)?;
        let word = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
        let udp_len = word(4);
        if usize::from(udp_len) < UDP_HEADER_LEN {
            return Err(FrameError::BadUdpLength);
        }
        let datagram = datagram.get(..usize::from(udp_len)).ok_or(FrameError::BadUdpLength)?;
        // RFC 768: a checksum of zero means that the sender made none.
        let verify = !checksum_pending && word(6) != 0;
        if verify && !is_valid(sum(pseudo_header(src, dst, udp_len), datagram)) {
            return Err(FrameError::BadUdpChecksum);
        }
        let payload = datagram.get(UDP_HEADER_LEN..).unwrap_or_default();
        Ok(Self { src, dst, src_port: word(0), dst_port: word(2), payload })
    }

    /// Appends the datagram as an IPv4 packet with both checksums; see [`write_udp`].
    ///
    /// # Errors
    /// [`FrameError::TooLong`].
    pub fn write(&self, ttl: u8, out: &mut Vec<u8>) -> Result<(), FrameError> {
        write_udp(self.src, self.dst, self.src_port, self.dst_port, ttl, self.payload, out)
    }
}

/// Appends an IPv4 packet with a UDP datagram, both checksums set.
///
/// Do-not-fragment is set, so that an identification of zero is sound (RFC 6864 §4.1); a packet socket does not
/// fragment anyway.
///
/// # Errors
/// [`FrameError::TooLong`] where `payload` is over 65,507 bytes; `out` is unchanged then.
pub fn write_udp(
    src: Ipv4Addr,
    dst: Ipv4Addr,
    src_port: u16,
    dst_port: u16,
    ttl: u8,
    payload: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), FrameError> {
    let total_len = u16::try_from(payload.len() + UDP_HEADER_LEN + IP_HEADER_LEN).map_err(|_| FrameError::TooLong)?;
    let udp_len = total_len - IP_HEADER_LEN as u16;

    let mut ip = [0u8; IP_HEADER_LEN];
    ip[0] = 0x45;
    ip[2..4].copy_from_slice(&total_len.to_be_bytes());
    ip[6] = 0x40;
    ip[8] = ttl;
    ip[9] = UDP;
    ip[12..16].copy_from_slice(&src.octets());
    ip[16..20].copy_from_slice(&dst.octets());
    let checksum = !fold(sum(0, &ip));
    ip[10..12].copy_from_slice(&checksum.to_be_bytes());

    let mut udp = [0u8; UDP_HEADER_LEN];
    udp[0..2].copy_from_slice(&src_port.to_be_bytes());
    udp[2..4].copy_from_slice(&dst_port.to_be_bytes());
    udp[4..6].copy_from_slice(&udp_len.to_be_bytes());
    let checksum = !fold(sum(sum(pseudo_header(src, dst, udp_len), &udp), payload));
    // RFC 768: a computed zero is sent as all ones, because zero means none.
    let checksum = if checksum == 0 { 0xffff } else { checksum };
    udp[6..8].copy_from_slice(&checksum.to_be_bytes());

    out.reserve(usize::from(total_len));
    out.extend_from_slice(&ip);
    out.extend_from_slice(&udp);
    out.extend_from_slice(payload);
    Ok(())
}

/// Sum of the pseudo header (RFC 768).
fn pseudo_header(src: Ipv4Addr, dst: Ipv4Addr, udp_len: u16) -> u64 {
    sum(sum(0, &src.octets()), &dst.octets()) + u64::from(UDP) + u64::from(udp_len)
}

/// Adds the 16-bit words of `bytes` to `start`; an odd last byte is the high half of a word (RFC 1071 §1). All parts of
/// a sum but the last have an even length.
fn sum(start: u64, bytes: &[u8]) -> u64 {
    let (pairs, odd) = bytes.as_chunks::<2>();
    let words: u64 = pairs.iter().map(|pair| u64::from(u16::from_be_bytes(*pair))).sum();
    start + words + odd.first().map_or(0, |byte| u64::from(*byte) << 8)
}

/// The one's complement sum in 16 bits (RFC 1071 §1).
fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// A sum over data and its checksum is all ones (RFC 1071 §1).
fn is_valid(sum: u64) -> bool {
    fold(sum) == 0xffff
}
