use super::*;
use crate::config::{Config, DisconnectClient, NasConfig};
use crate::packet::{self, AttributeList, Code, Packet, Secret, Type};
use bindery_types::{MacAddr, Mono, Wall};
use proptest::prelude::*;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

const NOW: Mono = Mono(1_000_000_000_000);
const WALL: Wall = Wall(1_700_000_000);

fn secret() -> Secret {
    Secret::from("s3cret")
}

fn server() -> DynamicServer {
    let client = DisconnectClient { address: IpAddr::from([192, 0, 2, 1]), secret: secret() };
    DynamicServer::new(&Config { clients: vec![client], ..Config::default() })
}

fn local() -> SocketAddr {
    "192.0.2.9:3799".parse().unwrap()
}

fn source() -> SocketAddr {
    "192.0.2.1:40000".parse().unwrap()
}

fn list(attributes: &[(Type, &[u8])]) -> AttributeList {
    let mut list = AttributeList::new();
    for (kind, value) in attributes {
        list.push(*kind, value).unwrap();
    }
    list
}

fn make(code: Code, id: u8, attributes: &[(Type, &[u8])], signed: bool) -> Vec<u8> {
    packet::signed_request(code, id, &list(attributes), &secret(), signed).unwrap()
}

fn request(server: &mut DynamicServer, bytes: &[u8]) -> Request {
    match server.judge(NOW, WALL, local(), source(), bytes) {
        Verdict::Request(request) => request,
        other => panic!("{other:?}"),
    }
}

const SESSION: (Type, &[u8]) = (Type::ACCT_SESSION_ID, b"s1");

#[test]
fn a_request_is_carried_out_once_and_its_retransmission_gets_the_same_answer() {
    let mut server = server();
    let bytes = make(
        Code::DisconnectRequest,
        7,
        &[(Type::PROXY_STATE, b"one"), SESSION, (Type::STATE, b"not of a Disconnect"), (Type::PROXY_STATE, b"two")],
        true,
    );
    let asked = request(&mut server, &bytes);
    assert_eq!(asked.kind, Kind::Disconnect);
    assert_eq!(server.judge(NOW, WALL, local(), source(), &bytes), Verdict::Drop(DropReason::UnderWay));
    let answer = server.answer(&asked.reply, Err(ErrorCause::SessionContextNotFound)).unwrap();
    let packet = Packet::decode(&answer).unwrap();
    assert_eq!((packet.code(), packet.id()), (Code::DisconnectNak, 7));
    let authenticator = Packet::decode(&bytes).unwrap().authenticator();
    assert_eq!(packet::verify_response(&packet, authenticator, &secret(), true), Ok(()));
    let values: Vec<_> = packet.attributes().filter(|a| a.kind == Type::PROXY_STATE).map(|a| a.value).collect();
    assert_eq!(values, [b"one", b"two"]);
    assert_eq!(packet.first(Type::STATE), None);
    assert_eq!(packet.first(Type::ERROR_CAUSE), Some(&503u32.to_be_bytes()[..]));
    let other_port = "192.0.2.1:40001".parse().unwrap();
    for source in [source(), other_port] {
        assert_eq!(server.judge(NOW, WALL, local(), source, &bytes), Verdict::Repeat(answer.clone()));
    }
    let counters = server.counters();
    assert_eq!((counters.disconnects, counters.naks, counters.repeated, counters.under_way), (1, 1, 2, 1));
}

#[test]
fn a_request_full_of_states_gets_an_answer_all_the_same() {
    let mut server = server();
    let states = [(Type::PROXY_STATE, &[7u8; 253][..]); 15];
    let mut attributes = states.to_vec();
    attributes.extend([(Type::PROXY_STATE, &[7u8; 200][..]), SESSION]);
    let asked = request(&mut server, &make(Code::CoaRequest, 1, &attributes, false));
    let answer = server.answer(&asked.reply, Err(ErrorCause::ResourcesUnavailable)).unwrap();
    let answer = Packet::decode(&answer).unwrap();
    assert!(answer.first(Type::ERROR_CAUSE).is_some());
    assert!(answer.attributes().filter(|a| a.kind == Type::PROXY_STATE).count() >= 15);
}

#[test]
fn a_coa_answer_returns_state_and_an_ack_has_no_error() {
    let mut server = server();
    let bytes = make(Code::CoaRequest, 1, &[SESSION, (Type::STATE, b"x")], false);
    let asked = request(&mut server, &bytes);
    let answer = server.answer(&asked.reply, Ok(())).unwrap();
    let packet = Packet::decode(&answer).unwrap();
    assert_eq!((packet.code(), packet.first(Type::STATE)), (Code::CoaAck, Some(&b"x"[..])));
    assert_eq!(packet.first(Type::ERROR_CAUSE), None);
}

#[test]
fn everything_else_is_dropped_in_silence() {
    let mut server = server();
    let mut judge = |source: &str, bytes: &[u8]| server.judge(NOW, WALL, local(), source.parse().unwrap(), bytes);
    let good = make(Code::DisconnectRequest, 1, &[SESSION], true);
    assert_eq!(judge("192.0.2.2:1", &good), Verdict::Drop(DropReason::UnknownClient));
    assert_eq!(judge("192.0.2.1:1", &good[..19]), Verdict::Drop(DropReason::Malformed));
    let wrong = packet::signed_request(Code::DisconnectRequest, 1, &list(&[SESSION]), &"other".into(), false).unwrap();
    assert_eq!(judge("192.0.2.1:1", &wrong), Verdict::Drop(DropReason::NotAuthentic));
    let code = make(Code::AccountingRequest, 1, &[SESSION], false);
    assert_eq!(judge("192.0.2.1:1", &code), Verdict::Drop(DropReason::WrongCode));
    // A right authenticator around a wrong Message-Authenticator.
    let bent = make(Code::CoaRequest, 1, &[SESSION, (Type::MESSAGE_AUTHENTICATOR, &[1; 16])], false);
    assert_eq!(judge("192.0.2.1:1", &bent), Verdict::Drop(DropReason::NotAuthentic));
    for secs in [-301i64, 301] {
        let stamp = (1_700_000_000 + secs) as u32;
        let late = make(Code::CoaRequest, 1, &[SESSION, (Type::EVENT_TIMESTAMP, &stamp.to_be_bytes())], false);
        assert_eq!(judge("192.0.2.1:1", &late), Verdict::Drop(DropReason::Stale));
    }
    let malformed = make(Code::CoaRequest, 1, &[SESSION, (Type::EVENT_TIMESTAMP, b"now")], false);
    assert_eq!(judge("192.0.2.1:1", &malformed), Verdict::Drop(DropReason::Stale));
    assert!(matches!(judge("[::ffff:192.0.2.1]:1", &good), Verdict::Request(_)), "a mapped address is the same client");
}

#[test]
fn without_a_timestamp_nothing_is_taken_where_it_is_required() {
    let client = DisconnectClient { address: IpAddr::from([192, 0, 2, 1]), secret: secret() };
    let mut config = Config { clients: vec![client], ..Config::default() };
    config.options.require_event_timestamp = true;
    let mut server = DynamicServer::new(&config);
    let bytes = make(Code::DisconnectRequest, 1, &[SESSION], true);
    assert_eq!(server.judge(NOW, WALL, local(), source(), &bytes), Verdict::Drop(DropReason::Stale));
    config.clients.clear();
    server.reconfigure(&config);
    assert_eq!(server.judge(NOW, WALL, local(), source(), &bytes), Verdict::Drop(DropReason::UnknownClient));
}

#[test]
fn what_had_to_be_forgotten_is_not_carried_out_again() {
    let mut server = server();
    server.remember(2);
    let stamped = |id: u8| {
        let stamp = 1_700_000_000u32 + u32::from(id);
        make(Code::DisconnectRequest, id, &[SESSION, (Type::EVENT_TIMESTAMP, &stamp.to_be_bytes())], false)
    };
    for id in 1..=3 {
        let asked = request(&mut server, &stamped(id));
        server.answer(&asked.reply, Ok(())).unwrap();
    }
    assert_eq!(server.counters().forgotten, 1);
    assert_eq!(server.judge(NOW, WALL, local(), source(), &stamped(1)), Verdict::Drop(DropReason::Stale));
    assert!(matches!(server.judge(NOW, WALL, local(), source(), &stamped(2)), Verdict::Repeat(_)));
    // Long after, the window keeps it out.
    let later = NOW.plus(Duration::from_secs(700));
    request(&mut server, &stamped(9));
    assert_eq!(
        server.judge(later, Wall(WALL.0 + 700), local(), source(), &stamped(1)),
        Verdict::Drop(DropReason::Stale)
    );
}

#[test]
fn a_request_that_nobody_took_may_come_again() {
    let mut server = server();
    let bytes = make(Code::DisconnectRequest, 1, &[SESSION], true);
    let asked = request(&mut server, &bytes);
    server.forget(&asked.reply);
    request(&mut server, &bytes);
}

#[test]
fn a_request_that_came_again_is_as_young_as_its_second_coming() {
    let mut server = server();
    server.remember(3);
    let [oldest, first, second, third, fourth] =
        [0, 1, 2, 3, 4].map(|id| make(Code::DisconnectRequest, id, &[SESSION], true));
    request(&mut server, &oldest);
    let asked = request(&mut server, &first);
    server.forget(&asked.reply);
    request(&mut server, &second);
    request(&mut server, &first);
    // Two have to be forgotten: the two oldest.
    request(&mut server, &third);
    request(&mut server, &fourth);
    assert_eq!(server.judge(NOW, WALL, local(), source(), &first), Verdict::Drop(DropReason::UnderWay));
}

fn order(kind: Kind, attributes: &[(Type, &[u8])]) -> Result<Order, ErrorCause> {
    let code = if kind == Kind::Coa { Code::CoaRequest } else { Code::DisconnectRequest };
    let asked = request(&mut server(), &make(code, 1, attributes, true));
    let nas = NasConfig { identifier: "bng-1".into(), address: Some([192, 0, 2, 9].into()) };
    interpret(&asked, &nas)
}

#[test]
fn each_attribute_names_a_session_changes_it_or_is_refused() {
    use ErrorCause::*;
    use Kind::*;
    const OURS: (Type, &[u8]) = (Type::NAS_IP_ADDRESS, &[192, 0, 2, 9]);
    const IP: (Type, &[u8]) = (Type::FRAMED_IP_ADDRESS, &[10, 0, 0, 1]);
    type Row = (Kind, &'static [(Type, &'static [u8])], Option<ErrorCause>);
    let table: [Row; 17] = [
        (Disconnect, &[SESSION, OURS, (Type::NAS_IDENTIFIER, b"bng-1")], None),
        (Disconnect, &[OURS], Some(MissingAttribute)),
        (Disconnect, &[SESSION, (Type::NAS_IP_ADDRESS, &[192, 0, 2, 8])], Some(NasIdentificationMismatch)),
        (Disconnect, &[SESSION, (Type::NAS_IDENTIFIER, b"bng-2")], Some(NasIdentificationMismatch)),
        (Disconnect, &[SESSION, (Type::NAS_IPV6_ADDRESS, &[0; 16])], Some(NasIdentificationMismatch)),
        (Disconnect, &[SESSION, (Type::SESSION_TIMEOUT, &[0, 0, 0, 1])], Some(UnsupportedAttribute)),
        (Disconnect, &[SESSION, (Type::SERVICE_TYPE, &[0, 0, 0, 17])], Some(UnsupportedAttribute)),
        (Disconnect, &[SESSION, (Type::FRAMED_IPV6_PREFIX, &[0, 0])], Some(UnsupportedAttribute)),
        (Disconnect, &[SESSION, (Type::VENDOR_SPECIFIC, &[0, 0, 0, 1, 1, 3, 1])], None),
        (Disconnect, &[(Type::CALLING_STATION_ID, b"02-00-00-00-00-01")], None),
        (Disconnect, &[(Type::CALLING_STATION_ID, b"02:00:00")], Some(InvalidAttributeValue)),
        (Disconnect, &[(Type::FRAMED_IP_ADDRESS, &[10, 0, 0])], Some(InvalidAttributeValue)),
        (Coa, &[SESSION, (Type::SESSION_TIMEOUT, &[0, 0, 0, 1])], None),
        (Coa, &[SESSION, (Type::IDLE_TIMEOUT, &[0, 0, 0, 1])], Some(UnsupportedAttribute)),
        (Coa, &[SESSION, (Type::SERVICE_TYPE, &[0, 0, 0, 17]), (Type::STATE, b"x")], Some(UnsupportedService)),
        (Coa, &[(Type::FRAMED_POOL, b"gold")], Some(MissingAttribute)),
        (Coa, &[IP, (Type::FRAMED_POOL, b"gold")], None),
    ];
    for (row, (kind, attributes, cause)) in table.into_iter().enumerate() {
        assert_eq!(order(kind, attributes).err(), cause, "row {row}");
    }
    let by_mac = order(Disconnect, &[(Type::CALLING_STATION_ID, b"0200.0000.0001")]).unwrap();
    assert_eq!(by_mac.selector.mac, Some(MacAddr([2, 0, 0, 0, 0, 1])));
    let by_address = order(Coa, &[IP, (Type::FRAMED_POOL, b"gold")]).unwrap();
    assert_eq!(by_address.selector.address, Some([10, 0, 0, 1].into()));
    assert_eq!(by_address.change.unwrap(), Change { pool: Some("gold".into()), ..Change::default() });
    let moved = order(Coa, &[SESSION, IP]).unwrap();
    assert_eq!((moved.selector.address, moved.change.unwrap().address), (None, Some([10, 0, 0, 1].into())));
}

proptest! {
    #[test]
    fn no_bytes_without_the_secret_are_a_request(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut server = server();
        prop_assert!(matches!(server.judge(NOW, WALL, local(), source(), &bytes), Verdict::Drop(_)));
    }

    #[test]
    fn any_attributes_are_an_order_or_a_cause(
        attributes in prop::collection::vec((1u8.., prop::collection::vec(any::<u8>(), 0..20)), 0..8), coa in any::<bool>()
    ) {
        let mut made = AttributeList::new();
        for (kind, value) in attributes.iter().filter(|(kind, _)| *kind != 80 && *kind != 55) {
            made.push(Type(*kind), value).unwrap();
        }
        let code = if coa { Code::CoaRequest } else { Code::DisconnectRequest };
        let bytes = packet::signed_request(code, 1, &made, &secret(), true).unwrap();
        let asked = request(&mut server(), &bytes);
        let _ = interpret(&asked, &NasConfig::default());
    }
}
