//! Who a client is: duplicate clients, changed devices, RFC 4361, and clients that move.

use crate::lab::{Heard, LINK, Lab, SERVER, config, ip, link, mac};
use bindery_engine::{
    Input,
    command::{Reply, Verb},
    config::{Config, DiscoverMatch, DuplicateClients, Instance, Overrides, Server},
    event::{DropReason, Event},
    impact::{Impact, Prospect},
    record::DurableState,
};
use bindery_types::{IfIndex, Ipv4Addr};
use bindery_wire::v4::{MessageBuilder, MessageType, OptionCode, SubOption};
use std::sync::Arc;

const OTHER: IfIndex = IfIndex(8);
const RELAY: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

fn with(rule: DuplicateClients) -> Config {
    let mut config = config();
    config.pools[0].ranges[0].high = ip(40);
    let server = Server { duplicate_clients: rule, ..Server::default() };
    config.instances = vec![Instance { name: "default".into(), server, ..Instance::default() }];
    config
}

/// eth1 and eth2 stand in one subnet.
fn lab(config: Config) -> Lab {
    let mut lab = Lab::new(config);
    lab.input(Input::LinkSet(link(OTHER, "eth2", &[(SERVER, 24)])));
    lab
}

fn on(lab: &mut Lab, port: IfIndex, message: &MessageBuilder) -> Option<Heard> {
    lab.packet_on(port, message, Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST)
}

/// A DORA on a port; the address.
fn lease_on(lab: &mut Lab, port: IfIndex, last: u8) -> Ipv4Addr {
    let offer = on(lab, port, &MessageBuilder::discover(mac(last))).expect("an offer");
    let ack = on(lab, port, &MessageBuilder::request_selecting(mac(last), offer.yiaddr(), SERVER)).expect("an ack");
    assert_eq!((ack.message(), ack.yiaddr()), (MessageType::Ack, offer.yiaddr()));
    ack.yiaddr()
}

fn line(message: MessageBuilder, circuit: &[u8]) -> MessageBuilder {
    message.giaddr(RELAY).relay_agent(&[(SubOption::CIRCUIT_ID, circuit), (SubOption::REMOTE_ID, b"dslam")])
}

fn lease_behind(lab: &mut Lab, circuit: &[u8], last: u8) -> Ipv4Addr {
    let offer = lab.unicast(&line(MessageBuilder::discover(mac(last)), circuit), RELAY).expect("an offer");
    let select = MessageBuilder::request_selecting(mac(last), offer.yiaddr(), SERVER);
    let ack = lab.unicast(&line(select, circuit), RELAY).expect("an ack");
    assert_eq!((ack.message(), ack.yiaddr()), (MessageType::Ack, offer.yiaddr()));
    ack.yiaddr()
}

fn bound(lab: &Lab) -> usize {
    lab.disk.values().filter(|lease| lease.state == DurableState::Bound).count()
}

#[test]
fn one_client_that_moves_port_takes_its_session_along() {
    let mut lab = lab(with(DuplicateClients::One));
    let address = lease_on(&mut lab, LINK, 1);
    assert_eq!(lab.kernel[&address].link, LINK);
    assert_eq!(lease_on(&mut lab, OTHER, 1), address);
    assert_eq!(
        (lab.kernel[&address].link, bound(&lab), lab.kernel.len()),
        (OTHER, 1, 1),
        "nothing lingers at the old port"
    );
}

#[test]
fn duplicate_clients_in_subnet_incoming_interface_keeps_them_apart_by_port() {
    let mut lab = lab(with(DuplicateClients::IncomingInterface));
    let one = lease_on(&mut lab, LINK, 1);
    let two = lease_on(&mut lab, OTHER, 1);
    assert_ne!(one, two);
    assert_eq!(bound(&lab), 2);
    assert_eq!((lab.kernel[&one].link, lab.kernel[&two].link), (LINK, OTHER));
    // Each finds its own again.
    assert_eq!(lease_on(&mut lab, LINK, 1), one);
    assert_eq!(lease_on(&mut lab, OTHER, 1), two);
    for (port, address) in [(LINK, one), (OTHER, two)] {
        let ack = lab.packet_on(port, &MessageBuilder::request_renewing(mac(1), address), address, SERVER).unwrap();
        assert_eq!((ack.message(), ack.yiaddr()), (MessageType::Ack, address));
        let reboot = on(&mut lab, port, &MessageBuilder::request_init_reboot(mac(1), address)).unwrap();
        assert_eq!((reboot.message(), reboot.yiaddr()), (MessageType::Ack, address));
    }
    assert_eq!(bound(&lab), 2);
}

#[test]
fn duplicate_clients_at_another_port_can_neither_rebind_nor_decline_each_others_address() {
    let mut lab = lab(with(DuplicateClients::IncomingInterface));
    let one = lease_on(&mut lab, LINK, 1);
    let two = lease_on(&mut lab, OTHER, 1);
    let rebind = on(&mut lab, OTHER, &MessageBuilder::request_renewing(mac(1), one)).unwrap();
    assert_eq!(rebind.message(), MessageType::Nak, "it holds another address there");
    let reboot = on(&mut lab, OTHER, &MessageBuilder::request_init_reboot(mac(1), one)).unwrap();
    assert_eq!(reboot.message(), MessageType::Nak);
    on(&mut lab, OTHER, &MessageBuilder::decline(mac(1), one, SERVER));
    assert_eq!((lab.state(one), lab.state(two)), (Some(DurableState::Bound), Some(DurableState::Bound)));
    assert_eq!(lab.kernel[&one].link, LINK);
}

#[test]
fn duplicate_clients_in_subnet_option_82_counts_circuit_and_remote_id_and_nothing_else() {
    let mut lab = lab(with(DuplicateClients::Option82));
    let one = lease_behind(&mut lab, b"a", 1);
    let two = lease_behind(&mut lab, b"b", 1);
    assert_ne!(one, two);
    assert_eq!(bound(&lab), 2);
    // Another sub-option, another interface: the same client.
    let more =
        &[(SubOption::REMOTE_ID, &b"dslam"[..]), (SubOption::CIRCUIT_ID, b"a"), (SubOption::SUBSCRIBER_ID, b"x")];
    let again = MessageBuilder::discover(mac(1)).giaddr(RELAY).relay_agent(more);
    assert_eq!(lab.packet_on(OTHER, &again, RELAY, SERVER).unwrap().yiaddr(), one);
    // A renewal by unicast has no option 82: the address tells.
    assert_eq!(lab.renew(1, one).unwrap().message(), MessageType::Ack);
    assert_eq!(lab.renew(1, two).unwrap().message(), MessageType::Ack);
    assert_eq!(&*lab.identities[&lab.record(two).unwrap().key.session].relay_info, b"\x01\x01b\x02\x05dslam");
    // Through the relay it has, and then another line's address is refused.
    let rebind = line(MessageBuilder::request_renewing(mac(1), one), b"b");
    assert_eq!(lab.unicast(&rebind, RELAY).unwrap().message(), MessageType::Nak);
    assert_eq!(lab.state(one), Some(DurableState::Bound));
}

#[test]
fn duplicate_clients_survive_a_restart() {
    for rule in [DuplicateClients::IncomingInterface, DuplicateClients::Option82] {
        let mut lab = lab(with(rule));
        let (a, b) = (lease_behind(&mut lab, b"a", 1), lease_behind(&mut lab, b"b", 1));
        let (c, d) = (lease_on(&mut lab, LINK, 2), lease_on(&mut lab, OTHER, 2));
        assert_eq!((a == b, c == d), (rule != DuplicateClients::Option82, rule != DuplicateClients::IncomingInterface));
        let before = bound(&lab);
        let mut lab = lab.restart(with(rule), 5);
        lab.input(Input::LinkSet(link(OTHER, "eth2", &[(SERVER, 24)])));
        assert!(lab.events.iter().all(|event| !matches!(event, Event::RestoreConflict { .. })));
        assert_eq!((lease_behind(&mut lab, b"a", 1), lease_behind(&mut lab, b"b", 1)), (a, b));
        assert_eq!((lease_on(&mut lab, LINK, 2), lease_on(&mut lab, OTHER, 2)), (c, d));
        assert_eq!(bound(&lab), before);
    }
}

#[test]
fn duplicate_clients_that_a_commit_no_longer_allows_stay_bound_until_they_end() {
    let mut lab = lab(with(DuplicateClients::IncomingInterface));
    let (one, two) = (lease_on(&mut lab, LINK, 1), lease_on(&mut lab, OTHER, 1));
    let config = Arc::new(with(DuplicateClients::One));
    // The forecast says so.
    let prospect = Arc::new(Prospect::new(Arc::clone(&config)));
    let verb = Verb::Impact { prospect, cursor: bindery_engine::command::Cursor::START, rows: Some(Impact::Changed) };
    let Some(Reply::Impact { counts, rows, .. }) = lab.command(verb) else { panic!("a forecast") };
    assert_eq!((counts.kept, rows.len()), (2, 0));
    lab.input(Input::Configure(Arc::clone(&config)));
    for address in [one, two] {
        assert_eq!(lab.renew(1, address).unwrap().message(), MessageType::Ack);
    }
    // Neither is lost by a restart.
    let mut lab = lab.restart((*config).clone(), 5);
    assert!(lab.events.iter().all(|event| !matches!(event, Event::RestoreConflict { .. })));
    lab.input(Input::LinkSet(link(OTHER, "eth2", &[(SERVER, 24)])));
    assert_eq!(bound(&lab), 2);
    for address in [one, two] {
        assert_eq!(lab.renew(1, address).unwrap().message(), MessageType::Ack);
    }
    // Who begins anew is one client, and what is left of the other does not linger.
    let address = lease_on(&mut lab, LINK, 1);
    assert!(address == one || address == two);
    assert_eq!(bound(&lab), 1);
    let other = if address == one { two } else { one };
    assert_eq!(lab.state(other), Some(DurableState::Cleared));
    assert!(!lab.kernel.contains_key(&other));
    assert!(lab.events.iter().any(|event| matches!(event, Event::Superseded { address, .. } if *address == other)));
}

/// Who were two clients are one since a commit, and it takes the newer session to the port of the older one.
#[test]
fn what_is_left_of_a_duplicate_client_puts_no_session_out_at_a_restart() {
    for released in [true, false] {
        let mut lab = lab(with(DuplicateClients::IncomingInterface));
        let (one, two) = (lease_on(&mut lab, LINK, 1), lease_on(&mut lab, OTHER, 1));
        if released {
            lab.packet_on(LINK, &MessageBuilder::release(mac(1), one, SERVER), one, SERVER);
        }
        lab.input(Input::Configure(Arc::new(with(DuplicateClients::One))));
        let rebind = on(&mut lab, LINK, &MessageBuilder::request_renewing(mac(1), two)).unwrap();
        assert_eq!((rebind.message(), lab.kernel[&two].link), (MessageType::Ack, LINK));
        let before = bound(&lab);
        let mut lab = lab.restart(with(DuplicateClients::One), 5);
        let lost = |event: &Event| matches!(event, Event::RestoreConflict { .. });
        assert!(!lab.events.iter().any(lost), "released {released}: {:?}", lab.events);
        assert_eq!(lab.renew(1, two).unwrap().message(), MessageType::Ack);
        assert_eq!(bound(&lab), before);
        // Who begins anew has what is live, and is one client.
        let again = lease_on(&mut lab, LINK, 1);
        assert!(again == two || !released);
        assert_eq!(bound(&lab), 1, "released {released}");
    }
}

#[test]
fn duplicate_clients_that_a_commit_allows_double_no_session() {
    let mut lab = lab(with(DuplicateClients::One));
    let one = lease_on(&mut lab, LINK, 1);
    lab.input(Input::Configure(Arc::new(with(DuplicateClients::IncomingInterface))));
    assert_eq!(lease_on(&mut lab, LINK, 1), one);
    assert_eq!(bound(&lab), 1);
    assert_ne!(lease_on(&mut lab, OTHER, 1), one);
    assert_eq!(bound(&lab), 2);
}

#[test]
fn a_tombstone_of_a_duplicate_client_is_its_own_alone() {
    let mut lab = lab(with(DuplicateClients::IncomingInterface));
    let one = lease_on(&mut lab, LINK, 1);
    lab.packet_on(LINK, &MessageBuilder::release(mac(1), one, SERVER), one, SERVER);
    let two = lease_on(&mut lab, OTHER, 1);
    assert_ne!(one, two);
    assert_eq!(lease_on(&mut lab, LINK, 1), one, "its last address");
}

#[test]
fn leasequery_by_client_identifier_finds_the_sessions_of_all_duplicate_clients() {
    let mut config = with(DuplicateClients::IncomingInterface);
    config.groups[0].allow_leasequery = true;
    let mut lab = lab(config);
    let id = b"\xffiaidduid";
    for port in [LINK, OTHER] {
        let offer = on(&mut lab, port, &MessageBuilder::discover(mac(1)).client_id(id)).unwrap();
        let select = MessageBuilder::request_selecting(mac(1), offer.yiaddr(), SERVER).client_id(id);
        on(&mut lab, port, &select).unwrap();
    }
    let query = MessageBuilder::lease_query_by_client_id(id, RELAY);
    let answer = lab.unicast(&query, RELAY).unwrap();
    assert_eq!(answer.message(), MessageType::LeaseActive);
    let (told, other) = (answer.packet().ciaddr(), answer.option(OptionCode::ASSOCIATED_IP).unwrap());
    let mut both = [told.octets(), <[u8; 4]>::try_from(&other[..]).unwrap()];
    both.sort_unstable();
    assert_eq!(both, [ip(10).octets(), ip(11).octets()]);
}

// RFC 4361.

fn duid(iaid: u32, host: u8) -> Vec<u8> {
    let mut id = vec![255];
    id.extend(iaid.to_be_bytes());
    id.extend([0, 3, 0, 1, 2, 0, 0, 0, 0, host]);
    id
}

fn lease_as(lab: &mut Lab, last: u8, id: &[u8]) -> Ipv4Addr {
    let offer = lab.broadcast(&MessageBuilder::discover(mac(last)).client_id(id)).unwrap();
    assert_eq!(offer.option(OptionCode::CLIENT_IDENTIFIER).as_deref(), Some(id), "RFC 6842 §3");
    let ack =
        lab.broadcast(&MessageBuilder::request_selecting(mac(last), offer.yiaddr(), SERVER).client_id(id)).unwrap();
    assert_eq!(ack.message(), MessageType::Ack);
    assert_eq!(ack.option(OptionCode::CLIENT_IDENTIFIER).as_deref(), Some(id), "RFC 6842 §3");
    ack.yiaddr()
}

#[test]
fn rfc4361_6_1_iaid_and_duid_together_are_the_client_whatever_its_hardware() {
    let mut lab = lab(with(DuplicateClients::One));
    let address = lease_as(&mut lab, 1, &duid(1, 1));
    assert_eq!(lease_as(&mut lab, 2, &duid(1, 1)), address, "a new network card is the same client");
    assert_eq!(bound(&lab), 1);
    assert_ne!(lease_as(&mut lab, 2, &duid(2, 1)), address, "another IAID of the same host is another");
    assert_ne!(lease_as(&mut lab, 2, &duid(1, 2)), address, "another DUID is another host");
    assert_eq!(bound(&lab), 3);
}

#[test]
fn rfc4361_6_3_the_client_identifier_comes_before_the_hardware_address_and_chaddr_serves_without_it() {
    let mut lab = lab(with(DuplicateClients::One));
    let plain = lab.lease(1);
    let named = lease_as(&mut lab, 1, &duid(1, 1));
    assert_ne!(plain, named, "RFC 4361 §7: boot stages with and without an identifier are two clients");
    assert_eq!(lab.lease(1), plain);
    assert_eq!(lease_as(&mut lab, 1, &duid(1, 1)), named);
}

#[test]
fn rfc6842_3_a_nak_returns_the_client_identifier_and_nothing_that_was_not_sent() {
    let mut lab = lab(with(DuplicateClients::One));
    let id = duid(1, 1);
    let nak =
        lab.broadcast(&MessageBuilder::request_init_reboot(mac(1), Ipv4Addr::new(10, 0, 0, 1)).client_id(&id)).unwrap();
    assert_eq!((nak.message(), nak.option(OptionCode::CLIENT_IDENTIFIER)), (MessageType::Nak, Some(id)));
    assert_eq!(lab.discover(2).unwrap().option(OptionCode::CLIENT_IDENTIFIER), None);
}

// client-discover-match.

fn matching(rule: DiscoverMatch) -> Config {
    let mut config = with(DuplicateClients::One);
    config.groups[0].overrides = Overrides { client_discover_match: Some(rule), ..Overrides::default() };
    config
}

#[test]
fn client_discover_match_incoming_interface_ends_the_session_of_the_device_before() {
    let mut lab = lab(matching(DiscoverMatch::IncomingInterface));
    let old = lease_on(&mut lab, LINK, 1);
    let neighbour = lease_on(&mut lab, OTHER, 2);
    let new = lease_on(&mut lab, LINK, 3);
    assert_eq!((lab.state(old), lab.state(neighbour)), (Some(DurableState::Cleared), Some(DurableState::Bound)));
    assert!(!lab.kernel.contains_key(&old), "nothing of the old device lingers");
    assert_eq!((bound(&lab), new != old), (2, true));
    assert!(lab.events.iter().any(|event| matches!(event, Event::Superseded { address, .. } if *address == old)));
    // The old device is told, should it still be there.
    let nak = on(&mut lab, LINK, &MessageBuilder::request_renewing(mac(1), old)).unwrap();
    assert_eq!(nak.message(), MessageType::Nak);
}

#[test]
fn client_discover_match_knows_the_lines_after_a_commit_and_after_a_restart() {
    for rule in [DiscoverMatch::IncomingInterface, DiscoverMatch::Option60And82] {
        let lease = |lab: &mut Lab, last: u8| match rule {
            DiscoverMatch::IncomingInterface => lease_on(lab, LINK, last),
            DiscoverMatch::Option60And82 => lease_cpe(lab, b"a", last),
        };
        let mut lab = lab(with(DuplicateClients::One));
        lease(&mut lab, 1);
        lab.input(Input::Configure(Arc::new(matching(rule))));
        assert_eq!(bound(&lab), 1, "a commit ends nobody");
        lease(&mut lab, 2);
        assert_eq!(bound(&lab), 1);
        let mut lab = lab.restart(matching(rule), 5);
        lease(&mut lab, 3);
        assert_eq!(bound(&lab), 1);
    }
}

#[test]
fn client_discover_match_incoming_interface_is_not_about_clients_behind_a_relay() {
    let mut lab = lab(matching(DiscoverMatch::IncomingInterface));
    lease_behind(&mut lab, b"a", 1);
    lease_behind(&mut lab, b"b", 2);
    lease_on(&mut lab, LINK, 3);
    assert_eq!(bound(&lab), 3, "all of a relay's clients come in on one interface");
}

/// A DORA of a device of one make behind the relay.
fn lease_cpe(lab: &mut Lab, circuit: &[u8], last: u8) -> Ipv4Addr {
    let cpe = |message: MessageBuilder| line(message, circuit).option(OptionCode::VENDOR_CLASS, b"cpe-1");
    let offer = lab.unicast(&cpe(MessageBuilder::discover(mac(last))), RELAY).expect("an offer");
    let select = cpe(MessageBuilder::request_selecting(mac(last), offer.yiaddr(), SERVER));
    lab.unicast(&select, RELAY).expect("an ack").yiaddr()
}

#[test]
fn client_discover_match_option60_and_option82_wants_both_to_be_the_same() {
    let mut lab = lab(matching(DiscoverMatch::Option60And82));
    let old = lease_cpe(&mut lab, b"a", 1);
    lease_cpe(&mut lab, b"b", 2);
    assert_eq!(bound(&lab), 2, "another line");
    lease_behind(&mut lab, b"a", 3);
    assert_eq!(bound(&lab), 3, "no vendor class: no match");
    let new = lease_cpe(&mut lab, b"a", 4);
    assert_eq!((bound(&lab), lab.state(old)), (3, Some(DurableState::Cleared)));
    assert_ne!(old, new);
}

#[test]
fn client_discover_match_of_a_direct_client_reaches_nobody_on_another_interface() {
    let mut lab = lab(matching(DiscoverMatch::Option60And82));
    let forge = |message: MessageBuilder| {
        let info = &[(SubOption::CIRCUIT_ID, &b"a"[..]), (SubOption::REMOTE_ID, b"dslam")];
        message.relay_agent(info).option(OptionCode::VENDOR_CLASS, b"cpe-1")
    };
    let victim = lease_cpe(&mut lab, b"a", 1);
    on(&mut lab, LINK, &forge(MessageBuilder::discover(mac(8)))).unwrap();
    on(&mut lab, OTHER, &forge(MessageBuilder::discover(mac(9)))).unwrap();
    assert_eq!(lab.state(victim), Some(DurableState::Bound));
}

#[test]
fn client_discover_match_lets_a_device_with_an_identifier_follow_its_own_boot_stage() {
    let mut lab = lab(matching(DiscoverMatch::IncomingInterface));
    let stage = lab.lease(1);
    let system = lease_as(&mut lab, 1, &duid(1, 1));
    assert_ne!(stage, system, "RFC 4361 §7: two identities");
    assert_eq!((lab.state(stage), bound(&lab)), (Some(DurableState::Cleared), 1));
}

#[test]
fn client_discover_match_leaves_a_client_alone_that_knows_its_session() {
    let mut lab = lab(matching(DiscoverMatch::IncomingInterface));
    let one = lease_on(&mut lab, LINK, 1);
    let two = lease_on(&mut lab, OTHER, 2);
    // They change places: each takes its session along, and neither ends the other's.
    assert_eq!(lease_on(&mut lab, OTHER, 1), one);
    assert_eq!(lease_on(&mut lab, LINK, 2), two);
    assert_eq!(bound(&lab), 2);
}

#[test]
fn client_discover_match_frees_a_place_below_interface_client_limit() {
    let mut config = matching(DiscoverMatch::IncomingInterface);
    config.groups[0].overrides.interface_client_limit = Some(1);
    let mut lab = lab(config);
    lease_on(&mut lab, LINK, 1);
    // Its end is not on storage yet when the newcomer is looked at: it tries again.
    assert!(on(&mut lab, LINK, &MessageBuilder::discover(mac(2))).is_none());
    assert_eq!(lab.dropped(DropReason::ClientLimit), 1);
    lease_on(&mut lab, LINK, 2);
    assert_eq!(bound(&lab), 1);
}

#[test]
fn client_discover_match_keeps_no_list_of_devices_that_are_gone() {
    let mut config = matching(DiscoverMatch::IncomingInterface);
    config.pools[0].ranges[0].high = ip(250);
    let mut lab = lab(config);
    for last in 1..=200 {
        lease_on(&mut lab, LINK, last);
    }
    assert_eq!(bound(&lab), 1);
}
