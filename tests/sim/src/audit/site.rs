//! What the auditor knows of the site: interfaces, and pools as the operator configured them.

use super::{Key, SiteReconfigure};
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

/// `address-probe`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SiteProbe {
    /// How long each request is waited for, milliseconds.
    pub millis: u64,
}

/// `liveness-detection`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SiteLiveness {
    /// Requests after the first one.
    pub retries: usize,
    /// Whether bindings of clients that do not answer end.
    pub clears: bool,
}

/// `client-discover-match`: what a subscriber's line is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SiteLine {
    /// Vendor class, circuit and remote id.
    Circuit,
    /// The interface of a direct client.
    Interface,
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
    /// That client is known by its identifier, which has its hardware address; else by the address itself.
    pub host_by_id: bool,
    /// The user whom it is kept for in place of that client.
    pub host_user: Option<String>,
    /// Circuits that have a range of their own.
    pub circuits: Vec<(Vec<u8>, (Ipv4Addr, Ipv4Addr))>,
    /// Lease time, seconds.
    pub lease_secs: u32,
    /// No new bindings.
    pub hold_down: bool,
    /// Who holds an address is sent away.
    pub drained: bool,
    /// How long an address is kept for its client when the lease has run out.
    pub grace_secs: u32,
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
    /// `half-open-limit` is so low that offers lapse before their time.
    pub offers_lapse: bool,
    /// `remote-id-mismatch disconnect`.
    pub remote_id_mismatch: bool,
    /// `lease-time-threshold` with `override-lease`, seconds.
    pub lease_floor: Option<u32>,
    /// `delay-offer`, seconds; 0 for none.
    pub delay_secs: u8,
    /// `reconfigure`, where it is enabled.
    pub reconfigure: Option<SiteReconfigure>,
    /// Whether a plugin is asked about clients that answer no attempt.
    pub asks_when_exhausted: bool,
    /// Whether an authority is asked about newcomers.
    pub authenticates: bool,
    /// Whether accounting is told of sessions.
    pub accounts: bool,
    /// Whether clients with one key are told apart by where they are: one that moves is another then.
    pub tells_apart: bool,
    /// `address-probe`.
    pub probe: Option<SiteProbe>,
    /// `liveness-detection`.
    pub liveness: Option<SiteLiveness>,
    /// `route-suppression access-internal`.
    pub no_routes: bool,
    /// `route-suppression destination`.
    pub no_neighbours: bool,
    /// `bootp-support`.
    pub bootp: bool,
    /// `asymmetric-lease-time`: clients are told less than what is kept as their lease.
    pub asymmetric: bool,
    /// `rapid-commit`.
    pub rapid: bool,
    /// `violation-action strict`: what is shorter than `lease_floor` is not granted.
    pub strict: bool,
    /// `option-82-strict`, of the default routing instance.
    pub strict_circuits: bool,
    /// `client-discover-match`.
    pub discover_match: Option<SiteLine>,
    /// `per-client` of the default routing instance: packets a second, and at once.
    pub per_client: Option<(u64, u64)>,
    /// `short-cycle-protection`: the shortest lockout, seconds.
    pub lockout_secs: Option<u32>,
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

    /// The pool and the one it overflows into; for that one, the first of those that do, by name.
    pub fn chain(&self, pool: usize) -> impl Iterator<Item = &SitePool> {
        let first = self.pools.get(pool);
        let is_here = |other: &SitePool| first.is_some_and(|first| first.instance == other.instance);
        let onward = first.and_then(|p| p.overflow).filter(|at| *at != pool).and_then(|at| self.pools.get(at));
        let leads = |(at, p): &(usize, &SitePool)| *at != pool && p.overflow == Some(pool) && is_here(p);
        let before = self.pools.iter().enumerate().filter(leads).map(|(_, p)| p).min_by_key(|p| &p.name);
        let second = onward.filter(|other| is_here(other)).or(before);
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
        !self.drained && self.excluded != Some(address) && (host || in_range)
    }

    /// All its addresses, whoever may have them now.
    pub fn addresses(&self) -> impl Iterator<Item = Ipv4Addr> + '_ {
        let range = (self.range.0.to_bits()..=self.range.1.to_bits()).map(Ipv4Addr::from_bits);
        range.chain(self.host.map(|(_, kept)| kept)).filter(|address| self.excluded != Some(*address))
    }

    /// Whether an address is kept for another client than that of `mac` and `key`.
    pub fn is_anothers(&self, address: Ipv4Addr, mac: Option<MacAddr>, key: &Key) -> bool {
        self.host.is_some_and(|(whose, kept)| {
            let id = || std::iter::once(1).chain(whose.0).collect();
            let is_it = if self.host_by_id { *key == Key::Id(id()) } else { mac == Some(whose) };
            kept == address && (!is_it || self.host_user.is_some())
        })
    }

    /// The range of a client by its option 82; `None` where no entry names it.
    pub fn range_of(&self, relay_info: &[u8]) -> Option<(Ipv4Addr, Ipv4Addr)> {
        let circuit = bindery_wire::v4::RelayAgentInformation::new(relay_info).circuit_id()?;
        self.circuits.iter().find(|(of, _)| *of == circuit).map(|(_, range)| *range)
    }

    /// The addresses that the client of `mac` and `key` could be given.
    pub fn addresses_for<'a>(&'a self, mac: MacAddr, key: &'a Key) -> impl Iterator<Item = Ipv4Addr> + 'a {
        let range = (self.range.0.to_bits()..=self.range.1.to_bits()).map(Ipv4Addr::from_bits);
        range.filter(move |a| self.has(*a) && !self.is_anothers(*a, Some(mac), key))
    }
}
