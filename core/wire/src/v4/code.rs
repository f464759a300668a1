//! Option codes and sets of them.

use core::fmt;

/// An option's code (RFC 2132; the IANA registry "BOOTP Vendor Extensions and DHCP Options").
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct OptionCode(pub u8);

macro_rules! option_codes {
    ($($name:ident = $value:literal, $text:literal, $source:literal;)*) => {
        impl OptionCode {
            $(
                #[doc = concat!("Option ", stringify!($value), ", ", $text, " (", $source, ").")]
                pub const $name: Self = Self($value);
            )*

            /// The option's name in lower case with hyphens; `None` for a code without an entry here.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some($text),)*
                    _ => None,
                }
            }
        }
    };
}

option_codes! {
    PAD = 0, "pad", "RFC 2132 §3.1";
    SUBNET_MASK = 1, "subnet-mask", "RFC 2132 §3.3";
    TIME_OFFSET = 2, "time-offset", "RFC 2132 §3.4";
    ROUTER = 3, "router", "RFC 2132 §3.5";
    TIME_SERVER = 4, "time-server", "RFC 2132 §3.6";
    NAME_SERVER = 5, "name-server", "RFC 2132 §3.7";
    DOMAIN_NAME_SERVER = 6, "domain-name-server", "RFC 2132 §3.8";
    LOG_SERVER = 7, "log-server", "RFC 2132 §3.9";
    HOST_NAME = 12, "host-name", "RFC 2132 §3.14";
    BOOT_FILE_SIZE = 13, "boot-file-size", "RFC 2132 §3.15";
    DOMAIN_NAME = 15, "domain-name", "RFC 2132 §3.17";
    ROOT_PATH = 17, "root-path", "RFC 2132 §3.19";
    INTERFACE_MTU = 26, "interface-mtu", "RFC 2132 §5.1";
    BROADCAST_ADDRESS = 28, "broadcast-address", "RFC 2132 §5.3";
    STATIC_ROUTE = 33, "static-route", "RFC 2132 §5.8";
    NTP_SERVERS = 42, "ntp-servers", "RFC 2132 §8.3";
    VENDOR_SPECIFIC = 43, "vendor-specific", "RFC 2132 §8.4";
    NETBIOS_NAME_SERVER = 44, "netbios-name-server", "RFC 2132 §8.5";
    NETBIOS_NODE_TYPE = 46, "netbios-node-type", "RFC 2132 §8.7";
    NETBIOS_SCOPE = 47, "netbios-scope", "RFC 2132 §8.8";
    REQUESTED_IP_ADDRESS = 50, "requested-ip-address", "RFC 2132 §9.1";
    IP_ADDRESS_LEASE_TIME = 51, "ip-address-lease-time", "RFC 2132 §9.2";
    OPTION_OVERLOAD = 52, "option-overload", "RFC 2132 §9.3";
    DHCP_MESSAGE_TYPE = 53, "dhcp-message-type", "RFC 2132 §9.6";
    SERVER_IDENTIFIER = 54, "server-identifier", "RFC 2132 §9.7";
    PARAMETER_REQUEST_LIST = 55, "parameter-request-list", "RFC 2132 §9.8";
    MESSAGE = 56, "message", "RFC 2132 §9.9";
    MAXIMUM_DHCP_MESSAGE_SIZE = 57, "maximum-dhcp-message-size", "RFC 2132 §9.10";
    RENEWAL_TIME = 58, "renewal-time", "RFC 2132 §9.11";
    REBINDING_TIME = 59, "rebinding-time", "RFC 2132 §9.12";
    VENDOR_CLASS = 60, "vendor-class", "RFC 2132 §9.13";
    CLIENT_IDENTIFIER = 61, "client-identifier", "RFC 2132 §9.14";
    TFTP_SERVER_NAME = 66, "tftp-server-name", "RFC 2132 §9.4";
    BOOTFILE_NAME = 67, "bootfile-name", "RFC 2132 §9.5";
    USER_CLASS = 77, "user-class", "RFC 3004 §4";
    RAPID_COMMIT = 80, "rapid-commit", "RFC 4039 §4";
    CLIENT_FQDN = 81, "client-fqdn", "RFC 4702 §2";
    RELAY_AGENT_INFORMATION = 82, "relay-agent-information", "RFC 3046 §2.0";
    AUTHENTICATION = 90, "authentication", "RFC 3118 §2";
    CLIENT_LAST_TRANSACTION_TIME = 91, "client-last-transaction-time", "RFC 4388 §6.1";
    ASSOCIATED_IP = 92, "associated-ip", "RFC 4388 §6.1";
    CLIENT_SYSTEM_ARCHITECTURE = 93, "client-system-architecture", "RFC 4578 §2.1";
    CLIENT_NETWORK_INTERFACE = 94, "client-network-interface", "RFC 4578 §2.2";
    CLIENT_MACHINE_IDENTIFIER = 97, "client-machine-identifier", "RFC 4578 §2.3";
    TIMEZONE_POSIX = 100, "timezone-posix", "RFC 4833 §2";
    TIMEZONE_NAME = 101, "timezone-name", "RFC 4833 §2";
    IPV6_ONLY_PREFERRED = 108, "ipv6-only-preferred", "RFC 8925 §3.1";
    CAPTIVE_PORTAL = 114, "captive-portal", "RFC 8910 §2.1";
    AUTO_CONFIGURE = 116, "auto-configure", "RFC 2563 §2";
    SUBNET_SELECTION = 118, "subnet-selection", "RFC 3011 §2";
    DOMAIN_SEARCH = 119, "domain-search", "RFC 3397 §2";
    SIP_SERVERS = 120, "sip-servers", "RFC 3361 §3";
    CLASSLESS_STATIC_ROUTE = 121, "classless-static-route", "RFC 3442";
    VI_VENDOR_CLASS = 124, "vi-vendor-class", "RFC 3925 §3";
    VI_VENDOR_SPECIFIC = 125, "vi-vendor-specific", "RFC 3925 §4";
    CAPWAP_AC = 138, "capwap-ac", "RFC 5417 §2";
    FORCERENEW_NONCE_CAPABLE = 145, "forcerenew-nonce-capable", "RFC 6704 §3.1.1";
    TFTP_SERVER_ADDRESS = 150, "tftp-server-address", "RFC 5859 §3";
    STATUS_CODE = 151, "status-code", "RFC 6926 §6.2.2";
    BASE_TIME = 152, "base-time", "RFC 6926 §6.2.3";
    START_TIME_OF_STATE = 153, "start-time-of-state", "RFC 6926 §6.2.4";
    QUERY_START_TIME = 154, "query-start-time", "RFC 6926 §6.2.5";
    QUERY_END_TIME = 155, "query-end-time", "RFC 6926 §6.2.6";
    DHCP_STATE = 156, "dhcp-state", "RFC 6926 §6.2.7";
    DATA_SOURCE = 157, "data-source", "RFC 6926 §6.2.8";
    SIX_RD = 212, "6rd", "RFC 5969 §7.1.1";
    VIRTUAL_SUBNET_SELECTION = 221, "virtual-subnet-selection", "RFC 6607 §3.1";
    END = 255, "end", "RFC 2132 §3.2";
}

impl OptionCode {
    /// Whether the code is one of the two single bytes without a length, pad and end (RFC 2132 §3.1, §3.2).
    pub const fn is_bare(self) -> bool {
        matches!(self.0, 0 | 255)
    }
}

impl fmt::Display for OptionCode {
    /// The name and the number: `router (3)`; `option 200` for a code without a name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} ({})", self.0),
            None => write!(f, "option {}", self.0),
        }
    }
}

impl fmt::Debug for OptionCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A set of option codes; 32 bytes, no allocation.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct CodeSet([u64; 4]);

impl CodeSet {
    /// The empty set.
    pub const fn new() -> Self {
        Self([0; 4])
    }

    /// Whether `code` is in the set.
    #[inline]
    pub const fn contains(&self, code: OptionCode) -> bool {
        self.0[(code.0 >> 6) as usize] >> (code.0 & 63) & 1 != 0
    }

    /// Puts `code` into the set; whether it was new.
    #[inline]
    pub const fn insert(&mut self, code: OptionCode) -> bool {
        let new = !self.contains(code);
        self.0[(code.0 >> 6) as usize] |= 1 << (code.0 & 63);
        new
    }

    /// Takes `code` out of the set; whether it was in.
    #[inline]
    pub const fn remove(&mut self, code: OptionCode) -> bool {
        let was_in = self.contains(code);
        self.0[(code.0 >> 6) as usize] &= !(1 << (code.0 & 63));
        was_in
    }

    /// Whether no code is in the set.
    pub const fn is_empty(&self) -> bool {
        matches!(self.0, [0, 0, 0, 0])
    }

    /// How many codes are in the set, 0 to 256.
    pub fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// The codes in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = OptionCode> + '_ {
        (0..=255).map(OptionCode).filter(|code| self.contains(*code))
    }
}

impl FromIterator<OptionCode> for CodeSet {
    fn from_iter<I: IntoIterator<Item = OptionCode>>(codes: I) -> Self {
        let mut set = Self::new();
        for code in codes {
            set.insert(code);
        }
        set
    }
}

impl fmt::Debug for CodeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::{string::ToString, vec, vec::Vec};

    #[test]
    fn a_code_shows_its_name_and_number() {
        assert_eq!(OptionCode::ROUTER.to_string(), "router (3)");
        assert_eq!(OptionCode(200).to_string(), "option 200");
    }

    #[test]
    fn a_set_holds_codes_of_every_word() {
        let mut set: CodeSet = [255, 0, 63, 64, 128, 64].map(OptionCode).into_iter().collect();
        assert_eq!(set.len(), 5);
        assert_eq!(set.iter().map(|code| code.0).collect::<Vec<_>>(), vec![0, 63, 64, 128, 255]);
        assert!(!set.insert(OptionCode(0)) && set.insert(OptionCode(1)));
        assert!(set.remove(OptionCode(128)) && !set.remove(OptionCode(128)) && !set.contains(OptionCode(128)));
        assert!(!set.is_empty() && CodeSet::new().is_empty());
    }
}
