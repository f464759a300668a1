//! What a configuration refers to and this crate does not read itself: secrets kept elsewhere, tables of reservations.

use crate::edit::{inside_node, plain};
use crate::error::{Fault, Faults};
use crate::host_table::{HostTable, HostTableError};
use crate::model::Secret;
use crate::schema::{Kind, ROOT, Statement, Type};
use crate::tree::{Node, Tree};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// Longest path of a file, bytes.
const PATH_MAX: usize = 4095;

/// Longest name of a credential, bytes.
const CREDENTIAL_MAX: usize = 255;

/// Where a secret is kept: what stands for it in the configuration, which may be shown.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SecretReference {
    /// `file:PATH`: the first line of the file; a relative path starts at the folder of the configuration file.
    File(String),
    /// `credential:NAME`: the first line of a credential that systemd gives the daemon.
    Credential(String),
}

impl SecretReference {
    /// The reference that `text` is; none if it is a secret itself, or no reference that could be followed.
    pub fn of(text: &str) -> Option<Self> {
        Self::read(text)?.ok()
    }

    /// As [`of`](Self::of), with what is wrong with a text that begins like a reference.
    pub(crate) fn read(text: &str) -> Option<Result<Self, &'static str>> {
        if let Some(path) = text.strip_prefix("file:") {
            let good = (1..=PATH_MAX).contains(&path.len()) && !path.chars().any(char::is_control);
            return Some(if good { Ok(Self::File(path.to_owned())) } else { Err("no path of a file stands there") });
        }
        let name = text.strip_prefix("credential:")?;
        let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'/' | b':');
        let good = (1..=CREDENTIAL_MAX).contains(&name.len()) && name.bytes().all(plain) && !matches!(name, "." | "..");
        Some(if good { Ok(Self::Credential(name.to_owned())) } else { Err("no name of a credential stands there") })
    }
}

impl fmt::Display for SecretReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file:{path}"),
            Self::Credential(name) => write!(f, "credential:{name}"),
        }
    }
}

/// Reads what a configuration refers to.
pub trait Sources {
    /// All bytes that are kept there; the secret is their first line, without its end.
    ///
    /// # Errors
    /// Why they cannot be read, in words for the operator.
    fn secret(&self, reference: &SecretReference) -> Result<Vec<u8>, String>;

    /// The table of reservations in the file `path`, which is as it is written: a relative path starts at the folder
    /// of the configuration file. [`HostTables`](crate::HostTables) makes one table of one content.
    ///
    /// # Errors
    /// Why there is none.
    fn host_table(&self, path: &str) -> Result<Arc<HostTable>, HostTableError> {
        let _ = path;
        Err(HostTableError::Unreadable("tables of reservations are not read here".to_owned()))
    }
}

/// Has nothing: a configuration that refers to anything is refused.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSources;

impl Sources for NoSources {
    fn secret(&self, _: &SecretReference) -> Result<Vec<u8>, String> {
        Err("secrets that are kept elsewhere are not read here".to_owned())
    }
}

/// The secrets that were read, by what stands for them.
#[derive(Default)]
pub(crate) struct Secrets(HashMap<SecretReference, Secret>);

impl Secrets {
    /// The secret that `text` is or stands for; none if that could not be read.
    pub(crate) fn secret(&self, text: String) -> Option<Secret> {
        match SecretReference::of(&text) {
            None => Some(Secret::new(text.into_bytes())),
            Some(reference) => self.0.get(&reference).cloned(),
        }
    }

    /// References that these and `other` have, whose secrets are others.
    pub(crate) fn changed<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a SecretReference> {
        self.0.iter().filter_map(|(reference, secret)| {
            other.0.get(reference).is_some_and(|before| before != secret).then_some(reference)
        })
    }
}

/// Reads each secret that an active statement of `tree` refers to, once; adds a fault for each place of one that cannot
/// be read or does not fit there.
pub(crate) fn secrets(tree: &Tree, sources: &dyn Sources, faults: &mut Faults) -> Secrets {
    let mut reader = Reader { sources, read: HashMap::new(), path: Vec::new(), faults };
    reader.nodes(&tree.nodes, &ROOT);
    Secrets(
        reader.read.into_iter().filter_map(|(reference, read)| Some((reference, Secret::new(read.ok()?)))).collect(),
    )
}

struct Reader<'a> {
    sources: &'a dyn Sources,
    read: HashMap<SecretReference, Result<Vec<u8>, String>>,
    path: Vec<&'a Node>,
    faults: &'a mut Faults,
}

impl<'a> Reader<'a> {
    fn nodes(&mut self, nodes: &'a [Node], within: &'static Statement) {
        for node in nodes.iter().filter(|node| !node.is_inactive()) {
            let Some(statement) = within.child(&node.name).filter(|it| it.built && !it.partial) else { continue };
            self.path.push(node);
            match statement.kind {
                Kind::Leaf(Type::Secret(min, max)) => self.secret(node, min, max),
                _ if node.children.is_empty() => {}
                _ => {
                    if let Some(inside) = inside_node(node, Some(within)).filter(|inside| inside.built) {
                        self.nodes(&node.children, inside);
                    }
                }
            }
            self.path.pop();
        }
    }

    fn secret(&mut self, node: &Node, min: usize, max: usize) {
        let Some(argument) = node.arguments.first() else { return };
        let Some(reference) = argument.value.as_text().and_then(SecretReference::of) else { return };
        let sources = self.sources;
        let read = self.read.entry(reference).or_insert_with_key(|reference| sources.secret(reference).map(first_line));
        let wrong = match read {
            Err(why) => Some(format!("the secret of `{}` cannot be read: {why}", node.name)),
            Ok(bytes) if !(min..=max).contains(&bytes.len()) => {
                let len = bytes.len();
                Some(format!("the secret of `{}` has {len} bytes, not {min} to {max}", node.name))
            }
            Ok(bytes) if bytes.contains(&0) => Some(format!("the secret of `{}` has a byte 0 in it", node.name)),
            Ok(_) => None,
        };
        if let Some(message) = wrong {
            self.faults.push(Fault::new(message, argument.span, self.words()));
        }
    }

    fn words(&self) -> String {
        let mut words: Vec<String> = Vec::new();
        let last = self.path.len().saturating_sub(1);
        for (at, node) in self.path.iter().enumerate() {
            words.push(node.name.clone());
            words.extend(node.arguments.first().filter(|_| at < last).map(|key| plain(&key.value).into_owned()));
        }
        words.join(" ")
    }
}

/// The bytes before the first line break, or all.
fn first_line(mut bytes: Vec<u8>) -> Vec<u8> {
    if let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
        bytes.truncate(end);
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    bytes
}
