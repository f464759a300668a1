//! `core/api/openapi.json`.

use bindery_api::{Method, Verb, openapi};
use serde_json::Value;
use std::{collections::BTreeSet, path::PathBuf};

pub(crate) fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../core/api/openapi.json")
}

#[test]
fn the_document_is_up_to_date() {
    let text = serde_json::to_string_pretty(&openapi()).unwrap() + "\n";
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(path(), &text).unwrap();
    }
    let written = std::fs::read_to_string(path()).unwrap();
    assert!(written == text, "core/api/openapi.json is out of date: UPDATE_EXPECT=1 writes it");
}

#[test]
fn every_verb_has_its_operation_and_nothing_else_is_there() {
    let document = openapi();
    let paths = document["paths"].as_object().unwrap();
    assert_eq!(paths.len(), Verb::ALL.len());
    for verb in Verb::ALL {
        let method = if verb.method() == Method::Get { "get" } else { "post" };
        let item = paths[verb.path()].as_object().unwrap();
        assert_eq!(item.keys().collect::<Vec<_>>(), [method], "{verb:?}");
        let operation = &item[method];
        assert_eq!(operation["x-permission"], verb.permission().name(), "{verb:?}");
        assert!(operation["summary"].as_str().unwrap().ends_with('.'), "{verb:?}");
        let responses = operation["responses"].as_object().unwrap();
        assert!(["200", "403", "503"].iter().all(|status| responses.contains_key(*status)), "{verb:?}");
    }
}

/// Every field of every type is described, and every reference leads somewhere.
#[test]
fn the_document_is_whole() {
    fn walk(value: &Value, at: &str, references: &mut BTreeSet<String>) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| walk(item, at, references)),
            Value::Object(fields) => {
                references.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
                for (name, property) in fields.get("properties").and_then(Value::as_object).into_iter().flatten() {
                    let text = property.get("description").and_then(Value::as_str).unwrap_or_default();
                    assert!(text.len() > 3, "{at} {name}: no description");
                    assert!(!text.contains("[`") && !text.contains("crate::"), "{at} {name}: {text}");
                }
                fields.iter().for_each(|(name, value)| walk(value, &format!("{at} {name}"), references));
            }
            _ => {}
        }
    }
    let document = openapi();
    let mut references = BTreeSet::new();
    walk(&document, "", &mut references);
    assert!(references.len() > 40, "{}", references.len());
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}
