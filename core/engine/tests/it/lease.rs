//! Getting and keeping a lease: RFC 2131 §4.3.1, §4.3.2.

use crate::lab::{LEASE_SECS, LINK, Lab, SERVER, config, ip, link, mac};
use bindery_engine::{
    Input,
    command::{Cursor, Filter, Reply, Verb},
    config::{Config, Host, Lease, Overrides, ProcessInform},
    event::DropReason,
    output::Destination,
    pool::HostTable,
    record::DurableState,
};
use bindery_types::{IfIndex, Ipv4Addr, MacAddr};
use bindery_wire::v4::{MessageBuilder, MessageType, OptionCode};
use std::sync::Arc;

#[test]
fn a_client_gets_a_lease_a_record_and_a_route() {
    let mut lab = Lab::new(config());
    let offer = lab.discover(1).unwrap();
    assert_eq!(offer.to, Destination::Frame { link: LINK, mac: mac(1), src: SERVER, dst: offer.yiaddr() });
    assert!(lab.disk.is_empty(), "an offer is not stored");
    let ack = lab.select(1, offer.yiaddr()).unwrap();
    assert_eq!(ack.message(), MessageType::Ack);
    assert_eq!(ack.option(OptionCode::SERVER_IDENTIFIER).unwrap(), SERVER.octets());
    assert_eq!(ack.option(OptionCode::IP_ADDRESS_LEASE_TIME).unwrap(), LEASE_SECS.to_be_bytes());
    assert_eq!(ack.option(OptionCode::RENEWAL_TIME).unwrap(), 1_800u32.to_be_bytes());
    assert_eq!(ack.option(OptionCode::REBINDING_TIME).unwrap(), 3_150u32.to_be_bytes());
    assert_eq!(ack.option(OptionCode::SUBNET_MASK).unwrap(), [255, 255, 255, 0]);
    assert_eq!(ack.option(OptionCode::ROUTER).unwrap(), SERVER.octets());
    assert_eq!(lab.state(ack.yiaddr()), Some(DurableState::Bound));
    let route = lab.kernel[&ack.yiaddr()];
    assert_eq!((route.link, route.via, route.src, route.neighbour), (LINK, None, Some(SERVER), Some(mac(1))));
}

#[test]
fn the_ack_waits_for_storage_and_for_the_route() {
    let mut lab = Lab::new(config());
    let offer = lab.discover(1).unwrap();
    lab.prompt = false;
    assert!(lab.select(1, offer.yiaddr()).is_none());
    assert!(lab.routes.is_empty(), "record first, then route");
    lab.answer_store();
    assert!(lab.heard.is_empty(), "the route is not there yet");
    assert_eq!(lab.routes.len(), 1);
    assert!(lab.routes[0].urgent);
    lab.answer_routes();
    assert_eq!(lab.heard.len(), 1);
}

#[test]
fn a_retransmission_in_flight_gets_one_answer() {
    let mut lab = Lab::new(config());
    let offer = lab.discover(1).unwrap();
    lab.prompt = false;
    lab.select(1, offer.yiaddr());
    lab.select(1, offer.yiaddr());
    lab.discover(1);
    lab.answer_store();
    lab.select(1, offer.yiaddr());
    lab.answer_routes();
    assert_eq!(lab.heard.len(), 1);
    assert_eq!(lab.dropped(DropReason::Duplicate), 3);
}

#[test]
fn renewals_need_no_new_route() {
    let mut lab = Lab::new(config());
    let address = lab.lease(1);
    lab.pass(100);
    lab.prompt = false;
    let ack = lab.renew(1, address).unwrap();
    assert!(lab.routes.is_empty());
    assert_eq!(ack.message(), MessageType::Ack);
    assert_eq!(ack.packet().ciaddr(), address);
    assert_eq!(ack.to, Destination::Udp { link: IfIndex(0), src: SERVER, dst: address, port: 68 });
}

#[test]
fn after_a_flush_the_route_comes_before_the_ack() {
    let mut lab = Lab::new(config());
    let address = lab.lease(1);
    lab.kernel.clear();
    lab.input(Input::RoutesLost(LINK));
    lab.renew(1, address).unwrap();
    assert!(lab.kernel.contains_key(&address));
}

#[test]
fn a_stale_ciaddr_does_not_make_a_selecting_client_renew() {
    let mut lab = Lab::new(config());
    let offer = lab.discover(1).unwrap();
    let stale = Ipv4Addr::new(198, 51, 100, 7);
    let request = MessageBuilder::request_selecting(mac(1), offer.yiaddr(), SERVER).ciaddr(stale);
    let ack = lab.broadcast(&request).unwrap();
    assert_eq!(ack.message(), MessageType::Ack);
    assert_eq!(ack.to, Destination::Frame { link: LINK, mac: mac(1), src: SERVER, dst: offer.yiaddr() });
}

#[test]
fn option_54_without_50_is_a_renewal() {
    let mut lab = Lab::new(config());
    let address = lab.lease(1);
    let request = MessageBuilder::request_renewing(mac(1), address).server(SERVER);
    assert_eq!(lab.unicast(&request, address).unwrap().message(), MessageType::Ack);
    let other = MessageBuilder::request_renewing(mac(1), address).server(ip(99));
    assert!(lab.unicast(&other, address).is_none());
    assert_eq!(lab.dropped(DropReason::InvalidServerAddress), 1);
}

#[test]
fn init_reboot() {
    let mut lab = Lab::new(config());
    let address = lab.lease(1);
    let ack = lab.broadcast(&MessageBuilder::request_init_reboot(mac(1), address)).unwrap();
    assert_eq!(ack.message(), MessageType::Ack);
    let other = lab.broadcast(&MessageBuilder::request_init_reboot(mac(1), ip(13))).unwrap();
    assert_eq!(other.message(), MessageType::Nak);
    let foreign = lab.broadcast(&MessageBuilder::request_init_reboot(mac(2), Ipv4Addr::new(10, 0, 0, 1))).unwrap();
    assert_eq!(foreign.message(), MessageType::Nak);
    assert_eq!(
        foreign.to,
        Destination::Frame { link: LINK, mac: MacAddr::BROADCAST, src: SERVER, dst: Ipv4Addr::BROADCAST }
    );
    assert!(lab.broadcast(&MessageBuilder::request_init_reboot(mac(2), ip(12))).is_none(), "unknown: silence");
}

#[test]
fn an_unknown_renewal_is_silence_and_one_of_anothers_address_is_a_nak() {
    let mut lab = Lab::new(config());
    let address = lab.lease(1);
    assert!(lab.renew(2, ip(13)).is_none());
    assert_eq!(lab.dropped(DropReason::ClientLookup), 1);
    let nak = lab.renew(2, address).unwrap();
    assert_eq!(nak.message(), MessageType::Nak);
    assert_eq!(
        nak.to,
        Destination::Frame { link: LINK, mac: MacAddr::BROADCAST, src: SERVER, dst: Ipv4Addr::BROADCAST }
    );
    assert_eq!(lab.heard.len(), 1, "and by unicast, because renewing clients hear nothing else");
}

#[test]
fn nak_unknown_renew_and_rebind() {
    let mut config = config();
    config.groups[0].overrides = Overrides { nak_unknown_renew: true, ..Overrides::default() };
    let mut lab = Lab::new(config.clone());
    assert_eq!(lab.renew(2, ip(13)).unwrap().message(), MessageType::Nak);
    assert!(lab.broadcast(&MessageBuilder::request_renewing(mac(2), ip(13))).is_none());
    config.groups[0].overrides = Overrides { nak_unknown_rebind: true, ..Overrides::default() };
    let mut lab = Lab::new(config);
    assert!(lab.renew(2, ip(13)).is_none());
    assert_eq!(lab.broadcast(&MessageBuilder::request_renewing(mac(2), ip(13))).unwrap().message(), MessageType::Nak);
}

#[test]
fn a_request_for_another_server_frees_our_offer() {
    let mut lab = Lab::new(config());
    let offer = lab.discover(1).unwrap();
    lab.broadcast(&MessageBuilder::request_selecting(mac(1), ip(200), ip(99)));
    assert_eq!(lab.dropped(DropReason::InvalidServerAddress), 1);
    for last in 2..=5 {
        lab.lease(last);
    }
    assert!(lab.kernel.contains_key(&offer.yiaddr()), "its address was given to somebody");
}

#[test]
fn the_pool_ends_and_offers_lapse() {
    let mut lab = Lab::new(config());
    for last in 1..=4 {
        lab.discover(last).unwrap();
    }
    assert!(lab.discover(5).is_none());
    assert_eq!(lab.dropped(DropReason::NoAddresses), 1);
    lab.pass(70);
    assert!(lab.discover(5).is_some());
}

#[test]
fn the_broadcast_flag_and_the_client_id_are_honoured() {
    let mut lab = Lab::new(config());
    let discover = MessageBuilder::discover(mac(1)).broadcast().client_id(b"\x01abc");
    let offer = lab.broadcast(&discover).unwrap();
    assert_eq!(
        offer.to,
        Destination::Frame { link: LINK, mac: MacAddr::BROADCAST, src: SERVER, dst: Ipv4Addr::BROADCAST }
    );
    assert_eq!(offer.option(OptionCode::CLIENT_IDENTIFIER).unwrap(), b"\x01abc");
    // RFC 2131 §4.2: another client-id on the same MAC is another client.
    let other = lab.broadcast(&MessageBuilder::discover(mac(1)).client_id(b"\x01abd")).unwrap();
    assert_ne!(other.yiaddr(), offer.yiaddr());
}

#[test]
fn reservations_hold_and_nobody_else_gets_them() {
    let mut config = config();
    config.pools[0].hosts =
        vec![Host { name: "printer".into(), hardware_address: Some(mac(9)), ip_address: ip(10), ..Host::default() }];
    let mut lab = Lab::new(config);
    let others: Vec<Ipv4Addr> = (1..=3).map(|last| lab.lease(last)).collect();
    assert!(!others.contains(&ip(10)));
    assert!(lab.discover(4).is_none());
    assert_eq!(lab.lease(9), ip(10));
}

fn keep(config: &mut Config, kept: &[(u8, u8)]) {
    let list: Vec<_> = kept.iter().map(|&(client, last)| (ip(last), mac(client))).collect();
    config.pools[0].host_table = Some(Arc::new(HostTable::new(&list).unwrap().0));
}

#[test]
fn a_table_of_reservations_holds_as_a_host_does() {
    let mut config = config();
    keep(&mut config, &[(9, 10), (8, 99)]);
    let mut lab = Lab::new(config);
    let others: Vec<Ipv4Addr> = (1..=3).map(|last| lab.lease(last)).collect();
    assert!(!others.contains(&ip(10)));
    assert!(lab.discover(4).is_none(), "the last address of the range is kept");
    assert_eq!((lab.lease(9), lab.lease(8)), (ip(10), ip(99)), "inside and outside of the range");
    let renewal = lab.renew(8, ip(99)).unwrap();
    assert_eq!((renewal.message(), renewal.yiaddr()), (MessageType::Ack, ip(99)));
}

#[test]
fn a_reservation_waits_for_the_holder_of_its_address() {
    let mut lab = Lab::new(config());
    assert_eq!(lab.lease(1), ip(10));
    let mut kept = config();
    keep(&mut kept, &[(9, 10)]);
    lab.input(Input::Configure(Arc::new(kept)));
    assert_eq!(lab.lease(9), ip(11), "another client holds the address");
    let renewal = lab.renew(1, ip(10)).unwrap();
    assert_eq!(renewal.message(), MessageType::Ack, "who holds it keeps it");
}

#[test]
fn who_is_taken_out_of_the_table_is_treated_as_after_a_removed_host() {
    let renewals = |with: &dyn Fn(&mut Config)| {
        let mut kept = config();
        with(&mut kept);
        let mut lab = Lab::new(kept);
        assert_eq!((lab.lease(9), lab.lease(8)), (ip(10), ip(99)));
        lab.input(Input::Configure(Arc::new(config())));
        (lab.renew(9, ip(10)).map(|reply| reply.message()), lab.renew(8, ip(99)).map(|reply| reply.message()))
    };
    let host = |client, last| Host {
        name: "h".into(),
        hardware_address: Some(mac(client)),
        ip_address: ip(last),
        ..Host::default()
    };
    let by_hosts = renewals(&|config| config.pools[0].hosts = vec![host(9, 10), host(8, 99)]);
    let by_table = renewals(&|config| keep(config, &[(9, 10), (8, 99)]));
    assert_eq!(by_table, by_hosts);
    assert_eq!(by_table, (Some(MessageType::Ack), Some(MessageType::Nak)), "in the range, and in no range");
}

#[test]
fn a_shorter_lease_is_granted_and_a_longer_one_is_not() {
    let mut lab = Lab::new(config());
    let lease = |lab: &mut Lab, secs| {
        let offer = lab.broadcast(&MessageBuilder::discover(mac(1)).lease_time(secs)).unwrap();
        u32::from_be_bytes(offer.option(OptionCode::IP_ADDRESS_LEASE_TIME).unwrap().try_into().unwrap())
    };
    assert_eq!(lease(&mut lab, 600), 600);
    assert_eq!(lease(&mut lab, 999_999), LEASE_SECS);
    assert_eq!(lease(&mut lab, 1), 60);
}

#[test]
fn an_infinite_lease_never_expires() {
    let mut config = config();
    config.pools[0].attributes.lease = Lease::Infinite;
    let mut lab = Lab::new(config);
    let address = lab.lease(1);
    lab.jump(40 * 365 * 86_400);
    assert_eq!(lab.state(address), Some(DurableState::Bound));
    let Some(Reply::Bindings { rows, .. }) =
        lab.command(Verb::Bindings { filter: Filter::Address(address), cursor: Cursor::START })
    else {
        panic!("no rows")
    };
    assert_eq!(rows[0].expires_in, None);
}

#[test]
fn inform_is_answered_where_it_is_configured() {
    let mut lab = Lab::new(config());
    let inform = MessageBuilder::inform(mac(1), ip(50));
    assert!(lab.unicast(&inform, ip(50)).is_none());
    assert_eq!(lab.dropped(DropReason::InformNotProcessed), 1);
    let mut config = config();
    config.groups[0].overrides.process_inform = Some(ProcessInform { pool: None });
    let mut lab = Lab::new(config);
    let ack = lab.unicast(&inform, ip(50)).unwrap();
    assert_eq!(ack.to, Destination::Udp { link: IfIndex(0), src: SERVER, dst: ip(50), port: 68 });
    assert_eq!(ack.yiaddr(), Ipv4Addr::UNSPECIFIED);
    assert_eq!(ack.option(OptionCode::IP_ADDRESS_LEASE_TIME), None);
    assert_eq!(ack.option(OptionCode::ROUTER).unwrap(), SERVER.octets());
    assert!(lab.disk.is_empty());
}

#[test]
fn unnumbered_interfaces_share_the_gateway_address_of_the_loopback() {
    let mut lab = Lab::new(config());
    lab.input(Input::LinkSet(link(IfIndex(1), "lo", &[(Ipv4Addr::LOCALHOST, 8), (SERVER, 32)])));
    lab.input(Input::LinkSet(link(LINK, "eth1", &[])));
    lab.input(Input::LinkSet(link(IfIndex(8), "eth2", &[])));
    for (index, last) in [(LINK, 1), (IfIndex(8), 2)] {
        let (src, dst) = (Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST);
        let offer = lab.packet_on(index, &MessageBuilder::discover(mac(last)), src, dst).unwrap();
        let request = MessageBuilder::request_selecting(mac(last), offer.yiaddr(), SERVER);
        let ack = lab.packet_on(index, &request, src, dst).unwrap();
        assert_eq!(ack.option(OptionCode::SERVER_IDENTIFIER).unwrap(), SERVER.octets());
        let route = lab.kernel[&ack.yiaddr()];
        assert_eq!((route.link, route.src), (index, Some(SERVER)));
    }
}

#[test]
fn the_client_limit_of_an_interface_holds() {
    let mut config = config();
    config.groups[0].overrides.interface_client_limit = Some(1);
    let mut lab = Lab::new(config);
    let address = lab.lease(1);
    assert!(lab.discover(2).is_none());
    assert_eq!(lab.dropped(DropReason::ClientLimit), 1);
    lab.renew(1, address).unwrap();
}

#[test]
fn an_interface_in_no_group_and_a_network_in_no_pool_are_not_served() {
    let mut lab = Lab::new(config());
    lab.input(Input::LinkSet(link(IfIndex(8), "wan0", &[(ip(2), 24)])));
    lab.input(Input::LinkSet(link(IfIndex(9), "eth9", &[(Ipv4Addr::new(10, 0, 0, 1), 24)])));
    lab.input(Input::LinkSet(link(IfIndex(10), "eth10", &[])));
    let discover = MessageBuilder::discover(mac(1));
    for index in [8, 9, 10, 11] {
        assert!(lab.packet_on(IfIndex(index), &discover, Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST).is_none());
    }
    assert_eq!((lab.dropped(DropReason::NoInterfaceCfg), lab.dropped(DropReason::NoInterface)), (1, 1));
    assert_eq!(lab.dropped(DropReason::InvalidSubnet), 1);
    assert_eq!(lab.dropped(DropReason::NoLocalAddress), 1);
}

#[test]
fn a_client_that_moves_takes_its_route_along() {
    let mut lab = Lab::new(config());
    let address = lab.lease(1);
    lab.input(Input::LinkSet(link(IfIndex(8), "eth2", &[(ip(2), 24)])));
    let rebind = MessageBuilder::request_renewing(mac(1), address);
    lab.packet_on(IfIndex(8), &rebind, address, Ipv4Addr::BROADCAST).unwrap();
    assert_eq!(lab.kernel[&address].link, IfIndex(8));
}
