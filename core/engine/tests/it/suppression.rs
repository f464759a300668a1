//! `route-suppression`: sessions without route or neighbour entry, and what a commit does to those that live.

use crate::lab::{Lab, config, ip, link, mac};
use bindery_engine::{
    Input,
    command::{Cursor, Filter, Reply, RouteState, Verb},
    config::{Config, Group, Interface, RouteSuppression},
    impact::{Impact, Prospect, Reason},
    route::RouteChange,
};
use bindery_types::{GroupId, IfIndex};
use bindery_wire::v4::{MessageBuilder, MessageType};
use std::sync::Arc;

fn suppressed(suppression: Option<RouteSuppression>) -> Config {
    let mut config = config();
    config.groups[0].route_suppression = suppression;
    config
}

const INTERNAL: Option<RouteSuppression> = Some(RouteSuppression::AccessInternal);
const DESTINATION: Option<RouteSuppression> = Some(RouteSuppression::Destination);

fn commit(lab: &mut Lab, config: Config) {
    lab.input(Input::Configure(Arc::new(config)));
    lab.input(Input::Tick);
}

fn route_state(lab: &mut Lab) -> RouteState {
    match lab.command(Verb::Bindings { filter: Filter::Address(ip(10)), cursor: Cursor::START }) {
        Some(Reply::Bindings { rows, .. }) => rows[0].route,
        other => panic!("{other:?}"),
    }
}

/// The host route of the first client, with its neighbour entry.
fn stands(lab: &Lab) -> Option<bool> {
    lab.kernel.get(&ip(10)).map(|route| route.neighbour == Some(mac(1)))
}

#[test]
fn access_internal_binds_without_a_route() {
    let mut lab = Lab::new(suppressed(INTERNAL));
    lab.prompt = false;
    let offer = lab.discover(1).unwrap();
    assert!(lab.select(1, offer.yiaddr()).is_none());
    lab.answer_store();
    assert_eq!(lab.heard.remove(0).message(), MessageType::Ack, "durable is enough");
    assert!(lab.routes.is_empty());
    lab.prompt = true;
    assert_eq!(route_state(&mut lab), RouteState::Suppressed);
    assert_eq!(lab.renew(1, ip(10)).unwrap().message(), MessageType::Ack);
    lab.unicast(&MessageBuilder::release(mac(1), ip(10), crate::lab::SERVER), ip(10));
    assert!(lab.routes.is_empty() && lab.kernel.is_empty());
}

#[test]
fn destination_leaves_the_route_and_takes_the_neighbour() {
    let mut lab = Lab::new(suppressed(DESTINATION));
    lab.lease(1);
    assert_eq!(stands(&lab), Some(false));
    assert_eq!(route_state(&mut lab), RouteState::Installed);
}

#[test]
fn a_commit_reconciles_live_sessions() {
    let mut lab = Lab::new(suppressed(None));
    lab.lease(1);
    assert_eq!(stands(&lab), Some(true));
    for (suppression, wanted) in
        [(INTERNAL, None), (DESTINATION, Some(false)), (None, Some(true)), (DESTINATION, Some(false)), (INTERNAL, None)]
    {
        commit(&mut lab, suppressed(suppression));
        assert_eq!(stands(&lab), wanted, "{suppression:?}");
        assert_eq!(lab.renew(1, ip(10)).unwrap().message(), MessageType::Ack);
        assert_eq!(stands(&lab), wanted, "{suppression:?} after a renewal");
    }
    commit(&mut lab, suppressed(None));
    lab.renew(1, ip(10)).unwrap();
    assert_eq!((stands(&lab), route_state(&mut lab)), (Some(true), RouteState::Installed));
}

#[test]
fn a_session_that_ends_before_the_commit_reached_it_leaves_no_route() {
    let mut lab = Lab::new(suppressed(None));
    lab.lease(1);
    lab.input(Input::Configure(Arc::new(suppressed(INTERNAL))));
    assert_eq!(stands(&lab), Some(true), "the walk has not begun");
    lab.unicast(&MessageBuilder::release(mac(1), ip(10), crate::lab::SERVER), ip(10));
    assert_eq!(stands(&lab), None);
}

#[test]
fn only_sessions_that_are_concerned_are_touched() {
    let two = |suppression, of_eth2: u16| {
        let mut config = suppressed(None);
        config.groups.push(Group { name: "other".into(), route_suppression: suppression, ..Group::default() });
        config.interfaces.push(Interface { pattern: "eth2".into(), group: GroupId(of_eth2), ..Interface::default() });
        config
    };
    let mut lab = Lab::new(two(None, 1));
    lab.lease(1);
    lab.pass(1);
    lab.prompt = false;
    lab.input(Input::Configure(Arc::new(two(INTERNAL, 1))));
    lab.input(Input::Tick);
    assert!(lab.routes.is_empty(), "nobody is in that group");
    // The interface of the session moves to it.
    let mut moved = two(INTERNAL, 1);
    moved.interfaces[0].group = GroupId(1);
    lab.input(Input::Configure(Arc::new(moved)));
    lab.input(Input::Tick);
    assert!(matches!(lab.routes[..], [op] if matches!(op.change, RouteChange::Unset(at) if at.dst == ip(10))));
}

#[test]
fn a_restart_and_a_new_interface_find_the_same() {
    let mut lab = Lab::new(suppressed(INTERNAL));
    lab.lease(1);
    let mut lab = lab.restart(suppressed(INTERNAL), 10);
    assert!(lab.engine.desired_routes().is_empty());
    lab.input(Input::LinkSet(link(IfIndex(9), "eth9", &[])));
    lab.pass(1);
    assert!(lab.kernel.is_empty());
    let mut lab = lab.restart(suppressed(None), 10);
    assert_eq!(lab.engine.desired_routes().len(), 1, "what was decided is kept");
}

#[test]
fn the_forecast_says_whose_route_comes_or_goes() {
    let mut lab = Lab::new(suppressed(None));
    lab.lease(1);
    let reasons = |lab: &mut Lab, to| {
        let prospect = Arc::new(Prospect::new(Arc::new(to)));
        match lab.command(Verb::Impact { prospect, cursor: Cursor::START, rows: Some(Impact::Changed) }) {
            Some(Reply::Impact { rows, .. }) => rows.iter().map(|row| row.reason).collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(reasons(&mut lab, suppressed(INTERNAL)), [Reason::Route]);
    assert_eq!(reasons(&mut lab, suppressed(DESTINATION)), [Reason::Route]);
    let mut bare = suppressed(None);
    bare.groups[0].overrides.no_arp = true;
    let mut lab = Lab::new(bare.clone());
    lab.lease(1);
    bare.groups[0].route_suppression = DESTINATION;
    assert_eq!(reasons(&mut lab, bare), [], "it has no neighbour entry");
}
