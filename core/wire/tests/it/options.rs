//! Forms of options and everything that can be wrong with a message.

use crate::{LEASED, MAC, SERVER, parse, sound};
use bindery_types::HwAddr;
use bindery_wire::v4::{
    DecodeError, Fault, MessageBuilder, MessageType, Op, OptionCode, OptionFault, Packet, ParseRules,
};
use std::borrow::Cow;

const LENIENT: ParseRules = ParseRules { allow_no_end_option: true };
const VENDOR: OptionCode = OptionCode::VENDOR_SPECIFIC;

fn fault(message: &MessageBuilder) -> DecodeError {
    parse(&message.build()).expect_err("a faulty message")
}

fn bad(fault: OptionFault) -> DecodeError {
    DecodeError::BadOptions(fault)
}

#[test]
fn options_in_file_and_sname_follow_those_of_the_options_field() {
    // RFC 3396 §5: the order is options, file, sname, though sname lies first in the message.
    let bytes = MessageBuilder::discover(MAC)
        .sname_options(&[(VENDOR, b"3"), (OptionCode::HOST_NAME, b"name")])
        .file_options(&[(VENDOR, b"2"), (OptionCode::CLIENT_IDENTIFIER, b"\0f")])
        .option(VENDOR, b"1")
        .build();
    let packet = sound(&bytes);
    assert_eq!(packet.overloaded_fields(), (true, true));
    assert_eq!(packet.option(VENDOR), Some(Cow::Owned(b"123".to_vec())));
    assert_eq!(packet.option(OptionCode::HOST_NAME), Some(Cow::Borrowed(&b"name"[..])));
    let all: Vec<_> = packet.options().map(|(code, value)| (code.0, value.into_owned())).collect();
    let expected: [(u8, &[u8]); 5] = [(53, &[1]), (52, &[3]), (43, b"123"), (61, b"\0f"), (12, b"name")];
    assert_eq!(all, expected.map(|(code, value)| (code, value.to_vec())));
}

#[test]
fn each_field_is_read_only_when_option_52_names_it() {
    let sname = MessageBuilder::discover(MAC).sname_options(&[(OptionCode::HOST_NAME, b"s")]);
    let bytes = sname.clone().file(b"boot.img").build();
    let packet = sound(&bytes);
    assert_eq!(packet.overloaded_fields(), (false, true));
    assert!(packet.has(OptionCode::HOST_NAME) && packet.file_field().starts_with(b"boot.img\0"));
    let bytes = sname.clone().without(OptionCode::OPTION_OVERLOAD).build();
    assert!(!sound(&bytes).has(OptionCode::HOST_NAME));
    assert_eq!(sound(&bytes).sname_field()[..4], [12, 1, b's', 255]);
    let bytes = MessageBuilder::discover(MAC).file_options(&[(OptionCode::HOST_NAME, b"f")]).sname(b"srv").build();
    let packet = sound(&bytes);
    assert_eq!(packet.overloaded_fields(), (true, false));
    assert_eq!(packet.option(OptionCode::HOST_NAME).as_deref(), Some(&b"f"[..]));
}

#[test]
fn option_52_counts_in_the_options_field_only() {
    let bytes = MessageBuilder::discover(MAC)
        .sname(&[12, 1, b's', 255])
        .file_options(&[(OptionCode::OPTION_OVERLOAD, &[9, 9]), (OptionCode::HOST_NAME, b"f")])
        .build();
    let packet = sound(&bytes);
    assert_eq!(packet.overloaded_fields(), (true, false));
    assert_eq!(packet.byte_option(OptionCode::OPTION_OVERLOAD), Some(1));
    assert_eq!(packet.options().map(|(code, _)| code.0).collect::<Vec<_>>(), [53, 52, 12]);
}

#[test]
fn a_wrong_overload_is_refused() {
    for value in [0, 4, 255] {
        let message = MessageBuilder::discover(MAC).option(OptionCode::OPTION_OVERLOAD, &[value]);
        assert_eq!(fault(&message), bad(OptionFault::BadOverload(value)));
    }
    let message = MessageBuilder::discover(MAC).option(OptionCode::OPTION_OVERLOAD, &[1, 1]);
    assert_eq!(fault(&message), bad(OptionFault::BadLength { code: OptionCode::OPTION_OVERLOAD, len: 2 }));
}

#[test]
fn a_fault_in_an_overloaded_field_counts() {
    // The field ends inside the option: 128 bytes of file, the option wants 200.
    let truncated = MessageBuilder::discover(MAC).file_options(&[(VENDOR, &[0; 200])]);
    assert_eq!(fault(&truncated), bad(OptionFault::Truncated(VENDOR)));
    // 62 bytes of option fill sname, so that there is no room for the end option.
    let no_end = MessageBuilder::discover(MAC).sname_options(&[(VENDOR, &[7; 62])]);
    assert_eq!(fault(&no_end), bad(OptionFault::NoEnd));
    let bytes = no_end.build();
    assert_eq!(Packet::parse(&bytes, LENIENT).unwrap().option(VENDOR).as_deref(), Some(&[7; 62][..]));
    // The length rule holds over all fields together.
    let split = MessageBuilder::discover(MAC)
        .option(OptionCode::SERVER_IDENTIFIER, &[192, 0])
        .file_options(&[(OptionCode::SERVER_IDENTIFIER, &[2, 1])]);
    assert_eq!(sound(&split.build()).address_option(OptionCode::SERVER_IDENTIFIER), Some(SERVER));
    let split = split.sname_options(&[(OptionCode::SERVER_IDENTIFIER, &[9])]);
    assert_eq!(fault(&split), bad(OptionFault::BadLength { code: OptionCode::SERVER_IDENTIFIER, len: 5 }));
}

#[test]
fn a_long_option_is_joined() {
    // RFC 3396 §7, adjacent or not.
    let long: Vec<u8> = (0..=255).cycle().take(700).collect();
    let bytes = MessageBuilder::discover(MAC).option(VENDOR, &long).build();
    assert_eq!(sound(&bytes).option(VENDOR).as_deref(), Some(&long[..]));
    let bytes = MessageBuilder::discover(MAC)
        .option(VENDOR, b"a")
        .option(OptionCode::HOST_NAME, b"h")
        .option(VENDOR, b"b")
        .build();
    let packet = sound(&bytes);
    assert_eq!(packet.option(VENDOR).as_deref(), Some(&b"ab"[..]));
    assert_eq!(packet.options().map(|(code, _)| code.0).collect::<Vec<_>>(), [53, 43, 12]);
}

#[test]
fn a_message_type_given_twice_is_refused() {
    let message = MessageBuilder::discover(MAC).option(OptionCode::DHCP_MESSAGE_TYPE, &[3]);
    assert_eq!(fault(&message), bad(OptionFault::BadLength { code: OptionCode::DHCP_MESSAGE_TYPE, len: 2 }));
}

#[test]
fn lengths_that_the_server_relies_on_are_checked() {
    for (code, len) in [(50, 4), (51, 4), (52, 1), (53, 1), (54, 4), (57, 2)] {
        let code = OptionCode(code);
        for wrong in [0, len - 1, len + 1] {
            let message = MessageBuilder::bootp(Op::BootRequest, MAC).option(code, &vec![1; wrong]);
            assert_eq!(fault(&message), bad(OptionFault::BadLength { code, len: wrong }), "{code}");
        }
        let bytes = MessageBuilder::bootp(Op::BootRequest, MAC).option(code, &vec![1; len]);
        let bytes = if code.0 == 52 { bytes.file(&[255]).build() } else { bytes.build() };
        assert!(sound(&bytes).has(code));
    }
}

#[test]
fn other_options_may_have_any_length() {
    let bytes = MessageBuilder::discover(MAC).option(OptionCode::ROUTER, b"abc").build();
    let packet = sound(&bytes);
    assert_eq!(packet.address_option(OptionCode::ROUTER), None);
    assert_eq!(packet.option(OptionCode::ROUTER).as_deref(), Some(&b"abc"[..]));
}

#[test]
fn a_missing_end_option_is_refused_unless_the_rules_allow_it() {
    let bytes = MessageBuilder::discover(MAC).option(VENDOR, b"v").fault(Fault::NoEnd).build();
    assert_eq!(parse(&bytes).map(|_| ()), Err(bad(OptionFault::NoEnd)));
    let packet = Packet::parse(&bytes, LENIENT).unwrap();
    assert_eq!(packet.option(VENDOR).as_deref(), Some(&b"v"[..]));
    // Padding is no end option.
    let mut padded = bytes;
    padded.extend([0; 30]);
    assert_eq!(parse(&padded).map(|_| ()), Err(bad(OptionFault::NoEnd)));
    assert!(Packet::parse(&padded, LENIENT).is_ok());
}

#[test]
fn a_truncated_option_is_refused_by_both_rules() {
    for fault in [Fault::Overrun(VENDOR), Fault::LoneCode(VENDOR)] {
        let bytes = MessageBuilder::discover(MAC).fault(fault).build();
        for rules in [ParseRules::default(), LENIENT] {
            assert_eq!(Packet::parse(&bytes, rules).map(|_| ()), Err(bad(OptionFault::Truncated(VENDOR))));
        }
    }
}

#[test]
fn padding_is_skipped_and_what_follows_the_end_is_not_read() {
    let mut bytes = MessageBuilder::discover(MAC).fault(Fault::NoEnd).build();
    bytes.extend([0, 0, 43, 1, 7, 0, 12, 1, b'h', 255, 43, 200, 255]);
    let packet = sound(&bytes);
    let all: Vec<_> = packet.options().map(|(code, value)| (code.0, value.into_owned())).collect();
    assert_eq!(all, [(53, vec![1]), (43, vec![7]), (12, vec![b'h'])]);
}

#[test]
fn every_decode_error_has_its_cause() {
    let message = MessageBuilder::discover(MAC);
    for len in [0, 1, 235] {
        assert_eq!(fault(&message.clone().fault(Fault::Cut(len))), DecodeError::TooShort);
    }
    for len in [236, 239] {
        assert_eq!(fault(&message.clone().fault(Fault::Cut(len))), DecodeError::NoOptions);
    }
    assert_eq!(fault(&message.clone().fault(Fault::Cut(240))), bad(OptionFault::NoEnd));
    for op in [0, 3, 255] {
        assert_eq!(fault(&message.clone().fault(Fault::Op(op))), DecodeError::BadOpcode(op));
    }
    for hlen in [0, 5, 7, 17] {
        assert_eq!(fault(&message.clone().fault(Fault::Hlen(hlen))), DecodeError::BadHardware { htype: 1, hlen });
    }
    let infiniband = message.clone().fault(Fault::Htype(32));
    assert_eq!(fault(&infiniband.clone().fault(Fault::Hlen(17))), DecodeError::BadHardware { htype: 32, hlen: 17 });
    let bytes = infiniband.fault(Fault::Hlen(16)).build();
    assert_eq!(sound(&bytes).hw_addr().as_bytes().len(), 16);
    assert_eq!(fault(&message.clone().fault(Fault::Cookie([99, 130, 83, 98]))), DecodeError::NoOptions);
    for value in [0, 19, 255] {
        let message = MessageBuilder::bootp(Op::BootRequest, MAC).option(OptionCode::DHCP_MESSAGE_TYPE, &[value]);
        assert_eq!(fault(&message), DecodeError::BadMessageType(value));
    }
}

#[test]
fn a_message_with_countless_options_is_refused() {
    let fill = |count: usize| {
        let mut bytes = MessageBuilder::bootp(Op::BootRequest, MAC).fault(Fault::NoEnd).build();
        bytes.extend((0..count).flat_map(|i| [1 + (i % 49) as u8, 0]));
        bytes.push(255);
        bytes
    };
    assert_eq!(sound(&fill(Packet::OPTION_INSTANCES_MAX)).codes().len(), 49);
    let too_many = fill(Packet::OPTION_INSTANCES_MAX + 1);
    assert_eq!(parse(&too_many).map(|_| ()), Err(bad(OptionFault::TooMany)));
    let mut huge = MessageBuilder::discover(MAC).build();
    huge.resize(65_536, 0);
    assert_eq!(parse(&huge).map(|_| ()), Err(bad(OptionFault::TooMany)));
    huge.pop();
    assert!(parse(&huge).is_ok());
}

#[test]
fn codes_beyond_the_index_are_found() {
    let mut message = MessageBuilder::bootp(Op::BootRequest, MAC);
    let codes: Vec<u8> = (1..=254).filter(|code| !(50..=57).contains(code)).collect();
    for code in &codes {
        message = message.option(OptionCode(*code), &[*code, 1]);
    }
    let bytes = message.requested(LEASED).option(OptionCode(254), b"!").build();
    let packet = sound(&bytes);
    for code in &codes[..codes.len() - 1] {
        assert_eq!(packet.option(OptionCode(*code)).as_deref(), Some(&[*code, 1][..]), "{code}");
    }
    assert_eq!(packet.option(OptionCode(254)).as_deref(), Some(&[254, 1, b'!'][..]));
    assert_eq!(packet.address_option(OptionCode::REQUESTED_IP_ADDRESS), Some(LEASED));
    assert_eq!(packet.options().count(), codes.len() + 1);
    assert!(!packet.has(OptionCode(0)) && !packet.has(OptionCode(255)) && packet.option(OptionCode(255)).is_none());
}

#[test]
fn a_bootp_message_has_no_type() {
    let bytes = MessageBuilder::bootp(Op::BootRequest, MAC).pad_to(300).build();
    let packet = sound(&bytes);
    assert_eq!((packet.message_type(), packet.options().count()), (None, 0));
    let hw_addr = HwAddr::new(6, &[1, 2, 3]).unwrap();
    let bytes = MessageBuilder::new(MessageType::Inform, MAC).hw_addr(hw_addr).build();
    assert_eq!(sound(&bytes).hw_addr(), hw_addr);
}
