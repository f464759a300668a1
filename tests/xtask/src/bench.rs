//! `cargo xtask bench`: builds the daemon and the harness in release form and hands over.

use crate::shell;
use anyhow::Result;
use std::ffi::OsString;
use std::process::Command;

/// Builds what a bench measures and runs the harness (`tests/bench`) with `arguments`.
///
/// # Errors
/// When the build or the harness fails.
pub(crate) fn run(arguments: Vec<OsString>) -> Result<()> {
    println!("==> building binderyd, bindery and the bench harness (release)");
    shell::run(Command::new("cargo").args([
        "build",
        "--release",
        "--package=bindery-daemon",
        "--package=bindery-cli",
        "--package=bindery-bench",
    ]))?;
    shell::run(Command::new(shell::target_dir().join("release/bindery-bench")).args(arguments))
}
