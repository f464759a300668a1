//! The stages `admit` and `select-address`: what is chosen holds only where the configuration has it.

use crate::lab::{Lab, config, ip};
use bindery_engine::{
    config::{Config, PluginId, Pool, Range},
    event::DropReason,
    policy::{Admit, Hook, Policy, SelectAddress, ShapeReply, Stage, Steer, Verdict},
};
use bindery_types::Now;
use bindery_wire::v4::MessageType;

/// Answers with what it holds.
#[derive(Default)]
struct Choose {
    admit: Steer,
    select: Steer,
    drop: bool,
}

impl Policy for Choose {
    fn shape_reply(&mut self, _: Now, _: &[PluginId], _: &mut ShapeReply<'_>) -> Hook {
        Hook::Done(Verdict::Continue)
    }

    fn admit(&mut self, _: Now, _: &[PluginId], exchange: &mut Admit<'_>) -> Hook {
        assert_eq!((exchange.group, exchange.interface), ("access", "eth1"));
        exchange.steer = self.admit.clone();
        Hook::Done(if self.drop { Verdict::Drop } else { Verdict::Continue })
    }

    fn select_address(&mut self, _: Now, _: &[PluginId], exchange: &mut SelectAddress<'_>) -> Hook {
        assert_eq!((exchange.group, exchange.pool), ("access", "pool"));
        exchange.steer = self.select.clone();
        Hook::Done(Verdict::Continue)
    }
}

/// Two pools, the second in another network; both stages bound.
fn two_pools() -> Config {
    let mut config = config();
    config.groups[0].chains.set(Stage::Admit, vec![PluginId(0)]);
    config.groups[0].chains.set(Stage::SelectAddress, vec![PluginId(0)]);
    let address = |last| bindery_types::Ipv4Addr::new(198, 51, 100, last);
    config.pools.push(Pool {
        name: "other".into(),
        network: "198.51.100.0/24".parse().unwrap(),
        ranges: vec![Range { name: "r".into(), low: address(10), high: address(13) }],
        ..config.pools[0].clone()
    });
    config
}

fn lab(choose: Choose) -> Lab {
    let mut lab = Lab::new(two_pools());
    lab.policy = Box::new(choose);
    lab
}

fn pool(name: &str) -> Steer {
    Steer { pool: Some(name.into()), ..Steer::default() }
}

#[test]
fn admit_drops() {
    let mut lab = lab(Choose { drop: true, ..Choose::default() });
    assert!(lab.discover(1).is_none());
    assert_eq!(lab.dropped(DropReason::Policy), 1);
}

#[test]
fn admit_chooses_the_pool_also_for_renewals() {
    let mut lab = lab(Choose { admit: pool("other"), select: Steer::default(), drop: false });
    // The stage `select-address` would see the other pool: it is not bound to anything here.
    let mut config = two_pools();
    config.groups[0].chains.set(Stage::SelectAddress, Vec::new());
    lab.input(bindery_engine::Input::Configure(std::sync::Arc::new(config)));
    let address = lab.lease(1);
    assert_eq!(address.octets()[..3], [198, 51, 100]);
    assert_eq!(lab.renew(1, address).unwrap().message(), MessageType::Ack);
    assert_eq!(lab.lease(1), address, "found again");
}

#[test]
fn select_address_chooses_pool_and_address() {
    let mut lab = lab(Choose { select: pool("other"), ..Choose::default() });
    assert_eq!(lab.discover(1).unwrap().yiaddr().octets()[..3], [198, 51, 100]);
    let wish = Steer { address: Some(ip(12)), ..Steer::default() };
    let mut lab = self::lab(Choose { select: wish, ..Choose::default() });
    assert_eq!(lab.lease(1), ip(12));
    assert_ne!(lab.lease(2), ip(12), "taken: passed over");
}

#[test]
fn what_is_not_configured_is_passed_over() {
    let nonsense = Steer { group: Some("nobody".into()), address: Some(ip(200)), ..pool("nowhere") };
    let mut lab = lab(Choose { admit: nonsense.clone(), select: nonsense, drop: false });
    assert_eq!(lab.lease(1).octets()[..3], [192, 0, 2]);
}
