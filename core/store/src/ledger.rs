//! The ledger: for each record on disk its CRC, in memory, so that every commit can carry a digest of all of them.
//!
//! Session ids are counted up, so the entries stand in pages by id: 8 bytes a session, and new ones side by side.

use crate::codec::Head;
use bindery_engine::record::BindingKey;
use bindery_types::SessionId;
use foldhash::fast::FixedState;
use hashbrown::HashMap;

/// What is known of one session.
#[derive(Clone, Copy, Default)]
struct Entry {
    /// CRC of the lease of binding 0; 0 for none.
    lease: u32,
    /// CRC of the identity; 0 for none.
    identity: u32,
}

impl Entry {
    fn is_empty(self) -> bool {
        self.lease == 0 && self.identity == 0
    }
}

/// Sessions of a page. A page of which one session is left costs half a kilobyte, so no more.
const PAGE: u64 = 64;

/// Neighbouring sessions.
struct Page {
    entries: [Entry; PAGE as usize],
    /// How many of them have a record.
    used: u32,
}

impl Default for Page {
    fn default() -> Self {
        Self { entries: [Entry::default(); PAGE as usize], used: 0 }
    }
}

/// Number and digest of the records, and what is needed to keep both up to date.
///
/// The digest is the sum of a hash per record, so it does not depend on order and a record leaves it as cheaply as it
/// came in.
#[derive(Default)]
pub(crate) struct Ledger {
    /// By session id over [`PAGE`]. None is empty.
    pages: HashMap<u64, Box<Page>, FixedState>,
    /// Bindings other than the first of a session.
    more: HashMap<BindingKey, u32, FixedState>,
    /// CRC of the meta record, 0 for none.
    pub(crate) meta: u32,
    leases: u64,
    identities: u64,
    digest: u64,
}

impl Ledger {
    /// Notes that the lease of `key` now has this CRC, or is gone.
    pub(crate) fn lease(&mut self, key: BindingKey, crc: Option<u32>) {
        let crc = crc.map(mark);
        let old = if key.index == 0 {
            self.swap(key.session.0, crc, |entry| &mut entry.lease)
        } else {
            match crc {
                Some(crc) => self.more.insert(key, crc),
                None => self.more.remove(&key),
            }
            .unwrap_or(0)
        };
        let name = mix(key.session.0 ^ (u64::from(key.index) + 1).rotate_right(8));
        account(&mut self.digest, &mut self.leases, name, old, crc.unwrap_or(0));
    }

    /// Notes that the identity of `session` now has this CRC, or is gone.
    pub(crate) fn identity(&mut self, session: SessionId, crc: Option<u32>) {
        let crc = crc.map(mark);
        let old = self.swap(session.0, crc, |entry| &mut entry.identity);
        account(&mut self.digest, &mut self.identities, mix(!session.0), old, crc.unwrap_or(0));
    }

    /// Whether an identity is stored for `session`.
    pub(crate) fn has_identity(&self, session: SessionId) -> bool {
        let (page, at) = place(session.0);
        let entry = self.pages.get(&page).and_then(|page| page.entries.get(at));
        entry.is_some_and(|entry| entry.identity != 0)
    }

    /// Puts `crc` into one half of an entry and returns what stood there; a page without entries goes.
    fn swap(&mut self, session: u64, crc: Option<u32>, half: fn(&mut Entry) -> &mut u32) -> u32 {
        let (number, at) = place(session);
        let page = match crc {
            Some(_) => Some(self.pages.entry(number).or_default()),
            None => self.pages.get_mut(&number),
        };
        let Some(page) = page else { return 0 };
        let Some(entry) = page.entries.get_mut(at) else { return 0 };
        let had = u32::from(!entry.is_empty());
        let old = core::mem::replace(half(entry), crc.unwrap_or(0));
        page.used = page.used + u32::from(!entry.is_empty()) - had;
        if page.used == 0 {
            self.pages.remove(&number);
        }
        old
    }

    /// The head record that goes with this state.
    pub(crate) fn head(&self, database: u64, commit: u64) -> Head {
        Head {
            database,
            commit,
            leases: self.leases,
            identities: self.identities,
            digest: self.digest,
            meta: self.meta,
        }
    }
}

/// Page of a session, and its place there.
fn place(session: u64) -> (u64, usize) {
    (session / PAGE, (session % PAGE) as usize)
}

fn account(digest: &mut u64, count: &mut u64, name: u64, old: u32, new: u32) {
    if old != 0 {
        *digest = digest.wrapping_sub(mix(name ^ u64::from(old)));
        *count -= 1;
    }
    if new != 0 {
        *digest = digest.wrapping_add(mix(name ^ u64::from(new)));
        *count += 1;
    }
}

/// 0 means "no record", so a CRC of 0 counts as 1.
fn mark(crc: u32) -> u32 {
    crc.max(1)
}

/// A bijection that spreads every bit over all (the finalizer of SplitMix64). Its values are on disk: it never changes.
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
