//! Start: the sessions of the database come back to life, and their routes are projected.

use crate::{
    Engine,
    clock::LeaseClock,
    config::Config,
    engine::deadline_of,
    event::Event,
    instances::NOWHERE,
    pool::Hold,
    record::{Bound, LeaseRecord, MetaRecord, StoredSession},
    route::Route,
    session::{RestoreError, Slot, State},
};
use alloc::{sync::Arc, vec::Vec};
use bindery_types::{Ipv4Addr, LeaseTime, Now};

/// Slots looked at in one turn while routes are projected.
const PROJECT_SLICE: u32 = 4_096;

/// Sessions for whose indexes room is made beforehand at most, whatever a database claims to hold: 50 MB.
const EXPECTED: u32 = 1 << 21;

impl Engine {
    /// Makes room for so many sessions, before [`Engine::restore`] takes them in, so that no index grows on the way. A
    /// wrong number does no harm.
    pub fn reserve_sessions(&mut self, sessions: u64) {
        let most = u64::from(EXPECTED);
        self.sessions.reserve(sessions.min(most) as u32);
    }

    /// Takes in what the session database holds. Call once, before the first packet.
    ///
    /// A session whose address is in another live one is left out with an event: nothing is lost in silence, and no
    /// address is in two bindings. Sessions of one client all stay: they were duplicates once. Each lease ends when the
    /// client was promised where the last run ended in order, else when storage keeps it to: a renewal may have been
    /// answered and not written.
    pub fn restore(&mut self, now: Now, meta: Option<&MetaRecord>, sessions: impl IntoIterator<Item = StoredSession>) {
        let (mut newest, mut made, mut change) = (LeaseTime(0), 0, 0);
        let mut ended: Vec<(LeaseTime, Slot)> = Vec::new();
        let mut reconfiguring: Vec<(Slot, LeaseTime)> = Vec::new();
        let promises_from = meta.filter(|meta| meta.in_order).map_or(u64::MAX, |meta| meta.promises_from);
        for mut stored in sessions {
            let kept = stored.lease.end;
            if stored.lease.change >= promises_from {
                stored.lease.end = promised(&stored.lease);
            }
            let lease = &stored.lease;
            newest = newest.max(lease.changed).max(lease.cltt);
            change = change.max(lease.change);
            if lease.key.session.engine() == self.id {
                made = made.max(lease.key.session.count());
            }
            let instance = Config::restored_instance(&mut self.config, &stored.identity.instance, lease.instance)
                .unwrap_or(NOWHERE);
            match self.sessions.insert_stored(&stored, instance, &mut self.names) {
                Ok(slot) => {
                    if let Some(record) = self.sessions.get_mut(slot) {
                        record.set_kept(kept);
                    }
                    if let Some(record) = self.sessions.get(slot).copied() {
                        self.sessions.schedule(slot, deadline_of(&record));
                        reconfiguring.extend(lease.reconfigure_due.map(|due| (slot, due)));
                        if record.state() == State::Declined {
                            self.quarantines.extend(self.sessions.handle(slot));
                        } else if !record.state().holds_address() {
                            ended.push((record.changed, slot));
                        }
                    }
                }
                Err(error) => self.restore_conflict(&stored, error),
            }
        }
        ended.sort_unstable();
        let entry = |slot| Some((self.sessions.handle(slot)?, self.sessions.get(slot)?.change));
        self.tombstones = ended.into_iter().filter_map(|(_, slot)| entry(slot)).collect();
        self.clock = LeaseClock::start(now, meta, newest);
        if !self.clock.may_expire() {
            self.outbox.events.push(Event::ClockBehind { secs: self.clock.behind_secs() });
        }
        self.resume_numbers(meta, made, change);
        self.feed.begin(self.change);
        let config = Arc::clone(&self.config);
        self.mark_holders(self.clock.at(now.mono));
        self.configure(Arc::clone(&config));
        self.trace_lines(&config);
        self.begin_sweep();
        self.resume_reconfigurations(&reconfiguring, now.mono);
        self.write_meta();
    }

    fn restore_conflict(&mut self, stored: &StoredSession, error: RestoreError) {
        let address = match stored.lease.bound {
            Bound::V4Address(address) => address,
            Bound::V6 { .. } => Ipv4Addr::UNSPECIFIED,
        };
        debug_assert!(!matches!(error, RestoreError::TooLong));
        self.outbox.events.push(Event::RestoreConflict { session: stored.lease.key.session, address });
    }

    /// Tells the pools who holds what, after a start.
    fn mark_holders(&mut self, now: LeaseTime) {
        let (mut slots, mut from) = (Vec::new(), Some(0));
        let mut routed: Vec<(LeaseTime, Slot)> = Vec::new();
        let mut graces: Vec<(LeaseTime, Slot, LeaseTime)> = Vec::new();
        while let Some(start) = from {
            slots.clear();
            from = self.sessions.page(start, PROJECT_SLICE, &mut slots);
            for (slot, record) in slots.iter().filter_map(|slot| Some((*slot, self.sessions.get(*slot)?))) {
                let (instance, address) = (record.instance(), record.address());
                match record.state() {
                    State::Declined => self.pools.quarantine(instance, address),
                    State::Bound => {
                        self.pools.mark(instance, address, Hold::Bound);
                        if self.wants_extra_routes(slot) {
                            routed.push((record.start, slot));
                        }
                    }
                    State::Expired => graces.extend(self.grace_end(record).map(|until| (record.changed, slot, until))),
                    State::Offered | State::Released | State::Cleared => {}
                }
            }
        }
        self.resume_graces(now, graces);
        // Who had a prefix before has it again.
        routed.sort_unstable();
        for (_, slot) in routed {
            self.claim_extra_routes(slot, true);
        }
    }

    /// All routes that should stand: for the first reconciliation of a forwarding plane. Walks the whole table, so
    /// only at start and when a plane is replaced.
    pub fn desired_routes(&mut self) -> Vec<Route> {
        // Interfaces may have come since the last turn.
        self.settle_links();
        self.unprojected.clear();
        self.unprojected_next.clear();
        // What another plane set is not known to stand in this one: renewals ask for it again.
        self.reconciled = false;
        self.links.all_routes_lost();
        let (mut routes, mut slots, mut from) = (Vec::new(), Vec::new(), Some(0));
        while let Some(start) = from {
            slots.clear();
            from = self.sessions.page(start, PROJECT_SLICE, &mut slots);
            for slot in &slots {
                if let Some(route) = self.desired_route(*slot) {
                    routes.push(route);
                    routes.extend(self.extra_routes_of(*slot, route));
                }
            }
        }
        routes
    }

    /// The route of a session whose interface is there.
    pub(crate) fn desired_route(&self, slot: Slot) -> Option<Route> {
        let record = self.sessions.get(slot)?;
        // Of an interface that is in another routing instance now nothing leads to this session.
        let link = self.links.by_name(record.link()).filter(|link| link.instance == record.instance())?;
        self.route_of(slot, link.link.index)
    }

    /// Interfaces are in another routing instance: their sessions' routes are looked through.
    pub(crate) fn project_moved(&mut self) {
        self.unprojected_next.extend(self.links.take_moved());
    }

    /// Removes the routes of a session whose interface has gone to another routing instance; they come again with it.
    fn leave_instance(&mut self, slot: Slot) {
        let Some(record) = self.sessions.get(slot) else { return };
        if self.links.by_name(record.link()).is_none_or(|link| link.instance == record.instance()) {
            return;
        }
        let had = self.routes_had(slot);
        if let Some(record) = self.sessions.get_mut(slot) {
            record.route_epoch = 0;
        }
        self.unset_routes(&had);
    }

    /// Asks for the routes of sessions on interfaces that have appeared, a slice a turn. Returns whether more is
    /// left.
    pub(crate) fn project_links(&mut self) -> bool {
        if self.unprojected.is_empty() {
            // A walk is never begun anew: interfaces may keep coming for as long as it takes.
            core::mem::swap(&mut self.unprojected, &mut self.unprojected_next);
            self.projected = 0;
        }
        if self.unprojected.is_empty() {
            return false;
        }
        let mut slots = Vec::new();
        let next = self.sessions.page(self.projected, PROJECT_SLICE, &mut slots);
        for slot in slots {
            if !self.sessions.get(slot).is_some_and(|r| self.unprojected.contains(&r.link())) {
                continue;
            }
            match self.desired_route(slot) {
                Some(route) => _ = self.set_routes(slot, route, false),
                None => self.leave_instance(slot),
            }
        }
        match next {
            Some(next) => self.projected = next,
            None => self.unprojected.clear(),
        }
        next.is_some() || !self.unprojected_next.is_empty()
    }
}

/// The end that the client of a stored session was promised when it was written.
fn promised(lease: &LeaseRecord) -> LeaseTime {
    if lease.end == LeaseTime::NEVER {
        lease.end
    } else {
        LeaseTime(lease.end.0.saturating_sub(u64::from(lease.ahead)))
    }
}
