//! Which line each live session is on, for `client-discover-match`: an interface, or the option 60 and option 82 of a
//! subscriber's device.
//!
//! Kept only where a group asks for it: 24 bytes a session. An entry is a hint: who reads it looks at the session. So
//! nothing has to be taken out when a session ends or moves; what is stale goes when there are twice as many entries as
//! sessions.

use crate::{
    config::DiscoverMatch,
    engine::State64,
    session::{Identity, NameId, Record, SlotRef, Whereabouts},
};
use bindery_types::{InstanceId, Ipv4Addr};
use core::hash::{BuildHasher, Hasher};
use hashbrown::HashTable;

/// Entries that may be stale before any is looked at.
const SPARE: usize = 64;

/// A subscriber's line, as a packet or a session shows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line<'a> {
    pub(crate) instance: InstanceId,
    pub(crate) link: NameId,
    pub(crate) giaddr: Ipv4Addr,
    pub(crate) vendor_class: &'a [u8],
    pub(crate) relay_info: &'a [u8],
}

/// Interface, vendor class, circuit and remote id, as far as a rule compares them.
type Parts<'a> = (Option<NameId>, &'a [u8], (&'a [u8], &'a [u8]));

impl<'a> Line<'a> {
    /// The line of a session.
    pub(crate) fn of(record: &Record, identity: &Identity<'a>) -> Self {
        Self {
            instance: record.instance(),
            link: record.link(),
            giaddr: record.giaddr,
            vendor_class: identity.vendor_class,
            relay_info: identity.relay_info,
        }
    }

    fn circuit(&self) -> (&'a [u8], &'a [u8]) {
        Whereabouts { link: self.link, relay_info: self.relay_info }.line()
    }

    /// What `rule` compares; `None` where the rule does not apply: all clients of a relay come in on one interface, and
    /// who sends neither circuit id nor remote id, or no vendor class, has no line.
    ///
    /// The interface counts for a direct client in any case: what it writes into option 82 must not reach the
    /// subscribers of others.
    fn parts(&self, rule: DiscoverMatch) -> Option<Parts<'a>> {
        let direct = self.giaddr.is_unspecified();
        match rule {
            DiscoverMatch::IncomingInterface => direct.then_some((Some(self.link), &[][..], (&[][..], &[][..]))),
            DiscoverMatch::Option60And82 => {
                let circuit = self.circuit();
                let known = !self.vendor_class.is_empty() && circuit != (&[], &[]);
                known.then_some((direct.then_some(self.link), self.vendor_class, circuit))
            }
        }
    }

    /// Whether `rule` takes the two for one line.
    pub(crate) fn is_same(&self, other: &Line<'_>, rule: DiscoverMatch) -> bool {
        let parts = self.parts(rule);
        self.instance == other.instance && parts.is_some() && parts == other.parts(rule)
    }

    /// Where the line stands in `lines`.
    pub(crate) fn hash(&self, rule: DiscoverMatch, lines: &Lines) -> Option<u64> {
        let (link, vendor_class, (circuit, remote)) = self.parts(rule)?;
        let mut hasher = lines.state.build_hasher();
        hasher.write_u16(self.instance.0);
        hasher.write_u64(link.map_or(0, |link| 1 + u64::from(link.number())));
        for part in [vendor_class, circuit, remote] {
            hasher.write_usize(part.len());
            hasher.write(part);
        }
        Some(hasher.finish())
    }
}

/// Sessions by line.
#[derive(Debug)]
pub(crate) struct Lines {
    state: State64,
    used: bool,
    entries: HashTable<(u64, SlotRef)>,
}

impl Lines {
    pub(crate) fn new(hash_seed: u64) -> Self {
        Self { state: State64::with_seed(hash_seed), used: false, entries: HashTable::new() }
    }

    /// Sessions that are, or were, on a line of this hash.
    pub(crate) fn of(&self, hash: u64) -> impl Iterator<Item = SlotRef> + use<'_> {
        self.entries.iter_hash(hash).filter(move |entry| entry.0 == hash).map(|entry| entry.1)
    }

    /// Adds a session. `live` is how many there are, `lives` whether one still does.
    pub(crate) fn note(&mut self, hash: u64, handle: SlotRef, live: usize, lives: impl Fn(SlotRef) -> bool) {
        if self.of(hash).any(|other| other == handle) {
            return;
        }
        if self.entries.len() >= 2 * live + SPARE {
            self.entries.retain(|entry| lives(entry.1));
        }
        self.entries.insert_unique(hash, (hash, handle), |entry| entry.0);
    }

    /// Takes out a session that is over, or is on another line.
    pub(crate) fn forget(&mut self, hash: u64, handle: SlotRef) {
        if let Ok(entry) = self.entries.find_entry(hash, |entry| *entry == (hash, handle)) {
            entry.remove();
        }
    }

    /// Begins anew; `used`: a group asks for lines.
    pub(crate) fn begin(&mut self, used: bool) {
        self.entries = HashTable::new();
        self.used = used;
    }

    /// Whether any group asks for lines.
    pub(crate) const fn is_used(&self) -> bool {
        self.used
    }
}
