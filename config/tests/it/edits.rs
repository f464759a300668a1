//! Editing, loading, comparing and merging: what holds for every tree.

use crate::grown::{inside, key, tree};
use bindery_config::edit::{
    Conflict, Format, Path, Source, Verb, apply, canonical, command, diff, load, merge3, refusal,
};
use bindery_config::schema::{HIDDEN, Kind, ROOT, Statement, redact};
use bindery_config::tree::{Node, Tag, Tree, parse, print};
use bindery_config::{form, groups};
use proptest::prelude::*;
use std::collections::BTreeSet;

pub(crate) fn source(text: &str) -> Source<'_> {
    Source { name: "input", text, format: Format::Kdl }
}

/// The same tree in its order.
pub(crate) fn ordered(tree: &Tree) -> Tree {
    let mut tree = tree.clone();
    canonical(&mut tree);
    tree
}

fn fail(error: impl std::fmt::Display) -> TestCaseError {
    TestCaseError::fail(error.to_string())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_tree_in_order_prints_and_parses_to_itself(tree in tree()) {
        let tree = ordered(&tree);
        prop_assert_eq!(&parse("f.kdl", &print(&tree)).map_err(fail)?, &tree);
        prop_assert_eq!(&ordered(&tree), &tree);
    }

    #[test]
    fn the_commands_of_a_tree_make_it(tree in tree()) {
        let commands = form::set(&tree);
        let made = load(&Tree::default(), Verb::Set, source(&commands), &Path::default());
        let made = made.map_err(|errors| fail(format!("{errors}\n{commands}")))?;
        prop_assert_eq!(print(&made), print(&ordered(&tree)), "{}", commands);
        prop_assert_eq!(made, ordered(&tree));
    }

    #[test]
    fn json_holds_all_of_a_tree(tree in tree()) {
        let text = form::json(&tree);
        let read = form::from_json("f.json", &text).map_err(|errors| fail(format!("{errors}\n{text}")))?;
        prop_assert_eq!(print(&ordered(&read)), print(&ordered(&tree)), "{}", text);
        prop_assert_eq!(ordered(&read), ordered(&tree));
    }

    #[test]
    fn what_is_shown_in_braces_is_read(tree in tree()) {
        let tree = shown(&ordered(&tree));
        let text = form::braced(&tree);
        let read = form::from_braced("f", &text).map_err(|errors| fail(format!("{errors}\n{text}")))?;
        prop_assert_eq!(print(&read), print(&tree), "{}", text);
        prop_assert_eq!(read, tree);
    }

    #[test]
    fn a_difference_makes_the_one_of_the_other(old in tree(), new in tree(), keep in any::<u64>()) {
        let old = ordered(&old);
        // Trees that have much in common.
        let new = ordered(&mixed(&old, &new, keep));
        let difference = diff(&old, &new);
        prop_assert_eq!(difference.is_empty(), old == new);
        let made = difference.apply(&old).map_err(|faults| fail(format!("{faults:?}\n{difference}")))?;
        prop_assert_eq!(print(&made), print(&new), "{}", difference);
        prop_assert!(!difference.to_string().contains("s3cret"));
        // Without secrets, which are not shown, what is shown says it all.
        let (old, new) = (shown(&old), shown(&new));
        let text = diff(&old, &new).to_string();
        let patch = Source { name: "patch", text: &text, format: Format::Kdl };
        let mut open = old.clone();
        unprotect(&mut open.nodes);
        if open == old {
            let made = load(&old, Verb::Patch, patch, &Path::default()).map_err(|errors| fail(format!("{errors}\n{text}")))?;
            prop_assert_eq!(print(&made), print(&new), "{}", text);
        }
        if !difference.is_empty() {
            prop_assert!(difference.apply(&new).is_err() || difference.to_string().lines().all(|line| !line.starts_with(['+', '-'])));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_one_side_leaves_alone_is_as_the_other_has_it(base in tree(), new in tree(), keep in any::<u64>()) {
        let base = ordered(&base);
        let changed = ordered(&mixed(&base, &new, keep));
        for (mine, theirs) in [(&base, &changed), (&changed, &base), (&changed, &changed)] {
            let merged = merge3(&base, mine, theirs).map_err(|conflicts| fail(format!("{conflicts:?}")))?;
            prop_assert_eq!(print(&merged), print(&changed));
        }
    }

    #[test]
    fn two_sides_merge_the_same_both_ways_or_conflict(base in tree(), new in tree(), one in any::<u64>(), two in any::<u64>()) {
        let base = ordered(&base);
        let (mine, theirs) = (ordered(&mixed(&base, &new, one)), ordered(&mixed(&base, &new, two)));
        match (merge3(&base, &mine, &theirs), merge3(&base, &theirs, &mine)) {
            (Ok(a), Ok(b)) => {
                // Only where new instances of an ordered list stand may depend on who came first.
                prop_assert_eq!(diff(&a, &b).to_string().lines().all(|line| line.starts_with(['[', '!'])), true);
                prop_assert_eq!(print(&a), print(&ordered(&a)));
            }
            (Err(a), Err(b)) => {
                let paths = |list: Vec<Conflict>| list.into_iter().map(|it| it.path).collect::<BTreeSet<_>>();
                prop_assert_eq!(paths(a), paths(b));
            }
            (a, b) => prop_assert!(false, "{a:?} {b:?}"),
        }
    }

    #[test]
    fn what_is_expanded_has_no_groups_and_all_that_was_written(tree in tree()) {
        let (expanded, inheritance) = groups::expand(&tree);
        let shown = form::inherited(&expanded, &inheritance, &Path::default());
        prop_assert_eq!(shown.matches("was inherited from group").count(), inheritance.len());
        prop_assert_eq!(&groups::expand(&expanded).0, &expanded);
        // Taking out what was inherited gives what was written.
        let mut written = expanded.clone();
        strip(&mut written.nodes, &Path::default(), &inheritance);
        let mut plain = tree.clone();
        without_groups(&mut plain.nodes, true);
        prop_assert_eq!(print(&ordered(&written)), print(&ordered(&plain)));
    }

    #[test]
    fn loading_a_tree_over_itself_changes_nothing(tree in tree()) {
        let tree = ordered(&tree);
        for verb in [Verb::Override, Verb::Update] {
            let loaded = load(&tree, verb, source(&print(&tree)), &Path::default()).map_err(fail)?;
            prop_assert_eq!(&loaded, &tree);
        }
        let mut open = tree.clone();
        unprotect(&mut open.nodes);
        for verb in [Verb::Merge, Verb::Replace] {
            let loaded = load(&open, verb, source(&print(&open)), &Path::default()).map_err(fail)?;
            prop_assert_eq!(print(&loaded), print(&open));
        }
    }

    #[test]
    fn loading_commands_and_loading_text_are_the_same(tree in tree(), new in tree()) {
        let mut tree = ordered(&tree);
        unprotect(&mut tree.nodes);
        let top = Path::default();
        let by_text = load(&tree, Verb::Merge, source(&print(&new)), &top).map_err(fail)?;
        let by_commands = load(&tree, Verb::Set, source(&form::set(&new)), &top).map_err(fail)?;
        prop_assert_eq!(print(&by_text), print(&by_commands));
        prop_assert_eq!(print(&by_text), print(&ordered(&by_text)));
        let by_json = Source { name: "input", text: &form::json(&new), format: Format::Json };
        let by_json = load(&tree, Verb::Merge, by_json, &top).map_err(fail)?;
        prop_assert_eq!(print(&by_text), print(&by_json));
    }

    #[test]
    fn a_path_leads_to_its_statement_and_no_other(tree in tree(), which in any::<prop::sample::Index>()) {
        let mut tree = ordered(&tree);
        unprotect(&mut tree.nodes);
        let mut paths = Vec::new();
        all(&tree.nodes, &Path::default(), &mut paths);
        prop_assume!(!paths.is_empty());
        let (path, inactive) = which.get(&paths);
        let run = |tree: &mut Tree, verb: &str, base: &Path, path: &str| {
            let line = format!("{verb} {path}");
            command(&line, base).and_then(|operation| apply(tree, &operation)).map_err(|fault| fail(format!("{fault}: {line}")))
        };
        let mut without = tree.clone();
        run(&mut without, "delete", &Path::default(), &path.to_string())?;
        prop_assert_eq!(diff(&tree, &without).paths().collect::<Vec<_>>(), [path.to_string()]);
        let mut other = tree.clone();
        let up = path.up(1);
        let below = path.to_string().strip_prefix(&up.to_string()).unwrap().trim_start().to_owned();
        run(&mut other, "deactivate", &up, &below)?;
        prop_assert_eq!(diff(&tree, &other).is_empty(), *inactive);
        run(&mut other, "activate", &up, &below)?;
        run(&mut other, "protect", &up, &below)?;
        prop_assert!(run(&mut other, "delete", &up, &below).is_err());
        run(&mut other, "unprotect", &up, &below)?;
        prop_assert_eq!(diff(&tree, &other).is_empty(), !*inactive);
    }

    #[test]
    fn no_command_is_too_much(
        tree in tree(),
        lines in proptest::collection::vec(line(), 1..12),
    ) {
        let mut edited = ordered(&tree);
        for line in &lines {
            let before = edited.clone();
            match command(line, &Path::default()).and_then(|operation| apply(&mut edited, &operation)) {
                Ok(_) => {
                    let text = print(&edited);
                    let parsed = parse("f.kdl", &text).map_err(|errors| fail(format!("{errors}\n{line}\n{text}")))?;
                    prop_assert_eq!(&parsed, &edited, "{}", line);
                    prop_assert_eq!(&ordered(&edited), &edited, "{}", line);
                }
                Err(fault) => {
                    prop_assert_eq!(&edited, &before, "{}", line);
                    prop_assert!(refusal(line, &Path::default(), fault).to_string().contains("command:1:"));
                }
            }
        }
    }

    #[test]
    fn no_json_is_too_much(tree in tree(), cuts in proptest::collection::vec((any::<prop::sample::Index>(), 0usize..9, "[]{}\":,a1.@-]{0,3}"), 1..4)) {
        let mut text: Vec<char> = form::json(&tree).chars().collect();
        for (at, cut, put) in cuts {
            let at = at.index(text.len() + 1);
            let end = (at + cut).min(text.len());
            text.splice(at..end, put.chars());
        }
        let text: String = text.into_iter().collect();
        match form::from_json("f", &text) {
            Ok(tree) => prop_assert_eq!(ordered(&form::from_json("f", &form::json(&tree)).map_err(fail)?), ordered(&tree)),
            Err(errors) => prop_assert!(!errors.to_string().is_empty()),
        }
    }
}

/// Commands, and what is nearly one.
fn line() -> impl Strategy<Value = String> {
    let verb = prop_oneof![
        4 => Just("set"), 2 => Just("delete"), 1 => Just("copy"), 1 => Just("rename"), 1 => Just("insert"),
        1 => Just("deactivate"), 1 => Just("activate"), 1 => Just("annotate"), 1 => Just("protect"), 1 => Just("unprotect"),
        1 => Just("wildcard delete"), 1 => Just("replace pattern"),
    ];
    let place = prop_oneof![
        Just("system services dhcp-local-server"),
        Just("system services dhcp-local-server group a"),
        Just("access address-assignment pool a family inet"),
        Just("policy"),
        Just("plugins plugin a"),
        Just("groups a policy"),
        Just("system services dhcp-local-server group b interface eth0"),
        Just("access profile a"),
        Just(""),
    ];
    let words = proptest::collection::vec(
        prop_oneof![
            Just("group"),
            Just("range"),
            Just("a"),
            Just("b"),
            Just("low"),
            Just("192.0.2.1"),
            Just("interface"),
            Just("eth0"),
            Just("overrides"),
            Just("no-arp"),
            Just("["),
            Just("]"),
            Just("{"),
            Just("}"),
            Just("\"x y\""),
            Just("\""),
            Just("to"),
            Just("before"),
            Just("after"),
            Just("with"),
            Just("admit"),
            Just("settings"),
            Just("path"),
            Just("15"),
            Just("*"),
            Just("<*>"),
            Just("apply-groups"),
            Just("interface-client-limit"),
            Just("reconfigure"),
            Just("attempts"),
            Just("token"),
        ],
        0..6,
    );
    (verb, place, words).prop_map(|(verb, place, words)| format!("{verb} {place} {}", words.join(" ")))
}

/// The paths of all statements that are in the table, and whether each is inactive.
pub(crate) fn all(nodes: &[Node], base: &Path, found: &mut Vec<(Path, bool)>) {
    for node in nodes {
        let path = base.child(node);
        let Some(statement) = path.statement() else { continue };
        found.push((path.clone(), node.is_inactive()));
        if !matches!(statement.kind, Kind::Free) {
            all(&node.children, &path, found);
        }
    }
}

/// The tree without its secrets.
fn shown(tree: &Tree) -> Tree {
    fn drop(nodes: &mut Vec<Node>) {
        nodes.retain(|node| node.arguments.iter().all(|argument| argument.value.as_text() != Some(HIDDEN)));
        nodes.iter_mut().for_each(|node| drop(&mut node.children));
    }
    let mut tree = redact(tree);
    drop(&mut tree.nodes);
    tree
}

fn unprotect(nodes: &mut [Node]) {
    for node in nodes {
        node.mark(node.is_inactive(), false);
        unprotect(&mut node.children);
    }
}

/// Takes out what was inherited.
fn strip(nodes: &mut Vec<Node>, path: &Path, inheritance: &groups::Inheritance) {
    nodes.retain(|node| inheritance.group(&path.child(node)).is_none());
    for node in nodes {
        let path = path.child(node);
        strip(&mut node.children, &path, inheritance);
    }
}

/// Takes out the groups and what applies them.
fn without_groups(nodes: &mut Vec<Node>, top: bool) {
    let applies = |node: &Node| node.name.starts_with("apply-groups") || (top && node.name == "groups");
    nodes.retain(|node| !applies(node));
    for node in nodes.iter_mut().filter(|node| !node.is_inactive()) {
        without_groups(&mut node.children, false);
    }
}

/// `old` with some statements changed to those of `new`, some taken out, and ordered ones shuffled.
fn mixed(old: &Tree, new: &Tree, keep: u64) -> Tree {
    fn nodes(old: &[Node], new: &[Node], within: Option<&'static Statement>, keep: &mut u64) -> Vec<Node> {
        let same = |a: &Node, b: &Node| key(a, within) == key(b, within);
        let mut turn = |ways: u64| {
            *keep = keep.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (*keep >> 33) % ways
        };
        let mut out = Vec::new();
        let mut left: Vec<&Node> = new.iter().collect();
        for node in old {
            let other = left.iter().position(|other| same(other, node));
            let other = other.map(|at| left.remove(at));
            match (turn(6), other) {
                (0, _) => {}
                (1, Some(other)) => out.push(other.clone()),
                (2, _) => out.insert(0, Node { tag: Some(Tag::Inactive), ..node.clone() }),
                (3, _) => out.push(Node { annotation: vec!["new".to_owned()], ..node.clone() }),
                (_, other) => {
                    let others = other.map(|other| other.children.as_slice()).unwrap_or_default();
                    let mut seed = turn(u64::MAX);
                    out.push(Node {
                        children: nodes(&node.children, others, inside(node, within), &mut seed),
                        ..node.clone()
                    });
                }
            }
        }
        let fresh = left.into_iter().filter(|node| !old.iter().any(|old| same(old, node)));
        for node in fresh {
            if turn(3) == 0 {
                out.push(node.clone());
            }
        }
        out
    }
    let mut keep = keep;
    Tree { nodes: nodes(&old.nodes, &new.nodes, Some(&ROOT), &mut keep) }
}

/// A configuration of a megabyte: 10,000 hosts, as commands in an order that is not theirs.
fn hosts() -> String {
    let mut commands = String::new();
    for at in (0..10_000u32).map(|at| at * 7919 % 10_000) {
        let host = format!("set access address-assignment pool p family inet host h{at}");
        commands += &format!("{host} hardware-address 02:00:00:00:{:02x}:{:02x}\n", at >> 8, at & 255);
        commands += &format!("{host} ip-address 10.0.{}.{}\n", at >> 8, at & 255);
    }
    commands
}

#[test]
fn ten_thousand_hosts_are_edited() {
    let top = Path::default();
    let tree = load(&Tree::default(), Verb::Set, source(&hosts()), &top).unwrap();
    assert_eq!(tree, ordered(&tree));
    assert!(print(&tree).len() > 1_000_000);
    let inet = "access address-assignment pool p family inet";
    let mut edited = tree.clone();
    for line in [
        format!("set {inet} host h5000 ip-address 10.1.0.0"),
        format!("delete {inet} host h7"),
        format!("rename {inet} host h8 to h10008"),
        format!("copy {inet} host h9 to h10009"),
        format!("deactivate {inet} host h10"),
    ] {
        apply(&mut edited, &command(&line, &top).unwrap()).unwrap();
    }
    assert_eq!(edited, ordered(&edited));
    let difference = diff(&tree, &edited);
    assert_eq!(difference.paths().count(), 7, "{difference}");
    assert_eq!(difference.apply(&tree).unwrap(), edited);
    assert_eq!(merge3(&tree, &edited, &tree).unwrap(), edited);
    assert_eq!(load(&edited, Verb::Merge, source(&print(&edited)), &top).unwrap(), edited);
    assert_eq!(load(&Tree::default(), Verb::Set, source(&form::set(&edited)), &top).unwrap(), edited);
    let json = form::json(&edited);
    assert_eq!(ordered(&form::from_json("f", &json).unwrap()), edited);
    // Each of them is renamed, and at last taken away.
    let all = (0..10_000).map(|at| format!("rename {inet} host h{at} to g{at}\n")).collect::<String>();
    let renamed = load(&tree, Verb::Set, source(&all), &top).unwrap();
    let all = (0..10_000).map(|at| format!("delete {inet} host g{at}\n")).collect::<String>();
    let empty = load(&renamed, Verb::Set, source(&all), &top).unwrap();
    assert!(empty.nodes[0].children[0].children[0].children[0].children.is_empty());
    // A group that decorates each of them.
    let group = format!("set groups g {inet} host <*> user-name x\nset apply-groups g\n").replace("pool p", "pool <*>");
    let grouped = load(&tree, Verb::Set, source(&group), &top).unwrap();
    assert_eq!(groups::expand(&grouped).1.len(), 10_000);
}

#[test]
fn what_does_not_fit_in_a_text_is_refused() {
    let top = Path::default();
    let long = "x".repeat(250);
    let mut tree = Tree::default();
    let mut run = |line: String| command(&line, &top).and_then(|operation| apply(&mut tree, &operation));
    // Each copy of a group is twice as large as the one before.
    run(format!("set groups g0 policy admit [ {} ]", format!("{} ", &long[..60]).repeat(1000))).unwrap();
    let refused = (0..20).find_map(|at| {
        run(format!("copy groups g{at} to groups g{}", at + 1)).unwrap();
        let grown = format!("annotate groups g{} \"{}\"", at + 1, "a line\\n".repeat(1 << (at.min(16) + 1)));
        run(grown).err()
    });
    assert!(refused.unwrap().message.contains("longer than"));
    let braces = format!("set access profile p accounting x \"{}\"", "{".repeat(300));
    assert!(run(braces).is_err());
    let braces = format!("set plugins plugin x path \"{}\"", "{".repeat(300));
    assert!(run(braces).unwrap_err().message.contains("opening braces"));
    let deep = |levels| format!("set plugins plugin x settings {}{}", "{ a ".repeat(levels), "}".repeat(levels));
    run(deep(29)).unwrap();
    assert!(run(deep(31)).unwrap_err().message.contains("levels of braces"));
    parse("f.kdl", &print(&tree)).unwrap();
}
