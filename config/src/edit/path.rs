//! Where a statement is: the words that lead to it.

use super::identity::{inside, key};
use super::words::print_word;
use crate::schema::{ROOT, Statement};
use crate::tree::{Argument, Node, Span, Value};
use std::fmt;

/// The way from the top of the tree to a statement. `Display` gives the words of a command.
///
/// It is made from words by [`path()`](super::path()), so that each step is in the table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Path {
    pub(crate) steps: Vec<Step>,
}

/// One statement on the way.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) name: String,
    /// Which instance, where there are several.
    pub(crate) key: Option<Value>,
    /// Where it stands in the command.
    pub(crate) span: Span,
}

impl PartialEq for Step {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.key == other.key
    }
}

impl Step {
    /// The step to `node`, a child of `within`.
    pub(crate) fn to(node: &Node, within: Option<&'static Statement>) -> Self {
        let statement = within.and_then(|within| within.child(&node.name));
        let named = |value: &&Argument| statement.is_none_or(|statement| key(statement, &value.value).is_some());
        let key = node.arguments.first().filter(named).map(|argument| argument.value.clone());
        Self { name: node.name.clone(), key, span: node.head_span() }
    }

    /// Whether `node` is the statement that is meant; `statement` is what the table says of its name.
    pub(crate) fn is(&self, node: &Node, statement: &Statement) -> bool {
        if self.name != node.name {
            return false;
        }
        let Some(wanted) = &self.key else { return true };
        node.arguments.first().is_some_and(|argument| {
            argument.value == *wanted || key(statement, &argument.value) == key(statement, wanted)
        })
    }
}

impl Path {
    /// Whether it leads to the top of the tree.
    pub fn is_top(&self) -> bool {
        self.steps.is_empty()
    }

    /// How many levels below the top it leads.
    pub fn depth(&self) -> usize {
        self.steps.len()
    }

    /// The path `levels` levels up; the top where there are fewer.
    #[must_use]
    pub fn up(&self, levels: usize) -> Self {
        let kept = self.steps.len().saturating_sub(levels);
        Self { steps: self.steps.iter().take(kept).cloned().collect() }
    }

    /// What the table says of the statement.
    pub fn statement(&self) -> Option<&'static Statement> {
        let mut within = &ROOT;
        for step in &self.steps {
            within = inside(within.child(&step.name)?, step.key.as_ref())?;
        }
        Some(within)
    }

    /// The path to `node`, a statement in the block that this path leads to.
    #[must_use]
    pub fn child(&self, node: &Node) -> Self {
        let mut path = self.clone();
        path.push(Step::to(node, self.statement()));
        path
    }

    /// A path to a statement that the table does not know.
    pub(crate) fn nowhere() -> Self {
        Self { steps: vec![Step { name: String::new(), key: None, span: Span::default() }] }
    }

    /// Whether it leads into a group.
    pub(crate) fn is_in_group(&self) -> bool {
        self.steps.first().and_then(|step| ROOT.child(&step.name)).is_some_and(|statement| statement.partial)
    }

    pub(crate) fn push(&mut self, step: Step) {
        self.steps.push(step);
    }

    /// The words that lead there and one step further.
    pub(crate) fn and(&self, step: &Step) -> String {
        let mut steps = self.steps.clone();
        steps.push(step.clone());
        Self { steps }.to_string()
    }

    /// Where the last step stands in the command.
    pub(crate) fn span(&self) -> Span {
        self.steps.last().map(|step| step.span).unwrap_or_default()
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.steps.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            step.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        print_word(&mut text, &Value::Text(self.name.clone()), None);
        if let Some(key) = &self.key {
            text.push(' ');
            print_word(&mut text, key, None);
        }
        f.write_str(&text)
    }
}

/// A statement that a command is about, or one value of a list. `Debug` hides what may be a secret.
#[derive(Clone, PartialEq)]
pub struct Target {
    /// The statement.
    pub path: Path,
    /// The value of it, where only one is meant.
    pub(crate) value: Option<Argument>,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hide = self.path.steps.last().is_some_and(|step| crate::schema::may_be_secret(&step.name));
        let value = self.value.as_ref().filter(|_| !hide);
        f.debug_struct("Target").field("path", &self.path).field("value", &value).finish()
    }
}

impl Target {
    /// Where the value, or else the last step stands in the command.
    pub(crate) fn span(&self) -> Span {
        self.value.as_ref().map_or(self.path.span(), |value| value.span)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.fmt(f)?;
        match &self.value {
            None => Ok(()),
            Some(value) => {
                let mut text = String::from(" ");
                print_word(&mut text, &value.value, None);
                f.write_str(&text)
            }
        }
    }
}
