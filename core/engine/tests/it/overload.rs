//! Overload and abuse: token buckets before parsing, offers that are bounded, and limits that are told.

use crate::lab::{LINK, Lab, SERVER, config, ip, link, mac};
use bindery_engine::{
    Input,
    config::{Config, Instance, Overload, Range, Rate, Server},
    event::{DropReason, Event},
    input::RxMeta,
    overload::{GUARD, is_urgent},
};
use bindery_types::{IfIndex, Ipv4Addr, MacAddr};
use bindery_wire::v4::{MessageBuilder, MessageType, SubOption};

fn limited(overload: Overload) -> Config {
    let server = Server { overload, ..Server::default() };
    let mut config = config();
    config.instances = vec![Instance { name: "default".into(), server, ..Instance::default() }];
    config.pools[0].network = "192.0.0.0/16".parse().unwrap();
    config.pools[0].ranges = vec![Range { name: "r".into(), low: ip(10), high: Ipv4Addr::new(192, 0, 250, 0) }];
    config
}

fn stranger(number: u16) -> MacAddr {
    let [high, low] = number.to_be_bytes();
    MacAddr([6, 0, 0, 0, high, low])
}

fn lab(overload: Overload) -> Lab {
    let mut lab = Lab::new(limited(overload));
    lab.input(Input::LinkSet(link(LINK, "eth1", &[(SERVER, 16)])));
    lab
}

fn garbage(lab: &mut Lab, bytes: &[u8]) {
    let meta = RxMeta { link: LINK, src: Ipv4Addr::UNSPECIFIED, src_port: 68, dst: Ipv4Addr::BROADCAST, src_mac: None };
    lab.input(Input::Datagram4 { meta, bytes });
}

const SLOW: Rate = Rate { per_sec: 1, burst: 4 };

#[test]
fn per_client_limits_one_hardware_address_and_nobody_else() {
    let mut lab = lab(Overload { per_client: Some(SLOW), ..Overload::DEFAULT });
    for _ in 0..6 {
        lab.discover(1);
    }
    assert_eq!((lab.dropped(DropReason::RateClient), lab.dropped_in_all()), (2, 2));
    lab.lease(2);
    lab.pass(2);
    lab.lease(1);
    assert_eq!(lab.dropped_in_all(), 2);
}

#[test]
fn per_circuit_limits_one_line_and_a_relay_without_lines_as_a_whole() {
    let relay = ip(2);
    let mut lab = lab(Overload { per_circuit: Some(SLOW), ..Overload::DEFAULT });
    let discover = |last| MessageBuilder::discover(mac(last)).giaddr(relay);
    for last in 1..7 {
        lab.unicast(&discover(last).relay_agent(&[(SubOption::CIRCUIT_ID, b"port-1")]), relay);
    }
    assert_eq!((lab.dropped(DropReason::RateCircuit), lab.dropped_in_all()), (2, 2));
    assert!(lab.unicast(&discover(1).relay_agent(&[(SubOption::CIRCUIT_ID, b"port-2")]), relay).is_some());
    for last in 1..7 {
        lab.unicast(&discover(last), relay);
    }
    assert_eq!(lab.dropped(DropReason::RateCircuit), 4);
    lab.lease(9);
}

#[test]
fn per_interface_keeps_a_quarter_of_its_burst_for_renewals() {
    let rate = Rate { per_sec: 1, burst: 16 };
    let mut lab = lab(Overload { per_interface: Some(rate), ..Overload::DEFAULT });
    let address = lab.lease(1);
    lab.pass(16);
    for number in 0..40 {
        lab.broadcast(&MessageBuilder::discover(stranger(number)));
    }
    assert_eq!((lab.dropped(DropReason::RateInterface), lab.dropped_in_all()), (28, 28));
    for _ in 0..4 {
        assert_eq!(lab.renew(1, address).unwrap().message(), MessageType::Ack);
    }
    assert!(lab.renew(1, address).is_none());
    // Another interface has a bucket of its own.
    lab.input(Input::LinkSet(link(IfIndex(8), "eth2", &[(Ipv4Addr::new(192, 0, 251, 1), 16)])));
    let discover = MessageBuilder::discover(mac(7));
    assert!(lab.packet_on(IfIndex(8), &discover, Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST).is_some());
}

#[test]
fn garbage_draws_on_the_interface_alone() {
    let rate = Rate { per_sec: 1, burst: 8 };
    let mut lab = lab(Overload { per_interface: Some(rate), per_client: Some(SLOW), ..Overload::DEFAULT });
    for _ in 0..10 {
        garbage(&mut lab, &[0xff; 300]);
        garbage(&mut lab, b"");
    }
    assert_eq!(lab.dropped(DropReason::RateInterface), 14);
    assert_eq!(lab.dropped(DropReason::BadBootpOpcode) + lab.dropped(DropReason::TooShort), 6);
}

#[test]
fn without_the_section_nothing_is_shed() {
    let mut lab = lab(Overload::DEFAULT);
    for _ in 0..200 {
        lab.discover(1);
    }
    assert_eq!(lab.dropped_in_all(), 0);
}

#[test]
fn the_oldest_offer_lapses_for_a_new_one() {
    let mut lab = lab(Overload { half_open_limit: 4, ..Overload::DEFAULT });
    let first = lab.broadcast(&MessageBuilder::discover(stranger(0))).unwrap().yiaddr();
    for number in 1..10 {
        assert!(lab.broadcast(&MessageBuilder::discover(stranger(number))).is_some(), "{number}");
    }
    assert_eq!(lab.dropped_in_all(), 0);
    let offered = |lab: &mut Lab| match lab.command(bindery_engine::command::Verb::Summary) {
        Some(bindery_engine::command::Reply::Summary(summary)) => summary.selecting,
        other => panic!("{other:?}"),
    };
    assert_eq!(offered(&mut lab), 4);
    // Its REQUEST comes late, and still gets the address.
    let request = MessageBuilder::request_selecting(stranger(0), first, SERVER);
    assert_eq!(lab.broadcast(&request).unwrap().yiaddr(), first);
}

#[test]
fn a_flood_of_made_up_clients_leaves_bound_ones_what_they_have_and_is_shed_unparsed() {
    let mut lab = lab(Overload { half_open_limit: 1_000, ..Overload::DEFAULT });
    let address = lab.lease(1);
    for number in 0..5_000 {
        lab.broadcast(&MessageBuilder::discover(stranger(number)));
        if number % 100 == 0 {
            assert_eq!(lab.renew(1, address).unwrap().message(), MessageType::Ack);
        }
    }
    let shed = lab.dropped(DropReason::OfferLimit);
    assert_eq!(lab.dropped_in_all(), shed);
    assert_eq!(shed, 5_000 - 501 - u64::from(GUARD.burst), "half of the limit, then the guard's burst");
    // What was offered lapses, and all is as before.
    lab.jump(70);
    lab.jump(1);
    lab.lease(2);
}

#[test]
fn a_client_limit_is_told_once_a_crossing() {
    let mut config = config();
    config.groups[0].overrides.interface_client_limit = Some(2);
    let mut lab = Lab::new(config);
    let first = lab.lease(1);
    lab.lease(2);
    assert!(lab.events.is_empty(), "the limit is reached, nobody was refused");
    for last in 3..9 {
        assert!(lab.discover(last).is_none());
    }
    assert_eq!(lab.events, [Event::ClientLimitExceeded { link: LINK, limit: 2 }]);
    lab.unicast(&MessageBuilder::release(mac(1), first, SERVER), first);
    lab.pass(1);
    lab.pass(1);
    assert_eq!(lab.events[1..], [Event::ClientLimitAbated { link: LINK, clients: 1 }]);
    lab.lease(3);
    lab.discover(4);
    assert_eq!(lab.events.len(), 3);
    assert_eq!(lab.dropped(DropReason::ClientLimit), 7);
}

#[test]
fn what_is_urgent_is_told_without_parsing() {
    assert!(is_urgent(&MessageBuilder::request_renewing(mac(1), ip(10)).build()));
    assert!(is_urgent(&MessageBuilder::release(mac(1), ip(10), SERVER).build()));
    assert!(!is_urgent(&MessageBuilder::discover(mac(1)).build()));
    assert!(!is_urgent(b"garbage"));
}
