//! DHCPLEASEQUERY (RFC 4388): who is told what, and who hears nothing.

use crate::lab::{Heard, LEASE_SECS, LINK, Lab, SERVER, config, ip, link, mac};
use bindery_engine::{
    Input,
    command::Filter,
    config::{Chains, Config, Group, Instance, Interface, Lease, Overrides, PluginId, Pool, Range, Timer},
    event::DropReason,
    output::Destination,
    policy::{Hook, Leasequery, LeasequeryVerdict, NoPolicy, Policy, QueryKey, ShapeReply, Stage},
};
use bindery_types::{GroupId, IfIndex, InstanceId, Ipv4Addr, MacAddr, Now};
use bindery_wire::v4::{Fault, MessageBuilder, MessageType, OptionCode, SubOption};
use std::{cell::RefCell, rc::Rc};

use MessageType::{LeaseActive, LeaseUnassigned, LeaseUnknown};

const RELAY: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
/// A relay in the second network.
const FAR: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
/// An access concentrator that no client came through.
const REQUESTOR: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);
const CLIENT_ID: &[u8] = b"\0client";
/// Sub-options that say nothing to us, and a byte too many at the end.
const RELAY_INFO: &[u8] = b"\x01\x04\x00\xff\x52\x00\x97\x02zz\x09";
const ALL: &[u8] = &[1, 3, 6, 12, 15, 51, 53, 54, 58, 59, 60, 61, 82, 91, 92];

fn pool(name: &str, network: &str, low: Ipv4Addr, high: Ipv4Addr) -> Pool {
    let range = Range { name: "r".into(), low, high };
    let first = config().pools.remove(0);
    Pool { name: name.into(), network: network.parse().unwrap(), ranges: vec![range], ..first }
}

/// The lab's network and a second one behind [`FAR`], with `allow-leasequery`.
fn allowing() -> Config {
    let mut config = config();
    config.groups[0].allow_leasequery = true;
    let far = pool("far", "198.51.100.0/24", Ipv4Addr::new(198, 51, 100, 10), Ipv4Addr::new(198, 51, 100, 13));
    config.pools.push(far);
    config
}

/// DORA through a relay, with client identifier, vendor class and option 82.
fn relayed(lab: &mut Lab, mac: MacAddr, client_id: &[u8], giaddr: Ipv4Addr) -> Ipv4Addr {
    let dress = |message: MessageBuilder| {
        let message = message.giaddr(giaddr).option(OptionCode::VENDOR_CLASS, b"cpe").option(OptionCode(12), b"host");
        let message = if client_id.is_empty() { message } else { message.client_id(client_id) };
        message.option(OptionCode::RELAY_AGENT_INFORMATION, RELAY_INFO)
    };
    let offer = lab.unicast(&dress(MessageBuilder::discover(mac)), giaddr).expect("an offer");
    let request = MessageBuilder::request_selecting(mac, offer.yiaddr(), SERVER);
    let ack = lab.unicast(&dress(request), giaddr).expect("an ack");
    assert_eq!(ack.message(), MessageType::Ack);
    ack.yiaddr()
}

fn by_address(address: Ipv4Addr) -> MessageBuilder {
    MessageBuilder::lease_query_by_address(address, REQUESTOR)
}

fn by_mac(last: u8) -> MessageBuilder {
    MessageBuilder::lease_query_by_mac(mac(last), REQUESTOR)
}

fn by_client_id(id: &[u8]) -> MessageBuilder {
    MessageBuilder::lease_query_by_client_id(id, REQUESTOR)
}

fn asking(query: MessageBuilder, codes: &[u8]) -> MessageBuilder {
    query.option(OptionCode::PARAMETER_REQUEST_LIST, codes)
}

fn ask(lab: &mut Lab, query: &MessageBuilder) -> Heard {
    lab.unicast(query, REQUESTOR).expect("an answer")
}

fn codes(heard: &Heard) -> Vec<u8> {
    heard.packet().codes().iter().map(|code| code.0).collect()
}

fn secs(heard: &Heard, code: OptionCode) -> Option<u32> {
    heard.packet().u32_option(code)
}

fn addresses(heard: &Heard) -> Vec<Ipv4Addr> {
    let value = heard.option(OptionCode::ASSOCIATED_IP).unwrap_or_default();
    assert_eq!(value.len() % 4, 0);
    value.chunks(4).map(|part| Ipv4Addr::from(<[u8; 4]>::try_from(part).unwrap())).collect()
}

/// LEASEUNASSIGNED and LEASEUNKNOWN have no option but 53 and 54 (RFC 4388 §6.4, §6.4.2).
fn is_bare(heard: &Heard) {
    assert_eq!(codes(heard), [53, 54]);
    assert_eq!(heard.packet().address_option(OptionCode::SERVER_IDENTIFIER), Some(SERVER));
}

/// Every way to ask, and what comes of it: RFC 4388 §6.4 and §6.4.1.
#[test]
fn answers_by_key_and_state() {
    let mut config = allowing();
    config.pools[0].ranges[0].high = ip(20);
    config.pools[0].excluded = vec![Range { name: "x".into(), low: ip(20), high: ip(20) }];
    let mut lab = Lab::new(config);
    let direct = lab.lease(1);
    let near = relayed(&mut lab, mac(2), CLIENT_ID, RELAY);
    lab.pass(3);
    let far = relayed(&mut lab, mac(2), CLIENT_ID, FAR);
    let offered = lab.discover(3).expect("an offer").yiaddr();
    let released = lab.lease(4);
    lab.unicast(&MessageBuilder::release(mac(4), released, SERVER), released);
    let cleared = lab.lease(5);
    lab.clear(Filter::Address(cleared));
    let declined = lab.lease(6);
    lab.broadcast(&MessageBuilder::decline(mac(6), declined, SERVER));
    let none = Ipv4Addr::UNSPECIFIED;
    let rows = [
        ("a direct client's address", by_address(direct), LeaseActive, direct),
        ("a relayed client's address", by_address(near), LeaseActive, near),
        ("its other address", by_address(far), LeaseActive, far),
        ("a direct client", by_mac(1), LeaseActive, direct),
        ("a client with two addresses", by_mac(2), LeaseActive, far),
        ("the same by identifier", by_client_id(CLIENT_ID), LeaseActive, far),
        ("an offered address", by_address(offered), LeaseUnassigned, offered),
        ("a client with an offer", by_mac(3), LeaseUnknown, none),
        ("a released address", by_address(released), LeaseUnassigned, released),
        ("a client that released", by_mac(4), LeaseUnknown, none),
        ("a cleared address", by_address(cleared), LeaseUnassigned, cleared),
        ("a cleared client", by_mac(5), LeaseUnknown, none),
        ("a declined address", by_address(declined), LeaseUnassigned, declined),
        ("a client that declined", by_mac(6), LeaseUnknown, none),
        ("a free address", by_address(ip(19)), LeaseUnassigned, ip(19)),
        ("an excluded address", by_address(ip(20)), LeaseUnknown, ip(20)),
        ("our own address", by_address(SERVER), LeaseUnknown, SERVER),
        ("an address of the network outside the ranges", by_address(ip(200)), LeaseUnknown, ip(200)),
        ("a foreign address", by_address(REQUESTOR), LeaseUnknown, REQUESTOR),
        ("an unknown client", by_mac(99), LeaseUnknown, none),
        ("an unknown identifier", by_client_id(b"\0other"), LeaseUnknown, none),
        ("an identifier made of a hardware address", by_client_id(&[1, 2, 0, 0, 0, 0, 1]), LeaseUnknown, none),
        ("a client of another hardware type", by_mac(1).fault(Fault::Htype(6)), LeaseUnknown, none),
    ];
    for (what, query, message, ciaddr) in rows {
        let query = asking(query, ALL).flags(0x8000);
        let heard = ask(&mut lab, &query);
        let packet = heard.packet();
        assert_eq!((heard.message(), packet.ciaddr()), (message, ciaddr), "{what}");
        assert_eq!(heard.to, Destination::Udp { link: IfIndex(0), src: SERVER, dst: REQUESTOR, port: 67 }, "{what}");
        assert_eq!((packet.giaddr(), packet.yiaddr(), packet.siaddr()), (REQUESTOR, none, none), "{what}");
        assert_eq!((packet.hops(), packet.flags()), (0, 0x8000), "{what}");
        match message {
            LeaseActive => assert!(packet.has(OptionCode::IP_ADDRESS_LEASE_TIME), "{what}"),
            _ => is_bare(&heard),
        }
    }
    assert_eq!(lab.engine.counters().received[MessageType::LeaseQuery as usize], rows_asked());
}

/// How many rows `answers_by_key_and_state` asks.
const fn rows_asked() -> u64 {
    23
}

/// A query changes nothing: no write, no route, no event, and the client's next renewal is what it was.
#[test]
fn a_query_only_reads() {
    let mut lab = Lab::new(allowing());
    let address = lab.lease(1);
    lab.prompt = false;
    lab.mutations.clear();
    let before = lab.disk.clone();
    for query in [by_address(address), by_mac(1), by_client_id(b"\0x"), by_address(ip(13))] {
        ask(&mut lab, &query);
    }
    assert!(lab.mutations.is_empty() && lab.routes.is_empty() && lab.events.is_empty());
    lab.prompt = true;
    assert_eq!(lab.disk, before);
    assert_eq!(lab.dropped_in_all(), 0);
    assert_eq!(lab.renew(1, address).unwrap().message(), MessageType::Ack);
}

/// Every field and option of LEASEACTIVE (RFC 4388 §6.4.2).
#[test]
fn a_binding_is_told_whole() {
    let mut lab = Lab::new(allowing());
    let near = relayed(&mut lab, mac(2), CLIENT_ID, RELAY);
    lab.pass(7);
    let far = relayed(&mut lab, mac(2), CLIENT_ID, FAR);
    lab.pass(5);
    for (query, told, others, ago) in [
        (by_mac(2), far, vec![near], 5),
        (by_client_id(CLIENT_ID), far, vec![near], 5),
        // §6.4.2 speaks of the client that the query names; this one names an address.
        (by_address(near), near, vec![], 12),
    ] {
        let heard = ask(&mut lab, &asking(query, ALL));
        assert_eq!((heard.packet().ciaddr(), heard.packet().hw_addr()), (told, mac(2).into()));
        assert_eq!(addresses(&heard), others);
        assert_eq!(heard.option(OptionCode::CLIENT_IDENTIFIER).unwrap(), CLIENT_ID);
        assert_eq!(heard.option(OptionCode::RELAY_AGENT_INFORMATION).unwrap(), RELAY_INFO);
        assert_eq!(heard.option(OptionCode::VENDOR_CLASS).unwrap(), b"cpe");
        assert_eq!(heard.option(OptionCode::SUBNET_MASK).unwrap(), [255, 255, 255, 0]);
        assert_eq!(heard.option(OptionCode::ROUTER).unwrap(), SERVER.octets());
        assert_eq!(heard.option(OptionCode::DOMAIN_NAME_SERVER).unwrap(), [192, 0, 2, 53]);
        assert_eq!(heard.packet().address_option(OptionCode::SERVER_IDENTIFIER), Some(SERVER));
        assert_eq!(secs(&heard, OptionCode::CLIENT_LAST_TRANSACTION_TIME), Some(ago));
        assert_eq!(secs(&heard, OptionCode::IP_ADDRESS_LEASE_TIME), Some(LEASE_SECS - ago));
        assert_eq!(secs(&heard, OptionCode::RENEWAL_TIME), Some(LEASE_SECS / 2 - ago));
        assert_eq!(secs(&heard, OptionCode::REBINDING_TIME), Some(LEASE_SECS * 7 / 8 - ago));
        let host_name = heard.option(OptionCode::HOST_NAME);
        assert_eq!(host_name, None, "what the client calls itself is nobody's business");
    }
}

/// What is always there, what only when asked for, and what without option 55.
#[test]
fn options_as_asked() {
    let mut lab = Lab::new(allowing());
    let direct = lab.lease(1);
    let near = relayed(&mut lab, mac(2), CLIENT_ID, RELAY);
    relayed(&mut lab, mac(2), CLIENT_ID, FAR);
    let rows: [(MessageBuilder, &[u8]); 9] = [
        (asking(by_address(direct), &[]), &[53, 54]),
        (asking(by_address(direct), &[82, 60, 61, 15, 250]), &[53, 54]),
        (asking(by_address(near), &[43]), &[53, 54, 61]),
        (asking(by_address(near), &[51]), &[51, 53, 54, 61]),
        (asking(by_address(near), &[82, 82, 91]), &[53, 54, 61, 82, 91]),
        (asking(by_address(near), &[60, 58, 59]), &[53, 54, 58, 59, 60, 61]),
        (asking(by_mac(2), &[0, 52, 255, 50, 55, 57]), &[53, 54, 61, 92]),
        (by_address(direct), &[1, 3, 6, 51, 53, 54, 58, 59, 91]),
        (by_mac(2), &[1, 3, 6, 51, 53, 54, 58, 59, 61, 82, 91, 92]),
    ];
    for (query, expected) in rows {
        let heard = ask(&mut lab, &query);
        assert_eq!(heard.message(), LeaseActive);
        assert_eq!(codes(&heard), expected, "{query:?}");
    }
}

/// The pool's own option 60 comes before what the client sent, and what only whoever asks may have is not volunteered.
#[test]
fn options_of_the_pool() {
    let mut config = allowing();
    config.pools[0].attributes.options =
        vec![(OptionCode::VENDOR_CLASS, b"ours".as_slice().into()), (OptionCode(108), [0, 0, 1, 0].into())];
    config.pools[0].attributes.server_identifier = Some(ip(77));
    let mut lab = Lab::new(config);
    let address = {
        let dress = |m: MessageBuilder| m.option(OptionCode::VENDOR_CLASS, b"theirs");
        let offer = lab.broadcast(&dress(MessageBuilder::discover(mac(1)))).unwrap();
        let request = MessageBuilder::request_selecting(mac(1), offer.yiaddr(), ip(77));
        lab.broadcast(&dress(request)).unwrap().yiaddr()
    };
    let heard = ask(&mut lab, &asking(by_address(address), &[60, 108]));
    assert_eq!(heard.option(OptionCode::VENDOR_CLASS).unwrap(), b"ours");
    assert!(heard.packet().has(OptionCode(108)));
    assert_eq!(heard.packet().address_option(OptionCode::SERVER_IDENTIFIER), Some(ip(77)), "as the client was told");
    let heard = ask(&mut lab, &by_address(address));
    assert!(heard.packet().has(OptionCode::VENDOR_CLASS) && !heard.packet().has(OptionCode(108)));
}

/// Times that are past are not told (RFC 4388 §6.4.2), and the end of the lease is the end of the answer.
#[test]
fn times_run_down() {
    let mut config = allowing();
    config.pools[0].attributes.lease = Lease::Secs(100);
    config.pools[0].attributes.t1 = Timer::Secs(40);
    config.pools[0].attributes.t2 = Timer::Percent(80);
    let mut lab = Lab::new(config);
    let address = lab.lease(1);
    let rows = [
        (0, Some(100), Some(40), Some(80)),
        (39, Some(61), Some(1), Some(41)),
        (40, Some(60), None, Some(40)),
        (79, Some(21), None, Some(1)),
        (80, Some(20), None, None),
        (99, Some(1), None, None),
    ];
    let mut passed = 0;
    for (at, lease, t1, t2) in rows {
        lab.pass(at - passed);
        passed = at;
        let heard = ask(&mut lab, &asking(by_mac(1), &[51, 58, 59, 91]));
        assert_eq!(secs(&heard, OptionCode::IP_ADDRESS_LEASE_TIME), lease, "after {at} s");
        assert_eq!(secs(&heard, OptionCode::RENEWAL_TIME), t1, "after {at} s");
        assert_eq!(secs(&heard, OptionCode::REBINDING_TIME), t2, "after {at} s");
        assert_eq!(secs(&heard, OptionCode::CLIENT_LAST_TRANSACTION_TIME), Some(at as u32), "after {at} s");
    }
    // A renewal starts them anew.
    lab.renew(1, address).unwrap();
    let heard = ask(&mut lab, &asking(by_mac(1), &[51, 58, 59, 91]));
    assert_eq!(secs(&heard, OptionCode::IP_ADDRESS_LEASE_TIME), Some(100));
    assert_eq!(secs(&heard, OptionCode::RENEWAL_TIME), Some(40));
    assert_eq!(secs(&heard, OptionCode::REBINDING_TIME), Some(80));
    assert_eq!(secs(&heard, OptionCode::CLIENT_LAST_TRANSACTION_TIME), Some(0));
    lab.pass(102);
    assert_eq!(ask(&mut lab, &by_address(address)).message(), LeaseUnassigned);
}

#[test]
fn an_infinite_lease_has_no_timers() {
    let mut config = allowing();
    config.pools[0].attributes.lease = Lease::Infinite;
    let mut lab = Lab::new(config);
    let address = lab.lease(1);
    lab.jump(1_000_000);
    let heard = ask(&mut lab, &asking(by_address(address), &[51, 58, 59, 91]));
    assert_eq!(codes(&heard), [51, 53, 54, 91]);
    assert_eq!(secs(&heard, OptionCode::IP_ADDRESS_LEASE_TIME), Some(u32::MAX));
    assert_eq!(secs(&heard, OptionCode::CLIENT_LAST_TRANSACTION_TIME), Some(1_000_000));
}

/// RFC 4388 §6.3: exactly one key, and a giaddr. All else is silence with a counter of its own.
#[test]
fn silence() {
    let mut lab = Lab::new(allowing());
    let address = lab.lease(1);
    let far = Ipv4Addr::UNSPECIFIED;
    let rows = [
        ("no key", by_address(far), DropReason::LeasequeryMalformed),
        ("an empty identifier", by_client_id(b""), DropReason::LeasequeryMalformed),
        ("address and client", by_mac(1).ciaddr(address), DropReason::LeasequeryMalformed),
        ("address and identifier", by_client_id(b"\0x").ciaddr(address), DropReason::LeasequeryMalformed),
        ("client and identifier", by_mac(1).client_id(b"\0x"), DropReason::LeasequeryMalformed),
        ("all three", by_mac(1).client_id(b"\0x").ciaddr(address), DropReason::LeasequeryMalformed),
        (
            "a remote id, which is no key here (RFC 6148 §4)",
            by_address(far).relay_agent(&[(SubOption::REMOTE_ID, b"r")]),
            DropReason::LeasequeryMalformed,
        ),
        ("no giaddr", by_address(address).giaddr(far), DropReason::LeasequeryNoGiaddr),
        ("a giaddr that is no host", by_address(address).giaddr(Ipv4Addr::BROADCAST), DropReason::BadGiAddress),
        ("a reply", by_address(address).fault(Fault::Op(2)), DropReason::BadBootpOpcode),
        ("an Ethernet address without bytes", by_address(address).fault(Fault::Htype(1)), DropReason::BadHardware),
    ];
    for (what, query, reason) in rows {
        let before = (lab.dropped(reason), lab.dropped_in_all());
        assert!(lab.unicast(&query, REQUESTOR).is_none(), "{what}");
        assert_eq!((lab.dropped(reason), lab.dropped_in_all()), (before.0 + 1, before.1 + 1), "{what}");
    }
    for answer in [LeaseUnassigned, LeaseUnknown, LeaseActive] {
        let query = MessageBuilder::new(answer, mac(1)).fault(Fault::Op(1)).giaddr(REQUESTOR);
        assert!(lab.unicast(&query, REQUESTOR).is_none());
    }
    assert_eq!(lab.dropped(DropReason::BadDhcpOpcode), 3);
    // Type and length of an address of zeros are no key.
    let zeros = MessageBuilder::lease_query_by_mac(MacAddr([0; 6]), REQUESTOR).ciaddr(address);
    assert_eq!(ask(&mut lab, &zeros).message(), LeaseActive);
    // A requestor may send option 82 of its own: it is neither looked at nor echoed.
    let decorated = asking(by_address(address).relay_agent(&[(SubOption::REMOTE_ID, b"r")]), &[82]);
    assert_eq!(codes(&ask(&mut lab, &decorated)), [53, 54]);
}

#[test]
fn silence_where_it_is_not_enabled() {
    let mut lab = Lab::new(config());
    let address = lab.lease(1);
    for query in [by_address(address), by_mac(1), by_client_id(b"\0x"), by_address(address).giaddr(ip(60))] {
        assert!(lab.unicast(&query, REQUESTOR).is_none());
    }
    assert_eq!((lab.dropped(DropReason::LeasequeryNotAllowed), lab.dropped_in_all()), (4, 4));
    lab.input(Input::Configure(std::sync::Arc::new(allowing())));
    assert_eq!(ask(&mut lab, &by_address(address)).message(), LeaseActive);
}

const VLAN: IfIndex = IfIndex(8);
const CORE: IfIndex = IfIndex(9);

/// A second group of the same instance on `vlan*`, and an interface `core0` that is in none.
fn two_groups(second_allows: bool, instance: InstanceId) -> Lab {
    let mut config = allowing();
    config.groups.push(Group {
        name: "other".into(),
        instance,
        overrides: Overrides::default(),
        chains: Chains::default(),
        reconfigure: None,
        allow_leasequery: second_allows,
        authenticate: false,
        account: false,
        ..Group::default()
    });
    config.interfaces.push(Interface {
        pattern: "vlan*".into(),
        group: GroupId(1),
        overrides: None,
        chains: Chains::default(),
        ..Interface::default()
    });
    config.pools[1].instance = instance;
    let other = Instance { name: "other".into(), interfaces: vec!["vlan*".into()], ..Instance::default() };
    config.instances = vec![Instance { name: "default".into(), ..Instance::default() }];
    config.instances.extend((instance != InstanceId(0)).then_some(other));
    let mut lab = Lab::new(config);
    lab.input(Input::LinkSet(link(VLAN, "vlan1", &[(FAR, 24)])));
    lab.input(Input::LinkSet(link(CORE, "core0", &[(ip(250), 32)])));
    lab
}

fn lease_on(lab: &mut Lab, on: IfIndex, last: u8) -> Ipv4Addr {
    let (src, dst) = (Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST);
    let offer = lab.packet_on(on, &MessageBuilder::discover(mac(last)), src, dst).expect("an offer");
    let server = offer.packet().address_option(OptionCode::SERVER_IDENTIFIER).unwrap();
    let request = MessageBuilder::request_selecting(mac(last), offer.yiaddr(), server);
    let ack = lab.packet_on(on, &request, src, dst).expect("an ack");
    ack.yiaddr()
}

#[test]
fn a_group_that_does_not_allow_it_keeps_its_bindings_to_itself() {
    let mut lab = two_groups(false, InstanceId(0));
    let told = lab.lease(1);
    lab.pass(1);
    let untold = lease_on(&mut lab, VLAN, 1);
    assert_eq!(ask(&mut lab, &by_address(told)).message(), LeaseActive);
    let heard = ask(&mut lab, &by_address(untold));
    assert_eq!(heard.message(), LeaseUnknown);
    is_bare(&heard);
    let heard = ask(&mut lab, &by_mac(1));
    assert_eq!((heard.packet().ciaddr(), addresses(&heard)), (told, vec![]));
    let mut lab = two_groups(true, InstanceId(0));
    let first = lab.lease(1);
    lab.pass(1);
    let second = lease_on(&mut lab, VLAN, 1);
    let heard = ask(&mut lab, &by_mac(1));
    assert_eq!((heard.packet().ciaddr(), addresses(&heard)), (second, vec![first]));
}

/// RFC 4388 §6.3: where a query comes from restricts nothing, within the routing instance.
#[test]
fn a_query_is_answered_on_any_interface_of_the_instance() {
    let mut lab = two_groups(false, InstanceId(1));
    let address = lab.lease(1);
    let other = lease_on(&mut lab, VLAN, 2);
    for (on, dst, src) in [(CORE, ip(250), ip(250)), (CORE, SERVER, SERVER), (LINK, SERVER, SERVER)] {
        let heard = lab.packet_on(on, &by_address(address), REQUESTOR, dst).expect("an answer");
        assert_eq!((heard.message(), heard.packet().ciaddr()), (LeaseActive, address));
        assert_eq!(heard.to, Destination::Udp { link: IfIndex(0), src, dst: REQUESTOR, port: 67 });
        let heard = lab.packet_on(on, &by_address(other), REQUESTOR, dst).expect("an answer");
        assert_eq!(heard.message(), LeaseUnknown, "a binding of another instance");
        let heard = lab.packet_on(on, &by_mac(2), REQUESTOR, dst).expect("an answer");
        assert_eq!(heard.message(), LeaseUnknown, "a client of another instance");
    }
    // Also where the other instance tells its own.
    let mut allows = two_groups(true, InstanceId(1));
    lease_on(&mut allows, VLAN, 2);
    for (on, dst, message) in [(LINK, SERVER, LeaseUnknown), (VLAN, FAR, LeaseActive)] {
        let heard = allows.packet_on(on, &by_mac(2), REQUESTOR, dst).expect("an answer");
        assert_eq!(heard.message(), message);
    }
    assert!(lab.packet_on(VLAN, &by_address(other), REQUESTOR, FAR).is_none());
    assert_eq!(lab.dropped(DropReason::LeasequeryNotAllowed), 1);
    // A broadcast query is answered from an address that the kernel chooses.
    let heard = lab.packet_on(LINK, &by_address(ip(13)), REQUESTOR, Ipv4Addr::BROADCAST).expect("an answer");
    let src = Ipv4Addr::UNSPECIFIED;
    assert_eq!(heard.to, Destination::Udp { link: IfIndex(0), src, dst: REQUESTOR, port: 67 });
    is_bare(&heard);
}

/// Tells only what came through the requestor, as `restricted-requestor` does, and notes what it was asked.
struct Restricted(Rc<RefCell<Vec<(PluginId, Ipv4Addr)>>>);

impl Policy for Restricted {
    fn shape_reply(&mut self, now: Now, chain: &[PluginId], exchange: &mut ShapeReply<'_>) -> Hook {
        NoPolicy.shape_reply(now, chain, exchange)
    }

    fn leasequery(&mut self, _: Now, chain: &[PluginId], question: &Leasequery<'_>) -> LeasequeryVerdict {
        let subject = question.subject;
        assert_eq!((subject.group, subject.interface), ("access", "eth1"));
        assert_eq!(subject.pool, if subject.giaddr == FAR { "far" } else { "pool" });
        if subject.hw == mac(2).into() {
            assert_eq!((subject.client_id, subject.vendor_class), (CLIENT_ID, &b"cpe"[..]));
            assert_eq!(subject.relay_info, RELAY_INFO);
        }
        assert_eq!(question.source, REQUESTOR);
        self.0.borrow_mut().push((chain[0], subject.address));
        if question.key == QueryKey::ClientId || question.requestor == subject.giaddr {
            LeasequeryVerdict::Answer
        } else {
            LeasequeryVerdict::Refuse
        }
    }
}

/// A refused binding is LEASEUNKNOWN without options, and not in option 92 (junos.md §9.2).
#[test]
fn a_refused_binding_does_not_exist() {
    let mut config = allowing();
    config.groups[0].chains.set(Stage::Leasequery, vec![PluginId(3)]);
    let mut lab = Lab::new(config);
    let asked = Rc::new(RefCell::new(Vec::new()));
    lab.policy = Box::new(Restricted(Rc::clone(&asked)));
    let direct = lab.lease(1);
    let near = relayed(&mut lab, mac(2), CLIENT_ID, RELAY);
    lab.pass(1);
    let far = relayed(&mut lab, mac(2), CLIENT_ID, FAR);
    let unknown = Ipv4Addr::UNSPECIFIED;
    let rows = [
        ("its own, by address", by_address(near).giaddr(RELAY), LeaseActive, near, vec![near]),
        ("another's, by address", by_address(far).giaddr(RELAY), LeaseUnknown, far, vec![far]),
        ("a direct client's", by_address(direct).giaddr(RELAY), LeaseUnknown, direct, vec![direct]),
        ("a free address", by_address(ip(13)).giaddr(RELAY), LeaseUnassigned, ip(13), vec![]),
        ("the older of two", by_mac(2).giaddr(RELAY), LeaseActive, near, vec![far, near]),
        ("the younger of two", by_mac(2).giaddr(FAR), LeaseActive, far, vec![far, near]),
        ("none of two", by_mac(2).giaddr(REQUESTOR), LeaseUnknown, unknown, vec![far, near]),
    ];
    for (what, query, message, ciaddr, questions) in rows {
        let heard = ask(&mut lab, &asking(query, ALL));
        assert_eq!((heard.message(), heard.packet().ciaddr()), (message, ciaddr), "{what}");
        assert_eq!(addresses(&heard), Vec::<Ipv4Addr>::new(), "{what}");
        let questions: Vec<_> = questions.into_iter().map(|address| (PluginId(3), address)).collect();
        assert_eq!(asked.take(), questions, "{what}");
        if message == LeaseUnknown {
            is_bare(&heard);
        }
    }
    // By identifier this policy tells all.
    let heard = ask(&mut lab, &by_client_id(CLIENT_ID));
    assert_eq!((heard.packet().ciaddr(), addresses(&heard)), (far, vec![near]));
}

#[test]
fn the_chain_of_the_interface_stands_in_for_the_groups() {
    let mut config = allowing();
    config.groups[0].chains.set(Stage::Leasequery, vec![PluginId(3)]);
    config.interfaces[0].chains.set(Stage::Leasequery, vec![PluginId(4)]);
    let mut lab = Lab::new(config.clone());
    let asked = Rc::new(RefCell::new(Vec::new()));
    lab.policy = Box::new(Restricted(Rc::clone(&asked)));
    let address = relayed(&mut lab, mac(2), CLIENT_ID, RELAY);
    ask(&mut lab, &by_address(address));
    assert_eq!(asked.take(), [(PluginId(4), address)]);
    // The interface went to another group; the binding has not, until it is renewed.
    let mut moved = config.clone();
    let mut other = moved.groups[0].clone();
    other.name = "other".into();
    moved.groups.push(other);
    moved.interfaces[0].group = GroupId(1);
    lab.input(Input::Configure(std::sync::Arc::new(moved)));
    ask(&mut lab, &by_address(address));
    assert_eq!(asked.take(), [(PluginId(3), address)]);
    lab.input(Input::Configure(std::sync::Arc::new(config.clone())));
    // The interface is gone: the binding's group is left.
    lab.input(Input::LinkGone(LINK));
    lab.input(Input::LinkSet(link(CORE, "core0", &[(SERVER, 32)])));
    lab.packet_on(CORE, &by_address(address), REQUESTOR, SERVER).expect("an answer");
    assert_eq!(asked.take(), [(PluginId(3), address)]);
    // Without a chain nobody is asked.
    config.interfaces[0].chains.set(Stage::Leasequery, vec![]);
    config.groups[0].chains = Chains::default();
    lab.input(Input::Configure(std::sync::Arc::new(config)));
    let heard = lab.packet_on(CORE, &by_address(address), REQUESTOR, SERVER).expect("an answer");
    assert_eq!((heard.message(), asked.take()), (LeaseActive, vec![]));
    // A group that the configuration no longer has allows nothing.
    let mut config = allowing();
    config.groups[0].name = "renamed".into();
    lab.input(Input::Configure(std::sync::Arc::new(config)));
    let heard = lab.packet_on(CORE, &by_address(address), REQUESTOR, SERVER).expect("an answer");
    assert_eq!(heard.message(), LeaseUnknown);
}

/// Told is what storage has: not the lease under way, not the release under way.
#[test]
fn what_is_not_durable_is_not_told() {
    let mut lab = Lab::new(allowing());
    let offer = lab.discover(1).unwrap();
    let address = offer.yiaddr();
    lab.prompt = false;
    assert!(lab.select(1, address).is_none());
    assert_eq!(ask(&mut lab, &by_address(address)).message(), LeaseUnassigned);
    assert_eq!(ask(&mut lab, &by_mac(1)).message(), LeaseUnknown);
    lab.answer_store();
    assert_eq!(ask(&mut lab, &by_mac(1)).message(), LeaseActive);
    lab.answer_routes();
    lab.now.mono = lab.now.mono.plus(std::time::Duration::from_secs(9));
    lab.now.wall.0 += 9;
    lab.unicast(&MessageBuilder::request_renewing(mac(1), address), address);
    // What is promised within the time that storage keeps is told at once.
    let heard = ask(&mut lab, &by_mac(1));
    assert_eq!(secs(&heard, OptionCode::CLIENT_LAST_TRANSACTION_TIME), Some(0));
    lab.unicast(&MessageBuilder::release(mac(1), address, SERVER), address);
    assert_eq!(ask(&mut lab, &by_address(address)).message(), LeaseActive);
    lab.answer_store();
    assert_eq!(ask(&mut lab, &by_address(address)).message(), LeaseUnassigned);
}

/// While storage is down queries are answered from memory, which is what it has; a lease that runs out meanwhile is over.
#[test]
fn answers_while_storage_is_down() {
    let mut lab = Lab::new(allowing());
    let address = lab.lease(1);
    lab.input(Input::StoreFailed);
    assert_eq!(ask(&mut lab, &by_address(address)).message(), LeaseActive);
    assert_eq!(ask(&mut lab, &by_address(ip(13))).message(), LeaseUnassigned);
    lab.jump(u64::from(LEASE_SECS));
    let heard = ask(&mut lab, &by_address(address));
    assert_eq!((heard.message(), secs(&heard, OptionCode::IP_ADDRESS_LEASE_TIME)), (LeaseActive, Some(0)));
    lab.jump(1);
    assert_eq!(ask(&mut lab, &by_address(address)).message(), LeaseUnassigned);
    assert_eq!(ask(&mut lab, &by_mac(1)).message(), LeaseUnknown);
}

#[test]
fn a_restart_changes_no_answer() {
    let mut lab = Lab::new(allowing());
    relayed(&mut lab, mac(2), CLIENT_ID, RELAY);
    lab.pass(20);
    relayed(&mut lab, mac(2), CLIENT_ID, FAR);
    lab.pass(20);
    let before = ask(&mut lab, &asking(by_client_id(CLIENT_ID), ALL));
    let mut lab = lab.restart(allowing(), 0);
    let after = ask(&mut lab, &asking(by_client_id(CLIENT_ID), ALL));
    assert_eq!((before.packet().ciaddr(), codes(&before)), (after.packet().ciaddr(), codes(&after)));
    let of_time = [OptionCode::IP_ADDRESS_LEASE_TIME, OptionCode::RENEWAL_TIME, OptionCode::REBINDING_TIME];
    for code in codes(&before).into_iter().map(OptionCode).filter(|code| !of_time.contains(code)) {
        assert_eq!(before.option(code), after.option(code), "{code:?}");
    }
    // The lease counts for as long as storage keeps it.
    let lease = |heard: &Heard| secs(heard, OptionCode::IP_ADDRESS_LEASE_TIME).unwrap();
    assert_eq!(lease(&after), lease(&before) + LEASE_SECS);
    // A network that the configuration no longer has is not looked in by identifier; the address is still told.
    let mut config = allowing();
    config.pools.truncate(1);
    lab.input(Input::Configure(std::sync::Arc::new(config)));
    let heard = ask(&mut lab, &asking(by_client_id(CLIENT_ID), ALL));
    assert_eq!((heard.packet().ciaddr(), addresses(&heard)), (ip(10), vec![]));
    let heard = ask(&mut lab, &asking(by_mac(2), ALL));
    assert_eq!(heard.packet().ciaddr(), Ipv4Addr::new(198, 51, 100, 10));
    assert_eq!(addresses(&heard), [ip(10)]);
    assert_eq!(codes(&heard), [51, 53, 54, 60, 61, 82, 91, 92], "nothing of the pool that is gone");
}

/// Option 92 holds the 16 most recently used addresses, the latest first.
#[test]
fn associated_addresses_are_bounded() {
    let mut config = allowing();
    let at = |number: u8, host: u8| Ipv4Addr::new(10, 0, number, host);
    let far = (0..20).map(|n| pool(&format!("p{n}"), &format!("10.0.{n}.0/24"), at(n, 10), at(n, 10)));
    config.pools.extend(far.collect::<Vec<_>>());
    let mut lab = Lab::new(config);
    for number in 0..20 {
        assert_eq!(relayed(&mut lab, mac(2), CLIENT_ID, at(number, 1)), at(number, 10));
        lab.pass(1);
    }
    // The oldest is used again, and is the latest by that.
    let again = MessageBuilder::request_renewing(mac(2), at(0, 10)).client_id(CLIENT_ID);
    assert_eq!(lab.unicast(&again, at(0, 10)).unwrap().message(), MessageType::Ack);
    for query in [by_mac(2), by_client_id(CLIENT_ID)] {
        let heard = ask(&mut lab, &asking(query, &[82, 91]));
        assert_eq!(heard.packet().ciaddr(), at(0, 10));
        let expected: Vec<_> = (4..20).rev().map(|number| at(number, 10)).collect();
        assert_eq!(addresses(&heard), expected);
    }
}

/// Two bindings of one second: the later one is the latest. One device with many identifiers is one hardware address.
#[test]
fn many_clients_behind_one_hardware_address() {
    let mut config = allowing();
    config.pools[0].ranges[0].high = ip(200);
    let mut lab = Lab::new(config);
    let mut leased: Vec<_> = (0..100).map(|n| relayed(&mut lab, mac(2), &[0, n], RELAY)).collect();
    let heard = ask(&mut lab, &asking(by_mac(2), &[91]));
    leased.reverse();
    assert_eq!((heard.packet().ciaddr(), addresses(&heard)), (leased[0], leased[1..17].to_vec()));
    let heard = ask(&mut lab, &asking(by_client_id(&[0, 42]), &[91]));
    assert_eq!((heard.packet().ciaddr(), addresses(&heard)), (leased[57], vec![]));
    let again = MessageBuilder::request_renewing(mac(2), leased[57]).client_id(&[0, 42]);
    lab.unicast(&again, leased[57]).expect("an ack");
    let heard = ask(&mut lab, &asking(by_mac(2), &[91]));
    assert_eq!((heard.packet().ciaddr(), addresses(&heard)), (leased[57], leased[..16].to_vec()));
}

/// Linked pools of one network hold one binding of a client, and it is told once.
#[test]
fn linked_pools_of_one_network() {
    let mut config = allowing();
    let far = |last| Ipv4Addr::new(198, 51, 100, last);
    config.pools.push(pool("more", "198.51.100.0/24", far(20), far(23)));
    config.pools[1].link = Some(bindery_types::PoolId(2));
    let mut lab = Lab::new(config);
    let address = relayed(&mut lab, mac(2), CLIENT_ID, FAR);
    let heard = ask(&mut lab, &by_client_id(CLIENT_ID));
    assert_eq!((heard.packet().ciaddr(), addresses(&heard)), (address, vec![]));
}

/// Option 82 of the largest size goes whole, whatever else has to make room.
#[test]
fn a_long_option_82_goes_whole() {
    let mut lab = Lab::new(allowing());
    let info: Vec<u8> = (0..=254).collect();
    let dress = |message: MessageBuilder| {
        message.giaddr(RELAY).client_id(CLIENT_ID).option(OptionCode::RELAY_AGENT_INFORMATION, &info)
    };
    let offer = lab.unicast(&dress(MessageBuilder::discover(mac(2))), RELAY).unwrap();
    let request = dress(MessageBuilder::request_selecting(mac(2), offer.yiaddr(), SERVER));
    let address = lab.unicast(&request, RELAY).unwrap().yiaddr();
    // Past the relay, so without the option: what is stored stays (RFC 4388 §6.7).
    let renewal = MessageBuilder::request_renewing(mac(2), address).client_id(CLIENT_ID);
    assert_eq!(lab.unicast(&renewal, address).unwrap().message(), MessageType::Ack);
    let heard = ask(&mut lab, &asking(by_address(address), ALL));
    assert_eq!(heard.option(OptionCode::RELAY_AGENT_INFORMATION).unwrap(), info);
    assert!(heard.bytes.len() <= 548, "{} bytes", heard.bytes.len());
    assert_eq!(codes(&heard), [1, 3, 6, 51, 52, 53, 54, 58, 59, 61, 82, 91]);
}
