//! A tree as the commands that make it.

use crate::edit::{Path, Step, annotation_text, inside_node, is_block, print_word};
use crate::schema::{Kind, Statement};
use crate::tree::{Node, Tree, print_inline, print_node, print_quoted, print_values};

/// The commands that make the tree from an empty one: first every `set`, then `deactivate` and `annotate`, and `protect`
/// at the end, since nothing may change behind it.
///
/// Each command is one line, except where the settings of a plugin have comments. [`edit::load`](crate::edit::load)
/// reads it. Secrets are in it: [`redact`](crate::schema::redact) the tree before it is shown. What is not in the
/// table has no such form and is left out, as is the tag `(replace)`.
pub fn set(tree: &Tree) -> String {
    set_below(tree, &Path::default(), false)
}

/// As [`set`], of what is in the block at `base`; empty where there is none. `relative`: said from `base`, not from the
/// top.
pub fn set_below(tree: &Tree, base: &Path, relative: bool) -> String {
    let Some((nodes, within)) = crate::edit::block(tree, base) else { return String::new() };
    let path = if relative { Path::default() } else { base.clone() };
    let mut printer = Printer { path, out: String::new(), marks: String::new(), last: String::new() };
    printer.nodes(nodes, within);
    printer.out + &printer.marks + &printer.last
}

struct Printer {
    path: Path,
    out: String,
    marks: String,
    last: String,
}

impl Printer {
    fn nodes(&mut self, nodes: &[Node], within: &'static Statement) {
        for node in nodes {
            if let Some(statement) = within.child(&node.name) {
                self.node(node, statement, within);
            }
        }
    }

    fn node(&mut self, node: &Node, statement: &'static Statement, within: &'static Statement) {
        self.path.push(Step::to(node, Some(within)));
        let path = self.path.to_string();
        match &statement.kind {
            Kind::Leaf(ty) | Kind::LeafList(ty) => self.values(node, ty, &path),
            Kind::Free => self.free(node, &path, statement.built),
            Kind::Flag => self.line(&format!("set {path}")),
            Kind::Container(_) | Kind::Named(..) | Kind::Select(_) => {
                let inside = inside_node(node, Some(within));
                let said = |child: &Node| inside.is_some_and(|inside| inside.child(&child.name).is_some());
                if !node.children.iter().any(said) {
                    self.line(&format!("set {path}"));
                }
                if let Some(inside) = inside.filter(|_| is_block(statement)) {
                    self.nodes(&node.children, inside);
                }
            }
        }
        if node.is_inactive() {
            self.marks.push_str(&format!("deactivate {path}\n"));
        }
        if !node.annotation.is_empty() {
            self.marks.push_str(&format!("annotate {path} "));
            print_quoted(&mut self.marks, &annotation_text(&node.annotation));
            self.marks.push('\n');
        }
        if node.is_protected() {
            self.last.push_str(&format!("protect {path}\n"));
        }
        self.path = self.path.up(1);
    }

    fn line(&mut self, line: &str) {
        self.out.push_str(line);
        self.out.push('\n');
    }

    /// A command for each value; all in one where a value stands there twice, since `set` adds none that is there.
    fn values(&mut self, node: &Node, ty: &crate::schema::Type, path: &str) {
        let words: Vec<String> = node
            .arguments
            .iter()
            .map(|argument| {
                let mut word = String::new();
                print_word(&mut word, &argument.value, Some(ty));
                word
            })
            .collect();
        let distinct: std::collections::HashSet<&String> = words.iter().collect();
        if distinct.len() < words.len() {
            self.line(&format!("set {path} [ {} ]", words.join(" ")));
        } else {
            words.iter().for_each(|word| self.line(&format!("set {path} {word}")));
        }
    }

    /// A plugin's settings are one command, however long.
    fn free(&mut self, node: &Node, path: &str, built: bool) {
        let mut line = format!("set {path}");
        if !built {
            print_values(&mut line, node);
        }
        if !node.children.is_empty() {
            if node.children.iter().any(annotated) {
                line.push_str(" {\n");
                node.children.iter().for_each(|child| print_node(&mut line, child, 1));
                line.push('}');
            } else {
                line.push_str(" { ");
                print_inline(&mut line, &node.children);
                line.push_str(" }");
            }
        }
        self.line(&line);
    }
}

fn annotated(node: &Node) -> bool {
    !node.annotation.is_empty() || node.children.iter().any(annotated)
}
