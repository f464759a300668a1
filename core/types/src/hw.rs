//! Hardware addresses.

use core::{fmt, str::FromStr};

/// A 48-bit Ethernet address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MacAddr(pub [u8; 6]);

impl MacAddr {
    /// ff:ff:ff:ff:ff:ff.
    pub const BROADCAST: Self = Self([0xff; 6]);
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_colons(f, &self.0)
    }
}

impl fmt::Debug for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not six pairs of hexadecimal digits parted by colons.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ParseMacError;

impl fmt::Display for ParseMacError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a MAC address is six pairs of hexadecimal digits, like 00:00:5e:00:53:01")
    }
}

impl core::error::Error for ParseMacError {}

impl FromStr for MacAddr {
    type Err = ParseMacError;

    fn from_str(text: &str) -> Result<Self, ParseMacError> {
        let mut bytes = [0u8; 6];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            let part = parts.next().ok_or(ParseMacError)?;
            if part.is_empty() || part.len() > 2 || !part.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Err(ParseMacError);
            }
            *byte = u8::from_str_radix(part, 16).map_err(|_| ParseMacError)?;
        }
        if parts.next().is_some() { Err(ParseMacError) } else { Ok(Self(bytes)) }
    }
}

/// A client hardware address: `htype` (IANA hardware types) and up to 16 bytes of `chaddr` (RFC 2131 §2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct HwAddr {
    /// Hardware type; 1 is Ethernet.
    pub htype: u8,
    len: u8,
    bytes: [u8; 16],
}

impl HwAddr {
    /// An address of `htype`; `None` when `bytes` is longer than `chaddr` can hold (16).
    pub fn new(htype: u8, bytes: &[u8]) -> Option<Self> {
        let mut address = Self { htype, len: u8::try_from(bytes.len()).ok()?, bytes: [0; 16] };
        address.bytes.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(address)
    }

    /// The bytes of the address, 0 to 16 of them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len.min(16))]
    }

    /// The address as an Ethernet address, when it is one.
    pub fn mac(&self) -> Option<MacAddr> {
        if self.htype != 1 {
            return None;
        }
        self.as_bytes().try_into().ok().map(MacAddr)
    }
}

impl From<MacAddr> for HwAddr {
    fn from(mac: MacAddr) -> Self {
        let mut bytes = [0; 16];
        bytes[..6].copy_from_slice(&mac.0);
        Self { htype: 1, len: 6, bytes }
    }
}

impl fmt::Display for HwAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_colons(f, self.as_bytes())
    }
}

impl fmt::Debug for HwAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/", self.htype)?;
        write_colons(f, self.as_bytes())
    }
}

fn write_colons(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    for (i, byte) in bytes.iter().enumerate() {
        if i > 0 {
            f.write_str(":")?;
        }
        write!(f, "{byte:02x}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::ToString;

    #[test]
    fn mac_text_goes_both_ways() {
        let mac: MacAddr = "02:0a:00:ff:5e:1".parse().unwrap();
        assert_eq!(mac.to_string(), "02:0a:00:ff:5e:01");
        for bad in ["", "02:00", "02:0a:00:ff:5e:01:02", "02:0a:00:ff:5e:zz", "+2:0a:00:ff:5e:01", "020:a:00:ff:5e:01"]
        {
            assert_eq!(bad.parse::<MacAddr>(), Err(ParseMacError), "{bad}");
        }
    }

    #[test]
    fn only_ethernet_has_a_mac() {
        assert_eq!(HwAddr::new(1, &[2, 0, 0, 0, 0, 1]).unwrap().mac(), Some(MacAddr([2, 0, 0, 0, 0, 1])));
        assert_eq!(HwAddr::new(32, &[2, 0, 0, 0, 0, 1]).unwrap().mac(), None);
        assert_eq!(HwAddr::new(1, &[0; 17]), None);
    }
}
