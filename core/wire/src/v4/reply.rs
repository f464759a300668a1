//! A message that we send.

use super::options::{encoded_len, value_len, write_option};
use super::{
    CodeSet, EncodeError, FILE_LEN, FLAG_BROADCAST, HEADER_LEN, MAGIC_COOKIE, MESSAGE_LEN_MIN, MessageType, OPTIONS,
    Op, OptionCode, OptionError, OptionList, Packet, SNAME_LEN,
};
use alloc::vec::Vec;
use bindery_types::{HwAddr, Ipv4Addr, Xid};

/// A message to a client or, through a relay, for one. Made to be reused: [`Reply::reset`] keeps the memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// `op`.
    pub op: Op,
    /// `hops`.
    pub hops: u8,
    /// `xid`.
    pub xid: Xid,
    /// `secs`.
    pub secs: u16,
    /// `flags`.
    pub flags: u16,
    /// `ciaddr`.
    pub ciaddr: Ipv4Addr,
    /// `yiaddr`.
    pub yiaddr: Ipv4Addr,
    /// `siaddr`.
    pub siaddr: Ipv4Addr,
    /// `giaddr`.
    pub giaddr: Ipv4Addr,
    /// `htype`, `hlen` and `chaddr`.
    pub chaddr: HwAddr,
    /// `sname`: the server's name, NUL behind it. The encoder puts options here only where all bytes are zero.
    pub sname: [u8; SNAME_LEN],
    /// `file`: the boot file's name, NUL behind it. The encoder puts options here only where all bytes are zero.
    pub file: [u8; FILE_LEN],
    /// The options, the message type and relay agent information among them.
    pub options: OptionList,
}

impl Default for Reply {
    fn default() -> Self {
        Self::new()
    }
}

/// What limits a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EncodeLimits {
    /// Largest IP datagram that the receiver takes, with the 28 bytes of IP and UDP headers: the value of option 57
    /// (RFC 2132 §9.10). Every value under 576 counts as 576.
    pub message_size_max: u16,
    /// Bytes of a BOOTP client's vendor field, magic cookie included (RFC 951 §3): the limit in place of the other one.
    pub vendor_len: Option<u16>,
}

impl EncodeLimits {
    /// What every client takes (RFC 2131 §2, RFC 2132 §9.10).
    pub const MESSAGE_SIZE_MIN: u16 = 576;

    /// Bytes of an IPv4 header without options and a UDP header.
    pub const IP_UDP_HEADER_LEN: u16 = 28;

    /// The limit that a client named by option 57 (RFC 2132 §9.10), at most `mtu`; 576 where it named none.
    pub fn of(request: &Packet<'_>, mtu: u16) -> Self {
        let asked = request.u16_option(OptionCode::MAXIMUM_DHCP_MESSAGE_SIZE).unwrap_or(Self::MESSAGE_SIZE_MIN);
        Self { message_size_max: asked.min(mtu).max(Self::MESSAGE_SIZE_MIN), vendor_len: None }
    }

    /// The limit for the answer to a BOOTP message, which is 300 bytes where the client did not send more (RFC 951 §3,
    /// RFC 1534 §2), at most `mtu`. Option 82 does not count: the relay that put it in takes it out again
    /// (RFC 3046 §2.1).
    pub fn of_bootp(request: &Packet<'_>, mtu: u16) -> Self {
        let relay_agent =
            request.option(OptionCode::RELAY_AGENT_INFORMATION).map_or(0, |value| encoded_len(value.len()));
        let most = usize::from(mtu - Self::IP_UDP_HEADER_LEN) - HEADER_LEN;
        let vendor = request.vendor_len().saturating_sub(relay_agent).max(MESSAGE_LEN_MIN - HEADER_LEN) + relay_agent;
        Self { vendor_len: u16::try_from(vendor.min(most)).ok(), ..Self::default() }
    }

    /// Bytes of options that fit, cookie not counted.
    fn options_len(self) -> usize {
        if let Some(vendor) = self.vendor_len {
            return usize::from(vendor).saturating_sub(MAGIC_COOKIE.len());
        }
        let datagram = self.message_size_max.max(Self::MESSAGE_SIZE_MIN);
        usize::from(datagram - Self::IP_UDP_HEADER_LEN) - OPTIONS
    }
}

impl Default for EncodeLimits {
    fn default() -> Self {
        Self { message_size_max: Self::MESSAGE_SIZE_MIN, vendor_len: None }
    }
}

/// What the encoder did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Encoded {
    /// Bytes that were appended, at least [`MESSAGE_LEN_MIN`].
    pub len: usize,
    /// Options that were left out because they did not fit.
    pub omitted: CodeSet,
}

/// Options that may not be left out, most important first. Without 61 the client takes the reply for another's
/// (RFC 6842 §3); without 1, 3, 6 it has no network.
const ESSENTIAL: [OptionCode; 9] = [
    OptionCode::DHCP_MESSAGE_TYPE,
    OptionCode::SERVER_IDENTIFIER,
    OptionCode::IP_ADDRESS_LEASE_TIME,
    OptionCode::SUBNET_MASK,
    OptionCode::ROUTER,
    OptionCode::DOMAIN_NAME_SERVER,
    OptionCode::RENEWAL_TIME,
    OptionCode::REBINDING_TIME,
    OptionCode::CLIENT_IDENTIFIER,
];

impl Reply {
    /// A BOOTREPLY of zeros without options; allocates nothing.
    pub fn new() -> Self {
        Self {
            op: Op::BootReply,
            hops: 0,
            xid: Xid(0),
            secs: 0,
            flags: 0,
            ciaddr: Ipv4Addr::UNSPECIFIED,
            yiaddr: Ipv4Addr::UNSPECIFIED,
            siaddr: Ipv4Addr::UNSPECIFIED,
            giaddr: Ipv4Addr::UNSPECIFIED,
            chaddr: HwAddr::default(),
            sname: [0; SNAME_LEN],
            file: [0; FILE_LEN],
            options: OptionList::new(),
        }
    }

    /// Back to what [`Reply::new`] makes; keeps the memory of the option list.
    pub fn reset(&mut self) {
        let mut options = core::mem::take(&mut self.options);
        options.clear();
        *self = Self { options, ..Self::new() };
    }

    /// Resets, then takes from a request what every answer of a server echoes: `xid`, `flags`, `giaddr` and the
    /// hardware address (RFC 2131 §4.3.1, table 3), option 61 (RFC 6842 §3) and option 82 (RFC 3046 §2.2).
    ///
    /// # Errors
    /// [`OptionError::Full`] where option 61 or 82 alone is larger than an [`OptionList`] may be.
    pub fn begin(&mut self, request: &Packet<'_>, kind: MessageType) -> Result<(), OptionError> {
        self.reset();
        self.op = kind.op();
        self.xid = request.xid();
        self.flags = request.flags();
        self.giaddr = request.giaddr();
        self.chaddr = request.hw_addr();
        self.options.set(OptionCode::DHCP_MESSAGE_TYPE, &[kind as u8])?;
        // RFC 6842 §3: the client identifier goes back unaltered in every response. RFC 3046 §2.2: so does option 82.
        for code in [OptionCode::CLIENT_IDENTIFIER, OptionCode::RELAY_AGENT_INFORMATION] {
            if let Some(value) = request.option(code) {
                self.options.set(code, &value)?;
            }
        }
        Ok(())
    }

    /// Makes it an answer to a BOOTP client (RFC 1534 §2): without the options that say something of leases.
    pub fn to_bootp(&mut self) {
        for code in [
            OptionCode::DHCP_MESSAGE_TYPE,
            OptionCode::IP_ADDRESS_LEASE_TIME,
            OptionCode::SERVER_IDENTIFIER,
            OptionCode::RENEWAL_TIME,
            OptionCode::REBINDING_TIME,
        ] {
            self.options.remove(code);
        }
    }

    /// Sets or clears the broadcast bit (RFC 2131 §2, figure 2).
    pub fn set_broadcast(&mut self, broadcast: bool) {
        self.flags = if broadcast { self.flags | FLAG_BROADCAST } else { self.flags & !FLAG_BROADCAST };
    }

    /// The message type by option 53.
    pub fn message_type(&self) -> Option<MessageType> {
        match self.options.get(OptionCode::DHCP_MESSAGE_TYPE)? {
            [value] => MessageType::try_from(*value).ok(),
            _ => None,
        }
    }

    /// Appends the message to `out`, which stays as it was on an error.
    ///
    /// Options go in list order, but 53 first and 82 last before the end option (RFC 3046 §2.1, §2.2). Those over
    /// 255 bytes are split (RFC 3396 §6). Where they do not all fit into `limits`, the rest goes to `file` and `sname`
    /// with option 52 (RFC 2131 §4.1), each only where it is unused, and never in a NAK (RFC 2131 §4.3.1, table 3) or
    /// in a BOOTP reply; one over 255 bytes that no field has room for goes to several (RFC 3396 §5). What then still
    /// does not fit is left out and told in [`Encoded::omitted`]: room is given first to 53, 54, 51, 1, 3, 6, 58, 59
    /// and 61, then to 82 (only whole, RFC 3046 §2.2), then to the others in list order. So a list in the order of the
    /// client's option 55 keeps what the client wants most (RFC 2132 §9.8). The message is filled up to
    /// [`MESSAGE_LEN_MIN`].
    ///
    /// # Errors
    /// [`EncodeError::NoRoom`] where the options that may not be left out do not fit.
    pub fn encode(&self, limits: EncodeLimits, out: &mut Vec<u8>) -> Result<Encoded, EncodeError> {
        let room = limits.options_len();
        let mut plan = None;
        // One byte is the end option's.
        if self.options.encoded_len() + 1 > room {
            plan = Some(Plan::make(self, room)?);
        }
        let start = out.len();
        self.write_header(out);
        match &plan {
            None => self.write_area(None, out),
            Some(plan) => {
                self.write_area(Some((plan, Area::Options)), out);
                self.write_field(plan, Area::File, FILE_LEN, start + super::FILE, out);
                self.write_field(plan, Area::Sname, SNAME_LEN, start + super::SNAME, out);
            }
        }
        // RFC 1542 §2.1: receivers may take a shorter message for damaged.
        if out.len() < start + MESSAGE_LEN_MIN {
            out.resize(start + MESSAGE_LEN_MIN, 0);
        }
        Ok(Encoded { len: out.len() - start, omitted: plan.map_or(CodeSet::new(), |plan| plan.omitted) })
    }

    fn write_header(&self, out: &mut Vec<u8>) {
        let chaddr = self.chaddr.as_bytes();
        let mut header = [0u8; OPTIONS];
        let fields: [(usize, &[u8]); 11] = [
            (0, &[self.op as u8, self.chaddr.htype, chaddr.len() as u8, self.hops]),
            (4, &self.xid.0.to_be_bytes()),
            (8, &self.secs.to_be_bytes()),
            (10, &self.flags.to_be_bytes()),
            (12, &self.ciaddr.octets()),
            (16, &self.yiaddr.octets()),
            (20, &self.siaddr.octets()),
            (24, &self.giaddr.octets()),
            (super::CHADDR, chaddr),
            (super::SNAME, &self.sname),
            (super::FILE, &self.file),
        ];
        for (at, bytes) in fields {
            header[at..at + bytes.len()].copy_from_slice(bytes);
        }
        header[HEADER_LEN..].copy_from_slice(&MAGIC_COOKIE);
        out.extend_from_slice(&header);
    }

    /// Writes the options field: all options, or those that the plan puts there.
    fn write_area(&self, plan: Option<(&Plan, Area)>, out: &mut Vec<u8>) {
        const FIRST: OptionCode = OptionCode::DHCP_MESSAGE_TYPE;
        const LAST: OptionCode = OptionCode::RELAY_AGENT_INFORMATION;
        let here = |code, value| plan.map_or(Some(value), |(plan, area)| plan.part(code, value, area));
        if let Some(value) = self.options.get(FIRST).and_then(|value| here(FIRST, value)) {
            write_option(out, FIRST, value);
        }
        if let Some((plan, Area::Options)) = plan
            && plan.overload() != 0
        {
            // RFC 2131 §4.1: option 52 stands in the options field.
            write_option(out, OptionCode::OPTION_OVERLOAD, &[plan.overload()]);
        }
        for (code, value) in self.options.iter().filter(|(code, _)| *code != FIRST && *code != LAST) {
            if let Some(part) = here(code, value) {
                write_option(out, code, part);
            }
        }
        // RFC 3046 §2.1: option 82 is the last one before the end option.
        if let Some(value) = self.options.get(LAST).and_then(|value| here(LAST, value)) {
            write_option(out, LAST, value);
        }
        out.push(OptionCode::END.0);
    }

    /// Writes an overloaded field: written behind the message first, then moved to its place in the header.
    fn write_field(&self, plan: &Plan, area: Area, len: usize, at: usize, out: &mut Vec<u8>) {
        if !plan.uses(area) {
            return;
        }
        let end = out.len();
        self.write_area(Some((plan, area)), out);
        // The plan keeps each field's options within the field, end option included.
        let written = (out.len() - end).min(len);
        out.copy_within(end..end + written, at);
        out.truncate(end);
    }
}

/// A field that holds options, numbered as in [`Plan`].
#[derive(Clone, Copy, PartialEq, Eq)]
enum Area {
    Options = 0,
    File = 1,
    Sname = 2,
}

/// Which option goes to which field, where they do not all fit into the first.
struct Plan {
    /// Codes in the options field, `file` and `sname`.
    areas: [CodeSet; 3],
    /// Bytes left in each, the end option's already taken.
    free: [usize; 3],
    /// Long options that are in several fields, with the bytes of their values in each.
    split: Vec<(OptionCode, [usize; 3])>,
    omitted: CodeSet,
}

impl Plan {
    fn make(reply: &Reply, room: usize) -> Result<Self, EncodeError> {
        match Self::with_relay_agent(reply, room, true) {
            Ok(plan) => Ok(plan),
            // RFC 3046 §2.2: a server that cannot echo option 82 whole sends the reply without it.
            Err(_) => Self::with_relay_agent(reply, room, false),
        }
    }

    fn with_relay_agent(reply: &Reply, room: usize, keep: bool) -> Result<Self, EncodeError> {
        let mut plan = Self::empty(reply, room);
        let relay_agent = OptionCode::RELAY_AGENT_INFORMATION;
        if let Some(value) = reply.options.get(relay_agent) {
            // RFC 3046 §2.2: option 82 never goes to sname or file.
            if keep && !plan.put(relay_agent, value.len(), 1) {
                return Err(EncodeError::NoRoom(relay_agent));
            }
            if !keep {
                plan.omitted.insert(relay_agent);
            }
        }
        // Those that fit nowhere else take the options field first.
        let fits_elsewhere = |len: usize| encoded_len(len) < FILE_LEN;
        for second_pass in [false, true] {
            for code in ESSENTIAL {
                let Some(value) = reply.options.get(code) else {
                    continue;
                };
                let late = code != OptionCode::DHCP_MESSAGE_TYPE && fits_elsewhere(value.len());
                let areas = if code == OptionCode::DHCP_MESSAGE_TYPE { 1 } else { 3 };
                if late == second_pass && !plan.put(code, value.len(), areas) {
                    // A BOOTP client needs none of them, and has little room.
                    if reply.message_type().is_some() {
                        return Err(EncodeError::NoRoom(code));
                    }
                    plan.omitted.insert(code);
                }
            }
        }
        for (code, value) in reply.options.iter() {
            let placed = plan.areas.iter().chain([&plan.omitted]).any(|codes| codes.contains(code));
            if !placed && code != relay_agent && !plan.put(code, value.len(), 3) {
                plan.omitted.insert(code);
            }
        }
        Ok(plan)
    }

    fn empty(reply: &Reply, room: usize) -> Self {
        // RFC 2131 §4.3.1, table 3: a NAK does not use file and sname. A BOOTP client does not know option 52.
        let overloadable = !matches!(reply.message_type(), None | Some(MessageType::Nak));
        let field = |bytes: &[u8]| {
            let unused = overloadable && bytes.iter().all(|byte| *byte == 0);
            if unused { bytes.len() - 1 } else { 0 }
        };
        let (file, sname) = (field(&reply.file), field(&reply.sname));
        // Option 52 is one of the options field wherever it may come to be needed.
        let overload_len = if file + sname > 0 { encoded_len(1) } else { 0 };
        let free = [room - 1 - overload_len, file, sname];
        Self { areas: [CodeSet::new(); 3], free, split: Vec::new(), omitted: CodeSet::new() }
    }

    /// Puts an option into the first of the leading `areas` fields with room for all of it, else a long one into several;
    /// whether there was room.
    fn put(&mut self, code: OptionCode, len: usize, areas: usize) -> bool {
        let whole = encoded_len(len);
        for (free, codes) in self.free.iter_mut().zip(&mut self.areas).take(areas) {
            if *free >= whole {
                *free -= whole;
                codes.insert(code);
                return true;
            }
        }
        // RFC 3396 §4: an option of one instance is not split.
        len > 255 && areas > 1 && self.put_parts(code, len)
    }

    fn put_parts(&mut self, code: OptionCode, len: usize) -> bool {
        let mut left = len;
        let parts = self.free.map(|free| {
            let part = value_len(free).min(left);
            left -= part;
            part
        });
        if left > 0 {
            return false;
        }
        for ((free, codes), part) in self.free.iter_mut().zip(&mut self.areas).zip(parts) {
            if part > 0 {
                *free -= encoded_len(part);
                codes.insert(code);
            }
        }
        self.split.push((code, parts));
        true
    }

    /// What of an option's value stands in a field.
    fn part<'v>(&self, code: OptionCode, value: &'v [u8], area: Area) -> Option<&'v [u8]> {
        if !self.areas.get(area as usize)?.contains(code) {
            return None;
        }
        let Some((_, parts)) = self.split.iter().find(|(other, _)| *other == code) else {
            return Some(value);
        };
        let start = parts.iter().take(area as usize).sum::<usize>();
        value.get(start..start + parts.get(area as usize)?)
    }

    fn uses(&self, area: Area) -> bool {
        self.areas.get(area as usize).is_some_and(|codes| !codes.is_empty())
    }

    /// The value of option 52: 1 for file, 2 for sname, 3 for both (RFC 2132 §9.3); 0 for neither.
    fn overload(&self) -> u8 {
        u8::from(self.uses(Area::File)) + 2 * u8::from(self.uses(Area::Sname))
    }
}
