//! A released WIT package never changes: `wit/SHA256SUMS` holds the digest of every file.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit")
}

#[test]
fn frozen_packages_are_as_released() {
    let sums = fs::read_to_string(root().join("SHA256SUMS")).unwrap();
    let listed: BTreeMap<String, String> = sums
        .lines()
        .map(|line| line.split_once("  ").unwrap())
        .map(|(digest, path)| (path.to_owned(), digest.to_owned()))
        .collect();
    let mut found = BTreeMap::new();
    for package in fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
        for file in fs::read_dir(package).unwrap().map(|entry| entry.unwrap().path()) {
            let name = file.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
            // Not released.
            if name.contains("@0.") {
                continue;
            }
            let digest = Sha256::digest(fs::read(&file).unwrap());
            found.insert(name, digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        }
    }
    assert_eq!(found, listed, "a new need is a new directory; `sha256sum */*.wit` in wit/ lists it");
}
