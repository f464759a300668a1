//! What changes a candidate.

use crate::Database;
use crate::candidate::Candidate;
use crate::commit::conflicts;
use crate::error::{EditError, refused};
use crate::format;
use bindery_api as api;
use bindery_config::Fault;
use bindery_config::edit::{self, Path, Source, Verb, canonical, diff};
use bindery_config::schema::{HIDDEN, keep_hidden};
use bindery_config::tree::{Span, Tree};
use std::sync::Arc;

/// Most commands of one request.
const COMMANDS_MAX: usize = 100_000;

impl Database {
    /// Carries out commands in the session's candidate, all or none. `edit PATH` only tells where the session is.
    ///
    /// # Errors
    /// There is no such session, or it may not edit; a command that cannot be carried out, as it is shown.
    pub fn edit(&mut self, request: &api::Edit, wall: u64) -> Result<api::Edited, EditError> {
        let api::Edit { session, path, commands } = request;
        let base = path_of(path)?;
        if let [command] = commands.as_slice()
            && let Some(to) = edit_path(command)
        {
            let path = edit::path(to, &base).map_err(|fault| no_path(to, &base, fault))?;
            let session = self.sessions.used(*session, wall)?;
            session.path = path;
            return Ok(api::Edited { changed: 0, path: session.path.to_string() });
        }
        let candidate = self.open_candidate(*session, wall)?;
        if commands.len() > COMMANDS_MAX {
            return Err(refused(format!("more than {COMMANDS_MAX} commands at once: `load set` takes them as a text")));
        }
        let mut operations = Vec::with_capacity(commands.len());
        for command in commands {
            if edit_path(command).is_some() {
                return Err(refused("`edit` stands alone"));
            }
            let operation = edit::command(command, &base);
            operations.push(operation.map_err(|fault| refused(edit::refusal(command, &base, fault)))?);
        }
        let hidden = commands.iter().any(|command| command.contains(HIDDEN));
        // One command is done or not; of several the first ones may be done when one is refused.
        let before = (hidden || operations.len() > 1).then(|| Tree::clone(candidate.tree()));
        let mut tree = candidate.take();
        let done = edit::apply_all(&mut tree, &operations).map_err(|(at, fault)| {
            let command = commands.get(at).map(String::as_str).unwrap_or_default();
            refused(edit::refusal(command, &base, fault))
        });
        let done = done.and_then(|changed| match &before {
            Some(before) if hidden => kept(&mut tree, before).map(|()| changed),
            _ => Ok(changed),
        });
        candidate.set(match (&done, before) {
            (Err(_), Some(before)) => before,
            _ => tree,
        });
        done.map(|changed| api::Edited { changed: changed as u64, path: String::new() })
    }

    /// Loads a text into the session's candidate.
    ///
    /// # Errors
    /// There is no such session, or it may not edit; all faults of the text, as they are shown.
    pub fn load(&mut self, request: &api::Load, wall: u64) -> Result<api::Edited, EditError> {
        let api::Load { session, path, verb, format, name, text } = request;
        let base = path_of(path)?;
        let candidate = self.open_candidate(*session, wall)?;
        let name = if name.is_empty() { "text" } else { name };
        let (verb, format) = match (verb, format) {
            (api::LoadVerb::Set, _) | (api::LoadVerb::Merge, Some(api::Format::Set)) => (Verb::Set, edit::Format::Kdl),
            (api::LoadVerb::Patch, _) => (Verb::Patch, edit::Format::Kdl),
            (verb, Some(said)) => match format::said(*said) {
                Some(format) => (verb_of(*verb), format),
                None => return Err(refused("a text to load is written in KDL, JSON or braces")),
            },
            (verb, None) => (verb_of(*verb), format::told(name, text, &base)),
        };
        let before = candidate.tree();
        let loaded = edit::load(before, verb, Source { name, text, format }, &base);
        let mut loaded = loaded.map_err(refused)?;
        if text.contains(HIDDEN) {
            kept(&mut loaded, before)?;
        }
        canonical(&mut loaded);
        let changed = diff(before, &loaded).paths().count();
        candidate.set(loaded);
        Ok(api::Edited { changed: changed as u64, path: String::new() })
    }

    /// Makes an earlier configuration the session's candidate: `0` is the active one.
    ///
    /// # Errors
    /// There is no such session, or it may not edit; there is no such configuration.
    pub fn rollback(&mut self, id: u64, to: &str, wall: u64) -> Result<(), EditError> {
        // Who may not edit is told so first.
        self.open_candidate(id, wall)?;
        let recorded = self.recorded(to)?;
        let active = Arc::clone(&self.tree);
        let candidate = self.open_candidate(id, wall)?;
        if Arc::ptr_eq(&recorded, &active) {
            *candidate = Candidate::new(active);
        } else {
            let mut tree = Arc::unwrap_or_clone(recorded);
            canonical(&mut tree);
            candidate.set(tree);
        }
        Ok(())
    }

    /// Brings into a private candidate what others have committed since it was opened.
    ///
    /// # Errors
    /// There is no such session, or it is not private; statements that both have changed.
    pub fn update(&mut self, id: u64, wall: u64) -> Result<(), EditError> {
        self.open_candidate(id, wall)?;
        let active = Arc::clone(&self.tree);
        let Some(candidate) = self.sessions.private_mut(id) else {
            return Err(refused("only a private candidate needs an update"));
        };
        candidate.merged(&active).map_err(conflicts)?;
        candidate.rebase(&active);
        Ok(())
    }
}

/// The path behind `edit`; none where the command is another one.
fn edit_path(command: &str) -> Option<&str> {
    let rest = command.trim().strip_prefix("edit")?;
    (rest.is_empty() || rest.starts_with(char::is_whitespace)).then(|| rest.trim())
}

/// Where the words lead; the top where there are none.
pub(crate) fn path_of(words: &str) -> Result<Path, EditError> {
    let top = Path::default();
    if words.trim().is_empty() {
        return Ok(top);
    }
    edit::path(words, &top).map_err(|fault| no_path(words, &top, fault))
}

/// What is wrong with a path, shown as a command: then the secrets in it are hidden.
fn no_path(words: &str, base: &Path, mut fault: Fault) -> EditError {
    const VERB: &str = "edit ";
    let moved = |span: Span| Span { start: span.start + VERB.len(), end: span.end + VERB.len() };
    fault.span = moved(fault.span);
    if let Some(other) = &mut fault.other {
        other.0 = moved(other.0);
    }
    refused(edit::refusal(&format!("{VERB}{words}"), base, fault))
}

/// Puts the secrets of `before` where they are hidden.
fn kept(tree: &mut Tree, before: &Tree) -> Result<(), EditError> {
    let missing = keep_hidden(tree, before);
    if missing.is_empty() {
        return Ok(());
    }
    let lines: String = missing.iter().map(|path| format!("\n  {path}")).collect();
    Err(refused(format!("a secret is hidden here, and there is none that could be kept: write it:{lines}")))
}

fn verb_of(verb: api::LoadVerb) -> Verb {
    match verb {
        api::LoadVerb::Merge => Verb::Merge,
        api::LoadVerb::Override => Verb::Override,
        api::LoadVerb::Replace => Verb::Replace,
        api::LoadVerb::Update => Verb::Update,
        api::LoadVerb::Set => Verb::Set,
        api::LoadVerb::Patch => Verb::Patch,
    }
}
