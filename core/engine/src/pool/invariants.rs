//! What must hold between bitmaps, specials and counts, told by counting all of it.

use super::Pools;
use bindery_types::PoolId;

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
        for (index, pool) in self.pools.iter().enumerate() {
            let id = PoolId(index as u16);
            pool.taken.check_invariants();
            let size: u64 = pool.stretches.iter().map(|stretch| u64::from(stretch.high - stretch.low) + 1).sum();
            assert_eq!(size, u64::from(pool.positions), "positions of {}", pool.name);
            let (mut total, mut held) = (size, pool.taken.count(pool.positions));
            for (&(instance, address), special) in &self.specials {
                assert!(special.own || special.host.is_some(), "{address} is special for no reason");
                if let Some((of, position)) = self.position(instance, address)
                    && of == id
                {
                    assert!(pool.taken.contains(position), "{address} could be given in turn");
                    total -= 1;
                    held -= 1;
                }
                if special.pool == id {
                    total += u64::from(special.host.is_some() && !special.own);
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
            let quarantined = self.quarantined.iter().filter(|(instance, address)| {
                assert!(self.is_held(*instance, *address), "{address} is in quarantine and free");
                self.locate(*instance, *address).is_some_and(|(of, _)| of == id)
            });
            assert_eq!(pool.quarantined, quarantined.count() as u64, "quarantine of {}", pool.name);
            assert_eq!(pool.used + pool.quarantined, held, "held addresses of {}", pool.name);
        }
    }
}
