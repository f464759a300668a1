//! Rules against clients that misbehave, and against too many packets.

/// `short-cycle-protection`: a client that logs in and out in short cycles, or is refused, is locked out for a time that
/// doubles.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ShortCycle {
    /// `lockout-min-time`: the first lockout, seconds, 1 to 86400.
    pub min_secs: u32,
    /// `lockout-max-time`: the longest one, seconds, 1 to 86400.
    pub max_secs: u32,
}

impl Default for ShortCycle {
    fn default() -> Self {
        Self { min_secs: 1, max_secs: 300 }
    }
}

/// `lease-time-validation`: a lease must not be too short.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LeaseValidation {
    /// `lease-time-threshold`: shorter leases are violations, seconds, 60 to 2147483647.
    pub threshold_secs: u32,
    /// `violation-action`.
    pub action: ViolationAction,
}

/// What follows a lease that is too short.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum ViolationAction {
    /// `strict`: the request is dropped.
    #[default]
    Strict,
    /// `override-lease`: the lease is as long as the threshold.
    OverrideLease,
}

impl LeaseValidation {
    /// A lease of `secs` as it may be granted; `None` where it may not. The second value tells whether it was too short.
    pub const fn judge(&self, secs: u32) -> (Option<u32>, bool) {
        if secs >= self.threshold_secs {
            return (Some(secs), false);
        }
        match self.action {
            ViolationAction::Strict => (None, true),
            ViolationAction::OverrideLease => (Some(self.threshold_secs), true),
        }
    }
}

/// `overload` of a local server: how many packets are taken, before any of them is parsed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Overload {
    /// `per-interface`: packets of one interface. The last quarter of the burst is kept for renewals.
    pub per_interface: Option<Rate>,
    /// `per-client`: packets of one hardware address on one interface, or behind one relay.
    pub per_client: Option<Rate>,
    /// `per-circuit`: packets of one circuit-id (option 82) of one relay, or of the relay where it sets none.
    pub per_circuit: Option<Rate>,
    /// `half-open-limit`: most offers that wait for their REQUEST on one interface; the oldest one lapses for a new one.
    pub half_open_limit: u32,
}

impl Overload {
    /// Nothing is limited but offers.
    pub const DEFAULT: Self =
        Self { per_interface: None, per_client: None, per_circuit: None, half_open_limit: 16_384 };

    /// Whether any bucket is configured.
    pub const fn has_rates(&self) -> bool {
        self.per_interface.is_some() || self.per_client.is_some() || self.per_circuit.is_some()
    }
}

impl Default for Overload {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// A token bucket's size.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate {
    /// `rate`: packets a second, 1 to 1000000.
    pub per_sec: u32,
    /// `burst`: packets at once, 1 to 1000000.
    pub burst: u32,
}
