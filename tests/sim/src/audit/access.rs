//! Newcomers and their authority: who may be served, what was granted and is kept, and what is told of sessions.
//!
//! A permit is what an Accepted answer gives its client: it begins when the server hears of it, and goes on as long
//! as the client can be in the middle of taking its lease. A binding needs one to begin, and none to go on.

use super::{At, Auditor, EVIDENCE_SECS, Finding, Key, Site, address, request::Request, v4};
use crate::clock::{Instant, SEC};
use bindery_engine::record::{DurableState, IdentityRecord, LeaseRecord};
use bindery_types::{HwAddr, IfIndex, InstanceId, Ipv4Addr, LeaseTime, SessionId};
use bindery_wire::v4::{MessageType, OptionCode, Packet, ParseRules};
use std::collections::{BTreeMap, BTreeSet};

/// Bits of `flags` in a record.
const MOVED: u16 = 1 << 3;
const STEERED: u16 = 1 << 5;

/// How long an answer may take, seconds: the engine gives up after 64 and looks when it is woken.
const PATIENCE_SECS: u64 = 80;
/// How long a client is held for after it was allowed or asked again, seconds.
const PERMIT_SECS: u64 = 75;
/// How long a first write may take, seconds.
const WRITE_SECS: u64 = 60;
/// How far the auditor's idea of the lease clock may be off, seconds.
pub(super) const CLOCK_SLACK_SECS: u64 = 15;
/// A reply that was parked may leave while its session's end is on the way back from the disk.
const PARKED: Instant = 10 * SEC;

/// What an authority granted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Granted {
    /// Pool.
    pub pool: Option<String>,
    /// Address.
    pub address: Option<Ipv4Addr>,
    /// Longest lease, seconds.
    pub lease_secs: Option<u32>,
    /// Session-Timeout, seconds.
    pub session_secs: Option<u32>,
    /// User-Name.
    pub username: String,
    /// Class, each.
    pub classes: Vec<Vec<u8>>,
    /// Acct-Interim-Interval, seconds.
    pub interim_secs: Option<u32>,
}

/// A Change-of-Authorization.
#[derive(Clone, Debug)]
pub struct Changed {
    /// Whose: as for a Disconnect.
    pub whose: super::Cleared,
    /// Session-Timeout, seconds.
    pub session_secs: Option<u32>,
    /// Pool to move to.
    pub pool: Option<String>,
    /// Address to move to.
    pub address: Option<Ipv4Addr>,
}

/// What a session is told to have gone through.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Told {
    /// It began.
    Began,
    /// Its lease, or what is granted to it, was renewed.
    WentOn,
    /// It ended so.
    Ended(DurableState),
}

/// What is told of a session, for accounting.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct News {
    /// What happened.
    pub told: Told,
    /// Session.
    pub session: SessionId,
    /// When it began.
    pub start: LeaseTime,
    /// Its address.
    pub address: Ipv4Addr,
    /// Xid of its last exchange.
    pub xid: u32,
    /// The session that it goes on from.
    pub multi_session: SessionId,
    /// User-Name.
    pub username: String,
}

/// What is stored of a grant; the layout is that of the session database.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Stored {
    pub(super) username: String,
    classes: Vec<Vec<u8>>,
    pub(super) follows: Option<SessionId>,
    ends: Option<LeaseTime>,
    interim_secs: Option<u32>,
    lease_secs: Option<u32>,
    next_pool: Option<String>,
    next_address: Option<Ipv4Addr>,
}

impl Stored {
    /// Parts behind one another: a tag, a length of two bytes, low byte first, and the value.
    pub(super) fn read(mut bytes: &[u8]) -> Self {
        let mut stored = Self::default();
        while let [tag, low, high, rest @ ..] = bytes {
            let Some((value, rest)) = rest.split_at_checked(usize::from(u16::from_le_bytes([*low, *high]))) else {
                break;
            };
            bytes = rest;
            let text = || String::from_utf8_lossy(value).into_owned();
            let short = || value.try_into().ok().map(u32::from_le_bytes);
            let long = || value.try_into().ok().map(u64::from_le_bytes);
            match tag {
                1 => stored.username = text(),
                2 => stored.classes.push(value.to_vec()),
                3 => stored.follows = long().map(SessionId),
                4 => stored.ends = long().map(LeaseTime),
                5 => stored.interim_secs = short(),
                6 => stored.lease_secs = short(),
                7 => stored.next_pool = Some(text()),
                8 => stored.next_address = <[u8; 4]>::try_from(value).ok().map(Ipv4Addr::from),
                // Routes.
                _ => {}
            }
        }
        stored
    }

    /// Whether the service was over at a time of the lease clock.
    pub(super) fn is_over(&self, at: LeaseTime) -> bool {
        self.ends.is_some_and(|ends| ends <= at)
    }

    /// The session that one with this grant goes on from, for accounting.
    pub(super) fn first(&self, session: SessionId) -> SessionId {
        self.follows.unwrap_or(session)
    }
}

/// A question that reached the authority.
#[derive(Clone, Debug)]
struct Question {
    since: Instant,
    about: Asker,
    /// The request but for xid and secs.
    request: Vec<u8>,
}

/// Who asks, and from where.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Asker {
    instance: InstanceId,
    key: Key,
    hw: HwAddr,
    relay_info: Option<Vec<u8>>,
    link: IfIndex,
    /// The network of its place then.
    scope: Option<Ipv4Addr>,
}

impl Asker {
    fn is(&self, request: &Request) -> bool {
        self.key == request.key
            && self.hw == request.hw
            && self.relay_info == request.relay_info
            && self.link == request.link
    }
}

/// A binding that ended because its client was moved.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Former {
    session: SessionId,
    start: LeaseTime,
    /// Its client: with another hardware address it is not known again.
    hw: HwAddr,
    /// Sessions that were bound since, and of which something is left.
    followed_by: BTreeSet<SessionId>,
    first: SessionId,
    pool: Option<String>,
    address: Option<Ipv4Addr>,
}

/// Somebody may be served.
#[derive(Clone, Debug)]
struct Permit {
    since: Instant,
    until: Instant,
    /// Who; `None` where nobody has to be asked.
    whose: Option<Asker>,
    granted: Granted,
    /// What it was moved away from then.
    former: Option<Former>,
}

impl Permit {
    /// Pool and address that were chosen. What a Change-of-Authorization wished goes before the grant.
    fn choice(&self) -> (Option<&str>, Option<Ipv4Addr>) {
        match &self.former {
            Some(former) if former.pool.is_some() || former.address.is_some() => {
                (former.pool.as_deref(), former.address)
            }
            _ => (self.granted.pool.as_deref(), self.granted.address),
        }
    }
}

/// What the auditor keeps of authorities and of what is told.
#[derive(Debug, Default)]
pub(super) struct Access {
    questions: BTreeMap<u64, Question>,
    permits: BTreeMap<(InstanceId, Key), Vec<Permit>>,
    changes: Vec<(Changed, Instant)>,
    /// What is stored of each session.
    stored: BTreeMap<SessionId, Stored>,
    /// The same by acknowledged writes.
    sure: BTreeMap<SessionId, Stored>,
    moved: BTreeMap<(InstanceId, Key), Former>,
    /// All of them, of which any may be the last at its place, where clients are told apart by that.
    apart: BTreeMap<(InstanceId, Key), Vec<Former>>,
    /// Whether clients were ever told apart.
    tells_apart: bool,
    /// When a session's binding began.
    began: BTreeMap<SessionId, Instant>,
    /// When a client's binding of an address ended.
    ended: BTreeMap<(At, Key), Instant>,
    store_down: Option<Instant>,
    /// The lease clock as this life of the server wrote it, and when.
    clock: Option<(Instant, u64)>,
    /// Whether all is accounted since the server started.
    accounts: Option<bool>,
    /// Sessions that began and have not ended, by what is told.
    open: BTreeMap<SessionId, LeaseTime>,
    /// What is to be told: of a session and its start; whether it is its end.
    owed: BTreeSet<(SessionId, LeaseTime, bool)>,
    /// What was ever on disk.
    facts: BTreeSet<(SessionId, LeaseTime, DurableState, u32)>,
    /// Leases may be short: somebody was ever asked.
    ever: bool,
}

impl Auditor {
    /// The server asks about a client.
    ///
    /// # Errors
    /// A broken promise.
    pub fn question(&mut self, tag: u64, link: IfIndex, bytes: &[u8]) -> Result<(), Finding> {
        self.questions += 1;
        self.access.ever = true;
        let parsed = Packet::parse(bytes, ParseRules { allow_no_end_option: true });
        let Ok(packet) = parsed.or_else(|_| Packet::parse_without_options(bytes)) else {
            return Err("a question about odd bytes".into());
        };
        let client_id = packet.option(OptionCode::CLIENT_IDENTIFIER).map(|v| v.into_owned());
        let relay_info = packet.option(OptionCode::RELAY_AGENT_INFORMATION).map(|v| v.into_owned());
        let selector = super::request::selector_of(packet.giaddr(), relay_info.as_deref());
        let pool = self.site.pool_at(link, selector).and_then(|at| self.site.pools.get(at));
        let about = Asker {
            instance: self.site.links.get(&link).map_or(InstanceId(0), |l| l.instance),
            key: Key::new(client_id.as_deref().unwrap_or(&[]), packet.hw_addr()),
            hw: packet.hw_addr(),
            relay_info,
            link,
            scope: pool.map(|pool| pool.network.address()),
        };
        self.newcomer_asks(&packet, &about)?;
        let mut request = bytes.to_vec();
        request.iter_mut().skip(4).take(6).for_each(|byte| *byte = 0);
        let twice = |q: &&Question| q.about == about && q.request == request && self.now < q.since + 60 * SEC;
        if self.access.questions.values().any(|q| twice(&q)) {
            return Err(format!("{:?} is asked about twice at once", about.key));
        }
        if self.access.questions.insert(tag, Question { since: self.now, about, request }).is_some() {
            return Err(format!("question {tag} twice"));
        }
        Ok(())
    }

    /// A client with a live binding here is nobody's question.
    fn newcomer_asks(&self, packet: &Packet<'_>, about: &Asker) -> Result<(), Finding> {
        let requested = packet.address_option(OptionCode::REQUESTED_IP_ADDRESS);
        let selecting = requested.is_some() && packet.has(OptionCode::SERVER_IDENTIFIER);
        let asked = requested.or((!packet.ciaddr().is_unspecified()).then_some(packet.ciaddr()));
        if packet.message_type() == Some(MessageType::Request) && !selecting {
            return match asked {
                Some(address) if self.is_bound(about.instance, address, &about.key) => {
                    Err(format!("{:?} renews {address}, and an authority is asked", about.key))
                }
                _ => Ok(()),
            };
        }
        let Some(link) = self.site.links.get(&about.link) else { return Ok(()) };
        if self.site.tells_apart {
            return Ok(());
        }
        let here = |lease: &LeaseRecord| {
            let identity = self.identities.get(&lease.key.session);
            let same = identity.is_some_and(|i| i.hw == about.hw && *i.interface == *link.name);
            Some(v4(lease.scope)) == about.scope || (lease.flags & STEERED != 0 && same)
        };
        let bound = self.known.values().find(|(lease, key)| {
            lease.state == DurableState::Bound && lease.instance == about.instance && *key == about.key && here(lease)
        });
        match bound {
            Some((lease, key)) => Err(format!("{key:?} holds {}, and an authority is asked", address(lease))),
            None => Ok(()),
        }
    }

    /// The server hears an answer; `granted`: the authority accepts.
    pub fn answered(&mut self, tag: u64, granted: Option<Granted>) {
        let Some(question) = self.access.questions.remove(&tag) else { return };
        let (Some(granted), true) = (granted, self.now <= question.since + PATIENCE_SECS * SEC) else { return };
        let whose = question.about;
        let packet = Packet::parse(&question.request, ParseRules { allow_no_end_option: true });
        if packet.is_ok_and(|packet| packet.message_type() == Some(MessageType::Request)) {
            // It waited, and is heard now.
            self.note_heard(whose.instance, whose.key.clone());
        }
        let of = (whose.instance, whose.key.clone());
        let unused = |former: &&Former| former.hw == whose.hw && former.followed_by.is_empty();
        let former = self.access.moved.get(&of).filter(unused).cloned();
        let mut formers = vec![former];
        if self.access.tells_apart {
            // The one that it went on from elsewhere is another client's.
            let others = self.access.apart.get(&of).into_iter().flatten().filter(|other| other.hw == whose.hw);
            formers.extend(others.cloned().map(Some).chain([None]));
        }
        let (since, until) = (self.now, self.now + PERMIT_SECS * SEC);
        let permits = formers.into_iter().map(|former| {
            let (whose, granted) = (Some(whose.clone()), granted.clone());
            Permit { since, until, whose, granted, former }
        });
        self.access.permits.entry(of).or_default().extend(permits);
    }

    /// A request came: where nobody is asked everybody is served, and an offer that there is is held on.
    pub(super) fn note_newcomer(&mut self, request: &Request) {
        let (now, until) = (self.now, self.now + PERMIT_SECS * SEC);
        let asks = matches!(request.message, MessageType::Discover | MessageType::Request);
        let of = (request.instance, request.key.clone());
        if !asks {
            return;
        }
        let permits = self.access.permits.entry(of).or_default();
        let held = self.access.store_down.is_some();
        permits.retain(|permit| held || now < permit.until + WRITE_SECS * SEC);
        if request.message == MessageType::Discover {
            permits.iter_mut().filter(|permit| now < permit.until).for_each(|permit| permit.until = until);
        }
        if !self.site.authenticates {
            permits.retain(|permit| permit.whose.is_some());
            permits.push(Permit { since: now, until, whose: None, granted: Granted::default(), former: None });
        }
        if permits.is_empty() {
            self.access.permits.remove(&(request.instance, request.key.clone()));
        }
    }

    /// The server hears that its store is closed, or open again: offers do not lapse between.
    pub fn store_told(&mut self, down: bool) {
        let now = self.now;
        if down {
            self.access.store_down.get_or_insert(now);
        } else if let Some(since) = self.access.store_down.take() {
            let held = self.access.permits.values_mut().flatten().filter(|permit| permit.until > since);
            held.for_each(|permit| permit.until = permit.until.max(now + 12 * SEC));
        }
    }

    /// A Change-of-Authorization reached the server.
    pub fn change(&mut self, changed: Changed) {
        let now = self.now;
        self.access.ever = true;
        self.access.changes.retain(|(_, since)| now < since + EVIDENCE_SECS * SEC);
        self.access.changes.push((changed, now));
    }

    /// Whether the client's choices name the address.
    fn conforms(&self, permit: &Permit, at: At) -> bool {
        let (pool, chosen) = permit.choice();
        let in_pool = |site: &Site, name: &str| {
            let named = site.pools.iter().position(|p| p.name == name && p.instance == at.0);
            named.is_some_and(|pool| site.chain(pool).any(|p| p.has(at.1)))
        };
        chosen.is_none_or(|chosen| chosen == at.1)
            && pool.is_none_or(|name| self.sites().any(|site| in_pool(site, name)))
    }

    fn permits(&self, instance: InstanceId, key: &Key) -> impl Iterator<Item = &Permit> {
        self.access.permits.get(&(instance, key.clone())).into_iter().flatten()
    }

    /// Whether the client was given an address, or its pool, by name.
    pub(super) fn is_steered(&self, instance: InstanceId, key: &Key) -> bool {
        self.permits(instance, key).any(|permit| permit.choice() != (None, None))
    }

    /// Whether an authority has called the client so, lately.
    pub(super) fn is_called(&self, instance: InstanceId, key: &Key, name: &str) -> bool {
        self.permits(instance, key).any(|permit| permit.granted.username == name)
    }

    /// Whether the client was given this very address.
    pub(super) fn is_granted(&self, at: At, key: &Key) -> bool {
        self.permits(at.0, key).any(|permit| permit.choice().1 == Some(at.1))
    }

    /// An OFFER leaves that may answer any of `requests`: somebody must have allowed it.
    pub(super) fn offer_is_allowed(&self, at: At, key: &Key, requests: &[Request]) -> Result<(), Finding> {
        let lately = self.access.ended.get(&(at, key.clone())).is_some_and(|ended| self.now < ended + PARKED);
        if lately || self.is_bound(at.0, at.1, key) {
            return Ok(());
        }
        let live: Vec<&Permit> = self.permits(at.0, key).filter(|permit| self.now < permit.until).collect();
        if live.is_empty() {
            return Err(format!("{key:?} is offered {}, and no authority has said yes", at.1));
        }
        let about = |permit: &&&Permit| {
            // It came when the client had its offer, or was taken up again then.
            let later = |own: &&Permit| own.since > permit.since;
            let asked = |r: &Request| {
                let is_own = |permit: &Permit| permit.whose.as_ref().is_none_or(|whose| whose.is(r));
                is_own(permit)
                    || r.first + self.delay() >= permit.since
                    || live.iter().any(|own| is_own(own) && later(own))
            };
            requests.iter().filter(|r| r.key == *key).any(asked)
        };
        let about: Vec<&&Permit> = live.iter().filter(about).collect();
        if about.is_empty() {
            return Err(format!("{key:?} is offered {} by a yes to another line", at.1));
        }
        match about.iter().any(|permit| self.conforms(permit, at)) {
            true => Ok(()),
            false => Err(format!("{key:?} is offered {}, granted was {:?}", at.1, about[0].choice())),
        }
    }

    /// A live binding reaches the disk: it began by a permit, goes on with what was granted, and ends no later.
    pub(super) fn grant_is_kept(
        &mut self,
        before: Option<&LeaseRecord>,
        lease: &LeaseRecord,
        key: &Key,
        acknowledged: bool,
    ) -> Result<(), Finding> {
        let session = lease.key.session;
        let Some(identity) = self.identities.get(&session) else { return Ok(()) };
        let stored = Stored::read(&identity.subscriber);
        let live = before.filter(|b| b.state == DurableState::Bound && b.start == lease.start);
        match (live, self.access.stored.get(&session)) {
            // A write that failed and is there nevertheless is taken back.
            (Some(_), Some(had)) if *had != stored && self.access.sure.get(&session) != Some(&stored) => {
                self.change_is_fair(lease, had, &stored, identity, key)?;
            }
            (Some(_), _) => {}
            (None, _) => {
                self.user_is_right((lease.instance, address(lease)), &stored)?;
                self.begins_allowed(lease, &stored, key)?;
            }
        }
        ends_in_time(live, lease, &stored)?;
        if acknowledged {
            self.access.sure.insert(session, stored.clone());
        }
        self.access.stored.insert(session, stored);
        Ok(())
    }

    fn begins_allowed(&self, lease: &LeaseRecord, stored: &Stored, key: &Key) -> Result<(), Finding> {
        let at = (lease.instance, address(lease));
        let mut why = "bound, and no authority has said yes".to_owned();
        for permit in self.permits(at.0, key).filter(|permit| self.now < permit.until + WRITE_SECS * SEC) {
            if !self.conforms(permit, at) {
                why = format!("bound, granted was {:?}", permit.choice());
                continue;
            }
            match self.is_stored(permit, lease.start, stored) {
                Ok(()) => return Ok(()),
                Err(other) => why = other,
            }
        }
        Err(why)
    }

    /// Whether what is stored of a new binding is what was granted.
    fn is_stored(&self, permit: &Permit, start: LeaseTime, stored: &Stored) -> Result<(), Finding> {
        let granted = &permit.granted;
        let wanted = Stored {
            username: granted.username.clone(),
            classes: granted.classes.clone(),
            follows: permit.former.as_ref().map(|former| former.first),
            ends: stored.ends.filter(|_| granted.session_secs.is_some()),
            interim_secs: granted.interim_secs,
            lease_secs: granted.lease_secs,
            ..Stored::default()
        };
        if *stored != wanted {
            return Err(format!("{stored:?} is stored, granted was {wanted:?}"));
        }
        let Some(secs) = granted.session_secs else { return Ok(()) };
        // The lease clock runs with the true one within a life of the server.
        let allowed = stored.ends.map_or(0, |ends| ends.0.saturating_sub(u64::from(secs)));
        let ago = (self.now - permit.since).div_ceil(SEC) + 2;
        if allowed > start.0 + 1 || start.0 > allowed + ago {
            return Err(format!("it ends at {:?}: began at {start:?}, {secs} s were granted", stored.ends));
        }
        Ok(())
    }

    /// What is stored of a live binding changes by a Change-of-Authorization, or by a grant at another place.
    fn change_is_fair(
        &self,
        lease: &LeaseRecord,
        had: &Stored,
        stored: &Stored,
        identity: &IdentityRecord,
        key: &Key,
    ) -> Result<(), Finding> {
        let old = IdentityRecord { subscriber: Box::default(), ..identity.clone() };
        let fair = |(change, since): &(Changed, Instant)| {
            let named = change.whose.covers_as(lease, &old, had);
            let ends = stored.ends == had.ends
                || change.session_secs.is_some_and(|secs| self.was_clock(stored.ends, secs, *since));
            let moves = (&stored.next_pool, stored.next_address) == (&had.next_pool, had.next_address)
                || (&stored.next_pool, stored.next_address) == (&change.pool, change.address);
            let rest = Stored {
                ends: had.ends,
                next_pool: had.next_pool.clone(),
                next_address: had.next_address,
                ..stored.clone()
            };
            named && ends && moves && rest == *had && self.recent(Some(since))
        };
        // A client that came to another place was asked about anew: its name in accounting and what was wished stay.
        let granted = Stored { follows: None, next_pool: None, next_address: None, ..stored.clone() };
        let kept = Stored {
            follows: had.follows,
            next_pool: had.next_pool.clone(),
            next_address: had.next_address,
            ..granted.clone()
        };
        let anew = |permit: &Permit| {
            // Where its binding is it was no newcomer when the answer came.
            if permit.whose.as_ref().is_none_or(|whose| whose.scope == Some(v4(lease.scope))) {
                return false;
            }
            let permit = Permit { former: None, ..permit.clone() };
            self.is_stored(&permit, lease.cltt, &granted).is_ok()
        };
        if self.access.changes.iter().any(fair) || (*stored == kept && self.permits(lease.instance, key).any(anew)) {
            return Ok(());
        }
        Err(format!("{had:?} became {stored:?}"))
    }

    /// Whether a lease of `secs`, promised when the request came, is over by `end`.
    pub(super) fn is_kept(&self, end: LeaseTime, secs: u32, came: Instant) -> bool {
        let Some((at, clock)) = self.access.clock.filter(|_| end != LeaseTime::NEVER) else { return true };
        let shown = (clock + came / SEC).saturating_sub(at / SEC);
        end.plus_secs(CLOCK_SLACK_SECS).0 >= shown + u64::from(secs)
    }

    /// Whether the lease clock can have shown `ends` less `secs` between `since` and now.
    fn was_clock(&self, ends: Option<LeaseTime>, secs: u32, since: Instant) -> bool {
        let (Some(ends), Some((at, clock))) = (ends, self.access.clock) else { return ends.is_some() };
        let then = ends.0.saturating_sub(u64::from(secs));
        let shown = |when: Instant| (clock + when / SEC).saturating_sub(at / SEC);
        then + CLOCK_SLACK_SECS >= shown(since) && then <= shown(self.now) + CLOCK_SLACK_SECS
    }

    /// What the lease clock shows; `None` before this life of the server has written it down.
    pub(super) fn shown_clock(&self) -> Option<u64> {
        self.access.clock.map(|(at, clock)| (clock + self.now / SEC).saturating_sub(at / SEC))
    }

    /// The server wrote its lease clock down.
    pub(super) fn note_clock(&mut self, clock: LeaseTime, emitted: Instant) {
        self.access.clock = (clock.0 != 0).then_some((emitted, clock.0));
    }

    /// An acknowledged write, or what a restart found: what has to be told of it, and what follows for a newcomer.
    pub(super) fn note_fact(&mut self, before: Option<&LeaseRecord>, lease: &LeaseRecord, key: &Key) {
        let session = lease.key.session;
        self.access.facts.insert((session, lease.start, lease.state, lease.xid.0));
        let of = (lease.instance, key.clone());
        let was = before.filter(|before| before.state == DurableState::Bound);
        let accounted = self.access.accounts == Some(true);
        if lease.state == DurableState::Bound {
            if was.is_none() {
                if let Some(former) = self.access.moved.get_mut(&of) {
                    former.followed_by.insert(session);
                }
                if self.access.moved.get(&of).is_some_and(|former| former.session == session) {
                    self.access.moved.remove(&of);
                }
                self.access.began.insert(session, self.now);
                if accounted {
                    self.access.owed.insert((session, lease.start, false));
                }
            }
            return;
        }
        let Some(was) = was else { return };
        if accounted {
            self.access.owed.insert((session, was.start, true));
        }
        // Those that are older were used up by it.
        let began = self.access.began.remove(&session).unwrap_or(0).saturating_sub(self.delay());
        if let Some(permits) = self.access.permits.get_mut(&of) {
            // A yes at another place may have made an offer there, which it does not touch.
            let scope = v4(was.scope);
            let elsewhere = |whose: &Asker| whose.scope.is_some_and(|at| at != scope);
            permits.retain(|permit| permit.since > began || permit.whose.as_ref().is_some_and(elsewhere));
        }
        self.access.ended.insert(((lease.instance, address(was)), key.clone()), self.now);
        self.access.sure.remove(&session);
        let stored = self.access.stored.remove(&session).unwrap_or_default();
        if lease.state == DurableState::Cleared && lease.flags & MOVED != 0 {
            let first = stored.first(session);
            let (pool, address) = (stored.next_pool, stored.next_address);
            let hw = self.identities.get(&session).map(|identity| identity.hw).unwrap_or_default();
            let former = Former { session, start: was.start, hw, followed_by: BTreeSet::new(), first, pool, address };
            self.access.apart.entry(of.clone()).or_default().push(former.clone());
            // Only the session that began last counts.
            let mut others = self.known.values().filter(|(l, other)| l.instance == lease.instance && other == key);
            if others.all(|(other, _)| other.start <= was.start) {
                self.access.moved.insert(of, former);
            }
        }
    }

    /// The last record of a session is gone.
    pub(super) fn forget_access(&mut self, session: SessionId) {
        self.access.moved.retain(|_, former| former.session != session);
        self.access.apart.values_mut().for_each(|formers| formers.retain(|former| former.session != session));
        // It was declined, say: then the client never had it.
        self.access.moved.values_mut().for_each(|former| {
            former.followed_by.remove(&session);
        });
        self.access.stored.remove(&session);
        self.access.sure.remove(&session);
    }

    /// `lease-time-validation` with `override-lease`: what an ACK says is no shorter than the threshold, but for what an
    /// authority grants.
    pub(super) fn lease_is_valid(&self, lease: &LeaseRecord, secs: u32) -> Result<(), Finding> {
        let floors: Option<Vec<u32>> = self.sites().map(|site| site.lease_floor).collect();
        let floor = floors.and_then(|floors| floors.into_iter().min()).unwrap_or(0);
        let stored = self.access.stored.get(&lease.key.session);
        let granted = stored.is_some_and(|stored| stored.ends.is_some() || stored.lease_secs.is_some());
        if secs >= floor || granted { Ok(()) } else { Err(format!("{secs} s, no lease is under {floor} s")) }
    }

    /// What an ACK says is no longer than what is granted.
    pub(super) fn lease_is_granted(&self, lease: &LeaseRecord, secs: u32) -> Result<(), Finding> {
        let stored = self.access.stored.get(&lease.key.session).cloned().unwrap_or_default();
        let told = LeaseRecord { end: end_of(lease, secs), ..*lease };
        ends_in_time(None, &told, &stored)
    }

    /// Whether a lease may be shorter than a minute.
    pub(super) fn may_be_short(&self) -> bool {
        self.access.ever
    }

    /// The configuration changed: also for DISCOVERs that are still held back, which are looked at when that is over.
    pub(super) fn note_accounts(&mut self) {
        self.access.tells_apart |= self.site.tells_apart;
        if !self.site.authenticates {
            let delay = self.delay();
            let held =
                self.requests.iter().filter(|r| r.message == MessageType::Discover && self.now < r.first + delay);
            let of: BTreeSet<_> = held.map(|r| (r.instance, r.key.clone())).collect();
            let (since, until) = (self.now, self.now + PERMIT_SECS * SEC);
            for of in of {
                let permit = Permit { since, until, whose: None, granted: Granted::default(), former: None };
                self.access.permits.entry(of).or_default().push(permit);
            }
        }
        let accounts = self.site.accounts && self.access.accounts.unwrap_or(true);
        self.access.accounts = Some(accounts);
    }

    pub(super) fn access_begins(&mut self) {
        self.access.questions.clear();
        self.access.permits.clear();
        self.access.owed.clear();
        (self.access.accounts, self.access.clock, self.access.store_down) = (None, None, None);
        self.access.open = self.bound().map(|lease| (lease.key.session, lease.start)).collect();
        let stored = self.identities.iter().map(|(session, i)| (*session, Stored::read(&i.subscriber)));
        self.access.stored = stored.collect();
        self.access.sure = self.access.stored.clone();
    }

    /// Something is told of a session.
    ///
    /// # Errors
    /// A broken promise.
    pub fn told(&mut self, news: &News) -> Result<(), Finding> {
        self.news += 1;
        let (session, start) = (news.session, news.start);
        let who = format!("{news:?}");
        let on_disk = match news.told {
            Told::Ended(state) => self.access.facts.iter().any(|f| (f.0, f.1, f.2) == (session, start, state)),
            // Written behind: what it went on with is on disk, its own xid may not be.
            Told::WentOn => self.access.facts.iter().any(|f| (f.0, f.1, f.2) == (session, start, DurableState::Bound)),
            Told::Began => self.access.facts.contains(&(session, start, DurableState::Bound, news.xid)),
        };
        if !on_disk {
            return Err(format!("{who}: it is not on disk"));
        }
        if let Some(stored) = self.access.stored.get(&session)
            && (stored.username != news.username || stored.first(session) != news.multi_session)
            && !matches!(news.told, Told::Ended(_))
        {
            return Err(format!("{who}: on disk is {stored:?}"));
        }
        if self.access.accounts != Some(true) {
            return Ok(());
        }
        let open = self.access.open.get(&session).copied();
        let in_order = match news.told {
            Told::Began => open.is_none(),
            Told::WentOn | Told::Ended(_) => open == Some(start),
        };
        if !in_order {
            return Err(format!("{who}: what was told last makes it open since {open:?}"));
        }
        match news.told {
            Told::Began => {
                self.access.open.insert(session, start);
                self.access.owed.remove(&(session, start, false));
            }
            Told::WentOn => {}
            Told::Ended(_) => {
                self.access.open.remove(&session);
                self.access.owed.remove(&(session, start, true));
            }
        }
        Ok(())
    }

    /// At rest everything is told.
    ///
    /// # Errors
    /// A broken promise.
    pub fn all_is_told(&self) -> Result<(), Finding> {
        match self.access.owed.first().filter(|_| self.access.accounts == Some(true)) {
            Some((session, start, end)) => {
                Err(format!("of session {session} since {start:?} nothing was told, its end: {end}"))
            }
            None => Ok(()),
        }
    }

    /// Whether nothing is known to keep the client from its service: no wish of an authority's, no end of it soon.
    pub fn is_free(&self, instance: InstanceId, key: &Key) -> bool {
        let wished = self.access.moved.get(&(instance, key.clone()));
        let ends = self.known.values().any(|(lease, of)| {
            let stored = self.access.stored.get(&lease.key.session);
            let limited = stored.is_some_and(|s| s.ends.is_some() || s.lease_secs.is_some_and(|secs| secs < 60));
            of == key && lease.state == DurableState::Bound && limited
        });
        let none = |former: &Former| former.pool.is_none() && former.address.is_none();
        let apart = self.access.apart.get(&(instance, key.clone())).into_iter().flatten();
        if self.access.tells_apart && !apart.clone().all(none) {
            return false;
        }
        !ends && wished.is_none_or(|former| !former.followed_by.is_empty() || none(former))
    }
}

fn end_of(lease: &LeaseRecord, secs: u32) -> LeaseTime {
    match secs {
        u32::MAX => LeaseTime::NEVER,
        secs => lease.cltt.plus_secs(u64::from(secs)),
    }
}

/// No lease is kept longer than as long again as granted, and not beyond the service, but for a second at the least, and
/// what was promised before.
fn ends_in_time(live: Option<&LeaseRecord>, lease: &LeaseRecord, stored: &Stored) -> Result<(), Finding> {
    let floor = lease.cltt.plus_secs(1);
    let longest = stored.lease_secs.map(|secs| lease.cltt.plus_secs(2 * u64::from(secs.max(1))));
    let limits = [stored.ends.map(|ends| ends.max(floor)), longest];
    let promised = live.map(|live| live.end);
    let beyond = |limit: &LeaseTime| lease.end > *limit && promised.is_none_or(|end| lease.end > end);
    match limits.into_iter().flatten().find(beyond) {
        Some(limit) => Err(format!("its lease ends at {:?}, granted is {limit:?}", lease.end)),
        None => Ok(()),
    }
}
