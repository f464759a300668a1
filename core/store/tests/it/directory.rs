//! The directory: made, locked, foreign, newer, not writable.

use bindery_store::{FjallStore, Storage, StoreError, contract, load_all};
use std::{fs, path::Path};

/// Opens a database that must not open, and checks that nothing below `state` changed.
fn refused(state: &Path) -> StoreError {
    let before = listing(state);
    let Err(error) = FjallStore::open(state) else { panic!("it opened") };
    let mut after = listing(state);
    after.retain(|(name, _)| name != "sessions.lock");
    let mut before = before;
    before.retain(|(name, _)| name != "sessions.lock");
    assert_eq!(before, after, "{error}");
    error
}

/// Every file below `path` with its bytes.
fn listing(path: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(path).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.path().is_dir() {
            all.extend(listing(&entry.path()).into_iter().map(|(below, bytes)| (format!("{name}/{below}"), bytes)));
            all.push((format!("{name}/"), Vec::new()));
        } else {
            all.push((name, fs::read(entry.path()).unwrap()));
        }
    }
    all.sort();
    all
}

#[test]
fn a_database_is_made_once() {
    let state = tempfile::tempdir().unwrap();
    // Missing parents are made; an empty directory is as good as none; a half-made database is made anew.
    let path = state.path().join("var/lib/bindery");
    fs::create_dir_all(path.join("sessions")).unwrap();
    fs::create_dir_all(path.join("sessions.new/db")).unwrap();
    fs::write(path.join("sessions.new/format"), "bind").unwrap();
    let mut store = FjallStore::open(&path).unwrap();
    assert!(store.created());
    assert!(load_all(&mut store).unwrap().0.is_empty());
    store.commit(&[contract::put(1, 1)]).unwrap();
    drop(store);
    let mut store = FjallStore::open(&path).unwrap();
    assert!(!store.created());
    assert_eq!(store.torn_bytes(), 0);
    assert_eq!(store.acknowledged(), 1);
    assert_eq!(store.sessions().unwrap(), 1, "before it is read");
    assert_eq!(load_all(&mut store).unwrap().0.len(), 1);
    let text = fs::read_to_string(path.join("sessions/format")).unwrap();
    assert!(text.starts_with("bindery session database\nformat 1\ndatabase "), "{text}");
}

#[test]
fn two_never_share_it() {
    let state = tempfile::tempdir().unwrap();
    let store = FjallStore::open(state.path()).unwrap();
    let error = FjallStore::open(state.path()).err().unwrap();
    assert!(matches!(error, StoreError::Locked { .. }), "{error}");
    assert!(error.to_string().contains("another daemon uses this session database"), "{error}");
    drop(store);
    FjallStore::open(state.path()).unwrap();
}

#[test]
fn a_foreign_directory_is_left_alone() {
    let state = tempfile::tempdir().unwrap();
    fs::create_dir(state.path().join("sessions")).unwrap();
    fs::write(state.path().join("sessions/tickets.txt"), "two for Carmen").unwrap();
    let error = refused(state.path());
    assert!(matches!(&error, StoreError::Foreign { found, .. } if found == "tickets.txt"), "{error}");
    assert!(error.to_string().contains("/sessions: holds 'tickets.txt'"), "{error}");
}

#[test]
fn a_foreign_file_is_left_alone() {
    let state = tempfile::tempdir().unwrap();
    fs::write(state.path().join("sessions"), "a list").unwrap();
    assert!(matches!(refused(state.path()), StoreError::Foreign { .. }));
    fs::remove_file(state.path().join("sessions")).unwrap();
    fs::create_dir(state.path().join("sessions.new")).unwrap();
    fs::write(state.path().join("sessions.new/diary"), "dear").unwrap();
    assert!(matches!(refused(state.path()), StoreError::Foreign { .. }));
}

#[test]
fn a_newer_format_is_left_alone() {
    let state = tempfile::tempdir().unwrap();
    drop(FjallStore::open(state.path()).unwrap());
    let format = state.path().join("sessions/format");
    let body = "bindery session database\nformat 2\nwonders yes\n";
    fs::write(&format, format!("{body}crc {:08x}\n", crc32fast::hash(body.as_bytes()))).unwrap();
    let error = refused(state.path());
    assert!(matches!(error, StoreError::Newer { .. }), "{error}");
    assert!(error.to_string().contains("database format 2, this release knows up to 1"), "{error}");
}

#[test]
fn a_directory_without_permission_says_so() {
    // Nobody may make a directory in sysfs, not even root.
    let state = Path::new("/sys/bindery-store-test");
    let error = FjallStore::open(state).err().unwrap();
    assert!(matches!(error, StoreError::Permission { .. }), "{error}");
    assert!(error.to_string().contains("/sys/bindery-store-test: permission denied"), "{error}");
}
