//! Tables of slots in 1,024 parts that grow one at a time: at a million sessions a growing part moves 896 slots.
//!
//! The last part gets twice as many slots as the first. A part that grows has half of its buckets empty; with parts of one
//! share all of them would grow within the same few thousand sessions, and be half empty at the same time.

use super::{identity::ClientKey, record::Slot};
use alloc::boxed::Box;
use bindery_types::{HwAddr, InstanceId, Ipv4Addr, SessionId};
use core::hash::{BuildHasher, Hasher};
use foldhash::quality::FixedState;
use hashbrown::HashTable;

/// 1,024 parts: with the 256 of design §4 a growing part stalls 0.3 ms at a million sessions, with these 0.1 ms.
const PARTS: usize = 1024;

/// A hash table of slots; the keys stay in the records.
#[derive(Debug)]
pub(super) struct Index {
    parts: Box<[HashTable<u32>; PARTS]>,
}

/// The part is chosen by the top bits, the bucket by the low bits, the tag (top 7 of 64) by all.
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// With the top bits as a fraction x of 1 this is x (4 - x) / 3: the share of a part grows from 3/4 of the mean to 3/2.
fn part(hash: u32) -> usize {
    const BITS: u32 = 24;
    let x = u64::from(hash >> (u32::BITS - BITS));
    let fraction = x * ((4 << BITS) - x) / 3;
    ((fraction * PARTS as u64) >> (2 * BITS)) as usize
}

impl Index {
    pub(super) fn new() -> Self {
        Self { parts: Box::new([const { HashTable::new() }; PARTS]) }
    }

    /// Makes room for `count` slots in a table that is empty: for each part what it can expect of them, as a part that
    /// grows reads the record of every slot in it.
    pub(super) fn reserve(&mut self, count: u32) {
        const SAMPLES: u32 = 1 << 16;
        let mut samples = [0_u32; PARTS];
        for sample in 0..SAMPLES {
            samples[part(sample << (u32::BITS - SAMPLES.ilog2()))] += 1;
        }
        for (part, samples) in self.parts.iter_mut().zip(samples).filter(|(part, _)| part.is_empty()) {
            let share = u64::from(count) * u64::from(samples) / u64::from(SAMPLES);
            *part = HashTable::with_capacity(share as usize);
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Hash tables double. Where all parts did so together, an entry would take between 5.7 and 11.4 bytes.
    #[test]
    fn an_entry_costs_about_the_same_at_any_number_of_sessions() {
        let mut index = Index::new();
        let hash = |slot: Slot| slot.0.wrapping_mul(0x9e37_79b1);
        for count in 1..=400_000 {
            let slot = Slot(count);
            index.insert(hash(slot), slot, hash);
            if count >= 100_000 && count % 20_000 == 0 {
                let tables = index.bytes() - size_of::<[HashTable<u32>; PARTS]>();
                let tenths = 10 * tables / count as usize;
                assert!((78..=90).contains(&tenths), "{tenths} tenths of a byte an entry with {count}");
            }
        }
    }

    /// Parts that get a little more than they can expect grow after all.
    #[test]
    fn what_is_expected_has_room_and_no_more_than_that() {
        const COUNT: u32 = 400_000;
        let hash = |slot: Slot| slot.0.wrapping_mul(0x9e37_79b1);
        let fill = |index: &mut Index| (1..=COUNT).for_each(|count| index.insert(hash(Slot(count)), Slot(count), hash));
        let (mut expected, mut grown) = (Index::new(), Index::new());
        expected.reserve(COUNT);
        let room = expected.bytes();
        fill(&mut expected);
        fill(&mut grown);
        assert!(expected.bytes() <= room + room / 20, "{room} bytes have become {}", expected.bytes());
        assert!(expected.bytes() <= grown.bytes() + grown.bytes() / 20, "{} and {}", expected.bytes(), grown.bytes());
        expected.reserve(2 * COUNT);
        assert_eq!(expected.len(), COUNT as usize, "what is there stays");
    }

    #[test]
    fn the_first_and_the_last_hash_have_a_part() {
        assert_eq!((part(0), part(u32::MAX)), (0, PARTS - 1));
    }
}
