//! The auditor: a simple model of its own of what Bindery promises (design §2).
//!
//! It sees the packets on the wire, the durable records, the fake kernel's routes and the operator's actions. It knows
//! nothing of the engine but the plain values of its records: `tests/it` checks that no other path of the engine is
//! named in this folder.

mod access;
mod beside;
mod down_time;
mod neighbours;
mod observe;
mod pools;
mod promise;
mod reconfigure;
mod reply;
mod request;
mod rules;
mod settle;
mod site;

pub use access::{Changed, Granted, News, Told};
pub use down_time::WallHistory;
pub use neighbours::ArpSeen;
pub use pools::PoolSum;
pub(crate) use reconfigure::seals;
pub use reconfigure::{Abort, Move, SiteReconfigure};
pub use request::Key;
pub use site::{Site, SiteLine, SiteLink, SiteLiveness, SitePool, SiteProbe};

use crate::clock::{Instant, SEC};
use access::{Access, Stored};
use bindery_engine::record::{BindingKey, Bound, DurableState, IdentityRecord, LeaseRecord, MetaRecord, RouteRecord};
use bindery_types::{IfIndex, InstanceId, Ipv4Addr, MacAddr, SessionId};
use down_time::DownTime;
use neighbours::Neighbours;
use observe::Tally;
use reconfigure::Moves;
use request::Request;
use rules::Newcomers;
use std::collections::{BTreeMap, BTreeSet};

/// A broken promise, in words.
pub type Finding = String;

/// An address of a routing instance.
pub type At = (InstanceId, Ipv4Addr);

/// What the database was told to write.
#[derive(Clone, Debug)]
pub enum Write {
    /// Insert or overwrite.
    Put(LeaseRecord, Option<Box<IdentityRecord>>),
    /// Remove.
    Delete(BindingKey, Option<SessionId>),
    /// The facts about the whole.
    Meta(MetaRecord),
}

/// A route as the fake kernel has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KernelRoute {
    /// Whether it carries our protocol number.
    pub ours: bool,
    /// Length of the destination.
    pub len: u8,
    /// Outgoing interface.
    pub link: IfIndex,
    /// Gateway.
    pub via: Option<Ipv4Addr>,
    /// Permanent neighbour entry beside it.
    pub neighbour: Option<MacAddr>,
    /// Metric.
    pub metric: Option<u32>,
}

/// The fake kernel's routing tables.
pub type KernelRoutes = BTreeMap<At, KernelRoute>;

/// Where a packet of ours goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Towards {
    /// An Ethernet frame to port 68.
    Frame {
        /// Outgoing interface.
        link: IfIndex,
        /// Receiver.
        mac: MacAddr,
        /// IP destination.
        dst: Ipv4Addr,
    },
    /// A UDP datagram.
    Udp {
        /// IP destination.
        dst: Ipv4Addr,
        /// Port.
        port: u16,
    },
}

/// What the operator cleared.
#[derive(Clone, Debug)]
pub enum Cleared {
    /// Everything.
    All,
    /// The bindings of an address, in whatever routing instance, and its quarantines.
    Address(Ipv4Addr),
    /// Those of a hardware address.
    Mac(MacAddr),
    /// Those on an interface.
    Interface(String),
    /// The one of this user.
    User(String),
    /// The one that goes on from this session, or is it.
    Kin(SessionId),
}

impl Cleared {
    fn covers(&self, lease: &LeaseRecord, identity: &IdentityRecord) -> bool {
        match self {
            Self::All => true,
            Self::Address(cleared) => *cleared == address(lease),
            Self::Mac(mac) => identity.hw.mac() == Some(*mac),
            Self::Interface(name) => *identity.interface == **name,
            Self::User(_) | Self::Kin(_) => self.covers_as(lease, identity, &Stored::read(&identity.subscriber)),
        }
    }

    /// The same where what was granted to the session is known to be `stored`.
    fn covers_as(&self, lease: &LeaseRecord, identity: &IdentityRecord, stored: &Stored) -> bool {
        match self {
            Self::User(name) => stored.username == *name,
            Self::Kin(first) => stored.first(lease.key.session) == *first,
            other => other.covers(lease, identity),
        }
    }
}

/// A clear that was given.
#[derive(Clone, Debug)]
struct Clear {
    what: Cleared,
    /// What it covered then: its end may have to wait for an exchange, which may move the session.
    sessions: BTreeSet<SessionId>,
    since: Instant,
}

/// A lease that a client was told of.
#[derive(Clone, Debug)]
struct Claim {
    key: Key,
    /// On the auditor's lease clock; `u64::MAX` for ever.
    until: u64,
    /// It was told by BOOTP: it holds until the client speaks DHCP.
    bootp: bool,
    /// A REQUEST of its client came since: once the DHCP lease is stored, only what an ACK tells holds.
    requested: bool,
}

/// A lease that we ended before its time.
#[derive(Clone, Copy, Debug)]
struct Ended {
    since: Instant,
    /// The end that the client was promised.
    until: u64,
}

/// An offer under way.
#[derive(Clone, Debug)]
struct Hold {
    key: Key,
    scope: Ipv4Addr,
    until: Instant,
}

/// How long an offer must be held, seconds: the least of what clients rely on.
const HOLD_SECS: u64 = 50;
/// How long a declined address must not be given, seconds.
const QUARANTINE_SECS: u64 = 3_600;
/// How long evidence (a RELEASE, a DECLINE, a clear) may explain a change: stores are slow.
const EVIDENCE_SECS: u64 = 400;

/// The auditor.
#[derive(Debug, Default)]
pub struct Auditor {
    /// The site as configured now.
    pub site: Site,
    /// Sites of before, and until when: what a change explains may come later.
    former: Vec<(Site, Instant)>,
    /// Every address that was ever ours.
    own_ever: BTreeSet<Ipv4Addr>,
    now: Instant,
    /// How the time between two lives of the server was counted.
    down_time: DownTime,
    requests: Vec<Request>,
    /// The database.
    disk: BTreeMap<BindingKey, LeaseRecord>,
    identities: BTreeMap<SessionId, IdentityRecord>,
    /// Sessions that ever wanted a prefix via their client.
    wanted_by: BTreeMap<At, BTreeSet<SessionId>>,
    /// Prefixes to which this life of the server has set a route.
    set_in_life: BTreeSet<At>,
    /// A prefix that was taken from its session.
    theft: Option<Finding>,
    /// The database as far as its writes were acknowledged; the two differ after a failed write that reached it.
    known: BTreeMap<BindingKey, (LeaseRecord, Key)>,
    /// The sessions that have option 82, by acknowledged writes.
    with_option_82: BTreeSet<SessionId>,
    meta: Option<(MetaRecord, Instant)>,
    /// Every session id that was ever on disk, and whose.
    ids: BTreeMap<SessionId, (Key, Ipv4Addr)>,
    claims: BTreeMap<At, Vec<Claim>>,
    /// What we ended.
    ended: BTreeMap<(At, Key), Ended>,
    quarantines: BTreeMap<At, u64>,
    holds: BTreeMap<At, Hold>,
    /// When an address was last given back.
    freed: BTreeMap<At, Instant>,
    releases: BTreeMap<(At, Key), Instant>,
    declines: BTreeMap<(At, Key), Instant>,
    discovers: BTreeMap<(InstanceId, Key), Instant>,
    foreign: BTreeMap<At, Instant>,
    /// When a client came in over another line than its session's.
    other_lines: BTreeMap<(InstanceId, Key), Instant>,
    clears: Vec<Clear>,
    /// `asymmetric-lease-time` was in force.
    ever_asymmetric: bool,
    /// When `delete-binding-on-renegotiation` was last in force.
    renegotiates_until: Option<Instant>,
    /// When an address was last in no pool.
    moved_away: BTreeMap<At, Instant>,
    /// Addresses that the kernel lost without our doing, and since which link event, if the server was not told yet.
    disturbed: BTreeMap<At, Option<IfIndex>>,
    moves: Moves,
    access: Access,
    neighbours: Neighbours,
    newcomers: Newcomers,
    tally: Tally,
    /// ACKs seen: the measure of how much happened.
    pub acks: u64,
    /// NAKs seen.
    pub naks: u64,
    /// FORCERENEWs seen.
    pub forcerenews: u64,
    /// Bindings that ended because their client was moved.
    pub moved_clients: u64,
    /// Questions to the authority.
    pub questions: u64,
    /// What was told of sessions.
    pub news: u64,
}

impl Auditor {
    /// True time goes on.
    pub fn at(&mut self, now: Instant) {
        self.now = now;
        self.requests.retain(|r| now < r.first + 120 * SEC);
    }

    /// The auditor's lease clock, nanoseconds.
    fn lease_clock(&self) -> u64 {
        self.now + self.down_time.credit()
    }

    fn recent(&self, since: Option<&Instant>) -> bool {
        since.is_some_and(|since| self.now < since + EVIDENCE_SECS * SEC)
    }

    /// A commit changed the configuration, or an interface came or went.
    pub fn site_changed(&mut self, site: Site) {
        self.holds.clear();
        self.own_ever.extend(site.links.values().flat_map(|l| l.addresses.iter().map(|(own, _)| *own)));
        self.note_absences();
        self.ever_asymmetric |= site.asymmetric;
        if self.site.renegotiates {
            self.renegotiates_until = Some(self.now);
        }
        let former = std::mem::replace(&mut self.site, site);
        self.former.retain(|(_, since)| self.now < since + EVIDENCE_SECS * SEC);
        self.note_suppression(&former);
        if former.lockout_secs != self.site.lockout_secs {
            self.forget_lockouts();
        }
        // Before the first one there was none.
        if !former.links.is_empty() {
            self.former.push((former, self.now));
        }
        self.note_absences();
        self.note_accounts();
    }

    fn note_absences(&mut self) {
        let (site, now) = (&self.site, self.now);
        let away = self.bound().map(|l| (l.instance, address(l))).filter(|at| !site.has(at.0, at.1));
        let away: Vec<At> = away.collect();
        self.moved_away.extend(away.into_iter().map(|at| (at, now)));
    }

    /// The operator's clear reached the server.
    pub fn clear(&mut self, what: Cleared) {
        self.holds.clear();
        // A quarantine is ended by its address too.
        if let Cleared::Address(address) = what {
            self.quarantines.retain(|at, _| at.1 != address);
        }
        let covered = self.disk().filter(|(lease, identity)| what.covers(lease, identity));
        let sessions = covered.map(|(lease, _)| lease.key.session).collect();
        self.clears.push(Clear { what, sessions, since: self.now });
    }

    /// The kernel lost a route without the server's doing. With `link`: the server will hear of it.
    pub fn route_lost(&mut self, at: At, link: Option<IfIndex>) {
        self.disturbed.insert(at, link);
    }

    /// The server heard of the routes that were flushed on `link`.
    pub fn flush_told(&mut self, link: IfIndex) {
        self.disturbed.retain(|_, of| *of != Some(link));
    }

    /// The server heard that a route does not stand.
    pub fn loss_told(&mut self, at: At) {
        self.disturbed.remove(&at);
    }

    /// A route of ours was put into the kernel.
    pub fn route_set(&mut self, at: At) {
        self.disturbed.remove(&at);
    }

    /// A foreign route was in the way of ours.
    pub fn foreign_met(&mut self, at: At) {
        self.foreign.insert(at, self.now);
    }

    /// The database as it is.
    pub fn disk(&self) -> impl Iterator<Item = (&LeaseRecord, &IdentityRecord)> {
        self.disk.values().filter_map(|lease| Some((lease, self.identities.get(&lease.key.session)?)))
    }

    /// The facts about the whole database.
    pub fn meta(&self) -> Option<&MetaRecord> {
        self.meta.as_ref().map(|(meta, _)| meta)
    }

    /// A batch reached the disk; `acknowledged` says whether the server will hear so. `emitted` tells when the server
    /// handed each write over.
    ///
    /// # Errors
    /// A broken promise.
    pub fn wrote(&mut self, batch: Vec<(Write, Instant)>, acknowledged: bool) -> Result<(), Finding> {
        if !batch.is_empty() {
            self.life_writes();
        }
        if acknowledged {
            self.note_batch();
        }
        for (write, emitted) in batch {
            match write {
                Write::Put(lease, identity) => {
                    if let Some(identity) = identity {
                        if acknowledged {
                            self.keeps_option_82(&lease, &identity)?;
                            self.keeps_line(&lease, &identity)?;
                        }
                        self.identities.insert(lease.key.session, *identity);
                    }
                    self.put(lease, acknowledged)?;
                }
                Write::Delete(key, session) => {
                    self.disk.remove(&key);
                    if acknowledged {
                        self.deleted(key)?;
                    }
                    if let Some(session) = session {
                        self.identities.remove(&session);
                    }
                }
                Write::Meta(meta) => {
                    self.note_clock(meta.lease_clock, emitted);
                    self.meta = Some((meta, emitted));
                }
            }
        }
        Ok(())
    }

    /// A renewal by unicast has no option 82; that never erases the stored one (design §3).
    fn keeps_option_82(&mut self, lease: &LeaseRecord, identity: &IdentityRecord) -> Result<(), Finding> {
        let session = lease.key.session;
        let has = !identity.relay_info.is_empty();
        let had = if has { !self.with_option_82.insert(session) } else { self.with_option_82.remove(&session) };
        let lives = self.known.get(&lease.key).is_some_and(|(l, _)| l.state == DurableState::Bound);
        if had && !has && lives { Err(format!("session {session}: its option 82 was erased")) } else { Ok(()) }
    }

    /// `remote-id-mismatch disconnect`: a session that is bound has one line.
    fn keeps_line(&self, lease: &LeaseRecord, identity: &IdentityRecord) -> Result<(), Finding> {
        let lives = |known: &LeaseRecord| known.state == DurableState::Bound && known.start == lease.start;
        let lives = self.known.get(&lease.key).is_some_and(|(known, _)| lives(known));
        let before = self.identities.get(&lease.key.session).and_then(|had| remote_id(&had.relay_info));
        match (before, remote_id(&identity.relay_info)) {
            (Some(was), Some(is)) if was != is && lives && self.sites().all(|site| site.remote_id_mismatch) => {
                Err(format!("session {}: its remote-id {was:?} became {is:?}", lease.key.session))
            }
            _ => Ok(()),
        }
    }

    fn put(&mut self, lease: LeaseRecord, acknowledged: bool) -> Result<(), Finding> {
        let session = lease.key.session;
        let Some(key) = self.identities.get(&session).map(Key::of_identity) else {
            return Err(format!("session {session} is stored without identity"));
        };
        let scope = v4(lease.scope);
        if let Some((before, of)) = self.ids.get(&session)
            && (*before != key || *of != scope)
        {
            return Err(format!("session id {session} was {before:?}'s and is {key:?}'s now"));
        }
        self.ids.insert(session, (key.clone(), scope));
        let before = self.disk.insert(lease.key, lease);
        if lease.state == DurableState::Bound {
            // An end that failed and is there nevertheless is taken back.
            let known = self.known.get(&lease.key).map(|(known, _)| *known);
            let before = known.filter(|known| known.state == DurableState::Bound).or(before);
            let kept = self.grant_is_kept(before.as_ref(), &lease, &key, acknowledged);
            kept.map_err(|why| format!("session {session} ({key:?}, {}): {why}", address(&lease)))?;
        }
        self.note_prefixes(&lease);
        let at = (lease.instance, address(&lease));
        let live = |l: &&LeaseRecord| l.state == DurableState::Bound && (l.instance, address(l)) == at;
        if self.disk.values().filter(live).count() > 1 {
            return Err(format!("{} is in two live bindings on disk", at.1));
        }
        if acknowledged {
            let before = self.known.get(&lease.key).map(|(known, _)| *known);
            self.note_change(before.as_ref(), &lease, &key);
            self.moved(lease, key)
        } else {
            Ok(())
        }
    }

    /// The server was ended; nothing of its memory is left, and what failed or cut-off writes left on disk counts.
    ///
    /// # Errors
    /// A broken promise.
    pub fn ended(&mut self) -> Result<(), Finding> {
        self.life_ends();
        self.requests.clear();
        self.holds.clear();
        self.disturbed.clear();
        self.forget_prefixes();
        let with = self.identities.iter().filter(|(_, identity)| !identity.relay_info.is_empty());
        self.with_option_82 = with.map(|(session, _)| *session).collect();
        let keys: BTreeSet<BindingKey> = self.disk.keys().chain(self.known.keys()).copied().collect();
        for key in keys {
            match self.disk.get(&key).copied() {
                Some(lease) if self.known.get(&key).is_none_or(|(known, _)| *known != lease) => {
                    let of = self.identities.get(&key.session).map(Key::of_identity);
                    self.moved(lease, of.unwrap_or_default())?;
                }
                Some(_) => {}
                None => self.deleted(key)?,
            }
        }
        self.forget_neighbours();
        self.forget_newcomers();
        self.forget_tally();
        Ok(())
    }

    /// The server starts on the disk as it is.
    pub fn started(&mut self, wall: &dyn WallHistory) {
        self.life_begins();
        self.access_begins();
        if let Some((meta, emitted)) = self.meta {
            self.down_time.restart(self.now, emitted, meta.wall.0, wall);
        }
    }

    /// Until when the wall clock holds all expiry, if it does: it stood before what was on disk.
    pub fn expiry_held_until(&self) -> Option<u64> {
        self.down_time.held_until()
    }

    /// The live durable bindings.
    pub fn bound(&self) -> impl Iterator<Item = &LeaseRecord> {
        self.disk.values().filter(|l| l.state == DurableState::Bound)
    }

    /// Whether the lease has no end.
    pub fn is_infinite(lease: &LeaseRecord) -> bool {
        lease.end == bindery_types::LeaseTime::NEVER
    }

    /// The route that belongs to a durable binding, as far as the interface is there.
    fn route_for(&self, lease: &LeaseRecord) -> Option<KernelRoute> {
        let identity = self.identities.get(&lease.key.session)?;
        let link = self.site.index_of(&identity.interface)?;
        let (via, neighbour) = match lease.route {
            _ if self.site.no_routes => return None,
            RouteRecord::None => return None,
            RouteRecord::Link { neighbour, .. } => {
                (None, identity.hw.mac().filter(|_| neighbour && !self.site.no_neighbours))
            }
            RouteRecord::Via { .. } => (Some(lease.giaddr), None),
        };
        let (metric, _) = beside::chosen(identity);
        Some(KernelRoute { ours: true, len: 32, link, via, neighbour, metric })
    }
}

/// The address of a record; records of other families are not simulated.
pub fn address(lease: &LeaseRecord) -> Ipv4Addr {
    match lease.bound {
        Bound::V4Address(address) => address,
        Bound::V6 { .. } => Ipv4Addr::UNSPECIFIED,
    }
}

/// The remote-id of an option 82.
fn remote_id(relay_info: &[u8]) -> Option<&[u8]> {
    bindery_wire::v4::RelayAgentInformation::new(relay_info).remote_id()
}

fn v4(address: bindery_types::IpAddr) -> Ipv4Addr {
    match address {
        bindery_types::IpAddr::V4(address) => address,
        bindery_types::IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED,
    }
}
