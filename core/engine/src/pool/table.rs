//! A pool's `host-table`: what it keeps, without an entry of its own for each reservation.
//!
//! Two bits a reservation stand beside the table: whether it holds at all, and whether somebody holds its address.
//! An address of ours that is in a table is among the specials for as long as it is ours.

use super::{HostTable, Oddity, OddityKind, Pools, bitmap::Bitmap, intervals::Intervals};
use crate::config;
use alloc::{sync::Arc, vec::Vec};
use bindery_types::{InstanceId, Ipv4Addr, MacAddr, PoolId, Prefix4};
use core::ops::Range;

/// Reservations of one table that are said to be left out; the others are only left out.
const ODDITIES_MAX: usize = 16;

/// A table in its pool.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) hosts: Arc<HostTable>,
    /// Reservations that do not hold, by index.
    pub(super) left_out: Bitmap,
    /// Addresses that somebody holds, by index.
    pub(super) held: Bitmap,
}

impl Table {
    /// The index of `address`, when it is kept.
    pub(super) fn index_of(&self, address: Ipv4Addr) -> Option<u32> {
        self.hosts.index_of(address).filter(|index| !self.left_out.contains(*index))
    }

    /// What is kept for `mac`.
    pub(super) fn address_of(&self, mac: MacAddr) -> Option<Ipv4Addr> {
        let index = self.hosts.index_of_mac(mac).filter(|index| !self.left_out.contains(*index))?;
        Some(self.hosts.at(index)?.0)
    }

    /// Leaves the reservations of `indexes` out.
    fn leave_out(
        &mut self,
        indexes: impl Iterator<Item = u32>,
        kind: OddityKind,
        odd: &mut Vec<(OddityKind, Ipv4Addr)>,
    ) {
        for index in indexes {
            if self.left_out.contains(index) {
                continue;
            }
            self.left_out.insert(index);
            if odd.len() < ODDITIES_MAX
                && let Some((address, _)) = self.hosts.at(index)
            {
                odd.push((kind, address));
            }
        }
    }
}

/// Enters the pool's table, after its `host`s and after the pools before it: what those keep, they keep.
pub(super) fn enter(pools: &mut Pools, id: PoolId, pool: &config::Pool, barred: &Intervals) {
    let Some(hosts) = &pool.host_table else {
        return;
    };
    // The parser lets no table grow beyond 2^24.
    let len = hosts.len() as u32;
    let mut table = Table { hosts: Arc::clone(hosts), left_out: Bitmap::new(len), held: Bitmap::new(len) };
    let mut odd = Vec::new();
    let inside = hosts.indexes(pool.network.address(), pool.network.last());
    table.leave_out((0..inside.start).chain(inside.end..len), OddityKind::OutsideNetwork, &mut odd);
    for (low, high) in barred.iter() {
        let indexes = hosts.indexes(Ipv4Addr::from_bits(low), Ipv4Addr::from_bits(high));
        table.leave_out(indexes, OddityKind::HostExcluded, &mut odd);
    }
    let twice = taken_before(pools, id, pool.instance, pool.network, hosts);
    table.leave_out(twice.into_iter(), OddityKind::HostTwice, &mut odd);
    pools.oddities.extend(odd.into_iter().map(|(kind, address)| Oddity { pool: id, kind, address }));
    bar_positions(pools, pool.instance, &table, inside);
    pools.tables.insert((pool.instance, pool.network.len(), pool.network.address(), id));
    pools.table_lengths |= 1 << pool.network.len();
    if let Some(own) = pools.pool_mut(id) {
        own.total += u64::from(len) - table.left_out.count(len);
        own.table = Some(table);
    }
}

/// Indexes of reservations that exclude one that was entered before.
fn taken_before(pools: &Pools, id: PoolId, instance: InstanceId, network: Prefix4, hosts: &HostTable) -> Vec<u32> {
    let of_hosts = pools
        .specials
        .range((instance, network.address())..=(instance, network.last()))
        .filter_map(|((_, address), _)| hosts.index_of(*address));
    let of_macs = pools
        .hosts
        .range((id, MacAddr::default())..=(id, MacAddr::BROADCAST))
        .filter_map(|((_, mac), _)| hosts.index_of_mac(*mac));
    let mut twice: Vec<u32> = of_hosts.chain(of_macs).collect();
    for other in pools.tables_around(instance, network) {
        let kept = other.hosts.shared(hosts).filter(|address| other.index_of(*address).is_some());
        twice.extend(kept.filter_map(|address| hosts.index_of(address)));
    }
    twice
}

/// No pool gives an address in turn that `table` keeps.
fn bar_positions(pools: &mut Pools, instance: InstanceId, table: &Table, inside: Range<u32>) {
    let (Some((first, _)), Some((last, _))) =
        (table.hosts.at(inside.start), inside.end.checked_sub(1).and_then(|index| table.hosts.at(index)))
    else {
        return;
    };
    let (first, last) = (first.to_bits(), last.to_bits());
    let from = pools.directory.partition_point(|(of, stretch, _)| (*of, stretch.high) < (instance, first));
    for (of, stretch, owner) in pools.directory.get(from..).unwrap_or_default() {
        if *of != instance || stretch.low > last {
            break;
        }
        let Some(owner) = pools.pools.get_mut(usize::from(owner.0)) else {
            continue;
        };
        let within = table.hosts.indexes(Ipv4Addr::from_bits(stretch.low), Ipv4Addr::from_bits(stretch.high));
        for index in within.filter(|index| !table.left_out.contains(*index)) {
            if let Some((address, _)) = table.hosts.at(index) {
                owner.taken.insert(stretch.base + (address.to_bits() - stretch.low));
                owner.total -= 1;
            }
        }
    }
}

impl Pools {
    /// The pool whose table keeps `address`, and its index there.
    pub(super) fn in_table(&self, instance: InstanceId, address: Ipv4Addr) -> Option<(PoolId, u32)> {
        if self.table_lengths == 0 {
            return None;
        }
        let of = |len: u8| {
            let network = Prefix4::containing(address, len)?.address();
            let key = |pool| (instance, len, network, PoolId(pool));
            self.tables
                .range(key(0)..=key(u16::MAX))
                .find_map(|(.., id)| Some((*id, self.pool(*id)?.table.as_ref()?.index_of(address)?)))
        };
        (0..=32u8).filter(|&len| self.table_lengths & (1 << len) != 0).find_map(of)
    }

    /// Whom a table keeps `address` for.
    pub(super) fn kept_in_table(&self, instance: InstanceId, address: Ipv4Addr) -> Option<MacAddr> {
        let (pool, index) = self.in_table(instance, address)?;
        Some(self.pool(pool)?.table.as_ref()?.hosts.at(index)?.1)
    }

    /// The tables of pools whose networks overlap `network`.
    fn tables_around(&self, instance: InstanceId, network: Prefix4) -> impl Iterator<Item = &Table> {
        let lens = (0..=32u8).filter(|&len| self.table_lengths & (1 << len) != 0);
        lens.flat_map(move |len| {
            let first =
                Prefix4::containing(network.address(), len).map_or(network.address(), |around| around.address());
            let last = network.last().max(first);
            self.tables.range((instance, len, first, PoolId(0))..=(instance, len, last, PoolId(u16::MAX)))
        })
        .filter_map(|(.., id)| self.pool(*id)?.table.as_ref())
    }
}
