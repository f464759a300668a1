//! `-c` and scripts on standard input.

use crate::fake::configuring;
use expect_test::expect;

#[test]
fn a_commit_from_the_command_line() {
    let fake = configuring();
    let line = "configure; set system x \"a; b\"; show | match x; commit comment \"why; so\" and-quit; show version";
    let ended = fake.run(&["-c", line], "");
    expect![[r#"
        Entering configuration mode
        system x "a; b";
        Live sessions:
                  3 keep all they have
                  1 are dropped
        commit complete
        Exiting configuration mode
        binderyd 1
        API version: 1
        Configuration revision: 4
        Uptime: 00:00:09
        -- stderr
        -- status 0
    "#]]
    .assert_eq(&ended.shown());
    expect![[r#"
        POST /v1/configuration/sessions/open {"mode":"shared","hold":true}
        POST /v1/configuration/edit {"session":7,"commands":["set system x \"a; b\""]}
        GET /v1/configuration?format=braced&session=7
        POST /v1/configuration/commit {"session":7,"check":false,"comment":"why; so","force":false,"sessions":false}
        POST /v1/configuration/sessions/close {"session":7}
        GET /v1/version
    "#]]
    .assert_eq(&fake.asked());
}

#[test]
fn a_script_stops_at_the_first_error_and_says_where() {
    let fake = configuring();
    let ended = fake.run(&[], "# a script\nconfigure private\n\ndelete nothing # comment\nset never done\n");
    expect![[r"
        Entering configuration mode
        -- stderr
        bindery: line 4:
        line 1, column 8:
          delete nothing
                 ^^^^^^^
        -- status 1
    "]]
    .assert_eq(&ended.shown());
    let asked = fake.asked();
    assert!(!asked.contains("never") && asked.trim_end().ends_with("close {\"session\":7}"), "{asked}");
    let ended = fake.run(&[], "show version\nshow nothing\n");
    assert_eq!(ended.status, 2);
    assert!(ended.err.starts_with("bindery: line 2: `nothing` is no word after `show`"), "{}", ended.err);
    let ended = fake.run(&["-c", "configure; set x; bogus"], "");
    assert_eq!((ended.status, ended.err.starts_with("bindery: unknown command `bogus`")), (2, true), "{}", ended.err);
}

#[test]
fn what_is_not_committed_is_told_at_the_end() {
    let fake = configuring();
    let ended = fake.run(&[], "configure\nset system x\n");
    expect![[r"
        Entering configuration mode
        Exiting configuration mode
        -- stderr
        warning: The configuration has been changed but not committed
        -- status 0
    "]]
    .assert_eq(&ended.shown());
}

#[test]
fn going_about() {
    let fake = configuring();
    let script = "configure; edit access; edit pool p family inet; show; exit; show; top edit group g; show; up; show;\
        edit group g sub; up 2; top set policy x; set y; top show; edit access group g;\
        up; show; top; run show version | count; exit configuration-mode";
    let ended = fake.run(&["-c", script], "");
    assert_eq!(ended.status, 0, "{}", ended.shown());
    expect![[r#"
        POST /v1/configuration/sessions/open {"mode":"shared","hold":true}
        POST /v1/configuration/edit {"session":7,"commands":["edit access"]}
        POST /v1/configuration/edit {"session":7,"path":"access","commands":["edit pool p family inet"]}
        GET /v1/configuration?format=braced&path=access%20pool%20p%20family%20inet&session=7
        POST /v1/configuration/edit {"session":7,"commands":["edit access"]}
        GET /v1/configuration?format=braced&path=access&session=7
        POST /v1/configuration/edit {"session":7,"commands":["edit group g"]}
        GET /v1/configuration?format=braced&path=group%20g&session=7
        POST /v1/configuration/edit {"session":7,"commands":["edit group"]}
        POST /v1/configuration/edit {"session":7,"commands":["edit"]}
        GET /v1/configuration?format=braced&session=7
        POST /v1/configuration/edit {"session":7,"commands":["edit group g sub"]}
        POST /v1/configuration/edit {"session":7,"commands":["edit group g"]}
        POST /v1/configuration/edit {"session":7,"commands":["edit group"]}
        POST /v1/configuration/edit {"session":7,"commands":["edit"]}
        POST /v1/configuration/edit {"session":7,"commands":["set policy x"]}
        POST /v1/configuration/edit {"session":7,"commands":["set y"]}
        GET /v1/configuration?format=braced&session=7
        POST /v1/configuration/edit {"session":7,"commands":["edit access group g"]}
        POST /v1/configuration/edit {"session":7,"commands":["edit access group"]}
        POST /v1/configuration/edit {"session":7,"commands":["edit access"]}
        GET /v1/configuration?format=braced&path=access&session=7
        POST /v1/configuration/edit {"session":7,"commands":["edit"]}
        GET /v1/version
        GET /v1/configuration/sessions
        POST /v1/configuration/sessions/close {"session":7}
    "#]]
    .assert_eq(&fake.asked());
}

#[test]
fn texts_are_loaded_from_files_and_from_the_script() {
    let fake = configuring();
    let script =
        "configure\nedit access\nload merge terminal relative\na {\n  b;\n}\n\u{4}\nshow\nload set terminal\nset c\n";
    let ended = fake.run(&[], script);
    assert_eq!(ended.status, 0, "{}", ended.shown());
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("x.json");
    std::fs::write(&file, "{}").unwrap();
    let line = format!("configure; load override {} json; rollback rescue", file.display());
    let ended = fake.run(&["-c", &line], "");
    assert_eq!(ended.out, "Entering configuration mode\nload complete\nload complete\nExiting configuration mode\n");
    let asked = fake.asked().replace(&file.display().to_string(), "FILE");
    let loads: String =
        asked.lines().filter(|l| l.contains("load") || l.contains("rollback")).map(|l| format!("{l}\n")).collect();
    expect![[r#"
        POST /v1/configuration/load {"session":7,"path":"access","verb":"merge","name":"terminal","text":"a {\n  b;\n}\n"}
        POST /v1/configuration/load {"session":7,"verb":"set","name":"terminal","text":"set c\n"}
        POST /v1/configuration/load {"session":7,"verb":"override","format":"json","name":"FILE","text":"{}"}
        POST /v1/configuration/rollback {"session":7,"to":"rescue"}
    "#]]
    .assert_eq(&loads);
    let ended = fake.run(&["-c", "configure; load merge /nonexistent/file"], "");
    assert_eq!(ended.status, 1);
    assert!(ended.err.contains("/nonexistent/file: No such file"), "{}", ended.err);
}

#[test]
fn commands_go_on_over_lines_while_a_quote_is_open() {
    let fake = configuring();
    let ended = fake.run(&[], "configure\nset x \"one\ntwo\"; set y {\n a 1; b 2\n}\nbogus\n");
    assert!(ended.err.starts_with("bindery: line 6: unknown command"), "{}", ended.err);
    let asked = fake.asked();
    assert!(asked.contains(r#"["set x \"one\ntwo\""]"#) && asked.contains(r#"["set y {\n a 1; b 2\n}"]"#), "{asked}");
}

#[test]
fn json_is_exactly_what_the_daemon_answers() {
    let fake = configuring();
    let ended = fake.run(&["--json", "-c", "configure; set x; show; exit"], "");
    assert_eq!(ended.status, 0);
    let lines: Vec<&str> = ended.out.lines().collect();
    assert_eq!(lines[1..], ["{\"changed\":1}", "{\"text\":\"x;\\n\"}", "{}"], "{}", ended.out);
}

#[test]
fn a_saved_candidate() {
    let fake = configuring();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("saved");
    let line = format!("configure; set a; set b; save {}; exit", file.display());
    let ended = fake.run(&["-c", &line], "");
    assert!(ended.out.contains("Wrote 2 lines of configuration to '"), "{}", ended.shown());
    assert_eq!(std::fs::read_to_string(file).unwrap(), "a;\nb;\n");
}

#[test]
fn a_text_of_another_kind_than_the_verb_takes() {
    let fake = configuring();
    let told = |verb: &str, text: &str| {
        let ended = fake.run(&[], &format!("configure\nload {verb} terminal\n{text}\n"));
        assert_eq!(ended.status, 1, "{}", ended.shown());
        ended.err.lines().last().map(str::to_owned).unwrap_or_default()
    };
    let (commands, comparison, statements) = ("# x\nset refused", "[edit policy]\n+ refused;", "refused {\n}");
    assert_eq!(told("merge", commands), "The text has commands: `load set` reads those");
    assert_eq!(told("override", comparison), "The text is a comparison: `load patch` reads those");
    for verb in ["set", "patch"] {
        let hint = "The text has statements: `load merge` and `load override` read those";
        assert_eq!(told(verb, statements), hint, "{verb}");
    }
    for (verb, text) in [("set", commands), ("patch", comparison), ("replace", statements)] {
        assert_eq!(told(verb, text), "1 error", "{verb}");
    }
}

#[test]
fn a_script_may_delete_everything_here() {
    let fake = configuring();
    fake.run(&["-c", "configure; edit a; delete"], "");
    let asked = fake.asked();
    assert!(asked.contains(r#"edit {"session":7,"path":"a","commands":["delete"]}"#), "{asked}");
}
