//! The configuration file (design §6): read at start and reload, and written by a commit where it can be.

use bindery_config::Hash;
use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown},
    path::{Path, PathBuf},
};

/// Most bytes of a configuration file.
const TEXT_MAX: u64 = 64 << 20;

/// The file named by `--config`.
#[derive(Clone, Debug)]
pub(crate) struct ConfigFile {
    path: PathBuf,
}

impl ConfigFile {
    /// The file at `path`.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The folder at which relative paths of the configuration start.
    pub(crate) fn base(&self) -> &Path {
        self.path.parent().filter(|base| !base.as_os_str().is_empty()).unwrap_or(Path::new("."))
    }

    /// Its text.
    ///
    /// # Errors
    /// The file system's; a file that is no text, or larger than any configuration.
    pub(crate) fn read(&self) -> io::Result<String> {
        let text = String::from_utf8(read(&self.path)?);
        text.map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "this is no text in UTF-8"))
    }

    /// The hash of its text; none where it cannot be read.
    pub(crate) fn hash(&self) -> Option<Hash> {
        self.read().ok().map(|text| bindery_config::hash(&text))
    }

    /// Keeps what an editor has put there since the last commit beside it, before a commit writes over it; where it is
    /// now. A text that one of `known` is the hash of is no edit.
    ///
    /// # Errors
    /// The file system's.
    pub(crate) fn keep_edit(&self, known: &[Hash]) -> io::Result<Option<PathBuf>> {
        let path = self.real();
        // What is no text is an edit too: of somebody whose editor writes another encoding.
        let edited = match read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            done => done?,
        };
        if std::str::from_utf8(&edited).is_ok_and(|text| known.contains(&bindery_config::hash(text))) {
            return Ok(None);
        }
        let aside = beside(&path, ".edited");
        replace(&path, &aside, &edited, 0o7770)?;
        Ok(Some(aside))
    }

    /// Makes `text` what it holds, whole or not at all. One with a secret is nothing for others than owner and group.
    ///
    /// # Errors
    /// The file system's; the file is as it was.
    pub(crate) fn write(&self, text: &str, secret: bool) -> io::Result<()> {
        let path = self.real();
        match read(&path) {
            Ok(bytes) if bytes == text.as_bytes() => Ok(()),
            // What cannot be read was not kept either.
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => replace(&path, &path, text.as_bytes(), if secret { 0o7770 } else { 0o7777 }),
        }
    }

    /// Where it is: a link stays one.
    fn real(&self) -> PathBuf {
        fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone())
    }
}

/// What a file holds that is no larger than any configuration.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(TEXT_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > TEXT_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "larger than 64 MiB: this is no configuration"));
    }
    Ok(bytes)
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path.as_os_str());
    name.push(ending);
    name.into()
}

/// Writes `to` so that it is there whole or not at all, with the owner of `like` and what `mask` leaves of its mode.
fn replace(like: &Path, to: &Path, bytes: &[u8], mask: u32) -> io::Result<()> {
    let temporary = beside(to, ".new");
    let like = fs::metadata(like).ok();
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    if let Some(like) = like {
        file.set_permissions(fs::Permissions::from_mode(like.mode() & mask))?;
        // Only root may give a file away; where we may not, it is ours.
        let _ = fchown(&file, Some(like.uid()), Some(like.gid()));
    }
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, to)?;
    File::open(to.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_writes_the_file_and_loses_no_edit() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("real.kdl");
        fs::write(&target, "a").unwrap();
        fs::set_permissions(&target, fs::Permissions::from_mode(0o640)).unwrap();
        let path = dir.path().join("bindery.kdl");
        std::os::unix::fs::symlink(&target, &path).unwrap();
        let file = ConfigFile::new(path.clone());
        let known = [bindery_config::hash("a")];
        assert_eq!(file.keep_edit(&known).unwrap(), None);
        file.write("b", false).unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "b");
        assert_eq!(fs::metadata(&target).unwrap().mode() & 0o777, 0o640);
        assert!(fs::symlink_metadata(&path).unwrap().is_symlink());

        fs::write(&target, "by hand").unwrap();
        let aside = file.keep_edit(&[bindery_config::hash("b")]).unwrap().unwrap();
        assert_eq!(fs::read_to_string(aside).unwrap(), "by hand");
        fs::set_permissions(&target, fs::Permissions::from_mode(0o644)).unwrap();
        file.write("c", true).unwrap();
        assert_eq!(fs::metadata(&target).unwrap().mode() & 0o777, 0o640);
        assert_eq!(file.hash(), Some(bindery_config::hash("c")));

        fs::write(&target, b"caf\xe9").unwrap();
        assert!(file.read().unwrap_err().to_string().contains("UTF-8"));
        let aside = file.keep_edit(&[bindery_config::hash("c")]).unwrap().unwrap();
        assert_eq!(fs::read(aside).unwrap(), b"caf\xe9", "no text, and an edit all the same");
        File::create(&target).unwrap().set_len(TEXT_MAX + 1).unwrap();
        assert!(file.keep_edit(&[]).is_err() && file.write("d", false).is_err(), "no configuration is so large");
        assert_eq!(fs::metadata(&target).unwrap().len(), TEXT_MAX + 1);
        fs::remove_file(&target).unwrap();
        assert_eq!(file.keep_edit(&[]).unwrap(), None);
        file.write("d", false).unwrap();
        assert_eq!(file.read().unwrap(), "d");
    }

    #[test]
    fn a_file_that_cannot_be_written_is_said_so() {
        let file = ConfigFile::new("/proc/bindery.kdl".into());
        assert!(file.write("a", false).is_err());
        assert!(file.read().is_err() && file.hash().is_none());
        assert_eq!(ConfigFile::new("bindery.kdl".into()).base(), Path::new("."));
    }
}
