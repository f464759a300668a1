//! A file of leases that Kea wrote.
#![no_main]

use bindery_import::{LeaseTable, kea_leases};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut table = LeaseTable::new();
    text.split('\n').for_each(|line| table.push(line));
    assert_eq!(table.is_empty(), table.len() == 0);
    let (leases, faults, more) = table.finish();
    let lines = text.split('\n').count() as u64;
    assert!(leases.len() as u64 + faults.len() as u64 + more <= lines);
    assert!(leases.windows(2).all(|pair| pair[0].address < pair[1].address), "one lease of each address, in order");
    assert!(leases.iter().all(|lease| lease.valid_lifetime > 0), "what was deleted is gone");
    assert!(faults.windows(2).all(|pair| pair[0].line < pair[1].line));
    assert!(faults.iter().all(|fault| (1..=lines).contains(&u64::from(fault.line)) && !fault.message.is_empty()));
    assert_eq!((leases, faults), kea_leases(text));
});
