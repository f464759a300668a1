//! What holds for a configuration that was taken over, wherever it came from.

use bindery_config::{HostTable, HostTableError, SecretReference, Sources, load_with};
use bindery_import::{Imported, NOTES_MAX, Refused};
use std::sync::Arc;

/// The files that came with it.
struct Files(Vec<(String, String)>);

impl Sources for Files {
    fn secret(&self, reference: &SecretReference) -> Result<Vec<u8>, String> {
        panic!("a secret of elsewhere: {reference:?}");
    }

    fn host_table(&self, path: &str) -> Result<Arc<HostTable>, HostTableError> {
        let (_, content) = self.0.iter().find(|(name, _)| name == path).expect("each file that is named is there");
        Ok(Arc::new(HostTable::parse(content.as_bytes()).expect("a file that was written is taken")))
    }
}

/// It loads, each note has a place in the text, and the same text gives the same.
pub(crate) fn holds(text: &str, import: impl Fn(&str, &str) -> Result<Imported, Refused>) {
    let lines = u32::try_from(text.split('\n').count()).expect("a short text");
    let told = |line: u32, text: &str| {
        assert!((1..=lines).contains(&line), "line {line} of {lines}");
        assert!(!text.is_empty() && !text.chars().any(char::is_control), "{text:?}");
    };
    let result = import("fuzz", text);
    assert_eq!(result, import("fuzz", text));
    match result {
        Ok(Imported { kdl, notes, files, .. }) => {
            if let Err(errors) = load_with("fuzz", &kdl, &Files(files)) {
                panic!("{kdl}\n{errors}");
            }
            assert!(notes.len() <= NOTES_MAX + 1);
            notes.iter().for_each(|note| told(note.line, &note.text));
        }
        Err(refused) => told(refused.line, &refused.message),
    }
}
