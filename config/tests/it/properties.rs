//! What holds for every text and every tree.

use crate::examples::files;
use bindery_config::load;
use bindery_config::tree::{Argument, Node, Property, Span, Tag, Tree, Value, parse, print};
use proptest::prelude::*;
use std::path::Path;

fn word() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z][a-z0-9-]{0,8}", "[ -~]{0,10}", ".{0,8}", Just("true".to_owned()), Just("-1".to_owned())]
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        word().prop_map(Value::Text),
        "(?s).{0,20}".prop_map(Value::Text),
        any::<i64>().prop_map(|number| Value::Integer(number.into())),
        any::<f64>().prop_map(Value::Float),
        any::<bool>().prop_map(Value::Bool),
        Just(Value::Null),
    ]
}

fn tag() -> impl Strategy<Value = Option<Tag>> {
    prop_oneof![
        4 => Just(None),
        1 => Just(Some(Tag::Inactive)),
        1 => Just(Some(Tag::Protect)),
        1 => Just(Some(Tag::Replace)),
        1 => word().prop_map(|word| Some(Tag::from(word.as_str()))),
    ]
}

fn node() -> impl Strategy<Value = Node> {
    let argument = (value(), proptest::option::weighted(0.1, word())).prop_map(|(value, annotation)| Argument {
        value,
        annotation,
        span: Span::default(),
    });
    let property = (word(), value(), proptest::option::weighted(0.1, word()))
        .prop_map(|(name, value, annotation)| Property { name, value, annotation, span: Span::default() });
    let leaf = (
        word(),
        tag(),
        proptest::collection::vec(argument, 0..4),
        proptest::collection::vec(property, 0..3),
        proptest::collection::vec("[!-~]([ -~]{0,20}[!-~])?", 0..3),
    )
        .prop_map(|(name, tag, arguments, mut properties, annotation)| {
            let mut seen = std::collections::HashSet::new();
            properties.retain(|property| seen.insert(property.name.clone()));
            Node { name, tag, arguments, properties, annotation, children: Vec::new(), span: Span::default() }
        });
    leaf.prop_recursive(4, 32, 4, |inner| {
        (inner.clone(), proptest::collection::vec(inner, 0..4)).prop_map(|(node, children)| Node { children, ..node })
    })
}

/// All texts that tests have, to be cut up.
fn texts() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["../examples", "tests/ui", "tests/good"];
    folders
        .iter()
        .flat_map(|folder| files(&root.join(folder)))
        .map(|file| std::fs::read_to_string(file).unwrap())
        .collect()
}

/// Loads, and looks at all that an operator would see.
fn survive(text: &str) {
    match load("f.kdl", text) {
        Ok(loaded) => {
            let printed = print(&loaded.tree);
            let again = load("f.kdl", &printed).unwrap_or_else(|errors| panic!("{errors}\n{printed}"));
            assert_eq!(again.tree, loaded.tree);
            assert_eq!(again.engine, loaded.engine);
        }
        Err(errors) => {
            assert!(errors.count() > 0);
            assert!(!errors.to_string().is_empty());
            assert!(errors.located().all(|located| located.line > 0 && located.column > 0));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_printed_tree_parses_to_itself(nodes in proptest::collection::vec(node(), 0..5)) {
        let tree = Tree { nodes };
        let text = print(&tree);
        let parsed = parse("f.kdl", &text).map_err(|errors| TestCaseError::fail(format!("{errors}\n{text}")))?;
        prop_assert_eq!(&parsed, &tree);
        prop_assert_eq!(print(&parsed), text);
    }

    #[test]
    fn no_text_is_too_much(text in "(?s).{0,200}") {
        survive(&text);
    }

    #[test]
    fn no_kdl_like_text_is_too_much(text in "([{}\"#=;/*\\\\\n() -]|[a-z]{1,3}|[0-9.x]{1,3}|/-|//|/\\*|\\*/|\"\"\"|#true){0,60}") {
        survive(&text);
    }

    #[test]
    fn a_damaged_configuration_is_refused_or_means_something(
        which in any::<prop::sample::Index>(),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), 0usize..20, "(\\{|\\}|\"|[0-9]{1,4}|[ -~]|system|pool|group|\n){0,3}"), 1..4),
    ) {
        let texts = texts();
        let mut text: Vec<char> = which.get(&texts).chars().collect();
        for (at, cut, put) in edits {
            let at = at.index(text.len() + 1);
            let end = (at + cut).min(text.len());
            text.splice(at..end, put.chars());
        }
        survive(&text.into_iter().collect::<String>());
    }
}
