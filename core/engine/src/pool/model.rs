//! The pools against a model that goes through the configuration address by address.

extern crate std;
use super::*;
use crate::config::{self, Attributes, Config};
use alloc::sync::Arc;
use proptest::prelude::*;
use std::{format, vec, vec::Vec};

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

/// Known by hardware address, by client id, or by user name.
fn host(n: u8, at: u32) -> config::Host {
    let mut host = config::Host { ip_address: ip(at), ..config::Host::default() };
    match n {
        0..4 => host.hardware_address = Some(mac(n)),
        4..6 => host.client_identifier = [n].into(),
        _ => host.user_name = format!("u{n}").into(),
    }
    host
}

/// The client that the n-th kind of host is for.
fn client(n: u8, id: &[u8; 1]) -> Client<'_> {
    match n {
        0..4 => mac(n).into(),
        4..6 => Client { client_id: id, ..Client::default() },
        _ => Client { user_name: ["u6", "u7", "u8"][usize::from(n) - 6], ..Client::default() },
    }
}

prop_compose! {
    /// A pool that may be as odd as it likes: ranges that overlap, are reversed or lie outside.
    fn pool()(
        instance in 0..2u16,
        // Mostly networks that overlap.
        (len, at) in (prop_oneof![2 => 26..=27u8, 1 => 26..=32u8], 0..SPACE),
        ranges in prop::collection::vec((0..SPACE, 0..SPACE), 0..4),
        hosts in prop::collection::vec((0..9u8, 0..SPACE), 0..3),
        table in prop::option::weighted(0.5, prop::collection::vec((0..4u8, 0..SPACE), 0..8)),
        excluded in prop::collection::vec((0..SPACE, 0..6u32), 0..3),
        link in prop::option::of(0..4u16),
        (hold_down, active_drain) in (prop::bool::weighted(0.2), prop::bool::weighted(0.1)),
    ) -> config::Pool {
        config::Pool {
            name: "".into(),
            instance: InstanceId(instance),
            network: Prefix4::containing(ip(at), len).unwrap(),
            ranges: ranges.into_iter().map(|(low, high)| range(low, high)).collect(),
            hosts: hosts
                .into_iter()
                .map(|(n, at)| host(n, at))
                .collect(),
            host_table: table.map(|list| table_of(&list)),
            excluded: excluded.into_iter().map(|(low, len)| range(low, low + len)).collect(),
            link: link.map(PoolId),
            hold_down,
            active_drain,
            attributes: Attributes::default(), ..config::Pool::default() }
    }
}

fn config() -> impl Strategy<Value = Config> {
    let all = (prop::collection::vec(pool(), 1..5), any::<[bool; 2]>(), 0..24usize);
    all.prop_map(|(mut pools, aggregation, turn)| {
        for (index, pool) in pools.iter_mut().enumerate() {
            // In another order than their numbers.
            pool.name = format!("p{}", (index * 7 + turn) % 5).into();
        }
        let instances = aggregation
            .map(|on| config::Instance { linked_pool_aggregation: on, ..config::Instance::default() })
            .to_vec();
        Config { pools, instances, ..Config::default() }
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
        n: Option<u8>,
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
    /// What holds the n-th of those held becomes another.
    Shift {
        nth: usize,
        hold: Hold,
    },
    TakeKept {
        pool: u16,
        nth: usize,
    },
    TakeNextIn {
        pool: u16,
        range: u16,
    },
    Own {
        at: Vec<(u16, u32)>,
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

fn hold() -> impl Strategy<Value = Hold> {
    prop::sample::select(vec![Hold::Offered, Hold::Bound, Hold::Quarantine, Hold::Grace])
}

fn op() -> impl Strategy<Value = Op> {
    let at = || 0..SPACE;
    prop_oneof![
        8 => (0..4u16).prop_map(|pool| Op::TakeNext { pool }),
        4 => (0..4u16, at(), prop::option::of(0..9u8)).prop_map(|(pool, at, n)| Op::Take { pool, at, n }),
        1 => (0..2u16, at()).prop_map(|(instance, at)| Op::Mark { instance, at }),
        1 => (0..2u16, at()).prop_map(|(instance, at)| Op::Free { instance, at }),
        3 => any::<usize>().prop_map(|nth| Op::FreeHeld { nth }),
        2 => (any::<usize>(), hold()).prop_map(|(nth, hold)| Op::Shift { nth, hold }),
        1 => (0..4u16, any::<usize>()).prop_map(|(pool, nth)| Op::TakeKept { pool, nth }),
        3 => (0..4u16, 0..4u16).prop_map(|(pool, range)| Op::TakeNextIn { pool, range }),
        1 => prop::collection::vec((0..2u16, at()), 0..6).prop_map(|at| Op::Own { at }),
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
    /// How many of them lie before the end of each range.
    ends: Vec<Vec<usize>>,
    /// Valid hosts of each pool, by the number of what they are known by.
    hosts: Vec<Vec<(u8, Ipv4Addr)>>,
    /// Index in the list where the next search begins; that of each range.
    cursors: Vec<usize>,
    range_cursors: Vec<Vec<usize>>,
    held: BTreeMap<Key, Hold>,
    own: BTreeSet<Key>,
}

fn barred(pool: &config::Pool, address: Ipv4Addr) -> bool {
    let ends = [pool.network.address(), pool.network.last()];
    (pool.network.len() < 31 && ends.contains(&address))
        || pool.excluded.iter().any(|range| range.low <= address && address <= range.high)
}

/// The number of what a host is known by.
fn number(host: &config::Host) -> u8 {
    let of_name = || host.user_name.bytes().nth(1).map_or(0, |digit| digit - b'0');
    match host.hardware_address {
        Some(mac) => mac.0[5],
        None => host.client_identifier.first().copied().unwrap_or_else(of_name),
    }
}

impl Model {
    fn configure(&mut self, config: &Config) {
        // By pool, and by range for its own turn.
        type Turn = (InstanceId, Box<str>, Option<Box<str>>);
        let mut at_cursor: BTreeMap<Turn, Ipv4Addr> = BTreeMap::new();
        for (p, pool) in self.config.pools.iter().enumerate().filter(|(p, _)| *p < self.lists.len()) {
            let key = |range| (pool.instance, pool.name.clone(), range);
            if let Some(address) = self.lists[p].get(self.cursors[p]) {
                at_cursor.insert(key(None), *address);
            }
            for (range, cursor) in pool.ranges.iter().zip(&self.range_cursors[p]) {
                match self.lists[p].get(*cursor) {
                    Some(address) => at_cursor.insert(key(Some(range.name.clone())), *address),
                    None => at_cursor.remove(&key(Some(range.name.clone()))),
                };
            }
        }
        let mut claimed: BTreeSet<Key> = BTreeSet::new();
        let mut reserved: BTreeSet<Key> = BTreeSet::new();
        (self.lists, self.ends, self.hosts) = Default::default();
        for pool in &config.pools {
            let (mut list, mut ends) = (Vec::new(), Vec::new());
            for range in &pool.ranges {
                for address in (range.low.to_bits()..=range.high.to_bits()).map(Ipv4Addr::from_bits) {
                    let fits = pool.network.contains(address) && !barred(pool, address);
                    if fits && claimed.insert((pool.instance, address)) {
                        list.push(address);
                    }
                }
                ends.push(list.len());
            }
            self.lists.push(list);
            self.ends.push(ends);
            let mut hosts: Vec<(u8, Ipv4Addr)> = Vec::new();
            let listed = pool.hosts.iter().map(|host| (number(host), host.ip_address));
            let table = pool.host_table.iter().flat_map(|table| table.iter()).map(|(at, mac)| (mac.0[5], at));
            for (n, address) in listed.chain(table) {
                let fits = pool.network.contains(address) && !barred(pool, address);
                if fits && !hosts.iter().any(|h| h.0 == n) && reserved.insert((pool.instance, address)) {
                    hosts.push((n, address));
                }
            }
            self.hosts.push(hosts);
        }
        self.config = config.clone();
        self.range_cursors.clear();
        self.cursors.clear();
        for (p, pool) in config.pools.iter().enumerate() {
            let at = |range: Option<Box<str>>| {
                let address = at_cursor.get(&(pool.instance, pool.name.clone(), range))?;
                self.lists[p].iter().position(|a| a == address)
            };
            self.cursors.push(at(None).unwrap_or(0));
            let cursor = |(r, range): (usize, &config::Range)| {
                let span = self.span(p, r);
                at(Some(range.name.clone())).filter(|at| span.contains(at)).unwrap_or(span.start)
            };
            self.range_cursors.push(pool.ranges.iter().enumerate().map(cursor).collect());
        }
        let held = core::mem::take(&mut self.held);
        self.held = held.into_iter().filter(|(key, _)| self.owner(*key).is_some()).collect();
    }

    /// The indexes of a range in its pool's list.
    fn span(&self, p: usize, range: usize) -> core::ops::Range<usize> {
        let from = range.checked_sub(1).map_or(0, |before| self.ends[p][before]);
        from..self.ends[p][range]
    }

    fn host(&self, key: Key) -> Option<(usize, u8)> {
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

    /// Links into the same routing instance, without those that close a loop at its pool of the least name.
    fn links(&self) -> Vec<Option<usize>> {
        let pools = &self.config.pools;
        let mut links: Vec<Option<usize>> = Vec::new();
        for pool in pools {
            let link = pool.link.map(|link| usize::from(link.0));
            links.push(link.filter(|&to| to < pools.len() && pools[to].instance == pool.instance));
        }
        for p in 0..pools.len() {
            let mut round = vec![p];
            while let Some(next) = links[round[round.len() - 1]].filter(|next| !round.contains(next)) {
                round.push(next);
            }
            let last = round[round.len() - 1];
            // Of each loop once: from its pool of the least name on.
            if links[last] == Some(p) && round.iter().all(|&other| pools[p].name <= pools[other].name) {
                links[last] = None;
            }
        }
        links
    }

    fn chain(&self, start: u16) -> Vec<usize> {
        let links = self.links();
        let start = usize::from(start);
        if start >= links.len() {
            return Vec::new();
        }
        let along = |from: usize| core::iter::successors(Some(from), |&p| links[p]).collect::<Vec<usize>>();
        let mut first = start;
        while let Some(before) =
            (0..links.len()).filter(|&p| links[p] == Some(first)).min_by_key(|&p| &self.config.pools[p].name)
        {
            first = before;
        }
        let mut chain = if self.aggregates(start) { along(start) } else { vec![start] };
        for p in along(first) {
            if !chain.contains(&p) {
                chain.push(p);
            }
        }
        chain
    }

    fn is_free(&self, key: Key) -> bool {
        !self.held.contains_key(&key) && self.host(key).is_none() && !self.own.contains(&key)
    }

    fn aggregates(&self, p: usize) -> bool {
        self.config.instances[usize::from(self.config.pools[p].instance.0)].linked_pool_aggregation
    }

    fn is_shut(&self, p: usize) -> bool {
        self.config.pools[p].hold_down || self.config.pools[p].active_drain
    }

    fn take_next(&mut self, start: u16) -> Result<(PoolId, Ipv4Addr), Exhausted> {
        for p in self.chain(start) {
            if self.is_shut(p) {
                continue;
            }
            if self.aggregates(p) {
                for range in 0..self.ends[p].len() {
                    if let Ok(given) = self.take_next_in(p, range) {
                        return Ok(given);
                    }
                }
                continue;
            }
            let (instance, len) = (self.config.pools[p].instance, self.lists[p].len());
            for index in (self.cursors[p]..len).chain(0..self.cursors[p].min(len)) {
                let key = (instance, self.lists[p][index]);
                if self.is_free(key) {
                    self.held.insert(key, Hold::Offered);
                    self.cursors[p] = index + 1;
                    return Ok((PoolId(p as u16), key.1));
                }
            }
        }
        Err(Exhausted)
    }

    fn take_next_in(&mut self, p: usize, range: usize) -> Result<(PoolId, Ipv4Addr), Exhausted> {
        if p >= self.ends.len() || range >= self.ends[p].len() || self.is_shut(p) {
            return Err(Exhausted);
        }
        let (span, cursor) = (self.span(p, range), self.range_cursors[p][range]);
        for index in (cursor..span.end).chain(span.start..cursor) {
            let key = (self.config.pools[p].instance, self.lists[p][index]);
            if self.is_free(key) {
                self.held.insert(key, Hold::Offered);
                self.range_cursors[p][range] = index + 1;
                return Ok((PoolId(p as u16), key.1));
            }
        }
        Err(Exhausted)
    }

    fn take(&mut self, start: u16, address: Ipv4Addr, n: Option<u8>, kept: bool) -> Result<PoolId, Refusal> {
        let chain = self.chain(start);
        let instance = self.config.pools[*chain.first().ok_or(Refusal::NotOurs)?].instance;
        let key = (instance, address);
        let owner = self.owner(key).filter(|owner| chain.contains(owner)).ok_or(Refusal::NotOurs)?;
        if self.own.contains(&key) {
            Err(Refusal::NotOurs)
        } else if self.host(key).is_some_and(|(_, of)| Some(of) != n) {
            Err(Refusal::Reserved)
        } else if kept && self.held.get(&key) != Some(&Hold::Grace) {
            // Told last by the other one.
            Err(if self.is_shut(owner) { Refusal::HoldDown } else { Refusal::Taken })
        } else if self.is_shut(owner) {
            Err(Refusal::HoldDown)
        } else if !kept && self.held.contains_key(&key) {
            Err(Refusal::Taken)
        } else {
            self.held.insert(key, Hold::Offered);
            Ok(PoolId(owner as u16))
        }
    }

    fn usage(&self, p: usize) -> [u64; 6] {
        let keys = (0..SPACE + 8).map(|at| (self.config.pools[p].instance, ip(at)));
        let of: Vec<Key> = keys.filter(|key| self.owner(*key) == Some(p)).collect();
        let count = |is_it: &dyn Fn(&Key) -> bool| of.iter().filter(|key| is_it(key)).count() as u64;
        let held = |hold| count(&|key| self.held.get(key) == Some(&hold));
        [
            count(&|key| !self.own.contains(key) || self.held.contains_key(key)),
            count(&|key| !self.own.contains(key) && !self.held.contains_key(key)),
            held(Hold::Offered),
            held(Hold::Bound),
            held(Hold::Quarantine),
            held(Hold::Grace),
        ]
    }

    fn holders(&self) -> impl Iterator<Item = (InstanceId, Ipv4Addr, Hold)> + use<'_> {
        self.held.iter().map(|(key, hold)| (key.0, key.1, *hold))
    }

    fn nth(&self, nth: usize) -> Option<(Key, Hold)> {
        self.held.iter().nth(nth % self.held.len().max(1)).map(|(key, hold)| (*key, *hold))
    }
}

fn step(pools: &mut Pools, model: &mut Model, op: Op) {
    match op {
        Op::TakeNext { pool } => assert_eq!(pools.take_next(PoolId(pool)), model.take_next(pool)),
        Op::TakeNextIn { pool, range } => {
            let expected = model.take_next_in(usize::from(pool), usize::from(range));
            assert_eq!(pools.take_next_in(PoolId(pool), RangeId(range)), expected);
        }
        Op::Take { pool, at, n } => {
            let id = [n.unwrap_or(0)];
            let client = n.map_or(Client::default(), |n| client(n, &id));
            assert_eq!(pools.take(PoolId(pool), ip(at), client), model.take(pool, ip(at), n, false));
        }
        Op::TakeKept { pool, nth } => {
            if let Some((key, _)) = model.nth(nth) {
                assert_eq!(pools.take_kept(PoolId(pool), key.1, None), model.take(pool, key.1, None, true));
            }
        }
        Op::Mark { instance, at } => {
            let key = (InstanceId(instance), ip(at));
            let owner = model.owner(key);
            assert_eq!(pools.mark(key.0, key.1, Hold::Bound), owner.map(|p| PoolId(p as u16)));
            if owner.is_some() {
                model.held.entry(key).or_insert(Hold::Bound);
            }
        }
        Op::Free { instance, at } => free(pools, model, (InstanceId(instance), ip(at))),
        Op::FreeHeld { nth } => {
            if let Some((key, _)) = model.nth(nth) {
                free(pools, model, key);
            }
        }
        Op::Shift { nth, hold } => {
            if let Some((key, from)) = model.nth(nth) {
                pools.shift(key.0, key.1, from, hold);
                model.held.insert(key, hold);
            }
        }
        Op::Own { at } => {
            model.own = at.iter().map(|&(instance, at)| (InstanceId(instance), ip(at))).collect();
            pools.exclude_own(model.own.iter().copied());
        }
        Op::Rebuild { config } => {
            pools.rebuild(&config, model.holders());
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
    let hold = model.held.remove(&key).unwrap_or(Hold::Bound);
    pools.free(key.0, key.1, hold);
}

fn compare(pools: &Pools, model: &Model) {
    pools.check_invariants();
    pools.check_holders(model.holders());
    for key in (0..2).flat_map(|instance| (0..SPACE).map(move |at| (InstanceId(instance), ip(at)))) {
        let owner = model.owner(key).map(|p| PoolId(p as u16));
        assert_eq!(pools.is_held(key.0, key.1), model.held.contains_key(&key), "{key:?}");
        assert_eq!(pools.pool_of(key.0, key.1), owner.filter(|_| !model.own.contains(&key)), "{key:?}");
        for n in 0..9 {
            let other = model.host(key).is_some_and(|(_, of)| of != n);
            assert_eq!(pools.is_reserved_from(key.0, key.1, client(n, &[n])), other, "{key:?}");
        }
        let matched = model.config.pools.iter().position(|p| p.instance == key.0 && p.network.contains(key.1));
        assert_eq!(pools.match_network(key.0, key.1), matched.map(|p| PoolId(p as u16)), "{key:?}");
    }
    for (p, view) in pools.usage().iter().enumerate() {
        let id = PoolId(p as u16);
        let told = [view.total, view.free, view.offered, view.bound, view.quarantined, view.held];
        assert_eq!(told, model.usage(p), "usage of {}", view.name);
        assert_eq!(
            (&view.name, pools.scope(id)),
            (&model.config.pools[p].name, model.config.pools[p].network.address())
        );
        assert_eq!(pools.is_held_down(id), model.is_shut(p));
        for other in 0..5 {
            let inside = model.chain(id.0).contains(&usize::from(other));
            assert_eq!(pools.in_chain(id, PoolId(other)), inside, "{other} in the chain of {}", view.name);
        }
        let chain: Vec<usize> = pools.chain(id).map(|id| usize::from(id.0)).collect();
        assert_eq!(chain, model.chain(id.0), "chain of {}", view.name);
        for n in 0..9 {
            let of = |&p: &usize| model.hosts[p].iter().find(|host| host.0 == n).map(|host| (PoolId(p as u16), host.1));
            assert_eq!(pools.reservation(id, client(n, &[n])), chain.iter().find_map(of));
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
