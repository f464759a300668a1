//! What is asked of the segment and heard there: address probes, liveness detection, foreign servers.

use crate::lab::{LINK, Lab, SERVER, config, ip, link, mac};
use bindery_engine::{
    Input,
    command::{Cursor, Filter, PublicState, Reply, Verb},
    config::{AddressProbe, Config, FailureAction, Lease, Liveness},
    event::{DropReason, Event},
    input::RxMeta,
    neighbour::{
        Arp, NeighbourCounters, Probe,
        liveness::{LivenessState, RETRY},
        rogue::{Evidence, QUIET_SECS, ROGUES_MAX, RogueView},
    },
    record::DurableState,
};
use bindery_types::{IfIndex, Ipv4Addr, MacAddr};
use bindery_wire::v4::{MessageBuilder, MessageType, OptionCode};
use std::{sync::Arc, time::Duration};

const FOREIGN: MacAddr = MacAddr([2, 0xee, 0, 0, 0, 9]);
const OURS: MacAddr = MacAddr([2, 0xff, 0, 0, 0, 1]);

fn probing(probe: AddressProbe) -> Config {
    let mut config = config();
    config.groups[0].overrides.address_probe = Some(probe);
    config
}

fn watching(liveness: Liveness) -> Config {
    let mut config = config();
    config.groups[0].liveness = Some(liveness);
    config.pools[0].attributes.lease = Lease::Secs(86_400);
    config
}

/// Moves the clock on and ticks while something is due.
fn wait(lab: &mut Lab, millis: u64) {
    lab.now.mono = lab.now.mono.plus(Duration::from_millis(millis));
    lab.input(Input::Tick);
}

fn says(lab: &mut Lab, sender_ip: Ipv4Addr, sender_mac: MacAddr) {
    lab.input(Input::Arp(Arp { link: LINK, sender_ip, sender_mac, target_ip: Ipv4Addr::UNSPECIFIED }));
}

/// What was counted at the interface: the only one here, so it has all of it.
fn on_the_interface(lab: &mut Lab) -> NeighbourCounters {
    let verb = Verb::LinkStatistics { interface: Some("eth1".into()), cursor: Cursor::START };
    let Some(Reply::LinkStatistics { rows, .. }) = lab.command(verb) else { panic!() };
    rows[0].counters.neighbours
}

fn asked(lab: &mut Lab) -> Vec<Ipv4Addr> {
    lab.probes.drain(..).map(|probe| probe.target).collect()
}

/// RFC 2131 §3.1 step 2, §4.4.1: the server SHOULD probe the address; RFC 5227 §2.1.1 gives the form.
#[test]
fn an_offer_waits_for_the_probe_rfc2131_3_1() {
    let mut lab = Lab::new(probing(AddressProbe::default()));
    lab.pass(1);
    assert!(lab.discover(1).is_none());
    let target = ip(10);
    let (to, sender_ip) = (MacAddr::BROADCAST, Ipv4Addr::UNSPECIFIED);
    assert_eq!(lab.probes, [Probe { link: LINK, to, sender_mac: OURS, sender_ip, target }]);
    assert_eq!(lab.engine.next_timeout(), lab.now.mono.plus(Duration::from_millis(500)));
    wait(&mut lab, 499);
    assert!(lab.heard.is_empty());
    wait(&mut lab, 1);
    let offer = lab.heard.remove(0);
    assert_eq!((offer.message(), offer.yiaddr()), (MessageType::Offer, target));
    assert_eq!(lab.select(1, target).expect("an ack").message(), MessageType::Ack);
    // A renewal never probes, nor does the DISCOVER of who has the address.
    assert_eq!(lab.renew(1, target).expect("an ack").message(), MessageType::Ack);
    assert_eq!(lab.discover(1).expect("an offer").yiaddr(), target);
    assert_eq!(lab.probes.len(), 1);
    assert_eq!(lab.engine.counters().neighbours.address_probes, 1);
}

#[test]
fn without_the_statement_nothing_is_asked() {
    let mut lab = Lab::new(config());
    lab.lease(1);
    assert!(lab.probes.is_empty());
}

/// RFC 2131 §4.1: a client retransmits while it waits; it is answered once, by its newest xid.
#[test]
fn retransmissions_join_the_probe() {
    let mut lab = Lab::new(probing(AddressProbe::default()));
    lab.discover(1);
    wait(&mut lab, 200);
    lab.discover(1);
    assert_eq!((asked(&mut lab), lab.dropped(DropReason::Duplicate)), (vec![ip(10)], 1));
    wait(&mut lab, 300);
    assert_eq!(lab.heard.len(), 1);
    assert_eq!(lab.heard[0].packet().xid().0, lab.xid);
    // It has an offer now: the next DISCOVER is answered at once.
    lab.heard.clear();
    assert_eq!(lab.discover(1).expect("an offer").yiaddr(), ip(10));
    assert!(lab.probes.is_empty());
}

#[test]
fn attempts_are_sent_one_timeout_apart() {
    let mut lab = Lab::new(probing(AddressProbe { timeout_millis: 100, attempts: 3, ..AddressProbe::default() }));
    lab.discover(1);
    for number in 1..=3 {
        assert!(lab.heard.is_empty());
        assert_eq!(lab.probes.len(), number);
        wait(&mut lab, 100);
    }
    assert_eq!((lab.heard.len(), lab.probes.len()), (1, 3));
}

/// RFC 2131 §3.1 step 2, §4.3.3: an address in use is held like a declined one, and the client gets another.
#[test]
fn an_answer_of_another_host_quarantines_the_address_rfc2131_4_4_1() {
    let mut lab = Lab::new(probing(AddressProbe::default()));
    lab.discover(1);
    says(&mut lab, ip(10), FOREIGN);
    assert_eq!(asked(&mut lab), [ip(10), ip(11)]);
    assert!(lab.heard.is_empty());
    assert_eq!(lab.state(ip(10)), Some(DurableState::Declined));
    assert!(lab.events.iter().any(|event| matches!(
        event,
        Event::AddressInUse { link: LINK, mac: FOREIGN, address, .. } if *address == ip(10)
    )));
    wait(&mut lab, 500);
    assert_eq!(lab.heard.remove(0).yiaddr(), ip(11));
    let Some(Reply::Pools(pools)) = lab.command(Verb::Pools) else { panic!() };
    assert_eq!((pools[0].used(), pools[0].quarantined), (1, 1));
    let counted = lab.engine.counters().neighbours;
    assert_eq!((counted.address_probes, counted.addresses_in_use), (2, 1));
    assert_eq!(on_the_interface(&mut lab), counted);
    // The operator sees whose it is, and that outlives a restart.
    let config = probing(AddressProbe::default());
    let mut lab = lab.restart(config, 1);
    let verb = Verb::Bindings { filter: Filter::Address(ip(10)), cursor: Cursor::START };
    let Some(Reply::Bindings { rows, .. }) = lab.command(verb) else { panic!() };
    assert_eq!((rows[0].hw.mac(), rows[0].state), (Some(FOREIGN), PublicState::Ended(DurableState::Declined)));
    let Some(Reply::Pools(pools)) = lab.command(Verb::Pools) else { panic!() };
    assert_eq!(pools[0].quarantined, 1);
}

/// RFC 5227 §2.1.1: a host that probes for the same address is a conflict too.
#[test]
fn a_probe_of_another_host_is_an_answer_rfc5227_2_1_1() {
    let mut lab = Lab::new(probing(AddressProbe::default()));
    lab.discover(1);
    let claim =
        |sender_mac| Input::Arp(Arp { link: LINK, sender_ip: Ipv4Addr::UNSPECIFIED, sender_mac, target_ip: ip(10) });
    // Our own, and the client's own: no conflict.
    lab.input(claim(OURS));
    lab.input(claim(mac(1)));
    assert_eq!(asked(&mut lab), [ip(10)]);
    lab.input(claim(FOREIGN));
    assert_eq!(asked(&mut lab), [ip(11)]);
}

#[test]
fn the_clients_own_answer_is_no_conflict() {
    let mut lab = Lab::new(probing(AddressProbe::default()));
    lab.discover(1);
    says(&mut lab, ip(10), mac(1));
    // Of another address, or on another interface: nothing to do with it.
    says(&mut lab, ip(11), FOREIGN);
    lab.input(Input::LinkSet(link(IfIndex(8), "eth2", &[(Ipv4Addr::new(198, 51, 100, 1), 24)])));
    let elsewhere = Arp { link: IfIndex(8), sender_ip: ip(10), sender_mac: FOREIGN, target_ip: ip(10) };
    lab.input(Input::Arp(elsewhere));
    wait(&mut lab, 500);
    assert_eq!(lab.heard.remove(0).yiaddr(), ip(10));
}

/// A segment on which everything is in use keeps nobody busy for ever.
#[test]
fn tries_are_bounded() {
    let mut config = probing(AddressProbe::default());
    config.pools[0].ranges[0].high = ip(40);
    let mut lab = Lab::new(config);
    lab.discover(1);
    for _ in 0..10 {
        for target in asked(&mut lab) {
            says(&mut lab, target, FOREIGN);
        }
    }
    assert!(lab.heard.is_empty() && lab.probes.is_empty());
    assert_eq!(lab.dropped(DropReason::AddressInUse), 1);
    assert_eq!(lab.engine.counters().neighbours.addresses_in_use, 4);
    // Its next DISCOVER goes on from there.
    lab.discover(1);
    assert_eq!(asked(&mut lab), [ip(14)]);
}

/// An address that a relayed client is offered cannot be asked for by ARP.
#[test]
fn relayed_clients_are_not_probed_for() {
    let mut lab = Lab::new(probing(AddressProbe::default()));
    let discover = MessageBuilder::discover(mac(1)).giaddr(ip(2));
    assert_eq!(lab.unicast(&discover, ip(2)).expect("an offer").message(), MessageType::Offer);
    assert!(lab.probes.is_empty());
}

/// RFC 2131 §4.3.1: a client gets its last address again; nobody else had it meanwhile, so it is probed only on demand.
#[test]
fn a_returning_client_is_probed_for_only_where_the_configuration_says_so() {
    for returning in [false, true] {
        let mut lab = Lab::new(probing(AddressProbe { returning, ..AddressProbe::default() }));
        lab.discover(1);
        wait(&mut lab, 500);
        lab.heard.clear();
        lab.select(1, ip(10)).expect("an ack");
        lab.unicast(&MessageBuilder::release(mac(1), ip(10), SERVER), ip(10));
        assert_eq!(lab.state(ip(10)), Some(DurableState::Released));
        assert_eq!(lab.discover(1).is_none(), returning);
        assert_eq!(lab.probes.len(), 1 + usize::from(returning));
    }
}

#[test]
fn where_too_many_wait_an_offer_leaves_without_a_probe() {
    let mut config = probing(AddressProbe::default());
    config.pools[0].network = "10.0.0.0/16".parse().unwrap();
    config.pools[0].ranges[0].low = Ipv4Addr::new(10, 0, 1, 0);
    config.pools[0].ranges[0].high = Ipv4Addr::new(10, 0, 40, 0);
    let mut lab = Lab::new(config);
    lab.input(Input::LinkSet(link(LINK, "eth1", &[(Ipv4Addr::new(10, 0, 0, 1), 16)])));
    for number in 0..bindery_engine::neighbour::PROBES_MAX {
        let [high, low] = u16::try_from(number).unwrap().to_be_bytes();
        let client = MacAddr([2, 1, 0, 0, high, low]);
        assert!(lab.broadcast(&MessageBuilder::discover(client)).is_none());
    }
    assert!(lab.discover(1).is_some());
    assert_eq!(lab.engine.counters().neighbours.probes_skipped, 1);
    // All that wait are answered, a slice a turn.
    for _ in 0..32 {
        wait(&mut lab, 100);
    }
    assert_eq!(lab.heard.len(), bindery_engine::neighbour::PROBES_MAX);
}

/// What waits is judged anew when the wait is over.
#[test]
fn an_offer_that_was_taken_back_meanwhile_does_not_leave() {
    let mut lab = Lab::new(probing(AddressProbe::default()));
    lab.discover(1);
    lab.clear(Filter::Mac(mac(1)));
    wait(&mut lab, 500);
    assert!(lab.heard.is_empty());
    assert_eq!(lab.dropped(DropReason::ClientLookup), 1);
    // A sick store: silence, and the address is nobody's.
    lab.probes.clear();
    lab.discover(1);
    let target = lab.probes[0].target;
    lab.input(Input::StoreFailed);
    says(&mut lab, target, FOREIGN);
    assert_eq!(lab.dropped(DropReason::StoreFault), 1);
    assert_eq!(lab.state(target), None);
}

/// Who waited for one address and is offered another one is asked for that.
#[test]
fn a_client_that_had_a_session_waits_for_the_address_that_it_is_offered_now() {
    let mut lab = Lab::new(probing(AddressProbe::default()));
    lab.discover(1);
    wait(&mut lab, 500);
    lab.select(1, ip(10)).expect("an ack");
    lab.unicast(&MessageBuilder::release(mac(1), ip(10), SERVER), ip(10));
    let mut config = probing(AddressProbe::default());
    config.pools[0].ranges[0].low = ip(11);
    lab.input(Input::Configure(Arc::new(config)));
    lab.heard.clear();
    lab.probes.clear();
    lab.discover(1);
    assert_eq!(asked(&mut lab), [ip(11)]);
    // The offer is taken back while its probe waits.
    lab.clear(Filter::Mac(mac(1)));
    let wish = ip(13);
    let discover = MessageBuilder::discover(mac(1)).option(OptionCode::REQUESTED_IP_ADDRESS, &wish.octets());
    lab.broadcast(&discover);
    assert_eq!((asked(&mut lab), lab.heard.len()), (vec![wish], 0));
    wait(&mut lab, 499);
    assert!(lab.heard.is_empty());
    wait(&mut lab, 1);
    assert_eq!(lab.heard.remove(0).yiaddr(), wish);
}

#[test]
fn an_operator_clears_a_quarantine_by_its_address() {
    let mut lab = Lab::new(config());
    let address = lab.lease(1);
    lab.broadcast(&MessageBuilder::decline(mac(1), address, SERVER));
    assert_eq!(lab.state(address), Some(DurableState::Declined));
    // `all` is about clients.
    let cleared = |count| Some(Reply::ClearedBindings { count, failed: false, next: None });
    assert_eq!(lab.clear(Filter::All), cleared(0));
    let inside = |instance: &str| Filter::Instance(instance.into(), Box::new(Filter::Address(address)));
    assert_eq!(lab.clear(inside("other")), cleared(0));
    assert_eq!(lab.clear(inside("default")), cleared(1));
    assert_eq!(lab.state(address), None);
    let Some(Reply::Pools(pools)) = lab.command(Verb::Pools) else { panic!() };
    assert_eq!((pools[0].used(), pools[0].quarantined), (0, 0));
}

fn liveness_of(lab: &mut Lab, address: Ipv4Addr) -> Option<LivenessState> {
    let verb = Verb::Bindings { filter: Filter::Address(address), cursor: Cursor::START };
    let Some(Reply::Bindings { rows, .. }) = lab.command(verb) else { panic!("no rows") };
    rows.first().and_then(|row| row.liveness)
}

/// Lets time pass until somebody is asked for `address`, at most `secs`.
fn until_asked(lab: &mut Lab, address: Ipv4Addr, secs: u64) -> Probe {
    for _ in 0..secs {
        lab.pass(1);
        if let Some(at) = lab.probes.iter().position(|probe| probe.target == address) {
            return lab.probes.remove(at);
        }
    }
    panic!("nobody was asked for {address} in {secs} s");
}

/// `liveness-detection`: a silent client is asked `max-consecutive-retries` times more, the last time everybody hears it.
#[test]
fn layer2_liveness_detection_clears_a_silent_client() {
    let mut lab = Lab::new(watching(Liveness::default()));
    let address = lab.lease(1);
    assert_eq!(liveness_of(&mut lab, address), Some(LivenessState::Up));
    let before = lab.now.mono;
    let first = until_asked(&mut lab, address, 660);
    assert!(lab.now.mono.since(before) >= Duration::from_secs(300));
    assert_eq!(first, Probe { link: LINK, to: mac(1), sender_mac: OURS, sender_ip: SERVER, target: address });
    assert_eq!(liveness_of(&mut lab, address), Some(LivenessState::Probing(1)));
    for retry in 1..=3 {
        let began = lab.now.mono;
        let probe = until_asked(&mut lab, address, RETRY.as_secs() + 1);
        assert!(lab.now.mono.since(began) >= RETRY);
        assert_eq!(probe.to, if retry == 3 { MacAddr::BROADCAST } else { mac(1) });
    }
    assert_eq!(lab.state(address), Some(DurableState::Bound));
    lab.pass(RETRY.as_secs() + 1);
    assert_eq!(lab.state(address), Some(DurableState::Cleared));
    assert!(lab.kernel.is_empty());
    let failed = |event: &&Event| matches!(event, Event::LivenessFailed { cleared: true, .. });
    assert_eq!(lab.events.iter().filter(failed).count(), 1);
    let counted = lab.engine.counters().neighbours;
    assert_eq!((counted.liveness_probes, counted.liveness_failures, counted.liveness_cleared), (4, 1, 1));
    assert_eq!(on_the_interface(&mut lab), counted);
    // What we ended stays ended (design §2.2): the client that was only asleep starts anew.
    assert_eq!(lab.renew(1, address).expect("a nak").message(), MessageType::Nak);
}

#[test]
fn layer2_liveness_detection_takes_any_sign_of_life() {
    let mut lab = Lab::new(watching(Liveness::default()));
    let address = lab.lease(1);
    // An ARP packet of another host is none.
    until_asked(&mut lab, address, 660);
    says(&mut lab, address, FOREIGN);
    assert_eq!(liveness_of(&mut lab, address), Some(LivenessState::Probing(1)));
    says(&mut lab, address, mac(1));
    assert_eq!(liveness_of(&mut lab, address), Some(LivenessState::Up));
    // Nor is the client asked again before its next turn, an interval later.
    lab.pass(200);
    assert!(lab.probes.is_empty());
    until_asked(&mut lab, address, 200);
    // A renewal is one.
    assert_eq!(lab.renew(1, address).expect("an ack").message(), MessageType::Ack);
    lab.pass(60);
    assert_eq!(lab.state(address), Some(DurableState::Bound));
    assert!(lab.probes.is_empty());
    assert_eq!(lab.engine.counters().neighbours.liveness_failures, 0);
}

/// Who renews within the interval is never asked.
#[test]
fn layer2_liveness_detection_asks_nobody_who_was_heard() {
    let mut lab = Lab::new(watching(Liveness::default()));
    let address = lab.lease(1);
    for _ in 0..20 {
        lab.pass(120);
        lab.renew(1, address).expect("an ack");
    }
    assert!(lab.probes.is_empty());
}

#[test]
fn liveness_failure_action_log_only_leaves_the_binding() {
    let mut lab = Lab::new(watching(Liveness { action: FailureAction::LogOnly, ..Liveness::default() }));
    let address = lab.lease(1);
    lab.pass(1_500);
    assert_eq!(lab.state(address), Some(DurableState::Bound));
    assert_eq!(liveness_of(&mut lab, address), Some(LivenessState::Down));
    // Told once, asked on.
    lab.pass(1_500);
    let failed = |event: &&Event| matches!(event, Event::LivenessFailed { cleared: false, .. });
    assert_eq!(lab.events.iter().filter(failed).count(), 1);
    assert_eq!(lab.engine.counters().neighbours.liveness_failures, 1);
    assert!(lab.probes.len() > 12);
    says(&mut lab, address, mac(1));
    assert_eq!(liveness_of(&mut lab, address), Some(LivenessState::Up));
}

#[test]
fn liveness_failure_action_clear_binding_if_interface_up_spares_a_link_that_is_down() {
    let actions = [(FailureAction::ClearIfInterfaceUp, false), (FailureAction::Clear, true)];
    for (action, cleared) in actions {
        let mut lab = Lab::new(watching(Liveness { action, ..Liveness::default() }));
        let address = lab.lease(1);
        let mut down = link(LINK, "eth1", &[(SERVER, 24)]);
        down.up = false;
        lab.input(Input::LinkSet(down));
        lab.pass(1_000);
        let state = if cleared { DurableState::Cleared } else { DurableState::Bound };
        assert_eq!(lab.state(address), Some(state), "{action:?}");
        // Once it is up again a client that stays silent is cleared by either.
        lab.input(Input::LinkSet(link(LINK, "eth1", &[(SERVER, 24)])));
        lab.pass(1_000);
        assert_eq!(lab.state(address), Some(DurableState::Cleared), "{action:?}");
    }
}

/// ARP reaches no client behind a relay.
#[test]
fn liveness_detection_does_not_ask_relayed_clients() {
    let mut lab = Lab::new(watching(Liveness::default()));
    let discover = MessageBuilder::discover(mac(1)).giaddr(ip(2));
    let offer = lab.unicast(&discover, ip(2)).expect("an offer");
    let select = MessageBuilder::request_selecting(mac(1), offer.yiaddr(), SERVER).giaddr(ip(2));
    assert_eq!(lab.unicast(&select, ip(2)).expect("an ack").message(), MessageType::Ack);
    lab.pass(2_000);
    assert!(lab.probes.is_empty());
    assert_eq!(liveness_of(&mut lab, offer.yiaddr()), None);
}

/// Nothing of it is on storage: a restart, or a commit without it, begins anew.
#[test]
fn liveness_detection_begins_anew_after_a_restart_and_ends_with_its_statement() {
    let mut lab = Lab::new(watching(Liveness::default()));
    let address = lab.lease(1);
    until_asked(&mut lab, address, 660);
    let mut lab = lab.restart(watching(Liveness::default()), 1);
    assert_eq!(liveness_of(&mut lab, address), Some(LivenessState::Up));
    until_asked(&mut lab, address, 660);
    lab.input(Input::Configure(std::sync::Arc::new(config())));
    lab.pass(600);
    assert!(lab.probes.is_empty());
    assert_eq!(lab.state(address), Some(DurableState::Bound));
}

/// A sick store ends no lease; what is due waits for it.
#[test]
fn a_store_fault_is_no_silence_of_the_client() {
    let mut lab = Lab::new(watching(Liveness::default()));
    let address = lab.lease(1);
    until_asked(&mut lab, address, 660);
    lab.input(Input::StoreFailed);
    lab.pass(100);
    assert_eq!(lab.engine.counters().neighbours.liveness_failures, 0);
    lab.input(Input::StoreReady);
    says(&mut lab, address, mac(1));
    lab.pass(60);
    assert_eq!(lab.state(address), Some(DurableState::Bound));
}

/// Many sessions are asked evenly, each once an interval.
#[test]
fn liveness_requests_come_without_bursts() {
    let mut config = watching(Liveness::default());
    config.pools[0].network = "10.0.0.0/16".parse().unwrap();
    config.pools[0].ranges[0].low = Ipv4Addr::new(10, 0, 1, 0);
    config.pools[0].ranges[0].high = Ipv4Addr::new(10, 0, 40, 0);
    let mut lab = Lab::new(config);
    lab.input(Input::LinkSet(link(LINK, "eth1", &[(Ipv4Addr::new(10, 0, 0, 1), 16)])));
    let sessions = 600u16;
    for number in 0..sessions {
        let [high, low] = number.to_be_bytes();
        let client = MacAddr([2, 1, 0, 0, high, low]);
        let offer = lab.broadcast(&MessageBuilder::discover(client)).expect("an offer");
        let server = Ipv4Addr::new(10, 0, 0, 1);
        lab.broadcast(&MessageBuilder::request_selecting(client, offer.yiaddr(), server)).expect("an ack");
    }
    let clients: std::collections::HashMap<_, _> = {
        let verb = |cursor| Verb::Bindings { filter: Filter::All, cursor };
        let (mut rows, mut next) = (Vec::new(), Some(Cursor::START));
        while let Some(cursor) = next {
            let Some(Reply::Bindings { rows: page, next: then }) = lab.command(verb(cursor)) else { panic!() };
            rows.extend(page.into_iter().map(|row| (row.address, row.hw.mac().unwrap())));
            next = then;
        }
        rows.into_iter().collect()
    };
    lab.pass(290);
    assert!(lab.probes.is_empty(), "all were heard within the interval");
    let (mut most, mut times) = (0, std::collections::HashMap::new());
    for _ in 0..600 {
        lab.pass(1);
        let asked: Vec<Ipv4Addr> = asked(&mut lab);
        most = most.max(asked.len());
        for address in asked {
            *times.entry(address).or_insert(0) += 1;
            says(&mut lab, address, clients[&address]);
        }
    }
    assert_eq!(times.len(), usize::from(sessions));
    assert!(times.values().all(|times| (1..=2).contains(times)), "two intervals, of which the first begins late");
    // Two a second would be exactly even.
    assert!(most <= 10, "{most} in one second");
}

fn rogues(lab: &mut Lab) -> Vec<RogueView> {
    let Some(Reply::RogueServers(rows)) = lab.command(Verb::RogueServers) else { panic!("no rows") };
    rows
}

/// A reply of a foreign server, made of ours.
fn foreign_offer(server: Ipv4Addr) -> Vec<u8> {
    let mut other = config();
    other.pools[0].attributes.server_identifier = Some(server);
    Lab::new(other).discover(77).expect("an offer").bytes
}

fn server_says(lab: &mut Lab, bytes: &[u8], src_mac: MacAddr) {
    let meta = RxMeta { link: LINK, src: ip(66), src_port: 67, dst: Ipv4Addr::BROADCAST, src_mac: Some(src_mac) };
    lab.input(Input::ServerMessage4 { meta, bytes });
}

#[test]
fn a_foreign_server_is_told_once_an_hour() {
    let mut lab = Lab::new(config());
    let bytes = foreign_offer(ip(66));
    let told = |lab: &Lab| lab.events.iter().filter(|event| matches!(event, Event::RogueServer { .. })).count();
    server_says(&mut lab, &bytes, FOREIGN);
    lab.pass(5);
    server_says(&mut lab, &bytes, FOREIGN);
    lab.pass(2);
    let rows = rogues(&mut lab);
    let wanted = RogueView {
        interface: "eth1".into(),
        server: ip(66),
        mac: Some(FOREIGN),
        evidence: Evidence::Reply,
        first_seen_ago: 7,
        last_seen_ago: 2,
        count: 2,
        offered: ip(10),
    };
    assert_eq!((rows, told(&lab)), (vec![wanted], 1));
    assert!(lab.events.iter().any(|event| matches!(
        event,
        Event::RogueServer { link: LINK, server, mac: Some(FOREIGN), .. } if *server == ip(66)
    )));
    lab.jump(QUIET_SECS);
    server_says(&mut lab, &bytes, FOREIGN);
    assert_eq!(told(&lab), 2);
    assert_eq!(lab.engine.counters().neighbours.foreign_server_messages, 3);
    assert_eq!(on_the_interface(&mut lab).foreign_server_messages, 3);
    assert_eq!(lab.command(Verb::ClearRogueServers), Some(Reply::Cleared));
    assert!(rogues(&mut lab).is_empty());
}

#[test]
fn our_own_replies_and_what_is_no_reply_are_no_foreign_server() {
    let mut lab = Lab::new(config());
    server_says(&mut lab, &foreign_offer(SERVER), FOREIGN);
    let request = MessageBuilder::discover(mac(3)).build();
    server_says(&mut lab, &request, FOREIGN);
    server_says(&mut lab, b"garbage", FOREIGN);
    // An interface that is in no group is nobody's business.
    lab.input(Input::LinkSet(link(IfIndex(9), "wan0", &[])));
    let meta = RxMeta { link: IfIndex(9), src: ip(66), src_port: 67, dst: Ipv4Addr::BROADCAST, src_mac: Some(FOREIGN) };
    lab.input(Input::ServerMessage4 { meta, bytes: &foreign_offer(ip(66)) });
    assert!(rogues(&mut lab).is_empty());
    assert_eq!(lab.engine.counters().neighbours.foreign_server_messages, 0);
}

/// RFC 2131 §3.1 step 3: the REQUEST that takes an offer is broadcast to all servers, so those that lost hear who won.
#[test]
fn a_request_that_names_another_server_is_evidence_rfc2131_3_1() {
    let mut lab = Lab::new(config());
    lab.discover(1);
    lab.broadcast(&MessageBuilder::request_selecting(mac(1), ip(99), ip(66)));
    assert_eq!(lab.dropped(DropReason::InvalidServerAddress), 1);
    let rows = rogues(&mut lab);
    assert_eq!((rows[0].server, rows[0].mac, rows[0].evidence), (ip(66), None, Evidence::Request));
    assert_eq!(rows[0].offered, ip(99));
}

#[test]
fn no_rogue_server_detection_looks_for_none() {
    let mut config = config();
    config.instances = vec![Default::default()];
    config.instances[0].server.no_rogue_server_detection = true;
    let mut lab = Lab::new(config);
    server_says(&mut lab, &foreign_offer(ip(66)), FOREIGN);
    lab.discover(1);
    lab.broadcast(&MessageBuilder::request_selecting(mac(1), ip(99), ip(66)));
    assert!(rogues(&mut lab).is_empty());
}

/// A host that makes up servers gets neither memory nor the log.
#[test]
fn forged_servers_are_bounded() {
    let mut lab = Lab::new(config());
    let forged: Vec<Vec<u8>> = (0..3u8).map(|third| foreign_offer(Ipv4Addr::new(203, 0, 113, third))).collect();
    for number in 0..2_000u16 {
        let [high, low] = number.to_be_bytes();
        for bytes in &forged {
            server_says(&mut lab, bytes, MacAddr([2, 0xaa, 0, 0, high, low]));
        }
    }
    assert_eq!(rogues(&mut lab).len(), ROGUES_MAX);
    assert_eq!(lab.events.len(), 32);
    assert_eq!(lab.engine.counters().neighbours.foreign_server_messages, 6_000);
}
