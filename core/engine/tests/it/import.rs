//! Bindings taken over from another server.

use crate::lab::*;
use bindery_engine::{
    Input,
    command::{BindingView, Cursor, Filter, ImportRefusal, ImportedBinding, Reconfigured, Reply, RouteState, Verb},
    config::{Host, Interface, Reconfigure},
    event::Event,
    reconfigure::Purpose,
    record::DurableState,
};
use bindery_types::{GroupId, HwAddr, IfIndex, Ipv4Addr};
use bindery_wire::v4::{MessageBuilder, MessageType, OptionCode};

fn row(last: u8, address: Ipv4Addr) -> ImportedBinding {
    ImportedBinding {
        address,
        hw: HwAddr::from(mac(last)),
        client_id: Box::default(),
        expires_in: Some(1_800),
        interface: None,
        giaddr: Ipv4Addr::UNSPECIFIED,
        host_name: (*b"cpe").into(),
    }
}

fn import(lab: &mut Lab, rows: Vec<ImportedBinding>) -> (u32, Vec<(u32, ImportRefusal)>) {
    match lab.command(Verb::Import { rows }) {
        Some(Reply::Imported { imported, refused, failed: false }) => (imported, refused),
        other => panic!("{other:?}"),
    }
}

fn view(lab: &mut Lab, address: Ipv4Addr) -> BindingView {
    match lab.command(Verb::Bindings { filter: Filter::Address(address), cursor: Cursor::START }) {
        Some(Reply::Bindings { rows, .. }) => rows.into_iter().next().expect("a binding"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_imported_client_renews_as_if_it_had_been_here() {
    let mut lab = Lab::new(config());
    assert_eq!(import(&mut lab, vec![row(1, ip(12))]), (1, vec![]));
    let seen = view(&mut lab, ip(12));
    assert_eq!(seen.expires_in, Some(1_800));
    assert_eq!((&*seen.interface, &*seen.group, &*seen.pool), ("eth1", "access", "pool"), "the network is on eth1");
    assert_eq!((&*seen.host_name, seen.server_id), (&b"cpe"[..], SERVER));
    assert_eq!(lab.state(ip(12)), Some(DurableState::Bound));
    assert!(lab.kernel.contains_key(&ip(12)), "no route");
    let ack = lab.renew(1, ip(12)).unwrap();
    assert_eq!((ack.message(), ack.yiaddr()), (MessageType::Ack, ip(12)));
    // Nobody else gets it.
    assert_ne!(lab.lease(2), ip(12));
}

#[test]
fn a_discover_is_offered_the_imported_address() {
    let mut lab = Lab::new(config());
    import(&mut lab, vec![row(1, ip(13))]);
    let offer = lab.discover(1).unwrap();
    assert_eq!((offer.message(), offer.yiaddr()), (MessageType::Offer, ip(13)));
    assert_eq!(lab.select(1, ip(13)).unwrap().message(), MessageType::Ack);
}

#[test]
fn an_import_survives_a_restart_and_expires() {
    let mut lab = Lab::new(config());
    import(&mut lab, vec![row(1, ip(12))]);
    let mut lab = lab.restart(config(), 10);
    assert_eq!(view(&mut lab, ip(12)).expires_in, Some(1_790));
    assert_eq!(lab.renew(1, ip(12)).unwrap().message(), MessageType::Ack);
    let mut other = Lab::new(config());
    import(&mut other, vec![row(1, ip(12))]);
    other.jump(1_802);
    assert_eq!(other.state(ip(12)), Some(DurableState::Expired));
    assert!(!other.kernel.contains_key(&ip(12)));
}

#[test]
fn what_cannot_be_is_refused_and_the_rest_is_imported() {
    let mut config = config();
    config.pools[0].hosts.push(Host {
        name: "cpe".into(),
        hardware_address: Some(mac(77)),
        ip_address: ip(11),
        ..Host::default()
    });
    let mut lab = Lab::new(config);
    let held = lab.lease(9);
    assert_eq!(held, ip(10));
    let named = |name: &str| ImportedBinding { interface: Some(name.into()), ..row(4, ip(12)) };
    let rows = vec![
        row(1, Ipv4Addr::new(10, 9, 9, 9)),
        row(2, ip(11)),
        row(3, held),
        named("wan7"),
        ImportedBinding { expires_in: Some(0), ..row(5, ip(12)) },
        row(6, SERVER),
        row(77, ip(11)),
        row(7, ip(12)),
        row(7, ip(13)),
        row(8, ip(12)),
    ];
    let (imported, refused) = import(&mut lab, rows);
    assert_eq!(imported, 2);
    assert_eq!(
        refused,
        [
            (0, ImportRefusal::NotInPool),
            (1, ImportRefusal::Reserved),
            (2, ImportRefusal::Taken),
            (3, ImportRefusal::NoGroup),
            (4, ImportRefusal::Over),
            (5, ImportRefusal::NotInPool),
            // Its first row is not on storage yet.
            (8, ImportRefusal::Busy),
            (9, ImportRefusal::Taken),
        ]
    );
    assert_eq!(import(&mut lab, vec![row(7, ip(13))]).1, [(0, ImportRefusal::HasAnother)]);
    assert_eq!(lab.renew(77, ip(11)).unwrap().message(), MessageType::Ack);
    let many = (0..257).map(|_| row(5, ip(13))).collect();
    assert_eq!(import(&mut lab, many).1.last(), Some(&(256, ImportRefusal::TooMany)));
}

#[test]
fn a_second_import_refreshes_and_shortens_nothing() {
    let mut lab = Lab::new(config());
    import(&mut lab, vec![row(1, ip(12))]);
    let session = view(&mut lab, ip(12)).session;
    assert_eq!(import(&mut lab, vec![ImportedBinding { expires_in: Some(7_000), ..row(1, ip(12)) }]), (1, vec![]));
    assert_eq!(view(&mut lab, ip(12)).expires_in, Some(7_000));
    assert_eq!(import(&mut lab, vec![ImportedBinding { expires_in: Some(5), ..row(1, ip(12)) }]), (1, vec![]));
    let seen = view(&mut lab, ip(12));
    assert_eq!((seen.expires_in, seen.session), (Some(7_000), session));
    // One that leased here is refreshed too, and one with an infinite lease stays so.
    let leased = lab.lease(2);
    assert_eq!(import(&mut lab, vec![ImportedBinding { expires_in: None, ..row(2, leased) }]), (1, vec![]));
    assert_eq!(view(&mut lab, leased).expires_in, None);
}

#[test]
fn a_tombstone_comes_back_by_import_with_its_id() {
    let mut lab = Lab::new(config());
    let address = lab.lease(1);
    let session = view(&mut lab, address).session;
    lab.clear(Filter::Address(address));
    assert_eq!(import(&mut lab, vec![row(1, address)]), (1, vec![]));
    assert_eq!(view(&mut lab, address).session, session);
    assert_eq!(lab.renew(1, address).unwrap().message(), MessageType::Ack);
}

#[test]
fn a_failed_write_imports_nothing() {
    let mut lab = Lab::new(config());
    let address = lab.lease(2);
    lab.clear(Filter::Address(address));
    lab.prompt = false;
    assert_eq!(lab.command(Verb::Import { rows: vec![row(1, ip(12)), row(2, address)] }), None, "answered too early");
    lab.mutations.clear();
    lab.input(Input::StoreFailed);
    assert!(matches!(lab.replies.pop(), Some((_, Reply::Imported { failed: true, .. }))));
    let refused = lab.command(Verb::Import { rows: vec![row(1, ip(12))] });
    assert_eq!(refused, Some(Reply::Imported { imported: 0, refused: vec![], failed: true }));
    lab.prompt = true;
    lab.input(Input::StoreReady);
    lab.jump(70);
    assert_eq!(lab.state(ip(12)), None);
    assert_eq!(lab.state(address), Some(DurableState::Cleared), "the promise to refuse is gone");
    assert!(lab.kernel.is_empty());
    assert!(lab.events.iter().any(|event| matches!(event, Event::StoreBack { .. })));
    assert_eq!(import(&mut lab, vec![row(1, ip(12))]), (1, vec![]));
}

#[test]
fn an_interface_that_is_not_there_yet_brings_the_route() {
    let mut config = config();
    config.interfaces.push(Interface { pattern: "ppp*".into(), group: GroupId(0), ..Interface::default() });
    let mut lab = Lab::new(config);
    assert_eq!(import(&mut lab, vec![ImportedBinding { interface: Some("ppp3".into()), ..row(1, ip(12)) }]).0, 1);
    assert_eq!(view(&mut lab, ip(12)).interface, "ppp3".into());
    assert!(lab.kernel.is_empty());
    lab.input(Input::LinkSet(link(IfIndex(30), "ppp3", &[])));
    lab.pass(1);
    assert_eq!(lab.kernel[&ip(12)].link, IfIndex(30));
}

#[test]
fn where_two_interfaces_have_the_network_the_client_tells() {
    let mut lab = Lab::new(config());
    lab.input(Input::LinkSet(link(IfIndex(8), "eth2", &[(Ipv4Addr::new(192, 0, 2, 2), 24)])));
    import(&mut lab, vec![row(1, ip(12))]);
    let seen = view(&mut lab, ip(12));
    assert_eq!((&*seen.interface, seen.route), ("", RouteState::NotOnLink));
    assert!(lab.kernel.is_empty());
    // A unicast renewal from the client's own network places it.
    let ack = lab.packet_on(IfIndex(8), &MessageBuilder::request_renewing(mac(1), ip(12)), ip(12), SERVER).unwrap();
    assert_eq!(ack.message(), MessageType::Ack);
    assert_eq!(ack.option(OptionCode::SERVER_IDENTIFIER), Some(SERVER.octets().to_vec()));
    let seen = view(&mut lab, ip(12));
    assert_eq!((&*seen.interface, seen.route, &*seen.group), ("eth2", RouteState::Installed, "access"));
    assert_eq!(lab.kernel[&ip(12)].link, IfIndex(8));
}

#[test]
fn a_routed_renewal_of_an_unplaced_client_is_answered_without_a_route() {
    let mut config = config();
    config.pools[0].network = "198.51.100.0/24".parse().unwrap();
    let remote = |last| Ipv4Addr::new(198, 51, 100, last);
    config.pools[0].ranges[0].low = remote(10);
    config.pools[0].ranges[0].high = remote(20);
    let mut lab = Lab::new(config);
    import(&mut lab, vec![row(1, remote(12))]);
    assert_eq!(view(&mut lab, remote(12)).interface, "".into());
    let ack = lab.renew(1, remote(12)).unwrap();
    assert_eq!(ack.message(), MessageType::Ack);
    assert_eq!(ack.option(OptionCode::SERVER_IDENTIFIER), Some(SERVER.octets().to_vec()));
    assert!(lab.kernel.is_empty());
    assert_eq!(view(&mut lab, remote(12)).server_id, SERVER);
}

#[test]
fn behind_a_relay_the_route_goes_by_it() {
    let mut config = config();
    config.pools[0].network = "198.51.100.0/24".parse().unwrap();
    let remote = |last| Ipv4Addr::new(198, 51, 100, last);
    config.pools[0].ranges[0].low = remote(10);
    config.pools[0].ranges[0].high = remote(20);
    let relay = ip(200);
    let mut lab = Lab::new(config);
    let rows = vec![
        ImportedBinding { giaddr: relay, ..row(1, remote(12)) },
        ImportedBinding { giaddr: remote(1), interface: Some("eth1".into()), ..row(2, remote(13)) },
    ];
    assert_eq!(import(&mut lab, rows), (2, vec![]));
    assert_eq!(lab.kernel[&remote(12)].via, Some(relay));
    assert_eq!(view(&mut lab, remote(12)).giaddr, relay);
    // Its relay is not on-link: no route, as for a lease.
    assert_eq!(view(&mut lab, remote(13)).route, RouteState::NotOnLink);
    assert_eq!(lab.renew(2, remote(13)).unwrap().message(), MessageType::Ack);
}

#[test]
fn an_imported_client_that_was_not_heard_yet_is_not_without_a_place() {
    let mut two = config();
    two.interfaces[0].pattern = "*".into();
    two.reconfigure = Some(Reconfigure::default());
    let mut lab = Lab::new(two);
    // On two interfaces: nobody knows which.
    lab.input(Input::LinkSet(link(IfIndex(8), "eth2", &[(SERVER, 24)])));
    import(&mut lab, vec![row(1, ip(12))]);
    assert_eq!(&*view(&mut lab, ip(12)).group, "");
    let displaced = Verb::Bindings { filter: Filter::Displaced, cursor: Cursor::START };
    assert_eq!(lab.command(displaced), Some(Reply::Bindings { rows: Vec::new(), next: None }));
    // Nor can it be told to move: nobody knows by whose settings, nor what server it heard last.
    let verb = Verb::Reconfigure { filter: Filter::All, cursor: Cursor::START, purpose: Purpose::Renumber, most: 256 };
    let none = Reconfigured { not_configured: 1, ..Reconfigured::default() };
    assert_eq!(lab.command(verb), Some(Reply::Reconfigured(none)));
}
