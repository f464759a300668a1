//! `short-cycle-protection` (junos.md §2.4): a client that logs in and out in short cycles, or is refused, is locked out.
//!
//! A cycle is a REQUEST that got a DHCPNAK, a rejection by RADIUS or a plugin, a DECLINE, and a lease that was given back
//! or ran out within [`SHORT_SECS`] of its beginning. The first one locks the client out for `lockout-min-time`; each one
//! that follows doubles the time, up to `lockout-max-time`. Who was good for [`FORGIVEN_AFTER_SECS`] after a lockout (or
//! for `lockout-max-time`, where that is longer) begins anew.
//!
//! While it is locked out a client's DISCOVERs are dropped, before a plugin or RADIUS is asked, and so is a REQUEST that
//! would bind it. A live session is never touched. What an operator, RADIUS or a commit has ended is no cycle. Entries are
//! memory only: a restart forgets them.

mod table;

use crate::{
    Engine,
    command::{Cursor, LockoutView, PAGE_MAX, Reply},
    config::{Config, ShortCycle},
    engine::Turn,
    event::{DropReason, Event},
    input::RxMeta,
    links::Served,
    session::{Record, Slot, State},
};
use alloc::{sync::Arc, vec::Vec};
use bindery_wire::v4::{OptionCode, Packet, ParseRules, RelayAgentInformation};
pub use table::{Cause, FORGIVEN_AFTER_SECS, LOCKOUTS_MAX};
pub(crate) use table::{Key, Lockouts};

/// A session that ended sooner after its beginning was a short cycle, seconds.
pub const SHORT_SECS: u64 = 150;

impl Engine {
    /// The rule of an interface: its own, else its group's.
    fn short_cycle(&self, config: &Config, served: Option<Served>) -> Option<ShortCycle> {
        let served = served?;
        let own = config.interfaces.get(served.interface).and_then(|interface| interface.short_cycle);
        own.or_else(|| config.group(served.group)?.short_cycle)
    }

    /// Refuses a newcomer that is locked out.
    ///
    /// # Errors
    /// [`DropReason::ShortCycleProtect`].
    pub(crate) fn check_lockout(
        &self,
        turn: Turn,
        meta: RxMeta,
        packet: &Packet<'_>,
        config: &Config,
    ) -> Result<(), DropReason> {
        if self.lockouts.is_empty() {
            return Ok(());
        }
        let Some(link) = self.links.get(meta.link) else { return Ok(()) };
        if self.short_cycle(config, link.served).is_none() {
            return Ok(());
        }
        let info = packet.option(OptionCode::RELAY_AGENT_INFORMATION).unwrap_or_default();
        let client_id = packet.option(OptionCode::CLIENT_IDENTIFIER).unwrap_or_default();
        let circuit_id = RelayAgentInformation::new(&info).circuit_id().unwrap_or_default();
        let key = Key { link: link.name, hw: packet.hw_addr(), client_id: &client_id, circuit_id };
        if self.lockouts.is_locked(&key, turn.now.mono) { Err(DropReason::ShortCycleProtect) } else { Ok(()) }
    }

    /// A client was refused: a cycle.
    pub(crate) fn note_refusal(
        &mut self,
        turn: Turn,
        meta: RxMeta,
        packet: &Packet<'_>,
        config: &Config,
        cause: Cause,
    ) {
        let Some(link) = self.links.get(meta.link) else { return };
        let name = link.name;
        let Some(rule) = self.short_cycle(config, link.served) else { return };
        let info = packet.option(OptionCode::RELAY_AGENT_INFORMATION).unwrap_or_default();
        let client_id = packet.option(OptionCode::CLIENT_IDENTIFIER).unwrap_or_default();
        let circuit_id = RelayAgentInformation::new(&info).circuit_id().unwrap_or_default();
        let key = Key { link: name, hw: packet.hw_addr(), client_id: &client_id, circuit_id };
        let secs = self.lockouts.note(&key, rule, cause, turn.now.mono);
        self.outbox.events.push(Event::LockedOut { link: meta.link, hw: packet.hw_addr(), secs });
    }

    /// An authority has rejected a newcomer that waited for its word.
    pub(crate) fn note_rejected(&mut self, turn: Turn, meta: RxMeta, request: &[u8]) {
        let config = Arc::clone(&self.config);
        // It parsed once; the rules only decide about a missing end option.
        if let Ok(packet) = Packet::parse(request, ParseRules { allow_no_end_option: true }) {
            self.note_refusal(turn, meta, &packet, &config, Cause::Rejected);
        }
    }

    /// A bound session has ended: a cycle where it was short.
    pub(crate) fn note_end(&mut self, turn: Turn, slot: Slot, before: &Record, state: State) {
        let lasted = before.start.secs_until(turn.lease);
        let cause = match state {
            State::Released if lasted < SHORT_SECS => Cause::Released,
            State::Expired if lasted < SHORT_SECS => Cause::Expired,
            State::Declined => Cause::Declined,
            _ => return,
        };
        let config = Arc::clone(&self.config);
        let served = self.served_by_name(&config, before);
        let Some(rule) = self.short_cycle(&config, served) else { return };
        let Some(identity) = self.sessions.identity(slot) else { return };
        let circuit_id = RelayAgentInformation::new(identity.relay_info).circuit_id().unwrap_or_default();
        let key = Key { link: before.link(), hw: identity.hw, client_id: identity.client_id, circuit_id };
        let secs = self.lockouts.note(&key, rule, cause, turn.now.mono);
        let (link, hw) = (self.index_of(before.link()), identity.hw);
        self.outbox.events.push(Event::LockedOut { link, hw, secs });
    }

    /// One page of the entries, or the one of an index.
    pub(crate) fn lockout_page(&mut self, turn: Turn, index: Option<u32>, cursor: Cursor) -> Reply {
        self.lockouts.forget_old(turn.now.mono);
        let now = turn.now.mono;
        let view = |(at, entry): (u32, &table::Lockout)| LockoutView {
            index: at + 1,
            hw: entry.hw,
            client_id: entry.client_id.clone(),
            interface: self.names.name(entry.link).into(),
            circuit_id: entry.circuit_id.clone(),
            locked_for: entry.until.since(now),
            elapsed: now.since(entry.since),
            forgotten_in: entry.forgotten.since(now),
            count: entry.count,
            cause: entry.cause,
            next_secs: table::lockout_secs(entry.rule, entry.count.saturating_add(1)),
            min_secs: entry.rule.min_secs,
            max_secs: entry.rule.max_secs,
        };
        if let Some(index) = index {
            let found = index.checked_sub(1).and_then(|at| Some((at, self.lockouts.get(at)?)));
            return Reply::Lockouts { rows: found.map(view).into_iter().collect(), next: None };
        }
        let mut entries = self.lockouts.from(cursor.0).filter(|(_, entry)| now < entry.forgotten);
        let rows: Vec<LockoutView> = entries.by_ref().take(PAGE_MAX).map(view).collect();
        let next = entries.next().map(|(at, _)| Cursor(at));
        Reply::Lockouts { rows, next }
    }

    /// Forgets the entry of an index, or all.
    pub(crate) fn clear_lockouts(&mut self, index: Option<u32>) -> Reply {
        let count = match index {
            Some(index) => u32::from(index.checked_sub(1).is_some_and(|at| self.lockouts.remove(at))),
            None => self.lockouts.clear(),
        };
        Reply::ClearedLockouts { count }
    }
}
