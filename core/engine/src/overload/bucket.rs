//! Token buckets: one word each, and a table of fixed size for those by client and circuit.

use crate::{config::Rate, engine::State64};
use alloc::vec::Vec;
use core::hash::{BuildHasher, Hash};

/// Nanoseconds of a second.
const SECOND: u64 = 1_000_000_000;

/// Buckets that one key may lie in.
const WAYS: usize = 4;

/// Sets of a table: a power of two.
const SETS: usize = 16_384;

/// A token bucket, as the time at which it is full again: what is missing is that time's distance from now. So a bucket
/// that was never used, and one that nobody has used for long, are the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Bucket {
    full_at: u64,
}

impl Bucket {
    /// Takes a token, unless fewer than `reserve` would be left. `now` is in nanoseconds.
    pub(crate) fn take(&mut self, now: u64, rate: Rate, reserve: u32) -> bool {
        let each = SECOND / u64::from(rate.per_sec.max(1));
        let spare = u64::from(rate.burst.max(1).saturating_sub(reserve).max(1));
        let missing = self.full_at.saturating_sub(now);
        if missing > (spare - 1).saturating_mul(each) {
            return false;
        }
        self.full_at = self.full_at.max(now).saturating_add(each);
        true
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    key: u64,
    bucket: Bucket,
}

/// Buckets by key. The table has a fixed size (1 MiB); a key lies in one of four places, and a new one takes the place
/// of the bucket that is nearest to full. Where that one was not full its client is given what it had used up: a flood of
/// made-up keys makes the limit of others looser, never tighter.
#[derive(Debug)]
pub(crate) struct Buckets {
    sets: Vec<[Entry; WAYS]>,
    hasher: State64,
}

impl Buckets {
    pub(crate) fn new(hash_seed: u64) -> Self {
        Self { sets: alloc::vec![[Entry::default(); WAYS]; SETS], hasher: State64::with_seed(hash_seed) }
    }

    /// Takes a token of `key`'s bucket.
    pub(crate) fn take(&mut self, key: impl Hash, now: u64, rate: Rate) -> bool {
        let key = self.hasher.hash_one(key);
        // The low bits choose the set.
        let at = usize::try_from(key).unwrap_or(usize::MAX) & (SETS - 1);
        let Some(set) = self.sets.get_mut(at) else { return true };
        let found = match set.iter().position(|entry| entry.key == key) {
            Some(found) => found,
            None => {
                let (nearest, _) = set
                    .iter()
                    .enumerate()
                    .min_by_key(|(_, entry)| entry.bucket.full_at)
                    .unwrap_or((0, &Entry { key: 0, bucket: Bucket { full_at: 0 } }));
                set[nearest] = Entry { key, bucket: Bucket::default() };
                nearest
            }
        };
        set[found].bucket.take(now, rate, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// In any span a bucket gives at most its burst and what flows in meanwhile; and never less than that to one who
        /// keeps within the rate.
        #[test]
        fn a_bucket_gives_burst_and_rate(
            per_sec in 1u32..10_000, burst in 1u32..200, gaps in prop::collection::vec(0u64..50_000_000, 1..300),
        ) {
            let rate = Rate { per_sec, burst };
            let (mut bucket, mut now, start) = (Bucket::default(), 7 * SECOND, 7 * SECOND);
            let each = SECOND / u64::from(per_sec);
            // The reference: tokens times `each`, as a plain level.
            let full = u64::from(burst) * each;
            let (mut level, mut last, mut given) = (full, now, 0u64);
            for gap in gaps {
                now += gap;
                level = full.min(level + (now - last));
                last = now;
                let took = bucket.take(now, rate, 0);
                prop_assert_eq!(took, level >= each, "level {} of {}", level, full);
                if took {
                    level -= each;
                    given += 1;
                }
                prop_assert!(given <= u64::from(burst) + (now - start) / each);
            }
        }

        /// Whatever other keys do, a client that keeps within its rate is never refused.
        #[test]
        fn others_never_tighten_a_bucket(keys in prop::collection::vec(any::<u64>(), 1..2_000), seed in any::<u64>()) {
            let rate = Rate { per_sec: 10, burst: 1 };
            let mut buckets = Buckets::new(seed);
            let mut now = SECOND;
            for (turn, chunk) in keys.chunks(50).enumerate() {
                now += SECOND / 10;
                prop_assert!(buckets.take(("the client", 1u8), now, rate), "turn {}", turn);
                for key in chunk {
                    buckets.take(key, now, rate);
                }
            }
        }
    }

    #[test]
    fn the_reserve_is_for_those_that_may_use_it() {
        let rate = Rate { per_sec: 1, burst: 8 };
        let mut bucket = Bucket::default();
        let taken = (0..20).filter(|_| bucket.take(SECOND, rate, 2)).count();
        assert_eq!(taken, 6);
        let taken = (0..20).filter(|_| bucket.take(SECOND, rate, 0)).count();
        assert_eq!(taken, 2, "what was kept");
    }

    #[test]
    fn keys_have_buckets_of_their_own() {
        let rate = Rate { per_sec: 1, burst: 2 };
        let mut buckets = Buckets::new(3);
        let taken = |buckets: &mut Buckets, key: u32| (0..5).filter(|_| buckets.take(key, SECOND, rate)).count();
        assert_eq!(taken(&mut buckets, 1), 2);
        assert_eq!(taken(&mut buckets, 2), 2);
        assert_eq!(taken(&mut buckets, 1), 0);
    }
}
