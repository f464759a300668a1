//! Each change of the storage fails in turn, or is the last one before the machine stops. Whatever the step, a restart
//! finds the old configuration or the new one, whole.

use crate::router::{Disk, Fault, NOON, Router, loaded, pools};
use bindery_commit::{KEPT, Recording, Scheduled};
use bindery_config::Loaded;

/// Something that changes the storage.
type Step = fn(&mut Router) -> bool;

/// What a restart finds: revision, text, whether it waits, whether a commit waits for its time, rescue.
type State = (u64, String, bool, bool, bool);

fn new() -> Loaded {
    loaded(&pools(&[("new", 2)]))
}

/// A router with more revisions than are kept, so that a commit also removes one.
fn old() -> Router {
    let mut router = Router::new(&pools(&[("first", 1)]));
    for third in 0..KEPT as u8 {
        router.activate(&pools(&[("old", third)]), "cli");
    }
    router
}

/// The same, where the newest revision waits to be confirmed.
fn waiting() -> Router {
    let mut router = old();
    let recording = Recording { confirmed: Some(10), ..router.recording("admin", "cli") };
    router.apply(None, loaded(&pools(&[("waits", 1)])), recording).unwrap();
    router
}

fn state(disk: &Disk) -> State {
    let db = disk.database().unwrap_or_else(|error| panic!("{error}"));
    let boot = db.boot(None, NOON).unwrap();
    let bindery_commit::Boot::Revision { number, text, .. } = boot else { panic!("{boot:?}") };
    assert_eq!(number, db.revision());
    assert!(bindery_config::load("t", &text).is_ok());
    if let Some(window) = db.window() {
        let (fallback, text) = db.fallback().unwrap().unwrap();
        assert_eq!((fallback, window.revision), (window.fallback, number));
        assert!(bindery_config::load("t", &text).is_ok());
    }
    for at in 0..db.history().commits.len() {
        assert!(db.tree_of(&at.to_string()).is_ok(), "rollback {at}");
    }
    (number, text, db.window().is_some(), db.scheduled().is_some(), db.history().rescue)
}

/// Does the step with each fault of each change, from the same beginning.
fn try_all(begin: fn() -> Router, step: Step) {
    let mut router = begin();
    let before = state(&router.disk);
    let disk = router.disk.copy();
    router.disk.fail(Fault::None);
    assert!(step(&mut router));
    let (changes, after) = (router.disk.changes(), state(&router.disk));
    assert!(changes > 0 && before != after);
    for at in 0..changes {
        for fault in [Fault::Refused(at), Fault::Doubtful(at), Fault::Stopped(at), Fault::Stuck(at)] {
            let copy = disk.copy();
            let (db, file) = (copy.database().unwrap(), router.file.clone());
            let mut again = Router { disk: copy, file, wall: NOON, db };
            let (_, text, ..) = &before;
            again.db.started(std::sync::Arc::new(loaded(text)));
            again.disk.fail(fault);
            let done = step(&mut again);
            again.disk.fail(Fault::None);
            let found = state(&again.disk);
            assert!(found == before || found == after, "{fault:?}: {found:?}");
            assert!(!done || found == after, "{fault:?}: what was said to be done is not");
            if !done && fault == Fault::Refused(at) && found == after {
                panic!("{fault:?}: what was refused is done all the same");
            }
            goes_on(again, fault);
        }
    }
}

/// That a daemon whose storage is well again commits, and finds it after a restart.
fn goes_on(mut router: Router, fault: Fault) {
    let text = pools(&[("next", 99)]);
    let number = router.activate(&text, "cli");
    let found = state(&router.disk);
    assert_eq!((found.0, &found.1, found.2), (number, &text, false), "{fault:?}");
    assert!(router.disk.names().iter().filter(|name| name.ends_with(".record")).count() <= KEPT);
}

fn record(router: &mut Router, confirmed: Option<u32>) -> bool {
    let recording = Recording { confirmed, ..router.recording("admin", "cli") };
    router.db.record(&new(), recording).is_ok()
}

#[test]
fn a_commit() {
    try_all(old, |router| record(router, None));
}

#[test]
fn a_commit_that_waits() {
    try_all(old, |router| record(router, Some(10)));
}

#[test]
fn a_commit_that_confirms() {
    try_all(waiting, |router| record(router, None));
}

#[test]
fn another_commit_that_waits() {
    try_all(waiting, |router| record(router, Some(20)));
}

#[test]
fn a_confirmation() {
    try_all(waiting, |router| router.db.confirm("admin", NOON).is_ok());
}

#[test]
fn a_commit_that_is_taken_back() {
    try_all(waiting, |router| {
        let (_, text) = router.db.fallback().unwrap().unwrap();
        let recording = router.recording("", bindery_commit::EXPIRED);
        router.db.record(&loaded(&text), recording).is_ok()
    });
}

fn schedule(router: &mut Router) -> bool {
    let scheduled = Scheduled {
        at: NOON,
        user: "admin".to_owned(),
        comment: String::new(),
        text: new().text().to_owned(),
        force: false,
        renumber: None,
    };
    router.db.schedule(scheduled).is_ok()
}

#[test]
fn a_commit_for_later() {
    try_all(old, schedule);
    let scheduled = || {
        let mut router = old();
        assert!(schedule(&mut router));
        router
    };
    try_all(scheduled, |router| router.db.unschedule().is_ok());
}

#[test]
fn the_rescue_configuration() {
    try_all(old, |router| router.db.rescue_save().is_ok());
    let saved = || {
        let mut router = old();
        router.db.rescue_save().unwrap();
        router
    };
    try_all(saved, |router| router.db.rescue_delete().is_ok());
}

#[test]
fn the_end_of_a_renumbering() {
    let mut router = old();
    let recording = Recording { renumber: Some(5), ..router.recording("admin", "cli") };
    router.apply(None, new(), recording).unwrap();
    for fault in [Fault::Refused(0), Fault::Doubtful(0), Fault::Stopped(0)] {
        let copy = router.disk.copy();
        let mut db = copy.database().unwrap();
        let revision = db.revision();
        copy.fail(fault);
        assert!(db.finish_plan(revision, "complete").is_err());
        assert!(db.plan().is_some());
        let found = copy.database().unwrap();
        assert_eq!((found.revision(), found.plan().is_none()), (revision, fault == Fault::Doubtful(0)));
    }
}

#[test]
fn a_commit_that_failed_half_is_no_danger_to_the_next() {
    let mut router = old();
    let before = router.db.revision();
    // The record is written, nobody knows it, and it cannot be taken away.
    router.disk.fail(Fault::Stuck(1));
    assert!(!record(&mut router, None));
    assert_eq!(router.db.revision(), before);
    // The next commit ends between its text and its record: that text must not stand behind the other's record.
    router.disk.fail(Fault::Stopped(1));
    let recording = router.recording("admin", "cli");
    assert!(router.db.record(&loaded(&pools(&[("half", 3)])), recording).is_err());
    router.disk.fail(Fault::None);
    let found = state(&router.disk);
    assert_eq!((found.0, found.1.as_str()), (before + 1, new().text()), "it is there whole");
    // The daemon that knows nothing of it goes on, and takes it away.
    goes_on(router, Fault::Stuck(1));
}

#[test]
fn a_commit_that_is_said_to_have_failed_does_not_boot() {
    let mut router = old();
    let before = state(&router.disk);
    router.disk.fail(Fault::Doubtful(1));
    assert!(!record(&mut router, None));
    router.disk.fail(Fault::None);
    assert_eq!(state(&router.disk), before);
}
