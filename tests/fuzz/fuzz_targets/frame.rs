//! An IPv4 packet from anyone.
#![no_main]

use bindery_wire::frame::UdpDatagram;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let strict = UdpDatagram::parse(bytes, false);
    let pending = UdpDatagram::parse(bytes, true);
    if let Ok(datagram) = strict {
        assert_eq!(pending, Ok(datagram));
    }
    if let Ok(datagram) = pending {
        let mut out = Vec::new();
        datagram.write(64, &mut out).expect("what was received fits");
        assert_eq!(UdpDatagram::parse(&out, false), Ok(datagram));
    }
    // Checksums stop a fuzzer at once, so the payload also goes through our own writer.
    if let Some((head, payload)) = bytes.split_first_chunk::<12>() {
        let word = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
        let address = |at: usize| [head[at], head[at + 1], head[at + 2], head[at + 3]].into();
        let sent = UdpDatagram { src: address(0), dst: address(4), src_port: word(8), dst_port: word(10), payload };
        let mut out = Vec::new();
        sent.write(1, &mut out).expect("an input is shorter than a datagram can be");
        assert_eq!(UdpDatagram::parse(&out, false), Ok(sent));
    }
});
