//! Renewals that are answered first and written behind: what is promised never outlives what storage keeps.

use crate::lab::*;
use bindery_engine::{
    Input,
    command::{CHANGES_NOW, ChangeKind, Filter, Reply, Verb},
    config::RouteSuppression,
    event::DropReason,
    output::StoreOp,
    record::{DurableState, LeaseRecord},
};
use bindery_types::{Ipv4Addr, LeaseTime};
use bindery_wire::v4::{MessageBuilder, MessageType, OptionCode};

const LEASE: u64 = LEASE_SECS as u64;

fn record(lab: &Lab, address: Ipv4Addr) -> LeaseRecord {
    lab.record(address).unwrap()
}

/// Puts that the engine has made and nobody has answered.
fn puts(lab: &Lab) -> usize {
    lab.mutations.iter().filter(|m| matches!(m.op, StoreOp::Put { .. })).count()
}

fn acked(lab: &mut Lab, last: u8, address: Ipv4Addr) -> bool {
    lab.renew(last, address).is_some_and(|heard| heard.message() == MessageType::Ack)
}

#[test]
fn storage_keeps_a_lease_for_as_long_again() {
    let mut lab = Lab::new(config());
    let address = lab.lease(1);
    let stored = record(&lab, address);
    assert_eq!(stored.end, stored.cltt.plus_secs(2 * LEASE));
}

#[test]
fn a_renewal_is_answered_at_once_and_written_within_seconds_once() {
    let mut lab = Lab::new(config());
    let address = lab.lease(1);
    lab.pass(100);
    lab.prompt = false;
    let before = record(&lab, address);
    for _ in 0..3 {
        assert!(acked(&mut lab, 1, address));
    }
    assert_eq!(puts(&lab), 0, "nobody waits for a write");
    assert_eq!(record(&lab, address), before);
    lab.pass(4);
    assert_eq!(puts(&lab), 1, "three renewals are one write");
    lab.answer_store();
    let after = record(&lab, address);
    assert_eq!(after.cltt, before.cltt.plus_secs(100));
    assert_eq!(after.end, after.cltt.plus_secs(2 * LEASE));
    assert_ne!(after.xid, before.xid);
    lab.pass(20);
    assert_eq!(puts(&lab), 0, "and no more");
}

#[test]
fn a_renewal_beyond_what_storage_keeps_waits_for_its_write() {
    let mut lab = Lab::new(config());
    let address = lab.lease(1);
    lab.prompt = false;
    // Nothing is ever written behind: the store is slow.
    for _ in 0..2 {
        lab.now.mono = lab.now.mono.plus(std::time::Duration::from_secs(LEASE / 2));
        lab.now.wall.0 += LEASE / 2;
        assert!(acked(&mut lab, 1, address));
    }
    lab.now.mono = lab.now.mono.plus(std::time::Duration::from_secs(LEASE / 2));
    lab.now.wall.0 += LEASE / 2;
    assert!(lab.renew(1, address).is_none(), "it would be promised three halves more than is kept");
    lab.answer_store();
    assert_eq!(lab.heard.pop().unwrap().message(), MessageType::Ack);
}

#[test]
fn a_crash_shortens_no_lease() {
    let mut lab = Lab::new(config());
    let address = lab.lease(1);
    lab.pass(LEASE / 2);
    lab.prompt = false;
    assert!(acked(&mut lab, 1, address));
    // Nothing of the renewal is on storage. The client goes by it for a whole lease.
    let mut lab = lab.restart(config(), LEASE - 10);
    lab.jump(2);
    assert_eq!(lab.state(address), Some(DurableState::Bound));
    assert_ne!(lab.discover(2).unwrap().yiaddr(), address);
    assert!(acked(&mut lab, 1, address));
    let mut lab = lab.restart(config(), 0);
    lab.clear(Filter::All);
    assert_eq!(lab.renew(1, address).unwrap().message(), MessageType::Nak, "its promise is kept in the tombstone");
}

#[test]
fn restarts_do_not_add_up() {
    let mut lab = Lab::new(config());
    let address = lab.lease(1);
    for _ in 0..10 {
        lab.pass(5);
        assert!(acked(&mut lab, 1, address));
        lab.pass(5);
        lab = lab.restart(config(), 1);
    }
    let stored = record(&lab, address);
    assert!(stored.end <= stored.cltt.plus_secs(2 * LEASE));
}

#[test]
fn while_storage_is_down_renewals_within_what_it_keeps_are_answered() {
    let mut lab = Lab::new(config());
    let (one, two) = (lab.lease(1), lab.lease(2));
    lab.prompt = false;
    lab.unicast(&MessageBuilder::release(mac(2), two, SERVER), two);
    lab.input(Input::StoreFailed);
    lab.mutations.clear();
    lab.pass(LEASE / 2);
    assert!(acked(&mut lab, 1, one));
    // The failed write may be on storage: nothing is promised until it is known.
    assert!(lab.renew(2, two).is_none());
    assert_eq!(lab.dropped(DropReason::StoreFault), 1);
    lab.pass(LEASE / 2);
    assert!(acked(&mut lab, 1, one));
    lab.pass(LEASE / 2);
    assert!(lab.renew(1, one).is_none(), "no further than it keeps");
    assert_eq!(lab.mutations.len(), 0);
    lab.input(Input::StoreReady);
    lab.answer_store();
    assert!(acked(&mut lab, 2, two) || lab.heard.pop().is_none());
}

#[test]
fn a_failed_write_behind_is_repaired() {
    let mut lab = Lab::new(config());
    let address = lab.lease(1);
    lab.pass(60);
    lab.prompt = false;
    assert!(acked(&mut lab, 1, address));
    lab.pass(3);
    assert_eq!(puts(&lab), 1);
    lab.mutations.clear();
    lab.input(Input::StoreFailed);
    assert!(lab.renew(1, address).is_none(), "what storage keeps is not known");
    lab.prompt = true;
    lab.input(Input::StoreReady);
    assert_eq!(record(&lab, address).cltt, LeaseTime(1_800_000_060));
    assert!(acked(&mut lab, 1, address));
}

#[test]
fn what_is_waited_for_takes_along_what_was_to_be_written() {
    let mut lab = Lab::new(config());
    let address = lab.lease(1);
    lab.pass(30);
    lab.prompt = false;
    assert!(acked(&mut lab, 1, address));
    lab.unicast(&MessageBuilder::release(mac(1), address, SERVER), address);
    lab.answer_store();
    let stored = record(&lab, address);
    assert_eq!((stored.state, stored.cltt), (DurableState::Released, LeaseTime(1_800_000_030)));
    assert_eq!(stored.end, stored.cltt.plus_secs(LEASE), "a tombstone has the promised end");
    lab.pass(10);
    assert_eq!(puts(&lab), 0);
}

#[test]
fn a_new_option_12_is_written_behind_too() {
    let mut lab = Lab::new(config());
    let address = lab.lease(1);
    let key = record(&lab, address).key;
    lab.prompt = false;
    let named = MessageBuilder::request_renewing(mac(1), address).option(OptionCode::HOST_NAME, b"modem");
    assert_eq!(lab.unicast(&named, address).unwrap().message(), MessageType::Ack);
    assert_eq!(&*lab.identities[&key.session].host_name, b"");
    lab.pass(4);
    lab.answer_store();
    assert_eq!(&*lab.identities[&key.session].host_name, b"modem");
}

#[test]
fn at_the_end_of_the_process_all_is_written() {
    let mut lab = Lab::new(config());
    let address = lab.lease(1);
    lab.pass(30);
    lab.prompt = false;
    assert!(acked(&mut lab, 1, address));
    while lab.engine.write_rest() {}
    let outbox = lab.engine.outbox();
    lab.mutations.append(&mut outbox.mutations);
    lab.answer_store();
    assert_eq!(record(&lab, address).cltt, LeaseTime(1_800_000_030));
}

/// A restart after an orderly end of the process: all that was answered is written.
fn stop_and_start(mut lab: Lab, down: u64) -> Lab {
    stop(&mut lab);
    lab.restart(config(), down)
}

fn stop(lab: &mut Lab) {
    while lab.engine.write_rest() {}
    lab.mutations.append(&mut lab.engine.outbox().mutations);
    lab.answer_store();
}

#[test]
fn after_an_end_in_order_a_lease_ends_when_it_was_promised_to() {
    let mut lab = Lab::new(config());
    let (one, two) = (lab.lease(1), lab.lease(2));
    lab.pass(100);
    assert!(acked(&mut lab, 1, one));
    let mut lab = stop_and_start(lab, 10);
    lab.jump(LEASE - 115);
    assert_eq!(lab.state(two), Some(DurableState::Bound));
    lab.jump(10);
    assert_eq!(lab.state(two), Some(DurableState::Expired), "it was never renewed");
    assert_eq!(lab.state(one), Some(DurableState::Bound));
    lab.jump(90);
    assert_eq!(lab.state(one), Some(DurableState::Bound));
    lab.jump(10);
    assert_eq!(lab.state(one), Some(DurableState::Expired), "a hundred seconds later");
}

#[test]
fn after_an_end_in_order_renewals_need_no_write_as_soon_as_a_crash_would_be_seen() {
    let mut lab = Lab::new(config());
    let address = lab.lease(1);
    let mut lab = stop_and_start(lab, 10);
    lab.input(Input::RoutesReconciled);
    assert!(acked(&mut lab, 1, address));
    lab.pass(4);
    lab.prompt = false;
    assert!(acked(&mut lab, 1, address));
    assert_eq!(puts(&lab), 0, "what storage kept before is kept still");
}

/// The mark of the orderly end must be off storage before anybody is promised more than the records tell. Without routes,
/// since a renewal that asks for its route is written before it is answered anyway.
#[test]
fn a_crash_after_an_end_in_order_shortens_no_lease() {
    let routeless = || {
        let mut config = config();
        config.groups[0].route_suppression = Some(RouteSuppression::AccessInternal);
        config
    };
    let mut lab = Lab::new(routeless());
    let address = lab.lease(1);
    stop(&mut lab);
    let mut lab = lab.restart_on_slow_storage(routeless(), LEASE / 2);
    assert!(lab.renew(1, address).is_none(), "it waits for its write, which is behind that of the mark");
    lab.input(Input::StoreFailed);
    lab.mutations.clear();
    lab.pass(1);
    lab.input(Input::StoreReady);
    lab.answer_store();
    assert!(acked(&mut lab, 1, address), "at once again");
    assert_eq!(puts(&lab), 0);
    // The crash: nothing of that renewal is on storage.
    let mut lab = lab.restart(routeless(), LEASE - 10);
    lab.jump(2);
    assert_eq!(lab.state(address), Some(DurableState::Bound));
}

/// An orderly end says nothing of what a crash before it had left; it speaks of what was written since.
#[test]
fn after_a_crash_an_end_in_order_tells_the_promises_of_what_was_written_since() {
    let mut lab = Lab::new(config());
    let (old, new) = (lab.lease(1), lab.lease(2));
    lab.pass(LEASE / 2);
    lab.prompt = false;
    assert!(acked(&mut lab, 1, old));
    assert!(acked(&mut lab, 2, new));
    // The crash: neither renewal is on storage. The second client renews once more, beyond what storage kept for it.
    let mut lab = lab.restart(config(), 10);
    lab.input(Input::RoutesReconciled);
    lab.pass(LEASE / 2);
    lab.renew(2, new);
    lab.pass(4);
    let mut lab = stop_and_start(lab, 10);
    lab.jump(LEASE - 40);
    assert_eq!((lab.state(old), lab.state(new)), (Some(DurableState::Bound), Some(DurableState::Bound)));
    lab.jump(60);
    assert_eq!(lab.state(new), Some(DurableState::Expired), "as it was promised");
}

#[test]
fn an_end_while_storage_is_down_is_none_in_order() {
    let mut lab = Lab::new(config());
    let address = lab.lease(1);
    lab.input(Input::StoreFailed);
    let mut lab = stop_and_start(lab, LEASE + 10);
    lab.jump(2);
    assert_eq!(lab.state(address), Some(DurableState::Bound), "it may have been renewed");
}

/// Readers go by the number of a change: one that is answered at once is not told before those that were counted earlier.
#[test]
fn the_feed_keeps_its_order() {
    let mut lab = Lab::new(config());
    let address = lab.lease(1);
    let offer = lab.discover(2).unwrap();
    let Some(Reply::Changes { next, .. }) = lab.command(Verb::Changes { after: CHANGES_NOW, filter: Filter::All })
    else {
        panic!("no position");
    };
    let changes = |lab: &mut Lab| match lab.command(Verb::Changes { after: next, filter: Filter::All }) {
        Some(Reply::Changes { rows, .. }) => rows.into_iter().map(|row| row.what).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    lab.pass(1);
    lab.prompt = false;
    lab.select(2, offer.yiaddr());
    assert!(acked(&mut lab, 1, address));
    assert_eq!(changes(&mut lab), []);
    lab.answer_store();
    assert_eq!(changes(&mut lab), [ChangeKind::Bound, ChangeKind::Renewed]);
    assert!(acked(&mut lab, 1, address));
    assert_eq!(changes(&mut lab).last(), Some(&ChangeKind::Renewed));
}
