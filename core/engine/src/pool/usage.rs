//! What is in use of a pool, and when that is told.

use super::{Pool, Pools};
use crate::command::PoolView;
use alloc::{boxed::Box, vec::Vec};
use bindery_types::PoolId;

/// What an address is held by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Hold {
    /// An offer.
    Offered = 0,
    /// A binding.
    Bound = 1,
    /// Nobody: the quarantine after a DHCPDECLINE.
    Quarantine = 2,
    /// Nobody: it is kept for its last client (`grace-period`).
    Grace = 3,
}

/// A pool's use has crossed a threshold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Crossing {
    /// The pool.
    pub pool: PoolId,
    /// Whether it rose above `high-utilization`; else it fell under `abated-utilization`.
    pub high: bool,
    /// Its use now, percent.
    pub percent: u8,
}

/// Addresses of a pool by what holds them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Holds([u64; 4]);

impl Holds {
    pub(super) const fn of(&self, hold: Hold) -> u64 {
        self.0[hold as usize]
    }

    pub(super) fn all(&self) -> u64 {
        self.0.iter().sum()
    }

    pub(super) fn add(&mut self, hold: Hold) {
        self.0[hold as usize] += 1;
    }

    pub(super) fn sub(&mut self, hold: Hold) {
        let count = &mut self.0[hold as usize];
        debug_assert!(*count > 0, "nothing is {hold:?}");
        *count = count.saturating_sub(1);
    }
}

/// `part` of `total` in percent, rounded down; 0 of nothing.
fn percent(part: u64, total: u64) -> u8 {
    part.saturating_mul(100).checked_div(total).map_or(0, |percent| u8::try_from(percent).unwrap_or(u8::MAX))
}

impl Pool {
    fn view(&self) -> PoolView {
        let held = self.holds.all();
        PoolView {
            name: self.name.clone(),
            instance: self.instance,
            instance_name: Box::default(),
            network: self.network,
            link: None,
            total: self.total,
            free: self.total.saturating_sub(held),
            offered: self.holds.of(Hold::Offered),
            bound: self.holds.of(Hold::Bound),
            quarantined: self.holds.of(Hold::Quarantine),
            held: self.holds.of(Hold::Grace),
            percent: percent(held, self.total),
            high: self.high,
            thresholds: self.utilization.map(|it| (it.high, it.abated)),
            hold_down: self.hold_down,
            active_drain: self.active_drain,
        }
    }
}

impl Pools {
    /// Usage by pool, in configuration order; the names of routing instances are not known here.
    pub fn usage(&self) -> Vec<PoolView> {
        let name = |id| self.pool(id).map(|pool| pool.name.clone());
        let view = |pool: &Pool| PoolView { link: pool.link.and_then(name), ..pool.view() };
        self.pools.iter().map(view).collect()
    }

    /// All addresses of all pools.
    pub fn total(&self) -> u64 {
        self.pools.iter().map(|pool| pool.total).sum()
    }

    /// Names of pools, by number.
    pub fn name(&self, pool: PoolId) -> Option<&str> {
        self.pool(pool).map(|pool| &*pool.name)
    }

    /// What crossed a threshold since the last call.
    pub fn take_crossings(&mut self) -> Vec<Crossing> {
        core::mem::take(&mut self.crossings)
    }

    /// Whether [`Pools::take_crossings`] has something.
    pub fn has_crossings(&self) -> bool {
        !self.crossings.is_empty()
    }

    /// Looks at a pool's thresholds, after a count has changed. One crossing up is followed by one down: between the
    /// two thresholds nothing is told.
    pub(super) fn weigh(&mut self, id: PoolId) {
        if self.quiet {
            return;
        }
        let Some(pool) = self.pool_mut(id) else { return };
        let (held, total) = (pool.holds.all(), pool.total);
        let utilization = pool.utilization;
        let high = match utilization {
            None => false,
            Some(it) if pool.high => held * 100 >= u64::from(it.abated) * total,
            Some(it) => held * 100 > u64::from(it.high) * total,
        };
        if high != pool.high {
            pool.high = high;
            // Thresholds that are gone are nothing to tell of.
            if utilization.is_some() {
                self.crossings.push(Crossing { pool: id, high, percent: percent(held, total) });
            }
        }
    }

    /// Lets a new configuration go on with what was told of the pools of the same names.
    pub(super) fn keep_alarms(&mut self, old: &Self) {
        let high: alloc::collections::BTreeSet<(bindery_types::InstanceId, &Box<str>)> =
            old.pools.iter().filter(|pool| pool.high).map(|pool| (pool.instance, &pool.name)).collect();
        for pool in &mut self.pools {
            pool.high = high.contains(&(pool.instance, &pool.name));
        }
    }
}
