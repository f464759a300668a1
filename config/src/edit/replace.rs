//! `replace pattern A with B`: plain text, so that a dot in an address is a dot.

use super::identity::inside_node;
use crate::schema::{Kind, Statement, Type};
use crate::tree::{Argument, Node, Value};

/// Puts one text in the place of another, in the names of instances and in values.
pub(crate) struct Replacer<'a> {
    pub(crate) pattern: &'a str,
    pub(crate) with: &'a str,
    /// Most values that change.
    pub(crate) upto: usize,
    /// Values that changed.
    pub(crate) count: usize,
}

impl Replacer<'_> {
    pub(crate) fn nodes(&mut self, nodes: &mut [Node], within: &'static Statement) {
        for node in nodes {
            let statement = within.child(&node.name);
            match statement.map(|statement| &statement.kind) {
                Some(Kind::Leaf(Type::Secret(..)) | Kind::Container(_) | Kind::Flag | Kind::Select(_)) => {}
                Some(Kind::Free) | None => self.free(node),
                Some(Kind::Leaf(ty) | Kind::LeafList(ty) | Kind::Named(ty, _)) => {
                    node.arguments.iter_mut().for_each(|argument| self.argument(argument, Some(ty)));
                }
            }
            if let Some(inside) = inside_node(node, Some(within)) {
                self.nodes(&mut node.children, inside);
            }
        }
    }

    /// In a plugin's settings only text is text.
    fn free(&mut self, node: &mut Node) {
        node.arguments.iter_mut().for_each(|argument| self.argument(argument, None));
        for property in &mut node.properties {
            self.value(&mut property.value, None);
        }
        node.children.iter_mut().for_each(|child| self.free(child));
    }

    fn argument(&mut self, argument: &mut Argument, ty: Option<&Type>) {
        self.value(&mut argument.value, ty);
    }

    fn value(&mut self, value: &mut Value, ty: Option<&Type>) {
        if self.count >= self.upto {
            return;
        }
        let new = match value {
            Value::Text(text) if text.contains(self.pattern) => Value::Text(text.replace(self.pattern, self.with)),
            Value::Integer(number) if ty.is_some() && number.to_string().contains(self.pattern) => {
                let text = number.to_string().replace(self.pattern, self.with);
                text.parse().map_or(Value::Text(text), Value::Integer)
            }
            _ => return,
        };
        *value = new;
        self.count += 1;
    }
}
