//! The encoder: order, long options, limits, overload, what is left out.

use crate::{LEASED, MAC, SERVER, sound};
use bindery_types::{Ipv4Addr, Xid};
use bindery_wire::v4::{
    EncodeError, EncodeLimits, Encoded, MessageBuilder, MessageType, OptionCode, Packet, Reply, SubOption,
};

const VENDOR: OptionCode = OptionCode::VENDOR_SPECIFIC;
const RELAY: OptionCode = OptionCode::RELAY_AGENT_INFORMATION;

fn reply(kind: MessageType, options: &[(OptionCode, usize)]) -> Reply {
    let mut reply = Reply { chaddr: MAC.into(), ..Reply::new() };
    for (code, len) in options {
        reply.options.set(*code, &vec![code.0; *len]).unwrap();
    }
    reply.options.set(OptionCode::DHCP_MESSAGE_TYPE, &[kind as u8]).unwrap();
    reply
}

fn encode(reply: &Reply, message_size_max: u16) -> (Vec<u8>, Encoded) {
    let mut out = Vec::new();
    let encoded = reply.encode(EncodeLimits { message_size_max, ..EncodeLimits::default() }, &mut out).unwrap();
    assert_eq!(encoded.len, out.len());
    assert!(out.len() + 28 <= usize::from(message_size_max.max(576)), "over the limit");
    (out, encoded)
}

fn order(packet: &Packet<'_>) -> Vec<u8> {
    packet.options().map(|(code, _)| code.0).collect()
}

fn omitted(encoded: &Encoded) -> Vec<u8> {
    encoded.omitted.iter().map(|code| code.0).collect()
}

#[test]
fn the_type_is_first_and_relay_agent_information_last() {
    // RFC 3046 §2.1, §2.2.
    let reply = reply(MessageType::Ack, &[(RELAY, 4), (OptionCode::ROUTER, 4), (OptionCode::SUBNET_MASK, 4)]);
    let (bytes, encoded) = encode(&reply, 576);
    assert_eq!(order(&sound(&bytes)), [53, 3, 1, 82]);
    assert!(encoded.omitted.is_empty());
    assert_eq!(bytes[240 + 3 + 6 + 6..][..7], [82, 4, 82, 82, 82, 82, 255]);
}

#[test]
fn a_long_option_is_split() {
    // RFC 3396 §6.
    let (bytes, _) = encode(&reply(MessageType::Ack, &[(VENDOR, 600)]), 1500);
    let at = |n: usize| 243 + n * 257;
    assert_eq!((bytes[at(0)], bytes[at(0) + 1], bytes[at(1)], bytes[at(1) + 1]), (43, 255, 43, 255));
    assert_eq!((bytes[at(2)], bytes[at(2) + 1], bytes[at(2) + 2 + 90]), (43, 90, 255));
    assert_eq!(sound(&bytes).option(VENDOR).as_deref(), Some(&[43; 600][..]));
}

#[test]
fn a_message_has_at_least_300_bytes_and_is_appended() {
    let mut out = b"before".to_vec();
    let encoded = reply(MessageType::Ack, &[]).encode(EncodeLimits::default(), &mut out).unwrap();
    assert_eq!((encoded.len, out.len(), &out[..6]), (300, 306, &b"before"[..]));
    assert_eq!(sound(&out[6..]).message_type(), Some(MessageType::Ack));
    // An overload in a message that does not start the buffer goes to its own header.
    let big = reply(MessageType::Ack, &[(VENDOR, 255), (OptionCode::DOMAIN_NAME, 100)]);
    let start = out.len();
    big.encode(EncodeLimits::default(), &mut out).unwrap();
    assert_eq!(sound(&out[start..]).option(OptionCode::DOMAIN_NAME).as_deref(), Some(&[15; 100][..]));
    assert_eq!(out[6 + 108..6 + 236], [0; 128]);
}

#[test]
fn a_limit_under_576_counts_as_576() {
    // RFC 2132 §9.10. 308 bytes of options: 53 takes 3, 43 takes 304, end takes 1.
    let fits = reply(MessageType::Nak, &[(VENDOR, 300)]);
    for limit in [0, 300, 576] {
        let (bytes, encoded) = encode(&fits, limit);
        assert_eq!((bytes.len(), encoded.omitted.is_empty()), (548, true));
    }
    let (_, encoded) = encode(&reply(MessageType::Nak, &[(VENDOR, 301)]), 576);
    assert_eq!(omitted(&encoded), [43]);
    let (_, encoded) = encode(&reply(MessageType::Nak, &[(VENDOR, 301)]), 577);
    assert!(encoded.omitted.is_empty());
}

#[test]
fn the_limit_comes_from_option_57_and_the_mtu() {
    let limit = |asked: Option<u16>, mtu| {
        let message = MessageBuilder::discover(MAC);
        let bytes = asked.map_or(message.clone(), |bytes| message.message_size_max(bytes)).build();
        EncodeLimits::of(&sound(&bytes), mtu).message_size_max
    };
    assert_eq!(limit(None, 1500), 576);
    assert_eq!(limit(Some(1200), 1500), 1200);
    assert_eq!(limit(Some(9000), 1500), 1500);
    assert_eq!(limit(Some(100), 1500), 576);
    assert_eq!(limit(Some(9000), 0), 576);
}

#[test]
fn what_does_not_fit_goes_to_file_then_sname() {
    // RFC 2131 §4.1, RFC 2132 §9.3.
    let options = [(VENDOR, 255), (OptionCode(15), 100), (OptionCode(17), 60), (OptionCode(119), 20), (RELAY, 10)];
    let (bytes, encoded) = encode(&reply(MessageType::Ack, &options), 576);
    let packet = sound(&bytes);
    assert_eq!(packet.overloaded_fields(), (true, true));
    assert!(encoded.omitted.is_empty());
    assert_eq!(bytes[240..246], [53, 1, 5, 52, 1, 3]);
    assert_eq!(order(&packet), [53, 52, 43, 119, 82, 15, 17]);
    assert_eq!((packet.file_field()[0], packet.file_field()[102]), (15, 255));
    assert_eq!((packet.sname_field()[0], packet.sname_field()[62]), (17, 255));
    for (code, len) in options {
        assert_eq!(packet.option(code).as_deref(), Some(&vec![code.0; len][..]));
    }
}

#[test]
fn only_unused_fields_are_overloaded() {
    let options = [(VENDOR, 255), (OptionCode(15), 60), (OptionCode(17), 60)];
    let mut message = reply(MessageType::Ack, &options);
    message.file[..4].copy_from_slice(b"boot");
    let (bytes, encoded) = encode(&message, 576);
    let packet = sound(&bytes);
    assert_eq!((packet.overloaded_fields(), omitted(&encoded)), ((false, true), vec![17]));
    assert!(packet.file_field().starts_with(b"boot\0"));
    message.sname[0] = b's';
    let (bytes, encoded) = encode(&message, 576);
    assert_eq!((sound(&bytes).overloaded_fields(), omitted(&encoded)), ((false, false), vec![15, 17]));
    assert!(!sound(&bytes).has(OptionCode::OPTION_OVERLOAD));
}

#[test]
fn a_nak_and_a_bootp_reply_overload_nothing() {
    // RFC 2131 §4.3.1, table 3.
    let options = [(VENDOR, 255), (OptionCode(15), 60)];
    let nak = reply(MessageType::Nak, &options);
    let mut bootp = reply(MessageType::Ack, &options);
    bootp.options.remove(OptionCode::DHCP_MESSAGE_TYPE);
    for message in [nak, bootp] {
        let (bytes, encoded) = encode(&message, 576);
        assert_eq!((sound(&bytes).overloaded_fields(), omitted(&encoded)), ((false, false), vec![15]));
    }
}

#[test]
fn later_options_are_left_out_first_and_essential_ones_never() {
    let essential = [54, 51, 1, 3, 6, 58, 59, 61].map(|code| (OptionCode(code), if code == 6 { 40 } else { 4 }));
    let mut options: Vec<_> = [200, 201, 202, 203].map(|code| (OptionCode(code), 120)).to_vec();
    options.extend(essential);
    options.push((RELAY, 60));
    let (bytes, encoded) = encode(&reply(MessageType::Ack, &options), 576);
    let packet = sound(&bytes);
    // 308 bytes: end, 52 and 53 take 7, 82 takes 62, the essential ones 84; one of 122 fits here, one in file.
    assert_eq!(omitted(&encoded), [202, 203]);
    assert_eq!(order(&packet), [53, 52, 200, 54, 51, 1, 3, 6, 58, 59, 61, 82, 201]);
}

#[test]
fn a_smaller_option_may_fit_where_a_larger_one_did_not() {
    let options = [(VENDOR, 290), (OptionCode(200), 200), (OptionCode(12), 5)];
    let (bytes, encoded) = encode(&reply(MessageType::Nak, &options), 576);
    assert_eq!((omitted(&encoded), order(&sound(&bytes))), (vec![200], vec![53, 43, 12]));
}

#[test]
fn relay_agent_information_is_left_out_whole_where_the_lease_would_not_fit() {
    // RFC 3046 §2.2.
    let options = [(OptionCode::SERVER_IDENTIFIER, 4), (OptionCode::CLIENT_IDENTIFIER, 150), (RELAY, 250)];
    let (bytes, encoded) = encode(&reply(MessageType::Ack, &options), 576);
    assert_eq!((omitted(&encoded), order(&sound(&bytes))), (vec![82], vec![53, 54, 61]));
    // With 82 of 130 bytes, 61 of 120 goes to file.
    let options = [(OptionCode::CLIENT_IDENTIFIER, 120), (RELAY, 250)];
    let (bytes, encoded) = encode(&reply(MessageType::Ack, &options), 576);
    assert_eq!((encoded.omitted.is_empty(), order(&sound(&bytes))), (true, vec![53, 52, 82, 61]));
}

#[test]
fn a_long_essential_option_takes_the_options_field_before_short_ones() {
    let options =
        [(OptionCode::ROUTER, 40), (OptionCode::DOMAIN_NAME_SERVER, 60), (OptionCode::CLIENT_IDENTIFIER, 250)];
    let (bytes, encoded) = encode(&reply(MessageType::Ack, &options), 576);
    assert!(encoded.omitted.is_empty());
    assert_eq!(order(&sound(&bytes)), [53, 52, 3, 61, 6]);
}

#[test]
fn a_lease_that_does_not_fit_is_an_error_and_leaves_the_buffer() {
    let mut out = b"before".to_vec();
    let message = reply(MessageType::Ack, &[(OptionCode::CLIENT_IDENTIFIER, 500)]);
    let error = message.encode(EncodeLimits::default(), &mut out);
    assert_eq!(error, Err(EncodeError::NoRoom(OptionCode::CLIENT_IDENTIFIER)));
    assert_eq!(out, b"before");
    assert!(message.encode(EncodeLimits { message_size_max: 1500, ..EncodeLimits::default() }, &mut out).is_ok());
}

#[test]
fn an_answer_takes_from_the_request_what_it_must() {
    let request = MessageBuilder::request_selecting(MAC, LEASED, SERVER)
        .xid(0xabcd)
        .secs(9)
        .hops(3)
        .flags(0x8001)
        .ciaddr(Ipv4Addr::new(10, 0, 0, 1))
        .giaddr(Ipv4Addr::new(10, 0, 0, 2))
        .client_id(b"\x01id")
        .relay_agent(&[(SubOption::CIRCUIT_ID, b"c")])
        .build();
    let mut reply = reply(MessageType::Nak, &[(VENDOR, 3)]);
    reply.file[0] = 1;
    reply.begin(&sound(&request), MessageType::Ack).unwrap();
    // RFC 2131 §4.3.1, table 3: hops and secs are 0; RFC 6842 §3: 61 goes back; RFC 3046 §2.2: 82 does.
    let mut expected = Reply {
        xid: Xid(0xabcd),
        flags: 0x8001,
        giaddr: Ipv4Addr::new(10, 0, 0, 2),
        chaddr: MAC.into(),
        ..Reply::new()
    };
    expected.options.set(OptionCode::DHCP_MESSAGE_TYPE, &[5]).unwrap();
    expected.options.set(OptionCode::CLIENT_IDENTIFIER, b"\x01id").unwrap();
    expected.options.set(RELAY, &[1, 1, b'c']).unwrap();
    assert_eq!(reply, expected);
    reply.set_broadcast(false);
    assert_eq!(reply.flags, 1);
    // RFC 6842 §3: not sent by the client, so not sent to it.
    reply.begin(&sound(&MessageBuilder::discover(MAC).build()), MessageType::Offer).unwrap();
    assert_eq!(reply.options.len(), 1);
}

#[test]
fn a_long_option_that_no_field_has_room_for_goes_to_several() {
    // RFC 3396 §5, §6: in the order options, file, sname.
    let mut reply = reply(MessageType::Ack, &[(OptionCode::ROUTER, 4)]);
    let value: Vec<u8> = (0..440).map(|byte| byte as u8).collect();
    reply.options.set(VENDOR, &value).unwrap();
    let (bytes, encoded) = encode(&reply, 576);
    assert!(encoded.omitted.is_empty());
    let packet = sound(&bytes);
    assert_eq!(packet.overloaded_fields(), (true, true));
    assert_eq!(packet.option(VENDOR).as_deref(), Some(&value[..]));
    assert_eq!(packet.option(OptionCode::ROUTER).as_deref(), Some(&[3; 4][..]));
}

#[test]
fn a_long_option_that_all_fields_together_have_no_room_for_is_left_out_whole() {
    let (bytes, encoded) = encode(&reply(MessageType::Ack, &[(VENDOR, 490)]), 576);
    assert_eq!((omitted(&encoded), order(&sound(&bytes))), (vec![43], vec![53]));
    // RFC 3396 §4: what fits into one instance is not split.
    let (bytes, encoded) = encode(&reply(MessageType::Ack, &[(VENDOR, 200), (OptionCode(119), 200)]), 576);
    assert_eq!((omitted(&encoded), order(&sound(&bytes))), (vec![119], vec![53, 43]));
    // RFC 3046 §2.2: option 82 is in the options field.
    let (bytes, encoded) = encode(&reply(MessageType::Ack, &[(RELAY, 320)]), 576);
    assert_eq!((omitted(&encoded), order(&sound(&bytes))), (vec![82], vec![53]));
}
