//! Address pools: which address is whose to give, and which is given.
//!
//! An address of a routing instance belongs to one pool, whatever the configuration says: the first in configuration
//! order that has it in a range, or the pool with a `host`, or an entry of its `host-table`, for it. A pool gives its addresses in turn and comes back
//! to a freed one only after all others (RFC 2131 §4.3.1: a client's previous address should still be there for it).
//!
//! What this module never does: it knows no sessions. It is told who holds what, by [`Pools::take`],
//! [`Pools::take_next`], [`Pools::mark`] and [`Pools::free`]. Read [`Pools`] first.

mod bitmap;
mod build;
mod host_table;
mod intervals;
mod invariants;
#[cfg(test)]
mod model;
mod table;
#[cfg(test)]
mod tests;

use crate::{command::PoolView, config::Config};
use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use bindery_types::{InstanceId, Ipv4Addr, MacAddr, PoolId, Prefix4};
use bitmap::Bitmap;
use core::fmt;
use table::Table;

pub use host_table::{HostTable, RESERVATIONS_MAX, Repeat, TableError};

/// Why a wished address is not given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// In no range and no `host` of the pool or those linked to it; excluded, or our own.
    NotOurs,
    /// A `host` keeps it for another hardware address.
    Reserved,
    /// Somebody holds it, or it is in quarantine.
    Taken,
    /// Its pool takes no new bindings.
    HoldDown,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotOurs => "the address is not in the pool",
            Self::Reserved => "the address is reserved for another client",
            Self::Taken => "the address is in use",
            Self::HoldDown => "the pool takes no new bindings",
        })
    }
}

impl core::error::Error for Refusal {}

/// No address is free in the pool and those linked to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Exhausted;

impl fmt::Display for Exhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no address is free")
    }
}

impl core::error::Error for Exhausted {}

/// Something of the configuration that was left out or cut, because it cannot be meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Oddity {
    /// The pool.
    pub pool: PoolId,
    /// What is odd.
    pub kind: OddityKind,
    /// The low address of the range, the address of the host, or the network address.
    pub address: Ipv4Addr,
}

/// What is odd about a pool.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OddityKind {
    /// The range ends before it begins: left out.
    RangeReversed,
    /// A range or host is not in the network: the part outside is left out.
    OutsideNetwork,
    /// An earlier range or pool has addresses of the range: they stay there.
    Overlap,
    /// The host's address is excluded, or the network's own: left out.
    HostExcluded,
    /// The host's address or hardware address has a `host` already: left out.
    HostTwice,
    /// The link leads to no pool of this routing instance: left out.
    LinkNowhere,
    /// The links lead back: the chain ends there.
    LinkLoop,
}

/// Addresses that lie side by side in a pool's positions.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    low: u32,
    high: u32,
    /// Position of `low`.
    base: u32,
}

/// An address that is not given in turn.
#[derive(Clone, Copy, Debug)]
struct Special {
    /// The pool of the `host`, else the one with the address in a range.
    pool: PoolId,
    /// Whom it is reserved for.
    host: Option<MacAddr>,
    /// One of our own addresses.
    own: bool,
    /// Whether a session holds it.
    held: bool,
}

#[derive(Debug)]
struct Pool {
    name: Box<str>,
    instance: InstanceId,
    network: Prefix4,
    /// Ascending by base, in the order of the ranges.
    stretches: Vec<Stretch>,
    positions: u32,
    /// Held, or special.
    taken: Bitmap,
    /// Where the next search begins.
    cursor: u32,
    link: Option<PoolId>,
    /// Pools in the chain that begins here, itself counted, each once.
    reach: u32,
    hold_down: bool,
    total: u64,
    used: u64,
    quarantined: u64,
    table: Option<Table>,
}

impl Pool {
    fn address(&self, position: u32) -> Option<Ipv4Addr> {
        let at = self.stretches.partition_point(|stretch| stretch.base <= position).checked_sub(1)?;
        let stretch = self.stretches.get(at)?;
        let address = stretch.low.checked_add(position - stretch.base)?;
        (address <= stretch.high).then(|| Ipv4Addr::from_bits(address))
    }

    /// Takes the next free address.
    fn take_next(&mut self) -> Option<Ipv4Addr> {
        let position = self.taken.next_absent(self.cursor).or_else(|| self.taken.next_absent(0))?;
        let address = self.address(position)?;
        self.taken.insert(position);
        self.cursor = position.wrapping_add(1);
        self.used += 1;
        Some(address)
    }
}

/// Where an address's being held is written down.
#[derive(Clone, Copy, Debug)]
enum Place {
    Special,
    /// Index in the pool's table.
    Table(u32),
    Position(u32),
}

/// All pools of the configuration and who holds their addresses.
#[derive(Debug)]
pub struct Pools {
    shapes: Vec<build::Shape>,
    pools: Vec<Pool>,
    /// The stretches of all pools, sorted by instance and address.
    directory: Vec<(InstanceId, Stretch, PoolId)>,
    /// The first pool of each network.
    networks: BTreeMap<(InstanceId, u8, Ipv4Addr), PoolId>,
    /// Bit n: there is a network of n bits.
    lengths: u64,
    specials: BTreeMap<(InstanceId, Ipv4Addr), Special>,
    hosts: BTreeMap<(PoolId, MacAddr), Ipv4Addr>,
    /// The pools with a table, by network.
    tables: BTreeSet<(InstanceId, u8, Ipv4Addr, PoolId)>,
    /// Bit n: a pool with a table has a network of n bits.
    table_lengths: u64,
    own: BTreeSet<Ipv4Addr>,
    /// Held addresses that are in quarantine.
    quarantined: BTreeSet<(InstanceId, Ipv4Addr)>,
    oddities: Vec<Oddity>,
}

impl Default for Pools {
    fn default() -> Self {
        Self::new(&Config::default())
    }
}

impl Pools {
    /// The pools of `config`; nobody holds an address.
    pub fn new(config: &Config) -> Self {
        build::build(config)
    }

    /// Changes over to a new configuration. `holders` names every address that is held, quarantines too; it is read
    /// only when the addresses of some pool changed. Our own addresses, quarantines, and where each pool's turn is,
    /// stay. An address that is held and in no pool any more is forgotten.
    pub fn rebuild(&mut self, config: &Config, holders: impl IntoIterator<Item = (InstanceId, Ipv4Addr)>) {
        let same = self.shapes.len() == config.pools.len()
            && self.shapes.iter().zip(&config.pools).all(|(shape, pool)| shape.is(pool));
        if same {
            build::relink(self, config);
            return;
        }
        let old = core::mem::replace(self, build::build(config));
        self.keep_cursors(&old);
        self.exclude_own(old.own.iter().copied());
        for (instance, address) in holders {
            self.mark(instance, address);
            if old.quarantined.contains(&(instance, address)) {
                self.quarantine(instance, address);
            }
        }
    }

    /// What of the configuration was left out.
    pub fn oddities(&self) -> &[Oddity] {
        &self.oddities
    }

    /// Our own interface addresses, all of them, in place of those before: never given, in no routing instance. Who
    /// holds one keeps it.
    pub fn exclude_own(&mut self, addresses: impl IntoIterator<Item = Ipv4Addr>) {
        let new: BTreeSet<Ipv4Addr> = addresses.into_iter().collect();
        let old = core::mem::take(&mut self.own);
        let instances: BTreeSet<InstanceId> = self.pools.iter().map(|pool| pool.instance).collect();
        for &instance in &instances {
            old.difference(&new).for_each(|&address| self.disown(instance, address));
            new.difference(&old).for_each(|&address| self.own(instance, address));
        }
        self.own = new;
    }

    /// The pool whose network holds `selector` (giaddr, link selection or an interface's address); the first in
    /// configuration order where several do.
    pub fn match_network(&self, instance: InstanceId, selector: Ipv4Addr) -> Option<PoolId> {
        (0..=32u8)
            .filter(|&len| self.lengths & (1 << len) != 0)
            .filter_map(|len| {
                let network = Prefix4::containing(selector, len)?.address();
                self.networks.get(&(instance, len, network)).copied()
            })
            .min()
    }

    /// The pool that `address` belongs to: it may be given, perhaps to one client only. `None` for our own addresses
    /// and for those that are excluded or in no range.
    pub fn pool_of(&self, instance: InstanceId, address: Ipv4Addr) -> Option<PoolId> {
        match self.specials.get(&(instance, address)) {
            Some(special) if special.own => None,
            _ => self.locate(instance, address).map(|(pool, _)| pool),
        }
    }

    /// The network address of a pool's network; 0.0.0.0 for a pool that is not there.
    pub fn scope(&self, pool: PoolId) -> Ipv4Addr {
        self.pool(pool).map_or(Ipv4Addr::UNSPECIFIED, |pool| pool.network.address())
    }

    /// Whether the pool takes no new bindings.
    pub fn is_held_down(&self, pool: PoolId) -> bool {
        self.pool(pool).is_some_and(|pool| pool.hold_down)
    }

    /// The pool and those it is linked to, in the order in which they are tried.
    pub fn chain(&self, pool: PoolId) -> impl Iterator<Item = PoolId> + use<'_> {
        let reach = self.pool(pool).map_or(0, |pool| pool.reach as usize);
        core::iter::successors(Some(pool), |&id| self.pool(id)?.link).take(reach)
    }

    /// Whether `pool`, or one linked to it, has an address that nobody holds and that the client of `mac` may be given.
    pub fn has_any(&self, pool: PoolId, mac: Option<MacAddr>) -> bool {
        let open = |id: &PoolId| self.pool(*id).is_some_and(|pool| !pool.hold_down);
        let reserved = mac.and_then(|mac| self.reservation(pool, mac));
        reserved.is_some_and(|(id, _)| open(&id))
            || self.chain(pool).filter(open).any(|id| self.pool(id).is_some_and(|p| p.taken.next_absent(0).is_some()))
    }

    /// Gives a wished address to the client of `mac` (`None` for one without Ethernet address), from `pool` or those
    /// linked to it. Returns the pool it belongs to.
    ///
    /// # Errors
    /// Why not.
    pub fn take(&mut self, pool: PoolId, address: Ipv4Addr, mac: Option<MacAddr>) -> Result<PoolId, Refusal> {
        let instance = self.pool(pool).ok_or(Refusal::NotOurs)?.instance;
        let owner = self.pool_of(instance, address).ok_or(Refusal::NotOurs)?;
        if !self.chain(pool).any(|id| id == owner) {
            return Err(Refusal::NotOurs);
        }
        if self.reserved_for(instance, address).is_some_and(|reserved| Some(reserved) != mac) {
            return Err(Refusal::Reserved);
        }
        if self.is_held(instance, address) {
            return Err(Refusal::Taken);
        }
        if self.is_held_down(owner) {
            return Err(Refusal::HoldDown);
        }
        self.mark(instance, address).ok_or(Refusal::NotOurs)
    }

    /// Gives the next address in turn, from `pool` or, when it has none, from those linked to it.
    ///
    /// # Errors
    /// None is free.
    pub fn take_next(&mut self, pool: PoolId) -> Result<(PoolId, Ipv4Addr), Exhausted> {
        let mut next = Some(pool);
        for _ in 0..self.pool(pool).map_or(0, |pool| pool.reach) {
            let id = next.ok_or(Exhausted)?;
            let pool = self.pool_mut(id).ok_or(Exhausted)?;
            if !pool.hold_down
                && let Some(address) = pool.take_next()
            {
                return Ok((id, address));
            }
            next = pool.link;
        }
        Err(Exhausted)
    }

    /// The reservation of a client in `pool` or those linked to it, a pool's `host`s before its `host-table`: it
    /// still has to be taken.
    pub fn reservation(&self, pool: PoolId, mac: MacAddr) -> Option<(PoolId, Ipv4Addr)> {
        self.chain(pool).find_map(|id| {
            let host = self.hosts.get(&(id, mac)).copied();
            Some((id, host.or_else(|| self.pool(id)?.table.as_ref()?.address_of(mac))?))
        })
    }

    /// The client that a `host` or a `host-table` keeps `address` for.
    pub fn reserved_for(&self, instance: InstanceId, address: Ipv4Addr) -> Option<MacAddr> {
        match self.specials.get(&(instance, address)) {
            Some(special) => special.host,
            None => self.kept_in_table(instance, address),
        }
    }

    /// Whether somebody holds `address`, as far as it belongs to a pool.
    pub fn is_held(&self, instance: InstanceId, address: Ipv4Addr) -> bool {
        self.locate(instance, address).is_some_and(|(pool, place)| self.is_held_at(instance, address, pool, place))
    }

    fn is_held_at(&self, instance: InstanceId, address: Ipv4Addr, pool: PoolId, place: Place) -> bool {
        let pool = self.pool(pool);
        match place {
            Place::Special => self.specials.get(&(instance, address)).is_some_and(|special| special.held),
            Place::Table(index) => pool.and_then(|pool| pool.table.as_ref()).is_some_and(|it| it.held.contains(index)),
            Place::Position(position) => pool.is_some_and(|pool| pool.taken.contains(position)),
        }
    }

    /// Writes down that a session holds `address`, whatever the configuration says about giving it. Returns the pool
    /// it belongs to; for an address of no pool nothing is written down.
    pub fn mark(&mut self, instance: InstanceId, address: Ipv4Addr) -> Option<PoolId> {
        let (pool, place) = self.locate(instance, address)?;
        if !self.is_held_at(instance, address, pool, place) {
            self.set_held(instance, address, place, pool, true);
            self.pool_mut(pool)?.used += 1;
        }
        Some(pool)
    }

    /// Writes down that nobody holds `address` any more; its quarantine ends too.
    pub fn free(&mut self, instance: InstanceId, address: Ipv4Addr) {
        let Some((pool, place)) = self.locate(instance, address) else {
            return;
        };
        if !self.is_held_at(instance, address, pool, place) {
            return;
        }
        let was_quarantined = self.quarantined.remove(&(instance, address));
        self.set_held(instance, address, place, pool, false);
        if let Some(pool) = self.pool_mut(pool) {
            let count = if was_quarantined { &mut pool.quarantined } else { &mut pool.used };
            *count -= 1;
        }
    }

    /// Puts `address` in quarantine (DHCPDECLINE), held or not, until it is freed.
    pub fn quarantine(&mut self, instance: InstanceId, address: Ipv4Addr) {
        if let Some(pool) = self.mark(instance, address)
            && self.quarantined.insert((instance, address))
            && let Some(pool) = self.pool_mut(pool)
        {
            pool.used -= 1;
            pool.quarantined += 1;
        }
    }

    /// Usage by pool, in configuration order.
    pub fn usage(&self) -> Vec<PoolView> {
        let view = |pool: &Pool| PoolView {
            name: pool.name.clone(),
            total: pool.total,
            used: pool.used,
            quarantined: pool.quarantined,
        };
        self.pools.iter().map(view).collect()
    }

    fn pool(&self, id: PoolId) -> Option<&Pool> {
        self.pools.get(usize::from(id.0))
    }

    fn pool_mut(&mut self, id: PoolId) -> Option<&mut Pool> {
        self.pools.get_mut(usize::from(id.0))
    }

    /// The pool with `address` in a range, and its position there.
    fn position(&self, instance: InstanceId, address: Ipv4Addr) -> Option<(PoolId, u32)> {
        let key = (instance, address.to_bits());
        let behind = self.directory.partition_point(|(instance, stretch, _)| (*instance, stretch.low) <= key);
        let (of, stretch, pool) = self.directory.get(behind.checked_sub(1)?)?;
        let inside = *of == instance && key.1 <= stretch.high;
        inside.then(|| (*pool, stretch.base + (key.1 - stretch.low)))
    }

    fn locate(&self, instance: InstanceId, address: Ipv4Addr) -> Option<(PoolId, Place)> {
        match self.specials.get(&(instance, address)) {
            Some(special) => Some((special.pool, Place::Special)),
            None => match self.in_table(instance, address) {
                Some((pool, index)) => Some((pool, Place::Table(index))),
                None => self.position(instance, address).map(|(pool, position)| (pool, Place::Position(position))),
            },
        }
    }

    fn set_held(&mut self, instance: InstanceId, address: Ipv4Addr, place: Place, pool: PoolId, held: bool) {
        match place {
            Place::Special => {
                if let Some(special) = self.specials.get_mut(&(instance, address)) {
                    special.held = held;
                }
            }
            Place::Table(index) => {
                if let Some(table) = self.pool_mut(pool).and_then(|pool| pool.table.as_mut()) {
                    if held { table.held.insert(index) } else { table.held.remove(index) }
                }
            }
            Place::Position(position) => {
                if let Some(pool) = self.pool_mut(pool) {
                    if held { pool.taken.insert(position) } else { pool.taken.remove(position) }
                }
            }
        }
    }

    /// `address` becomes one of ours.
    fn own(&mut self, instance: InstanceId, address: Ipv4Addr) {
        let held = self.is_held(instance, address);
        let Some((pool, place)) = self.locate(instance, address) else {
            return;
        };
        if let Some(pool) = self.pool_mut(pool) {
            pool.total -= 1;
            if let Place::Position(position) = place {
                pool.taken.insert(position);
            }
        }
        if let Place::Table(_) = place {
            self.set_held(instance, address, place, pool, false);
        }
        let special = Special { pool, host: self.reserved_for(instance, address), own: true, held };
        self.specials.entry((instance, address)).or_insert(special).own = true;
    }

    /// `address` is ours no longer.
    fn disown(&mut self, instance: InstanceId, address: Ipv4Addr) {
        let Some(special) = self.specials.get_mut(&(instance, address)).filter(|special| special.own) else {
            return;
        };
        special.own = false;
        let special = *special;
        let in_table = self.in_table(instance, address);
        if special.host.is_none() || in_table.is_some() {
            self.specials.remove(&(instance, address));
        }
        if let Some((pool, index)) = in_table {
            self.set_held(instance, address, Place::Table(index), pool, special.held);
        }
        let position = self.position(instance, address).map(|(_, position)| position);
        let Some(pool) = self.pool_mut(special.pool) else {
            return;
        };
        pool.total += 1;
        if special.host.is_none()
            && !special.held
            && let Some(position) = position
        {
            pool.taken.remove(position);
        }
    }
}
