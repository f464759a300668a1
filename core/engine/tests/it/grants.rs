//! Grants at the edges: what is left of a client's sessions, commits between question and lease, other instances.

use crate::{
    access::{accepted, alice, answer, asking, at, change, golden, in_pool, lease, subscriber, user},
    lab::{LINK, Lab, SERVER, ip, link, mac},
};
use bindery_engine::{
    Input,
    command::{AuthorizationChange, Disconnected, Filter},
    config::{AddressProbe, Config},
    event::{DropReason, Event, SessionChange},
    neighbour::Arp,
    policy::Steer,
    record::DurableState,
    subscriber::{Grant, Subscriber},
};
use bindery_types::{IfIndex, InstanceId, Ipv4Addr, PoolId};
use bindery_wire::v4::{MessageBuilder, MessageType};
use std::sync::Arc;

fn release(lab: &mut Lab, last: u8, address: Ipv4Addr) {
    lab.unicast(&MessageBuilder::release(mac(last), address, SERVER), address);
    assert_eq!(lab.state(address), Some(DurableState::Released));
}

fn move_to(pool: Option<&str>, address: Option<Ipv4Addr>) -> AuthorizationChange {
    AuthorizationChange { pool: pool.map(Into::into), address, ..AuthorizationChange::default() }
}

/// `asking`, and a pool of another routing instance with the addresses of `pool`.
fn with_another_instance() -> Config {
    let mut config = asking();
    let mut other = config.pools[0].clone();
    (other.name, other.instance) = ("other".into(), InstanceId(1));
    config.pools.push(other);
    config
}

#[test]
fn nothing_of_a_former_grant_is_left_where_nothing_is_granted() {
    let mut lab = Lab::new(asking());
    let address = lease(&mut lab, 1, alice());
    release(&mut lab, 1, address);
    assert_eq!(lease(&mut lab, 1, Grant::default()), address);
    assert_eq!(subscriber(&lab, address), Subscriber::default());
    // Nor in a group that asks nobody any more.
    release(&mut lab, 1, address);
    lease(&mut lab, 1, alice());
    release(&mut lab, 1, address);
    let mut open = asking();
    open.groups[0].authenticate = false;
    lab.input(Input::Configure(Arc::new(open)));
    assert_eq!(lab.lease(1), address);
    assert_eq!(subscriber(&lab, address), Subscriber::default());
}

#[test]
fn a_pool_of_another_instance_is_not_to_be_had() {
    let mut lab = Lab::new(with_another_instance());
    let first = lease(&mut lab, 1, alice());
    assert!(lab.discover(2).is_none());
    answer(&mut lab, accepted(in_pool("other")));
    assert!(lab.heard.is_empty());
    assert_eq!(lab.dropped(DropReason::InvalidSubnet), 1);
    assert_ne!(lease(&mut lab, 2, alice()), first, "the address of its holder is still its own");
    let to_other = move_to(Some("other"), None);
    let mut lab = Lab::new(with_another_instance());
    lease(&mut lab, 1, alice());
    assert_eq!(change(&mut lab, user("alice"), to_other), Some(Disconnected::BadValue));
}

#[test]
fn a_wish_outlives_an_offer_that_was_not_taken() {
    let mut lab = Lab::new(asking());
    let address = lease(&mut lab, 1, alice());
    let moved = change(&mut lab, user("alice"), move_to(None, Some(ip(12))));
    assert_eq!(moved, Some(Disconnected::Reconfiguring));
    assert_eq!(lab.renew(1, address).unwrap().message(), MessageType::Nak);
    for _ in 0..2 {
        lab.heard.clear();
        assert!(lab.discover(1).is_none());
        answer(&mut lab, accepted(alice()));
        assert_eq!(lab.heard.pop().unwrap().yiaddr(), ip(12));
        lab.jump(70);
    }
    assert_eq!(lease(&mut lab, 1, alice()), ip(12));
}

#[test]
fn a_wish_and_the_name_in_accounting_end_with_the_session_that_followed() {
    let mut lab = Lab::new(asking());
    let address = lease(&mut lab, 1, alice());
    change(&mut lab, user("alice"), move_to(Some("gold"), None));
    assert_eq!(lab.renew(1, address).unwrap().message(), MessageType::Nak);
    lab.heard.clear();
    lab.pass(1);
    assert_eq!(lease(&mut lab, 1, alice()), golden(10));
    assert!(subscriber(&lab, golden(10)).follows.is_some());
    release(&mut lab, 1, golden(10));
    lab.pass(1);
    let next = lease(&mut lab, 1, alice());
    assert_ne!(next, golden(10), "the wish was for once");
    assert_eq!(subscriber(&lab, next).follows, None);
}

#[test]
fn a_renewal_of_a_lease_that_ran_out_does_not_pass_by_the_grant() {
    let mut lab = Lab::new(asking());
    let address = lease(&mut lab, 1, alice());
    lab.jump(4_000);
    assert!(lab.renew(1, address).is_none());
    answer(&mut lab, accepted(in_pool("gold")));
    assert_eq!(lab.heard.pop().unwrap().message(), MessageType::Nak);
    assert_eq!(lab.state(address), Some(DurableState::Expired));
}

#[test]
fn what_is_left_in_another_pool_is_asked_about_too() {
    let mut lab = Lab::new(asking());
    let address = lease(&mut lab, 1, alice());
    release(&mut lab, 1, address);
    assert_eq!(lease(&mut lab, 1, in_pool("gold")), golden(10));
    release(&mut lab, 1, golden(10));
    assert!(lab.renew(1, golden(10)).is_none());
    assert_eq!(lab.questions.len(), 1);
    answer(&mut lab, accepted(in_pool("gold")));
    assert_eq!(lab.heard.pop().unwrap().message(), MessageType::Ack);
}

#[test]
fn a_bound_client_renews_where_its_interface_has_no_pool_any_more() {
    let mut lab = Lab::new(asking());
    assert_eq!(lease(&mut lab, 1, in_pool("gold")), golden(10));
    let mut config = asking();
    config.pools.remove(0);
    lab.input(Input::Configure(Arc::new(config)));
    assert_eq!(lab.renew(1, golden(10)).unwrap().message(), MessageType::Ack);
}

#[test]
fn a_change_of_authorization_is_no_attempt() {
    let mut lab = Lab::new(asking());
    lease(&mut lab, 1, alice());
    change(&mut lab, user("alice"), move_to(Some("gold"), None));
    assert_eq!(lab.heard.len(), 1, "the first attempt");
    let ends = AuthorizationChange { session_secs: Some(500), ..AuthorizationChange::default() };
    assert_eq!(change(&mut lab, user("alice"), ends), Some(Disconnected::Changed));
    assert_eq!(lab.heard.len(), 1);
    assert_eq!(lab.news.last().unwrap().change, SessionChange::Reauthorized);
    lab.pass(5);
    assert_eq!(lab.heard.len(), 2, "the run goes on");
}

#[test]
fn a_granted_address_that_is_taken_exhausts_no_pool() {
    let mut lab = Lab::new(asking());
    let declined = lease(&mut lab, 1, alice());
    lab.broadcast(&MessageBuilder::new(MessageType::Decline, mac(1)).requested(declined).server(SERVER));
    assert_eq!(lab.state(declined), Some(DurableState::Declined));
    let taken = lease(&mut lab, 2, alice());
    assert!(lab.discover(3).is_none());
    answer(&mut lab, accepted(at(taken)));
    assert_eq!(lab.dropped(DropReason::NoAddresses), 1);
    assert_eq!(lab.state(declined), Some(DurableState::Declined), "its quarantine goes on");
    assert!(!lab.events.iter().any(|event| matches!(event, Event::PoolExhausted { .. })));
}

#[test]
fn an_offer_that_a_commit_takes_back_is_asked_about_anew() {
    let mut lab = Lab::new(asking());
    assert!(lab.discover(1).is_none());
    answer(&mut lab, accepted(at(golden(11))));
    assert_eq!(lab.heard.pop().unwrap().yiaddr(), golden(11));
    let mut config = asking();
    config.pools[1].ranges[0].high = golden(10);
    lab.input(Input::Configure(Arc::new(config)));
    assert!(lab.discover(1).is_none(), "no other address will do");
    assert!(lab.discover(1).is_none());
    assert_eq!(lab.questions.len(), 1);
}

#[test]
fn an_old_promise_is_nothing_to_who_holds_the_address_again() {
    let mut config = asking();
    config.pools[0].link = Some(PoolId(1));
    let mut lab = Lab::new(config);
    assert_eq!(lease(&mut lab, 1, in_pool("gold")), golden(10));
    lab.clear(Filter::Address(golden(10)));
    // Now by the way of the pool that overflows into it.
    assert!(lab.broadcast(&MessageBuilder::discover(mac(1)).requested(golden(10))).is_none());
    answer(&mut lab, accepted(Grant { steer: Steer::default(), ..alice() }));
    assert_eq!(lab.heard.pop().unwrap().yiaddr(), golden(10));
    assert_eq!(lab.select(1, golden(10)).unwrap().message(), MessageType::Ack);
    let reboot = MessageBuilder::request_init_reboot(mac(1), golden(10));
    assert_eq!(lab.broadcast(&reboot).unwrap().message(), MessageType::Ack);
}

#[test]
fn what_we_ended_in_a_pool_that_was_chosen_is_refused_to_who_still_takes_the_offer() {
    let mut config = asking();
    config.pools[0].link = Some(PoolId(1));
    let mut lab = Lab::new(config);
    assert_eq!(lease(&mut lab, 1, in_pool("gold")), golden(10));
    lab.clear(Filter::Address(golden(10)));
    // Its REQUEST comes once more, and now no pool is chosen: the one of its interface overflows into the address.
    assert!(lab.select(1, golden(10)).is_none());
    answer(&mut lab, accepted(alice()));
    assert_eq!(lab.heard.pop().unwrap().message(), MessageType::Nak);
    assert_eq!(lab.state(golden(10)), Some(DurableState::Cleared));
}

#[test]
fn the_first_of_two_answers_about_a_client_holds() {
    let mut lab = Lab::new(asking());
    assert!(lab.discover(1).is_none());
    // The same client, another question.
    assert!(lab.broadcast(&MessageBuilder::discover(mac(1)).requested(ip(12))).is_none());
    answer(&mut lab, accepted(alice()));
    let address = lab.heard.pop().unwrap().yiaddr();
    assert_eq!(lab.select(1, address).unwrap().message(), MessageType::Ack);
    let bob = Subscriber { username: "bob".into(), ..Subscriber::default() };
    answer(&mut lab, accepted(Grant { subscriber: bob, session_secs: Some(1), ..in_pool("gold") }));
    assert_eq!(lab.heard.pop().unwrap().yiaddr(), address, "what it holds is offered again");
    assert_eq!(lab.select(1, address).unwrap().message(), MessageType::Ack);
    assert_eq!(subscriber(&lab, address), alice().subscriber);
}

/// A host that answers an address probe has no session by that, though the address is held under its name.
#[test]
fn a_wish_and_the_name_in_accounting_outlive_an_address_that_is_found_in_use() {
    let mut lab = Lab::new(asking());
    let address = lease(&mut lab, 1, alice());
    let first = lab.record(address).unwrap().key.session;
    change(&mut lab, user("alice"), move_to(None, Some(ip(12))));
    assert_eq!(lab.renew(1, address).unwrap().message(), MessageType::Nak);
    lab.heard.clear();
    lab.pass(1);
    let mut probing = asking();
    probing.groups[0].overrides.address_probe = Some(AddressProbe::default());
    lab.input(Input::Configure(Arc::new(probing)));
    assert!(lab.discover(2).is_none());
    answer(&mut lab, accepted(at(address)));
    assert_eq!(lab.probes.pop().map(|probe| probe.target), Some(address));
    // It still goes by its old lease.
    let target_ip = Ipv4Addr::UNSPECIFIED;
    lab.input(Input::Arp(Arp { link: LINK, sender_ip: address, sender_mac: mac(1), target_ip }));
    lab.input(Input::Configure(Arc::new(asking())));
    lab.heard.clear();
    lab.pass(1);
    assert_eq!(lease(&mut lab, 1, alice()), ip(12));
    assert_eq!(subscriber(&lab, ip(12)).follows, Some(first));
}

#[test]
fn an_offer_of_another_place_gives_way_to_the_address_that_is_granted_now() {
    let mut lab = Lab::new(asking());
    let other = IfIndex(8);
    lab.input(Input::LinkSet(link(other, "eth2", &[(golden(1), 24)])));
    assert!(lab.discover(1).is_none());
    answer(&mut lab, accepted(alice()));
    assert_eq!(lab.heard.pop().unwrap().yiaddr(), ip(10));
    let discover = MessageBuilder::discover(mac(1));
    assert!(lab.packet_on(other, &discover, Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST).is_none());
    answer(&mut lab, accepted(at(ip(12))));
    assert_eq!(lab.heard.pop().unwrap().yiaddr(), ip(12));
}
