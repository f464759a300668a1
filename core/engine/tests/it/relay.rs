//! Clients behind relays, and option 82 (RFC 3046).

use crate::lab::{Lab, SERVER, config, ip, mac};
use bindery_engine::{event::DropReason, output::Destination};
use bindery_types::{IfIndex, Ipv4Addr};
use bindery_wire::v4::{MessageBuilder, MessageType, OptionCode, SubOption};

const RELAY: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
const CIRCUIT: &[(SubOption, &[u8])] = &[(SubOption::CIRCUIT_ID, b"port-1")];

fn lease(lab: &mut Lab, last: u8) -> Ipv4Addr {
    let offer = lab.unicast(&MessageBuilder::discover(mac(last)).giaddr(RELAY).relay_agent(CIRCUIT), RELAY).unwrap();
    let to = Destination::Udp { link: IfIndex(0), src: SERVER, dst: RELAY, port: 67 };
    assert_eq!(offer.to, to);
    assert_eq!(offer.option(OptionCode::RELAY_AGENT_INFORMATION).unwrap(), b"\x01\x06port-1");
    let request =
        MessageBuilder::request_selecting(mac(last), offer.yiaddr(), SERVER).giaddr(RELAY).relay_agent(CIRCUIT);
    let ack = lab.unicast(&request, RELAY).unwrap();
    assert_eq!((ack.message(), ack.to), (MessageType::Ack, to));
    ack.yiaddr()
}

#[test]
fn a_relayed_client_gets_a_route_by_its_relay() {
    let mut lab = Lab::new(config());
    let address = lease(&mut lab, 1);
    let route = lab.kernel[&address];
    assert_eq!((route.via, route.neighbour), (Some(RELAY), None));
    let stored = lab.identities.values().next().unwrap();
    assert_eq!(&*stored.relay_info, b"\x01\x06port-1");
}

#[test]
fn a_unicast_renewal_keeps_relay_and_option_82() {
    let mut lab = Lab::new(config());
    let address = lease(&mut lab, 1);
    lab.pass(10);
    let ack = lab.renew(1, address).unwrap();
    assert_eq!(ack.to, Destination::Udp { link: IfIndex(0), src: SERVER, dst: address, port: 68 });
    assert_eq!(&*lab.identities.values().next().unwrap().relay_info, b"\x01\x06port-1");
    assert_eq!(lab.disk.values().next().unwrap().giaddr, RELAY);
    assert_eq!(lab.kernel[&address].via, Some(RELAY));
}

#[test]
fn a_rebinding_from_an_interface_that_is_not_known_yet_is_answered_through_the_relay() {
    let mut lab = Lab::new(config());
    let address = lease(&mut lab, 1);
    let rebind = MessageBuilder::request_renewing(mac(1), address).giaddr(RELAY).relay_agent(CIRCUIT);
    let ack = lab.packet_on(IfIndex(77), &rebind, RELAY, SERVER).unwrap();
    assert_eq!(ack.to, Destination::Udp { link: IfIndex(0), src: SERVER, dst: RELAY, port: 67 });
}

#[test]
fn a_nak_through_a_relay_asks_it_to_broadcast() {
    let mut lab = Lab::new(config());
    let address = lease(&mut lab, 1);
    let wrong = MessageBuilder::request_init_reboot(mac(1), ip(13)).giaddr(RELAY).relay_agent(CIRCUIT);
    assert_ne!(address, ip(13));
    let nak = lab.unicast(&wrong, RELAY).unwrap();
    assert_eq!(nak.message(), MessageType::Nak);
    assert!(nak.packet().is_broadcast());
    assert_eq!(nak.option(OptionCode::RELAY_AGENT_INFORMATION).unwrap(), b"\x01\x06port-1");
}

#[test]
fn option_82_of_a_layer_2_access_node_is_kept_and_echoed() {
    let mut lab = Lab::new(config());
    let offer = lab.broadcast(&MessageBuilder::discover(mac(1)).relay_agent(CIRCUIT)).unwrap();
    assert_eq!(offer.option(OptionCode::RELAY_AGENT_INFORMATION).unwrap(), b"\x01\x06port-1");
    let request = MessageBuilder::request_selecting(mac(1), offer.yiaddr(), SERVER).relay_agent(CIRCUIT);
    let ack = lab.broadcast(&request).unwrap();
    assert_eq!(ack.option(OptionCode::RELAY_AGENT_INFORMATION).unwrap(), b"\x01\x06port-1");
    assert_eq!(lab.kernel[&ack.yiaddr()].via, None);
}

#[test]
fn the_link_selection_names_the_subnet() {
    let mut lab = Lab::new(config());
    let far = Ipv4Addr::new(198, 51, 100, 1);
    let plain = MessageBuilder::discover(mac(1)).giaddr(far);
    assert!(lab.unicast(&plain, far).is_none());
    assert_eq!(lab.dropped(DropReason::InvalidSubnet), 1);
    let selected = plain.relay_agent(&[(SubOption::LINK_SELECTION, &[192, 0, 2, 0])]);
    let offer = lab.unicast(&selected, far).unwrap();
    assert_eq!(offer.to, Destination::Udp { link: IfIndex(0), src: SERVER, dst: far, port: 67 });
    let request = MessageBuilder::request_selecting(mac(1), offer.yiaddr(), SERVER)
        .giaddr(far)
        .relay_agent(&[(SubOption::LINK_SELECTION, &[192, 0, 2, 0])]);
    let ack = lab.unicast(&request, far).unwrap();
    assert!(lab.kernel.is_empty(), "a relay that is not on-link has no route");
    assert_eq!(ack.message(), MessageType::Ack);
}

#[test]
fn include_option_82_nak_is_for_direct_clients() {
    for echoes in [false, true] {
        let mut config = config();
        config.groups[0].overrides.option_82_in_nak = echoes;
        let mut lab = Lab::new(config);
        lab.lease(1);
        let wrong = MessageBuilder::request_init_reboot(mac(1), ip(13)).relay_agent(CIRCUIT);
        let nak = lab.broadcast(&wrong).unwrap();
        assert_eq!(nak.message(), MessageType::Nak);
        assert_eq!(nak.option(OptionCode::RELAY_AGENT_INFORMATION).is_some(), echoes);
    }
}

#[test]
fn rfc_2131_2_2_no_client_is_given_the_address_of_its_relay() {
    let mut lab = Lab::new(config());
    let relay = ip(10);
    let discover = |last: u8| MessageBuilder::discover(mac(last)).giaddr(relay);
    for last in 1..=4 {
        let offer = lab.unicast(&discover(last).address_option(OptionCode::REQUESTED_IP_ADDRESS, relay), relay);
        assert!(offer.is_none_or(|offer| offer.yiaddr() != relay), "client {last}");
    }
    let select = MessageBuilder::request_selecting(mac(9), relay, SERVER).giaddr(relay);
    assert_eq!(lab.unicast(&select, relay).unwrap().message(), MessageType::Nak);
    assert!(
        lab.broadcast(&MessageBuilder::discover(mac(9))).is_some_and(|offer| offer.yiaddr() == relay),
        "free for others"
    );
}
