//! `grace-period`: an address stays kept for its client when the lease has run out (junos.md §5.1).
//!
//! The tombstone of the binding says for whom and from when, the configuration for how long, so nothing more is stored:
//! a restart works it out anew. While an address is kept, its pool gives it to that client alone. A RELEASE gives it
//! back, and a binding that we end leaves nothing that is kept.

use crate::{
    Engine,
    config::Config,
    engine::{Turn, deadline_of},
    pool::{Client, Hold, Refusal},
    session::{Record, Slot, State},
};
use alloc::vec::Vec;
use bindery_types::{InstanceId, Ipv4Addr, LeaseTime, PoolId};

/// An address that is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Grace {
    pub(crate) instance: InstanceId,
    pub(crate) address: Ipv4Addr,
    pub(crate) until: LeaseTime,
    /// When the lease ran out.
    ended: LeaseTime,
}

impl Engine {
    /// Until when the address of a lease that ran out is kept; `None` where it is not.
    pub(crate) fn grace_end(&self, record: &Record) -> Option<LeaseTime> {
        self.grace_end_in(&self.config, record.instance(), record.address(), record.end)
    }

    fn grace_end_in(
        &self,
        config: &Config,
        instance: InstanceId,
        address: Ipv4Addr,
        ended: LeaseTime,
    ) -> Option<LeaseTime> {
        // Who is sent away does not come back to it.
        let pool = self.pools.pool_of(instance, address).filter(|pool| !self.pools.is_drained(*pool))?;
        let secs = config.pool(pool)?.attributes.grace_secs;
        (secs > 0).then(|| ended.plus_secs(u64::from(secs)))
    }

    /// The binding of `before` has ended: its address is free, or kept for its client.
    pub(crate) fn leave_address(&mut self, turn: Turn, slot: Slot, before: &Record) {
        let (instance, address) = (before.instance(), before.address());
        let expired = self.sessions.get(slot).filter(|record| record.state() == State::Expired);
        let until = expired.and_then(|record| self.grace_end(record)).filter(|until| *until >= turn.lease);
        let Some(until) = until else {
            return self.pools.free(instance, address, Hold::Bound);
        };
        self.pools.shift(instance, address, Hold::Bound, Hold::Grace);
        self.graces.insert(slot, Grace { instance, address, until, ended: before.end });
        self.sessions.schedule(slot, until);
    }

    /// When a record is next looked at.
    pub(crate) fn deadline(&self, slot: Slot, record: &Record) -> LeaseTime {
        match self.graces.get(&slot) {
            Some(grace) if record.state() == State::Expired => grace.until,
            _ => deadline_of(record),
        }
    }

    /// Nothing is kept any more for the client of `slot`.
    pub(crate) fn forget_grace(&mut self, slot: Slot) {
        if let Some(grace) = self.graces.remove(&slot)
            && self.keeps(grace.instance, grace.address)
        {
            self.pools.free(grace.instance, grace.address, Hold::Grace);
        }
    }

    /// The session is bound: its address is its own, and what was kept for its client besides is free.
    pub(crate) fn settle(&mut self, slot: Slot, before: &Record) {
        if before.state() == State::Offered {
            self.pools.shift(before.instance(), before.address(), Hold::Offered, Hold::Bound);
            self.forget_grace(slot);
        }
    }

    /// Gives a wished address to a client; also the one that is kept for its tombstone.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn take_for(
        &mut self,
        tombstone: Option<Slot>,
        pool: PoolId,
        address: Ipv4Addr,
        client: Client<'_>,
    ) -> Result<PoolId, Refusal> {
        match tombstone.and_then(|slot| self.graces.get(&slot)) {
            Some(grace) if grace.address == address => self.pools.take_kept(pool, address, client),
            _ => self.pools.take(pool, address, client),
        }
    }

    /// Gives an address back that was taken and not offered.
    pub(crate) fn give_back(&mut self, tombstone: Option<Slot>, instance: InstanceId, address: Ipv4Addr) {
        self.pools.free(instance, address, Hold::Offered);
        if let Some(slot) = tombstone {
            self.keep_again(slot);
        }
    }

    /// What was offered out of an address that is kept is kept again.
    pub(crate) fn keep_again(&mut self, slot: Slot) {
        if let Some(grace) = self.graces.get(&slot) {
            self.pools.mark(grace.instance, grace.address, Hold::Grace);
        }
    }

    /// Whether the pools keep an address, and nobody is offered it meanwhile.
    fn keeps(&self, instance: InstanceId, address: Ipv4Addr) -> bool {
        self.sessions.find_by_address(instance, address).is_none()
    }

    /// Every address that is held, and by what.
    pub(crate) fn holders(&self) -> impl Iterator<Item = (InstanceId, Ipv4Addr, Hold)> {
        let kept = self.graces.values().filter(|grace| self.keeps(grace.instance, grace.address));
        self.sessions.holders().chain(kept.map(|grace| (grace.instance, grace.address, Hold::Grace)))
    }

    /// Changes the pools over to a configuration, with what is kept: other grace periods hold from now on for what is
    /// kept already.
    pub(crate) fn change_pools(&mut self, config: &Config) {
        let mut pools = core::mem::take(&mut self.pools);
        let excludes = pools.rebuild(config, self.holders());
        self.pools = pools;
        if excludes {
            self.begin_sweep();
        }
        let graces: Vec<(Slot, Grace)> = self.graces.iter().map(|(slot, grace)| (*slot, *grace)).collect();
        for (slot, grace) in graces {
            match self.grace_end_in(config, grace.instance, grace.address, grace.ended) {
                Some(until) => {
                    self.graces.insert(slot, Grace { until, ..grace });
                    self.sessions.schedule(slot, until);
                }
                None => self.forget_grace(slot),
            }
        }
    }

    /// After a start: addresses of leases that ran out are kept on, those that ran out last first.
    pub(crate) fn resume_graces(&mut self, now: LeaseTime, mut expired: Vec<(LeaseTime, Slot, LeaseTime)>) {
        expired.retain(|(_, _, until)| *until >= now);
        expired.sort_unstable_by_key(|(changed, slot, _)| (core::cmp::Reverse(*changed), *slot));
        for (_, slot, until) in expired {
            let Some(record) = self.sessions.get(slot).copied() else { continue };
            let (instance, address) = (record.instance(), record.address());
            if self.pools.is_held(instance, address) {
                continue;
            }
            self.pools.mark(instance, address, Hold::Grace);
            self.graces.insert(slot, Grace { instance, address, until, ended: record.end });
            self.sessions.schedule(slot, until);
        }
    }

    /// The sum of every pool: free, offered, bound, quarantined and kept (issue 5). Panics where it is another.
    pub(crate) fn check_pools(&self) {
        self.pools.check_holders(self.holders());
        for (slot, grace) in &self.graces {
            let covered = self.shadows.get(slot).map(|shadow| &shadow.record);
            let record = covered.or_else(|| self.sessions.get(*slot));
            let state = record.map(|record| (record.state(), record.address()));
            assert_eq!(state, Some((State::Expired, grace.address)), "{} is kept for nobody", grace.address);
        }
    }
}
