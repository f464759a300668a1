//! The log of the shim.

use anyhow::{Context, Result, bail};
use std::{
    ffi::OsString,
    os::unix::ffi::OsStringExt,
    path::{Path, PathBuf},
    sync::Arc,
};

/// One thing that the process did, and that succeeded, unless it says otherwise.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// Opened a file or a directory; `created`: the file was not there before.
    Open {
        /// The descriptor.
        fd: i32,
        /// Its name.
        path: PathBuf,
        /// Whether it was not there before.
        created: bool,
    },
    /// Made `copy` another descriptor of `fd`.
    Dup {
        /// The descriptor.
        fd: i32,
        /// The other descriptor.
        copy: i32,
    },
    /// Closed a descriptor.
    Close {
        /// The descriptor.
        fd: i32,
    },
    /// Wrote `data` at `offset`.
    Write {
        /// The descriptor.
        fd: i32,
        /// Where the first byte went.
        offset: u64,
        /// The bytes.
        data: Arc<[u8]>,
    },
    /// Set the length of a file.
    Truncate {
        /// The descriptor.
        fd: i32,
        /// The new length.
        len: u64,
    },
    /// Synced a file or a directory, or failed to.
    Sync {
        /// The descriptor.
        fd: i32,
        /// Whether it failed.
        failed: bool,
    },
    /// Moved a name.
    Rename {
        /// The old name.
        from: PathBuf,
        /// The new name.
        to: PathBuf,
    },
    /// Removed a file's name.
    Unlink {
        /// Its name.
        path: PathBuf,
    },
    /// Made a directory.
    Mkdir {
        /// Its name.
        path: PathBuf,
    },
    /// Removed an empty directory.
    Rmdir {
        /// Its name.
        path: PathBuf,
    },
    /// A line that the process wrote about itself.
    Note(String),
}

impl Event {
    /// Whether the state of the disk differs after it, or what it may hold.
    pub fn matters(&self) -> bool {
        !matches!(self, Self::Dup { .. } | Self::Close { .. } | Self::Open { created: false, .. })
    }
}

/// Reads a log.
///
/// # Errors
/// When it is broken, or tells of a call that nobody here knows how to replay.
pub fn read(path: &Path) -> Result<Vec<Event>> {
    let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    let mut rest = &bytes[..];
    let mut events = Vec::new();
    while !rest.is_empty() {
        events.push(event(&mut rest).with_context(|| format!("event {}", events.len()))?);
    }
    Ok(events)
}

fn event(rest: &mut &[u8]) -> Result<Event> {
    let [op] = take(rest)?;
    let fd = i32::from_ne_bytes(take(rest)?);
    let number = i64::from_ne_bytes(take(rest)?);
    let lengths = [u32::from_ne_bytes(take(rest)?), u32::from_ne_bytes(take(rest)?)];
    let mut strings = lengths.into_iter().map(|len| {
        let (string, left) = rest.split_at_checked(len as usize).context("the log is cut short")?;
        *rest = left;
        Ok::<_, anyhow::Error>(string)
    });
    let one = strings.next().context("no string")??;
    let two = strings.next().context("no string")??;
    let unsigned = || u64::try_from(number).context("a negative offset");
    Ok(match op {
        1 => Event::Open { fd, path: path_of(one), created: number != 0 },
        2 => Event::Write { fd, offset: unsigned()?, data: one.into() },
        3 => Event::Truncate { fd, len: unsigned()? },
        4 => Event::Sync { fd, failed: number != 0 },
        5 => Event::Close { fd },
        6 => Event::Rename { from: path_of(one), to: path_of(two) },
        7 => Event::Unlink { path: path_of(one) },
        8 => Event::Mkdir { path: path_of(one) },
        9 => Event::Rmdir { path: path_of(one) },
        10 => Event::Note(String::from_utf8_lossy(one).trim_end().to_string()),
        12 => Event::Dup { fd, copy: i32::try_from(number)? },
        11 => bail!("the process did something that cannot be replayed: {}", String::from_utf8_lossy(one)),
        op => bail!("unknown record {op}"),
    })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N]> {
    let (head, left) = rest.split_first_chunk::<N>().context("the log is cut short")?;
    *rest = left;
    Ok(*head)
}

fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsString::from_vec(bytes.to_vec()))
}
