//! Corners in which a promise of design §2 was once broken.

use crate::lab::{LINK, Lab, SERVER, config, ip, link, mac};
use bindery_engine::{
    Input, QUARANTINE_SECS, command::Filter, config::Config, event::DropReason, output::Destination,
    record::DurableState, route,
};
use bindery_types::{IfIndex, InstanceId, Ipv4Addr};
use bindery_wire::v4::{MessageBuilder, MessageType, OptionCode};
use std::sync::Arc;

fn configure(lab: &mut Lab, config: Config) {
    lab.input(Input::Configure(Arc::new(config)));
}

#[test]
fn a_lost_nak_strands_nobody_when_the_pool_is_gone() {
    let mut lab = Lab::new(config());
    let address = lab.lease(1);
    configure(&mut lab, Config { pools: Vec::new(), ..config() });
    for _ in 0..3 {
        assert_eq!(lab.renew(1, address).unwrap().message(), MessageType::Nak);
    }
    assert_eq!(lab.state(address), Some(DurableState::Cleared));
}

#[test]
fn a_network_that_grew_keeps_its_clients() {
    let mut narrow = config();
    narrow.pools[0].network = "192.0.2.0/27".parse().unwrap();
    narrow.pools[0].ranges[0].low = ip(10);
    let mut wide = config();
    wide.pools[0].network = "192.0.0.0/16".parse().unwrap();
    let mut lab = Lab::new(narrow);
    let address = lab.lease(1);
    configure(&mut lab, wide);
    assert_eq!(lab.lease(1), address, "no second session beside the first");
    assert_eq!(lab.disk.len(), 1);
}

#[test]
fn replies_leave_from_an_address_that_is_ours() {
    let mut config = config();
    let elsewhere = Ipv4Addr::new(203, 0, 113, 1);
    config.pools[0].attributes.server_identifier = Some(elsewhere);
    let mut lab = Lab::new(config);
    let offer = lab.discover(1).unwrap();
    let request = MessageBuilder::request_selecting(mac(1), offer.yiaddr(), elsewhere);
    let address = lab.broadcast(&request).unwrap().yiaddr();
    let ack = lab.broadcast(&MessageBuilder::request_renewing(mac(1), address)).unwrap();
    assert_eq!(ack.option(OptionCode::SERVER_IDENTIFIER).unwrap(), elsewhere.octets());
    assert_eq!(ack.to, Destination::Udp { link: IfIndex(0), src: SERVER, dst: address, port: 68 });
}

#[test]
fn an_offer_cannot_be_declined() {
    let mut lab = Lab::new(config());
    let offer = lab.discover(1).unwrap();
    lab.broadcast(&MessageBuilder::decline(mac(1), offer.yiaddr(), SERVER));
    assert_eq!(lab.dropped(DropReason::ClientLookup), 1);
    assert!(lab.disk.is_empty());
}

#[test]
fn who_declines_a_whole_pool_keeps_nobody_from_it() {
    let mut lab = Lab::new(config());
    for _ in 0..4 {
        let address = lab.lease(1);
        lab.broadcast(&MessageBuilder::decline(mac(1), address, SERVER));
    }
    assert!(lab.discover(2).is_none());
    assert!(lab.discover(2).is_some(), "the oldest quarantine was given up");
    lab.jump(QUARANTINE_SECS + 2);
}

#[test]
fn a_route_that_was_taken_over_later_is_silence() {
    let mut lab = Lab::new(config());
    let address = lab.lease(1);
    lab.kernel.clear();
    lab.foreign.push(address);
    lab.input(Input::RouteLost(route::Destination::host(InstanceId(0), address)));
    assert!(lab.renew(1, address).is_none());
    assert_eq!(lab.state(address), Some(DurableState::Bound));
}

#[test]
fn an_interface_that_lost_its_address_refuses_nobody() {
    let mut config = config();
    let mut other = config.pools[0].clone();
    other.name = "other".into();
    other.network = "198.51.100.0/24".parse().unwrap();
    other.ranges[0].low = Ipv4Addr::new(198, 51, 100, 10);
    other.ranges[0].high = Ipv4Addr::new(198, 51, 100, 20);
    config.pools.push(other);
    let mut lab = Lab::new(config);
    let address = lab.lease(1);
    lab.input(Input::LinkSet(link(IfIndex(1), "lo", &[(Ipv4Addr::new(198, 51, 100, 1), 32)])));
    lab.input(Input::LinkSet(link(LINK, "eth1", &[])));
    let reboot = lab.broadcast(&MessageBuilder::request_init_reboot(mac(1), address));
    assert!(reboot.is_none_or(|reply| reply.message() == MessageType::Ack));
}

#[test]
fn a_client_of_another_server_is_not_refused_for_an_old_tombstone() {
    let mut lab = Lab::new(config());
    let address = lab.lease(1);
    lab.unicast(&MessageBuilder::release(mac(1), address, SERVER), address);
    assert!(lab.renew(1, ip(99)).is_none());
    assert!(lab.broadcast(&MessageBuilder::request_init_reboot(mac(1), ip(99))).is_none());
}

#[test]
fn tombstones_of_one_restless_client_do_not_pile_up() {
    let mut lab = Lab::new(config());
    for _ in 0..200 {
        let address = lab.lease(1);
        lab.unicast(&MessageBuilder::release(mac(1), address, SERVER), address);
    }
    assert_eq!(lab.disk.len(), 1);
    lab.clear(Filter::All);
}
