//! What was typed before, in a file of the operator's own. Lines that may hold a secret are never in it.

use crate::words;
use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::PathBuf,
};

/// Lines that are kept.
const LINES_MAX: usize = 1_000;

/// Longest line that is kept, bytes.
const LINE_MAX: usize = 4_096;

/// Statements that hold secrets, and words that tell of one wherever they are.
const SECRETS: [&str; 6] = ["secret", "password", "token", "shared-key", "passphrase", "preauthentication-secret"];

/// Lines typed before.
#[derive(Debug)]
pub(crate) struct History {
    /// Where they are kept; none where there is no place.
    path: Option<PathBuf>,
    lines: Vec<String>,
}

impl History {
    /// Reads what was kept. Without a place nothing is kept after the end of the program.
    pub(crate) fn open() -> Self {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let folder = set("XDG_STATE_HOME").or_else(|| Some(set("HOME")?.join(".local/state")));
        Self::at(folder.map(|folder| folder.join("bindery")))
    }

    fn at(folder: Option<PathBuf>) -> Self {
        let made = |folder: &PathBuf| fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).is_ok();
        let path = folder.filter(made).map(|folder| folder.join("history"));
        let text = path.as_ref().and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let many = lines.len() > 2 * LINES_MAX;
        lines.drain(..lines.len().saturating_sub(LINES_MAX));
        let history = Self { path, lines };
        if many {
            history.write(false, &history.lines);
        }
        history
    }

    /// The lines, oldest first.
    pub(crate) fn lines(&self) -> &[String] {
        &self.lines
    }

    /// Keeps a line, unless it may hold a secret or was the last one. True where it may be shown again.
    pub(crate) fn add(&mut self, line: &str) -> bool {
        let line = line.trim();
        let kept = !line.is_empty()
            && line.len() <= LINE_MAX
            && !line.contains('\n')
            && !has_secret(line)
            && self.lines.last().is_none_or(|last| last != line);
        if kept {
            self.lines.push(line.to_owned());
            self.write(true, std::slice::from_ref(&self.lines[self.lines.len() - 1]));
        }
        kept
    }

    fn write(&self, append: bool, lines: &[String]) {
        let Some(path) = &self.path else { return };
        let opened =
            OpenOptions::new().append(append).write(true).truncate(!append).create(true).mode(0o600).open(path);
        let Ok(mut file) = opened else { return };
        // A history of somebody else's making is closed to others too. What cannot be written is not kept.
        let _ = file.set_permissions(fs::Permissions::from_mode(0o600));
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let _ = file.write_all(text.as_bytes());
    }
}

/// Whether a line may hold a secret: a word of it names one, or is the beginning of such a name.
fn has_secret(line: &str) -> bool {
    words::words(line).iter().any(|word| {
        let word = word.text.to_lowercase();
        SECRETS.iter().any(|secret| word.contains(secret) || (word.len() > 1 && secret.starts_with(word.as_str())))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_kept_and_the_file_is_the_owners() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Some(dir.path().join("state/bindery"));
        let mut history = History::at(folder.clone());
        for line in [
            "set access radius-server 192.0.2.1 secret x",
            "set access radius-server 192.0.2.1 se x",
            "set system services dhcp-local-server reconfigure token \"x\"",
            "set x { password 1 }",
            "",
            "a\nb",
        ] {
            assert!(!history.add(line), "{line}");
        }
        assert!(history.add("show version") && !history.add("show version"), "not twice");
        assert!(history.add("set system services x"));
        assert_eq!(History::at(folder).lines(), ["show version", "set system services x"]);
        let path = dir.path().join("state/bindery/history");
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn only_the_newest_lines_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let text: String = (0..2_001).map(|n| format!("line {n}\n")).collect();
        fs::write(dir.path().join("history"), text).unwrap();
        let history = History::at(Some(dir.path().into()));
        assert_eq!(history.lines().len(), LINES_MAX);
        assert_eq!(history.lines()[0], "line 1001");
        assert_eq!(fs::read_to_string(dir.path().join("history")).unwrap().lines().count(), LINES_MAX);
    }
}
