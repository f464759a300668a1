//! Relay agent information: what stands in option 82.

use bindery_types::Ipv4Addr;
use core::fmt;

/// Code of a sub-option of option 82 (RFC 3046 §3.0; the IANA registry "DHCP Relay Agent Sub-Option Codes").
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SubOption(pub u8);

impl SubOption {
    /// 1, the circuit that the request came in on (RFC 3046 §3.1).
    pub const CIRCUIT_ID: Self = Self(1);
    /// 2, the host at the far end of the circuit (RFC 3046 §3.2).
    pub const REMOTE_ID: Self = Self(2);
    /// 5, the subnet to allocate on (RFC 3527 §3).
    pub const LINK_SELECTION: Self = Self(5);
    /// 6, subscriber id (RFC 3993 §2).
    pub const SUBSCRIBER_ID: Self = Self(6);
    /// 7, RADIUS attributes (RFC 4014 §3).
    pub const RADIUS_ATTRIBUTES: Self = Self(7);
    /// 9, vendor-specific information (RFC 4243 §3).
    pub const VENDOR_SPECIFIC: Self = Self(9);
    /// 10, relay agent flags (RFC 5010 §3).
    pub const FLAGS: Self = Self(10);
    /// 11, the server identifier that the server must use (RFC 5107 §4).
    pub const SERVER_IDENTIFIER_OVERRIDE: Self = Self(11);
    /// 12, relay agent identifier (RFC 6925 §4).
    pub const RELAY_AGENT_IDENTIFIER: Self = Self(12);
    /// 19, the port that the relay wants the reply on (RFC 8357 §4).
    pub const SOURCE_PORT: Self = Self(19);
    /// 151, virtual subnet selection (RFC 6607 §3.2).
    pub const VIRTUAL_SUBNET_SELECTION: Self = Self(151);
}

impl fmt::Display for SubOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sub-option {}", self.0)
    }
}

/// A view of the value of option 82. Borrows it; reads it anew at each question.
///
/// A relay's mistake must not cost its subscriber the lease: what stands before a malformed sub-option can be read, the
/// rest is as if absent, and [`RelayAgentInformation::is_malformed`] tells. A server echoes the raw value either way
/// (RFC 3046 §2.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RelayAgentInformation<'a> {
    value: &'a [u8],
}

impl<'a> RelayAgentInformation<'a> {
    /// A view of the value of option 82.
    pub const fn new(value: &'a [u8]) -> Self {
        Self { value }
    }

    /// The whole value.
    pub const fn bytes(self) -> &'a [u8] {
        self.value
    }

    /// The value of the first sub-option of this code.
    pub fn sub_option(self, code: SubOption) -> Option<&'a [u8]> {
        self.iter().find(|(other, _)| *other == code).map(|(_, value)| value)
    }

    /// Agent circuit id (RFC 3046 §3.1).
    pub fn circuit_id(self) -> Option<&'a [u8]> {
        self.sub_option(SubOption::CIRCUIT_ID)
    }

    /// Agent remote id (RFC 3046 §3.2).
    pub fn remote_id(self) -> Option<&'a [u8]> {
        self.sub_option(SubOption::REMOTE_ID)
    }

    /// An address on the subnet to allocate on, in place of `giaddr` (RFC 3527 §3). `None` also where it has not four
    /// bytes.
    pub fn link_selection(self) -> Option<Ipv4Addr> {
        self.address(SubOption::LINK_SELECTION)
    }

    /// The address to use as server identifier (RFC 5107 §4). `None` also where it has not four bytes.
    pub fn server_identifier_override(self) -> Option<Ipv4Addr> {
        self.address(SubOption::SERVER_IDENTIFIER_OVERRIDE)
    }

    /// Whether a sub-option reaches behind the end of the option, or an address has not four bytes (RFC 3527 §3,
    /// RFC 5107 §4).
    pub fn is_malformed(self) -> bool {
        let mut walk = self.iter();
        let bad_length = walk.by_ref().any(|(code, value)| {
            matches!(code, SubOption::LINK_SELECTION | SubOption::SERVER_IDENTIFIER_OVERRIDE) && value.len() != 4
        });
        bad_length || !walk.rest.is_empty()
    }

    /// The sub-options up to the first malformed one. 0 and 255 are codes like any other: RFC 3046 §2.0 has neither
    /// pad nor end here.
    pub fn iter(self) -> SubOptions<'a> {
        SubOptions { rest: self.value }
    }

    fn address(self, code: SubOption) -> Option<Ipv4Addr> {
        let bytes: [u8; 4] = self.sub_option(code)?.try_into().ok()?;
        Some(Ipv4Addr::from(bytes))
    }
}

/// Iterator over sub-options; see [`RelayAgentInformation::iter`].
#[derive(Clone, Debug)]
pub struct SubOptions<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for SubOptions<'a> {
    type Item = (SubOption, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let ([code, len], rest) = self.rest.split_first_chunk::<2>()?;
        let (value, rest) = rest.split_at_checked(usize::from(*len))?;
        self.rest = rest;
        Some((SubOption(*code), value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sub_options_are_found_by_code() {
        let view = RelayAgentInformation::new(&[1, 2, 7, 8, 2, 0, 5, 4, 10, 1, 0, 0, 11, 4, 192, 0, 2, 1, 1, 1, 9]);
        assert_eq!(view.circuit_id(), Some(&[7, 8][..]));
        assert_eq!(view.remote_id(), Some(&[][..]));
        assert_eq!(view.link_selection(), Some(Ipv4Addr::new(10, 1, 0, 0)));
        assert_eq!(view.server_identifier_override(), Some(Ipv4Addr::new(192, 0, 2, 1)));
        assert_eq!(view.sub_option(SubOption::SUBSCRIBER_ID), None);
        assert_eq!(view.iter().count(), 5);
        assert!(!view.is_malformed() && !RelayAgentInformation::new(&[]).is_malformed());
    }

    #[test]
    fn what_stands_before_a_malformed_sub_option_can_be_read() {
        for tail in [&[2, 9, 1][..], &[2][..]] {
            let mut value = alloc::vec![1, 1, 7];
            value.extend_from_slice(tail);
            let view = RelayAgentInformation::new(&value);
            assert_eq!(view.circuit_id(), Some(&[7][..]));
            assert_eq!(view.remote_id(), None);
            assert!(view.is_malformed());
        }
    }

    #[test]
    fn an_address_of_another_length_is_none_and_malformed() {
        for value in [&[5, 3, 10, 1, 0][..], &[11, 5, 10, 1, 0, 0, 0][..]] {
            let view = RelayAgentInformation::new(value);
            assert_eq!((view.link_selection(), view.server_identifier_override()), (None, None));
            assert!(view.is_malformed());
        }
    }
}
