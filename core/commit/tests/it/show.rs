//! What an operator sees.

use crate::router::{NOON, Router, pool, pools};
use bindery_api::{Format, Mode, ShowQuery};
use bindery_commit::EditError;

fn query(path: &str, format: Format) -> ShowQuery {
    ShowQuery { path: path.to_owned(), format, ..ShowQuery::default() }
}

const INET: &str = "access address-assignment pool p1 family inet";

#[test]
fn every_form_shows_what_is_below_a_path() {
    let router = Router::new(&pools(&[("p1", 1), ("p2", 2)]));
    let show = |path: &str, format| router.db.show(&query(path, format)).unwrap();
    assert_eq!(show(INET, Format::Braced), "network 10.0.1.0/24;\n");
    assert_eq!(show(INET, Format::Kdl), "network \"10.0.1.0/24\"\n");
    assert_eq!(show(INET, Format::Set), format!("set {INET} network 10.0.1.0/24\n"));
    assert_eq!(show(INET, Format::Json), "{\n    \"network\": \"10.0.1.0/24\"\n}\n");
    assert_eq!(show("policy", Format::Kdl), "");
    let leaf = format!("{INET} network");
    assert_eq!(show(&leaf, Format::Braced), "network 10.0.1.0/24;\n", "a statement that has none in it");
    let all = show("access address-assignment pool", Format::Set);
    assert_eq!(all.lines().count(), 2, "{all}");
    assert!(show("", Format::Braced).contains("pool p2"));
    for format in [Format::Braced, Format::Kdl, Format::Set, Format::Json, Format::Inheritance] {
        let error = router.db.show(&query("access nothing", format));
        assert!(matches!(error, Err(EditError::Refused(_))), "{error:?}");
    }
}

#[test]
fn what_is_inherited_is_shown_with_where_from() {
    let mut router = Router::new(&pools(&[("p1", 1)]));
    let session = router.open("admin", Mode::Shared);
    let group = "set groups g access address-assignment pool <*> family inet dhcp-attributes maximum-lease-time 77";
    router.edit(session, &[group, "set apply-groups g"]).unwrap();
    let shown = ShowQuery { session: Some(session), ..query(INET, Format::Inheritance) };
    let shown = router.db.show(&shown).unwrap();
    assert!(shown.contains("inherited from group 'g'") && shown.contains("maximum-lease-time 77;"), "{shown}");
    assert!(!router.db.show(&query(INET, Format::Inheritance)).unwrap().contains("77"), "the active one has it not");
}

#[test]
fn a_comparison_says_what_would_change() {
    let mut router = Router::new(&pools(&[("p1", 1)]));
    let session = router.open("admin", Mode::Shared);
    let candidate =
        |compare: &str| ShowQuery { session: Some(session), compare: Some(compare.to_owned()), ..ShowQuery::default() };
    assert_eq!(router.db.show(&candidate("0")).unwrap(), "");
    router.edit(session, &[&pool("p1", 9), &pool("p2", 2)]).unwrap();
    let shown = router.db.show(&candidate("0")).unwrap();
    let expected = "[edit access address-assignment]\n+    pool p2 {\n+        family inet {\n+            network 10.0.2.0/24;\n+        }\n+    }\n\
        [edit access address-assignment pool p1 family inet]\n-    network 10.0.1.0/24;\n+    network 10.0.9.0/24;\n";
    assert_eq!(shown, expected);
    let shown = router.db.show(&ShowQuery { path: INET.to_owned(), ..candidate("0") }).unwrap();
    assert!(shown.contains("10.0.9.0/24") && !shown.contains("p2"), "{shown}");
    router.commit(session).unwrap();
    assert_eq!(router.db.show(&candidate("0")).unwrap(), "");
    assert_eq!(router.db.show(&candidate("1")).unwrap(), expected);
    let back = ShowQuery { rollback: Some("1".to_owned()), compare: Some("0".to_owned()), ..ShowQuery::default() };
    assert!(router.db.show(&back).unwrap().contains("-    pool p2"));
    let before = ShowQuery { rollback: Some("1".to_owned()), ..query(INET, Format::Braced) };
    assert_eq!(router.db.show(&before).unwrap(), "network 10.0.1.0/24;\n");
    assert!(matches!(router.db.show(&candidate("7")), Err(EditError::Unknown(_))));
    let nobody = ShowQuery { session: Some(1), ..ShowQuery::default() };
    assert!(matches!(router.db.show(&nobody), Err(EditError::Unknown(_))));
}

#[test]
fn no_secret_is_shown() {
    let mut router = Router::new(&pools(&[("p1", 1)]));
    let session = router.open("admin", Mode::Shared);
    let base = "system services dhcp-local-server reconfigure";
    let group = format!("set groups g {base} token s3cret2");
    router.edit(session, &[&format!("set {base} token s3cret1"), &group, "set apply-groups g"]).unwrap();
    let paths = ["", base, "system services dhcp-local-server reconfigure token"];
    for path in paths {
        for format in [Format::Braced, Format::Kdl, Format::Set, Format::Json, Format::Inheritance] {
            let query = ShowQuery { session: Some(session), ..query(path, format) };
            let shown = router.db.show(&query).unwrap();
            assert!(shown.contains("hidden>") && !shown.contains("s3cret"), "{format:?}: {shown}");
            let shown = router.db.show(&ShowQuery { compare: Some("0".to_owned()), ..query }).unwrap();
            assert!(!shown.contains("s3cret") && shown.contains('+'), "{shown}");
        }
    }
    let scheduled = format!("{:?} {:?}", router.db, router.db.boot(None, NOON));
    assert!(!scheduled.contains("10.0.1.0"), "{scheduled}");
}
