//! A received message, read where it lies.

use super::{
    CHADDR, CodeSet, DecodeError, FILE, FILE_LEN, FLAG_BROADCAST, HEADER_LEN, MAGIC_COOKIE, MessageType, OPTIONS, Op,
    OptionCode, OptionFault, SNAME, SNAME_LEN,
};
use alloc::{borrow::Cow, vec::Vec};
use bindery_types::{HwAddr, Ipv4Addr, Xid};

/// How strictly a message is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ParseRules {
    /// Takes a field of options that ends without an end option for complete, against RFC 2131 §4.1. Off by default;
    /// Junos's `overrides allow-no-end-option`.
    pub allow_no_end_option: bool,
}

/// A DHCPv4 message that borrows its datagram.
///
/// ```text
///  0                   1                   2                   3        RFC 2131 §2, figure 1
///  +---------------+---------------+---------------+---------------+
///  |     op (1)    |   htype (1)   |   hlen (1)    |   hops (1)    |   0
///  |                            xid (4)                            |   4
///  |           secs (2)            |           flags (2)           |   8
///  |            ciaddr (4), yiaddr (4), siaddr (4), giaddr (4)     |  12
///  |                          chaddr  (16)                         |  28
///  |                          sname   (64)                         |  44
///  |                          file    (128)                        | 108
///  |                 magic cookie (4), options (variable)          | 236
///  +---------------+---------------+---------------+---------------+
/// ```
///
/// `parse` walks the options once and keeps, without allocation, which codes there are and where the first instance of
/// each lies; so absence is one bit test and a look-up a scan of a few words.
#[derive(Clone, Debug)]
pub struct Packet<'a> {
    bytes: &'a [u8],
    header: &'a [u8; HEADER_LEN],
    op: Op,
    hw_addr: HwAddr,
    message_type: Option<MessageType>,
    /// Bit 0: `file` holds options; bit 1: `sname` does (RFC 2132 §9.3).
    overload: u8,
    present: CodeSet,
    /// Codes that have more than one instance.
    repeated: CodeSet,
    indexed: u8,
    index: [Place; Packet::INDEX_LEN],
}

/// Where the value of the first instance of a code lies.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    start: u16,
    code: u8,
    len: u8,
}

impl<'a> Packet<'a> {
    /// Most option instances of a message. Over twice as many as there are codes; a message with more is an attempt to
    /// make look-ups slow.
    pub const OPTION_INSTANCES_MAX: usize = 512;

    /// Codes in the index. Clients send about ten; the rest is found by walking the message again.
    const INDEX_LEN: usize = 32;

    /// Reads a UDP payload.
    ///
    /// # Errors
    /// [`DecodeError`], always the sender's doing. Bytes behind the end option are not looked at.
    pub fn parse(bytes: &'a [u8], rules: ParseRules) -> Result<Self, DecodeError> {
        let (mut packet, rest) = Self::header(bytes)?;
        // RFC 2131 §3: the first four bytes of the options field are the cookie.
        if !rest.starts_with(&MAGIC_COOKIE) {
            return Err(DecodeError::NoOptions);
        }
        if bytes.len() > usize::from(u16::MAX) {
            return Err(DecodeError::BadOptions(OptionFault::TooMany));
        }
        packet.read_options(rules).map_err(DecodeError::BadOptions)?;
        packet.message_type = match packet.byte_option(OptionCode::DHCP_MESSAGE_TYPE) {
            None => None,
            Some(value) => {
                Some(MessageType::try_from(value).map_err(|unknown| DecodeError::BadMessageType(unknown.0))?)
            }
        };
        Ok(packet)
    }

    /// Reads a BOOTP message whose vendor field has no magic cookie (RFC 951 §3): it has no options.
    ///
    /// # Errors
    /// [`DecodeError`], always the sender's doing; [`DecodeError::NoOptions`] where there is a cookie: then the options
    /// count.
    pub fn parse_without_options(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let (packet, vendor) = Self::header(bytes)?;
        if vendor.starts_with(&MAGIC_COOKIE) { Err(DecodeError::NoOptions) } else { Ok(packet) }
    }

    /// Reads the header; the message as if it had no options, and what stands behind the header.
    fn header(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), DecodeError> {
        let (header, rest) = bytes.split_first_chunk::<HEADER_LEN>().ok_or(DecodeError::TooShort)?;
        let op = match header[0] {
            1 => Op::BootRequest,
            2 => Op::BootReply,
            other => return Err(DecodeError::BadOpcode(other)),
        };
        let packet = Self {
            bytes,
            header,
            op,
            hw_addr: hardware_address(header)?,
            message_type: None,
            overload: 0,
            present: CodeSet::new(),
            repeated: CodeSet::new(),
            indexed: 0,
            index: [Place::default(); Packet::INDEX_LEN],
        };
        Ok((packet, rest))
    }

    /// Bytes of the vendor field or options, magic cookie included.
    pub fn vendor_len(&self) -> usize {
        self.bytes.len().saturating_sub(HEADER_LEN)
    }

    /// Whether the options field begins with the magic cookie (RFC 2131 §3): a BOOTP client without it knows none of the
    /// vendor extensions of RFC 2132.
    pub fn has_cookie(&self) -> bool {
        self.bytes.get(HEADER_LEN..).is_some_and(|vendor| vendor.starts_with(&MAGIC_COOKIE))
    }

    /// The datagram that was parsed.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// `op`.
    pub fn op(&self) -> Op {
        self.op
    }

    /// `hops`: relays on the way so far (RFC 1542 §4.1.1).
    pub fn hops(&self) -> u8 {
        self.header[3]
    }

    /// `xid`.
    pub fn xid(&self) -> Xid {
        Xid(u32::from_be_bytes(self.field(4)))
    }

    /// `secs`: seconds since the client began (RFC 2131 §2).
    pub fn secs(&self) -> u16 {
        u16::from_be_bytes(self.field(8))
    }

    /// `flags`.
    pub fn flags(&self) -> u16 {
        u16::from_be_bytes(self.field(10))
    }

    /// Whether the client asks for a broadcast reply (RFC 2131 §4.1).
    pub fn is_broadcast(&self) -> bool {
        self.flags() & FLAG_BROADCAST != 0
    }

    /// `ciaddr`: the address that the client has (RFC 2131 §2).
    pub fn ciaddr(&self) -> Ipv4Addr {
        self.address_field(12)
    }

    /// `yiaddr`: the client's address by the server's word.
    pub fn yiaddr(&self) -> Ipv4Addr {
        self.address_field(16)
    }

    /// `siaddr`: the next server of a bootstrap.
    pub fn siaddr(&self) -> Ipv4Addr {
        self.address_field(20)
    }

    /// `giaddr`: the relay on the client's link; 0.0.0.0 without a relay.
    pub fn giaddr(&self) -> Ipv4Addr {
        self.address_field(24)
    }

    /// `htype`, `hlen` and the `hlen` bytes of `chaddr` that count.
    pub fn hw_addr(&self) -> HwAddr {
        self.hw_addr
    }

    /// All 16 bytes of `chaddr`.
    pub fn chaddr_field(&self) -> &'a [u8; 16] {
        fixed(self.header, CHADDR)
    }

    /// `sname`, raw; options where option 52 says so.
    pub fn sname_field(&self) -> &'a [u8; SNAME_LEN] {
        fixed(self.header, SNAME)
    }

    /// `file`, raw; options where option 52 says so.
    pub fn file_field(&self) -> &'a [u8; FILE_LEN] {
        fixed(self.header, FILE)
    }

    /// The message type; `None` is a BOOTP message (RFC 2131 §3: every DHCP message has option 53).
    pub fn message_type(&self) -> Option<MessageType> {
        self.message_type
    }

    /// Whether `file` and `sname` hold options (RFC 2132 §9.3), in this order.
    pub fn overloaded_fields(&self) -> (bool, bool) {
        (self.overload & 1 != 0, self.overload & 2 != 0)
    }

    /// The codes of all options.
    pub fn codes(&self) -> CodeSet {
        self.present
    }

    /// Whether there is an option of this code.
    #[inline]
    pub fn has(&self, code: OptionCode) -> bool {
        self.present.contains(code)
    }

    /// The value of an option; all its instances joined, in the order options, `file`, `sname` (RFC 3396 §5, §7).
    /// Borrowed where there is one instance.
    pub fn option(&self, code: OptionCode) -> Option<Cow<'a, [u8]>> {
        if !self.repeated.contains(code) {
            return self.first_instance(code).map(Cow::Borrowed);
        }
        let mut value = Vec::new();
        for (_, part) in self.instances().filter(|(other, _)| *other == code) {
            value.extend_from_slice(part);
        }
        Some(Cow::Owned(value))
    }

    /// An option of four bytes as an address; `None` where it is absent or has another length. For 50 and 54 `parse`
    /// has refused every other length.
    pub fn address_option(&self, code: OptionCode) -> Option<Ipv4Addr> {
        self.u32_option(code).map(Ipv4Addr::from_bits)
    }

    /// An option of four bytes as a number; `None` where it is absent or has another length. For 51 `parse` has
    /// refused every other length.
    pub fn u32_option(&self, code: OptionCode) -> Option<u32> {
        self.array_option(code).map(u32::from_be_bytes)
    }

    /// An option of two bytes as a number; `None` where it is absent or has another length. For 57 `parse` has refused
    /// every other length.
    pub fn u16_option(&self, code: OptionCode) -> Option<u16> {
        self.array_option(code).map(u16::from_be_bytes)
    }

    /// An option of one byte; `None` where it is absent or has another length.
    pub fn byte_option(&self, code: OptionCode) -> Option<u8> {
        self.array_option(code).map(u8::from_be_bytes)
    }

    /// Every option with its joined value, each code once, in the order of first appearance (options, `file`,
    /// `sname`).
    pub fn options(&self) -> impl Iterator<Item = (OptionCode, Cow<'a, [u8]>)> + '_ {
        let mut seen = CodeSet::new();
        self.instances().filter_map(move |(code, value)| {
            if !seen.insert(code) {
                return None;
            }
            let value = if self.repeated.contains(code) { self.option(code)? } else { Cow::Borrowed(value) };
            Some((code, value))
        })
    }

    fn read_options(&mut self, rules: ParseRules) -> Result<(), OptionFault> {
        let mut count = 0;
        self.read_area(Area::Options, rules, &mut count)?;
        // RFC 2132 §9.3: 1 is file, 2 is sname, 3 is both.
        self.overload = match self.value_len(OptionCode::OPTION_OVERLOAD) {
            None => 0,
            Some(1) => match self.byte_option(OptionCode::OPTION_OVERLOAD) {
                Some(value @ 1..=3) => value,
                other => return Err(OptionFault::BadOverload(other.unwrap_or(0))),
            },
            Some(len) => {
                return Err(OptionFault::BadLength { code: OptionCode::OPTION_OVERLOAD, len });
            }
        };
        // RFC 2131 §4.1: file before sname.
        if self.overload & 1 != 0 {
            self.read_area(Area::File, rules, &mut count)?;
        }
        if self.overload & 2 != 0 {
            self.read_area(Area::Sname, rules, &mut count)?;
        }
        self.check_lengths()
    }

    fn read_area(&mut self, area: Area, rules: ParseRules, count: &mut usize) -> Result<(), OptionFault> {
        let (mut at, bytes) = area.of(self.bytes);
        loop {
            let code = match bytes.get(at) {
                // RFC 2132 §3.1: pad is one byte.
                Some(0) => {
                    at += 1;
                    continue;
                }
                // RFC 2132 §3.2: end is one byte.
                Some(255) => return Ok(()),
                Some(code) => OptionCode(*code),
                None if rules.allow_no_end_option => return Ok(()),
                // RFC 2131 §4.1: each field in use ends with an end option.
                None => return Err(OptionFault::NoEnd),
            };
            let Some(len) = bytes.get(at + 1) else {
                return Err(OptionFault::Truncated(code));
            };
            let start = at + 2;
            at = start + usize::from(*len);
            if at > bytes.len() {
                // RFC 2131 §4.1: an option is contained in its field.
                return Err(OptionFault::Truncated(code));
            }
            *count += 1;
            if *count > Self::OPTION_INSTANCES_MAX {
                return Err(OptionFault::TooMany);
            }
            if area.holds(code) {
                // The datagram has at most 65,535 bytes, so the position fits.
                self.note(Place { start: start as u16, code: code.0, len: *len });
            }
        }
    }

    #[inline]
    fn note(&mut self, place: Place) {
        if !self.present.insert(OptionCode(place.code)) {
            self.repeated.insert(OptionCode(place.code));
            return;
        }
        if let Some(slot) = self.index.get_mut(usize::from(self.indexed)) {
            *slot = place;
            self.indexed += 1;
        }
    }

    /// The lengths of RFC 2132 §9 for the options that decide what the server does.
    fn check_lengths(&self) -> Result<(), OptionFault> {
        const LENGTHS: [(OptionCode, usize); 5] = [
            (OptionCode::DHCP_MESSAGE_TYPE, 1),
            (OptionCode::REQUESTED_IP_ADDRESS, 4),
            (OptionCode::IP_ADDRESS_LEASE_TIME, 4),
            (OptionCode::SERVER_IDENTIFIER, 4),
            (OptionCode::MAXIMUM_DHCP_MESSAGE_SIZE, 2),
        ];
        for (code, expected) in LENGTHS {
            match self.value_len(code) {
                Some(len) if len != expected => return Err(OptionFault::BadLength { code, len }),
                _ => {}
            }
        }
        Ok(())
    }

    /// Bytes of an option's value, all its instances together (RFC 3396 §7).
    fn value_len(&self, code: OptionCode) -> Option<usize> {
        if self.repeated.contains(code) {
            return Some(self.instances().filter(|(other, _)| *other == code).map(|(_, part)| part.len()).sum());
        }
        self.first_instance(code).map(<[u8]>::len)
    }

    /// The value of the first instance.
    fn first_instance(&self, code: OptionCode) -> Option<&'a [u8]> {
        if !self.present.contains(code) {
            return None;
        }
        let index = self.index.get(..usize::from(self.indexed)).unwrap_or_default();
        match index.iter().find(|place| place.code == code.0) {
            Some(place) => {
                let start = usize::from(place.start);
                self.bytes.get(start..start + usize::from(place.len))
            }
            None => self.instances().find(|(other, _)| *other == code).map(|(_, value)| value),
        }
    }

    fn array_option<const N: usize>(&self, code: OptionCode) -> Option<[u8; N]> {
        if self.repeated.contains(code) {
            return self.option(code)?.as_ref().try_into().ok();
        }
        self.first_instance(code)?.try_into().ok()
    }

    /// Every instance of every option, in the order options, `file`, `sname`.
    fn instances(&self) -> Instances<'a> {
        Instances { bytes: self.bytes, overload: self.overload, area: Some(Area::Options), at: OPTIONS }
    }

    fn field<const N: usize>(&self, at: usize) -> [u8; N] {
        *fixed(self.header, at)
    }

    fn address_field(&self, at: usize) -> Ipv4Addr {
        Ipv4Addr::from(self.field::<4>(at))
    }
}

/// `N` bytes of the header; callers pass constant offsets that lie inside.
#[inline]
fn fixed<const N: usize>(header: &[u8; HEADER_LEN], at: usize) -> &[u8; N] {
    header.get(at..).and_then(|rest| rest.first_chunk()).unwrap_or(&[0; N])
}

/// `htype`, `hlen`, `chaddr`. RFC 2131 §2: `chaddr` has 16 bytes; an Ethernet address has 6.
fn hardware_address(header: &[u8; HEADER_LEN]) -> Result<HwAddr, DecodeError> {
    let (htype, hlen) = (header[1], header[2]);
    let bad = DecodeError::BadHardware { htype, hlen };
    if htype == 1 && hlen != 6 {
        return Err(bad);
    }
    let chaddr: &[u8; 16] = fixed(header, CHADDR);
    chaddr.get(..usize::from(hlen)).and_then(|bytes| HwAddr::new(htype, bytes)).ok_or(bad)
}

/// One of the three fields that may hold options.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Area {
    Options,
    File,
    Sname,
}

impl Area {
    /// Where the field starts, and the datagram cut off at its end.
    fn of(self, bytes: &[u8]) -> (usize, &[u8]) {
        let (start, end) = match self {
            Self::Options => (OPTIONS, bytes.len()),
            Self::File => (FILE, FILE + FILE_LEN),
            Self::Sname => (SNAME, SNAME + SNAME_LEN),
        };
        (start, bytes.get(..end).unwrap_or(bytes))
    }

    /// Whether an option counts where it stands: option 52 has its meaning in the options field only, because it is
    /// what names the other fields (RFC 2131 §4.1).
    fn holds(self, code: OptionCode) -> bool {
        self == Self::Options || code != OptionCode::OPTION_OVERLOAD
    }

    fn next(self, overload: u8) -> Option<Self> {
        match self {
            Self::Options if overload & 1 != 0 => Some(Self::File),
            Self::Options | Self::File if overload & 2 != 0 => Some(Self::Sname),
            _ => None,
        }
    }
}

/// Walks a message that `parse` has accepted.
struct Instances<'a> {
    bytes: &'a [u8],
    overload: u8,
    area: Option<Area>,
    at: usize,
}

impl<'a> Iterator for Instances<'a> {
    type Item = (OptionCode, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let area = self.area?;
            let (_, bytes) = area.of(self.bytes);
            match bytes.get(self.at) {
                Some(0) => self.at += 1,
                None | Some(255) => {
                    self.area = area.next(self.overload);
                    self.at = self.area?.of(self.bytes).0;
                }
                Some(code) => {
                    let code = OptionCode(*code);
                    let start = self.at + 2;
                    self.at = start + usize::from(*bytes.get(self.at + 1)?);
                    let value = bytes.get(start..self.at)?;
                    if area.holds(code) {
                        return Some((code, value));
                    }
                }
            }
        }
    }
}
