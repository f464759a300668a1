//! Links and addresses as the engine gets them.

use crate::lab::{Lab, Routes};
use bindery_engine::input::{Link, LinkAddress};
use bindery_netlink::{RouteEvent, links};
use bindery_types::{IfIndex, Ipv4Addr};

impl Routes {
    fn link(&self, name: &str, holds: impl Fn(&Link) -> bool) -> Link {
        self.wait(name, |event| match event {
            RouteEvent::LinkSet(link) if &*link.name == name && holds(&link) => Some(link),
            _ => None,
        })
    }

    fn gone(&self) -> IfIndex {
        self.wait("a link to go", |event| match event {
            RouteEvent::LinkGone(index) => Some(index),
            _ => None,
        })
    }
}

fn addresses(link: &Link) -> Vec<(Ipv4Addr, u8)> {
    link.addresses.iter().map(|LinkAddress { address, len }| (*address, *len)).collect()
}

#[test]
fn the_links_of_the_start_are_told() {
    let Some(lab) = Lab::new("the_links_of_the_start_are_told") else { return };
    lab.sh("ip addr add 192.0.2.9/24 dev r0; ip addr add 198.51.100.1/30 dev r0; ip addr add 192.0.2.7/24 dev r0
            ip link set s1 down");
    let routes = lab.start();
    let lo = routes.link("lo", |_| true);
    assert!(lo.up && lo.loopback && lo.mac.is_none());
    assert_eq!(addresses(&lo), [(Ipv4Addr::new(127, 0, 0, 1), 8), (Ipv4Addr::new(10, 0, 0, 1), 32)]);
    let mut told = std::collections::BTreeMap::new();
    while told.len() < 6 {
        let link = routes.wait("links", |event| match event {
            RouteEvent::LinkSet(link) => Some(link),
            _ => None,
        });
        told.insert(link.name.to_string(), link);
    }
    let r0 = &told["r0"];
    assert_eq!(r0.index, lab.index("r0"));
    assert!(r0.up && !r0.loopback && r0.mac.is_some());
    // The primary addresses first, as the kernel has them.
    assert_eq!(
        addresses(r0),
        [
            (Ipv4Addr::new(192, 0, 2, 1), 24),
            (Ipv4Addr::new(198, 51, 100, 1), 30),
            (Ipv4Addr::new(192, 0, 2, 9), 24),
            (Ipv4Addr::new(192, 0, 2, 7), 24)
        ]
    );
    assert!(!told["s1"].up);
    // The other end has no carrier then.
    assert!(!told["ps1"].up);
    let names: Vec<_> = lab.run(links).unwrap().into_iter().map(|link| link.name).collect();
    assert_eq!(names.len(), 7);
}

#[test]
fn changes_are_told_whole() {
    let Some(lab) = Lab::new("changes_are_told_whole") else { return };
    let routes = lab.start();
    routes.link("s0", |link| link.up);
    lab.sh("ip addr add 10.7.0.1/24 dev s0");
    assert_eq!(addresses(&routes.link("s0", |_| true)), [(Ipv4Addr::new(10, 7, 0, 1), 24)]);
    lab.sh("ip addr del 10.7.0.1/24 dev s0");
    assert_eq!(addresses(&routes.link("s0", |link| link.addresses.is_empty())), []);
    lab.sh("ip link set ps0 down");
    let s0 = routes.link("s0", |link| !link.up);
    lab.sh("ip link set s0 down; ip link set s0 name west; ip link set west up; ip link set ps0 up");
    let west = routes.link("west", |link| link.up);
    assert_eq!(west.index, s0.index);
    lab.sh("ip link add new0 type veth peer name new1; ip link set new0 up; ip link set new1 up");
    let new = routes.link("new0", |link| link.up);
    lab.sh("ip link del new0");
    let gone = [routes.gone(), routes.gone()];
    assert!(gone.contains(&new.index));
}
