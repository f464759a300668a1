//! Defects that the simulator found, each as the shortest scenario that shows it.

use crate::access::{accepted, alice, answer, asking, golden, in_pool, lease, subscriber};
use crate::lab::{LEASE_SECS, LINK, Lab, SERVER, config, link, mac};
use bindery_engine::{
    Input,
    command::{Cursor, Filter, Verb},
    config::{Lease, PluginId},
    policy::{Hook, Policy, PolicyAnswer, ShapeReply, Stage, Token, Verdict},
    reconfigure::Purpose,
    record::DurableState,
    route::{RouteError, RouteFailure},
};
use bindery_types::{IfIndex, Ipv4Addr, Mono, Now, PoolId, Wall};
use bindery_wire::v4::{MessageBuilder, MessageType};
use std::{cell::RefCell, rc::Rc, sync::Arc, time::Duration};

#[test]
fn a_lease_whose_end_could_not_be_written_ends_when_the_store_is_back() {
    let mut lab = Lab::new(config());
    let address = lab.lease(1);
    lab.prompt = false;
    lab.jump(u64::from(LEASE_SECS) + 5);
    assert!(!lab.mutations.is_empty());
    lab.mutations.clear();
    lab.input(Input::StoreFailed);
    lab.prompt = true;
    lab.input(Input::StoreReady);
    assert_eq!(lab.state(address), Some(DurableState::Bound));
    lab.pass(5);
    assert_eq!(lab.state(address), Some(DurableState::Expired));
    assert!(!lab.kernel.contains_key(&address));
}

#[test]
fn what_is_due_does_not_ask_for_ticks_while_the_store_is_down() {
    let mut lab = Lab::new(config());
    lab.lease(1);
    lab.input(Input::StoreFailed);
    lab.jump(u64::from(LEASE_SECS) + 5);
    assert!(lab.engine.next_timeout() > lab.now.mono, "the shell would spin");
}

#[test]
fn a_renewal_never_shortens_what_the_client_was_promised() {
    let mut lab = Lab::new(config());
    let address = lab.lease(1);
    let mut short = config();
    short.pools[0].attributes.lease = Lease::Secs(60);
    lab.input(Input::Configure(Arc::new(short)));
    // The ACK of this one may be lost: then the client goes by the hour that it was told before.
    lab.renew(1, address).unwrap();
    lab.jump(120);
    assert_eq!(lab.state(address), Some(DurableState::Bound));
    lab.jump(u64::from(LEASE_SECS));
    assert_eq!(lab.state(address), Some(DurableState::Expired));
}

#[test]
fn an_interface_that_came_anew_has_no_routes_of_its_predecessor() {
    let mut lab = Lab::new(config());
    let address = lab.lease(1);
    lab.input(Input::LinkGone(LINK));
    lab.kernel.clear();
    lab.prompt = false;
    lab.input(Input::LinkSet(link(IfIndex(8), "eth1", &[(SERVER, 24)])));
    let renew = MessageBuilder::request_renewing(mac(1), address);
    assert!(lab.packet_on(IfIndex(8), &renew, address, SERVER).is_none());
    lab.answer_store();
    assert!(lab.heard.is_empty(), "its route does not stand yet");
    lab.answer_routes();
    assert_eq!(lab.heard.pop().map(|h| h.message()), Some(MessageType::Ack));
    assert_eq!(lab.kernel.get(&address).map(|r| r.link), Some(IfIndex(8)));
}

#[test]
fn a_route_that_was_refused_is_asked_for_at_the_next_renewal() {
    let mut lab = Lab::new(config());
    let id = b"the same";
    let offer = lab.broadcast(&MessageBuilder::discover(mac(1)).client_id(id)).unwrap();
    let address = offer.yiaddr();
    lab.broadcast(&MessageBuilder::request_selecting(mac(1), address, SERVER).client_id(id)).unwrap();
    // The client comes back with another network card: its neighbour entry has to follow.
    lab.prompt = false;
    let renew = MessageBuilder::request_renewing(mac(2), address).client_id(id);
    lab.unicast(&renew, address);
    lab.answer_store();
    let seq = lab.routes.pop().map(|op| op.seq).unwrap();
    let failed = vec![RouteFailure { seq, error: RouteError::Refused(12) }];
    lab.input(Input::Routed { up_to: seq, failed });
    assert!(lab.heard.is_empty());
    lab.unicast(&renew, address);
    lab.answer_store();
    assert!(lab.heard.is_empty(), "the entry of the old card stands still");
    lab.answer_routes();
    assert_eq!(lab.kernel.get(&address).and_then(|r| r.neighbour), Some(mac(2)));
    assert_eq!(lab.heard.len(), 1);
}

#[test]
fn what_we_ended_is_refused_also_where_the_address_is_of_a_linked_pool() {
    let mut linked = config();
    let mut overflow = linked.pools[0].clone();
    overflow.name = "overflow".into();
    overflow.network = "198.51.100.0/24".parse().unwrap();
    overflow.ranges[0].low = [198, 51, 100, 10].into();
    overflow.ranges[0].high = [198, 51, 100, 13].into();
    linked.pools[0].ranges[0].high = linked.pools[0].ranges[0].low;
    linked.pools[0].link = Some(PoolId(1));
    linked.pools.push(overflow);
    let mut lab = Lab::new(linked);
    lab.lease(1);
    let address = lab.lease(2);
    assert_eq!(address.octets()[0], 198);
    lab.clear(Filter::All).unwrap();
    assert_eq!(lab.renew(2, address).unwrap().message(), MessageType::Nak);
}

#[test]
fn what_we_ended_is_refused_also_when_its_pool_is_gone() {
    let mut lab = Lab::new(config());
    let address = lab.lease(1);
    lab.clear(Filter::All).unwrap();
    let mut without = config();
    without.pools.clear();
    lab.input(Input::Configure(Arc::new(without)));
    assert_eq!(lab.renew(1, address).unwrap().message(), MessageType::Nak);
}

#[test]
fn a_lease_granted_while_the_clock_was_behind_is_not_cut_short() {
    let mut lab = Lab::new(config());
    lab.input(Input::Tick);
    // Down for 2,000 s, then up with a clock in 1970.
    let right = lab.now.wall.0;
    let mut lab = lab.restart_at(config(), Mono::from_secs(5), Wall(10));
    lab.pass(50);
    let address = lab.lease(1);
    lab.pass(20);
    // Again, and now the clock is right: all in all 2,075 s have passed.
    let mut lab = lab.restart_at(config(), Mono::from_secs(5), Wall(right + 2_075));
    lab.jump(u64::from(LEASE_SECS) - 60);
    assert_eq!(lab.state(address), Some(DurableState::Bound));
    // What a restart finds is kept for as long again.
    lab.jump(120 + u64::from(LEASE_SECS));
    assert_eq!(lab.state(address), Some(DurableState::Expired));
}

#[test]
fn offers_lapse_while_the_clock_is_behind() {
    let mut lab = Lab::new(config());
    lab.input(Input::Tick);
    let address = lab.lease(1);
    let mut lab = lab.restart_at(config(), Mono::from_secs(5), Wall(10));
    for client in 2..5 {
        lab.discover(client).unwrap();
    }
    assert!(lab.discover(5).is_none());
    lab.jump(90);
    assert!(lab.discover(5).is_some(), "crowds without a lease would hold the pool until somebody sets the clock");
    lab.jump(u64::from(LEASE_SECS) + 90);
    assert_eq!(lab.state(address), Some(DurableState::Bound), "leases wait for the clock");
}

#[test]
fn an_exhausted_pool_gives_up_no_quarantine_of_another() {
    let mut two = config();
    let mut other = two.pools[0].clone();
    other.name = "other".into();
    other.network = "198.51.100.0/24".parse().unwrap();
    other.ranges[0].low = [198, 51, 100, 10].into();
    other.ranges[0].high = [198, 51, 100, 10].into();
    two.pools.push(other);
    let mut lab = Lab::new(two);
    let gateway = [198, 51, 100, 1].into();
    lab.input(Input::LinkSet(link(IfIndex(8), "eth2", &[(gateway, 24)])));
    let address = lab.lease(1);
    lab.broadcast(&MessageBuilder::decline(mac(1), address, SERVER));
    assert_eq!(lab.state(address), Some(DurableState::Declined));
    let all = [std::net::Ipv4Addr::UNSPECIFIED, std::net::Ipv4Addr::BROADCAST];
    assert!(lab.packet_on(IfIndex(8), &MessageBuilder::discover(mac(2)), all[0], all[1]).is_some());
    for client in 3..9 {
        assert!(lab.packet_on(IfIndex(8), &MessageBuilder::discover(mac(client)), all[0], all[1]).is_none());
    }
    assert_eq!(lab.state(address), Some(DurableState::Declined));
}

/// A plugin that takes its time.
pub(crate) struct Slow(pub(crate) Rc<RefCell<Vec<Token>>>);

impl Policy for Slow {
    fn shape_reply(&mut self, now: Now, _: &[PluginId], exchange: &mut ShapeReply<'_>) -> Hook {
        self.0.borrow_mut().push(exchange.token);
        Hook::Pending { deadline: now.mono.plus(Duration::from_secs(5)) }
    }
}

#[test]
fn a_plugin_that_is_late_revives_nothing_that_was_cleared_meanwhile() {
    for durable_first in [false, true] {
        let mut lab = Lab::new(config());
        let address = lab.lease(1);
        let mut slow = config();
        slow.groups[0].chains.set(Stage::ShapeReply, vec![PluginId(0)]);
        lab.input(Input::Configure(Arc::new(slow)));
        let tokens = Rc::new(RefCell::new(Vec::new()));
        lab.policy = Box::new(Slow(Rc::clone(&tokens)));
        assert!(lab.renew(1, address).is_none());
        lab.prompt = false;
        lab.clear(Filter::All);
        if durable_first {
            lab.answer_store();
        }
        let token = tokens.borrow()[0];
        lab.input(Input::PolicyDone(PolicyAnswer { token, verdict: Verdict::Continue, edits: Vec::new() }));
        lab.answer_store();
        lab.answer_routes();
        lab.pass(10);
        lab.answer_store();
        lab.answer_routes();
        assert!(lab.heard.is_empty());
        assert_eq!(lab.state(address), Some(DurableState::Cleared));
    }
}

#[test]
fn an_offer_that_a_plugin_held_back_does_not_leave_once_nothing_holds_its_address() {
    for cleared in [false, true] {
        let mut lab = Lab::new(config());
        lab.lease(1);
        let mut slow = config();
        slow.groups[0].chains.set(Stage::ShapeReply, vec![PluginId(0)]);
        lab.input(Input::Configure(Arc::new(slow)));
        let tokens = Rc::new(RefCell::new(Vec::new()));
        lab.policy = Box::new(Slow(Rc::clone(&tokens)));
        assert!(lab.discover(1).is_none());
        if cleared {
            lab.clear(Filter::All);
        }
        let token = tokens.borrow()[0];
        lab.input(Input::PolicyDone(PolicyAnswer { token, verdict: Verdict::Continue, edits: Vec::new() }));
        assert_eq!(lab.heard.is_empty(), cleared);
    }
}

#[test]
fn what_we_ended_is_refused_also_when_the_client_has_another_card() {
    let mut lab = Lab::new(config());
    let id = b"the same";
    let offer = lab.broadcast(&MessageBuilder::discover(mac(1)).client_id(id)).unwrap();
    let address = offer.yiaddr();
    lab.broadcast(&MessageBuilder::request_selecting(mac(1), address, SERVER).client_id(id)).unwrap();
    lab.clear(Filter::All).unwrap();
    let renew = MessageBuilder::request_renewing(mac(2), address).client_id(id);
    assert_eq!(lab.unicast(&renew, address).unwrap().message(), MessageType::Nak);
}

/// It was offered an address behind a relay, and comes to a place where another word is said of it.
#[test]
fn the_last_word_of_an_authority_counts_for_an_offer_that_there_is() {
    let mut lab = Lab::new(asking());
    let core = Ipv4Addr::new(203, 0, 113, 1);
    lab.input(Input::LinkSet(link(IfIndex(9), "eth2", &[(core, 24)])));
    let relayed = MessageBuilder::discover(mac(1)).giaddr(golden(1));
    assert!(lab.packet_on(IfIndex(9), &relayed, golden(1), core).is_none());
    answer(&mut lab, accepted(alice()));
    let offered = lab.heard.pop().unwrap().yiaddr();
    assert!(lab.discover(1).is_none(), "another place, another question");
    let mut bob = in_pool("gold");
    bob.subscriber.username = "bob".into();
    answer(&mut lab, accepted(bob));
    assert_eq!(lab.heard.pop().unwrap().yiaddr(), offered);
    assert_eq!(lab.select(1, offered).unwrap().message(), MessageType::Ack);
    assert_eq!(subscriber(&lab, offered).username, "bob".into());
}

#[test]
fn who_was_moved_away_is_not_led_back_by_another_pool() {
    let mut config = asking();
    config.pools[1].hold_down = true;
    config.pools[1].link = Some(PoolId(0));
    let mut lab = Lab::new(config);
    let address = lease(&mut lab, 1, alice());
    let verb = Verb::Reconfigure { filter: Filter::All, cursor: Cursor::START, purpose: Purpose::Renumber, most: 256 };
    lab.command(verb);
    lab.heard.clear();
    assert_eq!(lab.renew(1, address).unwrap().message(), MessageType::Nak);
    let discover = MessageBuilder::discover(mac(1)).requested(address);
    assert!(lab.broadcast(&discover).is_none());
    answer(&mut lab, accepted(in_pool("gold")));
    let offer = lab.heard.pop().expect("an offer out of the linked pool");
    assert_ne!(offer.yiaddr(), address);
}
