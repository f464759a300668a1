//! One case each.

extern crate std;
use super::{arena::Pages, deadlines::Deadlines, *};
use crate::record::{
    BindingKey, Bound, DurableState, IdentityRecord, LeaseRecord, Nonce, Role, RouteRecord, StoredSession,
};
use bindery_types::{HwAddr, InstanceId, IpAddr, Ipv4Addr, LeaseTime, MacAddr, SessionId, Xid};
use std::{vec, vec::Vec};

const SCOPE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 0);

fn mac(n: u32) -> HwAddr {
    let [a, b, c, d] = n.to_be_bytes();
    MacAddr([2, 0, a, b, c, d]).into()
}

fn identity(hw: HwAddr, client_id: &[u8]) -> IdentityBuf {
    let mut buf = IdentityBuf::new();
    buf.set(&Identity { hw, client_id, ..Identity::default() }).unwrap();
    buf
}

fn record(id: u64, state: State, host: u8) -> Record {
    Record::new(SessionId(id), InstanceId(0), SCOPE, state, Ipv4Addr::new(10, 0, 0, host))
}

fn table() -> SessionTable {
    SessionTable::new(1)
}

#[test]
fn each_unique_key_is_refused_twice_and_says_who_has_it() {
    let mut t = table();
    let a = t.insert(record(1, State::Bound, 1), &identity(mac(1), b"")).unwrap();
    let insert = |t: &mut SessionTable, r, i: IdentityBuf| t.insert(r, &i);
    assert_eq!(insert(&mut t, record(1, State::Bound, 2), identity(mac(2), b"")), Err(Conflict::Id(a)));
    assert_eq!(insert(&mut t, record(2, State::Bound, 2), identity(mac(1), b"")), Err(Conflict::Client(a)));
    assert_eq!(insert(&mut t, record(2, State::Offered, 1), identity(mac(2), b"")), Err(Conflict::Address(a)));
    // Another subnet, another instance: other clients, though the hardware is the same.
    let mut elsewhere = record(3, State::Bound, 3);
    elsewhere.scope = Ipv4Addr::new(10, 1, 0, 0);
    assert!(insert(&mut t, elsewhere, identity(mac(1), b"")).is_ok());
    let mut vrf = record(4, State::Bound, 1);
    vrf.instance = InstanceId(9);
    assert!(insert(&mut t, vrf, identity(mac(1), b"")).is_ok());
    t.check_invariants();
    assert_eq!(t.by_hw(&mac(1)).count(), 3);
}

#[test]
fn option_61_is_the_key_where_it_is_sent() {
    let mut t = table();
    let a = t.insert(record(1, State::Bound, 1), &identity(mac(1), b"one")).unwrap();
    let b = t.insert(record(2, State::Bound, 2), &identity(mac(1), b"two")).unwrap();
    let c = t.insert(record(3, State::Bound, 3), &identity(mac(1), b"")).unwrap();
    let find = |key: ClientKey<'_>| t.find_by_client(InstanceId(0), SCOPE, &key, Whereabouts::default());
    assert_eq!(find(ClientKey::ClientId(b"one")), Some(a));
    assert_eq!(find(ClientKey::ClientId(b"two")), Some(b));
    assert_eq!(find(ClientKey::Hw(mac(1))), Some(c));
    assert_eq!(find(ClientKey::ClientId(b"three")), None);
    assert_eq!(find(ClientKey::Hw(HwAddr::new(6, mac(1).as_bytes()).unwrap())), None, "another htype");
}

#[test]
fn a_tombstone_keeps_its_client_and_gives_up_its_address() {
    let mut t = table();
    let a = t.insert(record(1, State::Bound, 1), &identity(mac(1), b"")).unwrap();
    t.set_state(a, State::Released).unwrap();
    assert_eq!(t.find_by_address(InstanceId(0), Ipv4Addr::new(10, 0, 0, 1)), None);
    assert_eq!(t.find_by_client(InstanceId(0), SCOPE, &ClientKey::Hw(mac(1)), Whereabouts::default()), Some(a));
    assert_eq!(t.get(a).unwrap().address(), Ipv4Addr::new(10, 0, 0, 1), "to offer it again");
    let b = t.insert(record(2, State::Offered, 1), &identity(mac(2), b"")).unwrap();
    assert_eq!(t.set_state(a, State::Offered), Err(Conflict::Address(b)));
    t.check_invariants();
    t.transition(a, State::Offered, Ipv4Addr::new(10, 0, 0, 2)).unwrap();
    t.check_invariants();
}

#[test]
fn a_quarantine_holds_the_address_and_lets_the_client_begin_anew() {
    let mut t = table();
    let a = t.insert(record(1, State::Bound, 1), &identity(mac(1), b"")).unwrap();
    t.set_state(a, State::Declined).unwrap();
    assert_eq!(t.find_by_address(InstanceId(0), Ipv4Addr::new(10, 0, 0, 1)), Some(a));
    assert_eq!(t.find_by_client(InstanceId(0), SCOPE, &ClientKey::Hw(mac(1)), Whereabouts::default()), None);
    let b = t.insert(record(2, State::Offered, 2), &identity(mac(1), b"")).unwrap();
    assert_eq!(t.set_state(a, State::Bound), Err(Conflict::Client(b)));
    assert_eq!(t.by_hw(&mac(1)).collect::<Vec<_>>(), vec![b, a]);
    t.check_invariants();
}

#[test]
fn a_slot_used_again_is_told_from_its_first_use() {
    let mut t = table();
    let a = t.insert(record(1, State::Bound, 1), &identity(mac(1), b"")).unwrap();
    let first = t.handle(a).unwrap();
    t.schedule(a, LeaseTime(5));
    assert_eq!(t.remove(a).unwrap().id(), SessionId(1));
    assert_eq!((t.remove(a), t.handle(a), t.resolve(first)), (None, None, None));
    assert_eq!(t.next_due(), None, "its deadline went with it");
    let b = t.insert(record(2, State::Bound, 1), &identity(mac(1), b"")).unwrap();
    assert_eq!(a, b);
    assert_eq!(t.resolve(first), None);
    assert_eq!(t.resolve(t.handle(b).unwrap()), Some(b));
    t.check_invariants();
}

#[test]
fn a_generation_wraps() {
    let mut t = table();
    let a = t.insert(record(1, State::Bound, 1), &identity(mac(1), b"")).unwrap();
    t.records.get_mut(a.0).unwrap().generation = u32::MAX;
    let last = t.handle(a).unwrap();
    t.remove(a);
    let b = t.insert(record(2, State::Bound, 1), &identity(mac(1), b"")).unwrap();
    assert_eq!((t.handle(b).unwrap().generation, t.resolve(last)), (0, None));
}

#[test]
fn no_slot_is_not_a_slot() {
    let mut t = table();
    let none = Slot(u32::MAX);
    assert!(t.get(none).is_none() && t.get_mut(none).is_none() && t.remove(none).is_none());
    assert_eq!(t.set_state(none, State::Bound), Err(Conflict::Vacant));
    assert_eq!(t.set_identity(none, &IdentityBuf::new()), Err(Conflict::Vacant));
    t.set_link(none, NameId::EMPTY);
    t.set_nonce(none, None);
    t.schedule(none, LeaseTime(1));
    let mut deadlines = Deadlines::new();
    deadlines.schedule(none, LeaseTime(1));
    deadlines.cancel(none);
    assert_eq!((deadlines.queued(), t.next_due()), (0, None));
    assert_eq!((t.page(u32::MAX, u32::MAX, &mut Vec::new()), t.is_empty()), (None, true));
    t.check_invariants();
}

#[test]
fn a_full_table_says_so_and_recovers() {
    let mut t = SessionTable::with_limit(1, 2);
    t.insert(record(1, State::Bound, 1), &identity(mac(1), b"")).unwrap();
    let b = t.insert(record(2, State::Bound, 2), &identity(mac(2), b"")).unwrap();
    assert_eq!(t.insert(record(3, State::Bound, 3), &identity(mac(3), b"")), Err(Conflict::Full));
    t.check_invariants();
    t.remove(b);
    assert_eq!(t.insert(record(3, State::Bound, 3), &identity(mac(3), b"")), Ok(b));
}

#[test]
fn a_copy_of_another_session_is_not_applied() {
    let mut t = table();
    let a = t.insert(record(1, State::Bound, 1), &identity(mac(1), b"")).unwrap();
    let copy = *t.get(a).unwrap();
    t.remove(a);
    assert_eq!(t.apply(a, &copy), Err(Conflict::Vacant));
    t.insert(record(2, State::Bound, 1), &identity(mac(1), b"")).unwrap();
    assert_eq!(t.apply(a, &copy), Err(Conflict::Vacant));
    t.check_invariants();
}

#[test]
fn pages_hand_over_at_their_ends() {
    let mut t = table();
    let count = 2 * arena::PAGE as u32 + 5;
    for n in 0..count {
        let r =
            Record::new(SessionId(u64::from(n) + 1), InstanceId(0), SCOPE, State::Bound, Ipv4Addr::from_bits(n + 1));
        assert_eq!(t.insert(r, &identity(mac(n), b"")), Ok(Slot(n)));
    }
    for n in (0..count).step_by(3) {
        t.remove(Slot(n));
    }
    t.check_invariants();
    let (mut seen, mut next, mut turns) = (Vec::new(), Some(0), 0);
    while let Some(from) = next {
        next = t.page(from, 256, &mut seen);
        turns += 1;
    }
    assert_eq!(turns, count.div_ceil(256));
    assert_eq!(seen.len() as u32, t.len());
    assert!(seen.is_sorted() && seen.iter().all(|slot| slot.0 % 3 != 0));
    let mut pages: Pages<u8> = Pages::new();
    assert_eq!((pages.push(1), pages.get(1), pages.get(u32::MAX)), (Some(0), None, None));
}

#[test]
fn a_posting_list_goes_on_where_a_page_ended() {
    let mut t = table();
    for n in 0..5u8 {
        t.insert(record(u64::from(n) + 1, State::Bound, n + 1), &identity(mac(7), &[n + 1])).unwrap();
    }
    let all: Vec<Slot> = t.by_hw(&mac(7)).collect();
    assert_eq!(t.by_hw_from(all[2], &mac(7)).collect::<Vec<_>>(), all[2..]);
    t.remove(all[2]);
    assert_eq!(t.by_hw_from(all[2], &mac(7)).count(), 4, "from the first, when its place is gone");
    assert_eq!(t.by_hw(&mac(8)).count(), 0);
    t.remove(all[0]);
    t.remove(all[4]);
    t.check_invariants();
    assert_eq!(t.by_hw(&mac(7)).collect::<Vec<_>>(), vec![all[1], all[3]]);
}

#[test]
fn one_hardware_address_with_many_client_ids_costs_no_more_than_others() {
    let mut t = table();
    for n in 0..30_000u32 {
        let r =
            Record::new(SessionId(u64::from(n) + 1), InstanceId(0), SCOPE, State::Bound, Ipv4Addr::from_bits(n + 1));
        t.insert(r, &identity(mac(1), &n.to_be_bytes())).unwrap();
    }
    assert_eq!(t.hw.len(), 1);
    for n in 0..30_000u32 {
        t.remove(Slot(n));
    }
    assert_eq!((t.hw.len(), t.len()), (0, 0));
    t.check_invariants();
}

#[test]
fn the_seed_chooses_the_hashes() {
    let hash = |seed| index::Hashes::new(seed).client(InstanceId(0), SCOPE, &ClientKey::ClientId(b"one"));
    assert_eq!(hash(1), hash(1));
    assert_ne!(hash(1), hash(2));
}

#[test]
fn identities_come_back_as_they_were() {
    let long = vec![7u8; 70_000];
    for len in [0, 1, 254, 255, 256, 65_535] {
        let given = Identity {
            hw: HwAddr::new(1, &[9; 16]).unwrap(),
            client_id: &long[..len],
            relay_info: b"\x01\x04port",
            vendor_class: &long[..len],
            host_name: b"cpe",
            subscriber: &long[..len / 2],
        };
        let mut buf = IdentityBuf::new();
        buf.set(&given).unwrap();
        assert_eq!(buf.view(), given, "{len}");
    }
    let mut buf = identity(mac(1), b"x");
    assert_eq!(buf.set(&Identity { client_id: &long, ..Identity::default() }), Err(TooLong));
    assert_eq!(buf.view(), Identity::default(), "empty after an error");
}

#[test]
fn cut_identities_read_as_empty_parts() {
    let buf = identity(mac(1), &[7; 300]);
    let whole = buf.as_bytes();
    for end in 0..whole.len() {
        let cut = Identity::read(&whole[..end]);
        assert!(cut.client_id.len() <= 300 && cut.host_name.is_empty());
    }
}

#[test]
fn the_same_identity_is_not_stored_again_and_keeps_the_nonce() {
    let mut t = table();
    let a = t.insert(record(1, State::Bound, 1), &identity(mac(1), b"")).unwrap();
    let (one, two) = (Nonce { value: [1; 16], replay: 1 }, Nonce { value: [2; 16], replay: u64::MAX });
    t.set_nonce(a, Some(one));
    assert_eq!(t.set_identity(a, &identity(mac(1), b"")), Ok(false));
    t.set_nonce(a, Some(two));
    assert_eq!((t.nonce(a), t.identity(a).unwrap().hw), (Some(two), mac(1)));
    assert_eq!(t.set_identity(a, &identity(mac(2), b"new")), Ok(true));
    assert_eq!((t.nonce(a), t.identity(a).unwrap().client_id), (Some(two), &b"new"[..]));
    assert_eq!(t.find_by_client(InstanceId(0), SCOPE, &ClientKey::Hw(mac(1)), Whereabouts::default()), None);
    assert_eq!((t.by_hw(&mac(1)).count(), t.by_hw(&mac(2)).count()), (0, 1));
    t.set_nonce(a, None);
    assert_eq!(t.nonce(a), None);
    t.check_invariants();
}

#[test]
fn a_changed_client_key_cannot_take_anothers() {
    let mut t = table();
    let a = t.insert(record(1, State::Bound, 1), &identity(mac(1), b"")).unwrap();
    let b = t.insert(record(2, State::Bound, 2), &identity(mac(2), b"")).unwrap();
    assert_eq!(t.set_identity(b, &identity(mac(1), b"")), Err(Conflict::Client(a)));
    assert_eq!(t.identity(b).unwrap().hw, mac(2));
    t.check_invariants();
}

fn stored(state: DurableState) -> StoredSession {
    let lease = LeaseRecord {
        ahead: 0,
        key: BindingKey { session: SessionId(77), index: 3 },
        instance: InstanceId(2),
        role: Role::Monitor,
        state,
        flags: 0x8001,
        bound: Bound::V4Address(Ipv4Addr::new(10, 0, 0, 9)),
        scope: IpAddr::V4(SCOPE),
        server_id: Ipv4Addr::new(10, 0, 0, 1),
        giaddr: Ipv4Addr::new(10, 0, 0, 2),
        start: LeaseTime(1),
        end: LeaseTime::NEVER,
        cltt: LeaseTime(3),
        changed: LeaseTime(4),
        change: 5,
        xid: Xid(6),
        route: RouteRecord::Link { src: Ipv4Addr::new(10, 0, 0, 1), neighbour: true },
        nonce: Some(Nonce { value: [8; 16], replay: 9 }),
        reconfigure_due: None,
    };
    let identity = IdentityRecord {
        hw: mac(1),
        client_id: b"one"[..].into(),
        relay_info: b"\x01\x02ab"[..].into(),
        vendor_class: b"class"[..].into(),
        host_name: b"cpe"[..].into(),
        subscriber: b"\x01\x03\x00bob"[..].into(),
        interface: "eth1".into(),
        group: "residential".into(),
        pool: "res-v4".into(),
        instance: "red".into(),
    };
    StoredSession { lease, identity }
}

#[test]
fn what_the_database_keeps_goes_both_ways() {
    use DurableState::{Bound, Cleared, Declined, Expired, Released};
    for state in [Bound, Released, Expired, Cleared, Declined] {
        let (mut t, mut names) = (table(), Names::new(1));
        let given = stored(state);
        let slot = t.insert_stored(&given, given.lease.instance, &mut names).unwrap();
        t.check_invariants();
        assert_eq!(t.lease_record(slot), Some(given.lease));
        assert_eq!(t.identity_record(slot, "red", &names), Some(given.identity));
        assert_eq!(t.get(slot).unwrap().lease_record(None, None), Some(LeaseRecord { nonce: None, ..given.lease }));
    }
}

#[test]
fn an_offer_is_in_no_database_and_a_conflict_is_left_out() {
    let (mut t, mut names) = (table(), Names::new(1));
    let offer = t.insert(record(1, State::Offered, 1), &identity(mac(2), b"")).unwrap();
    assert_eq!(t.lease_record(offer), None);
    let first = t.insert_stored(&stored(DurableState::Bound), InstanceId(0), &mut names).unwrap();
    let mut second = stored(DurableState::Bound);
    second.lease.key.session = SessionId(78);
    second.identity.client_id = b"two"[..].into();
    assert_eq!(
        t.insert_stored(&second, InstanceId(0), &mut names),
        Err(RestoreError::Conflict(Conflict::Address(first)))
    );
    second.lease.scope = IpAddr::V6(bindery_types::Ipv6Addr::LOCALHOST);
    assert_eq!(t.insert_stored(&second, InstanceId(0), &mut names), Err(RestoreError::Family));
    let mut third = stored(DurableState::Released);
    third.identity.relay_info = vec![0; 65_536].into();
    assert_eq!(t.insert_stored(&third, InstanceId(0), &mut names), Err(RestoreError::TooLong));
    assert_eq!(t.len(), 2);
    t.check_invariants();
}

#[test]
fn names_are_kept_once() {
    let mut names = Names::new(1);
    let a = names.intern("eth1");
    assert_eq!((names.intern("eth1"), names.find("eth1"), names.name(a)), (a, Some(a), "eth1"));
    assert_eq!((names.intern(""), names.find("eth2")), (NameId::EMPTY, None));
    for n in 0..2000 {
        names.intern(&std::format!("eth1.{n}"));
    }
    assert_eq!((names.find("eth1.1999").map(|id| names.name(id)), names.len()), (Some("eth1.1999"), 2002));
    assert_eq!(Names::new(1).name(a), "", "an id of other names");
}

#[test]
fn deadlines_come_in_order_and_once() {
    let mut d = Deadlines::new();
    d.schedule(Slot(3), LeaseTime(30));
    d.schedule(Slot(5000), LeaseTime(10));
    d.schedule(Slot(1), LeaseTime(30));
    d.schedule(Slot(2), LeaseTime::NEVER);
    d.schedule(Slot(3), LeaseTime(30));
    d.check_invariants();
    assert_eq!((d.next_due(), d.queued(), d.of(Slot(2))), (Some(LeaseTime(10)), 3, None));
    assert_eq!(d.pop_due(LeaseTime(9)), None);
    assert_eq!(d.pop_due(LeaseTime(10)), Some(Slot(5000)));
    assert_eq!(d.pop_due(LeaseTime(29)), None);
    assert_eq!([(); 3].map(|()| d.pop_due(LeaseTime(99))), [Some(Slot(3)), Some(Slot(1)), None]);
    d.check_invariants();
}

#[test]
fn a_later_deadline_leaves_the_entry_and_an_earlier_one_moves_it() {
    let mut d = Deadlines::new();
    d.schedule(Slot(1), LeaseTime(50));
    d.schedule(Slot(1), LeaseTime(60));
    d.schedule(Slot(1), LeaseTime::NEVER);
    assert_eq!(d.of(Slot(1)), Some(LeaseTime(50)));
    d.schedule(Slot(1), LeaseTime(40));
    assert_eq!((d.of(Slot(1)), d.queued(), d.next_due()), (Some(LeaseTime(40)), 1, Some(LeaseTime(40))));
    assert_eq!(d.pop_due(LeaseTime(40)), Some(Slot(1)));
    d.schedule(Slot(1), LeaseTime(60));
    assert_eq!(d.of(Slot(1)), Some(LeaseTime(60)), "queued again");
    d.cancel(Slot(1));
    d.cancel(Slot(1));
    assert_eq!((d.queued(), d.next_due()), (0, None));
}

#[test]
fn cancelling_any_of_one_second_leaves_the_others() {
    for cancelled in 0..4 {
        let mut d = Deadlines::new();
        (0..4).for_each(|n| d.schedule(Slot(n), LeaseTime(7)));
        d.cancel(Slot(cancelled));
        d.check_invariants();
        let popped: Vec<Slot> = core::iter::from_fn(|| d.pop_due(LeaseTime(7))).collect();
        assert_eq!(popped, (0..4).filter(|n| *n != cancelled).map(Slot).collect::<Vec<_>>());
    }
}

#[test]
fn a_hundred_thousand_sessions_stay_within_four_hundred_bytes_each() {
    let mut t = table();
    let (count, mut buf) = (100_000u32, IdentityBuf::new());
    for n in 0..count {
        let (hw, id) = (mac(n), n.to_be_bytes());
        let parts = Identity {
            hw,
            client_id: &id,
            relay_info: &[82; 32],
            vendor_class: &[60; 16],
            host_name: &[12; 12],
            subscriber: &[],
        };
        buf.set(&parts).unwrap();
        let r =
            Record::new(SessionId(u64::from(n) + 1), InstanceId(0), SCOPE, State::Bound, Ipv4Addr::from_bits(n + 1));
        let slot = t.insert(r, &buf).unwrap();
        // Every entry in a second of its own is the worst case for the map.
        t.schedule(slot, LeaseTime(u64::from(n)));
    }
    let each = t.memory().total() / count as usize;
    assert!(each <= 400, "{each} bytes: {:?}", t.memory());
}
