//! What a restart finds: the crash matrix of the engine's part.

use crate::lab::{LEASE_SECS, LINK, Lab, SERVER, config, mac};
use bindery_engine::{
    Input,
    command::{Cursor, Filter, ImportedBinding, Reply, Verb},
    config::Range,
    event::Event,
    record::DurableState,
};
use bindery_types::{HwAddr, IfIndex, Ipv4Addr, MacAddr, Now, Wall};
use bindery_wire::v4::{MessageBuilder, MessageType};

#[test]
fn bindings_and_routes_come_back() {
    let mut lab = Lab::new(config());
    let address = lab.lease(1);
    let mut lab = lab.restart(config(), 10);
    assert_eq!(lab.engine.desired_routes(), [lab.kernel[&address]]);
    assert_ne!(lab.discover(2).unwrap().yiaddr(), address);
    let ids: Vec<_> = lab.disk.keys().map(|k| k.session).collect();
    lab.lease(2);
    assert!(lab.disk.keys().any(|k| !ids.contains(&k.session)), "ids are not used twice");
}

#[test]
fn after_a_restart_routes_show_as_installed_once_reconciled() {
    let mut lab = Lab::new(config());
    lab.lease(1);
    let mut lab = lab.restart(config(), 10);
    let installed = |lab: &mut Lab| match lab.command(Verb::Routes { cursor: Cursor::START }) {
        Some(Reply::Routes { rows, .. }) => rows[0].installed,
        other => panic!("{other:?}"),
    };
    assert!(!installed(&mut lab));
    lab.input(Input::RoutesReconciled);
    assert!(installed(&mut lab));
    lab.input(Input::RoutesLost(LINK));
    assert!(!installed(&mut lab));
}

#[test]
fn a_renewal_right_after_start_has_its_route_set_first() {
    let mut lab = Lab::new(config());
    let address = lab.lease(1);
    let mut lab = lab.restart(config(), 10);
    lab.prompt = false;
    lab.renew(1, address);
    lab.answer_store();
    assert!(lab.heard.is_empty());
    assert!(lab.routes.iter().any(|op| op.urgent));
    lab.answer_routes();
    assert_eq!(lab.heard[0].message(), MessageType::Ack);
}

#[test]
fn a_forgotten_offer_is_judged_anew() {
    let mut lab = Lab::new(config());
    let offer = lab.discover(1).unwrap();
    let mut lab = lab.restart(config(), 1);
    assert_eq!(lab.select(1, offer.yiaddr()).unwrap().message(), MessageType::Ack);
}

#[test]
fn committed_but_not_answered_is_answered_again() {
    let mut lab = Lab::new(config());
    let offer = lab.discover(1).unwrap();
    lab.prompt = false;
    lab.select(1, offer.yiaddr());
    // Durable, but the process dies before it hears of it.
    let engine = std::mem::replace(&mut lab.engine, Lab::bare(config(), lab.now).engine);
    drop(engine);
    lab.answer_store();
    let mut lab = lab.restart(config(), 1);
    assert_eq!(lab.select(1, offer.yiaddr()).unwrap().message(), MessageType::Ack);
    assert_eq!(lab.disk.len(), 1);
}

#[test]
fn a_tombstone_still_naks_after_a_restart() {
    let mut lab = Lab::new(config());
    let address = lab.lease(1);
    lab.clear(Filter::All);
    let mut lab = lab.restart(config(), 60);
    assert_eq!(lab.renew(1, address).unwrap().message(), MessageType::Nak);
}

#[test]
fn time_that_the_daemon_was_down_counts() {
    let mut lab = Lab::new(config());
    let address = lab.lease(1);
    // Storage keeps a lease for as long again, since a renewal may have been answered and not written.
    let mut lab = lab.restart(config(), 2 * u64::from(LEASE_SECS) - 60);
    lab.jump(2);
    assert_eq!(lab.state(address), Some(DurableState::Bound));
    let mut lab = lab.restart(config(), 120);
    lab.jump(2);
    assert_eq!(lab.state(address), Some(DurableState::Expired));
}

#[test]
fn a_clock_in_1970_expires_nobody_until_it_has_caught_up() {
    let mut lab = Lab::new(config());
    let address = lab.lease(1);
    let wall = lab.now.wall;
    lab.now.wall = Wall(0);
    let mut lab = lab.restart(config(), 10);
    assert!(lab.events.iter().any(|e| matches!(e, Event::ClockBehind { .. })));
    lab.jump(2 * u64::from(LEASE_SECS));
    assert_eq!(lab.state(address), Some(DurableState::Bound));
    lab.now = Now { wall: Wall(wall.0 + 100), ..lab.now };
    lab.pass(70);
    assert!(lab.events.contains(&Event::ClockCaughtUp));
    assert_eq!(lab.state(address), Some(DurableState::Expired), "its lease ran while the clock was held");
}

#[test]
fn an_interface_that_appears_later_gets_its_routes() {
    let mut lab = Lab::new(config());
    let address = lab.lease(1);
    lab.input(Input::LinkGone(LINK));
    lab.kernel.clear();
    lab.input(Input::LinkSet(crate::lab::link(bindery_types::IfIndex(70), "eth1", &[(crate::lab::SERVER, 24)])));
    lab.pass(1);
    assert_eq!(lab.kernel[&address].link, bindery_types::IfIndex(70));
    let reboot = MessageBuilder::request_init_reboot(mac(1), address);
    let ack = lab.packet_on(
        bindery_types::IfIndex(70),
        &reboot,
        bindery_types::Ipv4Addr::UNSPECIFIED,
        bindery_types::Ipv4Addr::BROADCAST,
    );
    assert_eq!(ack.unwrap().message(), MessageType::Ack);
}

/// The old name is nobody's: what is told, and counted, of it is nothing; its clients go on under the new one.
#[test]
fn an_interface_that_is_renamed_keeps_its_clients() {
    let mut lab = Lab::new(config());
    let address = lab.lease(1);
    lab.input(Input::LinkSet(crate::lab::link(LINK, "eth5", &[(crate::lab::SERVER, 24)])));
    lab.pass(1);
    let of = |interface: &str| Verb::LinkStatistics { interface: Some(interface.into()), cursor: Cursor::START };
    for (name, there) in [("eth1", 0), ("eth5", 1)] {
        match lab.command(of(name)) {
            Some(Reply::LinkStatistics { rows, .. }) => assert_eq!(rows.len(), there, "{name}"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(lab.renew(1, address).expect("an ACK").message(), MessageType::Ack);
    assert_eq!(lab.kernel[&address].link, LINK);
    assert_eq!(lab.engine.live_on("eth5"), 1);
    assert_eq!(lab.engine.live_on("eth1"), 0);
}

/// An interface without an address is looked at alone, and is served as if all had been.
#[test]
fn an_interface_that_changes_is_served_by_what_it_is_now() {
    let mut config = config();
    config.interfaces[0].pattern = "ge-*".into();
    let mut lab = Lab::new(config);
    let link = |index, name: &str, own: &[(Ipv4Addr, u8)]| Input::LinkSet(crate::lab::link(IfIndex(index), name, own));
    let ask = |lab: &mut Lab| {
        let (any, all) = (Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST);
        lab.packet_on(IfIndex(30), &MessageBuilder::discover(mac(1)), any, all).is_some()
    };
    lab.input(link(30, "ge-1", &[]));
    assert!(!ask(&mut lab), "no address is ours");
    lab.input(link(1, "lo", &[(SERVER, 32)]));
    assert!(ask(&mut lab), "lent by the loopback");
    lab.input(link(30, "wan", &[]));
    assert!(!ask(&mut lab), "of no group");
    lab.input(link(30, "ge-2", &[]));
    assert!(ask(&mut lab));
    lab.input(link(31, "ge-3", &[]));
    lab.input(Input::LinkGone(IfIndex(31)));
    lab.input(Input::LinkGone(IfIndex(1)));
    assert!(!ask(&mut lab), "the loopback is gone");
}

/// A walk over more sessions than one turn looks at goes on while further interfaces come.
#[test]
fn interfaces_that_keep_coming_hold_up_no_routes() {
    const SESSIONS: u16 = 4_400;
    let mut config = config();
    config.pools[0].network = "192.0.0.0/16".parse().unwrap();
    let [low, high] = [16, 63].map(|third| Ipv4Addr::new(192, 0, third, 255));
    config.pools[0].ranges = vec![Range { name: "r".into(), low, high }];
    let mut lab = Lab::new(config);
    let link = |index, name: &str| Input::LinkSet(crate::lab::link(IfIndex(index), name, &[(SERVER, 16)]));
    lab.input(link(LINK.0, "eth1"));
    let row = |number: u16| {
        let [first, second] = number.to_be_bytes();
        ImportedBinding {
            address: Ipv4Addr::from_bits(low.to_bits() + u32::from(number)),
            hw: HwAddr::from(MacAddr([2, 0, 0, 1, first, second])),
            client_id: Box::default(),
            expires_in: Some(1_800),
            interface: None,
            giaddr: Ipv4Addr::UNSPECIFIED,
            host_name: Box::default(),
        }
    };
    for from in (0..SESSIONS).step_by(200) {
        lab.command(Verb::Import { rows: (from..from + 200).map(row).collect() });
    }
    assert_eq!(lab.kernel.len(), usize::from(SESSIONS));
    lab.input(Input::LinkGone(LINK));
    lab.kernel.clear();
    lab.input(link(70, "eth1"));
    for index in 100..110 {
        lab.input(link(index, &format!("eth{index}")));
        lab.input(Input::Tick);
    }
    assert_eq!(lab.kernel.len(), usize::from(SESSIONS));
}
