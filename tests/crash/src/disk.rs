//! What a disk holds for sure, and what it may hold, at each moment of a trace.

use crate::{random::Random, trace::Event};
use anyhow::{Context, Result, bail, ensure};
use std::{
    collections::{BTreeMap, HashMap, hash_map::DefaultHasher},
    fs::{self, File},
    hash::{Hash, Hasher},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Sectors are there whole or not at all.
const SECTOR: u64 = 512;

/// A file by its number in the order of making.
type FileId = usize;

/// What a name stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Node {
    Directory,
    File(FileId),
}

type Names = BTreeMap<PathBuf, Node>;

/// A change of names.
#[derive(Clone, Debug)]
enum NameChange {
    Make(PathBuf, Node),
    Move(PathBuf, PathBuf),
    Remove(PathBuf),
}

/// A change of a file.
#[derive(Clone, Debug)]
enum Change {
    Write { offset: u64, data: Arc<[u8]> },
    Length(u64),
}

/// The bytes of a file: `len` of them, zeroes after those in `data`.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
struct Bytes {
    data: Vec<u8>,
    len: u64,
}

/// How sure a change is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    /// Waits for a sync.
    Pending,
    /// A sync failed while it waited: nobody knows, for ever.
    Doomed,
    /// On the disk, though a doomed one before it may not be.
    Durable,
}

#[derive(Clone, Default)]
struct FileState {
    durable: Bytes,
    /// In order; empties when all are durable.
    changes: Vec<(Change, Fate)>,
}

/// What an open descriptor stands for.
#[derive(Clone, Debug)]
enum Handle {
    Directory(PathBuf),
    File(FileId),
}

/// The disk below one directory.
#[derive(Clone, Default)]
pub struct Disk {
    root: PathBuf,
    durable: Names,
    live: Names,
    pending: Vec<NameChange>,
    files: Vec<FileState>,
    handles: HashMap<i32, Handle>,
}

/// Which of the lawful images of a disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Style {
    /// Nothing but what was synced.
    Synced {
        /// Of the changes of names.
        names: Share,
    },
    /// Every write took place.
    Whole {
        /// Of the changes of names.
        names: Share,
    },
    /// In each file the pending writes up to one, which is cut at a random byte.
    Torn,
    /// Of each pending write some sectors.
    Sectors,
}

/// How many pending changes of names took place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Share {
    /// None.
    None,
    /// All.
    All,
}

/// A directory as it may lie on the disk after the power came back.
#[derive(Hash)]
pub struct Image {
    directories: Vec<PathBuf>,
    files: Vec<(PathBuf, Bytes)>,
}

impl Disk {
    /// The disk under `root`, a durable directory with nothing in it.
    pub fn empty(root: &Path) -> Self {
        let names = Names::from([(root.to_path_buf(), Node::Directory)]);
        Self { root: root.to_path_buf(), durable: names.clone(), live: names, ..Self::default() }
    }

    /// The disk under `root`, which holds durably what lies there now.
    ///
    /// # Errors
    /// When that cannot be read.
    pub fn new(root: &Path) -> Result<Self> {
        let mut disk = Self::empty(root);
        disk.adopt(root)?;
        disk.live = disk.durable.clone();
        Ok(disk)
    }

    fn adopt(&mut self, directory: &Path) -> Result<()> {
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            if path.is_dir() {
                self.durable.insert(path.clone(), Node::Directory);
                self.adopt(&path)?;
            } else {
                let data = fs::read(&path)?;
                let durable = Bytes { len: data.len() as u64, data };
                self.durable.insert(path, Node::File(self.files.len()));
                self.files.push(FileState { durable, changes: Vec::new() });
            }
        }
        Ok(())
    }

    /// Lets the next event of the trace happen.
    ///
    /// # Errors
    /// When it cannot follow what went before: the trace has a hole.
    pub fn apply(&mut self, event: &Event) -> Result<()> {
        self.step(event).with_context(|| format!("at {event:?}"))
    }

    fn step(&mut self, event: &Event) -> Result<()> {
        match event {
            Event::Open { fd, path, created } => {
                if *created {
                    self.files.push(FileState::default());
                    self.change_names(NameChange::Make(path.clone(), Node::File(self.files.len() - 1)))?;
                }
                let handle = match self.live.get(path).context("no such name")? {
                    Node::Directory => Handle::Directory(path.clone()),
                    Node::File(file) => Handle::File(*file),
                };
                self.handles.insert(*fd, handle);
            }
            Event::Dup { fd, copy } => {
                let handle = self.handles.get(fd).context("no such descriptor")?.clone();
                self.handles.insert(*copy, handle);
            }
            Event::Close { fd } => {
                self.handles.remove(fd).context("no such descriptor")?;
            }
            Event::Write { fd, offset, data } => {
                let change = Change::Write { offset: *offset, data: Arc::clone(data) };
                self.file(*fd)?.changes.push((change, Fate::Pending));
            }
            Event::Truncate { fd, len } => self.file(*fd)?.changes.push((Change::Length(*len), Fate::Pending)),
            Event::Sync { fd, failed } => match self.handles.get(fd).context("no such descriptor")?.clone() {
                Handle::File(_) => self.file(*fd)?.sync(*failed),
                Handle::Directory(path) if !failed => self.sync_names(&path)?,
                Handle::Directory(_) => {}
            },
            Event::Rename { from, to } => self.change_names(NameChange::Move(from.clone(), to.clone()))?,
            Event::Unlink { path } | Event::Rmdir { path } => self.change_names(NameChange::Remove(path.clone()))?,
            Event::Mkdir { path } => self.change_names(NameChange::Make(path.clone(), Node::Directory))?,
            Event::Note(_) => {}
        }
        Ok(())
    }

    fn file(&mut self, fd: i32) -> Result<&mut FileState> {
        match self.handles.get(&fd) {
            Some(Handle::File(file)) => self.files.get_mut(*file).context("no such file"),
            _ => bail!("no file is open at {fd}"),
        }
    }

    fn change_names(&mut self, change: NameChange) -> Result<()> {
        change.apply(&mut self.live)?;
        self.pending.push(change);
        Ok(())
    }

    /// Makes the pending changes in one directory durable.
    fn sync_names(&mut self, directory: &Path) -> Result<()> {
        let (mine, others) =
            std::mem::take(&mut self.pending).into_iter().partition(|change| change.touches(directory));
        self.pending = others;
        let mine: Vec<NameChange> = mine;
        for change in mine {
            if let NameChange::Move(from, _) = &change {
                let below = |other: &NameChange| other.paths().iter().any(|path| path.starts_with(from));
                ensure!(!self.pending.iter().any(below), "moved a directory whose names were not synced");
            }
            change.apply(&mut self.durable)?;
        }
        Ok(())
    }

    /// Whether anything waits for a sync: else there is only one image.
    pub fn settled(&self) -> bool {
        self.pending.is_empty() && self.files.iter().all(|file| file.changes.is_empty())
    }

    /// One image of the disk.
    pub fn image(&self, style: Style, random: &mut Random) -> Image {
        let mut names = self.durable.clone();
        let count = match style {
            Style::Synced { names: Share::None } | Style::Whole { names: Share::None } => 0,
            Style::Synced { .. } | Style::Whole { .. } => self.pending.len(),
            Style::Torn | Style::Sectors => random.below(self.pending.len() as u64 + 1) as usize,
        };
        for change in self.pending.iter().take(count) {
            // One that builds on a change in a directory that is not synced falls with it.
            let _ = change.apply(&mut names);
        }
        self.build(&names, |file| file.content(style, random))
    }

    /// The directory as the running process sees it.
    pub fn live(&self) -> Image {
        self.build(&self.live, |file| file.content(Style::Whole { names: Share::All }, &mut Random::new(0)))
    }

    fn build(&self, names: &Names, mut content: impl FnMut(&FileState) -> Bytes) -> Image {
        let mut image = Image { directories: Vec::new(), files: Vec::new() };
        for (path, node) in names {
            let reachable = path
                .ancestors()
                .skip(1)
                .take_while(|up| up.starts_with(&self.root))
                .all(|up| names.get(up) == Some(&Node::Directory));
            let Ok(below) = path.strip_prefix(&self.root) else { continue };
            match node {
                _ if !reachable => {}
                Node::Directory => image.directories.push(below.to_path_buf()),
                Node::File(file) => {
                    if let Some(file) = self.files.get(*file) {
                        image.files.push((below.to_path_buf(), content(file)));
                    }
                }
            }
        }
        image
    }
}

impl NameChange {
    fn paths(&self) -> Vec<&PathBuf> {
        match self {
            Self::Make(path, _) | Self::Remove(path) => vec![path],
            Self::Move(from, to) => vec![from, to],
        }
    }

    fn touches(&self, directory: &Path) -> bool {
        self.paths().iter().any(|path| path.parent() == Some(directory))
    }

    fn apply(&self, names: &mut Names) -> Result<()> {
        match self {
            Self::Make(path, node) => {
                names.insert(path.clone(), *node);
            }
            Self::Remove(path) => {
                names.remove(path).with_context(|| format!("{} is not there", path.display()))?;
            }
            Self::Move(from, to) => {
                ensure!(names.contains_key(from), "{} is not there", from.display());
                let moved: Vec<_> = names.keys().filter(|path| path.starts_with(from)).cloned().collect();
                for path in moved {
                    let Some(node) = names.remove(&path) else { continue };
                    let below = path.strip_prefix(from)?;
                    let target = if below.as_os_str().is_empty() { to.clone() } else { to.join(below) };
                    names.insert(target, node);
                }
            }
        }
        Ok(())
    }
}

impl FileState {
    fn sync(&mut self, failed: bool) {
        for (_, fate) in &mut self.changes {
            if *fate == Fate::Pending {
                *fate = if failed { Fate::Doomed } else { Fate::Durable };
            }
        }
        let settled = self.changes.iter().take_while(|(_, fate)| *fate == Fate::Durable).count();
        for (change, _) in self.changes.drain(..settled) {
            self.durable.change(&change);
        }
    }

    fn content(&self, style: Style, random: &mut Random) -> Bytes {
        let mut bytes = self.durable.clone();
        let pending = self.changes.iter().filter(|(_, fate)| *fate == Fate::Pending).count() as u64;
        let mut left = random.below(pending + 1);
        for (change, fate) in &self.changes {
            match (style, fate) {
                (_, Fate::Durable) | (Style::Whole { .. }, _) => bytes.change(change),
                (Style::Synced { .. }, _) => {}
                (Style::Torn, Fate::Pending) => match left {
                    0 => {
                        bytes.tear(change, random);
                        // The writes behind the torn one never happened.
                        return bytes;
                    }
                    _ => {
                        left -= 1;
                        bytes.change(change);
                    }
                },
                (Style::Torn | Style::Sectors, _) => bytes.scatter(change, random),
            }
        }
        bytes
    }
}

impl Bytes {
    fn change(&mut self, change: &Change) {
        match change {
            Change::Write { offset, data } => self.write(*offset, data),
            Change::Length(len) => {
                self.len = *len;
                self.data.truncate(usize::try_from(*len).unwrap_or(usize::MAX));
            }
        }
    }

    fn write(&mut self, offset: u64, data: &[u8]) {
        let at = offset as usize;
        let end = at + data.len();
        if self.data.len() < end {
            self.data.resize(end, 0);
        }
        if let Some(place) = self.data.get_mut(at..end) {
            place.copy_from_slice(data);
        }
        self.len = self.len.max(end as u64);
    }

    /// The first bytes of a write; a change of length happens or not.
    fn tear(&mut self, change: &Change, random: &mut Random) {
        match change {
            Change::Write { offset, data } => {
                let len = random.below(data.len() as u64) as usize;
                self.write(*offset, data.get(..len).unwrap_or_default());
            }
            Change::Length(_) => self.scatter(change, random),
        }
    }

    /// Some sectors of a write; a change of length happens or not.
    fn scatter(&mut self, change: &Change, random: &mut Random) {
        let Change::Write { offset, data } = change else {
            if random.chance(2) {
                self.change(change);
            }
            return;
        };
        let mut at = 0;
        while at < data.len() {
            let sector_end = ((offset + at as u64) / SECTOR + 1) * SECTOR;
            let end = ((sector_end - offset) as usize).min(data.len());
            if random.chance(2) {
                self.write(offset + at as u64, data.get(at..end).unwrap_or_default());
            }
            at = end;
        }
    }
}

impl Image {
    /// A number that differs where images differ.
    pub fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }

    /// Lays the image out below `root`, an empty directory.
    ///
    /// # Errors
    /// Those of the system.
    pub fn write(&self, root: &Path) -> Result<()> {
        for directory in &self.directories {
            fs::create_dir_all(root.join(directory))?;
        }
        for (path, bytes) in &self.files {
            let file = File::create_new(root.join(path))?;
            file.write_all_at(&bytes.data, 0)?;
            file.set_len(bytes.len)?;
        }
        Ok(())
    }

    /// Whether `root` holds exactly this image; names the first difference.
    ///
    /// # Errors
    /// The difference, or an error of the system.
    pub fn compare(&self, root: &Path) -> Result<()> {
        let found = Disk::new(root)?.live();
        ensure!(self.directories == found.directories, "{:?} and {:?}", self.directories, found.directories);
        let names = |image: &Self| image.files.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>();
        ensure!(names(self) == names(&found), "{:?} and {:?}", names(self), names(&found));
        for ((path, mine), (_, theirs)) in self.files.iter().zip(&found.files) {
            ensure!(mine.len == theirs.len, "{}: {} and {} bytes", path.display(), mine.len, theirs.len);
            let used = mine.data.len();
            ensure!(theirs.data.get(..used) == Some(&mine.data[..]), "{}: other bytes", path.display());
            let rest = theirs.data.get(used..).unwrap_or_default();
            ensure!(rest.iter().all(|&byte| byte == 0), "{}: bytes that nobody wrote", path.display());
        }
        Ok(())
    }
}
