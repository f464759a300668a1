//! Operators' commands: views by pages, and the clearing of bindings.

use crate::{
    Engine,
    binding::BindingEvent,
    command::{
        BindingView, CapabilityRow, Cursor, Disconnected, Filter, ImportRefusal, PAGE_MAX, PublicState,
        ReconfigureView, Reconfigured, Reply, RouteState, RouteView, Summary, Verb,
    },
    commit::{COMMITS_MAX, Purpose},
    engine::{BUSY_HOOK, BUSY_ROUTE, BUSY_STORE, Turn},
    event::Counters,
    history::Origin,
    input::CommandId,
    instances::NOWHERE,
    policy::Policy,
    reconfigure::{Capability, Phase, Purpose as Reconfigure, Started, attempts, flag},
    record::RouteRecord,
    route::Route,
    routes::beside,
    session::{Identity, Record, Slot, State},
    subscriber::Subscriber,
};
use alloc::{boxed::Box, vec::Vec};
use bindery_types::{HwAddr, InstanceId, Ipv4Addr, LeaseTime};
use core::num::NonZeroU32;

/// A page of a command whose writes are on their way to storage.
#[derive(Debug)]
pub(crate) struct CommandPage {
    pub(crate) id: CommandId,
    waiting: u32,
    failed: bool,
    /// Who asked.
    pub(crate) origin: Origin,
    /// The answer, once nothing is waited for.
    reply: PageReply,
}

#[derive(Debug)]
enum PageReply {
    Cleared { count: u32, next: Option<Cursor> },
    Reconfigured(Reconfigured),
    Disconnected(Disconnected),
    Imported { imported: u32, refused: Vec<(u32, ImportRefusal)> },
}

impl Engine {
    pub(crate) fn command(&mut self, turn: Turn, id: CommandId, verb: Verb, policy: &mut dyn Policy) {
        self.begin_command(matches!(verb, Verb::Disconnect { .. } | Verb::ChangeAuthorization { .. }));
        let reply = match verb {
            Verb::Bindings { filter, cursor } => {
                let (slots, next) = self.select(&filter, cursor);
                let shown = |slot: &Slot| self.is_shown(*slot, &filter);
                let rows = slots.iter().filter(|slot| shown(slot)).filter_map(|slot| self.view(turn, *slot)).collect();
                Reply::Bindings { rows, next }
            }
            Verb::Summary => Reply::Summary(self.summary()),
            Verb::Statistics => Reply::Statistics(Box::new(self.counters_now())),
            Verb::ClearStatistics => {
                self.counters = Counters::default();
                self.links.clear_tallies();
                Reply::Cleared
            }
            Verb::LinkStatistics { interface, cursor } => self.link_statistics(interface.as_deref(), cursor),
            Verb::ClearLinkStatistics { interface } => self.clear_link_statistics(&interface),
            Verb::History { key, cursor } => self.history_page(&key, cursor),
            Verb::Gauges => Reply::Gauges(Box::new(self.gauges())),
            Verb::ClearBindings { filter, cursor } => {
                return self.clear_page(turn, id, &filter, cursor);
            }
            Verb::Routes { cursor } => {
                let (slots, next) = self.select(&Filter::All, cursor);
                let rows = slots.into_iter().flat_map(|slot| self.route_views(turn, slot)).collect();
                Reply::Routes { rows, next }
            }
            Verb::RogueServers => Reply::RogueServers(self.rogue_servers(turn)),
            Verb::ClearRogueServers => {
                self.forget_rogues();
                Reply::Cleared
            }
            Verb::Pools => Reply::Pools(self.pools_now()),
            Verb::Reconfigure { filter, cursor, purpose, most } => {
                return self.reconfigure_page(turn, id, (&filter, cursor), purpose, most);
            }
            Verb::Impact { prospect, cursor, rows } => self.impact_page(turn, &prospect, cursor, rows),
            Verb::Capability { cursor } => self.capability_page(cursor),
            Verb::Changes { after, filter } => self.changes(turn, after, &filter),
            Verb::ChangeAuthorization { keys, change, attributes } => {
                return self.change_authorization(turn, id, (&keys, change), &attributes, policy);
            }
            Verb::Lockouts { index, cursor } => self.lockout_page(turn, index, cursor),
            Verb::ClearLockouts { index } => self.clear_lockouts(index),
            Verb::Import { rows } => return self.import_page(turn, id, &rows),
            Verb::Disconnect { keys, attributes } => return self.disconnect(turn, id, &keys, &attributes, policy),
        };
        self.outbox.replies.push((id, reply));
    }

    /// The slots of one page that a filter selects.
    fn select(&self, filter: &Filter, cursor: Cursor) -> (Vec<Slot>, Option<Cursor>) {
        let mut slots = Vec::new();
        match filter {
            Filter::All | Filter::Interface(_) | Filter::Pool(_) | Filter::Displaced | Filter::LeaseTimeViolation => {
                let visits = u32::try_from(PAGE_MAX).unwrap_or(u32::MAX);
                let next = self.sessions.page(cursor.0, visits, &mut slots).map(Cursor);
                if *filter != Filter::All {
                    slots.retain(|slot| {
                        let session = self.sessions.get(*slot).zip(self.sessions.identity(*slot));
                        session.is_some_and(|(record, identity)| self.selects(filter, record, &identity))
                    });
                }
                (slots, next)
            }
            Filter::Address(address) => (self.at_address(*address).take(PAGE_MAX).collect(), None),
            Filter::Instance(name, inner) => {
                let (mut slots, next) = match (&**inner, self.config.instance_called(name)) {
                    (Filter::Address(address), Some(instance)) => {
                        (self.sessions.find_by_address(instance, *address).into_iter().collect(), None)
                    }
                    _ => self.select(inner, cursor),
                };
                slots.retain(|slot| self.sessions.get(*slot).is_some_and(|record| self.is_in(record, name)));
                (slots, next)
            }
            Filter::Session(id) => (self.sessions.find_by_id(*id).into_iter().collect(), None),
            Filter::Mac(mac) => (self.sessions.by_hw(&HwAddr::from(*mac)).take(PAGE_MAX).collect(), None),
        }
    }

    /// The sessions with this address, in whatever routing instance.
    pub(crate) fn at_address(&self, address: Ipv4Addr) -> impl Iterator<Item = Slot> {
        let instances = (0..NOWHERE.0).map(InstanceId).take(self.config.instances.len().max(1));
        instances.filter_map(move |instance| self.sessions.find_by_address(instance, address))
    }

    /// Whether a session is in the routing instance `name`.
    pub(crate) fn is_in(&self, record: &Record, name: &str) -> bool {
        self.config.instance_name(record.instance()) == name
    }

    /// Bindings are shown once they are durable; tombstones and quarantines by their id alone.
    fn is_shown(&self, slot: Slot, filter: &Filter) -> bool {
        let state = self.sessions.get(slot).map(Record::state);
        // A quarantine is what an operator finds who asks for its address.
        let filter = filter.innermost();
        let named = matches!(filter, Filter::Address(_)) && state == Some(State::Declined);
        state == Some(State::Bound) || named || (matches!(filter, Filter::Session(_)) && state != Some(State::Offered))
    }

    pub(crate) fn view(&self, turn: Turn, slot: Slot) -> Option<BindingView> {
        let record = self.sessions.get(slot)?;
        Some(self.view_of(turn, slot, record, &self.sessions.identity(slot)?))
    }

    /// The same where its record and identity are these.
    pub(crate) fn view_of(&self, turn: Turn, slot: Slot, record: &Record, identity: &Identity<'_>) -> BindingView {
        let subscriber = Subscriber::decode(identity.subscriber);
        BindingView {
            session: record.id(),
            address: record.address(),
            hw: identity.hw,
            state: self.public_state(record),
            expires_in: (record.end != LeaseTime::NEVER).then(|| turn.lease.secs_until(record.end)),
            started_ago: record.start.secs_until(turn.lease),
            last_packet_ago: record.cltt.secs_until(turn.lease),
            interface: self.names.name(record.link()).into(),
            instance: self.config.instance_name(record.instance()).into(),
            instance_id: record.instance(),
            server_id: record.server_id,
            giaddr: record.giaddr,
            pool: self.names.name(record.pool).into(),
            group: self.names.name(record.group).into(),
            client_id: identity.client_id.into(),
            relay_info: identity.relay_info.into(),
            vendor_class: identity.vendor_class.into(),
            host_name: identity.host_name.into(),
            start: record.start,
            multi_session: subscriber.follows.unwrap_or(record.id()),
            subscriber,
            xid: record.xid,
            timers: self.timers_of(turn, record),
            bootp: record.flags & flag::BOOTP != 0,
            lease_time_violated: record.flags & flag::LEASE_TIME_VIOLATED != 0,
            reconfigure: self.reconfigure_view(slot, record, turn),
            liveness: self.liveness_state(slot, record),
            route: self.route_state(record),
        }
    }

    fn public_state(&self, record: &Record) -> PublicState {
        match record.state() {
            State::Offered if record.pending & BUSY_STORE != 0 => PublicState::Requesting,
            State::Offered => PublicState::Selecting,
            State::Bound if record.flags & flag::RECONFIGURING != 0 => PublicState::Reconfiguring,
            State::Bound if record.pending & BUSY_STORE != 0 => PublicState::Renewing,
            State::Bound => PublicState::Bound,
            State::Released | State::Expired | State::Cleared | State::Declined => {
                record.state().durable().map_or(PublicState::Selecting, PublicState::Ended)
            }
        }
    }

    fn reconfigure_view(&self, slot: Slot, record: &Record, turn: Turn) -> ReconfigureView {
        ReconfigureView {
            phase: Phase::of(record.flags),
            attempts: attempts(record.flags),
            next_in: self.schedule.due(slot).map(|due| turn.lease.secs_until(due)),
            capability: Capability::of(record.flags),
            has_nonce: self.sessions.nonce(slot).is_some(),
        }
    }

    fn route_state(&self, record: &Record) -> RouteState {
        let epoch = self.links.by_name(record.link()).map(|l| l.route_epoch);
        match self.wanted_route(record) {
            RouteRecord::None if record.route != RouteRecord::None => RouteState::Suppressed,
            RouteRecord::None => RouteState::NotOnLink,
            _ if record.pending & BUSY_ROUTE != 0 => RouteState::Pending,
            _ if Some(record.route_epoch) == epoch || self.reconciled => RouteState::Installed,
            _ => RouteState::Pending,
        }
    }

    /// The access-internal route of a session, and those beside it that it wants.
    fn route_views(&self, turn: Turn, slot: Slot) -> Vec<RouteView> {
        let (Some(own), Some(record)) = (self.desired_route(slot), self.sessions.get(slot)) else {
            return Vec::new();
        };
        let installed = self.route_state(record) == RouteState::Installed;
        let view = |route: Route, access_internal, installed| RouteView {
            dst: route.dst,
            len: route.len,
            instance: self.config.instance_name(record.instance()).into(),
            access_internal,
            interface: self.names.name(record.link()).into(),
            via: route.via,
            src: route.src,
            metric: route.metric,
            table: route.table.map(NonZeroU32::get),
            tag: route.tag,
            session: record.id(),
            age_secs: record.start.secs_until(turn.lease),
            installed,
        };
        let has = self.routes_had(slot);
        let extra = self.extra_wanted(slot).map(|at| view(beside(own, at), false, installed && has.contains(&at)));
        core::iter::once(view(own, true, installed)).chain(extra).collect()
    }

    /// Numbers by state. What waits is in the commit ring, which is bounded.
    fn summary(&self) -> Summary {
        let mut summary = Summary::default();
        for entry in &self.rings.commits {
            let state = self.sessions.resolve(entry.slot).and_then(|slot| self.sessions.get(slot)).map(Record::state);
            match (entry.purpose, state) {
                (Purpose::Bind, Some(State::Bound)) => summary.renewing += 1,
                (Purpose::Bind, Some(_)) => summary.requesting += 1,
                (Purpose::End, Some(State::Bound)) => summary.releasing += 1,
                _ => {}
            }
        }
        let bound = u64::from(self.sessions.count_of(State::Bound));
        let offered = u64::from(self.sessions.count_of(State::Offered));
        summary.bound = bound.saturating_sub(summary.renewing + summary.releasing);
        summary.reconfiguring = self.schedule.len() as u64;
        summary.selecting = offered.saturating_sub(summary.requesting);
        summary
    }

    /// Ends the bindings of one page. The answer comes when their tombstones are durable.
    fn clear_page(&mut self, turn: Turn, id: CommandId, filter: &Filter, cursor: Cursor) {
        let room = self.rings.commits.len() + PAGE_MAX <= COMMITS_MAX;
        if self.rings.store_down || !room {
            let reply = Reply::ClearedBindings { count: 0, failed: true, next: None };
            self.outbox.replies.push((id, reply));
            return;
        }
        let (slots, next) = self.select(filter, cursor);
        let (mut waiting, mut count) = (0, 0);
        let named = matches!(filter.innermost(), Filter::Address(_) | Filter::Session(_));
        for slot in slots {
            let Some(record) = self.sessions.get(slot).copied() else {
                continue;
            };
            match record.state() {
                // Its exchange is running: it ends right after, and the answer waits for that.
                State::Bound | State::Offered if record.pending & !BUSY_HOOK != 0 => {
                    let Some(handle) = self.sessions.handle(slot) else { continue };
                    self.wanted.push((handle, None, id));
                    waiting += 1;
                    count += 1;
                }
                State::Bound => {
                    self.commit_end(turn, slot, BindingEvent::Clear, None, Some(id));
                    waiting += 1;
                    count += 1;
                }
                State::Offered => self.lapse_offer(slot),
                // Of a quarantine only who names it: `all` is about clients.
                State::Declined if named && record.pending == 0 => {
                    self.commit_purge_for(turn, slot, Some(id));
                    waiting += 1;
                    count += 1;
                }
                State::Released | State::Expired | State::Cleared | State::Declined => {}
            }
        }
        let (origin, reply) = (self.origin, PageReply::Cleared { count, next });
        self.pages.push(CommandPage { id, waiting, failed: false, origin, reply });
        self.answer_pages();
    }

    /// Starts the reconfiguration of one page. The answer comes when its first attempts are durable.
    fn reconfigure_page(
        &mut self,
        turn: Turn,
        id: CommandId,
        (filter, cursor): (&Filter, Cursor),
        purpose: Reconfigure,
        most: u32,
    ) {
        let mut reply = Reconfigured::default();
        let room = self.rings.commits.len() + PAGE_MAX <= COMMITS_MAX;
        if self.rings.store_down || !room {
            reply.failed = true;
            self.outbox.replies.push((id, Reply::Reconfigured(reply)));
            return;
        }
        let (slots, next) = self.select(filter, cursor);
        reply.next = next;
        // The few sessions of one hardware address are no pages: they are begun with at once.
        let most = if matches!(filter, Filter::Mac(_)) { u32::MAX } else { most.max(1) };
        let mut waiting = 0;
        for slot in slots {
            if waiting == most {
                reply.next = Some(Cursor(slot.0));
                break;
            }
            match self.trigger(turn, slot, purpose, id) {
                Started::Waiting => {
                    waiting += 1;
                    reply.started += 1;
                }
                Started::Ignored => reply.ignored += 1,
                Started::Cleared => reply.cleared += 1,
                Started::NotConfigured => reply.not_configured += 1,
            }
        }
        let (origin, reply) = (self.origin, PageReply::Reconfigured(reply));
        self.pages.push(CommandPage { id, waiting, failed: false, origin, reply });
        self.answer_pages();
    }

    /// What is known of the clients of one page, by vendor class.
    fn capability_page(&self, cursor: Cursor) -> Reply {
        let (slots, next) = self.select(&Filter::All, cursor);
        let mut rows: Vec<CapabilityRow> = Vec::new();
        for slot in slots {
            let (Some(record), Some(identity)) = (self.sessions.get(slot), self.sessions.identity(slot)) else {
                continue;
            };
            if record.state() != State::Bound {
                continue;
            }
            let class = identity.vendor_class;
            let at = rows.iter().position(|row| *row.vendor_class == *class).unwrap_or_else(|| {
                rows.push(CapabilityRow { vendor_class: class.into(), ..CapabilityRow::default() });
                rows.len() - 1
            });
            let Some(row) = rows.get_mut(at) else { continue };
            row.clients += 1;
            row.offer_nonce += u64::from(self.sessions.nonce(slot).is_some());
            match Capability::of(record.flags) {
                Capability::Unknown => row.unknown += 1,
                Capability::Nonce => row.nonce += 1,
                Capability::Token => row.token += 1,
                Capability::Plain => row.plain += 1,
                Capability::Deaf => row.deaf += 1,
            }
        }
        Reply::Capability { rows, next }
    }

    /// One write of a page is durable, or has failed.
    pub(crate) fn command_done(&mut self, id: CommandId, durable: bool) {
        if let Some(page) = self.pages.iter_mut().find(|page| page.id == id) {
            page.waiting = page.waiting.saturating_sub(1);
            page.failed |= !durable;
        }
        self.answer_pages();
    }

    /// Answers a Disconnect-Request when the one write that it waits for is durable.
    pub(crate) fn await_disconnect(&mut self, id: CommandId, outcome: Disconnected) {
        let reply = PageReply::Disconnected(outcome);
        self.pages.push(CommandPage { id, waiting: 1, failed: false, origin: self.origin, reply });
    }

    /// Answers an import when its writes are durable.
    pub(crate) fn await_import(&mut self, id: CommandId, imported: u32, refused: Vec<(u32, ImportRefusal)>) {
        let reply = PageReply::Imported { imported, refused };
        self.pages.push(CommandPage { id, waiting: imported, failed: false, origin: self.origin, reply });
        self.answer_pages();
    }

    fn answer_pages(&mut self) {
        let outbox = &mut self.outbox;
        self.pages.retain_mut(|page| {
            if page.waiting == 0 {
                let failed = page.failed;
                let reply = match &mut page.reply {
                    PageReply::Cleared { count, next } => Reply::ClearedBindings { count: *count, failed, next: *next },
                    PageReply::Disconnected(_) if failed => Reply::Disconnected(Disconnected::Failed),
                    PageReply::Disconnected(outcome) => Reply::Disconnected(*outcome),
                    PageReply::Reconfigured(counts) => Reply::Reconfigured(Reconfigured { failed, ..*counts }),
                    PageReply::Imported { imported, refused } => {
                        Reply::Imported { imported: *imported, refused: core::mem::take(refused), failed }
                    }
                };
                outbox.replies.push((page.id, reply));
            }
            page.waiting != 0
        });
    }
}
