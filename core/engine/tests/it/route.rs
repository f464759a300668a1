//! Stage `route` and Framed-Route: metric, table, tag, and routes via the client, from the bind to the end.

use crate::lab::{LINK, Lab, SERVER, config, ip, link, mac};
use bindery_engine::{
    Input,
    command::{Cursor, Filter, Reply, RouteView, Verb},
    config::{Config, PluginId},
    event::{DropReason, Event},
    policy::{ExtraRoute, Hook, Policy, RouteChoice, RouteQuestion, ShapeReply, Stage, Verdict},
    record::DurableState,
    route::{Destination, Route, RouteChange, RouteError, RouteFailure},
    subscriber::{Authorization, Grant, Subscriber},
};
use bindery_types::{IfIndex, InstanceId, Ipv4Addr, Now};
use bindery_wire::v4::{MessageBuilder, MessageType, OptionCode};
use std::{cell::RefCell, num::NonZeroU32, rc::Rc, sync::Arc};

/// Adds a choice to what was granted, and notes who was asked about, and what was granted.
struct Chooses(Rc<RefCell<Choosing>>);

#[derive(Default)]
struct Choosing {
    choice: RouteChoice,
    asked: Vec<(Ipv4Addr, String, RouteChoice)>,
}

impl Policy for Chooses {
    fn shape_reply(&mut self, _: Now, _: &[PluginId], _: &mut ShapeReply<'_>) -> Hook {
        Hook::Done(Verdict::Continue)
    }

    fn route(&mut self, _: Now, chain: &[PluginId], question: &RouteQuestion<'_>, choice: &mut RouteChoice) {
        assert_eq!(chain, [PluginId(3)]);
        let subject = &question.subject;
        assert_eq!((subject.group, subject.pool), ("access", "pool"));
        assert!(subject.sessions.by_address(subject.address).is_some());
        let mut this = self.0.borrow_mut();
        this.asked.push((subject.address, subject.interface.into(), choice.clone()));
        choice.metric = this.choice.metric.or(choice.metric);
        choice.table = this.choice.table.or(choice.table);
        choice.tag = this.choice.tag.or(choice.tag);
        choice.extra.extend(this.choice.extra.iter().copied());
    }
}

fn chained() -> Config {
    let mut config = config();
    config.groups[0].chains.set(Stage::Route, vec![PluginId(3)]);
    config
}

fn choosing(config: Config, choice: RouteChoice) -> (Lab, Rc<RefCell<Choosing>>) {
    let choosing = Rc::new(RefCell::new(Choosing { choice, ..Choosing::default() }));
    let mut lab = Lab::new(config);
    lab.policy = Box::new(Chooses(Rc::clone(&choosing)));
    (lab, choosing)
}

fn net(third: u8) -> ExtraRoute {
    ExtraRoute { network: Ipv4Addr::new(10, 9, third, 0), len: 24 }
}

fn extra(thirds: &[u8]) -> RouteChoice {
    RouteChoice { extra: thirds.iter().map(|third| net(*third)).collect(), ..RouteChoice::default() }
}

fn to(third: u8) -> Destination {
    let ExtraRoute { network, len } = net(third);
    Destination { len, ..Destination::host(InstanceId(0), network) }
}

fn behind(third: u8, client: Ipv4Addr) -> Route {
    let ExtraRoute { network, len } = net(third);
    let route = Route::host(InstanceId(0), network, LINK);
    Route { len, via: Some(client), on_link: true, src: Some(SERVER), ..route }
}

fn own(client: Ipv4Addr, last: u8) -> Route {
    Route { src: Some(SERVER), neighbour: Some(mac(last)), ..Route::host(InstanceId(0), client, LINK) }
}

fn stands(lab: &Lab) -> Vec<Route> {
    lab.fib.values().copied().collect()
}

fn views(lab: &mut Lab) -> Vec<RouteView> {
    match lab.command(Verb::Routes { cursor: Cursor::START }) {
        Some(Reply::Routes { rows, .. }) => rows,
        other => panic!("{other:?}"),
    }
}

fn refused(lab: &Lab) -> usize {
    lab.events.iter().filter(|event| matches!(event, Event::ExtraRouteRefused { .. })).count()
}

#[test]
fn a_chain_chooses_at_the_bind_and_is_not_asked_again() {
    let choice = RouteChoice { metric: Some(10), table: Some(7), tag: Some(3), ..extra(&[1, 2]) };
    let (mut lab, asked) = choosing(chained(), choice.clone());
    let address = lab.lease(1);
    let marked = |route: Route| Route { metric: Some(10), table: NonZeroU32::new(7), tag: Some(3), ..route };
    let wanted = [behind(1, address), behind(2, address), own(address, 1)].map(marked);
    assert_eq!(stands(&lab), wanted);
    let session = lab.record(address).unwrap().key.session;
    assert_eq!(Subscriber::decode(&lab.identities[&session].subscriber).route, choice);
    // Renewals need no route and ask nobody.
    assert_eq!(lab.renew(1, address).unwrap().message(), MessageType::Ack);
    let reboot = MessageBuilder::request_init_reboot(mac(1), address);
    assert_eq!(lab.broadcast(&reboot).unwrap().message(), MessageType::Ack);
    assert_eq!(asked.borrow().asked, [(address, "eth1".into(), RouteChoice::default())]);
    let shown: Vec<_> = views(&mut lab)
        .iter()
        .map(|row| (row.dst, row.len, row.via, row.metric, row.table, row.tag, row.access_internal, row.installed))
        .collect();
    let row = |dst, len, via: Option<Ipv4Addr>| (dst, len, via, Some(10), Some(7), Some(3), via.is_none(), true);
    let net = |third| row(net(third).network, 24, Some(address));
    assert_eq!(shown, [row(address, 32, None), net(1), net(2)]);
    // The end takes them all.
    lab.unicast(&MessageBuilder::release(mac(1), address, SERVER), address);
    assert_eq!(stands(&lab), []);
}

#[test]
fn the_ack_waits_for_the_last_of_the_routes() {
    let (mut lab, _) = choosing(chained(), extra(&[1, 2]));
    let offer = lab.discover(1).unwrap();
    lab.prompt = false;
    assert!(lab.select(1, offer.yiaddr()).is_none());
    assert!(lab.routes.is_empty(), "record first, then routes");
    lab.answer_store();
    let seqs: Vec<_> = lab.routes.iter().map(|op| op.seq).collect();
    assert_eq!(seqs.len(), 3);
    assert!(lab.routes.iter().all(|op| op.urgent));
    lab.routes.clear();
    lab.input(Input::Routed { up_to: seqs[1], failed: vec![] });
    assert!(lab.heard.is_empty());
    lab.input(Input::Routed { up_to: seqs[2], failed: vec![] });
    assert_eq!(lab.heard.pop().unwrap().message(), MessageType::Ack);
}

/// The first of them is gone then, though nothing failed.
#[test]
fn no_ack_leaves_when_the_interface_was_flushed_between_two_of_its_routes() {
    let (mut lab, _) = choosing(chained(), extra(&[1]));
    let address = lab.discover(1).unwrap().yiaddr();
    lab.prompt = false;
    assert!(lab.select(1, address).is_none());
    lab.answer_store();
    let seqs: Vec<_> = lab.routes.drain(..).map(|op| op.seq).collect();
    lab.input(Input::Routed { up_to: seqs[0], failed: vec![] });
    lab.input(Input::RoutesLost(LINK));
    lab.input(Input::Routed { up_to: seqs[1], failed: vec![] });
    assert!(lab.heard.is_empty(), "its route does not stand");
    assert_eq!(lab.dropped(DropReason::RouteFault), 1);
    lab.prompt = true;
    assert_eq!(lab.select(1, address).unwrap().message(), MessageType::Ack);
    assert_eq!(stands(&lab).len(), 2);
}

/// The failure may come before the watermark that ends the exchange.
#[test]
fn a_failure_of_an_extra_route_is_silence_and_costs_no_address() {
    for at in [1, 2] {
        let (mut lab, _) = choosing(chained(), extra(&[1, 2]));
        let address = lab.discover(1).unwrap().yiaddr();
        lab.prompt = false;
        assert!(lab.select(1, address).is_none());
        lab.answer_store();
        let seqs: Vec<_> = lab.routes.drain(..).map(|op| op.seq).collect();
        let failure = RouteFailure { seq: seqs[at], error: RouteError::Foreign };
        let (first, second) = if at == 1 { (vec![failure], vec![]) } else { (vec![], vec![failure]) };
        lab.input(Input::Routed { up_to: seqs[1], failed: first });
        lab.input(Input::Routed { up_to: seqs[2], failed: second });
        assert!(lab.heard.is_empty(), "no ACK without all routes");
        assert_eq!(lab.dropped(DropReason::RouteFault), 1);
        let told = lab.events.iter().find_map(|event| match event {
            Event::RouteFault { address, len, error, .. } => Some((*address, *len, *error)),
            _ => None,
        });
        assert_eq!(told, Some((net(at as u8).network, 24, RouteError::Foreign)));
        lab.prompt = true;
        assert_eq!(lab.state(address), Some(DurableState::Bound), "the address itself is nobody else's");
        // The client asks again, and so do we.
        assert_eq!(lab.select(1, address).unwrap().message(), MessageType::Ack);
        assert_eq!(stands(&lab).len(), 3);
    }
}

#[test]
fn who_came_first_has_the_prefix() {
    let (mut lab, _) = choosing(chained(), extra(&[1]));
    let (first, second) = (lab.lease(1), lab.lease(2));
    assert_eq!(stands(&lab), [behind(1, first), own(first, 1), own(second, 2)]);
    assert_eq!(refused(&lab), 1);
    let shown: Vec<_> = views(&mut lab).iter().filter(|row| !row.access_internal).map(|row| row.installed).collect();
    assert_eq!(shown, [true, false]);
    // It stays so over renewals and a restart, whoever comes first then, and is not told at each renewal.
    lab.renew(2, second).unwrap();
    assert_eq!(refused(&lab), 1);
    let mut lab = lab.restart(chained(), 5);
    let mut desired = lab.engine.desired_routes();
    desired.sort_by_key(|route| route.dst);
    assert_eq!(desired, stands(&lab));
    lab.renew(2, second).unwrap();
    assert_eq!(stands(&lab), desired);
    // When the first one's binding ends, the other one takes it at its next renewal.
    lab.clear(Filter::Address(first));
    assert_eq!(stands(&lab), [own(second, 2)]);
    lab.renew(2, second).unwrap();
    assert_eq!(stands(&lab), [behind(1, second), own(second, 2)]);
    lab.clear(Filter::Address(second));
    assert_eq!(stands(&lab), []);
}

#[test]
fn nobody_gets_the_address_of_another_subscriber() {
    let host = |address| ExtraRoute { network: address, len: 32 };
    let own_one = ip(10);
    let choice = RouteChoice { extra: vec![host(ip(11)), host(own_one), host(SERVER)], ..RouteChoice::default() };
    let (mut lab, asked) = choosing(chained(), choice);
    assert_eq!(lab.lease(1), own_one);
    let beside = Route { via: Some(own_one), on_link: true, neighbour: None, dst: SERVER, ..own(own_one, 1) };
    assert_eq!(stands(&lab), [beside, own(own_one, 1)]);
    assert_eq!(refused(&lab), 1, "its own address is no extra route");
    asked.borrow_mut().choice = RouteChoice::default();
    // A commit makes an address of the prefix one of a pool: its subscriber has it, now and when the other one ends.
    let mut config = chained();
    config.pools[0].ranges[0].low = SERVER;
    lab.input(Input::LinkSet(link(LINK, "eth1", &[(ip(254), 24)])));
    lab.input(Input::Configure(Arc::new(config)));
    let hers = MessageBuilder::discover(mac(2)).requested(SERVER);
    assert_eq!(lab.broadcast(&hers).unwrap().yiaddr(), SERVER);
    let select = MessageBuilder::request_selecting(mac(2), SERVER, ip(254));
    assert_eq!(lab.broadcast(&select).unwrap().message(), MessageType::Ack);
    let hers = Route { src: Some(ip(254)), ..own(SERVER, 2) };
    assert_eq!(lab.fib[&hers.destination()], hers);
    lab.clear(Filter::Address(own_one));
    assert_eq!(stands(&lab), [hers]);
}

#[test]
fn a_move_takes_the_routes_along_and_asks_anew() {
    let (mut lab, asked) = choosing(chained(), RouteChoice { metric: Some(5), ..extra(&[1, 2]) });
    let address = lab.lease(1);
    lab.input(Input::LinkSet(link(IfIndex(8), "eth2", &[(ip(2), 24)])));
    asked.borrow_mut().choice = RouteChoice { table: Some(9), ..extra(&[2, 3]) };
    let rebind = MessageBuilder::request_renewing(mac(1), address);
    let ack = lab.packet_on(IfIndex(8), &rebind, address, Ipv4Addr::BROADCAST).unwrap();
    assert_eq!(ack.message(), MessageType::Ack);
    let moved = |route: Route| Route { link: IfIndex(8), src: Some(ip(2)), table: NonZeroU32::new(9), ..route };
    assert_eq!(stands(&lab), [behind(2, address), behind(3, address), own(address, 1)].map(moved));
    let told: Vec<_> = asked.borrow().asked.iter().map(|(_, link, granted)| (link.clone(), granted.clone())).collect();
    let none = RouteChoice::default();
    assert_eq!(told, [("eth1".into(), none.clone()), ("eth2".into(), none)], "nothing of the first choice stays");
}

#[test]
fn a_chain_starts_from_what_was_granted() {
    let (mut lab, asked) = choosing(
        {
            let mut config = chained();
            config.groups[0].authenticate = true;
            config
        },
        RouteChoice { metric: Some(5), ..extra(&[2]) },
    );
    let granted = RouteChoice { metric: Some(1), tag: Some(4), ..extra(&[1]) };
    let subscriber = Subscriber { route: granted.clone(), ..Subscriber::default() };
    assert!(lab.discover(1).is_none());
    let tag = lab.questions.remove(0).tag;
    let grant = Box::new(Grant { subscriber, ..Grant::default() });
    lab.input(Input::Access { tag, answer: Authorization::Accepted(grant) });
    let address = lab.heard.pop().unwrap().yiaddr();
    lab.select(1, address).unwrap();
    let marked = |metric| move |route: Route| Route { metric: Some(metric), tag: Some(4), ..route };
    let both = [behind(1, address), behind(2, address), own(address, 1)];
    assert_eq!(stands(&lab), both.map(marked(5)));
    // A host name is new: the routes are decided anew, from the grant.
    let named = MessageBuilder::request_renewing(mac(1), address).option(OptionCode::HOST_NAME, b"new");
    lab.unicast(&named, address).unwrap();
    assert_eq!(stands(&lab), both.map(marked(5)));
    assert_eq!(asked.borrow().asked.iter().filter(|(.., from)| *from == granted).count(), 2);
    // A commit takes the chain away: at the next change the grant alone holds.
    let mut config = config();
    config.groups[0].authenticate = true;
    lab.input(Input::Configure(Arc::new(config)));
    lab.unicast(&MessageBuilder::request_renewing(mac(1), address).option(OptionCode::HOST_NAME, b"newer"), address)
        .unwrap();
    assert_eq!(stands(&lab), [behind(1, address), own(address, 1)].map(marked(1)));
}

#[test]
fn lost_extra_routes_come_before_the_next_ack() {
    let (mut lab, _) = choosing(chained(), extra(&[1]));
    let address = lab.lease(1);
    for lost in [Input::RouteLost(to(1)), Input::RoutesLost(LINK)] {
        lab.fib.remove(&to(1));
        lab.input(lost);
        assert_eq!(lab.renew(1, address).unwrap().message(), MessageType::Ack);
        assert_eq!(stands(&lab), [behind(1, address), own(address, 1)]);
    }
    // An interface that comes back gets them without being asked.
    lab.input(Input::LinkGone(LINK));
    lab.fib.clear();
    lab.input(Input::LinkSet(link(IfIndex(9), "eth1", &[(SERVER, 24)])));
    lab.pass(1);
    let on_new = |route: Route| Route { link: IfIndex(9), ..route };
    assert_eq!(stands(&lab), [behind(1, address), own(address, 1)].map(on_new));
}

#[test]
fn a_relayed_client_has_them_via_its_relay() {
    let (mut lab, _) = choosing(chained(), extra(&[1]));
    let relay = ip(200);
    let relayed = |message: MessageBuilder| message.giaddr(relay);
    let offer = lab.packet(&relayed(MessageBuilder::discover(mac(1))), relay, SERVER).unwrap();
    let address = offer.yiaddr();
    let request = relayed(MessageBuilder::request_selecting(mac(1), address, SERVER));
    assert_eq!(lab.packet(&request, relay, SERVER).unwrap().message(), MessageType::Ack);
    let host = Route { via: Some(relay), ..Route::host(InstanceId(0), address, LINK) };
    let beside = Route { dst: net(1).network, len: 24, ..host };
    assert_eq!(stands(&lab), [beside, host]);
    // It moves behind a relay that is not on-link: no route can be, and none stays.
    let far = Ipv4Addr::new(192, 0, 2, 200);
    lab.input(Input::LinkSet(link(LINK, "eth1", &[(SERVER, 32)])));
    let request = MessageBuilder::request_init_reboot(mac(1), address).giaddr(far);
    lab.packet(&request, far, SERVER).unwrap();
    assert_eq!(stands(&lab), []);
}

#[test]
fn a_session_has_sixteen_at_most() {
    let choice = RouteChoice { extra: (0..30).map(net).collect(), ..RouteChoice::default() };
    let (mut lab, _) = choosing(chained(), choice);
    lab.lease(1);
    assert_eq!(stands(&lab).len(), 17);
}

/// Without chain and grant nothing is asked, kept, or allocated for.
#[test]
fn a_group_without_a_chain_asks_nobody() {
    let (mut lab, asked) = choosing(config(), extra(&[1]));
    let address = lab.lease(1);
    assert!(asked.borrow().asked.is_empty());
    let session = lab.record(address).unwrap().key.session;
    assert!(lab.identities[&session].subscriber.is_empty());
    lab.prompt = false;
    lab.clear(Filter::Address(address));
    lab.answer_store();
    let changes: Vec<_> = lab.routes.iter().map(|op| op.change).collect();
    assert_eq!(changes, [RouteChange::Unset(Destination::host(InstanceId(0), address))]);
}
