//! Takes out what is at fault, until the configuration loads.

use crate::build::{inside, plain};
use crate::note::{Notes, Refused};
use bindery_config::edit::canonical;
use bindery_config::schema::{ROOT, Statement};
use bindery_config::tree::{Node, Span, Tree, parse, print};
use bindery_config::{Errors, load};

/// Rounds after which whole sections are taken out: each takes as long as reading the configuration.
const ROUNDS_MAX: usize = 8;

/// The canonical text of `tree`, in which spans are lines. What is at fault in it is marked `(inactive)` or left out,
/// and told.
///
/// # Errors
/// It has no text, since it is too long or too deep.
pub(crate) fn settle(name: &str, mut tree: Tree, notes: &mut Notes) -> Result<String, Refused> {
    canonical(&mut tree);
    // What is missing may come from a group, which only the expanded tree shows.
    if !tree.nodes.iter().any(|node| node.name == "groups") {
        incomplete(&mut tree.nodes, &ROOT, &mut Vec::new(), notes);
    }
    for round in 0.. {
        let text = print(&tree);
        let errors = match load(name, &text) {
            Ok(_) => return Ok(text),
            Err(errors) => errors,
        };
        let refuse = |errors: &Errors| {
            let message = errors.faults().first().map_or_else(String::new, ToString::to_string);
            Refused::new(name, 1, format!("what came of it cannot be loaded: {message}"))
        };
        let placed = parse(name, &text).map_err(|errors| refuse(&errors))?;
        let steps = steps(&placed, &errors, round >= ROUNDS_MAX);
        if steps.is_empty() || tree.nodes.is_empty() {
            return Err(refuse(&errors));
        }
        for step in steps {
            carry_out(&mut tree, &step, notes);
        }
    }
    Err(Refused::new(name, 1, "what came of it cannot be loaded"))
}

/// Marks what lacks something that it must have, from the inside out. Loading would find it too, but only so much of it
/// at once.
fn incomplete(nodes: &mut [Node], within: &'static Statement, path: &mut Vec<String>, notes: &mut Notes) {
    for node in nodes.iter_mut().filter(|node| !node.is_inactive()) {
        let Some(statement) = within.child(&node.name).filter(|statement| statement.built) else { continue };
        let Some(inside) = inside(Some(within), node).filter(|inside| inside.built) else { continue };
        path.push(words(node, Some(statement)));
        incomplete(&mut node.children, inside, path, notes);
        let missing = inside.children().iter().find(|child| child.mandatory && node.child(child.name).is_none());
        if let Some(missing) = missing {
            let line = u32::try_from(node.span.start).unwrap_or(u32::MAX);
            notes.add(line, path.join(" "), format!("`{}` is missing: kept as (inactive)", missing.name));
            node.mark(true, node.is_protected());
        }
        path.pop();
    }
}

/// What is to be done about a fault.
struct Step {
    /// Leads to the statement: in each block its number.
    place: Vec<usize>,
    /// Only this value is at fault.
    value: Option<usize>,
    why: String,
}

/// What is to be done about all faults, the last place first, so that no step moves what a later one is about.
fn steps(placed: &Tree, errors: &Errors, whole: bool) -> Vec<Step> {
    let mut heads = Vec::new();
    for (at, node) in placed.nodes.iter().enumerate() {
        flatten(node, vec![at], &mut heads);
    }
    heads.sort_by_key(|(span, _)| span.start);
    let mut steps: Vec<Step> = errors
        .faults()
        .iter()
        .filter_map(|fault| {
            let before = heads.partition_point(|(span, _)| span.start <= fault.span.start).max(1);
            let (_, place) = heads.get(before - 1)?;
            let (place, value) = target(placed, place, fault.span, whole);
            Some(Step { place, value, why: fault.to_string() })
        })
        .collect();
    steps.sort_by(|a, b| b.place.cmp(&a.place).then(b.value.cmp(&a.value)));
    // What is about all of a statement comes behind what is about a part of it, and takes its place.
    let mut done: Vec<Step> = Vec::new();
    for step in steps {
        if done.last().is_some_and(|last| last.place == step.place && last.value == step.value) {
            continue;
        }
        while step.value.is_none() && done.last().is_some_and(|last| last.place.starts_with(&step.place)) {
            done.pop();
        }
        done.push(step);
    }
    done
}

fn flatten(node: &Node, place: Vec<usize>, heads: &mut Vec<(Span, Vec<usize>)>) {
    for (at, child) in node.children.iter().enumerate() {
        let mut inner = place.clone();
        inner.push(at);
        flatten(child, inner, heads);
    }
    heads.push((node.head_span(), place));
}

/// The nodes on the way to `place`, and what the schema says of each.
fn way<'t>(tree: &'t Tree, place: &[usize]) -> Vec<(&'t Node, Option<&'static Statement>)> {
    let mut way = Vec::new();
    let mut nodes = tree.nodes.as_slice();
    let mut within = Some(&ROOT);
    for at in place {
        let Some(node) = nodes.get(*at) else { break };
        let statement = within.and_then(|within| within.child(&node.name));
        within = within.and_then(|within| inside(Some(within), node));
        way.push((node, statement));
        nodes = &node.children;
    }
    way
}

/// What to take out for a fault in the statement at `place`: what its block must have takes the block along.
fn target(placed: &Tree, place: &[usize], fault: Span, whole: bool) -> (Vec<usize>, Option<usize>) {
    let way = way(placed, place);
    let mut len = if whole { place.len().min(4) } else { place.len() };
    while len > 1
        && let Some((node, statement)) = way.get(len - 1)
    {
        // Clients of a group whose profile is gone would be served unasked; so would those of a profile whose first
        // methods are gone.
        let guards = matches!(node.name.as_str(), "access-profile" | "authentication-order" | "authentication");
        if !guards && !statement.is_some_and(|statement| statement.mandatory) {
            break;
        }
        len -= 1;
    }
    let kept = place.get(..len).unwrap_or(place).to_vec();
    let value = way.last().filter(|_| len == place.len()).and_then(|(node, _)| {
        let at =
            node.arguments.iter().position(|value| value.span.start <= fault.start && fault.start < value.span.end);
        at.filter(|_| node.arguments.len() > 1)
    });
    (kept, value)
}

/// Marks the statement `(inactive)`, or takes it out where that does not help.
fn carry_out(tree: &mut Tree, step: &Step, notes: &mut Notes) {
    let way = way(tree, &step.place);
    let Some((node, _)) = way.last() else { return };
    let path: Vec<String> = way.iter().map(|(node, statement)| words(node, *statement)).collect();
    let path = path.join(" ");
    let line = u32::try_from(node.span.start).unwrap_or(u32::MAX);
    let line = step
        .value
        .and_then(|at| node.arguments.get(at))
        .map_or(line, |value| u32::try_from(value.span.start).unwrap_or(u32::MAX));
    let inactive = way.iter().any(|(node, _)| node.is_inactive()) || node.name.starts_with("apply-groups");
    let protected = node.is_protected();
    let Some((last, before)) = step.place.split_last() else { return };
    let mut nodes = &mut tree.nodes;
    for at in before {
        let Some(node) = nodes.get_mut(*at) else { return };
        nodes = &mut node.children;
    }
    let Some(node) = nodes.get_mut(*last) else { return };
    match step.value {
        Some(value) if value < node.arguments.len() => {
            node.arguments.remove(value);
            notes.add(line, path, format!("{}: this value is left out", step.why));
        }
        _ if inactive => {
            nodes.remove(*last);
            notes.add(line, path, format!("{}: left out", step.why));
        }
        _ => {
            node.mark(true, protected);
            notes.add(line, path, format!("{}: kept as (inactive)", step.why));
        }
    }
}

/// Name and key.
fn words(node: &Node, statement: Option<&Statement>) -> String {
    use bindery_config::schema::Kind;
    match node.arguments.first() {
        Some(key) if statement.is_some_and(|it| matches!(it.kind, Kind::Named(..) | Kind::Select(_))) => {
            format!("{} {}", node.name, plain(&key.value))
        }
        _ => node.name.clone(),
    }
}
