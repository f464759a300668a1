//! The bytes of records: both ways, of old releases, of newer ones, and damaged.

use bindery_engine::record::{
    BindingKey, Bound, DurableState, IdentityRecord, LeaseRecord, MetaRecord, Nonce, Role, RouteRecord,
};
use bindery_store::codec::{self, Head, RecordError};
use bindery_types::{HwAddr, InstanceId, IpAddr, Ipv4Addr, Ipv6Addr, LeaseTime, SessionId, Wall, Xid};
use proptest::{collection::vec, option, prelude::*};

fn ipv4() -> impl Strategy<Value = Ipv4Addr> {
    any::<u32>().prop_map(Ipv4Addr::from_bits)
}

fn ip() -> impl Strategy<Value = IpAddr> {
    prop_oneof![ipv4().prop_map(IpAddr::V4), any::<u128>().prop_map(|b| IpAddr::V6(Ipv6Addr::from_bits(b)))]
}

fn time() -> impl Strategy<Value = LeaseTime> {
    prop_oneof![
        Just(LeaseTime::NEVER),
        (0..0xffff_ffff_ffffu64).prop_map(LeaseTime),
        (0..1u64 << 33).prop_map(LeaseTime)
    ]
}

fn lease() -> impl Strategy<Value = LeaseRecord> {
    let key = (any::<u64>(), any::<u8>()).prop_map(|(s, index)| BindingKey { session: SessionId(s), index });
    let role = prop_oneof![Just(Role::Server), Just(Role::Relay), Just(Role::Monitor)];
    let state = prop_oneof![
        Just(DurableState::Bound),
        Just(DurableState::Released),
        Just(DurableState::Expired),
        Just(DurableState::Cleared),
        Just(DurableState::Declined)
    ];
    let bound = prop_oneof![
        ipv4().prop_map(Bound::V4Address),
        (any::<u128>(), any::<u8>()).prop_map(|(b, len)| Bound::V6 { address: Ipv6Addr::from_bits(b), len })
    ];
    let route = prop_oneof![
        Just(RouteRecord::None),
        (ipv4(), any::<bool>()).prop_map(|(src, neighbour)| RouteRecord::Link { src, neighbour }),
        ipv4().prop_map(|src| RouteRecord::Via { src })
    ];
    let nonce = option::of((any::<[u8; 16]>(), any::<u64>()).prop_map(|(value, replay)| Nonce { value, replay }));
    (
        (key, any::<u16>(), role, state, any::<u16>(), bound, ip(), ipv4(), ipv4()),
        (time(), time(), time(), time(), any::<u64>(), any::<u32>(), route, nonce),
        (option::of(any::<u32>()), prop_oneof![Just(0), any::<u32>()]),
    )
        .prop_map(|((key, instance, role, state, flags, bound, scope, server_id, giaddr), rest, (due, ahead))| {
            let (start, end, cltt, changed, change, xid, route, nonce) = rest;
            let (instance, xid) = (InstanceId(instance), Xid(xid));
            LeaseRecord {
                key,
                instance,
                role,
                state,
                flags,
                bound,
                scope,
                server_id,
                giaddr,
                start,
                end,
                // Nothing runs ahead for another family.
                ahead: if matches!(bound, Bound::V4Address(_)) { ahead } else { 0 },
                cltt,
                changed,
                change,
                xid,
                route,
                nonce,
                reconfigure_due: due.map(|secs: u32| start.plus_secs(u64::from(secs))),
            }
        })
}

fn identity() -> impl Strategy<Value = IdentityRecord> {
    let bytes = || vec(any::<u8>(), 0..300).prop_map(Box::<[u8]>::from);
    let text = || "\\PC{0,90}".prop_map(Box::<str>::from);
    let hw = (any::<u8>(), vec(any::<u8>(), 0..=16)).prop_map(|(htype, b)| HwAddr::new(htype, &b).unwrap());
    let said = (bytes(), bytes(), bytes(), bytes(), bytes());
    (hw, said, text(), text(), text(), text()).prop_map(
        |(hw, (client_id, relay_info, vendor_class, host_name, subscriber), interface, group, pool, instance)| {
            IdentityRecord {
                hw,
                client_id,
                relay_info,
                vendor_class,
                host_name,
                subscriber,
                interface,
                group,
                pool,
                instance,
            }
        },
    )
}

proptest! {
    #[test]
    fn a_lease_goes_both_ways(lease in lease()) {
        let mut bytes = Vec::new();
        let crc = codec::encode_lease(&lease, &mut bytes);
        prop_assert!(bytes.len() <= codec::LEASE_MAX);
        prop_assert_eq!(codec::decode_lease(lease.key, &bytes), Ok((lease, crc)));
        let key = codec::encode_binding_key(lease.key);
        prop_assert_eq!(codec::decode_binding_key(&key), Ok(lease.key));
    }

    #[test]
    fn an_identity_goes_both_ways(session: u64, identity in identity()) {
        let session = SessionId(session);
        let mut bytes = Vec::new();
        let crc = codec::encode_identity(session, &identity, &mut bytes);
        prop_assert_eq!(codec::decode_identity(session, &bytes), Ok((identity, crc)));
        prop_assert_eq!(codec::decode_session_key(&codec::encode_session_key(session)), Ok(session));
    }

    #[test]
    fn facts_go_both_ways(numbers: [u64; 5], crc: u32, in_order: bool, promises_from: u64) {
        let [a, b, c, d, e] = numbers;
        let (lease_clock, wall) = (LeaseTime(a), Wall(b));
        let meta = MetaRecord { lease_clock, wall, sessions_made: c, change: d, in_order, promises_from };
        let mut bytes = Vec::new();
        let sum = codec::encode_meta(&meta, &mut bytes);
        prop_assert_eq!(codec::decode_meta(&bytes), Ok((meta, sum)));
        let head = Head { database: a, commit: b, leases: c, identities: d, digest: e, meta: crc };
        bytes.clear();
        codec::encode_head(&head, &mut bytes);
        prop_assert_eq!(codec::decode_head(&bytes), Ok(head));
    }

    #[test]
    fn no_bytes_panic(bytes in vec(any::<u8>(), 0..200), session: u64, reseal: bool) {
        let key = BindingKey { session: SessionId(session), index: 0 };
        // With a right checksum the decoders see the fields as well.
        let sealed = |name: &[u8]| {
            let mut sealed = bytes.clone();
            if reseal {
                sealed.extend(crc32fast::hash(&[name, &bytes].concat()).to_le_bytes());
            }
            sealed
        };
        let _ = codec::decode_lease(key, &sealed(&codec::encode_binding_key(key)));
        let _ = codec::decode_identity(key.session, &sealed(&codec::encode_session_key(key.session)));
        let _ = codec::decode_meta(&sealed(&codec::META_KEY));
        let _ = codec::decode_head(&sealed(&codec::HEAD_KEY));
        let _ = codec::decode_binding_key(&bytes);
    }

    #[test]
    fn every_flipped_bit_is_seen(lease in lease(), place: prop::sample::Index) {
        let mut bytes = Vec::new();
        codec::encode_lease(&lease, &mut bytes);
        let bit = place.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert_eq!(codec::decode_lease(lease.key, &bytes), Err(RecordError::Checksum));
    }
}

/// Records as release 0.1 wrote them (record version 1), made by hand from the table in `codec`. They never change.
const LEASE_V1: &str = "0110340001020004030201070000000000000080d3496b00008ee1496b000080d3496b000080d3496b0000c0000201c0 \
    000263c0000207c00002000a000001000102030405060708090a0b0c0d0e0f2a0000000000000005816033";
const IDENTITY_V1: &str =
    "0101060200000000010701020000000001040102667803756468056370652d31046574683103726573017205545cc9";
const META_V1: &str = "010500000000000000070000000000000009000000000000000b00000000000000730986d2";

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<_> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

#[test]
fn version_1_stays_readable() {
    let key = BindingKey { session: SessionId(77), index: 0 };
    let (lease, _) = codec::decode_lease(key, &bytes(LEASE_V1)).unwrap();
    let expected = LeaseRecord {
        key,
        instance: InstanceId(2),
        role: Role::Server,
        state: DurableState::Bound,
        flags: 0x0100,
        bound: Bound::V4Address(Ipv4Addr::new(192, 0, 2, 7)),
        scope: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 0)),
        server_id: Ipv4Addr::new(192, 0, 2, 1),
        giaddr: Ipv4Addr::new(192, 0, 2, 99),
        start: LeaseTime(1_800_000_384),
        end: LeaseTime(1_800_003_982),
        cltt: LeaseTime(1_800_000_384),
        changed: LeaseTime(1_800_000_384),
        change: 7,
        xid: Xid(0x0102_0304),
        route: RouteRecord::Link { src: Ipv4Addr::new(10, 0, 0, 1), neighbour: true },
        nonce: Some(Nonce { value: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15], replay: 42 }),
        reconfigure_due: None,
        ahead: 0,
    };
    assert_eq!(lease, expected);
    let session = SessionId(77);
    let (identity, _) = codec::decode_identity(session, &bytes(IDENTITY_V1)).unwrap();
    let expected = IdentityRecord {
        hw: HwAddr::new(1, &[2, 0, 0, 0, 0, 1]).unwrap(),
        client_id: [1, 2, 0, 0, 0, 0, 1].into(),
        relay_info: [1, 2, b'f', b'x'].into(),
        vendor_class: (*b"udh").into(),
        host_name: (*b"cpe-1").into(),
        subscriber: Box::default(),
        interface: "eth1".into(),
        group: "res".into(),
        pool: "r".into(),
        instance: Box::default(),
    };
    assert_eq!(identity, expected);
    let (lease_clock, wall) = (LeaseTime(5), Wall(7));
    let expected = MetaRecord { lease_clock, wall, sessions_made: 9, change: 11, in_order: false, promises_from: 0 };
    assert_eq!(codec::decode_meta(&bytes(META_V1)).unwrap().0, expected);
}

/// A session that never began is reconfigured at no time after that: such a record could not be written again.
#[test]
fn a_time_after_never_is_refused() {
    let key = BindingKey { session: SessionId(77), index: 0 };
    let (lease, _) = codec::decode_lease(key, &bytes(LEASE_V1)).unwrap();
    let lease = LeaseRecord { start: LeaseTime::NEVER, reconfigure_due: Some(LeaseTime::NEVER), ..lease };
    let mut value = Vec::new();
    let crc = codec::encode_lease(&lease, &mut value);
    assert_eq!(codec::decode_lease(key, &value), Ok((lease, crc)));
    let body = value.len() - 4;
    value[body - 4] = 1;
    let crc = crc32fast::hash(&[&codec::encode_binding_key(key)[..], &value[..body]].concat());
    value[body..].copy_from_slice(&crc.to_le_bytes());
    assert_eq!(codec::decode_lease(key, &value), Err(RecordError::Field("reconfigure")));
}

/// Version 2 knew one routing instance.
#[test]
fn an_identity_of_version_2_is_of_the_default_instance() {
    let session = SessionId(77);
    let (identity, _) = codec::decode_identity(session, &bytes(IDENTITY_V1)).unwrap();
    let identity = IdentityRecord { subscriber: (*b"bob").into(), ..identity };
    let mut value = Vec::new();
    codec::encode_identity(session, &identity, &mut value);
    value.truncate(value.len() - 5);
    value[0] = 2;
    let crc = crc32fast::hash(&[&codec::encode_session_key(session)[..], &value].concat());
    value.extend_from_slice(&crc.to_le_bytes());
    assert_eq!(codec::decode_identity(session, &value), Ok((identity, crc)));
}

#[test]
fn a_newer_version_says_so() {
    let key = BindingKey { session: SessionId(77), index: 0 };
    let mut newer = bytes(LEASE_V1);
    newer[0] = 3;
    let body = newer.len() - 4;
    let crc = crc32fast::hash(&[&codec::encode_binding_key(key)[..], &newer[..body]].concat());
    newer[body..].copy_from_slice(&crc.to_le_bytes());
    assert_eq!(codec::decode_lease(key, &newer), Err(RecordError::Newer(3)));
}

#[test]
fn a_record_under_another_key_is_refused() {
    let other = BindingKey { session: SessionId(78), index: 0 };
    assert_eq!(codec::decode_lease(other, &bytes(LEASE_V1)), Err(RecordError::Checksum));
}

#[test]
fn times_too_far_become_never() {
    let mut far = bindery_store::contract::lease(1, 1);
    far.end = LeaseTime(1 << 48);
    let mut bytes = Vec::new();
    codec::encode_lease(&far, &mut bytes);
    assert_eq!(codec::decode_lease(far.key, &bytes).unwrap().0.end, LeaseTime::NEVER);
}

/// What is ahead by nothing, or of an IPv6 address, was never written.
#[test]
fn an_end_that_is_ahead_by_nothing_is_refused() {
    let key = BindingKey { session: SessionId(77), index: 0 };
    let (lease, _) = codec::decode_lease(key, &bytes(LEASE_V1)).unwrap();
    let lease = LeaseRecord { ahead: 7, ..lease };
    let mut value = Vec::new();
    let crc = codec::encode_lease(&lease, &mut value);
    assert_eq!(codec::decode_lease(key, &value), Ok((lease, crc)));
    let body = value.len() - 4;
    value[body - 4..body].fill(0);
    let crc = crc32fast::hash(&[&codec::encode_binding_key(key)[..], &value[..body]].concat());
    value[body..].copy_from_slice(&crc.to_le_bytes());
    assert_eq!(codec::decode_lease(key, &value), Err(RecordError::Field("ahead")));
}
