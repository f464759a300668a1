//! Rules about newcomers: lockouts, delays, rates, ranges by option 82, lines, hosts by user.

use super::{At, Auditor, Finding, Key, SiteLine, SitePool, access::Stored, address, request::Request};
use crate::clock::{Instant, MS, SEC};
use bindery_engine::record::{BindingKey, DurableState, IdentityRecord, LeaseRecord};
use bindery_types::{HwAddr, IfIndex, InstanceId, Ipv4Addr};
use bindery_wire::v4::{MessageType, RelayAgentInformation};
use std::collections::BTreeMap;

/// A session that ended sooner was a short cycle, seconds.
const SHORT_SECS: u64 = 150;

/// A client as lockouts know it: interface, who, circuit.
type Locked = (String, Key, Vec<u8>);
/// A client as rates know it.
type Rated = (IfIndex, Ipv4Addr, HwAddr);

/// What is kept of newcomers.
#[derive(Debug, Default)]
pub(super) struct Newcomers {
    /// Batches that were written and acknowledged, and those of which the server was told.
    batches: (u64, u64),
    /// Cycles of which the server has not heard yet, and in which batch they were.
    cycles: Vec<(u64, Locked)>,
    /// From when on, and until when, a client is locked out for certain.
    locked: BTreeMap<Locked, (Instant, Instant)>,
    /// When the requests came that were answered.
    answered: BTreeMap<Rated, Vec<Instant>>,
    /// DISCOVERs, and REQUESTs that take an offer, by line: when, and whose.
    on_line: Vec<(Instant, InstanceId, Line)>,
    /// When a client asked from a line that has another range, or none.
    out_of_range: BTreeMap<(InstanceId, Key), Instant>,
    /// Bindings that began or ended since the server started, by acknowledged writes.
    pub(super) facts: Vec<(BindingKey, DurableState)>,
}

/// A subscriber's line, and who came in over it.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Line {
    link: String,
    direct: bool,
    vendor_class: Vec<u8>,
    circuit: (Vec<u8>, Vec<u8>),
    key: Key,
}

impl Line {
    /// Whether two are one line.
    fn is(&self, other: &Self, rule: SiteLine) -> bool {
        match rule {
            SiteLine::Interface => self.direct && other.direct && self.link == other.link,
            SiteLine::Circuit => {
                let known = !self.vendor_class.is_empty() && self.circuit != (Vec::new(), Vec::new());
                let here = (self.direct == other.direct) && (!self.direct || self.link == other.link);
                known && here && (&self.vendor_class, &self.circuit) == (&other.vendor_class, &other.circuit)
            }
        }
    }
}

fn circuit_of(relay_info: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let info = RelayAgentInformation::new(relay_info);
    let bytes = |id: Option<&[u8]>| id.unwrap_or_default().to_vec();
    (bytes(info.circuit_id()), bytes(info.remote_id()))
}

impl Auditor {
    /// A batch was acknowledged.
    pub(super) fn note_batch(&mut self) {
        self.newcomers.batches.0 += 1;
    }

    /// The server is told of the next batch: lockouts begin.
    pub fn batch_told(&mut self) {
        self.newcomers.batches.1 += 1;
        let (now, told) = (self.now, self.newcomers.batches.1);
        let Some(secs) = self.site.lockout_secs else {
            self.newcomers.cycles.clear();
            return;
        };
        let cycles = std::mem::take(&mut self.newcomers.cycles);
        let (over, rest): (Vec<_>, Vec<_>) = cycles.into_iter().partition(|(batch, _)| *batch <= told);
        self.newcomers.cycles = rest;
        for (_, who) in over {
            self.newcomers.locked.insert(who, (now, now + u64::from(secs) * SEC));
        }
    }

    /// A binding became another thing, by an acknowledged write.
    pub(super) fn note_change(&mut self, before: Option<&LeaseRecord>, lease: &LeaseRecord, key: &Key) {
        let was = before.is_some_and(|before| before.state == DurableState::Bound);
        let is = lease.state == DurableState::Bound;
        if was != is && (was || before.is_none_or(|before| before.state != lease.state)) {
            self.newcomers.facts.push((lease.key, lease.state));
        }
        let Some(before) = before.filter(|_| was && !is) else { return };
        let short = before.start.secs_until(lease.changed) + 5 < SHORT_SECS;
        let cycle = match lease.state {
            DurableState::Released | DurableState::Expired => short,
            DurableState::Declined => true,
            _ => false,
        };
        let identity = self.identities.get(&lease.key.session).filter(|_| cycle);
        if let Some(identity) = identity
            && self.site.lockout_secs.is_some()
        {
            let who = (identity.interface.to_string(), key.clone(), circuit_of(&identity.relay_info).0);
            self.newcomers.cycles.push((self.newcomers.batches.0, who));
        }
    }

    /// The configuration changed, or an interface.
    pub(super) fn forget_lockouts(&mut self) {
        self.newcomers.locked.clear();
        self.newcomers.cycles.clear();
    }

    /// The server starts.
    pub(super) fn forget_newcomers(&mut self) {
        self.newcomers = Newcomers::default();
    }

    /// A DISCOVER came: what it proves.
    pub(super) fn note_discover(&mut self, request: &Request) {
        self.note_on_line(request);
        if self.site.strict_circuits {
            self.newcomers.out_of_range.insert((request.instance, request.key.clone()), self.now);
        }
    }

    /// A DISCOVER came, or a REQUEST that takes an offer: the server may have made that in its last life.
    pub(super) fn note_on_line(&mut self, request: &Request) {
        let Some(link) = self.site.links.get(&request.link) else { return };
        let line = Line {
            link: link.name.clone(),
            direct: request.giaddr.is_unspecified(),
            vendor_class: request.vendor_class.clone(),
            circuit: circuit_of(request.relay_info.as_deref().unwrap_or_default()),
            key: request.key.clone(),
        };
        let (now, instance) = (self.now, request.instance);
        self.newcomers.on_line.retain(|(since, ..)| now < since + super::EVIDENCE_SECS * SEC);
        self.newcomers.on_line.push((now, instance, line));
    }

    fn line_of(lease: &LeaseRecord, identity: &IdentityRecord) -> Line {
        Line {
            link: identity.interface.to_string(),
            direct: lease.giaddr.is_unspecified(),
            vendor_class: identity.vendor_class.to_vec(),
            circuit: circuit_of(&identity.relay_info),
            key: Key::of_identity(identity),
        }
    }

    /// Whether a newcomer on its line may have ended a binding, or its client from another line.
    pub(super) fn was_displaced(&self, lease: &LeaseRecord, key: &Key) -> bool {
        let strict = self.sites().any(|site| site.strict_circuits);
        if strict && self.recent(self.newcomers.out_of_range.get(&(lease.instance, key.clone()))) {
            return true;
        }
        let Some(identity) = self.identities.get(&lease.key.session) else { return false };
        let own = Self::line_of(lease, identity);
        let other = |rule: SiteLine| {
            let mut seen = self.newcomers.on_line.iter().filter(|(_, instance, _)| *instance == lease.instance);
            // Its client itself, too: from another network of the same line.
            seen.any(|(_, _, line)| line.is(&own, rule))
        };
        self.sites().filter_map(|site| site.discover_match).any(other)
    }

    /// `client-discover-match`: who has just taken an offer is alone on its line.
    pub(super) fn is_alone(&self, lease: &LeaseRecord, request: &Request) -> Result<(), Finding> {
        let Some(rule) = self.site.discover_match else { return Ok(()) };
        let Some(identity) = self.identities.get(&lease.key.session) else { return Ok(()) };
        // One that came before did not ask as a newcomer.
        let at = (lease.instance, address(lease));
        let offered = self.holds.get(&at).is_some_and(|hold| hold.key == request.key);
        let fresh = lease.start.secs_until(lease.cltt) <= 1 && request.server.is_some() && offered;
        if !fresh || self.sites().any(|site| site.discover_match != Some(rule)) {
            return Ok(());
        }
        let own = Self::line_of(lease, identity);
        let other = self.known.values().find(|(other, key)| {
            let identity = self.identities.get(&other.key.session);
            let same = || identity.is_some_and(|identity| Self::line_of(other, identity).is(&own, rule));
            let before = other.start.plus_secs(90).0 < lease.start.0 && other.cltt.plus_secs(90).0 < lease.start.0;
            *key != request.key
                && (other.state, other.instance) == (DurableState::Bound, lease.instance)
                && before
                && same()
        });
        match other {
            Some((other, key)) => Err(format!("{key:?} is still bound to {} on the same line", address(other))),
            None => Ok(()),
        }
    }

    /// What leaves for a newcomer, an OFFER or the answer in its place, to any of `requests`.
    pub(super) fn newcomer_is_fair(&self, at: At, request: &Request, requests: &[Request]) -> Result<(), Finding> {
        let who = format!("{} to {:?}", at.1, request.key);
        let asked: Vec<&Request> =
            requests.iter().filter(|r| r.message == MessageType::Discover && r.key == request.key).collect();
        if asked.iter().all(|r| self.is_locked_out(r)) && !asked.is_empty() {
            return Err(format!("{who}, which is locked out"));
        }
        let delay = self.sites().map(|site| u64::from(site.delay_secs)).min().unwrap_or(0);
        // A further one goes on with the wait of the first.
        let early = |r: &Request| self.now + MS < r.first + delay * SEC;
        let mut all = self.requests.iter().filter(|r| r.message == MessageType::Discover && r.key == request.key);
        if !request.bootp && !asked.is_empty() && all.all(early) {
            return Err(format!("{who}: it is not held back for {delay} s"));
        }
        if self.is_bound(at.0, at.1, &request.key) {
            return Ok(());
        }
        let owner = |site: &super::Site| {
            let owner = site.pools.iter().find(|pool| pool.instance == at.0 && pool.has(at.1));
            owner.is_some_and(|pool| pool.hold_down)
        };
        if self.sites().all(owner) {
            return Err(format!("{who}: its pool takes nobody new"));
        }
        self.is_in_range(at, request).map_err(|why| format!("{who}: {why}"))?;
        let kept = |site: &super::Site| host_user(site, at);
        let names: Vec<_> = self.sites().map(kept).collect();
        if let [Some(name), rest @ ..] = &names[..]
            && rest.iter().all(|other| other.as_ref() == Some(name))
            && !self.is_called(at.0, &request.key, name)
        {
            return Err(format!("{who}: it is kept for {name}"));
        }
        self.was_probed(at, request).map_err(|why| format!("{who}: {why}"))
    }

    /// `option-82-strict`: the address is of the range that the client's circuit names.
    fn is_in_range(&self, at: At, request: &Request) -> Result<(), Finding> {
        let strict = self.sites().all(|site| site.strict_circuits) && at.0 == InstanceId(0);
        let reserved = self.sites().any(|site| site.pools.iter().any(|pool| pool.host.is_some_and(|h| h.1 == at.1)));
        if !strict || reserved || self.is_steered(at.0, &request.key) {
            return Ok(());
        }
        let info = request.relay_info.as_deref().unwrap_or_default();
        let inside = |site: &super::Site| {
            let pool = site.pool_at(request.link, request.selector()).and_then(|pool| site.pools.get(pool));
            pool.and_then(|pool| pool.range_of(info)).is_some_and(|(low, high)| low <= at.1 && at.1 <= high)
        };
        if self.sites().any(inside) { Ok(()) } else { Err("its option 82 names another range, or none".into()) }
    }

    /// Whether the request came while its client was locked out for certain.
    fn is_locked_out(&self, request: &Request) -> bool {
        let Some(link) = self.site.links.get(&request.link) else { return false };
        let circuit = circuit_of(request.relay_info.as_deref().unwrap_or_default()).0;
        let who = (link.name.clone(), request.key.clone(), circuit);
        let delay = if request.bootp { 0 } else { self.delay() };
        let span = self.newcomers.locked.get(&who).filter(|_| self.site.lockout_secs.is_some());
        span.is_some_and(|(from, until)| *from < request.first && request.first + delay + 10 * MS < *until)
    }

    /// `per-client`: no more requests of a client are answered than its bucket has room for. `requests` are those that
    /// the reply may answer.
    pub(super) fn rate_is_kept(&mut self, request: &Request, requests: &[Request]) -> Result<(), Finding> {
        let Some((per_sec, burst)) = self.site.per_client.filter(|_| request.instance == InstanceId(0)) else {
            return Ok(());
        };
        if requests.len() != 1 || self.sites().any(|site| site.per_client != self.site.per_client) {
            return Ok(());
        }
        let (now, first) = (self.now, request.first);
        let answered = self.newcomers.answered.entry((request.link, request.giaddr, request.hw)).or_default();
        answered.retain(|at| now < at + 200 * SEC);
        answered.push(first);
        answered.sort_unstable();
        let most = |from: &Instant, to: &Instant| burst + 1 + (to - from) * per_sec / SEC;
        for (n, from) in answered.iter().enumerate() {
            for (m, to) in answered.iter().enumerate().skip(n) {
                if (m - n + 1) as u64 > most(from, to) {
                    return Err(format!("{} requests of {:?} are answered at once", m - n + 1, request.hw));
                }
            }
        }
        Ok(())
    }

    /// A binding begins: an address that is kept for a user is that user's.
    pub(super) fn user_is_right(&self, at: At, stored: &Stored) -> Result<(), Finding> {
        let names: Vec<_> = self.sites().map(|site| host_user(site, at)).collect();
        match &names[..] {
            [Some(name), rest @ ..] if rest.iter().all(|other| other.as_ref() == Some(name)) => {
                if stored.username == *name { Ok(()) } else { Err(format!("it is kept for {name}: {stored:?}")) }
            }
            _ => Ok(()),
        }
    }
}

/// The user whom an address is kept for, where no other pool has it too.
fn host_user(site: &super::Site, at: At) -> Option<String> {
    let mut owners = site.pools.iter().filter(|pool: &&SitePool| pool.instance == at.0 && pool.has(at.1));
    let owner = owners.next().filter(|pool| pool.host.is_some_and(|(_, kept)| kept == at.1))?;
    owner.host_user.clone().filter(|_| owners.next().is_none())
}
