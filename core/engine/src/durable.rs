//! Writers: what is handed to the store and the forwarding plane, and what their watermarks release.

use crate::{
    Engine,
    binding::{self, BindingEvent, Transition},
    commit::{Answer, Change, Committing, Purpose, REPLY_AGE_MAX, Routing},
    engine::{BUSY_ROUTE, BUSY_STORE, QUARANTINE_SECS, Turn, deadline_of},
    event::{DropReason, Event, SessionChange},
    exchange::{self, ExchangeEvent, ExchangeState},
    history::What,
    input::{CommandId, StoreSeq},
    output::{Mutation, StoreOp, Transmit},
    pool::Hold,
    reconfigure::{Action, Happening, action, flag, flags_of_tombstone},
    record::{BindingKey, IdentityRecord},
    routes::Missing,
    session::{IdentityBuf, Slot, SlotRef, State},
};
use alloc::{boxed::Box, vec::Vec};
use bindery_types::{InstanceId, LeaseTime, Mono};
use bindery_wire::v4::MessageType;

impl Engine {
    /// Sends a reply now.
    pub(crate) fn send(&mut self, answer: Answer) {
        self.count_sent(answer.message);
        let message = answer.message.unwrap_or(MessageType::Ack);
        if self.history.traced {
            let copies = 1 + usize::from(answer.also_to.is_some());
            self.outbox.traced_links.extend(core::iter::repeat_n(self.origin.index, copies));
        }
        if let Some(to) = answer.also_to {
            let mut copy = self.buffer();
            copy.extend_from_slice(&answer.payload);
            let to = self.links.routed(to);
            self.outbox.transmits.push(Transmit { to, message, payload: copy });
        }
        let to = self.links.routed(answer.to);
        self.outbox.transmits.push(Transmit { to, message, payload: answer.payload });
    }

    /// Writes a lease; `answer` leaves when it is durable and its route stands.
    pub(crate) fn commit_bind(
        &mut self,
        turn: Turn,
        slot: Slot,
        change: Change,
        identity: Option<IdentityBuf>,
        state: ExchangeState,
        answer: Answer,
    ) {
        let state = exchange::next(state, ExchangeEvent::CommitSent).unwrap_or(state);
        self.commit(turn, Purpose::Bind, slot, change, identity, (state, Some(answer), None));
    }

    /// Writes the end of a binding. Memory, address and route follow when it is durable. Returns the end of the
    /// quarantine, for a decline.
    pub(crate) fn commit_end(
        &mut self,
        turn: Turn,
        slot: Slot,
        event: BindingEvent,
        answer: Option<Answer>,
        command: Option<CommandId>,
    ) -> LeaseTime {
        let flags = self.sessions.get(slot).map_or(0, |record| record.flags);
        let flags = flags_of_tombstone(flags, event == BindingEvent::Clear);
        self.commit_end_as(turn, slot, event, flags, answer, command)
    }

    /// The same with these flags.
    pub(crate) fn commit_end_as(
        &mut self,
        turn: Turn,
        slot: Slot,
        event: BindingEvent,
        flags: u16,
        answer: Option<Answer>,
        command: Option<CommandId>,
    ) -> LeaseTime {
        let Some(record) = self.sessions.get(slot).copied() else {
            return turn.lease;
        };
        let Transition::To(state) = binding::next(record.state(), event) else {
            return turn.lease;
        };
        let mut change = Change::of(&record).to_state(state, turn.lease);
        if state == State::Declined {
            change.end = turn.lease.plus_secs(QUARANTINE_SECS);
        }
        change.flags = flags;
        let end = change.end;
        self.commit(turn, Purpose::End, slot, change, None, (ExchangeState::AwaitCommit, answer, command));
        end
    }

    /// Whether the end of a session is on its way to storage: a look at the commit ring, and only where it has something.
    pub(crate) fn is_ending(&self, slot: Slot) -> bool {
        let is_busy = self.sessions.get(slot).is_some_and(|record| record.pending & BUSY_STORE != 0);
        let Some(handle) = self.sessions.handle(slot).filter(|_| is_busy) else { return false };
        let last = self.rings.commits.iter().rev().find(|entry| entry.slot == handle);
        last.is_some_and(|entry| entry.purpose == Purpose::End)
    }

    /// Removes a tombstone from the database; memory follows.
    pub(crate) fn commit_purge(&mut self, turn: Turn, slot: Slot) {
        self.commit_purge_for(turn, slot, None);
    }

    /// The same at an operator's word, which is answered when it is durable.
    pub(crate) fn commit_purge_for(&mut self, turn: Turn, slot: Slot, command: Option<CommandId>) {
        let Some(record) = self.sessions.get(slot).copied() else {
            return;
        };
        let key = BindingKey { session: record.id(), index: record.index };
        let op = StoreOp::Delete { key, session: Some(record.id()) };
        self.push_commit(turn, Purpose::Purge, slot, None, None, (ExchangeState::AwaitCommit, None, command), op);
    }

    pub(crate) fn commit(
        &mut self,
        turn: Turn,
        purpose: Purpose,
        slot: Slot,
        mut change: Change,
        identity: Option<IdentityBuf>,
        wait: (ExchangeState, Option<Answer>, Option<CommandId>),
    ) {
        self.change += 1;
        change.change = self.change;
        let Some(record) = self.sessions.get(slot).copied() else {
            return;
        };
        let Some(lease) = change.lease(&record, self.sessions.nonce(slot)) else {
            return;
        };
        let owed = self.overtake(slot);
        let written = identity.as_ref().or(owed.as_ref());
        let stored = written.map(|buf| Box::new(self.identity_record(buf, record.instance(), &change)));
        let op = StoreOp::Put { lease, identity: stored };
        self.push_commit(turn, purpose, slot, Some(change), identity, wait, op);
    }

    #[allow(clippy::too_many_arguments)]
    fn push_commit(
        &mut self,
        turn: Turn,
        purpose: Purpose,
        slot: Slot,
        change: Option<Change>,
        identity: Option<IdentityBuf>,
        (state, answer, command): (ExchangeState, Option<Answer>, Option<CommandId>),
        op: StoreOp,
    ) {
        let Some(handle) = self.sessions.handle(slot) else {
            return;
        };
        if let Some(record) = self.sessions.get_mut(slot) {
            record.pending |= BUSY_STORE;
        }
        let seq = self.write(op);
        let since = turn.now.mono;
        let origin = self.origin;
        let entry = Committing { seq, purpose, slot: handle, change, identity, state, answer, command, since, origin };
        self.rings.commits.push_back(entry);
    }

    pub(crate) fn write(&mut self, op: StoreOp) -> StoreSeq {
        let seq = self.rings.next_store_seq();
        self.outbox.mutations.push(Mutation { seq, epoch: self.rings.epoch, op });
        seq
    }

    /// Persists the clocks and the running numbers. Nobody waits for it.
    pub(crate) fn write_meta(&mut self) {
        if !self.rings.store_down {
            let meta = self.meta();
            let seq = self.write(StoreOp::Meta(meta));
            self.rings.facts = Some((seq, meta.change));
        }
    }

    pub(crate) fn identity_of(&self, slot: Slot) -> Option<IdentityBuf> {
        let mut buf = IdentityBuf::new();
        buf.set(&self.sessions.identity(slot)?).ok()?;
        Some(buf)
    }

    /// The name of a routing instance as records have it: empty for the default one.
    pub(crate) fn stored_instance(&self, id: InstanceId) -> &str {
        if id == InstanceId(0) { "" } else { self.config.instance_name(id) }
    }

    pub(crate) fn identity_record(&self, buf: &IdentityBuf, instance: InstanceId, change: &Change) -> IdentityRecord {
        let view = buf.view();
        IdentityRecord {
            hw: view.hw,
            client_id: view.client_id.into(),
            relay_info: view.relay_info.into(),
            vendor_class: view.vendor_class.into(),
            host_name: view.host_name.into(),
            subscriber: view.subscriber.into(),
            interface: self.names.name(change.link).into(),
            group: self.names.name(change.group).into(),
            pool: self.names.name(change.pool).into(),
            instance: self.stored_instance(instance).into(),
        }
    }

    /// Everything up to `up_to` is on stable storage: memory follows, routes are asked for, replies without a new
    /// route leave.
    pub(crate) fn durable(&mut self, turn: Turn, up_to: StoreSeq) {
        while let Some(entry) = self.rings.pop_durable(up_to) {
            self.origin = entry.origin;
            if let Some(change) = &entry.change {
                self.change_stored = self.change_stored.max(change.change);
            }
            let Some(slot) = self.sessions.resolve(entry.slot) else {
                continue;
            };
            if entry.purpose == Purpose::Behind {
                self.written_behind(slot, &entry);
                continue;
            }
            if let Some(record) = self.sessions.get_mut(slot) {
                record.pending &= !BUSY_STORE;
            }
            match entry.purpose {
                Purpose::Bind => self.bound(turn, slot, entry),
                Purpose::Import => self.imported(turn, slot, entry),
                Purpose::End => self.ended(turn, slot, entry),
                Purpose::Reconfigure => self.attempted(turn, slot, entry),
                Purpose::Reauthorize => self.reauthorized(turn, slot, entry),
                Purpose::Purge => {
                    self.purged(turn, slot);
                    if let Some(command) = entry.command {
                        self.command_done(command, true);
                    }
                }
                Purpose::Repair => self.trust(slot),
                Purpose::Behind => {}
            }
        }
        self.stored_up_to(up_to);
        self.do_wanted(turn);
    }

    /// What is told of renewals that were answered at once, now that the changes before them are told; and up to which
    /// number changes are used up for sure.
    fn stored_up_to(&mut self, up_to: StoreSeq) {
        if let Some((_, change)) = self.rings.facts.take_if(|(seq, _)| *seq <= up_to) {
            self.change_stored = self.change_stored.max(change);
        }
        let next = self.rings.commits.front();
        self.settle_feed(next.map(|entry| entry.change.as_ref().map_or(0, |change| change.change)));
    }

    fn bound(&mut self, turn: Turn, slot: Slot, entry: Committing) {
        let Some(before) = self.sessions.get(slot).copied() else {
            return;
        };
        let Some(change) = entry.change else { return };
        let decided = entry.identity.is_some() || change.route != before.route;
        let former = if decided { self.routes_had(slot) } else { Vec::new() };
        self.apply(slot, &change, entry.identity.as_ref());
        self.unset_former(slot, &former);
        self.shadows.remove(&slot);
        self.settle(slot, &before);
        self.schedule.remove(slot);
        let state = exchange::next(entry.state, ExchangeEvent::Durable).unwrap_or(entry.state);
        let fresh = before.state() != State::Bound;
        if self.lines.is_used() {
            let config = alloc::sync::Arc::clone(&self.config);
            self.note_line(&config, slot);
        }
        self.note_session(if fresh { What::Bound } else { What::Renewed }, slot);
        self.tell_session(turn, slot, if fresh { SessionChange::Bound } else { SessionChange::Renewed });
        let Some(answer) = entry.answer else { return };
        let answer = self.still_young(turn, entry.since, answer);
        match self.missing_route(slot, &before, entry.identity.is_some()) {
            Missing::Nothing => {
                let sent = exchange::next(state, ExchangeEvent::Reply);
                if let (Ok(_), Some(answer)) = (sent, answer) {
                    self.send(answer);
                }
            }
            Missing::Link => self.dropped_for(DropReason::RouteFault),
            Missing::Route(route, epoch) => {
                if let Some(record) = self.sessions.get_mut(slot) {
                    record.pending |= BUSY_ROUTE;
                    // What stands is unknown until the answer comes; where it is a failure, the next renewal asks again.
                    record.route_epoch = 0;
                }
                let (first, seq) = self.set_routes(slot, route, true);
                let state = exchange::next(state, ExchangeEvent::RouteSent).unwrap_or(state);
                let (slot, since) = (entry.slot, entry.since);
                let waiting = Routing {
                    first,
                    seq,
                    failure: None,
                    slot,
                    epoch,
                    fresh,
                    state,
                    answer,
                    since,
                    origin: self.origin,
                };
                self.rings.routings.push_back(waiting);
            }
        }
    }

    /// The reply, unless the client has long given up on it.
    pub(crate) fn still_young(&mut self, turn: Turn, since: Mono, answer: Answer) -> Option<Answer> {
        if turn.now.mono.since(since) <= REPLY_AGE_MAX {
            return Some(answer);
        }
        self.dropped_for(DropReason::Overload);
        self.recycle(answer.payload);
        None
    }

    fn ended(&mut self, turn: Turn, slot: Slot, entry: Committing) {
        let Some(before) = self.sessions.get(slot).copied() else {
            return;
        };
        let Some(change) = entry.change else { return };
        let former = self.routes_had(slot);
        self.apply(slot, &change, entry.identity.as_ref());
        self.schedule.remove(slot);
        self.note_session(end_of(change.state), slot);
        // The last packet first, then the route (design §2.6).
        if let Some(answer) = entry.answer
            && let Some(answer) = self.still_young(turn, entry.since, answer)
        {
            self.send(answer);
        }
        self.unset_former(slot, &former);
        if before.state() == State::Bound {
            self.note_end(turn, slot, &before, change.state);
            self.tell_end(turn, slot, change.state);
        }
        if change.state == State::Declined {
            self.pools.quarantine(before.instance(), before.address());
            self.remember_quarantine(entry.slot);
        } else {
            self.leave_address(turn, slot, &before);
            self.tombstones.push_back((entry.slot, change.change));
            self.purge_tombstones(turn);
        }
        if let Some(command) = entry.command {
            self.command_done(command, true);
        }
    }

    fn purged(&mut self, turn: Turn, slot: Slot) {
        self.note_gone(turn, slot);
        if self.sessions.get(slot).is_some_and(|record| record.state() == State::Declined) {
            self.note_session(What::Unquarantined, slot);
        }
        let Some(record) = self.sessions.remove(slot) else { return };
        if record.state().holds_address() {
            self.pools.free(record.instance(), record.address(), Hold::Quarantine);
        }
        self.forget_grace(slot);
    }

    /// Makes memory what storage has.
    pub(crate) fn apply(&mut self, slot: Slot, change: &Change, identity: Option<&IdentityBuf>) {
        let Some(record) = self.sessions.get(slot).copied() else { return };
        self.note_change(slot, &record, change, identity);
        let after = change.on(&record);
        // Neither can fail: the record keeps its address, and its client key is the one it was found by.
        let kept = self.sessions.apply(slot, &after);
        debug_assert!(kept.is_ok(), "{kept:?}");
        if let Some(identity) = identity {
            let kept = self.sessions.set_identity(slot, identity);
            debug_assert!(kept.is_ok(), "{kept:?}");
        }
        if change.nonce.is_some() {
            self.sessions.set_nonce(slot, change.nonce);
        }
        self.sessions.schedule(slot, deadline_of(&after));
    }

    /// A write failed: nothing past the watermark is known to be on storage. Memory holds what storage surely has,
    /// so there is nothing to undo; what is uncertain is written again when the store is back.
    pub(crate) fn store_failed(&mut self) {
        let entries = core::mem::take(&mut self.rings.commits);
        self.rings.epoch = self.rings.epoch.saturating_add(1);
        self.rings.store_down = true;
        self.rings.facts = None;
        // Mutations that the shell has not taken yet belong to the failed epoch.
        self.outbox.mutations.clear();
        let undone = u32::try_from(entries.len()).unwrap_or(u32::MAX);
        self.outbox.events.push(Event::StoreFault { undone });
        for entry in entries {
            if let Some(answer) = entry.answer {
                if let Ok(ExchangeState::Dropped(reason)) = exchange::next(entry.state, ExchangeEvent::StoreFailed) {
                    self.origin = entry.origin;
                    self.dropped_for(reason);
                }
                self.recycle(answer.payload);
            }
            if let Some(command) = entry.command {
                self.command_done(command, false);
            }
            let Some(slot) = self.sessions.resolve(entry.slot) else {
                continue;
            };
            let Some(record) = self.sessions.get_mut(slot) else {
                continue;
            };
            if entry.purpose != Purpose::Behind {
                record.pending &= !BUSY_STORE;
            }
            let key = BindingKey { session: record.id(), index: record.index };
            // What was due came off the deadlines for this write: it is due still.
            let deadline = deadline_of(record);
            self.sessions.schedule(slot, deadline);
            self.rings.uncertain.push((entry.slot, key));
            self.doubt(slot);
        }
        self.settle_feed(None);
    }

    /// The store is open again: what the failed window left uncertain is written as memory has it.
    pub(crate) fn store_ready(&mut self, turn: Turn) {
        self.rings.store_down = false;
        let uncertain = core::mem::take(&mut self.rings.uncertain);
        let mut repaired = 0;
        self.write_meta();
        for (handle, key) in uncertain {
            repaired += 1;
            match self.sessions.resolve(handle) {
                Some(slot) => self.repair(turn, handle, slot, key),
                None => {
                    self.write(StoreOp::Delete { key, session: Some(key.session) });
                }
            }
        }
        // Who was to be logged out of an excluded address may have been taken back.
        self.begin_sweep();
        self.outbox.events.push(Event::StoreBack { repaired });
    }

    fn repair(&mut self, turn: Turn, handle: SlotRef, slot: Slot, key: BindingKey) {
        let (shadow, under) = match self.shadows.get(&slot) {
            Some(shadow) => (Some(shadow.record), shadow.identity.as_deref().cloned()),
            None => (None, None),
        };
        let Some(record) = shadow.or_else(|| self.sessions.get(slot).copied()) else {
            return;
        };
        let mut change = Change::of(&record);
        change.due = self.schedule.due(slot).filter(|_| record.flags & flag::RECONFIGURING != 0);
        let op = match (change.lease(&record, self.sessions.nonce(slot)), under.or_else(|| self.identity_of(slot))) {
            (Some(lease), Some(identity)) => {
                let identity = Some(Box::new(self.identity_record(&identity, record.instance(), &change)));
                StoreOp::Put { lease, identity }
            }
            // An offer: it is not on storage, or should not be.
            _ => StoreOp::Delete { key, session: Some(key.session) },
        };
        let wait = (ExchangeState::AwaitCommit, None, None);
        debug_assert_eq!(self.sessions.handle(slot), Some(handle));
        self.push_commit(turn, Purpose::Repair, slot, None, None, wait, op);
    }

    /// Does what was asked for of sessions while an exchange of theirs was running: ends or reconfigures them.
    pub(crate) fn do_wanted(&mut self, turn: Turn) {
        if self.wanted.is_empty() || self.rings.store_down {
            return;
        }
        for (handle, purpose, command) in core::mem::take(&mut self.wanted) {
            let slot = self.sessions.resolve(handle);
            let record = slot.and_then(|slot| Some((slot, *self.sessions.get(slot)?)));
            match record {
                Some((_, record)) if record.pending != 0 => self.wanted.push((handle, purpose, command)),
                Some((slot, record)) if record.state() == State::Bound => match purpose {
                    Some(purpose) if action(&record, Happening::Trigger) == Action::Start => {
                        self.commit_attempt(turn, slot, &record, (purpose, 1), None, Some(command));
                    }
                    Some(_) => self.command_done(command, true),
                    None => {
                        self.origin = self.origin_of(command);
                        self.commit_end(turn, slot, BindingEvent::Clear, None, Some(command));
                    }
                },
                _ => self.command_done(command, true),
            }
        }
    }
}

/// What the history calls the end of a binding.
const fn end_of(state: State) -> What {
    match state {
        State::Released => What::Released,
        State::Expired => What::Expired,
        State::Declined => What::Declined,
        State::Offered | State::Bound | State::Cleared => What::Cleared,
    }
}
