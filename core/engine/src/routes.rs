//! The routes of sessions: the access-internal one and those beside it via the client, which of them is asked for, and
//! what their watermark releases.
//!
//! A prefix beside an address is the session's that asked for it first. It keeps it until its binding ends or is
//! decided otherwise, also over a restart; who comes later goes without, and takes it at a renewal when it is free. No
//! such route ever takes the place of another subscriber's access-internal one.

use crate::{
    Engine,
    binding::BindingEvent,
    commit::Routing,
    engine::{BUSY_ROUTE, Turn},
    event::{Event, ExchangeId},
    exchange::{self, ExchangeEvent, ExchangeState},
    record::RouteRecord,
    route::{Destination, Route, RouteChange, RouteError, RouteFailure, RouteOp, RouteSeq},
    session::{Record, Slot, State},
    subscriber::{RouteMarks, extra_routes_in},
};
use alloc::vec::Vec;
use bindery_types::{IfIndex, Ipv4Addr};

/// What is missing before an ACK may leave.
pub(crate) enum Missing {
    /// Nothing: the routes stand, or none belongs to the session.
    Nothing,
    /// The interface is gone.
    Link,
    /// This route, and those beside it, in this epoch of the interface.
    Route(Route, u32),
}

impl Engine {
    /// What is missing before the ACK of a durable binding may leave.
    pub(crate) fn missing_route(&mut self, slot: Slot, before: &Record, rewritten: bool) -> Missing {
        let Some(record) = self.sessions.get(slot).copied() else {
            return Missing::Link;
        };
        if self.wanted_route(&record) == RouteRecord::None {
            return Missing::Nothing;
        }
        let Some((epoch, index)) = self.links.by_name(record.link()).map(|l| (l.route_epoch, l.link.index)) else {
            return Missing::Link;
        };
        // A prefix that somebody else had may be free by now.
        let claimed = self.claim_extra_routes(slot, rewritten);
        // A new identity may have a new MAC address: the neighbour entry follows.
        let moved = rewritten || before.link() != record.link() || before.giaddr != record.giaddr;
        if record.route_epoch == epoch && !moved && !claimed {
            return Missing::Nothing;
        }
        match self.route_of(slot, index) {
            Some(route) => Missing::Route(route, epoch),
            None => Missing::Nothing,
        }
    }

    /// The access-internal route that a bound session should have.
    pub(crate) fn route_of(&self, slot: Slot, link: IfIndex) -> Option<Route> {
        let record = self.sessions.get(slot)?;
        let identity = self.sessions.identity(slot)?;
        let some = |address: Ipv4Addr| (!address.is_unspecified()).then_some(address);
        let (via, src, neighbour) = match self.wanted_route(record) {
            RouteRecord::None => return None,
            RouteRecord::Link { src, neighbour } => (None, some(src), identity.hw.mac().filter(|_| neighbour)),
            RouteRecord::Via { src } => (some(record.giaddr), some(src), None),
        };
        let RouteMarks { metric, table, tag } = RouteMarks::of(identity.subscriber);
        let route = Route::host(record.instance(), record.address(), link);
        (record.state() == State::Bound).then_some(Route { via, src, neighbour, metric, table, tag, ..route })
    }

    /// The routes beside `own`, the session's access-internal one, to prefixes that the session has. They go via the
    /// client, which is a neighbour of ours, or via its relay.
    pub(crate) fn extra_routes_of(&self, slot: Slot, own: Route) -> impl Iterator<Item = Route> + use<'_> {
        let handle = self.sessions.handle(slot);
        self.extra_wanted(slot)
            .filter(move |at| handle.is_some() && self.extra_routes.get(at).copied() == handle)
            .map(move |at| beside(own, at))
    }

    /// The destinations beside its address that a session wants, whoever has them.
    pub(crate) fn extra_wanted(&self, slot: Slot) -> impl Iterator<Item = Destination> + use<'_> {
        let has_route = |record: &Record| self.wanted_route(record) != RouteRecord::None;
        self.extra_decided(slot).filter(move |_| self.sessions.get(slot).is_some_and(has_route))
    }

    /// The same, whether they are suppressed or not.
    fn extra_decided(&self, slot: Slot) -> impl Iterator<Item = Destination> + use<'_> {
        let found = self.sessions.get(slot).zip(self.sessions.identity(slot));
        let found = found.filter(|(record, _)| record.state() == State::Bound && record.route != RouteRecord::None);
        found.into_iter().flat_map(|(record, identity)| {
            let own = own_destination(record, identity.subscriber);
            extra_routes_in(identity.subscriber)
                .map(move |extra| Destination { dst: extra.network, len: extra.len, ..own })
                .filter(move |at| *at != own)
        })
    }

    /// Whether a session wants routes beside its access-internal one.
    pub(crate) fn wants_extra_routes(&self, slot: Slot) -> bool {
        self.extra_wanted(slot).next().is_some()
    }

    /// Takes those of its prefixes for a session that nobody has; whether it got one. `tell` says of those that it does
    /// not get.
    pub(crate) fn claim_extra_routes(&mut self, slot: Slot, tell: bool) -> bool {
        if !self.wants_extra_routes(slot) {
            return false;
        }
        let Some((handle, session)) = self.sessions.handle(slot).zip(self.sessions.get(slot).map(Record::id)) else {
            return false;
        };
        let wanted: Vec<Destination> = self.extra_wanted(slot).collect();
        let mut claimed = false;
        for at in wanted {
            match self.extra_routes.get(&at) {
                Some(holder) if *holder == handle => {}
                None if !self.is_a_subscribers(at) => {
                    self.extra_routes.insert(at, handle);
                    claimed = true;
                }
                _ if tell => {
                    let (network, len) = (at.dst, at.len);
                    self.outbox.events.push(Event::ExtraRouteRefused { session, network, len });
                }
                _ => {}
            }
        }
        claimed
    }

    /// Whether a session wants a route beside its access-internal one that it has not, and that nobody has.
    pub(crate) fn may_claim(&self, slot: Slot) -> bool {
        self.extra_wanted(slot).any(|at| !self.extra_routes.contains_key(&at) && !self.is_a_subscribers(at))
    }

    /// Whether a destination is, or may become, the address of a subscriber.
    fn is_a_subscribers(&self, at: Destination) -> bool {
        at.len == 32
            && (self.pools.pool_of(at.instance, at.dst).is_some()
                || self.sessions.find_by_address(at.instance, at.dst).is_some())
    }

    /// The destinations of all routes that a session has.
    pub(crate) fn routes_had(&self, slot: Slot) -> Vec<Destination> {
        let (Some(record), Some(identity)) = (self.sessions.get(slot), self.sessions.identity(slot)) else {
            return Vec::new();
        };
        if record.state() != State::Bound || self.had_route(record) == RouteRecord::None {
            return Vec::new();
        }
        let handle = self.sessions.handle(slot);
        let extra = self.extra_decided(slot).filter(|at| self.extra_routes.get(at).copied() == handle);
        core::iter::once(own_destination(record, identity.subscriber)).chain(extra).collect()
    }

    /// Removes the routes to those of `former` that the session does not want any more.
    pub(crate) fn unset_former(&mut self, slot: Slot, former: &[Destination]) {
        if former.is_empty() {
            return;
        }
        let record = self.sessions.get(slot);
        let has_route = record.is_some_and(|record| self.wanted_route(record) != RouteRecord::None);
        let mut wanted = if has_route { self.routes_had(slot) } else { Vec::new() };
        wanted.extend(self.extra_wanted(slot));
        for at in former.iter().filter(|at| !wanted.contains(at)) {
            self.extra_routes.remove(at);
            self.route(RouteChange::Unset(*at), false);
        }
    }

    /// Removes routes, which are nobody's any more.
    pub(crate) fn unset_routes(&mut self, at: &[Destination]) {
        for at in at {
            self.extra_routes.remove(at);
            self.route(RouteChange::Unset(*at), false);
        }
    }

    /// Asks for a session's access-internal route and for those beside it; the first and the last position.
    pub(crate) fn set_routes(&mut self, slot: Slot, own: Route, urgent: bool) -> (RouteSeq, RouteSeq) {
        // A subscriber's own address is nobody else's prefix, also where its pool came after that.
        if !self.extra_routes.is_empty() {
            self.extra_routes.remove(&own.destination());
        }
        let first = self.route(RouteChange::Set(own), urgent);
        let mut last = first;
        let extra: Vec<Route> = self.extra_routes_of(slot, own).collect();
        for route in extra {
            last = self.route(RouteChange::Set(route), urgent);
        }
        (first, last)
    }

    fn route(&mut self, change: RouteChange, urgent: bool) -> RouteSeq {
        let seq = self.rings.next_route_seq();
        self.outbox.routes.push(RouteOp { seq, urgent, change });
        seq
    }

    /// Every route operation up to `up_to` was tried: the replies that waited leave, or end in silence.
    pub(crate) fn routed(&mut self, turn: Turn, up_to: RouteSeq, failed: &[RouteFailure]) {
        let mut failed = failed.iter().peekable();
        while let Some(mut entry) = self.rings.pop_routed(up_to) {
            note_failure(&mut entry, &mut failed);
            self.origin = entry.origin;
            let Some(slot) = self.sessions.resolve(entry.slot) else {
                continue;
            };
            let Some(record) = self.sessions.get_mut(slot) else {
                continue;
            };
            record.pending &= !BUSY_ROUTE;
            // The kernel may have flushed the interface after the first of several routes was set.
            let link = self.links.by_name(record.link());
            let stands = link.is_some_and(|link| link.route_epoch == entry.epoch);
            match entry.failure {
                None if !stands => {
                    if let Ok(ExchangeState::Dropped(reason)) = exchange::next(entry.state, ExchangeEvent::RouteFailed)
                    {
                        self.dropped_for(reason);
                    }
                }
                None => {
                    record.route_epoch = entry.epoch;
                    let sent = exchange::next(entry.state, ExchangeEvent::RouteStands);
                    if let (Ok(_), Some(answer)) = (sent, entry.answer)
                        && let Some(answer) = self.still_young(turn, entry.since, answer)
                    {
                        self.send(answer);
                    }
                }
                Some(failure) => self.route_failed(turn, slot, &entry, failure),
            }
        }
        // Of the next exchange some routes may have been tried, and the rest is yet to come.
        if let Some(entry) = self.rings.routings.front_mut() {
            note_failure(entry, &mut failed);
        }
        self.do_wanted(turn);
    }

    fn route_failed(&mut self, turn: Turn, slot: Slot, entry: &Routing, failure: RouteFailure) {
        let Some(record) = self.sessions.get(slot).copied() else {
            return;
        };
        if let Ok(ExchangeState::Dropped(reason)) = exchange::next(entry.state, ExchangeEvent::RouteFailed) {
            self.dropped_for(reason);
        }
        let (session, error) = (record.id(), failure.error);
        let beside = usize::try_from(failure.seq.0.saturating_sub(entry.first.0)).unwrap_or(usize::MAX);
        let at = self.routes_had(slot).get(beside).copied();
        let (address, len) = at.map_or((record.address(), 32), |at| (at.dst, at.len));
        let of = ExchangeId { session, ..self.exchange_id() };
        self.outbox.events.push(Event::RouteFault { session, address, len, error, of });
        // A foreign route owns the address, and the client was never told of its lease: it gets another address
        // when it asks again.
        if error == RouteError::Foreign && beside == 0 && entry.fresh && record.state() == State::Bound {
            self.because(crate::history::Why::ForeignRoute);
            self.commit_end(turn, slot, BindingEvent::Decline, None, None);
        }
    }

    /// A route was found not to stand, after it was set: the next renewal asks for it again, and is silent where it
    /// cannot be set (design §2.6).
    pub(crate) fn route_lost(&mut self, at: Destination) {
        self.reconciled = false;
        let slot = match self.extra_routes.get(&at) {
            Some(handle) => self.sessions.resolve(*handle),
            None => self.sessions.find_by_address(at.instance, at.dst).filter(|_| at.len == 32),
        };
        if let Some(record) = slot.and_then(|slot| self.sessions.get_mut(slot)) {
            record.route_epoch = 0;
        }
    }
}

/// Takes what concerns an exchange from the failures, and all before it.
fn note_failure<'a>(entry: &mut Routing, failed: &mut core::iter::Peekable<impl Iterator<Item = &'a RouteFailure>>) {
    while failed.next_if(|failure| failure.seq < entry.first).is_some() {}
    while let Some(failure) = failed.next_if(|failure| failure.seq <= entry.seq) {
        entry.failure.get_or_insert(*failure);
    }
}

fn own_destination(record: &Record, stored: &[u8]) -> Destination {
    let table = RouteMarks::of(stored).table;
    Destination { table, ..Destination::host(record.instance(), record.address()) }
}

/// A route beside a session's own.
pub(crate) fn beside(own: Route, at: Destination) -> Route {
    let (via, on_link) = match own.via {
        Some(relay) => (relay, false),
        None => (own.dst, true),
    };
    Route { dst: at.dst, len: at.len, via: Some(via), on_link, neighbour: None, ..own }
}
