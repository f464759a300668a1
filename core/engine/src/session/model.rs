//! The table against a model that looks at every session for every answer.

extern crate std;
use super::*;
use crate::record::Nonce;
use bindery_types::{HwAddr, InstanceId, Ipv4Addr, LeaseTime, SessionId, Xid};
use proptest::prelude::*;
use std::{collections::BTreeMap, vec::Vec};

const ADDRESSES: u32 = 8;
const LINKS: [&str; 3] = ["", "eth1", "eth1.42"];

/// Who a client of the model is: both parts are small, so that keys collide often.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Who {
    hw: u8,
    /// 0 for no option 61; sizes differ with it, over the one-byte length too.
    client_id: u8,
}

impl Who {
    fn hw(self) -> HwAddr {
        HwAddr::new(1 + self.hw % 2, &[2, 0, 0, 0, 0, self.hw]).unwrap()
    }

    fn client_id(self) -> Vec<u8> {
        std::vec![self.client_id; usize::from(self.client_id) * 127]
    }

    fn buf(self) -> IdentityBuf {
        let mut buf = IdentityBuf::new();
        let client_id = self.client_id();
        buf.set(&Identity { hw: self.hw(), client_id: &client_id, host_name: b"cpe", ..Identity::default() }).unwrap();
        buf
    }

    fn same_key(self, other: Self) -> bool {
        if self.client_id == 0 && other.client_id == 0 {
            self.hw == other.hw
        } else {
            self.client_id == other.client_id
        }
    }
}

#[derive(Clone, Debug)]
enum Op {
    Insert { id: u64, instance: u16, scope: u8, who: Who, state: State, address: u32, link: usize },
    Remove { id: u64 },
    Transition { id: u64, state: State, address: u32 },
    Apply { id: u64, state: State, address: u32, link: usize, xid: u32 },
    SetIdentity { id: u64, who: Who },
    SetLink { id: u64, link: usize },
    SetNonce { id: u64, replay: Option<u64> },
    Schedule { id: u64, at: u64 },
    PopDue { now: u64 },
}

fn who() -> impl Strategy<Value = Who> {
    (0..4u8, 0..4u8).prop_map(|(hw, client_id)| Who { hw, client_id })
}

fn op() -> impl Strategy<Value = Op> {
    let id = || 1..24u64;
    let state = || prop::sample::select(&State::ALL[..]);
    let address = || 0..ADDRESSES;
    let link = || 0..LINKS.len();
    prop_oneof![
        6 => (id(), 0..2u16, 0..2u8, who(), state(), address(), link()).prop_map(
            |(id, instance, scope, who, state, address, link)| Op::Insert { id, instance, scope, who, state, address, link }
        ),
        2 => id().prop_map(|id| Op::Remove { id }),
        4 => (id(), state(), address()).prop_map(|(id, state, address)| Op::Transition { id, state, address }),
        2 => (id(), state(), address(), link(), any::<u32>())
            .prop_map(|(id, state, address, link, xid)| Op::Apply { id, state, address, link, xid }),
        2 => (id(), who()).prop_map(|(id, who)| Op::SetIdentity { id, who }),
        1 => (id(), link()).prop_map(|(id, link)| Op::SetLink { id, link }),
        1 => (id(), prop::option::of(any::<u64>())).prop_map(|(id, replay)| Op::SetNonce { id, replay }),
        3 => (id(), prop_oneof![0..50u64, Just(u64::MAX)]).prop_map(|(id, at)| Op::Schedule { id, at }),
        2 => (0..50u64).prop_map(|now| Op::PopDue { now }),
    ]
}

/// A session of the model.
#[derive(Clone, Debug)]
struct Session {
    slot: SlotRef,
    instance: u16,
    scope: u8,
    who: Who,
    state: State,
    address: u32,
    link: usize,
    nonce: Option<u64>,
    xid: u32,
    due: Option<u64>,
}

impl Session {
    fn holds(&self) -> bool {
        matches!(self.state, State::Offered | State::Bound | State::Declined) && self.address != 0
    }
}

fn ip(address: u32) -> Ipv4Addr {
    if address == 0 { Ipv4Addr::UNSPECIFIED } else { Ipv4Addr::from_bits(0x0a00_0000 + address) }
}

fn scope(scope: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, scope, 0, 0)
}

/// Table and model side by side.
struct Pair {
    table: SessionTable,
    names: Names,
    model: BTreeMap<u64, Session>,
    gone: Vec<SlotRef>,
}

impl Pair {
    /// With `collide`, many keys have the same hash.
    fn new(collide: bool) -> Self {
        let mut table = SessionTable::new(7);
        if collide {
            table.hashes.mask = 1;
        }
        Self { table, names: Names::new(7), model: BTreeMap::new(), gone: Vec::new() }
    }

    /// Whether the model has room for `session` as session `id`.
    fn fits(&self, id: u64, session: &Session) -> bool {
        self.model.iter().filter(|(other, _)| **other != id).all(|(_, other)| {
            let same_client = other.instance == session.instance
                && other.scope == session.scope
                && other.who.same_key(session.who)
                && other.state != State::Declined
                && session.state != State::Declined;
            let same_address = other.instance == session.instance
                && other.address == session.address
                && other.holds()
                && session.holds();
            !same_client && !same_address
        })
    }

    fn insert(&mut self, id: u64, mut session: Session) {
        let link = self.names.intern(LINKS[session.link]);
        let record = Record::new(
            SessionId(id),
            InstanceId(session.instance),
            scope(session.scope),
            session.state,
            ip(session.address),
        )
        .on_link(link);
        let fits = !self.model.contains_key(&id) && self.fits(id, &session);
        let result = self.table.insert(record, &session.who.buf());
        assert_eq!(result.is_ok(), fits, "{result:?}");
        if let Ok(slot) = result {
            session.slot = self.table.handle(slot).unwrap();
            self.model.insert(id, session);
        }
    }

    /// Changes a session where the model allows it; returns what the table has to say.
    fn change(&mut self, id: u64, change: impl FnOnce(&mut Session)) -> Option<(Slot, bool)> {
        let mut session = self.model.get(&id)?.clone();
        change(&mut session);
        let fits = self.fits(id, &session);
        let slot = session.slot.slot;
        if fits {
            self.model.insert(id, session);
        }
        Some((slot, fits))
    }

    fn step(&mut self, op: Op) {
        match op {
            Op::Insert { id, instance, scope, who, state, address, link } => {
                let slot = SlotRef { slot: Slot(0), generation: 0 };
                let session =
                    Session { slot, instance, scope, who, state, address, link, nonce: None, xid: 0, due: None };
                self.insert(id, session);
            }
            Op::Remove { id } => {
                if let Some(session) = self.model.remove(&id) {
                    let removed = self.table.remove(session.slot.slot).unwrap();
                    assert_eq!(removed.id(), SessionId(id));
                    self.gone.push(session.slot);
                }
            }
            Op::Transition { id, state, address } => {
                let change = self.change(id, |session| (session.state, session.address) = (state, address));
                if let Some((slot, fits)) = change {
                    assert_eq!(self.table.transition(slot, state, ip(address)).is_ok(), fits);
                }
            }
            Op::Apply { id, state, address, link, xid } => {
                let change = self.change(id, |session| {
                    (session.state, session.address, session.link, session.xid) = (state, address, link, xid);
                });
                if let Some((slot, fits)) = change {
                    let link = self.names.intern(LINKS[link]);
                    let record = *self.table.get(slot).unwrap();
                    let mut after = record.in_state(state).with_address(ip(address)).on_link(link);
                    after.xid = Xid(xid);
                    assert_eq!(self.table.apply(slot, &after).is_ok(), fits);
                }
            }
            Op::SetIdentity { id, who } => {
                let before = self.model.get(&id).map(|session| session.who);
                if let Some((slot, fits)) = self.change(id, |session| session.who = who) {
                    let result = self.table.set_identity(slot, &who.buf());
                    assert_eq!(result.is_ok(), fits, "{result:?}");
                    assert!(!fits || result == Ok(before != Some(who)));
                }
            }
            Op::SetLink { id, link } => {
                if let Some((slot, _)) = self.change(id, |session| session.link = link) {
                    let link = self.names.intern(LINKS[link]);
                    self.table.set_link(slot, link);
                }
            }
            Op::SetNonce { id, replay } => {
                if let Some((slot, _)) = self.change(id, |session| session.nonce = replay) {
                    self.table.set_nonce(slot, replay.map(nonce));
                }
            }
            Op::Schedule { id, at } => {
                let sooner = |due: Option<u64>| {
                    if at == u64::MAX { due } else { Some(due.map_or(at, |due| due.min(at))) }
                };
                if let Some((slot, _)) = self.change(id, |session| session.due = sooner(session.due)) {
                    self.table.schedule(slot, LeaseTime(at));
                }
            }
            Op::PopDue { now } => self.pop_due(now),
        }
    }

    fn pop_due(&mut self, now: u64) {
        let first = self.model.values().filter_map(|session| session.due).min();
        assert_eq!(self.table.next_due(), first.map(LeaseTime));
        let popped = self.table.pop_due(LeaseTime(now));
        assert_eq!(popped.is_some(), first.is_some_and(|first| first <= now));
        if let Some(slot) = popped {
            let id = self.table.get(slot).unwrap().id().0;
            let session = self.model.get_mut(&id).unwrap();
            assert_eq!(session.due.take(), first, "not the one that is due first");
        }
    }

    /// Every answer of the table against the model.
    fn compare(&self) {
        self.table.check_invariants();
        assert_eq!(self.table.len() as usize, self.model.len());
        for id in 0..26 {
            let expected = self.model.get(&id).map(|session| session.slot.slot);
            assert_eq!(self.table.find_by_id(SessionId(id)), expected);
        }
        for (id, session) in &self.model {
            let slot = self.table.resolve(session.slot).expect("a handle that does not hold");
            let record = self.table.get(slot).unwrap();
            assert_eq!((record.id().0, record.state(), record.address()), (*id, session.state, ip(session.address)));
            assert_eq!(record.xid.0, session.xid);
            assert_eq!(self.names.name(record.link()), LINKS[session.link]);
            assert_eq!(self.table.nonce(slot), session.nonce.map(nonce));
            assert!(self.table.same_identity(slot, &session.who.buf()));
            assert_eq!(self.table.deadlines().of(slot), session.due.map(LeaseTime));
        }
        assert!(self.gone.iter().all(|handle| self.table.resolve(*handle).is_none()), "a stale handle holds");
        self.compare_keys();
    }

    fn compare_keys(&self) {
        let slot_where = |is_it: &dyn Fn(&Session) -> bool| {
            self.model.values().find(|session| is_it(session)).map(|session| session.slot.slot)
        };
        for instance in 0..2u16 {
            for address in 0..ADDRESSES {
                let expected = slot_where(&|s| s.instance == instance && s.address == address && s.holds());
                assert_eq!(self.table.find_by_address(InstanceId(instance), ip(address)), expected);
            }
            for (which, hw, client_id) in (0..2).flat_map(|s| (0..4).flat_map(move |h| (0..4).map(move |c| (s, h, c))))
            {
                let who = Who { hw, client_id };
                let expected = slot_where(&|s| {
                    s.instance == instance && s.scope == which && s.who.same_key(who) && s.state != State::Declined
                });
                let bytes = who.client_id();
                let key = ClientKey::new(&bytes, who.hw());
                assert_eq!(
                    self.table.find_by_client(InstanceId(instance), scope(which), &key, Whereabouts::default()),
                    expected
                );
            }
        }
        for hw in (0..4).map(|hw| Who { hw, client_id: 0 }) {
            let mut found: Vec<Slot> = self.table.by_hw(&hw.hw()).collect();
            let mut expected: Vec<Slot> =
                self.model.values().filter(|s| s.who.hw == hw.hw).map(|s| s.slot.slot).collect();
            found.sort();
            expected.sort();
            assert_eq!(found, expected, "sessions of {}", hw.hw());
        }
        let mut holders: Vec<_> = self.table.holders().map(|(instance, address, _)| (instance, address)).collect();
        let holding = self.model.values().filter(|s| s.holds());
        let mut expected: Vec<_> = holding.map(|s| (InstanceId(s.instance), ip(s.address))).collect();
        holders.sort();
        expected.sort();
        assert_eq!(holders, expected);
        for state in State::ALL {
            let expected = self.model.values().filter(|s| s.state == state).count();
            assert_eq!(self.table.count_of(state) as usize, expected);
        }
        for (index, link) in LINKS.iter().enumerate() {
            let live = |s: &&Session| s.link == index && matches!(s.state, State::Offered | State::Bound);
            let expected = self.model.values().filter(live).count();
            let counted = self.names.find(link).map_or(0, |link| self.table.live_on_link(link));
            assert_eq!(counted as usize, expected);
        }
    }
}

fn nonce(replay: u64) -> Nonce {
    Nonce { value: [replay as u8; 16], replay }
}

proptest! {
    #[test]
    fn the_table_answers_as_a_model_does(collide in any::<bool>(), ops in prop::collection::vec(op(), 1..120)) {
        let mut pair = Pair::new(collide);
        for op in ops {
            pair.step(op);
            pair.compare();
        }
    }
}
