//! From the words of statements to the configuration, as the schema leads.

use super::lexer::Word;
use super::raw::Raw;
use super::secret::{self, Secret};
use crate::build::Built;
use crate::note::Notes;
use crate::value::{Read, read};
use bindery_config::schema::{Kind, ROOT, Statement, Type};
use bindery_config::tree::Value;

/// What is told of a statement that this release does not act on.
pub(super) const LATER: &str = "not in this release: kept as (inactive)";

/// Puts statements into their places.
pub(super) struct Placer<'a> {
    notes: &'a mut Notes,
    /// Names and keys of the statements around the one that is placed.
    path: Vec<String>,
}

/// What holds where a statement stands.
#[derive(Clone, Copy, Debug)]
struct State {
    /// Something around it is inactive or not in this release.
    quiet: bool,
    /// It is a group: names may be patterns.
    group: bool,
    /// The words are the statement's first: tags and comments before it are this one's.
    first: bool,
    /// The statements in this block are inactive, each of them.
    inactive: bool,
}

const AT_TOP: State = State { quiet: false, group: false, first: true, inactive: false };

impl<'a> Placer<'a> {
    pub(super) fn new(notes: &'a mut Notes) -> Self {
        Self { notes, path: Vec::new() }
    }

    /// Places a statement of the top.
    pub(super) fn place_top(&mut self, root: &mut Built, raw: &Raw) {
        self.place(root, &ROOT, raw, &raw.words, AT_TOP);
    }

    fn note(&mut self, line: u32, text: impl AsRef<str>) {
        self.notes.add(line, self.path.join(" "), text);
    }

    /// Places the statement that begins with `words` in `parent`.
    fn place(&mut self, parent: &mut Built, within: &'static Statement, raw: &Raw, words: &[Word], state: State) {
        let Some((first, rest)) = words.split_first() else { return };
        if raw.deleted {
            return self.note(first.line, format!("`delete: {}` is left out", first.text));
        }
        let Some(statement) = within.child(&first.text) else { return self.unknown(first) };
        let depth = self.path.len();
        self.path.push(first.text.clone());
        match &statement.kind {
            Kind::Container(_) => {
                let node = self.open(parent, statement, None, raw, first.line, state);
                let state = state.inside(node, statement);
                self.inside(node, statement, raw, rest, state);
            }
            Kind::Named(..) | Kind::Select(_) => self.instance(parent, within, statement, raw, words, state),
            Kind::Leaf(ty) => self.leaf(parent, within, statement, ty, raw, words, state),
            Kind::LeafList(ty) => self.list(parent, statement, ty, raw, words, state),
            Kind::Flag => self.flag(parent, within, statement, raw, words, state),
            Kind::Free => {
                let node = self.open(parent, statement, None, raw, first.line, state);
                free(node, rest, raw.block.as_deref().unwrap_or_default());
            }
        }
        self.path.truncate(depth);
    }

    /// A statement that the schema does not have; it is told once, whatever stands in it.
    fn unknown(&mut self, word: &Word) {
        let top = self.path.is_empty();
        if top && word.text == "version" {
            return;
        }
        self.path.push(word.text.clone());
        let text = if top { "another hierarchy: left out" } else { "unknown here: left out" };
        self.notes.once(word.line, &self.path.join(" "), text);
        self.path.pop();
    }

    /// The statement in `parent`, made if it is new; then it is told if it is not in this release.
    fn open<'b>(
        &mut self,
        parent: &'b mut Built,
        statement: &'static Statement,
        key: Option<&Value>,
        raw: &Raw,
        line: u32,
        state: State,
    ) -> &'b mut Built {
        let (node, new) = parent.child(statement.name, key, line);
        if state.first {
            node.inactive |= raw.inactive || state.inactive;
            node.protected |= raw.protected;
            node.annotation.extend(raw.annotation.iter().map(|line| annotation(line)));
        }
        if new && !statement.built && !state.quiet && !node.inactive {
            node.inactive = true;
            self.notes.add(line, self.path.join(" "), LATER);
        }
        node
    }

    /// What stands in a block: the words that are left, or the statements in braces.
    fn inside(&mut self, node: &mut Built, statement: &'static Statement, raw: &Raw, rest: &[Word], state: State) {
        if !rest.is_empty() {
            return self.place(node, statement, raw, rest, State { first: false, ..state });
        }
        for inner in raw.block.iter().flatten() {
            self.place(node, statement, inner, &inner.words, State { first: true, ..state });
        }
    }

    /// A statement with a name of its own, or one of a few words.
    fn instance(
        &mut self,
        parent: &mut Built,
        within: &'static Statement,
        statement: &'static Statement,
        raw: &Raw,
        words: &[Word],
        state: State,
    ) {
        let Some(first) = words.first() else { return };
        let Some(word) = words.get(1) else {
            // Junos writes `groups { NAME { ... } }`: names are the statements of a block.
            self.path.pop();
            if raw.block.is_none() {
                let text = format!("`{}` without a name is left out", first.text);
                return self.note(first.line, text);
            }
            let state = State { inactive: state.inactive || (state.first && raw.inactive), first: true, ..state };
            for inner in raw.block.iter().flatten() {
                let first = Word { line: inner.line, ..first.clone() };
                let words: Vec<Word> = std::iter::once(first).chain(inner.words.iter().cloned()).collect();
                self.place(parent, within, inner, &words, state);
            }
            return;
        };
        let rest = words.get(2..).unwrap_or_default();
        if let Some(last) = self.path.last_mut() {
            *last = format!("{} {}", first.text, word.text);
        }
        match &statement.kind {
            Kind::Select(choices) => {
                let Some(chosen) = choices.iter().find(|choice| choice.name == word.text) else {
                    self.path.pop();
                    return self.unknown(&Word { text: format!("{} {}", first.text, word.text), ..first.clone() });
                };
                let key = Value::Text(word.text.clone());
                let node = self.open(parent, statement, Some(&key), raw, first.line, state);
                if !chosen.built && !state.quiet && !node.inactive {
                    node.inactive = true;
                    self.notes.add(first.line, self.path.join(" "), LATER);
                }
                let state = state.inside(node, chosen);
                self.inside(node, chosen, raw, rest, state);
            }
            Kind::Named(ty, _) => {
                let Some(key) = self.key(ty, word, state) else { return };
                let node = self.open(parent, statement, Some(&key), raw, first.line, state);
                let state = state.inside(node, statement);
                self.inside(node, statement, raw, rest, state);
            }
            _ => {}
        }
    }

    /// The name of an instance.
    fn key(&mut self, ty: &Type, word: &Word, state: State) -> Option<Value> {
        let text = &word.text;
        if state.group && text.len() > 2 && text.starts_with('<') && text.ends_with('>') {
            let text = if *ty == Type::Interface { text.replace(['/', ':'], "-") } else { text.clone() };
            return Some(Value::Text(text));
        }
        match read(ty, text) {
            Ok(Read { value, note, .. }) => {
                if let Some(note) = note {
                    self.notes.once(word.line, &self.path.join(" "), &note);
                }
                Some(value)
            }
            Err(why) => {
                self.notes.once(word.line, &self.path.join(" "), &format!("the name {why}: left out"));
                None
            }
        }
    }

    /// The values of a statement: the words behind its name, or those in braces.
    fn values<'w>(&mut self, raw: &'w Raw, words: &'w [Word]) -> Vec<&'w Word> {
        let mut values: Vec<&Word> = words.iter().skip(1).collect();
        for inner in raw.block.iter().flatten() {
            if inner.inactive || inner.deleted {
                self.note(inner.line, "an inactive value of the list is left out");
            } else {
                values.extend(&inner.words);
            }
        }
        values
    }

    #[expect(clippy::too_many_arguments, reason = "the place of the statement, and its words")]
    fn leaf(
        &mut self,
        parent: &mut Built,
        within: &'static Statement,
        statement: &'static Statement,
        ty: &Type,
        raw: &Raw,
        words: &[Word],
        state: State,
    ) {
        // `file NAME size 10m files 5;`: behind one value the next statement of the same block.
        let (words, next) = match words.get(2) {
            Some(next) if !state.first && within.child(&next.text).is_some() => words.split_at(2),
            _ => (words, [].as_slice()),
        };
        self.one(parent, statement, ty, raw, words, state);
        if !next.is_empty() {
            self.path.pop();
            self.place(parent, within, raw, next, state);
        }
    }

    fn one(
        &mut self,
        parent: &mut Built,
        statement: &'static Statement,
        ty: &Type,
        raw: &Raw,
        words: &[Word],
        state: State,
    ) {
        let values = self.values(raw, words);
        let (line, values) = (words.first().map_or(raw.line, |word| word.line), values.as_slice());
        let [word] = values else {
            let text = if values.is_empty() { "without a value: left out" } else { "more than one value: left out" };
            return self.note(line, text);
        };
        let Some(Read { value, later, .. }) = self.value(ty, word) else { return };
        let twice = parent.find(statement.name, None).is_some();
        let node = self.open(parent, statement, None, raw, line, state);
        let changed = node.values.first().is_some_and(|(before, _)| *before != value);
        node.values = vec![(value, word.line)];
        if later && !state.quiet && !node.inactive {
            node.inactive = true;
            self.note(word.line, format!("{} is not in this release: kept as (inactive)", word.text));
        }
        if twice && changed {
            self.note(line, "written twice: the last one holds");
        }
    }

    fn list(
        &mut self,
        parent: &mut Built,
        statement: &'static Statement,
        ty: &Type,
        raw: &Raw,
        words: &[Word],
        state: State,
    ) {
        let words_of = self.values(raw, words);
        let line = words.first().map_or(raw.line, |word| word.line);
        if words_of.is_empty() {
            return self.note(line, "without a value: left out");
        }
        let read: Vec<(Read, u32)> =
            words_of.into_iter().filter_map(|word| Some((self.value(ty, word)?, word.line))).collect();
        if read.is_empty() {
            return;
        }
        let node = self.open(parent, statement, None, raw, line, state);
        for (read, line) in read {
            let known = if read.later { &mut node.later } else { &mut node.values };
            if !known.iter().any(|(value, _)| *value == read.value) {
                known.push((read.value, line));
            }
        }
    }

    /// A value; what does not fit is told and left out.
    fn value(&mut self, ty: &Type, word: &Word) -> Option<Read> {
        let mut text = word.text.clone();
        if matches!(ty, Type::Secret(..)) {
            match secret::read(&text) {
                Secret::Plain(plain) => text = plain,
                Secret::Obfuscated(plain) => {
                    self.note(word.line, "the secret was obfuscated ($9$); it stands in the clear now");
                    text = plain;
                }
                Secret::Unreadable => {
                    self.note(word.line, "the secret cannot be read and must be typed again: left out");
                    return None;
                }
            }
        }
        match read(ty, &text) {
            Ok(read) => {
                if let Some(note) = &read.note {
                    self.note(word.line, format!("{}: {note}", word.text));
                }
                Some(read)
            }
            Err(why) if matches!(ty, Type::Secret(..)) => {
                self.note(word.line, format!("{why}: left out"));
                None
            }
            Err(why) => {
                self.note(word.line, format!("`{}`: {why}: left out", word.text));
                None
            }
        }
    }

    fn flag(
        &mut self,
        parent: &mut Built,
        within: &'static Statement,
        statement: &'static Statement,
        raw: &Raw,
        words: &[Word],
        state: State,
    ) {
        let line = words.first().map_or(raw.line, |word| word.line);
        match words.get(1) {
            Some(next) if !state.first && within.child(&next.text).is_some() => {
                let path = self.path.pop();
                self.place(parent, within, raw, words.get(1..).unwrap_or_default(), state);
                self.path.extend(path);
            }
            None if raw.block.is_none() => {}
            _ => self.note(line, "what stands behind it or in it is left out"),
        }
        let new = parent.find(statement.name, None).is_none();
        let node = self.open(parent, statement, None, raw, line, state);
        if statement.built || !new || raw.inactive || !node.inactive {
            return;
        }
        // Left out alone, it would serve whom Junos does not.
        if statement.name == "exclude" {
            parent.inactive = true;
            self.note(line, "the interface is kept as (inactive) with it");
        }
    }

    /// Makes a statement inactive, or protects it. What was left out is passed over.
    pub(super) fn mark(&mut self, root: &mut Built, raw: &Raw, inactive: bool) {
        let mut at = root;
        let mut within = Some(&ROOT);
        let mut words = raw.words.iter();
        while let Some(word) = words.next() {
            let Some(statement) = within.and_then(|within| within.child(&word.text)) else { return };
            let key = match &statement.kind {
                Kind::Named(ty, _) => words.next().map(|word| match read(ty, &word.text) {
                    Ok(read) => read.value,
                    Err(_) => Value::Text(word.text.clone()),
                }),
                Kind::Select(_) => words.next().map(|word| Value::Text(word.text.clone())),
                _ => None,
            };
            within = match (&statement.kind, &key) {
                (Kind::Select(choices), Some(Value::Text(key))) => choices.iter().find(|it| it.name == *key),
                (Kind::Free, _) => None,
                _ => Some(statement),
            };
            let Some(next) = at.find(&word.text, key.as_ref()) else { return };
            at = next;
            if matches!(statement.kind, Kind::Leaf(_) | Kind::LeafList(_) | Kind::Free) && words.next().is_some() {
                let path: Vec<&str> = raw.words.iter().map(|word| word.text.as_str()).collect();
                let path = path.get(..path.len().saturating_sub(1)).unwrap_or_default().join(" ");
                return self.notes.add(raw.line, path, "a part of it cannot be marked: it stays as it is");
            }
        }
        if inactive { at.inactive = true } else { at.protected = true }
    }
}

impl State {
    /// What holds in `node`.
    fn inside(self, node: &Built, statement: &Statement) -> Self {
        Self {
            quiet: self.quiet || node.inactive || !statement.built,
            group: self.group || statement.partial,
            first: true,
            inactive: false,
        }
    }
}

/// A statement of which the schema knows no more than its name: all of it, as it stands. Each further line of the `set`
/// form adds a statement of its own.
fn free(node: &mut Built, words: &[Word], block: &[Raw]) {
    let Some((first, rest)) = words.split_first() else { return fill(node, block) };
    let mut inner = bare(first, rest);
    fill(&mut inner, block);
    node.children.push(inner);
}

fn fill(node: &mut Built, block: &[Raw]) {
    for raw in block {
        let Some((first, rest)) = raw.words.split_first() else { continue };
        let mut inner = bare(first, rest);
        inner.inactive = raw.inactive;
        inner.protected = raw.protected;
        inner.annotation = raw.annotation.iter().map(|line| annotation(line)).collect();
        fill(&mut inner, raw.block.as_deref().unwrap_or_default());
        node.children.push(inner);
    }
}

fn bare(first: &Word, rest: &[Word]) -> Built {
    let mut built = Built::new(&first.text, first.line);
    built.values = rest.iter().map(|word| (Value::Text(word.text.clone()), word.line)).collect();
    built
}

/// A comment as it can stand before a statement.
fn annotation(line: &str) -> String {
    line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
