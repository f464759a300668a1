//! A UDP payload from anyone.
#![no_main]

use bindery_types::MacAddr;
use bindery_wire::v4::{
    EncodeLimits, FILE_LEN, Fault, MessageBuilder, MessageType, Op, OptionCode, Packet, ParseRules, Reply, SNAME_LEN,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    // A fuzzer rarely guesses a header with a cookie behind it, so the bytes also go where options are read.
    if let Some((fields, options)) = bytes.split_at_checked(SNAME_LEN + FILE_LEN) {
        check(&message(fields, options));
    }
    check(&message(&[], bytes));
});

/// A sound header with these fields and these options.
fn message(fields: &[u8], options: &[u8]) -> Vec<u8> {
    let (sname, file) = fields.split_at(fields.len().min(SNAME_LEN));
    let mac = MacAddr([2, 0, 0, 0, 0, 1]);
    let header = MessageBuilder::bootp(Op::BootRequest, mac).sname(sname).file(file).fault(Fault::NoEnd);
    let mut message = header.build();
    message.extend(options);
    message
}

fn check(bytes: &[u8]) {
    let strict = Packet::parse(bytes, ParseRules::default());
    let lenient = Packet::parse(bytes, ParseRules { allow_no_end_option: true });
    if let Ok(packet) = &strict {
        let lenient = lenient.as_ref().expect("the lenient rule takes what the strict one takes");
        assert!(packet.options().eq(lenient.options()));
    }
    if let Ok(packet) = &lenient {
        read(packet);
        answer(packet);
    }
}

/// All ways to ask for an option agree.
fn read(packet: &Packet<'_>) {
    let codes = packet.codes();
    let mut listed = 0;
    for (code, value) in packet.options() {
        listed += 1;
        assert!(codes.contains(code));
        assert_eq!(packet.option(code).as_deref(), Some(&value[..]));
        assert_eq!(packet.byte_option(code).is_some(), value.len() == 1);
        assert_eq!(packet.u16_option(code).is_some(), value.len() == 2);
        assert_eq!(packet.address_option(code).map(|address| address.octets().to_vec()), four(&value));
    }
    assert_eq!(listed, codes.len());
    for code in (0..=255).map(OptionCode) {
        assert_eq!(packet.option(code).is_some(), packet.has(code));
    }
    assert!(packet.hw_addr().as_bytes().len() <= 16);
}

fn four(value: &[u8]) -> Option<Vec<u8>> {
    (value.len() == 4).then(|| value.to_vec())
}

/// What we would answer can be read and fits.
fn answer(packet: &Packet<'_>) {
    let mut reply = Reply::new();
    if reply.begin(packet, MessageType::Ack).is_err() {
        return;
    }
    let limits = EncodeLimits::of(packet, 1500);
    let mut out = Vec::new();
    if reply.encode(limits, &mut out).is_ok() {
        assert!(out.len() + 28 <= usize::from(limits.message_size_max));
        let sent = Packet::parse(&out, ParseRules::default()).expect("what we send is sound");
        assert_eq!((sent.xid(), sent.hw_addr(), sent.giaddr()), (packet.xid(), packet.hw_addr(), packet.giaddr()));
        assert_eq!(sent.option(OptionCode::CLIENT_IDENTIFIER), packet.option(OptionCode::CLIENT_IDENTIFIER));
    }
}
