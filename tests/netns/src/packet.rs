//! DHCPv4 messages and the frames around them: a codec of the kit's own, plain and independent of the daemon's.
//!
//! It builds whatever a test asks for, also what no client would send.

use std::net::Ipv4Addr;

/// Message types: RFC 2132 §9.6.
pub mod kind {
    /// DHCPDISCOVER.
    pub const DISCOVER: u8 = 1;
    /// DHCPOFFER.
    pub const OFFER: u8 = 2;
    /// DHCPREQUEST.
    pub const REQUEST: u8 = 3;
    /// DHCPDECLINE.
    pub const DECLINE: u8 = 4;
    /// DHCPACK.
    pub const ACK: u8 = 5;
    /// DHCPNAK.
    pub const NAK: u8 = 6;
    /// DHCPRELEASE.
    pub const RELEASE: u8 = 7;
    /// DHCPINFORM.
    pub const INFORM: u8 = 8;
    /// DHCPFORCERENEW: RFC 3203 §2.
    pub const FORCERENEW: u8 = 9;
}

/// Option codes: RFC 2132, RFC 3046 §2.0, RFC 3118 §2, RFC 6704 §3.1.1.
pub mod option {
    /// Subnet mask.
    pub const MASK: u8 = 1;
    /// Domain name servers.
    pub const NAME_SERVERS: u8 = 6;
    /// Domain name.
    pub const DOMAIN_NAME: u8 = 15;
    /// Requested IP address.
    pub const REQUESTED: u8 = 50;
    /// IP address lease time.
    pub const LEASE_TIME: u8 = 51;
    /// DHCP message type.
    pub const KIND: u8 = 53;
    /// Server identifier.
    pub const SERVER: u8 = 54;
    /// Parameter request list.
    pub const PARAMETERS: u8 = 55;
    /// Client identifier.
    pub const CLIENT_ID: u8 = 61;
    /// Relay agent information.
    pub const RELAY: u8 = 82;
    /// Authentication.
    pub const AUTHENTICATION: u8 = 90;
    /// Forcerenew nonce capable.
    pub const NONCE_CAPABLE: u8 = 145;
}

const COOKIE: [u8; 4] = [99, 130, 83, 99];
/// Fixed part without the cookie: RFC 2131 §2.
const FIXED: usize = 236;
/// The smallest message that every client and relay passes: RFC 951 §3.
const BOOTP_MIN: usize = 300;
/// The broadcast flag: RFC 2131 §2.
pub const BROADCAST: u16 = 0x8000;

/// A DHCPv4 message. Options are in the order of the wire; a repeated code stands twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// 1 from clients and relays, 2 from servers.
    pub op: u8,
    /// Relays passed.
    pub hops: u8,
    /// Transaction id.
    pub xid: u32,
    /// Seconds since the client began.
    pub secs: u16,
    /// See [`BROADCAST`].
    pub flags: u16,
    /// The address that the client uses already.
    pub ciaddr: Ipv4Addr,
    /// The address for the client.
    pub yiaddr: Ipv4Addr,
    /// The next server.
    pub siaddr: Ipv4Addr,
    /// The relay.
    pub giaddr: Ipv4Addr,
    /// The client's hardware address.
    pub chaddr: [u8; 6],
    /// Code and content.
    pub options: Vec<(u8, Vec<u8>)>,
}

impl Message {
    /// A client's message of type `kind` with nothing else in it.
    #[must_use]
    pub fn request(kind: u8, chaddr: [u8; 6], xid: u32) -> Self {
        let zero = Ipv4Addr::UNSPECIFIED;
        Self {
            op: 1,
            hops: 0,
            xid,
            secs: 0,
            flags: 0,
            ciaddr: zero,
            yiaddr: zero,
            siaddr: zero,
            giaddr: zero,
            chaddr,
            options: vec![(option::KIND, vec![kind])],
        }
    }

    /// Adds an option at the end.
    #[must_use]
    pub fn with(mut self, code: u8, content: &[u8]) -> Self {
        self.options.push((code, content.to_vec()));
        self
    }

    /// The content of the first option with this code.
    #[must_use]
    pub fn option(&self, code: u8) -> Option<&[u8]> {
        self.options.iter().find(|(found, _)| *found == code).map(|(_, content)| content.as_slice())
    }

    /// An option that is one address.
    #[must_use]
    pub fn address_option(&self, code: u8) -> Option<Ipv4Addr> {
        Some(Ipv4Addr::from(<[u8; 4]>::try_from(self.option(code)?).ok()?))
    }

    /// The message type; 0 where there is none.
    #[must_use]
    pub fn kind(&self) -> u8 {
        self.option(option::KIND).and_then(|content| content.first().copied()).unwrap_or(0)
    }

    /// The message as UDP content.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![self.op, 1, 6, self.hops];
        bytes.extend(self.xid.to_be_bytes());
        bytes.extend(self.secs.to_be_bytes());
        bytes.extend(self.flags.to_be_bytes());
        for address in [self.ciaddr, self.yiaddr, self.siaddr, self.giaddr] {
            bytes.extend(address.octets());
        }
        bytes.extend(self.chaddr);
        bytes.resize(FIXED, 0);
        bytes.extend(COOKIE);
        for (code, content) in &self.options {
            // A longer content is cut in parts: RFC 3396 §5.
            for part in content.chunks(255) {
                bytes.push(*code);
                bytes.push(u8::try_from(part.len()).unwrap_or(255));
                bytes.extend(part);
            }
            if content.is_empty() {
                bytes.extend([*code, 0]);
            }
        }
        bytes.push(255);
        if bytes.len() < BOOTP_MIN {
            bytes.resize(BOOTP_MIN, 0);
        }
        bytes
    }

    /// Reads UDP content; `None` if it is no DHCP message. Overloaded `file` and `sname` fields are not read.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.get(FIXED..FIXED + 4)? != COOKIE {
            return None;
        }
        let word = |at: usize| Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes.get(at..at + 4)?).ok()?));
        let mut message = Self {
            op: *bytes.first()?,
            hops: *bytes.get(3)?,
            xid: u32::from(word(4)?),
            secs: u16::from_be_bytes(bytes.get(8..10)?.try_into().ok()?),
            flags: u16::from_be_bytes(bytes.get(10..12)?.try_into().ok()?),
            ciaddr: word(12)?,
            yiaddr: word(16)?,
            siaddr: word(20)?,
            giaddr: word(24)?,
            chaddr: bytes.get(28..34)?.try_into().ok()?,
            options: Vec::new(),
        };
        let mut rest = bytes.get(FIXED + 4..)?;
        while let Some((&code, after)) = rest.split_first() {
            match code {
                0 => rest = after,
                255 => break,
                _ => {
                    let (&length, content) = after.split_first()?;
                    let (content, next) = content.split_at_checked(usize::from(length))?;
                    message.options.push((code, content.to_vec()));
                    rest = next;
                }
            }
        }
        Some(message)
    }
}

/// Where a frame goes and comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Ethernet source.
    pub from_mac: [u8; 6],
    /// Ethernet destination.
    pub to_mac: [u8; 6],
    /// IP source.
    pub from: Ipv4Addr,
    /// IP destination.
    pub to: Ipv4Addr,
    /// UDP source port.
    pub from_port: u16,
    /// UDP destination port.
    pub to_port: u16,
}

impl Envelope {
    /// A client's broadcast from 0.0.0.0: RFC 2131 §4.1.
    #[must_use]
    pub fn client_broadcast(mac: [u8; 6]) -> Self {
        Self {
            from_mac: mac,
            to_mac: [255; 6],
            from: Ipv4Addr::UNSPECIFIED,
            to: Ipv4Addr::BROADCAST,
            from_port: 68,
            to_port: 67,
        }
    }

    /// The Ethernet frame with `payload` as UDP content and right checksums.
    #[must_use]
    pub fn frame(&self, payload: &[u8]) -> Vec<u8> {
        let length = |extra: usize| u16::try_from(payload.len() + extra).unwrap_or(u16::MAX).to_be_bytes();
        let mut ip = vec![0x45, 0];
        ip.extend(length(28));
        ip.extend([0, 0, 0, 0, 64, 17, 0, 0]);
        ip.extend(self.from.octets());
        ip.extend(self.to.octets());
        let sum = checksum(&ip).to_be_bytes();
        ip[10..12].copy_from_slice(&sum);

        let mut udp = Vec::new();
        udp.extend(self.from_port.to_be_bytes());
        udp.extend(self.to_port.to_be_bytes());
        udp.extend(length(8));
        udp.extend([0, 0]);
        udp.extend(payload);
        let mut pseudo: Vec<u8> = Vec::new();
        pseudo.extend(self.from.octets());
        pseudo.extend(self.to.octets());
        pseudo.extend([0, 17]);
        pseudo.extend(length(8));
        pseudo.extend(&udp);
        let sum = match checksum(&pseudo) {
            // RFC 768: a computed zero is sent as all ones, since zero means "none".
            0 => u16::MAX,
            sum => sum,
        };
        udp[6..8].copy_from_slice(&sum.to_be_bytes());

        let mut frame = Vec::new();
        frame.extend(self.to_mac);
        frame.extend(self.from_mac);
        frame.extend([8, 0]);
        frame.extend(ip);
        frame.extend(udp);
        frame
    }
}

/// The Internet checksum: RFC 1071 §1.
fn checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 = 0;
    for pair in bytes.chunks(2) {
        sum += u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(u16::MAX)
}

/// A VLAN tag: IEEE 802.1Q §9.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    /// 0x8100 for a customer's tag (802.1Q), 0x88a8 for a service tag (802.1ad).
    pub protocol: u16,
    /// Priority (3 bits), drop eligibility (1 bit) and VLAN (12 bits).
    pub control: u16,
}

impl Tag {
    /// The tag of 802.1Q for a VLAN, without a priority.
    #[must_use]
    pub const fn customer(vlan: u16) -> Self {
        Self { protocol: 0x8100, control: vlan }
    }

    /// The tag of 802.1ad for a VLAN, without a priority.
    #[must_use]
    pub const fn service(vlan: u16) -> Self {
        Self { protocol: 0x88a8, control: vlan }
    }

    /// The VLAN; 0 where the tag has a priority only.
    #[must_use]
    pub const fn vlan(self) -> u16 {
        self.control & 0x0fff
    }

    /// The same VLAN without a priority.
    #[must_use]
    pub const fn plain(self) -> Self {
        Self { protocol: self.protocol, control: self.vlan() }
    }

    /// `frame` with `tags` in it, the outer one first.
    #[must_use]
    pub fn put(tags: &[Self], mut frame: Vec<u8>) -> Vec<u8> {
        let bytes = tags.iter().flat_map(|tag| [tag.protocol.to_be_bytes(), tag.control.to_be_bytes()].concat());
        // Behind the two hardware addresses.
        frame.splice(12..12, bytes);
        frame
    }
}

/// A DHCP message as it was seen on a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Nanoseconds since 1970 by the capturing clock.
    pub at_nanos: u64,
    /// The VLAN tags, the outer one first.
    pub tags: Vec<Tag>,
    /// Addresses and ports around it.
    pub envelope: Envelope,
    /// The message.
    pub message: Message,
}

impl Sent {
    /// Reads an Ethernet frame; `None` if it is no DHCP message over UDP and IPv4.
    #[must_use]
    pub fn read(frame: &[u8], at_nanos: u64) -> Option<Self> {
        let to_mac = frame.get(..6)?.try_into().ok()?;
        let from_mac = frame.get(6..12)?.try_into().ok()?;
        let mut rest = frame.get(12..)?;
        let mut tags = Vec::new();
        while let [0x81, 0] | [0x88, 0xa8] = rest.get(..2)? {
            let (protocol, control) = (rest.get(..2)?.try_into().ok()?, rest.get(2..4)?.try_into().ok()?);
            tags.push(Tag { protocol: u16::from_be_bytes(protocol), control: u16::from_be_bytes(control) });
            rest = rest.get(4..)?;
        }
        let ip = rest.strip_prefix(&[8, 0])?;
        let header = usize::from(ip.first()? & 15) * 4;
        let address = |at: usize| Some(Ipv4Addr::from(<[u8; 4]>::try_from(ip.get(at..at + 4)?).ok()?));
        if *ip.get(9)? != 17 {
            return None;
        }
        let udp = ip.get(header..)?;
        let port = |at: usize| Some(u16::from_be_bytes(udp.get(at..at + 2)?.try_into().ok()?));
        let envelope =
            Envelope { from_mac, to_mac, from: address(12)?, to: address(16)?, from_port: port(0)?, to_port: port(2)? };
        let payload = udp.get(8..usize::from(port(4)?))?;
        Some(Self { at_nanos, tags, envelope, message: Message::decode(payload)? })
    }
}

/// Reads `02:00:00:00:00:01`.
#[must_use]
pub fn parse_mac(text: &str) -> Option<[u8; 6]> {
    let mut mac = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut mac {
        *byte = u8::from_str_radix(parts.next()?, 16).ok()?;
    }
    parts.next().is_none().then_some(mac)
}

/// Writes `02:00:00:00:00:01`.
#[must_use]
pub fn mac_text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_reads_back() {
        let mac = [2, 0, 0, 0, 0, 9];
        let message = Message::request(kind::DISCOVER, mac, 7).with(option::CLIENT_ID, &[1; 300]).with(80, &[]);
        let envelope = Envelope::client_broadcast(mac);
        let tags = [Tag::service(200), Tag { protocol: 0x8100, control: 0xa007 }];
        let sent = Sent::read(&Tag::put(&tags, envelope.frame(&message.encode())), 5).expect("a DHCP frame");
        assert_eq!(sent.tags, tags);
        assert_eq!((sent.envelope, sent.at_nanos, sent.message.kind()), (envelope, 5, kind::DISCOVER));
        let parts: Vec<usize> =
            sent.message.options.iter().filter(|(code, _)| *code == 61).map(|(_, content)| content.len()).collect();
        assert_eq!(parts, [255, 45]);
        assert_eq!(sent.message.option(80), Some(&[][..]));
    }

    #[test]
    fn a_cut_message_is_no_message() {
        let bytes = Message::request(kind::INFORM, [0; 6], 1).with(60, &[7; 40]).encode();
        assert!(Message::decode(&bytes[..FIXED + 3]).is_none());
        assert!(Message::decode(&bytes[..FIXED + 12]).is_none());
    }
}
