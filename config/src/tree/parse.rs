//! From KDL v2 text to the tree.

use super::{Argument, Node, Property, Span, Tag, Tree, Value, bounds};
use crate::error::{Errors, Fault};
use crate::schema::mask_lines;
use kdl::{KdlDocument, KdlEntry, KdlError, KdlNode, KdlValue};
use std::sync::Arc;

/// Faults of the KDL grammar that are shown; later ones may follow from earlier ones.
const SHOWN: usize = 3;

/// Stack of the parsing thread: the parser takes some 20 kB a level, more where it recovers from faults.
const STACK: usize = 64 << 20;

/// Parses KDL v2; `name` is how messages call the text.
///
/// # Errors
/// The text is over a limit or no KDL v2.
pub fn parse(name: &str, text: &str) -> Result<Tree, Errors> {
    let shown = || Arc::from(mask_lines(text));
    if let Err((message, span)) = bounds::check(text) {
        return Err(Errors::new(name, shown(), vec![Fault::new(message, span, "")]));
    }
    match document(text) {
        Ok(document) => Ok(Tree { nodes: nodes(&document, text) }),
        Err(faults) => {
            let faults =
                if faults.is_empty() { vec![Fault::new("this is not KDL", Span::default(), "")] } else { faults };
            Err(Errors::new(name, shown(), faults).show_first(SHOWN))
        }
    }
}

/// Runs the parser on a stack that suffices for [`bounds::DEPTH_MAX`] levels, whoever calls.
fn document(text: &str) -> Result<KdlDocument, Vec<Fault>> {
    let failed = |why: &str| vec![Fault::new(format!("the text could not be parsed: {why}"), Span::default(), "")];
    std::thread::scope(|scope| {
        let parser = std::thread::Builder::new().name("kdl".to_owned()).stack_size(STACK);
        let parser = match parser.spawn_scoped(scope, || KdlDocument::parse_v2(text)) {
            Ok(parser) => parser,
            Err(error) => return Err(failed(&error.to_string())),
        };
        match parser.join() {
            Ok(result) => result.map_err(|error| faults(&mask_lines(text), &error)),
            Err(_) => Err(failed("the KDL parser gave up")),
        }
    })
}

fn faults(text: &str, error: &KdlError) -> Vec<Fault> {
    let mut found: Vec<Fault> = Vec::new();
    for diagnostic in &error.diagnostics {
        let start = boundary(text, diagnostic.span.offset());
        let end = boundary(text, diagnostic.span.offset().saturating_add(diagnostic.span.len()));
        let message = diagnostic.message.clone().unwrap_or_else(|| "this is not KDL".to_owned());
        let mut fault = Fault::new(message, Span { start, end: end.max(start) }, "");
        fault.help.clone_from(&diagnostic.help);
        let marked = text.get(start..end).unwrap_or_default();
        if matches!(marked, "true" | "false" | "null") {
            fault.message = format!("`{marked}` stands bare");
            fault.help = Some("KDL 2 writes #true, #false and #null, or quotes the word".to_owned());
        } else if marked.starts_with(|c: char| c.is_ascii_digit()) && !marked.contains(char::is_whitespace) {
            fault.message = format!("`{marked}` is no number");
            let help = "what begins like a number but is none, like an address or 24h, stands in quotes";
            fault.help = Some(help.to_owned());
        }
        // The parser tells of each missing brace twice.
        let echo = fault.message.starts_with("Closing '}' was not found");
        if !echo && !found.iter().any(|known| known.span == fault.span) {
            found.push(fault);
        }
    }
    found
}

/// The nearest place at or before `at` where the text may be cut.
fn boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn nodes(document: &KdlDocument, text: &str) -> Vec<Node> {
    document.nodes().iter().map(|node| convert(node, text)).collect()
}

fn convert(node: &KdlNode, text: &str) -> Node {
    let mut converted = Node {
        name: node.name().value().to_owned(),
        tag: node.ty().map(|tag| Tag::from(tag.value())),
        annotation: annotation(node, text),
        span: {
            let span = node.name().span();
            bytes(text, span.offset(), span.len())
        },
        children: node.children().map(|children| nodes(children, text)).unwrap_or_default(),
        ..Node::default()
    };
    for entry in node.entries() {
        let annotation = entry.ty().map(|ty| ty.value().to_owned());
        let value = value(entry);
        let span = bytes(text, entry.span().offset(), entry.span().len());
        match entry.name() {
            None => converted.arguments.push(Argument { value, annotation, span }),
            Some(name) => {
                let property = Property { name: name.value().to_owned(), value, annotation, span };
                converted.properties.retain(|known| known.name != property.name);
                converted.properties.push(property);
            }
        }
    }
    converted
}

fn bytes(text: &str, offset: usize, len: usize) -> Span {
    Span { start: boundary(text, offset), end: boundary(text, offset.saturating_add(len)) }
}

fn value(entry: &KdlEntry) -> Value {
    match entry.value() {
        KdlValue::String(text) => Value::Text(text.clone()),
        KdlValue::Integer(number) => Value::Integer(*number),
        KdlValue::Float(number) => Value::Float(*number),
        KdlValue::Bool(truth) => Value::Bool(*truth),
        KdlValue::Null => Value::Null,
    }
}

/// The `//` lines that end right before the node; a comment behind the statement before it is not the node's.
fn annotation(node: &KdlNode, text: &str) -> Vec<String> {
    let Some(leading) = node.format().map(|format| format.leading.as_str()) else {
        return Vec::new();
    };
    let start = node.span().offset().saturating_sub(leading.len());
    let fresh = start == 0 || text.get(..start).is_some_and(|before| before.ends_with('\n'));
    let mut found = Vec::new();
    let mut lines = leading.split('\n').skip(usize::from(!fresh)).map(str::trim).peekable();
    while let Some(line) = lines.next() {
        match line.strip_prefix("//") {
            Some(comment) => found.push(clean(comment)),
            None if line.is_empty() && lines.peek().is_none() => {}
            None => found.clear(),
        }
    }
    found
}

/// The text of a comment without what could not be printed again.
pub(crate) fn clean(comment: &str) -> String {
    let comment = comment.strip_prefix(' ').unwrap_or(comment);
    comment.chars().filter(|c| !c.is_control() && !super::print::is_newline(*c)).collect()
}
