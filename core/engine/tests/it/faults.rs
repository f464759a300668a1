//! Environment faults are silence (design §2.2), and bad packets are counted.

use crate::lab::{Lab, SERVER, config, ip, mac};
use bindery_engine::{
    Input,
    config::DiscoverMatch,
    event::{DropReason, Event},
    record::DurableState,
};
use bindery_types::Ipv4Addr;
use bindery_wire::v4::{Fault, MessageBuilder, MessageType, Op};

#[test]
fn a_store_fault_is_silence_then_the_client_is_served() {
    let mut lab = Lab::new(config());
    let bound = lab.lease(1);
    let offer = lab.discover(2).unwrap();
    lab.prompt = false;
    lab.select(2, offer.yiaddr());
    lab.input(Input::StoreFailed);
    lab.mutations.clear();
    assert!(lab.heard.is_empty());
    assert_eq!(lab.dropped(DropReason::StoreFault), 1);
    // While it lasts: silence, never a NAK; but for renewals of what storage keeps anyway.
    lab.select(2, offer.yiaddr());
    lab.discover(3);
    assert!(lab.heard.is_empty());
    assert_eq!(lab.renew(1, bound).unwrap().message(), MessageType::Ack);
    lab.prompt = true;
    lab.input(Input::StoreReady);
    assert!(lab.heard.is_empty(), "nothing of the failed window is answered");
    assert_eq!(lab.state(bound), Some(DurableState::Bound));
    assert_eq!(lab.state(offer.yiaddr()), None);
    assert_eq!(lab.renew(1, bound).unwrap().message(), MessageType::Ack);
    assert_eq!(lab.select(2, offer.yiaddr()).unwrap().message(), MessageType::Ack);
}

#[test]
fn a_failed_release_leaves_the_binding() {
    let mut lab = Lab::new(config());
    let address = lab.lease(1);
    lab.prompt = false;
    lab.unicast(&MessageBuilder::release(mac(1), address, SERVER), address);
    lab.input(Input::StoreFailed);
    lab.mutations.clear();
    lab.prompt = true;
    lab.input(Input::StoreReady);
    assert_eq!(lab.state(address), Some(DurableState::Bound));
    assert!(lab.kernel.contains_key(&address));
    assert_ne!(lab.discover(2).unwrap().yiaddr(), address);
}

/// Who takes an offer is alone on its line, whatever storage does meanwhile.
#[test]
fn the_end_of_a_lines_former_device_is_made_up_for_when_the_newcomer_takes_its_offer() {
    let mut matching = config();
    matching.groups[0].overrides.client_discover_match = Some(DiscoverMatch::IncomingInterface);
    let begun = || {
        let mut lab = Lab::new(matching.clone());
        let old = lab.lease(1);
        lab.prompt = false;
        let new = lab.discover(2).unwrap().yiaddr();
        (lab, old, new)
    };
    // Its end is on the way.
    let (mut lab, old, new) = begun();
    lab.select(2, new);
    lab.answer_store();
    lab.answer_routes();
    assert_eq!((lab.state(old), lab.state(new)), (Some(DurableState::Cleared), Some(DurableState::Bound)));
    // It failed, and what was there before is being written again: the client tries once more.
    let (mut lab, old, new) = begun();
    lab.input(Input::StoreFailed);
    lab.mutations.clear();
    lab.input(Input::StoreReady);
    assert!(lab.select(2, new).is_none());
    lab.prompt = true;
    lab.answer_store();
    assert!(lab.heard.is_empty() && lab.state(new).is_none());
    assert_eq!(lab.dropped(DropReason::Duplicate), 1);
    assert_eq!(lab.select(2, new).unwrap().message(), MessageType::Ack);
    assert_eq!(lab.state(old), Some(DurableState::Cleared));
    // The process ended before it was written, and has forgotten the offer.
    let (lab, old, new) = begun();
    let mut lab = lab.restart(matching, 1);
    assert_eq!(lab.state(old), Some(DurableState::Bound));
    assert_eq!(lab.select(2, new).unwrap().message(), MessageType::Ack);
    assert_eq!(lab.state(old), Some(DurableState::Cleared));
}

#[test]
fn a_foreign_route_stays_and_its_address_is_passed_over() {
    let mut lab = Lab::new(config());
    let offer = lab.discover(1).unwrap();
    lab.foreign.push(offer.yiaddr());
    assert!(lab.select(1, offer.yiaddr()).is_none());
    assert_eq!(lab.dropped(DropReason::RouteFault), 1);
    assert!(lab.events.iter().any(|e| matches!(e, Event::RouteFault { .. })));
    assert_eq!(lab.state(offer.yiaddr()), Some(DurableState::Declined));
    assert_ne!(lab.lease(1), offer.yiaddr());
}

#[test]
fn a_foreign_route_in_the_way_of_a_renewal_is_silence() {
    let mut lab = Lab::new(config());
    let address = lab.lease(1);
    lab.foreign.push(address);
    lab.kernel.clear();
    lab.input(Input::RoutesLost(crate::lab::LINK));
    assert!(lab.renew(1, address).is_none());
    assert_eq!(lab.state(address), Some(DurableState::Bound));
    lab.foreign.clear();
    assert_eq!(lab.renew(1, address).unwrap().message(), MessageType::Ack);
}

#[test]
fn each_bad_packet_moves_its_counter_by_one() {
    let request = || MessageBuilder::discover(mac(1));
    let cases = [
        (request().fault(Fault::Cut(100)), DropReason::TooShort),
        (request().fault(Fault::Op(9)), DropReason::BadBootpOpcode),
        (request().fault(Fault::Op(Op::BootReply as u8)), DropReason::BadBootpOpcode),
        (request().fault(Fault::Hlen(17)), DropReason::BadHardware),
        (request().fault(Fault::Cookie([0; 4])), DropReason::NoOptions),
        (request().fault(Fault::NoEnd), DropReason::BadOptions),
        (request().hops(17), DropReason::HopLimit),
        (request().giaddr(Ipv4Addr::new(224, 0, 0, 1)), DropReason::BadGiAddress),
        (request().giaddr(Ipv4Addr::new(10, 9, 9, 9)), DropReason::InvalidSubnet),
        (MessageBuilder::bootp(Op::BootRequest, mac(1)), DropReason::BootpPacket),
        (MessageBuilder::new(MessageType::BulkLeaseQuery, mac(1)), DropReason::BadDhcpOpcode),
        (MessageBuilder::new(MessageType::Request, mac(1)), DropReason::BadOptions),
    ];
    for (message, reason) in cases {
        let mut lab = Lab::new(config());
        assert!(lab.broadcast(&message).is_none(), "{reason:?}");
        assert_eq!((lab.dropped(reason), lab.dropped_in_all()), (1, 1), "{reason:?}");
    }
}

#[test]
fn allow_no_end_option() {
    let mut config = config();
    config.groups[0].overrides.allow_no_end_option = true;
    let mut lab = Lab::new(config);
    assert!(lab.broadcast(&MessageBuilder::discover(mac(1)).fault(Fault::NoEnd)).is_some());
}

#[test]
fn an_interface_that_is_gone_is_a_route_fault() {
    let mut lab = Lab::new(config());
    let offer = lab.discover(1).unwrap();
    lab.prompt = false;
    lab.select(1, offer.yiaddr());
    lab.input(Input::LinkGone(crate::lab::LINK));
    lab.answer_store();
    assert!(lab.heard.is_empty());
    assert_eq!(lab.dropped(DropReason::RouteFault), 1);
    assert_eq!(lab.state(offer.yiaddr()), Some(DurableState::Bound));
    assert_ne!(offer.yiaddr(), ip(9));
}
