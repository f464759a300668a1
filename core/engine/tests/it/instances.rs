//! Routing instances: the same address in two of them is two bindings, whatever number an instance has.

use crate::lab::{LINK, Lab, SERVER, config, ip, link, mac};
use bindery_engine::{
    Input,
    command::{BindingView, Cursor, DisconnectKeys, Disconnected, Filter, Reply, Verb},
    config::{Config, ForwardSnooped, Instance},
    impact::Prospect,
    input::Link,
    output::{Destination, InstanceTable},
    record::DurableState,
};
use bindery_types::{GroupId, IfIndex, InstanceId, Ipv4Addr};
use bindery_wire::v4::{MessageBuilder, MessageType};
use std::{collections::BTreeSet, num::NonZeroU32, sync::Arc};

const RED: IfIndex = IfIndex(21);
const BLUE: IfIndex = IfIndex(22);
const VRF: IfIndex = IfIndex(30);
const RELAY: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 200);
const VRF_TABLE: Option<NonZeroU32> = NonZeroU32::new(5);
const BLUE_TABLE: Option<NonZeroU32> = NonZeroU32::new(100);

/// The configuration of the other tests and these routing instances beside the default one, each with a pool and a group
/// of the same names. `red` is a VRF device, the others are tables of the interface `ge-NAME`.
fn instances(names: &[&str]) -> Config {
    let mut config = config();
    config.instances = vec![Instance { name: "default".into(), ..Instance::default() }];
    for (name, id) in names.iter().zip(1u16..) {
        config.instances.push(match *name {
            "red" => Instance { name: (*name).into(), vrf: Some("vrf-red".into()), ..Instance::default() },
            _ => Instance {
                name: (*name).into(),
                table: BLUE_TABLE,
                interfaces: vec![format!("ge-{name}").into()],
                ..Instance::default()
            },
        });
        let (mut group, mut pool) = (config.groups[0].clone(), config.pools[0].clone());
        let mut entry = config.interfaces[0].clone();
        (group.instance, pool.instance, entry.group) = (InstanceId(id), InstanceId(id), GroupId(id));
        entry.pattern = format!("ge-{name}").into();
        config.groups.push(group);
        config.pools.push(pool);
        config.interfaces.push(entry);
    }
    config
}

/// Interfaces of all instances: ours has the same address on each.
fn links(lab: &mut Lab) {
    let device = Link { table: VRF_TABLE, ..link(VRF, "vrf-red", &[]) };
    let red = Link { vrf: Some("vrf-red".into()), ..link(RED, "ge-red", &[(SERVER, 24)]) };
    for link in [device, red, link(BLUE, "ge-blue", &[(SERVER, 24)])] {
        lab.input(Input::LinkSet(link));
    }
    lab.input(Input::Tick);
}

fn lab() -> Lab {
    let mut lab = Lab::new(instances(&["red", "blue"]));
    links(&mut lab);
    lab
}

/// A whole DORA of client `last` on an interface.
fn lease_on(lab: &mut Lab, on: IfIndex, last: u8) -> Ipv4Addr {
    let any = Ipv4Addr::UNSPECIFIED;
    let offer = lab.packet_on(on, &MessageBuilder::discover(mac(last)), any, Ipv4Addr::BROADCAST).expect("an offer");
    let request = MessageBuilder::request_selecting(mac(last), offer.yiaddr(), SERVER);
    let ack = lab.packet_on(on, &request, any, Ipv4Addr::BROADCAST).expect("an ack");
    assert_eq!(ack.message(), MessageType::Ack);
    ack.yiaddr()
}

fn renew_on(lab: &mut Lab, on: IfIndex, last: u8, address: Ipv4Addr) -> Option<Destination> {
    let heard = lab.packet_on(on, &MessageBuilder::request_renewing(mac(last), address), address, SERVER)?;
    (heard.message() == MessageType::Ack).then_some(heard.to)
}

fn bindings(lab: &mut Lab, filter: Filter) -> Vec<BindingView> {
    match lab.command(Verb::Bindings { filter, cursor: Cursor::START }) {
        Some(Reply::Bindings { mut rows, .. }) => {
            rows.sort_by(|a, b| a.instance.cmp(&b.instance));
            rows
        }
        other => panic!("{other:?}"),
    }
}

fn of(instance: &str, filter: Filter) -> Filter {
    Filter::Instance(instance.into(), Box::new(filter))
}

/// Names of the instances of these bindings.
fn names(rows: &[BindingView]) -> Vec<&str> {
    rows.iter().map(|row| &*row.instance).collect()
}

#[test]
fn the_same_address_in_two_instances_is_two_bindings() {
    let mut lab = lab();
    // Even of one client: its hardware address is known by instance.
    let leased = [LINK, RED, BLUE].map(|on| lease_on(&mut lab, on, 1));
    assert_eq!(leased, [ip(10); 3]);
    let rows = bindings(&mut lab, Filter::All);
    assert_eq!(names(&rows), ["blue", "default", "red"]);
    assert_eq!(names(&bindings(&mut lab, Filter::Address(ip(10)))), ["blue", "default", "red"]);
    assert_eq!(names(&bindings(&mut lab, of("red", Filter::Address(ip(10))))), ["red"]);
    assert_eq!(names(&bindings(&mut lab, of("red", Filter::Mac(mac(1))))), ["red"]);
    assert_eq!(names(&bindings(&mut lab, of("green", Filter::All))), Vec::<&str>::new());
    // A route each, of its own instance.
    let routes: Vec<_> = lab.fib.keys().map(|at| (at.instance, at.dst)).collect();
    assert_eq!(routes, [0, 1, 2].map(|id| (InstanceId(id), ip(10))));
    let Some(Reply::Routes { rows, .. }) = lab.command(Verb::Routes { cursor: Cursor::START }) else { panic!() };
    let shown: BTreeSet<_> = rows.iter().map(|row| (&*row.instance, row.dst)).collect();
    assert_eq!(shown, BTreeSet::from(["blue", "default", "red"].map(|name| (name, ip(10)))));
    // To end one leaves the others.
    lab.clear(of("red", Filter::Address(ip(10))));
    assert_eq!(names(&bindings(&mut lab, Filter::All)), ["blue", "default"]);
    assert_eq!(lab.fib.len(), 2);
    let release = MessageBuilder::release(mac(1), ip(10), SERVER);
    lab.packet_on(BLUE, &release, ip(10), SERVER);
    assert_eq!(names(&bindings(&mut lab, Filter::All)), ["default"]);
}

#[test]
fn who_means_one_of_two_sessions_by_address_alone_disconnects_none() {
    let mut lab = lab();
    lease_on(&mut lab, RED, 1);
    lease_on(&mut lab, BLUE, 2);
    let keys = DisconnectKeys { address: Some(ip(10)), ..DisconnectKeys::default() };
    let several = lab.command(Verb::Disconnect { keys: keys.clone(), attributes: [].into() });
    assert_eq!(several, Some(Reply::Disconnected(Disconnected::Several)));
    let keys = DisconnectKeys { mac: Some(mac(1)), ..keys };
    let one = lab.command(Verb::Disconnect { keys, attributes: [].into() });
    assert_eq!(one, Some(Reply::Disconnected(Disconnected::Cleared)));
    assert_eq!(names(&bindings(&mut lab, Filter::All)), ["blue"]);
}

#[test]
fn replies_leave_in_the_instance_of_the_request() {
    let mut lab = lab();
    let udp = |link, dst, port| Destination::Udp { link, src: SERVER, dst, port };
    for (on, link) in [(LINK, IfIndex(0)), (RED, VRF), (BLUE, BLUE)] {
        let address = lease_on(&mut lab, on, 1);
        assert_eq!(renew_on(&mut lab, on, 1, address), Some(udp(link, address, 68)));
        let relayed = MessageBuilder::discover(mac(2)).giaddr(RELAY);
        let offer = lab.packet_on(on, &relayed, RELAY, SERVER).expect("an offer");
        assert_eq!(offer.to, udp(link, RELAY, 67));
    }
}

#[test]
fn what_an_instance_is_in_the_kernel_is_told_when_it_changes() {
    let mut lab = lab();
    let red = |table, device| InstanceTable { instance: InstanceId(1), table, device };
    let blue = InstanceTable { instance: InstanceId(2), table: BLUE_TABLE, device: None };
    assert_eq!(lab.engine.outbox().tables.take(), Some(vec![red(VRF_TABLE, Some(VRF)), blue]));
    lab.input(Input::Tick);
    assert_eq!(lab.engine.outbox().tables.take(), None);
    lab.input(Input::LinkGone(VRF));
    lab.input(Input::Tick);
    assert_eq!(lab.engine.outbox().tables.take(), Some(vec![red(None, None), blue]));
}

#[test]
fn requests_to_other_servers_are_dropped_where_the_instance_says() {
    const OTHER: IfIndex = IfIndex(23);
    const LATER: IfIndex = IfIndex(24);
    let mut lab = lab();
    lab.input(Input::LinkSet(link(OTHER, "ge-other", &[])));
    lab.input(Input::Tick);
    assert_eq!(told(&mut lab), []);
    let follow = |lab: &mut Lab, default, blue| {
        let mut config = instances(&["red", "blue"]);
        config.instances[0].server.forward_snooped = default;
        config.instances[2].server.forward_snooped = blue;
        lab.input(Input::Configure(Arc::new(config)));
        told(lab)
    };
    let (configured, others) = (Some(ForwardSnooped::Configured), Some(ForwardSnooped::NonConfigured));
    // Interfaces of other instances are not the default one's, whether a group serves them or not.
    assert_eq!(follow(&mut lab, others, None), [(LINK, true)]);
    assert_eq!(follow(&mut lab, others, None), []);
    assert_eq!(follow(&mut lab, configured, None), [(LINK, false), (OTHER, true)]);
    assert_eq!(follow(&mut lab, None, others), [(BLUE, true), (OTHER, false)]);
    assert_eq!(follow(&mut lab, Some(ForwardSnooped::All), configured), [(BLUE, false)]);
    assert_eq!(follow(&mut lab, others, None), [(LINK, true)]);
    // One comes, of the group's `eth*`; it is called otherwise; they go.
    lab.input(Input::LinkSet(link(LATER, "eth9", &[])));
    lab.input(Input::Tick);
    assert_eq!(told(&mut lab), [(LATER, true)]);
    lab.input(Input::LinkSet(link(LATER, "ge-9", &[])));
    lab.input(Input::Tick);
    assert_eq!(told(&mut lab), [(LATER, false)]);
    lab.input(Input::LinkGone(LATER));
    lab.input(Input::LinkGone(LINK));
    assert_eq!(told(&mut lab), [(LINK, false)]);
}

/// What the shell is told of interfaces since the last call.
fn told(lab: &mut Lab) -> Vec<(IfIndex, bool)> {
    let mut told = std::mem::take(&mut lab.engine.outbox().snooped);
    told.sort_unstable();
    told
}

#[test]
fn our_own_address_is_kept_from_clients_of_its_instance_alone() {
    let mut lab = lab();
    lab.input(Input::LinkSet(link(IfIndex(23), "ge-other", &[(ip(10), 32)])));
    let own = Link { vrf: Some("vrf-red".into()), ..link(IfIndex(24), "ge-core", &[(ip(11), 32)]) };
    lab.input(Input::LinkSet(own));
    assert_eq!(lease_on(&mut lab, LINK, 1), ip(11));
    assert_eq!(lease_on(&mut lab, RED, 1), ip(10));
    assert_eq!(lease_on(&mut lab, RED, 2), ip(12));
    assert_eq!(lease_on(&mut lab, BLUE, 1), ip(10));
}

#[test]
fn an_interface_of_a_vrf_that_is_no_instance_is_not_served() {
    let mut lab = lab();
    lab.input(Input::LinkSet(Link { vrf: Some("vrf-else".into()), ..link(LINK, "eth1", &[(SERVER, 24)]) }));
    assert!(lab.discover(1).is_none());
}

#[test]
fn unnumbered_interfaces_borrow_the_address_of_their_vrf_device() {
    let mut lab = lab();
    lab.input(Input::LinkSet(Link { vrf: Some("vrf-red".into()), ..link(RED, "ge-red", &[]) }));
    assert!(
        lab.packet_on(RED, &MessageBuilder::discover(mac(1)), Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST).is_none()
    );
    lab.input(Input::LinkSet(Link { table: VRF_TABLE, ..link(VRF, "vrf-red", &[(SERVER, 32)]) }));
    assert_eq!(lease_on(&mut lab, RED, 1), ip(10));
}

/// The numbers of the configuration are those of the run alone: the database has the names.
#[test]
fn a_restart_with_other_numbers_moves_no_lease() {
    let mut lab = lab();
    lease_on(&mut lab, RED, 1);
    lease_on(&mut lab, BLUE, 2);
    let mut lab = lab.restart(instances(&["green", "blue", "red"]), 10);
    links(&mut lab);
    let rows = bindings(&mut lab, Filter::All);
    assert_eq!(
        rows.iter().map(|row| (&*row.instance, row.hw.mac())).collect::<Vec<_>>(),
        [("blue", Some(mac(2))), ("red", Some(mac(1)))]
    );
    assert!(renew_on(&mut lab, RED, 1, ip(10)).is_some());
    assert!(renew_on(&mut lab, BLUE, 2, ip(10)).is_some());
    assert!(renew_on(&mut lab, RED, 2, ip(10)).is_none(), "not hers in this instance");
    let routes: Vec<_> = lab.engine.desired_routes().iter().map(|route| (route.instance, route.link)).collect();
    assert_eq!(routes, [(InstanceId(3), RED), (InstanceId(2), BLUE)]);
}

/// As a configuration whose order changed under way.
#[test]
fn a_commit_with_other_numbers_moves_no_lease() {
    let mut lab = lab();
    lease_on(&mut lab, RED, 1);
    lease_on(&mut lab, BLUE, 2);
    let other = Arc::new(instances(&["blue", "green", "red"]));
    let prospect = Prospect::new(other.following(lab.engine.config()));
    let verb = Verb::Impact { prospect: Arc::new(prospect), cursor: Cursor::START, rows: None };
    match lab.command(verb) {
        Some(Reply::Impact { counts, .. }) => assert_eq!((counts.kept, counts.moved, counts.dropped), (2, 0, 0)),
        other => panic!("{other:?}"),
    }
    lab.input(Input::Configure(other));
    assert_eq!(names(&bindings(&mut lab, Filter::All)), ["blue", "red"]);
    for (on, last) in [(RED, 1), (BLUE, 2)] {
        assert!(renew_on(&mut lab, on, last, ip(10)).is_some());
        assert_eq!(lease_on(&mut lab, on, 3), ip(11));
    }
}

#[test]
fn an_instance_that_is_gone_keeps_its_sessions_until_they_end() {
    let mut lab = lab();
    lease_on(&mut lab, RED, 1);
    lease_on(&mut lab, BLUE, 2);
    let without = Arc::new(instances(&["blue"]));
    let prospect = Prospect::new(without.following(lab.engine.config()));
    let verb = Verb::Impact { prospect: Arc::new(prospect), cursor: Cursor::START, rows: None };
    match lab.command(verb) {
        Some(Reply::Impact { counts, .. }) => assert_eq!((counts.kept, counts.dropped), (1, 1)),
        other => panic!("{other:?}"),
    }
    lab.input(Input::Configure(without.clone()));
    assert_eq!(names(&bindings(&mut lab, Filter::All)), ["blue", "red"]);
    assert!(renew_on(&mut lab, RED, 1, ip(10)).is_none());
    // The same after a restart; a configuration that has it again finds it.
    let mut lab = lab.restart((*without).clone(), 10);
    links(&mut lab);
    assert_eq!(names(&bindings(&mut lab, Filter::All)), ["blue", "red"]);
    assert!(renew_on(&mut lab, RED, 1, ip(10)).is_none());
    lab.input(Input::Configure(Arc::new(instances(&["red", "blue"]))));
    assert!(renew_on(&mut lab, RED, 1, ip(10)).is_some());
    lab.input(Input::Configure(without));
    lab.pass(20_000);
    assert_eq!(lab.state(ip(10)), Some(DurableState::Expired));
    assert!(names(&bindings(&mut lab, Filter::All)).is_empty());
}

/// An interface that goes to another instance takes no session with it, and no route of one stands there.
#[test]
fn an_interface_that_moves_takes_no_session_along() {
    let mut lab = lab();
    lease_on(&mut lab, RED, 1);
    lab.input(Input::LinkSet(link(RED, "eth9", &[(SERVER, 24)])));
    lab.input(Input::LinkSet(link(IfIndex(40), "ge-red", &[(SERVER, 24)])));
    assert!(lab.engine.desired_routes().is_empty());
    assert!(renew_on(&mut lab, RED, 1, ip(10)).is_none());
    assert_eq!(names(&bindings(&mut lab, Filter::All)), ["red"]);
}

/// Its sessions' routes go where it goes away, and come again when it comes back.
#[test]
fn an_interface_that_leaves_its_vrf_leaves_no_route_behind() {
    let mut lab = lab();
    lease_on(&mut lab, RED, 1);
    lease_on(&mut lab, BLUE, 1);
    let in_vrf = |vrf: Option<&str>| Link { vrf: vrf.map(Into::into), ..link(RED, "ge-red", &[(SERVER, 24)]) };
    let routes = |lab: &Lab| lab.fib.keys().map(|at| at.instance).collect::<Vec<_>>();
    assert_eq!(routes(&lab), [InstanceId(1), InstanceId(2)]);
    for elsewhere in [None, Some("vrf-else")] {
        lab.input(Input::LinkSet(in_vrf(elsewhere)));
        lab.pass(1);
        assert_eq!(routes(&lab), [InstanceId(2)], "{elsewhere:?}");
        lab.input(Input::LinkSet(in_vrf(Some("vrf-red"))));
        lab.pass(1);
        assert_eq!(routes(&lab), [InstanceId(1), InstanceId(2)]);
    }
    assert!(renew_on(&mut lab, RED, 1, ip(10)).is_some());
}

#[test]
fn leasequery_tells_of_its_instance() {
    let mut config = instances(&["red", "blue"]);
    config.groups.iter_mut().for_each(|group| group.allow_leasequery = true);
    let mut lab = Lab::new(config);
    links(&mut lab);
    let address = lease_on(&mut lab, RED, 1);
    let query = MessageBuilder::lease_query_by_address(address, RELAY);
    for (on, told) in [(RED, MessageType::LeaseActive), (BLUE, MessageType::LeaseUnassigned)] {
        assert_eq!(lab.packet_on(on, &query, RELAY, SERVER).expect("an answer").message(), told);
    }
}
