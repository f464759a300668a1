//! Looks at the storage engine's directory (fjall 3.1) before the engine does.
//!
//! At opening, the engine takes a missing version file for "not made yet", and a keyspace that its own catalogue does
//! not know, or that lacks its `current` file, for a leftover: it deletes the whole keyspace. Nor does it check the
//! manifest against the checksum that `current` holds. A finished database of ours has all of them.

use crate::{StoreError, error::AtPath};
use std::{
    fs,
    io::{self, Write as _},
    path::Path,
};
use xxhash_rust::xxh3::xxh3_128;

/// The engine's numbers of its catalogue and of our two keyspaces.
pub(crate) const KEYSPACES: [u64; 3] = [0, 1, 2];

/// Checks that the engine will find everything that it needs.
pub(crate) fn check(db: &Path) -> Result<(), StoreError> {
    let version = db.join("version");
    if !read(&version)?.starts_with(b"FJL\x03") {
        return Err(StoreError::damaged(&version, "it is not of version 3"));
    }
    for keyspace in KEYSPACES {
        let path = db.join("keyspaces").join(keyspace.to_string());
        let current = path.join("current");
        let bytes = read(&current)?;
        let (number, sum, kind) =
            parse(&bytes).ok_or_else(|| StoreError::damaged(&current, "it has a wrong length"))?;
        let manifest = path.join(format!("v{number}"));
        if kind != 0 || xxh3_128(&read(&manifest)?) != sum {
            return Err(StoreError::damaged(&manifest, "its checksum is not the one in 'current'"));
        }
    }
    Ok(())
}

/// `current` is the manifest's number u64, its XXH3-128 u128, and the kind of checksum u8.
fn parse(bytes: &[u8]) -> Option<(u64, u128, u8)> {
    let bytes: &[u8; 25] = bytes.try_into().ok()?;
    let (number, rest) = bytes.split_first_chunk::<8>()?;
    let (sum, kind) = rest.split_first_chunk::<16>()?;
    Some((u64::from_le_bytes(*number), u128::from_le_bytes(*sum), *kind.first()?))
}

/// Reads a file that must be there.
fn read(path: &Path) -> Result<Vec<u8>, StoreError> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(StoreError::damaged(path, "the file is missing")),
        result => result.at(path),
    }
}

/// Writes every manifest and `current` file anew, each to a file of its own that takes the old one's name, and removes
/// manifests that are not current.
///
/// After a failed sync the page cache may show what is not on the disk, and a later sync of the same file says nothing
/// about it. A new file's sync does.
///
/// # Errors
/// The file system's; every file is then the old one or the new one.
pub(crate) fn renew(db: &Path) -> Result<(), StoreError> {
    check(db)?;
    for keyspace in KEYSPACES {
        let path = db.join("keyspaces").join(keyspace.to_string());
        let current = path.join("current");
        let number = parse(&read(&current)?).map_or(0, |(number, _, _)| number);
        let manifest = path.join(format!("v{number}"));
        // A crash may leave it; the engine does not look at it.
        let temporary = &path.join("renew");
        for file in [&manifest, &current] {
            let bytes = read(file)?;
            let mut new = fs::File::create(temporary).at(temporary)?;
            new.write_all(&bytes).at(temporary)?;
            new.sync_all().at(temporary)?;
            fs::rename(temporary, file).at(file)?;
        }
        for entry in path.read_dir().at(&path)? {
            let stale = entry.at(&path)?.path();
            let name = stale.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let is_manifest = name.strip_prefix('v').is_some_and(|digits| digits.parse::<u64>().is_ok());
            if is_manifest && stale != manifest {
                fs::remove_file(&stale).at(&stale)?;
            }
        }
        fs::File::open(&path).at(&path)?.sync_all().at(&path)?;
    }
    Ok(())
}
