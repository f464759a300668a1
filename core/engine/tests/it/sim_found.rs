//! Defects that the simulator found, each as the shortest scenario that shows it.

use crate::access::{accepted, alice, answer, asking, golden, in_pool, lease, subscriber};
use crate::lab::{LEASE_SECS, LINK, Lab, SERVER, config, ip, link, mac};
use bindery_engine::{
    Input,
    command::{Cursor, Filter, Reply, Verb},
    config::{AddressProbe, DiscoverMatch, Lease, LeaseValidation, PluginId, Range, ViolationAction},
    neighbour::Arp,
    policy::{Hook, Policy, PolicyAnswer, ShapeReply, Stage, Token, Verdict},
    reconfigure::Purpose,
    record::DurableState,
    route::{RouteError, RouteFailure},
};
use bindery_types::{IfIndex, Ipv4Addr, MacAddr, Mono, Now, PoolId, Wall};
use bindery_wire::v4::{MessageBuilder, MessageType, OptionCode};
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

/// A lab that probes for the only address that it has.
fn probing() -> Lab {
    let mut config = config();
    config.groups[0].overrides.address_probe = Some(AddressProbe::default());
    config.pools[0].ranges = vec![Range { name: "r".into(), low: ip(10), high: ip(10) }];
    Lab::new(config)
}

/// RFC 2131 §3.1 step 2: the wait of an offer that has lapsed keeps nobody else's from being probed for.
#[test]
fn the_next_offer_of_an_address_is_probed_for_though_the_last_one_lapsed_while_it_waited() {
    let mut config = config();
    config.groups[0].overrides.address_probe = Some(AddressProbe::default());
    config.pools[0].ranges = vec![Range { name: "r".into(), low: ip(10), high: ip(11) }];
    let mut lab = Lab::new(config);
    // Their places in the table are taken again in another order than their addresses.
    for last in [1, 2] {
        assert!(lab.discover(last).is_none());
    }
    for last in [1, 2] {
        lab.clear(Filter::Mac(mac(last)));
    }
    for last in [3, 4] {
        assert!(lab.discover(last).is_none(), "nobody was asked");
    }
    assert_eq!(lab.probes.len(), 4);
    assert_eq!(lab.engine.counters().neighbours.probes_skipped, 0);
    lab.now.mono = lab.now.mono.plus(Duration::from_millis(500));
    lab.input(Input::Tick);
    assert_eq!(lab.heard.len(), 2);
}

/// RFC 2131 §3.1 step 2: what cannot be put into quarantine now is not offered either.
#[test]
fn an_address_that_was_found_in_use_while_the_store_was_down_is_not_offered() {
    let mut lab = probing();
    lab.discover(1);
    lab.input(Input::StoreFailed);
    let (sender_mac, target_ip) = (MacAddr([2, 0xee, 0, 0, 0, 9]), Ipv4Addr::UNSPECIFIED);
    lab.input(Input::Arp(Arp { link: LINK, sender_ip: ip(10), sender_mac, target_ip }));
    lab.input(Input::StoreReady);
    assert!(lab.discover(1).is_none());
    assert_eq!(lab.probes.len(), 2, "it is asked for again");
}

/// `client-discover-match` (junos.md §2.4): the session of the device before never lingers.
#[test]
fn a_former_device_whose_end_could_not_be_written_ends_at_the_next_message_of_its_successor() {
    for takes in [false, true] {
        let mut config = config();
        config.groups[0].overrides.client_discover_match = Some(DiscoverMatch::IncomingInterface);
        let mut lab = Lab::new(config);
        let former = lab.lease(1);
        lab.prompt = false;
        let offer = lab.discover(2).expect("an offer");
        lab.mutations.clear();
        lab.input(Input::StoreFailed);
        lab.prompt = true;
        lab.input(Input::StoreReady);
        assert_eq!(lab.state(former), Some(DurableState::Bound));
        match takes {
            false => assert!(lab.discover(2).is_some()),
            true => assert!(lab.select(2, offer.yiaddr()).is_some()),
        }
        assert_eq!(lab.state(former), Some(DurableState::Cleared));
    }
}

/// `violation-action strict` (junos.md §2.4): a client that is never served drains no pool.
#[test]
fn a_lease_that_is_too_short_holds_no_address() {
    let mut config = config();
    config.groups[0].lease_validation = Some(LeaseValidation { threshold_secs: 100, action: ViolationAction::Strict });
    let mut lab = Lab::new(config);
    for last in 1..=8 {
        assert!(lab.broadcast(&MessageBuilder::discover(mac(last)).xid(7).lease_time(60)).is_none());
    }
    let Some(Reply::Pools(pools)) = lab.command(Verb::Pools) else { panic!() };
    assert_eq!(pools[0].used(), 0);
    assert!(lab.discover(9).is_some());
}

/// RFC 2131 §4.4.1: a client that selects takes OFFERs (RFC 4039: and ACKs), so no DISCOVER is answered by a NAK.
#[test]
fn a_discover_with_rapid_commit_is_never_refused() {
    let mut config = asking();
    config.groups[0].overrides.rapid_commit = true;
    let mut lab = Lab::new(config);
    let address = lease(&mut lab, 1, bindery_engine::subscriber::Grant { session_secs: Some(300), ..alice() });
    lab.now.mono = lab.now.mono.plus(Duration::from_secs(300));
    let discover = MessageBuilder::discover(mac(1)).xid(9).option(OptionCode::RAPID_COMMIT, &[]);
    assert!(lab.broadcast(&discover).is_none());
    assert_eq!(lab.state(address), Some(DurableState::Cleared));
}

/// junos.md §5.1: subscribers at excluded addresses are logged out.
#[test]
fn a_log_out_of_an_excluded_address_that_could_not_be_written_is_not_forgotten() {
    let mut lab = Lab::new(config());
    let address = lab.lease(1);
    let mut excluding = config();
    excluding.pools[0].excluded = vec![Range { name: "x".into(), low: address, high: address }];
    lab.prompt = false;
    lab.input(Input::Configure(Arc::new(excluding)));
    lab.input(Input::Tick);
    assert!(!lab.mutations.is_empty());
    lab.mutations.clear();
    lab.input(Input::StoreFailed);
    lab.prompt = true;
    lab.input(Input::StoreReady);
    assert_eq!(lab.state(address), Some(DurableState::Bound));
    lab.pass(2);
    assert_eq!(lab.state(address), Some(DurableState::Cleared));
}

/// RFC 2131 §4.4.1: an address that another host has is not kept for whoever had it last either (`grace-period`).
#[test]
fn an_address_that_was_found_in_use_is_kept_for_nobody() {
    let mut config = config();
    config.groups[0].overrides.address_probe = Some(AddressProbe { returning: true, ..AddressProbe::default() });
    config.pools[0].ranges = vec![Range { name: "r".into(), low: ip(10), high: ip(10) }];
    config.pools[0].attributes.grace_secs = 600;
    let mut lab = Lab::new(config);
    lab.discover(1);
    lab.now.mono = lab.now.mono.plus(Duration::from_millis(500));
    lab.input(Input::Tick);
    lab.heard.clear();
    let address = lab.select(1, ip(10)).expect("an ack").yiaddr();
    lab.jump(u64::from(LEASE_SECS) + 5);
    assert_eq!(lab.state(address), Some(DurableState::Expired));
    lab.discover(1);
    let (sender_mac, target_ip) = (MacAddr([2, 0xee, 0, 0, 0, 9]), Ipv4Addr::UNSPECIFIED);
    lab.input(Input::Arp(Arp { link: LINK, sender_ip: address, sender_mac, target_ip }));
    assert_eq!(lab.state(address), Some(DurableState::Declined));
    let Some(Reply::Pools(pools)) = lab.command(Verb::Pools) else { panic!() };
    assert_eq!((pools[0].held, pools[0].quarantined), (0, 1));
    // The quarantine is given up for a pool that is exhausted, and the address is free then.
    lab.discover(2);
    lab.discover(2);
}

/// A lease that a client holds never ends early: not by an orderly end that follows a crash (issue 5).
#[test]
fn an_orderly_end_after_a_crash_says_nothing_of_leases_that_the_crash_left() {
    let mut lab = Lab::new(config());
    let address = lab.lease(1);
    lab.jump(u64::from(LEASE_SECS) / 2);
    // It is answered before it is written, and the machine goes.
    assert!(lab.renew(1, address).is_some());
    let mut lab = lab.restart(config(), 1);
    while lab.engine.write_rest() {}
    lab.mutations.append(&mut lab.engine.outbox().mutations);
    lab.answer_store();
    let mut lab = lab.restart(config(), 1);
    lab.jump(u64::from(LEASE_SECS) / 2 + 60);
    assert_eq!(lab.state(address), Some(DurableState::Bound));
}
