//! Choosing a client's pool: `pool-match-order`, option 82's ranges, RFC 3011, RFC 3527, RFC 5107, option 50.

use crate::lab::{Heard, LINK, Lab, SERVER, config, ip, link, mac};
use bindery_engine::{
    Input,
    config::{Config, Host, Instance, Overrides, Pool, PoolMatch, Range, RequestedIp, Server},
    event::DropReason,
    policy::Steer,
    pool::{OptionMatch, RangeId},
    record::DurableState,
    subscriber::{Authorization, Grant},
};
use bindery_types::{IfIndex, Ipv4Addr, PoolId};
use bindery_wire::v4::{MessageBuilder, MessageType, OptionCode, SubOption};
use std::sync::Arc;

const FAR: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
const RELAY: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

/// A second pool, of 198.51.100.0/24.
fn far_pool() -> Pool {
    Pool {
        name: "far".into(),
        network: "198.51.100.0/24".parse().unwrap(),
        ranges: vec![Range {
            name: "f".into(),
            low: Ipv4Addr::new(198, 51, 100, 10),
            high: Ipv4Addr::new(198, 51, 100, 19),
        }],
        ..config().pools[0].clone()
    }
}

fn server(config: &mut Config) -> &mut Server {
    if config.instances.is_empty() {
        config.instances.push(Instance { name: "default".into(), ..Instance::default() });
    }
    &mut config.instances[0].server
}

/// Ranges of .10, .11 to .13, and .20 to .21; circuit `gold` has the first, `silver` the last, remote id `shop` too.
fn ranged(order: &[PoolMatch]) -> Config {
    let mut config = config();
    let pool = &mut config.pools[0];
    let range = |name: &str, low, high| Range { name: name.into(), low: ip(low), high: ip(high) };
    pool.ranges = vec![range("gold", 10, 10), range("rest", 11, 13), range("silver", 20, 21)];
    let mut entries = OptionMatch::default();
    entries.circuit(b"gold", RangeId(0));
    entries.circuit(b"silver", RangeId(2));
    entries.remote(b"shop", RangeId(2));
    pool.option_match = Arc::new(entries);
    server(&mut config).pool_match_order = order.to_vec();
    config
}

fn circuit(message: MessageBuilder, value: &[u8]) -> MessageBuilder {
    message.relay_agent(&[(SubOption::CIRCUIT_ID, value)])
}

/// A DORA through the relay at RELAY on a circuit; the address.
fn lease_on(lab: &mut Lab, last: u8, line: &[u8]) -> Option<Ipv4Addr> {
    let offer = lab.unicast(&circuit(MessageBuilder::discover(mac(last)).giaddr(RELAY), line), RELAY)?;
    let select = MessageBuilder::request_selecting(mac(last), offer.yiaddr(), SERVER).giaddr(RELAY);
    let ack = lab.unicast(&circuit(select, line), RELAY).expect("an ack");
    assert_eq!((ack.message(), ack.yiaddr()), (MessageType::Ack, offer.yiaddr()));
    Some(ack.yiaddr())
}

#[test]
fn pool_match_order_option_82_takes_the_range_of_the_circuit_or_remote_id() {
    for order in [&[PoolMatch::Option82][..], &[PoolMatch::IpAddressFirst, PoolMatch::Option82]] {
        let mut lab = Lab::new(ranged(order));
        assert_eq!(lease_on(&mut lab, 1, b"silver"), Some(ip(20)));
        assert_eq!(lease_on(&mut lab, 2, b"gold"), Some(ip(10)));
        let shop = &[(SubOption::CIRCUIT_ID, &b"else"[..]), (SubOption::REMOTE_ID, b"shop")];
        let offer = lab.unicast(&MessageBuilder::discover(mac(3)).giaddr(RELAY).relay_agent(shop), RELAY).unwrap();
        assert_eq!(offer.yiaddr(), ip(21));
        assert_eq!(lease_on(&mut lab, 4, b"nobody's"), Some(ip(11)), "no entry: the whole pool");
        assert_eq!(lease_on(&mut lab, 5, b"gold"), Some(ip(12)), "the range is full: the whole pool");
    }
}

#[test]
fn without_option_82_in_pool_match_order_its_entries_are_not_looked_at() {
    let mut lab = Lab::new(ranged(&[]));
    assert_eq!(lease_on(&mut lab, 1, b"silver"), Some(ip(10)));
}

#[test]
fn option_82_of_a_layer_2_access_node_chooses_the_range_of_a_direct_client() {
    let mut lab = Lab::new(ranged(&[PoolMatch::Option82]));
    let offer = lab.broadcast(&circuit(MessageBuilder::discover(mac(1)), b"silver")).unwrap();
    assert_eq!(offer.yiaddr(), ip(20));
}

#[test]
fn pool_match_order_option_82_strict_drops_and_counts_where_no_entry_matches() {
    let mut lab = Lab::new(ranged(&[PoolMatch::IpAddressFirst, PoolMatch::Option82Strict]));
    assert_eq!(lease_on(&mut lab, 1, b"gold"), Some(ip(10)));
    assert_eq!(lease_on(&mut lab, 2, b"nobody's"), None);
    assert_eq!(lab.dropped(DropReason::Option82), 1);
    assert!(lab.discover(3).is_none(), "without option 82 neither");
    assert_eq!(lab.dropped(DropReason::Option82), 2);
    assert_eq!(lease_on(&mut lab, 4, b"gold"), None, "the range is full");
    assert_eq!(lab.dropped(DropReason::NoAddresses), 1);
}

#[test]
fn option_82_strict_gives_an_address_that_is_asked_for_only_out_of_the_range() {
    let mut lab = Lab::new(ranged(&[PoolMatch::Option82Strict]));
    let wish = MessageBuilder::discover(mac(1)).giaddr(RELAY).requested(ip(12));
    assert_eq!(lab.unicast(&circuit(wish, b"silver"), RELAY).unwrap().yiaddr(), ip(20));
    // An offer that a restart made us forget is judged by the same rule.
    let forgotten = MessageBuilder::request_selecting(mac(2), ip(12), SERVER).giaddr(RELAY);
    assert_eq!(lab.unicast(&circuit(forgotten.clone(), b"silver"), RELAY).unwrap().message(), MessageType::Nak);
    assert!(lab.unicast(&circuit(forgotten, b"nobody's"), RELAY).is_none());
    assert_eq!(lab.dropped(DropReason::Option82), 1);
}

#[test]
fn a_renewal_under_option_82_strict_needs_no_option_82() {
    let mut lab = Lab::new(ranged(&[PoolMatch::Option82Strict]));
    let address = lease_on(&mut lab, 1, b"silver").unwrap();
    lab.pass(10);
    assert_eq!(lab.renew(1, address).unwrap().message(), MessageType::Ack);
    // And a commit that takes the entries away refuses no renewal and no rebinding.
    let mut config = ranged(&[PoolMatch::Option82Strict]);
    config.pools[0].option_match = Arc::default();
    lab.input(Input::Configure(Arc::new(config)));
    let rebind = circuit(MessageBuilder::request_renewing(mac(1), address).giaddr(RELAY), b"silver");
    assert_eq!(lab.unicast(&rebind, RELAY).unwrap().message(), MessageType::Ack);
}

#[test]
fn a_subscriber_that_moves_to_another_circuit_keeps_its_address_unless_option_82_is_strict() {
    let mut lab = Lab::new(ranged(&[PoolMatch::Option82]));
    assert_eq!(lease_on(&mut lab, 1, b"silver"), Some(ip(20)));
    assert_eq!(lease_on(&mut lab, 1, b"gold"), Some(ip(20)), "its own session goes along");
    let mut lab = Lab::new(ranged(&[PoolMatch::Option82Strict]));
    assert_eq!(lease_on(&mut lab, 1, b"silver"), Some(ip(20)));
    assert_eq!(lease_on(&mut lab, 1, b"gold"), None, "the old binding ends first");
    assert_eq!(lab.state(ip(20)), Some(DurableState::Cleared));
    assert_eq!(lease_on(&mut lab, 1, b"gold"), Some(ip(10)));
    assert!(!lab.kernel.contains_key(&ip(20)), "the old session does not linger");
}

/// The rule holds as well where an authority was asked and has left the choice to us.
#[test]
fn option_82_strict_ends_the_old_binding_of_who_was_granted_no_pool() {
    let pools = [(None, None, DurableState::Cleared), (Some("pool"), Some(ip(20)), DurableState::Bound)];
    for (pool, offered, state) in pools {
        let mut config = ranged(&[PoolMatch::Option82Strict]);
        config.groups[0].authenticate = true;
        let mut lab = Lab::new(config);
        let discover = |line| circuit(MessageBuilder::discover(mac(1)).giaddr(RELAY), line);
        lab.unicast(&discover(b"silver"), RELAY);
        let steer = Steer { pool: pool.map(Into::into), address: pool.map(|_| ip(20)), ..Steer::default() };
        let grant = Grant { steer, ..Grant::default() };
        let answer = Authorization::Accepted(Box::new(grant));
        let tag = lab.questions.remove(0).tag;
        lab.input(Input::Access { tag, answer });
        assert_eq!(lab.heard.pop().unwrap().yiaddr(), ip(20));
        let select = MessageBuilder::request_selecting(mac(1), ip(20), SERVER).giaddr(RELAY);
        assert_eq!(lab.unicast(&circuit(select, b"silver"), RELAY).unwrap().message(), MessageType::Ack);
        let again = lab.unicast(&discover(b"gold"), RELAY);
        assert_eq!((again.map(|offer| offer.yiaddr()), lab.state(ip(20))), (offered, Some(state)));
    }
}

#[test]
fn a_host_reservation_comes_before_the_range() {
    let mut config = ranged(&[PoolMatch::Option82Strict]);
    config.pools[0].hosts =
        vec![Host { name: "one".into(), hardware_address: Some(mac(1)), ip_address: ip(40), ..Host::default() }];
    let mut lab = Lab::new(config);
    assert_eq!(lease_on(&mut lab, 1, b"silver"), Some(ip(40)));
    assert_eq!(lease_on(&mut lab, 1, b"silver"), Some(ip(40)), "and keeps it");
}

// External authority.

fn asking(order: &[PoolMatch]) -> Config {
    let mut config = config();
    config.groups[0].authenticate = true;
    config.pools.push(far_pool());
    server(&mut config).pool_match_order = order.to_vec();
    config
}

fn answer(lab: &mut Lab, pool: Option<&str>) -> Option<Heard> {
    let question = lab.questions.pop().expect("a question");
    let grant = Grant { steer: Steer { pool: pool.map(Into::into), ..Steer::default() }, ..Grant::default() };
    let before = lab.heard.len();
    lab.input(Input::Access { tag: question.tag, answer: Authorization::Accepted(Box::new(grant)) });
    (lab.heard.len() > before).then(|| lab.heard.remove(before))
}

#[test]
fn a_pool_that_aaa_names_comes_first_where_pool_match_order_does_not_say_otherwise() {
    for order in [&[][..], &[PoolMatch::IpAddressFirst], &[PoolMatch::ExternalAuthority, PoolMatch::IpAddressFirst]] {
        let mut lab = Lab::new(asking(order));
        assert!(lab.discover(1).is_none());
        let offer = answer(&mut lab, Some("far")).unwrap();
        assert_eq!(offer.yiaddr().octets()[0], 198, "{order:?}");
        assert!(lab.discover(2).is_none());
        assert_eq!(answer(&mut lab, None).unwrap().yiaddr().octets()[0], 192, "none named: the network's");
        assert!(lab.discover(3).is_none());
        assert!(answer(&mut lab, Some("not there")).is_none(), "no other will do");
        assert_eq!(lab.dropped(DropReason::InvalidSubnet), 1);
    }
}

#[test]
fn pool_match_order_with_the_network_before_external_authority_asks_it_only_where_no_network_matches() {
    let mut lab = Lab::new(asking(&[PoolMatch::IpAddressFirst, PoolMatch::ExternalAuthority]));
    assert!(lab.discover(1).is_none());
    assert_eq!(answer(&mut lab, Some("far")).unwrap().yiaddr().octets()[0], 192);
    // Behind a relay of no known network.
    let nowhere = Ipv4Addr::new(203, 0, 113, 1);
    assert!(lab.unicast(&MessageBuilder::discover(mac(2)).giaddr(nowhere), nowhere).is_none());
    assert_eq!(answer(&mut lab, Some("far")).unwrap().yiaddr().octets()[0], 198);
}

#[test]
fn pool_match_order_external_authority_alone_gives_nothing_that_aaa_did_not_name() {
    let mut lab = Lab::new(asking(&[PoolMatch::ExternalAuthority]));
    assert!(lab.discover(1).is_none());
    assert!(answer(&mut lab, None).is_none());
    assert_eq!(lab.dropped(DropReason::InvalidSubnet), 1);
    assert!(lab.discover(1).is_none());
    let address = answer(&mut lab, Some("far")).unwrap().yiaddr();
    // The rest of its life needs no question: the session is found wherever its network is.
    let ack = lab.select(1, address).unwrap();
    assert_eq!((ack.message(), ack.yiaddr()), (MessageType::Ack, address));
    assert_eq!(lab.discover(1).unwrap().yiaddr(), address);
    assert_eq!(lab.renew(1, address).unwrap().message(), MessageType::Ack);
    assert!(lab.questions.is_empty());
    // A stranger that remembers an address is no client of a pool: silence.
    assert!(lab.broadcast(&MessageBuilder::request_init_reboot(mac(9), Ipv4Addr::new(10, 0, 0, 1))).is_none());
}

#[test]
fn external_authority_without_anybody_to_ask_drops() {
    let mut config = asking(&[PoolMatch::ExternalAuthority]);
    config.groups[0].authenticate = false;
    let mut lab = Lab::new(config);
    assert!(lab.discover(1).is_none());
    assert_eq!(lab.dropped(DropReason::InvalidSubnet), 1);
}

// RFC 3527, RFC 3011.

fn selecting(permitted: &[&str]) -> Config {
    let mut config = config();
    config.pools.push(far_pool());
    let permitted = permitted.iter().map(|network| network.parse().unwrap()).collect();
    config.groups[0].overrides = Overrides { subnet_selection: permitted, ..Overrides::default() };
    config
}

fn on_subnet(message: MessageBuilder, subnet: Ipv4Addr) -> MessageBuilder {
    message.option(OptionCode::SUBNET_SELECTION, &subnet.octets())
}

#[test]
fn rfc3011_6_subnet_selection_is_off_by_default_and_then_neither_obeyed_nor_returned() {
    let mut lab = Lab::new(selecting(&[]));
    let offer = lab.broadcast(&on_subnet(MessageBuilder::discover(mac(1)), Ipv4Addr::new(198, 51, 100, 0))).unwrap();
    assert_eq!(offer.yiaddr(), ip(10));
    assert_eq!(offer.option(OptionCode::SUBNET_SELECTION), None);
}

#[test]
fn rfc3011_2_subnet_selection_names_the_subnet_and_is_returned_in_every_reply() {
    let mut lab = Lab::new(selecting(&["198.51.100.0/24"]));
    let far = Ipv4Addr::new(198, 51, 100, 0);
    // As a RAS sends it: giaddr is its own address on our network, and replies go there.
    let discover = on_subnet(MessageBuilder::discover(mac(1)).giaddr(RELAY), far);
    let offer = lab.unicast(&discover, RELAY).unwrap();
    assert_eq!(offer.yiaddr(), Ipv4Addr::new(198, 51, 100, 10));
    let expected = bindery_engine::output::Destination::Udp { link: IfIndex(0), src: SERVER, dst: RELAY, port: 67 };
    assert_eq!(offer.to, expected, "RFC 3011 §2: the same address as without the option");
    assert_eq!(offer.option(OptionCode::SUBNET_SELECTION).as_deref(), Some(&far.octets()[..]));
    let select = MessageBuilder::request_selecting(mac(1), offer.yiaddr(), SERVER).giaddr(RELAY);
    let ack = lab.unicast(&on_subnet(select, far), RELAY).unwrap();
    assert_eq!((ack.message(), ack.yiaddr()), (MessageType::Ack, offer.yiaddr()));
    assert_eq!(ack.option(OptionCode::SUBNET_SELECTION).as_deref(), Some(&far.octets()[..]));
    let renew = MessageBuilder::request_renewing(mac(1), offer.yiaddr()).giaddr(RELAY);
    let ack = lab.unicast(&on_subnet(renew, far), RELAY).unwrap();
    assert_eq!(ack.option(OptionCode::SUBNET_SELECTION).as_deref(), Some(&far.octets()[..]));
    // A direct client too; without the option it is in the interface's network.
    let direct = lab.broadcast(&on_subnet(MessageBuilder::discover(mac(2)), far)).unwrap();
    assert_eq!(direct.yiaddr(), Ipv4Addr::new(198, 51, 100, 11));
    assert_eq!(lab.discover(3).unwrap().option(OptionCode::SUBNET_SELECTION), None);
}

#[test]
fn rfc3011_2_a_subnet_that_is_not_for_the_client_gets_no_offer() {
    let mut lab = Lab::new(selecting(&["203.0.113.0/24"]));
    let far = Ipv4Addr::new(198, 51, 100, 0);
    assert!(lab.broadcast(&on_subnet(MessageBuilder::discover(mac(1)), far)).is_none());
    let unknown = Ipv4Addr::new(203, 0, 113, 0);
    assert!(lab.broadcast(&on_subnet(MessageBuilder::discover(mac(1)), unknown)).is_none(), "no pool has it");
    assert_eq!(lab.dropped(DropReason::InvalidSubnet), 2);
    let own = Ipv4Addr::new(192, 0, 2, 0);
    assert_eq!(lab.broadcast(&on_subnet(MessageBuilder::discover(mac(1)), own)).unwrap().yiaddr(), ip(10));
    // An option of a wrong length says nothing.
    let odd = MessageBuilder::discover(mac(2)).option(OptionCode::SUBNET_SELECTION, &[1, 2]);
    assert_eq!(lab.broadcast(&odd).map(|offer| offer.yiaddr()), Some(ip(11)));
}

#[test]
fn rfc3527_3_the_relays_link_selection_comes_before_the_clients_subnet_selection() {
    let mut lab = Lab::new(selecting(&["198.51.100.0/24"]));
    let nowhere = Ipv4Addr::new(203, 0, 113, 1);
    let discover = on_subnet(MessageBuilder::discover(mac(1)).giaddr(nowhere), Ipv4Addr::new(198, 51, 100, 0));
    let selected = discover.clone().relay_agent(&[(SubOption::LINK_SELECTION, &[192, 0, 2, 0])]);
    let offer = lab.unicast(&selected, nowhere).unwrap();
    assert_eq!(offer.yiaddr(), ip(10));
    assert_eq!(
        offer.to,
        bindery_engine::output::Destination::Udp { link: IfIndex(0), src: SERVER, dst: nowhere, port: 67 }
    );
    assert!(offer.option(OptionCode::SUBNET_SELECTION).is_some(), "RFC 3011 §2: returned in any case");
    assert_eq!(lab.unicast(&discover, nowhere).unwrap().yiaddr().octets()[0], 198);
}

#[test]
fn rfc3527_3_a_link_selection_that_no_pool_holds_gets_no_offer() {
    let mut lab = Lab::new(config());
    let selected =
        MessageBuilder::discover(mac(1)).giaddr(RELAY).relay_agent(&[(SubOption::LINK_SELECTION, &[10, 0, 0, 0])]);
    assert!(lab.unicast(&selected, RELAY).is_none(), "giaddr alone would have had a pool");
    assert_eq!(lab.dropped(DropReason::InvalidSubnet), 1);
}

#[test]
fn rfc3046_2_1_a_direct_client_selects_no_link() {
    let mut config = config();
    config.pools.push(far_pool());
    let mut lab = Lab::new(config);
    let forged = MessageBuilder::discover(mac(1)).relay_agent(&[(SubOption::LINK_SELECTION, &[198, 51, 100, 0])]);
    assert_eq!(lab.broadcast(&forged).unwrap().yiaddr(), ip(10));
}

// RFC 5107.

const OVERRIDE: Ipv4Addr = Ipv4Addr::new(10, 9, 8, 7);

fn overridden(message: MessageBuilder) -> MessageBuilder {
    let lines = &[(SubOption::CIRCUIT_ID, &b"port-1"[..]), (SubOption::SERVER_IDENTIFIER_OVERRIDE, &[10, 9, 8, 7])];
    message.giaddr(RELAY).relay_agent(lines)
}

fn server_id(heard: &Heard) -> Ipv4Addr {
    heard.packet().address_option(OptionCode::SERVER_IDENTIFIER).unwrap()
}

#[test]
fn rfc5107_4_the_relays_address_is_the_server_identifier_of_every_reply() {
    let mut lab = Lab::new(config());
    let offer = lab.unicast(&overridden(MessageBuilder::discover(mac(1))), RELAY).unwrap();
    assert_eq!(server_id(&offer), OVERRIDE);
    let select = overridden(MessageBuilder::request_selecting(mac(1), offer.yiaddr(), OVERRIDE));
    let ack = lab.unicast(&select, RELAY).unwrap();
    assert_eq!((ack.message(), server_id(&ack)), (MessageType::Ack, OVERRIDE));
    assert_eq!(lab.record(ack.yiaddr()).unwrap().server_id, OVERRIDE, "recorded for what follows");
    // The renewal that the client sent to the relay.
    let renew = overridden(MessageBuilder::request_renewing(mac(1), ack.yiaddr()));
    let renewed = lab.unicast(&renew, RELAY).unwrap();
    assert_eq!((renewed.message(), server_id(&renewed)), (MessageType::Ack, OVERRIDE));
    let wrong = overridden(MessageBuilder::request_init_reboot(mac(1), ip(13)));
    let nak = lab.unicast(&wrong, RELAY).unwrap();
    assert_eq!((nak.message(), server_id(&nak)), (MessageType::Nak, OVERRIDE));
    // A message of the relay without the sub-option ends it.
    let plain = MessageBuilder::request_renewing(mac(1), ack.yiaddr()).giaddr(RELAY);
    assert_eq!(server_id(&lab.unicast(&plain, RELAY).unwrap()), SERVER);
}

#[test]
fn rfc5107_4_a_request_that_names_the_override_is_ours_and_another_is_not() {
    let mut lab = Lab::new(config());
    // After a restart the offer is forgotten: the sub-option alone says that the REQUEST is for us.
    let select = overridden(MessageBuilder::request_selecting(mac(1), ip(10), OVERRIDE));
    assert_eq!(lab.unicast(&select, RELAY).unwrap().message(), MessageType::Ack);
    let other = overridden(MessageBuilder::request_selecting(mac(2), ip(11), Ipv4Addr::new(10, 9, 8, 6)));
    assert!(lab.unicast(&other, RELAY).is_none());
    let without = MessageBuilder::request_selecting(mac(3), ip(11), OVERRIDE).giaddr(RELAY);
    assert!(lab.unicast(&without, RELAY).is_none());
    assert_eq!(lab.dropped(DropReason::InvalidServerAddress), 2);
    let release = MessageBuilder::release(mac(1), ip(10), OVERRIDE);
    lab.unicast(&release, ip(10));
    assert_eq!(lab.state(ip(10)), Some(DurableState::Released), "by the recorded address also without the relay");
}

#[test]
fn rfc5107_5_a_direct_client_and_a_useless_address_override_nothing() {
    let mut lab = Lab::new(config());
    let forged =
        MessageBuilder::discover(mac(1)).relay_agent(&[(SubOption::SERVER_IDENTIFIER_OVERRIDE, &[10, 9, 8, 7])]);
    assert_eq!(server_id(&lab.broadcast(&forged).unwrap()), SERVER);
    for useless in [[0, 0, 0, 0], [224, 0, 0, 1], [255, 255, 255, 255], [127, 0, 0, 1]] {
        let odd = MessageBuilder::discover(mac(1)).giaddr(RELAY);
        let odd = odd.relay_agent(&[(SubOption::SERVER_IDENTIFIER_OVERRIDE, &useless)]);
        assert_eq!(server_id(&lab.unicast(&odd, RELAY).unwrap()), SERVER);
    }
}

// Option 50, and what a client remembers.

fn remembering(rule: Option<RequestedIp>) -> Lab {
    let mut config = config();
    server(&mut config).requested_ip = rule;
    Lab::new(config)
}

fn reboot(lab: &mut Lab, address: Ipv4Addr) -> Option<MessageType> {
    lab.broadcast(&MessageBuilder::request_init_reboot(mac(9), address)).map(|heard| heard.message())
}

#[test]
fn requested_ip_network_match_is_silent_about_addresses_that_share_too_few_bits() {
    let (near, far) = (Ipv4Addr::new(192, 168, 1, 5), Ipv4Addr::new(10, 0, 0, 5));
    let mut lab = remembering(None);
    assert_eq!(reboot(&mut lab, far), Some(MessageType::Nak), "RFC 2131 §4.3.2: the wrong network");
    let mut lab = remembering(Some(RequestedIp::Network(8)));
    assert_eq!(reboot(&mut lab, near), Some(MessageType::Nak));
    assert_eq!(reboot(&mut lab, far), None);
    assert_eq!(lab.dropped(DropReason::RequestedIp), 1);
    let mut lab = remembering(Some(RequestedIp::Network(0)));
    assert_eq!(reboot(&mut lab, far), Some(MessageType::Nak), "0 bits: all addresses are ours");
    let mut lab = remembering(Some(RequestedIp::Network(31)));
    assert_eq!(reboot(&mut lab, Ipv4Addr::new(192, 0, 3, 0)), None);
}

#[test]
fn requested_ip_network_match_compares_a_relayed_clients_address_with_giaddr() {
    let mut config = config();
    config.pools.push(far_pool());
    server(&mut config).requested_ip = Some(RequestedIp::Network(24));
    let mut lab = Lab::new(config);
    let ask = |address| MessageBuilder::request_init_reboot(mac(9), address).giaddr(FAR);
    assert!(lab.unicast(&ask(ip(10)), FAR).is_none(), "of our own network, and not of the relay's");
    assert_eq!(lab.dropped(DropReason::RequestedIp), 1);
    // One that is: we know nothing of the client.
    assert!(lab.unicast(&ask(Ipv4Addr::new(198, 51, 100, 10)), FAR).is_none());
    assert_eq!(lab.dropped(DropReason::ClientLookup), 1);
}

#[test]
fn requested_ip_interface_match_takes_the_length_of_the_interfaces_network() {
    let mut lab = remembering(Some(RequestedIp::Interface));
    assert_eq!(reboot(&mut lab, Ipv4Addr::new(192, 0, 3, 5)), None);
    assert_eq!(lab.dropped(DropReason::RequestedIp), 1);
    lab.input(Input::LinkSet(link(LINK, "eth1", &[(SERVER, 16)])));
    assert_eq!(reboot(&mut lab, Ipv4Addr::new(192, 0, 3, 5)), Some(MessageType::Nak), "the interface is a /16 now");
}

#[test]
fn a_client_with_a_binding_is_told_that_another_networks_address_is_wrong() {
    let mut lab = remembering(Some(RequestedIp::Network(8)));
    lab.lease(9);
    assert_eq!(reboot(&mut lab, Ipv4Addr::new(10, 0, 0, 5)), Some(MessageType::Nak), "RFC 2131 §4.3.2");
}

#[test]
fn requested_ip_network_match_never_hides_a_client_that_we_know() {
    let mut config = config();
    config.pools[0].link = Some(PoolId(1));
    config.pools.push(far_pool());
    server(&mut config).requested_ip = Some(RequestedIp::Network(8));
    let mut lab = Lab::new(config);
    for last in 1..=4 {
        lab.lease(last);
    }
    let address = lab.lease(5);
    assert_eq!(address.octets()[0], 198, "of the linked pool");
    let again = lab.broadcast(&MessageBuilder::request_init_reboot(mac(5), address)).unwrap();
    assert_eq!((again.message(), again.yiaddr()), (MessageType::Ack, address));
}

#[test]
fn rfc2131_4_3_1_a_returning_client_gets_its_last_address_while_it_is_free() {
    let mut config = config();
    config.pools[0].link = Some(PoolId(1));
    config.pools.push(far_pool());
    let mut lab = Lab::new(config);
    let first = lab.lease(1);
    lab.unicast(&MessageBuilder::release(mac(1), first, SERVER), first);
    assert_ne!(lab.lease(2), first, "next-fit leaves it alone");
    assert_eq!(lab.lease(1), first, "after a release");
    lab.jump(4_000);
    assert_eq!(lab.state(first), Some(DurableState::Expired));
    assert_eq!(lab.lease(1), first, "after its lease ran out");
    // Its pool is full, and what it had came from the linked one.
    for last in 3..=5 {
        lab.lease(last);
    }
    let linked = lab.lease(6);
    assert_eq!(linked.octets()[0], 198);
    lab.unicast(&MessageBuilder::release(mac(6), linked, SERVER), linked);
    lab.unicast(&MessageBuilder::release(mac(1), first, SERVER), first);
    assert_eq!(lab.lease(6), linked, "though its own pool has room again");
    // Somebody has it: another one.
    lab.unicast(&MessageBuilder::release(mac(6), linked, SERVER), linked);
    let wish = lab.broadcast(&MessageBuilder::discover(mac(7)).requested(linked)).unwrap();
    assert_eq!(wish.yiaddr(), linked, "RFC 2131 §4.3.1: what option 50 asks for, when it is free");
    lab.select(7, linked).unwrap();
    assert_ne!(lab.lease(6), linked);
}
