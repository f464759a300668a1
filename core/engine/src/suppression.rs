//! `route-suppression` (junos.md §2.4): sessions without their route, or without its neighbour entry.
//!
//! What a session's route is stays decided in its record. What of it stands follows from the group that serves the
//! session, by the configuration in force; so a commit needs no write, and a restart finds the same. What a commit
//! changes is set or removed at once, a slice of the table a turn.

use crate::{
    Engine,
    config::RouteSuppression,
    record::RouteRecord,
    route::Destination,
    session::{NameId, Record, Slot, State},
};
use alloc::{collections::BTreeMap, vec::Vec};

/// Slots looked at in one turn.
const SLICE: u32 = 4_096;

/// What has a `route-suppression`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Holder {
    /// An interface, by its group.
    Link(NameId),
    /// A group: it serves sessions whose interface is gone, or that were steered to it.
    Group(NameId),
}

/// What is suppressed where.
pub(crate) type Suppressions = BTreeMap<Holder, RouteSuppression>;

/// A walk over the sessions whose routes are set or removed since a commit.
#[derive(Debug, Default)]
pub(crate) struct Rewrite {
    /// Whose suppression has changed since the walk began.
    changed: Vec<Holder>,
    /// The next slot; `None` when nothing runs.
    at: Option<u32>,
}

impl Engine {
    /// What of a session's decided route is to stand.
    pub(crate) fn wanted_route(&self, record: &Record) -> RouteRecord {
        if !self.suppresses {
            return record.route;
        }
        let served = self.served_by_name(&self.config, record);
        let suppression =
            served.and_then(|served| self.served_of(&self.config, record, served).route_suppression(&self.config));
        match (record.route, record.route.shown(suppression)) {
            (_, (false, _)) => RouteRecord::None,
            (RouteRecord::Link { src, .. }, (true, neighbour)) => RouteRecord::Link { src, neighbour },
            (route, _) => route,
        }
    }

    /// What of a session's decided route may stand: while a commit is carried out nobody knows which sessions it has
    /// come to.
    pub(crate) fn had_route(&self, record: &Record) -> RouteRecord {
        if self.suppression.at.is_some() { record.route } else { self.wanted_route(record) }
    }

    /// What the configuration in force suppresses.
    pub(crate) fn suppressions(&self) -> Suppressions {
        if !self.suppresses {
            return Suppressions::new();
        }
        let of_links = self
            .links
            .all()
            .filter_map(|link| Some((Holder::Link(link.name), link.served?.route_suppression(&self.config)?)));
        let of_groups = self.group_names.iter().zip(&self.config.groups);
        let of_groups = of_groups.filter_map(|(name, group)| Some((Holder::Group(*name), group.route_suppression?)));
        of_links.chain(of_groups).collect()
    }

    /// A configuration was taken over, in place of one that suppressed `former`: begins the walk where sessions are
    /// concerned.
    pub(crate) fn begin_rewrite(&mut self, former: &Suppressions) {
        let now = self.suppressions();
        let differs = |holder: &&Holder| former.get(holder) != now.get(holder);
        let changed: Vec<Holder> = former.keys().chain(now.keys()).filter(differs).copied().collect();
        if changed.is_empty() {
            return;
        }
        self.suppression.changed.extend(changed);
        self.suppression.changed.sort_unstable();
        self.suppression.changed.dedup();
        self.suppression.at = Some(0);
        self.come_again();
    }

    /// Sets or removes the routes of the next slice of sessions. Returns whether more is left.
    pub(crate) fn rewrite_routes(&mut self) -> bool {
        let Some(at) = self.suppression.at else { return false };
        let mut slots = Vec::new();
        let next = self.sessions.page(at, SLICE, &mut slots);
        for slot in slots {
            let record = self.sessions.get(slot).copied();
            let Some(record) = record.filter(|r| r.state() == State::Bound && r.route != RouteRecord::None) else {
                continue;
            };
            let of = [Holder::Link(record.link()), Holder::Group(record.group)];
            if of.iter().any(|holder| self.suppression.changed.binary_search(holder).is_ok()) {
                self.rewrite_route(slot, &record);
            }
        }
        self.suppression.at = next;
        if next.is_none() {
            self.suppression.changed.clear();
        }
        next.is_some()
    }

    fn rewrite_route(&mut self, slot: Slot, record: &Record) {
        if self.wanted_route(record) != RouteRecord::None {
            self.claim_extra_routes(slot, true);
            if let Some(route) = self.desired_route(slot) {
                self.set_routes(slot, route, false);
            }
            return;
        }
        let had: Vec<Destination> = self.routes_had(slot);
        if let Some(record) = self.sessions.get_mut(slot) {
            record.route_epoch = 0;
        }
        self.unset_former(slot, &had);
    }
}
