//! Renewals that are answered first and written behind.
//!
//! Storage keeps an expiry that runs ahead of the promised one ([`Record::kept`]). A renewal that promises no more than
//! that, and changes nothing else that a restart must know, is answered in the turn in which it came; its session is
//! written within seconds, once, however often it was renewed meanwhile. Whatever ends the process, the session comes
//! back with the time that storage keeps, so no client ever has less than it was promised. Where the process ends in order,
//! what was promised is known, and it comes back with that.

use crate::{
    Engine,
    commit::{Answer, Change, Committing, Purpose},
    engine::{BUSY_STORE, Turn},
    event::{DropReason, SessionChange},
    exchange::{self, ExchangeEvent, ExchangeState},
    output::StoreOp,
    record::{MetaRecord, RouteRecord},
    session::{IdentityBuf, Record, Slot, SlotRef, State},
};
use alloc::{boxed::Box, collections::VecDeque};
use bindery_types::{LeaseTime, Mono};
use core::time::Duration;

/// Most sessions that wait to be written. When it is full, renewals wait for their own write.
pub(crate) const BEHIND_MAX: usize = 65_536;

/// How long a session waits, so that one write serves several renewals.
const LAG: Duration = Duration::from_secs(2);

/// Sessions written in one turn; four times as many when the queue is half full.
const SLICE: usize = 64;

/// Pause between two such turns.
const PAUSE: Duration = Duration::from_millis(5);

/// With more writes in flight than this the queue waits: first what clients wait for.
const BUSY: usize = 1_024;

/// Mutations of one call of [`Engine::write_rest`].
const REST: usize = 4_096;

/// `Record::behind`: the session is in the queue.
const QUEUED: u8 = 1;
/// `Record::behind`: its identity too is newer than what storage has.
const IDENTITY: u8 = 2;
/// `Record::behind`: its write is in flight. At most one of a session, so that what storage keeps never falls unseen.
const SENT: u8 = 4;
/// `Record::behind`: a write failed, so storage may hold another state of the session until it is repaired.
const UNCERTAIN: u8 = 8;

/// A session that is to be written.
#[derive(Clone, Copy, Debug)]
struct Entry {
    slot: SlotRef,
    since: Mono,
    /// The expiry that storage is to keep then.
    kept: LeaseTime,
}

/// The sessions that are to be written, those that wait longest first.
#[derive(Debug, Default)]
pub(crate) struct Behind {
    queue: VecDeque<Entry>,
    /// No turn of writes before this.
    next: Mono,
}

impl Behind {
    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    /// When the next of them is to be written.
    pub(crate) fn due(&self) -> Option<Mono> {
        self.queue.front().map(|entry| entry.since.plus(LAG).max(self.next))
    }
}

impl Record {
    /// The expiry that storage has for a bound session; at least the promised one.
    pub(crate) fn kept(&self) -> LeaseTime {
        if self.end == LeaseTime::NEVER { self.end } else { self.end.plus_secs(u64::from(self.ahead)) }
    }

    /// Notes the expiry that storage has.
    pub(crate) fn set_kept(&mut self, kept: LeaseTime) {
        self.ahead = if self.state() != State::Bound || kept <= self.end || self.end == LeaseTime::NEVER {
            0
        } else {
            // Less than there is would do no harm: the next renewal is written before it is answered.
            u32::try_from(kept.0 - self.end.0).unwrap_or(u32::MAX)
        };
    }
}

impl Engine {
    /// Whether a REQUEST needs no storage: a renewal of a session that storage surely has.
    pub(crate) fn may_renew_at_once(&self, slot: Slot) -> bool {
        self.sessions.get(slot).is_some_and(|record| {
            record.state() == State::Bound && record.pending == 0 && record.behind & UNCERTAIN == 0
        })
    }

    /// Whether what `change` promises is on storage already, and all else that a restart must know is as it was.
    pub(crate) fn is_covered(&self, slot: Slot, change: &Change, identity: Option<&IdentityBuf>) -> bool {
        let Some(record) = self.sessions.get(slot) else { return false };
        let Change { end, kept, cltt, xid, nonce, .. } = *change;
        let same = Change { end, kept, cltt, xid, nonce, ..Change::of(record) };
        self.may_renew_at_once(slot)
            && same == *change
            && end <= record.kept()
            && nonce.is_none_or(|nonce| self.sessions.nonce(slot) == Some(nonce))
            && self.schedule.due(slot).is_none()
            && identity.is_none_or(|identity| self.is_same_client(slot, identity))
            && self.routes_stand(slot, record)
            && (record.behind & QUEUED != 0 || self.behind.len() < BEHIND_MAX)
            // Not before this run has written its facts: until then storage may say that the last one ended in order, and a
            // crash would go by promises that are older than this one.
            && self.may_count_further()
            && self.feed.has_room()
    }

    /// Whether a new identity is of the same client with the same grant: option 82, 60 or 12 alone has changed.
    fn is_same_client(&self, slot: Slot, identity: &IdentityBuf) -> bool {
        let (new, known) = (identity.view(), self.sessions.identity(slot));
        known.is_some_and(|known| {
            (new.hw, new.client_id, new.subscriber) == (known.hw, known.client_id, known.subscriber)
        })
    }

    /// Whether every route of the session is known to stand.
    fn routes_stand(&self, slot: Slot, record: &Record) -> bool {
        if self.wanted_route(record) == RouteRecord::None {
            return true;
        }
        let epoch = self.links.by_name(record.link()).map(|link| link.route_epoch);
        epoch == Some(record.route_epoch) && !self.may_claim(slot)
    }

    /// Answers a renewal that is covered; its session is written behind.
    pub(crate) fn renew_at_once(
        &mut self,
        turn: Turn,
        slot: Slot,
        change: &Change,
        identity: Option<&IdentityBuf>,
        (state, answer): (ExchangeState, Answer),
    ) {
        let (Some(record), Some(handle)) = (self.sessions.get(slot).copied(), self.sessions.handle(slot)) else {
            return;
        };
        self.count_at_once(turn);
        if let Some(record) = self.sessions.get_mut(slot) {
            let kept = record.kept();
            (record.end, record.cltt, record.xid) = (change.end, change.cltt, change.xid);
            record.set_kept(kept);
            record.behind |= QUEUED;
        }
        if let Some(identity) = identity {
            // Cannot fail: the client is the same.
            let set = self.sessions.set_identity(slot, identity);
            debug_assert!(set.is_ok(), "{set:?}");
            if let Some(record) = self.sessions.get_mut(slot) {
                record.behind |= IDENTITY;
            }
        }
        if record.behind & QUEUED == 0 {
            self.behind.queue.push_back(Entry { slot: handle, since: turn.now.mono, kept: change.kept });
        }
        self.note_session(crate::history::What::Renewed, slot);
        self.note_at_once(slot, self.change);
        self.tell_session(turn, slot, SessionChange::Renewed);
        if exchange::next(state, ExchangeEvent::Reply).is_ok() {
            self.send(answer);
        }
    }

    /// Writes sessions whose time has come, as many as disturb nobody.
    pub(crate) fn write_behind(&mut self, turn: Turn) {
        if self.behind.due().is_none_or(|due| turn.now.mono < due) {
            return;
        }
        self.behind.next = turn.now.mono.plus(PAUSE);
        if self.rings.commits.len() > BUSY {
            return;
        }
        let most = if self.behind.len() > BEHIND_MAX / 2 { 4 * SLICE } else { SLICE };
        for _ in 0..most {
            let Some(entry) = self.behind.queue.front().copied() else { return };
            if turn.now.mono < entry.since.plus(LAG) {
                return;
            }
            self.behind.queue.pop_front();
            self.write_entry(turn, entry);
        }
    }

    fn write_entry(&mut self, turn: Turn, entry: Entry) {
        let slot = self.sessions.resolve(entry.slot);
        let Some((slot, record)) = slot.and_then(|slot| Some((slot, *self.sessions.get(slot)?))) else { return };
        if record.behind & QUEUED == 0 {
            // A write that somebody waited for had it all.
            return;
        }
        if record.behind & SENT != 0 || record.pending & BUSY_STORE != 0 {
            self.behind.queue.push_back(Entry { since: turn.now.mono, ..entry });
            return;
        }
        let Some((change, op)) = self.as_it_is(slot, &record, entry.kept) else { return };
        if let Some(record) = self.sessions.get_mut(slot) {
            record.behind |= SENT;
        }
        let seq = self.write(op);
        self.rings.commits.push_back(Committing {
            seq,
            purpose: Purpose::Behind,
            slot: entry.slot,
            change: Some(change),
            identity: None,
            state: ExchangeState::AwaitCommit,
            answer: None,
            command: None,
            since: turn.now.mono,
            origin: crate::history::Origin::default(),
        });
    }

    /// The write that makes storage as memory is, keeping the lease until `kept`; `None` where nothing has to be written.
    fn as_it_is(&mut self, slot: Slot, record: &Record, kept: LeaseTime) -> Option<(Change, StoreOp)> {
        let owed = record.behind & IDENTITY != 0;
        if let Some(record) = self.sessions.get_mut(slot) {
            record.behind &= !(QUEUED | IDENTITY);
        }
        if record.state() != State::Bound {
            // Its end was written, with all there was.
            return None;
        }
        let mut change = Change::of(record);
        change.kept = record.kept().max(kept);
        change.due = self.schedule.due(slot);
        let instance = record.instance();
        let lease = change.lease(record, self.sessions.nonce(slot))?;
        let identity = if owed { self.identity_of(slot) } else { None };
        let identity = identity.map(|buf| Box::new(self.identity_record(&buf, instance, &change)));
        Some((change, StoreOp::Put { lease, identity }))
    }

    /// A session was written behind: what storage keeps is known.
    pub(crate) fn written_behind(&mut self, slot: Slot, entry: &Committing) {
        if let (Some(record), Some(change)) = (self.sessions.get_mut(slot), &entry.change) {
            record.behind &= !SENT;
            record.set_kept(change.kept);
        }
    }

    /// A session is being written by somebody who waits for it: with all that was still to be written. The identity to
    /// write beside, when that was owed.
    pub(crate) fn overtake(&mut self, slot: Slot) -> Option<IdentityBuf> {
        let record = self.sessions.get_mut(slot)?;
        let owed = record.behind & IDENTITY != 0;
        record.behind &= !(QUEUED | IDENTITY);
        if owed { self.identity_of(slot) } else { None }
    }

    /// A write of the session failed: until it is repaired, storage may hold anything.
    pub(crate) fn doubt(&mut self, slot: Slot) {
        if let Some(record) = self.sessions.get_mut(slot) {
            record.behind = (record.behind | UNCERTAIN) & !SENT;
        }
    }

    /// Storage has the session as memory has it.
    pub(crate) fn trust(&mut self, slot: Slot) {
        if let Some(record) = self.sessions.get_mut(slot) {
            record.behind &= !UNCERTAIN;
        }
    }

    /// Writes what is still to be written, a part at each call: the process ends, and takes no packet any more. The
    /// mutations are in the outbox. Returns whether more is left.
    ///
    /// The last of them says that the run ended in order ([`MetaRecord::in_order`]). Without it nothing is lost but what
    /// storage keeps besides the expiry: times, xid and option 82 of renewals of the last seconds, and the ends that
    /// clients were promised; a restart then goes by the later ones that storage keeps.
    pub fn write_rest(&mut self) -> bool {
        if self.rings.store_down {
            return false;
        }
        for _ in 0..REST {
            let Some(entry) = self.behind.queue.pop_front() else {
                // Behind all else: where a write before it fails, the store takes this one for nothing too.
                let meta = MetaRecord { in_order: true, ..self.meta() };
                self.write(StoreOp::Meta(meta));
                return false;
            };
            let slot = self.sessions.resolve(entry.slot);
            let record = slot.and_then(|slot| self.sessions.get(slot)).copied();
            if let (Some(slot), Some(record)) = (slot, record)
                && record.behind & QUEUED != 0
                && let Some((_, op)) = self.as_it_is(slot, &record, entry.kept)
            {
                self.write(op);
            }
        }
        true
    }

    /// Panics where a rule is broken: for tests and simulation.
    pub(crate) fn check_behind(&self) {
        assert!(self.behind.len() <= BEHIND_MAX);
    }
}

impl Engine {
    /// Why nothing can be written now.
    pub(crate) fn cannot_write(&self) -> Option<DropReason> {
        if self.rings.store_down {
            return Some(DropReason::StoreFault);
        }
        (!self.rings.has_room()).then_some(DropReason::Overload)
    }
}
