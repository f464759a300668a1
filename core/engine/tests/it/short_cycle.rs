//! `short-cycle-protection` (junos.md §2.4): who logs in and out in short cycles, or is refused, is locked out.

use crate::{
    access::{alice, answer, asking, lease as lease_of},
    lab::{LINK, Lab, SERVER, config, ip, mac},
};
use bindery_engine::{
    command::{Cursor, LockoutView, Reply, Verb},
    config::{Config, ShortCycle},
    event::{DropReason, Event},
    lockout::Cause,
    subscriber::Authorization,
};
use bindery_types::{HwAddr, Ipv4Addr};
use bindery_wire::v4::{MessageBuilder, MessageType, SubOption};
use std::time::Duration;

fn protected() -> Config {
    let mut config = config();
    config.groups[0].short_cycle = Some(ShortCycle { min_secs: 4, max_secs: 20 });
    config
}

fn entries(lab: &mut Lab) -> Vec<LockoutView> {
    match lab.command(Verb::Lockouts { index: None, cursor: Cursor::START }) {
        Some(Reply::Lockouts { rows, next: None }) => rows,
        other => panic!("{other:?}"),
    }
}

fn release(lab: &mut Lab, last: u8, address: Ipv4Addr) {
    lab.unicast(&MessageBuilder::release(mac(last), address, SERVER), address);
}

/// One login that is given up soon.
fn cycle(lab: &mut Lab, last: u8) {
    let address = lab.lease(last);
    lab.pass(2);
    release(lab, last, address);
}

#[test]
fn a_short_session_locks_its_client_out_for_lockout_min_time() {
    let mut lab = Lab::new(protected());
    cycle(&mut lab, 1);
    assert!(lab.discover(1).is_none());
    assert_eq!(lab.dropped(DropReason::ShortCycleProtect), 1);
    assert_eq!(lab.dropped_in_all(), 1);
    // Others are served.
    lab.lease(2);
    lab.pass(3);
    assert!(lab.discover(1).is_none());
    lab.pass(1);
    lab.lease(1);
}

#[test]
fn the_lockout_doubles_with_each_cycle_up_to_lockout_max_time() {
    let mut lab = Lab::new(protected());
    for locked in [4, 8, 16, 20, 20] {
        cycle(&mut lab, 1);
        let [entry] = &entries(&mut lab)[..] else { panic!("one entry") };
        assert_eq!(entry.locked_for, Duration::from_secs(locked));
        let told = lab.events.drain(..).filter(|event| matches!(event, Event::LockedOut { .. }));
        let hw = HwAddr::from(mac(1));
        assert_eq!(told.collect::<Vec<_>>(), [Event::LockedOut { link: LINK, hw, secs: locked }]);
        lab.pass(locked - 1);
        assert!(lab.discover(1).is_none(), "for {locked} s");
        lab.pass(1);
    }
}

#[test]
fn a_long_session_is_no_cycle_and_good_behaviour_is_remembered() {
    let mut lab = Lab::new(protected());
    let address = lab.lease(1);
    lab.pass(150);
    release(&mut lab, 1, address);
    assert!(entries(&mut lab).is_empty());
    cycle(&mut lab, 1);
    // Good for 15 minutes after its lockout: the next cycle is the first again.
    lab.jump(4 + 899);
    assert_eq!(entries(&mut lab)[0].count, 1);
    lab.jump(1);
    assert!(entries(&mut lab).is_empty());
    cycle(&mut lab, 1);
    assert_eq!(entries(&mut lab)[0].count, 1);
}

#[test]
fn a_client_that_radius_rejects_is_not_asked_about_again_while_it_is_locked_out() {
    let mut config = asking();
    config.groups[0].short_cycle = Some(ShortCycle { min_secs: 4, max_secs: 20 });
    let mut lab = Lab::new(config);
    assert!(lab.discover(1).is_none());
    answer(&mut lab, Authorization::Rejected);
    assert!(lab.discover(1).is_none());
    assert!(lab.questions.is_empty(), "locked out before RADIUS is asked");
    assert_eq!(lab.dropped(DropReason::ShortCycleProtect), 1);
    assert_eq!(entries(&mut lab)[0].cause, Cause::Rejected);
    lab.pass(4);
    lease_of(&mut lab, 1, alice());
}

#[test]
fn a_nak_is_a_cycle_but_not_one_for_what_an_operator_has_ended() {
    let mut lab = Lab::new(protected());
    let address = lab.lease(1);
    lab.clear(bindery_engine::command::Filter::All);
    assert_eq!(lab.renew(1, address).unwrap().message(), MessageType::Nak);
    assert!(entries(&mut lab).is_empty(), "the operator's doing");
    lab.lease(1);
    let wrong = MessageBuilder::request_init_reboot(mac(2), Ipv4Addr::new(10, 1, 1, 1));
    assert_eq!(lab.broadcast(&wrong).unwrap().message(), MessageType::Nak);
    let [entry] = &entries(&mut lab)[..] else { panic!("one entry") };
    assert_eq!((entry.cause, entry.hw), (Cause::Refused, mac(2).into()));
    assert!(lab.discover(2).is_none());
}

#[test]
fn a_request_does_not_get_round_a_lockout_and_a_live_session_is_never_touched() {
    let mut lab = Lab::new(protected());
    let address = lab.lease(1);
    release(&mut lab, 1, address);
    // INIT-REBOOT would take the lease up again.
    let reboot = MessageBuilder::request_init_reboot(mac(1), address);
    assert!(lab.broadcast(&reboot).is_none());
    assert_eq!(lab.dropped(DropReason::ShortCycleProtect), 1);
    lab.pass(4);
    assert_eq!(lab.broadcast(&reboot).unwrap().message(), MessageType::Ack);
    // A refusal of another address does not harm the lease that it has.
    let wrong = MessageBuilder::request_init_reboot(mac(1), Ipv4Addr::new(10, 1, 1, 1));
    assert_eq!(lab.broadcast(&wrong).unwrap().message(), MessageType::Nak);
    assert_eq!(lab.renew(1, address).unwrap().message(), MessageType::Ack);
}

#[test]
fn a_declined_and_an_expired_lease_are_cycles() {
    let mut config = protected();
    config.pools[0].attributes.lease = bindery_engine::config::Lease::Secs(60);
    let mut lab = Lab::new(config);
    let address = lab.lease(1);
    lab.broadcast(&MessageBuilder::decline(mac(1), address, SERVER));
    assert_eq!(entries(&mut lab)[0].cause, Cause::Declined);
    lab.lease(2);
    lab.pass(61);
    let causes: Vec<Cause> = entries(&mut lab).iter().map(|entry| entry.cause).collect();
    assert_eq!(causes, [Cause::Declined, Cause::Expired]);
}

#[test]
fn the_circuit_belongs_to_the_key() {
    let relay = ip(2);
    let mut lab = Lab::new(protected());
    let via =
        |message: MessageBuilder, port: &[u8]| message.giaddr(relay).relay_agent(&[(SubOption::CIRCUIT_ID, port)]);
    let wrong = MessageBuilder::request_init_reboot(mac(1), Ipv4Addr::new(10, 1, 1, 1));
    assert_eq!(lab.unicast(&via(wrong, b"port-1"), relay).unwrap().message(), MessageType::Nak);
    assert!(lab.unicast(&via(MessageBuilder::discover(mac(1)), b"port-1"), relay).is_none());
    assert!(lab.unicast(&via(MessageBuilder::discover(mac(1)), b"port-2"), relay).is_some());
}

#[test]
fn an_interfaces_own_statement_takes_the_place_of_the_groups() {
    let mut config = protected();
    config.interfaces[0].short_cycle = Some(ShortCycle { min_secs: 60, max_secs: 60 });
    let mut lab = Lab::new(config);
    cycle(&mut lab, 1);
    assert_eq!((entries(&mut lab)[0].min_secs, entries(&mut lab)[0].next_secs), (60, 60));
}

#[test]
fn an_operator_clears_one_or_all() {
    let mut config = protected();
    config.groups[0].short_cycle = Some(ShortCycle { min_secs: 60, max_secs: 60 });
    let mut lab = Lab::new(config);
    for last in [1, 2, 3] {
        cycle(&mut lab, last);
    }
    let index = entries(&mut lab)[1].index;
    let shown = lab.command(Verb::Lockouts { index: Some(index), cursor: Cursor::START });
    let Some(Reply::Lockouts { rows, next: None }) = shown else { panic!("{shown:?}") };
    assert_eq!((rows.len(), rows[0].hw), (1, mac(2).into()));
    let clear = |index| Verb::ClearLockouts { index };
    assert_eq!(lab.command(clear(Some(index))), Some(Reply::ClearedLockouts { count: 1 }));
    assert_eq!(lab.command(clear(Some(index))), Some(Reply::ClearedLockouts { count: 0 }));
    lab.lease(2);
    assert!(lab.discover(1).is_none());
    assert_eq!(lab.command(clear(None)), Some(Reply::ClearedLockouts { count: 2 }));
    lab.lease(1);
    assert!(entries(&mut lab).is_empty());
}
