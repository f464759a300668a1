//! DHCPv4 messages as the generator writes and reads them (RFC 2131 §2, RFC 2132).
//!
//! A message is written by copying a [`Template`] and patching what differs from client to client.

use crate::batch::SLOT;
use crate::frame::{HEADING, Mac};

/// Smallest message that every client sends (the BOOTP length, RFC 951 §3).
const LEAST: usize = 300;
/// The DHCP magic cookie (RFC 2131 §3).
const COOKIE: [u8; 4] = [0x63, 0x82, 0x53, 0x63];
/// Bytes of the circuit-id that `--option82` inserts: eight hexadecimal digits of the client's number.
pub const CIRCUIT: usize = 8;

/// DHCP message types (RFC 2132 §9.6) that the generator speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// DHCPDISCOVER.
    Discover,
    /// DHCPOFFER.
    Offer,
    /// DHCPREQUEST.
    Request,
    /// DHCPACK.
    Ack,
    /// DHCPNAK.
    Nak,
}

impl Kind {
    /// The value of option 53.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Kind::Discover => 1,
            Kind::Offer => 2,
            Kind::Request => 3,
            Kind::Ack => 5,
            Kind::Nak => 6,
        }
    }

    /// The kind for a value of option 53; `None` for kinds that no server sends to these clients.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Kind> {
        [Kind::Discover, Kind::Offer, Kind::Request, Kind::Ack, Kind::Nak].into_iter().find(|kind| kind.code() == code)
    }
}

/// How all clients of a run write their messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Style {
    /// The DHCP message stands behind an Ethernet, IPv4 and UDP heading.
    pub framed: bool,
    /// A relay agent information option with a circuit-id per client (RFC 3046).
    pub option82: bool,
    /// A client identifier (option 61): type 1 and the hardware address.
    pub client_id: bool,
    /// The broadcast flag (RFC 2131 §4.1).
    pub broadcast: bool,
}

/// What differs from message to message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fields {
    /// Transaction number; also the client's number.
    pub xid: u32,
    /// Hardware address.
    pub mac: Mac,
    /// The client's own address when it has one, else 0.
    pub ciaddr: u32,
    /// The relay's address, 0 without a relay.
    pub giaddr: u32,
    /// Option 50, requested address.
    pub requested: u32,
    /// Option 54, server identifier.
    pub server: u32,
}

/// A message of one kind, complete but for [`Fields`].
#[derive(Debug, Clone)]
pub struct Template {
    bytes: [u8; SLOT],
    base: usize,
    len: usize,
    requested_at: Option<usize>,
    server_at: Option<usize>,
    client_id_at: Option<usize>,
    circuit_at: Option<usize>,
}

/// Appends to a buffer; what does not fit is left out (the largest template takes 320 of 640 bytes).
struct Writer<'a> {
    bytes: &'a mut [u8; SLOT],
    at: usize,
}

impl Writer<'_> {
    /// Appends and returns where the first byte went.
    fn push(&mut self, value: &[u8]) -> usize {
        let at = self.at;
        put(&mut self.bytes[..], at, value);
        self.at = (at + value.len()).min(SLOT);
        at
    }
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + value.len()) {
        place.copy_from_slice(value);
    }
}

impl Template {
    /// Builds the template. A [`Kind::Request`] without `selecting` is a renewal: no options 50 and 54
    /// (RFC 2131 §4.3.2).
    #[must_use]
    pub fn new(kind: Kind, selecting: bool, style: Style, relayed: bool) -> Template {
        let mut bytes = [0; SLOT];
        let base = if style.framed { HEADING } else { 0 };
        let mut w = Writer { bytes: &mut bytes, at: base };
        w.push(&[1, 1, 6, u8::from(relayed)]);
        w.at = base + 10;
        w.push(&[if style.broadcast { 0x80 } else { 0 }, 0]);
        w.at = base + 236;
        w.push(&COOKIE);
        w.push(&[53, 1, kind.code()]);
        let client_id_at = style.client_id.then(|| w.push(&[61, 7, 1, 0, 0, 0, 0, 0, 0]) + 3);
        let selects = kind == Kind::Request && selecting;
        let server_at = selects.then(|| w.push(&[54, 4, 0, 0, 0, 0]) + 2);
        let requested_at = selects.then(|| w.push(&[50, 4, 0, 0, 0, 0]) + 2);
        w.push(&[55, 5, 1, 3, 6, 15, 43]);
        let circuit_at = style.option82.then(|| {
            w.push(&[82, 10, 1, 8]);
            w.push(&[b'0'; CIRCUIT])
        });
        w.push(&[255]);
        let len = w.at.max(base + LEAST) - base;
        Template { bytes, base, len, requested_at, server_at, client_id_at, circuit_at }
    }

    /// Length of the DHCP message, without a heading.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Never: a template has at least the BOOTP length.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Writes the message of one client and returns the bytes written, without the heading, which the caller fills.
    pub fn write(&self, out: &mut [u8; SLOT], fields: &Fields) -> usize {
        let end = self.base + self.len;
        if let (Some(to), Some(from)) = (out.get_mut(..end), self.bytes.get(..end)) {
            to.copy_from_slice(from);
        }
        let base = self.base;
        put(out, base + 4, &fields.xid.to_be_bytes());
        put(out, base + 12, &fields.ciaddr.to_be_bytes());
        put(out, base + 24, &fields.giaddr.to_be_bytes());
        put(out, base + 28, &fields.mac);
        if let Some(at) = self.requested_at {
            put(out, at, &fields.requested.to_be_bytes());
        }
        if let Some(at) = self.server_at {
            put(out, at, &fields.server.to_be_bytes());
        }
        if let Some(at) = self.client_id_at {
            put(out, at, &fields.mac);
        }
        if let Some(at) = self.circuit_at {
            put(out, at, &circuit(fields.xid));
        }
        self.len
    }
}

/// The circuit-id of a client: its number in hexadecimal.
#[must_use]
pub fn circuit(number: u32) -> [u8; CIRCUIT] {
    std::array::from_fn(|i| {
        let nibble = usize::try_from(number >> (28 - 4 * i) & 15).unwrap_or(0);
        b"0123456789abcdef".get(nibble).copied().unwrap_or(b'0')
    })
}

/// The hardware address of a client: locally administered, its number in the last four octets.
#[must_use]
pub fn mac(number: u32) -> Mac {
    let [a, b, c, d] = number.to_be_bytes();
    [0x02, 0xbe, a, b, c, d]
}

/// What the generator looks at in a server's message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply {
    /// OFFER, ACK or NAK.
    pub kind: Kind,
    /// Transaction number.
    pub xid: u32,
    /// The address given, 0 in a NAK.
    pub yiaddr: u32,
    /// The relay it was sent through.
    pub giaddr: u32,
    /// The client it is for.
    pub mac: Mac,
    /// Option 54, 0 when absent.
    pub server: u32,
    /// Option 51 in seconds, 0 when absent.
    pub lease: u32,
    /// The circuit-id of an echoed option 82, when it has the form that these clients' access node inserts.
    pub circuit: Option<[u8; CIRCUIT]>,
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

impl Reply {
    /// Reads a BOOTREPLY; `None` for anything that is not one, or whose options are cut.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Reply> {
        if *bytes.first()? != 2 || bytes.get(236..240)? != COOKIE {
            return None;
        }
        let mut kind = None;
        let (mut server, mut lease, mut circuit) = (0, 0, None);
        let mut rest = bytes.get(240..)?;
        loop {
            match rest {
                [] | [255, ..] => break,
                [0, tail @ ..] => rest = tail,
                [code, len, tail @ ..] => {
                    let value = tail.get(..usize::from(*len))?;
                    match code {
                        51 => lease = word(value, 0)?,
                        53 => kind = Kind::from_code(*value.first()?),
                        54 => server = word(value, 0)?,
                        82 => circuit = value.get(2..2 + CIRCUIT).and_then(|v| v.try_into().ok()),
                        _ => {}
                    }
                    rest = tail.get(usize::from(*len)..)?;
                }
                [_] => return None,
            }
        }
        Some(Reply {
            kind: kind?,
            xid: word(bytes, 4)?,
            yiaddr: word(bytes, 16)?,
            giaddr: word(bytes, 24)?,
            mac: bytes.get(28..34)?.try_into().ok()?,
            server,
            lease,
            circuit,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: Fields = Fields {
        xid: 0x0001_e240,
        mac: [2, 0xbe, 0, 1, 0xe2, 0x40],
        ciaddr: 0,
        giaddr: 0x0a00_0002,
        requested: 0x0a10_0005,
        server: 0x0a00_0001,
    };

    /// Options of a message as code and value.
    fn options(message: &[u8]) -> Vec<(u8, Vec<u8>)> {
        let mut rest = &message[240..];
        let mut found = Vec::new();
        while let [code, tail @ ..] = rest {
            match code {
                255 => break,
                0 => rest = tail,
                _ => {
                    let len = usize::from(tail[0]);
                    found.push((*code, tail[1..=len].to_vec()));
                    rest = &tail[1 + len..];
                }
            }
        }
        found
    }

    #[test]
    fn selecting_request_names_server_and_address() {
        let style = Style { option82: true, client_id: true, ..Style::default() };
        let template = Template::new(Kind::Request, true, style, true);
        let mut out = [0; SLOT];
        let len = template.write(&mut out, &FIELDS);
        assert!(len >= LEAST);
        assert_eq!(out[..4], [1, 1, 6, 1]);
        assert_eq!(out[24..28], [10, 0, 0, 2]);
        let options = options(&out[..len]);
        let value = |code: u8| options.iter().find(|(c, _)| *c == code).map(|(_, v)| v.clone());
        assert_eq!(value(53), Some(vec![3]));
        assert_eq!(value(54), Some(vec![10, 0, 0, 1]));
        assert_eq!(value(50), Some(vec![10, 16, 0, 5]));
        assert_eq!(value(61), Some(vec![1, 2, 0xbe, 0, 1, 0xe2, 0x40]));
        assert_eq!(value(82), Some(b"\x01\x080001e240".to_vec()));
    }

    #[test]
    fn renewal_has_neither() {
        let template = Template::new(Kind::Request, false, Style::default(), false);
        let mut out = [0; SLOT];
        let len = template.write(&mut out, &Fields { ciaddr: 0x0a10_0005, giaddr: 0, ..FIELDS });
        let codes: Vec<u8> = options(&out[..len]).into_iter().map(|(code, _)| code).collect();
        assert_eq!(codes, [53, 55]);
        assert_eq!(out[12..16], [10, 16, 0, 5]);
    }

    #[test]
    fn framed_message_stands_behind_its_heading() {
        let style = Style { framed: true, ..Style::default() };
        let template = Template::new(Kind::Discover, false, style, false);
        let mut out = [0; SLOT];
        template.write(&mut out, &FIELDS);
        assert_eq!(out[HEADING..HEADING + 4], [1, 1, 6, 0]);
        assert_eq!(out[HEADING + 4..HEADING + 8], FIELDS.xid.to_be_bytes());
    }

    fn reply(options: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; 236];
        bytes[..4].copy_from_slice(&[2, 1, 6, 0]);
        bytes[4..8].copy_from_slice(&FIELDS.xid.to_be_bytes());
        bytes[16..20].copy_from_slice(&[10, 16, 0, 5]);
        bytes[28..34].copy_from_slice(&FIELDS.mac);
        bytes.extend_from_slice(&COOKIE);
        bytes.extend_from_slice(options);
        bytes
    }

    #[test]
    fn reads_an_ack() {
        let options = b"\x35\x01\x05\x36\x04\x0a\x00\x00\x01\x33\x04\x00\x00\x0e\x10\x00\x52\x0a\x01\x080001e240\xff";
        let read = Reply::read(&reply(options)).expect("an ACK");
        assert_eq!(read.kind, Kind::Ack);
        assert_eq!((read.server, read.lease, read.yiaddr), (0x0a00_0001, 3600, 0x0a10_0005));
        assert_eq!(read.circuit, Some(circuit(FIELDS.xid)));
        assert_eq!(read.mac, FIELDS.mac);
    }

    #[test]
    fn cut_and_foreign_messages_are_none() {
        let whole = reply(b"\x35\x01\x05\x36\x04\x0a\x00\x00\x01\x33\x04\x00\x00\x0e\x10\xff");
        for cut in 0..243 {
            assert_eq!(Reply::read(&whole[..cut]), None, "cut at {cut}");
        }
        let mut request = whole.clone();
        request[0] = 1;
        assert_eq!(Reply::read(&request), None);
        assert_eq!(Reply::read(&reply(b"\x36\x04\x0a\x00\x00\x01\xff")), None, "no type");
        assert_eq!(Reply::read(&reply(b"\x35\x01\x05\x33\x02\x00\x00\xff")), None, "short lease time");
    }
}
