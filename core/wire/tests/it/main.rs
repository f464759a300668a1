//! Tests of the codecs through their public face.

mod differential;
mod frame;
mod options;
mod pairs;
mod reply;
mod roundtrip;
mod vectors;

use bindery_types::{Ipv4Addr, MacAddr};
use bindery_wire::v4::{DecodeError, Packet, ParseRules};

/// A client of the tests.
const MAC: MacAddr = MacAddr([2, 0, 0x5e, 0, 0x53, 1]);
/// A server of the tests.
const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// A leased address of the tests.
const LEASED: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 77);

/// Parses by the default rules.
fn parse(bytes: &[u8]) -> Result<Packet<'_>, DecodeError> {
    Packet::parse(bytes, ParseRules::default())
}

/// Parses by the default rules what must be sound.
#[track_caller]
fn sound(bytes: &[u8]) -> Packet<'_> {
    match parse(bytes) {
        Ok(packet) => packet,
        Err(error) => panic!("{error}: {bytes:02x?}"),
    }
}
