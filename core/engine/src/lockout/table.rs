//! Who is locked out, and for how long.

use crate::{config::ShortCycle, engine::State64, session::NameId};
use alloc::{boxed::Box, collections::BTreeSet, vec::Vec};
use bindery_types::{HwAddr, Mono};
use core::{
    hash::{BuildHasher, Hash, Hasher},
    time::Duration,
};
use hashbrown::HashTable;

/// Most clients that are remembered. When the table is full, the one whose last cycle is the longest ago goes for a new
/// one, locked out or not.
pub const LOCKOUTS_MAX: usize = 16_384;

/// A client that was good for this long after its lockout, or for `lockout-max-time` where that is longer, is forgotten:
/// its next cycle counts as the first.
pub const FORGIVEN_AFTER_SECS: u32 = 900;

/// What a cycle was.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Cause {
    /// It gave its lease back, or began anew, soon after it had got it.
    Released,
    /// Its lease ran out soon after it had got it.
    Expired,
    /// It found its address in use.
    Declined,
    /// RADIUS or a plugin has rejected it.
    Rejected,
    /// Its REQUEST got a DHCPNAK.
    Refused,
}

impl Cause {
    /// One word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Released => "released",
            Self::Expired => "expired",
            Self::Declined => "declined",
            Self::Rejected => "rejected",
            Self::Refused => "refused",
        }
    }
}

/// Who is locked out: a client by its client id, or by its hardware address where it has none, where it came in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Key<'a> {
    pub(crate) link: NameId,
    pub(crate) hw: HwAddr,
    /// Option 61; empty for none.
    pub(crate) client_id: &'a [u8],
    /// Sub-option 1 of option 82; empty for none.
    pub(crate) circuit_id: &'a [u8],
}

impl Hash for Key<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.link.hash(state);
        // With an id the hardware address says nothing.
        if self.client_id.is_empty() {
            self.hw.hash(state)
        } else {
            self.client_id.hash(state)
        }
        self.circuit_id.hash(state);
    }
}

/// A client's cycles.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Lockout {
    pub(crate) link: NameId,
    pub(crate) hw: HwAddr,
    pub(crate) client_id: Box<[u8]>,
    pub(crate) circuit_id: Box<[u8]>,
    pub(crate) cause: Cause,
    /// Cycles since it was last forgotten.
    pub(crate) count: u32,
    /// When the last cycle ended.
    pub(crate) since: Mono,
    /// End of the lockout.
    pub(crate) until: Mono,
    /// When it is forgotten.
    pub(crate) forgotten: Mono,
    pub(crate) rule: ShortCycle,
    order: u64,
}

impl Lockout {
    fn is(&self, key: &Key<'_>) -> bool {
        let same = match (key.client_id, &*self.client_id) {
            ([], []) => self.hw == key.hw,
            (id, own) => id == own,
        };
        same && self.link == key.link && *self.circuit_id == *key.circuit_id
    }

    fn key(&self) -> Key<'_> {
        Key { link: self.link, hw: self.hw, client_id: &self.client_id, circuit_id: &self.circuit_id }
    }
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Lockouts {
    entries: Vec<Option<Lockout>>,
    free: Vec<u32>,
    found: HashTable<u32>,
    /// By the order of the last cycle.
    order: BTreeSet<(u64, u32)>,
    cycles: u64,
    hasher: State64,
}

/// Seconds of the lockout after `count` cycles: they double from the shortest to the longest.
pub(crate) fn lockout_secs(rule: ShortCycle, count: u32) -> u64 {
    let doubled = u64::from(rule.min_secs) << count.saturating_sub(1).min(32);
    doubled.min(u64::from(rule.max_secs.max(rule.min_secs)))
}

impl Lockouts {
    pub(crate) fn new(hash_seed: u64) -> Self {
        Self {
            entries: Vec::new(),
            free: Vec::new(),
            found: HashTable::new(),
            order: BTreeSet::new(),
            cycles: 0,
            hasher: State64::with_seed(hash_seed),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    fn find(&self, key: &Key<'_>) -> Option<u32> {
        let is_it = |at: &u32| self.get(*at).is_some_and(|entry| entry.is(key));
        self.found.find(self.hasher.hash_one(key), is_it).copied()
    }

    /// The entry of an index.
    pub(crate) fn get(&self, at: u32) -> Option<&Lockout> {
        self.entries.get(usize::try_from(at).ok()?)?.as_ref()
    }

    /// Whether the client is locked out at `now`.
    pub(crate) fn is_locked(&self, key: &Key<'_>, now: Mono) -> bool {
        self.find(key).and_then(|at| self.get(at)).is_some_and(|entry| now < entry.until)
    }

    /// Counts a cycle that ended at `now`; for how long the client is locked out, seconds.
    pub(crate) fn note(&mut self, key: &Key<'_>, rule: ShortCycle, cause: Cause, now: Mono) -> u64 {
        self.forget_old(now);
        let at = match self.find(key) {
            Some(at) => at,
            None => {
                if self.found.len() >= LOCKOUTS_MAX
                    && let Some(&(_, oldest)) = self.order.first()
                {
                    self.remove(oldest);
                }
                self.insert(key, rule, cause, now)
            }
        };
        self.cycles += 1;
        let cycles = self.cycles;
        let Some(Some(entry)) = self.entries.get_mut(at as usize) else { return 0 };
        self.order.remove(&(entry.order, at));
        entry.order = cycles;
        self.order.insert((cycles, at));
        entry.count = if now < entry.forgotten { entry.count.saturating_add(1) } else { 1 };
        entry.hw = key.hw;
        (entry.rule, entry.cause, entry.since) = (rule, cause, now);
        let secs = lockout_secs(rule, entry.count);
        entry.until = now.plus(Duration::from_secs(secs));
        let good = u64::from(FORGIVEN_AFTER_SECS.max(rule.max_secs));
        entry.forgotten = entry.until.plus(Duration::from_secs(good));
        secs
    }

    fn insert(&mut self, key: &Key<'_>, rule: ShortCycle, cause: Cause, now: Mono) -> u32 {
        let entry = Lockout {
            link: key.link,
            hw: key.hw,
            client_id: key.client_id.into(),
            circuit_id: key.circuit_id.into(),
            cause,
            count: 0,
            since: now,
            until: now,
            forgotten: now,
            rule,
            order: 0,
        };
        let at = self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            u32::try_from(self.entries.len() - 1).unwrap_or(u32::MAX)
        });
        let hash = self.hasher.hash_one(key);
        if let Some(place) = self.entries.get_mut(at as usize) {
            *place = Some(entry);
        }
        self.order.insert((0, at));
        let (entries, hasher) = (&self.entries, &self.hasher);
        self.found.insert_unique(hash, at, |at| {
            let entry = entries.get(*at as usize).and_then(Option::as_ref);
            entry.map_or(0, |entry| hasher.hash_one(entry.key()))
        });
        at
    }

    /// Forgets the entry of an index; whether there was one.
    pub(crate) fn remove(&mut self, at: u32) -> bool {
        let Some(entry) = self.entries.get_mut(at as usize).and_then(Option::take) else { return false };
        if let Ok(found) = self.found.find_entry(self.hasher.hash_one(entry.key()), |other| *other == at) {
            found.remove();
        }
        self.order.remove(&(entry.order, at));
        self.free.push(at);
        true
    }

    /// Forgets all; how many there were.
    pub(crate) fn clear(&mut self) -> u32 {
        let count = self.found.len();
        self.found.clear();
        self.order.clear();
        self.entries.clear();
        self.free.clear();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// Forgets those whose time is over, as far as they stand at the head of the order.
    pub(crate) fn forget_old(&mut self, now: Mono) {
        while let Some(&(_, oldest)) = self.order.first()
            && self.get(oldest).is_none_or(|entry| entry.forgotten <= now)
        {
            if !self.remove(oldest) {
                return;
            }
        }
    }

    /// Entries from index `from` on.
    pub(crate) fn from(&self, from: u32) -> impl Iterator<Item = (u32, &Lockout)> {
        let entries = self.entries.iter().enumerate().skip(from as usize);
        entries.filter_map(|(at, entry)| Some((u32::try_from(at).ok()?, entry.as_ref()?)))
    }

    /// Panics where a rule is broken: for tests and simulation.
    pub(crate) fn check_invariants(&self) {
        assert!(self.found.len() <= LOCKOUTS_MAX);
        assert_eq!(self.found.len(), self.order.len(), "one place in the order an entry");
        assert_eq!(self.found.len() + self.free.len(), self.entries.len(), "used and free entries");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;
    use proptest::prelude::*;

    const RULE: ShortCycle = ShortCycle { min_secs: 4, max_secs: 60 };

    fn key(last: u16) -> Key<'static> {
        let [high, low] = last.to_be_bytes();
        let hw = HwAddr::new(1, &[2, 0, 0, 0, high, low]).unwrap();
        Key { link: NameId::EMPTY, hw, client_id: b"", circuit_id: b"" }
    }

    proptest! {
        /// Against a plain map: counts double the time, good behaviour forgets, clearing clears.
        #[test]
        fn the_table_is_the_map(steps in prop::collection::vec((0u16..6, 0u64..1_200, 0u8..10), 1..200)) {
            let mut table = Lockouts::new(5);
            let mut model: BTreeMap<u16, (u32, u64, u64)> = BTreeMap::new();
            let mut now = 10;
            for (client, gap, what) in steps {
                now += gap;
                let at = Mono::from_secs(now);
                match what {
                    0 => {
                        let found = table.find(&key(client));
                        if let Some(found) = found {
                            prop_assert!(table.remove(found));
                        }
                        model.remove(&client);
                    }
                    1 => {
                        table.clear();
                        model.clear();
                    }
                    _ => {
                        table.note(&key(client), RULE, Cause::Refused, at);
                        let (count, until, forgotten) = model.entry(client).or_insert((0, now, now));
                        *count = if now < *forgotten { *count + 1 } else { 1 };
                        *until = now + (4u64 << (*count - 1).min(30)).min(60);
                        *forgotten = *until + 900;
                    }
                }
                table.check_invariants();
                for client in 0..6 {
                    let locked = model.get(&client).is_some_and(|(_, until, _)| now < *until);
                    prop_assert_eq!(table.is_locked(&key(client), at), locked);
                }
            }
        }
    }

    #[test]
    fn times_double_up_to_the_longest() {
        let secs: Vec<u64> = (1..8).map(|count| lockout_secs(RULE, count)).collect();
        assert_eq!(secs, [4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(lockout_secs(ShortCycle { min_secs: 86_400, max_secs: 86_400 }, u32::MAX), 86_400);
    }

    #[test]
    fn the_oldest_cycle_goes_when_the_table_is_full() {
        let mut table = Lockouts::new(5);
        let now = Mono::from_secs(1);
        let most = u16::try_from(LOCKOUTS_MAX).unwrap();
        for client in 0..most {
            table.note(&key(client), RULE, Cause::Refused, now);
        }
        // Its second cycle makes the first client the youngest.
        table.note(&key(0), RULE, Cause::Refused, now);
        table.note(&key(most), RULE, Cause::Refused, now);
        table.check_invariants();
        assert!(table.is_locked(&key(0), now));
        assert!(!table.is_locked(&key(1), now), "the one whose cycle is the longest ago");
        assert!(table.is_locked(&key(2), now) && table.is_locked(&key(most), now));
    }

    #[test]
    fn a_client_id_or_circuit_makes_another_client() {
        let mut table = Lockouts::new(5);
        let now = Mono::from_secs(1);
        let by_id = Key { client_id: b"id", ..key(1) };
        table.note(&by_id, RULE, Cause::Released, now);
        assert!(table.is_locked(&by_id, now));
        assert!(table.is_locked(&Key { hw: key(2).hw, ..by_id }, now), "the id says who it is");
        assert!(!table.is_locked(&key(1), now));
        assert!(!table.is_locked(&Key { circuit_id: b"c", ..by_id }, now));
    }
}
