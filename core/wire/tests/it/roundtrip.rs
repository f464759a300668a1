//! Properties: no input makes the decoders panic, and what is encoded is what is read.

use crate::MAC;
use bindery_types::{HwAddr, Ipv4Addr, Xid};
use bindery_wire::frame::UdpDatagram;
use bindery_wire::v4::{
    EncodeLimits, Fault, MessageBuilder, MessageType, OptionCode, Packet, ParseRules, RelayAgentInformation, Reply,
    SubOption,
};
use proptest::{collection::vec, prelude::*, sample::Index};
use std::collections::BTreeMap;

/// Reads everything there is to read.
fn read_all(bytes: &[u8]) {
    for rules in [ParseRules::default(), ParseRules { allow_no_end_option: true }] {
        let Ok(packet) = Packet::parse(bytes, rules) else {
            continue;
        };
        let codes = packet.codes();
        let mut listed = 0;
        for (code, value) in packet.options() {
            listed += 1;
            assert!(codes.contains(code) && packet.has(code));
            assert_eq!(packet.option(code), Some(value));
        }
        assert_eq!(listed, codes.len());
        for code in (0..=255).map(OptionCode).filter(|code| !codes.contains(*code)) {
            assert!(packet.option(code).is_none() && packet.u32_option(code).is_none());
        }
        if let Some(value) = packet.option(OptionCode::RELAY_AGENT_INFORMATION) {
            let view = RelayAgentInformation::new(&value);
            let read: usize = view.iter().map(|(_, value)| value.len() + 2).sum();
            assert!(read <= value.len() && (read == value.len() || view.is_malformed()));
        }
        let mut reply = Reply::new();
        if reply.begin(&packet, MessageType::Ack).is_ok() {
            let mut out = Vec::new();
            if reply.encode(EncodeLimits::of(&packet, 1500), &mut out).is_ok() {
                Packet::parse(&out, ParseRules::default()).expect("what we send is sound");
            }
        }
    }
}

fn borrowed(options: &[(u8, Vec<u8>)]) -> Vec<(OptionCode, &[u8])> {
    options.iter().map(|(code, value)| (OptionCode(*code), &value[..])).collect()
}

fn message() -> impl Strategy<Value = MessageBuilder> {
    let kind = proptest::sample::select(MessageType::ALL.to_vec());
    let options = vec((1..=254_u8, vec(any::<u8>(), 0..300)), 0..12);
    let small = || vec((1..=254_u8, vec(any::<u8>(), 0..20)), 0..4);
    let faults = vec(
        prop_oneof![
            Just(Fault::NoEnd),
            (1..=254_u8).prop_map(|code| Fault::Overrun(OptionCode(code))),
            (1..=254_u8).prop_map(|code| Fault::LoneCode(OptionCode(code))),
            (0..600_usize).prop_map(Fault::Cut),
            any::<u8>().prop_map(Fault::Hlen),
        ],
        0..2,
    );
    (kind, options, proptest::option::of(small()), proptest::option::of(small()), faults).prop_map(
        |(kind, options, file, sname, faults)| {
            let mut message = MessageBuilder::new(kind, MAC);
            for (code, value) in options {
                message = message.option(OptionCode(code), &value);
            }
            if let Some(file) = file {
                message = message.file_options(&borrowed(&file));
            }
            if let Some(sname) = sname {
                message = message.sname_options(&borrowed(&sname));
            }
            faults.into_iter().fold(message, MessageBuilder::fault)
        },
    )
}

/// A reply of unique options, and the limit to encode it with.
fn reply() -> impl Strategy<Value = (Reply, u16)> {
    let options = proptest::collection::btree_map(
        (1..=254_u8).prop_filter("the server's own", |code| !(50..=57).contains(code)),
        prop_oneof![4 => vec(any::<u8>(), 0..40), 1 => vec(any::<u8>(), 0..700)],
        0..20,
    );
    let header = (any::<[u32; 4]>(), any::<(u32, u16, u16, u8)>(), any::<u8>(), vec(any::<u8>(), 0..=16));
    let kind = proptest::sample::select(MessageType::ALL.to_vec());
    let names = (any::<bool>(), any::<bool>());
    (options.prop_map(|map| map.into_iter().collect::<Vec<_>>()).prop_shuffle(), header, kind, names, any::<u16>())
        .prop_map(|(options, (addresses, (xid, secs, flags, hops), htype, chaddr), kind, (sname, file), limit)| {
            let [ciaddr, yiaddr, siaddr, giaddr] = addresses.map(Ipv4Addr::from_bits);
            let chaddr = HwAddr::new(htype, &chaddr).filter(|address| htype != 1 || address.mac().is_some());
            let chaddr = chaddr.unwrap_or(MAC.into());
            let mut reply = Reply {
                op: kind.op(),
                hops,
                xid: Xid(xid),
                secs,
                flags,
                ciaddr,
                yiaddr,
                siaddr,
                giaddr,
                chaddr,
                ..Reply::new()
            };
            reply.sname[0] = u8::from(sname);
            reply.file[127] = u8::from(file);
            reply.options.set(OptionCode::DHCP_MESSAGE_TYPE, &[kind as u8]).unwrap();
            for (code, value) in options {
                reply.options.set(OptionCode(code), &value).unwrap();
            }
            (reply, limit % 3000)
        })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn random_bytes_make_nothing_panic(bytes in vec(any::<u8>(), 0..700), pending: bool) {
        read_all(&bytes);
        let _ = UdpDatagram::parse(&bytes, pending);
        let view = RelayAgentInformation::new(&bytes);
        let _ = (view.is_malformed(), view.circuit_id(), view.link_selection(), view.iter().count());
    }

    #[test]
    fn random_options_make_nothing_panic(options in vec(any::<u8>(), 0..700), fields in vec(any::<u8>(), 192)) {
        let mut bytes = MessageBuilder::discover(MAC).sname(&fields[..64]).file(&fields[64..]).fault(Fault::NoEnd).build();
        bytes.truncate(240);
        bytes.extend(options);
        read_all(&bytes);
    }

    #[test]
    fn mutated_messages_make_nothing_panic(
        message in message(),
        changes in vec((any::<Index>(), any::<u8>()), 0..8),
        cut in proptest::option::of(any::<Index>()),
    ) {
        let mut bytes = message.build();
        for (at, value) in changes {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len() + 1));
        }
        read_all(&bytes);
    }

    #[test]
    fn what_is_encoded_is_what_is_read((reply, limit) in reply()) {
        let mut out = Vec::new();
        let limits = EncodeLimits { message_size_max: limit, ..EncodeLimits::default() };
        let Ok(encoded) = reply.encode(limits, &mut out) else {
            prop_assert!(reply.options.encoded_len() > 300, "an error without need");
            return Ok(());
        };
        prop_assert!(out.len() <= usize::from(limit.max(576)) - 28 && out.len() >= 300);
        let packet = Packet::parse(&out, ParseRules::default()).unwrap();
        prop_assert_eq!(
            (packet.op(), packet.hops(), packet.xid(), packet.secs(), packet.flags(), packet.hw_addr()),
            (reply.op, reply.hops, reply.xid, reply.secs, reply.flags, reply.chaddr)
        );
        prop_assert_eq!(
            [packet.ciaddr(), packet.yiaddr(), packet.siaddr(), packet.giaddr()],
            [reply.ciaddr, reply.yiaddr, reply.siaddr, reply.giaddr]
        );
        let mut read: BTreeMap<u8, Vec<u8>> =
            packet.options().map(|(code, value)| (code.0, value.into_owned())).collect();
        let (file, sname) = packet.overloaded_fields();
        prop_assert_eq!(read.remove(&52).is_some(), file || sname);
        prop_assert!(file || packet.file_field() == &reply.file);
        prop_assert!(sname || packet.sname_field() == &reply.sname);
        prop_assert!(!sname || reply.sname[0] == 0);
        prop_assert!(!file || reply.file[127] == 0);
        let expected: BTreeMap<u8, Vec<u8>> = reply
            .options
            .iter()
            .filter(|(code, _)| !encoded.omitted.contains(*code))
            .map(|(code, value)| (code.0, value.to_vec()))
            .collect();
        prop_assert_eq!(read, expected);
        // Nothing is left out that essential options do not displace.
        for code in [53, 54, 51, 1, 3, 6, 58, 59, 61].map(OptionCode) {
            prop_assert!(!encoded.omitted.contains(code));
        }
        if reply.options.encoded_len() + 241 + 28 <= usize::from(limit.max(576)) {
            prop_assert!(encoded.omitted.is_empty() && !file && !sname);
        }
    }

    #[test]
    fn a_datagram_written_is_the_datagram_read(
        (src, dst, ports, ttl) in any::<(u32, u32, (u16, u16), u8)>(),
        payload in vec(any::<u8>(), 0..1500),
        padding in 0..30_usize,
        flip in proptest::option::of((any::<Index>(), 0..8_u32)),
    ) {
        let datagram = UdpDatagram {
            src: Ipv4Addr::from_bits(src),
            dst: Ipv4Addr::from_bits(dst),
            src_port: ports.0,
            dst_port: ports.1,
            payload: &payload,
        };
        let mut out = Vec::new();
        datagram.write(ttl, &mut out).unwrap();
        let len = out.len();
        out.resize(len + padding, 0xaa);
        prop_assert_eq!(UdpDatagram::parse(&out, false), Ok(datagram));
        // One flipped bit is always seen, but in a checksum that becomes "none".
        if let Some((at, bit)) = flip {
            let at = at.index(len);
            out[at] ^= 1 << bit;
            let none = out[26..28] == [0, 0];
            prop_assert!(none || UdpDatagram::parse(&out, false).is_err());
        }
    }

    #[test]
    fn sub_options_written_are_those_read(list in vec((any::<u8>(), vec(any::<u8>(), 0..=255)), 0..6)) {
        let sub_options: Vec<_> = list.iter().map(|(code, value)| (SubOption(*code), &value[..])).collect();
        let bytes = MessageBuilder::discover(MAC).relay_agent(&sub_options).build();
        let packet = Packet::parse(&bytes, ParseRules::default()).unwrap();
        let value = packet.option(OptionCode::RELAY_AGENT_INFORMATION).unwrap();
        prop_assert!(RelayAgentInformation::new(&value).iter().eq(sub_options));
    }
}
