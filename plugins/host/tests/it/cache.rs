//! The cache of compiled components.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use bindery_plugin_host::{Host, HostConfig, HostError, Origin, Outcome};

use crate::exchange::Exchange;
use crate::text::{self, Guest};

fn host(dir: &Path) -> Result<Host, HostError> {
    Host::new(HostConfig { cache_dir: Some(dir.to_owned()), ..HostConfig::default() })
}

/// Load the good guest by a host of its own, and see that it works.
fn origin(dir: &Path) -> Origin {
    let mut plugin = host(dir).unwrap().load(&Guest::new(text::GOOD).spec()).unwrap();
    assert_eq!(plugin.shape_reply(&mut Exchange::new()), Outcome::Continue);
    plugin.origin().clone()
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn hit_miss_and_damage() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("state/cache");
    assert_eq!(origin(&dir), Origin::Compiled);
    assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(origin(&dir), Origin::Cached);
    let [entry] = entries(&dir).try_into().unwrap();
    assert_eq!(fs::metadata(&entry).unwrap().permissions().mode() & 0o777, 0o600);
    let whole = fs::read(&entry).unwrap();

    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    for (content, why) in [(&flipped[..], "damaged"), (&whole[..whole.len() - 1], "damaged"), (b"x", "cut short")] {
        fs::write(&entry, content).unwrap();
        assert_eq!(origin(&dir), Origin::Recompiled(why.into()));
        assert_eq!(fs::read(&entry).unwrap(), whole, "the entry is whole again");
        assert_eq!(origin(&dir), Origin::Cached);
    }
    fs::set_permissions(&entry, fs::Permissions::from_mode(0o622)).unwrap();
    assert!(matches!(origin(&dir), Origin::Recompiled(_)), "others could have written it");
    assert_eq!(origin(&dir), Origin::Cached);
}

#[test]
fn another_component_is_another_entry() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("cache");
    assert_eq!(origin(&dir), Origin::Compiled);
    let host = host(&dir).unwrap();
    let first = host.load(&Guest::new(text::GOOD).spec()).unwrap();
    let second = host.load(&Guest::new(text::DROP).spec()).unwrap();
    assert_eq!((first.origin(), second.origin()), (&Origin::Cached, &Origin::Compiled));
    assert_ne!(first.hash(), second.hash());
    assert_eq!(entries(&dir).len(), 2);
}

#[test]
fn a_directory_that_others_can_use_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for mode in [0o755, 0o770, 0o701] {
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(mode)).unwrap();
        let error = host(dir.path()).map(|_| ()).unwrap_err();
        assert!(matches!(error, HostError::CacheNotOurs { .. }), "{error}");
        assert!(error.to_string().contains("0700"), "{error}");
    }
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(matches!(host(&file.join("cache")).map(|_| ()).unwrap_err(), HostError::CacheIo { .. }));
}

#[test]
fn a_cache_that_cannot_be_written_is_no_error() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("cache");
    let host = host(&dir).unwrap();
    fs::remove_dir(&dir).unwrap();
    let mut plugin = host.load(&Guest::new(text::GOOD).spec()).unwrap();
    assert!(matches!(plugin.origin(), Origin::NotCached(_)));
    assert_eq!(plugin.shape_reply(&mut Exchange::new()), Outcome::Continue);
}

#[test]
fn old_entries_make_room() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("cache");
    assert_eq!(origin(&dir), Origin::Compiled);
    for number in 0..100 {
        fs::write(dir.join(format!("{number}.cwasm")), "").unwrap();
    }
    host(&dir).unwrap().load(&Guest::new(text::DROP).spec()).unwrap();
    assert_eq!(entries(&dir).len(), 64);
}
