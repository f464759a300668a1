//! `excluded-address` and `excluded-range` over live leases: those subscribers are logged out when the configuration
//! comes into force (junos.md §5.1), a slice of the table a turn.

use crate::{
    Engine,
    binding::BindingEvent,
    engine::Turn,
    event::Event,
    history::Why,
    session::{Record, State},
};
use alloc::vec::Vec;
use bindery_types::Mono;
use core::time::Duration;

/// Slots looked at in one turn.
const SLICE: u32 = 4_096;

/// How long sessions with a running exchange are left alone before they are looked at again.
const BUSY_PAUSE: Duration = Duration::from_millis(100);

/// How far the search has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Sweep {
    from: u32,
    /// A session was busy: the search begins again.
    again: bool,
    /// Not before this.
    due: Mono,
    ended: u32,
}

impl Engine {
    /// Other addresses are excluded now, perhaps under live leases.
    pub(crate) fn begin_sweep(&mut self) {
        if self.pools.excludes() {
            self.sweep = Some(Sweep { ended: self.sweep.map_or(0, |sweep| sweep.ended), ..Sweep::default() });
        }
    }

    /// Whether the session's address is excluded: its subscriber is logged out.
    pub(crate) fn is_excluded(&self, record: &Record) -> bool {
        self.pools.is_excluded(record.instance(), record.address())
            && self.pools.pool_of(record.instance(), record.address()).is_none()
    }

    /// Ends the sessions of excluded addresses in one slice of the table.
    pub(crate) fn sweep_excluded(&mut self, turn: Turn) {
        let Some(mut sweep) = self.sweep.filter(|sweep| sweep.due <= turn.now.mono) else { return };
        let mut slots = Vec::new();
        let next = self.sessions.page(sweep.from, SLICE, &mut slots);
        self.begin_event(Why::Excluded);
        for slot in slots {
            let Some(record) = self.sessions.get(slot).copied() else { continue };
            if !record.state().is_live() || !self.is_excluded(&record) {
                continue;
            }
            if record.pending != 0 || !self.rings.has_room() {
                sweep.again = true;
            } else if record.state() == State::Bound {
                self.commit_end(turn, slot, BindingEvent::Clear, None, None);
                sweep.ended += 1;
            } else {
                self.lapse_offer(slot);
            }
        }
        sweep.due = turn.now.mono;
        sweep.from = next.unwrap_or(0);
        self.sweep = Some(sweep);
        if next.is_some() {
            return;
        }
        if sweep.again {
            self.sweep = Some(Sweep { again: false, due: turn.now.mono.plus(BUSY_PAUSE), ..sweep });
            return;
        }
        self.sweep = None;
        if sweep.ended > 0 {
            self.outbox.events.push(Event::ExcludedLoggedOut { sessions: sweep.ended });
        }
    }

    /// When the search goes on.
    pub(crate) fn next_sweep(&self) -> Option<Mono> {
        self.sweep.map(|sweep| sweep.due).filter(|_| !self.rings.store_down)
    }

    /// Hands out what crossed a threshold of `high-utilization` and `abated-utilization`.
    pub(crate) fn tell_crossings(&mut self) {
        for crossing in self.pools.take_crossings() {
            let pool = self.pools.name(crossing.pool).unwrap_or_default().into();
            self.outbox.events.push(Event::PoolUtilization { pool, high: crossing.high, percent: crossing.percent });
        }
    }
}
