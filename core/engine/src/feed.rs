//! The change feed (design §4): which sessions changed since a position, each once, with its last state.
//!
//! The position is the change order that every record carries already. Beside it stands a ring in memory with an entry
//! of 16 bytes for each durable change: never a second write, and no work for packets but the append. A session that
//! changed twice has two entries; the older one is told by its record, which names the newer.

use crate::{
    Engine,
    command::{BindingView, ChangeKind, ChangeView, Filter, PAGE_MAX, PublicState, Reply},
    commit::Change,
    engine::Turn,
    links::pattern_matches,
    reconfigure::flag,
    session::{Identity, IdentityBuf, Record, Slot, State},
};
use alloc::{
    boxed::Box,
    collections::{BTreeMap, VecDeque},
    vec::Vec,
};
use bindery_types::HwAddr;

/// Changes that are remembered, the newest ones: 1 MiB. A reader that is further behind has lost some.
pub const CHANGES_KEPT: usize = 65_536;

/// Most entries of the ring that one page looks at: filters and sessions that changed again make no rows.
const VISITS_MAX: usize = 4 * PAGE_MAX;

/// Ended sessions that are told of although their records are gone, the newest ones: whoever declines addresses of an
/// exhausted pool, so that each quarantine is given up at once, must not cost readers their place.
const GONE_KEPT: usize = 1_024;

/// A durable change.
#[derive(Clone, Copy, Debug)]
struct Entry {
    sequence: u64,
    slot: Slot,
    /// Whether the session then had another interface, address, pool or hardware address: a filter that it matched
    /// before may not match it any more.
    moved: bool,
}

const _: () = assert!(size_of::<Entry>() <= 16);

/// The newest durable changes, in their order.
#[derive(Debug, Default)]
pub(crate) struct Feed {
    ring: VecDeque<Entry>,
    /// Renewals that were answered at once while changes counted before them are on their way to storage: told after those,
    /// for readers go by the number.
    early: VecDeque<Entry>,
    /// What the ring's entries tell of sessions whose records are gone, by sequence.
    gone: BTreeMap<u64, (ChangeKind, Box<BindingView>)>,
    /// Up to here something was forgotten.
    floor: u64,
    /// The newest durable change.
    last: u64,
}

impl Feed {
    /// Begins behind `sequence`: what was before is in no ring.
    pub(crate) fn begin(&mut self, sequence: u64) {
        self.ring.clear();
        self.early.clear();
        self.gone.clear();
        self.floor = sequence;
        self.last = sequence;
    }

    fn note(&mut self, entry: Entry) {
        if self.ring.len() >= CHANGES_KEPT
            && let Some(oldest) = self.ring.pop_front()
        {
            self.floor = self.floor.max(oldest.sequence);
        }
        self.last = self.last.max(entry.sequence);
        self.ring.push_back(entry);
    }

    /// Whether a change may be counted that is told only when those before it are durable.
    pub(crate) fn has_room(&self) -> bool {
        self.early.len() < CHANGES_KEPT
    }

    /// Keeps what the change `sequence` tells: its record goes. Of too many the oldest change is forgotten.
    fn keep(&mut self, sequence: u64, what: ChangeKind, view: BindingView) {
        self.gone.insert(sequence, (what, Box::new(view)));
        while self.gone.len() > GONE_KEPT
            && let Some((oldest, _)) = self.gone.pop_first()
        {
            self.floor = self.floor.max(oldest);
        }
    }

    /// The changes behind `after`; `None` where some are forgotten, or `after` is of another order.
    fn since(&self, after: u64) -> Option<impl Iterator<Item = Entry> + use<'_>> {
        if after < self.floor || after > self.last {
            return None;
        }
        let from = self.ring.partition_point(|entry| entry.sequence <= after);
        Some(self.ring.range(from..).copied())
    }

    /// Panics where the order is broken: for tests and simulation.
    pub(crate) fn check_invariants(&self) {
        assert!(self.ring.len() <= CHANGES_KEPT && self.early.len() <= CHANGES_KEPT);
        assert!(self.gone.len() <= GONE_KEPT);
        assert!(self.floor <= self.last);
        let pairs = self.ring.iter().zip(self.ring.iter().skip(1)).take(VISITS_MAX);
        assert!(pairs.into_iter().all(|(a, b)| a.sequence < b.sequence), "the change feed is out of order");
    }
}

impl Engine {
    /// A change of a session is durable: to be told before its record changes.
    pub(crate) fn note_change(&mut self, slot: Slot, record: &Record, change: &Change, identity: Option<&IdentityBuf>) {
        self.settle_feed(Some(change.change));
        // What storage had before is under the offer.
        let before = self.shadows.get(&slot).map_or(record, |shadow| &shadow.record);
        let rehomed = || identity.is_some_and(|new| Some(new.view().hw) != self.durable_hw(slot));
        let moved = before.link() != change.link
            || before.pool != change.pool
            || before.address() != record.address()
            || rehomed();
        self.feed.note(Entry { sequence: change.change, slot, moved });
    }

    /// A renewal is answered before it is written.
    pub(crate) fn note_at_once(&mut self, slot: Slot, sequence: u64) {
        self.feed.early.push_back(Entry { sequence, slot, moved: false });
        if self.rings.commits.is_empty() {
            self.settle_feed(None);
        }
    }

    /// Every change below `next` that will ever be durable was told; `None`: all that were counted.
    pub(crate) fn settle_feed(&mut self, next: Option<u64>) {
        let is_settled = |entry: &mut Entry| next.is_none_or(|next| entry.sequence < next);
        while let Some(entry) = self.feed.early.pop_front_if(is_settled) {
            if let Some(record) = self.sessions.get_mut(entry.slot) {
                record.change = record.change.max(entry.sequence);
            }
            self.feed.note(entry);
        }
    }

    fn durable_hw(&self, slot: Slot) -> Option<HwAddr> {
        let under = self.shadows.get(&slot).and_then(|shadow| shadow.identity.as_ref()).map(|buf| buf.view().hw);
        under.or_else(|| self.sessions.identity(slot).map(|identity| identity.hw))
    }

    /// The record of an ended session goes: who reads late is told of its end still.
    pub(crate) fn note_gone(&mut self, turn: Turn, slot: Slot) {
        let Some((record, identity)) = self.sessions.get(slot).zip(self.sessions.identity(slot)) else { return };
        let (sequence, what, state) = (record.change, kind(record), public_state(record));
        // Mostly nothing of it is in the ring any more.
        if sequence > self.feed.floor
            && let (Some(what), Some(state)) = (what, state)
        {
            let view = BindingView { state, ..self.view_of(turn, slot, record, &identity) };
            self.feed.keep(sequence, what, view);
        }
    }

    /// What changed behind `after`: one page.
    pub(crate) fn changes(&self, turn: Turn, after: u64, filter: &Filter) -> Reply {
        let Some(entries) = self.feed.since(after) else {
            return Reply::Changes { rows: Vec::new(), next: self.feed.last, lost: true, more: false };
        };
        let (mut rows, mut next) = (Vec::new(), after);
        for (visited, entry) in entries.enumerate() {
            if rows.len() >= PAGE_MAX || visited >= VISITS_MAX {
                return Reply::Changes { rows, next, lost: false, more: true };
            }
            rows.extend(self.change_view(turn, entry, filter));
            next = entry.sequence;
        }
        Reply::Changes { rows, next: self.feed.last, lost: false, more: false }
    }

    /// What an entry tells: nothing where its session has changed again, unless it may have left the filter then.
    fn change_view(&self, turn: Turn, entry: Entry, filter: &Filter) -> Option<ChangeView> {
        let slot = entry.slot;
        if let Some((what, view)) = self.feed.gone.get(&entry.sequence) {
            // How it came to where it ended is not known any more: it may have left the filter before.
            let what = if selects_view(filter, view) { *what } else { ChangeKind::Left };
            return Some(ChangeView { sequence: entry.sequence, what, binding: (**view).clone() });
        }
        let under = self.shadows.get(&slot);
        let record = under.map(|shadow| &shadow.record).or_else(|| self.sessions.get(slot))?;
        let identity = match under.and_then(|shadow| shadow.identity.as_ref()) {
            Some(identity) => identity.view(),
            None => self.sessions.identity(slot)?,
        };
        let matches = self.selects(filter, record, &identity);
        let last = record.change == entry.sequence;
        let what = match (last, matches) {
            (true, true) => kind(record)?,
            (_, false) if entry.moved => ChangeKind::Left,
            _ => return None,
        };
        let state = public_state(record)?;
        let binding = BindingView { state, ..self.view_of(turn, slot, record, &identity) };
        Some(ChangeView { sequence: entry.sequence, what, binding })
    }

    /// Whether a filter selects a session.
    pub(crate) fn selects(&self, filter: &Filter, record: &Record, identity: &Identity<'_>) -> bool {
        match filter {
            Filter::All => true,
            Filter::Instance(name, inner) => self.is_in(record, name) && self.selects(inner, record, identity),
            Filter::Address(address) => record.address() == *address,
            Filter::Mac(mac) => identity.hw == HwAddr::from(*mac),
            Filter::Session(id) => record.id() == *id,
            Filter::Interface(pattern) => pattern_matches(pattern, self.names.name(record.link())),
            Filter::Displaced => self.is_displaced(record),
            Filter::LeaseTimeViolation => record.flags & flag::LEASE_TIME_VIOLATED != 0,
            Filter::Pool(name) => self.names.name(record.pool) == &**name,
        }
    }
}

/// Whether a filter selects what was kept of a session.
fn selects_view(filter: &Filter, view: &BindingView) -> bool {
    match filter {
        Filter::All => true,
        Filter::Instance(name, inner) => *view.instance == **name && selects_view(inner, view),
        Filter::Address(address) => view.address == *address,
        Filter::Mac(mac) => view.hw == HwAddr::from(*mac),
        Filter::Session(id) => view.session == *id,
        Filter::Interface(pattern) => pattern_matches(pattern, &view.interface),
        Filter::Pool(name) => view.pool == *name,
        // It has ended, so no configuration has a place for it to lose.
        Filter::Displaced => false,
        Filter::LeaseTimeViolation => view.lease_time_violated,
    }
}

/// What became of a session, by its record.
fn kind(record: &Record) -> Option<ChangeKind> {
    Some(match record.state() {
        State::Offered => return None,
        State::Bound if record.flags & flag::RECONFIGURING != 0 => ChangeKind::Reconfiguring,
        State::Bound if record.cltt > record.changed => ChangeKind::Renewed,
        State::Bound => ChangeKind::Bound,
        State::Released => ChangeKind::Released,
        State::Expired => ChangeKind::Expired,
        State::Cleared => ChangeKind::Cleared,
        State::Declined => ChangeKind::Declined,
    })
}

/// The state that storage has, whatever is under way.
fn public_state(record: &Record) -> Option<PublicState> {
    Some(match record.state() {
        State::Bound if record.flags & flag::RECONFIGURING != 0 => PublicState::Reconfiguring,
        State::Bound => PublicState::Bound,
        state => PublicState::Ended(state.durable()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(sequences: impl IntoIterator<Item = u64>) -> Feed {
        let mut feed = Feed::default();
        sequences.into_iter().for_each(|sequence| feed.note(Entry { sequence, slot: Slot(0), moved: false }));
        feed.check_invariants();
        feed
    }

    fn since(feed: &Feed, after: u64) -> Option<Vec<u64>> {
        feed.since(after).map(|entries| entries.map(|entry| entry.sequence).collect())
    }

    #[test]
    fn a_reader_goes_on_where_it_was_and_nowhere_else() {
        let feed = feed([3, 5, 9]);
        assert_eq!(since(&feed, 0), Some(alloc::vec![3, 5, 9]));
        assert_eq!(since(&feed, 4), Some(alloc::vec![5, 9]));
        assert_eq!(since(&feed, 9), Some(Vec::new()));
        assert_eq!(since(&feed, 10), None, "a position of another order");
    }

    #[test]
    fn another_life_begins_anew() {
        let mut feed = feed([3, 5, 9]);
        feed.begin(20);
        assert_eq!(since(&feed, 9), None);
        assert_eq!(since(&feed, 20), Some(Vec::new()));
    }

    #[test]
    fn the_ring_is_bounded_and_a_reader_that_is_too_far_behind_is_told() {
        let most = CHANGES_KEPT as u64;
        let feed = feed(1..=most + 2);
        assert_eq!(feed.ring.len(), CHANGES_KEPT);
        assert!(feed.since(1).is_none());
        assert_eq!(feed.since(2).map(Iterator::count), Some(CHANGES_KEPT));
    }
}
