//! The KDL v2 test suite through our tree, where it is at hand.

use crate::examples::files;
use bindery_config::tree::{Tree, parse, print};
use std::path::Path;

/// Where the parser that we use differs from the suite: three texts that it should take, two that it should refuse.
/// None can stand in a configuration by chance.
const PARSER_DIFFERS: [&str; 5] = [
    "multiline_raw_string_single_line_err_fail.kdl",
    "unicode_delete_fail.kdl",
    "zero_space_before_slashdash_arg.kdl",
    "zero_space_before_slashdash_children.kdl",
    "zero_space_before_slashdash_prop.kdl",
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
    let mut wrong = Vec::new();
    for input in inputs {
        let name = input.file_name().unwrap().to_string_lossy().into_owned();
        let Ok(text) = std::fs::read_to_string(&input) else { continue };
        let expected = std::fs::read_to_string(folder.join("expected").join(&name)).ok();
        match (parse(&name, &text), expected) {
            (Ok(_), None) => wrong.push(name),
            (Err(_), None) => {}
            (Err(_), Some(_)) => wrong.push(name),
            (Ok(tree), Some(expected)) => {
                let tree = without_comments(&tree);
                let expected = parse(&name, &expected).unwrap();
                let mut again = tree.clone();
                if let Ok(printed) = parse(&name, &print(&tree)) {
                    again = printed;
                }
                if !same(&tree, &expected) {
                    wrong.push(format!("{name}: differs"));
                }
                if again != tree {
                    wrong.push(format!("{name}: prints as something else"));
                }
            }
        }
    }
    assert_eq!(wrong, PARSER_DIFFERS);
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
