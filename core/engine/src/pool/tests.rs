//! One case each.

extern crate std;
use super::*;
use crate::{
    command::PoolView,
    config::{self, Attributes},
};
use alloc::sync::Arc;
use std::{string::ToString, vec, vec::Vec};

const DEFAULT: InstanceId = InstanceId(0);

fn ip(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

fn mac(n: u8) -> MacAddr {
    MacAddr([2, 0, 0, 0, 0, n])
}

fn range(low: &str, high: &str) -> config::Range {
    config::Range { name: low.into(), low: ip(low), high: ip(high) }
}

fn host(n: u8, address: &str) -> config::Host {
    config::Host {
        name: address.into(),
        hardware_address: Some(mac(n)),
        ip_address: ip(address),
        ..config::Host::default()
    }
}

fn pool(network: &str, ranges: &[(&str, &str)]) -> config::Pool {
    config::Pool {
        name: network.into(),
        instance: DEFAULT,
        network: network.parse().unwrap(),
        ranges: ranges.iter().map(|(low, high)| range(low, high)).collect(),
        hosts: Vec::new(),
        host_table: None,
        excluded: Vec::new(),
        link: None,
        hold_down: false,
        attributes: Attributes::default(),
        ..config::Pool::default()
    }
}

fn config(pools: Vec<config::Pool>) -> Config {
    Config { pools, ..Config::default() }
}

/// All that `pool` gives until it is exhausted.
fn drain(pools: &mut Pools, pool: u16) -> Vec<std::string::String> {
    let mut given = Vec::new();
    while let Ok((_, address)) = pools.take_next(PoolId(pool)) {
        given.push(address.to_string());
    }
    pools.check_invariants();
    given
}

fn used(view: &PoolView) -> u64 {
    view.offered + view.bound
}

fn kinds(pools: &Pools) -> Vec<OddityKind> {
    pools.oddities().iter().map(|oddity| oddity.kind).collect()
}

#[test]
fn ranges_are_given_in_their_order_and_run_out() {
    let mut pools =
        Pools::new(&config(vec![pool("10.0.0.0/24", &[("10.0.0.20", "10.0.0.21"), ("10.0.0.10", "10.0.0.10")])]));
    assert_eq!(drain(&mut pools, 0), ["10.0.0.20", "10.0.0.21", "10.0.0.10"]);
    assert_eq!(pools.take_next(PoolId(0)), Err(Exhausted));
    assert_eq!(pools.take_next(PoolId(7)), Err(Exhausted), "a pool that is not there");
    let view = pools.usage().remove(0);
    assert_eq!((view.total, used(&view), view.quarantined), (3, 3, 0));
}

#[test]
fn a_freed_address_comes_back_after_all_others() {
    let mut pools = Pools::new(&config(vec![pool("10.0.0.0/24", &[("10.0.0.1", "10.0.0.3")])]));
    let first = pools.take_next(PoolId(0)).unwrap().1;
    pools.free(DEFAULT, first, Hold::Offered);
    assert_eq!(drain(&mut pools, 0), ["10.0.0.2", "10.0.0.3", "10.0.0.1"]);
    pools.free(DEFAULT, ip("10.0.0.2"), Hold::Offered);
    assert_eq!(drain(&mut pools, 0), ["10.0.0.2"], "the search wraps");
}

#[test]
fn the_ends_of_a_network_are_nobodys_where_it_has_ends() {
    let whole = |network: &str, low, high| drain(&mut Pools::new(&config(vec![pool(network, &[(low, high)])])), 0);
    assert_eq!(whole("10.0.0.0/30", "10.0.0.0", "10.0.0.3"), ["10.0.0.1", "10.0.0.2"]);
    assert_eq!(whole("10.0.0.0/31", "10.0.0.0", "10.0.0.1"), ["10.0.0.0", "10.0.0.1"]);
    assert_eq!(whole("10.0.0.5/32", "10.0.0.5", "10.0.0.5"), ["10.0.0.5"]);
    assert_eq!(whole("0.0.0.0/31", "0.0.0.0", "0.0.0.1"), ["0.0.0.1"]);
    assert_eq!(whole("255.255.255.254/31", "255.255.255.254", "255.255.255.255"), ["255.255.255.254"]);
}

#[test]
fn a_pool_without_ranges_or_of_ends_only_is_empty() {
    let mut pools =
        Pools::new(&config(vec![pool("10.0.0.0/24", &[]), pool("10.1.0.0/24", &[("10.1.0.255", "10.1.0.255")])]));
    assert_eq!((drain(&mut pools, 0).len(), drain(&mut pools, 1).len()), (0, 0));
    assert_eq!(pools.match_network(DEFAULT, ip("10.1.0.9")), Some(PoolId(1)));
    assert_eq!(pools.pool_of(DEFAULT, ip("10.1.0.255")), None);
}

#[test]
fn a_host_gets_its_address_inside_or_outside_the_ranges_and_nobody_else_does() {
    let mut with_hosts = pool("10.0.0.0/24", &[("10.0.0.10", "10.0.0.12")]);
    with_hosts.hosts = vec![host(1, "10.0.0.11"), host(2, "10.0.0.99")];
    let mut pools = Pools::new(&config(vec![with_hosts]));
    assert_eq!(pools.usage()[0].total, 4);
    assert_eq!(pools.take(PoolId(0), ip("10.0.0.11"), Some(mac(2))), Err(Refusal::Reserved));
    assert_eq!(pools.take(PoolId(0), ip("10.0.0.99"), None), Err(Refusal::Reserved));
    assert_eq!(drain(&mut pools, 0), ["10.0.0.10", "10.0.0.12"]);
    assert_eq!(pools.reservation(PoolId(0), mac(1)), Some((PoolId(0), ip("10.0.0.11"))));
    assert_eq!(pools.take(PoolId(0), ip("10.0.0.11"), Some(mac(1))), Ok(PoolId(0)));
    assert_eq!(pools.take(PoolId(0), ip("10.0.0.11"), Some(mac(1))), Err(Refusal::Taken));
    assert_eq!(pools.take(PoolId(0), ip("10.0.0.99"), Some(mac(2))), Ok(PoolId(0)));
    pools.free(DEFAULT, ip("10.0.0.11"), Hold::Offered);
    assert_eq!(pools.take_next(PoolId(0)), Err(Exhausted), "freed, and still kept");
    pools.check_invariants();
    assert_eq!(used(&pools.usage()[0]), 3);
}

fn with_table(network: &str, ranges: &[(&str, &str)], kept: &[(u8, &str)]) -> config::Pool {
    let list: Vec<_> = kept.iter().map(|(n, address)| (ip(address), mac(*n))).collect();
    config::Pool { host_table: Some(Arc::new(HostTable::new(&list).unwrap().0)), ..pool(network, ranges) }
}

#[test]
fn a_table_keeps_what_hosts_keep() {
    let table = [(1, "10.0.0.11"), (2, "10.0.0.99"), (3, "10.0.0.12")];
    let mut pools = Pools::new(&config(vec![with_table("10.0.0.0/24", &[("10.0.0.10", "10.0.0.12")], &table)]));
    assert_eq!(pools.usage()[0].total, 4);
    assert_eq!(pools.take(PoolId(0), ip("10.0.0.11"), Some(mac(2))), Err(Refusal::Reserved));
    assert_eq!(pools.take(PoolId(0), ip("10.0.0.99"), None), Err(Refusal::Reserved));
    assert_eq!(drain(&mut pools, 0), ["10.0.0.10"]);
    assert_eq!(pools.reservation(PoolId(0), mac(1)), Some((PoolId(0), ip("10.0.0.11"))));
    assert_eq!(pools.take(PoolId(0), ip("10.0.0.11"), Some(mac(1))), Ok(PoolId(0)));
    assert_eq!(pools.take(PoolId(0), ip("10.0.0.11"), Some(mac(1))), Err(Refusal::Taken));
    assert_eq!(pools.take(PoolId(0), ip("10.0.0.99"), Some(mac(2))), Ok(PoolId(0)));
    pools.shift(DEFAULT, ip("10.0.0.99"), Hold::Offered, Hold::Quarantine);
    pools.free(DEFAULT, ip("10.0.0.11"), Hold::Offered);
    assert_eq!(pools.take_next(PoolId(0)), Err(Exhausted), "freed, and still kept");
    pools.check_invariants();
    assert_eq!((used(&pools.usage()[0]), pools.usage()[0].quarantined), (1, 1));
}

#[test]
fn what_a_table_cannot_keep_is_left_out_and_said_in_part() {
    let many: Vec<_> = (0..40).map(|n| (n + 10, std::format!("10.9.0.{n}"))).collect();
    let mut table: Vec<_> = many.iter().map(|(n, address)| (*n, &**address)).collect();
    table.extend([(1, "10.0.0.255"), (2, "10.0.0.20"), (3, "10.0.0.21"), (4, "10.0.0.22"), (5, "10.0.0.23")]);
    let mut first = with_table("10.0.0.0/24", &[("10.0.0.20", "10.0.0.24")], &table);
    first.excluded = vec![range("10.0.0.20", "10.0.0.20")];
    first.hosts = vec![host(9, "10.0.0.21"), host(4, "10.0.0.50")];
    let mut second = with_table("10.0.0.0/16", &[], &[(5, "10.0.0.23"), (6, "10.0.9.9"), (7, "10.0.0.50")]);
    second.hosts = vec![host(8, "10.0.0.23")];
    let mut pools = Pools::new(&config(vec![first, second]));
    use OddityKind::{HostTwice, OutsideNetwork};
    let kinds = kinds(&pools);
    assert_eq!((kinds[0], kinds.len()), (OutsideNetwork, 16 + 3), "{kinds:?}");
    assert_eq!(kinds[16..], [HostTwice; 3], "a host and two of a table that the first pool keeps");
    let totals: Vec<_> = pools.usage().iter().map(|view| view.total).collect();
    assert_eq!(totals, [5, 1]);
    assert_eq!(pools.reservation(PoolId(0), mac(4)), Some((PoolId(0), ip("10.0.0.50"))), "the host, not the table");
    assert_eq!((pools.reservation(PoolId(0), mac(3)), pools.reservation(PoolId(1), mac(5))), (None, None));
    assert_eq!(pools.reservation(PoolId(0), mac(5)), Some((PoolId(0), ip("10.0.0.23"))));
    assert_eq!(drain(&mut pools, 0), ["10.0.0.22", "10.0.0.24"]);
}

#[test]
fn an_equal_table_takes_the_place_of_the_one_before() {
    let made = || config(vec![with_table("10.0.0.0/24", &[], &[(1, "10.0.0.9")])]);
    let (old, new) = (made(), made());
    let old_table = old.pools[0].host_table.clone().unwrap();
    let mut pools = Pools::new(&old);
    drop(old);
    pools.mark(DEFAULT, ip("10.0.0.9"), Hold::Offered);
    pools.rebuild(&new, core::iter::from_fn(|| panic!("holders are read though the tables are equal")));
    assert_eq!(Arc::strong_count(&old_table), 1, "nobody keeps the old one");
    assert!(pools.is_held(DEFAULT, ip("10.0.0.9")));
}

#[test]
fn an_address_of_ours_in_a_table_comes_back_to_its_holder() {
    let mut pools = Pools::new(&config(vec![with_table("10.0.0.0/24", &[], &[(1, "10.0.0.9"), (2, "10.0.0.8")])]));
    pools.mark(DEFAULT, ip("10.0.0.9"), Hold::Offered);
    pools.exclude_own([ip("10.0.0.8"), ip("10.0.0.9")].map(|own| (InstanceId(0), own)));
    pools.check_invariants();
    assert_eq!((pools.usage()[0].total, used(&pools.usage()[0])), (1, 1));
    assert_eq!(pools.take(PoolId(0), ip("10.0.0.8"), Some(mac(2))), Err(Refusal::NotOurs));
    pools.exclude_own([]);
    pools.check_invariants();
    assert_eq!((pools.usage()[0].total, used(&pools.usage()[0])), (2, 1));
    assert_eq!(pools.take(PoolId(0), ip("10.0.0.9"), Some(mac(1))), Err(Refusal::Taken));
    assert_eq!(pools.take(PoolId(0), ip("10.0.0.8"), Some(mac(2))), Ok(PoolId(0)));
}

#[test]
fn odd_hosts_are_left_out_and_said() {
    let mut odd = pool("10.0.0.0/24", &[("10.0.0.10", "10.0.0.12")]);
    odd.excluded = vec![range("10.0.0.12", "10.0.0.12")];
    odd.hosts = vec![
        host(1, "10.1.0.1"),
        host(2, "10.0.0.12"),
        host(3, "10.0.0.255"),
        host(4, "10.0.0.50"),
        host(4, "10.0.0.51"),
        host(5, "10.0.0.50"),
    ];
    let mut pools = Pools::new(&config(vec![odd]));
    use OddityKind::{HostExcluded, HostTwice, OutsideNetwork};
    assert_eq!(kinds(&pools), [OutsideNetwork, HostExcluded, HostExcluded, HostTwice, HostTwice]);
    assert_eq!(pools.reservation(PoolId(0), mac(4)), Some((PoolId(0), ip("10.0.0.50"))));
    assert_eq!(drain(&mut pools, 0), ["10.0.0.10", "10.0.0.11"]);
    assert_eq!(pools.usage()[0].total, 3);
}

#[test]
fn what_is_excluded_is_not_given_even_when_wished() {
    let mut holed = pool("10.0.0.0/24", &[("10.0.0.1", "10.0.0.6")]);
    holed.excluded = vec![range("10.0.0.2", "10.0.0.3"), range("10.0.0.3", "10.0.0.4"), range("10.0.0.9", "10.0.0.8")];
    let mut pools = Pools::new(&config(vec![holed]));
    assert_eq!(kinds(&pools), [OddityKind::RangeReversed]);
    assert_eq!(pools.take(PoolId(0), ip("10.0.0.3"), None), Err(Refusal::NotOurs));
    assert_eq!(pools.mark(DEFAULT, ip("10.0.0.3"), Hold::Offered), None);
    assert_eq!(drain(&mut pools, 0), ["10.0.0.1", "10.0.0.5", "10.0.0.6"]);
}

#[test]
fn ranges_that_overlap_count_once() {
    let twice = pool("10.0.0.0/24", &[("10.0.0.1", "10.0.0.3"), ("10.0.0.2", "10.0.0.4"), ("10.0.0.9", "10.0.0.8")]);
    let other = pool("10.0.0.0/16", &[("10.0.0.4", "10.0.0.5"), ("9.255.0.0", "10.0.0.0"), ("11.0.0.0", "11.0.0.9")]);
    let mut pools = Pools::new(&config(vec![twice, other]));
    use OddityKind::{OutsideNetwork, Overlap, RangeReversed};
    assert_eq!(kinds(&pools), [Overlap, RangeReversed, Overlap, OutsideNetwork, OutsideNetwork]);
    assert_eq!(pools.usage().iter().map(|view| view.total).collect::<Vec<_>>(), [4, 1]);
    assert_eq!(pools.pool_of(DEFAULT, ip("10.0.0.4")), Some(PoolId(0)));
    assert_eq!(drain(&mut pools, 0), ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"]);
    assert_eq!(drain(&mut pools, 1), ["10.0.0.5"]);
}

fn linked(links: &[Option<u16>]) -> Config {
    let pools = links.iter().enumerate().map(|(n, link)| {
        let address = std::format!("10.{n}.0.1");
        let mut pool = pool(&std::format!("10.{n}.0.0/24"), &[(&address, &address)]);
        pool.link = link.map(PoolId);
        pool
    });
    config(pools.collect())
}

fn aggregating() -> Vec<config::Instance> {
    vec![config::Instance { linked_pool_aggregation: true, ..config::Instance::default() }]
}

fn chain(pools: &Pools, start: u16) -> Vec<u16> {
    let chain: Vec<u16> = pools.chain(PoolId(start)).map(|id| id.0).collect();
    for other in 0..20 {
        assert_eq!(pools.in_chain(PoolId(start), PoolId(other)), chain.contains(&other), "{other} of {start}");
    }
    chain
}

#[test]
fn a_chain_is_searched_from_the_matched_pool_then_from_its_first_one() {
    // 0 - 2 - 1 - 3.
    let links = [Some(2), Some(3), Some(1), None];
    let mut pools = Pools::new(&linked(&links));
    assert_eq!((chain(&pools, 0), chain(&pools, 1)), (vec![0, 2, 1, 3], vec![1, 0, 2, 3]));
    assert_eq!(drain(&mut pools, 1), ["10.1.0.1", "10.0.0.1", "10.2.0.1", "10.3.0.1"]);
    pools.free(DEFAULT, ip("10.0.0.1"), Hold::Offered);
    assert_eq!(pools.take(PoolId(3), ip("10.0.0.1"), None), Ok(PoolId(0)));
    let mut config = linked(&links);
    config.instances = aggregating();
    let mut pools = Pools::new(&config);
    assert_eq!((chain(&pools, 0), chain(&pools, 1)), (vec![0, 2, 1, 3], vec![1, 3, 0, 2]));
    assert_eq!(drain(&mut pools, 1), ["10.1.0.1", "10.3.0.1", "10.0.0.1", "10.2.0.1"]);
}

#[test]
fn aggregation_goes_range_by_range() {
    let ranges = [("10.0.0.8", "10.0.0.9"), ("10.0.0.4", "10.0.0.5")];
    let mut config = config(vec![pool("10.0.0.0/24", &ranges), pool("10.1.0.0/24", &[("10.1.0.1", "10.1.0.1")])]);
    config.pools[0].link = Some(PoolId(1));
    config.instances = aggregating();
    let mut pools = Pools::new(&config);
    let next = |pools: &mut Pools| pools.take_next(PoolId(0)).unwrap().1.to_string();
    assert_eq!([next(&mut pools), next(&mut pools), next(&mut pools)], ["10.0.0.8", "10.0.0.9", "10.0.0.4"]);
    pools.free(DEFAULT, ip("10.0.0.8"), Hold::Offered);
    assert_eq!(drain(&mut pools, 0), ["10.0.0.8", "10.0.0.5", "10.1.0.1"], "the first range before the others");
}

#[test]
fn several_pools_may_lead_to_one() {
    // 0 and 1 lead to 3, 2 and 3 to 4: of 3 the first pool is 1, of 4 it is 2, by their names.
    let mut config = linked(&[Some(3), Some(3), Some(4), Some(4), None]);
    for (pool, name) in config.pools.iter_mut().zip(["b", "a", "c", "d", "e"]) {
        pool.name = name.into();
    }
    let mut pools = Pools::new(&config);
    assert_eq!((chain(&pools, 0), chain(&pools, 3)), (vec![0, 3, 4], vec![3, 1, 4]));
    assert_eq!((chain(&pools, 2), chain(&pools, 4)), (vec![2, 4], vec![4, 2]));
    assert_eq!(drain(&mut pools, 4), ["10.4.0.1", "10.2.0.1"]);
    assert_eq!(drain(&mut pools, 0), ["10.0.0.1", "10.3.0.1"], "4 is full");
}

#[test]
fn loops_of_links_end() {
    // 0 leads into the loop 1-2-3, 4 is its own loop, 5 leads nowhere, 6 to another instance.
    let mut links = linked(&[Some(1), Some(2), Some(3), Some(1), Some(4), Some(99), Some(7), None]);
    links.pools[7].instance = InstanceId(3);
    let mut pools = Pools::new(&links);
    assert_eq!((chain(&pools, 0), chain(&pools, 2)), (vec![0, 1, 2, 3], vec![2, 0, 1, 3]));
    assert_eq!((chain(&pools, 4), chain(&pools, 5), chain(&pools, 6)), (vec![4], vec![5], vec![6]));
    assert_eq!(pools.chain(PoolId(99)).count(), 0);
    use OddityKind::{LinkLoop, LinkNowhere};
    assert_eq!(kinds(&pools), [LinkNowhere, LinkNowhere, LinkLoop, LinkLoop]);
    assert_eq!(drain(&mut pools, 3), ["10.3.0.1", "10.0.0.1", "10.1.0.1", "10.2.0.1"]);
}

#[test]
fn full_pools_of_a_long_chain_are_passed_over() {
    const POOLS: u16 = 10_000;
    let one = |n: u16| {
        let [high, low] = n.to_be_bytes();
        let address = std::format!("10.{high}.{low}.1");
        let mut pool = pool(&std::format!("10.{high}.{low}.0/24"), &[(&address, &address)]);
        pool.link = Some(PoolId(n + 1)).filter(|link| link.0 < POOLS);
        pool
    };
    let mut pools = Pools::new(&config((0..POOLS).map(one).collect()));
    let first = pools.take_next(PoolId(5_000)).unwrap();
    assert_eq!(first.0, PoolId(5_000));
    let given: Vec<u16> = core::iter::from_fn(|| Some(pools.take_next(PoolId(5_000)).ok()?.0.0)).collect();
    let order: Vec<u16> = (0..POOLS).filter(|n| *n != 5_000).collect();
    assert_eq!(given, order);
    assert!(!pools.has_any(PoolId(5_000), None));
    pools.free(DEFAULT, ip("10.39.15.1"), Hold::Offered);
    assert_eq!(pools.take_next(PoolId(0)).map(|(id, _)| id), Ok(PoolId(9_999)));
    pools.check_invariants();
}

#[test]
fn a_range_gives_its_own_addresses_only() {
    let ranges = [("10.0.0.20", "10.0.0.21"), ("10.0.0.10", "10.0.0.12")];
    let mut option_match = OptionMatch::default();
    assert_eq!(option_match.circuit(b"eth1", RangeId(1)), None);
    assert_eq!(option_match.circuit(b"eth1", RangeId(0)), Some(RangeId(1)), "the first one holds");
    option_match.remote(b"eth1", RangeId(0));
    let mut config = config(vec![pool("10.0.0.0/24", &ranges)]);
    config.pools[0].option_match = Arc::new(option_match);
    let mut pools = Pools::new(&config);
    assert_eq!(pools.matched_range(PoolId(0), Some(b"eth1"), Some(b"eth1")), Some(RangeId(1)), "the circuit first");
    assert_eq!(pools.matched_range(PoolId(0), Some(b"eth2"), Some(b"eth1")), Some(RangeId(0)));
    assert_eq!(pools.matched_range(PoolId(0), Some(b"eth"), None), None);
    let range = RangeId(1);
    assert!(pools.is_in_range(PoolId(0), range, ip("10.0.0.12")));
    assert!(!pools.is_in_range(PoolId(0), range, ip("10.0.0.20")));
    assert_eq!(pools.take(PoolId(0), ip("10.0.0.11"), None), Ok(PoolId(0)));
    let given: Vec<_> =
        core::iter::from_fn(|| Some(pools.take_next_in(PoolId(0), range).ok()?.1.to_string())).collect();
    assert_eq!(given, ["10.0.0.10", "10.0.0.12"]);
    pools.free(DEFAULT, ip("10.0.0.10"), Hold::Offered);
    pools.free(DEFAULT, ip("10.0.0.12"), Hold::Offered);
    assert_eq!(pools.take_next_in(PoolId(0), range), Ok((PoolId(0), ip("10.0.0.10"))), "it wraps within the range");
    assert_eq!(pools.take_next_in(PoolId(0), RangeId(9)), Err(Exhausted));
    pools.check_invariants();
    config.pools[0].hold_down = true;
    pools.rebuild(&config, []);
    assert_eq!(pools.take_next_in(PoolId(0), range), Err(Exhausted));
}

#[test]
fn a_host_is_known_by_any_of_its_three_keys() {
    let key = |mac: Option<u8>, id: &'static [u8], user: &'static str| Client {
        mac: mac.map(self::mac),
        client_id: id,
        user_name: user,
    };
    let mut with_hosts = pool("10.0.0.0/24", &[("10.0.0.1", "10.0.0.9")]);
    with_hosts.hosts = vec![
        config::Host { client_identifier: b"\x01id".as_slice().into(), ..host(1, "10.0.0.1") },
        config::Host { hardware_address: None, user_name: "alice".into(), ..host(0, "10.0.0.2") },
        config::Host { hardware_address: None, client_identifier: b"two".as_slice().into(), ..host(0, "10.0.0.3") },
        config::Host { hardware_address: None, client_identifier: b"two".as_slice().into(), ..host(0, "10.0.0.4") },
        config::Host { hardware_address: None, user_name: "alice".into(), ..host(0, "10.0.0.5") },
    ];
    let mut pools = Pools::new(&config(vec![with_hosts]));
    assert_eq!(kinds(&pools), [OddityKind::HostTwice; 2]);
    let at = |client| pools.reservation(PoolId(0), client).map(|(_, address)| address.to_string());
    assert_eq!(at(key(Some(1), b"", "")).as_deref(), Some("10.0.0.1"));
    assert_eq!(at(key(None, b"\x01id", "")).as_deref(), Some("10.0.0.1"));
    assert_eq!(at(key(Some(9), b"", "alice")).as_deref(), Some("10.0.0.2"));
    assert_eq!(at(key(Some(1), b"two", "alice")).as_deref(), Some("10.0.0.3"), "the client-identifier first");
    assert_eq!(at(key(Some(1), b"", "alice")).as_deref(), Some("10.0.0.1"), "then the hardware address");
    assert_eq!(at(key(None, b"", "")), None, "nobody is known by nothing");
    for client in [key(None, b"", ""), key(Some(1), b"\x01id", "bob")] {
        assert_eq!(pools.take(PoolId(0), ip("10.0.0.2"), client), Err(Refusal::Reserved));
    }
    assert_eq!(pools.take(PoolId(0), ip("10.0.0.2"), key(Some(1), b"", "alice")), Ok(PoolId(0)));
}

#[test]
fn what_is_kept_is_given_to_its_client_alone() {
    let mut pools = Pools::new(&config(vec![pool("10.0.0.0/24", &[("10.0.0.1", "10.0.0.1")])]));
    let address = ip("10.0.0.1");
    assert_eq!(pools.take_kept(PoolId(0), address, None), Err(Refusal::Taken), "it is not kept");
    pools.mark(DEFAULT, address, Hold::Bound);
    pools.shift(DEFAULT, address, Hold::Bound, Hold::Grace);
    assert_eq!((pools.usage()[0].held, pools.usage()[0].free), (1, 0));
    assert_eq!(pools.take(PoolId(0), address, None), Err(Refusal::Taken));
    assert_eq!(pools.take_kept(PoolId(0), address, None), Ok(PoolId(0)));
    assert_eq!((pools.usage()[0].held, pools.usage()[0].offered), (0, 1));
    pools.check_holders([(DEFAULT, address, Hold::Offered)]);
}

#[test]
fn active_drain_gives_nothing_and_sends_away() {
    let mut links = linked(&[Some(1), None]);
    links.pools[0].active_drain = true;
    let mut pools = Pools::new(&links);
    assert!(pools.is_drained(PoolId(0)) && pools.is_held_down(PoolId(0)));
    assert_eq!(pools.take(PoolId(0), ip("10.0.0.1"), None), Err(Refusal::HoldDown));
    assert_eq!(drain(&mut pools, 0), ["10.1.0.1"]);
}

#[test]
fn use_is_told_once_above_high_and_once_under_abated() {
    let mut config = config(vec![pool("10.0.0.0/24", &[("10.0.0.1", "10.0.0.10")])]);
    config.instances = vec![config::Instance {
        utilization: Some(config::Utilization { high: 80, abated: 50 }),
        ..config::Instance::default()
    }];
    let mut pools = Pools::new(&config);
    let told = |pools: &mut Pools| {
        let crossings = pools.take_crossings();
        crossings.iter().map(|crossing| (crossing.high, crossing.percent)).collect::<Vec<_>>()
    };
    let given: Vec<_> = (0..8).map(|_| pools.take_next(PoolId(0)).unwrap().1).collect();
    assert_eq!(told(&mut pools), [], "80 percent are not above 80");
    pools.take_next(PoolId(0)).unwrap();
    assert_eq!(told(&mut pools), [(true, 90)]);
    given.iter().take(2).for_each(|address| pools.free(DEFAULT, *address, Hold::Offered));
    pools.take_next(PoolId(0)).unwrap();
    pools.take_next(PoolId(0)).unwrap();
    assert_eq!(told(&mut pools), [], "it was not under 50 meanwhile");
    given.iter().skip(2).for_each(|address| pools.free(DEFAULT, *address, Hold::Offered));
    assert_eq!(told(&mut pools), [(false, 40)]);
    // A commit that makes the pool smaller, and one that takes the thresholds away.
    config.pools[0].ranges[0].high = ip("10.0.0.3");
    let holders = [1, 2, 3].map(|last| (DEFAULT, ip(&std::format!("10.0.0.{last}")), Hold::Bound));
    pools.rebuild(&config, holders);
    assert_eq!((told(&mut pools), pools.usage()[0].high), (vec![(true, 100)], true));
    config.pools[0].excluded = vec![range("10.0.0.9", "10.0.0.9")];
    pools.rebuild(&config, holders);
    assert_eq!(told(&mut pools), [], "it is told already");
    config.instances.clear();
    pools.rebuild(&config, []);
    assert_eq!((told(&mut pools), pools.usage()[0].high), (vec![], false));
}

#[test]
fn a_commit_that_excludes_other_addresses_says_so() {
    let mut config = config(vec![pool("10.0.0.0/24", &[("10.0.0.1", "10.0.0.9")])]);
    let mut pools = Pools::new(&config);
    assert!(!pools.excludes());
    config.pools[0].excluded = vec![range("10.0.0.3", "10.0.0.4")];
    assert!(pools.rebuild(&config, []));
    assert!(
        pools.excludes() && pools.is_excluded(DEFAULT, ip("10.0.0.4")) && !pools.is_excluded(DEFAULT, ip("10.0.0.5"))
    );
    config.pools[0].ranges[0].high = ip("10.0.0.8");
    assert!(!pools.rebuild(&config, []), "the same ones");
}

#[test]
fn hold_down_gives_nothing_new_and_the_chain_goes_on() {
    let mut links = linked(&[Some(1), None]);
    links.pools[0].hold_down = true;
    let mut pools = Pools::new(&links);
    assert_eq!(pools.take(PoolId(0), ip("10.0.0.1"), None), Err(Refusal::HoldDown));
    assert_eq!(pools.take_next(PoolId(0)), Ok((PoolId(1), ip("10.1.0.1"))));
    assert_eq!(pools.mark(DEFAULT, ip("10.0.0.1"), Hold::Bound), Some(PoolId(0)), "what stands, stands");
}

#[test]
fn the_first_pool_with_the_network_matches() {
    let mut vrf = pool("10.0.0.0/8", &[]);
    vrf.instance = InstanceId(1);
    let pools =
        Pools::new(&config(vec![vrf, pool("10.0.0.0/24", &[]), pool("10.0.0.0/16", &[]), pool("10.0.0.0/24", &[])]));
    assert_eq!(pools.match_network(DEFAULT, ip("10.0.0.255")), Some(PoolId(1)));
    assert_eq!(pools.match_network(DEFAULT, ip("10.0.1.0")), Some(PoolId(2)));
    assert_eq!(pools.match_network(DEFAULT, ip("10.1.0.0")), None);
    assert_eq!(pools.match_network(InstanceId(1), ip("10.1.0.0")), Some(PoolId(0)));
    assert_eq!((pools.scope(PoolId(2)), pools.scope(PoolId(9))), (ip("10.0.0.0"), Ipv4Addr::UNSPECIFIED));
    let all = Pools::new(&config(vec![pool("0.0.0.0/0", &[])]));
    assert_eq!(all.match_network(DEFAULT, Ipv4Addr::BROADCAST), Some(PoolId(0)));
}

#[test]
fn our_own_addresses_are_not_given_and_come_back_when_they_go() {
    let mut with_host = pool("10.0.0.0/24", &[("10.0.0.1", "10.0.0.3")]);
    with_host.hosts = vec![host(1, "10.0.0.9")];
    let mut pools = Pools::new(&config(vec![with_host]));
    pools.mark(DEFAULT, ip("10.0.0.3"), Hold::Offered);
    pools
        .exclude_own([ip("10.0.0.1"), ip("10.0.0.3"), ip("10.0.0.9"), ip("192.0.2.1")].map(|own| (InstanceId(0), own)));
    pools.check_invariants();
    assert_eq!((pools.usage()[0].total, used(&pools.usage()[0])), (2, 1), "who holds one keeps it");
    assert_eq!(pools.take(PoolId(0), ip("10.0.0.9"), Some(mac(1))), Err(Refusal::NotOurs));
    assert_eq!(drain(&mut pools, 0), ["10.0.0.2"]);
    pools.free(DEFAULT, ip("10.0.0.3"), Hold::Offered);
    assert_eq!(drain(&mut pools, 0).len(), 0);
    pools.exclude_own([]);
    assert_eq!(drain(&mut pools, 0), ["10.0.0.3", "10.0.0.1"]);
    assert_eq!(pools.take(PoolId(0), ip("10.0.0.9"), Some(mac(1))), Ok(PoolId(0)));
}

#[test]
fn a_quarantine_counts_apart_and_ends_when_freed() {
    let mut pools = Pools::new(&config(vec![pool("10.0.0.0/24", &[("10.0.0.1", "10.0.0.2")])]));
    let address = pools.take_next(PoolId(0)).unwrap().1;
    pools.shift(DEFAULT, address, Hold::Offered, Hold::Quarantine);
    pools.shift(DEFAULT, address, Hold::Offered, Hold::Quarantine);
    pools.shift(DEFAULT, ip("192.0.2.1"), Hold::Offered, Hold::Quarantine);
    let view = pools.usage().remove(0);
    assert_eq!((used(&view), view.quarantined), (0, 1));
    assert_eq!(pools.take(PoolId(0), address, None), Err(Refusal::Taken));
    pools.free(DEFAULT, address, Hold::Offered);
    pools.free(DEFAULT, address, Hold::Offered);
    pools.check_invariants();
    assert_eq!(pools.take(PoolId(0), address, None), Ok(PoolId(0)));
}

#[test]
fn a_commit_keeps_holders_quarantines_own_addresses_and_the_turn() {
    let mut pools = Pools::new(&config(vec![pool("10.0.0.0/24", &[("10.0.0.1", "10.0.0.9")])]));
    pools.exclude_own([ip("10.0.0.8")].map(|own| (InstanceId(0), own)));
    for _ in 0..4 {
        pools.take_next(PoolId(0)).unwrap();
    }
    pools.shift(DEFAULT, ip("10.0.0.2"), Hold::Offered, Hold::Quarantine);
    pools.free(DEFAULT, ip("10.0.0.1"), Hold::Offered);
    let hold = |last| if last == 2 { Hold::Quarantine } else { Hold::Bound };
    let holders = [2, 3, 4].map(|last| (DEFAULT, ip(&std::format!("10.0.0.{last}")), hold(last)));
    let wider = config(vec![pool("10.1.0.0/24", &[]), pool("10.0.0.0/24", &[("10.0.0.1", "10.0.0.10")])]);
    pools.rebuild(&wider, holders);
    let view = pools.usage().remove(1);
    assert_eq!((view.total, used(&view), view.quarantined), (9, 2, 1));
    assert_eq!(drain(&mut pools, 1), ["10.0.0.5", "10.0.0.6", "10.0.0.7", "10.0.0.9", "10.0.0.10", "10.0.0.1"]);
}

#[test]
fn an_address_that_left_the_ranges_is_forgotten() {
    let mut pools = Pools::new(&config(vec![pool("10.0.0.0/24", &[("10.0.0.1", "10.0.0.2")])]));
    assert_eq!(drain(&mut pools, 0).len(), 2);
    let holders = ["10.0.0.1", "10.0.0.2"].map(|address| (DEFAULT, ip(address), Hold::Bound));
    pools.rebuild(&config(vec![pool("10.0.0.0/24", &[("10.0.0.2", "10.0.0.3")])]), holders);
    pools.free(DEFAULT, ip("10.0.0.1"), Hold::Bound);
    assert_eq!((used(&pools.usage()[0]), pools.pool_of(DEFAULT, ip("10.0.0.1"))), (1, None));
    assert_eq!(drain(&mut pools, 0), ["10.0.0.3"]);
}

#[test]
fn a_class_a_network_finds_its_last_free_address() {
    let mut pools = Pools::new(&config(vec![pool("10.0.0.0/8", &[("10.0.0.0", "10.255.255.255")])]));
    let total = pools.usage()[0].total;
    assert_eq!(total, (1 << 24) - 2);
    let given = (0..total).map_while(|_| pools.take_next(PoolId(0)).ok()).count() as u64;
    assert_eq!((given, pools.take_next(PoolId(0))), (total, Err(Exhausted)));
    pools.check_invariants();
    for address in ["10.0.0.1", "10.200.7.3", "10.255.255.254"] {
        pools.free(DEFAULT, ip(address), Hold::Offered);
        assert_eq!(pools.take_next(PoolId(0)), Ok((PoolId(0), ip(address))));
    }
}

#[test]
fn the_whole_address_space_fits_one_pool() {
    let mut pools = Pools::new(&config(vec![pool("0.0.0.0/0", &[("0.0.0.0", "255.255.255.255")])]));
    assert_eq!(pools.usage()[0].total, (1 << 32) - 2);
    assert_eq!(pools.take_next(PoolId(0)), Ok((PoolId(0), ip("0.0.0.1"))));
    assert_eq!(pools.take(PoolId(0), ip("255.255.255.254"), None), Ok(PoolId(0)));
    assert_eq!(pools.take(PoolId(0), ip("255.255.255.255"), None), Err(Refusal::NotOurs));
    assert_eq!(pools.take_next(PoolId(0)), Ok((PoolId(0), ip("0.0.0.2"))));
}
