//! What happened to subscribers, when and why: rings in memory, nothing of it survives a restart.
//!
//! An entry of 64 bytes an exchange or event, appended in constant time; a query scans the rings by pages. Three rings, so
//! that nobody washes out what matters: what became of bindings; the other traffic of clients that have one; everything
//! of clients that have none. A flood of strangers turns only the last one over.

mod entry;
mod note;
mod origin;

pub(crate) use entry::{Detail, Entry};
pub use entry::{HistoryCursor, HistoryKey, HistoryView, What, Why};
pub use origin::Actor;
pub(crate) use origin::Origin;

use crate::engine::State64;
use alloc::{collections::VecDeque, vec::Vec};
use bindery_types::MacAddr;
use core::hash::{BuildHasher, Hasher};

/// Entries of what became of bindings.
pub const LIVES_KEPT: usize = 65_536;

/// Entries of the other traffic of clients with a binding.
pub const TRAFFIC_KEPT: usize = 32_768;

/// Entries of clients without a binding.
pub const STRANGERS_KEPT: usize = 32_768;

/// Most entries that one page of a query looks at: it bounds the time for which packets wait.
pub const HISTORY_PAGE: usize = 4_096;

/// Which ring.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Shelf {
    Lives = 0,
    Traffic = 1,
    Strangers = 2,
}

/// The newest entries of a kind.
#[derive(Debug)]
struct Ring {
    entries: VecDeque<Entry>,
    /// How many have gone: the number of the first entry.
    gone: u64,
    most: usize,
}

impl Ring {
    const fn new(most: usize) -> Self {
        Self { entries: VecDeque::new(), gone: 0, most }
    }

    fn push(&mut self, entry: Entry) {
        if let Some(last) = self.entries.back_mut()
            && last.repeats(&entry)
        {
            *last = Entry { times: last.times.saturating_add(1), ..entry };
            return;
        }
        if self.entries.len() >= self.most && self.entries.pop_front().is_some() {
            self.gone += 1;
        }
        self.entries.push_back(entry);
    }
}

/// The history.
#[derive(Debug)]
pub(crate) struct History {
    rings: [Ring; 3],
    hasher: State64,
    /// Exchanges so far.
    exchanges: u64,
    /// Wall clock of the input that is being handled.
    pub(crate) wall: u64,
    /// The configuration revision in force.
    pub(crate) revision: u64,
    /// Whether each entry goes to the outbox too.
    pub(crate) traced: bool,
}

impl History {
    pub(crate) fn new(hash_seed: u64) -> Self {
        Self {
            rings: [Ring::new(LIVES_KEPT), Ring::new(TRAFFIC_KEPT), Ring::new(STRANGERS_KEPT)],
            hasher: State64::with_seed(hash_seed),
            exchanges: 0,
            wall: 0,
            revision: 0,
            traced: false,
        }
    }

    /// The number of an exchange that begins.
    pub(crate) fn next_number(&mut self) -> u64 {
        self.exchanges += 1;
        self.exchanges
    }

    /// What stands for option 61 in an entry; 0 for none.
    pub(crate) fn client_hash(&self, client_id: &[u8]) -> u64 {
        if client_id.is_empty() {
            return 0;
        }
        let mut hasher = self.hasher.build_hasher();
        hasher.write(client_id);
        hasher.finish() | 1
    }

    pub(crate) fn push(&mut self, shelf: Shelf, entry: Entry) {
        if let Some(ring) = self.rings.get_mut(shelf as usize) {
            ring.push(entry);
        }
    }

    /// The entries of one page that match, and where to go on.
    fn page(&self, key: &HistoryKey, from: HistoryCursor) -> (Vec<Entry>, Option<HistoryCursor>) {
        let wanted = self.matcher(key);
        let mut at = from;
        let (mut found, mut left) = (Vec::new(), HISTORY_PAGE);
        while let Some(ring) = self.rings.get(usize::from(at.ring)) {
            let skip = usize::try_from(at.next.saturating_sub(ring.gone)).unwrap_or(usize::MAX);
            let slice = ring.entries.iter().skip(skip).take(left);
            let visited = slice.len();
            found.extend(slice.filter(|entry| wanted(entry)).copied());
            left -= visited;
            if skip.saturating_add(visited) < ring.entries.len() {
                return (found, Some(HistoryCursor { ring: at.ring, next: ring.gone.max(at.next) + visited as u64 }));
            }
            at = HistoryCursor { ring: at.ring + 1, next: 0 };
        }
        (found, None)
    }

    fn matcher(&self, key: &HistoryKey) -> impl Fn(&Entry) -> bool + use<> {
        let (mac, address, session, client) = match key {
            HistoryKey::Mac(mac) => (Some(*mac), None, None, None),
            HistoryKey::Address(address) => (None, Some(*address), None, None),
            HistoryKey::Session(session) => (None, None, Some(session.0), None),
            HistoryKey::ClientId(id) => (None, None, None, Some(self.client_hash(id))),
        };
        move |entry: &Entry| {
            mac.is_none_or(|mac: MacAddr| mac == entry.mac)
                && address.is_none_or(|address| address == entry.address)
                && session.is_none_or(|session| session == entry.session)
                && client.is_none_or(|client| client == entry.client)
        }
    }

    /// Panics where a bound is broken: for tests and simulation.
    pub(crate) fn check_invariants(&self) {
        for ring in &self.rings {
            assert!(ring.entries.len() <= ring.most, "a ring of the history is too long");
        }
    }
}
