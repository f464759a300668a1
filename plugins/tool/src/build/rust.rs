//! Guests in Rust.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::toolchain::Toolchain;
use super::tools;
use crate::encode;

/// Where the guests of this repository have their workspace.
const GUESTS: &str = "plugins/guests";
/// Where guests are compiled, apart from everything else: another compiler, another target.
const TARGET_DIR: &str = "target/guests";

/// Build the guests of this repository, or those in these Cargo packages, into `out`.
pub(super) fn guests(all: bool, guests: &[PathBuf], out: &Path) -> Result<()> {
    let toolchain = Toolchain::find()?;
    println!("guest compiler: {}", toolchain.version);
    let here = std::env::current_dir().context("the current directory cannot be found")?;
    let root = repository(&here);
    let mut modules = Vec::new();
    if all {
        let root = root.with_context(|| format!("{GUESTS} is neither here nor above: run this in the repository"))?;
        // Some fixtures are examples of their package: a package has one library only.
        modules.extend(compile(
            &toolchain,
            root,
            &root.join(GUESTS),
            &root.join(TARGET_DIR),
            &["--workspace", "--lib", "--examples"],
        )?);
    }
    for guest in guests {
        let guest = guest.canonicalize().with_context(|| format!("{} cannot be found", guest.display()))?;
        let root = root.unwrap_or(&here);
        modules.extend(compile(&toolchain, root, &guest, &root.join(TARGET_DIR), &["--lib"])?);
    }
    if modules.is_empty() {
        bail!(NO_GUEST);
    }
    fs::create_dir_all(out).with_context(|| format!("{} cannot be made", out.display()))?;
    for module in &modules {
        let name = module.file_stem().and_then(|name| name.to_str()).unwrap_or("guest").replace('_', "-");
        let component = out.join(name).with_extension("wasm");
        let written = encode::file(module, &component)?;
        println!("{}{}", component.display(), if written { "" } else { " (unchanged)" });
    }
    Ok(())
}

/// Build the Cargo package in `dir`.
pub(super) fn project(dir: &Path, component: &Path) -> Result<()> {
    let toolchain = Toolchain::find()?;
    let (root, target) = match repository(dir) {
        Some(root) => (root, root.join(TARGET_DIR)),
        // One for all projects: the standard library is compiled once.
        None => (dir, tools()?.join("rust")),
    };
    let modules = compile(&toolchain, root, dir, &target, &["--lib"])?;
    let [module] = modules.as_slice() else { bail!(NO_GUEST) };
    encode::file(module, component)?;
    Ok(())
}

const NO_GUEST: &str = "no guest was built: its library must have crate-type = [\"cdylib\"]";

/// This repository, if `dir` is in it.
fn repository(dir: &Path) -> Option<&Path> {
    dir.ancestors().find(|dir| dir.join(GUESTS).join("Cargo.toml").exists())
}

/// Compile the guests of a package or workspace; the paths of their core modules.
fn compile(toolchain: &Toolchain, root: &Path, guests: &Path, target: &Path, what: &[&str]) -> Result<Vec<PathBuf>> {
    let mut command: Command = toolchain.cargo(root);
    command
        .args(what)
        .arg("--message-format=json-render-diagnostics")
        .arg("--target-dir")
        .arg(target)
        .current_dir(guests)
        .stderr(Stdio::inherit());
    let output = command.output().context("cargo does not run")?;
    if !output.status.success() {
        bail!("the guests in {} do not build ({})", guests.display(), output.status);
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let mut modules: Vec<PathBuf> = messages.lines().flat_map(modules_of).collect();
    modules.sort();
    Ok(modules)
}

/// Core modules in one of Cargo's messages.
fn modules_of(message: &str) -> Vec<PathBuf> {
    let Ok(message) = serde_json::from_str::<Value>(message) else {
        return Vec::new();
    };
    if message.pointer("/reason").and_then(Value::as_str) != Some("compiler-artifact") {
        return Vec::new();
    }
    let files = message.pointer("/filenames").and_then(Value::as_array);
    let files = files.into_iter().flatten().filter_map(Value::as_str).map(PathBuf::from);
    files.filter(|file| file.extension().is_some_and(|extension| extension == "wasm")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_modules_are_taken_from_messages() {
        let artifact = r#"{"reason":"compiler-artifact","filenames":["/t/a.wasm","/t/liba.rlib"]}"#;
        assert_eq!(modules_of(artifact), [PathBuf::from("/t/a.wasm")]);
        for other in ["", "no message", r#"{"reason":"build-finished"}"#, r#"{"reason":"compiler-artifact"}"#] {
            assert!(modules_of(other).is_empty(), "{other}");
        }
    }
}
