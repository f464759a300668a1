//! From the configuration's pools to positions in bitmaps: every address belongs to one pool.

use super::{
    HostTable, Oddity, OddityKind, Pool, Pools, Special, Stretch, bitmap::Bitmap, intervals::Intervals, table,
};
use crate::config;
use alloc::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    vec::Vec,
};
use bindery_types::{InstanceId, Ipv4Addr, PoolId, Prefix4};

/// What of a pool decides which addresses it has. When a commit changes none of it, all bitmaps stay.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Shape {
    instance: InstanceId,
    network: Prefix4,
    ranges: Vec<config::Range>,
    hosts: Vec<config::Host>,
    excluded: Vec<config::Range>,
    host_table: Option<Arc<HostTable>>,
}

impl Shape {
    pub(super) fn of(pool: &config::Pool) -> Self {
        Self {
            instance: pool.instance,
            network: pool.network,
            ranges: pool.ranges.clone(),
            hosts: pool.hosts.clone(),
            excluded: pool.excluded.clone(),
            host_table: pool.host_table.clone(),
        }
    }

    pub(super) fn is(&self, pool: &config::Pool) -> bool {
        self.instance == pool.instance
            && self.network == pool.network
            && self.ranges == pool.ranges
            && self.hosts == pool.hosts
            && self.excluded == pool.excluded
            // Two `Arc`s of one table are equal at once.
            && self.host_table == pool.host_table
    }
}

/// The pools that [`PoolId`] can name.
pub(super) fn numbered(config: &config::Config) -> impl Iterator<Item = (PoolId, &config::Pool)> {
    (0..=u16::MAX).map(PoolId).zip(&config.pools)
}

/// Nobody holds an address yet, and none is known to be our own.
pub(super) fn build(config: &config::Config) -> Pools {
    let mut pools = Pools {
        shapes: config.pools.iter().map(Shape::of).collect(),
        pools: Vec::new(),
        directory: Vec::new(),
        networks: BTreeMap::new(),
        lengths: 0,
        specials: BTreeMap::new(),
        hosts: BTreeMap::new(),
        tables: BTreeSet::new(),
        table_lengths: 0,
        own: BTreeSet::new(),
        quarantined: BTreeSet::new(),
        oddities: Vec::new(),
    };
    let mut claimed = BTreeMap::new();
    for (id, pool) in numbered(config) {
        pools.networks.entry((pool.instance, pool.network.len(), pool.network.address())).or_insert(id);
        pools.lengths |= 1 << pool.network.len();
        let barred = barred(pool);
        let spans = claim(id, pool, &barred, claimed.entry(pool.instance).or_default(), &mut pools.oddities);
        pools.pools.push(lay_out(pool, spans));
        let stretches = pools.pools.last().map_or(&[][..], |made| &made.stretches);
        pools.directory.extend(stretches.iter().map(|stretch| (pool.instance, *stretch, id)));
    }
    pools.directory.sort_unstable_by_key(|(instance, stretch, _)| (*instance, stretch.low));
    for (id, pool) in numbered(config) {
        let barred = barred(pool);
        reserve(&mut pools, id, pool, &barred);
        table::enter(&mut pools, id, pool, &barred);
    }
    relink(&mut pools, config);
    pools
}

/// Addresses of the pool's network that are nobody's: network and broadcast address (a /31 or /32 has none,
/// RFC 3021 §2.1), what is excluded, and the two addresses that mean something else in every network.
fn barred(pool: &config::Pool) -> Intervals {
    let mut barred = Intervals::default();
    barred.insert(0, 0);
    barred.insert(u32::MAX, u32::MAX);
    if pool.network.len() < 31 {
        barred.insert(pool.network.address().to_bits(), pool.network.address().to_bits());
        barred.insert(pool.network.last().to_bits(), pool.network.last().to_bits());
    }
    for range in &pool.excluded {
        barred.insert(range.low.to_bits(), range.high.to_bits());
    }
    barred
}

/// The pool's addresses in the order of its ranges, without those that an earlier range or pool has.
fn claim(
    id: PoolId,
    pool: &config::Pool,
    barred: &Intervals,
    claimed: &mut Intervals,
    oddities: &mut Vec<Oddity>,
) -> Vec<(u32, u32)> {
    let mut spans = Vec::new();
    let mut note = |kind, address| oddities.push(Oddity { pool: id, kind, address });
    for excluded in pool.excluded.iter().filter(|range| range.low > range.high) {
        note(OddityKind::RangeReversed, excluded.low);
    }
    for range in &pool.ranges {
        let low = range.low.max(pool.network.address()).to_bits();
        let high = range.high.min(pool.network.last()).to_bits();
        if range.low > range.high {
            note(OddityKind::RangeReversed, range.low);
            continue;
        }
        if low != range.low.to_bits() || high != range.high.to_bits() {
            note(OddityKind::OutsideNetwork, range.low);
        }
        if low > high {
            continue;
        }
        let mut unclaimed = Vec::new();
        claimed.gaps(low, high, &mut unclaimed);
        if unclaimed != [(low, high)] {
            note(OddityKind::Overlap, range.low);
        }
        let from = spans.len();
        unclaimed.into_iter().for_each(|(low, high)| barred.gaps(low, high, &mut spans));
        spans.iter().skip(from).for_each(|&(low, high)| claimed.insert(low, high));
    }
    spans
}

fn lay_out(pool: &config::Pool, spans: Vec<(u32, u32)>) -> Pool {
    let mut positions = 0u32;
    let stretches = spans
        .into_iter()
        .map(|(low, high)| {
            let stretch = Stretch { low, high, base: positions };
            // All addresses but 0.0.0.0 and 255.255.255.255, each once, fit in 32 bits.
            positions = positions.saturating_add((high - low).saturating_add(1));
            stretch
        })
        .collect();
    Pool {
        name: pool.name.clone(),
        instance: pool.instance,
        network: pool.network,
        stretches,
        positions,
        taken: Bitmap::new(positions),
        cursor: 0,
        link: None,
        reach: 1,
        hold_down: pool.hold_down,
        total: u64::from(positions),
        used: 0,
        quarantined: 0,
        table: None,
    }
}

/// Enters the pool's `host`s.
fn reserve(pools: &mut Pools, id: PoolId, pool: &config::Pool, barred: &Intervals) {
    for host in &pool.hosts {
        let address = host.ip_address;
        let odd = if !pool.network.contains(address) {
            Some(OddityKind::OutsideNetwork)
        } else if barred.contains(address.to_bits()) {
            Some(OddityKind::HostExcluded)
        } else if pools.specials.contains_key(&(pool.instance, address))
            || pools.hosts.contains_key(&(id, host.hardware_address))
            || pools.in_table(pool.instance, address).is_some()
        {
            Some(OddityKind::HostTwice)
        } else {
            None
        };
        if let Some(kind) = odd {
            pools.oddities.push(Oddity { pool: id, kind, address });
            continue;
        }
        pools.hosts.insert((id, host.hardware_address), address);
        if let Some((other, position)) = pools.position(pool.instance, address)
            && let Some(other) = pools.pool_mut(other)
        {
            other.taken.insert(position);
            other.total -= 1;
        }
        if let Some(own) = pools.pool_mut(id) {
            own.total += 1;
        }
        let special = Special { pool: id, host: Some(host.hardware_address), own: false, held: false };
        pools.specials.insert((pool.instance, address), special);
    }
}

/// Takes over names, `hold-down` and `link`s, and works out how many pools each chain has: a chain that comes back to
/// one of its pools ends there.
pub(super) fn relink(pools: &mut Pools, config: &config::Config) {
    pools.oddities.retain(|oddity| !matches!(oddity.kind, OddityKind::LinkNowhere | OddityKind::LinkLoop));
    let instances: Vec<InstanceId> = pools.pools.iter().map(|pool| pool.instance).collect();
    for (id, new) in numbered(config) {
        let fits = |link: &PoolId| instances.get(usize::from(link.0)) == Some(&new.instance);
        let link = new.link.filter(fits);
        if link != new.link {
            pools.oddities.push(Oddity { pool: id, kind: OddityKind::LinkNowhere, address: new.network.address() });
        }
        if let Some(pool) = pools.pool_mut(id) {
            pool.name.clone_from(&new.name);
            pool.hold_down = new.hold_down;
            pool.link = link;
            pool.reach = 0;
            // An equal table that was read anew takes the old one's place, so that only one stays in memory.
            if let (Some(table), Some(hosts)) = (&mut pool.table, &new.host_table) {
                table.hosts = Arc::clone(hosts);
            }
        }
    }
    for (shape, new) in pools.shapes.iter_mut().zip(&config.pools) {
        shape.host_table.clone_from(&new.host_table);
    }
    for (id, _) in numbered(config) {
        measure(pools, id);
    }
}

/// Sets `reach` of all pools on the chain from `start` on. Each pool is walked once, whatever the links are.
fn measure(pools: &mut Pools, start: PoolId) {
    let mut path = Vec::new();
    let mut on_path = BTreeMap::new();
    let mut next = Some(start);
    let mut reach = 0;
    while let Some(id) = next {
        if let Some(&from) = on_path.get(&id) {
            // A loop: all its pools reach the same number, itself included.
            let round: Vec<PoolId> = path.split_off(from);
            reach = round.len() as u32;
            let address = pools.scope(id);
            pools.oddities.push(Oddity { pool: id, kind: OddityKind::LinkLoop, address });
            round.into_iter().for_each(|id| set_reach(pools, id, reach));
            break;
        }
        let Some(pool) = pools.pool(id) else { break };
        if pool.reach > 0 {
            reach = pool.reach;
            break;
        }
        next = pool.link;
        on_path.insert(id, path.len());
        path.push(id);
    }
    for id in path.into_iter().rev() {
        reach += 1;
        set_reach(pools, id, reach);
    }
}

fn set_reach(pools: &mut Pools, id: PoolId, reach: u32) {
    if let Some(pool) = pools.pool_mut(id) {
        pool.reach = reach;
    }
}

impl Pools {
    /// Lets next-fit go on where it was, so that a commit does not make addresses be used again early.
    pub(super) fn keep_cursors(&mut self, old: &Self) {
        let cursors: BTreeMap<&str, Ipv4Addr> =
            old.pools.iter().filter_map(|pool| Some((&*pool.name, pool.address(pool.cursor)?))).collect();
        for index in 0..self.pools.len() {
            let Some(pool) = self.pools.get(index) else {
                continue;
            };
            let Some(&address) = cursors.get(&*pool.name) else {
                continue;
            };
            let Some((id, position)) = self.position(pool.instance, address) else {
                continue;
            };
            if usize::from(id.0) == index
                && let Some(pool) = self.pools.get_mut(index)
            {
                pool.cursor = position;
            }
        }
    }
}
