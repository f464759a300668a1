//! `delay-offer`: DISCOVERs that are held back, so that another server can win (junos.md §2.4).
//!
//! What is held back is the packet: no address, no session, no question to an authority. When its time is over it is
//! taken up as if it had just come. What the client sends meanwhile decides: another DISCOVER takes the place of the
//! first and leaves earlier or later by nothing; a REQUEST withdraws it, for the client has found a server.

use crate::{input::RxMeta, session::ClientKey};
use alloc::{boxed::Box, collections::BTreeMap, vec::Vec};
use bindery_types::{InstanceId, Mono};
use bindery_wire::v4::{OptionCode, Packet, RelayAgentInformation};
use hashbrown::HashMap;

/// Most DISCOVERs held back at once. When it is full, a further one is dropped as `overload`: the client sends another.
pub(crate) const DELAYS_MAX: usize = 4_096;

/// `delay-offer` of an overrides block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DelayOffer {
    /// `delay-time`: how long an OFFER is held back, seconds, 1 to 30.
    pub secs: u8,
    /// `based-on`: those whose DISCOVER matches one of these are held back; all of them where it is empty.
    pub based_on: Vec<OptionFilter>,
}

impl DelayOffer {
    /// Whether the offer to this client is held back.
    pub(crate) fn holds(&self, packet: &Packet<'_>) -> bool {
        self.based_on.is_empty() || self.based_on.iter().any(|filter| filter.matches(packet))
    }
}

/// Values of one option. Of option 82 a value is matched by the whole, by the circuit id, or by the remote id; of
/// option 77 by the whole, or by one of its user classes (RFC 3004 §4). An option that is absent matches nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionFilter {
    /// Whose value is looked at: 60, 77 or 82.
    pub code: OptionCode,
    /// How.
    pub test: FilterTest,
    /// The values; one of them is enough, and for [`FilterTest::NotEquals`] none may be equal.
    pub values: Vec<Box<[u8]>>,
}

/// How an option is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterTest {
    /// `equals`.
    Equals,
    /// `not-equals`.
    NotEquals,
    /// `starts-with`.
    StartsWith,
}

impl OptionFilter {
    fn matches(&self, packet: &Packet<'_>) -> bool {
        let Some(value) = packet.option(self.code) else { return false };
        let one = |part: &[u8]| match self.test {
            FilterTest::StartsWith => self.values.iter().any(|start| part.starts_with(start)),
            FilterTest::Equals | FilterTest::NotEquals => self.values.iter().any(|wanted| **wanted == *part),
        };
        let found = one(&value) || self.parts(&value).any(one);
        found != (self.test == FilterTest::NotEquals)
    }

    /// What an option is made of.
    fn parts<'a>(&self, value: &'a [u8]) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let info =
            RelayAgentInformation::new(if self.code == OptionCode::RELAY_AGENT_INFORMATION { value } else { &[] });
        let ids = [info.circuit_id(), info.remote_id()].into_iter().flatten();
        let classes = if self.code == OptionCode::USER_CLASS { value } else { &[] };
        ids.chain(UserClasses(classes))
    }
}

/// The instances of option 77, each with its length before it; what is cut short ends it.
struct UserClasses<'a>(&'a [u8]);

impl<'a> Iterator for UserClasses<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (len, rest) = self.0.split_first()?;
        let (class, rest) = rest.split_at_checked(usize::from(*len))?;
        self.0 = rest;
        Some(class)
    }
}

/// A DISCOVER that is held back.
#[derive(Debug)]
pub(crate) struct Delayed {
    pub(crate) meta: RxMeta,
    pub(crate) bytes: Box<[u8]>,
    key: Key,
}

type Key = (InstanceId, Box<[u8]>);

/// All that are held back. One for a client.
#[derive(Debug, Default)]
pub(crate) struct Delays {
    by_time: BTreeMap<(Mono, u64), Delayed>,
    by_client: HashMap<Key, (Mono, u64), foldhash::fast::FixedState>,
    count: u64,
}

impl Delays {
    /// Holds a DISCOVER back until `due`, or the client's one that waits already takes these bytes until its own time.
    /// Whether it is the first one; `None`: there is no room.
    pub(crate) fn hold(
        &mut self,
        (instance, client): (InstanceId, &ClientKey<'_>),
        due: Mono,
        meta: RxMeta,
        bytes: &[u8],
    ) -> Option<bool> {
        let key = key_of(instance, client);
        if let Some(at) = self.by_client.get(&key)
            && let Some(waits) = self.by_time.get_mut(at)
        {
            waits.meta = meta;
            waits.bytes = bytes.into();
            return Some(false);
        }
        if self.by_time.len() >= DELAYS_MAX {
            return None;
        }
        self.count += 1;
        let at = (due, self.count);
        self.by_client.insert(key.clone(), at);
        self.by_time.insert(at, Delayed { meta, bytes: bytes.into(), key });
        Some(true)
    }

    /// The client has found a server; whether one of its DISCOVERs was held back.
    pub(crate) fn withdraw(&mut self, instance: InstanceId, client: &ClientKey<'_>) -> bool {
        let at = self.by_client.remove(&key_of(instance, client));
        at.is_some_and(|at| self.by_time.remove(&at).is_some())
    }

    /// Takes one whose time is over.
    pub(crate) fn take_due(&mut self, now: Mono) -> Option<Delayed> {
        let first = self.by_time.first_entry().filter(|entry| entry.key().0 <= now)?;
        let delayed = first.remove();
        self.by_client.remove(&delayed.key);
        Some(delayed)
    }

    /// When the next one is due.
    pub(crate) fn next_due(&self) -> Option<Mono> {
        self.by_time.first_key_value().map(|(at, _)| at.0)
    }

    /// How many are held back.
    pub(crate) fn len(&self) -> usize {
        self.by_time.len()
    }

    /// Panics where the two tables differ.
    pub(crate) fn check_invariants(&self) {
        assert!(self.by_time.len() <= DELAYS_MAX);
        assert_eq!(self.by_time.len(), self.by_client.len());
        assert!(self.by_client.values().all(|at| self.by_time.contains_key(at)));
    }
}

fn key_of(instance: InstanceId, client: &ClientKey<'_>) -> Key {
    let mut bytes = Vec::new();
    match client {
        ClientKey::ClientId(id) => {
            bytes.push(0);
            bytes.extend_from_slice(id);
        }
        ClientKey::Hw(hw) => {
            bytes.extend_from_slice(&[1, hw.htype]);
            bytes.extend_from_slice(hw.as_bytes());
        }
    }
    (instance, bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use bindery_types::{HwAddr, IfIndex, Ipv4Addr, MacAddr};
    use bindery_wire::v4::{MessageBuilder, ParseRules};

    fn matches(test: FilterTest, code: OptionCode, values: &[&[u8]], message: MessageBuilder) -> bool {
        let values = values.iter().map(|value| Box::from(*value)).collect();
        let bytes = message.build();
        OptionFilter { code, test, values }.matches(&Packet::parse(&bytes, ParseRules::default()).unwrap())
    }

    #[test]
    fn filters() {
        use FilterTest::{Equals, NotEquals, StartsWith};
        let message = || MessageBuilder::discover(MacAddr([2, 0, 0, 0, 0, 1]));
        let class = |value: &[u8]| message().option(OptionCode::VENDOR_CLASS, value);
        let (vendor, user, relay) = (OptionCode::VENDOR_CLASS, OptionCode::USER_CLASS, OptionCode(82));
        assert!(matches(Equals, vendor, &[b"a", b"docsis"], class(b"docsis")));
        assert!(!matches(Equals, vendor, &[b"docs"], class(b"docsis")));
        assert!(matches(StartsWith, vendor, &[b"docs"], class(b"docsis")));
        assert!(matches(NotEquals, vendor, &[b"docs"], class(b"docsis")));
        assert!(!matches(NotEquals, vendor, &[b"docs", b"docsis"], class(b"docsis")));
        for test in [Equals, NotEquals, StartsWith] {
            assert!(!matches(test, vendor, &[b"docs"], message()), "absent: {test:?}");
        }
        let users = || message().option(user, &[2, b'a', b'b', 1, b'c', 9]);
        assert!(matches(Equals, user, &[b"c"], users()));
        assert!(matches(StartsWith, user, &[b"a"], users()));
        assert!(!matches(Equals, user, &[b"b"], users()));
        let info = || message().option(relay, &[1, 3, b'p', b'/', b'1', 2, 1, b'r']);
        assert!(matches(Equals, relay, &[b"p/1"], info()));
        assert!(matches(StartsWith, relay, &[b"p/"], info()));
        assert!(matches(Equals, relay, &[b"r"], info()));
        assert!(matches(Equals, relay, &[&[1, 3, b'p', b'/', b'1', 2, 1, b'r']], info()));
        assert!(!matches(NotEquals, relay, &[b"r"], info()));
    }

    #[test]
    fn one_for_a_client_and_a_bound() {
        let meta = RxMeta {
            link: IfIndex(1),
            src: Ipv4Addr::UNSPECIFIED,
            src_port: 68,
            dst: Ipv4Addr::BROADCAST,
            src_mac: None,
        };
        let mut delays = Delays::default();
        let due = |secs| Mono::from_secs(secs);
        let client = |n: u16| vec![0, 0, (n >> 8) as u8, n as u8];
        let hold = |delays: &mut Delays, n: u16, at| {
            delays.hold((InstanceId(0), &ClientKey::ClientId(&client(n))), due(at), meta, &[n as u8])
        };
        assert_eq!(hold(&mut delays, 1, 5), Some(true));
        assert_eq!(hold(&mut delays, 1, 9), Some(false), "the first one's time stays");
        assert_eq!(delays.hold((InstanceId(1), &ClientKey::ClientId(&client(1))), due(7), meta, &[]), Some(true));
        assert!(!delays.withdraw(InstanceId(0), &ClientKey::Hw(HwAddr::default())));
        assert_eq!(delays.next_due(), Some(due(5)));
        assert!(delays.take_due(due(4)).is_none());
        assert_eq!(&*delays.take_due(due(5)).unwrap().bytes, [1]);
        assert!(delays.withdraw(InstanceId(1), &ClientKey::ClientId(&client(1))));
        assert_eq!(delays.len(), 0);
        for n in 0..DELAYS_MAX as u16 {
            assert_eq!(hold(&mut delays, n, 5), Some(true));
        }
        assert_eq!(hold(&mut delays, u16::MAX, 5), None);
        delays.check_invariants();
    }
}
