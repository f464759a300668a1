//! Compiled components on disk, so that a start does not compile again.
//!
//! A compiled component is machine code: whoever writes it runs as us. So the directory must belong to us with
//! mode 0700, and each file starts with a digest of the rest, which catches damage. The name of a file
//! says what it was made from: the component's SHA-256 and the engine's version and settings.

use std::fs::{self, DirBuilder, File, OpenOptions};
#[cfg(feature = "jit")]
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::error::HostError;

/// Bytes of a SHA-256 digest.
const DIGEST_BYTES: usize = 32;
/// Most files in the directory; the oldest go first.
const ENTRIES_MAX: usize = 64;
/// Largest compiled component that is read back.
const ENTRY_MAX_BYTES: u64 = 512 << 20;
/// How our files end.
const EXTENSION: &str = "cwasm";

/// The cache directory.
pub(crate) struct Cache {
    dir: PathBuf,
    /// Version and settings of the engine.
    engine_key: String,
}

/// What the cache had.
pub(crate) enum Lookup {
    Hit(Component),
    Miss,
    /// There was a file, but it is damaged or from elsewhere.
    Bad(String),
}

impl Cache {
    pub(crate) fn open(dir: &Path, engine: &Engine) -> Result<Cache, HostError> {
        let io = |source| HostError::CacheIo { path: dir.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io)?;
        let found = fs::symlink_metadata(dir).map_err(io)?;
        let wanted_uid = nix::unistd::Uid::effective().as_raw();
        let mode = found.mode() & 0o7777;
        if !found.is_dir() || found.uid() != wanted_uid || mode & 0o077 != 0 {
            return Err(HostError::CacheNotOurs { path: dir.to_owned(), uid: found.uid(), wanted_uid, mode });
        }
        Ok(Cache { dir: dir.to_owned(), engine_key: engine_key(engine) })
    }

    fn path(&self, component: &[u8; DIGEST_BYTES]) -> PathBuf {
        self.dir.join(format!("{}-{}.{EXTENSION}", hex(component), self.engine_key))
    }

    pub(crate) fn load(&self, engine: &Engine, component: &[u8; DIGEST_BYTES]) -> Lookup {
        let path = self.path(component);
        let bytes = match read_own(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Lookup::Miss,
            Err(error) => return Lookup::Bad(error.to_string()),
        };
        let Some((digest, artifact)) = bytes.split_at_checked(DIGEST_BYTES) else {
            return Lookup::Bad("cut short".into());
        };
        if Sha256::digest(artifact).as_slice() != digest {
            return Lookup::Bad("damaged".into());
        }
        match deserialize(engine, artifact) {
            Ok(component) => Lookup::Hit(component),
            Err(error) => Lookup::Bad(format!("{error:#}")),
        }
    }

    /// Keep a compiled component.
    pub(crate) fn store(&self, component: &[u8; DIGEST_BYTES], artifact: &[u8]) -> io::Result<()> {
        self.prune()?;
        let path = self.path(component);
        // Another process may write the same file; each renames a whole one into place.
        let partial = path.with_extension(format!("{}.partial", std::process::id()));
        let written = write_new(&partial, artifact).and_then(|()| fs::rename(&partial, &path));
        if written.is_err() {
            // What is left of it is of no use; the first error is the one to report.
            let _ = fs::remove_file(&partial);
        }
        written
    }

    /// Make room for one more file.
    fn prune(&self) -> io::Result<()> {
        let mut files: Vec<(SystemTime, PathBuf)> = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            // What else the directory holds is not ours to remove.
            if entry.path().extension().is_none_or(|extension| extension != EXTENSION) {
                continue;
            }
            if let Ok(modified) = entry.metadata().and_then(|found| found.modified()) {
                files.push((modified, entry.path()));
            }
        }
        files.sort();
        let surplus = (files.len() + 1).saturating_sub(ENTRIES_MAX);
        for (_, path) in files.iter().take(surplus) {
            fs::remove_file(path)?;
        }
        Ok(())
    }
}

fn write_new(path: &Path, artifact: &[u8]) -> io::Result<()> {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(&Sha256::digest(artifact))?;
    file.write_all(artifact)
}

/// Read a file only if we own it and nobody else may write to it.
fn read_own(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let found = file.metadata()?;
    if found.uid() != nix::unistd::Uid::effective().as_raw() || found.mode() & 0o022 != 0 {
        return Err(io::Error::other("not ours alone"));
    }
    let mut bytes = Vec::new();
    file.take(ENTRY_MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A precompiled component from a file that nobody but root or us can have written.
pub(crate) fn deserialize_trusted(engine: &Engine, path: &Path, bytes: &[u8]) -> Result<Component, Distrust> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    for place in [parent, path] {
        let found = fs::metadata(place).map_err(|error| Distrust::Owner(error.to_string()))?;
        if found.uid() != 0 && found.uid() != nix::unistd::Uid::effective().as_raw() {
            return Err(Distrust::Owner(format!("{} belongs to user {}", place.display(), found.uid())));
        }
        if found.mode() & 0o022 != 0 {
            return Err(Distrust::Owner(format!("others may write to {}", place.display())));
        }
    }
    deserialize(engine, bytes).map_err(|error| Distrust::Engine(format!("{error:#}")))
}

/// Why a precompiled file is not taken.
pub(crate) enum Distrust {
    Owner(String),
    Engine(String),
}

#[allow(unsafe_code)]
fn deserialize(engine: &Engine, artifact: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: wasmtime trusts these bytes to be what it once made. They come from a file that only root or
    // this process's own user can have written: `Cache::open` and `read_own` check owner and mode of the
    // cache directory and the entry, and the digest shows the bytes to be the ones that we stored;
    // `deserialize_trusted` checks owner and mode of the file and its directory. Such a writer can change this
    // program itself as well. A file of another version or for other settings is refused by wasmtime.
    unsafe { Component::deserialize(engine, artifact) }
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What tells one engine's machine code from another's: version, target, settings.
#[cfg(feature = "jit")]
fn engine_key(engine: &Engine) -> String {
    let mut hasher = Sha256Hasher(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// A host without a compiler puts nothing in, so it must find nothing.
#[cfg(not(feature = "jit"))]
fn engine_key(_: &Engine) -> String {
    "none".into()
}

/// A `Hasher` whose result is the same in every process and version of Rust.
#[cfg(feature = "jit")]
struct Sha256Hasher(Sha256);

#[cfg(feature = "jit")]
impl Hasher for Sha256Hasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let digest = self.0.clone().finalize();
        digest.iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte))
    }
}
