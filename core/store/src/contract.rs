//! The contract of a [`Storage`], as a suite that every backend runs.
//!
//! A backend's test calls [`check`] with a [`Bench`]; a broken promise panics with its name.

use crate::{Storage, load_all};
use bindery_engine::{
    output::StoreOp,
    record::{
        BindingKey, Bound, DurableState, IdentityRecord, LeaseRecord, MetaRecord, Nonce, Role, RouteRecord,
        StoredSession,
    },
};
use bindery_types::{EngineId, HwAddr, InstanceId, IpAddr, Ipv4Addr, Ipv6Addr, LeaseTime, SessionId, Wall, Xid};

/// How the suite gets at a backend.
pub trait Bench {
    /// A new, empty database.
    fn fresh(&mut self) -> Box<dyn Storage>;
    /// Ends the use of `storage` as a process that stops does, and opens the same database anew.
    fn restart(&mut self, storage: Box<dyn Storage>) -> Box<dyn Storage>;
}

/// Runs the whole suite.
///
/// # Panics
/// When the backend breaks the contract.
pub fn check(bench: &mut dyn Bench) {
    starts_empty(bench);
    keeps_every_field(bench);
    overwrites_and_deletes(bench);
    leaves_the_identity(bench);
    last_operation_counts(bench);
    refuses_a_lease_without_identity(bench);
    keeps_order_and_engines(bench);
    keeps_many(bench, 100_000);
}

/// A lease of an ordinary DHCPv4 client: session `count` of engine 0.
pub fn lease(count: u64, change: u64) -> LeaseRecord {
    LeaseRecord {
        key: BindingKey { session: SessionId::new(EngineId(0), count), index: 0 },
        instance: InstanceId(0),
        role: Role::Server,
        state: DurableState::Bound,
        flags: 0,
        bound: Bound::V4Address(Ipv4Addr::from_bits(0x0a00_0000 + count as u32)),
        scope: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 0)),
        server_id: Ipv4Addr::new(10, 0, 0, 1),
        giaddr: Ipv4Addr::UNSPECIFIED,
        start: LeaseTime(1_800_000_000),
        end: LeaseTime(1_800_003_600u64.saturating_add(change)),
        ahead: (change % 3 * 1_800) as u32,
        cltt: LeaseTime(1_800_000_000u64.saturating_add(change)),
        changed: LeaseTime(1_800_000_000),
        change,
        xid: Xid(change as u32),
        route: RouteRecord::Link { src: Ipv4Addr::new(10, 0, 0, 1), neighbour: true },
        nonce: None,
        reconfigure_due: None,
    }
}

/// The identity that goes with [`lease`].
pub fn identity(count: u64) -> IdentityRecord {
    let [.., a, b, c, d] = count.to_be_bytes();
    let mac = [2, 0, a, b, c, d];
    IdentityRecord {
        hw: HwAddr::new(1, &mac).unwrap_or_default(),
        client_id: [&[1][..], &mac[..]].concat().into(),
        relay_info: Box::default(),
        vendor_class: b"udhcp 1.36".as_slice().into(),
        host_name: format!("cpe-{count}").into_bytes().into(),
        subscriber: b"\x01\x03\x00bob".as_slice().into(),
        interface: "eth1".into(),
        group: "residential".into(),
        pool: "res-v4".into(),
        instance: "red".into(),
    }
}

/// Inserts or overwrites both records of a session.
pub fn put(count: u64, change: u64) -> StoreOp {
    StoreOp::Put { lease: lease(count, change), identity: Some(Box::new(identity(count))) }
}

/// Overwrites the lease alone, as a renewal does.
pub fn renew(count: u64, change: u64) -> StoreOp {
    StoreOp::Put { lease: lease(count, change), identity: None }
}

/// Removes both records of a session.
pub fn delete(count: u64) -> StoreOp {
    let session = SessionId::new(EngineId(0), count);
    StoreOp::Delete { key: BindingKey { session, index: 0 }, session: Some(session) }
}

fn stored(count: u64, change: u64) -> StoredSession {
    StoredSession { lease: lease(count, change), identity: identity(count) }
}

#[track_caller]
fn commit(storage: &mut dyn Storage, batch: &[StoreOp]) {
    if let Err(error) = storage.commit(batch) {
        panic!("a commit failed: {error}");
    }
}

#[track_caller]
fn expect(storage: &mut dyn Storage, sessions: &[StoredSession], meta: Option<MetaRecord>) {
    match storage.facts() {
        Ok(facts) => assert_eq!(facts, meta),
        Err(error) => panic!("the facts cannot be read: {error}"),
    }
    match load_all(storage) {
        Ok(found) => {
            assert_eq!(found.0, sessions);
            assert_eq!(found.1, meta);
        }
        Err(error) => panic!("a load failed: {error}"),
    }
}

/// Checks `sessions` before and after a restart.
#[track_caller]
fn expect_twice(bench: &mut dyn Bench, mut storage: Box<dyn Storage>, sessions: &[StoredSession]) {
    expect(&mut *storage, sessions, None);
    let mut storage = bench.restart(storage);
    expect(&mut *storage, sessions, None);
}

fn starts_empty(bench: &mut dyn Bench) {
    let mut storage = bench.fresh();
    expect(&mut *storage, &[], None);
    commit(&mut *storage, &[]);
    let first = MetaRecord {
        lease_clock: LeaseTime(5),
        wall: Wall(7),
        sessions_made: 9,
        change: 11,
        in_order: true,
        promises_from: 10,
    };
    let second = MetaRecord {
        lease_clock: LeaseTime(u64::MAX),
        wall: Wall(u64::MAX),
        sessions_made: 10,
        change: 12,
        in_order: false,
        promises_from: u64::MAX,
    };
    commit(&mut *storage, &[StoreOp::Meta(first)]);
    expect(&mut *storage, &[], Some(first));
    commit(&mut *storage, &[StoreOp::Meta(first), StoreOp::Meta(second)]);
    let mut storage = bench.restart(storage);
    expect(&mut *storage, &[], Some(second));
}

fn keeps_every_field(bench: &mut dyn Bench) {
    let mut sessions = Vec::new();
    // Infinite lifetime, far dates, the epoch itself.
    for end in [LeaseTime::NEVER, LeaseTime(0), LeaseTime(0xffff_ffff_fffe), LeaseTime(u64::from(u32::MAX) + 1)] {
        let mut session = stored(sessions.len() as u64 + 1, 1);
        (session.lease.end, session.lease.start) = (end, end);
        sessions.push(session);
    }
    for state in [DurableState::Released, DurableState::Expired, DurableState::Cleared, DurableState::Declined] {
        let mut session = stored(sessions.len() as u64 + 1, u64::MAX);
        session.lease.state = state;
        session.lease.flags = 0xa5f0;
        sessions.push(session);
    }
    for role in [Role::Relay, Role::Monitor] {
        let mut session = stored(sessions.len() as u64 + 1, 0);
        session.lease.role = role;
        session.lease.instance = InstanceId(u16::MAX);
        session.lease.giaddr = Ipv4Addr::BROADCAST;
        session.lease.route = RouteRecord::Via { src: Ipv4Addr::UNSPECIFIED };
        sessions.push(session);
    }
    // Every length of hardware address; no client-id, and long ones.
    for len in 0..=16usize {
        let mut session = stored(sessions.len() as u64 + 1, 3);
        session.identity.hw = HwAddr::new(len as u8, &[0xee; 16][..len]).unwrap_or_default();
        session.identity.client_id = vec![0x5a; [0, 1, 254, 255, 256, 1500, 70_000][len % 7]].into();
        session.identity.relay_info = vec![0; len * 16].into();
        sessions.push(session);
    }
    let mut session = stored(sessions.len() as u64 + 1, 4);
    session.identity = IdentityRecord::default();
    session.lease.route = RouteRecord::None;
    sessions.push(session);
    let mut session = stored(sessions.len() as u64 + 1, 5);
    session.lease.bound = Bound::V6 { address: Ipv6Addr::LOCALHOST, len: 56 };
    session.lease.ahead = 0;
    session.lease.scope = IpAddr::V6(Ipv6Addr::from_bits(u128::MAX));
    session.lease.nonce = Some(Nonce { value: *b"0123456789abcdef", replay: u64::MAX });
    session.lease.reconfigure_due = Some(session.lease.start.plus_secs(u64::from(u32::MAX)));
    sessions.push(session);
    let ops: Vec<_> = sessions
        .iter()
        .map(|s| StoreOp::Put { lease: s.lease, identity: Some(Box::new(s.identity.clone())) })
        .collect();
    let mut storage = bench.fresh();
    commit(&mut *storage, &ops);
    expect_twice(bench, storage, &sessions);
}

fn overwrites_and_deletes(bench: &mut dyn Bench) {
    let mut storage = bench.fresh();
    commit(&mut *storage, &[put(1, 1), put(2, 1), put(3, 1)]);
    commit(&mut *storage, &[put(2, 2), delete(3), delete(77)]);
    expect(&mut *storage, &[stored(1, 1), stored(2, 2)], None);
    let mut storage = bench.restart(storage);
    commit(&mut *storage, &[delete(1), put(3, 9)]);
    expect_twice(bench, storage, &[stored(2, 2), stored(3, 9)]);
}

fn leaves_the_identity(bench: &mut dyn Bench) {
    let mut storage = bench.fresh();
    commit(&mut *storage, &[put(1, 1)]);
    commit(&mut *storage, &[renew(1, 2), renew(1, 3)]);
    expect(&mut *storage, &[stored(1, 3)], None);
    // Two bindings share it, and it stays until the last is gone.
    let mut second = lease(1, 4);
    second.key.index = 1;
    commit(&mut *storage, &[StoreOp::Put { lease: second, identity: None }]);
    let both = [stored(1, 3), StoredSession { lease: second, identity: identity(1) }];
    let mut storage = bench.restart(storage);
    expect(&mut *storage, &both, None);
    commit(&mut *storage, &[StoreOp::Delete { key: lease(1, 0).key, session: None }]);
    expect_twice(bench, storage, &both[1..]);
}

fn last_operation_counts(bench: &mut dyn Bench) {
    let mut storage = bench.fresh();
    commit(&mut *storage, &[put(1, 1), put(1, 2), delete(1), put(2, 1), delete(2), put(2, 3), put(3, 1), renew(3, 4)]);
    expect(&mut *storage, &[stored(2, 3), stored(3, 4)], None);
    commit(&mut *storage, &[delete(3), put(3, 5), put(2, 4), delete(2)]);
    expect_twice(bench, storage, &[stored(3, 5)]);
}

fn refuses_a_lease_without_identity(bench: &mut dyn Bench) {
    for batch in [vec![put(1, 2), renew(2, 2)], vec![delete(1), renew(1, 2)]] {
        let mut storage = bench.fresh();
        commit(&mut *storage, &[put(1, 1)]);
        assert!(storage.commit(&batch).is_err(), "a lease without an identity was taken");
        assert!(storage.commit(&[put(5, 5)]).is_err(), "a commit was taken after a failed one");
        assert!(load_all(&mut *storage).is_err(), "a failed storage was read");
        if let Err(error) = storage.reopen() {
            panic!("a reopening failed: {error}");
        }
        expect(&mut *storage, &[stored(1, 1)], None);
        commit(&mut *storage, &[put(2, 2)]);
        expect_twice(bench, storage, &[stored(1, 1), stored(2, 2)]);
    }
}

fn keeps_order_and_engines(bench: &mut dyn Bench) {
    // Among them ids whose first byte is that of the keys of the facts.
    let ids = [
        SessionId(0),
        SessionId::new(EngineId(0), 0x00ff_ffff_ffff_ffff),
        SessionId::new(EngineId(1), 1),
        SessionId::new(EngineId(b'h'), 2),
        SessionId::new(EngineId(b'm'), 3),
        SessionId(u64::MAX),
    ];
    let mut sessions = Vec::new();
    for id in ids {
        for index in [0, 1, 255] {
            let mut session = stored(1, u64::from(index));
            session.lease.key = BindingKey { session: id, index };
            sessions.push(session);
        }
    }
    let ops = sessions
        .iter()
        .rev()
        .map(|s| StoreOp::Put { lease: s.lease, identity: Some(Box::new(s.identity.clone())) })
        .collect::<Vec<_>>();
    let mut storage = bench.fresh();
    for part in ops.chunks(5) {
        commit(&mut *storage, part);
    }
    expect_twice(bench, storage, &sessions);
}

fn keeps_many(bench: &mut dyn Bench, count: u64) {
    let mut storage = bench.fresh();
    let all: Vec<_> = (1..=count).map(|n| put(n, n)).collect();
    for part in all.chunks(1000) {
        commit(&mut *storage, part);
    }
    let again: Vec<_> = (1..=count).step_by(3).map(|n| renew(n, n + count)).collect();
    for part in again.chunks(256) {
        commit(&mut *storage, part);
    }
    let mut storage = bench.restart(storage);
    let mut next = 1;
    let result = storage.load(&mut |session| {
        let change = if next % 3 == 1 { next + count } else { next };
        assert_eq!(session, stored(next, change));
        next += 1;
    });
    assert!(result.is_ok(), "a load failed: {result:?}");
    assert_eq!(next, count + 1);
}
