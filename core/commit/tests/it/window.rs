//! `commit confirmed`.

use crate::router::{NOON, Router, loaded, pool, pools};
use bindery_api::Mode;
use bindery_commit::{Boot, EXPIRED, EditError, KeptFile, Recording, Window};

/// A router with revision 2 waiting for ten minutes, and a shared session.
fn waiting() -> (Router, u64) {
    let mut router = Router::new(&pools(&[("p1", 1)]));
    let session = router.open("admin", Mode::Shared);
    router.edit(session, &[&pool("p2", 2)]).unwrap();
    assert_eq!(router.commit_for(session, Some(10)).unwrap(), 2);
    (router, session)
}

#[test]
fn a_commit_waits_and_is_taken_back() {
    let (mut router, session) = waiting();
    let window = Window { revision: 2, fallback: 1, deadline_wall: NOON + 600, minutes: 10 };
    assert_eq!(router.db.window(), Some(window));
    assert_eq!(router.db.history().commits[0].confirm_by, Some(NOON + 600));
    router.restart();
    assert_eq!(router.db.window(), Some(window), "a restart changes nothing");
    router.expire();
    assert_eq!((router.db.revision(), router.db.window()), (3, None));
    assert!(!router.active().contains("p2"));
    let commits = router.db.history().commits;
    assert_eq!(
        (commits[0].client.as_str(), commits[0].confirm_by, commits[1].confirm_by),
        ("confirm-expired", None, None)
    );
    assert!(router.db.session(session, NOON).is_err(), "sessions do not outlive a restart");
}

#[test]
fn a_restart_after_the_time_takes_it_back() {
    let (mut router, _) = waiting();
    router.wall += 601;
    router.restart();
    assert_eq!((router.db.revision(), router.db.window()), (3, None));
    assert!(!router.active().contains("p2"));
    router.restart();
    assert_eq!(router.db.revision(), 3);
}

#[test]
fn whoever_commits_confirms() {
    let (mut router, session) = waiting();
    assert_eq!(router.commit(session).unwrap(), 2);
    assert_eq!(router.db.window(), None);
    router.wall += 1000;
    router.restart();
    assert_eq!(router.db.revision(), 2);
    assert!(router.active().contains("p2"));
    assert_eq!(router.db.confirm("admin", router.wall).unwrap(), None, "there is nothing to confirm");

    let (mut router, session) = waiting();
    router.edit(session, &[&pool("p3", 3)]).unwrap();
    assert_eq!(router.commit(session).unwrap(), 3);
    assert_eq!(router.db.window(), None);
    router.restart();
    assert_eq!((router.db.revision(), router.db.window()), (3, None));
}

#[test]
fn commit_confirmed_again_begins_anew_with_the_same_way_back() {
    let (mut router, session) = waiting();
    router.wall += 500;
    router.edit(session, &[&pool("p3", 3)]).unwrap();
    assert_eq!(router.commit_for(session, Some(2)).unwrap(), 3);
    let deadline_wall = NOON + 500 + 120;
    assert_eq!(router.db.window(), Some(Window { revision: 3, fallback: 1, deadline_wall, minutes: 2 }));
    // Without another change: only the time.
    router.wall += 100;
    assert_eq!(router.commit_for(session, Some(5)).unwrap(), 3);
    let window = Window { revision: 3, fallback: 1, deadline_wall: NOON + 900, minutes: 5 };
    assert_eq!(router.db.window(), Some(window));
    router.restart();
    assert_eq!(router.db.window(), Some(window));
    assert_eq!(router.db.fallback().unwrap(), Some((1, pools(&[("p1", 1)]))));
}

#[test]
fn nothing_waits_that_goes_back_to_itself() {
    let mut router = Router::new(&pools(&[("p1", 1)]));
    let text = router.db.active().text().to_owned();
    let recording = Recording { confirmed: Some(10), ..router.recording("admin", "cli") };
    assert_eq!(router.db.record(&loaded(&text), recording.clone()).unwrap(), 1);
    assert_eq!(router.db.window(), None);
    let (mut router, _) = waiting();
    assert_eq!(router.apply(None, loaded(&text), recording).unwrap(), 3);
    assert_eq!(router.db.window(), None, "the operator has gone back already");
}

#[test]
fn a_private_candidate_is_committed_for_good() {
    let mut router = Router::new(&pools(&[("p1", 1)]));
    let session = router.open("admin", Mode::Private);
    router.edit(session, &[&pool("p2", 2)]).unwrap();
    assert!(matches!(router.commit_for(session, Some(10)), Err(EditError::Refused(_))));
    assert!(router.commit(session).is_ok());
}

#[test]
fn what_a_start_records_in_the_time_to_confirm_waits_as_well() {
    let (mut router, _) = waiting();
    let text = router.db.active().text().to_owned();
    router.db = router.disk.database().unwrap();
    // A plugin's component is another one since.
    let plugin = KeptFile { kind: "plugin".into(), name: "p".into(), hash: [1; 32], path: "p.wasm".into() };
    let recording = Recording { files: vec![plugin], ..router.recording("", "file") };
    assert_eq!(router.db.record(&loaded(&text), recording).unwrap(), 3);
    assert_eq!(router.db.window(), Some(Window { revision: 3, fallback: 1, deadline_wall: NOON + 600, minutes: 10 }));
}

#[test]
fn the_way_back_is_kept_however_many_commits_wait() {
    let (mut router, session) = waiting();
    for third in 10..80 {
        router.edit(session, &[&pool("p2", third)]).unwrap();
        router.commit_for(session, Some(10)).unwrap();
    }
    assert_eq!(router.db.window().map(|window| window.fallback), Some(1));
    assert_eq!(router.db.history().commits.len(), 50);
    router.restart();
    assert_eq!(router.db.fallback().unwrap(), Some((1, pools(&[("p1", 1)]))));
    router.expire();
    assert!(!router.active().contains("p2"));
    assert!(router.disk.get("00000001.kdl").is_none(), "it goes with the next commit");
}

#[test]
fn a_clock_that_stands_earlier_gives_no_more_time() {
    let (router, _) = waiting();
    let window = router.db.window().unwrap();
    assert_eq!((window.remaining(0), window.remaining(NOON + 599), window.remaining(u64::MAX)), (600, 1, 0));
}

#[test]
fn uncommitted_changes_survive_what_is_taken_back() {
    let (mut router, session) = waiting();
    router
        .edit(session, &[&pool("p3", 3), "set access address-assignment pool p2 family inet network 10.0.9.0/24"])
        .unwrap();
    router.expire();
    let candidate = router.candidate(session);
    assert!(
        candidate.contains("pool p3") && candidate.contains("pool p2 family inet network 10.0.9.0/24"),
        "{candidate}"
    );
    assert!(!router.active().contains("p2"));
}

#[test]
fn a_renumbering_goes_on_until_it_is_at_its_end() {
    let mut router = Router::new(&pools(&[("p1", 1)]));
    let recording = Recording { renumber: Some(100), ..router.recording("admin", "cli") };
    router.apply(None, loaded(&pools(&[("p1", 2)])), recording).unwrap();
    router.restart();
    let plan = router.db.plan().unwrap();
    assert_eq!((plan.revision, plan.pace), (2, 100));
    router.db.finish_plan(1, "complete").unwrap();
    assert!(router.db.plan().is_some(), "that was another one");
    router.db.finish_plan(2, "complete").unwrap();
    assert_eq!(router.db.plan(), None);
    router.restart();
    assert_eq!(router.db.plan(), None);
}

#[test]
fn what_comes_back_as_what_is_there_waits_no_more() {
    let text = pools(&[("p1", 1)]);
    let mut router = Router::new(&text);
    // Only the component of a plugin is another one; and the old one is not there any more when the time is over.
    let plugin = KeptFile { kind: "plugin".into(), name: "p".into(), hash: [1; 32], path: "p.wasm".into() };
    let recording = Recording { files: vec![plugin], ..router.recording("admin", "cli") };
    let confirmed = Recording { confirmed: Some(10), ..recording.clone() };
    assert_eq!(router.apply(None, loaded(&text), confirmed).unwrap(), 2);
    assert_eq!(router.db.window().map(|window| window.fallback), Some(1));
    let same = router.db.record(&loaded(&text), recording.clone()).unwrap();
    assert!(same == 2 && router.db.window().is_some(), "a start, say: nobody has confirmed");
    let expired = Recording { via: EXPIRED.to_owned(), ..recording };
    assert_eq!(router.db.record(&loaded(&text), expired).unwrap(), 2);
    assert_eq!(router.db.window(), None);
}

/// A plugin or a table may be all that is on trial: the text that comes back is the one that runs.
#[test]
fn what_is_on_trial_may_be_a_file_alone() {
    let mut router = Router::new(&pools(&[("p1", 1)]));
    let file = |hash: u8| KeptFile { kind: "plugin".into(), name: "p".into(), hash: [hash; 32], path: String::new() };
    let with = |router: &Router, via: &str, of: u8, confirmed| Recording {
        files: vec![file(of)],
        confirmed,
        ..router.recording("", via)
    };
    let text = loaded(&pools(&[("p1", 1)]));
    let first = with(&router, "cli", 1, None);
    let first = router.db.record(&text, first).unwrap();
    let trial = with(&router, "cli", 2, Some(10));
    let trial = router.db.record(&text, trial).unwrap();
    let (fallback, back) = router.db.fallback().unwrap().unwrap();
    assert_eq!((fallback, back.as_str()), (first, text.text()));
    assert_eq!(router.db.hash_in(fallback, "plugin", "p"), Some([1; 32]));
    router.db = router.disk.database().unwrap();
    router.wall += 600;
    assert!(matches!(router.boot(), Boot::Expired { from, to, .. } if (from, to) == (trial, first)));
    assert!(matches!(router.db.boot_newest().unwrap(), Boot::Revision { number, .. } if number == trial));
    let back = with(&router, EXPIRED, 1, None);
    assert_eq!(router.db.record(&text, back).unwrap(), trial + 1);
    assert_eq!(router.db.window(), None);
}
