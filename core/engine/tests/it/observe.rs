//! Counters by interface, and the history: what an operator is told of a client's life.

use crate::lab::{LINK, Lab, SERVER, config, ip, link, mac};
use bindery_engine::{
    Input,
    command::{Cursor, Filter, Reply, Verb},
    config::AddressProbe,
    event::{Counters, DropReason},
    history::{Actor, HistoryCursor, HistoryKey, HistoryView, What, Why},
    input::RxMeta,
    neighbour::Arp,
};
use bindery_types::{IfIndex, Ipv4Addr, MacAddr, SessionId};
use bindery_wire::v4::{MessageBuilder, MessageType, OptionCode};
use std::time::Duration;

const OTHER: IfIndex = IfIndex(8);

/// A second interface of the group, without an address of its own.
fn with_two_links() -> Lab {
    let mut lab = Lab::new(config());
    lab.input(Input::LinkSet(link(OTHER, "eth2", &[(Ipv4Addr::new(198, 51, 100, 1), 24)])));
    lab
}

fn counters(lab: &mut Lab, interface: &str) -> Option<Counters> {
    let verb = Verb::LinkStatistics { interface: Some(interface.into()), cursor: Cursor::START };
    match lab.command(verb) {
        Some(Reply::LinkStatistics { rows, next: None }) => rows.into_iter().next().map(|row| *row.counters),
        other => panic!("{other:?}"),
    }
}

fn dropped(counters: &Counters, reason: DropReason) -> u64 {
    counters.dropped[reason as usize]
}

fn history(lab: &mut Lab, key: HistoryKey) -> Vec<HistoryView> {
    let (mut all, mut cursor) = (Vec::new(), Some(HistoryCursor::default()));
    while let Some(at) = cursor {
        match lab.command(Verb::History { key: key.clone(), cursor: at }) {
            Some(Reply::History { rows, next }) => {
                all.extend(rows);
                cursor = next;
            }
            other => panic!("{other:?}"),
        }
    }
    all.sort_by_key(|view| (view.at, view.exchange));
    all
}

fn story(lab: &mut Lab, last: u8) -> Vec<(What, Why)> {
    history(lab, HistoryKey::Mac(mac(last))).into_iter().map(|view| (view.what, view.why)).collect()
}

#[test]
fn a_drop_moves_its_interface_and_the_total_by_one() {
    let mut lab = with_two_links();
    let release = MessageBuilder::release(mac(1), ip(10), SERVER);
    lab.packet_on(OTHER, &release, ip(10), SERVER);
    let (one, other) = (counters(&mut lab, "eth1").unwrap(), counters(&mut lab, "eth2").unwrap());
    assert_eq!(one, Counters::default());
    assert_eq!(dropped(&other, DropReason::ClientLookup), 1);
    assert_eq!(other.dropped.iter().sum::<u64>(), 1);
    assert_eq!(other.received[MessageType::Release as usize], 1);
    assert_eq!(lab.dropped(DropReason::ClientLookup), 1);
}

#[test]
fn messages_are_counted_at_the_interface_of_the_exchange() {
    let mut lab = with_two_links();
    lab.lease(1);
    let one = counters(&mut lab, "eth1").unwrap();
    assert_eq!((one.received[1], one.sent[2], one.received[3], one.sent[5]), (1, 1, 1, 1));
    assert_eq!(counters(&mut lab, "eth2").unwrap(), Counters::default());
}

#[test]
fn a_packet_of_no_known_interface_counts_in_the_total_alone() {
    let mut lab = with_two_links();
    lab.packet_on(IfIndex(99), &MessageBuilder::discover(mac(1)), Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST);
    assert_eq!(lab.dropped(DropReason::NoInterface), 1);
    assert_eq!(counters(&mut lab, "eth1").unwrap(), Counters::default());
}

#[test]
fn counters_go_with_their_interface_and_the_totals_stay() {
    let mut lab = with_two_links();
    lab.packet_on(OTHER, &MessageBuilder::release(mac(1), ip(10), SERVER), ip(10), SERVER);
    lab.input(Input::LinkGone(OTHER));
    assert_eq!(counters(&mut lab, "eth2"), None);
    assert_eq!(lab.dropped(DropReason::ClientLookup), 1);
    lab.input(Input::LinkSet(link(OTHER, "eth2", &[])));
    assert_eq!(counters(&mut lab, "eth2").unwrap(), Counters::default(), "another interface of that name");
}

#[test]
fn an_interface_that_changes_keeps_its_counters_and_one_that_is_renamed_does_not() {
    let mut lab = with_two_links();
    lab.packet_on(OTHER, &MessageBuilder::release(mac(1), ip(10), SERVER), ip(10), SERVER);
    lab.input(Input::LinkSet(link(OTHER, "eth2", &[])));
    assert_eq!(dropped(&counters(&mut lab, "eth2").unwrap(), DropReason::ClientLookup), 1);
    lab.input(Input::LinkSet(link(OTHER, "eth3", &[])));
    assert_eq!(counters(&mut lab, "eth3").unwrap(), Counters::default());
}

#[test]
fn counters_of_one_interface_are_cleared_alone() {
    let mut lab = with_two_links();
    for on in [LINK, OTHER] {
        lab.packet_on(on, &MessageBuilder::release(mac(1), ip(10), SERVER), ip(10), SERVER);
    }
    assert_eq!(lab.command(Verb::ClearLinkStatistics { interface: "eth2".into() }), Some(Reply::Cleared));
    assert_eq!(counters(&mut lab, "eth2").unwrap(), Counters::default());
    assert_eq!(dropped(&counters(&mut lab, "eth1").unwrap(), DropReason::ClientLookup), 1);
    assert_eq!(lab.dropped(DropReason::ClientLookup), 2);
    assert_eq!(lab.command(Verb::ClearLinkStatistics { interface: "eth9".into() }), Some(Reply::NoInterface));
    assert_eq!(lab.command(Verb::ClearStatistics), Some(Reply::Cleared));
    assert_eq!(counters(&mut lab, "eth1").unwrap(), Counters::default());
}

#[test]
fn all_interfaces_are_listed_by_pages() {
    let mut lab = Lab::new(config());
    for index in 100..700 {
        lab.input(Input::LinkSet(link(IfIndex(index), &format!("eth1.{index}"), &[])));
        let release = MessageBuilder::release(mac(1), ip(10), SERVER);
        lab.packet_on(IfIndex(index), &release, ip(10), SERVER);
    }
    let (mut names, mut cursor, mut pages) = (Vec::new(), Some(Cursor::START), 0);
    while let Some(at) = cursor {
        match lab.command(Verb::LinkStatistics { interface: Some("eth1.*".into()), cursor: at }) {
            Some(Reply::LinkStatistics { rows, next }) => {
                names.extend(rows.into_iter().map(|row| row.interface));
                cursor = next;
            }
            other => panic!("{other:?}"),
        }
        pages += 1;
    }
    assert_eq!((names.len(), pages), (600, 3));
}

#[test]
fn a_late_end_of_an_exchange_counts_at_its_interface() {
    let mut lab = with_two_links();
    lab.foreign.push(ip(10));
    let offer = lab.discover(1).unwrap();
    assert_eq!(offer.yiaddr(), ip(10));
    assert!(lab.select(1, ip(10)).is_none());
    assert_eq!(dropped(&counters(&mut lab, "eth1").unwrap(), DropReason::RouteFault), 1);
    let views = history(&mut lab, HistoryKey::Mac(mac(1)));
    let of_request: Vec<_> = views.iter().filter(|view| view.message == Some(MessageType::Request)).collect();
    assert!(of_request.len() >= 2, "bound, then dropped: {views:#?}");
    assert!(of_request.iter().all(|view| view.exchange == of_request[0].exchange), "one exchange: {of_request:#?}");
    assert!(of_request.iter().any(|view| view.dropped == Some(DropReason::RouteFault)));
    assert!(views.iter().any(|view| (view.what, view.why) == (What::Declined, Why::ForeignRoute)), "{views:#?}");
}

#[test]
fn the_history_tells_a_client_s_life() {
    let mut lab = Lab::new(config());
    lab.engine.set_revision(3);
    let address = lab.lease(1);
    lab.pass(10);
    lab.renew(1, address).expect("an ack");
    lab.engine.set_revision(4);
    lab.unicast(&MessageBuilder::release(mac(1), address, SERVER), address);
    let views = history(&mut lab, HistoryKey::Mac(mac(1)));
    let told: Vec<_> = views.iter().map(|view| (view.what, view.message, view.revision)).collect();
    assert_eq!(
        told,
        [
            (What::Offered, Some(MessageType::Discover), 3),
            (What::Bound, Some(MessageType::Request), 3),
            (What::Renewed, Some(MessageType::Request), 3),
            (What::Released, Some(MessageType::Release), 4),
        ]
    );
    assert!(views.iter().all(|view| view.address == address && &*view.interface == "eth1" && &*view.pool == "pool"));
    assert!(views.iter().all(|view| view.session == views[0].session && view.session.is_some()));
    assert_eq!(views[0].why, Why::NextFree);
    assert_eq!(views[3].why, Why::Client);
    assert_eq!(views[0].xid.0 + 1, views[1].xid.0);
    assert!(views.windows(2).all(|pair| pair[0].exchange < pair[1].exchange));
    // The same by what else it is known by.
    assert_eq!(history(&mut lab, HistoryKey::Address(address)), views);
    assert_eq!(history(&mut lab, HistoryKey::Session(views[0].session.unwrap())), views);
    assert_eq!(history(&mut lab, HistoryKey::Session(SessionId(77))), []);
}

#[test]
fn the_history_finds_a_client_identifier() {
    let mut lab = Lab::new(config());
    let named = |id: &[u8]| MessageBuilder::discover(mac(1)).option(OptionCode::CLIENT_IDENTIFIER, id);
    lab.broadcast(&named(b"\x00one"));
    lab.broadcast(&named(b"\x00two"));
    let found = history(&mut lab, HistoryKey::ClientId(b"\x00one"[..].into()));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].what, What::Offered);
    assert_eq!(history(&mut lab, HistoryKey::Mac(mac(1))).len(), 2);
    assert!(history(&mut lab, HistoryKey::ClientId(b"\x00none"[..].into())).is_empty());
}

#[test]
fn why_an_address_was_chosen() {
    let mut lab = Lab::new(config());
    let wish = |last| MessageBuilder::discover(mac(last)).address_option(OptionCode::REQUESTED_IP_ADDRESS, ip(12));
    lab.broadcast(&wish(1));
    lab.broadcast(&wish(1));
    assert_eq!(story(&mut lab, 1), [(What::Offered, Why::RequestedAddress), (What::Offered, Why::OwnSession)]);
    let address = lab.lease(2);
    lab.unicast(&MessageBuilder::release(mac(2), address, SERVER), address);
    lab.discover(2);
    assert_eq!(story(&mut lab, 2).last(), Some(&(What::Offered, Why::FormerAddress)));
}

/// The probe only puts the offer off; it is no reason for its address.
#[test]
fn why_an_address_was_chosen_that_was_probed() {
    let mut probing = config();
    probing.groups[0].overrides.address_probe = Some(AddressProbe::default());
    let mut lab = Lab::new(probing);
    let wait = |lab: &mut Lab| {
        lab.now.mono = lab.now.mono.plus(Duration::from_millis(500));
        lab.input(Input::Tick);
    };
    let wish = |last, at| MessageBuilder::discover(mac(last)).address_option(OptionCode::REQUESTED_IP_ADDRESS, ip(at));
    lab.broadcast(&wish(1, 12));
    wait(&mut lab);
    assert_eq!(story(&mut lab, 1), [(What::Offered, Why::RequestedAddress)]);
    // Another host has the one that was asked for: it is the next free one then.
    lab.broadcast(&wish(2, 13));
    let foreign = MacAddr([2, 0xee, 0, 0, 0, 9]);
    let (sender_ip, target_ip) = (ip(13), Ipv4Addr::UNSPECIFIED);
    lab.input(Input::Arp(Arp { link: LINK, sender_ip, sender_mac: foreign, target_ip }));
    wait(&mut lab);
    assert_eq!(story(&mut lab, 2).last(), Some(&(What::Offered, Why::NextFree)));
    // What waits no more has its own reason.
    lab.discover(1);
    assert_eq!(story(&mut lab, 1).last(), Some(&(What::Offered, Why::OwnSession)));
}

#[test]
fn why_a_client_was_refused() {
    let mut lab = Lab::new(config());
    let reboot = MessageBuilder::request_init_reboot(mac(1), Ipv4Addr::new(10, 9, 9, 9));
    assert_eq!(lab.broadcast(&reboot).unwrap().message(), MessageType::Nak);
    assert_eq!(story(&mut lab, 1), [(What::Refused, Why::WrongNetwork)]);
    let (first, second) = (lab.lease(2), lab.lease(3));
    assert_eq!(lab.select(3, first).unwrap().message(), MessageType::Nak);
    assert_eq!(story(&mut lab, 3).last(), Some(&(What::Refused, Why::NotTheClients)));
    lab.clear(Filter::Address(second));
    assert_eq!(lab.renew(3, second).unwrap().message(), MessageType::Nak);
    assert_eq!(story(&mut lab, 3).last(), Some(&(What::Refused, Why::EndedBefore)));
}

#[test]
fn who_ended_a_binding() {
    let mut lab = Lab::new(config());
    let address = lab.lease(1);
    lab.engine.set_actor(Actor::Operator(1_000));
    lab.clear(Filter::Address(address));
    let views = history(&mut lab, HistoryKey::Mac(mac(1)));
    let last = views.last().unwrap();
    assert_eq!((last.what, last.why, last.operator), (What::Cleared, Why::Operator, Some(1_000)));
    assert_eq!(last.message, None);
    // The next one has nothing to do with that operator.
    let address = lab.lease(2);
    lab.jump(4_000);
    let views = history(&mut lab, HistoryKey::Address(address));
    let last = views.iter().rfind(|view| view.mac == mac(2)).unwrap();
    assert_eq!((last.what, last.why, last.operator), (What::Expired, Why::Time, None));
}

#[test]
fn a_clear_that_waits_for_an_exchange_names_its_operator() {
    let mut lab = Lab::new(config());
    let address = lab.lease(1);
    // The lease that storage keeps runs ahead by less than this: the renewal needs a write.
    lab.jump(3_000);
    lab.prompt = false;
    lab.renew(1, address);
    lab.engine.set_actor(Actor::Operator(7));
    lab.clear(Filter::Address(address));
    lab.prompt = true;
    for _ in 0..4 {
        lab.answer_store();
        lab.answer_routes();
    }
    let views = history(&mut lab, HistoryKey::Mac(mac(1)));
    let cleared = views.iter().find(|view| view.what == What::Cleared).unwrap();
    assert_eq!((cleared.why, cleared.operator), (Why::Operator, Some(7)), "{views:#?}");
}

#[test]
fn an_offer_that_nobody_takes_is_told() {
    let mut lab = Lab::new(config());
    lab.discover(1);
    lab.jump(120);
    assert_eq!(story(&mut lab, 1), [(What::Offered, Why::NextFree), (What::Lapsed, Why::Time)]);
}

#[test]
fn a_client_without_an_address_is_told_why() {
    let mut lab = Lab::new(config());
    (1..=4).for_each(|last| _ = lab.lease(last));
    for _ in 0..3 {
        lab.discover(5);
    }
    let views = history(&mut lab, HistoryKey::Mac(mac(5)));
    assert_eq!(views.len(), 1, "the same again is one entry: {views:#?}");
    assert_eq!((views[0].dropped, views[0].times), (Some(DropReason::NoAddresses), 3));
    assert_eq!(views[0].session, None);
}

#[test]
fn garbage_is_told_of_its_sender() {
    let mut lab = Lab::new(config());
    let sender = MacAddr([2, 0xbb, 0, 0, 0, 1]);
    let meta = RxMeta {
        link: LINK,
        src: Ipv4Addr::UNSPECIFIED,
        src_port: 68,
        dst: Ipv4Addr::BROADCAST,
        src_mac: Some(sender),
    };
    lab.input(Input::Datagram4 { meta, bytes: b"short" });
    let views = history(&mut lab, HistoryKey::Mac(sender));
    assert_eq!(views.iter().map(|view| view.dropped).collect::<Vec<_>>(), [Some(DropReason::TooShort)]);
}

/// A flood of strangers turns only their own ring over.
#[test]
fn a_flood_washes_out_strangers_alone() {
    let mut lab = Lab::new(config());
    let address = lab.lease(1);
    lab.discover(2);
    for number in 0..40_000_u32 {
        let [_, a, b, c] = number.to_be_bytes();
        let stranger = MessageBuilder::release(MacAddr([2, 1, a, b, c, 0]), ip(200), SERVER);
        let bytes = stranger.xid(number).build();
        let meta = RxMeta { link: LINK, src: ip(200), src_port: 68, dst: SERVER, src_mac: None };
        lab.engine.handle(lab.now, Input::Datagram4 { meta, bytes: &bytes }, &mut bindery_engine::policy::NoPolicy);
    }
    lab.unicast(&MessageBuilder::request_renewing(mac(1), ip(99)), address);
    assert!(history(&mut lab, HistoryKey::Mac(mac(2))).is_empty(), "a stranger too");
    let told = story(&mut lab, 1);
    assert!(told.contains(&(What::Bound, Why::Unknown)), "{told:?}");
    assert!(told.iter().any(|(what, _)| *what == What::Refused || *what == What::Dropped), "{told:?}");
}

#[test]
fn a_query_is_bounded_by_page() {
    let mut lab = Lab::new(config());
    for number in 0..9_000_u32 {
        let [_, a, b, c] = number.to_be_bytes();
        let stranger = MessageBuilder::release(MacAddr([2, 1, a, b, c, 0]), ip(200), SERVER);
        let bytes = stranger.build();
        let meta = RxMeta { link: LINK, src: ip(200), src_port: 68, dst: SERVER, src_mac: None };
        lab.engine.handle(lab.now, Input::Datagram4 { meta, bytes: &bytes }, &mut bindery_engine::policy::NoPolicy);
    }
    let key = HistoryKey::Address(ip(200));
    let Some(Reply::History { rows, next: Some(next) }) =
        lab.command(Verb::History { key: key.clone(), cursor: HistoryCursor::default() })
    else {
        panic!("a page");
    };
    assert_eq!(rows.len(), bindery_engine::history::HISTORY_PAGE);
    let Some(Reply::History { rows, .. }) = lab.command(Verb::History { key: key.clone(), cursor: next }) else {
        panic!("a page");
    };
    assert_eq!(rows.len(), bindery_engine::history::HISTORY_PAGE);
    assert_eq!(history(&mut lab, key).len(), 9_000);
}

#[test]
fn nothing_of_the_history_survives_a_restart() {
    let mut lab = Lab::new(config());
    lab.lease(1);
    let mut lab = lab.restart(config(), 5);
    assert!(story(&mut lab, 1).is_empty());
}

#[test]
fn entries_go_to_the_outbox_where_that_is_asked_for() {
    let mut lab = Lab::new(config());
    lab.lease(1);
    assert!(lab.engine.outbox().traces.is_empty());
    lab.engine.set_traced(true);
    lab.lease(2);
    let traced: Vec<_> = lab.engine.outbox().traces.drain(..).map(|view| (view.what, view.mac)).collect();
    assert_eq!(traced, [(What::Offered, mac(2)), (What::Bound, mac(2))]);
}

#[test]
fn gauges_are_kept_numbers() {
    let mut lab = Lab::new(config());
    lab.lease(1);
    lab.discover(2);
    let Some(Reply::Gauges(gauges)) = lab.command(Verb::Gauges) else { panic!("gauges") };
    let count = |name: &str| gauges.sessions.iter().find(|(state, _)| *state == name).unwrap().1;
    assert_eq!((count("bound"), count("offered"), count("cleared")), (1, 1, 0));
    assert!(gauges.store_up);
    assert_eq!(gauges.pools[0].used(), 2);
    lab.input(Input::StoreFailed);
    let Some(Reply::Gauges(gauges)) = lab.command(Verb::Gauges) else { panic!("gauges") };
    assert!(!gauges.store_up);
}
