//! The KDL v2 test suite through our tree, where it is at hand.

use crate::examples::files;
use bindery_config::tree::{Tree, parse, print};
use std::path::Path;

/// Where the parser that we use differs from the suite, each with the reason. None can stand in a configuration by
/// chance.
const PARSER_DIFFERS: [(&str, &str); 5] = [
    ("multiline_raw_string_single_line_err_fail.kdl", "taken: three quotes on one line read as a text"),
    ("unicode_delete_fail.kdl", "taken: the character U+007F may stand as itself"),
    ("zero_space_before_slashdash_arg.kdl", "refused: a blank is wanted before `/-`"),
    ("zero_space_before_slashdash_children.kdl", "refused: a blank is wanted before `/-`"),
    ("zero_space_before_slashdash_prop.kdl", "refused: a blank is wanted before `/-`"),
];

/// Comments are no part of the suite's expectations.
fn without_comments(tree: &Tree) -> Tree {
    let mut tree = tree.clone();
    let mut left: Vec<_> = tree.nodes.iter_mut().collect();
    while let Some(node) = left.pop() {
        node.annotation.clear();
        left.extend(node.children.iter_mut());
    }
    tree
}

#[test]
fn the_suite_of_kdl_agrees() {
    let Some(folder) = std::env::var_os("BINDERY_VECTORS") else {
        println!("SKIP the_suite_of_kdl_agrees: BINDERY_VECTORS is not set");
        return;
    };
    let folder = Path::new(&folder).join("kdl/v2");
    let inputs = files(&folder.join("input"));
    assert!(inputs.len() > 300, "{} has no suite", folder.display());
    let (mut valid, mut invalid) = (0, 0);
    let mut wrong = Vec::new();
    for input in inputs {
        let name = input.file_name().unwrap().to_string_lossy().into_owned();
        let Ok(text) = std::fs::read_to_string(&input) else { continue };
        let expected = std::fs::read_to_string(folder.join("expected").join(&name)).ok();
        match (parse(&name, &text), expected) {
            (Ok(_), None) => wrong.push(name),
            (Err(_), None) => invalid += 1,
            (Err(_), Some(_)) => wrong.push(name),
            (Ok(tree), Some(expected)) => {
                let tree = without_comments(&tree);
                let expected = parse(&name, &expected).unwrap();
                valid += 1;
                let again = parse(&name, &print(&tree));
                if !same(&tree, &expected) {
                    wrong.push(format!("{name}: differs"));
                }
                if again.ok().as_ref() != Some(&tree) {
                    wrong.push(format!("{name}: prints as something else"));
                }
            }
        }
    }
    assert_eq!(wrong, PARSER_DIFFERS.map(|(name, _)| name));
    assert!(valid > 200 && invalid > 80, "{valid} taken, {invalid} refused");
}

/// The suite orders properties by name.
fn same(a: &Tree, b: &Tree) -> bool {
    let ordered = |tree: &Tree| {
        let mut tree = tree.clone();
        let mut left: Vec<_> = tree.nodes.iter_mut().collect();
        while let Some(node) = left.pop() {
            node.properties.sort_by(|a, b| a.name.cmp(&b.name));
            left.extend(node.children.iter_mut());
        }
        tree
    };
    ordered(a) == ordered(b)
}
