//! The pools against a model that goes through the configuration address by address.

extern crate std;
use super::*;
use crate::config::{self, Attributes, Config};
use alloc::sync::Arc;
use proptest::prelude::*;
use std::{format, vec::Vec};

/// The model's world: 10.0.0.0/26.
const SPACE: u32 = 64;
const BASE: u32 = 0x0a00_0000;

fn ip(offset: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(BASE + offset)
}

fn range(low: u32, high: u32) -> config::Range {
    config::Range { name: format!("r{low}").into(), low: ip(low), high: ip(high) }
}

fn mac(n: u8) -> MacAddr {
    MacAddr([2, 0, 0, 0, 0, n])
}

/// A table of those in `list` that exclude none before them.
fn table_of(list: &[(u8, u32)]) -> Arc<HostTable> {
    let mut kept: Vec<(Ipv4Addr, MacAddr)> = Vec::new();
    for &(n, at) in list {
        if !kept.iter().any(|(address, of)| *address == ip(at) || *of == mac(n)) {
            kept.push((ip(at), mac(n)));
        }
    }
    Arc::new(HostTable::new(&kept).unwrap().0)
}

prop_compose! {
    /// A pool that may be as odd as it likes: ranges that overlap, are reversed or lie outside.
    fn pool()(
        instance in 0..2u16,
        // Mostly networks that overlap.
        (len, at) in (prop_oneof![2 => 26..=27u8, 1 => 26..=32u8], 0..SPACE),
        ranges in prop::collection::vec((0..SPACE, 0..SPACE), 0..4),
        hosts in prop::collection::vec((0..4u8, 0..SPACE), 0..3),
        table in prop::option::weighted(0.5, prop::collection::vec((0..8u8, 0..SPACE), 0..8)),
        excluded in prop::collection::vec((0..SPACE, 0..6u32), 0..3),
        link in prop::option::of(0..4u16),
        hold_down in prop::bool::weighted(0.2),
    ) -> config::Pool {
        config::Pool {
            name: "".into(),
            instance: InstanceId(instance),
            network: Prefix4::containing(ip(at), len).unwrap(),
            ranges: ranges.into_iter().map(|(low, high)| range(low, high)).collect(),
            hosts: hosts
                .into_iter()
                .map(|(n, at)| config::Host { name: "".into(), hardware_address: mac(n), ip_address: ip(at) })
                .collect(),
            host_table: table.map(|list| table_of(&list)),
            excluded: excluded.into_iter().map(|(low, len)| range(low, low + len)).collect(),
            link: link.map(PoolId),
            hold_down,
            attributes: Attributes::default(),
        }
    }
}

fn config() -> impl Strategy<Value = Config> {
    prop::collection::vec(pool(), 1..4).prop_map(|mut pools| {
        for (index, pool) in pools.iter_mut().enumerate() {
            pool.name = format!("p{index}").into();
        }
        Config { pools, ..Config::default() }
    })
}

#[derive(Clone, Debug)]
enum Op {
    TakeNext {
        pool: u16,
    },
    Take {
        pool: u16,
        at: u32,
        mac: Option<u8>,
    },
    Mark {
        instance: u16,
        at: u32,
    },
    Free {
        instance: u16,
        at: u32,
    },
    /// Frees the n-th of those held.
    FreeHeld {
        nth: usize,
    },
    Quarantine {
        instance: u16,
        at: u32,
    },
    Own {
        at: Vec<u32>,
    },
    Rebuild {
        config: Config,
    },
    /// Changes links and hold-down only; the tables are equal ones.
    Relink {
        link: Option<u16>,
        hold_down: bool,
    },
}

fn op() -> impl Strategy<Value = Op> {
    let at = || 0..SPACE;
    prop_oneof![
        8 => (0..4u16).prop_map(|pool| Op::TakeNext { pool }),
        4 => (0..4u16, at(), prop::option::of(0..8u8)).prop_map(|(pool, at, mac)| Op::Take { pool, at, mac }),
        1 => (0..2u16, at()).prop_map(|(instance, at)| Op::Mark { instance, at }),
        1 => (0..2u16, at()).prop_map(|(instance, at)| Op::Free { instance, at }),
        3 => any::<usize>().prop_map(|nth| Op::FreeHeld { nth }),
        1 => (0..2u16, at()).prop_map(|(instance, at)| Op::Quarantine { instance, at }),
        1 => prop::collection::vec(at(), 0..4).prop_map(|at| Op::Own { at }),
        1 => config().prop_map(|config| Op::Rebuild { config }),
        1 => (prop::option::of(0..4u16), any::<bool>()).prop_map(|(link, hold_down)| Op::Relink { link, hold_down }),
    ]
}

type Key = (InstanceId, Ipv4Addr);

/// Everything by lists of addresses.
#[derive(Default)]
struct Model {
    config: Config,
    /// Addresses of each pool's ranges, in order.
    lists: Vec<Vec<Ipv4Addr>>,
    /// Valid hosts of each pool.
    hosts: Vec<Vec<(MacAddr, Ipv4Addr)>>,
    /// Index in the list where the next search begins.
    cursors: Vec<usize>,
    held: BTreeSet<Key>,
    quarantined: BTreeSet<Key>,
    own: BTreeSet<Ipv4Addr>,
}

fn barred(pool: &config::Pool, address: Ipv4Addr) -> bool {
    let ends = [pool.network.address(), pool.network.last()];
    (pool.network.len() < 31 && ends.contains(&address))
        || pool.excluded.iter().any(|range| range.low <= address && address <= range.high)
}

impl Model {
    fn configure(&mut self, config: &Config) {
        let at_cursor: BTreeMap<Box<str>, Ipv4Addr> = (0..self.lists.len())
            .filter_map(|p| Some((self.config.pools[p].name.clone(), *self.lists[p].get(self.cursors[p])?)))
            .collect();
        let mut claimed: BTreeSet<Key> = BTreeSet::new();
        let mut reserved: BTreeSet<Key> = BTreeSet::new();
        self.lists.clear();
        self.hosts.clear();
        for pool in &config.pools {
            let mut list = Vec::new();
            for address in pool.ranges.iter().flat_map(|r| r.low.to_bits()..=r.high.to_bits()).map(Ipv4Addr::from_bits)
            {
                let fits = pool.network.contains(address) && !barred(pool, address);
                if fits && claimed.insert((pool.instance, address)) {
                    list.push(address);
                }
            }
            self.lists.push(list);
            let mut hosts: Vec<(MacAddr, Ipv4Addr)> = Vec::new();
            for host in &pool.hosts {
                let (mac, address) = (host.hardware_address, host.ip_address);
                let fits = pool.network.contains(address) && !barred(pool, address);
                if fits && !hosts.iter().any(|h| h.0 == mac) && reserved.insert((pool.instance, address)) {
                    hosts.push((mac, address));
                }
            }
            for (address, mac) in pool.host_table.iter().flat_map(|table| table.iter()) {
                let fits = pool.network.contains(address) && !barred(pool, address);
                if fits && !hosts.iter().any(|h| h.0 == mac) && reserved.insert((pool.instance, address)) {
                    hosts.push((mac, address));
                }
            }
            self.hosts.push(hosts);
        }
        self.config = config.clone();
        self.cursors = (0..self.lists.len())
            .map(|p| {
                let address = at_cursor.get(&config.pools[p].name);
                address.and_then(|address| self.lists[p].iter().position(|a| a == address)).unwrap_or(0)
            })
            .collect();
        let held: Vec<Key> = self.held.iter().copied().filter(|key| self.owner(*key).is_some()).collect();
        self.held = held.into_iter().collect();
        self.quarantined = self.quarantined.intersection(&self.held).copied().collect();
    }

    fn host(&self, key: Key) -> Option<(usize, MacAddr)> {
        let of = |p: usize| {
            let here = self.config.pools[p].instance == key.0;
            self.hosts[p].iter().find(|host| here && host.1 == key.1).map(|host| (p, host.0))
        };
        (0..self.lists.len()).find_map(of)
    }

    fn owner(&self, key: Key) -> Option<usize> {
        let in_list = |&p: &usize| self.config.pools[p].instance == key.0 && self.lists[p].contains(&key.1);
        self.host(key).map(|(p, _)| p).or_else(|| (0..self.lists.len()).find(in_list))
    }

    fn chain(&self, start: u16) -> Vec<usize> {
        let (mut chain, mut next) = (Vec::new(), Some(usize::from(start)));
        while let Some(p) = next.filter(|&p| p < self.lists.len() && !chain.contains(&p)) {
            if !chain.is_empty() && self.config.pools[p].instance != self.config.pools[chain[0]].instance {
                break;
            }
            chain.push(p);
            next = self.config.pools[p].link.map(|link| usize::from(link.0));
        }
        chain
    }

    fn take_next(&mut self, start: u16) -> Result<(PoolId, Ipv4Addr), Exhausted> {
        for p in self.chain(start) {
            if self.config.pools[p].hold_down {
                continue;
            }
            let (instance, len) = (self.config.pools[p].instance, self.lists[p].len());
            for index in (self.cursors[p]..len).chain(0..self.cursors[p].min(len)) {
                let key = (instance, self.lists[p][index]);
                if !self.held.contains(&key) && self.host(key).is_none() && !self.own.contains(&key.1) {
                    self.held.insert(key);
                    self.cursors[p] = index + 1;
                    return Ok((PoolId(p as u16), key.1));
                }
            }
        }
        Err(Exhausted)
    }

    fn take(&mut self, start: u16, address: Ipv4Addr, mac: Option<MacAddr>) -> Result<PoolId, Refusal> {
        let chain = self.chain(start);
        let instance = self.config.pools[*chain.first().ok_or(Refusal::NotOurs)?].instance;
        let key = (instance, address);
        let owner = self.owner(key).filter(|owner| chain.contains(owner)).ok_or(Refusal::NotOurs)?;
        if self.own.contains(&address) {
            Err(Refusal::NotOurs)
        } else if self.host(key).is_some_and(|(_, of)| Some(of) != mac) {
            Err(Refusal::Reserved)
        } else if self.held.contains(&key) {
            Err(Refusal::Taken)
        } else if self.config.pools[owner].hold_down {
            Err(Refusal::HoldDown)
        } else {
            self.held.insert(key);
            Ok(PoolId(owner as u16))
        }
    }

    fn usage(&self, p: usize) -> (u64, u64, u64) {
        let keys = (0..SPACE + 8).map(|at| (self.config.pools[p].instance, ip(at)));
        let of: Vec<Key> = keys.filter(|key| self.owner(*key) == Some(p)).collect();
        let count = |is_it: &dyn Fn(&Key) -> bool| of.iter().filter(|key| is_it(key)).count() as u64;
        (
            count(&|key| !self.own.contains(&key.1)),
            count(&|key| self.held.contains(key) && !self.quarantined.contains(key)),
            count(&|key| self.quarantined.contains(key)),
        )
    }
}

fn step(pools: &mut Pools, model: &mut Model, op: Op) {
    match op {
        Op::TakeNext { pool } => assert_eq!(pools.take_next(PoolId(pool)), model.take_next(pool)),
        Op::Take { pool, at, mac: of } => {
            let of = of.map(mac);
            assert_eq!(pools.take(PoolId(pool), ip(at), of), model.take(pool, ip(at), of));
        }
        Op::Mark { instance, at } => {
            let key = (InstanceId(instance), ip(at));
            let owner = model.owner(key);
            assert_eq!(pools.mark(key.0, key.1), owner.map(|p| PoolId(p as u16)));
            if owner.is_some() {
                model.held.insert(key);
            }
        }
        Op::Free { instance, at } => free(pools, model, (InstanceId(instance), ip(at))),
        Op::FreeHeld { nth } => {
            if let Some(&key) = model.held.iter().nth(nth % model.held.len().max(1)) {
                free(pools, model, key);
            }
        }
        Op::Quarantine { instance, at } => {
            let key = (InstanceId(instance), ip(at));
            pools.quarantine(key.0, key.1);
            if model.owner(key).is_some() {
                model.held.insert(key);
                model.quarantined.insert(key);
            }
        }
        Op::Own { at } => {
            model.own = at.iter().map(|&at| ip(at)).collect();
            pools.exclude_own(at.into_iter().map(ip));
        }
        Op::Rebuild { config } => {
            pools.rebuild(&config, model.held.iter().copied());
            model.configure(&config);
        }
        Op::Relink { link, hold_down } => {
            let mut config = model.config.clone();
            config.pools[0].link = link.map(PoolId);
            config.pools[0].hold_down = hold_down;
            for table in config.pools.iter_mut().filter_map(|pool| pool.host_table.as_mut()) {
                *table = Arc::new(HostTable::new(&table.iter().collect::<Vec<_>>()).unwrap().0);
            }
            let unread = core::iter::from_fn(|| panic!("holders are read though no pool has other addresses"));
            pools.rebuild(&config, unread);
            model.config = config;
        }
    }
}

fn free(pools: &mut Pools, model: &mut Model, key: Key) {
    pools.free(key.0, key.1);
    model.held.remove(&key);
    model.quarantined.remove(&key);
}

fn compare(pools: &Pools, model: &Model) {
    pools.check_invariants();
    for key in (0..2).flat_map(|instance| (0..SPACE).map(move |at| (InstanceId(instance), ip(at)))) {
        let owner = model.owner(key).map(|p| PoolId(p as u16));
        assert_eq!(pools.is_held(key.0, key.1), model.held.contains(&key), "{key:?}");
        assert_eq!(pools.pool_of(key.0, key.1), owner.filter(|_| !model.own.contains(&key.1)), "{key:?}");
        assert_eq!(pools.reserved_for(key.0, key.1), model.host(key).map(|(_, mac)| mac), "{key:?}");
        let matched = model.config.pools.iter().position(|p| p.instance == key.0 && p.network.contains(key.1));
        assert_eq!(pools.match_network(key.0, key.1), matched.map(|p| PoolId(p as u16)), "{key:?}");
    }
    for (p, view) in pools.usage().iter().enumerate() {
        let id = PoolId(p as u16);
        assert_eq!((view.total, view.used, view.quarantined), model.usage(p), "usage of {}", view.name);
        assert_eq!(
            (&view.name, pools.scope(id)),
            (&model.config.pools[p].name, model.config.pools[p].network.address())
        );
        assert_eq!(pools.is_held_down(id), model.config.pools[p].hold_down);
        let chain: Vec<usize> = pools.chain(id).map(|id| usize::from(id.0)).collect();
        assert_eq!(chain, model.chain(id.0), "chain of {}", view.name);
        for n in 0..8 {
            let of =
                |&p: &usize| model.hosts[p].iter().find(|host| host.0 == mac(n)).map(|host| (PoolId(p as u16), host.1));
            assert_eq!(pools.reservation(id, mac(n)), chain.iter().find_map(of));
        }
    }
}

proptest! {
    #[test]
    fn the_pools_answer_as_a_model_does(first in config(), ops in prop::collection::vec(op(), 1..100)) {
        let mut pools = Pools::new(&first);
        let mut model = Model::default();
        model.configure(&first);
        compare(&pools, &model);
        for op in ops {
            step(&mut pools, &mut model, op);
            compare(&pools, &model);
        }
    }
}
