//! Chains of linked pools, and the order in which they are searched (junos.md §5.1).
//!
//! A client's pool is the matched one. When it has no address, the search goes on at the first pool of its chain and
//! then along the links; with `linked-pool-aggregation` along the links from the matched pool on, then from the first
//! pool. Links form a forest: several pools may lead to one, and what would lead back is left out. The first pool of a
//! chain is found against the links, by the least name where several lead to one pool, so that neither the order of the
//! configuration nor a pool that is added elsewhere changes it.
//!
//! A segment holds pools that follow one another. Which of them have an address to give is a bitmap, so that a search
//! does not touch the pools that are full.

use super::{Bitmap, Oddity, OddityKind, Pools, build::numbered};
use crate::config::Config;
use alloc::{collections::BTreeSet, vec::Vec};
use bindery_types::{InstanceId, PoolId};

/// Pools that follow one another.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) pools: Vec<PoolId>,
    /// Places of pools that give nothing in turn: full, or taking no new bindings.
    closed: Bitmap,
    /// Places of pools without reservations.
    plain: Bitmap,
    /// Where the links of the last pool lead: into another segment.
    onward: Option<PoolId>,
}

/// Where a pool stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Place {
    pub(super) segment: u32,
    pub(super) at: u32,
}

/// Links of a configuration as they are followed: into the same routing instance, and never back.
fn links(pools: &mut Pools, config: &Config) -> Vec<Option<PoolId>> {
    let instances: Vec<InstanceId> = pools.pools.iter().map(|pool| pool.instance).collect();
    let mut links = Vec::new();
    for (id, new) in numbered(config) {
        let fits = |link: &PoolId| instances.get(usize::from(link.0)) == Some(&new.instance);
        let link = new.link.filter(fits);
        if link != new.link {
            pools.oddities.push(Oddity { pool: id, kind: OddityKind::LinkNowhere, address: new.network.address() });
        }
        links.push(link);
    }
    let next = |links: &[Option<PoolId>], id: PoolId| links.get(usize::from(id.0)).copied().flatten();
    // 0: not looked at; n: on the path that began at pool n - 1; MAX: done.
    let mut seen = alloc::vec![0u32; links.len()];
    for start in 0..links.len() {
        let mut at = u16::try_from(start).ok().map(PoolId);
        let mark = start as u32 + 1;
        while let Some(id) = at
            && let Some(was) = seen.get_mut(usize::from(id.0))
            && *was == 0
        {
            *was = mark;
            at = next(&links, id);
        }
        let Some(met) = at.filter(|id| seen.get(usize::from(id.0)) == Some(&mark)) else { continue };
        // A loop: the link to its pool of the least name goes.
        let mut round = alloc::vec![met];
        while let Some(id) = round.last().and_then(|last| next(&links, *last)).filter(|id| *id != met) {
            round.push(id);
        }
        let first = round.iter().copied().min_by(|one, other| pools.by_name(*one, *other)).unwrap_or(met);
        let last = round.iter().copied().find(|id| next(&links, *id) == Some(first));
        if let Some(link) = last.and_then(|last| links.get_mut(usize::from(last.0))) {
            *link = None;
        }
        pools.oddities.push(Oddity { pool: first, kind: OddityKind::LinkLoop, address: pools.scope(first) });
    }
    links
}

/// Takes over names, drains and `link`s, and lays out the chains.
pub(super) fn lay(pools: &mut Pools, config: &Config) {
    pools.oddities.retain(|oddity| !matches!(oddity.kind, OddityKind::LinkNowhere | OddityKind::LinkLoop));
    let links = links(pools, config);
    // Of all that lead to a pool, the one of the least name comes before it in its segment.
    let mut before: Vec<Option<PoolId>> = alloc::vec![None; links.len()];
    for ((id, _), link) in numbered(config).zip(&links) {
        let Some(slot) = link.and_then(|link| before.get_mut(usize::from(link.0))) else { continue };
        let first = slot.is_none_or(|other| pools.by_name(id, other).is_lt());
        if first {
            *slot = Some(id);
        }
    }
    pools.segments.clear();
    for (id, _) in numbered(config) {
        if before.get(usize::from(id.0)).is_some_and(|before| before.is_none()) {
            segment(pools, id, &links, &before);
        }
    }
    for (id, _) in numbered(config) {
        pools.refresh(id);
    }
}

/// Makes the segment that begins at `start`.
fn segment(pools: &mut Pools, start: PoolId, links: &[Option<PoolId>], before: &[Option<PoolId>]) {
    let number = pools.segments.len() as u32;
    let mut list = Vec::new();
    let (mut next, mut onward) = (Some(start), None);
    while let Some(id) = next {
        let place = Place { segment: number, at: list.len() as u32 };
        list.push(id);
        next = links.get(usize::from(id.0)).copied().flatten();
        if let Some(pool) = pools.pool_mut(id) {
            pool.place = place;
            pool.link = next;
            pool.closed = false;
        }
        if next.and_then(|next| before.get(usize::from(next.0)).copied().flatten()) != Some(id) {
            onward = next.take();
        }
    }
    let mut plain = Bitmap::new(list.len() as u32);
    let reserving: BTreeSet<PoolId> = list.iter().copied().filter(|id| pools.reserves(*id)).collect();
    (0u32..).zip(&list).filter(|(_, id)| !reserving.contains(id)).for_each(|(at, _)| plain.insert(at));
    let closed = Bitmap::new(list.len() as u32);
    pools.segments.push(Segment { pools: list, closed, plain, onward });
}

impl Pools {
    fn by_name(&self, one: PoolId, other: PoolId) -> core::cmp::Ordering {
        let key = |id| (self.pool(id).map(|pool| &*pool.name), id);
        key(one).cmp(&key(other))
    }

    fn reserves(&self, id: PoolId) -> bool {
        self.pool(id).is_some_and(|pool| pool.has_hosts || pool.table.is_some())
    }

    fn aggregates(&self, pool: PoolId) -> bool {
        self.pool(pool).is_some_and(|pool| pool.aggregates)
    }

    /// The first pool of the chain of `pool`.
    fn first_of(&self, pool: PoolId) -> Option<PoolId> {
        let place = self.pool(pool)?.place;
        self.segments.get(place.segment as usize)?.pools.first().copied()
    }

    fn along(&self, from: Option<PoolId>) -> impl Iterator<Item = PoolId> + use<'_> {
        core::iter::successors(from, |&id| self.pool(id)?.link)
    }

    /// The pool and those linked to it, in the order in which they are searched: each once.
    pub fn chain(&self, pool: PoolId) -> impl Iterator<Item = PoolId> + use<'_> {
        let (own, aggregates) = (self.pool(pool).map(|_| pool), self.aggregates(pool));
        let matched = self.along(own).take(if aggregates { usize::MAX } else { 1 });
        let others = self.along(self.first_of(pool)).take_while(move |id| !aggregates || *id != pool);
        matched.chain(others.filter(move |id| *id != pool))
    }

    /// Whether `other` is searched for a client whose matched pool is `pool`. It takes as many steps as pools lead
    /// into the chain from outside of it.
    pub fn in_chain(&self, pool: PoolId, other: PoolId) -> bool {
        let (Some(from), Some(to)) = (self.pool(pool), self.pool(other)) else { return false };
        if from.place.segment == to.place.segment {
            return true;
        }
        let onward = |segment: u32| {
            let at = self.segments.get(segment as usize)?.onward?;
            Some(self.pool(at)?.place)
        };
        core::iter::successors(onward(from.place.segment), |place| onward(place.segment))
            .any(|place| place.segment == to.place.segment && place.at <= to.place.at)
    }

    /// Pools of the chain that `found` knows places of, each segment at once, in the order of the search.
    fn search(&self, pool: PoolId, of: impl Fn(&Segment) -> &Bitmap) -> impl Iterator<Item = PoolId> {
        // From a place on, along segments: the next place that is not in the set.
        let next = move |mut place: Place| {
            loop {
                let segment = self.segments.get(place.segment as usize)?;
                if let Some(at) = of(segment).next_absent(place.at)
                    && let Some(id) = segment.pools.get(at as usize)
                {
                    return Some((*id, Place { at, ..place }));
                }
                place = self.pool(segment.onward?)?.place;
            }
        };
        let behind = |place: Place| Place { at: place.at + 1, ..place };
        let own = self.pool(pool).map(|pool| pool.place);
        let (first, aggregates) = (own.map(|place| Place { at: 0, ..place }), self.aggregates(pool));
        let mut matched = own;
        let mut others = first;
        core::iter::from_fn(move || {
            while let Some(from) = matched {
                let found = next(from);
                matched = found.map(|(_, place)| behind(place)).filter(|_| aggregates);
                match found {
                    Some((id, _)) if aggregates || id == pool => return Some(id),
                    _ => {}
                }
            }
            while let Some(from) = others {
                let found = next(from);
                others = found.map(|(_, place)| behind(place));
                let (id, place) = found?;
                // With aggregation what lies from the matched pool on was searched before.
                let past = own.is_none_or(|own| place.segment != own.segment || place.at >= own.at);
                if aggregates && past {
                    others = None;
                    return None;
                }
                if id != pool {
                    return Some(id);
                }
            }
            None
        })
    }

    /// Pools of the chain with something to give in turn.
    pub(super) fn open(&self, pool: PoolId) -> impl Iterator<Item = PoolId> {
        self.search(pool, |segment| &segment.closed)
    }

    /// Pools of the chain with reservations.
    pub(super) fn reserving(&self, pool: PoolId) -> impl Iterator<Item = PoolId> {
        self.search(pool, |segment| &segment.plain)
    }

    /// Writes down whether a pool has something to give in turn, after that may have changed.
    pub(super) fn refresh(&mut self, id: PoolId) {
        let Some(pool) = self.pool_mut(id) else { return };
        let closed = pool.hold_down || pool.active_drain || pool.taken.is_full();
        if closed == pool.closed {
            return;
        }
        pool.closed = closed;
        let place = pool.place;
        if let Some(segment) = self.segments.get_mut(place.segment as usize) {
            if closed { segment.closed.insert(place.at) } else { segment.closed.remove(place.at) }
        }
    }

    /// # Panics
    /// When a segment does not tell what its pools do: for tests.
    pub(super) fn check_chains(&self) {
        let mut seen = BTreeSet::new();
        for (number, segment) in (0u32..).zip(&self.segments) {
            for (at, id) in (0u32..).zip(&segment.pools) {
                let Some(pool) = self.pool(*id) else { panic!("a segment has a pool that is not there") };
                assert_eq!(pool.place, Place { segment: number, at }, "place of {}", pool.name);
                let closed = pool.hold_down || pool.active_drain || pool.taken.is_full();
                assert_eq!((pool.closed, segment.closed.contains(at)), (closed, closed), "{} is closed", pool.name);
                assert_eq!(segment.plain.contains(at), !self.reserves(*id), "reservations of {}", pool.name);
                assert!(seen.insert(*id), "{} stands twice", pool.name);
                let next = segment.pools.get(at as usize + 1).copied().or(segment.onward);
                assert_eq!(pool.link, next, "link of {}", pool.name);
            }
        }
        assert_eq!(seen.len(), self.pools.len(), "each pool stands in one segment");
    }
}
