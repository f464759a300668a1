//! Newcomers that wait for an authority (RADIUS), what it grants, and what it changes later.

use crate::lab::{LINK, Lab, config, ip, mac};
use bindery_engine::{
    Input,
    command::{AuthorizationChange, Cursor, DisconnectKeys, Disconnected, Filter, Reply, Verb},
    config::{Config, Range, Reconfigure},
    event::{DropReason, SessionChange},
    input::RxMeta,
    policy::{ExtraRoute, Steer},
    record::DurableState,
    subscriber::{Authorization, Grant, Subscriber},
};
use bindery_types::{IfIndex, Ipv4Addr, LeaseTime};
use bindery_wire::v4::{MessageBuilder, MessageType, OptionCode};

/// The common configuration with a second pool, `gold`, of 198.51.100.10 to .12, asking an authority and accounting.
pub(crate) fn asking() -> Config {
    let mut config = config();
    config.groups[0].authenticate = true;
    config.groups[0].account = true;
    config.groups[0].reconfigure = Some(Reconfigure::default());
    let mut gold = config.pools[0].clone();
    gold.name = "gold".into();
    gold.network = "198.51.100.0/24".parse().unwrap();
    gold.ranges = vec![Range { name: "r".into(), low: golden(10), high: golden(12) }];
    config.pools.push(gold);
    config
}

pub(crate) fn golden(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(198, 51, 100, last)
}

pub(crate) fn accepted(grant: Grant) -> Authorization {
    Authorization::Accepted(Box::new(grant))
}

pub(crate) fn alice() -> Grant {
    let classes = vec![b"class".as_slice().into()];
    Grant { subscriber: Subscriber { username: "alice".into(), classes, ..Subscriber::default() }, ..Grant::default() }
}

pub(crate) fn in_pool(pool: &str) -> Grant {
    Grant { steer: Steer { pool: Some(pool.into()), ..Steer::default() }, ..alice() }
}

pub(crate) fn at(address: Ipv4Addr) -> Grant {
    Grant { steer: Steer { address: Some(address), ..Steer::default() }, ..alice() }
}

/// The authority answers the oldest question.
pub(crate) fn answer(lab: &mut Lab, answer: Authorization) {
    let tag = lab.questions.remove(0).tag;
    lab.input(Input::Access { tag, answer });
}

/// A whole DORA of a newcomer who gets `grant`; the leased address.
pub(crate) fn lease(lab: &mut Lab, last: u8, grant: Grant) -> Ipv4Addr {
    assert!(lab.discover(last).is_none(), "nothing is offered before the answer");
    answer(lab, accepted(grant));
    let offer = lab.heard.pop().expect("an offer");
    assert_eq!(offer.message(), MessageType::Offer);
    let ack = lab.select(last, offer.yiaddr()).expect("an ack");
    assert_eq!((ack.message(), ack.yiaddr()), (MessageType::Ack, offer.yiaddr()));
    assert!(lab.questions.is_empty(), "the authority is asked once");
    ack.yiaddr()
}

pub(crate) fn subscriber(lab: &Lab, address: Ipv4Addr) -> Subscriber {
    let session = lab.record(address).expect("a record").key.session;
    Subscriber::decode(&lab.identities[&session].subscriber)
}

#[test]
fn a_newcomer_waits_and_what_is_granted_is_kept() {
    let mut lab = Lab::new(asking());
    let address = lease(&mut lab, 1, alice());
    assert_eq!(subscriber(&lab, address), alice().subscriber);
    assert!(lab.kernel.contains_key(&address));
    // Renewals, and a DISCOVER of a bound client, ask nobody, and keep it.
    assert_eq!(lab.renew(1, address).unwrap().message(), MessageType::Ack);
    assert_eq!(lab.discover(1).unwrap().yiaddr(), address);
    assert_eq!(lab.select(1, address).unwrap().message(), MessageType::Ack);
    assert_eq!(subscriber(&lab, address), alice().subscriber);
    let mut lab = lab.restart(asking(), 5);
    assert_eq!(lab.renew(1, address).unwrap().message(), MessageType::Ack);
    let reboot = MessageBuilder::request_init_reboot(mac(1), address);
    assert_eq!(lab.broadcast(&reboot).unwrap().message(), MessageType::Ack);
    assert!(lab.questions.is_empty());
    assert_eq!(subscriber(&lab, address), alice().subscriber);
}

#[test]
fn a_group_that_asks_nobody_waits_for_nobody() {
    let mut config = asking();
    config.groups[0].authenticate = false;
    let mut lab = Lab::new(config);
    lab.lease(1);
    assert!(lab.questions.is_empty());
}

#[test]
fn who_is_rejected_or_not_answered_for_hears_nothing() {
    let mut lab = Lab::new(asking());
    assert!(lab.discover(1).is_none());
    answer(&mut lab, Authorization::Rejected);
    assert_eq!(lab.dropped(DropReason::AccessRejected), 1);
    assert!(lab.discover(1).is_none());
    answer(&mut lab, Authorization::Unavailable);
    assert_eq!(lab.dropped(DropReason::AccessTimeout), 1);
    assert!(lab.discover(1).is_none());
    lab.pass(70);
    assert_eq!(lab.dropped(DropReason::AccessTimeout), 2, "nobody answered at all");
    answer(&mut lab, accepted(alice()));
    assert!(lab.heard.is_empty(), "a late answer serves nobody");
    assert_eq!(lab.engine.counters().late_policy_answers, 1);
    lease(&mut lab, 1, alice());
}

#[test]
fn a_retransmission_asks_once_and_is_answered_by_its_own_xid() {
    let mut lab = Lab::new(asking());
    assert!(lab.discover(1).is_none());
    assert!(lab.discover(1).is_none());
    assert_eq!(lab.questions.len(), 1);
    assert_eq!(lab.dropped(DropReason::Duplicate), 1);
    let xid = lab.xid;
    answer(&mut lab, accepted(alice()));
    assert_eq!(lab.heard.pop().unwrap().packet().xid().0, xid);
    assert!(lab.heard.is_empty());
}

#[test]
fn another_line_is_another_question() {
    let mut lab = Lab::new(asking());
    let on = |line: &[u8]| MessageBuilder::discover(mac(1)).option(OptionCode::RELAY_AGENT_INFORMATION, line);
    assert!(lab.broadcast(&on(&[1, 1, b'a'])).is_none());
    assert!(lab.broadcast(&on(&[1, 1, b'b'])).is_none());
    assert_eq!(lab.questions.len(), 2, "what is granted to one line is not granted to another");
    answer(&mut lab, accepted(alice()));
    let offer = lab.heard.pop().unwrap();
    assert_eq!(offer.option(OptionCode::RELAY_AGENT_INFORMATION), Some(vec![1, 1, b'a']));
}

#[test]
fn a_granted_pool_holds_for_the_whole_session() {
    let mut lab = Lab::new(asking());
    let address = lease(&mut lab, 1, in_pool("gold"));
    assert_eq!(address, golden(10));
    assert_eq!(lab.renew(1, address).unwrap().message(), MessageType::Ack);
    assert_eq!(lab.discover(1).unwrap().yiaddr(), address);
    assert_eq!(lab.select(1, address).unwrap().message(), MessageType::Ack);
    let mut lab = lab.restart(asking(), 5);
    assert_eq!(lab.discover(1).unwrap().yiaddr(), address);
    assert_eq!(lab.select(1, address).unwrap().message(), MessageType::Ack);
    assert!(lab.questions.is_empty());
}

#[test]
fn a_granted_address_is_that_or_none() {
    let mut lab = Lab::new(asking());
    assert_eq!(lease(&mut lab, 1, at(golden(11))), golden(11));
    assert!(lab.discover(2).is_none());
    answer(&mut lab, accepted(at(golden(11))));
    assert!(lab.heard.is_empty(), "it is taken");
    assert_eq!(lab.dropped(DropReason::NoAddresses), 1);
    for grant in [at(ip(99)), in_pool("no-such-pool")] {
        assert!(lab.discover(2).is_none());
        answer(&mut lab, accepted(grant));
        assert!(lab.heard.is_empty());
    }
    assert_eq!(lab.dropped(DropReason::InvalidSubnet), 2);
}

#[test]
fn a_granted_group_serves_the_session() {
    let mut config = asking();
    let mut other = config.groups[0].clone();
    other.name = "business".into();
    other.reconfigure = None;
    config.groups.push(other);
    let mut lab = Lab::new(config);
    let grant = Grant { steer: Steer { group: Some("business".into()), ..Steer::default() }, ..alice() };
    let address = lease(&mut lab, 1, grant);
    lab.renew(1, address).unwrap();
    let session = lab.record(address).unwrap().key.session;
    assert_eq!(&*lab.identities[&session].group, "business");
}

#[test]
fn a_lease_ends_with_the_session() {
    let mut lab = Lab::new(asking());
    let address = lease(&mut lab, 1, Grant { session_secs: Some(1_000), ..alice() });
    let secs = |heard: &crate::lab::Heard| {
        let value = heard.option(OptionCode::IP_ADDRESS_LEASE_TIME).unwrap();
        u32::from_be_bytes(value.try_into().unwrap())
    };
    lab.jump(400);
    assert_eq!(secs(&lab.renew(1, address).unwrap()), 600);
    let mut lab = lab.restart(asking(), 100);
    assert_eq!(secs(&lab.renew(1, address).unwrap()), 500);
    lab.jump(502);
    assert_eq!(lab.state(address), Some(DurableState::Expired));
    // It comes back as a newcomer.
    assert!(lab.discover(1).is_none());
    assert_eq!(lab.questions.len(), 1);
}

#[test]
fn a_shorter_lease_of_a_plugin_is_given() {
    let mut lab = Lab::new(asking());
    let grant = Grant { steer: Steer { lease_secs: Some(300), ..Steer::default() }, ..alice() };
    let address = lease(&mut lab, 1, grant);
    let ack = lab.renew(1, address).unwrap();
    assert_eq!(ack.option(OptionCode::IP_ADDRESS_LEASE_TIME), Some(300u32.to_be_bytes().to_vec()));
}

#[test]
fn a_request_that_a_restart_made_us_forget_is_asked_about() {
    let mut lab = Lab::new(asking());
    assert!(lab.select(1, ip(10)).is_none());
    answer(&mut lab, accepted(alice()));
    assert_eq!(lab.heard.pop().unwrap().message(), MessageType::Ack);
    assert_eq!(subscriber(&lab, ip(10)), alice().subscriber);
    // It may have been granted another address than the one that it names.
    assert!(lab.select(2, ip(11)).is_none());
    answer(&mut lab, accepted(at(ip(12))));
    assert_eq!(lab.heard.pop().unwrap().message(), MessageType::Nak);
    // A request to another server, and a reboot of somebody unknown, are nobody's question.
    let other = MessageBuilder::request_selecting(mac(3), ip(12), ip(250));
    assert!(lab.broadcast(&other).is_none());
    assert!(lab.broadcast(&MessageBuilder::request_init_reboot(mac(3), ip(12))).is_none());
    assert!(lab.questions.is_empty());
}

#[test]
fn a_returning_client_is_asked_about_anew() {
    let mut lab = Lab::new(asking());
    let address = lease(&mut lab, 1, alice());
    lab.unicast(&MessageBuilder::release(mac(1), address, crate::lab::SERVER), address);
    assert_eq!(lab.state(address), Some(DurableState::Released));
    let bob = Subscriber { username: "bob".into(), ..Subscriber::default() };
    assert_eq!(lease(&mut lab, 1, Grant { subscriber: bob.clone(), ..Grant::default() }), address);
    assert_eq!(subscriber(&lab, address), bob, "nothing of the former grant is left");
    lab.jump(4_000);
    assert_eq!(lab.state(address), Some(DurableState::Expired));
    assert!(lab.broadcast(&MessageBuilder::request_renewing(mac(1), address)).is_none());
    answer(&mut lab, accepted(alice()));
    assert_eq!(lab.heard.pop().unwrap().message(), MessageType::Ack);
    assert_eq!(subscriber(&lab, address), alice().subscriber);
}

#[test]
fn what_happens_to_a_session_is_told_when_it_is_durable() {
    let mut lab = Lab::new(asking());
    assert!(lab.discover(1).is_none());
    answer(&mut lab, accepted(alice()));
    let address = lab.heard.pop().unwrap().yiaddr();
    lab.prompt = false;
    lab.select(1, address);
    assert!(lab.news.is_empty());
    lab.answer_store();
    lab.prompt = true;
    lab.answer_routes();
    lab.renew(1, address);
    lab.unicast(&MessageBuilder::release(mac(1), address, crate::lab::SERVER), address);
    let told: Vec<_> = lab.news.iter().map(|news| (news.change, news.account, news.session.address)).collect();
    let of = |change| (change, true, address);
    assert_eq!(told, [of(SessionChange::Bound), of(SessionChange::Renewed), of(SessionChange::Released)]);
    assert_eq!(&*lab.news[2].session.subscriber.username, "alice");
    let mut config = asking();
    config.groups[0].account = false;
    let mut lab = Lab::new(config);
    lease(&mut lab, 1, alice());
    assert!(lab.news.is_empty(), "nobody listens");
}

pub(crate) fn change(lab: &mut Lab, keys: DisconnectKeys, change: AuthorizationChange) -> Option<Disconnected> {
    match lab.command(Verb::ChangeAuthorization { keys, change, attributes: Vec::new() })? {
        Reply::Disconnected(outcome) => Some(outcome),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn user(name: &str) -> DisconnectKeys {
    DisconnectKeys { username: Some(name.into()), ..DisconnectKeys::default() }
}

#[test]
fn a_change_of_authorization_sets_the_end_of_service() {
    let mut lab = Lab::new(asking());
    let address = lease(&mut lab, 1, alice());
    let ends = AuthorizationChange { session_secs: Some(500), ..AuthorizationChange::default() };
    lab.prompt = false;
    assert_eq!(change(&mut lab, user("alice"), ends.clone()), None, "not before it is durable");
    lab.answer_store();
    assert!(matches!(lab.replies[..], [(_, Reply::Disconnected(Disconnected::Changed))]));
    lab.prompt = true;
    assert_eq!(lab.news.last().unwrap().change, SessionChange::Reauthorized);
    let mut lab = lab.restart(asking(), 0);
    let ack = lab.renew(1, address).unwrap();
    let secs = u32::from_be_bytes(ack.option(OptionCode::IP_ADDRESS_LEASE_TIME).unwrap().try_into().unwrap());
    assert!((490..=500).contains(&secs), "{secs}");
    assert_eq!(change(&mut lab, user("bob"), ends.clone()), Some(Disconnected::NotFound));
    lab.input(Input::StoreFailed);
    assert_eq!(change(&mut lab, user("alice"), ends), Some(Disconnected::Failed));
}

#[test]
fn a_session_that_begins_anew_in_the_same_second_is_told_apart() {
    let mut lab = Lab::new(asking());
    lease(&mut lab, 1, alice());
    lab.clear(Filter::All);
    lease(&mut lab, 1, alice());
    lab.clear(Filter::All);
    lease(&mut lab, 1, alice());
    let begun = lab.news.iter().filter(|news| news.change == SessionChange::Bound);
    let ids: std::collections::BTreeSet<_> = begun.map(|news| (news.session.session, news.session.start)).collect();
    assert_eq!(ids.len(), 3, "{ids:?}");
}

#[test]
fn who_asks_often_is_kept_no_longer_than_granted() {
    let mut lab = Lab::new(asking());
    let address = lease(&mut lab, 1, alice());
    let over = AuthorizationChange { session_secs: Some(0), ..AuthorizationChange::default() };
    assert_eq!(change(&mut lab, user("alice"), over), Some(Disconnected::Changed));
    assert_eq!(lab.renew(1, address).unwrap().message(), MessageType::Nak);
    assert_eq!(lab.state(address), Some(DurableState::Cleared));
    // It starts anew as a newcomer.
    assert!(lab.discover(1).is_none());
    assert_eq!(lab.questions.len(), 1);
}

#[test]
fn a_change_of_pool_moves_the_client() {
    let mut lab = Lab::new(asking());
    let address = lease(&mut lab, 1, alice());
    let first = lab.record(address).unwrap().key.session;
    let to_gold = AuthorizationChange { pool: Some("gold".into()), ..AuthorizationChange::default() };
    assert_eq!(change(&mut lab, user("alice"), to_gold), Some(Disconnected::Reconfiguring));
    assert_eq!(lab.heard.pop().unwrap().message(), MessageType::ForceRenew);
    let mut lab = lab.restart(asking(), 1);
    assert_eq!(lab.renew(1, address).unwrap().message(), MessageType::Nak);
    // The server is asked again, and may not know better.
    lab.heard.clear();
    assert_eq!(lease(&mut lab, 1, alice()), golden(10));
    let (stop, start) = (&lab.news[0], &lab.news[1]);
    assert_eq!((stop.change, stop.moved), (SessionChange::Cleared, true));
    assert_eq!((start.change, start.session.address), (SessionChange::Bound, golden(10)));
    assert_eq!((stop.session.multi_session, start.session.multi_session), (first, first));
    assert_ne!((stop.session.session, stop.session.start), (start.session.session, start.session.start));
    let kept = subscriber(&lab, golden(10));
    assert_eq!((kept.next_pool, kept.follows), (None, Some(first)), "the wish holds once");
    let by_first = DisconnectKeys { multi_session: Some(first), ..DisconnectKeys::default() };
    let nothing = AuthorizationChange::default();
    assert_eq!(change(&mut lab, by_first, nothing), Some(Disconnected::Changed));
    assert!(!lab.kernel.contains_key(&address));
}

#[test]
fn what_cannot_be_changed_is_refused() {
    let mut lab = Lab::new(asking());
    let address = lease(&mut lab, 1, alice());
    let pool = |name: &str| AuthorizationChange { pool: Some(name.into()), ..AuthorizationChange::default() };
    let address_of = |address| AuthorizationChange { address: Some(address), ..AuthorizationChange::default() };
    assert_eq!(change(&mut lab, user("alice"), pool("no-such-pool")), Some(Disconnected::BadValue));
    assert_eq!(change(&mut lab, user("alice"), address_of(ip(99))), Some(Disconnected::BadValue));
    assert_eq!(change(&mut lab, user("alice"), address_of(address)), Some(Disconnected::Changed), "it has it");
    let mut config = asking();
    config.groups[0].reconfigure = None;
    let mut lab = lab.restart(config, 1);
    assert_eq!(change(&mut lab, user("alice"), pool("gold")), Some(Disconnected::Unsupported));
}

#[test]
fn a_user_with_two_sessions_is_told_apart() {
    let mut lab = Lab::new(asking());
    let first = lease(&mut lab, 1, alice());
    let second = lease(&mut lab, 2, alice());
    let nothing = AuthorizationChange::default;
    assert_eq!(change(&mut lab, user("alice"), nothing()), Some(Disconnected::Several));
    let record = lab.record(second).unwrap();
    let keys = DisconnectKeys {
        session: Some(record.key.session),
        start: Some(record.start),
        address: Some(second),
        ..user("alice")
    };
    assert_eq!(change(&mut lab, keys.clone(), nothing()), Some(Disconnected::Changed));
    let stale = DisconnectKeys { start: Some(LeaseTime(record.start.0 + 1)), ..keys };
    assert_eq!(change(&mut lab, stale, nothing()), Some(Disconnected::NotFound));
    lab.clear(Filter::Address(first));
    assert_eq!(change(&mut lab, user("alice"), nothing()), Some(Disconnected::Changed), "one is left");
}

#[test]
fn framed_routes_are_kept() {
    let mut lab = Lab::new(asking());
    let mut grant = alice();
    grant.subscriber.route.extra.push(ExtraRoute { network: Ipv4Addr::new(10, 9, 0, 0), len: 24 });
    let address = lease(&mut lab, 1, grant.clone());
    assert_eq!(subscriber(&lab, address).route, grant.subscriber.route);
    let rows = lab.command(Verb::Bindings { filter: Filter::All, cursor: Cursor::START });
    assert!(matches!(rows, Some(Reply::Bindings { rows, .. }) if *rows[0].subscriber.username == *"alice"));
}

#[test]
fn a_bound_client_renews_where_no_newcomer_could_be_served() {
    let mut lab = Lab::new(asking());
    let address = lease(&mut lab, 1, alice());
    lab.input(Input::LinkSet(crate::lab::link(IfIndex(1), "up0", &[(crate::lab::SERVER, 24)])));
    lab.input(Input::LinkSet(crate::lab::link(LINK, "eth1", &[(Ipv4Addr::new(10, 0, 0, 1), 24)])));
    assert_eq!(lab.renew(1, address).unwrap().message(), MessageType::Ack);
    assert!(lab.discover(2).is_none());
    assert!(lab.questions.is_empty());
    assert_eq!(lab.dropped(DropReason::InvalidSubnet), 1);
}

#[test]
fn those_who_wait_are_bounded() {
    let mut lab = Lab::new(asking());
    for client in 0..=bindery_engine::access::WAITING_MAX {
        let bytes = MessageBuilder::discover(bindery_types::MacAddr([2, 9, 0, 0, (client >> 8) as u8, client as u8]));
        let bytes = bytes.xid(client as u32).build();
        let meta =
            RxMeta { link: LINK, src: Ipv4Addr::UNSPECIFIED, src_port: 68, dst: Ipv4Addr::BROADCAST, src_mac: None };
        lab.engine.handle(lab.now, Input::Datagram4 { meta, bytes: &bytes }, &mut bindery_engine::policy::NoPolicy);
        lab.engine.outbox().questions.clear();
    }
    lab.engine.check_invariants();
    assert_eq!(lab.dropped(DropReason::Overload), 1);
    lab.jump(70);
    assert_eq!(lab.dropped(DropReason::AccessTimeout), bindery_engine::access::WAITING_MAX as u64);
}
