//! Dynamic reconfiguration (RFC 3203, RFC 6704, junos.md §8): which records may become which, and what a FORCERENEW
//! must be.
//!
//! A run is what stands in the durable record between its first attempt and its end. Every step of it is a write of
//! its own, so that a restart finds it: the auditor judges the writes, and each FORCERENEW by the last of them.

use super::{Auditor, Cleared, EVIDENCE_SECS, Finding, Key, Site, Towards, address, request::Request, v4};
use crate::clock::{Instant, SEC};
use bindery_engine::record::{BindingKey, DurableState, LeaseRecord};
use bindery_types::{InstanceId, Ipv4Addr, LeaseTime, SessionId, Xid};
use bindery_wire::v4::{
    MessageType, OptionCode, Packet,
    authentication::{Authentication, hmac_md5},
};
use std::collections::{BTreeMap, BTreeSet};

/// Bits of `flags` in a record.
const RECONFIGURING: u16 = 1 << 0;
const REFRESH: u16 = 1 << 1;
const DEFERRED: u16 = 1 << 2;
const ATTEMPTS_SHIFT: u16 = 8;

/// Most xids remembered of a client that gets no ACK.
const XIDS: usize = 64;

/// What is wanted of a client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Move {
    /// Another address.
    Renumber,
    /// New options.
    Refresh,
}

/// What a plugin said of a client that answered no attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Abort {
    /// It stays as it was.
    Restore,
    /// It is ended.
    Clear,
    /// Its next renewal gets a NAK.
    Defer,
}

/// `reconfigure` as the operator has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SiteReconfigure {
    /// Most FORCERENEWs.
    pub attempts: u8,
    /// The pause after the first, seconds; it doubles.
    pub timeout_secs: u8,
    /// Configuration token.
    pub token: Option<Vec<u8>>,
}

/// How far a binding is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Idle,
    Running(Move),
    Deferred,
}

/// A reconfiguration that was asked for.
#[derive(Debug)]
struct Asked {
    what: Cleared,
    sessions: BTreeSet<SessionId>,
    wanted: Move,
    since: Instant,
}

/// The xids of a client at an address.
#[derive(Debug, Default)]
struct Xids {
    /// Of the last exchange that was answered by an ACK.
    acked: Option<Xid>,
    /// Of REQUESTs since.
    since: Vec<Xid>,
    /// The one that a restart found: of an earlier exchange, where the last one was not written yet.
    found: Option<Xid>,
}

type Replays = [BTreeMap<(InstanceId, Ipv4Addr, Key), u64>; 2];

/// What the auditor keeps of reconfigurations.
#[derive(Debug, Default)]
pub(super) struct Moves {
    asked: Vec<Asked>,
    aborts: Vec<(SessionId, Abort, Instant)>,
    /// Since when a binding is in its phase.
    phases: BTreeMap<BindingKey, Instant>,
    /// Attempts that this life of the server wrote and has not sent.
    owed: BTreeSet<BindingKey>,
    requested: BTreeMap<(InstanceId, Key), Instant>,
    xids: BTreeMap<(super::At, Key), Xids>,
    /// Of requests that are committed without another one, by client.
    committing: BTreeMap<(InstanceId, Key), Vec<Xid>>,
    /// The nonce that an ACK told last.
    told: BTreeMap<BindingKey, [u8; 16]>,
    /// Bindings whose nonce on disk is newer: its ACK has not left.
    untold: BTreeSet<BindingKey>,
    /// The greatest replay value that was sent, by instance, network and client.
    replays: BTreeMap<(InstanceId, Ipv4Addr, Key), u64>,
    /// The same of NAKs: one may overtake an ACK that waits for storage, which costs a retry.
    refused: BTreeMap<(InstanceId, Ipv4Addr, Key), u64>,
    /// Both as they were when a life of the server began that has written nothing yet: the next one may begin at the
    /// same value.
    unwritten: Option<Replays>,
    /// The address that a client was moved away from.
    from: BTreeMap<(InstanceId, Ipv4Addr, Key), Ipv4Addr>,
}

fn phase(lease: &LeaseRecord) -> Phase {
    match lease.flags {
        flags if flags & RECONFIGURING != 0 && flags & REFRESH != 0 => Phase::Running(Move::Refresh),
        flags if flags & RECONFIGURING != 0 => Phase::Running(Move::Renumber),
        flags if flags & DEFERRED != 0 => Phase::Deferred,
        _ => Phase::Idle,
    }
}

fn attempts(lease: &LeaseRecord) -> u8 {
    (lease.flags >> ATTEMPTS_SHIFT & 0xf) as u8
}

impl Auditor {
    /// The operator's `request dhcp server reconfigure` reached the server.
    pub fn asked(&mut self, what: Cleared, wanted: Move) {
        // Who has only an offer is cleared.
        self.holds.clear();
        let covered = self.disk().filter(|(lease, identity)| what.covers(lease, identity));
        let sessions = covered.map(|(lease, _)| lease.key.session).collect();
        let now = self.now;
        self.moves.asked.retain(|asked| now < asked.since + EVIDENCE_SECS * SEC);
        self.moves.asked.push(Asked { what, sessions, wanted, since: now });
    }

    /// A plugin was asked about a client that answered nothing.
    pub fn exhausted(&mut self, session: SessionId, said: Abort) {
        let now = self.now;
        self.moves.aborts.retain(|(_, _, since)| now < since + EVIDENCE_SECS * SEC);
        self.moves.aborts.push((session, said, now));
    }

    /// A REQUEST came.
    /// A REQUEST of a client is looked at.
    pub(super) fn note_heard(&mut self, instance: InstanceId, key: Key) {
        self.moves.requested.insert((instance, key), self.now);
    }

    pub(super) fn note_request(&mut self, request: &Request) {
        self.note_heard(request.instance, request.key.clone());
        if let Some(address) = request.address() {
            let xids = self.moves.xids.entry(((request.instance, address), request.key.clone())).or_default();
            xids.since.push(request.xid);
            if xids.since.len() > XIDS {
                xids.since.remove(0);
            }
        }
    }

    /// A request came that is committed without another one (RFC 4039, BOOTP), of whatever address its client gets.
    pub(super) fn note_committing(&mut self, request: &Request) {
        let committing = self.moves.committing.entry((request.instance, request.key.clone())).or_default();
        committing.push(request.xid);
        if committing.len() > XIDS {
            committing.remove(0);
        }
    }

    fn is_committing(&self, instance: InstanceId, key: &Key, xid: Xid) -> bool {
        self.moves.committing.get(&(instance, key.clone())).is_some_and(|xids| xids.contains(&xid))
    }

    pub(super) fn life_begins(&mut self) {
        // What the end of the last life left on disk was that life's to send.
        self.moves.owed.clear();
        self.moves.unwritten = Some([self.moves.replays.clone(), self.moves.refused.clone()]);
    }

    pub(super) fn life_writes(&mut self) {
        self.moves.unwritten = None;
    }

    pub(super) fn life_ends(&mut self) {
        self.moves.owed.clear();
        for (lease, identity) in self.disk.values().filter_map(|l| Some((l, self.identities.get(&l.key.session)?))) {
            let of = ((lease.instance, address(lease)), Key::of_identity(identity));
            if let Some(xids) = self.moves.xids.get_mut(&of) {
                xids.found = Some(lease.xid);
            }
        }
        if let Some([replays, refused]) = self.moves.unwritten.take() {
            (self.moves.replays, self.moves.refused) = (replays, refused);
        }
    }

    /// Sites of now and of a moment ago.
    pub(super) fn sites(&self) -> impl Iterator<Item = &Site> {
        let lately = self.former.iter().filter(|(_, since)| self.recent(Some(since))).map(|(site, _)| site);
        std::iter::once(&self.site).chain(lately)
    }

    /// How long a DISCOVER may be held back before anybody looks at it.
    pub(super) fn delay(&self) -> Instant {
        let secs = self.sites().map(|site| site.delay_secs).max().unwrap_or(0);
        // The server wakes late.
        if secs == 0 { 0 } else { (u64::from(secs) + 2) * SEC }
    }

    /// Whether clients with one key are told apart, or were a moment ago.
    pub(super) fn tells_apart(&self) -> bool {
        self.sites().any(|site| site.tells_apart)
    }

    fn configured(&self) -> impl Iterator<Item = &SiteReconfigure> {
        self.sites().filter_map(|site| site.reconfigure.as_ref())
    }

    fn was_asked(&self, lease: &LeaseRecord, wanted: Move) -> bool {
        let identity = self.identities.get(&lease.key.session);
        self.moves.asked.iter().any(|asked| {
            let covered = identity.is_some_and(|i| asked.what.covers(lease, i));
            let named = covered || asked.sessions.contains(&lease.key.session);
            asked.wanted == wanted && named && self.recent(Some(&asked.since))
        })
    }

    fn was_aborted(&self, before: &LeaseRecord, said: &[Abort]) -> bool {
        let enough = self.configured().any(|r| attempts(before) >= r.attempts);
        let answer = |(of, abort, since): &(SessionId, Abort, Instant)| {
            *of == before.key.session && said.contains(abort) && self.recent(Some(since))
        };
        let asked = self.moves.aborts.iter().any(answer);
        // Nobody to ask: the client is restored.
        let unasked = said.contains(&Abort::Restore) && self.sites().any(|site| !site.asks_when_exhausted);
        enough && (asked || unasked)
    }

    /// Whether a packet of the client came since its binding is in its phase.
    fn since_phase(&self, key: BindingKey, came: Option<&Instant>) -> bool {
        let since = self.moves.phases.get(&key).copied().unwrap_or(0);
        came.is_some_and(|came| *came >= since) && self.recent(came)
    }

    /// A live binding becomes `lease`: may its reconfiguration begin, go on or end so?
    pub(super) fn run_is_fair(
        &mut self,
        before: Option<&LeaseRecord>,
        lease: &LeaseRecord,
        key: &Key,
        who: &str,
    ) -> Result<(), Finding> {
        let live = before.filter(|b| b.state == DurableState::Bound);
        if live.is_none() {
            self.moves.told.remove(&lease.key);
        }
        if before.and_then(|b| b.nonce).map(|n| n.value) != lease.nonce.map(|n| n.value) {
            // The client may have taken the first ACK.
            let acked = self.moves.xids.get(&((lease.instance, address(lease)), key.clone())).and_then(|x| x.acked);
            let same = live.is_some_and(|before| before.xid == lease.xid && before.nonce.is_some());
            if same && acked.is_none_or(|acked| acked == lease.xid) {
                return Err(format!("{who}: two nonces in one exchange"));
            }
            self.moves.untold.insert(lease.key);
        }
        let (was, is) = (live.map_or(Phase::Idle, phase), phase(lease));
        self.step_is_fair(live, lease, key, (was, is)).map_err(|why| format!("{who}: {was:?} became {is:?}: {why}"))?;
        if matches!(is, Phase::Running(_)) && live.is_none_or(|before| attempts(before) != attempts(lease)) {
            self.moves.owed.insert(lease.key);
        }
        if was != is || live.is_none() {
            self.moves.phases.insert(lease.key, self.now);
            self.moves.from.remove(&(lease.instance, v4(lease.scope), key.clone()));
        }
        Ok(())
    }

    fn step_is_fair(
        &self,
        live: Option<&LeaseRecord>,
        lease: &LeaseRecord,
        key: &Key,
        (was, is): (Phase, Phase),
    ) -> Result<(), Finding> {
        let Some(before) = live else {
            return if is == Phase::Idle { Ok(()) } else { Err("a binding begins with it".into()) };
        };
        let (made, number) = (attempts(before), attempts(lease));
        let renewed = before.cltt != lease.cltt || before.xid != lease.xid;
        match (was, is) {
            (Phase::Idle, Phase::Idle) => Ok(()),
            _ if was == is && made == number => match renewed {
                true => Err("the client renewed, and nothing followed".into()),
                false => Ok(()),
            },
            (Phase::Running(_), Phase::Running(_)) if was == is => self.attempt_is_fair(before, lease),
            (Phase::Idle | Phase::Deferred, Phase::Running(wanted)) => {
                if number != 1 {
                    return Err(format!("it begins with attempt {number}"));
                }
                if !self.was_asked(lease, wanted) {
                    return Err("nobody asked for it".into());
                }
                self.configured().next().map(|_| ()).ok_or_else(|| "it is not configured".into())
            }
            (Phase::Running(wanted), Phase::Idle) => {
                let requested = self.moves.requested.get(&(lease.instance, key.clone()));
                let answered = wanted == Move::Refresh && renewed && self.since_phase(lease.key, requested);
                let restored = match wanted {
                    Move::Renumber => self.was_aborted(before, &[Abort::Restore]),
                    Move::Refresh => self.was_aborted(before, &[Abort::Restore, Abort::Defer]),
                };
                let taken_away = self.sites().any(|site| site.reconfigure.is_none());
                if answered || (!renewed && (restored || taken_away)) {
                    return Ok(());
                }
                Err(format!("after {made} attempts, renewed: {renewed}"))
            }
            (Phase::Running(Move::Renumber), Phase::Deferred) if self.was_aborted(before, &[Abort::Defer]) => Ok(()),
            _ => Err("nothing explains it".into()),
        }
    }

    /// Attempts come one by one, no more than configured, after pauses that double.
    fn attempt_is_fair(&self, before: &LeaseRecord, lease: &LeaseRecord) -> Result<(), Finding> {
        let (made, number) = (attempts(before), attempts(lease));
        if number != made + 1 {
            return Err(format!("attempt {number} follows attempt {made}"));
        }
        if self.configured().all(|r| number > r.attempts) {
            return Err(format!("attempt {number} is one too many"));
        }
        if self.moves.owed.contains(&lease.key) {
            return Err(format!("attempt {made} was never sent"));
        }
        let pause = self.configured().map(|r| u64::from(r.timeout_secs) << (number - 1)).min().unwrap_or(0);
        match (before.reconfigure_due, lease.reconfigure_due) {
            (Some(due), Some(next)) if next.0 + 2 >= due.0 + pause => Ok(()),
            (due, next) => Err(format!("attempt {number} was due at {due:?}, the next is at {next:?}")),
        }
    }

    /// Whether the reconfiguration that `before` tells of explains that we end the binding.
    pub(super) fn move_explains_end(&self, before: &LeaseRecord, key: &Key) -> bool {
        let of = (before.instance, key.clone());
        let requested = self.since_phase(before.key, self.moves.requested.get(&of));
        // It may have been held back meanwhile.
        let looked_at = self.discovers.get(&of).map(|came| self.now.min(came + self.delay()));
        let discovered = self.since_phase(before.key, looked_at.as_ref());
        match phase(before) {
            Phase::Idle => false,
            Phase::Running(Move::Renumber) => requested || discovered || self.was_aborted(before, &[Abort::Clear]),
            Phase::Running(Move::Refresh) => discovered || self.was_aborted(before, &[Abort::Clear]),
            Phase::Deferred => requested || discovered,
        }
    }

    /// We ended a binding: was its client being moved?
    pub(super) fn note_end(&mut self, before: &LeaseRecord, key: &Key) {
        if before.state == DurableState::Bound
            && matches!(phase(before), Phase::Running(Move::Renumber) | Phase::Deferred)
        {
            self.moved_clients += 1;
            self.moves.from.insert((before.instance, v4(before.scope), key.clone()), address(before));
        }
    }

    /// The record of a binding is gone.
    pub(super) fn forget_moves(&mut self, lease: &LeaseRecord, key: &Key) {
        self.moves.phases.remove(&lease.key);
        self.moves.owed.remove(&lease.key);
        self.moves.told.remove(&lease.key);
        self.moves.untold.remove(&lease.key);
        self.moves.from.remove(&(lease.instance, v4(lease.scope), key.clone()));
    }

    /// A client that was moved away gets another address, as long as there is one.
    pub(super) fn offer_moves_on(&self, at: super::At, scope: Ipv4Addr, key: &Key) -> Result<(), Finding> {
        if self.moves.from.get(&(at.0, scope, key.clone())) != Some(&at.1) {
            return Ok(());
        }
        // An authority that wants it so is obeyed, and at another place it is another client.
        if self.is_granted(at, key) || self.tells_apart() {
            return Ok(());
        }
        let reserved = self.sites().any(|s| s.pools.iter().any(|p| p.host.is_some_and(|(_, kept)| kept == at.1)));
        if reserved || self.is_drained(at) {
            return Ok(());
        }
        Err(format!("{key:?} was moved away from {} and is offered it again", at.1))
    }

    /// Options 90 and 145 of a reply (RFC 3118 §4, RFC 6704 §3.1).
    pub(super) fn authentication_is_sound(
        &self,
        packet: &Packet<'_>,
        message: MessageType,
        request: &Request,
    ) -> Result<(), Finding> {
        let allowed = self.configured().next().is_some();
        if packet.has(OptionCode::FORCERENEW_NONCE_CAPABLE)
            && !(allowed && request.offers_nonce && message == MessageType::Offer)
        {
            return Err(format!("option 145 in a {message:?}"));
        }
        let Some(value) = packet.option(OptionCode::AUTHENTICATION) else {
            return Ok(());
        };
        let sound = match Authentication::parse(&value) {
            Some(Authentication::Token { token, .. }) => request.offers_token && self.is_token(token),
            Some(Authentication::Nonce { .. }) => allowed && request.offers_nonce && message == MessageType::Ack,
            _ => false,
        };
        if sound { Ok(()) } else { Err(format!("option 90 in a {message:?}: {value:02x?}")) }
    }

    fn is_token(&self, token: &[u8]) -> bool {
        self.configured().any(|r| r.token.as_deref() == Some(token))
    }

    /// A replay value leaves for a client.
    pub(super) fn replay_grows(&mut self, of: (InstanceId, Ipv4Addr, Key), replay: u64) -> Result<(), Finding> {
        let last = self.moves.replays.get(&of).copied();
        if last.is_some_and(|last| last >= replay) && !self.tells_apart() {
            return Err(format!("replay value {replay:#x} to {:?}, which was sent {:#x}", of.2, last.unwrap_or(0)));
        }
        self.moves.replays.insert(of, replay);
        Ok(())
    }

    /// An OFFER or ACK with option 90 leaves.
    pub(super) fn note_authentication(
        &mut self,
        packet: &Packet<'_>,
        of: (InstanceId, Ipv4Addr, Key),
        lease: Option<&LeaseRecord>,
    ) -> Result<(), Finding> {
        let value = packet.option(OptionCode::AUTHENTICATION);
        match value.as_deref().and_then(Authentication::parse) {
            Some(Authentication::Token { replay, .. }) => self.replay_grows(of, replay),
            Some(Authentication::Nonce { replay, nonce }) => {
                if let Some(lease) = lease {
                    if lease.nonce.is_none_or(|stored| stored.value != nonce) {
                        return Err(format!("{:?} is told a nonce that is not on disk", of.2));
                    }
                    self.moves.told.insert(lease.key, nonce);
                    self.moves.untold.remove(&lease.key);
                }
                self.replay_grows(of, replay)
            }
            _ => Ok(()),
        }
    }

    /// A NAK may have a token too; its two copies have one replay value.
    pub(super) fn note_refusal(&mut self, packet: &Packet<'_>, request: &Request) {
        let value = packet.option(OptionCode::AUTHENTICATION);
        if let Some(Authentication::Token { replay, .. }) = value.as_deref().and_then(Authentication::parse)
            && let Some(scope) = self.scope_of(request)
        {
            let last = self.moves.refused.entry((request.instance, scope, request.key.clone())).or_default();
            *last = replay.max(*last);
        }
    }

    /// An ACK leaves: its xid is the one of the client's last exchange.
    pub(super) fn note_acked(&mut self, at: super::At, request: &Request) {
        let xids = self.moves.xids.entry((at, request.key.clone())).or_default();
        (xids.acked, xids.found) = (Some(request.xid), None);
        let heard = xids.since.iter().position(|xid| *xid == request.xid).map_or(0, |at| at + 1);
        xids.since.drain(..heard);
    }

    /// Nothing of a renewal is left to be written: the last exchange of each client is on disk.
    ///
    /// # Errors
    /// A broken promise.
    pub fn all_is_written(&self) -> Result<(), Finding> {
        for (lease, identity) in self.disk.values().filter_map(|l| Some((l, self.identities.get(&l.key.session)?))) {
            let of = ((lease.instance, address(lease)), Key::of_identity(identity));
            if lease.state == DurableState::Bound
                && let Some(xids) = self.moves.xids.get(&of)
                && xids.found.is_none()
                && xids.acked.is_some_and(|acked| acked != lease.xid)
                && !xids.since.contains(&lease.xid)
                && !self.is_committing(of.0.0, &of.1, lease.xid)
            {
                return Err(format!(
                    "{}: the exchange {:?} is not on disk: {:?}",
                    address(lease),
                    xids.acked,
                    lease.xid
                ));
            }
        }
        Ok(())
    }

    /// A FORCERENEW leaves (RFC 3203 §3).
    pub(super) fn forcerenew_is_fair(&mut self, to: Towards, packet: &Packet<'_>) -> Result<(), Finding> {
        let Towards::Udp { dst, port: 68 } = to else {
            return Err(format!("a FORCERENEW goes to {to:?}"));
        };
        let zero = [packet.ciaddr(), packet.yiaddr(), packet.siaddr(), packet.giaddr()];
        if zero.iter().any(|address| !address.is_unspecified()) || packet.hops() != 0 {
            return Err(format!("a FORCERENEW with hops {} and {zero:?}", packet.hops()));
        }
        let mut finding = format!("a FORCERENEW to {dst}, where no live binding of {} is on disk", packet.hw_addr());
        let candidates: Vec<(LeaseRecord, Key)> = self
            .known
            .values()
            .filter(|(l, _)| l.state == DurableState::Bound && address(l) == dst)
            .filter(|(l, _)| self.identities.get(&l.key.session).is_some_and(|i| i.hw == packet.hw_addr()))
            .cloned()
            .collect();
        for (lease, key) in candidates {
            match self.attempt_may_leave(packet, &lease, &key) {
                Ok(replay) => {
                    self.forcerenews += 1;
                    self.moves.owed.remove(&lease.key);
                    if let Some(replay) = replay {
                        let of = (lease.instance, v4(lease.scope), key);
                        if let Some(refused) = self.moves.refused.get(&of).filter(|refused| **refused >= replay) {
                            return Err(format!("replay value {replay:#x} to {:?} after {refused:#x}", of.2));
                        }
                        self.replay_grows(of, replay)?;
                    }
                    return Ok(());
                }
                Err(why) => finding = format!("FORCERENEW to {dst} ({key:?}): {why}"),
            }
        }
        Err(finding)
    }

    /// Whether the FORCERENEW is the one that the record tells of; its replay value.
    fn attempt_may_leave(&self, packet: &Packet<'_>, lease: &LeaseRecord, key: &Key) -> Result<Option<u64>, Finding> {
        if !matches!(phase(lease), Phase::Running(_)) || attempts(lease) == 0 {
            return Err("no attempt is on disk".into());
        }
        if !self.moves.owed.contains(&lease.key) {
            return Err(format!("attempt {} was sent before", attempts(lease)));
        }
        if self.configured().next().is_none() {
            return Err("it is not configured".into());
        }
        let server = packet.address_option(OptionCode::SERVER_IDENTIFIER);
        if !server.is_some_and(|id| self.own_ever.contains(&id) || Some(id) == self.site.set_server_id) {
            return Err(format!("option 54 is {server:?}"));
        }
        let at = (lease.instance, address(lease));
        let xids = self.moves.xids.get(&(at, key.clone()));
        let known = |x: &Xids| [x.acked, x.found].contains(&Some(packet.xid())) || x.since.contains(&packet.xid());
        let is_last = xids.is_some_and(known) || self.is_committing(at.0, key, packet.xid());
        if packet.xid() != lease.xid || !is_last {
            return Err(format!("its xid is {:?}, the client's exchanges are {xids:?}", packet.xid()));
        }
        let value = packet.option(OptionCode::AUTHENTICATION);
        self.proof_holds(packet, lease, value.as_deref().and_then(Authentication::parse))
    }

    /// Nonce where the client has one, else the token where one is configured, else nothing.
    fn proof_holds(
        &self,
        packet: &Packet<'_>,
        lease: &LeaseRecord,
        proof: Option<Authentication<'_>>,
    ) -> Result<Option<u64>, Finding> {
        let told = self.moves.told.get(&lease.key).copied();
        match (lease.nonce, proof) {
            (Some(nonce), Some(Authentication::Digest { replay, digest })) => {
                if !self.moves.untold.contains(&lease.key) && told != Some(nonce.value) {
                    return Err(format!("the client was told {told:02x?}, its nonce on disk is {nonce:02x?}"));
                }
                match seals(packet.bytes(), &nonce.value, &digest) {
                    true => Ok(Some(replay)),
                    false => Err("the digest is wrong".into()),
                }
            }
            (None, _) if told.is_some() => Err("the client has a nonce, which is not on disk".into()),
            (None, Some(Authentication::Token { replay, token })) if self.is_token(token) => Ok(Some(replay)),
            (None, None) if self.sites().any(|s| s.reconfigure.as_ref().is_none_or(|r| r.token.is_none())) => Ok(None),
            (_, proof) => Err(format!("it is authenticated by {proof:02x?}")),
        }
    }

    /// With the disk sound, every reconfiguration comes to its next attempt or its end.
    ///
    /// # Errors
    /// A broken promise.
    pub fn no_move_stands_still(&self) -> Result<(), Finding> {
        const SLACK_SECS: u64 = 60;
        let clock = self.meta().map_or(LeaseTime(0), |meta| meta.lease_clock);
        let still = |l: &&LeaseRecord| {
            let due = l.reconfigure_due.unwrap_or(LeaseTime(0)).plus_secs(SLACK_SECS);
            matches!(phase(l), Phase::Running(_)) && due < clock
        };
        match self.bound().find(still) {
            Some(l) => Err(format!("{} stands at attempt {}, due {:?}", address(l), attempts(l), l.reconfigure_due)),
            None => Ok(()),
        }
    }

    /// Long after the last one was asked for, none runs.
    ///
    /// # Errors
    /// A broken promise.
    pub fn no_move_runs_for_ever(&self) -> Result<(), Finding> {
        match self.bound().find(|l| matches!(phase(l), Phase::Running(_))) {
            Some(l) => Err(format!("{} is reconfigured for ever: attempt {}", address(l), attempts(l))),
            None => Ok(()),
        }
    }
}

/// Whether `digest` is the HMAC-MD5 of the message with the digest zero (RFC 6704 §3.1.3).
pub(crate) fn seals(message: &[u8], nonce: &[u8; 16], digest: &[u8; 16]) -> bool {
    let Some(at) = message.windows(16).position(|window| window == digest) else {
        return false;
    };
    let mut blank = message.to_vec();
    blank[at..at + 16].fill(0);
    hmac_md5(nonce, &blank) == *digest
}
