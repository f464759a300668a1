//! Leases of Kea.

use bindery_import::{LeaseLine, LeaseReader, LeaseState, LeaseTable, kea_leases};
use std::net::Ipv4Addr;

const COLUMNS: &str =
    "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context";

#[test]
fn the_last_line_of_an_address_holds() {
    let text = format!(
        "{COLUMNS}\n\
         192.0.2.9,02:00:00:00:00:09,,3600,1790000000,1,0,0,,0,\n\
         192.0.2.7,02:00:00:00:00:01,01:02:00:00:00:00:01,3600,1790000000,1,1,1,a.example.,0,\n\
         192.0.2.8,02:00:00:00:00:02,,4294967295,6084967295,2,0,0,,0,{{ \"a\": 1&#x2c \"b\": 2 }}\n\
         192.0.2.7,02:00:00:00:00:01,01:02:00:00:00:00:01,3600,1790003600,1,1,1,b&#x2cc.example.,0,\n\
         192.0.2.9,02:00:00:00:00:09,,0,1790000000,1,0,0,,0,\n\
         192.0.2.10,,,86400,1790000000,1,0,0,,1,\n\
         192.0.2.11,02:00:00:00:00:03,,3600,1700000000,1,0,0,,2,\n"
    );
    let (leases, faults) = kea_leases(&text);
    assert_eq!(faults, []);
    let told: Vec<(Ipv4Addr, u64, u32, LeaseState)> =
        leases.iter().map(|lease| (lease.address, lease.expire, lease.subnet_id, lease.state)).collect();
    assert_eq!(
        told,
        [
            (Ipv4Addr::new(192, 0, 2, 7), 1_790_003_600, 1, LeaseState::Default),
            (Ipv4Addr::new(192, 0, 2, 8), 6_084_967_295, 2, LeaseState::Default),
            (Ipv4Addr::new(192, 0, 2, 10), 1_790_000_000, 1, LeaseState::Declined),
            (Ipv4Addr::new(192, 0, 2, 11), 1_700_000_000, 1, LeaseState::ExpiredReclaimed),
        ]
    );
    assert_eq!(&*leases[0].hostname, "b,c.example.");
    assert_eq!(&*leases[0].client_id, [1, 2, 0, 0, 0, 0, 1]);
    assert_eq!((leases[1].valid_lifetime, &*leases[1].hw), (u32::MAX, [2, 0, 0, 0, 0, 2].as_slice()));
    assert!(leases[2].hw.is_empty());
}

/// Lines that Kea 2.2.0 has written.
#[test]
fn what_kea_writes_is_read() {
    let text = format!(
        "{COLUMNS}\n10.77.0.10,12:7f:a1:90:0b:b4,01:12:7f:a1:90:0b:b4,3600,1795891373,1,0,0,myhost.,0,\n\
         10.77.0.11,12:7f:a1:90:0b:b4,00:aa:bb:cc,3600,1795891373,1,0,0,,0,\n"
    );
    let (leases, faults) = kea_leases(&text);
    assert_eq!(faults, []);
    let [first, second] = leases.as_slice() else { panic!("{leases:?}") };
    assert_eq!(
        (&*first.hostname, first.expire, &*second.client_id),
        ("myhost.", 1_795_891_373, &[0, 0xaa, 0xbb, 0xcc][..])
    );
}

/// Files one behind the other, the second with other columns: each begins with the names of its own.
#[test]
fn columns_are_found_by_name() {
    let mut table = LeaseTable::new();
    for line in [COLUMNS, "192.0.2.7,02:00:00:00:00:01,,60,100,1,0,0,,0,"] {
        table.push(line);
    }
    assert_eq!(table.len(), 1);
    for line in [
        "address,subnet_id,expire,valid_lifetime,client_id,hwaddr,pool_id\r",
        "192.0.2.7,5,200,70,,02:00:00:00:00:02,3\r",
        "",
    ] {
        table.push(line);
    }
    let (leases, faults, more) = table.finish();
    assert_eq!((faults.len(), more), (0, 0));
    let [lease] = leases.as_slice() else { panic!("{leases:?}") };
    assert_eq!((lease.subnet_id, lease.expire, lease.valid_lifetime, lease.hw[5]), (5, 200, 70, 2));
}

#[test]
fn lines_that_cannot_be_read_are_told_with_their_numbers() {
    let text = format!(
        "192.0.2.7,,,1,1,1,0,0,,0,\n{COLUMNS}\n192.0.2.300,,,1,1,1,0,0,,0,\n192.0.2.1,zz,,1,1,1,0,0,,0,\n\
         192.0.2.1,,,x,1,1,0,0,,0,\n192.0.2.1,,,4294967296,1,1,0,0,,0,\n192.0.2.1,,\n192.0.2.1,,,1,1,1,0,0,,q,\n\
         address,hwaddr\n192.0.2.1,,,1,1,1,0,0,,0,\n"
    );
    let (leases, faults) = kea_leases(&text);
    assert!(leases.is_empty());
    let lines: Vec<u32> = faults.iter().map(|fault| fault.line).collect();
    assert_eq!(lines, [1, 3, 4, 5, 6, 7, 8, 9, 10], "{faults:?}");
}

/// A million lines go through a reader that keeps none of them.
#[test]
fn a_reader_keeps_nothing() {
    let mut reader = LeaseReader::new();
    assert_eq!(reader.line(COLUMNS), Ok(LeaseLine::Nothing));
    let mut sum = 0;
    for at in 0..1_000_000u32 {
        let address = Ipv4Addr::from(0x0a00_0000 + at);
        let line = format!("{address},02:00:00:00:00:01,01:02:03,3600,1790000000,1,0,0,,0,");
        if let Ok(LeaseLine::Lease(lease)) = reader.line(&line) {
            sum += u64::from(lease.valid_lifetime);
        }
    }
    assert_eq!(sum, 3_600_000_000);
}
