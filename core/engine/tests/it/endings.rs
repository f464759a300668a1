//! How bindings end: release, decline, expiry, clear; and what a tombstone promises (design §2.2).

use crate::lab::{LEASE_SECS, Lab, SERVER, config, ip, mac};
use bindery_engine::{
    QUARANTINE_SECS, TOMBSTONE_SECS,
    command::{Cursor, Filter, Reply, Verb},
    event::{DropReason, Event},
    record::DurableState,
};
use bindery_types::{Ipv4Addr, Wall};
use bindery_wire::v4::{MessageBuilder, MessageType};

#[test]
fn release_frees_the_address_and_the_route() {
    let mut lab = Lab::new(config());
    let address = lab.lease(1);
    assert!(lab.unicast(&MessageBuilder::release(mac(1), address, SERVER), address).is_none());
    assert_eq!(lab.state(address), Some(DurableState::Released));
    assert!(lab.kernel.is_empty());
    // The same client gets the same address again.
    assert_eq!(lab.lease(1), address);
}

#[test]
fn only_the_holder_may_release_or_decline() {
    let mut lab = Lab::new(config());
    let address = lab.lease(1);
    lab.unicast(&MessageBuilder::release(mac(2), address, SERVER), address);
    lab.broadcast(&MessageBuilder::decline(mac(2), address, SERVER));
    assert_eq!(lab.state(address), Some(DurableState::Bound));
    assert_eq!(lab.dropped(DropReason::ClientLookup), 2);
}

#[test]
fn a_declined_address_is_in_quarantine() {
    let mut lab = Lab::new(config());
    let address = lab.lease(1);
    lab.broadcast(&MessageBuilder::decline(mac(1), address, SERVER));
    assert_eq!(lab.state(address), Some(DurableState::Declined));
    assert!(lab.kernel.is_empty());
    assert!(lab.events.iter().any(|e| matches!(e, Event::Declined { .. })));
    let others: Vec<Ipv4Addr> = (1..=3).map(|last| lab.lease(last)).collect();
    assert!(!others.contains(&address), "the declining client too gets another one");
    assert!(lab.discover(9).is_none());
    lab.jump(QUARANTINE_SECS + 2);
    assert_eq!(lab.discover(9).unwrap().yiaddr(), address);
    assert_eq!(lab.state(address), None, "the quarantine left the database");
}

#[test]
fn a_lease_expires_not_a_second_early() {
    let mut lab = Lab::new(config());
    let address = lab.lease(1);
    lab.jump(u64::from(LEASE_SECS));
    assert_eq!(lab.state(address), Some(DurableState::Bound));
    lab.jump(2);
    assert_eq!(lab.state(address), Some(DurableState::Expired));
    assert!(lab.kernel.is_empty());
    lab.jump(TOMBSTONE_SECS + 2);
    assert!(lab.disk.is_empty(), "past the horizon the tombstone goes");
}

#[test]
fn a_renewal_moves_the_end() {
    let mut lab = Lab::new(config());
    let address = lab.lease(1);
    lab.jump(2_000);
    lab.renew(1, address).unwrap();
    lab.jump(u64::from(LEASE_SECS) - 10);
    assert_eq!(lab.state(address), Some(DurableState::Bound));
    lab.jump(20);
    assert_eq!(lab.state(address), Some(DurableState::Expired));
}

#[test]
fn an_expired_client_may_go_on_while_its_address_is_free() {
    let mut lab = Lab::new(config());
    let address = lab.lease(1);
    lab.jump(u64::from(LEASE_SECS) + 2);
    assert_eq!(lab.renew(1, address).unwrap().message(), MessageType::Ack);
    assert_eq!(lab.state(address), Some(DurableState::Bound));
    assert!(lab.kernel.contains_key(&address));
}

#[test]
fn no_clock_step_expires_anybody() {
    let mut lab = Lab::new(config());
    let address = lab.lease(1);
    lab.now.wall = Wall(lab.now.wall.0 + 50 * 365 * 86_400);
    lab.pass(5);
    lab.now.wall = Wall(10);
    lab.pass(5);
    assert_eq!(lab.state(address), Some(DurableState::Bound));
}

#[test]
fn what_we_cleared_is_naked_until_the_promised_end() {
    let mut lab = Lab::new(config());
    let address = lab.lease(1);
    let reply = lab.clear(Filter::Address(address)).unwrap();
    assert_eq!(reply, Reply::ClearedBindings { count: 1, failed: false, next: None });
    assert_eq!(lab.state(address), Some(DurableState::Cleared));
    assert!(lab.kernel.is_empty());
    for _ in 0..3 {
        assert_eq!(lab.renew(1, address).unwrap().message(), MessageType::Nak);
        let reboot = MessageBuilder::request_init_reboot(mac(1), address);
        assert_eq!(lab.broadcast(&reboot).unwrap().message(), MessageType::Nak);
    }
    // A fresh start is served; an offer alone takes nothing back.
    lab.discover(1).unwrap();
    lab.pass(70);
    assert_eq!(lab.renew(1, address).unwrap().message(), MessageType::Nak);
    lab.lease(1);
    assert_eq!(lab.state(address), Some(DurableState::Bound));
}

#[test]
fn clear_waits_for_a_running_exchange() {
    let mut lab = Lab::new(config());
    let (address, offered) = (lab.lease(1), lab.discover(2).unwrap().yiaddr());
    lab.prompt = false;
    lab.renew(1, address);
    lab.select(2, offered);
    assert!(lab.clear(Filter::All).is_none(), "answered when both tombstones are durable");
    lab.prompt = true;
    lab.answer_store();
    lab.pass(1);
    assert_eq!(lab.state(address), Some(DurableState::Cleared));
    assert_eq!(lab.state(offered), Some(DurableState::Cleared));
    assert_eq!(lab.replies.pop().unwrap().1, Reply::ClearedBindings { count: 2, failed: false, next: None });
}

#[test]
fn clear_by_mac_interface_and_session() {
    let mut lab = Lab::new(config());
    let (a, b, c) = (lab.lease(1), lab.lease(2), lab.lease(3));
    lab.clear(Filter::Mac(mac(1)));
    assert_eq!(lab.state(a), Some(DurableState::Cleared));
    let Some(Reply::Bindings { rows, .. }) =
        lab.command(Verb::Bindings { filter: Filter::Address(b), cursor: Cursor::START })
    else {
        panic!("no rows")
    };
    lab.clear(Filter::Session(rows[0].session));
    assert_eq!(lab.state(b), Some(DurableState::Cleared));
    lab.clear(Filter::Interface("wan*".into()));
    assert_eq!(lab.state(c), Some(DurableState::Bound));
    lab.clear(Filter::Interface("eth1".into()));
    assert_eq!(lab.state(c), Some(DurableState::Cleared));
}

#[test]
fn delete_binding_on_renegotiation() {
    let mut config = config();
    config.groups[0].overrides.delete_binding_on_renegotiation = true;
    let mut lab = Lab::new(config);
    let address = lab.lease(1);
    assert!(lab.discover(1).is_none());
    assert_eq!(lab.state(address), Some(DurableState::Released));
    assert!(lab.discover(1).is_some());
}

#[test]
fn a_pool_that_is_gone_ends_its_bindings_at_renewal() {
    let mut lab = Lab::new(config());
    let address = lab.lease(1);
    let mut changed = config();
    changed.pools[0].ranges[0].low = ip(13);
    lab.input(bindery_engine::Input::Configure(std::sync::Arc::new(changed)));
    assert_eq!(lab.state(address), Some(DurableState::Bound), "a commit drops nobody");
    assert_eq!(lab.renew(1, address).unwrap().message(), MessageType::Nak);
    assert_eq!(lab.state(address), Some(DurableState::Cleared));
    assert!(lab.kernel.is_empty());
}

#[test]
fn a_client_of_a_pool_that_is_gone_starts_anew() {
    for (offered, last) in [(false, 1), (true, 2)] {
        let mut lab = Lab::new(config());
        let address = if offered { lab.discover(last).unwrap().yiaddr() } else { lab.lease(last) };
        let mut changed = config();
        changed.pools[0].ranges[0].low = ip(12);
        lab.input(bindery_engine::Input::Configure(std::sync::Arc::new(changed)));
        if !offered {
            assert!(lab.discover(last).is_none(), "its binding ends first");
            assert_eq!(lab.state(address), Some(DurableState::Cleared));
        }
        assert_ne!(lab.lease(last), address);
    }
}

#[test]
fn a_pool_that_is_renamed_keeps_its_clients() {
    let mut lab = Lab::new(config());
    let address = lab.lease(1);
    let mut changed = config();
    changed.pools[0].name = "renamed".into();
    lab.input(bindery_engine::Input::Configure(std::sync::Arc::new(changed)));
    assert_eq!(lab.lease(1), address);
    assert_eq!(&*lab.identities.values().next().unwrap().pool, "renamed");
}
