//! What the segments tell: addresses that others have (ARP), clients that are gone, foreign servers.

use super::{At, Auditor, EVIDENCE_SECS, Finding, KernelRoute, address, request::Request};
use crate::clock::{Instant, MS, SEC};
use bindery_engine::record::{DurableState, LeaseRecord};
use bindery_types::{IfIndex, InstanceId, Ipv4Addr, MacAddr};
use bindery_wire::v4::MessageType;
use std::collections::{BTreeMap, BTreeSet};

/// An address on an interface, by its name.
type Place = (String, Ipv4Addr);

/// Pause between two requests to a client that does not answer, seconds.
const RETRY_SECS: u64 = 10;
/// How long a client may be silent on a quiet day before its binding ends, seconds.
const SILENCE_SECS: u64 = 235;
/// An offer is held for a minute after the client's last DISCOVER.
const OFFER: Instant = 120 * SEC;

/// An ARP packet.
#[derive(Clone, Copy, Debug)]
pub struct ArpSeen {
    /// Interface.
    pub link: IfIndex,
    /// Whose address, or for whose the sender asks without having one.
    pub claimed: Ipv4Addr,
    /// The sender's hardware address.
    pub mac: MacAddr,
    /// Whether the sender has the address.
    pub has: bool,
}

/// A foreign server: where it was heard, who it says it is, its hardware address.
type Foreigner = (String, Ipv4Addr, Option<MacAddr>);

/// What is kept of the segments.
#[derive(Debug, Default)]
pub(super) struct Neighbours {
    /// The last question whether anybody has an address.
    probes: BTreeMap<Place, Instant>,
    /// Who had it, as the server heard while it waited.
    conflicts: BTreeMap<Place, BTreeSet<MacAddr>>,
    /// Requests to bound clients since they were last heard.
    asked: BTreeMap<At, Vec<Instant>>,
    /// Clients that answered none of them.
    given_up: BTreeMap<At, Instant>,
    /// When a bound client was last heard.
    heard: BTreeMap<At, Instant>,
    foreigners: BTreeSet<Foreigner>,
    told: BTreeMap<Foreigner, Instant>,
    /// Addresses whose routes a commit of `route-suppression` has changed, and that have not come so yet.
    rewritten: BTreeSet<At>,
}

impl Auditor {
    fn place(&self, link: IfIndex, address: Ipv4Addr) -> Option<(InstanceId, Place)> {
        let at = self.site.links.get(&link)?;
        Some((at.instance, (at.name.clone(), address)))
    }

    /// The server asks by ARP for an address; `sender` is its own, none in a question whether anybody has it.
    ///
    /// # Errors
    /// A broken promise.
    pub fn arp_asked(&mut self, link: IfIndex, target: Ipv4Addr, sender: Ipv4Addr) -> Result<(), Finding> {
        let Some((instance, place)) = self.place(link, target) else { return Ok(()) };
        let at = (instance, target);
        if sender.is_unspecified() {
            if self.sites().all(|site| site.probe.is_none()) {
                return Err(format!("{target} is probed for, and nobody wants that"));
            }
            self.neighbours.conflicts.remove(&place);
            self.neighbours.probes.insert(place, self.now);
            return Ok(());
        }
        if self.sites().all(|site| site.liveness.is_none()) {
            return Err(format!("the client of {target} is asked whether it lives, and nobody wants that"));
        }
        let now = self.now;
        let asked = self.neighbours.asked.entry(at).or_default();
        if asked.last().is_some_and(|last| now + MS < last + RETRY_SECS * SEC) {
            return Err(format!("the client of {target} is asked twice within {RETRY_SECS} s"));
        }
        asked.push(now);
        Ok(())
    }

    /// An ARP packet reached the server.
    pub fn arp_heard(&mut self, arp: ArpSeen) {
        let Some((instance, place)) = self.place(arp.link, arp.claimed) else { return };
        let at = (instance, arp.claimed);
        let waits = self.site.probe.map_or(0, |probe| probe.millis * MS);
        let since = self.neighbours.probes.get(&place).copied();
        if since.is_some_and(|since| self.now + MS < since + waits) {
            let heard = self.neighbours.conflicts.entry(place).or_default();
            if heard.insert(arp.mac) {
                self.foreign.insert(at, self.now);
            }
        }
        let own = self.bound().find(|lease| (lease.instance, address(lease)) == at);
        let hw = own.and_then(|lease| self.identities.get(&lease.key.session)).and_then(|identity| identity.hw.mac());
        if arp.has && hw == Some(arp.mac) {
            self.hear(at);
        }
    }

    /// The client that holds an address is there: it answered, or was answered.
    pub(super) fn hear(&mut self, at: At) {
        let now = self.now;
        if let Some(asked) = self.neighbours.asked.remove(&at)
            && self.has_given_up(&asked, 1)
        {
            // Its end may be on the way to the disk.
            self.neighbours.given_up.insert(at, now);
        }
        self.neighbours.heard.insert(at, now);
    }

    fn has_given_up(&self, asked: &[Instant], slack: u64) -> bool {
        let of = self.sites().filter_map(|site| site.liveness).filter(|liveness| liveness.clears);
        let least = of.map(|liveness| liveness.retries).min();
        let over = asked.last().is_some_and(|last| self.now + slack * SEC >= last + RETRY_SECS * SEC);
        least.is_some_and(|retries| asked.len() > retries) && over
    }

    /// Whether liveness detection may have ended a binding.
    pub(super) fn is_silent(&self, at: At) -> bool {
        self.recent(self.neighbours.given_up.get(&at))
            || self.neighbours.asked.get(&at).is_some_and(|asked| self.has_given_up(asked, 0))
    }

    /// A binding ended: nobody is asked any more.
    pub(super) fn forget_silence(&mut self, at: At) {
        self.neighbours.asked.remove(&at);
        self.neighbours.given_up.remove(&at);
    }

    /// What leaves for a newcomer, an OFFER or the answer in its place: nobody has answered for its address.
    pub(super) fn was_probed(&self, at: At, request: &Request) -> Result<(), Finding> {
        let Some(probe) = self.site.probe.filter(|_| self.sites().all(|site| site.probe.is_some())) else {
            return Ok(());
        };
        let Some((_, place)) = self.place(request.link, at.1).filter(|_| request.giaddr.is_unspecified()) else {
            return Ok(());
        };
        let lately = self.requests.iter().filter(|r| r.key == request.key && self.now < r.first + OFFER);
        // It may have been offered it in another place, or by a life of the server before this one.
        let took = |r: &Request| r.message == MessageType::Request && r.address() == Some(at.1);
        let known = |r: &Request| r.link != request.link || !r.giaddr.is_unspecified() || took(r);
        let elsewhere = lately.into_iter().any(known);
        // The last address of its own is not asked for, or may not be.
        let own =
            |(lease, key): &(LeaseRecord, super::Key)| *key == request.key && (lease.instance, address(lease)) == at;
        if elsewhere || self.known.values().any(own) {
            return Ok(());
        }
        let Some(since) = self.neighbours.probes.get(&place) else {
            return Err("nobody was asked whether he has it".into());
        };
        if self.now + MS < since + probe.millis * MS {
            return Err("the answers were not waited for".into());
        }
        let heard = self.neighbours.conflicts.get(&place).into_iter().flatten();
        match heard.into_iter().find(|mac| Some(**mac) != request.hw.mac()) {
            Some(mac) => Err(format!("{mac} has answered for it")),
            None => Ok(()),
        }
    }

    /// On a quiet day, which began at `since`: whoever was not heard since has no binding any more.
    ///
    /// # Errors
    /// A broken promise.
    pub fn nobody_is_silent(&self, since: Instant) -> Result<(), Finding> {
        let clears = self.site.liveness.is_some_and(|liveness| liveness.clears);
        if !clears || self.now < since + SILENCE_SECS * SEC || self.sites().any(|site| site.liveness.is_none()) {
            return Ok(());
        }
        let silent = |lease: &&LeaseRecord| {
            let identity = self.identities.get(&lease.key.session);
            let here = identity.is_some_and(|i| self.site.index_of(&i.interface).is_some() && i.hw.mac().is_some());
            let at = (lease.instance, address(lease));
            let heard = self.neighbours.heard.get(&at).is_some_and(|heard| *heard + 5 * SEC > since);
            here && lease.giaddr.is_unspecified() && !heard
        };
        match self.bound().find(silent) {
            Some(lease) => Err(format!("the client of {} was not heard, and is bound", address(lease))),
            None => Ok(()),
        }
    }

    /// A message of a foreign server reached us, or of a client that names one.
    pub fn foreigner_heard(&mut self, link: IfIndex, server: Ipv4Addr, mac: Option<MacAddr>) {
        let Some(at) = self.site.links.get(&link) else { return };
        if !self.is_own_in(at.instance, server) && Some(server) != self.site.set_server_id {
            self.neighbours.foreigners.insert((at.name.clone(), server, mac));
        }
    }

    /// The server tells of a foreign one.
    ///
    /// # Errors
    /// A broken promise.
    pub fn foreigner_told(&mut self, link: IfIndex, server: Ipv4Addr, mac: Option<MacAddr>) -> Result<(), Finding> {
        let Some(at) = self.site.links.get(&link) else { return Ok(()) };
        let own =
            self.sites().all(|site| site.links.get(&link).is_some_and(|l| l.addresses.iter().any(|a| a.0 == server)));
        let who = (at.name.clone(), server, mac);
        if own {
            return Err(format!("{who:?} is one of us and told to be foreign"));
        }
        if who.2.is_some() && !self.neighbours.foreigners.contains(&who) {
            return Err(format!("the foreign server {who:?} was never heard"));
        }
        match self.neighbours.told.insert(who.clone(), self.now) {
            Some(told) if self.now + EVIDENCE_SECS * SEC < told + 3_600 * SEC => {
                Err(format!("the foreign server {who:?} is told twice within the hour"))
            }
            _ => Ok(()),
        }
    }

    /// Whoever was heard was told.
    ///
    /// # Errors
    /// A broken promise.
    pub fn foreigners_are_told(&self) -> Result<(), Finding> {
        match self.neighbours.foreigners.iter().find(|who| !self.neighbours.told.contains_key(who)) {
            Some(who) => Err(format!("nothing was said of the foreign server {who:?}")),
            None => Ok(()),
        }
    }

    /// A commit takes effect: routes come back that were suppressed, and are awaited as after a flush.
    pub(super) fn note_suppression(&mut self, former: &super::Site) {
        let of = |site: &super::Site| (site.no_routes, site.no_neighbours);
        if of(former) != of(&self.site) {
            let bound: Vec<At> = self.bound().map(|lease| (lease.instance, address(lease))).collect();
            self.neighbours.rewritten.extend(bound.iter().copied());
            self.disturbed.extend(bound.into_iter().map(|at| (at, None)));
        }
    }

    /// A route of ours was put into the kernel. One that was ordered before a commit of `route-suppression` may come after
    /// it, and differs by the neighbour entry alone: what the commit wants is on its way behind it.
    pub fn route_came(&mut self, at: At, route: KernelRoute) {
        let holder = self.bound().find(|lease| (lease.instance, address(lease)) == at);
        let wanted = holder.and_then(|lease| self.route_for(lease));
        let is_older = |wanted: KernelRoute| {
            wanted.neighbour != route.neighbour && KernelRoute { neighbour: route.neighbour, ..wanted } == route
        };
        if !(self.neighbours.rewritten.contains(&at) && wanted.is_some_and(is_older)) {
            self.neighbours.rewritten.remove(&at);
            self.route_set(at);
        }
    }

    /// The server sets the route to a client.
    ///
    /// # Errors
    /// A broken promise.
    pub fn route_ordered(&self, at: At, neighbour: bool) -> Result<(), Finding> {
        if self.site.no_routes {
            return Err(format!("a route to {} is set, and routes are suppressed", at.1));
        }
        if self.site.no_neighbours && neighbour {
            return Err(format!("a neighbour entry of {} is set, and those are suppressed", at.1));
        }
        Ok(())
    }

    /// Nobody is bound to an address that is excluded: whoever was is logged out.
    ///
    /// # Errors
    /// A broken promise.
    pub fn nobody_is_excluded(&self) -> Result<(), Finding> {
        let excluded = |at: At| {
            let mine = |pool: &&super::SitePool| pool.instance == at.0;
            self.site.pools.iter().filter(mine).any(|pool| pool.excluded == Some(at.1)) && !self.site.has(at.0, at.1)
        };
        match self.bound().find(|lease| excluded((lease.instance, address(lease)))) {
            Some(lease) => Err(format!("{} is excluded, and bound", address(lease))),
            None => Ok(()),
        }
    }

    /// The server's memory is gone.
    pub(super) fn forget_neighbours(&mut self) {
        self.neighbours = Neighbours::default();
    }

    /// Whether a record is a binding that ended.
    pub(super) const fn has_ended(lease: &LeaseRecord) -> bool {
        !matches!(lease.state, DurableState::Bound)
    }
}
