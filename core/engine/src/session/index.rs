//! Tables of slots in 1,024 parts that grow one at a time: at a million sessions a growing part moves 896 slots.

use super::{identity::ClientKey, record::Slot};
use alloc::boxed::Box;
use bindery_types::{HwAddr, InstanceId, Ipv4Addr, SessionId};
use core::hash::{BuildHasher, Hasher};
use foldhash::quality::FixedState;
use hashbrown::HashTable;

/// 1,024 parts: with the 256 of design §4 a growing part stalls 0.3 ms at a million sessions, with these 0.1 ms.
const PART_BITS: u32 = 10;
const PARTS: usize = 1 << PART_BITS;

/// A hash table of slots; the keys stay in the records.
#[derive(Debug)]
pub(super) struct Index {
    parts: Box<[HashTable<u32>; PARTS]>,
}

/// The part is chosen by the top bits, the bucket by the low bits, the tag (top 7 of 64) by all.
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn part(hash: u32) -> usize {
    (hash >> (u32::BITS - PART_BITS)) as usize
}

impl Index {
    pub(super) fn new() -> Self {
        Self { parts: Box::new([const { HashTable::new() }; PARTS]) }
    }

    /// The slot under `hash` for which `is_it` holds.
    pub(super) fn find(&self, hash: u32, mut is_it: impl FnMut(Slot) -> bool) -> Option<Slot> {
        self.parts[part(hash)].find(spread(hash), |&slot| is_it(Slot(slot))).copied().map(Slot)
    }

    /// All slots under `hash`, and perhaps others.
    pub(super) fn all(&self, hash: u32) -> impl Iterator<Item = Slot> + use<'_> {
        self.parts[part(hash)].iter_hash(spread(hash)).copied().map(Slot)
    }

    /// Adds `slot`; the caller has made sure that its key is not there. `rehash` tells the hash of any slot in it.
    pub(super) fn insert(&mut self, hash: u32, slot: Slot, rehash: impl Fn(Slot) -> u32) {
        self.parts[part(hash)].insert_unique(spread(hash), slot.0, |&slot| spread(rehash(Slot(slot))));
    }

    /// Removes exactly `slot`; tells whether it was there.
    pub(super) fn remove(&mut self, hash: u32, slot: Slot) -> bool {
        match self.parts[part(hash)].find_entry(spread(hash), |&other| other == slot.0) {
            Ok(entry) => {
                entry.remove();
                true
            }
            Err(_) => false,
        }
    }

    /// Puts `new` in place of `old`, which has the same key.
    pub(super) fn replace(&mut self, hash: u32, old: Slot, new: Slot) {
        if let Some(slot) = self.parts[part(hash)].find_mut(spread(hash), |&slot| slot == old.0) {
            *slot = new.0;
        }
    }

    pub(super) fn len(&self) -> usize {
        self.parts.iter().map(HashTable::len).sum()
    }

    pub(super) fn bytes(&self) -> usize {
        size_of::<[HashTable<u32>; PARTS]>() + self.parts.iter().map(HashTable::allocation_size).sum::<usize>()
    }
}

/// Hashes of keys under a seed, so that no client can choose who shares its bucket.
#[derive(Debug)]
pub(super) struct Hashes {
    state: FixedState,
    /// Makes keys collide, so that tests see whether the keys themselves are compared.
    #[cfg(test)]
    pub(super) mask: u32,
}

impl Hashes {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            state: FixedState::with_seed(seed),
            #[cfg(test)]
            mask: u32::MAX,
        }
    }

    fn with(&self, feed: impl FnOnce(&mut <FixedState as BuildHasher>::Hasher)) -> u32 {
        let mut hasher = self.state.build_hasher();
        feed(&mut hasher);
        let hash = hasher.finish();
        let hash = (hash ^ (hash >> 32)) as u32;
        #[cfg(test)]
        let hash = hash & self.mask;
        hash
    }

    pub(super) fn client(&self, instance: InstanceId, scope: Ipv4Addr, key: &ClientKey<'_>) -> u32 {
        self.with(|hasher| {
            hasher.write_u64(u64::from(instance.0) << 32 | u64::from(scope.to_bits()));
            match key {
                ClientKey::ClientId(id) => hasher.write(id),
                ClientKey::Hw(hw) => {
                    hasher.write_u16(0x100 | u16::from(hw.htype));
                    hasher.write(hw.as_bytes());
                }
            }
        })
    }

    pub(super) fn address(&self, instance: InstanceId, address: Ipv4Addr) -> u32 {
        self.with(|hasher| hasher.write_u64(u64::from(instance.0) << 32 | u64::from(address.to_bits())))
    }

    pub(super) fn id(&self, id: SessionId) -> u32 {
        self.with(|hasher| hasher.write_u64(id.0))
    }

    pub(super) fn user(&self, name: &str) -> u32 {
        self.with(|hasher| hasher.write(name.as_bytes()))
    }

    pub(super) fn hw(&self, hw: &HwAddr) -> u32 {
        self.with(|hasher| {
            hasher.write_u8(hw.htype);
            hasher.write(hw.as_bytes());
        })
    }
}
