//! What pools say of themselves adds up, whatever happened before.

use super::{Auditor, Finding, address};
use bindery_engine::record::DurableState;
use bindery_types::{InstanceId, Ipv4Addr};
use std::collections::BTreeSet;

/// A pool's numbers of addresses.
#[derive(Clone, Debug)]
pub struct PoolSum {
    /// Name.
    pub name: String,
    /// Routing instance.
    pub instance: InstanceId,
    /// All.
    pub total: u64,
    /// Of them: held by nobody.
    pub free: u64,
    /// Offered.
    pub offered: u64,
    /// In a live binding.
    pub bound: u64,
    /// In quarantine.
    pub quarantined: u64,
    /// Kept for who had it last.
    pub held: u64,
}

impl Auditor {
    /// Every address of a pool is counted once; with `rest` as what is on disk.
    ///
    /// # Errors
    /// A broken promise.
    pub fn pools_add_up(&self, sums: &[PoolSum], rest: bool) -> Result<(), Finding> {
        if sums.len() != self.site.pools.len() {
            return Err(format!("{} pools are shown of {}", sums.len(), self.site.pools.len()));
        }
        for (sum, pool) in sums.iter().zip(&self.site.pools) {
            if (&sum.name, sum.instance) != (&pool.name, pool.instance) {
                return Err(format!("{sum:?} is shown for {}", pool.name));
            }
            if sum.free + sum.offered + sum.bound + sum.quarantined + sum.held != sum.total {
                return Err(format!("{sum:?} does not add up"));
            }
            let all: BTreeSet<Ipv4Addr> = pool.addresses().collect();
            let own = all.iter().filter(|address| self.site.is_own(**address)).count() as u64;
            let size = all.len() as u64;
            if sum.total > size || sum.total + own < size {
                return Err(format!("{sum:?} has {size} addresses, of which {own} are ours"));
            }
            let on_disk = |state| {
                let mine =
                    |(instance, address): (InstanceId, Ipv4Addr)| instance == pool.instance && all.contains(&address);
                let records = self.disk.values().filter(|l| l.state == state);
                records.filter(|l| mine((l.instance, address(l)))).count() as u64
            };
            let stored = (on_disk(DurableState::Bound), on_disk(DurableState::Declined));
            if rest && (sum.bound, sum.quarantined) != stored {
                return Err(format!("{sum:?}: on disk are {stored:?} bound and in quarantine"));
            }
        }
        Ok(())
    }
}
