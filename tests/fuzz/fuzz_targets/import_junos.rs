//! A Junos configuration that an operator takes over.
#![no_main]

mod imported;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| imported::holds(text, bindery_import::junos));
