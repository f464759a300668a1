//! BOOTP clients, where `bootp-support` is set: RFC 951, RFC 1542 §5, RFC 1534 §2.

use crate::lab::{Heard, LEASE_SECS, LINK, Lab, SERVER, config, ip, mac};
use bindery_engine::{
    command::{Cursor, Filter, Reply, Verb},
    config::{Config, Host},
    event::DropReason,
    output::Destination,
    record::{DurableState, RouteRecord},
};
use bindery_types::{Ipv4Addr, LeaseTime, MacAddr};
use bindery_wire::v4::{Fault, HEADER_LEN, MAGIC_COOKIE, MESSAGE_LEN_MIN, MessageBuilder, MessageType, Op, OptionCode};

fn served() -> Config {
    let mut config = config();
    config.groups[0].overrides.bootp_support = true;
    config
}

fn request(last: u8) -> MessageBuilder {
    MessageBuilder::bootp(Op::BootRequest, mac(last)).pad_to(MESSAGE_LEN_MIN)
}

/// What a BOOTP client gets; checks what every BOOTREPLY is.
fn boot(lab: &mut Lab, message: &MessageBuilder) -> Heard {
    let reply = lab.broadcast(message).expect("a BOOTREPLY");
    let packet = reply.packet();
    assert_eq!((packet.op(), packet.message_type()), (Op::BootReply, None));
    for code in [51, 53, 54, 58, 59] {
        assert_eq!(packet.option(OptionCode(code)), None, "option {code} is DHCP's");
    }
    reply
}

#[test]
fn without_the_statement_bootp_is_dropped() {
    let mut lab = Lab::new(config());
    assert!(lab.broadcast(&request(1)).is_none());
    assert_eq!(lab.dropped(DropReason::BootpPacket), 1);
    assert!(lab.broadcast(&request(1).fault(Fault::Cookie([0; 4]))).is_none());
    assert_eq!(lab.dropped(DropReason::NoOptions), 1);
}

#[test]
fn rfc_1534_2_a_bootp_client_is_bound_at_once_and_for_ever() {
    let mut lab = Lab::new(served());
    let reply = boot(&mut lab, &request(1).secs(7));
    assert_eq!(reply.yiaddr(), ip(10));
    assert_eq!(reply.bytes.len(), MESSAGE_LEN_MIN, "RFC 1542 2.1: 300 octets");
    let packet = reply.packet();
    assert_eq!((packet.siaddr(), packet.secs()), (SERVER, 7), "RFC 951 3: siaddr is a server");
    assert_eq!(reply.option(OptionCode::SUBNET_MASK).unwrap(), [255, 255, 255, 0]);
    assert_eq!(reply.option(OptionCode::ROUTER).unwrap(), SERVER.octets());
    assert_eq!(reply.to, Destination::Frame { link: LINK, mac: mac(1), src: SERVER, dst: ip(10) });
    let record = lab.record(ip(10)).unwrap();
    assert_eq!((record.state, record.end), (DurableState::Bound, LeaseTime::NEVER));
    assert!(lab.kernel.contains_key(&ip(10)), "and its route stands");
    let verb = Verb::Bindings { filter: Filter::Address(ip(10)), cursor: Cursor::START };
    let Some(Reply::Bindings { rows, .. }) = lab.command(verb) else { panic!() };
    assert!(rows[0].bootp, "Protocol-Used");
    // It asks again at each boot.
    assert_eq!(boot(&mut lab, &request(1)).yiaddr(), ip(10));
    lab.jump(10 * u64::from(LEASE_SECS));
    assert_eq!(lab.state(ip(10)), Some(DurableState::Bound));
    let counters = lab.engine.counters();
    assert_eq!((counters.received[0], counters.sent[0], counters.sent[MessageType::Ack as usize]), (2, 2, 0));
    // Only an operator ends it.
    lab.clear(Filter::Address(ip(10)));
    assert!(lab.kernel.is_empty());
    assert_eq!(boot(&mut lab, &request(1)).yiaddr(), ip(10));
}

#[test]
fn the_reply_waits_for_storage_and_route() {
    let mut lab = Lab::new(served());
    lab.prompt = false;
    assert!(lab.broadcast(&request(1)).is_none());
    lab.answer_store();
    assert!(lab.heard.is_empty());
    lab.answer_routes();
    assert_eq!(lab.heard.len(), 1);
}

#[test]
fn reservations_and_broadcast() {
    let mut config = served();
    let host = Host { name: "h".into(), hardware_address: Some(mac(9)), ip_address: ip(77), ..Host::default() };
    config.pools[0].hosts.push(host);
    let mut lab = Lab::new(config);
    let reply = boot(&mut lab, &request(9).broadcast());
    assert_eq!(reply.yiaddr(), ip(77));
    let all = Destination::Frame { link: LINK, mac: MacAddr::BROADCAST, src: SERVER, dst: Ipv4Addr::BROADCAST };
    assert_eq!(reply.to, all);
}

#[test]
fn rfc_951_a_client_without_the_cookie_gets_no_options() {
    let mut lab = Lab::new(served());
    let reply = lab.broadcast(&request(1).fault(Fault::Cookie([0; 4]))).expect("a BOOTREPLY");
    assert_eq!(reply.bytes.len(), MESSAGE_LEN_MIN);
    assert_eq!(reply.bytes[16..20], ip(10).octets());
    assert!(reply.bytes[HEADER_LEN..].iter().all(|byte| *byte == 0));
    assert_eq!(lab.state(ip(10)), Some(DurableState::Bound));
}

#[test]
fn the_vendor_field_is_64_bytes_unless_the_client_sent_more() {
    let mut config = served();
    let many: Vec<u8> = (0..80).collect();
    config.pools[0].attributes.options.push((OptionCode(42), many.into()));
    let mut lab = Lab::new(config);
    let short = boot(&mut lab, &request(1));
    assert_eq!(short.bytes.len(), MESSAGE_LEN_MIN);
    assert_eq!(short.option(OptionCode(42)), None, "it does not fit");
    assert!(short.option(OptionCode::ROUTER).is_some());
    assert_eq!(short.option(OptionCode::OPTION_OVERLOAD), None);
    let long = boot(&mut lab, &request(1).pad_to(548));
    assert_eq!(long.option(OptionCode(42)).unwrap().len(), 80);
    // RFC 3046 2.1: what the relay put in it takes out again.
    let info = [
        1, 40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0,
    ];
    let relayed = boot(&mut lab, &request(1).option(OptionCode(82), &info));
    assert_eq!(relayed.option(OptionCode(82)).unwrap(), info);
    assert!(relayed.bytes[HEADER_LEN..].starts_with(&MAGIC_COOKIE));
}

#[test]
fn rfc_951_boot_fields_and_a_server_that_is_named() {
    let mut config = served();
    config.pools[0].attributes.boot_file = Some(Box::from(*b"vmunix"));
    config.pools[0].attributes.boot_server = Some(Box::from(*b"boots"));
    config.pools[0].attributes.next_server = Some(ip(3));
    let mut lab = Lab::new(config);
    let reply = boot(&mut lab, &request(1).sname(b"boots"));
    assert_eq!(reply.packet().siaddr(), ip(3));
    assert!(reply.packet().file_field().starts_with(b"vmunix\0"));
    assert!(lab.broadcast(&request(1).sname(b"others")).is_none());
    assert_eq!(lab.dropped(DropReason::InvalidServerAddress), 1);
}

#[test]
fn rfc_1542_5_3_a_client_with_an_address_is_bound_to_nothing() {
    let mut lab = Lab::new(served());
    let reply = lab.unicast(&request(1).ciaddr(ip(200)), ip(200)).unwrap();
    assert_eq!((reply.yiaddr(), reply.packet().ciaddr()), (Ipv4Addr::UNSPECIFIED, ip(200)));
    assert!(matches!(reply.to, Destination::Udp { dst, port: 68, .. } if dst == ip(200)));
    assert!(lab.disk.is_empty());
}

#[test]
fn through_a_relay() {
    let mut config = served();
    config.pools[0].network = "198.51.100.0/24".parse().unwrap();
    config.pools[0].ranges[0].low = "198.51.100.10".parse().unwrap();
    config.pools[0].ranges[0].high = "198.51.100.20".parse().unwrap();
    let mut lab = Lab::new(config);
    let giaddr = Ipv4Addr::new(198, 51, 100, 1);
    let reply = lab.unicast(&request(1).giaddr(giaddr), giaddr).unwrap();
    assert_eq!(reply.yiaddr(), Ipv4Addr::new(198, 51, 100, 10));
    assert!(matches!(reply.to, Destination::Udp { dst, port: 67, .. } if dst == giaddr));
    assert_eq!(lab.record(reply.yiaddr()).unwrap().route, RouteRecord::None);
}

#[test]
fn a_client_that_comes_to_speak_dhcp_has_a_lease_that_ends() {
    let mut lab = Lab::new(served());
    boot(&mut lab, &request(1));
    assert_eq!(lab.lease(1), ip(10), "the same address");
    assert!(lab.record(ip(10)).unwrap().end < LeaseTime::NEVER);
    // And back: the firmware speaks BOOTP at each start.
    boot(&mut lab, &request(1));
    assert_eq!(lab.record(ip(10)).unwrap().end, LeaseTime::NEVER);
    lab.lease(1);
    lab.jump(3 * u64::from(LEASE_SECS));
    assert_eq!(lab.state(ip(10)), Some(DurableState::Expired));
}

#[test]
fn a_restart_keeps_it() {
    let mut lab = Lab::new(served());
    boot(&mut lab, &request(1));
    let mut lab = lab.restart(served(), 60);
    assert_eq!(boot(&mut lab, &request(1)).yiaddr(), ip(10));
    assert_eq!(lab.record(ip(10)).unwrap().end, LeaseTime::NEVER);
    assert_eq!(lab.lease(1), ip(10));
    assert!(lab.record(ip(10)).unwrap().end < LeaseTime::NEVER, "what the record says of BOOTP is kept");
}
