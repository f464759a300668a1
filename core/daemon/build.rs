//! Embeds the shipped policies, where they have been built: `src/shipped.rs` includes what this leaves in `OUT_DIR`.
//!
//! A guest needs another compiler, so it is no part of this build. One that is absent is embedded as nothing, and the
//! daemon refuses a configuration that binds it.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// The components, as `bindery-plugin build --all` names them.
const COMPONENTS: [&str; 4] = ["deferred-nak", "option-insert", "radius-disconnect", "restricted-requestor"];

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let built = target(&out).map(|target| target.join("plugins"));
    if let Some(built) = &built {
        // Cargo runs this again and again as long as what it watches does not exist.
        fs::create_dir_all(built)?;
        println!("cargo::rerun-if-changed={}", built.display());
    }
    for name in COMPONENTS {
        let file = built.as_ref().map(|built| built.join(name).with_extension("wasm"));
        let component = match file.map(fs::read) {
            Some(Ok(component)) => component,
            Some(Err(error)) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => Vec::new(),
        };
        fs::write(out.join(name).with_extension("wasm"), component)?;
    }
    Ok(())
}

/// Cargo's target folder: the one above `OUT_DIR` that Cargo has marked as a cache.
fn target(out: &Path) -> Option<&Path> {
    out.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file())
}
