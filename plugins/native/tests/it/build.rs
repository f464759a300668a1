//! Drivers made on the spot.

use std::{
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;

const HERE: &str = env!("CARGO_MANIFEST_DIR");

/// A driver in a folder of its own.
pub(crate) struct Built {
    folder: TempDir,
}

impl Built {
    /// Compiles a source in C, given relative to this crate.
    pub(crate) fn c(source: &str, flags: &[&str]) -> Self {
        let built = Self { folder: TempDir::new().expect("a folder for the driver") };
        let output = Command::new("cc")
            .args(["-std=c11", "-O2", "-fPIC", "-shared", "-fvisibility=hidden", "-Wall", "-Wextra", "-Werror"])
            .args(["-pthread", "-D_GNU_SOURCE", "-I"])
            .arg(Path::new(HERE).join("include"))
            .args(flags)
            .arg("-o")
            .arg(built.path())
            .arg(Path::new(HERE).join(source))
            .output()
            .expect("cc is installed (cargo xtask setup)");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        built
    }

    /// The odd driver, odd as the flags say.
    pub(crate) fn odd(flags: &[&str]) -> Self {
        Self::c("tests/fixtures/odd.c", flags)
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("driver.so")
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// The sample in Rust. Cargo has built it beside this test, as it does with a dependency.
pub(crate) fn rust_sample() -> PathBuf {
    let test = std::env::current_exe().expect("the test has a path");
    test.with_file_name("libbindery_plane_rust.so")
}
