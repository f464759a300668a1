//! From braces and semicolons to the tree.

use crate::edit::{Path, Resolver, Step, Word, WordKind, Words, braces, inside, is_block, named};
use crate::error::{Errors, Fault, Faults};
use crate::schema::{Kind, ROOT, Statement, fragment, mask_commands};
use crate::tree::{Node, Span, TEXT_MAX, Tag, Tree, clean};

/// Reads what [`braced`](super::braced()) writes; `name` is how messages call the text. Names may be shortened as in
/// commands; a comment `/* ... */` belongs to the statement behind it, one that begins with `#` to none. Groups may
/// stand as Junos has them, all in one block `groups { NAME { ... } }`.
///
/// # Errors
/// The first place that cannot be read, or all values that do not fit.
pub fn from_braced(name: &str, text: &str) -> Result<Tree, Errors> {
    from_braced_below(name, text, &Path::default())
}

/// As [`from_braced`], of what stands in the block at `base`; the statements of that block are the tree's top.
///
/// # Errors
/// As there; or there is no block.
pub fn from_braced_below(name: &str, text: &str, base: &Path) -> Result<Tree, Errors> {
    let refuse = |faults: Faults| Errors::new(name, hide(text).into(), faults);
    let fault = |message: String| refuse(vec![Fault::new(message, Span::default(), base.to_string())].into());
    if text.len() > TEXT_MAX {
        return Err(fault(format!("the text is longer than {TEXT_MAX} bytes")));
    }
    let Some(within) = base.statement() else { return Err(fault("there are no statements here".to_owned())) };
    let mut reader = Reader::new(text, Span { start: 0, end: text.len() }, base);
    let nodes = reader.block(within, false).map_err(|fault| refuse(vec![fault].into()))?;
    let mut faults = Faults::default();
    fragment(&nodes, base, &mut faults);
    if faults.is_empty() { Ok(Tree { nodes }) } else { Err(refuse(faults)) }
}

/// The text may be at fault, so each line is taken for a command that begins anywhere.
fn hide(text: &str) -> String {
    let lines: String = text.split('\n').map(|line| format!("x {line}\n")).collect();
    let masked = mask_commands(&lines, &Path::nowhere());
    let lines: Vec<&str> = masked.split('\n').filter_map(|line| line.strip_prefix("x ")).collect();
    lines.join("\n")
}

/// The statement whose instances Junos writes inside of one block.
const GROUPS: &str = "groups";

/// What stands before a statement's name.
#[derive(Default)]
struct Tags {
    inactive: bool,
    protect: bool,
    tag: Option<Tag>,
}

/// Reads statements in braces.
pub(crate) struct Reader<'a> {
    text: &'a str,
    resolver: Resolver<'a>,
    /// Comments that have been read, and no statement behind them yet.
    pub(crate) comments: Vec<String>,
}

impl<'a> Reader<'a> {
    /// Reads the bytes `span` of `text`, statements of the block at `base`.
    pub(crate) fn new(text: &'a str, span: Span, base: &Path) -> Self {
        let resolver = Resolver { words: Words::new(text, span), path: base.clone(), patterns: false };
        Self { text, resolver, comments: Vec::new() }
    }

    /// The statements up to the end, or up to the `}` if the block is `open`.
    pub(crate) fn block(&mut self, within: &'static Statement, open: bool) -> Result<Vec<Node>, Fault> {
        let mut nodes = Vec::new();
        loop {
            self.blanks()?;
            match self.resolver.words.peek()? {
                None if open => return Err(self.resolver.fault("a `}` is missing", self.resolver.words.here())),
                None => return Ok(nodes),
                Some(word) if word.is_mark("}") && open => {
                    self.resolver.words.next()?;
                    self.comments.clear();
                    return Ok(nodes);
                }
                Some(word) if self.is_list(within, &word)? => self.list(within, &mut nodes)?,
                Some(_) => nodes.push(self.statement(within)?),
            }
        }
    }

    /// Whether `word` begins the block in which Junos has all groups: `groups { G { ... } }`.
    fn is_list(&self, within: &'static Statement, word: &Word<'_>) -> Result<bool, Fault> {
        if !std::ptr::eq(within, &ROOT) || word.kind != WordKind::Bare || word.text != GROUPS {
            return Ok(false);
        }
        let mut ahead = self.resolver.words.clone();
        ahead.next()?;
        Ok(ahead.next()?.is_some_and(|word| word.is_mark("{")))
    }

    /// Reads that block: a statement of its own for each group.
    fn list(&mut self, within: &'static Statement, nodes: &mut Vec<Node>) -> Result<(), Fault> {
        self.comments.clear();
        let name = self.resolver.need("a statement")?;
        self.resolver.need("`{`")?;
        loop {
            self.blanks()?;
            match self.resolver.words.peek()? {
                None => return Err(self.resolver.fault("a `}` is missing", self.resolver.words.here())),
                Some(word) if word.is_mark("}") => {
                    self.comments.clear();
                    return self.skip();
                }
                Some(_) => {}
            }
            let annotation = std::mem::take(&mut self.comments);
            let tags = self.tags()?;
            let statement = named(within, &name, &self.resolver.path)?;
            let head = self.marked(statement, name.span, tags)?;
            nodes.push(self.rest(head, statement, annotation)?);
        }
    }

    /// Reads comments.
    fn blanks(&mut self) -> Result<(), Fault> {
        loop {
            let (left, place) = self.resolver.words.rest();
            let len = if let Some(inside) = left.strip_prefix("/*") {
                let Some((comment, _)) = inside.split_once("*/") else {
                    return Err(self.resolver.fault("the comment is not closed", place));
                };
                self.comments.extend(comment_lines(comment));
                comment.len() + 4
            } else if left.starts_with('#') {
                left.find('\n').unwrap_or(left.len())
            } else {
                return Ok(());
            };
            self.resolver.words.jump(place.start + len);
        }
    }

    /// One statement with its tags and all in it.
    fn statement(&mut self, within: &'static Statement) -> Result<Node, Fault> {
        let annotation = std::mem::take(&mut self.comments);
        let (node, statement) = self.head(within)?;
        self.rest(node, statement, annotation)
    }

    /// What follows the values of a statement.
    fn rest(&mut self, mut node: Node, statement: &'static Statement, annotation: Vec<String>) -> Result<Node, Fault> {
        node.annotation = annotation;
        if matches!(statement.kind, Kind::Free) {
            self.free(&mut node, statement)?;
            return Ok(node);
        }
        let end = self.resolver.need("`;` or `{`")?;
        if end.is_mark(";") {
            return Ok(node);
        }
        let key = node.arguments.first().map(|argument| argument.value.clone());
        match inside(statement, key.as_ref()).filter(|_| is_block(statement) && end.is_mark("{")) {
            Some(within) => {
                let key = key.filter(|_| !matches!(statement.kind, Kind::Container(_)));
                self.resolver.path.push(Step { name: node.name.clone(), key, span: node.head_span() });
                node.children = self.block(within, true)?;
                self.resolver.path = self.resolver.path.up(1);
                Ok(node)
            }
            None => Err(self.resolver.fault(format!("a `;` is missing before `{}`", end.text), end.span)),
        }
    }

    /// Tags, name and values.
    pub(crate) fn head(&mut self, within: &'static Statement) -> Result<(Node, &'static Statement), Fault> {
        let tags = self.tags()?;
        let word = self.resolver.need("a statement")?;
        let statement = named(within, &word, &self.resolver.path)?;
        Ok((self.marked(statement, word.span, tags)?, statement))
    }

    /// The values of a statement whose name was read, and its tags.
    fn marked(&mut self, statement: &'static Statement, name: Span, tags: Tags) -> Result<Node, Fault> {
        let mut node = self.resolver.head(statement, name)?;
        node.mark(tags.inactive, tags.protect);
        node.tag = tags.tag.or(node.tag);
        Ok(node)
    }

    fn tags(&mut self) -> Result<Tags, Fault> {
        let mut tags = Tags::default();
        while let Some(word) = self.resolver.words.peek()? {
            match (&*word.text, word.kind) {
                ("inactive:", WordKind::Bare) => tags.inactive = true,
                ("protect:", WordKind::Bare) => tags.protect = true,
                ("replace:", WordKind::Bare) => tags.tag = Some(Tag::Replace),
                ("delete:", WordKind::Bare) => tags.tag = Some(Tag::Delete),
                _ => break,
            }
            self.skip()?;
        }
        Ok(tags)
    }

    /// The next word, which stays the next.
    pub(crate) fn peek(&self) -> Result<Option<Word<'a>>, Fault> {
        self.resolver.words.peek()
    }

    /// Goes on behind the next word.
    pub(crate) fn skip(&mut self) -> Result<(), Fault> {
        self.resolver.words.next().map(|_| ())
    }

    /// A statement whose block is KDL.
    fn free(&mut self, node: &mut Node, statement: &'static Statement) -> Result<(), Fault> {
        let (_, place) = self.resolver.words.rest();
        loop {
            let word = self.resolver.need("`;` or `{`")?;
            if word.is_mark(";") {
                let text = self.text.get(place.start..word.span.start).unwrap_or_default().trim_end();
                return self.resolver.free(statement, node, text, place);
            }
            if word.is_mark("{") {
                let end = braces(self.text, word.span.start);
                let text = self.text.get(place.start..end).unwrap_or_default();
                self.resolver.words.jump(end);
                return self.resolver.free(statement, node, text, place);
            }
        }
    }
}

/// The lines of a comment as they would stand in an annotation.
fn comment_lines(comment: &str) -> impl Iterator<Item = String> {
    let comment = comment.strip_prefix(' ').unwrap_or(comment);
    let comment = comment.strip_suffix(' ').unwrap_or(comment);
    // What goes on in a second line may be set off as the writer likes.
    let lines = comment.split('\n').enumerate().map(|(at, line)| if at == 0 { line } else { line.trim_start() });
    lines.map(|line| clean(&format!(" {}", line.trim_end())))
}
