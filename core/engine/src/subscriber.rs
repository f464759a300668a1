//! What an authority (RADIUS, a plugin) has granted a subscriber: kept with the session's identity, opaque to storage.
//!
//! Layout: parts behind one another, each a tag byte, a length of two bytes (little-endian) and the value. Unknown tags
//! are passed over, so that an older release reads what a newer one wrote.

use crate::policy::{EXTRA_ROUTES_MAX, ExtraRoute, RouteChoice, Steer};
use alloc::{boxed::Box, vec::Vec};
use bindery_types::{Ipv4Addr, LeaseTime, Prefix4, SessionId};
use core::num::NonZeroU32;

const USERNAME: u8 = 1;
const CLASS: u8 = 2;
const FOLLOWS: u8 = 3;
const ENDS: u8 = 4;
const INTERIM: u8 = 5;
const LEASE: u8 = 6;
const NEXT_POOL: u8 = 7;
const NEXT_ADDRESS: u8 = 8;
const METRIC: u8 = 9;
const TABLE: u8 = 10;
const TAG: u8 = 11;
const EXTRA: u8 = 12;
/// Parts of a choice within it.
const GRANTED_ROUTE: u8 = 13;

/// A subscriber as its authority sees it. The default: nothing is known.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Subscriber {
    /// User-Name: what accounting calls the subscriber; empty for none.
    pub username: Box<str>,
    /// Class (RFC 2865 §5.25): each goes into every accounting record unchanged.
    pub classes: Vec<Box<[u8]>>,
    /// The session that this one goes on from after a renumbering: its Acct-Multi-Session-Id. `None`: its own id.
    pub follows: Option<SessionId>,
    /// When the service ends (Session-Timeout): no lease goes beyond it.
    pub ends: Option<LeaseTime>,
    /// Acct-Interim-Interval, seconds.
    pub interim_secs: Option<u32>,
    /// Longest lease, seconds.
    pub lease_secs: Option<u32>,
    /// Pool that the subscriber gets after its renumbering (CoA with Framed-Pool).
    pub next_pool: Option<Box<str>>,
    /// Address that it then gets (CoA with Framed-IP-Address).
    pub next_address: Option<Ipv4Addr>,
    /// Its routes: metric, table, tag, and routes via the client (Framed-Route, stage `route`).
    pub route: RouteChoice,
    /// What the authority has granted of them, where stage `route` made something else of it: it starts from that again.
    pub granted_route: Option<RouteChoice>,
}

/// An authority's word about a newcomer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Authorization {
    /// It is served.
    Accepted(Box<Grant>),
    /// It is not (Access-Reject, a plugin): silence.
    Rejected,
    /// Nobody answered, or the answer makes no sense: silence, and the client tries again.
    Unavailable,
}

/// What an authority has chosen and granted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Grant {
    /// Group, pool (Framed-Pool), address (Framed-IP-Address). Here a pool or address that is not to be had means
    /// silence: the subscriber must not end up in another network than its authority wants.
    pub steer: Steer,
    /// What is kept with the session. `follows`, `next_pool` and `next_address` are the engine's to fill in, and so
    /// is `ends`.
    pub subscriber: Subscriber,
    /// Session-Timeout, seconds from now.
    pub session_secs: Option<u32>,
}

impl Subscriber {
    /// The stored form; empty when nothing is known. A part of more than 65535 bytes is left out: no packet brings
    /// one.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if !self.username.is_empty() {
            put(&mut out, USERNAME, self.username.as_bytes());
        }
        self.classes.iter().for_each(|class| put(&mut out, CLASS, class));
        if let Some(session) = self.follows {
            put(&mut out, FOLLOWS, &session.0.to_le_bytes());
        }
        if let Some(ends) = self.ends {
            put(&mut out, ENDS, &ends.0.to_le_bytes());
        }
        let numbers = [(INTERIM, self.interim_secs), (LEASE, self.lease_secs)];
        for (tag, number) in numbers {
            if let Some(number) = number {
                put(&mut out, tag, &number.to_le_bytes());
            }
        }
        if let Some(pool) = &self.next_pool {
            put(&mut out, NEXT_POOL, pool.as_bytes());
        }
        if let Some(address) = self.next_address {
            put(&mut out, NEXT_ADDRESS, &address.octets());
        }
        put_route(&mut out, &self.route);
        if let Some(granted) = &self.granted_route {
            let mut parts = Vec::new();
            put_route(&mut parts, granted);
            put(&mut out, GRANTED_ROUTE, &parts);
        }
        out
    }

    /// Reads the stored form. What is torn or malformed counts as absent.
    pub fn decode(bytes: &[u8]) -> Self {
        let mut subscriber = Self::default();
        for (tag, value) in Parts(bytes) {
            subscriber.take(tag, value);
        }
        subscriber
    }

    fn take(&mut self, tag: u8, value: &[u8]) {
        let text = || core::str::from_utf8(value).ok().map(Box::from);
        let address = || <[u8; 4]>::try_from(value).ok().map(Ipv4Addr::from);
        match tag {
            USERNAME => self.username = text().unwrap_or_default(),
            CLASS => self.classes.push(value.into()),
            FOLLOWS => self.follows = long(value).map(SessionId),
            ENDS => self.ends = long(value).map(LeaseTime),
            INTERIM => self.interim_secs = short(value),
            LEASE => self.lease_secs = short(value),
            NEXT_POOL => self.next_pool = text(),
            NEXT_ADDRESS => self.next_address = address(),
            GRANTED_ROUTE => {
                let mut granted = RouteChoice::default();
                Parts(value).for_each(|(tag, value)| take_route(&mut granted, tag, value));
                self.granted_route = Some(granted);
            }
            _ => take_route(&mut self.route, tag, value),
        }
    }
}

fn take_route(route: &mut RouteChoice, tag: u8, value: &[u8]) {
    match tag {
        METRIC => route.metric = short(value),
        TABLE => route.table = short(value),
        TAG => route.tag = short(value),
        EXTRA => route.extra.extend(extra(value)),
        _ => {}
    }
}

fn extra(value: &[u8]) -> Option<ExtraRoute> {
    let &[a, b, c, d, len @ 0..=32] = value else { return None };
    Some(ExtraRoute { network: Ipv4Addr::new(a, b, c, d), len })
}

/// Writes a choice as planes can take it: no table 0, prefixes without host bits, each once, and no more than a session
/// may have.
fn put_route(out: &mut Vec<u8>, route: &RouteChoice) {
    let table = route.table.filter(|table| *table != 0);
    for (tag, number) in [(METRIC, route.metric), (TABLE, table), (TAG, route.tag)] {
        if let Some(number) = number {
            put(out, tag, &number.to_le_bytes());
        }
    }
    let mut written: Vec<Prefix4> = Vec::new();
    for ExtraRoute { network, len } in &route.extra {
        let Some(prefix) = Prefix4::containing(*network, *len) else { continue };
        if written.len() < EXTRA_ROUTES_MAX && !written.contains(&prefix) {
            let [a, b, c, d] = prefix.address().octets();
            put(out, EXTRA, &[a, b, c, d, *len]);
            written.push(prefix);
        }
    }
}

/// What the stored form says of every route of the session: read at each bind, so without allocation.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct RouteMarks {
    pub(crate) metric: Option<u32>,
    pub(crate) table: Option<NonZeroU32>,
    pub(crate) tag: Option<u32>,
}

impl RouteMarks {
    pub(crate) fn of(stored: &[u8]) -> Self {
        let mut marks = Self::default();
        for (tag, value) in Parts(stored) {
            match tag {
                METRIC => marks.metric = short(value),
                TABLE => marks.table = short(value).and_then(NonZeroU32::new),
                TAG => marks.tag = short(value),
                _ => {}
            }
        }
        marks
    }
}

/// The routes beside the access-internal one in a stored form.
pub(crate) fn extra_routes_in(stored: &[u8]) -> impl Iterator<Item = ExtraRoute> + use<'_> {
    let parts = Parts(stored).filter(|(tag, _)| *tag == EXTRA);
    parts.filter_map(|(_, value)| extra(value)).take(EXTRA_ROUTES_MAX)
}

/// Whether stage `route` has decided in a stored form.
pub(crate) fn has_granted_route(stored: &[u8]) -> bool {
    Parts(stored).any(|(tag, _)| tag == GRANTED_ROUTE)
}

/// What the stored form says about the length of leases: read at every renewal, so without allocation.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Limits {
    ends: Option<LeaseTime>,
    lease_secs: Option<u32>,
}

impl Limits {
    pub(crate) fn of(stored: &[u8]) -> Self {
        let mut limits = Self::default();
        for (tag, value) in Parts(stored) {
            match tag {
                ENDS => limits.ends = long(value).map(LeaseTime),
                LEASE => limits.lease_secs = short(value),
                _ => {}
            }
        }
        limits
    }

    /// Whether the service has ended.
    pub(crate) fn is_over(self, now: LeaseTime) -> bool {
        self.ends.is_some_and(|ends| ends <= now)
    }

    /// `secs` from `now`, cut to the end of the service.
    pub(crate) fn within_service(self, secs: u64, now: LeaseTime) -> u64 {
        self.ends.map_or(secs, |ends| secs.min(now.secs_until(ends)))
    }

    /// A lease of `secs`, cut to what is granted: at least a second, also where the time is over.
    pub(crate) fn cut(self, secs: u32, now: LeaseTime) -> u32 {
        let left = self.ends.map(|ends| u32::try_from(now.secs_until(ends)).unwrap_or(u32::MAX - 1));
        [self.lease_secs, left].into_iter().flatten().fold(secs, u32::min).max(1)
    }
}

/// The user name in a stored form; empty for none.
pub(crate) fn username_in(stored: &[u8]) -> &str {
    let mut parts = Parts(stored).filter(|(tag, _)| *tag == USERNAME);
    parts.next().and_then(|(_, name)| core::str::from_utf8(name).ok()).unwrap_or_default()
}

fn short(value: &[u8]) -> Option<u32> {
    value.try_into().ok().map(u32::from_le_bytes)
}

fn long(value: &[u8]) -> Option<u64> {
    value.try_into().ok().map(u64::from_le_bytes)
}

fn put(out: &mut Vec<u8>, tag: u8, value: &[u8]) {
    if let Ok(len) = u16::try_from(value.len()) {
        out.push(tag);
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(value);
    }
}

/// The parts of a stored form, up to where it is torn.
struct Parts<'a>(&'a [u8]);

impl<'a> Iterator for Parts<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (&[tag, low, high], rest) = self.0.split_first_chunk::<3>()?;
        let (value, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes([low, high])))?;
        self.0 = rest;
        Some((tag, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Subscriber {
        Subscriber {
            username: "alice@isp".into(),
            classes: alloc::vec![b"one".as_slice().into(), [0xff, 0].into()],
            follows: Some(SessionId(77)),
            ends: Some(LeaseTime(1_000)),
            interim_secs: Some(600),
            lease_secs: Some(300),
            next_pool: Some("gold".into()),
            next_address: Some(Ipv4Addr::new(10, 1, 2, 3)),
            route: RouteChoice {
                metric: Some(10),
                table: Some(7),
                tag: Some(3),
                extra: alloc::vec![ExtraRoute { network: Ipv4Addr::new(10, 9, 0, 0), len: 24 }],
            },
            granted_route: Some(RouteChoice { metric: Some(5), ..RouteChoice::default() }),
        }
    }

    #[test]
    fn a_subscriber_goes_both_ways() {
        assert_eq!(Subscriber::decode(&full().encode()), full());
        assert!(Subscriber::default().encode().is_empty());
        assert_eq!(username_in(&full().encode()), "alice@isp");
    }

    #[test]
    fn what_is_torn_or_unknown_is_passed_over() {
        let mut bytes = alloc::vec![200, 1, 0, 9];
        bytes.extend_from_slice(&full().encode());
        assert_eq!(Subscriber::decode(&bytes), full());
        for cut in 0..bytes.len() {
            let torn = Subscriber::decode(bytes.get(..cut).unwrap_or_default());
            assert!(torn.username.is_empty() || &*torn.username == "alice@isp");
        }
        assert_eq!(Subscriber::decode(&[ENDS, 1, 0, 1]), Subscriber::default());
    }

    #[test]
    fn routes_are_stored_as_planes_can_take_them() {
        let extra = |last, len| ExtraRoute { network: Ipv4Addr::new(10, 9, 0, last), len };
        let mut subscriber = Subscriber::default();
        subscriber.route.table = Some(0);
        subscriber.route.extra = alloc::vec![extra(7, 24), extra(0, 24), extra(1, 33)];
        subscriber.route.extra.extend((0..20).map(|last| extra(last, 32)));
        let stored = subscriber.encode();
        let read: Vec<_> = extra_routes_in(&stored).collect();
        assert_eq!(read.len(), EXTRA_ROUTES_MAX);
        assert_eq!(read[..2], [extra(0, 24), extra(0, 32)]);
        assert_eq!(RouteMarks::of(&stored), RouteMarks::default());
        assert_eq!(Subscriber::decode(&stored).route.extra, read);
        let marks = RouteMarks { metric: Some(10), table: NonZeroU32::new(7), tag: Some(3) };
        assert_eq!(RouteMarks::of(&full().encode()), marks, "and not those that were granted");
        assert!(has_granted_route(&full().encode()) && !has_granted_route(&stored));
    }

    #[test]
    fn a_lease_is_cut_to_what_is_granted() {
        let limits = Limits::of(&full().encode());
        assert_eq!(limits.cut(86_400, LeaseTime(0)), 300);
        assert_eq!(limits.cut(86_400, LeaseTime(900)), 100);
        assert_eq!(limits.cut(86_400, LeaseTime(2_000)), 1, "the client must come back, not stay for ever");
        assert_eq!(Limits::default().cut(u32::MAX, LeaseTime(5)), u32::MAX);
    }
}
