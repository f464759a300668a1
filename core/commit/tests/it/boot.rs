//! What boots: revision, file, or what was there before.

use crate::router::{Disk, NOON, Router, loaded, pools};
use bindery_commit::{Boot, KEPT, KeptFile, Recording};
use bindery_config::hash;

fn one() -> String {
    pools(&[("p1", 1)])
}

fn two() -> String {
    pools(&[("p1", 1), ("p2", 2)])
}

fn booted(boot: Boot) -> (&'static str, String, usize) {
    match boot {
        Boot::Revision { text, warnings, .. } => ("revision", text, warnings.len()),
        Boot::File { text, warnings } => ("file", text, warnings.len()),
        Boot::Expired { text, warnings, .. } => ("expired", text, warnings.len()),
        Boot::Nothing => ("nothing", String::new(), 0),
    }
}

/// Where revision 2 has [`two`], and 3 has [`one`] again while the file could not be written.
fn three() -> Router {
    let mut router = Router::new(&one());
    router.activate(&two(), "cli");
    let recording = router.recording("", "cli");
    router.db.record(&loaded(&one()), recording).unwrap();
    router.db = router.disk.database().unwrap();
    router
}

#[test]
fn the_newest_revision_boots_while_nobody_changed_the_file() {
    let mut router = three();
    assert_eq!(router.db.revision(), 3);
    // A crash, or a file that cannot be written, leaves what it held when the revision was recorded.
    router.file = Some(two());
    assert_eq!(booted(router.boot()), ("revision", one(), 0));
    router.file = Some(one());
    assert_eq!(booted(router.boot()), ("revision", one(), 0));
    router.file = None;
    assert_eq!(booted(router.boot()), ("revision", one(), 0));
    router.start().unwrap();
    assert_eq!(router.db.revision(), 3, "what boots is not recorded again");
}

#[test]
fn a_file_that_was_changed_boots_as_a_new_revision() {
    let mut router = three();
    let mine = pools(&[("mine", 9)]);
    router.file = Some(mine.clone());
    assert_eq!(booted(router.boot()), ("file", mine, 0));
    router.start().unwrap();
    assert_eq!((router.db.revision(), router.db.history().commits[0].client.as_str()), (4, "file"));
    router.restart();
    assert_eq!(router.db.revision(), 4);
    // A text that is no configuration is no reason to fail here: whoever reads it says so.
    router.file = Some("access {".to_owned());
    assert_eq!(booted(router.boot()).0, "file");
}

#[test]
fn without_a_revision_the_file_boots() {
    let db = Disk::default().database().unwrap();
    assert_eq!(booted(db.boot(None, NOON).unwrap()).0, "nothing");
    assert_eq!(booted(db.boot(Some("access"), NOON).unwrap()), ("file", "access".to_owned(), 0));
}

#[test]
fn in_the_time_to_confirm_the_file_does_not_boot() {
    let mut router = Router::new(&one());
    let recording = Recording { confirmed: Some(10), ..router.recording("admin", "cli") };
    router.apply(None, loaded(&two()), recording).unwrap();
    router.file = Some(pools(&[("mine", 9)]));
    router.db = router.disk.database().unwrap();
    router.wall += 599;
    assert_eq!(booted(router.boot()), ("revision", two(), 2));
    router.wall += 1;
    assert_eq!(booted(router.boot()), ("expired", one(), 2));
    router.file = Some(two());
    assert_eq!(booted(router.boot()), ("expired", one(), 1));
    assert!(matches!(router.boot(), Boot::Expired { from: 2, to: 1, .. }));
}

#[test]
fn half_a_revision_is_none() {
    let router = three();
    router.disk.put("00000004.kdl", two());
    router.disk.put("00000005.new", "no");
    router.disk.put("5.record", "no");
    let db = router.disk.database().unwrap();
    assert_eq!(db.revision(), 3);
    let mut router = Router { db, ..router };
    router.start().unwrap();
    assert_eq!(router.activate(&two(), "cli"), 4);
    router.restart();
    assert_eq!(router.db.active().text(), two());
}

#[test]
fn what_is_damaged_is_named_with_what_to_do() {
    let cases = [
        ("00000003.kdl", "00000003.record: the configuration file boots"),
        ("00000003.record", "put it back from a backup, or remove it: revision 3 is gone"),
        ("00000001.record", "put it back from a backup, or remove it: revision 1 is gone"),
    ];
    for (name, help) in cases {
        let disk = three().disk;
        let text = disk.get(name).unwrap();
        disk.put(name, text.replacen('1', "2", 1));
        let error = disk.database().unwrap_err().to_string();
        assert!(error.starts_with(&format!("{name} is damaged")) && error.contains(help), "{error}");
        disk.put(name, [0xff]);
        assert!(disk.database().unwrap_err().to_string().contains(help));
    }
    let disk = three().disk;
    disk.delete("00000003.kdl");
    let error = disk.database().unwrap_err().to_string();
    assert!(error.starts_with("00000003.kdl is damaged: it is gone"), "{error}");
    // What the message says.
    disk.delete("00000003.record");
    assert_eq!(disk.database().unwrap().revision(), 2);
}

#[test]
fn a_damaged_way_back_is_told_at_once() {
    let mut router = Router::new(&one());
    let recording = Recording { confirmed: Some(10), ..router.recording("admin", "cli") };
    router.apply(None, loaded(&two()), recording).unwrap();
    for (name, reason) in [("00000001.kdl", "it is gone"), ("00000001.record", "its record is gone")] {
        let disk = router.disk.copy();
        disk.delete(name);
        let error = disk.database().unwrap_err().to_string();
        assert!(error.contains(reason) && error.contains("revision 2 waits to be confirmed"), "{error}");
    }
    router.disk.put("00000001.kdl", "other");
    let error = router.db.fallback().unwrap_err().to_string();
    assert!(error.contains("00000001.kdl is damaged"), "{error}");
}

#[test]
fn an_older_text_that_is_damaged_is_told_when_it_is_wanted() {
    let router = three();
    router.disk.put("00000001.kdl", "other");
    let db = router.disk.database().unwrap();
    let error = db.tree_of("2").unwrap_err().to_string();
    assert!(error.contains("00000001.kdl is damaged"), "{error}");
    assert!(db.tree_of("1").is_ok());
}

#[test]
fn revisions_of_the_release_before_boot() {
    let disk = Disk::default();
    disk.put("00000007.kdl", one());
    let record = format!("revision 7\nby boot\nat 17\nsha256 {}\nplugin p {} p.wasm\n", hash(&one()), hash("p"));
    disk.put("00000007.record", record);
    let mut db = disk.database().unwrap();
    assert_eq!(booted(db.boot(Some(&one()), NOON).unwrap()), ("revision", one(), 0));
    assert_eq!(booted(db.boot(Some(&two()), NOON).unwrap()), ("file", two(), 0));
    assert_eq!(db.kept_hash("plugin", hash(&one()), "p"), Some(hash("p").0));
    assert_eq!(db.kept_hash("plugin", hash(&two()), "p"), None);
    let plugin = KeptFile { kind: "plugin".into(), name: "p".into(), hash: hash("p").0, path: "p.wasm".into() };
    let again = Recording { files: vec![plugin], ..Recording::default() };
    assert_eq!(db.record(&loaded(&one()), again.clone()).unwrap(), 7);
    let mut other = again;
    other.files[0].hash = hash("q").0;
    assert_eq!(db.record(&loaded(&one()), other).unwrap(), 8, "another component is another revision");
    assert_eq!(db.kept_hash("plugin", hash(&one()), "p"), Some(hash("q").0), "the last time");
    assert_eq!(db.hash_in(7, "plugin", "p"), Some(hash("p").0));
    assert_eq!(db.hash_in(8, "plugin", "p"), Some(hash("q").0));
    assert_eq!((db.hash_in(8, "host-table", "p"), db.hash_in(9, "plugin", "p")), (None, None));
    assert_eq!(db.kept_hashes("plugin").unwrap(), [hash("p").0, hash("q").0]);
    assert_eq!(db.kept_hashes("host-table").unwrap(), [[0; 32]; 0]);
}

#[test]
fn fifty_revisions_are_kept() {
    let mut router = Router::new(&one());
    for third in 0..60 {
        router.activate(&pools(&[("p", third)]), "cli");
    }
    let commits = router.db.history().commits;
    assert_eq!(commits.len(), KEPT);
    assert_eq!((commits[0].revision, commits[49].revision), (61, 12));
    assert_eq!(router.disk.names().len(), 2 * KEPT);
    router.restart();
    assert_eq!(router.db.history().commits, commits);
    assert!(router.db.tree_of("49").is_ok() && router.db.tree_of("50").is_err());
}
