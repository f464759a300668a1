//! `delay-offer`, `minimum-wait-time`, `rapid-commit`: who has to wait for an OFFER, and who for none.

use crate::lab::{Lab, SERVER, config, ip, mac};
use bindery_engine::{
    Input,
    command::{Reply, Verb},
    config::{Config, DelayOffer, FilterTest, OptionFilter, Overrides},
    event::{DropReason, OfferDelay},
    record::DurableState,
};
use bindery_types::Ipv4Addr;
use bindery_wire::v4::{MessageBuilder, MessageType, OptionCode};
use std::sync::Arc;

fn with(change: impl FnOnce(&mut Overrides)) -> Config {
    let mut config = config();
    change(&mut config.groups[0].overrides);
    config
}

fn delayed(secs: u8, based_on: Vec<OptionFilter>) -> Config {
    with(|overrides| overrides.delay_offer = Some(Arc::new(DelayOffer { secs, based_on })))
}

fn counted(lab: &mut Lab) -> (u64, u64, u64) {
    let Some(Reply::Statistics(counters)) = lab.command(Verb::Statistics) else { panic!() };
    let OfferDelay { delayed, in_progress, total } = counters.offer_delay;
    (delayed, in_progress, total)
}

fn discover(last: u8) -> MessageBuilder {
    MessageBuilder::discover(mac(last))
}

#[test]
fn delay_offer_holds_the_offer_back() {
    let mut lab = Lab::new(delayed(3, Vec::new()));
    assert!(lab.discover(1).is_none());
    assert_eq!(counted(&mut lab), (0, 1, 1));
    lab.pass(2);
    assert!(lab.heard.is_empty());
    // It asks again meanwhile: the first one's time counts, and nothing is sent twice.
    assert!(lab.discover(1).is_none());
    assert_eq!(lab.dropped(DropReason::Duplicate), 1);
    let last_xid = lab.xid;
    lab.pass(1);
    assert_eq!(lab.heard.len(), 1);
    let offer = lab.heard.remove(0);
    assert_eq!((offer.message(), offer.packet().xid().0), (MessageType::Offer, last_xid));
    assert_eq!(counted(&mut lab), (1, 0, 1));
    lab.pass(5);
    assert!(lab.heard.is_empty());
    assert_eq!(lab.select(1, offer.yiaddr()).unwrap().message(), MessageType::Ack, "a REQUEST waits for nothing");
}

#[test]
fn delay_offer_is_withdrawn_by_a_request_to_another_server() {
    let mut lab = Lab::new(delayed(3, Vec::new()));
    assert!(lab.discover(1).is_none());
    assert!(lab.discover(2).is_none());
    let other = MessageBuilder::request_selecting(mac(1), ip(99), Ipv4Addr::new(192, 0, 2, 2));
    assert!(lab.broadcast(&other).is_none());
    assert_eq!(counted(&mut lab), (0, 1, 2));
    lab.pass(4);
    assert_eq!(lab.heard.len(), 1, "the other client's alone");
    assert_eq!(counted(&mut lab), (1, 0, 2));
}

#[test]
fn delay_offer_based_on_an_option() {
    let values = vec![Box::from(*b"docsis")];
    let filter = OptionFilter { code: OptionCode::VENDOR_CLASS, test: FilterTest::StartsWith, values };
    let mut lab = Lab::new(delayed(2, vec![filter]));
    assert!(lab.discover(1).is_some());
    assert!(lab.broadcast(&discover(2).option(OptionCode::VENDOR_CLASS, b"docsis3")).is_none());
    lab.pass(2);
    assert_eq!(lab.heard.len(), 1);
}

#[test]
fn delay_offer_takes_no_address_meanwhile_and_a_commit_decides_at_the_end() {
    let mut config = delayed(3, Vec::new());
    config.pools[0].ranges[0].high = ip(10);
    let mut lab = Lab::new(config.clone());
    assert!(lab.discover(1).is_none());
    let mut now = config.clone();
    now.groups[0].overrides.delay_offer = None;
    lab.input(Input::Configure(Arc::new(now)));
    assert_eq!(lab.lease(2), ip(10), "the last address is another client's by then");
    lab.pass(3);
    assert!(lab.heard.is_empty());
    assert_eq!(lab.dropped(DropReason::NoAddresses), 1);
}

#[test]
fn delay_offer_is_bounded() {
    let mut lab = Lab::new(delayed(30, Vec::new()));
    for n in 0..4_096u32 {
        let id = n.to_be_bytes();
        lab.broadcast(&discover(1).option(OptionCode::CLIENT_IDENTIFIER, &id));
    }
    assert_eq!((counted(&mut lab), lab.dropped_in_all()), ((0, 4_096, 4_096), 0));
    assert!(lab.discover(2).is_none());
    assert_eq!(lab.dropped(DropReason::Overload), 1);
}

#[test]
fn minimum_wait_time_counts_the_clients_own_seconds() {
    let mut lab = Lab::new(with(|overrides| overrides.minimum_wait_secs = 4));
    assert!(lab.discover(1).is_none());
    assert!(lab.broadcast(&discover(1).secs(3)).is_none());
    assert_eq!(lab.dropped(DropReason::WaitTime), 2);
    let offer = lab.broadcast(&discover(1).secs(4)).unwrap();
    assert_eq!(lab.select(1, offer.yiaddr()).unwrap().message(), MessageType::Ack);
    assert_eq!(lab.renew(1, offer.yiaddr()).unwrap().message(), MessageType::Ack);
}

fn rapid(last: u8) -> MessageBuilder {
    discover(last).option(OptionCode::RAPID_COMMIT, &[])
}

#[test]
fn rfc_4039_a_discover_is_answered_by_an_ack() {
    let mut lab = Lab::new(with(|overrides| overrides.rapid_commit = true));
    let ack = lab.broadcast(&rapid(1)).unwrap();
    assert_eq!((ack.message(), ack.yiaddr()), (MessageType::Ack, ip(10)));
    assert_eq!(ack.option(OptionCode::RAPID_COMMIT).unwrap(), b"", "RFC 4039 4");
    assert!(ack.option(OptionCode::IP_ADDRESS_LEASE_TIME).is_some());
    assert_eq!(ack.option(OptionCode::SERVER_IDENTIFIER).unwrap(), SERVER.octets());
    assert_eq!(lab.state(ip(10)), Some(DurableState::Bound));
    assert!(lab.kernel.contains_key(&ip(10)));
    // Without the option, four messages; and the option in no other message.
    let offer = lab.discover(2).unwrap();
    assert_eq!((offer.message(), offer.option(OptionCode::RAPID_COMMIT)), (MessageType::Offer, None));
    let ack = lab.select(2, offer.yiaddr()).unwrap();
    assert_eq!(ack.option(OptionCode::RAPID_COMMIT), None);
    // The ACK was lost: the next DISCOVER is answered alike.
    let ack = lab.broadcast(&rapid(1)).unwrap();
    assert_eq!((ack.message(), ack.yiaddr()), (MessageType::Ack, ip(10)));
    assert_eq!(lab.renew(1, ip(10)).unwrap().option(OptionCode::RAPID_COMMIT), None);
}

#[test]
fn rfc_4039_only_where_it_is_configured() {
    let mut lab = Lab::new(config());
    let offer = lab.broadcast(&rapid(1)).unwrap();
    assert_eq!((offer.message(), offer.option(OptionCode::RAPID_COMMIT)), (MessageType::Offer, None));
    assert!(lab.disk.is_empty());
}

#[test]
fn rfc_4039_the_ack_waits_for_storage_and_route() {
    let mut lab = Lab::new(with(|overrides| overrides.rapid_commit = true));
    lab.prompt = false;
    assert!(lab.broadcast(&rapid(1)).is_none());
    assert!(lab.broadcast(&rapid(1)).is_none(), "a retransmission meanwhile");
    assert_eq!(lab.dropped(DropReason::Duplicate), 1);
    lab.answer_store();
    assert!(lab.heard.is_empty());
    lab.answer_routes();
    assert_eq!(lab.heard.remove(0).message(), MessageType::Ack);
    // A failed write: silence, and the address goes with the offer.
    assert!(lab.broadcast(&rapid(2)).is_none());
    lab.mutations.clear();
    lab.input(Input::StoreFailed);
    lab.answer_routes();
    assert!(lab.heard.is_empty());
    assert_eq!(lab.state(ip(11)), None);
}

#[test]
fn rapid_commit_with_delay_offer_waits_too() {
    let mut config = delayed(2, Vec::new());
    config.groups[0].overrides.rapid_commit = true;
    let mut lab = Lab::new(config);
    assert!(lab.broadcast(&rapid(1)).is_none());
    assert!(lab.disk.is_empty());
    lab.pass(2);
    assert_eq!(lab.heard.remove(0).message(), MessageType::Ack);
}
