//! Giving addresses, and taking them back.

use super::{Client, Exhausted, Hold, Pool, Pools, RangeId, Refusal};
use bindery_types::{InstanceId, Ipv4Addr, PoolId};

impl Pool {
    /// Takes the next free address in turn.
    fn take_next(&mut self) -> Option<Ipv4Addr> {
        let position = self.taken.next_absent(self.cursor).or_else(|| self.taken.next_absent(0))?;
        self.cursor = position.wrapping_add(1);
        self.give(position)
    }

    /// Takes the next free address of the first range that has one.
    fn take_next_by_range(&mut self) -> Option<Ipv4Addr> {
        let first = self.taken.next_absent(0)?;
        let range = self.spans.partition_point(|span| span.to <= first);
        self.take_next_in(range)
    }

    /// Takes the next free address of a range, in turn within it.
    fn take_next_in(&mut self, range: usize) -> Option<Ipv4Addr> {
        let span = self.spans.get_mut(range)?;
        let within = |position: &u32| *position < span.to;
        let position = self.taken.next_absent(span.cursor).filter(within);
        let position = position.or_else(|| self.taken.next_absent(span.from).filter(within))?;
        span.cursor = position.wrapping_add(1);
        self.give(position)
    }

    fn give(&mut self, position: u32) -> Option<Ipv4Addr> {
        let address = self.address(position)?;
        self.taken.insert(position);
        self.holds.add(Hold::Offered);
        Some(address)
    }
}

impl Pools {
    /// Whether `pool`, or one linked to it, has an address that the client may be given: one that nobody holds, or
    /// that is reserved for it.
    pub fn has_any<'a>(&self, pool: PoolId, client: impl Into<Client<'a>>) -> bool {
        self.open(pool).next().is_some() || self.reservation(pool, client).is_some_and(|(id, _)| !self.is_held_down(id))
    }

    /// Gives a wished address to a client, from `pool` or those linked to it: it is [`Hold::Offered`] then. Returns the
    /// pool it belongs to.
    ///
    /// # Errors
    /// Why not.
    pub fn take<'a>(
        &mut self,
        pool: PoolId,
        address: Ipv4Addr,
        client: impl Into<Client<'a>>,
    ) -> Result<PoolId, Refusal> {
        let (instance, owner) = self.may_take(pool, address, client.into())?;
        if self.is_held(instance, address) {
            return Err(Refusal::Taken);
        }
        self.mark(instance, address, Hold::Offered).ok_or(Refusal::NotOurs)?;
        Ok(owner)
    }

    /// The same of an address that is kept for this client ([`Hold::Grace`]).
    ///
    /// # Errors
    /// Why not; [`Refusal::Taken`] where it is not kept at all. It is kept on then.
    pub fn take_kept<'a>(
        &mut self,
        pool: PoolId,
        address: Ipv4Addr,
        client: impl Into<Client<'a>>,
    ) -> Result<PoolId, Refusal> {
        let (instance, owner) = self.may_take(pool, address, client.into())?;
        if self.apart.get(&(instance, address)) != Some(&Hold::Grace) {
            return Err(Refusal::Taken);
        }
        self.shift(instance, address, Hold::Grace, Hold::Offered);
        Ok(owner)
    }

    /// Whether the configuration lets `client` have `address` as one of `pool`: where and whose it is then.
    fn may_take(&self, pool: PoolId, address: Ipv4Addr, client: Client<'_>) -> Result<(InstanceId, PoolId), Refusal> {
        let instance = self.pool(pool).ok_or(Refusal::NotOurs)?.instance;
        let owner = self.pool_of(instance, address).ok_or(Refusal::NotOurs)?;
        if !self.in_chain(pool, owner) {
            return Err(Refusal::NotOurs);
        }
        if self.is_reserved_from(instance, address, client) {
            return Err(Refusal::Reserved);
        }
        if self.is_held_down(owner) {
            return Err(Refusal::HoldDown);
        }
        Ok((instance, owner))
    }

    /// Whether `address` lies in a range of `pool`.
    pub fn is_in_range(&self, pool: PoolId, range: RangeId, address: Ipv4Addr) -> bool {
        let Some(instance) = self.pool(pool).map(|pool| pool.instance) else { return false };
        let position = self.position(instance, address).filter(|(owner, _)| *owner == pool);
        let span = self.pool(pool).and_then(|pool| pool.spans.get(usize::from(range.0)));
        position.zip(span).is_some_and(|((_, position), span)| span.from <= position && position < span.to)
    }

    /// Gives the next address in turn, from `pool` or, when it has none, from those linked to it.
    ///
    /// # Errors
    /// None is free.
    pub fn take_next(&mut self, pool: PoolId) -> Result<(PoolId, Ipv4Addr), Exhausted> {
        let id = self.open(pool).next().ok_or(Exhausted)?;
        let pool = self.pool_mut(id).ok_or(Exhausted)?;
        let given = if pool.aggregates { pool.take_next_by_range() } else { pool.take_next() };
        self.given(id, given)
    }

    /// Gives the next address in turn of one range of `pool`.
    ///
    /// # Errors
    /// None is free in the range.
    pub fn take_next_in(&mut self, pool: PoolId, range: RangeId) -> Result<(PoolId, Ipv4Addr), Exhausted> {
        let id = pool;
        let pool = self.pool_mut(id).filter(|pool| !pool.hold_down && !pool.active_drain).ok_or(Exhausted)?;
        let given = pool.take_next_in(usize::from(range.0));
        self.given(id, given)
    }

    fn given(&mut self, id: PoolId, given: Option<Ipv4Addr>) -> Result<(PoolId, Ipv4Addr), Exhausted> {
        let address = given.ok_or(Exhausted)?;
        self.refresh(id);
        self.weigh(id);
        Ok((id, address))
    }

    /// Writes down that `address` is held, whatever the configuration says about giving it; what is held already stays
    /// as it is. Returns the pool it belongs to; for an address of no pool nothing is written down.
    pub fn mark(&mut self, instance: InstanceId, address: Ipv4Addr, hold: Hold) -> Option<PoolId> {
        let (id, place) = self.locate(instance, address)?;
        if !self.is_held_at(instance, address, id, place) {
            let own = self.specials.get(&(instance, address)).is_some_and(|special| special.own);
            self.set_held(instance, address, place, id, true);
            let pool = self.pool_mut(id)?;
            pool.holds.add(hold);
            pool.total += u64::from(own);
            self.set_apart(instance, address, hold);
            self.weigh(id);
        }
        Some(id)
    }

    /// Writes down that what held `address` is another now. An address that nobody holds is held from then on.
    pub fn shift(&mut self, instance: InstanceId, address: Ipv4Addr, from: Hold, to: Hold) {
        if !self.is_held(instance, address) {
            self.mark(instance, address, to);
            return;
        }
        let from = self.apart.get(&(instance, address)).copied().unwrap_or(from);
        let Some((id, _)) = self.locate(instance, address) else { return };
        self.set_apart(instance, address, to);
        if let Some(pool) = self.pool_mut(id) {
            pool.holds.sub(from);
            pool.holds.add(to);
        }
    }

    /// Puts an address in quarantine that is bound or that nobody holds, until it is freed.
    pub fn quarantine(&mut self, instance: InstanceId, address: Ipv4Addr) {
        self.shift(instance, address, Hold::Bound, Hold::Quarantine);
    }

    fn set_apart(&mut self, instance: InstanceId, address: Ipv4Addr, hold: Hold) {
        if matches!(hold, Hold::Quarantine | Hold::Grace) {
            self.apart.insert((instance, address), hold);
        } else {
            self.apart.remove(&(instance, address));
        }
    }

    /// Writes down that nobody holds `address` any more. `hold` says what held it, where that was a client.
    pub fn free(&mut self, instance: InstanceId, address: Ipv4Addr, hold: Hold) {
        let Some((id, place)) = self.locate(instance, address) else {
            return;
        };
        if !self.is_held_at(instance, address, id, place) {
            return;
        }
        let hold = self.apart.remove(&(instance, address)).unwrap_or(hold);
        let own = self.specials.get(&(instance, address)).is_some_and(|special| special.own);
        self.set_held(instance, address, place, id, false);
        if let Some(pool) = self.pool_mut(id) {
            pool.holds.sub(hold);
            pool.total -= u64::from(own);
        }
        self.weigh(id);
    }
}
