//! What a client is told: `protocol-attributes`, `asymmetric-lease-time`, options 108 and 121, option 82 in FORCERENEW.

use crate::lab::{Heard, LEASE_SECS, LINK, Lab, SERVER, config, ip, mac};
use bindery_engine::{
    command::{Cursor, Filter, Verb},
    config::{Config, Lease, Overrides, ProtocolAttributes, Reconfigure, Timer},
    impact::Prospect,
    output::Destination,
    reconfigure::Purpose,
};
use bindery_types::{Ipv4Addr, LeaseTime};
use bindery_wire::v4::{MessageBuilder, MessageType, OptionCode};
use std::sync::Arc;

fn with(change: impl FnOnce(&mut Overrides)) -> Config {
    let mut config = config();
    change(&mut config.groups[0].overrides);
    config
}

fn secs(reply: &Heard, code: OptionCode) -> Option<u32> {
    reply.option(code).map(|value| u32::from_be_bytes(value.try_into().unwrap()))
}

fn asking(last: u8, codes: &[u8]) -> MessageBuilder {
    MessageBuilder::discover(mac(last)).option(OptionCode::PARAMETER_REQUEST_LIST, codes)
}

#[test]
fn protocol_attributes_win_over_the_pools_one_by_one() {
    let over = ProtocolAttributes {
        lease: Some(Lease::Secs(1_200)),
        t1: Some(Timer::Secs(100)),
        server_identifier: Some(ip(250)),
        boot_file: Some(Box::from(*b"theirs")),
        options: vec![
            (OptionCode::DOMAIN_NAME_SERVER, ip(99).octets().into()),
            (OptionCode::DOMAIN_NAME, Box::from(*b"x.example")),
        ],
        ..ProtocolAttributes::default()
    };
    let mut lab = Lab::new(with(|overrides| overrides.attributes = Some(Arc::new(over))));
    let offer = lab.discover(1).unwrap();
    let select = MessageBuilder::request_selecting(mac(1), offer.yiaddr(), ip(250));
    let ack = lab.broadcast(&select).unwrap();
    for reply in [&offer, &ack] {
        assert_eq!(secs(reply, OptionCode::IP_ADDRESS_LEASE_TIME), Some(1_200));
        assert_eq!(secs(reply, OptionCode::RENEWAL_TIME), Some(100));
        assert_eq!(secs(reply, OptionCode::REBINDING_TIME), Some(1_050), "the pool's 7/8 of the lease");
        assert_eq!(reply.option(OptionCode::SERVER_IDENTIFIER).unwrap(), ip(250).octets());
        assert_eq!(reply.option(OptionCode::DOMAIN_NAME_SERVER).unwrap(), ip(99).octets());
        assert_eq!(reply.option(OptionCode::DOMAIN_NAME).unwrap(), b"x.example");
        assert_eq!(reply.option(OptionCode::ROUTER).unwrap(), SERVER.octets(), "the pool's");
        assert!(reply.packet().file_field().starts_with(b"theirs\0"));
    }
    let asked = lab.broadcast(&asking(2, &[6, 3])).unwrap();
    assert_eq!(asked.option(OptionCode::DOMAIN_NAME), None);
    assert_eq!(asked.option(OptionCode::DOMAIN_NAME_SERVER).unwrap(), ip(99).octets());
}

/// Leases that a client was told, and what is left of what the server keeps.
fn renewed(lab: &mut Lab) -> (Option<u32>, u64) {
    let ack = lab.renew(1, ip(10)).unwrap();
    assert_eq!(ack.message(), MessageType::Ack);
    let Some(left) = kept(lab) else { panic!("no binding") };
    (secs(&ack, OptionCode::IP_ADDRESS_LEASE_TIME), left)
}

/// Seconds until the server lets the lease end, as an operator sees it.
fn kept(lab: &mut Lab) -> Option<u64> {
    match lab.command(Verb::Bindings { filter: Filter::Address(ip(10)), cursor: Cursor::START }) {
        Some(bindery_engine::command::Reply::Bindings { rows, .. }) => rows.first()?.expires_in,
        other => panic!("{other:?}"),
    }
}

#[test]
fn asymmetric_lease_time_is_what_the_client_knows() {
    let mut config = with(|overrides| overrides.asymmetric_lease_secs = Some(600));
    config.pools[0].attributes.lease = Lease::Secs(4_000);
    let mut lab = Lab::new(config);
    let offer = lab.discover(1).unwrap();
    let ack = lab.select(1, offer.yiaddr()).unwrap();
    for reply in [&offer, &ack] {
        assert_eq!(secs(reply, OptionCode::IP_ADDRESS_LEASE_TIME), Some(600));
        assert_eq!(secs(reply, OptionCode::RENEWAL_TIME), Some(300), "T1 of what it knows");
        assert_eq!(secs(reply, OptionCode::REBINDING_TIME), Some(525));
    }
    assert_eq!(kept(&mut lab), Some(4_000));
    // Within the first half of the long lease renewals do not move its end.
    lab.jump(300);
    assert_eq!(renewed(&mut lab), (Some(600), 3_700));
    lab.jump(1_500);
    assert_eq!(renewed(&mut lab), (Some(600), 2_200));
    // In the second half one begins it anew.
    lab.jump(300);
    assert_eq!(renewed(&mut lab), (Some(600), 4_000));
    // A client that is gone keeps its address until the long lease has ended.
    lab.jump(3_900);
    assert!(lab.kernel.contains_key(&ip(10)));
    lab.jump(101);
    assert!(lab.kernel.is_empty());
}

#[test]
fn asymmetric_lease_time_over_an_infinite_lease_and_over_a_short_one() {
    let mut config = with(|overrides| overrides.asymmetric_lease_secs = Some(600));
    config.pools[0].attributes.lease = Lease::Infinite;
    let mut lab = Lab::new(config.clone());
    lab.lease(1);
    assert_eq!(lab.record(ip(10)).unwrap().end, LeaseTime::NEVER);
    assert_eq!(secs(&lab.renew(1, ip(10)).unwrap(), OptionCode::IP_ADDRESS_LEASE_TIME), Some(600));
    config.pools[0].attributes.lease = Lease::Secs(300);
    let mut lab = Lab::new(config);
    lab.lease(1);
    assert_eq!(renewed(&mut lab), (Some(300), 300));
}

fn reasons(lab: &mut Lab, to: Config) -> Vec<bindery_engine::impact::Reason> {
    let prospect = Arc::new(Prospect::new(Arc::new(to)));
    let rows = Some(bindery_engine::impact::Impact::Changed);
    match lab.command(Verb::Impact { prospect, cursor: Cursor::START, rows }) {
        Some(bindery_engine::command::Reply::Impact { rows, .. }) => rows.iter().map(|row| row.reason).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_forecast_knows_what_a_group_says_of_leases_and_options() {
    use bindery_engine::impact::Reason;
    let mut lab = Lab::new(config());
    lab.lease(1);
    assert_eq!(reasons(&mut lab, config()), []);
    let asymmetric = |secs| with(|overrides| overrides.asymmetric_lease_secs = Some(secs));
    assert_eq!(reasons(&mut lab, asymmetric(600)), [Reason::LeaseTime]);
    assert_eq!(reasons(&mut lab, asymmetric(86_400)), [], "longer than the lease");
    let attributes = |over| with(|overrides| overrides.attributes = Some(Arc::new(over)));
    let options = vec![(OptionCode::ROUTER, ip(2).octets().into())];
    let other = ProtocolAttributes { options, ..ProtocolAttributes::default() };
    assert_eq!(reasons(&mut lab, attributes(other)), [Reason::Options]);
    let options = vec![(OptionCode::ROUTER, SERVER.octets().into())];
    let same = ProtocolAttributes { lease: Some(Lease::Secs(LEASE_SECS)), options, ..ProtocolAttributes::default() };
    assert_eq!(reasons(&mut lab, attributes(same)), []);
}

fn ipv6_mostly() -> Config {
    let mut config = with(|overrides| overrides.rapid_commit = true);
    config.pools[0].attributes.options.push((OptionCode::IPV6_ONLY_PREFERRED, 1_800u32.to_be_bytes().into()));
    config
}

#[test]
fn rfc_8925_3_3_a_client_that_asks_for_108_is_offered_no_address() {
    let mut lab = Lab::new(ipv6_mostly());
    let offer = lab.broadcast(&asking(1, &[1, 3, 108]).option(OptionCode::RAPID_COMMIT, &[])).unwrap();
    assert_eq!((offer.message(), offer.yiaddr()), (MessageType::Offer, Ipv4Addr::UNSPECIFIED), "nor an ACK");
    assert_eq!(secs(&offer, OptionCode::IPV6_ONLY_PREFERRED), Some(1_800));
    assert_eq!(offer.option(OptionCode::SERVER_IDENTIFIER).unwrap(), SERVER.octets());
    assert_eq!(offer.to, Destination::Frame { link: LINK, mac: mac(1), src: SERVER, dst: Ipv4Addr::BROADCAST });
    assert!(lab.disk.is_empty());
    // Nothing is reserved: all four addresses are there for others.
    for last in 2..=5 {
        lab.lease(last);
    }
    // It changed its mind, or has an address from before: a REQUEST is what it always is, with 108 as asked.
    let reboot = MessageBuilder::request_init_reboot(mac(2), ip(10));
    let ack = lab.broadcast(&reboot.option(OptionCode::PARAMETER_REQUEST_LIST, &[108])).unwrap();
    assert_eq!((ack.message(), ack.yiaddr()), (MessageType::Ack, ip(10)));
    assert_eq!(secs(&ack, OptionCode::IPV6_ONLY_PREFERRED), Some(1_800));
}

#[test]
fn rfc_8925_3_3_who_does_not_ask_for_108_never_gets_it() {
    let mut lab = Lab::new(ipv6_mostly());
    for message in [asking(1, &[1, 3]), MessageBuilder::discover(mac(1))] {
        let offer = lab.broadcast(&message).unwrap();
        assert_eq!((offer.yiaddr(), offer.option(OptionCode::IPV6_ONLY_PREFERRED)), (ip(10), None));
    }
    let mut lab = Lab::new(config());
    let offer = lab.broadcast(&asking(1, &[108])).unwrap();
    assert_eq!((offer.yiaddr(), offer.option(OptionCode::IPV6_ONLY_PREFERRED)), (ip(10), None), "the pool has none");
}

#[test]
fn rfc_3442_who_asks_for_121_gets_no_router_beside_it() {
    let mut config = config();
    let routes: Box<[u8]> = Box::from([0, 192, 0, 2, 1]);
    config.pools[0].attributes.options.push((OptionCode::STATIC_ROUTE, Box::from([10, 0, 0, 1, 192, 0, 2, 1])));
    config.pools[0].attributes.options.push((OptionCode::CLASSLESS_STATIC_ROUTE, routes.clone()));
    let mut lab = Lab::new(config);
    let offer = lab.broadcast(&asking(1, &[1, 121, 3, 33, 6])).unwrap();
    assert_eq!(offer.option(OptionCode::CLASSLESS_STATIC_ROUTE).unwrap(), *routes);
    assert_eq!((offer.option(OptionCode::ROUTER), offer.option(OptionCode::STATIC_ROUTE)), (None, None));
    assert!(offer.option(OptionCode::DOMAIN_NAME_SERVER).is_some());
    let offer = lab.broadcast(&asking(1, &[3, 33])).unwrap();
    assert!(offer.option(OptionCode::ROUTER).is_some() && offer.option(OptionCode::STATIC_ROUTE).is_some());
    assert_eq!(offer.option(OptionCode::CLASSLESS_STATIC_ROUTE), None);
    let offer = lab.broadcast(&MessageBuilder::discover(mac(1))).unwrap();
    assert!(offer.option(OptionCode::ROUTER).is_some(), "nobody knows what it understands");
}

#[test]
fn include_option_82_forcerenew() {
    let told = |included: bool| {
        let mut config = with(|overrides| overrides.option_82_in_forcerenew = included);
        config.groups[0].reconfigure = Some(Reconfigure::default());
        let mut lab = Lab::new(config);
        let info = [1, 2, b'p', b'1'];
        let tagged = |message: MessageBuilder| message.option(OptionCode::RELAY_AGENT_INFORMATION, &info);
        lab.broadcast(&tagged(MessageBuilder::discover(mac(1)))).unwrap();
        lab.broadcast(&tagged(MessageBuilder::request_selecting(mac(1), ip(10), SERVER))).unwrap();
        let (filter, cursor, purpose) = (Filter::Address(ip(10)), Cursor::START, Purpose::Refresh);
        lab.command(Verb::Reconfigure { filter, cursor, purpose, most: 1 });
        let sent = lab.heard.pop().unwrap();
        assert_eq!(sent.message(), MessageType::ForceRenew);
        sent.option(OptionCode::RELAY_AGENT_INFORMATION)
    };
    assert_eq!(told(true).unwrap(), [1, 2, b'p', b'1']);
    assert_eq!(told(false), None);
}

#[test]
fn rfc_2132_9_4_and_9_5_who_asks_for_the_boot_fields_as_options_gets_them_so_too() {
    let mut config = config();
    config.pools[0].attributes.boot_file = Some(Box::from(*b"pxelinux.0"));
    config.pools[0].attributes.boot_server = Some(Box::from(*b"boot.example"));
    let mut lab = Lab::new(config);
    for (last, codes, file, server) in
        [(1, &[3][..], false, false), (2, &[67, 66], true, true), (3, &[67], true, false)]
    {
        let offer = lab.broadcast(&asking(last, codes)).unwrap();
        assert!(offer.packet().file_field().starts_with(b"pxelinux.0\0"));
        assert!(offer.packet().sname_field().starts_with(b"boot.example\0"));
        assert_eq!(offer.option(OptionCode::BOOTFILE_NAME), file.then(|| b"pxelinux.0".to_vec()));
        assert_eq!(offer.option(OptionCode::TFTP_SERVER_NAME), server.then(|| b"boot.example".to_vec()));
    }
}
