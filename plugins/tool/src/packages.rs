//! The WIT packages and the SDK, as they were when this program was built.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// A package of `wit/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Package {
    /// Its name without the namespace, as `shape-reply`.
    pub(crate) name: &'static str,
    /// As `1.0.0`.
    pub(crate) version: &'static str,
}

impl Package {
    /// Whether it never changes; an older version of a host refuses what is newer, and the other way round.
    pub(crate) fn is_released(self) -> bool {
        !self.version.starts_with("0.")
    }
}

/// Every package, by name.
pub(crate) fn packages() -> impl Iterator<Item = Package> {
    FILES.iter().filter_map(|(name, _)| {
        let (folder, _) = name.strip_prefix("wit/")?.split_once('/')?;
        let (name, version) = folder.split_once('@')?;
        Some(Package { name, version })
    })
}

/// The packages of that name; there may be several versions.
pub(crate) fn package(name: &str) -> Option<Package> {
    packages().filter(|package| package.name == name).last()
}

/// Write the WIT packages into `dir`, one folder for each.
pub(crate) fn write_wit(dir: &Path) -> Result<()> {
    write("wit/", dir)
}

/// Write the SDK's sources into `dir`. They look for the WIT packages in `../../wit`.
pub(crate) fn write_sdk(dir: &Path) -> Result<()> {
    write("plugins/sdk/", dir)
}

fn write(prefix: &str, dir: &Path) -> Result<()> {
    for (name, text) in FILES {
        if let Some(name) = name.strip_prefix(prefix) {
            file(&dir.join(name), text)?;
        }
    }
    Ok(())
}

/// Write a file and the folders on its way.
pub(crate) fn file(path: &Path, text: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    }
    // A file that is right keeps its time, by which compilers see what has changed.
    if fs::read(path).is_ok_and(|found| found == text.as_bytes()) {
        return Ok(());
    }
    fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stage_is_here() {
        for stage in bindery_plugin_host::Stage::ALL {
            let found = package(stage.name()).unwrap_or_else(|| panic!("no package for {}", stage.name()));
            let text = format!("package bindery:{}@{};", found.name, found.version);
            assert!(FILES.iter().any(|(_, content)| content.contains(&text)), "{text}");
        }
        assert!(package("shape-reply").unwrap().is_released());
        assert!(FILES.iter().any(|(name, _)| *name == "plugins/sdk/src/lib.rs"));
    }
}
