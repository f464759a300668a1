//! A file of reservations from an operator, or from whoever may write it.
#![no_main]

use bindery_config::{HostTable, host_table::TABLE_FAULTS_MAX};
use libfuzzer_sys::fuzz_target;
use std::fmt::Write as _;

fuzz_target!(|bytes: &[u8]| {
    match HostTable::parse(bytes) {
        Ok(table) => {
            let mut csv = "hardware-address,ip-address\n".to_owned();
            let mut json = "# as lines of JSON\n".to_owned();
            for (index, (address, mac)) in table.reservations().iter().enumerate() {
                assert_eq!(table.reservations().index_of(address), u32::try_from(index).ok());
                assert_eq!(table.reservations().address_of(mac), Some(address));
                assert!(table.line_of(address).is_some_and(|line| line > 0));
                writeln!(csv, "{mac},{address}").unwrap();
                writeln!(json, "{{\"hardware-address\":\"{mac}\",\"ip-address\":\"{address}\"}}").unwrap();
            }
            let again = HostTable::parse(csv.as_bytes()).expect("what was taken is written as what is taken");
            assert_eq!(again.reservations(), table.reservations());
            if !table.is_empty() {
                let again = HostTable::parse(json.as_bytes()).expect("in both forms");
                assert_eq!(again.reservations(), table.reservations());
            }
        }
        Err(faults) => {
            assert!((1..=TABLE_FAULTS_MAX).contains(&faults.len()));
            assert!(faults.iter().all(|fault| fault.line > 0 && fault.column != Some(0) && !fault.message.is_empty()));
        }
    }
});
