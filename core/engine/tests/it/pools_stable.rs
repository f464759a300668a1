//! Content-stable identities: the order of pools, ranges, hosts, groups and interfaces, the names of others, and what
//! is added elsewhere, move no lease (issue 5, point 1).

use crate::{
    impact::{commit, forecast},
    lab::{LINK, Lab, SERVER, config, ip, link, mac},
};
use bindery_engine::{
    Input,
    config::{Config, Group, Host, Interface, Pool, Range},
    impact::Prospect,
};
use bindery_types::{GroupId, IfIndex, Ipv4Addr, PoolId};
use bindery_wire::v4::{MessageBuilder, MessageType, OptionCode};
use proptest::prelude::*;
use std::{collections::BTreeMap, sync::Arc};

const FAR: IfIndex = IfIndex(8);
const FAR_SERVER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
const RELAY: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 2);
const CLIENTS: u8 = 12;

/// A configuration as an operator thinks of it: references by name.
#[derive(Clone, Debug)]
struct Plan {
    pools: Vec<(Pool, Option<&'static str>)>,
    groups: Vec<&'static str>,
    interfaces: Vec<(&'static str, &'static str)>,
}

fn range(name: &str, network: [u8; 3], low: u8, high: u8) -> Range {
    let [a, b, c] = network;
    Range { name: name.into(), low: Ipv4Addr::new(a, b, c, low), high: Ipv4Addr::new(a, b, c, high) }
}

fn plan() -> Plan {
    let pool = |name: &str, network: [u8; 3], ranges: &[(&str, u8, u8)], hosts: &[(u8, u8)]| {
        let [a, b, c] = network;
        let host = |&(of, last): &(u8, u8)| Host {
            name: format!("h{of}").into(),
            hardware_address: Some(mac(of)),
            ip_address: Ipv4Addr::new(a, b, c, last),
            ..Host::default()
        };
        Pool {
            name: name.into(),
            network: format!("{a}.{b}.{c}.0/24").parse().unwrap(),
            ranges: ranges.iter().map(|(name, low, high)| range(name, network, *low, *high)).collect(),
            hosts: hosts.iter().map(host).collect(),
            ..config().pools.remove(0)
        }
    };
    Plan {
        pools: vec![
            (pool("a", [192, 0, 2], &[("x", 10, 11), ("y", 20, 20)], &[(1, 99), (2, 98)]), Some("b")),
            (pool("b", [198, 51, 100], &[("x", 10, 10), ("y", 5, 6)], &[(9, 77)]), Some("c")),
            (pool("c", [198, 51, 101], &[("z", 1, 50)], &[]), None),
            (pool("far", [203, 0, 113], &[("x", 10, 14)], &[(11, 60)]), Some("c")),
        ],
        groups: vec!["access", "business", "unused"],
        interfaces: vec![("eth1", "access"), ("eth2", "business"), ("eth9*", "unused")],
    }
}

impl Plan {
    fn build(&self) -> Config {
        let base = config();
        let at = |name: &str| self.pools.iter().position(|(pool, _)| *pool.name == *name).map(|at| PoolId(at as u16));
        let group_at = |name: &str| GroupId(self.groups.iter().position(|of| *of == name).unwrap() as u16);
        let pools = self.pools.iter().map(|(pool, link)| Pool { link: link.and_then(at), ..pool.clone() });
        let groups = self.groups.iter().map(|name| Group { name: (*name).into(), ..base.groups[0].clone() });
        let interfaces = self.interfaces.iter().map(|(pattern, group)| Interface {
            pattern: (*pattern).into(),
            group: group_at(group),
            ..base.interfaces[0].clone()
        });
        Config { pools: pools.collect(), groups: groups.collect(), interfaces: interfaces.collect(), ..base }
    }

    /// Reorders everything, adds a pool, and renames a group that serves nobody.
    fn shuffled(mut self, order: &[u8], add: bool) -> Self {
        let mut bytes = order.iter().copied().cycle();
        fn mix<T>(list: &mut [T], bytes: &mut impl Iterator<Item = u8>) {
            for at in (1..list.len()).rev() {
                list.swap(at, usize::from(bytes.next().unwrap()) % (at + 1));
            }
        }
        if add {
            let extra = Pool {
                name: "0-extra".into(),
                network: "100.64.0.0/24".parse().unwrap(),
                ranges: vec![range("x", [100, 64, 0], 1, 9)],
                ..config().pools.remove(0)
            };
            self.pools.push((extra, None));
            self.groups[2] = "renamed";
            self.interfaces[2].1 = "renamed";
        }
        mix(&mut self.pools, &mut bytes);
        mix(&mut self.groups, &mut bytes);
        mix(&mut self.interfaces, &mut bytes);
        for (pool, _) in &mut self.pools {
            mix(&mut pool.ranges, &mut bytes);
            mix(&mut pool.hosts, &mut bytes);
        }
        self
    }
}

fn asks(lab: &mut Lab, client: u8, message: MessageBuilder) -> Option<crate::lab::Heard> {
    match client % 2 {
        1 => lab.broadcast(&message),
        _ => lab.packet_on(FAR, &message.giaddr(RELAY), RELAY, FAR_SERVER),
    }
}

fn binds(lab: &mut Lab, client: u8) -> Ipv4Addr {
    let offer = asks(lab, client, MessageBuilder::discover(mac(client))).expect("an offer");
    let server: [u8; 4] = offer.option(OptionCode::SERVER_IDENTIFIER).unwrap().try_into().unwrap();
    let request = MessageBuilder::request_selecting(mac(client), offer.yiaddr(), server.into());
    let ack = asks(lab, client, request).expect("an ack");
    assert_eq!(ack.message(), MessageType::Ack);
    ack.yiaddr()
}

fn links(lab: &mut Lab) {
    lab.input(Input::LinkSet(link(LINK, "eth1", &[(SERVER, 24)])));
    lab.input(Input::LinkSet(link(FAR, "eth2", &[(FAR_SERVER, 24)])));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_order_and_no_name_of_others_moves_a_lease(
        first in prop::collection::vec(any::<u8>(), 1..20),
        second in prop::collection::vec(any::<u8>(), 1..20),
        add in any::<bool>(),
        restart in any::<bool>(),
    ) {
        let (old, new) = (plan().shuffled(&first, false).build(), plan().shuffled(&second, add).build());
        let mut lab = Lab::new(old);
        links(&mut lab);
        let bound: BTreeMap<u8, Ipv4Addr> = (1..=CLIENTS).map(|client| (client, binds(&mut lab, client))).collect();
        let (counts, views) = forecast(&mut lab, Prospect::new(Arc::new(new.clone())));
        prop_assert_eq!(counts.kept, u64::from(CLIENTS), "{:?}", views);
        if restart {
            lab = lab.restart(new, 5);
            links(&mut lab);
        } else {
            commit(&mut lab, &new);
        }
        lab.pass(3);
        for (client, address) in bound {
            let server = if client % 2 == 1 { SERVER } else { FAR_SERVER };
            let on = if client % 2 == 1 { LINK } else { FAR };
            let renewal = MessageBuilder::request_renewing(mac(client), address);
            let ack = lab.packet_on(on, &renewal, address, server).expect("an answer");
            prop_assert_eq!((ack.message(), ack.yiaddr()), (MessageType::Ack, address));
            let offer = asks(&mut lab, client, MessageBuilder::discover(mac(client))).expect("an offer");
            prop_assert_eq!(offer.yiaddr(), address);
        }
        prop_assert!(lab.kernel.len() == usize::from(CLIENTS) && ip(1) != ip(2));
    }
}
