//! The plane: its contract, and what is foreign.

use crate::lab::{GATEWAY, Lab, MAC, subscriber, until};
use bindery_engine::route::{
    Destination, ForwardingPlane, Route, RouteChange, RouteError, RouteFailure, RouteOp, RouteSeq,
};
use bindery_netlink::{Plane, PlaneSettings, contract};
use bindery_types::{IfIndex, InstanceId, Ipv4Addr};
use std::collections::BTreeMap;

fn apply(plane: &mut Plane, changes: &[RouteChange]) -> Vec<RouteError> {
    let ops: Vec<_> =
        (0..).zip(changes).map(|(seq, change)| RouteOp { seq: RouteSeq(seq), urgent: true, change: *change }).collect();
    let mut failed = Vec::new();
    plane.apply(&ops, &mut failed).expect("netlink works");
    failed.into_iter().map(|failure| failure.error).collect()
}

fn unset(number: u32) -> RouteChange {
    RouteChange::Unset(Destination::host(InstanceId(0), subscriber(number)))
}

#[test]
fn the_plane_keeps_the_contract() {
    let Some(lab) = Lab::new("the_plane_keeps_the_contract") else { return };
    let mut plane = lab.plane();
    contract::check(&mut contract::Bench {
        plane: &mut plane,
        observe: &mut |at| lab.observe_at(at),
        place: contract::Place {
            links: [lab.index("r0"), lab.index("s0")],
            no_link: IfIndex(9999),
            source: GATEWAY,
            gateway: Ipv4Addr::new(192, 0, 2, 2),
            subscribers: subscriber(0),
        },
    })
    .unwrap();
    assert_eq!((lab.count(), lab.count_neighbours()), (0, 0));
}

/// A foreign route in the way stays as it is, and the operation says so; ours leaves nothing behind.
#[test]
fn a_foreign_route_stays() {
    let Some(lab) = Lab::new("a_foreign_route_stays") else { return };
    let mut plane = lab.plane();
    lab.sh("ip route add 10.1.0.0/32 dev s1 scope link src 10.0.0.1 proto static");
    let before = lab.show(0);
    assert_eq!(apply(&mut plane, &[RouteChange::Set(lab.route(0))]), [RouteError::Foreign]);
    assert_eq!(lab.show(0), before);
    assert_eq!(lab.count_neighbours(), 0);
    assert_eq!(apply(&mut plane, &[unset(0)]), []);
    assert_eq!(lab.show(0), before);
    // The very route that we want, but made by somebody else, is foreign too.
    lab.sh("ip route replace 10.1.0.0/32 dev s0 scope link src 10.0.0.1 proto static");
    let before = lab.show(0);
    assert_eq!(apply(&mut plane, &[RouteChange::Set(lab.route(0))]), [RouteError::Foreign]);
    assert_eq!(lab.show(0), before);
}

/// A foreign route beside ours (another metric, another TOS) is not in the way, and survives ours.
#[test]
fn a_foreign_route_beside_ours_is_let_be() {
    let Some(lab) = Lab::new("a_foreign_route_beside_ours_is_let_be") else { return };
    let mut plane = lab.plane();
    lab.sh("ip route add 10.1.0.0/32 dev s1 scope link proto static metric 50
            ip route add tos 0x10 10.1.0.0/32 dev s1 scope link proto static");
    let before = lab.show(0);
    assert_eq!(apply(&mut plane, &[RouteChange::Set(lab.route(0))]), []);
    let ours = "10.1.0.0 dev s0 proto 201 scope link src 10.0.0.1";
    assert!(lab.show(0).lines().any(|line| line == ours), "{}", lab.show(0));
    assert_eq!(lab.show(0).lines().count(), 3);
    assert_eq!(apply(&mut plane, &[unset(0)]), []);
    assert_eq!(lab.show(0), before);
}

/// A plane that knows nothing of a route of ours (it was started anew) finds it and changes what is different.
#[test]
fn a_new_plane_takes_over_what_is_ours() {
    let Some(lab) = Lab::new("a_new_plane_takes_over_what_is_ours") else { return };
    assert_eq!(apply(&mut lab.plane(), &[RouteChange::Set(lab.route(0)), RouteChange::Set(lab.route(1))]), []);
    let moved = Route { src: None, ..lab.route(1) };
    assert_eq!(apply(&mut lab.plane(), &[RouteChange::Set(lab.route(0)), RouteChange::Set(moved)]), []);
    assert_eq!(lab.observe(subscriber(0)), Some(lab.route(0)));
    assert_eq!(lab.observe(subscriber(1)), Some(moved));
    assert_eq!(lab.count(), 2);
}

/// What the kernel has learned gives way to our neighbour entry; what an operator has configured does not.
#[test]
fn a_foreign_neighbour_stays() {
    let Some(lab) = Lab::new("a_foreign_neighbour_stays") else { return };
    let mut plane = lab.plane();
    lab.sh("ip neigh add 10.1.0.0 lladdr 02:00:00:00:00:99 dev s0 nud reachable
            ip neigh add 10.1.0.1 lladdr 02:00:00:00:00:99 dev s0 nud permanent
            ip neigh add 10.1.0.2 lladdr 02:00:00:00:00:01 dev s0 nud permanent");
    let changes = [0, 1, 2].map(|number| RouteChange::Set(lab.route(number)));
    assert_eq!(apply(&mut plane, &changes), [RouteError::Foreign]);
    assert_eq!(lab.observe(subscriber(0)), Some(lab.route(0)));
    // Another MAC address: neither the entry nor the route.
    assert_eq!(lab.show(1), "");
    assert!(lab.sh("ip neigh get 10.1.0.1 dev s0").contains("02:00:00:00:00:99 PERMANENT"));
    // The same MAC address: the entry does what ours would.
    assert_eq!(lab.observe(subscriber(2)), Some(Route { neighbour: None, ..lab.route(2) }));
    assert_eq!(apply(&mut plane, &[unset(0), unset(1), unset(2)]), []);
    until("the foreign neighbours", || lab.sh("ip neigh show").lines().count() == 2);
    assert_eq!(lab.count_neighbours(), 0);
}

/// Where both the route and the neighbour are foreign, both stay.
#[test]
fn a_foreign_pair_stays() {
    let Some(lab) = Lab::new("a_foreign_pair_stays") else { return };
    let mut plane = lab.plane();
    lab.sh("ip route add 10.1.0.0/32 dev s0 scope link proto static
            ip neigh add 10.1.0.0 lladdr 02:00:00:00:00:01 dev s0 nud permanent");
    let before = (lab.show(0), lab.sh("ip neigh get 10.1.0.0 dev s0"));
    assert_eq!(apply(&mut plane, &[RouteChange::Set(lab.route(0))]), [RouteError::Foreign]);
    assert_eq!(apply(&mut plane, &[unset(0)]), []);
    assert_eq!((lab.show(0), lab.sh("ip neigh get 10.1.0.0 dev s0")), before);
}

#[test]
fn errors_say_what_is_wrong() {
    let Some(lab) = Lab::new("errors_say_what_is_wrong") else { return };
    let mut plane = lab.plane();
    lab.sh("ip link set s1 down");
    let down = Route { link: lab.index("s1"), neighbour: None, ..lab.route(0) };
    let unreachable = Route { via: Some(Ipv4Addr::new(198, 51, 100, 1)), neighbour: None, ..lab.route(1) };
    let not_ours = Route { src: Some(Ipv4Addr::new(198, 51, 100, 1)), ..lab.route(2) };
    let no_table = Route { instance: InstanceId(7), ..lab.route(3) };
    let changes = [down, unreachable, not_ours, no_table].map(RouteChange::Set);
    assert_eq!(
        apply(&mut plane, &changes),
        [
            RouteError::LinkDown,
            RouteError::Refused(libc::ENETUNREACH),
            RouteError::Refused(libc::EINVAL),
            RouteError::Refused(libc::ENOENT)
        ]
    );
    assert_eq!((lab.count(), lab.count_neighbours()), (0, 0));
}

/// Each routing instance has a table of its own; the same destination in two is two routes.
#[test]
fn instances_have_their_tables() {
    let Some(lab) = Lab::new("instances_have_their_tables") else { return };
    let tables = BTreeMap::from([(InstanceId(0), 254), (InstanceId(1), 100), (InstanceId(2), 70_000)]);
    let mut plane = lab.plane_with(PlaneSettings { protocol: 202, tables, ..PlaneSettings::default() });
    let routes = [0, 1, 2].map(|instance| Route { instance: InstanceId(instance), ..lab.route(0) });
    assert_eq!(apply(&mut plane, &routes.map(RouteChange::Set)), []);
    for table in ["main", "100", "70000"] {
        assert_eq!(lab.sh(&format!("ip route show table {table} proto 202")).lines().count(), 1, "{table}");
    }
    let gone = RouteChange::Unset(Destination::host(InstanceId(2), subscriber(0)));
    assert_eq!(apply(&mut plane, &[gone]), []);
    assert_eq!(lab.sh("ip route show table all proto 202").lines().count(), 2);
}

/// 50,000 routes in one call, every tenth foreign: each failure is told by its position, and all else stands.
#[test]
fn every_failure_of_a_big_batch_is_told() {
    let Some(lab) = Lab::new("every_failure_of_a_big_batch_is_told") else { return };
    let mut plane = lab.plane();
    const COUNT: u32 = 50_000;
    lab.sh(&format!(
        "seq 0 10 {} | awk '{{ printf \"route add 10.%d.%d.%d/32 dev s1 proto static\\n\", \
         1 + int($1 / 65536), int($1 / 256) % 256, $1 % 256 }}' | ip -batch -",
        COUNT - 1
    ));
    let template = lab.route(0);
    let ops: Vec<_> = (0..COUNT)
        .map(|number| RouteOp {
            seq: RouteSeq(u64::from(number)),
            urgent: false,
            change: RouteChange::Set(Route { dst: subscriber(number), neighbour: Some(MAC), ..template }),
        })
        .collect();
    let mut failed = Vec::new();
    plane.apply(&ops, &mut failed).unwrap();
    let expected: Vec<_> = (0..u64::from(COUNT))
        .step_by(10)
        .map(|seq| RouteFailure { seq: RouteSeq(seq), error: RouteError::Foreign })
        .collect();
    assert_eq!(failed, expected);
    let standing = (COUNT - COUNT / 10) as usize;
    lab.until_standing(standing, standing);
    assert_eq!(lab.sh("ip route show proto static").lines().count(), (COUNT / 10) as usize);
}
