//! Which pool a client's address comes from (`pool-match-order`, junos.md §2.4), and which range of it.
//!
//! The methods are tried in the order in which they are written:
//!
//! - `ip-address-first`: the pool whose network holds the link selection, the subnet selection, giaddr, or without a relay
//!   an address of the receiving interface
//! - `external-authority`: the pool that AAA has named
//! - `option-82`, `option-82-strict`: the same pool as `ip-address-first`, and of it the range that its `option-match
//!   option-82` names for the client's circuit or remote id. They narrow that pool also where `ip-address-first` stands
//!   before them. Where no entry matches, or the range is exhausted, the whole pool serves; with *strict*, nothing does
//!
//! A list without `external-authority` leaves to AAA what it always has: a pool that it names comes before the list.
//! With it, the pool counts where the word stands, and a client may wait for AAA though no network matches. A host
//! reservation, and an address that AAA has named, come before any range.

use crate::{config::PoolMatch, event::DropReason, pool::Pools, pool::RangeId};
use bindery_types::{Ipv4Addr, PoolId};
use bindery_wire::v4::RelayAgentInformation;

/// The pool of a client whose pool only AAA can tell: it is no pool.
pub(crate) const NOWHERE: PoolId = PoolId(u16::MAX);

/// How much of its pool a client may get its address from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Span {
    /// All of it, and the pools linked to it.
    Whole,
    /// A range of it.
    Narrowed {
        pool: PoolId,
        range: RangeId,
        /// Nothing else will do.
        strict: bool,
    },
    /// Nothing: `option-82-strict`, and no entry matches. Who has an address keeps it.
    Nothing,
}

impl Span {
    /// Whether an address may be given to the client, or left to it, that no `host` keeps for it.
    pub(crate) fn admits(self, pools: &Pools, address: Ipv4Addr) -> bool {
        match self {
            Self::Narrowed { pool, range, strict: true } => pools.is_in_range(pool, range, address),
            Self::Narrowed { strict: false, .. } | Self::Whole => true,
            Self::Nothing => false,
        }
    }

    /// Whether an address is where the client's should be: one that is not is given last, if at all.
    pub(crate) fn prefers(self, pools: &Pools, address: Ipv4Addr) -> bool {
        match self {
            Self::Narrowed { pool, range, .. } => pools.is_in_range(pool, range, address),
            Self::Whole => true,
            Self::Nothing => false,
        }
    }
}

/// What is known of a client where its pool is chosen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known<'a> {
    /// The pool whose network matches.
    pub(crate) matched: Option<PoolId>,
    /// The pool that AAA has named.
    pub(crate) named: Option<PoolId>,
    /// AAA was asked, or will not be: what it has not named by now it does not name.
    pub(crate) final_word: bool,
    /// Option 82.
    pub(crate) relay_info: &'a [u8],
}

/// Whether a list waits for AAA: its `external-authority` may yet name the pool.
pub(crate) fn awaits_authority(order: &[PoolMatch]) -> bool {
    order.contains(&PoolMatch::ExternalAuthority)
}

/// Whether a list looks at option 82.
pub(crate) fn narrows(order: &[PoolMatch]) -> bool {
    order.iter().any(|method| matches!(method, PoolMatch::Option82 | PoolMatch::Option82Strict))
}

/// Chooses by `order`; an empty one is `ip-address-first`. [`NOWHERE`] where AAA may yet name the pool.
///
/// # Errors
/// No pool is to be had.
pub(crate) fn choose(order: &[PoolMatch], pools: &Pools, known: Known<'_>) -> Result<(PoolId, Span), DropReason> {
    let by_authority = awaits_authority(order);
    if let Some(named) = known.named.filter(|_| !by_authority) {
        return Ok((named, Span::Whole));
    }
    let order = if order.is_empty() { &[PoolMatch::IpAddressFirst] } else { order };
    let first = order.iter().find_map(|method| match method {
        PoolMatch::ExternalAuthority => known.named.map(|pool| (pool, true)),
        _ => known.matched.map(|pool| (pool, false)),
    });
    let pool = match first {
        Some((pool, true)) => return Ok((pool, Span::Whole)),
        Some((pool, false)) => pool,
        None if by_authority && !known.final_word => return Ok((NOWHERE, Span::Whole)),
        None => return Err(DropReason::InvalidSubnet),
    };
    if !narrows(order) {
        return Ok((pool, Span::Whole));
    }
    let strict = order.contains(&PoolMatch::Option82Strict);
    let info = RelayAgentInformation::new(known.relay_info);
    let span = match pools.matched_range(pool, info.circuit_id(), info.remote_id()) {
        Some(range) => Span::Narrowed { pool, range, strict },
        None if strict => Span::Nothing,
        None => Span::Whole,
    };
    Ok((pool, span))
}
