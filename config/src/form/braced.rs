//! A tree as Junos shows it: braces and semicolons.

use crate::edit::{Path, Step, annotation_text, inside_node, print_word};
use crate::groups::Inheritance;
use crate::schema::{HIDDEN, Kind, Statement, Type, refers};
use crate::tree::{Node, Tree, print_head, print_values};

/// The tree in braces, secrets hidden. Values are as in commands, the settings of a plugin as in KDL.
/// [`from_braced`](super::from_braced) reads it, but for the secrets.
///
/// ```
/// let tree = bindery_config::tree::parse("f.kdl", "policy { admit a b }")?;
/// assert_eq!(bindery_config::form::braced(&tree), "policy {\n    admit [ a b ];\n}\n");
/// # Ok::<(), bindery_config::Errors>(())
/// ```
pub fn braced(tree: &Tree) -> String {
    braced_below(tree, &Path::default())
}

/// As [`braced`], of what is in the block at `base`; empty where there is none.
pub fn braced_below(tree: &Tree, base: &Path) -> String {
    let mut out = String::new();
    if let Some((nodes, within)) = crate::edit::block(tree, base) {
        let mut printer = Braces::new(&mut out, "");
        printer.path = base.clone();
        nodes.iter().for_each(|node| printer.node(node, Some(within), 0));
    }
    out
}

/// An expanded tree in braces, with a line `## 'x' was inherited from group 'G'` before each statement that was. `tree`
/// and `inheritance` are what [`expand`](crate::groups::expand) gives.
pub fn inherited(tree: &Tree, inheritance: &Inheritance, base: &Path) -> String {
    let mut out = String::new();
    let remark = |path: &Path| {
        let group = inheritance.group(path)?;
        let step = path.steps.last()?;
        let what = step.key.as_ref().map_or(step.name.as_str().into(), crate::edit::plain);
        Some(format!("## '{what}' was inherited from group '{group}'"))
    };
    if let Some((nodes, within)) = crate::edit::block(tree, base) {
        let mut printer = Braces::remarked(&mut out, base.clone(), &remark);
        nodes.iter().for_each(|node| printer.node(node, Some(within), 0));
    }
    out
}

/// What is said of a statement before it, by the path of it.
pub(crate) type Remark<'a> = &'a dyn Fn(&Path) -> Option<String>;

/// Writes statements line by line.
pub(crate) struct Braces<'a> {
    out: &'a mut String,
    /// What each line begins with.
    start: &'a str,
    path: Path,
    remark: Option<Remark<'a>>,
}

impl<'a> Braces<'a> {
    pub(crate) fn new(out: &'a mut String, start: &'a str) -> Self {
        Self { out, start, path: Path::default(), remark: None }
    }

    /// The same with remarks on statements at and below `path`.
    pub(crate) fn remarked(out: &'a mut String, path: Path, remark: Remark<'a>) -> Self {
        Self { out, start: "", path, remark: Some(remark) }
    }

    pub(crate) fn line(&mut self, level: usize, text: &str) {
        self.out.push_str(self.start);
        self.out.extend(std::iter::repeat_n("    ", level));
        self.out.push_str(text);
        self.out.push('\n');
    }

    /// Lines of comment.
    pub(crate) fn comment(&mut self, level: usize, lines: &[String]) {
        for line in annotation_text(lines).lines() {
            self.line(level, &format!("/* {} */", line.replace("*/", "* /")));
        }
    }

    /// One statement with all in it.
    pub(crate) fn node(&mut self, node: &Node, within: Option<&'static Statement>, level: usize) {
        self.path.push(Step::to(node, within));
        if let Some(remark) = self.remark.and_then(|remark| remark(&self.path)) {
            self.line(level, &remark);
        }
        let known = within.is_some_and(|within| within.child(&node.name).is_some());
        let head = if known {
            self.comment(level, &node.annotation);
            format!("{}{}", marks(node), head(node, within))
        } else {
            node.annotation.iter().for_each(|line| self.line(level, &format!("// {line}")));
            let mut out = String::new();
            print_head(&mut out, node);
            out
        };
        if node.children.is_empty() {
            self.line(level, &format!("{head};"));
        } else {
            self.line(level, &format!("{head} {{"));
            let inside = inside_node(node, within).filter(|inside| !matches!(inside.kind, Kind::Free));
            for child in &node.children {
                self.node(child, inside, level + 1);
            }
            self.line(level, "}");
        }
        self.path.steps.pop();
    }
}

/// `inactive:` and the like before a statement.
fn marks(node: &Node) -> String {
    let mut out = String::new();
    out.push_str(if node.is_protected() { "protect: " } else { "" });
    out.push_str(if node.is_inactive() { "inactive: " } else { "" });
    out
}

/// Name, key and values. A statement that the table does not know is written as in KDL.
pub(crate) fn head(node: &Node, within: Option<&'static Statement>) -> String {
    let mut out = String::new();
    let Some(statement) = within.and_then(|within| within.child(&node.name)) else {
        print_head(&mut out, node);
        return out;
    };
    out.push_str(statement.name);
    let (ty, list) = match statement.kind {
        Kind::Leaf(Type::Secret(..)) if !node.arguments.iter().all(refers) => return format!("{out} {HIDDEN}"),
        Kind::Leaf(ty) | Kind::Named(ty, _) => (Some(ty), false),
        Kind::LeafList(ty) => (Some(ty), node.arguments.len() > 1),
        Kind::Select(_) => (None, false),
        Kind::Container(_) | Kind::Flag | Kind::Free => {
            print_values(&mut out, node);
            return out;
        }
    };
    out.push_str(if list { " [" } else { "" });
    for argument in &node.arguments {
        out.push(' ');
        print_word(&mut out, &argument.value, ty.as_ref());
    }
    out.push_str(if list { " ]" } else { "" });
    out
}

/// The statement on one line, what is in it left out.
pub(crate) fn short(node: &Node, within: Option<&'static Statement>) -> String {
    let end = if node.children.is_empty() { ";" } else { " { ... }" };
    format!("{}{end}", head(node, within))
}
