//! What a restart finds: the crash matrix of the engine's part.

use crate::lab::{LEASE_SECS, LINK, Lab, config, mac};
use bindery_engine::{
    Input,
    command::{Cursor, Filter, Reply, Verb},
    event::Event,
    record::DurableState,
};
use bindery_types::{Now, Wall};
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
