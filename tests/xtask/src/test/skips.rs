//! Checks that did not run, and the list of those that may be missing in the CI.

use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::fs;

const FILE: &str = "tests/SKIPS";

/// One check that did not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Skip {
    /// The test's or the step's name.
    pub(crate) name: String,
    /// What was missing.
    pub(crate) why: String,
}

impl Skip {
    /// Reads a line `SKIP name: why`, as tests print it.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let (name, why) = line.trim().strip_prefix("SKIP ")?.split_once(": ")?;
        Some(Self { name: name.to_string(), why: why.to_string() })
    }
}

/// The names that `tests/SKIPS` allows.
#[derive(Debug, Default)]
pub(crate) struct Skips {
    names: BTreeSet<String>,
}

impl Skips {
    /// Reads `tests/SKIPS`: a line is `name: reason`, empty, or a remark that starts with `#`.
    ///
    /// # Errors
    /// When a line has no reason: an unexplained skip is not allowed.
    pub(crate) fn read() -> Result<Self> {
        let text = fs::read_to_string(FILE).with_context(|| format!("cannot read {FILE}"))?;
        Self::parse(&text)
    }

    fn parse(text: &str) -> Result<Self> {
        let mut names = BTreeSet::new();
        for (index, line) in text.lines().map(str::trim).enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match line.split_once(": ") {
                Some((name, reason)) if !reason.trim().is_empty() => names.insert(name.to_string()),
                _ => bail!("{FILE}:{}: a line is `name: reason`", index + 1),
            };
        }
        Ok(Self { names })
    }

    /// The names among `skips` that the list does not allow, each once.
    pub(crate) fn refused(&self, skips: &[Skip]) -> Vec<String> {
        let names: BTreeSet<&String> = skips.iter().map(|skip| &skip.name).collect();
        names.into_iter().filter(|name| !self.names.contains(*name)).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skip_needs_a_reason() {
        assert!(Skips::parse("netns:").is_err());
        assert!(Skips::parse("netns").is_err());
        let skips = Skips::parse("# remark\n\nnetns: no kernel\n").expect("a good list");
        let made = |name: &str| Skip { name: name.into(), why: "x".into() };
        assert_eq!(skips.refused(&[made("netns"), made("fuzz"), made("fuzz")]), ["fuzz"]);
    }

    #[test]
    fn only_a_whole_skip_line_counts() {
        assert_eq!(Skip::parse("SKIP netns: needs root").map(|skip| skip.name), Some("netns".into()));
        assert_eq!(Skip::parse("SKIPPED netns: x"), None);
        assert_eq!(Skip::parse("test SKIP a: b"), None);
    }
}
