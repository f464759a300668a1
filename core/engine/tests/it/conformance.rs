//! tests/conformance.md tells the truth: each clause is cited in the file it names, and each test it names exists.

use std::{fs, path::Path};

/// The table's rows, cells trimmed.
fn rows(text: &str) -> impl Iterator<Item = Vec<String>> + '_ {
    let lines = text.lines().filter(|line| line.starts_with("| RFC"));
    lines.map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect())
}

/// What stands between backquotes.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// The clauses of a cell: `RFC 951 §3, §7.3` are two.
fn clauses(cell: &str) -> Vec<String> {
    let mut rfc = "";
    let clause = |part| match str::split_once(part, " §") {
        Some((name, _)) if name.starts_with("RFC ") => {
            rfc = name;
            part.to_owned()
        }
        _ if part.starts_with('§') => format!("{rfc} {part}"),
        _ => part.to_owned(),
    };
    cell.split(", ").map(clause).collect()
}

#[test]
fn clauses_are_cited_and_their_tests_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    let table = read("tests/conformance.md");
    let mut seen = 0;
    for row in rows(&table) {
        let [clause, _, code, tests] = row.as_slice() else { panic!("not four cells: {row:?}") };
        let files: Vec<String> = quoted(code).map(read).collect();
        let clauses = clauses(clause);
        for clause in &clauses {
            assert!(files.iter().any(|file| file.contains(clause.as_str())), "{clause} is not cited in {code}");
        }
        for (file, text) in quoted(code).zip(&files) {
            assert!(clauses.iter().any(|clause| text.contains(clause.as_str())), "{clause} is not cited in {file}");
        }
        for test in quoted(tests) {
            match test.split_once("::") {
                Some((module, name)) => {
                    let folders = ["core/engine/tests/it", "tests/netns/tests/it"];
                    let files = folders.map(|folder| fs::read_to_string(root.join(format!("{folder}/{module}.rs"))));
                    let named = format!("fn {name}()");
                    assert!(files.into_iter().flatten().any(|it| it.contains(&named)), "{clause}: no test {test}");
                }
                None => drop(read(test)),
            }
        }
        seen += 1;
    }
    assert!(seen > 15, "the table was not read");
}
