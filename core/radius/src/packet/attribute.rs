//! Attributes (RFC 2865 §5) as views on bytes.

use std::net::Ipv4Addr;

/// Type of an attribute.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Type(pub u8);

macro_rules! types {
    ($($name:ident = $number:literal, $doc:literal;)*) => {
        impl Type {
            $(
                #[doc = $doc]
                pub const $name: Self = Self($number);
            )*
        }
    };
}

types! {
    USER_NAME = 1, "User-Name (RFC 2865 §5.1).";
    USER_PASSWORD = 2, "User-Password, hidden (RFC 2865 §5.2).";
    NAS_IP_ADDRESS = 4, "NAS-IP-Address (RFC 2865 §5.4).";
    NAS_PORT = 5, "NAS-Port (RFC 2865 §5.5).";
    SERVICE_TYPE = 6, "Service-Type (RFC 2865 §5.6).";
    FRAMED_IP_ADDRESS = 8, "Framed-IP-Address (RFC 2865 §5.8).";
    FRAMED_IP_NETMASK = 9, "Framed-IP-Netmask (RFC 2865 §5.9).";
    REPLY_MESSAGE = 18, "Reply-Message (RFC 2865 §5.18).";
    FRAMED_ROUTE = 22, "Framed-Route (RFC 2865 §5.22).";
    STATE = 24, "State (RFC 2865 §5.24).";
    CLASS = 25, "Class (RFC 2865 §5.25).";
    VENDOR_SPECIFIC = 26, "Vendor-Specific (RFC 2865 §5.26).";
    SESSION_TIMEOUT = 27, "Session-Timeout, seconds (RFC 2865 §5.27).";
    IDLE_TIMEOUT = 28, "Idle-Timeout, seconds (RFC 2865 §5.28).";
    CALLED_STATION_ID = 30, "Called-Station-Id (RFC 2865 §5.30).";
    CALLING_STATION_ID = 31, "Calling-Station-Id (RFC 2865 §5.31).";
    NAS_IDENTIFIER = 32, "NAS-Identifier (RFC 2865 §5.32).";
    PROXY_STATE = 33, "Proxy-State (RFC 2865 §5.33).";
    ACCT_STATUS_TYPE = 40, "Acct-Status-Type (RFC 2866 §5.1).";
    ACCT_DELAY_TIME = 41, "Acct-Delay-Time, seconds (RFC 2866 §5.2).";
    ACCT_INPUT_OCTETS = 42, "Acct-Input-Octets, modulo 2^32 (RFC 2866 §5.3).";
    ACCT_OUTPUT_OCTETS = 43, "Acct-Output-Octets, modulo 2^32 (RFC 2866 §5.4).";
    ACCT_SESSION_ID = 44, "Acct-Session-Id (RFC 2866 §5.5).";
    ACCT_AUTHENTIC = 45, "Acct-Authentic (RFC 2866 §5.6).";
    ACCT_SESSION_TIME = 46, "Acct-Session-Time, seconds (RFC 2866 §5.7).";
    ACCT_INPUT_PACKETS = 47, "Acct-Input-Packets (RFC 2866 §5.8).";
    ACCT_OUTPUT_PACKETS = 48, "Acct-Output-Packets (RFC 2866 §5.9).";
    ACCT_TERMINATE_CAUSE = 49, "Acct-Terminate-Cause (RFC 2866 §5.10).";
    ACCT_MULTI_SESSION_ID = 50, "Acct-Multi-Session-Id (RFC 2866 §5.11).";
    ACCT_INPUT_GIGAWORDS = 52, "Acct-Input-Gigawords (RFC 2869 §5.1).";
    ACCT_OUTPUT_GIGAWORDS = 53, "Acct-Output-Gigawords (RFC 2869 §5.2).";
    EVENT_TIMESTAMP = 55, "Event-Timestamp, seconds since 1970 (RFC 2869 §5.3).";
    NAS_PORT_TYPE = 61, "NAS-Port-Type (RFC 2865 §5.41).";
    MESSAGE_AUTHENTICATOR = 80, "Message-Authenticator (RFC 2869 §5.14).";
    ACCT_INTERIM_INTERVAL = 85, "Acct-Interim-Interval, seconds (RFC 2869 §5.16).";
    NAS_PORT_ID = 87, "NAS-Port-Id (RFC 2869 §5.17).";
    FRAMED_POOL = 88, "Framed-Pool (RFC 2869 §5.18).";
    CHARGEABLE_USER_IDENTITY = 89, "Chargeable-User-Identity (RFC 4372 §2.2).";
    NAS_IPV6_ADDRESS = 95, "NAS-IPv6-Address (RFC 3162 §2.1).";
    FRAMED_INTERFACE_ID = 96, "Framed-Interface-Id (RFC 3162 §2.2).";
    FRAMED_IPV6_PREFIX = 97, "Framed-IPv6-Prefix (RFC 3162 §2.3).";
    FRAMED_IPV6_POOL = 100, "Framed-IPv6-Pool (RFC 3162 §2.6).";
    ERROR_CAUSE = 101, "Error-Cause (RFC 5176 §3.5).";
    DELEGATED_IPV6_PREFIX = 123, "Delegated-IPv6-Prefix (RFC 4818 §3).";
    FRAMED_IPV6_ADDRESS = 168, "Framed-IPv6-Address (RFC 6911 §3.1).";
    DELEGATED_IPV6_PREFIX_POOL = 171, "Delegated-IPv6-Prefix-Pool (RFC 6911 §3.4).";
}

/// Enterprise numbers of vendors whose attributes are made here.
pub mod vendor {
    /// DSL Forum (RFC 4679): Agent-Circuit-Id 1, Agent-Remote-Id 2.
    pub const DSL_FORUM: u32 = 3561;
    /// ERX: DHCP options 55, MAC address 56, gateway address 57.
    pub const ERX: u32 = 4874;
}

/// One attribute.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Attribute<'a> {
    /// Type.
    pub kind: Type,
    /// Value, 0 to 253 bytes.
    pub value: &'a [u8],
}

impl<'a> Attribute<'a> {
    /// Value as a number of four bytes; `None` for another length.
    pub fn number(&self) -> Option<u32> {
        self.value.try_into().ok().map(u32::from_be_bytes)
    }

    /// Value as an address; `None` for another length.
    pub fn address(&self) -> Option<Ipv4Addr> {
        self.number().map(Ipv4Addr::from_bits)
    }

    /// Value as UTF-8 text.
    pub fn text(&self) -> Option<&'a str> {
        std::str::from_utf8(self.value).ok()
    }

    /// Enterprise number and vendor bytes, where this is a Vendor-Specific attribute (RFC 2865 §5.26).
    pub fn vendor(&self) -> Option<(u32, &'a [u8])> {
        if self.kind != Type::VENDOR_SPECIFIC {
            return None;
        }
        self.value.split_first_chunk::<4>().map(|(number, rest)| (u32::from_be_bytes(*number), rest))
    }
}

/// Attributes in order. Stops where framing is not sound, which [`super::Packet::decode`] has ruled out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attributes<'a> {
    rest: &'a [u8],
}

impl<'a> Attributes<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Whether the bytes are attributes without a remainder.
    pub(super) fn are_sound(bytes: &[u8]) -> bool {
        let mut attributes = Attributes::new(bytes);
        while attributes.next().is_some() {}
        attributes.rest.is_empty()
    }

    /// Value of the first attribute of a type.
    pub fn first(mut self, kind: Type) -> Option<&'a [u8]> {
        self.find(|attribute| attribute.kind == kind).map(|attribute| attribute.value)
    }

    /// With Vendor-Specific attributes taken apart.
    pub fn flat(self) -> Flat<'a> {
        Flat { outer: self, vendor: 0, inner: &[] }
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Attribute<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let (kind, value, rest) = split(self.rest)?;
        self.rest = rest;
        Some(Attribute { kind: Type(kind), value })
    }
}

/// Splits type, value and remainder; `None` at the end and where the length is not sound.
fn split(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let &[kind, length, ..] = bytes else {
        return None;
    };
    let value = bytes.get(2..usize::from(length))?;
    Some((kind, value, &bytes[usize::from(length)..]))
}

/// An attribute of the standard space (vendor 0) or of a vendor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FlatAttribute<'a> {
    /// Enterprise number; 0 for standard attributes.
    pub vendor: u32,
    /// Type; 0 for a vendor's bytes that are not type-length-value.
    pub code: u8,
    /// Value.
    pub value: &'a [u8],
}

/// Attributes with Vendor-Specific ones taken apart: one attribute may carry several of a vendor (RFC 2865 §5.26). A
/// vendor's bytes that are not a sound sequence come as one attribute of code 0; a Vendor-Specific attribute that is
/// too short for a vendor comes as standard attribute 26.
#[derive(Clone, Debug)]
pub struct Flat<'a> {
    outer: Attributes<'a>,
    vendor: u32,
    inner: &'a [u8],
}

impl<'a> Iterator for Flat<'a> {
    type Item = FlatAttribute<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some((code, value, rest)) = split(self.inner) {
            self.inner = rest;
            return Some(FlatAttribute { vendor: self.vendor, code, value });
        }
        let attribute = self.outer.next()?;
        let Some((vendor, bytes)) = attribute.vendor() else {
            return Some(FlatAttribute { vendor: 0, code: attribute.kind.0, value: attribute.value });
        };
        if bytes.is_empty() || !Attributes::are_sound(bytes) {
            return Some(FlatAttribute { vendor, code: 0, value: bytes });
        }
        self.vendor = vendor;
        self.inner = bytes;
        self.next()
    }
}
