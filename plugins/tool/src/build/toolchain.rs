//! The compiler for guests.
//!
//! The compiler that builds Bindery has no standard library for wasm32. Debian's `rustc-web` has none either, but
//! its sources (`rust-web-src`), from which Cargo builds it: hence `-Zbuild-std`, and `RUSTC_BOOTSTRAP` for
//! this one child process.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// Debian's compiler.
const RUSTC: &str = "/usr/bin/rustc";
/// Names another compiler, whose sysroot holds the sources of its standard library.
const RUSTC_VARIABLE: &str = "BINDERY_GUEST_RUSTC";
/// The linker for wasm32.
const LINKER: &str = "wasm-ld-19";
/// What wit-bindgen needs, as the minor version of Rust 1.
const OLDEST: u32 = 85;
/// The target of every guest: no WASI, so nothing is imported but our own interfaces.
pub(super) const TARGET: &str = "wasm32-unknown-unknown";

const INSTALL: &str = "install what guests need: apt-get install -y rustc-web rust-web-src lld-19";

/// A compiler that was found to be usable.
pub(super) struct Toolchain {
    rustc: PathBuf,
    pub(super) version: String,
}

impl Toolchain {
    /// Look for the compiler, its library's sources and the linker.
    pub(super) fn find() -> Result<Toolchain> {
        let rustc = std::env::var_os(RUSTC_VARIABLE).map_or_else(|| PathBuf::from(RUSTC), PathBuf::from);
        let version = output(&rustc, &["--version"])?;
        match minor(&version) {
            Some(minor) if minor >= OLDEST => {}
            _ => bail!("{} is \"{version}\", guests need 1.{OLDEST} or newer; {INSTALL}", rustc.display()),
        }
        let sysroot = output(&rustc, &["--print", "sysroot"])?;
        let sources = Path::new(&sysroot).join("lib/rustlib/src/rust/library/std/Cargo.toml");
        if !sources.exists() {
            bail!("the sources of Rust's standard library are missing ({}); {INSTALL}", sources.display());
        }
        output(Path::new(LINKER), &["--version"])?;
        Ok(Toolchain { rustc, version })
    }

    /// A Cargo command that builds for the guests' target. `root` is left out of what the guest remembers of its
    /// sources, so that the same sources give the same component anywhere.
    pub(super) fn cargo(&self, root: &Path) -> Command {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut flags = format!("-Clinker={LINKER}\x1f--remap-path-prefix={}=.", root.display());
        if let Some(home) = cargo_home() {
            flags.push_str(&format!("\x1f--remap-path-prefix={}=cargo", home.display()));
        }
        let mut command = Command::new(cargo);
        command
            .env("RUSTC_BOOTSTRAP", "1")
            .env("RUSTC", &self.rustc)
            .env("CARGO_ENCODED_RUSTFLAGS", flags)
            .env_remove("RUSTFLAGS")
            .env_remove("RUSTC_WRAPPER")
            .env_remove("RUSTC_WORKSPACE_WRAPPER")
            .env_remove("CARGO_TARGET_DIR")
            .env_remove("CARGO_BUILD_TARGET")
            .args(["build", "--release", "--target", TARGET, "-Zbuild-std=std,panic_abort"]);
        command
    }
}

fn cargo_home() -> Option<PathBuf> {
    let home = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".cargo"));
    std::env::var_os("CARGO_HOME").map(PathBuf::from).or_else(home)
}

fn output(program: &Path, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .with_context(|| format!("{} does not run; {INSTALL}", program.display()))?;
    if !output.status.success() {
        bail!("{} {} fails; {INSTALL}", program.display(), arguments.join(" "));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// N of `rustc 1.N.x ...`.
fn minor(version: &str) -> Option<u32> {
    version.strip_prefix("rustc 1.")?.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        assert_eq!(minor("rustc 1.96.0 (ac68faa20 2026-05-25) (built from a source tarball)"), Some(96));
        assert_eq!(minor("rustc 2.0.0"), None);
        assert_eq!(minor("gcc 1.2.3"), None);
    }

    #[test]
    fn a_missing_program_says_what_to_install() {
        let error = output(Path::new("no-such-program-here"), &["--version"]).unwrap_err();
        assert!(format!("{error:#}").contains("apt-get install -y rustc-web rust-web-src lld-19"));
    }
}
