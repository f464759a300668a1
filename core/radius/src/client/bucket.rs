//! A token bucket: packets a second.

use bindery_types::Mono;

/// Lets a given number of packets a second pass, and a tenth of that at once after a pause.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    /// Nanoseconds that one packet costs.
    cost: u64,
    /// Nanoseconds saved at most.
    most: u64,
    saved: u64,
    at: Mono,
}

impl Bucket {
    /// A full bucket; a `rate` of 0 counts as 1.
    pub(super) fn new(rate: u16) -> Self {
        let cost = 1_000_000_000 / u64::from(rate.max(1));
        let most = cost * u64::from(rate / 10).max(1);
        Self { cost, most, saved: most, at: Mono::default() }
    }

    /// When the next packet may pass: at or before `now` where it may pass now.
    pub(super) fn ready(&mut self, now: Mono) -> Mono {
        let passed = now.0.saturating_sub(self.at.0);
        self.saved = self.saved.saturating_add(passed).min(self.most);
        self.at = self.at.max(now);
        Mono(now.0.saturating_add(self.cost.saturating_sub(self.saved)))
    }

    /// A packet passes.
    pub(super) fn take(&mut self) {
        self.saved = self.saved.saturating_sub(self.cost);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_holds_over_any_second_after_the_burst() {
        let mut bucket = Bucket::new(500);
        let mut now = Mono::from_secs(7);
        let mut passed = 0;
        while now < Mono::from_secs(8) {
            let ready = bucket.ready(now);
            if ready <= now {
                bucket.take();
                passed += 1;
            } else {
                now = ready;
            }
        }
        assert_eq!(passed, 549, "the burst and a second's worth, whose last is due at its end");
    }
}
