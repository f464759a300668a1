//! What the configuration says of this module.

use core::time::Duration;

/// `address-probe`: OFFERs to direct clients wait until nobody answers for their address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressProbe {
    /// `timeout`: how long each request is waited for, milliseconds, 50 to 2000.
    pub timeout_millis: u16,
    /// `attempts`: ARP requests for an address, 1 to 3.
    pub attempts: u8,
    /// `include-returning-clients`: the last address of a client that comes back is probed too.
    pub returning: bool,
}

impl Default for AddressProbe {
    fn default() -> Self {
        Self { timeout_millis: 500, attempts: 1, returning: false }
    }
}

impl AddressProbe {
    /// The wait after each request.
    pub const fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_millis as u64)
    }
}

/// `liveness-detection method layer2-liveness-detection` of a group or its server (junos.md §2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Liveness {
    /// `failure-action`.
    pub action: FailureAction,
    /// `transmit-interval`: how often a client is asked, seconds, 300 to 1800.
    pub transmit_secs: u16,
    /// `max-consecutive-retries`: requests after the first one without an answer, 3 to 6.
    pub retries: u8,
}

impl Default for Liveness {
    fn default() -> Self {
        Self { action: FailureAction::Clear, transmit_secs: 300, retries: 3 }
    }
}

/// What becomes of the binding of a client that does not answer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum FailureAction {
    /// `clear-binding`.
    #[default]
    Clear,
    /// `clear-binding-if-interface-up`: nobody is asked on an interface that is down.
    ClearIfInterfaceUp,
    /// `log-only`.
    LogOnly,
}
