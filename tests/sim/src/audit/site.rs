//! What the auditor knows of the site: interfaces, and pools as the operator configured them.

use super::SiteReconfigure;
use bindery_types::{IfIndex, InstanceId, Ipv4Addr, MacAddr, Prefix4};
use std::collections::BTreeMap;

/// An interface of the server.
#[derive(Clone, Debug)]
pub struct SiteLink {
    /// Name.
    pub name: String,
    /// Routing instance.
    pub instance: InstanceId,
    /// Addresses with their prefix lengths.
    pub addresses: Vec<(Ipv4Addr, u8)>,
}

/// A configured pool.
#[derive(Clone, Debug)]
pub struct SitePool {
    /// Name.
    pub name: String,
    /// Routing instance.
    pub instance: InstanceId,
    /// Network.
    pub network: Prefix4,
    /// First and last address of its range.
    pub range: (Ipv4Addr, Ipv4Addr),
    /// An excluded address.
    pub excluded: Option<Ipv4Addr>,
    /// An address that is kept for one client.
    pub host: Option<(MacAddr, Ipv4Addr)>,
    /// No new bindings.
    pub hold_down: bool,
    /// Position of the pool that serves when this one is exhausted.
    pub overflow: Option<usize>,
}

/// The site.
#[derive(Clone, Debug, Default)]
pub struct Site {
    /// Interfaces that are there.
    pub links: BTreeMap<IfIndex, SiteLink>,
    /// Pools, in configuration order.
    pub pools: Vec<SitePool>,
    /// Option 54 where a pool sets it.
    pub set_server_id: Option<Ipv4Addr>,
    /// `delete-binding-on-renegotiation`.
    pub renegotiates: bool,
    /// `interface-client-limit`.
    pub client_limit: Option<u32>,
    /// `no-arp`.
    pub no_arp: bool,
    /// `reconfigure`, where it is enabled.
    pub reconfigure: Option<SiteReconfigure>,
    /// Whether a plugin is asked about clients that answer no attempt.
    pub asks_when_exhausted: bool,
    /// Whether an authority is asked about newcomers.
    pub authenticates: bool,
    /// Whether accounting is told of sessions.
    pub accounts: bool,
}

impl Default for SiteLink {
    fn default() -> Self {
        Self { name: String::new(), instance: InstanceId(0), addresses: Vec::new() }
    }
}

impl Site {
    /// Whether `address` is one of ours.
    pub fn is_own(&self, address: Ipv4Addr) -> bool {
        self.links.values().any(|l| l.addresses.iter().any(|(own, _)| *own == address))
    }

    /// Whether some pool has `address` to give or to renew.
    pub fn has(&self, instance: InstanceId, address: Ipv4Addr) -> bool {
        !self.is_own(address) && self.pools.iter().any(|p| p.instance == instance && p.has(address))
    }

    /// The pool for a client at `link`, by its relay's address where it has one.
    pub fn pool_at(&self, link: IfIndex, selector: Option<Ipv4Addr>) -> Option<usize> {
        let at = self.links.get(&link)?;
        let of = |address: Ipv4Addr| {
            self.pools.iter().position(|p| p.instance == at.instance && p.network.contains(address))
        };
        if let Some(selector) = selector {
            return of(selector);
        }
        let lo = self.links.values().filter(|l| l.name == "lo").flat_map(|l| l.addresses.iter());
        at.addresses.iter().chain(lo.filter(|(a, _)| !a.is_loopback())).find_map(|(a, _)| of(*a))
    }

    /// The pool and the one it overflows into.
    pub fn chain(&self, pool: usize) -> impl Iterator<Item = &SitePool> {
        let first = self.pools.get(pool);
        let second = first.and_then(|p| p.overflow).filter(|at| *at != pool).and_then(|at| self.pools.get(at));
        first.into_iter().chain(second)
    }

    /// Whether a gateway at `address` is on-link at `link`.
    pub fn is_on_link(&self, link: IfIndex, address: Ipv4Addr) -> bool {
        self.links.get(&link).is_some_and(|l| {
            l.addresses
                .iter()
                .any(|(own, len)| *len < 32 && Prefix4::containing(*own, *len).is_some_and(|p| p.contains(address)))
        })
    }

    /// The index of an interface.
    pub fn index_of(&self, name: &str) -> Option<IfIndex> {
        self.links.iter().find(|(_, l)| l.name == name).map(|(index, _)| *index)
    }
}

impl SitePool {
    /// Whether `address` is the pool's, whoever may have it.
    pub fn has(&self, address: Ipv4Addr) -> bool {
        let host = self.host.is_some_and(|(_, kept)| kept == address);
        let in_range = self.range.0 <= address && address <= self.range.1 && self.network.contains(address);
        self.excluded != Some(address) && (host || in_range)
    }

    /// The addresses that the client of `mac` could be given.
    pub fn addresses_for(&self, mac: MacAddr) -> impl Iterator<Item = Ipv4Addr> + '_ {
        let range = (self.range.0.to_bits()..=self.range.1.to_bits()).map(Ipv4Addr::from_bits);
        range.filter(move |a| self.has(*a) && self.host.is_none_or(|(whose, kept)| kept != *a || whose == mac))
    }
}
