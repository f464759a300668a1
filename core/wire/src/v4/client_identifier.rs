//! Client identifiers of the form that DHCPv6 shares (RFC 4361 §6.1).

use core::fmt;

/// Type byte of option 61 that says: IAID and DUID follow (RFC 4361 §6.1).
pub const NODE_TYPE: u8 = 255;

/// Bytes of the shortest one: type, IAID, and a DUID of a type and one byte.
const LEN_MIN: usize = 8;

/// Option 61 as a conforming client sends it. The whole value is the client's key; this is for eyes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NodeIdentifier<'a> {
    /// Which of the host's network identities it is (RFC 4361 §6.1).
    pub iaid: u32,
    /// The host.
    pub duid: Duid<'a>,
}

impl<'a> NodeIdentifier<'a> {
    /// Reads the value of option 61; `None` for one of another form.
    pub fn read(value: &'a [u8]) -> Option<Self> {
        let (&NODE_TYPE, rest) = value.split_first()? else { return None };
        let (iaid, duid) = rest.split_first_chunk::<4>()?;
        (value.len() >= LEN_MIN).then_some(Self { iaid: u32::from_be_bytes(*iaid), duid: Duid(duid) })
    }
}

/// A DHCP unique identifier (RFC 8415 §11).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Duid<'a>(pub &'a [u8]);

impl fmt::Display for Duid<'_> {
    /// As Junos shows it: `LL_TIME0x1-0x2e159c0-00:10:94:00:00:01`, `LL0x1-00:10:94:00:00:01`, `VENDOR0xa4c-0x0102`; a
    /// UUID (RFC 6355 §4) in its own form; what is none of these in hexadecimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [0, 1, h1, h2, t1, t2, t3, t4, address @ ..] if !address.is_empty() => {
                let (hardware, time) = (u16::from_be_bytes([*h1, *h2]), u32::from_be_bytes([*t1, *t2, *t3, *t4]));
                write!(f, "LL_TIME0x{hardware:x}-0x{time:x}-")?;
                colons(f, address)
            }
            [0, 2, e1, e2, e3, e4, identifier @ ..] if !identifier.is_empty() => {
                write!(f, "VENDOR0x{:x}-0x", u32::from_be_bytes([*e1, *e2, *e3, *e4]))?;
                digits(f, identifier)
            }
            [0, 3, h1, h2, address @ ..] if !address.is_empty() => {
                write!(f, "LL0x{:x}-", u16::from_be_bytes([*h1, *h2]))?;
                colons(f, address)
            }
            [0, 4, uuid @ ..] if uuid.len() == 16 => {
                f.write_str("UUID")?;
                for (at, byte) in uuid.iter().enumerate() {
                    let dash = if matches!(at, 4 | 6 | 8 | 10) { "-" } else { "" };
                    write!(f, "{dash}{byte:02x}")?;
                }
                Ok(())
            }
            bytes => {
                f.write_str("0x")?;
                digits(f, bytes)
            }
        }
    }
}

fn colons(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    for (at, byte) in bytes.iter().enumerate() {
        write!(f, "{}{byte:02x}", if at > 0 { ":" } else { "" })?;
    }
    Ok(())
}

fn digits(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::{string::ToString, vec::Vec};

    #[test]
    fn rfc4361_6_1_type_255_has_iaid_and_duid() {
        let read = |value: &'static [u8]| NodeIdentifier::read(value).map(|it| (it.iaid, it.duid.to_string()));
        let link_layer = b"\xff\x00\x00\x00\x07\x00\x03\x00\x01\x02\x00\x00\x00\x00\x01";
        assert_eq!(read(link_layer), Some((7, "LL0x1-02:00:00:00:00:01".to_string())));
        assert_eq!(read(b"\x01\x02\x00\x00\x00\x00\x01"), None, "type 1: a hardware address");
        assert_eq!(read(b"\xff\x00\x00\x00\x07\x00\x03"), None, "no DUID");
        assert_eq!(read(b""), None);
    }

    #[test]
    fn a_duid_is_shown_as_junos_shows_it() {
        for (bytes, text) in [
            (
                &b"\x00\x01\x00\x01\x02\xe1\x59\xc0\x00\x10\x94\x00\x00\x01"[..],
                "LL_TIME0x1-0x2e159c0-00:10:94:00:00:01",
            ),
            (b"\x00\x02\x00\x00\x0a\x4c\x01\x02", "VENDOR0xa4c-0x0102"),
            (b"\x00\x03\x00\x01\x00\x00\x65\x03\x01\x02", "LL0x1-00:00:65:03:01:02"),
            (
                b"\x00\x04\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f",
                "UUID00010203-0405-0607-0809-0a0b0c0d0e0f",
            ),
            (b"\x00\x09\xab", "0x0009ab"),
            (b"\x00\x03\x00\x01", "0x00030001"),
            (b"", "0x"),
        ] {
            assert_eq!(Duid(bytes).to_string(), text);
        }
        // Whatever a client sends can be shown.
        for len in 0..40usize {
            for kind in 0..6 {
                let mut bytes: Vec<u8> = std::vec![0, kind];
                bytes.resize(len, 7);
                assert!(!Duid(&bytes).to_string().is_empty());
            }
        }
    }
}
