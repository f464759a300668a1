//! How lines go on: what is told for each, in `tests/completion.txt`.

use crate::expectations::expect;
use bindery_config::edit::{CANDIDATES_MAX, Completions, Path, command, complete, complete_command, path};
use bindery_config::tree::{Tree, parse};
use proptest::prelude::*;
use std::fmt::Write;

const TREE: &str = "
groups { g1 { policy { admit x } }; g2 }
system { services { dhcp-local-server {
    reconfigure { token Hush; attempts 4 }
    // street 7
    group residential { interface eth1; (inactive)interface \"ge-*\"; overrides { no-arp; interface-client-limit 64 } }
    group \"a;b\" { reconfigure { token \"file:x\" } }
} } }
access { address-assignment {
    pool p { family inet { network \"10.0.0.0/16\"; range r1 { low \"10.0.0.1\" }; range r2; dhcp-attributes { name-server \"10.0.0.53\" \"10.0.0.54\"; option 12 { string a } } } }
    pool q { link p; family inet }
}; profile isp { radius { authentication-server \"192.0.2.1\" } }; radius-server \"192.0.2.1\" { secret Hush } }
plugins { plugin x { path \"x.wasm\"; settings { a 1 } }; plugin y }
policy { admit x y }
";

const LINES: [(&str, &str); 62] = [
    ("", ""),
    ("", "s"),
    ("", "set "),
    ("", "set sys"),
    ("", "set sy serv dhcp-l "),
    ("", "set system services dhcp-local-server group "),
    ("", "set system services dhcp-local-server group r"),
    ("", "set system services dhcp-local-server group \"a"),
    ("", "set system services dhcp-local-server group residential interface "),
    ("", "set system services dhcp-local-server group residential overrides interface-client-limit "),
    ("", "set system services dhcp-local-server group residential overrides interface-client-limit 5 "),
    ("", "set system services dhcp-local-server group residential access-profile "),
    ("", "set system services dhcp-local-server reconfigure token "),
    ("", "set system services dhcp-local-server group \"a;b\" reconfigure token "),
    ("", "set policy admit "),
    ("", "set policy admit [ "),
    ("", "set policy admit [ x "),
    ("", "set policy admit [ x ] "),
    ("", "set access address-assignment pool q link "),
    ("", "set access address-assignment pool q family "),
    ("", "set access address-assignment pool p family inet dhcp-attributes maximum-lease-time "),
    ("", "set access address-assignment pool p family inet dhcp-attributes option "),
    ("", "set access address-assignment pool p family inet dhcp-attributes option 12 "),
    ("", "set access address-assignment pool p hold-down "),
    ("", "set access profile isp radius accounting-server "),
    ("", "set access profile isp authentication-order "),
    ("", "set plugins plugin z path "),
    ("", "set plugins plugin z on-failure "),
    ("", "set plugins plugin z on-failure d"),
    ("", "set plugins plugin x settings "),
    ("", "set apply-groups "),
    ("", "set nowhere "),
    ("access address-assignment pool p", "set family inet r"),
    ("access address-assignment pool p family inet", "set "),
    ("access address-assignment pool new", "set family inet range "),
    ("", "delete "),
    ("", "delete policy admit "),
    ("", "delete policy admit x "),
    ("", "delete system services dhcp-local-server reconfigure token "),
    ("", "delete access address-assignment pool p family inet range r1 "),
    ("", "show access "),
    ("", "edit "),
    ("", "edit access address-assignment pool p f"),
    ("", "edit policy "),
    ("", "deactivate policy "),
    ("", "annotate policy "),
    ("", "copy access address-assignment pool p "),
    ("", "copy access address-assignment pool p to "),
    ("", "rename access address-assignment pool p to pool "),
    ("", "insert access address-assignment pool p family inet range r1 "),
    ("", "insert access address-assignment pool p family inet range r1 before "),
    ("", "insert policy admit x "),
    ("", "insert policy admit x after "),
    ("", "replace pattern a with "),
    ("", "wildcard "),
    ("", "wildcard delete access address-assignment pool "),
    ("", "load "),
    ("", "load merge "),
    ("", "load merge relative "),
    ("", "rollback "),
    ("policy", "top set pol"),
    ("policy", "top "),
];

fn tree() -> Tree {
    parse("f.kdl", TREE).unwrap_or_else(|errors| panic!("{errors}"))
}

fn told(line: &str, found: &Completions) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{line}|");
    for candidate in &found.candidates {
        let mark = if candidate.literal { ' ' } else { '?' };
        let text = format!("{}{} {:?} {}", " ".repeat(found.start), candidate.text, candidate.kind, candidate.help);
        let _ = writeln!(out, "{mark}{}", text.trim_end());
    }
    if found.complete {
        let _ = writeln!(out, " {}.", " ".repeat(found.start));
    }
    if let Some(live) = found.wants {
        let _ = writeln!(out, "+{}{live:?}", " ".repeat(found.start));
    }
    out
}

#[test]
fn lines_go_on_as_expected() {
    let tree = tree();
    let mut out = String::new();
    for (base, line) in LINES {
        let base_path = path(base, &Path::default()).unwrap();
        if !base.is_empty() {
            let _ = writeln!(out, "[edit {base}]");
        }
        out += &told(line, &complete_command(&tree, &base_path, line));
        out.push('\n');
    }
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/completion.txt");
    expect(&file, &out).unwrap_or_else(|wrong| panic!("{wrong}\nUPDATE_EXPECT=1 accepts it"));
}

#[test]
fn secrets_are_not_told() {
    let tree = tree();
    for (base, line) in LINES {
        let found = complete_command(&tree, &path(base, &Path::default()).unwrap(), line);
        assert!(!format!("{found:?}").contains("Hush"), "{line}");
    }
}

#[test]
fn there_is_an_end_to_what_is_told() {
    let mut text = "access { address-assignment { pool p { family inet {\n".to_owned();
    (0..CANDIDATES_MAX + 1).for_each(|at| text += &format!("host h{at}\n"));
    let tree = parse("f.kdl", &(text + "} } } }")).unwrap();
    let line = "delete access address-assignment pool p family inet host ";
    let found = complete_command(&tree, &Path::default(), line);
    assert!(found.cut && found.candidates.len() == CANDIDATES_MAX);
    let found = complete_command(&tree, &Path::default(), &format!("{line}h99"));
    assert!(!found.cut && found.candidates.len() == 11, "{}", found.candidates.len());
}

#[test]
fn a_line_of_statements_needs_no_verb() {
    let (line, base) = ("policy adm", Path::default());
    let (plain, command) = (complete(&tree(), &base, line), complete_command(&tree(), &base, &format!("set {line}")));
    assert_eq!(plain.candidates, command.candidates);
    assert_eq!(plain.start + 4, command.start);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_line_of_candidates_is_a_command(verb in 0usize..5, choices in proptest::collection::vec(any::<u16>(), 1..14)) {
        let (tree, base) = (tree(), Path::default());
        let mut line = ["set ", "delete ", "protect ", "activate ", "wildcard delete "][verb].to_owned();
        for choice in choices {
            let found = complete_command(&tree, &base, &line);
            if found.complete {
                let read = command(&line, &base);
                prop_assert!(read.is_ok(), "{} {}", line, read.unwrap_err());
            }
            let literal: Vec<_> = found.candidates.iter().filter(|candidate| candidate.literal).collect();
            let Some(next) = literal.get(usize::from(choice) % literal.len().max(1)) else { break };
            prop_assert_eq!(found.start, line.len());
            line += &format!("{} ", next.text);
        }
    }

    #[test]
    fn no_line_is_too_much(line in "(set|delete|copy|insert|load|replace|to|before|policy|admit|system|[a-z]{1,3}|[\\[\\]{};\"<>#\\\\]| ){0,12}") {
        let found = complete_command(&tree(), &Path::default(), &line);
        prop_assert!(found.start <= line.len() && line.is_char_boundary(found.start));
        complete(&tree(), &Path::default(), &line);
    }
}
