//! Folder `tests/edit`: trees, what is done with them, and what comes of it.
//!
//! A file has sections, each begun by a line `## WHAT`; the last one, `## expect`, is what the others must say, and
//! `UPDATE_EXPECT=1` writes it anew. `tree` has a tree in KDL; `base PATH` is where the operator is; `do` has commands;
//! `load VERB [relative] [json|braced]` has what is loaded; `show FORM` shows the tree, `show compare` what was changed since
//! `tree`; the section `as NAME` has commands on a copy of it, and `merge A B` merges two of these copies.

use crate::expectations::expect;
use bindery_config::edit::{Format, Path, Source, Verb, apply, canonical, command, diff, load, merge3, path, refusal};
use bindery_config::schema::redact;
use bindery_config::tree::{Tree, parse, print};
use bindery_config::{form, groups};
use std::collections::BTreeMap;

/// What the sections of a file have made so far.
#[derive(Default)]
struct Session {
    first: Tree,
    tree: Tree,
    copies: BTreeMap<String, Tree>,
    base: Path,
    out: String,
}

impl Session {
    fn section(&mut self, head: &str, body: &str) {
        let words: Vec<&str> = head.split(' ').collect();
        match words.as_slice() {
            ["tree"] => {
                self.tree = parse("tree", body).unwrap_or_else(|errors| panic!("{errors}"));
                canonical(&mut self.tree);
                self.first = self.tree.clone();
            }
            ["base", ..] => {
                let words = head.strip_prefix("base ").unwrap_or_default();
                match path(words, &Path::default()) {
                    Ok(path) => self.base = path,
                    Err(fault) => self.say(&refusal(words, &Path::default(), fault).to_string()),
                }
            }
            ["do"] => {
                let mut tree = std::mem::take(&mut self.tree);
                self.commands(&mut tree, body);
                self.tree = tree;
            }
            ["as", name] => {
                let mut tree = self.first.clone();
                self.commands(&mut tree, body);
                self.copies.insert((*name).to_owned(), tree);
            }
            ["merge", mine, theirs] => match merge3(&self.first, &self.copies[*mine], &self.copies[*theirs]) {
                Ok(merged) => self.say(&diff(&self.first, &merged).to_string()),
                Err(conflicts) => {
                    conflicts.iter().for_each(|conflict| self.say(&format!("conflict: {}\n", conflict.path)))
                }
            },
            ["load", verb, options @ ..] => self.load(verb, options, body),
            ["show", form] => {
                let shown = redact(&self.tree);
                let text = match *form {
                    "compare" => diff(&self.first, &self.tree).to_string(),
                    "set" => form::set_below(&shown, &self.base, false),
                    "relative" => form::set_below(&shown, &self.base, true),
                    "json" => form::json_below(&shown, &self.base),
                    "braced" => form::braced_below(&shown, &self.base),
                    "inheritance" => {
                        let (expanded, inheritance) = groups::expand(&self.tree);
                        form::inherited(&expanded, &inheritance, &self.base)
                    }
                    "kdl" => print(&shown),
                    other => panic!("{other}"),
                };
                self.say(&format!("# show {form}\n{text}"));
            }
            _ => panic!("{head}"),
        }
    }

    fn load(&mut self, verb: &str, options: &[&str], body: &str) {
        let verb = match verb {
            "merge" => Verb::Merge,
            "override" => Verb::Override,
            "replace" => Verb::Replace,
            "update" => Verb::Update,
            "set" => Verb::Set,
            "patch" => Verb::Patch,
            other => panic!("{other}"),
        };
        let format = match options.last() {
            Some(&"json") => Format::Json,
            Some(&"braced") => Format::Braced,
            _ => Format::Kdl,
        };
        let base = if options.contains(&"relative") { self.base.clone() } else { Path::default() };
        match load(&self.tree, verb, Source { name: "terminal", text: body, format }, &base) {
            Ok(tree) => self.tree = tree,
            Err(errors) => self.say(&format!("{errors}\n")),
        }
    }

    fn commands(&mut self, tree: &mut Tree, body: &str) {
        for line in body.lines().filter(|line| !line.is_empty()) {
            match command(line, &self.base).and_then(|operation| apply(tree, &operation)) {
                Ok(1) => {}
                Ok(count) => self.say(&format!("# {line}\n{count} changed\n")),
                Err(fault) => self.say(&format!("# {line}\n{}\n", refusal(line, &self.base, fault))),
            }
        }
    }

    fn say(&mut self, text: &str) {
        self.out.push_str(text);
        if !text.ends_with('\n') {
            self.out.push('\n');
        }
    }
}

#[test]
fn edits_come_out_as_expected() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/edit");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 10, "{}", files.len());
    let mut wrong = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let mut session = Session::default();
        let (input, _) = text.split_once("## expect\n").unwrap_or((&text, ""));
        let (_, sections) = input.split_once("## ").unwrap_or_else(|| panic!("{}", file.display()));
        for section in sections.split("\n## ") {
            let (head, body) = section.split_once('\n').unwrap_or((section, ""));
            session.section(head.trim_end(), body);
        }
        let got = format!("{}\n## expect\n{}", input.trim_end(), session.out);
        wrong.extend(expect(&file, &got).err());
    }
    assert!(wrong.is_empty(), "{}\n{} differ; UPDATE_EXPECT=1 accepts them", wrong.join("\n"), wrong.len());
}
