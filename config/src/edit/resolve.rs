//! From words to statements, by the table.

use super::identity::{inside, is_block};
use super::path::{Path, Step, Target};
use super::words::{Word, WordKind, Words};
use crate::error::Fault;
use crate::nearest::nearest;
use crate::schema::{Kind, Statement, Type, stands_for_secret};
use crate::tree::{Argument, Node, Span, parse};
use crate::value::{expected, typed};

/// Reads statements from the words of a text.
pub(crate) struct Resolver<'a> {
    pub(crate) words: Words<'a>,
    /// Where the statement stands that is being read.
    pub(crate) path: Path,
    /// Keys may be patterns.
    pub(crate) patterns: bool,
}

/// The statement in `within` that `word` names, as a whole or by a beginning that no other has.
pub(crate) fn named(within: &'static Statement, word: &Word<'_>, path: &Path) -> Result<&'static Statement, Fault> {
    let unknown = |message: String| Fault::new(message, word.span, path.to_string());
    if word.kind == WordKind::Mark {
        return Err(unknown(format!("a statement is missing before `{}`", word.text)));
    }
    if let Some(found) = within.child(&word.text) {
        return Ok(found);
    }
    let begun = |child: &&Statement| word.kind == WordKind::Bare && child.name.starts_with(&*word.text);
    let candidates: Vec<&Statement> = within.statements().filter(begun).collect();
    match candidates.as_slice() {
        [only] => return Ok(only),
        [] => {}
        several => {
            let names: Vec<&str> = several.iter().map(|child| child.name).collect();
            return Err(unknown(format!("`{}` may be any of {}", word.text, names.join(", "))));
        }
    }
    let near = nearest(&word.text, within.statements().map(|child| child.name));
    let fault = unknown(format!("unknown statement `{}`", word.text));
    Err(fault.maybe_help(near.map(|near| format!("did you mean `{near}`?"))))
}

impl<'a> Resolver<'a> {
    pub(crate) fn fault(&self, message: impl Into<String>, span: Span) -> Fault {
        Fault::new(message, span, self.path.to_string())
    }

    /// The next word, which must be there.
    pub(crate) fn need(&mut self, what: &str) -> Result<Word<'a>, Fault> {
        let word = self.words.next()?;
        word.ok_or_else(|| self.fault(format!("{what} is missing"), self.words.here()))
    }

    /// That no word follows.
    pub(crate) fn end(&mut self) -> Result<(), Fault> {
        match self.words.next()? {
            None => Ok(()),
            Some(word) => Err(self.fault(format!("`{}` is one word too many", word.text), word.span)),
        }
    }

    /// The next word as a value of `statement`.
    pub(crate) fn value(&mut self, statement: &Statement, ty: &Type) -> Result<Argument, Fault> {
        match self.words.next()? {
            Some(word) if word.kind != WordKind::Mark => self.checked(statement, ty, &word),
            _ => {
                let message = format!("`{}` needs {} behind it", statement.name, expected(ty));
                Err(self.fault(message, self.words.here()))
            }
        }
    }

    fn checked(&self, statement: &Statement, ty: &Type, word: &Word<'_>) -> Result<Argument, Fault> {
        let argument = Argument { value: word.value(ty), annotation: None, span: word.span };
        match typed(ty, &argument.value) {
            Err(mismatch) if !mismatch.later && !stands_for_secret(ty, &argument.value) => {
                let fault = self.fault(format!("`{}` takes {}", statement.name, expected(ty)), word.span);
                Err(fault.label(mismatch.reason).maybe_help(mismatch.help))
            }
            _ => Ok(argument),
        }
    }

    /// The next word as the name of an instance.
    pub(crate) fn key(&mut self, statement: &'static Statement) -> Result<Option<Argument>, Fault> {
        match statement.kind {
            Kind::Named(ty, _) => {
                let pattern = self.words.peek()?.filter(|word| word.kind != WordKind::Mark && self.is_pattern(word));
                if let Some(word) = pattern {
                    self.words.next()?;
                    let value = word.value(&Type::Path);
                    return Ok(Some(Argument { value, annotation: None, span: word.span }));
                }
                self.value(statement, &ty).map(Some)
            }
            Kind::Select(words) => {
                let names: Vec<&str> = words.iter().map(|word| word.name).collect();
                let word = self.need(&format!("{} behind `{}`", names.join(" or "), statement.name))?;
                let chosen = named(statement, &word, &self.path)?;
                let value = crate::tree::Value::Text(chosen.name.to_owned());
                Ok(Some(Argument { value, annotation: None, span: word.span }))
            }
            _ => Ok(None),
        }
    }

    /// Wildcards stand for names in groups, and where a command says so.
    fn is_pattern(&self, word: &Word<'_>) -> bool {
        let in_group = self.path.is_in_group();
        let marked = word.text.starts_with('<') && word.text.ends_with('>');
        (in_group && marked) || (self.patterns && (marked || word.text.contains(['*', '?'])))
    }

    /// All statements up to the end of the words.
    pub(crate) fn statements(&mut self, within: &'static Statement) -> Result<Vec<Node>, Fault> {
        let mut nodes = Vec::new();
        let mut list = false;
        while let Some(word) = self.words.next()? {
            let hint = list.then(|| "several values of a list stand in [ ]".to_owned());
            let statement = named(within, &word, &self.path).map_err(|fault| fault.maybe_help(hint))?;
            list = matches!(statement.kind, Kind::LeafList(_));
            nodes.push(self.statement(statement, word.span)?);
        }
        Ok(nodes)
    }

    /// What stands behind the name of a statement.
    fn statement(&mut self, statement: &'static Statement, span: Span) -> Result<Node, Fault> {
        let mut node = self.head(statement, span)?;
        if is_block(statement) {
            let key = node.arguments.first().map(|argument| argument.value.clone());
            let Some(within) = inside(statement, key.as_ref()) else { return Ok(node) };
            self.path.push(Step { name: node.name.clone(), key, span: node.head_span() });
            node.children = self.statements(within)?;
            self.path = self.path.up(1);
        } else if matches!(statement.kind, Kind::Free) {
            let (rest, place) = self.words.rest();
            let end = place.end;
            self.free(statement, &mut node, rest, place)?;
            self.words.jump(end);
        }
        Ok(node)
    }

    /// The statement's name and the values that belong to it.
    pub(crate) fn head(&mut self, statement: &'static Statement, span: Span) -> Result<Node, Fault> {
        let mut node = Node { name: statement.name.to_owned(), span, ..Node::default() };
        match &statement.kind {
            Kind::Named(..) | Kind::Select(_) => node.arguments.extend(self.key(statement)?),
            Kind::Leaf(ty) => node.arguments.push(self.value(statement, ty)?),
            Kind::LeafList(ty) if self.words.peek()?.is_some_and(|word| word.is_mark("[")) => {
                self.words.next()?;
                while !self.words.peek()?.is_some_and(|word| word.is_mark("]")) {
                    node.arguments.push(self.value(statement, ty)?);
                }
                let end = self.words.next()?.map_or(span, |word| word.span);
                if node.arguments.is_empty() {
                    return Err(self.fault(format!("`{}` needs {} in it", statement.name, expected(ty)), end));
                }
            }
            Kind::LeafList(ty) => node.arguments.push(self.value(statement, ty)?),
            Kind::Container(_) | Kind::Flag | Kind::Free => {}
        }
        Ok(node)
    }

    /// What is said in KDL: statements in braces, or one of them without braces. `place` is where `text` stands.
    ///
    /// Of a statement that this release does not know more of, values may stand before the braces.
    pub(crate) fn free(&self, statement: &Statement, node: &mut Node, text: &str, place: Span) -> Result<(), Fault> {
        if text.is_empty() {
            return Ok(());
        }
        let braced = text.starts_with('{') || !statement.built;
        let whole = if braced { format!("x {text}") } else { text.to_owned() };
        let shift = if braced { 2 } else { 0 };
        let parsed = parse("", &whole).map_err(|errors| {
            let fault = errors.faults().first().cloned();
            let mut fault = fault.unwrap_or_else(|| Fault::new("this is not KDL", Span::default(), ""));
            let place = |at: usize| (at.saturating_sub(shift) + place.start).min(place.end);
            fault.span = Span { start: place(fault.span.start), end: place(fault.span.end) };
            fault.path = self.path.to_string();
            fault
        })?;
        match (parsed.nodes.into_iter().next(), braced) {
            (Some(outer), true) => {
                node.arguments = outer.arguments;
                node.properties = outer.properties;
                node.children = outer.children;
            }
            (Some(child), false) => node.children.push(child),
            (None, _) => {}
        }
        shift_spans(&mut node.children, place.start, shift);
        Ok(())
    }

    /// The words that lead to a statement below `base`, up to the end or one of `stops`. With `values`, a value of a
    /// leaf may follow.
    pub(crate) fn target(&mut self, base: &Path, stops: &[&str], values: bool) -> Result<Target, Fault> {
        let mut within = base.statement();
        let mut target = Target { path: base.clone(), value: None };
        self.path = base.clone();
        let stops_here = |words: &Words<'_>| -> Result<bool, Fault> {
            let word = words.peek()?;
            Ok(word.is_none_or(|word| match word.kind {
                WordKind::Bare => stops.contains(&&*word.text),
                WordKind::Quoted => !values,
                WordKind::Mark => false,
            }))
        };
        while let Some(here) = within
            && !stops_here(&self.words)?
        {
            let word = self.need("a statement")?;
            let statement = named(here, &word, &self.path)?;
            let key = self.key(statement)?;
            let span = Span { start: word.span.start, end: key.as_ref().map_or(word.span.end, |key| key.span.end) };
            let key = key.map(|key| key.value);
            within = inside(statement, key.as_ref()).filter(|_| is_block(statement));
            let step = Step { name: statement.name.to_owned(), key, span };
            target.path.push(step.clone());
            self.path.push(step);
            if let Kind::Leaf(ty) | Kind::LeafList(ty) = &statement.kind
                && values
                && !stops_here(&self.words)?
            {
                target.value = Some(self.value(statement, ty)?);
            }
        }
        Ok(target)
    }
}

fn shift_spans(nodes: &mut [Node], start: usize, shift: usize) {
    let moved = |span: &mut Span| {
        span.start = span.start.saturating_sub(shift) + start;
        span.end = span.end.saturating_sub(shift) + start;
    };
    for node in nodes {
        moved(&mut node.span);
        node.arguments.iter_mut().for_each(|argument| moved(&mut argument.span));
        node.properties.iter_mut().for_each(|property| moved(&mut property.span));
        shift_spans(&mut node.children, start, shift);
    }
}
