//! `traceoptions` and `interface-traceoptions`.

use super::build::name;
use super::read::{At, Spanned};
use crate::tree::Span;
use bindery_types::MacAddr;
use std::path::{Path, PathBuf};

/// Bytes at which a file is rolled where nothing else is said (junos.md §4).
const SIZE: u64 = 131_072;

/// Files that are kept where nothing else is said.
const FILES: u32 = 3;

/// Where files without a directory are, as Junos has them.
const DIRECTORY: &str = "/var/log";

/// The files that are written where none is named.
const DEFAULT_FILES: [&str; 2] = ["binderyd", "binderyd-interface"];

/// What is traced.
#[derive(Clone, Debug, Default)]
pub struct Traces {
    /// `traceoptions`.
    pub all: Option<Trace>,
    /// `interface-traceoptions`.
    pub interface: Option<Trace>,
}

/// One trace file.
#[derive(Clone, Debug)]
pub struct Trace {
    /// `file` as it is written.
    pub file: Option<Spanned<String>>,
    /// The file with its directory, also where none is named.
    pub path: PathBuf,
    /// `size`.
    pub size: u64,
    /// `files`.
    pub files: u32,
    /// `world-readable`, or `no-world-readable`.
    pub world_readable: Option<bool>,
    /// `match`; empty for all.
    pub matching: String,
    /// `level`.
    pub level: String,
    /// `flag`.
    pub flags: Vec<String>,
    /// `client`.
    pub clients: Vec<MacAddr>,
    /// `match` with its place.
    pub(crate) expression: Option<Spanned<String>>,
    /// The statement itself.
    pub(crate) span: Span,
    /// A second `file`, and both of `world-readable` and `no-world-readable`.
    pub(crate) second: Option<Span>,
    pub(crate) both: Option<Span>,
}

/// Those of `processes dhcp-service` in `system`.
pub(super) fn of_daemon(system: At<'_>) -> Option<Traces> {
    Some(traces(system.child("processes")?.child("dhcp-service")?))
}

/// Those that stand in `at`: `dhcp-service` or a local server.
pub(super) fn traces(at: At<'_>) -> Traces {
    let of = |name, default| at.child(name).map(|at| trace(at, default));
    let [all, interface] = DEFAULT_FILES;
    Traces { all: of("traceoptions", all), interface: of("interface-traceoptions", interface) }
}

fn trace(at: At<'_>, default: &str) -> Trace {
    let mut files = at.all("file");
    let (file, second) = (files.next(), files.next());
    let expression = file.and_then(|file| file.leaf("match")).and_then(|leaf| leaf.map(crate::value::Typed::text));
    let flag = |name| file.filter(|file| file.has(name));
    let named = file.and_then(name);
    Trace {
        path: Path::new(DIRECTORY).join(named.as_ref().map_or(default, |file| &file.value)),
        file: named,
        size: file.and_then(|file| file.leaf("size")).and_then(|leaf| leaf.value.size()).unwrap_or(SIZE),
        files: file.and_then(|file| file.leaf("files")).and_then(|leaf| leaf.value.integer()).unwrap_or(FILES),
        world_readable: flag("world-readable").map(|_| true).or(flag("no-world-readable").map(|_| false)),
        matching: expression.as_ref().map(|text| text.value.clone()).unwrap_or_default(),
        level: at.leaf("level").and_then(|leaf| leaf.value.word()).unwrap_or("error").to_owned(),
        flags: at.list("flag").into_iter().filter_map(|flag| flag.value.word().map(str::to_owned)).collect(),
        clients: at.list("client").into_iter().filter_map(|mac| mac.value.mac()).collect(),
        expression,
        span: at.span(),
        second: second.map(At::span),
        both: flag("world-readable").and(flag("no-world-readable")).map(At::span),
    }
}
