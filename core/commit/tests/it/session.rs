//! Who may edit, and until when.

use crate::router::{NOON, Router, pool, pools};
use bindery_api::{Mode, Open};
use bindery_commit::{EditError, IDLE_MAX, SESSIONS_MAX, Who};

fn router() -> Router {
    Router::new(&pools(&[("p1", 1)]))
}

fn refused<T>(done: Result<T, EditError>) -> String {
    match done {
        Err(EditError::Refused(text)) => text,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it was not refused"),
    }
}

#[test]
fn all_shared_sessions_edit_one_candidate() {
    let mut router = router();
    let (a, b) = (router.open("a", Mode::Shared), router.open("b", Mode::Shared));
    assert_ne!(a, b);
    router.edit(a, &[&pool("p2", 2)]).unwrap();
    assert!(router.candidate(b).contains("p2"));
    assert!(router.db.sessions(NOON).iter().all(|session| session.changed));
    router.db.close_session(a).unwrap();
    assert!(router.candidate(b).contains("p2"), "what is not committed stays");
    assert_eq!(router.commit(b).unwrap(), 2);
    assert!(!router.db.session(b, NOON).unwrap().changed);
}

#[test]
fn an_exclusive_session_edits_alone_and_leaves_nothing() {
    let mut router = router();
    let (shared, private) = (router.open("s", Mode::Shared), router.open("p", Mode::Private));
    let exclusive = router.open("admin", Mode::Exclusive);
    for other in [shared, private] {
        let told = refused(router.edit(other, &[&pool("p3", 3)]));
        assert_eq!(told, "configuration database locked by admin terminal pts/1 (pid 77), who edits it exclusively");
        refused(router.db.propose(other));
        refused(router.load(other, bindery_api::LoadVerb::Merge, &pools(&[("p3", 3)])));
        refused(router.db.rollback(other, "0", NOON));
    }
    refused(router.try_open("other", Mode::Exclusive));
    router.edit(exclusive, &[&pool("p2", 2)]).unwrap();
    router.db.close_session(exclusive).unwrap();
    assert!(!router.candidate(shared).contains("p2"));
    router.edit(shared, &[&pool("p3", 3)]).unwrap();

    let told = refused(router.try_open("admin", Mode::Exclusive));
    assert!(told.starts_with("configuration database modified"), "{told}");
    router.commit(shared).unwrap();
    let exclusive = router.open("admin", Mode::Exclusive);
    router.edit(exclusive, &[&pool("p4", 4)]).unwrap();
    assert_eq!(router.commit(exclusive).unwrap(), 3);
    router.db.close_session(exclusive).unwrap();
    assert!(router.active().contains("p4"), "what is committed stays");
}

#[test]
fn private_sessions_commit_only_their_own_changes() {
    let mut router = router();
    let (a, b) = (router.open("a", Mode::Private), router.open("b", Mode::Private));
    router.edit(a, &[&pool("a", 10)]).unwrap();
    router.edit(b, &[&pool("b", 20)]).unwrap();
    assert!(!router.candidate(b).contains("pool a"));
    assert_eq!(router.commit(a).unwrap(), 2);
    assert!(!router.candidate(b).contains("pool a"), "not before an update or a commit");
    assert_eq!(router.commit(b).unwrap(), 3);
    assert!(router.active().contains("pool a") && router.active().contains("pool b"));
    assert!(router.candidate(b).contains("pool a"));

    router.edit(b, &[&pool("b", 21)]).unwrap();
    router.db.update(a, NOON).unwrap();
    assert!(router.candidate(a).contains("10.0.20.0/24"));
    router.edit(a, &[&pool("b", 22)]).unwrap();
    router.commit(a).unwrap();
    for done in [router.db.propose(b).map(|_| ()), router.db.update(b, NOON)] {
        let Err(EditError::Conflict(told)) = done else { panic!("{done:?}") };
        assert!(told.ends_with("\n  access address-assignment pool b family inet network"), "{told}");
    }
    router.db.rollback(b, "0", NOON).unwrap();
    assert!(router.candidate(b).contains("10.0.22.0/24") && !router.db.is_changed(b).unwrap());
    let shared = router.open("s", Mode::Shared);
    refused(router.db.update(shared, NOON));
}

#[test]
fn a_private_commit_waits_for_the_shared_changes() {
    let mut router = router();
    let (private, shared) = (router.open("p", Mode::Private), router.open("s", Mode::Shared));
    router.edit(private, &[&pool("a", 10)]).unwrap();
    router.edit(shared, &[&pool("b", 20)]).unwrap();
    let told = refused(router.db.propose(private));
    assert!(told.contains("shared configuration database has changes"), "{told}");
    router.db.rollback(shared, "0", NOON).unwrap();
    router.commit(private).unwrap();
    assert!(router.candidate(shared).contains("pool a"), "an unchanged candidate follows");
}

#[test]
fn sessions_end_when_nobody_uses_them() {
    let mut router = router();
    let idle = router.open("idle", Mode::Shared);
    let used = router.open("used", Mode::Shared);
    let who = Who { user: "holds".to_owned(), uid: 0, pid: 9, mark: 4 };
    let hold = Open { hold: true, ..Open::default() };
    let holds = router.db.open_session(who.clone(), &hold, NOON).unwrap();
    assert_eq!(router.db.owner(holds).unwrap(), &who);
    let alive = |pid: i32, mark: u64| (pid, mark) == (9, 4);
    for at in (0..IDLE_MAX).step_by(30) {
        router.db.sweep(NOON + at, &alive);
        router.db.touch(used, NOON + at).unwrap();
    }
    assert_eq!(router.db.session(idle, NOON + IDLE_MAX - 1).unwrap().idle, IDLE_MAX - 1);
    router.db.sweep(NOON + IDLE_MAX, &alive);
    assert!(matches!(router.db.session(idle, NOON), Err(EditError::Unknown(_))));
    assert!(router.db.candidate(used).is_ok() && router.db.candidate(holds).is_ok());
    // Another process of the same number.
    router.db.sweep(NOON + IDLE_MAX, &|pid, mark| (pid, mark) == (9, 5));
    assert!(router.db.candidate(holds).is_err() && router.db.candidate(used).is_ok());
}

#[test]
fn an_idle_lock_goes_with_its_changes() {
    let mut router = router();
    let exclusive = router.open("admin", Mode::Exclusive);
    router.edit(exclusive, &[&pool("p2", 2)]).unwrap();
    router.db.sweep(NOON + IDLE_MAX, &|_, _| true);
    let shared = router.open("s", Mode::Shared);
    assert!(!router.candidate(shared).contains("p2"));
    router.edit(shared, &[&pool("p3", 3)]).unwrap();
}

#[test]
fn a_clock_that_is_set_ends_no_session() {
    let mut router = router();
    let id = router.open("a", Mode::Private);
    let alive = |_, _| true;
    router.db.sweep(NOON + 1, &alive);
    router.db.sweep(NOON + 100_000, &alive);
    assert_eq!(router.db.session(id, NOON + 100_000).unwrap().idle, 1);
    router.db.sweep(NOON - 100_000, &alive);
    assert_eq!(router.db.session(id, NOON - 100_000).unwrap().idle, 1);
    for second in 0..IDLE_MAX {
        router.db.sweep(NOON - 100_000 + second, &alive);
    }
    assert!(router.db.candidate(id).is_err());
}

#[test]
fn sessions_are_bounded_and_never_numbered_twice() {
    let mut router = router();
    let first = router.open("a", Mode::Shared);
    for _ in 1..SESSIONS_MAX {
        router.open("a", Mode::Private);
    }
    refused(router.try_open("a", Mode::Shared));
    router.db.close_session(first).unwrap();
    assert!(matches!(router.db.close_session(first), Err(EditError::Unknown(_))));
    let last = router.open("a", Mode::Shared);
    router.wall += 100;
    router.restart();
    assert!(router.db.candidate(last).is_err());
    assert!(router.open("a", Mode::Shared) > last, "a number of before the restart");
}

#[test]
fn an_operator_is_told_who_else_edits() {
    let mut router = router();
    let a = router.open("ann", Mode::Shared);
    assert_eq!(router.db.session(a, NOON).unwrap().warnings, [""; 0]);
    router.edit(a, &["edit access address-assignment pool p1"]).unwrap();
    router.edit(a, &[&pool("p2", 2)]).unwrap();
    let b = router.open("bob", Mode::Private);
    let told = router.db.session(b, NOON + 7).unwrap();
    assert_eq!((told.user.as_str(), told.pid, told.mode, told.start), ("bob", 77, Mode::Private, NOON));
    let warnings = told.warnings.join("\n");
    let edits = format!(
        "ann terminal pts/1 (pid 77) edits too (session {a}), idle 7 s, at [edit access address-assignment pool p1]"
    );
    assert!(warnings.starts_with(&edits), "{warnings}");
    assert!(warnings.contains("shared configuration has changes"), "{warnings}");
    assert_eq!(router.db.sessions(NOON)[0].path, "access address-assignment pool p1");
    let told = router.db.session(a, NOON).unwrap().warnings.join("\n");
    assert!(told.contains("changed but not committed") && told.contains("bob"), "{told}");
    router.edit(a, &["edit"]).unwrap();
    assert_eq!(router.db.sessions(NOON)[0].path, "");
}
