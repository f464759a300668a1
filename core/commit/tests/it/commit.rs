//! The ring, its history, what waits for its time, and the rescue configuration.

use crate::router::{NOON, Router, pool, pools};
use bindery_api::{CommitEntry, Mode};
use bindery_commit::{EditError, Recording, Scheduled};

#[test]
fn the_history_says_who_when_and_why() {
    let mut router = Router::new(&pools(&[("p1", 1)]));
    let text = pools(&[("p1", 2)]);
    router.wall += 10;
    let comment = "ticket 7\nand 8".to_owned();
    let recording = Recording { comment: comment.clone(), ..router.recording("ann", "cli") };
    router.apply(None, crate::router::loaded(&text), recording).unwrap();
    router.restart();
    let history = router.db.history();
    let entry = CommitEntry {
        sequence_number: 0,
        revision: 2,
        date_time: NOON + 10,
        user: "ann".to_owned(),
        client: "cli".to_owned(),
        comment,
        confirm_by: None,
    };
    assert_eq!(history.commits[0], entry);
    assert_eq!((history.commits[1].sequence_number, history.commits[1].revision), (1, 1));
    assert_eq!((history.pending, history.rescue), (None, false));
}

#[test]
fn candidates_follow_what_becomes_active_without_them() {
    let mut router = Router::new(&pools(&[("p1", 1), ("p2", 2)]));
    let (shared, private) = (router.open("s", Mode::Shared), router.open("p", Mode::Private));
    router.activate(&pools(&[("p1", 10), ("p2", 2)]), "reload");
    assert!(router.candidate(shared).contains("10.0.10.0") && !router.db.is_changed(shared).unwrap());
    assert!(!router.candidate(private).contains("10.0.10.0"));

    router.edit(shared, &[&pool("p1", 11), &pool("p3", 3), "delete access address-assignment pool p2"]).unwrap();
    router.activate(&pools(&[("p1", 12), ("p2", 20), ("p4", 4)]), "reload");
    let candidate = router.candidate(shared);
    assert!(candidate.contains("10.0.11.0") && candidate.contains("p3") && candidate.contains("p4"), "{candidate}");
    assert!(!candidate.contains("p2"), "{candidate}");
    // What becomes active is what was edited: nothing is left to commit.
    let text = bindery_config::tree::print(router.db.candidate(shared).unwrap());
    router.activate(&text, "at");
    assert!(!router.db.is_changed(shared).unwrap());
}

#[test]
fn a_text_in_no_order_is_committed_as_it_was_written() {
    let text = pools(&[("z", 1), ("a", 2)]);
    let mut router = Router::new(&text);
    let session = router.open("admin", Mode::Shared);
    assert!(!router.db.is_changed(session).unwrap());
    assert_eq!(router.commit(session).unwrap(), 1, "nothing was changed");
    assert_eq!(router.db.active().text(), text);
    assert_eq!(
        router.db.show(&bindery_api::ShowQuery { compare: Some("0".into()), ..Default::default() }).unwrap(),
        ""
    );
}

#[test]
fn nothing_else_is_committed_before_what_waits_for_its_time() {
    let mut router = Router::new(&pools(&[("p1", 1)]));
    let session = router.open("admin", Mode::Shared);
    router.edit(session, &[&pool("p2", 2)]).unwrap();
    let text = bindery_config::tree::print(&router.db.propose(session).unwrap());
    let scheduled = Scheduled {
        at: NOON + 60,
        user: "admin".to_owned(),
        comment: "night".to_owned(),
        text: text.clone(),
        force: true,
        renumber: Some(7),
    };
    router.db.schedule(scheduled.clone()).unwrap();
    assert!(matches!(router.db.propose(session), Err(EditError::Refused(_))));
    let pending = router.db.history().pending.unwrap();
    assert_eq!((pending.at, pending.user.as_str(), pending.comment.as_str()), (NOON + 60, "admin", "night"));
    router.restart();
    assert_eq!(router.db.scheduled(), Some(&scheduled));

    assert!(router.db.unschedule().unwrap());
    assert!(!router.db.unschedule().unwrap());
    router.activate(&text, "at");
    router.restart();
    assert_eq!((router.db.scheduled(), router.db.revision()), (None, 2));

    router.disk.put("scheduled", "check 0");
    let error = router.disk.database().unwrap_err().to_string();
    assert!(error.starts_with("scheduled is damaged") && error.contains("remove it"), "{error}");
}

#[test]
fn the_rescue_configuration_is_one_to_go_back_to() {
    let mut router = Router::new(&pools(&[("p1", 1)]));
    assert_eq!(router.db.rescue_text().unwrap(), None);
    assert!(!router.db.rescue_delete().unwrap());
    router.db.rescue_save().unwrap();
    router.activate(&pools(&[("p1", 2)]), "cli");
    router.restart();
    assert!(router.db.history().rescue);
    assert_eq!(router.db.rescue_text().unwrap(), Some(pools(&[("p1", 1)])));
    let session = router.open("admin", Mode::Shared);
    router.db.rollback(session, "rescue", NOON).unwrap();
    assert!(router.candidate(session).contains("10.0.1.0/24"));
    assert_eq!(router.commit(session).unwrap(), 3);
    assert!(router.db.rescue_delete().unwrap());
    assert!(!router.db.history().rescue);
    assert!(matches!(router.db.rollback(session, "rescue", NOON), Err(EditError::Unknown(_))));
    router.restart();
    assert!(!router.db.history().rescue);
}
