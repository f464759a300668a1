//! Collecting candidates.

use super::walk::Spot;
use super::{CANDIDATES_MAX, Candidate, CandidateKind, Completions, Live, value};
use crate::edit::words::print_word;
use crate::schema::{Kind, Statement, Type, refers};
use crate::tree::{Node, Tree, Value, print_quoted};
use crate::value::expected;
use std::collections::HashSet;

/// The word that was begun, and what it may become.
pub(super) struct Emitter {
    begun: String,
    quoted: bool,
    found: Completions,
    seen: HashSet<String>,
}

impl Emitter {
    pub(super) fn new(begun: String, start: usize, quoted: bool) -> Self {
        Self { begun, quoted, found: Completions { start, ..Completions::default() }, seen: HashSet::new() }
    }

    pub(super) fn finish(self) -> Completions {
        self.found
    }

    /// That the line may end here; it may not in the middle of a word.
    pub(super) fn may_end(&mut self) {
        self.found.complete = self.begun.is_empty() && !self.quoted;
    }

    pub(super) fn wants(&mut self, live: Live) {
        self.found.wants = Some(live);
    }

    fn push(&mut self, text: String, help: &str, kind: CandidateKind, literal: bool) {
        if self.found.candidates.len() >= CANDIDATES_MAX {
            self.found.cut = true;
        } else {
            self.found.candidates.push(Candidate { text, help: help.to_owned(), kind, literal });
        }
    }

    /// A word that is typed as it is.
    pub(super) fn word(&mut self, word: &str, help: &str, kind: CandidateKind) {
        if !self.quoted && word.starts_with(&self.begun) {
            self.push(word.to_owned(), help, kind, true);
        }
    }

    /// That a value is not told.
    pub(super) fn leave_out(&mut self, value: &str) {
        self.seen.insert(value.to_owned());
    }

    /// What stands for any value.
    pub(super) fn hint(&mut self, text: &str, help: &str) {
        self.push(text.to_owned(), help, CandidateKind::Value, false);
    }

    pub(super) fn statement(&mut self, statement: &'static Statement) {
        let kind = match statement.kind {
            Kind::Container(_) => CandidateKind::Container,
            Kind::Named(..) | Kind::Select(_) => CandidateKind::Named,
            Kind::Leaf(_) | Kind::LeafList(_) => CandidateKind::Leaf,
            Kind::Flag => CandidateKind::Flag,
            Kind::Free => CandidateKind::Settings,
        };
        self.word(statement.name, statement.help, kind);
    }

    /// The statements that stand in a block.
    pub(super) fn there(&mut self, spot: &Spot<'_>) {
        spot.present().into_iter().for_each(|statement| self.statement(statement));
    }

    /// A value, each once.
    pub(super) fn value(&mut self, value: &Value, ty: Option<&Type>, help: &str, kind: CandidateKind) {
        let plain = crate::edit::plain(value);
        if !plain.starts_with(&self.begun) || self.seen.contains(&*plain) {
            return;
        }
        let mut text = String::new();
        if self.quoted {
            print_quoted(&mut text, &plain);
        } else {
            print_word(&mut text, value, ty);
        }
        if self.found.candidates.len() < CANDIDATES_MAX {
            self.seen.insert(plain.into_owned());
        }
        self.push(text, help, kind, true);
    }

    /// The names of the instances that stand in a block, and the words of a choice.
    pub(super) fn instances(&mut self, spot: &Spot<'_>, statement: &'static Statement) {
        if let Kind::Select(words) = statement.kind {
            words.iter().filter(|word| word.built).for_each(|word| self.statement(word));
            return;
        }
        let ty = if let Kind::Named(ty, _) = &statement.kind { Some(ty) } else { None };
        for node in spot.nodes.iter().filter(|node| node.name == statement.name) {
            let Some(argument) = node.arguments.first() else { continue };
            let help = match node.annotation.first() {
                Some(line) => line.as_str(),
                None if node.is_inactive() => "inactive",
                None => "",
            };
            self.value(&argument.value, ty, help, CandidateKind::Instance);
        }
    }

    /// What a new instance may be called.
    pub(super) fn key_hint(&mut self, statement: &'static Statement) {
        if let Kind::Named(ty, _) = &statement.kind {
            self.type_hint(ty);
        }
    }

    pub(super) fn type_hint(&mut self, ty: &Type) {
        match ty {
            Type::Interface => self.wants(Live::Interfaces),
            Type::Path => self.wants(Live::Files),
            _ => {}
        }
        for hint in value::hints(ty) {
            self.hint(&hint, &expected(ty));
        }
    }

    /// The values that stand behind a leaf now. Secrets are not told.
    pub(super) fn present(&mut self, statement: &'static Statement, node: Option<&Node>) {
        let (Kind::Leaf(ty) | Kind::LeafList(ty)) = &statement.kind else { return };
        let open = |argument: &&crate::tree::Argument| !matches!(ty, Type::Secret(..)) || refers(argument);
        for argument in node.iter().flat_map(|node| &node.arguments).filter(open) {
            self.value(&argument.value, Some(ty), "", CandidateKind::Value);
        }
    }

    /// The values that a leaf may get.
    pub(super) fn values(
        &mut self,
        tree: &Tree,
        statement: &'static Statement,
        node: Option<&Node>,
        open: Option<&[String]>,
    ) {
        let (Kind::Leaf(ty) | Kind::LeafList(ty)) = &statement.kind else { return };
        let list = matches!(statement.kind, Kind::LeafList(_));
        open.into_iter().flatten().for_each(|value| self.leave_out(value));
        let default = statement.default.unwrap_or_default();
        if let Type::Word(words) = ty {
            for word in words.iter().filter(|word| word.built) {
                let help = if word.name == default { "the default" } else { "" };
                self.value(&Value::Text(word.name.to_owned()), Some(ty), help, CandidateKind::Value);
            }
        }
        if matches!(ty, Type::Boolean) {
            [true, false].iter().for_each(|it| self.value(&Value::Bool(*it), Some(ty), "", CandidateKind::Value));
        }
        if matches!(ty, Type::Lease) {
            self.value(&Value::Text("infinite".to_owned()), Some(ty), "no end", CandidateKind::Value);
        }
        for name in value::referred(tree, statement) {
            self.value(name, Some(ty), "", CandidateKind::Value);
        }
        let is_secret = matches!(ty, Type::Secret(..));
        if !list && let Some(now) = node.and_then(|node| node.arguments.first()).filter(|it| !is_secret || refers(it)) {
            self.value(&now.value, Some(ty), "as it is now", CandidateKind::Value);
        }
        if let Some(value) = value::default_of(statement) {
            self.value(&value, Some(ty), "the default", CandidateKind::Value);
        }
        if !value::is_closed(ty) {
            self.type_hint(ty);
        }
        if list && self.begun.is_empty() {
            match open {
                None => self.word("[", "Several values", CandidateKind::Keyword),
                Some([]) => {}
                Some(_) => self.word("]", "The end of the list", CandidateKind::Keyword),
            }
        }
    }
}
