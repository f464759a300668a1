//! The test programs of the workspace: built once in one cargo call, then run step by step.
//!
//! One call for all packages, because cargo chooses a dependency's features from the packages of the call: a call per
//! package would build the heavy dependencies several times.

use super::Context;
use crate::shell;
use anyhow::{Context as _, Result, bail};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A test program of one package.
pub(crate) struct TestBinary {
    package: String,
    folder: PathBuf,
    program: PathBuf,
}

/// Builds every program and test program of the workspace and returns the test programs.
///
/// # Errors
/// When something does not compile.
pub(crate) fn build() -> Result<Vec<TestBinary>> {
    let mut command = Command::new("cargo");
    command.args(["build", "--workspace", "--bins", "--tests", "--locked", "--message-format=json-render-diagnostics"]);
    println!("    $ {}", shell::shown(&command));
    let output = command.stderr(Stdio::inherit()).output().context("could not start cargo")?;
    if !output.status.success() {
        bail!("the workspace does not build");
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().filter_map(test_binary).collect())
}

/// Reads one of cargo's messages. Only three plain string fields matter, so this is no JSON reader.
fn test_binary(line: &str) -> Option<TestBinary> {
    if !line.contains("\"reason\":\"compiler-artifact\"") || !is_test_profile(line) {
        return None;
    }
    let program = PathBuf::from(string_field(line, "executable")?);
    let manifest = string_field(line, "manifest_path")?;
    let folder = Path::new(&manifest).parent()?.to_path_buf();
    let id = string_field(line, "package_id")?;
    let package = id.rsplit_once('#').map(|(_, name)| name.split('@').next().unwrap_or(name).to_string())?;
    Some(TestBinary { package, folder, program })
}

/// Whether it was built as a test. The target says `"test":true` too, of a plain program that could be.
fn is_test_profile(line: &str) -> bool {
    let profile =
        line.find("\"profile\":{").and_then(|start| line.get(start..)).and_then(|rest| rest.split('}').next());
    profile.is_some_and(|profile| profile.contains("\"test\":true"))
}

fn string_field(line: &str, field: &str) -> Option<String> {
    let start = line.find(&format!("\"{field}\":\""))? + field.len() + 4;
    let rest = line.get(start..)?;
    Some(rest.get(..rest.find('"')?)?.to_string())
}

/// Runs the test programs of the packages that `wanted` chooses, with `arguments` after the harness's own.
///
/// # Errors
/// When one failed (the others still run), or when there was none: a step that tests nothing must not pass.
pub(crate) fn run(context: &mut Context, wanted: impl Fn(&str) -> bool, environment: &[(&str, String)]) -> Result<()> {
    let binaries = build()?;
    let chosen: Vec<_> = binaries.iter().filter(|binary| wanted(&binary.package)).collect();
    if chosen.is_empty() {
        bail!("no test program was built for this step");
    }
    let mut failed = Vec::new();
    for binary in chosen {
        println!("    -- {}", binary.package);
        let mut command = Command::new(&binary.program);
        // What cargo sets for a test: its folder. `--show-output` lets a passing test say that it skipped.
        command.current_dir(&binary.folder).env("CARGO_MANIFEST_DIR", &binary.folder).arg("--show-output");
        // A backtrace buries what a test says.
        command.env("RUST_BACKTRACE", "0");
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        if context.run(&mut command).is_err() {
            failed.push(binary.package.clone());
        }
    }
    if !failed.is_empty() {
        bail!("tests failed in {}", failed.join(", "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_cargos_message_of_a_test_program() {
        let line = concat!(
            r#"{"reason":"compiler-artifact","package_id":"path+file:///x/tests/xtask#bindery-xtask@0.1.0","#,
            r#""manifest_path":"/x/tests/xtask/Cargo.toml","target":{"kind":["bin"],"name":"bindery-xtask","test":true},"#,
            r#""profile":{"opt_level":"1","debuginfo":1,"test":true},"features":[],"executable":"/x/target/a-1","fresh":true}"#
        );
        let binary = test_binary(line).expect("a test program");
        assert_eq!((binary.package.as_str(), binary.program.as_path()), ("bindery-xtask", Path::new("/x/target/a-1")));
        assert_eq!(binary.folder, Path::new("/x/tests/xtask"));
        let plain = line.replace(r#""debuginfo":1,"test":true"#, r#""debuginfo":1,"test":false"#);
        assert!(test_binary(&plain).is_none(), "a plain program is no test");
    }
}
