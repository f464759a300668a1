//! What an operator sees of a configuration: never a secret.

use crate::Database;
use crate::edit::path_of;
use crate::error::{EditError, refused};
use bindery_api::{Format, ShowQuery};
use bindery_config::edit::{Path, below, diff, only};
use bindery_config::schema::redact;
use bindery_config::tree::{Tree, parse, print};
use bindery_config::{form, groups};
use std::borrow::Cow;
use std::sync::Arc;

impl Database {
    /// A recorded configuration: `0` is the active one, `1` to `49` are those before it, or `rescue`.
    ///
    /// # Errors
    /// There is no such configuration; it is gone or damaged.
    pub fn tree_of(&self, rollback: &str) -> Result<Tree, EditError> {
        self.recorded(rollback).map(Arc::unwrap_or_clone)
    }

    pub(crate) fn recorded(&self, rollback: &str) -> Result<Arc<Tree>, EditError> {
        if rollback == "0" {
            return Ok(Arc::clone(&self.tree));
        }
        let (name, text) = if rollback == "rescue" {
            let text = self.rescue_text()?;
            (
                "rescue".to_owned(),
                text.ok_or_else(|| EditError::Unknown("there is no rescue configuration".to_owned()))?,
            )
        } else {
            let number = rollback.parse().ok().and_then(|at: usize| self.ring.newest_first().nth(at));
            let Some(number) = number.map(|record| record.number) else {
                let last = self.ring.newest_first().count().saturating_sub(1);
                return Err(EditError::Unknown(format!(
                    "there is no configuration `{rollback}` to go back to: 0 to {last}, or rescue"
                )));
            };
            (format!("revision {number}"), self.ring.text(number)?)
        };
        Ok(Arc::new(parse(&name, &text).map_err(refused)?))
    }

    /// A configuration as text, or how it differs from an older one. Secrets are hidden.
    ///
    /// # Errors
    /// There is no such session, configuration or path.
    pub fn show(&self, query: &ShowQuery) -> Result<String, EditError> {
        let ShowQuery { path, format, session, rollback, compare } = query;
        let tree: Arc<Tree> = match (rollback, session) {
            (Some(rollback), _) => self.recorded(rollback)?,
            (None, Some(session)) => Arc::clone(self.candidate_of(*session)?.tree()),
            (None, None) => Arc::clone(&self.tree),
        };
        let part = Part::of(path)?;
        let base = &part.base;
        if let Some(compare) = compare {
            let older = self.recorded(compare)?;
            return Ok(diff(&part.cut(&older), &part.cut(&tree)).to_string());
        }
        Ok(match format {
            Format::Braced => form::braced_below(&part.cut(&tree), base),
            Format::Set => form::set_below(&redact(&part.cut(&tree)), base, false),
            Format::Json => form::json_below(&redact(&part.cut(&tree)), base),
            Format::Kdl => print(&below(&redact(&part.cut(&tree)), base)),
            Format::Inheritance => {
                let (expanded, inheritance) = groups::expand(&redact(&tree));
                form::inherited(&part.cut(&expanded), &inheritance, base)
            }
        })
    }
}

/// What of a configuration is shown.
struct Part {
    base: Path,
    /// Only the statements of this name in the block at the base.
    name: Option<&'static str>,
}

impl Part {
    /// What the words lead to: a block, or a statement that has none.
    fn of(words: &str) -> Result<Self, EditError> {
        let error = match path_of(words) {
            Ok(base) => return Ok(Self { base, name: None }),
            Err(error) => error,
        };
        let words = words.trim();
        let (before, last) = words.rsplit_once(char::is_whitespace).unwrap_or(("", words));
        let Ok(base) = path_of(before) else { return Err(error) };
        match base.statement().and_then(|statement| statement.child(last)) {
            Some(statement) => Ok(Self { base, name: Some(statement.name) }),
            None => Err(error),
        }
    }

    /// The tree with nothing but that.
    fn cut<'t>(&self, tree: &'t Tree) -> Cow<'t, Tree> {
        if self.base.is_top() && self.name.is_none() {
            return Cow::Borrowed(tree);
        }
        let mut cut = only(tree, &self.base);
        if let Some(name) = self.name {
            let mut nodes = Some(&mut cut.nodes);
            for _ in 0..self.base.depth() {
                nodes = nodes.and_then(|nodes| Some(&mut nodes.first_mut()?.children));
            }
            if let Some(nodes) = nodes {
                nodes.retain(|node| node.name == name);
            }
        }
        Cow::Owned(cut)
    }
}
