//! Lines of an operator: editing commands, completion, and texts that are loaded into a candidate.
#![no_main]

use bindery_config::edit::{self, Format, Path, Source, Verb};
use bindery_config::tree::{Tree, parse, print};
use bindery_config::{Loaded, NoSources, form};
use libfuzzer_sys::fuzz_target;

const TREE: &str = include_str!("../../../config/tests/good/inheritance.kdl");

/// The tree says the same as its text, and forms lead back to it.
fn sound(tree: &Tree) {
    let text = print(tree);
    assert_eq!(&parse("fuzz", &text).expect("a candidate prints as what is read"), tree);
    let before = tree.clone();
    if let Ok(loaded) = Loaded::from_tree("fuzz", tree.clone(), &NoSources) {
        assert_eq!((loaded.text(), &loaded.tree), (text.as_str(), &before));
    }
    let empty = Tree::default();
    assert_eq!(edit::diff(&empty, tree).apply(&empty).expect("what was compared fits"), *tree);
    form::from_json("fuzz", &form::json(tree)).expect("JSON that was written is read");
}

fuzz_target!(|text: &str| {
    let mut tree = parse("base", TREE).expect("the text is a configuration");
    edit::canonical(&mut tree);
    let base = Path::default();
    for line in text.lines().take(50) {
        let found = edit::complete_command(&tree, &base, line);
        assert!(found.start <= line.len() && found.candidates.len() <= edit::CANDIDATES_MAX);
        let before = tree.clone();
        match edit::command(line, &base).and_then(|operation| edit::apply(&mut tree, &operation)) {
            Ok(_) => {
                let difference = edit::diff(&before, &tree);
                assert_eq!(difference.apply(&before).expect("what was compared fits"), tree);
            }
            Err(fault) => {
                assert_eq!(tree, before, "a command that fails changes nothing");
                assert!(!edit::refusal(line, &base, fault).to_string().is_empty());
            }
        }
    }
    sound(&tree);
    for format in [Format::Kdl, Format::Json, Format::Braced] {
        for verb in [Verb::Merge, Verb::Override, Verb::Replace, Verb::Set, Verb::Patch] {
            if let Ok(loaded) = edit::load(&tree, verb, Source { name: "fuzz", text, format }, &base) {
                sound(&loaded);
            }
        }
    }
});
