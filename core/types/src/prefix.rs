//! IPv4 prefixes.

use core::{fmt, net::Ipv4Addr, str::FromStr};

/// An IPv4 network: an address whose host bits are zero, and a length of 0 to 32. By default 0.0.0.0/0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Prefix4 {
    address: Ipv4Addr,
    len: u8,
}

impl Default for Prefix4 {
    fn default() -> Self {
        Self { address: Ipv4Addr::UNSPECIFIED, len: 0 }
    }
}

impl Prefix4 {
    /// The network of `len` bits that holds `address`; `None` when `len` is over 32. Host bits are cleared.
    pub fn containing(address: Ipv4Addr, len: u8) -> Option<Self> {
        (len <= 32).then(|| Self { address: Ipv4Addr::from_bits(address.to_bits() & mask_bits(len)), len })
    }

    /// The network address.
    pub const fn address(self) -> Ipv4Addr {
        self.address
    }

    /// The length, 0 to 32 bits.
    #[allow(clippy::len_without_is_empty)]
    pub const fn len(self) -> u8 {
        self.len
    }

    /// The subnet mask (option 1).
    pub fn mask(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(mask_bits(self.len))
    }

    /// The last address of the network: the directed broadcast address of lengths up to 30.
    pub fn last(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.address.to_bits() | !mask_bits(self.len))
    }

    /// Whether `address` lies in the network.
    pub fn contains(self, address: Ipv4Addr) -> bool {
        address.to_bits() & mask_bits(self.len) == self.address.to_bits()
    }

    /// Whether the two networks share an address.
    pub fn overlaps(self, other: Self) -> bool {
        self.contains(other.address) || other.contains(self.address)
    }
}

fn mask_bits(len: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(len)).unwrap_or(0)
}

impl fmt::Display for Prefix4 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.len)
    }
}

/// The text is no `ADDRESS/LENGTH` whose host bits are zero.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ParsePrefixError {
    /// Not of the form `192.0.2.0/24`.
    Form,
    /// Bits behind the prefix length are set.
    HostBits,
}

impl fmt::Display for ParsePrefixError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Form => "a prefix is an address and a length, like 192.0.2.0/24",
            Self::HostBits => "the address has bits behind the prefix length",
        })
    }
}

impl core::error::Error for ParsePrefixError {}

impl FromStr for Prefix4 {
    type Err = ParsePrefixError;

    fn from_str(text: &str) -> Result<Self, ParsePrefixError> {
        let (address, len) = text.split_once('/').ok_or(ParsePrefixError::Form)?;
        let address: Ipv4Addr = address.parse().map_err(|_| ParsePrefixError::Form)?;
        if len.is_empty() || !len.bytes().all(|b| b.is_ascii_digit()) {
            return Err(ParsePrefixError::Form);
        }
        let len = len.parse().map_err(|_| ParsePrefixError::Form)?;
        let prefix = Self::containing(address, len).ok_or(ParsePrefixError::Form)?;
        if prefix.address == address { Ok(prefix) } else { Err(ParsePrefixError::HostBits) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_at_both_ends() {
        let all: Prefix4 = "0.0.0.0/0".parse().unwrap();
        assert!(all.contains(Ipv4Addr::BROADCAST));
        assert_eq!(all.mask(), Ipv4Addr::UNSPECIFIED);
        let one: Prefix4 = "192.0.2.7/32".parse().unwrap();
        assert_eq!(one.last(), one.address());
        assert_eq!(one.mask(), Ipv4Addr::BROADCAST);
    }

    #[test]
    fn text_is_strict() {
        assert_eq!("10.0.0.1/8".parse::<Prefix4>(), Err(ParsePrefixError::HostBits));
        for bad in ["10.0.0.0", "10.0.0.0/33", "10.0.0.0/+8", "10.0.0/8", "/8", "10.0.0.0/"] {
            assert_eq!(bad.parse::<Prefix4>(), Err(ParsePrefixError::Form), "{bad}");
        }
    }

    #[test]
    fn overlap_is_symmetric() {
        let wide: Prefix4 = "10.0.0.0/8".parse().unwrap();
        let narrow: Prefix4 = "10.1.0.0/16".parse().unwrap();
        let other: Prefix4 = "192.168.0.0/16".parse().unwrap();
        assert!(wide.overlaps(narrow) && narrow.overlaps(wide) && !wide.overlaps(other));
    }
}
