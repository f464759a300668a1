//! What a plugin has done and what it cost.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::breaker::BreakerState;
use crate::error::Failure;

/// Counters of one plugin since it was loaded.
#[derive(Debug, Clone)]
pub struct PluginStats {
    /// Calls that reached the guest or were held back by the breaker.
    pub calls: u64,
    /// Calls whose verdict was to send nothing.
    pub drops: u64,
    /// Failed calls by kind, in the order of [`Failure::ALL`].
    pub failures: [u64; Failure::ALL.len()],
    /// Instances made after the first.
    pub restarts: u64,
    /// What the engine or the host said of the latest failure; empty if there was none.
    pub last_failure: String,
    /// Its own counters, by name (`grants counters`).
    pub counters: BTreeMap<String, u64>,
    /// Whether the plugin is called at present.
    pub breaker: BreakerState,
    /// Linear memory of the instance in bytes; 0 if there is none at present.
    pub memory_bytes: usize,
    /// Sum of the time of all calls that reached the guest.
    pub time_total: Duration,
    /// Median time of a call; an upper bound within 25 %. Zero without calls.
    pub time_p50: Duration,
    /// 99th percentile of the time of a call; an upper bound within 25 %. Zero without calls.
    pub time_p99: Duration,
}

impl PluginStats {
    /// Failed calls of one kind.
    #[must_use]
    pub const fn failed(&self, failure: Failure) -> u64 {
        self.failures[failure.index()]
    }

    /// Failed calls of every kind.
    #[must_use]
    pub fn failed_total(&self) -> u64 {
        self.failures.iter().sum()
    }
}

/// Buckets for each power of two.
const STEPS: u32 = 4;
/// 64 powers of two.
const BUCKETS: usize = 64 * STEPS as usize;

/// Counts of times in logarithmic buckets.
#[derive(Debug)]
pub(crate) struct Latency {
    buckets: Box<[u64; BUCKETS]>,
    count: u64,
    total: Duration,
}

impl Latency {
    pub(crate) fn new() -> Latency {
        Latency { buckets: Box::new([0; BUCKETS]), count: 0, total: Duration::ZERO }
    }

    pub(crate) fn record(&mut self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        if let Some(bucket) = self.buckets.get_mut(bucket(nanos)) {
            *bucket += 1;
        }
        self.count += 1;
        self.total = self.total.saturating_add(time);
    }

    pub(crate) const fn total(&self) -> Duration {
        self.total
    }

    /// An upper bound of the time below which `percent` of all calls stayed.
    pub(crate) fn percentile(&self, percent: u64) -> Duration {
        let rank = self.count.saturating_mul(percent).div_ceil(100);
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= rank && seen > 0 {
                return Duration::from_nanos(upper_bound(index));
            }
        }
        Duration::ZERO
    }
}

/// Below `STEPS` each number has its bucket; above, each power of two is cut into `STEPS` equal parts.
fn bucket(nanos: u64) -> usize {
    let Some(power) = nanos.checked_ilog2() else {
        return 0;
    };
    let shift = power.saturating_sub(STEPS.ilog2());
    let base = shift as usize * STEPS as usize;
    base + usize::try_from(nanos >> shift).unwrap_or(0)
}

fn upper_bound(bucket: usize) -> u64 {
    let steps = STEPS as usize;
    if bucket < 2 * steps {
        return bucket as u64;
    }
    let shift = bucket / steps - 1;
    let step = (bucket % steps + steps) as u64;
    ((step + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_bound_their_values_within_a_quarter() {
        for nanos in (0..5000).chain([1 << 20, (1 << 40) + 12345, u64::MAX / 3]) {
            let bound = upper_bound(bucket(nanos));
            assert!(bound >= nanos, "{nanos} {bound}");
            assert!(bound - nanos <= nanos / 4, "{nanos} {bound}");
        }
        assert!(bucket(u64::MAX) < BUCKETS);
    }

    #[test]
    fn percentiles() {
        let mut latency = Latency::new();
        assert_eq!(latency.percentile(50), Duration::ZERO);
        for micros in 1..=100 {
            latency.record(Duration::from_micros(micros));
        }
        let within = |percent: u64, micros: u64| {
            let found = latency.percentile(percent);
            let exact = Duration::from_micros(micros);
            assert!(found >= exact && found <= exact * 5 / 4, "{percent}: {found:?}");
        };
        within(50, 50);
        within(99, 99);
        assert_eq!(latency.total(), Duration::from_micros(5050));
    }
}
