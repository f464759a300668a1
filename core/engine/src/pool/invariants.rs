//! What must hold between bitmaps, specials and counts, told by counting all of it.

use super::{Hold, Kept, Pools};
use alloc::vec::Vec;
use bindery_types::{InstanceId, Ipv4Addr, PoolId};

impl Pools {
    /// Counts everything again: for tests and the simulator.
    ///
    /// # Panics
    /// When a count or a bitmap does not agree.
    pub fn check_invariants(&self) {
        for pair in self.directory.windows(2) {
            let ((instance, low, _), (next, high, _)) = (&pair[0], &pair[1]);
            assert!(instance < next || low.high < high.low, "an address belongs to two pools");
        }
        self.check_chains();
        for (index, pool) in self.pools.iter().enumerate() {
            let id = PoolId(index as u16);
            pool.taken.check_invariants();
            let size: u64 = pool.stretches.iter().map(|stretch| u64::from(stretch.high - stretch.low) + 1).sum();
            assert_eq!(size, u64::from(pool.positions), "positions of {}", pool.name);
            let spans: Vec<u32> = pool.spans.iter().flat_map(|span| [span.from, span.to]).collect();
            assert!(spans.is_sorted() && spans.last().is_none_or(|last| *last == pool.positions), "{}", pool.name);
            let (mut total, mut held) = (size, pool.taken.count(pool.positions));
            for (&(instance, address), special) in &self.specials {
                assert!(special.own || special.kept != Kept::No, "{address} is special for no reason");
                if let Some((of, position)) = self.position(instance, address)
                    && of == id
                {
                    assert!(pool.taken.contains(position), "{address} could be given in turn");
                    total -= 1;
                    held -= 1;
                }
                if special.pool == id {
                    total += u64::from(if special.own { special.held } else { special.kept != Kept::No });
                    held += u64::from(special.held);
                }
            }
            let kept = self.tables.iter().filter_map(|(instance, .., of)| Some((*instance, *of, self.pool(*of)?)));
            for (instance, of, with) in kept {
                let Some(table) = &with.table else { panic!("{} has no table", with.name) };
                for (index, (address, _)) in (0u32..).zip(table.hosts.iter()) {
                    let (live, held_here) = (!table.left_out.contains(index), table.held.contains(index));
                    let special = self.specials.get(&(instance, address));
                    assert!(live || !held_here, "{address} is held and not kept");
                    if !live {
                        continue;
                    }
                    assert!(special.is_none_or(|special| special.own && !held_here), "{address} is kept twice");
                    if special.is_some() {
                        continue;
                    }
                    if let Some((in_range, position)) = self.position(instance, address)
                        && in_range == id
                    {
                        assert!(pool.taken.contains(position), "{address} could be given in turn");
                        total -= 1;
                        held -= 1;
                    }
                    total += u64::from(of == id);
                    held += u64::from(of == id && held_here);
                }
            }
            assert_eq!(pool.total, total, "addresses of {}", pool.name);
            assert!(pool.holds.all() <= pool.total, "more held than there are in {}", pool.name);
            assert_eq!(pool.holds.all(), held, "held addresses of {}", pool.name);
            for hold in [Hold::Quarantine, Hold::Grace] {
                let apart = self.apart.iter().filter(|((instance, address), of)| {
                    assert!(self.is_held(*instance, *address), "{address} is {of:?} and free");
                    **of == hold && self.locate(*instance, *address).is_some_and(|(of, _)| of == id)
                });
                assert_eq!(pool.holds.of(hold), apart.count() as u64, "{hold:?} of {}", pool.name);
            }
        }
    }

    /// Checks the counts of every pool against `holders`, which names every held address and what holds it: a pool's
    /// addresses are free, offered, bound, in quarantine or kept. For tests and the simulator.
    ///
    /// # Panics
    /// When they do not add up.
    pub fn check_holders(&self, holders: impl IntoIterator<Item = (InstanceId, Ipv4Addr, Hold)>) {
        let mut counted = alloc::vec![[0u64; 4]; self.pools.len()];
        for (instance, address, hold) in holders {
            let Some((id, _)) = self.locate(instance, address) else { continue };
            assert!(self.is_held(instance, address), "{address} is {hold:?} and free in its pool");
            if let Some(counts) = counted.get_mut(usize::from(id.0)) {
                counts[hold as usize] += 1;
            }
        }
        for (view, counts) in self.usage().into_iter().zip(counted) {
            let told = [view.offered, view.bound, view.quarantined, view.held];
            assert_eq!(told, counts, "offered, bound, quarantined and kept of {}", view.name);
            assert_eq!(view.free + told.iter().sum::<u64>(), view.total, "sum of {}", view.name);
        }
    }
}
