//! What an operator sees of a configuration: never a secret.

use crate::Database;
use crate::edit::path_of;
use crate::error::{EditError, refused};
use bindery_api::{Format, ShowQuery};
use bindery_config::edit::{below, diff, only};
use bindery_config::schema::redact;
use bindery_config::tree::{Tree, parse, print};
use bindery_config::{form, groups};
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
        let base = path_of(path)?;
        if let Some(compare) = compare {
            let older = self.recorded(compare)?;
            let difference = match base.is_top() {
                true => diff(&older, &tree),
                false => diff(&only(&older, &base), &only(&tree, &base)),
            };
            return Ok(difference.to_string());
        }
        let shown = || redact(&only(&tree, &base));
        Ok(match format {
            Format::Braced => form::braced_below(&tree, &base),
            Format::Set => form::set_below(&shown(), &base, false),
            Format::Json => form::json_below(&shown(), &base),
            Format::Kdl => print(&below(&shown(), &base)),
            Format::Inheritance => {
                let (expanded, inheritance) = groups::expand(&redact(&tree));
                form::inherited(&expanded, &inheritance, &base)
            }
        })
    }
}
