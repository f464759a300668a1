//! One static pair of bytes and meaning per message type, used both ways.

use crate::{LEASED, MAC, SERVER, sound};
use bindery_types::{Ipv4Addr, Xid};
use bindery_wire::v4::{EncodeLimits, MessageBuilder, MessageType, Op, OptionCode, Packet, Reply, SubOption};

/// The header of every pair up to `chaddr`, by hand: op, then htype 1, hlen 6, hops, xid 0x3903f326, secs, flags, four
/// addresses.
#[rustfmt::skip]
fn bytes(op: u8, hops: u8, secs: u16, flags: u16, addresses: [[u8; 4]; 4], options: &[u8]) -> Vec<u8> {
    let mut bytes = vec![op, 1, 6, hops, 0x39, 0x03, 0xf3, 0x26];
    bytes.extend(secs.to_be_bytes());
    bytes.extend(flags.to_be_bytes());
    bytes.extend(addresses.concat());
    bytes.extend([0x02, 0x00, 0x5e, 0x00, 0x53, 0x01, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    bytes.extend([0; 192]);
    bytes.extend([0x63, 0x82, 0x53, 0x63]);
    bytes.extend(options);
    bytes.push(0xff);
    bytes.resize(bytes.len().max(300), 0);
    bytes
}

const NONE: [u8; 4] = [0; 4];
const HOST: [u8; 4] = [192, 0, 2, 77];
const GATEWAY: [u8; 4] = [192, 0, 2, 254];

struct Pair {
    kind: MessageType,
    bytes: Vec<u8>,
    builder: MessageBuilder,
}

fn pair(kind: MessageType, bytes: Vec<u8>, builder: MessageBuilder) -> Pair {
    Pair { kind, bytes, builder: builder.xid(0x3903_f326).pad_to(300) }
}

fn client_pairs() -> Vec<Pair> {
    let mut pairs = vec![discover_pair()];
    pairs.extend(request_pairs());
    pairs.extend(leaving_pairs());
    pairs.extend(requestor_pairs());
    pairs
}

fn discover_pair() -> Pair {
    let options: &[u8] = &[53, 1, 1, 55, 3, 1, 3, 6, 57, 2, 5, 220, 82, 8, 1, 2, b'c', b'1', 2, 2, b'r', b'2'];
    pair(
        MessageType::Discover,
        bytes(1, 1, 3, 0x8000, [NONE, NONE, NONE, GATEWAY], options),
        MessageBuilder::discover(MAC)
            .hops(1)
            .secs(3)
            .broadcast()
            .giaddr(GATEWAY.into())
            .parameter_request_list(&[1, 3, 6].map(OptionCode))
            .message_size_max(1500)
            .relay_agent(&[(SubOption::CIRCUIT_ID, b"c1"), (SubOption::REMOTE_ID, b"r2")]),
    )
}

/// DHCPREQUEST in its states.
fn request_pairs() -> [Pair; 3] {
    let selecting = [53, 1, 3, 50, 4, 192, 0, 2, 77, 54, 4, 192, 0, 2, 1];
    let renewing = [53, 1, 3, 61, 3, 0, b'i', b'd'];
    [
        (NONE, &selecting[..], MessageBuilder::request_selecting(MAC, LEASED, SERVER)),
        (NONE, &selecting[..9], MessageBuilder::request_init_reboot(MAC, LEASED)),
        (HOST, &renewing, MessageBuilder::request_renewing(MAC, LEASED).client_id(b"\0id")),
    ]
    .map(|(ciaddr, options, builder)| {
        pair(MessageType::Request, bytes(1, 0, 0, 0, [ciaddr, NONE, NONE, NONE], options), builder)
    })
}

/// DHCPDECLINE, DHCPRELEASE and DHCPINFORM.
fn leaving_pairs() -> [Pair; 3] {
    let decline = [53, 1, 4, 50, 4, 192, 0, 2, 77, 54, 4, 192, 0, 2, 1];
    let release = [53, 1, 7, 54, 4, 192, 0, 2, 1];
    let inform = MessageBuilder::inform(MAC, LEASED).option(OptionCode::RAPID_COMMIT, b"");
    let from_host = |options| bytes(1, 0, 0, 0, [HOST, NONE, NONE, NONE], options);
    [
        pair(
            MessageType::Decline,
            bytes(1, 0, 0, 0, [NONE; 4], &decline),
            MessageBuilder::decline(MAC, LEASED, SERVER),
        ),
        pair(MessageType::Release, from_host(&release), MessageBuilder::release(MAC, LEASED, SERVER)),
        pair(MessageType::Inform, from_host(&[53, 1, 8, 80, 0]), inform),
    ]
}

/// What a leasequery requestor sends.
fn requestor_pairs() -> [Pair; 4] {
    let bulk = MessageBuilder::new(MessageType::BulkLeaseQuery, MAC)
        .option(OptionCode::QUERY_START_TIME, &256_u32.to_be_bytes());
    [
        pair(
            MessageType::LeaseQuery,
            bytes(1, 0, 0, 0, [NONE, NONE, NONE, GATEWAY], &[53, 1, 10]),
            MessageBuilder::lease_query_by_mac(MAC, GATEWAY.into()),
        ),
        pair(MessageType::BulkLeaseQuery, bytes(1, 0, 0, 0, [NONE; 4], &[53, 1, 14, 154, 4, 0, 0, 1, 0]), bulk),
        pair(
            MessageType::ActiveLeaseQuery,
            bytes(1, 0, 0, 0, [NONE; 4], &[53, 1, 16]),
            MessageBuilder::new(MessageType::ActiveLeaseQuery, MAC),
        ),
        pair(MessageType::Tls, bytes(1, 0, 0, 0, [NONE; 4], &[53, 1, 18]), MessageBuilder::new(MessageType::Tls, MAC)),
    ]
}

#[test]
fn client_messages_go_both_ways() {
    for Pair { kind, bytes, builder } in client_pairs() {
        assert_eq!(builder.build(), bytes, "{kind}");
        let packet = sound(&bytes);
        assert_eq!((packet.op(), packet.message_type()), (Op::BootRequest, Some(kind)));
        assert_eq!((packet.xid(), packet.hw_addr().mac()), (Xid(0x3903_f326), Some(MAC)));
    }
}

#[test]
fn every_header_field_and_typed_option_is_read() {
    let pairs = client_pairs();
    let [discover, selecting, ..] = &pairs[..] else { panic!("two pairs at least") };
    let packet = sound(&discover.bytes);
    assert_eq!((packet.hops(), packet.secs(), packet.flags(), packet.is_broadcast()), (1, 3, 0x8000, true));
    assert_eq!(packet.giaddr(), Ipv4Addr::from(GATEWAY));
    assert_eq!(packet.chaddr_field()[..7], [2, 0, 0x5e, 0, 0x53, 1, 0]);
    assert_eq!(packet.u16_option(OptionCode::MAXIMUM_DHCP_MESSAGE_SIZE), Some(1500));
    assert_eq!(packet.option(OptionCode::PARAMETER_REQUEST_LIST).as_deref(), Some(&[1, 3, 6][..]));
    assert_eq!(packet.codes().iter().map(|code| code.0).collect::<Vec<_>>(), [53, 55, 57, 82]);
    assert_eq!(packet.bytes(), discover.bytes);
    let packet = sound(&selecting.bytes);
    assert!(!packet.is_broadcast() && !packet.has(OptionCode::IP_ADDRESS_LEASE_TIME));
    assert_eq!(packet.address_option(OptionCode::REQUESTED_IP_ADDRESS), Some(LEASED));
    assert_eq!(packet.address_option(OptionCode::SERVER_IDENTIFIER), Some(SERVER));
    assert_eq!(packet.u32_option(OptionCode::IP_ADDRESS_LEASE_TIME), None);
}

#[test]
fn every_address_has_its_place() {
    let whole =
        bytes(2, 4, 5, 6, [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12], [13, 14, 15, 16]], &[51, 4, 0, 0, 2, 0]);
    let packet = sound(&whole);
    assert_eq!((packet.op(), packet.message_type()), (Op::BootReply, None));
    assert_eq!(
        [packet.ciaddr(), packet.yiaddr(), packet.siaddr(), packet.giaddr()].map(|address| address.octets()),
        [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12], [13, 14, 15, 16]]
    );
    assert_eq!(packet.u32_option(OptionCode::IP_ADDRESS_LEASE_TIME), Some(512));
    // Two of four bytes asked for as two: no value, not a wrong one.
    assert_eq!(packet.u16_option(OptionCode::IP_ADDRESS_LEASE_TIME), None);
}

fn reply(kind: MessageType, yiaddr: Ipv4Addr, options: &[(OptionCode, &[u8])]) -> Reply {
    let mut reply = Reply { op: kind.op(), xid: Xid(0x3903_f326), yiaddr, chaddr: MAC.into(), ..Reply::new() };
    reply.options.set(OptionCode::DHCP_MESSAGE_TYPE, &[kind as u8]).unwrap();
    for (code, value) in options {
        reply.options.set(*code, value).unwrap();
    }
    reply
}

fn server_pairs() -> Vec<(Vec<u8>, Reply)> {
    let lease: &[(OptionCode, &[u8])] = &[
        (OptionCode::SERVER_IDENTIFIER, &[192, 0, 2, 1]),
        (OptionCode::IP_ADDRESS_LEASE_TIME, &[0, 0, 14, 16]),
        (OptionCode::SUBNET_MASK, &[255, 255, 255, 0]),
    ];
    let lease_bytes =
        |kind| [&[53, 1, kind][..], &[54, 4, 192, 0, 2, 1, 51, 4, 0, 0, 14, 16, 1, 4, 255, 255, 255, 0]].concat();
    let plain = |kind: MessageType| {
        (bytes(2, 0, 0, 0, [NONE; 4], &[53, 1, kind as u8]), reply(kind, Ipv4Addr::UNSPECIFIED, &[]))
    };
    let mut pairs = vec![
        (bytes(2, 0, 0, 0, [NONE, HOST, NONE, NONE], &lease_bytes(2)), reply(MessageType::Offer, LEASED, lease)),
        (bytes(2, 0, 0, 0, [NONE, HOST, NONE, NONE], &lease_bytes(5)), reply(MessageType::Ack, LEASED, lease)),
        (
            bytes(2, 0, 0, 0, [NONE; 4], &[53, 1, 6, 54, 4, 192, 0, 2, 1, 56, 2, b'n', b'o']),
            reply(
                MessageType::Nak,
                Ipv4Addr::UNSPECIFIED,
                &[(OptionCode::SERVER_IDENTIFIER, &[192, 0, 2, 1]), (OptionCode::MESSAGE, b"no")],
            ),
        ),
    ];
    pairs.extend(
        [
            MessageType::ForceRenew,
            MessageType::LeaseUnassigned,
            MessageType::LeaseUnknown,
            MessageType::LeaseActive,
            MessageType::LeaseQueryDone,
            MessageType::LeaseQueryStatus,
        ]
        .map(plain),
    );
    pairs
}

#[test]
fn server_messages_go_both_ways() {
    for (bytes, reply) in server_pairs() {
        let mut out = Vec::new();
        let encoded = reply.encode(EncodeLimits::default(), &mut out).unwrap();
        assert_eq!(out, bytes);
        assert!(encoded.len == out.len() && encoded.omitted.is_empty());
        let packet = sound(&bytes);
        assert_eq!((packet.op(), packet.message_type()), (Op::BootReply, reply.message_type()));
        assert_eq!((packet.yiaddr(), packet.hw_addr()), (reply.yiaddr, reply.chaddr));
        assert!(packet.options().map(|(code, value)| (code, value.into_owned())).eq(owned(&reply)));
    }
}

#[test]
fn every_message_type_has_a_pair() {
    let server = server_pairs();
    let types =
        client_pairs().into_iter().map(|pair| Some(pair.kind)).chain(server.iter().map(|pair| pair.1.message_type()));
    let seen: std::collections::BTreeSet<_> = types.flatten().collect();
    assert!(seen.into_iter().eq(MessageType::ALL));
}

fn owned(reply: &Reply) -> impl Iterator<Item = (OptionCode, Vec<u8>)> {
    reply.options.iter().map(|(code, value)| (code, value.to_vec()))
}

#[test]
fn a_lease_query_by_address_has_no_hardware_address() {
    // RFC 4388 §6.2: htype, hlen and chaddr are zero in a query by IP address or client identifier.
    let bytes = MessageBuilder::lease_query_by_address(LEASED, SERVER).build();
    let packet: Packet<'_> = sound(&bytes);
    assert_eq!((packet.hw_addr().htype, packet.hw_addr().as_bytes().len()), (0, 0));
    assert_eq!((packet.ciaddr(), packet.giaddr()), (LEASED, SERVER));
    let bytes = MessageBuilder::lease_query_by_client_id(b"\0x", SERVER).build();
    assert_eq!(sound(&bytes).option(OptionCode::CLIENT_IDENTIFIER).as_deref(), Some(&b"\0x"[..]));
}

/// A DHCPLEASEACTIVE with the two options of RFC 4388 §6.1; 82 is the last one though it was set before.
#[test]
fn a_lease_active_with_its_own_options_goes_both_ways() {
    let options = [
        &[53, 1, 13, 54, 4, 192, 0, 2, 1, 61, 2, 0, b'x', 51, 4, 0, 0, 14, 6, 91, 4, 0, 0, 0, 10][..],
        &[92, 8, 192, 0, 2, 78, 198, 51, 100, 9, 82, 3, 1, 1, 255],
    ];
    let expected = bytes(2, 0, 0, 0, [HOST, NONE, NONE, GATEWAY], &options.concat());
    let mut active = reply(
        MessageType::LeaseActive,
        Ipv4Addr::UNSPECIFIED,
        &[
            (OptionCode::RELAY_AGENT_INFORMATION, &[1, 1, 255]),
            (OptionCode::SERVER_IDENTIFIER, &[192, 0, 2, 1]),
            (OptionCode::CLIENT_IDENTIFIER, b"\0x"),
            (OptionCode::IP_ADDRESS_LEASE_TIME, &3590_u32.to_be_bytes()),
            (OptionCode::CLIENT_LAST_TRANSACTION_TIME, &10_u32.to_be_bytes()),
            (OptionCode::ASSOCIATED_IP, &[192, 0, 2, 78, 198, 51, 100, 9]),
        ],
    );
    (active.ciaddr, active.giaddr) = (LEASED, GATEWAY.into());
    let mut out = Vec::new();
    active.encode(EncodeLimits::default(), &mut out).unwrap();
    assert_eq!(out, expected);
    let packet = sound(&expected);
    assert_eq!((packet.message_type(), packet.ciaddr()), (Some(MessageType::LeaseActive), LEASED));
    assert_eq!(packet.u32_option(OptionCode::CLIENT_LAST_TRANSACTION_TIME), Some(10));
    let associated = packet.option(OptionCode::ASSOCIATED_IP);
    assert_eq!(associated.as_deref(), Some(&[192, 0, 2, 78, 198, 51, 100, 9][..]));
    assert_eq!(packet.option(OptionCode::RELAY_AGENT_INFORMATION).as_deref(), Some(&[1, 1, 255][..]));
}
