//! The reference of all statements, as Markdown, made from the table.

use super::{EVERYWHERE, Kind, ROOT, Statement};
use crate::value::expected;
use std::fmt::Write;

/// Every built statement with its values, default, meaning and source; then the names of those to come.
pub fn reference() -> String {
    let mut out = String::from(
        "# Configuration reference\n\nMade from the schema table; `UPDATE_EXPECT=1 cargo test -p bindery-config` writes it anew.\n\n\
         How to read a line: the statement and its value; `default`; what a change does to live sessions; the clause it \
         comes from. A statement that must be written is marked *mandatory*. Statements stand in the braces of the one \
         that they are indented below.\n\n\
         What a change does to live sessions, of a statement with a name also what it does to make or end it: *hot* holds \
         from the next packet on, for all; *new sessions only* holds for bindings made later, and a live session has it \
         from its next renewal on, or never needs it; *affects sessions* may end or change live sessions, and the commit \
         says which. None of them restarts the daemon.\n\n\
         A secret is the text itself, or where it is kept: `file:PATH` is the first line of that file, a relative path \
         starts at the folder of the configuration file; `credential:NAME` is the first line of a credential that systemd \
         gives the daemon (`LoadCredential=NAME:PATH` in its unit). Both are read at each commit, so a secret that \
         changes in its file holds from the next commit on. A secret is never shown; where it is kept is.\n\n\
         ## Statements\n\n",
    );
    for statement in ROOT.children().iter().filter(|statement| statement.built) {
        entry(&mut out, statement, 0);
    }
    out.push_str("\nIn every block may stand:\n\n");
    EVERYWHERE.iter().for_each(|statement| entry(&mut out, statement, 0));
    out.push_str("\n## Not in this release\n\nThese are known, and refused unless they are marked `(inactive)`.\n\n");
    for statement in ROOT.children() {
        later(&mut out, statement, "");
    }
    out
}

fn entry(out: &mut String, statement: &Statement, level: usize) {
    let value = match &statement.kind {
        Kind::Container(_) | Kind::Flag | Kind::Free => String::new(),
        Kind::Named(ty, _) | Kind::Leaf(ty) => format!(" ({})", expected(ty)),
        Kind::Select(words) => {
            let names: Vec<&str> = words.iter().filter(|word| word.built).map(|word| word.name).collect();
            format!(" ({})", names.join(" or "))
        }
        Kind::LeafList(ty) => format!(" (one or more: {})", expected(ty)),
    };
    let _ = write!(out, "{:indent$}- **`{}`**{value}: {}", "", statement.name, statement.help, indent = level * 2);
    if statement.mandatory {
        out.push_str(" *Mandatory.*");
    }
    if let Some(default) = statement.default {
        let _ = write!(out, " Default `{default}`.");
    }
    if !statement.example.is_empty() {
        let _ = write!(out, " Like `{} {}`.", statement.name, statement.example);
    }
    if !matches!(statement.kind, Kind::Container(_) | Kind::Select(_)) {
        let _ = write!(out, " [{}]", statement.apply.as_str());
    }
    if statement.ordered {
        out.push_str(" They stand in the order in which they are written.");
    }
    if !statement.source.is_empty() {
        let _ = write!(out, " {}", statement.source);
    }
    out.push('\n');
    if statement.partial {
        return;
    }
    for child in statement.children().iter().filter(|child| child.built) {
        entry(out, child, level + 1);
    }
}

fn later(out: &mut String, statement: &Statement, path: &str) {
    let path = if path.is_empty() { statement.name.to_owned() } else { format!("{path} {}", statement.name) };
    if !statement.built {
        let _ = writeln!(out, "- `{path}`");
        return;
    }
    for child in statement.children().iter().filter(|_| !statement.partial) {
        later(out, child, &path);
    }
}
