//! From JSON to the tree.

use super::text::{Json, Member, Shape, read};
use crate::edit::{Path, inside};
use crate::error::{Errors, Fault, Faults};
use crate::nearest::nearest;
use crate::schema::{Kind, Statement, Type, fragment, mask_json};
use crate::tree::{Argument, Node, Property, Span, TEXT_MAX, Tag, Tree, Value, clean};

/// Reads what [`json`](super::json) writes; `name` is how messages call the text.
///
/// # Errors
/// It is no JSON, or not of statements in the table with values that fit.
pub fn from_json(name: &str, text: &str) -> Result<Tree, Errors> {
    from_json_below(name, text, &Path::default())
}

/// As [`from_json`], of what stands in the block at `base`; the statements of that block are the tree's top.
///
/// # Errors
/// As there; or there is no block.
pub fn from_json_below(name: &str, text: &str, base: &Path) -> Result<Tree, Errors> {
    let refuse = |faults: Faults| Errors::new(name, mask_json(text).into(), faults);
    if text.len() > TEXT_MAX {
        let fault = Fault::new(format!("the text is longer than {TEXT_MAX} bytes"), Span::default(), "");
        return Err(refuse(vec![fault].into()));
    }
    let json = read(text).map_err(|fault| refuse(vec![fault].into()))?;
    let mut reader = Reader { faults: Faults::default(), path: base.to_string() };
    let nodes = match base.statement() {
        Some(within) => reader.members(&json, within),
        None => Vec::new(),
    };
    let mut faults = reader.faults;
    if faults.is_empty() {
        fragment(&nodes, base, &mut faults);
    }
    if faults.is_empty() { Ok(Tree { nodes }) } else { Err(refuse(faults)) }
}

struct Reader {
    faults: Faults,
    path: String,
}

impl Reader {
    fn fault(&mut self, message: impl Into<String>, span: Span) {
        self.faults.push(Fault::new(message, span, self.path.clone()));
    }

    fn object<'j>(&mut self, json: &'j Json, what: &str) -> &'j [Member] {
        match &json.shape {
            Shape::Object(members) => members,
            _ => {
                self.fault(format!("`{what}` is an object"), json.span);
                &[]
            }
        }
    }

    fn array<'j>(&mut self, json: &'j Json, what: &str) -> &'j [Json] {
        match &json.shape {
            Shape::Array(list) => list,
            _ => {
                self.fault(format!("`{what}` is an array"), json.span);
                &[]
            }
        }
    }

    /// The statements in a block.
    fn members(&mut self, json: &Json, within: &'static Statement) -> Vec<Node> {
        let mut nodes = Vec::new();
        let members = self.object(json, if within.name.is_empty() { "the configuration" } else { within.name });
        for member in members {
            if let Some(of) = member.name.strip_prefix('@') {
                if !of.is_empty() && !members.iter().any(|other| other.name == of) {
                    self.fault(format!("`@{of}` stands without `{of}`"), member.span);
                }
                continue;
            }
            let Some(statement) = within.child(&member.name) else {
                if !(within.ordered && member.name == "name") {
                    self.unknown(member, within);
                }
                continue;
            };
            let meta = members.iter().find(|other| other.name.strip_prefix('@') == Some(&member.name));
            let outer = self.path.len();
            self.path = if outer == 0 { member.name.clone() } else { format!("{} {}", self.path, member.name) };
            self.statement(member, statement, meta, &mut nodes);
            self.path.truncate(outer);
        }
        nodes
    }

    fn unknown(&mut self, member: &Member, within: &'static Statement) {
        let near = nearest(&member.name, within.statements().map(|child| child.name));
        let fault = Fault::new(format!("unknown statement `{}`", member.name), member.span, self.path.clone());
        self.faults.push(fault.maybe_help(near.map(|near| format!("did you mean `{near}`?"))));
    }

    fn statement(
        &mut self,
        member: &Member,
        statement: &'static Statement,
        meta: Option<&Member>,
        nodes: &mut Vec<Node>,
    ) {
        let json = &member.value;
        let mut node = Node { name: statement.name.to_owned(), span: member.span, ..Node::default() };
        match &statement.kind {
            Kind::Container(_) => {
                self.block(&mut node, json, statement);
            }
            Kind::Named(..) if statement.ordered => {
                for item in self.array(json, statement.name) {
                    let name = self.object(item, statement.name).iter().find(|member| member.name == "name");
                    let mut node = Node { span: item.span, ..node.clone() };
                    match name.and_then(|name| self.value(&name.value)) {
                        Some(key) => node.arguments.push(key),
                        None => self.fault("`name` is missing", item.span),
                    }
                    self.block(&mut node, item, statement);
                    nodes.push(node);
                }
                return;
            }
            Kind::Named(..) | Kind::Select(_) => {
                for instance in self.object(json, statement.name) {
                    let integer = matches!(statement.kind, Kind::Named(Type::Integer(..), _));
                    let number = instance.name.parse().ok().filter(|_| integer).map(Value::Integer);
                    let value = number.unwrap_or_else(|| Value::Text(instance.name.clone()));
                    let key = Argument { value, annotation: None, span: instance.span };
                    let mut node = Node { arguments: vec![key], span: instance.span, ..node.clone() };
                    let outer = self.path.len();
                    self.path = format!("{} {}", self.path, instance.name);
                    match inside(statement, node.arguments.first().map(|argument| &argument.value)) {
                        Some(inside) => self.block(&mut node, &instance.value, inside),
                        None => self.fault(format!("`{}` takes no `{}`", statement.name, instance.name), instance.span),
                    }
                    self.path.truncate(outer);
                    nodes.push(node);
                }
                return;
            }
            Kind::Leaf(_) => node.arguments.extend(self.value(json)),
            Kind::LeafList(_) => {
                for value in self.array(json, statement.name) {
                    node.arguments.extend(self.value(value));
                }
            }
            Kind::Flag if json.shape == Shape::Bool(true) => {}
            Kind::Flag => self.fault(format!("`{}` is true or is not there", statement.name), json.span),
            Kind::Free => self.free(&mut node, json, 0),
        }
        if let Some(meta) = meta {
            self.meta(&mut node, &meta.value);
        }
        nodes.push(node);
    }

    fn block(&mut self, node: &mut Node, json: &Json, within: &'static Statement) {
        if let Shape::Object(members) = &json.shape
            && let Some(meta) = members.iter().find(|member| member.name == "@")
        {
            self.meta(node, &meta.value);
        }
        node.children = self.members(json, within);
    }

    fn meta(&mut self, node: &mut Node, json: &Json) {
        let (mut inactive, mut protect, mut replace) = (false, false, false);
        for member in self.object(json, "@") {
            let truth = member.value.shape == Shape::Bool(true);
            match member.name.as_str() {
                "inactive" => inactive = truth,
                "protect" => protect = truth,
                "replace" => replace = truth,
                "annotation" => {
                    for line in self.array(&member.value, "annotation") {
                        match &line.shape {
                            Shape::Text(text) => node.annotation.push(clean(&format!(" {}", text.trim_end()))),
                            _ => self.fault("a line of an annotation is a text", line.span),
                        }
                    }
                }
                other => self.fault(format!("`@` has no `{other}`"), member.span),
            }
        }
        node.mark(inactive, protect);
        if replace && node.tag.is_none() {
            node.tag = Some(Tag::Replace);
        }
    }

    fn free(&mut self, node: &mut Node, json: &Json, depth: usize) {
        for member in self.object(json, &node.name.clone()) {
            match member.name.as_str() {
                "@" => self.meta(node, &member.value),
                "name" if depth > 0 => {}
                "arguments" => {
                    for value in self.array(&member.value, "arguments") {
                        node.arguments.extend(self.value(value));
                    }
                }
                "properties" => {
                    for property in self.object(&member.value, "properties") {
                        let Some(Argument { value, .. }) = self.value(&property.value) else { continue };
                        let span = Span { start: property.span.start, end: property.value.span.end };
                        node.properties.push(Property { name: property.name.clone(), value, annotation: None, span });
                    }
                }
                "statements" => {
                    for item in self.array(&member.value, "statements") {
                        let name = self.object(item, "a statement").iter().find(|member| member.name == "name");
                        let Some(Shape::Text(name)) = name.map(|name| &name.value.shape) else {
                            self.fault("`name` is missing", item.span);
                            continue;
                        };
                        let mut child = Node { name: name.clone(), span: item.span, ..Node::default() };
                        self.free(&mut child, item, depth + 1);
                        node.children.push(child);
                    }
                }
                other => self.fault(format!("a statement of a plugin has no `{other}`"), member.span),
            }
        }
    }

    fn value(&mut self, json: &Json) -> Option<Argument> {
        let value = match &json.shape {
            Shape::Text(text) => Value::Text(text.clone()),
            Shape::Bool(truth) => Value::Bool(*truth),
            Shape::Null => Value::Null,
            Shape::Number(number) => match number.parse() {
                Ok(number) => Value::Integer(number),
                Err(_) => Value::Float(number.parse().ok()?),
            },
            Shape::Object(members) => match members.as_slice() {
                [Member { name, value: Json { shape: Shape::Text(text), .. }, .. }] if name == "float" => {
                    match text.parse() {
                        Ok(number) => Value::Float(number),
                        Err(_) => {
                            self.fault(format!("`{text}` is no number"), json.span);
                            return None;
                        }
                    }
                }
                _ => {
                    self.fault("a value is no object", json.span);
                    return None;
                }
            },
            Shape::Array(_) => {
                self.fault("a value is no array", json.span);
                return None;
            }
        };
        Some(Argument { value, annotation: None, span: json.span })
    }
}
