//! `groups`: statements that are written once and inherited where `apply-groups` names them (junos.md section 14.3).
//!
//! What is written wins over what is inherited, also where it is inactive; among groups the one that is named first
//! wins, and a name in an inner block comes before those of the blocks around it. The values of a list, and a plugin's
//! settings, are inherited as a whole or not at all. A name like `<ge-*>` in a group stands for every instance that is
//! there, written or inherited, whose name is like it; such a statement makes no instance.

use crate::edit::{Identity, Path, Step, identity, inside_node, is_block, sort};
use crate::error::{Fault, Faults};
use crate::nearest::nearest;
use crate::pattern::{is_wildcard, matches};
use crate::schema::{ROOT, Statement};
use crate::tree::{Node, Tree};
use std::collections::{HashMap, HashSet};

/// Most looks at statements of groups in one expansion: so that no text takes long.
const LOOKS_MAX: usize = 20_000_000;

/// Most statements that are inherited in one tree.
pub const INHERITED_MAX: usize = 200_000;

/// Which statements of an expanded tree were inherited.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inheritance {
    from: HashMap<String, String>,
    looks: usize,
}

impl Inheritance {
    /// The group that the statement was inherited from; none if it was written where it is.
    pub fn group(&self, path: &Path) -> Option<&str> {
        if self.from.is_empty() { None } else { self.from.get(&path.to_string()).map(String::as_str) }
    }

    /// How many statements were inherited.
    pub fn len(&self) -> usize {
        self.from.len()
    }

    /// Whether nothing was inherited.
    pub fn is_empty(&self) -> bool {
        self.from.is_empty()
    }

    /// Whether there was so much to inherit that some was left out.
    pub fn is_cut(&self) -> bool {
        self.looks >= LOOKS_MAX || self.from.len() >= INHERITED_MAX
    }
}

/// The tree with all that is inherited, and without the statements that say so.
///
/// ```
/// use bindery_config::{groups::expand, tree::{parse, print}};
/// let tree = parse("f.kdl", "groups g { policy { admit a } }; policy { apply-groups g; route b }")?;
/// let (expanded, inheritance) = expand(&tree);
/// assert_eq!(print(&expanded), "policy {\n    admit a\n    route b\n}\n");
/// assert_eq!(inheritance.len(), 1);
/// # Ok::<(), bindery_config::Errors>(())
/// ```
pub fn expand(tree: &Tree) -> (Tree, Inheritance) {
    if !has_groups(tree) {
        return (tree.clone(), Inheritance::default());
    }
    let mut groups = HashMap::new();
    for node in tree.nodes.iter().filter(|node| node.name == GROUPS && !node.is_inactive()) {
        if let Some(name) = node.key() {
            groups.entry(name).or_insert(node.children.as_slice());
        }
    }
    let mut expander = Expander { groups, inheritance: Inheritance::default(), path: Path::default() };
    let nodes = expander.block(&tree.nodes, &[], &ROOT);
    (Tree { nodes }, expander.inheritance)
}

const GROUPS: &str = "groups";
const APPLY: &str = "apply-groups";
const EXCEPT: &str = "apply-groups-except";

/// Whether there is any group, or a statement that wants one.
pub(crate) fn has_groups(tree: &Tree) -> bool {
    fn applies(node: &Node) -> bool {
        is_apply(node) || node.children.iter().any(applies)
    }
    tree.nodes.iter().any(|node| node.name == GROUPS || applies(node))
}

fn is_apply(node: &Node) -> bool {
    node.name == APPLY || node.name == EXCEPT
}

/// The groups that the statements name in `apply-groups` or the like.
fn named<'t>(nodes: &'t [Node], statement: &str) -> Vec<&'t str> {
    let active = nodes.iter().filter(|node| node.name == statement && !node.is_inactive());
    active.flat_map(|node| &node.arguments).filter_map(|argument| argument.value.as_text()).collect()
}

/// What a group says of a block.
#[derive(Clone, Copy)]
struct Source<'t> {
    group: &'t str,
    nodes: &'t [Node],
}

/// The statements of a source by what tells them apart, and those that stand for many.
struct Indexed<'t> {
    source: Source<'t>,
    exact: HashMap<Identity<'t>, &'t Node>,
    wild: Vec<&'t Node>,
}

struct Expander<'t> {
    groups: HashMap<&'t str, &'t [Node]>,
    inheritance: Inheritance,
    path: Path,
}

impl<'t> Expander<'t> {
    /// A block: what is written in it and what `sources` say of it.
    fn block(&mut self, written: &'t [Node], sources: &[Source<'t>], within: &'static Statement) -> Vec<Node> {
        let sources = self.sources(written, sources);
        let indexed: Vec<Indexed<'t>> = sources.into_iter().map(|source| self.index(source, within)).collect();
        let mut nodes = Vec::with_capacity(written.len());
        let mut seen: HashSet<Identity<'_>> = HashSet::new();
        for node in written {
            if is_apply(node) || (self.path.is_top() && node.name == GROUPS) {
                continue;
            }
            if !indexed.is_empty() {
                seen.insert(identity(node, Some(within)));
            }
            let expanded = self.node(node, &node.children, &indexed, within);
            nodes.push(Node { tag: node.tag.clone(), annotation: node.annotation.clone(), ..expanded });
        }
        let before = nodes.len();
        for from in &indexed {
            let plain =
                from.source.nodes.iter().filter(|node| !node.is_inactive() && !is_apply(node) && !is_wild(node));
            for node in plain {
                if self.inheritance.is_cut() || !seen.insert(identity(node, Some(within))) {
                    continue;
                }
                self.path.push(Step::to(node, Some(within)));
                self.inheritance.from.insert(self.path.to_string(), from.source.group.to_owned());
                self.path.steps.pop();
                let expanded = self.node(node, &[], &indexed, within);
                nodes.push(Node { tag: None, annotation: Vec::new(), ..expanded });
            }
        }
        if nodes.len() > before {
            sort(&mut nodes, within);
        }
        nodes
    }

    /// What is inherited in a block: from the groups that it names, then from those of the blocks around it.
    fn sources(&mut self, written: &'t [Node], outer: &[Source<'t>]) -> Vec<Source<'t>> {
        let (own, except) = (named(written, APPLY), named(written, EXCEPT));
        let mut sources = Vec::new();
        for (at, name) in own.iter().enumerate() {
            let Some(nodes) = self.groups.get(name).copied() else { continue };
            if own.iter().take(at).any(|before| before == name) {
                continue;
            }
            let mut found = vec![nodes];
            for step in &self.path.steps {
                let mut inner = Vec::new();
                for nodes in found {
                    self.inheritance.looks = self.inheritance.looks.saturating_add(nodes.len());
                    let fits = |node: &&Node| !node.is_inactive() && node.name == step.name && is_like(node, step);
                    inner.extend(nodes.iter().filter(fits).map(|node| node.children.as_slice()));
                }
                found = inner;
            }
            sources.extend(found.into_iter().map(|nodes| Source { group: name, nodes }));
        }
        sources.extend(outer.iter().filter(|from| !own.contains(&from.group) && !except.contains(&from.group)));
        sources
    }

    fn index(&mut self, source: Source<'t>, within: &'static Statement) -> Indexed<'t> {
        self.inheritance.looks = self.inheritance.looks.saturating_add(source.nodes.len());
        let mut indexed = Indexed { source, exact: HashMap::new(), wild: Vec::new() };
        for node in source.nodes.iter().filter(|node| !node.is_inactive()) {
            if is_wild(node) {
                indexed.wild.push(node);
            } else {
                indexed.exact.entry(identity(node, Some(within))).or_insert(node);
            }
        }
        indexed
    }

    /// The statement with `written` in its block, and what is inherited there.
    fn node(
        &mut self,
        node: &'t Node,
        written: &'t [Node],
        sources: &[Indexed<'t>],
        within: &'static Statement,
    ) -> Node {
        let block = within.child(&node.name).is_some_and(is_block);
        let Some(inside) = inside_node(node, Some(within)).filter(|_| block && !node.is_inactive()) else {
            return node.clone();
        };
        let step = Step::to(node, Some(within));
        let mut inner = Vec::new();
        for from in sources {
            self.inheritance.looks = self.inheritance.looks.saturating_add(1 + from.wild.len());
            let exact = from.exact.get(&identity(node, Some(within))).copied();
            let wild = from.wild.iter().copied().filter(|other| other.name == node.name && is_like(other, &step));
            let found = exact.into_iter().chain(wild).map(|node| node.children.as_slice());
            inner.extend(found.map(|nodes| Source { group: from.source.group, nodes }));
            if self.inheritance.is_cut() {
                break;
            }
        }
        self.path.push(step);
        let children = self.block(written, &inner, inside);
        self.path.steps.pop();
        Node { children, ..bare(node) }
    }
}

/// The statement without what is in it.
fn bare(node: &Node) -> Node {
    Node {
        name: node.name.clone(),
        arguments: node.arguments.clone(),
        properties: node.properties.clone(),
        span: node.span,
        ..Node::default()
    }
}

fn is_wild(node: &Node) -> bool {
    node.key().is_some_and(is_wildcard)
}

/// Whether a group's statement stands for the one that `step` leads to.
fn is_like(node: &Node, step: &Step) -> bool {
    let (Some(pattern), Some(key)) = (node.key_text(), step.key.as_ref()) else { return step.key.is_none() };
    let key = crate::edit::plain(key);
    if is_wildcard(&pattern) { matches(&pattern, &key) } else { pattern == key }
}

/// Adds a fault for each name of a group that there is not.
pub(crate) fn check(tree: &Tree, faults: &mut Faults) {
    let known: HashSet<&str> =
        tree.nodes.iter().filter(|node| node.name == GROUPS).filter_map(|node| node.key()).collect();
    for node in tree.nodes.iter().filter(|node| node.name != GROUPS) {
        names(node, &known, &mut Path::default(), Some(&ROOT), faults);
    }
}

fn names(node: &Node, known: &HashSet<&str>, path: &mut Path, within: Option<&'static Statement>, faults: &mut Faults) {
    if node.is_inactive() || within.is_none() {
        return;
    }
    path.push(Step::to(node, within));
    if is_apply(node) {
        for argument in &node.arguments {
            let Some(name) = argument.value.as_text().filter(|name| !known.contains(name)) else { continue };
            let near = nearest(name, known.iter().copied());
            let fault = Fault::new(format!("there is no group `{name}`"), argument.span, path.to_string());
            faults.push(fault.maybe_help(near.map(|near| format!("did you mean `{near}`?"))));
        }
    }
    let inside = inside_node(node, within);
    for child in &node.children {
        names(child, known, path, inside, faults);
    }
    path.steps.pop();
}

#[cfg(test)]
mod tests {
    use super::{INHERITED_MAX, expand};
    use crate::tree::parse;

    #[test]
    fn no_more_is_inherited_than_can_be_kept() {
        let mut text =
            "groups g { access { address-assignment { pool \"<*>\" { family inet { dhcp-attributes {\n".to_owned();
        (0..250).for_each(|code| text += &format!("option {code} {{ byte 1 }}\n"));
        text += "} } } } } }\napply-groups g\naccess { address-assignment {\n";
        (0..600).for_each(|at| text += &format!("pool p{at} {{ family inet }}\n"));
        text += "} }";
        let (expanded, inheritance) = expand(&parse("f.kdl", &text).unwrap());
        assert!(inheritance.is_cut() && inheritance.len() <= INHERITED_MAX + 1, "{}", inheritance.len());
        assert_eq!(expanded.nodes[0].children[0].children.len(), 600);
        let errors = crate::load("f.kdl", &text).unwrap_err();
        assert!(errors.faults().iter().any(|fault| fault.message.contains("too much is inherited")));
    }

    #[test]
    fn what_is_inactive_neither_gives_nor_takes() {
        let text = "groups g { policy { admit a; (inactive)route b } }; (inactive)groups h { policy { leasequery c } }
            policy { apply-groups g h; (inactive)admit z }; (inactive)plugins { apply-groups g }";
        let (expanded, inheritance) = expand(&parse("f.kdl", text).unwrap());
        assert!(inheritance.is_empty());
        let want = "policy { (inactive)admit z }; (inactive)plugins { apply-groups g }";
        assert_eq!(expanded, parse("f.kdl", want).unwrap());
    }
}
