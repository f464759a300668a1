//! A configuration that is being edited.

use bindery_config::edit::{Conflict, merge3, rebase};
use bindery_config::tree::Tree;
use std::sync::Arc;

/// A tree that was made of `base`; both are in canonical order, so that they are equal if they say the same.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    base: Arc<Tree>,
    /// Only where it differs from the base.
    own: Option<Arc<Tree>>,
}

impl Candidate {
    /// One without a change.
    pub(crate) fn new(base: Arc<Tree>) -> Self {
        Self { base, own: None }
    }

    pub(crate) fn tree(&self) -> &Arc<Tree> {
        self.own.as_ref().unwrap_or(&self.base)
    }

    /// Whether it differs from its base.
    pub(crate) fn is_changed(&self) -> bool {
        self.own.is_some()
    }

    /// Puts another tree, in canonical order, in its place.
    pub(crate) fn set(&mut self, tree: Tree) {
        self.own = (tree != *self.base).then(|| Arc::new(tree));
    }

    /// Takes the tree out to edit it: no copy is made where nobody else has it. [`Self::set`] puts it back.
    pub(crate) fn take(&mut self) -> Tree {
        Arc::unwrap_or_clone(self.own.take().unwrap_or_else(|| Arc::clone(&self.base)))
    }

    /// The changes made to `theirs`.
    ///
    /// # Errors
    /// What both changed.
    pub(crate) fn merged(&self, theirs: &Tree) -> Result<Tree, Vec<Conflict>> {
        match &self.own {
            None => Ok(theirs.clone()),
            Some(own) => merge3(&self.base, own, theirs),
        }
    }

    /// Gets another base, with the changes made to it; where both say something, these win.
    pub(crate) fn rebase(&mut self, base: &Arc<Tree>) {
        let own = self.own.take().map(|own| rebase(&self.base, &own, base));
        self.base = Arc::clone(base);
        if let Some(own) = own {
            self.set(own);
        }
    }
}
