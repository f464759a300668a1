//! Second step of a commit: the revision is recorded and synced before anything is applied (design §6).
//!
//! `STATE_DIR/config/NNNNNNNN.kdl` is the text, `NNNNNNNN.record` says its hash, when and by whom. A revision exists
//! once its record does: the record is written last and renamed into place.

use crate::prepare::Component;
use bindery_config::Hash;
use std::{
    fmt::Write as _,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// Revisions kept: the active one and 49 to roll back to (junos.md §14.6).
const KEPT: usize = 50;

/// The revisions of a state directory.
#[derive(Debug)]
pub(crate) struct Revisions {
    dir: PathBuf,
    newest: Option<Revision>,
}

/// One recorded revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Revision {
    /// From 1, growing by one.
    pub(crate) number: u64,
    /// What makes it this revision: the hash of the text, and name, hash and file of each plugin.
    pub(crate) content: String,
}

impl Revision {
    /// The hash that the plugin `name` had when `text` was recorded; none if another text was.
    pub(crate) fn plugin_hash(&self, text: Hash, name: &str) -> Option<[u8; 32]> {
        let same = self.content.lines().next() == Some(&format!("sha256 {text}"));
        let mut plugins = self.plugins();
        plugins.find(|(known, _)| same && *known == name).map(|(_, hash)| hash)
    }

    /// Name and hash of each plugin.
    fn plugins(&self) -> impl Iterator<Item = (&str, [u8; 32])> {
        self.content.lines().filter_map(|line| {
            let mut words = line.strip_prefix("plugin ")?.split(' ');
            Some((words.next()?, unhex(words.next()?)?))
        })
    }
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 2 * bytes.len() {
        return None;
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(bytes)
}

impl Revisions {
    /// Opens the directory, and makes it if need be.
    ///
    /// # Errors
    /// The file system's.
    pub(crate) fn open(state_dir: &Path) -> io::Result<Self> {
        let dir = state_dir.join("config");
        fs::create_dir_all(&dir)?;
        let mut revisions = Self { dir, newest: None };
        revisions.newest = revisions.numbers()?.last().and_then(|&number| revisions.read(number));
        Ok(revisions)
    }

    /// The newest revision.
    pub(crate) fn newest(&self) -> Option<&Revision> {
        self.newest.as_ref()
    }

    /// Records a text as the newest revision; it is on stable storage when this returns. What is the newest revision
    /// already, text and plugins, is not recorded again.
    ///
    /// # Errors
    /// The file system's. The old configuration stays.
    pub(crate) fn record(&mut self, text: &str, hash: Hash, by: &str, components: &[Component]) -> io::Result<u64> {
        let mut content = format!("sha256 {hash}\n");
        for Component { name, path, hash } in components {
            // Writing to a string cannot fail.
            let _ = writeln!(content, "plugin {name} {} {}", hex(hash), path.display());
        }
        if let Some(newest) = self.newest.as_ref().filter(|newest| newest.content == content) {
            return Ok(newest.number);
        }
        let number = self.numbers()?.last().copied().unwrap_or(0) + 1;
        let record = format!("revision {number}\nby {by}\nat {}\n{content}", crate::clock::now().wall.0);
        self.write(&self.file(number, "kdl"), text)?;
        self.write(&self.file(number, "record"), &record)?;
        self.newest = Some(Revision { number, content });
        self.prune();
        Ok(number)
    }

    /// Writes a file so that it is there whole or not at all.
    fn write(&self, path: &Path, text: &str) -> io::Result<()> {
        let temporary = path.with_extension("new");
        // The text may hold secrets.
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        File::open(&self.dir)?.sync_all()
    }

    fn file(&self, number: u64, ending: &str) -> PathBuf {
        self.dir.join(format!("{number:08}.{ending}"))
    }

    /// Numbers of the recorded revisions, ascending.
    fn numbers(&self) -> io::Result<Vec<u64>> {
        let mut numbers: Vec<u64> = fs::read_dir(&self.dir)?
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_suffix(".record")?.parse().ok())
            .collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn read(&self, number: u64) -> Option<Revision> {
        let record = fs::read_to_string(self.file(number, "record")).ok()?;
        let content = record.lines().filter(|line| line.starts_with("sha256 ") || line.starts_with("plugin "));
        let content: String = content.flat_map(|line| [line, "\n"]).collect();
        (!content.is_empty()).then_some(Revision { number, content })
    }

    /// The hashes of the plugins of every revision that can be rolled back to.
    ///
    /// # Errors
    /// The file system's.
    pub(crate) fn plugin_hashes(&self) -> io::Result<Vec<[u8; 32]>> {
        let revisions: Vec<_> = self.numbers()?.into_iter().filter_map(|number| self.read(number)).collect();
        Ok(revisions.iter().flat_map(|revision| revision.plugins().map(|(_, hash)| hash)).collect())
    }

    /// Removes revisions past those that can be rolled back to. What cannot be removed stays.
    fn prune(&self) {
        let Ok(numbers) = self.numbers() else { return };
        for &number in numbers.iter().rev().skip(KEPT) {
            let _ = fs::remove_file(self.file(number, "record"));
            let _ = fs::remove_file(self.file(number, "kdl"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_is_found_again_and_not_recorded_twice() {
        let dir = tempfile::tempdir().unwrap();
        let mut revisions = Revisions::open(dir.path()).unwrap();
        assert_eq!(revisions.newest(), None);
        let hash = bindery_config::hash("a");
        assert_eq!(revisions.record("a", hash, "boot", &[]).unwrap(), 1);
        assert_eq!(revisions.record("a", hash, "boot", &[]).unwrap(), 1);
        let other = bindery_config::hash("b");
        assert_eq!(revisions.record("b", other, "reload", &[]).unwrap(), 2);
        let again = Revisions::open(dir.path()).unwrap();
        assert_eq!(again.newest(), Some(&Revision { number: 2, content: format!("sha256 {other}\n") }));
        assert_eq!(fs::read_to_string(dir.path().join("config/00000001.kdl")).unwrap(), "a");
    }

    #[test]
    fn a_changed_plugin_is_a_revision() {
        let dir = tempfile::tempdir().unwrap();
        let mut revisions = Revisions::open(dir.path()).unwrap();
        let hash = bindery_config::hash("a");
        let plugin = |byte| Component { name: "p".to_owned(), path: "p.wasm".into(), hash: [byte; 32] };
        assert_eq!(revisions.record("a", hash, "boot", &[plugin(1)]).unwrap(), 1);
        let mut again = Revisions::open(dir.path()).unwrap();
        assert_eq!(again.record("a", hash, "reload", &[plugin(1)]).unwrap(), 1);
        assert_eq!(again.record("a", hash, "reload", &[plugin(2)]).unwrap(), 2);
        let newest = again.newest().unwrap();
        assert_eq!(newest.plugin_hash(hash, "p"), Some([2; 32]));
        assert_eq!(newest.plugin_hash(hash, "q"), None);
        assert_eq!(newest.plugin_hash(bindery_config::hash("b"), "p"), None, "another text");
        assert_eq!(again.plugin_hashes().unwrap(), [[1; 32], [2; 32]]);
    }

    #[test]
    fn half_a_revision_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let mut revisions = Revisions::open(dir.path()).unwrap();
        revisions.record("a", bindery_config::hash("a"), "boot", &[]).unwrap();
        // A crash between text and record.
        fs::write(dir.path().join("config/00000002.kdl"), "b").unwrap();
        fs::write(dir.path().join("config/00000003.new"), "c").unwrap();
        assert_eq!(Revisions::open(dir.path()).unwrap().newest().map(|r| r.number), Some(1));
    }

    #[test]
    fn old_revisions_go() {
        let dir = tempfile::tempdir().unwrap();
        let mut revisions = Revisions::open(dir.path()).unwrap();
        for i in 0..60 {
            let text = i.to_string();
            revisions.record(&text, bindery_config::hash(&text), "reload", &[]).unwrap();
        }
        assert_eq!(revisions.numbers().unwrap(), (11..=60).collect::<Vec<_>>());
    }
}
