use super::*;
use hmac::{Hmac, Mac};
use md5::{Digest, Md5};
use proptest::prelude::*;
use std::net::Ipv4Addr;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)).map(|digit| digit as u8).collect();
    digits.as_chunks::<2>().0.iter().map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// The exchange of RFC 2865 §7.1.
const REQUEST: &str = "01 00 00 38 0f 40 3f 94 73 97 80 57 bd 83 d5 cb 98 f4 22 7a 01 06 6e 65 6d 6f 02 12 0d be 70 8d
    93 d4 13 ce 31 96 e4 3f 78 2a 0a ee 04 06 c0 a8 01 10 05 06 00 00 00 03";
const ACCEPT: &str = "02 00 00 26 86 fe 22 0e 76 24 ba 2a 10 05 f6 bf 9b 55 e0 b2 06 06 00 00 00 01 0f 06 00 00 00 00
    0e 06 c0 a8 01 03";

fn secret() -> Secret {
    Secret::from("xyzzy5461")
}

#[test]
fn the_example_of_rfc_2865_7_1_is_read_and_its_answer_verified() {
    let (request, accept) = (hex(REQUEST), hex(ACCEPT));
    let request = Packet::decode(&request).unwrap();
    assert_eq!((request.code(), request.id()), (Code::AccessRequest, 0));
    assert_eq!(request.first(Type::USER_NAME), Some(&b"nemo"[..]));
    let hidden = request.first(Type::USER_PASSWORD).unwrap();
    assert_eq!(reveal_password(hidden, request.authenticator(), &secret()).unwrap(), b"arctangent");
    assert_eq!(hide_password(b"arctangent", request.authenticator(), &secret()).unwrap(), hidden);
    let accept = Packet::decode(&accept).unwrap();
    assert_eq!(verify_response(&accept, request.authenticator(), &secret(), false), Ok(()));
    assert_eq!(verify_response(&accept, request.authenticator(), &secret(), true), Err(VerifyError::Unsigned));
    let wrong = Secret::from("xyzzy5462");
    assert_eq!(verify_response(&accept, request.authenticator(), &wrong, false), Err(VerifyError::Authenticator));
}

#[test]
fn each_bad_framing_has_its_error() {
    let good = hex(ACCEPT);
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        Packet::decode(&bytes).map(|packet| packet.id())
    };
    assert_eq!(Packet::decode(&[]), Err(DecodeError::Short));
    assert_eq!(Packet::decode(&good[..37]), Err(DecodeError::Short));
    assert_eq!(with(3, 19), Err(DecodeError::Length));
    assert_eq!(with(2, 0x10), Err(DecodeError::Length));
    assert_eq!(with(0, 12), Err(DecodeError::Code(12)));
    assert_eq!(with(21, 1), Err(DecodeError::Attribute), "an attribute is at least two bytes");
    assert_eq!(with(33, 7), Err(DecodeError::Attribute), "an attribute ends in the packet");
    let mut padded = good.clone();
    padded.extend_from_slice(&[1, 2, 3]);
    assert_eq!(Packet::decode(&padded).unwrap().bytes(), &good[..], "RFC 2865 §3: bytes after the length are padding");
}

#[test]
fn a_message_authenticator_protects_every_byte_but_does_not_come_twice() {
    let mut attributes = AttributeList::new();
    attributes.push(Type::USER_NAME, b"alice").unwrap();
    let authenticator = [7; 16];
    let bytes = access_request(9, &authenticator, &attributes, Some(b"pw"), &secret()).unwrap();
    assert_eq!(bytes[20], 80, "the signature comes first");
    assert_eq!(verify_access_request(&Packet::decode(&bytes).unwrap(), &secret()), Ok(()));
    for at in 0..bytes.len() {
        let mut bent = bytes.clone();
        bent[at] ^= 1;
        if let Ok(packet) = Packet::decode(&bent) {
            assert!(verify_access_request(&packet, &secret()).is_err(), "byte {at}");
        }
    }
    let accept = response(Code::AccessAccept, 9, &authenticator, &attributes, &secret(), true).unwrap();
    let packet = Packet::decode(&accept).unwrap();
    assert_eq!(verify_response(&packet, &authenticator, &secret(), true), Ok(()));
    // Two, of which the last is right.
    let mut twice = AttributeList::new();
    twice.push(Type::MESSAGE_AUTHENTICATOR, &[0; 16]).unwrap();
    twice.push(Type::MESSAGE_AUTHENTICATOR, &[0; 16]).unwrap();
    let mut bytes = response(Code::AccessAccept, 9, &authenticator, &twice, &secret(), false).unwrap();
    bytes[4..20].copy_from_slice(&authenticator);
    let mut mac = <Hmac<Md5> as Mac>::new_from_slice(b"xyzzy5461").unwrap();
    mac.update(&bytes);
    bytes[40..56].copy_from_slice(&mac.finalize().into_bytes());
    let digest = Md5::new().chain_update(&bytes).chain_update(b"xyzzy5461").finalize();
    bytes[4..20].copy_from_slice(&digest);
    let verdict = verify_response(&Packet::decode(&bytes).unwrap(), &authenticator, &secret(), true);
    assert_eq!(verdict, Err(VerifyError::MessageAuthenticator));
}

#[test]
fn vendor_attributes_are_taken_apart() {
    let mut list = AttributeList::new();
    list.push_vendor(vendor::DSL_FORUM, 1, b"eth 1/2").unwrap();
    list.push(Type::VENDOR_SPECIFIC, &[0, 0, 0x13, 0x0a, 1, 3, b'x', 2, 3, b'y']).unwrap();
    list.push(Type::VENDOR_SPECIFIC, &[0, 0, 0x13, 0x0a, 1, 9, b'x']).unwrap();
    list.push(Type::VENDOR_SPECIFIC, &[0, 0]).unwrap();
    list.push_address(Type::FRAMED_IP_ADDRESS, Ipv4Addr::new(10, 0, 0, 1)).unwrap();
    let flat: Vec<_> = list.flat().map(|a| (a.vendor, a.code, a.value.to_vec())).collect();
    assert_eq!(
        flat,
        [
            (3561, 1, b"eth 1/2".to_vec()),
            (4874, 1, b"x".to_vec()),
            (4874, 2, b"y".to_vec()),
            (4874, 0, vec![1, 9, b'x']),
            (0, 26, vec![0, 0]),
            (0, 8, vec![10, 0, 0, 1]),
        ]
    );
    list.remove(Type::VENDOR_SPECIFIC);
    assert_eq!(list.iter().next().and_then(|a| a.address()), Some(Ipv4Addr::new(10, 0, 0, 1)));
}

#[test]
fn what_does_not_fit_is_refused_and_changes_nothing() {
    let mut list = AttributeList::new();
    assert_eq!(list.push(Type::CLASS, &[0; 254]), Err(TooLong(Type::CLASS)));
    assert!(list.push_vendor(1, 1, &[0; 248]).is_err());
    assert!(list.push_vendor(1, 1, &[0; 247]).is_ok());
    while list.push(Type::CLASS, &[0; 253]).is_ok() {}
    assert!(list.as_bytes().len() <= AttributeList::CAPACITY);
    let full = list.clone();
    assert!(list.push(Type::CLASS, &[0; 253]).is_err());
    assert_eq!(list, full);
    assert!(signed_request(Code::AccountingRequest, 1, &list, &secret(), true).is_ok());
    assert_eq!(hide_password(&[1; 129], &[0; 16], &secret()), Err(EncodeError::Password));
}

/// Attributes as numbers and values.
fn attributes() -> impl Strategy<Value = Vec<(u8, Vec<u8>)>> {
    prop::collection::vec((1u8..=255, prop::collection::vec(any::<u8>(), 0..=40)), 0..20)
        .prop_map(|list| list.into_iter().filter(|(kind, _)| *kind != 80 && *kind != 2).collect())
}

proptest! {
    #[test]
    fn any_bytes_are_a_packet_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300), framed in any::<bool>()) {
        let mut bytes = bytes;
        if framed && bytes.len() >= 20 {
            bytes[0] = [1, 2, 3, 4, 5, 11, 40, 41, 42, 43, 44, 45][usize::from(bytes[0]) % 12];
            let length = bytes.len() as u16;
            bytes[2..4].copy_from_slice(&length.to_be_bytes());
        }
        if let Ok(packet) = Packet::decode(&bytes) {
            let total: usize = packet.attributes().map(|a| a.value.len() + 2).sum();
            prop_assert_eq!(total + HEADER_LEN, packet.bytes().len());
            let _ = packet.attributes().flat().count();
            let _ = verify_access_request(&packet, &secret());
            prop_assert!(verify_response(&packet, &[0; 16], &secret(), false).is_err());
            prop_assert!(verify_signed_request(&packet, &secret(), false).is_err());
        }
    }

    #[test]
    fn what_is_made_is_read_again(list in attributes(), id in any::<u8>(), auth in any::<[u8; 16]>(),
                                  signed in any::<bool>(), password in prop::collection::vec(1u8.., 0..=128)) {
        let mut made = AttributeList::new();
        for (kind, value) in &list {
            made.push(Type(*kind), value).unwrap();
        }
        let read = |packet: &Packet<'_>| -> Vec<(u8, Vec<u8>)> {
            packet.attributes().map(|a| (a.kind.0, a.value.to_vec())).filter(|(kind, _)| *kind != 80 && *kind != 2).collect()
        };
        let bytes = access_request(id, &auth, &made, Some(&password), &secret()).unwrap();
        let packet = Packet::decode(&bytes).unwrap();
        prop_assert_eq!((packet.id(), packet.authenticator(), read(&packet)), (id, &auth, list.clone()));
        prop_assert_eq!(verify_access_request(&packet, &secret()), Ok(()));
        let hidden = packet.first(Type::USER_PASSWORD).unwrap();
        prop_assert_eq!(reveal_password(hidden, &auth, &secret()), Some(password));

        let bytes = signed_request(Code::CoaRequest, id, &made, &secret(), signed).unwrap();
        let packet = Packet::decode(&bytes).unwrap();
        prop_assert_eq!(verify_signed_request(&packet, &secret(), signed), Ok(()));
        prop_assert_eq!(read(&packet), list.clone());

        let bytes = response(Code::CoaNak, id, &auth, &made, &secret(), signed).unwrap();
        let packet = Packet::decode(&bytes).unwrap();
        prop_assert_eq!(verify_response(&packet, &auth, &secret(), signed), Ok(()));
        prop_assert_eq!(read(&packet), list);
    }
}
