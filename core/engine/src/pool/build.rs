//! From the configuration's pools to positions in bitmaps: every address belongs to one pool.

use super::{
    HostTable, Keeper, Kept, Oddity, OddityKind, Pool, Pools, Span, Special, Stretch, bitmap::Bitmap, chain,
    intervals::Intervals, table, usage::Holds,
};
use crate::config;
use alloc::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    vec::Vec,
};
use bindery_types::{InstanceId, PoolId, Prefix4};

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
        keepers: Vec::new(),
        segments: Vec::new(),
        crossings: Vec::new(),
        quiet: false,
        excluded: BTreeMap::new(),
        tables: BTreeSet::new(),
        table_lengths: 0,
        own: BTreeSet::new(),
        apart: BTreeMap::new(),
        oddities: Vec::new(),
    };
    let mut claimed = BTreeMap::new();
    for (id, pool) in numbered(config) {
        pools.networks.entry((pool.instance, pool.network.len(), pool.network.address())).or_insert(id);
        pools.lengths |= 1 << pool.network.len();
        let barred = barred(pool);
        for range in pool.excluded.iter().filter(|range| range.low <= range.high) {
            let excluded = pools.excluded.entry(pool.instance).or_default();
            excluded.insert(range.low.to_bits(), range.high.to_bits());
        }
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

/// The addresses of each of the pool's ranges, without those that an earlier range or pool has.
fn claim(
    id: PoolId,
    pool: &config::Pool,
    barred: &Intervals,
    claimed: &mut Intervals,
    oddities: &mut Vec<Oddity>,
) -> Vec<Vec<(u32, u32)>> {
    let mut all = Vec::new();
    let mut note = |kind, address| oddities.push(Oddity { pool: id, kind, address });
    for excluded in pool.excluded.iter().filter(|range| range.low > range.high) {
        note(OddityKind::RangeReversed, excluded.low);
    }
    for range in &pool.ranges {
        all.push(Vec::new());
        let Some(spans) = all.last_mut() else { continue };
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
        unclaimed.into_iter().for_each(|(low, high)| barred.gaps(low, high, spans));
        spans.iter().for_each(|&(low, high)| claimed.insert(low, high));
    }
    all
}

fn lay_out(pool: &config::Pool, ranges: Vec<Vec<(u32, u32)>>) -> Pool {
    let mut positions = 0u32;
    let (mut stretches, mut spans) = (Vec::new(), Vec::new());
    for (range, list) in pool.ranges.iter().zip(ranges) {
        let from = positions;
        for (low, high) in list {
            stretches.push(Stretch { low, high, base: positions });
            // All addresses but 0.0.0.0 and 255.255.255.255, each once, fit in 32 bits.
            positions = positions.saturating_add((high - low).saturating_add(1));
        }
        spans.push(Span { name: range.name.clone(), from, to: positions, cursor: from });
    }
    Pool {
        name: pool.name.clone(),
        instance: pool.instance,
        network: pool.network,
        stretches,
        spans,
        positions,
        taken: Bitmap::new(positions),
        cursor: 0,
        link: None,
        place: chain::Place::default(),
        closed: false,
        hold_down: pool.hold_down,
        active_drain: pool.active_drain,
        total: u64::from(positions),
        holds: Holds::default(),
        aggregates: false,
        utilization: None,
        high: false,
        has_hosts: false,
        client_ids: BTreeMap::new(),
        user_names: BTreeMap::new(),
        option_match: Arc::clone(&pool.option_match),
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
            || pools.in_table(pool.instance, address).is_some()
            || is_known(pools, id, host)
        {
            Some(OddityKind::HostTwice)
        } else {
            None
        };
        if let Some(kind) = odd {
            pools.oddities.push(Oddity { pool: id, kind, address });
            continue;
        }
        if let Some(mac) = host.hardware_address {
            pools.hosts.insert((id, mac), address);
        }
        if let Some((other, position)) = pools.position(pool.instance, address)
            && let Some(other) = pools.pool_mut(other)
        {
            other.taken.insert(position);
            other.total -= 1;
        }
        if let Some(own) = pools.pool_mut(id) {
            own.total += 1;
            own.has_hosts = true;
            if !host.client_identifier.is_empty() {
                own.client_ids.insert(host.client_identifier.clone(), address);
            }
            if !host.user_name.is_empty() {
                own.user_names.insert(host.user_name.clone(), address);
            }
        }
        let kept = Kept::Host(pools.keepers.len() as u32);
        pools.keepers.push(Keeper {
            mac: host.hardware_address,
            client_id: host.client_identifier.clone(),
            user_name: host.user_name.clone(),
        });
        let special = Special { pool: id, kept, own: false, held: false };
        pools.specials.insert((pool.instance, address), special);
    }
}

/// Whether something that the host's client is known by has a host in the pool already.
fn is_known(pools: &Pools, id: PoolId, host: &config::Host) -> bool {
    let Some(pool) = pools.pool(id) else { return false };
    host.hardware_address.is_some_and(|mac| pools.hosts.contains_key(&(id, mac)))
        || pool.client_ids.contains_key(&host.client_identifier)
        || pool.user_names.contains_key(&host.user_name)
}

/// Takes over what changes no address: names, drains, `link`s, thresholds, matches.
pub(super) fn relink(pools: &mut Pools, config: &config::Config) {
    for (id, new) in numbered(config) {
        if let Some(pool) = pools.pool_mut(id) {
            pool.name.clone_from(&new.name);
            let instance = config.instances.get(usize::from(new.instance.0));
            pool.aggregates = instance.is_some_and(|instance| instance.linked_pool_aggregation);
            pool.utilization = instance.and_then(|instance| instance.utilization);
            pool.hold_down = new.hold_down;
            pool.active_drain = new.active_drain;
            pool.option_match = Arc::clone(&new.option_match);
            // An equal table that was read anew takes the old one's place, so that only one stays in memory.
            if let (Some(table), Some(hosts)) = (&mut pool.table, &new.host_table) {
                table.hosts = Arc::clone(hosts);
            }
        }
        pools.weigh(id);
    }
    for (shape, new) in pools.shapes.iter_mut().zip(&config.pools) {
        shape.host_table.clone_from(&new.host_table);
    }
    chain::lay(pools, config);
}

impl Pools {
    /// Lets next-fit go on where it was, so that a commit does not make addresses be used again early.
    pub(super) fn keep_cursors(&mut self, old: &Self) {
        let former: BTreeMap<(InstanceId, &str), &Pool> =
            old.pools.iter().map(|pool| ((pool.instance, &*pool.name), pool)).collect();
        for (index, id) in (0..=u16::MAX).map(PoolId).take(self.pools.len()).enumerate() {
            let Some(old) = self.pools.get(index).and_then(|pool| former.get(&(pool.instance, &*pool.name))) else {
                continue;
            };
            let cursor = self.position_of_old(id, old, old.cursor);
            let ranges: BTreeMap<&str, u32> = old.spans.iter().map(|span| (&*span.name, span.cursor)).collect();
            let names = self.pools.get(index).map(|pool| pool.spans.iter().map(|span| span.name.clone()).collect());
            let names: Vec<alloc::boxed::Box<str>> = names.unwrap_or_default();
            let at = |name| self.position_of_old(id, old, *ranges.get(name)?);
            let cursors: Vec<Option<u32>> = names.iter().map(|name| at(&**name)).collect();
            let Some(pool) = self.pools.get_mut(index) else { continue };
            pool.cursor = cursor.unwrap_or(pool.cursor);
            for (span, cursor) in pool.spans.iter_mut().zip(cursors) {
                span.cursor = cursor.filter(|at| (span.from..span.to).contains(at)).unwrap_or(span.cursor);
            }
        }
    }

    /// Where the address of an old position is in pool `id` now.
    fn position_of_old(&self, id: PoolId, old: &Pool, position: u32) -> Option<u32> {
        let (of, position) = self.position(old.instance, old.address(position)?)?;
        (of == id).then_some(position)
    }
}
