//! Looks at the storage engine's directory (fjall 3.1) before the engine does.
//!
//! At opening, the engine takes a missing version file for "not made yet", and a keyspace that its own catalogue does
//! not know, or that lacks its `current` file, for a leftover: it deletes the whole keyspace. Nor does it check the
//! manifest against the checksum that `current` holds. A finished database of ours has all of them.

use crate::{StoreError, error::AtPath};
use std::{fs, io, path::Path};
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
