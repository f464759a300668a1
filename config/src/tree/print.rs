//! The canonical text of a tree: the same tree always prints the same, and parses to itself.

use super::{Node, Property, Span, Tree, Value};
use std::fmt::{self, Write};

/// The tree as KDL v2: one statement a line, four blanks a level, text bare where KDL allows it.
pub fn print(tree: &Tree) -> String {
    let mut out = String::new();
    for node in &tree.nodes {
        print_node(&mut out, node, 0);
    }
    out
}

/// As [`print()`]; every place in the tree becomes the place in the text.
pub(crate) fn print_placed(tree: &mut Tree) -> String {
    let mut out = String::new();
    for node in &mut tree.nodes {
        place_node(&mut out, node, 0);
    }
    out
}

fn place_node(out: &mut String, node: &mut Node, level: usize) {
    print_before(out, node, level);
    let start = out.len();
    print_text(out, &node.name);
    node.span = Span { start, end: out.len() };
    for argument in &mut node.arguments {
        out.push(' ');
        let start = out.len();
        print_annotated(out, argument.annotation.as_deref(), &argument.value);
        argument.span = Span { start, end: out.len() };
    }
    for property in &mut node.properties {
        out.push(' ');
        let start = out.len();
        print_property(out, property);
        property.span = Span { start, end: out.len() };
    }
    if !node.children.is_empty() {
        out.push_str(" {\n");
        for child in &mut node.children {
            place_node(out, child, level + 1);
        }
        indent(out, level);
        out.push('}');
    }
    out.push('\n');
}

/// How many bytes the statements take in the canonical text, `level` levels deep.
pub(super) fn length(nodes: &[Node], level: usize) -> usize {
    let mut count = Count(0);
    for node in nodes {
        print_node(&mut count, node, level);
    }
    count.0
}

/// Takes text and keeps only its length.
struct Count(usize);

impl Write for Count {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 = self.0.saturating_add(text.len());
        Ok(())
    }
}

/// The statements on one line, as they stand in braces. Their annotations are lines of their own and left out.
pub(crate) fn print_inline(out: &mut String, nodes: &[Node]) {
    for (index, node) in nodes.iter().enumerate() {
        out.push_str(if index > 0 { "; " } else { "" });
        print_head(out, node);
        if !node.children.is_empty() {
            out.push_str(" { ");
            print_inline(out, &node.children);
            out.push_str(" }");
        }
    }
}

pub(crate) fn print_node(out: &mut impl Write, node: &Node, level: usize) {
    print_before(out, node, level);
    print_text(out, &node.name);
    print_values(out, node);
    if !node.children.is_empty() {
        put(out, " {\n");
        for child in &node.children {
            print_node(out, child, level + 1);
        }
        indent(out, level);
        put(out, "}");
    }
    put(out, "\n");
}

/// What stands before the name.
fn print_before(out: &mut impl Write, node: &Node, level: usize) {
    for line in &node.annotation {
        indent(out, level);
        let _ = writeln!(out, "// {line}");
    }
    indent(out, level);
    if let Some(tag) = &node.tag {
        print_type(out, tag.as_str());
    }
}

/// Tag, name, values and properties.
pub(crate) fn print_head(out: &mut impl Write, node: &Node) {
    if let Some(tag) = &node.tag {
        print_type(out, tag.as_str());
    }
    print_text(out, &node.name);
    print_values(out, node);
}

/// What stands behind the name, with a blank before each.
pub(crate) fn print_values(out: &mut impl Write, node: &Node) {
    for argument in &node.arguments {
        put(out, " ");
        print_annotated(out, argument.annotation.as_deref(), &argument.value);
    }
    for property in &node.properties {
        put(out, " ");
        print_property(out, property);
    }
}

fn print_property(out: &mut impl Write, property: &Property) {
    print_text(out, &property.name);
    put(out, "=");
    print_annotated(out, property.annotation.as_deref(), &property.value);
}

/// Writing to a text or a counter cannot fail.
fn put(out: &mut impl Write, text: &str) {
    let _ = out.write_str(text);
}

fn indent(out: &mut impl Write, level: usize) {
    for _ in 0..level {
        put(out, "    ");
    }
}

fn print_type(out: &mut impl Write, name: &str) {
    put(out, "(");
    print_text(out, name);
    put(out, ")");
}

fn print_annotated(out: &mut impl Write, annotation: Option<&str>, value: &Value) {
    if let Some(annotation) = annotation {
        print_type(out, annotation);
    }
    print_value(out, value);
}

/// A value as it stands in KDL v2.
pub(crate) fn print_value(out: &mut impl Write, value: &Value) {
    let _ = match value {
        Value::Text(text) => {
            print_text(out, text);
            Ok(())
        }
        Value::Integer(number) => write!(out, "{number}"),
        Value::Float(number) if number.is_nan() => write!(out, "#nan"),
        Value::Float(number) if number.is_infinite() => {
            write!(out, "{}", if *number > 0.0 { "#inf" } else { "#-inf" })
        }
        Value::Float(number) => write!(out, "{number:?}"),
        Value::Bool(truth) => write!(out, "#{truth}"),
        Value::Null => write!(out, "#null"),
    };
}

/// Text bare where it may stand so, else quoted.
pub(crate) fn print_text(out: &mut impl Write, text: &str) {
    if is_bare(text) {
        put(out, text);
    } else {
        print_quoted(out, text);
    }
}

/// Text in quotes, with escapes for what cannot stand as itself.
pub(crate) fn print_quoted(out: &mut impl Write, text: &str) {
    put(out, "\"");
    for c in text.chars() {
        let _ = match c {
            '"' => out.write_str("\\\""),
            '\\' => out.write_str("\\\\"),
            '\n' => out.write_str("\\n"),
            '\r' => out.write_str("\\r"),
            '\t' => out.write_str("\\t"),
            c if is_unprintable(c) => write!(out, "\\u{{{:x}}}", u32::from(c)),
            c => out.write_char(c),
        };
    }
    put(out, "\"");
}

/// Whether a character stands in text only as an escape.
pub(crate) fn is_unprintable(c: char) -> bool {
    c.is_control() || is_newline(c) || is_forbidden(c)
}

/// Fewer texts are bare here than KDL allows: those that cannot be mistaken for anything else.
fn is_bare(text: &str) -> bool {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_' || c == '*';
    let rest = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '*' | ':' | '@');
    text.starts_with(first) && text.chars().all(rest) && !matches!(text, "true" | "false" | "null" | "inf" | "nan")
}

/// Whether KDL ends a line there.
pub(crate) fn is_newline(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{85}' | '\u{b}' | '\u{c}' | '\u{2028}' | '\u{2029}')
}

/// Whether KDL forbids the character to stand as itself.
fn is_forbidden(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}
