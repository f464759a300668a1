//! Commands, texts and rollbacks in a candidate.

use crate::router::{NOON, Router, pool, pools};
use bindery_api::{Edit, Format, Load, LoadVerb, Mode};
use bindery_commit::EditError;

const TOKEN: &str = "set system services dhcp-local-server reconfigure token s3cret";

fn router() -> (Router, u64) {
    let mut router = Router::new(&pools(&[("p1", 1)]));
    let session = router.open("admin", Mode::Shared);
    (router, session)
}

#[test]
fn commands_are_done_all_or_none() {
    let (mut router, session) = router();
    assert_eq!(
        router.edit(session, &[&pool("p2", 2), &pool("p3", 3), "delete access address-assignment pool p1"]).unwrap(),
        3
    );
    let before = router.candidate(session);
    let error = router.edit(session, &[&pool("p4", 4), "delete access address-assignment pool nope", &pool("p5", 5)]);
    let Err(EditError::Refused(told)) = error else { panic!("{error:?}") };
    assert!(told.contains("pool nope"), "{told}");
    assert_eq!(router.candidate(session), before);
    assert!(router.edit(session, &[&pool("p4", 4), "sett x"]).is_err());
    assert!(router.edit(session, &[&pool("p4", 4), "edit access"]).is_err());
    assert_eq!(router.candidate(session), before);
    // One that is refused leaves a candidate that nobody changed.
    router.db.rollback(session, "0", NOON).unwrap();
    assert!(router.edit(session, &["delete access address-assignment pool nope"]).is_err());
    assert!(!router.db.is_changed(session).unwrap());
    router.edit(session, &[&pool("p2", 2)]).unwrap();
    router.edit(session, &["delete access address-assignment pool p2"]).unwrap();
    assert!(!router.db.is_changed(session).unwrap(), "what is taken back is no change");
    assert_eq!(router.edit(session, &[]).unwrap(), 0);
}

#[test]
fn paths_begin_where_the_operator_is() {
    let (mut router, session) = router();
    let edit = |path: &str, command: &str| Edit { session, path: path.to_owned(), commands: vec![command.to_owned()] };
    let pool = "access address-assignment pool p1";
    let edited = router.db.edit(&edit("access", "edit address-assignment pool p1"), NOON).unwrap();
    assert_eq!((edited.path.as_str(), edited.changed), (pool, 0));
    router.db.edit(&edit(pool, "set family inet dhcp-attributes maximum-lease-time 77"), NOON).unwrap();
    assert!(router.candidate(session).contains("pool p1 family inet dhcp-attributes maximum-lease-time 77"));
    assert!(router.db.edit(&edit("nowhere", "set policy"), NOON).is_err());
    assert!(router.db.edit(&edit("", "edit nowhere"), NOON).is_err());
    assert!(matches!(router.db.edit(&Edit { session: 1, ..edit("", "set policy") }, NOON), Err(EditError::Unknown(_))));
}

#[test]
fn texts_are_loaded_in_every_form_and_way() {
    let (mut router, session) = router();
    let other = pools(&[("p2", 2)]);
    assert_eq!(router.load(session, LoadVerb::Merge, &other).unwrap(), 1);
    assert!(router.candidate(session).contains("p1") && router.candidate(session).contains("p2"));
    router.load(session, LoadVerb::Override, &other).unwrap();
    assert!(!router.candidate(session).contains("p1"));
    let texts = [
        (
            "json",
            "{\"access\": {\"address-assignment\": {\"pool\": {\"p3\": {\"family\": {\"inet\": {\"network\": \"10.0.3.0/24\"}}}}}}}",
        ),
        ("braced", "access {\n address-assignment {\n pool p3 {\n family inet {\n network 10.0.3.0/24;\n}\n}\n}\n}\n"),
        ("kdl", "access {\n address-assignment {\n pool p3 {\n family inet {\n network \"10.0.3.0/24\"\n}\n}\n}\n}\n"),
    ];
    for (name, text) in texts {
        router.db.rollback(session, "0", NOON).unwrap();
        router.load(session, LoadVerb::Merge, text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(router.candidate(session).contains("pool p3 family inet network 10.0.3.0/24"), "{name}");
    }
    router.load(session, LoadVerb::Set, &format!("{}\n{}\n", pool("p4", 4), pool("p5", 5))).unwrap();
    assert!(router.candidate(session).contains("p5"));
    let load = Load { session, format: Some(Format::Set), text: pool("p6", 6), ..Load::default() };
    router.db.load(&load, NOON).unwrap();
    assert!(router.candidate(session).contains("p6"));
    assert!(router.db.load(&Load { format: Some(Format::Inheritance), ..load }, NOON).is_err());

    let patch = "[edit access address-assignment]\n-    pool p4 {\n-        family inet {\n-            network 10.0.4.0/24;\n-        }\n-    }\n";
    router.load(session, LoadVerb::Patch, patch).unwrap();
    assert!(!router.candidate(session).contains("p4"));
    let relative =
        Load { session, path: "access address-assignment".to_owned(), text: "pool p7".to_owned(), ..Load::default() };
    router.db.load(&relative, NOON).unwrap();
    assert!(router.candidate(session).contains("pool p7"));
}

#[test]
fn faults_of_a_text_are_shown_with_their_place_and_change_nothing() {
    let (mut router, session) = router();
    let text = "access {\n    adress-assignment\n}\nsystem { services { dhcp-local-server { reconfigure { token \"s3cret\"; tokn 5 } } } }\n";
    let load = Load { session, name: "terminal".to_owned(), text: text.to_owned(), ..Load::default() };
    let told = router.db.load(&load, NOON).unwrap_err().to_string();
    assert!(told.contains("--> terminal:2:5") && told.contains("2 errors in terminal"), "{told}");
    assert!(!told.contains("s3cret"), "{told}");
    assert!(!router.db.is_changed(session).unwrap());
}

#[test]
fn a_hidden_secret_stays_what_it_was() {
    let (mut router, session) = router();
    router.edit(session, &[TOKEN]).unwrap();
    let before = router.candidate(session);
    assert!(before.contains("s3cret"));
    for format in [Format::Braced, Format::Kdl, Format::Json, Format::Set] {
        let query = bindery_api::ShowQuery { session: Some(session), format, ..bindery_api::ShowQuery::default() };
        let shown = router.db.show(&query).unwrap();
        assert!(shown.contains("hidden>") && !shown.contains("s3cret"), "{shown}");
        let verb = if format == Format::Set { LoadVerb::Set } else { LoadVerb::Override };
        let load = Load { session, verb, format: Some(format), text: shown, ..Load::default() };
        assert_eq!(router.db.load(&load, NOON).unwrap().changed, 0, "{format:?}");
        assert_eq!(router.candidate(session), before);
    }
    router.edit(session, &[&TOKEN.replace("s3cret", "\"<hidden>\"")]).unwrap();
    assert_eq!(router.candidate(session), before);
    let elsewhere = "set system services dhcp-local-server group g reconfigure token \"<hidden>\"";
    let told = router.edit(session, &[elsewhere]).unwrap_err().to_string();
    assert!(told.ends_with("\n  system services dhcp-local-server group g reconfigure token"), "{told}");
    assert_eq!(router.candidate(session), before);
    let told = router.load(session, LoadVerb::Set, elsewhere).unwrap_err().to_string();
    assert!(told.contains("group g reconfigure token"), "{told}");
    assert_eq!(router.candidate(session), before);
}

#[test]
fn no_error_tells_a_secret() {
    let (mut router, session) = router();
    let commands = [
        format!("{TOKEN} more"),
        "set system services dhcp-local-server reconfigure tok s3cret more".to_owned(),
        "edit system services dhcp-local-server reconfigure token s3cret".to_owned(),
        format!("delete {}", &TOKEN[4..]),
    ];
    for command in commands {
        let told = router.edit(session, &[&command]).unwrap_err().to_string();
        assert!(!told.contains("s3cret"), "{command}: {told}");
    }
    router.edit(session, &[TOKEN]).unwrap();
    let paths = ["system services dhcp-local-server reconfigure token s3cret", "token s3cret x"];
    for path in paths {
        let query = bindery_api::ShowQuery { path: path.to_owned(), ..bindery_api::ShowQuery::default() };
        let told = router.db.show(&query).unwrap_err().to_string();
        assert!(!told.contains("s3cret"), "{told}");
    }
}

#[test]
fn a_rollback_brings_an_earlier_configuration_into_the_candidate() {
    let (mut router, session) = router();
    for third in 2..6 {
        router.edit(session, &[&pool("p1", third)]).unwrap();
        router.commit(session).unwrap();
    }
    router.edit(session, &[&pool("p9", 9)]).unwrap();
    router.db.rollback(session, "2", NOON).unwrap();
    assert!(router.candidate(session).contains("10.0.3.0/24") && !router.candidate(session).contains("p9"));
    assert_eq!(router.commit(session).unwrap(), 6);
    router.db.rollback(session, "0", NOON).unwrap();
    assert!(!router.db.is_changed(session).unwrap());
    for to in ["6", "50", "-1", "", "x", "rescue", "99999999999999999999"] {
        assert!(matches!(router.db.rollback(session, to, NOON), Err(EditError::Unknown(_))), "{to}");
    }
}

#[test]
fn notes_and_marks_survive_a_commit() {
    let (mut router, session) = router();
    let pool = "access address-assignment pool p1";
    router.edit(session, &[&format!("annotate {pool} \"the first\""), &format!("protect {pool}")]).unwrap();
    router.edit(session, &["set policy", "deactivate policy"]).unwrap();
    router.commit(session).unwrap();
    router.restart();
    let session = router.open("admin", Mode::Shared);
    let candidate = router.candidate(session);
    for wanted in ["annotate", "the first", "protect", "deactivate policy"] {
        assert!(candidate.contains(wanted), "{candidate}");
    }
    let told = router.edit(session, &[&format!("delete {pool}")]).unwrap_err().to_string();
    assert!(told.contains("protected"), "{told}");
}
