//! `lease-time-validation` (junos.md §2.4): leases that are too short, refused or made longer.

use crate::{
    access::{alice, asking, lease as lease_of},
    impact::forecast,
    lab::{LEASE_SECS, Lab, SERVER, config, mac},
};
use bindery_engine::{
    Input,
    command::{Cursor, Filter, Reply, Verb},
    config::{Config, LeaseValidation, ViolationAction},
    event::{DropReason, Event},
    impact::{Impact, Prospect, Reason},
    subscriber::Grant,
};
use bindery_wire::v4::{MessageBuilder, MessageType, OptionCode};
use std::sync::Arc;

fn validating(threshold_secs: u32, action: ViolationAction) -> Config {
    let mut config = config();
    config.groups[0].lease_validation = Some(LeaseValidation { threshold_secs, action });
    config
}

fn secs(heard: &crate::lab::Heard) -> u32 {
    u32::from_be_bytes(heard.option(OptionCode::IP_ADDRESS_LEASE_TIME).unwrap().try_into().unwrap())
}

fn violated(lab: &mut Lab, filter: Filter) -> Vec<bool> {
    match lab.command(Verb::Bindings { filter, cursor: Cursor::START }) {
        Some(Reply::Bindings { rows, .. }) => rows.iter().map(|row| row.lease_time_violated).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn strict_drops_a_discover_and_a_renewal_with_too_short_a_lease() {
    let mut lab = Lab::new(validating(600, ViolationAction::Strict));
    let short = MessageBuilder::discover(mac(1)).lease_time(300);
    assert!(lab.broadcast(&short).is_none());
    assert_eq!((lab.dropped(DropReason::LeaseTimeViolation), lab.dropped_in_all()), (1, 1));
    let address = lab.lease(1);
    assert_eq!(violated(&mut lab, Filter::All), [false]);
    let renewal = MessageBuilder::request_renewing(mac(1), address);
    assert!(lab.unicast(&renewal.clone().lease_time(599), address).is_none());
    assert_eq!(lab.dropped(DropReason::LeaseTimeViolation), 2);
    assert_eq!(violated(&mut lab, Filter::LeaseTimeViolation), [true]);
    // A violation is not the end of the binding: the next renewal may be good.
    assert_eq!(secs(&lab.unicast(&renewal.lease_time(600), address).unwrap()), 600);
    assert!(violated(&mut lab, Filter::LeaseTimeViolation).is_empty());
}

#[test]
fn override_lease_puts_the_threshold_in_place_of_a_shorter_lease() {
    let mut lab = Lab::new(validating(7_200, ViolationAction::OverrideLease));
    let offer = lab.discover(1).unwrap();
    assert_eq!(secs(&offer), 7_200, "the pool's is {LEASE_SECS}");
    let address = offer.yiaddr();
    assert_eq!(secs(&lab.select(1, address).unwrap()), 7_200);
    assert_eq!(violated(&mut lab, Filter::LeaseTimeViolation), [true]);
    let renewal = MessageBuilder::request_renewing(mac(1), address).lease_time(60);
    assert_eq!(secs(&lab.unicast(&renewal, address).unwrap()), 7_200);
    assert_eq!(lab.dropped_in_all(), 0);
}

#[test]
fn no_lease_outlives_its_service_and_a_short_rest_is_no_violation() {
    for action in [ViolationAction::Strict, ViolationAction::OverrideLease] {
        let mut config = asking();
        config.groups[0].lease_validation = Some(LeaseValidation { threshold_secs: 3_000, action });
        let mut lab = Lab::new(config);
        let address = lease_of(&mut lab, 1, Grant { session_secs: Some(600), ..alice() });
        lab.pass(400);
        let ack = lab.renew(1, address).unwrap();
        assert_eq!(ack.message(), MessageType::Ack);
        assert!(secs(&ack) <= 200, "{action:?}: {}", secs(&ack));
        assert_eq!(violated(&mut lab, Filter::LeaseTimeViolation), [false; 0]);
        assert_eq!(lab.dropped(DropReason::LeaseTimeViolation), 0);
    }
}

#[test]
fn the_log_has_a_line_in_ltv_syslog_interval() {
    let mut config = validating(600, ViolationAction::Strict);
    config.ltv_log_secs = Some(700);
    let mut lab = Lab::new(config);
    let short = |last| MessageBuilder::discover(mac(last)).lease_time(300);
    for last in [1, 2, 3] {
        lab.broadcast(&short(last));
    }
    lab.jump(700);
    lab.broadcast(&short(4));
    let told: Vec<_> = lab.events.iter().filter(|e| matches!(e, Event::LeaseTimeViolation { .. })).collect();
    let [Event::LeaseTimeViolation { count: 1, .. }, Event::LeaseTimeViolation { count: 3, hw, .. }] = told[..] else {
        panic!("{told:?}");
    };
    assert_eq!(*hw, mac(4).into());
}

#[test]
fn what_it_does_to_renewals_is_forecast() {
    let mut lab = Lab::new(config());
    let address = lab.lease(1);
    let to_come = validating(7_200, ViolationAction::OverrideLease);
    let (_, views) = forecast(&mut lab, Prospect::new(Arc::new(to_come.clone())));
    assert_eq!((views[0].impact, views[0].reason), (Impact::Changed, Reason::LeaseTime));
    lab.input(Input::Configure(Arc::new(to_come)));
    assert_eq!(secs(&lab.renew(1, address).unwrap()), 7_200);
    let strict = validating(7_200, ViolationAction::Strict);
    let (counts, views) = forecast(&mut lab, Prospect::new(Arc::new(strict.clone())));
    assert_eq!((counts.dropped, views[0].reason), (1, Reason::LeaseTooShort));
    lab.input(Input::Configure(Arc::new(strict)));
    assert!(lab.renew(1, address).is_none());
    let (counts, _) = forecast(&mut lab, Prospect::new(Arc::new(config())));
    assert_eq!(counts.changed, 1, "it has a place again");
    assert_ne!(address, SERVER);
}
