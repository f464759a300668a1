//! IPv4 and UDP headers, one byte string by hand and every way to break it.

use bindery_types::Ipv4Addr;
use bindery_wire::frame::{FrameError, UdpDatagram, write_udp};

/// 192.0.2.1:67 to 192.0.2.77:68, TTL 16, "abc"; checksums from another implementation.
#[rustfmt::skip]
const FRAME: [u8; 31] = [
    0x45, 0, 0, 31, 0, 0, 0x40, 0, 16, 17, 0xe6, 0x7f, 192, 0, 2, 1, 192, 0, 2, 77,
    0, 67, 0, 68, 0, 11, 0xb6, 0x9f, b'a', b'b', b'c',
];

fn datagram() -> UdpDatagram<'static> {
    UdpDatagram {
        src: Ipv4Addr::new(192, 0, 2, 1),
        dst: Ipv4Addr::new(192, 0, 2, 77),
        src_port: 67,
        dst_port: 68,
        payload: b"abc",
    }
}

/// Writes `value` at `at` and makes the IP checksum right again.
fn changed(at: usize, value: &[u8]) -> Vec<u8> {
    let mut frame = FRAME.to_vec();
    frame[at..at + value.len()].copy_from_slice(value);
    frame[10..12].copy_from_slice(&[0, 0]);
    let mut sum: u32 = frame[..20].chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let checksum = !(sum as u16);
    frame[10..12].copy_from_slice(&checksum.to_be_bytes());
    frame
}

#[test]
fn a_datagram_goes_both_ways() {
    let mut out = b"before".to_vec();
    datagram().write(16, &mut out).unwrap();
    assert_eq!(out[6..], FRAME);
    assert_eq!(UdpDatagram::parse(&FRAME, false), Ok(datagram()));
}

#[test]
fn ethernet_padding_is_no_payload() {
    let mut frame = FRAME.to_vec();
    frame.resize(46, 0xee);
    assert_eq!(UdpDatagram::parse(&frame, false), Ok(datagram()));
}

#[test]
fn ip_options_are_skipped() {
    let mut frame = FRAME.to_vec();
    frame.splice(20..20, [1, 1, 1, 0]);
    frame[0] = 0x46;
    frame[3] = 35;
    // The first word grew by 0x0100 and the length by 4; the options add 0x0101 + 0x0100.
    frame[10..12].copy_from_slice(&(0xe67f_u16 - 0x0100 - 4 - 0x0201).to_be_bytes());
    assert_eq!(UdpDatagram::parse(&frame, false), Ok(datagram()));
}

#[test]
fn every_error_has_its_cause() {
    let parse = |frame: &[u8]| UdpDatagram::parse(frame, false).expect_err("a broken frame");
    for len in [0, 19] {
        assert_eq!(parse(&FRAME[..len]), FrameError::TooShort);
    }
    for len in [20, 30] {
        assert_eq!(parse(&FRAME[..len]), FrameError::BadIpLength);
    }
    assert_eq!(parse(&changed(0, &[0x65])), FrameError::NotIpv4);
    assert_eq!(parse(&changed(0, &[0x44])), FrameError::BadIpLength);
    assert_eq!(parse(&changed(0, &[0x4f])), FrameError::BadIpLength);
    assert_eq!(parse(&changed(2, &[0, 19])), FrameError::BadIpLength);
    assert_eq!(parse(&changed(2, &[0, 27])), FrameError::TooShort);
    let mut bad_checksum = FRAME;
    bad_checksum[11] ^= 1;
    assert_eq!(parse(&bad_checksum), FrameError::BadIpChecksum);
    for fragment in [[0x20, 0], [0, 1], [0x1f, 0xff], [0x20, 1]] {
        assert_eq!(parse(&changed(6, &fragment)), FrameError::Fragment);
    }
    assert_eq!(parse(&changed(9, &[6])), FrameError::NotUdp);
    for len in [[0, 7], [0, 12], [0xff, 0xff]] {
        assert_eq!(parse(&changed(24, &len)), FrameError::BadUdpLength);
    }
    let mut bad_checksum = FRAME;
    bad_checksum[30] ^= 1;
    assert_eq!(parse(&bad_checksum), FrameError::BadUdpChecksum);
    assert_eq!(parse(&changed(19, &[78])), FrameError::BadUdpChecksum, "the pseudo header counts");
}

#[test]
fn a_checksum_of_zero_or_one_not_yet_there_is_not_verified() {
    // RFC 768.
    let mut frame = FRAME;
    frame[26..28].copy_from_slice(&[0, 0]);
    assert_eq!(UdpDatagram::parse(&frame, false), Ok(datagram()));
    frame[26..28].copy_from_slice(&[0x12, 0x34]);
    assert_eq!(UdpDatagram::parse(&frame, false), Err(FrameError::BadUdpChecksum));
    assert_eq!(UdpDatagram::parse(&frame, true), Ok(datagram()));
}

#[test]
fn a_computed_checksum_of_zero_is_sent_as_all_ones() {
    // RFC 768. One payload word of the 65,536 makes the sum come out so; the others must not be touched.
    let src = Ipv4Addr::new(192, 0, 2, 1);
    let mut seen = 0;
    for word in 0..=u16::MAX {
        let mut out = Vec::new();
        write_udp(src, Ipv4Addr::BROADCAST, 67, 68, 16, &word.to_be_bytes(), &mut out).unwrap();
        assert_ne!(out[26..28], [0, 0]);
        if out[26..28] == [0xff, 0xff] {
            seen += 1;
            assert!(UdpDatagram::parse(&out, false).is_ok());
        }
    }
    assert_eq!(seen, 1);
}

#[test]
fn the_largest_payload_fits_and_one_more_byte_does_not() {
    let mut out = Vec::new();
    let mut write = |len| write_udp(Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST, 1, 2, 1, &vec![0xff; len], &mut out);
    assert_eq!(write(65_508), Err(FrameError::TooLong));
    assert_eq!(write(65_507), Ok(()));
    assert_eq!(UdpDatagram::parse(&out, false).map(|datagram| datagram.payload.len()), Ok(65_507));
}
