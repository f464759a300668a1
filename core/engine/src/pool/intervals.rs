//! Sets of addresses as sorted, disjoint intervals with both ends in them.

use alloc::vec::Vec;

/// The set. Two intervals never touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Intervals(Vec<(u32, u32)>);

impl Intervals {
    /// Adds `low` to `high`; nothing when they are reversed.
    pub(super) fn insert(&mut self, low: u32, high: u32) {
        if low > high {
            return;
        }
        // All that overlaps or touches becomes one with it.
        let first = self.0.partition_point(|&(_, end)| end < low.saturating_sub(1));
        let behind = self.0.partition_point(|&(start, _)| start <= high.saturating_add(1));
        let (mut low, mut high) = (low, high);
        for &(start, end) in self.0.get(first..behind).unwrap_or(&[]) {
            low = low.min(start);
            high = high.max(end);
        }
        self.0.splice(first..behind.max(first), [(low, high)]);
    }

    /// The intervals, ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, u32)> {
        self.0.iter().copied()
    }

    pub(super) fn contains(&self, address: u32) -> bool {
        let at = self.0.partition_point(|&(_, end)| end < address);
        self.0.get(at).is_some_and(|&(start, _)| start <= address)
    }

    /// The parts of `low` to `high` that are not in the set, ascending, appended to `out`.
    pub(super) fn gaps(&self, low: u32, high: u32, out: &mut Vec<(u32, u32)>) {
        let mut next = Some(low);
        let at = self.0.partition_point(|&(_, end)| end < low);
        for &(start, end) in self.0.get(at..).unwrap_or(&[]) {
            let Some(from) = next.filter(|&from| from <= high && start <= high) else {
                break;
            };
            if from < start {
                out.push((from, start - 1));
            }
            next = end.checked_add(1);
        }
        if let Some(from) = next.filter(|&from| from <= high) {
            out.push((from, high));
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use proptest::prelude::*;
    use std::{collections::BTreeSet, vec};

    fn gaps(set: &Intervals, low: u32, high: u32) -> Vec<(u32, u32)> {
        let mut out = Vec::new();
        set.gaps(low, high, &mut out);
        out
    }

    #[test]
    fn both_ends_of_the_address_space() {
        let mut set = Intervals::default();
        assert_eq!(gaps(&set, 0, u32::MAX), vec![(0, u32::MAX)]);
        set.insert(0, 0);
        set.insert(u32::MAX, u32::MAX);
        assert_eq!(gaps(&set, 0, u32::MAX), vec![(1, u32::MAX - 1)]);
        set.insert(1, u32::MAX - 1);
        assert_eq!(set.0, vec![(0, u32::MAX)]);
        assert_eq!(gaps(&set, 0, u32::MAX), vec![]);
        assert!(set.contains(0) && set.contains(u32::MAX));
    }

    proptest! {
        #[test]
        fn is_what_a_set_is(inserts in prop::collection::vec((0u32..200, 0u32..30), 0..30), low in 0u32..200, len in 0u32..80) {
            let mut set = Intervals::default();
            let mut model = BTreeSet::new();
            for (low, len) in inserts {
                set.insert(low, low + len);
                model.extend(low..=low + len);
                prop_assert!(set.0.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0));
            }
            for address in 0..240 {
                prop_assert_eq!(set.contains(address), model.contains(&address));
            }
            let found: Vec<u32> = gaps(&set, low, low + len).into_iter().flat_map(|(a, b)| a..=b).collect();
            let expected: Vec<u32> = (low..=low + len).filter(|a| !model.contains(a)).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
