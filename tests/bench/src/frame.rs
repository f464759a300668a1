//! Ethernet, IPv4 and UDP around a DHCP message, for clients that have no address and so no UDP socket.

/// Bytes before the DHCP message in a frame: Ethernet 14, IPv4 20 without options, UDP 8.
pub const HEADING: usize = 42;
/// UDP port of DHCP servers and relays (RFC 2131 §4.1).
pub const SERVER_PORT: u16 = 67;
/// UDP port of DHCP clients (RFC 2131 §4.1).
pub const CLIENT_PORT: u16 = 68;
/// A hardware address of Ethernet.
pub type Mac = [u8; 6];
/// The broadcast hardware address.
pub const EVERYBODY: Mac = [0xff; 6];

/// Addresses of one frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends {
    /// Destination hardware address.
    pub to_mac: Mac,
    /// Source hardware address.
    pub from_mac: Mac,
    /// Source IPv4 address, 0 for a client without one.
    pub from: u32,
    /// Destination IPv4 address.
    pub to: u32,
}

/// Sum of 16-bit words in network order, not folded (RFC 1071 §1).
fn sum(bytes: &[u8]) -> u32 {
    let mut words = bytes.chunks_exact(2);
    let mut total: u32 = 0;
    for word in &mut words {
        if let [high, low] = word {
            total += u32::from(u16::from_be_bytes([*high, *low]));
        }
    }
    if let [last] = words.remainder() {
        total += u32::from(*last) << 8;
    }
    total
}

fn fold(mut total: u32) -> u16 {
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    !u16::try_from(total).unwrap_or(0)
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + value.len()) {
        place.copy_from_slice(value);
    }
}

/// Writes the heading in front of a DHCP message of `payload` bytes that stands at [`HEADING`], with both checksums.
/// Returns the length of the frame.
pub fn write_heading(frame: &mut [u8], payload: usize, ends: &Ends) -> usize {
    let udp_len = u16::try_from(payload + 8).unwrap_or(u16::MAX);
    let ip_len = udp_len.saturating_add(20);
    put(frame, 0, &ends.to_mac);
    put(frame, 6, &ends.from_mac);
    put(frame, 12, &[0x08, 0x00]);
    put(frame, 14, &[0x45, 0x10]);
    put(frame, 16, &ip_len.to_be_bytes());
    put(frame, 18, &[0, 0, 0, 0, 64, 17, 0, 0]);
    put(frame, 26, &ends.from.to_be_bytes());
    put(frame, 30, &ends.to.to_be_bytes());
    let checksum = fold(sum(frame.get(14..34).unwrap_or(&[])));
    put(frame, 24, &checksum.to_be_bytes());
    put(frame, 34, &CLIENT_PORT.to_be_bytes());
    put(frame, 36, &SERVER_PORT.to_be_bytes());
    put(frame, 38, &udp_len.to_be_bytes());
    put(frame, 40, &[0, 0]);
    let pseudo = sum(frame.get(26..34).unwrap_or(&[])) + 17 + u32::from(udp_len);
    let body = sum(frame.get(34..HEADING + payload).unwrap_or(&[]));
    // A computed 0 is sent as all ones, as 0 means "no checksum" (RFC 768).
    let checksum = match fold(pseudo + body) {
        0 => 0xffff,
        other => other,
    };
    put(frame, 40, &checksum.to_be_bytes());
    HEADING + payload
}

/// What [`read_heading`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heading<'a> {
    /// Destination hardware address of the frame.
    pub to_mac: Mac,
    /// Destination IPv4 address.
    pub to: u32,
    /// The UDP payload.
    pub payload: &'a [u8],
}

/// Reads the heading of a frame to the clients' port; `None` for anything else, fragments and short frames included.
/// Checksums are not looked at: on a veth the kernel leaves them for hardware that is not there.
#[must_use]
pub fn read_heading(frame: &[u8]) -> Option<Heading<'_>> {
    let to_mac: Mac = frame.get(0..6)?.try_into().ok()?;
    let ip = frame.get(14..)?;
    if frame.get(12..14)? != [0x08, 0x00] || ip.first()? >> 4 != 4 || *ip.get(9)? != 17 {
        return None;
    }
    let fragment = u16::from_be_bytes([*ip.get(6)?, *ip.get(7)?]);
    if fragment & 0x3fff != 0 {
        return None;
    }
    let to = u32::from_be_bytes(ip.get(16..20)?.try_into().ok()?);
    let udp = ip.get(usize::from(ip.first()? & 15) * 4..)?;
    let port = u16::from_be_bytes([*udp.get(2)?, *udp.get(3)?]);
    let len = usize::from(u16::from_be_bytes([*udp.get(4)?, *udp.get(5)?]));
    (port == CLIENT_PORT).then_some(())?;
    Some(Heading { to_mac, to, payload: udp.get(8..len)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends() -> Ends {
        Ends { to_mac: EVERYBODY, from_mac: [2, 0, 0, 0, 0, 1], from: 0, to: u32::MAX }
    }

    #[test]
    fn checksums_verify_to_zero() {
        let mut frame = [0u8; HEADING + 301];
        for (i, byte) in frame.iter_mut().enumerate().skip(HEADING) {
            *byte = u8::try_from(i % 251).unwrap_or(0);
        }
        let len = write_heading(&mut frame, 301, &ends());
        assert_eq!(len, HEADING + 301);
        assert_eq!(fold(sum(&frame[14..34])), 0, "IPv4 header");
        let pseudo = sum(&frame[26..34]) + 17 + 309;
        assert_eq!(fold(pseudo + sum(&frame[34..])), 0, "UDP");
    }

    #[test]
    fn reads_what_a_server_sends() {
        let mut frame = [7u8; HEADING + 300];
        write_heading(&mut frame, 300, &ends());
        assert_eq!(read_heading(&frame), None, "that one goes to the servers' port");
        frame[36..38].copy_from_slice(&CLIENT_PORT.to_be_bytes());
        let heading = read_heading(&frame).expect("a whole frame");
        assert_eq!(heading.payload.len(), 300);
        assert_eq!(heading.to_mac, EVERYBODY);
        for cut in 0..frame.len() {
            assert_eq!(read_heading(&frame[..cut]), None, "cut at {cut}");
        }
        frame[20] = 0x20;
        assert_eq!(read_heading(&frame), None, "a fragment");
    }
}
