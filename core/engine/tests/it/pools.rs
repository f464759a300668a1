//! Pools of addresses: reservations, drains, `grace-period`, utilization, exclusions (junos.md §5.1).

use crate::{
    access::{alice, lease as lease_of},
    impact::{commit, forecast},
    lab::{Lab, SERVER, config, ip, mac},
};
use bindery_engine::{
    Input,
    command::{PoolView, Reply, Verb},
    config::{Config, Host, Instance, Pool, Range, Utilization},
    event::{DropReason, Event},
    impact::{Impact, Prospect, Reason},
    record::DurableState,
};
use bindery_types::{Ipv4Addr, PoolId};
use bindery_wire::v4::{MessageBuilder, MessageType, OptionCode};
use std::sync::Arc;

fn range(low: u8, high: u8) -> Range {
    Range { name: format!("r{low}").into(), low: ip(low), high: ip(high) }
}

fn overflow(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(198, 51, 100, last)
}

/// The common configuration with its pool linked to another one, of 198.51.100.10 to .12.
fn linked() -> Config {
    let mut config = config();
    let range = Range { name: "r".into(), low: overflow(10), high: overflow(12) };
    config.pools.push(Pool {
        name: "overflow".into(),
        network: "198.51.100.0/24".parse().unwrap(),
        ranges: vec![range],
        ..config.pools[0].clone()
    });
    config.pools[0].link = Some(PoolId(1));
    config
}

fn graceful(secs: u32) -> Config {
    let mut config = config();
    config.pools[0].attributes.grace_secs = secs;
    config
}

fn usage(lab: &mut Lab, pool: usize) -> PoolView {
    let Some(Reply::Pools(pools)) = lab.command(Verb::Pools) else { panic!("no answer") };
    pools[pool].clone()
}

fn discover_as(lab: &mut Lab, last: u8, id: &[u8]) -> Option<Ipv4Addr> {
    let discover = MessageBuilder::discover(mac(last)).option(OptionCode::CLIENT_IDENTIFIER, id);
    Some(lab.broadcast(&discover)?.yiaddr())
}

#[test]
fn host_by_client_identifier() {
    let mut config = config();
    let id = b"\x00home-7";
    config.pools[0].hosts =
        vec![Host { name: "h".into(), client_identifier: id.as_slice().into(), ip_address: ip(11), ..Host::default() }];
    let mut lab = Lab::new(config);
    assert_eq!(discover_as(&mut lab, 1, id), Some(ip(11)), "whatever its hardware address");
    for last in 2..5 {
        let other = discover_as(&mut lab, last, b"\x00home-8");
        assert!(other != Some(ip(11)), "{other:?}");
        assert!(lab.discover(last).is_none_or(|offer| offer.yiaddr() != ip(11)));
    }
}

#[test]
fn host_by_user_name_that_the_authority_grants() {
    let mut config = config();
    config.groups[0].authenticate = true;
    let host = Host { name: "h".into(), user_name: "alice".into(), ip_address: ip(12), ..Host::default() };
    config.pools[0].hosts = vec![host];
    let mut lab = Lab::new(config);
    let bob = || {
        let mut grant = alice();
        grant.subscriber.username = "bob".into();
        grant
    };
    assert_eq!(lease_of(&mut lab, 1, bob()), ip(10));
    assert_eq!(lease_of(&mut lab, 2, alice()), ip(12));
    assert_eq!(lease_of(&mut lab, 3, bob()), ip(11));
    assert_eq!(lease_of(&mut lab, 4, bob()), ip(13), "nobody else gets the reserved one");
    // Renewals and reboots are not asked about, and keep it.
    assert_eq!(lab.renew(2, ip(12)).unwrap().message(), MessageType::Ack);
}

#[test]
fn link_leads_from_the_matched_pool_to_the_first_of_the_chain() {
    let mut config = linked();
    // The interface's network is that of the last pool.
    config.pools[0].link = None;
    config.pools[1].link = Some(PoolId(0));
    let mut lab = Lab::new(config);
    let leased: Vec<Ipv4Addr> = (1..=7).map(|last| lab.lease(last)).collect();
    let wanted = [ip(10), ip(11), ip(12), ip(13), overflow(10), overflow(11), overflow(12)];
    assert_eq!(leased, wanted);
    assert!(lab.discover(8).is_none());
    for (last, address) in (1..).zip(leased) {
        assert_eq!(lab.renew(last, address).unwrap().message(), MessageType::Ack);
    }
}

#[test]
fn hold_down_takes_nobody_new_and_lets_holders_renew() {
    let mut lab = Lab::new(linked());
    let held = lab.lease(1);
    let left = lab.lease(2);
    lab.unicast(&MessageBuilder::release(mac(2), left, SERVER), left);
    let mut down = linked();
    down.pools[0].hold_down = true;
    let (counts, _) = forecast(&mut lab, Prospect::new(Arc::new(down.clone())));
    assert_eq!((counts.kept, counts.displaces()), (1, 0));
    commit(&mut lab, &down);
    assert_eq!(lab.renew(1, held).unwrap().message(), MessageType::Ack);
    assert_eq!(lab.discover(1).unwrap().yiaddr(), held, "its session goes on");
    assert_eq!(lab.lease(2), overflow(10), "what it had before is a new binding");
    assert_eq!(lab.lease(3), overflow(11));
}

#[test]
fn active_drain_refuses_holders_and_gives_them_an_address_of_the_chain() {
    let mut lab = Lab::new(linked());
    let (renews, reboots, begins) = (lab.lease(1), lab.lease(2), lab.lease(3));
    let mut drained = linked();
    drained.pools[0].active_drain = true;
    let (counts, views) = forecast(&mut lab, Prospect::new(Arc::new(drained.clone())));
    assert_eq!((counts.moved, counts.displaces()), (3, 3), "a commit needs force");
    assert!(views.iter().all(|view| (view.impact, view.reason) == (Impact::Moved, Reason::Drained)));
    commit(&mut lab, &drained);
    assert!(usage(&mut lab, 0).active_drain);
    lab.pass(10);
    assert_eq!(lab.kernel.len(), 3, "nothing ends by itself");
    assert_eq!(lab.renew(1, renews).unwrap().message(), MessageType::Nak);
    assert_eq!(lab.state(renews), Some(DurableState::Cleared));
    assert!(!lab.kernel.contains_key(&renews), "the route went");
    assert_eq!(lab.lease(1), overflow(10));
    let reboot = MessageBuilder::request_init_reboot(mac(2), reboots);
    assert_eq!(lab.broadcast(&reboot).unwrap().message(), MessageType::Nak);
    assert_eq!(lab.lease(2), overflow(11));
    assert!(lab.discover(3).is_none(), "the binding ends first");
    assert_eq!(lab.state(begins), Some(DurableState::Cleared));
    assert_eq!(lab.lease(3), overflow(12));
    assert_eq!(usage(&mut lab, 0).free, 4);
    // Without another pool there is nothing for whoever is sent away.
    let mut alone = drained.clone();
    alone.pools[1].active_drain = true;
    let (counts, views) = forecast(&mut lab, Prospect::new(Arc::new(alone)));
    assert_eq!((counts.dropped, views[0].reason), (3, Reason::NoOtherAddress));
}

#[test]
fn active_drain_over_an_offer_and_after_a_restart() {
    let mut lab = Lab::new(linked());
    let held = lab.lease(1);
    let offered = lab.discover(2).unwrap().yiaddr();
    let mut drained = linked();
    drained.pools[0].active_drain = true;
    commit(&mut lab, &drained);
    assert_eq!(lab.select(2, offered).unwrap().message(), MessageType::Nak);
    assert_eq!(lab.discover(2).unwrap().yiaddr(), overflow(10));
    let mut lab = lab.restart(drained, 60);
    assert_eq!(lab.renew(1, held).unwrap().message(), MessageType::Nak);
    assert_eq!(lab.lease(1), overflow(10), "offers are not stored");
}

#[test]
fn grace_period_keeps_the_address_for_its_client() {
    let mut lab = Lab::new(graceful(600));
    let first = lab.lease(1);
    lab.jump(3_602);
    assert_eq!(lab.state(first), Some(DurableState::Expired));
    assert!(lab.kernel.is_empty(), "the route went with the lease");
    assert_eq!((usage(&mut lab, 0).held, usage(&mut lab, 0).free), (1, 3));
    for last in 2..=4 {
        assert_ne!(lab.lease(last), first);
    }
    assert!(lab.discover(5).is_none(), "nobody else gets it, though the pool has no other");
    let wish = MessageBuilder::discover(mac(6)).requested(first);
    assert!(lab.broadcast(&wish).is_none());
    assert_eq!(lab.lease(1), first);
    assert_eq!((usage(&mut lab, 0).held, usage(&mut lab, 0).bound), (0, 4));
}

#[test]
fn grace_period_ends() {
    let mut lab = Lab::new(graceful(600));
    let first = lab.lease(1);
    (2..=4).for_each(|last| {
        lab.lease(last);
    });
    lab.jump(3_000);
    (2..=4).for_each(|last| {
        lab.renew(last, ip(9 + last)).unwrap();
    });
    lab.jump(600 + 599);
    assert!(lab.discover(5).is_none(), "in its last second it is kept");
    lab.jump(3);
    assert_eq!(usage(&mut lab, 0).held, 0);
    assert_eq!(lab.lease(5), first);
    assert!(lab.discover(1).is_none());
}

#[test]
fn grace_period_holds_for_a_reboot_too() {
    let mut lab = Lab::new(graceful(600));
    let first = lab.lease(1);
    lab.jump(3_700);
    let reboot = MessageBuilder::request_init_reboot(mac(1), first);
    assert_eq!(lab.broadcast(&reboot).unwrap().message(), MessageType::Ack);
    assert_eq!(lab.state(first), Some(DurableState::Bound));
}

#[test]
fn grace_period_is_not_for_what_was_given_back_or_ended_by_us() {
    let mut lab = Lab::new(graceful(600));
    let first = lab.lease(1);
    lab.unicast(&MessageBuilder::release(mac(1), first, SERVER), first);
    assert_eq!(usage(&mut lab, 0).held, 0);
    let second = lab.lease(2);
    lab.clear(bindery_engine::command::Filter::Address(second));
    assert_eq!((usage(&mut lab, 0).held, usage(&mut lab, 0).free), (0, 4));
}

#[test]
fn grace_period_survives_an_offer_that_is_not_taken() {
    let mut lab = Lab::new(graceful(600));
    let first = lab.lease(1);
    lab.jump(3_602);
    assert_eq!(lab.discover(1).unwrap().yiaddr(), first);
    assert_eq!((usage(&mut lab, 0).held, usage(&mut lab, 0).offered), (0, 1));
    lab.jump(62);
    assert_eq!((usage(&mut lab, 0).held, usage(&mut lab, 0).offered), (1, 0), "kept again");
    assert_eq!(lab.lease(1), first);
    // And one that outlives the grace period itself.
    lab.jump(3_602 + 570);
    assert_eq!(lab.discover(1).unwrap().yiaddr(), first);
    lab.jump(62);
    assert_eq!((usage(&mut lab, 0).held, usage(&mut lab, 0).free), (0, 4));
}

#[test]
fn grace_period_of_a_client_that_is_given_another_address() {
    let mut config = graceful(600);
    let mut lab = Lab::new(config.clone());
    let first = lab.lease(1);
    lab.jump(3_602);
    config.pools[0].hosts =
        vec![Host { name: "h".into(), hardware_address: Some(mac(1)), ip_address: ip(99), ..Host::default() }];
    commit(&mut lab, &config);
    assert_eq!(usage(&mut lab, 0).held, 1, "a commit keeps what is kept");
    assert_eq!(lab.discover(1).unwrap().yiaddr(), ip(99));
    assert_eq!((usage(&mut lab, 0).held, usage(&mut lab, 0).offered), (1, 1), "until it is bound");
    assert_eq!(lab.select(1, ip(99)).unwrap().message(), MessageType::Ack);
    assert_eq!((usage(&mut lab, 0).held, usage(&mut lab, 0).bound), (0, 1));
    assert_eq!((2..=5).map(|last| lab.lease(last)).filter(|address| *address == first).count(), 1);
}

#[test]
fn grace_period_survives_a_restart_and_is_worked_out_anew() {
    let mut lab = Lab::new(graceful(600));
    let first = lab.lease(1);
    lab.jump(3_602);
    let mut lab = lab.restart(graceful(600), 300);
    assert_eq!(usage(&mut lab, 0).held, 1);
    (2..=4).for_each(|last| assert_ne!(lab.lease(last), first));
    assert!(lab.discover(5).is_none());
    let mut lab = lab.restart(graceful(600), 301);
    assert_eq!((usage(&mut lab, 0).held, usage(&mut lab, 0).free), (0, 1), "over while the daemon was down");
    let mut lab = lab.restart(graceful(9_000), 0);
    assert_eq!(usage(&mut lab, 0).held, 1, "the configuration says for how long");
    assert_eq!(lab.lease(1), first);
}

#[test]
fn grace_period_of_a_commit_holds_for_what_is_kept() {
    let mut lab = Lab::new(graceful(600));
    lab.lease(1);
    lab.jump(3_602);
    commit(&mut lab, &graceful(100));
    lab.jump(105);
    assert_eq!(usage(&mut lab, 0).held, 0, "shorter");
    lab.lease(2);
    lab.jump(3_602);
    commit(&mut lab, &graceful(9_000));
    lab.jump(700);
    assert_eq!(usage(&mut lab, 0).held, 1, "longer");
    commit(&mut lab, &config());
    assert_eq!(usage(&mut lab, 0).held, 0, "gone");
    // An address that leaves the pool is kept by nobody.
    let mut lab = Lab::new(graceful(600));
    lab.lease(1);
    lab.jump(3_602);
    let mut smaller = graceful(600);
    smaller.pools[0].ranges = vec![range(11, 13)];
    commit(&mut lab, &smaller);
    assert_eq!((usage(&mut lab, 0).held, usage(&mut lab, 0).total), (0, 3));
    lab.jump(700);
}

#[test]
fn grace_period_outlives_the_horizon_of_tombstones() {
    let mut lab = Lab::new(graceful(200_000));
    let first = lab.lease(1);
    lab.jump(3_602);
    lab.jump(100_000);
    assert_eq!(usage(&mut lab, 0).held, 1);
    assert_eq!(lab.lease(1), first);
    lab.jump(3_602);
    lab.jump(200_001);
    assert_eq!(usage(&mut lab, 0).held, 0);
    assert_eq!(lab.state(first), None, "and then the tombstone goes too");
}

#[test]
fn high_utilization_is_told_once_and_its_end_once() {
    let mut config = linked();
    let utilization = Some(Utilization { high: 70, abated: 60 });
    config.instances = vec![Instance { name: "default".into(), utilization, ..Instance::default() }];
    let mut lab = Lab::new(config);
    let told = |lab: &mut Lab| {
        let events = std::mem::take(&mut lab.events);
        events.into_iter().filter(|event| matches!(event, Event::PoolUtilization { .. })).collect::<Vec<_>>()
    };
    (1..=2).for_each(|last| {
        lab.lease(last);
    });
    assert_eq!(told(&mut lab), []);
    lab.lease(3);
    let event = |high, percent| Event::PoolUtilization { pool: "pool".into(), high, percent };
    assert_eq!(told(&mut lab), [event(true, 75)]);
    assert_eq!((usage(&mut lab, 0).high, usage(&mut lab, 1).high), (true, false), "each pool of a chain by itself");
    lab.lease(4);
    lab.unicast(&MessageBuilder::release(mac(4), ip(13), SERVER), ip(13));
    assert_eq!(told(&mut lab), []);
    lab.unicast(&MessageBuilder::release(mac(3), ip(12), SERVER), ip(12));
    assert_eq!(told(&mut lab), [event(false, 50)]);
    assert_eq!((usage(&mut lab, 0).percent, usage(&mut lab, 0).thresholds), (50, Some((70, 60))));
}

#[test]
fn excluded_address_over_a_live_lease_logs_the_subscriber_out() {
    let mut lab = Lab::new(config());
    let (gone, kept) = (lab.lease(1), lab.lease(2));
    let offered = lab.discover(3).unwrap().yiaddr();
    let mut excluding = config();
    excluding.pools[0].excluded = vec![range(10, 10), Range { name: "x".into(), low: offered, high: offered }];
    let (counts, views) = forecast(&mut lab, Prospect::new(Arc::new(excluding.clone())));
    assert_eq!((counts.moved, counts.kept), (1, 1));
    assert_eq!((views[0].address, views[0].reason), (gone, Reason::Excluded));
    commit(&mut lab, &excluding);
    lab.pass(1);
    assert_eq!(lab.state(gone), Some(DurableState::Cleared));
    assert!(!lab.kernel.contains_key(&gone) && lab.kernel.contains_key(&kept));
    assert!(lab.events.contains(&Event::ExcludedLoggedOut { sessions: 1 }));
    assert_eq!(lab.renew(1, gone).unwrap().message(), MessageType::Nak);
    assert_eq!(lab.lease(1), ip(13), "an address of those that are left");
    assert_eq!(lab.select(3, offered).unwrap().message(), MessageType::Nak);
    // The same exclusions once more end nobody, and wake nobody.
    commit(&mut lab, &excluding);
    lab.pass(2);
    assert_eq!(lab.events.iter().filter(|event| matches!(event, Event::ExcludedLoggedOut { .. })).count(), 1);
}

#[test]
fn excluded_address_of_a_session_whose_exchange_is_running() {
    let mut lab = Lab::new(config());
    let gone = lab.discover(1).unwrap().yiaddr();
    lab.prompt = false;
    assert!(lab.select(1, gone).is_none(), "its write is under way");
    let mut excluding = config();
    excluding.pools[0].excluded = vec![range(10, 10)];
    commit(&mut lab, &excluding);
    lab.pass(1);
    lab.prompt = true;
    lab.pass(2);
    lab.pass(1);
    assert_eq!(lab.state(gone), Some(DurableState::Cleared));
    assert!(lab.kernel.is_empty());
}

#[test]
fn excluded_address_while_the_store_is_down_and_after_a_crash() {
    let mut lab = Lab::new(config());
    let gone = lab.lease(1);
    lab.input(Input::StoreFailed);
    let mut excluding = config();
    excluding.pools[0].excluded = vec![range(10, 10)];
    commit(&mut lab, &excluding);
    lab.pass(2);
    assert_eq!(lab.state(gone), Some(DurableState::Bound));
    let mut lab = lab.restart(excluding, 1);
    lab.pass(2);
    assert_eq!(lab.state(gone), Some(DurableState::Cleared), "the rest of a commit is done after a restart");
    assert!(lab.discover(2).unwrap().yiaddr() != gone);
    assert_eq!(lab.dropped(DropReason::StoreFault), 0);
}
