//! The canonical text of a tree: the same tree always prints the same, and parses to itself.

use super::{Node, Tree, Value};
use std::fmt::Write;

/// The tree as KDL v2: one statement a line, four blanks a level, text bare where KDL allows it.
pub fn print(tree: &Tree) -> String {
    let mut out = String::new();
    for node in &tree.nodes {
        print_node(&mut out, node, 0);
    }
    out
}

fn print_node(out: &mut String, node: &Node, level: usize) {
    for line in &node.annotation {
        indent(out, level);
        let _ = writeln!(out, "// {line}");
    }
    indent(out, level);
    if let Some(tag) = &node.tag {
        print_type(out, tag.as_str());
    }
    print_text(out, &node.name);
    for argument in &node.arguments {
        out.push(' ');
        print_annotated(out, argument.annotation.as_deref(), &argument.value);
    }
    for property in &node.properties {
        out.push(' ');
        print_text(out, &property.name);
        out.push('=');
        print_annotated(out, property.annotation.as_deref(), &property.value);
    }
    if !node.children.is_empty() {
        out.push_str(" {\n");
        for child in &node.children {
            print_node(out, child, level + 1);
        }
        indent(out, level);
        out.push('}');
    }
    out.push('\n');
}

fn indent(out: &mut String, level: usize) {
    out.extend(std::iter::repeat_n("    ", level));
}

fn print_type(out: &mut String, name: &str) {
    out.push('(');
    print_text(out, name);
    out.push(')');
}

fn print_annotated(out: &mut String, annotation: Option<&str>, value: &Value) {
    if let Some(annotation) = annotation {
        print_type(out, annotation);
    }
    print_value(out, value);
}

/// A value as it stands in KDL v2.
pub(crate) fn print_value(out: &mut String, value: &Value) {
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
pub(crate) fn print_text(out: &mut String, text: &str) {
    if is_bare(text) {
        out.push_str(text);
        return;
    }
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() || is_newline(c) || is_forbidden(c) => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Fewer texts are bare here than KDL allows: those that cannot be mistaken for anything else.
fn is_bare(text: &str) -> bool {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_' || c == '*';
    let rest = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '*' | ':' | '@');
    text.starts_with(first) && text.chars().all(rest) && !matches!(text, "true" | "false" | "null" | "inf" | "nan")
}

/// Whether KDL ends a line there.
pub(super) fn is_newline(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{85}' | '\u{b}' | '\u{c}' | '\u{2028}' | '\u{2029}')
}

/// Whether KDL forbids the character to stand as itself.
fn is_forbidden(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}
