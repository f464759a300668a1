//! What a run of the generator does: which exchanges, at what pace, how patiently.

use crate::message::Style;
use crate::report::float;
use std::time::Duration;

/// The line that `dhcpload` writes to stderr when what is not counted is over.
pub const PREPARED: &str = "prepared";

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// DISCOVER, OFFER, REQUEST, ACK: each client once.
    Dora,
    /// REQUEST with ciaddr, ACK: over clients that took their leases first, again and again.
    Renew,
}

/// When exchanges begin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// Closed loop: so many are open at any time.
    Window(u32),
    /// Open loop: so many begin in a second, whatever the server does.
    Rate(f64),
}

/// A whole run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What is measured.
    pub work: Work,
    /// When exchanges begin.
    pub pace: Pace,
    /// Number of the first client; hardware address and transaction number follow from it.
    pub first: u32,
    /// Clients take turns in an order that is not that of their numbers.
    pub shuffle: bool,
    /// How many clients there are.
    pub clients: u32,
    /// Load is offered so long, or until [`Plan::count`] exchanges have begun.
    pub limit: Duration,
    /// Exchanges to begin; for [`Work::Dora`] never more than there are clients.
    pub count: u64,
    /// A message without answer is sent again after this.
    pub timeout: Duration,
    /// Messages of one kind before an exchange is lost.
    pub tries: u16,
    /// Silence is never final: clients ask until the limit, starting over after four REQUESTs or a NAK.
    pub tolerate: bool,
    /// After the load the sockets are watched so long for late replies.
    pub hold: Duration,
    /// How messages are written.
    pub style: Style,
}

/// When exchange `number` of an open loop should begin. Computed from the start each time: errors do not add up, and
/// a late start of one does not move the next.
#[must_use]
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub fn scheduled(began: u64, number: u64, rate: f64) -> u64 {
    began.saturating_add((float(number) / rate * 1e9) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedule_does_not_drift() {
        assert_eq!(scheduled(100, 0, 3000.0), 100);
        assert_eq!(scheduled(100, 3000, 3000.0), 1_000_000_100);
        assert_eq!(scheduled(0, 3_000_000, 3000.0), 1_000_000_000_000);
        assert_eq!(scheduled(5, 1, 0.0), u64::MAX, "a rate of 0 never begins a second one");
    }
}
