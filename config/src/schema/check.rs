//! Holds a tree against the table: every statement known, in its place, with values that fit.

use super::{EVERYWHERE, Kind, ROOT, Statement, Type, stands_for_secret};
use crate::edit::{Path, Step, inside_node, key, plain};
use crate::error::{Fault, Faults};
use crate::nearest::nearest;
use crate::pattern::is_wildcard;
use crate::tree::{Argument, Node, Span, Tag, Tree};
use crate::value::{expected, typed};
use std::borrow::Cow;
use std::collections::HashMap;

/// Adds all faults of `tree` that the table alone can tell.
pub(crate) fn check(tree: &Tree, faults: &mut Faults) {
    let mut checker = Checker { faults, path: Vec::new(), group: false, fragment: false };
    checker.statements(&tree.nodes, &ROOT, false);
}

/// Adds the faults of `groups`, and of the statements that take from them, which an expanded tree does not have.
pub(crate) fn check_groups(tree: &Tree, faults: &mut Faults) {
    fn appliers(checker: &mut Checker<'_>, nodes: &[Node], within: &'static Statement) {
        let mut own = nodes.iter().filter(|node| EVERYWHERE.iter().any(|it| it.name == node.name)).peekable();
        if own.peek().is_some() {
            let own: Vec<Node> = own.cloned().collect();
            checker.statements(&own, within, false);
        }
        for node in nodes.iter().filter(|node| !node.is_inactive()) {
            let Some(inside) = inside_node(node, Some(within)).filter(|inside| !inside.partial) else { continue };
            checker.path.push(Step::to(node, Some(within)).to_string());
            appliers(checker, &node.children, inside);
            checker.path.pop();
        }
    }
    let mut checker = Checker { faults, path: Vec::new(), group: false, fragment: false };
    let groups: Vec<Node> = tree.nodes.iter().filter(|node| node.name == "groups").cloned().collect();
    checker.statements(&groups, &ROOT, false);
    appliers(&mut checker, &tree.nodes, &ROOT);
    crate::groups::check(tree, checker.faults);
}

/// Adds the faults of statements that shall stand in the block at `path`: what is missing or not in this release is no
/// fault yet, and a hidden secret may stand for the one that is there.
pub(crate) fn fragment(nodes: &[Node], path: &Path, faults: &mut Faults) {
    let words = if path.is_top() { Vec::new() } else { vec![path.to_string()] };
    let mut checker = Checker { faults, path: words, group: path.is_in_group(), fragment: true };
    if let Some(within) = path.statement() {
        checker.statements(nodes, within, true);
    }
}

struct Checker<'a> {
    faults: &'a mut Faults,
    path: Vec<String>,
    /// It is a group: names may be patterns, and it takes nothing from other groups.
    group: bool,
    /// It is no whole configuration.
    fragment: bool,
}

impl Checker<'_> {
    fn fault(&self, message: impl Into<String>, span: Span) -> Fault {
        Fault::new(message, span, self.path.join(" "))
    }

    /// `quiet`: a statement around these is inactive, not built or a group, so that nothing is missing in it, and what is
    /// not in this release has been said or need not be.
    fn statements(&mut self, nodes: &[Node], within: &'static Statement, quiet: bool) {
        let mut seen: HashMap<(&str, Option<Cow<'_, str>>), Span> = HashMap::new();
        for node in nodes {
            let Some(statement) = within.child(&node.name) else {
                self.unknown(node, within);
                continue;
            };
            let repeats = matches!(statement.kind, Kind::Named(..) | Kind::Select(_));
            let key = node.arguments.first().filter(|_| repeats).and_then(|argument| key(statement, &argument.value));
            if let Some(first) = seen.insert((&node.name, key.clone()), node.head_span()) {
                self.repeated(node, statement, key.as_deref(), first);
            }
            self.statement(node, statement, quiet);
        }
    }

    fn unknown(&mut self, node: &Node, within: &'static Statement) {
        let fault = self.fault(format!("unknown statement `{}`", node.name), node.span);
        if !self.faults.wants_hints() {
            return self.faults.push(fault);
        }
        let near = nearest(&node.name, within.children().iter().map(|child| child.name));
        let help = match (near, place_of(&node.name)) {
            (Some(near), _) => Some(format!("did you mean `{near}`?")),
            (None, Some(place)) => Some(format!("`{}` stands in `{place}`", node.name)),
            (None, None) => None,
        };
        self.faults.push(fault.maybe_help(help));
    }

    fn repeated(&mut self, node: &Node, statement: &Statement, key: Option<&str>, first: Span) {
        let what = key.map_or_else(|| node.name.clone(), |key| format!("{} {key}", node.name));
        let help = match statement.kind {
            Kind::LeafList(_) => Some("a list has all its values behind one name".to_owned()),
            Kind::Container(_) | Kind::Named(..) | Kind::Select(_) => Some("put all of it in one block".to_owned()),
            Kind::Leaf(_) | Kind::Flag | Kind::Free => None,
        };
        let fault = self.fault(format!("`{what}` is written twice"), node.head_span());
        self.faults.push(fault.label("again here").other(first, "first here").maybe_help(help));
    }

    fn statement(&mut self, node: &Node, statement: &'static Statement, quiet: bool) {
        let mut word = node.name.clone();
        if let Some(argument) = node.arguments.first()
            && matches!(statement.kind, Kind::Named(..) | Kind::Select(_))
        {
            word = format!("{word} {}", plain(&argument.value));
        }
        if let Some(Tag::Other(tag)) = &node.tag {
            let fault = self.fault(format!("unknown tag `({tag})`"), node.span);
            self.faults.push(fault.help("the tags are (inactive), (protect), (protect-inactive) and (replace)"));
        }
        if node.tag == Some(Tag::Delete) && !self.fragment {
            let fault = self.fault("`(delete)` stands only in what is loaded into a candidate", node.span);
            self.faults.push(fault.help("take the statement out"));
        }
        let quiet = quiet || node.is_inactive();
        if !statement.built && !quiet {
            let fault = self.fault(format!("`{}` is not in this release", node.name), node.head_span());
            self.faults.push(fault.help("take it out, or write (inactive) before it to keep it for later"));
        }
        if self.group && EVERYWHERE.iter().any(|it| it.name == statement.name) {
            let fault = self.fault("a group takes nothing from other groups", node.head_span());
            self.faults.push(fault);
        }
        let quiet = quiet || !statement.built || statement.partial;
        let outer = self.group;
        self.group |= statement.partial;
        self.path.push(word);
        if !matches!(statement.kind, Kind::Free) {
            self.properties(node, statement);
        }
        match &statement.kind {
            Kind::Container(_) => {
                self.no_values(node, 0);
                self.inside(node, statement, quiet);
            }
            Kind::Named(key, _) => {
                self.key(node, key, quiet);
                self.inside(node, statement, quiet);
            }
            Kind::Select(words) => self.select(node, words, quiet),
            Kind::Leaf(ty) => self.leaf(node, ty, false, quiet),
            Kind::LeafList(ty) => self.leaf(node, ty, true, quiet),
            Kind::Flag => {
                self.no_values(node, 0);
                self.no_block(node);
            }
            Kind::Free if statement.built => {
                self.no_values(node, 0);
                self.properties(node, statement);
                node.children.iter().for_each(|child| self.free(child));
            }
            Kind::Free => {}
        }
        self.path.pop();
        self.group = outer;
    }

    /// The statements in a block, and that none is missing.
    fn inside(&mut self, node: &Node, statement: &'static Statement, quiet: bool) {
        self.statements(&node.children, statement, quiet);
        if quiet {
            return;
        }
        for child in statement.children().iter().filter(|child| {
            let written = node.properties.iter().any(|property| property.name == child.name);
            child.mandatory && !written && node.child(child.name).is_none()
        }) {
            let what = match child.kind {
                Kind::Select(words) => format!("{} {}", child.name, words.first().map_or("", |word| word.name)),
                _ => child.name.to_owned(),
            };
            let fault = self.fault(format!("`{what}` is missing"), node.head_span()).label("must have it");
            self.faults.push(
                fault.maybe_help((!child.example.is_empty()).then(|| format!("like `{what} {}`", child.example))),
            );
        }
        if statement.one_of && node.properties.is_empty() {
            let mut chosen = node.active();
            let built = || statement.children().iter().filter(|child| child.built);
            let names = || built().map(|child| child.name).collect::<Vec<_>>().join(", ");
            match (chosen.next(), chosen.next()) {
                (Some(first), Some(second)) => {
                    let fault = self.fault(
                        format!("`{}` and `{}` exclude each other", first.name, second.name),
                        second.head_span(),
                    );
                    self.faults.push(fault.other(first.head_span(), "the other"));
                }
                (None, _) => {
                    let needs = if built().count() == 1 { "needs" } else { "needs one of" };
                    let fault = self.fault(format!("`{}` {needs} {}", node.name, names()), node.head_span());
                    let example = built().next().map(|child| [child.name, child.example].join(" "));
                    let example = example.map(|example| format!("like `{{ {} }}`", example.trim_end()));
                    self.faults.push(fault.maybe_help(example));
                }
                _ => {}
            }
        }
    }

    fn key(&mut self, node: &Node, ty: &Type, quiet: bool) {
        match node.arguments.first() {
            None => {
                let fault = self.fault(format!("`{}` needs {} behind it", node.name, expected(ty)), node.span);
                self.faults.push(fault);
            }
            Some(argument) => {
                if !(self.group && argument.value.as_text().is_some_and(is_wildcard)) {
                    self.value(node, ty, argument, quiet);
                }
                self.no_values(node, 1);
            }
        }
    }

    fn select(&mut self, node: &Node, words: &'static [Statement], quiet: bool) {
        let names = || words.iter().map(|word| word.name).collect::<Vec<_>>().join(" or ");
        let Some(argument) = node.arguments.first() else {
            let fault = self.fault(format!("`{}` needs {} behind it", node.name, names()), node.span);
            self.faults.push(fault);
            return;
        };
        self.no_values(node, 1);
        let Some(chosen) = argument.value.as_text().and_then(|text| words.iter().find(|word| word.name == text)) else {
            let fault = self.fault(format!("`{}` takes {}", node.name, names()), argument.span);
            self.faults.push(fault);
            return;
        };
        if !chosen.built && !quiet {
            let fault = self.fault(format!("`{} {}` is not in this release", node.name, chosen.name), node.head_span());
            self.faults.push(fault.help("take it out, or write (inactive) before it to keep it for later"));
        }
        self.inside(node, chosen, quiet || !chosen.built);
    }

    fn leaf(&mut self, node: &Node, ty: &Type, list: bool, quiet: bool) {
        self.no_block(node);
        if node.arguments.is_empty() {
            let fault = self.fault(format!("`{}` needs {} behind it", node.name, expected(ty)), node.span);
            self.faults.push(fault);
        }
        for (index, argument) in node.arguments.iter().enumerate() {
            if index > 0 && !list {
                let fault = self.fault(format!("`{}` takes one value", node.name), argument.span);
                self.faults.push(fault.label("one too many"));
                break;
            }
            self.value(node, ty, argument, quiet);
        }
    }

    fn value(&mut self, node: &Node, ty: &Type, argument: &Argument, quiet: bool) {
        if let Some(annotation) = &argument.annotation {
            let fault = self.fault(format!("`({annotation})` before a value has no meaning here"), argument.span);
            self.faults.push(fault);
        }
        match typed(ty, &argument.value) {
            Ok(_) => {}
            Err(_) if self.fragment && stands_for_secret(ty, &argument.value) => {}
            Err(mismatch) if mismatch.later && quiet => {}
            Err(mismatch) if mismatch.later => {
                let what = plain(&argument.value);
                let fault = self.fault(format!("`{} {what}` is not in this release", node.name), argument.span);
                self.faults.push(fault.maybe_help(mismatch.help));
            }
            Err(mismatch) => {
                let fault = self.fault(format!("`{}` takes {}", node.name, expected(ty)), argument.span);
                self.faults.push(fault.label(mismatch.reason).maybe_help(mismatch.help));
            }
        }
    }

    fn properties(&mut self, node: &Node, statement: &'static Statement) {
        for property in &node.properties {
            let fault = self.fault(format!("`{}` takes no `{}=`", node.name, property.name), property.span);
            let mut value = String::new();
            crate::tree::print_value(&mut value, &property.value);
            let mut children = statement.children().iter();
            let child = statement
                .child(&property.name)
                .or_else(|| children.find(|child| child.name.starts_with(&property.name)));
            self.faults.push(
                fault.maybe_help(child.map(|child| format!("write it in braces: `{{ {} {value} }}`", child.name))),
            );
        }
    }

    fn no_values(&mut self, node: &Node, from: usize) {
        if let Some(argument) = node.arguments.get(from) {
            let message = if from == 0 {
                format!("`{}` takes no value", node.name)
            } else {
                format!("`{}` takes one value", node.name)
            };
            let fault = self.fault(message, argument.span);
            self.faults.push(fault.help("statements inside it stand in braces"));
        }
    }

    fn no_block(&mut self, node: &Node) {
        if let Some(child) = node.children.first() {
            let fault = self.fault(format!("`{}` takes no statements in braces", node.name), child.span);
            self.faults.push(fault);
        }
    }

    /// A plugin's own statement: anything but tags and annotations that nobody would read.
    fn free(&mut self, node: &Node) {
        if let Some(Tag::Other(tag)) = &node.tag {
            let fault = self.fault(format!("unknown tag `({tag})`"), node.span);
            self.faults.push(fault.help("the tags are (inactive), (protect), (protect-inactive) and (replace)"));
        }
        let arguments = node.arguments.iter().map(|argument| (&argument.annotation, argument.span));
        let properties = node.properties.iter().map(|property| (&property.annotation, property.span));
        for (annotation, span) in arguments.chain(properties) {
            if let Some(annotation) = annotation {
                let fault = self.fault(format!("`({annotation})` before a value has no meaning here"), span);
                self.faults.push(fault);
            }
        }
        node.children.iter().for_each(|child| self.free(child));
    }
}

/// Where in the built part of the table a statement of this name stands first.
fn place_of(name: &str) -> Option<String> {
    fn search(within: &'static Statement, name: &str, depth: usize, path: &mut Vec<&'static str>) -> bool {
        let children = within.children().iter().filter(|child| child.built && !child.partial);
        if depth == 0 {
            return within.child(name).is_some_and(|child| child.built);
        }
        for child in children {
            path.push(child.name);
            if search(child, name, depth - 1, path) {
                return true;
            }
            path.pop();
        }
        false
    }
    (1..8).find_map(|depth| {
        let mut path = Vec::new();
        search(&ROOT, name, depth, &mut path).then(|| path.join(" "))
    })
}
