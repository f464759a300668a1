//! Rules that every second seed draws from a stream of its own, so that the other seeds stay what they were.

use crate::random::Random;
use bindery_engine::config::{
    AddressProbe, DiscoverMatch, FailureAction, Liveness, PoolMatch, Rate, RouteSuppression, ShortCycle,
};

/// What an operator has set beside what [`crate::plan::Plan`] always draws. The default is nothing of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    pub(crate) probe: Option<AddressProbe>,
    pub(crate) liveness: Option<Liveness>,
    /// Commits turn it on and off.
    pub(crate) suppression: Option<RouteSuppression>,
    /// Whether they do.
    pub(crate) suppresses: bool,
    /// Some clients send option 80, and it is answered.
    pub(crate) rapid: bool,
    /// Some clients speak BOOTP.
    pub(crate) bootp: bool,
    /// `lease-time-validation` with `strict`.
    pub(crate) strict: bool,
    /// `host`s are known by their user's name.
    pub(crate) users: bool,
    pub(crate) order: Vec<PoolMatch>,
    pub(crate) discover_match: Option<DiscoverMatch>,
    pub(crate) per_client: Option<Rate>,
    pub(crate) lockout: Option<ShortCycle>,
    /// What else is on the segments: hosts that take addresses, foreign servers, floods.
    pub(crate) mischief: bool,
}

impl Rules {
    /// The rules of a seed; `authenticate`: newcomers wait for an authority.
    pub(crate) fn new(seed: u64, authenticate: bool) -> Self {
        if seed.is_multiple_of(2) {
            return Self::default();
        }
        let random = &mut Random::new(seed ^ 0x7275_6c65_7321);
        let probe = AddressProbe {
            timeout_millis: random.pick(&[50, 200, 500, 2_000]),
            attempts: random.range(1, 3) as u8,
            returning: random.chance(500),
        };
        let actions = [FailureAction::Clear, FailureAction::ClearIfInterfaceUp, FailureAction::LogOnly];
        let liveness = Liveness { action: random.pick(&actions), transmit_secs: 60, retries: random.range(3, 4) as u8 };
        let orders: [&[PoolMatch]; 4] = [
            &[PoolMatch::IpAddressFirst],
            &[PoolMatch::Option82, PoolMatch::IpAddressFirst],
            &[PoolMatch::Option82Strict, PoolMatch::IpAddressFirst],
            &[PoolMatch::ExternalAuthority, PoolMatch::IpAddressFirst],
        ];
        let order = random.pick(&orders).to_vec();
        let matches = [DiscoverMatch::Option60And82, DiscoverMatch::IncomingInterface];
        let discover_match = random.pick(&matches);
        Self {
            probe: random.chance(400).then_some(probe),
            liveness: random.chance(400).then_some(liveness),
            suppression: None,
            // Routes via clients have seeds of their own.
            suppresses: random.chance(300) && seed % 8 != 7,
            rapid: random.chance(300),
            bootp: random.chance(250) && !authenticate,
            strict: random.chance(200),
            users: random.chance(600) && authenticate,
            order: if random.chance(350) { order } else { Vec::new() },
            discover_match: random.chance(200).then_some(discover_match),
            per_client: random.chance(250).then_some(Rate { per_sec: 1, burst: 4 }),
            lockout: random.chance(300).then_some(ShortCycle { min_secs: 8, max_secs: 40 }),
            mischief: random.chance(700),
        }
    }
}
