//! Every message of the crate is told by some expectation: a new one needs a text that brings it about.

use crate::examples::files;
use std::path::{Path, PathBuf};

/// Where messages are made: behind these a text stands.
const CALLS: [&str; 12] = [
    "Fault::new(",
    ".fault(",
    "Mismatch::new(",
    "unknown(",
    "fail(",
    "wrong(",
    "refuse(",
    "missing(",
    "message = ",
    "Err(format!(",
    "failed(",
    "fault.message = ",
];

/// Messages that no file of this folder brings about, each with the reason.
const ELSEWHERE: [(&str, &str); 13] = [
    ("the text would be longer than {TEXT_MAX} bytes", "takes a text of megabytes"),
    ("the text is longer than {TEXT_MAX} bytes", "takes a text of megabytes"),
    ("nothing can be set here", "every path that words make leads to a statement"),
    ("nothing can be loaded here", "every path that words make leads to a statement"),
    ("there are no statements here", "every path that words make leads to a statement"),
    ("this is not KDL", "the parser has words of its own for every fault"),
    ("the KDL parser gave up", "the parser does not panic"),
    ("the text could not be parsed: {why}", "takes a system without a thread"),
    ("{bad:?} stands only in quotes, as an escape", "a file of tests has no control characters; words.rs tests it"),
    ("plugin `{}`: {message}", "the daemon finds it; expectations.rs tests it"),
    ("too much is inherited from groups", "takes a large text; groups.rs tests it"),
    ("no more than {VALUE_MAX} bytes have room in a message", "takes a long option"),
    ("more than {INSTANCES_MAX} routing instances", "takes a text with as many"),
];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
    found
}

/// The text in quotes that begins within the next few characters.
fn literal(after: &str) -> Option<String> {
    let start = after.find('"')?;
    let between = after.get(..start)?;
    let plain = |c: char| c.is_whitespace() || "&(){}|_!.".contains(c) || c.is_ascii_lowercase();
    if start > 60 || !between.chars().all(plain) || between.contains(';') {
        return None;
    }
    let mut text = String::new();
    let mut chars = after.get(start + 1..)?.chars();
    loop {
        match chars.next()? {
            '"' => return Some(text),
            '\\' => match chars.next()? {
                '\n' => chars = chars.as_str().trim_start().chars(),
                'n' => text.push('\n'),
                other => text.push(other),
            },
            c => text.push(c),
        }
    }
}

/// The parts of a message that are always the same.
fn parts(message: &str) -> Vec<&str> {
    message.split('{').map(|part| part.split_once('}').map_or(part, |(_, rest)| rest)).collect()
}

fn told(line: &str, parts: &[&str]) -> bool {
    let mut rest = line;
    parts.iter().all(|part| match rest.find(part) {
        Some(at) => {
            rest = &rest[at + part.len()..];
            true
        }
        None => false,
    })
}

#[test]
fn every_message_is_told_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut lines: Vec<String> = Vec::new();
    for folder in ["ui", "edit"] {
        for entry in std::fs::read_dir(root.join("tests").join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|end| end == "err" || end == "txt") {
                lines.extend(std::fs::read_to_string(path).unwrap().lines().map(str::to_owned));
            }
        }
    }
    assert!(files(&root.join("tests/ui")).len() > 40 && lines.len() > 1000);
    let mut untold = Vec::new();
    let mut count = 0;
    // Messages about a table of reservations are told by tests of their own.
    let files = sources(&root.join("src")).into_iter().filter(|file| !file.ends_with("src/host_table.rs"));
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        for call in CALLS {
            for (at, _) in text.match_indices(call) {
                let Some(message) = literal(&text[at + call.len()..]) else { continue };
                let parts = parts(&message);
                if parts.iter().all(|part| part.trim().len() < 4) {
                    continue;
                }
                count += 1;
                let known = ELSEWHERE.iter().any(|(known, _)| *known == message);
                if known == lines.iter().any(|line| told(line, &parts)) {
                    let name = file.strip_prefix(root).unwrap().display();
                    untold.push(format!("{name}: {message}"));
                }
            }
        }
    }
    assert!(count > 100, "{count}");
    untold.sort();
    untold.dedup();
    assert!(untold.is_empty(), "of {count} not told, or told and in the list:\n{}", untold.join("\n"));
}
