//! Rules about the sources themselves: file sizes, leftovers, plain text, frozen WIT packages.

use super::Context;
use crate::shell;
use anyhow::{Context as _, Result, bail};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

/// How many findings are printed at once.
const SHOWN_MAX: usize = 40;
/// A longer file needs a header line that starts with [`SIZE_REASON`].
const LINES_MAX: usize = 800;
const SIZE_REASON: &str = "//! Size: ";

/// What must not be left in a source. In two parts, so that this file does not hold them.
const LEFTOVERS: &[(&str, &str)] = &[
    ("todo", "!("),
    ("unimplemented", "!("),
    ("dbg", "!("),
    ("TO", "DO"),
    ("FIX", "ME"),
    ("XX", "X"),
    ("#[ign", "ore"),
];

/// What an engine is made of. Several engines run side by side without a lock, so nothing here may be reached from two of
/// them: no static, nothing atomic; and without `std` there is no lock that is not made of these.
const UNSHARED: &[&str] = &["core/types/src/", "core/wire/src/", "core/engine/src/"];

const SECTION: char = '\u{a7}';

const FROZEN: &str = "wit/SHA256SUMS";

/// Checks every Rust source.
///
/// # Errors
/// Every finding with its place, all at once.
pub(crate) fn sources(_context: &mut Context) -> Result<()> {
    let mut faults = Vec::new();
    for path in shell::files(Path::new("."), "rs")? {
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        faults.extend(source_faults(&path.display().to_string(), &text));
    }
    if !faults.is_empty() {
        let shown = faults.len().min(SHOWN_MAX);
        bail!("{} findings; the first {shown}:\n      {}", faults.len(), faults[..shown].join("\n      "));
    }
    Ok(())
}

fn source_faults(path: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let lines = text.lines().count();
    let excused = text.lines().take_while(|line| line.starts_with("//!")).any(|line| line.starts_with(SIZE_REASON));
    if lines > LINES_MAX && !excused {
        faults.push(format!("{path}: {lines} lines; split it, or say why in a header line `{SIZE_REASON}...`"));
    }
    let unshared = UNSHARED.iter().any(|folder| path.trim_start_matches("./").starts_with(folder));
    for (index, line) in text.lines().enumerate() {
        let place = format!("{path}:{}", index + 1);
        if unshared && is_shared(line) {
            faults.push(format!("{place}: two engines would share it"));
        }
        for (head, tail) in LEFTOVERS {
            let word = format!("{head}{tail}");
            if holds(line, &word) {
                faults.push(format!("{place}: left over: {word}"));
            }
        }
        // The section sign is the one exception: clauses are cited as `RFC 2131 \u{a7}4.3.2`.
        if line.chars().any(|letter| !letter.is_ascii() && letter != SECTION) {
            faults.push(format!("{place}: not plain ASCII"));
        }
    }
    faults
}

/// Whether `word` stands in `line` and is not a part of a longer word.
fn holds(line: &str, word: &str) -> bool {
    let letter = |found: Option<char>| found.is_some_and(|found| found.is_alphanumeric() || found == '_');
    let open = word.ends_with(|last: char| !last.is_alphanumeric());
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        let after = line.get(at + word.len()..).and_then(|text| text.chars().next());
        !letter(before) && (open || !letter(after))
    })
}

/// Whether a line of code has a static or something atomic.
fn is_shared(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    let item = code.match_indices("static").any(|(at, word)| {
        let before = code.get(..at).and_then(|text| text.chars().next_back());
        let after = code.get(at + word.len()..).and_then(|text| text.chars().next());
        // `'static` is a lifetime.
        before.is_none_or(char::is_whitespace) && after.is_some_and(char::is_whitespace)
    });
    item || code.to_ascii_lowercase().contains("atomic")
}

/// Checks that a released WIT package never changes and that none is left out of the list. A version 0.x is not released.
///
/// # Errors
/// A changed, missing or unlisted file.
pub(crate) fn frozen_wit(context: &mut Context) -> Result<()> {
    let list = fs::read_to_string(FROZEN)
        .with_context(|| format!("{FROZEN} lists the frozen packages; make it with: cd wit && sha256sum */*.wit"))?;
    context.run(Command::new("sha256sum").args(["--check", "--quiet", "--strict", "SHA256SUMS"]).current_dir("wit"))?;
    let listed: BTreeSet<&str> = list.lines().filter_map(|line| line.split_whitespace().nth(1)).collect();
    let unlisted: Vec<String> = shell::files(Path::new("wit"), "wit")?
        .iter()
        .filter_map(|path| path.strip_prefix("wit").ok().map(|path| path.display().to_string()))
        .filter(|path| path.contains('@') && !path.contains("@0.") && !listed.contains(path.as_str()))
        .collect();
    if !unlisted.is_empty() {
        bail!("versioned packages that {FROZEN} does not list: {}", unlisted.join(", "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_file_needs_a_reason() {
        let long = "\n".repeat(LINES_MAX + 1);
        assert_eq!(source_faults("a.rs", &long).len(), 1);
        assert_eq!(source_faults("a.rs", &format!("{SIZE_REASON}one table.\n{long}")).len(), 0);
    }

    #[test]
    fn engines_share_nothing() {
        let faults = |path, line| source_faults(path, line).len();
        for line in ["static COUNT: u64 = 0;", "    pub(crate) static X: u8 = 0;", "use core::sync::atomic::fence;"] {
            assert_eq!(faults("./core/engine/src/engine.rs", line), 1, "{line}");
            assert_eq!(faults("core/wire/src/v4/packet.rs", line), 1, "{line}");
            assert_eq!(faults("core/store/src/writer.rs", line), 0, "{line}");
        }
        assert_eq!(faults("core/types/src/ids.rs", "next: AtomicU64,"), 1);
        for line in ["fn name(&self) -> &'static str;", "// a static address", "let statics = 1;"] {
            assert_eq!(faults("core/engine/src/engine.rs", line), 0, "{line}");
        }
    }

    #[test]
    fn leftovers_are_whole_words() {
        let marker = ["TO", "DO"].concat();
        assert_eq!(source_faults("a.rs", &format!("// {marker}: later")).len(), 1);
        assert_eq!(source_faults("a.rs", &format!("let MAS{marker} = 1;")).len(), 0);
        assert_eq!(source_faults("a.rs", &["dbg", "!(x)"].concat()).len(), 1);
        assert_eq!(source_faults("a.rs", "// caf\u{e9}").len(), 1);
    }
}
