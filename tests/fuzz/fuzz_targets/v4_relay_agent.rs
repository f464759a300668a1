//! The value of option 82 from anyone.
#![no_main]

use bindery_wire::v4::{RelayAgentInformation, SubOption};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let view = RelayAgentInformation::new(bytes);
    let mut read = 0;
    for (code, value) in view.iter() {
        read += 2 + value.len();
        let first = view.sub_option(code).expect("a code that was listed");
        let firsts = view.iter().find(|(other, _)| *other == code).map(|(_, value)| value);
        assert_eq!(Some(first), firsts);
    }
    assert!(read <= bytes.len());
    if !view.is_malformed() {
        assert_eq!(read, bytes.len());
        assert_eq!(view.link_selection().is_some(), view.sub_option(SubOption::LINK_SELECTION).is_some());
    }
    assert_eq!(view.circuit_id(), view.sub_option(SubOption::CIRCUIT_ID));
    assert_eq!(view.remote_id(), view.sub_option(SubOption::REMOTE_ID));
    let _ = view.server_identifier_override();
});
