//! A set of positions in which the next one that is not in it is found in a few steps, however full it is.
//!
//! Level 0 has a bit a position; a bit of each further level tells that a word of the level below is full. A pool of
//! a /8 takes four levels and 2 MiB, which the system maps only where a bit was set.

use alloc::vec::Vec;

const BITS: usize = 64;

/// The set.
#[derive(Debug, Default)]
pub(super) struct Bitmap {
    levels: Vec<Vec<u64>>,
}

impl Bitmap {
    /// The empty set of positions from 0 to `len - 1`.
    pub(super) fn new(len: u32) -> Self {
        let mut levels = Vec::new();
        let mut len = len as usize;
        while len > 0 {
            let mut words = alloc::vec![0u64; len.div_ceil(BITS)];
            // What lies behind the end counts as taken, so that no search ends there.
            if !len.is_multiple_of(BITS)
                && let Some(last) = words.last_mut()
            {
                *last = u64::MAX << (len % BITS);
            }
            levels.push(words);
            len = if len > BITS { len.div_ceil(BITS) } else { 0 };
        }
        Self { levels }
    }

    pub(super) fn contains(&self, position: u32) -> bool {
        let position = position as usize;
        self.levels
            .first()
            .and_then(|words| words.get(position / BITS))
            .is_some_and(|word| word & (1 << (position % BITS)) != 0)
    }

    /// Puts a position in; a position behind the end changes nothing.
    pub(super) fn insert(&mut self, position: u32) {
        let mut position = position as usize;
        for words in &mut self.levels {
            let Some(word) = words.get_mut(position / BITS) else {
                return;
            };
            *word |= 1 << (position % BITS);
            if *word != u64::MAX {
                return;
            }
            position /= BITS;
        }
    }

    /// Takes a position out; it must not lie behind the end.
    pub(super) fn remove(&mut self, position: u32) {
        let mut position = position as usize;
        for words in &mut self.levels {
            let Some(word) = words.get_mut(position / BITS) else {
                return;
            };
            let was_full = *word == u64::MAX;
            *word &= !(1 << (position % BITS));
            if !was_full {
                return;
            }
            position /= BITS;
        }
    }

    /// Whether every position is in it.
    pub(super) fn is_full(&self) -> bool {
        self.levels.last().is_none_or(|words| words.iter().all(|word| *word == u64::MAX))
    }

    /// The first position from `from` on that is not in the set.
    pub(super) fn next_absent(&self, from: u32) -> Option<u32> {
        let mut position = from as usize;
        let mut level = 0;
        loop {
            let word = self.levels.get(level)?.get(position / BITS)?;
            let absent = !word & (u64::MAX << (position % BITS));
            if absent != 0 {
                position = position / BITS * BITS + absent.trailing_zeros() as usize;
                break;
            }
            position = position / BITS + 1;
            level += 1;
        }
        while level > 0 {
            level -= 1;
            let word = self.levels.get(level)?.get(position)?;
            position = position * BITS + word.trailing_ones() as usize;
        }
        u32::try_from(position).ok()
    }

    /// Positions in the set, told by counting.
    pub(super) fn count(&self, len: u32) -> u64 {
        let Some(words) = self.levels.first() else {
            return 0;
        };
        let padding = words.len() * BITS - len as usize;
        words.iter().map(|word| u64::from(word.count_ones())).sum::<u64>() - padding as u64
    }

    /// # Panics
    /// When a level does not tell what the level below it is: for tests.
    pub(super) fn check_invariants(&self) {
        for pair in self.levels.windows(2) {
            for (index, word) in pair[0].iter().enumerate() {
                let told = pair[1][index / BITS] & (1 << (index % BITS)) != 0;
                assert_eq!(told, *word == u64::MAX, "summary of word {index}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn ends_of_words_and_levels() {
        for len in [1, 63, 64, 65, 4095, 4096, 4097, 262_143, 262_144, 262_145] {
            let mut bits = Bitmap::new(len);
            for position in 0..len {
                assert_eq!(bits.next_absent(0), Some(position), "of {len}");
                bits.insert(position);
            }
            assert_eq!((bits.next_absent(0), bits.is_full()), (None, true), "{len} are full");
            bits.check_invariants();
            bits.remove(len - 1);
            bits.check_invariants();
            assert_eq!((bits.next_absent(0), bits.next_absent(len)), (Some(len - 1), None));
            assert!(!bits.is_full());
            assert_eq!(bits.count(len), u64::from(len) - 1);
        }
    }

    #[test]
    fn nothing_to_find_in_nothing() {
        let mut bits = Bitmap::new(0);
        bits.insert(0);
        bits.remove(0);
        assert_eq!((bits.next_absent(0), bits.contains(0), bits.count(0)), (None, false, 0));
    }

    proptest! {
        #[test]
        fn finds_what_a_set_finds(len in 1u32..9000, full in any::<bool>(), ops in prop::collection::vec((any::<bool>(), any::<u32>()), 0..200)) {
            let mut bits = Bitmap::new(len);
            let mut model = BTreeSet::new();
            if full {
                (0..len).for_each(|position| { bits.insert(position); model.insert(position); });
            }
            for (insert, position) in ops {
                let position = position % len;
                if insert {
                    bits.insert(position);
                    model.insert(position);
                } else {
                    bits.remove(position);
                    model.remove(&position);
                }
                prop_assert_eq!(bits.contains(position), insert);
                let from = position.wrapping_mul(7) % len;
                prop_assert_eq!(bits.next_absent(from), (from..len).find(|p| !model.contains(p)));
            }
            bits.check_invariants();
            prop_assert_eq!(bits.count(len), model.len() as u64);
        }
    }
}
