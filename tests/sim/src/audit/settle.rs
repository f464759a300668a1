//! What must hold when everything has come to rest.

use super::{At, Auditor, Finding, KernelRoute, KernelRoutes, Key, SitePool, access::CLOCK_SLACK_SECS, address};
use crate::clock::{Instant, SEC};
use bindery_engine::record::{DurableState, LeaseRecord};
use bindery_types::{IfIndex, InstanceId, Ipv4Addr, MacAddr, SessionId};
use std::collections::{BTreeMap, BTreeSet};

/// A client without an answer asks again within this time.
const ASKS_AGAIN: Instant = 60 * SEC;

impl Auditor {
    /// Kernel routes are exactly those of the live bindings (design §2.6).
    ///
    /// # Errors
    /// A broken promise.
    pub fn routes_agree(&self, kernel: &KernelRoutes) -> Result<(), Finding> {
        let wanted: BTreeMap<At, KernelRoute> =
            self.bound().filter_map(|l| Some(((l.instance, address(l)), self.route_for(l)?))).collect();
        self.prefixes_agree(kernel)?;
        for (at, route) in kernel.iter().filter(|(_, route)| route.ours && route.len == 32) {
            if wanted.get(at) != Some(route) {
                return Err(format!("the kernel has {route:?} to {}, wanted is {:?}", at.1, wanted.get(at)));
            }
        }
        match wanted.iter().find(|(at, _)| !kernel.contains_key(at)) {
            Some((at, route)) => Err(format!("the kernel lacks {route:?} to {}", at.1)),
            None => Ok(()),
        }
    }

    /// What the server shows is what is on disk.
    ///
    /// # Errors
    /// A broken promise.
    pub fn view_agrees(&self, rows: &[(SessionId, Ipv4Addr)]) -> Result<(), Finding> {
        let shown: BTreeSet<_> = rows.iter().copied().collect();
        let stored: BTreeSet<_> = self.bound().map(|l| (l.key.session, address(l))).collect();
        if shown.len() != rows.len() {
            return Err("a binding is shown twice".into());
        }
        match shown.symmetric_difference(&stored).next() {
            Some(odd) if shown.contains(odd) => Err(format!("{odd:?} is shown and not on disk")),
            Some(odd) => Err(format!("{odd:?} is on disk and not shown")),
            None => Ok(()),
        }
    }

    /// Whether the client of `key` has a live durable binding in `instance`.
    pub fn has_lease(&self, instance: InstanceId, key: &Key, address: Ipv4Addr) -> bool {
        self.is_bound(instance, address, key)
    }

    /// Whether it has it from a place on `link`, and nobody could take it for another client there.
    pub fn has_lease_on(&self, link: &str, instance: InstanceId, key: &Key, address: Ipv4Addr) -> bool {
        let is_here = |identity: &bindery_engine::record::IdentityRecord| {
            *identity.interface == *link && identity.relay_info.is_empty()
        };
        let identities = self.known.values().filter(|(lease, of)| {
            of == key
                && lease.state == DurableState::Bound
                && (lease.instance, super::address(lease)) == (instance, address)
        });
        let mut identities = identities.filter_map(|(lease, _)| self.identities.get(&lease.key.session));
        self.is_bound(instance, address, key) && (!self.site.tells_apart || identities.any(is_here))
    }

    /// An address that the server could give to a client at that place: it should be bound then.
    pub fn room(&self, link: IfIndex, selector: Option<Ipv4Addr>, mac: MacAddr, key: &Key) -> Option<Ipv4Addr> {
        let (pool, at) = (self.site.pool_at(link, selector)?, self.site.links.get(&link)?);
        let instance = at.instance;
        if let Some(limit) = self.site.client_limit {
            let here = |l: &&bindery_engine::record::LeaseRecord| {
                self.identities.get(&l.key.session).is_some_and(|i| *i.interface == *at.name)
            };
            // Places that were taken until a moment ago count: the client may not have asked since.
            let lately = self.freed.values().filter(|at| **at + ASKS_AGAIN > self.now).count();
            if self.bound().filter(here).count() + self.holds.len() + lately >= limit as usize {
                return None;
            }
        }
        let taken = |address: Ipv4Addr| {
            let stored = self.disk.values().any(|l| {
                matches!(l.state, DurableState::Bound | DurableState::Declined)
                    && (l.instance, super::address(l)) == (instance, address)
            });
            // A client asks again after half a minute.
            let held = self.holds.get(&(instance, address)).is_some_and(|h| h.until + ASKS_AGAIN > self.now);
            let just_freed = self.freed.get(&(instance, address)).is_some_and(|at| at + ASKS_AGAIN > self.now);
            stored || held || just_freed || self.is_kept_for((instance, address)).is_some()
        };
        let free = |a: Ipv4Addr| !taken(a) && !self.site.is_own(a) && self.owner_is_open(instance, a);
        // Too short a lease is nobody's, and one behind option 82 may have no range.
        let short = |p: &SitePool| self.site.strict && p.lease_secs < self.site.lease_floor.unwrap_or(0);
        let narrow = self.site.strict_circuits && instance == InstanceId(0);
        if narrow || self.site.chain(pool).any(short) {
            return None;
        }
        self.site.chain(pool).filter(|p| !p.hold_down).find_map(|p| p.addresses_for(mac, key).find(|a| free(*a)))
    }

    /// Whether a pool that gives `at` may have had nothing else left lately. Offers that never left do not show: each
    /// client that sent a DISCOVER may hold one.
    pub(super) fn is_drained(&self, (instance, address): At) -> bool {
        const LATELY: Instant = super::EVIDENCE_SECS * SEC;
        let seen = |since: &Instant| since + LATELY > self.now;
        let hidden = self.discovers.iter().filter(|((of, _), since)| *of == instance && seen(since)).count();
        let mut taken: BTreeSet<Ipv4Addr> = self.freed.iter().filter(|(_, at)| seen(at)).map(|(at, _)| at.1).collect();
        taken.extend(self.holds.keys().map(|at| at.1));
        taken.extend(self.known.values().filter(|(l, _)| l.instance == instance).map(|(l, _)| super::address(l)));
        // What ran out may be kept for its client, by this configuration or one before it.
        let sites = std::iter::once(&self.site).chain(self.former.iter().map(|(site, _)| site));
        let grace = sites.flat_map(|site| &site.pools).map(|p| u64::from(p.grace_secs)).max().unwrap_or(0);
        let since = self.shown_clock().map_or(0, |clock| clock.saturating_sub(grace + ASKS_AGAIN / SEC));
        let kept = self.disk.values().filter(|l| l.state == DurableState::Expired && l.end.0 >= since);
        taken.extend(kept.filter(|l| grace > 0 && l.instance == instance).map(super::address));
        let nobody = (MacAddr::BROADCAST, Key::default());
        let former = self.former.iter().filter(|(_, since)| seen(since)).map(|(site, _)| site);
        std::iter::once(&self.site).chain(former).any(|site| {
            (0..site.pools.len()).any(|pool| {
                let gives = site.chain(pool).any(|p| p.instance == instance && p.has(address));
                let open = site.chain(pool).filter(|p| !p.hold_down);
                let free =
                    open.flat_map(|p| p.addresses_for(nobody.0, &nobody.1)).filter(|a| !taken.contains(a)).count();
                gives && free <= hidden
            })
        })
    }

    /// Whom an address is kept for after its lease ran out (`grace-period`), and until when, seconds of the lease clock.
    /// A client asks again after a minute.
    pub(super) fn is_kept_for(&self, (instance, address): At) -> Option<(&bindery_engine::record::LeaseRecord, u64)> {
        let pool = self.site.pools.iter().find(|p| p.instance == instance && p.network.contains(address))?;
        let clock = self.shown_clock();
        let ran_out = |l: &&bindery_engine::record::LeaseRecord| {
            l.state == DurableState::Expired && (l.instance, super::address(l)) == (instance, address)
        };
        let until = |l: &bindery_engine::record::LeaseRecord| l.end.0.saturating_add(u64::from(pool.grace_secs));
        let kept = self.disk.values().filter(ran_out).max_by_key(|l| l.change)?;
        let asks_again = ASKS_AGAIN / SEC + CLOCK_SLACK_SECS;
        let lasts = clock.is_none_or(|clock| until(kept) + asks_again > clock);
        (pool.grace_secs > 0 && lasts).then(|| (kept, until(kept)))
    }

    /// The first pool with the address owns it (overlaps are possible after edits): is it open?
    fn owner_is_open(&self, instance: InstanceId, address: Ipv4Addr) -> bool {
        let owner = self.site.pools.iter().find(|p| p.instance == instance && p.has(address));
        owner.is_some_and(|p| !p.hold_down)
    }

    /// With the disk sound and the clock right, a lease that ran out is not live for long.
    ///
    /// # Errors
    /// A broken promise.
    pub fn nothing_outlives_its_end(&self) -> Result<(), Finding> {
        const SLACK_SECS: u64 = 100;
        let clock = self.meta().map_or(0, |meta| meta.lease_clock.0);
        match self.bound().find(|l| l.end.plus_secs(SLACK_SECS).0 < clock) {
            Some(lease) => Err(format!("{} is live {} s after its end", address(lease), clock - lease.end.0)),
            None => Ok(()),
        }
    }

    /// Long after the last client fell silent: what is still on disk and should not be.
    ///
    /// # Errors
    /// A broken promise.
    pub fn nothing_lingers(&self) -> Result<(), Finding> {
        let now = self.lease_clock();
        let promised = |at: At| {
            let told = self.claims.get(&at).is_some_and(|claims| claims.iter().any(|c| c.until > now));
            told || self.ended.iter().any(|((of, _), ended)| *of == at && ended.until > now)
        };
        // `asymmetric-lease-time`: what we ended is refused until the lease that was kept would have ended, whatever its
        // client was told of it; and who asks for decades gets them.
        let clock = self.shown_clock().filter(|_| self.ever_asymmetric);
        let refuses = |l: &LeaseRecord| l.state == DurableState::Cleared && clock.is_some_and(|clock| l.end.0 > clock);
        let over = |l: &&LeaseRecord| {
            l.end != bindery_types::LeaseTime::NEVER && !promised((l.instance, address(l))) && !refuses(l)
        };
        match self.disk.values().find(over) {
            Some(lease) => Err(format!("{} lingers on disk: {lease:?}", address(lease))),
            None => Ok(()),
        }
    }
}
