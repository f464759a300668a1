//! Commands in one shot.

use crate::fake::{Fake, configuring};
use expect_test::expect;

#[test]
fn words_pipes_and_json() {
    let fake = configuring();
    let out = |arguments: &[&str]| fake.run(arguments, "").out;
    assert_eq!(out(&["sh", "ver", "|", "match", "API"]), "API version: 1\n");
    assert_eq!(out(&["show", "version", "|", "count"]), "Count: 4 lines\n");
    let reply = "{\"name\":\"binderyd\",\"version\":\"1\",\"api\":1,\"revision\":4,\"uptime\":9}\n";
    assert_eq!(out(&["--json", "show", "version"]), reply);
    assert_eq!(out(&["show", "version", "|", "display", "json"]), reply);
}

#[test]
fn configurations_in_all_forms() {
    let fake = configuring();
    for line in [
        "show configuration system services | display set",
        "show configuration | compare rollback 3",
        "show system rollback 4",
        "show system rollback 4 compare 6",
        "show system rollback 4 | display json",
        "show system configuration rescue",
        "show system configuration database status",
        "request system configuration rescue save",
    ] {
        let ended = fake.run(&["-c", line], "");
        assert_eq!(ended.status, 0, "{line}: {}", ended.err);
    }
    expect![[r#"
        GET /v1/configuration?format=set&path=system%20services
        GET /v1/configuration?compare=3&format=braced
        GET /v1/configuration?format=braced&rollback=4
        GET /v1/configuration?compare=6&format=braced&rollback=4
        GET /v1/configuration?format=json&rollback=4
        GET /v1/configuration?format=braced&rollback=rescue
        GET /v1/configuration/sessions
        POST /v1/system/configuration/rescue {"action":"save"}
    "#]]
    .assert_eq(&fake.asked());
}

#[test]
fn queries_of_verbs() {
    let fake = Fake::new(|request| match request.line.split(['?', ' ']).nth(1) {
        Some("/v1/dhcp/server/bindings/clear") => (200, r#"{"cleared":2}"#.to_owned()),
        Some("/v1/dhcp/server/reconfigure") => {
            (200, r#"{"started":2,"ignored":0,"cleared":0,"not-configured":0}"#.to_owned())
        }
        Some("/v1/system/reload") => (200, r#"{"revision":3,"changes":[]}"#.to_owned()),
        Some("/v1/routes") => (200, r#"{"routes":[]}"#.to_owned()),
        _ => (403, r#"{"error":"permission denied: this needs permission configure"}"#.to_owned()),
    });
    for line in [
        "clear dhcp server binding interface eth*",
        "clear dhcp server binding pool p",
        "clear dhcp server binding 02:00:00:00:00:01",
        "request dhcp server reconfigure all refresh pace 5",
        "show route protocol access",
        "request system reload force",
    ] {
        let ended = fake.run(&["-c", line], "");
        assert_eq!(ended.status, 0, "{line}: {}", ended.err);
    }
    let denied = fake.run(&["request", "system", "shutdown", "withdraw-routes"], "");
    assert_eq!(denied.shown(), "-- stderr\nbindery: permission denied: this needs permission configure\n-- status 1\n");
    expect![[r"
        POST /v1/dhcp/server/bindings/clear?interface=eth%2A
        POST /v1/dhcp/server/bindings/clear?pool=p
        POST /v1/dhcp/server/bindings/clear?mac=02%3A00%3A00%3A00%3A00%3A01
        POST /v1/dhcp/server/reconfigure?all=true&refresh=true&pace=5
        GET /v1/routes?protocol=access
        POST /v1/system/reload?force=true
        POST /v1/system/shutdown?withdraw-routes=true
    "]]
    .assert_eq(&fake.asked());
}

/// What `--help` shows as an example works: its words are unique where it shortens them.
#[test]
fn the_examples_of_help_work() {
    let fake = Fake::new(|_| (200, r#"{"bindings":[]}"#.to_owned()));
    let help = fake.run(&["--help"], "").out;
    let examples: Vec<_> = help.split('`').filter_map(|text| text.strip_prefix("bindery ")).collect();
    assert_eq!(examples.len(), 2, "{examples:?}");
    for example in examples {
        let ended = fake.run(&["-c", &example.replace('\'', "")], "");
        assert_eq!((ended.status, ended.err.as_str()), (0, ""), "{example}");
    }
    assert_eq!(fake.asked(), "GET /v1/dhcp/server/bindings\n".repeat(2));
}

#[test]
fn a_long_name_of_a_plugin_moves_its_column() {
    let plugin = |name: &str| {
        format!(
            r#"{{"name":"{name}","path":"","sha256":"","state":"running","calls":7,"drops":0,"failed":0,"failures":[],
            "restarts":0,"last-failure":"","p50-ns":0,"p99-ns":0,"memory-bytes":0}}"#
        )
    };
    let list = format!(r#"{{"plugins":[{},{}]}}"#, plugin("short"), plugin("trigger-radius-disconnect"));
    let out = Fake::new(move |_| (200, list.clone())).run(&["show", "plugins"], "").out;
    let columns: Vec<_> = out.lines().map(|line| line.find("State").or_else(|| line.find("running"))).collect();
    assert_eq!(columns, [Some(26); 3], "{out}");
}

#[test]
fn mistakes_end_with_two_and_faults_with_one() {
    let fake = configuring();
    let status = |arguments: &[&str]| fake.run(arguments, "").status;
    assert_eq!(status(&["show", "nothing"]), 2);
    assert_eq!(status(&["show", "version", "|", "nothing"]), 2);
    assert_eq!(status(&["show", "version", "|", "compare"]), 2);
    assert_eq!(status(&["show", "version", "|", "display", "set"]), 2);
    assert_eq!(status(&["--nothing"]), 2);
    assert_eq!(status(&["configure"]), 2);
    assert_eq!(status(&["show", "plugins"]), 1, "the fake daemon does not know it");
    assert_eq!(fake.run(&[], "").status, 0, "nothing to do");
    assert_eq!(fake.run(&["--help"], "").status, 0);
    let nobody = fake.run(&["--control", "/nonexistent/sock", "show", "version"], "");
    assert!(nobody.status == 1 && nobody.err.contains("is binderyd running?"), "{}", nobody.err);
}
