//! The same bytes read by the `dhcproto` crate: where both accept them, they agree but for [`Difference`].

use crate::{LEASED, MAC, SERVER, sound};
use bindery_types::Ipv4Addr;
use bindery_wire::v4::{
    EncodeLimits, Fault, MessageBuilder, MessageType, OptionCode, Packet, ParseRules, Reply, SubOption,
};
use dhcproto::{Decodable, Decoder, Encodable, v4 as other};
use proptest::{collection::vec, prelude::*, sample::Index};
use std::collections::BTreeMap;

type Options = BTreeMap<u8, Vec<u8>>;

/// What the two codecs do differently, by design. Every entry has an example that shows the difference.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Difference {
    /// `file` and `sname` are not read by dhcproto, whatever option 52 says (RFC 2131 §4.1).
    Overload,
    /// We refuse a message whose options end without an end option; dhcproto takes what it has read.
    NoEnd,
    /// We refuse a message with a truncated option; dhcproto takes the options before it.
    Truncated,
    /// We refuse wrong lengths of the options that the server relies on; dhcproto hands them over.
    BadLength,
    /// We refuse an overload that is not 1, 2 or 3.
    BadOverload,
    /// We refuse message types without a meaning; dhcproto has a variant for them.
    MessageType,
    /// We refuse `op` other than 1 and 2; dhcproto has a variant for them.
    Opcode,
    /// We refuse impossible hardware addresses.
    Hardware,
    /// We refuse a wrong cookie; dhcproto takes it for a message without options.
    Cookie,
    /// We refuse more than 512 option instances.
    TooMany,
}

impl Difference {
    const ALL: [Self; 10] = [
        Self::Overload,
        Self::NoEnd,
        Self::Truncated,
        Self::BadLength,
        Self::BadOverload,
        Self::MessageType,
        Self::Opcode,
        Self::Hardware,
        Self::Cookie,
        Self::TooMany,
    ];

    /// A message that dhcproto reads otherwise than we do.
    fn example(self) -> Vec<u8> {
        let message = MessageBuilder::discover(MAC);
        let typed = |code, value: &[u8]| MessageBuilder::request_renewing(MAC, LEASED).option(code, value);
        match self {
            Self::Overload => message.file_options(&[(OptionCode::HOST_NAME, b"h")]),
            Self::NoEnd => message.fault(Fault::NoEnd),
            Self::Truncated => message.fault(Fault::Overrun(OptionCode::ROUTER)),
            Self::BadLength => typed(OptionCode::SERVER_IDENTIFIER, b"12345"),
            Self::BadOverload => typed(OptionCode::OPTION_OVERLOAD, &[4]),
            Self::MessageType => {
                message.without(OptionCode::DHCP_MESSAGE_TYPE).option(OptionCode::DHCP_MESSAGE_TYPE, &[77])
            }
            Self::Opcode => message.fault(Fault::Op(3)),
            Self::Hardware => message.fault(Fault::Hlen(17)),
            Self::Cookie => message.fault(Fault::Cookie([1, 2, 3, 4])),
            Self::TooMany => (0..513).fold(message, |message, _| message.option(OptionCode(200), b"")),
        }
        .build()
    }
}

/// The options as dhcproto's borrowing reader has them, instances joined.
fn other_options(message: &other::borrowed::Message<'_>) -> Options {
    let mut options = Options::new();
    for option in message.opts() {
        options.entry(option.code().into()).or_default().extend(option.data());
    }
    options
}

fn our_options(packet: &Packet<'_>) -> Options {
    packet.options().map(|(code, value)| (code.0, value.into_owned())).collect()
}

/// Compares both readings; the difference between them, or an error where there is one that is not listed.
fn compare(bytes: &[u8]) -> Result<Option<Difference>, String> {
    use bindery_wire::v4::{DecodeError as E, OptionFault as F};
    let theirs = other::borrowed::Message::new(bytes);
    let packet = match (Packet::parse(bytes, ParseRules::default()), &theirs) {
        (Err(_), Err(_)) => return Ok(None),
        (Ok(_), Err(error)) => return Err(format!("only dhcproto refuses: {error}")),
        (Err(error), Ok(_)) => {
            let difference = match error {
                E::BadOpcode(_) => Difference::Opcode,
                E::BadHardware { .. } => Difference::Hardware,
                E::NoOptions => Difference::Cookie,
                E::BadMessageType(_) => Difference::MessageType,
                E::BadOptions(F::NoEnd) => Difference::NoEnd,
                E::BadOptions(F::Truncated(_)) => Difference::Truncated,
                E::BadOptions(F::BadLength { .. }) => Difference::BadLength,
                E::BadOptions(F::BadOverload(_)) => Difference::BadOverload,
                E::BadOptions(F::TooMany) => Difference::TooMany,
                E::TooShort => return Err("dhcproto takes less than a header".into()),
            };
            return Ok(Some(difference));
        }
        (Ok(packet), Ok(_)) => packet,
    };
    let theirs = theirs.map_err(|error| error.to_string())?;
    let ours =
        (packet.op() as u8, packet.hops(), packet.xid().0, packet.secs(), packet.flags(), packet.hw_addr().htype);
    let others: (u8, u8, u32, u16, u16, u8) = (
        theirs.opcode().into(),
        theirs.hops(),
        theirs.xid(),
        theirs.secs(),
        theirs.flags().into(),
        theirs.htype().into(),
    );
    if ours != others || packet.hw_addr().as_bytes() != theirs.chaddr() {
        return Err(format!("headers: {ours:?} and {others:?}"));
    }
    let ours = [packet.ciaddr(), packet.yiaddr(), packet.siaddr(), packet.giaddr()];
    if ours != [theirs.ciaddr(), theirs.yiaddr(), theirs.siaddr(), theirs.giaddr()] {
        return Err(format!("addresses: {ours:?}"));
    }
    if packet.overloaded_fields() != (false, false) {
        return Ok(Some(Difference::Overload));
    }
    let (ours, others) = (our_options(&packet), other_options(&theirs));
    if ours == others { Ok(None) } else { Err(format!("options: {ours:?} and {others:?}")) }
}

#[test]
fn every_listed_difference_is_one() {
    for difference in Difference::ALL {
        let bytes = difference.example();
        assert_eq!(compare(&bytes), Ok(Some(difference)));
        let theirs = other::borrowed::Message::new(&bytes).unwrap();
        match Packet::parse(&bytes, ParseRules::default()) {
            Ok(packet) => assert_ne!(our_options(&packet), other_options(&theirs), "{difference:?}"),
            Err(_) => assert!(bytes.len() >= 240, "{difference:?}"),
        }
    }
}

#[test]
fn the_builders_messages_are_read_alike() {
    let giaddr = Ipv4Addr::new(10, 0, 0, 1);
    let messages = [
        MessageBuilder::discover(MAC).broadcast().secs(5),
        MessageBuilder::request_selecting(MAC, LEASED, SERVER).client_id(b"\0abc").message_size_max(1500),
        MessageBuilder::request_init_reboot(MAC, LEASED).lease_time(60),
        MessageBuilder::request_renewing(MAC, LEASED).giaddr(giaddr).relay_agent(&[(SubOption::CIRCUIT_ID, b"c")]),
        MessageBuilder::decline(MAC, LEASED, SERVER).option(OptionCode::MESSAGE, &[b'm'; 600]),
        MessageBuilder::release(MAC, LEASED, SERVER).pad_to(300),
        MessageBuilder::inform(MAC, LEASED).option(OptionCode(200), b"1").xid(7).option(OptionCode(200), b"2"),
        MessageBuilder::lease_query_by_address(LEASED, giaddr),
        MessageBuilder::lease_query_by_mac(MAC, giaddr),
        MessageBuilder::lease_query_by_client_id(b"\0abc", giaddr).parameter_request_list(&[OptionCode(82)]),
        MessageBuilder::new(MessageType::LeaseActive, MAC)
            .ciaddr(LEASED)
            .giaddr(giaddr)
            .option(OptionCode::CLIENT_LAST_TRANSACTION_TIME, &[0, 0, 0, 9])
            .option(OptionCode::ASSOCIATED_IP, &[192, 0, 2, 78, 192, 0, 2, 79])
            .relay_agent(&[(SubOption::CIRCUIT_ID, b"c")]),
        MessageBuilder::new(MessageType::LeaseUnassigned, MAC).ciaddr(LEASED).giaddr(giaddr),
        MessageBuilder::new(MessageType::LeaseUnknown, MAC).giaddr(giaddr),
        MessageBuilder::new(MessageType::BulkLeaseQuery, MAC).hops(2),
    ];
    for message in messages {
        let bytes = message.build();
        assert_eq!(compare(&bytes), Ok(None), "{message:?}");
        sound(&bytes);
    }
}

/// Options with values that dhcproto's typed reader takes and writes back unchanged.
fn typed_option() -> impl Strategy<Value = (u8, Vec<u8>)> {
    let addresses = |codes: &'static [u8]| {
        (proptest::sample::select(codes), vec(any::<[u8; 4]>(), 1..20)).prop_map(|(code, list)| (code, list.concat()))
    };
    let fixed = |codes: &'static [u8], len| (proptest::sample::select(codes), vec(any::<u8>(), len));
    let opaque = |codes: &'static [u8]| (proptest::sample::select(codes), vec(any::<u8>(), 1..300));
    let text = (proptest::sample::select(&[12_u8, 15, 17, 40, 56][..]), "[a-z0-9.-]{1,60}");
    prop_oneof![
        addresses(&[3, 4, 5, 6, 7, 41, 42, 44]),
        fixed(&[1, 2, 24, 28, 32, 35, 51, 54, 58, 59, 50], 4),
        fixed(&[13, 26, 57], 2),
        opaque(&[43, 60, 61, 66, 67, 77, 200, 224]),
        text.prop_map(|(code, text)| (code, text.into_bytes())),
        Just((80, Vec::new())),
    ]
}

fn other_message(bytes: &[u8]) -> other::Message {
    other::Message::decode(&mut Decoder::new(bytes)).expect("dhcproto reads a header")
}

/// An option of dhcproto's as value bytes, instances joined.
fn other_value(option: &other::DhcpOption) -> Vec<u8> {
    let encoded = option.to_vec().expect("dhcproto writes what it has read");
    let mut rest = &encoded[..];
    let mut value = Vec::new();
    while let [_, len, tail @ ..] = rest {
        let (part, next) = tail.split_at(usize::from(*len));
        value.extend(part);
        rest = next;
    }
    value
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn mutated_messages_are_read_alike(
        options in vec((1..=254_u8, vec(any::<u8>(), 0..60)), 0..12),
        changes in vec((any::<Index>(), any::<u8>()), 0..4),
    ) {
        let mut message = MessageBuilder::discover(MAC).pad_to(300);
        for (code, value) in options {
            message = message.option(OptionCode(code), &value);
        }
        let mut bytes = message.build();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        prop_assert!(compare(&bytes).is_ok(), "{:?}", compare(&bytes));
    }

    #[test]
    fn random_options_are_read_alike(options in vec(any::<u8>(), 0..400)) {
        let mut bytes = MessageBuilder::discover(MAC).build();
        bytes.truncate(240);
        bytes.extend(options);
        prop_assert!(compare(&bytes).is_ok(), "{:?}", compare(&bytes));
    }

    #[test]
    fn what_we_write_dhcproto_reads(options in vec(typed_option(), 0..12)) {
        let mut reply = Reply { chaddr: MAC.into(), yiaddr: LEASED, ..Reply::new() };
        reply.options.set(OptionCode::DHCP_MESSAGE_TYPE, &[MessageType::Ack as u8]).unwrap();
        for (code, value) in options {
            reply.options.set(OptionCode(code), &value).unwrap();
        }
        let mut out = Vec::new();
        reply.encode(EncodeLimits { message_size_max: u16::MAX, ..EncodeLimits::default() }, &mut out).unwrap();
        let theirs = other_message(&out);
        prop_assert_eq!(theirs.yiaddr(), LEASED);
        prop_assert_eq!(theirs.chaddr(), &MAC.0[..]);
        prop_assert_eq!(theirs.opts().msg_type(), Some(other::MessageType::Ack));
        let read: Options = theirs.opts().iter().map(|(code, option)| ((*code).into(), other_value(option))).collect();
        let expected: Options = reply.options.iter().map(|(code, value)| (code.0, value.to_vec())).collect();
        prop_assert_eq!(read, expected);
    }

    #[test]
    fn what_dhcproto_writes_we_read(options in vec(typed_option(), 1..12)) {
        // Made by dhcproto's reader from single options, so that its writer is what is under comparison.
        let mut theirs = other::Message::default();
        theirs.set_chaddr(&MAC.0);
        for (code, value) in options {
            let mut bytes = Vec::new();
            for part in value.chunks(255) {
                bytes.extend([code, part.len() as u8]);
                bytes.extend(part);
            }
            if value.is_empty() {
                bytes.extend([code, 0]);
            }
            bytes.push(255);
            theirs.opts_mut().insert(other::DhcpOption::decode(&mut Decoder::new(&bytes)).unwrap());
        }
        let bytes = theirs.to_vec().unwrap();
        let packet = Packet::parse(&bytes, ParseRules::default()).unwrap();
        let expected: Options = theirs.opts().iter().map(|(code, option)| ((*code).into(), other_value(option))).collect();
        prop_assert_eq!(our_options(&packet), expected);
        prop_assert_eq!(packet.hw_addr().mac(), Some(MAC));
    }
}
