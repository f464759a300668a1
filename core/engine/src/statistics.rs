//! What operators and monitoring count by: interfaces, and numbers that are kept anyway.

use crate::{
    Engine,
    attributes::Effective,
    command::{Cursor, Gauges, LinkStatistics, PAGE_MAX, PoolView, Reply},
    engine::Turn,
    event::Counters,
    history::Origin,
    input::CommandId,
    links::pattern_matches,
    server::v4::told_secs,
    session::{Record, State},
};
use alloc::{boxed::Box, vec::Vec};
use bindery_types::{IfIndex, LeaseTime};

/// What traces go by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TracedInterface<'a> {
    /// Its name.
    pub name: &'a str,
    /// Whether its group says `interface NAME trace`.
    pub traced: bool,
    /// The routing instance that it is in.
    pub instance: &'a str,
}

impl Engine {
    /// Counters by interface: one page.
    pub(crate) fn link_statistics(&self, interface: Option<&str>, cursor: Cursor) -> Reply {
        if let Some(name) = interface.filter(|name| !name.ends_with('*')) {
            // One that is there has counters, if only zeros.
            let link = self.names.find(name).and_then(|name| self.links.by_name(name));
            let row = link.map(|link| LinkStatistics {
                interface: link.link.name.clone(),
                counters: Box::new(self.links.counted(link).cloned().unwrap_or_default()),
            });
            return Reply::LinkStatistics { rows: row.into_iter().collect(), next: None };
        }
        let (places, next) = self.links.tallies().page(cursor, PAGE_MAX);
        let named = places.filter_map(|(index, counters)| Some((&*self.links.get(index)?.link.name, counters)));
        let wanted = named.filter(|(name, _)| interface.is_none_or(|pattern| pattern_matches(pattern, name)));
        let row = |(name, counters): (&str, &Counters)| LinkStatistics {
            interface: name.into(),
            counters: Box::new(counters.clone()),
        };
        Reply::LinkStatistics { rows: wanted.map(row).collect(), next }
    }

    /// Name of an interface that is there.
    pub fn interface_name(&self, index: IfIndex) -> Option<&str> {
        self.links.get(index).map(|state| &*state.link.name)
    }

    /// An interface as traces know it.
    pub fn interface(&self, index: IfIndex) -> Option<TracedInterface<'_>> {
        let state = self.links.get(index)?;
        let entry = state.served.and_then(|served| self.config.interfaces.get(served.interface));
        Some(TracedInterface {
            name: &state.link.name,
            traced: entry.is_some_and(|entry| entry.trace),
            instance: self.config.instance_name(self.links.instance_of(index)),
        })
    }

    /// The interface of this name, as traces know it.
    pub fn interface_named(&self, name: &str) -> Option<TracedInterface<'_>> {
        self.interface(self.index_of(self.names.find(name)?))
    }

    /// Sets the counters of one interface to zero.
    pub(crate) fn clear_link_statistics(&mut self, interface: &str) -> Reply {
        let link = self.names.find(interface).and_then(|name| self.links.by_name(name));
        match link.map(|link| link.link.index) {
            Some(index) => {
                if let Some(counters) = self.links.tally(index) {
                    *counters = Counters::default();
                }
                Reply::Cleared
            }
            None => Reply::NoInterface,
        }
    }

    /// Usage by pool, in configuration order.
    pub(crate) fn pools_now(&self) -> Vec<PoolView> {
        let named =
            |view: PoolView| PoolView { instance_name: self.config.instance_name(view.instance).into(), ..view };
        self.pools.usage().into_iter().map(named).collect()
    }

    /// Numbers for monitoring.
    pub(crate) fn gauges(&self) -> Gauges {
        let name = |state| match state {
            State::Offered => "offered",
            State::Bound => "bound",
            State::Released => "released",
            State::Expired => "expired",
            State::Cleared => "cleared",
            State::Declined => "declined",
        };
        let count = |state| (name(state), u64::from(self.sessions.count_of(state)));
        let sessions: Vec<_> = State::ALL.into_iter().map(count).collect();
        Gauges {
            counters: self.counters_now(),
            sessions,
            reconfiguring: self.schedule.len() as u64,
            pools: self.pools_now(),
            storing: self.rings.commits.len() as u64,
            routing: self.rings.routings.len() as u64,
            parked: self.parking.len() as u64,
            asking: self.lobby.len() as u64,
            store_up: !self.rings.store_down,
        }
    }

    /// Seconds until T1 and T2 of a bound client, as its pool's attributes are now.
    pub(crate) fn timers_of(&self, turn: Turn, record: &Record) -> [Option<u64>; 2] {
        if record.state() != State::Bound || record.end == LeaseTime::NEVER {
            return [None; 2];
        }
        let served =
            self.served_by_name(&self.config, record).map(|served| self.served_of(&self.config, record, served));
        let Some((served, pool)) = served.zip(self.pool_of(&self.config, record)) else { return [None; 2] };
        let attributes = Effective::of(&self.config, served, pool);
        let lease = u32::try_from(record.cltt.secs_until(record.end)).unwrap_or(u32::MAX);
        let lease = told_secs(&self.config, served, lease);
        let left = |secs: u32| turn.lease.secs_until(record.cltt.plus_secs(u64::from(secs)));
        attributes.timers(lease).map(|timer| timer.map(left))
    }

    /// The counters, with what is under way now.
    pub(crate) fn counters_now(&self) -> Counters {
        let mut counters = self.counters.clone();
        counters.offer_delay.in_progress = self.delays.len() as u64;
        counters
    }

    /// Who asked for what is done now.
    pub(crate) fn origin_of(&self, command: CommandId) -> Origin {
        self.pages.iter().find(|page| page.id == command).map(|page| page.origin).unwrap_or_default()
    }
}
