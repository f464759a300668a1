//! Configurations made from edited trees, and secrets that are kept elsewhere.

use bindery_config::edit::{Path, apply, canonical, command, complete_command};
use bindery_config::form;
use bindery_config::tree::{Span, Tree, parse, print};
use bindery_config::{Loaded, NoSources, SecretReference, Sources, load, load_with, schema};

use crate::edits::all;
use crate::grown;
use proptest::prelude::*;
use std::cell::RefCell;

/// Has the same bytes for every reference, and remembers what it was asked for.
#[derive(Default)]
struct Kept {
    bytes: Vec<u8>,
    asked: RefCell<Vec<SecretReference>>,
}

impl Sources for Kept {
    fn secret(&self, reference: &SecretReference) -> Result<Vec<u8>, String> {
        self.asked.borrow_mut().push(reference.clone());
        Ok(self.bytes.clone())
    }
}

fn kept(bytes: &[u8]) -> Kept {
    Kept { bytes: bytes.to_vec(), ..Kept::default() }
}

const TWO: &str = "access {
    radius-server \"192.0.2.1\" {
        secret \"file:radius.secret\"
    }
    radius-server \"192.0.2.2\" {
        secret \"file:radius.secret\"
    }
    radius-disconnect \"192.0.2.3\" {
        (inactive)secret credential:gone
        secret \"credential:coa\"
    }
}
";

#[test]
fn the_first_line_of_what_is_kept_is_the_secret() {
    let text = TWO.replace("        (inactive)secret credential:gone\n", "");
    for bytes in [&b"Hush"[..], b"Hush\n", b"Hush\r\nmore", b"Hush\n\n"] {
        let sources = kept(bytes);
        let loaded = load_with("f.kdl", &text, &sources).unwrap_or_else(|errors| panic!("{errors}"));
        let secrets = loaded.model.radius_servers.iter().map(|server| &server.secret);
        let secrets = secrets.chain(loaded.model.radius_disconnect.iter().map(|client| &client.secret));
        assert!(secrets.clone().count() == 3 && secrets.clone().all(|secret| secret.as_bytes() == b"Hush"));
        let asked: Vec<String> = sources.asked.borrow().iter().map(ToString::to_string).collect();
        assert_eq!(asked, ["file:radius.secret", "credential:coa"], "each is read once");
        // Where a secret is kept is shown, what it is is not.
        assert_eq!(schema::redact(&loaded.tree), loaded.tree);
        assert!(!format!("{:?}", loaded.model).contains("Hush"));
    }
}

#[test]
fn a_secret_that_is_not_there_is_a_fault_at_its_place() {
    let text = TWO.replace("        (inactive)secret credential:gone\n", "");
    let errors = load("f.kdl", &text).unwrap_err();
    let told: Vec<_> = errors.located().map(|it| (it.line, it.column, it.fault.message.clone())).collect();
    let why = "the secret of `secret` cannot be read: secrets that are kept elsewhere are not read here";
    assert_eq!(told, [(3, 16, why.to_owned()), (6, 16, why.to_owned()), (9, 16, why.to_owned())]);
    assert!(errors.to_string().contains("file:radius.secret"), "{errors}");
    let paths: Vec<_> = errors.faults().iter().map(|fault| fault.path.as_str()).collect();
    assert_eq!(paths[1], "access radius-server 192.0.2.2 secret");
    for (bytes, what) in [(vec![], "has 0 bytes"), (vec![b'x'; 129], "has 129 bytes"), (vec![b'x', 0], "a byte 0")] {
        let errors = load_with("f.kdl", &text, &kept(&bytes)).unwrap_err();
        assert_eq!(errors.count(), 3);
        assert!(errors.to_string().contains(what), "{errors}");
    }
    let bytes = [0xff; 128];
    assert!(load_with("f.kdl", &text, &kept(&bytes)).is_ok(), "a secret need not be text");
}

#[test]
fn what_is_no_reference_is_refused_and_hidden() {
    for secret in ["file:", "credential:", "credential:a/b", "credential:..", "credential:a b"] {
        let text = format!("access {{ radius-server \"192.0.2.1\" {{ secret \"{secret}\" }} }}");
        let errors = load_with("f.kdl", &text, &kept(b"Hush")).unwrap_err();
        assert_eq!(errors.count(), 1, "{errors}");
        assert!(
            errors.to_string().contains("stands there") && !errors.to_string().contains(&format!("{secret}\"")),
            "{errors}"
        );
    }
}

#[test]
fn references_are_shown_where_secrets_are_not() {
    let run = |line: &str| {
        let mut tree = Tree::default();
        apply(&mut tree, &command(line, &Path::default()).unwrap()).unwrap();
        let diff = bindery_config::edit::diff(&Tree::default(), &tree);
        format!("{tree:?} {diff:?} {diff} {:?}", command(line, &Path::default()).unwrap())
    };
    let shown = run("set access radius-server 192.0.2.1 secret file:a/b");
    assert!(shown.matches("file:a/b").count() == 4, "{shown}");
    let hidden = run("set access radius-server 192.0.2.1 secret Hush");
    assert!(!hidden.contains("Hush") && hidden.contains("192.0.2.1"), "{hidden}");
    let delete = command("delete access radius-server 192.0.2.1 secret Hush", &Path::default()).unwrap();
    assert!(!format!("{delete:?}").contains("Hush"), "{delete:?}");
}

#[test]
fn an_edited_tree_is_the_same_as_its_text() {
    let text = "// of the pool\naccess { address-assignment { pool p { family inet { network \"192.0.2.0/24\" } } } }";
    let mut tree = parse("f.kdl", text).unwrap();
    let line = "set access address-assignment pool p family inet range r low 192.0.2.9";
    apply(&mut tree, &command(line, &Path::default()).unwrap()).unwrap();
    let errors = Loaded::from_tree("f.kdl", tree.clone(), &NoSources).unwrap_err();
    assert_eq!(errors.to_string(), load("f.kdl", &print(&tree)).unwrap_err().to_string());
    let line = "set access address-assignment pool p family inet range r high 192.0.2.10";
    apply(&mut tree, &command(line, &Path::default()).unwrap()).unwrap();
    let made = Loaded::from_tree("f.kdl", tree.clone(), &NoSources).unwrap();
    let read = load("f.kdl", made.text()).unwrap();
    assert_eq!((made.text(), made.hash), (print(&tree).as_str(), read.hash));
    assert_eq!((&made.tree, &made.engine), (&read.tree, &read.engine));
}

#[test]
fn secrets_stay_hidden_in_the_errors_of_a_tree() {
    let text = "access { radius-server \"192.0.2.1\" { port 1; accounting-port 1; secret Hush } }";
    let errors = Loaded::from_tree("f.kdl", parse("f.kdl", text).unwrap(), &NoSources).unwrap_err();
    assert!(errors.to_string().contains("f.kdl:2:19") && !errors.to_string().contains("Hush"), "{errors}");
}

/// Logs keep what they are told.
#[test]
fn secrets_stay_hidden_in_a_text_that_cannot_be_parsed() {
    let server =
        |secret: &str| format!("access {{\n  radius-server \"192.0.2.1\" {{ port 1; secret {secret}\n  }}\n}}\n");
    for (secret, fault) in [("\"Hush", "f.kdl:2:"), ("12Hush", "f.kdl:2:"), ("\"Hush\" } }", "f.kdl:")] {
        let errors = parse("f.kdl", &server(secret)).unwrap_err().to_string();
        assert!(errors.contains(fault) && !errors.contains("Hush"), "{errors}");
    }
    let errors = parse("f.kdl", "no-secrets { open \"Bush }").unwrap_err().to_string();
    assert!(errors.contains("Bush"), "{errors}");
}

/// All places in a tree, in the order of the text.
fn places(tree: &Tree) -> Vec<Span> {
    fn walk(nodes: &[bindery_config::tree::Node], out: &mut Vec<Span>) {
        for node in nodes {
            out.push(node.span);
            out.extend(node.arguments.iter().map(|argument| argument.span));
            out.extend(node.properties.iter().map(|property| property.span));
            walk(&node.children, out);
        }
    }
    let mut out = Vec::new();
    walk(&tree.nodes, &mut out);
    out
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_tree_and_its_text_say_the_same(tree in grown::tree()) {
        let text = print(&tree);
        let sources = kept(b"Hush");
        match (load_with("f", &text, &sources), Loaded::from_tree("f", tree, &sources)) {
            (Ok(read), Ok(made)) => {
                prop_assert_eq!(&read.tree, &made.tree);
                prop_assert_eq!(places(&read.tree), places(&made.tree));
                prop_assert_eq!(&read.engine, &made.engine);
                prop_assert_eq!(read.hash, made.hash);
            }
            (Err(read), Err(made)) => prop_assert_eq!(read.to_string(), made.to_string()),
            (read, made) => prop_assert!(false, "{:?} {:?}", read.is_ok(), made.is_ok()),
        }
    }

    #[test]
    fn however_it_is_edited_a_tree_stays_one(
        first in grown::tree(),
        other in grown::tree(),
        steps in proptest::collection::vec((0usize..14, any::<prop::sample::Index>(), 0usize..4), 1..20),
    ) {
        let mut tree = first;
        canonical(&mut tree);
        let lines: Vec<String> = form::set(&other).lines().map(str::to_owned).collect();
        for (verb, which, name) in steps {
            let mut paths = Vec::new();
            all(&tree.nodes, &Path::default(), &mut paths);
            let path = if paths.is_empty() { "policy".to_owned() } else { which.get(&paths).0.to_string() };
            let name = ["a", "new", "10", "\"b c\""][name];
            let line = match verb {
                0 => format!("delete {path}"),
                1 => format!("deactivate {path}"),
                2 => format!("activate {path}"),
                3 => format!("protect {path}"),
                4 => format!("unprotect {path}"),
                5 => format!("annotate {path} \"a note\\n  of two lines\""),
                6 => format!("copy {path} to {name}"),
                7 => format!("rename {path} to {name}"),
                8 => format!("insert {path} before {name}"),
                9 => format!("insert {path} after {name}"),
                10 => format!("replace pattern a with {name} upto 2"),
                11 => format!("wildcard delete {path}"),
                12 => format!("wildcard range set access address-assignment pool p[1-3] family inet range r[1-2] low 192.0.2.{name}"),
                _ if lines.is_empty() => continue,
                _ => which.get(&lines).clone(),
            };
            let before = tree.clone();
            let done = command(&line, &Path::default()).and_then(|operation| apply(&mut tree, &operation));
            if done.is_err() {
                prop_assert_eq!(&tree, &before, "{}", line);
            }
            let mut sorted = tree.clone();
            canonical(&mut sorted);
            prop_assert_eq!(&sorted, &tree, "{}", &line);
            let text = print(&tree);
            let parsed = parse("f", &text).map_err(|errors| TestCaseError::fail(format!("{line}: {errors}")))?;
            prop_assert_eq!(&parsed, &tree, "{}", &line);
            complete_command(&tree, &Path::default(), &line);
        }
        if let Ok(made) = Loaded::from_tree("f", tree.clone(), &kept(b"Hush")) {
            prop_assert_eq!(made.text(), print(&tree));
        }
    }
}
