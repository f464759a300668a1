//! Messages of clients, relays and requestors: for tests, the simulator and the load generator.

use super::options::write_option;
use super::{FILE_LEN, FLAG_BROADCAST, MAGIC_COOKIE, MessageType, OPTIONS, Op, OptionCode, SNAME_LEN, SubOption};
use alloc::vec::Vec;
use bindery_types::{HwAddr, Ipv4Addr, MacAddr, Xid};

/// Builds the bytes of a message, a sound one or one with a [`Fault`]. Checks nothing: what it is told, it writes.
///
/// ```
/// use bindery_types::MacAddr;
/// use bindery_wire::v4::{MessageBuilder, MessageType, Packet, ParseRules};
///
/// let bytes = MessageBuilder::discover(MacAddr([2, 0, 0, 0, 0, 1])).xid(7).build();
/// let packet = Packet::parse(&bytes, ParseRules::default()).unwrap();
/// assert_eq!(packet.message_type(), Some(MessageType::Discover));
/// ```
#[derive(Clone, Debug)]
pub struct MessageBuilder {
    op: u8,
    htype: u8,
    hlen: u8,
    hops: u8,
    xid: Xid,
    secs: u16,
    flags: u16,
    /// ciaddr, yiaddr, siaddr, giaddr.
    addresses: [Ipv4Addr; 4],
    chaddr: [u8; 16],
    sname: Vec<u8>,
    file: Vec<u8>,
    options: Vec<(OptionCode, Vec<u8>)>,
    min_len: usize,
    faults: Vec<Fault>,
}

/// A defect to build into a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// `op` of this value.
    Op(u8),
    /// `htype` of this value.
    Htype(u8),
    /// `hlen` of this value.
    Hlen(u8),
    /// Another magic cookie.
    Cookie([u8; 4]),
    /// No end option, and no padding that could be taken for one.
    NoEnd,
    /// A last option of this code whose length reaches 9 bytes behind the end of the message.
    Overrun(OptionCode),
    /// The message cut off after this many bytes.
    Cut(usize),
    /// A code without a length in place of the end option and all behind it.
    LoneCode(OptionCode),
}

impl MessageBuilder {
    /// A message of `kind` with option 53 only; `op` as the kind demands.
    pub fn new(kind: MessageType, mac: MacAddr) -> Self {
        Self::bootp(kind.op(), mac).option(OptionCode::DHCP_MESSAGE_TYPE, &[kind as u8])
    }

    /// A message without option 53: BOOTP.
    pub fn bootp(op: Op, mac: MacAddr) -> Self {
        Self {
            op: op as u8,
            htype: 0,
            hlen: 0,
            hops: 0,
            xid: Xid(0),
            secs: 0,
            flags: 0,
            addresses: [Ipv4Addr::UNSPECIFIED; 4],
            chaddr: [0; 16],
            sname: Vec::new(),
            file: Vec::new(),
            options: Vec::new(),
            min_len: 0,
            faults: Vec::new(),
        }
        .hw_addr(mac.into())
    }

    /// DHCPDISCOVER (RFC 2131 §4.4.1).
    pub fn discover(mac: MacAddr) -> Self {
        Self::new(MessageType::Discover, mac)
    }

    /// DHCPREQUEST in SELECTING: answers an offer (RFC 2131 §4.3.2).
    pub fn request_selecting(mac: MacAddr, requested: Ipv4Addr, server: Ipv4Addr) -> Self {
        Self::new(MessageType::Request, mac).requested(requested).server(server)
    }

    /// DHCPREQUEST in INIT-REBOOT: checks an address after a restart (RFC 2131 §4.3.2).
    pub fn request_init_reboot(mac: MacAddr, requested: Ipv4Addr) -> Self {
        Self::new(MessageType::Request, mac).requested(requested)
    }

    /// DHCPREQUEST in RENEWING or REBINDING: the same bytes, unicast or broadcast (RFC 2131 §4.3.2).
    pub fn request_renewing(mac: MacAddr, ciaddr: Ipv4Addr) -> Self {
        Self::new(MessageType::Request, mac).ciaddr(ciaddr)
    }

    /// DHCPDECLINE (RFC 2131 §4.4.1, table 5).
    pub fn decline(mac: MacAddr, requested: Ipv4Addr, server: Ipv4Addr) -> Self {
        Self::new(MessageType::Decline, mac).requested(requested).server(server)
    }

    /// DHCPRELEASE (RFC 2131 §4.4.6).
    pub fn release(mac: MacAddr, ciaddr: Ipv4Addr, server: Ipv4Addr) -> Self {
        Self::new(MessageType::Release, mac).ciaddr(ciaddr).server(server)
    }

    /// DHCPINFORM (RFC 2131 §4.4.3).
    pub fn inform(mac: MacAddr, ciaddr: Ipv4Addr) -> Self {
        Self::new(MessageType::Inform, mac).ciaddr(ciaddr)
    }

    /// DHCPLEASEQUERY by address (RFC 4388 §6.2): `ciaddr` asks, `giaddr` names the requestor, no hardware address.
    pub fn lease_query_by_address(ciaddr: Ipv4Addr, giaddr: Ipv4Addr) -> Self {
        Self::lease_query(giaddr).ciaddr(ciaddr)
    }

    /// DHCPLEASEQUERY by MAC address (RFC 4388 §6.2).
    pub fn lease_query_by_mac(mac: MacAddr, giaddr: Ipv4Addr) -> Self {
        Self::lease_query(giaddr).hw_addr(mac.into())
    }

    /// DHCPLEASEQUERY by client identifier (RFC 4388 §6.2).
    pub fn lease_query_by_client_id(client_id: &[u8], giaddr: Ipv4Addr) -> Self {
        Self::lease_query(giaddr).option(OptionCode::CLIENT_IDENTIFIER, client_id)
    }

    fn lease_query(giaddr: Ipv4Addr) -> Self {
        Self::new(MessageType::LeaseQuery, MacAddr([0; 6])).hw_addr(HwAddr::default()).giaddr(giaddr)
    }

    /// Sets `xid`.
    pub fn xid(mut self, xid: u32) -> Self {
        self.xid = Xid(xid);
        self
    }

    /// Sets `secs`.
    pub fn secs(mut self, secs: u16) -> Self {
        self.secs = secs;
        self
    }

    /// Sets `hops`.
    pub fn hops(mut self, hops: u8) -> Self {
        self.hops = hops;
        self
    }

    /// Sets all of `flags`.
    pub fn flags(mut self, flags: u16) -> Self {
        self.flags = flags;
        self
    }

    /// Asks for a broadcast reply (RFC 2131 §4.1).
    pub fn broadcast(mut self) -> Self {
        self.flags |= FLAG_BROADCAST;
        self
    }

    /// Sets `ciaddr`.
    pub fn ciaddr(mut self, address: Ipv4Addr) -> Self {
        self.addresses[0] = address;
        self
    }

    /// Sets `yiaddr`.
    pub fn yiaddr(mut self, address: Ipv4Addr) -> Self {
        self.addresses[1] = address;
        self
    }

    /// Sets `siaddr`.
    pub fn siaddr(mut self, address: Ipv4Addr) -> Self {
        self.addresses[2] = address;
        self
    }

    /// Sets `giaddr`: the message came through a relay.
    pub fn giaddr(mut self, address: Ipv4Addr) -> Self {
        self.addresses[3] = address;
        self
    }

    /// Sets `htype`, `hlen` and `chaddr`.
    pub fn hw_addr(mut self, address: HwAddr) -> Self {
        let bytes = address.as_bytes();
        self.htype = address.htype;
        // At most 16 bytes, so the length fits.
        self.hlen = bytes.len() as u8;
        self.chaddr = [0; 16];
        for (to, from) in self.chaddr.iter_mut().zip(bytes) {
            *to = *from;
        }
        self
    }

    /// Sets all 16 bytes of `chaddr`; `htype` and `hlen` stay.
    pub fn chaddr_field(mut self, bytes: [u8; 16]) -> Self {
        self.chaddr = bytes;
        self
    }

    /// Sets `sname`; at most 64 bytes are written.
    pub fn sname(mut self, bytes: &[u8]) -> Self {
        self.sname = bytes.to_vec();
        self
    }

    /// Sets `file`; at most 128 bytes are written.
    pub fn file(mut self, bytes: &[u8]) -> Self {
        self.file = bytes.to_vec();
        self
    }

    /// Puts options with an end option into `sname` and says so in option 52 (RFC 2132 §9.3).
    pub fn sname_options(mut self, options: &[(OptionCode, &[u8])]) -> Self {
        self.sname = area(options);
        self.overload(2)
    }

    /// Puts options with an end option into `file` and says so in option 52 (RFC 2132 §9.3).
    pub fn file_options(mut self, options: &[(OptionCode, &[u8])]) -> Self {
        self.file = area(options);
        self.overload(1)
    }

    fn overload(mut self, bit: u8) -> Self {
        let old = self.options.iter().find(|(code, _)| *code == OptionCode::OPTION_OVERLOAD);
        let value = old.and_then(|(_, value)| value.first().copied()).unwrap_or(0) | bit;
        self.options.retain(|(code, _)| *code != OptionCode::OPTION_OVERLOAD);
        self.option(OptionCode::OPTION_OVERLOAD, &[value])
    }

    /// Appends an option, whether there is one of this code or not; over 255 bytes it is split (RFC 3396 §6).
    pub fn option(mut self, code: OptionCode, value: &[u8]) -> Self {
        self.options.push((code, value.to_vec()));
        self
    }

    /// Appends an option with an address.
    pub fn address_option(self, code: OptionCode, address: Ipv4Addr) -> Self {
        self.option(code, &address.octets())
    }

    /// Removes all options of a code.
    pub fn without(mut self, code: OptionCode) -> Self {
        self.options.retain(|(other, _)| *other != code);
        self
    }

    /// Sets option 50.
    pub fn requested(self, address: Ipv4Addr) -> Self {
        self.without(OptionCode::REQUESTED_IP_ADDRESS).address_option(OptionCode::REQUESTED_IP_ADDRESS, address)
    }

    /// Sets option 54.
    pub fn server(self, address: Ipv4Addr) -> Self {
        self.without(OptionCode::SERVER_IDENTIFIER).address_option(OptionCode::SERVER_IDENTIFIER, address)
    }

    /// Sets option 51 to seconds.
    pub fn lease_time(self, secs: u32) -> Self {
        self.without(OptionCode::IP_ADDRESS_LEASE_TIME).option(OptionCode::IP_ADDRESS_LEASE_TIME, &secs.to_be_bytes())
    }

    /// Sets option 57 to bytes.
    pub fn message_size_max(self, bytes: u16) -> Self {
        self.without(OptionCode::MAXIMUM_DHCP_MESSAGE_SIZE)
            .option(OptionCode::MAXIMUM_DHCP_MESSAGE_SIZE, &bytes.to_be_bytes())
    }

    /// Sets option 61.
    pub fn client_id(self, value: &[u8]) -> Self {
        self.without(OptionCode::CLIENT_IDENTIFIER).option(OptionCode::CLIENT_IDENTIFIER, value)
    }

    /// Sets option 55.
    pub fn parameter_request_list(self, codes: &[OptionCode]) -> Self {
        let value: Vec<u8> = codes.iter().map(|code| code.0).collect();
        self.without(OptionCode::PARAMETER_REQUEST_LIST).option(OptionCode::PARAMETER_REQUEST_LIST, &value)
    }

    /// Sets option 82 to these sub-options, each at most 255 bytes, behind all other options so far (RFC 3046 §2.1).
    pub fn relay_agent(self, sub_options: &[(SubOption, &[u8])]) -> Self {
        let mut value = Vec::new();
        for (code, bytes) in sub_options {
            let len = bytes.len().min(255);
            value.extend_from_slice(&[code.0, len as u8]);
            value.extend(bytes.iter().take(len));
        }
        self.without(OptionCode::RELAY_AGENT_INFORMATION).option(OptionCode::RELAY_AGENT_INFORMATION, &value)
    }

    /// Fills the message with zeros behind the end option up to `len` bytes; 300 is what BOOTP demands.
    pub fn pad_to(mut self, len: usize) -> Self {
        self.min_len = len;
        self
    }

    /// Builds a defect in. Several may be given; each works on what the ones before have left.
    pub fn fault(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    /// The UDP payload.
    pub fn build(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(OPTIONS + 128);
        out.extend_from_slice(&[self.op, self.htype, self.hlen, self.hops]);
        out.extend_from_slice(&self.xid.0.to_be_bytes());
        out.extend_from_slice(&self.secs.to_be_bytes());
        out.extend_from_slice(&self.flags.to_be_bytes());
        for address in self.addresses {
            out.extend_from_slice(&address.octets());
        }
        out.extend_from_slice(&self.chaddr);
        write_field(&mut out, &self.sname, SNAME_LEN);
        write_field(&mut out, &self.file, FILE_LEN);
        out.extend_from_slice(&MAGIC_COOKIE);
        for (code, value) in &self.options {
            write_option(&mut out, *code, value);
        }
        let end = out.len();
        out.push(OptionCode::END.0);
        if out.len() < self.min_len {
            out.resize(self.min_len, OptionCode::PAD.0);
        }
        for fault in &self.faults {
            fault.apply(end, &mut out);
        }
        out
    }
}

impl Fault {
    /// Changes the message, whose end option lies at `end`.
    fn apply(self, end: usize, out: &mut Vec<u8>) {
        match self {
            Self::Op(value) => overwrite(out, 0, &[value]),
            Self::Htype(value) => overwrite(out, 1, &[value]),
            Self::Hlen(value) => overwrite(out, 2, &[value]),
            Self::Cookie(cookie) => overwrite(out, super::HEADER_LEN, &cookie),
            Self::NoEnd => out.truncate(end),
            Self::Overrun(code) => {
                out.truncate(end);
                out.extend_from_slice(&[code.0, 10, 0]);
            }
            Self::Cut(len) => out.truncate(len),
            Self::LoneCode(code) => {
                out.truncate(end);
                out.push(code.0);
            }
        }
    }
}

/// Writes over what an earlier fault has left of the message.
fn overwrite(out: &mut [u8], at: usize, bytes: &[u8]) {
    for (to, from) in out.iter_mut().skip(at).zip(bytes) {
        *to = *from;
    }
}

/// Options and an end option.
fn area(options: &[(OptionCode, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (code, value) in options {
        write_option(&mut bytes, *code, value);
    }
    bytes.push(OptionCode::END.0);
    bytes
}

/// Appends `len` bytes: `bytes`, cut off or filled with zeros.
fn write_field(out: &mut Vec<u8>, bytes: &[u8], len: usize) {
    let end = out.len() + len;
    out.extend(bytes.iter().take(len));
    out.resize(end, 0);
}
