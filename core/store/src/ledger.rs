//! The ledger: for each record on disk its CRC, in memory, so that every commit can carry a digest of all of them.

use crate::codec::Head;
use bindery_engine::record::BindingKey;
use bindery_types::SessionId;
use foldhash::fast::FixedState;
use hashbrown::HashMap;

/// What is known of one session: 16 bytes with its key.
#[derive(Clone, Copy, Default)]
struct Entry {
    /// CRC of the lease of binding 0; 0 for none.
    lease: u32,
    /// CRC of the identity; 0 for none.
    identity: u32,
}

/// Number and digest of the records, and what is needed to keep both up to date.
///
/// The digest is the sum of a hash per record, so it does not depend on order and a record leaves it as cheaply as it
/// came in.
#[derive(Default)]
pub(crate) struct Ledger {
    sessions: HashMap<u64, Entry, FixedState>,
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
            swap(&mut self.sessions, key.session.0, crc, |entry| &mut entry.lease)
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
        let old = swap(&mut self.sessions, session.0, crc, |entry| &mut entry.identity);
        account(&mut self.digest, &mut self.identities, mix(!session.0), old, crc.unwrap_or(0));
    }

    /// Whether an identity is stored for `session`.
    pub(crate) fn has_identity(&self, session: SessionId) -> bool {
        self.sessions.get(&session.0).is_some_and(|entry| entry.identity != 0)
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

/// Puts `crc` into one half of an entry and returns what stood there; an entry of two zeroes goes.
fn swap(
    sessions: &mut HashMap<u64, Entry, FixedState>,
    session: u64,
    crc: Option<u32>,
    half: fn(&mut Entry) -> &mut u32,
) -> u32 {
    match crc {
        Some(crc) => core::mem::replace(half(sessions.entry(session).or_default()), crc),
        None => {
            let Some(entry) = sessions.get_mut(&session) else {
                return 0;
            };
            let old = core::mem::take(half(entry));
            if entry.lease == 0 && entry.identity == 0 {
                sessions.remove(&session);
            }
            old
        }
    }
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
