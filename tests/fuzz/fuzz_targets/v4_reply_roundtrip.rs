//! Operations on an option list, checked against a plain model, then encoded and read again.
#![no_main]

use bindery_types::{MacAddr, Xid};
use bindery_wire::v4::{EncodeLimits, MessageType, OptionCode, OptionError, OptionList, Packet, ParseRules, Reply};
use libfuzzer_sys::fuzz_target;

type Model = Vec<(OptionCode, Vec<u8>)>;

fuzz_target!(|bytes: &[u8]| {
    let Some(([kind, limit, names, xid], script)) = bytes.split_first_chunk::<4>() else {
        return;
    };
    let kind = MessageType::ALL[usize::from(*kind) % MessageType::ALL.len()];
    let mut reply = Reply { xid: Xid((*xid).into()), chaddr: MacAddr([2, 0, 0, 0, 0, 1]).into(), ..Reply::new() };
    reply.sname[0] = names & 1;
    reply.file[0] = names & 2;
    let model = run(&mut reply.options, script);
    // These decide how the reader takes the message; the sender of the reply sets them right.
    for code in 50..=57 {
        reply.options.remove(OptionCode(code));
    }
    if reply.options.set(OptionCode::DHCP_MESSAGE_TYPE, &[kind as u8]).is_err() {
        return;
    }
    let limits = EncodeLimits { message_size_max: u16::from(*limit) * 8, ..EncodeLimits::default() };
    let mut out = vec![0xee; 5];
    let Ok(encoded) = reply.encode(limits, &mut out) else {
        assert_eq!(out, [0xee; 5]);
        return;
    };
    let message = &out[5..];
    assert_eq!(message.len(), encoded.len);
    assert!((300..=usize::from(limits.message_size_max.max(576)) - 28).contains(&message.len()));
    let packet = Packet::parse(message, ParseRules::default()).expect("what we send is sound");
    assert_eq!((packet.message_type(), packet.xid()), (Some(kind), reply.xid));
    let (file, sname) = packet.overloaded_fields();
    assert!(!file || reply.file[0] == 0);
    assert!(!sname || reply.sname[0] == 0);
    assert!(kind != MessageType::Nak || !(file || sname));
    for (code, value) in model.iter().filter(|(code, _)| !(50..=57).contains(&code.0)) {
        let expected = (!encoded.omitted.contains(*code)).then_some(&value[..]);
        assert_eq!(packet.option(*code).as_deref(), expected, "{code}");
    }
    let extra = 1 + usize::from(file || sname);
    let set = model.iter().filter(|(code, _)| !(50..=57).contains(&code.0)).count();
    assert_eq!(packet.codes().len() + encoded.omitted.len(), set + extra);
});

/// Each operation is a code, an operation and a length; the value is the code again and again.
fn run(list: &mut OptionList, script: &[u8]) -> Model {
    let mut model = Model::new();
    for step in script.chunks_exact(3) {
        let [code, operation, len] = [step[0], step[1], step[2]];
        let code = OptionCode(code);
        let position = model.iter().position(|(other, _)| *other == code);
        if operation == 0 {
            assert_eq!(list.remove(code), position.is_some());
            if let Some(position) = position {
                model.remove(position);
            }
            continue;
        }
        let value = vec![code.0 ^ operation; usize::from(len) << (operation & 3)];
        match list.set(code, &value) {
            Ok(()) => match position {
                Some(position) => model[position].1 = value,
                None => model.push((code, value)),
            },
            Err(OptionError::Reserved(code)) => assert!([0, 52, 255].contains(&code.0)),
            Err(OptionError::Full(_)) => {
                let others = model.iter().filter(|(other, _)| *other != code).map(|(_, value)| value.len());
                assert!(others.sum::<usize>() + value.len() > OptionList::BYTES_MAX);
            }
        }
    }
    assert!(list.iter().eq(model.iter().map(|(code, value)| (*code, &value[..]))));
    assert_eq!(list.len(), model.len());
    model
}
