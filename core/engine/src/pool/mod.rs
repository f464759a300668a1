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
mod chain;
mod client;
mod give;
mod host_table;
mod intervals;
mod invariants;
#[cfg(test)]
mod model;
mod option_match;
mod table;
#[cfg(test)]
mod tests;
mod usage;

use crate::config::{Config, Utilization};
use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    vec::Vec,
};
use bindery_types::{InstanceId, Ipv4Addr, MacAddr, PoolId, Prefix4};
use bitmap::Bitmap;
use client::{Keeper, Kept};
use core::fmt;
use intervals::Intervals;
use table::Table;
use usage::Holds;

pub use client::Client;
pub use host_table::{HostTable, RESERVATIONS_MAX, Repeat, TableError};
pub use option_match::{OptionMatch, RangeId};
pub use usage::{Crossing, Hold};

/// Why a wished address is not given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// In no range and no `host` of the pool or those linked to it; excluded, or our own.
    NotOurs,
    /// A `host` or `host-table` keeps it for another client.
    Reserved,
    /// Somebody holds it, or it is in quarantine.
    Taken,
    /// Its pool takes no new bindings: `hold-down` or `active-drain`.
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
    /// The host's address, or what its client is known by, has a `host` already: left out.
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
    kept: Kept,
    /// One of our own addresses.
    own: bool,
    /// Whether a session holds it.
    held: bool,
}

/// The positions of a configured `range`.
#[derive(Clone, Debug)]
struct Span {
    name: Box<str>,
    from: u32,
    /// The first position behind it.
    to: u32,
    /// Where the next search within it begins.
    cursor: u32,
}

#[derive(Debug)]
struct Pool {
    name: Box<str>,
    instance: InstanceId,
    network: Prefix4,
    /// Ascending by base, in the order of the ranges.
    stretches: Vec<Stretch>,
    /// One a configured range, in their order: they follow one another.
    spans: Vec<Span>,
    positions: u32,
    /// Held, or special.
    taken: Bitmap,
    /// Where the next search begins.
    cursor: u32,
    link: Option<PoolId>,
    place: chain::Place,
    /// What its segment says: it gives nothing in turn.
    closed: bool,
    hold_down: bool,
    active_drain: bool,
    /// Its addresses. Our own are not among them, but for those that somebody holds.
    total: u64,
    holds: Holds,
    /// `linked-pool-aggregation`.
    aggregates: bool,
    utilization: Option<Utilization>,
    /// Above `high-utilization`, and not under `abated-utilization` since.
    high: bool,
    /// Whether it has `host`s.
    has_hosts: bool,
    client_ids: BTreeMap<Box<[u8]>, Ipv4Addr>,
    user_names: BTreeMap<Box<str>, Ipv4Addr>,
    option_match: Arc<OptionMatch>,
    table: Option<Table>,
}

impl Pool {
    fn address(&self, position: u32) -> Option<Ipv4Addr> {
        let at = self.stretches.partition_point(|stretch| stretch.base <= position).checked_sub(1)?;
        let stretch = self.stretches.get(at)?;
        let address = stretch.low.checked_add(position - stretch.base)?;
        (address <= stretch.high).then(|| Ipv4Addr::from_bits(address))
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
    /// Whom `host`s keep addresses for.
    keepers: Vec<Keeper>,
    segments: Vec<chain::Segment>,
    crossings: Vec<Crossing>,
    /// While the holders are being told, thresholds are not looked at.
    quiet: bool,
    /// What is excluded, by routing instance.
    excluded: BTreeMap<InstanceId, Intervals>,
    /// The pools with a table, by network.
    tables: BTreeSet<(InstanceId, u8, Ipv4Addr, PoolId)>,
    /// Bit n: a pool with a table has a network of n bits.
    table_lengths: u64,
    own: BTreeSet<(InstanceId, Ipv4Addr)>,
    /// Held addresses that no client has: in quarantine, or kept for their last client.
    apart: BTreeMap<(InstanceId, Ipv4Addr), Hold>,
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

    /// Changes over to a new configuration. `holders` names every address that is held, and by what; it is read
    /// only when the addresses of some pool changed. Our own addresses, and where each pool's turn is, stay. An address
    /// that is held and in no pool any more is forgotten. Returns whether other addresses are excluded now.
    pub fn rebuild(
        &mut self,
        config: &Config,
        holders: impl IntoIterator<Item = (InstanceId, Ipv4Addr, Hold)>,
    ) -> bool {
        let same = self.shapes.len() == config.pools.len()
            && self.shapes.iter().zip(&config.pools).all(|(shape, pool)| shape.is(pool));
        if same {
            build::relink(self, config);
            return false;
        }
        let mut old = core::mem::replace(self, build::build(config));
        self.keep_cursors(&old);
        self.keep_alarms(&old);
        self.crossings = core::mem::take(&mut old.crossings);
        self.quiet = true;
        for (instance, address, hold) in holders {
            self.mark(instance, address, hold);
        }
        self.exclude_own(old.own.iter().copied());
        self.quiet = false;
        (0..self.pools.len()).filter_map(|id| u16::try_from(id).ok()).for_each(|id| self.weigh(PoolId(id)));
        self.excluded != old.excluded
    }

    /// Whether `address` is excluded in its routing instance: by `excluded-address` or `excluded-range` of any pool.
    pub fn is_excluded(&self, instance: InstanceId, address: Ipv4Addr) -> bool {
        self.excluded.get(&instance).is_some_and(|excluded| excluded.contains(address.to_bits()))
    }

    /// Whether anything is excluded.
    pub fn excludes(&self) -> bool {
        !self.excluded.is_empty()
    }

    /// What of the configuration was left out.
    pub fn oddities(&self) -> &[Oddity] {
        &self.oddities
    }

    /// Our own interface addresses, all of them, in place of those before: never given in the routing instance of the
    /// interface. Who holds one keeps it.
    pub fn exclude_own(&mut self, addresses: impl IntoIterator<Item = (InstanceId, Ipv4Addr)>) {
        let new: BTreeSet<(InstanceId, Ipv4Addr)> = addresses.into_iter().collect();
        let old = core::mem::take(&mut self.own);
        old.difference(&new).for_each(|&(instance, address)| self.disown(instance, address));
        new.difference(&old).for_each(|&(instance, address)| self.own(instance, address));
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
        self.pool(pool).is_some_and(|pool| pool.hold_down || pool.active_drain)
    }

    /// Whether the pool sends away who holds an address of it.
    pub fn is_drained(&self, pool: PoolId) -> bool {
        self.pool(pool).is_some_and(|pool| pool.active_drain)
    }

    /// The range of `pool` for a client behind a circuit and a remote id (`option-match option-82`).
    pub fn matched_range(&self, pool: PoolId, circuit_id: Option<&[u8]>, remote_id: Option<&[u8]>) -> Option<RangeId> {
        self.pool(pool)?.option_match.find(circuit_id, remote_id)
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
                self.refresh(pool);
            }
        }
    }

    /// `address` becomes one of ours.
    fn own(&mut self, instance: InstanceId, address: Ipv4Addr) {
        let held = self.is_held(instance, address);
        let Some((id, place)) = self.locate(instance, address) else {
            return;
        };
        let kept = self.kept(instance, address);
        match place {
            Place::Position(_) => self.set_held(instance, address, place, id, true),
            Place::Table(_) => self.set_held(instance, address, place, id, false),
            Place::Special => {}
        }
        if !held && let Some(pool) = self.pool_mut(id) {
            pool.total -= 1;
        }
        let special = Special { pool: id, kept, own: true, held };
        self.specials.entry((instance, address)).or_insert(special).own = true;
        self.weigh(id);
    }

    /// `address` is ours no longer.
    fn disown(&mut self, instance: InstanceId, address: Ipv4Addr) {
        let Some(special) = self.specials.get_mut(&(instance, address)).filter(|special| special.own) else {
            return;
        };
        special.own = false;
        let special = *special;
        if !matches!(special.kept, Kept::Host(_)) {
            self.specials.remove(&(instance, address));
            if let Some((id, place)) = self.locate(instance, address) {
                self.set_held(instance, address, place, id, special.held);
            }
        }
        if !special.held
            && let Some(pool) = self.pool_mut(special.pool)
        {
            pool.total += 1;
        }
        self.weigh(special.pool);
    }
}
