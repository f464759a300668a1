//! `cargo xtask bench`: builds the daemon and the harness in release form and hands over.

use crate::shell;
use anyhow::Result;
use std::ffi::OsString;
use std::process::Command;

/// Builds what a bench measures and runs the harness (`tests/bench`) with `arguments`.
///
/// # Errors
/// When the build or the harness fails.
pub(crate) fn run(arguments: impl Iterator<Item = OsString>) -> Result<()> {
    // `cargo xtask bench -- ARGUMENTS` is what people are used to; to the harness the dashes would end the options.
    let mut arguments = arguments.peekable();
    arguments.next_if(|first| first == "--");
    println!("==> building the plugins, binderyd, bindery and the bench harness (release)");
    // The daemon embeds those that ship, so they come first.
    if shell::which("wasm-ld-19").is_some() {
        shell::run(Command::new("cargo").args(["build", "--package=bindery-plugin-tool"]))?;
        let tool = shell::build_dir().join("bindery-plugin");
        shell::build_plugins(&tool, &shell::target_dir().join("plugins"))?;
    } else {
        println!("    the plugins are not built: cargo xtask setup installs their compiler");
    }
    shell::run(Command::new("cargo").args([
        "build",
        "--release",
        "--package=bindery-daemon",
        "--package=bindery-cli",
        "--package=bindery-bench",
        // What a hook costs is measured by the examples of the crates that call them, engines by that of the store.
        "--package=bindery-plugin-host",
        "--package=bindery-plugin-native",
        "--package=bindery-store",
        "--bins",
        "--examples",
    ]))?;
    shell::run(Command::new(shell::target_dir().join("release/bindery-bench")).args(arguments))
}
