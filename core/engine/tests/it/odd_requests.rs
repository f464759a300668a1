//! Requests that are seldom, old or wrong, and what RFC 2131 leaves of them.

use crate::lab::{Heard, LEASE_SECS, LINK, Lab, SERVER, config, ip, link, mac};
use bindery_engine::{
    config::{Config, Lease, Pool, ProcessInform, Range, Timer},
    event::DropReason,
    output::Destination,
    record::DurableState,
};
use bindery_types::{HwAddr, IfIndex, Ipv4Addr, MacAddr};
use bindery_wire::v4::{MessageBuilder, MessageType, OptionCode, SubOption};

const OTHER: IfIndex = IfIndex(8);
const ALL: Destination =
    Destination::Frame { link: LINK, mac: MacAddr::BROADCAST, src: SERVER, dst: Ipv4Addr::BROADCAST };

fn with_inform() -> Config {
    let mut config = config();
    config.groups[0].overrides.process_inform = Some(ProcessInform { pool: None });
    config
}

fn far(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(198, 51, 100, last)
}

/// A second network on eth2.
fn two_networks() -> Lab {
    let mut config = config();
    config.pools.push(Pool {
        name: "far".into(),
        network: "198.51.100.0/24".parse().unwrap(),
        ranges: vec![Range { name: "r".into(), low: far(10), high: far(20) }],
        ..config.pools[0].clone()
    });
    let mut lab = Lab::new(config);
    lab.input(bindery_engine::Input::LinkSet(link(OTHER, "eth2", &[(far(1), 24)])));
    lab
}

fn on(lab: &mut Lab, port: IfIndex, message: &MessageBuilder, src: Ipv4Addr) -> Option<Heard> {
    lab.packet_on(port, message, src, Ipv4Addr::BROADCAST)
}

fn secs(reply: &Heard, code: OptionCode) -> Option<u32> {
    reply.option(code).map(|value| u32::from_be_bytes(value.try_into().unwrap()))
}

#[test]
fn rfc_4390_2_1_a_client_without_hardware_address_is_known_by_its_identifier_alone() {
    let mut lab = Lab::new(config());
    let infiniband = HwAddr::new(32, &[]).unwrap();
    let discover = |id: &[u8]| MessageBuilder::discover(mac(1)).hw_addr(infiniband).broadcast().client_id(id);
    let first = lab.broadcast(&discover(b"\0one")).unwrap();
    let second = lab.broadcast(&discover(b"\0two")).unwrap();
    assert_ne!(first.yiaddr(), second.yiaddr());
    assert_eq!((first.to, first.packet().hw_addr()), (ALL, infiniband));
    let nobody = MessageBuilder::discover(mac(1)).hw_addr(infiniband).broadcast();
    assert!(lab.broadcast(&nobody).is_none(), "it cannot be told from any other");
    assert_eq!(lab.dropped_in_all(), 1);
}

#[test]
fn the_client_limit_holds_for_a_reboot_and_a_rebinding_of_what_has_ended() {
    let mut config = config();
    config.groups[0].overrides.interface_client_limit = Some(1);
    let mut lab = Lab::new(config);
    let address = lab.lease(1);
    lab.unicast(&MessageBuilder::release(mac(1), address, SERVER), address);
    let other = lab.discover(2).unwrap().yiaddr();
    lab.select(2, other).unwrap();
    assert_ne!(other, address);
    assert!(lab.broadcast(&MessageBuilder::request_init_reboot(mac(1), address)).is_none());
    assert!(lab.broadcast(&MessageBuilder::request_renewing(mac(1), address)).is_none());
    assert_eq!(lab.dropped(DropReason::ClientLimit), 2);
}

#[test]
fn the_client_limit_holds_for_who_comes_from_another_interface() {
    let mut config = config();
    config.groups[0].overrides.interface_client_limit = Some(1);
    let mut lab = Lab::new(config);
    lab.input(bindery_engine::Input::LinkSet(link(OTHER, "eth2", &[(ip(2), 24)])));
    let here = lab.lease(1);
    let none = Ipv4Addr::UNSPECIFIED;
    let there = on(&mut lab, OTHER, &MessageBuilder::discover(mac(2)), none).unwrap().yiaddr();
    on(&mut lab, OTHER, &MessageBuilder::request_selecting(mac(2), there, ip(2)), none).unwrap();
    assert!(on(&mut lab, OTHER, &MessageBuilder::discover(mac(1)), none).is_none());
    assert!(on(&mut lab, OTHER, &MessageBuilder::request_init_reboot(mac(1), here), none).is_none());
    assert!(on(&mut lab, OTHER, &MessageBuilder::request_renewing(mac(1), here), here).is_none());
    assert_eq!(lab.dropped(DropReason::ClientLimit), 3);
    lab.renew(1, here).unwrap();
}

#[test]
fn rfc_2131_4_3_2_a_rebinding_on_another_network_is_refused() {
    let mut lab = two_networks();
    let address = lab.lease(1);
    let moved = MessageBuilder::request_renewing(mac(1), address);
    let nak = on(&mut lab, OTHER, &moved, address).expect("told at once, not when the lease ends");
    assert_eq!(nak.message(), MessageType::Nak);
    assert_eq!(lab.kernel[&address].link, LINK, "its route did not follow");
    let offer = on(&mut lab, OTHER, &MessageBuilder::discover(mac(1)), Ipv4Addr::UNSPECIFIED).unwrap();
    assert_eq!(offer.yiaddr(), far(10));
}

#[test]
fn rfc_2131_4_3_2_a_rebinding_through_a_relay_of_another_network_is_refused() {
    let mut lab = two_networks();
    let address = lab.lease(1);
    let moved = MessageBuilder::request_renewing(mac(1), address).giaddr(far(2));
    let nak = lab.packet_on(LINK, &moved, far(2), SERVER).unwrap();
    assert_eq!(nak.message(), MessageType::Nak);
    assert!(matches!(nak.to, Destination::Udp { dst, port: 67, .. } if dst == far(2)));
}

#[test]
fn rfc_2131_4_3_5_an_inform_is_answered_at_an_address_only() {
    let mut lab = Lab::new(with_inform());
    for wrong in [Ipv4Addr::BROADCAST, Ipv4Addr::LOCALHOST, Ipv4Addr::new(224, 0, 0, 1), Ipv4Addr::new(0, 1, 2, 3)] {
        let inform = MessageBuilder::inform(mac(1), wrong);
        assert!(lab.broadcast(&inform).is_none(), "{wrong}");
    }
    assert_eq!(lab.dropped_in_all(), 4);
}

#[test]
fn an_inform_without_ciaddr_is_answered_where_it_came_from() {
    let mut lab = Lab::new(with_inform());
    let inform = MessageBuilder::inform(mac(1), Ipv4Addr::UNSPECIFIED);
    assert!(lab.broadcast(&inform).is_none(), "nobody can be answered");
    let ack = lab.unicast(&inform, ip(50)).unwrap();
    assert!(matches!(ack.to, Destination::Udp { dst, port: 68, .. } if dst == ip(50)));
    assert_eq!(ack.packet().ciaddr(), Ipv4Addr::UNSPECIFIED);
    let relayed = lab.unicast(&inform.giaddr(ip(2)), ip(2)).unwrap();
    assert!(matches!(relayed.to, Destination::Udp { dst, port: 67, .. } if dst == ip(2)));
    assert!(relayed.packet().is_broadcast(), "the relay has no other way to a client without an address");
}

#[test]
fn rfc_2131_3_3_a_lease_without_an_end_has_no_t1_and_no_t2() {
    let mut config = config();
    config.pools[0].attributes.lease = Lease::Infinite;
    let mut lab = Lab::new(config);
    let offer = lab.discover(1).unwrap();
    assert_eq!(secs(&offer, OptionCode::IP_ADDRESS_LEASE_TIME), Some(u32::MAX));
    assert_eq!(secs(&offer, OptionCode::RENEWAL_TIME), None);
    assert_eq!(secs(&offer, OptionCode::REBINDING_TIME), None);
}

#[test]
fn rfc_2131_4_4_5_t1_comes_before_t2_before_the_end_whatever_lease_is_asked_for() {
    let mut config = config();
    config.pools[0].attributes.t1 = Timer::Secs(1_000);
    config.pools[0].attributes.t2 = Timer::Secs(2_000);
    let mut lab = Lab::new(config);
    for asked in [60, 900, 1_000, 1_001, 1_100, 1_999, 2_001, LEASE_SECS] {
        let offer = lab.broadcast(&MessageBuilder::discover(mac(1)).lease_time(asked)).unwrap();
        let lease = secs(&offer, OptionCode::IP_ADDRESS_LEASE_TIME).unwrap();
        // What the client works out itself where it is not told.
        let t1 = secs(&offer, OptionCode::RENEWAL_TIME).unwrap_or(lease / 2);
        let t2 = secs(&offer, OptionCode::REBINDING_TIME).unwrap_or(lease / 8 * 7);
        assert!(t1 < t2 && t2 < lease, "{asked}: {t1} {t2} {lease}");
    }
}

#[test]
fn a_parameter_request_list_with_repeats_and_codes_that_are_no_options() {
    let mut lab = Lab::new(config());
    let odd = [255, 6, 0, 53, 6, 3, 82, 3, 1, 52, 61, 51, 254, 6].map(OptionCode);
    let offer = lab.broadcast(&MessageBuilder::discover(mac(1)).parameter_request_list(&odd)).unwrap();
    let codes: Vec<u8> = offer.packet().options().map(|(code, _)| code.0).collect();
    assert_eq!(codes, [53, 54, 51, 58, 59, 1, 6, 3]);
}

#[test]
fn a_host_name_and_an_identifier_without_a_byte_are_as_if_not_sent() {
    let mut lab = Lab::new(config());
    let empty = MessageBuilder::discover(mac(1)).client_id(b"").option(OptionCode::HOST_NAME, b"");
    let offer = lab.broadcast(&empty).unwrap();
    assert_eq!(lab.discover(1).unwrap().yiaddr(), offer.yiaddr(), "the hardware address is its key");
}

#[test]
fn rfc_2132_9_10_any_maximum_message_size_is_lived_with() {
    let mut config = config();
    config.pools[0].attributes.options.push((OptionCode(119), vec![b'x'; 400].into()));
    let mut lab = Lab::new(config);
    for (size, room) in [(0, 548), (1, 548), (548, 548), (576, 548), (1_000, 972), (1_500, 1_472), (65_535, 1_472)] {
        let offer = lab.broadcast(&MessageBuilder::discover(mac(1)).message_size_max(size)).unwrap();
        assert!(offer.bytes.len() <= room, "{size}: {}", offer.bytes.len());
        assert_eq!(offer.option(OptionCode(119)).map(|value| value.len()), Some(400), "{size}");
    }
}

#[test]
fn a_release_that_names_another_server_or_anothers_address_ends_nothing() {
    let mut lab = Lab::new(config());
    let (mine, other) = (lab.lease(1), lab.lease(2));
    lab.unicast(&MessageBuilder::release(mac(1), mine, ip(99)), mine);
    lab.unicast(&MessageBuilder::release(mac(1), other, SERVER), mine);
    lab.unicast(&MessageBuilder::release(mac(1), Ipv4Addr::UNSPECIFIED, SERVER).requested(mine), mine);
    lab.broadcast(&MessageBuilder::decline(mac(1), mine, ip(99)));
    lab.broadcast(&MessageBuilder::decline(mac(1), other, SERVER));
    assert_eq!([mine, other].map(|address| lab.state(address)), [Some(DurableState::Bound); 2]);
    assert!(lab.heard.is_empty());
}

#[test]
fn a_reserved_address_that_its_client_declines_is_not_offered_to_it_again() {
    let mut config = config();
    config.pools[0].hosts = vec![bindery_engine::config::Host {
        name: "h".into(),
        hardware_address: Some(mac(9)),
        ip_address: ip(77),
        ..Default::default()
    }];
    let mut lab = Lab::new(config);
    assert_eq!(lab.lease(9), ip(77));
    lab.broadcast(&MessageBuilder::decline(mac(9), ip(77), SERVER));
    assert_ne!(lab.discover(9).map(|offer| offer.yiaddr()), Some(ip(77)));
}

#[test]
fn a_renewal_that_names_its_address_in_option_50_too_is_answered() {
    let mut lab = Lab::new(config());
    let address = lab.lease(1);
    let both = MessageBuilder::request_renewing(mac(1), address).requested(address);
    let ack = lab.unicast(&both, address).unwrap();
    assert_eq!((ack.message(), ack.yiaddr()), (MessageType::Ack, address));
}

#[test]
fn option_82_without_sub_options_goes_back_as_it_came() {
    let mut lab = Lab::new(config());
    let relayed = MessageBuilder::discover(mac(1)).giaddr(ip(2)).option(OptionCode::RELAY_AGENT_INFORMATION, b"");
    let offer = lab.unicast(&relayed, ip(2)).unwrap();
    assert_eq!(offer.option(OptionCode::RELAY_AGENT_INFORMATION).unwrap(), b"");
    let unknown: &[(SubOption, &[u8])] = &[(SubOption(250), b"x"), (SubOption::CIRCUIT_ID, b"c")];
    let relayed = MessageBuilder::discover(mac(1)).giaddr(ip(2)).relay_agent(unknown);
    let offer = lab.unicast(&relayed, ip(2)).unwrap();
    assert_eq!(offer.option(OptionCode::RELAY_AGENT_INFORMATION).unwrap(), b"\xfa\x01x\x01\x01c");
}

#[test]
fn messages_of_servers_and_of_no_known_type_are_nobodys_requests() {
    let mut lab = Lab::new(config());
    for kind in [MessageType::Offer, MessageType::Ack, MessageType::Nak, MessageType::ForceRenew] {
        let odd = MessageBuilder::discover(mac(1)).without(OptionCode::DHCP_MESSAGE_TYPE);
        assert!(lab.broadcast(&odd.option(OptionCode::DHCP_MESSAGE_TYPE, &[kind as u8])).is_none());
    }
    for value in [&[0][..], &[19], &[255], &[], &[1, 1], &[3, 0]] {
        let odd = MessageBuilder::discover(mac(1)).without(OptionCode::DHCP_MESSAGE_TYPE);
        assert!(lab.broadcast(&odd.option(OptionCode::DHCP_MESSAGE_TYPE, value)).is_none(), "{value:?}");
    }
    assert_eq!(lab.dropped_in_all(), 10);
}

#[test]
fn rfc_2131_4_3_1_table_3_a_nak_says_why() {
    let mut lab = Lab::new(config());
    lab.lease(1);
    let nak = lab.broadcast(&MessageBuilder::request_init_reboot(mac(1), ip(13))).unwrap();
    assert_eq!(nak.message(), MessageType::Nak);
    assert_eq!(nak.option(OptionCode::MESSAGE).unwrap(), b"not the client's address");
    let packet = nak.packet();
    let none = Ipv4Addr::UNSPECIFIED;
    assert_eq!((packet.ciaddr(), packet.yiaddr(), packet.siaddr()), (none, none, none));
}

#[test]
fn a_client_takes_an_address_that_another_was_offered_only_when_the_offer_has_lapsed() {
    let mut lab = Lab::new(config());
    let held = lab.discover(1).unwrap().yiaddr();
    let nak = lab.select(2, held).unwrap();
    assert_eq!(nak.message(), MessageType::Nak);
    lab.pass(120);
    assert_eq!(lab.select(2, held).unwrap().message(), MessageType::Ack);
}

#[test]
fn two_requests_for_one_offer_with_other_xids_are_one_binding() {
    let mut lab = Lab::new(config());
    let offer = lab.discover(1).unwrap();
    let again = lab.discover(1).unwrap();
    assert_eq!(again.yiaddr(), offer.yiaddr());
    assert_ne!(again.packet().xid(), offer.packet().xid());
    let first = lab.select(1, offer.yiaddr()).unwrap();
    let second = lab.select(1, offer.yiaddr()).unwrap();
    assert_eq!((first.message(), second.message()), (MessageType::Ack, MessageType::Ack));
    assert_eq!(lab.disk.len(), 1);
}

#[test]
fn giaddr_is_an_address_of_a_host() {
    let mut lab = Lab::new(config());
    for wrong in [Ipv4Addr::BROADCAST, Ipv4Addr::LOCALHOST, Ipv4Addr::new(239, 1, 1, 1), Ipv4Addr::new(0, 0, 0, 7)] {
        assert!(lab.unicast(&MessageBuilder::discover(mac(1)).giaddr(wrong), ip(2)).is_none(), "{wrong}");
    }
    assert_eq!(lab.dropped(DropReason::BadGiAddress), 4);
}

#[test]
fn giaddr_is_neither_ours_nor_of_a_whole_network() {
    let mut lab = Lab::new(config());
    for wrong in [SERVER, ip(255), ip(0)] {
        let discover = MessageBuilder::discover(mac(1)).giaddr(wrong);
        assert!(lab.unicast(&discover, ip(2)).is_none(), "{wrong}: the answer would reach us, or everybody");
    }
    assert_eq!(lab.dropped(DropReason::BadGiAddress), 3);
    assert!(lab.unicast(&MessageBuilder::discover(mac(1)).giaddr(ip(2)), ip(2)).is_some());
}

#[test]
fn rfc_2131_4_3_5_no_inform_is_answered_at_an_address_of_ours_or_at_a_whole_network() {
    let mut lab = Lab::new(with_inform());
    for wrong in [SERVER, ip(255), ip(0)] {
        assert!(lab.unicast(&MessageBuilder::inform(mac(1), wrong), ip(50)).is_none(), "{wrong}");
    }
    assert_eq!(lab.dropped(DropReason::BadOptions), 3);
}

#[test]
fn process_inform_pool_lends_its_options_and_not_its_network() {
    let mut config = with_inform();
    config.pools.push(Pool {
        name: "parameters".into(),
        network: "10.0.0.0/8".parse().unwrap(),
        ranges: Vec::new(),
        ..config.pools[0].clone()
    });
    config.pools[1].attributes.options[1].1 = [9, 9, 9, 9].into();
    config.groups[0].overrides.process_inform = Some(ProcessInform { pool: Some(bindery_types::PoolId(1)) });
    let mut lab = Lab::new(config);
    let ack = lab.unicast(&MessageBuilder::inform(mac(1), ip(50)), ip(50)).unwrap();
    assert_eq!(ack.option(OptionCode::DOMAIN_NAME_SERVER).unwrap(), [9; 4]);
    assert_eq!(ack.option(OptionCode::SUBNET_MASK).unwrap(), [255, 255, 255, 0]);
}

#[test]
fn rfc_2131_4_1_a_request_whose_options_are_in_file_and_sname_is_read() {
    let mut lab = Lab::new(config());
    let discover = MessageBuilder::discover(mac(1))
        .file_options(&[(OptionCode::REQUESTED_IP_ADDRESS, &ip(12).octets()), (OptionCode(55), &[6])])
        .sname_options(&[(OptionCode(55), &[3])]);
    let offer = lab.broadcast(&discover).unwrap();
    assert_eq!(offer.yiaddr(), ip(12));
    let codes: Vec<u8> = offer.packet().options().map(|(code, _)| code.0).collect();
    assert_eq!(codes, [53, 54, 51, 58, 59, 1, 6, 3], "RFC 3396 §7: two options 55 are one list");
}

#[test]
fn rfc_3396_7_a_client_identifier_over_255_bytes_is_one_key_and_goes_back_whole() {
    let mut lab = Lab::new(config());
    let (mut one, mut other) = (vec![0xff; 300], vec![0xff; 300]);
    (one[299], other[299]) = (1, 2);
    let [first, second] =
        [&one, &other].map(|id| lab.broadcast(&MessageBuilder::discover(mac(1)).client_id(id)).unwrap());
    assert_ne!(first.yiaddr(), second.yiaddr());
    assert_eq!(first.option(OptionCode::CLIENT_IDENTIFIER).unwrap(), one);
}

#[test]
fn an_offer_through_one_relay_is_taken_through_another_of_the_same_network() {
    let mut lab = Lab::new(config());
    let offer = lab.unicast(&MessageBuilder::discover(mac(1)).giaddr(ip(2)), ip(2)).unwrap();
    let request = MessageBuilder::request_selecting(mac(1), offer.yiaddr(), SERVER).giaddr(ip(3));
    let ack = lab.unicast(&request, ip(3)).unwrap();
    assert_eq!((ack.message(), ack.yiaddr()), (MessageType::Ack, offer.yiaddr()));
    assert!(matches!(ack.to, Destination::Udp { dst, port: 67, .. } if dst == ip(3)));
    let rebind = MessageBuilder::request_renewing(mac(1), offer.yiaddr()).giaddr(ip(2));
    assert_eq!(lab.unicast(&rebind, ip(2)).unwrap().message(), MessageType::Ack);
}

#[test]
fn a_bound_client_that_takes_another_servers_offer_keeps_its_binding_until_it_ends() {
    let mut lab = Lab::new(config());
    let address = lab.lease(1);
    lab.discover(1).unwrap();
    assert!(lab.broadcast(&MessageBuilder::request_selecting(mac(1), ip(200), ip(99))).is_none());
    assert_eq!(lab.renew(1, address).unwrap().message(), MessageType::Ack);
}

#[test]
fn rapid_commit_of_a_bound_client_is_its_own_address_again() {
    let mut config = config();
    config.groups[0].overrides.rapid_commit = true;
    let mut lab = Lab::new(config);
    let rapid = MessageBuilder::discover(mac(1)).option(OptionCode::RAPID_COMMIT, &[]);
    let first = lab.broadcast(&rapid).unwrap();
    let again = lab.broadcast(&rapid).unwrap();
    assert_eq!((first.message(), again.message()), (MessageType::Ack, MessageType::Ack));
    assert_eq!(first.yiaddr(), again.yiaddr());
    assert_eq!(again.option(OptionCode::RAPID_COMMIT).unwrap(), b"");
}

#[test]
fn rfc_8925_3_3_a_relay_is_told_to_broadcast_an_offer_without_address() {
    let mut config = config();
    let wait = 1_800u32.to_be_bytes();
    config.pools[0].attributes.options.push((OptionCode::IPV6_ONLY_PREFERRED, wait.into()));
    let mut lab = Lab::new(config);
    let asks = MessageBuilder::discover(mac(1)).parameter_request_list(&[OptionCode(108)]).giaddr(ip(2));
    let offer = lab.unicast(&asks, ip(2)).unwrap();
    assert!(offer.yiaddr().is_unspecified() && offer.packet().is_broadcast());
}
