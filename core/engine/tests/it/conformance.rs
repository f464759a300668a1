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

#[test]
fn clauses_are_cited_and_their_tests_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    let table = read("tests/conformance.md");
    let mut seen = 0;
    for row in rows(&table) {
        let [clause, _, code, tests] = row.as_slice() else { panic!("not four cells: {row:?}") };
        for file in quoted(code) {
            assert!(read(file).contains(clause.as_str()), "{clause} is not cited in {file}");
        }
        for test in quoted(tests) {
            match test.split_once("::") {
                Some((module, name)) => {
                    let file = format!("core/engine/tests/it/{module}.rs");
                    assert!(read(&file).contains(&format!("fn {name}()")), "{clause}: no test {test}");
                }
                None => drop(read(test)),
            }
        }
        seen += 1;
    }
    assert!(seen > 15, "the table was not read");
}
