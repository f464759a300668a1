//! What a run found: counters, latencies, and the one JSON line that is printed.

use anyhow::Result;
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// Longest latency that is told apart, in nanoseconds: ten minutes.
const LONGEST: u64 = 600_000_000_000;

/// Latencies of one kind, in nanoseconds, with three significant digits.
#[derive(Debug, Clone)]
pub struct Latency {
    histogram: Histogram<u64>,
}

impl Latency {
    /// No latencies yet.
    ///
    /// # Errors
    /// None in practice: the bounds are constants.
    pub fn new() -> Result<Latency> {
        Ok(Latency { histogram: Histogram::new_with_bounds(1, LONGEST, 3)? })
    }

    /// Adds one of `from` to `to`; an end before the start counts as 0, one past ten minutes as ten minutes.
    pub fn add(&mut self, from: u64, to: u64) {
        self.histogram.saturating_record(to.saturating_sub(from).clamp(1, LONGEST));
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// The latency that a share `quantile` (0 to 1) of all do not exceed, in microseconds; 0 without any.
    #[must_use]
    pub fn us(&self, quantile: f64) -> f64 {
        if self.histogram.is_empty() {
            return 0.0;
        }
        tenths(self.histogram.value_at_quantile(quantile))
    }

    /// The longest one in microseconds; 0 without any.
    #[must_use]
    pub fn max_us(&self) -> f64 {
        if self.histogram.is_empty() {
            return 0.0;
        }
        tenths(self.histogram.max())
    }
}

/// Nanoseconds as microseconds with one decimal.
fn tenths(nanos: u64) -> f64 {
    (float(nanos) / 100.0).round() / 10.0
}

/// A count as a float; exact below 2^53.
#[must_use]
#[allow(clippy::cast_precision_loss)]
pub fn float(count: u64) -> f64 {
    count as f64
}

/// What went out and came back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Exchanges begun (a DORA, or a renewal).
    pub started: u64,
    /// Messages sent, retransmissions included.
    pub sent: u64,
    /// Messages sent again after a timeout.
    pub retransmitted: u64,
    /// Exchanges that ended with an ACK.
    pub acked: u64,
    /// NAKs to a message of ours.
    pub nak: u64,
    /// Exchanges given up after the last retransmission, and those still open when the run's patience ended.
    pub lost: u64,
    /// Renewals that were due while the client's last one was still open (open loop).
    pub skipped: u64,
    /// Replies that contradict the request: another address, another client's hardware address, no lease time and so on.
    pub wrong: u64,
    /// Replies that no open exchange waits for: late duplicates, mostly after a retransmission.
    pub stray: u64,
    /// ACKs for an address that another client of this run holds.
    pub duplicates: u64,
    /// Packets that are no DHCP reply at all.
    pub unreadable: u64,
}

/// The one line that a run prints.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// `dora` or `renew`.
    pub work: String,
    /// `relayed` or `direct`.
    pub mode: String,
    /// Exchanges with an ACK in a second, while load was offered.
    pub rate: f64,
    /// How long load was offered, in seconds.
    pub seconds: f64,
    /// Median latency of a whole exchange in microseconds; in an open loop from the scheduled time.
    pub p50_us: f64,
    /// 99 of 100 exchanges took no longer.
    pub p99_us: f64,
    /// 999 of 1000 exchanges took no longer.
    pub p999_us: f64,
    /// The slowest exchange.
    pub max_us: f64,
    /// Median of DISCOVER to OFFER.
    pub offer_p50_us: f64,
    /// 99 of 100 of DISCOVER to OFFER.
    pub offer_p99_us: f64,
    /// Median of REQUEST to ACK.
    pub ack_p50_us: f64,
    /// 99 of 100 of REQUEST to ACK.
    pub ack_p99_us: f64,
    /// From REQUEST to reply by the kernel's stamps on the interface; 0 without them, and so are the next three.
    pub wire_p50_us: f64,
    /// 99 of 100 of them.
    pub wire_p99_us: f64,
    /// The longest.
    pub wire_max_us: f64,
    /// How many there were.
    pub wire_count: u64,
    /// Counters.
    #[serde(flatten)]
    pub tally: Tally,
    /// Clients that hold an address at the end.
    pub bound: u64,
    /// Processor time of the generator in microseconds, while load was offered.
    pub cpu_us: u64,
    /// The same as a share of one processor; near 100 the generator is the limit.
    pub cpu_percent: f64,
    /// The first wrong answer or duplicate address in words; empty when there was none.
    pub first_fault: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_in_microseconds() {
        let mut latency = Latency::new().expect("bounds");
        for i in 1..=1000u64 {
            latency.add(5_000, 5_000 + i * 1000);
        }
        assert_eq!(latency.count(), 1000);
        for (quantile, expected) in [(0.5, 500.0), (0.99, 990.0), (0.999, 999.0)] {
            let found = latency.us(quantile);
            assert!((found - expected).abs() <= expected * 0.002, "{quantile}: {found}");
        }
        assert!((latency.max_us() - 1000.0).abs() <= 1.0);
    }

    #[test]
    fn odd_latencies_do_not_spoil_the_rest() {
        let mut latency = Latency::new().expect("bounds");
        assert!(latency.us(0.5) == 0.0 && latency.max_us() == 0.0);
        latency.add(10, 5);
        latency.add(0, u64::MAX);
        assert_eq!(latency.count(), 2);
        assert!((latency.max_us() - 600_000_000.0).abs() < 1_000_000.0);
    }

    #[test]
    fn report_is_one_flat_line() {
        let report = Report { work: "dora".into(), tally: Tally { acked: 3, ..Tally::default() }, ..Report::default() };
        let line = serde_json::to_string(&report).expect("plain data");
        assert!(!line.contains('\n') && line.contains("\"acked\":3"), "{line}");
        assert_eq!(serde_json::from_str::<Report>(&line).expect("its own output"), report);
    }
}
