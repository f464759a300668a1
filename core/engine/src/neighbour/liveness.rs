//! `liveness-detection method layer2-liveness-detection` (junos.md §2.1): whether bound direct clients are still there.
//!
//! Nothing is kept about a client that answers. A cursor walks the session table once in [`LAP`]; a session is due in the
//! laps in which its own phase, a hash of its place, crosses a multiple of its group's interval: once an interval, evenly
//! spread, whatever mix of intervals the groups have. Only who has not answered yet has an entry. A client that was heard
//! within the interval by DHCP is not asked at all, so renewals cost nothing here.
//!
//! ARP reaches no client behind a relay: those are not asked.

use super::{Arp, Probe};
use crate::{
    Engine,
    binding::BindingEvent,
    config::{FailureAction, Liveness},
    engine::{State64, Turn},
    event::Event,
    history::Why,
    record::RouteRecord,
    session::{Record, Slot, SlotRef, State},
};
use alloc::{collections::BTreeSet, sync::Arc};
use bindery_types::{HwAddr, InstanceId, Ipv4Addr, LeaseTime, MacAddr, Mono};
use core::time::Duration;
use hashbrown::HashMap;

/// One walk through the session table. Every interval (300 s and more) has some of them.
pub const LAP: Duration = Duration::from_secs(60);

/// Pause between two requests to a client that does not answer.
pub const RETRY: Duration = Duration::from_secs(10);

/// Shortest pause between two steps of the walk: a million sessions make 56 requests each.
const STEP_MIN: Duration = Duration::from_millis(50);

/// Most slots visited in one turn.
const VISITS_MAX: u32 = 2_048;

/// Most unanswered clients handled in one turn; the next turn follows at once.
const DUE_MAX: usize = 256;

/// What liveness detection knows of a session.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum LivenessState {
    /// It has answered, or was heard, or is not due yet.
    Up,
    /// It has not answered this many requests yet.
    Probing(u8),
    /// It has answered none, and `log-only` leaves it bound.
    Down,
}

/// A client that has not answered.
#[derive(Clone, Copy, Debug)]
struct Suspect {
    handle: SlotRef,
    /// When the first request left.
    since: LeaseTime,
    /// Requests sent.
    sent: u8,
    /// It was told to be down.
    down: bool,
    /// When the next request leaves, or the client is given up; `None` for one that is down until its next interval.
    due: Option<Mono>,
}

/// The walk, and who has not answered. At most one entry a session, so it is bounded by the session table.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// Whether any group has it.
    enabled: bool,
    lap: u64,
    lap_start: Mono,
    cursor: u32,
    step_due: Mono,
    suspects: HashMap<Slot, Suspect, State64>,
    queue: BTreeSet<(Mono, Slot)>,
}

impl Watch {
    /// Begins or ends the walk. What was in question is forgotten: it is asked for anew.
    pub(crate) fn configure(&mut self, enabled: bool) {
        if enabled != self.enabled {
            *self = Self { enabled, ..Self::default() };
        }
    }

    /// When the next step is due.
    pub(crate) fn next(&self) -> Option<Mono> {
        let first = self.queue.first().map(|(at, _)| *at);
        self.enabled.then(|| first.map_or(self.step_due, |at| at.min(self.step_due)))
    }

    fn state_of(&self, handle: SlotRef) -> LivenessState {
        match self.suspects.get(&handle.slot).filter(|suspect| suspect.handle == handle) {
            Some(suspect) if suspect.down => LivenessState::Down,
            Some(suspect) => LivenessState::Probing(suspect.sent),
            None => LivenessState::Up,
        }
    }

    fn set(&mut self, suspect: Suspect) {
        let slot = suspect.handle.slot;
        self.remove(slot);
        self.suspects.insert(slot, suspect);
        if let Some(due) = suspect.due {
            self.queue.insert((due, slot));
        }
    }

    fn remove(&mut self, slot: Slot) -> Option<Suspect> {
        let suspect = self.suspects.remove(&slot)?;
        if let Some(due) = suspect.due {
            self.queue.remove(&(due, slot));
        }
        Some(suspect)
    }

    fn first_due(&self, now: Mono) -> Option<Slot> {
        let (at, slot) = self.queue.first()?;
        (*at <= now).then_some(*slot)
    }

    /// How far the walk goes now: from where, how many slots; and when it is to go on.
    fn step(&mut self, now: Mono, slots: u32) -> (u32, u32) {
        let mut gone = now.since(self.lap_start);
        if gone >= LAP && self.cursor >= slots {
            self.lap += 1;
            self.cursor = 0;
            // After a stall the walk goes on from now, without a rush.
            self.lap_start = if gone < 2 * LAP { self.lap_start.plus(LAP) } else { now };
            gone = now.since(self.lap_start);
        }
        let reached = u64::from(slots) * u64::try_from(gone.min(LAP).as_millis()).unwrap_or(0) / LAP_MILLIS;
        let target = u32::try_from(reached).unwrap_or(slots).min(slots);
        let visits = target.saturating_sub(self.cursor).min(VISITS_MAX);
        let from = self.cursor;
        self.cursor += visits;
        // More is to be visited, or the lap is over and the next one has begun.
        let at_once = self.cursor < target || (gone >= LAP && self.cursor >= slots);
        let pause = if at_once { Duration::ZERO } else { (LAP / slots.max(1)).clamp(STEP_MIN, LAP) };
        self.step_due = now.plus(pause);
        (from, visits)
    }

    /// Panics where a rule is broken: for tests and simulation.
    pub(crate) fn check_invariants(&self) {
        let queued = self.suspects.values().filter(|suspect| suspect.due.is_some()).count();
        assert_eq!(queued, self.queue.len(), "unanswered clients and their places in the queue");
        assert!(self.enabled || self.suspects.is_empty());
    }
}

const LAP_MILLIS: u64 = LAP.as_secs() * 1_000;

/// Whether the session of a slot is due in a lap: its phase crosses a multiple of the interval there.
pub(crate) fn is_due(slot: Slot, lap: u64, interval_secs: u16) -> bool {
    let interval = u64::from(interval_secs).max(1);
    // Neighbouring slots have phases far apart (Fibonacci hashing).
    let phase = (u64::from(slot.0).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) % interval;
    let at = |lap: u64| lap.wrapping_mul(LAP.as_secs()).wrapping_add(phase) / interval;
    lap > 0 && at(lap) != at(lap - 1)
}

impl Engine {
    /// Asks whom it is time to ask, asks again who has not answered, and gives up who never does.
    pub(crate) fn liveness_due(&mut self, turn: Turn) {
        if !self.neighbours.liveness.enabled {
            return;
        }
        for _ in 0..DUE_MAX {
            let Some(slot) = self.neighbours.liveness.first_due(turn.now.mono) else { break };
            self.unanswered(turn, slot);
        }
        if self.neighbours.liveness.step_due > turn.now.mono {
            return;
        }
        let (from, visits) = self.neighbours.liveness.step(turn.now.mono, self.sessions.slots());
        let lap = self.neighbours.liveness.lap;
        for slot in (from..from.saturating_add(visits)).map(Slot) {
            self.visit(turn, slot, lap);
        }
    }

    /// The walk comes by a session.
    fn visit(&mut self, turn: Turn, slot: Slot, lap: u64) {
        let known = self.neighbours.liveness.suspects.get(&slot).copied();
        let (Some(handle), Some(record)) = (self.sessions.handle(slot), self.sessions.get(slot).copied()) else {
            self.neighbours.liveness.remove(slot);
            return;
        };
        let known = known.filter(|suspect| suspect.handle == handle && record.state() == State::Bound);
        if known.is_none() {
            self.neighbours.liveness.remove(slot);
        }
        let Some(liveness) = self.liveness_of(&record) else { return };
        if known.is_some_and(|suspect| suspect.due.is_some()) || !is_due(slot, lap, liveness.transmit_secs) {
            return;
        }
        if record.pending != 0 || record.cltt.plus_secs(u64::from(liveness.transmit_secs)) > turn.lease {
            // It was heard within the interval.
            self.neighbours.liveness.remove(slot);
            return;
        }
        if self.ask_client(slot, &record, false) {
            let due = Some(turn.now.mono.plus(RETRY));
            let down = known.is_some_and(|suspect| suspect.down);
            self.neighbours.liveness.set(Suspect { handle, since: turn.lease, sent: 1, down, due });
        }
    }

    /// `liveness-detection` of a session's group, where it concerns it: bound, direct, its interface there.
    fn liveness_of(&self, record: &Record) -> Option<Liveness> {
        if record.state() != State::Bound || !record.giaddr.is_unspecified() {
            return None;
        }
        let config = &*self.config;
        let served = self.links.by_name(record.link())?.served?;
        let liveness = config.group(self.served_of(config, record, served).group)?.liveness?;
        let up = self.links.by_name(record.link()).is_some_and(|link| link.link.up);
        (up || liveness.action != FailureAction::ClearIfInterfaceUp).then_some(liveness)
    }

    /// Asks a client for its address: itself, or everybody where that has failed. Whether that can be done.
    fn ask_client(&mut self, slot: Slot, record: &Record, everybody: bool) -> bool {
        let client = self.sessions.identity(slot).and_then(|identity| identity.hw.mac());
        let Some(link) = self.links.by_name(record.link()) else { return false };
        let (Some(client), Some(sender_mac)) = (client, link.link.mac) else { return false };
        let sender_ip = match record.route {
            RouteRecord::Link { src, .. } if !src.is_unspecified() => src,
            _ => link.served.and_then(|served| served.local).unwrap_or(Ipv4Addr::UNSPECIFIED),
        };
        let to = if everybody { MacAddr::BROADCAST } else { client };
        let index = link.link.index;
        self.outbox.probes.push(Probe { link: index, to, sender_mac, sender_ip, target: record.address() });
        self.count_neighbour(index, |counters| &mut counters.liveness_probes);
        true
    }

    /// A client has not answered its last request in time.
    fn unanswered(&mut self, turn: Turn, slot: Slot) {
        let Some(suspect) = self.neighbours.liveness.remove(slot) else { return };
        let record = self.sessions.resolve(suspect.handle).and_then(|slot| self.sessions.get(slot)).copied();
        let Some((record, liveness)) = record.and_then(|record| Some((record, self.liveness_of(&record)?))) else {
            return;
        };
        // By DHCP it was heard meanwhile, or is being answered.
        if record.pending != 0 || record.cltt >= suspect.since {
            return;
        }
        let retries = liveness.retries;
        if suspect.sent <= retries {
            if self.ask_client(slot, &record, suspect.sent == retries) {
                let due = Some(turn.now.mono.plus(RETRY));
                self.neighbours.liveness.set(Suspect { sent: suspect.sent + 1, due, ..suspect });
            }
            return;
        }
        let clears = liveness.action != FailureAction::LogOnly;
        if clears && !self.rings.has_room() {
            let due = Some(turn.now.mono.plus(Duration::from_secs(1)));
            return self.neighbours.liveness.set(Suspect { due, ..suspect });
        }
        self.gone(turn, slot, &record, (suspect, clears));
    }

    /// A client is taken to be gone: the failure action.
    fn gone(&mut self, turn: Turn, slot: Slot, record: &Record, (suspect, clears): (Suspect, bool)) {
        let link = self.index_of(record.link());
        if !suspect.down {
            self.count_neighbour(link, |counters| &mut counters.liveness_failures);
            if self.neighbours.budget.take(turn.now.mono) {
                let hw = self.sessions.identity(slot).map_or_else(HwAddr::default, |identity| identity.hw);
                let (session, address) = (record.id(), record.address());
                self.outbox.events.push(Event::LivenessFailed { session, hw, address, cleared: clears });
            }
        }
        if clears {
            self.count_neighbour(link, |counters| &mut counters.liveness_cleared);
            self.begin_event(Why::Silent);
            self.commit_end(turn, slot, BindingEvent::Clear, None, None);
        } else {
            self.neighbours.liveness.set(Suspect { down: true, due: None, ..suspect });
        }
    }

    /// An ARP packet of the client is as good as an answer.
    pub(crate) fn heard(&mut self, instance: InstanceId, arp: Arp) {
        if self.neighbours.liveness.suspects.is_empty() {
            return;
        }
        let Some(slot) = self.sessions.find_by_address(instance, arp.sender_ip) else { return };
        let is_its = |hw: HwAddr| hw.mac() == Some(arp.sender_mac);
        if self.sessions.identity(slot).is_some_and(|identity| is_its(identity.hw)) {
            self.neighbours.liveness.remove(slot);
        }
    }

    /// What liveness detection knows of a session; `None` where its group has none, or it is behind a relay.
    pub(crate) fn liveness_state(&self, slot: Slot, record: &Record) -> Option<LivenessState> {
        if !self.neighbours.liveness.enabled {
            return None;
        }
        self.liveness_of(record)?;
        Some(self.neighbours.liveness.state_of(self.sessions.handle(slot)?))
    }

    /// Follows a new configuration.
    pub(crate) fn configure_liveness(&mut self) {
        let enabled = Arc::clone(&self.config).groups.iter().any(|group| group.liveness.is_some());
        self.neighbours.liveness.configure(enabled);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    /// Every session is due exactly once an interval, at a lap of its own: no burst, whatever the interval.
    #[test]
    fn each_session_is_due_once_an_interval_and_none_bunch() {
        for interval in [300u16, 330, 600, 1_000, 1_799, 1_800] {
            let sessions = 3_000u32;
            let laps = 3 * u64::from(interval);
            let mut per_lap = alloc::vec![0u32; usize::try_from(laps).unwrap_or(0) + 1];
            for slot in (0..sessions).map(Slot) {
                let due: Vec<u64> = (1..=laps).filter(|lap| is_due(slot, *lap, interval)).collect();
                for pair in due.windows(2) {
                    let gap = (pair[1] - pair[0]) * LAP.as_secs();
                    let interval = u64::from(interval);
                    assert!(gap + LAP.as_secs() > interval && gap < interval + LAP.as_secs(), "{gap} of {interval}");
                }
                let wanted = laps * LAP.as_secs() / u64::from(interval);
                assert!(due.len() as u64 >= wanted.saturating_sub(1) && due.len() as u64 <= wanted + 1);
                due.iter().for_each(|lap| per_lap[*lap as usize] += 1);
            }
            let fair = u64::from(sessions) * LAP.as_secs() / u64::from(interval);
            let most = per_lap.iter().max().copied().unwrap_or(0);
            assert!(u64::from(most) <= fair + fair / 4 + 8, "{most} in one lap of {interval}, fair is {fair}");
        }
    }

    /// The walk sees every slot once a lap, at an even pace, however late or early the ticks come.
    #[test]
    fn a_lap_visits_each_slot_once_at_an_even_pace() {
        for (slots, tick) in [(1u32, 1_000u64), (7, 130), (5_000, 50), (100_000, 50), (100_000, 700)] {
            let mut watch = Watch { enabled: true, ..Watch::default() };
            let mut seen = alloc::vec![0u32; slots as usize];
            let (mut millis, mut most) = (0u64, 0);
            while watch.lap < 3 {
                let now = Mono(millis * 1_000_000);
                loop {
                    let (from, visits) = watch.step(now, slots);
                    if watch.lap < 3 {
                        (from..from + visits).for_each(|slot| seen[slot as usize] += 1);
                    }
                    most = most.max(visits);
                    if watch.step_due > now {
                        break;
                    }
                }
                millis += tick;
            }
            assert!(seen.iter().all(|times| *times == 3), "{slots} slots");
            let fair = u64::from(slots) * tick / LAP_MILLIS;
            assert!(u64::from(most) <= (fair + 2).min(u64::from(VISITS_MAX)), "{most} at once of {slots}");
            assert!(millis >= 3 * LAP_MILLIS && millis <= 3 * LAP_MILLIS + 4 * tick + 1_000);
        }
    }

    #[test]
    fn a_stall_brings_no_rush() {
        let mut watch = Watch { enabled: true, ..Watch::default() };
        watch.step(Mono::from_secs(60), 1_000);
        let (_, visits) = watch.step(Mono::from_secs(100_000), 1_000);
        assert_eq!(visits, 0, "the walk begins anew");
    }
}
