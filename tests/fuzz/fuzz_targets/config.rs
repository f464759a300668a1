//! A configuration text from an operator, or from whoever may write the file.
#![no_main]

use bindery_config::{load, tree};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match load("fuzz.kdl", text) {
        Ok(loaded) => {
            let printed = tree::print(&loaded.tree);
            let again = load("fuzz.kdl", &printed).expect("what was taken prints as what is taken");
            assert_eq!(again.tree, loaded.tree);
            assert_eq!(again.engine, loaded.engine);
            assert_eq!(again.changes_since(&loaded), []);
        }
        Err(errors) => {
            assert!(errors.count() > 0);
            assert!(errors.to_string().contains("fuzz.kdl:"));
            assert!(errors.located().all(|located| located.line > 0 && located.column > 0));
        }
    }
});
