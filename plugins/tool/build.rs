//! Embeds `wit/` and the sources of the SDK, so that a project for a plugin needs no copy of this repository.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let home = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let repository = home.join("../..");
    let mut list = String::from("/// Name and text of each file, its name relative to the repository.\n");
    list.push_str("pub(crate) const FILES: &[(&str, &str)] = &[\n");
    for folder in ["wit", "plugins/sdk"] {
        println!("cargo::rerun-if-changed={}", repository.join(folder).display());
        let mut files = Vec::new();
        collect(&repository.join(folder), &mut files)?;
        files.sort();
        for file in files {
            let name = file.strip_prefix(&repository).unwrap_or(&file).display().to_string();
            let _ = writeln!(list, "    ({name:?}, include_str!({:?})),", file.display().to_string());
        }
    }
    list.push_str("];\n");
    fs::write(Path::new(&env::var_os("OUT_DIR").unwrap_or_default()).join("embedded.rs"), list)
}

/// The files of `dir` that a plugin's author needs: interfaces, sources, manifests.
fn collect(dir: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            if !path.ends_with("target") {
                collect(&path, files)?;
            }
        } else if path
            .extension()
            .is_some_and(|extension| ["wit", "rs", "toml"].iter().any(|known| extension == *known))
        {
            files.push(path);
        }
    }
    Ok(())
}
