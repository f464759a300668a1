//! A file that is rolled: `NAME`, then `NAME.0` and so on, the newest first.

use crate::Settings;
use regex::Regex;
use std::{
    ffi::OsString,
    fs::{File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::PathBuf,
    time::{Duration, Instant},
};

/// How long a file that cannot be written is left alone.
const PAUSE: Duration = Duration::from_secs(5);

/// The file of one [`Settings`].
pub(crate) struct TraceFile {
    path: PathBuf,
    size: u64,
    files: u32,
    mode: u32,
    matching: Option<Regex>,
    open: Option<(File, u64)>,
    /// No further try before this.
    retry: Option<Instant>,
}

impl TraceFile {
    pub(crate) fn new(settings: &Settings) -> Self {
        let mode = if settings.world_readable { 0o644 } else { 0o600 };
        // The configuration was checked; one that is no expression matches nothing less.
        let matching = Regex::new(&settings.matching).ok().filter(|_| !settings.matching.is_empty());
        let Settings { path, size, files, .. } = settings.clone();
        Self { path, size, files, mode, matching, open: None, retry: None }
    }

    /// Writes a line, which may have more lines behind it.
    pub(crate) fn write(&mut self, line: &str) {
        if self.matching.as_ref().is_some_and(|matching| !matching.is_match(line)) {
            return;
        }
        if self.retry.is_some_and(|retry| Instant::now() < retry) {
            return;
        }
        match self.try_write(line) {
            Ok(()) => self.retry = None,
            Err(error) => {
                if self.retry.is_none() {
                    tracing::warn!("{}: {error}: it is traced nothing until it can be written", self.path.display());
                }
                self.open = None;
                self.retry = Some(Instant::now() + PAUSE);
            }
        }
    }

    fn try_write(&mut self, line: &str) -> io::Result<()> {
        let adds = line.len() as u64 + 1;
        if self.open.as_ref().is_some_and(|(_, written)| *written > 0 && written + adds > self.size) {
            self.open = None;
            self.roll()?;
        }
        let (file, written) = match &mut self.open {
            Some(open) => open,
            None => {
                // Nobody may read a FIFO.
                let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
                let mut options = OpenOptions::new();
                let file = options.append(true).create(true).mode(self.mode).custom_flags(flags).open(&self.path)?;
                if !file.metadata()?.is_file() {
                    return Err(io::Error::other("not a regular file"));
                }
                // A file that was there keeps its mode no longer than we say.
                let mut permissions = file.metadata()?.permissions();
                if permissions.mode() & 0o777 != self.mode {
                    permissions.set_mode(self.mode);
                    file.set_permissions(permissions)?;
                }
                let written = file.metadata()?.len();
                self.open.insert((file, written))
            }
        };
        file.write_all(format!("{line}\n").as_bytes())?;
        *written += adds;
        Ok(())
    }

    fn numbered(&self, number: u32) -> PathBuf {
        let mut name = OsString::from(&self.path);
        name.push(format!(".{number}"));
        name.into()
    }

    /// The file becomes `.0`, and so on; what is over `files` goes.
    fn roll(&self) -> io::Result<()> {
        let last = self.files.max(2) - 2;
        for number in (0..last).rev() {
            rename(self.numbered(number), self.numbered(number + 1))?;
        }
        rename(self.path.clone(), self.numbered(0))
    }
}

/// Renames what may not be there.
fn rename(from: PathBuf, to: PathBuf) -> io::Result<()> {
    match std::fs::rename(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Flags, Level};

    fn settings(path: PathBuf) -> Settings {
        Settings {
            path,
            size: 20,
            files: 3,
            world_readable: false,
            matching: String::new(),
            level: Level::All,
            flags: Flags::ALL,
            clients: Vec::new(),
            scope: crate::Scope::default(),
        }
    }

    #[test]
    fn a_file_is_rolled_at_its_size_and_the_oldest_goes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("trace");
        let mut file = TraceFile::new(&settings(path.clone()));
        for number in 0..8 {
            file.write(&format!("line {number}"));
        }
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
        // Two lines of 7 bytes fit into 20.
        assert_eq!(read("trace"), "line 6\nline 7\n");
        assert_eq!(read("trace.0"), "line 4\nline 5\n");
        assert_eq!(read("trace.1"), "line 2\nline 3\n");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 3);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_restart_goes_on_in_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("trace");
        TraceFile::new(&settings(path.clone())).write("before");
        let world_readable = Settings { world_readable: true, ..settings(path.clone()) };
        TraceFile::new(&world_readable).write("after");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "before\nafter\n");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
    }

    #[test]
    fn only_lines_that_match_are_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("trace");
        let mut file = TraceFile::new(&Settings { matching: "b[0-9]".into(), size: 10_240, ..settings(path.clone()) });
        ["a1", "b1", "bb", "xb7x"].into_iter().for_each(|line| file.write(line));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "b1\nxb7x\n");
    }

    /// Such as /dev/null, which everybody needs as it is, or a FIFO that nobody reads, which would hold the thread up.
    #[test]
    fn what_is_no_file_is_let_be() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fifo");
        assert!(std::process::Command::new("mkfifo").args(["-m", "644"]).arg(&path).status().unwrap().success());
        let _reader = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(&path).unwrap();
        let mut file = TraceFile::new(&settings(path.clone()));
        file.write("line");
        assert!(file.retry.is_some());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
    }

    #[test]
    fn a_file_that_cannot_be_written_harms_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = TraceFile::new(&settings(dir.path().join("no").join("trace")));
        file.write("line");
        assert!(file.retry.is_some());
        file.write("line");
    }
}
