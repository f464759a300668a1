//! Where revisions are kept: a few small files.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Named small files on stable storage.
pub trait Storage: Send {
    /// The bytes of a file; none if there is no such file.
    ///
    /// # Errors
    /// It cannot be read.
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>>;

    /// Makes `bytes` what the file holds, whole or not at all; it is on stable storage when this returns.
    ///
    /// # Errors
    /// The file may have its old content or the new one.
    fn write(&mut self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Removes the file; one that is not there is removed already.
    ///
    /// # Errors
    /// The file may still be there.
    fn remove(&mut self, name: &str) -> io::Result<()>;

    /// The names of all files, in any order.
    ///
    /// # Errors
    /// They cannot be read.
    fn list(&self) -> io::Result<Vec<String>>;

    /// How messages call the file.
    fn place(&self, name: &str) -> String {
        name.to_owned()
    }
}

/// How the name of a file ends that is not whole yet.
const UNFINISHED: &str = "new";

/// The files of a directory, readable by their owner alone: they have secrets.
#[derive(Clone, Debug)]
pub struct Directory(PathBuf);

impl Directory {
    /// The files of `path`, which is made if need be. What a crash has left unfinished goes.
    ///
    /// # Errors
    /// The file system's.
    pub fn open(path: &Path) -> io::Result<Self> {
        fs::create_dir_all(path)?;
        for entry in fs::read_dir(path)? {
            let path = entry?.path();
            if path.extension().is_some_and(|ending| ending == UNFINISHED) {
                // One that cannot be removed is no file to us all the same.
                let _ = fs::remove_file(path);
            }
        }
        Ok(Self(path.to_owned()))
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.0)?.sync_all()
    }
}

impl Storage for Directory {
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.0.join(name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn write(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.0.join(name);
        // Behind the whole name: two files must not share the unfinished one.
        let unfinished = self.0.join(format!("{name}.{UNFINISHED}"));
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&unfinished, &path)?;
        self.sync()
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.0.join(name)) {
            Ok(()) => self.sync(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            let name = entry?.file_name();
            names.extend(name.to_str().filter(|name| !name.ends_with(&format!(".{UNFINISHED}"))).map(str::to_owned));
        }
        Ok(names)
    }

    fn place(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn files_are_whole_secret_and_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config");
        let mut directory = Directory::open(&path).unwrap();
        assert_eq!(directory.read("a.kdl").unwrap(), None);
        directory.write("a.kdl", b"one").unwrap();
        directory.write("a.kdl", b"two").unwrap();
        directory.write("a.record", b"three").unwrap();
        assert_eq!(directory.read("a.kdl").unwrap().as_deref(), Some(&b"two"[..]));
        assert_eq!(fs::metadata(path.join("a.kdl")).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(path.join("b.new"), "half").unwrap();
        let mut names = directory.list().unwrap();
        names.sort();
        assert_eq!(names, ["a.kdl", "a.record"]);
        assert!(directory.place("a.kdl").ends_with("config/a.kdl"));

        let mut again = Directory::open(&path).unwrap();
        assert!(!path.join("b.new").exists(), "what is unfinished may hold secrets");
        again.remove("a.kdl").unwrap();
        again.remove("a.kdl").unwrap();
        assert_eq!(again.list().unwrap(), ["a.record"]);
    }

    #[test]
    fn what_cannot_be_written_is_said_so() {
        let dir = tempfile::tempdir().unwrap();
        let mut directory = Directory::open(dir.path()).unwrap();
        fs::create_dir(dir.path().join("a")).unwrap();
        assert!(directory.write("a", b"").is_err() && directory.read("a").is_err() && directory.remove("a").is_err());
    }
}
